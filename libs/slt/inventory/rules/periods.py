"""The calendar of an area: physical inventories, closed periods, months (reports.md 3.4)."""

from collections.abc import Iterator

from slt.inventory.case import Case
from slt.inventory.periods import CLOSED, LISTED, day_after, months_after
from slt.inventory.rules.registry import Conflict, rule
from slt.reports.dates import days_after, end_of_month

_WHAT = {LISTED: "listing", 0: "balance"}


@rule("C13", "reports.md 3.4", severity="warning", kinds="PM")
def listing_and_balance_are_one_each(case: Case) -> Iterator[Conflict]:
    """A physical inventory has one live listing and one live balance."""
    facts = case.facts
    if not _brings(case):
        return
    what = "listing" if facts.kind == "P" else "balance"
    before, _ = case.outcome.pits[facts.period_to]
    live, number = (before.listed, before.listing) if facts.kind == "P" else (before.closed, before.balance)
    if live:
        by = f"report {number}" if number else "what the ledger began with"
        yield Conflict(
            f"The physical inventory of {facts.period_to} has its {what} by {by}. Correct that one (309 C, D or A) "
            "rather than report a second, and delete the entries of one of the two.",
            label="015",
            value=facts.period_to,
        )


@rule("C13", "reports.md 3.4", severity="warning", kinds="IPM")
def no_partner_is_missing(case: Case) -> Iterator[Conflict]:
    """A physical inventory has both listing and balance when the next one is reported, or when they are late.

    Before that the partner may still come. What a report is itself about is told with the next one: the partner may be
    right behind it.
    """
    facts = case.facts
    begins_next = facts.kind in ("P", "M") and _brings(case)
    for day, flags in case.outcome.head.pits:
        missing = (LISTED | CLOSED) & ~flags
        if not missing or (facts.kind != "I" and day in case.outcome.pits):
            continue
        until = days_after(day, case.profile.inventory_report_days)
        if (begins_next and day < facts.period_to) or case.day > until:
            yield Conflict(
                f"The physical inventory of {day} has no {_WHAT[missing & LISTED]} yet, which is due until {until}. "
                "Report it.",
                expected=day,
            )


@rule("C14", "reports.md 3.4; Regulation 302/2005 article 13", severity="warning", kinds="PM")
def inventories_are_apart(case: Case) -> Iterator[Conflict]:
    """An area has one physical inventory a day, and not more months between two than its profile says."""
    facts = case.facts
    if not _brings(case):
        return
    if case.head.flags(facts.period_to) & (LISTED | CLOSED) == LISTED | CLOSED:
        yield Conflict(
            f"A physical inventory of {facts.mba} on {facts.period_to} is listed and balanced already. Check the date.",
            label="015",
            value=facts.period_to,
        )
    last = max((day for day, _ in case.head.pits if day < facts.period_to), default="")
    months = case.settings.pit_interval_months_max
    if last and months and facts.period_to > (latest := months_after(last, months)):
        yield Conflict(
            f"The physical inventory before this one is of {last}, more than {months} months ago. Check the date, or "
            "tell the authority why it is late.",
            label="015",
            value=facts.period_to,
            expected=f"at the latest {latest}",
        )


@rule("C15", "reports.md 3.4", severity="warning", kinds="I")
def period_is_open(case: Case) -> Iterator[Conflict]:
    """A new entry is dated after the last closed physical inventory; what comes later corrects a report (C, D, A)."""
    if not (closed := case.head.closed):
        return
    for entry in case.facts.entries:
        if entry.status == "N" and entry.date <= closed:
            yield Conflict(
                f"Entry {entry.number} is of {entry.date}, and the books are closed until {closed}. The balance of "
                "that period needs correction. Add a late entry to the report that it was left out of (309 A).",
                entry=entry.number,
                label="412",
                value=entry.date,
                expected=f"after {closed}",
            )


@rule("C29", "reports.md 3.4; Regulation 2025/974", severity="warning", kinds="IPM")
def no_month_is_missing(case: Case) -> Iterator[Conflict]:
    """Where the profile asks for a change report of every month, this one begins where the last one ended.

    A report that brings no changes tells that those of a month are late.
    """
    facts, last = case.facts, case.head.changes_to
    if not (case.settings.nil_change_reports and last):
        return
    if facts.kind != "I" or not _brings(case):
        first = day_after(last)
        end = end_of_month(first)
        until = days_after(end, case.profile.change_report_days)
        if case.day > until:
            yield Conflict(
                f"The last change report of {facts.mba} ends on {last}, and the one until {end} was due until {until}. "
                "Report it, also if nothing changed.",
                expected=f"{first}/{end}",
            )
        return
    if facts.period_from > (due := day_after(last)):
        yield Conflict(
            f"The last change report of {facts.mba} ends on {last}. Report the time until {facts.period_from} too, "
            "also if nothing changed.",
            label="015",
            value=facts.period_from,
            expected=due,
        )


def _brings(case: Case) -> bool:
    """Whether the report is one of its own, not one of corrections."""
    return any(entry.status in ("N", "U") for entry in case.facts.entries)
