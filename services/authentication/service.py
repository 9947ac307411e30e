"""The flow of authentication: receive, verify on threads, publish what may pass, answer what may not, acknowledge."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Final, assert_never

from services.authentication.core import Door, Passed, Refused
from services.authentication.governance import parties_of
from services.authentication.messages import Examined, Seen, Unreadable, examine
from slt.bus import Delivery, NoReply
from slt.bus.messages import Item, Timing
from slt.runtime import answers
from slt.runtime.answers import RefusalPublisher, ask_receipts, issue_again
from slt.runtime.copies import Registry, RegistryCopy
from slt.runtime.recent import Recent
from slt.runtime.run import Runtime
from slt.runtime.stage import Batch, Waiting, run_stage
from slt.runtime.telemetry import BatchSpan
from slt.statements.governance import GovernanceStatement

STAGE: Final = "authentication"
CHUNK_MESSAGES: Final = 32  # a thread takes so many at once: some 3 ms, so that a hand-over costs little beside it
CHUNK_BYTES: Final = 64 * 1024  # and no more than this, unless one message has more


class Authentication:
    """Checks submissions. Owns nothing durable: what it has not passed on or answered comes again."""

    def __init__(self, runtime: Runtime, copy: RegistryCopy, pool: Executor, recent: Recent, *, gather: int) -> None:
        self._runtime = runtime
        self._copy = copy
        self._pool = pool
        self._recent = recent
        self._gather = gather
        self._refusals = RefusalPublisher(runtime)
        # By delivery: refusals that wait for the ledger's word. Whatever else that delivery held has been dealt with.
        self._owed: dict[int, list[answers.Refused]] = {}

    async def run(self) -> None:
        """Work until the runtime stops."""
        await run_stage(
            self._runtime,
            consumer=STAGE,
            handle=self.handle,
            gather=self._gather,
            linger_s=self._runtime.config.linger_ms / 1000,
            ready=self._copy.missing,
        )

    async def handle(self, batch: Batch) -> None:
        """Check, pass on, refuse. Published on return, but for deliveries that are kept until the ledger answers."""
        fresh = [delivery for delivery in batch.deliveries if delivery.sequence not in self._owed]
        if fresh:
            await self._check(batch, fresh)
        await self._settle_owed(batch)

    async def _check(self, batch: Batch, fresh: Sequence[Delivery]) -> None:
        registry = self._copy.current
        with self._runtime.telemetry.batch(STAGE, messages=len(fresh)) as span:
            examined = await self._examined(fresh, registry)
            work = _Work(self._runtime, registry, span, batch.received_ms)
            for delivery, found in zip(fresh, examined, strict=True):
                match found:
                    case Unreadable(reason=reason):
                        batch.park(delivery, reason)
                    case Examined():
                        work.sort(delivery, found)
                    case _:
                        assert_never(found)
            await self._runtime.publish_items("authenticated", work.passed)
            await self._refusals.publish(work.unknown)
        self._owed |= work.owed  # After publishing: if that failed, all of it is checked again.
        work.note(self._recent)

    async def _examined(self, fresh: Sequence[Delivery], registry: Registry) -> list[Examined | Unreadable]:
        """What each message holds, in order; threads take them in chunks."""
        door = self.door(registry)
        loop = asyncio.get_running_loop()
        chunks = [loop.run_in_executor(self._pool, examine_all, chunk, door) for chunk in _chunks(fresh)]
        return [found for chunk in await asyncio.gather(*chunks) for found in chunk]

    def door(self, registry: Registry | None = None) -> Door:
        """What is known now, by `registry` or the newest copy. Requires that there is one."""
        registry = registry or self._copy.current
        return Door(
            audience=self._runtime.genesis.audience,
            identities=registry.identities,
            members=parties_of(registry.members),
            reference=registry.reference,
            parameters=registry.parameters,
            now_s=self._runtime.now_ms() // 1000,
        )

    async def _settle_owed(self, batch: Batch) -> None:
        """Answer verified statements that may not pass: with their receipts, if they have their final verdict."""
        waiting = [delivery for delivery in batch.deliveries if delivery.sequence in self._owed]
        refusals = [refusal for delivery in waiting for refusal in self._owed[delivery.sequence]]
        if not refusals:
            return
        try:
            await self._answer(refusals)
        except (NoReply, Waiting) as silence:
            for delivery in waiting:
                batch.keep(delivery, f"refusals wait for the ledger: {silence}")
            return
        for delivery in waiting:
            del self._owed[delivery.sequence]

    async def _answer(self, refusals: Sequence[answers.Refused]) -> None:
        """Raises NoReply or Waiting while the ledger is silent. A repeat does no harm."""
        receipts = await ask_receipts(self._runtime, [refusal.statement_id or b"" for refusal in refusals])
        decided = [one for one, receipt in zip(refusals, receipts, strict=True) if receipt is not None]
        if decided:
            await issue_again(self._runtime, [(one.statement_id or b"", one.state, one.mba) for one in decided])
            self._runtime.telemetry.metrics.reports.add(len(decided), stage=STAGE, outcome="again")
        await self._refusals.publish([one for one, receipt in zip(refusals, receipts, strict=True) if receipt is None])


class _Work:
    """What came of one batch, sorted by what is to be done with it."""

    def __init__(self, runtime: Runtime, registry: Registry, span: BatchSpan, received_ms: int) -> None:
        self.passed: list[Item] = []
        self.unknown: list[answers.Refused] = []  # nobody has said these: refused by submission id, at once
        self.owed: dict[int, list[answers.Refused]] = {}  # refused if the ledger has no final verdict
        self._runtime = runtime
        self._registry = registry
        self._span = span
        self._timing = Timing(stage=STAGE, received_ms=received_ms, done_ms=runtime.now_ms())
        self._decided: list[tuple[str, str, Seen]] = []  # area, traceparent

    def sort(self, delivery: Delivery, examined: Examined) -> None:
        area = examined.area
        for seen in examined.seen:
            traceparent = self._door(delivery, area, seen)
            self._decided.append((area, traceparent, seen))
            match seen.outcome:
                case Passed() as passed:
                    self.passed.append(_item(examined, seen, passed, traceparent, self._timing))
                case Refused(statement_id=None) as refused:
                    self.unknown.append(self._refusal(examined, seen, refused, traceparent))
                case Refused() as refused:
                    refusal = self._refusal(examined, seen, refused, traceparent)
                    self.owed.setdefault(delivery.sequence, []).append(refusal)
                case _:
                    assert_never(seen.outcome)

    def note(self, recent: Recent) -> None:
        """Count, log and remember the decisions. A refusal is counted and logged by who publishes it."""
        for area, traceparent, seen in self._decided:
            recent.add(seen.submission_id, seen.statement_id, _decision(area, seen, self._timing))
            if isinstance(seen.outcome, Passed):
                self._runtime.log.decision(
                    "passed",
                    stage=STAGE,
                    submission=seen.submission_id,
                    statement=seen.statement_id,
                    traceparent=traceparent,
                )
        if self.passed:
            self._runtime.telemetry.metrics.reports.add(len(self.passed), stage=STAGE, outcome="passed")

    def _door(self, delivery: Delivery, area: str, seen: Seen) -> str:
        """Begin the report's trace here, if it is one of those that are traced."""
        return self._span.door(
            delivery.traceparent,
            submission_id=seen.submission_id.hex(),
            statement_id=(seen.statement_id or b"").hex(),
            mba=area,
            outcome=_word(seen),
        )

    def _refusal(self, examined: Examined, seen: Seen, refused: Refused, traceparent: str) -> answers.Refused:
        return answers.Refused(
            state=examined.state,
            mba=examined.mba,
            submission_id=seen.submission_id,
            statement_id=refused.statement_id,
            findings=refused.findings,
            height=self._registry.height,
            rules_version=self._registry.rules_version,
            traceparent=traceparent,
        )


def examine_all(deliveries: Sequence[Delivery], door: Door) -> list[Examined | Unreadable]:
    """Runs on a thread."""
    return [examine(delivery.subject, delivery.data, door) for delivery in deliveries]


def _chunks(deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    chunk: list[Delivery] = []
    size = 0
    for delivery in deliveries:
        chunk.append(delivery)
        size += len(delivery.data)
        if len(chunk) == CHUNK_MESSAGES or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _item(examined: Examined, seen: Seen, passed: Passed, traceparent: str, timing: Timing) -> Item:
    statement = passed.statement
    return Item(
        submission_id=seen.submission_id,
        statement_id=statement.id,
        statement=statement.raw,
        endorsements=list(seen.submission.endorsements),
        body_z=seen.submission.body_z,
        state=examined.state,
        mba=examined.mba,
        traceparent=traceparent,
        timings=[timing],
        kid=statement.kid,
        iss=statement.iss,
        iat=statement.iat,
        signature="good",
        endorsers=[endorser.kid for endorser in passed.endorsers],
        spki=passed.author.spki,
        endorser_spkis=[endorser.spki for endorser in passed.endorsers],
        body_length=passed.body_length,
        body_digest=statement.body_digest,
        change=statement.payload if isinstance(statement, GovernanceStatement) else b"",
    )


def _word(seen: Seen) -> str:
    return "passed" if isinstance(seen.outcome, Passed) else "refused"


def _decision(area: str, seen: Seen, timing: Timing) -> Mapping[str, object]:
    """For GET /v1/reports/{id}. What the door refuses it has not read, so its findings hold nothing of the report."""
    findings = seen.outcome.findings if isinstance(seen.outcome, Refused) else ()
    return {
        "service": STAGE,
        "outcome": _word(seen),
        "submission": seen.submission_id.hex(),
        "statement": seen.statement_id.hex() if seen.statement_id else None,
        "area": area,
        "received_ms": timing.received_ms,
        "done_ms": timing.done_ms,
        "findings": [
            {"rule": rule, "severity": severity, "value": value, "expected": expected, "text": text}
            for rule, severity, _, _, value, expected, text in findings
        ],
    }
