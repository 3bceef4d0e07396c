"""Privacy: the words of transfers stand beside the ledger; merges, family, detached accounts, links, erasures."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "transfer_notes",
        sa.Column("transfer_id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_transfer_notes_community_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_transfer_notes_member_id")),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfers.id"], name=op.f("fk_transfer_notes_transfer_id")),
        sa.PrimaryKeyConstraint("transfer_id", name=op.f("pk_transfer_notes")),
    )
    op.execute(
        "INSERT INTO transfer_notes (transfer_id, community_id, member_id, note)"
        " SELECT id, community_id, CASE WHEN credit > 0 THEN credit ELSE debit END, note"
        " FROM transfers WHERE note <> ''"
    )
    # No row is changed by this: the ledger's triggers stand all the while.
    op.execute("ALTER TABLE transfers DROP COLUMN note")
    # Nothing has written merges so far.
    op.drop_table("merges")
    op.create_table(
        "merges",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("number", models.base.Id, nullable=False),
        sa.Column("from_member_id", models.base.Id, nullable=False),
        sa.Column("into_member_id", models.base.Id, nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("moved", sa.JSON(), nullable=False),
        sa.Column("undone_at", models.base.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_merges_community_id")),
        sa.ForeignKeyConstraint(["from_member_id"], ["members.id"], name=op.f("fk_merges_from_member_id")),
        sa.ForeignKeyConstraint(["into_member_id"], ["members.id"], name=op.f("fk_merges_into_member_id")),
        sa.ForeignKeyConstraint(["made_by"], ["members.id"], name=op.f("fk_merges_made_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merges")),
        sa.UniqueConstraint("community_id", "number", name="uq_merges_number"),
    )
    op.create_index("ix_merges_from", "merges", ["community_id", "from_member_id"], unique=False)
    op.create_index("ix_merges_into", "merges", ["community_id", "into_member_id"], unique=False)
    op.create_table(
        "family_ties",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("number", models.base.Id, nullable=False),
        sa.Column("proxy_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("ground", sa.String(length=12), nullable=False),
        sa.Column("asked_at", models.base.Moment(), nullable=False),
        sa.Column("since", models.base.Moment(), nullable=True),
        sa.Column("decided_by", models.base.Id, nullable=True),
        sa.Column("ended_at", models.base.Moment(), nullable=True),
        sa.Column("ended_by", models.base.Id, nullable=True),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_family_ties_community_id")),
        sa.ForeignKeyConstraint(["decided_by"], ["members.id"], name=op.f("fk_family_ties_decided_by")),
        sa.ForeignKeyConstraint(["ended_by"], ["members.id"], name=op.f("fk_family_ties_ended_by")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_family_ties_member_id")),
        sa.ForeignKeyConstraint(["proxy_id"], ["members.id"], name=op.f("fk_family_ties_proxy_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_family_ties")),
        sa.UniqueConstraint("community_id", "number", name="uq_family_ties_number"),
    )
    op.create_index("ix_family_ties_member", "family_ties", ["community_id", "member_id"], unique=False)
    op.create_index(
        "uq_family_ties_open",
        "family_ties",
        ["community_id", "proxy_id", "member_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "detachments",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("namespace", sa.String(length=80), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("undone_at", models.base.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_detachments_community_id")),
        sa.ForeignKeyConstraint(["made_by"], ["members.id"], name=op.f("fk_detachments_made_by")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_detachments_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_detachments")),
    )
    op.create_index("ix_detachments_member", "detachments", ["community_id", "member_id"], unique=False)
    op.create_table(
        "downloads",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("made_at", models.base.Moment(), nullable=False),
        sa.Column("expires_at", models.base.Moment(), nullable=False),
        sa.Column("fetched_at", models.base.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_downloads_community_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_downloads_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_downloads")),
        sa.UniqueConstraint("community_id", "token_hash", name="uq_downloads_token"),
    )
    op.create_index("ix_downloads_member", "downloads", ["community_id", "member_id"], unique=False)
    op.create_index("ix_downloads_token", "downloads", ["token_hash"], unique=False)
    op.create_table(
        "erasures",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("words", sa.JSON(), nullable=False),
        sa.Column("asked_at", models.base.Moment(), nullable=False),
        sa.Column("at_table", sa.String(length=40), server_default="", nullable=False),
        sa.Column("at_row", models.base.Id, server_default="0", nullable=False),
        sa.Column("done_at", models.base.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_erasures_community_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_erasures_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_table(
        "kept_until",
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("last_id", models.base.Id, nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_kept_until_community_id")),
        sa.PrimaryKeyConstraint("community_id", "what", name=op.f("pk_kept_until")),
    )
