"""What is known of households that do not answer; links for receipts; messages in parts, and files to groups."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0017"
down_revision = "0016"


def _key(table: str, column: str, parent: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{parent}.id"], name=op.f(f"fk_{table}_{column}"))


def upgrade() -> None:
    op.create_table(
        "household_notes",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("broadcast_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("undone_at", models.base.Moment(), nullable=True),
        _key("household_notes", "community_id", "communities"),
        _key("household_notes", "broadcast_id", "broadcasts"),
        _key("household_notes", "member_id", "members"),
        _key("household_notes", "made_by", "members"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_household_notes")),
    )
    op.create_index("ix_household_notes_broadcast", "household_notes", ["community_id", "broadcast_id"], unique=False)
    op.create_index("ix_household_notes_member", "household_notes", ["community_id", "member_id"], unique=False)
    op.create_table(
        "page_tries",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("broadcast_id", models.base.Id, nullable=False),
        sa.Column("about", sa.String(length=64), nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        _key("page_tries", "community_id", "communities"),
        _key("page_tries", "broadcast_id", "broadcasts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_page_tries")),
    )
    op.create_index("ix_page_tries_broadcast", "page_tries", ["community_id", "broadcast_id"], unique=False)
    # Notices that are out already have no link.
    op.add_column("broadcasts", sa.Column("link", sa.String(length=24), server_default="", nullable=False))
    op.add_column("broadcasts", sa.Column("link_secret", sa.String(length=48), server_default="", nullable=False))
    op.create_index("ix_broadcasts_link", "broadcasts", ["link"], unique=False)
    op.add_column("outbox", sa.Column("card", sa.JSON(), nullable=True))
