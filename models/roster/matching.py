"""A list held against the books: who is new, who has changed, who is the same, who cannot be told.

Pure: plain values in, a plan out. The same plan is shown first and written afterwards.

- A row is one person: by the account, else by name and room, else by name and phone, else by the name where only one
  person of that building bears it, in the books and in the list.
- Two rows are never the same person.
- An empty cell says nothing. Nobody is removed, no role is ended.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from models.clock import at
from models.members import Person, Role, Standing
from models.members.categories import excluded_by
from models.roster.tree import Place, Tree
from models.units import UnitKind

NOWHERE = Place()
CATEGORY = "category"
"""What a change of categories is called."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A role in a list. `unit` is the name of what it holds for, empty where the list does not say."""

    role: Role | None
    """None: belongs to the unit, as a party member or a resident."""
    unit: str = ""
    until: date | None = None
    """The last day, in Shanghai."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a list. Empty fields say nothing."""

    line: int
    name: str
    place: Place = NOWHERE
    plain: bool = True
    """The building and the door are named so that they can be made where they are missing: 3栋, 2单元."""
    room: str = ""
    phone: str = ""
    standing: Standing | None = None
    roles: tuple[Wanted, ...] = ()
    accounts: tuple[str, ...] = ()
    basis: str = ""
    born: str = ""
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Holding:
    """A role that is held for a unit (by its name in lists), until a moment."""

    role: Role
    unit: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A member as the books have them."""

    id: int
    name: str
    unit_id: int
    place: Place
    room: str
    phone: str
    standing: Standing
    basis: str
    accounts: frozenset[str] = frozenset()
    roles: tuple[Holding, ...] = ()
    moved_out: bool = False
    merged_into: int | None = None
    born: str = ""
    categories: tuple[str, ...] = ()


class Reason(StrEnum):
    """Why a row cannot be taken."""

    REPEATED = "repeated"
    """The same person stands on line `other`."""
    NAMESAKES = "namesakes"
    """Several bear the name there, and neither room nor phone tells which."""
    MOVED_OUT = "moved_out"
    """The books say that this person has moved out."""
    OTHER_PERSON = "other_person"
    """The account is that of `name`, who is somebody else."""
    OTHER_ACCOUNT = "other_account"
    """This person has another account already."""
    UNKNOWN_HOME = "unknown_home"
    """No building of this name (`unit`), and it is none that is made by itself. `known`."""
    UNKNOWN_UNIT = "unknown_unit"
    """No unit of this name (`unit`). `known`."""
    ROLE_NEEDS_UNIT = "role_needs_unit"
    """The list does not say what the role holds for. `role`."""
    ABOVE_ONESELF = "above_oneself"
    """A role, or a person with a role, that the importer does not reach. `role`."""
    BEYOND_REACH = "beyond_reach"
    """The home lies beyond the importer's scope."""
    CHANGED_MEANWHILE = "changed_meanwhile"
    """Somebody else wrote about this person since the books were read."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that is left out. `fields` are what the sentence of its reason needs."""

    line: int
    name: str
    reason: Reason
    fields: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is told otherwise than before; `before` may be empty."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Step:
    """A row that is to be written: somebody new, or (`known`) somebody told otherwise."""

    entry: Entry
    place: Place
    known: Known | None
    changes: tuple[Change, ...]
    roles: tuple[Holding, ...]
    """Those to be given."""
    accounts: tuple[str, ...]
    """Those to be added."""
    categories: tuple[str, ...] = ()
    """Those to be given."""


@dataclass(slots=True)
class Plan:
    """What a list would do."""

    added: list[Step] = field(default_factory=list)
    changed: list[Step] = field(default_factory=list)
    same: int = 0
    refused: list[Refused] = field(default_factory=list)
    vanished: list[Known] = field(default_factory=list)
    """In the books and not in the list: those of the buildings in the list first."""
    units: list[Place] = field(default_factory=list)
    """Buildings and doors that are made."""


class _Unfit(Exception):
    def __init__(self, reason: Reason, **fields: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fields = fields


def make_plan(
    entries: Sequence[Entry],
    members: Iterable[Known],
    tree: Tree,
    *,
    by: Person | None,
    now: datetime,
    also_named: Collection[str] = (),
) -> Plan:
    """Holds a list against the books. `by` None is the operator at the machine, who reaches everything.

    `also_named` stand in rows that could not be read: they have not vanished.
    """
    everybody = _Members(members)
    matched = _match(entries, everybody)
    plan, taken = Plan(), _Taken()
    mentioned = {entry.place.building for entry in entries}
    for entry in entries:
        found = matched[entry.line]
        try:
            if isinstance(found, _Unfit):
                raise found
            step = _step(entry, found, everybody, tree, by, now)
            taken.take(entry, step)
        except _Unfit as unfit:
            plan.refused.append(Refused(entry.line, entry.name, unfit.reason, unfit.fields))
            continue
        if step.known is None:
            plan.added.append(step)
        elif step.changes:
            plan.changed.append(step)
        else:
            plan.same += 1
    made = dict.fromkeys(step.place for step in (*plan.added, *plan.changed))
    plan.units = _missing(made, tree)
    # Whose row cannot be taken is not gone.
    named = {*also_named, *(one.name for one in plan.refused)}
    plan.vanished = sorted(everybody.vanished(named), key=lambda one: (one.place.building not in mentioned, one.id))
    return plan


def _missing(places: Iterable[Place], tree: Tree) -> list[Place]:
    wanted: dict[Place, None] = {}
    for place in places:
        for one in (Place(place.building), place):
            if one.building and tree.home(one) is None:
                wanted[one] = None
    return list(wanted)


class _Taken:
    """Who has a row already, be they in the books or new."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, int] = {}
        self._flats: dict[Hashable, dict[str, int]] = defaultdict(dict)

    def take(self, entry: Entry, step: Step) -> None:
        """Refuses the second row for one person."""
        keys: list[Hashable] = [("account", account) for account in step.accounts]
        other = None
        if step.known is not None:
            keys.append(step.known.id)
        elif entry.room:
            # Two of one name in one flat are told apart by their phones, and by nothing else.
            phones = self._flats[entry.name, step.place, entry.room]
            other = (
                phones.get(entry.phone)
                or phones.get("")
                or (min(phones.values(), default=None) if not entry.phone else None)
            )
            phones.setdefault(entry.phone, entry.line)
        else:
            keys.append((entry.name, step.place, entry.phone))
        other = other or next((self._lines[key] for key in keys if key in self._lines), None)
        if other is not None:
            raise _Unfit(Reason.REPEATED, other=other)
        self._lines.update(dict.fromkeys(keys, entry.line))


class _Members:
    """The members by all that a row may know them by."""

    def __init__(self, members: Iterable[Known]) -> None:
        self.by_id: dict[int, Known] = {}
        self.by_name: dict[str, list[Known]] = defaultdict(list)
        self.by_account: dict[str, Known] = {}
        self.seen: set[int] = set()
        self.claimed: dict[int, int] = {}
        """Whose row is a certain line: the row has their account, or their room and phone."""
        for one in members:
            self.by_id[one.id] = one
            self.by_name[one.name].append(one)
            for account in one.accounts:
                self.by_account[account] = one

    def is_other(self, entry: Entry, one: Known, *, strictly: bool = True) -> bool:
        """Whether the member must be somebody else, by another phone; `strictly`: and by a row of their own.

        Where not strictly, another room must speak for it too.
        """
        if not (entry.phone and one.phone and entry.phone != one.phone):
            return False
        if strictly:
            return self.claimed.get(one.id, entry.line) != entry.line
        return bool(entry.room and one.room and entry.room != one.room)

    def vanished(self, also_named: Collection[str]) -> Iterable[Known]:
        return (
            one
            for one in self.by_id.values()
            if one.id not in self.seen and not one.moved_out and one.merged_into is None and one.name not in also_named
        )


# -- who is who ----------------------------------------

Found = Known | _Unfit | None


def _match(entries: Sequence[Entry], members: _Members) -> dict[int, Found]:
    """For each line the member it is about, None for somebody new, or why that cannot be told."""
    found: dict[int, Found] = {}
    there = Counter((entry.name, entry.place.building) for entry in entries)
    for entry in entries:
        # First, so that a namesake of the same flat is not taken for somebody whose own row comes later.
        if (exact := _exact(entry, members)) is not None:
            members.claimed.setdefault(exact.id, entry.line)
    for entry in entries:
        try:
            found[entry.line] = (
                _by_account(entry, members)
                or _by_room(entry, members)
                or _by_phone(entry, members)
                or _by_building(entry, members, there[entry.name, entry.place.building])
            )
        except _Unfit as unfit:
            found[entry.line] = unfit
    return found


def _exact(entry: Entry, members: _Members) -> Known | None:
    for account in entry.accounts:
        if account in members.by_account:
            return members.by_account[account]
    if not entry.room:
        return None
    return next((one for one in _in_the_flat(entry, members) if one.phone == entry.phone), None)


def _by_account(entry: Entry, members: _Members) -> Known | None:
    owners = {one.id: one for account in entry.accounts if (one := members.by_account.get(account))}
    if not owners:
        return None
    owner = next(iter(owners.values()))
    at_home = bool(entry.room) and entry.room == owner.room and owner.place.building == entry.place.building
    same = owner.name == entry.name or at_home or (bool(entry.phone) and owner.phone == entry.phone)
    if len(owners) > 1 or not same:
        raise _Unfit(Reason.OTHER_PERSON, name=owner.name)
    return owner


def _by_room(entry: Entry, members: _Members) -> Known | None:
    if not entry.room or not entry.place.building:
        return None
    return _only(entry, [one for one in _in_the_flat(entry, members) if not members.is_other(entry, one)])


def _in_the_flat(entry: Entry, members: _Members) -> list[Known]:
    """Those of the name with the same room, behind the same door as far as both say."""
    return [
        one
        for one in members.by_name[entry.name]
        if one.room == entry.room
        and one.place.building == entry.place.building
        and (not entry.place.door or not one.place.door or entry.place.door == one.place.door)
    ]


def _by_phone(entry: Entry, members: _Members) -> Known | None:
    if not entry.phone:
        return None
    return _only(entry, [one for one in members.by_name[entry.name] if one.phone == entry.phone])


def _only(entry: Entry, here: list[Known]) -> Known | None:
    """The one of them; of several, the one with just this phone, door and room."""
    left = [one for one in here if not one.moved_out] or here
    for what in ("phone", "place", "room"):
        if len(left) > 1:
            left = [one for one in left if getattr(one, what) == getattr(entry, what)] or left
    if len(left) > 1:
        raise _Unfit(Reason.NAMESAKES, count=len(left))
    return left[0] if left else None


def _by_building(entry: Entry, members: _Members, rows: int) -> Known | None:
    """The only one of the name in the building, where the list has no other row of that name there."""
    named = [one for one in members.by_name[entry.name] if one.place.building == entry.place.building]
    here = [one for one in named if not one.moved_out] or named
    if entry.room or entry.phone:
        # Another room and another phone: a namesake, not somebody who has changed altogether.
        alone = len(here) == 1 and rows == 1 and not members.is_other(entry, here[0], strictly=False)
        return here[0] if alone else None
    if len(here) > 1:
        here = [one for one in here if entry.place.door and one.place.door == entry.place.door]
    if len(here) > 1 or (not here and len(named) > 1) or (rows > 1 and not entry.accounts):
        raise _Unfit(Reason.NAMESAKES, count=max(len(named), rows))
    return here[0] if here and rows == 1 else None


# -- what is told otherwise ----------------------------------------


def _step(entry: Entry, found: Known | None, members: _Members, tree: Tree, by: Person | None, now: datetime) -> Step:
    while found is not None and found.merged_into is not None:
        # Found to be one person with another member: the row is about that one, who knows better.
        members.seen.add(found.id)
        into = members.by_id.get(found.merged_into)
        if into is None:
            break
        members.seen.add(into.id)
        return Step(entry, into.place, into, (), (), ())
    place = _place(entry, found, tree)
    roles = _roles(entry, place, found, tree, by, now)
    if found is None:
        _within(place, tree, by)
        return Step(entry, place, None, (), roles, entry.accounts, entry.categories)
    members.seen.add(found.id)
    if found.moved_out:
        raise _Unfit(Reason.MOVED_OUT)
    if entry.accounts and not found.accounts <= set(entry.accounts):
        raise _Unfit(Reason.OTHER_ACCOUNT)
    accounts = tuple(account for account in entry.accounts if account not in found.accounts)
    categories = tuple(one for one in entry.categories if one not in found.categories)
    changes = _changes(entry, found, place, roles, accounts, categories)
    if changes:
        _reaches(found, place, tree, by)
    return Step(entry, place, found, changes, roles, accounts, categories)


def _place(entry: Entry, found: Known | None, tree: Tree) -> Place:
    """Where the row says that the person lives, no less exactly than the books."""
    if not entry.place.building:
        return found.place if found else NOWHERE
    if tree.home(Place(entry.place.building)) is None and not entry.plain:
        raise _Unfit(Reason.UNKNOWN_HOME, unit=entry.place.title, known=tree.known(homes=True))
    if tree.home(entry.place) is None and not entry.plain:
        raise _Unfit(Reason.UNKNOWN_HOME, unit=entry.place.title, known=tree.known(homes=True))
    if found and not entry.place.door and found.place.building == entry.place.building:
        return found.place
    return entry.place


def _changes(
    entry: Entry,
    found: Known,
    place: Place,
    roles: Sequence[Holding],
    accounts: Sequence[str],
    categories: Sequence[str],
) -> tuple[Change, ...]:
    told = (
        ("name", found.name, entry.name),
        ("home", found.place.title, place.title),
        ("room", found.room, entry.room),
        ("phone", found.phone, entry.phone),
        ("standing", found.standing, entry.standing or ""),
        ("basis", found.basis, entry.basis),
        ("born", found.born, entry.born),
    )
    changes = [Change(what, before, after) for what, before, after in told if after and after != before]
    changes += [Change(f"role.{one.role}", "", one.unit) for one in roles]
    changes += [Change("account", "", account) for account in accounts]
    changes += [Change(CATEGORY, "、".join(_excluded(found, category)), category) for category in categories]
    return tuple(changes)


def _excluded(found: Known, category: str) -> list[str]:
    """What they are no more by that."""
    return [other for other in excluded_by(category) if other in found.categories]


UNIT_ROLES = {Role.PROPERTY: UnitKind.PROPERTY_FIRM, Role.OWNERS_COMMITTEE: UnitKind.OWNERS_COMMITTEE}
"""Roles that, where a list does not say otherwise, hold for the one unit of a kind."""
EVERYWHERE = (Role.STAFF, Role.SECRETARY, Role.ADMIN)
"""Roles that, where a list does not say otherwise, hold for the whole community."""


def _roles(
    entry: Entry, place: Place, found: Known | None, tree: Tree, by: Person | None, now: datetime
) -> tuple[Holding, ...]:
    """The roles of a row that are not held yet and whose term is not over."""
    held = {(one.role, one.unit) for one in found.roles} if found else set()
    wanted: dict[tuple[Role, str], Holding] = {}
    standing = entry.standing or (found.standing if found else Standing.RESIDENT)
    for one in entry.roles:
        role = one.role or (Role.MEMBER if standing is Standing.PARTY_MEMBER else Role.RESIDENT)
        unit = _unit_of(one, role, place, tree)
        until = _end_of(one.until)
        if (role, unit) in held or (until is not None and until <= now):
            continue
        there = tree.find(unit)
        if by is not None and not by.may(role, there.path if there else tree.root.path):
            raise _Unfit(Reason.ABOVE_ONESELF, role=role)
        wanted[role, unit] = Holding(role, unit, until)
    return tuple(wanted.values())


def _end_of(day: date | None) -> datetime | None:
    """A term ends with its last day."""
    return None if day is None else at(day + timedelta(days=1), 0)


def _unit_of(one: Wanted, role: Role, place: Place, tree: Tree) -> str:
    """What a role holds for, by its name in lists."""
    if one.unit:
        if (unit := tree.find(one.unit)) is not None:
            return tree.title[unit.id]
        if one.unit in (place.building, place.title):
            # It is made with the home of this row.
            return one.unit
        raise _Unfit(Reason.UNKNOWN_UNIT, unit=one.unit, known=tree.known(homes=False))
    if role in EVERYWHERE:
        return tree.title[tree.root.id]
    if role is Role.BUILDING_LEAD and place.building:
        return place.building
    units = [unit for unit in tree.units.values() if unit.kind is UNIT_ROLES.get(role)]
    if len(units) != 1:
        raise _Unfit(Reason.ROLE_NEEDS_UNIT, role=role)
    return tree.title[units[0].id]


def _within(place: Place, tree: Tree, by: Person | None) -> None:
    if by is not None and not by.may(Role.STAFF, _path(place, tree)):
        raise _Unfit(Reason.BEYOND_REACH)


def _path(place: Place, tree: Tree) -> str:
    home = tree.home(place) or tree.home(Place(place.building)) or tree.root
    return home.path


def _reaches(found: Known, place: Place, tree: Tree, by: Person | None) -> None:
    """Nobody changes a person with a role above their own, nor moves one out of or into what they do not reach."""
    if by is None:
        return
    if not by.may(Role.STAFF, tree.units[found.unit_id].path):
        raise _Unfit(Reason.BEYOND_REACH)
    _within(place, tree, by)
    for one in found.roles:
        unit = tree.find(one.unit)
        if unit is not None and not by.may(one.role, unit.path):
            raise _Unfit(Reason.ABOVE_ONESELF, role=one.role)
