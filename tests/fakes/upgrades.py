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


def walk(open_engine: Callable[[], Engine], unchanged: Callable[[], None], *, step: int = 1) -> int:
    """Kills an upgrade at every `step`th statement until one comes through; `unchanged` looks after each.

    Returns how often it was killed. Begins with the first statement, ends with the upgrade done.
    """
    kills, number = 0, 1
    while killed_at(open_engine, number):
        kills, number = kills + 1, number + step
        if is_done(open_engine()):
            return kills  # its transaction had ended: what came after it changes nothing
        unchanged()
    assert is_done(open_engine())
    return kills


def is_done(engine: Engine) -> bool:
    """Whether a database has this release's schema."""
    try:
        return migrations.current(engine) == migrations.head()
    finally:
        engine.dispose()
