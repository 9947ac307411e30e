"""V08 (style), V13, V14, V20, V22 to V24, V51: one entry, label against label (reports.md 3.1 to 3.3)."""

from collections.abc import Iterator
from typing import Final

from slt.reports import codes
from slt.reports.entry import Entry, Weight
from slt.reports.findings import Severity, shown
from slt.reports.quantities import format_quantity
from slt.reports.rules.registry import Context, Problem, entry_rule
from slt.reports.signs import ENRICHED, UNIFIED, category_of


@entry_rule("V51", "reports.md 3.3, 1.2", notes=True)
def agrees_with_the_first_entry(entry: Entry, context: Context) -> Iterator[Problem]:
    """Number, date, type, period, facility and area are the same in all entries (006: a warning)."""
    head = context.head
    if entry.labels is head.labels:
        return
    mine, first = entry.labels, head.labels
    if (entry.country, entry.report) != (head.country, head.report):
        yield _differs("001", mine.get("001", ""), first.get("001", ""), head.name)
    for label in _SHARED[entry.kind, head.kind]:
        value = mine.get(label)
        if value is not None and label in first and value != first[label]:
            yield _differs(label, value, first[label], head.name, "warning" if label == "006" else None)


_SHARED: Final = {
    ("OI", "OI"): ("003", "006", "010", "015", "207", "307"),
    ("NC", "OI"): ("003", "207", "307"),
    ("NC", "NC"): ("003", "010", "207", "307"),
    ("OI", "NC"): (),  # There is no such report: the head is the first accounting entry.
}
"""(kind of the entry, of the head) -> labels that must be equal."""


def _differs(label: str, value: str, first: str, name: str, severity: Severity | None = None) -> Problem:
    return Problem(
        f"This is not what entry {name} says. One report has one number, date, type, period, facility and area: "
        "make the entries agree, or report this one separately.",
        label,
        shown(value),
        shown(first),
        severity=severity,
    )


@entry_rule("V08", "reports.md 3.1", notes=True)
def one_style_of_dates(entry: Entry, context: Context) -> Iterator[Problem]:
    """All dates of a report have 8 digits, or all have 6."""
    digits = len(context.head.labels.get("003", ""))
    if digits not in {6, 8}:
        return
    for label in ("003", "412", "015"):
        value = entry.labels.get(label)
        if value is not None and len(value.partition("/")[0]) in {6, 8} and len(value.partition("/")[0]) != digits:
            yield Problem(
                f"Other dates of this report have {digits} digits. Write all dates in one style.",
                label,
                shown(value),
                f"{digits} digits",
            )


@entry_rule("V08", "reports.md 3.1, 1.3")
def period_of_two_dates(entry: Entry, context: Context) -> Iterator[Problem]:
    """015 is from/to; only a PIL may give the date of its physical inventory alone."""
    period = entry.labels.get("015")
    if period and "/" not in period and context.kind in {"I", "M"}:
        yield Problem(
            "The period of this type of report has a first and a last day. Write both, with a slash.",
            "015",
            shown(period),
            "YYYYMMDD/YYYYMMDD",
        )


@entry_rule("V13", "reports.md 3.1, 1.5, 1.6")
def code_of_the_report_type(entry: Entry, context: Context) -> Iterator[Problem]:
    """PB, BE, BA, PE, MF and RAxx only in an MBR; RM, RP and nothing but changes in an ICR."""
    code = entry.code
    if not code:
        return
    if code.startswith("RA") and code not in codes.ADJUSTMENTS:
        yield Problem(
            f"There is no rounding adjustment for {shown(code[2:]) or 'nothing'}. Name the entry that it adjusts, "
            "as in RALD.",
            "411",
            shown(code),
            "RA and the code of the entry",
        )
    elif code not in codes.CODES_411:
        return  # V12
    elif context.kind == "I" and code not in codes.CHANGES:
        yield Problem(
            f"{code} belongs to a material balance report. Report it there, or correct the code.",
            "411",
            code,
            "an inventory change",
        )
    elif context.kind == "M" and code not in codes.BALANCE_ENTRIES:
        yield Problem(
            f"{code} does not appear in a material balance: rebatching leaves the area's inventory as it is. "
            "Leave the entry out.",
            "411",
            code,
            "not RM or RP",
        )


@entry_rule("V14", "reports.md 3.1, 1.4")
def negative_only_for_differences(entry: Entry, _context: Context) -> Iterator[Problem]:
    """A weight is negative only for DI, MF and rounding adjustments."""
    if codes.may_be_negative(entry.code):
        return
    for label, mg, _ in entry.weights:
        if mg < 0:
            yield Problem(
                "Only DI, MF and rounding adjustments may be negative: for a change, the code says the direction. "
                "Write the weight without a sign, or correct the code.",
                str(label),
                format_quantity(mg, label),
                format_quantity(-mg, label),
            )


@entry_rule("V20", "reports.md 3.2, 1.3")
def partners_of_receipts_and_shipments(entry: Entry, context: Context) -> Iterator[Problem]:
    """RD and RF name shipper and shipper's batch, SD and SF the receiver; no other change has a shipper's batch."""
    if context.kind != "I" or entry.status in {"D", "U"}:
        return
    carried = entry.labels
    if entry.code in codes.RECEIPTS:
        if "370" not in carried:
            yield Problem("A receipt names its shipper. Add label 370.", "370", "", f"{entry.country or 'CC'}/XXXX")
        if "447" not in carried:
            yield Problem(
                "A receipt names the batch as the shipper does. Add label 447 with the name on the shipper's papers; "
                "447:UNKNOWN# where it is not known.",
                "447",
                "",
                "the shipper's batch name, or UNKNOWN",
            )
        return
    if entry.code in codes.SHIPMENTS and "372" not in carried:
        yield Problem("A shipment names its receiver. Add label 372.", "372", "", f"{entry.country or 'CC'}/XXXX")
    if "447" in carried:
        yield Problem(
            "Only a receipt (RD, RF) has a shipper's batch name. Leave it out, or correct label 411.",
            "447",
            shown(carried["447"]),
            "",
        )


@entry_rule("V22", "reports.md 3.2, 1.8")
def reference_of_the_status(entry: Entry, _context: Context) -> Iterator[Problem]:
    """N has no reference; C, D and A have one, in the own country."""
    value = entry.labels.get("309", "")
    referring = "/" in value
    if entry.status == "N" and referring:
        yield Problem(
            "A new entry refers to no other. Write 309:N#; or use C, D or A to correct, delete or add.",
            "309",
            shown(value),
            "N",
        )
    elif entry.status in {"C", "D", "A"} or (entry.status == "U" and referring):
        expected = f"{entry.status}/{entry.country or 'CC'};report/entry"
        if entry.target is None:
            what = "the report and entry number to add it as" if entry.status == "A" else "the earlier entry"
            yield Problem(
                f"This status needs a reference to {what}. Write country, semicolon, number of the report, slash, "
                "number of the entry.",
                "309",
                shown(value),
                expected,
            )
        elif entry.country and entry.target.country != entry.country:
            yield Problem("The reference is to another State's report. Correct it.", "309", shown(value), expected)


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
"""Labels that state the sum of two others: counted once in the sum of isotopes."""


@entry_rule("V24", "reports.md 3.2")
def isotopes_within_their_element(entry: Entry, _context: Context) -> Iterator[Problem]:
    """No isotope, nor their sum, is more than its element or of the other sign, within one unit of the last places."""
    if entry.status in {"D", "U"} or len(entry.weights) < 2:
        return
    present = {weight.label: weight for weight in entry.weights}
    isotopes: dict[int, list[Weight]] = {}
    for weight in entry.weights:
        category = category_of(weight.label, present)
        if category != weight.label and category in present:
            isotopes.setdefault(category, []).append(weight)
    for category, parts in isotopes.items():
        yield from _within(present[category], parts)


def _within(element: Weight, parts: list[Weight]) -> Iterator[Problem]:
    sign = -1 if element.mg < 0 else 1
    whole = sign * element.mg
    stated = format_quantity(element.mg, element.label)
    for part in parts:
        tolerance = part.place_mg + element.place_mg
        if not -tolerance <= sign * part.mg <= whole + tolerance:
            if part.mg and (part.mg < 0) != (element.mg < 0) and element.mg:
                text = f"The isotope has the other sign than its element (label {element.label}). Correct one of them."
            else:
                text = f"There is more of the isotope than of its element (label {element.label}). Correct one of them."
            yield Problem(text, str(part.label), format_quantity(part.mg, part.label), f"0 to {stated}")
            return
    total = _sum_of(parts, sign)
    tolerance = element.place_mg + sum(part.place_mg for part in parts)
    if len(parts) > 1 and total > whole + tolerance:
        labels = ", ".join(str(part.label) for part in parts)
        yield Problem(
            f"The isotopes {labels} together are more than their element. Correct the weights.",
            str(element.label),
            stated,
            f"at least {format_quantity(sign * total, element.label)}",
        )


def _sum_of(parts: list[Weight], sign: int) -> int:
    amounts = {part.label: sign * part.mg for part in parts}
    for together, single in _SUMS.items():
        if together in amounts:
            amounts[together] = max(amounts[together], sum(amounts.pop(label, 0) for label in single))
    return sum(amounts.values())


# Enriched and unified uranium share their isotope labels (reports.md 1.4); an entry states one of the two.
assert category_of(670, {ENRICHED}) == ENRICHED and category_of(670, {UNIFIED}) == UNIFIED
