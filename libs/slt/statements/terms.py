"""Term certificates: who may sign the blocks of a private ledger, from which height, until when (formats.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from slt.merkle.hashing import Digest
from slt.statements import shapes
from slt.statements.cbor import Value, encode
from slt.statements.genesis import Genesis
from slt.statements.signatures import BadSignature, Signer, verify_ed25519
from slt.statements.tags import tag

TERM_BYTES_MAX: Final = 8192
SIGNATURES_MAX: Final = 64


class BadTerm(ValueError):
    """The term authority did not certify this. The message says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TermCertificate:
    """`sequencer_key` (raw Ed25519, 32 bytes) signs from `start_height`, whose parent is `parent_id`.

    A block under it has a time of at most `not_after` (milliseconds), or any time when that is None. `signatures` are
    (index of a key of the term authority, 64 bytes), by index.
    """

    chain_id: Digest
    term: int
    sequencer_key: bytes
    start_height: int
    parent_id: Digest
    not_after: int | None
    signatures: tuple[tuple[int, bytes], ...]

    @property
    def sign_bytes(self) -> bytes:
        """Tag("TERM") || CBOR of the first six fields."""
        return tag("TERM") + encode(self.to_value()[:6])

    def to_value(self) -> list[Value]:
        return [
            self.chain_id,
            self.term,
            self.sequencer_key,
            self.start_height,
            self.parent_id,
            self.not_after,
            [[index, signature] for index, signature in self.signatures],
        ]

    @property
    def encoded(self) -> bytes:
        return encode(self.to_value())

    @classmethod
    def from_value(cls, value: Value) -> "TermCertificate":
        """Read the array of a term certificate. Raises DecodeError. Its signatures are not verified here."""
        chain_id, term, key, start, parent, not_after, signatures = shapes.array(value, "term certificate", 7)
        return cls(
            chain_id=shapes.digest(chain_id, "term certificate: chain_id"),
            term=shapes.integer(term, "term certificate: term", low=1, high=shapes.HEIGHT_MAX),
            sequencer_key=shapes.octets(key, "term certificate: sequencer key", 32),
            start_height=shapes.integer(start, "term certificate: start_height", low=1, high=shapes.HEIGHT_MAX),
            parent_id=shapes.digest(parent, "term certificate: parent_id"),
            not_after=None
            if not_after is None
            else shapes.integer(not_after, "term certificate: not_after", high=shapes.TIME_MS_MAX),
            signatures=tuple(
                _signature(item)
                for item in shapes.array(signatures, "term certificate: signatures", low=1, high=SIGNATURES_MAX)
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateCertificate:
    """What makes a block of a private ledger final: the term, and the sequencer's signature (64 bytes)."""

    term: TermCertificate
    signature: bytes

    def to_value(self) -> list[Value]:
        return [self.term.to_value(), self.signature]

    @property
    def encoded(self) -> bytes:
        return encode(self.to_value())

    @classmethod
    def from_value(cls, value: Value) -> "PrivateCertificate":
        """Read the array of a certificate. Raises DecodeError. Nothing is verified here."""
        term, signature = shapes.array(value, "certificate", 2)
        return cls(
            term=TermCertificate.from_value(term), signature=shapes.octets(signature, "certificate: signature", 64)
        )


def parse_term(data: bytes) -> TermCertificate:
    return TermCertificate.from_value(shapes.opened(data, "term certificate", 7, bytes_max=TERM_BYTES_MAX))


def sign_term(
    signers: Sequence[tuple[int, Signer]],
    *,
    chain_id: bytes,
    term: int,
    sequencer_key: bytes,
    start_height: int,
    parent_id: bytes,
    not_after: int | None,
) -> TermCertificate:
    """The certificate, signed by `signers`: (index in the term authority's keys, signer), in any order."""

    def certificate(signatures: tuple[tuple[int, bytes], ...]) -> TermCertificate:
        return TermCertificate(
            chain_id=Digest(chain_id),
            term=term,
            sequencer_key=sequencer_key,
            start_height=start_height,
            parent_id=Digest(parent_id),
            not_after=not_after,
            signatures=signatures,
        )

    message = certificate(()).sign_bytes
    by_index = sorted(signers, key=lambda signer: signer[0])
    return certificate(tuple((index, signer.sign(message)) for index, signer in by_index))


def verify_term(certificate: TermCertificate, genesis: Genesis) -> None:
    """Raise BadTerm unless the term authority of `genesis` certified this: enough of its keys, each good, each once."""
    authority = genesis.term_authority
    if certificate.chain_id != genesis.chain_id:
        raise BadTerm(f"the term certificate is for ledger {certificate.chain_id.hex()}, not {genesis.chain_id.hex()}")
    indices = [index for index, _ in certificate.signatures]
    if indices != sorted(set(indices)):
        raise BadTerm(f"the signers of a term certificate stand by index, each once, not {indices}")
    if len(indices) < authority.threshold or not indices:
        raise BadTerm(f"a term certificate has {authority.threshold} signatures, not {len(indices)}")
    message = certificate.sign_bytes
    for index, signature in certificate.signatures:
        if index >= len(authority.keys):
            raise BadTerm(f"the term authority has no key {index}")
        try:
            verify_ed25519(authority.keys[index], message, signature)
        except BadSignature as error:
            raise BadTerm(f"signature {index} of the term certificate does not hold: {error}") from None


def _signature(value: Value) -> tuple[int, bytes]:
    index, signature = shapes.array(value, "term certificate: signature", 2)
    return (
        shapes.integer(index, "term certificate: index", high=SIGNATURES_MAX - 1),
        shapes.octets(signature, "term certificate: signature", 64),
    )
