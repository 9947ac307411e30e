"""Either database, for what must hold on both."""

import pytest


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """SLT_DATABASE_URL: none for SQLite in the service's folder, or a new database in the real PostgreSQL."""
    if request.param == "sqlite":
        return None
    url: str = request.getfixturevalue("postgres_server").new_database()
    return url
