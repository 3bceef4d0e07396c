"""The organisation: units that close and remember, who belongs to and leads them; invitations and tries of them."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0005"
down_revision = "0004"

OPEN = sa.text("until IS NULL")

# By which role a unit of each kind is led, as of this release.
LEADING = {
    "party_committee": "branch_secretary",
    "building_branch": "branch_secretary",
    "door_group": "group_leader",
    "host_household": "member",
    "grid": "staff",
    "building": "building_lead",
    "door": "building_lead",
    "service_team": "group_leader",
    "council": "group_leader",
    "property_firm": "property",
    "owners_committee": "owners_committee",
}


def upgrade() -> None:
    with op.batch_alter_table("units") as units:
        units.add_column(sa.Column("until", models.base.Moment(), nullable=True))
        units.drop_constraint("uq_units_name", type_="unique")
    # A name is free again once its unit is closed.
    op.create_index(
        "uq_units_name",
        "units",
        ["community_id", "parent_id", "name"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    op.create_table(
        "unit_pasts",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("unit_id", models.base.Id, nullable=False),
        sa.Column("parent_id", models.base.Id, nullable=True),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("since", models.base.Moment(), nullable=False),
        sa.Column("until", models.base.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_unit_pasts_community_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["units.id"], name=op.f("fk_unit_pasts_parent_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_unit_pasts_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit_pasts")),
    )
    op.create_index("ix_unit_pasts_unit", "unit_pasts", ["community_id", "unit_id"], unique=False)
    op.create_table(
        "unit_members",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("community_id", models.base.Id, nullable=False),
        sa.Column("unit_id", models.base.Id, nullable=False),
        sa.Column("member_id", models.base.Id, nullable=False),
        sa.Column("since", models.base.Moment(), nullable=False),
        sa.Column("until", models.base.Moment(), nullable=True),
        sa.Column("added_by", models.base.Id, nullable=True),
        sa.ForeignKeyConstraint(["added_by"], ["members.id"], name=op.f("fk_unit_members_added_by")),
        sa.ForeignKeyConstraint(["community_id"], ["communities.id"], name=op.f("fk_unit_members_community_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_unit_members_member_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_unit_members_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit_members")),
    )
    op.create_index(
        "uq_unit_members_live",
        "unit_members",
        ["community_id", "unit_id", "member_id"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    op.create_index("ix_unit_members_member", "unit_members", ["community_id", "member_id"], unique=False)
    with op.batch_alter_table("member_roles") as roles:
        roles.add_column(sa.Column("leads", sa.Boolean(), server_default=sa.text("false"), nullable=False))
        roles.add_column(sa.Column("ended_by", models.base.Id, nullable=True))
        roles.create_foreign_key(op.f("fk_member_roles_ended_by"), "members", ["ended_by"], ["id"])
    _let_the_first_lead()
    with op.batch_alter_table("invitations") as invitations:
        invitations.add_column(sa.Column("made_by", models.base.Id, nullable=True))
        invitations.add_column(sa.Column("made_at", models.base.Moment(), nullable=True))
        invitations.create_foreign_key(op.f("fk_invitations_made_by"), "members", ["made_by"], ["id"])
    op.create_table(
        "invitation_tries",
        sa.Column("id", models.base.Id, nullable=False),
        sa.Column("namespace", sa.String(length=80), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("at", models.base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation_tries")),
    )
    op.create_index("ix_invitation_tries_who", "invitation_tries", ["namespace", "external_id"], unique=False)


def _let_the_first_lead() -> None:
    """Of those who hold the fitting role for a unit without a planned end, the first leads it."""
    roles = sa.table(
        "member_roles", sa.column("id"), sa.column("unit_id"), sa.column("role"), sa.column("until"), sa.column("leads")
    )
    units = sa.table("units", sa.column("id"), sa.column("kind"))
    fits = sa.or_(*(sa.and_(units.c.kind == kind, roles.c.role == role) for kind, role in LEADING.items()))
    first = (
        sa.select(sa.func.min(roles.c.id))
        .join_from(roles, units, roles.c.unit_id == units.c.id)
        .where(fits, roles.c.until.is_(None))
        .group_by(roles.c.unit_id)
    )
    op.execute(sa.update(roles).where(roles.c.id.in_(first)).values(leads=sa.true()))
