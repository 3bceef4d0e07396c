"""Coming and going: who was there, from when to when, and what it earned.

Somebody says 签到 at the place; the points for coming are theirs at once. Who says 签退 gets the recorded minutes and
the points per hour; who forgets is checked out at the planned end.

- A person has one live check-in for an activity, and one live check-out for a check-in.
- A check-in lies in the activity's window, in community time.
- Nobody is at an activity that was called off: those who were there were checked out in that moment.
- A check-in has its points in the ledger under `check-in:<id>`, where the rule gives any.
- Recorded minutes are those between coming and going, inside the activity's own hours.
"""

from collections.abc import Sequence
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
    bindparam,
    cast,
    except_,
    func,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, aliased, mapped_column

from models import ledger
from models.activities import Activity, ActivityCancelled, ActivityHere, ActivityOver, ActivityState
from models.base import Base, Invariant, Refusal
from models.clock import whole_minutes
from models.database import Prepared
from models.ledger import Currency, SystemAccount, Transfer
from models.points import NO_RULE, RULE_COLUMNS, PointRule, Rule, for_minutes, multiplied, within_caps

TELL_WITHIN = timedelta(hours=12)
"""How long it still helps somebody to hear that they were checked out."""


class CheckIn(Base):
    """Somebody came."""

    __tablename__ = "check_ins"
    __table_args__ = (
        Index(
            "uq_check_ins_live",
            "community_id",
            "activity_id",
            "member_id",
            unique=True,
            sqlite_where=text("undone_at IS NULL"),
            postgresql_where=text("undone_at IS NULL"),
        ),
        Index("ix_check_ins_member", "community_id", "member_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    activity_id: Mapped[int] = mapped_column(ForeignKey("activities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    at: Mapped[datetime]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    undone_at: Mapped[datetime | None]


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


class CheckInNotOpen(Refusal):
    """Too early. Fields: number, title, opens_at."""


class AlreadyCheckedIn(Refusal):
    """Came already. Fields: number, title, at."""


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

_latest = aliased(PointRule)
_RULE_IN_FORCE = (
    select(func.max(_latest.since))
    .where(
        _latest.community_id == Activity.community_id,
        _latest.kind == "activity",
        _latest.since <= bindparam("now"),
    )
    .correlate(Activity)
    .scalar_subquery()
)

_FIND_OPEN = Prepared(
    select(
        Activity.id,
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
        *RULE_COLUMNS,
    )
    .outerjoin(
        PointRule,
        and_(
            PointRule.community_id == Activity.community_id,
            PointRule.kind == "activity",
            PointRule.since == _RULE_IN_FORCE,
        ),
    )
    .where(Activity.community_id == bindparam("community"), Activity.number == bindparam("number_"))
    # Held until the unit ends, as the row that refers to it will hold it anyway: who calls the activity off waits for
    # those who are just coming or going, and whoever comes after that reads that it was called off.
    .with_for_update(read=True, key_share=True, of=Activity)
)

_INSERT = Prepared(
    lambda insert: insert(CheckIn).on_conflict_do_nothing(),
    makes=CheckIn.id,
    columns=("community_id", "activity_id", "member_id", "at", "made_by"),
)

_LIVE = Prepared(
    select(CheckIn.id, CheckIn.at)
    .where(
        CheckIn.community_id == bindparam("community"),
        CheckIn.activity_id == bindparam("activity"),
        CheckIn.member_id == bindparam("member"),
        CheckIn.undone_at.is_(None),
    )
    # Who takes the check-in back at this moment is waited for, and then there is none to check out of.
    .with_for_update(key_share=True)
)


@dataclass(frozen=True, slots=True)
class Coming:
    """An activity with the point rule in force."""

    activity: ActivityHere
    rule: Rule


def find_coming(session: Session, *, community_id: int, number: int, now: datetime) -> Coming | None:
    """The activity of this number with the rule in force now, held against being called off; None without one."""
    row = _FIND_OPEN.first(session, community=community_id, number_=number, now=now)
    if row is None:
        return None
    fields = [row[0], community_id, number, *row[1:9], ActivityState(row[9]), *row[10:12]]
    activity = ActivityHere(*fields)
    return Coming(activity, NO_RULE if row[12] is None else Rule(*row[12:20]))


@dataclass(frozen=True, slots=True)
class CheckedIn:
    """A check-in in the books: the points it earned, and the balance since."""

    id: int
    points: int
    balance: int


def check_in(session: Session, *, coming: Coming, member_id: int, made_by: int, now: datetime) -> CheckedIn:
    """Somebody is there: one row, and the points for coming.

    Raises ActivityCancelled, CheckInNotOpen, ActivityOver, AlreadyCheckedIn.
    """
    activity = coming.activity
    if activity.state is ActivityState.CANCELLED:
        raise ActivityCancelled(number=activity.number, title=activity.title, reason=activity.cancel_reason)
    if now < activity.check_in_opens_at:
        raise CheckInNotOpen(number=activity.number, title=activity.title, opens_at=activity.check_in_opens_at)
    if now >= activity.ends_at:
        raise ActivityOver(number=activity.number, title=activity.title, ends_at=activity.ends_at)
    row = _INSERT.first(
        session,
        community_id=activity.community_id,
        activity_id=activity.id,
        member_id=member_id,
        at=now,
        made_by=made_by,
    )
    if row is None:
        live = _LIVE.first(session, community=activity.community_id, activity=activity.id, member=member_id)
        raise AlreadyCheckedIn(number=activity.number, title=activity.title, at=live[1] if live else now)
    check_in_id: int = row[0]
    base = coming.rule.base if activity.points is None else activity.points
    points, balance = _earn(
        session,
        activity,
        coming.rule,
        member_id=member_id,
        key=f"check-in:{check_in_id}",
        points=multiplied(base, activity.starts_at, coming.rule),
        reason="check_in",
        made_by=made_by,
        now=now,
    )
    return CheckedIn(check_in_id, points, balance)


def _earn(
    session: Session,
    activity: ActivityHere,
    rule: Rule,
    *,
    member_id: int,
    key: str,
    points: int,
    reason: str,
    made_by: int | None,
    now: datetime,
) -> tuple[int, int]:
    if rule.day_max or rule.month_max:
        points = within_caps(
            session,
            community_id=activity.community_id,
            member_id=member_id,
            points=points,
            rule=rule,
            now=now,
        )
    if points <= 0:
        balance = ledger.balance_of(
            session, community_id=activity.community_id, member_id=member_id, currency=Currency.POINTS
        )
        return 0, balance
    posted = ledger.transfer(
        session,
        community_id=activity.community_id,
        key=key,
        currency=Currency.POINTS,
        debit=SystemAccount.ISSUED,
        credit=member_id,
        amount=points,
        reason=reason,
        ref=activity.ref,
        made_by=made_by,
        at=now,
    )
    assert posted is not None
    return points, posted.balance


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """A check-out in the books."""

    id: int
    minutes: int
    points: int
    balance: int


def check_out(session: Session, *, coming: Coming, member_id: int, made_by: int | None, now: datetime) -> CheckedOut:
    """Somebody leaves: the recorded minutes, and the points per hour. Raises NotCheckedIn, AlreadyCheckedOut."""
    activity = coming.activity
    live = _LIVE.first(session, community=activity.community_id, activity=activity.id, member=member_id)
    if live is None:
        raise NotCheckedIn(number=activity.number, title=activity.title)
    return _leave(session, coming, member_id=member_id, check_in_id=live[0], came=live[1], made_by=made_by, now=now)


def _leave(
    session: Session,
    coming: Coming,
    *,
    member_id: int,
    check_in_id: int,
    came: datetime,
    made_by: int | None,
    now: datetime,
) -> CheckedOut:
    activity = coming.activity
    minutes = served_minutes(came, now, activity.starts_at, activity.ends_at)
    row = _INSERT_OUT.first(
        session,
        community_id=activity.community_id,
        check_in_id=check_in_id,
        at=max(came, min(now, activity.ends_at)),  # two clocks may differ by a little
        minutes=minutes,
        made_by=made_by,
    )
    if row is None:
        before = session.scalar(
            select(CheckOut.minutes).where(
                CheckOut.community_id == activity.community_id,
                CheckOut.check_in_id == check_in_id,
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
            credit=member_id,
            amount=minutes,
            reason="service",
            ref=activity.ref,
            made_by=made_by,
            at=now,
        )
    points, balance = _earn(
        session,
        activity,
        coming.rule,
        member_id=member_id,
        key=f"hours:{check_out_id}",
        points=multiplied(for_minutes(minutes, coming.rule), activity.starts_at, coming.rule),
        reason="hours",
        made_by=made_by,
        now=now,
    )
    return CheckedOut(check_out_id, minutes, points, balance)


_STAYS = and_(CheckOut.check_in_id == CheckIn.id, CheckOut.undone_at.is_(None))

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
        select(CheckIn.id, CheckIn.member_id, CheckIn.at)
        .outerjoin(CheckOut, _STAYS)
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
            _leave(session, coming, member_id=row.member_id, check_in_id=row.id, came=row.at, made_by=by, now=now),
        )
        for row in there
    ]


def call_back(
    session: Session, *, activity: ActivityHere, check_outs: Sequence[int], by: int, now: datetime
) -> list[int]:
    """Lets those be there again who were sent home, where the activity takes place after all; returns the members."""
    back = []
    for check_out_id in check_outs:
        try:
            undo_check_out(session, community_id=activity.community_id, check_out_id=check_out_id, by=by, now=now)
        except NoSuchCheckIn:
            continue  # they took their check-in back in the meantime
        back.append(check_out_id)
    return list(
        session.scalars(
            select(CheckIn.member_id)
            .join(CheckOut, CheckOut.check_in_id == CheckIn.id)
            .where(CheckIn.community_id == activity.community_id, CheckOut.id.in_(back))
            .order_by(CheckIn.id)
        )
    )


def undo_check_in(session: Session, *, community_id: int, check_in_id: int, by: int, now: datetime) -> str:
    """Takes a check-in back with all that it earned; returns the activity's title. Raises NoSuchCheckIn."""
    row = session.execute(
        update(CheckIn)
        .where(CheckIn.community_id == community_id, CheckIn.id == check_in_id, CheckIn.undone_at.is_(None))
        .values(undone_at=now)
        .returning(CheckIn.activity_id)
    ).one_or_none()
    if row is None:
        raise NoSuchCheckIn(id=check_in_id)
    outs = session.scalars(
        update(CheckOut)
        .where(
            CheckOut.community_id == community_id,
            CheckOut.check_in_id == check_in_id,
            CheckOut.undone_at.is_(None),
        )
        .values(undone_at=now)
        .returning(CheckOut.id)
    ).all()
    keys = [f"check-in:{check_in_id}"]
    for out in outs:
        keys += [f"check-out:{out}", f"hours:{out}"]
    ledger.correct_all(session, community_id=community_id, keys=keys, made_by=by, at=now)
    return session.execute(
        select(Activity.title).where(Activity.community_id == community_id, Activity.id == row.activity_id)
    ).scalar_one()


def undo_check_out(session: Session, *, community_id: int, check_out_id: int, by: int, now: datetime) -> str:
    """Takes a check-out back: the person is there again. Returns the activity's title.

    Raises NoSuchCheckIn, and ActivityCancelled and NothingToStayFor where nobody can be there any more.
    """
    activity = session.execute(
        select(Activity.number, Activity.title, Activity.ends_at, Activity.state, Activity.cancel_reason)
        .join(CheckIn, CheckIn.activity_id == Activity.id)
        .join(CheckOut, CheckOut.check_in_id == CheckIn.id)
        .where(CheckOut.community_id == community_id, CheckOut.id == check_out_id)
        # Held as it is for a check-in: who calls it off must find everybody who is there.
        .with_for_update(read=True, key_share=True, of=Activity)
    ).one_or_none()
    if activity is None:
        raise NoSuchCheckIn(id=check_out_id)
    if activity.state == ActivityState.CANCELLED:
        raise ActivityCancelled(number=activity.number, title=activity.title, reason=activity.cancel_reason)
    if now >= activity.ends_at:
        raise NothingToStayFor(title=activity.title, ends_at=activity.ends_at)
    undone = session.execute(
        update(CheckOut)
        .where(CheckOut.community_id == community_id, CheckOut.id == check_out_id, CheckOut.undone_at.is_(None))
        .values(undone_at=now)
        .returning(CheckOut.id)
    ).one_or_none()
    if undone is None:
        raise NoSuchCheckIn(id=check_out_id)
    ledger.correct_all(
        session,
        community_id=community_id,
        keys=[f"check-out:{check_out_id}", f"hours:{check_out_id}"],
        made_by=by,
        at=now,
    )
    title: str = activity.title
    return title


# -- queries ----------------------------------------


def where_checked_in(session: Session, *, community_id: int, member_id: int) -> list[int]:
    """The numbers of the activities at which somebody is now: came, and has not left; newest first."""
    return list(
        session.scalars(
            select(Activity.number)
            .join(CheckIn, CheckIn.activity_id == Activity.id)
            .outerjoin(CheckOut, _STAYS)
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
            .outerjoin(CheckOut, _STAYS)
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


def left_open(session: Session, *, community_id: int, after: datetime, until: datetime) -> bool:
    """Whether somebody is still there at an activity that ended in `(after, until]`."""
    row = session.execute(
        select(CheckIn.id)
        .join(Activity, CheckIn.activity_id == Activity.id)
        .outerjoin(CheckOut, _STAYS)
        .where(
            Activity.community_id == community_id,
            Activity.state == ActivityState.PUBLISHED,
            Activity.ends_at > after,
            Activity.ends_at <= until,
            CheckIn.undone_at.is_(None),
            CheckOut.id.is_(None),
        )
        .limit(1)
    )
    return row.first() is not None


def how_many_came(session: Session, *, community_id: int, activity_id: int) -> int:
    """Live check-ins of an activity."""
    return int(
        session.execute(
            select(func.count()).where(
                CheckIn.community_id == community_id,
                CheckIn.activity_id == activity_id,
                CheckIn.undone_at.is_(None),
            )
        ).scalar_one()
    )


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
        .outerjoin(CheckOut, _STAYS)
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
