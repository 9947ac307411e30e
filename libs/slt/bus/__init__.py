"""The bus: what a service may ask of it, and what it promises. `jetstream.connect` and `memory.MemoryBroker` keep it.

At least once, in no promised order. The broker is a transport and no record: every durable promise is made by our own
stores, so a receiver tolerates repeats, and a sender keeps its copy until it has its answer.

    BusError
        BusDown        the world: the broker is away, or did not answer; try later
        StreamFull     the world: the next stage has a full queue; stop fetching and try later
        NoReply        the world: nobody answered a request in time
        TooLarge       ours: more bytes than a message may have
        BusClosed      ours: this bus was closed, or its process is gone
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class BusError(Exception):
    """Root of what the bus raises."""


class BusDown(BusError):
    """The broker was away, or did not answer, for `waited_s`. What was published may or may not be stored."""

    def __init__(self, what: str, *, waited_s: float) -> None:
        super().__init__(f"{what}; gave up after {waited_s:.1f} s")
        self.what = what
        self.waited_s = waited_s


class StreamFull(BusError):
    """The stream behind `subject` has no room. Nothing was stored; nothing was thrown away."""

    def __init__(self, subject: str, text: str) -> None:
        super().__init__(f"{subject}: {text}")
        self.subject = subject


class NoReply(BusError):
    """Nobody answered on `subject` within `timeout_s`."""

    def __init__(self, subject: str, *, timeout_s: float) -> None:
        super().__init__(f"no reply on {subject} within {timeout_s:.1f} s")
        self.subject = subject


class TooLarge(BusError):
    """A message of `size` bytes, headers included, where `limit` are allowed."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"message of {size} bytes; the bus takes {limit}")
        self.size = size
        self.limit = limit


class BusClosed(BusError):
    """The bus was closed."""


class Delivery(Protocol):
    """One message of a stream. Exactly one of `done` and `again` ends it; if neither does, it comes again.

    Calls may fail to reach the broker: then the message comes again too, so what it caused must bear a repeat.
    """

    @property
    def data(self) -> bytes: ...
    @property
    def subject(self) -> str: ...
    @property
    def traceparent(self) -> str:
        """As the publisher gave it, unchecked; "" if none."""

    @property
    def sequence(self) -> int:
        """Its number in the stream; kept over redeliveries."""

    @property
    def attempts(self) -> int:
        """1 at first, one more for each redelivery."""

    async def done(self) -> None:
        """It is dealt with, durably or by what was published: never deliver it again."""

    async def again(self, delay_s: float) -> None:
        """Deliver it again after `delay_s`."""

    async def extend(self) -> None:
        """Still at it: `ack_wait_s` starts anew."""


class Bus(Protocol):
    """Carries messages between services of one member. Safe to use from several tasks of one loop."""

    @property
    def connected(self) -> bool: ...

    async def declare(self) -> None:
        """Make the streams and consumers of the table; see slt.bus.streams.declare."""

    async def publish(self, subject: str, data: bytes, *, id: str | None = None, traceparent: str = "") -> int:  # noqa: A002 - the word for it on the bus
        """Return the stream's sequence once the broker has stored `data`.

        A repeated `id` within the stream's duplicate window is stored once, and the first sequence is returned;
        receivers must still tolerate a repeat. Tries again while the broker is away. Raises StreamFull, TooLarge, and
        BusDown after `patience_s`. A bounded number of calls is under way at a time; the others wait their turn.
        """

    def deliveries(self, consumer: str, *, in_flight: int) -> AsyncGenerator[Delivery, None]:
        """Messages of a durable consumer of slt.bus.streams, without end.

        At most about `in_flight` are held, that is yielded or queued here and not yet done or given back. Goes on by
        itself after the broker was killed and after the consumer was deleted. Close it (`aclose`) to stop fetching;
        what was yielded can still be done afterwards, what was queued comes again at once.
        """

    async def request(self, subject: str, data: bytes, *, timeout_s: float) -> bytes:
        """Ask whoever serves `subject`. Raises NoReply, TooLarge."""

    def serving(
        self, subject: str, handler: Callable[[bytes], Awaitable[bytes]], *, concurrency: int
    ) -> AbstractAsyncContextManager[None]:
        """Answer requests while the context is open, at most `concurrency` at a time.

        An exception of `handler` is a bug and leaves through the context. Requests past a short queue are dropped;
        the asker sees NoReply and asks again.
        """

    async def notify(self, subject: str, data: bytes) -> None:
        """Tell whoever listens now, at most once. While the broker is away it is dropped."""

    def hints(self, subject: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """What `notify` says while the context is open. Under pressure the oldest are dropped."""

    def answers(self, subjects: Sequence[str], *, after: int) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        """Messages of ANSWERS on `subjects`, in order, each once, those after sequence `after`, then as they come.

        For clients: nothing is kept on the broker, `done` has nothing to do, and the caller remembers `sequence`.
        If the stream was made anew and is shorter than `after`, reads from its beginning.
        """

    async def flush(self) -> None:
        """Return once the broker has received every `done` so far, or after a short timeout."""

    async def close(self) -> None: ...
