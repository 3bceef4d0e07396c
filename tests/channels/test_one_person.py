"""One userid on the app and on the bot of one company is one member: bound, asked and answered over the real wire."""

import json
import time
import xml.etree.ElementTree as ET
from pathlib import Path

from aiohttp.test_utils import TestServer
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.app import CHANNEL_SETTINGS, FEATURE_SETTINGS, House
from bot.books import Books
from bot.config import load
from models.clock import MovedClock
from models.directory import Endpoint, Group, Identity
from models.verify import violations
from tests.dialogue import BOUND, ON_SQLITE, STATEMENT, STRANGER, WRONG
from tests.fakes.aibot_gateway import words_of
from tests.fakes.wecom_callbacks import AES_KEY, AGENT_ID, CORP_ID, TOKEN, Platform, aibot_text, app_text
from tests.moments import TUESDAY_EVENING

CHANNELS = f"""
[channels.app]
kind = "wecom_app"
token = "{TOKEN}"
aes_key = "{AES_KEY}"
corp_id = "{CORP_ID}"
agent_id = {AGENT_ID}
[channels.aibot]
kind = "wecom_aibot"
token = "{TOKEN}"
aes_key = "{AES_KEY}"
namespace = "wecom:{CORP_ID}"
"""
CHAT = "wrEXAMPLE03"
OPEN = "请打开和我的单聊，把刚才这句话发给我。房号和手机号请不要发在群里。"


def bind_chat(session: Session) -> None:
    group = session.execute(select(Group.id, Group.community_id).where(Group.name == "3栋群")).one()
    session.execute(
        Endpoint.__table__.insert(),  # type: ignore[attr-defined]
        {
            "channel": "aibot",
            "address": CHAT,
            "community_id": group.community_id,
            "group_id": group.id,
            "since": TUESDAY_EVENING,
        },
    )


@ON_SQLITE
async def test_app_and_bot_know_one_person(demo_url: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(CHANNELS, "utf-8")
    config = load(path, {}, channel_settings=CHANNEL_SETTINGS, feature_settings=FEATURE_SETTINGS)
    books = await Books.open(demo_url, threads=2)
    await books.write(bind_chat)
    house = House(config, books, clock=MovedClock(TUESDAY_EVENING, frozen=True))
    async with TestServer(house.application()) as server:
        bot, app = (
            Platform(str(server.make_url(f"/callback/{name}")), flavour, time.time, receive_id=receive_id)
            for name, flavour, receive_id in (("aibot", "json", ""), ("app", "xml", CORP_ID))
        )
        told = 0

        async def in_app(text: str, user: str = "ZhangSan") -> str:
            nonlocal told
            told += 1
            message = app_text(text, user=user, message_id=f"73{told:017d}")
            answers = [(await app.deliver(message)).inner.decode() for _ in range(2)]
            first, again = (ET.fromstring(one).findtext("Content") for one in answers)
            assert first == again
            return first or ""

        async def to_bot(text: str, chat: str = "", user: str = "zhangsan") -> str:
            nonlocal told
            told += 1
            message = aibot_text(text, user=user, message_id=f"CAIQ{told}", chat=chat)
            first, again = [json.loads((await bot.deliver(message)).inner) for _ in range(2)]
            assert first == again
            if first["msgtype"] == "template_card":
                return words_of(first["template_card"])
            return str(first["stream"]["content"])

        # The bot cannot write first: the group hears where to go, whoever is named and whatever is given away.
        for said in ("绑定 张三 3栋", "绑定 张敏 1栋", "绑定 查无人 3栋201 1234"):
            assert await to_bot(f"@小邻 {said}", CHAT) == OPEN
        # A wrong try with the bot, and the right one in the app: one account, one count, one conversation.
        assert await to_bot("绑定 张三 3栋201 4321") == WRONG
        assert await in_app("201，尾号1234") == BOUND.format("张三", "3栋")
        # Asked for agreement in the app, they answer in the group.
        assert await to_bot("@小邻 报名 13", CHAT) == "张三，您好！\n" + STATEMENT
        done = "好的，记下了，谢谢！\n已给 张三 报名「义诊」，还剩29个名额。\n11月22日 周日 9:00，活动室。"
        assert await to_bot("@小邻 同意", CHAT) == done
        assert await in_app("报名 13") == "张三 已经报过「义诊」了，不用再报。"
        # Somebody of the same name in another company's bot is nobody here.
        assert await in_app("报名 13", user="lisi") == STRANGER
        assert await in_app("绑定 张三 3栋201 1234") == "您已经绑定过了，是 张三。要改信息请找楼长或社区。"
        accounts = await books.read(
            lambda s: list(
                s.execute(select(Identity.namespace, Identity.external_id).where(Identity.ground != "roster"))
            )
        )
        assert [tuple(row) for row in accounts] == [(f"wecom:{CORP_ID}", "zhangsan")]
        assert await books.read(violations) == []
    await house.close()
