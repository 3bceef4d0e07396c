"""Changing what was announced: another time, another place, more or fewer places."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from models.activities.copying import Plan, placed, plan_of
from models.activities.plan import Activity, ActivityHere, find_activity, lock, refuse_over
from models.activities.signups import Promoted, how_full, move_up, who_comes
from models.base import Refusal
from models.directory import touch


class SameAsBefore(Refusal):
    """It is so already. Fields: title."""


class CheckInBegun(Refusal):
    """People come already: it stays as it was announced. Fields: number, title."""


class QuotaTaken(Refusal):
    """More people have a place than there would be. Fields: title, taken."""


class ChangedSince(Refusal):
    """It was changed again in the meantime. Fields: title."""


@dataclass(frozen=True, slots=True)
class Version:
    """How an activity is announced: what can be changed of it, and what a change is taken back to."""

    starts_at: datetime
    plan: Plan


@dataclass(frozen=True, slots=True)
class Changed:
    """An activity after its change, with how it was before."""

    activity: ActivityHere
    before: Version
    after: Version
    members: tuple[int, ...]
    """Who is signed up, or waits."""
    promoted: tuple[Promoted, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A change that can be made: the two versions, and the columns of the later one."""

    before: Version
    after: Version
    values: dict[str, Any]


def check_change(
    session: Session, *, activity: ActivityHere, starts_at: datetime, changes: Plan, now: datetime, points_max: int
) -> Change:
    """What a change would make of an activity. `changes` are columns as a plan has them.

    Raises ActivityCancelled, ActivityOver, CheckInBegun, SameAsBefore, QuotaTaken, and what `refuse_odd_plans` does.
    """
    refuse_over(activity, now)
    if now >= activity.check_in_opens_at:
        raise CheckInBegun(number=activity.number, title=activity.title)
    before = Version(activity.starts_at, plan_of(session, activity=activity))
    after = Version(starts_at, {**before.plan, **changes})
    if after == before:
        raise SameAsBefore(title=activity.title)
    values = placed(after.plan, starts_at=starts_at, now=now, points_max=points_max)
    taken, _ = how_full(session, activity)
    if values["quota"] is not None and taken > values["quota"]:
        raise QuotaTaken(title=activity.title, taken=taken)
    return Change(before, after, values)


def change_activity(
    session: Session, *, activity: ActivityHere, starts_at: datetime, changes: Plan, now: datetime, points_max: int
) -> Changed:
    """Announces an activity otherwise. Raises what `check_change` raises."""
    lock(session, activity, alone=True)
    change = check_change(
        session, activity=activity, starts_at=starts_at, changes=changes, now=now, points_max=points_max
    )
    session.execute(
        update(Activity)
        .where(Activity.community_id == activity.community_id, Activity.id == activity.id)
        .values(**change.values)
    )
    touch(session, activity.community_id)
    promoted = move_up(session, activity=activity, now=now)
    members = tuple(member_id for member_id, _, _ in who_comes(session, activity))
    new = find_activity(session, community_id=activity.community_id, number=activity.number)
    return Changed(new, change.before, change.after, members, promoted)


def change_back(
    session: Session, *, activity: ActivityHere, before: Version, after: Version, now: datetime, points_max: int
) -> Changed:
    """Announces an activity as it was before a change. Raises ChangedSince, and what `change_activity` raises."""
    if Version(activity.starts_at, plan_of(session, activity=activity)) != after:
        raise ChangedSince(title=activity.title)
    return change_activity(
        session,
        activity=activity,
        starts_at=before.starts_at,
        changes=before.plan,
        now=now,
        points_max=points_max,
    )
