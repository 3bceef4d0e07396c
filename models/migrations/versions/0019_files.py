"""Messages that bring a file: what it is made from when it leaves."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.add_column("outbox", sa.Column("enclosure", sa.JSON(), nullable=True))
