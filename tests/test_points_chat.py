"""积分 in the chat: what one has and why, who stands where, who gives and takes, who disagrees and who decides."""

from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot.script import Push
from models import points
from models.ledger import Balance, Currency, Transfer
from models.members import Member, MemberRole, Role, add_identity, add_member, give_role
from models.outbox import Outbox
from models.points import Award
from models.units import find_unit
from tests.dialogue import AGREED, BOUND, ON_SQLITE, count_rows, direct, grown, november, talk
from tests.fakes.street import Street, muted, open_street
from tests.ground import agree

RULES = "【积分规则】参加活动每次2分，满一小时再加1分；节日当天按200%\n以活动上写的分数为准。"


def balance(name: str) -> Any:
    def unit(session: Session) -> int | None:
        return session.scalar(
            select(Balance.amount)
            .join(Member, Balance.member_id == Member.id)
            .where(Member.name == name, Balance.currency == Currency.POINTS)
        )

    return unit


# -- what one has ----------------------------------------


async def test_the_balance_goes_to_the_person_alone(street: Street) -> None:
    pushes = await talk(
        street,
        [
            (
                "王秀英",
                direct,
                "积分",
                "王秀英，您现有16分，本月+0分，服务时长5小时9分。\n为什么有这些分，请发 积分明细。",
            ),
            ("王秀英", "3栋群", "积分", "已私信您。"),
            ("李建国", "3栋群", "@小邻 我的积分", "已私信您。"),
            ("张三", direct, "绑定 张三 3栋201 1234", BOUND.format("张三", "3栋")),
            ("张三", direct, "同意", AGREED),
            ("张三", "3栋群", "@小邻 积分明细", "已私信您。"),
        ],
    )
    assert pushes == [
        Push("王秀英", "王秀英，您现有16分，本月+0分，服务时长5小时9分。\n为什么有这些分，请发 积分明细。"),
        Push("李建国", "李建国，您现有4分，本月+0分，服务时长1小时45分。\n为什么有这些分，请发 积分明细。"),
        Push("张三", "还没有积分记录。参加活动签到就有了，看活动请发 活动。"),
    ]
    assert [address for address, _ in street.script.sent] == ["王秀英", "李建国", "张三"]


@ON_SQLITE
async def test_where_the_bot_cannot_write_to_people_it_says_how_to_ask_privately(demo_url: str) -> None:
    street = muted(await open_street(demo_url))
    house = street.house
    try:
        before = await count_rows(house)
        pushes = await talk(
            street,
            [
                ("王秀英", "3栋群", "@小邻 积分", "这件事请私聊我说：打开和我的单聊，发 积分。"),
                ("王秀英", "3栋群", "@小邻 积分明细", "这件事请私聊我说：打开和我的单聊，发 积分明细。"),
                ("老赵", "3栋群", "@小邻 审核", "这件事请私聊我说：打开和我的单聊，发 审核。"),
                ("李建国", "3栋群", "@小邻 申诉 246 少记了", "这件事请私聊我说：打开和我的单聊，发 申诉 88 少记了。"),
                ("陌生人", "3栋群", "@小邻 积分", "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
                (
                    "王秀英",
                    direct,
                    "积分",
                    "王秀英，您现有16分，本月+0分，服务时长5小时9分。\n为什么有这些分，请发 积分明细。",
                ),
            ],
        )
        assert pushes == []
        # The answer to a command that writes is kept, whatever it was.
        assert grown(before, await count_rows(house)) == {"inbox": 1}
    finally:
        await house.close()


@ON_SQLITE
async def test_where_the_bot_cannot_write_to_people_it_promises_nothing(demo_url: str) -> None:
    opened = await open_street(demo_url)
    street = muted(opened)
    preview = (
        "【下棋】11月22日 周日 9:00-11:00\n地点：活动室；名额：1人；积分：按社区规则\n发布请回复 确认，不发回复 取消。"
    )
    full = "「下棋」名额不够了，李建国 排在候补第1位。\n有没有空位，请发 活动 15 看。"
    try:
        await talk(
            street,
            [
                ("张敏", direct, "发布活动 周日9点 下棋 活动室 1人", preview),
                (
                    "张敏",
                    direct,
                    "确认",
                    "已发布 15号活动「下棋」11月22日 周日 9:00-11:00，活动室。\n想参加的邻居请发 报名 15。",
                ),
                ("王秀英", direct, "报名 15", "已给 王秀英 报名「下棋」，名额正好满了。\n11月22日 周日 9:00，活动室。"),
                ("李建国", direct, "报名 15", full),
                ("李建国", direct, "家人 王秀英", "请让 王秀英 私聊我发 愿意 1，同意了才能替对方办事。"),
                (
                    "李建国",
                    direct,
                    "申诉 246 少记了",
                    "已收到申诉（2号），会请没有经手这笔分的人来看。\n有没有结果，请过几天发 积分明细 看。",
                ),
            ],
        )
    finally:
        await street.house.close()


@ON_SQLITE
async def test_of_several_answers_only_the_private_one_is_given_aside(street: Street) -> None:
    signed_up = "已给 王秀英 报名「清洁家园」，还剩12个名额。\n11月21日 周六 9:00，中心花园。"
    pushes = await talk(street, [("王秀英", "3栋群", "@小邻 积分\n报名 12", f"{signed_up}\n已私信您。")])
    assert pushes == [
        Push("王秀英", "王秀英，您现有16分，本月+0分，服务时长5小时9分。\n为什么有这些分，请发 积分明细。")
    ]


@ON_SQLITE
async def test_the_statement_explains_every_line(street: Street) -> None:
    more = "有疑问请发 申诉 加编号和理由，例如 申诉 {} 少记了。"
    await talk(
        street,
        [
            (
                "李建国",
                direct,
                "积分明细",
                f"246. 10月7日 反诈宣传 服务时长 +1\n244. 10月7日 反诈宣传 签到 +3\n{more.format(246)}",
            ),
            ("张敏", direct, "加分 李建国 5 修灯", "已给 李建国 加5分（修灯），现有9分。"),
            ("张敏", direct, "扣分 李建国 2 乱停车", "要扣 李建国 2分（乱停车）吗？回复 确认 就扣，不扣回复 取消。"),
            ("张敏", direct, "确认", "已扣 李建国 2分（乱停车），现有7分。"),
            ("张敏", direct, "撤销", "已撤销给 李建国 的-2分。"),
            (
                "李建国",
                direct,
                "积分流水",
                "852. 11月17日 撤销：乱停车 +2\n851. 11月17日 扣分：乱停车 -2\n"
                f"850. 11月17日 加分：修灯 +5\n{more.format(852)}更早的请发 积分明细 850。",
            ),
            (
                "李建国",
                direct,
                "积分明细 850",
                f"246. 10月7日 反诈宣传 服务时长 +1\n244. 10月7日 反诈宣传 签到 +3\n{more.format(246)}",
            ),
            ("李建国", direct, "积分明细 244", "没有更早的积分记录了。"),
        ],
    )


@ON_SQLITE
async def test_the_rules_are_told_in_words(street: Street) -> None:
    await talk(street, [("王秀英", "3栋群", "积分规则", RULES), ("王秀英", direct, "怎么得分", RULES)])
    everything = points.Rule(3, 2, 10, 60, 150, 20, 6, 300)
    await street.house.books.write(
        lambda s: points.set_rule(s, community_id=1, kind="activity", rule=everything, since=november(17, 0))
    )
    await talk(
        street,
        [
            (
                "王秀英",
                direct,
                "积分规则",
                "【积分规则】参加活动每次3分，满一小时再加2分；晚上20点到6点按150%；节日当天按300%"
                "；一天最多10分；一月最多60分\n以活动上写的分数为准。",
            )
        ],
    )


# -- boards ----------------------------------------


@ON_SQLITE
async def test_boards_are_by_period_and_unit_with_ties_and_the_own_place(street: Street) -> None:
    await talk(
        street,
        [
            (
                "王秀英",
                "3栋群",
                "排行榜",
                "【本月积分榜】\n1. 曹玉兰 11分  1. 高云霞 11分  1. 林彩霞 11分  1. 刘秀兰 11分  5. 孙姐 6分\n"
                "5. 董兰芳 6分  5. 刘文华 6分  5. 杨红梅 6分  5. 傅爱华 6分  5. 郑立新 6分\n您本月还没有积分。",
            ),
            (
                "王秀英",
                direct,
                "排行榜 上月",
                "【上月积分榜】\n1. 曹建华 14分  2. 陈美玲 11分  2. 吕文华 11分  2. 林立新 11分  2. 马卫东 11分\n"
                "2. 马耀东 11分  2. 黄国强 11分  2. 郭文华 11分  9. 王秀英 10分  9. 彭桂英 10分\n您在第9位，10分。",
            ),
            (
                "李建国",
                direct,
                "排行榜 本月 3栋",
                "【本月积分榜 3栋】\n1. 郑立新 6分  1. 徐云霞 6分  3. 郑卫东 5分  3. 朱桂英 5分  3. 黄海燕 5分\n"
                "您本月还没有积分。",
            ),
            (
                "孙姐",
                direct,
                "排行榜 3栋",
                "【本月积分榜 3栋】\n1. 郑立新 6分  1. 徐云霞 6分  3. 郑卫东 5分  3. 朱桂英 5分  3. 黄海燕 5分\n"
                "您不在3栋，这里不排您的名次。",
            ),
            (
                "李建国",
                direct,
                "排行榜 全部",
                "【全部积分榜】\n1. 曹玉兰 23分  2. 刘秀兰 22分  3. 高云霞 20分  3. 曹建华 20分  5. 郑立新 18分\n"
                "6. 林立新 17分  6. 林彩霞 17分  8. 王秀英 16分  8. 罗春梅 16分  10. 陈美玲 15分\n您在第149位，4分。",
            ),
            ("王秀英", direct, "排行榜 本周", "积分榜按月算。请发 排行榜 本月，或 上月、本季、今年、全部。"),
            ("王秀英", direct, "排行榜 44栋", "没有找到「44栋」。楼栋请这样写：3栋；看看有哪些，请发 组织。"),
        ],
    )


@ON_SQLITE
async def test_who_opted_out_is_on_no_board_and_still_sees_the_own_place(street: Street) -> None:
    await talk(street, [("曹玉兰", direct, "不上榜", "好的，积分榜不再显示您。想重新上榜请发 我要上榜。")])
    assert await street.say("曹玉兰", "排行榜") == (
        "【本月积分榜】\n1. 高云霞 11分  1. 林彩霞 11分  1. 刘秀兰 11分  4. 孙姐 6分  4. 董兰芳 6分\n"
        "4. 刘文华 6分  4. 杨红梅 6分  4. 傅爱华 6分  4. 郑立新 6分  4. 程耀东 6分\n您在第1位，11分。"
    )
    # Those behind her move up: she is not counted ahead of them either.
    assert (await street.say("孙姐", "排行榜")).endswith("您在第4位，6分。")
    await talk(
        street,
        [
            ("曹玉兰", direct, "不上榜", "积分榜本来就没有显示您。"),
            ("曹玉兰", direct, "我要上榜", "好的，积分榜会显示您了。不想显示请发 不上榜。"),
            ("曹玉兰", direct, "我要上榜", "您已经在积分榜上了。"),
        ],
    )
    assert (await street.say("孙姐", "排行榜")).endswith("您在第5位，6分。")


@ON_SQLITE
async def test_a_hidden_name_is_masked_on_the_board(street: Street) -> None:
    await street.house.books.write(
        lambda s: s.execute(update(Member).where(Member.name.in_(["曹玉兰", "孙姐"])).values(hides_name=True))
    )
    assert (await street.say("王秀英", "排行榜", where="3栋群")).split("\n")[1] == (
        "1. 曹*兰 11分  1. 高云霞 11分  1. 林彩霞 11分  1. 刘秀兰 11分  5. 孙* 6分"
    )


@ON_SQLITE
async def test_an_empty_board_says_so(street: Street) -> None:
    await street.until(november(30, 12))
    await street.until(november(30, 23, 59).replace(month=12, day=1, hour=8, minute=0))
    assert await street.say("王秀英", "排行榜") == "本月还没有积分记录。"


# -- giving and taking ----------------------------------------


@ON_SQLITE
async def test_giving_and_taking_tell_the_person_and_taking_asks_first(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("老赵", "3栋群", "@小邻 加分 李建国 5 修灯", "已给 李建国 加5分（修灯），现有9分。"),
            ("老赵", "3栋群", "@小邻 给李建国加5分，帮陈阿姨搬东西", "已给 李建国 加5分（帮陈阿姨搬东西），现有14分。"),
            # Said at once, not only when it has been confirmed.
            ("张敏", direct, "扣分 李建国 20 乱停车", "对方现在只有14分，扣不了20分。"),
            ("张敏", direct, "扣分 李建国 4 乱停车", "要扣 李建国 4分（乱停车）吗？回复 确认 就扣，不扣回复 取消。"),
            ("张敏", direct, "好的", "已扣 李建国 4分（乱停车），现有10分。"),
        ],
    )
    assert pushes == [
        Push("李建国", "老赵 给您加了5分（修灯），现有9分。"),
        Push("李建国", "老赵 给您加了5分（帮陈阿姨搬东西），现有14分。"),
        Push("李建国", "张敏 扣了您4分（乱停车），现有10分。\n不同意请发 积分明细，再发 申诉 加编号和理由。"),
    ]
    assert await street.house.books.read(balance("李建国")) == 10


@ON_SQLITE
async def test_a_negative_award_is_a_deduction_and_asks_first(street: Street) -> None:
    asked = "要扣 李建国 2分（乱停车）吗？回复 确认 就扣，不扣回复 取消。"
    await talk(
        street,
        [
            ("张敏", direct, "加分 李建国 -2 乱停车", asked),
            ("张敏", direct, "取消", "好的，不办了。"),
            ("张敏", direct, "加分 李建国 －2 乱停车", asked),
            ("张敏", direct, "确认", "已扣 李建国 2分（乱停车），现有2分。"),
            ("张敏", direct, "加分 李建国 -5 修灯", "对方现在只有2分，扣不了5分。"),
        ],
    )
    assert await street.house.books.read(balance("李建国")) == 2


BEYOND = "孙丽 不在您负责的范围，请他所在楼栋的负责人来办。"
NOT_ALLOWED = "这件事要楼长或社区来办。您能办的事请发 帮助。"


@ON_SQLITE
async def test_giving_is_refused_and_writes_nothing(street: Street) -> None:
    await talk(
        street,
        [
            ("老赵", "3栋群", "@小邻 加分 孙丽 5 修灯", BEYOND),
            ("老赵", direct, "加分 孙丽 5 修灯", BEYOND),
            ("老赵", direct, "加分 老赵 5 修灯", "不能给自己加减分，请别的同志来办。"),
            ("张敏", direct, "加分 张敏 5 修灯", "不能给自己加减分，请别的同志来办。"),
            ("张敏", direct, "加分 李建国 500 修灯", "一次最多100分，请分几次，或核对一下数字。"),
            ("张敏", direct, "加分 李建国 0 修灯", "分数至少是1分，例如 加分 李建国 5 修灯。"),
            ("张敏", direct, "扣分 李建国 0 修灯", "分数至少是1分，例如 加分 李建国 5 修灯。"),
            ("张敏", "3栋群", "@小邻 加分 王秀英 0 修灯", "分数至少是1分，例如 加分 李建国 5 修灯。"),
            (
                "张敏",
                direct,
                "加分 李建国 2.5 修灯",
                "积分是整数，没有半分。请写整数，例如 加分 李建国 5 修灯。",
            ),
            ("张敏", direct, f"加分 李建国 5 {'修灯' * 51}", "理由请用100个字以内，写短一点再发。"),
            ("张敏", direct, "加分 钱多多 5 修灯", "没有找到 钱多多。请写全名，或请楼长帮忙看看名册。"),
            ("张敏", direct, "加分 李建国 5", "请写上理由，例如 加分 李建国 5 修灯"),
            ("张敏", direct, "加分 李建国", "多少分？例如 加分 李建国 5 修灯"),
            ("王秀英", "3栋群", "@小邻 加分 李建国 5 修灯", NOT_ALLOWED),
            ("李建国", direct, "加分 王秀英 5 修灯", NOT_ALLOWED),
            ("刘洋", direct, "扣分 王秀英 5 乱停车", NOT_ALLOWED),
            ("陌生人", direct, "加分 李建国 5 修灯", "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
            ("王秀英", "3栋群", "加分 李建国 5 修灯", ""),
        ],
    )
    assert await street.house.books.read(lambda s: s.scalar(select(func.count(Award.id)))) == 0
    assert await street.house.books.read(lambda s: s.scalar(select(func.count(Outbox.id)))) == 0


@ON_SQLITE
async def test_namesakes_are_told_apart_by_their_building(street: Street) -> None:
    await street.house.books.write(
        lambda s: add_member(
            s,
            community_id=1,
            name="李建国",
            unit=find_unit(s, community_id=1, name="5栋1单元"),
            now=november(1, 0),
        )
    )
    await talk(
        street,
        [
            ("张敏", direct, "加分 李建国 5 修灯", "叫 李建国 的有2位，请写上楼栋，例如 3栋李建国。"),
            ("张敏", direct, "加分 3栋李建国 5 修灯", "已给 李建国 加5分（修灯），现有9分。"),
            ("张敏", direct, "加分 5栋李建国 5 修灯", "已给 李建国 加5分（修灯），现有5分。"),
        ],
    )


# -- disagreeing ----------------------------------------


async def test_an_appeal_is_decided_by_somebody_who_did_not_give(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("张敏", direct, "扣分 李建国 2 乱停车", "要扣 李建国 2分（乱停车）吗？回复 确认 就扣，不扣回复 取消。"),
            ("张敏", direct, "确认", "已扣 李建国 2分（乱停车），现有2分。"),
            ("王秀英", direct, "申诉 850 不是我的也申诉", "没有找到您的850号积分记录。编号在 积分明细 里。"),
            (
                "李建国",
                direct,
                "申诉 850 那不是我的车",
                "已收到申诉（1号），会请没有经手这笔分的人来看。\n有结果我会告诉您。",
            ),
            ("李建国", direct, "申诉 850 真的不是", "这一条已经申诉过了（1号）。"),
            ("张敏", direct, "审核", "现在没有等您看的事。"),
            ("张敏", direct, "通过 1", "1号和您自己有关，要请别的同志来看。"),
            ("李建国", direct, "通过 1", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
            ("老赵", direct, "通过 1", "没有等您看的1号。看看有哪些，请发 审核。"),
            (
                "孙丽",
                direct,
                "审核",
                "等您看的有1件：\n1号 申诉 李建国：11月17日 扣分（乱停车） -2（记录850），说「那不是我的车」\n"
                "同意请回复 通过 1，不同意请回复 驳回 1 理由。",
            ),
            ("孙丽", direct, "通过 1", "已通过 1号申诉：李建国 +2分，现有4分。"),
            ("孙丽", direct, "通过 1", "没有等您看的1号。看看有哪些，请发 审核。"),
        ],
    )
    assert pushes == [
        Push("李建国", "张敏 扣了您2分（乱停车），现有2分。\n不同意请发 积分明细，再发 申诉 加编号和理由。"),
        Push(
            "孙丽",
            "有一条积分申诉等您看：李建国 对「11月17日 扣分：乱停车 -2」说「那不是我的车」。\n"
            "同意回复 通过 1，不同意回复 驳回 1 理由。",
        ),
        Push("李建国", "您的申诉（1号）通过了：+2分，现有4分。"),
    ]

    def added(session: Session) -> list[tuple[str, int, bool]]:
        rows = session.execute(
            select(Transfer.reason, Transfer.amount, Transfer.corrects.is_(None)).where(Transfer.id >= 850)
        )
        return [tuple(row) for row in rows]

    assert await street.house.books.read(added) == [("deduct", 2, True), ("appeal", 2, False)]


@ON_SQLITE
async def test_an_appeal_for_more_points_names_how_many(street: Street) -> None:
    received = "已收到申诉（{}号），会请没有经手这笔分的人来看。\n有结果我会告诉您。"
    pushes = await talk(
        street,
        [
            ("王秀英", direct, "申诉 519 少记了", received.format(1)),
            ("王秀英", direct, "申诉 517 少记了", received.format(2)),
            ("孙丽", direct, "通过 1", "1号要补多少分？请回复 通过 1 3分。"),
            ("孙丽", direct, "通过 1 3分", "已通过 1号申诉：王秀英 +3分，现有19分。"),
            ("孙丽", direct, "驳回 2", "请写上理由，例如 驳回 2 楼栋写错了。"),
            ("孙丽", direct, "驳回 2 核对过签到表", "已驳回 2号申诉：王秀英（核对过签到表）。"),
        ],
    )
    assert pushes[-2:] == [
        Push("王秀英", "您的申诉（1号）通过了：+3分，现有19分。"),
        Push("王秀英", "您的申诉（2号）没有通过：核对过签到表。\n还有疑问请找社区当面说。"),
    ]


@ON_SQLITE
async def test_an_appeal_against_the_only_one_nearby_goes_to_the_next_above(street: Street) -> None:
    def make_staff(session: Session) -> None:
        unit = find_unit(session, community_id=1, name="3栋")
        member_id = add_member(session, community_id=1, name="钱姐", unit=unit, now=november(1, 0))
        add_identity(
            session, community_id=1, member_id=member_id, namespace="simulator", external_id="钱姐", now=november(1, 0)
        )
        agree(session, 1, member_id)
        give_role(session, community_id=1, member_id=member_id, role=Role.STAFF, unit=unit, now=november(1, 0), by=None)

    await street.house.books.write(make_staff)
    pushes = await talk(
        street,
        [
            ("钱姐", direct, "加分 李建国 1 修灯", "已给 李建国 加1分（修灯），现有5分。"),
            (
                "李建国",
                direct,
                "申诉 850 修了三盏",
                "已收到申诉（1号），会请没有经手这笔分的人来看。\n有结果我会告诉您。",
            ),
        ],
    )
    assert [push.to for push in pushes] == ["李建国", "张敏", "孙丽"]


@ON_SQLITE
async def test_where_nobody_may_decide_both_hear_it(street: Street) -> None:
    """A community that has been founded today has one secretary, and she gave the points."""

    def leave(session: Session) -> None:
        member_id = session.scalar(select(Member.id).where(Member.name == "孙丽"))
        session.execute(update(MemberRole).where(MemberRole.member_id == member_id).values(until=november(17, 0)))

    await street.house.books.write(leave)
    pushes = await talk(
        street,
        [
            ("张敏", direct, "扣分 李建国 2 乱停车", "要扣 李建国 2分（乱停车）吗？回复 确认 就扣，不扣回复 取消。"),
            ("张敏", direct, "确认", "已扣 李建国 2分（乱停车），现有2分。"),
            (
                "李建国",
                direct,
                "申诉 850 那不是我的车",
                "已收到申诉（1号）。这笔分要请没有经手的人来看，社区现在还没有，有了就能办。\n着急的话请当面找社区说。",
            ),
        ],
    )
    assert pushes[1:] == [
        Push(
            "张敏",
            "李建国 对您经手的「11月17日 扣分：乱停车 -2」有意见：那不是我的车（1号）。\n"
            "要请别的社区工作人员来看，现在还没有，请先添一位。",
        )
    ]


@ON_SQLITE
async def test_whoever_was_told_of_points_hears_that_they_were_taken_back(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("张敏", direct, "加分 李建国 5 修灯", "已给 李建国 加5分（修灯），现有9分。"),
            ("张敏", direct, "撤销", "已撤销给 李建国 的+5分。"),
            ("张敏", direct, "扣分 李建国 2 乱停车", "要扣 李建国 2分（乱停车）吗？回复 确认 就扣，不扣回复 取消。"),
            ("张敏", direct, "确认", "已扣 李建国 2分（乱停车），现有2分。"),
            ("张敏", direct, "撤销", "已撤销给 李建国 的-2分。"),
            ("李建国", direct, "申诉 850 修了三盏", "850号已经撤销了。有意见请对撤销的那一条说：申诉 851 加理由。"),
        ],
    )
    assert [push.text.partition("\n")[0] for push in pushes] == [
        "张敏 给您加了5分（修灯），现有9分。",
        "张敏 撤销了刚才给您加的5分，现有4分。",
        "张敏 扣了您2分（乱停车），现有2分。",
        "张敏 撤销了刚才扣您的2分，现有4分。",
    ]


@ON_SQLITE
async def test_a_board_is_posted_into_the_groups_of_whoever_is_in_charge(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("老赵", direct, "发榜 本月 3栋", "积分榜会发到：3栋群。"),
            ("老赵", "3栋群", "@小邻 发榜", "积分榜会发到：3栋群。"),
            ("老赵", direct, "发榜 给我", "榜单马上私信发给您，要放哪个群就转到哪个群。"),
            ("老赵", direct, "发榜 5栋", "5栋不归您管，请发您负责的楼栋的榜，例如 发榜 本月。"),
            ("老赵", direct, "发榜 本周", "积分榜按月算。请发 排行榜 本月，或 上月、本季、今年、全部。"),
            ("王秀英", direct, "发榜 3栋", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
            ("张敏", direct, "发榜 上月", "积分榜会发到：3栋群、5栋群、社区大群。"),
            november(17, 22),
            ("老赵", direct, "发榜 上月", "现在是免打扰的时间，11月18日 周三 7:00 再把积分榜发到：3栋群。"),
            november(18, 7, 1),
        ],
    )
    # Said twice within a minute it is posted once.
    assert [push.text for push in pushes if push.to == "3栋群"] == [
        "【本月积分榜 3栋】\n1. 郑立新 6分  1. 徐云霞 6分  3. 郑卫东 5分  3. 朱桂英 5分  3. 黄海燕 5分\n"
        "自己排第几请 @小邻 发 排行榜，不想上榜发 不上榜。",
        "【上月积分榜】\n1. 曹建华 14分  2. 陈美玲 11分  2. 吕文华 11分  2. 林立新 11分  2. 马卫东 11分\n"
        "2. 马耀东 11分  2. 黄国强 11分  2. 郭文华 11分  9. 王秀英 10分  9. 彭桂英 10分\n"
        "自己排第几请 @小邻 发 排行榜，不想上榜发 不上榜。",
        # In the morning.
        "【上月积分榜 3栋】\n1. 陈美玲 11分  1. 马耀东 11分  3. 王秀英 10分  4. 陈阿姨 6分  4. 郑立新 6分\n"
        "6. 刘雨桐 5分  6. 赵德福 5分  8. 李建国 4分  8. 郑卫东 4分  8. 彭秋菊 4分\n"
        "自己排第几请 @小邻 发 排行榜，不想上榜发 不上榜。",
    ]
    assert [push.text.partition("\n")[0] for push in pushes if push.to == "老赵"] == ["【本月积分榜 3栋】"]
    placards = await street.house.books.read(
        lambda session: session.scalars(
            select(Outbox.placard).where(Outbox.community_id == 1, Outbox.key.like("board:%")).order_by(Outbox.id)
        ).all()
    )
    assert placards[0] == [
        "本月积分榜 3栋",
        ["名次", "姓名", "积分"],
        [["1", "郑立新", "6分"], ["1", "徐云霞", "6分"], ["3", "郑卫东", "5分"], ["3", "朱桂英", "5分"], ["3", "黄海燕", "5分"]],
        "自己排第几请 @小邻 发 排行榜，不想上榜发 不上榜。",
    ]  # fmt: skip


@ON_SQLITE
async def test_a_board_for_a_group_that_cannot_be_written_to_is_carried_by_hand(street: Street) -> None:
    await talk(
        muted(street),
        [
            ("老赵", direct, "发榜", "3栋群我发不进去，请发 排行榜 本月 3栋，把回答复制过去。"),
            ("老赵", direct, "发榜 给我", "我不能先私信您，请发 排行榜 本月 3栋，把回答复制过去。"),
        ],
    )
