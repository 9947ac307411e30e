"""V28 to V30: what kinds of changes say about their material (reports.md 1.5, 3.2)."""

from collections.abc import Iterator
from typing import Final

from slt.reports import codes
from slt.reports.entry import Entry
from slt.reports.findings import shown
from slt.reports.quantities import ELEMENT_LABELS, format_quantity
from slt.reports.rules.registry import LIVE, Context, Problem, entry_rule
from slt.reports.signs import CATEGORY_CHANGES, PLUTONIUM

_U233: Final = frozenset({"640", "660"})
"""Labels that state U-233, alone or together with U-235."""
_NOT_PRODUCED: Final = tuple(str(label) for label in ELEMENT_LABELS if label != PLUTONIUM)


@entry_rule("V28", "reports.md 3.2, 1.5", kinds="IM", statuses=LIVE, codes={"NP"})
def nuclear_production(entry: Entry, _context: Context) -> Iterator[Problem]:
    """NP is for plutonium (700) and U-233 (uranium with 640 or 660)."""
    for label in _NOT_PRODUCED:
        if label in entry.labels and (label not in {"600", "630"} or entry.labels.keys().isdisjoint(_U233)):
            yield Problem(
                "Nuclear production makes plutonium and U-233 only. Leave this weight out; report what was burnt by "
                "LN, or correct the code.",
                label,
                shown(entry.labels[label]),
                "700, or 630 with 640",
            )


@entry_rule("V28", "reports.md 3.2, 1.5", kinds="I", statuses=LIVE, codes={"LN"})
def nuclear_loss(entry: Entry, _context: Context) -> Iterator[Problem]:
    """LN happens to a batch that is here, so it has no shipper's batch name."""
    if "447" in entry.labels:
        yield Problem(
            "A nuclear loss comes from no shipper. Leave label 447 out, or correct the code.",
            "447",
            shown(entry.labels["447"]),
            "no 447 with LN",
        )


@entry_rule("V29", "reports.md 3.2, 1.5", kinds="I", statuses=LIVE, codes=CATEGORY_CHANGES)
def both_categories(entry: Entry, context: Context) -> Iterator[Problem]:
    """A category change states what leaves one category and enters the other: the same element mass, in its units."""
    weights = {weight.label: weight for weight in entry.weights}
    leaves, enters = CATEGORY_CHANGES[entry.code]
    for label in (leaves, enters):
        if str(label) not in entry.labels:
            yield Problem(
                f"{entry.code} moves material from label {leaves} to label {enters}, and states both. Add the weight.",
                str(label),
                "",
                f"{leaves} and {enters}",
            )
    before, after = weights.get(leaves), weights.get(enters)
    if before is None or after is None or not context.profile.equal_category_change:
        return
    if abs(before.mg - after.mg) > before.place_mg + after.place_mg:
        yield Problem(
            f"What enters this category is not what leaves the other (label {leaves}). Correct one of the weights; "
            "report a loss or gain of material by a change of its own.",
            str(enters),
            format_quantity(after.mg, enters),
            format_quantity(before.mg, enters),
        )


@entry_rule("V29", "reports.md 3.2, 1.7", kinds="I", statuses=LIVE, codes=CATEGORY_CHANGES)
def material_of_a_category_change(entry: Entry, _context: Context) -> Iterator[Problem]:
    """430 describes the result of the change, which is no sealed source: those are taken in and out whole."""
    material = entry.labels.get("430", "")
    if material.startswith("Q/"):
        yield Problem(
            "The result of a category change is no sealed source. Describe the uranium that came out.",
            "430",
            shown(material),
            "the result of the change",
        )


@entry_rule("V29", "reports.md 1.5", kinds="I", statuses=LIVE, codes=CATEGORY_CHANGES, severity="warning")
def category_change_of_unified_uranium(entry: Entry, context: Context) -> Iterator[Problem]:
    """An area that reports unified uranium has no categories to change."""
    if context.mba is not None and context.mba.unified:
        yield Problem(
            f"Area {context.mba.mba} reports unified uranium (600), where nothing changes category. Leave the entry "
            "out.",
            "411",
            entry.code,
            "no category change",
        )


@entry_rule("V30", "reports.md 3.2", kinds="I", statuses=LIVE, codes={"DI"}, severity="warning")
def difference_was_measured(entry: Entry, _context: Context) -> Iterator[Problem]:
    """A shipper/receiver difference comes out of a measurement made here: 469 is M."""
    value = entry.labels.get("469", "")
    basis = value[:1]
    if basis in codes.MEASUREMENT_BASES and basis != "M":
        yield Problem(
            "A shipper/receiver difference is what the receiver measured and the shipper did not. Write the basis M "
            "in label 469, or check whether there is a difference.",
            "469",
            shown(value),
            "M",
        )
