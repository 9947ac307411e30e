"""The flow: admitted items become batches, batches become blocks, and blocks are kept until the ledger has them.

One task drives the node and nobody else touches it: the others put events into its queue. The node blocks on the disk,
so it runs in a thread of its own, one group of events at a time; that thread is the only writer of log, register and
watermark. What the node returns has become durable: only then are messages acknowledged and blocks shown.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from services.consensus import core
from services.consensus.config import Config
from services.consensus.evaluation import Evaluations
from services.consensus.measures import Measures
from services.consensus.node import Arrived, FinalBlock, Node, Outcome, Revetted, Standing
from services.consensus.young import YoungBlocks
from slt.bus import BusDown, NoReply, StreamFull, TooLarge
from slt.bus.messages import BlockGet, BlockReply, Item, Malformed, encode
from slt.bus.subjects import BLOCK, BLOCK_GET, BLOCK_YOUNG
from slt.consensus.effects import Timer
from slt.consensus.events import ChangeScheduled, Event, Stored, TimerFired
from slt.runtime.copies import Registry, RegistryCopy
from slt.runtime.run import Runtime
from slt.runtime.stage import Batch, Waiting, run_stage

YOUNG_CONCURRENCY: Final = 4  # a ledger and a uniqueness service ask, seldom at once
LEDGER_TIMEOUT_S: Final = 2.0
TAKEN_WITHIN_S: Final = 60.0  # a group of fsyncs; longer means that the disk hangs, and the message waits

T = TypeVar("T")


@dataclass(slots=True)
class _Arrival:
    """Items on their way into the log, and who waits for them to be durable there."""

    items: list[Item]
    received_ms: int
    durable: "asyncio.Future[Outcome]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Service:
    """Everything between the bus and the node."""

    def __init__(self, runtime: Runtime, config: Config, node: Node) -> None:
        self.runtime = runtime
        self.config = config
        self.young = YoungBlocks()
        self.asked: dict[str, tuple[int, int]] = {}  # by service: the height that it needs next, and when it asked
        self.standing: Standing = node.standing()
        self._node = node
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="node")
        self._events: asyncio.Queue[_Arrival | Revetted | Event] = asyncio.Queue()
        self._publishing: asyncio.Queue[tuple[FinalBlock, bytes]] = asyncio.Queue()
        self._evaluations = Evaluations(runtime, config, self._events.put_nowait)
        self._registry = RegistryCopy(runtime, poll_s=config.state_poll_s, taken=self._note_changes)
        self._timer: asyncio.TimerHandle | None = None
        self._measures = Measures(runtime)
        runtime.health.ready_while("signing", lambda: self.standing.halted or None)
        runtime.health.ready_while("evaluation", lambda: self.standing.trouble or None)

    async def run(self) -> None:
        """Until the runtime stops: finish the batch in hand, let what is under way become durable, leave."""
        try:
            self._leave(await self._in_thread(partial(self._node.start, now_ms=self.runtime.now_ms())))
            async with self.runtime.answering(BLOCK_YOUNG, BlockGet, self._give_young, concurrency=YOUNG_CONCURRENCY):
                await self.runtime.run(
                    self._take_in(),
                    background=[
                        self._drive(),
                        self._evaluations.run(),
                        self._publish(),
                        self._ask_ledger(),
                        self._registry.run(),
                    ],
                )
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._thread.shutdown(wait=True)  # a group that has begun ends: its fsyncs are not cut

    async def find(self, id_: bytes) -> dict[str, object] | None:
        """What is known here of a submission or statement."""
        return await self._in_thread(partial(self._node.find, id_))

    # Admitted items: into the log, then acknowledged

    async def _take_in(self) -> None:
        await run_stage(
            self.runtime,
            consumer="consensus",
            opens="admitted",
            handle=self._handle,
            gather=self.config.gather,
            linger_s=self.config.linger_ms / 1000,
            ready=self._held_up,
        )

    async def _handle(self, batch: Batch) -> None:
        """Return once every item is durable in the log, or is a copy of one that is. Raises Waiting."""
        items = [item for item in batch.items if self._is_fit(item)]
        if not items:
            return
        arrival = _Arrival(items, batch.received_ms)
        self._events.put_nowait(arrival)
        try:
            async with asyncio.timeout(TAKEN_WITHIN_S):
                outcome = await asyncio.shield(arrival.durable)
        except TimeoutError:
            raise Waiting(f"the log did not take a group within {TAKEN_WITHIN_S:.0f} s") from None
        if not outcome.taken:
            raise Waiting(f"halted: {outcome.halt}")

    def _is_fit(self, item: Item) -> bool:
        reason = core.unfit(item)
        if reason:
            self._measures.reports.add(stage=core.STAGE, outcome="unfit")
            self.runtime.log.decision(
                "unfit", stage=core.STAGE, submission=item.submission_id, statement=item.statement_id, reason=reason
            )
        return not reason

    def _held_up(self) -> str | None:
        """Why nothing more is fetched now: whatever is in the way stays with the broker."""
        standing = self.standing
        if standing.halted:
            return f"halted: {standing.halted}"
        if standing.unstored >= self.config.blocks_unstored_max:
            return f"the ledger has stored {standing.stored} of {standing.height} blocks"
        if standing.pending_bytes >= self.config.pending_bytes_max:
            return f"{standing.pending_reports} reports wait for a block"
        return None

    # The node

    async def _drive(self) -> None:
        """Give the node its events, as many as there are, one group after the other."""
        while True:
            group = [await self._events.get()]
            while not self._events.empty():
                group.append(self._events.get_nowait())
            arrivals = [one for one in group if isinstance(one, _Arrival)]
            events: list[Arrived | Revetted | Event] = [one for one in group if not isinstance(one, _Arrival)]
            if arrivals:
                items = [item for arrival in arrivals for item in arrival.items]
                events.insert(0, Arrived(now_ms=arrivals[0].received_ms, items=items))
            outcome = await self._in_thread(partial(self._node.handle, events))
            for arrival in arrivals:
                if not arrival.durable.done():
                    arrival.durable.set_result(outcome)
            self._leave(outcome)

    def _note_changes(self, registry: Registry) -> None:
        """While a governance change waits for its height, blocks are made without batches too, until it is there."""
        waits_for = max((one.effective_height for one in registry.announced), default=0)
        if waits_for > self.standing.height:
            self._events.put_nowait(ChangeScheduled(now_ms=self.runtime.now_ms(), height=waits_for))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run `work` in the node's thread, to its end even if we are cancelled meanwhile."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))

    def _leave(self, outcome: Outcome) -> None:
        """Carry on with what left the node."""
        self.standing = outcome.standing
        for final in outcome.blocks:
            if not final.again:
                final = self._measures.block(final)  # noqa: PLW2901 - the same block, its items under their new spans
            data = encode(final.message)
            self.young.add(final.height, data)
            self._publishing.put_nowait((final, data))
        self.young.drop(self.standing.stored)
        for question in outcome.questions:
            self._evaluations.ask(question)
        for timer in outcome.timers:
            self._set_timer(timer)
        self._measures.outcome(outcome)

    def _set_timer(self, timer: Timer) -> None:
        """The driver has at most one timer that matters: the one that it asked for last."""
        if self._timer is not None:
            self._timer.cancel()
        delay_s = max(0.0, (timer.at_ms - self.runtime.now_ms()) / 1000)
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._fire, timer)

    def _fire(self, timer: Timer) -> None:
        # The wall clock may say that it is too early; then the driver says what it waits for now.
        self._events.put_nowait(TimerFired(now_ms=self.runtime.now_ms(), timer=timer))

    # Final blocks: a hint on the stream, the block itself on request

    async def _publish(self) -> None:
        """Tell of each block. It may be missed: who needs a height asks for it."""
        while True:
            final, data = await self._publishing.get()
            if final.height <= self.standing.stored:
                continue
            sealed = await asyncio.to_thread(self.runtime.stage_signer.seal_bytes, "block", data)
            try:
                await self.runtime.bus.publish(BLOCK, sealed, id=f"block.{final.block_id.hex()}")
            except (BusDown, StreamFull, TooLarge) as error:
                self.runtime.log.warning("block not announced", height=final.height, reason=str(error))

    async def _give_young(self, question: BlockGet, asker: str) -> BlockReply:
        """slt.block.young. The ledger's question is its `stored` for every height below the one it asks for.

        A broker may repeat an old question. While the chain runs it says nothing new; right after a start it could
        hide that our log was rolled back, so the first word must be the ledger's answer to a question of ours.
        """
        self.asked[asker] = (question.from_height, self.runtime.now_ms())
        stored = question.from_height - 1
        if asker == "ledger" and self.standing.ledger_spoke and stored > self.standing.stored:
            self._events.put_nowait(Stored(now_ms=self.runtime.now_ms(), height=stored))
        return self.young.reply(question.from_height, question.count)

    async def _ask_ledger(self) -> None:
        """After a start nothing new is ordered until the ledger has said where it stands: ask, rather than wait."""
        while not self.standing.ledger_spoke and not self.standing.halted:
            question = BlockGet(from_height=self.standing.height + 1, count=1)
            try:
                reply = await self.runtime.ask(BLOCK_GET, question, BlockReply, timeout_s=LEDGER_TIMEOUT_S)
                self._events.put_nowait(Stored(now_ms=self.runtime.now_ms(), height=reply.highest))
            except (NoReply, Malformed, BusDown) as error:
                self.runtime.health.waiting["ledger"] = str(error)
            await asyncio.sleep(self.config.ledger_poll_s)
        self.runtime.health.waiting.pop("ledger", None)
