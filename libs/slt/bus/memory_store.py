"""Streams and consumers in memory: what a broker keeps, as the table says. No clients, no waiting; see memory.py."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from slt.bus import StreamFull
from slt.bus.streams import ANSWERS, Consumer, Stream, Table, matches

OVERHEAD_BYTES: Final = 22  # a record of the server's file store beside subject, headers and data


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
class Stored:
    """One message of a stream."""

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
    stored: dict[int, Stored] = field(default_factory=dict)
    size: int = 0
    ids: dict[str, tuple[int, float]] = field(default_factory=dict)  # sequence and when, oldest first


class StreamStore:
    """Every stream and consumer of `table`. What is removed, redelivered and forgotten depends on `clock` alone."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self.table = table
        self.clock = clock
        self._streams = {entry.name: _Stream(entry) for entry in table.streams}
        self._consumers = {entry.name: _Consumer(entry) for entry in table.consumers}

    def wake(self) -> None:
        """Something changed: a message or a delivery may be due."""

    def messages(self, stream: str) -> list[tuple[int, str, bytes]]:
        """What a stream holds: sequence, subject, data."""
        return [(m.sequence, m.subject, m.data) for m in self._streams[stream].stored.values()]

    def store(self, subject: str, data: bytes, message_id: str | None, traceparent: str) -> int | None:
        """The sequence; None when no stream takes it. Raises StreamFull."""
        entry = self.table.stream_of(subject)
        if entry is None:
            return None
        stream, now = self._streams[entry.name], self.clock.now()
        while stream.ids and now - next(iter(stream.ids.values()))[1] >= entry.duplicate_window_s:
            stream.ids.pop(next(iter(stream.ids)))
        if message_id is not None and message_id in stream.ids:
            return stream.ids[message_id][0]
        message = Stored(stream.last + 1, subject, data, traceparent, now)
        self._make_room(stream, message, now)
        stream.last = message.sequence
        stream.stored[message.sequence] = message
        stream.size += message.size
        if message_id is not None:
            stream.ids[message_id] = (message.sequence, now)
        self.wake()
        return message.sequence

    def _make_room(self, stream: _Stream, message: Stored, now: float) -> None:
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
    def _full(stream: _Stream, message: Stored) -> bool:
        entry = stream.entry
        return stream.size + message.size > entry.bytes_max or 0 <= entry.messages_max <= len(stream.stored)

    def _remove(self, stream: _Stream, sequence: int) -> None:
        if (message := stream.stored.pop(sequence, None)) is not None:
            stream.size -= message.size

    def take(self, name: str) -> tuple[Stored, int] | None:
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

    def answers_after(self, subjects: Sequence[str], after: int) -> list[Stored]:
        stream = self._streams[ANSWERS]
        return [m for s, m in stream.stored.items() if s > after and any(matches(p, m.subject) for p in subjects)]

    @property
    def last_answer(self) -> int:
        return self._streams[ANSWERS].last
