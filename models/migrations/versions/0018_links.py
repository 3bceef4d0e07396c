"""What is known of households that do not answer."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0018"
down_revision = "0015"


def _key(column: str, parent: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{parent}.id"], name=op.f(f"fk_household_notes_{column}"))


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
        _key("community_id", "communities"),
        _key("broadcast_id", "broadcasts"),
        _key("member_id", "members"),
        _key("made_by", "members"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_household_notes")),
    )
    op.create_index("ix_household_notes_broadcast", "household_notes", ["community_id", "broadcast_id"], unique=False)
    op.create_index("ix_household_notes_member", "household_notes", ["community_id", "member_id"], unique=False)
