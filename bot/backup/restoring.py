"""Making a database of a copy: at the copy's own schema first, then migrated to this release's.

What was there before stays beside: the SQLite file under another name, the PostgreSQL tables in another schema of the
same database. SQLite is built in a new file that takes the old one's place in one step; PostgreSQL in one transaction:
whoever is killed in the middle has the old books.
"""

import os
import shutil
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, inspect, make_url, text
from sqlalchemy.orm import Session

from bot.backup.archive import Copy, open_copy, sync_folder
from bot.books import FileInUse, take_lock
from bot.scheduler import LEADER_LOCK
from models import migrations
from models.clock import local
from models.database import postgresql_engine, sqlite_engine
from models.verify import Violation, violations

ROWS_AT_ONCE = 2000


class Occupied(Exception):
    """There are books at this address already. `communities` are their communities."""

    def __init__(self, communities: tuple[str, ...]) -> None:
        super().__init__(communities)
        self.communities = communities


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it."""

    rows: int
    schema: str
    """The copy's own; the database is at this release's now."""
    kept: str
    """Where what was there before is now: a file, or a schema; empty where nothing was."""
    wrong: tuple[Violation, ...]
    """What the proof of the books found."""


def restore(source: Path, url: str, *, passphrase: str, replace: bool, now: datetime) -> Restored:
    """Makes the database at `url` from a copy; `replace` where there may be books already.

    Raises what `open_copy` raises, SchemaTooNew for a copy of a newer release, Occupied, and FileInUse where a bot
    serves from that database.
    """
    with open_copy(source, passphrase) as copy:
        if copy.manifest.schema not in migrations.revisions():
            raise migrations.SchemaTooNew(copy.manifest.schema)
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            kept = _into_file(copy, Path(address.database or ""), replace=replace, now=now)
        else:
            kept = _into_server(copy, url, replace=replace, now=now)
        return Restored(copy.manifest.rows, copy.manifest.schema, kept, _proved(url))


def _proved(url: str) -> tuple[Violation, ...]:
    engine = _engine(url)
    try:
        with Session(engine) as session:
            return tuple(violations(session))
    finally:
        engine.dispose()


def _engine(url: str) -> Engine:
    address = make_url(url)
    return sqlite_engine(address.database or "") if address.drivername == "sqlite" else postgresql_engine(url, 1)


def communities_in(connection: Connection) -> tuple[str, ...]:
    """Whose books a database holds; none for one that is empty, whatever its schema."""
    if "communities" not in inspect(connection).get_table_names():
        return ()
    return tuple(str(name) for (name,) in connection.execute(text("SELECT name FROM communities ORDER BY id")))


def communities_at(url: str) -> tuple[str, ...]:
    """Whose books there are at a URL now."""
    if make_url(url).drivername == "sqlite" and not Path(make_url(url).database or "").exists():
        return ()
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            return communities_in(connection)
    finally:
        engine.dispose()


def _label(now: datetime) -> str:
    return f"before_restore_{local(now):%Y%m%d_%H%M%S}"


# -- SQLite ----------------------------------------


def _into_file(copy: Copy, path: Path, *, replace: bool, now: datetime) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = take_lock(str(path))
    try:
        if path.exists():
            _make_ready(path, replace=replace)
        made = path.with_name(f"{path.name}.restoring")
        try:
            _build(copy, made)
            kept = ""
            if path.exists():
                kept = f"{path}.{_label(now)}"
                _link(path, Path(kept))
            os.replace(made, path)
            sync_folder(path.parent)
            return kept
        finally:
            for leftover in (made, *(made.with_name(made.name + ending) for ending in ("-wal", "-shm", "-journal"))):
                leftover.unlink(missing_ok=True)
    finally:
        os.close(lock)


def _make_ready(path: Path, *, replace: bool) -> None:
    """Folds the log into the file that is to make room. Raises Occupied, and FileInUse where somebody has it open."""
    engine = sqlite_engine(str(path))
    try:
        with engine.connect() as connection:
            found = communities_in(connection)
            if found and not replace:
                raise Occupied(found)
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        engine.dispose()
    # The last one to leave removes the log; a log without its file would be read into the new one.
    if path.with_name(f"{path.name}-wal").exists():
        raise FileInUse(str(path))


def _link(path: Path, kept: Path) -> None:
    """Gives the old file its second name; the first is taken over in one step, so that there is no moment without."""
    try:
        os.link(path, kept)
    except FileExistsError:
        raise
    except OSError:
        shutil.copy2(path, kept)  # a file system without links


def _build(copy: Copy, made: Path) -> None:
    for leftover in made.parent.glob(f"{made.name}*"):
        leftover.unlink()
    engine = sqlite_engine(str(made))
    try:
        with engine.connect() as connection:
            # It is synced as a whole before it gets its name.
            for pragma in ("journal_mode=DELETE", "synchronous=OFF", "foreign_keys=OFF"):
                connection.exec_driver_sql(f"PRAGMA {pragma}")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            migrations.run(connection, copy.manifest.schema)
            raw: Any = connection.connection.driver_connection
            for table in copy.manifest.tables:
                columns = copy.columns(table)
                marks = ", ".join("?" * len(columns))
                raw.execute(f'DELETE FROM "{table}"')  # noqa: S608
                raw.executemany(
                    f'INSERT INTO "{table}" ({_listed(columns)}) VALUES ({marks})',  # noqa: S608
                    _as_stored(copy, table, columns),
                )
            migrations.run(connection)
            connection.exec_driver_sql("COMMIT")
    finally:
        engine.dispose()
    with made.open("rb+") as file:
        os.fsync(file.fileno())


def _listed(columns: dict[str, str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _as_stored(copy: Copy, table: str, columns: dict[str, str]) -> Iterator[list[Any]]:
    """The rows of a table as a driver takes them: bytes are bytes again, everything else is as it stands."""
    places = [index for index, kind in enumerate(columns.values()) if kind == "bytes"]
    for row in copy.rows(table):
        for index in places:
            if row[index] is not None:
                row[index] = b64decode(row[index])
        yield row


# -- PostgreSQL ----------------------------------------


def _into_server(copy: Copy, url: str, *, replace: bool, now: datetime) -> str:
    engine = postgresql_engine(url, 1)
    try:
        with engine.connect() as connection:
            # The one that ticks holds it for as long as it serves; ours ends with the transaction.
            if not connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": LEADER_LOCK}).scalar():
                raise FileInUse(url)
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": migrations.LOCK})
            connection.execute(text("SET LOCAL lock_timeout TO DEFAULT"))
            found = communities_in(connection)
            if found and not replace:
                raise Occupied(found)
            kept = _move_aside(connection, _label(now))
            migrations.run(connection, copy.manifest.schema)
            with _without_foreign_keys(connection):
                for table in copy.manifest.tables:
                    _load(connection, copy, table)
            migrations.run(connection)
            _set_sequences(connection)
            connection.commit()
            return f"{make_url(url).database}.{kept}" if kept else ""
    finally:
        engine.dispose()


def _move_aside(connection: Connection, label: str) -> str:
    """Moves the tables that are there into a schema of their own, with their triggers' functions."""
    names = inspect(connection).get_table_names()
    if not names:
        return ""
    functions = connection.execute(
        text(
            "SELECT DISTINCT p.oid::regprocedure::text FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
            " JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal"
            " AND c.relnamespace = current_schema()::regnamespace AND p.pronamespace = c.relnamespace"
        )
    ).scalars()
    moves = [f"FUNCTION {function}" for function in functions] + [f'TABLE "{name}"' for name in names]
    connection.exec_driver_sql(f'CREATE SCHEMA "{label}"')
    for move in moves:
        connection.exec_driver_sql(f'ALTER {move} SET SCHEMA "{label}"')
    return label


@contextmanager
def _without_foreign_keys(connection: Connection) -> Iterator[None]:
    """Drops them, and makes them again: rows may name rows that come later, and one look at all is quicker."""
    keys = connection.execute(
        text(
            "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = 'f' AND connamespace = current_schema()::regnamespace ORDER BY conrelid, conname"
        )
    ).all()
    for table, name, _ in keys:
        connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    yield
    for table, name, definition in keys:
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


def _load(connection: Connection, copy: Copy, table: str) -> None:
    columns = copy.columns(table)
    raw: Any = connection.connection.driver_connection
    connection.exec_driver_sql(f'DELETE FROM "{table}"')  # noqa: S608
    with raw.cursor() as cursor, cursor.copy(f'COPY "{table}" ({_listed(columns)}) FROM STDIN') as stream:
        for row in _as_stored(copy, table, columns):
            stream.write_row(row)


def _set_sequences(connection: Connection) -> None:
    """Lets the next row of each table come after those that were loaded."""
    owned = connection.execute(
        text(
            "SELECT s.oid::regclass::text, c.oid::regclass::text, quote_ident(a.attname) FROM pg_class s"
            " JOIN pg_depend d ON d.objid = s.oid AND d.deptype IN ('a', 'i') JOIN pg_class c ON c.oid = d.refobjid"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid"
            " WHERE s.relkind = 'S' AND s.relnamespace = current_schema()::regnamespace"
        )
    ).all()
    for sequence, table, column in owned:
        connection.execute(
            text(f"SELECT setval(:sequence, max({column})) FROM {table} HAVING max({column}) > 0"),  # noqa: S608
            {"sequence": sequence},
        )
