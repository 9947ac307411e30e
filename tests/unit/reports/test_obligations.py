"""Safeguards obligations of Euratom reports (fields 30 and 32): what the facts keep, and what is refused."""

from dataclasses import replace

import pytest

from slt.reports import parse_facts
from slt.reports.euratom.judging import judge_as
from slt.reports.facts import Facts, Share
from slt.statements.statement import EURATOM
from tests.unit.reports.samples import REFERENCE
from tests.unit.reports.test_euratom_conversion import euratom, line

HALF = {630: 1_000_000, 670: 9_000}


def facts_of(*lines: str) -> Facts:
    judged = judge_as(euratom(*lines), EURATOM, REFERENCE)
    assert judged.facts is not None, judged.findings
    assert parse_facts(judged.facts.encoded) == judged.facts
    return judged.facts


def fissile(made: str) -> str:
    return made + "ISOTOPE:G#FISSILE WEIGHT:9#"


def rules(*lines: str) -> set[str]:
    return {one.rule for one in judge_as(euratom(*lines), EURATOM, REFERENCE).findings if one.severity == "error"}


def test_an_entry_holds_its_weights_by_obligation() -> None:
    [entry] = facts_of(
        fissile(line("LA", items="1", obligation="S")), fissile(line("LA", obligation="P")), fissile(line("LA"))
    ).entries
    assert dict(entry.weights)[630] == 3_000_000
    shares = ((630, 1_000_000), (670, 9_000))
    assert entry.obligations == (Share("P", "", shares), Share("S", "", shares))
    assert entry.obligation == ""


def test_one_obligation_is_that_of_the_entry() -> None:
    [entry] = facts_of(fissile(line("LA", items="1", obligation="PS"))).entries
    assert (entry.obligation, entry.previous_obligation) == ("PS", "")


def test_a_change_of_obligation_is_an_entry_of_the_facts_and_names_both() -> None:
    [entry] = facts_of(fissile(line("BR", obligation="S", previous_obligation="P"))).entries
    assert (entry.status, entry.code, entry.date, entry.batch) == ("N", "BR", "20250305", "B1")
    assert (entry.obligation, entry.previous_obligation) == ("S", "P")
    assert entry.weights == tuple(HALF.items())


def test_a_change_of_obligation_is_corrected_and_deleted_as_any_entry_is() -> None:
    deleted = "CORRECTION:D#PREVIOUS REPORT:101#PREVIOUS ENTRY:1#"
    [gone] = facts_of(deleted).entries
    assert (gone.status, gone.target, gone.obligations) == ("D", (101, 1), ())
    made = CHANGE + "CORRECTION:A#PREVIOUS REPORT:101#PREVIOUS ENTRY:1#"
    [entry] = facts_of(deleted, made).entries
    assert (entry.status, entry.target, entry.code) == ("C", (101, 1), "BR")


def test_reports_that_differ_in_obligations_only_differ_in_content() -> None:
    one, other = (facts_of(fissile(line("LA", items="1", obligation=obligation))) for obligation in ("P", "S"))
    assert one.content_digest != other.content_digest
    assert replace(one, content_digest=other.content_digest).entries[0].weights == other.entries[0].weights


CHANGE = fissile(line("BR", obligation="S", previous_obligation="P"))


@pytest.mark.parametrize(
    ("written", "instead", "rule"),
    [
        ("ELEMENT WEIGHT:1000#", "", "V27"),
        ("ELEMENT WEIGHT:1000#", "ELEMENT WEIGHT:-1000#", "V27"),
        ("ACCOUNTING DATE:05032025#", "", "V04"),
        ("ACCOUNTING DATE:05032025#", "ACCOUNTING DATE:05042025#", "V31"),
        ("BATCH:B1#", f"BATCH:{'A' * 17}#", "V07"),
        ("MATERIAL FORM:PH#", "MATERIAL FORM:XX#", "V12"),
    ],
)
def test_a_change_of_obligation_that_says_half_is_refused(written: str, instead: str, rule: str) -> None:
    assert written in CHANGE
    assert rules(CHANGE) == set()
    assert rules(CHANGE.replace(written, instead)) == {rule}


def test_more_than_the_ledger_can_hold_under_one_obligation_is_refused() -> None:
    """The sum of all obligations is small enough, so no rule about the entry speaks."""
    large = "999999999999999"
    rows = [
        fissile(line("DI", category="L", obligation="P", weight=large)),
        fissile(line("DI", category="H", items="1", obligation="P", weight=large)),
        fissile(line("DI", category="L", obligation="S", weight=f"-{large}")),
    ]
    assert rules(*rows) == {"V10"}


def test_more_obligations_than_an_entry_can_have_are_refused() -> None:
    many = [fissile(line("LA", items="1", obligation=f"{a}{b}")) for a in "ABCDEFG" for b in "ABCDE"]
    assert rules(*many) == {"V62"}
