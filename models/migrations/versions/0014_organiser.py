"""Activities again and again; the report after an activity."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "series",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("number", models.base.Id, nullable=False),
        sa.Column("unit_id", models.base.Id, nullable=False),
        sa.Column("rule", sa.String(length=120), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("start_minute", sa.Integer(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("skips_festivals", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("made_at", models.base.Moment(), nullable=False),
        sa.Column("stopped_at", models.base.Moment(), nullable=True),
        sa.Column("stopped_by", models.base.Id, nullable=True),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_series_community_id")),
        sa.ForeignKeyConstraint(["made_by"], ["members.id"], name=op.f("fk_series_made_by")),
        sa.ForeignKeyConstraint(["stopped_by"], ["members.id"], name=op.f("fk_series_stopped_by")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_series_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint("community_id", "number", name="uq_series_number"),
    )
    op.create_table(
        "occurrences",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("series_id", models.base.Id, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("activity_id", models.base.Id, nullable=True),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_occurrences_activity_id")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_occurrences_community_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_occurrences_series_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_occurrences")),
        sa.UniqueConstraint("community_id", "series_id", "day", name="uq_occurrences_day"),
    )
    op.create_index("ix_occurrences_activity", "occurrences", ["community_id", "activity_id"], unique=False)
    op.create_table(
        "regulars",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("series_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("since", models.base.Moment(), nullable=False),
        sa.Column("ended_at", models.base.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_regulars_community_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_regulars_member_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_regulars_series_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_regulars")),
    )
    op.create_table(
        "reports",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("activity_id", models.base.Id, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("words", sa.String(length=200), server_default="", nullable=False),
        sa.Column("drafted_at", models.base.Moment(), nullable=False),
        sa.Column("goes_at", models.base.Moment(), nullable=True),
        sa.Column("ended_at", models.base.Moment(), nullable=True),
        sa.Column("ended_by", models.base.Id, nullable=True),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_reports_activity_id")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_reports_community_id")),
        sa.ForeignKeyConstraint(["ended_by"], ["members.id"], name=op.f("fk_reports_ended_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.UniqueConstraint("community_id", "activity_id", name="uq_reports_activity"),
    )
    op.create_index("ix_reports_state", "reports", ["community_id", "state"], unique=False)
    op.create_index(
        "uq_regulars_live",
        "regulars",
        ["community_id", "series_id", "member_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
