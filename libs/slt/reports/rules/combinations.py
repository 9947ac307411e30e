"""V35, V36: the items of one label against each other (reports.md 1.7, 1.9, 3.2).

Pure functions of label and content, as those of fields.py: the judge remembers their answers.
"""

from collections.abc import Iterator
from typing import Final

from slt.reports import codes
from slt.reports.entry import READ_MAX
from slt.reports.findings import shown
from slt.reports.rules.fields import material_in_lists
from slt.reports.rules.registry import Problem, field_rule

_CYLINDERS: Final = frozenset("RU")
_SOLIDS: Final = frozenset("BDFGHJKO")
"""Physical forms of which a large cylinder holds UF6 only. Liquids, waste and scrap stand in tanks and drums of the
same volumes, and those have the same letters."""


@field_rule("V35", "reports.md 3.2, 1.7", labels=("430",), severity="warning")
def material_combinations(label: str, value: str) -> Iterator[Problem]:
    """The four codes of a material description go together."""
    items = value[:READ_MAX].split("/")
    if any(True for _ in material_in_lists(label, value)):
        return  # V12
    physical, chemical, containment, quality = items
    fuel = physical in codes.FUEL
    doubts = (
        (physical == "Q" and chemical != "S", "A sealed source is the pair Q/S", "Q/S"),
        (quality == codes.FRESH_FUEL and not fuel, "Fresh fuel (F) is fuel elements or components", "B or D with F"),
        (
            quality == codes.IRRADIATED_FUEL and not fuel,
            "Irradiated fuel (G) is fuel elements or components",
            "B or D with G",
        ),
        (containment == "4" and not fuel, "Only fuel elements and components are in-core (4)", "B or D with 4"),
        (chemical == "G" and physical != "O", "Hexafluoride (G) is reported as another solid (O)", "O/G"),
        (
            containment in _CYLINDERS and physical in _SOLIDS and chemical != "G",
            f"Cylinders of this size ({containment}) hold hexafluoride",
            f"O/G/{containment}",
        ),
    )
    for doubtful, why, expected in doubts:
        if doubtful:
            yield Problem(
                f"{why}, and this description says otherwise. Check the four codes, and correct the one that is wrong.",
                label,
                shown(value),
                expected,
            )


@field_rule("V36", "reports.md 3.2, 1.9", labels=("469",))
def items_of_the_basis(label: str, value: str) -> Iterator[Problem]:
    """A measurement point goes with basis M only, a method with M or T."""
    basis, _, rest = value[:READ_MAX].partition("/")
    point, _, method = rest.partition("/")
    if basis not in codes.MEASUREMENT_BASES:
        return  # V12
    if point and basis != "M":
        yield Problem(
            "A measurement point is stated for material measured here and now (M) only. Leave it out, or correct the "
            "basis; a method alone is written after two slashes.",
            label,
            shown(value),
            "T//method" if basis == "T" else basis,
        )
    elif method and basis not in {"M", "T"}:
        yield Problem(
            "A method is stated for material that this area measured (M, T). Leave it out, or correct the basis.",
            label,
            shown(value),
            basis,
        )
