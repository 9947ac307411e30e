"""The ledger's database: append-only, without gaps, one ledger in one database, and the schema that the code reads."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ledger.config import Config
from services.ledger.keeper import genesis_row, signing
from services.ledger.store import ForeignLedger, Store
from services.ledger.tables import APPEND_ONLY, METADATA
from slt.bus.memory import MemoryBroker
from slt.runtime.database import open_engine, upgrade
from slt.statements.verdicts import Code
from tests.integration.ledger.erasing import erased
from tests.integration.ledger.harness import MIGRATIONS, database_of, everything, ledger_config, stored
from tests.support.blocks import World, accepted, make_world, rejected


@pytest.fixture
async def filled(either: Config, world: World) -> AsyncIterator[AsyncEngine]:
    """The database of a ledger that has stored three blocks, and erased the body of the last."""
    finding = ("V55", "warning", "OI/2", "469", "x", "a measurement basis", "The basis is missing.")
    async with everything(either, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(world.item(1, endorsed=True, findings=[finding]))])
        await sequencing.order([rejected(world.item(2), Code.C01)])
        await sequencing.order([accepted(world.item(3))])
        await stored(running, sequencing, 3)
    assert await erased(database_of(either), world, [world.item(3).statement_id]) == 1
    engine = open_engine(database_of(either), "ledger")
    yield engine
    await engine.dispose()


def _attacks(table: str) -> list[str]:
    last = METADATA.tables[table].columns.keys()[-1]
    return [f"UPDATE {table} SET {last} = {last}", f"DELETE FROM {table}"]


def _sqlite(table: str) -> list[str]:
    names = ", ".join(METADATA.tables[table].columns.keys())
    return [
        f"INSERT OR REPLACE INTO {table} ({names}) SELECT {names} FROM {table}",
        f"REPLACE INTO {table} ({names}) SELECT {names} FROM {table} LIMIT 1",
    ]


def _postgresql(table: str) -> list[str]:
    names = ", ".join(METADATA.tables[table].columns.keys())
    key = ", ".join(METADATA.tables[table].primary_key.columns.keys())
    return [
        f"TRUNCATE {table}",
        f"INSERT INTO {table} ({names}) SELECT {names} FROM {table} ON CONFLICT ({key}) DO UPDATE SET crc = 0",
        f"MERGE INTO {table} USING {table} AS same ON {table}.crc = same.crc WHEN MATCHED THEN DELETE",
    ]


@pytest.mark.parametrize("table", [table.name for table in APPEND_ONLY])
async def test_no_row_can_be_changed_replaced_or_removed(filled: AsyncEngine, table: str) -> None:
    async with filled.connect() as connection:
        before = (await connection.execute(text(f"SELECT * FROM {table}"))).all()
    assert before, "the test needs a row"
    for attack in (*_attacks(table), *(_postgresql if filled.dialect.name == "postgresql" else _sqlite)(table)):
        with pytest.raises(DBAPIError, match=r"append-only|leaves a gap"):
            async with filled.begin() as connection:
                await connection.execute(text(attack))
    async with filled.connect() as connection:
        assert (await connection.execute(text(f"SELECT * FROM {table}"))).all() == before


@pytest.mark.parametrize(("table", "number"), [("blocks", "height"), ("entries", "entry")])
async def test_heights_and_entries_have_no_gap_in_the_database_itself(
    filled: AsyncEngine, table: str, number: str
) -> None:
    columns = [column.name for column in METADATA.tables[table].columns if column.name != number]
    for offset in (2, 5, -1):
        with pytest.raises(DBAPIError, match=r"leaves a gap|append-only"):
            async with filled.begin() as connection:
                await connection.execute(
                    text(
                        f"INSERT INTO {table} ({number}, {', '.join(columns)}) SELECT {number} + {offset}, "
                        f"{', '.join(columns)} FROM {table} ORDER BY {number} DESC LIMIT 1"
                    )
                )


async def test_the_mark_never_goes_back(filled: AsyncEngine) -> None:
    store = Store(filled)
    await store.mark_published(3)
    await store.mark_published(1)
    assert await store.published() == 3


async def test_a_database_of_another_ledger_is_refused(filled: AsyncEngine) -> None:
    other = make_world("another ledger")
    row = genesis_row(other.genesis, signing(other.genesis, other.checkpoint), 0)
    with pytest.raises(ForeignLedger, match="the genesis file is"):
        await Store(filled).begin(other.genesis, row)


async def test_the_migrated_schema_is_the_one_that_the_code_reads(either: Config) -> None:
    engine = open_engine(database_of(either), "ledger")
    await upgrade(engine, MIGRATIONS)
    async with engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), METADATA)
        )
    await engine.dispose()
    assert differences == []


async def test_upgrading_twice_changes_nothing(filled: AsyncEngine) -> None:
    await upgrade(filled, MIGRATIONS)
    assert (await Store(filled).last_block()).height == 3


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # its one file shows where each byte stands
async def test_no_byte_of_a_report_stands_in_the_database_twice(filled: AsyncEngine, world: World) -> None:
    item = world.item(1, endorsed=True)
    async with filled.connect() as connection:
        await connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    data = Path(str(filled.url.database)).read_bytes()
    for part in (item.body_digest, item.statement, item.body_z, item.facts_z, *item.endorsements):
        assert data.count(part) == 1


async def test_storing_the_same_height_from_a_second_writer_fails(
    filled: AsyncEngine, world: World, tmp_path: Path
) -> None:
    """Behind the process lock the height is the last line: two writers cannot both succeed."""
    config = ledger_config(tmp_path / "second", world)
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        block = await sequencing.order([accepted(world.item(9))])
        await stored(running, sequencing, block.height)
        (row,) = await running.store._rows(METADATA.tables["blocks"].select().where(text("height = 1")))
    with pytest.raises(DBAPIError, match=r"append-only|leaves a gap|unique"):
        await Store(filled).append(row, {}, {}, published=0)
