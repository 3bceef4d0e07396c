"""改活动: another time, another place, more or fewer places; whoever is signed up hears of it.

王秀英（3栋群）: 报名 13
小邻: 已给 王秀英 报名「义诊」，还剩29个名额。
      11月22日 周日 9:00，活动室。
张敏: 改活动 13 10点 中心花园
小邻: 要把 13号活动「义诊」改成：11月22日 周日 10:00-12:00，中心花园；名额：30人；积分：3分吗？
      报名的1位我会逐个通知。改请回复 确认，不改回复 取消。
张敏: 确认
小邻: 已改 13号活动「义诊」：11月22日 周日 10:00-12:00，中心花园，正在通知1位邻居。
小邻 → 王秀英: 「义诊」有变动：11月22日 周日 10:00-12:00，中心花园。
      来不了请发 取消报名 13。
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from handlers.chat import Answer, Ask, Reply, Router, Texts, Turn, sentence
from handlers.language.outdoors import BODY
from handlers.language.slots import Kind, Slot
from handlers.shared.burdens import burden_line
from handlers.shared.care import body_in, body_of, cared_for
from handlers.shared.people import otherwise
from handlers.shared.places import tell_promoted
from models import activities, audit
from models.activities import (
    ActivityHere,
    ChangedSince,
    CheckInBegun,
    Plan,
    QuotaTaken,
    SameAsBefore,
    Version,
    find_activity,
)
from models.audit import Act
from models.clock import at, local, spoken_span
from models.members import Role, require
from models.units import unit_by_id

say = Texts(
    "changing",
    change_preview="要把 {number}号活动「{title}」改成：{when}，{place}；名额：{quota}；积分：{points}{body}吗？\n"
    "{coming}改请回复 确认，不改回复 取消。",
    change_coming="报名的{count}位我会逐个通知。",
    changed="已改 {number}号活动「{title}」：{when}，{place}{told}。",
    told="，正在通知{count}位邻居",
    tell_them="，请在群里告诉{count}位邻居",
    changed_otherwise="「{title}」改了，我发不到报了名的{name}。请转告：发 活动 {number} 就能看到。",
    changed_notice="「{title}」有变动：{when}，{place}。\n来不了请发 取消报名 {number}。",
    undone_change="已改回 {number}号活动「{title}」：{when}，{place}。",
)

router = Router(
    "changing",
    {
        SameAsBefore: "「{title}」本来就是这样，不用改。要改请写上新的时间、地点、名额或积分。",
        CheckInBegun: "「{title}」已经开始签到，不能再改了。",
        QuotaTaken: "「{title}」已经有{taken}位报上了，名额不能比这少。",
        ChangedSince: "「{title}」后来又改过，撤销不了，请用 改活动 来改。",
    },
)


def _activity(turn: Turn) -> ActivityHere:
    """The activity that is meant, where the speaker holds a role over it."""
    activity = find_activity(turn.session, community_id=turn.community.id, number=turn.slots["activity"])
    unit = unit_by_id(turn.session, community_id=turn.community.id, unit_id=activity.unit_id)
    require(turn.who, Role.STAFF, unit.path)
    return activity


def _undo_change(turn: Turn, act: Act) -> str:
    activity = find_activity(turn.session, community_id=turn.community.id, number=act.row)
    back = activities.change_back(
        turn.session,
        activity=activity,
        before=_version(act.detail["before"]),
        after=_version(act.detail["after"]),
        now=turn.now,
        points_max=turn.rules["activities"].points_max,
    )
    _tell_change(turn, back, f"changed-back:{act.id}")
    return say("undone_change", number=activity.number, title=back.activity.title, **_where(back.activity))


def _kept(version: Version) -> dict[str, Any]:
    return {"starts_at": version.starts_at.isoformat(), "plan": version.plan}


def _version(kept: dict[str, Any]) -> Version:
    return Version(datetime.fromisoformat(kept["starts_at"]), kept["plan"])


@router.command(
    "change_activity",
    "改活动",
    "修改活动",
    "活动改到",
    "调整活动",
    "更改活动",
    slots=(
        Slot("activity", Kind.OBJECT, of="activity", required=True, ask="改几号活动？例如 改活动 12 周六10点"),
        Slot("when", Kind.WHEN),
        Slot("place", Kind.PLACE),
        Slot("quota", Kind.COUNT),
        Slot("points", Kind.POINTS),
        Slot("duration", Kind.DURATION),
        *BODY,
    ),
    fillers=("改成", "改到", "改为", "换到", "改在", "时间", "地点", "名额", "积分", "活动"),
    role=Role.STAFF,
    writes=True,
    overheard=False,
    usage="改活动 12 周六10点 活动室 30人",
    gist="改时间、地点、名额、积分、户外或轻重，先预览再确认，报名的人我来通知",
    undo={"change_activity": _undo_change},
)
def change_activity(turn: Turn) -> Answer:
    activity = _activity(turn)
    changes: Plan = {name: turn.slots[name] for name in ("place", "quota", "points") if name in turn.slots}
    changes |= body_in(turn.slots)
    starts_at = _starts_at(turn, activity)
    if (lasts := _lasts(turn, starts_at)) is not None:
        changes["ends_at"] = lasts
    change: dict[str, Any] = {
        "activity": activity,
        "starts_at": starts_at,
        "changes": changes,
        "now": turn.now,
        "points_max": turn.rules["activities"].points_max,
    }
    if not turn.confirmed:
        planned = activities.check_change(turn.session, **change)
        return Ask(_change_preview(turn, activity, planned.values), minutes=30)
    changed = activities.change_activity(turn.session, **change)
    turn.wrote("change_activity", activity.number, before=_kept(changed.before), after=_kept(changed.after))
    times = audit.times(
        turn.session, community_id=turn.community.id, action="change_activity", object_ref=str(activity.number)
    )
    told = _tell_change(turn, changed, f"changed:{activity.id}:{times}")
    return Reply(
        say("changed", number=activity.number, title=activity.title, told=told, **_where(changed.activity)),
        ref=activity.ref,
    )


def _starts_at(turn: Turn, activity: ActivityHere) -> datetime:
    """The moment that was typed; of a day alone its own hour stays, of an hour alone its own day."""
    typed: datetime | None = turn.slots.get("when_at")
    if typed is None:
        return activity.starts_at
    there, then = local(activity.starts_at), local(typed)
    if turn.slots.get("when_grain") not in (None, "now"):
        return at(then.date(), there.hour, there.minute)
    if _CLOCK_ONLY.fullmatch(turn.slots["when"]):
        return at(there.date(), then.hour, then.minute)
    return typed


_CLOCK_ONLY = re.compile(r"(?:早上|上午|中午|下午|傍晚|晚上|早|晚)?[0-9零一二两三四五六七八九十:点半刻分钟整到至~-]+")


def _lasts(turn: Turn, starts_at: datetime) -> int | None:
    """The minutes that were typed; None: it lasts as long as before."""
    if "when_until" in turn.slots and "when_grain" not in turn.slots:
        span: timedelta = turn.slots["when_until"] - turn.slots["when_at"]
        return span // timedelta(minutes=1)
    if "duration" not in turn.slots:
        return None
    return min(int(turn.slots["duration"]), 2 * activities.LONGEST // timedelta(minutes=1))


def _change_preview(turn: Turn, activity: ActivityHere, values: Mapping[str, Any]) -> str:
    coming = len(activities.who_comes(turn.session, activity))
    return say(
        "change_preview",
        number=activity.number,
        title=activity.title,
        when=spoken_span(values["starts_at"], values["ends_at"]),
        place=values["place"] or sentence("activities.no_place"),
        quota=sentence("activities.unlimited") if values["quota"] is None else f"{values['quota']}人",
        points=sentence("activities.by_rule") if values["points"] is None else f"{values['points']}分",
        body=body_of(values["outdoors"], values["demand"]),
        coming=say("change_coming", count=coming) if coming and turn.reaches else "",
    )


def _where(activity: ActivityHere) -> dict[str, str]:
    return {
        "when": spoken_span(activity.starts_at, activity.ends_at),
        "place": activity.place or sentence("activities.no_place"),
    }


def _tell_change(turn: Turn, changed: activities.Changed, key: str) -> str:
    """Tells whoever is signed up, and those who moved up; says what is said of that."""
    activity, moved = changed.activity, {one.member_id for one in changed.promoted}
    for one in changed.promoted:
        tell_promoted(turn, activity, one)
    others = [member_id for member_id in changed.members if member_id not in moved]

    def missed(name: str) -> str:
        return say("changed_otherwise", name=name, number=activity.number, title=activity.title)

    for member_id in others:
        text = say("changed_notice", number=activity.number, title=activity.title, **_where(activity))
        line, burden = cared_for(turn, activity, member_id), ""
        if activity.starts_at != changed.before.starts_at:
            burden = burden_line(turn.session, turn.rules, activity, member_id, cared_for=bool(line))
        text = "\n".join(filter(None, (text, burden, line)))
        turn.tell(
            member_id, text, key=f"{key}:{member_id}", ref=activity.ref,
            otherwise=otherwise(turn, member_id, missed),
        )  # fmt: skip
    return _told(turn, len(changed.members))


def _told(turn: Turn, count: int) -> str:
    return say("told" if turn.reaches else "tell_them", count=count) if count else ""
