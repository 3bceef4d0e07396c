"""What a job is: something that happens because time passed.

A job says when it is due, either by a cron line in Shanghai time, or by asking the books for the next moment at which
there is something to do. When that moment has come, `run` finds what is due, calls one action, and puts rows into the
outbox; it never sends and never sleeps. It runs again where its process died, so it writes nothing twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from models.directory import CommunityHere

ROWS = 500
"""Rows that one unit works through at the most; `run` says whether there is more."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One job in one community at one moment of community time."""

    session: Session
    community: CommunityHere
    at: datetime
    rules: Mapping[str, Any]
    """The settings of each feature, by its name."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span of community time, open at its start: `(after, until]`."""

    after: datetime
    until: datetime


Due = Callable[[Session, CommunityHere, Span, Mapping[str, Any]], datetime | None]


@dataclass(frozen=True, slots=True)
class Job:
    """One job: exactly one of `cron` (Shanghai time) and `due` says when."""

    name: str
    run: Callable[[Tick], bool]
    """Returns whether there is more to do in this slot."""
    cron: str = ""
    due: Due | None = None
    once: bool = False
    """Runs once for the whole deployment, not for each community."""
    reads: bool = False
    """Writes nothing: runs on a read-only connection, beside the writer."""
