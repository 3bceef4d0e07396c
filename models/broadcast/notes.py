"""备注: what whoever asked at a door has learnt about a household of which no receipt is there.

Nobody was met, somebody is in hospital, the flat stands empty: that is no receipt, and it is no reason to ask three
times more. It is known to those in charge of the household alone.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, delete, insert, or_, select, update
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.base import Base, Invariant, Refusal
from models.broadcast.notices import Broadcast, Notice


class HouseholdNote(Base):
    """What is known of one household about one notice; of several that stand the newest counts."""

    __tablename__ = "household_notes"
    __table_args__ = (
        Index("ix_household_notes_broadcast", "community_id", "broadcast_id"),
        Index("ix_household_notes_member", "community_id", "member_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    broadcast_id: Mapped[int] = mapped_column(ForeignKey("broadcasts.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    """Somebody of the household."""
    note: Mapped[str] = mapped_column(String(200))
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    at: Mapped[datetime]
    undone_at: Mapped[datetime | None]


class NoteGone(Refusal):
    """The note was taken back already. Fields: number."""


def note_household(
    session: Session, *, notice: Notice, member_id: int, note: str, made_by: int, now: datetime
) -> int | None:
    """Writes down what is known of a member's household; returns the row's id, None where just this stands there."""
    if notes_of(session, notice).get(member_id) == note[:200]:
        return None
    return int(
        session.execute(
            insert(HouseholdNote).returning(HouseholdNote.id),
            {
                "community_id": notice.community_id,
                "broadcast_id": notice.id,
                "member_id": member_id,
                "note": note[:200],
                "made_by": made_by,
                "at": now,
            },
        ).scalar_one()
    )


def undo_note(session: Session, *, community_id: int, note_id: int, now: datetime) -> int:
    """Takes a note back; returns the number of its broadcast. Raises NoteGone."""
    number = session.scalars(
        select(Broadcast.number)
        .join(HouseholdNote, HouseholdNote.broadcast_id == Broadcast.id)
        .where(HouseholdNote.community_id == community_id, HouseholdNote.id == note_id)
    ).one()
    taken = session.scalar(
        update(HouseholdNote)
        .where(
            HouseholdNote.community_id == community_id, HouseholdNote.id == note_id, HouseholdNote.undone_at.is_(None)
        )
        .values(undone_at=now)
        .returning(HouseholdNote.id)
    )
    if taken is None:
        raise NoteGone(number=number)
    return number


def notes_of(session: Session, notice: Notice) -> dict[int, str]:
    """What is known of households about a notice, by the member under whom it was written down."""
    rows = session.execute(
        select(HouseholdNote.member_id, HouseholdNote.note)
        .where(
            HouseholdNote.community_id == notice.community_id,
            HouseholdNote.broadcast_id == notice.id,
            HouseholdNote.undone_at.is_(None),
        )
        .order_by(HouseholdNote.id)
    )
    return {row.member_id: row.note for row in rows}


def drop_notes(session: Session, *, community_id: int, member_ids: Collection[int]) -> None:
    """Forgets what was written down about these members' households under their names."""
    session.execute(
        delete(HouseholdNote).where(HouseholdNote.community_id == community_id, HouseholdNote.member_id.in_(member_ids))
    )


_of = aliased(Broadcast)

INVARIANTS = (
    Invariant(
        # What is asked of nobody has no door at which to ask.
        "household_notes.wanted",
        select(HouseholdNote.id)
        .join(_of, HouseholdNote.broadcast_id == _of.id)
        .where(or_(~_of.wants_receipts, _of.sent_at.is_(None), HouseholdNote.at < _of.sent_at)),
    ),
)
