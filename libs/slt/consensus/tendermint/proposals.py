"""A proposal: a signed ballot for a block, with what is needed to judge it attached (consensus.md 1.4).

    vote (157 bytes) | entries u32 | header u16 + bytes | batches u16 + 32 each | evidence u16, each u32 + bytes |
    polka u32 + bytes (0: none)

The attachments are not signed and need not be: the header hashes to the signed id, the lists hash to roots in the
header, the polka proves itself. A proposal whose attachments do not fit was changed on its way, and is no proposal.
"""

from dataclasses import dataclass
from struct import Struct
from struct import error as TooShort  # noqa: N812  # struct names its exception in lower case
from typing import Final

from slt.consensus.tendermint.certs import CERTIFICATE_BYTES_MAX, Certificate, parse_certificate
from slt.consensus.tendermint.votes import NO_ROUND, VOTE_BYTES, Kind, Vote, parse_vote
from slt.merkle.hashing import Digest
from slt.statements.cbor import DecodeError, encode
from slt.statements.headers import HEADER_BYTES_MAX, Header, parse_header
from slt.statements.tags import list_root, tagged_hash

PROPOSAL_BYTES_MAX: Final = 64 * 1024  # of every message but batches (consensus.md 2.5)
BATCHES_MAX: Final = 256  # 8 KiB of digests; with the largest polka and the most evidence it fits a proposal
EVIDENCE_BYTES_MAX: Final = 36 * 1024  # in one block: two certificates of the largest set
EVIDENCE_ITEMS_MAX: Final = 64
ENTRIES_MAX: Final = 2**32 - 1

_U16: Final = Struct(">H")
_U32: Final = Struct(">I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a block is made of, as far as votes go: header bytes that hash to its id, digests of its batches, evidence.

    `header` is None where the bytes are no header at all: whoever proposed them is at fault, and they prove it.
    """

    block_id: Digest
    encoded_header: bytes
    header: Header | None
    batches: tuple[Digest, ...]
    evidence: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """`entries` is what the proposer says that its reports hold: time to judge them is given by it (timeouts.py)."""

    vote: Vote
    content: Content
    entries: int = 0
    polka: Certificate | None = None  # for vr >= 0

    @property
    def encoded(self) -> bytes:
        content = self.content
        polka = b"" if self.polka is None else self.polka.encoded
        return b"".join(
            [
                self.vote.encoded,
                _U32.pack(self.entries),
                _U16.pack(len(content.encoded_header)) + content.encoded_header,
                _U16.pack(len(content.batches)) + b"".join(content.batches),
                _U16.pack(len(content.evidence)),
                *(_U32.pack(len(item)) + item for item in content.evidence),
                _U32.pack(len(polka)) + polka,
            ]
        )


def content_of(encoded_header: bytes, batches: tuple[Digest, ...], evidence: tuple[bytes, ...]) -> Content:
    """Tie the lists to the header. Raises DecodeError when they are not those of its roots, or too many.

    Where the bytes are no header nothing can be tied, and lists are refused.
    """
    if len(encoded_header) > HEADER_BYTES_MAX:
        raise DecodeError(f"a header of {len(encoded_header)} bytes; at most {HEADER_BYTES_MAX}")
    if len(batches) > BATCHES_MAX:
        raise DecodeError(f"{len(batches)} batches; at most {BATCHES_MAX}")
    if len(evidence) > EVIDENCE_ITEMS_MAX or sum(map(len, evidence)) > EVIDENCE_BYTES_MAX:
        raise DecodeError(f"more than {EVIDENCE_ITEMS_MAX} pieces or {EVIDENCE_BYTES_MAX} bytes of evidence")
    header = _header(encoded_header)
    if header is None:
        if batches or evidence:
            raise DecodeError("lists beside bytes that are no header")
    elif header.batches_root != list_root("batches", [encode(digest) for digest in batches]):
        raise DecodeError("the batches are not those of the header")
    elif header.evidence_root != list_root("evidence", evidence):
        raise DecodeError("the evidence is not that of the header")
    return Content(
        block_id=tagged_hash("block", encoded_header),
        encoded_header=encoded_header,
        header=header,
        batches=batches,
        evidence=evidence,
    )


def parse_proposal(data: bytes, members: int) -> Proposal:
    """Read a proposal for a set of `members` members. Raises DecodeError. Signatures are not verified here."""
    if len(data) > PROPOSAL_BYTES_MAX:
        raise DecodeError(f"a proposal of {len(data)} bytes; at most {PROPOSAL_BYTES_MAX}")
    vote = parse_vote(data[:VOTE_BYTES])
    if vote.ballot.kind != Kind.PROPOSAL:
        raise DecodeError("a proposal begins with a vote of that kind")
    reader = _Reader(data, VOTE_BYTES)
    try:
        entries = reader.number(_U32)
        header = reader.take(reader.number(_U16))
        count = reader.limited(reader.number(_U16), BATCHES_MAX, "batches")
        batches = tuple(Digest(reader.take(32)) for _ in range(count))
        count = reader.limited(reader.number(_U16), EVIDENCE_ITEMS_MAX, "pieces of evidence")
        evidence = tuple(reader.take(reader.number(_U32)) for _ in range(count))
        polka = reader.take(reader.limited(reader.number(_U32), CERTIFICATE_BYTES_MAX, "bytes of a polka"))
    except TooShort:
        raise DecodeError("the proposal ends inside a length") from None
    if reader.at != len(data):
        raise DecodeError(f"{len(data) - reader.at} bytes follow the proposal")
    content = content_of(header, batches, evidence)
    if content.block_id != vote.ballot.block_id:
        raise DecodeError("the header is not the one that was signed")
    proposal = Proposal(
        vote=vote,
        content=content,
        entries=entries,
        polka=parse_certificate(polka, Kind.PREVOTE, members) if polka else None,
    )
    check_polka_fits(proposal)
    return proposal


def check_polka_fits(proposal: Proposal) -> None:
    """Raise DecodeError unless an attached polka is the one for what the ballot names. It may be missing."""
    ballot, polka = proposal.vote.ballot, proposal.polka
    if polka is None:
        return
    if ballot.vr == NO_ROUND:
        raise DecodeError("a polka beside a proposal that names no valid round")
    asked = (ballot.chain_id, ballot.epoch, ballot.height, ballot.vr, ballot.block_id)
    if asked != (polka.chain_id, polka.epoch, polka.height, polka.round, polka.block_id):
        raise DecodeError("the polka is not for the block, height and valid round that the proposal names")


def _header(encoded: bytes) -> Header | None:
    try:
        return parse_header(encoded)
    except DecodeError:
        return None


class _Reader:
    """Walks over bytes; nothing is copied past the end, and no count is believed before it is compared."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def number(self, form: Struct) -> int:
        (value,) = form.unpack_from(self.data, self.at)
        self.at += form.size
        return int(value)

    def take(self, length: int) -> bytes:
        end = self.at + length
        if end > len(self.data):
            raise DecodeError(f"{length} bytes at {self.at} are more than the proposal has")
        found = self.data[self.at : end]
        self.at = end
        return found

    @staticmethod
    def limited(count: int, limit: int, what: str) -> int:
        if count > limit:
            raise DecodeError(f"{count} {what}; at most {limit}")
        return count
