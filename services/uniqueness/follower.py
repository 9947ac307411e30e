"""Follows the chain by height. `slt.block` is only a hint: what counts is the next height, and asking for it.

Consensus has the blocks that its ledger has not stored yet, the ledger has the others. After a rebuild, with an empty
database, the same code reads the whole chain from height 1 on.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from services.uniqueness.blocks import BadBlock, check_facts, compare, read_block
from services.uniqueness.core import STAGE
from services.uniqueness.evaluations import Evaluations
from services.uniqueness.store import Certified, Store
from slt.bus import BusDown, NoReply, TooLarge
from slt.bus.messages import Block, BlockGet, BlockReply, Malformed, StateChanged, decode, encode
from slt.bus.stage import Forged
from slt.bus.subjects import BLOCK_GET, BLOCK_YOUNG, STATE_CHANGED
from slt.inventory.books import REGISTRY_KINDS
from slt.inventory.evaluate import NeedVetting, ProposalFault, UnknownRules
from slt.inventory.keys import Kind, fields_of, prefix
from slt.inventory.state import Changes
from slt.inventory.vetting import BadVetting
from slt.reports.facts import BadFacts
from slt.runtime.run import Runtime
from slt.runtime.stage import Batch

ASKED_S: Final = 5.0  # an answer of several megabytes on a loaded machine takes a second
BLOCKS_ASKED: Final = 16
HINT_WITHIN_S: Final = 0.05  # a proposal on top of a block comes milliseconds before or after the block's own hint

Area = tuple[str, str]  # State, MBA

_HEADS: Final = prefix(Kind.HEAD)
_OF_REGISTRY: Final = tuple(map(prefix, REGISTRY_KINDS))


class Listener:
    """Who wants to know that a block is final."""

    def block_committed(self, statement_ids: Iterable[bytes], areas: Iterable[Area]) -> None:
        """These statements have verdicts; the last report number of these areas has moved."""


class Follower:
    """Takes one block at a time, whoever brings it. `alarm` says why it cannot go on; None while it can."""

    def __init__(
        self,
        runtime: Runtime,
        store: Store,
        evaluations: Evaluations,
        listener: Listener,
        *,
        block_poll_s: float,
    ) -> None:
        self._runtime = runtime
        self._store = store
        self._evaluations = evaluations
        self._listener = listener
        self._poll_s = block_poll_s
        self._turn = asyncio.Lock()
        self._look = asyncio.Event()
        self._moved = asyncio.Event()  # a block was taken; replaced each time
        self.alarm: str | None = None
        metrics = runtime.telemetry.metrics
        self._height = metrics.gauge("slt.uniqueness.height", "The last final block whose changes are stored")
        self._height.set(evaluations.final.height)

    def look(self) -> None:
        """Ask for the next block now."""
        self._look.set()

    async def wait_for(self, block_id: bytes, within_s: float) -> bool:
        """Whether the state after `block_id` can be evaluated on, now or `within_s` from now.

        Its block is on its way to us as well: only when it does not come by itself is it asked for.
        """
        now_s = asyncio.get_running_loop().time()
        for until_s, asking in ((now_s + HINT_WITHIN_S, False), (now_s + within_s, True)):
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until_s):
                    while block_id not in self._evaluations.overlays:
                        if asking:
                            self._look.set()
                        await self._moved.wait()
                    return True
        return False

    async def hinted(self, batch: Batch) -> None:
        """Blocks that came on the bus. What is not taken here is asked for."""
        for delivery in batch.deliveries:
            try:
                block = decode(Block, self._runtime.stage_opener.open_bytes("block", delivery.data))
            except (Malformed, Forged) as error:
                batch.park(delivery, str(error))
                continue
            await self.take(block)

    async def poll(self) -> None:
        """Ask for the next height at start, when told to look, and every block_poll_s, until the service stops."""
        stopping = self._runtime.stopping
        while not stopping.is_set():
            self._look.clear()
            while not stopping.is_set() and await self._ask():
                pass
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._look.wait()

    async def _ask(self) -> bool:
        """Ask consensus, then the ledger, for the next height. Whether it was taken."""
        next_height = self._evaluations.final.height + 1
        for subject in (BLOCK_YOUNG, BLOCK_GET):
            for block in await self._blocks_from(subject, next_height):
                await self.take(block)
            if self._evaluations.final.height >= next_height:
                return True
        return False

    async def _blocks_from(self, subject: str, height: int) -> list[Block]:
        question = BlockGet(from_height=height, count=BLOCKS_ASKED)
        try:
            reply = await self._runtime.ask(subject, question, BlockReply, timeout_s=ASKED_S)
            return [decode(Block, data) for data in reply.blocks]
        except (NoReply, BusDown, TooLarge):
            return []  # They are away: the next poll asks again, and meanwhile a hint may come.
        except Malformed as error:
            self._sound(f"the answer on {subject} cannot be read: {error}")
            return []

    async def take(self, block: Block) -> None:
        """Evaluate a block if it is the next one, compare, store, tell. Raises StateDiverged, which ends the process.

        A block of the past is known; for one of the future the blocks before it are asked for.
        """
        async with self._turn:
            final = self._evaluations.final
            if block.height > final.height + 1:
                self._look.set()
            if block.height != final.height + 1:
                return
            try:
                header, key, batches = read_block(block, final, self._runtime.genesis)
                if self._evaluations.remembered(key) is None:
                    check_facts(block)
                evaluation = await self._evaluations.evaluate(key, batches)
            except (BadBlock, ProposalFault, NeedVetting, UnknownRules, BadVetting, BadFacts, Malformed) as error:
                self._sound(f"block {block.height} cannot be taken: {error}")
                return
            compare(header, block, evaluation)
            head = self._evaluations.add(header.parent_id, header.block_id, evaluation)
            self._wake()  # From here on proposals can be evaluated on top of it.
            await self._store.commit(head, evaluation.changes, certified=Certified(block.header, block.certificate))
            # A crash before this line leaves a store that stands at this block or before it: both are ordinary starts.
            self._evaluations.commit(head.block_id)
            self._height.set(head.height)
            self.alarm = None
            self._runtime.log.info(
                "block",
                stage=STAGE,
                height=head.height,
                block=head.block_id,
                statements=len(evaluation.verdicts),
                log_size=head.log_size,
            )
            statement_ids = [verdict.statement_id for verdict in evaluation.verdicts]
            self._listener.block_committed(statement_ids, _areas(evaluation.changes))
            if any(record_key.startswith(_OF_REGISTRY) for record_key in evaluation.changes):
                await self._runtime.bus.notify(STATE_CHANGED, encode(StateChanged(height=head.height)))

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def _sound(self, text: str) -> None:
        if self.alarm != text:
            self._runtime.log.error("alarm", stage=STAGE, text=text)
        self.alarm = text


def _areas(changes: Changes) -> list[Area]:
    heads = (fields_of(record_key) for record_key in changes if record_key.startswith(_HEADS))
    return [(state, mba) for state, mba in heads]
