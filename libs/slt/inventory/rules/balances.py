"""Balances against the books: the one before, the change reports of the period, the physical inventory."""

from collections.abc import Iterator
from typing import Final

from slt.inventory.case import Case
from slt.inventory.keys import Kind, key
from slt.inventory.periods import NOT_BALANCED, Flows, Pit, add_weights, day_after, flows_between, months_of
from slt.inventory.rules.registry import Conflict, rule
from slt.reports.facts import EntryFacts
from slt.reports.findings import Severity
from slt.reports.quantities import ELEMENT_LABELS, format_quantity
from slt.reports.signs import BOOK_SIGN, CATEGORY_CHANGES

_CHANGES: Final = (BOOK_SIGN.keys() | CATEGORY_CHANGES.keys()) - NOT_BALANCED
_ELEMENTS: Final = frozenset(ELEMENT_LABELS)


@rule("C09", "reports.md 3.4; SG-FM-1172 MBR", kinds="M")
def beginning_is_the_ending_before(case: Case) -> Iterator[Conflict]:
    """PB of each category is PE of the balance before, as it is after the corrections that were accepted."""
    facts = case.facts
    last = day_after(facts.period_from, -1)
    if _is_balance(case) and last != case.head.closed:
        return  # the period does not follow: C10 speaks of it
    if (value := case.outcome.pit_value(last)) is None:
        return
    before = Pit(value)
    if not before.closed:
        return
    told: set[int] = set()
    for entry in facts.entries:
        if entry.code != "PB" or entry.status == "D":
            continue
        told.update(label for label, _ in entry.weights)
        for label, mg in entry.weights:
            expected = before.ending.get(label)
            if expected != mg and (expected is not None or (label in _ELEMENTS and mg)):
                yield _wrong_beginning(case, label, mg, expected or 0, entry.number)
    if _is_balance(case):
        for label in sorted(before.ending.keys() & _ELEMENTS - told):
            if before.ending[label]:
                yield _wrong_beginning(case, label, 0, before.ending[label], None)


def _wrong_beginning(case: Case, label: int, mg: int, expected: int, entry: int | None) -> Conflict:
    last = day_after(case.facts.period_from, -1)
    return Conflict(
        f"PB of label {label} is {format_quantity(mg, label)}, and the period before, until {last}, ended with PE "
        f"{format_quantity(expected, label)}. Correct PB, or correct that balance first if its PE is wrong.",
        entry=entry,
        label=str(label),
        value=format_quantity(mg, label),
        expected=format_quantity(expected, label),
    )


@rule("C10", "reports.md 3.4", kinds="M")
def period_follows(case: Case) -> Iterator[Conflict]:
    """A balance begins on the day after the last closed physical inventory: no gap, no overlap."""
    facts = case.facts
    if not _is_balance(case) or not (closed := case.head.closed):
        return
    expected = day_after(closed)
    if facts.period_from != expected or facts.period_to <= closed:
        yield Conflict(
            f"This balance is from {facts.period_from} to {facts.period_to}, and the last one of {facts.mba} ended on "
            f"{closed}. Begin on the day after it.",
            label="015",
            value=f"{facts.period_from}/{facts.period_to}",
            expected=f"from {expected}",
        )


@rule("C11", "reports.md 1.6 and 3.4; SG-FM-1172 MBR", kinds="M")
def changes_are_those_of_the_period(case: Case) -> Iterator[Conflict]:
    """Each consolidated change, with its rounding adjustment, is the sum of the live entries of the period.

    A difference is flagged; with an adjustment, which is there to explain it, it rejects.
    """
    if not _is_balance(case) or not case.head.closed:
        return
    facts = case.facts
    places = ((Kind.FLOWS, facts.country, facts.mba, month) for month in months_of(facts.period_from, facts.period_to))
    sums = flows_between((case.draft.get(key(*place)) for place in places), facts.period_from, facts.period_to)
    told, adjusted, entries = _told(case)
    found: list[Conflict] = []
    for code, label in sorted(told.keys() | adjusted.keys() | {place for place in sums if place[1] in _ELEMENTS}):
        value, expected = told.get((code, label), 0) + adjusted.get((code, label), 0), sums.get((code, label), 0)
        if value == expected:
            continue
        severity: Severity | None = None if (code, label) in adjusted else "warning"
        found.append(
            Conflict(
                f"{code} of label {label} is {format_quantity(value, label)} here, adjustment included, and "
                f"{format_quantity(expected, label)} by the entries from {facts.period_from} to {facts.period_to}. "
                "Correct the sum or its adjustment, or the change report that is wrong.",
                entry=entries.get((code, label)),
                label=str(label),
                value=format_quantity(value, label),
                expected=format_quantity(expected, label),
                severity=severity,
            )
        )
    yield from sorted(found, key=lambda conflict: conflict.severity is not None)


@rule("C12", "reports.md 3.4; SG-FM-1172 MBR", kinds="PM")
def ending_is_the_listing(case: Case) -> Iterator[Conflict]:
    """PE of each category, with its rounding adjustment, is the sum of the listing of that day.

    Judged when the second of the two comes. A report of corrections is flagged only: both have to be corrected, and one
    of them comes first.
    """
    facts = case.facts
    severity: Severity | None = None if any(entry.status in ("N", "U") for entry in facts.entries) else "warning"
    for day, (_, after) in case.outcome.pits.items():
        if not after.closed:
            continue
        if not after.listed:
            yield Conflict(
                f"There is no listing of the physical inventory of {day} yet. Report it: PE is judged when it comes.",
                label="015",
                value=day,
                severity="warning",
            )
            continue
        ending = dict(after.ending)
        add_weights(ending, 1, after.adjustment.items())
        for label in sorted(ending.keys() | (after.sums.keys() & _ELEMENTS)):
            told, listed = ending.get(label, 0), after.sums.get(label, 0)
            if told != listed:
                yield Conflict(
                    f"PE of label {label}, adjustment included, is {format_quantity(told, label)}, and the listing of "
                    f"{day} adds up to {format_quantity(listed, label)}. Correct whichever is wrong.",
                    entry=_ending_entry(facts.entries, label) if facts.kind == "M" else None,
                    label=str(label),
                    value=format_quantity(told if facts.kind == "M" else listed, label),
                    expected=format_quantity(listed if facts.kind == "M" else told, label),
                    severity=severity,
                )


def _is_balance(case: Case) -> bool:
    return any(entry.status in ("N", "U") for entry in case.facts.entries)


def _told(case: Case) -> tuple[Flows, Flows, dict[tuple[str, int], int]]:
    """What the balance says: consolidated changes, their adjustments, and the entry numbers."""
    told: Flows = {}
    adjusted: Flows = {}
    entries: dict[tuple[str, int], int] = {}
    for entry in case.facts.entries:
        adjusts = entry.code.startswith("RA") and len(entry.code) == 4
        code = entry.code[2:] if adjusts else entry.code
        if entry.status != "N" or code not in _CHANGES:
            continue
        for label, mg in entry.weights:
            if not adjusts:
                entries[code, label] = entry.number
            total = adjusted if adjusts else told
            total[code, label] = total.get((code, label), 0) + mg
    return told, adjusted, entries


def _ending_entry(entries: tuple[EntryFacts, ...], label: int) -> int | None:
    of_label = (entry.number for entry in entries if entry.code == "PE" and label in dict(entry.weights))
    return next(of_label, None)
