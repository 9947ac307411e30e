"""Batches: submissions that one member passes on together, chained and signed with its consensus key."""

from dataclasses import dataclass
from typing import Final

from slt.merkle.hashing import Digest
from slt.statements import shapes
from slt.statements.cbor import Value, encode
from slt.statements.cose import ENVELOPE_BYTES_MAX, GOVERNANCE_BYTES_MAX
from slt.statements.signatures import Signer, verify_ed25519
from slt.statements.submission import APPROVALS_MAX
from slt.statements.tags import tag, tagged_hash

BATCH_BYTES_MAX: Final = 8 * 1024 * 1024
ENTRIES_MAX: Final = 65_536
BODY_LENGTH_MAX: Final = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEntry:
    """One submission in a batch: what was signed, and length and digest of the body as received (not zstd)."""

    statement: bytes
    endorsements: tuple[bytes, ...]
    body_length: int
    body_digest: Digest

    def to_value(self) -> list[Value]:
        return [self.statement, self.endorsements, self.body_length, self.body_digest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """`[author, seq, previous, entries]`. `author` is a member's id, `seq` counts from 1, `previous` is the digest of
    the author's batch before, and the chain_id for seq 1.
    """

    author: int
    seq: int
    previous: Digest
    entries: tuple[BatchEntry, ...]

    def to_value(self) -> list[Value]:
        return [self.author, self.seq, self.previous, [entry.to_value() for entry in self.entries]]

    @property
    def encoded(self) -> bytes:
        """Computed at each call."""
        return encode(self.to_value())

    @property
    def digest(self) -> Digest:
        """H("batch", CBOR), computed at each call."""
        return tagged_hash("batch", self.encoded)


def batch_digest(encoded: bytes) -> Digest:
    """The digest of a batch whose bytes are at hand."""
    return tagged_hash("batch", encoded)


def parse_batch(data: bytes) -> Batch:
    """Read a batch. Raises DecodeError. Its entries are not looked into, and its signature stands beside it."""
    author, seq, previous, entries = shapes.opened(data, "batch", 4, bytes_max=BATCH_BYTES_MAX)
    return Batch(
        author=shapes.integer(author, "batch: author", high=2**32 - 1),
        seq=shapes.integer(seq, "batch: seq", low=1, high=shapes.HEIGHT_MAX),
        previous=shapes.digest(previous, "batch: previous"),
        entries=tuple(_entry(item) for item in shapes.array(entries, "batch: entries", low=1, high=ENTRIES_MAX)),
    )


def batch_sign_bytes(chain_id: bytes, digest: bytes) -> bytes:
    """Tag("BATCH") || chain_id || batch digest."""
    return tag("BATCH") + chain_id + digest


def sign_batch(batch: Batch, chain_id: bytes, signer: Signer) -> bytes:
    """The author's signature, 64 bytes, by its consensus key (Ed25519)."""
    return signer.sign(batch_sign_bytes(chain_id, batch.digest))


def verify_batch(batch: Batch, chain_id: bytes, public: bytes, signature: bytes) -> None:
    """Raise BadSignature unless `public` (the author's consensus key, 32 bytes) signed `batch` for this ledger."""
    verify_ed25519(public, batch_sign_bytes(chain_id, batch.digest), signature)


def _entry(value: Value) -> BatchEntry:
    statement, endorsements, body_length, body_digest = shapes.array(value, "batch entry", 4)
    return BatchEntry(
        statement=shapes.octets(statement, "batch entry: statement", low=1, high=GOVERNANCE_BYTES_MAX),
        endorsements=tuple(
            shapes.octets(item, "batch entry: endorsement", low=1, high=ENVELOPE_BYTES_MAX)
            for item in shapes.array(endorsements, "batch entry: endorsements", high=APPROVALS_MAX)
        ),
        body_length=shapes.integer(body_length, "batch entry: body length", high=BODY_LENGTH_MAX),
        body_digest=shapes.digest(body_digest, "batch entry: body digest"),
    )
