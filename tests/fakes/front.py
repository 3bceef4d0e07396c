"""A whole house of the demo community behind the long connection, and the platform's gateway before it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestServer
from sqlalchemy.orm import Session

from bot.app import CHANNEL_SETTINGS, FEATURE_SETTINGS, House
from bot.books import Books
from bot.channels.aibot_line import Pace
from bot.channels.wecom_aibot_socket import Waits
from bot.config import load
from models.clock import MovedClock
from models.directory import add_endpoint, communities, groups_of
from tests.fakes.aibot_gateway import AibotGateway, Shown
from tests.moments import TUESDAY_EVENING

GROUP, GROUP_5 = "wrEXAMPLEAbC03", "wrEXAMPLEAbC05"
CHATS = {"3栋群": GROUP, "5栋群": GROUP_5}
PACE = Pace(connect=2, subscribe=2, ping=0.5, acknowledge=0.4, close=0.1)
WAITS = Waits(again_min=0.05, again_max=0.2, alarmed_min=0.5, lead=0.1, away=0.1, stop=3)


@dataclass
class Front:
    """A house that serves, and the gateway before it."""

    gateway: AibotGateway
    house: House

    async def says(self, who: str, text: str, *, chat: str = GROUP) -> Shown:
        """What the bot answers, as people see it."""
        callback = await self.gateway.says(text, user=who, chat=chat)
        await self.gateway.answer(callback)
        return callback.shown[0]

    async def presses(self, who: str, card: Shown, button: str) -> dict[str, Any]:
        """The card as this person has it after a press."""
        await self.gateway.answer(await self.gateway.presses(card, button, user=who))
        return card.as_seen_by(who)


def configuration(url: str, folder: Path, gateway: AibotGateway) -> Path:
    file = folder / "config.toml"
    file.write_text(
        f'[database]\nurl = "{url}"\n[delivery]\npoll_seconds = 0.1\nretry_seconds_min = 0.1\n'
        '[channels.bot]\nkind = "wecom_aibot_socket"\nbot_id = "aibTEST"\nsecret = "s3cret"\n'
        f'namespace = "simulator"\nurl = "{gateway.url}"\n',
        "utf-8",
    )
    return file


async def opened(url: str, folder: Path, gateway: AibotGateway) -> House:
    """A house over the demo community, whose people speak over the long connection too; its waits are short."""
    config = load(
        configuration(url, folder, gateway), {}, channel_settings=CHANNEL_SETTINGS, feature_settings=FEATURE_SETTINGS
    )
    house = House(config, await Books.open(url, threads=4), clock=MovedClock(TUESDAY_EVENING, frozen=True))
    channel: Any = house.channels["bot"]
    channel._pace, channel._waits = PACE, WAITS
    return house


def bind(session: Session) -> None:
    """Two groups of the demo are chats of the gateway too."""
    (community,) = communities(session)
    for group in groups_of(session, community_id=community.id):
        if (chat := CHATS.get(group.name)) is not None:
            add_endpoint(
                session, community_id=community.id, group_id=group.id, channel="bot", address=chat, now=TUESDAY_EVENING
            )


@asynccontextmanager
async def serving(house: House) -> AsyncIterator[House]:
    async with TestServer(house.application()):
        yield house
    await house.close()
