"""slt.vet.validation: reports that consensus has in hand, judged again under versions that it names (architecture 5).

The pipeline has nothing to do with it: other threads, and a bounded number of questions at once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager

from services.validation.judging import Bench, judge_under
from slt.bus.messages import Item, Validity, VetValidation, VetValidationReply
from slt.bus.requests import Declined
from slt.bus.subjects import VET_VALIDATION
from slt.reports import day_anywhere
from slt.runtime.copies import RegistryCopy
from slt.runtime.run import Runtime


class JudgingAgain:
    """Answers; owns nothing. `bench` gives what the newest copy of the registry says."""

    def __init__(self, runtime: Runtime, copy: RegistryCopy, bench: Callable[[], Bench], pool: Executor) -> None:
        self._runtime = runtime
        self._copy = copy
        self._bench = bench
        self._pool = pool
        self._judged = runtime.telemetry.metrics.counter(
            "slt.validation.vetted_again", "Reports judged again for consensus"
        )

    @asynccontextmanager
    async def answering(self, *, at_once: int) -> AsyncIterator[None]:
        """Answer while the context is open."""
        async with self._runtime.answering(VET_VALIDATION, VetValidation, self.judge, concurrency=at_once):
            yield

    async def judge(self, question: VetValidation, _asker: str) -> VetValidationReply:
        """Raises Declined while we cannot judge under the versions that are asked for: the asker asks again."""
        if (missing := self._copy.missing()) is not None:
            raise Declined(VET_VALIDATION, missing)
        bench = self._bench()
        versions = (question.rules_version, question.reference_version)
        terms = bench.under(versions)
        if terms is None:
            self._copy.look()  # the state may have moved on
            raise Declined(
                VET_VALIDATION,
                f"asked for rule set {versions[0]} with reference data {versions[1]}; known at height "
                f"{bench.registry.height}: {_known(bench)}",
            )
        today = day_anywhere(self._runtime.now_ms() / 1000)

        def judged() -> list[Validity]:
            return [Validity.of(judge_under(item, terms, bench, today)) for item in question.items]

        _only_reports(question.items)
        found = await asyncio.get_running_loop().run_in_executor(self._pool, judged)
        self._judged.add(len(found))
        return VetValidationReply(found=found)


def _only_reports(items: list[Item]) -> None:
    if any(item.change for item in items):
        raise Declined(VET_VALIDATION, "a governance statement has no document: it is not judged")


def _known(bench: Bench) -> str:
    pairs = (one.versions for one in bench.terms if one.rules_version in bench.rule_sets)
    return ", ".join(f"{rules} with {reference}" for rules, reference in pairs) or "none"
