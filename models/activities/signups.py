"""Sign-ups: who comes, with how many, and who waits for a place."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    case,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.activities.plan import (
    COLUMNS,
    Activity,
    ActivityHere,
    ActivityStarted,
    ActivityState,
    NoSuchActivity,
    here,
    lock,
    refuse_over,
)
from models.base import Base, Invariant, Refusal


class SignupState(StrEnum):
    """Where a sign-up stands while it is live."""

    CONFIRMED = "confirmed"
    """Has a place."""
    WAITING = "waiting"
    """候补: gets a place when one is free, in order."""


class Signup(Base):
    __tablename__ = "signups"
    __table_args__ = (
        Index(
            "uq_signups_live",
            "community_id",
            "activity_id",
            "member_id",
            unique=True,
            sqlite_where=text("undone_at IS NULL"),
            postgresql_where=text("undone_at IS NULL"),
        ),
        Index("ix_signups_member", "community_id", "member_id"),
        CheckConstraint("companions >= 0", name="companions"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    activity_id: Mapped[int] = mapped_column(ForeignKey("activities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    companions: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(12))
    at: Mapped[datetime]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    promoted_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))


class NoCompanions(Refusal):
    """Everybody comes alone: there is one place, or the community allows no companions. Fields: title."""


class TooManyCompanions(Refusal):
    """More companions than the community allows, or than the activity has places. Fields: most."""


class NotSignedUp(Refusal):
    """Nothing to cancel. Fields: number, title."""


class NoRoom(Refusal):
    """A confirmed party cannot grow where every place is taken or waited for. Fields: title."""


class NoRoomForMore(Refusal):
    """A confirmed party cannot grow beyond the quota. Fields: number, title, left."""


def seats_left(quota: int | None, taken: int) -> int | None:
    """Free places; None where there is no quota."""
    return None if quota is None else max(0, quota - taken)


def fits(party: int, quota: int | None, taken: int) -> bool:
    """Whether a party of so many people still finds places."""
    return quota is None or taken + party <= quota


@dataclass(frozen=True, slots=True)
class Promoted:
    """Somebody who moved up from the waiting list."""

    signup_id: int
    member_id: int


@dataclass(frozen=True, slots=True)
class SignedUp:
    """What became of a sign-up. `left` is None without a quota; `place` is the place in the waiting list, from 1."""

    id: int
    state: SignupState
    companions: int
    left: int | None
    place: int
    changed: bool
    """False where everything was so already."""
    promoted: tuple[Promoted, ...] = ()
    """Others who moved up because this party became smaller."""
    first_time: bool = True
    """False where a sign-up stood already, with another number of people."""


def sign_up(
    session: Session,
    *,
    activity: ActivityHere,
    member_id: int,
    companions: int,
    made_by: int,
    now: datetime,
    companions_max: int,
) -> SignedUp:
    """Signs somebody up, or changes how many they bring. Without room they wait.

    Raises ActivityCancelled, ActivityOver, ActivityStarted, TooManyCompanions, NoCompanions, NoRoomForMore, NoRoom.
    """
    refuse_over(activity, now)
    if now >= activity.starts_at:
        raise ActivityStarted(number=activity.number, title=activity.title, starts_at=activity.starts_at)
    quota = lock(session, activity)
    # A party larger than the quota would wait for ever, and everybody behind it with free places in sight.
    most = companions_max if quota is None else min(companions_max, quota - 1)
    if companions > most:
        raise TooManyCompanions(most=most) if most else NoCompanions(title=activity.title)
    taken, waiting = how_full(session, activity)
    live = session.execute(
        select(Signup.id, Signup.companions, Signup.state).where(
            Signup.community_id == activity.community_id,
            Signup.activity_id == activity.id,
            Signup.member_id == member_id,
            Signup.undone_at.is_(None),
        )
    ).one_or_none()
    if live is not None:
        return _change_party(session, activity, live, companions, quota, taken, waiting, now)
    # Whoever waits already goes first, even where a small party would fit.
    state = SignupState.CONFIRMED if waiting == 0 and fits(1 + companions, quota, taken) else SignupState.WAITING
    signup_id = session.execute(
        insert(Signup).returning(Signup.id),
        {
            "community_id": activity.community_id,
            "activity_id": activity.id,
            "member_id": member_id,
            "companions": companions,
            "state": state,
            "at": now,
            "made_by": made_by,
            "promoted_at": None,
            "undone_at": None,
            "undone_by": None,
        },
    ).scalar_one()
    if state is SignupState.CONFIRMED:
        return SignedUp(signup_id, state, companions, seats_left(quota, taken + 1 + companions), 0, True)
    return SignedUp(signup_id, state, companions, seats_left(quota, taken), waiting + 1, True)


def _change_party(
    session: Session,
    activity: ActivityHere,
    live: Row[int, int, str],
    companions: int,
    quota: int | None,
    taken: int,
    waiting: int,
    now: datetime,
) -> SignedUp:
    signup_id, before, state = live.id, live.companions, SignupState(live.state)
    if companions == before:
        place = 0 if state is SignupState.CONFIRMED else _place(session, activity, signup_id)
        return SignedUp(signup_id, state, companions, seats_left(quota, taken), place, False, first_time=False)
    if state is SignupState.CONFIRMED and companions > before:
        # What is free belongs to those who wait; a party that has places does not grow past them.
        left = 0 if waiting else seats_left(quota, taken)
        if left is not None and companions - before > left:
            if left == 0:
                raise NoRoom(title=activity.title)
            raise NoRoomForMore(number=activity.number, title=activity.title, left=left)
    session.execute(
        update(Signup)
        .where(Signup.community_id == activity.community_id, Signup.id == signup_id)
        .values(companions=companions)
    )
    # A smaller party leaves room, or fits now itself.
    promoted = _promote(session, activity, quota, now)
    if any(moved.signup_id == signup_id for moved in promoted):
        state = SignupState.CONFIRMED
    taken, _ = how_full(session, activity)
    place = 0 if state is SignupState.CONFIRMED else _place(session, activity, signup_id)
    others = tuple(moved for moved in promoted if moved.signup_id != signup_id)
    return SignedUp(signup_id, state, companions, seats_left(quota, taken), place, True, others, first_time=False)


@dataclass(frozen=True, slots=True)
class Left:
    """A cancelled sign-up, and who moved up for it."""

    id: int
    left: int | None
    promoted: tuple[Promoted, ...]


def cancel_signup(session: Session, *, activity: ActivityHere, member_id: int, by: int, now: datetime) -> Left:
    """Takes a sign-up back and lets those who wait move up, in order.

    Raises NotSignedUp, ActivityCancelled, ActivityOver.
    """
    refuse_over(activity, now)
    quota = lock(session, activity)
    signup_id = session.execute(
        update(Signup)
        .where(
            Signup.community_id == activity.community_id,
            Signup.activity_id == activity.id,
            Signup.member_id == member_id,
            Signup.undone_at.is_(None),
        )
        .values(undone_at=now, undone_by=by)
        .returning(Signup.id)
    ).scalar_one_or_none()
    if signup_id is None:
        raise NotSignedUp(number=activity.number, title=activity.title)
    promoted = _promote(session, activity, quota, now)
    taken, _ = how_full(session, activity)
    return Left(signup_id, seats_left(quota, taken), promoted)


def _promote(session: Session, activity: ActivityHere, quota: int | None, now: datetime) -> tuple[Promoted, ...]:
    taken, _ = how_full(session, activity)
    promoted = []
    for row in session.execute(
        select(Signup.id, Signup.member_id, Signup.companions)
        .where(
            Signup.community_id == activity.community_id,
            Signup.activity_id == activity.id,
            Signup.undone_at.is_(None),
            Signup.state == SignupState.WAITING,
        )
        .order_by(Signup.id)
    ).all():
        if not fits(1 + row.companions, quota, taken):
            break
        taken += 1 + row.companions
        session.execute(
            update(Signup)
            .where(Signup.community_id == activity.community_id, Signup.id == row.id)
            .values(state=SignupState.CONFIRMED, promoted_at=now)
        )
        promoted.append(Promoted(row.id, row.member_id))
    return tuple(promoted)


def how_full(session: Session, activity: ActivityHere) -> tuple[int, int]:
    """How many people (with companions) have a place, and how many parties wait."""
    confirmed = Signup.state == SignupState.CONFIRMED
    row = session.execute(
        select(
            func.coalesce(func.sum(case((confirmed, 1 + Signup.companions), else_=0)), 0),
            func.coalesce(func.sum(case((confirmed, 0), else_=1)), 0),
        ).where(
            Signup.community_id == activity.community_id,
            Signup.activity_id == activity.id,
            Signup.undone_at.is_(None),
        )
    ).one()
    return int(row[0]), int(row[1])


def _place(session: Session, activity: ActivityHere, signup_id: int) -> int:
    return int(
        session.execute(
            select(func.count()).where(
                Signup.community_id == activity.community_id,
                Signup.activity_id == activity.id,
                Signup.undone_at.is_(None),
                Signup.state == SignupState.WAITING,
                Signup.id <= signup_id,
            )
        ).scalar_one()
    )


def activity_by_signup(session: Session, *, community_id: int, signup_id: int) -> tuple[ActivityHere, int, int]:
    """The activity of a sign-up, whose it is, and how many come along. Raises NoSuchActivity."""
    row = session.execute(
        select(*COLUMNS, Signup.member_id, Signup.companions)
        .join(Signup, Signup.activity_id == Activity.id)
        .where(Signup.community_id == community_id, Signup.id == signup_id)
    ).one_or_none()
    if row is None:
        raise NoSuchActivity(number=signup_id)
    return here(row[: len(COLUMNS)]), row.member_id, row.companions


def who_comes(session: Session, activity: ActivityHere) -> list[tuple[int, int, SignupState]]:
    """Member, companions and state of each live sign-up, in order."""
    return [
        (row.member_id, row.companions, SignupState(row.state))
        for row in session.execute(
            select(Signup.member_id, Signup.companions, Signup.state)
            .where(
                Signup.community_id == activity.community_id,
                Signup.activity_id == activity.id,
                Signup.undone_at.is_(None),
            )
            .order_by(Signup.id)
        )
    ]


@dataclass(frozen=True, slots=True)
class Own:
    """A person's own live sign-up. `place` is the place in the waiting list, from 1; 0 with a place."""

    companions: int
    state: SignupState
    place: int


def own_signup(session: Session, *, activity: ActivityHere, member_id: int) -> Own | None:
    """How somebody stands with an activity; None where they are not signed up."""
    row = session.execute(
        select(Signup.id, Signup.companions, Signup.state).where(
            Signup.community_id == activity.community_id,
            Signup.activity_id == activity.id,
            Signup.member_id == member_id,
            Signup.undone_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        return None
    state = SignupState(row.state)
    place = _place(session, activity, row.id) if state is SignupState.WAITING else 0
    return Own(row.companions, state, place)


def signed_up_for(session: Session, *, community_id: int, member_id: int, now: datetime) -> list[ActivityHere]:
    """What somebody is signed up for and is not over, soonest first."""
    return [
        here(tuple(row))
        for row in session.execute(
            select(*COLUMNS)
            .join(Signup, Signup.activity_id == Activity.id)
            .where(
                Signup.community_id == community_id,
                Signup.member_id == member_id,
                Signup.undone_at.is_(None),
                Activity.state == ActivityState.PUBLISHED,
                Activity.ends_at > now,
            )
            .order_by(Activity.starts_at, Activity.number)
        )
    ]


_live = Signup.undone_at.is_(None)
_waiting_first = (
    select(func.min(Signup.id))
    .where(Signup.activity_id == Activity.id, _live, Signup.state == SignupState.WAITING)
    .correlate(Activity)
    .scalar_subquery()
)
_people = (
    select(func.coalesce(func.sum(1 + Signup.companions), 0))
    .where(Signup.activity_id == Activity.id, _live, Signup.state == SignupState.CONFIRMED)
    .correlate(Activity)
    .scalar_subquery()
)

INVARIANTS = (
    Invariant("signups.state", select(Signup.id).where(Signup.state.not_in(list(SignupState)))),
    Invariant("signups.undone", select(Signup.id).where(_live != Signup.undone_by.is_(None))),
    Invariant(
        "signups.once",
        select(func.min(Signup.id))
        .where(_live)
        .group_by(Signup.community_id, Signup.activity_id, Signup.member_id)
        .having(func.count() > 1),
    ),
    Invariant("activities.quota", select(Activity.id).where(Activity.quota.is_not(None), _people > Activity.quota)),
    Invariant(
        "activities.waiting",
        select(Activity.id)
        .join(Signup, Signup.id == _waiting_first)
        .where(
            Activity.state == ActivityState.PUBLISHED,
            (Activity.quota.is_(None)) | (_people + 1 + Signup.companions <= Activity.quota),
        ),
    ),
)
