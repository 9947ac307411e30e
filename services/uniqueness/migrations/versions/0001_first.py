"""Records, head and held reports."""

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "records",
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("spent_iat", sa.BigInteger),
    )
    spent = sa.text("spent_iat IS NOT NULL")
    op.create_index("records_spent", "records", ["spent_iat"], sqlite_where=spent, postgresql_where=spent)
    op.create_table(
        "head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("chain_id", sa.LargeBinary, nullable=False),
        sa.Column("height", sa.BigInteger, nullable=False),
        sa.Column("block_id", sa.LargeBinary, nullable=False),
        sa.Column("lanes", sa.LargeBinary, nullable=False),
        sa.Column("log_size", sa.BigInteger, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.CheckConstraint("id = 1", name="one_head"),
    )
    op.create_table(
        "held",
        sa.Column("submission_id", sa.LargeBinary, primary_key=True),
        sa.Column("statement_id", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("mba", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("held_ms", sa.BigInteger, nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.Column("item", sa.LargeBinary, nullable=False),
    )
    op.create_index("held_by_statement", "held", ["statement_id"])


def downgrade() -> None:
    raise NotImplementedError("remove the database instead: the state is rebuilt from the ledger's blocks")
