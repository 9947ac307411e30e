"""Which reports are due on a day, and which are late (reports.md 1.10; rules C13, C14, C29, V39).

Nobody can know of a change that was not reported. So a change report is due where the profile wants one of every month,
also an empty one; elsewhere a month that nothing covers is told as one that wants a report only if something changed,
while its term runs. What was written after its term is told as late by its date (003), not by when the ledger got it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from slt.inventory.periods import MONTHS_MAX, day_after, months_after, months_of
from slt.inventory.questions.rows import BookReport, Physical
from slt.inventory.settings import Settings, settings_of
from slt.reports.dates import days_after, end_of_month
from slt.reports.profiles import Profile, profile_of
from slt.statements.registry import Mba

What: TypeAlias = Literal["change report", "listing", "balance", "physical inventory"]
State: TypeAlias = Literal["due", "late", "if changed", "came late"]

LATE_TOLD_MONTHS: Final = 12
"""How long what came late is told: longer than the yearly rhythm of physical inventories would only repeat itself."""

_TERM: Final = "V39"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """One line of the table of terms."""

    what: What
    term: str
    rule: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DueLine:
    """One report that an area owes, or brought late."""

    state: str
    mba: str
    what: What
    of: str
    """The month, YYYYMM, or the day of the physical inventory."""
    due: str
    """The last day of its term."""
    term: str
    """How long that is, in words: the line of `deadlines`."""
    standing: State
    report: int | None
    """Number of the report that came late."""
    written: str
    """003 of it."""
    rule: str


def deadlines(profile: str) -> tuple[Deadline, ...]:
    """The terms of a profile: the one place where they are put together (reports.md 1.10)."""
    terms, settings = profile_of(profile), settings_of(profile)
    table = [
        Deadline(
            what="change report",
            term=f"{terms.change_report_days} days after the end of the month"
            + (", also when nothing changed" if settings.nil_change_reports else ", if something changed"),
            rule="C29" if settings.nil_change_reports else "V39",
            reference="INFCIRC/153 paragraph 63a" if terms.name != "euratom" else "Regulation 302/2005, 2025/974",
        ),
        *(
            Deadline(
                what=what,
                term=f"{terms.inventory_report_days} days after the physical inventory",
                rule="C13",
                reference="INFCIRC/153 paragraphs 63b, 67",
            )
            for what in _PARTNERS
        ),
    ]
    if settings.pit_interval_months_max:
        table.append(
            Deadline(
                what="physical inventory",
                term=f"{settings.pit_interval_months_max} months after the one before",
                rule="C14",
                reference="Regulation 302/2005 article 13",
            )
        )
    return tuple(table)


_PARTNERS: Final[tuple[What, What]] = ("listing", "balance")


def due_on(area: Mba, physicals: Sequence[Physical], reports: Sequence[BookReport], day: str) -> tuple[DueLine, ...]:
    """What is due or late on `day` in one area, by the last day of its term.

    `reports`: change reports, listings and balances of the area. One that was written after `day` was not there yet.
    """
    if day < area.opened or (area.closed and day > area.closed):
        return ()
    profile, settings = profile_of(area.profile), settings_of(area.profile)
    written = {report.number: report.date for report in reports}
    there = [report for report in reports if report.date <= day]
    lines = [
        *_partners(area, profile, physicals, written, day),
        *_next_inventory(area, settings, physicals, day),
        *_months(area, profile, settings, [one for one in there if one.kind == "I"], day),
        *_came_late(area, profile, there, day),
    ]
    return tuple(sorted(lines, key=lambda line: (line.due, line.what, line.of)))


def _partners(
    area: Mba, profile: Profile, physicals: Sequence[Physical], written: dict[int, str], day: str
) -> Iterator[DueLine]:
    """C13: a physical inventory has a listing and a balance."""
    for one in physicals:
        if one.pit > day or one.pit <= area.last_pit:
            continue
        due = days_after(one.pit, profile.inventory_report_days)
        has = {
            "listing": one.listed and written.get(one.listing, "") <= day,
            "balance": bool(one.balance) and written.get(one.balance, "") <= day,
        }
        if any(has.values()):  # Else nobody has said on that day that there was one.
            for what in _PARTNERS:
                if not has[what]:
                    yield _line(area, what, one.pit, due, day, "C13")


def _next_inventory(area: Mba, settings: Settings, physicals: Sequence[Physical], day: str) -> Iterator[DueLine]:
    """C14: no more months between two physical inventories than the profile says."""
    last = max((one.pit for one in physicals if one.pit <= day), default=area.opened)
    if settings.pit_interval_months_max:
        yield _line(area, "physical inventory", last, months_after(last, settings.pit_interval_months_max), day, "C14")


def _months(
    area: Mba, profile: Profile, settings: Settings, reports: Sequence[BookReport], day: str
) -> Iterator[DueLine]:
    """C29, and INFCIRC/153 paragraph 63a: months that are over and that no change report covers to their end."""
    covered = {report.period_to[:6] for report in reports if report.period_to == end_of_month(report.period_to)}
    covered |= {month for report in reports for month in list(months_of(report.period_from, report.period_to))[:-1]}
    first = max(area.opened, day_after(area.last_pit) if area.last_pit else "", months_after(day, 1 - MONTHS_MAX))
    for month in months_of(first, day):
        end = end_of_month(f"{month}01")
        due = days_after(end, profile.change_report_days)
        if end >= day or month in covered:
            continue
        if settings.nil_change_reports:
            yield _line(area, "change report", month, due, day, "C29")
        elif day <= due and not any(report.period_to[:6] == month for report in reports):
            yield _line(area, "change report", month, due, day, "V39", standing="if changed")


def _came_late(area: Mba, profile: Profile, reports: Iterable[BookReport], day: str) -> Iterator[DueLine]:
    """V39, as the ledger found it: reports with new entries that were written after their term."""
    since = months_after(day, -LATE_TOLD_MONTHS)
    for report in reports:
        if report.date < since or not any(finding[0] == _TERM for finding in report.findings):
            continue
        change = report.kind == "I"
        end = end_of_month(report.period_to) if change else report.period_to
        yield DueLine(
            state=area.state,
            mba=area.mba,
            what="change report" if change else "listing" if report.kind == "P" else "balance",
            of=report.period_to[:6] if change else report.period_to,
            due=days_after(end, profile.change_report_days if change else profile.inventory_report_days),
            term=_term(area, "change report" if change else "listing"),
            standing="came late",
            report=report.number,
            written=report.date,
            rule=_TERM,
        )


def _term(area: Mba, what: What) -> str:
    return next(line.term for line in deadlines(area.profile) if line.what == what)


def _line(area: Mba, what: What, of: str, due: str, day: str, rule: str, *, standing: State | None = None) -> DueLine:
    return DueLine(
        state=area.state,
        mba=area.mba,
        what=what,
        of=of,
        due=due,
        term=_term(area, what),
        standing=standing or ("late" if day > due else "due"),
        report=None,
        written="",
        rule=rule,
    )
