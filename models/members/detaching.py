"""解绑: an account stops being somebody's, because the phone is lost or belongs to another by now.

- A detached account is a stranger's: it may be bound again, to anybody.
- What was detached is remembered for a while, so that a mistake can be taken back.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, delete, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Invariant, Refusal
from models.directory import Identity
from models.files import end_links
from models.members.people import Member, add_identity
from models.pending import close_all_questions


class Detachment(Base):
    """One account that was taken from a member."""

    __tablename__ = "detachments"
    __table_args__ = (Index("ix_detachments_member", "community_id", "member_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    namespace: Mapped[str] = mapped_column(String(80))
    external_id: Mapped[str] = mapped_column(String(200))
    at: Mapped[datetime]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    undone_at: Mapped[datetime | None]


class NothingToDetach(Refusal):
    """The member has no account, or no other one. Fields: name."""


class AccountTaken(Refusal):
    """The account is somebody's again, or the detachment is forgotten by now."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account of a member."""

    id: int
    namespace: str
    external_id: str
    since: datetime


def accounts_of(session: Session, *, community_id: int, member_ids: Collection[int]) -> list[Account]:
    """The accounts that speak as these members, oldest first."""
    return [
        Account(*row)
        for row in session.execute(
            select(Identity.id, Identity.namespace, Identity.external_id, Identity.since)
            .where(Identity.community_id == community_id, Identity.member_id.in_(member_ids))
            .order_by(Identity.id)
        )
    ]


def detach(
    session: Session,
    *,
    community_id: int,
    member_id: int,
    name: str,
    by: int,
    now: datetime,
    but: tuple[str, str] | None = None,
) -> list[int]:
    """Takes all accounts from a member, `but` one (namespace and id); returns the ids of the detachments.

    The member's open questions and links end: they may have been asked from that phone. Raises NothingToDetach.
    """
    gone = [
        one
        for one in accounts_of(session, community_id=community_id, member_ids=[member_id])
        if (one.namespace, one.external_id) != but
    ]
    if not gone:
        raise NothingToDetach(name=name)
    session.execute(
        delete(Identity).where(Identity.community_id == community_id, Identity.id.in_([one.id for one in gone]))
    )
    close_all_questions(session, community_id=community_id, member_ids=[member_id])
    end_links(session, community_id=community_id, member_id=member_id)
    return [
        session.execute(
            insert(Detachment).returning(Detachment.id),
            {
                "community_id": community_id,
                "member_id": member_id,
                "namespace": one.namespace,
                "external_id": one.external_id,
                "at": now,
                "made_by": by,
                "undone_at": None,
            },
        ).scalar_one()
        for one in gone
    ]


def attach_again(session: Session, *, community_id: int, detachment_id: int, now: datetime) -> str:
    """Gives a detached account back; returns the member's name. Raises AccountTaken."""
    row = session.execute(
        update(Detachment)
        .where(
            Detachment.community_id == community_id,
            Detachment.id == detachment_id,
            Detachment.undone_at.is_(None),
        )
        .values(undone_at=now)
        .returning(Detachment.member_id, Detachment.namespace, Detachment.external_id)
    ).one_or_none()
    if row is None:
        raise AccountTaken
    taken = session.scalar(
        select(Identity.id).where(
            Identity.community_id == community_id,
            Identity.namespace == row.namespace,
            Identity.external_id == row.external_id,
        )
    )
    if taken is not None:
        raise AccountTaken
    add_identity(
        session,
        community_id=community_id,
        member_id=row.member_id,
        namespace=row.namespace,
        external_id=row.external_id,
        now=now,
    )
    return session.execute(
        select(Member.name).where(Member.community_id == community_id, Member.id == row.member_id)
    ).scalar_one()


INVARIANTS = (
    Invariant(
        "detachments.forgotten",
        select(Detachment.id).join(Member, Detachment.member_id == Member.id).where(Member.forgotten_at.is_not(None)),
    ),
)
