"""The proof that somebody is who they say: the room and the phone's last digits, and the count of wrong ones.

- Whom the roster knows is never told by counting: tries are counted by the account, and by the name that was typed.
- Of a wrong try nothing is kept but the account, a digest of the name, and the moment; for a day.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    String,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.directory import Identity
from models.members.people import Member, MemberRole, Role, present
from models.units import Unit, UnitHere, UnitKind

TRIES = 3
"""Wrong proofs after which a person has to look."""
WITHIN = timedelta(hours=24)
"""The span in which wrong proofs are counted together."""
DIGITS = 4
"""How many of the phone's last digits are asked for."""


class Why(StrEnum):
    """What a reviewer has to know of a request that waits."""

    UNPROVED = "unproved"
    """The proof was wrong three times, or nobody of that name lives there."""
    SPARSE = "sparse"
    """The roster lacks the room or the phone by which it could be proved."""
    OFFICE = "office"
    """The person of that name holds a role: perhaps somebody else would like to."""
    SECOND = "second"
    """The person of that name has an account in this namespace already."""


class WrongTry(Base):
    """A proof that was wrong. Kept for a day, with no name in it."""

    __tablename__ = "wrong_tries"
    __table_args__ = (
        Index("ix_wrong_tries_account", "community_id", "namespace", "external_id"),
        Index("ix_wrong_tries_about", "community_id", "about"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    namespace: Mapped[str] = mapped_column(String(80))
    external_id: Mapped[str] = mapped_column(String(200))
    about: Mapped[str] = mapped_column(String(64))
    """A digest of the name: enough to count by, whether anybody bears it or not."""
    at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Wish:
    """What an account says of itself."""

    community_id: int
    namespace: str
    external_id: str
    name: str
    unit: UnitHere
    room: str
    digits: str

    @property
    def about(self) -> str:
        """The name, as wrong tries are counted by it."""
        return hashlib.sha256(f"{self.community_id}/{self.name}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Match:
    """Who on the roster is meant, as far as that can be said."""

    member_id: int | None = None
    proved: bool = False
    why: Why | None = Why.UNPROVED
    """None: nothing stands against handing them over."""
    at_once: bool = False
    """A person should look, whatever becomes of further tries."""


# -- wrong tries ----------------------------------------


def wrong_tries(session: Session, wish: Wish, now: datetime) -> tuple[int, int]:
    """Wrong tries of this account, and of all accounts about this name."""
    forget_tries(session, wish.community_id, now, _by_account(wish))
    rows = session.execute(
        select(WrongTry.about == wish.about, _by_account(wish)).where(
            WrongTry.community_id == wish.community_id,
            or_(WrongTry.about == wish.about, _by_account(wish)),
            WrongTry.at > now - WITHIN,
        )
    ).all()
    return sum(bool(row[1]) for row in rows), sum(bool(row[0]) for row in rows)


def _by_account(wish: Wish) -> ColumnElement[bool]:
    return and_(WrongTry.namespace == wish.namespace, WrongTry.external_id == wish.external_id)


def forget_tries(session: Session, community_id: int, now: datetime, *which: ColumnElement[bool]) -> None:
    """Drops the tries that count no more."""
    session.execute(delete(WrongTry).where(WrongTry.community_id == community_id, WrongTry.at <= now - WITHIN, *which))


def count_try(session: Session, wish: Wish, now: datetime) -> int:
    """Writes a wrong try down; returns its id."""
    made: int = session.execute(
        insert(WrongTry).returning(WrongTry.id),
        {
            "community_id": wish.community_id,
            "namespace": wish.namespace,
            "external_id": wish.external_id,
            "about": wish.about,
            "at": now,
        },
    ).scalar_one()
    return made


# -- the roster ----------------------------------------


def proves_anybody(session: Session, community_id: int) -> bool:
    """Whether the roster has room and phone of anybody at all. Where it has not, there is nothing to guess or hide."""
    proves = exists().where(Member.community_id == community_id, Member.room != "", Member.phone != "")
    return bool(session.scalar(select(proves)))


def namesakes(session: Session, *, community_id: int, name: str, unit: UnitHere) -> list[tuple[int, str, str]]:
    """Id, room and phone of everybody of that name who lives at or below the unit.

    Where the roster knows no more than the building, its people live at each of its doors. A whole community is no
    address.
    """
    if unit.kind is UnitKind.COMMUNITY:
        return []
    inside = func.substr(literal(unit.path), 1, func.length(Unit.path)) == Unit.path
    rows = session.execute(
        present(community_id)
        .add_columns(Member.room, Member.phone)
        .where(
            Member.name == name,
            or_(Unit.path.like(unit.path + "%"), and_(Unit.kind == UnitKind.BUILDING, inside)),
        )
        .order_by(Member.id)
        .limit(9)
    )
    return [(row.id, row.room, row.phone) for row in rows]


def find_match(session: Session, wish: Wish, now: datetime) -> Match:
    """Whom the roster means by this wish, and what stands against handing them over."""
    listed = namesakes(session, community_id=wish.community_id, name=wish.name, unit=wish.unit)
    exact = [one for one in listed if one[1] and one[2] and _fits(wish, *one[1:])]
    # Without the proof nobody is meant where there are several: a room would have to be named to tell them apart.
    if len(exact or listed) != 1:
        return Match()
    member_id, room, phone = (exact or listed)[0]
    proved, sparse = bool(exact), not (room and phone)
    if holds_office(session, community_id=wish.community_id, member_id=member_id, now=now):
        knows_room = bool(room) and room == wish.room
        return Match(member_id, proved, Why.OFFICE, at_once=knows_room or (sparse and _fits(wish, room, phone)))
    if accounts_of(session, community_id=wish.community_id, member_id=member_id, namespace=wish.namespace):
        return Match(member_id, proved, Why.SECOND, at_once=sparse and _fits(wish, room, phone))
    if proved:
        return Match(member_id, proved, None)
    if sparse and _fits(wish, room, phone):
        return Match(member_id, proved, Why.SPARSE, at_once=True)
    return Match(member_id, proved, Why.UNPROVED)


def _fits(wish: Wish, room: str, phone: str) -> bool:
    """Whether nothing that the roster has speaks against it."""
    return room in ("", wish.room) and (not phone or phone[-DIGITS:] == wish.digits)


def holds_office(session: Session, *, community_id: int, member_id: int, now: datetime) -> bool:
    """Whether somebody holds a role that no proof hands over, now or from some day on."""
    return bool(
        session.scalar(
            select(
                exists().where(
                    MemberRole.community_id == community_id,
                    MemberRole.member_id == member_id,
                    MemberRole.role.not_in([Role.RESIDENT, Role.MEMBER]),
                    or_(MemberRole.until.is_(None), MemberRole.until > now),
                )
            )
        )
    )


def accounts_of(session: Session, *, community_id: int, member_id: int, namespace: str) -> list[str]:
    """The outside ids by which a member speaks in a namespace, the oldest first."""
    return list(
        session.scalars(
            select(Identity.external_id)
            .where(
                Identity.community_id == community_id,
                Identity.member_id == member_id,
                Identity.namespace == namespace,
            )
            .order_by(Identity.id)
        )
    )
