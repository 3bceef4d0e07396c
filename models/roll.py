"""The organiser's roll: who signed up for an activity and who came, on paper and typed back from it.

The roll numbers its lines by the sign-ups, those that were withdrawn among them, so that a number means the same
person on a sheet that was printed yesterday and in the books of today. What is typed back from paper is entered for
each person by the action that the organiser has for one: nobody who is there already gets anything twice.

- Nobody is entered who is not in the books, and nobody enters themselves.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from models import check_in
from models.activities import ActivityHere, Signup, SignupState, refuse_cancelled
from models.base import Refusal
from models.check_in import AlreadyCheckedIn, NoSuchCheckIn, Stay, stays_at
from models.clock import whole_minutes
from models.members import Member, Neighbour, NoSuchMember, Person, SeveralMembers, find_member, member_by_id
from models.members.merging import keeper_of
from models.units import NoSuchUnit, Unit, find_unit


class Settings(BaseModel):
    """[roll] 纸质名单"""

    model_config = ConfigDict(extra="forbid")

    days: int = Field(30, ge=1, le=366, description="活动结束后几天内可以补录纸上的签到")


class NotOver(Refusal):
    """Nobody can have stayed to the end yet. Fields: title, ends_at."""


class TooLongAgo(Refusal):
    """What was on paper should have been entered long ago. Fields: title, days."""


@dataclass(frozen=True, slots=True)
class RollLine:
    """One line: who signed up, or came without."""

    number: int | None
    """None for who came without a sign-up."""
    person: Neighbour
    companions: int
    state: SignupState | None
    """None: not signed up, or not any more."""
    signed_at: datetime | None
    stay: Stay | None


def roll_of(session: Session, *, activity: ActivityHere) -> list[RollLine]:
    """Everybody who ever signed up, in order, and after them those who came without a sign-up.

    Who was merged stands there as the person that they are now, once; the older line keeps its number.
    """
    here = activity.community_id
    stays = {stay.member_id: stay for stay in stays_at(session, activity=activity)}
    rows = session.execute(
        select(Signup.member_id, Signup.companions, Signup.state, Signup.at, Signup.undone_at)
        .where(Signup.community_id == here, Signup.activity_id == activity.id)
        .order_by(Signup.id)
    ).all()
    people = people_now(session, community_id=here, member_ids={*(row.member_id for row in rows), *stays})
    came = {people[member_id].id: stay for member_id, stay in stays.items()}
    lines = [
        RollLine(
            number,
            people[row.member_id],
            row.companions,
            SignupState(row.state) if row.undone_at is None else None,
            row.at,
            came.get(people[row.member_id].id),
        )
        for number, row in enumerate(rows, 1)
    ]
    listed = {line.person.id for line in lines}
    return lines + [
        RollLine(None, people[member_id], 0, None, None, stay)
        for member_id, stay in stays.items()
        if people[member_id].id not in listed
    ]


def people_now(session: Session, *, community_id: int, member_ids: Collection[int]) -> dict[int, Neighbour]:
    """Who these members are: they themselves, or the person into whom they were merged. One query for all of them."""
    people, merged = {}, []
    for row in session.execute(
        select(Member.id, Member.name, Member.unit_id, Unit.path, Member.hides_name, Member.merged_into)
        .join(Unit, Member.unit_id == Unit.id)
        .where(Member.community_id == community_id, Member.id.in_(member_ids))
    ):
        people[row.id] = Neighbour(*row[:5])
        if row.merged_into is not None:
            merged.append(row.id)
    for member_id in merged:
        keeper = keeper_of(session, community_id=community_id, member_id=member_id)
        people[member_id] = member_by_id(session, community_id=community_id, member_id=keeper)
    return people


# -- typed back from paper ----------------------------------------


@dataclass(frozen=True, slots=True)
class Written:
    """One person as somebody wrote them: by number, or by name with a place."""

    text: str
    number: int | None = None
    name: str = ""
    unit: str = ""
    minutes: int | None = None
    absent: bool = False


@dataclass(slots=True)
class Entry:
    """What a paper says, person by person: what will be entered, and what will not and why."""

    came: dict[int, int] = field(default_factory=dict)
    """Minutes by member."""
    people: dict[int, Neighbour] = field(default_factory=dict)
    absent: list[int] = field(default_factory=list)
    already: list[int] = field(default_factory=list)
    """Checked in already: what stands there stays."""
    disputed: list[int] = field(default_factory=list)
    """Written as absent, and checked in: that is for a person to sort out."""
    twice: list[int] = field(default_factory=list)
    """Written more than once, the same way."""
    contrary: list[int] = field(default_factory=list)
    """Written as there and as absent: neither is entered."""
    unknown: list[str] = field(default_factory=list)
    namesakes: list[str] = field(default_factory=list)
    oneself: bool = False


def read_entry(
    session: Session,
    *,
    activity: ActivityHere,
    written: Sequence[Written],
    others: bool,
    minutes: int | None,
    by: Person,
    now: datetime,
    days_most: int,
) -> Entry:
    """Whom a paper means. `others`: all who have a place and are not named came as well, for `minutes`.

    Who came has the minutes that stand beside them, or the whole length.

    Raises NotOver, TooLongAgo, ActivityCancelled.
    """
    refuse_cancelled(activity)
    if now < activity.ends_at:
        raise NotOver(title=activity.title, ends_at=activity.ends_at)
    if now > activity.ends_at + timedelta(days=days_most):
        raise TooLongAgo(title=activity.title, days=days_most)
    roll = roll_of(session, activity=activity)
    length = whole_minutes(activity.starts_at, activity.ends_at)
    entry, said = Entry(), dict[int, Written]()
    for one in written:
        person = _who(session, activity.community_id, roll, one, entry)
        if person is None:
            continue
        entry.people[person.id] = person
        before = said.setdefault(person.id, one)
        if before is one:
            continue
        bad = entry.contrary if before.absent != one.absent else entry.twice
        if person.id not in bad:
            bad.append(person.id)
        if before.minutes is None:
            said[person.id] = one
    there = {line.person.id for line in roll if line.stay is not None}
    if others:
        for line in roll:
            if line.state is SignupState.CONFIRMED and line.person.id not in {*said, *there}:
                entry.people[line.person.id] = line.person
                said[line.person.id] = Written("", minutes=minutes)
    for member_id, one in said.items():
        if member_id in entry.contrary:
            continue
        if member_id in there:
            (entry.disputed if one.absent else entry.already).append(member_id)
        elif one.absent:
            entry.absent.append(member_id)
        elif member_id == by.id:
            entry.oneself = True
        else:
            entry.came[member_id] = min(length, length if one.minutes is None else one.minutes)
    return entry


def _who(session: Session, community_id: int, roll: Sequence[RollLine], one: Written, entry: Entry) -> Neighbour | None:
    """Whom one writing means: on the roll first, then in the community. Whom nobody knows is noted."""
    on_roll = {
        line.person.id: line.person
        for line in roll
        if (line.number == one.number if one.number is not None else line.person.name == one.name)
    }
    try:
        path = find_unit(session, community_id=community_id, name=one.unit).path if one.unit else ""
        on_roll = {key: person for key, person in on_roll.items() if person.unit_path.startswith(path)}
        if len(on_roll) == 1:
            return next(iter(on_roll.values()))
        if one.number is None and not on_roll:
            return find_member(session, community_id=community_id, name=one.name, within=path)
    except (NoSuchMember, NoSuchUnit):
        pass
    except SeveralMembers:
        entry.namesakes.append(one.text)
        return None
    (entry.namesakes if on_roll else entry.unknown).append(one.text)
    return None


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody who was entered from paper."""

    member_id: int
    check_in_id: int
    minutes: int
    points: int


def enter(session: Session, *, activity: ActivityHere, entry: Entry, by: int) -> list[Entered]:
    """Enters everybody who came, each as the organiser would enter one. Raises ActivityCancelled."""
    entered = []
    # In the order of ids, in which two transfers of one person wait for each other.
    for member_id, minutes in sorted(entry.came.items()):
        try:
            done = check_in.vouch_stay(session, activity=activity, member_id=member_id, minutes=minutes, by=by)
        except AlreadyCheckedIn:
            continue  # in this very moment
        entered.append(Entered(member_id, done.check_in_id, done.minutes, done.points))
    return entered


def take_back(session: Session, *, community_id: int, check_ins: Sequence[int], by: int, now: datetime) -> int:
    """Takes back what was entered, with all that it earned; returns how many of them still stood."""
    taken = 0
    for check_in_id in check_ins:
        try:
            check_in.undo_check_in(session, community_id=community_id, check_in_id=check_in_id, by=by, now=now)
        except NoSuchCheckIn:
            continue
        taken += 1
    return taken
