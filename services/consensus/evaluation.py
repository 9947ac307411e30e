"""The questions to the uniqueness service: each is asked until it is answered, or until the driver asks another.

Where the answer is that something must be vetted again first, that is done here, as long as it takes: then the driver
asks once more.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from services.consensus import core
from services.consensus.config import Config
from services.consensus.node import Question, Revetted
from services.consensus.vetting import Work
from slt.bus import BusDown, NoReply, TooLarge
from slt.bus.messages import EvaluateReply, Malformed
from slt.bus.subjects import EVALUATE, STATE_CHANGED
from slt.consensus.events import Evaluated, EvaluationFailed, Event, VettedAgain
from slt.runtime.run import Runtime

RETRY_FIRST_S: Final = 0.01  # uniqueness is applying the parent: a few milliseconds
RETRY_LAST_S: Final = 0.5
TIMEOUT_MAX_S: Final = 60.0
WAITING: Final = "uniqueness"
WAITING_TO_VET: Final = "vetting"
VET_RETRY_LAST_S: Final = 5.0  # what vets may be starting, or be a release behind: then a person is on the way


class Evaluations:
    """At most one question is open. `answer` takes the event that it leads to."""

    def __init__(self, runtime: Runtime, config: Config, answer: Callable[[Event | Revetted], None]) -> None:
        self._runtime = runtime
        self._first_timeout_s = config.evaluate_timeout_s
        self._answer = answer
        self._question: Question | None = None
        self._asked = asyncio.Event()
        self._changed = asyncio.Event()  # the state may have moved on: a parent that was missing may be there
        self._vetted = runtime.telemetry.metrics.counter(
            "slt.consensus.vetted_again", "Reports that were vetted again before they stood in a block"
        )
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
                    if reply.kind == "need_vetting":
                        await self._vet_again(Work(question, reply))
                    else:
                        self._answer(_event(question, reply, now_ms=self._runtime.now_ms()))
                    return
                reason = f"the state is at height {reply.height}, block {question.ask.height} is to be evaluated"
            self._runtime.health.waiting[WAITING] = reason
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._changed.wait()
            pause_s = min(RETRY_LAST_S, pause_s * 2)

    async def _vet_again(self, work: Work) -> None:
        """Have it vetted, and tell the driver to ask again. Until it is vetted, or another question is open.

        Nothing is dropped meanwhile, and nothing acknowledged is lost: what is to be vetted is in the log.
        """
        pause_s = RETRY_FIRST_S
        waiting = self._runtime.health.waiting
        while not self._asked.is_set():
            try:
                items = await work.go_on(self._runtime)
            except (NoReply, BusDown, TooLarge, Malformed) as error:
                reason = f"block {work.question.ask.height} waits for being vetted again: {error}"
            else:
                waiting.pop(WAITING_TO_VET, None)
                self._vetted.add(len(items))
                ask = work.question.ask
                event = VettedAgain(
                    now_ms=self._runtime.now_ms(), height=ask.height, time_ms=ask.time_ms, seqs=ask.seqs
                )
                self._answer(Revetted(event=event, items=items))
                return
            if waiting.get(WAITING_TO_VET) != reason:
                self._runtime.log.warning("waiting", stage=core.STAGE, reason=reason)
            waiting[WAITING_TO_VET] = reason
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._asked.wait()
            pause_s = min(VET_RETRY_LAST_S, pause_s * 2)
        waiting.pop(WAITING_TO_VET, None)


def _event(question: Question, reply: EvaluateReply, *, now_ms: int) -> Event:
    """What the driver is told. `reply` is neither need_parent nor need_vetting."""
    ask = question.ask
    if reply.kind == "evaluated":
        return Evaluated(
            now_ms=now_ms,
            height=ask.height,
            time_ms=ask.time_ms,
            seqs=ask.seqs,
            verdicts=tuple(reply.verdicts),
            state_root=reply.state_root,
            parameters_root=reply.parameters_root,
            beside=core.findings_out(reply.findings),
        )
    return EvaluationFailed(now_ms=now_ms, height=ask.height, time_ms=ask.time_ms, seqs=ask.seqs, reason=reply.text)
