"""Judging a document: every problem it has, and its facts when it has no errors."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from slt.reports.codes import KINDS
from slt.reports.entry import CACHED, READ_MAX, Entry, facts_of, kind_of, read_date, read_entry, read_period
from slt.reports.facts import ENTRIES_MAX, Facts, content_digest, document_digest, notes_digest
from slt.reports.findings import Finding, Judgement, Severity
from slt.reports.profiles import IAEA, Profile, profile_of
from slt.reports.reader import RawEntry, content_of, first_entry, labels_of, read_raw, text_of
from slt.reports.reference import Reference
from slt.reports.rules import RULES_VERSION, RULES_VERSIONS
from slt.reports.rules.registry import (
    Context,
    NcRow,
    OiRow,
    Problem,
    Report,
    Rule,
    entry_rules,
    field_rules,
    note_rules,
    raw_rules,
    report_rules,
)

FINDINGS_PER_RULE_MAX: Final = 20
"""Findings of one rule and severity that are written out; one more counts the rest. A mistake that a program makes in
100,000 entries is understood after twenty, and must not hide the other mistakes."""

RULES_MAX: Final = 62
FINDINGS_MAX: Final = 2 * RULES_MAX * (FINDINGS_PER_RULE_MAX + 1)
"""Findings of one document at most: 62 rules, two severities."""

BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

_BYTES: Final = Rule("V06", "error", "reports.md 3.1", "ASCII only, no byte order mark.")
_EMPTY: Final = Rule("V01", "error", "reports.md 3.1", "A document has at least one entry.")
_ENTRIES: Final = Rule("V50", "error", "reports.md 3.3", "A report has a bounded number of entries.")


def judge(
    document: bytes, reference: Reference, *, today: str | None = None, rules_version: int = RULES_VERSION
) -> Judgement:
    """Apply every rule to `document`, as the profile of its area has them. A pure function of its arguments.

    `rules_version` names the rule set, one of RULES_VERSIONS; under any other nothing is judged (ValueError).
    `today` (YYYYMMDD) is the day beyond which no report can be dated, for V32; without it that rule is silent. Whoever
    has a clock gives slt.reports.dates.day_anywhere(now): a report carries the date of its place, and no zone.
    Takes any bytes and never raises for them. Time and memory are linear in the document.
    """
    if rules_version not in RULES_VERSIONS:
        raise ValueError(f"rule set {rules_version} is none of this program's: {sorted(RULES_VERSIONS)}")
    found = Findings()
    if document.startswith(BYTE_ORDER_MARKS):
        found.add(_BYTES, "", Problem("The file begins with a byte order mark. Save it as plain ASCII text."))
    text = text_of(document)
    report, content = _read(text, reference, today, rules_version, found)
    if report is None:
        return Judgement(verdict="reject", findings=found.all(), facts=None, country=None, mba=None, number=None)
    for rule, check in report_rules(rules_version, report.context.kind):
        for problem in check(report):
            found.add(rule, problem.entry, problem)
    head = report.context.head
    mba = head.labels.get("307", "")
    facts = None if found.errors else _facts(document, content, report, reference, rules_version)
    return Judgement(
        verdict="reject" if found.errors else "flag" if found.warnings else "ok",
        findings=found.all(),
        facts=facts,
        country=head.country or None,
        mba=mba if len(mba) <= 4 and mba else None,
        number=head.report or None,
    )


def _read(
    text: str, reference: Reference, today: str | None, version: int, found: "Findings"
) -> tuple[Report | None, list[str]]:
    """Go through the entries once: raw, field and entry rules as they pass; rows for the report rules remain."""
    context: Context | None = None
    entries: list[OiRow] = []
    notes: list[NcRow] = []
    content: list[str] = []
    for count, raw in enumerate(read_raw(text)):
        if count == ENTRIES_MAX:
            found.add(
                _ENTRIES,
                "",
                Problem(f"The report has more than {ENTRIES_MAX} entries. Split it over several reports.", "002"),
            )
            break
        labels = labels_of(raw)
        kind = kind_of(labels)
        entry = read_entry(labels, kind, len(entries if kind == "OI" else notes) + 1)
        if context is None:
            context = _context(entry, text, reference, today)
            found.profile = context.profile
        _check_raw(raw, labels, entry, version, found)
        _check_fields(labels, entry, version, found)
        asked = entry_rules(version, context.kind, entry.status, entry.code) if kind == "OI" else note_rules(version)
        for rule, check in asked:
            for problem in check(entry, context):
                found.add(rule, entry.name, problem)
        if kind == "OI":
            entries.append(_row(entry))
        else:
            notes.append(_note(entry))
        content.append(content_of(raw))
    if context is None:
        found.add(
            _EMPTY,
            "",
            Problem("The document is empty. Choose the file that holds the report.", expected="NNN:content#"),
        )
        return None, content
    return Report(context=context, entries=entries, notes=notes), content


def _context(first: Entry, text: str, reference: Reference, today: str | None) -> Context:
    """What the entries are held against: the first accounting entry, or the first note where there is none."""
    head = first
    if first.kind == "NC" and (raw := first_entry(text, "OI")):
        head = read_entry(labels_of(raw), "OI", 1)
    get = head.labels.get
    kind = get("010", "")
    mba = reference.mba(head.country, get("307", "")[:READ_MAX])
    return Context(
        kind=kind if kind in KINDS else "",
        head=head,
        country=head.country,
        mba=mba,
        profile=IAEA if mba is None else profile_of(mba.profile),
        reference=reference,
        period=read_period(get("015", "")[:READ_MAX]),
        date=read_date(get("003", "")[:READ_MAX]) or "",
        today=today,
    )


def _check_raw(raw: RawEntry, labels: dict[str, str], entry: Entry, version: int, found: "Findings") -> None:
    sound = not raw.leftovers and not raw.unclosed and not raw.too_many
    if sound and len(labels) == len(raw.elements) and raw.elements[0][0] == "001":
        return
    for rule, check in raw_rules(version):
        for problem in check(raw):
            found.add(rule, entry.name, problem)


def _check_fields(labels: dict[str, str], entry: Entry, version: int, found: "Findings") -> None:
    for label, value in labels.items():
        problems = (_field_problems if len(value) <= READ_MAX else judge_field)(label, value, version)
        for rule, problem in problems:
            found.add(rule, entry.name, problem)


def judge_field(label: str, value: str, version: int = RULES_VERSION) -> tuple[tuple[Rule, Problem], ...]:
    """What the rules of a version say about the content of one label, taken alone."""
    return tuple((rule, problem) for rule, check in field_rules(version, label) for problem in check(label, value))


_field_problems = lru_cache(CACHED)(judge_field)


def _row(entry: Entry) -> OiRow:
    labels = entry.labels
    return OiRow(
        name=entry.name,
        total=entry.total,
        noted=labels.get("390") == "Y",
        weighed=bool(entry.weights) or entry.unread,
        unread=entry.unread,
        facts=facts_of(entry),
    )


def _note(entry: Entry) -> NcRow:
    get = entry.labels.get
    return NcRow(entry.name, entry.number, entry.total, get("099", ""), get("391", ""))


def _facts(document: bytes, content: Iterable[str], report: Report, reference: Reference, version: int) -> Facts:
    """The facts of a document without errors."""
    context = report.context
    head = context.head
    mba = head.labels["307"]
    period = context.period or ("", "")
    return Facts(
        rules_version=version,
        reference_version=reference.version,
        country=head.country,
        mba=mba,
        number=head.report,
        kind=context.kind,
        period_from=period[0],
        period_to=period[1],
        date=context.date,
        document_digest=document_digest(mba, document),
        content_digest=content_digest(mba, "".join(content).encode("ascii")),
        entries=tuple([row.facts for row in report.entries]),
        notes_digest=notes_digest((note.number, note.reference, note.text) for note in report.notes),
    )


class Findings:
    """Collects findings, bounded for each rule and severity; what goes past the bound is counted."""

    profile: Profile
    """Of the reporting area, once it is known; it decides severities."""

    def __init__(self) -> None:
        self.profile = IAEA
        self._listed: list[Finding] = []
        self._counts: dict[tuple[str, Severity], int] = {}
        self.errors = 0
        self.warnings = 0

    def add(self, rule: Rule, entry: str, problem: Problem) -> None:
        ruling = self.profile.rulings.get(rule.id, rule.severity)
        if ruling == "off":
            return
        severity = problem.severity or ruling
        if severity == "error":
            self.errors += 1
        else:
            self.warnings += 1
        key = (rule.id, severity)
        count = self._counts[key] = self._counts.get(key, 0) + 1
        if count <= FINDINGS_PER_RULE_MAX:
            self._listed.append(
                Finding(
                    rule=rule.id,
                    severity=severity,
                    entry=entry,
                    label=problem.label,
                    value=problem.value,
                    expected=problem.expected,
                    text=problem.text,
                )
            )

    def all(self) -> tuple[Finding, ...]:
        """Everything found, in the order of the document; at the end, how many findings of a rule are not listed."""
        more = (
            Finding(
                rule=rule,
                severity=severity,
                entry="",
                label="",
                value=str(count - FINDINGS_PER_RULE_MAX),
                expected="",
                text=f"{rule}: {count - FINDINGS_PER_RULE_MAX} more findings like these are not listed. "
                "Correct what is listed, and check again.",
            )
            for (rule, severity), count in self._counts.items()
            if count > FINDINGS_PER_RULE_MAX
        )
        return (*self._listed, *more)
