"""V03 to V05: which labels an entry carries (reports.md 1.2, 1.3, 3.1)."""

from collections.abc import Iterator

from slt.reports import codes, labels
from slt.reports.entry import Entry
from slt.reports.findings import shown
from slt.reports.rules.registry import Context, Problem, entry_rule, note_rule


@entry_rule("V03", "reports.md 3.1, 1.3")
def known_labels(entry: Entry, context: Context) -> Iterator[Problem]:
    """An accounting entry carries labels of accounting entries, and stands in a report that has them."""
    for label in sorted(entry.labels.keys() - labels.IN_ANY_ENTRY):
        what = "belongs to concise notes, not to accounting entries" if label in labels.NAMES else "is not in the form"
        yield Problem(f"Label {label} {what}. Leave it out.", label, shown(entry.labels[label]), "")
    if context.kind == "T":
        yield Problem(
            "A textual report has notes only. Make this entry a note (001 begins with NC), or correct label 010.",
            "010",
            "T",
            "I, P or M",
        )


@note_rule("V03", "reports.md 3.1, 1.2")
def known_labels_of_notes(entry: Entry, _context: Context) -> Iterator[Problem]:
    """A concise note carries 001, 002, 003, 099, 207, 307 and 391; in a textual report also 010."""
    for label in sorted(entry.labels.keys() - labels.IN_TEXTUAL):
        what = "belongs to accounting entries, not to concise notes" if label in labels.NAMES else "is not in the form"
        yield Problem(f"Label {label} {what}. Leave it out.", label, shown(entry.labels[label]), "")


@entry_rule("V04", "reports.md 3.1, 1.3, 1.8")
def mandatory_labels(entry: Entry, context: Context) -> Iterator[Problem]:
    """Every label that the form asks for is there; a deleted or invalid entry needs only 001 to 015, 207, 307, 309."""
    full = entry.status not in {"D", "U"}
    mandatory = labels.MANDATORY.get(context.kind, labels.MANDATORY_ANYWHERE) if full else labels.MANDATORY_ANYWHERE
    carried = entry.labels.keys()
    for label in sorted(mandatory - carried):
        yield Problem(f"Label {label} ({labels.NAMES[label]}) is missing. Add it.", label, "", labels.NAMES[label])
    if full and context.kind in labels.MANDATORY and carried.isdisjoint(labels.WEIGHTS):
        yield Problem("The entry states no weight. Add a weight label, 600 to 800.", "", "", "a label 600 to 800")


@note_rule("V04", "reports.md 3.1, 1.2")
def mandatory_labels_of_notes(entry: Entry, context: Context) -> Iterator[Problem]:
    """A note has 001, 002, 003, 207, 307 and 391; in a textual report also 010."""
    # A document of notes alone is a textual report, whether it says so or not.
    alone = context.head.kind == "NC"
    mandatory = labels.MANDATORY_IN_TEXTUAL if alone else labels.MANDATORY_IN_NOTES
    for label in sorted(mandatory - entry.labels.keys()):
        yield Problem(f"Label {label} ({labels.NAMES[label]}) is missing. Add it.", label, "", labels.NAMES[label])
    if alone and context.kind != "T" and "010" in entry.labels:
        yield Problem(
            "A report without accounting entries is a textual report, type T. Write 010:T#, or add the entries; "
            "an empty inventory listing or material balance has one entry with 309:U#.",
            "010",
            shown(entry.labels["010"]),
            "T",
        )


@entry_rule("V05", "reports.md 3.1, 1.3")
def labels_of_the_type(entry: Entry, context: Context) -> Iterator[Problem]:
    """No label that this type of report does not use; 447 only with a receipt."""
    if context.kind not in labels.IN_ENTRIES:
        return
    allowed = labels.IN_ENTRIES[context.kind]
    carried = entry.labels.keys()
    for label in sorted((carried & labels.IN_ANY_ENTRY) - allowed):
        yield Problem(
            f"Label {label} ({labels.NAMES[label]}) is not used in this type of report. Leave it out.",
            label,
            shown(entry.labels[label]),
            f"not in {codes.KINDS[context.kind]}",
        )
    if context.kind == "I" and "447" in carried and entry.code not in codes.RECEIPTS and entry.status not in {"D", "U"}:
        yield Problem(
            "The shipper's batch name belongs to receipts (RD, RF) only. Leave it out, or correct label 411.",
            "447",
            shown(entry.labels["447"]),
            "only with 411 RD or RF",
        )


@note_rule("V05", "reports.md 1.3")
def no_type_in_notes(entry: Entry, context: Context) -> Iterator[Problem]:
    """A note beside accounting entries carries no 010."""
    if context.head.kind == "OI" and "010" in entry.labels:
        yield Problem("A note carries no report type. Leave label 010 out.", "010", shown(entry.labels["010"]), "")
