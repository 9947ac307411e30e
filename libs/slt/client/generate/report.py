"""One generated report: as values, and as the document that a facility would submit (canonical Code 10)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from slt.reports.facts import EntryFacts
from slt.reports.quantities import format_quantity

ENCODER: Final = "GENERATOR,S"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Dates are YYYYMMDD; a listing has its day as both ends of its period."""

    state: str
    mba: str
    facility: str
    number: int
    kind: str  # I P M
    date: str
    period_from: str
    period_to: str
    entries: tuple[EntryFacts, ...]
    notes: tuple[tuple[int, str], ...] = ()
    """(entry that it is about, text)."""

    @property
    def name(self) -> str:
        """What its file is called."""
        return f"{self.mba}-{self.number}.code10"


def render(report: Report) -> bytes:
    """The document, in canonical form (slt.reports.labelled): what its facts are judged by."""
    return "".join(_lines(report)).encode("ascii")


def _lines(report: Report) -> Iterator[str]:
    period = report.period_to if report.kind == "P" else f"{report.period_from}/{report.period_to}"
    area = f"207:{report.facility}#307:{report.mba}#"
    head = f"#003:{report.date}#006:{ENCODER}#010:{report.kind}#015:{period}#{area}309:"
    noted = {entry for entry, _ in report.notes}
    total = f"/{len(report.entries)}"
    for entry in report.entries:
        place = f"001:OI/{report.state};{report.number}#002:{entry.number}{total}"
        target = f"/{report.state};{entry.target[0]}/{entry.target[1]}" if entry.target else ""
        yield f"{place}{head}{entry.status}{target}#{_content(entry, noted=entry.number in noted)}\n"
        total = ""
    total = f"/{len(report.notes)}"
    for number, (about, text) in enumerate(report.notes, 1):
        place = f"001:NC/{report.state};{report.number}#002:{number}{total}#003:{report.date}"
        yield f"{place}#099:E/{about}#{area}391:{text}#\n"
        total = ""


def _content(entry: EntryFacts, *, noted: bool) -> str:
    """Labels from 370 on, in ascending order."""
    parts = []
    if entry.shipper:
        parts.append(f"370:{entry.shipper}#")
    if entry.receiver:
        parts.append(f"372:{entry.receiver}#")
    if noted:
        parts.append("390:Y#")
    if entry.kmp:
        parts.append(f"407:{entry.kmp}#")
    if entry.code:
        parts.append(f"411:{entry.code}#")
    if entry.date:
        parts.append(f"412:{entry.date}#")
    if entry.batch:
        parts.append(f"430:{entry.material}#446:{entry.batch}#")
        if entry.shipper_batch:
            parts.append(f"447:{entry.shipper_batch}#")
        parts.append(f"469:{entry.measurement}#470:{entry.items}#")
    parts += [f"{label}:{format_quantity(mg, label)}#" for label, mg in entry.weights]
    return "".join(parts)
