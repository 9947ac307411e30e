"""The semi-annual statement of book inventory of an area, from its change reports (INFCIRC/153 paragraph 66).

The book inventory includes the latest physical inventory (paragraph 102): where one was taken in the half-year, the
statement shows by how much it moved the book, which is what its balance calls MUF, with the other sign.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from slt.inventory.questions.amounts import Sums, book_flows
from slt.inventory.questions.measures import effective_kg, significant_quantities
from slt.inventory.questions.rows import Flow
from slt.reports.quantities import format_mg, unit_of


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One element or isotope, in milligrams and in the unit of its label."""

    category: int
    label: int
    begin_mg: int
    increases_mg: int
    decreases_mg: int
    adjusted_mg: int
    """What physical inventories within the period moved: end - (begin + increases - decreases)."""
    end_mg: int
    begin: str
    increases: str
    decreases: str
    adjusted: str
    end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The statement of one area for one half-year."""

    state: str
    mba: str
    first: str
    last: str
    as_of: int
    lines: tuple[StatementLine, ...]
    effective_kg: Decimal
    """Of the ending book, each category as one material (INFCIRC/153 paragraph 104)."""
    significant_quantities: Decimal


def half_year(day: str) -> tuple[str, str]:
    """The last half-year that is over at the end of `day`: its first and last day."""
    year = int(day[:4])
    if day[4:] >= "1231":
        return f"{year:04}0701", f"{year:04}1231"
    if day[4:] >= "0630":
        return f"{year:04}0101", f"{year:04}0630"
    return f"{year - 1:04}0701", f"{year - 1:04}1231"


def statement_of(
    state: str, mba: str, *, first: str, last: str, as_of: int, begin: Sums, end: Sums, flows: Iterable[Flow]
) -> Statement:
    """`begin`: the book at the end of the day before `first`; `end`: at the end of `last`; `flows`: in between."""
    up: Sums = {}
    down: Sums = {}
    for category, label, mg in book_flows(flows):
        side = up if mg > 0 else down
        side[category, label] = side.get((category, label), 0) + abs(mg)
    places = sorted(begin.keys() | end.keys() | up.keys() | down.keys())
    lines = tuple(
        _line(
            place,
            begin=begin.get(place, 0),
            up=up.get(place, 0),
            down=down.get(place, 0),
            end=end.get(place, 0),
        )
        for place in places
    )
    return Statement(
        state=state,
        mba=mba,
        first=first,
        last=last,
        as_of=as_of,
        lines=lines,
        effective_kg=effective_kg(end),
        significant_quantities=significant_quantities(end),
    )


def _line(place: tuple[int, int], *, begin: int, up: int, down: int, end: int) -> StatementLine:
    category, label = place
    adjusted = end - begin - up + down
    unit = unit_of(label)
    return StatementLine(
        category=category,
        label=label,
        begin_mg=begin,
        increases_mg=up,
        decreases_mg=down,
        adjusted_mg=adjusted,
        end_mg=end,
        begin=format_mg(begin, unit),
        increases=format_mg(up, unit),
        decreases=format_mg(down, unit),
        adjusted=format_mg(adjusted, unit),
        end=format_mg(end, unit),
    )
