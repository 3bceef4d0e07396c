"""How the tree of a community changes: units are opened, renamed, moved and closed by a secretary, never deleted.

Each change can be taken back, and leaves behind how it was before: `models/units.py` keeps the rows.

- A unit stands under one of a kind that may have such units, and nowhere else.
- Only what is empty is closed: what stands below it and who lives there go elsewhere first. Who joined it leaves, and
  who leads it is leader no more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from models.base import Refusal
from models.directory import touch
from models.members import Member, MemberRole, Person, Role, require
from models.organisation import UnitMember
from models.units import (
    PARENTS,
    Unit,
    UnitClosed,
    UnitHere,
    UnitKind,
    UnitPast,
    add_unit,
    parent_of,
    unit_by_id,
    unit_open,
)


class NameTaken(Refusal):
    """A unit of this name is there already. Fields: name."""


class WrongParent(Refusal):
    """Such a unit does not stand under that one. Fields: name, parent."""


class NoParent(Refusal):
    """It is not clear under which unit a new one stands. Fields: name."""


class UnitInUse(Refusal):
    """The unit cannot go while others stand below it, or are led and joined in it. Fields: name."""


class LivedIn(Refusal):
    """The unit cannot go while people live there. Fields: name, residents."""


class UnitFixed(Refusal):
    """The community itself is not moved or closed. Fields: name."""


def parent_for(session: Session, *, community_id: int, kind: UnitKind, name: str) -> UnitHere:
    """Under which unit a new one stands where nothing was said: the only one of the usual kind. Raises NoParent."""
    for above in PARENTS[kind]:
        rows = session.scalars(
            select(Unit.id).where(Unit.community_id == community_id, Unit.kind == above, Unit.until.is_(None)).limit(2)
        ).all()
        if len(rows) == 1:
            return unit_by_id(session, community_id=community_id, unit_id=rows[0])
        if rows:
            break
    raise NoParent(name=name)


def check_place(session: Session, *, community_id: int, kind: UnitKind, name: str, parent: UnitHere) -> None:
    """Raises WrongParent, and NameTaken: only doors, which are called with their building, share their names."""
    if parent.kind not in PARENTS[kind]:
        raise WrongParent(name=name, parent=parent.name)
    named = select(Unit.id).where(Unit.community_id == community_id, Unit.name == name, Unit.until.is_(None))
    if kind is UnitKind.DOOR:
        named = named.where(Unit.parent_id == parent.id)
    if session.scalar(named.limit(1)) is not None:
        raise NameTaken(name=name)


def check_name(session: Session, *, community_id: int, by: Person, unit: UnitHere, name: str) -> None:
    """Whether a unit may be called so; writes nothing. Raises BeyondReach and NameTaken."""
    require(by, Role.SECRETARY, unit.path)
    above = parent_of(session, community_id=community_id, unit=unit)
    if above is not None:
        check_place(session, community_id=community_id, kind=unit.kind, name=name, parent=above)


def check_move(session: Session, *, community_id: int, by: Person, unit: UnitHere, parent: UnitHere) -> None:
    """Whether a unit may stand under another one; writes nothing.

    Raises BeyondReach, UnitFixed, WrongParent and NameTaken.
    """
    if unit.kind is UnitKind.COMMUNITY:
        raise UnitFixed(name=unit.name)
    require(by, Role.SECRETARY, unit.path)
    require(by, Role.SECRETARY, parent.path)
    if parent.kind not in PARENTS[unit.kind]:
        raise WrongParent(name=unit.name, parent=parent.name)
    taken = select(Unit.id).where(
        Unit.community_id == community_id, Unit.parent_id == parent.id, Unit.name == unit.name, Unit.until.is_(None)
    )
    if session.scalar(taken) is not None:
        raise NameTaken(name=unit.name)


def _lock_tree(session: Session, community_id: int) -> None:
    # Changes of one tree wait for each other: two of them could agree on a name, or close what the other fills.
    session.execute(
        select(Unit.id).where(Unit.community_id == community_id, Unit.parent_id.is_(None)).with_for_update()
    )


def _held(session: Session, community_id: int, unit: UnitHere) -> UnitHere:
    """The unit as it stands now that nobody else can change it, or whom it holds. Raises UnitClosed."""
    session.execute(select(Unit.id).where(Unit.community_id == community_id, Unit.id == unit.id).with_for_update())
    if not unit_open(session, community_id=community_id, unit_id=unit.id):
        raise UnitClosed(name=unit.name)
    return unit_by_id(session, community_id=community_id, unit_id=unit.id)


def open_unit(
    session: Session, *, community_id: int, by: Person, kind: UnitKind, name: str, parent: UnitHere, now: datetime
) -> UnitHere:
    """Adds a unit. Raises BeyondReach, WrongParent, NameTaken, and UnitClosed for a parent that is."""
    _lock_tree(session, community_id)
    parent = _held(session, community_id, parent)
    require(by, Role.SECRETARY, parent.path)
    check_place(session, community_id=community_id, kind=kind, name=name, parent=parent)
    made = add_unit(session, community_id=community_id, parent=parent, kind=kind, name=name, now=now)
    touch(session, community_id)
    return made


def rename_unit(session: Session, *, community_id: int, by: Person, unit: UnitHere, name: str, now: datetime) -> int:
    """Gives a unit another name; returns the row that keeps the old one. Raises BeyondReach and NameTaken."""
    _lock_tree(session, community_id)
    unit = _held(session, community_id, unit)
    check_name(session, community_id=community_id, by=by, unit=unit, name=name)
    past = _remember(session, community_id, unit, now)
    _change(session, community_id, unit.id, name=name)
    return past


def move_unit(
    session: Session, *, community_id: int, by: Person, unit: UnitHere, parent: UnitHere, now: datetime
) -> int:
    """Puts a unit, with all below it, under another one; returns the row that keeps where it stood.

    Raises BeyondReach, UnitFixed, WrongParent and NameTaken.
    """
    _lock_tree(session, community_id)
    unit, parent = _held(session, community_id, unit), _held(session, community_id, parent)
    check_move(session, community_id=community_id, by=by, unit=unit, parent=parent)
    past = _remember(session, community_id, unit, now)
    _put_under(session, community_id, unit, parent)
    return past


def _remember(session: Session, community_id: int, unit: UnitHere, now: datetime) -> int:
    last = session.scalar(
        select(func.max(UnitPast.until)).where(UnitPast.community_id == community_id, UnitPast.unit_id == unit.id)
    )
    row = session.execute(
        select(Unit.name, Unit.parent_id, Unit.since).where(Unit.community_id == community_id, Unit.id == unit.id)
    ).one()
    made: int = session.execute(
        insert(UnitPast).returning(UnitPast.id),
        {
            "community_id": community_id,
            "unit_id": unit.id,
            "parent_id": row.parent_id,
            "name": row.name,
            "since": last or row.since,
            "until": now,
        },
    ).scalar_one()
    return made


def _change(session: Session, community_id: int, unit_id: int, **values: Any) -> None:
    session.execute(update(Unit).where(Unit.community_id == community_id, Unit.id == unit_id).values(**values))
    touch(session, community_id)


def _put_under(session: Session, community_id: int, unit: UnitHere, parent: UnitHere) -> None:
    path = f"{parent.path}{unit.id}/"
    _change(session, community_id, unit.id, parent_id=parent.id)
    # Its own path and those of all below it.
    session.execute(
        update(Unit)
        .where(Unit.community_id == community_id, Unit.path.like(unit.path + "%"))
        .values(path=path + func.substr(Unit.path, len(unit.path) + 1))
    )


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A change of a unit that was taken back: how the unit was meanwhile, and how it is called and stands again."""

    meanwhile: UnitHere
    name: str
    parent: UnitHere | None


def take_back_change(session: Session, *, community_id: int, unit_id: int, past_id: int) -> TakenBack:
    """A unit is called and stands again as before its last change.

    Raises UnitClosed where it, or what it stood under, was closed or changed again since, and NameTaken.
    """
    _lock_tree(session, community_id)
    meanwhile = _held(session, community_id, unit_by_id(session, community_id=community_id, unit_id=unit_id))
    past = session.execute(
        select(UnitPast.id, UnitPast.name, UnitPast.parent_id)
        .where(UnitPast.community_id == community_id, UnitPast.unit_id == unit_id)
        .order_by(UnitPast.id.desc())
        .limit(1)
    ).one_or_none()
    if past is None or past.id != past_id:
        raise UnitClosed(name=meanwhile.name)
    parent = None
    if past.parent_id is not None:
        parent = _held(session, community_id, unit_by_id(session, community_id=community_id, unit_id=past.parent_id))
    if past.name != meanwhile.name:
        if parent is not None:
            check_place(session, community_id=community_id, kind=meanwhile.kind, name=past.name, parent=parent)
        _change(session, community_id, unit_id, name=past.name)
    if parent is not None and meanwhile.path != f"{parent.path}{unit_id}/":
        _put_under(session, community_id, meanwhile, parent)
    # What was taken back is no past of the unit.
    session.execute(delete(UnitPast).where(UnitPast.community_id == community_id, UnitPast.id == past_id))
    return TakenBack(meanwhile, past.name, parent)


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a unit: open units below it, people who live there, those who joined it, roles that hold for it."""

    units: int
    residents: int
    joined: tuple[int, ...]
    """Rows of `unit_members`."""
    roles: Mapping[int, datetime | None]
    """Rows of `member_roles` with their planned ends."""


def contents_of(session: Session, *, community_id: int, unit: UnitHere, now: datetime) -> Contents:
    """What closing a unit would meet."""
    units = session.scalar(
        select(func.count()).select_from(Unit).where(
            Unit.community_id == community_id, Unit.parent_id == unit.id, Unit.until.is_(None)
        )
    )  # fmt: skip
    residents = session.scalar(
        select(func.count()).select_from(Member).where(
            Member.community_id == community_id, Member.unit_id == unit.id, Member.moved_out_at.is_(None),
            Member.forgotten_at.is_(None), Member.merged_into.is_(None),
        )
    )  # fmt: skip
    joined = session.scalars(
        select(UnitMember.id).where(
            UnitMember.community_id == community_id, UnitMember.unit_id == unit.id, UnitMember.until.is_(None)
        )
    ).all()
    held = session.execute(
        select(MemberRole.id, MemberRole.until).where(
            MemberRole.community_id == community_id,
            MemberRole.unit_id == unit.id,
            or_(MemberRole.until.is_(None), MemberRole.until > now),
        )
    ).all()
    return Contents(units or 0, residents or 0, tuple(joined), {row.id: row.until for row in held})


def close_unit(session: Session, *, community_id: int, by: Person, unit: UnitHere, now: datetime) -> Contents:
    """Closes a unit: whoever joined it leaves, whoever leads it is leader no more. Returns what it ended.

    Raises BeyondReach, UnitFixed, UnitClosed, UnitInUse and LivedIn.
    """
    if unit.kind is UnitKind.COMMUNITY:
        raise UnitFixed(name=unit.name)
    _lock_tree(session, community_id)
    unit = _held(session, community_id, unit)
    require(by, Role.SECRETARY, unit.path)
    inside = contents_of(session, community_id=community_id, unit=unit, now=now)
    require_empty(unit, inside)
    _set_ends(session, community_id, inside.joined, dict.fromkeys(inside.roles, now), left=now, by=by.id)
    _change(session, community_id, unit.id, until=now)
    return inside


def require_empty(unit: UnitHere, inside: Contents) -> None:
    """Raises UnitInUse where units stand below the unit, LivedIn where people live there: both go elsewhere first."""
    if inside.units:
        raise UnitInUse(name=unit.name)
    if inside.residents:
        raise LivedIn(name=unit.name, residents=inside.residents)


def _set_ends(
    session: Session,
    community_id: int,
    joined: Iterable[int],
    held: Mapping[int, datetime | None],
    *,
    left: datetime | None,
    by: int | None,
) -> None:
    session.execute(
        update(UnitMember)
        .where(UnitMember.community_id == community_id, UnitMember.id.in_(list(joined)))
        .values(until=left)
    )
    for role_id, until in held.items():
        session.execute(
            update(MemberRole)
            .where(MemberRole.community_id == community_id, MemberRole.id == role_id)
            .values(until=until, ended_by=by)
        )


def reopen_unit(
    session: Session, *, community_id: int, unit_id: int, joined: Iterable[int], held: Mapping[int, datetime | None]
) -> UnitHere:
    """Takes a closing back, with the memberships and roles that it ended. Raises NameTaken and UnitClosed."""
    _lock_tree(session, community_id)
    unit = unit_by_id(session, community_id=community_id, unit_id=unit_id)
    parent = parent_of(session, community_id=community_id, unit=unit)
    assert parent is not None
    if not unit_open(session, community_id=community_id, unit_id=parent.id):
        raise UnitClosed(name=parent.name)
    check_place(session, community_id=community_id, kind=unit.kind, name=unit.name, parent=parent)
    _change(session, community_id, unit_id, until=None)
    _set_ends(session, community_id, joined, held, left=None, by=None)
    return unit


def take_back_unit(session: Session, *, community_id: int, unit_id: int, now: datetime) -> UnitHere:
    """Empties the life of a unit that was opened by mistake. Raises UnitInUse where something is in it by now."""
    _lock_tree(session, community_id)
    unit = unit_by_id(session, community_id=community_id, unit_id=unit_id)
    inside = contents_of(session, community_id=community_id, unit=unit, now=now)
    if inside.joined or inside.roles:
        raise UnitInUse(name=unit.name)
    require_empty(unit, inside)
    _change(session, community_id, unit_id, until=Unit.since)
    return unit
