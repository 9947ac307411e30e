"""Amounts of material as answers state them: exact milligrams, and beside them the words of an accountant."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from slt.inventory.questions.rows import OPENING, Flow
from slt.reports.quantities import format_mg, unit_of
from slt.reports.signs import book_sign

Sums: TypeAlias = dict[tuple[int, int], int]
"""(category, label) -> mg."""

MATERIALS: Final[Mapping[int, str]] = {
    600: "unified uranium",
    610: "natural uranium",
    620: "depleted uranium",
    630: "enriched uranium",
    640: "uranium-233",
    650: "uranium-234",
    660: "uranium-233 and 235",
    670: "uranium-235",
    680: "uranium-236",
    690: "uranium-238",
    700: "plutonium",
    710: "plutonium-238",
    720: "plutonium-239",
    730: "plutonium-240",
    740: "plutonium-241",
    750: "plutonium-242",
    760: "plutonium-239 and 241",
    770: "fissile in natural uranium",
    780: "fissile in depleted uranium",
    800: "thorium",
}
"""What each weight label is (reports.md 1.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """So much of one element or isotope."""

    category: int
    """Element label that the weight belongs to."""
    label: int
    mg: int
    quantity: str
    """The same in the unit of the label: 432310G."""


def amount(category: int, label: int, mg: int) -> Amount:
    return Amount(category=category, label=label, mg=mg, quantity=format_mg(mg, unit_of(label)))


def amounts(sums: Sums) -> tuple[Amount, ...]:
    """By category and label, zeros too."""
    return tuple(amount(category, label, mg) for (category, label), mg in sorted(sums.items()))


def add(total: Sums, rows: Iterable[tuple[int, int, int]], sign: int = 1) -> None:
    """Add (category, label, mg) rows."""
    for category, label, mg in rows:
        total[category, label] = total.get((category, label), 0) + sign * mg


def book_flows(flows: Iterable[Flow]) -> Iterator[tuple[int, int, int]]:
    """What change reports did to the book: (category, label, mg) with the sign of the code. Opening inventories are no
    changes, and rebatching moves no book (reports.md 1.5).
    """
    for flow in flows:
        if flow.code != OPENING and (sign := book_sign(flow.code, flow.category)):
            yield flow.category, flow.label, sign * flow.mg
