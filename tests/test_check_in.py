"""签到 and 签退 as they are said: what is heard, what is in the books, and that a storm of copies changes nothing."""

import asyncio
from collections import Counter
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot.dispatch import Heard
from bot.script import Line, Push
from handlers.chat import Quote
from models import points
from models.audit import Audit
from models.check_in import CheckIn, CheckOut
from models.ledger import Balance, Currency
from models.members import Member
from tests.dialogue import ON_SQLITE, count_rows, direct, grown, incoming, november, silence, talk
from tests.fakes.street import Street, open_street
from tests.moments import SATURDAY

OPEN = november(21, 8, 55)
"""Five minutes before 清洁家园 begins; its check-in opened at 8:30."""


MORNING_EXERCISE = (
    (
        "张敏",
        direct,
        "发布活动 周六9点 晨练 活动室 3分",
        "【晨练】11月21日 周六 9:00-11:00\n地点：活动室；名额：不限；积分：3分\n发布请回复 确认，不发回复 取消。",
    ),
    (
        "张敏",
        direct,
        "确认",
        "已发布 15号活动「晨练」11月21日 周六 9:00-11:00，活动室。\n想参加的邻居请发 报名 15。",
    ),
)
"""A second activity at the hour of the clean-up."""


def came(session: Session) -> list[tuple[str, bool]]:
    """Who checked in to activity 12, and whether it stands."""
    found = session.execute(
        select(Member.name, CheckIn.undone_at)
        .join(CheckIn, CheckIn.member_id == Member.id)
        .where(CheckIn.at >= november(21, 0))
        .order_by(CheckIn.id)
    )
    return [(row.name, row.undone_at is None) for row in found]


def balance(name: str, currency: Currency = Currency.POINTS) -> Any:
    def unit(session: Session) -> int | None:
        return session.scalar(
            select(Balance.amount)
            .join(Member, Balance.member_id == Member.id)
            .where(Member.name == name, Balance.currency == currency)
        )

    return unit


async def test_coming_and_going_earn_points_and_minutes(street: Street) -> None:
    await talk(
        street,
        [
            OPEN,
            (
                "王秀英",
                "3栋群",
                "签到",
                "王秀英，「清洁家园」签到成功 8:55，积分+5（现有21分）。\n走的时候发一声 签退。",
            ),
            ("王秀英", "3栋群", "签到", "您在「清洁家园」已经签过到了（11月21日 周六 8:55），不用再签。"),
            november(21, 10, 47),
            (
                "王秀英",
                "3栋群",
                "签退",
                "王秀英，「清洁家园」签退成功，记服务时长 1小时47分，积分+1（现有22分），辛苦了！",
            ),
            ("王秀英", "3栋群", "签退", "您在「清洁家园」已经签退过了，记了107分钟。"),
        ],
    )
    assert await street.house.books.read(came) == [("王秀英", True)]
    assert await street.house.books.read(balance("王秀英")) == 22
    assert await street.house.books.read(balance("王秀英", Currency.RECORDED_MINUTES)) == 309 + 107


@ON_SQLITE
async def test_a_check_in_is_refused_with_the_reason(street: Street) -> None:
    await talk(
        street,
        [
            ("王秀英", "3栋群", "签到", silence),
            ("王秀英", "3栋群", "@小邻 签到", "现在没有可以签到的活动。看看有哪些活动，请发 活动。"),
            ("王秀英", direct, "签到", "现在没有可以签到的活动。看看有哪些活动，请发 活动。"),
            ("王秀英", "3栋群", "签到 12", "「清洁家园」还没到签到时间，11月21日 周六 8:30 开始签到。"),
            ("王秀英", "3栋群", "签到 99", silence),
            ("王秀英", "3栋群", "@小邻 签到 99", "没有找到 99号活动。看看有哪些活动，请发 活动。"),
            ("王秀英", direct, "签退", "您现在没有签到中的活动，不用签退。"),
            ("王秀英", "3栋群", "@小邻 签退 12", "您还没有在「清洁家园」签到，先发 签到 12。"),
            november(21, 11),
            (
                "王秀英",
                "3栋群",
                "@小邻 签到 12",
                "「清洁家园」已经结束了（11月21日 周六 11:00）。您来过的话，请发 补签 12 加一句情况，组织者会看。",
            ),
            ("陌生人", direct, "签到 12", "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
            ("陌生人", "3栋群", "@小邻 签到 12", "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
        ],
    )
    assert await street.house.books.read(came) == []


WAYS = {
    "王秀英": "签到",
    "李建国": "签到 12",
    "陈阿姨": "签到12号",
    "老赵": "签到 清洁家园",
    "陈美玲": "我到了，签到",
    "孙姐": "打卡！",
    "老魏": "签到吧～",
    "何叔": "12 签到",
    "何婶": "签到１２",
    "小吴": "@小邻 麻烦帮我签到，谢谢",
}
"""Some of the hundred ways, each by somebody else."""


PARTY = {"陈美玲": "（共3人）", "何叔": "（共2人）"}
"""Who signed up with companions."""


def done(name: str, balance: int | None) -> str:
    earned = f"积分+5（现有{(balance or 0) + 5}分）。\n走的时候发一声 签退。"
    return f"{name}，「清洁家园」签到成功 8:55{PARTY.get(name, '')}，{earned}"


@ON_SQLITE
async def test_many_ways_of_saying_it_in_a_group_check_in(street: Street) -> None:
    await street.until(OPEN)
    for name, said in WAYS.items():
        expected = done(name, await street.house.books.read(balance(name)))
        await talk(street, [(name, "3栋群", said, expected)])
    assert await street.house.books.read(came) == [(name, True) for name in WAYS]


@ON_SQLITE
async def test_whoever_writes_traditional_script_is_answered_in_it(street: Street) -> None:
    await talk(
        street,
        [
            OPEN,
            (
                "王秀英",
                "3栋群",
                "簽到12",
                "王秀英，「清潔家園」簽到成功 8:55，積分+5（現有21分）。\n走的時候發一聲 簽退。",
            ),
        ],
    )


QUOTES = {
    "王秀英": Quote("bot", ref="activity:12"),
    "李建国": Quote("", ref="activity:12"),
    "陈阿姨": Quote("bot", text="12号「清洁家园」11月21日 周六 9:00-11:00\n地点：中心花园；名额：7/20；积分：5分"),
}
"""The bot's card as the platforms hand it on: by its reference, or only by its text."""


@ON_SQLITE
async def test_quoting_the_card_names_the_activity(street: Street) -> None:
    await talk(street, [*MORNING_EXERCISE, OPEN])
    for name, quote in QUOTES.items():
        expected = done(name, await street.house.books.read(balance(name)))
        assert await street.say(name, "签到", where="3栋群", quote=quote) == expected


@ON_SQLITE
async def test_where_several_are_open_the_number_is_asked_once(street: Street) -> None:
    await talk(
        street,
        [
            *MORNING_EXERCISE,
            OPEN,
            (
                "王秀英",
                "3栋群",
                "签到",
                "现在有好几个活动可以签到，是哪一个？请回复序号：\n1 12号 清洁家园\n2 15号 晨练",
            ),
            ("李建国", "3栋群", "2", silence),
            ("王秀英", "3栋群", "3", "请回复 1 到 2 里的一个数。"),
            ("王秀英", "3栋群", "好的", silence),
            ("王秀英", "5栋群", "2", silence),
            ("王秀英", "3栋群", "2", "王秀英，「晨练」签到成功 8:55，积分+3（现有19分）。\n走的时候发一声 签退。"),
            ("王秀英", "3栋群", "2", silence),
            # She is at one of the two only, so 签退 needs no number.
            ("王秀英", "3栋群", "签退", "王秀英，「晨练」签退成功，记服务时长 0分钟，辛苦了！"),
            (
                "李建国",
                "3栋群",
                "签到 12",
                "李建国，「清洁家园」签到成功 8:55，积分+5（现有9分）。\n走的时候发一声 签退。",
            ),
            (
                "李建国",
                "3栋群",
                "签到 15",
                "李建国，「晨练」签到成功 8:55，积分+3（现有12分）。\n走的时候发一声 签退。",
            ),
            (
                "李建国",
                "3栋群",
                "签退",
                "您在好几个活动签到了，要签退哪一个？请回复序号：\n1 15号 晨练\n2 12号 清洁家园",
            ),
            november(21, 10),
            (
                "李建国",
                "3栋群",
                "签退",
                "您在好几个活动签到了，要签退哪一个？请回复序号：\n1 15号 晨练\n2 12号 清洁家园",
            ),
            (
                "李建国",
                "3栋群",
                "第二个",
                "李建国，「清洁家园」签退成功，记服务时长 1小时，积分+1（现有13分），辛苦了！",
            ),
        ],
    )


@ON_SQLITE
async def test_whoever_forgets_to_check_out_is_checked_out_at_the_planned_end(street: Street) -> None:
    pushes = await talk(
        street,
        [
            november(21, 8, 30),
            (
                "王秀英",
                "3栋群",
                "签到",
                "王秀英，「清洁家园」签到成功 8:30，积分+5（现有21分）。\n走的时候发一声 签退。",
            ),
            november(21, 10, 30),
            (
                "李建国",
                "3栋群",
                "签到",
                "李建国，「清洁家园」签到成功 10:30，积分+5（现有9分）。\n走的时候发一声 签退。",
            ),
            november(21, 12),
        ],
    )
    assert [push for push in pushes if not push.text.startswith(("提醒", "小结草稿"))] == [
        Push(
            "王秀英",
            "「清洁家园」已经结束，您没有签退，我按11:00帮您签退了，记服务时长 2小时，积分+2。\n下次走的时候发一声 签退，时间就记得准。",
        ),
        Push(
            "李建国",
            "「清洁家园」已经结束，您没有签退，我按11:00帮您签退了，记服务时长 30分钟。\n下次走的时候发一声 签退，时间就记得准。",
        ),
    ]

    def closed(session: Session) -> list[Any]:
        return [
            tuple(row)
            for row in session.execute(
                select(CheckOut.at, CheckOut.minutes, CheckOut.made_by)
                .where(CheckOut.at > november(21, 8))
                .order_by(CheckOut.id)
            )
        ]

    assert await street.house.books.read(closed) == [(november(21, 11), 120, None), (november(21, 11), 30, None)]


@ON_SQLITE
async def test_the_cap_of_a_day_leaves_the_check_in_without_points(street: Street) -> None:
    capped = points.Rule(2, 1, 5, 0, 100, 20, 6, 100)
    await street.house.books.write(
        lambda session: points.set_rule(session, community_id=1, kind="activity", rule=capped, since=november(20, 0))
    )
    await talk(
        street,
        [
            OPEN,
            (
                "王秀英",
                "3栋群",
                "签到",
                "王秀英，「清洁家园」签到成功 8:55，积分+5（现有21分）。\n走的时候发一声 签退。",
            ),
            november(21, 10, 30),
            ("王秀英", "3栋群", "签退", "王秀英，「清洁家园」签退成功，记服务时长 1小时30分，辛苦了！"),
            # A new day, a new cap.
            november(22, 9),
            ("王秀英", "3栋群", "签到", "王秀英，「义诊」签到成功 9:00，积分+3（现有24分）。\n走的时候发一声 签退。"),
            november(22, 14, 30),
            # 义诊 was closed for her at 11:00 and took what was left of the day's cap.
            ("王秀英", "3栋群", "签到 14", "王秀英，「反诈宣传」签到成功 14:30。\n走的时候发一声 签退。"),
            (
                "孙姐",
                "3栋群",
                "签到 14",
                "孙姐，「反诈宣传」签到成功 14:30，积分+3（现有13分）。\n走的时候发一声 签退。",
            ),
        ],
    )


@ON_SQLITE
async def test_a_name_that_wants_to_be_hidden_is_masked_in_the_group_only(street: Street) -> None:
    await street.house.books.write(
        lambda session: session.execute(update(Member).where(Member.name == "王秀英").values(hides_name=True))
    )
    await talk(
        street,
        [
            OPEN,
            (
                "王秀英",
                "3栋群",
                "签到",
                "王*英，「清洁家园」签到成功 8:55，积分+5（现有21分）。\n走的时候发一声 签退。",
            ),
            november(21, 10),
            ("王秀英", direct, "签退", "王秀英，「清洁家园」签退成功，记服务时长 1小时，积分+1（现有22分），辛苦了！"),
        ],
    )


async def test_fifty_copies_of_a_message_at_once_have_one_effect_and_one_answer(street: Street) -> None:
    await street.until(OPEN)
    before = await count_rows(street.house)
    message = incoming(street, "王秀英", "@小邻 签到 12", where="3栋群", message_id="storm")
    answers = await asyncio.gather(*(street.house.dispatcher.answer(message) for _ in range(50)))
    assert Counter(heard.reply.text for heard in answers) == {
        "王秀英，「清洁家园」签到成功 8:55，积分+5（现有21分）。\n走的时候发一声 签退。": 50
    }
    assert Counter(heard.outcome for heard in answers) == {"act": 1, "repeated": 49}
    assert {heard.reply.ref for heard in answers} == {"activity:12"}
    assert grown(before, await count_rows(street.house)) == {
        "check_ins": 1, "transfers": 1, "audit": 1, "inbox": 1, "monthly_totals": 1,
    }  # fmt: skip
    assert await street.house.books.read(balance("王秀英")) == 21


async def test_copies_of_a_message_split_over_two_houses_have_one_effect(demo_url: str) -> None:
    """Two processes behind one balancer: nothing in memory tells them of each other, only the books do."""
    here, there = await open_street(demo_url), await open_street(demo_url)
    try:
        for street in (here, there):
            await street.until(OPEN)
        before = await count_rows(here.house)
        for number in range(8):
            message = incoming(here, "王秀英", "@小邻 签到 12", where="3栋群", message_id=f"split-{number}")
            answers: list[Heard] = await asyncio.gather(
                *(street.house.dispatcher.answer(message) for street in (here, there) for _ in range(5))
            )
            assert len({heard.reply.text for heard in answers}) == 1, answers
        grown_by = grown(before, await count_rows(here.house))
        assert (grown_by["check_ins"], grown_by["transfers"], grown_by["audit"], grown_by["inbox"]) == (1, 1, 1, 8)
        assert await here.violations() == []
    finally:
        for street in (here, there):
            await street.house.close()


async def test_two_different_messages_of_one_person_at_once_make_one_check_in(demo_url: str) -> None:
    here, there = await open_street(demo_url), await open_street(demo_url)
    try:
        for street in (here, there):
            await street.until(OPEN)
        people = ["王秀英", "李建国", "陈阿姨", "老赵", "陈美玲", "孙姐"]
        answers = await asyncio.gather(
            *(
                street.house.dispatcher.answer(incoming(street, name, "@小邻 签到", where="3栋群"))
                for name in people
                for street in (here, there)
            )
        )
        for name, pair in zip(people, zip(answers[::2], answers[1::2], strict=True), strict=True):
            outcomes = sorted(heard.outcome for heard in pair)
            assert outcomes == ["act", "refused"], name
            (refused,) = (heard.reply.text for heard in pair if heard.outcome == "refused")
            assert refused == "您在「清洁家园」已经签过到了（11月21日 周六 8:55），不用再签。"
        assert sorted(await here.house.books.read(came)) == sorted((name, True) for name in people)
        assert await here.violations() == []
    finally:
        for street in (here, there):
            await street.house.close()


@ON_SQLITE
async def test_every_check_in_is_in_the_audit_with_person_group_and_message(street: Street) -> None:
    await street.until(OPEN)
    await street.play(Line("王秀英", "3栋群", "签到", message_id="m-1"))
    await street.play(Line("李建国", direct, "签到", message_id="m-2"))

    def unit(session: Session) -> list[Any]:
        query = (
            select(Member.name, Audit.action, Audit.channel, Audit.message_id, Audit.group_id.is_(None), Audit.detail)
            .join(Member, Audit.member_id == Member.id)
            .order_by(Audit.id)
        )
        return [tuple(row) for row in session.execute(query)]

    assert await street.house.books.read(unit) == [
        ("王秀英", "check_in", "simulator", "m-1", False, {"activity": 12, "points": 5}),
        ("李建国", "check_in", "simulator", "m-2", True, {"activity": 12, "points": 5}),
    ]
    assert await street.house.books.read(lambda s: s.scalar(select(func.count()).where(Audit.at == SATURDAY))) == 0
