"""Entries: the rows, what refuses them, and what must never be false of them.

- Who writes an entry holds the post. A day has at most so many entries of one person for one post, and the same words
  are written down once.
- Where the post asks for it, an entry counts only when somebody in charge, who is not its writer, has confirmed it.
- What counts has earned what its credits say: each is one transfer, under `duty:<id of the credit>`.
- Recorded minutes are those between coming and leaving; what somebody says of themselves is vouched minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
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
    case,
    cast,
    except_,
    false,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.base import Base, Invariant, Refusal
from models.clock import at, day_of
from models.ledger import Currency, Transfer
from models.posts import ClaimHere, ClaimState, PostHere, find_claim, post_by_id


class Settings(BaseModel):
    """[duties] 履职"""

    model_config = ConfigDict(extra="forbid")

    per_day_max: int = Field(default=2, ge=1, le=20, description="一个人在一个岗位上一天最多记几次履职")
    back_days: int = Field(default=2, ge=0, le=31, description="几天以前的履职还可以补记")
    minutes_max: int = Field(default=480, ge=10, le=1440, description="一次履职最多记多少分钟")


class EntryState(StrEnum):
    """Where an entry stands."""

    WAITING = "waiting"
    """Somebody in charge has to confirm it."""
    COUNTED = "counted"
    """It counts, and has earned what there is to earn."""
    REJECTED = "rejected"
    """It does not count, with a reason."""


class DutyLog(Base):
    """One entry: somebody did something for a post they hold."""

    __tablename__ = "duty_logs"
    __table_args__ = (
        UniqueConstraint("community_id", "number", name="uq_duty_logs_number"),
        CheckConstraint("minutes >= 0", name="minutes"),
        Index("ix_duty_logs_post", "community_id", "post_id", "done_at"),
        Index("ix_duty_logs_member", "community_id", "member_id", "done_at"),
        Index("ix_duty_logs_state", "community_id", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    number: Mapped[int | None]
    """Of the same row of numbers as everything that waits for somebody's word; None where nobody is asked."""
    note: Mapped[str] = mapped_column(String(200), server_default="")
    done_at: Mapped[datetime]
    """When it was done: noon of the day where only the day is known."""
    at: Mapped[datetime]
    """When it was said."""
    came_at: Mapped[datetime | None]
    """签到, by the machine's clock; None for what was only told."""
    left_at: Mapped[datetime | None]
    minutes: Mapped[int] = mapped_column(Integer, server_default="0")
    """How long it took; 0 where nobody knows."""
    measured: Mapped[bool] = mapped_column(Boolean, server_default=false())
    """Whether the machine has taken the time, or somebody has said it."""
    state: Mapped[str] = mapped_column(String(12))
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    reason: Mapped[str] = mapped_column(String(200), server_default="")
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))


class DutyCredit(Base):
    """What an entry that counts has earned: points or minutes, one transfer each."""

    __tablename__ = "duty_credits"
    __table_args__ = (
        Index(
            "uq_duty_credits_live",
            "community_id",
            "log_id",
            "currency",
            unique=True,
            sqlite_where=text("undone_at IS NULL"),
            postgresql_where=text("undone_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    log_id: Mapped[int] = mapped_column(ForeignKey("duty_logs.id"))
    currency: Mapped[str] = mapped_column(String(16))
    amount: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime]
    undone_at: Mapped[datetime | None]


class NotHolding(Refusal):
    """The post is not this person's. Fields: number, title."""


class DayAhead(Refusal):
    """That day has not come yet."""


class DayLongPast(Refusal):
    """Too late to write it down. Fields: days."""


class NotHoldingThen(Refusal):
    """The post was not theirs yet on that day. Fields: title, since."""


class LoggedAlready(Refusal):
    """The same words stand there for the day already. Fields: title, note."""


class LoggedTooOften(Refusal):
    """As many entries as a day may have. Fields: number, title, most."""


class NoteTooLong(Refusal):
    """More words than a line has room for. Fields: most."""


class TooManyMinutes(Refusal):
    """Longer than one entry may last. Fields: hours."""


class ThereAlready(Refusal):
    """签到 was said and 签退 was not. Fields: number, title, at."""


class NotThere(Refusal):
    """Nothing to leave: 签到 was not said today. Fields: number, title."""


class NoSuchEntry(Refusal):
    """No entry of this number that this person may decide, or take back. Fields: number."""


class OwnEntry(Refusal):
    """Nobody confirms their own. Fields: number."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as rules and sentences need it."""

    id: int
    post_id: int
    member_id: int
    number: int | None
    note: str
    done_at: datetime
    came_at: datetime | None
    left_at: datetime | None
    minutes: int
    measured: bool
    state: EntryState


COLUMNS = (
    DutyLog.id,
    DutyLog.post_id,
    DutyLog.member_id,
    DutyLog.number,
    DutyLog.note,
    DutyLog.done_at,
    DutyLog.came_at,
    DutyLog.left_at,
    DutyLog.minutes,
    DutyLog.measured,
    DutyLog.state,
)


def entry_here(row: Sequence[Any]) -> Entry:
    """A row of `COLUMNS`."""
    fields = list(row)
    fields[9], fields[10] = bool(fields[9]), EntryState(fields[10])
    return Entry(*fields)


# -- rules ----------------------------------------

NOTE_MOST = 100
"""Characters of a note."""
STAY_MOST = timedelta(hours=16)
"""Whoever said 签到 longer ago than that has forgotten to say 签退."""


def refuse_day(done: date, today: date, back_days: int) -> None:
    """Raises DayAhead and DayLongPast for a day of which nothing can be written down."""
    if done > today:
        raise DayAhead
    if done < today - timedelta(days=back_days):
        raise DayLongPast(days=back_days)


def moment_of(done: date, now: datetime) -> datetime:
    """When something was done of which only the day is known: now, or noon of another day."""
    return now if done == day_of(now) else at(done, 12)


# -- writing ----------------------------------------


def set_entry(session: Session, community_id: int, log_id: int, **values: Any) -> None:
    """Writes columns of an entry."""
    session.execute(update(DutyLog).where(DutyLog.community_id == community_id, DutyLog.id == log_id).values(**values))


def live_entry(session: Session, community_id: int, log_id: int) -> tuple[PostHere, Entry]:
    """An entry that stands, with its post; nobody else changes it until the end. Raises NoSuchEntry."""
    row = session.execute(
        select(*COLUMNS)
        .where(DutyLog.community_id == community_id, DutyLog.id == log_id, DutyLog.undone_at.is_(None))
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise NoSuchEntry(number=log_id)
    entry = entry_here(row)
    return post_by_id(session, community_id=community_id, post_id=entry.post_id), entry


# -- reading ----------------------------------------


def held_by(session: Session, post: PostHere, member_id: int) -> ClaimHere:
    """By which claim somebody holds a post. Raises NotHolding."""
    claim = find_claim(session, post=post, member_id=member_id)
    if claim is None or claim.state is not ClaimState.HELD:
        raise NotHolding(number=post.number, title=post.title)
    return claim


def entry_by_id(session: Session, *, community_id: int, log_id: int) -> Entry:
    """An entry by the id of its row."""
    return entry_here(
        session.execute(select(*COLUMNS).where(DutyLog.community_id == community_id, DutyLog.id == log_id)).one()
    )


_back = aliased(Transfer)
_booked = and_(
    Transfer.community_id == DutyCredit.community_id, Transfer.key == literal("duty:") + cast(DutyCredit.id, String)
)
_stands = and_(DutyCredit.log_id == DutyLog.id, DutyCredit.undone_at.is_(None))
_of_kind = case(
    (DutyLog.measured, literal(Currency.RECORDED_MINUTES.value)), else_=literal(Currency.VOUCHED_MINUTES.value)
)
_minutes = (
    select(func.coalesce(func.sum(DutyCredit.amount), 0))
    .where(_stands, DutyCredit.currency != Currency.POINTS, DutyCredit.currency == _of_kind)
    .correlate(DutyLog)
    .scalar_subquery()
)

INVARIANTS = (
    Invariant(
        "duty_logs.state",
        select(DutyLog.id).where(
            or_(
                DutyLog.state.not_in(list(EntryState)),
                (DutyLog.state == EntryState.WAITING)
                != and_(DutyLog.number.is_not(None), DutyLog.decided_at.is_(None)),
                and_(DutyLog.state == EntryState.REJECTED, DutyLog.number.is_(None)),
            )
        ),
    ),
    Invariant("duty_logs.undone", select(DutyLog.id).where(DutyLog.undone_at.is_(None) != DutyLog.undone_by.is_(None))),
    Invariant("duty_logs.decider", select(DutyLog.id).where(DutyLog.decided_by == DutyLog.member_id)),
    Invariant(
        # Nobody leaves who has not come, and the machine has taken no other time than its own.
        "duty_logs.stay",
        select(DutyLog.id).where(
            or_(
                and_(DutyLog.left_at.is_not(None), DutyLog.came_at.is_(None)),
                DutyLog.left_at < DutyLog.came_at,
                DutyLog.measured != DutyLog.left_at.is_not(None),
            )
        ),
    ),
    Invariant(
        # What counts has its minutes in the ledger, on the account of their kind.
        "duty_logs.minutes",
        select(DutyLog.id).where(
            DutyLog.undone_at.is_(None), DutyLog.state == EntryState.COUNTED, DutyLog.minutes != _minutes
        ),
    ),
    Invariant(
        "duty_credits.once",
        select(func.min(DutyCredit.id))
        .where(DutyCredit.undone_at.is_(None))
        .group_by(DutyCredit.community_id, DutyCredit.log_id, DutyCredit.currency)
        .having(func.count() > 1),
    ),
    Invariant(
        # Only what counts has earned anything.
        "duty_credits.counts",
        select(DutyCredit.id)
        .join(DutyLog, DutyCredit.log_id == DutyLog.id)
        .where(
            DutyCredit.undone_at.is_(None),
            or_(DutyLog.undone_at.is_not(None), DutyLog.state != EntryState.COUNTED),
        ),
    ),
    Invariant(
        "duty_credits.booked",
        select(DutyCredit.id)
        .join(DutyLog, DutyCredit.log_id == DutyLog.id)
        .outerjoin(
            Transfer,
            and_(
                _booked,
                Transfer.currency == DutyCredit.currency,
                Transfer.amount == DutyCredit.amount,
                Transfer.credit == DutyLog.member_id,
            ),
        )
        .where(DutyCredit.undone_at.is_(None), Transfer.id.is_(None)),
    ),
    Invariant(
        "duty_credits.undone",
        select(DutyCredit.id)
        .join(Transfer, _booked)
        .outerjoin(_back, _back.corrects == Transfer.id)
        .where(DutyCredit.undone_at.is_not(None), _back.id.is_(None)),
    ),
    Invariant(
        # A difference of two sets, because no index finds the row by the text of a key.
        "duty_credits.orphan_points",
        except_(
            select(Transfer.id).where(Transfer.reason == "duty"),
            select(Transfer.id).join(DutyCredit, _booked),
        ),
    ),
)
