"""Judging a document of any form: a Euratom report becomes entries first, and the same rules see it."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from slt.reports.euratom.conversion import form_of, read
from slt.reports.euratom.declaration import Malformed
from slt.reports.euratom.reading import Reading
from slt.reports.facts import Facts, content_digest, document_digest
from slt.reports.findings import Finding, Judgement
from slt.reports.judgement import judge
from slt.reports.labelled import write_report
from slt.reports.quantities import ELEMENT_LABELS, ISOTOPE_LABELS
from slt.reports.reference import Reference
from slt.reports.rules import RULES_VERSION
from slt.statements.cbor import Value, encode
from slt.statements.statement import CODE10

__all__ = ["form_of", "judge_as"]

TAGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "001": "REPORT NUMBER",
        "002": "LINE NUMBER",
        "003": "REPORT DATE",
        "006": "REPORTING PERSON",
        "010": "REPORT TYPE",
        "015": "START REPORT and END REPORT, or PIT DATE",
        "307": "MBA",
        "309": "CORRECTION",
        "370": "MBA FROM",
        "372": "MBA TO",
        "391": "COMMENT",
        "407": "KMP",
        "411": "IC CODE",
        "412": "ACCOUNTING DATE",
        "430": "MATERIAL FORM, MATERIAL CONTAINER, MATERIAL STATE",
        "446": "BATCH",
        "447": "BATCH",
        "469": "MEASUREMENT",
        "470": "ITEMS",
    }
    | {str(label): "ELEMENT WEIGHT" for label in ELEMENT_LABELS}
    | {str(label): "FISSILE WEIGHT or ISOTOPIC COMPOSITION" for label in ISOTOPE_LABELS}
)
"""Label of Code 10 -> the field that says it."""


def judge_as(
    document: bytes,
    media_type: str,
    reference: Reference,
    *,
    today: str | None = None,
    rules_version: int = RULES_VERSION,
) -> Judgement:
    """Judge `document` as a report in the form of `media_type`. Takes any bytes and never raises for them.

    The findings of the rules name entries and labels of Code 10, and say in their text which lines and fields these
    are; what is wrong with the form itself names lines and fields (`L/3`, `III.26`). The document digest of the facts
    is that of the bytes given, the content digest that of the entries: the same report in two forms has the same
    content. `today`, `rules_version`: see judge().
    """
    if media_type == CODE10:
        return judge(document, reference, today=today, rules_version=rules_version)
    try:
        reading = read(document, media_type, reference)
    except Malformed as error:
        return _rejected(error.findings)
    judgement = judge(write_report(reading.entries), reference, today=today, rules_version=rules_version)
    judgement = replace(judgement, findings=tuple(_placed(finding, reading) for finding in judgement.findings))
    errors = tuple(finding for finding in reading.findings if finding.severity == "error")
    if errors:
        return replace(judgement, verdict="reject", facts=None, findings=(*errors, *judgement.findings))
    if judgement.facts is None:
        return judgement
    return replace(judgement, facts=_completed(judgement.facts, document, reading))


def _completed(facts: Facts, document: bytes, reading: Reading) -> Facts:
    """`facts`, read out of Code 10 entries, with the document they come from and the obligations it states."""
    facts = replace(facts, document_digest=document_digest(facts.mba, document))
    if not reading.unsaid:
        return facts
    entries = tuple(
        reading.unsaid[entry.number].complete(entry) if entry.number in reading.unsaid else entry
        for entry in facts.entries
    )
    said: list[Value] = [[entry.number, entry.to_value()] for entry in entries if entry.number in reading.unsaid]
    content = content_digest(facts.mba, facts.content_digest + encode(said))
    return replace(facts, entries=entries, content_digest=content)


def _placed(finding: Finding, reading: Reading) -> Finding:
    """`finding` with the lines and the field of the Euratom report in its text."""
    places = reading.places.get(finding.entry, ())
    where = [f"line {_span(places)}"] if places else []
    if tag := TAGS.get(finding.label):
        where.append(tag)
    return replace(finding, text=f"{finding.text} [{', '.join(where)}]") if where else finding


def _span(places: tuple[int, ...]) -> str:
    first, last = min(places), max(places)
    return str(first) if first == last else f"{first} to {last}"


def _rejected(findings: tuple[Finding, ...]) -> Judgement:
    return Judgement(verdict="reject", findings=findings, facts=None, country=None, mba=None, number=None)
