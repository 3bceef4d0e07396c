"""One PostgreSQL database for all tests of a module, emptied after each: making a new one takes longer than a test."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, make_url, text

from models.base import Base


def _url(server: str, name: str | None = None) -> str:
    made = make_url(server).set(drivername="postgresql+psycopg")
    return (made if name is None else made.set(database=name)).render_as_string(hide_password=False)


def _say(url: str, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@contextmanager
def copied(server: str, template: str) -> Iterator[str]:
    """The URL of a copy of the template, for as long as it is needed."""
    name = f"linli_{secrets.token_hex(6)}"
    _say(_url(server), f"CREATE DATABASE {name} TEMPLATE {template}")
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    _say(_url(server), f"DROP DATABASE {name} WITH (FORCE)")


def empty(url: str) -> None:
    """Takes all rows out, the ledger's too: as a replica does, without triggers and foreign keys."""
    deletes = [f'DELETE FROM "{table.name}"' for table in reversed(Base.metadata.sorted_tables)]
    _say(_url(url), "SET session_replication_role = replica", *deletes)
