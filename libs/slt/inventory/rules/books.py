"""Books and the accounts beside them: nothing goes out that is not there."""

from collections.abc import Iterator

from slt.inventory.batches import elements_of
from slt.inventory.case import Case
from slt.inventory.outcome import ACCOUNTS, Line, obligation_changes
from slt.inventory.rules.registry import Conflict, rule
from slt.reports.quantities import format_quantity
from slt.reports.signs import book_changes

_ACCOUNTS = {"W": "retained waste", "U": "material exempted for its use", "Q": "material exempted for its quantity"}


@rule("C16", "reports.md 3.4", severity="warning", kinds="I")
def book_is_not_negative(case: Case) -> Iterator[Conflict]:
    """The book inventory of each category is not negative after the report.

    Only the element is asked: an isotope may be reported for the first time when it leaves. The report counts as a
    whole, because its entries need not stand in the order of their dates.
    """
    for category, (before, after) in case.outcome.books.items():
        left = after.get(category, 0)
        if left >= 0 or left >= before.get(category, 0):
            continue
        entry = max((line.entry.number for line in case.outcome.lines if _decreases(line, category)), default=None)
        yield Conflict(
            f"The book of {case.facts.mba} has {format_quantity(before.get(category, 0), category)} of label "
            f"{category} before this report and {format_quantity(left, category)} after it. Check the weights, and "
            "whether a receipt is missing.",
            entry=entry,
            label=str(category),
            value=format_quantity(left, category),
            expected="not below 0",
        )


@rule("C23", "reports.md 3.4; INFCIRC/153 paragraphs 13, 35 to 37", severity="warning", kinds="I")
def return_was_put_aside(case: Case) -> Iterator[Conflict]:
    """What comes back from retained waste or exemption went there before."""
    for account, (before, after) in case.outcome.accounts.items():
        for label, left in sorted(after.items()):
            outstanding = before.get(label, 0)
            if left >= 0 or left >= outstanding:
                continue
            entry = max(
                (
                    line.entry.number
                    for line in case.outcome.lines
                    if line.direction > 0 and ACCOUNTS.get(line.entry.code) == (account, -1)
                ),
                default=None,
            )
            yield Conflict(
                f"{_ACCOUNTS[account].capitalize()} of {case.facts.mba} is {format_quantity(outstanding, label)} of "
                f"label {label} by the books, and this report takes {format_quantity(outstanding - left, label)} "
                "back. Check the weight and the code.",
                entry=entry,
                label=str(label),
                value=format_quantity(outstanding - left, label),
                expected=f"at most {format_quantity(max(outstanding, 0), label)}",
            )


@rule("C30", "reports.md 3.4; Regulation 302/2005 annex III fields 30 and 32", severity="warning", kinds="I")
def obligation_is_not_negative(case: Case) -> Iterator[Conflict]:
    """What leaves a safeguards obligation was under it. Only the element is asked, after the whole report."""
    for obligation, (before, after) in case.outcome.obligations.items():
        for label, left in elements_of(sorted(after.items())):
            held = before.get(label, 0)
            if left >= 0 or left >= held:
                continue
            entry = max(
                (line.entry.number for line in case.outcome.changes if _takes(line, obligation, label)), default=None
            )
            yield Conflict(
                f"By the books {format_quantity(held, label)} of label {label} of {case.facts.mba} are under "
                f"obligation {obligation}, and this report takes {format_quantity(held - left, label)} from it. Check "
                "the obligation, and whether a receipt or a change of obligation is missing.",
                entry=entry,
                label=str(label),
                value=format_quantity(held - left, label),
                expected=f"at most {format_quantity(max(held, 0), label)}",
            )


def _takes(line: Line, obligation: str, label: int) -> bool:
    return line.direction > 0 and any(
        name == obligation and dict(weights).get(label, 0) < 0 for name, weights in obligation_changes(line.entry)
    )


def _decreases(line: Line, category: int) -> bool:
    changes = book_changes(line.entry.code, line.entry.weights)
    return line.direction > 0 and any(of == category and mg < 0 for of, _, mg in changes)
