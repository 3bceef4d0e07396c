"""The terms of an activity's sign-up: from when to when people sign up, until when they leave, and when the list is
closed for good.

- Sign-up opens before it closes, and nothing of it lies behind the activity's start.
- A locked list is changed by those in charge alone.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from models.activities.plan import Activity, ActivityHere, ActivityStarted, find_activity, lock, refuse_over
from models.base import Refusal
from models.directory import touch


class SignupNotOpen(Refusal):
    """Nobody signs up yet. Fields: number, title, opens_at."""


class SignupClosed(Refusal):
    """Nobody signs up any more. Fields: number, title, closes_at."""


class ListLocked(Refusal):
    """Nobody but those in charge signs up or leaves. Fields: number, title."""


class NotLocked(Refusal):
    """It is open to everybody. Fields: number, title."""


class TermsOutOfRange(Refusal):
    """Sign-up would close before it opens, or after the activity starts. Fields: starts_at."""


def may_be_joined(activity: ActivityHere, now: datetime) -> bool:
    """Whether anybody may sign up now, places aside."""
    opened = activity.signup_opens_at is None or activity.signup_opens_at <= now
    closes_at = activity.signup_closes_at or activity.starts_at
    return opened and now < min(closes_at, activity.starts_at) and activity.locked_at is None


def refuse_joining(activity: ActivityHere, now: datetime) -> None:
    """Raises ListLocked, SignupNotOpen, SignupClosed."""
    refuse_locked(activity)
    if activity.signup_opens_at is not None and now < activity.signup_opens_at:
        raise SignupNotOpen(number=activity.number, title=activity.title, opens_at=activity.signup_opens_at)
    if activity.signup_closes_at is not None and now >= activity.signup_closes_at:
        raise SignupClosed(number=activity.number, title=activity.title, closes_at=activity.signup_closes_at)


def refuse_locked(activity: ActivityHere) -> None:
    """Raises ListLocked."""
    if activity.locked_at is not None:
        raise ListLocked(number=activity.number, title=activity.title)


def leaves_late(activity: ActivityHere, now: datetime) -> bool:
    """Whether the last moment to leave is over."""
    return now >= min(activity.leave_until or activity.starts_at, activity.starts_at)


TERMS = ("signup_opens_at", "signup_closes_at", "leave_until", "audience")
"""What `set_terms` sets."""


def set_terms(session: Session, *, activity: ActivityHere, now: datetime, **terms: Any) -> ActivityHere:
    """Sets some of the terms of an activity that has not started; None takes one away.

    Raises ActivityCancelled, ActivityOver, ActivityStarted, TermsOutOfRange.
    """
    assert set(terms) <= set(TERMS)
    _hold(session, activity, now)
    before = find_activity(session, community_id=activity.community_id, number=activity.number)
    after = {name: getattr(before, name) for name in TERMS} | terms
    moments = [after[name] for name in TERMS[:3] if after[name] is not None]
    opens, closes = after["signup_opens_at"], after["signup_closes_at"]
    if any(moment > before.starts_at for moment in moments) or (opens and closes and opens >= closes):
        raise TermsOutOfRange(starts_at=before.starts_at)
    return _set(session, activity, terms)


def lock_list(session: Session, *, activity: ActivityHere, now: datetime) -> ActivityHere:
    """Closes the list. Raises ListLocked where it is, ActivityCancelled, ActivityOver, ActivityStarted."""
    _hold(session, activity, now)
    refuse_locked(find_activity(session, community_id=activity.community_id, number=activity.number))
    return _set(session, activity, {"locked_at": now})


def unlock_list(session: Session, *, activity: ActivityHere, now: datetime) -> ActivityHere:
    """Opens the list again. Raises NotLocked, ActivityCancelled, ActivityOver, ActivityStarted."""
    _hold(session, activity, now)
    if find_activity(session, community_id=activity.community_id, number=activity.number).locked_at is None:
        raise NotLocked(number=activity.number, title=activity.title)
    return _set(session, activity, {"locked_at": None})


def _hold(session: Session, activity: ActivityHere, now: datetime) -> None:
    refuse_over(activity, now)
    if now >= activity.starts_at:
        raise ActivityStarted(number=activity.number, title=activity.title, starts_at=activity.starts_at)
    lock(session, activity)


def _set(session: Session, activity: ActivityHere, values: dict[str, Any]) -> ActivityHere:
    session.execute(
        update(Activity)
        .where(Activity.community_id == activity.community_id, Activity.id == activity.id)
        .values(**values)
    )
    touch(session, activity.community_id)
    return find_activity(session, community_id=activity.community_id, number=activity.number)
