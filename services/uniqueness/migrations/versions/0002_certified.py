"""What makes the head's block final, so that the state can be proven without another service."""

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.add_column("head", sa.Column("header", sa.LargeBinary))
    op.add_column("head", sa.Column("certificate", sa.LargeBinary))


def downgrade() -> None:
    raise NotImplementedError("remove the database instead: the state is rebuilt from the ledger's blocks")
