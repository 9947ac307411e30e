"""Judging a document of any form: a Euratom report becomes entries first, and the same rules see it."""

from dataclasses import replace

from slt.reports.euratom.conversion import form_of, read
from slt.reports.euratom.declaration import Malformed
from slt.reports.facts import document_digest
from slt.reports.findings import Finding, Judgement
from slt.reports.judgement import judge
from slt.reports.labelled import write_report
from slt.reports.reference import Reference
from slt.statements.statement import CODE10

__all__ = ["form_of", "judge_as"]


def judge_as(document: bytes, media_type: str, reference: Reference) -> Judgement:
    """Judge `document` as a report in the form of `media_type`. Takes any bytes and never raises.

    The findings of the rules name entries and labels of Code 10; what is wrong with the form itself names lines and
    fields (`L/3`, `III.26`). The document digest of the facts is that of the bytes given, the content digest that of
    the entries: the same report in two forms has the same content.
    """
    if media_type == CODE10:
        return judge(document, reference)
    try:
        reading = read(document, media_type, reference)
    except Malformed as error:
        return _rejected(error.findings)
    judgement = judge(write_report(reading.entries), reference)
    errors = tuple(finding for finding in reading.findings if finding.severity == "error")
    if errors:
        return replace(judgement, verdict="reject", facts=None, findings=(*errors, *judgement.findings))
    if judgement.facts is None:
        return judgement
    facts = replace(judgement.facts, document_digest=document_digest(judgement.facts.mba, document))
    return replace(judgement, facts=facts)


def _rejected(findings: tuple[Finding, ...]) -> Judgement:
    return Judgement(verdict="reject", findings=findings, facts=None, country=None, mba=None, number=None)
