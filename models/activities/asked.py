"""Who did not come more than once lately asks before they sign up again: whoever organises it says yes or no.

- Nobody decides on their own sign-up.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models.activities.plan import COLUMNS, Activity, ActivityHere, ActivityState, here, lock
from models.activities.signups import Signup, SignupState, how_full, seats_left, state_for, waiting_place
from models.base import Refusal
from models.members.people import Member, Person, Role
from models.units import Unit


class NoSuchAsked(Refusal):
    """No sign-up of this number waits for this person's word. Fields: number."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A sign-up that waits for a word."""

    number: int
    signup_id: int
    member_id: int
    name: str
    companions: int
    activity: ActivityHere


def waiting_asked(session: Session, *, reviewer: Person, now: datetime) -> list[Asked]:
    """The sign-ups on which this person may decide, oldest first."""
    rows = session.execute(
        _asked(reviewer).where(
            Activity.state == ActivityState.PUBLISHED,
            Activity.starts_at > now,
        )
    ).all()
    return [_seen(row) for row in rows if _may(reviewer, row)]


def _asked(reviewer: Person):  # type: ignore[no-untyped-def]
    return (
        select(*COLUMNS, Signup.number.label("review"), Signup.id.label("signup"), Signup.member_id, Member.name,
            Signup.companions, Unit.path)
        .join(Activity, Signup.activity_id == Activity.id)
        .join(Member, Signup.member_id == Member.id)
        .join(Unit, Activity.unit_id == Unit.id)
        .where(
            Signup.community_id == reviewer.community.id,
            Signup.undone_at.is_(None),
            Signup.state == SignupState.ASKED,
            Signup.member_id != reviewer.id,
        )
        .order_by(Signup.number)
    )  # fmt: skip


def _may(reviewer: Person, row) -> bool:  # type: ignore[no-untyped-def]
    return row.made_by == reviewer.id or reviewer.may(Role.STAFF, row.path)


def _seen(row) -> Asked:  # type: ignore[no-untyped-def]
    return Asked(row.review, row.signup, row.member_id, row.name, row.companions, here(row[: len(COLUMNS)]))


@dataclass(frozen=True, slots=True)
class DecidedAsked:
    """A sign-up about which was decided. `state` None: it was not agreed to. `place` is one in the waiting list."""

    asked: Asked
    state: SignupState | None
    place: int
    left: int | None


def decide_asked(session: Session, *, reviewer: Person, number: int, agree: bool, now: datetime) -> DecidedAsked:
    """Lets somebody come, where there is room, or not. Raises NoSuchAsked, ActivityCancelled."""
    row = session.execute(_asked(reviewer).where(Signup.number == number)).one_or_none()
    if row is None or not _may(reviewer, row):
        raise NoSuchAsked(number=number)
    asked = _seen(row)
    quota = lock(session, asked.activity)
    taken, waiting = how_full(session, asked.activity)
    state = state_for(1 + asked.companions, quota, taken, waiting)
    said = {"state": state} if agree else {"undone_at": now, "undone_by": reviewer.id}
    decided = session.execute(
        update(Signup)
        .where(
            Signup.community_id == reviewer.community.id,
            Signup.id == asked.signup_id,
            Signup.undone_at.is_(None),
            Signup.state == SignupState.ASKED,
        )
        .values(**said)
        .returning(Signup.id)
    ).one_or_none()
    if decided is None:
        raise NoSuchAsked(number=number)
    if not agree:
        return DecidedAsked(asked, None, 0, None)
    taken, _ = how_full(session, asked.activity)
    place = waiting_place(session, asked.activity, asked.signup_id) if state is SignupState.WAITING else 0
    return DecidedAsked(asked, state, place, seats_left(quota, taken))
