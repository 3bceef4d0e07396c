"""Engines, and statements that are prepared once.

`Prepared` is how the hot path speaks SQL: an ordinary SQLAlchemy statement, compiled once for each dialect and then
executed on the driver's own cursor. It costs a tenth of `session.execute` (about 6 against 60 microseconds on one
machine), takes part in the session's transaction, and returns plain tuples with the column types applied.
"""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Dialect,
    Engine,
    String,
    TypeDecorator,
    any_,
    bindparam,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from sqlalchemy.sql import ClauseElement

Convert = Callable[[Any], Any]
Build = Callable[[Any], ClauseElement]

INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""The `insert` of each dialect, the only one that knows ON CONFLICT."""


class Prepared:
    """One statement, compiled once per dialect. Parameters are given by name.

    An `IN` list is part of the statement and cannot be given later, but with `Among`. Its name in tracebacks is the
    statement itself.
    """

    __slots__ = ("_columns", "_made", "_makes", "statement")

    def __init__(
        self,
        statement: "ClauseElement | Build",
        *,
        columns: Sequence[str] | None = None,
        makes: Any = None,
    ) -> None:
        """`columns` names what an INSERT without `values()` sets; `makes` is the id that it makes, its only result.

        Where the statement needs ON CONFLICT, give a function that builds it from the dialect's own `insert`.
        """
        self.statement = statement
        self._columns = columns
        self._makes = makes
        self._made: dict[str, Made] = {}

    def _make(self, dialect: Dialect) -> "Made":
        # sqlite3 takes :name and psycopg takes %(name)s, so both take a dictionary.
        named: Any = sqlite.dialect(paramstyle="named") if dialect.name == "sqlite" else postgresql.psycopg.dialect()  # type: ignore[no-untyped-call]
        statement: Any = (
            self.statement if isinstance(self.statement, ClauseElement) else self.statement(INSERTS[named.name])
        )
        # SQLite knows the id of the last row without being asked, and a RETURNING doubles what its INSERT costs: it
        # becomes a program of several writes, which copies every page that it is about to change.
        rowid = self._makes is not None and dialect.name == "sqlite"
        if self._makes is not None and not rowid:
            statement = statement.returning(self._makes)
        compiled: Any = statement.compile(
            dialect=named, column_keys=self._columns, compile_kwargs={"render_postcompile": True}
        )
        values = compiled.construct_params(_check=False)
        asked = {name for bind, name in compiled.bind_names.items() if bind.required}
        made = Made(
            sql=str(compiled),
            rowid=rowid,
            fixed={name: value for name, value in values.items() if name not in asked},
            binds=tuple((name, convert) for name, convert in compiled._bind_processors.items()),
            results=tuple(
                (index, convert)
                for index, column in enumerate(compiled._result_columns)
                if (convert := column[3].dialect_impl(named).result_processor(named, None)) is not None
            ),
        )
        self._made[dialect.name] = made
        return made

    def _execute(self, session: Session, values: dict[str, Any]) -> tuple[Any, "Made"]:
        cursor, dialect = driver(session)
        made = self._made.get(dialect.name) or self._make(dialect)
        if made.fixed:
            values = made.fixed | values
        for name, convert in made.binds:
            if values[name] is not None:
                values[name] = convert(values[name])
        cursor.execute(made.sql, values)
        return cursor, made

    def run(self, session: Session, **values: Any) -> None:
        """Executes it for its effect alone."""
        self._execute(session, values)

    def first(self, session: Session, **values: Any) -> tuple[Any, ...] | None:
        """The first row, or None."""
        cursor, made = self._execute(session, values)
        if made.rowid:
            # No row was changed where ON CONFLICT DO NOTHING met one.
            return (cursor.lastrowid,) if cursor.rowcount == 1 else None
        row: tuple[Any, ...] | None = cursor.fetchone()
        if row is None:
            return None
        # An INSERT .. RETURNING takes effect on SQLite only when it has been stepped to its end.
        cursor.fetchall()
        return made.converted(row) if made.results else row

    def scalar(self, session: Session, **values: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.first(session, **values)
        return row[0] if row else None

    def all(self, session: Session, **values: Any) -> list[tuple[Any, ...]]:
        """All rows."""
        cursor, made = self._execute(session, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return [made.converted(row) for row in rows] if made.results else rows


@dataclass(frozen=True, slots=True)
class Made:
    """A statement as one dialect executes it, with the conversions of its parameters and columns."""

    sql: str
    rowid: bool
    """Whether its result is the id of the row that it made, where it made one."""
    fixed: dict[str, Any]
    binds: tuple[tuple[str, Convert], ...]
    results: tuple[tuple[int, Convert], ...]

    def converted(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        changed = list(row)
        for index, convert in self.results:
            if changed[index] is not None:
                changed[index] = convert(changed[index])
        return tuple(changed)


def driver(session: Session) -> tuple[Any, Dialect]:
    """The driver's cursor for this session, made once per unit, and the dialect."""
    made = session.info.get("driver")
    if made is None:
        connection = session.connection()
        raw: Any = connection.connection.driver_connection
        made = (raw.cursor(), connection.dialect)
        session.info["driver"] = made
    return made


class Ids(TypeDecorator[list[int]]):
    """A list of row ids as one parameter."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(String() if dialect.name == "sqlite" else ARRAY(BigInteger))

    def process_bind_param(self, value: list[int] | None, dialect: Dialect) -> Any:
        return json.dumps(value) if dialect.name == "sqlite" else value


class Among(ColumnElement[bool]):
    """Whether a column's value is in the list of ids that is given later under a name, as one parameter.

    However many they are, the statement stays the same: nothing is compiled or planned anew.
    """

    inherit_cache = False

    def __init__(self, column: Any, name: str) -> None:
        self.column = column
        self.ids = bindparam(name, type_=Ids())


@compiles(Among, "sqlite")
def _among_sqlite(element: Among, compiler: Any, **more: Any) -> str:
    given = select(func.json_each(element.ids).table_valued("value").c.value)
    return str(compiler.process(element.column.in_(given), **more))


@compiles(Among, "postgresql")
def _among_postgresql(element: Among, compiler: Any, **more: Any) -> str:
    return str(compiler.process(element.column == any_(element.ids), **more))


_LOCK = Prepared(select(func.pg_advisory_xact_lock(func.hashtext(bindparam("name")))))


def lock_name(session: Session, name: str) -> None:
    """Lets one transaction at a time do what this name stands for. SQLite's one writer needs no lock."""
    if session.get_bind().dialect.name == "postgresql":
        _LOCK.run(session, name=name)


def sqlite_engine(path: str, *, read_only: bool = False) -> Engine:
    """An engine whose connections are ours alone: no transaction is begun but by `BEGIN IMMEDIATE` in the books.

    Commits are durable against power loss (`synchronous=FULL`): a points book must be.
    """
    location = f"file:{quote(path)}?mode=ro" if read_only else f"file:{quote(path)}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            location, uri=True, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=5
        )
        for pragma in (
            "foreign_keys=ON",
            # Two attempts of so long end before the platform gives up on an answer, after 5 seconds.
            "busy_timeout=2000",
            "synchronous=FULL",
            "cache_size=-16000",
            # Savepoints keep copies of the pages they change, and 64 KiB of them would move to a temporary file.
            "temp_store=MEMORY",
            # Who is forgotten does not stay behind in the free space of the pages that are written anyway.
            "secure_delete=FAST",
            *(() if read_only else ("journal_mode=WAL", "journal_size_limit=16777216")),
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def postgresql_engine(url: str, threads: int) -> Engine:
    """A pool of `threads` connections, READ COMMITTED pinned, Shanghai nowhere: the session speaks UTC."""
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        isolation_level="READ COMMITTED",
        pool_size=threads + 2,
        max_overflow=0,
        pool_timeout=30,
        pool_pre_ping=False,
        connect_args={"connect_timeout": 5, "options": "-c timezone=UTC -c lock_timeout=4s"},
    )

    @event.listens_for(engine, "connect")
    def prepare_sooner(connection: Any, _record: object) -> None:
        connection.prepare_threshold = 2

    return engine


TRANSIENT_STATES = frozenset({"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53100", "53200", "53300", "58030"})
"""PostgreSQL: serialization failure, deadlock, lock not available, shutdowns, cannot connect now, disk full, out of
memory, too many connections, input or output error."""


def is_transient(error: BaseException) -> bool:
    """Whether the same unit may succeed when it is run again: a lock, a deadlock, a lost connection, a failed sync."""
    raw = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(raw, sqlite3.OperationalError):
        return any(sign in str(raw) for sign in ("locked", "busy", "disk I/O", "full", "unable to open"))
    state = getattr(raw, "sqlstate", None)
    if state is not None:
        return state in TRANSIENT_STATES or state.startswith("08")
    return type(raw).__name__ in {"OperationalError", "InterfaceError", "PoolTimeout"} and type(
        raw
    ).__module__.startswith("psycopg")


@contextlib.contextmanager
def savepoint(session: Session, name: str) -> Iterator[None]:
    """Rolls back what happens inside, and only that, when it raises."""
    cursor, _ = driver(session)
    cursor.execute(f"SAVEPOINT {name}")
    try:
        yield
    except BaseException:
        session.expunge_all()
        cursor.execute(f"ROLLBACK TO SAVEPOINT {name}")
        cursor.execute(f"RELEASE SAVEPOINT {name}")
        raise
    cursor.execute(f"RELEASE SAVEPOINT {name}")
