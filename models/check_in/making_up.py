"""补签: somebody was there and it stands nowhere. They say so, and whoever is in charge decides; or says it themselves.

- A person has one request waiting for an activity, and none where they are checked in.
- A request can be made for some days after the activity; nobody decides about their own.
- An approved request has its check-in, with everything that the rule gives for coming, and its minutes are vouched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    ForeignKey,
    Index,
    Integer,
    Select,
    String,
    UniqueConstraint,
    and_,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.activities import Activity, ActivityCancelled, ActivityHere, ActivityState
from models.base import Base, Invariant, Refusal
from models.check_in.coming import CheckIn, CheckInNotOpen, Coming, check_in, find_coming, refuse_twice
from models.check_in.going import STAYS, CheckOut, Stay, leave
from models.check_in.undoing import undo_check_in
from models.check_in.vouching import Vouching
from models.check_in.ways import Way
from models.counters import next_number
from models.ledger import Currency, Transfer
from models.members import Member, Person, Role
from models.members.merging import keeper_of, one_person
from models.points import OwnDecision, refuse_long
from models.units import Unit


class MakeUpState(StrEnum):
    """Where a request stands."""

    WAITING = "waiting"
    """Somebody in charge has to look."""
    APPROVED = "approved"
    """They were there: the check-in is in the books."""
    REJECTED = "rejected"
    """Nobody saw them."""


class MakeUp(Base):
    """Somebody says that they were there."""

    __tablename__ = "make_ups"
    __table_args__ = (
        UniqueConstraint("community_id", "number", name="uq_make_ups_number"),
        Index(
            "uq_make_ups_waiting",
            "community_id",
            "activity_id",
            "member_id",
            unique=True,
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
        Index("ix_make_ups_member", "community_id", "member_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    number: Mapped[int] = mapped_column(Integer)
    """Of the row of numbers that 审核 shares."""
    activity_id: Mapped[int] = mapped_column(ForeignKey("activities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    reason: Mapped[str] = mapped_column(String(200))
    came_at: Mapped[datetime | None]
    """When they say that they came; None: from the beginning."""
    state: Mapped[str] = mapped_column(String(12))
    check_in_id: Mapped[int | None] = mapped_column(ForeignKey("check_ins.id"))
    """What came of it."""
    at: Mapped[datetime]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    decided_at: Mapped[datetime | None]
    answer: Mapped[str] = mapped_column(String(200), server_default="")


class TooLateToMakeUp(Refusal):
    """The activity was over too long ago. Fields: title, days."""


class NoSuchMakeUp(Refusal):
    """No request of this number waits for this reviewer. Fields: number."""


# -- rules ----------------------------------------


def refuse_too_late(activity: ActivityHere, now: datetime, days: int) -> None:
    """Raises ActivityCancelled, CheckInNotOpen, TooLateToMakeUp where nothing can be made up for now."""
    if activity.state is ActivityState.CANCELLED:
        raise ActivityCancelled(number=activity.number, title=activity.title, reason=activity.cancel_reason)
    if now < activity.check_in_opens_at:
        raise CheckInNotOpen(number=activity.number, title=activity.title, opens_at=activity.check_in_opens_at)
    if now >= activity.ends_at + timedelta(days=days):
        raise TooLateToMakeUp(title=activity.title, days=days)


def within(activity: ActivityHere, came: datetime | None) -> datetime:
    """When somebody came, as the books can hold it: inside the hours in which one checks in."""
    if came is None:
        return activity.starts_at
    return max(activity.check_in_opens_at, min(came, activity.ends_at - timedelta(minutes=1)))


# -- actions ----------------------------------------


@dataclass(frozen=True, slots=True)
class Stayed:
    """A whole stay by somebody's word: points for coming and for the hours together."""

    check_in_id: int
    minutes: int
    """Vouched."""
    points: int
    balance: int


def vouch_stay(
    session: Session,
    *,
    activity: ActivityHere,
    member_id: int,
    by: int,
    minutes: int | None = None,
    came: datetime | None = None,
) -> Stayed:
    """Writes down that somebody was at an activity that is over; without `minutes` from when they came until its end.

    Raises ActivityCancelled, AlreadyCheckedIn.
    """
    _refuse_merged_twice(session, activity, member_id)
    at = within(activity, came)
    coming = find_coming(session, community_id=activity.community_id, number=activity.number, now=at)
    assert coming is not None
    done = check_in(session, coming=coming, member_id=member_id, made_by=by, now=at, way=Way.VOUCHED)
    # Minutes are those of the activity's own hours: who came early served from its beginning.
    began = max(at, activity.starts_at)
    until = activity.ends_at if minutes is None else min(activity.ends_at, began + timedelta(minutes=minutes))
    left = leave(session, coming, stay=Stay(done.id, member_id, at, Way.VOUCHED), made_by=by, now=until)
    return Stayed(done.id, left.vouched, done.points + left.points, left.balance)


def let_in(session: Session, *, coming: Coming, member_id: int, by: int, now: datetime) -> Stayed:
    """Checks somebody in who is there now, by the word of whoever is in charge.

    Raises ActivityCancelled, CheckInNotOpen, ActivityOver, AlreadyCheckedIn.
    """
    _refuse_merged_twice(session, coming.activity, member_id)
    done = check_in(session, coming=coming, member_id=member_id, made_by=by, now=now, way=Way.VOUCHED)
    return Stayed(done.id, 0, done.points, done.balance)


def _refuse_merged_twice(session: Session, activity: ActivityHere, member_id: int) -> None:
    """Raises AlreadyCheckedIn where somebody was there under another number that is theirs since."""
    for one in one_person(session, community_id=activity.community_id, member_id=member_id)[1:]:
        refuse_twice(session, activity=activity, member_id=one)


def make_up(
    session: Session, *, activity: ActivityHere, member_id: int, by: int, now: datetime, came: datetime | None = None
) -> Stayed:
    """Somebody was there, or is: a whole stay where the activity is over, else the beginning of one.

    Raises ActivityCancelled, AlreadyCheckedIn.
    """
    if now >= activity.ends_at:
        return vouch_stay(session, activity=activity, member_id=member_id, by=by, came=came)
    at = now if came is None else max(activity.check_in_opens_at, min(came, now))
    coming = find_coming(session, community_id=activity.community_id, number=activity.number, now=at)
    assert coming is not None
    return let_in(session, coming=coming, member_id=member_id, by=by, now=at)


@dataclass(frozen=True, slots=True)
class MadeUp:
    """A live check-in by the word of those in charge, and what goes with it where it is taken back."""

    check_in_id: int
    at: datetime
    left: bool
    minutes: int
    """Vouched."""
    points: int


def find_made_up(session: Session, *, activity: ActivityHere, member_id: int) -> MadeUp | None:
    """The live check-in of somebody that those in charge made; None where they made none.

    Also one that stands under the number of a member who was merged into them since.
    """
    here = activity.community_id
    ids = one_person(session, community_id=here, member_id=member_id)
    row = session.execute(
        select(CheckIn.id, CheckIn.at, CheckOut.id, func.coalesce(Vouching.minutes, 0))
        .outerjoin(CheckOut, STAYS)
        .outerjoin(Vouching, and_(Vouching.check_in_id == CheckIn.id, Vouching.undone_at.is_(None)))
        .where(
            CheckIn.community_id == here,
            CheckIn.activity_id == activity.id,
            CheckIn.member_id.in_(ids),
            CheckIn.undone_at.is_(None),
            CheckIn.way == Way.VOUCHED,
        )
        .order_by(CheckIn.id.desc())
    ).first()
    if row is None:
        return None
    back = aliased(Transfer)
    points = session.execute(
        select(func.coalesce(func.sum(Transfer.amount), 0))
        .outerjoin(back, back.corrects == Transfer.id)
        .where(
            Transfer.community_id == here,
            Transfer.credit.in_(ids),
            Transfer.ref == activity.ref,
            Transfer.currency == Currency.POINTS,
            Transfer.reason.in_(EARNED),
            back.id.is_(None),
        )
    ).scalar_one()
    return MadeUp(row[0], row[1], row[2] is not None, row[3], int(points))


EARNED = ("check_in", "hours", "vouched_hours")
"""Why somebody has points of an activity that go with their check-in."""


def restore(
    session: Session, *, activity: ActivityHere, member_id: int, made_up: MadeUp, by: int, now: datetime
) -> Stayed:
    """Writes down anew what was taken back: the same stay, or one that still goes on.

    Raises ActivityCancelled, AlreadyCheckedIn.
    """
    if not made_up.left:
        return make_up(session, activity=activity, member_id=member_id, by=by, now=now, came=made_up.at)
    return vouch_stay(session, activity=activity, member_id=member_id, by=by, minutes=made_up.minutes, came=made_up.at)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that waits. `again`: it waited already."""

    number: int
    again: bool


def ask_make_up(
    session: Session,
    *,
    activity: ActivityHere,
    member_id: int,
    reason: str,
    came_at: datetime | None,
    now: datetime,
    days: int,
) -> Asked:
    """Somebody says that they were there.

    Raises ActivityCancelled, CheckInNotOpen, TooLateToMakeUp, AlreadyCheckedIn, ReasonTooLong.
    """
    refuse_long(reason)
    refuse_too_late(activity, now, days)
    refuse_twice(session, activity=activity, member_id=member_id)
    _refuse_merged_twice(session, activity, member_id)
    waiting = session.scalar(
        select(MakeUp.number).where(
            MakeUp.community_id == activity.community_id,
            MakeUp.activity_id == activity.id,
            MakeUp.member_id == member_id,
            MakeUp.state == MakeUpState.WAITING,
        )
    )
    if waiting is not None:
        return Asked(waiting, True)
    number = next_number(session, community_id=activity.community_id, kind="review")
    session.execute(
        insert(MakeUp),
        {
            "community_id": activity.community_id,
            "number": number,
            "activity_id": activity.id,
            "member_id": member_id,
            "reason": reason,
            "came_at": came_at,
            "state": MakeUpState.WAITING,
            "at": now,
        },
    )
    return Asked(number, False)


def withdraw_make_up(session: Session, *, community_id: int, member_id: int, number: int, now: datetime) -> str:
    """Takes one's own request back while it waits; returns the activity's title. Raises NoSuchMakeUp."""
    activity_id = session.scalar(
        update(MakeUp)
        .where(
            MakeUp.community_id == community_id,
            MakeUp.number == number,
            MakeUp.member_id == member_id,
            MakeUp.state == MakeUpState.WAITING,
        )
        .values(state=MakeUpState.REJECTED, decided_by=member_id, decided_at=now)
        .returning(MakeUp.activity_id)
    )
    if activity_id is None:
        raise NoSuchMakeUp(number=number)
    return session.execute(
        select(Activity.title).where(Activity.community_id == community_id, Activity.id == activity_id)
    ).scalar_one()


def end_make_ups(session: Session, *, community_id: int, member_ids: Sequence[int], now: datetime) -> None:
    """Nobody has to decide any more about those who are gone."""
    session.execute(
        update(MakeUp)
        .where(
            MakeUp.community_id == community_id,
            MakeUp.member_id.in_(member_ids),
            MakeUp.state == MakeUpState.WAITING,
        )
        .values(state=MakeUpState.REJECTED, decided_at=now)
    )


@dataclass(frozen=True, slots=True)
class WaitingMakeUp:
    """A request as whoever decides reads it."""

    number: int
    member_id: int
    name: str
    activity_number: int
    title: str
    reason: str
    came_at: datetime | None
    unit_path: str


def _waiting(community_id: int) -> Select[int, int, str, int, str, str, datetime | None, str]:
    return (
        select(
            MakeUp.number,
            MakeUp.member_id,
            Member.name,
            Activity.number,
            Activity.title,
            MakeUp.reason,
            MakeUp.came_at,
            Unit.path,
        )
        .join(Activity, MakeUp.activity_id == Activity.id)
        .join(Member, MakeUp.member_id == Member.id)
        .join(Unit, Activity.unit_id == Unit.id)
        .where(MakeUp.community_id == community_id, MakeUp.state == MakeUpState.WAITING)
        .order_by(MakeUp.id)
    )


def waiting_make_ups(session: Session, *, reviewer: Person, role: Role, limit: int = 10) -> list[WaitingMakeUp]:
    """The requests that this reviewer may decide, oldest first."""
    found = (WaitingMakeUp(*row) for row in session.execute(_waiting(reviewer.community.id)))
    return [one for one in found if reviewer.may(role, one.unit_path) and one.member_id != reviewer.id][:limit]


@dataclass(frozen=True, slots=True)
class DecidedMakeUp:
    """What became of a request; `stayed` is None where it was rejected."""

    number: int
    member_id: int
    name: str
    activity: ActivityHere
    stayed: Stayed | None


def decide_make_up(
    session: Session, *, reviewer: Person, role: Role, number: int, approve: bool, answer: str, now: datetime
) -> DecidedMakeUp:
    """Approves or rejects a request.

    Raises NoSuchMakeUp (also for one beyond the reviewer's scope), OwnDecision, ActivityCancelled, AlreadyCheckedIn,
    ReasonTooLong.
    """
    refuse_long(answer)
    community_id = reviewer.community.id
    row = session.execute(
        _waiting(community_id).where(MakeUp.number == number).with_for_update(of=MakeUp)
    ).one_or_none()
    if row is None or not reviewer.may(role, row[7]):
        raise NoSuchMakeUp(number=number)
    waiting = WaitingMakeUp(*row)
    member_id = keeper_of(session, community_id=community_id, member_id=waiting.member_id)
    if member_id == reviewer.id:
        raise OwnDecision(number=number)
    coming = find_coming(session, community_id=community_id, number=waiting.activity_number, now=now)
    assert coming is not None
    stayed = None
    if approve:
        stayed = make_up(
            session, activity=coming.activity, member_id=member_id, by=reviewer.id, now=now, came=waiting.came_at
        )
    session.execute(
        update(MakeUp)
        .where(MakeUp.community_id == community_id, MakeUp.number == number)
        .values(
            state=MakeUpState.APPROVED if approve else MakeUpState.REJECTED,
            check_in_id=stayed.check_in_id if stayed else None,
            decided_by=reviewer.id,
            decided_at=now,
            answer=answer,
        )
    )
    return DecidedMakeUp(number, member_id, waiting.name, coming.activity, stayed)


def reopen_make_up(session: Session, *, community_id: int, number: int, by: int, now: datetime) -> WaitingMakeUp:
    """Takes a decision back: the request waits again, and what it had given is given back. Raises NoSuchMakeUp."""
    row = session.execute(
        select(MakeUp.check_in_id)
        .where(
            MakeUp.community_id == community_id,
            MakeUp.number == number,
            MakeUp.decided_by == by,
            MakeUp.state != MakeUpState.WAITING,
        )
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise NoSuchMakeUp(number=number)
    if row.check_in_id is not None:
        undo_check_in(session, community_id=community_id, check_in_id=row.check_in_id, by=by, now=now)
    session.execute(
        update(MakeUp)
        .where(MakeUp.community_id == community_id, MakeUp.number == number)
        .values(state=MakeUpState.WAITING, check_in_id=None, decided_by=None, decided_at=None, answer="")
    )
    return WaitingMakeUp(*session.execute(_waiting(community_id).where(MakeUp.number == number)).one())


INVARIANTS = (
    Invariant(
        "make_ups.state",
        select(MakeUp.id).where(
            MakeUp.state.not_in(list(MakeUpState))
            | ((MakeUp.state == MakeUpState.WAITING) != MakeUp.decided_at.is_(None))
            | ((MakeUp.state == MakeUpState.APPROVED) != MakeUp.check_in_id.is_not(None))
        ),
    ),
    Invariant(
        # What was approved was approved for whoever asked.
        "make_ups.check_in",
        select(MakeUp.id)
        .join(CheckIn, MakeUp.check_in_id == CheckIn.id)
        .where((CheckIn.activity_id != MakeUp.activity_id) | (CheckIn.way != Way.VOUCHED)),
    ),
    Invariant(
        "make_ups.own", select(MakeUp.id).where(MakeUp.decided_by == MakeUp.member_id, MakeUp.state == "approved")
    ),
)
