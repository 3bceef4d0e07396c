"""审核: somebody in scope decides about a request to be recognised, and may take that back for a while."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import Session

from models.base import Refusal
from models.directory import Ground, Identity
from models.members.consent import withdraw_since
from models.members.people import (
    RANKS,
    Member,
    MemberRole,
    Neighbour,
    Person,
    Role,
    add_identity,
    add_member,
)
from models.members.proof import Why, accounts_of, namesakes
from models.members.registration import Registration, RegistrationState, bind_account, lock_registrations
from models.members.roles import AboveOneself, people_in_scope
from models.units import Unit, UnitHere, UnitKind, covers


class Joining(StrEnum):
    """What becomes of somebody who has an account already when another one is approved."""

    MOVE = "move"
    """换号: the new account takes the place of those before in its namespace."""
    JOIN = "join"
    """并用: all of them speak for the same person."""
    APART = "apart"
    """同名: it is another person of the same name."""


class NoSuchRegistration(Refusal):
    """No waiting request of this number within reach. Fields: number."""


class HasAccount(Refusal):
    """The person meant has an account already: the reviewer must say what becomes of it. Fields: number, name."""


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
    why: Why = Why.UNPROVED
    proved: bool = False

    @property
    def unit_id(self) -> int:
        """The unit at the end of the path."""
        return int(self.unit_path.rstrip("/").rpartition("/")[2])


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a request, with all that is needed to take it back."""

    number: int
    state: RegistrationState
    name: str
    unit: UnitHere
    namespace: str
    external_id: str
    member_id: int | None = None
    heard: bool = True
    """The account knows that it has a request. Where it does not, it is told of no rejection either."""
    made: bool = False
    """The member was put on the roster by this decision."""
    replaced: tuple[tuple[str, str], ...] = ()
    """Outside ids, with their grounds, that spoke for the member before."""


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
            Registration.why,
            Registration.proved,
        )
        .join(Unit, Registration.unit_id == Unit.id)
        .where(
            Registration.community_id == reviewer.community.id,
            Registration.state == RegistrationState.WAITING,
        )
        .order_by(Registration.number)
    )
    found = (Waiting(*row[:7], Why(row.why or Why.UNPROVED), row.proved) for row in rows)
    return [one for one in found if reviewer.may(role, one.unit_path)][:limit]


def reviewers_of(
    session: Session, *, community_id: int, unit: UnitHere, member_id: int | None, why: Why, now: datetime
) -> list[Neighbour]:
    """Who should hear of a request: those nearest to the unit; for somebody with a role, those nearest above them."""
    if why is Why.OFFICE and member_id is not None:
        held = _offices(session, community_id, member_id, now)
        if held:
            role, path = max(held, key=lambda one: RANKS[one[0]])
            above = [one for one in Role if one.rank > role.rank]
            if above:
                lowest = min(above, key=RANKS.__getitem__)
                found = people_in_scope(
                    session, community_id=community_id, path=path, role=lowest, now=now, without=[member_id]
                )
                if found:
                    return found
        # Nobody stands above a secretary: the secretaries hear that somebody would like to be one.
        return people_in_scope(session, community_id=community_id, path=unit.path, role=Role.SECRETARY, now=now)
    return people_in_scope(session, community_id=community_id, path=unit.path, role=Role.BUILDING_LEAD, now=now)


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
    joining: Joining | None = None,
) -> Decision:
    """Approves or rejects a waiting request. Raises NoSuchRegistration, also for one beyond the reviewer's scope.

    An approved request binds to the one person who is meant; where there is none, it makes a new resident, on the
    roster by reason of `basis`. Raises AboveOneself where that person has a role that is not below the reviewer's own,
    in scope, and HasAccount where they have an account in the namespace and nothing says what becomes of it.
    """
    community_id = reviewer.community.id
    lock_registrations(session, community_id)
    request, unit = _request(session, community_id, number)
    if request.state != RegistrationState.WAITING or not reviewer.may(role, unit.path):
        raise NoSuchRegistration(number=number)
    made, member_id = False, None
    replaced: tuple[tuple[str, str], ...] = ()
    if approve:
        member_id = None if joining is Joining.APART else _meant(session, request, unit)
        if member_id is not None:
            _require_above(session, reviewer, member_id, now)
            replaced = _replaced(session, request, member_id, joining)
        else:
            made = True
            member_id = add_member(
                session,
                community_id=community_id,
                name=request.name,
                unit=unit,
                room=request.room,
                basis=basis,
                now=now,
            )
        bind_account(
            session,
            community_id,
            member_id,
            request.namespace,
            request.external_id,
            now,
            opened=request.heard,
        )
    state = RegistrationState.APPROVED if approve else RegistrationState.REJECTED
    _decided(session, request, state, member_id if approve else request.member_id, reviewer.id, reason, now)
    return Decision(
        number,
        state,
        request.name,
        unit,
        request.namespace,
        request.external_id,
        member_id,
        heard=request.heard or approve,
        made=made,
        replaced=replaced,
    )


def _request(session: Session, community_id: int, number: int) -> tuple[Registration, UnitHere]:
    row = session.execute(
        select(Registration, Unit)
        .join(Unit, Registration.unit_id == Unit.id)
        .where(Registration.community_id == community_id, Registration.number == number)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise NoSuchRegistration(number=number)
    return row.Registration, UnitHere(row.Unit.id, UnitKind(row.Unit.kind), row.Unit.name, row.Unit.path)


def _decided(
    session: Session,
    request: Registration,
    state: RegistrationState,
    member_id: int | None,
    by: int | None,
    reason: str,
    at: datetime | None,
) -> None:
    session.execute(
        update(Registration)
        .where(Registration.community_id == request.community_id, Registration.id == request.id)
        .values(
            state=state,
            member_id=member_id,
            decided_at=at,
            decided_by=by,
            reason=reason,
            heard=request.heard or state is RegistrationState.APPROVED or request.state == RegistrationState.APPROVED,
        )
        .execution_options(synchronize_session=False)
    )


def _meant(session: Session, request: Registration, unit: UnitHere) -> int | None:
    """Whom the request is about: the one that it was matched with, else the only namesake without an account."""
    ids = [one[0] for one in namesakes(session, community_id=request.community_id, name=request.name, unit=unit)]
    if request.member_id in ids:
        return request.member_id
    free = [
        one
        for one in ids
        if not accounts_of(session, community_id=request.community_id, member_id=one, namespace=request.namespace)
    ]
    return free[0] if len(free) == 1 else None


def _offices(session: Session, community_id: int, member_id: int, now: datetime) -> list[tuple[Role, str]]:
    rows = session.execute(
        select(MemberRole.role, Unit.path)
        .join(Unit, MemberRole.unit_id == Unit.id)
        .where(
            MemberRole.community_id == community_id,
            MemberRole.member_id == member_id,
            MemberRole.role.not_in([Role.RESIDENT, Role.MEMBER]),
            or_(MemberRole.until.is_(None), MemberRole.until > now),
        )
    )
    return [(Role(row.role), row.path) for row in rows]


def _require_above(session: Session, reviewer: Person, member_id: int, now: datetime) -> None:
    # The account would speak with these roles: each must be below one that the reviewer holds over its unit.
    beyond = [
        role
        for role, path in _offices(session, reviewer.community.id, member_id, now)
        if not any(held.role.rank > role.rank and covers(held.path, path) for held in reviewer.held)
    ]
    if beyond:
        raise AboveOneself(role=max(beyond, key=RANKS.__getitem__))


def _replaced(
    session: Session, request: Registration, member_id: int, joining: Joining | None
) -> tuple[tuple[str, str], ...]:
    """Takes the accounts away that the new one replaces."""
    before = session.execute(
        select(Identity.external_id, Identity.ground)
        .where(
            Identity.community_id == request.community_id,
            Identity.member_id == member_id,
            Identity.namespace == request.namespace,
        )
        .order_by(Identity.id)
    ).all()
    if before and joining is None:
        raise HasAccount(number=request.number, name=request.name)
    if joining is not Joining.MOVE:
        return ()
    for row in before:
        _unbind(session, request.community_id, request.namespace, row.external_id)
    return tuple((row.external_id, row.ground) for row in before)


def _unbind(session: Session, community_id: int, namespace: str, external_id: str) -> None:
    session.execute(
        delete(Identity).where(
            Identity.community_id == community_id,
            Identity.namespace == namespace,
            Identity.external_id == external_id,
        )
    )


def reopen_registration(
    session: Session, *, reviewer: Person, number: int, made: bool, replaced: list[tuple[str, str]], now: datetime
) -> Decision:
    """Takes a decision of this reviewer back: the request waits again, and an account that it bound is nobody's.

    `made` and `replaced` are those of the decision. Raises NoSuchRegistration where it is not this reviewer's any more.
    """
    community_id = reviewer.community.id
    lock_registrations(session, community_id)
    request, unit = _request(session, community_id, number)
    theirs = request.state != RegistrationState.WAITING and request.decided_by == reviewer.id
    if not theirs or _asked_anew(session, request):
        raise NoSuchRegistration(number=number)
    member_id = request.member_id
    if request.state == RegistrationState.APPROVED:
        assert member_id is not None
        assert request.decided_at is not None
        _unbind(session, community_id, request.namespace, request.external_id)
        withdraw_since(session, community_id=community_id, member_id=member_id, since=request.decided_at, now=now)
        for external_id, ground in replaced:
            _bind_back(session, request, member_id, external_id, Ground(ground), now)
        if made:
            # The roster keeps its rows: who was put on it by mistake has moved out.
            session.execute(
                update(Member)
                .where(Member.community_id == community_id, Member.id == member_id)
                .values(moved_out_at=now)
            )
    state = RegistrationState(request.state)
    heard = request.heard or state is RegistrationState.APPROVED
    kept = None if made and request.state == RegistrationState.APPROVED else member_id
    _decided(session, request, RegistrationState.WAITING, kept, None, "", None)
    return Decision(number, state, request.name, unit, request.namespace, request.external_id, member_id, heard)


def _asked_anew(session: Session, request: Registration) -> bool:
    """Whether the account has become somebody, or asked anew, since it was turned down."""
    if request.state == RegistrationState.APPROVED:
        return False
    newer: Any = exists().where(
        Registration.community_id == request.community_id,
        Registration.namespace == request.namespace,
        Registration.external_id == request.external_id,
        Registration.id > request.id,
    )
    return bool(session.scalar(select(newer)))


def _bind_back(
    session: Session, request: Registration, member_id: int, external_id: str, ground: Ground, now: datetime
) -> None:
    taken = session.scalar(
        select(Identity.id).where(
            Identity.community_id == request.community_id,
            Identity.namespace == request.namespace,
            Identity.external_id == external_id,
        )
    )
    if taken is None:
        add_identity(
            session,
            community_id=request.community_id,
            member_id=member_id,
            namespace=request.namespace,
            external_id=external_id,
            ground=ground,
            now=now,
        )
