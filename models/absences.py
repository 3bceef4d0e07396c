"""Who signed up and did not come: counted when it matters, and written down nowhere, so that it is over by itself.

Counted is a place that was somebody's own, at an activity that took place and at which people were checked in: who had
it to the end and was not there, or gave it up after the last moment to leave. 补签 makes a check-in, so that it counts
no more. Who was signed up by others, was taken off the list by them, waited, or moved up without being asked, did not
stay away.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from models.activities.plan import Activity, ActivityState
from models.activities.signups import Signup, SignupState
from models.check_in import CheckIn
from models.members.merging import one_person

_others = aliased(CheckIn)


@dataclass(frozen=True, slots=True)
class Absence:
    """An activity to which somebody did not come."""

    number: int
    title: str
    starts_at: datetime


def absences_of(session: Session, *, community_id: int, member_id: int, now: datetime, days: int) -> list[Absence]:
    """The activities of the last days to which somebody did not come, oldest first."""
    ids = one_person(session, community_id=community_id, member_id=member_id)
    came = exists().where(
        CheckIn.community_id == community_id,
        CheckIn.activity_id == Activity.id,
        CheckIn.member_id.in_(ids),
        CheckIn.undone_at.is_(None),
    )
    anybody = exists().where(
        _others.community_id == community_id, _others.activity_id == Activity.id, _others.undone_at.is_(None)
    )
    last_moment = func.coalesce(Activity.leave_until, Activity.starts_at)
    rows = session.execute(
        select(Activity.number, Activity.title, Activity.starts_at)
        .join(Signup, Signup.activity_id == Activity.id)
        .where(
            Signup.community_id == community_id,
            Signup.member_id.in_(ids),
            Signup.state == SignupState.CONFIRMED,
            Signup.right.is_(None),
            or_(Signup.promoted_at.is_(None), Signup.offered_until.is_not(None)),
            or_(
                Signup.undone_at.is_(None),
                and_(Signup.undone_by == Signup.member_id, Signup.undone_at >= last_moment),
            ),
            Activity.state == ActivityState.PUBLISHED,
            Activity.ends_at <= now,
            Activity.ends_at > now - timedelta(days=days),
            ~came,
            anybody,
        )
        .distinct()
        .order_by(Activity.starts_at, Activity.number)
    )
    return [Absence(*row) for row in rows]
