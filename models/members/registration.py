"""绑定: how an account that nobody knows becomes a member's.

Somebody says who they are, and proves it by what the roster has of them and neighbours do not shout across the yard:
the room together with the last digits of the phone. Whoever cannot prove it waits for a person in scope (`reviewing`).

- A right proof makes a resident, and no more: who holds a higher role, or has an account in the namespace already, is
  handed over by a person above them alone.
- What an account hears of a wrong proof never tells what was wrong, nor whether there is such a person at all: names
  that stand on the roster and names that do not are counted, and wait, alike.
- Three wrong tries within a day wait for a person: by one account, or about one name by all accounts. Where the roster
  proves nobody (a new community, before the import), everybody waits at once.
- Of an account one request waits at the most.
- An account that was bound by a request has that request, approved.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import (
    Boolean,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    and_,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.base import Base, Invariant, Refusal
from models.counters import next_number
from models.directory import Community, Ground, Identity
from models.members.people import add_identity, find_people
from models.members.proof import (
    TRIES,
    Match,
    Why,
    Wish,
    WrongTry,
    count_try,
    find_match,
    forget_tries,
    proves_anybody,
    wrong_tries,
)
from models.units import UnitHere


class Settings(BaseModel):
    """Numbers of the trust between a community and its members."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    consent_version: str = Field(
        default="2", min_length=1, max_length=20, description="个人信息说明的版本；改了说明就换一个，每个人会再被问一次"
    )
    rejected_days: int = Field(default=30, ge=1, le=365, description="没有通过的绑定申请保留几天")


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
    why: Mapped[str] = mapped_column(String(12), server_default="")
    proved: Mapped[bool] = mapped_column(Boolean, server_default=false())
    """Room and digits were those of the roster."""
    heard: Mapped[bool] = mapped_column(Boolean, server_default=false())
    """The account was told that its request waits. Of some it is not: that alone would say that there is somebody."""
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    """The member it was matched with or became."""
    at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    reason: Mapped[str] = mapped_column(String(200), server_default="")


class AlreadyRegistered(Refusal):
    """This account is somebody here already. Fields: name."""


class RegistrationWaiting(Refusal):
    """This account's request is waiting already. Fields: number."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What became of a request to be recognised."""

    number: int
    """0 where there is no request yet."""
    state: RegistrationState | None
    """As the account may know it; None: the proof was wrong, try again."""
    member_id: int | None
    name: str
    unit: UnitHere
    why: Why | None = None
    proved: bool = False
    filed: bool = False
    """A reviewer has something new to look at."""
    tried: int = field(default=0, compare=False)
    """The wrong try that was counted; 0 where there was none."""


def claim_identity(
    session: Session,
    *,
    community_id: int,
    namespace: str,
    external_id: str,
    name: str,
    unit: UnitHere,
    room: str,
    digits: str,
    now: datetime,
) -> Claim:
    """Somebody says who they are. A right proof of somebody free binds at once; all else is counted or waits.

    `digits` are the last four of the phone. Raises AlreadyRegistered and RegistrationWaiting.
    """
    wish = Wish(community_id, namespace, external_id, name, unit, room, digits)
    lock_registrations(session, community_id)
    for person in find_people(session, namespace=namespace, external_id=external_id, now=now):
        if person.community.id == community_id:
            raise AlreadyRegistered(name=person.name)
    waiting = _waiting(session, wish)
    by_account, about = wrong_tries(session, wish, now)
    spent = max(by_account, about) >= TRIES
    if spent and waiting is not None and waiting.heard:
        raise RegistrationWaiting(number=waiting.number)
    match = find_match(session, wish, now)
    if match.proved and match.why is None and not spent:
        return _bind(session, wish, match, waiting, now)
    guessable, tried = proves_anybody(session, community_id), 0
    if guessable and not match.proved and not spent:
        tried = count_try(session, wish, now)
        spent = max(by_account, about) + 1 >= TRIES
    heard = match.proved or spent or not guessable or (waiting is not None and waiting.heard)
    if heard or match.at_once:
        return replace(_file(session, wish, match, waiting, heard=heard, now=now), tried=tried)
    return Claim(0, None, None, name, unit, tried=tried)


def lock_registrations(session: Session, community_id: int) -> None:
    """Of two claims to one person the second waits here and finds the first bound, until the transaction ends."""
    # Check-ins and the like, which only refer to the community, wait for nobody.
    session.execute(select(Community.id).where(Community.id == community_id).with_for_update(key_share=True))


def _waiting(session: Session, wish: Wish) -> Registration | None:
    return session.execute(
        select(Registration)
        .where(
            Registration.community_id == wish.community_id,
            Registration.namespace == wish.namespace,
            Registration.external_id == wish.external_id,
            Registration.state == RegistrationState.WAITING,
        )
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def _bind(session: Session, wish: Wish, match: Match, waiting: Registration | None, now: datetime) -> Claim:
    assert match.member_id is not None
    number = waiting.number if waiting is not None else _next_number(session, wish.community_id)
    _write(
        session,
        wish,
        waiting,
        number=number,
        state=RegistrationState.APPROVED,
        why="",
        proved=True,
        heard=True,
        member_id=match.member_id,
        at=now if waiting is None else waiting.at,
        decided_at=now,
    )
    bind_account(session, wish.community_id, match.member_id, wish.namespace, wish.external_id, now, opened=True)
    return Claim(number, RegistrationState.APPROVED, match.member_id, wish.name, wish.unit, proved=True)


def bind_account(
    session: Session,
    community_id: int,
    member_id: int,
    namespace: str,
    external_id: str,
    now: datetime,
    *,
    opened: bool,
) -> None:
    """Lets an account speak as a member by reason of its request, and forgets its wrong tries.

    It is `opened` where its owner was answered alone about it.
    """
    add_identity(
        session,
        community_id=community_id,
        member_id=member_id,
        namespace=namespace,
        external_id=external_id,
        ground=Ground.REGISTRATION,
        now=now,
        opened=opened,
    )
    session.execute(
        delete(WrongTry).where(
            WrongTry.community_id == community_id,
            WrongTry.namespace == namespace,
            WrongTry.external_id == external_id,
        )
    )


def _file(
    session: Session, wish: Wish, match: Match, waiting: Registration | None, *, heard: bool, now: datetime
) -> Claim:
    """Lets the wish wait for a person, in the place of what this account said before."""
    why = match.why or Why.UNPROVED
    news = waiting is None or (waiting.name, waiting.unit_id, waiting.why) != (wish.name, wish.unit.id, why)
    heard = heard or (waiting is not None and waiting.heard)
    number = waiting.number if waiting is not None else _next_number(session, wish.community_id)
    _write(
        session,
        wish,
        waiting,
        number=number,
        state=RegistrationState.WAITING,
        why=why,
        proved=match.proved,
        heard=heard,
        member_id=match.member_id,
        at=now if waiting is None else waiting.at,
        decided_at=None,
    )
    state = RegistrationState.WAITING if heard else None
    return Claim(number, state, match.member_id, wish.name, wish.unit, why, match.proved, filed=news)


def _next_number(session: Session, community_id: int) -> int:
    return next_number(session, community_id=community_id, kind="review")


def _write(session: Session, wish: Wish, waiting: Registration | None, **values: object) -> None:
    values |= {"name": wish.name, "unit_id": wish.unit.id, "room": wish.room}
    if waiting is None:
        who = {"community_id": wish.community_id, "namespace": wish.namespace, "external_id": wish.external_id}
        session.execute(insert(Registration), {**who, **values})
        return
    session.execute(
        update(Registration)
        .where(Registration.community_id == wish.community_id, Registration.id == waiting.id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


@dataclass(frozen=True, slots=True)
class LastWord:
    """What an account that is nobody was told last about its request."""

    number: int
    state: RegistrationState
    reason: str


def last_word(session: Session, *, community_id: int, namespace: str, external_id: str) -> LastWord | None:
    """The newest request of this account that it knows of."""
    row = session.execute(
        select(Registration.number, Registration.state, Registration.reason)
        .where(
            Registration.community_id == community_id,
            Registration.namespace == namespace,
            Registration.external_id == external_id,
            Registration.heard,
        )
        .order_by(Registration.id.desc())
    ).first()
    return None if row is None else LastWord(row.number, RegistrationState(row.state), row.reason)


def forget_registrations(session: Session, *, community_id: int, rejected_before: datetime, now: datetime) -> None:
    """Drops what was turned down before a moment, and wrong tries that count no more."""
    session.execute(
        delete(Registration).where(
            Registration.community_id == community_id,
            Registration.state == RegistrationState.REJECTED,
            Registration.decided_at < rejected_before,
        )
    )
    forget_tries(session, community_id, now)


_request = aliased(Registration)

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
    Invariant(
        # Whoever decides knows what they are looking at.
        "registrations.why",
        select(Registration.id).where(
            Registration.state == RegistrationState.WAITING, Registration.why.not_in(list(Why))
        ),
    ),
    Invariant(
        "registrations.one_waits",
        select(func.min(Registration.id))
        .where(Registration.state == RegistrationState.WAITING)
        .group_by(Registration.community_id, Registration.namespace, Registration.external_id)
        .having(func.count() > 1),
    ),
    Invariant(
        # Nobody guesses on: with the last try that is counted, the account's request waits or was decided.
        "wrong_tries.wait",
        select(func.min(WrongTry.id))
        .outerjoin(
            _request,
            and_(
                _request.community_id == WrongTry.community_id,
                _request.namespace == WrongTry.namespace,
                _request.external_id == WrongTry.external_id,
            ),
        )
        .group_by(WrongTry.community_id, WrongTry.namespace, WrongTry.external_id)
        .having(
            or_(
                func.count(WrongTry.id.distinct()) > TRIES,
                and_(func.count(WrongTry.id.distinct()) == TRIES, func.count(_request.id) == 0),
            )
        ),
    ),
    Invariant(
        # Nobody is bound without a ground: the roster's, or a request that was approved.
        "identities.ground",
        select(Identity.id)
        .outerjoin(
            Registration,
            and_(
                Registration.community_id == Identity.community_id,
                Registration.namespace == Identity.namespace,
                Registration.external_id == Identity.external_id,
                Registration.state == RegistrationState.APPROVED,
            ),
        )
        .where(
            or_(
                Identity.ground.not_in(list(Ground)),
                and_(Identity.ground == Ground.REGISTRATION, Registration.id.is_(None)),
            )
        ),
    ),
)
