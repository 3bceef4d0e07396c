"""One-time codes that give a role: the first secretary's from the operator, all others' from somebody above.

- A code is told once, to whoever made it, and kept as a hash only; it holds for a day and for one person.
- It gives what its maker may still give when it is used, and nothing where they may not or the unit is closed.
- Wrong, used and expired codes are one and the same to whoever tries them; after five an hour no code is looked at.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Invariant
from models.directory import Identity
from models.members.people import RANKS, Member, MemberRole, Person, Role, Standing, add_identity, add_member, present
from models.members.roles import AboveOneself, give_role, in_force, roles_held
from models.units import PARTY, Unit, UnitHere, UnitKind, covers, unit_by_id, unit_open

LETTERS = "ACDEFGHJKMNPQRTUVWXY34679"
"""None of those that are taken for each other: 0 and O, 1, I and L, 2 and Z, 5 and S, 8 and B."""
LENGTH = 8
HOLDS = timedelta(hours=24)
TRIES_MAX = 5
TRIES_WITHIN = timedelta(hours=1)
ROUNDS = 20_000
"""Of hashing: whoever has stolen the database tries a code in the time in which they would try twenty thousand."""


class Invitation(Base):
    """A one-time code that gives a role. Only its hash is stored."""

    __tablename__ = "invitations"
    __table_args__ = (UniqueConstraint("community_id", "code_hash", name="uq_invitations_code"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    code_hash: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(20))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    """None for the operator at the machine."""
    made_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))


class InvitationTry(Base):
    """A code that was wrong, for an hour: of whichever community, for a wrong code names none."""

    __tablename__ = "invitation_tries"
    __table_args__ = (Index("ix_invitation_tries_who", "namespace", "external_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    namespace: Mapped[str] = mapped_column(String(80))
    external_id: Mapped[str] = mapped_column(String(200))
    at: Mapped[datetime]


def new_code() -> str:
    """`ACDE-FGHJ`, from 25 letters and figures: one of 150 thousand million."""
    drawn = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
    return f"{drawn[:4]}-{drawn[4:]}"


def plain_code(typed: str) -> str:
    """A code as it is hashed, however it was typed; empty where it can be none."""
    code = "".join(letter for letter in typed.upper() if letter.isascii() and letter.isalnum())
    return code if len(code) == LENGTH and set(code) <= set(LETTERS) else ""


def _hashed(code: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", code.encode(), b"linli invitation", ROUNDS).hex()


def make_invitation(
    session: Session,
    *,
    community_id: int,
    code: str,
    role: Role,
    unit: UnitHere,
    by: Person | None,
    now: datetime,
) -> int:
    """Lets a code give a role for a unit; `by` None is the operator at the machine. Raises AboveOneself.

    In the chat only what is below oneself: whoever reads over a shoulder must not become one's equal.
    """
    if by is not None and not by.outranks(role, unit.path):
        raise AboveOneself(role=role)
    made: int = session.execute(
        insert(Invitation).returning(Invitation.id),
        {
            "community_id": community_id,
            "code_hash": _hashed(plain_code(code)),
            "role": role,
            "unit_id": unit.id,
            "made_by": by.id if by else None,
            "made_at": now,
            "expires_at": now + HOLDS,
            "used_at": None,
            "used_by": None,
        },
    ).scalar_one()
    return made


def withdraw_invitation(session: Session, *, community_id: int, invitation_id: int, now: datetime) -> bool:
    """Lets a code expire at once; False where it was used before."""
    withdrawn = session.scalars(
        update(Invitation)
        .where(Invitation.community_id == community_id, Invitation.id == invitation_id, Invitation.used_at.is_(None))
        .values(expires_at=now)
        .returning(Invitation.id)
    ).all()
    return bool(withdrawn)


def community_of_code(session: Session, *, text: str, now: datetime) -> int | None:
    """In which community the code at the head of a text gives a role: a stranger has no other way to be heard there."""
    plain = plain_code(code_in(text))
    if not plain:
        return None
    return session.scalar(
        select(Invitation.community_id).where(
            Invitation.code_hash == _hashed(plain), Invitation.used_at.is_(None), Invitation.expires_at > now
        )
    )


def code_in(text: str) -> str:
    """The code at the head of `ACDE-FGHJ 张三 3栋`, with whatever blanks and dashes were typed into it."""
    return next((text[:at] for at, letter in enumerate(text) if not letter.isascii()), text)


class Outcome(StrEnum):
    """What became of a code."""

    ACCEPTED = "accepted"
    WRONG = "wrong"
    """Unknown, used, expired, or its maker may not give this any more."""
    TOO_MANY = "too_many"
    """Not looked at, after too many wrong ones."""
    NAMELESS = "nameless"
    """It holds, and whoever sent it has to say who they are first."""
    HELD = "held"
    """It holds, and its role is held already; it stays good for somebody else."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a code; the rest is there where it was accepted or held."""

    outcome: Outcome
    invitation_id: int = 0
    member_id: int = 0
    name: str = ""
    role: Role = Role.RESIDENT
    unit: UnitHere | None = None
    made_by: int | None = None


def accept_invitation(
    session: Session,
    *,
    community_id: int,
    namespace: str,
    external_id: str,
    code: str,
    person: Person | None,
    name: str,
    home: UnitHere | None,
    basis: str,
    now: datetime,
) -> Accepted:
    """Uses a code: the person behind the account gets its role, and is put on the roster first where nobody knows them.

    `name` and `home` are what a stranger says of themselves, `basis` why they are on the roster then.
    """
    if _wrong_tries(session, namespace, external_id, now) >= TRIES_MAX:
        return Accepted(Outcome.TOO_MANY)
    plain = plain_code(code)
    invitation = _holding(session, community_id, plain, now) if plain else None
    if invitation is None:
        session.execute(insert(InvitationTry), {"namespace": namespace, "external_id": external_id, "at": now})
        return Accepted(Outcome.WRONG)
    unit = unit_by_id(session, community_id=community_id, unit_id=invitation.unit_id)
    role = Role(invitation.role)
    found = (invitation.id, person.id if person else 0, person.name if person else name, role, unit)
    if person is None and (not name or home is None):
        return Accepted(Outcome.NAMELESS, *found, invitation.made_by)
    if person is not None and any(
        term.role is role and term.unit.id == unit.id
        for term in roles_held(session, community_id=community_id, now=now, member_id=person.id)
    ):
        return Accepted(Outcome.HELD, *found, invitation.made_by)
    member_id = person.id if person else None
    if member_id is None:
        assert home is not None
        member_id = _recognise(
            session, community_id=community_id, namespace=namespace, external_id=external_id, name=name, home=home,
            party=unit.kind in PARTY or role is Role.SECRETARY, basis=basis, now=now,
        )  # fmt: skip
    session.execute(
        update(Invitation)
        .where(Invitation.community_id == community_id, Invitation.id == invitation.id)
        .values(used_at=now, used_by=member_id)
    )
    give_role(session, community_id=community_id, member_id=member_id, role=role, unit=unit, now=now, by=None)
    return Accepted(Outcome.ACCEPTED, found[0], member_id, *found[2:], invitation.made_by)


def _wrong_tries(session: Session, namespace: str, external_id: str, now: datetime) -> int:
    session.execute(delete(InvitationTry).where(InvitationTry.at <= now - TRIES_WITHIN))
    return (
        session.scalar(
            select(func.count())
            .select_from(InvitationTry)
            .where(InvitationTry.namespace == namespace, InvitationTry.external_id == external_id)
        )
        or 0
    )


def _holding(session: Session, community_id: int, plain: str, now: datetime) -> Invitation | None:
    # Of two who use a code at once, the second waits here and finds it used.
    invitation = session.scalar(
        select(Invitation)
        .where(
            Invitation.community_id == community_id,
            Invitation.code_hash == _hashed(plain),
            Invitation.used_at.is_(None),
            Invitation.expires_at > now,
        )
        .with_for_update()
    )
    if invitation is None or not unit_open(session, community_id=community_id, unit_id=invitation.unit_id):
        return None
    return invitation if invitation.made_by is None or _still_above(session, invitation, now) else None


def _still_above(session: Session, invitation: Invitation, now: datetime) -> bool:
    unit = unit_by_id(session, community_id=invitation.community_id, unit_id=invitation.unit_id)
    held = roles_held(session, community_id=invitation.community_id, now=now, member_id=invitation.made_by)
    return any(term.role.rank > RANKS[Role(invitation.role)] and covers(term.unit.path, unit.path) for term in held)


def _recognise(
    session: Session,
    *,
    community_id: int,
    namespace: str,
    external_id: str,
    name: str,
    home: UnitHere,
    party: bool,
    basis: str,
    now: datetime,
) -> int:
    """Whoever holds a code is who they say: the free one of that name on the roster there, else somebody new.

    Nobody becomes somebody who has an account, or a role that the code does not give.
    """
    account = exists().where(
        Identity.community_id == community_id, Identity.member_id == Member.id, Identity.namespace == namespace
    )
    ranked = exists().where(
        MemberRole.community_id == community_id,
        MemberRole.member_id == Member.id,
        MemberRole.role.not_in([Role.RESIDENT, Role.MEMBER]),
        in_force(now),
    )
    rows = session.execute(
        present(community_id).where(Member.name == name, Unit.path.like(home.path + "%"), ~account, ~ranked).limit(2)
    ).all()
    # A whole community is no match: the claim must say where the person lives.
    if len(rows) == 1 and home.kind is not UnitKind.COMMUNITY:
        member_id: int = rows[0].id
    else:
        member_id = add_member(
            session, community_id=community_id, name=name, unit=home, basis=basis, now=now,
            standing=Standing.PARTY_MEMBER if party else Standing.RESIDENT,
        )  # fmt: skip
    add_identity(
        session, community_id=community_id, member_id=member_id, namespace=namespace, external_id=external_id, now=now
    )
    return member_id


INVARIANTS = (
    Invariant(
        "invitations.used",
        select(Invitation.id).where(
            or_(
                and_(Invitation.used_at.is_(None), Invitation.used_by.is_not(None)),
                and_(Invitation.used_at.is_not(None), Invitation.used_by.is_(None)),
                Invitation.used_at > Invitation.expires_at,
            )
        ),
    ),
)
