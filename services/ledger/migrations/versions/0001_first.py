"""The first tables, and the triggers that make them append-only."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None

Number: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# The primary key of each append-only table.
KEYS: Final = {
    "blocks": ("height",),
    "batches": ("height", "position"),
    "entries": ("entry",),
    "bodies": ("entry",),
    "facts": ("entry",),
    "findings": ("entry",),
    "keys": ("kid",),
}


def upgrade() -> None:
    op.create_table(
        "blocks",
        sa.Column("height", Number, primary_key=True, autoincrement=False),
        sa.Column("block_id", sa.LargeBinary, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.Column("first_entry", sa.BigInteger, nullable=False),
        sa.Column("entries", sa.Integer, nullable=False),
        sa.Column("log_size", sa.BigInteger, nullable=False),
        sa.Column("frontier", sa.LargeBinary, nullable=False),
        sa.Column("header", sa.LargeBinary, nullable=False),
        sa.Column("certificate", sa.LargeBinary, nullable=False),
        sa.Column("checkpoint", sa.Text, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("stored_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "batches",
        sa.Column("height", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("author", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.Column("entries", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("batches_by_author", "batches", ["author", "seq"], unique=True)
    op.create_table(
        "entries",
        sa.Column("entry", Number, primary_key=True, autoincrement=False),
        sa.Column("height", sa.BigInteger, nullable=False),
        sa.Column("statement_key", sa.BigInteger, nullable=False),
        sa.Column("submission_key", sa.BigInteger, nullable=False),
        sa.Column("statement", sa.LargeBinary, nullable=False),
        sa.Column("endorsements", sa.LargeBinary),
        sa.Column("verdict", sa.LargeBinary, nullable=False),
        sa.Column("code", sa.SmallInteger, nullable=False),
        sa.Column("body_length", sa.BigInteger, nullable=False),
        sa.Column("body_digest", sa.LargeBinary),
        sa.Column("beside", sa.LargeBinary, nullable=False),
    )
    op.create_index("entries_by_statement", "entries", ["statement_key"])
    op.create_index("entries_by_submission", "entries", ["submission_key"])
    for name, column in (("bodies", "body_z"), ("facts", "facts_z"), ("findings", "findings")):
        op.create_table(
            name,
            sa.Column("entry", Number, primary_key=True, autoincrement=False),
            sa.Column(column, sa.LargeBinary, nullable=False),
        )
    op.create_table(
        "keys",
        sa.Column("kid", sa.LargeBinary, primary_key=True),
        sa.Column("spki", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "marks",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    if op.get_context().dialect.name == "postgresql":
        _protect_postgresql()
    else:
        _protect_sqlite()


def _protect_sqlite() -> None:
    for table, key in KEYS.items():
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        # INSERT OR REPLACE would delete the old row without asking the trigger on DELETE.
        same = " AND ".join(f"{column} = NEW.{column}" for column in key)
        op.execute(  # the names are the constants above
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
    for table, number in (("blocks", "height"), ("entries", "entry")):
        op.execute(
            f"CREATE TRIGGER {table}_no_gap BEFORE INSERT ON {table} "
            f"WHEN NEW.{number} <> (SELECT coalesce(max({number}) + 1, 0) FROM {table}) "
            f"BEGIN SELECT RAISE(ABORT, '{table}.{number} leaves a gap'); END"
        )


def _protect_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table in KEYS:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
    for table, number in (("blocks", "height"), ("entries", "entry")):
        op.execute(
            f"CREATE FUNCTION {table}_no_gap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF NEW.{number} <> (SELECT coalesce(max({number}) + 1, 0) FROM {table}) THEN "
            f"RAISE EXCEPTION '{table}.{number} leaves a gap'; END IF; RETURN NEW; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_gap BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_no_gap()"
        )


def downgrade() -> None:
    raise NotImplementedError("the ledger keeps what it holds; restore an archive instead")
