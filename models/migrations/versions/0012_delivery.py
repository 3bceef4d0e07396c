"""Quiet hours and a ceiling of posts, what is handed on to a building lead, and outages that somebody is told of."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0012"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("groups", sa.Column("posts_on", sa.Date(), nullable=True))
    op.add_column("groups", sa.Column("posts", sa.Integer(), server_default="0", nullable=False))
    op.add_column("outbox", sa.Column("urgent", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("outbox", sa.Column("otherwise", sa.Text(), server_default="", nullable=False))
    op.add_column("outbox", sa.Column("again_after", models.base.Id, server_default="0", nullable=False))
    op.add_column("attempts", sa.Column("rest_until", models.base.Moment(), nullable=True))
