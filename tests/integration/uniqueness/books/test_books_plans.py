"""No question reads a whole table: its cost may not grow with the age of the ledger, on either database."""

from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from services.uniqueness.books.queries import Reading, reading
from slt.inventory.questions import asking
from slt.inventory.questions.rows import EntryQuery, ReportQuery
from tests.integration.uniqueness.books.filling import fill, sample_year

LARGE = ("entries", "reports", "flows", "totals", "added")

MANY = """
    INSERT INTO entries (area, report, entry, number, kind, status, day, batch, facts, from_height)
    SELECT area, 1000 * report + n, entry, number, kind, status, day, batch || n, facts, from_height
    FROM entries, generate_series(1, 200) AS n WHERE report > 0
"""


class Heard:
    """The statements that were sent to the database, with their parameters."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.statements: list[tuple[str, Any]] = []
        event.listen(engine.sync_engine, "before_cursor_execute", self._hear)

    def _hear(self, _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            self.statements.append((statement, parameters))

    async def plans(self) -> dict[str, list[str]]:
        """Statement -> the lines of its plan. PostgreSQL is told to read a whole table only where it must."""
        asked, self.statements = self.statements, []
        found: dict[str, list[str]] = {}
        is_sqlite = self.engine.dialect.name == "sqlite"
        async with self.engine.connect() as connection:
            if not is_sqlite:
                await connection.exec_driver_sql("SET enable_seqscan = off")
            for statement, parameters in asked:
                explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
                rows = await connection.exec_driver_sql(explain + statement, parameters)
                found[statement] = [str(row[-1]) for row in rows]
        self.statements.clear()
        return found


@pytest.fixture
async def heard(engine: AsyncEngine) -> Heard:
    reports, lists = sample_year()
    await fill(engine, reports, lists, together=True)
    return Heard(engine)


def whole_tables(plans: dict[str, list[str]]) -> list[str]:
    """Lines of plans that read a large table from end to end, with their statements."""
    found = []
    for statement, lines in plans.items():
        for line in lines:
            text = line.strip().removeprefix("->").strip()
            scans = text.startswith(tuple(f"SCAN {table}" for table in LARGE))  # SQLite; an index from end to end too
            if scans or text.startswith(tuple(f"Seq Scan on {table}" for table in LARGE)):
                found.append(f"{line} in {statement}")
    return found


async def _history(books: Reading, height: int) -> None:
    assert (await asking.ask_history(books, "SP01", as_of=height)).events


async def _inventories(books: Reading, height: int) -> None:
    for area in await books.areas(as_of=height):
        for by in ("category", "kmp", "batch"):
            await asking.ask_inventory(books, area, by=by, day="20250615", as_of=height)


async def _balances(books: Reading, height: int) -> None:
    area = next(one for one in await books.areas(as_of=height) if one.mba == "XLF1")
    await asking.ask_balance(books, area, pit="20251231", as_of=height)
    await asking.ask_statement(books, area, day="20251231", as_of=height)
    await asking.ask_corrections(books, area, number=None, entry=None, as_of=height)
    await asking.ask_corrections(books, area, number=103, entry=2, as_of=height)


async def _duties(books: Reading, height: int) -> None:
    areas = await books.areas(as_of=height)
    await asking.ask_transits(books, area=areas[0], first=None, day="20250615", as_of=height)
    await asking.ask_transits(books, area=None, first=None, day="20250615", as_of=height)
    await asking.ask_due(books, areas, day="20250615", as_of=height)


async def _pages(books: Reading, height: int) -> None:
    await books.entries(EntryQuery(as_of=height, every_version=True, after=("XL", "XLF1", 103, 1), limit=5))
    await books.entries(EntryQuery(as_of=height, batch="SP01", kinds=frozenset("I"), first="20250101", limit=5))
    found = await books.reports(ReportQuery(as_of=height, after=("XL", "XLF1", 103), limit=5))
    await books.reports(ReportQuery(as_of=height, statement_id=found[0].statement_id))


@pytest.mark.parametrize("back", [0, 1], ids=["now", "one block ago"])
@pytest.mark.parametrize("question", [_history, _inventories, _balances, _duties, _pages], ids=lambda one: one.__name__)
async def test_no_question_reads_a_whole_table(heard: Heard, question: Any, back: int) -> None:
    async with reading(heard.engine) as books:
        await question(books, await books.height() - back)
    plans = await heard.plans()
    assert any("entries" in statement for statement in plans), "nothing was asked"
    assert whole_tables(plans) == []


async def test_a_batch_is_found_by_its_index_whatever_else_is_asked(heard: Heard) -> None:
    if heard.engine.dialect.name == "postgresql":
        # It judges by what it has collected, and a few rows are sooner read than searched: so it is given many.
        async with heard.engine.begin() as connection:
            await connection.exec_driver_sql(MANY)
        async with heard.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            await connection.exec_driver_sql("ANALYZE entries")
    async with reading(heard.engine) as books:
        query = EntryQuery(
            as_of=await books.height(), batch="SP01", kinds=frozenset("I"), first="20250101", last="20251231"
        )
        assert await books.entries(query)
    plans = [" ".join(lines) for statement, lines in (await heard.plans()).items() if " entries" in statement]
    assert plans
    assert [plan for plan in plans if "entries_by_batch" not in plan] == []


async def test_a_plan_that_reads_a_whole_table_is_noticed(heard: Heard) -> None:
    async with heard.engine.connect() as connection:
        await connection.exec_driver_sql("SELECT count(*) FROM entries WHERE status = 'N' OR from_height > 3")
    assert len(whole_tables(await heard.plans())) == 1
