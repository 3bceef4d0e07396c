"""What must go out: one row for each message to a group or a person, written in the transaction that causes it.

`not_before` and `expires_at` are community time (when it is due, when it is pointless); leases, retries and limits are
wall time. The postman (`bot/delivery.py`) claims rows for a lease, writes an attempt, sends outside of any
transaction, and writes the outcome.

- `(community_id, key)` is unique: what is put in twice under one key goes out once.
- A row is for one group or one person.
- A row ends as sent, failed or unknown; none stays forever. What failed says why.
- Limits are counted from attempts, so that restarts and replicas share them.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.database import Prepared


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


class Outbox(Base):
    """One message to one group or one person."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("community_id", "key", name="uq_outbox_key"),
        CheckConstraint("(group_id IS NULL) <> (member_id IS NULL)", name="one_recipient"),
        Index(
            "ix_outbox_due",
            "not_before",
            "id",
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    key: Mapped[str] = mapped_column(String(120))
    """Names the occurrence, the recipient and the moment: `activity-reminder:12:2h:group:3:2026-11-28T01:00`."""
    group_id: Mapped[int | None] = mapped_column(ForeignKey("groups.id"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    text: Mapped[str] = mapped_column(Text)
    ref: Mapped[str] = mapped_column(String(40), server_default="")
    created_at: Mapped[datetime]
    not_before: Mapped[datetime]
    expires_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(12), server_default="waiting")
    tries: Mapped[int] = mapped_column(Integer, server_default="0")
    parts_sent: Mapped[int] = mapped_column(Integer, server_default="0")
    """Of a text that was split: how many parts are out."""
    retry_at: Mapped[datetime | None]
    """Wall time before which it is not tried again."""
    leased_until: Mapped[datetime | None]
    lease: Mapped[str] = mapped_column(String(32), server_default="")
    """Whose lease it is: a postman that lost its lease cannot write an outcome."""
    dead_reason: Mapped[str] = mapped_column(String(200), server_default="")
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


class AttemptItem(Base):
    """Which messages an attempt carried: several that were merged share one."""

    __tablename__ = "attempt_items"
    __table_args__ = (Index("ix_attempt_items_outbox", "outbox_id"),)

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), primary_key=True)
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id"), primary_key=True)


_PUT = Prepared(
    lambda insert: insert(Outbox).on_conflict_do_nothing().returning(Outbox.id),
    columns=(
        "community_id",
        "key",
        "group_id",
        "member_id",
        "text",
        "ref",
        "created_at",
        "not_before",
        "expires_at",
    ),
)


def put(
    session: Session,
    *,
    community_id: int,
    key: str,
    message: str,
    now: datetime,
    expires_at: datetime,
    group_id: int | None = None,
    member_id: int | None = None,
    ref: str = "",
    not_before: datetime | None = None,
) -> bool:
    """Puts a message into the outbox once per `key`; False where it was put in before."""
    row = _PUT.first(
        session,
        community_id=community_id,
        key=key,
        group_id=group_id,
        member_id=member_id,
        text=message,
        ref=ref,
        created_at=now,
        not_before=not_before or now,
        expires_at=expires_at,
    )
    if row is not None:
        session.info["posted"] = True
    return row is not None
