"""When somebody was born, whether an activity is outdoors and how hard it is, and who was told so."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("members", sa.Column("born", sa.String(length=12), server_default="", nullable=False))
    op.add_column("activities", sa.Column("outdoors", sa.Boolean(), nullable=True))
    op.add_column("activities", sa.Column("demand", sa.String(length=8), server_default="", nullable=False))
    op.add_column("signups", sa.Column("cautioned", sa.String(length=16), server_default="", nullable=False))
