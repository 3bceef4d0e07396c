"""Broadcasts with their copies, receipts and reminders; roll-calls with their lines."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0012"
down_revision = "0011"


def _key(table: str, column: str, parent: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{parent}.id"], name=op.f(f"fk_{table}_{column}"))


def upgrade() -> None:
    op.create_table(
        "broadcasts",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("number", models.base.Id, nullable=False),
        sa.Column("unit_id", models.base.Id, nullable=False),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("title", sa.String(length=40), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("wants_receipts", sa.Boolean(), nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.Column("reminds", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("made_at", models.base.Moment(), nullable=False),
        sa.Column("review_number", models.base.Id, nullable=True),
        sa.Column("confirmed_by", models.base.Id, nullable=True),
        sa.Column("confirmed_at", models.base.Moment(), nullable=True),
        sa.Column("due_at", models.base.Moment(), nullable=False),
        sa.Column("rule", sa.String(length=120), server_default="", nullable=False),
        sa.Column("said", sa.String(length=40), server_default="", nullable=False),
        sa.Column("kept_by", models.base.Id, nullable=True),
        sa.Column("series_id", models.base.Id, nullable=True),
        sa.Column("corrects_id", models.base.Id, nullable=True),
        sa.Column("sent_at", models.base.Moment(), nullable=True),
        sa.Column("ended_at", models.base.Moment(), nullable=True),
        sa.Column("look_at", models.base.Moment(), nullable=True),
        sa.Column("receipts_until", models.base.Moment(), nullable=True),
        sa.Column("remind_at", models.base.Moment(), nullable=True),
        sa.Column("cancelled_by", models.base.Id, nullable=True),
        sa.Column("reason", sa.String(length=200), server_default="", nullable=False),
        sa.CheckConstraint("rule = '' OR sent_at IS NULL", name=op.f("ck_broadcasts_rule")),
        _key("broadcasts", "community_id", "communities"),
        _key("broadcasts", "unit_id", "units"),
        _key("broadcasts", "made_by", "members"),
        _key("broadcasts", "confirmed_by", "members"),
        _key("broadcasts", "kept_by", "members"),
        _key("broadcasts", "series_id", "broadcasts"),
        _key("broadcasts", "corrects_id", "broadcasts"),
        _key("broadcasts", "cancelled_by", "members"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broadcasts")),
        sa.UniqueConstraint("community_id", "number", name="uq_broadcasts_number"),
        sa.UniqueConstraint("community_id", "review_number", name="uq_broadcasts_review"),
    )
    op.create_index("ix_broadcasts_due", "broadcasts", ["community_id", "state", "due_at"], unique=False)
    op.create_table(
        "broadcast_copies",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("broadcast_id", models.base.Id, nullable=False),
        sa.Column("group_id", models.base.Id, nullable=True),
        sa.Column("member_id", models.base.Id, nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=200), server_default="", nullable=False),
        sa.Column("ended_at", models.base.Moment(), nullable=True),
        sa.Column("done_by", models.base.Id, nullable=True),
        sa.CheckConstraint("(group_id IS NULL) <> (member_id IS NULL)", name=op.f("ck_broadcast_copies_one_recipient")),
        _key("broadcast_copies", "community_id", "communities"),
        _key("broadcast_copies", "broadcast_id", "broadcasts"),
        _key("broadcast_copies", "group_id", "groups"),
        _key("broadcast_copies", "member_id", "members"),
        _key("broadcast_copies", "done_by", "members"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broadcast_copies")),
    )
    op.create_index("ix_broadcast_copies_broadcast", "broadcast_copies", ["community_id", "broadcast_id"], unique=False)
    op.create_index("ix_broadcast_copies_member", "broadcast_copies", ["member_id"], unique=False)
    op.create_table(
        "receipts",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("broadcast_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("way", sa.String(length=12), nullable=False),
        sa.Column("note", sa.String(length=200), server_default="", nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("undone_at", models.base.Moment(), nullable=True),
        _key("receipts", "community_id", "communities"),
        _key("receipts", "broadcast_id", "broadcasts"),
        _key("receipts", "member_id", "members"),
        _key("receipts", "made_by", "members"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
    )
    op.create_index("ix_receipts_member", "receipts", ["community_id", "member_id"], unique=False)
    op.create_index(
        "uq_receipts_live",
        "receipts",
        ["community_id", "broadcast_id", "member_id"],
        unique=True,
        sqlite_where=sa.text("undone_at IS NULL"),
        postgresql_where=sa.text("undone_at IS NULL"),
    )
    op.create_table(
        "broadcast_reminders",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("broadcast_id", models.base.Id, nullable=False),
        sa.Column("unit_id", models.base.Id, nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("households", sa.Integer(), nullable=False),
        _key("broadcast_reminders", "community_id", "communities"),
        _key("broadcast_reminders", "broadcast_id", "broadcasts"),
        _key("broadcast_reminders", "unit_id", "units"),
        _key("broadcast_reminders", "made_by", "members"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broadcast_reminders")),
    )
    op.create_index(
        "ix_broadcast_reminders_broadcast", "broadcast_reminders", ["community_id", "broadcast_id"], unique=False
    )
    op.create_table(
        "roll_calls",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("number", models.base.Id, nullable=False),
        sa.Column("title", sa.String(length=40), nullable=False),
        sa.Column("about", sa.String(length=40), nullable=False),
        sa.Column("group_id", models.base.Id, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("closes_at", models.base.Moment(), nullable=False),
        _key("roll_calls", "community_id", "communities"),
        _key("roll_calls", "group_id", "groups"),
        _key("roll_calls", "made_by", "members"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roll_calls")),
        sa.UniqueConstraint("community_id", "number", name="uq_roll_calls_number"),
    )
    op.create_table(
        "roll_call_lines",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("roll_call_id", models.base.Id, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(length=80), server_default="", nullable=False),
        sa.Column("member_id", models.base.Id, nullable=True),
        sa.Column("added_in", sa.Integer(), nullable=False),
        sa.Column("added_by", models.base.Id, nullable=True),
        sa.Column("gone_in", sa.Integer(), nullable=True),
        _key("roll_call_lines", "community_id", "communities"),
        _key("roll_call_lines", "roll_call_id", "roll_calls"),
        _key("roll_call_lines", "member_id", "members"),
        _key("roll_call_lines", "added_by", "members"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roll_call_lines")),
    )
    op.create_index("ix_roll_call_lines_member", "roll_call_lines", ["community_id", "member_id"], unique=False)
    op.create_index(
        "uq_roll_call_lines_live",
        "roll_call_lines",
        ["community_id", "roll_call_id", "name"],
        unique=True,
        sqlite_where=sa.text("gone_in IS NULL"),
        postgresql_where=sa.text("gone_in IS NULL"),
    )
