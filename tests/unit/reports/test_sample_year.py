"""The sample year is coherent: no errors, and the balances of reports.md section 8 to the gram."""

from collections import defaultdict
from collections.abc import Iterator

import pytest

from slt.reports import Facts, judge, parse_facts, read_report, write_report
from slt.reports.openings import opening_from_csv
from slt.reports.signs import book_changes
from tests.unit.reports.samples import FOLDER, NAMES, REFERENCE, YEAR, document, world

G = 1_000  # milligrams

Sums = dict[int, int]

# MBA, label: PB, net change without DI, DI, PE, MF in grams (reports.md 8, table "Balances").
BALANCES = [
    ("XLR1", 45, 630, 5_409_500, 1_840_010 - 110_350 - 1_729_500, 0, 5_409_660, 0),
    ("XLR1", 45, 670, 175_711, 80_960 - 67_158 - 13_791, 0, 175_722, 0),
    ("XLR1", 45, 700, 18_425, 18_408 - 18_425, 0, 18_408, 0),
    ("XLF1", 109, 630, 1_855_400, 3_061_050 - 1_840_010 - 920_150 - 1_250 - 2_100, 550, 2_151_971, 418),
    ("XLF1", 109, 670, 81_638, 134_686 - 80_960 - 40_486 - 54 - 92, 24, 94_689, 18),
    ("XLS1", 24, 630, 1_729_750, 1_729_500, 0, 3_459_250, 0),
    ("XLS1", 24, 670, 13_820, 13_791, 0, 27_611, 0),
    ("XLS1", 24, 700, 18_398, 18_425, 0, 36_823, 0),
]


def test_the_year_has_18_reports_and_101_entries() -> None:
    assert len(YEAR) == 18
    assert sum(len(read_report(document(name))) for name in YEAR) == 101


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_has_no_error(name: str) -> None:
    judgement = judge(document(name), REFERENCE)
    assert [finding for finding in judgement.findings if finding.severity == "error"] == []
    assert judgement.facts is not None
    assert f"{judgement.mba}-{judgement.number}" == name


WARNINGS: dict[str, list[str]] = {}
"""Sample -> rules that warn. None: section 8 leads one to expect flags of the C rules only (C16 of XLT1-9, C27 of
XLR1-46), and the samples are in time, within their months, and weighed as their facilities do."""


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_has_the_warnings_that_the_design_leads_one_to_expect(name: str) -> None:
    judgement = judge(document(name), REFERENCE, today="20260210")
    assert [finding.rule for finding in judgement.findings] == WARNINGS.get(name, [])
    assert judgement.verdict == ("flag" if name in WARNINGS else "ok")


def test_there_are_25_samples() -> None:
    assert len(NAMES) == 25


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_in_canonical_form(name: str) -> None:
    assert write_report(read_report(document(name))) == document(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_facts_of_a_sample_round_trip(name: str) -> None:
    facts = judge(document(name), REFERENCE).facts
    assert facts is not None
    assert parse_facts(facts.encoded) == facts


@pytest.mark.parametrize("mba", ["XLR1", "XLF1", "XLS1", "XLT1"])
def test_an_opening_inventory_is_the_beginning_of_its_balance(mba: str) -> None:
    sums = _opening(mba)
    expected = {label: beginning * G for area, _, label, beginning, *_ in BALANCES if area == mba}
    assert sums == expected


@pytest.mark.parametrize(
    ("mba", "report", "label", "beginning", "change", "difference", "ending", "unaccounted"), BALANCES
)
def test_a_balance_closes_as_the_design_says(
    mba: str, report: int, label: int, beginning: int, change: int, difference: int, ending: int, unaccounted: int
) -> None:
    moved = _changes(mba)
    balance = _balance(mba, report)
    assert moved[label] == (change - difference) * G
    assert balance["PB", label] == beginning * G
    assert balance["PE", label] == ending * G == _listed(mba)[label]
    assert balance["BA", label] == (beginning + change - difference) * G + balance.get(("RALD", label), 0)
    assert balance["MF", label] == unaccounted * G == balance["BA", label] - balance["PE", label]


def test_the_world_names_the_numbers_that_come_before_the_samples() -> None:
    numbers = {table["mba"]: (table["last_report_number"], table["last_pit"]) for table in world()["mba"]}
    assert numbers == {
        "XLR1": (40, "20241215"),
        "XLF1": (100, "20241231"),
        "XLS1": (20, "20241231"),
        "XLT1": (6, "20241231"),
    }


def _opening(mba: str) -> Sums:
    text = (FOLDER / "openings" / f"{mba}.csv").read_text(encoding="utf-8")
    sums: Sums = defaultdict(int)
    for entry in opening_from_csv(text, mba, "20241231").entries:
        for label, mg in entry.weights:
            sums[label] += mg
    return dict(sums)


def _changes(mba: str) -> Sums:
    sums: Sums = defaultdict(int)
    for facts in _year(mba, "I"):
        for entry in facts.entries:
            for _, label, mg in book_changes(entry.code, entry.weights):
                sums[label] += mg
    return sums


def _listed(mba: str) -> Sums:
    sums: Sums = defaultdict(int)
    for facts in _year(mba, "P"):
        for entry in facts.entries:
            for label, mg in entry.weights:
                sums[label] += mg
    return sums


def _balance(mba: str, number: int) -> dict[tuple[str, int], int]:
    facts = judge(document(f"{mba}-{number}"), REFERENCE).facts
    assert facts is not None
    return {(entry.code, label): mg for entry in facts.entries for label, mg in entry.weights}


def _year(mba: str, kind: str) -> Iterator[Facts]:
    for name in YEAR:
        facts = judge(document(name), REFERENCE).facts
        assert facts is not None
        if (facts.mba, facts.kind) == (mba, kind):
            yield facts
