"""绑定 in the chat: strangers, chats that belong to nothing, and two communities that must not see each other."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.script import Push
from models.activities import publish_activity
from models.check_in import CheckIn
from models.directory import Identity, add_community, add_endpoint, add_group
from models.members import Member, Registration, Role, add_identity, add_member, give_role
from models.units import UnitKind, add_unit
from tests.dialogue import (
    AGREED,
    ASK_DIGITS,
    BOUND,
    ON_SQLITE,
    STRANGER,
    WISH,
    WRONG,
    Spoken,
    count_rows,
    direct,
    grown,
    incoming,
    november,
    silence,
    talk,
    to_groups,
)
from tests.fakes.street import Street, open_street
from tests.ground import agree

UNBOUND = "这个群还没有绑定到楼栋。请社区书记在群里 @我 发 绑定群 3栋。"
NO_ACTIVITY = "没有找到 {}号活动。看看有哪些活动，请发 活动。"


# -- strangers ----------------------------------------


async def test_a_right_proof_binds_at_once(street: Street) -> None:
    await talk(
        street,
        [
            ("zhangsan", direct, "活动", STRANGER),
            ("zhangsan", direct, "绑定 张三 3栋201 1234", BOUND.format("张三", "3栋")),
            ("zhangsan", direct, "绑定 张三 3栋201 1234", "您已经绑定过了，是 张三。要改信息请找楼长或社区。"),
            ("zhangsan", direct, "同意", AGREED),
            ("zhangsan", "3栋群", "报名 13", "已给 张三 报名「义诊」，还剩29个名额。\n11月22日 周日 9:00，活动室。"),
        ],
    )

    def identities(session: Session) -> list[Any]:
        return [
            tuple(row)
            for row in session.execute(
                select(Identity.namespace, Identity.external_id, Identity.community_id)
                .join(Member, Identity.member_id == Member.id)
                .where(Member.name == "张三")
            )
        ]

    assert await street.house.books.read(identities) == [("simulator", "zhangsan", 1)]


CLAIMS = (
    "绑定 李四 3栋201 1234",  # nobody of this name
    "绑定 张三 5栋201 1234",  # lives elsewhere
    "绑定 张三 3栋2单元201 1234",  # another door
    "绑定 张三 3栋999 1234",  # another room
    "绑定 张三 3栋201 1235",  # other digits
    "绑定 王秀英 3栋501 0000",  # has an account already
    "绑定 老赵 3栋999 0000",  # holds a role
    "绑定 张三 锦绣社区 201 1234",  # names no building
)


@ON_SQLITE
async def test_whoever_proves_nothing_is_nobody_and_hears_the_same(street: Street) -> None:
    before = await count_rows(street.house)
    for number, claim in enumerate(CLAIMS, 1):
        # Each has a day of its own: what others tried about the same name counts no more.
        await street.until(november(17 + number, 12))
        await talk(street, [(f"n{number}", direct, claim, WRONG), (f"n{number}", direct, "积分", STRANGER)])
    after = grown(before, await count_rows(street.house))
    assert {name: after.get(name, 0) for name in ("registrations", "members", "identities", "member_roles")} == {
        "registrations": 0,
        "members": 0,
        "identities": 0,
        "member_roles": 0,
    }


async def test_two_accounts_that_claim_one_person_at_once_do_not_both_get_them(demo_url: str) -> None:
    here, there = await open_street(demo_url), await open_street(demo_url)
    try:
        answers = await asyncio.gather(
            *(
                street.house.dispatcher.answer(incoming(street, sender, "绑定 张三 3栋201 1234"))
                for sender, street in (("one", here), ("two", there))
            )
        )
        accounts = await here.house.books.read(
            lambda s: list(
                s.scalars(
                    select(Identity.external_id)
                    .join(Member, Identity.member_id == Member.id)
                    .where(Member.name == "张三")
                )
            )
        )
        assert len(accounts) == 1, [heard.reply.text for heard in answers]
    finally:
        for street in (here, there):
            await street.house.close()


@ON_SQLITE
async def test_an_incomplete_or_impossible_claim_says_what_is_missing(street: Street) -> None:
    before = await count_rows(street.house)
    await talk(
        street,
        [
            ("nobody", direct, "绑定 李四", "请写上楼栋，例如 绑定 张三 3栋"),
            ("nobody", direct, "绑定 李四 44栋", "没有找到「44栋」。楼栋请这样写：3栋；看看有哪些，请发 组织。"),
        ],
    )
    assert grown(before, await count_rows(street.house)) == {"inbox": 2, "pending": 1}


@ON_SQLITE
async def test_a_stranger_gets_help_with_binding_and_nothing_else(street: Street) -> None:
    before = await count_rows(street.house)
    hello = "我是小邻，锦绣社区的帮手。\n让我认识您，请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"
    await talk(
        street,
        [
            ("nobody", direct, "帮助", hello),
            ("nobody", "3栋群", "@小邻 帮助", hello),
            *[
                ("nobody", direct, said, STRANGER)
                for said in (
                    "签到",
                    "签到 12",
                    "活动",
                    "报名 12",
                    "积分",
                    "排行榜",
                    "审核",
                    "撤销",
                    "加分 李建国 5 修灯",
                )
            ],
            ("nobody", "3栋群", "@小邻 签到 12", STRANGER),
            ("nobody", "3栋群", "@小邻 积分", STRANGER),
            ("nobody", "3栋群", "大家好", silence),
            november(21, 8, 55),
            ("nobody", "3栋群", "签到", STRANGER),
            ("nobody", direct, "签到", STRANGER),
        ],
    )
    after = grown(before, await count_rows(street.house))
    # What the jobs wrote for time's sake: reminders and their sending. Nothing of the stranger.
    assert set(after) <= {"outbox", "attempts", "attempt_items", "job_slots"}


# -- chats ----------------------------------------


@ON_SQLITE
async def test_a_chat_that_belongs_to_nothing_is_helped_with_binding_and_nothing_else(street: Street) -> None:
    before = await count_rows(street.house)
    await talk(
        street,
        [
            ("王秀英", "新建的群", "签到", silence),
            ("王秀英", "新建的群", "大家好", silence),
            *[
                ("王秀英", "新建的群", f"@小邻 {said}", UNBOUND)
                for said in ("签到", "活动", "报名 12", "帮助", "你好", "今天天气真好", "确认", "撤销")
            ],
            ("陌生人", "新建的群", "@小邻 绑定 张三 3栋", UNBOUND),
            ("陌生人", "新建的群", "@小邻 绑定群 4栋", UNBOUND),
        ],
    )
    assert grown(before, await count_rows(street.house)) == {}


# -- two communities ----------------------------------------


def build_other(session: Session) -> None:
    """滨河社区 beside the demo: same numbers, same buildings. 王五 is its secretary; 王秀英 has an account in both."""
    since = november(1, 0)
    other = add_community(session, slug="binhe", name="滨河社区", bot_name="小邻", now=since)
    root = add_unit(session, community_id=other.id, parent=None, kind=UnitKind.COMMUNITY, name=other.name, now=since)
    building = add_unit(session, community_id=other.id, parent=root, kind=UnitKind.BUILDING, name="3栋", now=since)
    door = add_unit(session, community_id=other.id, parent=building, kind=UnitKind.DOOR, name="1单元", now=since)
    people = {}
    for name in ("王五", "王秀英"):
        people[name] = add_member(session, community_id=other.id, name=name, unit=door, now=since)
        add_identity(
            session,
            community_id=other.id,
            member_id=people[name],
            namespace="simulator",
            external_id=name,
            now=since,
        )
        agree(session, other.id, people[name])
    give_role(
        session, community_id=other.id, member_id=people["王五"], role=Role.SECRETARY, unit=root, now=since, by=None
    )
    group = add_group(session, community_id=other.id, unit=building, name="3栋群", now=since)
    add_endpoint(session, community_id=other.id, group_id=group, channel="simulator", address="滨河3栋群", now=since)
    for title in ("占位一", "占位二", "合唱"):
        publish_activity(
            session,
            community_id=other.id,
            unit=root,
            title=title,
            place="河边",
            starts_at=november(21, 9),
            ends_at=november(21, 11),
            quota=None,
            points=1,
            made_by=people["王五"],
            now=since + timedelta(days=1),
            check_in_opens_minutes=30,
        )


@pytest.fixture
async def two(demo_url: str) -> AsyncIterator[Street]:
    """The demo with a second community beside it."""
    first = await open_street(demo_url)
    await first.house.books.write(build_other)
    await first.house.close()
    street = await open_street(demo_url)
    yield street
    wrong = await street.violations()
    await street.house.close()
    assert wrong == []


async def test_another_community_sees_and_changes_nothing_of_ours(two: Street) -> None:
    before = await count_rows(two.house)
    await talk(
        two,
        [
            # 12 is ours and 99 nobody's: both sound the same.
            ("王五", direct, "活动 12", NO_ACTIVITY.format(12)),
            ("王五", direct, "活动 99", NO_ACTIVITY.format(99)),
            ("王五", direct, "取消活动 12", NO_ACTIVITY.format(12)),
            ("王五", direct, "报名 12", NO_ACTIVITY.format(12)),
            ("王五", "滨河3栋群", "@小邻 签到 12", NO_ACTIVITY.format(12)),
            ("王五", direct, "加分 李建国 5 修灯", "没有找到 李建国。请写全名，或请楼长帮忙看看名册。"),
            ("王五", direct, "加分 查无人 5 修灯", "没有找到 查无人。请写全名，或请楼长帮忙看看名册。"),
            ("王五", direct, "申诉 246 少记了", "没有找到您的246号积分记录。编号在 积分明细 里。"),
            ("王五", direct, "审核", "现在没有等您看的事。"),
            ("王五", direct, "通过 1", "没有等您看的1号。看看有哪些，请发 审核。"),
            ("王五", direct, "排行榜 全部", "全部还没有积分记录。"),
            ("王五", direct, "排行榜 5栋", "没有找到「5栋」。楼栋请这样写：3栋；看看有哪些，请发 组织。"),
            # In our group he is nobody, whatever he is at home.
            ("王五", "3栋群", "@小邻 活动", STRANGER),
            ("王五", "3栋群", "@小邻 取消活动 12", STRANGER),
            ("王五", "3栋群", "@小邻 绑定群 3栋", STRANGER),
            ("王五", "3栋群", "@小邻 积分", STRANGER),
            ("李建国", "滨河3栋群", "@小邻 报名 3", STRANGER),
        ],
    )
    after = grown(before, await count_rows(two.house))
    assert set(after) <= {"inbox"}


@ON_SQLITE
async def test_equal_numbers_of_two_communities_are_two_things(two: Street) -> None:
    came = "{}，「合唱」签到成功 8:55，积分+1（现有1分）。\n走的时候发一声 签退。"
    await talk(
        two,
        [
            november(21, 8, 55),
            ("王五", "滨河3栋群", "签到 3", came.format("王五")),
            ("王秀英", "滨河3栋群", "签到 3", came.format("王秀英")),
            ("王秀英", "3栋群", "签到 3", silence),
            (
                "王秀英",
                "3栋群",
                "签到",
                "王秀英，「清洁家园」签到成功 8:55，积分+5（现有21分）。\n走的时候发一声 签退。",
            ),
            # What she did here is not what she did there.
            ("王秀英", "滨河3栋群", "@小邻 撤销", "已撤销「合唱」的签到，积分一并退回。"),
            (
                "王秀英",
                "3栋群",
                "签到",
                "您在「清洁家园」已经签过到了（11月21日 周六 8:55），不用再签。",
            ),
        ],
    )
    assert await two.house.books.read(
        lambda s: [
            tuple(row)
            for row in s.execute(
                select(CheckIn.community_id, CheckIn.undone_at.is_(None))
                .where(CheckIn.at == november(21, 8, 55))
                .order_by(CheckIn.id)
            )
        ]
    ) == [(2, True), (2, False), (1, True)]


@ON_SQLITE
async def test_somebody_of_two_communities_is_asked_once_which_is_meant(two: Street) -> None:
    which = "您在几个社区都登记过：锦绣社区、滨河社区。\n请发 切换社区 加名字，例如 切换社区 锦绣社区。"
    points = "王秀英，您现有{}分，本月+0分{}。\n为什么有这些分，请发 积分明细。"
    await talk(
        two,
        [
            ("王秀英", direct, "积分", which),
            ("王秀英", direct, "切换社区 月球", "您登记过的社区有：锦绣社区、滨河社区。请发 切换社区 加名字。"),
            ("王秀英", direct, "切换社区 滨河", "好的，私聊里说的都算 滨河社区 的事。"),
            ("王秀英", direct, "积分", points.format(0, "")),
            ("王秀英", direct, "报名 3", "已给 王秀英 报名「合唱」。\n11月21日 周六 9:00，河边。"),
            ("王秀英", direct, "切换社区 锦绣社区", "好的，私聊里说的都算 锦绣社区 的事。"),
            ("王秀英", direct, "积分", points.format(16, "，服务时长5小时9分")),
            ("王秀英", direct, "活动 3", NO_ACTIVITY.format(3)),
            # Groups never ask: they belong to one.
            ("王秀英", "滨河3栋群", "报名 3 2人", "已改：王秀英 报名「合唱」（共2人）。"),
            # Who is of one community alone is never asked.
            ("王五", direct, "积分", points.replace("王秀英", "王五").format(0, "")),
        ],
    )


@ON_SQLITE
async def test_a_stranger_to_several_communities_says_in_a_group_which_is_theirs(two: Street) -> None:
    sent: Spoken = (
        "nobody",
        direct,
        "绑定 张三 3栋201 1234",
        "我还不认识您。请在您那栋楼的群里 @我 发 绑定 姓名 楼栋，例如 绑定 张三 3栋。",
    )
    await talk(
        two,
        [
            sent,
            ("nobody", "滨河3栋群", "@小邻 绑定 张三 3栋", WISH),
            ("nobody", "3栋群", "@小邻 绑定 张三 3栋", WISH),
            # The newer wish says whose matter it is.
            ("nobody", direct, "201", ASK_DIGITS),
            ("nobody", direct, "1234", BOUND.format("张三", "3栋")),
            ("somebody", direct, "绑定", sent[3]),
        ],
    )


@ON_SQLITE
async def test_reminders_of_each_community_go_to_its_own_groups(two: Street) -> None:
    pushes = to_groups(await two.until(november(21, 7)))
    ours = "提醒：今天9:00「清洁家园」，中心花园。已报7人，到了请发 签到 12。"
    theirs = "\n".join(
        f"提醒：今天9:00「{title}」，河边。到了请发 签到 {number}。"
        for number, title in ((1, "占位一"), (2, "占位二"), (3, "合唱"))
    )
    assert pushes == [
        *[Push(group, ours) for group in ("3栋群", "5栋群", "社区大群")],
        Push("3栋群", theirs),
    ]
    assert ("滨河3栋群", theirs) in two.script.sent
    registrations = await two.house.books.read(lambda s: list(s.scalars(select(Registration.id))))
    assert registrations == []
