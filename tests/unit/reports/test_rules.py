"""Every rule both ways: documents that break it, and documents that come close and keep it (cases.py)."""

import re
from typing import Final

import pytest

from slt.reports import judge
from slt.reports.rules.registry import registered
from slt.statements.verdicts import code_of_rule
from tests.unit.reports import cases, cases_of_entries, cases_of_reports
from tests.unit.reports.cases import Case
from tests.unit.reports.samples import (
    REFERENCE,
    changed,
    document,
    entries,
    errors,
    everywhere,
    reference_with,
    warnings,
)

WARNINGS: Final = {"V25", "V30", "V33", "V34", "V35", "V37", "V38", "V39", "V54", "V59"}
"""Rules of severity F in reports.md section 3; all others reject."""

RULES: Final = {
    *(f"V{number:02}" for number in range(1, 17)),
    *(f"V{number}" for number in range(20, 40)),
    *(f"V{number}" for number in range(50, 62)),
}
"""Of Code 10. V62 is about Euratom's own forms."""

BROKEN: Final = [*cases.BROKEN, *cases_of_entries.BROKEN, *cases_of_reports.BROKEN]
FLAGGED: Final = [*cases_of_entries.FLAGGED, *cases_of_reports.FLAGGED]
SOUND: Final = [*cases.SOUND, *cases_of_entries.SOUND, *cases_of_reports.SOUND]


def _name(case: Case) -> str:
    return f"{case.rule} {case.sentence}"


@pytest.mark.parametrize("case", BROKEN, ids=_name)
def test_a_document_that_breaks_the_rule_is_rejected_with_it(case: Case) -> None:
    assert case.rule in errors(case.data, today=case.today)


@pytest.mark.parametrize("case", FLAGGED, ids=_name)
def test_a_document_that_is_doubtful_by_the_rule_is_accepted_with_a_warning(case: Case) -> None:
    judgement = judge(case.data, REFERENCE, today=case.today)
    assert errors(case.data, today=case.today) == set()
    assert judgement.verdict == "flag" and judgement.facts is not None
    assert case.rule in warnings(case.data, today=case.today)


@pytest.mark.parametrize("case", SOUND, ids=_name)
def test_a_document_that_keeps_the_rule_is_not(case: Case) -> None:
    assert errors(case.data, today=case.today) == set()
    assert case.rule not in warnings(case.data, today=case.today)


@pytest.mark.parametrize("case", [*BROKEN, *FLAGGED], ids=_name)
def test_a_finding_says_what_is_wrong_and_what_to_do(case: Case) -> None:
    for finding in judge(case.data, REFERENCE, today=case.today).findings:
        assert re.fullmatch(r"|[0-9]{3}", finding.label)
        assert re.fullmatch(r"|(OI|NC)/[0-9]+", finding.entry)
        assert len(finding.text) > 30 and finding.text.endswith(".")
        assert "#" in finding.text or len(finding.text.split(".")) > 2, "one sentence what is wrong, one what to do"
        assert len(finding.value) <= 61
        assert finding.value.isprintable() and finding.expected.isprintable()


def test_every_rule_is_registered_and_has_cases_both_ways() -> None:
    assert {rule.id for rule in registered()} - {"V62"} == RULES
    assert {case.rule for case in BROKEN} | {case.rule for case in FLAGGED} == RULES
    assert {case.rule for case in SOUND} == RULES


def test_every_rule_has_the_severity_of_the_specification() -> None:
    assert {rule.id for rule in registered() if rule.severity == "warning"} - {"V29"} == WARNINGS
    assert {case.rule for case in BROKEN} == RULES - WARNINGS | {"V25"}
    assert {case.rule for case in FLAGGED} == WARNINGS | {"V24", "V26"}


def test_every_rule_names_the_specification_and_has_a_verdict_code() -> None:
    for rule in registered():
        assert rule.reference.startswith("reports.md")
        assert rule.sentence.endswith(".")
        assert code_of_rule(rule.id)


def test_a_type_that_is_not_in_the_form_is_one_finding_an_entry() -> None:
    findings = judge(everywhere("XLR1-41", _010="X"), REFERENCE).findings
    assert [(finding.rule, finding.entry) for finding in findings] == [("V12", f"OI/{at}") for at in range(1, 5)]


@pytest.mark.parametrize("name", ["XLR1-41", "XLR1-43", "XLR1-44", "XLR1-45", "XLF1-102", "XLF1-109", "XLT1-9"])
@pytest.mark.parametrize("weight", ["X", "1,5", "1"])
def test_a_weight_that_cannot_be_read_is_one_finding(name: str, weight: str) -> None:
    at = next(label for label in ("630", "700", "610") if label in entries(name)[0])
    findings = judge(changed(name, 0, **{f"_{at}": weight}), REFERENCE).findings
    assert [(finding.rule, finding.label) for finding in findings] == [("V10", at)]


def test_another_encoder_is_a_warning() -> None:
    data = changed("XLR1-41", 2, _006="ROE,R")
    assert errors(data) == set()
    assert warnings(data) == {"V51"}
    judgement = judge(data, REFERENCE)
    assert judgement.verdict == "flag"
    assert judgement.facts is not None


def test_a_measurement_point_may_serve_flow_and_inventory() -> None:
    both = reference_with("XLR1", inventory_kmps=("A", "B", "C", "3"))
    assert judge(document("XLR1-41"), both).findings == ()


def test_an_unknown_measurement_point_is_one_finding() -> None:
    assert [finding.rule for finding in judge(changed("XLR1-41", 0, _407="9"), REFERENCE).findings] == ["V15"]


@pytest.mark.parametrize(
    ("element", "isotope", "text"),
    [
        ("-550G", "24G", "The isotope has the other sign"),
        ("550G", "-24G", "The isotope has the other sign"),
        ("5G", "24G", "There is more of the isotope"),
        ("0G", "24G", "There is more of the isotope"),
        ("-5G", "-24G", "There is more of the isotope"),
    ],
)
def test_a_difference_says_what_is_unusual_about_its_isotope(element: str, isotope: str, text: str) -> None:
    [finding] = judge(changed("XLF1-102", 0, _630=element, _670=isotope), REFERENCE).findings
    assert (finding.rule, finding.severity, finding.label, finding.value) == ("V24", "warning", "670", isotope)
    assert finding.text.startswith(text) and "That can be so in a difference" in finding.text


def test_a_slip_of_the_unit_is_one_finding() -> None:
    data = changed("XLR1-42", 1, _670="20235K")
    assert [(finding.rule, finding.label) for finding in judge(data, REFERENCE).findings] == [("V11", "670")]


def test_every_problem_of_a_report_is_reported() -> None:
    data = (
        document("XLR1-42")
        .replace(b"#447:FB25-01#", b"#", 1)
        .replace(b"630:459880G", b"630:459.88K", 1)
        .replace(b"B/Q/2/F#446:FB25-03", b"0/Q/2/F#446:FB25-03", 1)
        .replace(b"002:4#", b"002:5#", 1)
    )
    found = {(finding.rule, finding.entry, finding.label) for finding in judge(data, REFERENCE).findings}
    assert found == {
        ("V20", "OI/1", "447"),
        ("V11", "OI/2", "630"),
        ("V06", "OI/3", "430"),
        ("V12", "OI/3", "430"),
        ("V50", "OI/5", "002"),
    }
