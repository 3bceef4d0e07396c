"""Everybody who was at an activity, with both kinds of minutes apart."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from models.activities import ActivityHere
from models.check_in.coming import CheckIn
from models.check_in.going import STAYS, CheckOut
from models.check_in.vouching import Vouching


@dataclass(frozen=True, slots=True)
class Stay:
    """Somebody who was at an activity. Minutes that the machine recorded and those that were vouched for, apart."""

    member_id: int
    came_at: datetime
    left_at: datetime | None
    recorded: int
    vouched: int


def stays_at(session: Session, *, activity: ActivityHere) -> list[Stay]:
    """Everybody who came to an activity, in order."""
    return [
        Stay(*row)
        for row in session.execute(
            select(
                CheckIn.member_id,
                CheckIn.at,
                CheckOut.at,
                func.coalesce(CheckOut.minutes, 0),
                func.coalesce(Vouching.minutes, 0),
            )
            .outerjoin(CheckOut, STAYS)
            .outerjoin(Vouching, and_(Vouching.check_in_id == CheckIn.id, Vouching.undone_at.is_(None)))
            .where(
                CheckIn.community_id == activity.community_id,
                CheckIn.activity_id == activity.id,
                CheckIn.undone_at.is_(None),
            )
            .order_by(CheckIn.id)
        )
    ]
