"""The write-ahead log: everything that this member has promised or is about to sign, until its ledger has stored it.

Six kinds of records over segments.py, payloads in MessagePack (they are never hashed or signed as such):

    BASE       where the chain stood when the segment began: it can be read without the ones before it
    BATCH      a batch of this member's chain with its items, bodies and facts; durable, it may be acknowledged
    PROPOSED   the full content of a block; durable before its height is claimed
    CERTIFIED  its signatures; durable with the next flush, the signer has them until then
    STORED     the ledger has every block up to here; written before segments are dropped
    VETTED     a batch's items, vetted again: these stand in its block, in place of those that came with it

A record that is read twice, or that says what is known already, changes nothing: recovery is by height and sequence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

import msgspec

from services.consensus.disk import Disk
from services.consensus.segments import Draft, LogCorrupt, SegmentedLog
from slt.bus.messages import Item
from slt.consensus.records import BatchFormed, Certified, Head, Proposed, Record, Recovered
from slt.merkle.hashing import Digest
from slt.merkle.tree import Frontier
from slt.statements.batches import batch_digest, parse_batch

BASE, BATCH, PROPOSED, CERTIFIED, STORED, VETTED = 1, 2, 3, 4, 5, 6
SEGMENT_BYTES_MAX: Final = 64 * 1024 * 1024  # some ten full blocks: what is kept beyond need is at most this much


class _Base(msgspec.Struct, array_like=True, frozen=True):
    height: int
    block_id: bytes
    time_ms: int
    log_size: int
    log: bytes
    batch_seq: int
    batch_digest: bytes
    stored: int


class _Batch(msgspec.Struct, array_like=True, frozen=True):
    encoded: bytes
    statement_ids: list[bytes]
    size_bytes: int
    report_entries: int
    items: list[Item]


class _Vetted(msgspec.Struct, array_like=True, frozen=True):
    seq: int
    items: list[Item]


class _Proposed(msgspec.Struct, array_like=True, frozen=True):
    block_id: bytes
    header: bytes
    time_ms: int
    first_seq: int
    batch_digests: list[bytes]
    verdicts: list[bytes]
    beside: bytes
    log_size: int
    log: bytes


class _Certified(msgspec.Struct, array_like=True, frozen=True):
    block_id: bytes
    certificate: bytes
    batch_signatures: list[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A certified block with all that hangs beside it."""

    proposed: Proposed
    certified: Certified
    batches: tuple[BatchFormed, ...]
    items: tuple[list[Item], ...]  # of each batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a start found: for the driver, and for who serves young blocks."""

    recovered: Recovered
    items: dict[int, list[Item]]  # by seq, of the batches that are in no certified block
    blocks: tuple[Block, ...]  # certified and not known to be stored, by height


class Wal:
    """One owner, like its disk. `append` promises nothing; `flush` makes everything before it durable."""

    def __init__(self, disk: Disk, genesis: Head, *, segment_bytes_max: int = SEGMENT_BYTES_MAX) -> None:
        """Open the log. Raises LogCorrupt. `genesis` is where a log without records stands."""
        self._head = genesis
        self._stored = 0
        self._ends: dict[str, tuple[int, int]] = {}  # by segment: the highest height and seq of its records
        self._unflushed = (0, 0)  # the same, of the records that wait for the next flush
        self._seq_of_height: dict[int, int] = {}  # of blocks not yet stored: the last seq up to them
        self._log = SegmentedLog(disk, segment_bytes_max=segment_bytes_max, preface=self._preface)

    def recover(self) -> Held:
        """What the log holds. Call it once, first."""
        reading = _Reading(self._head)
        for segment, entry in self._log.take_entries():
            height, seq = reading.take(entry.kind, entry.height, entry.payload)
            self._note_end(segment, height, seq)
        held = reading.held()
        self._head, self._stored = held.recovered.head, held.recovered.stored
        self._seq_of_height = {block.proposed.height: block.proposed.next_seq - 1 for block in held.blocks}
        return held

    def append(self, record: Record, items: Sequence[Item] = ()) -> None:
        """Add a record for the next flush; a batch comes with its items."""
        match record:
            case BatchFormed():
                payload = _encode(
                    _Batch(
                        record.encoded,
                        list(record.statement_ids),
                        record.size_bytes,
                        record.report_entries,
                        list(items),
                    )
                )
                self._add(BATCH, 0, payload, seq=record.batch.seq)
            case Proposed():
                self._add(PROPOSED, record.height, _encode(_proposed_out(record)), seq=record.next_seq - 1)
            case Certified():
                payload = _encode(_Certified(record.block_id, record.certificate, list(record.batch_signatures)))
                self._add(CERTIFIED, record.height, payload, seq=0)
            case _:
                assert_never(record)

    def append_vetted(self, seq: int, items: Sequence[Item]) -> None:
        """The items of batch `seq` from here on: before the block that is made of them, and durable with it."""
        self._add(VETTED, 0, _encode(_Vetted(seq, list(items))), seq=seq)

    def flush(self) -> None:
        """Everything appended is durable on return: one write, one sync. Raises FatalStorage."""
        if self._log.flush():
            height, seq = self._unflushed
            self._note_end(self._log.active, height, seq)
            self._unflushed = (0, 0)

    def advance(self, head: Head) -> None:
        """The chain stands at `head` now: what a new segment begins with."""
        self._head = head
        self._seq_of_height[head.height] = head.batch_seq

    def note_stored(self, height: int) -> None:
        """The ledger has every block up to `height`: drop segments that hold nothing else. Durable when it matters."""
        if height <= self._stored:
            return
        self._stored = height
        seq = self._seq_of_height.get(height, 0)
        for old in [known for known in self._seq_of_height if known < height]:
            del self._seq_of_height[old]
        droppable = self._droppable(height, seq)
        if droppable:
            # Before a segment goes, the rest must say that its blocks are stored: later segments name their batches.
            self._add(STORED, height, b"", seq=0)
            self.flush()
            for _ in range(droppable):
                self._ends.pop(self._log.segments[0].name, None)
                self._log.drop_first()

    def close(self) -> None:
        self._log.close()

    def _add(self, kind: int, height: int, payload: bytes, *, seq: int) -> None:
        self._log.append(Draft(kind=kind, height=height, payload=payload))
        self._unflushed = (max(self._unflushed[0], height), max(self._unflushed[1], seq))

    def _note_end(self, segment: str, height: int, seq: int) -> None:
        old = self._ends.get(segment, (0, 0))
        self._ends[segment] = (max(old[0], height), max(old[1], seq))

    def _droppable(self, height: int, seq: int) -> int:
        """How many of the oldest segments, the active one aside, hold nothing above `height` and `seq`."""
        count = 0
        for segment in self._log.segments[:-1]:
            last_height, last_seq = self._ends.get(segment.name, (0, 0))
            if last_height > height or last_seq > seq:
                break
            count += 1
        return count

    def _preface(self) -> list[Draft]:
        head = self._head
        base = _Base(
            head.height,
            head.block_id,
            head.time_ms,
            head.log.size,
            head.log.encoded,
            head.batch_seq,
            head.batch_digest,
            self._stored,
        )
        return [Draft(kind=BASE, height=0, payload=_encode(base))]


class _Reading:
    """Adds records up, in the order in which they were written."""

    def __init__(self, genesis: Head) -> None:
        self._head = genesis
        self._stored = 0
        self._based = False
        self._batches: dict[int, tuple[BatchFormed, list[Item]]] = {}
        self._proposed: Proposed | None = None
        self._blocks: list[tuple[Proposed, Certified]] = []

    def take(self, kind: int, height: int, payload: bytes) -> tuple[int, int]:
        """Add one record. Returns the height and the batch sequence number that its segment must be kept for."""
        try:
            return self._take(kind, height, payload)
        except (msgspec.DecodeError, ValueError) as error:
            raise LogCorrupt(f"a record of kind {kind} for height {height} cannot be read: {error}") from error

    def _take(self, kind: int, height: int, payload: bytes) -> tuple[int, int]:
        if not self._based and kind != BASE:
            raise LogCorrupt("the log begins with a segment that does not say where the chain stood")
        match kind:
            case 1:
                self._take_base(_decode_base(payload))
            case 2:
                formed, items = _batch_in(_decode_batch(payload))
                if formed.batch.seq > self._head.batch_seq:
                    self._batches[formed.batch.seq] = (formed, items)
                return 0, formed.batch.seq
            case 3:
                block = _proposed_in(height, _decode_proposed(payload))
                if height == self._head.height + 1:
                    self._proposed = block
                return height, block.next_seq - 1
            case 4:
                self._take_certified(height, _decode_certified(payload))
                return height, 0
            case 5:
                self._stored = max(self._stored, height)
            case 6:
                vetted = _decode_vetted(payload)
                self._take_vetted(vetted)
                return 0, vetted.seq
            case _:
                raise LogCorrupt(f"a record of unknown kind {kind}: written by a newer program?")
        return 0, 0

    def _take_base(self, base: _Base) -> None:
        self._stored = max(self._stored, base.stored)
        if self._based and base.height > self._head.height:
            # The block of `base` was certified in the group that this record opens; its own record follows.
            return
        if self._based:
            return
        self._based = True
        self._head = Head(
            height=base.height,
            block_id=Digest(base.block_id),
            time_ms=base.time_ms,
            log=Frontier.decoded(base.log_size, base.log),
            batch_seq=base.batch_seq,
            batch_digest=Digest(base.batch_digest),
        )

    def _take_vetted(self, record: _Vetted) -> None:
        """Of a batch whose block is certified, and whose own record is gone, nothing is needed."""
        if (known := self._batches.get(record.seq)) is not None:
            if len(known[1]) != len(record.items):
                raise LogCorrupt(f"batch {record.seq} has {len(known[1])} items and was vetted as {len(record.items)}")
            self._batches[record.seq] = known[0], record.items

    def _take_certified(self, height: int, record: _Certified) -> None:
        if height <= self._head.height:
            return
        block = self._proposed
        if block is None or (block.height, block.block_id) != (height, record.block_id):
            raise LogCorrupt(f"block {height} is certified and its content is not in the log")
        certified = Certified(
            height=height,
            block_id=record.block_id,
            certificate=record.certificate,
            batch_signatures=tuple(record.batch_signatures),
        )
        self._blocks.append((block, certified))
        self._head = self._head.after(block)
        self._proposed = None

    def held(self) -> Held:
        blocks = tuple(self._block(*pair) for pair in self._blocks if pair[0].height > self._stored)
        pending = [self._batches[seq] for seq in sorted(self._batches) if seq > self._head.batch_seq]
        expected = self._head.batch_seq
        for formed, _ in pending:
            expected += 1
            if formed.batch.seq != expected:
                raise LogCorrupt(f"batch {expected} is not in the log, and batch {formed.batch.seq} is")
        block = self._proposed
        if block and list(block.batch_digests) != [formed.digest for formed, _ in pending[: len(block.batch_digests)]]:
            raise LogCorrupt(f"block {block.height} was proposed, and its batches are not in the log")
        return Held(
            recovered=Recovered(
                head=self._head,
                stored=min(self._stored, self._head.height),
                pending=tuple(formed for formed, _ in pending),
                proposed=block,
            ),
            items={formed.batch.seq: items for formed, items in pending},
            blocks=blocks,
        )

    def _block(self, proposed: Proposed, certified: Certified) -> Block:
        batches: list[BatchFormed] = []
        items: list[list[Item]] = []
        for seq, digest in enumerate(proposed.batch_digests, proposed.first_seq):
            found = self._batches.get(seq)
            if found is None or found[0].digest != digest:
                raise LogCorrupt(f"block {proposed.height} is not stored yet, and its batch {seq} is not in the log")
            batches.append(found[0])
            items.append(found[1])
        return Block(proposed=proposed, certified=certified, batches=tuple(batches), items=tuple(items))


_encode: Final = msgspec.msgpack.Encoder().encode
_decode_base: Final = msgspec.msgpack.Decoder(_Base).decode
_decode_batch: Final = msgspec.msgpack.Decoder(_Batch).decode
_decode_vetted: Final = msgspec.msgpack.Decoder(_Vetted).decode
_decode_proposed: Final = msgspec.msgpack.Decoder(_Proposed).decode
_decode_certified: Final = msgspec.msgpack.Decoder(_Certified).decode


def _batch_in(record: _Batch) -> tuple[BatchFormed, list[Item]]:
    batch = parse_batch(record.encoded)
    formed = BatchFormed(
        batch=batch,
        encoded=record.encoded,
        digest=batch_digest(record.encoded),
        statement_ids=tuple(record.statement_ids),
        size_bytes=record.size_bytes,
        report_entries=record.report_entries,
    )
    return formed, record.items


def _proposed_out(block: Proposed) -> _Proposed:
    return _Proposed(
        block.block_id,
        block.header,
        block.time_ms,
        block.first_seq,
        list(block.batch_digests),
        list(block.verdicts),
        block.beside,
        block.log.size,
        block.log.encoded,
    )


def _proposed_in(height: int, record: _Proposed) -> Proposed:
    return Proposed(
        height=height,
        block_id=Digest(record.block_id),
        header=record.header,
        time_ms=record.time_ms,
        first_seq=record.first_seq,
        batch_digests=tuple(Digest(digest) for digest in record.batch_digests),
        verdicts=tuple(record.verdicts),
        beside=record.beside,
        log=Frontier.decoded(record.log_size, record.log),
    )
