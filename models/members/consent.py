"""Who agreed to what is kept about them: one answer of a member to each version of the privacy statement.

- An answer names the version that it was given to; a newer version is asked about anew.
- Whoever changes their mind changes their answer; the audit keeps when they said what.
- What was withdrawn counts no more: the member is asked as if for the first time.
"""

from datetime import datetime

from sqlalchemy import (
    Boolean,
    ForeignKey,
    String,
    UniqueConstraint,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Invariant
from models.database import Prepared


class Consent(Base):
    """The answer of a member to a version of the privacy statement."""

    __tablename__ = "consents"
    __table_args__ = (UniqueConstraint("community_id", "member_id", "version", name="uq_consents_version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    version: Mapped[str] = mapped_column(String(20))
    agreed: Mapped[bool] = mapped_column(Boolean, server_default=true())
    """False where the member declined."""
    at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


_ANSWERED = ("community_id", "member_id", "version", "agreed", "at", "withdrawn_at")

_ANSWER = Prepared(
    lambda insert: (given := insert(Consent)).on_conflict_do_update(
        index_elements=["community_id", "member_id", "version"],
        set_={name: given.excluded[name] for name in _ANSWERED[3:]},
    ),
    columns=_ANSWERED,
)


def answer_statement(
    session: Session, *, community_id: int, member_id: int, version: str, agreed: bool, now: datetime
) -> None:
    """Records what a member says to a version of the statement, in the place of what they said to it before."""
    _ANSWER.run(
        session,
        community_id=community_id,
        member_id=member_id,
        version=version,
        agreed=agreed,
        at=now,
        withdrawn_at=None,
    )


def agreed_before(session: Session, *, community_id: int, member_id: int) -> bool:
    """Whether a member has agreed to a statement, whichever it was, and has not taken that back."""
    found = select(Consent.id).where(
        Consent.community_id == community_id,
        Consent.member_id == member_id,
        Consent.agreed,
        Consent.withdrawn_at.is_(None),
    )
    return session.scalar(found.limit(1)) is not None


def withdraw_since(session: Session, *, community_id: int, member_id: int, since: datetime, now: datetime) -> None:
    """Takes back what was answered in a member's name from `since` on: it was somebody else who spoke."""
    session.execute(
        update(Consent)
        .where(
            Consent.community_id == community_id,
            Consent.member_id == member_id,
            Consent.at >= since,
            Consent.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=now)
    )


INVARIANTS = (
    Invariant(
        "consents.version",
        select(Consent.id).where(or_(Consent.version == "", Consent.withdrawn_at < Consent.at)),
    ),
)
