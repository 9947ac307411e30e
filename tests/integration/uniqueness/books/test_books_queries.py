"""The tables answer as plain lists do, on SQLite and on PostgreSQL: rows, pages, sums, physical inventories."""

import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from services.uniqueness.books.queries import Reading, reading
from slt.inventory.questions.rows import BookEntry, BookReport, EntryQuery, Physical, ReportQuery
from slt.runtime.database import open_engine, upgrade
from tests.integration.uniqueness.books.filling import apart, fill, sample_year
from tests.unit.inventory.building import area, entry, report
from tests.unit.inventory.questions.listed_books import ListBooks
from tests.unit.inventory.questions.test_against_recomputation import AREA, DAYS, Story, stories

AREAS = [("XL", "XLF1"), ("XL", "XLR1"), ("XL", "XLS1"), ("XL", "XLT1")]


@pytest.fixture
async def year(engine: AsyncEngine) -> ListBooks:
    """The lists; the tables behind `engine` hold the same."""
    reports, lists = sample_year()
    await fill(engine, reports, lists, together=False)
    return lists


def same(found: BookReport) -> BookReport:
    """Without what each side makes up by itself."""
    return replace(found, statement_id=b"", time_ms=0, log_index=0)


async def test_every_entry_of_the_year_comes_as_from_lists_as_of_every_height(
    engine: AsyncEngine, year: ListBooks
) -> None:
    async with reading(engine) as books:
        assert await books.height() == await year.height() == year.blocks
        for height, every in product(range(year.blocks + 1), (False, True)):
            query = EntryQuery(as_of=height, every_version=every)
            assert await books.entries(query) == await year.entries(query)


async def test_reports_come_as_from_lists(engine: AsyncEngine, year: ListBooks) -> None:
    some = await year.reports(ReportQuery(as_of=5))
    queries = [
        ReportQuery(as_of=7),
        ReportQuery(as_of=year.blocks, mba="XLR1", kinds=frozenset("PM")),
        ReportQuery(as_of=year.blocks, numbers=frozenset({41, 101, 7})),
        ReportQuery(as_of=year.blocks, first="20250401", last="20251215"),
        ReportQuery(as_of=year.blocks, after=("XL", "XLR1", 42), limit=3),
    ]
    async with reading(engine) as books:
        for query in queries:
            found = await books.reports(query)
            assert [same(one) for one in found] == [same(one) for one in await year.reports(query)]
            assert found
        known = await books.reports(ReportQuery(as_of=5))
        (one,) = await books.reports(ReportQuery(as_of=5, statement_id=known[2].statement_id))
        assert same(one) == same(some[2])


@pytest.mark.parametrize(
    "asked",
    [
        {"batch": "SP01"},
        {"batch": "SP01", "kinds": frozenset("I")},
        {"shipper_batch": "SP01"},
        {"partner": "XL/XLS1"},
        {"codes": frozenset({"SD", "RD"})},
        {"codes": frozenset({"SD", ""})},
        {"kinds": frozenset("OP"), "mba": "XLR1"},
        {"kinds": frozenset("I"), "first": "20250310", "last": "20250930"},
        {"numbers": frozenset({0, 41, 103}), "every_version": True},
        {"addresses": frozenset({(103, 2), (0, 1), (111, 1)}), "every_version": True},
        {"targets": frozenset({(103, 2), (101, 3)}), "every_version": True},
        {"statuses": frozenset("CDA"), "every_version": True},
        {"statuses": frozenset("N")},
        {"state": "XL", "mba": "XLZ9"},
    ],
    ids="+".join,  # of the names alone: sets have no order that two workers share
)
async def test_entries_are_found_by_whatever_is_asked(engine: AsyncEngine, year: ListBooks, asked: Any) -> None:
    query = EntryQuery(as_of=year.blocks, **asked)
    expected = await year.entries(query)
    assert expected or query.mba == "XLZ9", "nothing would be compared"
    async with reading(engine) as books:
        assert await books.entries(query) == expected


@pytest.mark.parametrize("limit", [1, 7, 1000])
async def test_pages_hold_every_entry_once_and_in_order(engine: AsyncEngine, year: ListBooks, limit: int) -> None:
    query = EntryQuery(as_of=year.blocks, every_version=True)
    async with reading(engine) as books:
        found: list[BookEntry] = []
        while page := await books.entries(replace(query, limit=limit, after=found[-1].address if found else None)):
            assert len(page) <= limit
            found += page
    assert found == await year.entries(query)


async def test_sums_of_any_days_are_those_of_the_entries(engine: AsyncEngine, year: ListBooks) -> None:
    days = ["00010101", "20241231", "20250101", "20250310", "20250311", "20250331", "20250401", "20251231", "99991231"]
    async with reading(engine) as books:
        for (state, mba), first, last in product(AREAS, days, days):
            for height in (0, 3, year.blocks - 1, year.blocks):
                asked = {"state": state, "mba": mba, "first": first, "last": last, "as_of": height}
                assert await books.flows(**asked) == await year.flows(**asked), asked  # type: ignore[arg-type]  # by name


async def test_physical_inventories_are_those_of_the_entries(engine: AsyncEngine, year: ListBooks) -> None:
    async with reading(engine) as books:
        for (state, mba), height in product(AREAS, range(year.blocks + 1)):
            found = await books.physicals(state=state, mba=mba, as_of=height)
            assert found == await year.physicals(state=state, mba=mba, as_of=height)


async def test_an_area_that_is_not_there_has_nothing(engine: AsyncEngine, year: ListBooks) -> None:
    async with reading(engine) as books:
        assert await books.flows(state="XX", mba="XLR1", first="00010101", last="99991231", as_of=5) == []
        assert await books.physicals(state="XL", mba="XXR1", as_of=5) == []
        assert await books.areas(as_of=5) == await year.areas(as_of=5)


async def test_weights_beyond_64_bits_are_exact(engine: AsyncEngine) -> None:
    most = 10**18 - 1
    heavy = [entry(code="RD", weights={630: most, 670: most}) for _ in range(30)]
    reports = [report(number, *heavy) for number in (1, 2)] + [
        report(3, replace(entry(code="DI", weights={630: -most, 670: -most}), date="20251007"))
    ]
    lists = ListBooks((area("XLR1", last_report_number=0),))
    await fill(engine, reports, lists, together=True)
    async with reading(engine) as books:
        for height in (1, 2, 3):
            asked = {"state": "XL", "mba": "XLR1", "first": "20251001", "last": "20251031", "as_of": height}
            found = await books.flows(**asked)  # type: ignore[arg-type]  # by name
            assert found == await lists.flows(**asked)  # type: ignore[arg-type]  # by name
            assert max(flow.mg for flow in found) == most * 30 * min(height, 2)


async def test_an_empty_listing_is_listed(engine: AsyncEngine) -> None:
    empty = replace(entry(status="U", weights={}, batch=""), code="", date="")
    lists = ListBooks((area("XLR1", last_report_number=0),))
    await fill(engine, [report(1, empty, kind="P")], lists, together=True)
    async with reading(engine) as books:
        (pit,) = await books.physicals(state="XL", mba="XLR1", as_of=1)
        assert pit == Physical(pit="20251031", listing=1, listed=True, balance=0, lines=0, sums=(), ending=())
        assert await books.physicals(state="XL", mba="XLR1", as_of=0) == []


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database that has its tables, to be copied: migrating takes longer than everything else here."""
    folder = tmp_path_factory.mktemp("books")

    async def migrate() -> None:
        engine = open_engine(folder, "books")
        await upgrade(engine, "services.uniqueness.books.migrations")
        await engine.dispose()

    apart(migrate)
    return folder / "books.sqlite"


@given(story=stories(), together=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_history_reads_the_same_from_tables_and_from_lists(
    story: Story, together: bool, migrated: Path, tmp_path: Path
) -> None:
    shutil.copy(migrated, tmp_path / "books.sqlite")
    engine, lists = open_engine(tmp_path, "books"), ListBooks((AREA,))
    try:
        await fill(engine, story.facts, lists, together=together)
        async with reading(engine) as books:
            await _agree(books, lists)
    finally:
        await engine.dispose()
        for path in tmp_path.glob("books.sqlite*"):
            path.unlink()


async def _agree(books: Reading, lists: ListBooks) -> None:
    where: Any = {"state": "XL", "mba": "XLR1"}
    for height in range(lists.blocks + 1):
        for every in (False, True):
            query = EntryQuery(as_of=height, every_version=every)
            assert await books.entries(query) == await lists.entries(query)
        assert await books.physicals(**where, as_of=height) == await lists.physicals(**where, as_of=height)
        for first, last in (("00010101", "99991231"), (DAYS[1], DAYS[7]), (DAYS[0], DAYS[-1]), (DAYS[4], DAYS[4])):
            asked: Any = {**where, "first": first, "last": last, "as_of": height}
            assert await books.flows(**asked) == await lists.flows(**asked)
