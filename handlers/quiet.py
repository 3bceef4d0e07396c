"""安静时间: when a group or a person is left in peace, and how many posts a day a group is to have.

老赵（3栋群）: @小邻 本群安静 22:00-8:00
小邻: 好的，3栋群 22:00 到 8:00 不急的不发，过后再发；急事照发。
      不要了请发 本群安静 照旧。
老赵（3栋群）: @小邻 本群一天最多 4 条
小邻: 好的，3栋群一天最多主动发4条，不急的等第二天。
      不要了请发 本群一天最多 照旧。
老赵: 3栋群安静
小邻: 3栋群 22:00 到 8:00 不发，一天最多4条（自己定的），今天发了0条。
      要改请发 本群安静 22:00-8:00，或 本群一天最多 4 条。
王秀英: 晚上8点后别给我发
小邻: 好的，20:00 到 7:00 不急的不发给您，过后再发；停水这样的急事照发。
      不要了请发 取消免打扰。
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Any

from handlers.chat import Answer, Ask, Router, Texts, Turn, in_few_lines
from handlers.language.slots import Kind, Slot
from models import quiet as books
from models.audit import Act
from models.clock import day_of, local
from models.directory import Listed, groups_of
from models.members import BeyondReach, Role, require
from models.quiet import CeilingOutOfRange, OnlyDaily, Own, Quiet, QuietChanged, QuietTooLong
from models.reach import Reach, reach_in
from models.units import NoSuchUnit, find_unit

say = Texts(
    "quiet",
    group_hours="好的，{group} {hours} 不急的不发，过后再发；急事照发。\n不要了请发 本群安静 照旧。",
    group_never="好的，{group}什么时候都可以发。\n不要了请发 本群安静 照旧。",
    group_usual="好的，{group}的安静时间和别的群一样：{hours}。",
    group_ceiling="好的，{group}一天最多主动发{most}条，不急的等第二天。\n不要了请发 本群一天最多 照旧。",
    group_unlimited="好的，{group}一天发几条不限。\n不要了请发 本群一天最多 照旧。",
    group_ceiling_usual="好的，{group}和别的群一样：{most}。",
    group_shown="{group} {rule}，今天发了{posts}条。\n要改请发 本群安静 22:00-8:00，或 本群一天最多 4 条。",
    rule="{hours}，{most}{own}",
    hours="{begins} 到 {ends}",
    hours_off="{hours} 不发",
    hours_none="不设安静时间",
    most="一天最多{most}条",
    most_none="一天几条不限",
    own="（自己定的）",
    which_group="哪个群？请在群里说，或写上楼栋，例如 3栋群安静 22:00-8:00。",
    which_hour="{when}几点以后不发？请回复几点，例如 9点。",
    which_hours="{when}几点到几点不发？请照样子回复，例如 {begins}点到{ends}点。",
    which_count="一天最多几条？例如 本群一天最多 4 条，不限就说 本群一天最多 不限。",
    no_group="{target} 没有绑定的群。有哪些群请发 群列表。",
    groups_line="{group}：{rule}",
    groups_more="其余{count}个群和社区一样：{rule}。",
    groups_none="还没有绑定的群。请在群里 @我 发 绑定群 3栋。",
    mine="好的，{hours} 不急的不发给您，过后再发；停水这样的急事照发。\n不要了请发 取消免打扰。",
    mine_shown="您自己的免打扰：{hours}；夜里（{night}）本来就不发。\n"
    "要改请发 免打扰 20:00-8:00，不要了请发 取消免打扰。",
    mine_none="夜里（{night}）不急的不发给您。\n还要安静些请发 免打扰 20:00-8:00。",
    mine_gone="好的，您自己的免打扰取消了；夜里（{night}）还是不发。",
    night_none="不设",
    undone="已撤销，{rule}。",
    undone_mine="已撤销，您的免打扰：{hours}。",
    none="没有",
)

router = Router(
    "quiet",
    {
        OnlyDaily: "安静时间每天都一样，不能只定一天。请写几点到几点，例如 22:00-8:00。",
        QuietTooLong: "一天最多安静{most}个小时，不然什么都来不及告诉大家。请改短一点。",
        CeilingOutOfRange: "一天最少1条，最多{most}条；不限请发 本群一天最多 不限。",
        QuietChanged: "后来又改过，撤销不了。要改请再说一遍，例如 本群安静 22:00-8:00。",
        BeyondReach: "这个群不归您管，请和楼长或社区说一声。",
    },
)

ANY_TIME = Quiet(time(0), time(0))
"""Hours of no length."""
GROUP = Slot("group", Kind.TARGET)
HOURS = (Slot("hours", Kind.WHEN), Slot("till", Kind.WHEN, labels=("到", "至", "-")))
USUAL = Slot("usual", Kind.FLAG, labels=("照旧", "恢复默认", "默认", "取消", "和别的群一样", "恢复"))
NEVER = Slot("never", Kind.FLAG, labels=("不限", "不设", "不用", "随时", "全天都发", "关闭", "无限", "不限条数"))
DUSK, NOON, EVENING = 5, 12, 17
"""Hours of the day: what begins in the evening goes on into the night, and 5点 there is the first that means it."""
_SAYS_MORNING = re.compile("[早晨凌上]")
AS_LONG = 2
"""Hours of rest in an example."""
FILLERS = (
    "群",
    "的",
    "从",
    "到",
    "至",
    "次日",
    "第二天",
    "以后",
    "之后",
    "后",
    "为",
    "是",
    "设为",
    "改为",
    "改成",
    "条",
    "个",
)


# -- what is said ----------------------------------------


def _hours(quiet: Quiet | None) -> str:
    if quiet is None or not quiet.length:
        return say("hours_none")
    return say("hours", begins=_clock(quiet.begins), ends=_clock(quiet.ends))


def _clock(at: time) -> str:
    return f"{at.hour}:{at.minute:02d}"


def _most(most: int) -> str:
    return say("most", most=most) if most else say("most_none")


def _rule(reach: Reach, own: Own | None) -> str:
    """What holds for a group, and whether it is its own."""
    quiet = own.quiet if own is not None and own.quiet is not None else reach.quiet
    most = own.posts_max if own is not None and own.posts_max is not None else reach.posts_max
    hours = _hours(quiet)
    return say(
        "rule",
        hours=hours if hours == say("hours_none") else say("hours_off", hours=hours),
        most=_most(most),
        own=say("own") if own is not None else "",
    )


# -- a group ----------------------------------------


def _group(turn: Turn) -> Listed | str:
    """The group that is meant, in the speaker's charge; else the question which. Raises BeyondReach."""
    groups = groups_of(turn.session, community_id=turn.community.id)
    if "group" in turn.slots:
        target = turn.slots["group"]
        found = [one for one in groups if one.name == f"{target}群"] or _of_unit(turn, groups, target)
        if not found:
            return say("no_group", target=target)
    elif turn.group is not None:
        found = [one for one in groups if one.id == turn.group.id]
    else:
        found = [one for one in groups if turn.who.may(Role.BUILDING_LEAD, one.unit_path)]
        if len(found) != 1:
            return say("which_group")
    require(turn.who, Role.BUILDING_LEAD, found[0].unit_path)
    return found[0]


def _of_unit(turn: Turn, groups: list[Listed], target: str) -> list[Listed]:
    try:
        unit = find_unit(turn.session, community_id=turn.community.id, name=target)
    except NoSuchUnit:
        return []
    return [one for one in groups if one.unit_path == unit.path]


_DAY = re.compile("[今明后][天早晚]|[今明]日|周|星期|礼拜|[0-9十][号日月]")
_SAME = re.compile(
    r"(?<![\d:])(?<!晚上)(?<!夜里)(\d{1,2}(?:[:点时]\d{2})?)[点时]? ?[-~—–到至]+ ?\1(?!\d|:|[点时](?:\d|半))"
)
"""The same hour twice: one of the two may be read as one of the evening."""
_CLOCK = r"([01]?\d|2[0-3]):([0-5]\d)"
_CLOCKS = re.compile(rf"(?<![\d:上午夜间晚早晨]){_CLOCK} ?[-~—–到至]+ ?{_CLOCK}(?![\d:])")
"""As a clock of 24 hours shows them: 1:00-6:00 is no afternoon."""


def _said_hours(turn: Turn) -> Quiet | None:
    """The hours that were typed; where only their beginning was, until the night of all ends."""
    slots = turn.slots
    if _DAY.search(slots.get("hours", "")):
        raise OnlyDaily
    typed = unicodedata.normalize("NFKC", turn.incoming.text)
    if "hours_at" not in slots or "hours_grain" in slots:
        # 晚上 alone says not when it begins.
        return None
    begins = _time(slots["hours_at"])
    if slots.get("_evening") and DUSK <= begins.hour < NOON and not _SAYS_MORNING.match(slots["hours"]):
        begins = begins.replace(hour=begins.hour + NOON)
    until = slots.get("hours_until") or slots.get("till_at")
    if until is not None:
        if begins == _time(until) or _SAME.search(typed):
            # 8:00-8:00 is the whole day, and no day and no half of it.
            raise books.too_long()
        if clocks := _CLOCKS.search(typed):
            return Quiet(time(int(clocks[1]), int(clocks[2])), time(int(clocks[3]), int(clocks[4])))
        return Quiet(begins, _time(until))
    night = reach_in(turn.rules).quiet
    return Quiet(begins, night.ends if night is not None and night.length else time(7))


def _ask_hour(turn: Turn) -> Ask | None:
    """Asks from when on, where only a part of the day was said: 晚上别吵我."""
    slots = turn.slots
    if slots.get("hours_grain") != "part":
        return None
    begins, part = local(slots["hours_at"]).hour, slots["hours"]
    for name in [name for name in slots if name.split("_")[0] == "hours"]:
        del slots[name]
    # What they answer is of that part: 8点 in the evening is 20:00.
    slots["_evening"] = begins >= EVENING
    if slots["_evening"]:
        return Ask(say("which_hour", when=part), slot="hours")
    return Ask(say("which_hours", when=part, begins=begins, ends=begins + AS_LONG), slot="hours")


def _time(moment: datetime) -> time:
    return local(moment).time().replace(second=0, microsecond=0)


def _kept(own: Own | None) -> Mapping[str, Any] | None:
    return own.kept() if own is not None else None


def _undo_group(turn: Turn, act: Act) -> str:
    own = books.set_back(
        turn.session, community_id=turn.community.id, before=act.detail["before"], after=act.detail["after"],
        by=turn.who.id, now=turn.now, group_id=act.row,
    )  # fmt: skip
    return say("undone", rule=_rule(reach_in(turn.rules), own))


@router.command(
    "group_quiet", "本群安静", "群安静", "本群安静时间", "群安静时间", "本群免打扰", "群免打扰", "本群勿扰",
    slots=(GROUP, *HOURS, USUAL, NEVER), fillers=FILLERS,
    role=Role.BUILDING_LEAD, for_group=True, writes=True, overheard=False, rare=True,
    usage="本群安静 22:00-8:00", gist="这个群几点到几点不发；私聊说 3栋群安静 22:00-8:00",
    undo={"group_quiet": _undo_group},
)  # fmt: skip
def group_quiet(turn: Turn) -> Answer:
    group = _group(turn)
    if isinstance(group, str):
        return group
    if turn.incoming.direct and (asked := _ask_hour(turn)) is not None:
        return asked
    quiet = ANY_TIME if turn.slots.get("never") else _said_hours(turn)
    if quiet is None and not turn.slots.get("usual"):
        return _shown(turn, group)
    before, after = books.set_hours(
        turn.session, community_id=turn.community.id, quiet=quiet, by=turn.who.id, now=turn.now, group_id=group.id
    )
    turn.wrote("group_quiet", group.id, before=_kept(before), after=_kept(after))
    if quiet is None:
        return say("group_usual", group=group.name, hours=_hours(reach_in(turn.rules).quiet))
    name = "group_hours" if quiet.length else "group_never"
    return say(name, group=group.name, hours=_hours(quiet))


def _shown(turn: Turn, group: Listed) -> str:
    own = books.own_of(turn.session, community_id=turn.community.id, group_id=group.id)
    posts = books.posts_of_day(turn.session, community_id=turn.community.id, group_id=group.id, day=day_of(turn.now))
    return say("group_shown", group=group.name, rule=_rule(reach_in(turn.rules), own), posts=posts)


@router.command(
    "group_ceiling", "本群一天最多", "群一天最多", "本群每天最多", "群每天最多", "本群一天最多发", "本群每天最多发",
    slots=(GROUP, Slot("most", Kind.QUANTITY, of="posts"), Slot("number", Kind.NUMBER), USUAL, NEVER), fillers=FILLERS,
    role=Role.BUILDING_LEAD, for_group=True, writes=True, overheard=False, rare=True,
    usage="本群一天最多 4 条", gist="这个群一天最多主动发几条，多的等第二天",
    undo={"group_ceiling": _undo_group},
)  # fmt: skip
def group_ceiling(turn: Turn) -> Answer:
    group = _group(turn)
    if isinstance(group, str):
        return group
    most = turn.slots.get("most", turn.slots.get("number"))
    if turn.slots.get("never"):
        most = 0
    elif most == 0:
        raise CeilingOutOfRange(most=books.POSTS_MOST)
    elif most is None and not turn.slots.get("usual"):
        return say("which_count")
    before, after = books.set_ceiling(
        turn.session, community_id=turn.community.id, group_id=group.id, posts_max=most, by=turn.who.id, now=turn.now
    )
    turn.wrote("group_ceiling", group.id, before=_kept(before), after=_kept(after))
    if most is None:
        return say("group_ceiling_usual", group=group.name, most=_most(reach_in(turn.rules).posts_max))
    return say("group_ceiling" if most else "group_unlimited", group=group.name, most=most)


@router.command(
    "list_groups", "群列表", "有哪些群", "所有群", "绑定了哪些群",
    role=Role.BUILDING_LEAD, overheard=False, rare=True,
    usage="群列表", gist="绑定了哪些群，哪些有自己的安静时间",
)  # fmt: skip
def list_groups(turn: Turn) -> Answer:
    every = books.group_rules(turn.session, community_id=turn.community.id)
    if not every:
        return say("groups_none")
    reach = reach_in(turn.rules)
    lines = of_their_own(every, reach)
    if len(every) > len(lines):
        lines.append(say("groups_more", count=len(every) - len(lines), rule=_rule(reach, None)))
    return in_few_lines(lines)


def of_their_own(every: Sequence[tuple[Listed, Own | None]], reach: Reach) -> list[str]:
    """What holds for each group that has a rule of its own, in a line."""
    return [say("groups_line", group=group.name, rule=_rule(reach, own)) for group, own in every if own is not None]


# -- a person ----------------------------------------


def _undo_mine(turn: Turn, act: Act) -> str:
    own = books.set_back(
        turn.session, community_id=turn.community.id, before=act.detail["before"], after=act.detail["after"],
        by=turn.who.id, now=turn.now, member_id=turn.who.id,
    )  # fmt: skip
    return say("undone_mine", hours=_hours(own.quiet) if own is not None else say("none"))


ANY_MOMENT = (
    "取消免打扰", "关闭免打扰", "不用免打扰", "取消我的免打扰", "随时可以给我发", "随时给我发", "可以随时给我发",
    "什么时候都可以给我发",
)  # fmt: skip


@router.command(
    "my_quiet", "免打扰", "我的免打扰", "别给我发", "不要给我发", "别发给我", "不要发给我", "别给我发消息",
    "不要给我发消息", "别打扰我", "不要打扰我", "别吵我", "勿扰", "不要吵我", *ANY_MOMENT,
    slots=(*HOURS, USUAL), fillers=(*FILLERS, "我", "请", "消息", "通知", "了"),
    implies={verb: {"usual": True} for verb in ANY_MOMENT},
    writes=True, private=True, overheard=False, rare=True,
    usage="免打扰 20:00-8:00", gist="几点到几点不急的别发给我",
    undo={"my_quiet": _undo_mine},
)  # fmt: skip
def my_quiet(turn: Turn) -> Answer:
    if (asked := _ask_hour(turn)) is not None:
        return asked
    quiet, night = _said_hours(turn), _night(turn)
    if quiet is None and not turn.slots.get("usual"):
        own = books.own_of(turn.session, community_id=turn.community.id, member_id=turn.who.id)
        if own is None:
            return say("mine_none", night=night)
        return say("mine_shown", hours=_hours(own.quiet), night=night)
    before, after = books.set_hours(
        turn.session, community_id=turn.community.id, quiet=quiet, by=turn.who.id, now=turn.now, member_id=turn.who.id
    )
    turn.wrote("my_quiet", turn.who.id, before=_kept(before), after=_kept(after))
    return say("mine_gone", night=night) if quiet is None else say("mine", hours=_hours(quiet))


def _night(turn: Turn) -> str:
    night = reach_in(turn.rules).quiet
    return _hours(night) if night is not None and night.length else say("night_none")
