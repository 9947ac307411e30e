"""Balances against the books: the one before, the change reports of the period, the physical inventory.

A balance is judged as it is after the report, with all of its live entries, also when the report corrects a few of
them. What a correction did not touch does not reject it: another correction may have made it wrong.
"""

from collections.abc import Iterator
from typing import Final

from slt.inventory.case import Case
from slt.inventory.chains import Free, Live
from slt.inventory.keys import Kind, key
from slt.inventory.periods import CLOSED, NOT_BALANCED, Pit, add_weights, day_after, flows_between, months_of
from slt.inventory.records import find_report
from slt.inventory.rules.registry import Conflict, rule
from slt.reports.codes import is_adjustment
from slt.reports.facts import EntryFacts
from slt.reports.findings import Severity
from slt.reports.quantities import ELEMENT_LABELS, format_quantity
from slt.reports.rules.balance import Balance, Fault, faults
from slt.reports.signs import BOOK_SIGN, CATEGORY_CHANGES, UNIFIED, category_of

_CHANGES: Final = (BOOK_SIGN.keys() | CATEGORY_CHANGES.keys()) - NOT_BALANCED
_ELEMENTS: Final = frozenset(ELEMENT_LABELS)


@rule("C09", "reports.md 3.4; SG-FM-1172 MBR", kinds="M")
def beginning_is_the_ending_before(case: Case) -> Iterator[Conflict]:
    """PB of each category is PE of the balance before, as it is after the corrections that were accepted."""
    for _, after in case.outcome.pits.values():
        if not after.closed or not (begins := _begins(case, after)):
            continue
        last = day_after(begins, -1)
        if _is_balance(case) and last != case.head.closed:
            continue  # the period does not follow: C10 speaks of it
        before = Pit(case.outcome.pit_value(last))
        if not before.closed:
            continue
        for label, told, expected in _beginning_differs(after, before):
            if label not in _ELEMENTS and label not in after.told("PB"):
                continue
            yield Conflict(
                f"PB of label {label} is {format_quantity(told, label)}, and the period before, until {last}, ended "
                f"with PE {format_quantity(expected, label)}. Correct PB, or correct that balance first if its PE is "
                "wrong.",
                entry=_entry_of(case, "PB", label),
                label=str(label),
                value=format_quantity(told, label),
                expected=format_quantity(expected, label),
                severity=_severity(case, "PB", label),
            )


@rule("C09", "reports.md 3.4; SG-FM-1172 MBR", kinds="M")
def balance_that_follows_begins_with_the_ending(case: Case) -> Iterator[Conflict]:
    """A corrected PE is the PB of the balance that follows, which is corrected as well."""
    for day, (before, after) in case.outcome.pits.items():
        if not (before.closed and after.closed) or before.told("PE") == after.told("PE"):
            continue
        following = min((pit for pit, flags in case.head.pits if pit > day and flags & CLOSED), default="")
        later = Pit(case.outcome.pit_value(following)) if following else None
        if later is None or _begins(case, later) != day_after(day):
            continue
        for label, told, expected in _beginning_differs(later, after):
            if before.told("PE").get(label, 0) == expected:
                continue
            yield Conflict(
                f"PE of label {label} is {format_quantity(expected, label)} from now on, and the balance that ends on "
                f"{following} begins with PB {format_quantity(told, label)}. Correct that balance too.",
                entry=_entry_of(case, "PE", label),
                label=str(label),
                value=format_quantity(expected, label),
                expected=format_quantity(told, label),
                severity="warning",
            )


def _beginning_differs(balance: Pit, before: Pit) -> list[tuple[int, int, int]]:
    """(label, PB, PE of the balance before) where they differ. An isotope that PE does not state is not asked."""
    beginning, ending = balance.told("PB"), before.told("PE")
    return [
        (label, beginning.get(label, 0), ending.get(label, 0))
        for label in sorted(beginning.keys() | ending.keys())
        if beginning.get(label, 0) != ending.get(label, 0) and (label in _ELEMENTS or label in ending)
    ]


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


@rule("C10", "reports.md 3.4", kinds="PM")
def correction_keeps_the_period(case: Case) -> Iterator[Conflict]:
    """A correction or addition of a listing or balance has the period of the report that it is about.

    It would move the entry to another physical inventory otherwise, and close periods that nobody closed.
    """
    facts = case.facts
    about = [(entry, found.number) for entry, _, found in case.targets() if entry.status == "C" and type(found) is Live]
    about += [(entry, number) for entry, (number, _), found in case.places() if type(found) is Free]
    for entry, number in about:
        report = find_report(case.draft, facts.country, facts.mba, number)
        if report is None or (report.period_from, report.period_to) == (facts.period_from, facts.period_to):
            continue
        yield Conflict(
            f"Entry {entry.number} is about report {number}, of another period. State the period of that report; "
            "to move it to another date, delete its entries (309 D) and report anew.",
            entry=entry.number,
            label="015",
            value=f"{facts.period_from}/{facts.period_to}",
            expected=f"{report.period_from}/{report.period_to}",
        )


@rule("C11", "reports.md 1.6 and 3.4; SG-FM-1172 MBR", kinds="M")
def changes_are_those_of_the_period(case: Case) -> Iterator[Conflict]:
    """Each consolidated change, with its rounding adjustment, is the sum of the live entries of the period.

    A difference is flagged; with an adjustment, which is there to explain it, it rejects.
    """
    facts = case.facts
    found: list[Conflict] = []
    for day, (_, after) in case.outcome.pits.items():
        begins = _begins(case, after) if after.closed else ""
        if not begins or not any(pit < day and flags & CLOSED for pit, flags in case.head.pits):
            continue
        places = ((Kind.FLOWS, facts.country, facts.mba, month) for month in months_of(begins, day))
        sums = flows_between((case.draft.get(key(*place)) for place in places), begins, day)
        told = {place: mg for place, mg in after.lines.items() if place[0] in _CHANGES}
        adjusted = {(code[2:], label): mg for (code, label), mg in after.lines.items() if is_adjustment(code)}
        asked = told.keys() | {place for place in adjusted if place[0] in _CHANGES}
        for code, label in sorted(asked | {place for place in sums if place[1] in _ELEMENTS}):
            value = told.get((code, label), 0) + adjusted.get((code, label), 0)
            expected = sums.get((code, label), 0)
            if value == expected:
                continue
            explained = (code, label) in adjusted and _touches(case, (code, f"RA{code}"), label)
            found.append(
                Conflict(
                    f"{code} of label {label} is {format_quantity(value, label)} here, adjustment included, and "
                    f"{format_quantity(expected, label)} by the entries from {begins} to {day}. Correct the sum or its "
                    "adjustment, or the change report that is wrong.",
                    entry=_entry_of(case, code, label),
                    label=str(label),
                    value=format_quantity(value, label),
                    expected=format_quantity(expected, label),
                    severity=None if explained else "warning",
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
    severity: Severity | None = None if _is_balance(case) else "warning"
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
        ending = after.told("PE")
        add_weights(ending, 1, after.told("RAPE").items())
        for label in sorted(ending.keys() | (after.sums.keys() & _ELEMENTS)):
            told, listed = ending.get(label, 0), after.sums.get(label, 0)
            if told != listed:
                yield Conflict(
                    f"PE of label {label}, adjustment included, is {format_quantity(told, label)}, and the listing of "
                    f"{day} adds up to {format_quantity(listed, label)}. Correct whichever is wrong.",
                    entry=_entry_of(case, "PE", label) if facts.kind == "M" else None,
                    label=str(label),
                    value=format_quantity(told if facts.kind == "M" else listed, label),
                    expected=format_quantity(listed if facts.kind == "M" else told, label),
                    severity=severity,
                )


@rule("V57", "reports.md 3.3 and 1.6", kinds="M")
def corrected_balance_closes(case: Case) -> Iterator[Conflict]:
    """After a correction BE, BA and MF are what the live entries of the balance make, for each category."""
    yield from _open_equations(case, isotopes=False)


@rule("V61", "reports.md 3.3 and 1.6", kinds="M")
def corrected_balance_closes_for_isotopes(case: Case) -> Iterator[Conflict]:
    """After a correction BE, BA and MF are what the live entries make, for each isotope of the balance."""
    yield from _open_equations(case, isotopes=True)


def _open_equations(case: Case, *, isotopes: bool) -> Iterator[Conflict]:
    """What does not close. A new balance was judged by the same arithmetic before it came here."""
    if _is_balance(case) or any(correction_keeps_the_period(case)):
        return
    for day, (before, after) in case.outcome.pits.items():
        if not after.closed:
            continue
        earlier = set(_faults_of(before, isotopes=isotopes))
        for label, fault in _faults_of(after, isotopes=isotopes):
            yield Conflict(
                f"After this report {fault.code} of label {label} of the balance until {day} is "
                f"{format_quantity(fault.value, label)}, and its other entries make "
                f"{format_quantity(fault.expected, label)}. Correct all entries of the balance that change in "
                "one report.",
                entry=_entry_of(case, fault.code, label),
                label=str(label),
                value=format_quantity(fault.value, label),
                expected=f"{fault.code} {format_quantity(fault.expected, label)}",
                severity="warning" if (label, fault) in earlier else None,
            )


def _faults_of(pit: Pit, *, isotopes: bool) -> list[tuple[int, Fault]]:
    """The equations of a balance that do not hold, by label."""
    labels = {label for _, label in pit.lines}
    balances: dict[int, Balance] = {}
    for (code, label), mg in pit.lines.items():
        if mg:
            category = category_of(label, labels & {UNIFIED})
            balances.setdefault(label, Balance(category, label, {}, {})).amounts[code] = mg
    asked = (one for _, one in sorted(balances.items()) if one.stated and (one.label != one.category) == isotopes)
    return [(balance.label, fault) for balance in asked for fault in faults(balance)]


def _is_balance(case: Case) -> bool:
    """Whether the report is a balance or listing of its own, not one of corrections."""
    return any(entry.status in ("N", "U") for entry in case.facts.entries)


def _begins(case: Case, pit: Pit) -> str:
    """The first day of the balance; "" where it is not in this ledger."""
    facts = case.facts
    if pit.balance == facts.number:
        return facts.period_from
    report = find_report(case.draft, facts.country, facts.mba, pit.balance) if pit.balance else None
    return "" if report is None else report.period_from


def _severity(case: Case, code: str, label: int) -> Severity | None:
    """The rule's own for what the report says itself; milder for what it only leaves as it was."""
    return None if _touches(case, (code,), label) else "warning"


def _touches(case: Case, codes: tuple[str, ...], label: int) -> bool:
    """Whether the report is a balance, or changes what the balance says under one of these codes."""
    return _is_balance(case) or any(
        line.entry.code in codes and label in dict(line.entry.weights) for line in case.outcome.lines
    )


def _entry_of(case: Case, code: str, label: int) -> int | None:
    of_label = (entry for entry in case.facts.entries if entry.code == code and label in dict(entry.weights))
    entry: EntryFacts | None = next(of_label, None)
    return None if entry is None else entry.number
