"""Photos that neighbours send."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0010"
down_revision = "0012"


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
