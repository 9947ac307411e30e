"""What people and programs are shown about a report: its answer, where it stands, what to do next, the findings."""

from collections.abc import Iterator
from typing import Any, Final

from slt.client.folder import Folder
from slt.client.outbox import Entry, Outbox
from slt.client.submission import Checked
from slt.reports import Finding
from slt.reports.answer import answer
from slt.statements.receipts import parse_receipt
from slt.statements.refusals import Refusal, parse_refusal
from slt.statements.verdicts import TABLE, Code, code_of_rule

_WAITING: Final = (
    "It is kept here and sent until it is answered: `slt submit` goes on, `slt trace ID` says what blocks it."
)


def answer_columns() -> tuple[str, ...]:
    """Of answer_row. "#" marks numbers."""
    return ("file", "MBA", "number#", "answer", "height#", "index#", "statement", "what to do next")


def answer_row(row: Entry, outbox: Outbox) -> tuple[str, ...]:
    return (
        row.file,
        row.mba,
        str(row.number) if row.mba else "",
        _answer(row, outbox),
        "" if row.height is None else str(row.height),
        "" if row.log_index is None else str(row.log_index),
        row.statement_id.hex()[:12],
        next_step(row, outbox),
    )


def answer_object(row: Entry, outbox: Outbox, folder: Folder) -> dict[str, Any]:
    refusal = refusal_of(row, outbox)
    return {
        "file": row.file,
        "state": row.state,
        "mba": row.mba,
        "number": row.number,
        "identity": row.identity,
        "statement": row.statement_id.hex(),
        "submission": row.submission_id.hex(),
        "answer": row.standing,
        "code": row.code,
        "stage": None if refusal is None else refusal.stage,
        "height": row.height,
        "index": row.log_index,
        "attempts": row.attempts,
        "receipt": str(folder.receipt_file(row.statement_id)) if row.code is not None else None,
        "findings": [_finding_object(finding) for finding in findings_of(row, outbox, folder)],
        "next": next_step(row, outbox),
    }


def next_step(row: Entry, outbox: Outbox) -> str:
    """What the author does now, in one or two sentences."""
    if row.code is not None:
        step = TABLE[Code(row.code)].next_step
        return step if row.code == Code.ACCEPTED else f"{step} An unchanged file needs `slt submit --new`."
    refusal = refusal_of(row, outbox)
    if refusal is None:
        return _WAITING
    codes = [_code(finding.rule) for finding in _findings(refusal) if finding.severity == "error"]
    known = [code for code in codes if code is not None]
    return (
        TABLE[min(known, key=list(TABLE).index)].next_step
        if known
        else "Read the findings, correct the file and submit it again."
    )


def refusal_of(row: Entry, outbox: Outbox) -> Refusal | None:
    """The newest refusal of a row that has no receipt."""
    if row.standing != "refused":
        return None
    kept = outbox.refusals(row.submission_id)
    return parse_refusal(kept[0].refusal) if kept else None


def findings_of(row: Entry, outbox: Outbox, folder: Folder | None = None) -> list[Finding]:
    """What was found: with text by whoever refused it; of a receipt (read from `folder`) rule and place only."""
    refusal = refusal_of(row, outbox)
    if refusal is not None:
        return _findings(refusal)
    if row.code is None or folder is None:
        return []
    try:
        receipt = parse_receipt(folder.receipt_file(row.statement_id).read_bytes())
    except FileNotFoundError:
        return []
    rows = receipt.findings[1] if receipt.findings is not None else []
    return [_finding(rule, severity, entry, label, "", "", _title(rule)) for rule, severity, entry, label in rows]


def finding_rows(checked: Checked) -> Iterator[tuple[str, ...]]:
    """Of a check before signing: file and the seven parts of each finding."""
    for finding in checked.judgement.findings:
        yield (checked.file, *finding.to_wire())


def check_object(checked: Checked) -> dict[str, Any]:
    """The object of `slt check --json`, the same as that of POST /v1/check."""
    return dict(answer(checked.file, checked.judgement))


def _answer(row: Entry, outbox: Outbox) -> str:
    if row.standing == "rejected" and row.code is not None:
        return f"rejected: {TABLE[Code(row.code)].label}"
    refusal = refusal_of(row, outbox)
    if refusal is not None:
        rules = sorted({finding.rule for finding in _findings(refusal)})
        return f"refused: {' '.join(rules)} by {refusal.stage}"
    return row.standing


def _findings(refusal: Refusal) -> list[Finding]:
    return [_finding(*parts) for parts in refusal.findings]


def _finding(rule: str, severity: str, entry: str, label: str, value: str, expected: str, text: str) -> Finding:
    return Finding(
        rule=rule,
        severity="error" if severity == "error" else "warning",
        entry=entry,
        label=label,
        value=value,
        expected=expected,
        text=text,
    )


def _finding_object(finding: Finding) -> dict[str, str]:
    names = ("rule", "severity", "entry", "label", "value", "expected", "text")
    return dict(zip(names, finding.to_wire(), strict=True))


def _code(rule: str) -> Code | None:
    """The code of a rule, or of a check that no rule is behind, by its name."""
    try:
        return code_of_rule(rule)
    except KeyError:
        return next((row.code for row in TABLE.values() if row.label == rule), None)


def _title(rule: str) -> str:
    code = _code(rule)
    return "" if code is None else TABLE[code].name
