"""Block headers. The id of a block is the hash of its header, and signing the id signs everything the header names."""

from dataclasses import dataclass
from typing import Final

from slt.merkle.hashing import Digest
from slt.statements import shapes
from slt.statements.cbor import Value, encode
from slt.statements.tags import tagged_hash

VERSION: Final = 1
HEADER_BYTES_MAX: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A block, by what holds after it. Fields in the order of formats.md; digests are 32 bytes, time in milliseconds.

    `epoch` is the number of the member set, `proposer` the id of a member. Genesis is height 0; block 1 has the
    chain_id as its parent.
    """

    version: int = VERSION
    chain_id: Digest
    height: int
    parent_id: Digest
    epoch: int
    time_ms: int
    proposer: int
    members_root: Digest
    next_members_root: Digest
    parameters_root: Digest
    batches_root: Digest
    verdicts_root: Digest
    state_root: Digest
    log_size: int
    log_root: Digest
    evidence_root: Digest

    def to_value(self) -> list[Value]:
        return [
            self.version,
            self.chain_id,
            self.height,
            self.parent_id,
            self.epoch,
            self.time_ms,
            self.proposer,
            self.members_root,
            self.next_members_root,
            self.parameters_root,
            self.batches_root,
            self.verdicts_root,
            self.state_root,
            self.log_size,
            self.log_root,
            self.evidence_root,
        ]

    @property
    def encoded(self) -> bytes:
        """Computed at each call."""
        return encode(self.to_value())

    @property
    def block_id(self) -> Digest:
        """H("block", CBOR), computed at each call."""
        return tagged_hash("block", self.encoded)

    @classmethod
    def from_value(cls, value: Value) -> "Header":
        """Read the array of a header. Raises DecodeError."""
        fields = shapes.array(value, "header", 16)
        shapes.version(fields[0], "header")
        return cls(
            chain_id=shapes.digest(fields[1], "header: chain_id"),
            height=shapes.integer(fields[2], "header: height", low=1, high=shapes.HEIGHT_MAX),
            parent_id=shapes.digest(fields[3], "header: parent_id"),
            epoch=shapes.integer(fields[4], "header: epoch", high=shapes.HEIGHT_MAX),
            time_ms=shapes.integer(fields[5], "header: time_ms", high=shapes.TIME_MS_MAX),
            proposer=shapes.integer(fields[6], "header: proposer", high=2**32 - 1),
            members_root=shapes.digest(fields[7], "header: members_root"),
            next_members_root=shapes.digest(fields[8], "header: next_members_root"),
            parameters_root=shapes.digest(fields[9], "header: parameters_root"),
            batches_root=shapes.digest(fields[10], "header: batches_root"),
            verdicts_root=shapes.digest(fields[11], "header: verdicts_root"),
            state_root=shapes.digest(fields[12], "header: state_root"),
            log_size=shapes.integer(fields[13], "header: log_size", low=1, high=shapes.HEIGHT_MAX),
            log_root=shapes.digest(fields[14], "header: log_root"),
            evidence_root=shapes.digest(fields[15], "header: evidence_root"),
        )


def parse_header(data: bytes) -> Header:
    return Header.from_value(shapes.opened(data, "header", 16, bytes_max=HEADER_BYTES_MAX))


def genesis_log_entry(origin: str, chain_id: bytes) -> bytes:
    """Entry 0 of the log: no receipt is ever issued for a tree of one leaf, and the log names its ledger."""
    return encode(["slt", origin, chain_id])
