"""Erasures: a body may leave the database, and only beside the row that says so."""

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("entry", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("erasure", sa.LargeBinary, nullable=False),
        sa.Column("crc", sa.BigInteger, nullable=False),
    )
    if op.get_context().dialect.name == "postgresql":
        _protect_postgresql()
    else:
        _protect_sqlite()


def downgrade() -> None:
    raise NotImplementedError("the ledger keeps what it holds; restore an archive instead")


def _protect_sqlite() -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER erasures_no_{verb.lower()} BEFORE {verb} ON erasures "
            "BEGIN SELECT RAISE(ABORT, 'erasures is append-only'); END"
        )
    op.execute(
        "CREATE TRIGGER erasures_no_replace BEFORE INSERT ON erasures "
        "WHEN EXISTS (SELECT 1 FROM erasures WHERE entry = NEW.entry) "
        "BEGIN SELECT RAISE(ABORT, 'erasures is append-only'); END"
    )
    op.execute("DROP TRIGGER bodies_no_delete")
    op.execute(
        "CREATE TRIGGER bodies_no_delete BEFORE DELETE ON bodies "
        "WHEN NOT EXISTS (SELECT 1 FROM erasures WHERE entry = OLD.entry) "
        "BEGIN SELECT RAISE(ABORT, 'bodies is append-only: only an erasure lets a body go'); END"
    )
    op.execute(
        "CREATE TRIGGER bodies_no_return BEFORE INSERT ON bodies "
        "WHEN EXISTS (SELECT 1 FROM erasures WHERE entry = NEW.entry) "
        "BEGIN SELECT RAISE(ABORT, 'bodies is append-only: this body was erased'); END"
    )


def _protect_postgresql() -> None:
    op.execute(
        "CREATE TRIGGER erasures_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON erasures "
        "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
    )
    op.execute("DROP TRIGGER bodies_append_only ON bodies")
    op.execute(
        "CREATE TRIGGER bodies_append_only BEFORE UPDATE OR TRUNCATE ON bodies "
        "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
    )
    op.execute(
        "CREATE FUNCTION bodies_erased() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF TG_OP = 'DELETE' THEN "
        "  IF NOT EXISTS (SELECT 1 FROM erasures WHERE entry = OLD.entry) THEN "
        "    RAISE EXCEPTION 'bodies is append-only: only an erasure lets a body go'; END IF; "
        "  RETURN OLD; "
        "END IF; "
        "IF EXISTS (SELECT 1 FROM erasures WHERE entry = NEW.entry) THEN "
        "  RAISE EXCEPTION 'bodies is append-only: this body was erased'; END IF; "
        "RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER bodies_erased BEFORE INSERT OR DELETE ON bodies FOR EACH ROW EXECUTE FUNCTION bodies_erased()"
    )
