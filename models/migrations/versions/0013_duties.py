"""What holders do for their posts, and whether they go on: entries, hand-overs, questions, leave."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "duty_logs",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("post_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("number", models.base.Id, nullable=True),
        sa.Column("note", sa.String(length=200), server_default="", nullable=False),
        sa.Column("done_at", models.base.Moment(), nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("came_at", models.base.Moment(), nullable=True),
        sa.Column("left_at", models.base.Moment(), nullable=True),
        sa.Column("minutes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("measured", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("decided_at", models.base.Moment(), nullable=True),
        sa.Column("decided_by", models.base.Id, nullable=True),
        sa.Column("reason", sa.String(length=200), server_default="", nullable=False),
        sa.Column("undone_at", models.base.Moment(), nullable=True),
        sa.Column("undone_by", models.base.Id, nullable=True),
        sa.CheckConstraint("minutes >= 0", name=op.f("ck_duty_logs_minutes")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_duty_logs_community_id")),
        sa.ForeignKeyConstraint(["decided_by"], ["members.id"], name=op.f("fk_duty_logs_decided_by")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_duty_logs_member_id")),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_duty_logs_post_id")),
        sa.ForeignKeyConstraint(["undone_by"], ["members.id"], name=op.f("fk_duty_logs_undone_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_logs")),
        sa.UniqueConstraint("community_id", "number", name="uq_duty_logs_number"),
    )
    op.create_index("ix_duty_logs_member", "duty_logs", ["community_id", "member_id", "done_at"], unique=False)
    op.create_index("ix_duty_logs_post", "duty_logs", ["community_id", "post_id", "done_at"], unique=False)
    op.create_index("ix_duty_logs_state", "duty_logs", ["community_id", "state"], unique=False)
    op.create_table(
        "duty_credits",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("log_id", models.base.Id, nullable=False),
        sa.Column("currency", sa.String(length=16), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("undone_at", models.base.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_duty_credits_community_id")),
        sa.ForeignKeyConstraint(["log_id"], ["duty_logs.id"], name=op.f("fk_duty_credits_log_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_credits")),
    )
    op.create_index(
        "uq_duty_credits_live",
        "duty_credits",
        ["community_id", "log_id", "currency"],
        unique=True,
        sqlite_where=sa.text("undone_at IS NULL"),
        postgresql_where=sa.text("undone_at IS NULL"),
    )
    op.create_table(
        "handovers",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("claim_id", models.base.Id, nullable=False),
        sa.Column("taker_id", models.base.Id, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("expires_at", models.base.Moment(), nullable=False),
        sa.Column("taken_claim_id", models.base.Id, nullable=True),
        sa.Column("ended_at", models.base.Moment(), nullable=True),
        sa.Column("ended_by", models.base.Id, nullable=True),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name=op.f("fk_handovers_claim_id")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_handovers_community_id")),
        sa.ForeignKeyConstraint(["ended_by"], ["members.id"], name=op.f("fk_handovers_ended_by")),
        sa.ForeignKeyConstraint(["taken_claim_id"], ["claims.id"], name=op.f("fk_handovers_taken_claim_id")),
        sa.ForeignKeyConstraint(["taker_id"], ["members.id"], name=op.f("fk_handovers_taker_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handovers")),
    )
    op.create_index("ix_handovers_taker", "handovers", ["community_id", "taker_id"], unique=False)
    op.create_index(
        "uq_handovers_open",
        "handovers",
        ["community_id", "claim_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "tenure_questions",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("claim_id", models.base.Id, nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("asked_id", models.base.Id, nullable=False),
        sa.Column("asked_at", models.base.Moment(), nullable=False),
        sa.Column("due_at", models.base.Moment(), nullable=False),
        sa.Column("answer", sa.String(length=12), server_default="", nullable=False),
        sa.Column("answered_at", models.base.Moment(), nullable=True),
        sa.Column("answered_by", models.base.Id, nullable=True),
        sa.ForeignKeyConstraint(["answered_by"], ["members.id"], name=op.f("fk_tenure_questions_answered_by")),
        sa.ForeignKeyConstraint(["asked_id"], ["members.id"], name=op.f("fk_tenure_questions_asked_id")),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name=op.f("fk_tenure_questions_claim_id")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_tenure_questions_community_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenure_questions")),
    )
    op.create_index("ix_tenure_questions_asked", "tenure_questions", ["community_id", "asked_id"], unique=False)
    op.create_index(
        "uq_tenure_questions_open",
        "tenure_questions",
        ["community_id", "claim_id", "kind"],
        unique=True,
        sqlite_where=sa.text("answered_at IS NULL"),
        postgresql_where=sa.text("answered_at IS NULL"),
    )
    op.create_table(
        "post_leaves",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("claim_id", models.base.Id, nullable=False),
        sa.Column("since", models.base.Moment(), nullable=False),
        sa.Column("until", models.base.Moment(), nullable=False),
        sa.Column("reason", sa.String(length=200), server_default="", nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("undone_at", models.base.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name=op.f("fk_post_leaves_claim_id")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_post_leaves_community_id")),
        sa.ForeignKeyConstraint(["made_by"], ["members.id"], name=op.f("fk_post_leaves_made_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_post_leaves")),
    )
    op.create_index("ix_post_leaves_claim", "post_leaves", ["community_id", "claim_id"], unique=False)
