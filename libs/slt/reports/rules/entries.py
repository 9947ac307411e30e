"""V06 (free text), V13, V20, V22, V51: one entry, label against label (reports.md 3.1 to 3.3)."""

from collections.abc import Iterator
from typing import Final

from slt.reports import codes
from slt.reports.entry import Entry
from slt.reports.findings import Severity, shown
from slt.reports.rules.fields import FREE_TEXT, characters
from slt.reports.rules.registry import Context, Problem, entry_rule


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


@entry_rule("V06", "reports.md 1.1, 3.1", notes=True)
def signs_of_free_text(entry: Entry, context: Context) -> Iterator[Problem]:
    """Free text (391, 436) has capitals, digits and the signs that the profile permits."""
    for label in sorted(FREE_TEXT & entry.labels.keys()):
        yield from characters(label, entry.labels[label], context.profile.free_text_signs)


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


@entry_rule("V20", "reports.md 3.2, 1.3", kinds="I")
def partners_of_receipts_and_shipments(entry: Entry, _context: Context) -> Iterator[Problem]:
    """RD and RF name shipper and shipper's batch, SD and SF the receiver; no other change has a shipper's batch."""
    if entry.status in {"D", "U"}:
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
