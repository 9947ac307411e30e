"""Answers to facilities: refusals that we sign, and receipts that the ledger has or issues again."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from slt.bus.messages import Again, AgainReply, Malformed, Message, ReceiptGet, ReceiptReply, WireFinding
from slt.bus.subjects import AGAIN, RECEIPT_GET, refused
from slt.merkle.hashing import Digest
from slt.runtime.stage import Waiting
from slt.statements.answers import encode_refusals
from slt.statements.refusals import Refusal, bounded, sign_refusal

if TYPE_CHECKING:
    from slt.runtime.run import Runtime

ANSWER_BYTES_MAX: Final = 256 * 1024  # a message of refusals is cut here; one oversize refusal travels alone
FINDINGS_BYTES_MAX: Final = 1024 * 1024  # of one refusal: an author corrects the first of them first
ASK_WITHIN_S: Final = 2.0
A = TypeVar("A", bound=Message)
R = TypeVar("R")

IDS_MAX: Final = 64  # in one request: 64 receipts fit one reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What a stage refuses. `statement_id` only once the statement's signature has been verified."""

    state: str
    mba: str
    submission_id: bytes
    statement_id: bytes | None
    findings: Sequence[WireFinding]  # at least one; text says what the author does next
    height: int = 0  # the final block this service knew
    rules_version: int = 0
    traceparent: str = ""


class RefusalPublisher:
    """Signs refusals as this service and publishes them packed, by State and MBA."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime

    async def publish(self, refusals: Sequence[Refused]) -> None:
        """Return once every refusal is stored in ANSWERS. Raises StreamFull, BusDown: then a repeat does no harm."""
        by_subject: dict[str, list[tuple[bytes, bytes, bytes]]] = {}
        for refusal in refusals:
            by_subject.setdefault(refused(refusal.state, refusal.mba), []).append(self._signed(refusal))
        for subject, signed in by_subject.items():
            for part in _cut(signed):
                data = encode_refusals(part)
                await self._runtime.bus.publish(subject, data, id=hashlib.sha256(data).hexdigest()[:32])
        for refusal in refusals:
            self._runtime.telemetry.metrics.reports.add(stage=self._runtime.service, outcome="refused")
            self._runtime.log.decision(
                "refused",
                stage=self._runtime.service,
                submission=refusal.submission_id,
                statement=refusal.statement_id,
                traceparent=refusal.traceparent,
                rules=sorted({finding[0] for finding in refusal.findings if finding[1] == "error"})[:10],
            )

    def _signed(self, refused_: Refused) -> tuple[bytes, bytes, bytes]:
        runtime = self._runtime
        refusal = Refusal(
            chain_id=runtime.genesis.chain_id,
            submission_id=Digest(refused_.submission_id),
            statement_id=Digest(refused_.statement_id) if refused_.statement_id is not None else None,
            member=runtime.config.member,
            stage=runtime.service,
            height=refused_.height,
            rules_version=refused_.rules_version,
            time_ms=runtime.now_ms(),
            findings=bounded(_fitting(refused_.findings)),
        ).encoded
        identity = runtime.identity
        return refusal, sign_refusal(refusal, identity.signer), identity.certificate_bytes


async def ask_receipts(
    runtime: "Runtime", statement_ids: Sequence[bytes], *, timeout_s: float = ASK_WITHIN_S
) -> list[bytes | None]:
    """The ledger's receipt for each statement, None where there is no final verdict.

    Raises NoReply (the stage loop waits) when the ledger is silent, Waiting when its reply cannot be read.
    """
    receipts: list[bytes | None] = []
    for first in range(0, len(statement_ids), IDS_MAX):
        ids = list(statement_ids[first : first + IDS_MAX])
        reply = await _ask(runtime, RECEIPT_GET, ReceiptGet(statement_ids=ids), ReceiptReply, timeout_s=timeout_s)
        receipts += _as_many(ids, reply.receipts)
    return receipts


async def issue_again(
    runtime: "Runtime", items: Sequence[tuple[bytes, str, str]], *, timeout_s: float = ASK_WITHIN_S
) -> list[bool]:
    """Have the ledger publish receipts again: (statement id, State, MBA) each; False where there is none.

    Raises NoReply, Waiting as `ask_receipts`.
    """
    issued: list[bool] = []
    for first in range(0, len(items), IDS_MAX):
        part = list(items[first : first + IDS_MAX])
        reply = await _ask(runtime, AGAIN, Again(items=part), AgainReply, timeout_s=timeout_s)
        issued += _as_many(part, reply.issued)
    return issued


async def _ask(runtime: "Runtime", subject: str, question: Message, reply: type[A], *, timeout_s: float) -> A:
    try:
        return await runtime.ask(subject, question, reply, timeout_s=timeout_s)
    except Malformed as error:
        raise Waiting(f"the ledger's reply cannot be read: {error}") from error


def _as_many(asked: Sequence[object], answered: list[R]) -> list[R]:
    if len(asked) != len(answered):
        raise Waiting(f"the ledger answered {len(answered)} of {len(asked)}")
    return answered


def _cut(signed: list[tuple[bytes, bytes, bytes]]) -> list[list[tuple[bytes, bytes, bytes]]]:
    parts: list[list[tuple[bytes, bytes, bytes]]] = []
    room_bytes = 0
    for refusal in signed:
        size = sum(map(len, refusal)) + 16
        if not parts or size > room_bytes:
            parts.append([])
            room_bytes = ANSWER_BYTES_MAX
        parts[-1].append(refusal)
        room_bytes -= size
    return parts


def _fitting(findings: Sequence[WireFinding]) -> Sequence[WireFinding]:
    """As many findings as fit FINDINGS_BYTES_MAX; the last one says how many are left out."""
    size = 0
    for count, finding in enumerate(findings):
        size += 4 * sum(map(len, finding)) + 16
        if size > FINDINGS_BYTES_MAX and count:
            rule, severity, entry, label, value, expected, _ = finding
            left = len(findings) - count
            text = f"{left} more findings are not shown; correct these first."
            return [*findings[:count], (rule, severity, entry, label, value, expected, text)]
    return findings
