"""Somebody leaves: the recorded minutes, and the points per hour."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    ForeignKey,
    Index,
    Integer,
    Select,
    String,
    and_,
    cast,
    except_,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, aliased, mapped_column

from models import ledger
from models.activities import Activity, ActivityHere, ActivityState
from models.base import Base, Invariant, Refusal
from models.check_in.coming import LIVE, CheckIn, Coming, earn, find_coming
from models.check_in.vouching import add_vouching
from models.check_in.ways import Way
from models.clock import whole_minutes
from models.database import Prepared
from models.ledger import Currency, SystemAccount, Transfer
from models.points import PointRule, for_minutes, multiplied

TELL_WITHIN = timedelta(hours=12)
"""How long it still helps somebody to hear that they were checked out."""


class CheckOut(Base):
    """Somebody left."""

    __tablename__ = "check_outs"
    __table_args__ = (
        Index(
            "uq_check_outs_live",
            "community_id",
            "check_in_id",
            unique=True,
            sqlite_where=text("undone_at IS NULL"),
            postgresql_where=text("undone_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    check_in_id: Mapped[int] = mapped_column(ForeignKey("check_ins.id"))
    at: Mapped[datetime]
    minutes: Mapped[int] = mapped_column(Integer)
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    """None: closed by the job at the planned end."""
    undone_at: Mapped[datetime | None]


class NotCheckedIn(Refusal):
    """Nothing to check out of. Fields: number, title."""


class AlreadyCheckedOut(Refusal):
    """Left already. Fields: number, title, minutes."""


class NothingToStayFor(Refusal):
    """The activity is over, so that a check-out stands as it is. Fields: title, ends_at."""


class NoSuchCheckIn(Refusal):
    """The act is not there any more. Fields: id."""


# -- rules ----------------------------------------


def served_minutes(came: datetime, left: datetime, starts_at: datetime, ends_at: datetime) -> int:
    """Recorded minutes: between coming and going, inside the activity's own hours."""
    return whole_minutes(max(came, starts_at), min(left, ends_at))


# -- actions ----------------------------------------


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """A check-out in the books."""

    id: int
    minutes: int
    """Recorded by the machine."""
    points: int
    balance: int
    vouched: int = 0
    """Minutes that the organiser stands for, because nobody but them saw the person come."""


def check_out(session: Session, *, coming: Coming, member_id: int, made_by: int | None, now: datetime) -> CheckedOut:
    """Somebody leaves: the recorded minutes, and the points per hour. Raises NotCheckedIn, AlreadyCheckedOut."""
    activity = coming.activity
    live = LIVE.first(session, community=activity.community_id, activity=activity.id, member=member_id)
    if live is None:
        raise NotCheckedIn(number=activity.number, title=activity.title)
    stay = Stay(live[0], member_id, live[1], Way(live[2]))
    return leave(session, coming, stay=stay, made_by=made_by, now=now)


@dataclass(frozen=True, slots=True)
class Stay:
    """Somebody who is there."""

    check_in_id: int
    member_id: int
    came: datetime
    way: Way


def leave(session: Session, coming: Coming, *, stay: Stay, made_by: int | None, now: datetime) -> CheckedOut:
    """Ends a stay. The machine recorded only what it saw the beginning of. Raises AlreadyCheckedOut."""
    activity = coming.activity
    served = served_minutes(stay.came, now, activity.starts_at, activity.ends_at)
    minutes = 0 if stay.way is Way.VOUCHED else served
    row = _INSERT_OUT.first(
        session,
        community_id=activity.community_id,
        check_in_id=stay.check_in_id,
        at=max(stay.came, min(now, activity.ends_at)),  # two clocks may differ by a little
        minutes=minutes,
        made_by=made_by,
    )
    if row is None:
        before = session.scalar(
            select(CheckOut.minutes).where(
                CheckOut.community_id == activity.community_id,
                CheckOut.check_in_id == stay.check_in_id,
                CheckOut.undone_at.is_(None),
            )
        )
        raise AlreadyCheckedOut(number=activity.number, title=activity.title, minutes=before)
    check_out_id: int = row[0]
    if minutes:
        ledger.transfer(
            session,
            community_id=activity.community_id,
            key=f"check-out:{check_out_id}",
            currency=Currency.RECORDED_MINUTES,
            debit=SystemAccount.ISSUED,
            credit=stay.member_id,
            amount=minutes,
            reason="service",
            ref=activity.ref,
            made_by=made_by,
            at=now,
        )
    points, balance = earn(
        session,
        activity,
        coming.rule,
        member_id=stay.member_id,
        key=f"hours:{check_out_id}",
        points=multiplied(for_minutes(minutes, coming.rule), activity.starts_at, coming.rule),
        reason="hours",
        made_by=made_by,
        now=now,
    )
    if stay.way is not Way.VOUCHED or not served:
        return CheckedOut(check_out_id, minutes, points, balance)
    vouched = add_vouching(
        session,
        coming=coming,
        check_in_id=stay.check_in_id,
        member_id=stay.member_id,
        recorded=0,
        minutes=served,
        by=made_by,
        now=now,
    )
    return CheckedOut(check_out_id, 0, vouched.points, vouched.balance, served)


STAYS = and_(CheckOut.check_in_id == CheckIn.id, CheckOut.undone_at.is_(None))

_INSERT_OUT = Prepared(
    lambda insert: insert(CheckOut).on_conflict_do_nothing(),
    makes=CheckOut.id,
    columns=("community_id", "check_in_id", "at", "minutes", "made_by"),
)


@dataclass(frozen=True, slots=True)
class SentHome:
    """Somebody who was there when the activity was called off."""

    member_id: int
    left: CheckedOut


def send_home(session: Session, *, activity: ActivityHere, by: int | None, now: datetime) -> list[SentHome]:
    """Checks everybody out who is at an activity that has just been called off: what they have earned is theirs."""
    coming = find_coming(session, community_id=activity.community_id, number=activity.number, now=now)
    assert coming is not None
    there = session.execute(
        select(CheckIn.id, CheckIn.member_id, CheckIn.at, CheckIn.way)
        .outerjoin(CheckOut, STAYS)
        .where(
            CheckIn.community_id == activity.community_id,
            CheckIn.activity_id == activity.id,
            CheckIn.undone_at.is_(None),
            CheckOut.id.is_(None),
        )
        # In the order of ids, in which two transfers of one person wait for each other.
        .order_by(CheckIn.member_id)
    ).all()
    return [
        SentHome(
            row.member_id,
            leave(session, coming, stay=Stay(row.id, row.member_id, row.at, Way(row.way)), made_by=by, now=now),
        )
        for row in there
    ]


# -- proof ----------------------------------------

_back = aliased(Transfer)


def _under(row: type[CheckIn] | type[CheckOut], *prefixes: str) -> ColumnElement[bool]:
    keys = [literal(f"{prefix}:") + cast(row.id, String) for prefix in prefixes]
    return and_(Transfer.community_id == row.community_id, Transfer.key.in_(keys))


def _not_given_back(row: type[CheckIn] | type[CheckOut], *prefixes: str) -> Select[int]:
    return (
        select(row.id)
        .join(Transfer, _under(row, *prefixes))
        .outerjoin(_back, _back.corrects == Transfer.id)
        .where(row.undone_at.is_not(None), _back.id.is_(None))
    )


def _orphans(row: type[CheckIn] | type[CheckOut], reasons: list[str], *prefixes: str) -> CompoundSelect[int]:
    # A difference of two sets, because no index finds the row by the text of a key.
    return except_(
        select(Transfer.id).where(Transfer.reason.in_(reasons)),
        select(Transfer.id).join(row, _under(row, *prefixes)),
    )


def _twice(row: type[CheckIn] | type[CheckOut], *keys: InstrumentedAttribute[int]) -> Select[int]:
    return (
        select(func.min(row.id))
        .where(row.undone_at.is_(None))
        .group_by(row.community_id, *keys)
        .having(func.count() > 1)
    )


# The rule that held when somebody came, by the key of its moment.
_then = aliased(PointRule)
_since = (
    select(func.max(_then.since))
    .where(_then.community_id == CheckIn.community_id, _then.kind == "activity", _then.since <= CheckIn.at)
    .correlate(CheckIn)
    .scalar_subquery()
)

INVARIANTS = (
    Invariant("check_ins.once", _twice(CheckIn, CheckIn.activity_id, CheckIn.member_id)),
    Invariant("check_outs.once", _twice(CheckOut, CheckOut.check_in_id)),
    Invariant(
        # Where points are given and no cap can have kept them back, coming has earned some.
        "check_ins.points",
        select(CheckIn.id)
        .join(Activity, CheckIn.activity_id == Activity.id)
        .outerjoin(
            PointRule,
            and_(
                PointRule.community_id == CheckIn.community_id,
                PointRule.kind == "activity",
                PointRule.since == _since,
            ),
        )
        .outerjoin(Transfer, _under(CheckIn, "check-in"))
        .where(
            Transfer.id.is_(None),
            func.coalesce(Activity.points, PointRule.base, 0) > 0,
            func.coalesce(PointRule.day_max, 0) == 0,
            func.coalesce(PointRule.month_max, 0) == 0,
        ),
    ),
    # What was earned went to whoever came.
    Invariant(
        "check_ins.earner",
        select(CheckIn.id).join(Transfer, _under(CheckIn, "check-in")).where(Transfer.credit != CheckIn.member_id),
    ),
    Invariant(
        "check_outs.earner",
        select(CheckOut.id)
        .join(CheckIn, CheckOut.check_in_id == CheckIn.id)
        .join(Transfer, _under(CheckOut, "check-out", "hours"))
        .where(Transfer.credit != CheckIn.member_id),
    ),
    Invariant(
        "check_outs.window",
        select(CheckOut.id)
        .join(CheckIn, CheckOut.check_in_id == CheckIn.id)
        .join(Activity, CheckIn.activity_id == Activity.id)
        .where((CheckOut.at < CheckIn.at) | (CheckOut.at > Activity.ends_at)),
    ),
    Invariant(
        "check_ins.window",
        select(CheckIn.id)
        .join(Activity, CheckIn.activity_id == Activity.id)
        .where((CheckIn.at < Activity.check_in_opens_at) | (CheckIn.at >= Activity.ends_at)),
    ),
    # What was taken back has given back what it earned, and what was earned has its row.
    Invariant("check_ins.undone", _not_given_back(CheckIn, "check-in")),
    Invariant("check_ins.orphan_points", _orphans(CheckIn, ["check_in"], "check-in")),
    Invariant("check_outs.undone", _not_given_back(CheckOut, "check-out", "hours")),
    Invariant("check_outs.orphan_points", _orphans(CheckOut, ["service", "hours"], "check-out", "hours")),
    # Nobody came in a way that there is not.
    Invariant("check_ins.way", select(CheckIn.id).where(CheckIn.way.not_in(list(Way)))),
    # What the machine did not see begin it did not record.
    Invariant(
        "check_outs.vouched",
        select(CheckOut.id)
        .join(CheckIn, CheckOut.check_in_id == CheckIn.id)
        .where(CheckIn.way == Way.VOUCHED, CheckOut.minutes > 0),
    ),
    Invariant(
        "check_outs.minutes",
        select(CheckOut.id)
        .outerjoin(Transfer, _under(CheckOut, "check-out"))
        .where(CheckOut.minutes != func.coalesce(Transfer.amount, 0)),
    ),
    Invariant(
        # Whoever was there was sent home, and nobody came afterwards.
        "check_ins.called_off",
        select(CheckIn.id)
        .join(Activity, CheckIn.activity_id == Activity.id)
        .outerjoin(CheckOut, STAYS)
        .where(Activity.state == ActivityState.CANCELLED, CheckIn.undone_at.is_(None), CheckOut.id.is_(None)),
    ),
    Invariant(
        # Nobody has left who is not there.
        "check_outs.check_in",
        select(CheckOut.id)
        .join(CheckIn, CheckOut.check_in_id == CheckIn.id)
        .where(CheckOut.undone_at.is_(None), CheckIn.undone_at.is_not(None)),
    ),
)
