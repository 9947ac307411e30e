"""Calendar arithmetic on dates as reports write them, YYYYMMDD. Pure: the clock is the caller's."""

import calendar
from datetime import UTC, date, datetime, timedelta
from typing import Final

AHEAD_OF_UTC_S: Final = 14 * 3600
"""The earliest time zone. A report is dated where it is written, and its date carries no zone."""

BEHIND_UTC_S: Final = 12 * 3600
"""The latest time zone."""

LAST_DAY: Final = "99991231"


def day_anywhere(time_s: float) -> str:
    """The latest day that has begun anywhere on earth at `time_s` (seconds since 1970): what `today` of judge() wants.

    Raises ValueError or OverflowError for a time outside the years 1 to 9999.
    """
    return _text(datetime.fromtimestamp(time_s + AHEAD_OF_UTC_S, tz=UTC).date())


def day_everywhere(time_s: float) -> str:
    """The latest day that has begun everywhere on earth at `time_s`: what is to be done until the day before is late.

    Raises as day_anywhere does.
    """
    return _text(datetime.fromtimestamp(time_s - BEHIND_UTC_S, tz=UTC).date())


def days_after(day: str, days: int) -> str:
    """The date `days` (from 0) after `day`, which exists; LAST_DAY where the calendar ends before."""
    try:
        return _text(date(int(day[:4]), int(day[4:6]), int(day[6:])) + timedelta(days=days))
    except OverflowError:
        return LAST_DAY


def end_of_month(day: str) -> str:
    """The last day of the month of `day`, which exists."""
    return f"{day[:6]}{calendar.monthrange(int(day[:4]), int(day[4:6]))[1]}"


def _text(day: date) -> str:
    return f"{day.year:04}{day.month:02}{day.day:02}"
