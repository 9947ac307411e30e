"""The bus in memory: a small real implementation that keeps the contract of slt.bus, for tests.

    broker = MemoryBroker()
    bus = broker.bus("validation")

Same streams, consumers, limits, duplicate window and redelivery as the table says. What the real broker does only by
accident happens here on demand: `fail` makes an operation fail before or after it has taken effect, `away` and `back`
take the broker down and up (its streams survive), `crash` ends one client with what it holds. With a ManualClock time
stands still until `advance`.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias

from slt.bus import BusClosed, BusDown, Delivery, NoReply, StreamFull, TooLarge
from slt.bus.streams import ANSWERS, MAX_PAYLOAD_BYTES, TABLE, Consumer, Stream, Table, matches

Operation: TypeAlias = Literal["publish", "done", "again", "extend", "request", "notify"]
When: TypeAlias = Literal["before", "after"]

HEADER_ROOM_BYTES: Final = 256
OVERHEAD_BYTES: Final = 22  # a record of the server's file store beside subject, headers and data
REQUESTS_WAITING_MAX: Final = 64
HINTS_MAX: Final = 64


class Clock(Protocol):
    def now(self) -> float:
        """Seconds, never backwards."""


class RealClock:
    def now(self) -> float:
        return time.monotonic()


class ManualClock:
    """Time as a test tells it; see MemoryBroker.advance."""

    def __init__(self) -> None:
        self._now = 1_000_000.0

    def now(self) -> float:
        return self._now

    def move(self, seconds: float) -> None:
        self._now += seconds


@dataclass(slots=True)
class _Stored:
    sequence: int
    subject: str
    data: bytes
    traceparent: str
    at: float

    @property
    def size(self) -> int:
        return len(self.data) + len(self.subject) + OVERHEAD_BYTES


@dataclass(slots=True)
class _Pending:
    due: float  # when it is delivered again
    attempts: int


@dataclass(slots=True)
class _Consumer:
    entry: Consumer
    next_sequence: int = 1
    pending: dict[int, _Pending] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Stream:
    entry: Stream
    last: int = 0
    stored: dict[int, _Stored] = field(default_factory=dict)
    size: int = 0
    ids: dict[str, tuple[int, float]] = field(default_factory=dict)


@dataclass(slots=True)
class _Fault:
    operation: Operation
    when: When
    subject: str
    times: int


class MemoryBroker:
    """Streams, consumers and who listens. One loop, no threads."""

    def __init__(
        self, *, table: Table = TABLE, clock: Clock | None = None, max_payload: int = MAX_PAYLOAD_BYTES
    ) -> None:
        self.table = table
        self.clock: Clock = clock or RealClock()
        self.max_payload = max_payload
        self.up = asyncio.Event()
        self.up.set()
        self._streams = {entry.name: _Stream(entry) for entry in table.streams}
        self._consumers = {entry.name: _Consumer(entry) for entry in table.consumers}
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

    def messages(self, stream: str) -> list[tuple[int, str, bytes]]:
        """What a stream holds: sequence, subject, data."""
        return [(m.sequence, m.subject, m.data) for m in self._streams[stream].stored.values()]

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

    def store(self, subject: str, data: bytes, message_id: str | None, traceparent: str) -> int | None:
        """The sequence; None when no stream takes it. Raises StreamFull."""
        entry = self.table.stream_of(subject)
        if entry is None:
            return None
        stream, now = self._streams[entry.name], self.clock.now()
        stream.ids = {i: known for i, known in stream.ids.items() if now - known[1] < entry.duplicate_window_s}
        if message_id is not None and message_id in stream.ids:
            return stream.ids[message_id][0]
        message = _Stored(stream.last + 1, subject, data, traceparent, now)
        self._make_room(stream, message, now)
        stream.last = message.sequence
        stream.stored[message.sequence] = message
        stream.size += message.size
        if message_id is not None:
            stream.ids[message_id] = (message.sequence, now)
        self.wake()
        return message.sequence

    def _make_room(self, stream: _Stream, message: _Stored, now: float) -> None:
        entry = stream.entry
        if entry.age_max_s:
            for old in [m for m in stream.stored.values() if now - m.at >= entry.age_max_s]:
                self._remove(stream, old.sequence)
        while stream.stored and self._full(stream, message):
            if entry.discard == "new":
                raise StreamFull(message.subject, f"stream {entry.name} is full")
            self._remove(stream, next(iter(stream.stored)))
        if self._full(stream, message) and entry.discard == "new":
            raise StreamFull(message.subject, f"stream {entry.name} is full")

    @staticmethod
    def _full(stream: _Stream, message: _Stored) -> bool:
        entry = stream.entry
        return stream.size + message.size > entry.bytes_max or 0 <= entry.messages_max <= len(stream.stored)

    def _remove(self, stream: _Stream, sequence: int) -> None:
        if (message := stream.stored.pop(sequence, None)) is not None:
            stream.size -= message.size

    def take(self, name: str) -> tuple[_Stored, int] | None:
        """The next message of a consumer and its attempts: what is due again first, then what is new."""
        consumer = self._consumers[name]
        stream, now = self._streams[consumer.entry.stream], self.clock.now()
        for sequence, pending in sorted(consumer.pending.items()):
            if sequence not in stream.stored:
                del consumer.pending[sequence]
            elif pending.due <= now:
                pending.due, pending.attempts = now + consumer.entry.ack_wait_s, pending.attempts + 1
                return stream.stored[sequence], pending.attempts
        if len(consumer.pending) >= consumer.entry.ack_pending_max:
            return None
        while consumer.next_sequence <= stream.last:
            message = stream.stored.get(consumer.next_sequence)
            consumer.next_sequence += 1
            if message is not None and matches(consumer.entry.filter, message.subject):
                consumer.pending[message.sequence] = _Pending(now + consumer.entry.ack_wait_s, 1)
                return message, 1
        return None

    def next_due_s(self, name: str) -> float | None:
        """Seconds until something that is pending is delivered again."""
        pending = self._consumers[name].pending
        return max(0.0, min(p.due for p in pending.values()) - self.clock.now()) if pending else None

    def settle(self, name: str, sequence: int) -> None:
        """Done: a work queue removes the message."""
        consumer = self._consumers[name]
        if consumer.pending.pop(sequence, None) is not None:
            stream = self._streams[consumer.entry.stream]
            if stream.entry.retention == "workqueue":
                self._remove(stream, sequence)
            self.wake()

    def postpone(self, name: str, sequence: int, delay_s: float) -> None:
        """Deliver it again in `delay_s`."""
        if (pending := self._consumers[name].pending.get(sequence)) is not None:
            pending.due = self.clock.now() + delay_s
            self.wake()

    def ack_wait_s(self, name: str) -> float:
        return self._consumers[name].entry.ack_wait_s

    def answers_after(self, subjects: Sequence[str], after: int) -> list[_Stored]:
        stream = self._streams[ANSWERS]
        return [m for s, m in stream.stored.items() if s > after and any(matches(p, m.subject) for p in subjects)]

    @property
    def last_answer(self) -> int:
        return self._streams[ANSWERS].last


@dataclass(slots=True)
class _Server:
    """One `serving` context: its queue of requests."""

    bus: "MemoryBus"
    requests: asyncio.Queue[tuple[bytes, "asyncio.Future[bytes]"]]


class MemoryDelivery:
    """slt.bus.Delivery."""

    __slots__ = ("_bus", "_consumer", "_message", "attempts", "due", "settled")

    def __init__(self, bus: "MemoryBus", consumer: str | None, message: _Stored, attempts: int) -> None:
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
