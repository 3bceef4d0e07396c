"""Where two features meet: what neither of them is asked alone, and what neighbours do every week all the same."""

from datetime import datetime

from models.ledger import Currency, balance_of
from models.members import find_member
from tests.dialogue import ON_SQLITE, direct, november, talk
from tests.fakes.street import Street, muted

AFTER = november(22, 12, 10)
"""The health consultation (13) is over."""


async def held(street: Street, name: str, currency: Currency) -> int:
    """What somebody has in the books."""
    return await street.house.books.read(
        lambda session: balance_of(
            session,
            community_id=1,
            member_id=find_member(session, community_id=1, name=name).id,
            currency=currency,
        )
    )


async def test_hours_that_were_vouched_for_stand_again_where_a_later_word_is_taken_back(street: Street) -> None:
    await talk(street, [AFTER])
    before = [await held(street, "孙姐", one) for one in (Currency.VOUCHED_MINUTES, Currency.POINTS)]
    await talk(
        street,
        [
            ("张敏", direct, "补签 13 孙姐", "已给 孙姐 补签「义诊」，记服务时长 2小时（组织者证明）。"),
            (
                "张敏",
                direct,
                "时长 13 孙姐 9小时",
                "孙姐 已经有组织者证明的2小时了，再多就超过活动的时长，不用再记。",
            ),
        ],
    )
    made_up = [await held(street, "孙姐", one) for one in (Currency.VOUCHED_MINUTES, Currency.POINTS)]
    assert made_up == [before[0] + 120, before[1] + 5]
    await talk(
        street,
        [
            (
                "张敏",
                direct,
                "时长 13 孙姐 1小时",
                "已给 孙姐 记「义诊」服务时长 1小时（组织者证明），积分+1。",
            ),
            ("张敏", direct, "撤销", "已撤销 孙姐 的「义诊」时长。"),
        ],
    )
    assert [await held(street, "孙姐", one) for one in (Currency.VOUCHED_MINUTES, Currency.POINTS)] == made_up


ASKED = (
    "王秀英 想把 7号「下水道维修岗」交给您，11月20日 周五 19:30前答复都行。\n愿意请回复 接岗 7，不方便请回复 不接岗 7。"
)
OFFER = "已问 {}，同意了我就告诉您。没答复前，7号「下水道维修岗」还是您的。"
HERS = (
    "7号「下水道维修岗」归 王秀英 了，任期到2026年12月31日，谢谢您！"
    "\n要做的：疏通楼道下水，冬天看防冻；有事随叫；各单元。\n内部说明：工具柜在1栋门厅，密码 2580"
)


@ON_SQLITE
async def test_a_plain_word_answers_the_question_that_somebody_was_asked_last(street: Street) -> None:
    """Nobody types 不接岗 7 who is asked whether they would like to: they say 不行, or 愿意."""
    pushes = await talk(
        street,
        [
            ("王秀英", direct, "认领 7", HERS),
            ("王秀英", direct, "转岗 7 何叔", OFFER.format("何叔")),
            # Said in the group it was said to the neighbours, and bears on nothing that was asked alone.
            ("何叔", "党员群", "@小邻 好的", "现在没有等您回复的事。看看我会什么，请发 帮助。"),
            ("何叔", direct, "不行", "好的，没有接 7号「下水道维修岗」，还是 王秀英 的。"),
            ("王秀英", direct, "转岗 7 李建国", OFFER.format("李建国")),
            (
                "李建国",
                direct,
                "愿意",
                "好的，7号「下水道维修岗」现在是您的了，谢谢！\n做了事请发 履职 7 加做了什么。",
            ),
            ("李建国", direct, "好的", "现在没有人要把岗位转给您。看看有哪些岗位，请发 岗位。"),
            ("王秀英", direct, "认领 4 和陈美玲一起", "已去问 陈美玲，答应了「环保护绿岗」就归你们俩。"),
            ("陈美玲", direct, "不愿意", "好的，已经告诉 王秀英。"),
            ("王秀英", direct, "认领 4 和陈美玲一起", "已去问 陈美玲，答应了「环保护绿岗」就归你们俩。"),
            (
                "陈美玲",
                direct,
                "好的",
                "4号「环保护绿岗」归 陈美玲 和 王秀英 了，任期到2026年12月31日，谢谢两位！"
                "\n要做的：捡拾垃圾，给花浇水；每周一次；中心花园。",
            ),
        ],
    )
    assert [push.text for push in pushes if push.to == "李建国"] == [ASKED]


@ON_SQLITE
async def test_a_place_that_is_held_is_taken_with_a_word_that_otherwise_acknowledges_a_notice(street: Street) -> None:
    await talk(
        street,
        [
            (
                "张敏",
                direct,
                "发布活动 周六14点 种花 中心花园 1人 2分",
                "【种花】11月21日 周六 14:00-16:00\n地点：中心花园；名额：1人；积分：2分\n发布请回复 确认，不发回复 取消。",
            ),
            (
                "张敏",
                direct,
                "确认",
                "已发布 15号活动「种花」11月21日 周六 14:00-16:00，中心花园。\n想参加的邻居请发 报名 15。",
            ),
            (
                "李建国",
                direct,
                "报名 15",
                "已给 李建国 报名「种花」，名额正好满了。\n11月21日 周六 14:00，中心花园。",
            ),
            ("王秀英", direct, "报名 15", "「种花」名额不够了，王秀英 排在候补第1位。\n有空位我会告诉您。"),
            ("李建国", direct, "取消报名 15", "已取消 李建国 的「种花」报名。谢谢告诉大家！"),
            ("王秀英", direct, "收到", "好的，王秀英 的「种花」位置定了。\n11月21日 周六 14:00，中心花园。"),
            # 7 is a notice of the property firm, which waits for receipts all the time.
            ("王秀英", direct, "收到 7", "记下了，谢谢。"),
            # Who says no to it is not asked why, and nobody waits two hours for them.
            ("孙姐", direct, "报名 15", "「种花」名额不够了，孙姐 排在候补第1位。\n有空位我会告诉您。"),
            ("王秀英", direct, "取消报名 15", "已取消 王秀英 的「种花」报名。谢谢告诉大家！"),
            ("孙姐", direct, "不行", "已取消 孙姐 的「种花」报名。谢谢告诉大家！"),
        ],
    )


CLEAN_UP, CLINIC = "11月21日 周六 9:00，中心花园。", "11月22日 周日 9:00，活动室。"
NEXT = "已给 王秀英 报名「清洁家园」，还剩19个名额。\n11月28日 周六 9:00，中心花园。"
AWAY = (
    "王秀英 报「清洁家园」要组织的同志先点个头：最近2次报了名没来（11月21日 清洁家园、11月22日 义诊）。"
    "\n我已经转告了，有结果告诉您。当天其实到了的，请找楼长补签。"
)


@ON_SQLITE
async def test_who_waits_for_leave_has_it_once_they_turn_out_to_have_come(street: Street) -> None:
    """王秀英 missed two, as the books say; a paper turns up on which she stands."""
    for who in ("王秀英", "李建国"):
        for number in ("12", "13"):
            await street.say(who, f"报名 {number}")
    for day in (21, 22):
        await street.until(november(day, 8, 55))
        await street.say("李建国", "签到")
    await street.until(november(23, 9))
    await street.say("张敏", "发布活动 周六9点 清洁家园 中心花园 20人 5分")
    await street.say("张敏", "确认")
    pushes = await talk(
        street,
        [
            ("王秀英", direct, "报名 15", AWAY),
            (
                "王秀英",
                direct,
                "报名 15",
                "王秀英 报「清洁家园」在等组织的同志点头，有结果告诉您。不去了请发 取消报名 15。",
            ),
            ("张敏", direct, "补签 12 王秀英", "已给 王秀英 补签「清洁家园」，记服务时长 2小时（组织者证明）。"),
            ("王秀英", direct, "报名 15", NEXT),
            ("张敏", direct, "审核", "现在没有等您看的事。"),
        ],
    )
    assert [push.to for push in pushes] == ["张敏", "王秀英"]


@ON_SQLITE
async def test_whoever_organises_it_signs_up_who_waits_for_their_leave(street: Street) -> None:
    for number in ("12", "13"):
        await street.say("王秀英", f"报名 {number}")
        await street.say("李建国", f"报名 {number}")
    for day in (21, 22):
        await street.until(november(day, 8, 55))
        await street.say("李建国", "签到")
    await street.until(november(23, 9))
    await street.say("张敏", "发布活动 周六9点 清洁家园 中心花园 20人 5分")
    await street.say("张敏", "确认")
    pushes = await talk(
        street,
        [
            ("王秀英", direct, "报名 15", AWAY),
            ("张敏", direct, "替 王秀英 报名 15", NEXT),
            ("张敏", direct, "审核", "现在没有等您看的事。"),
        ],
    )
    assert [push.to for push in pushes] == ["张敏", "王秀英"]


@ON_SQLITE
async def test_nobody_is_told_of_others_who_have_the_place_where_there_are_none(street: Street) -> None:
    await street.say("张敏", "发布活动 周六14点 种花 中心花园 1人 2分")
    await street.say("张敏", "确认")
    await street.say("李建国", "报名 15")
    await street.say("孙姐", "报名 15")
    await street.say("李建国", "取消报名 15")
    pushes = await street.until(november(17, 21, 31))
    assert [(push.to, push.text) for push in pushes] == [
        ("孙姐", "没有等到您的回复，「种花」的位置没有再给您留。\n还想来请再发 报名 15。")
    ]


@ON_SQLITE
async def test_who_cannot_be_written_to_reads_among_their_posts_what_is_handed_over_to_them(street: Street) -> None:
    quiet = muted(street)
    await talk(
        quiet,
        [
            (
                "何叔",
                direct,
                "转岗 3 李建国",
                "请让 李建国 对我说 接岗 3，同意了才算。没答复前，3号「治安巡逻岗」还是您的。",
            ),
            (
                "李建国",
                direct,
                "我的岗位",
                "何叔 想把 3号 治安巡逻岗 交给您：愿意请发 接岗 3\n看要做什么请发 岗位 3，不方便请发 不接岗 3。",
            ),
        ],
    )
    shown = await quiet.say("李建国", "岗位 3")
    assert shown.splitlines()[-1] == "何叔 想把这个岗位交给您。愿意请发 接岗 3，不方便请发 不接岗 3。"
    other = await quiet.say("王秀英", "岗位 3")
    assert other.splitlines()[-1] == "认领请发 认领 3；两个人一起请发 认领 3 和 姓名 一起。"


def december(day: int, hour: int, minute: int = 0) -> datetime:
    return november(day, hour, minute).replace(month=12)


@ON_SQLITE
async def test_a_post_that_goes_on_asks_its_holders_and_one_that_ends_does_not_look_empty(street: Street) -> None:
    """All posts of the demo end with the year; those in charge hear of it in time, and let one of them go on."""
    await street.say("何叔", "履职 3 巡了两圈")
    await street.until(december(1, 12))
    await street.say("何叔", "履职 3 巡了一圈")
    pushes = await street.until(december(19, 11))
    ending = "3号「治安巡逻岗」的任期 2026年12月31日 到，到期大家都离岗。"
    assert [push.text.split("\n") for push in pushes if push.to == "孙丽" and "到期" in push.text] == [
        [ending, "还接着办请发 改岗位 3 任期 到2027年12月31日，在岗的人续不续我再去问。"]
    ]
    await talk(
        street,
        [
            (
                "孙丽",
                direct,
                "改岗位 3 任期 到2027年12月31日",
                "已改 3号「治安巡逻岗」：任期到2027年12月31日。\n已经在岗的人任期不变。",
            )
        ],
    )
    asked = [push for push in await street.until(december(20, 10)) if push.to == "何叔"]
    assert [push.text.split("\n")[0] for push in asked] == ["何叔，您的 3号「治安巡逻岗」任期到2026年12月31日。"]
    await talk(street, [("何叔", direct, "续任 3", "好的，3号「治安巡逻岗」续任到2027年12月31日，谢谢您！")])
    await street.until(december(1, 12).replace(year=2027, month=1))
    await talk(
        street,
        [
            ("王秀英", direct, "岗位 缺人", "3号 治安巡逻岗（缺1人）\n看看做什么请发 岗位 3，认领请发 认领 3。"),
            (
                "王秀英",
                direct,
                "岗位 轻活",
                "4号 环保护绿岗（任期已到）轻活\n5号 门栋关照岗（任期已到）轻活\n6号 邻里纠纷调解岗（任期已到）轻活"
                "\n看看做什么请发 岗位 4，认领请发 认领 4。",
            ),
        ],
    )


@ON_SQLITE
async def test_what_is_said_about_a_thing_goes_on_being_about_that_thing(street: Street) -> None:
    await talk(
        street,
        [
            ("王秀英", "3栋群", "@小邻 岗位细节 7", "这件事请私聊我说：打开和我的单聊，发 岗位细节 7。"),
            AFTER,
            ("李建国", direct, "补签 13", "已收到「义诊」的补签申请（1号），请组织者看一下。\n有结果我会告诉您。"),
            (
                "张敏",
                direct,
                "审核",
                "等您看的有1件：\n1号 补签 李建国「义诊」：没有写情况\n同意请回复 通过 1，不同意请回复 驳回 1 理由。",
            ),
            (
                "张敏",
                direct,
                "通过 1",
                "已通过 1号：给 李建国 补签了「义诊」，记服务时长 2小时（组织者证明）。",
            ),
            (
                "李建国",
                direct,
                "我没去 13",
                "「义诊」的签到是组织者给您补的。没去的话，请和组织者或社区说一声，请他们改。",
            ),
        ],
    )


@ON_SQLITE
async def test_whoever_asks_whether_they_are_signed_up_is_not_signed_up_by_it(street: Street) -> None:
    await talk(
        street,
        [
            ("王秀英", direct, "我报名了吗", "您现在没有报名的活动。看看有哪些活动，请发 活动。"),
            ("王秀英", direct, "报名 12 2人", f"已给 王秀英 报名「清洁家园」（共2人），还剩11个名额。\n{CLEAN_UP}"),
            ("老赵", direct, "替 王秀英 报名 13", f"已给 王秀英 报名「义诊」，还剩29个名额。\n{CLINIC}"),
            (
                "王秀英",
                "3栋群",
                "@小邻 我的报名",
                "12号 清洁家园 11月21日 周六 9:00，中心花园（共2人）\n13号 义诊 11月22日 周日 9:00，活动室"
                "\n来不了请发 取消报名 加编号，例如 取消报名 12。",
            ),
        ],
    )
