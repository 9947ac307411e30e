"""The flow of authentication: receive, verify on threads, publish what may pass, answer what may not, acknowledge."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, assert_never

from services.authentication.core import Door, Outcome, Passed, Recent, Refused, check
from slt.bus import Delivery, NoReply
from slt.bus.messages import Item, Timing
from slt.bus.subjects import SUBMIT_GOVERNANCE, BadSubject, parse_submit
from slt.runtime import answers
from slt.runtime.answers import RefusalPublisher, ask_receipts, issue_again
from slt.runtime.copies import Registry, RegistryCopy
from slt.runtime.run import Runtime
from slt.runtime.stage import Batch, Waiting, run_stage
from slt.runtime.telemetry import BatchSpan
from slt.statements.cbor import DecodeError
from slt.statements.submission import Submission, decode_submissions

STAGE: Final = "authentication"
CHUNK: Final = 32  # submissions a thread takes at once: some 3 ms, so that a hand-over costs little beside it
SILENCE_S: Final = 0.2  # a ledger that did not answer is asked again after this; without it we would ask all the time


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A submission, and how it came."""

    delivery: Delivery
    state: str
    mba: str
    submission: Submission
    submission_id: bytes


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
        arrived = self._read(batch)
        if arrived:
            await self._check(batch, arrived)
        await self._settle_owed(batch)

    def _read(self, batch: Batch) -> list[Arrived]:
        """The submissions of the batch. What is no submission message is parked: there is nobody to answer."""
        arrived: list[Arrived] = []
        for delivery in batch.deliveries:
            if delivery.sequence in self._owed:
                continue
            if delivery.subject == SUBMIT_GOVERNANCE:
                batch.park(delivery, "governance statements are not taken by this version")
                continue
            try:
                state, mba = parse_submit(delivery.subject)
                submissions = decode_submissions(delivery.data)
            except (BadSubject, DecodeError) as error:
                batch.park(delivery, str(error))
                continue
            arrived += [
                Arrived(delivery=delivery, state=state, mba=mba, submission=one, submission_id=one.id)
                for one in submissions
            ]
        return arrived

    async def _check(self, batch: Batch, arrived: Sequence[Arrived]) -> None:
        registry = self._copy.current
        deliveries = len({one.delivery.sequence for one in arrived})
        with self._runtime.telemetry.batch(STAGE, messages=deliveries) as span:
            outcomes = await self._verified(arrived, registry)
            done_ms = self._runtime.now_ms()
            passed: list[Item] = []
            unknown: list[answers.Refused] = []  # nobody has said these: refused by submission id at once
            owed: dict[int, list[answers.Refused]] = {}
            traces: list[str] = []
            for one, outcome in zip(arrived, outcomes, strict=True):
                traceparent = _door(span, one, outcome)
                traces.append(traceparent)
                match outcome:
                    case Passed():
                        passed.append(_item(one, outcome, traceparent, batch.received_ms, done_ms))
                    case Refused(statement_id=None):
                        unknown.append(_refusal(one, outcome, registry, traceparent))
                    case Refused():
                        refusal = _refusal(one, outcome, registry, traceparent)
                        owed.setdefault(one.delivery.sequence, []).append(refusal)
                    case _:
                        assert_never(outcome)
            await self._runtime.publish_items("authenticated", passed)
            await self._refusals.publish(unknown)
        self._owed |= owed  # After publishing: if that failed, all of it is checked again.
        for one, outcome, traceparent in zip(arrived, outcomes, traces, strict=True):
            self._note(one, outcome, traceparent, batch.received_ms, done_ms)

    async def _verified(self, arrived: Sequence[Arrived], registry: Registry) -> list[Outcome]:
        """The outcome of each, in order; threads take them in chunks."""
        door = Door(
            audience=self._runtime.genesis.audience,
            identities=registry.identities,
            reference=registry.reference,
            parameters=registry.parameters,
            now_s=self._runtime.now_ms() // 1000,
        )
        loop = asyncio.get_running_loop()
        chunks = [loop.run_in_executor(self._pool, check_all, chunk, door) for chunk in _chunks(arrived)]
        return [outcome for outcomes in await asyncio.gather(*chunks) for outcome in outcomes]

    def _note(self, one: Arrived, outcome: Outcome, traceparent: str, received_ms: int, done_ms: int) -> None:
        """Count, log and remember the decision. A refusal is counted and logged by who publishes it."""
        if isinstance(outcome, Passed):
            self._runtime.telemetry.metrics.reports.add(stage=STAGE, outcome="passed")
            self._runtime.log.decision(
                "passed",
                stage=STAGE,
                submission=one.submission_id,
                statement=outcome.statement.id,
                traceparent=traceparent,
            )
        statement_id = outcome.statement.id if isinstance(outcome, Passed) else outcome.statement_id
        self._recent.add(one.submission_id, statement_id, _decision(one, outcome, statement_id, received_ms, done_ms))

    async def _settle_owed(self, batch: Batch) -> None:
        """Answer verified statements that may not pass: with their receipts, if they have their final verdict."""
        waiting = [delivery for delivery in batch.deliveries if delivery.sequence in self._owed]
        refusals = [refusal for delivery in waiting for refusal in self._owed[delivery.sequence]]
        if not refusals:
            return
        try:
            await self._answer(refusals)
        except (NoReply, Waiting) as silence:
            await asyncio.sleep(SILENCE_S)  # Fetching goes on meanwhile: good submissions do not wait for the ledger.
            for delivery in waiting:
                batch.keep(delivery, f"refusals wait for the ledger: {silence}")
            return
        for delivery in waiting:
            del self._owed[delivery.sequence]

    async def _answer(self, refusals: Sequence[answers.Refused]) -> None:
        """Raises NoReply or Waiting while the ledger is silent. A repeat does no harm."""
        bus = self._runtime.bus
        receipts = await ask_receipts(bus, [refusal.statement_id or b"" for refusal in refusals])
        decided = [one for one, receipt in zip(refusals, receipts, strict=True) if receipt is not None]
        if decided:
            await issue_again(bus, [(one.statement_id or b"", one.state, one.mba) for one in decided])
            self._runtime.telemetry.metrics.reports.add(len(decided), stage=STAGE, outcome="again")
        await self._refusals.publish([one for one, receipt in zip(refusals, receipts, strict=True) if receipt is None])


def check_all(arrived: Sequence[Arrived], door: Door) -> list[Outcome]:
    """Runs on a thread."""
    return [check(one.submission, door, state=one.state, mba=one.mba) for one in arrived]


def _chunks(arrived: Sequence[Arrived]) -> list[Sequence[Arrived]]:
    return [arrived[at : at + CHUNK] for at in range(0, len(arrived), CHUNK)]


def _door(span: BatchSpan, one: Arrived, outcome: Outcome) -> str:
    """Begin the report's trace here, if it is one of those that are traced."""
    statement = outcome.statement.id if isinstance(outcome, Passed) else outcome.statement_id
    return span.door(
        one.delivery.traceparent,
        submission_id=one.submission_id.hex(),
        statement_id=statement.hex() if statement else "",
        mba=f"{one.state}/{one.mba}",
        outcome="passed" if isinstance(outcome, Passed) else "refused",
    )


def _item(one: Arrived, passed: Passed, traceparent: str, received_ms: int, done_ms: int) -> Item:
    statement = passed.statement
    return Item(
        submission_id=one.submission_id,
        statement_id=statement.id,
        statement=statement.raw,
        endorsements=list(one.submission.endorsements),
        body_z=one.submission.body_z,
        state=one.state,
        mba=one.mba,
        traceparent=traceparent,
        timings=[Timing(stage=STAGE, received_ms=received_ms, done_ms=done_ms)],
        kid=statement.kid,
        iss=statement.iss,
        iat=statement.iat,
        signature="good",
        endorsers=[endorser.kid for endorser in passed.endorsers],
        spki=passed.author.spki,
        endorser_spkis=[endorser.spki for endorser in passed.endorsers],
        body_length=passed.body_length,
        body_digest=statement.body_digest,
    )


def _refusal(one: Arrived, refused: Refused, registry: Registry, traceparent: str) -> answers.Refused:
    return answers.Refused(
        state=one.state,
        mba=one.mba,
        submission_id=one.submission_id,
        statement_id=refused.statement_id,
        findings=refused.findings,
        height=registry.height,
        rules_version=registry.rules_version,
        traceparent=traceparent,
    )


def _decision(
    one: Arrived, outcome: Outcome, statement_id: bytes | None, received_ms: int, done_ms: int
) -> Mapping[str, object]:
    """For GET /v1/reports/{id}. What the door refuses it has not read, so its findings hold nothing of the report."""
    findings = () if isinstance(outcome, Passed) else outcome.findings
    return {
        "service": STAGE,
        "outcome": "passed" if isinstance(outcome, Passed) else "refused",
        "submission": one.submission_id.hex(),
        "statement": statement_id.hex() if statement_id else None,
        "area": f"{one.state}/{one.mba}",
        "received_ms": received_ms,
        "done_ms": done_ms,
        "findings": [
            {"rule": rule, "severity": severity, "value": value, "expected": expected, "text": text}
            for rule, severity, _, _, value, expected, text in findings
        ],
    }
