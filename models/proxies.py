"""代办: one neighbour does something for another: signs an elder up, says that she cannot come, says that she is there.

Family may, by a tie that was agreed to; so may whoever leads the other's house. Any other neighbour may where the
person has an account: they are told who did what, and can take it back in one line. What may be done for others, and
whether by neighbours too, is said by the feature whose act it is.

- Every act for somebody else is written down: who, for whom, by which right, about what.
- Nobody acts for more people in a day than the setting allows; who leads a house for more than others.
- Nobody but family and those in charge acts for somebody without an account: there would be nobody to tell.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ForeignKey, Index, String, exists, func, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Invariant, Refusal
from models.clock import day_of, start_of
from models.directory import Identity
from models.members.family import FamilyTie, TieState, may_speak_for
from models.members.merging import one_person
from models.members.people import Member, Neighbour, NoSuchMember, Person, Role, SeveralMembers, present
from models.units import covers


class Settings(BaseModel):
    """[proxies] 代办"""

    model_config = ConfigDict(extra="forbid")

    people_per_day: int = Field(5, ge=0, le=1000, description="一个人一天最多替几位邻居办事")
    people_per_day_in_charge: int = Field(50, ge=0, le=10_000, description="楼长和社区工作人员一天最多替几位居民办事")


class Right(StrEnum):
    """By which right somebody acts for another."""

    FAMILY = "family"
    """A live tie says so."""
    IN_CHARGE = "in_charge"
    """They lead the house in which the other lives, or more."""
    NEIGHBOUR = "neighbour"
    """None but good will: the other is told, and can take it back."""


class ProxyAct(Base):
    """One act that somebody did for somebody else."""

    __tablename__ = "proxy_acts"
    __table_args__ = (
        Index("ix_proxy_acts_proxy", "community_id", "proxy_id", "at"),
        Index("ix_proxy_acts_member", "community_id", "member_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    proxy_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    """Who did it."""
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    """For whom."""
    right: Mapped[str] = mapped_column(String(12))
    act: Mapped[str] = mapped_column(String(32))
    """What was done, in the words of the audit: `signup`, `cancel_signup`, `check_in`."""
    ref: Mapped[str] = mapped_column(String(40))
    """What it was about: `activity:12`."""
    at: Mapped[datetime]


class TooManyProxies(Refusal):
    """The proxy has acted for as many people today as the community allows. Fields: most."""


class NobodyToTell(Refusal):
    """The person has no account, so that a neighbour's act would stay unknown to them. Fields: name."""


class NotForNeighbours(Refusal):
    """What stands for somebody is changed by themselves, family, those in charge, and who wrote it. Fields: name."""


class WhoseRelative(Refusal):
    """`我妈` was said by somebody with no tie, or with several: the name is needed."""


# -- whom somebody means ----------------------------------------


def find_spoken_of(session: Session, *, proxy: Person, name: str, room: str = "") -> Neighbour:
    """The person whom `proxy` means by a name, perhaps with the last digits of a room.

    Of namesakes the family member is meant, then the one in the proxy's own house. Raises NoSuchMember, SeveralMembers.
    """
    query = present(proxy.community.id).where(Member.name == name)
    if room:
        query = query.where(Member.room == room)
    found = [Neighbour(*row) for row in session.execute(query.order_by(Member.id).limit(20))]
    if not found:
        raise NoSuchMember(name=name)
    near = [one for one in found if one.id in _relatives(session, proxy)] or [
        one for one in found if covers(_house(proxy.unit_path), one.unit_path)
    ]
    if len(found) > 1 and len(near) != 1:
        raise SeveralMembers(name=name, count=len(found))
    return near[0] if len(found) > 1 else found[0]


def only_relative(session: Session, *, proxy: Person) -> Neighbour:
    """Whom somebody means who says 我妈 and names nobody. Raises WhoseRelative where that does not say who it is."""
    query = present(proxy.community.id).where(Member.id.in_(_relatives(session, proxy)))
    found = [Neighbour(*row) for row in session.execute(query.order_by(Member.id))]
    if len(found) != 1:
        raise WhoseRelative
    return found[0]


def _relatives(session: Session, proxy: Person) -> list[int]:
    ids = one_person(session, community_id=proxy.community.id, member_id=proxy.id)
    return list(
        session.scalars(
            select(FamilyTie.member_id).where(
                FamilyTie.community_id == proxy.community.id,
                FamilyTie.proxy_id.in_(ids),
                FamilyTie.state == TieState.LIVE,
            )
        )
    )


def _house(unit_path: str) -> str:
    """The path of the building in which somebody lives at a door: of the unit above it, but never of everybody's."""
    above = unit_path.rstrip("/").rsplit("/", 1)[0]
    return f"{above}/" if above.count("/") > 1 else unit_path


# -- what somebody may ----------------------------------------


def right_over(session: Session, *, proxy: Person, member: Neighbour, now: datetime) -> Right:
    """By which right one member would act for another now; everybody has at least that of a neighbour."""
    community_id = proxy.community.id
    if may_speak_for(session, community_id=community_id, proxy_id=proxy.id, member_id=member.id, now=now):
        return Right.FAMILY
    return Right.IN_CHARGE if proxy.may(Role.BUILDING_LEAD, member.unit_path) else Right.NEIGHBOUR


def is_oneself(session: Session, *, proxy: Person, member: Neighbour) -> bool:
    """Whether somebody names themselves, also under a number that was merged into theirs."""
    return member.id in one_person(session, community_id=proxy.community.id, member_id=proxy.id)


def has_account(session: Session, *, community_id: int, member_id: int) -> bool:
    """Whether somebody can hear of what is done for them."""
    found = exists().where(Identity.community_id == community_id, Identity.member_id == member_id)
    return bool(session.scalar(select(found)))


@dataclass(frozen=True, slots=True)
class Proxy:
    """Leave to act for somebody, which is written down."""

    id: int
    right: Right


def act_for(
    session: Session, *, proxy: Person, member: Neighbour, act: str, ref: str, now: datetime, limits: Settings
) -> Proxy:
    """Writes down that somebody acts for another, before they do. Raises TooManyProxies, NobodyToTell.

    `act` and `ref` say what is done, and about what.
    """
    community_id = proxy.community.id
    right = right_over(session, proxy=proxy, member=member, now=now)
    if right is Right.NEIGHBOUR and not has_account(session, community_id=community_id, member_id=member.id):
        raise NobodyToTell(name=member.name)
    # Of two acts at one instant the second waits here and counts the first.
    session.execute(
        select(Member.id)
        .where(Member.community_id == community_id, Member.id == proxy.id)
        .with_for_update(key_share=True)
    )
    most = limits.people_per_day_in_charge if right is Right.IN_CHARGE else limits.people_per_day
    others = session.execute(
        select(func.count(ProxyAct.member_id.distinct())).where(
            ProxyAct.community_id == community_id,
            ProxyAct.proxy_id == proxy.id,
            ProxyAct.member_id != member.id,
            ProxyAct.at >= start_of(day_of(now)),
        )
    ).scalar_one()
    if others >= most:
        raise TooManyProxies(most=most)
    values: dict[str, Any] = {
        "community_id": community_id,
        "proxy_id": proxy.id,
        "member_id": member.id,
        "right": right,
        "act": act,
        "ref": ref,
        "at": now,
    }
    return Proxy(session.execute(insert(ProxyAct).returning(ProxyAct.id), values).scalar_one(), right)


INVARIANTS = (
    Invariant("proxy_acts.right", select(ProxyAct.id).where(ProxyAct.right.not_in(list(Right)))),
    Invariant("proxy_acts.oneself", select(ProxyAct.id).where(ProxyAct.proxy_id == ProxyAct.member_id)),
)
