"""Periods: when an area's books were closed, what a physical inventory and a balance say, and what moved by day.

Head      of an area: last report number, how far its change reports reach, its physical inventories
Pit       of a physical inventory: the sum of its listing, what its balance says
flows     of a month: the weights of live inventory changes by day, code and label
"""

from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Final, NamedTuple, TypeAlias

from slt.inventory.state import Value
from slt.reports.signs import OBLIGATION_CHANGES

PITS_MAX: Final = 40  # remembered of an area, the latest: as many years at one a year

LISTED: Final = 1  # flags of a physical inventory: a live listing of it was accepted
CLOSED: Final = 2  # a live balance that ends with it was accepted
STALE: Final = 4  # a change dated in the period that it closed came afterwards: the balance needs correction

Weights: TypeAlias = dict[int, int]  # label -> mg
Flows: TypeAlias = dict[tuple[str, int], int]  # (code, label) -> mg, as reported: without the sign of the code

NOT_BALANCED: Final = OBLIGATION_CHANGES | {"RM", "RP"}  # they never stand in a balance (reports.md 1.6)


class Head(NamedTuple):
    """One HEAD record."""

    number: int
    changes_to: str = ""
    """End of the latest period that a change report with new entries covers; "" before the first one."""
    pits: tuple[tuple[str, int], ...] = ()
    """(date, flags) by date; the last PITS_MAX."""

    @classmethod
    def of(cls, value: Value) -> "Head":
        number, changes_to, pits = value
        return cls(number, changes_to, tuple((day, flags) for day, flags in pits))

    def to_value(self) -> Value:
        return [self.number, self.changes_to, [list(pit) for pit in self.pits[-PITS_MAX:]]]

    @property
    def closed(self) -> str:
        """The last closed PIT, or ""."""
        return max((day for day, flags in self.pits if flags & CLOSED), default="")

    def closing(self, day: str) -> str:
        """The PIT of the closed period that `day` is in, or "" when no closed period has it."""
        return min((pit for pit, flags in self.pits if flags & CLOSED and pit >= day), default="")

    def flags(self, day: str) -> int:
        return dict(self.pits).get(day, 0)

    def with_flags(self, changed: Mapping[str, int]) -> "Head":
        pits = dict(self.pits) | dict(changed)
        return self._replace(pits=tuple(sorted((day, flags) for day, flags in pits.items() if flags)))


class Pit:
    """One PIT record: `[listed, listing, closed, balance, sums, lines]`, to be read and added to."""

    __slots__ = ("balance", "closed", "lines", "listed", "listing", "sums")

    def __init__(self, value: Value | None) -> None:
        self.listed: int = 0  # live entries of listings
        self.listing: int = 0  # number of the latest report that brought one
        self.closed: int = 0  # live entries of balances
        self.balance: int = 0
        self.sums: Weights = {}
        self.lines: Flows = {}  # of the balance, by code of 411 and label, as reported
        if value is not None:
            self.listed, self.listing, self.closed, self.balance, sums, lines = value
            self.sums = dict(sums)
            self.lines = {(code, label): mg for code, label, mg in lines}

    def to_value(self) -> Value | None:
        if not (self.listed or self.closed):
            return None
        lines = [[code, label, mg] for (code, label), mg in sorted(self.lines.items()) if mg]
        return [self.listed, self.listing, self.closed, self.balance, weights_value(self.sums), lines]

    @property
    def flags(self) -> int:
        return LISTED * (self.listed > 0) | CLOSED * (self.closed > 0)

    def told(self, code: str) -> Weights:
        """What the balance says under one code of 411."""
        return {label: mg for (of, label), mg in self.lines.items() if of == code and mg}

    def tell(self, direction: int, code: str, weights: Iterable[tuple[int, int]]) -> None:
        """An entry of the balance counts (+1), or does no longer (-1)."""
        for label, mg in weights:
            self.lines[code, label] = self.lines.get((code, label), 0) + direction * mg


def add_weights(total: Weights, direction: int, weights: Iterable[tuple[int, int]]) -> None:
    for label, mg in weights:
        total[label] = total.get(label, 0) + direction * mg


def weights_value(weights: Weights) -> list[list[int]]:
    return [[label, mg] for label, mg in sorted(weights.items()) if mg]


def opening_pit(weights: Weights) -> Value | None:
    """The record of the physical inventory that the books begin with: listed and closed before this ledger."""
    pit = Pit(None)
    pit.listed = pit.closed = 1
    pit.sums = weights
    pit.tell(1, "PE", weights.items())
    return pit.to_value()


def flows_with(value: Value | None, deltas: Mapping[str, Flows]) -> Value | None:
    """A FLOWS record, `[[day, [[code, label, mg]...]]...]`, with `deltas` (day -> flows) added."""
    days = {} if value is None else dict(value)
    for day, flows in deltas.items():
        total: Flows = {(code, label): mg for code, label, mg in days.get(day, ())}
        for place, mg in flows.items():
            total[place] = total.get(place, 0) + mg
        days[day] = [[code, label, mg] for (code, label), mg in sorted(total.items()) if mg]
    return [[day, rows] for day, rows in sorted(days.items()) if rows] or None


def flows_between(months: Iterable[Value | None], first: str, last: str) -> Flows:
    """The sum of all flows from `first` to `last`, both included, of these FLOWS records."""
    total: Flows = {}
    for value in months:
        for day, rows in value or ():
            if first <= day <= last:
                for code, label, mg in rows:
                    total[code, label] = total.get((code, label), 0) + mg
    return total


MONTHS_MAX: Final = 240  # of one balance: 20 years; a longer one is not compared with change reports


def months_of(first: str, last: str) -> Iterator[str]:
    """YYYYMM of each month of the period, at most MONTHS_MAX."""
    year, month = int(first[:4]), int(first[4:6])
    for _ in range(MONTHS_MAX):
        name = f"{year:04}{month:02}"
        if name > last[:6]:
            return
        yield name
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


def day_after(day: str, days: int = 1) -> str:
    """YYYYMMDD of `days` later. A date at the ends of the calendar stays as it is."""
    try:
        later = date(int(day[:4]), int(day[4:6]), int(day[6:])) + timedelta(days=days)
    except (ValueError, OverflowError):
        return day
    return f"{later.year:04}{later.month:02}{later.day:02}"


def months_after(day: str, months: int) -> str:
    """The same day so many months later, or the last one of that month."""
    count = int(day[:4]) * 12 + int(day[4:6]) - 1 + months
    year, month = divmod(count, 12)
    if not 1 <= year <= 9999:
        return day
    return f"{year:04}{month + 1:02}{min(int(day[6:]), monthrange(year, month + 1)[1]):02}"
