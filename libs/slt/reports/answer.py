"""What a check tells its user: one object, the same from `slt check --json` and from POST /v1/check."""

from typing import TypedDict

from slt.reports.findings import Finding, Judgement, Outcome, Severity


class FindingAnswer(TypedDict):
    rule: str
    severity: Severity
    entry: str
    label: str
    value: str
    expected: str
    text: str


class Answer(TypedDict):
    """`verdict`: ok without findings, flag with warnings only, reject with an error."""

    file: str
    verdict: Outcome
    findings: list[FindingAnswer]


def answer(file: str, judgement: Judgement) -> Answer:
    """`file` is the name that the user gave the document, "" for none."""
    return Answer(file=file, verdict=judgement.verdict, findings=[_finding(finding) for finding in judgement.findings])


def _finding(finding: Finding) -> FindingAnswer:
    return FindingAnswer(
        rule=finding.rule,
        severity=finding.severity,
        entry=finding.entry,
        label=finding.label,
        value=finding.value,
        expected=finding.expected,
        text=finding.text,
    )
