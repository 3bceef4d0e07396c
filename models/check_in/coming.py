"""Somebody comes: one row, and the points for coming."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, and_, bindparam, func, select, text
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models import ledger
from models.activities import Activity, ActivityCancelled, ActivityHere, ActivityOver, ActivityState, Signup
from models.base import Base, Refusal
from models.check_in.ways import PLAIN, CheckInTerms, Terms, Way, read_terms
from models.database import Prepared
from models.ledger import Currency, SystemAccount
from models.points import NO_RULE, RULE_COLUMNS, PointRule, Rule, multiplied, within_caps


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
    """Who said so: the person, whoever spoke for them, or whoever is in charge."""
    way: Mapped[str] = mapped_column(String(8), server_default=Way.WORD)
    """How it was shown."""
    companions: Mapped[int] = mapped_column(Integer, server_default="0")
    """How many people without an account of their own came along."""
    undone_at: Mapped[datetime | None]


class CheckInNotOpen(Refusal):
    """Too early. Fields: number, title, opens_at."""


class AlreadyCheckedIn(Refusal):
    """Came already. Fields: number, title, at."""


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
        CheckInTerms.ways,
        CheckInTerms.latitude,
        CheckInTerms.longitude,
        CheckInTerms.radius_metres,
    )
    .outerjoin(
        CheckInTerms,
        and_(CheckInTerms.community_id == Activity.community_id, CheckInTerms.activity_id == Activity.id),
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
    columns=("community_id", "activity_id", "member_id", "at", "made_by", "way", "companions"),
)

LIVE = Prepared(
    select(CheckIn.id, CheckIn.at, CheckIn.way)
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
    """An activity with the point rule in force, and what it asks of whoever comes."""

    activity: ActivityHere
    rule: Rule
    terms: Terms = PLAIN


def find_coming(session: Session, *, community_id: int, number: int, now: datetime) -> Coming | None:
    """The activity of this number with the rule in force now, held against being called off; None without one."""
    row = _FIND_OPEN.first(session, community=community_id, number_=number, now=now)
    if row is None:
        return None
    fields = [row[0], community_id, number, *row[1:9], ActivityState(row[9]), *row[10:12]]
    activity = ActivityHere(*fields)
    return Coming(activity, NO_RULE if row[12] is None else Rule(*row[12:20]), read_terms(*row[20:24]))


@dataclass(frozen=True, slots=True)
class CheckedIn:
    """A check-in in the books: the points it earned, and the balance since."""

    id: int
    points: int
    balance: int


def refuse_at_this_hour(activity: ActivityHere, now: datetime) -> None:
    """Raises ActivityCancelled, CheckInNotOpen, ActivityOver where nobody can check in now."""
    if activity.state is ActivityState.CANCELLED:
        raise ActivityCancelled(number=activity.number, title=activity.title, reason=activity.cancel_reason)
    if now < activity.check_in_opens_at:
        raise CheckInNotOpen(number=activity.number, title=activity.title, opens_at=activity.check_in_opens_at)
    if now >= activity.ends_at:
        raise ActivityOver(number=activity.number, title=activity.title, ends_at=activity.ends_at)


def refuse_twice(session: Session, *, activity: ActivityHere, member_id: int) -> None:
    """Raises AlreadyCheckedIn for somebody who is there: they are asked for nothing."""
    live = LIVE.first(session, community=activity.community_id, activity=activity.id, member=member_id)
    if live is not None:
        raise AlreadyCheckedIn(number=activity.number, title=activity.title, at=live[1])


def check_in(
    session: Session,
    *,
    coming: Coming,
    member_id: int,
    made_by: int,
    now: datetime,
    way: Way = Way.WORD,
    companions: int = 0,
) -> CheckedIn:
    """Somebody is there, as they have shown in this `way`: one row, and the points for coming.

    Raises ActivityCancelled, CheckInNotOpen, ActivityOver, AlreadyCheckedIn.
    """
    activity = coming.activity
    refuse_at_this_hour(activity, now)
    row = _INSERT.first(
        session,
        community_id=activity.community_id,
        activity_id=activity.id,
        member_id=member_id,
        at=now,
        made_by=made_by,
        way=way,
        companions=companions,
    )
    if row is None:
        live = LIVE.first(session, community=activity.community_id, activity=activity.id, member=member_id)
        raise AlreadyCheckedIn(number=activity.number, title=activity.title, at=live[1] if live else now)
    check_in_id: int = row[0]
    base = coming.rule.base if activity.points is None else activity.points
    points, balance = earn(
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


_PARTY = Prepared(
    select(Signup.companions).where(
        Signup.community_id == bindparam("community"),
        Signup.activity_id == bindparam("activity"),
        Signup.member_id == bindparam("member"),
        Signup.undone_at.is_(None),
    )
)


def companions_expected(session: Session, *, activity: ActivityHere, member_id: int) -> int:
    """How many companions somebody signed up with; none without a sign-up."""
    row = _PARTY.first(session, community=activity.community_id, activity=activity.id, member=member_id)
    return 0 if row is None else int(row[0])


def earn(
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
    """Gives the points as far as the caps allow; returns how many, and the balance since."""
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
