"""Questions that the bot has asked and that stand open: one for each person and conversation, with an expiry.

No conversation lives in memory: a restart, or another replica, finds the question here.

- A new question of the bot replaces the last one in the same conversation.
- Whoever is nobody yet is asked by the account alone: `member_id` is empty and `account` says which one.
- An answer takes the question away, so that it is answered once.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, ColumnElement, ForeignKey, Index, String, UniqueConstraint, bindparam, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.database import Prepared


class Pending(Base):
    """One open question."""

    __tablename__ = "pending"
    __table_args__ = (
        UniqueConstraint("community_id", "member_id", "conversation", name="uq_pending_conversation"),
        UniqueConstraint("community_id", "account", "conversation", name="uq_pending_account"),
        Index("ix_pending_expires", "expires_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    account: Mapped[str | None] = mapped_column(String(300))
    conversation: Mapped[str] = mapped_column(String(40))
    """`group:5` or `direct`."""
    intent: Mapped[str] = mapped_column(String(32))
    slots: Mapped[dict[str, Any]] = mapped_column(JSON)
    slot: Mapped[str | None] = mapped_column(String(32))
    options: Mapped[list[Any]] = mapped_column(JSON)
    expires_at: Mapped[datetime]
    token: Mapped[str] = mapped_column(String(16), server_default="")
    """Names this question among all: a button knows which one it answers."""


STANDS = timedelta(minutes=5)
"""How long a question stands at least, and most of them do."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked: which command runs again with the answer."""

    intent: str
    slots: dict[str, Any]
    slot: str | None
    options: list[Any]
    """What may be chosen; without a slot what 不 says, where it is more than that nothing is done."""
    token: str = ""


_WHAT = select(Pending.intent, Pending.slots, Pending.slot, Pending.options, Pending.token).where(
    Pending.community_id == bindparam("community"),
    Pending.conversation == bindparam("conversation_"),
    Pending.expires_at > bindparam("now"),
)
_FIND = Prepared(_WHAT.where(Pending.member_id == bindparam("member")))
_FIND_OF_ACCOUNT = Prepared(_WHAT.where(Pending.account == bindparam("account_")))

_ASKED = ("intent", "slots", "slot", "options", "expires_at", "token")


def _ask(whose: str) -> Prepared:
    return Prepared(
        lambda insert: (asked := insert(Pending)).on_conflict_do_update(
            index_elements=["community_id", whose, "conversation"],
            set_={name: asked.excluded[name] for name in _ASKED},
        ),
        columns=("community_id", whose, "conversation", *_ASKED),
    )


_ASK = _ask("member_id")
_ASK_ACCOUNT = _ask("account")


def conversation(group_id: int | None) -> str:
    """The name of a conversation, as pending questions are kept under it."""
    return "direct" if group_id is None else f"group:{group_id}"


def account(namespace: str, external_id: str) -> str:
    """The name of an outside id that is nobody yet, as pending questions are kept under it."""
    return f"{namespace}:{external_id}"


def open_question(
    session: Session,
    *,
    community_id: int,
    member_id: int | None,
    conversation: str,
    now: datetime,
    account: str = "",
) -> Question | None:
    """The question that this person, or this account of nobody, may answer here and now."""
    where = {"community": community_id, "conversation_": conversation, "now": now}
    if member_id is None:
        row = _FIND_OF_ACCOUNT.first(session, account_=account, **where)
    else:
        row = _FIND.first(session, member=member_id, **where)
    return Question(row[0], _unpacked(row[1]), *row[2:]) if row else None


def was_open_before(
    session: Session, *, community_id: int, member_id: int, conversation: str, moment: datetime
) -> bool:
    """Whether the question here was asked before a moment, as far as its time shows: none stands less than STANDS."""
    until = session.scalar(
        select(Pending.expires_at).where(
            Pending.community_id == community_id,
            Pending.member_id == member_id,
            Pending.conversation == conversation,
        )
    )
    return until is not None and until - STANDS < moment


def lapsed_question(
    session: Session,
    *,
    community_id: int,
    member_id: int | None,
    conversation: str,
    now: datetime,
    account: str = "",
) -> Question | None:
    """The last question here, where nobody answered it in its time."""
    row = session.execute(
        select(Pending.intent, Pending.slots, Pending.slot, Pending.options, Pending.token).where(
            Pending.community_id == community_id,
            _whose(member_id, account),
            Pending.conversation == conversation,
            Pending.expires_at <= now,
        )
    ).one_or_none()
    return Question(row.intent, _unpacked(row.slots), row.slot, row.options, row.token) if row else None


def conversations(session: Session, *, community_id: int, member_id: int, intent: str, now: datetime) -> list[str]:
    """Where this person has a question about `intent` open, the one that was asked last first."""
    return list(
        session.scalars(
            select(Pending.conversation)
            .where(
                Pending.community_id == community_id,
                Pending.member_id == member_id,
                Pending.intent == intent,
                Pending.expires_at > now,
            )
            .order_by(Pending.expires_at.desc())
        )
    )


def where_asked(session: Session, *, account: str, now: datetime) -> int | None:
    """The community that has a question open for an account of nobody: in which they asked to be recognised last."""
    return session.scalar(
        select(Pending.community_id)
        .where(Pending.account == account, Pending.conversation == conversation(None), Pending.expires_at > now)
        .order_by(Pending.expires_at.desc())
        .limit(1)
    )


def ask(
    session: Session,
    *,
    community_id: int,
    member_id: int | None,
    conversation: str,
    question: Question,
    expires_at: datetime,
    account: str = "",
) -> None:
    """Keeps a question, in the place of the last one."""
    asked: dict[str, Any] = {
        "community_id": community_id,
        "conversation": conversation,
        "intent": question.intent,
        "slots": _packed(question.slots),
        "slot": question.slot,
        "options": question.options,
        "expires_at": expires_at,
        "token": question.token,
    }
    if member_id is None:
        # Whoever is nobody yet has one conversation, and it is about the community that they named last.
        session.execute(delete(Pending).where(Pending.account == account, Pending.community_id != community_id))
        _ASK_ACCOUNT.run(session, account=account, **asked)
    else:
        _ASK.run(session, member_id=member_id, **asked)


def close_question(
    session: Session, *, community_id: int, member_id: int | None, conversation: str, account: str = ""
) -> bool:
    """Takes a question away before its answer takes effect; False where another answer took it in this very moment."""
    closed = session.scalars(
        delete(Pending)
        .where(
            Pending.community_id == community_id,
            _whose(member_id, account),
            Pending.conversation == conversation,
        )
        .returning(Pending.id)
    ).all()
    return bool(closed)


def _whose(member_id: int | None, account: str) -> ColumnElement[bool]:
    return Pending.account == account if member_id is None else Pending.member_id == member_id


def close_all_questions(session: Session, *, community_id: int, member_ids: Collection[int]) -> None:
    """Takes away everything that stands open for these members, in whatever conversation."""
    session.execute(delete(Pending).where(Pending.community_id == community_id, Pending.member_id.in_(member_ids)))


def forget_expired(session: Session, *, community_id: int, now: datetime) -> None:
    """Drops questions whose time is over."""
    session.execute(delete(Pending).where(Pending.community_id == community_id, Pending.expires_at <= now))


def _packed(value: Any) -> Any:
    # JSON has no moments.
    if isinstance(value, datetime):
        return {"moment": value.isoformat()}
    if isinstance(value, dict):
        return {key: _packed(inner) for key, inner in value.items()}
    return [_packed(inner) for inner in value] if isinstance(value, list) else value


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"moment"}:
            return datetime.fromisoformat(value["moment"])
        return {key: _unpacked(inner) for key, inner in value.items()}
    return [_unpacked(inner) for inner in value] if isinstance(value, list) else value
