"""One post from its listing through idleness to its hand-over, as the whole street lives it."""

from sqlalchemy import select

from bot.script import Push
from models.audit import Audit
from models.duties import DutyLog
from models.handover import Handover
from models.outbox import Outbox, OutboxState
from models.posts import Claim
from models.tenure import TenureQuestion
from tests.dialogue import direct, november, talk
from tests.fakes.street import Street
from tests.test_handover import holders
from tests.test_tenure import at, question


async def about_the_post(street: Street, until: object) -> list[Push]:
    """What was pushed about 夜巡岗 to people; the groups hear of empty posts on Mondays."""
    pushes = await street.until(until)  # type: ignore[arg-type]
    return [push for push in pushes if "8号「夜巡岗」" in push.text and "履职：" not in push.text]


async def test_a_post_from_its_listing_through_idleness_to_its_hand_over(street: Street) -> None:
    """张敏 publishes it on Tuesday; 王秀英 and 李建国 take its two slots, 陈美玲 waits; 老赵 confirms what they do.

    李建国 falls silent, is asked and not heard of: 陈美玲 has his place. 王秀英 is asked too, and hands over to 何叔.
    """
    published = "已发布 8号岗位「夜巡岗」，2个名额。\n想做的邻居请发 认领 8。"
    pushes = await talk(
        street,
        [
            (
                "张敏",
                direct,
                "发布岗位 夜巡岗 小区北门 2人 每周三次 任期一年 2分 负责人老赵 要确认",
                "【夜巡岗】2个名额，每周三次，小区北门，普通\n"
                "任期12个月；履职一次2分；负责人：老赵；先到先得；履职要确认\n"
                "要做什么、要审批的，可以接着写，例如 职责 整理图书 要审批。\n发布请回复 确认，不发回复 取消。",
            ),
            ("张敏", direct, "确认", published),
            (
                "王秀英",
                "3栋群",
                "认领 8",
                "8号「夜巡岗」归 王秀英 了，任期到2027年11月16日，谢谢您！\n"
                "要做的：要做什么由负责人安排；每周三次；小区北门。",
            ),
            (
                "李建国",
                "3栋群",
                "认领 8",
                "8号「夜巡岗」归 李建国 了，任期到2027年11月16日，谢谢您！\n"
                "要做的：要做什么由负责人安排；每周三次；小区北门。",
            ),
            ("陈美玲", direct, "认领 8", "「夜巡岗」满员了，陈美玲 排在候补第1位。\n空出来我先问您。"),
        ],
    )
    assert pushes == [
        Push("老赵", "王秀英 认领了 8号「夜巡岗」，现在缺1人。"),
        Push("老赵", "李建国 认领了 8号「夜巡岗」，名额满了。"),
    ]

    # Wednesday evening: both walk their rounds; the leader confirms both at once.
    await street.until(november(18, 21))
    pushes = await talk(
        street,
        [
            (
                "王秀英",
                "3栋群",
                "履职 巡了两圈 40分钟",
                "已记下 王秀英 的履职：8号 夜巡岗，巡了两圈 40分钟。\n请老赵确认后算数（1号），有结果我会告诉您。",
            ),
            (
                "李建国",
                direct,
                "岗位签到",
                "李建国，「夜巡岗」签到成功 21:00。\n请老赵确认后算数（2号），有结果我会告诉您。\n"
                "走的时候发 签退 8，时间就记得准。",
            ),
            november(18, 21, 50),
            ("李建国", direct, "签退 8", "李建国，「夜巡岗」签退成功，记服务时长 50分钟，辛苦了！"),
            ("老赵", direct, "通过 1 2", "已确认2件：1、2号。"),
        ],
    )
    assert pushes == [
        Push(
            "老赵",
            "王秀英 在 8号 夜巡岗 记了履职：11月18日 巡了两圈 40分钟。\n属实请回复 通过 1，不属实请回复 驳回 1 理由。",
        ),
        Push(
            "老赵", "李建国 在 8号 夜巡岗 记了履职：11月18日 到岗签到。\n属实请回复 通过 2，不属实请回复 驳回 2 理由。"
        ),
        Push("王秀英", "您 11月18日 在「夜巡岗」的履职确认了，积分+2（现有18分），辛苦了！"),
        Push("李建国", "您 11月18日 在「夜巡岗」的履职确认了，积分+2（现有6分），辛苦了！"),
    ]

    # A month later both are asked. 王秀英 answers; 李建国 does not, and 陈美玲 has waited for this.
    assert await about_the_post(street, at(12, 18, 9, 59)) == []
    assert await about_the_post(street, at(12, 18)) == [
        question("王秀英", 8, "夜巡岗", "12月25日 周五"),
        question("李建国", 8, "夜巡岗", "12月25日 周五"),
    ]
    await talk(
        street,
        [("王秀英", direct, "1", "好的，8号「夜巡岗」还是您的。\n做了事请发 履职 8 加做了什么。")],
    )
    assert await about_the_post(street, at(12, 25, 23)) == []
    assert await about_the_post(street, at(12, 26, 9, 30)) == [
        Push(
            "李建国",
            "8号「夜巡岗」一直没有您的消息，先空出来给别的邻居了，谢谢您之前的付出！\n还想做随时发 认领 8。",
        ),
        Push("老赵", "李建国 的 8号「夜巡岗」问了没有答复，已经空出来了。看空岗请发 岗位。"),
        Push(
            "陈美玲",
            "好消息：8号「夜巡岗」空出来了，先问您。\n愿意请在12月29日 周二 9:30前发 认领 8，不愿意请发 退岗 8。",
        ),
    ]
    pushes = await talk(
        street,
        [
            (
                "陈美玲",
                direct,
                "认领 8",
                "8号「夜巡岗」归 陈美玲 了，任期到2027年12月25日，谢谢您！\n"
                "要做的：要做什么由负责人安排；每周三次；小区北门。",
            ),
            # 王秀英 has had enough of nights, and knows who has not.
            ("王秀英", direct, "转岗 8 何叔", "已问 何叔，同意了我就告诉您。没答复前，8号「夜巡岗」还是您的。"),
            ("何叔", direct, "接岗 8", "好的，8号「夜巡岗」现在是您的了，谢谢！\n做了事请发 履职 8 加做了什么。"),
        ],
    )
    assert pushes == [
        Push("老赵", "陈美玲 认领了 8号「夜巡岗」，名额满了。"),
        Push(
            "何叔",
            "王秀英 想把 8号「夜巡岗」交给您，12月29日 周二 9:30前答复都行。\n"
            "愿意请回复 接岗 8，不方便请回复 不接岗 8。",
        ),
        Push("王秀英", "何叔 接了您的 8号「夜巡岗」，谢谢您这段时间的付出！"),
        Push("老赵", "8号「夜巡岗」由 王秀英 转给了 何叔。"),
    ]
    assert await street.house.books.read(holders(8)) == ["陈美玲", "何叔"]
    await _the_books_tell_the_same(street)


async def _the_books_tell_the_same(street: Street) -> None:
    read = street.house.books.read
    assert await read(lambda s: list(s.scalars(select(DutyLog.minutes).order_by(DutyLog.id.desc()).limit(2)))) == [
        50,
        40,
    ]
    assert await read(lambda s: list(s.scalars(select(Handover.state)))) == ["taken"]
    answers = await read(lambda s: list(s.scalars(select(TenureQuestion.answer).order_by(TenureQuestion.id.desc()))))
    assert answers[:2] == ["silence", "stays"]
    ends = await read(lambda s: list(s.scalars(select(Claim.ended_why).order_by(Claim.id.desc()).limit(4))))
    assert ends == ["", "", "idle", "handed_over"]
    acts = await read(lambda s: list(s.scalars(select(Audit.action).order_by(Audit.id))))
    assert acts == [
        "publish_post",
        *["claim_post"] * 3,
        *["log_duty"] * 2,
        "leave_duty",
        *["decide_duty"] * 2,
        "stay_on_post",
        "claim_post",
        "offer_post",
        "take_over_post",
    ]
    states = await read(lambda s: list(s.scalars(select(Outbox.state))))
    assert set(states) == {OutboxState.SENT}
    assert len(states) == len(street.pushes)
