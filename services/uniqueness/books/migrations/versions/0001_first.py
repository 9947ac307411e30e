"""Areas, reports, entries in two times, and their sums."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: str = "books_0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None

# The primary key of each append-only table.
KEYS: Final = {
    "reports": ("report",),
    "entries": ("area", "report", "entry"),
    "added": ("area", "number", "entry"),
    "flows": ("area", "height", "kind", "period", "code", "category", "label"),
}
# Those of a few rows a report: looking for the old row at each insert into the others costs a third of the time.
SMALL: Final = ("reports", "added")
# What stays of an entry for ever; the rest is the end of its life, written once.
STAYS: Final = (
    *("area", "report", "entry", "number", "kind", "status", "target_number", "target_entry", "code", "day"),
    *("batch", "shipper_batch", "shipper", "receiver", "facts", "from_height"),
)
# Indexes of entries over the rows that have the column at all.
SPARSE: Final = {
    "code": ["area", "code", "day"],
    "batch": ["batch", "area"],
    "shipper_batch": ["shipper_batch", "area"],
    "shipper": ["shipper", "area", "day"],
    "receiver": ["receiver", "area", "day"],
    "target_number": ["area", "target_number", "target_entry"],
}
STATISTICS: Final = (
    ("reports", "reports_by_number", "5000000 50000 1"),
    ("reports", "reports_by_day", "5000000 50000 12000 100"),
    ("reports", "reports_by_statement", "5000000 1"),
    ("entries", "entries", "20000000 200000 4 1"),
    ("entries", "entries_by_day", "20000000 200000 50000 50"),
    ("entries", "entries_by_code", "15000000 150000 20000 20"),
    ("entries", "entries_by_batch", "20000000 10 5"),
    ("entries", "entries_by_shipper_batch", "2000000 2 2"),
    ("entries", "entries_by_shipper", "4000000 40000 20000 20"),
    ("entries", "entries_by_receiver", "4000000 40000 20000 20"),
    ("entries", "entries_by_target_number", "100000 1000 4 1"),
    ("added", "added", "10000 100 2 1"),
    ("flows", "flows", "20000000 200000 5 5 5 3 2 1"),
    ("totals", "totals", "1000000 10000 4000 40 5 2 1"),
)
Number: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("chain_id", sa.LargeBinary, nullable=False),
        sa.Column("height", sa.BigInteger, nullable=False),
        sa.Column("block_id", sa.LargeBinary, nullable=False),
        sa.Column("log_size", sa.BigInteger, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.CheckConstraint("id = 1", name="one_head"),
    )
    op.create_table(
        "areas",
        sa.Column("area", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("from_height", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("to_height", sa.BigInteger),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("mba", sa.Text, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
    _reports()
    _entries()
    _sums()
    if op.get_context().dialect.name == "postgresql":
        _protect_postgresql()
    else:
        _protect_sqlite()
        _describe_sqlite()


def _reports() -> None:
    op.create_table(
        "reports",
        sa.Column("report", Number, primary_key=True, autoincrement=False),
        sa.Column("area", sa.Integer, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("date", sa.Integer, nullable=False),
        sa.Column("period_from", sa.Integer, nullable=False),
        sa.Column("period_to", sa.Integer, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("entry_count", sa.Integer, nullable=False),
        sa.Column("height", sa.BigInteger, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.Column("statement_id", sa.LargeBinary, nullable=False),
        sa.Column("statement_key", sa.BigInteger, nullable=False),
        sa.Column("facts", sa.LargeBinary, nullable=False),
        sa.Column("findings", sa.LargeBinary, nullable=False),
    )
    op.create_index("reports_by_number", "reports", ["area", "number"], unique=True)
    op.create_index("reports_by_day", "reports", ["area", "kind", "day"])
    op.create_index("reports_by_statement", "reports", ["statement_key"])


def _entries() -> None:
    op.create_table(
        "entries",
        sa.Column("area", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("report", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("entry", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("target_number", sa.BigInteger),
        sa.Column("target_entry", sa.Integer),
        sa.Column("code", sa.Text),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("batch", sa.Text),
        sa.Column("shipper_batch", sa.Text),
        sa.Column("shipper", sa.Text),
        sa.Column("receiver", sa.Text),
        sa.Column("facts", sa.LargeBinary, nullable=False),
        sa.Column("from_height", sa.BigInteger, nullable=False),
        sa.Column("to_height", sa.BigInteger),
        sa.Column("by_number", sa.BigInteger),
        sa.Column("by_entry", sa.Integer),
        sqlite_with_rowid=False,
    )
    op.create_index("entries_by_day", "entries", ["area", "kind", "day"])
    for name, columns in SPARSE.items():
        there = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"entries_by_{name}", "entries", columns, sqlite_where=there, postgresql_where=there)
    op.create_table(
        "added",
        sa.Column("area", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("entry", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at_report", sa.BigInteger, nullable=False),
        sa.Column("at_entry", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )


def _sums() -> None:
    for name in ("flows", "totals"):
        op.create_table(
            name,
            sa.Column("area", sa.Integer, primary_key=True, autoincrement=False),
            *([sa.Column("height", sa.BigInteger, primary_key=True, autoincrement=False)] if name == "flows" else []),
            sa.Column("kind", sa.Text, primary_key=True),
            sa.Column("period", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("code", sa.Text, primary_key=True),
            sa.Column("category", sa.SmallInteger, primary_key=True, autoincrement=False),
            sa.Column("label", sa.SmallInteger, primary_key=True, autoincrement=False),
            sa.Column("high", sa.BigInteger, nullable=False),
            sa.Column("low", sa.BigInteger, nullable=False),
            sqlite_with_rowid=False,
        )


def _protect_sqlite() -> None:
    for table, key in KEYS.items():
        op.execute(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
        if table in SMALL:
            # INSERT OR REPLACE would delete the old row without asking the trigger on DELETE.
            same = " AND ".join(f"{column} = NEW.{column}" for column in key)
            op.execute(
                f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
                f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        if table != "entries":
            op.execute(
                f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    same = " AND ".join(f"NEW.{column} IS OLD.{column}" for column in STAYS)
    op.execute(
        "CREATE TRIGGER entries_end_once BEFORE UPDATE ON entries "
        f"WHEN NOT (OLD.to_height IS NULL AND NEW.to_height IS NOT NULL AND {same}) "
        "BEGIN SELECT RAISE(ABORT, 'entries is append-only: an entry ends once'); END"
    )


def _describe_sqlite() -> None:
    """Tell the planner what the tables look like when they are large: it has no other way to know, and no ANALYZE runs.

    PostgreSQL collects its own. Each line: rows, then how many there are of one value of the first columns.
    """
    op.execute("ANALYZE sqlite_schema")
    for table, index, rows in STATISTICS:
        op.execute(f"INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('{table}', '{index}', '{rows}')")
    op.execute("ANALYZE sqlite_schema")  # a connection reads them when it opens, and now this one too


def _protect_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table in KEYS:
        verbs = "DELETE OR TRUNCATE" if table == "entries" else "UPDATE OR DELETE OR TRUNCATE"
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE {verbs} ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
    same = " AND ".join(f"NEW.{column} IS NOT DISTINCT FROM OLD.{column}" for column in STAYS)
    op.execute(
        "CREATE FUNCTION entries_end_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NOT (OLD.to_height IS NULL AND NEW.to_height IS NOT NULL AND {same}) THEN "
        "RAISE EXCEPTION 'entries is append-only: an entry ends once'; END IF; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER entries_end_once BEFORE UPDATE ON entries FOR EACH ROW EXECUTE FUNCTION entries_end_once()"
    )


def downgrade() -> None:
    raise NotImplementedError("remove the database instead: the books are rebuilt from the ledger's blocks")
