"""convert: one report in another form, and what that form cannot express."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from slt.client.errors import AnswerIsNo, WrongUse
from slt.client.folder import read_genesis
from slt.client.local.network import working_folder
from slt.client.output import Output
from slt.reports import Finding, Reference, Unreadable
from slt.reports.euratom import Malformed, NotExpressible, convert
from slt.reports.euratom.conversion import FORMS
from slt.reports.euratom.writing import Numbering
from slt.statements.statement import EURATOM

FINDING_NAMES: Final = ("rule", "severity", "entry", "label", "value", "expected", "text")


def convert_file(
    file: Path, *, to: str, earlier: Sequence[Path], genesis: Path | None, directory: Path, as_json: bool
) -> None:
    """The document goes to standard output, what is lost to standard error; with --json both are one object.

    Raises AnswerIsNo for a file that is no report, or that has errors; WrongUse for a form that there is not.
    """
    out = Output(as_json=as_json)
    if to not in FORMS:
        raise WrongUse(f"There is no form {to!r}: choose {', '.join(FORMS)}")
    ledger = read_genesis(genesis) if genesis is not None else working_folder(directory).genesis()
    reference = Reference.of(ledger.mbas, ledger.reference_version)
    numbering: dict[tuple[int, int], Sequence[int]] = {}
    for one in earlier:
        numbering |= _numbering(one, reference)
    try:
        made = convert(_read(file), FORMS[to], reference, earlier=numbering)
    except Malformed as error:
        _show(out, file, to, None, error.findings)
        raise AnswerIsNo(f"{file} is no report of its form: correct what is named") from None
    except (Unreadable, NotExpressible) as error:
        _show(out, file, to, None, ())
        raise AnswerIsNo(f"{file} cannot be converted: {error}") from None
    _show(out, file, to, made.document, made.findings)
    if any(finding.severity == "error" for finding in made.findings):
        raise AnswerIsNo("The report has errors: what was converted is not what it should say")


def _show(out: Output, file: Path, to: str, document: bytes | None, findings: Sequence[Finding]) -> None:
    text = None if document is None else document.decode("utf-8")
    rows = [dict(zip(FINDING_NAMES, finding.to_wire(), strict=True)) for finding in findings]
    out.objects([{"file": str(file), "to": to, "document": text, "findings": rows}])
    if out.as_json:
        return
    sys.stdout.write(text or "")
    sys.stdout.flush()
    for finding in findings:
        place = " ".join(filter(None, (finding.entry, finding.label)))
        back = f", comes back as {finding.expected}" if finding.expected else ""
        out.trouble(f"{finding.severity} {place}: {finding.value or 'nothing'}{back}. {finding.text}")


def _numbering(file: Path, reference: Reference) -> Numbering:
    """The lines of an earlier Code 10 report, which a correction names."""
    try:
        numbering = convert(_read(file), EURATOM, reference).numbering
    except (Malformed, Unreadable, NotExpressible) as error:
        raise WrongUse(f"{file} is no earlier report with lines: {error}") from None
    if not numbering:
        raise WrongUse(f"{file} is not in Code 10: name the earlier report as it was before it was converted")
    return numbering


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise WrongUse(f"{file}: {error.strerror}") from None
