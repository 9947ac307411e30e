"""Two readings of one entry, compared: what a form did not carry, and why."""

from collections.abc import Iterator, Mapping
from typing import Final

from slt.reports.entry import kind_of, read_date, read_number, read_numbered, read_period, read_reference, read_target
from slt.reports.euratom.losses import RULE
from slt.reports.findings import Finding, shown
from slt.reports.labelled import LabelledEntry
from slt.reports.labels import WEIGHTS
from slt.reports.quantities import BadQuantity, read_quantity

_NO_FIELD: Final = "The regulation has no field for it."

WHY: Final[Mapping[str, str]] = {
    "001": "The report's number has at most eight digits.",
    "002": "Entries are counted anew: others could not be written.",
    "003": "The date of the report cannot be read.",
    "006": "The reporting person has at most 30 of the 55 characters.",
    "015": "A listing has one date, that of the physical inventory; another report has two.",
    "207": "The facility is the one that the area belongs to; no field states it.",
    "309": "Euratom corrects by lines: deletion D, addition A in a pair, late line L.",
    "310": _NO_FIELD,
    "370": "Field 17 has four characters: an area inside the Community, the country of an exporting State.",
    "372": "Field 18 has four characters: an area inside the Community, the country of an importing State.",
    "390": "An entry has a note exactly when its line has a comment.",
    "407": "The key measurement point has one character.",
    "411": "Euratom has another code, which comes back as this one.",
    "412": "The date cannot be read.",
    "430": "Form, container and state divide materials otherwise: this is what they come back as.",
    "435": _NO_FIELD,
    "436": _NO_FIELD,
    "445": _NO_FIELD,
    "446": "The batch has at most 20 of the 55 characters; a receipt (RD) states the shipper's name.",
    "447": "A receipt has one batch name: the shipper's (RD), the own one (RF).",
    "469": "Only the basis has a field, without measurement point and method.",
    "470": "The number of items has at most six digits, and in a rebatching only one side states it.",
    "600": "Unified uranium is no category of the regulation, but for areas that keep it so.",
}
"""Label -> why it does not come back."""

_WHY_WEIGHT: Final = (
    "A line has one element and one fissile weight, an inventory change the isotopic composition besides; in a "
    "category change both masses are equal."
)


def differences(entry: LabelledEntry, back: LabelledEntry, *, number: int) -> Iterator[Finding]:
    """A finding for each label of `entry` that `back` says otherwise. `number`: the entry's among those written."""
    expected = {label: content for label, content in entry.items() if label != "002"}
    for label in sorted(expected.keys() | back.keys() - {"002"}):
        value, other = expected.get(label, ""), back.get(label, "")
        if meaning(label, value) != meaning(label, other):
            text = (
                _WHY_WEIGHT if label in WEIGHTS and label not in WHY else WHY.get(label, "It is no label of the form.")
            )
            yield lost(entry, label, value, text, other)
    if (read_numbered(entry.get("002", "")) or (0, 0))[0] != number:
        yield lost(entry, "002", entry.get("002", ""), WHY["002"], str(number))


def lost(entry: LabelledEntry, label: str, value: str, text: str, expected: str = "") -> Finding:
    """Named: what Euratom does not carry. `expected` is what comes back."""
    number = (read_numbered(entry.get("002", "")) or (0, 0))[0]
    return Finding(
        rule=RULE,
        severity="warning",
        entry=f"{kind_of(entry)}/{number}",
        label=label,
        value=shown(value),
        expected=shown(expected),
        text=text,
    )


def meaning(label: str, content: str) -> object:
    """What two contents of one label are compared by: a weight by its milligrams, a date by its day."""
    if label in WEIGHTS:
        try:
            quantity = read_quantity(content)
        except BadQuantity:
            return content
        return quantity.mg, quantity.unit
    if label in {"003", "412"}:
        return read_date(content) or content
    if label == "015":
        return read_period(content) or content
    if label == "001":
        return read_reference(content) or content
    if label == "470":
        number = read_number(content)
        return content if number is None else number
    if label == "309":
        status, _, target = content.partition("/")
        return status, read_target(target) or target
    return content
