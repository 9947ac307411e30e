"""The loop that every stage shares: gather deliveries, handle them, and only then say that they are done.

    async def handle(batch: Batch) -> None:
        for delivery, items in batch.opened: ...
        await runtime.publish_items("validated", passed)

    await run_stage(runtime, consumer="validation", handle=handle, opens="authenticated", gather=8)

What `handle` returns from has taken effect: published, or durable. Then its deliveries are acknowledged; a crash
before that brings them again. `batch.keep` holds one of them back and offers it again soon.

Three ways not to get on, and none of them loses a message:

- *Waiting* (raised by `handle`, or the bus's StreamFull, BusDown and NoReply): a dependency is missing. The stage
  stops fetching, extends what it holds, and tries the same batch again. Waiting is never a failed delivery.
- Bytes that cannot be read, or that no entitled service signed: parked with the reason, counted, done.
- A crash. A message that was delivered more than `deliveries_max` times is under suspicion and handled alone, with a
  note on disk. Only if the process ends twice while it is alone is it guilty, and parked: others that were merely
  held by a process that died are innocent, however often they came.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from slt.bus import BusClosed, BusDown, Delivery, NoReply, StreamFull
from slt.bus.messages import Item, Malformed
from slt.bus.stage import Forged
from slt.runtime.suspects import Suspects

if TYPE_CHECKING:
    from slt.runtime.run import Runtime

RETRY_FIRST_S: Final = 0.05
RETRY_LAST_S: Final = 2.0  # a missing dependency is found back within this
EXTENSIONS_PER_WAIT: Final = 3  # extend at a third of ack_wait: one lost word does no harm


class Waiting(Exception):
    """`handle` cannot go on: a dependency is missing. `reason` is for the log and /readyz."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True, kw_only=True)
class Batch:
    """What one call of `handle` is about."""

    deliveries: tuple[Delivery, ...]  # what was parked already is not among them
    opened: tuple[tuple[Delivery, list[Item]], ...]  # with `opens`: the same deliveries and what they hold
    received_ms: int
    parked: dict[int, str] = field(default_factory=dict)  # by position in `deliveries`
    kept: dict[int, str] = field(default_factory=dict)

    @property
    def items(self) -> list[Item]:
        return [item for _, items in self.opened for item in items]

    def park(self, delivery: Delivery, reason: str) -> None:
        """Give up on `delivery`: it goes to slt.parked.<stage> with `reason`, and is then done."""
        self.parked[self.deliveries.index(delivery)] = reason

    def keep(self, delivery: Delivery, reason: str) -> None:
        """Not yet: `delivery` is held, extended, and offered again after a pause. The others are done."""
        self.kept[self.deliveries.index(delivery)] = reason


Handle: TypeAlias = Callable[[Batch], Awaitable[None]]


async def run_stage(
    runtime: "Runtime",
    *,
    consumer: str,
    handle: Handle,
    opens: str | None = None,
    stage: str | None = None,
    gather: int = 1,
    linger_s: float = 0.0,
    in_flight: int | None = None,
    ready: Callable[[], str | None] = lambda: None,
    on_parked: Callable[[Delivery, str], Awaitable[None]] | None = None,
) -> None:
    """Run until the runtime is stopping, then finish the batch in hand.

    `opens` names the stage whose envelopes the deliveries carry. Up to `gather` deliveries are handled at once;
    `linger_s` after the first of them came, or as soon as there are enough. `ready` gives the reason to wait, or None.
    `on_parked` may answer somebody before a guilty or unreadable message is parked. Exceptions of `handle` other than
    those above are bugs and come out of here.
    """
    loop = _StageLoop(
        runtime,
        consumer=consumer,
        handle=handle,
        opens=opens,
        stage=stage or runtime.service,
        gather=gather,
        linger_s=linger_s,
        in_flight=in_flight or runtime.config.in_flight,
        ready=ready,
        on_parked=on_parked,
    )
    await loop.run()


class _StageLoop:
    """One stage at work. `_held` has every delivery that is fetched and not settled, in order of arrival."""

    def __init__(
        self,
        runtime: "Runtime",
        *,
        consumer: str,
        handle: Handle,
        opens: str | None,
        stage: str,
        gather: int,
        linger_s: float,
        in_flight: int,
        ready: Callable[[], str | None],
        on_parked: Callable[[Delivery, str], Awaitable[None]] | None,
    ) -> None:
        self._runtime = runtime
        self._consumer = consumer
        self._handle = handle
        self._opens = opens
        self._stage = stage
        self._gather = gather
        self._linger_s = linger_s
        self._in_flight = in_flight
        self._ready = ready
        self._on_parked = on_parked
        self._suspects = Suspects(runtime.config.data_dir / f"suspect.{consumer}", runtime.config.deliveries_max)
        self._queue: deque[Delivery] = deque()  # fetched, and not in the batch in hand
        self._kept: deque[Delivery] = deque()  # offered, and kept back by `handle`; offered again at `_kept_due`
        self._kept_due = 0.0  # by the clock of the event loop
        self._kept_pause_s = RETRY_FIRST_S
        self._held: dict[int, Delivery] = {}  # by sequence: what is queued, kept or in hand
        self._arrived = asyncio.Event()
        self._fetching: asyncio.Task[None] | None = None
        self._retry_s = RETRY_FIRST_S

    async def run(self) -> None:
        extending = asyncio.create_task(self._extend())
        stopping = asyncio.create_task(self._runtime.stopping.wait())
        try:
            while not self._runtime.stopping.is_set():
                if (reason := self._ready()) is not None:
                    await self._wait(reason)
                    continue
                self._getting_on()
                self._fetch()
                batch = await self._next_batch(stopping)
                if batch:
                    await self._work(batch)
        finally:
            stopping.cancel()
            await self._stop_fetching()
            extending.cancel()
            for delivery in (*self._queue, *self._kept):
                await delivery.again(0.0)
            await self._runtime.bus.flush()

    async def _next_batch(self, stopping: "asyncio.Task[bool]") -> list[Delivery]:
        """The next deliveries to handle: several innocent ones, or one suspect alone. Empty: look around again."""
        if self._kept and asyncio.get_running_loop().time() >= self._kept_due:
            return self._some(self._kept)
        if not self._queue:
            await self._arrival(stopping)
            return []
        if self._linger_s and len(self._queue) < self._gather:
            await self._linger()
        return self._some(self._queue)

    def _some(self, queue: deque[Delivery]) -> list[Delivery]:
        batch: list[Delivery] = []
        while queue and len(batch) < self._gather:
            if self._suspects.suspicious(queue[0]):
                if not batch:
                    batch.append(queue.popleft())
                break
            batch.append(queue.popleft())
        return batch

    async def _arrival(self, stopping: "asyncio.Task[bool]") -> None:
        """Return when something has arrived, something kept is due, or we are asked to stop."""
        self._arrived.clear()
        arrived = asyncio.create_task(self._arrived.wait())
        waits: set[asyncio.Task[Any]] = {arrived, stopping}
        if self._fetching is not None:
            waits.add(self._fetching)
        due_s = max(0.0, self._kept_due - asyncio.get_running_loop().time()) if self._kept else None
        await asyncio.wait(waits, timeout=due_s, return_when=asyncio.FIRST_COMPLETED)
        arrived.cancel()
        if self._fetching is not None and self._fetching.done() and not self._runtime.stopping.is_set():
            self._fetching.result()  # It never ends by itself: this raises what ended it.

    async def _linger(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._linger_s):
                while len(self._queue) < self._gather and not self._runtime.stopping.is_set():
                    self._arrived.clear()
                    await self._arrived.wait()

    async def _work(self, deliveries: list[Delivery]) -> None:
        """Handle `deliveries`, waiting as long as a dependency is missing, and settle them."""
        received_ms = time.time_ns() // 1_000_000
        while True:
            try:
                await self._attempt(deliveries, received_ms)
                self._retry_s = RETRY_FIRST_S
                self._getting_on()
                return
            except Waiting as waiting:
                reason = waiting.reason
            except (StreamFull, BusDown, NoReply) as error:
                reason = str(error)
            if self._runtime.stopping.is_set():
                self._queue.extendleft(reversed(deliveries))  # given back by run()
                return
            await self._wait(reason)

    async def _attempt(self, deliveries: list[Delivery], received_ms: int) -> None:
        suspect = deliveries[0] if self._suspects.suspicious(deliveries[0]) else None
        if suspect is not None:
            if (verdict := self._suspects.guilty(suspect)) is not None:
                await self._park(suspect, verdict, "deliveries")
                self._suspects.clear(suspect)
                await self._settle(suspect)
                return
            self._suspects.note(suspect)
        batch = await self._open(deliveries, received_ms)
        if batch.deliveries:
            try:
                await self._handle(batch)
            except (Waiting, StreamFull, BusDown, NoReply, BusClosed):
                if suspect is not None:
                    self._suspects.clear(suspect)
                raise
            except Exception as bug:
                if suspect is not None:
                    self._suspects.note_error(suspect, bug)
                raise
        if suspect is not None:
            self._suspects.clear(suspect)
        for position, delivery in enumerate(batch.deliveries):
            if (reason := batch.parked.get(position)) is not None:
                await self._park(delivery, reason, "unreadable")
            if position not in batch.kept:
                await self._settle(delivery)
        self._keep(batch)

    def _keep(self, batch: Batch) -> None:
        """Offer what was kept again after a pause, which grows as long as it is kept again; others go on meanwhile."""
        if batch.kept:
            self._kept.extend(batch.deliveries[position] for position in batch.kept)
            self._kept_due = asyncio.get_running_loop().time() + self._kept_pause_s
            self._kept_pause_s = min(RETRY_LAST_S, self._kept_pause_s * 2)
            self._say_waiting(next(iter(batch.kept.values())))
        elif not self._kept:
            self._kept_pause_s = RETRY_FIRST_S

    async def _open(self, deliveries: Sequence[Delivery], received_ms: int) -> Batch:
        """Open the envelopes. What cannot be opened is parked and done here."""
        opened: list[tuple[Delivery, list[Item]]] = []
        for delivery in deliveries:
            try:
                items = self._runtime.stage_opener.open(self._opens, delivery.data) if self._opens else []
            except (Malformed, Forged) as error:
                await self._park(delivery, str(error), "malformed" if isinstance(error, Malformed) else "forged")
                await self._settle(delivery)
                continue
            opened.append((delivery, items))
        return Batch(
            deliveries=tuple(delivery for delivery, _ in opened),
            opened=tuple(opened) if self._opens else (),
            received_ms=received_ms,
        )

    async def _settle(self, delivery: Delivery) -> None:
        self._held.pop(delivery.sequence, None)
        await delivery.done()

    async def _park(self, delivery: Delivery, reason: str, kind: str) -> None:
        if self._on_parked is not None:
            await self._on_parked(delivery, reason)
        await self._runtime.park(self._stage, delivery, reason=reason, kind=kind)

    def _fetch(self) -> None:
        """Fetch, unless enough is held from before a wait: a reader counts only what it has brought itself."""
        if self._fetching is None and len(self._held) <= self._in_flight // 2:
            self._fetching = asyncio.create_task(self._fetch_all())

    async def _fetch_all(self) -> None:
        messages = self._runtime.bus.deliveries(self._consumer, in_flight=self._in_flight)
        async with aclosing(messages):
            async for delivery in messages:
                if delivery.attempts > 1:
                    self._runtime.telemetry.metrics.redelivered.add(stage=self._stage)
                if delivery.sequence in self._held:
                    continue  # It came again while we hold it, because an extension was lost: settling that one does.
                self._held[delivery.sequence] = delivery
                self._queue.append(delivery)
                self._arrived.set()

    async def _stop_fetching(self) -> None:
        if self._fetching is not None:
            fetching, self._fetching = self._fetching, None
            fetching.cancel()
            with suppress(asyncio.CancelledError):
                await fetching

    async def _wait(self, reason: str) -> None:
        """A dependency is missing: stop fetching, say so once, pause."""
        self._say_waiting(reason)
        await self._stop_fetching()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._retry_s):
                await self._runtime.stopping.wait()
        self._retry_s = min(RETRY_LAST_S, self._retry_s * 2)

    def _say_waiting(self, reason: str) -> None:
        health = self._runtime.health
        if health.waiting.get(self._stage) != reason:
            self._runtime.log.warning("waiting", stage=self._stage, reason=reason, held=len(self._held))
        health.waiting[self._stage] = reason
        self._runtime.telemetry.metrics.waiting.labels(stage=self._stage).set(1)

    def _getting_on(self) -> None:
        """The stage is ready, or a batch has gone through: nothing is waited for, unless something is kept."""
        if not self._kept and self._runtime.health.waiting.pop(self._stage, None) is not None:
            self._runtime.log.info("goes on", stage=self._stage)
            self._runtime.telemetry.metrics.waiting.labels(stage=self._stage).set(0)

    async def _extend(self) -> None:
        """Tell the broker, at a third of ack_wait, that what we hold is in work. Ends when cancelled."""
        pause_s = self._runtime.ack_wait_s(self._consumer) / EXTENSIONS_PER_WAIT
        while True:
            await asyncio.sleep(pause_s)
            for delivery in tuple(self._held.values()):
                await delivery.extend()
