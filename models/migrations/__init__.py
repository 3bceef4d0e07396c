"""Migrations: forward only, from an empty file and from every release since.

`upgrade` is the one way in which a schema comes to be, in production, in the demo and in tests alike.
"""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

LOCK = 7_256_133
"""PostgreSQL's advisory lock of the one migrator."""


class SchemaTooNew(Exception):
    """The database was written by a newer release. `found` is its revision."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def head() -> str:
    """The revision that this release needs."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None
    return found


def current(engine: Engine) -> str | None:
    """The revision of a database; None for an empty one. Raises SchemaTooNew for one from a newer release."""
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in revisions():
        raise SchemaTooNew(found)
    return found


def revisions() -> list[str]:
    """Every revision that this release knows, from the first to `head`."""
    walked = ScriptDirectory.from_config(_config()).walk_revisions()
    return [script.revision for script in walked][::-1]


def run(connection: Connection, revision: str = "head") -> None:
    """Migrates up to a revision inside the caller's transaction, with foreign keys off on SQLite."""
    command.upgrade(_config(connection), revision)


def _begin_after_others(connection: Connection) -> None:
    """Begins to write to SQLite's file, however long another migrator takes.

    Each attempt waits for the connection's `busy_timeout`, and between two of them it can be interrupted.
    """
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        except OperationalError as refused:
            if getattr(refused.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY:
                raise


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Brings a database to this release's schema; returns the revisions before and after.

    One migrator at a time. A migration that fails leaves the database as it was. Raises SchemaTooNew.
    """
    before = current(engine)
    if before == head():
        return before, before
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            # Outside the transaction: a rebuilt parent would otherwise empty its children.
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            _begin_after_others(connection)
        else:
            # However long another migrator takes: only the migration's own statements give up on a lock.
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            connection.execute(text("SET LOCAL lock_timeout TO DEFAULT"))
        try:
            run(connection)
            if connection.dialect.name == "sqlite":
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                if broken:
                    raise RuntimeError(f"the migration broke foreign keys: {broken[:3]}")
                connection.exec_driver_sql("COMMIT")
            else:
                connection.commit()
        except BaseException:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("ROLLBACK")
            raise
        finally:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA foreign_keys=ON")
    return before, head()
