"""The label table of SG-FM-1172 (reports.md 1.3): every label, and where it belongs."""

from typing import Final, Literal, NamedTuple

from slt.reports.quantities import WEIGHT_LABELS

Need = Literal["M", "O", "C", "-"]
"""Mandatory, optional, conditional (a rule of its own says when), not used."""


class Label(NamedTuple):
    """One line of the table. The columns: accounting entries of an ICR, PIL, MBR; notes of these; a textual report."""

    number: str
    name: str
    icr: Need
    pil: Need
    mbr: Need
    note: Need
    textual: Need


TABLE: Final = (
    Label("001", "reference number", "M", "M", "M", "M", "M"),
    Label("002", "entry number", "M", "M", "M", "M", "M"),
    Label("003", "report date", "M", "M", "M", "M", "M"),
    Label("006", "encoder's name", "M", "M", "M", "-", "-"),
    Label("010", "report type", "M", "M", "M", "-", "M"),
    Label("015", "reporting period", "M", "M", "M", "-", "-"),
    Label("099", "concise note reference", "-", "-", "-", "O", "O"),
    Label("207", "facility code", "M", "M", "M", "M", "M"),
    Label("307", "material balance area", "M", "M", "M", "M", "M"),
    Label("309", "entry status", "M", "M", "M", "-", "-"),
    Label("310", "State record identification", "O", "O", "O", "-", "-"),
    Label("370", "shipper", "C", "-", "-", "-", "-"),
    Label("372", "receiver", "C", "-", "-", "-", "-"),
    Label("390", "concise note indicator", "C", "C", "C", "-", "-"),
    Label("391", "text of a concise note", "-", "-", "-", "M", "M"),
    Label("407", "key measurement point", "M", "M", "-", "-", "-"),
    Label("411", "type of inventory change or balance entry", "M", "-", "M", "-", "-"),
    Label("412", "date of the inventory change", "M", "-", "-", "-", "-"),
    Label("430", "material description", "M", "M", "-", "-", "-"),
    Label("435", "operator's material code", "O", "O", "-", "-", "-"),
    Label("436", "operator's description", "O", "O", "-", "-", "-"),
    Label("445", "alphabet of a name", "C", "C", "-", "-", "-"),
    Label("446", "batch name", "M", "M", "-", "-", "-"),
    Label("447", "shipper's batch name", "C", "-", "-", "-", "-"),
    Label("469", "measurement identification", "M", "M", "-", "-", "-"),
    Label("470", "number of items", "M", "M", "-", "-", "-"),
    *(Label(str(label), "weight", "C", "C", "C", "-", "-") for label in WEIGHT_LABELS),
)
"""Weights are conditional one by one; that an entry has one at all is V04."""

NAMES: Final = {label.number: label.name for label in TABLE}

WEIGHTS: Final = frozenset(str(label) for label in WEIGHT_LABELS)

IN_ENTRIES: Final = {
    "I": frozenset(label.number for label in TABLE if label.icr != "-"),
    "P": frozenset(label.number for label in TABLE if label.pil != "-"),
    "M": frozenset(label.number for label in TABLE if label.mbr != "-"),
}
"""Report type -> labels that its accounting entries may carry."""

IN_ANY_ENTRY: Final = frozenset().union(*IN_ENTRIES.values())

MANDATORY: Final = {
    "I": frozenset(label.number for label in TABLE if label.icr == "M"),
    "P": frozenset(label.number for label in TABLE if label.pil == "M"),
    "M": frozenset(label.number for label in TABLE if label.mbr == "M"),
}

MANDATORY_ANYWHERE: Final = frozenset.intersection(*MANDATORY.values())
"""What an entry that is deleted or to be ignored (309 D or U) carries all the same: 001 to 015, 207, 307, 309."""

IN_NOTES: Final = frozenset(label.number for label in TABLE if label.note != "-")
IN_TEXTUAL: Final = frozenset(label.number for label in TABLE if label.textual != "-")
MANDATORY_IN_NOTES: Final = frozenset(label.number for label in TABLE if label.note == "M")
MANDATORY_IN_TEXTUAL: Final = frozenset(label.number for label in TABLE if label.textual == "M")

SEPARATORS: Final = {
    "001": "/;",
    "002": "/",
    "015": "/",
    "099": "/",
    "309": "/;",
    "370": "/",
    "372": "/",
    "430": "/",
    "435": "/",
    "469": "/",
}
"""Composite labels -> the characters that divide their items. Nowhere else may a slash or semicolon stand."""
