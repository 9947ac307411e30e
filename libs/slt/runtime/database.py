"""Databases of services: SQLite (WAL, every commit fsynced) by default, PostgreSQL by URL; migrated by Alembic."""

import importlib
from pathlib import Path
from typing import Any, Final

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from slt.runtime.files import AlreadyRunning, ProcessLock

__all__ = ["AlreadyRunning", "OtherRevision", "ProcessLock", "damage", "open_engine", "require_newest", "upgrade"]

DAMAGE_MAX: Final = 100  # lines of what SQLite finds wrong with its own file: enough to know

BUSY_TIMEOUT_MS: Final = 10_000  # a reader's checkpoint may hold the file for a moment
CACHE_KIB: Final = 32 * 1024


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


async def upgrade(engine: AsyncEngine, migrations: str) -> None:
    """Bring the database to the newest revision of the package `migrations`, "services.ledger.migrations".

    The package holds `versions/`; it needs no env.py. Hold the service's ProcessLock.
    """
    folder = Path(next(iter(importlib.import_module(migrations).__path__)))
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade, folder)


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


def _upgrade(connection: Connection, folder: Path) -> None:
    script = ScriptDirectory(str(folder))

    def steps(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs("head", revision)

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
