"""One clean-up from its announcement to the last question about its points, as the whole street lives it."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.script import Push
from handlers.chat import Quote
from models.audit import Audit
from models.check_in import CheckIn, CheckOut
from models.ledger import Currency, balance_of, statement
from models.members import Member
from models.outbox import Outbox, OutboxState
from tests.dialogue import DAY_BEFORE, direct, november, silence, talk, to_groups
from tests.fakes.street import Street

GROUPS = ("3栋群", "5栋群", "社区大群")
WHEN = "11月21日 周六 14:00，中心花园。"
CARD = "15号「扫落叶」11月21日 周六 14:00-16:00\n地点：中心花园；名额：{taken}/4；积分：4分\n"


async def test_a_clean_up_from_its_announcement_to_its_closing(street: Street) -> None:
    """张敏 announces it on Tuesday; four places, six who want one; on Saturday some forget to check out; on Sunday
    李建国 disagrees with a deduction, and somebody who did not make it decides."""
    # Tuesday evening: announced with a preview, corrected, published.
    pushes = await talk(
        street,
        [
            (
                "张敏",
                "社区大群",
                "@小邻 发布活动 周六下午2点 扫落叶 中心花园 40人 4分",
                "【扫落叶】11月21日 周六 14:00-16:00\n地点：中心花园；名额：40人；积分：4分\n"
                "发布请回复 确认，不发回复 取消。",
            ),
            ("张敏", "社区大群", "取消", "好的，不办了。"),
            (
                "张敏",
                "社区大群",
                "@小邻 发布活动 周六下午2点 扫落叶 中心花园 4人 4分",
                "【扫落叶】11月21日 周六 14:00-16:00\n地点：中心花园；名额：4人；积分：4分\n"
                "发布请回复 确认，不发回复 取消。",
            ),
            (
                "张敏",
                "社区大群",
                "确认",
                "已发布 15号活动「扫落叶」11月21日 周六 14:00-16:00，中心花园。\n想参加的邻居请发 报名 15。",
            ),
            # The neighbours come, with companions, and the places run out.
            ("老魏", "社区大群", "周六那个扫院子的还要人不", silence),
            ("老魏", "社区大群", "报名 15 我跟我闺女", f"已给 老魏 报名「扫落叶」（共2人），还剩2个名额。\n{WHEN}"),
            ("孙姐", "5栋群", "我也去，带俩夹子", silence),
        ],
    )
    assert pushes == []
    assert await street.say("孙姐", "加上我", where="5栋群", quote=Quote("bot", ref="activity:15")) == (
        f"已给 孙姐 报名「扫落叶」，还剩1个名额。\n{WHEN}"
    )
    pushes = await talk(
        street,
        [
            (
                "王秀英",
                "3栋群",
                "報名15",
                f"已給 王秀英 報名「掃落葉」，名額正好滿了。\n{WHEN.replace('花园', '花園').replace('周六', '週六')}",
            ),
            (
                "李建国",
                "3栋群",
                "报名 15 2人",
                "「扫落叶」名额不够了，李建国 排在候补第1位（共2人）。\n有空位我会告诉您。",
            ),
            ("陈阿姨", direct, "报名 扫落叶", "「扫落叶」名额不够了，陈阿姨 排在候补第2位。\n有空位我会告诉您。"),
            ("陈阿姨", direct, "活动 15", CARD.format(taken=4) + "您在候补第2位，有空位我会告诉您。"),
            # One leaves: the first who waits needs two places, so nobody passes them by.
            ("王秀英", "3栋群", "取消报名 15", "已取消 王秀英 的「扫落叶」报名。谢谢告诉大家！"),
        ],
    )
    assert pushes == []
    # Wednesday: the father and his daughter cannot come either, and both who wait move up.
    news = f"好消息：「扫落叶」空出了位置，给您留到11月18日 周三 12:00。\n{WHEN}\n能来请回复 能来 15，来不了请回复 取消报名 15。"
    pushes = await talk(
        street,
        [november(18, 10), ("老魏", direct, "取消报名", "已取消 老魏 的「扫落叶」报名。谢谢告诉大家！")],
    )
    assert [(push.to, push.text) for push in pushes] == [("李建国", news), ("陈阿姨", news)]
    pushes = await talk(
        street,
        [
            ("老魏", direct, "撤销", "已恢复「扫落叶」的报名，现在排在候补第1位。"),
            # His signing up is a day old: that cannot be undone any more, only cancelled.
            ("老魏", direct, "撤销", "最近10分钟里没有可以撤销的事。时间久了请找楼长或社区帮忙改。"),
            ("老魏", direct, "取消报名", "已取消 老魏 的「扫落叶」报名。谢谢告诉大家！"),
            ("陈阿姨", direct, "能来", f"好的，陈阿姨 的「扫落叶」位置定了。\n{WHEN}"),
            ("李建国", direct, "能来 15", f"好的，李建国 的「扫落叶」位置定了（共2人）。\n{WHEN}"),
            ("李建国", direct, "报名 15 1人", "已改：李建国 报名「扫落叶」（1人），还剩1个名额。"),
        ],
    )
    assert pushes == []

    # Friday: whoever comes is reminded alone. Saturday: the groups, two hours ahead of each activity; check-in by number, without, and by quoting.
    pushes = await street.until(november(21, 12))
    ahead = "提醒您：明天{}「{}」，中心花园{}。\n来不了请早点回复 取消报名 {}，好让给候补的邻居。"
    assert sorted((push.to, push.text) for push in pushes if push.text.startswith(DAY_BEFORE)) == sorted(
        [
            ("何叔", ahead.format("9:00", "清洁家园", "（共2人）", 12)),
            ("陈美玲", ahead.format("9:00", "清洁家园", "（共3人）", 12)),
            *((name, ahead.format("9:00", "清洁家园", "", 12)) for name in ("小吴", "赵强")),
            *((name, ahead.format("14:00", "扫落叶", "", 15)) for name in ("孙姐", "李建国", "陈阿姨")),
        ]
    )
    assert [(push.to, push.text) for push in to_groups(pushes)] == [
        *[(group, "提醒：今天9:00「清洁家园」，中心花园。已报7人，到了请发 签到 12。") for group in GROUPS],
        *[(group, "提醒：今天14:00「扫落叶」，中心花园。已报3人，到了请发 签到 15。") for group in GROUPS],
    ]
    came = "{}，「扫落叶」签到成功 {}，积分+4（现有{}分）。\n走的时候发一声 签退。"
    pushes = await talk(
        street,
        [
            ("李建国", "3栋群", "签到", silence),
            november(21, 13, 30),
            ("李建国", "3栋群", "签到", came.format("李建国", "13:30", 8)),
            november(21, 13, 58),
            ("陈阿姨", "3栋群", "我到了，签到 15", came.format("陈阿姨", "13:58", 10)),
            # A neighbour who had not signed up lends a hand; 孙姐 checks in by mistake, from the bus.
            ("何叔", "社区大群", "@小邻 签到", came.format("何叔", "13:58", 8)),
            ("孙姐", "5栋群", "签到", came.format("孙姐", "13:58", 14)),
            ("孙姐", "5栋群", "@小邻 撤销", "已撤销「扫落叶」的签到，积分一并退回。"),
            november(21, 14, 20),
        ],
    )
    assert pushes == []
    reply = await street.say("孙姐", "签到", where="5栋群", quote=Quote("bot", ref="activity:15"))
    assert reply == came.format("孙姐", "14:20", 14)
    pushes = await talk(
        street,
        [
            november(21, 15, 45),
            (
                "李建国",
                "3栋群",
                "签退",
                "李建国，「扫落叶」签退成功，记服务时长 1小时45分，积分+1（现有9分），辛苦了！",
            ),
            ("李建国", "3栋群", "签退", "您在「扫落叶」已经签退过了，记了105分钟。"),
            # 16:00: it is over. Three forgot.
            november(21, 16, 5),
            ("陈阿姨", direct, "签退", "您现在没有签到中的活动，不用签退。"),
        ],
    )
    closed = (
        "「扫落叶」已经结束，您没有签退，我按16:00帮您签退了，记服务时长 {}。\n下次走的时候发一声 签退，时间就记得准。"
    )
    assert pushes == [
        Push("陈阿姨", closed.format("2小时，积分+2")),
        Push("何叔", closed.format("2小时，积分+2")),
        Push("孙姐", closed.format("1小时40分，积分+1")),
    ]

    # Sunday: who has what, why, and who stands where.
    first = await street.house.books.read(_points_of("李建国"))
    pushes = await talk(
        street,
        [
            november(22, 19),
            (
                "李建国",
                direct,
                "积分",
                "李建国，您现有9分，本月+5分，服务时长3小时30分。\n为什么有这些分，请发 积分明细。",
            ),
            (
                "孙姐",
                direct,
                "排行榜 5栋",
                "【本月积分榜 5栋】\n1. 孙姐 11分  1. 曹玉兰 11分  3. 孙丽 5分  3. 赵守义 5分  3. 梁宝珍 5分\n您在第1位，11分。",
            ),
            (
                "孙丽",
                direct,
                "扣分 李建国 3 工具没有还",
                "要扣 李建国 3分（工具没有还）吗？回复 确认 就扣，不扣回复 取消。",
            ),
            ("孙丽", direct, "确认", "已扣 李建国 3分（工具没有还），现有6分。"),
        ],
    )
    assert pushes[-1:] == [
        Push("李建国", "孙丽 扣了您3分（工具没有还），现有6分。\n不同意请发 积分明细，再发 申诉 加编号和理由。")
    ]
    taken = (await street.house.books.read(_points_of("李建国")))[0]
    assert len(first) + 1 == len(await street.house.books.read(_points_of("李建国")))
    pushes = await talk(
        street,
        [
            (
                "李建国",
                direct,
                f"申诉 {taken} 耙子当天就还了",
                "已收到申诉（1号），会请没有经手这笔分的人来看。\n有结果我会告诉您。",
            ),
            ("孙丽", direct, "通过 1", "1号和您自己有关，要请别的同志来看。"),
            (
                "张敏",
                direct,
                "审核",
                "等您看的有1件：\n1号 申诉 李建国：11月22日 扣分（工具没有还） -3（记录864），说「耙子当天就还了」\n同意请回复 通过 1，不同意请回复 驳回 1 理由。",
            ),
            ("张敏", direct, "通过 1", "已通过 1号申诉：李建国 +3分，现有9分。"),
        ],
    )
    assert pushes == [
        Push(
            "张敏",
            "有一条积分申诉等您看：李建国 对「11月22日 扣分：工具没有还 -3」说「耙子当天就还了」。\n同意回复 通过 1，不同意回复 驳回 1 理由。",
        ),
        Push("李建国", "您的申诉（1号）通过了：+3分，现有9分。"),
    ]
    await _the_books_tell_the_same(street)


def _points_of(name: str) -> Any:
    """The numbers of somebody's transfers of points, newest first."""

    def unit(session: Session) -> list[int]:
        member_id = session.scalar(select(Member.id).where(Member.name == name))
        assert member_id is not None
        entries = statement(session, community_id=1, member_id=member_id, currency=Currency.POINTS, limit=50)
        return [entry.id for entry in entries]

    return unit


async def _the_books_tell_the_same(street: Street) -> None:
    def stays(session: Session) -> list[Any]:
        rows = session.execute(
            select(Member.name, CheckIn.undone_at.is_(None), CheckOut.minutes)
            .join_from(CheckIn, Member, CheckIn.member_id == Member.id)
            .outerjoin(CheckOut, CheckOut.check_in_id == CheckIn.id)
            .where(CheckIn.at > november(21, 12))
            .order_by(CheckIn.id)
        )
        return [tuple(row) for row in rows]

    assert await street.house.books.read(stays) == [
        ("李建国", True, 105),
        ("陈阿姨", True, 120),
        ("何叔", True, 120),
        ("孙姐", False, None),
        ("孙姐", True, 100),
    ]

    def balances(session: Session) -> dict[str, int]:
        names = {row.name: row.id for row in session.execute(select(Member.id, Member.name))}
        return {
            name: balance_of(session, community_id=1, member_id=names[name], currency=Currency.POINTS)
            for name in ("李建国", "陈阿姨", "何叔", "孙姐", "王秀英")
        }

    assert await street.house.books.read(balances) == {"李建国": 9, "陈阿姨": 12, "何叔": 10, "孙姐": 15, "王秀英": 16}

    def acts(session: Session) -> list[str]:
        return list(session.scalars(select(Audit.action).order_by(Audit.id)))

    assert await street.house.books.read(acts) == [
        "publish_activity",
        *["signup"] * 5,
        *["cancel_signup"] * 2,
        "undo",
        "cancel_signup",
        *["take_place"] * 2,
        "change_signup",
        *["check_in"] * 4,
        "undo",
        "check_in",
        "check_out",
        "deduction",
        "appeal",
        "decide_appeal",
    ]
    # Everything that was to go out did, once, and to the addresses of those whom it was for.
    states = await street.house.books.read(lambda s: list(s.scalars(select(Outbox.state))))
    assert states == [OutboxState.SENT] * len(street.pushes)
    assert sorted(street.script.sent) == sorted((push.to, push.text) for push in street.pushes)
