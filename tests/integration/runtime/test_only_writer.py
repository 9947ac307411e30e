"""One process writes into a PostgreSQL: a second one is refused by name, and whoever loses the lock ends."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from slt.runtime.database import AlreadyRunning, LockLost, only_writer, open_engine
from tests.support.postgres import PostgresServer

DEADLINE_S = 60.0
HOLDERS = "SELECT pg_stat_activity.pid FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory'"


@pytest.fixture
async def engine(postgres_server: PostgresServer) -> AsyncIterator[AsyncEngine]:
    made = open_engine(postgres_server.new_database(), "ledger")
    yield made
    await made.dispose()


async def test_a_second_writer_is_refused_and_told_who_is_the_first(engine: AsyncEngine) -> None:
    async with only_writer(engine, what="the ledger"):
        with pytest.raises(AlreadyRunning, match=f"uniqueness: another process .slt the ledger, pid {os.getpid()} on"):
            async with only_writer(engine, what="uniqueness", waited_for_s=0.0):
                pytest.fail("two writers")
    async with only_writer(engine, what="uniqueness", waited_for_s=0.0):
        pass


async def test_another_database_of_the_same_server_has_a_lock_of_its_own(
    engine: AsyncEngine, postgres_server: PostgresServer
) -> None:
    other = open_engine(postgres_server.new_database(), "uniqueness")
    async with only_writer(engine, what="the ledger"), only_writer(other, what="uniqueness", waited_for_s=0.0):
        pass
    await other.dispose()


async def test_who_comes_while_the_last_one_goes_waits_for_it(engine: AsyncEngine) -> None:
    inside, leave = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with only_writer(engine, what="the ledger"):
            inside.set()
            await leave.wait()

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(first())
        await inside.wait()
        asyncio.get_running_loop().call_later(0.3, leave.set)
        async with only_writer(engine, what="the ledger", waited_for_s=DEADLINE_S):
            assert leave.is_set()


async def _write_until_stopped(engine: AsyncEngine, meanwhile: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(DEADLINE_S), only_writer(engine, what="the ledger"):
        await meanwhile()
        await asyncio.Event().wait()


async def test_a_lost_connection_ends_the_writer_with_a_sentence_and_lets_the_next_one_in(engine: AsyncEngine) -> None:
    async def cut() -> None:
        async with engine.connect() as connection:
            for (pid,) in (await connection.execute(text(HOLDERS))).all():
                await connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})

    with pytest.raises(LockLost, match="the ledger: the connection that holds the database's lock is lost"):
        await _write_until_stopped(engine, cut)
    async with only_writer(engine, what="the ledger"):
        pass


async def test_an_error_of_the_writer_itself_comes_out_as_it_was(engine: AsyncEngine) -> None:
    with pytest.raises(ZeroDivisionError):
        async with only_writer(engine, what="the ledger"):
            _ = 1 // 0


async def test_a_server_that_goes_away_is_missed_and_one_that_comes_back_gives_the_lock_again() -> None:
    with PostgresServer() as server:
        engine = open_engine(server.new_database(), "ledger")

        async def kill() -> None:
            server.kill()  # on the loop: once the lock is lost, the writer does not wait for a thread to end this

        with pytest.raises(LockLost):
            await _write_until_stopped(engine, kill)
        await asyncio.to_thread(server.start)
        async with only_writer(engine, what="the ledger"):
            pass
        await engine.dispose()


async def test_a_file_needs_no_lock_but_that_of_its_folder(tmp_path: Path) -> None:
    engine = open_engine(tmp_path, "ledger")
    async with only_writer(engine, what="the ledger"), only_writer(engine, what="the ledger"):
        pass
    await engine.dispose()
