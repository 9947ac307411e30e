"""Opening inventories from a table."""

import pytest

from slt.reports.openings import BadOpening, opening_from_csv
from slt.statements.openings import parse_opening
from tests.unit.reports.samples import FOLDER

HEADING = "batch,kmp,material,items,630,670\n"


def test_a_table_becomes_an_opening_by_label() -> None:
    opening = opening_from_csv(HEADING + "RC01,B,B/Q/4/G,1,460000G,20240.5\n", "XLR1", "20241215")
    [entry] = opening.entries
    assert (opening.mba, opening.pit) == ("XLR1", "20241215")
    assert (entry.batch, entry.kmp, entry.material, entry.items) == ("RC01", "B", "B/Q/4/G", 1)
    assert entry.weights == ((630, 460_000_000), (670, 20_240_500))


def test_kilograms_need_no_unit_where_the_label_has_one() -> None:
    text = "items,material,kmp,batch,610\n0,O/Q/N/D,A,B1,100.5\n"
    assert opening_from_csv(text, "XLT1", "20241231").entries[0].weights == ((610, 100_500_000),)


def test_what_of_a_batch_is_under_another_obligation_has_a_line_of_its_own() -> None:
    text = "batch,kmp,material,items,630,670,obligation\nB1,A,G/Q/K/B,1,60G,2G,P\nB1,A,G/Q/K/B,0,40G,1G,S\n"
    opening = opening_from_csv(text, "XLF1", "20241231")
    assert [(entry.batch, entry.obligation) for entry in opening.entries] == [("B1", "P"), ("B1", "S")]
    assert parse_opening(opening.encoded) == opening


@pytest.mark.parametrize("name", ["XLR1", "XLF1", "XLS1", "XLT1"])
def test_a_sample_opening_round_trips(name: str) -> None:
    text = (FOLDER / "openings" / f"{name}.csv").read_text(encoding="utf-8")
    opening = opening_from_csv(text, name, "20241231")
    assert parse_opening(opening.encoded) == opening


def test_a_heading_alone_is_an_empty_inventory() -> None:
    assert opening_from_csv("batch,kmp,material,items\n", "XLT1", "20241231").entries == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "heading: missing"),
        ("batch,kmp,material\n", "missing: items"),
        (HEADING.replace("670", "671"), "unknown: 671"),
        (HEADING.replace("670", "630"), "twice: 630"),
        (",".join(["630"] * 100) + "\n", "100 columns"),
        (HEADING + "rc01,B,B/Q/4/G,1,1G,1G\n", "line 2: batch: Small letters"),
        (HEADING + "RC01,B,BQ4G,1,1G,1G\n", "line 2: material"),
        (HEADING + "RC01,B,B/Q/4/G,one,1G,1G\n", "line 2: items"),
        (HEADING + "RC01,B,B/Q/4/G,1,1K,1G\n", "line 2: 630: .*grams"),
        (HEADING + "RC01,B,B/Q/4/G,1,-1G,\n", "negative"),
        (HEADING + "RC01,B,B/Q/4/G,1,,\n", "no weight"),
        (HEADING[:-1] + ",obligation\nRC01,B,B/Q/4/G,1,1G,1G,psx\n", "line 2: obligation"),
        (HEADING + "RC01,B,B/Q/4/G,1,1G,1G,1G\n", "more cells"),
        (HEADING + "RC01,B\n", "line 2: material"),
        (HEADING + "RC01,B,B/Q/4/G,1,1G,1G\nRC01,B,B/Q/4/G,1,1G,1G\n", "line 3: .*line 2"),
        (HEADING + '"RC01,B,B/Q/4/G,1,1G,1G\n', "line"),
    ],
)
def test_a_wrong_table_is_refused_by_line(text: str, why: str) -> None:
    with pytest.raises(BadOpening, match=why):
        opening_from_csv(text, "XLR1", "20241215")


def test_a_long_list_of_problems_is_cut() -> None:
    with pytest.raises(BadOpening, match="and 80 more"):
        opening_from_csv(HEADING + "RC01,B,BQ4G,1,1G,1G\n" * 100, "XLR1", "20241215")
