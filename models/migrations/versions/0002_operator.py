"""When each channel was last heard."""

import sqlalchemy as sa
from alembic import op

import models.base

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hearings",
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("heard_at", models.base.Moment(), nullable=True),
        sa.Column("refused_at", models.base.Moment(), nullable=True),
        sa.Column("refused_why", sa.String(length=40), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_hearings")),
    )
