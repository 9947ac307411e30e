"""What a driver saves: the records of the write-ahead log, and what they add up to after a restart."""

from dataclasses import dataclass
from typing import TypeAlias

from slt.merkle.hashing import Digest
from slt.merkle.tree import Frontier
from slt.statements.batches import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFormed:
    """A batch of this member's own chain. Durable, its sequence number is claimed: no other batch ever has it."""

    batch: Batch
    encoded: bytes  # of `batch`, which computes it anew at each call; so it is with the digest
    digest: Digest
    statement_ids: tuple[bytes, ...]  # one for each entry of the batch
    size_bytes: int  # what it adds to a block on the bus
    report_entries: int  # what it adds to `block_entries_max`


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """The full content of one block before its certificate. Durable before its height is claimed."""

    height: int
    block_id: Digest
    header: bytes
    time_ms: int
    first_seq: int  # of its batches: [first_seq, first_seq + batch_count)
    batch_digests: tuple[Digest, ...]
    verdicts: tuple[bytes, ...]  # CBOR each
    beside: bytes  # what hangs beside the verdicts and is in no hash (findings); opaque here
    log: Frontier  # of the log after this block

    @property
    def next_seq(self) -> int:
        return self.first_seq + len(self.batch_digests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """The signatures that made a block final. The signer keeps the last ones, so losing this record loses nothing."""

    height: int
    block_id: bytes
    certificate: bytes
    batch_signatures: tuple[bytes, ...]


Record: TypeAlias = BatchFormed | Proposed | Certified


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where the chain stands after its last certified block. Height 0 is genesis."""

    height: int
    block_id: Digest
    time_ms: int
    log: Frontier
    batch_seq: int  # of the last batch in a certified block; 0 = none yet
    batch_digest: Digest  # of that batch; chain_id if there is none

    def after(self, block: Proposed) -> "Head":
        """The head once `block` is certified. Requires that it is the next one."""
        assert block.height == self.height + 1 and block.first_seq == self.batch_seq + 1
        return Head(
            height=block.height,
            block_id=block.block_id,
            time_ms=block.time_ms,
            log=block.log,
            batch_seq=block.next_seq - 1,
            batch_digest=block.batch_digests[-1] if block.batch_digests else self.batch_digest,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What a restart finds durable: all that a driver needs to go on."""

    head: Head
    stored: int  # the ledger has every block up to this height, as far as we remember
    pending: tuple[BatchFormed, ...]  # in no certified block, in order of seq
    proposed: Proposed | None  # the block after `head`, not known to be certified
