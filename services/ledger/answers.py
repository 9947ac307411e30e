"""Publishes the receipts of stored blocks, in order of height, and knows how far it has come.

Only what is durable is ever handed in. A receipt that is published and a mark that is not yet written is a repeat
after the next start: facilities bear repeats. The other way round cannot happen.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Final

from services.ledger.receipts import Issued, cut
from slt.bus import Bus, BusDown, StreamFull, TooLarge, subjects
from slt.runtime.logs import Log
from slt.statements.answers import encode_receipts

BLOCKS_WAITING_MAX: Final = 8  # stored blocks whose receipts wait for the bus; then storing waits too
RETRY_S: Final = 0.5
ROOM_POLL_S: Final = 0.05  # only while the bus is slower than the chain
STOP_WITHIN_S: Final = 2.0  # at a stop, for what is still to be published; then it is left to the next start


class Answers:
    """One publisher. `published` is the height up to which every receipt is on the bus.

    Once `stopping` is set nothing waits for the bus any more: what is not published by then stays above the mark.
    """

    def __init__(
        self,
        bus: Bus,
        chain_id: bytes,
        log: Log,
        *,
        published: int,
        stopping: asyncio.Event,
        sent: Callable[[int], None],
    ) -> None:
        """`sent` counts messages."""
        self._bus = bus
        self._chain_id = chain_id
        self._log = log
        self._stopping = stopping
        self._sent = sent
        self._waiting: asyncio.Queue[tuple[int, Sequence[Issued]]] = asyncio.Queue(BLOCKS_WAITING_MAX)
        self._left_out = False
        self.published = published

    async def put(self, height: int, issued: Sequence[Issued]) -> None:
        """Have the receipts of the block at `height`, which is durable, published. Heights come in order."""
        if not self._left_out and self._waiting.full():
            await self._room_or_stop()
        self._left_out = self._left_out or self._waiting.full()
        if not self._left_out:  # Behind a height that was left out no other may be published: the mark has no holes.
            self._waiting.put_nowait((height, issued))

    async def run(self) -> None:
        """Publish what is put in, without end. A crash here repeats some of it at the next start."""
        while True:
            height, issued = await self._waiting.get()
            if not await self.publish(height, issued):
                return  # Stopping, and the bus is away.
            self.published = height
            self._waiting.task_done()

    async def drained(self) -> None:
        """Return once all that was put in is published, or given up after STOP_WITHIN_S."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_WITHIN_S):
                await self._waiting.join()

    async def publish(self, height: int, issued: Sequence[Issued], *, again: bool = False) -> bool:
        """Publish `issued`, all of the block at `height`, each on its facility's subject; stored by the bus on return.

        While the bus is away or full it waits and tries again; False if it is asked to stop meanwhile. The message id
        is made of the bytes, so that a repeat soon after is stored once; with `again`, when somebody has asked, there
        is none.
        """
        by_subject: dict[str, list[bytes]] = defaultdict(list)
        for one in issued:
            by_subject[subjects.receipt(one.state, one.mba)].append(one.receipt)
        messages = [
            (subject, encode_receipts(self._chain_id, height, some))
            for subject, receipts in by_subject.items()
            for some in cut(receipts)
        ]
        stored = await asyncio.gather(*(self._publish_one(subject, data, again=again) for subject, data in messages))
        self._sent(sum(stored))
        return all(stored)

    async def _publish_one(self, subject: str, data: bytes, *, again: bool) -> bool:
        message_id = None if again else sha256(data).hexdigest()
        while True:
            try:
                await self._bus.publish(subject, data, id=message_id)
                return True
            except (BusDown, StreamFull) as error:
                self._log.warning("receipts wait for the bus", stage="ledger", subject=subject, reason=str(error))
            except TooLarge as error:
                # The facility can still fetch it over HTTP; everybody else's receipts must go on.
                self._log.error("alarm: a receipt is too large for the bus", stage="ledger", reason=str(error))
                return True
            if self._stopping.is_set():
                return False
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S):
                    await self._stopping.wait()

    async def _room_or_stop(self) -> None:
        """Return when the queue has room, or when the service is asked to stop."""
        while self._waiting.full() and not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(ROOM_POLL_S):
                    await self._stopping.wait()
