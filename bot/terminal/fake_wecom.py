"""`linli demo --fake-wecom`: the demo behind a WeCom that stands on this machine, with its wire on the terminal.

3栋群 is on the AI bot's long connection, 5栋群 gets its reminders from a group's webhook; the other groups stay with
the simulator. What somebody types into WeCom is typed into the terminal. The platform is the one that judges the tests:
it lives in `tests/fakes`, beside the source and not in the installed package.
"""

import asyncio
import importlib
import json
import re
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import typer
from sqlalchemy import update
from sqlalchemy.orm import Session

import bot
from bot import demo
from bot.channels.wecom_group_webhook import label
from bot.secrets import Sealer
from bot.terminal import refused
from models.clock import SHANGHAI, WallClock
from models.directory import CommunityHere, Endpoint, add_endpoint, groups_of

CHANNELS = ("bot", "hook")
GROUP_OF_THE_BOT, GROUP_OF_THE_HOOK = "3栋群", "5栋群"
CHAT = "wrLINLIdemo3"
BOT_ID, SECRET, KEY = "aibLINLIdemo", "no-secret-at-all", "00000000-0000-4000-8000-000000000005"
WRITTEN_CHARACTERS = 400
"""A longer text of a frame is cut: pictures go over the wire as letters."""
HOW = f"""假企业微信在这台机器上：{GROUP_OF_THE_BOT}接在智能机器人的长连接上，{GROUP_OF_THE_HOOK}的提醒走群机器人，
别的群还在模拟器里。在这里打一行再回车，就等于在企业微信里说：
  王秀英：报名 12              单聊
  王秀英 {GROUP_OF_THE_BOT}：@小邻 活动    在群里
  王秀英 点 看看               点一下最近一张卡片上的按钮
下面 → 是机器人发出的，← 是企业微信发来的。要看定时的提醒，在模拟器里把时钟往前拨。"""

_SAYS = re.compile(r"(?P<who>[^\s：:]+)(?:\s+(?P<where>[^\s：:]+))?\s*[：:]\s*(?P<text>.+)")
_PRESSES = re.compile(r"(?P<who>\S+)\s+点\s+(?P<button>.+)")


SOURCE = Path(bot.__file__).resolve().parents[1]


def find_fakes(root: Path = SOURCE) -> tuple[Any, Any]:
    """The gateway and the webhooks' platform. Raises typer.Exit where the program does not run from its source."""
    if not (root / "tests" / "fakes" / "aibot_gateway.py").is_file():
        raise refused("假企业微信在源代码的 tests/fakes 里，装好的包不带它：请在下载的源代码目录里装，再运行一次。", 1)
    sys.path.insert(0, str(root))
    return importlib.import_module("tests.fakes.aibot_gateway"), importlib.import_module("tests.fakes.wecom_api")


class FakeWecom:
    """Both fakes, and what is typed for them."""

    def __init__(self, gateway: Any, hooks: Any) -> None:
        self._gateway = gateway
        self._hooks = hooks

    @property
    def settings(self) -> dict[str, str]:
        """The channels to it, as if they stood in the environment."""
        return {
            "LINLI_SECRETS__KEY": "这一句口令只给演示用，谁都看得到，不保密",
            "LINLI_CHANNELS__BOT__KIND": "wecom_aibot_socket",
            "LINLI_CHANNELS__BOT__BOT_ID": BOT_ID,
            "LINLI_CHANNELS__BOT__SECRET": SECRET,
            "LINLI_CHANNELS__BOT__NAMESPACE": demo.NAMESPACE,
            "LINLI_CHANNELS__BOT__URL": self._gateway.url,
            "LINLI_CHANNELS__HOOK__KIND": "wecom_group_webhook",
            "LINLI_CHANNELS__HOOK__BASE_URL": self._hooks.url,
        }

    async def takes(self, line: str) -> str:
        """Does what a typed line says; returns what is wrong with it."""
        if pressed := _PRESSES.fullmatch(line.strip()):
            return await self._press(pressed["who"], pressed["button"])
        said = _SAYS.fullmatch(line.strip())
        if said is None:
            return f"看不懂这一行。例如 王秀英 {GROUP_OF_THE_BOT}：@小邻 活动"
        if said["where"] not in (None, GROUP_OF_THE_BOT):
            return f"长连接上只有{GROUP_OF_THE_BOT}，别的群请在模拟器里说。"
        await self._gateway.says(said["text"], user=said["who"], chat=CHAT if said["where"] else "")
        return ""

    async def _press(self, who: str, button: str) -> str:
        for card in reversed(self._gateway.shown):
            here = card.kind == "template_card" and card.chat in (CHAT, who)
            if here and button in [one["text"] for one in card.as_seen_by(who)["button_list"]]:
                await self._gateway.presses(card, button, user=who)
                return ""
        return f"{who}眼前没有“{button}”这个按钮。"

    async def listen(self, lines: asyncio.Queue[str]) -> None:
        """Takes what is typed once the bot is connected, until it is cancelled."""
        await self._gateway.online()
        while True:
            line = await lines.get()
            if line.strip() and (wrong := await self.takes(line)):
                typer.echo(wrong)


@asynccontextmanager
async def fake_wecom() -> AsyncIterator[FakeWecom]:
    """Starts the platform; whatever goes over its wire is printed. Raises typer.Exit."""
    gateways, apis = find_fakes()
    async with AsyncExitStack() as stack:
        gateway = gateways.AibotGateway({BOT_ID: SECRET}, watch=printer("长连接"))
        hooks = apis.WecomApi({KEY}, WallClock().now, watch=printer("群机器人"))
        yield FakeWecom(await stack.enter_async_context(gateway), await stack.enter_async_context(hooks))


def printer(name: str) -> Callable[[bool, Any], None]:
    """Prints one frame a line: when, whose, which way (out of the bot is True), and its JSON."""

    def show(out: bool, frame: Any) -> None:
        text = json.dumps(_shortened(frame), ensure_ascii=False)
        typer.echo(f"{WallClock().now().astimezone(SHANGHAI):%H:%M:%S} {name} {'→' if out else '←'} {text}")

    return show


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shortened(one) for one in value]
    if isinstance(value, str) and len(value) > WRITTEN_CHARACTERS:
        return f"{value[:60]}…（共{len(value)}个字符）"
    return value


def move_in(session: Session, community: CommunityHere, sealer: Sealer) -> None:
    """Two groups of the demo have their first way over the fakes, and their chair in the simulator beside it."""
    ways = {
        GROUP_OF_THE_BOT: {"channel": "bot", "address": CHAT},
        GROUP_OF_THE_HOOK: {"channel": "hook", "address": label(KEY), "sealed_secret": sealer.seal(KEY, label(KEY))},
    }
    now = WallClock().now()
    for group in groups_of(session, community_id=community.id):
        if group.name in ways:
            session.execute(
                update(Endpoint)
                .where(Endpoint.community_id == community.id, Endpoint.group_id == group.id)
                .values(**ways[group.name])
            )
            add_endpoint(
                session,
                community_id=community.id,
                group_id=group.id,
                channel=demo.CHANNEL,
                address=group.name,
                now=now,
            )


def typed_lines() -> asyncio.Queue[str]:
    """What is typed into the terminal, line by line. The thread that reads ends with the process."""
    lines: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        # Not `sys.stdin`, which the interpreter cannot close at its end while a thread waits in it.
        with open(sys.stdin.fileno(), encoding="utf-8", errors="replace", closefd=False) as typed:
            for line in typed:
                loop.call_soon_threadsafe(lines.put_nowait, line)

    threading.Thread(target=read, daemon=True).start()
    return lines
