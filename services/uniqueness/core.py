"""Does it conflict with the final state, or must it wait for another? Decided without touching anything. Start here.

`plan` decides about submissions in the order in which they came: a report that passes makes way for the next number of
its area, in the same call. The rules themselves are in slt.inventory; the same code judges again when the block is
evaluated, and that result counts.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias, TypeVar

from slt.bus.compression import inflate
from slt.bus.messages import EvaluateBatch, EvaluateItem, Item, WireFinding
from slt.inventory.admission import Admission, Again, Hold, Number, Pass, Refuse, admit_on
from slt.inventory.judgement import read_terms
from slt.inventory.state import Draft, View
from slt.inventory.vetting import Vetted, VettedBatch
from slt.reports.facts import FACTS_LENGTH_MAX
from slt.reports.findings import Finding

STAGE: Final = "uniqueness"
HELD_MAX: Final = 10_000  # held submissions: some 20 MB of usual reports; more are refused at once
PENDING_MAX_S: Final = 600.0  # what was passed on so long ago and is not final got lost, and its sender will repeat it


Seen: TypeAlias = tuple[bytes, Vetted]  # the facts of a statement as they travelled, and what they were taken for


def vetted_of(item: Item | EvaluateItem, *, seen: Seen | None = None) -> Vetted:
    """What vetting found, as slt.inventory takes it. Raises Malformed (slt.bus.messages) and ValueError.

    What was `seen` before of the same statement is neither inflated nor read again, if it is the same bytes.
    """
    known = seen[1] if seen is not None and seen[0] == item.facts_z else None
    if known is not None:
        facts = known.facts
    else:
        facts = inflate(item.facts_z, bytes_max=FACTS_LENGTH_MAX) if item.facts_z else None
    vetted = Vetted(
        statement_id=item.statement_id,
        kid=item.kid,
        iss=item.iss,
        iat=item.iat,
        endorsers=tuple(item.endorsers),
        unknown_endorsers=tuple(item.unknown_endorsers),
        bad_endorsement=item.bad_endorsement,
        signature=item.signature,
        facts=facts,
        no_facts=item.no_facts,
        rules_version=item.rules_version,
        reference_version=item.reference_version,
        change=item.change,
        findings=tuple(item.findings),
        findings_salt=item.findings_salt,
        facts_salt=item.facts_salt,
    )
    if known is not None:
        vetted.share_reading(known)
    return vetted


def batch_of(batch: EvaluateBatch, items: Iterable[Vetted]) -> VettedBatch:
    return VettedBatch(
        author=batch.author, seq=batch.seq, digest=batch.digest, previous=batch.previous, items=tuple(items)
    )


class Pending:
    """Report numbers that this process passed on and that are not final yet, by the statement that has them."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, tuple[Number, int]] = {}  # statement id -> number, when it was passed on
        self._count: dict[Number, int] = {}

    def __contains__(self, number: object) -> bool:
        return number in self._count

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, statement_id: bytes, number: Number, now_ms: int) -> None:
        if statement_id not in self._numbers:
            self._count[number] = self._count.get(number, 0) + 1
        self._numbers[statement_id] = (number, now_ms)

    def number_of(self, statement_id: bytes) -> tuple[Number, int] | None:
        """The number, and when it was passed on, in milliseconds."""
        return self._numbers.get(statement_id)

    def decided(self, statement_ids: Iterable[bytes]) -> None:
        """A block has a verdict for these, final or void: they are on their way no more."""
        for statement_id in statement_ids:
            if (entry := self._numbers.pop(statement_id, None)) is not None:
                self._forget(entry[0])

    def expire(self, now_ms: int) -> None:
        """Forget what was passed on more than PENDING_MAX_S ago."""
        limit_ms = now_ms - int(PENDING_MAX_S * 1000)
        self.decided([statement_id for statement_id, (_, at_ms) in self._numbers.items() if at_ms < limit_ms])

    def _forget(self, number: Number) -> None:
        self._count[number] -= 1
        if not self._count[number]:
            del self._count[number]


class OnTheirWay:
    """What is pending, and with it what passes now and is not published yet."""

    def __init__(self, pending: Container[Number], numbers: Iterable[Number] = ()) -> None:
        self._pending = pending
        self._numbers = set(numbers)

    def add(self, number: Number) -> None:
        self._numbers.add(number)

    def __contains__(self, number: object) -> bool:
        return number in self._numbers or number in self._pending


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do with the submissions that `plan` was asked about; each stands in one place, by its position."""

    passed: tuple[tuple[int, Number], ...]  # in the order in which to pass them on
    held: tuple[tuple[int, Hold], ...]
    refused: tuple[tuple[int, tuple[Finding, ...]], ...]
    again: tuple[int, ...]


def plan(
    view: View,
    submissions: Sequence[Vetted],
    *,
    next_height: int,
    now_ms: int,
    pending: Container[Number],
    may_hold: int,
) -> Plan:
    """Decide about `submissions`, in order, against the final state `view`, for the block after it. Raises NeedRecords.

    At most `may_hold` can be held; what is one too many is refused with the same words.
    """
    on_their_way = OnTheirWay(pending)
    draft = Draft(view)
    terms = read_terms(draft)
    admit = partial(admit_on, draft, terms, next_height=next_height, time_ms=now_ms, pending=on_their_way)
    answers: list[Admission] = []
    passed: list[tuple[int, Number]] = []
    waiting: dict[Number, list[int]] = {}  # predecessor -> positions that wait for it
    for position, vetted in enumerate(submissions):
        answers.append(admit(vetted))
        ready = [position]
        while ready:
            answer = answers[at := ready.pop(0)]
            if isinstance(answer, Hold):
                waiting.setdefault(answer.predecessor, []).append(at)
            if isinstance(answer, Pass):
                passed.append((at, answer.number))
                on_their_way.add(answer.number)
                for successor in waiting.pop(answer.number, ()):
                    answers[successor] = admit(submissions[successor])
                    ready.append(successor)
    holds = [(at, answer) for at, answer in enumerate(answers) if isinstance(answer, Hold)]
    too_many = [(at, hold.findings) for at, hold in holds[max(0, may_hold) :]]
    refusals = [(at, answer.findings) for at, answer in enumerate(answers) if isinstance(answer, Refuse)]
    return Plan(
        passed=tuple(passed),
        held=tuple(holds[: max(0, may_hold)]),
        refused=tuple(sorted([*refusals, *too_many], key=lambda pair: pair[0])),
        again=tuple(at for at, answer in enumerate(answers) if isinstance(answer, Again)),
    )


def told(vetted: Vetted, findings: Iterable[Finding]) -> list[WireFinding]:
    """All findings of a refusal, as they travel: ours first, because they are why it is refused."""
    return [*map(wire, findings), *vetted.findings]


def wire(finding: Finding) -> WireFinding:
    rule, severity, entry, label, value, expected, text = finding.to_wire()
    return (rule, severity, entry, label, value, expected, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A held submission without its bytes."""

    submission_id: bytes
    statement_id: bytes
    number: Number
    held_ms: int  # this member's clock, as is until_ms
    until_ms: int


class Holding:
    """What is held, in memory: a mirror of the table, which is what counts after a crash."""

    def __init__(self, held: Iterable[Held] = ()) -> None:
        self._held: dict[bytes, Held] = {}
        self._by_number: dict[Number, set[bytes]] = {}
        self._by_statement: dict[bytes, set[bytes]] = {}
        for one in held:
            self.add(one)

    def __len__(self) -> int:
        return len(self._held)

    def add(self, one: Held) -> None:
        """What is held already stays as it was."""
        if one.submission_id not in self._held:
            self._held[one.submission_id] = one
            self._by_number.setdefault(one.number, set()).add(one.submission_id)
            self._by_statement.setdefault(one.statement_id, set()).add(one.submission_id)

    def remove(self, submission_ids: Iterable[bytes]) -> None:
        for submission_id in submission_ids:
            if (one := self._held.pop(submission_id, None)) is not None:
                _discard(self._by_number, one.number, submission_id)
                _discard(self._by_statement, one.statement_id, submission_id)

    def get(self, submission_id: bytes) -> Held | None:
        return self._held.get(submission_id)

    def of_statement(self, statement_id: bytes) -> list[Held]:
        return self._sorted(self._by_statement.get(statement_id, ()))

    def next_of(self, number: Number) -> list[Held]:
        """Those that wait for `number`."""
        state, mba, last = number
        return self._sorted(self._by_number.get((state, mba, last + 1), ()))

    def up_to(self, number: Number) -> list[Held]:
        """Those of the area with this report number or a lower one."""
        state, mba, last = number
        return [one for one in self._held.values() if one.number[:2] == (state, mba) and one.number[2] <= last]

    def due(self, now_ms: int) -> list[Held]:
        """Those whose time has come."""
        return [one for one in self._held.values() if one.until_ms <= now_ms]

    def next_due_ms(self) -> int | None:
        return min((one.until_ms for one in self._held.values()), default=None)

    def until_ms(self, statement_id: bytes, now_ms: int, hold_ms: int) -> int:
        """Until when a submission of this statement is held: as long as the first one, however often it is repeated."""
        first = self._by_statement.get(statement_id)
        return self._held[next(iter(first))].until_ms if first else now_ms + hold_ms

    def _sorted(self, submission_ids: Iterable[bytes]) -> list[Held]:
        return sorted((self._held[one] for one in submission_ids), key=lambda one: (one.held_ms, one.submission_id))


K = TypeVar("K")


def _discard(table: dict[K, set[bytes]], key: K, submission_id: bytes) -> None:
    table[key].discard(submission_id)
    if not table[key]:
        del table[key]
