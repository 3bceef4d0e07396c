"""名单打印, 导出, 发到群里: the organiser's roll for paper, the roll and the hours as a sheet, for oneself or a group.

张敏: 名单 12 发到党员群
小邻: 把 12号「清洁家园」的签到表（A4，能打印）发到 党员群？
      在那里隐藏名字的人写成 王*英 这样。
      发请回复 确认，不发回复 取消。
张敏: 确认
小邻: 好的，马上发到 党员群。
小邻 → 党员群: 11月21日清洁家园签到表.pdf
小邻 → 张敏: 11月21日清洁家园签到表.pdf 发到 党员群 了。
张敏: 名单 12 发到3栋群
小邻: 把 12号「清洁家园」的签到表（A4，能打印）发到 3栋群？
      那里不是工作群：人人都写成 王*英 这样，也不写谁来了。
      发请回复 确认，不发回复 取消。
张敏: 取消
小邻: 好的，不办了。
张敏: 时长表 发到3栋群
小邻: 有姓名的时长表只发到工作群（党支部、党小组、服务队的群），不发到 3栋群。
      自己要一份请发 导出 时长。
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from handlers.chat import Answer, Ask, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from models import files
from models import handouts as books
from models.activities import ActivityHere, find_activity
from models.audit import Act
from models.clock import month_of, short_day, spoken
from models.directory import Listed, groups_of
from models.handouts import HOURS, PRINTED, HandedOut, Names, NotForThisGroup
from models.members import BeyondReach, Role, require
from models.outbox import OutboxState
from models.quiet import groups_end
from models.reach import reach_in
from models.units import unit_by_id

say = Texts(
    "handouts",
    no_link="这里还没有设好网址，取不了文件。请让管理员在电脑上用 {command}。",
    print_link="「{title}」的名单，打印出来带到现场：\n{url}\n一小时内可以取一次。纸上签到的，回来请发 补录 {number}。",
    print_file="「{title}」的名单马上发给您，打印出来带到现场。\n纸上签到的，回来请发 补录 {number}。",
    sheet_link="{what}的表格：\n{url}\n一小时内可以取一次，里面有姓名，请自己留着。",
    sheet_file="{what}的表格马上发给您，里面有姓名，请自己留着。",
    sheet_roll="「{title}」名单",
    sheet_hours="{first}到{last}服务时长",
    sheet_hours_month="{month}服务时长",
    roll_name="{day}{title}签到表.pdf",
    roll_sheet_name="{day}{title}名单.xlsx",
    hours_name="{what}.xlsx",
    roll="{number}号「{title}」的签到表（A4，能打印）",
    hours="{what}的表格",
    preview="把 {what}发到 {group}？\n{names}\n发请回复 确认，不发回复 取消。",
    spared="在那里隐藏名字的人写成 王*英 这样。",
    hidden="那里不是工作群：人人都写成 王*英 这样，也不写谁来了。",
    at_once="好的，马上发到 {group}。",
    in_the_morning="好的，{group} 现在是安静时间，{when}发。\n不发了请回复 撤销。",
    which_activity="哪一个活动的签到表？请回复编号，例如 12。",
    which_group="发到哪个群？请写上群名，例如 {example}。",
    which_example_roll="发名单 12 到党员群",
    which_example_hours="发时长表到党员群",
    no_group="没有 {group}。有哪些群请发 群列表。",
    no_files="{group} 那边机器人发不了文件。给您一份，请自己转过去：\n{url}\n一小时内可以取一次。",
    no_files_at_all="{group} 那边机器人发不了文件。",
    no_files_no_link="{group} 那边机器人发不了文件。{then}",
    then_print="请发 名单打印 {number} 取一份，自己转过去。",
    then_sheet="请发 导出 时长 取一份，自己转过去。",
    undone="好的，不发到 {group} 了。",
    arrived="{what} 发到 {group} 了。",
    not_arrived="{what} 没有发进 {group}{why}。",
    not_arrived_link="\n给您一份，请自己转过去：\n{url}\n一小时内可以取一次。",
    not_brought="{what} 没有发成，请过一会儿再要一次。",
    unknown="{what} 发到 {group} 了没有，平台没有回话。请看一眼群里，没有的话再发一次。",
    too_large="：文件太大",
    not_taken="：那边不收文件",
    not_for_them="：那个群换了单位，不能看有姓名的表",
)

router = Router(
    "handouts",
    {
        NotForThisGroup: "有姓名的时长表只发到工作群（党支部、党小组、服务队的群），不发到 {group}。\n"
        "自己要一份请发 导出 时长。",
        HandedOut: "已经发到 {group} 了，撤不回来。要收回请在群里把它撤回。",
        BeyondReach: "这件事不在您负责的范围里。您能办的事请发 帮助。",
    },
)

SHEET = "roll_sheet"
"""The roll as Excel, with the times: for the organiser alone."""
NAME_MOST = 20
"""Characters of a title in the name of a file."""

ACTIVITY = Slot(
    "activity", Kind.OBJECT, of="activity", required=True, ask="哪一个活动？请写编号，例如 名单打印 12", chosen=False
)
SPAN = Slot("span", Kind.CHOICE, choices=(("今年", ("本年", "全年")), ("全部", ("所有", "至今"))))
WHEN = Slot("when", Kind.WHEN)


@dataclass(frozen=True, slots=True)
class Ordered:
    """A file that somebody asks for: what makes it, out of what, and how it is called."""

    kind: str
    detail: Mapping[str, Any]
    name: str
    """Of the file."""
    what: str
    """As it is spoken of."""
    activity: ActivityHere | None = None
    """What it is about, where that is one."""

    @property
    def number(self) -> int:
        return self.activity.number if self.activity else 0

    @property
    def ref(self) -> str:
        return self.activity.ref if self.activity else ""


# -- what there is ----------------------------------------


def _activity(turn: Turn, role: Role) -> ActivityHere:
    """The activity that is meant, where the speaker holds `role` over it."""
    activity = find_activity(turn.session, community_id=turn.community.id, number=turn.slots["activity"])
    unit = unit_by_id(turn.session, community_id=turn.community.id, unit_id=activity.unit_id)
    require(turn.who, role, unit.path)
    return activity


def _printed(turn: Turn) -> Ordered:
    return _of_activity(turn, Role.BUILDING_LEAD, PRINTED, "roll_name", "roll")


def _roll_sheet(turn: Turn) -> Ordered:
    return _of_activity(turn, Role.STAFF, SHEET, "roll_sheet_name", "sheet_roll")


def _of_activity(turn: Turn, role: Role, kind: str, name: str, what: str) -> Ordered:
    """A file about the activity that is meant; `name` and `what` are the sentences for how it is called."""
    activity = _activity(turn, role)
    return Ordered(
        kind,
        {"activity": activity.number},
        say(name, day=short_day(activity.starts_at), title=filed(activity.title)),
        say(what, number=activity.number, title=activity.title),
        activity,
    )


def _hours(turn: Turn) -> Ordered:
    """Of those for whom the speaker works. Raises BeyondReach."""
    first, last = _months(turn)
    reach = [held.path for held in turn.who.held if held.role.rank >= Role.STAFF.rank]
    if not reach:
        raise BeyondReach
    what = (
        say("sheet_hours", first=_month(first), last=_month(last))
        if first < last
        else say("sheet_hours_month", month=_month(first))
    )
    return Ordered(HOURS, {"first": first, "last": last, "reach": reach}, say("hours_name", what=what), what)


def filed(title: str) -> str:
    """As much of a title as the name of a file holds, without what such a name cannot have."""
    return "".join(letter for letter in title if letter.isalnum() or letter in "-（）·")[:NAME_MOST]


def _months(turn: Turn) -> tuple[int, int]:
    """The first and the last Shanghai month that are meant: the named one, this year, all, else this one."""
    now = month_of(turn.now)
    match turn.slots.get("span"):
        case "今年":
            return now // 100 * 100 + 1, now
        case "全部":
            return EARLIEST, now
    month = month_of(turn.slots["when_at"]) if "when_at" in turn.slots else now
    # 12月, said in November, is the one that is over.
    return (month, month) if month <= now else (month - 100, month - 100)


EARLIEST = 202001
"""No community has books from before."""


def _month(month: int) -> str:
    return f"{month // 100}年{month % 100}月"


# -- for oneself ----------------------------------------


def _link(turn: Turn, ordered: Ordered, names: Names = Names.WHOLE) -> str:
    """An address from which the file can be fetched once; empty where there is no address at all."""
    return files.link(
        turn.session,
        public_url=turn.rules["http"].public_url,
        community_id=turn.community.id,
        member_id=turn.who.id,
        kind=ordered.kind,
        now=turn.now,
        detail={**ordered.detail, "names": str(names)} if names is not Names.WHOLE else ordered.detail,
    )


def _brought(turn: Turn, ordered: Ordered) -> bool:
    """Brings the file to whoever speaks, where the conversation itself can carry it."""
    if turn.incoming.namespace not in reach_in(turn.rules).carried:
        return False
    _hand_out(turn, ordered)
    return True


def _hand_out(turn: Turn, ordered: Ordered, group_id: int | None = None) -> str:
    """Puts the file on its way to a group, or to whoever speaks; returns the key under which it waits."""
    key = f"handout:{group_id or turn.who.id}:{turn.incoming.message_id[-60:]}"
    books.hand_out(
        turn.session,
        community_id=turn.community.id,
        key=key,
        kind=ordered.kind,
        detail=ordered.detail,
        name=ordered.name,
        message=ordered.name,
        by=turn.who.id,
        now=turn.now,
        group_id=group_id,
        ref=ordered.ref,
    )
    return key


@router.command(
    "print_roll",
    "名单打印",
    "打印名单",
    "签到表",
    "打印签到表",
    slots=(ACTIVITY,),
    fillers=("活动", "的", "一下", "一份"),
    role=Role.BUILDING_LEAD,
    direct=True,
    writes=True,
    overheard=False,
    usage="名单打印 12",
    gist="取一份 A4 名单带到现场，有二维码和空行",
)
def print_roll(turn: Turn) -> Answer:
    ordered = _printed(turn)
    assert ordered.activity is not None
    title = ordered.activity.title
    if url := _link(turn, ordered):
        answer = say("print_link", title=title, url=url, number=ordered.number)
    elif _brought(turn, ordered):
        answer = say("print_file", title=title, number=ordered.number)
    else:
        return say("no_link", command=f"linli roll {ordered.number}")
    turn.wrote("print_roll", ordered.number)
    return answer


@router.command(
    "export_sheet",
    "导出",
    "导出名单",
    "导出时长",
    "导出表格",
    slots=(
        Slot("activity", Kind.OBJECT, of="activity", chosen=False),
        Slot("what", Kind.CHOICE, choices=(("时长", ("服务时长", "信用时", "荣誉时", "工时", "时间")),)),
        SPAN,
        WHEN,
    ),
    implies={"导出时长": {"what": "时长"}},
    fillers=("活动", "的", "名单", "一下", "一份", "表格", "表"),
    role=Role.STAFF,
    direct=True,
    writes=True,
    overheard=False,
    usage="导出 时长 11月",
    gist="取服务时长或一次活动的名单（导出 12），Excel 表格",
)
def export_sheet(turn: Turn) -> Answer:
    ordered = _roll_sheet(turn) if "activity" in turn.slots else _hours(turn)
    if url := _link(turn, ordered):
        answer = say("sheet_link", what=ordered.what, url=url)
    elif _brought(turn, ordered):
        answer = say("sheet_file", what=ordered.what)
    else:
        return say("no_link", command="linli export")
    turn.wrote("export_sheet", ordered.number, what=ordered.kind)
    return answer


# -- for a group ----------------------------------------


def _group(turn: Turn, ordered: Ordered, role: Role) -> Listed | Ask | str:
    """The group that is meant, in the speaker's charge: the named one, this one, else the only one for such a file."""
    groups = groups_of(turn.session, community_id=turn.community.id)
    said = f"{turn.slots.get('group', '')} {turn.incoming.text}"
    named = [one for one in groups if one.name in said]
    if not named and (other := _GROUP.search(str(turn.slots.get("group", "")))):
        return say("no_group", group=other[0])
    if named:
        found = [max(named, key=lambda one: len(one.name))]
    elif turn.group is not None:
        found = [one for one in groups if one.id == turn.group.id]
    else:
        found = [one for one in groups if turn.who.may(role, one.unit_path) and _spared(turn, one, ordered)]
    if len(found) != 1:
        example = say("which_example_hours" if ordered.kind == HOURS else "which_example_roll")
        text = say("which_group", example=example)
        return Ask(text, slot="group", options=tuple(one.name for one in found)) if len(found) > 1 else text
    require(turn.who, role, found[0].unit_path)
    return found[0]


_GROUP = re.compile(r"(?!这个群|那个群|工作群)[^ 到发]{2,10}群")
"""A group by its name; 本群 and 群里 are none."""


def _spared(turn: Turn, group: Listed, ordered: Ordered) -> bool:
    """Whether it is a group of work, where such a file is at home."""
    try:
        return _names(turn, group, ordered) is not Names.HIDDEN
    except NotForThisGroup:
        return False


def _names(turn: Turn, group: Listed, ordered: Ordered) -> Names:
    return books.names_for(turn.session, community_id=turn.community.id, group_id=group.id, kind=ordered.kind)


SHOWN = {Names.SPARED: "spared", Names.HIDDEN: "hidden"}
"""What is said of how people are called in a group."""
ROLL_VERBS = ("发名单", "发签到表", "名单发到", "签到表发到")
HOURS_VERBS = ("发时长表", "发服务时长表", "时长表发到", "时长表", "服务时长表")
HOURS_WORDS = ("服务时长", "工时", "时长表", "服务时长表", "工时表")


def _says_activity(turn: Turn) -> bool:
    """Whether an activity is named; `12号名单` has its number where other things have a day."""
    if "activity" not in turn.slots and (number := _NUMBERED.fullmatch(turn.slots.get("when", ""))):
        turn.slots["activity"] = int(number[1])
    return "activity" in turn.slots


_NUMBERED = re.compile(r"([0-9]{1,6})号")


def _undo(turn: Turn, act: Act) -> str:
    group = act.detail["group"]
    books.take_back(turn.session, community_id=turn.community.id, key=act.detail["key"], group=group, wall=turn.now)
    return say("undone", group=group)


@router.command(
    "hand_out",
    "发到群里",
    "发群里",
    "发到",
    *ROLL_VERBS,
    *HOURS_VERBS,
    slots=(
        Slot("activity", Kind.OBJECT, of="activity", chosen=False),
        Slot(
            "what",
            Kind.CHOICE,
            required=True,
            ask="发什么到群里？名单还是时长表？",
            choices=(("名单", ("签到表", "报名名单", "打印名单", "名单打印")), ("时长", HOURS_WORDS)),
        ),
        SPAN,
        WHEN,
        Slot("group", Kind.TITLE),
    ),
    implies={
        **{verb: {"what": "名单"} for verb in ROLL_VERBS},
        **{verb: {"what": "时长"} for verb in HOURS_VERBS},
    },
    fillers=("把", "的", "活动", "发到", "到", "一下", "一份", "群里", "给"),
    role=Role.BUILDING_LEAD,
    writes=True,
    overheard=False,
    usage="发名单 12 到党员群",
    gist="把签到表或时长表发到群里；居民群里名字都隐去",
    undo={"hand_out": _undo},
)
def hand_out(turn: Turn) -> Answer:
    hours = turn.slots["what"] == "时长"
    if not hours and not _says_activity(turn):
        return Ask(say("which_activity"), slot="activity")
    role = Role.STAFF if hours else Role.BUILDING_LEAD
    ordered = _hours(turn) if hours else _printed(turn)
    group = _group(turn, ordered, role)
    if not isinstance(group, Listed):
        return group
    turn.slots["group"] = group.name
    names = _names(turn, group, ordered)
    if not books.takes_files(
        turn.session, community_id=turn.community.id, group_id=group.id, reach=reach_in(turn.rules)
    ):
        return _for_oneself(turn, ordered, group, names)
    what = say("hours", what=ordered.what) if hours else ordered.what
    if not turn.confirmed:
        return Ask(say("preview", what=what, group=group.name, names=say(SHOWN[names])), minutes=30)
    key = _hand_out(turn, ordered, group.id)
    turn.wrote("hand_out", ordered.number, key=key, group=group.name, what=ordered.kind)
    until = _quiet_until(turn, group)
    return say("in_the_morning", group=group.name, when=spoken(until)) if until else say("at_once", group=group.name)


def _quiet_until(turn: Turn, group: Listed) -> datetime | None:
    return groups_end(turn.session, night=reach_in(turn.rules).quiet, groups=[group.id], moment=turn.now)


def _for_oneself(turn: Turn, ordered: Ordered, group: Listed, names: Names) -> str:
    """What whoever asked does where no channel brings files into the group: people are called in it as there."""
    if turn.group is None and (url := _link(turn, ordered, names)):
        turn.wrote("print_roll" if ordered.number else "export_sheet", ordered.number, what=ordered.kind)
        return say("no_files", group=group.name, url=url)
    if names is Names.HIDDEN:
        # What they would fetch for themselves has everybody's name, and is not to be passed on.
        return say("no_files_at_all", group=group.name)
    then = say("then_print", number=ordered.number) if ordered.number else say("then_sheet")
    return say("no_files_no_link", group=group.name, then=then)


# -- what became of it ----------------------------------------


NOT_FOR_THEM = "not-for-them"
REASONS = {
    "file-size": "too_large",
    "40006": "too_large",
    **dict.fromkeys(("40004", "40008", "40009", "40058"), "not_taken"),
    NOT_FOR_THEM: "not_for_them",
}
"""By the first word of the postman's reason."""


def not_brought(what: str) -> str:
    """What somebody hears whose own file did not come."""
    return say("not_brought", what=what)


def told_of(what: str, group: str, state: OutboxState, why: str, url: str) -> str:
    """What whoever had a file sent into a group hears of it. `why` is the postman's; `url` is where to fetch it."""
    if state is OutboxState.SENT:
        return say("arrived", what=what, group=group)
    if state is OutboxState.UNKNOWN:
        return say("unknown", what=what, group=group)
    name = REASONS.get(why.split(" ")[0], "not_taken" if "brings files" in why else "")
    text = say("not_arrived", what=what, group=group, why=say(name) if name else "")
    return text + say("not_arrived_link", url=url) if url else text
