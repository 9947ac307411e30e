"""What validation decides about one verified submission: pure. Start here.

The document is judged by the rules of slt.reports; then rule A06 ties it to the statement: it must be the report that
the statement names, of the area that it was submitted for, in the format that the statement says.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from services.validation.terms import Judge
from slt.reports import Finding, Judgement, Reference
from slt.reports.euratom import form_of, judge_as
from slt.reports.limits import with_errors
from slt.statements.cbor import DecodeError
from slt.statements.statement import Statement, split_body, subject_of
from slt.statements.verdicts import TABLE, Code, code_of_rule, facts_salt, findings_salt, place_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Vetting:
    """What was found out about one submission."""

    judgement: Judgement
    """With the findings of A06. Its facts go on; None when the submission is refused."""
    facts_salt: bytes
    findings_salt: bytes

    @property
    def no_facts(self) -> int:
        """Why there are no facts: the verdict code of the first failing check in formats.md's order. 0: there are."""
        if self.judgement.facts is not None:
            return Code.ACCEPTED
        codes = [code for finding in self.judgement.findings if (code := _code(finding)) is not None]
        return min(codes, key=place_of, default=Code.BODY_WRONG)


def vet(
    statement: Statement,
    body: bytes,
    *,
    state: str,
    mba: str,
    reference: Reference,
    judge: Judge = judge_as,
    today: str | None = None,
) -> Vetting:
    """Judge the body of a verified statement that came on the subject of `state` and `mba`.

    `judge` is the rule set. `today`: see slt.reports.judge.
    """
    try:
        salt, document = split_body(body)
    except DecodeError as error:
        return refused_unread(statement, str(error))
    form = form_of(document)
    judgement = judge(document, form, reference, today=today)
    errors = tuple(as_stated(statement, salt, judgement, form=form, state=state, mba=mba))
    return Vetting(
        judgement=with_errors(judgement, errors),
        facts_salt=facts_salt(salt, statement.id),
        findings_salt=findings_salt(salt, statement.id),
    )


def refused_unread(statement: Statement, why: str) -> Vetting:
    """The body cannot be opened: nothing of it is judged."""
    row = TABLE[Code.BODY_WRONG]
    finding = Finding(
        rule=row.label,
        severity="error",
        entry="",
        label="",
        value="",
        expected="salt and document",
        text=f"The body cannot be read: {why}. {row.next_step}",
    )
    judgement = Judgement(verdict="reject", findings=(finding,), facts=None, country=None, mba=None, number=None)
    return Vetting(judgement=judgement, facts_salt=b"", findings_salt=findings_salt(b"", statement.id))


def as_stated(
    statement: Statement, salt: bytes, judgement: Judgement, *, form: str, state: str, mba: str
) -> Iterator[Finding]:
    """A06: the document is what the statement says. What cannot be read of it, the V rules speak about.

    `form` is the media type of the form that the document was judged as.
    """
    if statement.media_type != form:
        yield _not_as_stated(
            form,
            statement.media_type,
            "The document is not in the format that the statement names. Submit the file again: that makes a new "
            "statement.",
        )
        return
    area = f"{judgement.country}/{judgement.mba}"
    readable = judgement.country is not None and judgement.mba is not None
    if readable and area != f"{state}/{mba}":
        yield _not_as_stated(
            area,
            f"{state}/{mba}",
            "The report is of another area than the one it was submitted for. Submit it for its own area, as an "
            "identity that reports for it.",
        )
    elif readable and judgement.number is not None:
        report = f"{area}/{judgement.number}"
        if statement.sub != subject_of(salt, report):
            yield _not_as_stated(
                report,
                "the report that the statement names",
                "The statement names another report than the file holds. Submit the file again: that makes a new "
                "statement.",
            )


def _not_as_stated(value: str, expected: str, text: str) -> Finding:
    return Finding(rule="A06", severity="error", entry="", label="", value=value, expected=expected, text=text)


def _code(finding: Finding) -> Code | None:
    if finding.severity != "error":
        return None
    try:
        return code_of_rule(finding.rule)
    except KeyError:
        return None  # A limit of this ledger: no verdict is given for it.
