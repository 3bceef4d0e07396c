"""名单 and what goes with it: who comes, who does not and who has said nothing; from when to when people sign up.

孙丽: 名单 12
小邻: 「清洁家园」来7人（4户），候补0户，不来1人，没说的311人。
      来：何叔+1、小吴、陈美玲+2、赵强
      不来：周敏
张敏（5栋群）: @小邻 锁定 12
小邻: 「清洁家园」的名单锁定了，除了您和社区谁也不能进出。
      要放开请发 解锁 12。
王秀英: 报名 12
小邻: 「清洁家园」的名单已经定了，要进要出请和社区说一声。
"""

from datetime import datetime
from typing import Any

from handlers.chat import Answer, Reply, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from models import activities as books
from models.activities import ActivityHere, NotLocked, Part, SignupState, TermsOutOfRange
from models.audit import Act
from models.clock import spoken
from models.members import Role, require
from models.units import unit_by_id

say = Texts(
    "terms",
    counts="「{title}」来{people}人（{parties}户），候补{waiting}户，不来{no}人，没说的{silent}人。",
    asked_counts="另有{count}户等您点头，看请发 审核。",
    coming="来：{names}",
    others="候补：{names}",
    declined="不来：{names}",
    one="{name}{more}{by}",
    more="+{count}",
    by="（{name}代报）",
    held="（等回话）",
    cautioned="（已叮嘱）",
    and_more="等{count}位",
    locked="「{title}」的名单锁定了，除了您和社区谁也不能进出。\n要放开请发 解锁 {number}。",
    unlocked="「{title}」的名单放开了，大家可以进出。",
    window="「{title}」的报名时间：{span}。",
    window_both="{opens} 到 {closes}",
    window_from="{opens} 开始，到活动开始为止",
    window_until="现在起到 {closes}",
    window_none="随时，到活动开始为止",
    leave="「{title}」最晚 {until} 退出，再晚退的算没来一次。",
    leave_none="「{title}」开始以前都可以退出。",
    undone="已改回原来的：{text}",
)

router = Router(
    "terms",
    {
        NotLocked: "「{title}」的名单没有锁定。要锁定请发 锁定 {number}。",
        TermsOutOfRange: "报名要先开始后截止，而且都在活动开始（{starts_at}）以前，请改一下再发。",
    },
)

NAMED = 24
"""Names in one line; it says how many more there are."""

ACTIVITY = Slot("activity", Kind.OBJECT, of="activity", required=True, ask="是几号活动？")


def _held(turn: Turn) -> ActivityHere:
    """The activity that is named, where the speaker decides about its list."""
    activity = books.find_activity(turn.session, community_id=turn.community.id, number=turn.slots["activity"])
    if activity.made_by != turn.who.id:
        unit = unit_by_id(turn.session, community_id=turn.community.id, unit_id=activity.unit_id)
        require(turn.who, Role.STAFF, unit.path)
    return activity


# -- who comes ----------------------------------------


@router.command(
    "activity_roll",
    "名单",
    "报名名单",
    "看名单",
    "谁报名了",
    "都有谁报名",
    slots=(ACTIVITY,),
    fillers=("活动", "的", "看看", "查", "报名", "有", "都", "谁"),
    role=Role.STAFF,
    overheard=False,
    usage="名单 12",
    gist="谁来、谁不来、还有多少人没说",
)
def activity_roll(turn: Turn) -> Answer:
    activity = _held(turn)
    parts = books.roll_of(turn.session, activity)
    people, waiting = books.how_full(turn.session, activity)
    no = [part for part in parts if part.state is None]
    coming = [part for part in parts if part.state in books.PLACED]
    counts = say(
        "counts",
        title=activity.title,
        people=people,
        parties=len(coming),
        waiting=waiting,
        no=len(no),
        silent=books.silent_count(turn.session, activity),
    )
    lines = [counts]
    if turn.group is None:
        # Names are for whoever organises it, alone.
        queue = [part for part in parts if part.state is SignupState.WAITING]
        for name, some in (("coming", coming), ("others", queue), ("declined", no)):
            if some:
                lines.append(say(name, names=_names(turn, some)))
    asked = sum(part.state is SignupState.ASKED for part in parts)
    if asked and len(lines) < 4:
        lines.append(say("asked_counts", count=asked))
    return Reply("\n".join(lines), ref=activity.ref)


def _names(turn: Turn, parts: list[Part]) -> str:
    names = "、".join(_one(turn, part) for part in parts[:NAMED])
    return names + (say("and_more", count=len(parts)) if len(parts) > NAMED else "")


def _one(turn: Turn, part: Part) -> str:
    by = say("by", name=part.by) if part.by else ""
    held = say("held") if part.state is SignupState.OFFERED else ""
    more = say("more", count=part.companions) if part.companions else ""
    told = say("cautioned") if part.cautioned else ""
    return say("one", name=turn.named(part.who), more=more, by=by + held + told)


# -- the list is closed ----------------------------------------


def _undo_lock(turn: Turn, act: Act) -> str:
    activity = books.find_activity(turn.session, community_id=turn.community.id, number=act.row)
    return _unlocked(books.unlock_list(turn.session, activity=activity, now=turn.now))


def _undo_unlock(turn: Turn, act: Act) -> str:
    activity = books.find_activity(turn.session, community_id=turn.community.id, number=act.row)
    return _locked(books.lock_list(turn.session, activity=activity, now=turn.now))


def _locked(activity: ActivityHere) -> str:
    return say("locked", title=activity.title, number=activity.number)


def _unlocked(activity: ActivityHere) -> str:
    return say("unlocked", title=activity.title)


@router.command(
    "lock_list",
    "锁定",
    "锁定名单",
    "锁定报名",
    "停止报名",
    slots=(ACTIVITY,),
    fillers=("活动", "的", "名单", "报名"),
    role=Role.STAFF,
    writes=True,
    overheard=False,
    usage="锁定 12",
    gist="名单定了，只有组织的人能再改",
    undo={"lock_list": _undo_lock},
)
def lock_list(turn: Turn) -> Answer:
    activity = books.lock_list(turn.session, activity=_held(turn), now=turn.now)
    turn.wrote("lock_list", activity.number)
    return Reply(_locked(activity), ref=activity.ref)


@router.command(
    "unlock_list",
    "解锁",
    "解锁名单",
    "放开报名",
    "重新开放报名",
    slots=(ACTIVITY,),
    fillers=("活动", "的", "名单", "报名"),
    role=Role.STAFF,
    writes=True,
    overheard=False,
    usage="解锁 12",
    gist="名单重新放开",
    undo={"unlock_list": _undo_unlock},
)
def unlock_list(turn: Turn) -> Answer:
    activity = books.unlock_list(turn.session, activity=_held(turn), now=turn.now)
    turn.wrote("unlock_list", activity.number)
    return Reply(_unlocked(activity), ref=activity.ref)


# -- from when to when ----------------------------------------


def _undo_terms(turn: Turn, act: Act) -> str:
    activity = books.find_activity(turn.session, community_id=turn.community.id, number=act.row)
    before = {name: datetime.fromisoformat(at) if at else None for name, at in act.detail["before"].items()}
    after = books.set_terms(turn.session, activity=activity, now=turn.now, **before)
    return say("undone", text=_leave(after) if "leave_until" in before else _window(after))


def _set(turn: Turn, **terms: Any) -> ActivityHere:
    before = _held(turn)
    after = books.set_terms(turn.session, activity=before, now=turn.now, **terms)
    was = {name: getattr(before, name) for name in terms}
    turn.wrote("set_terms", after.number, before={name: at.isoformat() if at else "" for name, at in was.items()})
    return after


def _window(activity: ActivityHere) -> str:
    opens, closes = activity.signup_opens_at, activity.signup_closes_at
    which = {(True, True): "both", (True, False): "from", (False, True): "until", (False, False): "none"}
    span = say(
        f"window_{which[opens is not None, closes is not None]}",
        opens=spoken(opens) if opens else "",
        closes=spoken(closes) if closes else "",
    )
    return say("window", title=activity.title, span=span)


def _leave(activity: ActivityHere) -> str:
    if activity.leave_until is None:
        return say("leave_none", title=activity.title)
    return say("leave", title=activity.title, until=spoken(activity.leave_until))


@router.command(
    "signup_window",
    "报名时间",
    "报名截止",
    "截止报名",
    "开始报名",
    slots=(
        ACTIVITY,
        Slot("closes", Kind.WHEN, labels=("到", "至", "截止", "止")),
        Slot("opens", Kind.WHEN),
    ),
    fillers=("活动", "的", "从", "到", "至", "改成", "改到", "是", "为", "在", "开始", "截止", "报名", "止"),
    role=Role.STAFF,
    writes=True,
    overheard=False,
    usage="报名时间 12 周四9点到周五18点",
    gist="什么时候开始报名、什么时候截止",
    undo={"set_terms": _undo_terms},
)
def signup_window(turn: Turn) -> Answer:
    slots = turn.slots
    opens, closes = slots.get("opens_at"), slots.get("closes_at") or slots.get("opens_until")
    activity = _set(turn, signup_opens_at=opens, signup_closes_at=closes)
    return Reply(_window(activity), ref=activity.ref)


@router.command(
    "leave_until",
    "最晚退出",
    "退出截止",
    "取消截止",
    slots=(ACTIVITY, Slot("until", Kind.WHEN)),
    fillers=("活动", "的", "到", "至", "改成", "改到", "是", "为", "在", "时间", "之前"),
    role=Role.STAFF,
    writes=True,
    overheard=False,
    usage="最晚退出 12 周五18点",
    gist="什么时候以后退出算没来",
)
def leave_until(turn: Turn) -> Answer:
    activity = _set(turn, leave_until=turn.slots.get("until_at"))
    return Reply(_leave(activity), ref=activity.ref)
