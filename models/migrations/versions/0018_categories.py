"""Categories of members, and the quiet hours and the ceiling that a group or a person has of their own."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "member_categories",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("name", sa.String(length=24), nullable=False),
        sa.Column("since", models.base.Moment(), nullable=False),
        sa.Column("given_by", models.base.Id, nullable=True),
        sa.Column("until", models.base.Moment(), nullable=True),
        sa.Column("ended_by", models.base.Id, nullable=True),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_member_categories_community_id")),
        sa.ForeignKeyConstraint(["ended_by"], ["members.id"], name=op.f("fk_member_categories_ended_by")),
        sa.ForeignKeyConstraint(["given_by"], ["members.id"], name=op.f("fk_member_categories_given_by")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_member_categories_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_categories")),
    )
    op.create_index("ix_member_categories_name", "member_categories", ["community_id", "name"], unique=False)
    op.create_index(
        "uq_member_categories_live",
        "member_categories",
        ["community_id", "member_id", "name"],
        unique=True,
        sqlite_where=sa.text("until IS NULL"),
        postgresql_where=sa.text("until IS NULL"),
    )
    op.create_table(
        "own_quiet",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("group_id", models.base.Id, nullable=True),
        sa.Column("member_id", models.base.Id, nullable=True),
        sa.Column("begins", sa.String(length=5), server_default="", nullable=False),
        sa.Column("ends", sa.String(length=5), server_default="", nullable=False),
        sa.Column("posts_max", sa.Integer(), nullable=True),
        sa.Column("set_by", models.base.Id, nullable=True),
        sa.Column("set_at", models.base.Moment(), nullable=False),
        sa.CheckConstraint("(group_id IS NULL) <> (member_id IS NULL)", name=op.f("ck_own_quiet_one_recipient")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_own_quiet_community_id")),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_own_quiet_group_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_own_quiet_member_id")),
        sa.ForeignKeyConstraint(["set_by"], ["members.id"], name=op.f("fk_own_quiet_set_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_own_quiet")),
        sa.UniqueConstraint("community_id", "group_id", name="uq_own_quiet_group"),
        sa.UniqueConstraint("community_id", "member_id", name="uq_own_quiet_member"),
    )
