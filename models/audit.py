"""Who wrote what, where, by which message: one row for each write of a person, and for each look at private data.

- Every write that came by a message names the channel and the message id.
- A write is undone once; `undone_by` names the audit row of the undoing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, and_, cast, func, select, update
from sqlalchemy import insert as plain_insert
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.base import Base, Invariant
from models.database import Prepared

LOOK = "look"
"""The action of whoever was shown somebody's private data. It changed nothing, so there is nothing to take back."""


class Audit(Base):
    """One act."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_member", "community_id", "member_id", "id"),
        Index("ix_audit_object", "community_id", "action", "object_ref"),
        Index("ix_audit_message", "channel", "message_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    at: Mapped[datetime]
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    """Who did it; None for somebody not recognised yet, and for jobs."""
    action: Mapped[str] = mapped_column(String(32))
    object_ref: Mapped[str] = mapped_column(String(40))
    """The row that it made or changed."""
    group_id: Mapped[int | None] = mapped_column(ForeignKey("groups.id"))
    channel: Mapped[str] = mapped_column(String(40))
    message_id: Mapped[str] = mapped_column(String(200))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
    undone_by: Mapped[int | None] = mapped_column(ForeignKey("audit.id"))


_RECORD = Prepared(
    plain_insert(Audit),
    makes=Audit.id,
    columns=(
        "community_id",
        "at",
        "member_id",
        "action",
        "object_ref",
        "group_id",
        "channel",
        "message_id",
        "detail",
    ),
)


def record(
    session: Session,
    *,
    community_id: int,
    at: datetime,
    member_id: int | None,
    action: str,
    object_ref: str,
    group_id: int | None,
    channel: str,
    message_id: str,
    detail: dict[str, Any],
) -> int:
    """Writes one act down; returns the audit row's id."""
    row = _RECORD.first(
        session,
        community_id=community_id,
        at=at,
        member_id=member_id,
        action=action,
        object_ref=object_ref,
        group_id=group_id,
        channel=channel,
        message_id=message_id,
        detail=detail,
    )
    assert row is not None
    made: int = row[0]
    return made


def record_all(
    session: Session,
    *,
    community_id: int,
    at: datetime,
    member_id: int | None,
    channel: str,
    acts: Sequence[tuple[str, str, dict[str, Any]]],
) -> None:
    """Writes many acts of one person down that no message said: each as action, object and detail."""
    if acts:
        session.execute(
            plain_insert(Audit),
            [
                {
                    "community_id": community_id,
                    "at": at,
                    "member_id": member_id,
                    "action": action,
                    "object_ref": object_ref,
                    "channel": channel,
                    "message_id": "",
                    "detail": detail,
                }
                for action, object_ref, detail in acts
            ],
        )


@dataclass(frozen=True, slots=True)
class Act:
    """An act that can perhaps be taken back."""

    id: int
    action: str
    object_ref: str
    at: datetime
    detail: dict[str, Any] = field(default_factory=dict, compare=False)
    """What it was about, as it was written down: how things were before, where that is needed to go back."""

    @property
    def row(self) -> int:
        """The id of the row that it made or changed."""
        return int(self.object_ref)


def last_acts(session: Session, *, community_id: int, member_id: int, now: datetime, within: timedelta) -> list[Act]:
    """The acts of a person's newest write that stands, within a span of community time; newest first.

    One message can have made several (two commands in a line): they share the message and go together.
    """
    rows = session.execute(
        select(
            Audit.id,
            Audit.action,
            Audit.object_ref,
            Audit.at,
            Audit.detail,
            Audit.channel,
            Audit.message_id,
        )
        .where(
            Audit.community_id == community_id,
            Audit.member_id == member_id,
            Audit.undone_by.is_(None),
            Audit.action.not_in(["undo", LOOK]),
            Audit.at > now - within,
        )
        .order_by(Audit.id.desc())
        .limit(20)
    ).all()
    # What no message said, a tap on a page, stands alone.
    whole = rows if rows and rows[0].message_id else rows[:1]
    return [Act(*row[:5]) for row in whole if (row.channel, row.message_id) == (rows[0].channel, rows[0].message_id)]


def times(session: Session, *, community_id: int, action: str, object_ref: str) -> int:
    """How often something was done to an object so far, whether or not it was taken back."""
    return int(
        session.execute(
            select(func.count()).where(
                Audit.community_id == community_id, Audit.action == action, Audit.object_ref == object_ref
            )
        ).scalar_one()
    )


def mark_undone(session: Session, *, community_id: int, act_id: int, by: int) -> None:
    """Says of an act that another one took it back."""
    session.execute(update(Audit).where(Audit.community_id == community_id, Audit.id == act_id).values(undone_by=by))


_undoing = aliased(Audit)

INVARIANTS = (
    Invariant(
        # What was taken back names the later act that did it, and that names it.
        "audit.undone",
        select(Audit.id)
        .outerjoin(
            _undoing,
            and_(
                _undoing.id == Audit.undone_by,
                _undoing.id > Audit.id,
                _undoing.action == "undo",
                _undoing.object_ref == cast(Audit.id, String),
            ),
        )
        .where(Audit.undone_by.is_not(None), _undoing.id.is_(None)),
    ),
)
