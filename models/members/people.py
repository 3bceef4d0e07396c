"""The members of a community, and the only doors to them: who speaks, and who is spoken of."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    Boolean,
    ForeignKey,
    Index,
    String,
    and_,
    bindparam,
    false,
    insert,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.base import Base, Refusal
from models.database import Prepared
from models.directory import Community, CommunityHere, Ground, Identity
from models.members.consent import Consent
from models.units import Unit, UnitHere, covers

FORGOTTEN = "已注销居民"
"""What a forgotten member is called, wherever their number still stands."""


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
    """党小组长; 队长 and 理事长 too: who leads a group that is nobody's home."""
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
    born: Mapped[str] = mapped_column(String(12), server_default="")
    """The year of birth, or those between which it lies: `1950`, `1950-1959`, `-1961`; empty where nobody has said."""
    hides_name: Mapped[bool] = mapped_column(Boolean, server_default=false())
    """Shown as 王*英 in groups and on boards."""
    on_boards: Mapped[bool] = mapped_column(Boolean, server_default=true())
    since: Mapped[datetime]
    moved_out_at: Mapped[datetime | None]
    forgotten_at: Mapped[datetime | None]
    merged_into: Mapped[int | None] = mapped_column(ForeignKey("members.id"))


class MemberRole(Base):
    """A role of a member for a unit and all below it, for a term.

    Whoever `leads` the unit does so by this role, so that both end together. A term that was taken back is empty: it
    ends when it began.
    """

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
    """The first moment after the term, planned or brought about; None where no end is planned."""
    given_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    leads: Mapped[bool] = mapped_column(Boolean, server_default=false())
    """楼长, 支部书记, 队长 ...: the one who answers for the unit, not a deputy or a colleague."""
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))


class NoSuchMember(Refusal):
    """Nobody of this name within reach. Fields: name."""


class SeveralMembers(Refusal):
    """More than one person of this name. Fields: name, count."""


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
    agreed: bool | None = None
    """What they said to the privacy statement of the version that was asked for; None: nothing that stands."""

    @property
    def role(self) -> Role:
        """The highest role that this person holds anywhere."""
        return max((held.role for held in self.held), key=RANKS.__getitem__, default=Role.RESIDENT)

    def may(self, role: Role, path: str | None = None) -> bool:
        """Whether this person may do what takes `role`, for the unit at `path` (None: anywhere)."""
        if role.rank <= RANKS[Role.RESIDENT]:
            return True
        return any(held.role.rank >= role.rank and (path is None or covers(held.path, path)) for held in self.held)

    def outranks(self, role: Role, path: str) -> bool:
        """Whether this person holds something above `role` for the unit at `path`."""
        return any(held.role.rank > role.rank and covers(held.path, path) for held in self.held)


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
        Consent.agreed,
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
    .outerjoin(
        Consent,
        and_(
            Consent.community_id == Member.community_id,
            Consent.member_id == Member.id,
            Consent.version == bindparam("version"),
            Consent.withdrawn_at.is_(None),
        ),
    )
    .where(
        Identity.namespace == bindparam("namespace"),
        Identity.external_id == bindparam("external_id"),
        Member.moved_out_at.is_(None),
        Member.forgotten_at.is_(None),
    )
    .order_by(Member.id)
)


def find_people(
    session: Session, *, namespace: str, external_id: str, now: datetime, version: str = ""
) -> list[Person]:
    """Who this outside id is: one person for each community in which they are somebody. The only door to a sender.

    `version` is that of the privacy statement to which their answer is wanted.
    """
    rows = FIND_PEOPLE.all(session, namespace=namespace, external_id=external_id, now=now, version=version)
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
                row[12],
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


def present(community_id: int):  # type: ignore[no-untyped-def]
    """Selects those who live here now, as rows for a `Neighbour`; callers narrow it."""
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
    query = present(community_id).where(Member.name == name)
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
    born: str = "",
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
            "born": born,
            "since": now,
        },
    ).scalar_one()
    return made


def add_identity(
    session: Session,
    *,
    community_id: int,
    member_id: int,
    namespace: str,
    external_id: str,
    now: datetime,
    ground: Ground = Ground.ROSTER,
    opened: bool = False,
) -> None:
    """Lets an outside id speak as a member, for a reason that is written down.

    It is `opened` where it has written to the bot alone.
    """
    session.execute(
        insert(Identity),
        {
            "namespace": namespace,
            "external_id": external_id,
            "community_id": community_id,
            "member_id": member_id,
            "chosen_at": None,
            "ground": ground,
            "since": now,
            "opened_at": now if opened else None,
        },
    )
