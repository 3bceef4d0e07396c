"""Questions that the bot has asked and that stand open: one for each person and conversation, with an expiry.

No conversation lives in memory: a restart, or another replica, finds the question here.

- A new question of the bot replaces the last one in the same conversation.
- An answer takes the question away, so that it is answered once.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint, bindparam, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.database import Prepared


class Pending(Base):
    """One open question."""

    __tablename__ = "pending"
    __table_args__ = (
        UniqueConstraint("community_id", "member_id", "conversation", name="uq_pending_conversation"),
        Index("ix_pending_expires", "expires_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    conversation: Mapped[str] = mapped_column(String(40))
    """`group:5` or `direct`."""
    intent: Mapped[str] = mapped_column(String(32))
    slots: Mapped[dict[str, Any]] = mapped_column(JSON)
    slot: Mapped[str | None] = mapped_column(String(32))
    options: Mapped[list[Any]] = mapped_column(JSON)
    expires_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked: which command runs again with the answer."""

    intent: str
    slots: dict[str, Any]
    slot: str | None
    options: list[Any]


_FIND = Prepared(
    select(Pending.intent, Pending.slots, Pending.slot, Pending.options).where(
        Pending.community_id == bindparam("community"),
        Pending.member_id == bindparam("member"),
        Pending.conversation == bindparam("conversation_"),
        Pending.expires_at > bindparam("now"),
    )
)

_ASKED = ("community_id", "member_id", "conversation", "intent", "slots", "slot", "options", "expires_at")

_ASK = Prepared(
    lambda insert: (asked := insert(Pending)).on_conflict_do_update(
        index_elements=["community_id", "member_id", "conversation"],
        set_={name: asked.excluded[name] for name in _ASKED[3:]},
    ),
    columns=_ASKED,
)


def conversation(group_id: int | None) -> str:
    """The name of a conversation, as pending questions are kept under it."""
    return "direct" if group_id is None else f"group:{group_id}"


def open_question(
    session: Session, *, community_id: int, member_id: int, conversation: str, now: datetime
) -> Question | None:
    """The question that this person may answer here and now."""
    row = _FIND.first(session, community=community_id, member=member_id, conversation_=conversation, now=now)
    return Question(row[0], _unpacked(row[1]), row[2], row[3]) if row else None


def lapsed_question(session: Session, *, community_id: int, member_id: int, conversation: str, now: datetime) -> bool:
    """Whether the last question here was answered by nobody in its time."""
    return (
        session.scalar(
            select(Pending.id).where(
                Pending.community_id == community_id,
                Pending.member_id == member_id,
                Pending.conversation == conversation,
                Pending.expires_at <= now,
            )
        )
        is not None
    )


def ask(
    session: Session,
    *,
    community_id: int,
    member_id: int,
    conversation: str,
    question: Question,
    expires_at: datetime,
) -> None:
    """Keeps a question, in the place of the last one."""
    _ASK.run(
        session,
        community_id=community_id,
        member_id=member_id,
        conversation=conversation,
        intent=question.intent,
        slots=_packed(question.slots),
        slot=question.slot,
        options=question.options,
        expires_at=expires_at,
    )


def close_question(session: Session, *, community_id: int, member_id: int, conversation: str) -> bool:
    """Takes a question away before its answer takes effect; False where another answer took it in this very moment."""
    closed = session.scalars(
        delete(Pending)
        .where(
            Pending.community_id == community_id,
            Pending.member_id == member_id,
            Pending.conversation == conversation,
        )
        .returning(Pending.id)
    ).all()
    return bool(closed)


def forget_expired(session: Session, *, community_id: int, now: datetime) -> None:
    """Drops questions whose time is over."""
    session.execute(delete(Pending).where(Pending.community_id == community_id, Pending.expires_at <= now))


def _packed(slots: dict[str, Any]) -> dict[str, Any]:
    # JSON has no moments.
    return {k: {"moment": v.isoformat()} if isinstance(v, datetime) else v for k, v in slots.items()}


def _unpacked(slots: dict[str, Any]) -> dict[str, Any]:
    return {
        k: datetime.fromisoformat(v["moment"]) if isinstance(v, dict) and "moment" in v else v for k, v in slots.items()
    }
