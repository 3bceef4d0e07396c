"""隐藏我的名字: groups and boards read 王*英, and whoever is in charge reads the name in full, alone.

王秀英（3栋群）: @小邻 不要在群里叫我名字
小邻: 好的，以后群里和榜上只显示 王*英。
      要显示全名请发 显示我的名字。
王秀英（3栋群）: 报名 12
小邻: 已给 王*英 报名「清洁家园」，还剩12个名额。
      11月21日 周六 9:00，中心花园。
王秀英: 显示我的名字
小邻: 好的，以后群里和榜上显示全名 王秀英。
      不想显示请发 隐藏我的名字。
孙丽: 替 陈美玲 隐藏名字
小邻: 好的，陈美玲 的名字以后群里和榜上只显示 陈*玲，已告诉本人。
小邻 → 陈美玲: 孙丽 替您设好了：群里和榜上只显示 陈*玲。
      要显示全名请发 显示我的名字。
"""

from handlers.chat import Answer, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from handlers.shared.people import spoken_of
from models.audit import Act
from models.members import Neighbour, hide_name, masked, member_by_id
from models.proxies import NotForNeighbours, Right, act_for, has_account, is_oneself, right_over

say = Texts(
    "shown_name",
    hidden="好的，以后群里和榜上只显示 {shown}。\n要显示全名请发 显示我的名字。",
    shown="好的，以后群里和榜上显示全名 {shown}。\n不想显示请发 隐藏我的名字。",
    hidden_already="群里和榜上本来就只显示 {shown}。要显示全名请发 显示我的名字。",
    shown_already="群里和榜上本来就显示全名。不想显示请发 隐藏我的名字。",
    hidden_for="好的，{name} 的名字以后群里和榜上只显示 {shown}{told}。",
    shown_for="好的，{name} 的名字以后群里和榜上显示全名{told}。",
    same_for="{name} 的名字本来就是这样显示的，不用改。",
    told="，已告诉本人",
    hidden_notice="{by} 替您设好了：群里和榜上只显示 {shown}。\n要显示全名请发 显示我的名字。",
    shown_notice="{by} 替您设好了：群里和榜上显示全名 {shown}。\n不想显示请发 隐藏我的名字。",
    undone_hide="已撤销，群里和榜上还是显示全名。",
    undone_show="已撤销，群里和榜上还是只显示 {shown}。",
)

router = Router(
    "shown_name",
    {NotForNeighbours: "{name} 的名字怎么显示，要本人、家人或楼长才能定。"},
)

FILLERS = (
    "我", "我的", "的", "自己", "自己的", "请", "以后", "在群里", "群里", "在群里面", "群里面", "在榜上", "榜上", "吧",
    "了", "都", "给", "把", "帮", "一下", "能不能", "可不可以", "好吗", "啊", "名字", "姓名",
)  # fmt: skip
NAMES = tuple(whose + name for name in ("名字", "全名", "姓名", "真名", "大名") for whose in ("我的", "我", ""))
NOT_MY_NAME = tuple(
    not_ + do + name
    for not_ in ("不要", "别", "不想", "不")
    for do in ("显示", "叫", "写", "公开", "提")
    for name in NAMES
    if (not_, do) != ("不", "叫")
) + tuple(
    not_ + where + do + name
    for not_ in ("不要", "别", "不想")
    for where in ("在群里", "在群里面")
    for do in ("显示", "叫", "写", "提")
    for name in ("我的名字", "我名字", "我的全名", "我全名", "名字")
)
"""别显示我全名, 不要叫我名字: with the name in one breath, so that none of them reads as its contrary."""
WHOSE = Slot("on_behalf", Kind.PERSON)


def _undo_hide(turn: Turn, act: Act) -> str:
    hide_name(turn.session, community_id=turn.community.id, member_id=act.row, hides=False)
    return say("undone_hide")


def _undo_show(turn: Turn, act: Act) -> str:
    hide_name(turn.session, community_id=turn.community.id, member_id=act.row, hides=True)
    return say("undone_show", shown=masked(_member(turn, act.row).name))


@router.command(
    "hide_name",
    *("隐藏我的名字", "隐藏名字", "隐藏姓名", "隐藏我的姓名", "隐藏全名", "隐去名字", "隐去我的名字", "名字隐藏"),
    *(
        "名字隐去",
        "名字隐藏起来",
        "名字藏起来",
        "姓名隐藏",
        "名字打码",
        "名字打星号",
        "我的名字打码",
        "给我的名字打码",
        "名字不公开",
    ),
    *("把名字隐藏", "把名字隐藏起来", "把名字藏起来", "把名字隐去"),
    *("名字不公开", "不想让别人看到我的名字", "不想让大家看到我的名字", "我想匿名", "我要匿名", "匿名显示"),
    *NOT_MY_NAME,
    slots=(WHOSE,),
    writes=True,
    overheard=False,
    aloud=("隐藏我的名字", "隐藏我的姓名", "隐去我的名字"),
    rare=True,
    fillers=FILLERS,
    usage="隐藏我的名字",
    gist="群里和榜上只显示 王*英 这样",
    undo={"hide_name": _undo_hide},
)
def hide(turn: Turn) -> Answer:
    return _set(turn, hides=True)


@router.command(
    "show_name",
    *("显示我的名字", "显示名字", "显示我的姓名", "显示姓名", "显示全名", "显示我的全名", "恢复我的名字", "恢复全名"),
    *("名字显示出来", "取消隐藏名字", "取消隐藏我的名字", "不隐藏名字", "不用隐藏名字", "不隐藏我的名字"),
    *("把名字显示出来", "把名字公开"),
    *("不用隐藏我的名字", "可以叫我名字", "可以叫我全名", "公开我的名字", "名字可以公开"),
    slots=(WHOSE,),
    writes=True,
    overheard=False,
    aloud=("显示我的名字",),
    rare=True,
    fillers=FILLERS,
    usage="显示我的名字",
    gist="群里和榜上重新显示全名",
    undo={"show_name": _undo_show},
)
def show(turn: Turn) -> Answer:
    return _set(turn, hides=False)


def _set(turn: Turn, *, hides: bool) -> str:
    member = spoken_of(turn, turn.slots["on_behalf"]) if "on_behalf" in turn.slots else None
    if member is not None and not is_oneself(turn.session, proxy=turn.who, member=member):
        return _set_for(turn, member, hides=hides)
    name = turn.who.name
    changed = hide_name(turn.session, community_id=turn.community.id, member_id=turn.who.id, hides=hides)
    if changed:
        turn.wrote("hide_name" if hides else "show_name", turn.who.id)
    what = "hidden" if hides else "shown"
    return say(what if changed else f"{what}_already", shown=masked(name) if hides else name)


def _set_for(turn: Turn, member: Neighbour, *, hides: bool) -> str:
    """Family and those in charge may say it for somebody, who hears of it."""
    act, what = ("hide_name", "hidden") if hides else ("show_name", "shown")
    if right_over(turn.session, proxy=turn.who, member=member, now=turn.now) is Right.NEIGHBOUR:
        raise NotForNeighbours(name=turn.named(member))
    act_for(
        turn.session, proxy=turn.who, member=member, act=act, ref=f"member:{member.id}", now=turn.now,
        limits=turn.rules["proxies"],
    )  # fmt: skip
    if not hide_name(turn.session, community_id=turn.community.id, member_id=member.id, hides=hides):
        return say("same_for", name=turn.named(member))
    turn.wrote(act, member.id)
    after = _member(turn, member.id)
    hears = turn.reaches and has_account(turn.session, community_id=turn.community.id, member_id=member.id)
    if hears:
        notice = say(f"{what}_notice", by=turn.who.name, shown=after.shown)
        turn.tell(member.id, notice, key=f"{act}:{member.id}:{turn.incoming.message_id[-60:]}", expires_hours=72)
    return say(f"{what}_for", name=turn.named(after), shown=after.shown, told=say("told") if hears else "")


def _member(turn: Turn, member_id: int) -> Neighbour:
    return member_by_id(turn.session, community_id=turn.community.id, member_id=member_id)
