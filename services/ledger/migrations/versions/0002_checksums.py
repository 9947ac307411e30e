"""A checksum in every row (services.ledger.checks), computed for the rows that are there.

The triggers that refuse updates stand aside within this one transaction: a database that cannot be upgraded stays as
it was, triggers included.
"""

from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

from services.ledger.checks import crc_of

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None

# The primary key of each table.
KEYS: Final = {
    "blocks": ("height",),
    "batches": ("height", "position"),
    "entries": ("entry",),
    "bodies": ("entry",),
    "facts": ("entry",),
    "findings": ("entry",),
    "keys": ("kid",),
    "marks": ("name",),
}
REWRITTEN: Final = "marks"  # the one table that no trigger protects
ROWS_AT_ONCE: Final = 500  # some megabytes, and a few of the largest bodies


def upgrade() -> None:
    postgresql = op.get_context().dialect.name == "postgresql"
    for table, key in KEYS.items():
        op.add_column(table, sa.Column("crc", sa.BigInteger, nullable=False, server_default="0"))
        if table != REWRITTEN:
            op.execute(
                f"ALTER TABLE {table} DISABLE TRIGGER {table}_append_only"
                if postgresql
                else f"DROP TRIGGER {table}_no_update"
            )
        _fill(table, key)
        if table != REWRITTEN:
            op.execute(
                f"ALTER TABLE {table} ENABLE TRIGGER {table}_append_only"
                if postgresql
                else f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        if postgresql:  # SQLite keeps the default: taking it away would copy the table
            op.alter_column(table, "crc", server_default=None)


def downgrade() -> None:
    raise NotImplementedError("the ledger keeps what it holds; restore an archive instead")


def _fill(table: str, key: tuple[str, ...]) -> None:
    connection = op.get_bind()
    where = " AND ".join(f"{column} = :{column}" for column in key)
    update = sa.text(f"UPDATE {table} SET crc = :crc WHERE {where}")  # the names are the constants above
    for rows in _rows(connection, table, key):
        connection.execute(update, [{"crc": crc_of(row), **{column: row[column] for column in key}} for row in rows])


def _rows(connection: sa.Connection, table: str, key: tuple[str, ...]) -> Iterator[list[dict[str, Any]]]:
    """All rows in order of the key, some at a time: a ledger does not fit into memory."""
    reflected = sa.Table(table, sa.MetaData(), autoload_with=connection)
    columns = [reflected.c[column] for column in key]
    last: sa.ColumnElement[bool] = sa.true()
    while True:
        query = sa.select(reflected).where(last).order_by(*columns).limit(ROWS_AT_ONCE)
        found = [dict(row) for row in connection.execute(query).mappings()]
        if not found:
            return
        yield found
        last = sa.tuple_(*columns) > sa.tuple_(*(sa.literal(found[-1][column]) for column in key))
