"""Two transactions of PostgreSQL that meet: one holds still in its last moment while the other runs into it."""

import threading
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session

from models.database import postgresql_engine
from models.verify import Violation, violations

T = TypeVar("T")

_BLOCKED = text("SELECT cardinality(pg_blocking_pids(:pid)) > 0")


class Race:
    """A database in which two units meet. `first` and `second` are what is done before and while the first waits."""

    def __init__(self, url: str) -> None:
        self.engine: Engine = postgresql_engine(url, 3)

    def alone(self, unit: Callable[[Session], T]) -> T:
        """Runs a unit by itself, and commits it."""
        with self.engine.connect() as connection:
            done = unit(_session(connection))
            connection.commit()
            return done

    def meet(self, first: Callable[[Session], object], second: Callable[[Session], T]) -> tuple[bool, T | Exception]:
        """Runs `first`, then `second` beside it until that is done or waits, then commits `first`.

        Returns whether the second waited, and what it returned or raised.
        """
        results: list[T | Exception] = []

        def run(connection: Connection) -> None:
            try:
                results.append(second(_session(connection)))
                connection.commit()
            except Exception as error:
                connection.rollback()
                results.append(error)

        with self.engine.connect() as one, self.engine.connect() as other, self.engine.connect() as watcher:
            pid = other.execute(text("SELECT pg_backend_pid()")).scalar_one()
            other.commit()
            first(_session(one))
            thread = threading.Thread(target=run, args=(other,))
            thread.start()
            waited = False
            while thread.is_alive() and not waited:
                waited = bool(watcher.execute(_BLOCKED, {"pid": pid}).scalar_one())
            one.commit()
            thread.join()
        return waited, results[0]

    def violations(self) -> list[Violation]:
        return self.alone(violations)


def _session(connection: Connection) -> Session:
    return Session(connection, autoflush=False, expire_on_commit=False)
