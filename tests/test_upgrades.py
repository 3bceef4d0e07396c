"""An upgrade that is killed half-way leaves the books as they were, and the next start finishes it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, text
from sqlalchemy.orm import Session

from models import migrations
from models.database import postgresql_engine, sqlite_engine
from models.migrations import current, revisions
from models.verify import violations
from tests.fakes.upgrades import walk
from tests.ground_of_the_first import lay_first
from tests.test_migrations import postgresql_nothing

assert postgresql_nothing, "a fixture"


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Engine]:
    """Makes engines for one database with nothing in it, each as another process would have it."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgresql_nothing")
    return lambda: postgresql_engine(url, 1) if url else sqlite_engine(str(tmp_path / "linli.sqlite3"))


def test_killed_while_it_makes_a_new_database(engine: Callable[[], Engine]) -> None:
    def nothing() -> None:
        looking = engine()
        assert current(looking) is None
        assert set(inspect(looking).get_table_names()) <= {"alembic_version"}
        looking.dispose()

    assert walk(engine, nothing, most=8) > 4


def test_killed_on_its_way_through_every_later_migration(engine: Callable[[], Engine]) -> None:
    first = engine()
    with first.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        migrations.run(connection, revisions()[0])
        lay_first(connection)
        connection.exec_driver_sql("COMMIT") if connection.dialect.name == "sqlite" else connection.commit()
    first.dispose()
    before = books(engine())

    def as_before() -> None:
        assert books(engine()) == before

    # `bench/faults.py` kills at every single statement.
    assert walk(engine, as_before, most=8) > 4
    # What was there is there, in whatever shape the migrations have brought it into.
    done = engine()
    with Session(done) as session:
        assert violations(session) == []
        rows = session.execute(text("SELECT id, amount FROM transfers ORDER BY id")).all()
        names = session.scalars(text("SELECT name FROM members ORDER BY id")).all()
    done.dispose()
    assert ([tuple(row) for row in rows], names) == ([(1, 5), (2, 3)], ["王秀英", "张敏"])


def books(opened: Engine) -> tuple[Any, ...]:
    """The revision, every table with its columns, and every row."""
    found = inspect(opened)
    with opened.connect() as connection:
        tables = {
            name: (
                [column["name"] for column in found.get_columns(name)],
                sorted(map(repr, connection.execute(text(f'SELECT * FROM "{name}"')))),
            )
            for name in found.get_table_names()
        }
        triggers = "sqlite_master WHERE type = 'trigger'" if opened.dialect.name == "sqlite" else "pg_trigger"
        count = connection.execute(text(f"SELECT count(*) FROM {triggers}")).scalar_one()
    opened.dispose()
    return current(opened), tables, count
