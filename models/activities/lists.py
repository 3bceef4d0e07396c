"""What is on: for the list of somebody who asks, for reminders; and who comes, for whoever organises it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from models.activities.declines import Decline
from models.activities.plan import COLUMNS, Activity, ActivityHere, ActivityState, here
from models.activities.signups import PLACED, Signup, SignupState, how_full
from models.database import Prepared
from models.members.people import Member, Neighbour, present
from models.units import Unit


@dataclass(frozen=True, slots=True)
class Listed:
    """An activity in a list, with how full it is and whether the asker comes."""

    activity: ActivityHere
    taken: int
    waiting: int
    mine: SignupState | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for: what begins in a span of time, is still open to them, is meant for them."""

    since: datetime | None = None
    until: datetime | None = None
    open_only: bool = False
    audience: str | None = None
    """None: whatever it is; empty: for everybody."""


EVERYTHING = Wanted()


def _narrowed(community_id: int, wanted: Wanted, now: datetime) -> list[ColumnElement[bool]]:
    narrowed: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        narrowed.append(Activity.ends_at > wanted.since)
    if wanted.until is not None:
        narrowed.append(Activity.starts_at < wanted.until)
    if wanted.audience is not None:
        narrowed.append(Activity.audience == wanted.audience)
    if wanted.open_only:
        seats = (
            select(func.coalesce(func.sum(1 + Signup.companions), 0))
            .where(
                Signup.community_id == community_id,
                Signup.activity_id == Activity.id,
                Signup.undone_at.is_(None),
                Signup.state.in_(PLACED),
            )
            .correlate(Activity)
            .scalar_subquery()
        )
        waits = exists().where(
            Signup.community_id == community_id,
            Signup.activity_id == Activity.id,
            Signup.undone_at.is_(None),
            Signup.state == SignupState.WAITING,
        )
        narrowed += [
            Activity.starts_at > now,
            or_(Activity.signup_opens_at.is_(None), Activity.signup_opens_at <= now),
            or_(Activity.signup_closes_at.is_(None), Activity.signup_closes_at > now),
            Activity.locked_at.is_(None),
            or_(Activity.quota.is_(None), and_(seats < Activity.quota, ~waits)),
        ]
    return narrowed


def coming_activities(
    session: Session,
    *,
    community_id: int,
    member_id: int | None,
    now: datetime,
    limit: int,
    wanted: Wanted = EVERYTHING,
) -> list[Listed]:
    """What is published and not over, soonest first."""
    rows = session.execute(
        select(*COLUMNS)
        .where(
            Activity.community_id == community_id,
            Activity.state == ActivityState.PUBLISHED,
            Activity.ends_at > now,
            *_narrowed(community_id, wanted, now),
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


def later_activities(
    session: Session, *, community_id: int, now: datetime, skip: int, limit: int, wanted: Wanted = EVERYTHING
) -> Later:
    """What `coming_activities` leaves out when it shows `skip`."""
    coming = select(Activity.number, Activity.title).where(
        Activity.community_id == community_id,
        Activity.state == ActivityState.PUBLISHED,
        Activity.ends_at > now,
        *_narrowed(community_id, wanted, now),
    )
    rows = session.execute(coming.order_by(Activity.starts_at, Activity.number).offset(skip)).all()
    return Later(len(rows), [(row.number, row.title) for row in rows[:limit]])


@dataclass(frozen=True, slots=True)
class Announced:
    """An activity to remind of, and the path of the unit whose people it is for."""

    activity: ActivityHere
    unit_path: str


_ANNOUNCED = Prepared(
    select(*COLUMNS, Activity.made_at, Unit.path)
    .join(Unit, Activity.unit_id == Unit.id)
    .where(
        Activity.community_id == bindparam("community_id"),
        Activity.state == ActivityState.PUBLISHED,
        Activity.starts_at > bindparam("after"),
        Activity.starts_at <= bindparam("until"),
    )
    .order_by(Activity.starts_at, Activity.number)
)


def announced_between(
    session: Session, *, community_id: int, after: datetime, until: datetime, ahead: timedelta
) -> list[Announced]:
    """What starts in `(after, until]` and was published at least `ahead` before."""
    found = []
    for *columns, made_at, path in _ANNOUNCED.all(session, community_id=community_id, after=after, until=until):
        activity = here(columns)
        if made_at <= activity.starts_at - ahead:
            found.append(Announced(activity, path))
    return found


def next_reminder(
    session: Session, *, community_id: int, after: datetime, until: datetime, ahead: timedelta
) -> datetime | None:
    """The first moment in `(after, until]` that is `ahead` of an activity which was published by then."""
    coming = announced_between(
        session, community_id=community_id, after=after + ahead, until=until + ahead, ahead=ahead
    )
    return min((one.activity.starts_at - ahead for one in coming), default=None)


@dataclass(frozen=True, slots=True)
class Part:
    """Somebody's answer to an activity. `state` None: they do not come. `by` is who answered for them, if anybody."""

    who: Neighbour
    companions: int
    state: SignupState | None
    by: str = ""
    cautioned: bool = False
    """They were told that it may be hard on them."""


def roll_of(session: Session, activity: ActivityHere) -> list[Part]:
    """Everybody who has answered, in the order of their answers: first who comes, then who does not."""
    by = aliased(Member)
    rows = session.execute(
        present(activity.community_id)
        .add_columns(Signup.companions, Signup.state, Signup.right, by.name, Signup.cautioned)
        .join(Signup, Signup.member_id == Member.id)
        .outerjoin(by, Signup.made_by == by.id)
        .where(Signup.activity_id == activity.id, Signup.undone_at.is_(None))
        .order_by(Signup.id)
    )
    parts = [
        Part(Neighbour(*row[:5]), row[5], SignupState(row[6]), row[8] if row[7] else "", bool(row[9])) for row in rows
    ]
    no = session.execute(
        present(activity.community_id)
        .join(Decline, Decline.member_id == Member.id)
        .where(Decline.activity_id == activity.id, Decline.undone_at.is_(None))
        .order_by(Decline.id)
    )
    return [*parts, *(Part(Neighbour(*row), 0, None) for row in no)]


def silent_count(session: Session, activity: ActivityHere) -> int:
    """How many of those for whom it is have not answered."""
    here = activity.community_id
    comes = exists().where(
        Signup.community_id == here,
        Signup.activity_id == activity.id,
        Signup.member_id == Member.id,
        Signup.undone_at.is_(None),
    )
    does_not = exists().where(
        Decline.community_id == here,
        Decline.activity_id == activity.id,
        Decline.member_id == Member.id,
        Decline.undone_at.is_(None),
    )
    path = session.execute(select(Unit.path).where(Unit.community_id == here, Unit.id == activity.unit_id)).scalar_one()
    silent = (
        select(func.count(Member.id))
        .join(Unit, Member.unit_id == Unit.id)
        .where(
            Member.community_id == here,
            Member.moved_out_at.is_(None),
            Member.forgotten_at.is_(None),
            Member.merged_into.is_(None),
            Unit.path.like(path + "%"),
            ~comes,
            ~does_not,
        )
    )
    return int(session.execute(silent).scalar_one())


@dataclass(frozen=True, slots=True)
class Expected:
    """Somebody who is expected at an activity."""

    activity: ActivityHere
    signup_id: int
    member_id: int
    companions: int


def expected_at(
    session: Session, *, community_id: int, after: datetime, until: datetime, ahead: timedelta
) -> list[Expected]:
    """Who has a place at what starts in `(after, until]` and signed up at least `ahead` before; others know it yet."""
    rows = session.execute(
        select(*COLUMNS, Signup.id.label("signup"), Signup.member_id, Signup.companions, Signup.at)
        .join(Signup, Signup.activity_id == Activity.id)
        .where(
            Activity.community_id == community_id,
            Activity.state == ActivityState.PUBLISHED,
            Activity.starts_at > after,
            Activity.starts_at <= until,
            Signup.state == SignupState.CONFIRMED,
            Signup.undone_at.is_(None),
        )
        .order_by(Signup.id)
    ).all()
    return [
        Expected(here(row[: len(COLUMNS)]), row.signup, row.member_id, row.companions)
        for row in rows
        if row.at <= row.starts_at - ahead
    ]
