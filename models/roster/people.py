"""One person at a time: put on the roster, told otherwise, moved, gone and back; and each of these taken back.

- Nobody writes about a person who lives, or shall live, beyond their scope, nor about one with a role above their own.
- Somebody beyond one's scope and somebody who is not there sound the same.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session

from models import posts
from models.base import Refusal
from models.categories import forget_categories
from models.directory import Identity
from models.members import (
    AboveOneself,
    Member,
    MemberRole,
    NoSuchMember,
    Person,
    Role,
    Standing,
    add_member,
    masked,
    require,
)
from models.members.people import FORGOTTEN
from models.roster.importing import lock_roster
from models.roster.stays import (
    Home,
    amend_home,
    forget_homes,
    is_move,
    leave_home,
    take_home,
    unwrite_move,
)
from models.units import Unit, UnitHere, called, covers

LEAST = Role.STAFF
"""Who may write in the roster, within their scope."""


class ListedAlready(Refusal):
    """The roster has this person in this very home. Fields: name."""


class NothingToCorrect(Refusal):
    """The roster says so already. Fields: name."""


class NotHere(Refusal):
    """Who has moved out must move back in first. Fields: name."""


class LivesHere(Refusal):
    """Only who has moved out can move back in. Fields: name."""


class WrittenSince(Refusal):
    """The person was written about again, or has begun to take part: it cannot be taken back. Fields: name."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A member as the roster has them, for those who may see it."""

    id: int
    name: str
    hides_name: bool
    unit_id: int
    unit_path: str
    home: str
    """What people call the unit: `3栋2单元`."""
    room: str
    phone: str
    standing: Standing
    born: str
    moved_out_at: datetime | None

    @property
    def shown(self) -> str:
        """The name as a group may read it."""
        return masked(self.name) if self.hides_name else self.name

    @property
    def told(self) -> "Told":
        """What can be corrected of this person."""
        return Told(self.name, self.unit_id, self.room, self.phone, self.standing, self.born)


@dataclass(frozen=True, slots=True)
class Told:
    """What the roster says of a person, as the audit keeps it."""

    name: str
    unit_id: int
    room: str
    phone: str
    standing: str
    born: str

    def as_detail(self) -> dict[str, Any]:
        """For the audit."""
        return asdict(self)


def find_listed(session: Session, *, by: Person, name: str, within: str = "", gone: bool = False) -> list[Listed]:
    """Everybody of this name in the scope of `by`, at or below the unit path `within`; those who have moved out, if
    `gone`. Raises NoSuchMember where there is nobody.
    """
    found = [
        one
        for one in _listed(session, by.community.id, Member.name == name)
        if (one.moved_out_at is not None) == gone and by.may(LEAST, one.unit_path) and covers(within, one.unit_path)
    ]
    if not found:
        raise NoSuchMember(name=name)
    return found


def listed_by_id(session: Session, *, by: Person, member_id: int) -> Listed:
    """The member with this id, where they are in the scope of `by`. Raises NoSuchMember."""
    found = _listed(session, by.community.id, Member.id == member_id)
    if not found or not by.may(LEAST, found[0].unit_path):
        raise NoSuchMember(name=str(member_id))
    return found[0]


def _listed(session: Session, community_id: int, who: Any) -> list[Listed]:
    rows = session.execute(
        select(
            Member.id,
            Member.name,
            Member.hides_name,
            Member.unit_id,
            Unit.path,
            Member.room,
            Member.phone,
            Member.standing,
            Member.born,
            Member.moved_out_at,
        )
        .join(Unit, Member.unit_id == Unit.id)
        .where(
            Member.community_id == community_id,
            Member.forgotten_at.is_(None),
            Member.merged_into.is_(None),
            who,
        )
        .order_by(Unit.id, Member.room, Member.id)
    ).all()
    return [
        Listed(
            row.id,
            row.name,
            row.hides_name,
            row.unit_id,
            row.path,
            called(session, community_id=community_id, unit_id=row.unit_id),
            row.room,
            row.phone,
            Standing(row.standing),
            row.born,
            row.moved_out_at,
        )
        for row in rows
    ]


def namesakes(session: Session, *, community_id: int, name: str, path: str) -> list[Listed]:
    """Who of this name lives at or below a unit now."""
    return [
        one
        for one in _listed(session, community_id, Member.name == name)
        if one.moved_out_at is None and covers(path, one.unit_path)
    ]


def list_person(
    session: Session,
    *,
    by: Person,
    name: str,
    unit: UnitHere,
    room: str,
    phone: str,
    standing: Standing,
    basis: str,
    now: datetime,
    born: str = "",
) -> int:
    """Puts a person on the roster; returns the member's id. Raises BeyondReach and ListedAlready."""
    require(by, LEAST, unit.path)
    lock_roster(session, community_id=by.community.id)
    for one in namesakes(session, community_id=by.community.id, name=name, path=unit.path):
        if one.unit_id == unit.id and one.room == room and phone in ("", one.phone):
            raise ListedAlready(name=name)
    return add_member(
        session,
        community_id=by.community.id,
        name=name,
        unit=unit,
        room=room,
        phone=phone,
        standing=standing,
        basis=basis,
        born=born,
        now=now,
    )


def unlist_person(session: Session, *, community_id: int, member_id: int, now: datetime) -> str:
    """Takes a person who was put on the roster by mistake off it again; returns the name.

    Raises WrittenSince where they have an account by now: then there is more to them than a line.
    """
    name = _here(session, community_id, member_id).name
    bound = session.scalar(
        select(exists().where(Identity.community_id == community_id, Identity.member_id == member_id))
    )
    if bound:
        raise WrittenSince(name=name)
    # The row stays, because it may be spoken of elsewhere; nothing of the person does.
    forget_homes(session, community_id=community_id, member_ids=[member_id])
    forget_categories(session, community_id=community_id, member_ids=[member_id])
    _leave_posts(session, community_id, member_id, now)
    _write(
        session,
        community_id,
        member_id,
        name=FORGOTTEN,
        standing=Standing.RESIDENT,
        room="",
        phone="",
        employer="",
        basis="",
        born="",
        moved_out_at=now,
        forgotten_at=now,
    )
    return name


def correct_person(
    session: Session,
    *,
    by: Person,
    member: Listed,
    unit: UnitHere | None,
    room: str | None,
    phone: str | None,
    name: str | None,
    standing: Standing | None,
    now: datetime,
    born: str | None = None,
) -> tuple[Told, Told]:
    """Tells something of a person otherwise (None: as it is); returns what was told before and what is now.

    Another home is a move, and the one that was left stays in the history. Raises BeyondReach, AboveOneself, NotHere
    and NothingToCorrect.
    """
    _reach(session, by, member, now)
    if unit is not None:
        require(by, LEAST, unit.path)
    if member.moved_out_at is not None:
        raise NotHere(name=member.shown)
    before = member.told
    after = Told(
        name if name is not None else before.name,
        unit.id if unit is not None else before.unit_id,
        room if room is not None else ("" if _elsewhere(unit, member) else before.room),
        phone if phone is not None else before.phone,
        standing if standing is not None else before.standing,
        born if born is not None else before.born,
    )
    if after == before:
        raise NothingToCorrect(name=member.shown)
    if (after.unit_id, after.room) != (before.unit_id, before.room):
        home = Home(after.unit_id, after.room)
        if unit is not None and is_move(member.unit_path, before.room, unit.path, after.room):
            leave_home(session, community_id=by.community.id, member_id=member.id, now=now)
            take_home(session, community_id=by.community.id, member_id=member.id, home=home, now=now)
        else:
            amend_home(session, community_id=by.community.id, member_id=member.id, home=home)
    _write(session, by.community.id, member.id, **asdict(after))
    return before, after


def _elsewhere(unit: UnitHere | None, member: Listed) -> bool:
    """Whether a new home is named without its room: the old room's number is not its."""
    return unit is not None and not unit.path.startswith(member.unit_path)


def uncorrect_person(
    session: Session,
    *,
    community_id: int,
    member_id: int,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    at: datetime,
) -> str:
    """Takes a correction back, the history with it; returns the name. Raises WrittenSince."""
    one = _here(session, community_id, member_id)
    if asdict(one.told) != dict(after):
        raise WrittenSince(name=one.shown)
    if (before["unit_id"], before["room"]) != (after["unit_id"], after["room"]):
        unwrite_move(session, community_id=community_id, member_id=member_id, at=at)
        amend_home(
            session, community_id=community_id, member_id=member_id, home=Home(before["unit_id"], before["room"])
        )
    _write(session, community_id, member_id, **before)
    return replace(one, name=before["name"]).shown


def move_out(session: Session, *, by: Person, member: Listed, now: datetime) -> list[posts.Ended]:
    """The person lives here no more: history keeps where and until when. Returns the posts that they left.

    Raises AboveOneself and NotHere.
    """
    _reach(session, by, member, now)
    if member.moved_out_at is not None:
        raise NotHere(name=member.shown)
    leave_home(session, community_id=by.community.id, member_id=member.id, now=now)
    _write(session, by.community.id, member.id, moved_out_at=now)
    return _leave_posts(session, by.community.id, member.id, now)


def _leave_posts(session: Session, community_id: int, member_id: int, now: datetime) -> list[posts.Ended]:
    return posts.end_all(
        session,
        community_id=community_id,
        member_ids=[member_id],
        why=posts.Why.LEFT,
        now=now,
        offer_hours=posts.OFFER_HOURS,
    )


def move_in(session: Session, *, by: Person, member: Listed, unit: UnitHere, room: str, now: datetime) -> None:
    """Who had moved out is back, in the old home or another. Raises BeyondReach, AboveOneself and LivesHere."""
    _reach(session, by, member, now)
    require(by, LEAST, unit.path)
    home = Home(unit.id, room)
    if member.moved_out_at is None:
        raise LivesHere(name=member.shown)
    take_home(session, community_id=by.community.id, member_id=member.id, home=home, now=now)
    _write(session, by.community.id, member.id, moved_out_at=None, unit_id=home.unit_id, room=home.room)


def undo_move_out(session: Session, *, community_id: int, member_id: int, at: datetime) -> str:
    """The person never left; returns the name. Raises WrittenSince where they have moved in again meanwhile."""
    one = _here(session, community_id, member_id)
    if one.moved_out_at != at:
        raise WrittenSince(name=one.shown)
    unwrite_move(session, community_id=community_id, member_id=member_id, at=at)
    _write(session, community_id, member_id, moved_out_at=None)
    return one.shown


def undo_move_in(
    session: Session, *, community_id: int, member_id: int, before: Mapping[str, Any], gone_at: str, at: datetime
) -> str:
    """The person never came back; returns the name. Raises WrittenSince."""
    one = _here(session, community_id, member_id)
    if one.moved_out_at is not None:
        raise WrittenSince(name=one.shown)
    unwrite_move(session, community_id=community_id, member_id=member_id, at=at)
    _write(
        session,
        community_id,
        member_id,
        moved_out_at=datetime.fromisoformat(gone_at),
        unit_id=before["unit_id"],
        room=before["room"],
    )
    return one.shown


def _here(session: Session, community_id: int, member_id: int) -> Listed:
    found = _listed(session, community_id, Member.id == member_id)
    if not found:
        raise NoSuchMember(name=str(member_id))
    return found[0]


def _write(session: Session, community_id: int, member_id: int, **told: Any) -> None:
    session.execute(update(Member).where(Member.community_id == community_id, Member.id == member_id).values(**told))


def _reach(session: Session, by: Person, member: Listed, now: datetime) -> None:
    """Raises BeyondReach, and AboveOneself for a person with a role that `by` could not give."""
    lock_roster(session, community_id=by.community.id)
    require(by, LEAST, member.unit_path)
    rows = session.execute(
        select(MemberRole.role, Unit.path)
        .join(Unit, MemberRole.unit_id == Unit.id)
        .where(
            MemberRole.community_id == by.community.id,
            MemberRole.member_id == member.id,
            or_(MemberRole.until.is_(None), MemberRole.until > now),
        )
    )
    for row in rows:
        if not by.may(Role(row.role), row.path):
            raise AboveOneself(role=Role(row.role))
