"""One person, many accounts: what staff puts right when two members turn out to be one, or one to be two.

合并: the balance goes over by transfers, month by month, so that the boards of every month show one person; accounts,
roles in force and places at activities go over; acts stay as history under the old id. 拆分 gives back exactly what the
merge moved.

- Merging and splitting again leaves balances, monthly totals, accounts and roles as they were.
- Who came to one activity under both names has its points once: the shorter stay is taken back.
- Nobody merges themselves, nor people with a role above their own or beyond their scope.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy.orm import Session

from models import check_in, ledger, posts
from models.activities import (
    Activity,
    ActivityHere,
    Promoted,
    Signup,
    SignupState,
    activity_by_signup,
    cancel_signup,
    sign_up,
    signed_up_for,
)
from models.base import Refusal
from models.broadcast import HouseholdNote, Receipt, hand_over_receipts
from models.categories import give_back_categories, hand_over_categories
from models.check_in import CheckIn, CheckOut
from models.check_in.vouching import Vouching
from models.counters import next_number
from models.directory import Identity, touch
from models.duties import DutyLog, EntryState
from models.ledger import MERGE, Currency, MonthlyTotal, Transfer
from models.members.merging import Merge, one_person
from models.members.people import Member, MemberRole, NoSuchMember, Person, Role, present
from models.members.roles import AboveOneself, require
from models.pending import close_all_questions
from models.quiet import OwnQuiet, hand_over_quiet
from models.units import Unit


class SamePerson(Refusal):
    """One member cannot be merged with themselves."""


class MergesOneself(Refusal):
    """The one who merges is one of the two: somebody else must look."""


class NoSuchMerge(Refusal):
    """No merge of this number that stands and lies within reach. Fields: number."""


class MergedFurther(Refusal):
    """The person was merged again since; that one must be split first. Fields: number."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member who may be the one that is meant, with what tells namesakes apart. Not for groups."""

    id: int
    name: str
    unit_id: int
    unit_path: str
    room: str
    accounts: int


def candidates(
    session: Session, *, community_id: int, name: str = "", number: int | None = None, within: str = ""
) -> list[Candidate]:
    """Those of this name, or the one with this number (and name), at or below the unit path `within`.

    Raises NoSuchMember.
    """
    accounts = (
        select(func.count())
        .where(Identity.community_id == community_id, Identity.member_id == Member.id)
        .correlate(Member)
        .scalar_subquery()
    )
    query = present(community_id).add_columns(Member.room, accounts.label("accounts")).order_by(Member.id).limit(10)
    if name:
        query = query.where(Member.name == name)
    if number is not None:
        query = query.where(Member.id == number)
    if within:
        query = query.where(Unit.path.like(within + "%"))
    rows = session.execute(query).all()
    if not rows:
        raise NoSuchMember(name=name or str(number))
    return [Candidate(row.id, row.name, row.unit_id, row.path, row.room, row.accounts) for row in rows]


def refuse_beyond(session: Session, *, by: Person, role: Role, member: Candidate, now: datetime) -> None:
    """Raises BeyondReach, or AboveOneself where the member holds a role that `by` does not reach."""
    require(by, role, member.unit_path)
    for row in _roles_in_force(session, by.community.id, member.id, now):
        if not by.may(Role(row.role), row.path):
            raise AboveOneself(role=Role(row.role))


def _roles_in_force(session: Session, community_id: int, member_id: int, now: datetime) -> list[Any]:
    return list(
        session.execute(
            select(MemberRole.id, MemberRole.role, Unit.path)
            .join(Unit, MemberRole.unit_id == Unit.id)
            .where(
                MemberRole.community_id == community_id,
                MemberRole.member_id == member_id,
                or_(MemberRole.until.is_(None), MemberRole.until > now),
            )
            .order_by(MemberRole.id)
        )
    )


@dataclass(frozen=True, slots=True)
class Weight:
    """How much stands under a member: what a preview shows."""

    balance: int
    acts: int
    """Sign-ups and check-ins that stand."""


def weight_of(session: Session, *, community_id: int, member_id: int) -> Weight:
    """What a merge would move or leave as history."""
    balance = ledger.balance_of(session, community_id=community_id, member_id=member_id, currency=Currency.POINTS)
    signups = select(func.count()).where(
        Signup.community_id == community_id, Signup.member_id == member_id, Signup.undone_at.is_(None)
    )
    check_ins = select(func.count()).where(
        CheckIn.community_id == community_id, CheckIn.member_id == member_id, CheckIn.undone_at.is_(None)
    )
    acts = session.execute(signups).scalar_one() + session.execute(check_ins).scalar_one()
    return Weight(balance, acts)


# -- merging ----------------------------------------


MovedUp = tuple[tuple[ActivityHere, Promoted], ...]
"""Who got a place because another one was given up, and at which activity."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A merge, or its split, in the books."""

    number: int
    keeper_id: int
    keeper_name: str
    other_id: int
    other_name: str
    balance: int
    """The keeper's, afterwards."""
    doubled: int
    """Check-ins that both had at one activity."""
    promoted: MovedUp = ()
    offers: tuple[posts.Offer, ...] = ()
    """Slots of posts that became free because one person had claimed twice."""


def merge(session: Session, *, keeper: Candidate, other: Candidate, by: Person, now: datetime) -> Merged:
    """Lets `other` be `keeper` from now on. Raises SamePerson, MergesOneself, BeyondReach, AboveOneself."""
    if keeper.id == other.id:
        raise SamePerson
    if by.id in (keeper.id, other.id):
        raise MergesOneself
    for one in (keeper, other):
        refuse_beyond(session, by=by, role=Role.STAFF, member=one, now=now)
    community_id = by.community.id
    _lock(session, community_id, (keeper.id, other.id))
    moved: dict[str, Any] = {}
    moved["doubled"] = _once_there(session, community_id, keeper.id, other.id, by.id, now)
    moved["signups"], moved["cancelled"], promoted = _places(session, community_id, keeper.id, other.id, by.id, now)
    moved["check_ins"] = _hand_over_stays(session, community_id, other.id, keeper.id, now)
    moved["duty_logs"] = _hand_over(
        session,
        DutyLog,
        community_id,
        other.id,
        keeper.id,
        DutyLog.state == EntryState.WAITING,
        DutyLog.undone_at.is_(None),
    )
    moved["identities"] = _hand_over(session, Identity, community_id, other.id, keeper.id)
    taken = posts.take_over(session, community_id=community_id, giver=other.id, taker=keeper.id, by=by.id, now=now)
    moved |= taken.moved
    moved["receipts"] = hand_over_receipts(session, community_id=community_id, giver=other.id, taker=keeper.id)
    moved["told"] = _told_over(session, community_id, keeper.id, other.id)
    moved["household_notes"] = _hand_over(session, HouseholdNote, community_id, other.id, keeper.id)
    moved["categories"], moved["categories_ended"] = hand_over_categories(
        session, community_id=community_id, giver=other.id, taker=keeper.id, now=now
    )
    moved["quiet"] = hand_over_quiet(session, community_id=community_id, giver=other.id, taker=keeper.id)
    roles = [row.id for row in _roles_in_force(session, community_id, other.id, now)]
    moved["roles"] = _hand_over(session, MemberRole, community_id, other.id, keeper.id, MemberRole.id.in_(roles))
    close_all_questions(session, community_id=community_id, member_ids=[other.id])
    number = next_number(session, community_id=community_id, kind="merge")
    merge_id = session.execute(
        insert(Merge).returning(Merge.id),
        {
            "community_id": community_id,
            "number": number,
            "from_member_id": other.id,
            "into_member_id": keeper.id,
            "at": now,
            "made_by": by.id,
            "moved": moved,
            "undone_at": None,
        },
    ).scalar_one()
    _set_merged(session, community_id, other.id, keeper.id)
    _move_balance(session, community_id, merge_id, number, other.id, keeper.id, by.id, now)
    balance = ledger.balance_of(session, community_id=community_id, member_id=keeper.id, currency=Currency.POINTS)
    return Merged(
        number,
        keeper.id,
        keeper.name,
        other.id,
        other.name,
        balance,
        len(moved["doubled"]),
        tuple(promoted),
        taken.offers,
    )


def _told_over(session: Session, community_id: int, keeper: int, other: int) -> dict[str, Any]:
    """What either has said of themselves holds for the one person: a hidden name stays hidden, a birth known.

    Returns what the keeper's was where it changed, for a split.
    """
    rows = session.execute(
        select(Member.id, Member.hides_name, Member.born).where(
            Member.community_id == community_id, Member.id.in_([keeper, other])
        )
    )
    said = {row.id: row for row in rows}
    mine, theirs = said[keeper], said[other]
    before: dict[str, Any] = {}
    if theirs.hides_name and not mine.hides_name:
        before["hides_name"] = False
    if theirs.born and not mine.born:
        before["born"] = ""
    if before:
        over = {name: getattr(theirs, name) for name in before}
        _tell(session, community_id, keeper, over)
    return before


def _tell(session: Session, community_id: int, member_id: int, told: dict[str, Any]) -> None:
    session.execute(update(Member).where(Member.community_id == community_id, Member.id == member_id).values(**told))


def _lock(session: Session, community_id: int, ids: Collection[int]) -> None:
    # Of two merges of one person the second waits here, and finds them merged.
    free = session.scalars(
        select(Member.id)
        .where(Member.community_id == community_id, Member.id.in_(ids), Member.merged_into.is_(None))
        .order_by(Member.id)
        .with_for_update()
    ).all()
    if len(free) != len(set(ids)):
        raise NoSuchMember(name="")


def _set_merged(session: Session, community_id: int, member_id: int, into: int | None) -> None:
    session.execute(
        update(Member).where(Member.community_id == community_id, Member.id == member_id).values(merged_into=into)
    )
    touch(session, community_id)


def _hand_over(session: Session, table: Any, community_id: int, giver: int, taker: int, *which: Any) -> list[int]:
    return sorted(
        session.scalars(
            update(table)
            .where(table.community_id == community_id, table.member_id == giver, *which)
            .values(member_id=taker)
            .returning(table.id)
        )
    )


def _once_there(session: Session, community_id: int, keeper: int, other: int, by: int, now: datetime) -> list[int]:
    """Takes back the shorter of two stays at one activity; returns the check-ins that were taken back."""
    # Under which numbers the two are known already: what was merged before stands there.
    keepers = one_person(session, community_id=community_id, member_id=keeper)
    others = one_person(session, community_id=community_id, member_id=other)
    stay = (
        select(
            CheckIn.activity_id,
            CheckIn.member_id,
            CheckIn.id,
            (func.coalesce(CheckOut.minutes, 0) + func.coalesce(Vouching.minutes, 0)).label("minutes"),
        )
        .outerjoin(Vouching, and_(Vouching.check_in_id == CheckIn.id, Vouching.undone_at.is_(None)))
        .outerjoin(CheckOut, and_(CheckOut.check_in_id == CheckIn.id, CheckOut.undone_at.is_(None)))
        .where(
            CheckIn.community_id == community_id,
            CheckIn.member_id.in_([*keepers, *others]),
            CheckIn.undone_at.is_(None),
        )
    )
    stays: dict[int, list[Any]] = {}
    for row in session.execute(stay.order_by(CheckIn.id)):
        stays.setdefault(row.activity_id, []).append(row)
    # Of equally long ones the keeper's stays.
    shorter = [
        min(both, key=lambda row: (row.minutes, row.member_id in keepers)).id
        for both in stays.values()
        if len(both) > 1
    ]
    for check_in_id in shorter:
        check_in.undo_check_in(session, community_id=community_id, check_in_id=check_in_id, by=by, now=now)
    return shorter


def _places(
    session: Session, community_id: int, keeper: int, other: int, by: int, now: datetime
) -> tuple[list[int], list[int], list[tuple[ActivityHere, Promoted]]]:
    """Leaves one place at each activity that lies ahead; returns what went over, what was given up, who moved up."""
    theirs = signed_up_for(session, community_id=community_id, member_id=other, now=now)
    session.execute(
        select(Activity.id)
        .where(Activity.community_id == community_id, Activity.id.in_([one.id for one in theirs]))
        .order_by(Activity.id)
        .with_for_update(key_share=True)
    )
    over: list[int] = []
    given_up: list[int] = []
    promoted: list[tuple[ActivityHere, Promoted]] = []
    for activity in theirs:
        live = {
            row.member_id: row
            for row in session.execute(
                select(Signup.id, Signup.member_id, Signup.state).where(
                    Signup.community_id == community_id,
                    Signup.activity_id == activity.id,
                    Signup.member_id.in_([keeper, other]),
                    Signup.undone_at.is_(None),
                )
            )
        }
        if keeper in live:
            better = live[other].state == SignupState.CONFIRMED and live[keeper].state == SignupState.WAITING
            leaver = keeper if better else other
            left = cancel_signup(session, activity=activity, member_id=leaver, by=by, now=now, in_charge=True)
            given_up.append(left.id)
            promoted += [(activity, one) for one in left.promoted]
            if leaver == other:
                continue
        over.append(live[other].id)
    _hand_over(session, Signup, community_id, other, keeper, Signup.id.in_(over))
    return over, given_up, promoted


def _hand_over_stays(session: Session, community_id: int, giver: int, taker: int, now: datetime) -> list[int]:
    """Who is somewhere now leaves it under the name that stays."""
    ahead = select(Activity.id).where(Activity.community_id == community_id, Activity.ends_at > now)
    return _hand_over(
        session,
        CheckIn,
        community_id,
        giver,
        taker,
        CheckIn.undone_at.is_(None),
        CheckIn.activity_id.in_(ahead),
    )


def _move_balance(
    session: Session, community_id: int, merge_id: int, number: int, other: int, keeper: int, by: int, now: datetime
) -> None:
    # Month by month, so that the board of each month shows one person with the sum.
    rows = session.execute(
        select(MonthlyTotal.currency, MonthlyTotal.month, MonthlyTotal.amount)
        .where(
            MonthlyTotal.community_id == community_id,
            MonthlyTotal.member_id == other,
            MonthlyTotal.amount != 0,
        )
        .order_by(MonthlyTotal.currency, MonthlyTotal.month)
    ).all()
    for row in rows:
        ledger.transfer(
            session,
            community_id=community_id,
            key=f"merge:{merge_id}:{row.currency}:{row.month}",
            currency=Currency(row.currency),
            debit=other if row.amount > 0 else keeper,
            credit=keeper if row.amount > 0 else other,
            amount=abs(row.amount),
            reason=MERGE,
            ref=f"merge:{number}",
            month=row.month,
            made_by=by,
            at=now,
            overdraft=True,
        )


# -- splitting ----------------------------------------


def split(session: Session, *, number: int, by: Person, now: datetime, companions_max: int) -> Merged:
    """Gives back what a merge moved. What was done since stays with whoever did it.

    Raises NoSuchMerge, also beyond the scope of `by`, and MergedFurther.
    """
    community_id = by.community.id
    row = session.execute(
        select(Merge.id, Merge.from_member_id, Merge.into_member_id, Merge.moved, Unit.path)
        .join(Member, Merge.into_member_id == Member.id)
        .join(Unit, Member.unit_id == Unit.id)
        .where(
            Merge.community_id == community_id,
            Merge.number == number,
            Merge.undone_at.is_(None),
            Member.forgotten_at.is_(None),
        )
        .with_for_update(of=Merge)
    ).one_or_none()
    if row is None or not by.may(Role.STAFF, row.path):
        raise NoSuchMerge(number=number)
    keeper, other, moved = row.into_member_id, row.from_member_id, row.moved
    further = session.scalar(
        select(Merge.number).where(
            Merge.community_id == community_id, Merge.from_member_id == keeper, Merge.undone_at.is_(None)
        )
    )
    if further is not None:
        raise MergedFurther(number=further)
    session.execute(update(Merge).where(Merge.community_id == community_id, Merge.id == row.id).values(undone_at=now))
    _set_merged(session, community_id, other, None)
    keys = session.scalars(
        select(Transfer.key).where(
            Transfer.community_id == community_id,
            or_(Transfer.credit == other, Transfer.debit == other),
            Transfer.key.like(f"merge:{row.id}:%"),
        )
    ).all()
    ledger.correct_all(session, community_id=community_id, keys=list(keys), made_by=by.id, at=now, reason=MERGE)
    for kind, table in (
        ("identities", Identity),
        ("roles", MemberRole),
        ("check_ins", CheckIn),
        ("signups", Signup),
        ("receipts", Receipt),
        ("household_notes", HouseholdNote),
        ("duty_logs", DutyLog),
        ("quiet", OwnQuiet),
    ):
        _hand_over(session, table, community_id, keeper, other, table.id.in_(moved.get(kind, [])))
    if before := moved.get("told"):
        _tell(session, community_id, keeper, before)
    give_back_categories(
        session,
        community_id=community_id,
        taker=other,
        over=moved.get("categories", []),
        ended=moved.get("categories_ended", []),
    )
    offers = posts.give_back(session, community_id=community_id, moved=moved, keeper=keeper, other=other, now=now)
    close_all_questions(session, community_id=community_id, member_ids=[keeper])
    for check_in_id in moved["doubled"]:
        _there_again(session, community_id, check_in_id, now)
    for signup_id in moved["cancelled"]:
        _place_again(session, community_id, signup_id, by.id, now, companions_max)
    people = session.execute(
        select(Member.id, Member.name).where(Member.community_id == community_id, Member.id.in_([keeper, other]))
    )
    names = {row.id: row.name for row in people}
    balance = ledger.balance_of(session, community_id=community_id, member_id=keeper, currency=Currency.POINTS)
    return Merged(number, keeper, names[keeper], other, names[other], balance, len(moved["doubled"]), offers=offers)


def _there_again(session: Session, community_id: int, check_in_id: int, now: datetime) -> None:
    """A check-in that a merge took back stands again: a new row, with the points that the first one had."""
    first = session.execute(
        select(CheckIn).where(CheckIn.community_id == community_id, CheckIn.id == check_in_id)
    ).scalar_one()
    again = session.execute(
        insert(CheckIn).returning(CheckIn.id),
        {
            "community_id": community_id,
            "activity_id": first.activity_id,
            "member_id": first.member_id,
            "at": first.at,
            "made_by": first.made_by,
            "undone_at": None,
        },
    ).scalar_one()
    _earn_again(session, community_id, f"check-in:{check_in_id}", f"check-in:{again}", now)
    out = session.execute(
        select(CheckOut).where(
            CheckOut.community_id == community_id,
            CheckOut.check_in_id == check_in_id,
            CheckOut.undone_at == first.undone_at,
        )
    ).scalar_one_or_none()
    if out is None:
        return
    out_again = session.execute(
        insert(CheckOut).returning(CheckOut.id),
        {
            "community_id": community_id,
            "check_in_id": again,
            "at": out.at,
            "minutes": out.minutes,
            "made_by": out.made_by,
            "undone_at": None,
        },
    ).scalar_one()
    for prefix in ("check-out", "hours"):
        _earn_again(session, community_id, f"{prefix}:{out.id}", f"{prefix}:{out_again}", now)


def _earn_again(session: Session, community_id: int, key: str, key_again: str, now: datetime) -> None:
    first = session.execute(
        select(Transfer).where(Transfer.community_id == community_id, Transfer.key == key)
    ).scalar_one_or_none()
    if first is None:
        return
    posted = ledger.transfer(
        session,
        community_id=community_id,
        key=key_again,
        currency=Currency(first.currency),
        debit=first.debit,
        credit=first.credit,
        amount=first.amount,
        reason=first.reason,
        ref=first.ref,
        month=first.month,
        made_by=first.made_by,
        at=now,
    )
    assert posted is not None
    again = session.execute(
        select(Transfer).where(Transfer.community_id == community_id, Transfer.id == posted.id)
    ).scalar_one()
    # Whose stay it was may have been merged before, into the one who is split off now.
    ledger.pass_on(session, again, account=again.credit, change=again.amount, made_by=first.made_by, at=now)


def _place_again(
    session: Session, community_id: int, signup_id: int, by: int, now: datetime, companions_max: int
) -> None:
    """Signs up again whoever gave a place up for a merge; where it is taken by now, they wait."""
    activity, member_id, companions = activity_by_signup(session, community_id=community_id, signup_id=signup_id)
    try:
        sign_up(
            session,
            activity=activity,
            member_id=member_id,
            companions=companions,
            made_by=by,
            now=now,
            companions_max=max(companions_max, companions),
            in_charge=True,
        )
    except Refusal:
        # It has begun, is over or was called off: there is no place to give back.
        return
