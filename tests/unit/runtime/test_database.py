"""SQLite as the ledger needs it: every commit on the disk, migrations without an env.py, real transactions."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from slt.runtime.database import open_engine, upgrade

FIRST = '''
"""First."""
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0001", None
def upgrade() -> None:
    op.create_table("block", sa.Column("height", sa.Integer, primary_key=True), sa.Column("data", sa.LargeBinary))
'''
SECOND = '''
"""Second."""
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0002", "0001"
def upgrade() -> None:
    op.create_table("leaf", sa.Column("height", sa.Integer, sa.ForeignKey("block.height"), nullable=False))
'''


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    opened = open_engine(tmp_path / "data", "ledger")
    yield opened
    await opened.dispose()


@pytest.fixture
def migrations(tmp_path: Path) -> Iterator[Path]:
    """A package `shelf.migrations` with two revisions."""
    versions = tmp_path / "shelf/migrations/versions"
    versions.mkdir(parents=True)
    (tmp_path / "shelf/__init__.py").touch()
    (tmp_path / "shelf/migrations/__init__.py").touch()
    (versions / "0001_first.py").write_text(FIRST)
    sys.path.insert(0, str(tmp_path))
    yield versions
    sys.path.remove(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "shelf"]:
        del sys.modules[name]


async def tables(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        found = await connection.execute(text("select name from sqlite_master where type = 'table'"))
        return {str(name) for (name,) in found}


async def test_every_connection_is_durable(engine: AsyncEngine, tmp_path: Path) -> None:
    async with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            pragmas = {
                name: (await connection.execute(text(f"pragma {name}"))).scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
            assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
    assert (tmp_path / "data/ledger.sqlite").exists()


async def test_migrations_run_once_and_go_on_where_they_were(engine: AsyncEngine, migrations: Path) -> None:
    await upgrade(engine, "shelf.migrations")
    async with engine.begin() as connection:
        await connection.execute(text("insert into block values (1, x'00')"))
    await upgrade(engine, "shelf.migrations")
    (migrations / "0002_second.py").write_text(SECOND)
    await upgrade(engine, "shelf.migrations")
    assert await tables(engine) == {"alembic_version", "block", "leaf"}
    async with engine.connect() as connection:
        assert (await connection.execute(text("select count(*) from block"))).scalar() == 1


async def test_a_migration_that_fails_leaves_nothing(engine: AsyncEngine, migrations: Path) -> None:
    await upgrade(engine, "shelf.migrations")
    (migrations / "0002_second.py").write_text(SECOND + "    raise ZeroDivisionError\n")
    with pytest.raises(ZeroDivisionError):
        await upgrade(engine, "shelf.migrations")
    assert await tables(engine) == {"alembic_version", "block"}


async def test_a_transaction_is_whole_or_not_there(engine: AsyncEngine, migrations: Path) -> None:
    (migrations / "0002_second.py").write_text(SECOND)
    await upgrade(engine, "shelf.migrations")

    async def append() -> None:
        async with engine.begin() as connection:
            await connection.execute(text("insert into block values (1, x'00')"))
            await connection.execute(text("insert into leaf values (2)"))  # of no block

    with pytest.raises(IntegrityError):
        await append()
    async with engine.connect() as connection:
        assert (await connection.execute(text("select count(*) from block"))).scalar() == 0


async def test_a_reader_sees_one_state_while_a_writer_commits(engine: AsyncEngine, migrations: Path) -> None:
    await upgrade(engine, "shelf.migrations")
    async with asyncio.timeout(10), engine.connect() as reader:
        assert (await reader.execute(text("select count(*) from block"))).scalar() == 0
        async with engine.begin() as writer:
            await writer.execute(text("insert into block values (1, x'00')"))
        assert (await reader.execute(text("select count(*) from block"))).scalar() == 0
        await reader.rollback()
        assert (await reader.execute(text("select count(*) from block"))).scalar() == 1


async def test_another_database_is_named_by_its_url(tmp_path: Path) -> None:
    postgres = open_engine("postgresql+asyncpg://u@localhost/db", "ledger")
    assert postgres.dialect.name == "postgresql"
    await postgres.dispose()
    elsewhere = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'x.sqlite'}", "ledger")
    async with elsewhere.connect() as connection:
        assert (await connection.execute(text("pragma synchronous"))).scalar() == 2
    await elsewhere.dispose()
