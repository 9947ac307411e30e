"""The shape of a rule, and the register of all of them.

A rule is one small function that yields a Problem for each thing it objects to. What it looks at decides its kind:

    raw      a cut-out piece of the document: is it elements?           (RawEntry)
    field    one label's content alone; remembered by value             (label, content)
    entry    one entry, in the light of the report it stands in         (Entry, Context)
    report   all entries of a report together, after the last one       (Report)

Several functions may speak for one rule number. A rule's severity and the place in the specification that it comes
from stand beside its number, in its decorator; a profile may give it another severity (profiles.py). A rule about some
kinds of reports, states of entries or codes says so in its decorator, and is not asked about the others.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from slt.reports.entry import Entry
from slt.reports.facts import EntryFacts
from slt.reports.findings import Severity
from slt.reports.profiles import Profile
from slt.reports.reader import RawEntry
from slt.reports.reference import Reference
from slt.statements.genesis import Mba


class Problem(NamedTuple):
    """What a rule objects to. The collector adds rule, severity and entry, and makes it a Finding."""

    text: str
    label: str = ""
    value: str = ""
    expected: str = ""
    entry: str = ""
    """Set by report rules only: the entry at fault."""
    severity: Severity | None = None
    """Where it differs from the rule's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What an entry rule may know besides its entry."""

    kind: str
    """Report type: I, P, M or T; "" where label 010 of the head is none of these."""
    head: Entry
    """The first accounting entry; in a document without one, its first note. All entries must agree with it."""
    country: str
    mba: Mba | None
    """The reporting area, where the reference data knows it."""
    profile: Profile
    """Of the reporting area."""
    reference: Reference
    period: tuple[str, str] | None
    """015 of the head, YYYYMMDD; None where it cannot be read."""
    date: str
    """003 of the head, YYYYMMDD; "" where it cannot be read."""
    today: str | None
    """The caller's day, YYYYMMDD; None where the judge is not told."""


class OiRow(NamedTuple):
    """What report rules see of an accounting entry."""

    name: str
    total: int
    """002, after the slash; 0 where it is left out."""
    noted: bool
    """390:Y."""
    weighed: bool
    """It carries a weight label, readable or not."""
    unread: bool
    """One of its weights could not be read: sums with it say nothing."""
    facts: EntryFacts


class NcRow(NamedTuple):
    """What report rules see of a note."""

    name: str
    number: int
    total: int
    reference: str
    """099 as written, "" where it is left out."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All entries of a document, in its order, as far as they could be read."""

    context: Context
    entries: Sequence[OiRow]
    notes: Sequence[NcRow]


class Rule(NamedTuple):
    """One function of a rule."""

    id: str
    severity: Severity
    reference: str
    """Where the rule is stated."""
    sentence: str
    """What the rule asks: the first line of the function's docstring."""


RawCheck = Callable[[RawEntry], Iterable[Problem]]
FieldCheck = Callable[[str, str], Iterable[Problem]]
EntryCheck = Callable[[Entry, Context], Iterable[Problem]]
ReportCheck = Callable[[Report], Iterable[Problem]]

RAW_RULES: Final[list[tuple[Rule, RawCheck]]] = []
FIELD_RULES: Final[dict[str, list[tuple[Rule, FieldCheck]]]] = {}
"""By label."""
NOTE_RULES: Final[list[tuple[Rule, EntryCheck]]] = []
"""For concise notes."""

LIVE: Final = frozenset({"N", "C", "A"})
"""States of an entry that says something about material: deleted and invalid ones do not."""
NEW: Final = frozenset({"N"})


class _Everything:
    """Contains whatever it is asked for: the rule is about all of them, also about what cannot be read."""

    def __contains__(self, _: object) -> bool:
        return True


_ALL: Final = _Everything()


def _each(values: Container[str]) -> Container[str]:
    """Kinds are written as one text, "IPM", and asked for one by one: of a text, "" would be a part."""
    return frozenset(values) if isinstance(values, str) else values


class _EntryRule(NamedTuple):
    rule: Rule
    check: EntryCheck
    kinds: Container[str]
    statuses: Container[str]
    codes: Container[str]


class _ReportRule(NamedTuple):
    rule: Rule
    check: ReportCheck
    kinds: Container[str]


_ENTRY_RULES: Final[list[_EntryRule]] = []
_REPORT_RULES: Final[list[_ReportRule]] = []


@lru_cache(1024)
def entry_rules(kind: str, status: str, code: str) -> tuple[tuple[Rule, EntryCheck], ...]:
    """The rules for an accounting entry of this report type, status and code of 411, in the order of registration."""
    return tuple(
        (rule, check)
        for rule, check, kinds, statuses, codes in _ENTRY_RULES
        if kind in kinds and status in statuses and code in codes
    )


@lru_cache(16)
def report_rules(kind: str) -> tuple[tuple[Rule, ReportCheck], ...]:
    """The rules for a whole report of this type, in the order of registration."""
    return tuple((rule, check) for rule, check, kinds in _REPORT_RULES if kind in kinds)


_Check = TypeVar("_Check", bound=Callable[..., Iterable[Problem]])


def raw_rule(number: str, reference: str, *, severity: Severity = "error") -> Callable[[RawCheck], RawCheck]:
    def register(check: RawCheck) -> RawCheck:
        RAW_RULES.append((_rule(number, severity, reference, check), check))
        return check

    return register


def field_rule(
    number: str, reference: str, *, labels: Iterable[str], severity: Severity = "error"
) -> Callable[[FieldCheck], FieldCheck]:
    def register(check: FieldCheck) -> FieldCheck:
        rule = _rule(number, severity, reference, check)
        for label in labels:
            FIELD_RULES.setdefault(label, []).append((rule, check))
        return check

    return register


def entry_rule(
    number: str,
    reference: str,
    *,
    kinds: Container[str] = _ALL,
    statuses: Container[str] = _ALL,
    codes: Container[str] = _ALL,
    notes: bool = False,
    severity: Severity = "error",
) -> Callable[[EntryCheck], EntryCheck]:
    """For accounting entries of these report types (010), states (309) and codes (411); with `notes`, for notes too."""

    def register(check: EntryCheck) -> EntryCheck:
        rule = _rule(number, severity, reference, check)
        _ENTRY_RULES.append(_EntryRule(rule, check, _each(kinds), statuses, codes))
        if notes:
            NOTE_RULES.append((rule, check))
        return check

    return register


def note_rule(number: str, reference: str, *, severity: Severity = "error") -> Callable[[EntryCheck], EntryCheck]:
    def register(check: EntryCheck) -> EntryCheck:
        NOTE_RULES.append((_rule(number, severity, reference, check), check))
        return check

    return register


def report_rule(
    number: str, reference: str, *, kinds: Container[str] = _ALL, severity: Severity = "error"
) -> Callable[[ReportCheck], ReportCheck]:
    """For whole reports of these types (010)."""

    def register(check: ReportCheck) -> ReportCheck:
        _REPORT_RULES.append(_ReportRule(_rule(number, severity, reference, check), check, _each(kinds)))
        return check

    return register


def registered() -> Iterator[Rule]:
    """Every function that is registered, by rule number."""
    rules = {rule for rule, _ in RAW_RULES} | {rule for rule, _ in NOTE_RULES}
    rules |= {entry.rule for entry in _ENTRY_RULES} | {report.rule for report in _REPORT_RULES}
    rules |= {rule for checks in FIELD_RULES.values() for rule, _ in checks}
    return iter(sorted(rules))


def _rule(number: str, severity: Severity, reference: str, check: _Check) -> Rule:
    assert check.__doc__, f"{number}: a rule says in its docstring what it asks"
    return Rule(number, severity, reference, check.__doc__.splitlines()[0])
