"""After an activity: who came, how long they worked, thanks to them.

Some time after the end a report is drafted, where somebody came. The organiser may send it, say the thanks in their own
words or drop it; without an answer it goes out by itself at its moment, or waits, as the community has it.

- An activity has one report at the most, and it goes out once.
- A report that no group can be told of its own accord has not gone out: it waits for the organiser.
- A report that was sent or dropped says when.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, bindparam, exists, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models import photos
from models.activities import Activity, ActivityHere, ActivityState, find_activity
from models.base import Base, Invariant, Refusal
from models.broadcast.audience import Spoken, with_ears
from models.check_in import CheckIn, stays_at
from models.database import Prepared
from models.directory import audience, groups_of, organisations
from models.members import Neighbour, Role, member_by_id, people_in_scope
from models.members.merging import keeper_of
from models.members.roles import roles_held
from models.reach import Reach
from models.roll import people_now
from models.units import covers, unit_by_id


class Settings(BaseModel):
    """[reports] 活动小结"""

    model_config = ConfigDict(extra="forbid")

    after_minutes: int = Field(60, ge=0, le=1440, description="活动结束多少分钟后写小结，草稿先给组织者看")
    hour: int = Field(18, ge=8, le=20, description="没有答复的小结几点自己发到群里，至少在草稿两小时以后")
    without_answer: bool = Field(True, description="组织者没有答复，小结也自己发；false 就一直等组织者来发")


FRESH = timedelta(days=3)
"""Nobody wants to read of what is longer ago."""
THINKING = timedelta(hours=2)
"""How long an organiser has at least before a report goes out by itself."""


class ReportState(StrEnum):
    """Where a report stands."""

    DRAFTED = "drafted"
    """The organiser can still change it."""
    SENT = "sent"
    """It went to the groups."""
    DROPPED = "dropped"
    """The organiser did not want it."""


class Report(Base):
    """What is told of an activity afterwards."""

    __tablename__ = "reports"
    __table_args__ = (
        UniqueConstraint("community_id", "activity_id", name="uq_reports_activity"),
        Index("ix_reports_state", "community_id", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    activity_id: Mapped[int] = mapped_column(ForeignKey("activities.id"))
    state: Mapped[str] = mapped_column(String(12))
    words: Mapped[str] = mapped_column(String(200), server_default="")
    """The organiser's own thanks; empty for those of the house."""
    drafted_at: Mapped[datetime]
    goes_at: Mapped[datetime | None]
    """When it goes out without an answer; None: never."""
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    """Who sent or dropped it; None: it went out by itself."""


class NoReport(Refusal):
    """Nothing to tell of: it is not over, or nobody came. Fields: number, title."""


class ReportEnded(Refusal):
    """It went out, or was dropped. Fields: title."""


@dataclass(frozen=True, slots=True)
class ReportHere:
    """A report with its activity."""

    id: int
    activity: ActivityHere
    state: ReportState
    words: str
    goes_at: datetime | None


@dataclass(frozen=True, slots=True)
class Tally:
    """What there is to tell: how many came, their minutes of both kinds, the names that may be read, the photos."""

    came: int
    recorded: int
    vouched: int
    names: tuple[str, ...]
    photos: int = 0


# -- actions ----------------------------------------

_DRAFT = Prepared(
    lambda insert: insert(Report).on_conflict_do_nothing(),
    makes=Report.id,
    columns=("community_id", "activity_id", "state", "drafted_at", "goes_at"),
)


def draft_report(
    session: Session, *, activity: ActivityHere, goes_at: datetime | None, now: datetime
) -> ReportHere | None:
    """Drafts the report of an activity that is over and to which somebody came; None where there is one already.

    Raises NoReport.
    """
    if now < activity.ends_at or activity.state is ActivityState.CANCELLED or not stays_at(session, activity=activity):
        raise NoReport(number=activity.number, title=activity.title)
    row = _DRAFT.first(
        session,
        community_id=activity.community_id,
        activity_id=activity.id,
        state=ReportState.DRAFTED,
        drafted_at=now,
        goes_at=goes_at,
    )
    return ReportHere(row[0], activity, ReportState.DRAFTED, "", goes_at) if row else None


def word_report(session: Session, *, report: ReportHere, words: str) -> None:
    """Lets the thanks be in these words. Raises ReportEnded."""
    _change(session, report, ReportState.DRAFTED, words=words)


def end_report(session: Session, *, report: ReportHere, state: ReportState, by: int | None, now: datetime) -> None:
    """Says that a report went out, or was dropped: of two who do so at once the second hears it. Raises ReportEnded."""
    _change(session, report, ReportState.DRAFTED, state=state, ended_at=now, ended_by=by)


def hold_report(session: Session, *, report: ReportHere) -> None:
    """Lets a report wait for the organiser, for the bot can write to none of its groups. Raises ReportEnded."""
    _change(session, report, ReportState.DRAFTED, goes_at=None)


def keep_report(session: Session, *, report: ReportHere) -> None:
    """Lets a report that was dropped be there again. Raises ReportEnded."""
    _change(session, report, ReportState.DROPPED, state=ReportState.DRAFTED, ended_at=None, ended_by=None)


def _change(session: Session, report: ReportHere, standing: ReportState, **values: object) -> None:
    """Changes a report that stands there still. Raises ReportEnded."""
    changed = session.scalar(
        update(Report)
        .where(
            Report.community_id == report.activity.community_id,
            Report.id == report.id,
            Report.state == standing,
        )
        .values(**values)
        .returning(Report.id)
    )
    if changed is None:
        raise ReportEnded(title=report.activity.title)


# -- queries ----------------------------------------


def find_report(session: Session, *, activity: ActivityHere) -> ReportHere | None:
    """The report of an activity; None where none was drafted."""
    row = session.execute(
        select(Report.id, Report.state, Report.words, Report.goes_at).where(
            Report.community_id == activity.community_id, Report.activity_id == activity.id
        )
    ).one_or_none()
    return ReportHere(row.id, activity, ReportState(row.state), row.words, row.goes_at) if row else None


_UNTOLD = Prepared(
    select(Activity.number)
    .where(
        Activity.community_id == bindparam("community_id"),
        Activity.state == ActivityState.PUBLISHED,
        Activity.ends_at <= bindparam("until"),
        Activity.ends_at > bindparam("after"),
        exists().where(
            CheckIn.community_id == Activity.community_id,
            CheckIn.activity_id == Activity.id,
            CheckIn.undone_at.is_(None),
        ),
        ~exists().where(Report.community_id == Activity.community_id, Report.activity_id == Activity.id),
    )
    .order_by(Activity.ends_at, Activity.number)
)


def untold(session: Session, *, community_id: int, now: datetime, after: timedelta) -> list[ActivityHere]:
    """What ended at least `after` ago and not long ago, to which somebody came, and of which nothing was told yet."""
    ended = _UNTOLD.all(session, community_id=community_id, after=now - FRESH, until=now - after)
    return [find_activity(session, community_id=community_id, number=number) for (number,) in ended]


_WAITING = Prepared(
    select(Report.id, Activity.number, Report.words, Report.goes_at)
    .join(Activity, Report.activity_id == Activity.id)
    .where(
        Report.community_id == bindparam("community_id"),
        Report.state == ReportState.DRAFTED,
        Report.goes_at <= bindparam("until"),
    )
    .order_by(Report.id)
)


def waiting_reports(session: Session, *, community_id: int, now: datetime) -> list[ReportHere]:
    """Reports that go out now without an answer."""
    return [
        ReportHere(
            report_id,
            find_activity(session, community_id=community_id, number=number),
            ReportState.DRAFTED,
            words,
            goes_at,
        )
        for report_id, number, words, goes_at in _WAITING.all(session, community_id=community_id, until=now)
    ]


def tally_of(session: Session, *, activity: ActivityHere) -> Tally:
    """What there is to tell of an activity; the names only of those who do not hide theirs."""
    stays = stays_at(session, activity=activity)
    now = people_now(session, community_id=activity.community_id, member_ids=[stay.member_id for stay in stays])
    people = {now[stay.member_id].id: now[stay.member_id] for stay in stays}
    return Tally(
        len(people),
        sum(stay.recorded for stay in stays),
        sum(stay.vouched for stay in stays),
        tuple(one.name for one in people.values() if not one.hides_name),
        len(photos.of(session, community_id=activity.community_id, ref=activity.ref)),
    )


def organiser_of(session: Session, *, activity: ActivityHere, now: datetime) -> Neighbour | None:
    """Whom an activity is asked about: who announced it, while they hold a role there; else the nearest who does."""
    here = activity.community_id
    unit = unit_by_id(session, community_id=here, unit_id=activity.unit_id)
    if activity.made_by is not None:
        maker = keeper_of(session, community_id=here, member_id=activity.made_by)
        held = roles_held(session, community_id=here, member_id=maker, now=now)
        if any(term.role.rank >= Role.STAFF.rank and covers(term.unit.path, unit.path) for term in held):
            return member_by_id(session, community_id=here, member_id=maker)
    nearest = people_in_scope(session, community_id=here, path=unit.path, role=Role.STAFF, now=now)
    return nearest[0] if nearest else None


def heard_by(session: Session, *, activity: ActivityHere, reach: Reach) -> list[Spoken]:
    """The groups that an activity is told of, and of each whether the bot can write to it."""
    here = activity.community_id
    unit = unit_by_id(session, community_id=here, unit_id=activity.unit_id)
    joined = organisations(session, community_id=here)
    return with_ears(session, here, audience(groups_of(session, community_id=here), unit.path, joined), reach)


INVARIANTS = (
    Invariant(
        "reports.ended",
        select(Report.id).where(
            or_(
                Report.state.not_in(list(ReportState)),
                (Report.state == ReportState.DRAFTED) != Report.ended_at.is_(None),
            )
        ),
    ),
)
