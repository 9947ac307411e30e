"""The bus over NATS JetStream: `async with connect(url, name="ledger") as bus`.

Raw nats-py under two parts of our own, the window publisher (window.py) and the pull reader (pulling.py): a third of
the CPU of the library's own ways, and measured (bus.md sections 2 and 7).
"""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError

from slt.bus import BusClosed, BusDown, Delivery, NoReply, TooLarge
from slt.bus.answering import AnswersCursor
from slt.bus.interruptible import request
from slt.bus.jsapi import ApiError, NoApi, declare_consumer, declare_stream
from slt.bus.nkey import NKey, nkey_from_seed
from slt.bus.pulling import PulledDelivery, PullReader
from slt.bus.streams import TABLE, Table
from slt.bus.window import WindowPublisher

PATIENCE_S: Final = 10.0  # a new JetStream leader takes 5 to 6 s (bus.md section 1)
RECONNECT_PAUSE_S: Final = 0.1  # between tries; a broker on this machine is back in 13 ms
PING_INTERVAL_S: Final = 5  # a broken connection that says nothing is found after two of them
CONNECT_WITHIN_S: Final = 2
CLOSE_WITHIN_S: Final = 2.0
HEADER_ROOM_BYTES: Final = 256  # Nats-Msg-Id and traceparent; they count against the server's max_payload
HINTS_MAX: Final = 64  # a hint says "look", and one of them is enough
REQUESTS_WAITING_MAX: Final = 64  # beyond it an asker gets no reply and asks again


@asynccontextmanager
async def connect(
    url: str,
    *,
    name: str,
    nkey_seed_file: Path | None = None,
    tls: ssl.SSLContext | None = None,
    table: Table = TABLE,
    patience_s: float = PATIENCE_S,
) -> AsyncIterator["JetStreamBus"]:
    """A bus that connects in the background and reconnects for ever; `name` is what the broker's monitoring shows.

    It may be away at first too: whatever needs it waits, or raises BusDown or NoReply. Raises BadNKey for a seed file
    that holds none.
    """
    bus = JetStreamBus(name=name, table=table, patience_s=patience_s)
    connecting = asyncio.create_task(bus.open(url, nkey=_nkey(nkey_seed_file), tls=tls))
    connecting.add_done_callback(bus.opened)
    try:
        yield bus
    finally:
        connecting.cancel()
        await asyncio.wait({connecting})
        await bus.close()


def _nkey(file: Path | None) -> NKey | None:
    return nkey_from_seed(file.read_text(encoding="ascii")) if file else None


class _Client(Client):
    """nats-py's client, except that it says nothing to a broker without TLS when TLS was asked for.

    By itself it takes the broker's word for whether TLS is needed, and so anybody's who stands between.
    """

    needs_tls = False

    def _connect_command(self) -> bytes:
        if self.needs_tls and not self._server_info.get("tls_required"):
            raise NatsError("nats: the broker offers no TLS, and we need it")
        return super()._connect_command()


class JetStreamBus:
    """slt.bus.Bus over one connection."""

    def __init__(self, *, name: str, table: Table, patience_s: float) -> None:
        self._name = name
        self.table = table
        self._patience_s = patience_s
        self._client = _Client()
        self._up = asyncio.Event()
        self._publisher = WindowPublisher(self._client, self._up, self._stream_missing, patience_s=patience_s)
        self._readers: set[PullReader] = set()
        self._declares = False  # this bus has declared: it may declare again what the broker lost
        self._redeclaring: asyncio.Task[None] | None = None
        self._closing = False
        self.failed = asyncio.Event()  # closed for good, and not by us: the process cannot go on
        self.last_error = ""
        self.errors = 0  # what the broker refused or the client dropped, since start
        self.forbidden = ""  # the last thing that our login may not do: somebody has to mend the permissions

    @property
    def connected(self) -> bool:
        return self._up.is_set()

    async def open(self, url: str, *, nkey: NKey | None, tls: ssl.SSLContext | None) -> None:
        """Return once connected; tries for ever."""
        if nkey is not None:
            self._client._public_nkey = nkey.public  # it has no argument for it, only for a seed and a library more
        self._client.needs_tls = tls is not None or url.startswith("tls://")
        await self._client.connect(
            servers=[url],
            name=self._name,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_connected,
            closed_cb=self._on_closed,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_PAUSE_S,  # type: ignore[arg-type]  # nats-py says int and sleeps any number
            connect_timeout=CONNECT_WITHIN_S,
            ping_interval=PING_INTERVAL_S,
            signature_cb=nkey.signature if nkey else None,
            tls=tls,
        )
        await self._publisher.open()
        await self._on_connected()

    def opened(self, opening: "asyncio.Task[None]") -> None:
        """What `open` did not try again is an address that can never work: the bus has failed."""
        if not opening.cancelled() and (error := opening.exception()) is not None:
            self.last_error = f"{type(error).__name__}: {error}"
            self.failed.set()

    async def declare(self) -> None:
        began = time.monotonic()
        self._declares = True
        while True:
            problem = "no broker"
            try:
                await self._wait_connected(self._patience_s - (time.monotonic() - began))
                await self._declare()
                return
            except (ApiError, NoApi) as error:
                problem = str(error)
            except TimeoutError:
                problem = self.last_error or problem
            waited_s = time.monotonic() - began
            if waited_s >= self._patience_s:
                raise BusDown(f"declaring streams: {problem}", waited_s=waited_s)
            await asyncio.sleep(RECONNECT_PAUSE_S)

    async def publish(self, subject: str, data: bytes, *, id: str | None = None, traceparent: str = "") -> int:  # noqa: A002 - the word for it on the bus
        self._check_size(data)
        headers: dict[str, str] | None = None
        if id is not None or traceparent:
            headers = {}
            if id is not None:
                headers["Nats-Msg-Id"] = id
            if traceparent:
                headers["traceparent"] = traceparent
        try:
            return await self._publisher.publish(subject, data, headers)
        except BusDown as error:
            if self.forbidden:  # A forbidden publish is silent; without this nobody would know (bus.md section 14, 1).
                raise BusDown(f"{error.what}; {self.forbidden}", waited_s=error.waited_s) from None
            raise

    async def deliveries(self, consumer: str, *, in_flight: int) -> AsyncGenerator[Delivery, None]:
        entry = self.table.consumer(consumer)

        async def ensure() -> tuple[str, str]:
            await self._ensure_declared(entry.stream)
            await declare_consumer(self._client, entry)
            return entry.stream, entry.name

        await self._up.wait()
        reader = PullReader(self._client, self._up, ensure, in_flight=in_flight, ack_wait_s=entry.ack_wait_s)
        async with aclosing(self._read(reader)) as messages:
            async for delivery in messages:
                yield delivery

    @asynccontextmanager
    async def answers(self, subjects: Sequence[str], *, after: int) -> AsyncIterator[AsyncIterator[Delivery]]:
        await self._up.wait()
        cursor = AnswersCursor(self._client, subjects, after=after)
        reader = PullReader(
            self._client,
            self._up,
            cursor.ensure,
            in_flight=256,
            ack_wait_s=60.0,
            acknowledges=False,
            judge=cursor.judge,
        )
        async with aclosing(self._read(reader)) as messages:
            yield messages

    async def request(self, subject: str, data: bytes, *, timeout_s: float) -> bytes:
        self._check_size(data)
        try:
            async with asyncio.timeout(timeout_s):
                await self._up.wait()
                reply = await request(self._client, subject, data, within_s=timeout_s)
        except MaxPayloadError:
            raise TooLarge(len(data), self._client.max_payload) from None
        except (NatsError, OSError, TimeoutError):
            raise NoReply(subject, timeout_s=timeout_s) from None
        return reply.data

    @asynccontextmanager
    async def serving(
        self, subject: str, handler: Callable[[bytes], Awaitable[bytes]], *, concurrency: int
    ) -> AsyncIterator[None]:
        requests: asyncio.Queue[Msg] = asyncio.Queue(REQUESTS_WAITING_MAX)

        async def received(msg: Msg) -> None:
            with suppress(asyncio.QueueFull):
                requests.put_nowait(msg)

        async def work() -> None:
            while True:
                msg = await requests.get()
                answer = await handler(msg.data)
                self._check_size(answer)
                if msg.reply:
                    with suppress(NatsError, OSError):  # The asker asks again.
                        await self._client.publish(msg.reply, answer)

        subscribed = self._subscribed(subject, received, queue="slt")
        try:
            async with subscribed, asyncio.TaskGroup() as workers:
                tasks = [workers.create_task(work()) for _ in range(concurrency)]
                yield
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as group:
            if len(group.exceptions) == 1:
                raise group.exceptions[0] from None  # What the body or the handler raised, as it raised it.
            raise

    async def notify(self, subject: str, data: bytes) -> None:
        self._check_size(data)
        if self._up.is_set():
            with suppress(NatsError, OSError):  # At most once, as promised.
                await self._client.publish(subject, data)

    @asynccontextmanager
    async def hints(self, subject: str) -> AsyncIterator[AsyncIterator[bytes]]:
        waiting: asyncio.Queue[bytes] = asyncio.Queue(HINTS_MAX)

        async def received(msg: Msg) -> None:
            if waiting.full():
                waiting.get_nowait()
            waiting.put_nowait(msg.data)

        async def read() -> AsyncGenerator[bytes, None]:
            while True:
                yield await waiting.get()

        async with self._subscribed(subject, received), aclosing(read()) as messages:
            yield messages

    @asynccontextmanager
    async def _subscribed(
        self, subject: str, received: Callable[[Msg], Awaitable[None]], *, queue: str = ""
    ) -> AsyncIterator[None]:
        """At once when there is a broker, otherwise as soon as there is one; the client repeats it on reconnect."""

        async def subscribe() -> Subscription:
            await self._up.wait()
            return await self._client.subscribe(subject, queue=queue, cb=received)

        subscribing = asyncio.create_task(subscribe())
        try:
            if self._up.is_set():
                await asyncio.shield(subscribing)
                await self.flush()  # Who is told that we serve may ask at once: the broker must know of it by then.
            yield
        finally:
            subscribing.cancel()
            # Never subscribed; or a closed connection, which has no subscriptions left to end.
            with suppress(asyncio.CancelledError, NatsError, OSError):
                await (await subscribing).unsubscribe()

    async def flush(self) -> None:
        with suppress(NatsError, OSError, TimeoutError):  # What did not arrive comes again.
            async with asyncio.timeout(CLOSE_WITHIN_S):
                # nats-py sends its PING before what it has buffered: only the second round says that all has arrived.
                await self._client.flush()
                await self._client.flush()

    async def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if self._up.is_set():
            await self.flush()
        self._up.clear()
        if self._redeclaring is not None:
            self._redeclaring.cancel()
        if self._client._flush_queue is None:  # It never got as far as having anything to close, and cannot say so.
            return
        with suppress(NatsError, OSError, TimeoutError):  # The process ends; there is nobody left to tell.
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._client.close()

    async def _read(self, reader: PullReader) -> AsyncGenerator[PulledDelivery, None]:
        self._readers.add(reader)
        try:
            async with aclosing(reader.read()) as messages:
                async for delivery in messages:
                    yield delivery
        finally:
            self._readers.discard(reader)

    async def _declare(self) -> None:
        for stream in self.table.streams:
            await declare_stream(self._client, stream)
        for consumer in self.table.consumers:
            await declare_consumer(self._client, consumer)

    def _stream_missing(self) -> None:
        """No stream took a message: JetStream is still starting, or its store is gone and ours to make again."""
        if self._declares and (self._redeclaring is None or self._redeclaring.done()):
            self._redeclaring = asyncio.create_task(self._redeclare())

    async def _redeclare(self) -> None:
        with suppress(ApiError, NoApi):  # The next message that finds no stream asks again.
            await self._declare()

    async def _ensure_declared(self, stream: str) -> None:
        if self._declares:
            await declare_stream(self._client, self.table.stream(stream))

    async def _wait_connected(self, within_s: float) -> None:
        async with asyncio.timeout(max(0.0, within_s)):
            await self._up.wait()

    def _check_size(self, data: bytes) -> None:
        if self._closing:
            raise BusClosed("this bus is closed")
        limit = self._client.max_payload - HEADER_ROOM_BYTES
        if self._up.is_set() and len(data) > limit:
            raise TooLarge(len(data), limit)

    async def _on_connected(self) -> None:
        self._up.set()
        for reader in self._readers:
            reader.connection_changed()

    async def _on_disconnected(self) -> None:
        self._up.clear()
        self._publisher.disconnected()
        for reader in self._readers:
            reader.connection_changed()

    async def _on_closed(self) -> None:
        self._up.clear()
        self._publisher.disconnected()
        if not self._closing:
            self.failed.set()

    async def _on_error(self, error: Exception) -> None:
        """Permission violations and drops arrive here and nowhere else (bus.md section 14, 1)."""
        self.errors += 1
        self.last_error = f"{type(error).__name__}: {error}"
        if "permissions violation" in str(error).lower():
            self.forbidden = str(error)
        if not isinstance(error, (NatsError, OSError, TimeoutError)):
            self.failed.set()  # A bug in one of our callbacks, which nats-py would swallow.
