"""Whatever the seed and the size: a generated world is one that a ledger accepts, to the last gram."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slt.client.generate import BadPlan, Plan, Report, World, render, write_world
from slt.client.generate.plant import Plant
from slt.client.generate.world import Facility
from slt.inventory.transits import TransitState
from slt.reports.labelled import read_report, write_report
from slt.reports.signs import BOOK_SIGN, ENRICHED, PLUTONIUM
from slt.statements.verdicts import Code
from tests.unit.client.generate.playing import Ledger

SMALL = Plan(seed=1, years=1, reactors=2, stores=1, entries_per_year=300)
WORLDS = 10  # each is some dozens to hundreds of reports that are judged and evaluated


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    reactors = draw(st.integers(1, 4))
    return Plan(
        seed=draw(st.integers(0, 2**64)),
        years=draw(st.integers(1, 2)),
        first_year=draw(st.integers(1990, 2020)),
        states=draw(st.integers(1, 3)),
        reactors=reactors,
        plants=draw(st.integers(1, min(2, reactors))),
        stores=draw(st.integers(1, min(2, reactors))),
        entries_per_year=draw(st.integers(1, 800)),
        open_transits=draw(st.integers(0, 1)),
    )


@settings(max_examples=WORLDS, deadline=None)
@given(plan=plans())
def test_every_report_is_valid_and_accepted_without_a_finding_and_every_transit_is_as_the_summary_says(
    plan: Plan,
) -> None:
    with TemporaryDirectory() as name:
        write_world(plan, Path(name) / "world")
        world, ledger = World(plan), Ledger(Path(name) / "world")
        explained: dict[tuple[str, str, int], int] = {}  # what a balance says the book has more than was found
        for played in ledger.play(world.reports()):
            report = played.report
            assert played.judgement.facts is not None
            assert played.judgement.facts.entries == report.entries
            assert (played.judgement.verdict, played.code, played.rules) == ("ok", Code.ACCEPTED, ()), report.name
            for entry in report.entries if report.kind == "M" else ():
                sign = 1 if entry.code == "MF" else BOOK_SIGN.get(entry.code.removeprefix("RA"), 0)
                for label, mg in entry.weights if entry.code.startswith(("MF", "RA")) else ():
                    place = (report.state, report.mba, label)
                    explained[place] = explained.get(place, 0) + sign * mg
        one_sided = world.roads.on_the_way + world.roads.transits.exported
        assert world.roads.on_the_way == plan.open_transits
        assert ledger.transits() == {
            state: count
            for state, count in {
                TransitState.MATCHED: world.roads.transits.matched,
                TransitState.OPEN_SHIPMENT: one_sided,
                TransitState.OPEN_RECEIPT: world.roads.transits.imported,
            }.items()
            if count
        }
        for facility in world.facilities:
            area = facility.area
            book = ledger.book(area.state, area.mba, ENRICHED) | ledger.book(area.state, area.mba, PLUTONIUM)
            here = {label: explained.get((area.state, area.mba, label), 0) for label in book}
            if area.kind == "bulk":  # its books were closed on the last day
                assert book == {label: area.beginning[label] + mg for label, mg in here.items()}
                assert any(here.values())
            else:
                assert book == _found(facility)
                assert not any(here.values())


def _found(facility: Facility) -> dict[int, int]:
    """What is there now, by label."""
    assert not isinstance(facility, Plant)
    found: Counter[int] = Counter()
    for one in facility.listing():
        found.update(dict(one.weights))
    return dict(found)


@settings(max_examples=8, deadline=None)
@given(plan=plans())
def test_the_same_plan_gives_the_same_bytes_and_another_seed_others(plan: Plan) -> None:
    def documents(seed: int) -> list[bytes]:
        return [render(one) for one in World(replace(plan, seed=seed)).reports()]

    assert documents(plan.seed) == documents(plan.seed)
    assert documents(plan.seed) != documents(plan.seed + 1)


@settings(max_examples=5, deadline=None)
@given(plan=plans())
def test_every_document_is_in_canonical_form_and_reports_come_in_the_order_of_dates_and_numbers(plan: Plan) -> None:
    numbers: dict[str, int] = {}
    dates = []
    for report in World(plan).reports():
        document = render(report)
        assert write_report(read_report(document)) == document
        assert report.number == numbers.get(report.mba, 0) + 1
        numbers[report.mba] = report.number
        dates.append(report.date)
    assert dates == sorted(dates)


def test_two_runs_write_the_same_files(tmp_path: Path) -> None:
    told: list[Report] = []
    first = write_world(SMALL, tmp_path / "first", told=told.append)
    second = write_world(SMALL, tmp_path / "second")
    assert first == second
    assert len(told) == sum(first.reports.values())
    assert _files(tmp_path / "first") == _files(tmp_path / "second")
    order = (tmp_path / "first" / "order.txt").read_text().splitlines()
    assert [Path(line).name for line in order] == [report.name for report in told]
    assert sum((tmp_path / "first" / line).stat().st_size for line in order) == first.bytes


@pytest.mark.parametrize("wanted", [3_000, 40_000])
def test_a_year_has_about_as_many_entries_as_were_asked_for(wanted: int) -> None:
    plan = Plan(seed=5, years=1, reactors=6, plants=2, stores=2, entries_per_year=wanted)
    assert sum(len(report.entries) for report in World(plan).reports()) == pytest.approx(wanted, rel=0.15)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"reactors": 0}, "at least 1"),
        ({"reactors": 1, "stores": 2}, "needs a reactor"),
        ({"entries_per_year": 5_000_000}, "more reactors, plants and stores"),
        ({"entries_per_year": 20_000_000, "reactors": 100, "stores": 50}, "more reactors, plants and stores"),
        ({"open_transits": 10_000}, "open transits"),
        ({"open_transits": -1}, "negative"),
        ({"states": 30}, "States"),
        ({"reactors": 1000}, "three digits"),
        ({"first_year": 99}, "four digits"),
    ],
)
def test_a_plan_that_cannot_be_says_what_to_change(fields: dict[str, int], words: str) -> None:
    with pytest.raises(BadPlan, match=words):
        Plan(**({"seed": 1} | fields))


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty"):
        write_world(SMALL, tmp_path)
    assert _files(tmp_path) == {"mine": b"mine"}


def _files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
