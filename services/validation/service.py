"""The flow of validation: receive, judge on a thread, publish what is good, answer what is not, acknowledge."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Final

import msgspec

from services.validation.core import Vetting, refused_unread, vet
from slt.bus import Delivery, NoReply
from slt.bus.compression import compress, inflate
from slt.bus.messages import Item, Malformed, Timing, WireFinding
from slt.reports import RULES_VERSION, day_anywhere
from slt.reports.limits import oversize
from slt.runtime.answers import RefusalPublisher, Refused, ask_receipts, issue_again
from slt.runtime.copies import Registry, RegistryCopy
from slt.runtime.recent import Recent
from slt.runtime.run import Runtime
from slt.runtime.stage import Batch, Waiting, run_stage
from slt.runtime.telemetry import BatchSpan
from slt.statements.statement import parse_statement

STAGE: Final = "validation"


class Validation:
    """Judges authenticated items. Owns nothing durable: what it has not passed on or answered comes again."""

    def __init__(self, runtime: Runtime, copy: RegistryCopy, pool: Executor, recent: Recent, *, gather: int) -> None:
        self._runtime = runtime
        self._copy = copy
        self._pool = pool
        self._recent = recent
        self._gather = gather
        self._refusals = RefusalPublisher(runtime)
        # By delivery: refusals that wait for the ledger's word. The good items of that delivery have been passed on.
        self._owed: dict[int, list[Refused]] = {}
        self._found = runtime.telemetry.metrics.counter(
            "slt.validation.findings", "Findings of judged reports", "rule", "severity"
        )

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
        return self._copy.missing() or unknown_rules(self._copy.current)

    async def handle(self, batch: Batch) -> None:
        """Judge, pass on, refuse. Published on return, but for deliveries that are kept until the ledger answers."""
        await self._judge(batch)
        await self._refuse(batch)

    async def _judge(self, batch: Batch) -> None:
        registry = self._copy.current
        fresh = [(delivery, items) for delivery, items in batch.opened if delivery.sequence not in self._owed]
        items = [item for _, items in fresh for item in items]
        if not items:
            return
        traces = (item.traceparent for item in items)
        with self._runtime.telemetry.batch(STAGE, traces, messages=len(fresh)) as span:
            loop = asyncio.get_running_loop()
            today = day_anywhere(self._runtime.now_ms() / 1000)
            vetted = iter(await loop.run_in_executor(self._pool, vet_all, items, registry, today))
            done_ms = self._runtime.now_ms()
            owed: dict[int, list[Refused]] = {}
            passed = []
            for delivery, delivered in fresh:
                for _ in delivered:
                    item = self._noted(next(vetted), batch.received_ms, done_ms, span)
                    if item.facts_z:
                        passed.append(item)
                    else:
                        owed.setdefault(delivery.sequence, []).append(_refused(item, registry))
            await self._runtime.publish_items("validated", passed)
        self._owed |= owed  # After publishing: if that failed, all of it is judged again.

    def _noted(self, item: Item, received_ms: int, done_ms: int, span: BatchSpan) -> Item:
        """`item` with this stage's time and span; its decision is counted, logged and remembered."""
        outcome = "passed" if item.facts_z else "refused"
        traceparent = span.item(
            item.traceparent, statement_id=item.statement_id.hex(), mba=f"{item.state}/{item.mba}", outcome=outcome
        )
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


def vet_all(items: Sequence[Item], registry: Registry, today: str | None = None) -> list[Item]:
    """Judge `items`, on a thread: facts, findings, salts and versions filled in. Never raises for what they hold."""
    return [vet_item(item, registry, today) for item in items]


def vet_item(item: Item, registry: Registry, today: str | None = None) -> Item:
    """One of them. `facts_z` stays empty when the item is to be refused; then the findings say why."""
    vetting = _vetted(item, registry, today)
    judgement = vetting.judgement
    facts_z = compress(judgement.facts.encoded) if judgement.facts is not None else b""
    sizes = {
        "submission_bytes_max": len(item.statement) + sum(map(len, item.endorsements)) + len(item.body_z),
        "facts_bytes_max": len(facts_z),
    }
    too_large = oversize(sizes, lambda name: limit_of(registry, name))
    return msgspec.structs.replace(
        item,
        facts_z=b"" if too_large else facts_z,
        no_facts=vetting.no_facts,
        findings=[_wire(finding.to_wire()) for finding in (*too_large, *judgement.findings)],
        findings_salt=vetting.findings_salt,
        facts_salt=vetting.facts_salt,
        rules_version=RULES_VERSION,
        reference_version=registry.reference_version,
    )


def _vetted(item: Item, registry: Registry, today: str | None) -> Vetting:
    statement = parse_statement(item.statement)
    try:
        body = inflate(item.body_z, bytes_max=limit_of(registry, "body_bytes_max"))
    except Malformed as error:
        return refused_unread(statement, str(error))
    return vet(statement, body, state=item.state, mba=item.mba, reference=registry.reference, today=today)


def limit_of(registry: Registry, name: str) -> int:
    """A parameter of the ledger that is a size in bytes."""
    return int(registry.parameters[name])


def unknown_rules(registry: Registry) -> str | None:
    """Why this program must not judge under the ledger's rule set, or None."""
    if registry.rules_version == RULES_VERSION:
        return None
    return f"the ledger is at rule set {registry.rules_version}, this program has {RULES_VERSION}: install the release"


def _refused(item: Item, registry: Registry) -> Refused:
    return Refused(
        state=item.state,
        mba=item.mba,
        submission_id=item.submission_id,
        statement_id=item.statement_id,
        findings=item.findings,
        height=registry.height,
        rules_version=RULES_VERSION,
        traceparent=item.traceparent,
    )


def _decision(item: Item, outcome: str, received_ms: int, done_ms: int) -> Mapping[str, object]:
    """For GET /v1/reports/{id}: rules and places, without what the report says."""
    return {
        "service": STAGE,
        "outcome": outcome,
        "submission": item.submission_id.hex(),
        "statement": item.statement_id.hex(),
        "area": f"{item.state}/{item.mba}",
        "received_ms": received_ms,
        "done_ms": done_ms,
        "findings": [
            {"rule": rule, "severity": severity, "entry": entry, "label": label}
            for rule, severity, entry, label, *_ in item.findings
        ],
    }


def _wire(parts: list[str]) -> WireFinding:
    rule, severity, entry, label, value, expected, text = parts
    return rule, severity, entry, label, value, expected, text


def _each(deliveries: Sequence[Delivery], act: Callable[[Delivery], object]) -> None:
    for delivery in deliveries:
        act(delivery)
