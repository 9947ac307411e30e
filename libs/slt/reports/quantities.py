"""Exact weights: text of a labelled report to whole milligrams and back. Never floats (reports.md 1.4).

Two units exist: `G` (gram, three decimals at most) and `K` (kilogram, six decimals at most), so the smallest weight
that can be written is one milligram, and every weight is an integer of them.
"""

import re
from typing import Final, NamedTuple

ELEMENT_LABELS: Final = (600, 610, 620, 630, 700, 800)
"""Unified, natural, depleted and enriched uranium, plutonium, thorium: the categories of the books, by label."""

ISOTOPE_LABELS: Final = (640, 650, 660, 670, 680, 690, 710, 720, 730, 740, 750, 760, 770, 780)

WEIGHT_LABELS: Final = tuple(sorted(ELEMENT_LABELS + ISOTOPE_LABELS))

KILOGRAM_LABELS: Final = frozenset({610, 620, 800})
"""Natural and depleted uranium and thorium are stated in kilograms, everything else in grams."""

MG_PER_UNIT: Final = {"G": 1_000, "K": 1_000_000}
DECIMALS_MAX: Final = {"G": 3, "K": 6}

INTEGER_DIGITS_MAX: Final = 15
"""Digits before the decimal point (V10)."""

MG_MAX: Final = 10**18 - 1
"""The largest weight, a million million tonnes: 15 digits of grams or 12 of kilograms, so that it fits 64 bits."""

WEIGHT: Final = re.compile(r"(-?)(0|[1-9][0-9]{0,14})(?:\.([0-9]+))?([GK])")


class BadQuantity(ValueError):
    """The text is no weight for its label. The message says what is wrong with it."""


class Quantity(NamedTuple):
    """A weight as it was written: its amount, and the amount that one unit of its last written place stands for."""

    mg: int
    place_mg: int
    unit: str


def unit_of(label: int) -> str:
    """`G` or `K`: the unit in which the weights of this label are stated."""
    return "K" if label in KILOGRAM_LABELS else "G"


def read_quantity(text: str) -> Quantity:
    """Read `432310G` or `-0.125K`, in whichever unit it is written. Raises BadQuantity."""
    match = WEIGHT.fullmatch(text)
    if match is None:
        raise BadQuantity(f"{text[:40]!r} is not a number followed by G or K")
    sign, whole, decimals, unit = match.groups()
    places = DECIMALS_MAX[unit]
    if decimals is None:
        place_mg = MG_PER_UNIT[unit]
        mg = int(whole) * place_mg
    else:
        if len(decimals) > places:
            raise BadQuantity(f"{len(decimals)} decimals, and {unit} allows {places}: finer than one milligram")
        place_mg = 10 ** (places - len(decimals))
        mg = int(whole + decimals) * place_mg
    if mg > MG_MAX:
        raise BadQuantity(f"{text} is more than the ledger can hold ({format_mg(MG_MAX, unit)})")
    return Quantity(-mg if sign else mg, place_mg, unit)


def quantity_mg(text: str, label: int) -> int:
    """The weight `text` of `label` in milligrams. Raises BadQuantity, also when the unit is not the label's."""
    quantity = read_quantity(text)
    if quantity.unit != unit_of(label):
        raise BadQuantity(f"label {label} is stated in {unit_of(label)}, and this weight in {quantity.unit}")
    return quantity.mg


def format_quantity(mg: int, label: int) -> str:
    """Write `mg` as the value of `label`: in its unit, without decimals that say nothing. Requires |mg| <= MG_MAX."""
    return format_mg(mg, unit_of(label))


def format_mg(mg: int, unit: str) -> str:
    """Write `mg` in `unit` (`G` or `K`), exactly: `432310G`, `0.001G`, `-1.5K`."""
    whole, rest = divmod(abs(mg), MG_PER_UNIT[unit])
    decimals = f".{rest:0{DECIMALS_MAX[unit]}d}".rstrip("0") if rest else ""
    return f"{'-' if mg < 0 else ''}{whole}{decimals}{unit}"
