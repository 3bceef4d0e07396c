"""A whole house behind a self-built app: what a job sends reaches people one to one, and a press is an answer."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.app import CHANNEL_SETTINGS, FEATURE_SETTINGS, House
from bot.books import Books
from bot.config import load
from bot.pictures import WIDTH
from models.clock import MovedClock, WallClock
from models.directory import communities
from models.members import Member, add_identity
from models.photos import KeptPhoto
from models.verify import violations
from tests.dialogue import ON_SQLITE, november
from tests.fakes import wecom_corp
from tests.fakes.pictures import NEEDS_FONT, drawn, size_of
from tests.fakes.wecom_api import refuses
from tests.fakes.wecom_callbacks import AES_KEY, TOKEN, Platform, app_text
from tests.fakes.wecom_corp import WecomCorp
from tests.moments import TUESDAY_EVENING

WEDNESDAY_MORNING = TUESDAY_EVENING + timedelta(hours=14)
PEOPLE = {"张敏": "zhangmin", "王秀英": "wangxiuying", "李建国": "lijianguo", "老赵": "laozhao", "何叔": "heshu"}


@dataclass
class Front:
    """A house that serves, and the platform before it."""

    corp: WecomCorp
    house: House
    platform: Platform
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def says(self, who: str, text: str) -> str:
        """What the person reads in answer, however it came; every message is delivered twice."""
        user, number = PEOPLE[who], next(self._numbers)
        return await self._sends(user, app_text(text, user=user, message_id=str(number), corp=self.corp.corp_id))

    async def shows(self, who: str, picture: bytes) -> str:
        """What the person reads in answer to a picture."""
        user, number = PEOPLE[who], next(self._numbers)
        return await self._sends(user, self.corp.sends(user, picture, str(number)))

    async def _sends(self, user: str, message: bytes) -> str:
        before = len(self.corp.texts(user))
        inner = [(await self.platform.deliver(message)).inner for _ in range(2)]
        assert bool(inner[0]) == bool(inner[1])
        self.corp.answered(inner[0])
        (seen,) = self.corp.texts(user)[before:]
        return seen

    async def gets(self, who: str, count: int) -> list[str]:
        """What the person has got, once it is so many messages."""
        async with asyncio.timeout(5):
            while len(self.corp.texts(PEOPLE[who])) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return self.corp.texts(PEOPLE[who])

    async def presses(self, who: str, label: str) -> str:
        """What the person reads after a press on their last card."""
        user, card = PEOPLE[who], self.corp.card(PEOPLE[who])
        before = len(self.corp.texts(user))
        for _ in range(2):
            answer = await self.platform.deliver(self.corp.press(user, label, card=card))
            assert self.corp.answered(answer.inner, task=card["task_id"]) == f"已点 {label}"
        (seen,) = self.corp.texts(user)[before:]
        return seen


def bind(session: Session) -> None:
    """The people have accounts of the corp."""
    (community,) = communities(session)
    for name, user in PEOPLE.items():
        member_id = session.scalars(select(Member.id).where(Member.name == name)).one()
        add_identity(
            session,
            community_id=community.id,
            member_id=member_id,
            namespace=f"wecom:{WecomCorp.corp_id}",
            external_id=user,
            now=TUESDAY_EVENING,
        )


@pytest.fixture
async def front(demo_url: str, tmp_path: Path) -> AsyncIterator[Front]:
    async with WecomCorp(set(PEOPLE.values()), WallClock().now) as corp:
        file = tmp_path / "config.toml"
        file.write_text(
            f'[database]\nurl = "{demo_url}"\n[channels.app]\nkind = "wecom_app"\ntoken = "{TOKEN}"\n'
            f'aes_key = "{AES_KEY}"\ncorp_id = "{corp.corp_id}"\nagent_id = {corp.agent_id}\n'
            f'secret = "{corp.secret}"\nbase_url = "{corp.url}"\n',
            "utf-8",
        )
        config = load(file, {}, channel_settings=CHANNEL_SETTINGS, feature_settings=FEATURE_SETTINGS)
        house = House(config, await Books.open(demo_url, threads=4), clock=MovedClock(TUESDAY_EVENING, frozen=True))
        await house.books.write(bind)
        async with TestServer(house.application()) as server:
            url = str(server.make_url("/callback/app"))
            yield Front(corp, house, Platform(url, "xml", now=time.time, receive_id=corp.corp_id))
        assert await house.books.read(violations) == []
        await house.close()


async def test_what_a_job_sends_is_a_card_and_a_press_answers_it(front: Front) -> None:
    await front.house.advance(WEDNESDAY_MORNING)
    preview = await front.says("张敏", "广播 3栋 明早8点到10点停水，请提前存水 回执 没回的提醒")
    assert preview.endswith("3栋群要人转发。\n发送请回复 确认，不发回复 取消。")
    assert (await front.presses("张敏", "确认")).startswith("3栋群我发不进去：")
    await front.house.advance(WEDNESDAY_MORNING + timedelta(minutes=2))
    _, to_copy = await front.gets("老赵", 2)
    assert to_copy.startswith("【锦绣社区通知 8】明早8点到10点停水")
    assert await front.says("老赵", "已发 8") == "记下了，3栋群已发。"
    assert front.corp.texts("wangxiuying") == []

    # Hours later the job asks those who have not answered, each by a card of their own.
    await front.house.advance(WEDNESDAY_MORNING + timedelta(hours=5))
    for who in ("王秀英", "李建国"):
        (asked,) = await front.gets(who, 1)
        assert asked == "提醒：8号「停水」还等您回一声。\n收到请回复 收到 8。"
        assert [button["text"] for button in front.corp.card(PEOPLE[who])["button_list"]] == ["收到"]
    assert await front.presses("王秀英", "收到") == "记下了，谢谢。"
    # The words do what the button does.
    assert await front.says("李建国", "收到 8") == "记下了，谢谢。"
    assert "（2人）" in await front.says("张敏", "广播状态 8")
    assert front.corp.dropped == []


@ON_SQLITE
async def test_a_picture_checks_in_and_goes_with_what_was_done(front: Front) -> None:
    picture = drawn(400, 300)
    ask = "请写上做了什么，例如 履职 3 巡了两圈；要不就接着发一张照片。"
    assert await front.says("何叔", "履职 3") == ask
    logged = "已记下 何叔 的履职：3号 治安巡逻岗，照片1张。\n积分+2（现有6分），辛苦了！"
    assert await front.shows("何叔", picture) == logged
    assert await front.says("张敏", "签到方式 12 照片") == "「清洁家园」的签到方式：照片。"
    await front.house.advance(november(21, 8, 55))
    ask = "「清洁家园」签到要一张现场照片，请接着发一张。"
    assert await front.says("王秀英", "签到 12") == ask
    # What the platform no longer has is asked for again, and the question still waits.
    front.corp.meets(refuses(wecom_corp.BAD_MEDIA), times=2)
    assert "再发" in await front.shows("王秀英", picture)
    done = "王秀英，「清洁家园」签到成功 8:55\n积分+5（现有21分）。\n走的时候发一声 签退。"
    assert await front.shows("王秀英", picture) == done

    def kept(session: Session) -> list[str]:
        return [ref.partition(":")[0] for ref in session.scalars(select(KeptPhoto.ref).order_by(KeptPhoto.id))]

    assert await front.house.books.read(kept) == ["duty", "activity"]


@ON_SQLITE
@NEEDS_FONT
async def test_a_board_for_a_group_that_cannot_be_written_to_is_a_picture_to_pass_on(front: Front) -> None:
    assert await front.says("老赵", "发榜") == "3栋群我发不进去，榜单马上私信发给您，请转到群里。"
    await front.house.postman.deliver_due()
    (board,) = front.corp.pictures("laozhao")
    assert size_of(board)[0] == WIDTH
