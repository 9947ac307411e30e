"""The window publisher: one inbox for all PubAcks, a counter token for each message, a bounded number under way.

nats-py's own `js.publish` makes a subscription token, a task and two timers for each message; this costs a third of it.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, ConnectionDrainingError, MaxPayloadError, OutboundBufferLimitError

from slt.bus import BusClosed, BusDown, StreamFull, TooLarge

UNDER_WAY_MAX: Final = 256  # enough to share an fsync; past it latency grows and throughput does not
ACK_WITHIN_S: Final = 5.0  # then the same id is sent again; under load with sync always acks take 0.1 s
PAUSE_S: Final = 0.1  # between tries

# JSStreamStoreFailedF: "maximum bytes exceeded" and its kin. It comes as code 503, which must not be taken for "try at
# once again" (bus.md section 14, 3). The account's limits say the same with codes of their own.
FULL: Final = frozenset({10077, 10002, 10023, 10028, 10047})
TOO_LARGE: Final = 10054


class _ApiError(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _PubAck(msgspec.Struct):
    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    error: _ApiError | None = None


class _Refused(Exception):
    """The broker answered, and stored nothing."""

    def __init__(self, error: _ApiError) -> None:
        super().__init__(error.description)
        self.error = error


class _TryAgain(Exception):
    """This try failed and the next may not: the broker is away, or JetStream is not there yet."""


_decoder: Final = msgspec.json.Decoder(_PubAck)


class WindowPublisher:
    """Publishes into streams. Owns its inbox and the futures that wait for PubAcks."""

    def __init__(
        self, client: Client, connected: asyncio.Event, stream_missing: Callable[[], None], *, patience_s: float
    ) -> None:
        self._client = client
        self._stream_missing = stream_missing
        self._connected = connected
        self._patience_s = patience_s
        self._window = asyncio.Semaphore(UNDER_WAY_MAX)
        self._inbox = ""
        self._count = 0
        self._waiting: dict[str, asyncio.Future[int]] = {}

    async def open(self) -> None:
        self._inbox = self._client.new_inbox()
        await self._client.subscribe(f"{self._inbox}.*", cb=self._acknowledged)

    def disconnected(self) -> None:
        """PubAcks under way may be lost with the connection: their messages are sent again, under the same ids."""
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_exception(_TryAgain("the connection to the broker was lost"))

    async def publish(self, subject: str, data: bytes, headers: dict[str, str] | None) -> int:
        """See slt.bus.Bus.publish."""
        began = time.monotonic()
        async with self._window:
            while True:
                left_s = self._patience_s - (time.monotonic() - began)
                try:
                    return await self._try(subject, data, headers, within_s=min(ACK_WITHIN_S, left_s))
                except _TryAgain as failed:
                    waited_s = time.monotonic() - began
                    if waited_s + PAUSE_S >= self._patience_s:
                        raise BusDown(f"publishing on {subject}: {failed}", waited_s=waited_s) from None
                await asyncio.sleep(PAUSE_S)

    async def _try(self, subject: str, data: bytes, headers: dict[str, str] | None, *, within_s: float) -> int:
        self._count += 1
        token = f"{self._count:x}"
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(within_s):
                if not self._connected.is_set():
                    await self._connected.wait()
                self._waiting[token] = waiter
                await self._client.publish(subject, data, reply=f"{self._inbox}.{token}", headers=headers)
                return await waiter
        except _Refused as refused:
            error = refused.error
            if error.err_code in FULL:
                raise StreamFull(subject, error.description) from None
            if error.err_code == TOO_LARGE:
                raise TooLarge(len(data), self._client.max_payload) from None
            raise _TryAgain(f"{error.description} ({error.err_code})") from None
        except TimeoutError:
            raise _TryAgain("the broker did not acknowledge" if self._connected.is_set() else "no broker") from None
        except OutboundBufferLimitError:
            raise _TryAgain("no broker") from None
        except (ConnectionClosedError, ConnectionDrainingError):
            raise BusClosed("this bus is closed") from None
        except MaxPayloadError:
            raise TooLarge(len(data), self._client.max_payload) from None
        finally:
            self._waiting.pop(token, None)
            waiter.cancel()

    async def _acknowledged(self, msg: Msg) -> None:
        waiter = self._waiting.get(msg.subject.rpartition(".")[2])
        if waiter is None or waiter.done():
            return
        if msg.headers and "Status" in msg.headers:
            self._stream_missing()
            waiter.set_exception(_TryAgain("no stream takes it"))
            return
        try:
            ack = _decoder.decode(msg.data)
        except msgspec.DecodeError as error:
            waiter.set_exception(_TryAgain(f"the broker's acknowledgement cannot be read: {error}"))
            return
        if ack.error is None:
            waiter.set_result(ack.seq)
        else:
            waiter.set_exception(_Refused(ack.error))
