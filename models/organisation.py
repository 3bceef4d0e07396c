"""The organisation of a community: who belongs to which unit, who leads it, and the tree as it is read.

社区党总支 → 楼栋党支部 → 门栋党小组 → 党员中心户, and the teams and councils beside it. A person has one home and may
belong to several units; joining and leaving keeps its history. How the tree changes stands in `models/tree.py`.

- A person belongs to a unit once at a time, and to units of their own community only.
- Nobody joins a home: who lives there belongs there.
- A unit of the party has members of the party.
- A closed unit has nobody: no members, no leader, no residents.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, and_, func, insert, or_, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.audit import Audit
from models.base import Base, Invariant, Refusal
from models.members import people, roles
from models.members.people import Member, MemberRole, Neighbour, Person, Role, Standing, present
from models.members.roles import LEADING, BeyondReach, Term, in_force, leader_of
from models.units import HOMES, Unit, UnitClosed, UnitHere, UnitKind, UnitPast, parent_of, unit_by_id, unit_open


class UnitMember(Base):
    """One member of a unit that is joined, for as long as it lasts."""

    __tablename__ = "unit_members"
    __table_args__ = (
        Index(
            "uq_unit_members_live",
            "community_id",
            "unit_id",
            "member_id",
            unique=True,
            sqlite_where=text("until IS NULL"),
            postgresql_where=text("until IS NULL"),
        ),
        Index("ix_unit_members_member", "community_id", "member_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    added_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))


class HomesAreNotJoined(Refusal):
    """A building, a door: whoever lives there belongs there. Fields: name."""


class InUnitAlready(Refusal):
    """The person belongs to the unit already. Fields: name, unit."""


class NotInUnit(Refusal):
    """The person does not belong to the unit. Fields: name, unit."""


# -- who belongs where ----------------------------------------


def require_charge(session: Session, *, community_id: int, by: Person, unit: UnitHere, now: datetime) -> None:
    """Raises BeyondReach unless this person leads the unit, or may do for it what a group's leader may."""
    if by.may(max(LEADING[unit.kind], Role.GROUP_LEADER, key=lambda role: role.rank), unit.path):
        return
    leader = leader_of(session, community_id=community_id, unit=unit, now=now)
    if leader is None or leader.member_id != by.id:
        raise BeyondReach


def join_unit(
    session: Session, *, community_id: int, by: Person | None, unit: UnitHere, member: Neighbour, now: datetime
) -> int:
    """Lets somebody belong to a unit; returns the row. `by` None is the operator at the machine.

    Raises BeyondReach, HomesAreNotJoined, PartyOnly and InUnitAlready.
    """
    if unit.kind in HOMES:
        raise HomesAreNotJoined(name=unit.name)
    if by is not None:
        require_charge(session, community_id=community_id, by=by, unit=unit, now=now)
    session.execute(select(Unit.id).where(Unit.community_id == community_id, Unit.id == unit.id).with_for_update())
    if not unit_open(session, community_id=community_id, unit_id=unit.id):
        raise UnitClosed(name=unit.name)
    roles.require_party_member(session, community_id=community_id, member_id=member.id, unit=unit)
    if _live(session, community_id, unit.id, member.id) is not None:
        raise InUnitAlready(name=member.name, unit=unit.name)
    made: int = session.execute(
        insert(UnitMember).returning(UnitMember.id),
        {
            "community_id": community_id,
            "unit_id": unit.id,
            "member_id": member.id,
            "since": now,
            "until": None,
            "added_by": by.id if by else None,
        },
    ).scalar_one()
    return made


def _live(session: Session, community_id: int, unit_id: int, member_id: int) -> int | None:
    return session.scalar(
        select(UnitMember.id).where(
            UnitMember.community_id == community_id,
            UnitMember.unit_id == unit_id,
            UnitMember.member_id == member_id,
            UnitMember.until.is_(None),
        )
    )


def _set_end(session: Session, community_id: int, row_id: int, until: Any) -> None:
    session.execute(
        update(UnitMember).where(UnitMember.community_id == community_id, UnitMember.id == row_id).values(until=until)
    )


def leave_unit(
    session: Session, *, community_id: int, by: Person, unit: UnitHere, member: Neighbour, now: datetime
) -> int:
    """Ends a membership, one's own or one in one's charge; returns its row. Raises BeyondReach and NotInUnit."""
    if member.id != by.id:
        require_charge(session, community_id=community_id, by=by, unit=unit, now=now)
    live = _live(session, community_id, unit.id, member.id)
    if live is None:
        raise NotInUnit(name=member.name, unit=unit.name)
    _set_end(session, community_id, live, now)
    return live


def take_back_joining(session: Session, *, community_id: int, row_id: int) -> tuple[UnitHere, Neighbour]:
    """Empties a membership that was begun by mistake."""
    _set_end(session, community_id, row_id, UnitMember.since)
    return _belonging(session, community_id, row_id)


def take_back_leaving(session: Session, *, community_id: int, row_id: int) -> tuple[UnitHere, Neighbour]:
    """Lets a membership go on that was ended by mistake. Raises UnitClosed and InUnitAlready."""
    unit, member = _belonging(session, community_id, row_id)
    if not unit_open(session, community_id=community_id, unit_id=unit.id):
        raise UnitClosed(name=unit.name)
    if _live(session, community_id, unit.id, member.id) is not None:
        raise InUnitAlready(name=member.name, unit=unit.name)
    _set_end(session, community_id, row_id, None)
    return unit, member


def _belonging(session: Session, community_id: int, row_id: int) -> tuple[UnitHere, Neighbour]:
    row = session.execute(
        select(UnitMember.unit_id, UnitMember.member_id).where(
            UnitMember.community_id == community_id, UnitMember.id == row_id
        )
    ).one()
    return (
        unit_by_id(session, community_id=community_id, unit_id=row.unit_id),
        people.member_by_id(session, community_id=community_id, member_id=row.member_id),
    )


def units_of(session: Session, *, community_id: int, member_id: int) -> list[UnitHere]:
    """The units that somebody belongs to besides their home: the party's first, from the top down."""
    rows = session.execute(
        select(Unit.id, Unit.kind, Unit.name, Unit.path)
        .join(UnitMember, UnitMember.unit_id == Unit.id)
        .where(UnitMember.community_id == community_id, UnitMember.member_id == member_id, UnitMember.until.is_(None))
    )
    found = [UnitHere(row.id, UnitKind(row.kind), row.name, row.path) for row in rows]
    order = list(UnitKind)
    return sorted(found, key=lambda unit: (order.index(unit.kind), unit.id))


def people_below(session: Session, *, community_id: int, unit: UnitHere, party_only: bool = False) -> list[Neighbour]:
    """Who belongs to a unit or to one below it, each once, by name: by home, or by having joined."""
    query = present(community_id)
    if unit.kind in HOMES:
        query = query.where(Unit.path.like(unit.path + "%"))
    else:
        below = select(Unit.id).where(Unit.community_id == community_id, Unit.path.like(unit.path + "%"))
        joined = select(UnitMember.member_id).where(
            UnitMember.community_id == community_id, UnitMember.until.is_(None), UnitMember.unit_id.in_(below)
        )
        query = query.where(Member.id.in_(joined))
    if party_only:
        query = query.where(Member.standing == Standing.PARTY_MEMBER)
    return [Neighbour(*row) for row in session.execute(query.order_by(Member.name, Member.id))]


# -- the tree as it is read ----------------------------------------


def head_counts(session: Session, community_id: int) -> Mapping[UnitKind, int]:
    """How many open units of each kind there are."""
    rows = session.execute(
        select(Unit.kind, func.count())
        .where(Unit.community_id == community_id, Unit.until.is_(None))
        .group_by(Unit.kind)
    )
    return {UnitKind(kind): count for kind, count in rows}


def units_below(session: Session, *, community_id: int, unit: UnitHere) -> list[UnitHere]:
    """The open units below one, from the top down."""
    rows = session.execute(
        select(Unit.id, Unit.kind, Unit.name, Unit.path)
        .where(
            Unit.community_id == community_id, Unit.until.is_(None), Unit.path.like(unit.path + "%"), Unit.id != unit.id
        )
        .order_by(Unit.id)
    )
    return [UnitHere(row.id, UnitKind(row.kind), row.name, row.path) for row in rows]


def first_of(session: Session, *, community_id: int, kinds: Iterable[UnitKind], limit: int = 1) -> UnitHere | None:
    """The oldest open unit of these kinds; with a `limit` of more, None where there are that many."""
    rows = session.execute(
        select(Unit.id, Unit.kind, Unit.name, Unit.path)
        .where(Unit.community_id == community_id, Unit.until.is_(None), Unit.kind.in_(list(kinds)))
        .order_by(Unit.id)
        .limit(limit)
    ).all()
    if not rows or 1 < limit <= len(rows):
        return None
    return UnitHere(rows[0].id, UnitKind(rows[0].kind), rows[0].name, rows[0].path)


def only_of(session: Session, *, community_id: int, kinds: Iterable[UnitKind]) -> UnitHere | None:
    """The one open unit of these kinds; None for none or several."""
    return first_of(session, community_id=community_id, kinds=kinds, limit=2)


def closed_at(session: Session, *, community_id: int, unit: UnitHere) -> datetime | None:
    """When a unit was closed; None while it is open."""
    return session.scalar(select(Unit.until).where(Unit.community_id == community_id, Unit.id == unit.id))


@dataclass(slots=True)
class Node:
    """A unit of the tree as it stands: its leader, how many people belong to it or below, and what stands under it."""

    unit: UnitHere
    leader: Term | None
    people: int
    below: list["Node"]

    def count(self, kind: UnitKind) -> int:
        """Units of a kind below this one."""
        return sum((one.unit.kind is kind) + one.count(kind) for one in self.below)


def tree_of(session: Session, *, community_id: int, now: datetime) -> Node:
    """The whole tree of a community, in four queries however large it is."""
    units = [
        UnitHere(row.id, UnitKind(row.kind), row.name, row.path)
        for row in session.execute(
            select(Unit.id, Unit.kind, Unit.name, Unit.path)
            .where(Unit.community_id == community_id, Unit.until.is_(None))
            .order_by(func.length(Unit.path), Unit.id)
        )
    ]
    leaders: dict[int, Term] = {}
    query = roles.terms(community_id).where(
        in_force(now), Member.moved_out_at.is_(None), or_(MemberRole.leads, MemberRole.role == Role.SECRETARY)
    )
    for term in map(roles.term_of, session.execute(query)):
        if term.leads or term.unit.kind is UnitKind.COMMUNITY:
            leaders.setdefault(term.unit.id, term)
    belonging = _belonging_by_unit(session, community_id)
    nodes = {unit.id: Node(unit, leaders.get(unit.id), len(belonging.get(unit.id, ())), []) for unit in units}
    for unit in units[1:]:
        ids = unit.path.strip("/").split("/")
        nodes[int(ids[-2])].below.append(nodes[unit.id])
    return nodes[units[0].id]


def _belonging_by_unit(session: Session, community_id: int) -> dict[int, set[int]]:
    # A person of a group counts in its branch too, once: sets, each carried up to where counting of its kind ends.
    found: dict[int, set[int]] = {}
    homes = session.execute(present(community_id).with_only_columns(Member.id, Unit.path))
    joined = session.execute(
        present(community_id)
        .with_only_columns(Member.id, _joined_unit.c.path)
        .join(UnitMember, and_(UnitMember.member_id == Member.id, UnitMember.until.is_(None)))
        .join(_joined_unit, _joined_unit.c.id == UnitMember.unit_id)
    )
    for member_id, path in homes:
        for part in path.strip("/").split("/"):
            found.setdefault(int(part), set()).add(member_id)
    for member_id, path in joined:
        # The community's own number is that of its residents.
        for part in path.strip("/").split("/")[1:]:
            found.setdefault(int(part), set()).add(member_id)
    return found


_joined_unit = Unit.__table__.alias("joined_unit")

LED = tuple(kind for kind in UnitKind if kind not in (UnitKind.COMMUNITY, UnitKind.DOOR))
"""Kinds that have a leader of their own; a door without one is looked after by its building's."""


def leaderless(session: Session, *, community_id: int, now: datetime) -> list[UnitHere]:
    """The open units that should have a leader and have none, from the top down."""
    led = (
        select(MemberRole.unit_id)
        .join(Member, MemberRole.member_id == Member.id)
        .where(
            MemberRole.community_id == community_id,
            MemberRole.leads,
            in_force(now),
            Member.moved_out_at.is_(None),
            Member.forgotten_at.is_(None),
        )
    )
    rows = session.execute(
        select(Unit.id, Unit.kind, Unit.name, Unit.path)
        .where(Unit.community_id == community_id, Unit.until.is_(None), Unit.kind.in_(LED), Unit.id.not_in(led))
        .order_by(Unit.id)
    )
    found = [UnitHere(row.id, UnitKind(row.kind), row.name, row.path) for row in rows]
    order = list(UnitKind)
    return sorted(found, key=lambda unit: order.index(unit.kind))


def in_charge_of(session: Session, *, community_id: int, unit: UnitHere, now: datetime) -> Term | None:
    """Who answers for a unit: its leader, else the leader of the nearest unit above that has one."""
    at: UnitHere | None = unit
    while at is not None:
        if leader := leader_of(session, community_id=community_id, unit=at, now=now):
            return leader
        at = parent_of(session, community_id=community_id, unit=at)
    return None


def roles_by_name(session: Session, *, community_id: int, name: str, now: datetime) -> list[Term]:
    """The roles in force of whoever bears this name; namesakes' too, each with their unit."""
    query = roles.terms(community_id).where(in_force(now), Member.moved_out_at.is_(None), Member.name == name)
    return [roles.term_of(row) for row in session.execute(query)]


def leaders_over_time(session: Session, *, community_id: int, unit: UnitHere) -> list[Term]:
    """Everybody who ever led the unit, the latest first; what was taken back never was."""
    query = roles.terms(community_id).where(
        MemberRole.unit_id == unit.id,
        MemberRole.leads if unit.kind is not UnitKind.COMMUNITY else MemberRole.role == Role.SECRETARY,
        or_(MemberRole.until.is_(None), MemberRole.until > MemberRole.since),
    )
    return [roles.term_of(row) for row in session.execute(query)][::-1]


def names_over_time(session: Session, *, community_id: int, unit: UnitHere) -> list[str]:
    """What the unit was called before, the latest first, without its name of now."""
    rows = session.scalars(
        select(UnitPast.name)
        .where(UnitPast.community_id == community_id, UnitPast.unit_id == unit.id)
        .order_by(UnitPast.id.desc())
    )
    return [name for name in dict.fromkeys(rows) if name != unit.name]


def ending_terms(session: Session, *, community_id: int, after: datetime, until: datetime) -> list[Term]:
    """The terms whose planned end lies in `(after, until]`, the earliest first."""
    query = roles.terms(community_id).where(
        MemberRole.until > after, MemberRole.until <= until, Member.moved_out_at.is_(None)
    )
    return sorted(map(roles.term_of, session.execute(query)), key=lambda term: (term.until or after, term.id))


def passed_on(session: Session, *, community_id: int, member_id: int, since: datetime) -> int:
    """How many messages a member has had passed on to leaders since a moment."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Audit)
            .where(
                Audit.community_id == community_id,
                Audit.member_id == member_id,
                Audit.action == "pass_on",
                Audit.at >= since,
            )
        )
        or 0
    )


def counts_by_kind(units: Iterable[UnitHere]) -> Mapping[UnitKind, int]:
    """How many of these units are of each kind, in the order of the kinds."""
    counted = Counter(unit.kind for unit in units)
    return {kind: counted[kind] for kind in UnitKind if counted[kind]}


INVARIANTS = (
    *roles.INVARIANTS,
    Invariant(
        "unit_members.joined",
        select(UnitMember.id).join(Unit, UnitMember.unit_id == Unit.id).where(Unit.kind.in_(HOMES)),
    ),
    Invariant(
        "unit_members.closed",
        select(UnitMember.id)
        .join(Unit, UnitMember.unit_id == Unit.id)
        .where(Unit.until.is_not(None), or_(UnitMember.until.is_(None), UnitMember.until > Unit.until)),
    ),
    Invariant("unit_members.span", select(UnitMember.id).where(UnitMember.until < UnitMember.since)),
    Invariant(
        "members.home_open",
        select(Member.id)
        .join(Unit, Member.unit_id == Unit.id)
        .where(
            Unit.until.is_not(None),
            Member.moved_out_at.is_(None),
            Member.forgotten_at.is_(None),
            Member.merged_into.is_(None),
        ),
    ),
)
