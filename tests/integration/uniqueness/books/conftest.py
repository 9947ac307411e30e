"""A database of either kind, empty and migrated."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from slt.runtime.database import open_engine, upgrade

MIGRATIONS = "services.uniqueness.books.migrations"


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """What open_engine takes: a folder, or the URL of a database in the real PostgreSQL."""
    if request.param == "sqlite":
        return tmp_path
    url: str = request.getfixturevalue("postgres_server").new_database()
    return url


@pytest.fixture
async def engine(where: str | Path) -> AsyncIterator[AsyncEngine]:
    made = open_engine(where, "books")
    await upgrade(made, MIGRATIONS)
    yield made
    await made.dispose()
