"""The ledger on PostgreSQL: checked, archived and erased as on SQLite; one process at a time; restarts under load."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ledger.config import Config
from services.ledger.store import Store
from services.ledger.tables import APPEND_ONLY, METADATA
from slt.bus.memory import MemoryBroker
from slt.bus.streams import TABLE
from slt.runtime.database import open_engine
from slt.statements.verdicts import Code
from tests.integration.ledger.erasing import erased
from tests.integration.ledger.harness import (
    DEADLINE_S,
    ask_receipts,
    everything,
    ledger_config,
    ledger_env,
    mailbox,
    sequencer,
    stored,
    until,
)
from tests.integration.ledger.test_ledger_archive import exported, imported
from tests.integration.ledger.test_ledger_fsck import fsck
from tests.integration.ledger.test_ledger_process import process
from tests.support.blocks import World, accepted, rejected
from tests.support.buses import world_of
from tests.support.postgres import PostgresServer

FINDING = ("V55", "warning", "OI/2", "469", "x", "a measurement basis", "The basis is missing.")
ROLE = "slt_ledger"
GRANTS = (
    f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {ROLE}",
    f"GRANT UPDATE ON marks TO {ROLE}",
)


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.new_database()


@pytest.fixture
async def filled(tmp_path: Path, world: World, url: str) -> Config:
    """A stopped ledger of three blocks with a row in every table; the body of the second statement was erased."""
    config = ledger_config(tmp_path, world, SLT_DATABASE_URL=url)
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(world.item(1, endorsed=True, findings=[FINDING])), accepted(world.item(2))])
        await sequencing.order([rejected(world.item(3), Code.C01), rejected(world.item(4), Code.BAD_SIGNATURE)])
        await sequencing.order([accepted(world.item(5, findings=[FINDING]))])
        await stored(running, sequencing, 3)
    assert await erased(url, world, [world.item(2).statement_id]) == 1
    return config


@pytest.fixture
async def engine(url: str, filled: Config) -> AsyncIterator[AsyncEngine]:
    assert filled.database_url == url
    made = open_engine(url, "ledger")
    yield made
    await made.dispose()


async def _rot(engine: AsyncEngine, table: str, statement: str, **values: object) -> None:
    """Change rows as a disk would: no trigger is asked. Only who owns the tables may."""
    async with engine.begin() as connection:
        await connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        assert (await connection.execute(text(statement), values)).rowcount == 1, "the test must change one row"
        await connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER ALL"))


async def test_fsck_finds_a_flipped_bit_in_any_column_and_names_its_row(
    engine: AsyncEngine, world: World, url: str
) -> None:
    assert (await fsck(url, world)).faults == []
    for table in METADATA.sorted_tables:
        keys = table.primary_key.columns.keys()
        where = " AND ".join(f"{key} = :key_{key}" for key in keys)
        for column in [one.name for one in table.columns]:
            async with engine.connect() as connection:
                order = f"ORDER BY {column} IS NULL, {', '.join(f'{key} DESC' for key in keys)} LIMIT 1"
                (row,) = (await connection.execute(text(f"SELECT * FROM {table.name} {order}"))).mappings()
            after = {f"key_{key}": row[key] for key in keys} | (
                {f"key_{column}": _flipped(row[column])} if column in keys else {}
            )
            change = f"UPDATE {table.name} SET {column} = :value WHERE {where}"
            await _rot(
                engine, table.name, change, value=_flipped(row[column]), **{f"key_{key}": row[key] for key in keys}
            )
            faults = (await fsck(url, world)).faults
            assert any(one.startswith((f"{table.name} ", "blocks height ")) for one in faults), (table.name, column)
            await _rot(engine, table.name, change, value=row[column], **after)
    assert (await fsck(url, world)).faults == []


def _flipped(value: object) -> object:
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 0x10]) if value else b"\x10"
    if isinstance(value, str):
        return f"{value[:-1]}{chr(ord(value[-1]) ^ 1)}"
    return b"\x10" if value is None else int(str(value)) ^ 0x10


async def test_an_archive_carries_it_to_sqlite_and_back_row_for_row(
    filled: Config, world: World, url: str, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    summary = await exported(url, world, tmp_path / "ledger.tar")
    assert await imported(tmp_path / "sqlite", world, tmp_path / "ledger.tar") == summary
    await exported(tmp_path / "sqlite", world, tmp_path / "second.tar")
    other = postgres_server.new_database()
    assert await imported(other, world, tmp_path / "second.tar") == summary
    await exported(other, world, tmp_path / "third.tar")
    assert (tmp_path / "ledger.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()
    assert (tmp_path / "ledger.tar").read_bytes() == (tmp_path / "third.tar").read_bytes()
    for where in (tmp_path / "sqlite", other):
        assert (await fsck(where, world)).faults == []


@pytest.mark.parametrize(("gone", "stays"), [(1, 2), (2, 1)])
async def test_an_erased_body_is_in_no_page_of_the_table(world: World, tmp_path: Path, gone: int, stays: int) -> None:
    with PostgresServer() as server:
        url = server.new_database()
        config = ledger_config(tmp_path, world, SLT_DATABASE_URL=url)
        async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
            await sequencing.order([accepted(world.item(1)), accepted(world.item(2))])
            await stored(running, sequencing, 1)
        assert await erased(url, world, [world.item(gone).statement_id]) == 1
        server.stop()
        pages = [path.read_bytes() for path in (server.folder / "data" / "base").rglob("*") if path.is_file()]
        assert any(world.item(stays).body_z in data for data in pages), "the other one is there"
        assert not any(world.item(gone).body_z in data for data in pages)
        server.start()
        assert (await fsck(url, world)).faults == []


async def test_a_role_that_does_not_own_the_tables_runs_the_service_and_cannot_touch_what_is_stored(
    filled: Config, engine: AsyncEngine, world: World, url: str, tmp_path: Path
) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text(f"DO $$ BEGIN CREATE ROLE {ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        )
        for grant in GRANTS:
            await connection.execute(text(grant))
    as_role = url.replace("slt@", f"{ROLE}@")
    config = ledger_config(tmp_path, world, SLT_DATABASE_URL=as_role)
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        for decisions in (
            [accepted(world.item(1, endorsed=True, findings=[FINDING])), accepted(world.item(2))],
            [rejected(world.item(3), Code.C01), rejected(world.item(4), Code.BAD_SIGNATURE)],
            [accepted(world.item(5, findings=[FINDING]))],
        ):
            sequencing.chain.add(decisions)  # as it is stored
        await sequencing.order([accepted(world.item(6))])
        await stored(running, sequencing, 4)
    assert (await fsck(as_role, world)).faults == []
    theirs = open_engine(as_role, "ledger")
    for table in APPEND_ONLY:
        for attack in (
            f"UPDATE {table.name} SET crc = 0",
            f"DELETE FROM {table.name}",
            f"TRUNCATE {table.name}",
            f"DROP TABLE {table.name}",
            f"ALTER TABLE {table.name} DISABLE TRIGGER ALL",
            f"DROP TRIGGER {table.name}_append_only ON {table.name}",
        ):
            with pytest.raises(DBAPIError, match=r"permission denied|must be owner|append-only"):
                await _run(theirs, attack)
    for attack in ("SET session_replication_role = replica", "DROP FUNCTION append_only()"):
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
            await _run(theirs, attack)
    await theirs.dispose()


async def _run(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement))


async def test_of_two_that_append_the_same_height_at_once_one_succeeds(
    filled: Config, engine: AsyncEngine, url: str
) -> None:
    other = open_engine(url, "ledger")
    last = await Store(engine).rows_of(3)
    row = last["blocks"][0] | {"height": 4, "block_id": b"4" * 32}
    outcomes = await asyncio.gather(
        *(Store(one).append(dict(row), {}, {}, published=3) for one in (engine, other)), return_exceptions=True
    )
    await other.dispose()
    assert sorted(isinstance(one, DBAPIError) for one in outcomes) == [False, True], outcomes
    assert await Store(engine).height() == 4
    assert filled.database_url == url


# Processes


@pytest.mark.timeout(240)
async def test_two_processes_on_two_machines_and_one_database_the_second_stops(
    tmp_path: Path, world: World, url: str
) -> None:
    """Machines: folders of their own, so the lock of a folder does not keep them apart."""
    async with world_of("jetstream", tmp_path / "nats", TABLE) as buses:
        broker = buses.server.url  # type: ignore[attr-defined]  # a JetStreamWorld
        envs = [
            ledger_env(tmp_path / name, world, SLT_NATS_URL=broker, SLT_DATABASE_URL=url) for name in ("one", "two")
        ]
        async with (
            sequencer(world, await buses.bus("consensus")) as sequencing,
            mailbox(world, await buses.bus("facility")) as box,
            process(envs[0]) as first,
            process(envs[1]) as second,
        ):
            for number in range(1, 4):
                await sequencing.order([accepted(world.item(number))])
            ending = {asyncio.create_task(one.communicate()): one for one in (first, second)}
            done, alive = await asyncio.wait(ending, timeout=DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
            (loser,) = done
            out = loser.result()[0].decode()
            assert ending[loser].returncode == 1
            (winner,) = (ending[one] for one in alive)
            assert f"the ledger: another process (slt the ledger, pid {winner.pid} on " in out, out[-2000:]
            assert '"event":"stored"' not in out, "it has stored nothing"
            await until(lambda: len(box.receipts) == 3, "every receipt")
            winner.kill()
            await asyncio.wait(alive)
    assert all(len(set(copies)) == 1 for copies in box.receipts.values())
    assert (await fsck(url, world)).faults == []


@pytest.mark.timeout(300)
async def test_postgresql_restarted_under_load_ends_the_process_and_nothing_is_lost_or_double(
    tmp_path: Path, world: World
) -> None:
    dice = random.Random(20261122)
    with PostgresServer() as server:
        url = server.new_database()
        async with world_of("jetstream", tmp_path / "nats", TABLE) as buses:
            broker = buses.server.url  # type: ignore[attr-defined]  # a JetStreamWorld
            env = ledger_env(tmp_path, world, SLT_NATS_URL=broker, SLT_DATABASE_URL=url)
            expected: set[bytes] = set()
            async with (
                sequencer(world, await buses.bus("consensus")) as sequencing,
                mailbox(world, await buses.bus("facility")) as box,
            ):

                async def order(blocks: int) -> None:
                    for _ in range(blocks):
                        first = 100 * sequencing.chain.height
                        items = [world.item(first + number) for number in range(dice.randint(1, 4))]
                        expected.update(item.statement_id for item in items)
                        await sequencing.order([accepted(item) for item in items])

                for end in (server.stop, server.kill):
                    before = sequencing.stored
                    async with process(env) as running:
                        await order(3)
                        await until(lambda before=before: sequencing.stored > before, "it gets on")  # type: ignore[misc]
                        ordering = asyncio.create_task(order(4))
                        await asyncio.to_thread(end)
                        out, _ = await asyncio.wait_for(running.communicate(), DEADLINE_S)
                        await ordering
                    assert running.returncode == 1, "it ends; whoever runs it starts it again"
                    assert '"event":"ended by an error"' in out.decode().splitlines()[-1]
                    async with process(env) as early:
                        await asyncio.wait_for(early.communicate(), DEADLINE_S)
                        assert early.returncode == 1, "and again, until PostgreSQL is back"
                    await asyncio.to_thread(server.start)
                async with process(env):
                    await until(lambda: sequencing.stored >= sequencing.chain.height, "all blocks stored")
                    await until(lambda: set(box.receipts) == expected, "every receipt")
                    given = await ask_receipts(await buses.bus("asker"), *expected)
        assert {name: {receipt} for name, receipt in zip(expected, given, strict=True)} == {
            name: set(copies) for name, copies in box.receipts.items()
        }
        assert (await fsck(url, world)).faults == []
