"""One line of what the doctor says."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How one thing stands."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it stands, and what to do about it."""

    name: str
    state: State
    what: str
    todo: str = ""


def ok(name: str, what: str) -> Finding:
    return Finding(name, State.OK, what)


def warning(name: str, what: str, todo: str) -> Finding:
    return Finding(name, State.WARNING, what, todo)


def broken(name: str, what: str, todo: str) -> Finding:
    return Finding(name, State.BROKEN, what, todo)
