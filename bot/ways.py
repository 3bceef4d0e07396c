"""How a recipient is reached: every way that a configured channel can go, that which is free now first.

A group is one recipient however many places it has: what is for it goes one of the ways, and another one where that is
at its limit, rests, or refused the message for good.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from bot.channels import Channel
from bot.secrets import Sealer, SecretsLocked
from models import outbox
from models.outbox import Claimed, Route


class NoRoute(StrEnum):
    """Why there is no way to a recipient."""

    NO_CHAT = "no route: the group has no chat"
    """It was unbound, or renamed away. Its webhook, where it has one, rests."""
    MUTE_GROUP = "no route: no channel can write to this group first"
    NO_ACCOUNT = "no route: the person has no account"
    MUTE_ACCOUNT = "no route: no channel can write to this account first"
    NO_FILES = "no route: no channel brings files here"
    NOT_OPENED = "no route: the person has never written to the bot alone"


@dataclass(frozen=True, slots=True)
class Way:
    """How a recipient is reached. `secret` is in the clear."""

    channel: Channel
    address: str
    secret: str = field(default="", repr=False)

    @property
    def key(self) -> tuple[str, str]:
        return self.channel.name, self.address


@dataclass(frozen=True, slots=True)
class Known:
    """What one claim found out about a recipient: the ways in order, or why there is none."""

    ways: tuple[Way, ...] = ()
    text_bytes: int = 0
    channel: str = ""
    """The channel that it would have been, where a secret cannot be read."""
    why: str = ""


class Ways:
    """The ways of this deployment's channels."""

    def __init__(self, channels: Mapping[str, Channel], sealer: Sealer) -> None:
        self._channels = channels
        self.sealer = sealer

    def look_up(self, session: Session, message: Claimed, wall: datetime) -> Known:
        routes = outbox.routes(session, message)
        found = self._to_group(routes) if message.group_id is not None else self._to_person(routes)
        if not isinstance(found, NoRoute) and message.enclosure is not None:
            found = [one for one in found if one[0].ability.file_bytes] or NoRoute.NO_FILES
        if isinstance(found, NoRoute):
            return Known(why=found)
        ways, why = [], ""
        for channel, route in found:
            try:
                secret = self.sealer.open(route.sealed_secret, route.address) if route.sealed_secret else ""
            except SecretsLocked as error:
                why = why or str(error)
                continue
            address = route.address if message.group_id is not None else channel.address_of(route.address)
            ways.append(Way(channel, address, secret))
        if len(ways) > 1:
            ways.sort(key=lambda way: self.rest(session, way, wall))
        text_bytes = min((way.channel.ability.text_bytes for way in ways), default=0)
        return Known(tuple(ways), text_bytes, found[0][0].name, why)

    def _to_person(self, routes: Sequence[Route]) -> list[tuple[Channel, Route]] | NoRoute:
        """Every configured channel that can write to one of these accounts."""
        found = [
            (channel, route)
            for route in routes
            for channel in self._channels.values()
            if channel.namespace == route.namespace and channel.ability.pushes_to_people and channel.ability.text_bytes
        ]
        if not found:
            return NoRoute.MUTE_ACCOUNT if routes else NoRoute.NO_ACCOUNT
        allowed = [(channel, route) for channel, route in found if route.opened or channel.ability.writes_first]
        return allowed or NoRoute.NOT_OPENED

    def _to_group(self, routes: Sequence[Route]) -> list[tuple[Channel, Route]] | NoRoute:
        """Every configured channel that can write into one of these places."""
        # A webhook sits in a chat: where that was unbound, people want to hear nothing from us.
        if all(route.sealed_secret for route in routes):
            return NoRoute.NO_CHAT
        found = [
            (channel, route)
            for route in routes
            if (channel := self._channels.get(route.channel)) is not None
            and channel.ability.pushes_to_groups
            and channel.ability.text_bytes
        ]
        return found or NoRoute.MUTE_GROUP

    def reaches(self, session: Session, community_id: int, member_id: int) -> bool:
        """Whether a channel can write to this member first."""
        routes = outbox.routes_to_member(session, community_id=community_id, member_id=member_id)
        return not isinstance(self._to_person(routes), NoRoute)

    def rest(self, session: Session, way: Way, wall: datetime) -> timedelta:
        """How long this way may not be gone."""
        limits = [(limit.count, limit.per) for limit in way.channel.ability.limits]
        return outbox.waiting_time(session, channel=way.channel.name, address=way.address, limits=limits, wall=wall)
