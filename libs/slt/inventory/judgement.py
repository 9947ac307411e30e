"""What becomes of one statement: the checks in the order of formats.md; the first that fails gives the code.

Evaluation and admission judge with the same function; they differ in the state that they look at, in the clock, and in
what admission leaves to order. A check that cannot be made (an unknown key has no role) is not made. Stateful rules are
asked only when everything before them holds, so that nobody learns about an area that is not his.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final

from slt.inventory import governance
from slt.inventory.authorisation import Failed, failures
from slt.inventory.case import Case
from slt.inventory.governance import Moment
from slt.inventory.keys import Kind, key
from slt.inventory.records import find_head
from slt.inventory.registry import find_ledger, find_mba
from slt.inventory.rules import Conflict, Rule, asked, finding
from slt.inventory.state import Draft
from slt.inventory.vetting import Vetted
from slt.merkle.hashing import Digest
from slt.reports.dates import day_anywhere
from slt.reports.facts import Facts
from slt.reports.findings import Finding
from slt.reports.profiles import profile_of
from slt.statements.cbor import encode
from slt.statements.registry import PARAMETERS, Mba
from slt.statements.tags import list_root
from slt.statements.verdicts import TABLE, Code, is_final

CONFLICTS_MAX: Final = 100  # findings of one stateful rule: enough to correct a report by, however much it refers to


VERSIONS: Final = ("rules_version", "reference_version")
TERMS: Final = (*sorted((*PARAMETERS, *VERSIONS)),)
"""The records of Kind.PARAMETER, by name: what `parameters_root` covers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the state says about judging: parameters and versions."""

    values: Mapping[str, int]
    """By name, all of TERMS, in order."""
    oldest_iat: int
    """Seconds; see LedgerRecord."""

    @property
    def skew_s(self) -> int:
        return self.values["skew_s"]

    @property
    def submission_window_s(self) -> int:
        return self.values["submission_window_s"]

    @property
    def versions(self) -> tuple[int, int]:
        """Of the rule set and of the reference data."""
        return self.values["rules_version"], self.values["reference_version"]

    @property
    def parameters_root(self) -> Digest:
        return _parameters_root(tuple(self.values.items()))

    def expiry_limit_s(self, time_ms: int) -> int:
        """Statements with an iat below this leave the state in a block of `time_ms`: it exceeds iat + window."""
        return -(-(time_ms - self.submission_window_s * 1000) // 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What becomes of one statement, and why. The first failed check gives code and evidence."""

    failed: tuple[tuple[Code, bytes | None], ...] = ()
    """Every check that fails, in order, with the statement that it points at. None: accepted."""
    findings: tuple[Finding, ...] = ()
    """Of this judgement; those of vetting come before them."""
    case: Case | None = None
    """Of a statement that the stateful rules were asked about."""

    @property
    def code(self) -> Code:
        return self.failed[0][0] if self.failed else Code.ACCEPTED

    @property
    def evidence(self) -> bytes | None:
        return self.failed[0][1] if self.failed else None

    @property
    def final(self) -> bool:
        return is_final(self.code)


def read_terms(draft: Draft) -> Terms:
    """Raises NeedRecords."""
    return Terms(values={name: _parameter(draft, name) for name in TERMS}, oldest_iat=find_ledger(draft).oldest_iat)


def judge(
    draft: Draft, terms: Terms, vetted: Vetted, *, height: int, time_ms: int, more_may_come: bool = False
) -> Ruling:
    """Judge `vetted` against the state as `draft` has it now, for the block of `height`. Raises NeedRecords.

    `more_may_come`: see Case.
    """
    failed = tuple(_before_rules(draft, terms, vetted, height, time_ms))
    if failed or vetted.change:
        return _ruling(*failed)
    if vetted.no_facts:
        return Ruling(failed=((Code(vetted.no_facts), None),), findings=_why_no_facts(vetted))
    facts = vetted.read_facts()
    assert facts is not None, "facts are there exactly when no_facts is 0"
    mba = find_mba(draft, facts.country, facts.mba)
    if mba is None:
        return _ruling(Failed(Code.V15, f"The area {facts.country}/{facts.mba} is not in the reference data."))
    if (early := _dated_ahead(facts, mba, time_ms)) is not None:
        return _ruling(early)
    return _ask_rules(
        Case.of(
            draft,
            statement_id=vetted.statement_id,
            facts=facts,
            mba=mba,
            head=find_head(draft, facts.country, facts.mba),
            time_ms=time_ms,
            more_may_come=more_may_come,
        ),
        terms.versions[0],
    )


def _before_rules(draft: Draft, terms: Terms, vetted: Vetted, height: int, time_ms: int) -> Iterator[Failed]:
    if draft.get(key(Kind.SPENT, vetted.statement_id)) is not None:
        yield Failed(Code.DUPLICATE, "This statement has its final verdict already.")
        return
    earliest, latest = (vetted.iat - terms.skew_s) * 1000, (vetted.iat + terms.submission_window_s) * 1000
    if vetted.iat < terms.oldest_iat:
        yield Failed(
            Code.OUT_OF_WINDOW,
            "The ledger remembers no verdicts of statements as old as this one (seconds since 1970).",
            value=str(vetted.iat),
            expected=f"{terms.oldest_iat} or later",
        )
    elif not earliest <= time_ms <= latest:
        yield Failed(
            Code.OUT_OF_WINDOW,
            "The statement can be ordered only within its window (milliseconds since 1970).",
            value=str(time_ms),
            expected=f"{earliest} to {latest}",
        )
    if vetted.change:
        moment = Moment(height=height, time_ms=time_ms, activation_blocks=terms.values["activation_blocks"])
        yield from governance.failures(draft, vetted, moment)
    else:
        yield from failures(draft, vetted)


def _dated_ahead(facts: Facts, mba: Mba, time_ms: int) -> Failed | None:
    """V32, by the block's time: what validation asks of its own clock at the door, and members cannot agree about."""
    if profile_of(mba.profile).rulings.get("V32", "error") != "error":
        return None
    today = day_anywhere(time_ms / 1000)
    if facts.date <= today:
        return None
    text = "The report is dated after the day on which it is ordered."
    return Failed(Code.V32, text, value=facts.date, expected=f"{today} or earlier")


def _ask_rules(case: Case, version: int) -> Ruling:
    """Every rule says what it has to say, in order; those about the books only where the books are meant."""
    failed: list[tuple[Code, bytes | None]] = []
    found: list[Finding] = []
    for references in (True, False):
        if not references and (failed or case.facts.number != case.last_number + 1):
            break
        for rule, check in asked(case.facts.kind, references=references, profile=case.mba.profile, version=version):
            if case.more_may_come and rule.severity == "warning":
                continue  # admission refuses or passes on; flags come with the verdict
            conflicts = list(islice(check(case), CONFLICTS_MAX))
            if not conflicts:
                continue
            found.extend(finding(conflict, rule) for conflict in conflicts)
            errors = [conflict for conflict in conflicts if _severity(conflict, rule) == "error"]
            if errors:
                failed.append((rule.code, errors[0].evidence))
    return Ruling(failed=tuple(failed), findings=tuple(found), case=case)


def _ruling(*failed: Failed) -> Ruling:
    return Ruling(failed=tuple((one.code, one.evidence) for one in failed), findings=tuple(map(_finding, failed)))


def _severity(conflict: Conflict, rule: Rule) -> str:
    return conflict.severity or rule.severity


def _why_no_facts(vetted: Vetted) -> tuple[Finding, ...]:
    """Validation names the rules that a document breaks; a body that is not there breaks none."""
    row = TABLE[Code(vetted.no_facts)]
    if any(rule == row.label for rule, *_ in vetted.findings):
        return ()
    return (_finding(Failed(row.code, f"There is nothing to judge: {row.name}.")),)


def _finding(failed: Failed) -> Finding:
    row = TABLE[failed.code]
    return Finding(
        rule=row.label,
        severity="error",
        entry="",
        label="",
        value=failed.value,
        expected=failed.expected,
        text=f"{failed.text} {row.next_step}",
    )


@lru_cache(maxsize=16)
def _parameters_root(pairs: tuple[tuple[str, int], ...]) -> Digest:
    return list_root("parameters", [encode(pair) for pair in pairs])


def _parameter(draft: Draft, name: str) -> int:
    value = draft.get(key(Kind.PARAMETER, name))
    assert value is not None, f"the state has the parameter {name} from genesis on"
    number: int = value[0]
    return number
