"""For whom a notice is, and how they are reached: whole units, or those in them who are party members, leads, helpers.

- A person who is meant twice is counted once; a household is everybody of one room.
- A group hears for those who live, or joined, at or below its unit. Whoever no group hears for is written to alone.
- Nobody is counted as reached to whom no channel can speak.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from models.base import Refusal
from models.categories import counts_as, of_category
from models.check_in import CheckIn
from models.directory import Endpoint, Group, Listed, audience, groups_of, organisations
from models.members.categories import is_open
from models.members.people import Member, MemberRole, Role, Standing, masked, present
from models.members.roles import in_force
from models.organisation import UnitMember, first_of
from models.quiet import group_end, owners, person_end
from models.reach import Reach, everybody_reached
from models.units import HOMES, NoSuchUnit, Unit, UnitHere, UnitKind, covers, find_unit, root_of, unit_by_id


class Who(StrEnum):
    """Which people of a unit are meant."""

    EVERYBODY = "everybody"
    PARTY = "party"
    """Party members."""
    BUILDING_LEADS = "building_leads"
    BRANCH_SECRETARIES = "branch_secretaries"
    STAFF = "staff"
    """Who looks after a grid, or works for the community."""
    VOLUNTEERS = "volunteers"
    """Who belongs to a service team, or has come to an activity."""
    CATEGORY = "category"
    """Who is of a category: 流动党员."""


ROLES = {
    Who.BUILDING_LEADS: Role.BUILDING_LEAD,
    Who.BRANCH_SECRETARIES: Role.BRANCH_SECRETARY,
    Who.STAFF: Role.STAFF,
}


class NobodyThere(Refusal):
    """Nobody of that kind is on the roster. Fields: target."""


class OutOfReach(Refusal):
    """No group and no person of it can be written to, not even by hand. Fields: target."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an audience, as it is kept: certain people of one unit."""

    unit: UnitHere
    who: Who = Who.EVERYBODY
    category: str = ""
    """Which one, where a category is meant."""
    but: bool = False
    """These are left out."""

    @property
    def private(self) -> bool:
        """Whether nobody but staff may know who these are."""
        return bool(self.category) and not is_open(self.category)

    def kept(self) -> dict[str, Any]:
        more: dict[str, Any] = {"category": self.category} if self.category else {}
        return {"unit": self.unit.id, "who": str(self.who), **more, **({"but": True} if self.but else {})}


def parts_of(session: Session, *, community_id: int, kept: Sequence[dict[str, Any]]) -> list[Part]:
    """The parts of an audience, as they were kept."""
    return [
        Part(
            unit_by_id(session, community_id=community_id, unit_id=one["unit"]),
            Who(one["who"]),
            one.get("category", ""),
            one.get("but", False),
        )
        for one in kept
    ]


def meant(parts: Sequence[Part]) -> list[Part]:
    """The parts without those that are left out."""
    return [part for part in parts if not part.but]


def least_role(parts: Sequence[Part]) -> Role:
    """What it takes to look after a notice for these people: whom a private category names, only staff may know."""
    return Role.STAFF if any(part.private for part in parts) else Role.BUILDING_LEAD


def party_of(session: Session, *, community_id: int) -> UnitHere:
    """The unit for all party members: their committee, else the community itself."""
    found = first_of(session, community_id=community_id, kinds=[UnitKind.PARTY_COMMITTEE])
    return found or root_of(session, community_id)


@dataclass(frozen=True, slots=True)
class Listener:
    """Somebody whom a notice is for."""

    id: int
    name: str
    hides_name: bool
    unit_id: int
    path: str
    room: str

    @property
    def shown(self) -> str:
        """The name as a group may read it."""
        return masked(self.name) if self.hides_name else self.name

    @property
    def household(self) -> tuple[int, str]:
        """Everybody of one room is one household; who has no room on the roster is one alone."""
        return (self.unit_id, self.room) if self.room else (0, str(self.id))


def households(people: Collection[Listener]) -> int:
    """How many households these people are."""
    return len({one.household for one in people})


def _people(community_id: int, part: Part, now: datetime):  # type: ignore[no-untyped-def]
    """Selects the people of one part as rows for a `Listener`; callers narrow it."""
    query = present(community_id).add_columns(Member.room)
    below = Unit.path.like(part.unit.path + "%")
    if (role := ROLES.get(part.who)) is not None:
        units = select(Unit.id).where(Unit.community_id == community_id, below)
        held = select(MemberRole.member_id).where(
            MemberRole.community_id == community_id,
            MemberRole.role == role,
            MemberRole.unit_id.in_(units),
            in_force(now),
        )
        return query.where(Member.id.in_(held))
    if part.who is Who.PARTY:
        query = query.where(Member.standing == Standing.PARTY_MEMBER)
        return query if part.unit.kind is UnitKind.PARTY_COMMITTEE else query.where(_belongs(community_id, part, now))
    if part.who is Who.VOLUNTEERS:
        query = query.where(_helps(community_id))
    if part.who is Who.CATEGORY:
        query = query.where(Member.id.in_(of_category(community_id, part.category)), counts_as(part.category))
    return query.where(_belongs(community_id, part, now))


def _belongs(community_id: int, part: Part, now: datetime) -> Any:
    """By home; or by having joined, or holding an office there, where nobody lives."""
    if part.unit.kind in HOMES:
        return Unit.path.like(part.unit.path + "%")
    units = select(Unit.id).where(Unit.community_id == community_id, Unit.path.like(part.unit.path + "%"))
    joined = select(UnitMember.member_id).where(
        UnitMember.community_id == community_id, UnitMember.until.is_(None), UnitMember.unit_id.in_(units)
    )
    holds = select(MemberRole.member_id).where(
        MemberRole.community_id == community_id, MemberRole.unit_id.in_(units), in_force(now)
    )
    return or_(Member.id.in_(joined), Member.id.in_(holds))


def _helps(community_id: int) -> Any:
    teams = select(Unit.id).where(
        Unit.community_id == community_id, Unit.kind == UnitKind.SERVICE_TEAM, Unit.until.is_(None)
    )
    joined = select(UnitMember.member_id).where(
        UnitMember.community_id == community_id, UnitMember.until.is_(None), UnitMember.unit_id.in_(teams)
    )
    came = exists().where(
        CheckIn.community_id == community_id, CheckIn.member_id == Member.id, CheckIn.undone_at.is_(None)
    )
    return or_(Member.id.in_(joined), came)


def _listener(row: Any) -> Listener:
    return Listener(row.id, row.name, bool(row.hides_name), row.unit_id, row.path, row.room)


def listeners(
    session: Session, *, community_id: int, parts: Sequence[Part], now: datetime, within: str = ""
) -> list[Listener]:
    """Whom it is for, each once, by house and room; `within` a unit path only those who live there."""
    found: dict[int, Listener] = {}
    for part in meant(parts):
        query = _people(community_id, part, now)
        if within:
            query = query.where(Unit.path.like(within + "%"))
        for row in session.execute(query):
            found.setdefault(row.id, _listener(row))
    for one in _left_out(session, community_id, parts, now):
        found.pop(one, None)
    return sorted(found.values(), key=lambda one: (one.path, one.room, one.id))


def _left_out(session: Session, community_id: int, parts: Sequence[Part], now: datetime) -> set[int]:
    return {row.id for part in parts if part.but for row in session.execute(_people(community_id, part, now))}


def listens(
    session: Session, *, community_id: int, parts: Sequence[Part], member_ids: Collection[int], now: datetime
) -> bool:
    """Whether it is for one of these members."""

    def among(part: Part) -> bool:
        them = _people(community_id, part, now).where(Member.id.in_(member_ids))
        return session.execute(them.limit(1)).first() is not None

    return any(map(among, meant(parts))) and not any(among(part) for part in parts if part.but)


def people_of_room(session: Session, *, community_id: int, within: str, room: str) -> list[Listener]:
    """Who lives in a room at or below a unit path."""
    rows = session.execute(
        present(community_id)
        .add_columns(Member.room)
        .where(Unit.path.like(within + "%"), Member.room == room)
        .order_by(Member.id)
    )
    return [_listener(row) for row in rows]


def people_called(session: Session, *, community_id: int, name: str, room: str, unit: str, near: str) -> list[Listener]:
    """Who may be meant by a name, a room, or both, perhaps with a place: `502`, `3栋 何叔`.

    A room alone is one of the house in which somebody `near` lives.
    """
    query = present(community_id).add_columns(Member.room).order_by(Member.id).limit(20)
    if name:
        query = query.where(Member.name == name)
    if room:
        query = query.where(Member.room == room)
    if unit:
        try:
            found = find_unit(session, community_id=community_id, name=unit)
        except NoSuchUnit:
            return []
        query = query.where(Unit.path.like(found.path + "%"))
    elif not name:
        query = query.where(Unit.path.like(house_of(near) + "%"))
    return [_listener(row) for row in session.execute(query)]


def house_of(path: str) -> str:
    """The path of the building in which a door is: what people mean who say a room alone."""
    above = path.rstrip("/").rsplit("/", 1)[0]
    return f"{above}/" if above.count("/") > 1 else path


def listener(session: Session, *, community_id: int, member_id: int) -> Listener | None:
    """Somebody who lives here."""
    row = session.execute(present(community_id).add_columns(Member.room).where(Member.id == member_id)).one_or_none()
    return None if row is None else _listener(row)


# -- how they are reached ----------------------------------------


class Ears(StrEnum):
    """What of a group's talk the bot hears."""

    ALL = "all"
    MENTIONS = "mentions"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A group that a notice goes to."""

    id: int
    name: str
    unit_path: str
    pushes: bool
    """The bot can write there; else somebody has to copy the text."""
    ears: Ears
    taps: bool = False
    """What the bot writes there has buttons."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Who hears of a notice, and how."""

    people: list[Listener]
    """Everybody whom it is for."""
    groups: list[Spoken]
    alone: list[Listener]
    """Who is written to alone, for no group hears for them."""
    missed: list[Listener]
    """Whom nothing reaches."""

    def leaves(self, session: Session, reach: Reach, moment: datetime) -> dict[str, datetime]:
        """When each group that is written to, and the last of those who are written to alone (``), gets what is sent at
        a moment: that moment, or the end of the quiet hours that hold for them.
        """
        if reach.quiet is None:
            return {}
        pushed = [group for group in self.groups if group.pushes]
        own = owners(session, groups=[one.id for one in pushed], people=[one.id for one in self.alone])
        found = {group.name: group_end(own.groups.get(group.id), reach.quiet, moment) or moment for group in pushed}
        alone = [person_end(own.people.get(one.id), reach.quiet, moment) or moment for one in self.alone]
        return {**found, **({"": max(alone)} if alone else {})}


def plan(
    session: Session, *, community_id: int, parts: Sequence[Part], target: str, reach: Reach, now: datetime
) -> Plan:
    """How a notice reaches its people as things stand. Raises NobodyThere and OutOfReach."""
    people = listeners(session, community_id=community_id, parts=parts, now=now)
    if not people:
        raise NobodyThere(target=target)
    groups = groups_of(session, community_id=community_id)
    joined = organisations(session, community_id=community_id)
    reached = everybody_reached(session, community_id=community_id, reach=reach)
    heard: set[int] = set()
    used: dict[int, Listed] = {}
    left_out = _left_out(session, community_id, parts, now)
    for part in meant(parts):
        theirs = listeners(session, community_id=community_id, parts=[part], now=now)
        away = [one for one in theirs if one.id in left_out]
        own = [
            group
            for group in _groups_for(part, groups, joined)
            if not any(_is_for(group, one) for one in parts if one.but)
            and not any(map(_hears_for(part, [group]), away))
        ]
        by_themselves = any(one.id in reached for one in theirs) or any(one.but for one in parts)
        if not own and not by_themselves and part.who is Who.EVERYBODY:
            own = audience(groups, part.unit.path, joined)
        used |= {group.id: group for group in own}
        hears = _hears_for(part, own)
        heard |= {one.id for one in theirs if hears(one)}
    alone = [one for one in people if one.id not in heard and one.id in reached]
    missed = [one for one in people if one.id not in heard and one.id not in reached]
    if not used and not alone:
        raise OutOfReach(target=target)
    return Plan(people, with_ears(session, community_id, list(used.values()), reach), alone, missed)


def _groups_for(part: Part, groups: Sequence[Listed], organisations: Sequence[str]) -> list[Listed]:
    """The groups that are a part's own: at or below its unit, and of its kind."""
    if part.who is Who.PARTY and part.unit.kind is not UnitKind.PARTY_COMMITTEE:
        return []
    if part.who not in (Who.EVERYBODY, Who.PARTY):
        return []
    found = audience(groups, part.unit.path, organisations)
    return [group for group in found if covers(part.unit.path, group.unit_path)]


def _is_for(group: Listed, part: Part) -> bool:
    """Whether a group's own unit is one, or holds one, that is left out: nobody asks first who of it is listed."""
    paths = group.unit_path, part.unit.path
    return part.who is Who.EVERYBODY and (covers(*paths) or covers(*reversed(paths)))


def _hears_for(part: Part, own: Sequence[Listed]) -> Callable[[Listener], bool]:
    paths = [group.unit_path for group in own]
    if any(covers(path, part.unit.path) for path in paths):
        return lambda one: True
    if part.unit.kind in HOMES:
        return lambda one: any(covers(path, one.path) for path in paths)
    # Who joined which of the units below is not looked up: whoever may have no group is written to as well.
    return lambda one: False


def with_ears(session: Session, community_id: int, groups: Sequence[Listed], reach: Reach) -> list[Spoken]:
    """The groups, and of each whether it can be written to and what the bot hears of it."""
    channels: dict[int, set[str]] = {}
    for row in session.execute(
        select(Endpoint.group_id, Endpoint.channel).where(
            Endpoint.community_id == community_id, Endpoint.group_id.in_([group.id for group in groups])
        )
    ):
        channels.setdefault(row.group_id, set()).add(row.channel)

    def ears(names: set[str]) -> Ears:
        if names & reach.everything:
            return Ears.ALL
        return Ears.MENTIONS if names & reach.mentions else Ears.NONE

    return [
        Spoken(
            group.id,
            group.name,
            group.unit_path,
            bool(names & reach.groups),
            ears(names),
            bool(names & reach.groups) and names & reach.groups <= reach.buttons,
        )
        for group in sorted(groups, key=lambda one: one.id)
        for names in [channels.get(group.id, set())]
    ]


def group_names(session: Session, *, community_id: int, ids: Collection[int]) -> dict[int, str]:
    """What groups are called."""
    rows = session.execute(select(Group.id, Group.name).where(Group.community_id == community_id, Group.id.in_(ids)))
    return {row.id: row.name for row in rows}
