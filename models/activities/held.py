"""A place that is held for who moved up from the waiting list, until they say yes or the time is over.

- Who does not say yes in time leaves the list, and the next in line is asked.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from models.activities.plan import COLUMNS, Activity, ActivityHere, ActivityState, here, lock, refuse_over
from models.activities.signups import Promoted, Signup, SignupState, how_full, move_up, seats_left
from models.base import Refusal
from models.database import Prepared


class NothingOffered(Refusal):
    """No place is held for the person. Fields: number, title."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A place that was held and is somebody's now."""

    id: int
    companions: int
    left: int | None


def take_place(session: Session, *, activity: ActivityHere, member_id: int, now: datetime) -> Taken:
    """Somebody says yes to the place that is held for them, also where they are a little late and it still is.

    Raises NothingOffered, ActivityCancelled, ActivityOver.
    """
    refuse_over(activity, now)
    quota = lock(session, activity)
    row = session.execute(
        update(Signup)
        .where(
            Signup.community_id == activity.community_id,
            Signup.activity_id == activity.id,
            Signup.member_id == member_id,
            Signup.undone_at.is_(None),
            Signup.state == SignupState.OFFERED,
        )
        .values(state=SignupState.CONFIRMED)
        .returning(Signup.id, Signup.companions)
    ).one_or_none()
    if row is None:
        raise NothingOffered(number=activity.number, title=activity.title)
    taken, _ = how_full(session, activity)
    return Taken(row.id, row.companions, seats_left(quota, taken))


def give_place(session: Session, *, activity: ActivityHere, moved: Promoted) -> None:
    """Lets somebody have the place at once whom nobody can ask: the bot cannot write to them."""
    session.execute(
        update(Signup)
        .where(
            Signup.community_id == activity.community_id,
            Signup.id == moved.signup_id,
            Signup.state == SignupState.OFFERED,
        )
        .values(state=SignupState.CONFIRMED, offered_until=None)
    )


def hold_again(session: Session, *, activity: ActivityHere, signup_id: int, member_id: int) -> None:
    """Takes a yes back: the place is held as it was. Raises NothingOffered where it was never held."""
    held = session.execute(
        update(Signup)
        .where(
            Signup.community_id == activity.community_id,
            Signup.id == signup_id,
            Signup.member_id == member_id,
            Signup.undone_at.is_(None),
            Signup.state == SignupState.CONFIRMED,
            Signup.offered_until.is_not(None),
        )
        .values(state=SignupState.OFFERED)
        .returning(Signup.id)
    ).one_or_none()
    if held is None:
        raise NothingOffered(number=activity.number, title=activity.title)


def held_for(session: Session, *, community_id: int, member_id: int, now: datetime) -> list[ActivityHere]:
    """The activities at which a place is held for somebody, the most urgent first."""
    rows = session.execute(
        select(*COLUMNS)
        .join(Signup, Signup.activity_id == Activity.id)
        .where(
            Signup.community_id == community_id,
            Signup.member_id == member_id,
            Signup.undone_at.is_(None),
            Signup.state == SignupState.OFFERED,
            Activity.state == ActivityState.PUBLISHED,
            Activity.ends_at > now,
        )
        .order_by(Signup.offered_until)
    )
    return [here(tuple(row)) for row in rows]


@dataclass(frozen=True, slots=True)
class Lapsed:
    """Somebody who did not say yes in time, and who is asked next."""

    activity: ActivityHere
    signup_id: int
    member_id: int
    promoted: tuple[Promoted, ...]


@dataclass(frozen=True, slots=True)
class Due:
    """A place that is held for somebody, whose time is over."""

    activity: ActivityHere
    moved: Promoted


def offers_over(session: Session, *, community_id: int, now: datetime, limit: int) -> list[Due]:
    """The places that are held for somebody who has not said yes in time."""
    rows = session.execute(
        select(Signup.id, Signup.member_id, *COLUMNS)
        .join(Activity, Signup.activity_id == Activity.id)
        .where(
            Signup.community_id == community_id,
            Signup.undone_at.is_(None),
            Signup.state == SignupState.OFFERED,
            Signup.offered_until <= now,
            Activity.state == ActivityState.PUBLISHED,
        )
        .order_by(Signup.offered_until, Signup.id)
        .limit(limit)
    )
    return [Due(here(row[2:]), Promoted(row[0], row[1])) for row in rows]


def lapse_offers(session: Session, *, community_id: int, now: datetime, limit: int) -> list[Lapsed]:
    """Ends what nobody said yes to in time, and lets the next in line move up."""
    lapsed = []
    for due in offers_over(session, community_id=community_id, now=now, limit=limit):
        activity, signup_id = due.activity, due.moved.signup_id
        lock(session, activity)
        member_id = session.scalar(
            update(Signup)
            .where(
                Signup.community_id == community_id,
                Signup.id == signup_id,
                Signup.undone_at.is_(None),
                Signup.state == SignupState.OFFERED,
            )
            .values(undone_at=now)
            .returning(Signup.member_id)
        )
        if member_id is not None:
            lapsed.append(Lapsed(activity, signup_id, member_id, move_up(session, activity=activity, now=now)))
    return lapsed


_NEXT_LAPSE = Prepared(
    select(func.min(Signup.offered_until))
    .join(Activity, Signup.activity_id == Activity.id)
    .where(
        Signup.community_id == bindparam("community_id"),
        Signup.undone_at.is_(None),
        Signup.state == SignupState.OFFERED,
        Signup.offered_until > bindparam("after"),
        Signup.offered_until <= bindparam("until"),
        Activity.state == ActivityState.PUBLISHED,
    )
)


def next_lapse(session: Session, *, community_id: int, after: datetime, until: datetime) -> datetime | None:
    """The first moment in `(after, until]` at which an offer lapses."""
    found: datetime | None = _NEXT_LAPSE.scalar(session, community_id=community_id, after=after, until=until)
    return found
