"""The same water cut over the AI bot's long connection, held against what the platform's gateway received.

Both groups are on one bot that hears only what mentions it. What it says has buttons: 确认 under a preview, 收到 under
a notice, pressed by many on one card that each then sees in their own way. It can write alone only to those who have
written to it alone; for everybody else somebody knocks. Everything is brought twice, and shown once.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from models import outbox
from models.verify import violations
from tests.dialogue import direct, november
from tests.fakes.aibot_gateway import AibotGateway, Callback, Shown, labels_of, words_of
from tests.fakes.front import CHATS, GROUP, GROUP_5, Front, bind, opened, serving
from tests.stories.test_water_cut import chain, received

NAMES = {chat: name for name, chat in CHATS.items()}


@dataclass
class Wire(Front):
    """The front of a house to tell a story with: what is said, pressed, and shown."""

    told: int = 0
    """How much of what was shown the story has looked at."""
    brought: list[Callback] = field(default_factory=list)

    async def hears(self, who: str, where: str, text: str, *, quoted: str = "") -> str:
        """What the bot answers to somebody; the platform brings the message twice."""
        return (await self.card(who, where, text, quoted=quoted)).text

    async def card(self, who: str, where: str, text: str, *, quoted: str = "") -> Shown:
        """The answer as it is shown, with its buttons."""
        more = {"quote": {"msgtype": "text", "text": {"content": quoted}}} if quoted else {}
        callback = await self.gateway.says(text, user=who, chat=CHATS.get(where, ""), **more)
        await self.gateway.answer(callback)
        return await self._again(callback)

    async def press(self, who: str, card: Shown, button: str) -> str:
        """What the card says to this person after a press, which is brought twice."""
        callback = await self.gateway.presses(card, button, user=who)
        await self.gateway.answer(callback)
        await self._again(callback)
        return words_of(card.as_seen_by(who))

    async def _again(self, callback: Callback) -> Shown:
        self.brought.append(callback)
        await self.gateway.again(callback)
        return callback.shown[-1]

    async def pushed(self) -> list[Shown]:
        """What came unasked since this was last looked at, when nothing is due any more."""
        now = self.house.clock.now()
        while await self.house.books.read(lambda session: outbox.waiting_count(session, now=now)):
            await self.house.postman.deliver_due()
        new = [one for one in self.gateway.shown[self.told :] if one.pushed]
        self.told = len(self.gateway.shown)
        return new

    async def sent(self) -> list[tuple[str, str]]:
        """The same as chat and words."""
        return [(NAMES.get(one.chat, one.chat), plain(one.text)) for one in await self.pushed()]


def plain(text: str) -> str:
    """The words of a card as one text: what a notice calls itself stands above it there."""
    return text.replace("】\n", "】", 1)


@pytest.fixture
async def wire(demo_url: str, tmp_path: Path) -> AsyncIterator[Wire]:
    async with AibotGateway({"aibTEST": "s3cret"}) as gateway:
        house = await opened(demo_url, tmp_path, gateway)
        await house.books.write(bind)
        async with serving(house):
            await gateway.online()
            gateway.chats |= {GROUP, GROUP_5}
            wire = Wire(gateway, house)
            yield wire
            assert await house.books.read(violations) == []
            assert [len(callback.shown) for callback in wire.brought] == [1] * len(wire.brought)


async def test_a_water_cut_over_the_long_connection(wire: Wire) -> None:
    hears, press, sent, until = wire.hears, wire.press, wire.sent, wire.house.advance
    # These have written to the bot alone before; to everybody else it cannot write there.
    for who in ("孙丽", "陈美玲", "老赵"):
        await hears(who, direct, "积分")

    # Announced: a preview with two buttons, and nothing leaves before one of them is pressed.
    preview = await wire.card("张敏", direct, "广播 3栋、5栋 明早8点到10点清洗水箱停水，请提前存水 回执")
    assert plain(preview.text) == (
        "广播预览\n明早8点到10点清洗水箱停水，请提前存水（要回执）\n"
        "给 3栋、5栋：55户69人。\n发到：3栋群、5栋群。\n发送请回复 确认，不发回复 取消。"
    )
    assert labels_of(preview.content) == ["确认", "取消"]
    assert await sent() == []
    assert plain(await press("张敏", preview, "确认")) == "8号已发：3栋群、5栋群。\n看谁收到请发 广播状态 8。"
    three, five = sorted(await wire.pushed(), key=lambda one: one.chat)
    told = "【锦绣社区通知 8】明早8点到10点清洗水箱停水，请提前存水\n收到请 @小邻 回复 收到 8。"
    assert [(one.chat, plain(one.text), labels_of(one.content)) for one in (three, five)] == [
        (GROUP, told, ["收到"]),
        (GROUP_5, told, ["收到"]),
    ]

    # One card, pressed by many: each sees their own answer on it, and whoever has not pressed sees the notice.
    for who, card, button, heard in (
        ("王秀英", three, "收到", "记下了，谢谢。"),
        ("王秀英", three, "✓ 收到", "已经记过了，不用再回。"),
        ("孙姐", five, "收到", "记下了，谢谢。"),
        ("何叔", three, "收到", "8号不是发给您那里的，不用回。"),
        ("路人", three, "收到", "我还不认识您。\n请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
    ):
        assert await press(who, card, button) == heard, who
        assert labels_of(card.as_seen_by(who)) == ["✓ 收到"]
    assert plain(words_of(three.as_seen_by("李建国"))) == told

    # By word and by quotation too; for one's own people; a chain in three versions.
    for who, where, text, heard in (
        ("孙丽", "5栋群", "@小邻 收到8", "记下了，谢谢。"),
        (
            "李建国",
            direct,
            "替王秀英收到 8",
            "只能替自己和家人回。王秀英要本人说，或请楼长代记；登记家人请私聊我发 家人 加姓名。",
        ),
        ("老赵", direct, "收到 8 3栋2单元502", "记下了，3栋2单元502的也收到了，谢谢。"),
        (
            "李建国",
            "3栋群",
            "@小邻 " + chain("1. 李建国", "2. 301 刘雨桐"),
            "已读到接龙：新增2（李建国、刘雨桐），共2人。\n记下收到的：李建国。\n刘雨桐 自己说一声 收到 8 才算。",
        ),
        (
            "王秀英",
            "3栋群",
            "@小邻 " + chain("1. 李建国", "2. 301 刘雨桐", "3、501 王秀英", "3. 张飞"),
            "已读到接龙：新增2（王秀英、张飞），共4人。\n认不出：张飞，名册里没有或有重名，没有算。",
        ),
        (
            "老赵",
            "3栋群",
            "@小邻 " + chain("1. 李建国", "2. 王秀英", "3. 老赵", "4. 601", "4. 李建国"),
            "已读到接龙：新增2（老赵、601） 退出1（刘雨桐） 重复1，共5人。\n记下收到的：老赵、601。",
        ),
    ):
        assert await hears(who, where, text) == heard, text
    assert await hears("胡凤英", "3栋群", "@小邻 好的，知道了", quoted=told) == "记下了，谢谢。"
    assert await received(wire.house, 8) == [
        "王秀英", "孙姐", "孙丽", "陈阿姨", "李建国", "老赵", "刘家兴", "胡凤英",
    ]  # fmt: skip
    assert await sent() == []

    # The quiet hours: a correction waits for the morning, what is urgent does not.
    await until(november(17, 21, 40))
    assert await sent() == [("张敏", "8号「清洗水箱停水」发完了：3栋群已发、5栋群已发。\n收到的请发 广播状态 8 看。")]
    correction = await wire.card("张敏", direct, "更正 8 停水改到周四早8点到10点")
    assert "（现在免打扰，7:00才发）" in correction.text
    assert "11月18日 周三 7:00 发给 3栋、5栋" in await press("张敏", correction, "确认")
    assert await sent() == []
    burst = await wire.card("张敏", direct, "紧急广播 3栋 水管爆了，请关好家里的总阀")
    await press("张敏", burst, "确认")
    assert await sent() == [("3栋群", "【紧急·锦绣社区通知 10】水管爆了，请关好家里的总阀")]
    await until(november(18, 6, 59))
    assert await sent() == []
    await until(november(18, 7, 2))
    corrected = "【更正·锦绣社区通知 9】停水改到周四早8点到10点\n8号通知以这条为准，回过收到的不用再回。"
    assert sorted(await sent()) == [
        ("3栋群", corrected),
        ("5栋群", corrected),
        ("张敏", "10号「水管爆了」发完了：3栋群已发。"),
        ("张敏", "9号「停水改到周四早8点到10」发完了：3栋群已发、5栋群已发。"),
    ]

    # Reminded is who can be written to, by a card in their own conversation; at the other doors somebody knocks.
    await until(november(18, 10, 0))
    assert await hears("老赵", "3栋群", "@小邻 催办 8") == "第1次催办已发：1户1人。\n联系不上的22户已告诉楼长上门。"
    reminder, knock = sorted(await wire.pushed(), key=lambda one: one.chat, reverse=True)
    assert (reminder.chat, knock.chat) == ("陈美玲", "老赵")
    assert "有22户我联系不上：3栋2单元 102程爱华 103傅彩霞 203赵耀东" in knock.text
    assert reminder.text == "提醒：8号「清洗水箱停水」还等您回一声。\n收到请回复 收到 8。"
    assert await press("陈美玲", reminder, "收到") == "记下了，谢谢。"

    # What comes again outlives the secretary who wrote it.
    series = await wire.card("张敏", direct, "定时广播 每周五18点 3栋 周末垃圾分类，请分好再扔")
    await press("张敏", series, "确认")
    for text in ("任命 孙丽 社区书记", "免去 张敏 社区书记"):
        await press("张敏", await wire.card("张敏", direct, text), "确认")
    await sent()
    await until(november(19, 9, 0))
    assert (
        "孙丽",
        "锦绣社区的循环广播现在归您：11号 每周五18点「垃圾分类」。\n照发不用管；不发了请发 取消广播 11。",
    ) in await sent()
    await until(november(20, 18, 5))
    assert [one for one in await sent() if "垃圾分类" in one[1]] == [
        ("3栋群", "【锦绣社区通知 12】周末垃圾分类，请分好再扔"),
        ("孙丽", "12号「垃圾分类」发完了：3栋群已发。"),
    ]
    ask = await wire.card("孙丽", direct, "取消广播 11")
    assert "已停发11号" in await press("孙丽", ask, "确认")
    await until(november(27, 18, 5))
    assert [one for one in await sent() if "垃圾分类" in one[1]] == []
