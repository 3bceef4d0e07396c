"""Alembic's entry: runs on the connection that `models.migrations.upgrade` hands over."""

from alembic import context

from models import EVERY_TABLE
from models.base import Base

assert EVERY_TABLE
connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=False,  # the caller holds the transaction
    user_module_prefix="models.base.",
)
context.run_migrations()
