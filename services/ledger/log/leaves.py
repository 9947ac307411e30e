"""The log's leaves out of the store, in order: what tiles are made of. Reads committed blocks only."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from services.ledger.rows import StoredBlock
from services.ledger.store import Store
from slt.merkle.hashing import Digest
from slt.statements.genesis import Genesis
from slt.statements.headers import genesis_log_entry

BLOCKS_AT_ONCE: Final = 64  # rows of `blocks` in memory; the statements of one block at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class LeavesOf:
    """A block, and what it appended to the log."""

    block: StoredBlock
    leaves: list[bytes]


class Leaves:
    """Reads leaves block by block: a block's statements fit a message of the bus, so memory stays bounded."""

    def __init__(self, store: Store, genesis: Genesis) -> None:
        self._store = store
        self._first = genesis_log_entry(genesis.origin, genesis.chain_id)
        self._found: StoredBlock | None = None  # the last answer of block_of: the next question is about its neighbour

    async def after(self, size: int, last_height: int) -> AsyncIterator[LeavesOf]:
        """The blocks that appended leaf `size` and everything behind it, up to `last_height`, in order.

        The first one's leaves begin with leaf `size`, also where that stands in its middle.
        """
        block = await self.block_of(size, last_height)
        height = last_height + 1 if block is None else block.height
        while height <= last_height:
            for one in await self._store.blocks(height, min(BLOCKS_AT_ONCE, last_height - height + 1)):
                leaves = await self._of(one)
                yield LeavesOf(block=one, leaves=leaves[max(0, size - one.before.size) :])
                height = one.height + 1

    async def between(self, begin: int, end: int, last_height: int) -> list[bytes]:
        """Leaves [begin, end), which blocks up to `last_height` appended."""
        found: list[bytes] = []
        async for some in self.after(begin, last_height):
            found += some.leaves
            if len(found) >= end - begin:
                break
        return found[: end - begin]

    async def block_of(self, index: int, last_height: int) -> StoredBlock | None:
        """The block that appended leaf `index`; None if no block up to `last_height` did.

        Asks the store once or twice for the last block and the one behind the last answer, else log2(heights) times.
        """
        last = await self._store.block(last_height)
        if last is None or last.after.size <= index:
            return None
        low, high, found = 0, last_height, last
        if (near := self._found) is not None and near.height <= last_height:
            if near.after.size > index:
                high, found = near.height, near
            else:
                low = near.height + 1
        if found.before.size > index:
            found = await self._search(index, low, high, found)
        self._found = found
        return found

    async def _search(self, index: int, low: int, high: int, found: StoredBlock) -> StoredBlock:
        """The lowest block in [low, high] behind which the log has leaf `index`, as it has behind `found` at `high`."""
        middle = low  # at first the block behind the last answer
        while low < high:
            block = await self._store.block(middle)
            assert block is not None, "heights have no gap"
            if block.after.size > index:
                high, found = middle, block
            else:
                low = middle + 1
            middle = (low + high) // 2
        return found

    async def root_at(self, size: int, last_height: int) -> Digest | None:
        """The root of the first `size` leaves, if a block up to `last_height` ended there."""
        block = await self.block_of(size - 1, last_height) if size else None
        return block.after.root() if block is not None and block.after.size == size else None

    async def _of(self, block: StoredBlock) -> list[bytes]:
        if block.height == 0:
            return [self._first]
        if block.after.size == block.before.size:
            return []
        return await self._store.accepted(block)
