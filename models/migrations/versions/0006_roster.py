"""Where people lived before: the history of moves."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "member_homes",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("unit_id", models.base.Id, nullable=False),
        sa.Column("room", sa.String(length=20), server_default="", nullable=False),
        sa.Column("since", models.base.Moment(), nullable=False),
        sa.Column("until", models.base.Moment(), nullable=True),
        sa.CheckConstraint("until IS NULL OR until >= since", name=op.f("ck_member_homes_span")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_member_homes_community_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_member_homes_member_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_member_homes_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_homes")),
    )
    op.create_index("ix_member_homes_member", "member_homes", ["member_id"], unique=False)
    op.create_index(
        "uq_member_homes_open",
        "member_homes",
        ["community_id", "member_id"],
        unique=True,
        sqlite_where=sa.text("until IS NULL"),
        postgresql_where=sa.text("until IS NULL"),
    )
