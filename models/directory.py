"""Which community a message belongs to, and who sent it: communities, groups, endpoints, identities.

An endpoint (a chat id, a webhook key) belongs to a group, a group to a unit, a unit to a community. A group has several
endpoints: one hears, another speaks; "once per group" means the group. An identity is one outside user id in one
namespace (the WeCom corp, an official account), so that one userid is one person on every channel of that corp.

- A chat on a channel is one endpoint, bound to one group at most; a group has one chat on each channel at most.
- A webhook is an endpoint with a secret. It sits in a chat: it goes along when its chat takes another name, and rests
  while its group has no chat.
- An identity names a member of the community that it is listed under.
- Endpoints' secrets are stored sealed (see `bot/secrets.py`), never in the clear.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import (
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    UniqueConstraint,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Refusal
from models.database import Prepared
from models.units import HOMES, Unit, UnitHere, covers


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
    posts_on: Mapped[date | None]
    """The last day on which the bot posted here of its own accord, and how often (`models/quiet.py`)."""
    posts: Mapped[int] = mapped_column(Integer, server_default="0")


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


_is_chat = Endpoint.sealed_secret == ""
"""Where people talk; an endpoint with a secret is a webhook, which only speaks."""


class Ground(StrEnum):
    """On what ground an outside id speaks as a member."""

    ROSTER = "roster"
    """Somebody who keeps the roster wrote it down: the import, the founding, an invitation."""
    REGISTRATION = "registration"
    """绑定: the account proved who it is, or somebody in scope approved."""


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
    ground: Mapped[str] = mapped_column(String(16), server_default=Ground.ROSTER)
    since: Mapped[datetime]
    opened_at: Mapped[datetime | None]
    """When they first wrote to the bot alone, on a channel that can write only to those who did."""


class Revision(Base):
    """Counts the changes of what is open in a community, so that snapshots in memory know when to look again."""

    __tablename__ = "revisions"

    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"), primary_key=True)
    number: Mapped[int]


class GroupBoundElsewhere(Refusal):
    """The chat is bound in another community already. Fields: name."""


class GroupNameTaken(Refusal):
    """Another chat on this channel is this group. Fields: name."""


class BindingChanged(Refusal):
    """The chat was bound to something else in the meantime. Fields: name."""


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


_COMMUNITIES = Prepared(select(Community.id, Community.name, Community.bot_name).order_by(Community.id))


def communities(session: Session) -> list[CommunityHere]:
    """All communities of this deployment."""
    return [CommunityHere(*row) for row in _COMMUNITIES.all(session)]


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
    """The groups of a community that have a chat. What was unbound or renamed away has none and is not written to."""
    chats = select(Endpoint.group_id).where(Endpoint.community_id == community_id, _is_chat)
    return [
        Listed(*row)
        for row in session.execute(
            select(Group.id, Group.name, Unit.path)
            .join(Unit, Group.unit_id == Unit.id)
            .where(Group.community_id == community_id, Group.id.in_(chats))
            .order_by(Group.id)
        )
    ]


def organisations(session: Session, *, community_id: int) -> list[str]:
    """The paths of the units that people join instead of living there: the party's, the property firm, the councils."""
    return list(
        session.scalars(select(Unit.path).where(Unit.community_id == community_id, Unit.kind.not_in(sorted(HOMES))))
    )


def audience(groups: Sequence[Listed], unit_path: str, organisations: Sequence[str]) -> list[Listed]:
    """The groups that hear of what a unit does.

    They are those of the unit and of what is below it; where there are none, that of the nearest unit above. What
    residents do is not carried into the groups of organisations below them, nor the other way round, unless nobody
    would hear of it at all: then every group below hears of it.
    """

    def joined(path: str) -> str:
        """The organisation to which a unit belongs, the outermost one; nothing where people live."""
        return min((one for one in organisations if path.startswith(one)), key=len, default="")

    alike = [group for group in groups if joined(group.unit_path) == joined(unit_path)]
    below = [group for group in alike if covers(unit_path, group.unit_path)]
    if below:
        return below
    above = [group for group in alike if covers(group.unit_path, unit_path)]
    if above:
        nearest = max(len(group.unit_path) for group in above)
        return [group for group in above if len(group.unit_path) == nearest]
    return [group for group in groups if covers(unit_path, group.unit_path)]


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


@dataclass(frozen=True, slots=True)
class Bound:
    """What binding a chat changed: as much as taking it back needs."""

    group_id: int
    changed: bool = True
    """False where everything was so already."""
    before: int | None = None
    """The group that the chat was until now."""
    unit_before: int | None = None
    """The unit that the group of this name stood for, where that was another one."""
    taken_from: str = ""
    """The address of the chat that was the group until now."""
    carried: tuple[tuple[int, int], ...] = ()
    """The webhooks that changed their group, each with the one it came from."""
    speaks_elsewhere: bool = False
    """The name was taken together with a webhook, which still sits in the other chat."""


def bind_chat(
    session: Session,
    *,
    community_id: int,
    channel: str,
    address: str,
    unit: UnitHere,
    name: str,
    now: datetime,
    takes: bool = False,
) -> Bound:
    """Binds the chat at this address to a unit, as the group `name`, which is used where it exists.

    A chat that was bound is bound anew within its community, and its webhooks go along. `takes` takes the name from
    another chat on this channel, which is bound to nothing then. Raises GroupBoundElsewhere where the chat belongs to
    another community, and GroupNameTaken where the name would have to be taken.
    """
    _lock(session, community_id)
    chat = _chat(session, channel=channel, address=address)
    if chat is not None and chat.community_id != community_id:
        raise GroupBoundElsewhere(name=name)
    group = session.execute(
        select(Group.id, Group.unit_id).where(Group.community_id == community_id, Group.name == name)
    ).one_or_none()
    if group is None:
        group_id = add_group(session, community_id=community_id, unit=unit, name=name, now=now)
    else:
        group_id = group.id
    unit_before = group.unit_id if group is not None and group.unit_id != unit.id else None
    before = chat.group_id if chat is not None else None
    if before == group_id and unit_before is None:
        return Bound(group_id, changed=False, before=before)
    taken = _chat_of(session, community_id=community_id, group_id=group_id, channel=channel, but=address)
    if taken and not takes:
        raise GroupNameTaken(name=name)
    if taken:
        unbind_chat(session, community_id=community_id, channel=channel, address=taken)
    if unit_before is not None:
        _stand_for(session, community_id=community_id, group_id=group_id, unit_id=unit.id)
    if chat is None:
        add_endpoint(session, community_id=community_id, group_id=group_id, channel=channel, address=address, now=now)
    else:
        _move(session, community_id=community_id, endpoint_id=chat.id, group_id=group_id)
    carried = () if before in (None, group_id) else _carry(session, community_id, before, group_id)
    speaks_elsewhere = bool(taken) and not carried and bool(_webhooks(session, community_id, group_id))
    return Bound(group_id, True, before, unit_before, taken, carried, speaks_elsewhere)


def take_back_binding(
    session: Session, *, community_id: int, channel: str, address: str, bound: Bound, now: datetime
) -> str | None:
    """Lets the chat be what it was before `bind_chat` returned `bound`; the name of that group, None for no group.

    Raises BindingChanged where the chat was bound again since, and GroupNameTaken where its old name has another chat.
    """
    _lock(session, community_id)
    chat = _chat(session, channel=channel, address=address)
    if chat is None or (chat.community_id, chat.group_id) != (community_id, bound.group_id):
        raise BindingChanged(name=name_of(session, community_id=community_id, group_id=bound.group_id))
    if bound.unit_before is not None:
        _stand_for(session, community_id=community_id, group_id=bound.group_id, unit_id=bound.unit_before)
    for endpoint_id, group_id in bound.carried:
        _move(session, community_id=community_id, endpoint_id=endpoint_id, group_id=group_id)
    name = None
    if bound.before is None:
        unbind_chat(session, community_id=community_id, channel=channel, address=address)
    else:
        name = name_of(session, community_id=community_id, group_id=bound.before)
        if _chat_of(session, community_id=community_id, group_id=bound.before, channel=channel, but=address):
            raise GroupNameTaken(name=name)
        _move(session, community_id=community_id, endpoint_id=chat.id, group_id=bound.before)
    # A chat that became something else meanwhile stays what it is.
    if bound.taken_from and _chat(session, channel=channel, address=bound.taken_from) is None:
        add_endpoint(
            session,
            community_id=community_id,
            group_id=bound.group_id,
            channel=channel,
            address=bound.taken_from,
            now=now,
        )
    return name


def unbind_chat(session: Session, *, community_id: int, channel: str, address: str) -> None:
    """Takes a chat out of the directory; its group stays, with its history and with its webhooks, which rest."""
    session.execute(
        delete(Endpoint).where(
            Endpoint.community_id == community_id, Endpoint.channel == channel, Endpoint.address == address
        )
    )
    touch(session, community_id)


def take_back_unbinding(
    session: Session, *, community_id: int, channel: str, address: str, group_id: int, now: datetime
) -> str:
    """Lets an unbound chat be that group again; returns the group's name.

    Raises BindingChanged where the chat was bound again since, and GroupNameTaken where the group has another chat.
    """
    _lock(session, community_id)
    name = name_of(session, community_id=community_id, group_id=group_id)
    if _chat(session, channel=channel, address=address) is not None:
        raise BindingChanged(name=name)
    if _chat_of(session, community_id=community_id, group_id=group_id, channel=channel, but=address):
        raise GroupNameTaken(name=name)
    add_endpoint(session, community_id=community_id, group_id=group_id, channel=channel, address=address, now=now)
    return name


def remove_webhooks(session: Session, *, community_id: int, group_id: int, channel: str) -> bool:
    """Takes a group's webhooks on a channel away; whether there were any."""
    removed = session.scalars(
        delete(Endpoint)
        .where(
            Endpoint.community_id == community_id,
            Endpoint.group_id == group_id,
            Endpoint.channel == channel,
            ~_is_chat,
        )
        .returning(Endpoint.id)
    ).all()
    return bool(removed)


def name_of(session: Session, *, community_id: int, group_id: int) -> str:
    """How a group is called."""
    return session.execute(
        select(Group.name).where(Group.community_id == community_id, Group.id == group_id)
    ).scalar_one()


def _lock(session: Session, community_id: int) -> None:
    # Of two chats that become one group at one instant, the second waits here and finds the name taken.
    session.execute(select(Community.id).where(Community.id == community_id).with_for_update(key_share=True))


def _chat(session: Session, *, channel: str, address: str) -> Row[int, int, int] | None:
    return session.execute(
        select(Endpoint.id, Endpoint.community_id, Endpoint.group_id).where(
            Endpoint.channel == channel, Endpoint.address == address
        )
    ).one_or_none()


def _chat_of(session: Session, *, community_id: int, group_id: int, channel: str, but: str) -> str:
    """The address of the group's chat on this channel, empty where there is none but that one."""
    found = session.scalar(
        select(Endpoint.address).where(
            Endpoint.community_id == community_id,
            Endpoint.group_id == group_id,
            Endpoint.channel == channel,
            Endpoint.address != but,
            _is_chat,
        )
    )
    return found or ""


def _move(session: Session, *, community_id: int, endpoint_id: int, group_id: int) -> None:
    session.execute(
        update(Endpoint)
        .where(Endpoint.community_id == community_id, Endpoint.id == endpoint_id)
        .values(group_id=group_id)
    )
    touch(session, community_id)


def _stand_for(session: Session, *, community_id: int, group_id: int, unit_id: int) -> None:
    session.execute(
        update(Group).where(Group.community_id == community_id, Group.id == group_id).values(unit_id=unit_id)
    )
    touch(session, community_id)


def _webhooks(session: Session, community_id: int, group_id: int) -> dict[str, int]:
    """The webhooks of a group, by their channel."""
    rows = session.execute(
        select(Endpoint.channel, Endpoint.id)
        .where(Endpoint.community_id == community_id, Endpoint.group_id == group_id, ~_is_chat)
        .order_by(Endpoint.id.desc())
    )
    return {row.channel: row.id for row in rows}


def _carry(session: Session, community_id: int, old: int, new: int) -> tuple[tuple[int, int], ...]:
    """Lets webhooks go along with a chat that took another name, and those of the name's former chat make room.

    Where another chat of the old group stays, on another channel, its webhooks stay as well.
    """
    chats = select(Endpoint.id).where(Endpoint.community_id == community_id, Endpoint.group_id == old, _is_chat)
    if session.scalar(chats.limit(1)) is not None:
        return ()
    own, theirs = _webhooks(session, community_id, old), _webhooks(session, community_id, new)
    carried = [(endpoint_id, old) for endpoint_id in own.values()]
    carried += [(endpoint_id, new) for channel, endpoint_id in theirs.items() if channel in own]
    for endpoint_id, came_from in carried:
        _move(session, community_id=community_id, endpoint_id=endpoint_id, group_id=new if came_from == old else old)
    return tuple(carried)


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


def note_opened(session: Session, *, namespace: str, external_id: str, now: datetime) -> None:
    """Remembers that somebody has written to the bot alone: from now on it can write to them."""
    session.execute(
        update(Identity)
        .where(
            Identity.namespace == namespace,
            Identity.external_id == external_id,
            Identity.opened_at.is_(None),
        )
        .values(opened_at=now)
    )


def has_opened(session: Session, *, namespace: str, external_id: str) -> bool:
    """Whether somebody has ever written to the bot alone."""
    found = select(Identity.id).where(
        Identity.namespace == namespace, Identity.external_id == external_id, Identity.opened_at.is_not(None)
    )
    return session.scalars(found.limit(1)).first() is not None


def is_unopened(session: Session, *, namespace: str, external_id: str) -> bool:
    """Whether somebody is a member by this account, of whom nobody noted yet that they wrote to the bot alone."""
    found = select(Identity.id).where(
        Identity.namespace == namespace, Identity.external_id == external_id, Identity.opened_at.is_(None)
    )
    return session.scalars(found.limit(1)).first() is not None
