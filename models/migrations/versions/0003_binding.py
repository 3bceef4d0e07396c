"""Trust: requests that say why they wait, wrong tries, answers to the privacy statement, accounts of nobody yet."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0003"
down_revision = "0002"

ONE_RECIPIENT = (
    "(group_id IS NOT NULL AND member_id IS NULL AND external_id IS NULL)"
    " OR (group_id IS NULL AND member_id IS NOT NULL AND external_id IS NULL)"
    " OR (group_id IS NULL AND member_id IS NULL AND external_id IS NOT NULL AND namespace IS NOT NULL)"
)
HELD = "state = 'waiting' AND (leased_until IS NOT NULL OR retry_at IS NOT NULL)"


def upgrade() -> None:
    op.add_column("identities", sa.Column("ground", sa.String(length=16), server_default="roster", nullable=False))
    op.add_column("consents", sa.Column("agreed", sa.Boolean(), server_default=sa.true(), nullable=False))
    for column in (
        sa.Column("why", sa.String(length=12), server_default="", nullable=False),
        sa.Column("proved", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("heard", sa.Boolean(), server_default=sa.false(), nullable=False),
    ):
        op.add_column("registrations", column)
    # Whoever waited until now was told so.
    op.execute("UPDATE registrations SET why = 'unproved', heard = true WHERE state = 'waiting'")
    op.create_table(
        "wrong_tries",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("namespace", sa.String(length=80), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("about", sa.String(length=64), nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_wrong_tries_community_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wrong_tries")),
    )
    op.create_index("ix_wrong_tries_account", "wrong_tries", ["community_id", "namespace", "external_id"])
    op.create_index("ix_wrong_tries_about", "wrong_tries", ["community_id", "about"])
    # Questions stand for minutes: those of the old form are asked again.
    op.drop_table("pending")
    op.create_table(
        "pending",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=True),
        sa.Column("account", sa.String(length=300), nullable=True),
        sa.Column("conversation", sa.String(length=40), nullable=False),
        sa.Column("intent", sa.String(length=32), nullable=False),
        sa.Column("slots", sa.JSON(), nullable=False),
        sa.Column("slot", sa.String(length=32), nullable=True),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("expires_at", models.base.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_pending_community_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_pending_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending")),
        sa.UniqueConstraint("community_id", "member_id", "conversation", name="uq_pending_conversation"),
        sa.UniqueConstraint("community_id", "account", "conversation", name="uq_pending_account"),
    )
    op.create_index("ix_pending_expires", "pending", ["expires_at"], unique=False)
    if op.get_bind().dialect.name == "sqlite":
        _rebuild_outbox()
        return
    op.add_column("outbox", sa.Column("namespace", sa.String(length=80), nullable=True))
    op.add_column("outbox", sa.Column("external_id", sa.String(length=200), nullable=True))
    op.drop_constraint(op.f("ck_outbox_one_recipient"), "outbox", type_="check")
    op.create_check_constraint(op.f("ck_outbox_one_recipient"), "outbox", ONE_RECIPIENT)


def _rebuild_outbox() -> None:
    # SQLite changes no constraint of a table that is there. The new one is filled beside the old one and takes its
    # name, so that what refers to it goes on doing so; foreign keys are off meanwhile, and checked at the end.
    op.create_table(
        "outbox_0003",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("group_id", models.base.Id, nullable=True),
        sa.Column("member_id", models.base.Id, nullable=True),
        sa.Column("namespace", sa.String(length=80), nullable=True),
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("ref", sa.String(length=40), server_default="", nullable=False),
        sa.Column("created_at", models.base.Moment(), nullable=False),
        sa.Column("not_before", models.base.Moment(), nullable=False),
        sa.Column("expires_at", models.base.Moment(), nullable=False),
        sa.Column("state", sa.String(length=12), server_default="waiting", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("parts_sent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retry_at", models.base.Moment(), nullable=True),
        sa.Column("leased_until", models.base.Moment(), nullable=True),
        sa.Column("lease", sa.String(length=32), server_default="", nullable=False),
        sa.Column("dead_reason", sa.String(length=200), server_default="", nullable=False),
        sa.Column("finished_at", models.base.Moment(), nullable=True),
        sa.CheckConstraint(ONE_RECIPIENT, name=op.f("ck_outbox_one_recipient")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_outbox_community_id")),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_outbox_group_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_outbox_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("community_id", "key", name="uq_outbox_key"),
    )
    columns = (
        "id, community_id, key, group_id, member_id, text, ref, created_at, not_before, expires_at, state, tries,"
        " parts_sent, retry_at, leased_until, lease, dead_reason, finished_at"
    )
    op.execute(f"INSERT INTO outbox_0003 ({columns}) SELECT {columns} FROM outbox")  # noqa: S608
    op.drop_table("outbox")
    op.rename_table("outbox_0003", "outbox")
    op.create_index(
        "ix_outbox_due", "outbox", ["not_before", "id"], unique=False, sqlite_where=sa.text("state = 'waiting'")
    )
    op.create_index("ix_outbox_held", "outbox", ["leased_until", "retry_at"], unique=False, sqlite_where=sa.text(HELD))
