"""Days and months (dates.py), and the day that judge() is told."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.reports import day_anywhere, judge
from slt.reports.dates import LAST_DAY, days_after, end_of_month
from tests.unit.reports.samples import REFERENCE, document, everywhere

NOON_UTC_8_APRIL_2025 = 1_744_113_600


def test_the_day_anywhere_is_that_of_the_earliest_zone() -> None:
    assert day_anywhere(NOON_UTC_8_APRIL_2025) == "20250409"
    assert day_anywhere(NOON_UTC_8_APRIL_2025 - 2 * 3600 - 1) == "20250408"
    assert day_anywhere(NOON_UTC_8_APRIL_2025 - 2 * 3600) == "20250409"


@given(st.dates(), st.integers(0, 100_000))
def test_days_after_counts_days(day: date, days: int) -> None:
    text = f"{day.year:04}{day.month:02}{day.day:02}"
    try:
        later = day + timedelta(days=days)
    except OverflowError:
        assert days_after(text, days) == LAST_DAY
        return
    assert days_after(text, days) == later.isoformat().replace("-", "")


@given(st.dates())
def test_the_day_after_the_end_of_a_month_is_a_first(day: date) -> None:
    text = day.isoformat().replace("-", "")
    end = end_of_month(text)
    assert end[:6] == text[:6] and end >= text
    assert end == LAST_DAY or days_after(end, 1)[6:] == "01"


@pytest.mark.parametrize(("today", "rules"), [("20250407", ["V32"]), ("20250408", []), ("20250409", []), (None, [])])
def test_a_report_is_dated_no_later_than_the_day_that_is_told(today: str | None, rules: list[str]) -> None:
    findings = judge(document("XLR1-41"), REFERENCE, today=today).findings
    assert [finding.rule for finding in findings] == rules


def test_a_future_date_is_one_finding_that_says_both_days() -> None:
    [finding] = judge(document("XLR1-41"), REFERENCE, today="20250401").findings
    assert (finding.rule, finding.entry, finding.label) == ("V32", "OI/1", "003")
    assert (finding.value, finding.expected) == ("20250408", "not after 20250401")


def test_the_end_of_the_calendar_is_no_end_of_judging() -> None:
    data = everywhere("XLR1-41", _003="99991231", _015="99991201/99991231", _412="99991231")
    assert judge(data, REFERENCE).findings == ()
    first = everywhere("XLR1-41", _003="00010131", _015="00010101/00010131", _412="00010101")
    assert {finding.rule for finding in judge(first, REFERENCE).findings} == {"V15"}
