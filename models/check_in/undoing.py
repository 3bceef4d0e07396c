"""What was said too early is taken back, with all that it earned."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models import ledger
from models.activities import Activity, ActivityCancelled, ActivityHere, ActivityState
from models.check_in.coming import CheckIn
from models.check_in.going import CheckOut, NoSuchCheckIn, NothingToStayFor
from models.check_in.vouching import undo_vouchings


def undo_check_in(session: Session, *, community_id: int, check_in_id: int, by: int, now: datetime) -> str:
    """Takes a check-in back with all that it earned; returns the activity's title. Raises NoSuchCheckIn."""
    row = session.execute(
        update(CheckIn)
        .where(CheckIn.community_id == community_id, CheckIn.id == check_in_id, CheckIn.undone_at.is_(None))
        .values(undone_at=now)
        .returning(CheckIn.activity_id)
    ).one_or_none()
    if row is None:
        raise NoSuchCheckIn(id=check_in_id)
    outs = session.scalars(
        update(CheckOut)
        .where(
            CheckOut.community_id == community_id,
            CheckOut.check_in_id == check_in_id,
            CheckOut.undone_at.is_(None),
        )
        .values(undone_at=now)
        .returning(CheckOut.id)
    ).all()
    undo_vouchings(session, community_id=community_id, check_in_id=check_in_id, by=by, now=now)
    keys = [f"check-in:{check_in_id}"]
    for out in outs:
        keys += [f"check-out:{out}", f"hours:{out}"]
    ledger.correct_all(session, community_id=community_id, keys=keys, made_by=by, at=now)
    return session.execute(
        select(Activity.title).where(Activity.community_id == community_id, Activity.id == row.activity_id)
    ).scalar_one()


def undo_check_out(session: Session, *, community_id: int, check_out_id: int, by: int, now: datetime) -> str:
    """Takes a check-out back: the person is there again. Returns the activity's title.

    Raises NoSuchCheckIn, and ActivityCancelled and NothingToStayFor where nobody can be there any more.
    """
    activity = session.execute(
        select(Activity.number, Activity.title, Activity.ends_at, Activity.state, Activity.cancel_reason)
        .join(CheckIn, CheckIn.activity_id == Activity.id)
        .join(CheckOut, CheckOut.check_in_id == CheckIn.id)
        .where(CheckOut.community_id == community_id, CheckOut.id == check_out_id)
        # Held as it is for a check-in: who calls it off must find everybody who is there.
        .with_for_update(read=True, key_share=True, of=Activity)
    ).one_or_none()
    if activity is None:
        raise NoSuchCheckIn(id=check_out_id)
    if activity.state == ActivityState.CANCELLED:
        raise ActivityCancelled(number=activity.number, title=activity.title, reason=activity.cancel_reason)
    if now >= activity.ends_at:
        raise NothingToStayFor(title=activity.title, ends_at=activity.ends_at)
    undone = session.execute(
        update(CheckOut)
        .where(CheckOut.community_id == community_id, CheckOut.id == check_out_id, CheckOut.undone_at.is_(None))
        .values(undone_at=now)
        .returning(CheckOut.check_in_id)
    ).one_or_none()
    if undone is None:
        raise NoSuchCheckIn(id=check_out_id)
    undo_vouchings(session, community_id=community_id, check_in_id=undone.check_in_id, by=by, now=now)
    ledger.correct_all(
        session,
        community_id=community_id,
        keys=[f"check-out:{check_out_id}", f"hours:{check_out_id}"],
        made_by=by,
        at=now,
    )
    title: str = activity.title
    return title


def call_back(
    session: Session, *, activity: ActivityHere, check_outs: Sequence[int], by: int, now: datetime
) -> list[int]:
    """Lets those be there again who were sent home, where the activity takes place after all; returns the members."""
    back = []
    for check_out_id in check_outs:
        try:
            undo_check_out(session, community_id=activity.community_id, check_out_id=check_out_id, by=by, now=now)
        except NoSuchCheckIn:
            continue  # they took their check-in back in the meantime
        back.append(check_out_id)
    return list(
        session.scalars(
            select(CheckIn.member_id)
            .join(CheckOut, CheckOut.check_in_id == CheckIn.id)
            .where(CheckIn.community_id == activity.community_id, CheckOut.id.in_(back))
            .order_by(CheckIn.id)
        )
    )
