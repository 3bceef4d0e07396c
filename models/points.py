"""Points: by which rules they are earned, who gives and takes them by hand, who disagrees, who stands where.

- Rules are data: what an activity earns, per hour, the caps, the multipliers for nights and festivals.
- What somebody gives by hand names its giver and its reason; nobody gives points to themselves.
- An appeal is decided by somebody in scope who is neither the giver nor the one who appeals; a decision adds transfers,
  it changes none.
- Who opted out is on no board, and still sees their own place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    Row,
    ScalarSelect,
    Select,
    String,
    UniqueConstraint,
    and_,
    case,
    cast,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models import ledger
from models.base import Base, Invariant, Refusal
from models.clock import day_of, local, month_of, months_back, start_of
from models.counters import next_number
from models.holidays import is_festival
from models.ledger import (
    AlreadyCorrected,
    Balance,
    Currency,
    Entry,
    MonthlyTotal,
    NoSuchTransfer,
    NotEnough,
    SystemAccount,
    Transfer,
    TransferNote,
)
from models.members import Member, Neighbour, Person, Role, member_by_id
from models.members.merging import keeper_of, one_person
from models.units import Unit, covers


class Settings(BaseModel):
    """[points] 积分"""

    model_config = ConfigDict(extra="forbid")

    activity_points: int = Field(2, ge=0, le=1000, description="新社区的规则:参加一次活动的基础分")
    hour_points: int = Field(0, ge=0, le=1000, description="新社区的规则:每满一小时另加的分,签退时算")
    duty_points: int = Field(1, ge=0, le=1000, description="新社区的规则:岗位上履职一次的分,岗位可以另定")
    day_max: int = Field(0, ge=0, le=10000, description="新社区的规则:一个人一天最多得多少分,0 为不限")
    month_max: int = Field(0, ge=0, le=100000, description="新社区的规则:一个人一月最多得多少分,0 为不限")
    night_percent: int = Field(100, ge=100, le=500, description="新社区的规则:晚上的活动按百分之几算")
    festival_percent: int = Field(100, ge=100, le=500, description="新社区的规则:节日当天的活动按百分之几算")
    night_from_hour: int = Field(20, ge=0, le=23, description="新社区的规则:晚上从几点算起")
    night_until_hour: int = Field(6, ge=0, le=23, description="新社区的规则:晚上算到第二天几点")
    award_max: int = Field(100, ge=1, le=10000, description="一次加分或扣分最多多少分")


class PointRule(Base):
    """What a kind of work earns, from `since` until the next rule of the kind."""

    __tablename__ = "point_rules"
    __table_args__ = (UniqueConstraint("community_id", "kind", "since", name="uq_point_rules_since"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    kind: Mapped[str] = mapped_column(String(16))
    """`activity`, `duty`: each kind of work has its own."""
    base: Mapped[int] = mapped_column(Integer)
    per_hour: Mapped[int] = mapped_column(Integer)
    day_max: Mapped[int] = mapped_column(Integer)
    month_max: Mapped[int] = mapped_column(Integer)
    night_percent: Mapped[int] = mapped_column(Integer)
    night_from_hour: Mapped[int] = mapped_column(Integer)
    night_until_hour: Mapped[int] = mapped_column(Integer)
    festival_percent: Mapped[int] = mapped_column(Integer)
    since: Mapped[datetime]


class Award(Base):
    """Points given or taken by hand."""

    __tablename__ = "awards"
    __table_args__ = (
        CheckConstraint("points <> 0", name="points"),
        CheckConstraint("made_by <> member_id", name="not_to_oneself"),
        Index("ix_awards_member", "community_id", "member_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    points: Mapped[int] = mapped_column(Integer)
    """Negative for a deduction."""
    reason: Mapped[str] = mapped_column(String(200))
    made_by: Mapped[int] = mapped_column(ForeignKey("members.id"))
    at: Mapped[datetime]
    undone_at: Mapped[datetime | None]


class AppealState(StrEnum):
    """Where an appeal stands."""

    WAITING = "waiting"
    """A reviewer has to look."""
    UPHELD = "upheld"
    """The one who appealed was right; transfers were added."""
    DISMISSED = "dismissed"
    """The books stay as they are, with a reason."""
    WITHDRAWN = "withdrawn"
    """Taken back by the one who appealed; the same line can be appealed again."""


class Appeal(Base):
    """Somebody disagrees with one line of their statement."""

    __tablename__ = "appeals"
    __table_args__ = (
        UniqueConstraint("community_id", "number", name="uq_appeals_number"),
        UniqueConstraint("community_id", "transfer_id", name="uq_appeals_transfer"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    number: Mapped[int]
    transfer_id: Mapped[int] = mapped_column(ForeignKey("transfers.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    reason: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(12))
    at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    answer: Mapped[str] = mapped_column(String(200), server_default="")


class ToOneself(Refusal):
    """Nobody gives points to themselves."""


class NoPoints(Refusal):
    """Nothing to give and nothing to take."""


class TooManyPoints(Refusal):
    """More at once than the community allows. Fields: most."""


class ReasonTooLong(Refusal):
    """More words than a statement has room for. Fields: most."""


class BeyondScope(Refusal):
    """The member lives beyond the giver's scope. Fields: name."""


class AppealedAlready(Refusal):
    """This line was appealed before. Fields: number, state."""


class TakenBack(Refusal):
    """This line was taken back by another, which is the one to appeal. Fields: number, back."""


class AppealDecided(Refusal):
    """Too late to take an appeal back. Fields: number."""


class NoSuchAppeal(Refusal):
    """No waiting appeal of this number that this reviewer may decide. Fields: number."""


class OwnDecision(Refusal):
    """The reviewer gave these points, or appeals themselves: somebody else must decide. Fields: number."""


class PointsMissing(Refusal):
    """An upheld appeal about points that were given needs the number of points to add. Fields: number."""


# -- rules ----------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """What a kind of work earns. Percentages are of 100; caps of 0 are no caps; hours are of the Shanghai clock."""

    base: int
    per_hour: int
    day_max: int
    month_max: int
    night_percent: int
    night_from_hour: int
    night_until_hour: int
    festival_percent: int


RULE_COLUMNS = (
    PointRule.base,
    PointRule.per_hour,
    PointRule.day_max,
    PointRule.month_max,
    PointRule.night_percent,
    PointRule.night_from_hour,
    PointRule.night_until_hour,
    PointRule.festival_percent,
)

NO_RULE = Rule(0, 0, 0, 0, 100, 0, 0, 100)


def is_night(moment: datetime, rule: Rule) -> bool:
    """Whether a Shanghai clock shows night, from one hour to another that may lie past midnight."""
    hour = local(moment).hour
    start, end = rule.night_from_hour, rule.night_until_hour
    if start == end:
        return False
    return start <= hour < end if start < end else hour >= start or hour < end


def multiplied(points: int, when: datetime, rule: Rule) -> int:
    """Points with the larger of the night's and the festival's multiplier; halves are rounded up, for the neighbour."""
    percent = 100
    if rule.night_percent > percent and is_night(when, rule):
        percent = rule.night_percent
    if rule.festival_percent > percent and is_festival(day_of(when)):
        percent = rule.festival_percent
    return (points * percent + 50) // 100


def for_minutes(minutes: int, rule: Rule) -> int:
    """Points for whole hours of service."""
    return minutes // 60 * rule.per_hour


REASON_MOST = 100
"""Characters of a reason."""

# -- actions ----------------------------------------


def set_rule(session: Session, *, community_id: int, kind: str, rule: Rule, since: datetime) -> None:
    """Lets a rule hold from a moment on; what was earned before stays as it was."""
    session.execute(
        insert(PointRule),
        {
            "community_id": community_id,
            "kind": kind,
            "since": since,
            "base": rule.base,
            "per_hour": rule.per_hour,
            "day_max": rule.day_max,
            "month_max": rule.month_max,
            "night_percent": rule.night_percent,
            "night_from_hour": rule.night_from_hour,
            "night_until_hour": rule.night_until_hour,
            "festival_percent": rule.festival_percent,
        },
    )


_back = aliased(Transfer)


def within_caps(session: Session, *, community_id: int, member_id: int, points: int, rule: Rule, now: datetime) -> int:
    """How many of these points the caps of the day and the month leave.

    A cap counts what was given and stands: what was taken back leaves room again, what was spent or deducted does not.
    """
    # Of two check-ins of one person at one instant the second waits here and counts the first.
    session.execute(
        select(Member.id)
        .where(Member.community_id == community_id, Member.id == member_id)
        .with_for_update(key_share=True)
    )
    given = select(func.coalesce(func.sum(Transfer.amount), 0)).where(
        Transfer.community_id == community_id,
        Transfer.credit == member_id,
        Transfer.currency == Currency.POINTS,
        Transfer.debit == SystemAccount.ISSUED,
        ~select(_back.id).where(_back.corrects == Transfer.id).exists(),
    )
    left = points
    if rule.day_max:
        today = session.execute(given.where(Transfer.at >= start_of(day_of(now)))).scalar_one()
        left = min(left, rule.day_max - int(today))
    if rule.month_max:
        this_month = session.execute(given.where(Transfer.month == month_of(now))).scalar_one()
        left = min(left, rule.month_max - int(this_month))
    return max(0, left)


@dataclass(frozen=True, slots=True)
class Given:
    """An award in the books."""

    id: int
    balance: int


def refuse_award(session: Session, *, giver: Person, member: Neighbour, points: int, reason: str, most: int) -> None:
    """What cannot be given or taken.

    Raises ToOneself, BeyondScope, NoPoints, TooManyPoints, ReasonTooLong, NotEnough.
    """
    if member.id == giver.id:
        raise ToOneself
    if not giver.may(Role.BUILDING_LEAD, member.unit_path):
        raise BeyondScope(name=member.shown)
    if points == 0:
        raise NoPoints
    if abs(points) > most:
        raise TooManyPoints(most=most)
    refuse_long(reason)
    has = ledger.balance_of(session, community_id=giver.community.id, member_id=member.id, currency=Currency.POINTS)
    if points < 0 and has < -points:
        raise NotEnough(balance=has, amount=-points)


def refuse_long(reason: str) -> None:
    """Raises ReasonTooLong for what nobody reads in a message."""
    if len(reason) > REASON_MOST:
        raise ReasonTooLong(most=REASON_MOST)


def award_points(
    session: Session, *, giver: Person, member: Neighbour, points: int, reason: str, now: datetime, most: int
) -> Given:
    """Gives points, or takes them where `points` is negative, with a reason. Raises what `refuse_award` raises."""
    refuse_award(session, giver=giver, member=member, points=points, reason=reason, most=most)
    community_id = giver.community.id
    award_id: int = session.execute(
        insert(Award).returning(Award.id),
        {
            "community_id": community_id,
            "member_id": member.id,
            "points": points,
            "reason": reason,
            "made_by": giver.id,
            "at": now,
            "undone_at": None,
        },
    ).scalar_one()
    posted = ledger.transfer(
        session,
        community_id=community_id,
        key=f"award:{award_id}",
        currency=Currency.POINTS,
        debit=SystemAccount.ISSUED if points > 0 else member.id,
        credit=member.id if points > 0 else SystemAccount.DEDUCTED,
        amount=abs(points),
        reason="award" if points > 0 else "deduct",
        ref=f"award:{award_id}",
        note=reason,
        made_by=giver.id,
        at=now,
    )
    assert posted is not None
    return Given(award_id, posted.balance)


def undo_award(session: Session, *, community_id: int, award_id: int, by: int, now: datetime) -> tuple[Neighbour, int]:
    """Takes an award back by its opposite; returns whose it was, and the points that it had given."""
    row = session.execute(
        update(Award)
        .where(Award.community_id == community_id, Award.id == award_id, Award.undone_at.is_(None))
        .values(undone_at=now)
        .returning(Award.member_id, Award.points)
    ).one()
    ledger.correct_all(session, community_id=community_id, keys=[f"award:{award_id}"], made_by=by, at=now)
    return member_by_id(session, community_id=community_id, member_id=row.member_id), row.points


@dataclass(frozen=True, slots=True)
class Appealed:
    """An appeal that waits for its reviewer."""

    number: int
    entry: Entry
    """The line of the statement; who made it must not decide about it."""


def appeal(session: Session, *, member: Person, transfer_id: int, reason: str, now: datetime) -> Appealed:
    """Disagrees with one line of one's own statement.

    Raises NoSuchTransfer, AppealedAlready, TakenBack, ReasonTooLong.
    """
    community_id = member.community.id
    ids = one_person(session, community_id=community_id, member_id=member.id)
    refuse_long(reason)
    lines = ledger.statement(
        session,
        community_id=community_id,
        member_id=member.id,
        currency=Currency.POINTS,
        limit=1,
        before_id=transfer_id + 1,
        also=ids[1:],
    )
    if not lines or lines[0].id != transfer_id:
        raise NoSuchTransfer(number=transfer_id)
    before = session.execute(
        select(Appeal.id, Appeal.number, Appeal.state).where(
            Appeal.community_id == community_id, Appeal.transfer_id == transfer_id
        )
    ).one_or_none()
    if before is not None and before.state != AppealState.WITHDRAWN:
        raise AppealedAlready(number=before.number, state=before.state)
    back = _taken_back_by(session, community_id, transfer_id)
    if back is not None:
        raise TakenBack(number=transfer_id, back=back)
    number = next_number(session, community_id=community_id, kind="review")
    fields = {"number": number, "reason": reason, "state": AppealState.WAITING, "at": now, "decided_at": None}
    if before is None:
        # The account that the line is about: of a person who was merged, perhaps not the one who speaks.
        credit = session.scalar(
            select(Transfer.credit).where(Transfer.community_id == community_id, Transfer.id == transfer_id)
        )
        account = credit if lines[0].change > 0 else None
        if account is None:
            account = session.scalar(
                select(Transfer.debit).where(Transfer.community_id == community_id, Transfer.id == transfer_id)
            )
        of = {"community_id": community_id, "transfer_id": transfer_id, "member_id": account, "decided_by": None}
        session.execute(insert(Appeal), fields | of)
    else:
        session.execute(
            update(Appeal).where(Appeal.community_id == community_id, Appeal.id == before.id).values(fields)
        )
    return Appealed(number, lines[0])


def withdraw_appeal(session: Session, *, member: Person, number: int, now: datetime) -> int | None:
    """Takes an appeal back that nobody has decided; returns who had made the transfer. Raises AppealDecided."""
    community_id = member.community.id
    withdrawn = session.execute(
        update(Appeal)
        .where(
            Appeal.community_id == community_id,
            Appeal.number == number,
            Appeal.member_id.in_(one_person(session, community_id=community_id, member_id=member.id)),
            Appeal.state == AppealState.WAITING,
        )
        .values(state=AppealState.WITHDRAWN, decided_at=now)
        .returning(Appeal.transfer_id)
    ).scalar_one_or_none()
    if withdrawn is None:
        raise AppealDecided(number=number)
    return session.scalar(
        select(Transfer.made_by).where(Transfer.community_id == community_id, Transfer.id == withdrawn)
    )


def _taken_back_by(session: Session, community_id: int, transfer_id: int) -> int | None:
    return session.scalar(
        select(Transfer.id).where(Transfer.community_id == community_id, Transfer.corrects == transfer_id)
    )


@dataclass(frozen=True, slots=True)
class WaitingAppeal:
    """An appeal as a reviewer sees it."""

    id: int
    number: int
    member_id: int
    name: str
    unit_path: str
    transfer_id: int
    change: int
    reason: str
    given_by: int | None
    at: datetime
    kind: str
    """Why the transfer was made, as a word of the code."""
    note: str
    booked_at: datetime


def _waiting(community_id: int) -> Select[*tuple[Any, ...]]:
    query: Select[*tuple[Any, ...]] = (
        select(
            Appeal.id,
            Appeal.number,
            Appeal.member_id,
            Member.name,
            Unit.path,
            Appeal.transfer_id,
            Transfer.amount,
            Transfer.credit,
            Appeal.reason,
            Transfer.made_by,
            Appeal.at,
            Transfer.reason.label("kind"),
            func.coalesce(TransferNote.note, "").label("note"),
            Transfer.at.label("booked_at"),
        )
        .join(Transfer, Appeal.transfer_id == Transfer.id)
        .outerjoin(TransferNote, TransferNote.transfer_id == Transfer.id)
        .join(Member, Appeal.member_id == Member.id)
        .join(Unit, Member.unit_id == Unit.id)
        .where(Appeal.community_id == community_id, Appeal.state == AppealState.WAITING)
        .order_by(Appeal.number)
    )
    return query


def _seen(row: Any) -> WaitingAppeal:
    change = row.amount if row.credit == row.member_id else -row.amount
    fields = [*row[:6], change, row.reason, row.made_by, row.at, row.kind, row.note, row.booked_at]
    return WaitingAppeal(*fields)


def waiting_appeals(session: Session, *, reviewer: Person, role: Role, limit: int = 10) -> list[WaitingAppeal]:
    """The appeals that this reviewer may decide, oldest first."""
    found = (_seen(row) for row in session.execute(_waiting(reviewer.community.id)))
    return [
        one for one in found if reviewer.may(role, one.unit_path) and reviewer.id not in (one.given_by, one.member_id)
    ][:limit]


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of an appeal. `change` is what was added to the member's balance."""

    number: int
    member_id: int
    name: str
    state: AppealState
    change: int
    balance: int


def decide_appeal(
    session: Session,
    *,
    reviewer: Person,
    role: Role,
    number: int,
    uphold: bool,
    points: int | None,
    answer: str,
    now: datetime,
) -> Decided:
    """Upholds or dismisses an appeal. Upheld, a deduction is taken back, and points that were too few are added to.

    Raises NoSuchAppeal (also for one beyond the reviewer's scope), OwnDecision, PointsMissing, AlreadyCorrected,
    ReasonTooLong.
    """
    refuse_long(answer)
    community_id = reviewer.community.id
    row = session.execute(
        _waiting(community_id).where(Appeal.number == number).with_for_update(of=Appeal)
    ).one_or_none()
    if row is None or not reviewer.may(role, row.path):
        raise NoSuchAppeal(number=number)
    seen = _seen(row)
    member_id = keeper_of(session, community_id=community_id, member_id=seen.member_id)
    if reviewer.id in (seen.given_by, member_id):
        raise OwnDecision(number=number)
    change = 0
    if uphold and seen.change < 0:
        ledger.correct(
            session,
            community_id=community_id,
            transfer_id=seen.transfer_id,
            made_by=reviewer.id,
            reason="appeal",
            note=answer,
            at=now,
        )
        change = -seen.change
    elif uphold:
        if not points or points < 0:
            raise PointsMissing(number=number)
        if _taken_back_by(session, community_id, seen.transfer_id) is not None:
            # Nothing is left to be too little: the line that took it back can be appealed.
            raise AlreadyCorrected(number=seen.transfer_id)
        ledger.transfer(
            session,
            community_id=community_id,
            key=f"appeal:{seen.id}",
            currency=Currency.POINTS,
            debit=SystemAccount.ISSUED,
            credit=member_id,
            amount=points,
            reason="appeal",
            ref=f"appeal:{number}",
            note=answer,
            made_by=reviewer.id,
            at=now,
        )
        change = points
    state = AppealState.UPHELD if uphold else AppealState.DISMISSED
    session.execute(
        update(Appeal)
        .where(Appeal.community_id == community_id, Appeal.id == seen.id)
        .values(state=state, decided_at=now, decided_by=reviewer.id, answer=answer)
    )
    balance = ledger.balance_of(session, community_id=community_id, member_id=member_id, currency=Currency.POINTS)
    return Decided(number, member_id, seen.name, state, change, balance)


def show_on_boards(session: Session, *, community_id: int, member_id: int, shown: bool) -> bool:
    """Puts a member on the boards or takes them off; False where it was so already."""
    changed = session.execute(
        update(Member)
        .where(Member.community_id == community_id, Member.id == member_id, Member.on_boards.is_(not shown))
        .values(on_boards=shown)
        .returning(Member.id)
    )
    return changed.one_or_none() is not None


# -- queries ----------------------------------------


def rule_of(session: Session, *, community_id: int, kind: str, now: datetime) -> Rule:
    """The rule in force for a kind of work."""
    row = session.execute(
        select(*RULE_COLUMNS)
        .where(PointRule.community_id == community_id, PointRule.kind == kind, PointRule.since <= now)
        .order_by(PointRule.since.desc())
        .limit(1)
    ).one_or_none()
    return Rule(*row) if row else NO_RULE


@dataclass(frozen=True, slots=True)
class Months:
    """A period of account in whole months, both ends included; None for all time."""

    first: int
    last: int


def months_of(period: str, now: datetime) -> Months | None:
    """The months of a period as people say it: 本月, 上月, 本季, 今年, 全部. Raises KeyError for another word."""
    this = month_of(now)
    if period == "全部":
        return None
    quarter_start = months_back(this, (this % 100 - 1) % 3)
    last = months_back(this, 1)
    return {
        "本月": Months(this, this),
        "上月": Months(last, last),
        "本季": Months(quarter_start, this),
        "今年": Months(this // 100 * 100 + 1, this),
    }[period]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One line of a board."""

    place: int
    member_id: int
    name: str
    hides_name: bool
    amount: int


@dataclass(frozen=True, slots=True)
class Board:
    """The first of a period and scope, and the asker's own line, also where the asker is not shown."""

    first: tuple[Ranked, ...]
    own: Ranked | None


def board(
    session: Session,
    *,
    community_id: int,
    months: Months | None,
    path: str | None,
    asker: Person,
    limit: int = 10,
    currency: Currency = Currency.POINTS,
) -> Board:
    """Who has most, of a period (None: all time) and a unit's path (None: the whole community).

    Equal amounts share a place.
    """
    has = _amount(community_id, months, currency)
    mine = 0
    if path is None or covers(path, asker.unit_path):
        who = select(has).where(Member.community_id == community_id, Member.id == asker.id)
        mine = session.execute(who).scalar() or 0
    if path is None or (path.count("/") == 2 and covers(path, asker.unit_path)):  # the community's own root
        first, ahead = _everywhere(session, community_id, months, currency, has, mine, limit)
    else:
        first, ahead = _within(session, community_id, path, has, mine, limit)
    own = Ranked(ahead + 1, asker.id, asker.name, asker.hides_name, mine) if mine > 0 else None
    return Board(tuple(_ranked(first)), own)


def whole_board(
    session: Session, *, community_id: int, months: Months | None, limit: int, currency: Currency = Currency.POINTS
) -> list[Ranked]:
    """Everybody on the community's board of a period (None: all time), at most `limit` of them, for nobody's eyes."""
    has = _amount(community_id, months, currency)
    return _ranked(_everywhere(session, community_id, months, currency, has, 0, limit)[0])


def _ranked(first: Sequence[Row[Any]]) -> list[Ranked]:
    lines: list[Ranked] = []
    for index, row in enumerate(first):
        place = lines[-1].place if lines and lines[-1].amount == row.amount else index + 1
        lines.append(Ranked(place, row.member_id, row.name, bool(row.hides_name), row.amount))
    return lines


def _amount(community_id: int, months: Months | None, currency: Currency) -> ScalarSelect[Any]:
    # What the member of the row has, by the primary key: where few people are asked about, this reads least.
    table: type[Balance] | type[MonthlyTotal] = Balance if months is None else MonthlyTotal
    query = select(table.amount).where(
        table.community_id == community_id, table.member_id == Member.id, table.currency == currency
    )
    if months is not None and months.first == months.last:
        query = query.where(MonthlyTotal.month == months.first)
    elif months is not None:
        # Named one by one, so that the primary key finds them.
        count = (months.last // 100 - months.first // 100) * 12 + months.last % 100 - months.first % 100
        each = [months_back(months.last, back) for back in range(count + 1)]
        query = query.with_only_columns(func.sum(MonthlyTotal.amount)).where(MonthlyTotal.month.in_(each))
    return query.correlate(Member).scalar_subquery()


def _within(
    session: Session, community_id: int, path: str, has: ScalarSelect[Any], mine: int, limit: int
) -> tuple[Sequence[Row[Any]], int]:
    # From the units to their people: a scope is small beside the community.
    people = (
        select(Member.id.label("member_id"), Member.name, Member.hides_name, has.label("amount"))
        .select_from(Unit)
        .join(Member, Member.unit_id == Unit.id)
        .where(Unit.community_id == community_id, Unit.path.like(path + "%"), ~_UNSEEN)
        .subquery()
    )
    first = session.execute(
        select(people).where(people.c.amount > 0).order_by(people.c.amount.desc(), people.c.member_id).limit(limit)
    ).all()
    return first, _count(session, select(people.c.member_id).where(people.c.amount > mine)) if mine > 0 else 0


def _everywhere(
    session: Session,
    community_id: int,
    months: Months | None,
    currency: Currency,
    has: ScalarSelect[Any],
    mine: int,
    limit: int,
) -> tuple[Sequence[Row[Any]], int]:
    query, amount = _amounts(community_id, months, currency)
    member_id = query.selected_columns[0]
    first = session.execute(
        query.add_columns(amount.label("amount"), Member.name, Member.hides_name)
        .join(Member, Member.id == member_id)
        .where(~_UNSEEN, amount > 0)
        .order_by(amount.desc(), member_id)
        .limit(limit)
    ).all()
    if mine <= 0:
        return first, 0
    # Nobody is joined to be counted: those who are on no board are few and are taken off again.
    unseen = select(Member.id).where(Member.community_id == community_id, _UNSEEN, has > mine)
    return first, _count(session, query.where(amount > mine)) - _count(session, unseen)


def _amounts(community_id: int, months: Months | None, currency: Currency) -> tuple[Select[*tuple[Any, ...]], Any]:
    # What everybody has, in the order of the boards' own indexes.
    if months is None:
        return (
            select(Balance.member_id).where(Balance.community_id == community_id, Balance.currency == currency),
            Balance.amount,
        )
    query = select(MonthlyTotal.member_id).where(
        MonthlyTotal.community_id == community_id, MonthlyTotal.currency == currency
    )
    if months.first == months.last:
        return query.where(MonthlyTotal.month == months.first), MonthlyTotal.amount
    sums = (
        query.add_columns(func.sum(MonthlyTotal.amount).label("total"))
        .where(MonthlyTotal.month.between(months.first, months.last))
        .group_by(MonthlyTotal.member_id)
        .subquery()
    )
    return select(sums.c.member_id), sums.c.total


def _count(session: Session, query: Select[*tuple[Any, ...]]) -> int:
    return int(session.execute(select(func.count()).select_from(query.subquery())).scalar_one())


# As the index `ix_members_unseen` has it, word for word.
_UNSEEN = or_(~Member.on_boards, Member.merged_into.is_not(None), Member.forgotten_at.is_not(None))


def earned_this_month(session: Session, *, community_id: int, member_id: int, now: datetime) -> int:
    """What a person gained in this Shanghai month."""
    return ledger.month_total(
        session, community_id=community_id, member_id=member_id, currency=Currency.POINTS, month=month_of(now)
    )


_award_transfer = select(Transfer.id).where(
    Transfer.community_id == Award.community_id, Transfer.key == literal("award:") + cast(Award.id, String)
)
# What an award says of itself, as its transfer says it.
_award_booked = _award_transfer.where(
    Transfer.currency == Currency.POINTS,
    Transfer.amount == func.abs(Award.points),
    Transfer.made_by == Award.made_by,
    case(
        (Award.points > 0, and_(Transfer.credit == Award.member_id, Transfer.debit == SystemAccount.ISSUED)),
        else_=and_(Transfer.debit == Award.member_id, Transfer.credit == SystemAccount.DEDUCTED),
    ),
)
_award_back = _award_transfer.join(_back, _back.corrects == Transfer.id)
_upheld_by = select(_back.id).where(
    or_(
        _back.corrects == Appeal.transfer_id,
        and_(
            _back.community_id == Appeal.community_id,
            _back.key == literal("appeal:") + cast(Appeal.id, String),
        ),
    )
)

INVARIANTS = (
    Invariant("awards.transfer", select(Award.id).where(~_award_booked.correlate(Award).exists())),
    Invariant("awards.giver", select(Award.id).where(Award.made_by == Award.member_id)),
    Invariant(
        "awards.undone",
        select(Award.id).where(Award.undone_at.is_not(None), ~_award_back.correlate(Award).exists()),
    ),
    Invariant(
        "appeals.state",
        select(Appeal.id).where(
            or_(
                Appeal.state.not_in(list(AppealState)),
                (Appeal.state == AppealState.WAITING) != Appeal.decided_at.is_(None),
            )
        ),
    ),
    Invariant(
        "appeals.reviewer",
        select(Appeal.id)
        .join(Transfer, Appeal.transfer_id == Transfer.id)
        .where(or_(Appeal.decided_by == Appeal.member_id, Appeal.decided_by == Transfer.made_by)),
    ),
    Invariant(
        "appeals.upheld",
        select(Appeal.id).where(Appeal.state == AppealState.UPHELD, ~_upheld_by.correlate(Appeal).exists()),
    ),
)
