"""Who is there, who was, who forgot to leave."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.activities import Activity, ActivityState
from models.check_in.coming import CheckIn
from models.check_in.going import STAYS, CheckOut


def where_checked_in(session: Session, *, community_id: int, member_id: int) -> list[int]:
    """The numbers of the activities at which somebody is now: came, and has not left; newest first."""
    return list(
        session.scalars(
            select(Activity.number)
            .join(CheckIn, CheckIn.activity_id == Activity.id)
            .outerjoin(CheckOut, STAYS)
            .where(
                CheckIn.community_id == community_id,
                CheckIn.member_id == member_id,
                CheckIn.undone_at.is_(None),
                CheckOut.id.is_(None),
            )
            .order_by(CheckIn.id.desc())
        )
    )


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A check-in whose activity is over and that was never checked out."""

    activity_number: int
    member_id: int


def forgotten_check_outs(session: Session, *, community_id: int, now: datetime, limit: int) -> list[Forgotten]:
    """Who forgot to check out of an activity that is over; of one that was called off nobody is left."""
    return [
        Forgotten(*row)
        for row in session.execute(
            select(Activity.number, CheckIn.member_id)
            .join(CheckIn, CheckIn.activity_id == Activity.id)
            .outerjoin(CheckOut, STAYS)
            .where(
                Activity.community_id == community_id,
                Activity.ends_at <= now,
                Activity.state == ActivityState.PUBLISHED,
                CheckIn.undone_at.is_(None),
                CheckOut.id.is_(None),
            )
            .order_by(CheckIn.id)
            .limit(limit)
        )
    ]


def left_open(session: Session, *, community_id: int, after: datetime, until: datetime) -> bool:
    """Whether somebody is still there at an activity that ended in `(after, until]`."""
    row = session.execute(
        select(CheckIn.id)
        .join(Activity, CheckIn.activity_id == Activity.id)
        .outerjoin(CheckOut, STAYS)
        .where(
            Activity.community_id == community_id,
            Activity.state == ActivityState.PUBLISHED,
            Activity.ends_at > after,
            Activity.ends_at <= until,
            CheckIn.undone_at.is_(None),
            CheckOut.id.is_(None),
        )
        .limit(1)
    )
    return row.first() is not None


def how_many_came(session: Session, *, community_id: int, activity_id: int) -> int:
    """Live check-ins of an activity."""
    return int(
        session.execute(
            select(func.count()).where(
                CheckIn.community_id == community_id,
                CheckIn.activity_id == activity_id,
                CheckIn.undone_at.is_(None),
            )
        ).scalar_one()
    )
