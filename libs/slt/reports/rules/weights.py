"""V14, V23 to V27: the weights of one entry against each other (reports.md 1.4, 3.1, 3.2)."""

from collections.abc import Iterator
from typing import Final

from slt.reports import codes
from slt.reports.entry import Entry, Weight
from slt.reports.findings import Severity, shown
from slt.reports.quantities import ELEMENT_LABELS, format_quantity
from slt.reports.rules.registry import LIVE, Context, Problem, entry_rule
from slt.reports.signs import DEPLETED, ENRICHED, UNIFIED, category_of


@entry_rule("V14", "reports.md 3.1, 1.4")
def negative_only_for_differences(entry: Entry, context: Context) -> Iterator[Problem]:
    """A weight is negative only for DI, MF and rounding adjustments."""
    for label, mg, _ in entry.weights:
        if mg < 0 and not _may_be_negative(entry.code, context):
            yield Problem(
                "Only DI, MF and rounding adjustments may be negative: for a change, the code says the direction. "
                "Write the weight without a sign, or correct the code.",
                str(label),
                format_quantity(mg, label),
                format_quantity(-mg, label),
            )


def _may_be_negative(code: str, context: Context) -> bool:
    return ("RA" if codes.is_adjustment(code) else code) in context.profile.negative_codes


@entry_rule("V23", "reports.md 3.2, 1.4")
def isotope_of_enriched_uranium(entry: Entry, _context: Context) -> Iterator[Problem]:
    """600 or 630 comes with 640, 660 or 670."""
    carried = entry.labels.keys()
    if entry.status in {"D", "U"} or carried.isdisjoint({"600", "630"}):
        return
    if carried.isdisjoint({"640", "660", "670"}):
        label = "600" if "600" in carried else "630"
        yield Problem(
            "Enriched or unified uranium is stated with its fissile isotope. Add the weight of U-235 (670), "
            "U-233 (640) or both together (660).",
            label,
            shown(entry.labels[label]),
            "640, 660 or 670",
        )


_SUMS: Final = {660: (640, 670), 760: (720, 740)}
"""Labels that state the sum of two others: counted once in the sum of isotopes (V24), and equal to it (V26)."""


@entry_rule("V24", "reports.md 3.2")
def isotopes_within_their_element(entry: Entry, context: Context) -> Iterator[Problem]:
    """No isotope, nor their sum, is more than its element or of the other sign, within one unit of the last places.

    A warning for DI, MF and rounding adjustments: in a difference the element may agree where the isotope does not.
    The sum is a warning in all of a material balance, where rounded values drift by as many units as were added up.
    """
    if entry.status in {"D", "U"} or len(entry.weights) < 2:
        return
    present = {weight.label: weight for weight in entry.weights}
    isotopes: dict[int, list[Weight]] = {}
    for weight in entry.weights:
        category = category_of(weight.label, present)
        if category != weight.label and category in present:
            isotopes.setdefault(category, []).append(weight)
    single: Severity | None = "warning" if codes.is_difference(entry.code) else None
    together: Severity | None = "warning" if context.kind == "M" else single
    for category, parts in isotopes.items():
        problem = _larger_isotope(present[category], parts, single) or _larger_sum(present[category], parts, together)
        if problem:
            yield problem


def _larger_isotope(element: Weight, parts: list[Weight], severity: Severity | None) -> Problem | None:
    sign = -1 if element.mg < 0 else 1
    whole = sign * element.mg
    do = "That can be so in a difference; check both" if severity else "Correct one of them"
    for part in parts:
        tolerance = part.place_mg + element.place_mg
        if not -tolerance <= sign * part.mg <= whole + tolerance:
            if part.mg and (part.mg < 0) != (element.mg < 0) and element.mg:
                text = f"The isotope has the other sign than its element (label {element.label}). {do}."
            else:
                text = f"There is more of the isotope than of its element (label {element.label}). {do}."
            stated = format_quantity(element.mg, element.label)
            return Problem(
                text, str(part.label), format_quantity(part.mg, part.label), f"0 to {stated}", severity=severity
            )
    return None


def _larger_sum(element: Weight, parts: list[Weight], severity: Severity | None) -> Problem | None:
    sign = -1 if element.mg < 0 else 1
    total = _sum_of(parts, sign)
    tolerance = element.place_mg + sum(part.place_mg for part in parts)
    if len(parts) < 2 or total <= sign * element.mg + tolerance:
        return None
    labels = ", ".join(str(part.label) for part in parts)
    do = "Rounding or a difference can do that; check them" if severity else "Correct the weights"
    return Problem(
        f"The isotopes {labels} together are more than their element. {do}.",
        str(element.label),
        format_quantity(element.mg, element.label),
        f"at least {format_quantity(sign * total, element.label)}",
        severity=severity,
    )


def _sum_of(parts: list[Weight], sign: int) -> int:
    amounts = {part.label: sign * part.mg for part in parts}
    for together, single in _SUMS.items():
        if together in amounts:
            amounts[together] = max(amounts[together], sum(amounts.pop(label, 0) for label in single))
    return sum(amounts.values())


NATURAL_FRACTION: Final = (711, 100_000)
"""0.711 %: the part of U-235 in natural uranium."""


@entry_rule("V25", "reports.md 3.2", kinds="IPM", statuses=LIVE, severity="warning")
def plausible_enrichment(entry: Entry, _context: Context) -> Iterator[Problem]:
    """Enriched uranium has more than 0.711 % of U-235, depleted less, and none more than 100 % (an error).

    Within one unit of the last places, as V24. Entries without an element weight, and differences, are not judged.
    """
    if len(entry.weights) < 2 or codes.is_difference(entry.code):
        return
    weights = {weight.label: weight for weight in entry.weights}
    for element_label, isotope_label in ((ENRICHED, 670), (DEPLETED, 780)):
        element, isotope = weights.get(element_label), weights.get(isotope_label)
        if element is None or isotope is None or element.mg <= 0 or isotope.mg < 0:
            continue  # V14 speaks about negative weights.
        if isotope.mg > element.mg + element.place_mg + isotope.place_mg:
            yield _enrichment(element, isotope, "100 % at most", "error")
        elif element_label == ENRICHED and not _above_natural(isotope, element):
            yield _enrichment(element, isotope, "more than 0.711 %", None)
        elif element_label == DEPLETED and not _below_natural(isotope, element):
            yield _enrichment(element, isotope, "less than 0.711 %", None)


def _above_natural(isotope: Weight, element: Weight) -> bool:
    part, whole = NATURAL_FRACTION
    return (isotope.mg + isotope.place_mg) * whole > (element.mg - element.place_mg) * part


def _below_natural(isotope: Weight, element: Weight) -> bool:
    part, whole = NATURAL_FRACTION
    return (isotope.mg - isotope.place_mg) * whole < (element.mg + element.place_mg) * part


def _enrichment(element: Weight, isotope: Weight, expected: str, severity: Severity | None) -> Problem:
    thousandths = isotope.mg * 100_000 // element.mg
    return Problem(
        f"The enrichment is not plausible: {thousandths // 1000}.{thousandths % 1000:03} % of label {element.label} "
        f"is label {isotope.label}. Correct the weight that is wrong, or the category.",
        str(isotope.label),
        format_quantity(isotope.mg, isotope.label),
        expected,
        severity=severity,
    )


@entry_rule("V26", "reports.md 3.2", kinds="IPM", statuses=LIVE)
def stated_sums_of_isotopes(entry: Entry, context: Context) -> Iterator[Problem]:
    """660 is 640 and 670 together, 760 is 720 and 740, where all are given; within one unit of the last places.

    A warning in a material balance: its sums of rounded values drift by as many units as there were entries.
    """
    if "660" not in entry.labels and "760" not in entry.labels:
        return
    weights = {weight.label: weight for weight in entry.weights}
    for together, (one, other) in _SUMS.items():
        if not weights.keys() >= {together, one, other}:
            continue
        stated = weights[together]
        total = weights[one].mg + weights[other].mg
        if abs(stated.mg - total) > stated.place_mg + weights[one].place_mg + weights[other].place_mg:
            yield Problem(
                f"Label {together} is the sum of labels {one} and {other}, and these do not add up to it. Correct the "
                "weight that is wrong.",
                str(together),
                format_quantity(stated.mg, together),
                format_quantity(total, together),
                severity="warning" if context.kind == "M" else None,
            )


_ELEMENTS: Final = frozenset(ELEMENT_LABELS)


@entry_rule("V27", "reports.md 3.2", kinds="IP", statuses=LIVE)
def some_material(entry: Entry, _context: Context) -> Iterator[Problem]:
    """A change or an item of a listing is of some material: one of its elements is more than nothing. Not for DI."""
    # A weight that cannot be read, and one that is negative, have a finding of their own.
    if entry.code == "DI" or entry.unread or not entry.weights:
        return
    if not any(mg for label, mg, _ in entry.weights if label in _ELEMENTS):
        yield Problem(
            "The entry is of no material: none of its elements weighs anything. State the weight of the element "
            "(600, 610, 620, 630, 700 or 800), or leave the entry out.",
            str(entry.weights[0].label),
            format_quantity(entry.weights[0].mg, entry.weights[0].label),
            "an element weight above 0",
        )


# Enriched and unified uranium share their isotope labels (reports.md 1.4); an entry states one of the two.
assert category_of(670, {ENRICHED}) == ENRICHED and category_of(670, {UNIFIED}) == UNIFIED
