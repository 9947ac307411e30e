"""Databases of services: SQLite (WAL, every commit fsynced) by default, PostgreSQL by URL; migrated by Alembic."""

import asyncio
import importlib
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from slt.runtime.files import AlreadyRunning, ProcessLock

__all__ = [
    "AlreadyRunning",
    "LockLost",
    "OtherRevision",
    "ProcessLock",
    "damage",
    "only_writer",
    "open_engine",
    "require_newest",
    "upgrade",
]

DAMAGE_MAX: Final = 100  # lines of what SQLite finds wrong with its own file: enough to know

BUSY_TIMEOUT_MS: Final = 10_000  # a reader's checkpoint may hold the file for a moment
CACHE_KIB: Final = 32 * 1024

WRITER_LOCK: Final = 0x736C_7477  # "sltw". Advisory locks are of one database, and a database has one service's tables
LOCK_LOOKED_AT_S: Final = 5.0  # a lock whose server went away without a word is missed so soon
LOCK_ANSWERS_S: Final = 10.0  # a server that is merely busy answers within this
LOCK_WAITED_FOR_S: Final = (
    5.0  # a process that was killed leaves the lock once PostgreSQL has seen its connection close
)
LOCK_ASKED_EVERY_S: Final = 0.2
# PostgreSQL lets go of the lock of a machine that went away without a word after 10 + 3 * 5 s; by default, two hours.
KEEPALIVES: Final = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}


class OtherRevision(Exception):
    """The database is of another revision than this program: it is not read, so that nothing is misread."""


def open_engine(where: str | Path, name: str) -> AsyncEngine:
    """An engine over `where`: a URL (SLT_DATABASE_URL), or the folder in which `<name>.sqlite` stands.

    On SQLite every connection has journal_mode=WAL, synchronous=FULL (a commit is on the disk when it returns),
    foreign keys, and transactions that begin when SQLAlchemy says so.
    """
    if isinstance(where, Path):
        where.mkdir(parents=True, exist_ok=True)
        where = f"sqlite+aiosqlite:///{where / f'{name}.sqlite'}"
    url = make_url(where)
    if url.get_backend_name() != "sqlite":
        return create_async_engine(url, pool_pre_ping=True)
    engine = create_async_engine(url)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


class LockLost(Exception):
    """PostgreSQL does not hold our lock any more: another process may write there now. The process ends."""


@asynccontextmanager
async def only_writer(
    engine: AsyncEngine, *, what: str, waited_for_s: float = LOCK_WAITED_FOR_S
) -> AsyncIterator[None]:
    """One process at a time writes into the database, on whatever machine it runs. Raises AlreadyRunning, LockLost.

    On PostgreSQL an advisory lock, held on a connection of its own while the context is open; a pooler that shares
    sessions must not stand between. When that connection is lost the body is cancelled and LockLost comes out. On
    SQLite nothing: the file lies in the folder that a ProcessLock guards.

    Whoever writes for a moment before it notices a lost lock is stopped by the database: heights are keys without gaps.
    """
    if engine.dialect.name != "postgresql":
        yield
        return
    name = f"slt {what}, pid {os.getpid()} on {socket.gethostname()}"
    settings = {"server_settings": {"application_name": name, **KEEPALIVES}}
    aside = create_async_engine(engine.url, poolclass=NullPool, connect_args=settings, isolation_level="AUTOCOMMIT")
    try:
        async with aside.connect() as connection:
            await _take_lock(connection, what, waited_for_s)
            try:
                async with asyncio.TaskGroup() as group:
                    watching = group.create_task(_watch_lock(connection, what))
                    yield
                    watching.cancel()
            except BaseExceptionGroup as failures:
                lost = [error for error in failures.exceptions if isinstance(error, LockLost)]
                raise (lost or failures.exceptions)[0] from None
    finally:
        await aside.dispose()


async def upgrade(engine: AsyncEngine, migrations: str, *, to: str = "head") -> None:
    """Bring the database to revision `to`, the newest one, of the package `migrations`, "services.ledger.migrations".

    The package holds `versions/`; it needs no env.py. Hold the service's ProcessLock, and be the only_writer.
    """
    folder = Path(next(iter(importlib.import_module(migrations).__path__)))
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade, folder, to)


async def require_newest(engine: AsyncEngine, migrations: str) -> None:
    """Raises OtherRevision unless `upgrade` would have nothing to do. Changes nothing."""
    folder = Path(next(iter(importlib.import_module(migrations).__path__)))
    async with engine.connect() as connection:
        found = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
    newest = ScriptDirectory(str(folder)).get_current_head()
    if found != newest:
        raise OtherRevision(
            f"the database is of revision {found or 'none'}, this program reads {newest}; start the service of this "
            "version once, which upgrades it, or use the program of the database's version"
        )


async def damage(engine: AsyncEngine) -> list[str]:
    """What SQLite finds wrong with pages and indexes of its file, at most DAMAGE_MAX lines. PostgreSQL: nothing.

    (PostgreSQL has data checksums and pg_amcheck for that, which need no program of ours.)
    """
    if engine.dialect.name != "sqlite":
        return []
    async with engine.connect() as connection:
        try:
            rows = await connection.exec_driver_sql(f"PRAGMA integrity_check({DAMAGE_MAX})")
            return [line for (line,) in rows if line != "ok"]
        except DatabaseError as error:
            return [str(error.orig)]


async def _take_lock(connection: AsyncConnection, what: str, waited_for_s: float) -> None:
    deadline = asyncio.get_running_loop().time() + waited_for_s
    while not await connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": WRITER_LOCK}):
        if asyncio.get_running_loop().time() >= deadline:
            holder = await connection.scalar(
                text(
                    "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) JOIN pg_database ON "
                    "pg_database.oid = pg_locks.database WHERE pg_database.datname = current_database() AND "
                    "locktype = 'advisory' AND objid = :lock AND granted"
                ),
                {"lock": WRITER_LOCK},
            )
            raise AlreadyRunning(f"{what}: another process ({holder or 'unknown'}) holds this database; stop it first")
        await asyncio.sleep(LOCK_ASKED_EVERY_S)


async def _watch_lock(connection: AsyncConnection, what: str) -> None:
    """Raises LockLost once the connection that holds the lock has ended, or no longer answers."""
    ended = asyncio.Event()
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None, "it was used a moment ago"
    driver.add_termination_listener(lambda _: ended.set())
    while not ended.is_set() and not driver.is_closed():
        try:
            async with asyncio.timeout(LOCK_LOOKED_AT_S):
                await ended.wait()
        except TimeoutError:
            try:
                async with asyncio.timeout(LOCK_ANSWERS_S):
                    await driver.execute("SELECT 1")
            except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                break
    raise LockLost(
        f"{what}: the connection that holds the database's lock is lost; start again once PostgreSQL answers"
    )


def _upgrade(connection: Connection, folder: Path, to: str) -> None:
    script = ScriptDirectory(str(folder))

    def steps(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs(to, revision)

    with EnvironmentContext(Config(), script, fn=steps) as environment:
        # SQLite alters tables by copying them; on PostgreSQL batch mode changes nothing.
        environment.configure(connection=connection, render_as_batch=True)
        environment.run_migrations()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins no transactions by itself
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "foreign_keys=ON",
        f"cache_size=-{CACHE_KIB}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
