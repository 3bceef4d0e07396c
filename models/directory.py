"""Which community a message belongs to, and who sent it: communities, groups, endpoints, identities.

An endpoint (a chat id, a webhook key) belongs to a group, a group to a unit, a unit to a community. A group has several
endpoints: one hears, another speaks; "once per group" means the group. An identity is one outside user id in one
namespace (the WeCom corp, an official account), so that one userid is one person on every channel of that corp.

- A chat on a channel is one endpoint, bound to one group at most.
- An identity names a member of the community that it is listed under.
- Endpoints' secrets are stored sealed (see `bot/secrets.py`), never in the clear.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, bindparam, func, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Refusal
from models.database import Prepared
from models.units import Unit, UnitHere


class Community(Base):
    """One residential community; a world of its own. Also the parent row that its small counters live under."""

    __tablename__ = "communities"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    bot_name: Mapped[str] = mapped_column(String(40))
    since: Mapped[datetime]


class Group(Base):
    """A chat group (3栋群, 党员群), bound to a unit."""

    __tablename__ = "groups"
    __table_args__ = (UniqueConstraint("community_id", "name", name="uq_groups_name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    name: Mapped[str] = mapped_column(String(80))
    since: Mapped[datetime]


class Endpoint(Base):
    """Where a group is heard or reached on one channel."""

    __tablename__ = "endpoints"
    __table_args__ = (
        UniqueConstraint("channel", "address", name="uq_endpoints_address"),
        Index("ix_endpoints_group", "group_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(200))
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    group_id: Mapped[int] = mapped_column(ForeignKey("groups.id"))
    sealed_secret: Mapped[str] = mapped_column(String(500), server_default="")
    since: Mapped[datetime]


class Identity(Base):
    """One outside user id as one member of one community. A person of two communities has two rows."""

    __tablename__ = "identities"
    __table_args__ = (
        UniqueConstraint("namespace", "external_id", "community_id", name="uq_identities_external"),
        Index("ix_identities_member", "member_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    namespace: Mapped[str] = mapped_column(String(80))
    external_id: Mapped[str] = mapped_column(String(200))
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    chosen_at: Mapped[datetime | None]
    """When this community was last chosen for direct messages, by a person of several."""
    since: Mapped[datetime]


class Revision(Base):
    """Counts the changes of what is open in a community, so that snapshots in memory know when to look again."""

    __tablename__ = "revisions"

    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"), primary_key=True)
    number: Mapped[int]


class GroupBoundElsewhere(Refusal):
    """The chat is bound to another unit already. Fields: name."""


class GroupNameTaken(Refusal):
    """Another chat on this channel is already this unit's group. Fields: name."""


@dataclass(frozen=True, slots=True)
class CommunityHere:
    """A community as handlers need it."""

    id: int
    name: str
    bot_name: str


@dataclass(frozen=True, slots=True)
class GroupHere:
    """The group in which something is said."""

    id: int
    name: str
    unit_id: int
    unit_path: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message came from: the community, and the group unless the conversation is direct."""

    community: CommunityHere
    group: GroupHere | None


FIND_CHAT = Prepared(
    select(Community.id, Community.name, Community.bot_name, Group.id, Group.name, Group.unit_id, Unit.path)
    .join_from(Endpoint, Group, Endpoint.group_id == Group.id)
    .join(Unit, Group.unit_id == Unit.id)
    .join(Community, Group.community_id == Community.id)
    .where(Endpoint.channel == bindparam("channel"), Endpoint.address == bindparam("address"))
)


def find_chat(session: Session, *, channel: str, address: str) -> Place | None:
    """The group that a chat is bound to, with its community; None for a chat that is bound to nothing."""
    row = FIND_CHAT.first(session, channel=channel, address=address)
    if row is None:
        return None
    return Place(CommunityHere(*row[:3]), GroupHere(*row[3:]))


def communities(session: Session) -> list[CommunityHere]:
    """All communities of this deployment."""
    return [
        CommunityHere(row.id, row.name, row.bot_name)
        for row in session.execute(select(Community.id, Community.name, Community.bot_name).order_by(Community.id))
    ]


@dataclass(frozen=True, slots=True)
class Membership:
    """One community that an identity belongs to."""

    community_id: int
    member_id: int
    chosen_at: datetime | None


FIND_MEMBERSHIPS = Prepared(
    select(Identity.community_id, Identity.member_id, Identity.chosen_at).where(
        Identity.namespace == bindparam("namespace"), Identity.external_id == bindparam("external_id")
    )
)


def memberships(session: Session, *, namespace: str, external_id: str) -> list[Membership]:
    """The communities in which this outside id is somebody."""
    return [Membership(*row) for row in FIND_MEMBERSHIPS.all(session, namespace=namespace, external_id=external_id)]


@dataclass(frozen=True, slots=True)
class Listed:
    """A group of the community, with the path of its unit."""

    id: int
    name: str
    unit_path: str


def groups_of(session: Session, *, community_id: int) -> list[Listed]:
    """All groups of a community."""
    return [
        Listed(*row)
        for row in session.execute(
            select(Group.id, Group.name, Unit.path)
            .join(Unit, Group.unit_id == Unit.id)
            .where(Group.community_id == community_id)
            .order_by(Group.id)
        )
    ]


def choose_community(session: Session, *, namespace: str, external_id: str, community_id: int, now: datetime) -> None:
    """Remembers which community a person of several means in direct messages."""
    session.execute(
        update(Identity)
        .where(
            Identity.namespace == namespace,
            Identity.external_id == external_id,
            Identity.community_id == community_id,
        )
        .values(chosen_at=now)
    )


def add_community(session: Session, *, slug: str, name: str, bot_name: str, now: datetime) -> CommunityHere:
    """Opens a community, with its revision counter. Its root unit is the caller's next step."""
    community_id = session.execute(
        insert(Community).returning(Community.id),
        {"slug": slug, "name": name, "bot_name": bot_name, "since": now},
    ).scalar_one()
    session.execute(insert(Revision), {"community_id": community_id, "number": 1})
    return CommunityHere(community_id, name, bot_name)


def add_group(session: Session, *, community_id: int, unit: UnitHere, name: str, now: datetime) -> int:
    """Adds a group bound to a unit; returns its id."""
    made: int = session.execute(
        insert(Group).returning(Group.id),
        {"community_id": community_id, "unit_id": unit.id, "name": name, "since": now},
    ).scalar_one()
    return made


def add_endpoint(
    session: Session,
    *,
    community_id: int,
    group_id: int,
    channel: str,
    address: str,
    now: datetime,
    sealed_secret: str = "",
) -> int:
    """Gives a group one more place where it is heard or reached; returns the endpoint's id."""
    made: int = session.execute(
        insert(Endpoint).returning(Endpoint.id),
        {
            "channel": channel,
            "address": address,
            "community_id": community_id,
            "group_id": group_id,
            "sealed_secret": sealed_secret,
            "since": now,
        },
    ).scalar_one()
    touch(session, community_id)
    return made


def bind_chat(
    session: Session, *, community_id: int, channel: str, address: str, unit: UnitHere, name: str, now: datetime
) -> int:
    """Binds the chat at this address to a unit, as the group `name`; returns the group's id.

    A chat that was bound is bound anew within its community. The group of that name is used where it exists.
    Raises GroupBoundElsewhere where the chat belongs to another community, and GroupNameTaken where the group already
    has another chat on this channel.
    """
    bound = session.execute(
        select(Endpoint.id, Endpoint.community_id, Endpoint.group_id).where(
            Endpoint.channel == channel, Endpoint.address == address
        )
    ).one_or_none()
    if bound is not None and bound.community_id != community_id:
        raise GroupBoundElsewhere(name=name)
    group_id = session.scalar(select(Group.id).where(Group.community_id == community_id, Group.name == name))
    if group_id is None:
        group_id = add_group(session, community_id=community_id, unit=unit, name=name, now=now)
    taken = session.scalar(
        select(func.count())
        .select_from(Endpoint)
        .where(
            Endpoint.community_id == community_id,
            Endpoint.group_id == group_id,
            Endpoint.channel == channel,
            Endpoint.address != address,
        )
    )
    if taken:
        raise GroupNameTaken(name=name)
    if bound is None:
        add_endpoint(session, community_id=community_id, group_id=group_id, channel=channel, address=address, now=now)
    else:
        session.execute(
            update(Endpoint)
            .where(Endpoint.community_id == community_id, Endpoint.id == bound.id)
            .values(group_id=group_id)
        )
        touch(session, community_id)
    return group_id


def unbind_chat(session: Session, *, community_id: int, channel: str, address: str) -> None:
    """Takes a chat out of the directory; its group stays, with its history."""
    session.execute(
        Endpoint.__table__.delete().where(  # type: ignore[attr-defined]
            Endpoint.community_id == community_id, Endpoint.channel == channel, Endpoint.address == address
        )
    )
    touch(session, community_id)


_TOUCH = Prepared(
    update(Revision).where(Revision.community_id == bindparam("community")).values(number=Revision.number + 1)
)


def touch(session: Session, community_id: int) -> None:
    """Says that what is open in this community has changed: snapshots look again after the commit."""
    touched: set[int] = session.info.setdefault("touched", set())
    if community_id not in touched:
        touched.add(community_id)
        _TOUCH.run(session, community=community_id)


def revisions(session: Session) -> dict[int, int]:
    """The revision of each community."""
    return {row.community_id: row.number for row in session.execute(select(Revision.community_id, Revision.number))}
