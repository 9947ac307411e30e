"""Ask another service of this member, and answer the others: signed both ways (slt.bus.requests).

reply = await runtime.ask(EVALUATE, request, EvaluateReply, timeout_s=3.0)
async with runtime.answering(STATE_GET, StateGet, state, concurrency=4): ...    # async def state(question, asker)

What is not signed by a service that may ask or answers there is refused, counted (`slt.forged`) and logged.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, ParamSpec, TypeVar

from slt.bus import Bus
from slt.bus.messages import Malformed, Message, decode, encode
from slt.bus.requests import NONCE_BYTES, SAID_BYTES_MAX, Declined, Dialogue, ForgedReply
from slt.bus.stage import Forged
from slt.runtime.logs import Log
from slt.runtime.metrics import Metrics

LARGE_BYTES: Final = 256 * 1024  # hashed on a thread: megabytes would hold up the loop for milliseconds
LOGGED_CHARACTERS_MAX: Final = 300  # of a reason, which may quote what a stranger sent

A = TypeVar("A", bound=Message)
Q = TypeVar("Q", bound=Message)
P = ParamSpec("P")
R = TypeVar("R")


class Asking:
    """The questions of one service, and its answers."""

    def __init__(self, bus: Bus, dialogue: Dialogue, log: Log, metrics: Metrics) -> None:
        self._bus = bus
        self._dialogue = dialogue
        self._log = log
        self._forged = metrics.counter(
            "slt.forged", "Questions and replies that no service with a say there has signed", "subject", "kind"
        )

    async def ask(self, subject: str, question: Message, reply: type[A], *, timeout_s: float) -> A:
        """The answer of the service that answers on `subject`, to this very question.

        Raises NoReply: nobody answered, what came cannot be believed (ForgedReply), or the service declined
        (Declined). Raises Malformed when the service itself said what is no `reply`, and TooLarge.
        """
        payload = encode(question)
        nonce = secrets.token_bytes(NONCE_BYTES)
        asked = await _aside(len(payload), self._dialogue.ask, subject, payload, nonce=nonce)
        data = await self._bus.request(subject, asked, timeout_s=timeout_s)
        try:
            answer = await _aside(len(data), self._dialogue.open_answer, subject, asked, data)
        except (Forged, Malformed) as error:
            raise ForgedReply(subject, self._refused(subject, "answer", error)) from error
        except Declined as declined:
            self._log.warning("declined", subject=subject, reason=declined.reason)
            raise
        return decode(reply, answer)

    @asynccontextmanager
    async def answering(
        self, subject: str, question: type[Q], handler: Callable[[Q, str], Awaitable[Message]], *, concurrency: int
    ) -> AsyncIterator[None]:
        """Answer questions on `subject` while the context is open, at most `concurrency` at a time.

        `handler` gets the question and the name of the service that asks, as its certificate has it. It may raise
        Declined; another exception is a bug and leaves through the context.
        """

        async def answered(data: bytes) -> bytes:
            try:
                asked = await _aside(len(data), self._dialogue.open_ask, subject, data)
            except (Forged, Malformed) as error:
                self._refused(subject, "ask", error)
                return b""  # At once, and unsigned: nothing of ours is signed for a stranger.
            try:
                payload = encode(await handler(_read(subject, question, asked.payload), asked.asker))
                if len(payload) > SAID_BYTES_MAX:
                    raise Declined(subject, f"the answer has {len(payload)} bytes, {SAID_BYTES_MAX} fit: ask for less")
            except Declined as declined:
                self._log.warning("declines", subject=subject, asker=asked.asker, reason=declined.reason)
                return self._dialogue.decline(subject, data, declined.reason)
            return await _aside(len(data) + len(payload), self._dialogue.answer, subject, data, payload)

        async with self._bus.serving(subject, answered, concurrency=concurrency):
            yield

    def _refused(self, subject: str, kind: str, error: Exception) -> str:
        """Count and log it. Returns the reason, cut."""
        reason = str(error)[:LOGGED_CHARACTERS_MAX]
        self._forged.add(subject=subject, kind=kind)
        self._log.warning("forged", subject=subject, kind=kind, reason=reason)
        return reason


def _read(subject: str, question: type[Q], payload: bytes) -> Q:
    try:
        return decode(question, payload)
    except Malformed as error:
        raise Declined(subject, str(error)) from error


async def _aside(size: int, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What `work` returns; on a thread when it reads many bytes."""
    if size < LARGE_BYTES:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
