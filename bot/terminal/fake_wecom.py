"""`linli demo --fake-wecom`: the demo behind a WeCom that stands on this machine, with its wire on the terminal.

3栋群 is on the AI bot's long connection, 5栋群 gets its reminders from a group's webhook, and two people have the
company's own app; everybody else stays with the simulator. What somebody types into WeCom is typed into the terminal.
The platform is the one that judges the tests: it lives in `tests/fakes`, beside the source and not in the installed
package.
"""

import asyncio
import importlib
import io
import itertools
import json
import re
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from PIL import Image
from sqlalchemy import update
from sqlalchemy.orm import Session

import bot
from bot import demo
from bot.channels.wecom_group_webhook import label
from bot.secrets import Sealer
from bot.terminal import refused
from models.clock import SHANGHAI, WallClock
from models.directory import CommunityHere, Endpoint, Identity, add_endpoint, groups_of
from models.members import add_identity

CHANNELS = ("bot", "hook", "app")
GROUP_OF_THE_BOT, GROUP_OF_THE_HOOK = "3栋群", "5栋群"
CHAT = "wrLINLIdemo3"
APP, PEOPLE_OF_THE_APP = "应用", ("老赵", "李建国")
BOT_ID, SECRET, KEY = "aibLINLIdemo", "no-secret-at-all", "00000000-0000-4000-8000-000000000005"
WRITTEN_CHARACTERS = 400
"""A longer text of a frame is cut: pictures go over the wire as letters."""
HOW = f"""假企业微信在这台机器上：{GROUP_OF_THE_BOT}接在智能机器人的长连接上，{GROUP_OF_THE_HOOK}的提醒走群机器人，
{"和".join(PEOPLE_OF_THE_APP)}用的是自建应用，别的群和人还在模拟器里。在这里打一行再回车，就等于在企业微信里说：
  王秀英：报名 12              和智能机器人单聊
  王秀英 {GROUP_OF_THE_BOT}：@小邻 活动    在群里
  老赵 应用：发榜 给我         在自建应用里，这一句要来一张图
  李建国 应用 发图             在自建应用里发一张照片
  王秀英 点 看看               点一下最近一张卡片上的按钮
下面 → 是机器人发出的，← 是企业微信发来的。要看定时的提醒，在模拟器里把时钟往前拨。"""

_SAYS = re.compile(r"(?P<who>[^\s：:]+)(?:\s+(?P<where>[^\s：:]+))?\s*[：:]\s*(?P<text>.+)")
_SHOWS = re.compile(rf"(?P<who>\S+)\s+{APP}\s+发图")
_PRESSES = re.compile(r"(?P<who>\S+)\s+点\s+(?P<button>.+)")


SOURCE = Path(bot.__file__).resolve().parents[1]
FAKES = ("aibot_gateway", "wecom_api", "wecom_corp", "wecom_callbacks")


def find_fakes(root: Path = SOURCE) -> list[Any]:
    """The modules of `FAKES`. Raises typer.Exit where the program does not run from its source."""
    if not (root / "tests" / "fakes" / f"{FAKES[0]}.py").is_file():
        raise refused("假企业微信在源代码的 tests/fakes 里，装好的包不带它：请在下载的源代码目录里装，再运行一次。", 1)
    sys.path.insert(0, str(root))
    return [importlib.import_module(f"tests.fakes.{name}") for name in FAKES]


@dataclass
class FakeApp:
    """The company with its app, and what comes from there to the bot."""

    corp: Any
    callbacks: Any
    platform: Any
    show: Callable[[bool, Any], None]

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)

    async def says(self, who: str, text: str) -> None:
        number = f"73{next(self._numbers):017d}"
        await self._brings(self.callbacks.app_text(text, user=who, message_id=number, corp=self.corp.corp_id))

    async def shows(self, who: str) -> None:
        """Somebody sends a picture, which then lies with the platform."""
        await self._brings(self.corp.sends(who, a_picture(), f"73{next(self._numbers):017d}"))

    async def presses(self, who: str, button: str) -> bool:
        """Presses a button of the last card that a person has in the app; whether there is one with it."""
        for shown in reversed(self.corp.shown):
            card = shown.body.get("template_card")
            if shown.user == who and card and button in [one["text"] for one in card["button_list"]]:
                message = self.corp.press(who, button, card=card, at=int(unix_now()))
                await self._brings(message, card["task_id"])
                return True
        return False

    async def _brings(self, message: bytes, task: str = "") -> None:
        self.show(False, _fields(message))
        answer = await self.platform.deliver(message)
        if answer.inner:
            self.show(True, _fields(answer.inner))
        self.corp.answered(answer.inner, task=task)


def unix_now() -> float:
    """Unix seconds, as the platform signs with them."""
    return WallClock().now().timestamp()


def _fields(message: bytes) -> dict[str, str]:
    """An inner message as it is shown."""
    return {one.tag: "".join(one.itertext()) for one in ET.fromstring(message)}  # noqa: S314


def a_picture() -> bytes:
    """What somebody photographed."""
    out = io.BytesIO()
    Image.new("RGB", (640, 480), "#6b8f71").save(out, "JPEG")
    return out.getvalue()


class FakeWecom:
    """All of the fakes, and what is typed for them."""

    def __init__(self, gateway: Any, hooks: Any, app: FakeApp) -> None:
        self._gateway = gateway
        self._hooks = hooks
        self._app = app

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
            "LINLI_CHANNELS__APP__KIND": "wecom_app",
            "LINLI_CHANNELS__APP__TOKEN": self._app.platform.token,
            "LINLI_CHANNELS__APP__AES_KEY": self._app.platform.aes_key,
            "LINLI_CHANNELS__APP__CORP_ID": self._app.corp.corp_id,
            "LINLI_CHANNELS__APP__AGENT_ID": str(self._app.corp.agent_id),
            "LINLI_CHANNELS__APP__SECRET": self._app.corp.secret,
            "LINLI_CHANNELS__APP__BASE_URL": self._app.corp.url,
        }

    @property
    def namespace_of_the_app(self) -> str:
        """Whose accounts the people of the app have."""
        return f"wecom:{self._app.corp.corp_id}"

    async def takes(self, line: str) -> str:
        """Does what a typed line says; returns what is wrong with it."""
        if pressed := _PRESSES.fullmatch(line.strip()):
            return await self._press(pressed["who"], pressed["button"])
        if shows := _SHOWS.fullmatch(line.strip()):
            return await self._in_the_app(shows["who"], self._app.shows)
        said = _SAYS.fullmatch(line.strip())
        if said is None:
            return f"看不懂这一行。例如 王秀英 {GROUP_OF_THE_BOT}：@小邻 活动"
        if said["where"] == APP:
            return await self._in_the_app(said["who"], lambda who: self._app.says(who, said["text"]))
        if said["where"] not in (None, GROUP_OF_THE_BOT):
            return f"长连接上只有{GROUP_OF_THE_BOT}，别的群请在模拟器里说。"
        await self._gateway.says(said["text"], user=said["who"], chat=CHAT if said["where"] else "")
        return ""

    async def _in_the_app(self, who: str, act: Callable[[str], Awaitable[None]]) -> str:
        if who not in PEOPLE_OF_THE_APP:
            return f"用自建应用的只有{'、'.join(PEOPLE_OF_THE_APP)}。"
        await act(who)
        return ""

    async def _press(self, who: str, button: str) -> str:
        if await self._app.presses(who, button):
            return ""
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
async def fake_wecom(port: int) -> AsyncIterator[FakeWecom]:
    """Starts the platform before a bot that serves at this port; whatever goes over its wire is printed.

    Raises typer.Exit.
    """
    gateways, apis, corps, callbacks = find_fakes()
    async with AsyncExitStack() as stack:
        gateway = gateways.AibotGateway({BOT_ID: SECRET}, watch=printer("长连接"))
        hooks = apis.WecomApi({KEY}, WallClock().now, watch=printer("群机器人"))
        show = printer("自建应用")
        corp = corps.WecomCorp(set(PEOPLE_OF_THE_APP), WallClock().now, watch=show)
        url = f"http://127.0.0.1:{port}/callback/app"
        platform = callbacks.Platform(url, "xml", now=unix_now, receive_id=corp.corp_id)
        await stack.enter_async_context(corp)
        app = FakeApp(corp, callbacks, platform, show)
        yield FakeWecom(await stack.enter_async_context(gateway), await stack.enter_async_context(hooks), app)


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


def move_in(session: Session, community: CommunityHere, sealer: Sealer, namespace: str) -> None:
    """Two groups and two people of the demo have their first way over the fakes, and their chair in the simulator
    beside it. `namespace` is that of the app's people.
    """
    for name in PEOPLE_OF_THE_APP:
        member_id = session.scalars(
            update(Identity)
            .where(
                Identity.community_id == community.id,
                Identity.namespace == demo.NAMESPACE,
                Identity.external_id == name,
            )
            .values(namespace=namespace)
            .returning(Identity.member_id)
        ).one()
        add_identity(
            session,
            community_id=community.id,
            member_id=member_id,
            namespace=demo.NAMESPACE,
            external_id=name,
            now=WallClock().now(),
        )
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
