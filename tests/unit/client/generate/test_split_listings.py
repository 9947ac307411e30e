"""A listing that is too large for one report: what the finding LIMIT advises is accepted as one listing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from slt.client.generate import Plan, Report, World, write_world
from slt.statements.verdicts import Code
from tests.unit.client.generate.playing import Ledger

PLAN = Plan(seed=11, years=2, reactors=1, stores=1, entries_per_year=400)


def test_the_rest_of_a_listing_comes_as_additions_and_the_balance_agrees_with_both(tmp_path: Path) -> None:
    write_world(PLAN, tmp_path / "world")
    played = list(Ledger(tmp_path / "world").play(_split(World(PLAN).reports())))
    additions = [one for one in played if one.report.kind == "P" and one.report.entries[0].status == "A"]
    balances = [one for one in played if one.report.kind == "M"]
    assert len(additions) == len(balances) == 6  # of three areas in two years
    # C12 flags the first half: no balance is there yet, so nothing is to be said.
    assert {(one.judgement.verdict, one.code, one.rules) for one in played} == {("ok", Code.ACCEPTED, ())}


def test_a_balance_that_comes_before_the_additions_is_rejected(tmp_path: Path) -> None:
    write_world(PLAN, tmp_path / "world")
    ledger = Ledger(tmp_path / "world")
    reports = list(_split(World(PLAN).reports()))
    listed = next(place for place, one in enumerate(reports) if one.entries[0].status == "A")
    addition, balance = reports[listed], reports[listed + 1]
    early = replace(balance, number=addition.number)
    *before, last = ledger.play(iter([*reports[:listed], early]))
    assert {one.code for one in before} == {Code.ACCEPTED}
    assert last.report.kind == "M"
    assert last.code == Code.C12


def _split(reports: Iterator[Report]) -> Iterator[Report]:
    """Every listing in two reports, the second half as additions; what comes later has higher numbers."""
    more: dict[str, int] = {}
    for one in reports:
        report = replace(one, number=one.number + more.get(one.mba, 0))
        if report.kind != "P":
            yield report
            continue
        half = len(report.entries) // 2
        yield replace(report, entries=report.entries[:half])
        more[report.mba] = more.get(report.mba, 0) + 1
        rest = (
            replace(entry, number=number, status="A", target=(report.number, half + number))
            for number, entry in enumerate(report.entries[half:], 1)
        )
        yield replace(report, number=report.number + 1, entries=tuple(rest))
