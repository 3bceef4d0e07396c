"""The commands of the first street as their features declare them, and the demo community, for tests of the
language.
"""

import timeit
from datetime import datetime
from functools import partial
from time import process_time

from handlers.chat import Router, Turn
from handlers.language.match import Grammar, OpenObject, Surroundings
from handlers.language.slots import Kind, Slot
from models.clock import SHANGHAI
from models.members import Role

BOT = ("小邻", "邻里助手")
NOW = datetime(2026, 11, 17, 19, 30, tzinfo=SHANGHAI)
"""Tuesday evening, the moment of the demo."""


def silent(turn: Turn) -> str:
    """No test of the language runs a handler."""
    return ""


def routers() -> list[Router]:
    members, activities, check_in, points, general = map(
        Router, ("membership", "activities", "check_in", "points", "help")
    )
    activity = Slot("activity", Kind.OBJECT, of="activity")
    on_behalf = Slot("on_behalf", Kind.PERSON)
    members.command(
        "register", "绑定", "认证", "登记一下我", role=None, writes=True, bare=False, usage="绑定 张三 3栋",
        slots=(
            Slot("name", Kind.PERSON, required=True, ask="您贵姓大名?"),
            Slot("building", Kind.UNIT, required=True),
            Slot("room", Kind.ROOM),
        ),
    )(silent)  # fmt: skip
    members.command(
        "bind_group", "绑定群", role=Role.SECRETARY, writes=True, bare=False, usage="绑定群 3栋",
        slots=(Slot("unit", Kind.UNIT, required=True),),
    )(silent)  # fmt: skip
    members.command(
        "reject", "驳回", role=Role.BUILDING_LEAD, writes=True, bare=False, usage="驳回 8 理由",
        slots=(Slot("number", Kind.NUMBER, required=True), Slot("reason", Kind.TEXT)),
    )(silent)  # fmt: skip
    members.command(
        "approve", "通过", role=Role.BUILDING_LEAD, writes=True, bare=False, usage="通过 8",
        slots=(Slot("number", Kind.NUMBER, required=True),),
    )(silent)  # fmt: skip
    activities.command(
        "list_activities", "活动", "活动列表", "有什么活动", "有啥活动", "最近活动", "近期活动", "看看活动",
        slots=(activity, Slot("when", Kind.WHEN)),
    )(silent)  # fmt: skip
    activities.command(
        "create_activity", "发布活动", "发活动", "新建活动", "组织活动", role=Role.SECRETARY, writes=True,
        bare=False, usage="发布活动 周六9点 清洁家园 中心花园 20人 5分",
        slots=(
            Slot("when", Kind.WHEN, required=True),
            Slot("title", Kind.TITLE, required=True),
            Slot("place", Kind.PLACE),
            Slot("quota", Kind.COUNT),
            Slot("points", Kind.POINTS),
            Slot("minutes", Kind.DURATION),
        ),
    )(silent)  # fmt: skip
    activities.command(
        "signup", "报名", "报个名", "报名参加", "参加", "报上", "报", writes=True, usage="报名 12",
        slots=(activity, Slot("count", Kind.COUNT), on_behalf),
    )(silent)  # fmt: skip
    activities.command(
        "cancel_signup", "取消报名", "退出报名", "不报名了", "撤销报名", writes=True, usage="取消报名 12",
        slots=(activity, on_behalf),
    )(silent)  # fmt: skip
    check_in.command(
        "checkin", "签到", "打卡", "签个到", "签一下到", writes=True, usage="签到 12",
        slots=(activity, on_behalf, Slot("place", Kind.PLACE)),
    )(silent)  # fmt: skip
    check_in.command(
        "checkout", "签退", "签个退", writes=True, usage="签退 12",
        slots=(activity, on_behalf, Slot("minutes", Kind.DURATION)),
    )(silent)  # fmt: skip
    points.command(
        "my_points",
        "积分",
        "我的积分",
        "查积分",
        "多少积分",
        "积分多少",
        "查查积分",
        slots=(Slot("period", Kind.PERIOD),),
    )(silent)
    points.command("points_statement", "积分明细", "明细", slots=(Slot("period", Kind.PERIOD),))(silent)
    points.command(
        "leaderboard", "排行榜", "积分榜", "排行", "光荣榜", "积分排行", "积分排行榜", "排名",
        slots=(Slot("period", Kind.PERIOD), Slot("scope", Kind.UNIT), Slot("top", Kind.NUMBER)),
    )(silent)  # fmt: skip
    points.command(
        "award_points", "加分", "扣分", "减分", "奖励积分", role=Role.BUILDING_LEAD, writes=True, bare=False,
        usage="加分 李建国 5 修灯",
        slots=(
            Slot("member", Kind.PERSON, required=True),
            Slot("points", Kind.POINTS, required=True),
            Slot("reason", Kind.TEXT),
        ),
    )(silent)  # fmt: skip
    points.command(
        "appeal", "申诉", writes=True, bare=False, usage="申诉 88 理由",
        slots=(Slot("number", Kind.NUMBER, required=True), Slot("reason", Kind.TEXT)),
    )(silent)  # fmt: skip
    general.command("help", "帮助", "怎么用", "使用说明", "菜单", slots=(Slot("topic", Kind.TEXT),))(silent)
    general.command("undo", "撤销", "撤回", writes=True)(silent)
    return [members, activities, check_in, points, general]


def demo(*, checkin: tuple[int, ...] = (12,)) -> Surroundings:
    """The demo community; check-in is possible for the numbers given."""

    def activity(number: int, name: str, day: int, hour: int, minute: int = 0) -> OpenObject:
        allows = {"signup", "cancel_signup"} | ({"checkin", "checkout"} if number in checkin else set())
        starts = datetime(2026, 11, day, hour, minute, tzinfo=SHANGHAI)
        return OpenObject("activity", number, name, starts_at=starts, allows=frozenset(allows))

    return Surroundings.build(
        BOT[0],
        BOT[1:],
        objects=(
            activity(12, "清洁家园", 21, 9),
            activity(13, "义诊", 22, 9),
            activity(14, "反诈宣传", 22, 14, 30),
            OpenObject("activity", 11, "消防演练", open=False),
            OpenObject("post", 3, "治安巡逻岗"),
            OpenObject("post", 7, "下水道维修岗"),
        ),
        units=[f"{building}栋" for building in range(1, 10)]
        + [f"{building}栋{door}单元" for building in range(1, 10) for door in (1, 2)]
        + ["第一党支部", "第二党支部", "第三党支部"],
        places=("中心花园", "活动室"),
    )


def grammar() -> Grammar:
    return Grammar(routers())


repeat = partial(timeit.repeat, timer=process_time)
"""Times a call in CPU seconds: what other programs do beside the tests must not fail them."""
