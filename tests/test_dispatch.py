"""What holds for every message: chatter, open questions, order, bugs, a busy database."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from bot.books import Books, BooksBusy, Unit
from bot.channels import Unavailable
from bot.dispatch import Dispatcher, Heard
from bot.script import Line
from handlers import FEATURES
from handlers.chat import Answer, Quote, Reply, Router, Turn
from models.counters import Counter
from models.inbox import Inbox, Trouble
from tests.dialogue import ON_SQLITE, count_rows, direct, grown, incoming, november, rows, silence, talk
from tests.fakes.street import Street, open_street

OPEN = november(21, 8, 55)
PUBLISHING = "发布活动 周日9点 包饺子 活动室"
PREVIEW = (
    "【包饺子】11月22日 周日 9:00-11:00\n地点：活动室；名额：不限；积分：按社区规则\n发布请回复 确认，不发回复 取消。"
)
PUBLISHED = "已发布 {}号活动「包饺子」11月22日 周日 9:00-11:00，活动室。\n想参加的邻居请发 报名 {}。"
NOTHING_PENDING = "现在没有等您回复的事。看看我会什么，请发 帮助。"
WHICH = "报名 哪一个？请回复数字：\n1 12号 清洁家园\n2 13号 义诊\n3 14号 反诈宣传"
DOCTOR = "已给 王秀英 报名「义诊」，还剩29个名额。\n11月22日 周日 9:00，活动室。"

CHATTER = """
签到那家火锅店满减
谁值日谁倒垃圾呗
我同意你妈说的
报名表在哪打印
收到货再给好评
换个话题吧
签到了吗你们
我昨天就签到了
还没签到呢
怎么签到啊
孩子的钢琴班报名费好贵
报名截止了没
我给孩子报名了英语班
活动室的门谁锁的
活动活动筋骨
这次活动真热闹
积分换的洗衣液真香
超市积分快过期了
你们的积分是多少
排行榜上那首歌挺好听
加分项是什么
给老赵加分的话我没意见
扣分也太狠了吧
撤销那个群公告
谁把消息撤回了
帮助别人快乐自己
绑定银行卡要小心
通过率怎么样
驳回了我的申请
取消报名的人真多
12号楼停电了吗
12
好的
是的
确认过眼神
不去了不去了
我也去，带俩夹子
收到
签退休金到账了没
申诉期过了吧
周六那个扫院子的还要人不
@老赵 晚上签到别忘了
周六的清洁家园几点
清洁家园
哈哈哈哈[呲牙]
#接龙 草莓 35一筐
1. 601 两筐
""".strip().splitlines()
"""An evening of a group: every verb of the bot, and nothing meant for it."""


async def test_chatter_writes_nothing_and_is_answered_by_silence(street: Street) -> None:
    assert len(CHATTER) >= 40
    await street.until(OPEN)
    before = await count_rows(street.house)
    answered = {text: reply for text in CHATTER if (reply := await street.say("王秀英", text, where="3栋群"))}
    assert answered == {}
    assert grown(before, await count_rows(street.house)) == {}
    # The same group, the same person: what is meant for the bot does write.
    assert await street.say("王秀英", "签到", where="3栋群")
    assert grown(before, await count_rows(street.house)) != {}


@ON_SQLITE
async def test_small_talk_with_the_bot_is_answered_and_writes_nothing(street: Street) -> None:
    before = await count_rows(street.house)
    for text in ("谢谢", "你好", "今天天气真好", "在吗", "帮我买菜", "你是谁呀"):
        assert await street.say("王秀英", text)
        assert await street.say("王秀英", f"@小邻 {text}", where="3栋群")
    assert grown(before, await count_rows(street.house)) == {}


# -- open questions ----------------------------------------


async def test_a_question_is_answered_by_the_one_who_was_asked_where_they_were_asked(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", "3栋群", f"@小邻 {PUBLISHING}", PREVIEW),
            ("孙丽", "3栋群", "确认", silence),
            ("孙丽", "3栋群", "@小邻 确认", NOTHING_PENDING),
            ("张敏", "党员群", "确认", silence),
            ("张敏", "党员群", "@小邻 确认", NOTHING_PENDING),
            ("张敏", direct, "确认", NOTHING_PENDING),
            # Something else in between changes nothing.
            (
                "张敏",
                "3栋群",
                "积分规则",
                "【积分规则】参加活动每次2分，满一小时再加1分；节日当天按200%\n以活动上写的分数为准。",
            ),
            ("张敏", "3栋群", "报名 13", "已给 张敏 报名「义诊」，还剩29个名额。\n11月22日 周日 9:00，活动室。"),
            # What is said to neighbours is no 确认, nor is a number.
            ("张敏", "3栋群", "好的", silence),
            ("张敏", "3栋群", "2", silence),
            ("张敏", "3栋群", "@小邻 2", "请回复 确认 或 取消。"),
            ("张敏", "3栋群", "确认", PUBLISHED.format(15, 15)),
            ("张敏", "3栋群", "确认", silence),
            ("张敏", "3栋群", "@小邻 确认", NOTHING_PENDING),
        ],
    )


@ON_SQLITE
async def test_a_plain_yes_right_after_the_question_answers_it_and_one_to_somebody_else_does_not(
    street: Street,
) -> None:
    ask = ("张敏", "3栋群", f"@小邻 {PUBLISHING}", PREVIEW)
    await talk(
        street,
        [
            ask,
            ("李建国", "3栋群", "好的", silence),
            ("张敏", "3栋群", "好的", silence),
            ask,
            ("王秀英", "3栋群", "张书记，晚上来吗", silence),
            ("张敏", "3栋群", "好的", silence),
            ask,
            # Said on by whoever was asked, it answers what they have said themselves.
            ("张敏", "3栋群", "大家看看行不", silence),
            ("张敏", "3栋群", "好的", silence),
            ask,
            november(17, 19, 32),
            ("张敏", "3栋群", "好的", silence),
            ask,
            ("张敏", "5栋群", "好的", silence),
            ("张敏", "3栋群", "好的", PUBLISHED.format(15, 15)),
            ("张敏", "3栋群", "好的", silence),
        ],
    )


@ON_SQLITE
async def test_a_newer_question_takes_the_place_of_the_older(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", direct, PUBLISHING, PREVIEW),
            ("张敏", direct, "发布活动 周日9点 合唱 活动室", PREVIEW.replace("包饺子", "合唱")),
            ("张敏", direct, "确认", PUBLISHED.format(15, 15).replace("包饺子", "合唱")),
            ("张敏", direct, "确认", NOTHING_PENDING),
        ],
    )


@ON_SQLITE
async def test_after_its_time_a_question_is_answered_too_late_once(street: Street) -> None:
    late = "等得太久了，刚才那件没有办。还要办的话，请重新发一次。"
    await talk(
        street,
        [
            ("张敏", "3栋群", f"@小邻 {PUBLISHING}", PREVIEW),
            november(17, 20, 0),
            ("张敏", "3栋群", "好的", silence),
            november(17, 20, 1),
            ("张敏", "3栋群", "好的", silence),
            ("孙丽", "3栋群", "确认", silence),
            ("张敏", "3栋群", "确认", late),
            ("张敏", "3栋群", "确认", silence),
            ("张敏", direct, PUBLISHING, PREVIEW),
            november(17, 20, 30),
            ("张敏", direct, "好的", PUBLISHED.format(15, 15)),
        ],
    )


@ON_SQLITE
async def test_a_number_answers_within_its_range_and_only_while_it_is_asked(street: Street) -> None:
    await talk(
        street,
        [
            ("王秀英", "3栋群", "报名", WHICH),
            ("王秀英", "3栋群", "4", "请回复 1 到 3 里的一个数。"),
            ("王秀英", "3栋群", "好的", silence),
            ("王秀英", "3栋群", "@小邻 好的", "请回复 1 到 3 里的一个数。"),
            ("李建国", "3栋群", "2", silence),
            ("王秀英", "5栋群", "2", silence),
            ("王秀英", "3栋群", "第二个", DOCTOR),
            ("王秀英", "3栋群", "3", silence),
            ("王秀英", direct, "报名", WHICH),
            ("王秀英", direct, "不用了", "好的，不办了。"),
            ("王秀英", direct, "1", NOTHING_PENDING),
            ("王秀英", direct, "报名", WHICH),
            november(17, 19, 36),
            ("王秀英", direct, "1", "等得太久了，刚才那件没有办。还要办的话，请重新发一次。"),
        ],
    )


async def test_a_question_outlives_the_process_that_asked_it(demo_url: str) -> None:
    first = await open_street(demo_url)
    await talk(first, [("张敏", "3栋群", f"@小邻 {PUBLISHING}", PREVIEW)])
    await first.house.close()
    second = await open_street(demo_url)
    await talk(second, [("张敏", "3栋群", "确认", PUBLISHED.format(15, 15))])
    await second.house.close()


@pytest.mark.parametrize("same", [True, False], ids=["one message", "two messages"])
async def test_confirmations_heard_by_two_houses_at_once_publish_once(demo_url: str, same: bool) -> None:
    here, there = await open_street(demo_url), await open_street(demo_url)
    try:
        for number in range(15, 23):
            await here.say("张敏", PUBLISHING)
            first = incoming(here, "张敏", "确认", message_id=f"first-{number}")
            second = first if same else incoming(there, "张敏", "确认", message_id=f"second-{number}")
            answers = await asyncio.gather(here.house.dispatcher.answer(first), there.house.dispatcher.answer(second))
            published = PUBLISHED.format(number, number)
            assert sorted(heard.reply.text for heard in answers) == sorted(
                [published, published if same else NOTHING_PENDING]
            )
        last = await here.house.books.read(
            lambda s: s.scalar(select(Counter.last).where(Counter.community_id == 1, Counter.kind == "activity"))
        )
        assert last == 22
    finally:
        for street in (here, there):
            await street.house.close()


async def test_questions_asked_by_two_houses_at_once_leave_one_open(demo_url: str) -> None:
    here, there = await open_street(demo_url), await open_street(demo_url)
    try:
        for _ in range(8):
            answers = await asyncio.gather(
                *(street.house.dispatcher.answer(incoming(street, "张敏", PUBLISHING)) for street in (here, there))
            )
            assert [heard.reply.text for heard in answers] == [PREVIEW, PREVIEW]
        assert await here.say("张敏", "确认") == PUBLISHED.format(15, 15)
        assert await there.say("张敏", "确认") == NOTHING_PENDING
    finally:
        for street in (here, there):
            await street.house.close()


# -- the same message, and the order of messages ----------------------------------------


@ON_SQLITE
async def test_a_message_gets_its_stored_answer_even_when_the_world_has_changed(street: Street) -> None:
    street.twice = False
    line = Line("王秀英", "3栋群", "报名 12 2人", message_id="once")
    first = await street.play(line)
    await street.say("王秀英", "取消报名 12", where="3栋群")
    await street.until(november(22, 12))
    again = await street.play(line)
    assert (again.reply, again.ref, again.outcome) == (first.reply, first.ref, "repeated")
    # The same id on another channel, or another text under another id, is another message.
    stored = await street.house.books.read(
        lambda s: [
            tuple(row) for row in s.execute(select(Inbox.channel, Inbox.outcome).where(Inbox.message_id == "once"))
        ]
    )
    assert stored == [("simulator", "act")]


@ON_SQLITE
async def test_what_comes_next_is_one_tap(street: Street) -> None:
    async def offered(who: str, text: str, where: str = "") -> list[str]:
        played = await street.play(Line(who, where, text, message_id=uuid.uuid4().hex))
        return [button.say for button in played.buttons]

    assert await offered("陈美玲", "活动 13") == ["报名 13", "每次都来 13"]
    assert await offered("陈美玲", "报名 13") == ["取消报名 13"]
    assert await offered("陈美玲", "活动 13") == ["取消报名 13"]
    assert await offered("陈美玲", "取消报名 13") == ["报名 13"]
    assert (await offered("陈美玲", "帮助"))[0] == "活动"
    assert await offered("陈美玲", "@小邻 帮助", "3栋群") == []
    await street.until(november(21, 7, 1))
    reminded = {push.to: push.buttons for push in street.pushes if push.text.startswith("提醒")}
    assert [button.say for button in reminded["3栋群"]] == ["签到 12", "取消报名 12"]
    await street.until(november(21, 8, 55))
    assert await offered("王秀英", "签到", "3栋群") == ["签退 12"]


async def test_a_question_has_a_button_for_each_of_its_answers_and_keeps_them(street: Street) -> None:
    line = Line("王秀英", "", "报名", message_id="which")
    first, again = await street.play(line), await street.play(line)
    assert first.reply.startswith("报名 哪一个？请回复数字：")
    assert [button.say for button in first.buttons] == ["1", "2", "3"]
    assert (again.outcome, again.buttons) == ("repeated", first.buttons)
    asked = await street.play(Line("张敏", "", "发布活动 周六9点 清洁家园 中心花园 20人 5分"))
    assert [(button.label, button.say) for button in asked.buttons] == [("确认", "确认"), ("取消", "取消")]


async def test_messages_of_one_person_take_effect_in_the_order_of_arrival(street: Street) -> None:
    texts = ["报名 12", "取消报名 12"] * 10 + ["报名 12 3人"]
    heard = await asyncio.gather(*(street.house.dispatcher.answer(incoming(street, "王秀英", text)) for text in texts))
    assert [one.outcome for one in heard] == ["act"] * 21
    assert (
        heard[-1].reply.text == "已给 王秀英 报名「清洁家园」（共3人），还剩10个名额。\n11月21日 周六 9:00，中心花园。"
    )


# -- several commands in one message ----------------------------------------

opening = Router("opening")


@opening.command("knock", "敲敲门", writes=True, role=None)
def knock(turn: Turn) -> Answer:
    turn.wrote("knock", 1)
    return "门开了。"


async def test_what_a_stranger_did_is_kept_though_the_rest_of_the_message_is_refused(street: Street) -> None:
    listening = dispatcher(street)
    before = await count_rows(street.house)
    message = incoming(street, "陌生人", "敲敲门\n报名 12")
    answer = "门开了。\n我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"
    assert (await listening.answer(message)) == Heard(Reply(answer), "act")
    assert (await listening.answer(message)) == Heard(Reply(answer), "repeated")
    assert grown(before, await count_rows(street.house)) == {"audit": 1, "inbox": 1}


@ON_SQLITE
async def test_a_later_command_of_a_message_finds_what_an_earlier_one_did(street: Street) -> None:
    await talk(
        street,
        [
            (
                "王秀英",
                "3栋群",
                "@小邻 报名 13",
                "已给 王秀英 报名「义诊」，还剩29个名额。\n11月22日 周日 9:00，活动室。",
            ),
            (
                "王秀英",
                "3栋群",
                "@小邻 取消报名 13\n撤销",
                "已取消 王秀英 的「义诊」报名。谢谢告诉大家！\n已恢复「义诊」的报名。",
            ),
        ],
    )


# -- bugs and faults ----------------------------------------

broken = Router("broken")


@broken.command("break_down", "出故障", writes=True, role=None)
def break_down(turn: Turn) -> Answer:
    turn.session.execute(insert(Counter), {"community_id": turn.community.id, "kind": "broken", "last": 1})
    raise RuntimeError("a bug in a handler")


@broken.command("break_reading", "读故障", role=None)
def break_reading(turn: Turn) -> Answer:
    raise ZeroDivisionError


def dispatcher(street: Street, books: Books | None = None, **more: Any) -> Dispatcher:
    """The street's dispatcher with a feature open to all and one that breaks, or with other books."""
    house = street.house
    return Dispatcher(
        books=books or house.books,
        clock=house.clock,
        wall=house.wall,
        features=(*FEATURES, opening, broken),
        rules=house.rules,
        **more,
    )


async def test_a_bug_is_answered_by_an_apology_and_the_message_is_kept(street: Street) -> None:
    told: list[tuple[str, str]] = []
    listening = dispatcher(street, heard=lambda channel, outcome, _seconds: told.append((channel, outcome)))
    before = await count_rows(street.house)
    quote = Quote("bot", "12号", "activity:12")
    message = incoming(street, "王秀英", "出故障", message_id="0123456789abcdef", quote=quote)
    heard = await listening.answer(message)
    assert (heard.reply.text, heard.outcome) == (
        "对不起，这条我没处理好，已经记下来了（编号 456789abcdef）。\n请过一会儿再试，或联系社区。",
        "failed",
    )
    assert grown(before, await count_rows(street.house)) == {"troubles": 1}

    def kept(session: Session) -> tuple[Any, ...]:
        row = session.execute(select(Trouble.channel, Trouble.message_id, Trouble.error, Trouble.incoming)).one()
        return (*row[:3], row.incoming["text"], row.incoming["quote"])

    assert await street.house.books.read(kept) == (
        "simulator",
        "0123456789abcdef",
        "RuntimeError: a bug in a handler",
        "出故障",
        {"author": "bot", "text": "12号", "ref": "activity:12"},
    )
    assert (await listening.answer(incoming(street, "王秀英", "读故障"))).outcome == "failed"
    # The next message is answered as if nothing had been.
    assert (await listening.answer(incoming(street, "王秀英", "报名 13"))).outcome == "act"
    assert told == [("simulator", "failed"), ("simulator", "failed"), ("simulator", "act")]


@ON_SQLITE
async def test_a_bug_is_answered_where_the_bot_was_mentioned_in_a_group_that_it_overhears(street: Street) -> None:
    message = incoming(street, "王秀英", "@小邻 出故障", where="3栋群", message_id="0123456789abcdef")
    heard = await dispatcher(street).answer(message)
    assert (heard.reply.text[:16], heard.outcome) == ("对不起，这条我没处理好，已经记下", "failed")


@ON_SQLITE
async def test_a_bug_in_talk_that_was_only_overheard_is_kept_in_silence(street: Street) -> None:
    heard = await dispatcher(street).answer(incoming(street, "王秀英", "出故障", where="3栋群"))
    assert (heard.reply.text, heard.outcome) == (silence, "failed")
    assert (await count_rows(street.house))["troubles"] == 1


class Busy(Books):
    """Books whose disk or server is away for a while."""

    def __init__(self, books: Books, *, reads: bool) -> None:
        super().__init__()
        self._books = books
        self._reads = reads

    async def write(self, unit: Unit[Any]) -> Any:
        raise BooksBusy("database is locked")

    async def read(self, unit: Unit[Any]) -> Any:
        if not self._reads:
            raise BooksBusy("database is locked")
        return await self._books.read(unit)

    async def moved(self) -> bool:
        return False


@ON_SQLITE
async def test_busy_books_let_the_platform_try_again(street: Street) -> None:
    told: list[str] = []
    writes = dispatcher(
        street, Busy(street.house.books, reads=True), heard=lambda _c, outcome, _s: told.append(outcome)
    )
    with pytest.raises(Unavailable):
        await writes.hear(incoming(street, "王秀英", "报名 12"))
    # What only reads is answered all the same.
    assert (await writes.hear(incoming(street, "王秀英", "活动"))).text.startswith("12号 清洁家园")
    nothing = dispatcher(street, Busy(street.house.books, reads=False))
    with pytest.raises(Unavailable):
        await nothing.hear(incoming(street, "王秀英", "活动"))
    assert told == ["busy", "read"]
    assert (await count_rows(street.house))["troubles"] == 0


@ON_SQLITE
async def test_closed_books_let_the_platform_try_again(street: Street, sqlite_url: str) -> None:
    closed = await Books.open(sqlite_url, threads=1)
    listening = dispatcher(street, closed)
    await listening.answer(incoming(street, "王秀英", "活动"))
    await closed.close()
    with pytest.raises(Unavailable):
        await listening.hear(incoming(street, "王秀英", "报名 12"))


# -- understanding without doing ----------------------------------------


@pytest.fixture
async def quiet(street: Street) -> AsyncIterator[Street]:
    """A street on which nothing may be written."""
    before = await street.house.books.read(rows)
    yield street
    assert grown(before, await street.house.books.read(rows)) == {}


@ON_SQLITE
async def test_understand_says_what_would_be_done_and_does_nothing(quiet: Street) -> None:
    async def understand(text: str, **more: Any) -> Any:
        message = incoming(quiet, "", text, where=more.pop("where", "3栋群"))
        meant = await quiet.house.dispatcher.understand(message, **more)
        return meant["intent"], meant["slots"], meant["outcome"]

    assert await understand("报名 12 两个人") == ("signup", {"activity": "12", "count": 2}, "act")
    assert await understand("签到那家火锅店满减") == ("smalltalk", {}, "ignore")
    assert (await understand("签到", at=OPEN)) == ("checkin", {"activity": "12"}, "act")
    assert (await understand(f"@小邻 {PUBLISHING}"))[2] == "deny"
    assert await understand("确认", where=direct) == ("confirm", {"yes": True}, "act")


# -- asking back about what was only heard ----------------------------------------


@ON_SQLITE
async def test_a_misheard_verb_is_asked_about_and_done_on_yes(street: Street) -> None:
    await talk(
        street,
        [
            ("王秀英", "3栋群", "报明 13", "是 报名 13号 义诊 吗？回复 是。"),
            ("王秀英", "3栋群", "是", "已给 王秀英 报名「义诊」，还剩29个名额。\n11月22日 周日 9:00，活动室。"),
        ],
    )


@ON_SQLITE
async def test_a_misheard_verb_is_forgotten_after_five_minutes_and_blocks_nothing(street: Street) -> None:
    await talk(
        street,
        [
            ("王秀英", "3栋群", "报明 13", "是 报名 13号 义诊 吗？回复 是。"),
            ("李建国", "3栋群", "是", silence),
            (
                "李建国",
                "3栋群",
                "活动 13",
                "13号「义诊」11月22日 周日 9:00-11:00（每月第4个周日都有）\n地点：活动室；名额：0/30；积分：3分"
                "\n报名请发 报名 13；次次都来请发 每次都来 13。",
            ),
            november(17, 19, 36),
            ("王秀英", "3栋群", "是", "等得太久了，刚才那件没有办。还要办的话，请重新发一次。"),
        ],
    )


@ON_SQLITE
async def test_a_person_is_answered_in_their_own_script(street: Street) -> None:
    await talk(
        street,
        [("王秀英", "3栋群", "報名 １３", "已給 王秀英 報名「義診」，還剩29個名額。\n11月22日 週日 9:00，活動室。")],
    )
