"""One activity as its organiser lives it: announced for every Saturday, changed, printed, held, typed back from paper,
and told of.

张敏 is the organiser, 王秀英 comes every time, 何叔 only this time, 陈阿姨 has no phone with her and signs on paper.
"""

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
                "再办一次 12 每周六",
                f"【清洁家园】{CLEAN}，以后每周六都办\n地点：中心花园；名额：20人；积分：5分\n发布请回复 确认，不发回复 取消。",
            ),
            (
                "张敏",
                direct,
                "确认",
                f"已发布 15号活动「清洁家园」{CLEAN}，中心花园。\n想参加的邻居请发 报名 15。\n"
                "以后每周六都办（1号系列），每一次我提前发布。不办了请发 停办 1。",
            ),
            # The neighbours: one every time, one this time, one who takes it back.
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
                "已给 何叔 报名「清洁家园」（共2人），还剩17个名额。\n11月28日 周六 9:00，中心花园。",
            ),
            (
                "赵强",
                direct,
                "报名 15",
                "已给 赵强 报名「清洁家园」，还剩16个名额。\n11月28日 周六 9:00，中心花园。",
            ),
            ("赵强", direct, "取消报名 15", "已取消 赵强 的「清洁家园」报名。谢谢告诉大家！"),
            # Tuesday: this one alone begins an hour later; both who come hear of it.
            november(24, 10),
            (
                "张敏",
                direct,
                "改活动 15 10点",
                "要把 15号活动「清洁家园」改成：11月28日 周六 10:00-12:00，中心花园；名额：20人；积分：5分吗？\n"
                "报名的2位我会逐个通知。改请回复 确认，不改回复 取消。",
            ),
            (
                "张敏",
                direct,
                "确认",
                "已改 15号活动「清洁家园」：11月28日 周六 10:00-12:00，中心花园，正在通知2位邻居。",
            ),
        ],
    )
    moved = "「清洁家园」有变动：11月28日 周六 10:00-12:00，中心花园。\n来不了请发 取消报名 15。"
    # On Monday the groups hear as well which posts want people.
    told = [push for push in pushes if not push.text.startswith(("提醒", "这周还有岗位"))]
    assert told == [Push("王秀英", moved), Push("何叔", moved)]

    # Friday: the roll is printed. The next one is announced by itself; who signed up for one is not signed up for it.
    assert await street.until(november(27, 17)) == []
    (page,) = await street.house.books.read(_printed)
    for text in ("15号 清洁家园　签到表", "11月28日 周六 10:00-12:00", ">王秀英<", ">何叔<", ">+1<"):
        assert text in page
    assert "赵强" not in page
    assert await street.house.books.read(_numbers) == {15: ["王秀英", "何叔"], 16: ["王秀英"]}

    # Saturday: a reminder; one checks in, the others are on paper.
    assert await street.until(november(28, 9, 55)) == [
        Push(group, "提醒：今天10:00「清洁家园」，中心花园。已报3人，到了请发 签到 15。") for group in GROUPS
    ]
    pushes = await talk(
        street,
        [
            (
                "王秀英",
                "3栋群",
                "签到",
                "王秀英，「清洁家园」签到成功 9:55，积分+5（现有21分）。\n走的时候发一声 签退。",
            ),
            november(28, 11, 55),
            (
                "王秀英",
                "3栋群",
                "签退",
                "王秀英，「清洁家园」签退成功，记服务时长 1小时55分，积分+1（现有22分），辛苦了！",
            ),
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
    assert pushes == [Push("何叔", entered.format("2小时", 7)), Push("陈阿姨", entered.format("1小时", 6))]

    # An hour after its end the organiser sees the report, says it in her own words, and in the evening all hear it.
    head = "「清洁家园」11月28日 办好了，来了3位邻居，服务 1小时55分，另记荣誉时 3小时"
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
    assert await street.until(november(29, 12)) == []
    assert await street.house.books.read(_roll) == [
        ("王秀英", 115, 0),
        ("何叔", 0, 120),
        ("陈阿姨", 0, 60),
    ]
    acts = await street.house.books.read(lambda session: list(session.scalars(select(Audit.action).order_by(Audit.id))))
    assert acts == [
        "start_series",
        "come_always",
        "signup",
        "signup",
        "cancel_signup",
        "change_activity",
        "check_in",
        "check_out",
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
