"""The questions against a generator that knows nothing of them: linked facilities over two years, to the gram."""

import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from slt.client.generate import Plan, Summary, write_world
from slt.inventory.questions.asking import ask_balance, ask_draft, ask_due, ask_inventory, ask_transits
from slt.reports import LabelledEntry, judge, read_report
from slt.reports.openings import opening_from_csv
from slt.reports.reference import Reference
from slt.statements.genesis import Mba
from tests.unit.inventory.questions.listed_books import ListBooks

PLAN = Plan(seed=3, years=2, first_year=2005, reactors=3, stores=2, entries_per_year=300)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[ListBooks, Summary, dict[tuple[str, int], bytes]]:
    """The books after every report, what the generator says of the world, and the documents."""
    folder = tmp_path_factory.mktemp("generated") / "world"
    summary = write_world(PLAN, folder)
    mbas: list[Mba] = []
    openings = []
    for table in tomllib.loads((folder / "world.toml").read_text(encoding="utf-8"))["mba"]:
        opening = table.pop("opening", None)
        kmps = {name: tuple(table[name]) for name in ("flow_kmps", "inventory_kmps")}
        area = Mba(**(table | kmps))
        if opening is not None:
            openings.append(opening_from_csv((folder / opening).read_text(encoding="utf-8"), area.mba, area.last_pit))
            area = replace(area, opening=openings[-1].digest)
        mbas.append(area)
    books = ListBooks(tuple(mbas), tuple(openings))
    reference = Reference.of(mbas, 1)
    documents: dict[tuple[str, int], bytes] = {}
    for name in (folder / "order.txt").read_text(encoding="utf-8").splitlines():
        document = Path(folder / name).read_bytes()
        facts = judge(document, reference).facts
        assert facts is not None, name
        books.accept(facts)
        documents[facts.mba, facts.number] = document
    return books, summary, documents


World = tuple[ListBooks, Summary, dict[tuple[str, int], bytes]]


async def test_every_balance_report_says_what_follows(world: World) -> None:
    books, summary, _ = world
    unaccounted = {(one["area"], one["date"]): one for one in summary.unaccounted}
    balances = 0
    for area in books.mbas:
        for physical in await books.physicals(state=area.state, mba=area.mba, as_of=books.blocks):
            if physical.pit == area.last_pit:
                continue
            balances += 1
            balance = await ask_balance(books, area, pit=physical.pit, as_of=books.blocks)
            assert balance.differing == ()
            if area.kind == "item":
                assert balance.check == ()
            known = unaccounted.get((f"{area.state}/{area.mba}", physical.pit), {})
            assert {str(one.label): one.quantity for one in balance.muf if one.mg} == {
                label: quantity for label, quantity in known.items() if label.isdigit() and quantity != "0G"
            }
    assert balances == summary.reports["M"]


async def test_a_draft_is_the_report_of_an_area_that_does_not_round(world: World) -> None:
    books, _, documents = world
    for area in books.mbas:
        if area.kind != "item":
            continue
        balance = await ask_balance(books, area, pit=None, as_of=books.blocks)
        stated = read_report(documents[area.mba, balance.report or 0])
        made = await ask_draft(books, area, pit=None, as_of=books.blocks, date="20070101", encoder="X")
        assert sorted(map(_weights, made)) == sorted(map(_weights, stated))


def _weights(entry: LabelledEntry) -> list[tuple[str, str]]:
    return [(label, content) for label, content in sorted(entry.items()) if label == "411" or label >= "600"]


async def test_the_transits_are_those_that_were_made(world: World) -> None:
    books, summary, _ = world
    lines = await ask_transits(books, area=None, first="20050101", day="20061231", as_of=books.blocks)
    made = summary.transits
    assert Counter(line.state for line in lines) == {
        "matched": made["domestic"] + made["foreign"],
        "open shipment": made["exported"] + made["on_the_way"],
        "open receipt": made["imported"],
    }
    assert sum(bool(line.due) for line in lines) == made["on_the_way"]  # the others have no partner here


async def test_nothing_is_late_in_a_world_that_reports_in_time(world: World) -> None:
    books, _, _ = world
    assert [
        line
        for line in await ask_due(books, books.mbas, day="20061201", as_of=books.blocks)
        if line.standing in ("late", "came late")
    ] == []


async def test_batches_sum_to_the_book_of_every_area(world: World) -> None:
    books, _, _ = world
    for area in books.mbas:
        for day in ("20050630", "20060101", "20061115"):
            whole = await ask_inventory(books, area, by="category", day=day, as_of=books.blocks)
            sums: Counter[int] = Counter()
            for line in (await ask_inventory(books, area, by="batch", day=day, as_of=books.blocks)).lines:
                sums[line.label] += line.mg
            assert {line.label: line.mg for line in whole.lines} == {label: mg for label, mg in sums.items() if mg}
