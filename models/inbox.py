"""What came in: one row for each message that wrote something, with the answer it got.

- `(channel, message_id)` is unique: a message delivered again finds its row, gets the same answer, does nothing else.
- The text of a message is not kept. Only a message that failed by a bug is kept whole, until it is replayed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text, UniqueConstraint, bindparam, delete, func, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Button, buttons_of
from models.database import Prepared


class Inbox(Base):
    """One message that had an effect, or was refused one."""

    __tablename__ = "inbox"
    __table_args__ = (UniqueConstraint("channel", "message_id", name="uq_inbox_message"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(40))
    message_id: Mapped[str] = mapped_column(String(200))
    community_id: Mapped[int | None] = mapped_column(ForeignKey("communities.id"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    outcome: Mapped[str] = mapped_column(String(12))
    reply: Mapped[str] = mapped_column(Text)
    ref: Mapped[str] = mapped_column(String(40), server_default="")
    buttons: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    """What could be pressed beside the answer; see `Button`."""
    at: Mapped[datetime]


class Trouble(Base):
    """A message that failed by a bug, kept whole for `linli replay`."""

    __tablename__ = "troubles"

    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(40))
    message_id: Mapped[str] = mapped_column(String(200))
    incoming: Mapped[dict[str, Any]] = mapped_column(JSON)
    error: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer that a message got."""

    outcome: str
    reply: str
    ref: str
    buttons: tuple[Button, ...] = ()


_FIND = Prepared(
    select(Inbox.outcome, Inbox.reply, Inbox.ref, Inbox.buttons).where(
        Inbox.channel == bindparam("channel"), Inbox.message_id == bindparam("message_id")
    )
)

_RECORD = Prepared(
    lambda insert: insert(Inbox).on_conflict_do_nothing(),
    makes=Inbox.id,
    columns=("channel", "message_id", "community_id", "member_id", "outcome", "reply", "ref", "buttons", "at"),
)


def find_answer(session: Session, *, channel: str, message_id: str) -> Answered | None:
    """The stored answer of a message that was heard before."""
    row = _FIND.first(session, channel=channel, message_id=message_id)
    return Answered(*(*row[:-1], buttons_of(row[-1]))) if row else None


def record(
    session: Session,
    *,
    channel: str,
    message_id: str,
    community_id: int | None,
    member_id: int | None,
    outcome: str,
    reply: str,
    ref: str,
    at: datetime,
    buttons: Sequence[Button] = (),
) -> bool:
    """Keeps the answer; False where the message has one already, given by another process in this very moment."""
    return (
        _RECORD.first(
            session,
            channel=channel,
            message_id=message_id,
            community_id=community_id,
            member_id=member_id,
            outcome=outcome,
            reply=reply,
            ref=ref,
            buttons=buttons or None,
            at=at,
        )
        is not None
    )


def keep_trouble(
    session: Session, *, channel: str, message_id: str, incoming: dict[str, Any], error: str, at: datetime
) -> None:
    """Keeps a message that met a bug."""
    session.execute(
        insert(Trouble),
        {"channel": channel, "message_id": message_id, "incoming": incoming, "error": error, "at": at},
    )


def troubles(session: Session) -> list[tuple[int, dict[str, Any]]]:
    """The messages that met a bug and wait to be replayed, oldest first."""
    return [
        (row.id, row.incoming) for row in session.execute(select(Trouble.id, Trouble.incoming).order_by(Trouble.id))
    ]


def trouble_count(session: Session) -> int:
    """How many messages met a bug and wait to be replayed."""
    return session.scalar(select(func.count()).select_from(Trouble)) or 0


def drop_trouble(session: Session, *, trouble_id: int) -> None:
    """Forgets a message that has been replayed well."""
    session.execute(delete(Trouble).where(Trouble.id == trouble_id))
