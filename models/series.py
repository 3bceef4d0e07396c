"""The same again every week or month: 每周六9点 清洁家园.

A series belongs to a unit, not to whoever began it: when they leave, it goes on. It holds the plan of its activities
and the rule of its days; some weeks ahead each day gets an activity of its own, with its own number and sign-ups, which
can be changed or called off alone. Who always comes is signed up when the activity is announced, and nobody else.

- A day of a series has one activity, or it is skipped.
- A series that was stopped announces nothing any more.
- A person comes always to a series once, while that holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import (
    JSON,
    Boolean,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.activities import (
    Activity,
    ActivityHere,
    ActivityState,
    CheckInBegun,
    Plan,
    cancel_activity,
    find_activity,
    own_signup,
    plan_of,
    publish_plan,
    restore_activity,
    sign_up,
    who_comes,
)
from models.base import Base, Invariant, Refusal
from models.check_in import Terms, set_terms, terms_of
from models.clock import at, day_of, local
from models.counters import next_number
from models.database import Prepared
from models.directory import touch
from models.holidays import is_festival
from models.members.merging import keeper_of
from models.members.people import Member, present
from models.recurrence import days_on


class Settings(BaseModel):
    """[series] 系列活动"""

    model_config = ConfigDict(extra="forbid")

    weeks_ahead: int = Field(2, ge=1, le=26, description="系列活动提前几周发布每一次")


class Series(Base):
    """One activity again and again."""

    __tablename__ = "series"
    __table_args__ = (UniqueConstraint("community_id", "number", name="uq_series_number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    number: Mapped[int]
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    """Whose series it is, whoever began it."""
    rule: Mapped[str] = mapped_column(String(120))
    """An RRULE (RFC 5545) as `handlers/language/recurrence.py` reads it."""
    first_day: Mapped[date] = mapped_column(Date)
    """From which every second week is counted."""
    start_minute: Mapped[int] = mapped_column(Integer)
    """Minutes after midnight in Shanghai."""
    plan: Mapped[dict[str, Any]] = mapped_column(JSON)
    skips_festivals: Mapped[bool] = mapped_column(Boolean, server_default=false())
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    made_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    stopped_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))


class Occurrence(Base):
    """What became of one day of a series."""

    __tablename__ = "occurrences"
    __table_args__ = (
        UniqueConstraint("community_id", "series_id", "day", name="uq_occurrences_day"),
        Index("ix_occurrences_activity", "community_id", "activity_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"))
    day: Mapped[date] = mapped_column(Date)
    activity_id: Mapped[int | None] = mapped_column(ForeignKey("activities.id"))
    """None: the day is skipped."""


class Regular(Base):
    """Somebody who comes every time: 每次都来."""

    __tablename__ = "regulars"
    __table_args__ = (
        Index(
            "uq_regulars_live",
            "community_id",
            "series_id",
            "member_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    since: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class NoSuchSeries(Refusal):
    """No series of this number here that goes on. Fields: number."""


class NoSeriesOfIt(Refusal):
    """The activity is held once. Fields: number, title."""


class NotADay(Refusal):
    """The series has nothing on that day. Fields: title, day."""


class AlreadySkipped(Refusal):
    """That day is skipped already. Fields: title, day."""


class ComesAlready(Refusal):
    """Comes always anyway. Fields: title."""


class ComesNot(Refusal):
    """Has not said that they come always. Fields: title."""


@dataclass(frozen=True, slots=True)
class SeriesHere:
    """A series as sentences need it."""

    id: int
    community_id: int
    number: int
    unit_id: int
    rule: str
    first_day: date
    start_minute: int
    plan: Plan
    skips_festivals: bool
    stopped_at: datetime | None

    @property
    def title(self) -> str:
        return str(self.plan["title"])

    def start(self, day: date) -> datetime:
        """When it begins on a day."""
        return at(day, *divmod(self.start_minute, 60))


_COLUMNS = (
    Series.id,
    Series.community_id,
    Series.number,
    Series.unit_id,
    Series.rule,
    Series.first_day,
    Series.start_minute,
    Series.plan,
    Series.skips_festivals,
    Series.stopped_at,
)

_ONE_DAY = timedelta(days=1)


# -- actions ----------------------------------------


def start_series(session: Session, *, first: ActivityHere, rule: str, made_by: int | None, now: datetime) -> SeriesHere:
    """Lets an activity that was just announced be the first of a series."""
    plan = plan_of(session, activity=first)
    there = local(first.starts_at)
    number = next_number(session, community_id=first.community_id, kind="series")
    series_id: int = session.execute(
        insert(Series).returning(Series.id),
        {
            "community_id": first.community_id,
            "number": number,
            "unit_id": first.unit_id,
            "rule": rule,
            "first_day": there.date(),
            "start_minute": there.hour * 60 + there.minute,
            "plan": plan,
            "made_by": made_by,
            "made_at": now,
        },
    ).scalar_one()
    session.execute(
        insert(Occurrence),
        {
            "community_id": first.community_id,
            "series_id": series_id,
            "day": there.date(),
            "activity_id": first.id,
        },
    )
    touch(session, first.community_id)
    return find_series(session, community_id=first.community_id, number=number)


_TAKE_DAY = Prepared(
    lambda insert: insert(Occurrence).on_conflict_do_nothing(),
    makes=Occurrence.id,
    columns=("community_id", "series_id", "day"),
)


def announce_ahead(
    session: Session, *, series: SeriesHere, now: datetime, weeks: int, companions_max: int
) -> list[ActivityHere]:
    """Announces what the series has in the next weeks and was not announced yet, and signs up who always comes.

    What was announced before, by whomever, is left alone.
    """
    _lock(session, series)
    until = day_of(now + timedelta(weeks=weeks))
    made = []
    for day in days_on(series.rule, series.first_day, day_of(now) - _ONE_DAY, until):
        if series.start(day) <= now or (series.skips_festivals and is_festival(day)):
            continue
        row = _TAKE_DAY.first(session, community_id=series.community_id, series_id=series.id, day=day)
        if row is None:
            continue
        activity = publish_plan(
            session,
            community_id=series.community_id,
            plan=series.plan,
            starts_at=series.start(day),
            made_by=None,
            now=now,
            # What was allowed when the series began stays so.
            points_max=series.plan["points"] or 0,
        )
        session.execute(
            update(Occurrence)
            .where(Occurrence.community_id == series.community_id, Occurrence.id == row[0])
            .values(activity_id=activity.id)
        )
        set_terms(session, activity=activity, terms=_terms(session, series), by=None, now=now)
        for member_id in _regulars(session, series):
            _come(session, activity, member_id, now, companions_max)
        made.append(activity)
    return made


def _lock(session: Session, series: SeriesHere) -> None:
    """Holds the series until the commit: what is announced, skipped and stopped at one instant comes in turn."""
    row = session.execute(
        select(Series.stopped_at)
        .where(Series.community_id == series.community_id, Series.id == series.id)
        .with_for_update()
    ).one()
    if row.stopped_at is not None:
        raise NoSuchSeries(number=series.number)


def _terms(session: Session, series: SeriesHere) -> Terms:
    """How strong a check-in the first activity of a series asks for: the others ask for the same."""
    number = session.scalar(
        select(Activity.number)
        .join(Occurrence, Occurrence.activity_id == Activity.id)
        .where(
            Occurrence.community_id == series.community_id,
            Occurrence.series_id == series.id,
            Occurrence.day == series.first_day,
        )
    )
    if number is None:
        return Terms()
    return terms_of(session, activity=find_activity(session, community_id=series.community_id, number=number))


def _come(session: Session, activity: ActivityHere, member_id: int, now: datetime, companions_max: int) -> bool:
    """Signs up somebody who always comes; False where they cannot, and will find out as everybody does."""
    if own_signup(session, activity=activity, member_id=member_id) is not None:
        return False
    try:
        sign_up(
            session,
            activity=activity,
            member_id=member_id,
            companions=0,
            made_by=member_id,
            now=now,
            companions_max=companions_max,
        )
    except Refusal:
        return False
    return True


def _regulars(session: Session, series: SeriesHere) -> list[int]:
    """Who always comes and is still here, in the order in which they said so."""
    found = []
    for member_id in session.scalars(
        select(Regular.member_id)
        .where(Regular.community_id == series.community_id, Regular.series_id == series.id, Regular.ended_at.is_(None))
        .order_by(Regular.id)
    ):
        keeper = keeper_of(session, community_id=series.community_id, member_id=member_id)
        if session.execute(present(series.community_id).where(Member.id == keeper)).first() is not None:
            found.append(keeper)
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Skipped:
    """A day that is left out. `activity` is what was announced for it, with whom to tell."""

    occurrence_id: int
    day: date
    activity: ActivityHere | None
    members: tuple[int, ...] = ()


def next_day(session: Session, *, series: SeriesHere, now: datetime) -> date | None:
    """The next day of the series that takes place."""
    gone = set(
        session.scalars(
            select(Occurrence.day)
            .outerjoin(Activity, Occurrence.activity_id == Activity.id)
            .where(
                Occurrence.community_id == series.community_id,
                Occurrence.series_id == series.id,
                Occurrence.day >= day_of(now),
                or_(Occurrence.activity_id.is_(None), Activity.state == ActivityState.CANCELLED),
            )
        )
    )
    for day in days_on(series.rule, series.first_day, day_of(now) - _ONE_DAY, day_of(now) + timedelta(days=366)):
        if day not in gone and series.start(day) > now and not (series.skips_festivals and is_festival(day)):
            return day
    return None


def skip_day(session: Session, *, series: SeriesHere, day: date, reason: str, by: int, now: datetime) -> Skipped:
    """Leaves one day out: it will not be announced, or is called off where it was.

    Raises NoSuchSeries, NotADay, AlreadySkipped, CheckInBegun and what `cancel_activity` raises.
    """
    _lock(session, series)
    said = series.start(day)
    if said <= now or day not in days_on(series.rule, series.first_day, day - _ONE_DAY, day):
        raise NotADay(title=series.title, day=said)
    row = _TAKE_DAY.first(session, community_id=series.community_id, series_id=series.id, day=day)
    if row is not None:
        return Skipped(row[0], day, None)
    occurrence = session.execute(
        select(Occurrence.id, Activity.number)
        .outerjoin(Activity, Occurrence.activity_id == Activity.id)
        .where(Occurrence.community_id == series.community_id, Occurrence.series_id == series.id, Occurrence.day == day)
    ).one()
    if occurrence.number is None:
        raise AlreadySkipped(title=series.title, day=said)
    activity = find_activity(session, community_id=series.community_id, number=occurrence.number)
    if activity.state is ActivityState.CANCELLED:
        raise AlreadySkipped(title=series.title, day=said)
    if now >= activity.check_in_opens_at:
        # Who is there already has to be sent home: that is for 取消活动.
        raise CheckInBegun(number=activity.number, title=activity.title)
    members = cancel_activity(session, activity=activity, reason=reason, by=by, now=now)
    return Skipped(occurrence.id, day, activity, tuple(members))


def take_back_skip(session: Session, *, community_id: int, occurrence_id: int, now: datetime) -> Skipped:
    """Lets a day take place after all. Raises NotCancelled, ActivityOver, NoSuchSeries."""
    row = session.execute(
        select(Occurrence.day, Activity.number, Series.number.label("series"))
        .join(Series, Occurrence.series_id == Series.id)
        .outerjoin(Activity, Occurrence.activity_id == Activity.id)
        .where(Occurrence.community_id == community_id, Occurrence.id == occurrence_id)
    ).one_or_none()
    if row is None:
        raise NoSuchSeries(number=0)
    if row.number is None:
        session.execute(
            delete(Occurrence).where(Occurrence.community_id == community_id, Occurrence.id == occurrence_id)
        )
        return Skipped(occurrence_id, row.day, None)
    activity = find_activity(session, community_id=community_id, number=row.number)
    members = restore_activity(session, activity=activity, now=now)
    return Skipped(occurrence_id, row.day, activity, tuple(members))


def skip_festivals(session: Session, *, series: SeriesHere, skips: bool) -> None:
    """Leaves statutory festivals out from now on, or not; what is announced stays. Raises NoSuchSeries."""
    _lock(session, series)
    session.execute(
        update(Series)
        .where(Series.community_id == series.community_id, Series.id == series.id)
        .values(skips_festivals=skips)
    )


@dataclass(frozen=True, slots=True)
class CalledOff:
    """An activity of a series that was called off or is on again, and who is signed up for it."""

    activity: ActivityHere
    members: tuple[int, ...]


def stop_series(session: Session, *, series: SeriesHere, by: int, now: datetime) -> list[CalledOff]:
    """Ends a series and calls off what it has announced and nobody can have come to yet. Raises NoSuchSeries."""
    _lock(session, series)
    session.execute(
        update(Series)
        .where(Series.community_id == series.community_id, Series.id == series.id)
        .values(stopped_at=now, stopped_by=by)
    )
    touch(session, series.community_id)
    return [
        CalledOff(activity, tuple(cancel_activity(session, activity=activity, reason="", by=by, now=now)))
        for activity in coming_of(session, series=series, now=now)
    ]


def resume_series(
    session: Session, *, community_id: int, number: int, called_off: Sequence[int], now: datetime
) -> list[CalledOff]:
    """Lets a stopped series go on, with the activities that were called off when it was stopped, by number.

    Raises NoSuchSeries.
    """
    resumed = session.scalar(
        update(Series)
        .where(Series.community_id == community_id, Series.number == number, Series.stopped_at.is_not(None))
        .values(stopped_at=None, stopped_by=None)
        .returning(Series.id)
    )
    if resumed is None:
        raise NoSuchSeries(number=number)
    touch(session, community_id)
    back = []
    for activity_number in called_off:
        activity = find_activity(session, community_id=community_id, number=activity_number)
        back.append(CalledOff(activity, tuple(restore_activity(session, activity=activity, now=now))))
    return back


def come_always(
    session: Session, *, series: SeriesHere, member_id: int, now: datetime, companions_max: int
) -> tuple[int, list[ActivityHere]]:
    """Signs somebody up for all that is announced and will be; returns the row, and what they are signed up for now.

    Raises NoSuchSeries, ComesAlready.
    """
    _lock(session, series)
    row = _COME_ALWAYS.first(
        session, community_id=series.community_id, series_id=series.id, member_id=member_id, since=now
    )
    if row is None:
        raise ComesAlready(title=series.title)
    signed = [
        activity
        for activity in coming_of(session, series=series, now=now)
        if _come(session, activity, member_id, now, companions_max)
    ]
    return row[0], signed


_COME_ALWAYS = Prepared(
    lambda insert: insert(Regular).on_conflict_do_nothing(),
    makes=Regular.id,
    columns=("community_id", "series_id", "member_id", "since"),
)


def stop_coming(session: Session, *, series: SeriesHere, member_ids: Sequence[int], now: datetime) -> int:
    """Signs somebody up for nothing new; what they are signed up for stays. Returns the row. Raises ComesNot."""
    ended = session.scalars(
        update(Regular)
        .where(
            Regular.community_id == series.community_id,
            Regular.series_id == series.id,
            Regular.member_id.in_(member_ids),
            Regular.ended_at.is_(None),
        )
        .values(ended_at=now)
        .returning(Regular.id)
    ).all()
    if not ended:
        raise ComesNot(title=series.title)
    return ended[0]


def end_regulars(session: Session, *, community_id: int, member_ids: Sequence[int], now: datetime) -> None:
    """Ends all that somebody always comes to."""
    session.execute(
        update(Regular)
        .where(Regular.community_id == community_id, Regular.member_id.in_(member_ids), Regular.ended_at.is_(None))
        .values(ended_at=now)
    )


# -- queries ----------------------------------------


def running_series(session: Session, *, community_id: int) -> list[SeriesHere]:
    """Every series that goes on, by number."""
    rows = session.execute(
        select(*_COLUMNS)
        .where(Series.community_id == community_id, Series.stopped_at.is_(None))
        .order_by(Series.number)
    )
    return [SeriesHere(*row) for row in rows]


def find_series(session: Session, *, community_id: int, number: int) -> SeriesHere:
    """The series of this number here that goes on. Raises NoSuchSeries."""
    row = session.execute(
        select(*_COLUMNS).where(
            Series.community_id == community_id, Series.number == number, Series.stopped_at.is_(None)
        )
    ).one_or_none()
    if row is None:
        raise NoSuchSeries(number=number)
    return SeriesHere(*row)


def series_of(session: Session, *, activity: ActivityHere) -> SeriesHere:
    """The series to which an activity belongs. Raises NoSeriesOfIt."""
    series = series_it_is_of(session, activity=activity)
    if series is None:
        raise NoSeriesOfIt(number=activity.number, title=activity.title)
    return series


def series_it_is_of(session: Session, *, activity: ActivityHere) -> SeriesHere | None:
    """The same; None where the activity is held once, or its series has ended."""
    row = session.execute(
        select(*_COLUMNS)
        .join(Occurrence, Occurrence.series_id == Series.id)
        .where(
            Occurrence.community_id == activity.community_id,
            Occurrence.activity_id == activity.id,
            Series.stopped_at.is_(None),
        )
    ).one_or_none()
    return SeriesHere(*row) if row else None


def in_series(session: Session, *, community_id: int) -> frozenset[int]:
    """The activities that belong to a series which goes on, by id."""
    return frozenset(
        session.scalars(
            select(Occurrence.activity_id)
            .join(Series, Occurrence.series_id == Series.id)
            .where(
                Occurrence.community_id == community_id,
                Occurrence.activity_id.is_not(None),
                Series.stopped_at.is_(None),
            )
        )
    )


def coming_of(session: Session, *, series: SeriesHere, now: datetime) -> list[ActivityHere]:
    """What the series has announced and nobody can have come to yet, soonest first."""
    numbers = session.scalars(
        select(Activity.number)
        .join(Occurrence, Occurrence.activity_id == Activity.id)
        .where(
            Occurrence.community_id == series.community_id,
            Occurrence.series_id == series.id,
            Activity.state == ActivityState.PUBLISHED,
            Activity.check_in_opens_at > now,
        )
        .order_by(Activity.starts_at)
    )
    return [find_activity(session, community_id=series.community_id, number=number) for number in numbers]


def next_of(session: Session, *, activity: ActivityHere, now: datetime) -> ActivityHere | None:
    """The next activity of the same series that is announced; None for what is held once."""
    try:
        series = series_of(session, activity=activity)
    except NoSeriesOfIt:
        return None
    return next((one for one in coming_of(session, series=series, now=now) if one.starts_at > activity.starts_at), None)


def how_many_signed_up(session: Session, *, activities: Sequence[ActivityHere]) -> int:
    """People who are signed up for any of these, or wait."""
    return len({member_id for activity in activities for member_id, _, _ in who_comes(session, activity)})


INVARIANTS = (
    Invariant("series.stopped", select(Series.id).where(Series.stopped_at.is_(None) != Series.stopped_by.is_(None))),
    Invariant(
        "occurrences.activity",
        select(func.min(Occurrence.id))
        .where(Occurrence.activity_id.is_not(None))
        .group_by(Occurrence.community_id, Occurrence.activity_id)
        .having(func.count() > 1),
    ),
    Invariant(
        "occurrences.unit",
        select(Occurrence.id)
        .join(Series, Occurrence.series_id == Series.id)
        .join(Activity, Occurrence.activity_id == Activity.id)
        .where(Activity.unit_id != Series.unit_id),
    ),
    Invariant(
        "regulars.once",
        select(func.min(Regular.id))
        .where(Regular.ended_at.is_(None))
        .group_by(Regular.community_id, Regular.series_id, Regular.member_id)
        .having(func.count() > 1),
    ),
)
