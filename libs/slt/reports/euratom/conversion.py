"""From any of the three forms to any other, by way of the entries, with everything that is lost named."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from slt.reports.euratom.area import Area
from slt.reports.euratom.declaration import Declaration, Malformed, fault
from slt.reports.euratom.labelled import BEGINS, read_labelled, write_labelled
from slt.reports.euratom.markup import read_xml, write_xml
from slt.reports.euratom.reading import Reading, read_declaration
from slt.reports.euratom.writing import NotExpressible, Numbering, write_declaration
from slt.reports.findings import Finding
from slt.reports.labelled import read_report, write_report
from slt.reports.reference import Reference
from slt.statements.statement import CODE10, EURATOM, EURATOM_XML

FORMS: Final[Mapping[str, str]] = MappingProxyType({"code10": CODE10, "euratom": EURATOM, "euratom-xml": EURATOM_XML})
"""What a person calls a form -> its media type."""

READERS: Final[Mapping[str, Callable[[bytes], Declaration]]] = MappingProxyType(
    {EURATOM: read_labelled, EURATOM_XML: read_xml}
)
WRITERS: Final[Mapping[str, Callable[[Declaration], bytes]]] = MappingProxyType(
    {EURATOM: write_labelled, EURATOM_XML: write_xml}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A document in another form."""

    document: bytes
    findings: tuple[Finding, ...]
    """What the other form cannot express (warnings), and what could not be read out of this one (errors)."""
    numbering: Numbering
    """Of the Euratom report that was written; empty otherwise."""


def form_of(document: bytes) -> str:
    """The media type of the form that `document` is in, by how it begins. Anything unknown is for Code 10's rules."""
    if document[:64].removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").startswith(b"<"):
        return EURATOM_XML
    return EURATOM if BEGINS.match(document) else CODE10


def read(document: bytes, media_type: str, reference: Reference) -> Reading:
    """The entries of a Euratom document. Raises Malformed when it is none, or is of no area that is known."""
    declaration = READERS[media_type](document)
    mba = declaration.header["MBA"]
    area = Area.of(reference, mba)
    if area is None:
        states = " ".join(reference.owners.get(mba, ()))
        text = (
            f"Areas of several States have this code ({states}), and a Euratom report does not name its State: report "
            "in Code 10."
            if states
            else "No material balance area of this code is known. Correct MBA, or have the State authority register it."
        )
        raise Malformed(fault("V15", text, label=declaration.annex.label("MBA"), value=mba))
    return read_declaration(declaration, area)


def convert(document: bytes, media_type: str, reference: Reference, *, earlier: Numbering | None = None) -> Converted:
    """`document`, of any form, in the form of `media_type`, canonically.

    Raises Malformed or slt.reports.Unreadable when it is no report of its form, and NotExpressible when the other form
    has nothing like it.
    """
    findings: tuple[Finding, ...] = ()
    source = form_of(document)
    if source == CODE10:
        entries = read_report(document)
    else:
        reading = read(document, source, reference)
        entries, findings = reading.entries, reading.findings
    if media_type == CODE10:
        if not entries:
            raise NotExpressible("A report without lines: Code 10 has no such report.")
        return Converted(document=write_report(entries), findings=findings, numbering={})
    if media_type == source:
        canonical = WRITERS[source](READERS[source](document))
        return Converted(document=canonical, findings=(), numbering={})
    if source != CODE10:
        declaration = READERS[source](document)  # From one Euratom form to the other nothing is lost.
        return Converted(document=WRITERS[media_type](declaration), findings=(), numbering={})
    area = next((Area.of_entry(entry, reference) for entry in entries), None)
    assert area is not None, "read_report gives at least one entry"
    written = write_declaration(entries, area, earlier=earlier)
    return Converted(
        document=WRITERS[media_type](written.declaration), findings=written.findings, numbering=written.numbering
    )
