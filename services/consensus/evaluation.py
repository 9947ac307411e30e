"""The questions to the uniqueness service: each is asked until it is answered, or until the driver asks another."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from services.consensus import core
from services.consensus.config import Config
from services.consensus.node import Question
from slt.bus import BusDown, NoReply, TooLarge
from slt.bus.messages import EvaluateReply, Malformed
from slt.bus.subjects import EVALUATE, STATE_CHANGED
from slt.consensus.events import Evaluated, EvaluationFailed, Event
from slt.runtime.run import Runtime

RETRY_FIRST_S: Final = 0.01  # uniqueness is applying the parent: a few milliseconds
RETRY_LAST_S: Final = 0.5
TIMEOUT_MAX_S: Final = 60.0
WAITING: Final = "uniqueness"


class Evaluations:
    """At most one question is open. `answer` takes the event that it leads to."""

    def __init__(self, runtime: Runtime, config: Config, answer: Callable[[Event], None]) -> None:
        self._runtime = runtime
        self._first_timeout_s = config.evaluate_timeout_s
        self._answer = answer
        self._question: Question | None = None
        self._asked = asyncio.Event()
        self._changed = asyncio.Event()  # the state may have moved on: a parent that was missing may be there
        self._duration = runtime.telemetry.metrics.histogram(
            "slt.consensus.evaluate.duration", "From the first question about a block to its answer"
        )

    def ask(self, question: Question) -> None:
        """Ask `question` now; an older one is no longer wanted."""
        self._question = question
        self._asked.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            while True:
                await self._asked.wait()
                self._asked.clear()
                question, self._question = self._question, None
                if question is not None:
                    began = time.perf_counter()
                    await self._until_answered(question)
                    self._duration.observe(time.perf_counter() - began)

    async def _listen(self) -> None:
        async with self._runtime.bus.hints(STATE_CHANGED) as hints:
            async for _ in hints:
                self._changed.set()

    async def _until_answered(self, question: Question) -> None:
        timeout_s, pause_s = self._first_timeout_s, RETRY_FIRST_S
        while not self._asked.is_set():
            self._changed.clear()
            began = time.perf_counter()
            try:
                reply = await self._runtime.ask(EVALUATE, question.request, EvaluateReply, timeout_s=timeout_s)
            except NoReply as error:
                reason = str(error)
                if time.perf_counter() - began >= timeout_s:  # it was asked, and needs longer
                    timeout_s = min(TIMEOUT_MAX_S, timeout_s * 2)
            except (BusDown, TooLarge, Malformed) as error:
                reason = str(error)
            else:
                if reply.kind != "need_parent":
                    self._runtime.health.waiting.pop(WAITING, None)
                    self._answer(_event(question, reply, now_ms=self._runtime.now_ms()))
                    return
                reason = f"the state is at height {reply.height}, block {question.ask.height} is to be evaluated"
            self._runtime.health.waiting[WAITING] = reason
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._changed.wait()
            pause_s = min(RETRY_LAST_S, pause_s * 2)


def _event(question: Question, reply: EvaluateReply, *, now_ms: int) -> Event:
    """What the driver is told. `reply` is no need_parent."""
    ask = question.ask
    if reply.kind == "evaluated":
        return Evaluated(
            now_ms=now_ms,
            height=ask.height,
            time_ms=ask.time_ms,
            seqs=ask.seqs,
            verdicts=tuple(reply.verdicts),
            state_root=reply.state_root,
            beside=core.findings_out(reply.findings),
        )
    # need_vetting cannot be met here: what has no verified signature was not let in (core.unfit).
    reason = reply.text if reply.kind == "failed" else f"keys to be vetted again: {[kid.hex() for kid in reply.kids]}"
    return EvaluationFailed(now_ms=now_ms, height=ask.height, time_ms=ask.time_ms, seqs=ask.seqs, reason=reason)
