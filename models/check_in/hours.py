"""How long somebody served in all, by the word of whoever is in charge."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from models.activities import ActivityHere
from models.check_in.coming import CheckIn, find_coming
from models.check_in.going import STAYS, CheckOut
from models.check_in.vouching import Vouched, Vouching, add_vouching, minutes_long, undo_vouching, undo_vouchings
from models.members import Member


@dataclass(frozen=True, slots=True)
class Ended:
    """A stay that is over: what the machine recorded of it, and what is vouched for."""

    check_in_id: int
    member_id: int
    name: str
    minutes: int
    vouched: int


def ended_stays(
    session: Session, *, community_id: int, activity_id: int, member_ids: Sequence[int] | None = None
) -> list[Ended]:
    """The stays that are over, of these members or of all, in the order of their members."""
    query = (
        select(CheckIn.id, CheckIn.member_id, Member.name, CheckOut.minutes, func.coalesce(Vouching.minutes, 0))
        .join(Member, CheckIn.member_id == Member.id)
        .join(CheckOut, STAYS)
        .outerjoin(Vouching, and_(Vouching.check_in_id == CheckIn.id, Vouching.undone_at.is_(None)))
        .where(CheckIn.community_id == community_id, CheckIn.activity_id == activity_id, CheckIn.undone_at.is_(None))
        # In the order of ids, in which two transfers of one person wait for each other.
        .order_by(CheckIn.member_id)
    )
    if member_ids is not None:
        query = query.where(CheckIn.member_id.in_(member_ids))
    return [Ended(*row) for row in session.execute(query)]


def vouch(
    session: Session, *, activity: ActivityHere, stay: Ended, minutes: int, by: int, now: datetime
) -> Vouched | None:
    """Stands for what the machine did not record of `minutes`; None where nothing is missing, or it stands already.

    Another word takes the place of the one before. No stay comes to be longer than the activity.
    """
    # Of two who say something about one stay at once, the second waits here and reads what the first has said.
    session.execute(
        select(CheckIn.id)
        .where(CheckIn.community_id == activity.community_id, CheckIn.id == stay.check_in_id)
        .with_for_update(key_share=True)
    )
    (stay,) = ended_stays(
        session, community_id=activity.community_id, activity_id=activity.id, member_ids=[stay.member_id]
    ) or (stay,)
    missing = min(minutes, minutes_long(activity)) - stay.minutes
    if missing <= 0 or missing == stay.vouched:
        return None
    undo_vouchings(session, community_id=activity.community_id, check_in_id=stay.check_in_id, by=by, now=now)
    coming = find_coming(session, community_id=activity.community_id, number=activity.number, now=activity.starts_at)
    assert coming is not None
    vouched = add_vouching(
        session,
        coming=coming,
        check_in_id=stay.check_in_id,
        member_id=stay.member_id,
        recorded=stay.minutes,
        minutes=minutes,
        by=by,
        now=now,
    )
    return replace(vouched, instead_of=stay.vouched)


def take_back(
    session: Session, *, activity: ActivityHere, vouching_id: int, member_id: int, before: int, by: int, now: datetime
) -> None:
    """Takes a word back, if it still stands: the `before` minutes whose place it had taken stand again."""
    if not undo_vouching(session, community_id=activity.community_id, vouching_id=vouching_id, by=by, now=now):
        return
    where = {"community_id": activity.community_id, "activity_id": activity.id}
    for stay in ended_stays(session, **where, member_ids=[member_id]) if before else ():
        vouch(session, activity=activity, stay=stay, minutes=stay.minutes + before, by=by, now=now)
