"""Batches: as many items in one message as fit, and a linger that gives them time to gather.

One signature, one fsync of the broker and one trace header for each message: that is what makes the pipeline fast.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final, Generic, TypeVar

from slt.bus.messages import Item

REPORTS_MAX: Final = 64
BATCH_BYTES_MAX: Final = 256 * 1024
ITEM_FIXED_BYTES: Final = 512  # ids, names and the rest of an item that has no length to count; generous

T = TypeVar("T")


def item_size(item: Item) -> int:
    """About how many bytes `item` takes in a message; a little more rather than less."""
    size = ITEM_FIXED_BYTES + len(item.statement) + len(item.body_z) + len(item.facts_z) + len(item.spki)
    size += 8 * (len(item.endorsements) + len(item.endorsers)) + 48 * len(item.timings)
    size += sum(map(len, item.endorsements)) + sum(map(len, item.endorsers)) + sum(map(len, item.endorser_spkis))
    size += sum(4 * sum(map(len, finding)) + 16 for finding in item.findings)
    size += len(item.change) + sum(ITEM_FIXED_BYTES + len(ahead.facts_z) for ahead in item.ahead)
    return size


def pack(
    items: Sequence[Item], *, reports_max: int = REPORTS_MAX, bytes_max: int = BATCH_BYTES_MAX
) -> list[list[Item]]:
    """`items` in order, cut into messages of at most `reports_max` and about `bytes_max`; an oversize one is alone."""
    packed: list[list[Item]] = []
    room_bytes = 0
    for item in items:
        size = item_size(item)
        if not packed or len(packed[-1]) >= reports_max or size > room_bytes:
            packed.append([])
            room_bytes = bytes_max
        packed[-1].append(item)
        room_bytes -= size
    return packed


class Linger(Generic[T]):
    """Gathers what `put` gives into batches: full at `count_max`, or `linger_s` after the first of them came.

    The queue behind it holds one batch more than the one being made; `put` waits when it is full.
    """

    def __init__(self, *, count_max: int = REPORTS_MAX, linger_s: float) -> None:
        self._count_max = count_max
        self._linger_s = linger_s
        self._queue: asyncio.Queue[T] = asyncio.Queue(count_max)
        self._batch: list[T] = []  # the one being made

    async def put(self, thing: T) -> None:
        await self._queue.put(thing)

    async def batches(self) -> AsyncIterator[list[T]]:
        while True:
            yield await self.batch()

    async def batch(self) -> list[T]:
        """The next batch; waits for its first member without end. When cancelled, the next call goes on with it."""
        batch = self._batch
        if not batch:
            batch.append(await self._queue.get())
        try:
            async with asyncio.timeout(self._linger_s):
                while len(batch) < self._count_max:
                    batch.append(self._queue.get_nowait() if not self._queue.empty() else await self._queue.get())
        except TimeoutError:
            pass
        self._batch = []
        return batch
