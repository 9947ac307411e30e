"""Days as reports write them, YYYYMMDD, and when reports of a month are written."""

from calendar import monthrange
from datetime import date, timedelta
from typing import Final, NamedTuple

MIDDLE: Final = 15  # a reactor's physical inventory: a month's reports are then split at it (V33)

CHANGES_WRITTEN: Final = (4, 11)  # days after the end of the month, by area
INVENTORY_WRITTEN: Final = 13
MIDDLE_CHANGES_WRITTEN: Final = 3  # days after an inventory in the middle of a month
MIDDLE_INVENTORY_WRITTEN: Final = 8
# So all reports of a month are written before the 16th of the next one, and none of the next month's before the 18th:
# a month can be put in order by itself.


class Month(NamedTuple):
    year: int
    month: int

    def day(self, number: int) -> str:
        return f"{self.year:04d}{self.month:02d}{number:02d}"

    @property
    def next(self) -> "Month":
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    @property
    def first(self) -> str:
        return self.day(1)

    @property
    def last(self) -> str:
        return self.day(monthrange(self.year, self.month)[1])


def later(day: str, days: int) -> str:
    """`days` after `day`."""
    at = date(int(day[:4]), int(day[4:6]), int(day[6:])) + timedelta(days=days)
    return f"{at:%Y%m%d}"
