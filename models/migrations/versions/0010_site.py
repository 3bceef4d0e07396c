"""Photos that neighbours send; how strong a check-in is, whom somebody spoke for, what was made up for."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "photos",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("ref", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=32), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_photos_community_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_photos_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photos")),
    )
    op.create_index("ix_photos_ref", "photos", ["community_id", "ref", "id"], unique=False)
    op.create_index("ix_photos_member", "photos", ["community_id", "member_id"], unique=False)
    for column in (
        sa.Column("way", sa.String(length=8), server_default="word", nullable=False),
        sa.Column("companions", sa.Integer(), server_default="0", nullable=False),
    ):
        op.add_column("check_ins", column)
    op.create_table(
        "check_in_terms",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("activity_id", models.base.Id, nullable=False),
        sa.Column("ways", sa.String(length=40), nullable=False),
        sa.Column("latitude", sa.Integer(), nullable=True),
        sa.Column("longitude", sa.Integer(), nullable=True),
        sa.Column("radius_metres", sa.Integer(), nullable=True),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_check_in_terms_activity_id")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_check_in_terms_community_id")),
        sa.ForeignKeyConstraint(["made_by"], ["members.id"], name=op.f("fk_check_in_terms_made_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_in_terms")),
        sa.UniqueConstraint("community_id", "activity_id", name="uq_check_in_terms_activity"),
    )
    op.create_table(
        "check_in_codes",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("activity_id", models.base.Id, nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_check_in_codes_activity_id")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_check_in_codes_community_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_in_codes")),
        sa.UniqueConstraint("community_id", "activity_id", "day", name="uq_check_in_codes_activity"),
        sa.UniqueConstraint("community_id", "day", "code", name="uq_check_in_codes_code"),
    )
    op.create_table(
        "wrong_codes",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_wrong_codes_community_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_wrong_codes_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wrong_codes")),
    )
    op.create_index("ix_wrong_codes_member", "wrong_codes", ["community_id", "member_id", "at"], unique=False)
    op.create_table(
        "vouchings",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("check_in_id", models.base.Id, nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("undone_at", models.base.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["check_in_id"], ["check_ins.id"], name=op.f("fk_vouchings_check_in_id")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_vouchings_community_id")),
        sa.ForeignKeyConstraint(["made_by"], ["members.id"], name=op.f("fk_vouchings_made_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vouchings")),
    )
    op.create_index(
        "uq_vouchings_live",
        "vouchings",
        ["community_id", "check_in_id"],
        unique=True,
        sqlite_where=sa.text("undone_at IS NULL"),
        postgresql_where=sa.text("undone_at IS NULL"),
    )
    op.create_table(
        "make_ups",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("activity_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("came_at", models.base.Moment(), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("check_in_id", models.base.Id, nullable=True),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("decided_by", models.base.Id, nullable=True),
        sa.Column("decided_at", models.base.Moment(), nullable=True),
        sa.Column("answer", sa.String(length=200), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_make_ups_activity_id")),
        sa.ForeignKeyConstraint(["check_in_id"], ["check_ins.id"], name=op.f("fk_make_ups_check_in_id")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_make_ups_community_id")),
        sa.ForeignKeyConstraint(["decided_by"], ["members.id"], name=op.f("fk_make_ups_decided_by")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_make_ups_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_make_ups")),
        sa.UniqueConstraint("community_id", "number", name="uq_make_ups_number"),
    )
    op.create_index(
        "uq_make_ups_waiting",
        "make_ups",
        ["community_id", "activity_id", "member_id"],
        unique=True,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("ix_make_ups_member", "make_ups", ["community_id", "member_id"], unique=False)
