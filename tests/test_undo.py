"""撤销: what one did oneself, within ten minutes, and that doing it again afterwards works."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.script import Push
from models.audit import Audit
from models.check_in import CheckIn, CheckOut
from models.ledger import Balance, Currency, Transfer
from models.members import Member
from tests.dialogue import AGREED, BOUND, ON_SQLITE, Spoken, count_rows, direct, grown, november, talk
from tests.fakes.street import Street

OPEN = november(21, 8, 55)
CAME = "王秀英，「清洁家园」签到成功 8:55，积分+5（现有21分）。\n走的时候发一声 签退。"
NOTHING = "最近10分钟里没有可以撤销的事。时间久了请找楼长或社区帮忙改。"
CANNOT = "上一件事不能撤销，请找楼长或社区帮忙改。"
PUBLISHING = "发布活动 周六9点 包饺子 活动室"
PREVIEW = (
    "【包饺子】11月21日 周六 9:00-11:00\n地点：活动室；名额：不限；积分：按社区规则\n发布请回复 确认，不发回复 取消。"
)


def points_of(name: str) -> Any:
    def unit(session: Session) -> int | None:
        return session.scalar(
            select(Balance.amount)
            .join(Member, Balance.member_id == Member.id)
            .where(Member.name == name, Balance.currency == Currency.POINTS)
        )

    return unit


async def test_a_check_in_is_taken_back_with_its_points_and_can_be_done_again(street: Street) -> None:
    await talk(
        street,
        [
            OPEN,
            ("王秀英", "3栋群", "签到", CAME),
            ("王秀英", "3栋群", "@小邻 撤销", "已撤销「清洁家园」的签到，积分一并退回。"),
            ("王秀英", "3栋群", "@小邻 积分", "已私信您。"),
            ("王秀英", "3栋群", "@小邻 撤销", NOTHING),
            ("王秀英", "3栋群", "签退 12", "您还没有在「清洁家园」签到，先发 签到 12。"),
            ("王秀英", "3栋群", "签到", CAME),
        ],
    )
    assert street.pushes[-1].text == "王秀英，您现有16分，本月+0分，服务时长5小时9分。\n为什么有这些分，请发 积分明细。"

    def transfers(session: Session) -> list[tuple[str, int, bool]]:
        rows = session.execute(
            select(Transfer.reason, Transfer.amount, Transfer.corrects.is_(None))
            .where(Transfer.at == OPEN)
            .order_by(Transfer.id)
        )
        return [tuple(row) for row in rows]

    assert await street.house.books.read(transfers) == [
        ("check_in", 5, True),
        ("undo", 5, False),
        ("check_in", 5, True),
    ]
    assert await street.house.books.read(
        lambda s: [row is None for row in s.scalars(select(CheckIn.undone_at).where(CheckIn.at == OPEN))]
    ) == [False, True]


@ON_SQLITE
async def test_a_check_out_is_taken_back_with_its_minutes_and_can_be_done_again(street: Street) -> None:
    await talk(
        street,
        [
            OPEN,
            ("王秀英", "3栋群", "签到", CAME),
            november(21, 10, 5),
            (
                "王秀英",
                "3栋群",
                "签退",
                "王秀英，「清洁家园」签退成功，记服务时长 1小时5分，积分+1（现有22分），辛苦了！",
            ),
            ("王秀英", direct, "撤销", "已撤销「清洁家园」的签退，您还在签到中。"),
            # The check-in is more than ten minutes old.
            ("王秀英", direct, "撤销", NOTHING),
            november(21, 10, 40),
            (
                "王秀英",
                "3栋群",
                "签退",
                "王秀英，「清洁家园」签退成功，记服务时长 1小时40分，积分+1（现有22分），辛苦了！",
            ),
        ],
    )
    assert await street.house.books.read(
        lambda s: list(s.scalars(select(CheckOut.minutes).where(CheckOut.undone_at.is_(None), CheckOut.at > OPEN)))
    ) == [100]


@ON_SQLITE
async def test_when_it_is_over_a_check_out_stands(street: Street) -> None:
    await talk(
        street,
        [
            OPEN,
            ("王秀英", "3栋群", "签到", CAME),
            november(21, 10, 58),
            (
                "王秀英",
                "3栋群",
                "签退",
                "王秀英，「清洁家园」签退成功，记服务时长 1小时58分，积分+1（现有22分），辛苦了！",
            ),
            november(21, 11, 3),
            (
                "王秀英",
                direct,
                "撤销",
                "「清洁家园」已经结束了（11月21日 周六 11:00），签退就按记下的算，不能再撤销。",
            ),
            ("王秀英", direct, "签退", "您现在没有签到中的活动，不用签退。"),
        ],
    )


@ON_SQLITE
async def test_a_check_in_is_taken_back_together_with_its_check_out(street: Street) -> None:
    await talk(
        street,
        [
            november(21, 9, 55),
            ("王秀英", "3栋群", "签到", CAME.replace("8:55", "9:55")),
            ("王秀英", "3栋群", "签退", "王秀英，「清洁家园」签退成功，记服务时长 0分钟，辛苦了！"),
            ("王秀英", direct, "撤销", "已撤销「清洁家园」的签退，您还在签到中。"),
            ("王秀英", direct, "撤销", "已撤销「清洁家园」的签到，积分一并退回。"),
            ("王秀英", direct, "撤销", NOTHING),
        ],
    )
    assert await street.house.books.read(points_of("王秀英")) == 16


@ON_SQLITE
async def test_sign_ups_and_their_changes_are_taken_back_step_by_step(street: Street) -> None:
    when = "11月21日 周六 9:00，中心花园。"
    await talk(
        street,
        [
            ("王秀英", "3栋群", "报名 12 2人", f"已给 王秀英 报名「清洁家园」（共2人），还剩11个名额。\n{when}"),
            ("王秀英", "3栋群", "报名 12 5人", "已改：王秀英 报名「清洁家园」（共5人），还剩8个名额。"),
            ("王秀英", "3栋群", "报名 12 1人", "已改：王秀英 报名「清洁家园」（1人），还剩12个名额。"),
            ("王秀英", "3栋群", "取消报名 12", "已取消 王秀英 的「清洁家园」报名。谢谢告诉大家！"),
            ("王秀英", "3栋群", "@小邻 撤销", "已恢复「清洁家园」的报名。"),
            ("王秀英", "3栋群", "@小邻 撤销", "已改回：王秀英 报名「清洁家园」（共5人）。"),
            ("王秀英", "3栋群", "@小邻 撤销", "已改回：王秀英 报名「清洁家园」（共2人）。"),
            ("王秀英", "3栋群", "@小邻 撤销", "已撤销「清洁家园」的报名。"),
            ("王秀英", "3栋群", "@小邻 撤销", NOTHING),
            ("王秀英", "3栋群", "报名 12 2人", f"已给 王秀英 报名「清洁家园」（共2人），还剩11个名额。\n{when}"),
        ],
    )


@ON_SQLITE
async def test_a_cancelled_sign_up_comes_back_behind_those_who_moved_up(street: Street) -> None:
    when = "11月21日 周六 9:00，中心花园。"
    pushes = await talk(
        street,
        [
            ("王秀英", direct, "报名 12 6人", f"已给 王秀英 报名「清洁家园」（共6人），还剩7个名额。\n{when}"),
            ("陈阿姨", direct, "报名 12 6人", f"已给 陈阿姨 报名「清洁家园」（共6人），还剩1个名额。\n{when}"),
            (
                "李建国",
                direct,
                "报名 12 4人",
                "「清洁家园」名额不够了，李建国 排在候补第1位（共4人）。\n有空位我会告诉您。",
            ),
            ("王秀英", direct, "取消报名 12", "已取消 王秀英 的「清洁家园」报名。谢谢告诉大家！"),
            ("王秀英", direct, "撤销", "已恢复「清洁家园」的报名，现在排在候补第1位。"),
        ],
    )
    assert [push.to for push in pushes] == ["李建国"]


@ON_SQLITE
async def test_an_activity_that_was_published_by_mistake_is_withdrawn(street: Street) -> None:
    published = "已发布 {number}号活动「包饺子」11月21日 周六 9:00-11:00，活动室。\n想参加的邻居请发 报名 {number}。"
    pushes = await talk(
        street,
        [
            ("张敏", "3栋群", f"@小邻 {PUBLISHING}", PREVIEW),
            ("张敏", "3栋群", "确认", published.format(number=15)),
            ("王秀英", "3栋群", "报名 15", "已给 王秀英 报名「包饺子」。\n11月21日 周六 9:00，活动室。"),
            ("张敏", "3栋群", "@小邻 撤销", "已撤回 15号活动「包饺子」。"),
            ("王秀英", "3栋群", "@小邻 报名 15", "「包饺子」已经取消了。看看别的活动，请发 活动。"),
            ("张敏", "3栋群", f"@小邻 {PUBLISHING}", PREVIEW),
            ("张敏", "3栋群", "确认", published.format(number=16)),
        ],
    )
    assert pushes == [Push("王秀英", "通知：「包饺子」（11月21日 周六 9:00-11:00）取消了。给您添麻烦了，下次再约。")]


@ON_SQLITE
async def test_an_award_is_taken_back_and_can_be_given_again(street: Street) -> None:
    await talk(
        street,
        [
            ("老赵", direct, "加分 李建国 5 修灯", "已给 李建国 加5分（修灯），现有9分。"),
            ("老赵", direct, "撤销", "已撤销给 李建国 的+5分。"),
            ("老赵", direct, "加分 李建国 3 修灯", "已给 李建国 加3分（修灯），现有7分。"),
            ("老赵", direct, "扣分 李建国 2 乱停车", "要扣 李建国 2分（乱停车）吗？回复 确认 就扣，不扣回复 取消。"),
            ("老赵", direct, "确认", "已扣 李建国 2分（乱停车），现有5分。"),
            ("老赵", direct, "撤销", "已撤销给 李建国 的-2分。"),
        ],
    )
    assert await street.house.books.read(points_of("李建国")) == 7


@ON_SQLITE
async def test_two_commands_of_one_message_go_back_together(street: Street) -> None:
    await talk(
        street,
        [
            (
                "王秀英",
                "3栋群",
                "@小邻 报名 13、14",
                "已给 王秀英 报名「义诊」，还剩29个名额。\n11月22日 周日 9:00，活动室。\n"
                "已给 王秀英 报名「反诈宣传」。\n11月22日 周日 14:30，1栋门厅。",
            ),
            ("王秀英", "3栋群", "@小邻 撤销", "已撤销「反诈宣传」的报名。\n已撤销「义诊」的报名。"),
            ("王秀英", "3栋群", "@小邻 撤销", NOTHING),
        ],
    )


@ON_SQLITE
async def test_showing_oneself_on_the_boards_goes_back_and_forth(street: Street) -> None:
    await talk(
        street,
        [
            ("王秀英", direct, "不上榜", "好的，积分榜不再显示您。想重新上榜请发 我要上榜。"),
            ("王秀英", direct, "撤销", "已撤销。积分榜会显示您。"),
            ("王秀英", direct, "我要上榜", "您已经在积分榜上了。"),
        ],
    )


@ON_SQLITE
async def test_ten_minutes_are_the_limit(street: Street) -> None:
    await talk(
        street,
        [
            OPEN,
            ("王秀英", "3栋群", "签到", CAME),
            (
                "李建国",
                "3栋群",
                "签到",
                "李建国，「清洁家园」签到成功 8:55，积分+5（现有9分）。\n走的时候发一声 签退。",
            ),
            november(21, 9, 4),
            ("王秀英", "3栋群", "@小邻 撤销", "已撤销「清洁家园」的签到，积分一并退回。"),
            november(21, 9, 5),
            ("李建国", "3栋群", "@小邻 撤销", NOTHING),
        ],
    )


@ON_SQLITE
async def test_what_waits_for_a_yes_is_dropped_and_nothing_done_before_it_goes(street: Street) -> None:
    preview = "【包饺子】11月22日 周日 9:00-11:00\n地点：活动室；名额：不限；积分：按社区规则\n发布请回复 确认，不发回复 取消。"
    await talk(
        street,
        [
            ("张敏", direct, "加分 李建国 5 修灯", "已给 李建国 加5分（修灯），现有9分。"),
            ("张敏", direct, "发布活动 周日9点 包饺子 活动室", preview),
            ("张敏", direct, "撤销", "好的，刚才问您的那件不办了。"),
            ("张敏", direct, "确认", "现在没有等您回复的事。看看我会什么，请发 帮助。"),
            ("张敏", direct, "撤销", "已撤销给 李建国 的+5分。"),
            # What was done since the question goes before the question.
            ("张敏", direct, "全部报名", "报名 哪一个？请回复数字：\n1 12号 清洁家园\n2 13号 义诊\n3 14号 反诈宣传"),
            november(17, 19, 31),
            ("张敏", direct, "加分 李建国 6 修灯", "已给 李建国 加6分（修灯），现有10分。"),
            ("张敏", direct, "撤销", "已撤销给 李建国 的+6分。"),
        ],
    )


@ON_SQLITE
async def test_nobody_takes_back_what_somebody_else_did(street: Street) -> None:
    await talk(street, [OPEN, ("王秀英", "3栋群", "签到", CAME)])
    before = await count_rows(street.house)
    await talk(
        street,
        [
            ("李建国", "3栋群", "@小邻 撤销", NOTHING),
            ("张敏", "3栋群", "@小邻 撤销", NOTHING),
            ("张敏", direct, "撤销", NOTHING),
            ("陌生人", "3栋群", "@小邻 撤销", "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
        ],
    )
    assert grown(before, await count_rows(street.house)) == {"inbox": 3}
    assert await street.house.books.read(points_of("王秀英")) == 21


@ON_SQLITE
@pytest.mark.parametrize(
    "dialogue",
    [
        [
            ("陌生人", direct, "绑定 张三 3栋201 1234", BOUND.format("张三", "3栋")),
            ("陌生人", direct, "同意", AGREED),
            ("陌生人", direct, "撤销", CANNOT),
        ],
    ],
)
async def test_what_others_have_been_told_of_cannot_be_taken_back(street: Street, dialogue: list[Spoken]) -> None:
    await talk(street, dialogue)


@ON_SQLITE
async def test_an_appeal_is_taken_back_and_can_be_made_again(street: Street) -> None:
    received = "已收到申诉（{}号），会请没有经手这笔分的人来看。\n有结果我会告诉您。"
    pushes = await talk(
        street,
        [
            ("李建国", direct, "申诉 246 少记了", received.format(1)),
            ("李建国", direct, "撤销", "已撤回申诉（1号），看的人会知道。"),
            ("孙丽", direct, "审核", "现在没有等您看的事。"),
            ("李建国", direct, "申诉 246 少记了一小时", received.format(2)),
            ("孙丽", direct, "驳回 2 核对过签到表", "已驳回 2号申诉：李建国（核对过签到表）。"),
            ("李建国", direct, "撤销", "2号申诉已经有结果了，不能撤回。"),
        ],
    )
    assert [push.text.partition("。")[0] for push in pushes if push.to == "孙丽"] == [
        "有一条积分申诉等您看：李建国 对「10月7日 反诈宣传 服务时长 +1」说「少记了」",
        "李建国 撤回了积分申诉（1号），不用看了",
        "有一条积分申诉等您看：李建国 对「10月7日 反诈宣传 服务时长 +1」说「少记了一小时」",
    ]


@ON_SQLITE
async def test_an_undoing_is_in_the_audit_and_names_what_it_took_back(street: Street) -> None:
    await talk(
        street,
        [
            OPEN,
            ("王秀英", "3栋群", "签到", CAME),
            ("王秀英", "3栋群", "@小邻 撤销", "已撤销「清洁家园」的签到，积分一并退回。"),
        ],
    )
    first, second = await street.house.books.read(
        lambda s: list(s.execute(select(Audit.id, Audit.action, Audit.object_ref, Audit.undone_by).order_by(Audit.id)))
    )
    assert (first.action, first.undone_by) == ("check_in", second.id)
    assert (second.action, second.object_ref, second.undone_by) == ("undo", str(first.id), None)
