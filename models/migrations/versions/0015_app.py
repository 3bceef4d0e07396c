"""What a message shows as a picture, where a channel shows pictures."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("outbox", sa.Column("placard", sa.JSON(), nullable=True))
