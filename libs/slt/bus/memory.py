"""The bus in memory: a small real implementation that keeps the contract of slt.bus, for tests.

    broker = MemoryBroker()
    bus = broker.bus("validation")

Same streams, consumers, limits, duplicate window and redelivery as the table says. What the real broker does only by
accident happens here on demand: `fail` makes an operation fail before or after it has taken effect, `away` and `back`
take the broker down and up (its streams survive), `crash` ends one client with what it holds. With a ManualClock time
stands still until `advance`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from slt.bus import BusClosed, BusDown, Delivery, NoReply, TooLarge
from slt.bus.memory_store import Clock, ManualClock, RealClock, Stored, StreamStore
from slt.bus.streams import MAX_PAYLOAD_BYTES, TABLE, Table, matches

__all__ = ["ManualClock", "MemoryBroker", "MemoryBus", "MemoryDelivery", "Operation", "When"]

Operation: TypeAlias = Literal["publish", "done", "again", "extend", "request", "notify"]
When: TypeAlias = Literal["before", "after"]

HEADER_ROOM_BYTES: Final = 256
REQUESTS_WAITING_MAX: Final = 64
HINTS_MAX: Final = 64


@dataclass(slots=True)
class _Fault:
    operation: Operation
    when: When
    subject: str
    times: int


class MemoryBroker(StreamStore):
    """A store of streams, and who is connected to it. One loop, no threads."""

    def __init__(
        self, *, table: Table = TABLE, clock: Clock | None = None, max_payload: int = MAX_PAYLOAD_BYTES
    ) -> None:
        super().__init__(table, clock or RealClock())
        self.max_payload = max_payload
        self.up = asyncio.Event()
        self.up.set()
        self._faults: list[_Fault] = []
        self.servers: dict[str, deque[_Server]] = {}
        self.listeners: list[tuple[str, asyncio.Queue[bytes]]] = []
        self._changed = asyncio.Event()

    def bus(self, name: str = "test", *, patience_s: float = 10.0) -> "MemoryBus":
        return MemoryBus(self, name=name, patience_s=patience_s)

    # What a test does to the broker.

    def fail(self, operation: Operation, *, when: When, subject: str = ">", times: int = 1) -> None:
        """The next `times` operations on `subject` (a pattern) fail, before or after taking effect.

        publish raises BusDown, request NoReply; the others promise nothing, and lose their word when told "before".
        """
        self._faults.append(_Fault(operation, when, subject, times))

    def away(self) -> None:
        """The broker is killed. Streams, pending deliveries and ids survive, as on disk."""
        self.up.clear()
        self.wake()

    def back(self) -> None:
        self.up.set()
        self.wake()

    def crash(self, bus: "MemoryBus") -> None:
        """The process behind `bus` is killed: it says nothing more, and what it holds comes again after ack_wait."""
        bus.crashed = True
        self.wake()

    def advance(self, seconds: float) -> None:
        """Let time pass. Requires a ManualClock."""
        assert isinstance(self.clock, ManualClock), "advance needs MemoryBroker(clock=ManualClock())"
        self.clock.move(seconds)
        self.wake()

    # What buses do.

    def faulty(self, operation: Operation, when: When, subject: str) -> bool:
        for fault in self._faults:
            if fault.operation == operation and fault.when == when and matches(fault.subject, subject):
                fault.times -= 1
                if fault.times == 0:
                    self._faults.remove(fault)
                return True
        return False

    def wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self, within_s: float | None) -> None:
        """Return after the next change, or after `within_s` when time is real."""
        event = self._changed
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s if isinstance(self.clock, RealClock) else None):
                await event.wait()


@dataclass(slots=True)
class _Server:
    """One `serving` context: its queue of requests."""

    bus: "MemoryBus"
    requests: asyncio.Queue[tuple[bytes, "asyncio.Future[bytes]"]]


class MemoryDelivery:
    """slt.bus.Delivery."""

    __slots__ = ("_bus", "_consumer", "_message", "attempts", "due", "settled")

    def __init__(self, bus: "MemoryBus", consumer: str | None, message: Stored, attempts: int) -> None:
        self._bus, self._consumer, self._message, self.attempts = bus, consumer, message, attempts
        self.settled = False
        self.due = 0.0 if consumer is None else bus.broker.clock.now() + bus.broker.ack_wait_s(consumer)

    @property
    def data(self) -> bytes:
        return self._message.data

    @property
    def subject(self) -> str:
        return self._message.subject

    @property
    def traceparent(self) -> str:
        return self._message.traceparent

    @property
    def sequence(self) -> int:
        return self._message.sequence

    async def done(self) -> None:
        self.settled = True
        if self._consumer is not None and self._reaches("done"):
            self._bus.broker.settle(self._consumer, self.sequence)
        self._bus.broker.wake()

    async def again(self, delay_s: float) -> None:
        self.settled = True
        if self._consumer is not None and self._reaches("again"):
            self._bus.broker.postpone(self._consumer, self.sequence, delay_s)
        self._bus.broker.wake()

    async def extend(self) -> None:
        if self._consumer is not None and self._reaches("extend"):
            wait_s = self._bus.broker.ack_wait_s(self._consumer)
            self.due = self._bus.broker.clock.now() + wait_s
            self._bus.broker.postpone(self._consumer, self.sequence, wait_s)

    def _reaches(self, operation: Operation) -> bool:
        broker = self._bus.broker
        return broker.up.is_set() and not self._bus.crashed and not broker.faulty(operation, "before", self.subject)


class MemoryBus:
    """slt.bus.Bus over a MemoryBroker: one client process."""

    def __init__(self, broker: MemoryBroker, *, name: str, patience_s: float) -> None:
        self.broker = broker
        self.name = name
        self.crashed = False
        self.closed = False
        self.failed = asyncio.Event()  # as JetStreamBus has it; in memory nothing fails for good
        self.last_error = ""
        self.errors = 0
        self.forbidden = ""
        self.table = broker.table
        self._patience_s = patience_s

    @property
    def connected(self) -> bool:
        return self.broker.up.is_set() and not self.closed and not self.crashed

    async def declare(self) -> None:
        await self._reach("declaring streams")

    async def publish(self, subject: str, data: bytes, *, id: str | None = None, traceparent: str = "") -> int:  # noqa: A002 - the word for it on the bus
        self._check(data)
        await self._reach(f"publishing on {subject}")
        if self.broker.faulty("publish", "before", subject):
            raise BusDown(f"publishing on {subject}: told to fail", waited_s=0.0)
        sequence = self.broker.store(subject, data, id, traceparent)
        if sequence is None:
            raise BusDown(f"publishing on {subject}: no stream takes it", waited_s=0.0)
        if self.broker.faulty("publish", "after", subject):
            raise BusDown(f"publishing on {subject}: told to fail, stored", waited_s=0.0)
        await asyncio.sleep(0)  # A publish is never the end of a turn that nobody else gets.
        self._check(data)
        return sequence

    async def deliveries(self, consumer: str, *, in_flight: int) -> AsyncGenerator[Delivery, None]:
        self.broker.table.consumer(consumer)
        held: list[MemoryDelivery] = []
        while True:
            self._check(b"")
            now = self.broker.clock.now()
            held = [d for d in held if not d.settled and d.due > now]
            if len(held) < in_flight and self.broker.up.is_set() and (taken := self.broker.take(consumer)) is not None:
                delivery = MemoryDelivery(self, consumer, *taken)
                held.append(delivery)
                yield delivery
            else:
                await self.broker.changed(self.broker.next_due_s(consumer))

    @asynccontextmanager
    async def answers(self, subjects: Sequence[str], *, after: int) -> AsyncIterator[AsyncIterator[Delivery]]:
        async def read() -> AsyncGenerator[Delivery, None]:
            read_to = after if after <= self.broker.last_answer else 0
            while True:
                self._check(b"")
                for message in self.broker.answers_after(subjects, read_to) if self.broker.up.is_set() else ():
                    read_to = message.sequence
                    yield MemoryDelivery(self, None, message, 1)
                    self._check(b"")
                if not self.broker.answers_after(subjects, read_to) or not self.broker.up.is_set():
                    await self.broker.changed(None)

        async with aclosing(read()) as messages:
            yield messages

    async def request(self, subject: str, data: bytes, *, timeout_s: float) -> bytes:
        self._check(data)
        if self.broker.faulty("request", "before", subject):
            raise NoReply(subject, timeout_s=timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                await self.broker.up.wait()
                answer = await self._ask(subject, data)
        except TimeoutError:
            raise NoReply(subject, timeout_s=timeout_s) from None
        if answer is None or self.broker.faulty("request", "after", subject):
            raise NoReply(subject, timeout_s=timeout_s)
        return answer

    async def _ask(self, subject: str, data: bytes) -> bytes | None:
        servers = self.broker.servers.get(subject, deque())
        for server in [s for s in servers if not s.bus.crashed]:
            if server.requests.full():
                continue
            servers.rotate(-1)
            answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            server.requests.put_nowait((data, answer))
            return await answer
        return None

    @asynccontextmanager
    async def serving(
        self, subject: str, handler: Callable[[bytes], Awaitable[bytes]], *, concurrency: int
    ) -> AsyncIterator[None]:
        server = _Server(self, asyncio.Queue(REQUESTS_WAITING_MAX))

        async def work() -> None:
            while True:
                data, answer = await server.requests.get()
                reply = await handler(data)
                self._check(reply)
                if not answer.done() and self.connected:
                    answer.set_result(reply)

        servers = self.broker.servers.setdefault(subject, deque())
        servers.append(server)
        try:
            async with asyncio.TaskGroup() as workers:
                tasks = [workers.create_task(work()) for _ in range(concurrency)]
                yield
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as group:
            if len(group.exceptions) == 1:
                raise group.exceptions[0] from None  # What the body or the handler raised, as it raised it.
            raise
        finally:
            servers.remove(server)

    async def notify(self, subject: str, data: bytes) -> None:
        self._check(data)
        if self.connected and not self.broker.faulty("notify", "before", subject):
            for pattern, waiting in self.broker.listeners:
                if matches(pattern, subject):
                    if waiting.full():
                        waiting.get_nowait()
                    waiting.put_nowait(data)

    @asynccontextmanager
    async def hints(self, subject: str) -> AsyncIterator[AsyncIterator[bytes]]:
        waiting: asyncio.Queue[bytes] = asyncio.Queue(HINTS_MAX)
        listener = (subject, waiting)

        async def read() -> AsyncGenerator[bytes, None]:
            while True:
                yield await waiting.get()

        self.broker.listeners.append(listener)
        try:
            async with aclosing(read()) as messages:
                yield messages
        finally:
            self.broker.listeners.remove(listener)

    async def flush(self) -> None:
        await asyncio.sleep(0)

    async def close(self) -> None:
        self.closed = True
        self.broker.wake()

    async def _reach(self, what: str) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await self.broker.up.wait()
        except TimeoutError:
            raise BusDown(f"{what}: no broker", waited_s=self._patience_s) from None

    def _check(self, data: bytes) -> None:
        if self.closed or self.crashed:
            raise BusClosed(f"bus {self.name} is {'gone with its process' if self.crashed else 'closed'}")
        limit = self.broker.max_payload - HEADER_ROOM_BYTES
        if len(data) > limit:
            raise TooLarge(len(data), limit)
