"""The door to the books: `await books.write(unit)` and `await books.read(unit)`.

A unit is a plain function of a `Session`. `write` runs it in a database thread and returns after the durable commit;
it may be run twice, so it touches nothing but the session. `read` runs it on a read-only connection.

On SQLite one writer thread owns the one writing connection. It takes all units that wait (at most `BATCH`), opens one
transaction, gives each unit a savepoint of its own, commits once and only then answers. A unit that fails rolls back
alone; a commit that fails fails them all and answers none. On PostgreSQL a pool of threads runs one transaction a unit;
the server groups the commits by itself.
"""

import asyncio
import contextlib
import fcntl
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bot import logs
from models import database
from models.database import is_transient

T = TypeVar("T")
Unit = Callable[[Session], T]

BATCH = 256
"""Units that share one commit at the most, so that nobody waits behind an endless transaction."""

PATIENCE_SECONDS = 0.5
"""How long a unit may have waited behind a batch that failed, and still be tried itself: two attempts take four
seconds, and a platform gives up after five."""

_NOTIFY = text("SELECT pg_notify('linli_touched', '')")
"""Says to every replica that what is open somewhere may have changed."""

log = logs.logger(__name__)


class BooksBusy(Exception):
    """The unit met a passing fault twice (a lock, a lost connection, a failed sync). Nothing of it was written."""


class BooksClosed(Exception):
    """The books are being closed; nothing was written."""


class FileInUse(Exception):
    """Another serving process holds this SQLite file."""


class Outcome:
    """What became of a unit: a value or an error, and what it did that others want to know after the commit."""

    __slots__ = ("error", "posted", "touched", "value")

    def __init__(self) -> None:
        self.value: Any = None
        self.error: BaseException | None = None
        self.touched: set[int] = set()
        self.posted = False


class Waiting:
    """One unit on its way to the writer, and the caller who waits for it."""

    __slots__ = ("future", "loop", "outcome", "since", "unit")

    def __init__(self, unit: Unit[Any], loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Any]") -> None:
        self.unit = unit
        self.loop = loop
        self.future = future
        self.since = monotonic()
        self.outcome = Outcome()


class Books:
    """The one door. Opened by `Books.open`, closed by `close`, which waits for what is under way."""

    def __init__(self) -> None:
        self.failing = False
        """Whether a write met a passing fault, and none has been proved to succeed since."""
        self.on_touched: list[Callable[[set[int]], None]] = []
        """Called in the loop after commits that changed what is open in communities."""
        self.on_posted: list[Callable[[], None]] = []
        """Called in the loop after commits that put something into the outbox."""
        self.on_commit: list[Callable[[int, float], None]] = []
        """Called in the loop after each commit with the number of units and the seconds the commit took."""

    @staticmethod
    async def open(url: str, *, threads: int = 8, serving: bool = False) -> "Books":
        """Opens the books at a URL (`sqlite:///file` or `postgresql://…`).

        `serving` takes the lock beside a SQLite file, which only one serving process holds. Raises FileInUse.
        """
        if make_url(url).get_backend_name() == "sqlite":
            return await asyncio.to_thread(SqliteBooks, make_url(url).database or "", serving)
        return await asyncio.to_thread(PostgresqlBooks, url, threads)

    async def write(self, unit: Unit[T]) -> T:
        """Runs the unit and returns its value after the durable commit.

        Whatever the unit raises is raised here and nothing of the unit is written; a passing fault is tried once more
        and then raises BooksBusy.
        """
        raise NotImplementedError

    async def read(self, unit: Unit[T]) -> T:
        """Runs the unit on a read-only connection. Raises BooksBusy for a passing fault."""
        raise NotImplementedError

    async def prove_writable(self) -> None:
        """Writes something that changes nothing, durably. Raises BooksBusy where commits fail."""
        await self.write(_same_again)
        # Only here: many units find nothing to do, and their commits succeed on the worst of disks.
        self.failing = False

    async def moved(self) -> bool:
        """Whether what is open in any community may have changed since this was last asked, by whichever process.

        Cheap enough for every message.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Finishes the units under way and lets go of the database."""
        raise NotImplementedError

    def _announce(self, outcomes: list[Outcome], seconds: float) -> None:
        """Tells the listeners about a commit that took so long."""
        touched: set[int] = set()
        for outcome in outcomes:
            touched |= outcome.touched
        if touched:
            for tell in self.on_touched:
                tell(touched)
        if any(outcome.posted for outcome in outcomes):
            for wake in self.on_posted:
                wake()
        for count in self.on_commit:
            count(len(outcomes), seconds)


def _same_again(session: Session) -> None:
    cursor, _ = database.driver(session)
    # The one row that every database of ours has.
    cursor.execute("UPDATE alembic_version SET version_num = version_num")


def _run(unit: Unit[Any], session: Session, outcome: Outcome) -> None:
    outcome.value = unit(session)
    outcome.error = None
    outcome.touched = session.info.pop("touched", set())
    outcome.posted = session.info.pop("posted", False)


class SqliteBooks(Books):
    """One writer thread with group commit, and a few threads that read."""

    def __init__(self, path: str, serving: bool) -> None:
        super().__init__()
        if not path:
            raise ValueError("a community's books need a file; an in-memory database forgets everything")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._lock = take_lock(path) if serving else None
        self.engine: Engine = database.sqlite_engine(path)
        self._readers = database.sqlite_engine(path, read_only=True)
        self._connection: Connection | None = self.engine.connect()
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._closed = False
        self._local = threading.local()
        self._reading: list[Connection] = []
        self._reading_lock = threading.Lock()
        self._watch: Connection | None = None
        self._version = self._revision = -1
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="books-read")
        self._writer = threading.Thread(target=self._write_all, name="books-write", daemon=True)
        self._writer.start()

    async def write(self, unit: Unit[T]) -> T:
        if self._closed:
            raise BooksClosed
        loop = asyncio.get_running_loop()
        waiting = Waiting(unit, loop, loop.create_future())
        self._queue.put(waiting)
        return await waiting.future  # type: ignore[no-any-return]

    async def read(self, unit: Unit[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, unit)

    def _read(self, unit: Unit[T]) -> T:
        session: Session | None = getattr(self._local, "session", None)
        if session is None:
            connection = self._readers.connect()
            with self._reading_lock:
                self._reading.append(connection)
            session = self._local.session = Session(connection, autoflush=False)
        cursor, _ = database.driver(session)
        try:
            # One transaction, so that all statements of a unit see one state of the books.
            cursor.execute("BEGIN")
            try:
                return unit(session)
            finally:
                session.expunge_all()
                cursor.execute("ROLLBACK")
        except Exception as error:
            if is_transient(error):
                # It may have ended in the middle of anything: read anew.
                self._local.session = None
                with contextlib.suppress(Exception):
                    session.connection().invalidate()
                raise BooksBusy(str(error)) from error
            raise

    async def moved(self) -> bool:
        # A connection of the loop's own: data_version changes when any other connection, of whichever process, commits.
        # It reads shared memory only and takes about two microseconds.
        if self._watch is None:
            self._watch = self._readers.connect()
        watch: Any = self._watch.connection.driver_connection
        version = watch.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return False
        self._version = version
        revision = watch.execute("SELECT sum(number) FROM revisions").fetchone()[0]
        if revision == self._revision:
            return False
        self._revision = revision
        return True

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._pool.shutdown)
        # The writer's last: only it may fold the write-ahead log into the file, which the last one to leave does.
        for connection in (*self._reading, self._watch, self._connection):
            if connection is not None:
                with contextlib.suppress(Exception):
                    connection.close()
        self.engine.dispose()
        self._readers.dispose()
        if self._lock is not None:
            os.close(self._lock)

    # -- the writer thread ----------------------------------------

    def _write_all(self) -> None:
        stopping = False
        while not stopping:
            first = self._queue.get()
            if first is None:
                break
            batch = [first]
            while len(batch) < BATCH:
                try:
                    another = self._queue.get_nowait()
                except queue.Empty:
                    break
                if another is None:
                    stopping = True
                    break
                batch.append(another)
            seconds: float | None = None
            for attempt in (1, 2):
                try:
                    seconds = self._write_batch(batch)
                    break
                except Exception as error:
                    # The transaction as a whole failed: nothing of any unit was written, and nobody is answered yet.
                    log.warning("books.batch_failed", units=len(batch), attempt=attempt, error=str(error))
                    self._drop_connection()
                    self.failing = True
                    busy = BooksBusy(str(error))
                    for waiting in batch:
                        waiting.outcome = Outcome()
                        waiting.outcome.error = busy
            if seconds is None:
                batch += self._waiting_too_long(batch[0].outcome.error)
            self._settle(batch, seconds)

    def _waiting_too_long(self, error: BaseException | None) -> list[Waiting]:
        """Units that came while a batch failed: with as long again before them, their platform would give up first."""
        late: list[Waiting] = []
        others: list[Waiting | None] = []
        with contextlib.suppress(queue.Empty):
            while True:
                waiting = self._queue.get_nowait()
                if waiting is not None and monotonic() - waiting.since > PATIENCE_SECONDS:
                    waiting.outcome.error = error
                    late.append(waiting)
                else:
                    others.append(waiting)
        for one in others:
            self._queue.put(one)
        return late

    def _write_batch(self, batch: list[Waiting]) -> float:
        if self._connection is None:
            self._connection = self.engine.connect()
        session = Session(self._connection, autoflush=False, expire_on_commit=False)
        cursor, _ = database.driver(session)
        connection = self._connection.connection.driver_connection
        assert connection is not None
        cursor.execute("BEGIN IMMEDIATE")
        try:
            for waiting in batch:
                self._write_one(waiting, session)
                if not connection.in_transaction:
                    # A statement ended the transaction by itself: later savepoints would commit alone.
                    raise RuntimeError("a unit ended the writer's transaction")
            began = perf_counter()
            cursor.execute("COMMIT")
            return perf_counter() - began
        except BaseException:
            with contextlib.suppress(Exception):
                if connection.in_transaction:
                    cursor.execute("ROLLBACK")
            raise
        finally:
            session.expunge_all()

    def _write_one(self, waiting: Waiting, session: Session) -> None:
        outcome = waiting.outcome = Outcome()
        try:
            with database.savepoint(session, "unit"):
                _run(waiting.unit, session, outcome)
        except Exception as error:
            session.info.pop("touched", None)
            session.info.pop("posted", None)
            if is_transient(error):
                # The disk or a lock: the batch will meet the same fault at its commit, so it fails as one.
                raise
            outcome.error = error

    def _settle(self, batch: list[Waiting], seconds: float | None) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[Waiting]] = {}
        for waiting in batch:
            by_loop.setdefault(waiting.loop, []).append(waiting)
        for loop, some in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop of a caller who gave up is gone
                loop.call_soon_threadsafe(self._answer, some, seconds)

    def _answer(self, batch: list[Waiting], seconds: float | None) -> None:
        if seconds is not None:
            # Listeners first: whoever reads the answer and asks again must meet what it changed.
            self._announce([waiting.outcome for waiting in batch], seconds)
        for waiting in batch:
            if waiting.future.done():
                continue
            if waiting.outcome.error is not None:
                waiting.future.set_exception(waiting.outcome.error)
            else:
                waiting.future.set_result(waiting.outcome.value)

    def _drop_connection(self) -> None:
        # After a failed commit or sync the connection is not to be trusted: the next attempt opens and reads anew. Not
        # here, because opening may fail as well, and the writer must live.
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.invalidate()
            with contextlib.suppress(Exception):
                connection.close()


class PostgresqlBooks(Books):
    """A pool of threads, one transaction a unit."""

    def __init__(self, url: str, threads: int) -> None:
        super().__init__()
        self.url = url
        self.engine: Engine = database.postgresql_engine(url, threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="books")
        self._closed = False
        self._moved = threading.Event()
        self._moved.set()
        self._stop = threading.Event()
        self._listener = threading.Thread(target=self._listen, name="books-listen", daemon=True)
        self._listener.start()

    async def write(self, unit: Unit[T]) -> T:
        if self._closed:
            raise BooksClosed
        outcome, seconds = await asyncio.get_running_loop().run_in_executor(self._pool, self._write, unit)
        self._announce([outcome], seconds)
        return outcome.value  # type: ignore[no-any-return]

    def _write(self, unit: Unit[Any]) -> tuple[Outcome, float]:
        outcome = Outcome()
        for attempt in (1, 2):
            try:
                with self.engine.connect() as connection:
                    session = Session(connection, autoflush=False, expire_on_commit=False)
                    _run(unit, session, outcome)
                    if outcome.touched:
                        connection.execute(_NOTIFY)
                    began = perf_counter()
                    connection.commit()
                    return outcome, perf_counter() - began
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("books.unit_failed", attempt=attempt, error=str(error).split("\n", 1)[0])
                if attempt == 2:
                    self.failing = True
                    raise BooksBusy(str(error)) from error
        raise AssertionError("unreachable")

    async def read(self, unit: Unit[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, unit)

    def _read(self, unit: Unit[T]) -> T:
        for attempt in (1, 2):
            try:
                with self.engine.connect() as connection:
                    session = Session(connection, autoflush=False)
                    cursor, _ = database.driver(session)
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                    return unit(session)
            except Exception as error:
                if not is_transient(error):
                    raise
                if attempt == 2:
                    raise BooksBusy(str(error)) from error
        raise AssertionError("unreachable")

    async def moved(self) -> bool:
        if self._moved.is_set():
            self._moved.clear()
            return True
        return False

    def _listen(self) -> None:
        import psycopg

        plain = make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)
        while not self._stop.is_set():
            try:
                with psycopg.connect(plain, autocommit=True, connect_timeout=5) as connection:
                    connection.execute("LISTEN linli_touched")
                    self._moved.set()  # whatever was said before we listened
                    while not self._stop.is_set():
                        for _ in connection.notifies(timeout=0.5, stop_after=1):
                            self._moved.set()
            except psycopg.Error:
                self._moved.set()
                self._stop.wait(1)

    def _wake_listener(self) -> None:
        # It looks for a stop twice a second; a word of our own lets it look now.
        with contextlib.suppress(DBAPIError), self.engine.begin() as connection:
            connection.execute(_NOTIFY)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        await asyncio.to_thread(self._wake_listener)
        await asyncio.to_thread(self._pool.shutdown)
        await asyncio.to_thread(self._listener.join)
        self.engine.dispose()


def take_lock(path: str) -> int:
    """The lock beside a SQLite file, until the handle is closed. Raises FileInUse where another process has it."""
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise FileInUse(path) from None
    return handle


__all__ = ["Books", "BooksBusy", "BooksClosed", "FileInUse", "take_lock"]
