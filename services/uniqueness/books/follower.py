"""Follows the chain by height, behind the ledger of this member. `slt.block` is only a hint.

A block that the hint brings is taken at once when it is the next one; whatever is missing is asked of the ledger, many
blocks at a time, so that a new database has read the whole chain soon. What verifies and stores is the same code.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from typing import Final, TypeVar

from services.uniqueness.blocks import BadBlock
from services.uniqueness.books.blocks import gather
from services.uniqueness.books.store import Head, Store
from slt.bus import BusDown, NoReply, TooLarge
from slt.bus.messages import Block, BlockGet, BlockReply, Malformed, decode
from slt.bus.stage import Forged
from slt.bus.subjects import BLOCK, BLOCK_GET
from slt.runtime.run import Runtime

ASKED_S: Final = 5.0  # an answer of several megabytes on a loaded machine takes a second
BLOCKS_ASKED: Final = 64  # small blocks of a quiet ledger; the answer ends where a message is full


T = TypeVar("T")


class Follower:
    """Takes blocks, whoever brings them. `alarm` says why it cannot go on; None while it can."""

    def __init__(
        self,
        runtime: Runtime,
        store: Store,
        head: Head,
        areas: dict[tuple[str, str], int],
        executor: Executor,
        *,
        block_poll_s: float,
    ) -> None:
        """`executor` has one thread, on which blocks are read, so that questions are answered meanwhile."""
        self._runtime = runtime
        self._store = store
        self._areas = areas
        self._executor = executor
        self._poll_s = block_poll_s
        self._turn = asyncio.Lock()
        self._look = asyncio.Event()
        self.head = head
        self.highest = head.height  # that the ledger or a hint has named
        self.alarm: str | None = None
        metrics = runtime.telemetry.metrics
        self._height = metrics.gauge("slt.books.height", "The last final block whose reports are in the books")
        self._lag = metrics.gauge("slt.books.lag", "Final blocks that the books have not taken yet")
        self._tell()

    async def poll(self) -> None:
        """Ask for the next heights at start, when a hint leaves a gap, and every block_poll_s, until we stop."""
        stopping = self._runtime.stopping
        while not stopping.is_set():
            self._look.clear()
            while not stopping.is_set() and await self._ask():
                pass
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._look.wait()

    async def listen(self) -> None:
        """Take the blocks that consensus hints at as they come, until cancelled."""
        async with self._runtime.bus.hints(BLOCK) as hints:
            await self._hinted(hints)

    async def _hinted(self, hints: AsyncIterator[bytes]) -> None:
        async for data in hints:
            try:
                block = decode(Block, self._runtime.stage_opener.open_bytes("block", data))
            except (Malformed, Forged) as error:
                self._runtime.log.warning("hint", reason=str(error)[:300])  # the writer parks it; the ledger is asked
                continue
            await self.take([block])

    async def _ask(self) -> bool:
        """Ask the ledger for the next blocks. Whether any was taken."""
        asked_at = self.head.height
        try:
            question = BlockGet(from_height=asked_at + 1, count=BLOCKS_ASKED)
            reply = await self._runtime.ask(BLOCK_GET, question, BlockReply, timeout_s=ASKED_S)
            blocks = [decode(Block, data) for data in reply.blocks]
        except (NoReply, BusDown, TooLarge):
            return False  # It is away: the next poll asks again, and meanwhile a hint may come.
        except Malformed as error:
            self._sound(f"the answer on {BLOCK_GET} cannot be read: {error}")
            return False
        self.highest = max(self.highest, reply.highest)
        self._tell()
        await self.take(blocks)
        return self.head.height > asked_at

    async def take(self, blocks: Sequence[Block]) -> None:
        """Verify and store those of these consecutive blocks that come next, in one transaction.

        Blocks of the past are known; for those of the future the ones before are asked for.
        """
        async with self._turn:
            before = self.head
            wanted = [block for block in blocks if block.height > before.height]
            if not wanted:
                return
            self.highest = max(self.highest, *(block.height for block in wanted))
            if wanted[0].height != before.height + 1:
                self._look.set()
                self._tell()
                return
            try:
                head, gathered = await self._aside(lambda: gather(before, wanted, self._runtime.genesis, self._areas))
            except BadBlock as error:
                self._sound(f"a block cannot be taken: {error}")
                wanted = [block for block in wanted if block.height < error.height]
                if not wanted:
                    return
                head, gathered = await self._aside(lambda: gather(before, wanted, self._runtime.genesis, self._areas))
            await self._store.commit(before.height, head, gathered)
            # A crash before this line leaves a store at these blocks or before them: both are ordinary starts.
            self.head = head
            self._areas |= {(state, mba): area for area, _, _, state, mba, _ in gathered.areas}
            if len(wanted) == len(blocks):
                self.alarm = None
            self._tell()
            self._runtime.log.info(
                "books",
                height=head.height,
                blocks=len(wanted),
                reports=len(gathered.reports),
                entries=len(gathered.entries),
            )

    async def _aside(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _tell(self) -> None:
        self._height.set(self.head.height)
        self._lag.set(self.highest - self.head.height)

    def _sound(self, text: str) -> None:
        if self.alarm != text:
            self._runtime.log.error("alarm", text=text)
        self.alarm = text
