"""What is on: for the list of somebody who asks, and for the reminder of a group."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.activities.plan import COLUMNS, Activity, ActivityHere, ActivityState, here
from models.activities.signups import Signup, SignupState, how_full
from models.units import Unit


@dataclass(frozen=True, slots=True)
class Listed:
    """An activity in a list, with how full it is and whether the asker comes."""

    activity: ActivityHere
    taken: int
    waiting: int
    mine: SignupState | None


def coming_activities(
    session: Session, *, community_id: int, member_id: int | None, now: datetime, limit: int
) -> list[Listed]:
    """What is published and not over, soonest first."""
    rows = session.execute(
        select(*COLUMNS)
        .where(
            Activity.community_id == community_id,
            Activity.state == ActivityState.PUBLISHED,
            Activity.ends_at > now,
        )
        .order_by(Activity.starts_at, Activity.number)
        .limit(limit)
    ).all()
    listed = []
    for row in rows:
        activity = here(row)
        taken, waiting = how_full(session, activity)
        mine = session.scalar(
            select(Signup.state).where(
                Signup.community_id == community_id,
                Signup.activity_id == activity.id,
                Signup.member_id == member_id,
                Signup.undone_at.is_(None),
            )
        )
        listed.append(Listed(activity, taken, waiting, SignupState(mine) if mine else None))
    return listed


@dataclass(frozen=True, slots=True)
class Later:
    """What is on beyond the first of a list: the next few by number and title, and how many there are."""

    count: int
    named: list[tuple[int, str]]


def later_activities(session: Session, *, community_id: int, now: datetime, skip: int, limit: int) -> Later:
    """What `coming_activities` leaves out when it shows `skip`."""
    coming = select(Activity.number, Activity.title).where(
        Activity.community_id == community_id,
        Activity.state == ActivityState.PUBLISHED,
        Activity.ends_at > now,
    )
    rows = session.execute(coming.order_by(Activity.starts_at, Activity.number).offset(skip)).all()
    return Later(len(rows), [(row.number, row.title) for row in rows[:limit]])


@dataclass(frozen=True, slots=True)
class Announced:
    """An activity to remind of, and the path of the unit whose people it is for."""

    activity: ActivityHere
    unit_path: str


def announced_between(
    session: Session, *, community_id: int, after: datetime, until: datetime, ahead: timedelta
) -> list[Announced]:
    """What starts in `(after, until]` and was published at least `ahead` before."""
    rows = session.execute(
        select(*COLUMNS, Activity.made_at, Unit.path)
        .join(Unit, Activity.unit_id == Unit.id)
        .where(
            Activity.community_id == community_id,
            Activity.state == ActivityState.PUBLISHED,
            Activity.starts_at > after,
            Activity.starts_at <= until,
        )
        .order_by(Activity.starts_at, Activity.number)
    ).all()
    return [Announced(here(row[: len(COLUMNS)]), row.path) for row in rows if row.made_at <= row.starts_at - ahead]
