"""Calling an activity off, and letting it take place after all."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from models.activities.plan import Activity, ActivityHere, ActivityOver, ActivityState, lock, refuse_over
from models.activities.signups import who_comes
from models.base import Refusal
from models.directory import touch


class NotCancelled(Refusal):
    """It takes place anyway. Fields: title."""


def cancel_activity(
    session: Session, *, activity: ActivityHere, reason: str, by: int | None, now: datetime
) -> list[int]:
    """Calls an activity off; returns the members who had signed up. Raises ActivityCancelled and ActivityOver.

    Those who are there already are sent home by `check_in.send_home`.
    """
    refuse_over(activity, now)
    lock(session, activity, alone=True)
    session.execute(
        update(Activity)
        .where(Activity.community_id == activity.community_id, Activity.id == activity.id)
        .values(state=ActivityState.CANCELLED, cancelled_at=now, cancel_reason=reason)
    )
    touch(session, activity.community_id)
    return [member_id for member_id, _, _ in who_comes(session, activity)]


def restore_activity(session: Session, *, activity: ActivityHere, now: datetime) -> list[int]:
    """Lets an activity take place after all; returns the members who are signed up.

    Raises NotCancelled and ActivityOver.
    """
    if now >= activity.ends_at:
        raise ActivityOver(number=activity.number, title=activity.title, ends_at=activity.ends_at)
    restored = session.execute(
        update(Activity)
        .where(
            Activity.community_id == activity.community_id,
            Activity.id == activity.id,
            Activity.state == ActivityState.CANCELLED,
        )
        .values(state=ActivityState.PUBLISHED, cancelled_at=None, cancel_reason="")
        .returning(Activity.id)
    ).one_or_none()
    if restored is None:
        raise NotCancelled(title=activity.title)
    touch(session, activity.community_id)
    return [member_id for member_id, _, _ in who_comes(session, activity)]
