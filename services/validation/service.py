"""The flow of validation: receive, judge on a thread, publish what is good, answer what is not, acknowledge."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Final

import msgspec

from services.validation.judging import Bench, judge_all
from services.validation.terms import RULE_SETS, Judge, unknown_ahead, unknown_now
from slt.bus import Delivery, NoReply
from slt.bus.messages import Item, Timing
from slt.reports import day_anywhere
from slt.runtime.answers import RefusalPublisher, Refused, ask_receipts, issue_again
from slt.runtime.copies import Registry, RegistryCopy
from slt.runtime.recent import Recent
from slt.runtime.run import Runtime
from slt.runtime.stage import Batch, Waiting, run_stage
from slt.runtime.telemetry import BatchSpan

STAGE: Final = "validation"


class Validation:
    """Judges authenticated items. Owns nothing durable: what it has not passed on or answered comes again."""

    def __init__(
        self,
        runtime: Runtime,
        copy: RegistryCopy,
        pool: Executor,
        recent: Recent,
        *,
        gather: int,
        rule_sets: Mapping[int, Judge] = RULE_SETS,
    ) -> None:
        self._runtime = runtime
        self._copy = copy
        self._pool = pool
        self._recent = recent
        self._gather = gather
        self._rule_sets = rule_sets
        self._bench: Bench | None = None
        self._refusals = RefusalPublisher(runtime)
        # By delivery: refusals that wait for the ledger's word. The good items of that delivery have been passed on.
        self._owed: dict[int, list[Refused]] = {}
        self._found = runtime.telemetry.metrics.counter(
            "slt.validation.findings", "Findings of judged reports", "rule", "severity"
        )
        runtime.health.ready_while("rule set", self.unknown)

    async def run(self) -> None:
        """Work until the runtime stops."""
        await run_stage(
            self._runtime,
            consumer=STAGE,
            handle=self.handle,
            opens="authenticated",
            gather=self._gather,
            ready=self.missing,
        )

    def missing(self) -> str | None:
        """Why nothing can be judged now, or None."""
        return self._copy.missing() or unknown_now(self.bench().terms, self._rule_sets)

    def unknown(self) -> str | None:
        """Which rule set that is announced, or counts, this program does not have: an alarm. None: it has them all."""
        return unknown_ahead(self.bench().terms, self._rule_sets) if self._copy.ready else None

    def bench(self) -> Bench:
        """What the newest copy of the registry says. Requires that there is one."""
        registry = self._copy.current
        if self._bench is None or self._bench.registry is not registry:
            self._bench = Bench.of(registry, self._rule_sets)
        return self._bench

    async def handle(self, batch: Batch) -> None:
        """Judge, pass on, refuse. Published on return, but for deliveries that are kept until the ledger answers."""
        await self._judge(batch)
        await self._refuse(batch)

    async def _judge(self, batch: Batch) -> None:
        bench = self.bench()
        fresh = [(delivery, items) for delivery, items in batch.opened if delivery.sequence not in self._owed]
        items = [item for _, items in fresh for item in items]
        if not items:
            return
        traces = (item.traceparent for item in items)
        with self._runtime.telemetry.batch(STAGE, traces, messages=len(fresh)) as span:
            loop = asyncio.get_running_loop()
            today = day_anywhere(self._runtime.now_ms() / 1000)
            vetted = iter(await loop.run_in_executor(self._pool, judge_all, items, bench, today))
            done_ms = self._runtime.now_ms()
            owed: dict[int, list[Refused]] = {}
            passed = []
            for delivery, delivered in fresh:
                for _ in delivered:
                    item = self._noted(next(vetted), batch.received_ms, done_ms, span)
                    if _passes(item):
                        passed.append(item)
                    else:
                        owed.setdefault(delivery.sequence, []).append(_refused(item, bench.registry))
            await self._runtime.publish_items("validated", passed)
        self._owed |= owed  # After publishing: if that failed, all of it is judged again.

    def _noted(self, item: Item, received_ms: int, done_ms: int, span: BatchSpan) -> Item:
        """`item` with this stage's time and span; its decision is counted, logged and remembered."""
        outcome = "passed" if _passes(item) else "refused"
        traceparent = span.item(item.traceparent, statement_id=item.statement_id.hex(), mba=item.area, outcome=outcome)
        for finding in item.findings:
            self._found.add(rule=finding[0], severity=finding[1])
        if outcome == "passed":
            self._runtime.telemetry.metrics.reports.add(stage=STAGE, outcome=outcome)
            self._runtime.log.decision(
                outcome,
                stage=STAGE,
                submission=item.submission_id,
                statement=item.statement_id,
                traceparent=traceparent,
                warnings=len(item.findings),
            )
        self._recent.add(item.submission_id, item.statement_id, _decision(item, outcome, received_ms, done_ms))
        timing = Timing(stage=STAGE, received_ms=received_ms, done_ms=done_ms)
        return msgspec.structs.replace(item, traceparent=traceparent, timings=[*item.timings, timing])

    async def _refuse(self, batch: Batch) -> None:
        """Answer what was found wrong. A statement that has its final verdict is answered with its receipt instead."""
        waiting = [delivery for delivery in batch.deliveries if delivery.sequence in self._owed]
        refusals = [refusal for delivery in waiting for refusal in self._owed[delivery.sequence]]
        if not refusals:
            return
        try:
            await self._answer(refusals)
        except (NoReply, Waiting) as silence:
            reason = f"refusals wait for the ledger: {silence}"
            _each(waiting, lambda delivery: batch.keep(delivery, reason))
            return
        _each(waiting, lambda delivery: self._owed.pop(delivery.sequence))

    async def _answer(self, refusals: Sequence[Refused]) -> None:
        """Raises NoReply or Waiting while the ledger is silent. A repeat does no harm."""
        statements = [refusal.statement_id or b"" for refusal in refusals]
        receipts = await ask_receipts(self._runtime, statements)
        final = [refusal for refusal, receipt in zip(refusals, receipts, strict=True) if receipt is not None]
        if final:
            again = [(refusal.statement_id or b"", refusal.state, refusal.mba) for refusal in final]
            await issue_again(self._runtime, again)
        await self._refusals.publish(
            [refusal for refusal, receipt in zip(refusals, receipts, strict=True) if receipt is None]
        )


def _passes(item: Item) -> bool:
    """A report with facts, or a governance statement, which has none."""
    return bool(item.facts_z or item.change)


def _refused(item: Item, registry: Registry) -> Refused:
    return Refused(
        state=item.state,
        mba=item.mba,
        submission_id=item.submission_id,
        statement_id=item.statement_id,
        findings=item.findings,
        height=registry.height,
        rules_version=item.rules_version,
        traceparent=item.traceparent,
    )


def _decision(item: Item, outcome: str, received_ms: int, done_ms: int) -> Mapping[str, object]:
    """For GET /v1/reports/{id}: rules and places, without what the report says."""
    return {
        "service": STAGE,
        "outcome": outcome,
        "submission": item.submission_id.hex(),
        "statement": item.statement_id.hex(),
        "area": item.area,
        "received_ms": received_ms,
        "done_ms": done_ms,
        "findings": [
            {"rule": rule, "severity": severity, "entry": entry, "label": label}
            for rule, severity, entry, label, *_ in item.findings
        ],
    }


def _each(deliveries: Sequence[Delivery], act: Callable[[Delivery], object]) -> None:
    for delivery in deliveries:
        act(delivery)
