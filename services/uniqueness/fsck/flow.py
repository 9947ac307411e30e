"""Is the stored state the one that the ledger's blocks make?

records   they hash to the stored lanes, and these to the certified state root of the stored head
held      each held report is what its row says
replay    genesis, opening inventories and every block, evaluated anew: each certified state root comes out again;
          where the stored records are not those of the replay, each that differs is named
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import cbor2

from services.uniqueness.blocks import BadBlock, StateDiverged, check_facts, compare, read_block
from services.uniqueness.evaluations import Evaluations
from services.uniqueness.service import first_state
from services.uniqueness.snapshot.format import BadSnapshot, first_part, read_first
from services.uniqueness.store import Certified, Frozen, Store
from slt.bus.messages import Block, Malformed, decode
from slt.inventory.evaluate import NeedVetting, ProposalFault
from slt.inventory.keys import RECORDS, Kind, fields_of, kind_of
from slt.inventory.lthash import EMPTY_LANES, updated
from slt.inventory.state import iat_of
from slt.reports.facts import BadFacts
from slt.statements.genesis import Genesis
from slt.statements.submission import Submission

NAMED_MAX: Final = 1_000  # records that differ, told one by one
LENGTH_BYTES: Final = 4  # before each block
BLOCK_BYTES_MAX: Final = 64 * 1024 * 1024  # a block travels in 8 MiB; more is no block

Tell = Callable[[str], None]


@dataclass(slots=True)
class Faults:
    """Tells what is wrong as it is found, and counts it."""

    tell: Tell
    count: int = 0

    def add(self, text: str) -> None:
        self.count += 1
        self.tell(f"FAULT {text}")


async def check_records(frozen: Frozen, genesis: Genesis, faults: Faults) -> int:
    """Compare records, lanes and certified root; how many records there are."""
    lanes, count = EMPTY_LANES, 0
    async for some in frozen.records():
        lanes = updated(lanes, added=[(key, value) for key, value, _ in some])
        count += len(some)
        for key, value, spent_iat in some:
            if spent_iat != _spent_iat(key, value):
                faults.add(f"records {name_of(key)}: the column spent_iat is not what the record says")
    if lanes != frozen.head.lanes:
        faults.add("records: they do not hash to the lanes of the head; a replay of the blocks names those that differ")
    if frozen.certified is None:
        if frozen.head.height:
            faults.add("head: it has no certified header; start the service of this version and let a block come")
        return count
    try:
        begin = first_part(
            chain_id=frozen.chain_id,
            head=frozen.head,
            header=frozen.certified.header,
            certificate=frozen.certified.certificate,
        )
        proven = read_first(begin[LENGTH_BYTES:], genesis)
        if proven.head != frozen.head:
            faults.add("head: block or time are not those of its certified header")
    except BadSnapshot as error:
        faults.add(f"head: {error}")
    return count


async def check_held(store: Store, faults: Faults) -> int:
    """Compare each held report with its row; how many there are."""
    held = await store.held()
    for one in held:
        try:
            (item,) = await store.held_items([one.submission_id])
        except (Malformed, ValueError) as error:
            faults.add(f"held {one.submission_id.hex()}: its item cannot be read: {error}")
            continue
        submission = Submission(statement=item.statement, endorsements=tuple(item.endorsements), body_z=item.body_z)
        if submission.id != one.submission_id or item.statement_id != one.statement_id:
            faults.add(f"held {one.submission_id.hex()}: its item is of another submission")
    return len(held)


class Replay:
    """Evaluates a ledger's blocks from genesis on, in a scratch database, up to the height of a stored state."""

    def __init__(self, scratch: Store, genesis: Genesis, openings: Path | None, faults: Faults) -> None:
        self._scratch = scratch
        self._genesis = genesis
        self._openings = openings
        self._faults = faults
        self.height = 0

    async def run(self, blocks: Iterator[Block], last: int, progress: Callable[[int], None]) -> bool:
        """Evaluate the blocks up to height `last`; whether every certified root came out and none was missing."""
        head, _ = await self._scratch.begin(self._genesis.chain_id, lambda: first_state(self._genesis, self._openings))
        with ThreadPoolExecutor(1, thread_name_prefix="replay") as executor:
            evaluations = Evaluations(self._scratch, head, executor)
            while self.height < last:
                block = next(blocks, None)
                if block is None:
                    self._faults.add(f"replay: the ledger's blocks end at height {self.height}; the state is of {last}")
                    return False
                try:
                    await self._one(block, evaluations)
                except (BadBlock, ProposalFault, NeedVetting, BadFacts, Malformed, StateDiverged, ValueError) as error:
                    self._faults.add(f"replay of height {self.height + 1}: {error}")
                    return False
                progress(self.height)
        return True

    async def _one(self, block: Block, evaluations: Evaluations) -> None:
        header, key, batches = read_block(block, evaluations.final, self._genesis)
        check_facts(block)
        evaluation = await evaluations.evaluate(key, batches)
        compare(header, block, evaluation)
        head = evaluations.add(header.parent_id, header.block_id, evaluation)
        await self._scratch.commit(head, evaluation.changes, certified=Certified(block.header, block.certificate))
        evaluations.commit(head.block_id)
        self.height = head.height

    async def differences(self, frozen: Frozen) -> AsyncIterator[str]:
        """Each record of `frozen`, which stands at this replay's height, that is not as the replay made it."""
        async with self._scratch.frozen() as ours:
            mine, theirs = _one_by_one(ours), _one_by_one(frozen)
            right, stored = await anext(mine, None), await anext(theirs, None)
            while right is not None or stored is not None:
                if stored is None or (right is not None and right[0] < stored[0]):
                    assert right is not None
                    yield f"records {name_of(right[0])}: missing"
                    right = await anext(mine, None)
                elif right is None or stored[0] < right[0]:
                    yield f"records {name_of(stored[0])}: the blocks make no such record"
                    stored = await anext(theirs, None)
                else:
                    if right[1] != stored[1]:
                        yield f"records {name_of(right[0])}: it is {stored[1].hex()}, the blocks make {right[1].hex()}"
                    right, stored = await anext(mine, None), await anext(theirs, None)


def blocks_of(data: BinaryIO) -> Iterator[Block]:
    """The blocks of a stream, each behind its length (4 bytes, big-endian). Raises Malformed."""
    while length := data.read(LENGTH_BYTES):
        size = int.from_bytes(length, "big")
        if len(length) < LENGTH_BYTES or size > BLOCK_BYTES_MAX:
            raise Malformed("the stream of blocks was cut, or is none")
        block = data.read(size)
        if len(block) < size:
            raise Malformed("the stream of blocks was cut")
        yield decode(Block, block)


def name_of(key: bytes) -> str:
    """A record's key in words; hex where it is none."""
    try:
        kind = kind_of(key)
        fields = (field.hex() if isinstance(field, bytes) else str(field) for field in fields_of(key))
        return f"{Kind(kind).name.lower()} {', '.join(map(' '.join, zip(RECORDS[kind].key, fields, strict=True)))}"
    except (ValueError, KeyError, IndexError, TypeError, cbor2.CBORDecodeError):
        return key.hex()


def _spent_iat(key: bytes, value: bytes) -> int | None:
    try:
        return iat_of(value) if kind_of(key) is Kind.SPENT else None
    except (ValueError, KeyError, IndexError, TypeError, cbor2.CBORDecodeError):
        return None  # a rotten record; the hash says so


async def _one_by_one(frozen: Frozen) -> AsyncIterator[tuple[bytes, bytes]]:
    async for some in frozen.records():
        for key, value, _ in some:
            yield key, value
        await asyncio.sleep(0)
