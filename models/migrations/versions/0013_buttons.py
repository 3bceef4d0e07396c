"""What can be pressed beside a message: kept with answers, and with what goes out."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0006"


def upgrade() -> None:
    for table in ("inbox", "outbox"):
        op.add_column(table, sa.Column("buttons", sa.JSON(), nullable=True))
