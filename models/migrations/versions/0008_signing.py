"""Who acts for whom; the terms of an activity's sign-up, offers of a place, who says that they cannot come."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0008"
down_revision = "0007"

LIVE = sa.text("undone_at IS NULL")
OFFERED = sa.text("state = 'offered' AND undone_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "proxy_acts",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("proxy_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("right", sa.String(length=12), nullable=False),
        sa.Column("act", sa.String(length=32), nullable=False),
        sa.Column("ref", sa.String(length=40), nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_proxy_acts_community_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_proxy_acts_member_id")),
        sa.ForeignKeyConstraint(["proxy_id"], ["members.id"], name=op.f("fk_proxy_acts_proxy_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proxy_acts")),
    )
    op.create_index("ix_proxy_acts_proxy", "proxy_acts", ["community_id", "proxy_id", "at"], unique=False)
    op.create_index("ix_proxy_acts_member", "proxy_acts", ["community_id", "member_id"], unique=False)
    for name in ("signup_opens_at", "signup_closes_at", "leave_until", "locked_at"):
        op.add_column("activities", sa.Column(name, models.base.Moment(), nullable=True))
    op.add_column("activities", sa.Column("confirm_minutes", sa.Integer(), server_default="120", nullable=False))
    op.add_column("activities", sa.Column("audience", sa.String(length=16), server_default="", nullable=False))
    op.add_column("signups", sa.Column("offered_until", models.base.Moment(), nullable=True))
    op.add_column("signups", sa.Column("right", sa.String(length=12), nullable=True))
    op.add_column("signups", sa.Column("number", models.base.Id, nullable=True))
    op.create_index("uq_signups_number", "signups", ["community_id", "number"], unique=True)
    op.create_index(
        "ix_signups_offered", "signups", ["offered_until"], unique=False, sqlite_where=OFFERED, postgresql_where=OFFERED
    )
    op.create_table(
        "declines",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("activity_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("undone_at", models.base.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_declines_activity_id")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_declines_community_id")),
        sa.ForeignKeyConstraint(["made_by"], ["members.id"], name=op.f("fk_declines_made_by")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_declines_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_declines")),
    )
    op.create_index(
        "uq_declines_live",
        "declines",
        ["community_id", "activity_id", "member_id"],
        unique=True,
        sqlite_where=LIVE,
        postgresql_where=LIVE,
    )
    op.create_index("ix_declines_member", "declines", ["community_id", "member_id"], unique=False)
