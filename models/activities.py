"""Dated volunteer work: the clean-up on Saturday, who comes, who waits for a place.

A secretary publishes an activity; people sign up, alone or with companions; when the places are taken they wait in
order, and move up when somebody leaves.

- An activity never has more confirmed people (with companions) than its quota, whatever arrives at once.
- A person has one live sign-up for an activity; doing it again after undoing is a new row.
- The waiting list is served in order: nobody is passed by a smaller party behind them.
- Nobody waits while there is room for the first who waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    UniqueConstraint,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Invariant, Refusal
from models.counters import next_number
from models.database import Prepared
from models.directory import touch
from models.units import Unit, UnitHere


class Settings(BaseModel):
    """[activities] 活动"""

    model_config = ConfigDict(extra="forbid")

    check_in_opens_minutes: int = Field(30, ge=0, le=1440, description="活动开始前多少分钟可以签到")
    default_minutes: int = Field(120, ge=10, le=1440, description="没写结束时间的活动按多少分钟算")
    reminder_hours: int = Field(2, ge=1, le=48, description="活动开始前几小时提醒")
    companions_max: int = Field(5, ge=0, le=50, description="一个人报名最多带几位同伴")
    points_max: int = Field(100, ge=1, le=10000, description="一次活动最多给多少分")


class ActivityState(StrEnum):
    """Where an activity stands."""

    PUBLISHED = "published"
    """Announced: people sign up, come, and it ends by its own time."""
    CANCELLED = "cancelled"
    """Called off, with a reason."""


class SignupState(StrEnum):
    """Where a sign-up stands while it is live."""

    CONFIRMED = "confirmed"
    """Has a place."""
    WAITING = "waiting"
    """候补: gets a place when one is free, in order."""


class Activity(Base):
    __tablename__ = "activities"
    __table_args__ = (
        UniqueConstraint("community_id", "number", name="uq_activities_number"),
        CheckConstraint("quota IS NULL OR quota > 0", name="quota"),
        CheckConstraint("ends_at > starts_at", name="span"),
        Index("ix_activities_ends", "community_id", "ends_at"),
        Index("ix_activities_starts", "starts_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    number: Mapped[int]
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    """Whose activity it is: the people at or below this unit are reminded."""
    title: Mapped[str] = mapped_column(String(80))
    place: Mapped[str] = mapped_column(String(80), server_default="")
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    check_in_opens_at: Mapped[datetime]
    quota: Mapped[int | None]
    points: Mapped[int | None]
    """Points for coming; None leaves it to the community's rule."""
    state: Mapped[str] = mapped_column(String(12))
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    made_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]
    cancel_reason: Mapped[str] = mapped_column(String(200), server_default="")


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


class NoSuchActivity(Refusal):
    """No activity of this number here. Fields: number."""


class ActivityCancelled(Refusal):
    """It was called off. Fields: number, title, reason."""


class NotCancelled(Refusal):
    """It takes place anyway. Fields: title."""


class ActivityStarted(Refusal):
    """Too late to sign up or to leave. Fields: number, title, starts_at."""


class ActivityOver(Refusal):
    """It has ended. Fields: number, title, ends_at."""


class StartsInThePast(Refusal):
    """An activity cannot be announced for a moment that is over. Fields: starts_at."""


class SpanOutOfRange(Refusal):
    """An activity ends after it starts, and within some days. Fields: days."""


class TooLong(Refusal):
    """A title or a place that would fill every reminder. Fields: most."""


class NoPlaces(Refusal):
    """A quota of nobody."""


class PointsOutOfRange(Refusal):
    """Fewer points than none, or more than an activity may give. Fields: most."""


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


@dataclass(frozen=True, slots=True)
class ActivityHere:
    """An activity as rules and sentences need it."""

    id: int
    community_id: int
    number: int
    unit_id: int
    title: str
    place: str
    starts_at: datetime
    ends_at: datetime
    check_in_opens_at: datetime
    quota: int | None
    points: int | None
    state: ActivityState
    made_by: int | None
    cancel_reason: str

    @property
    def ref(self) -> str:
        return f"activity:{self.number}"


COLUMNS = (
    Activity.id,
    Activity.community_id,
    Activity.number,
    Activity.unit_id,
    Activity.title,
    Activity.place,
    Activity.starts_at,
    Activity.ends_at,
    Activity.check_in_opens_at,
    Activity.quota,
    Activity.points,
    Activity.state,
    Activity.made_by,
    Activity.cancel_reason,
)


# -- rules ----------------------------------------


def seats_left(quota: int | None, taken: int) -> int | None:
    """Free places; None where there is no quota."""
    return None if quota is None else max(0, quota - taken)


def fits(party: int, quota: int | None, taken: int) -> bool:
    """Whether a party of so many people still finds places."""
    return quota is None or taken + party <= quota


LONGEST = timedelta(days=31)
"""An activity that lasts longer is a slip of the hand."""
WORDS_MOST = 30
"""Characters of a title, and of a place."""


def refuse_odd_plans(
    *,
    title: str,
    place: str,
    starts_at: datetime,
    ends_at: datetime,
    quota: int | None,
    points: int | None,
    now: datetime,
    points_max: int,
) -> None:
    """What cannot be announced.

    Raises StartsInThePast, SpanOutOfRange, TooLong, NoPlaces, PointsOutOfRange.
    """
    if starts_at <= now:
        raise StartsInThePast(starts_at=starts_at)
    if not starts_at < ends_at <= starts_at + LONGEST:
        raise SpanOutOfRange(days=LONGEST.days)
    if max(len(title), len(place)) > WORDS_MOST:
        raise TooLong(most=WORDS_MOST)
    if quota is not None and quota < 1:
        raise NoPlaces
    if points is not None and not 0 <= points <= points_max:
        raise PointsOutOfRange(most=points_max)


# -- actions ----------------------------------------


def publish_activity(
    session: Session,
    *,
    community_id: int,
    unit: UnitHere,
    title: str,
    place: str,
    starts_at: datetime,
    ends_at: datetime,
    quota: int | None,
    points: int | None,
    made_by: int | None,
    now: datetime,
    check_in_opens_minutes: int,
    points_max: int = 100,
) -> ActivityHere:
    """Announces an activity under the community's next number. Raises what `refuse_odd_plans` raises."""
    refuse_odd_plans(
        title=title,
        place=place,
        starts_at=starts_at,
        ends_at=ends_at,
        quota=quota,
        points=points,
        now=now,
        points_max=points_max,
    )
    values = {
        "community_id": community_id,
        "number": next_number(session, community_id=community_id, kind="activity"),
        "unit_id": unit.id,
        "title": title,
        "place": place,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "check_in_opens_at": starts_at - timedelta(minutes=check_in_opens_minutes),
        "quota": quota,
        "points": points,
        "state": ActivityState.PUBLISHED,
        "made_by": made_by,
    }
    activity_id = session.execute(
        insert(Activity).returning(Activity.id), {**values, "made_at": now, "cancelled_at": None}
    ).scalar_one()
    touch(session, community_id)
    return ActivityHere(id=activity_id, cancel_reason="", **values)  # type: ignore[arg-type]


def cancel_activity(
    session: Session, *, activity: ActivityHere, reason: str, by: int | None, now: datetime
) -> list[int]:
    """Calls an activity off; returns the members who had signed up. Raises ActivityCancelled and ActivityOver.

    Those who are there already are sent home by `check_in.send_home`.
    """
    _refuse_over(activity, now)
    _lock(session, activity, alone=True)
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
    _refuse_over(activity, now)
    if now >= activity.starts_at:
        raise ActivityStarted(number=activity.number, title=activity.title, starts_at=activity.starts_at)
    quota = _lock(session, activity)
    # A party larger than the quota would wait for ever, and everybody behind it with free places in sight.
    most = companions_max if quota is None else min(companions_max, quota - 1)
    if companions > most:
        raise TooManyCompanions(most=most) if most else NoCompanions(title=activity.title)
    taken, waiting = _taken(session, activity)
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
    taken, _ = _taken(session, activity)
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
    _refuse_over(activity, now)
    quota = _lock(session, activity)
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
    taken, _ = _taken(session, activity)
    return Left(signup_id, seats_left(quota, taken), promoted)


def _promote(session: Session, activity: ActivityHere, quota: int | None, now: datetime) -> tuple[Promoted, ...]:
    taken, _ = _taken(session, activity)
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


def _lock(session: Session, activity: ActivityHere, *, alone: bool = False) -> int | None:
    # The quota's parent row: of two sign-ups at one instant the second waits here and counts the first. Check-ins,
    # which only refer to the row, do not wait, but for who wants to be `alone` with it: who calls it off.
    row = session.execute(
        select(Activity.quota, Activity.state, Activity.cancel_reason)
        .where(Activity.community_id == activity.community_id, Activity.id == activity.id)
        .with_for_update(key_share=not alone)
    ).one()
    if row.state == ActivityState.CANCELLED:
        raise ActivityCancelled(number=activity.number, title=activity.title, reason=row.cancel_reason)
    quota: int | None = row.quota
    return quota


def _taken(session: Session, activity: ActivityHere) -> tuple[int, int]:
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


def _refuse_over(activity: ActivityHere, now: datetime) -> None:
    if activity.state is ActivityState.CANCELLED:
        raise ActivityCancelled(number=activity.number, title=activity.title, reason=activity.cancel_reason)
    if now >= activity.ends_at:
        raise ActivityOver(number=activity.number, title=activity.title, ends_at=activity.ends_at)


# -- queries ----------------------------------------

_FIND = Prepared(
    select(*COLUMNS).where(Activity.community_id == bindparam("community"), Activity.number == bindparam("number_"))
)


def _here(row: Sequence[Any]) -> ActivityHere:
    fields = list(row)
    fields[11] = ActivityState(fields[11])
    return ActivityHere(*fields)


def find_activity(session: Session, *, community_id: int, number: int) -> ActivityHere:
    """The activity of this number here; "not there" and "not yours" raise the same NoSuchActivity."""
    row = _FIND.first(session, community=community_id, number_=number)
    if row is None:
        raise NoSuchActivity(number=number)
    return _here(row)


def activity_by_signup(session: Session, *, community_id: int, signup_id: int) -> tuple[ActivityHere, int, int]:
    """The activity of a sign-up, whose it is, and how many come along. Raises NoSuchActivity."""
    row = session.execute(
        select(*COLUMNS, Signup.member_id, Signup.companions)
        .join(Signup, Signup.activity_id == Activity.id)
        .where(Signup.community_id == community_id, Signup.id == signup_id)
    ).one_or_none()
    if row is None:
        raise NoSuchActivity(number=signup_id)
    return _here(row[: len(COLUMNS)]), row.member_id, row.companions


@dataclass(frozen=True, slots=True)
class Listed:
    """An activity in a list, with how full it is and whether the asker comes."""

    activity: ActivityHere
    taken: int
    waiting: int
    mine: SignupState | None


def coming_activities(
    session: Session, *, community_id: int, member_id: int | None, now: datetime, limit: int
) -> list[Listed]:
    """What is published and not over, soonest first."""
    rows = session.execute(
        select(*COLUMNS)
        .where(
            Activity.community_id == community_id,
            Activity.state == ActivityState.PUBLISHED,
            Activity.ends_at > now,
        )
        .order_by(Activity.starts_at, Activity.number)
        .limit(limit)
    ).all()
    listed = []
    for row in rows:
        activity = _here(row)
        taken, waiting = _taken(session, activity)
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


def later_activities(session: Session, *, community_id: int, now: datetime, skip: int, limit: int) -> Later:
    """What `coming_activities` leaves out when it shows `skip`."""
    coming = select(Activity.number, Activity.title).where(
        Activity.community_id == community_id,
        Activity.state == ActivityState.PUBLISHED,
        Activity.ends_at > now,
    )
    rows = session.execute(coming.order_by(Activity.starts_at, Activity.number).offset(skip)).all()
    return Later(len(rows), [(row.number, row.title) for row in rows[:limit]])


def how_full(session: Session, activity: ActivityHere) -> tuple[int, int]:
    """How many people (with companions) have a place, and how many parties wait."""
    return _taken(session, activity)


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
        _here(tuple(row))
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


@dataclass(frozen=True, slots=True)
class Announced:
    """An activity to remind of, and the path of the unit whose people it is for."""

    activity: ActivityHere
    unit_path: str


def announced_between(
    session: Session, *, community_id: int, after: datetime, until: datetime, ahead: timedelta
) -> list[Announced]:
    """What starts in `(after, until]` and was published at least `ahead` before."""
    rows = session.execute(
        select(*COLUMNS, Activity.made_at, Unit.path)
        .join(Unit, Activity.unit_id == Unit.id)
        .where(
            Activity.community_id == community_id,
            Activity.state == ActivityState.PUBLISHED,
            Activity.starts_at > after,
            Activity.starts_at <= until,
        )
        .order_by(Activity.starts_at, Activity.number)
    ).all()
    return [Announced(_here(row[: len(COLUMNS)]), row.path) for row in rows if row.made_at <= row.starts_at - ahead]


def next_end(session: Session, *, community_id: int, after: datetime, until: datetime) -> datetime | None:
    """The first planned end in `(after, until]` of what takes place."""
    return session.scalar(
        select(func.min(Activity.ends_at)).where(
            Activity.community_id == community_id,
            Activity.state == ActivityState.PUBLISHED,
            Activity.ends_at > after,
            Activity.ends_at <= until,
        )
    )


def open_objects(session: Session, *, community_id: int, now: datetime) -> list[ActivityHere]:
    """What people can mean by a number or a name: everything published that ends later than a day ago."""
    return [
        _here(row)
        for row in session.execute(
            select(*COLUMNS)
            .where(
                Activity.community_id == community_id,
                Activity.state == ActivityState.PUBLISHED,
                Activity.ends_at > now - timedelta(days=1),
            )
            .order_by(Activity.starts_at)
        )
    ]


PLACES_MOST = 200
"""Places that a community is known to meet at: those of its newest activities."""


def places_of(session: Session, *, community_id: int) -> list[str]:
    """Where the community meets, as people have typed it."""
    newest = (
        select(Activity.place)
        .where(Activity.community_id == community_id, func.length(Activity.place) >= 2)
        .order_by(Activity.id.desc())
        .limit(PLACES_MOST)
        .subquery()
    )
    return sorted(session.scalars(select(newest.c.place).distinct()))


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
    Invariant(
        "activities.state",
        select(Activity.id).where(
            or_(
                Activity.state.not_in(list(ActivityState)),
                (Activity.state == ActivityState.CANCELLED) != Activity.cancelled_at.is_not(None),
            )
        ),
    ),
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
