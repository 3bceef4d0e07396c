"""绑定 and 审核: how an account that nobody knows becomes a member's."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    and_,
    exists,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Invariant, Refusal
from models.counters import next_number
from models.directory import Community, Identity
from models.members.people import (
    RANKS,
    Member,
    MemberRole,
    Person,
    Role,
    add_identity,
    add_member,
    find_people,
    present,
)
from models.members.roles import AboveOneself
from models.units import Unit, UnitHere, UnitKind, covers


class RegistrationState(StrEnum):
    """Where a request to be recognised stands."""

    WAITING = "waiting"
    """Somebody in scope has to look."""
    APPROVED = "approved"
    """Recognised: by the roster or by a person."""
    REJECTED = "rejected"
    """Turned down, with a reason."""


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


class NoSuchRegistration(Refusal):
    """No waiting request of this number within reach. Fields: number."""


class AlreadyRegistered(Refusal):
    """This account is somebody here already. Fields: name."""


class RegistrationWaiting(Refusal):
    """This account's request is waiting already. Fields: number."""


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
        present(community_id)
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
        present(registration.community_id)
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
