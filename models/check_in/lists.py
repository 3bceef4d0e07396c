"""Who is there, who was, who forgot to leave."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, func, select
from sqlalchemy.orm import Session, aliased

from models.activities import Activity, ActivityHere, ActivityState, Signup, SignupState
from models.check_in.coming import CheckIn
from models.check_in.going import STAYS, CheckOut
from models.check_in.making_up import MakeUp, MakeUpState
from models.check_in.vouching import Vouching
from models.check_in.ways import Way
from models.database import Prepared
from models.members import Member
from models.members.merging import one_person


def where_checked_in(session: Session, *, community_id: int, member_id: int) -> list[int]:
    """The numbers of the activities at which somebody is now: came, and has not left; newest first."""
    return list(
        session.scalars(
            select(Activity.number)
            .join(CheckIn, CheckIn.activity_id == Activity.id)
            .outerjoin(CheckOut, STAYS)
            .where(
                CheckIn.community_id == community_id,
                CheckIn.member_id == member_id,
                CheckIn.undone_at.is_(None),
                CheckOut.id.is_(None),
            )
            .order_by(CheckIn.id.desc())
        )
    )


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A check-in whose activity is over and that was never checked out."""

    activity_number: int
    member_id: int


def forgotten_check_outs(session: Session, *, community_id: int, now: datetime, limit: int) -> list[Forgotten]:
    """Who forgot to check out of an activity that is over; of one that was called off nobody is left."""
    return [
        Forgotten(*row)
        for row in session.execute(
            select(Activity.number, CheckIn.member_id)
            .join(CheckIn, CheckIn.activity_id == Activity.id)
            .outerjoin(CheckOut, STAYS)
            .where(
                Activity.community_id == community_id,
                Activity.ends_at <= now,
                Activity.state == ActivityState.PUBLISHED,
                CheckIn.undone_at.is_(None),
                CheckOut.id.is_(None),
            )
            .order_by(CheckIn.id)
            .limit(limit)
        )
    ]


_LEFT_OPEN = Prepared(
    select(CheckIn.id)
    .join(Activity, CheckIn.activity_id == Activity.id)
    .outerjoin(CheckOut, STAYS)
    .where(
        Activity.community_id == bindparam("community_id"),
        Activity.state == ActivityState.PUBLISHED,
        Activity.ends_at > bindparam("after"),
        Activity.ends_at <= bindparam("until"),
        CheckIn.undone_at.is_(None),
        CheckOut.id.is_(None),
    )
    .limit(1)
)


def left_open(session: Session, *, community_id: int, after: datetime, until: datetime) -> bool:
    """Whether somebody is still there at an activity that ended in `(after, until]`."""
    return _LEFT_OPEN.first(session, community_id=community_id, after=after, until=until) is not None


def how_many_came(session: Session, *, community_id: int, activity_id: int) -> int:
    """How many people came to an activity, with the companions who came along."""
    return int(
        session.execute(
            select(func.coalesce(func.sum(1 + CheckIn.companions), 0)).where(
                CheckIn.community_id == community_id,
                CheckIn.activity_id == activity_id,
                CheckIn.undone_at.is_(None),
            )
        ).scalar_one()
    )


@dataclass(frozen=True, slots=True)
class Came:
    """Somebody who came, as those in charge read it."""

    member_id: int
    name: str
    hides_name: bool
    at: datetime
    way: Way
    companions: int
    spoken_for_by: str
    """Who checked them in, where it was somebody else."""
    minutes: int | None
    """Recorded; None while they are there."""
    vouched: int


def who_came(session: Session, *, community_id: int, activity_id: int) -> list[Came]:
    """Everybody who came, in the order in which they did."""
    speaker = aliased(Member)
    rows = session.execute(
        select(
            CheckIn.member_id,
            Member.name,
            Member.hides_name,
            CheckIn.at,
            CheckIn.way,
            CheckIn.companions,
            func.coalesce(speaker.name, ""),
            CheckOut.minutes,
            func.coalesce(Vouching.minutes, 0),
        )
        .join(Member, CheckIn.member_id == Member.id)
        .outerjoin(speaker, and_(speaker.id == CheckIn.made_by, speaker.id != CheckIn.member_id))
        .outerjoin(CheckOut, STAYS)
        .outerjoin(Vouching, and_(Vouching.check_in_id == CheckIn.id, Vouching.undone_at.is_(None)))
        .where(CheckIn.community_id == community_id, CheckIn.activity_id == activity_id, CheckIn.undone_at.is_(None))
        .order_by(CheckIn.at, CheckIn.id)
    )
    return [Came(*row[:4], Way(row[4]), *row[5:]) for row in rows]


def who_did_not_come(session: Session, *, community_id: int, activity_id: int) -> list[int]:
    """The members with a place at an activity who are not checked in; who waits for 补签 to be decided is not named."""
    there = (
        select(CheckIn.id)
        .where(
            CheckIn.community_id == community_id,
            CheckIn.activity_id == Signup.activity_id,
            CheckIn.member_id == Signup.member_id,
            CheckIn.undone_at.is_(None),
        )
        .exists()
    )
    undecided = (
        select(MakeUp.id)
        .where(
            MakeUp.community_id == community_id,
            MakeUp.activity_id == Signup.activity_id,
            MakeUp.member_id == Signup.member_id,
            MakeUp.state == MakeUpState.WAITING,
        )
        .exists()
    )
    return list(
        session.scalars(
            select(Signup.member_id)
            .where(
                Signup.community_id == community_id,
                Signup.activity_id == activity_id,
                Signup.state == SignupState.CONFIRMED,
                Signup.undone_at.is_(None),
                ~there,
                ~undecided,
            )
            .order_by(Signup.id)
        )
    )


@dataclass(frozen=True, slots=True)
class SpokenFor:
    """A check-in that somebody else made for a member."""

    check_in_id: int
    made_by: int


def spoken_for(session: Session, *, activity: ActivityHere, member_id: int) -> SpokenFor | None:
    """The live check-in of somebody, where a neighbour said that they came; what those in charge say is not theirs."""
    ids = one_person(session, community_id=activity.community_id, member_id=member_id)
    row = session.execute(
        select(CheckIn.id, CheckIn.made_by).where(
            CheckIn.community_id == activity.community_id,
            CheckIn.activity_id == activity.id,
            CheckIn.member_id.in_(ids),
            CheckIn.undone_at.is_(None),
            CheckIn.made_by.not_in(ids),
            CheckIn.way != Way.VOUCHED,
        )
    ).first()
    return None if row is None else SpokenFor(row.id, row.made_by)


def is_made_up(session: Session, *, activity: ActivityHere, member_id: int) -> bool:
    """Whether somebody is checked in by the word of those in charge."""
    ids = one_person(session, community_id=activity.community_id, member_id=member_id)
    found = select(CheckIn.id).where(
        CheckIn.community_id == activity.community_id,
        CheckIn.activity_id == activity.id,
        CheckIn.member_id.in_(ids),
        CheckIn.undone_at.is_(None),
        CheckIn.way == Way.VOUCHED,
    )
    return session.scalar(found.limit(1)) is not None


def missed_lately(session: Session, *, community_id: int, member_id: int, now: datetime, days: int) -> list[int]:
    """The numbers of the activities of these days that somebody had a place at and is not checked in, newest first."""
    rows = session.execute(
        select(Activity.number)
        .join(Signup, Signup.activity_id == Activity.id)
        .outerjoin(
            CheckIn,
            and_(
                CheckIn.activity_id == Activity.id,
                CheckIn.member_id == Signup.member_id,
                CheckIn.undone_at.is_(None),
            ),
        )
        .where(
            Activity.community_id == community_id,
            Activity.state == ActivityState.PUBLISHED,
            Activity.check_in_opens_at <= now,
            Activity.ends_at > now - timedelta(days=days),
            Signup.member_id == member_id,
            Signup.state == SignupState.CONFIRMED,
            Signup.undone_at.is_(None),
            CheckIn.id.is_(None),
        )
        .order_by(Activity.starts_at.desc())
    )
    return [row.number for row in rows]
