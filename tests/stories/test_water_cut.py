"""The water is cut in two buildings: announced, corrected, confirmed by most, asked after, and told at the door.

3栋's group is on a channel that hears everything, 5栋's on one that hears only what mentions the bot. Every message is
delivered twice, and everything that leaves the house is held against the story, in order.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update

from bot.app import House
from bot.channels import Ability, Hears
from bot.demo import NAMESPACE
from bot.script import Script
from handlers.chat import Incoming, Quote
from models.broadcast import Broadcast, Receipt
from models.directory import Endpoint, touch
from models.members import Member
from tests.dialogue import DAY_BEFORE, direct, november, silence
from tests.fakes.street import Street

GROUP_3, GROUP_5 = "3栋群", "5栋群"


class OnlyMentions(Script):
    """A channel on which the bot hears what mentions it, and writes to groups."""

    name = "mentions"
    ability = Ability(hears=Hears.MENTIONS, pushes_to_groups=True, text_bytes=2_048)


class Houses:
    """The street's house with 5栋's group on a channel of its own; tells what left it, and to whom."""

    def __init__(self, street: Street) -> None:
        self.street, self.five = street, OnlyMentions()
        self.house = House(
            street.house.config, street.house.books, clock=street.house.clock, beside=[street.script, self.five]
        )
        self._told = [len(street.script.sent), 0]

    async def move_in(self) -> None:
        """5栋's group changes its channel."""

        def move(session) -> None:  # type: ignore[no-untyped-def]
            session.execute(update(Endpoint).where(Endpoint.address == GROUP_5).values(channel=self.five.name))
            touch(session, 1)

        await self.house.books.write(move)

    def sent(self) -> list[tuple[str, str]]:
        """What left the house since it was last asked: to whom, and what."""
        both = (self.street.script.sent, self.five.sent)
        new = [one for sent, at in zip(both, self._told, strict=True) for one in sent[at:]]
        self._told = [len(sent) for sent in both]
        return new

    async def say(self, who: str, where: str, text: str, *, quote: Quote | None = None, again: bool = True) -> str:
        """Somebody says something, twice as the platform delivers it; returns the answer, which is the same."""
        incoming = Incoming(
            channel=self.five.name if where == GROUP_5 else self.street.script.name,
            message_id=uuid.uuid4().hex,
            namespace=NAMESPACE,
            sender=who,
            text=text,
            address=where,
            addressed=not where or (quote is not None and quote.author == "bot"),
            quote=quote,
            at=self.house.wall.now(),
        )
        first = await self.house.dispatcher.answer(incoming)
        await self.house.postman.deliver_due()
        second = await self.house.dispatcher.answer(incoming)
        await self.house.postman.deliver_due()
        assert second.reply == first.reply, text
        return first.reply.text

    async def until(self, moment: datetime) -> None:
        await self.house.advance(moment)


async def received(house: House, number: int) -> list[str]:
    """Who has given a receipt, by name."""

    def names(session) -> Sequence[str]:  # type: ignore[no-untyped-def]
        return session.scalars(
            select(Member.name)
            .join(Receipt, Receipt.member_id == Member.id)
            .join(Broadcast, Receipt.broadcast_id == Broadcast.id)
            .where(Broadcast.number == number, Receipt.undone_at.is_(None))
            .order_by(Receipt.id)
        ).all()

    return list(await house.books.read(names))


def chain(*lines: str) -> str:
    return "\n".join(("#接龙", "通知8收到", *lines))


async def test_a_water_cut_in_two_buildings(street: Street) -> None:
    houses = Houses(street)
    await houses.move_in()
    say, sent, until = houses.say, houses.sent, houses.until
    sent()

    # Announced: nothing leaves before the secretary has seen whom it reaches, and confirmed it.
    assert await say("张敏", direct, "广播 3栋、5栋 明早8点到10点清洗水箱停水，请提前存水 回执") == (
        "广播预览：明早8点到10点清洗水箱停水，请提前存水（要回执）\n"
        "给 3栋、5栋：55户69人。\n发到：3栋群、5栋群。\n发送请回复 确认，不发回复 取消。"
    )
    assert sent() == []
    assert await say("张敏", direct, "确认") == "8号已发：3栋群、5栋群。\n看谁收到请发 广播状态 8。"
    told = "【锦绣社区通知 8】明早8点到10点清洗水箱停水，请提前存水\n"
    assert sent() == [(GROUP_3, told + "收到请回复 收到 8。"), (GROUP_5, told + "收到请 @小邻 回复 收到 8。")]

    # Receipts: by word, by quotation, by mention; for one's family and for one's own people; chatter is nothing.
    for who, where, text, heard in (
        ("王秀英", GROUP_3, "收到", silence),
        ("王秀英", GROUP_3, "收到 8", silence),
        ("孙姐", GROUP_5, "收到 8", silence),
        ("孙丽", GROUP_5, "@小邻 收到8", "记下了，谢谢。"),
        ("孙丽", GROUP_5, "@小邻 收到8", "已经记过了，不用再回。"),
        (
            "李建国",
            direct,
            "替王秀英收到 8",
            "只能替自己和家人回。王秀英要本人说，或请楼长代记；登记家人请私聊我发 家人 加姓名。",
        ),
        ("何叔", direct, "收到 8", "8号不是发给您那里的，不用回。"),
        ("老赵", direct, "收到 8 3栋2单元502", "记下了，3栋2单元502的也收到了，谢谢。"),
    ):
        assert await say(who, where, text) == heard, text
    quoted = Quote("bot", ref="broadcast:8")
    assert await say("陈美玲", GROUP_3, "好的，知道了", quote=quoted) == "记下了，谢谢。"
    assert await received(houses.house, 8) == ["王秀英", "孙姐", "孙丽", "陈阿姨", "陈美玲"]

    # A chain in three versions. A resident's writes for themselves; the second went on from the first, and so did the
    # third, in which somebody struck a name out; the building's lead writes for everybody in the building.
    assert await say("李建国", GROUP_3, chain("1. 李建国", "2. 301 刘雨桐")) == (
        "已读到接龙：新增2（李建国、刘雨桐），共2人。\n记下收到的：李建国。\n刘雨桐 自己说一声 收到 8 才算。"
    )
    assert await say("王秀英", GROUP_3, chain("1. 李建国", "2. 301 刘雨桐", "3、501 王秀英", "3. 张飞")) == (
        "已读到接龙：新增2（王秀英、张飞），共4人。\n认不出：张飞，名册里没有或有重名，没有算。"
    )
    assert await say("老赵", GROUP_3, chain("1. 李建国", "2. 王秀英", "3. 老赵", "4. 601", "4. 李建国")) == (
        "已读到接龙：新增2（老赵、601） 退出1（刘雨桐） 重复1，共5人。\n记下收到的：老赵、601。"
    )
    assert await say("小吴", GROUP_3, "#接龙 草莓 35一筐\n1. 601 两筐\n2. 小吴 一筐") == silence
    assert sent() == []

    # The quiet hours: a correction waits for the morning, what is urgent does not.
    await until(november(17, 21, 40))
    assert sent() == [("张敏", "8号「清洗水箱停水」发完了：3栋群已发、5栋群已发。\n收到的请发 广播状态 8 看。")]
    assert await say("张敏", direct, "更正 8 停水改到周四早8点到10点") == (
        "广播预览：停水改到周四早8点到10点（现在免打扰，7:00才发）\n"
        "给 3栋、5栋：55户69人。\n发到：3栋群、5栋群。\n发送请回复 确认，不发回复 取消。"
    )
    assert await say("张敏", direct, "确认") == (
        "9号已定：免打扰过后，11月18日 周三 7:00 发给 3栋、5栋。\n急的请用 紧急广播；不发了请发 取消广播 9。"
    )
    assert sent() == []
    assert "（紧急）" in await say("张敏", direct, "紧急广播 3栋 水管爆了，请关好家里的总阀")
    await say("张敏", direct, "确认")
    assert sent() == [(GROUP_3, "【紧急·锦绣社区通知 10】水管爆了，请关好家里的总阀")]
    await until(november(18, 6, 59))
    assert sent() == []
    await until(november(18, 7, 2))
    correction = "【更正·锦绣社区通知 9】停水改到周四早8点到10点\n8号通知以这条为准，回过收到的不用再回。"
    assert sorted(sent()) == [
        (GROUP_3, correction),
        (GROUP_5, correction),
        ("张敏", "10号「水管爆了」发完了：3栋群已发。"),
        ("张敏", "9号「停水改到周四早8点到10」发完了：3栋群已发、5栋群已发。"),
    ]

    # Who has not answered is told to the one who leads the building, in private, and to nobody in a group.
    await until(november(18, 10, 0))
    assert await say("老赵", GROUP_3, "@小邻 广播状态 8") == (
        "8号「清洗水箱停水」已发：3栋群已发、5栋群已发。\n回执6/29户（6人）。\n谁还没回，请私聊我看。\n催一催请发 催办 8。"
    )
    alone = await say("老赵", direct, "广播状态 8")
    assert alone.split("\n")[2].startswith("还没回的23户：3栋2单元 102程爱华 103傅彩霞")
    assert "5栋" not in alone.split("\n")[2]
    assert await say("王秀英", direct, "广播状态 8") == "这件事要物业、楼长或社区来办。您能办的事请发 帮助。"

    # Reminded are those alone, three times at the most, and not twice in a few hours.
    assert await say("老赵", GROUP_3, "@小邻 催办 8") == "第1次催办已发：22户24人。\n联系不上的1户已告诉楼长上门。"
    reminder = "提醒：8号「清洗水箱停水」还等您回一声。\n收到请回复 收到 8。"
    knock = "8号「清洗水箱停水」有1户我联系不上：3栋1单元 201张三。\n麻烦上门说一声；说好了请发 收到 8 加楼栋房号。"
    reminded = sent()
    assert ("老赵", knock) in reminded
    assert {text for _, text in reminded} == {reminder, knock}
    assert len(reminded) == 25
    assert {"王秀英", "陈美玲", "李建国", GROUP_3, GROUP_5}.isdisjoint(to for to, _ in reminded)
    assert await say("老赵", direct, "催办 8") == "刚催过，11月18日 周三 14:00 以后再催。"
    for time in (2, 3):
        await until(november(18, 10 + 4 * (time - 1), 0))
        assert (await say("老赵", direct, "催办 8")).startswith(f"第{time}次催办已发：22户24人。")
        assert len(sent()) == 25
    await until(november(18, 19, 0))
    assert await say("老赵", direct, "催办 8") == "8号没回的都催过3次了，请上门问一声。"
    await until(november(18, 20, 0))
    ((to, listed),) = sent()
    assert to == "老赵"
    assert listed.startswith("8号「清洗水箱停水」3栋还有23户没回：3栋2单元 102程爱华")

    # What comes again belongs to the community: it outlives the secretary who wrote it.
    assert await say("张敏", direct, "定时广播 每周五18点 3栋 周末垃圾分类，请分好再扔") == (
        "广播预览：周末垃圾分类，请分好再扔（每周五18点，11月20日 周五 18:00）\n"
        "给 3栋：29户35人。\n发到：3栋群。\n发送请回复 确认，不发回复 取消。"
    )
    assert await say("张敏", direct, "确认") == (
        "11号已定：每周五18点 发给 3栋，下一次11月20日 周五 18:00。\n"
        "归锦绣社区管，换了人也照发；不发了请发 取消广播 11。"
    )
    for text in ("任命 孙丽 社区书记", "确认", "免去 张敏 社区书记", "确认"):
        await say("张敏", direct, text)
    assert [to for to, _ in sent()] == ["孙丽"]
    await until(november(19, 9, 0))
    assert sent() == [
        ("孙丽", "锦绣社区的循环广播现在归您：11号 每周五18点「垃圾分类」。\n照发不用管；不发了请发 取消广播 11。")
    ]
    assert await say("张敏", direct, "取消广播 11") == "没有11号广播，或不归您管。看看有哪些请发 广播列表。"
    await until(november(20, 18, 5))
    assert [one for one in sent() if not one[1].startswith(DAY_BEFORE)] == [
        (GROUP_3, "【锦绣社区通知 12】周末垃圾分类，请分好再扔"),
        ("孙丽", "12号「垃圾分类」发完了：3栋群已发。"),
    ]
    assert await say("孙丽", direct, "取消广播 11") == (
        "11号是每周五18点循环发的「垃圾分类」，要停发吗？\n停发请回复 确认。"
    )
    assert await say("孙丽", direct, "确认") == "已停发11号「垃圾分类」（每周五18点）。"
    await until(november(27, 18, 5))
    assert [(to, text) for to, text in sent() if "垃圾分类" in text] == []
