"""V08 (style), V31 to V33, V39: dates against each other, the calendar and the clock (reports.md 1.10, 3.1, 3.2)."""

from collections.abc import Iterator

from slt.reports.dates import days_after, end_of_month
from slt.reports.entry import READ_MAX, Entry, read_date
from slt.reports.findings import shown
from slt.reports.rules.registry import LIVE, Context, Problem, Report, entry_rule, report_rule


@entry_rule("V08", "reports.md 3.1", notes=True)
def one_style_of_dates(entry: Entry, context: Context) -> Iterator[Problem]:
    """All dates of a report have 8 digits, or all have 6."""
    digits = len(context.head.labels.get("003", ""))
    if digits not in {6, 8}:
        return
    for label in ("003", "412", "015"):
        value = entry.labels.get(label)
        if value is not None and len(value.partition("/")[0]) in {6, 8} and len(value.partition("/")[0]) != digits:
            yield Problem(
                f"Other dates of this report have {digits} digits. Write all dates in one style.",
                label,
                shown(value),
                f"{digits} digits",
            )


@entry_rule("V08", "reports.md 3.1, 1.3", kinds="IM")
def period_of_two_dates(entry: Entry, _context: Context) -> Iterator[Problem]:
    """015 is from/to; only a PIL may give the date of its physical inventory alone."""
    period = entry.labels.get("015")
    if period and "/" not in period:
        yield Problem(
            "The period of this type of report has a first and a last day. Write both, with a slash.",
            "015",
            shown(period),
            "YYYYMMDD/YYYYMMDD",
        )


@entry_rule("V31", "reports.md 3.2, 1.3", kinds="I", statuses=LIVE)
def change_within_its_report(entry: Entry, context: Context) -> Iterator[Problem]:
    """A new change happened in the period of its report, and no change after the report was written."""
    day = read_date(entry.labels.get("412", "")[:READ_MAX])
    if day is None:
        return
    period = context.period
    if entry.status == "N" and period and period[0] <= period[1] and not period[0] <= day <= period[1]:
        yield Problem(
            "This change did not happen in the period of the report. Correct label 412, or report the change in the "
            "report of its own month.",
            "412",
            day,
            f"{period[0]} to {period[1]}",
        )
    if context.date and day > context.date:
        yield Problem(
            "This change happened after the report was written. Correct label 412 or 003.",
            "412",
            day,
            f"not after {context.date}",
        )


@report_rule("V31", "reports.md 3.2, 1.3", kinds="IPM")
def period_before_its_report(report: Report) -> Iterator[Problem]:
    """A period begins before it ends, and has ended when the report is written."""
    context = report.context
    if context.period is None:
        return
    first, last = context.period
    written = shown(context.head.labels["015"])
    if first > last:
        yield Problem(
            "The period ends before it begins. Exchange the two dates, or correct them.",
            "015",
            written,
            "first day/last day",
            context.head.name,
        )
    elif context.date and last > context.date:
        yield Problem(
            "The report was written before its period ended. Correct label 015 or 003; a report is written when its "
            "period is over.",
            "015",
            written,
            f"not after {context.date}",
            context.head.name,
        )


@report_rule("V32", "reports.md 3.2")
def not_dated_in_the_future(report: Report) -> Iterator[Problem]:
    """003 is not in the future; said only where the judge is told the day."""
    context = report.context
    if context.today is not None and context.date > context.today:
        yield Problem(
            "The report is dated in the future. Correct label 003; if the date is right, submit the report on that "
            "day, or have the clock of this computer set.",
            "003",
            context.date,
            f"not after {context.today}",
            context.head.name,
        )


@report_rule("V33", "reports.md 3.2; INFCIRC/153 paragraph 63a", kinds="I", severity="warning")
def one_month(report: Report) -> Iterator[Problem]:
    """A change report covers one calendar month, or the part of it before or after a physical inventory."""
    context = report.context
    if context.period is None:
        return
    first, last = context.period
    if first <= last and first[:6] != last[:6]:
        yield Problem(
            "The period is in more than one calendar month. Report each month by itself.",
            "015",
            shown(context.head.labels["015"]),
            f"{first} to {end_of_month(first)}",
            context.head.name,
        )


@report_rule("V39", "reports.md 3.2, 1.10; INFCIRC/153 paragraphs 63, 67", kinds="IPM", severity="warning")
def in_time(report: Report) -> Iterator[Problem]:
    """A report with new entries is written within the term of its profile."""
    context = report.context
    if context.period is None or not any(row.facts.status == "N" for row in report.entries):
        return
    last = context.period[1]
    if context.kind == "I":
        days, since = context.profile.change_report_days, end_of_month(last)
        term = f"{days} days after the end of the month"
    else:
        days, since = context.profile.inventory_report_days, last
        term = f"{days} days after the physical inventory"
    due = days_after(since, days)
    if context.date > due:
        yield Problem(
            f"The report is late: it was due {term}. Submit it all the same, and see what delayed it; "
            "if the date is wrong, correct label 003.",
            "003",
            context.date,
            f"not after {due}",
            context.head.name,
        )
