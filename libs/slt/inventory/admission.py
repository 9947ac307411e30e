"""Admission: fast feedback against final state, before anything is ordered (architecture section 4).

Only a conflict with final state refuses. What is pending never rejects: order decides, so a conflict with something
pending is admitted too. What is decided here binds nobody; evaluation judges again.
"""

from collections.abc import Container
from dataclasses import dataclass
from typing import Final, TypeAlias

from slt.inventory.judgement import Terms, judge, read_terms
from slt.inventory.reading import aliases_of_statement, keys_of_statement, keys_of_terms
from slt.inventory.state import Draft, NeedRecords, View
from slt.inventory.vetting import Vetted
from slt.reports.findings import Finding
from slt.statements.verdicts import TABLE, Code

Number: TypeAlias = tuple[str, str, int]  # State, MBA, report number

GOVERNANCE: Final[Number] = ("", "", 0)
"""A governance statement has no number, and none follows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Nothing in final state stands against it."""

    number: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Its number leaves a gap: `predecessor` is neither final nor on its way."""

    number: Number
    predecessor: Number
    findings: tuple[Finding, ...]  # what to say if the predecessor does not come


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Final state stands against it, and order cannot change that."""

    code: Code
    evidence: bytes | None
    findings: tuple[Finding, ...]  # those of vetting not included


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """It has its final verdict: the receipt is the answer."""


Admission: TypeAlias = Pass | Hold | Refuse | Again


def keys_admitted(vetted: Vetted) -> set[bytes]:
    """The records that `admit` reads, as far as the statement tells. Raises BadFacts."""
    keys = keys_of_statement(vetted, books=False)
    keys |= keys_of_terms()
    return keys


def admit(view: View, vetted: Vetted, *, next_height: int, time_ms: int, pending: Container[Number]) -> Admission:
    """Judge `vetted` against the final state `view` by this member's clock, for the block after it.

    `pending` are the numbers that this member passed on and that are not final yet. Raises NeedRecords, and BadFacts.
    """
    draft = Draft(view)
    return admit_on(draft, read_terms(draft), vetted, next_height=next_height, time_ms=time_ms, pending=pending)


def admit_on(
    draft: Draft, terms: Terms, vetted: Vetted, *, next_height: int, time_ms: int, pending: Container[Number]
) -> Admission:
    """The same, for one statement after another on one draft, which reads each record once. Writes nothing into it.

    `terms` are those of the draft.
    """
    if missing := aliases_of_statement(draft.parent, vetted, books=False):
        raise NeedRecords(missing)
    ruling = judge(draft, terms, vetted, height=next_height, time_ms=time_ms, more_may_come=True)
    if ruling.code is Code.DUPLICATE:
        return Again()
    if vetted.signature == "no key":
        return _refuse_unknown_key()
    conflicts = [(code, evidence) for code, evidence in ruling.failed if code is not Code.C02]
    if conflicts:
        code, evidence = conflicts[0]
        return Refuse(code=code, evidence=evidence, findings=ruling.findings)
    if vetted.change:
        return Pass(number=GOVERNANCE)
    facts = vetted.read_facts()
    assert facts is not None, "a report without facts fails"
    number = (facts.country, facts.mba, facts.number)
    predecessor = (facts.country, facts.mba, facts.number - 1)
    if not ruling.failed or predecessor in pending:
        return Pass(number=number)
    return Hold(number=number, predecessor=predecessor, findings=ruling.findings)


def _refuse_unknown_key() -> Refuse:
    """Registered or not by now: nobody has verified the signature, so nothing can be said about the statement."""
    row = TABLE[Code.KEY_UNKNOWN]
    text = f"The key was not registered when the signature was to be verified. {row.next_step}"
    unknown = Finding(rule=row.label, severity="error", entry="", label="", value="", expected="", text=text)
    return Refuse(code=Code.KEY_UNKNOWN, evidence=None, findings=(unknown,))
