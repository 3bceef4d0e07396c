"""A schema comes to be in one way: from nothing to this release's, by one migrator at a time, wholly or not at all."""

import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex

from models import migrations
from models.base import Base
from models.database import postgresql_engine, sqlite_engine
from models.migrations import SchemaTooNew, current, head, upgrade

TABLES = {*Base.metadata.tables, "alembic_version"}


@pytest.fixture
def postgresql_nothing(postgresql_server: str) -> Iterator[str]:
    """A PostgreSQL database with nothing in it."""
    server = make_url(postgresql_server).set(drivername="postgresql+psycopg")
    name = f"linli_migrations_{secrets.token_hex(4)}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    yield server.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def nothing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Engine]]:
    """Makes engines for one database with nothing in it, each as another process would have it."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgresql_nothing")
    made: list[Engine] = []

    def engine() -> Engine:
        made.append(postgresql_engine(url, 1) if url else sqlite_engine(str(tmp_path / "linli.sqlite3")))
        return made[-1]

    yield engine
    for one in made:
        one.dispose()


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def run(engine: Engine, *statements: str) -> None:
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
        connection.commit()


def rows(engine: Engine, query: str) -> list[Any]:
    with engine.connect() as connection:
        return [row[0] for row in connection.execute(text(query))]


def test_from_nothing_to_this_release(nothing: Callable[[], Engine]) -> None:
    engine = nothing()
    assert current(engine) is None
    assert upgrade(engine) == (None, head())
    assert current(engine) == head()
    assert tables(engine) == TABLES
    # A second time there is nothing to do.
    assert upgrade(engine) == (head(), head())


def test_the_migrated_schema_is_the_one_that_the_models_declare(nothing: Callable[[], Engine]) -> None:
    engine = nothing()
    upgrade(engine)
    lite = engine.dialect.name == "sqlite"

    def comparable(_thing: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
        # SQLite does not tell in which direction an index runs; that is compared in words below.
        return not (lite and kind == "index" and name in DESCENDING)

    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            # SQLite's own spelling of a default cannot be told from another one.
            opts={"compare_type": True, "compare_server_default": not lite, "include_object": comparable},
        )
        assert compare_metadata(context, Base.metadata) == []
    if lite:
        for index in (index for table in Base.metadata.tables.values() for index in table.indexes):
            if index.name in DESCENDING:
                said = rows(engine, f"SELECT sql FROM sqlite_master WHERE name = '{index.name}'")
                assert said == [str(CreateIndex(index).compile(engine)).strip()]


DESCENDING = ("ix_balances_board", "ix_monthly_totals_board")
"""Boards are read from the top."""


def test_every_constraint_has_its_name(nothing: Callable[[], Engine]) -> None:
    """Without a name, no later migration could speak of it on every database."""
    engine = nothing()
    upgrade(engine)
    found = inspect(engine)
    for table in Base.metadata.sorted_tables:
        checks = {str(item["name"]) for item in found.get_check_constraints(table.name)}
        keys = {str(item["name"]) for item in found.get_foreign_keys(table.name)}
        uniques = {str(item["name"]) for item in found.get_unique_constraints(table.name)}
        named = {str(constraint.name) for constraint in table.constraints}
        assert checks | keys | uniques | {str(found.get_pk_constraint(table.name)["name"])} == named


def test_the_ledgers_triggers_are_there(nothing: Callable[[], Engine]) -> None:
    engine = nothing()
    upgrade(engine)
    if engine.dialect.name == "sqlite":
        found = rows(engine, "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'transfers'")
        assert set(found) == {"transfers_append_only_UPDATE", "transfers_append_only_DELETE"}
    else:
        found = rows(
            engine,
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'transfers'::regclass"
            " AND NOT tgisinternal AND tgenabled = 'O'",
        )
        assert set(found) == {"transfers_append_only", "transfers_append_only_truncate"}
    run(
        engine,
        "INSERT INTO communities (id, slug, name, bot_name, since) VALUES (1, 'a', 'a', 'a', '2026-11-17T11:30:00Z')",
        "INSERT INTO transfers (community_id, key, currency, debit, credit, amount, reason, ref, month, at)"
        " VALUES (1, 'k', 'points', -1, 1, 5, 'award', 'award:1', 202611, '2026-11-17T11:30:00Z')",
    )
    for statement in ("UPDATE transfers SET reason = 'x'", "DELETE FROM transfers"):
        with pytest.raises(DBAPIError, match="append-only"):
            run(engine, statement)
    assert rows(engine, "SELECT reason FROM transfers") == ["award"]


def test_the_words_of_the_ledger_move_beside_it(nothing: Callable[[], Engine]) -> None:
    """A database of the first release keeps its transfers as they were, and their notes where they can be swept."""
    engine = nothing()
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        command.upgrade(migrations._config(connection), "0001")
        connection.exec_driver_sql("COMMIT")
    at = "'2026-11-17T11:30:00Z'"
    kept = (
        "INSERT INTO transfers (id, community_id, key, currency, debit, credit, amount, reason, ref, note, month, at)"
    )
    run(
        engine,
        f"INSERT INTO communities (id, slug, name, bot_name, since) VALUES (1, 'a', 'a', 'a', {at})",
        f"INSERT INTO units (id, community_id, kind, name, path, since) VALUES (1, 1, 'community', 'a', '/1/', {at})",
        "INSERT INTO members (id, community_id, unit_id, name, standing, since)"
        f" VALUES (7, 1, 1, 'a', 'resident', {at})",
        f"{kept} VALUES (1, 1, 'a', 'points', -1, 7, 5, 'award', 'award:1', '修灯', 202611, {at})",
        f"{kept} VALUES (2, 1, 'b', 'points', 7, -3, 2, 'deduct', 'award:2', '占道', 202611, {at})",
        f"{kept} VALUES (3, 1, 'c', 'points', -1, 7, 1, 'check_in', 'activity:1', '', 202611, {at})",
    )
    upgrade(engine)
    with engine.connect() as connection:
        notes = connection.execute(text("SELECT transfer_id, member_id, note FROM transfer_notes ORDER BY 1")).all()
        assert [tuple(row) for row in notes] == [(1, 7, "修灯"), (2, 7, "占道")]
        assert connection.execute(text("SELECT sum(amount) FROM transfers")).scalar() == 8
    with pytest.raises(DBAPIError, match="append-only"):
        run(engine, "UPDATE transfers SET amount = 6")


def test_foreign_keys_hold_again_after_a_migration(nothing: Callable[[], Engine]) -> None:
    engine = nothing()
    upgrade(engine)
    with pytest.raises(DBAPIError, match=r"(?i)foreign key"):
        run(engine, "INSERT INTO revisions (community_id, number) VALUES (7, 1)")


@pytest.mark.parametrize("newer", ["9999", "0001_and_more"])
def test_a_newer_releases_database_is_refused_and_left_alone(nothing: Callable[[], Engine], newer: str) -> None:
    engine = nothing()
    run(
        engine,
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        f"INSERT INTO alembic_version VALUES ('{newer}')",
    )
    for ask in (current, upgrade):
        with pytest.raises(SchemaTooNew) as caught:
            ask(engine)
        assert caught.value.found == newer
    assert tables(engine) == {"alembic_version"}
    assert rows(engine, "SELECT version_num FROM alembic_version") == [newer]


def test_a_migration_that_fails_leaves_the_database_as_it_was(nothing: Callable[[], Engine]) -> None:
    """Somebody's own table stands in the way of one that is made late."""
    engine = nothing()
    run(engine, "CREATE TABLE signups (mine INTEGER)", "INSERT INTO signups VALUES (7)")
    with pytest.raises(DBAPIError, match="already exists"):
        upgrade(engine)
    assert tables(engine) - {"alembic_version"} == {"signups"}
    assert rows(engine, "SELECT mine FROM signups") == [7]
    assert current(engine) is None
    # Once it is out of the way, the same database migrates.
    run(engine, "DROP TABLE signups")
    assert upgrade(engine) == (None, head())
    assert tables(engine) == TABLES


def test_migrators_at_once_migrate_once(nothing: Callable[[], Engine]) -> None:
    engines = [nothing() for _ in range(4)]
    together = threading.Barrier(len(engines))

    def migrate(engine: Engine) -> tuple[str | None, str]:
        together.wait(10)
        return upgrade(engine)

    with ThreadPoolExecutor(len(engines)) as pool:
        done = list(pool.map(migrate, engines))
    assert [after for _, after in done] == [head()] * 4
    assert rows(engines[0], "SELECT version_num FROM alembic_version") == [head()]
    assert tables(engines[0]) == TABLES


def test_a_second_migrator_waits_however_long_the_first_one_takes(postgresql_nothing: str) -> None:
    """Ordinary statements give up on a lock after a while; a migrator must not, or a slow migration fails a start."""
    engine = postgresql_engine(postgresql_nothing, 1)

    @event.listens_for(engine, "connect")
    def impatient(connection: Any, _record: object) -> None:
        connection.execute("SET lock_timeout = '50ms'")
        connection.commit()

    first = postgresql_engine(postgresql_nothing, 1)
    with ThreadPoolExecutor(1) as pool:
        with first.connect() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": migrations.LOCK})
            waiting = pool.submit(upgrade, engine)
            until = monotonic() + 10
            while not rows(first, "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
                assert monotonic() < until, "the second migrator does not wait"
                sleep(0.01)
            sleep(0.2)
            assert not waiting.done()
            assert tables(first) == set()
        assert waiting.result(30) == (None, head())
    assert tables(first) == TABLES
    # Its patience ends with the lock: the statements of the migration itself give up as any other.
    with engine.connect() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar() == "50ms"
    engine.dispose()
    first.dispose()


def test_a_second_migrator_waits_for_the_file_too(tmp_path: Path) -> None:
    """A message gives up on a busy file after two seconds; a migration of many books takes longer."""
    path = str(tmp_path / "linli.sqlite3")
    first, engine = sqlite_engine(path), sqlite_engine(path)

    @event.listens_for(engine, "connect")
    def impatient(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA busy_timeout=1")

    with ThreadPoolExecutor(1) as pool:
        with first.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            waiting = pool.submit(upgrade, engine)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
            connection.exec_driver_sql("ROLLBACK")
        assert waiting.result(30) == (None, head())
    assert tables(first) == TABLES


AT = "'2026-11-17T11:30:00.000000Z'"
FIRST = (
    f"INSERT INTO communities (id, slug, name, bot_name, since) VALUES (1, 'a', 'a', 'a', {AT})",
    f"INSERT INTO units (id, community_id, kind, name, path, since) VALUES (1, 1, 'community', 'a', '/1/', {AT})",
    f"INSERT INTO members (id, community_id, unit_id, name, standing, since) VALUES (1, 1, 1, '张三', 'resident', {AT})",
    f"INSERT INTO identities (namespace, external_id, community_id, member_id, since) VALUES ('n', 'zs', 1, 1, {AT})",
    f"INSERT INTO consents (community_id, member_id, version, at) VALUES (1, 1, '1', {AT})",
    "INSERT INTO registrations (community_id, number, namespace, external_id, name, unit_id, state, at)"
    f" VALUES (1, 1, 'n', 'ls', '李四', 1, 'waiting', {AT})",
    "INSERT INTO outbox (id, community_id, key, member_id, text, created_at, not_before, expires_at)"
    f" VALUES (7, 1, 'k', 1, '您好', {AT}, {AT}, {AT})",
    f"INSERT INTO attempts (id, community_id, channel, address, began_at) VALUES (5, 1, 'app', 'zs', {AT})",
    "INSERT INTO attempt_items (attempt_id, outbox_id) VALUES (5, 7)",
)
"""A row of the first schema in each table that the trust changed."""


def test_rows_of_the_first_schema_are_kept(nothing: Callable[[], Engine]) -> None:
    engine = nothing()
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        command.upgrade(migrations._config(connection), "0001")
        connection.exec_driver_sql("COMMIT") if connection.dialect.name == "sqlite" else connection.commit()
    run(engine, *FIRST)
    assert upgrade(engine) == ("0001", head())
    assert rows(engine, "SELECT text FROM outbox JOIN attempt_items ON outbox_id = outbox.id") == ["您好"]
    assert rows(engine, "SELECT ground FROM identities") == ["roster"]
    assert rows(engine, "SELECT name FROM registrations WHERE why = 'unproved' AND heard") == ["李四"]
    # Who had agreed has agreed.
    assert rows(engine, "SELECT version FROM consents WHERE agreed") == ["1"]
    with pytest.raises(DBAPIError, match="one_recipient"):
        run(
            engine,
            "INSERT INTO outbox (community_id, key, member_id, namespace, external_id, text, created_at, not_before,"
            f" expires_at) VALUES (1, 'l', 1, 'n', 'zs', '您好', {AT}, {AT}, {AT})",
        )
