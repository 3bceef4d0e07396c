"""Members who turned out to be one person.

- Who was merged has one live merge, which says into whom; `members.merged_into` says the same.
- A merge remembers what it moved, so that a split gives back exactly that.
- Who was merged holds nothing any more: no balance, no account, no role in force.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint, and_, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Invariant
from models.directory import Identity
from models.members.people import Member, MemberRole


class Merge(Base):
    """Two members found to be one person. Undone by splitting them again."""

    __tablename__ = "merges"
    __table_args__ = (
        UniqueConstraint("community_id", "number", name="uq_merges_number"),
        Index("ix_merges_from", "community_id", "from_member_id"),
        Index("ix_merges_into", "community_id", "into_member_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    number: Mapped[int]
    from_member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    into_member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    at: Mapped[datetime]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    moved: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The ids of the rows that went over, by kind: what a split gives back."""
    undone_at: Mapped[datetime | None]


def merged_into(session: Session, *, community_id: int, member_id: int) -> list[int]:
    """The members who were merged into this one, also through each other."""
    found: list[int] = []
    near = [member_id]
    while near:
        near = list(
            session.scalars(
                select(Merge.from_member_id).where(
                    Merge.community_id == community_id, Merge.into_member_id.in_(near), Merge.undone_at.is_(None)
                )
            )
        )
        found += near
    return found


def one_person(session: Session, *, community_id: int, member_id: int) -> list[int]:
    """This member and those merged into them: all the ids under which the person's history stands."""
    return [member_id, *merged_into(session, community_id=community_id, member_id=member_id)]


def way_to_keeper(session: Session, *, community_id: int, member_id: int) -> list[tuple[int, int]]:
    """The merges through which this member's books go on, as (merge id, into whom); empty for who was not merged."""
    way: list[tuple[int, int]] = []
    while True:
        row = session.execute(
            select(Merge.id, Merge.into_member_id).where(
                Merge.community_id == community_id,
                Merge.from_member_id == member_id,
                Merge.undone_at.is_(None),
            )
        ).one_or_none()
        if row is None:
            return way
        way.append((row.id, row.into_member_id))
        member_id = row.into_member_id


def keeper_of(session: Session, *, community_id: int, member_id: int) -> int:
    """Under whose id this member's books are kept now: their own, unless they were merged."""
    way = way_to_keeper(session, community_id=community_id, member_id=member_id)
    return way[-1][1] if way else member_id


INVARIANTS = (
    Invariant(
        "merges.member",
        select(Member.id)
        .outerjoin(Merge, and_(Merge.from_member_id == Member.id, Merge.undone_at.is_(None)))
        .where(
            or_(
                and_(Member.merged_into.is_not(None), Merge.id.is_(None)),
                and_(Merge.id.is_not(None), Member.merged_into.is_(None)),
                Member.merged_into != Merge.into_member_id,
            )
        ),
    ),
    Invariant(
        "merges.identity",
        select(Identity.id).join(Member, Identity.member_id == Member.id).where(Member.merged_into.is_not(None)),
    ),
    Invariant(
        "merges.role",
        select(MemberRole.id)
        .join(Member, MemberRole.member_id == Member.id)
        .join(Merge, and_(Merge.from_member_id == Member.id, Merge.undone_at.is_(None)))
        .where(or_(MemberRole.until.is_(None), MemberRole.until > Merge.at)),
    ),
)
