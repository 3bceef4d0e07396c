"""Who acts for whom."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0009"
down_revision = "0013"


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
