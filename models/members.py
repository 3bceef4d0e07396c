"""Who is who in a community: the only door to people, their standing, their roles and how far these reach.

A member is a person; volunteering is what one does, not what one is. Somebody whom the bot does not know yet asks to be
recognised (绑定): one match with the roster makes a resident and no more; everything else waits for a person in scope.

- A role holds for a unit and all below it, for its term.
- Nobody gives a role above their own, nor beyond their own scope.
- A match with the roster never hands over a person who already has an account in that namespace, nor one who holds a
  higher role: such claims wait for 审核.
- A registration is decided once, by somebody whose scope covers its unit.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    Boolean,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    and_,
    bindparam,
    exists,
    false,
    func,
    insert,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.base import Base, Invariant, Refusal
from models.counters import next_number
from models.database import Prepared
from models.directory import Community, CommunityHere, Identity
from models.units import Unit, UnitHere, UnitKind, covers


class Standing(StrEnum):
    """What a member is to the party organisation."""

    RESIDENT = "resident"
    """居民."""
    PARTY_MEMBER = "party_member"
    """党员."""


class Role(StrEnum):
    """What a member may do, for a unit and all below it."""

    RESIDENT = "resident"
    """居民: everybody who is recognised."""
    MEMBER = "member"
    """党员."""
    PROPERTY = "property"
    """物业."""
    OWNERS_COMMITTEE = "owners_committee"
    """业委会."""
    BUILDING_LEAD = "building_lead"
    """楼长."""
    GROUP_LEADER = "group_leader"
    """党小组长."""
    BRANCH_SECRETARY = "branch_secretary"
    """支部书记."""
    STAFF = "staff"
    """社工 / 网格员."""
    SECRETARY = "secretary"
    """社区书记."""
    ADMIN = "admin"
    """管理员: the operator."""

    @property
    def rank(self) -> int:
        """Higher may do what lower may."""
        return RANKS[self]


RANKS = {
    Role.RESIDENT: 10,
    Role.MEMBER: 20,
    Role.PROPERTY: 20,
    Role.OWNERS_COMMITTEE: 20,
    Role.BUILDING_LEAD: 40,
    Role.GROUP_LEADER: 40,
    Role.BRANCH_SECRETARY: 50,
    Role.STAFF: 60,
    Role.SECRETARY: 80,
    Role.ADMIN: 100,
}


class RegistrationState(StrEnum):
    """Where a request to be recognised stands."""

    WAITING = "waiting"
    """Somebody in scope has to look."""
    APPROVED = "approved"
    """Recognised: by the roster or by a person."""
    REJECTED = "rejected"
    """Turned down, with a reason."""


class Member(Base):
    __tablename__ = "members"
    __table_args__ = (
        Index("ix_members_name", "community_id", "name"),
        Index("ix_members_unit", "unit_id"),
        # Those few whom no board shows: see `points.board`, which asks in these words.
        Index(
            "ix_members_unseen",
            "community_id",
            sqlite_where=text("on_boards = 0 OR merged_into IS NOT NULL OR forgotten_at IS NOT NULL"),
            postgresql_where=text("NOT on_boards OR merged_into IS NOT NULL OR forgotten_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    name: Mapped[str] = mapped_column(String(80))
    standing: Mapped[str] = mapped_column(String(16))
    room: Mapped[str] = mapped_column(String(20), server_default="")
    phone: Mapped[str] = mapped_column(String(20), server_default="")
    employer: Mapped[str] = mapped_column(String(120), server_default="")
    basis: Mapped[str] = mapped_column(String(120), server_default="")
    """登记依据: on what ground this person is on the roster."""
    hides_name: Mapped[bool] = mapped_column(Boolean, server_default=false())
    """Shown as 王*英 in groups and on boards."""
    on_boards: Mapped[bool] = mapped_column(Boolean, server_default=true())
    since: Mapped[datetime]
    moved_out_at: Mapped[datetime | None]
    forgotten_at: Mapped[datetime | None]
    merged_into: Mapped[int | None] = mapped_column(ForeignKey("members.id"))


class MemberRole(Base):
    """A role of a member for a unit and all below it, for a term."""

    __tablename__ = "member_roles"
    __table_args__ = (
        Index("ix_member_roles_member", "member_id"),
        Index("ix_member_roles_unit", "community_id", "unit_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    role: Mapped[str] = mapped_column(String(20))
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    given_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))


class Registration(Base):
    """Somebody asks to be recognised: what they said of themselves, and what became of it."""

    __tablename__ = "registrations"
    __table_args__ = (
        UniqueConstraint("community_id", "number", name="uq_registrations_number"),
        Index("ix_registrations_who", "namespace", "external_id"),
        Index("ix_registrations_state", "community_id", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    number: Mapped[int]
    namespace: Mapped[str] = mapped_column(String(80))
    external_id: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(80))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    room: Mapped[str] = mapped_column(String(20), server_default="")
    state: Mapped[str] = mapped_column(String(12))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    """The member it was matched with or became."""
    at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    reason: Mapped[str] = mapped_column(String(200), server_default="")


class Consent(Base):
    """Agreement of a member to a version of the privacy statement."""

    __tablename__ = "consents"
    __table_args__ = (UniqueConstraint("community_id", "member_id", "version", name="uq_consents_version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    version: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class Invitation(Base):
    """A one-time code that gives a role. Only its hash is stored."""

    __tablename__ = "invitations"
    __table_args__ = (UniqueConstraint("community_id", "code_hash", name="uq_invitations_code"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    code_hash: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(20))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))


class Merge(Base):
    """Two members found to be one person. Undone by splitting them again."""

    __tablename__ = "merges"
    __table_args__ = (Index("ix_merges_from", "community_id", "from_member_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    from_member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    into_member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    at: Mapped[datetime]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    undone_at: Mapped[datetime | None]


class NoSuchMember(Refusal):
    """Nobody of this name within reach. Fields: name."""


class SeveralMembers(Refusal):
    """More than one person of this name. Fields: name, count."""


class NoSuchRegistration(Refusal):
    """No waiting request of this number within reach. Fields: number."""


class AlreadyRegistered(Refusal):
    """This account is somebody here already. Fields: name."""


class RegistrationWaiting(Refusal):
    """This account's request is waiting already. Fields: number."""


class BeyondReach(Refusal):
    """The role does not hold for the unit that the command is about."""


class AboveOneself(Refusal):
    """A role above the giver's own, or beyond their scope. Fields: role."""


@dataclass(frozen=True, slots=True)
class Held:
    """A role that somebody holds, and the path of the unit for which it holds."""

    role: Role
    path: str


@dataclass(frozen=True, slots=True)
class Person:
    """A member as the bot meets them: with the roles in force now."""

    id: int
    community: CommunityHere
    name: str
    standing: Standing
    unit_id: int
    unit_path: str
    hides_name: bool
    chosen_at: datetime | None
    held: tuple[Held, ...]

    @property
    def role(self) -> Role:
        """The highest role that this person holds anywhere."""
        return max((held.role for held in self.held), key=RANKS.__getitem__, default=Role.RESIDENT)

    def may(self, role: Role, path: str | None = None) -> bool:
        """Whether this person may do what takes `role`, for the unit at `path` (None: anywhere)."""
        if role.rank <= RANKS[Role.RESIDENT]:
            return True
        return any(held.role.rank >= role.rank and (path is None or covers(held.path, path)) for held in self.held)


def require(person: Person, role: Role, path: str) -> None:
    """Raises BeyondReach unless this person holds `role` for the unit at `path`."""
    if not person.may(role, path):
        raise BeyondReach


def masked(name: str) -> str:
    """王*英: the middle of a name hidden; 王*: of two characters the second."""
    if len(name) <= 1:
        return name
    return name[0] + "*" if len(name) == 2 else f"{name[0]}{'*' * (len(name) - 2)}{name[-1]}"


_home = aliased(Unit)
_reach = aliased(Unit)

FIND_PEOPLE = Prepared(
    select(
        Member.id,
        Community.id,
        Community.name,
        Community.bot_name,
        Member.name,
        Member.standing,
        Member.unit_id,
        _home.path,
        Member.hides_name,
        Identity.chosen_at,
        MemberRole.role,
        _reach.path,
    )
    .join_from(Identity, Member, Identity.member_id == Member.id)
    .join(_home, Member.unit_id == _home.id)
    .join(Community, Member.community_id == Community.id)
    .outerjoin(
        MemberRole,
        and_(
            MemberRole.member_id == Member.id,
            MemberRole.since <= bindparam("now"),
            or_(MemberRole.until.is_(None), MemberRole.until > bindparam("now")),
        ),
    )
    .outerjoin(_reach, MemberRole.unit_id == _reach.id)
    .where(
        Identity.namespace == bindparam("namespace"),
        Identity.external_id == bindparam("external_id"),
        Member.moved_out_at.is_(None),
        Member.forgotten_at.is_(None),
    )
    .order_by(Member.id)
)


def find_people(session: Session, *, namespace: str, external_id: str, now: datetime) -> list[Person]:
    """Who this outside id is: one person for each community in which they are somebody. The only door to a sender."""
    rows = FIND_PEOPLE.all(session, namespace=namespace, external_id=external_id, now=now)
    people: list[Person] = []
    held: dict[int, list[Held]] = {}
    for row in rows:
        if row[10] is not None:
            held.setdefault(row[0], []).append(Held(Role(row[10]), row[11]))
    seen: set[int] = set()
    for row in rows:
        if row[0] in seen:
            continue
        seen.add(row[0])
        people.append(
            Person(
                row[0],
                CommunityHere(*row[1:4]),
                row[4],
                Standing(row[5]),
                row[6],
                row[7],
                bool(row[8]),
                row[9],
                tuple(held.get(row[0], ())),
            )
        )
    return people


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A member somebody else speaks of."""

    id: int
    name: str
    unit_id: int
    unit_path: str
    hides_name: bool

    @property
    def shown(self) -> str:
        """The name as a group may read it."""
        return masked(self.name) if self.hides_name else self.name


_NEIGHBOUR = (Member.id, Member.name, Member.unit_id, Unit.path, Member.hides_name)


def _present(community_id: int):  # type: ignore[no-untyped-def]
    return (
        select(*_NEIGHBOUR)
        .join(Unit, Member.unit_id == Unit.id)
        .where(
            Member.community_id == community_id,
            Member.moved_out_at.is_(None),
            Member.forgotten_at.is_(None),
            Member.merged_into.is_(None),
        )
    )


def find_member(session: Session, *, community_id: int, name: str, within: str = "") -> Neighbour:
    """The member of this name, at or below the unit path `within`; people say 老赵 for one who is listed so.

    Raises NoSuchMember, or SeveralMembers for namesakes.
    """
    query = _present(community_id).where(Member.name == name)
    if within:
        query = query.where(Unit.path.like(within + "%"))
    rows = session.execute(query.limit(3)).all()
    if not rows:
        raise NoSuchMember(name=name)
    if len(rows) > 1:
        raise SeveralMembers(name=name, count=len(rows))
    return Neighbour(*rows[0])


def member_by_id(session: Session, *, community_id: int, member_id: int) -> Neighbour:
    """The member with this id, also one who has moved out; raises NoSuchMember for another community's."""
    row = session.execute(
        select(*_NEIGHBOUR)
        .join(Unit, Member.unit_id == Unit.id)
        .where(Member.community_id == community_id, Member.id == member_id)
    ).one_or_none()
    if row is None:
        raise NoSuchMember(name=str(member_id))
    return Neighbour(*row)


def add_member(
    session: Session,
    *,
    community_id: int,
    name: str,
    unit: UnitHere,
    now: datetime,
    standing: Standing = Standing.RESIDENT,
    room: str = "",
    phone: str = "",
    employer: str = "",
    basis: str = "",
) -> int:
    """Puts a person on the roster; returns the member's id."""
    made: int = session.execute(
        insert(Member).returning(Member.id),
        {
            "community_id": community_id,
            "unit_id": unit.id,
            "name": name,
            "standing": standing,
            "room": room,
            "phone": phone,
            "employer": employer,
            "basis": basis,
            "since": now,
        },
    ).scalar_one()
    return made


def add_identity(
    session: Session, *, community_id: int, member_id: int, namespace: str, external_id: str, now: datetime
) -> None:
    """Lets an outside id speak as a member."""
    session.execute(
        insert(Identity),
        {
            "namespace": namespace,
            "external_id": external_id,
            "community_id": community_id,
            "member_id": member_id,
            "chosen_at": None,
            "since": now,
        },
    )


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
) -> int:
    """Gives a role for a unit; `by` None is the operator at the machine. Raises AboveOneself."""
    if by is not None and not by.may(role, unit.path):
        raise AboveOneself(role=role)
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
        },
    ).scalar_one()
    return made


def people_in_scope(
    session: Session, *, community_id: int, path: str, role: Role, now: datetime, without: Collection[int] = ()
) -> list[Neighbour]:
    """Who holds `role` or a higher one for the unit at `path`: those nearest to it, and only they.

    `without` are member ids that do not count: where the nearest is one of them, the next above are asked.
    """
    reach = aliased(Unit)
    ranks = [candidate for candidate in Role if candidate.rank >= role.rank and candidate is not Role.ADMIN]
    rows = session.execute(
        _present(community_id)
        .add_columns(reach.path.label("reach"))
        .join(MemberRole, MemberRole.member_id == Member.id)
        .join(reach, MemberRole.unit_id == reach.id)
        .where(
            MemberRole.role.in_(ranks),
            MemberRole.since <= now,
            or_(MemberRole.until.is_(None), MemberRole.until > now),
            func.substr(path, 1, func.length(reach.path)) == reach.path,
            Member.id.not_in(list(without)),
        )
        .order_by(func.length(reach.path).desc(), Member.id)
    ).all()
    nearest = [row for row in rows if row.reach == rows[0].reach]
    return list(dict.fromkeys(Neighbour(*row[:5]) for row in nearest))


@dataclass(frozen=True, slots=True)
class Claim:
    """What became of a request to be recognised."""

    number: int
    state: RegistrationState
    member_id: int | None
    name: str
    unit: UnitHere


def claim_identity(
    session: Session,
    *,
    community_id: int,
    namespace: str,
    external_id: str,
    name: str,
    unit: UnitHere,
    room: str,
    now: datetime,
) -> Claim:
    """Somebody says who they are. One free match with the roster binds at once, all else waits for a person.

    Raises AlreadyRegistered and RegistrationWaiting.
    """
    _lock(session, community_id)
    known = find_people(session, namespace=namespace, external_id=external_id, now=now)
    for person in known:
        if person.community.id == community_id:
            raise AlreadyRegistered(name=person.name)
    waiting = session.scalar(
        select(Registration.number).where(
            Registration.community_id == community_id,
            Registration.namespace == namespace,
            Registration.external_id == external_id,
            Registration.state == RegistrationState.WAITING,
        )
    )
    if waiting is not None:
        raise RegistrationWaiting(number=waiting)
    member_id = _free_match(
        session, community_id=community_id, namespace=namespace, name=name, unit=unit, room=room, now=now
    )
    number = next_number(session, community_id=community_id, kind="review")
    state = RegistrationState.WAITING if member_id is None else RegistrationState.APPROVED
    session.execute(
        insert(Registration),
        {
            "community_id": community_id,
            "number": number,
            "namespace": namespace,
            "external_id": external_id,
            "name": name,
            "unit_id": unit.id,
            "room": room,
            "state": state,
            "member_id": member_id,
            "at": now,
            "decided_at": None if member_id is None else now,
        },
    )
    if member_id is not None:
        add_identity(
            session,
            community_id=community_id,
            member_id=member_id,
            namespace=namespace,
            external_id=external_id,
            now=now,
        )
    return Claim(number, state, member_id, name, unit)


def _lock(session: Session, community_id: int) -> None:
    # Of two claims to one person the second waits here and finds the first bound. Check-ins and the like, which only
    # refer to the community, wait for nobody.
    session.execute(select(Community.id).where(Community.id == community_id).with_for_update(key_share=True))


def _free_match(
    session: Session, *, community_id: int, namespace: str, name: str, unit: UnitHere, room: str, now: datetime
) -> int | None:
    # A whole community is no match: the claim must say where the person lives.
    if unit.kind is UnitKind.COMMUNITY:
        return None
    query = (
        _present(community_id)
        .add_columns(Member.room)
        .where(Member.name == name, Unit.path.like(unit.path + "%"))
        .limit(2)
    )
    rows = session.execute(query).all()
    if len(rows) != 1 or (room and rows[0].room != room):
        return None
    member_id: int = rows[0].id
    taken = session.scalar(
        select(
            exists().where(
                Identity.community_id == community_id,
                Identity.member_id == member_id,
                Identity.namespace == namespace,
            )
        )
    )
    ranked = session.scalar(
        select(
            exists().where(
                MemberRole.community_id == community_id,
                MemberRole.member_id == member_id,
                MemberRole.role.not_in([Role.RESIDENT, Role.MEMBER]),
                or_(MemberRole.until.is_(None), MemberRole.until > now),
            )
        )
    )
    return None if taken or ranked else member_id


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits for a person."""

    id: int
    number: int
    name: str
    unit_name: str
    unit_path: str
    room: str
    at: datetime

    @property
    def unit_id(self) -> int:
        """The unit at the end of the path."""
        return int(self.unit_path.rstrip("/").rpartition("/")[2])


def waiting_registrations(session: Session, *, reviewer: Person, role: Role, limit: int = 10) -> list[Waiting]:
    """The requests that this reviewer may decide, oldest first."""
    rows = session.execute(
        select(
            Registration.id,
            Registration.number,
            Registration.name,
            Unit.name,
            Unit.path,
            Registration.room,
            Registration.at,
        )
        .join(Unit, Registration.unit_id == Unit.id)
        .where(
            Registration.community_id == reviewer.community.id,
            Registration.state == RegistrationState.WAITING,
        )
        .order_by(Registration.number)
    )
    return [found for row in rows if reviewer.may(role, (found := Waiting(*row)).unit_path)][:limit]


def decide_registration(
    session: Session,
    *,
    reviewer: Person,
    role: Role,
    number: int,
    approve: bool,
    reason: str,
    now: datetime,
    basis: str = "",
) -> Claim:
    """Approves or rejects a waiting request. Raises NoSuchRegistration, also for one beyond the reviewer's scope.

    An approved claim binds to the one person of that name and unit who has no account in the namespace; otherwise it
    makes a new resident, on the roster by reason of `basis`. Raises AboveOneself where that person has a role that is
    not below the reviewer's own, in scope.
    """
    community_id = reviewer.community.id
    _lock(session, community_id)
    row = session.execute(
        select(Registration, Unit)
        .join(Unit, Registration.unit_id == Unit.id)
        .where(
            Registration.community_id == community_id,
            Registration.number == number,
            Registration.state == RegistrationState.WAITING,
        )
    ).one_or_none()
    if row is None or not reviewer.may(role, row.Unit.path):
        raise NoSuchRegistration(number=number)
    registration: Registration = row.Registration
    unit = UnitHere(row.Unit.id, UnitKind(row.Unit.kind), row.Unit.name, row.Unit.path)
    member_id: int | None = None
    if approve:
        member_id = _approved_match(session, registration, unit, reviewer=reviewer, now=now)
        if member_id is None:
            member_id = add_member(
                session,
                community_id=community_id,
                name=registration.name,
                unit=unit,
                room=registration.room,
                basis=basis,
                now=now,
            )
        add_identity(
            session,
            community_id=community_id,
            member_id=member_id,
            namespace=registration.namespace,
            external_id=registration.external_id,
            now=now,
        )
    session.execute(
        update(Registration)
        .where(Registration.community_id == community_id, Registration.id == registration.id)
        .values(
            state=RegistrationState.APPROVED if approve else RegistrationState.REJECTED,
            member_id=member_id,
            decided_at=now,
            decided_by=reviewer.id,
            reason=reason,
        )
    )
    state = RegistrationState.APPROVED if approve else RegistrationState.REJECTED
    return Claim(number, state, member_id, registration.name, unit)


def _approved_match(
    session: Session, registration: Registration, unit: UnitHere, *, reviewer: Person, now: datetime
) -> int | None:
    taken = exists().where(
        Identity.community_id == registration.community_id,
        Identity.member_id == Member.id,
        Identity.namespace == registration.namespace,
    )
    rows = session.execute(
        _present(registration.community_id)
        .where(Member.name == registration.name, Unit.path.like(unit.path + "%"), ~taken)
        .limit(2)
    ).all()
    if len(rows) != 1:
        return None
    member_id: int = rows[0].id
    roles = session.execute(
        select(MemberRole.role, Unit.path)
        .join(Unit, MemberRole.unit_id == Unit.id)
        .where(
            MemberRole.community_id == registration.community_id,
            MemberRole.member_id == member_id,
            MemberRole.role.not_in([Role.RESIDENT, Role.MEMBER]),
            or_(MemberRole.until.is_(None), MemberRole.until > now),
        )
    ).all()
    # The account would speak with these roles: each must be below one that the reviewer holds over its unit.
    beyond = [Role(row.role) for row in roles if not _outranks(reviewer, Role(row.role), row.path)]
    if beyond:
        raise AboveOneself(role=max(beyond, key=RANKS.__getitem__))
    return member_id


def _outranks(reviewer: Person, role: Role, path: str) -> bool:
    return any(held.role.rank > role.rank and covers(held.path, path) for held in reviewer.held)


def last_rejection(session: Session, *, namespace: str, external_id: str) -> str | None:
    """The reason of the last rejection of this account's request, where that is its last word."""
    row = session.execute(
        select(Registration.state, Registration.reason)
        .where(Registration.namespace == namespace, Registration.external_id == external_id)
        .order_by(Registration.id.desc())
    ).first()
    return row.reason if row is not None and row.state == RegistrationState.REJECTED else None


INVARIANTS = (
    Invariant(
        "registrations.decided",
        select(Registration.id).where(
            or_(
                and_(Registration.state == RegistrationState.WAITING, Registration.decided_at.is_not(None)),
                and_(Registration.state != RegistrationState.WAITING, Registration.decided_at.is_(None)),
                and_(Registration.state == RegistrationState.APPROVED, Registration.member_id.is_(None)),
            )
        ),
    ),
)
