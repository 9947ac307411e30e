"""How much that is to safeguards: effective kilograms and significant quantities.

INFCIRC/153 paragraph 104 gives effective kilograms, by mass and enrichment: (a) plutonium, its kilograms; (b) uranium
of an enrichment e of 0.01 and above, kilograms times e squared; (c) above 0.005 and below 0.01, kilograms times 0.0001;
(d) of 0.005 and below, and thorium, kilograms times 0.00005. Enrichment is the share of uranium-233 and 235
(paragraph 105). Significant quantities are those of reports.md 3.7, which marks them unverified.
"""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Final

from slt.inventory.questions.amounts import Sums

MG_PER_KG: Final = 1_000_000
DECIMALS: Final = Decimal("0.000001")

NATURAL_ENRICHMENT: Final = Fraction(711, 100_000)
DEPLETED_ENRICHMENT: Final = Fraction(0)
"""Where an entry does not state the fissile content; what is depleted counts the least, whatever it holds."""

HIGHLY_ENRICHED: Final = Fraction(1, 5)

SIGNIFICANT_KG: Final[Mapping[str, int]] = {
    "Pu": 8,
    "U-233": 8,
    "U-235 in HEU": 25,
    "U-235 in LEU": 75,
    "natural U": 10_000,
    "depleted U": 20_000,
    "Th": 20_000,
}

_FISSILE: Final = {600: (660, 640, 670), 630: (660, 640, 670), 610: (770,), 620: (780,)}


def enrichment(sums: Sums, category: int) -> Fraction | None:
    """The share of uranium-233 and 235 in what `sums` holds of a uranium category; None for other material or none."""
    element = sums.get((category, category), 0)
    if category not in _FISSILE or element <= 0:
        return None
    if category in (610, 620):
        fissile = sums.get((category, _FISSILE[category][0]))
        if fissile is None:
            return NATURAL_ENRICHMENT if category == 610 else DEPLETED_ENRICHMENT
        return Fraction(fissile, element)
    both = sums.get((category, 660))
    parts = sums.get((category, 640), 0) + sums.get((category, 670), 0)
    return Fraction(parts if both is None else both, element)


def effective_kg(sums: Sums) -> Decimal:
    """Effective kilograms of `sums`, each category as one material: exact where all of it has one enrichment, and the
    least that it can be otherwise. To six decimals.
    """
    total = Fraction(0)
    for category, label in sums:
        if category != label:
            continue
        kg = Fraction(sums[category, label], MG_PER_KG)
        total += kg * _factor(category, enrichment(sums, category))
    return _decimal(total)


def significant_quantities(sums: Sums) -> Decimal:
    """How many significant quantities `sums` holds, of all kinds together. To six decimals."""
    total = Fraction(0)
    for (category, label), mg in sums.items():
        if kind := _kind(sums, category, label):
            total += Fraction(mg, MG_PER_KG * SIGNIFICANT_KG[kind])
    return _decimal(total)


def _factor(category: int, e: Fraction | None) -> Fraction:
    if category == 700:
        return Fraction(1)
    if e is None or e <= Fraction(5, 1000):
        return Fraction(5, 100_000)
    return e * e if e >= Fraction(1, 100) else Fraction(1, 10_000)


def _kind(sums: Sums, category: int, label: int) -> str:
    if label in (610, 620, 700, 800):
        return {610: "natural U", 620: "depleted U", 700: "Pu", 800: "Th"}[label]
    if label == 640:
        return "U-233"
    if label == 670 and category in (600, 630):
        e = enrichment(sums, category)
        return "U-235 in HEU" if e is not None and e >= HIGHLY_ENRICHED else "U-235 in LEU"
    return ""


def _decimal(value: Fraction) -> Decimal:
    return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(DECIMALS)
