"""Sign-ups: who comes, with how many, and who waits for a place."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.activities.declines import Decline, note_decline, withdraw_decline
from models.activities.offers import offered_until
from models.activities.plan import (
    COLUMNS,
    Activity,
    ActivityHere,
    ActivityStarted,
    ActivityState,
    NoSuchActivity,
    find_activity,
    here,
    lock,
    refuse_over,
)
from models.activities.terms import leaves_late, refuse_joining, refuse_locked
from models.base import Base, Invariant, Refusal
from models.counters import next_number
from models.database import Prepared
from models.members.people import Member


class SignupState(StrEnum):
    """Where a sign-up stands while it is live."""

    CONFIRMED = "confirmed"
    """Has a place."""
    WAITING = "waiting"
    """候补: gets a place when one is free, in order."""
    OFFERED = "offered"
    """Moved up: a place is held until `offered_until`, for the time in which they can say yes."""
    ASKED = "asked"
    """Did not come more than once lately: whoever organises it says yes first. Holds no place and waits for none."""


class Caution(StrEnum):
    """Why a sign-up may be hard on an elder, as they were told; see `models.care`."""

    HEAT = "heat"
    """Outdoors in the hours of heat."""
    HEAVY = "heavy"
    """Lifting, carrying, climbing."""
    BACK_TO_BACK = "back_to_back"
    """Two turns outdoors with little rest between them."""


PLACED = (SignupState.CONFIRMED, SignupState.OFFERED)
"""Who has a place, or has one held for them."""


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
        Index("uq_signups_number", "community_id", "number", unique=True),
        # Few are ever in it: what was offered and not answered yet.
        Index(
            "ix_signups_offered",
            "offered_until",
            sqlite_where=text("state = 'offered' AND undone_at IS NULL"),
            postgresql_where=text("state = 'offered' AND undone_at IS NULL"),
        ),
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
    """None where nobody took it back: an offer that was not answered in time."""
    offered_until: Mapped[datetime | None]
    """Until when a place was held, of whoever moved up and was asked."""
    right: Mapped[str | None] = mapped_column(String(12))
    """By which right somebody else made it (`models.proxies.Right`); None: it is the person's own."""
    number: Mapped[int | None]
    """Of one that whoever organises it has to agree to: of the row of numbers of everything that waits for a word."""
    cautioned: Mapped[str] = mapped_column(String(16), server_default="")
    """Which Caution its person was told; empty for none."""


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
    until: datetime | None = None
    """By when they have to say yes; None: the place is theirs."""


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
    number: int | None = None
    """Under which whoever organises it finds one that they have to agree to."""
    accepted: bool = False
    """A place that was held for them is theirs now."""


class Live(NamedTuple):
    """Somebody's sign-up that stands."""

    id: int
    companions: int
    state: str


_INSERT = Prepared(
    lambda insert: insert(Signup),
    makes=Signup.id,
    columns=(
        "community_id", "activity_id", "member_id", "companions", "state", "at", "made_by", "right", "number",
    ),
)  # fmt: skip


def sign_up(
    session: Session,
    *,
    activity: ActivityHere,
    member_id: int,
    companions: int,
    made_by: int,
    now: datetime,
    companions_max: int,
    right: str | None = None,
    in_charge: bool = False,
    asks: bool = False,
) -> SignedUp:
    """Signs somebody up, or changes how many they bring. Without room they wait; who is offered a place takes it.

    `right` is that of whoever signs somebody else up. The terms of sign-up do not bind those `in_charge`. Who `asks`
    is not signed up before whoever organises it agrees (`decide_asked`).

    Raises ActivityCancelled, ActivityOver, ActivityStarted, ListLocked, SignupNotOpen, SignupClosed, TooManyCompanions,
    NoCompanions, NoRoomForMore, NoRoom.
    """
    refuse_over(activity, now)
    if now >= activity.starts_at:
        raise ActivityStarted(number=activity.number, title=activity.title, starts_at=activity.starts_at)
    quota = lock(session, activity)
    # As it stands by now: it may have been changed since it was read.
    activity = find_activity(session, community_id=activity.community_id, number=activity.number)
    # A party larger than the quota would wait for ever, and everybody behind it with free places in sight.
    most = companions_max if quota is None else min(companions_max, quota - 1)
    if companions > most:
        raise TooManyCompanions(most=most) if most else NoCompanions(title=activity.title)
    taken, waiting = how_full(session, activity)
    live = _live_of(session, activity, member_id)
    if live is not None:
        if companions != live.companions and not in_charge:
            refuse_locked(activity)
        return _change_party(session, activity, live, companions, quota, taken, waiting, now)
    if not in_charge:
        refuse_joining(activity, now)
    withdraw_decline(session, activity=activity, member_id=member_id, now=now)
    state = SignupState.ASKED if asks else state_for(1 + companions, quota, taken, waiting)
    number = next_number(session, community_id=activity.community_id, kind="review") if asks else None
    row = _INSERT.first(
        session,
        community_id=activity.community_id,
        activity_id=activity.id,
        member_id=member_id,
        companions=companions,
        state=state,
        at=now,
        made_by=made_by,
        right=right,
        number=number,
    )
    assert row is not None
    signup_id: int = row[0]
    if state is SignupState.CONFIRMED:
        return SignedUp(signup_id, state, companions, seats_left(quota, taken + 1 + companions), 0, True)
    place = waiting + 1 if state is SignupState.WAITING else 0
    return SignedUp(signup_id, state, companions, seats_left(quota, taken), place, True, number=number)


def state_for(party: int, quota: int | None, taken: int, waiting: int) -> SignupState:
    """What becomes of a party that signs up where so many have places and so many parties wait."""
    # Whoever waits already goes first, even where a small party would fit.
    return SignupState.CONFIRMED if waiting == 0 and fits(party, quota, taken) else SignupState.WAITING


def _change_party(
    session: Session,
    activity: ActivityHere,
    live: Live,
    companions: int,
    quota: int | None,
    taken: int,
    waiting: int,
    now: datetime,
) -> SignedUp:
    signup_id, before, state = live.id, live.companions, SignupState(live.state)
    accepted = state is SignupState.OFFERED
    if companions == before and not accepted:
        place = waiting_place(session, activity, signup_id) if state is SignupState.WAITING else 0
        return SignedUp(signup_id, state, companions, seats_left(quota, taken), place, False, first_time=False)
    if state in PLACED and companions > before:
        # What is free belongs to those who wait; a party that has places does not grow past them.
        left = 0 if waiting else seats_left(quota, taken)
        if left is not None and companions - before > left:
            if left == 0:
                raise NoRoom(title=activity.title)
            raise NoRoomForMore(number=activity.number, title=activity.title, left=left)
    session.execute(
        update(Signup)
        .where(Signup.community_id == activity.community_id, Signup.id == signup_id)
        .values(companions=companions, state=SignupState.CONFIRMED if accepted else state)
    )
    if accepted:
        state = SignupState.CONFIRMED
    # A smaller party leaves room, or fits now itself; who has just said so need not be asked whether they come.
    promoted = _promote(session, activity, quota, now, asked=signup_id)
    if any(moved.signup_id == signup_id for moved in promoted):
        state = SignupState.CONFIRMED
    taken, _ = how_full(session, activity)
    place = waiting_place(session, activity, signup_id) if state is SignupState.WAITING else 0
    others = tuple(moved for moved in promoted if moved.signup_id != signup_id)
    left = seats_left(quota, taken)
    return SignedUp(signup_id, state, companions, left, place, True, others, first_time=False, accepted=accepted)


@dataclass(frozen=True, slots=True)
class Left:
    """A cancelled sign-up, and who moved up for it."""

    id: int
    left: int | None
    promoted: tuple[Promoted, ...]
    late: bool = False
    """The last moment to leave was over, and somebody with a place gives it up."""
    declined: int | None = None
    """The row of the no that came with it."""


_LEAVE = Prepared(
    update(Signup)
    .where(Signup.community_id == bindparam("community"), Signup.id == bindparam("signup"))
    .values(undone_at=bindparam("now"), undone_by=bindparam("by"))
)


def cancel_signup(
    session: Session,
    *,
    activity: ActivityHere,
    member_id: int,
    by: int,
    now: datetime,
    in_charge: bool = False,
    declines: bool = False,
) -> Left:
    """Takes a sign-up back and lets those who wait move up, in order. Who `declines` is asked no more.

    Raises NotSignedUp, ActivityCancelled, ActivityOver, and ListLocked for who is not `in_charge`.
    """
    refuse_over(activity, now)
    quota = lock(session, activity)
    activity = find_activity(session, community_id=activity.community_id, number=activity.number)
    live = _live_of(session, activity, member_id)
    if live is None:
        raise NotSignedUp(number=activity.number, title=activity.title)
    if not in_charge:
        refuse_locked(activity)
    _LEAVE.run(session, community=activity.community_id, signup=live.id, now=now, by=by)
    late = live.state == SignupState.CONFIRMED and leaves_late(activity, now)
    declined = note_decline(session, activity=activity, member_id=member_id, by=by, now=now) if declines else None
    promoted = _promote(session, activity, quota, now)
    taken, _ = how_full(session, activity)
    return Left(live.id, seats_left(quota, taken), promoted, late, declined)


_LIVE = Prepared(
    select(Signup.id, Signup.companions, Signup.state).where(
        Signup.community_id == bindparam("community"),
        Signup.activity_id == bindparam("activity"),
        Signup.member_id == bindparam("member"),
        Signup.undone_at.is_(None),
    )
)


def _live_of(session: Session, activity: ActivityHere, member_id: int) -> Live | None:
    row = _LIVE.first(session, community=activity.community_id, activity=activity.id, member=member_id)
    return None if row is None else Live(*row)


_WHO_WAITS = Prepared(
    select(Signup.id, Signup.member_id, Signup.companions)
    .where(
        Signup.community_id == bindparam("community"),
        Signup.activity_id == bindparam("activity"),
        Signup.undone_at.is_(None),
        Signup.state == SignupState.WAITING,
    )
    .order_by(Signup.id)
    .limit(bindparam("most"))
)
EVERYBODY = 2**31
"""More parties than wait anywhere."""


def _promote(
    session: Session, activity: ActivityHere, quota: int | None, now: datetime, *, asked: int | None = None
) -> tuple[Promoted, ...]:
    """Lets those who wait move up, in order. Whose sign-up `asked` is has just said that they come."""
    taken, _ = how_full(session, activity)
    until = offered_until(now=now, starts_at=activity.starts_at, minutes=activity.confirm_minutes)
    promoted = []
    # A party has a place at least, so that there are no more of them than places.
    most = EVERYBODY if quota is None else max(0, quota - taken)
    waiting = _WHO_WAITS.all(session, community=activity.community_id, activity=activity.id, most=most)
    for signup_id, member_id, companions in waiting:
        if not fits(1 + companions, quota, taken):
            break
        taken += 1 + companions
        held = None if signup_id == asked else until
        state = SignupState.CONFIRMED if held is None else SignupState.OFFERED
        session.execute(
            update(Signup)
            .where(Signup.community_id == activity.community_id, Signup.id == signup_id)
            .values(state=state, promoted_at=now, offered_until=held)
        )
        promoted.append(Promoted(signup_id, member_id, held))
    return tuple(promoted)


def move_up(session: Session, *, activity: ActivityHere, now: datetime) -> tuple[Promoted, ...]:
    """Lets those who wait move up, in order, where there are more places now. Raises ActivityCancelled."""
    return _promote(session, activity, lock(session, activity), now)


_HOW_FULL = Prepared(
    select(
        func.coalesce(
            func.sum(case((or_(*(Signup.state == one for one in PLACED)), 1 + Signup.companions), else_=0)), 0
        ),
        func.coalesce(func.sum(case((Signup.state == SignupState.WAITING, 1), else_=0)), 0),
    ).where(
        Signup.community_id == bindparam("community"),
        Signup.activity_id == bindparam("activity"),
        Signup.undone_at.is_(None),
    )
)


def how_full(session: Session, activity: ActivityHere) -> tuple[int, int]:
    """How many people (with companions) have a place, or one held for them, and how many parties wait."""
    row = _HOW_FULL.first(session, community=activity.community_id, activity=activity.id)
    assert row is not None
    return int(row[0]), int(row[1])


def waiting_place(session: Session, activity: ActivityHere, signup_id: int) -> int:
    """The place of a sign-up in the waiting list, from 1."""
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


def whose_signup(session: Session, *, community_id: int, signup_id: int) -> tuple[int, int | None, str]:
    """Whose sign-up it is, who made it for them (None where they did themselves), and their name."""
    row = session.execute(
        select(Signup.member_id, Signup.right, Signup.made_by, Member.name)
        .join(Member, Signup.member_id == Member.id)
        .where(Signup.community_id == community_id, Signup.id == signup_id)
    ).one()
    return row.member_id, row.made_by if row.right else None, row.name


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
    """A person's own live sign-up. `place` is the place in the waiting list, from 1; 0 for who does not wait."""

    companions: int
    state: SignupState
    place: int
    until: datetime | None = None
    """By when they have to say yes, where a place is held for them."""
    made_by: int | None = None
    """Who signed them up."""


def own_signup(session: Session, *, activity: ActivityHere, member_id: int) -> Own | None:
    """How somebody stands with an activity; None where they are not signed up."""
    row = session.execute(
        select(Signup.id, Signup.companions, Signup.state, Signup.offered_until, Signup.made_by).where(
            Signup.community_id == activity.community_id,
            Signup.activity_id == activity.id,
            Signup.member_id == member_id,
            Signup.undone_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        return None
    state = SignupState(row.state)
    place = waiting_place(session, activity, row.id) if state is SignupState.WAITING else 0
    until = row.offered_until if state is SignupState.OFFERED else None
    return Own(row.companions, state, place, until, row.made_by)


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
    .where(Signup.activity_id == Activity.id, _live, Signup.state.in_(PLACED))
    .correlate(Activity)
    .scalar_subquery()
)

INVARIANTS = (
    Invariant("signups.cautioned", select(Signup.id).where(Signup.cautioned.not_in(["", *Caution]))),
    Invariant("signups.state", select(Signup.id).where(Signup.state.not_in(list(SignupState)))),
    Invariant(
        # Whoever took it back is named, unless nobody did: a place was held and its time ran out.
        "signups.undone",
        select(Signup.id).where(
            or_(
                and_(_live, Signup.undone_by.is_not(None)),
                and_(
                    Signup.undone_at.is_not(None),
                    Signup.undone_by.is_(None),
                    or_(Signup.offered_until.is_(None), Signup.offered_until > Signup.undone_at),
                ),
            )
        ),
    ),
    Invariant(
        "signups.offered",
        select(Signup.id).where(_live, Signup.state == SignupState.OFFERED, Signup.offered_until.is_(None)),
    ),
    Invariant(
        "signups.asked",
        select(Signup.id).where(_live, Signup.state == SignupState.ASKED, Signup.number.is_(None)),
    ),
    Invariant(
        "declines.signed_up",
        select(Decline.id)
        .join(
            Signup,
            and_(
                Signup.community_id == Decline.community_id,
                Signup.activity_id == Decline.activity_id,
                Signup.member_id == Decline.member_id,
            ),
        )
        .where(_live, Decline.undone_at.is_(None)),
    ),
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
