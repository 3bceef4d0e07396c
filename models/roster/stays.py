"""Where somebody lived, and from when until when.

Most people never move: their one stay is `members.unit_id` since `members.since`, and has no row here. The first move
writes down the home that was left and the one that was taken.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, and_, delete, insert, or_, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Invariant
from models.members import Member


class Stay(Base):
    """A home of a member for a time."""

    __tablename__ = "member_homes"
    __table_args__ = (
        CheckConstraint("until IS NULL OR until >= since", name="span"),
        Index("ix_member_homes_member", "member_id"),
        Index(
            "uq_member_homes_open",
            "community_id",
            "member_id",
            unique=True,
            sqlite_where=text("until IS NULL"),
            postgresql_where=text("until IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    room: Mapped[str] = mapped_column(String(20), server_default="")
    since: Mapped[datetime]
    until: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Home:
    """A unit, as a rule a door, and the flat's own number."""

    unit_id: int
    room: str


@dataclass(frozen=True, slots=True)
class Lived:
    """One stay as people read it."""

    unit_id: int
    room: str
    since: datetime
    until: datetime | None


def is_move(before_path: str, before_room: str, after_path: str, after_room: str) -> bool:
    """Whether a home was left, and not only told more exactly: 3栋 → 3栋2单元501 is the same home."""
    if not after_path.startswith(before_path):
        return True
    return bool(before_room) and after_room != before_room


def stays_of(session: Session, *, community_id: int, member_id: int) -> list[Lived]:
    """Everywhere that a member has lived, the oldest first."""
    rows = session.execute(
        select(Stay.unit_id, Stay.room, Stay.since, Stay.until)
        .where(Stay.community_id == community_id, Stay.member_id == member_id)
        .order_by(Stay.since, Stay.id)
    ).all()
    if rows:
        return [Lived(*row) for row in rows]
    row = session.execute(
        select(Member.unit_id, Member.room, Member.since).where(
            Member.community_id == community_id, Member.id == member_id
        )
    ).one_or_none()
    return [Lived(row.unit_id, row.room, row.since, None)] if row else []


def leave_home(session: Session, *, community_id: int, member_id: int, now: datetime) -> None:
    """Writes down that the member left the home that the roster names."""
    ended = session.scalars(
        update(Stay)
        .where(Stay.community_id == community_id, Stay.member_id == member_id, Stay.until.is_(None))
        .values(until=now)
        .returning(Stay.id)
    ).all()
    if ended:
        return
    home = session.execute(
        select(Member.unit_id, Member.room, Member.since).where(
            Member.community_id == community_id, Member.id == member_id
        )
    ).one()
    session.execute(
        insert(Stay),
        {
            "community_id": community_id,
            "member_id": member_id,
            "unit_id": home.unit_id,
            "room": home.room,
            "since": min(home.since, now),
            "until": now,
        },
    )


def forget_homes(session: Session, *, community_id: int, member_ids: list[int]) -> None:
    """Where somebody lived goes with them."""
    session.execute(delete(Stay).where(Stay.community_id == community_id, Stay.member_id.in_(member_ids)))


def take_home(session: Session, *, community_id: int, member_id: int, home: Home, now: datetime) -> None:
    """Writes down that the member lives in this home from now on."""
    session.execute(
        insert(Stay),
        {
            "community_id": community_id,
            "member_id": member_id,
            "unit_id": home.unit_id,
            "room": home.room,
            "since": now,
            "until": None,
        },
    )


def amend_home(session: Session, *, community_id: int, member_id: int, home: Home) -> None:
    """The home was written wrongly, and never left: the open stay, where there is one, says what is true."""
    session.execute(
        update(Stay)
        .where(Stay.community_id == community_id, Stay.member_id == member_id, Stay.until.is_(None))
        .values(unit_id=home.unit_id, room=home.room)
    )


def unwrite_move(session: Session, *, community_id: int, member_id: int, at: datetime) -> None:
    """Takes back what a move, a moving out or a moving in at this very moment wrote."""
    session.execute(
        delete(Stay).where(
            Stay.community_id == community_id, Stay.member_id == member_id, Stay.since == at, Stay.until.is_(None)
        )
    )
    rows = session.execute(
        select(Stay.id, Stay.until)
        .where(Stay.community_id == community_id, Stay.member_id == member_id)
        .order_by(Stay.since, Stay.id)
    ).all()
    if not rows or rows[-1].until != at:
        return
    if len(rows) == 1:
        # It was the first move: as before, the roster alone says where they have always lived.
        session.execute(delete(Stay).where(Stay.community_id == community_id, Stay.id == rows[-1].id))
    else:
        session.execute(
            update(Stay).where(Stay.community_id == community_id, Stay.id == rows[-1].id).values(until=None)
        )


INVARIANTS = (
    Invariant(
        "member_homes.open",
        select(Stay.id)
        .join(Member, Stay.member_id == Member.id)
        .where(
            Stay.until.is_(None),
            or_(
                Member.moved_out_at.is_not(None),
                and_(
                    Member.forgotten_at.is_(None),
                    or_(Stay.unit_id != Member.unit_id, Stay.room != Member.room),
                ),
            ),
        ),
    ),
)
