"""What else somebody has signed up for, when they sign up once more: it is said to them, and nothing is refused."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.activities.plan import COLUMNS, Activity, ActivityHere, ActivityState, here
from models.activities.signups import Signup
from models.clock import day_of, start_of


class Burden(StrEnum):
    """Why a second sign-up is one too many, perhaps."""

    CLASH = "clash"
    """Both take place at one time."""
    TIGHT = "tight"
    """There is little time between them."""
    LONG = "long"
    """It becomes a long day."""


@dataclass(frozen=True, slots=True)
class Burdened:
    """What to say to somebody who signs up: which other activity it is, and how many minutes the gap or the day has."""

    burden: Burden
    other: ActivityHere
    minutes: int


def burden_of(
    activity: ActivityHere, others: list[ActivityHere], *, day_hours_max: int, gap_minutes_min: int
) -> Burdened | None:
    """The worst that is to be said of one activity beside others of the same person; None: nothing."""
    for other in others:
        if activity.starts_at < other.ends_at and other.starts_at < activity.ends_at:
            return Burdened(Burden.CLASH, other, 0)
    for other in others:
        gap = max(activity.starts_at - other.ends_at, other.starts_at - activity.ends_at)
        if gap < timedelta(minutes=gap_minutes_min):
            return Burdened(Burden.TIGHT, other, gap // timedelta(minutes=1))
    same_day = [other for other in others if day_of(other.starts_at) == day_of(activity.starts_at)]
    minutes = sum((one.ends_at - one.starts_at) // timedelta(minutes=1) for one in (activity, *same_day))
    if same_day and day_hours_max and minutes > 60 * day_hours_max:
        return Burdened(Burden.LONG, same_day[0], minutes)
    return None


def others_near(session: Session, *, activity: ActivityHere, member_id: int) -> list[ActivityHere]:
    """What else somebody is signed up for in the days of an activity, soonest first."""
    day = timedelta(days=1)
    first: datetime = start_of(day_of(activity.starts_at)) - day
    rows = session.execute(
        select(*COLUMNS)
        .join(Signup, Signup.activity_id == Activity.id)
        .where(
            Signup.community_id == activity.community_id,
            Signup.member_id == member_id,
            Signup.undone_at.is_(None),
            Activity.id != activity.id,
            Activity.state == ActivityState.PUBLISHED,
            Activity.ends_at > first,
            Activity.starts_at < activity.ends_at + day,
        )
        .order_by(Activity.starts_at, Activity.number)
    )
    return [here(tuple(row)) for row in rows]
