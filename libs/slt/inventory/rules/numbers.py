"""Report numbers and documents: a number is used once and without gaps, and a document is reported once."""

from collections.abc import Iterator

from slt.inventory.case import Case
from slt.inventory.keys import Kind, key
from slt.inventory.records import find_report
from slt.inventory.rules.registry import Conflict, rule


@rule("C01", "reports.md 3.4", references=True)
def number_not_used(case: Case) -> Iterator[Conflict]:
    """The report number is not used.

    Numbers up to the last one before the ledger began are used too, though no statement here used them.
    """
    facts = case.facts
    report = find_report(case.draft, facts.country, facts.mba, facts.number)
    if report is None and facts.number > case.last_number:
        return
    by = "before this ledger began" if report is None else f"by statement {report.statement_id.hex()}"
    yield Conflict(
        f"Number {facts.number} of {facts.mba} is used {by}. If that report says the same, there is nothing to do; "
        f"otherwise correct the number (the next is {case.last_number + 1}) and sign a new statement.",
        label="001",
        value=str(facts.number),
        expected=str(case.last_number + 1),
        evidence=None if report is None else report.statement_id,
    )


@rule("C02", "reports.md 3.4; SG-FM-1172 label 001", references=True)
def number_follows(case: Case) -> Iterator[Conflict]:
    """The report number is the last one of the area plus one.

    Its verdict is void: the number and the statement stay free for the time when the gap is filled.
    """
    facts = case.facts
    if facts.number > case.last_number + 1:
        yield Conflict(
            f"Number {facts.number} of {facts.mba} leaves a gap: the last report is {case.last_number}. Submit "
            f"{case.last_number + 1} first, then this one again: neither its number nor the statement is used up.",
            label="001",
            value=str(facts.number),
            expected=str(case.last_number + 1),
        )


@rule("C03", "reports.md 3.4", references=True)
def document_is_new(case: Case) -> Iterator[Conflict]:
    """The document was not accepted for this area before.

    This is about a new statement over an old document; the same statement again is a duplicate and does not come here.
    A document holds its number, so it can only come again under the number that it has.
    """
    facts = case.facts
    first = find_report(case.draft, facts.country, facts.mba, facts.number)
    if first is not None and first.document_digest == facts.document_digest:
        yield Conflict(
            f"This document of {facts.mba} was accepted before, as statement {first.statement_id.hex()}: the receipt "
            f"of that one is the answer. For another report, number it {case.last_number + 1} and sign "
            "a new statement.",
            label="001",
            value=str(facts.number),
            expected=str(case.last_number + 1),
            evidence=first.statement_id,
        )


@rule("C04", "reports.md 3.4", severity="warning")
def content_is_new(case: Case) -> Iterator[Conflict]:
    """No earlier report of this area says the same under another number and date."""
    facts = case.facts
    first = case.draft.get(key(Kind.CONTENT, facts.country, facts.mba, facts.content_digest))
    if first is not None:
        (number,) = first
        yield Conflict(
            f"Report {number} of {facts.mba} says the same but for its number and date. If this one was sent by "
            "mistake, delete its entries (309 D) in the next report.",
            label="001",
            value=str(facts.number),
            expected=str(number),
        )
