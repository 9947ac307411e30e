"""The shape of a rule, and the register of all of them.

A rule is one small function that yields a Problem for each thing it objects to. What it looks at decides its kind:

    raw      a cut-out piece of the document: is it elements?           (RawEntry)
    field    one label's content alone; remembered by value             (label, content)
    entry    one entry, in the light of the report it stands in         (Entry, Context)
    report   all entries of a report together, after the last one       (Report)

Several functions may speak for one rule number. A rule's severity and the place in the specification that it comes
from stand beside its number, in its decorator; a profile may give it another severity (profiles.py). A rule about some
kinds of reports, states of entries or codes says so in its decorator, and is not asked about the others.

A rule set is a version: a number that all members judge under at one height. Each function says from which version on
it counts (`since`), and one that another took the place of, which version was its last (`until`). So a rule is changed
by a second function beside the first, and what was judged under a version is judged alike for ever.
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
    since: int = 1
    """The first version of the rule set that has it."""
    until: int | None = None
    """The last one; None: it counts in all later ones."""

    def counts(self, version: int) -> bool:
        """Whether this version of the rule set has it."""
        return self.since <= version and (self.until is None or version <= self.until)


RawCheck = Callable[[RawEntry], Iterable[Problem]]
FieldCheck = Callable[[str, str], Iterable[Problem]]
EntryCheck = Callable[[Entry, Context], Iterable[Problem]]
ReportCheck = Callable[[Report], Iterable[Problem]]

_RAW_RULES: Final[list[tuple[Rule, RawCheck]]] = []
_FIELD_RULES: Final[dict[str, list[tuple[Rule, FieldCheck]]]] = {}
_NOTE_RULES: Final[list[tuple[Rule, EntryCheck]]] = []

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


@lru_cache(16)
def raw_rules(version: int) -> tuple[tuple[Rule, RawCheck], ...]:
    """The rules for a cut-out piece of a document, in the order of registration, as are those below."""
    return tuple(pair for pair in _RAW_RULES if pair[0].counts(version))


@lru_cache(1024)
def field_rules(version: int, label: str) -> tuple[tuple[Rule, FieldCheck], ...]:
    """The rules for the content of one label."""
    return tuple(pair for pair in _FIELD_RULES.get(label, ()) if pair[0].counts(version))


@lru_cache(16)
def note_rules(version: int) -> tuple[tuple[Rule, EntryCheck], ...]:
    """The rules for a concise note."""
    return tuple(pair for pair in _NOTE_RULES if pair[0].counts(version))


@lru_cache(1024)
def entry_rules(version: int, kind: str, status: str, code: str) -> tuple[tuple[Rule, EntryCheck], ...]:
    """The rules for an accounting entry of this report type, status and code of 411."""
    return tuple(
        (rule, check)
        for rule, check, kinds, statuses, codes in _ENTRY_RULES
        if rule.counts(version) and kind in kinds and status in statuses and code in codes
    )


@lru_cache(64)
def report_rules(version: int, kind: str) -> tuple[tuple[Rule, ReportCheck], ...]:
    """The rules for a whole report of this type."""
    return tuple((rule, check) for rule, check, kinds in _REPORT_RULES if rule.counts(version) and kind in kinds)


_Check = TypeVar("_Check", bound=Callable[..., Iterable[Problem]])


def raw_rule(
    number: str, reference: str, *, severity: Severity = "error", since: int = 1, until: int | None = None
) -> Callable[[RawCheck], RawCheck]:
    def register(check: RawCheck) -> RawCheck:
        _RAW_RULES.append((_rule(number, severity, reference, check, since, until), check))
        return check

    return register


def field_rule(
    number: str,
    reference: str,
    *,
    labels: Iterable[str],
    severity: Severity = "error",
    since: int = 1,
    until: int | None = None,
) -> Callable[[FieldCheck], FieldCheck]:
    def register(check: FieldCheck) -> FieldCheck:
        rule = _rule(number, severity, reference, check, since, until)
        for label in labels:
            _FIELD_RULES.setdefault(label, []).append((rule, check))
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
    since: int = 1,
    until: int | None = None,
) -> Callable[[EntryCheck], EntryCheck]:
    """For accounting entries of these report types (010), states (309) and codes (411); with `notes`, for notes too."""

    def register(check: EntryCheck) -> EntryCheck:
        rule = _rule(number, severity, reference, check, since, until)
        _ENTRY_RULES.append(_EntryRule(rule, check, _each(kinds), statuses, codes))
        if notes:
            _NOTE_RULES.append((rule, check))
        return check

    return register


def note_rule(
    number: str, reference: str, *, severity: Severity = "error", since: int = 1, until: int | None = None
) -> Callable[[EntryCheck], EntryCheck]:
    def register(check: EntryCheck) -> EntryCheck:
        _NOTE_RULES.append((_rule(number, severity, reference, check, since, until), check))
        return check

    return register


def report_rule(
    number: str,
    reference: str,
    *,
    kinds: Container[str] = _ALL,
    severity: Severity = "error",
    since: int = 1,
    until: int | None = None,
) -> Callable[[ReportCheck], ReportCheck]:
    """For whole reports of these types (010)."""

    def register(check: ReportCheck) -> ReportCheck:
        rule = _rule(number, severity, reference, check, since, until)
        _REPORT_RULES.append(_ReportRule(rule, check, _each(kinds)))
        return check

    return register


def registered() -> Iterator[Rule]:
    """Every function that is registered, by rule number, in whatever version it counts."""
    rules = {rule for rule, _ in _RAW_RULES} | {rule for rule, _ in _NOTE_RULES}
    rules |= {entry.rule for entry in _ENTRY_RULES} | {report.rule for report in _REPORT_RULES}
    rules |= {rule for checks in _FIELD_RULES.values() for rule, _ in checks}
    return iter(sorted(rules))


def _rule(number: str, severity: Severity, reference: str, check: _Check, since: int, until: int | None) -> Rule:
    assert check.__doc__, f"{number}: a rule says in its docstring what it asks"
    return Rule(number, severity, reference, check.__doc__.splitlines()[0], since, until)
