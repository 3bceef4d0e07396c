"""Quiet hours and a ceiling of posts, what is handed on to a building lead, and outages that somebody is told of."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("groups", sa.Column("posts_on", sa.Date(), nullable=True))
    op.add_column("groups", sa.Column("posts", sa.Integer(), server_default="0", nullable=False))
    op.add_column("outbox", sa.Column("urgent", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("outbox", sa.Column("otherwise", sa.Text(), server_default="", nullable=False))
    op.add_column("outbox", sa.Column("again_after", models.base.Id, server_default="0", nullable=False))
    op.add_column("attempts", sa.Column("rest_until", models.base.Moment(), nullable=True))
    op.create_table(
        "outages",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("recipient", sa.String(length=40), nullable=False),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("incident", models.base.Id, server_default="0", nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("since", models.base.Moment(), nullable=False),
        sa.Column("last_at", models.base.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_outages_community_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outages")),
        sa.UniqueConstraint("community_id", "recipient", name="uq_outages_recipient"),
    )
    # What ended badly is looked for by whoever asks what did not arrive; few rows are ever in it.
    op.create_index(
        "ix_outbox_ended_badly",
        "outbox",
        ["finished_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('failed', 'unknown', 'handed_on')"),
        postgresql_where=sa.text("state IN ('failed', 'unknown', 'handed_on')"),
    )
