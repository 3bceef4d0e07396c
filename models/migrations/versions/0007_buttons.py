"""What can be pressed beside a message, and which question it answers; who has written to the bot alone."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    for table in ("inbox", "outbox"):
        op.add_column(table, sa.Column("buttons", sa.JSON(), nullable=True))
    op.add_column("identities", sa.Column("opened_at", models.base.Moment(), nullable=True))
    op.add_column("pending", sa.Column("token", sa.String(length=16), server_default="", nullable=False))
