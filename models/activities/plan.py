"""An activity: what is announced, when and where, and how it is found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Invariant, Refusal
from models.counters import next_number
from models.database import Prepared
from models.directory import touch
from models.units import UnitHere


class Settings(BaseModel):
    """[activities] 活动"""

    model_config = ConfigDict(extra="forbid")

    check_in_opens_minutes: int = Field(30, ge=0, le=1440, description="活动开始前多少分钟可以签到")
    default_minutes: int = Field(120, ge=10, le=1440, description="没写结束时间的活动按多少分钟算")
    reminder_hours: int = Field(2, ge=1, le=48, description="活动开始前几小时提醒")
    companions_max: int = Field(5, ge=0, le=50, description="一个人报名最多带几位同伴")
    points_max: int = Field(100, ge=1, le=10000, description="一次活动最多给多少分")
    confirm_minutes: int = Field(
        120, ge=0, le=1440, description="候补轮到后几分钟内要回一声(夜里不算,临近开始减少),不回就给下一位;0就是直接给"
    )
    day_before_hours: int = Field(24, ge=0, le=168, description="开始前几小时逐个提醒报了名的人;0就是不提醒")
    absences_max: int = Field(2, ge=0, le=100, description="报了名没来满几次,下一次报名要组织者同意;0就是不管")
    absences_days: int = Field(60, ge=1, le=3650, description="没来的次数只算最近几天的")
    day_hours_max: int = Field(6, ge=0, le=24, description="一天里报名的活动加起来超过几小时就提醒一声;0就是不提醒")
    gap_minutes_min: int = Field(30, ge=0, le=480, description="两个活动之间不到几分钟就提醒一声")


class ActivityState(StrEnum):
    """Where an activity stands."""

    PUBLISHED = "published"
    """Announced: people sign up, come, and it ends by its own time."""
    CANCELLED = "cancelled"
    """Called off, with a reason."""


LIGHT, NORMAL, HEAVY = DEMANDS = ("light", "normal", "heavy")
"""What an activity asks of the body, in the words that posts have for it."""


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
    signup_opens_at: Mapped[datetime | None]
    """Nobody signs up before."""
    signup_closes_at: Mapped[datetime | None]
    """Nobody signs up from then on; None: until it starts."""
    leave_until: Mapped[datetime | None]
    """Who leaves from then on counts as somebody who did not come; None: until it starts."""
    locked_at: Mapped[datetime | None]
    """Since when nobody but those in charge signs up or leaves."""
    confirm_minutes: Mapped[int] = mapped_column(Integer, server_default="120")
    """How long somebody who moves up has to say yes; 0: the place is theirs at once."""
    audience: Mapped[str] = mapped_column(String(16), server_default="")
    """For whom it is meant, in a word; empty: for everybody."""
    outdoors: Mapped[bool | None] = mapped_column(Boolean)
    """Whether it takes place outdoors, as whoever announced it says; None: as its place and title say."""
    demand: Mapped[str] = mapped_column(String(8), server_default="")
    """One of DEMANDS; empty where nobody said."""


class NoSuchActivity(Refusal):
    """No activity of this number here. Fields: number."""


class ActivityCancelled(Refusal):
    """It was called off. Fields: number, title, reason."""


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
    signup_opens_at: datetime | None = None
    signup_closes_at: datetime | None = None
    leave_until: datetime | None = None
    locked_at: datetime | None = None
    confirm_minutes: int = 0
    audience: str = ""
    outdoors: bool | None = None
    demand: str = ""

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
    Activity.signup_opens_at,
    Activity.signup_closes_at,
    Activity.leave_until,
    Activity.locked_at,
    Activity.confirm_minutes,
    Activity.audience,
    Activity.outdoors,
    Activity.demand,
)


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
    confirm_minutes: int = 120,
    audience: str = "",
    outdoors: bool | None = None,
    demand: str = "",
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
        "confirm_minutes": confirm_minutes,
        "audience": audience,
        "outdoors": outdoors,
        "demand": demand,
    }
    activity_id = session.execute(
        insert(Activity).returning(Activity.id), {**values, "made_at": now, "cancelled_at": None}
    ).scalar_one()
    touch(session, community_id)
    return ActivityHere(id=activity_id, cancel_reason="", **values)  # type: ignore[arg-type]


_HELD = select(Activity.quota, Activity.state, Activity.cancel_reason).where(
    Activity.community_id == bindparam("community"), Activity.id == bindparam("activity")
)
_SHARED, _ALONE = (Prepared(_HELD.with_for_update(key_share=shared)) for shared in (True, False))


def lock(session: Session, activity: ActivityHere, *, alone: bool = False) -> int | None:
    """Holds the activity until the commit; returns its quota. Raises ActivityCancelled."""
    # The quota's parent row: of two sign-ups at one instant the second waits here and counts the first. Check-ins,
    # which only refer to the row, do not wait, but for who wants to be `alone` with it: who calls it off.
    row = (_ALONE if alone else _SHARED).first(session, community=activity.community_id, activity=activity.id)
    assert row is not None
    quota: int | None = row[0]
    if row[1] == ActivityState.CANCELLED:
        raise ActivityCancelled(number=activity.number, title=activity.title, reason=row[2])
    return quota


def refuse_cancelled(activity: ActivityHere) -> None:
    """Raises ActivityCancelled."""
    if activity.state is ActivityState.CANCELLED:
        raise ActivityCancelled(number=activity.number, title=activity.title, reason=activity.cancel_reason)


def refuse_over(activity: ActivityHere, now: datetime) -> None:
    """Raises ActivityCancelled and ActivityOver."""
    refuse_cancelled(activity)
    if now >= activity.ends_at:
        raise ActivityOver(number=activity.number, title=activity.title, ends_at=activity.ends_at)


_FIND = Prepared(
    select(*COLUMNS).where(Activity.community_id == bindparam("community"), Activity.number == bindparam("number_"))
)


def here(row: Sequence[Any]) -> ActivityHere:
    """The activity in a row of COLUMNS."""
    fields = list(row)
    fields[11] = ActivityState(fields[11])
    return ActivityHere(*fields)


def find_activity(session: Session, *, community_id: int, number: int) -> ActivityHere:
    """The activity of this number here; "not there" and "not yours" raise the same NoSuchActivity."""
    row = _FIND.first(session, community=community_id, number_=number)
    if row is None:
        raise NoSuchActivity(number=number)
    return here(row)


_NEXT_END = Prepared(
    select(func.min(Activity.ends_at)).where(
        Activity.community_id == bindparam("community_id"),
        Activity.state == ActivityState.PUBLISHED,
        Activity.ends_at > bindparam("after"),
        Activity.ends_at <= bindparam("until"),
    )
)


def next_end(session: Session, *, community_id: int, after: datetime, until: datetime) -> datetime | None:
    """The first planned end in `(after, until]` of what takes place."""
    found: datetime | None = _NEXT_END.scalar(session, community_id=community_id, after=after, until=until)
    return found


def open_objects(session: Session, *, community_id: int, now: datetime) -> list[ActivityHere]:
    """What people can mean by a number or a name: everything published that ends later than a day ago."""
    return [
        here(row)
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
    Invariant("activities.demand", select(Activity.id).where(Activity.demand.not_in(["", *DEMANDS]))),
    Invariant(
        "activities.terms",
        select(Activity.id).where(
            or_(
                Activity.confirm_minutes < 0,
                and_(
                    Activity.signup_opens_at.is_not(None),
                    Activity.signup_closes_at.is_not(None),
                    Activity.signup_opens_at >= Activity.signup_closes_at,
                ),
            )
        ),
    ),
)
