"""When each channel was last heard: what tells a quiet evening from a callback address that nobody reaches.

Most of what is said writes nothing, so the inbox cannot know it. The bot notes it once a minute, whatever was said:
the moment and nothing else.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.database import Prepared


class Hearing(Base):
    """One channel, all of its communities together."""

    __tablename__ = "hearings"

    channel: Mapped[str] = mapped_column(String(40), primary_key=True)
    heard_at: Mapped[datetime | None]
    """Wall time, to the minute: the last message, whatever became of it."""
    refused_at: Mapped[datetime | None]
    """Wall time, to the minute: the last callback that was refused."""
    refused_why: Mapped[str] = mapped_column(String(40), server_default="")
    """A word of the code: `signature`, `timestamp`."""


_HEARD = Prepared(
    lambda insert: (statement := insert(Hearing)).on_conflict_do_update(
        index_elements=["channel"], set_={"heard_at": statement.excluded.heard_at}
    ),
    columns=("channel", "heard_at"),
)

_REFUSED = Prepared(
    lambda insert: (statement := insert(Hearing)).on_conflict_do_update(
        index_elements=["channel"],
        set_={"refused_at": statement.excluded.refused_at, "refused_why": statement.excluded.refused_why},
    ),
    columns=("channel", "refused_at", "refused_why"),
)


@dataclass(frozen=True, slots=True)
class Heard:
    """How a channel was heard last."""

    heard_at: datetime | None
    refused_at: datetime | None
    refused_why: str


def note_heard(session: Session, *, channel: str, wall: datetime) -> None:
    """A message came by this channel."""
    _HEARD.run(session, channel=channel, heard_at=wall)


def note_refused(session: Session, *, channel: str, why: str, wall: datetime) -> None:
    """A callback was refused."""
    _REFUSED.run(session, channel=channel, refused_at=wall, refused_why=why)


def last_heard(session: Session) -> dict[str, Heard]:
    """Every channel that was ever heard or refused."""
    rows = session.execute(select(Hearing.channel, Hearing.heard_at, Hearing.refused_at, Hearing.refused_why))
    return {row.channel: Heard(row.heard_at, row.refused_at, row.refused_why) for row in rows}
