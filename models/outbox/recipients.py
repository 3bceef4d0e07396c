"""The ways to whoever a message is for, and where they are at home."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.directory import Endpoint, Group, Identity
from models.members.merging import keeper_of
from models.members.people import Member
from models.outbox.claiming import Claimed
from models.units import Unit


@dataclass(frozen=True, slots=True)
class Route:
    """One way to a recipient. A group's has the channel's name and the sealed secret, a person's only its namespace."""

    channel: str
    namespace: str
    address: str
    sealed_secret: str
    opened: bool = True
    """False for somebody who has never written to the bot alone, as far as anybody had to know."""


def routes(session: Session, message: Claimed) -> list[Route]:
    """All ways to a message's recipient, oldest first."""
    if message.group_id is not None:
        rows = session.execute(
            select(Endpoint.channel, Endpoint.address, Endpoint.sealed_secret)
            .where(Endpoint.community_id == message.community_id, Endpoint.group_id == message.group_id)
            .order_by(Endpoint.id)
        )
        return [Route(row.channel, "", row.address, row.sealed_secret) for row in rows]
    if message.external_id is not None:
        return [Route("", message.namespace or "", message.external_id, "")]
    assert message.member_id is not None
    return routes_to_member(session, community_id=message.community_id, member_id=message.member_id)


def routes_to_member(session: Session, *, community_id: int, member_id: int) -> list[Route]:
    """All accounts of a person, oldest first. Somebody who was merged since is reached where they speak now."""
    keeper = keeper_of(session, community_id=community_id, member_id=member_id)
    found = session.execute(
        select(Identity.namespace, Identity.external_id, Identity.opened_at)
        .where(Identity.community_id == community_id, Identity.member_id == keeper)
        .order_by(Identity.id)
    )
    return [Route("", row.namespace, row.external_id, "", row.opened_at is not None) for row in found]


def home_path(session: Session, message: Claimed) -> str:
    """The path of the unit that a message's recipient belongs to; empty for an account that is nobody."""
    at_home = select(Unit.path)
    if message.group_id is not None:
        at_home = at_home.join(Group, Group.unit_id == Unit.id).where(
            Group.community_id == message.community_id, Group.id == message.group_id
        )
    elif message.member_id is not None:
        at_home = at_home.join(Member, Member.unit_id == Unit.id).where(
            Member.community_id == message.community_id, Member.id == message.member_id
        )
    else:
        return ""
    return session.execute(at_home).scalar_one()
