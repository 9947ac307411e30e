"""The pull reader: one inbox with a callback, and pull requests that keep it supplied.

A reader survives whatever happens to the broker: requests that were lost with a connection are made again on
reconnect, silence past several heartbeats is taken for loss, and a consumer that is gone is declared again. Each of
these may bring a message twice, and none may lose one.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Final, Literal, TypeAlias

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from slt.bus.jsapi import ApiError, NoApi, nanoseconds

REQUEST_EXPIRES_S: Final = 30.0
HEARTBEAT_S: Final = 1.0  # the server says so often that it has nothing
SILENCE_S: Final = 2.0 * HEARTBEAT_S  # twice in a row, and what we asked for is taken for lost
REQUEST_BYTES_MAX: Final = (
    32 * 1024 * 1024
)  # of one pull request; two are in memory at worst, far below the client's limit
HELD_BYTES_MAX: Final = (
    64 * 1024 * 1024
)  # no further request while so much is held: a service has 2 GiB for all it does
PAUSE_S: Final = 0.2  # before the consumer is declared again

Arrival: TypeAlias = Literal["take", "drop", "lost"]  # lost: one before it did not arrive; the consumer is made anew


class PulledDelivery:
    """slt.bus.Delivery over a JetStream message. Its reply subject carries stream, consumer, attempts and sequences."""

    __slots__ = ("_deadline", "_msg", "_reader", "attempts", "consumer", "consumer_sequence", "sequence")

    def __init__(self, msg: Msg, reader: "PullReader") -> None:
        tokens = msg.reply.split(".")
        # $JS.ACK.<stream>.<consumer>.<attempts>.<sequence>.<consumer sequence>.<time>.<pending>, and on newer servers
        # with domain and account before the stream and a token at the end.
        first = 4 if len(tokens) == 9 else 6
        self.consumer = tokens[first - 1]
        self.attempts = int(tokens[first])
        self.sequence = int(tokens[first + 1])
        self.consumer_sequence = int(tokens[first + 2])
        self._msg = msg
        self._reader = reader
        self._deadline = time.monotonic() + reader.ack_wait_s

    @property
    def data(self) -> bytes:
        return self._msg.data

    @property
    def subject(self) -> str:
        return self._msg.subject

    @property
    def traceparent(self) -> str:
        return (self._msg.headers or {}).get("traceparent", "")

    async def done(self) -> None:
        await self._settle(b"+ACK")

    async def again(self, delay_s: float) -> None:
        await self._settle(b"-NAK" if delay_s <= 0 else b'-NAK {"delay": %d}' % nanoseconds(delay_s))

    async def extend(self) -> None:
        self._deadline = time.monotonic() + self._reader.ack_wait_s
        await self._say(b"+WPI")

    async def _settle(self, word: bytes) -> None:
        self._reader.release(self)
        await self._say(word)

    async def _say(self, word: bytes) -> None:
        if self._reader.acknowledges:
            # The broker is away: the message comes again after ack_wait, as the contract says.
            with suppress(NatsError, OSError):
                await self._reader.client.publish(self._msg.reply, word)

    @property
    def size(self) -> int:
        return len(self._msg.data)

    def overdue(self, now: float) -> bool:
        """The server has given it up and delivers it again: it takes no place here any more."""
        return now > self._deadline


class PullReader:
    """Reads one consumer. `ensure` makes sure that the consumer is there and returns its stream and name."""

    def __init__(
        self,
        client: Client,
        connected: asyncio.Event,
        ensure: Callable[[], Awaitable[tuple[str, str]]],
        *,
        in_flight: int,
        ack_wait_s: float,
        acknowledges: bool = True,
        judge: Callable[[PulledDelivery], Arrival] = lambda _: "take",
    ) -> None:
        self.client = client
        self.ack_wait_s = ack_wait_s
        self.acknowledges = acknowledges
        self._connected = connected
        self._ensure = ensure
        self._in_flight = in_flight
        self._judge = judge
        self._inbox = client.new_inbox()
        self._next = ""
        self._queue: deque[PulledDelivery] = deque()
        self._held: set[PulledDelivery] = set()
        self._held_bytes = 0
        self._asked = 0  # messages that the server still owes to our requests
        self._lost = True  # the requests, or the consumer, are gone
        self._heard = 0.0
        self._suspected = False
        self._wake = asyncio.Event()

    async def read(self) -> AsyncGenerator[PulledDelivery, None]:
        """Yield messages until closed. What is queued then is given back at once."""
        subscription = await self.client.subscribe(self._inbox, cb=self._received)
        try:
            while True:
                await self._supply()
                if self._queue:
                    yield self._queue.popleft()
                    continue
                await self._listen()
        finally:
            with suppress(NatsError, OSError):  # A closed connection has no subscriptions left to end.
                await subscription.unsubscribe()
            while self._queue:
                await self._queue.popleft().again(0.0)

    async def _listen(self) -> None:
        """Return when something has happened, or when the server was silent for too long.

        A process that was busy for seconds finds its heartbeats still in the socket: only if the server is silent
        for one more while, in which we did listen, are the requests taken for lost.
        """
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(SILENCE_S):
                await self._wake.wait()
        if time.monotonic() - self._heard <= SILENCE_S:
            self._suspected = False
        elif self._suspected:
            self._suspected, self._lost = False, True
        else:
            self._suspected = True

    def connection_changed(self) -> None:
        """The connection was lost or made: requests under way are gone."""
        self._lost = True
        self._wake.set()

    def release(self, delivery: PulledDelivery) -> None:
        if delivery in self._held:
            self._held.discard(delivery)
            self._held_bytes -= delivery.size
            self._wake.set()

    async def _supply(self) -> None:
        """Ask for what there is room for. Waits while the broker or the consumer is away."""
        while self._lost:
            await self._connected.wait()
            try:
                stream, consumer = await self._ensure()
            except (ApiError, NoApi):
                await asyncio.sleep(PAUSE_S)
                continue
            self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
            self._lost, self._asked, self._heard = False, 0, time.monotonic()
        if not self.acknowledges:
            room = self._in_flight - len(self._queue) - self._asked
        else:
            room = self._in_flight - len(self._held) - self._asked
            if room <= 0:
                self._forget_overdue()
                room = self._in_flight - len(self._held) - self._asked
        if room >= max(1, self._in_flight // 4) and self._held_bytes < HELD_BYTES_MAX:
            await self._request(room)

    async def _request(self, count: int) -> None:
        body = {
            "batch": count,
            "expires": nanoseconds(REQUEST_EXPIRES_S),
            "idle_heartbeat": nanoseconds(HEARTBEAT_S),
            "max_bytes": REQUEST_BYTES_MAX,
        }
        self._asked += count
        try:
            await self.client.publish(self._next, json.dumps(body).encode(), reply=self._inbox)
        except (NatsError, OSError):
            self._lost = True  # and the callback of the connection says when to go on

    async def _received(self, msg: Msg) -> None:
        self._heard = time.monotonic()
        if not msg.reply.startswith("$JS.ACK."):
            self._status(msg.headers or {})
            return
        self._asked = max(0, self._asked - 1)
        delivery = PulledDelivery(msg, self)
        match self._judge(delivery):
            case "take":
                self._queue.append(delivery)
                if self.acknowledges:
                    self._held.add(delivery)
                    self._held_bytes += delivery.size
            case "drop":
                pass
            case "lost":
                self._lost = True
        self._wake.set()

    def _status(self, headers: dict[str, str]) -> None:
        """A word of the server about a request: 100 heartbeat, 404 and 408 it ended, 409 it ended early, 503 nobody."""
        status, description = headers.get("Status", ""), headers.get("Description", "")
        if status == "100":
            return
        pending = headers.get("Nats-Pending-Messages", "")
        if status in ("404", "408") or (status == "409" and pending):
            self._asked = max(0, self._asked - int(pending)) if pending.isdigit() else 0
        if status == "503" or (status == "409" and ("Deleted" in description or not pending)):
            self._lost = True
        self._wake.set()

    def _forget_overdue(self) -> None:
        now = time.monotonic()
        for delivery in [held for held in self._held if held.overdue(now)]:
            self.release(delivery)
