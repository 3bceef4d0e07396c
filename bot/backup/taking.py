"""Taking a copy of the books at one moment, beside a bot that goes on writing.

SQLite: one read transaction, which sees one state of the file however many writers commit meanwhile. PostgreSQL:
REPEATABLE READ. Columns are asked from the database and not from the models, so that a database of an older release can
be copied before it is migrated.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Boolean, Connection, DateTime, Float, Integer, LargeBinary, inspect, make_url
from sqlalchemy.types import TypeEngine

from bot.backup.archive import Manifest, Writer, whole_file
from models.database import postgresql_engine, sqlite_engine

FETCH_ROWS = 5000


class NothingThere(Exception):
    """There are no books at this address yet."""


def take(url: str, path: Path, *, passphrase: str, now: datetime) -> Manifest:
    """Writes a copy of the database at `url` to `path`; sealed where a passphrase is given.

    Raises NothingThere, OSError, and what the database raises.
    """
    with snapshot(url) as connection, whole_file(path) as out:
        writer = Writer(out, passphrase)
        for table, columns in columns_of(connection).items():
            writer.table(table, columns, rows_of(connection, table, columns))
        return writer.finish(
            schema=str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()),
            made_at=now.isoformat(),
            communities=[
                str(name) for (name,) in connection.exec_driver_sql("SELECT name FROM communities ORDER BY id")
            ],
        )


@contextmanager
def snapshot(url: str) -> Iterator[Connection]:
    """A connection that sees the books as they are now, for as long as it is open. Raises NothingThere."""
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        if not Path(address.database or "").exists():
            raise NothingThere
        engine = sqlite_engine(address.database or "")
    else:
        engine = postgresql_engine(url, 1).execution_options(isolation_level="REPEATABLE READ")
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            if "alembic_version" not in inspect(connection).get_table_names():
                raise NothingThere
            yield connection
            connection.exec_driver_sql("ROLLBACK")
    finally:
        engine.dispose()


KINDS: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (Boolean, "truth"),
    (Integer, "number"),
    (Float, "number"),
    (DateTime, "moment"),
    (LargeBinary, "bytes"),
    (JSON, "json"),
)


def columns_of(connection: Connection) -> dict[str, dict[str, str]]:
    """The tables in the order of their dependence, each with the kinds of its columns by name."""
    found = inspect(connection)
    names = [name for name, _ in found.get_sorted_table_and_fkc_names() if name not in (None, "alembic_version")]
    return {
        str(name): {column["name"]: _kind(column["type"]) for column in found.get_columns(str(name))} for name in names
    }


def _kind(of: TypeEngine[Any]) -> str:
    return next((kind for kinds, kind in KINDS if isinstance(of, kinds)), "text")


_ON_POSTGRESQL = {
    "moment": """to_char("{0}" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
    "bytes": """translate(encode("{0}", 'base64'), E'\\n', '')""",
    # As text: JSON's null and the absence of a value are two things.
    "json": '"{0}"::text',
    "text": '"{0}"::text',
}


def rows_of(connection: Connection, table: str, columns: dict[str, str]) -> Iterator[list[Any]]:
    """Every row as it stands in a copy, in the order of the primary key; a few thousand in memory at a time."""
    key = ", ".join(f'"{name}"' for name in inspect(connection).get_pk_constraint(table)["constrained_columns"])
    order = f" ORDER BY {key}" if key else ""
    raw: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        cursor = raw.cursor()
        names = ", ".join(f'"{name}"' for name in columns)
    else:
        # A cursor on the server's side: the driver would otherwise fetch the whole table.
        cursor = raw.cursor(name=f"copy_{table}")
        names = ", ".join(_ON_POSTGRESQL.get(kind, '"{0}"').format(name) for name, kind in columns.items())
    cursor.execute(f'SELECT {names} FROM "{table}"{order}')  # noqa: S608
    odd = [(index, _FROM_SQLITE[kind]) for index, kind in enumerate(columns.values()) if kind in _FROM_SQLITE]
    convert = odd if connection.dialect.name == "sqlite" else []
    while rows := cursor.fetchmany(FETCH_ROWS):
        for row in rows:
            plain = list(row)
            for index, change in convert:
                if plain[index] is not None:
                    plain[index] = change(plain[index])
            yield plain
    cursor.close()


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()


_FROM_SQLITE: dict[str, Callable[[Any], Any]] = {"truth": bool, "bytes": _base64}
