"""Governance statements are found without reading all others: an index of the entries without a body."""

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    few = sa.text("body_length = 0")
    op.create_index("entries_without_body", "entries", ["entry"], sqlite_where=few, postgresql_where=few)


def downgrade() -> None:
    raise NotImplementedError("the ledger keeps what it holds; restore an archive instead")
