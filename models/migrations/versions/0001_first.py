"""The first schema: communities and who is who, the mechanisms, activities, check-ins, points."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0001"
down_revision = None

# The ledger refuses to be changed. ABORT undoes the statement alone: ROLLBACK would end a whole batch.
APPEND_ONLY_SQLITE = """
CREATE TRIGGER transfers_append_only_{event} BEFORE {event} ON transfers
BEGIN SELECT RAISE(ABORT, 'transfers are append-only'); END
"""
APPEND_ONLY_POSTGRESQL = """
CREATE FUNCTION transfers_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'transfers are append-only'; END $$;
CREATE TRIGGER transfers_append_only BEFORE UPDATE OR DELETE ON transfers
FOR EACH ROW EXECUTE FUNCTION transfers_append_only();
CREATE TRIGGER transfers_append_only_truncate BEFORE TRUNCATE ON transfers
FOR EACH STATEMENT EXECUTE FUNCTION transfers_append_only();
"""


def upgrade() -> None:
    op.create_table(
        "communities",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("slug", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("bot_name", sa.String(length=40), nullable=False),
        sa.Column("since", models.base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_communities")),
        sa.UniqueConstraint("slug", name=op.f("uq_communities_slug")),
    )
    op.create_table(
        "job_slots",
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("slot", models.base.Moment(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("began_at", models.base.Moment(), nullable=False),
        sa.Column("ended_at", models.base.Moment(), nullable=True),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("job", "slot", name=op.f("pk_job_slots")),
    )
    op.create_table(
        "ticks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("done_until", models.base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticks")),
    )
    op.create_table(
        "troubles",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("incoming", sa.JSON(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_troubles")),
    )
    op.create_table(
        "attempts",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("began_at", models.base.Moment(), nullable=False),
        sa.Column("ended_at", models.base.Moment(), nullable=True),
        sa.Column("outcome", sa.String(length=12), server_default="running", nullable=False),
        sa.Column("detail", sa.String(length=200), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_attempts_community_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    op.create_index("ix_attempts_address", "attempts", ["channel", "address", "began_at"], unique=False)
    op.create_table(
        "counters",
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("last", models.base.Id, nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_counters_community_id")),
        sa.PrimaryKeyConstraint("community_id", "kind", name=op.f("pk_counters")),
    )
    op.create_table(
        "point_rules",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("base", sa.Integer(), nullable=False),
        sa.Column("per_hour", sa.Integer(), nullable=False),
        sa.Column("day_max", sa.Integer(), nullable=False),
        sa.Column("month_max", sa.Integer(), nullable=False),
        sa.Column("night_percent", sa.Integer(), nullable=False),
        sa.Column("night_from_hour", sa.Integer(), nullable=False),
        sa.Column("night_until_hour", sa.Integer(), nullable=False),
        sa.Column("festival_percent", sa.Integer(), nullable=False),
        sa.Column("since", models.base.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_point_rules_community_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_point_rules")),
        sa.UniqueConstraint("community_id", "kind", "since", name="uq_point_rules_since"),
    )
    op.create_table(
        "revisions",
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("number", models.base.Id, nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_revisions_community_id")),
        sa.PrimaryKeyConstraint("community_id", name=op.f("pk_revisions")),
    )
    op.create_table(
        "transfers",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("currency", sa.String(length=16), nullable=False),
        sa.Column("debit", models.base.Id, nullable=False),
        sa.Column("credit", models.base.Id, nullable=False),
        sa.Column("amount", models.base.Id, nullable=False),
        sa.Column("reason", sa.String(length=24), nullable=False),
        sa.Column("ref", sa.String(length=40), nullable=False),
        sa.Column("note", sa.String(length=200), server_default="", nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("corrects", models.base.Id, nullable=True),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_transfers_positive")),
        sa.CheckConstraint("debit <> credit", name=op.f("ck_transfers_two_sides")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_transfers_community_id")),
        sa.ForeignKeyConstraint(["corrects"], ["transfers.id"], name=op.f("fk_transfers_corrects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
        sa.UniqueConstraint("community_id", "key", name="uq_transfers_key"),
    )
    op.create_index("ix_transfers_credit", "transfers", ["community_id", "credit", "id"], unique=False)
    op.create_index("ix_transfers_debit", "transfers", ["community_id", "debit", "id"], unique=False)
    op.create_index("uq_transfers_corrects", "transfers", ["corrects"], unique=True)
    op.create_table(
        "units",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("parent_id", models.base.Id, nullable=True),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("since", models.base.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_units_community_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["units.id"], name=op.f("fk_units_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_units")),
        sa.UniqueConstraint("community_id", "parent_id", "name", name="uq_units_name"),
    )
    op.create_index("ix_units_path", "units", ["community_id", "path"], unique=False)
    op.create_table(
        "groups",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("unit_id", models.base.Id, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("since", models.base.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_groups_community_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_groups_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
        sa.UniqueConstraint("community_id", "name", name="uq_groups_name"),
    )
    op.create_table(
        "members",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("unit_id", models.base.Id, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("standing", sa.String(length=16), nullable=False),
        sa.Column("room", sa.String(length=20), server_default="", nullable=False),
        sa.Column("phone", sa.String(length=20), server_default="", nullable=False),
        sa.Column("employer", sa.String(length=120), server_default="", nullable=False),
        sa.Column("basis", sa.String(length=120), server_default="", nullable=False),
        sa.Column("hides_name", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("on_boards", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("since", models.base.Moment(), nullable=False),
        sa.Column("moved_out_at", models.base.Moment(), nullable=True),
        sa.Column("forgotten_at", models.base.Moment(), nullable=True),
        sa.Column("merged_into", models.base.Id, nullable=True),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_members_community_id")),
        sa.ForeignKeyConstraint(["merged_into"], ["members.id"], name=op.f("fk_members_merged_into")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_members_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
    )
    op.create_index("ix_members_name", "members", ["community_id", "name"], unique=False)
    op.create_index("ix_members_unit", "members", ["unit_id"], unique=False)
    op.create_index(
        "ix_members_unseen",
        "members",
        ["community_id"],
        unique=False,
        sqlite_where=sa.text("on_boards = 0 OR merged_into IS NOT NULL OR forgotten_at IS NOT NULL"),
        postgresql_where=sa.text("NOT on_boards OR merged_into IS NOT NULL OR forgotten_at IS NOT NULL"),
    )
    op.create_table(
        "activities",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("number", models.base.Id, nullable=False),
        sa.Column("unit_id", models.base.Id, nullable=False),
        sa.Column("title", sa.String(length=80), nullable=False),
        sa.Column("place", sa.String(length=80), server_default="", nullable=False),
        sa.Column("starts_at", models.base.Moment(), nullable=False),
        sa.Column("ends_at", models.base.Moment(), nullable=False),
        sa.Column("check_in_opens_at", models.base.Moment(), nullable=False),
        sa.Column("quota", models.base.Id, nullable=True),
        sa.Column("points", models.base.Id, nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("made_at", models.base.Moment(), nullable=False),
        sa.Column("cancelled_at", models.base.Moment(), nullable=True),
        sa.Column("cancel_reason", sa.String(length=200), server_default="", nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_activities_span")),
        sa.CheckConstraint("quota IS NULL OR quota > 0", name=op.f("ck_activities_quota")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_activities_community_id")),
        sa.ForeignKeyConstraint(["made_by"], ["members.id"], name=op.f("fk_activities_made_by")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_activities_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activities")),
        sa.UniqueConstraint("community_id", "number", name="uq_activities_number"),
    )
    op.create_index("ix_activities_ends", "activities", ["community_id", "ends_at"], unique=False)
    op.create_index("ix_activities_starts", "activities", ["starts_at"], unique=False)
    op.create_table(
        "appeals",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("number", models.base.Id, nullable=False),
        sa.Column("transfer_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("decided_at", models.base.Moment(), nullable=True),
        sa.Column("decided_by", models.base.Id, nullable=True),
        sa.Column("answer", sa.String(length=200), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_appeals_community_id")),
        sa.ForeignKeyConstraint(["decided_by"], ["members.id"], name=op.f("fk_appeals_decided_by")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_appeals_member_id")),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfers.id"], name=op.f("fk_appeals_transfer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appeals")),
        sa.UniqueConstraint("community_id", "number", name="uq_appeals_number"),
        sa.UniqueConstraint("community_id", "transfer_id", name="uq_appeals_transfer"),
    )
    op.create_table(
        "audit",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("member_id", models.base.Id, nullable=True),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("object_ref", sa.String(length=40), nullable=False),
        sa.Column("group_id", models.base.Id, nullable=True),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("undone_by", models.base.Id, nullable=True),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_audit_community_id")),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_audit_group_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_audit_member_id")),
        sa.ForeignKeyConstraint(["undone_by"], ["audit.id"], name=op.f("fk_audit_undone_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_member", "audit", ["community_id", "member_id", "id"], unique=False)
    op.create_index("ix_audit_message", "audit", ["channel", "message_id"], unique=False)
    op.create_index("ix_audit_object", "audit", ["community_id", "action", "object_ref"], unique=False)
    op.create_table(
        "awards",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("undone_at", models.base.Moment(), nullable=True),
        sa.CheckConstraint("made_by <> member_id", name=op.f("ck_awards_not_to_oneself")),
        sa.CheckConstraint("points <> 0", name=op.f("ck_awards_points")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_awards_community_id")),
        sa.ForeignKeyConstraint(["made_by"], ["members.id"], name=op.f("fk_awards_made_by")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_awards_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_awards")),
    )
    op.create_index("ix_awards_member", "awards", ["community_id", "member_id"], unique=False)
    op.create_table(
        "balances",
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("currency", sa.String(length=16), nullable=False),
        sa.Column("amount", models.base.Id, nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_balances_community_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_balances_member_id")),
        sa.PrimaryKeyConstraint("community_id", "member_id", "currency", name=op.f("pk_balances")),
    )
    op.create_index(
        "ix_balances_board",
        "balances",
        ["community_id", "currency", sa.literal_column("amount DESC"), "member_id"],
        unique=False,
    )
    op.create_table(
        "consents",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("withdrawn_at", models.base.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_consents_community_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_consents_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        sa.UniqueConstraint("community_id", "member_id", "version", name="uq_consents_version"),
    )
    op.create_table(
        "endpoints",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("group_id", models.base.Id, nullable=False),
        sa.Column("sealed_secret", sa.String(length=500), server_default="", nullable=False),
        sa.Column("since", models.base.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_endpoints_community_id")),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_endpoints_group_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoints")),
        sa.UniqueConstraint("channel", "address", name="uq_endpoints_address"),
    )
    op.create_index("ix_endpoints_group", "endpoints", ["group_id"], unique=False)
    op.create_table(
        "identities",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("namespace", sa.String(length=80), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("chosen_at", models.base.Moment(), nullable=True),
        sa.Column("since", models.base.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_identities_community_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_identities_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identities")),
        sa.UniqueConstraint("namespace", "external_id", "community_id", name="uq_identities_external"),
    )
    op.create_index("ix_identities_member", "identities", ["member_id"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("community_id", models.base.Id, nullable=True),
        sa.Column("member_id", models.base.Id, nullable=True),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("ref", sa.String(length=40), server_default="", nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_inbox_community_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_inbox_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("channel", "message_id", name="uq_inbox_message"),
    )
    op.create_table(
        "invitations",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("unit_id", models.base.Id, nullable=False),
        sa.Column("expires_at", models.base.Moment(), nullable=False),
        sa.Column("used_at", models.base.Moment(), nullable=True),
        sa.Column("used_by", models.base.Id, nullable=True),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_invitations_community_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_invitations_unit_id")),
        sa.ForeignKeyConstraint(["used_by"], ["members.id"], name=op.f("fk_invitations_used_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("community_id", "code_hash", name="uq_invitations_code"),
    )
    op.create_table(
        "member_roles",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("unit_id", models.base.Id, nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("since", models.base.Moment(), nullable=False),
        sa.Column("until", models.base.Moment(), nullable=True),
        sa.Column("given_by", models.base.Id, nullable=True),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_member_roles_community_id")),
        sa.ForeignKeyConstraint(["given_by"], ["members.id"], name=op.f("fk_member_roles_given_by")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_member_roles_member_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_member_roles_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_roles")),
    )
    op.create_index("ix_member_roles_member", "member_roles", ["member_id"], unique=False)
    op.create_index("ix_member_roles_unit", "member_roles", ["community_id", "unit_id"], unique=False)
    op.create_table(
        "merges",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("from_member_id", models.base.Id, nullable=False),
        sa.Column("into_member_id", models.base.Id, nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("undone_at", models.base.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_merges_community_id")),
        sa.ForeignKeyConstraint(["from_member_id"], ["members.id"], name=op.f("fk_merges_from_member_id")),
        sa.ForeignKeyConstraint(["into_member_id"], ["members.id"], name=op.f("fk_merges_into_member_id")),
        sa.ForeignKeyConstraint(["made_by"], ["members.id"], name=op.f("fk_merges_made_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merges")),
    )
    op.create_index("ix_merges_from", "merges", ["community_id", "from_member_id"], unique=False)
    op.create_table(
        "monthly_totals",
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("currency", sa.String(length=16), nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("amount", models.base.Id, nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_monthly_totals_community_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_monthly_totals_member_id")),
        sa.PrimaryKeyConstraint("community_id", "member_id", "currency", "month", name=op.f("pk_monthly_totals")),
    )
    op.create_index(
        "ix_monthly_totals_board",
        "monthly_totals",
        ["community_id", "currency", "month", sa.literal_column("amount DESC"), "member_id"],
        unique=False,
    )
    op.create_table(
        "outbox",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("group_id", models.base.Id, nullable=True),
        sa.Column("member_id", models.base.Id, nullable=True),
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
        sa.CheckConstraint("(group_id IS NULL) <> (member_id IS NULL)", name=op.f("ck_outbox_one_recipient")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_outbox_community_id")),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_outbox_group_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_outbox_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("community_id", "key", name="uq_outbox_key"),
    )
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["not_before", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "ix_outbox_held",
        "outbox",
        ["leased_until", "retry_at"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting' AND (leased_until IS NOT NULL OR retry_at IS NOT NULL)"),
        postgresql_where=sa.text("state = 'waiting' AND (leased_until IS NOT NULL OR retry_at IS NOT NULL)"),
    )
    op.create_table(
        "pending",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
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
    )
    op.create_index("ix_pending_expires", "pending", ["expires_at"], unique=False)
    op.create_table(
        "registrations",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("number", models.base.Id, nullable=False),
        sa.Column("namespace", sa.String(length=80), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("unit_id", models.base.Id, nullable=False),
        sa.Column("room", sa.String(length=20), server_default="", nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("member_id", models.base.Id, nullable=True),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("decided_at", models.base.Moment(), nullable=True),
        sa.Column("decided_by", models.base.Id, nullable=True),
        sa.Column("reason", sa.String(length=200), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_registrations_community_id")),
        sa.ForeignKeyConstraint(["decided_by"], ["members.id"], name=op.f("fk_registrations_decided_by")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_registrations_member_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_registrations_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registrations")),
        sa.UniqueConstraint("community_id", "number", name="uq_registrations_number"),
    )
    op.create_index("ix_registrations_state", "registrations", ["community_id", "state"], unique=False)
    op.create_index("ix_registrations_who", "registrations", ["namespace", "external_id"], unique=False)
    op.create_table(
        "attempt_items",
        sa.Column("attempt_id", models.base.Id, nullable=False),
        sa.Column("outbox_id", models.base.Id, nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name=op.f("fk_attempt_items_attempt_id")),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_attempt_items_outbox_id")),
        sa.PrimaryKeyConstraint("attempt_id", "outbox_id", name=op.f("pk_attempt_items")),
    )
    op.create_index("ix_attempt_items_outbox", "attempt_items", ["outbox_id"], unique=False)
    op.create_table(
        "check_ins",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("activity_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("undone_at", models.base.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_check_ins_activity_id")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_check_ins_community_id")),
        sa.ForeignKeyConstraint(["made_by"], ["members.id"], name=op.f("fk_check_ins_made_by")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_check_ins_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_ins")),
    )
    op.create_index("ix_check_ins_member", "check_ins", ["community_id", "member_id", "id"], unique=False)
    op.create_index(
        "uq_check_ins_live",
        "check_ins",
        ["community_id", "activity_id", "member_id"],
        unique=True,
        sqlite_where=sa.text("undone_at IS NULL"),
        postgresql_where=sa.text("undone_at IS NULL"),
    )
    op.create_table(
        "signups",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("activity_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("companions", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("promoted_at", models.base.Moment(), nullable=True),
        sa.Column("undone_at", models.base.Moment(), nullable=True),
        sa.Column("undone_by", models.base.Id, nullable=True),
        sa.CheckConstraint("companions >= 0", name=op.f("ck_signups_companions")),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_signups_activity_id")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_signups_community_id")),
        sa.ForeignKeyConstraint(["made_by"], ["members.id"], name=op.f("fk_signups_made_by")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_signups_member_id")),
        sa.ForeignKeyConstraint(["undone_by"], ["members.id"], name=op.f("fk_signups_undone_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signups")),
    )
    op.create_index("ix_signups_member", "signups", ["community_id", "member_id"], unique=False)
    op.create_index(
        "uq_signups_live",
        "signups",
        ["community_id", "activity_id", "member_id"],
        unique=True,
        sqlite_where=sa.text("undone_at IS NULL"),
        postgresql_where=sa.text("undone_at IS NULL"),
    )
    op.create_table(
        "check_outs",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("check_in_id", models.base.Id, nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("made_by", models.base.Id, nullable=True),
        sa.Column("undone_at", models.base.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["check_in_id"], ["check_ins.id"], name=op.f("fk_check_outs_check_in_id")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_check_outs_community_id")),
        sa.ForeignKeyConstraint(["made_by"], ["members.id"], name=op.f("fk_check_outs_made_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_outs")),
    )
    op.create_index(
        "uq_check_outs_live",
        "check_outs",
        ["community_id", "check_in_id"],
        unique=True,
        sqlite_where=sa.text("undone_at IS NULL"),
        postgresql_where=sa.text("undone_at IS NULL"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(APPEND_ONLY_SQLITE.format(event=event))
    else:
        op.execute(APPEND_ONLY_POSTGRESQL)
