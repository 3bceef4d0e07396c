"""What a member may do, for a unit and all below it: roles given by those above, for a term, and who leads a unit.

- Nobody gives a role that is not below one of their own there; only 社区书记, the highest, is handed on by its like.
- A unit has one leader at a time, by the role that its kind asks for; whoever follows ends the term of the one before.
- A community is never left without a secretary.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    and_,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session, aliased

from models.base import Invariant, Refusal
from models.members.people import (
    Member,
    MemberRole,
    Neighbour,
    Person,
    Role,
    Standing,
    masked,
    present,
)
from models.units import PARTY, Unit, UnitClosed, UnitHere, UnitKind, root_of, unit_open


class BeyondReach(Refusal):
    """The role does not hold for the unit that the command is about."""


class AboveOneself(Refusal):
    """A role above the giver's own, or beyond their scope. Fields: role."""


class RoleNotHeld(Refusal):
    """This term is over already, or never was. Fields: name."""


class RoleHeldAlready(Refusal):
    """The same role for the same unit and term is held already. Fields: name."""


class TermOver(Refusal):
    """A term would end before it begins."""


class LastSecretary(Refusal):
    """Nobody else would be secretary of the community. Fields: name."""


class PartyOnly(Refusal):
    """A unit of the party is led by its members, and has no others. Fields: name."""


class LedByAnother(Refusal):
    """Somebody else leads the unit by now. Fields: name."""


LEADING: Mapping[UnitKind, Role] = {
    UnitKind.COMMUNITY: Role.SECRETARY,
    UnitKind.PARTY_COMMITTEE: Role.BRANCH_SECRETARY,
    UnitKind.BUILDING_BRANCH: Role.BRANCH_SECRETARY,
    UnitKind.DOOR_GROUP: Role.GROUP_LEADER,
    UnitKind.HOST_HOUSEHOLD: Role.MEMBER,
    UnitKind.GRID: Role.STAFF,
    UnitKind.BUILDING: Role.BUILDING_LEAD,
    UnitKind.DOOR: Role.BUILDING_LEAD,
    UnitKind.SERVICE_TEAM: Role.GROUP_LEADER,
    UnitKind.COUNCIL: Role.GROUP_LEADER,
    UnitKind.PROPERTY_FIRM: Role.PROPERTY,
    UnitKind.OWNERS_COMMITTEE: Role.OWNERS_COMMITTEE,
}
"""By which role a unit of each kind is led."""


def require(person: Person, role: Role, path: str) -> None:
    """Raises BeyondReach unless this person holds `role` for the unit at `path`."""
    if not person.may(role, path):
        raise BeyondReach


def may_give(person: Person, role: Role, path: str) -> bool:
    """Whether this person may give `role` for the unit at `path`, or end it."""
    return person.outranks(role, path) or (role is Role.SECRETARY and person.may(role, path))


def in_force(now: datetime) -> Any:
    """The condition that a role is in its term."""
    return and_(MemberRole.since <= now, or_(MemberRole.until.is_(None), MemberRole.until > now))


@dataclass(frozen=True, slots=True)
class Term:
    """A role that somebody holds or held, as people read it."""

    id: int
    member_id: int
    name: str
    hides_name: bool
    role: Role
    leads: bool
    unit: UnitHere
    since: datetime
    until: datetime | None

    @property
    def shown(self) -> str:
        """The name as others may read it."""
        return masked(self.name) if self.hides_name else self.name


def terms(community_id: int):  # type: ignore[no-untyped-def]
    """Selects roles with their holder and unit, as rows for `term_of`; callers narrow it. Whoever left is left out."""
    return (
        select(
            MemberRole.id,
            MemberRole.member_id,
            Member.name,
            Member.hides_name,
            MemberRole.role,
            MemberRole.leads,
            MemberRole.since,
            MemberRole.until,
            Unit.id.label("unit_id"),
            Unit.kind,
            Unit.name.label("unit_name"),
            Unit.path,
        )
        .join(Member, MemberRole.member_id == Member.id)
        .join(Unit, MemberRole.unit_id == Unit.id)
        .where(
            MemberRole.community_id == community_id,
            Member.forgotten_at.is_(None),
            Member.merged_into.is_(None),
        )
        .order_by(MemberRole.since, MemberRole.id)
    )


def term_of(row: Any) -> Term:
    """A row of `terms`."""
    unit = UnitHere(row.unit_id, UnitKind(row.kind), row.unit_name, row.path)
    return Term(
        row.id, row.member_id, row.name, bool(row.hides_name), Role(row.role), bool(row.leads), unit, row.since,
        row.until,
    )  # fmt: skip


def roles_held(
    session: Session, *, community_id: int, now: datetime, member_id: int | None = None, unit_id: int | None = None
) -> list[Term]:
    """The roles in force of a member, or those held for a unit; the leader's first."""
    query = terms(community_id).where(in_force(now), Member.moved_out_at.is_(None))
    if member_id is not None:
        query = query.where(MemberRole.member_id == member_id)
    if unit_id is not None:
        query = query.where(MemberRole.unit_id == unit_id)
    return sorted(map(term_of, session.execute(query)), key=lambda term: not term.leads)


def leader_of(session: Session, *, community_id: int, unit: UnitHere, now: datetime) -> Term | None:
    """Who leads a unit now. A community is led by its secretaries, of whom this is the first."""
    held = roles_held(session, community_id=community_id, now=now, unit_id=unit.id)
    if unit.kind is UnitKind.COMMUNITY:
        return next((term for term in held if term.role is Role.SECRETARY), None)
    return next((term for term in held if term.leads), None)


def _lock(session: Session, community_id: int, unit: UnitHere) -> None:
    # Of two who appoint or dismiss for one unit the second waits here and sees what the first did.
    session.execute(select(Unit.id).where(Unit.community_id == community_id, Unit.id == unit.id).with_for_update())


def give_role(
    session: Session,
    *,
    community_id: int,
    member_id: int,
    role: Role,
    unit: UnitHere,
    now: datetime,
    by: Person | None,
    until: datetime | None = None,
    leads: bool | None = None,
) -> int:
    """Gives a role for a unit; `by` None is the operator at the machine. Raises AboveOneself.

    `leads` None lets the holder lead the unit where the role is the one for that and nobody leads it yet.
    """
    if by is not None and not by.may(role, unit.path):
        raise AboveOneself(role=role)
    if leads is None:
        leads = _leads_by(role, unit) and leader_of(session, community_id=community_id, unit=unit, now=now) is None
    if leads:
        # Somebody who has left may still be in their term; whoever is here has been looked for.
        session.execute(
            update(MemberRole)
            .where(
                MemberRole.community_id == community_id, MemberRole.unit_id == unit.id, MemberRole.leads, in_force(now)
            )
            .values(until=now)
        )
    made: int = session.execute(
        insert(MemberRole).returning(MemberRole.id),
        {
            "community_id": community_id,
            "member_id": member_id,
            "unit_id": unit.id,
            "role": role,
            "since": now,
            "until": until,
            "given_by": by.id if by else None,
            "leads": leads,
        },
    ).scalar_one()
    return made


def _leads_by(role: Role, unit: UnitHere) -> bool:
    return LEADING[unit.kind] is role and unit.kind is not UnitKind.COMMUNITY


@dataclass(frozen=True, slots=True)
class Appointment:
    """What somebody is to be appointed to; `until` is the first moment after the term."""

    member_id: int
    role: Role
    unit: UnitHere
    until: datetime | None
    leads: bool


@dataclass(frozen=True, slots=True)
class Appointed:
    """What an appointment brought about: the new term, and the terms that it ended."""

    id: int
    ended: tuple[Term, ...]
    """That of the leader before, and the appointed person's own last one."""


def check_appointment(
    session: Session, *, community_id: int, by: Person, asked: Appointment, now: datetime
) -> tuple[Term, ...]:
    """Whether the appointment may be made, and the terms that it would end; writes nothing.

    Raises AboveOneself, TermOver, PartyOnly, RoleHeldAlready and LastSecretary.
    """
    role, unit = asked.role, asked.unit
    if not may_give(by, role, unit.path):
        raise AboveOneself(role=role)
    if asked.until is not None and asked.until <= now:
        raise TermOver
    require_party_member(session, community_id=community_id, member_id=asked.member_id, unit=unit)
    leads = asked.leads and _leads_by(role, unit)
    held = roles_held(session, community_id=community_id, now=now, unit_id=unit.id)
    own = [term for term in held if term.member_id == asked.member_id and term.role is role]
    if any((term.leads, term.until) == (leads, asked.until) for term in own):
        raise RoleHeldAlready(name=own[0].name)
    if own and asked.until is not None:
        # A term for the only secretary would leave the community without one on the day after.
        _keep_a_secretary(session, community_id, own[0], now)
    return (*(term for term in held if leads and term.leads and term not in own), *own)


def appoint(session: Session, *, community_id: int, by: Person, asked: Appointment, now: datetime) -> Appointed:
    """Gives a role in the manner of a letter of appointment: a new leader follows the one before, a new term the old.

    Raises what `check_appointment` raises, and UnitClosed.
    """
    _lock(session, community_id, asked.unit)
    if not unit_open(session, community_id=community_id, unit_id=asked.unit.id):
        raise UnitClosed(name=asked.unit.name)
    ended = check_appointment(session, community_id=community_id, by=by, asked=asked, now=now)
    for term in ended:
        _end(session, community_id, term.id, now, by.id)
    made = give_role(
        session,
        community_id=community_id,
        member_id=asked.member_id,
        role=asked.role,
        unit=asked.unit,
        now=now,
        by=by,
        until=asked.until,
        leads=asked.leads and _leads_by(asked.role, asked.unit),
    )
    return Appointed(made, ended)


def require_party_member(session: Session, *, community_id: int, member_id: int, unit: UnitHere) -> None:
    """Raises PartyOnly where the unit is the party's and the person is not."""
    if unit.kind not in PARTY:
        return
    row = session.execute(
        select(Member.name, Member.standing).where(Member.community_id == community_id, Member.id == member_id)
    ).one()
    if row.standing != Standing.PARTY_MEMBER:
        raise PartyOnly(name=row.name)


def _end(session: Session, community_id: int, role_id: int, now: datetime, by: int | None) -> None:
    session.execute(
        update(MemberRole)
        .where(MemberRole.community_id == community_id, MemberRole.id == role_id)
        .values(until=now, ended_by=by)
    )


def check_dismissal(session: Session, *, community_id: int, by: Person, term: Term, now: datetime) -> None:
    """Raises AboveOneself where the role is not this person's to end (one's own always is), and LastSecretary."""
    if term.member_id != by.id and not by.outranks(term.role, term.unit.path):
        raise AboveOneself(role=term.role)
    _keep_a_secretary(session, community_id, term, now)


def dismiss(session: Session, *, community_id: int, by: Person, term: Term, now: datetime) -> None:
    """Ends a role at once, and with it whatever it led. Raises AboveOneself, LastSecretary and RoleNotHeld."""
    _lock(session, community_id, term.unit)
    held = roles_held(session, community_id=community_id, now=now, unit_id=term.unit.id)
    if not any(one.id == term.id for one in held):
        raise RoleNotHeld(name=term.name)
    check_dismissal(session, community_id=community_id, by=by, term=term, now=now)
    _end(session, community_id, term.id, now, by.id)


def _keep_a_secretary(session: Session, community_id: int, term: Term, now: datetime) -> None:
    root = root_of(session, community_id)
    if term.role is not Role.SECRETARY or term.unit.id != root.id:
        return
    held = roles_held(session, community_id=community_id, now=now, unit_id=root.id)
    if not any(one.role is Role.SECRETARY and one.member_id != term.member_id for one in held):
        raise LastSecretary(name=term.name)


def term_by_id(session: Session, *, community_id: int, role_id: int) -> Term:
    """A role by the id of its row, whether in force or not. Raises RoleNotHeld."""
    row = session.execute(terms(community_id).where(MemberRole.id == role_id)).one_or_none()
    if row is None:
        raise RoleNotHeld(name="")
    return term_of(row)


def take_back_appointment(
    session: Session,
    *,
    community_id: int,
    role_id: int,
    restored: Mapping[int, datetime | None],
    now: datetime,
    by: int,
) -> Term:
    """Empties the term of an appointment, and lets those that it ended (id and planned end) go on.

    Raises RoleNotHeld where it has ended since, and LastSecretary.
    """
    term = term_by_id(session, community_id=community_id, role_id=role_id)
    _lock(session, community_id, term.unit)
    if term.until is not None and term.until <= now:
        raise RoleNotHeld(name=term.name)
    if not restored:
        _keep_a_secretary(session, community_id, term, now)
    _end(session, community_id, role_id, term.since, by)
    for ended_id, until in restored.items():
        restore_role(session, community_id=community_id, role_id=ended_id, until=until, now=now)
    return term


def restore_role(session: Session, *, community_id: int, role_id: int, until: datetime | None, now: datetime) -> Term:
    """Lets a role that was ended go on to its planned end. Raises LedByAnother."""
    term = term_by_id(session, community_id=community_id, role_id=role_id)
    _lock(session, community_id, term.unit)
    leader = leader_of(session, community_id=community_id, unit=term.unit, now=now)
    if term.leads and leader is not None and leader.id != role_id:
        raise LedByAnother(name=leader.name)
    session.execute(
        update(MemberRole)
        .where(MemberRole.community_id == community_id, MemberRole.id == role_id)
        .values(until=until, ended_by=None)
    )
    return term


def people_in_scope(
    session: Session, *, community_id: int, path: str, role: Role, now: datetime, without: Collection[int] = ()
) -> list[Neighbour]:
    """Who holds `role` or a higher one for the unit at `path`: those nearest to it, and only they.

    `without` are member ids that do not count: where the nearest is one of them, the next above are asked.
    """
    reach = aliased(Unit)
    ranks = [candidate for candidate in Role if candidate.rank >= role.rank and candidate is not Role.ADMIN]
    rows = session.execute(
        present(community_id)
        .add_columns(reach.path.label("reach"))
        .join(MemberRole, MemberRole.member_id == Member.id)
        .join(reach, MemberRole.unit_id == reach.id)
        .where(
            MemberRole.role.in_(ranks),
            in_force(now),
            func.substr(path, 1, func.length(reach.path)) == reach.path,
            Member.id.not_in(list(without)),
        )
        .order_by(func.length(reach.path).desc(), Member.id)
    ).all()
    nearest = [row for row in rows if row.reach == rows[0].reach]
    return list(dict.fromkeys(Neighbour(*row[:5]) for row in nearest))


_other = aliased(MemberRole)

INVARIANTS = (
    Invariant(
        "member_roles.one_leader",
        select(MemberRole.id)
        .join(_other, and_(_other.unit_id == MemberRole.unit_id, _other.id > MemberRole.id))
        .where(
            MemberRole.leads,
            _other.leads,
            # Two terms that share a moment; an empty one shares none.
            or_(MemberRole.until.is_(None), and_(MemberRole.until > _other.since, MemberRole.until > MemberRole.since)),
            or_(_other.until.is_(None), and_(_other.until > MemberRole.since, _other.until > _other.since)),
        ),
    ),
    Invariant(
        "member_roles.leader_fits",
        select(MemberRole.id)
        .join(Unit, MemberRole.unit_id == Unit.id)
        .where(
            MemberRole.leads,
            not_(or_(*(and_(Unit.kind == kind, MemberRole.role == role) for kind, role in LEADING.items()))),
        ),
    ),
    Invariant("member_roles.term", select(MemberRole.id).where(MemberRole.until < MemberRole.since)),
    Invariant(
        "member_roles.closed",
        select(MemberRole.id)
        .join(Unit, MemberRole.unit_id == Unit.id)
        .where(Unit.until.is_not(None), or_(MemberRole.until.is_(None), MemberRole.until > Unit.until)),
    ),
)
