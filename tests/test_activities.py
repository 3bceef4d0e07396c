"""活动 as they are talked about: announced with a preview, listed, joined with companions, left, called off."""

import asyncio
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from bot.script import Push
from models.activities import Activity, Signup, SignupState
from models.directory import Identity
from models.members import Member, Role, give_role
from models.units import find_unit
from tests.dialogue import ON_SQLITE, Spoken, count_rows, direct, grown, incoming, november, silence, talk
from tests.fakes.street import Street, open_street

CLEAN_UP = "11月21日 周六 9:00，中心花园。"
PUBLISHING = "发布活动 周六9点 包饺子 活动室 3人 4分"
PREVIEW = "【包饺子】11月21日 周六 9:00-11:00\n地点：活动室；名额：3人；积分：4分\n发布请回复 确认，不发回复 取消。"
PUBLISHED = "已发布 15号活动「包饺子」11月21日 周六 9:00-11:00，活动室。\n想参加的邻居请发 报名 15。"


def signed_up(number: int) -> Any:
    """Who is signed up for an activity, with how many companions, and whether they have a place."""

    def unit(session: Session) -> list[tuple[str, int, str]]:
        rows = session.execute(
            select(Member.name, Signup.companions, Signup.state)
            .join_from(Signup, Member, Signup.member_id == Member.id)
            .join(Activity, Signup.activity_id == Activity.id)
            .where(Activity.number == number, Signup.undone_at.is_(None))
            .order_by(Signup.id)
        )
        return [tuple(row) for row in rows]

    return unit


# -- what is on ----------------------------------------


@ON_SQLITE
async def test_the_list_says_what_is_on_how_full_it_is_and_whether_one_comes(street: Street) -> None:
    coming = (
        "12号 清洁家园 11月21日 周六 9:00 中心花园（还剩{left}个名额）{mine}\n"
        "13号 义诊 11月22日 周日 9:00 活动室（还剩30个名额）\n"
        "14号 反诈宣传 11月22日 周日 14:30 1栋门厅\n"
        "报名请发 报名 加编号，例如 报名 12。"
    )
    await talk(
        street,
        [
            ("王秀英", "3栋群", "活动", coming.format(left=13, mine="")),
            ("王秀英", direct, "有什么活动", coming.format(left=13, mine="")),
            ("何叔", direct, "近期活动", coming.format(left=13, mine=" ✓已报名")),
            november(22, 17),
            ("王秀英", direct, "活动", "近期没有活动。过几天再发 活动 看看。"),
            ("王秀英", direct, "报名", "现在没有可以报名的活动。看看有哪些活动，请发 活动。"),
        ],
    )


@ON_SQLITE
async def test_a_list_names_what_it_does_not_show_and_counts_the_rest(street: Street) -> None:
    shown = (
        "12号 清洁家园 11月21日 周六 9:00 中心花园（还剩13个名额）\n"
        "13号 义诊 11月22日 周日 9:00 活动室（还剩30个名额）\n14号 反诈宣传 11月22日 周日 14:30 1栋门厅\n"
    )
    for title, more in (
        ("包饺子", "还有15号 包饺子，看哪个请发 活动 加编号，例如 活动 15。"),
        ("下象棋", "还有15号 包饺子、16号 下象棋，看哪个请发 活动 加编号，例如 活动 15。"),
        ("剪窗花", "还有15号 包饺子、16号 下象棋、17号 剪窗花，看哪个请发 活动 加编号，例如 活动 15。"),
        ("写春联", "还有15号 包饺子、16号 下象棋、17号 剪窗花等4个，看哪个请发 活动 加编号，例如 活动 15。"),
    ):
        await street.say("张敏", f"发布活动 11月28日9点 {title} 活动室")
        await street.say("张敏", "确认")
        assert await street.say("王秀英", "活动") == shown + more


@ON_SQLITE
async def test_where_there_is_one_place_everybody_comes_alone(street: Street) -> None:
    await street.say("张敏", "发布活动 周六9点 包饺子 活动室 1人")
    await street.say("张敏", "确认")
    await talk(
        street,
        [
            ("王秀英", direct, "报名 15 2人", "「包饺子」不能带同伴，请同伴自己报名。"),
            ("王秀英", direct, "报名 15", "已给 王秀英 报名「包饺子」，名额正好满了。\n11月21日 周六 9:00，活动室。"),
        ],
    )


@ON_SQLITE
async def test_one_activity_is_shown_with_the_next_step_for_the_asker(street: Street) -> None:
    head = "12号「清洁家园」11月21日 周六 9:00-11:00\n地点：中心花园；名额：{taken}/20；积分：5分\n"
    await talk(
        street,
        [
            ("王秀英", "3栋群", "活动 12", head.format(taken=7) + "报名请发 报名 12。"),
            ("陈美玲", "3栋群", "活动 12", head.format(taken=7) + "您已报名（共3人）。来不了请发 取消报名 12。"),
            ("李建国", direct, "报名 12 6人", f"已给 李建国 报名「清洁家园」（共6人），还剩7个名额。\n{CLEAN_UP}"),
            ("王秀英", direct, "报名 12 6人", f"已给 王秀英 报名「清洁家园」（共6人），还剩1个名额。\n{CLEAN_UP}"),
            (
                "陈阿姨",
                direct,
                "报名 12 2人",
                "「清洁家园」名额不够了，陈阿姨 排在候补第1位（共2人）。\n有空位我会告诉您。",
            ),
            ("陈阿姨", direct, "活动 12", head.format(taken=19) + "您在候补第1位（共2人），有空位我会告诉您。"),
            november(21, 8, 30),
            ("王秀英", direct, "活动 12", head.format(taken=19) + "到了请发 签到 12。"),
            november(21, 11),
            ("王秀英", direct, "活动 12", head.format(taken=19) + "活动已经结束了。"),
            ("王秀英", direct, "活动 99", "没有找到 99号活动。看看有哪些活动，请发 活动。"),
        ],
    )


@ON_SQLITE
async def test_the_list_shows_what_is_asked_for(street: Street) -> None:
    """A day, what is still open, and for whom: what is meant for nobody in particular is for everybody."""
    for typed in ("周六15点 剪发 活动室 适合老人", "周日9点 折纸 活动室 1人 面向小朋友 报名到周五18点"):
        await street.say("张敏", f"发布活动 {typed}")
        await street.say("张敏", "确认")
    await street.say("老魏", "报名 16")
    clean = "12号 清洁家园 11月21日 周六 9:00 中心花园（还剩13个名额）\n"
    cut = "15号 剪发 11月21日 周六 15:00 活动室\n"
    clinic = "13号 义诊 11月22日 周日 9:00 活动室（还剩30个名额）\n"
    fold = "16号 折纸 11月22日 周日 9:00 活动室（已满，可以候补）\n"
    fraud = "14号 反诈宣传 11月22日 周日 14:30 1栋门厅\n"
    how = "报名请发 报名 加编号，例如 报名 {}。"
    await talk(
        street,
        [
            ("王秀英", direct, "周六有什么活动", clean + cut + how.format(12)),
            ("王秀英", direct, "周日有什么活动呀", clinic + fold + fraud + how.format(13)),
            ("王秀英", direct, "周日还能报名的活动有哪些", clinic + fraud + how.format(13)),
            ("王秀英", direct, "有没有适合老人的活动", cut + how.format(15)),
            ("王秀英", direct, "周六有适合孩子的活动吗", clean + how.format(12)),
            ("王秀英", direct, "有没有小朋友能参加的活动", fold + how.format(16)),
            ("王秀英", direct, "明天有活动吗", "没有合适的活动。看看都有哪些，请发 活动。"),
            ("王秀英", direct, "下周社区都有啥活动安排呀", "没有合适的活动。看看都有哪些，请发 活动。"),
            november(20, 18),
            ("王秀英", direct, "报名 16", "「折纸」的报名 11月20日 周五 18:00 已经截止了。看看别的活动，请发 活动。"),
        ],
    )


# -- coming and not coming ----------------------------------------


async def test_people_sign_up_with_companions_wait_and_move_up(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("张敏", "社区大群", f"@小邻 {PUBLISHING}", PREVIEW),
            ("张敏", "社区大群", "确认", PUBLISHED),
            (
                "王秀英",
                "3栋群",
                "报名 15 2人",
                "已给 王秀英 报名「包饺子」（共2人），还剩1个名额。\n11月21日 周六 9:00，活动室。",
            ),
            ("王秀英", "3栋群", "报名 15", "王秀英 已经报过「包饺子」了（共2人），不用再报。"),
            (
                "李建国",
                "3栋群",
                "报名 15 我跟我闺女",
                "「包饺子」名额不够了，李建国 排在候补第1位（共2人）。\n有空位我会告诉您。",
            ),
            # One seat is free, but whoever waits already goes first.
            ("孙姐", "5栋群", "报名 15", "「包饺子」名额不够了，孙姐 排在候补第2位。\n有空位我会告诉您。"),
            ("王秀英", "3栋群", "报名 15 3人", "「包饺子」没有多的名额了，人数没有改。"),
            ("王秀英", "3栋群", "报名 15 4人", "一个人最多带2位同伴，人多请分开报名。"),
            ("老魏", direct, "取消报名 15", "记下了，老魏 这次不来「包饺子」，不再问您。想来了随时发 报名 15。"),
            # A smaller party lets the first in who waits, and the next must wait on.
            ("王秀英", "3栋群", "报名 15 1人", "已改：王秀英 报名「包饺子」（1人），名额正好满了。"),
            ("王秀英", "3栋群", "取消报名 15", "已取消 王秀英 的「包饺子」报名。谢谢告诉大家！"),
        ],
    )
    news = (
        "好消息：「包饺子」空出了位置，给您留到11月17日 周二 21:30。\n11月21日 周六 9:00，活动室。\n"
        "能来请回复 能来 15，来不了请回复 取消报名 15。"
    )
    assert [(push.to, push.text) for push in pushes] == [("李建国", news), ("孙姐", news)]
    assert await street.house.books.read(signed_up(15)) == [
        ("李建国", 1, SignupState.OFFERED),
        ("孙姐", 0, SignupState.OFFERED),
    ]
    assert sorted(street.script.sent) == sorted([("李建国", news), ("孙姐", news)])


@ON_SQLITE
async def test_a_sign_up_is_refused_with_the_reason(street: Street) -> None:
    await talk(
        street,
        [
            ("王秀英", "3栋群", "报名 99", silence),
            ("王秀英", "3栋群", "@小邻 报名 99", "没有找到 99号活动。看看有哪些活动，请发 活动。"),
            ("王秀英", "3栋群", "报名 12 7人", "一个人最多带5位同伴，人多请分开报名。"),
            ("陌生人", "3栋群", "报名 12", "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
            november(21, 9),
            (
                "王秀英",
                "3栋群",
                "@小邻 报名 12",
                "「清洁家园」11月21日 周六 9:00 已经开始，不能报名了。人到现场可以直接发 签到 12。",
            ),
            november(21, 11),
            ("王秀英", "3栋群", "@小邻 报名 12", "「清洁家园」已经结束了（11月21日 周六 11:00）。"),
            ("何叔", "3栋群", "@小邻 取消报名 12", "「清洁家园」已经结束了（11月21日 周六 11:00）。"),
        ],
    )


@ON_SQLITE
async def test_the_sign_up_to_cancel_is_the_own_one(street: Street) -> None:
    """取消报名 without a number asks only among what this person is signed up for."""
    await talk(
        street,
        [
            ("王秀英", "3栋群", "@小邻 取消报名", "您现在没有报名的活动，不用取消。"),
            ("何叔", "3栋群", "取消报名", "已取消 何叔 的「清洁家园」报名。谢谢告诉大家！"),
            (
                "王秀英",
                "3栋群",
                "@小邻 报名 13、14",
                "已给 王秀英 报名「义诊」，还剩29个名额。\n11月22日 周日 9:00，活动室。\n"
                "已给 王秀英 报名「反诈宣传」。\n11月22日 周日 14:30，1栋门厅。",
            ),
            (
                "王秀英",
                "3栋群",
                "@小邻 取消报名",
                "您报名了好几个，要取消哪一个？请回复序号：\n1 13号 义诊\n2 14号 反诈宣传",
            ),
            ("王秀英", "3栋群", "2", "已取消 王秀英 的「反诈宣传」报名。谢谢告诉大家！"),
            ("王秀英", "3栋群", "取消报名", "已取消 王秀英 的「义诊」报名。谢谢告诉大家！"),
        ],
    )


@ON_SQLITE
async def test_three_commands_in_one_message_are_answered_in_a_line_each(street: Street) -> None:
    await talk(
        street,
        [
            (
                "王秀英",
                "3栋群",
                "@小邻 报名 13，报名 14，报名 12",
                "已给 王秀英 报名「义诊」，还剩29个名额。\n"
                "已给 王秀英 报名「反诈宣传」。\n"
                "已给 王秀英 报名「清洁家园」，还剩12个名额。",
            )
        ],
    )


async def test_the_last_places_go_to_as_many_as_there_are_whatever_arrives_at_once(demo_url: str) -> None:
    """Thirty parties of two want seven of the thirteen places that are left; two houses hear them in one moment."""
    here, there = await open_street(demo_url), await open_street(demo_url)
    names = await here.house.books.read(
        lambda s: list(s.scalars(select(Member.name).where(Member.id > 30).order_by(Member.id).limit(30)))
    )
    try:
        heard = await asyncio.gather(
            *(
                (here, there)[index % 2].house.dispatcher.answer(incoming(here, name, "报名 12 2人"))
                for index, name in enumerate(names)
            )
        )
        places = sum("已给" in one.reply.text for one in heard)
        assert (places, sum("候补" in one.reply.text for one in heard)) == (6, 24)
        found = await here.house.books.read(signed_up(12))
        assert sum(1 + companions for _, companions, state in found if state == SignupState.CONFIRMED) == 19
        queue = [f"候补第{place}位" for place in range(1, 25)]
        assert sorted(place for one in heard for place in queue if place in one.reply.text) == sorted(queue)
        assert await here.violations() == []
    finally:
        for street in (here, there):
            await street.house.close()


# -- announcing and calling off ----------------------------------------


@ON_SQLITE
async def test_nothing_is_published_before_it_is_confirmed(street: Street) -> None:
    before = await count_rows(street.house)
    await talk(
        street,
        [
            ("王秀英", "3栋群", PUBLISHING, silence),
            ("张敏", "3栋群", PUBLISHING, PREVIEW),
            ("王秀英", "3栋群", "报名 15", silence),
            ("张敏", "3栋群", "取消", "好的，不办了。"),
            ("张敏", "3栋群", "确认", silence),
            ("张敏", "3栋群", "@小邻 确认", "现在没有等您回复的事。看看我会什么，请发 帮助。"),
        ],
    )
    assert grown(before, await count_rows(street.house)) == {"inbox": 2}


PREVIEWS = (
    (
        "发布活动 周六9点 清洁家园 中心花园 20人 5分",
        "【清洁家园】11月21日 周六 9:00-11:00\n地点：中心花园；名额：20人；积分：5分\n"
        "这个时间已有 12号「清洁家园」，要改它请发 改活动 12。",
    ),
    (
        "发布活动 明天下午2点到4点半 合唱排练",
        "【合唱排练】11月18日 周三 14:00-16:30\n地点：地点待定；名额：不限；积分：按社区规则",
    ),
    (
        "发起活动 周日晚上7点半 电影放映 活动室 限60人",
        "【电影放映】11月22日 周日 19:30-21:30\n地点：活动室；名额：60人；积分：按社区规则",
    ),
    (
        "发布活动 12月1日上午9点 两小时 义务剪发 活动室",
        "【义务剪发】12月1日 周二 9:00-11:00\n地点：活动室；名额：不限；积分：按社区规则",
    ),
    (
        "发布活动 周日9点 义务剪发 活动室 30人 面向老年人 报名到周五18点",
        "【义务剪发】11月22日 周日 9:00-11:00\n"
        "地点：活动室；名额：30人；积分：按社区规则；面向老人；报名到 11月20日 周五 18:00",
    ),
)
"""What is typed, and what is understood of it."""


@ON_SQLITE
async def test_what_is_announced_without_a_word_for_it_is_asked_about(street: Street) -> None:
    plan, help_ = "每周六9点 清洁家园 中心花园 20人", "没太听懂。回复 帮助 看看我能做什么。"
    ask = "要发布这个活动吗？要发请回复 确认，不发回复 取消。"
    await talk(
        street,
        [
            ("张敏", "党员群", plan, silence),
            ("王秀英", direct, plan, help_),
            ("张敏", direct, "周六9点 清洁家园 几点集合 20人", help_),
            (
                "张敏", "党员群", "@小邻 11月28日 14:00-15:30 包饺子 活动室",
                f"【包饺子】11月28日 周六 14:00-15:30\n地点：活动室；名额：不限；积分：按社区规则\n{ask}",
            ),
            ("张敏", "党员群", "取消", "好的，不办了。"),
            (
                "张敏", direct, plan,
                "【清洁家园】11月21日 周六 9:00-11:00，以后每周六都办\n地点：中心花园；名额：20人；积分：按社区规则\n"
                f"这个时间已有 12号「清洁家园」，要改它请发 改活动 12。\n{ask}",
            ),
            (
                "张敏", direct, "确认",
                "已发布 15号活动「清洁家园」11月21日 周六 9:00-11:00，中心花园。\n想参加的邻居请发 报名 15。\n"
                "以后每周六都办（2号系列），每一次我提前发布。不办了请发 停办 2。",
            ),
        ],
    )  # fmt: skip


@ON_SQLITE
async def test_the_preview_shows_everything_that_was_understood(street: Street) -> None:
    for said, heard in PREVIEWS:
        await talk(street, [("张敏", direct, said, f"{heard}\n发布请回复 确认，不发回复 取消。")])


REFUSED = "这件事要社区工作人员来办。您能办的事请发 帮助。"


REFUSALS: tuple[Spoken, ...] = (
    ("王秀英", "3栋群", f"@小邻 {PUBLISHING}", REFUSED),
    ("老赵", "3栋群", f"@小邻 {PUBLISHING}", REFUSED),
    ("刘洋", direct, PUBLISHING, REFUSED),
    ("周敏", direct, PUBLISHING, REFUSED),
    ("王秀英", direct, "取消活动 12 下雨", REFUSED),
    ("老赵", "3栋群", "@小邻 取消活动 12", REFUSED),
    ("陌生人", direct, PUBLISHING, "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
    ("张敏", direct, "发布活动 昨天9点 扫雪", "11月16日 周一 9:00 已经过去了，请换一个以后的时间再发。"),
    ("张敏", direct, "发布活动 周六9点 扫雪 0人", "名额至少要有1人。不限人数的话，不用写名额。"),
    ("张敏", direct, "发布活动 周六9点 扫雪 99999999分", "一次活动给0到100分，请改一下分数再发。"),
    ("张敏", direct, "发布活动 周六9点 扫雪 -5分", "一次活动给0到100分，请改一下分数再发。"),
    ("张敏", direct, f"发布活动 周六9点 {'扫雪' * 16}", "活动的名字和地点各用30个字以内，请写短一点再发。"),
    ("张敏", direct, "发布活动 周六9点 扫雪 0小时", "结束要比开始晚，最多晚31天，请改一下时间再发。"),
    ("张敏", direct, "发布活动 周六9点 扫雪 99999999小时", "结束要比开始晚，最多晚31天，请改一下时间再发。"),
    ("张敏", direct, f"取消活动 12 {'下雨' * 51}", "理由请用100个字以内，写短一点再发。"),
    ("张敏", direct, "取消活动 99", "没有找到 99号活动。看看有哪些活动，请发 活动。"),
)


@ON_SQLITE
async def test_publishing_and_calling_off_are_refused(street: Street) -> None:
    before = await street.house.books.read(lambda s: s.scalar(select(func.count(Activity.id))))
    for line in REFUSALS:
        # No question is left open either.
        await talk(
            street,
            [line, (line[0], line[1], "@小邻 确认", "现在没有等您回复的事。看看我会什么，请发 帮助。")],
        )
    assert await street.house.books.read(lambda s: s.scalar(select(func.count(Activity.id)))) == before


@ON_SQLITE
async def test_staff_of_one_building_act_for_that_building_alone(street: Street) -> None:
    def make_staff(session: Session) -> None:
        member_id = session.scalar(select(Member.id).where(Member.name == "孙姐"))
        assert member_id is not None
        unit = find_unit(session, community_id=1, name="5栋")
        give_role(session, community_id=1, member_id=member_id, role=Role.STAFF, unit=unit, now=november(1, 0), by=None)

    await street.house.books.write(make_staff)
    beyond = "这件事不在您负责的范围里。您能办的事请发 帮助。"
    pushes = await talk(
        street,
        [
            ("孙姐", "3栋群", f"@小邻 {PUBLISHING}", beyond),
            ("孙姐", "社区大群", f"@小邻 {PUBLISHING}", beyond),
            ("孙姐", direct, "取消活动 12", beyond),
            # Said to the bot alone, it is for as many as her role reaches.
            ("孙姐", direct, PUBLISHING, PREVIEW),
            ("孙姐", direct, "确认", PUBLISHED),
            november(21, 7),
        ],
    )
    reminders = {push.to: push.text for push in pushes}
    assert "包饺子" in reminders.pop("5栋群")
    assert [to for to, text in reminders.items() if "包饺子" in text] == []


@ON_SQLITE
async def test_calling_off_asks_first_and_tells_everybody_who_signed_up(street: Street) -> None:
    asked = "要取消 12号活动「清洁家园」（11月21日 周六 9:00-11:00）吗？已有7人报名，我会逐个通知。\n确定请回复 确认。"
    pushes = await talk(
        street,
        [
            ("孙丽", "5栋群", "@小邻 取消活动 12 下雨", asked),
            ("张敏", "5栋群", "确认", silence),
            ("孙丽", "5栋群", "确认", "已取消 12号活动「清洁家园」，正在通知4位邻居。"),
            ("孙丽", "5栋群", "@小邻 取消活动 12", "「清洁家园」已经取消了。看看别的活动，请发 活动。"),
            ("王秀英", "3栋群", "报名 12", silence),
            ("王秀英", "3栋群", "@小邻 报名 12", "「清洁家园」已经取消了。看看别的活动，请发 活动。"),
            ("王秀英", "3栋群", "@小邻 活动 12", "「清洁家园」已经取消了。看看别的活动，请发 活动。"),
            november(21, 8, 55),
            ("何叔", "3栋群", "@小邻 签到 12", "「清洁家园」已经取消了。看看别的活动，请发 活动。"),
            november(21, 12),
        ],
    )
    notice = "通知：「清洁家园」（11月21日 周六 9:00-11:00）取消了，原因：下雨。给您添麻烦了，下次再约。"
    assert pushes == [Push(name, notice) for name in ("何叔", "小吴", "陈美玲", "赵强")]


@ON_SQLITE
async def test_whoever_is_there_when_it_is_called_off_is_told_and_earns_nothing_more(street: Street) -> None:
    """何叔 signed up and is there, 何婶 is only there; both keep what they have, for what they have done."""
    pushes = await talk(
        street,
        [
            november(22, 8, 40),
            ("何叔", direct, "报名 13", "已给 何叔 报名「义诊」，还剩29个名额。\n11月22日 周日 9:00，活动室。"),
            ("何叔", "3栋群", "签到 13", "何叔，「义诊」签到成功 8:40，积分+3（现有7分）。\n走的时候发一声 签退。"),
            ("何婶", "3栋群", "签到 13", "何婶，「义诊」签到成功 8:40，积分+3（现有9分）。\n走的时候发一声 签退。"),
            november(22, 10, 5),
            (
                "张敏",
                direct,
                "取消活动 13 停电",
                "要取消 13号活动「义诊」（11月22日 周日 9:00-11:00）吗？已有1人报名，我会逐个通知。\n确定请回复 确认。",
            ),
            ("张敏", direct, "确认", "已取消 13号活动「义诊」，正在通知2位邻居。"),
            ("何叔", "3栋群", "@小邻 签退 13", "您在「义诊」已经签退过了，记了65分钟。"),
            ("何婶", direct, "签退", "您现在没有签到中的活动，不用签退。"),
            november(22, 12),
        ],
    )
    notice = (
        "通知：「义诊」（11月22日 周日 9:00-11:00）取消了，原因：停电。给您添麻烦了，下次再约。"
        "\n您签过到，我已帮您签退，记服务时长 1小时5分，积分+1。"
    )
    assert [push for push in pushes if not push.text.startswith("提醒")] == [
        Push("何叔", notice),
        Push("何婶", notice),
    ]


@ON_SQLITE
async def test_what_was_called_off_by_mistake_takes_place_and_everybody_hears_it(street: Street) -> None:
    when = "（11月21日 周六 9:00-11:00）"
    asked = f"要取消 12号活动「清洁家园」{when}吗？已有7人报名，我会逐个通知。\n确定请回复 确认。"
    off, on = (
        f"通知：「清洁家园」{when}取消了。给您添麻烦了，下次再约。",
        f"通知：「清洁家园」{when}照常举行，刚才说的取消不算。",
    )
    people = ("何叔", "小吴", "陈美玲", "赵强")
    await street.until(november(21, 9, 30))
    await talk(
        street,
        [("王秀英", "3栋群", "签到", "王秀英，「清洁家园」签到成功 9:30，积分+5（现有21分）。\n走的时候发一声 签退。")],
    )
    pushes = await talk(
        street,
        [
            november(21, 10, 0),
            ("张敏", direct, "取消活动 12", asked),
            ("张敏", direct, "确认", "已取消 12号活动「清洁家园」，正在通知5位邻居。"),
            ("张敏", direct, "撤销", "已恢复 12号活动「清洁家园」，正在通知5位邻居。"),
            # Once more: everybody hears that as well.
            ("张敏", direct, "取消活动 12", asked),
            ("张敏", direct, "确认", "已取消 12号活动「清洁家园」，正在通知5位邻居。"),
            ("张敏", direct, "撤销", "已恢复 12号活动「清洁家园」，正在通知5位邻居。"),
            ("王秀英", "3栋群", "签到", "您在「清洁家园」已经签过到了（11月21日 周六 9:30），不用再签。"),
            november(21, 10, 30),
            (
                "王秀英",
                "3栋群",
                "签退",
                "王秀英，「清洁家园」签退成功，记服务时长 1小时，积分+1（现有22分），辛苦了！",
            ),
        ],
    )
    home = "\n您签过到，我已帮您签退，记服务时长 30分钟。"
    here = "\n您的签到还算数，走的时候发一声 签退。"
    told = [
        *[Push(name, off) for name in people],
        Push("王秀英", off + home),
        *[Push(name, on) for name in people],
        Push("王秀英", on + here),
    ]
    assert pushes == told * 2


@ON_SQLITE
async def test_a_calling_off_is_not_taken_back_when_it_would_be_over(street: Street) -> None:
    await talk(
        street,
        [
            november(21, 10, 55),
            (
                "张敏",
                direct,
                "取消活动 12",
                "要取消 12号活动「清洁家园」（11月21日 周六 9:00-11:00）吗？已有7人报名，我会逐个通知。\n"
                "确定请回复 确认。",
            ),
            ("张敏", direct, "确认", "已取消 12号活动「清洁家园」，正在通知4位邻居。"),
            november(21, 11, 1),
            ("张敏", direct, "撤销", "「清洁家园」已经结束了（11月21日 周六 11:00）。"),
        ],
    )


@ON_SQLITE
async def test_who_signed_up_and_cannot_be_written_to_hears_of_it_from_the_lead(street: Street) -> None:
    await street.say("王秀英", "报名 12")

    def leave(session: Session) -> None:
        session.execute(delete(Identity).where(Identity.external_id == "王秀英"))

    await street.house.books.write(leave)
    for text in ("改活动 12 周日9点", "确认", "取消活动 12 下雨", "确认"):
        await street.say("张敏", text)
    assert [text for to, text in street.script.sent if to == "老赵" and "王秀英" in text] == [
        "「清洁家园」改了，我发不到报了名的王秀英。请转告：发 活动 12 就能看到。",
        "「清洁家园」取消了，我发不到报了名的王秀英，请转告一声。",
    ]
