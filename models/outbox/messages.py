"""A message that must go out, the attempts to send it, and how both can end."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    false,
    literal_column,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class OutboxState(StrEnum):
    """Where a message stands."""

    WAITING = "waiting"
    """Not out yet: not due, leased to a postman, or waiting for its next try."""
    SENT = "sent"
    """The platform took all of it."""
    FAILED = "failed"
    """It will not go out: refused for good, expired, or nowhere to send it. `dead_reason` says which."""
    UNKNOWN = "unknown"
    """It was sent and the answer was lost. It may have arrived."""
    HANDED_ON = "handed_on"
    """No channel reaches the recipient: whoever is responsible for their unit was told instead."""


class AttemptOutcome(StrEnum):
    """What became of one request to a platform."""

    RUNNING = "running"
    """Begun; its answer is not here yet, or its postman died."""
    SENT = "sent"
    """The platform took it."""
    FAILED = "failed"
    """The platform said no, for now."""
    REFUSED = "refused"
    """The platform said no for good: this address does not take this message."""
    NOT_SENT = "not_sent"
    """It never left: nothing listened. It counts for no limit."""
    UNKNOWN = "unknown"
    """No answer came. It may have arrived."""


HELD = "(leased_until IS NOT NULL OR retry_at IS NOT NULL)"
"""Spelled alike in the index and in the statement: SQLite compares the words."""

ENDED_BADLY = "state IN ('failed', 'unknown', 'handed_on')"
"""What did not reach whom it was for, or of which nobody knows. Spelled alike in the index and in its statements."""

LONGEST_SEND = timedelta(seconds=60)
"""No attempt is under way for longer, whatever the settings say."""

# A literal: neither database uses a partial index for a parameter that happens to say the same.
STILL_WAITING: Any = literal_column("'waiting'")

ONE_RECIPIENT = (
    "(group_id IS NOT NULL AND member_id IS NULL AND external_id IS NULL)"
    " OR (group_id IS NULL AND member_id IS NOT NULL AND external_id IS NULL)"
    " OR (group_id IS NULL AND member_id IS NULL AND external_id IS NOT NULL AND namespace IS NOT NULL)"
)


class Outbox(Base):
    """One message to one group, one person or one account."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("community_id", "key", name="uq_outbox_key"),
        CheckConstraint(ONE_RECIPIENT, name="one_recipient"),
        Index(
            "ix_outbox_due",
            "not_before",
            "id",
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
        # Few rows are ever in it: those that a postman holds, and those that wait for their next try.
        Index(
            "ix_outbox_held",
            "leased_until",
            "retry_at",
            sqlite_where=text(f"state = 'waiting' AND {HELD}"),
            postgresql_where=text(f"state = 'waiting' AND {HELD}"),
        ),
        Index(
            "ix_outbox_ended_badly",
            "finished_at",
            sqlite_where=text(ENDED_BADLY),
            postgresql_where=text(ENDED_BADLY),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    key: Mapped[str] = mapped_column(String(120))
    """Names the occurrence, the recipient and the moment: `activity-reminder:12:2h:group:3:2026-11-28T01:00`."""
    group_id: Mapped[int | None] = mapped_column(ForeignKey("groups.id"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    namespace: Mapped[str | None] = mapped_column(String(80))
    external_id: Mapped[str | None] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    ref: Mapped[str] = mapped_column(String(40), server_default="")
    buttons: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    """What can be pressed beside it; see `Button`."""
    placard: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    """What is shown in place of the text where a channel shows pictures; see `Placard`."""
    card: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    """What is shown in place of the text where a channel shows cards; see `Card`."""
    enclosure: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    """What the file is made from that is brought in place of the text; see `Enclosure`."""
    created_at: Mapped[datetime]
    not_before: Mapped[datetime]
    expires_at: Mapped[datetime]
    urgent: Mapped[bool] = mapped_column(Boolean, server_default=false())
    """It waits for no quiet hours and no ceiling."""
    otherwise: Mapped[str] = mapped_column(Text, server_default="")
    """What the building lead is told where no channel reaches the recipient; empty for what is nobody else's."""
    state: Mapped[str] = mapped_column(String(12), server_default="waiting")
    tries: Mapped[int] = mapped_column(Integer, server_default="0")
    """Attempts for what is to go out next: the message, or its next part."""
    parts_sent: Mapped[int] = mapped_column(Integer, server_default="0")
    """Of a text that was split: how many parts are out."""
    retry_at: Mapped[datetime | None]
    """Wall time before which it is not tried again."""
    leased_until: Mapped[datetime | None]
    lease: Mapped[str] = mapped_column(String(32), server_default="")
    """Whose lease it is: a postman that lost its lease cannot write an outcome."""
    dead_reason: Mapped[str] = mapped_column(String(200), server_default="")
    again_after: Mapped[int] = mapped_column(server_default="0")
    """The newest attempt when somebody had it sent again: what was tried up to there says nothing any more."""
    finished_at: Mapped[datetime | None]


class Attempt(Base):
    """One request to a platform, written before it is made: what limits are counted from."""

    __tablename__ = "attempts"
    __table_args__ = (Index("ix_attempts_address", "channel", "address", "began_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    channel: Mapped[str] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(200))
    began_at: Mapped[datetime]
    """Wall time."""
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str] = mapped_column(String(12), server_default="running")
    detail: Mapped[str] = mapped_column(String(200), server_default="")
    rest_until: Mapped[datetime | None]
    """Wall time before which the platform wants to hear nothing more for this address."""


class AttemptItem(Base):
    """Which messages an attempt carried: several that were merged share one."""

    __tablename__ = "attempt_items"
    __table_args__ = (Index("ix_attempt_items_outbox", "outbox_id"),)

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), primary_key=True)
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id"), primary_key=True)
