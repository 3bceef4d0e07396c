"""Volunteer posts, and who claims them."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "posts",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("number", models.base.Id, nullable=False),
        sa.Column("unit_id", models.base.Id, nullable=False),
        sa.Column("squad_id", models.base.Id, nullable=True),
        sa.Column("category", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=80), nullable=False),
        sa.Column("place", sa.String(length=80), server_default="", nullable=False),
        sa.Column("duty", sa.String(length=400), server_default="", nullable=False),
        sa.Column("frequency", sa.String(length=40), server_default="", nullable=False),
        sa.Column("demand", sa.String(length=8), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("term_months", sa.Integer(), nullable=True),
        sa.Column("term_ends_at", models.base.Moment(), nullable=True),
        sa.Column("leader_id", models.base.Id, nullable=True),
        sa.Column("details", sa.String(length=400), server_default="", nullable=False),
        sa.Column("claiming", sa.String(length=12), nullable=False),
        sa.Column("confirms", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("made_at", models.base.Moment(), nullable=False),
        sa.Column("withdrawn_at", models.base.Moment(), nullable=True),
        sa.Column("withdraw_reason", sa.String(length=200), server_default="", nullable=False),
        sa.CheckConstraint("slots > 0", name=op.f("ck_posts_slots")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_posts_community_id")),
        sa.ForeignKeyConstraint(["leader_id"], ["members.id"], name=op.f("fk_posts_leader_id")),
        sa.ForeignKeyConstraint(["made_by"], ["members.id"], name=op.f("fk_posts_made_by")),
        sa.ForeignKeyConstraint(["squad_id"], ["units.id"], name=op.f("fk_posts_squad_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_posts_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
        sa.UniqueConstraint("community_id", "number", name="uq_posts_number"),
    )
    op.create_table(
        "claims",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("post_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("number", models.base.Id, nullable=True),
        sa.Column("partner_id", models.base.Id, nullable=True),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("note", sa.String(length=200), server_default="", nullable=False),
        sa.Column("since", models.base.Moment(), nullable=True),
        sa.Column("term_ends_at", models.base.Moment(), nullable=True),
        sa.Column("answer_by", models.base.Moment(), nullable=True),
        sa.Column("unit_member_id", models.base.Id, nullable=True),
        sa.Column("decided_by", models.base.Id, nullable=True),
        sa.Column("ended_at", models.base.Moment(), nullable=True),
        sa.Column("ended_by", models.base.Id, nullable=True),
        sa.Column("ended_why", sa.String(length=12), server_default="", nullable=False),
        sa.Column("ended_note", sa.String(length=200), server_default="", nullable=False),
        sa.CheckConstraint("partner_id <> member_id", name=op.f("ck_claims_partner")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_claims_community_id")),
        sa.ForeignKeyConstraint(["decided_by"], ["members.id"], name=op.f("fk_claims_decided_by")),
        sa.ForeignKeyConstraint(["ended_by"], ["members.id"], name=op.f("fk_claims_ended_by")),
        sa.ForeignKeyConstraint(["made_by"], ["members.id"], name=op.f("fk_claims_made_by")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_claims_member_id")),
        sa.ForeignKeyConstraint(["partner_id"], ["members.id"], name=op.f("fk_claims_partner_id")),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_claims_post_id")),
        sa.ForeignKeyConstraint(["unit_member_id"], ["unit_members.id"], name=op.f("fk_claims_unit_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claims")),
        sa.UniqueConstraint("community_id", "number", name="uq_claims_number"),
    )
    op.create_index("ix_claims_member", "claims", ["community_id", "member_id"], unique=False)
    op.create_index(
        "uq_claims_live",
        "claims",
        ["community_id", "post_id", "member_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
