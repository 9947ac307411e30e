"""An accepted report in any form: from its document, or from its facts where the document is erased.

Facts hold what the state machine judges by, not the whole document (formats.md). What they leave out is named, one
warning for each: the encoder's name, the notes, and what only the State or the operator uses.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from slt.inventory.questions.rows import BookEntry, BookReport
from slt.reports.euratom.conversion import FORMS, convert, form_of
from slt.reports.euratom.writing import NotExpressible
from slt.reports.facts import EntryFacts
from slt.reports.findings import Finding
from slt.reports.labelled import LabelledEntry, write_report
from slt.reports.quantities import format_quantity
from slt.reports.reference import Reference
from slt.reports.signs import OBLIGATION_CHANGES

_NOTHING: Final[dict[str, Any]] = {
    "target": None,
    **dict.fromkeys(("code", "date", "kmp", "material", "batch", "shipper_batch", "shipper", "receiver"), ""),
    "measurement": "",
    "items": 0,
    "weights": (),
}

ERASED: Final = "ERASED"
"""Stands in 006, which no report may leave out."""

LOST: Final = (
    ("006", "the encoder's name; ERASED stands in its place"),
    ("310", "the State's record identification, where there was one"),
    ("390", "which entries had a concise note, and the notes themselves (391)"),
    ("435", "the operator's codes and descriptions (435, 436), where there were any"),
    ("600", "how many decimals a weight was written with; its amount is exact"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One report in the form that was asked for."""

    state: str
    mba: str
    number: int
    form: str
    source: Literal["document", "facts"]
    document: str
    """ASCII or, in XML, UTF-8."""
    findings: tuple[Finding, ...]
    """What is lost, each a warning: between document and facts (rule "facts"), and between the forms."""


def export(
    report: BookReport, document: bytes | None, entries: Sequence[BookEntry], form: str, reference: Reference
) -> Export:
    """`document` as it was reported, or None where it is erased: then `entries`, every entry of the report as reported.

    `form`: code10, euratom or euratom-xml. Code 10 of a document that came as Code 10 is that document, byte for byte.
    Raises NotExpressible when the form has nothing like it, slt.reports.Unreadable and slt.reports.euratom.Malformed
    when the document is not what was accepted.
    """
    findings: tuple[Finding, ...] = ()
    source: Literal["document", "facts"] = "document"
    if document is None:
        area = reference.mba(report.state, report.mba)
        facility = "" if area is None else area.facility
        document = write_report(from_facts(report, entries, facility))
        findings, source = tuple(_lost(entries)), "facts"
        made = document
        if form != "code10":
            converted = convert(document, FORMS[form], reference)
            made, findings = converted.document, (*findings, *converted.findings)
    elif FORMS[form] == form_of(document):
        made = document
    else:
        converted = convert(document, FORMS[form], reference)
        made, findings = converted.document, converted.findings
    return Export(
        state=report.state,
        mba=report.mba,
        number=report.number,
        form=form,
        source=source,
        document=made.decode("utf-8"),
        findings=findings,
    )


def from_facts(report: BookReport, entries: Iterable[BookEntry], facility: str) -> tuple[LabelledEntry, ...]:
    """The accounting entries of a report as Code 10 labels. Raises NotExpressible for a textual report."""
    if report.kind == "T":
        raise NotExpressible(
            "A textual report whose document is erased: its text is in no facts. Nothing can be exported."
        )
    rows = sorted(entries, key=lambda row: row.entry.number)
    return tuple(_labels(report, row, facility, total=len(rows), first=place == 0) for place, row in enumerate(rows))


def _labels(report: BookReport, row: BookEntry, facility: str, *, total: int, first: bool) -> LabelledEntry:
    entry = row.entry
    if entry.code in OBLIGATION_CHANGES:  # Its number is used, and Code 10 has no word for the rest.
        entry = EntryFacts(**_NOTHING, number=entry.number, status="U")
    target = "" if entry.target is None else f"/{report.state};{entry.target[0]}/{entry.target[1]}"
    one_date = report.kind == "P" and report.period_from == report.period_to
    labels = {
        "001": f"OI/{report.state};{report.number}",
        "002": f"{entry.number}/{total}" if first else str(entry.number),
        "003": report.date,
        "006": ERASED,
        "010": report.kind,
        "015": report.period_to if one_date else f"{report.period_from}/{report.period_to}",
        "207": facility,
        "307": report.mba,
        "309": f"{entry.status}{target}",
        "370": entry.shipper,
        "372": entry.receiver,
        "407": entry.kmp,
        "411": entry.code,
        "412": entry.date,
        "430": entry.material,
        "446": entry.batch,
        "447": entry.shipper_batch,
        "469": entry.measurement,
        "470": str(entry.items) if entry.batch else "",
    }
    labels |= {str(label): format_quantity(mg, label) for label, mg in entry.weights}
    return {label: content for label, content in sorted(labels.items()) if content}


def _lost(entries: Iterable[BookEntry]) -> Iterator[Finding]:
    """What the facts do not hold, and what they hold that Code 10 has no label for."""
    for label, what in LOST:
        yield _finding("", label, f"The document is erased, and its facts do not hold {what}.")
    for row in entries:
        if row.entry.code in OBLIGATION_CHANGES:
            yield _finding(
                f"OI/{row.entry.number}",
                "411",
                f"The entry changes an obligation ({row.entry.code}); Code 10 has no such code. Marked U in its place.",
            )
        elif row.entry.obligations:
            names = ", ".join(share.obligation or "none" for share in row.entry.obligations)
            yield _finding(
                f"OI/{row.entry.number}",
                "",
                f"The entry is under obligations ({names}); Code 10 has no label for them.",
            )


def _finding(entry: str, label: str, text: str) -> Finding:
    return Finding(rule="facts", severity="warning", entry=entry, label=label, value="", expected="", text=text)
