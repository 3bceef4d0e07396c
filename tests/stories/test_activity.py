"""One activity as its organiser lives it: announced for every Saturday, changed, printed, held, typed back from paper,
and told of.

张敏 is the organiser, 王秀英 comes every time, 何叔 only this time, 小吴 waits for a place and
forgets to check in, 陈阿姨 has no phone with her and signs on paper.
"""

import re

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import exports, printing
from bot.script import Push
from models.activities import find_activity
from models.audit import Audit
from models.outbox import Outbox, OutboxState
from tests.dialogue import direct, november, talk
from tests.fakes.street import Street

GROUPS = ("3栋群", "5栋群", "社区大群")
CLEAN = "11月28日 周六 9:00-11:00"


async def test_an_activity_from_its_announcement_to_its_report(street: Street) -> None:
    """From Monday to the Sunday after: each push is asserted, and nothing else is pushed."""
    pushes = await talk(
        street,
        [
            november(23, 9),
            # Monday: the clean-up of last Saturday is to be held every week, with all that it had.
            (
                "张敏",
                direct,
                "再办一次 12 每周六 名额4人",
                f"【清洁家园】{CLEAN}，以后每周六都办\n地点：中心花园；名额：4人；积分：5分\n发布请回复 确认，不发回复 取消。",
            ),
            (
                "张敏",
                direct,
                "确认",
                f"已发布 15号活动「清洁家园」{CLEAN}，中心花园。\n想参加的邻居请发 报名 15。\n"
                "以后每周六都办（2号系列），每一次我提前发布。不办了请发 停办 2。",
            ),
            (
                "张敏",
                direct,
                "签到方式 15 签到码",
                "「清洁家园」的签到方式：签到码。\n签到码每天换一个，当天发 签到码 15 就能看到。",
            ),
            # The neighbours: one every time, one this time, one who takes it back, one who waits for a place.
            (
                "王秀英",
                "3栋群",
                "每次都来 15",
                "好的，以后每周六「清洁家园」都给 王秀英 报上名，已报 15号、16号。\n"
                "哪次来不了就发 取消报名，不想每次都来了请发 不用每次都来 15。",
            ),
            (
                "何叔",
                direct,
                "报名 15 2人",
                "已给 何叔 报名「清洁家园」（共2人），还剩1个名额。\n11月28日 周六 9:00，中心花园。",
            ),
            (
                "赵强",
                direct,
                "报名 15",
                "已给 赵强 报名「清洁家园」，名额正好满了。\n11月28日 周六 9:00，中心花园。",
            ),
            ("小吴", direct, "报名 15", "「清洁家园」名额不够了，小吴 排在候补第1位。\n有空位我会告诉您。"),
            ("赵强", direct, "取消报名 15", "已取消 赵强 的「清洁家园」报名。谢谢告诉大家！"),
            ("小吴", direct, "能来", "好的，小吴 的「清洁家园」位置定了。\n11月28日 周六 9:00，中心花园。"),
            # Tuesday: this one alone begins an hour later; both who come hear of it.
            november(24, 10),
            (
                "张敏",
                direct,
                "改活动 15 10点",
                "要把 15号活动「清洁家园」改成：11月28日 周六 10:00-12:00，中心花园；名额：4人；积分：5分吗？\n"
                "报名的3位我会逐个通知。改请回复 确认，不改回复 取消。",
            ),
            (
                "张敏",
                direct,
                "确认",
                "已改 15号活动「清洁家园」：11月28日 周六 10:00-12:00，中心花园，正在通知3位邻居。",
            ),
        ],
    )
    moved = "「清洁家园」有变动：11月28日 周六 10:00-12:00，中心花园。\n来不了请发 取消报名 15。"
    # On Monday the groups hear as well which posts want people.
    told = [push for push in pushes if not push.text.startswith(("提醒", "这周还有岗位"))]
    assert [(push.to, push.text) for push in told] == [
        (
            "小吴",
            "好消息：「清洁家园」空出了位置，给您留到11月23日 周一 11:00。\n11月28日 周六 9:00，中心花园。\n"
            "能来请回复 能来 15，来不了请回复 取消报名 15。",
        ),
        *((name, moved) for name in ("王秀英", "何叔", "小吴")),
    ]

    # Friday: the roll is printed. The next one is announced by itself; who signed up for one is not signed up for it.
    # Whoever comes is reminded a day ahead, alone.
    ahead = "提醒您：明天10:00「清洁家园」，中心花园{}。\n来不了请早点回复 取消报名 15，好让给候补的邻居。"
    pushes = [push for push in await street.until(november(27, 17)) if "岗」" not in push.text]
    assert [(push.to, push.text) for push in pushes] == [
        ("王秀英", ahead.format("")),
        ("何叔", ahead.format("（共2人）")),
        ("小吴", ahead.format("")),
    ]
    (page,) = await street.house.books.read(_printed)
    for text in ("15号 清洁家园　签到表", "11月28日 周六 10:00-12:00", ">王秀英<", ">何叔<", ">+1<"):
        assert text in page
    assert "赵强" not in page
    assert await street.house.books.read(_numbers) == {15: ["王秀英", "何叔", "小吴"], 16: ["王秀英"]}

    # Saturday: a reminder; one checks in, the others are on paper.
    assert await street.until(november(28, 9, 55)) == [
        Push(group, "提醒：今天10:00「清洁家园」，中心花园。已报4人，到了请发 签到 15。") for group in GROUPS
    ]
    shown = re.search("签到码：([0-9]{4})", await street.say("张敏", "签到码 15"))
    assert shown is not None
    pushes = await talk(
        street,
        [
            (
                "王秀英",
                direct,
                "签到 15",
                "「清洁家园」要现场的签到码。请看现场写着的四位数字，回复这四个数字。",
            ),
            (
                "王秀英",
                direct,
                shown[1],
                "王秀英，「清洁家园」签到成功 9:55，积分+5（现有21分）。\n走的时候发一声 签退。",
            ),
            november(28, 11, 55),
            (
                "王秀英",
                "3栋群",
                "签退",
                "王秀英，「清洁家园」签退成功，记服务时长 1小时55分，积分+1（现有22分），辛苦了！",
            ),
            # 小吴 was there and forgot to say so; the organiser saw him.
            november(28, 12, 20),
            (
                "小吴",
                direct,
                "补签 15 手机没电了",
                "已收到「清洁家园」的补签申请（1号），请组织者看一下。\n有结果我会告诉您。",
            ),
            ("张敏", direct, "通过 1", "已通过 1号：给 小吴 补签了「清洁家园」，记服务时长 2小时（组织者证明）。"),
            november(28, 12, 30),
            (
                "张敏",
                direct,
                "补录 15 2号 陈阿姨1小时 王秀英 3号没来 老魏家的",
                "补录 15号「清洁家园」：来了2位：何叔（2小时）、陈阿姨（1小时）。\n"
                "没来：赵强。已经签过到，不重复记：王秀英。\n没找到：老魏家的，请核对姓名再补。\n"
                "确认就记荣誉时和积分，请回复 确认，不记回复 取消。",
            ),
            ("张敏", direct, "确认", "已补录「清洁家园」2位。写错了请发 撤销。"),
        ],
    )
    entered = "张敏 按纸质名单给您补了「清洁家园」的签到：荣誉时 {}，积分+{}。不对请和社区说一声。"
    assert [(push.to, push.text) for push in pushes] == [
        ("张敏", "小吴 说在「清洁家园」没签上到：手机没电了（1号）。\n人来了请回复 通过 1，没来请回复 驳回 1 理由。"),
        ("小吴", "您的补签（1号）通过了：「清洁家园」，记服务时长 2小时（组织者证明），积分+7。"),
        ("何叔", entered.format("2小时", 7)),
        ("陈阿姨", entered.format("1小时", 6)),
    ]

    # An hour after its end the organiser sees the report, says it in her own words, and in the evening all hear it.
    head = "「清洁家园」11月28日 办好了，来了4位邻居，服务 1小时55分，另记荣誉时 5小时"
    assert await street.until(november(28, 13)) == [
        Push(
            "张敏",
            f"小结草稿：{head}。\n您不答复的话，11月28日 周六 18:00 我自己发到群里。\n"
            "马上发请回复 发小结 15，不发请回复 不发小结 15，换个说法请发 改小结 15 加您的话。\n纸上签到的请先 补录 15。",
        )
    ]
    told = f"【小结】{head}。\n捡了八袋垃圾，连花坛都干净了！\n下一次 12月5日 周六 9:00，想来请发 报名 16。"
    assert (
        await talk(
            street, [("张敏", direct, "改小结 15 捡了八袋垃圾，连花坛都干净了！", f"改好了，小结会是这样：\n{told}")]
        )
        == []
    )
    assert await street.until(november(28, 18)) == [Push(group, told) for group in GROUPS]

    # Sunday: the books as a sheet, with both kinds of minutes apart; and nothing more is pushed.
    assert [push for push in await street.until(november(29, 12)) if "岗」" not in push.text] == []
    assert await street.house.books.read(_roll) == [
        ("王秀英", 115, 0),
        ("何叔", 0, 120),
        ("小吴", 0, 120),
        ("陈阿姨", 0, 60),
    ]
    acts = await street.house.books.read(lambda session: list(session.scalars(select(Audit.action).order_by(Audit.id))))
    assert acts == [
        "start_series",
        "set_check_in",
        "come_always",
        *["signup"] * 3,
        "cancel_signup",
        "take_place",
        "change_activity",
        "check_in",
        "check_out",
        "ask_make_up",
        "decide_make_up",
        "enter_roll",
        "word_report",
    ]
    states = await street.house.books.read(lambda session: list(session.scalars(select(Outbox.state))))
    assert states == [OutboxState.SENT] * len(street.pushes)


def _printed(session: Session) -> list[str]:
    activity = find_activity(session, community_id=1, number=15)
    return printing.pages(activity, printing.lines_of(session, activity=activity), november(27, 17))


def _numbers(session: Session) -> dict[int, list[str]]:
    """Who is on the roll of each activity of the series."""
    return {
        number: [str(row[1]) for row in exports.roll_sheet(session, community_id=1, number=number).rows]
        for number in (15, 16)
    }


def _roll(session: Session) -> list[tuple[object, ...]]:
    rows = exports.roll_sheet(session, community_id=1, number=15).rows
    return [(row[1], row[7], row[8]) for row in rows]
