"""An upgrade that is killed at its Nth statement, for every N: a real process, and a signal that nobody can catch."""

import os
import signal
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event

from models import migrations
from models.migrations import upgrade


def killed_at(open_engine: Callable[[], Engine], number: int) -> bool:
    """Upgrades in a process of its own, which kills itself before its Nth statement; whether it came to that."""
    child = os.fork()
    if child == 0:
        engine = open_engine()
        left = [number]

        @event.listens_for(engine, "before_cursor_execute")
        def count(*_: Any) -> None:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        code = 1
        try:
            upgrade(engine)
            code = 0
        finally:
            # Not the end of a test run: nothing of the parent's may be cleaned up here.
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, "the upgrade failed by itself"
    return False


def statements(open_engine: Callable[[], Engine]) -> int:
    """How many statements an upgrade makes until it would commit: a process of its own counts them, and dies there."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        engine = open_engine()
        made = [0]

        def die(*_: Any) -> None:
            os.write(writing, str(made[0]).encode())
            os.kill(os.getpid(), signal.SIGKILL)

        @event.listens_for(engine, "before_cursor_execute")
        def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            made[0] += 1
            if statement == "COMMIT":
                die()

        event.listen(engine, "commit", die)
        try:
            upgrade(engine)
        finally:
            os._exit(1)
    os.waitpid(child, 0)
    count = int(os.read(reading, 20))
    os.close(reading)
    os.close(writing)
    return count


def walk(open_engine: Callable[[], Engine], unchanged: Callable[[], None], *, most: int | None = None) -> int:
    """Kills an upgrade before each of its statements, or before `most` of them; `unchanged` looks after each.

    Returns how often it was killed. Begins with the first statement, ends with the upgrade done.
    """
    last = statements(open_engine)
    unchanged()
    numbers = range(1, last + 1)
    if most is not None:
        numbers = range(1, last + 1, -(-last // most))
    for number in numbers:
        assert killed_at(open_engine, number), number
        unchanged()
    assert not killed_at(open_engine, last + 1000)
    assert is_done(open_engine())
    return len(numbers)


def is_done(engine: Engine) -> bool:
    """Whether a database has this release's schema."""
    try:
        return migrations.current(engine) == migrations.head()
    finally:
        engine.dispose()
