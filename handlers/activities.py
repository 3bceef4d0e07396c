"""活动 and 报名: what is on, who comes, who waits.

张敏: 发布活动 周六9点 包饺子 活动室 2人 4分
小邻: 【包饺子】11月21日 周六 9:00-11:00
      地点：活动室；名额：2人；积分：4分
      发布请回复 确认，不发回复 取消。
张敏: 确认
小邻: 已发布 15号活动「包饺子」11月21日 周六 9:00-11:00，活动室。
      想参加的邻居请发 报名 15。
王秀英（3栋群）: 报名 15 2人
小邻: 已给 王秀英 报名「包饺子」（共2人），名额正好满了。
      11月21日 周六 9:00，活动室。
李建国（3栋群）: 报名 15
小邻: 「包饺子」名额不够了，李建国 排在候补第1位。
      有空位我会告诉您。
王秀英（3栋群）: 取消报名 15
小邻: 已取消 王秀英 的「包饺子」报名。谢谢告诉大家！
小邻 → 李建国: 好消息：「包饺子」空出了位置，给您留到11月17日 周二 21:30。
      11月21日 周六 9:00，活动室。
      能来请回复 能来 15，来不了请回复 取消报名 15。
李建国: 能来
小邻: 好的，李建国 的「包饺子」位置定了。
      11月21日 周六 9:00，活动室。
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from handlers.chat import Answer, Ask, Button, Reply, Router, Texts, Turn
from handlers.language.outdoors import BODY
from handlers.language.recurrence import spoken_rule
from handlers.language.slots import Kind, Slot
from handlers.shared.care import body_in, body_of
from handlers.shared.people import otherwise
from models import activities as books
from models import audit
from models.activities import (
    EVERYTHING,
    ActivityCancelled,
    ActivityHere,
    ActivityOver,
    Listed,
    NoPlaces,
    NoSuchActivity,
    NotCancelled,
    PointsOutOfRange,
    SignupState,
    SpanOutOfRange,
    StartsInThePast,
    TooLong,
    Wanted,
)
from models.audit import Act
from models.check_in import CheckedOut, Terms, Way, call_back, how_many_came, send_home, set_terms, terms_of
from models.clock import at, clock_time, day_of, local, spoken, spoken_minutes, spoken_span, start_of
from models.members import Role, require
from models.points import refuse_long
from models.series import announce_ahead, coming_of, find_series, series_it_is_of, start_series, stop_series
from models.units import UnitHere, unit_by_id

say = Texts(
    "activities",
    nothing="近期没有活动。过几天再发 活动 看看。",
    nothing_such="没有合适的活动。看看都有哪些，请发 活动。",
    line="{number}号 {title} {when} {place}{seats}{mine}",
    seats_left="（还剩{left}个名额）",
    seats_full="（已满，可以候补）",
    seats_waiting="（已满，候补{waiting}）",
    mine=" ✓已报名",
    mine_waiting=" 候补中",
    mine_offered=" 等您回 能来",
    mine_asked=" 等组织的同志点头",
    more="报名请发 报名 加编号，例如 报名 {number}。",
    more_later="还有{named}{others}，看哪个请发 活动 加编号，例如 活动 {number}。",
    more_named="{number}号 {title}",
    more_others="等{count}个",
    one="{number}号「{title}」{when}\n{where}{quota}{points}\n{next}",
    where="地点：{place}；",
    quota="名额：{taken}/{quota}；",
    no_quota="已报{taken}人；",
    points="积分：{points}分",
    points_by_rule="积分按社区规则",
    next_sign_up="报名请发 报名 {number}。",
    next_sign_up_again="报名请发 报名 {number}；次次都来请发 每次都来 {number}。",
    every="（{rule}都有）",
    next_mine="您已报名{party}。来不了请发 取消报名 {number}。",
    next_waiting="您在候补第{place}位{party}，{then}",
    next_offered="位置给您留到{until}{party}。能来请回复 能来 {number}，来不了请回复 取消报名 {number}。",
    next_asked="您报了名，等组织的同志点头。不去了请发 取消报名 {number}。",
    next_opens="{opens_at} 开始报名。",
    next_closed="报名已经截止了。",
    next_locked="名单已经定了，要进要出请和社区说一声。",
    next_check_in="到了请发 签到 {number}。",
    next_none="活动已经结束了。",
    party="（共{count}人）",
    will_tell="有空位我会告诉您。",
    look_again="有没有空位，请发 活动 {number} 看。",
    by_check_in="；签到要{way}",
    preview="【{title}】{when}\n地点：{place}；名额：{quota}；积分：{points}{check_in}{more}\n{ask}",
    preview_twin="这个时间已有 {number}号「{title}」，要改它请发 改活动 {number}。\n",
    preview_ask="发布请回复 确认，不发回复 取消。",
    preview_unasked="要发布这个活动吗？要发请回复 确认，不发回复 取消。",
    preview_audience="；面向{audience}",
    preview_closes="；报名到 {closes}",
    published="已发布 {number}号活动「{title}」{when}，{place}。\n想参加的邻居请发 报名 {number}。",
    again="，以后{rule}都办",
    goes_on="以后{rule}都办（{number}号系列），每一次我提前发布。不办了请发 停办 {number}。",
    unlimited="不限",
    by_rule="按社区规则",
    no_place="地点待定",
    cancel_preview="要取消 {number}号活动「{title}」（{when}）吗？{coming}。\n确定请回复 确认。",
    coming_some="已有{count}人报名，我会逐个通知",
    coming_present="已有{count}人签到，我会逐个通知",
    coming_nobody="还没有人报名",
    called_off="已取消 {number}号活动「{title}」，{told}。",
    told="正在通知{count}位邻居",
    tell_them="请在群里告诉{count}位邻居",
    told_nobody="还没有人报名，不用通知",
    called_off_otherwise="「{title}」取消了，我发不到报了名的{name}，请转告一声。",
    called_off_notice="通知：「{title}」（{when}）取消了{why}。给您添麻烦了，下次再约。{home}",
    sent_home="\n您签过到，我已帮您签退，记服务时长 {minutes}{points}。",
    sent_home_points="，积分+{points}",
    why="，原因：{reason}",
    back_on="已恢复 {number}号活动「{title}」，{told}。",
    back_on_notice="通知：「{title}」（{when}）照常举行，刚才说的取消不算。{here}",
    back_here="\n您的签到还算数，走的时候发一声 签退。",
    undone_publish="已撤回 {number}号活动「{title}」。",
    undone_start="已撤回 {number}号系列「{title}」，以后不再自动发布。",
    reminder="提醒：{when}「{title}」，{place}。{count}到了请发 签到 {number}。",
    reminder_count="已报{count}人，",
    reminder_more="这时候还有{count}个活动，看活动请发 活动。",
    today="今天{time}",
    tomorrow="明天{time}",
)

router = Router(
    "activities",
    {
        NoSuchActivity: "没有找到 {number}号活动。看看有哪些活动，请发 活动。",
        ActivityCancelled: "「{title}」已经取消了。看看别的活动，请发 活动。",
        ActivityOver: "「{title}」已经结束了（{ends_at}）。",
        NotCancelled: "「{title}」没有取消，照常举行。",
        StartsInThePast: "{starts_at} 已经过去了，请换一个以后的时间再发。",
        SpanOutOfRange: "结束要比开始晚，最多晚{days}天，请改一下时间再发。",
        TooLong: "活动的名字和地点各用{most}个字以内，请写短一点再发。",
        NoPlaces: "名额至少要有1人。不限人数的话，不用写名额。",
        PointsOutOfRange: "一次活动给0到{most}分，请改一下分数再发。",
    },
)


LISTED = 3
"""Activities that a list shows."""
NAMED = 3
"""Activities that it names beyond those; it says how many there are."""
REMINDED = 3
"""Activities that one reminder names; it says how many more there are."""


def reminder(coming: list[tuple[ActivityHere, int]], now: datetime) -> str:
    """What a group hears of the activities that begin at one moment, each with how many people come."""
    lines = [_reminder_line(activity, people, now) for activity, people in coming[:REMINDED]]
    more = len(coming) - len(lines)
    return "\n".join([*lines, say("reminder_more", count=more)] if more else lines)


def _reminder_line(activity: ActivityHere, people: int, now: datetime) -> str:
    count = say("reminder_count", count=people) if people else ""
    return say(
        "reminder",
        when=_soon(activity.starts_at, now),
        title=activity.title,
        place=activity.place or say("no_place"),
        count=count,
        number=activity.number,
    )


def _soon(moment: datetime, now: datetime) -> str:
    days = (day_of(moment) - day_of(now)).days
    word = {0: "today", 1: "tomorrow"}.get(days)
    return say(word, time=clock_time(moment)) if word else spoken(moment)


def _when(activity: ActivityHere) -> str:
    return spoken_span(activity.starts_at, activity.ends_at)


def _party(companions: int) -> str:
    return say("party", count=1 + companions) if companions else ""


def _line(listed: Listed) -> str:
    activity = listed.activity
    seats = ""
    if activity.quota is not None:
        left = activity.quota - listed.taken
        if listed.waiting:
            # Whoever comes now waits behind them, also where a few seats are too few for the first.
            seats = say("seats_waiting", waiting=listed.waiting)
        else:
            seats = say("seats_left", left=left) if left > 0 else say("seats_full")
    mine = {
        None: "",
        SignupState.CONFIRMED: say("mine"),
        SignupState.WAITING: say("mine_waiting"),
        SignupState.OFFERED: say("mine_offered"),
        SignupState.ASKED: say("mine_asked"),
    }[listed.mine]
    return say(
        "line",
        number=activity.number,
        title=activity.title,
        when=spoken(activity.starts_at),
        place=activity.place,
        seats=seats,
        mine=mine,
    )


OPEN_ONLY = (
    "能报名", "可以报名", "还能报", "还能报名", "能报的", "没报满", "还有名额", "有名额", "还有空位", "没满",
    "还没满", "没满员", "可报名", "开放报名",
    "还可以报", "还可以报名", "正在报名", "能报",
)  # fmt: skip
CHECK_INS = (
    ("签到码", ("凭签到码签到", "凭签到码", "要签到码")),
    ("现场照片", ("拍照签到", "照片签到", "要现场照片")),
)
"""How strong a check-in can be said to be at publishing; the place comes afterwards, from the site (签到方式)."""
WAYS = {"签到码": Way.CODE, "现场照片": Way.PHOTO}
AUDIENCES = (
    ("老人", ("老年人", "老人家", "老头老太", "退休的", "上了年纪的", "老同志")),
    ("孩子", ("小孩子", "小孩", "小朋友", "儿童", "娃娃", "学生")),
    ("年轻人", ("青年", "上班族")), ("党员", ()), ("亲子", ()),
)  # fmt: skip
"""For whom something is meant."""


@router.command(
    "list_activities",
    "活动",
    "活动列表",
    "有什么活动",
    "有哪些活动",
    "近期活动",
    "最近活动",
    "有啥活动",
    "啥活动",
    "什么活动",
    "哪些活动",
    "看看活动",
    "查活动",
    "活动安排",
    "组织什么活动",
    "搞什么活动",
    "搞啥活动",
    "活动清单",
    "活动表",
    slots=(
        Slot("activity", Kind.OBJECT, of="activity"),
        Slot("when", Kind.WHEN),
        Slot("open_only", Kind.FLAG, labels=OPEN_ONLY),
        Slot("audience", Kind.CHOICE, choices=AUDIENCES),
    ),
    fillers=(
        "还",
        "有",
        "适合",
        "能参加的",
        "能参加",
        "能去的",
        "可以参加",
        "参加的",
        "参加",
        "近期",
        "最近",
        "社区",
        "咱们社区",
        "小区",
        "报名的",
        "的",
        "没有",
        "没",
        "吗",
        "么",
        "组织",
        "什么",
        "啥",
        "了吗",
        "有没有",
        "都有",
        "安排",
        "专门",
        "玩的",
        "好玩的",
        "咱小区",
        "咱社区",
    ),
    aloud=("有什么活动", "有哪些活动", "有啥活动"),
    usage="活动",
    gist="近期有什么活动",
)
def list_activities(turn: Turn) -> Answer:
    number = turn.slots.get("activity")
    if number is not None:
        return _show(turn, number)
    for wanted in (asked := _wanted(turn.slots), _for_everybody(asked)):
        listed = books.coming_activities(
            turn.session,
            community_id=turn.community.id,
            member_id=turn.who.id,
            now=turn.now,
            limit=LISTED,
            wanted=wanted,
        )
        if listed:
            return "\n".join([*map(_line, listed), _more(turn, listed, wanted)])
    return say("nothing" if asked == EVERYTHING else "nothing_such")


def _wanted(slots: Mapping[str, Any]) -> Wanted:
    since: datetime | None = slots.get("when_at")
    until: datetime | None = slots.get("when_until")
    if since is not None:
        # Somebody who asks about an hour asks about its day.
        since = start_of(day_of(since))
        days = {"week": 7, "month": 31}.get(slots.get("when_grain", ""), 1)
        until = max(until or since, start_of(day_of(since) + timedelta(days=days)))
    return Wanted(since, until, "open_only" in slots, slots.get("audience"))


def _for_everybody(wanted: Wanted) -> Wanted:
    """Where nothing is meant for them alone, what is meant for everybody is for them too."""
    return replace(wanted, audience="") if wanted.audience else wanted


def _more(turn: Turn, listed: list[Listed], wanted: Wanted) -> str:
    later = books.later_activities(
        turn.session, community_id=turn.community.id, now=turn.now, skip=len(listed), limit=NAMED, wanted=wanted
    )
    if not later.count:
        return say("more", number=listed[0].activity.number)
    named = "、".join(say("more_named", number=number, title=title) for number, title in later.named)
    others = say("more_others", count=later.count) if later.count > len(later.named) else ""
    return say("more_later", named=named, others=others, number=later.named[0][0])


def _show(turn: Turn, number: int) -> Reply:
    activity = books.find_activity(turn.session, community_id=turn.community.id, number=number)
    if activity.state is books.ActivityState.CANCELLED:
        raise ActivityCancelled(number=number, title=activity.title, reason=activity.cancel_reason)
    series = series_it_is_of(turn.session, activity=activity)
    taken, _ = books.how_full(turn.session, activity)
    quota = say("no_quota", taken=taken) if activity.quota is None else say("quota", taken=taken, quota=activity.quota)
    points = say("points_by_rule") if activity.points is None else say("points", points=activity.points)
    text = say(
        "one",
        number=number,
        title=activity.title,
        when=_when(activity) + (say("every", rule=spoken_rule(series.rule)) if series else ""),
        where=say("where", place=activity.place) if activity.place else "",
        quota=quota,
        points=points,
        next=_next_step(turn, activity, again=series is not None),
    )
    return Reply(text, activity.ref, _next_buttons(turn, activity, again=series is not None))


def _next_buttons(turn: Turn, activity: ActivityHere, *, again: bool) -> tuple[Button, ...]:
    """What the next step says, as something to press."""
    if turn.now >= activity.ends_at:
        return ()
    if turn.now >= activity.check_in_opens_at:
        return (Button("签到", f"签到 {activity.number}"),)
    own = books.own_signup(turn.session, activity=activity, member_id=turn.who.id)
    if own is not None:
        return leave_button(activity.number)
    always = (Button("每次都来", f"每次都来 {activity.number}"),) if again else ()
    return (*sign_up_button(activity.number), *always)


def sign_up_button(number: int) -> tuple[Button, ...]:
    """报名 by one tap, beside what tells of an activity."""
    return (Button("报名", f"报名 {number}"),)


def leave_button(number: int) -> tuple[Button, ...]:
    """取消报名 by one tap, beside what tells of one's own sign-up."""
    return (Button("取消报名", f"取消报名 {number}"),)


def reminder_buttons(activity: ActivityHere) -> tuple[Button, ...]:
    """What a reminder offers: it stands in the chat until people come."""
    return (Button("签到", f"签到 {activity.number}"), *leave_button(activity.number))


def _next_step(turn: Turn, activity: ActivityHere, *, again: bool) -> str:
    number = activity.number
    if turn.now >= activity.ends_at:
        return say("next_none")
    if turn.now >= activity.check_in_opens_at:
        return say("next_check_in", number=number)
    own = books.own_signup(turn.session, activity=activity, member_id=turn.who.id)
    if own is None:
        name = "next_sign_up_again" if again else "next_sign_up"
        return _whether_open(activity, turn.now) or say(name, number=number)
    if own.state is SignupState.OFFERED and own.until is not None:
        return say("next_offered", until=spoken(own.until), party=_party(own.companions), number=number)
    if own.state is SignupState.ASKED:
        return say("next_asked", number=number)
    if own.state is SignupState.WAITING:
        return say("next_waiting", place=own.place, party=_party(own.companions), then=_then(turn, number))
    return say("next_mine", number=number, party=_party(own.companions))


def _whether_open(activity: ActivityHere, now: datetime) -> str:
    """Why nobody signs up now; empty where they can."""
    if books.may_be_joined(activity, now):
        return ""
    if activity.locked_at is not None:
        return say("next_locked")
    if activity.signup_opens_at is not None and now < activity.signup_opens_at:
        return say("next_opens", opens_at=spoken(activity.signup_opens_at))
    return say("next_closed")


def _undo_publish(turn: Turn, act: Act) -> str:
    activity = books.find_activity(turn.session, community_id=turn.community.id, number=act.row)
    _call_off(turn, activity, "")
    return say("undone_publish", number=activity.number, title=activity.title)


def _undo_start(turn: Turn, act: Act) -> str:
    series = find_series(turn.session, community_id=turn.community.id, number=act.row)
    coming = coming_of(turn.session, series=series, now=turn.now)
    for activity in coming:
        _call_off(turn, activity, "")
    stop_series(turn.session, series=series, by=turn.who.id, now=turn.now)
    return say("undone_start", number=series.number, title=series.title)


@router.command(
    "create_activity",
    "发布活动",
    "发起活动",
    "新建活动",
    "组织活动",
    "发活动",
    "搞活动",
    "办活动",
    "安排活动",
    "再发布",
    "再发一个",
    "发布一个活动",
    slots=(
        Slot("closes", Kind.WHEN, labels=("报名到", "报名截止", "截止报名")),
        Slot("when", Kind.WHEN, required=True, ask="活动什么时候开始？例如 发布活动 周六9点 清洁家园 中心花园"),
        Slot(
            "title",
            Kind.TITLE,
            required=True,
            unless="copy_of",
            ask="活动叫什么名字？例如 发布活动 周六9点 清洁家园 中心花园",
        ),
        Slot("place", Kind.PLACE),
        Slot("quota", Kind.COUNT),
        Slot("points", Kind.POINTS),
        Slot("duration", Kind.DURATION),
        Slot("check_in", Kind.CHOICE, choices=CHECK_INS),
        *BODY,
        Slot("audience", Kind.LABELLED, labels=("面向", "适合", "对象是", "对象")),
        Slot(
            "copy_of",
            Kind.OBJECT,
            of="activity",
            labels=("照着", "照", "按照", "按", "复制", "参照", "参考", "仿照", "跟上次", "同", "和"),
        ),
    ),
    fillers=(
        "活动",
        "一样",
        "一样的",
        "那样",
        "再来",
        "地点",
        "时间",
        "名额",
        "主题是",
        "主题",
        "叫",
        "要",
        "一次",
        "一场",
        "的内容",
        "报名到",
        "报名截止",
        "截止报名",
    ),
    role=Role.STAFF,
    for_group=True,
    writes=True,
    overheard=False,
    aloud=("发布活动", "发起活动", "新建活动", "发活动"),
    usage="发布活动 周六9点 清洁家园 中心花园 20人 5分",
    gist="发布一次活动，先预览再确认",
    undo={"publish_activity": _undo_publish, "start_series": _undo_start},
)
def create_activity(turn: Turn) -> Answer:
    slots = turn.slots
    if "copy_of" in slots:
        return _hold_again(turn, slots["copy_of"])
    rules = turn.rules["activities"]
    plan: dict[str, Any] = {
        "title": slots["title"],
        "place": slots.get("place", ""),
        "starts_at": slots["when_at"],
        "ends_at": _ends_at(slots, rules.default_minutes),
        "quota": slots.get("quota"),
        "points": slots.get("points"),
        "now": turn.now,
        "points_max": rules.points_max,
    }
    way = WAYS.get(slots.get("check_in", ""))
    if not turn.confirmed:
        books.refuse_odd_plans(**plan)
        terms = {"check_in": slots.get("check_in", ""), "more": _more_terms(slots), "again": _again(turn)}
        terms["twin"] = _twin(turn, plan["title"], plan["starts_at"])
        return Ask(_preview(**plan, **body_in(slots), **terms, unasked="_unasked" in slots), minutes=30)
    activity = books.publish_activity(
        turn.session,
        community_id=turn.community.id,
        unit=_whose(turn),
        made_by=turn.who.id,
        check_in_opens_minutes=rules.check_in_opens_minutes,
        confirm_minutes=rules.confirm_minutes,
        audience=_audience(slots),
        **plan,
        **body_in(slots),
    )
    if "closes_at" in slots:
        books.set_terms(turn.session, activity=activity, now=turn.now, signup_closes_at=slots["closes_at"])
    if way is not None:
        set_terms(turn.session, activity=activity, terms=Terms((way,)), by=turn.who.id, now=turn.now)
    return _published(turn, activity)


@router.command(
    "repeat_activity",
    "再办一次",
    "再办一场",
    "再来一场",
    "再搞一次",
    slots=(
        Slot("activity", Kind.OBJECT, of="activity", required=True, ask="再办几号活动？例如 再办一次 12 下周六9点"),
        Slot("when", Kind.WHEN, required=True, ask="这次什么时候办？例如 再办一次 12 下周六9点"),
        Slot("place", Kind.PLACE),
        Slot("quota", Kind.COUNT),
        Slot("points", Kind.POINTS),
        Slot("duration", Kind.DURATION),
    ),
    fillers=("活动", "地点", "时间", "名额", "改成", "改到", "换到", "在"),
    role=Role.STAFF,
    writes=True,
    overheard=False,
    usage="再办一次 12 下周六9点",
    gist="照以前的活动再办一次，先预览再确认",
)
def repeat_activity(turn: Turn) -> Answer:
    return _hold_again(turn, turn.slots["activity"])


def _hold_again(turn: Turn, number: int) -> Answer:
    """Another activity with everything that one had, but for what was typed."""
    model = books.find_activity(turn.session, community_id=turn.community.id, number=number)
    unit = unit_by_id(turn.session, community_id=turn.community.id, unit_id=model.unit_id)
    require(turn.who, Role.STAFF, unit.path)
    plan = books.plan_of(turn.session, activity=model)
    plan |= {name: turn.slots[name] for name in ("title", "place", "quota", "points") if name in turn.slots}
    starts_at = _at_its_hour(turn.slots, model)
    lasts = _lasts(turn.slots, starts_at)
    if lasts is not None:
        plan["ends_at"] = lasts // timedelta(minutes=1)
    rules: dict[str, Any] = {"now": turn.now, "points_max": turn.rules["activities"].points_max}
    if not turn.confirmed:
        planned = books.placed(plan, starts_at=starts_at, **rules)
        twin = _twin(turn, planned["title"], planned["starts_at"])
        return Ask(_preview(**planned, check_in="", more="", again=_again(turn), twin=twin), minutes=30)
    activity = books.publish_plan(
        turn.session,
        community_id=turn.community.id,
        plan=plan,
        starts_at=starts_at,
        made_by=turn.who.id,
        **rules,
    )
    set_terms(
        turn.session,
        activity=activity,
        terms=terms_of(turn.session, activity=model),
        by=turn.who.id,
        now=turn.now,
    )
    return _published(turn, activity)


def _at_its_hour(slots: Mapping[str, Any], model: ActivityHere) -> datetime:
    """The moment that was typed; of a day alone, the hour at which the other one began."""
    starts_at: datetime = slots["when_at"]
    if slots.get("when_grain") in (None, "now"):
        return starts_at
    there = local(model.starts_at)
    return at(day_of(starts_at), there.hour, there.minute)


def _lasts(slots: Mapping[str, Any], starts_at: datetime) -> timedelta | None:
    if "when_until" in slots and "when_grain" not in slots:
        until: datetime = slots["when_until"]
        return until - starts_at
    return min(timedelta(minutes=slots["duration"]), books.LONGEST * 2) if "duration" in slots else None


def _published(turn: Turn, activity: ActivityHere) -> Reply:
    text = say(
        "published",
        number=activity.number,
        title=activity.title,
        when=_when(activity),
        place=activity.place or say("no_place"),
    )
    if (rule := turn.slots.get("when_recur")) is None:
        turn.wrote("publish_activity", activity.number, title=activity.title)
        return Reply(text, activity.ref, sign_up_button(activity.number))
    series = start_series(turn.session, first=activity, rule=rule, made_by=turn.who.id, now=turn.now)
    announce_ahead(
        turn.session,
        series=series,
        now=turn.now,
        weeks=turn.rules["series"].weeks_ahead,
        companions_max=turn.rules["activities"].companions_max,
    )
    turn.wrote("start_series", series.number, title=activity.title, activity=activity.number)
    text = f"{text}\n{say('goes_on', rule=spoken_rule(rule), number=series.number)}"
    return Reply(text, activity.ref, sign_up_button(activity.number))


def _again(turn: Turn) -> str:
    rule = turn.slots.get("when_recur")
    return say("again", rule=spoken_rule(rule)) if rule else ""


def _ends_at(slots: Mapping[str, Any], minutes: int) -> datetime:
    until: datetime | None = slots.get("when_until")
    # Beyond the longest it makes no difference how long, and a moment must not run out of the calendar.
    lasts = min(timedelta(minutes=slots.get("duration", minutes)), books.LONGEST * 2)
    return until or slots["when_at"] + lasts


def _twin(turn: Turn, title: str, starts_at: datetime) -> str:
    """That the very same is announced already: it is easily written twice, and then people sign up for either."""
    every = books.announced_between(
        turn.session,
        community_id=turn.community.id,
        after=starts_at - timedelta(minutes=1),
        until=starts_at,
        ahead=timedelta(0),
    )
    same = next((one.activity for one in every if one.activity.title == title), None)
    return say("preview_twin", number=same.number, title=title) if same else ""


def _preview(
    *,
    title: str,
    place: str,
    starts_at: datetime,
    ends_at: datetime,
    quota: int | None,
    points: int | None,
    check_in: str,
    more: str,
    again: str,
    twin: str = "",
    outdoors: bool | None = None,
    demand: str = "",
    unasked: bool = False,
    **_rules: object,
) -> str:
    return say(
        "preview",
        title=title,
        when=spoken_span(starts_at, ends_at) + again,
        place=place or say("no_place"),
        quota=say("unlimited") if quota is None else f"{quota}人",
        points=say("by_rule") if points is None else f"{points}分",
        check_in=say("by_check_in", way=check_in) if check_in else "",
        more=body_of(outdoors, demand) + more,
        ask=twin + say("preview_unasked" if unasked else "preview_ask"),
    )


def _audience(slots: Mapping[str, Any]) -> str:
    """For whom it is meant, in the word by which it is asked for; empty for everybody."""
    typed = slots.get("audience", "")
    return next((word for word, others in AUDIENCES if typed in (word, *others)), "")


def _more_terms(slots: Mapping[str, Any]) -> str:
    audience, closes = _audience(slots), slots.get("closes_at")
    more = say("preview_audience", audience=audience) if audience else ""
    return more + (say("preview_closes", closes=spoken(closes)) if closes else "")


def _whose(turn: Turn) -> UnitHere:
    """The unit of the group in which it is announced; in a direct conversation, all that the speaker's role reaches."""
    if turn.group is not None:
        return unit_by_id(turn.session, community_id=turn.community.id, unit_id=turn.group.unit_id)
    reach = min((held.path for held in turn.who.held if held.role.rank >= Role.STAFF.rank), key=len)
    return unit_by_id(turn.session, community_id=turn.community.id, unit_id=int(reach.rstrip("/").rsplit("/")[-1]))


def _undo_call_off(turn: Turn, act: Act) -> str:
    activity = books.find_activity(turn.session, community_id=turn.community.id, number=act.row)
    signed_up = books.restore_activity(turn.session, activity=activity, now=turn.now)
    home = act.detail.get("sent_home", ())
    here = call_back(turn.session, activity=activity, check_outs=home, by=turn.who.id, now=turn.now)
    members, times = list(dict.fromkeys([*signed_up, *here])), _times(turn, activity)
    for member_id in members:
        stays = say("back_here") if member_id in here else ""
        turn.tell(
            member_id,
            say("back_on_notice", title=activity.title, when=_when(activity), here=stays),
            key=f"back-on:{activity.id}:{times}:{member_id}",
            ref=activity.ref,
        )
    return say("back_on", number=activity.number, title=activity.title, told=_told(turn, len(members)))


@router.command(
    "cancel_activity",
    "取消活动",
    slots=(
        Slot("activity", Kind.OBJECT, of="activity", required=True, ask="要取消几号活动？"),
        Slot("reason", Kind.TEXT),
    ),
    role=Role.STAFF,
    writes=True,
    overheard=False,
    usage="取消活动 12 下雨",
    gist="取消活动并通知报名的人",
    undo={"cancel_activity": _undo_call_off},
)
def cancel_activity(turn: Turn) -> Answer:
    activity = books.find_activity(turn.session, community_id=turn.community.id, number=turn.slots["activity"])
    unit = unit_by_id(turn.session, community_id=turn.community.id, unit_id=activity.unit_id)
    require(turn.who, Role.STAFF, unit.path)
    refuse_long(turn.slots.get("reason", ""))
    if not turn.confirmed:
        if activity.state is books.ActivityState.CANCELLED:
            raise ActivityCancelled(number=activity.number, title=activity.title, reason="")
        coming = _coming(turn, activity)
        fields = {"number": activity.number, "title": activity.title, "when": _when(activity)}
        return Ask(say("cancel_preview", coming=coming, **fields))
    reason = turn.slots.get("reason", "")
    told, home = _call_off(turn, activity, reason)
    turn.wrote("cancel_activity", activity.number, reason=reason, sent_home=home)
    return Reply(
        say("called_off", number=activity.number, title=activity.title, told=_told(turn, told)), ref=activity.ref
    )


def _coming(turn: Turn, activity: ActivityHere) -> str:
    count, _ = books.how_full(turn.session, activity)
    if count:
        return say("coming_some", count=count)
    count = how_many_came(turn.session, community_id=turn.community.id, activity_id=activity.id)
    return say("coming_present", count=count) if count else say("coming_nobody")


def _then(turn: Turn, number: int) -> str:
    return say("will_tell") if turn.reaches else say("look_again", number=number)


def _told(turn: Turn, count: int) -> str:
    if not count:
        return say("told_nobody")
    # Nothing is promised that the channel cannot do.
    return say("told" if turn.reaches else "tell_them", count=count)


def _call_off(turn: Turn, activity: ActivityHere, reason: str) -> tuple[int, list[int]]:
    """Calls it off and tells everybody; returns how many are told, and the check-outs of those who were there."""
    signed_up = books.cancel_activity(turn.session, activity=activity, reason=reason, by=turn.who.id, now=turn.now)
    there = send_home(turn.session, activity=activity, by=turn.who.id, now=turn.now)
    home = {one.member_id: _home(one.left) for one in there}
    why = say("why", reason=reason) if reason else ""
    members, times = list(dict.fromkeys([*signed_up, *home])), _times(turn, activity)

    def missed(name: str) -> str:
        return say("called_off_otherwise", name=name, title=activity.title)

    for member_id in members:
        turn.tell(
            member_id,
            say(
                "called_off_notice",
                title=activity.title,
                when=_when(activity),
                why=why,
                home=home.get(member_id, ""),
            ),
            key=f"called-off:{activity.id}:{times}:{member_id}",
            ref=activity.ref,
            otherwise=otherwise(turn, member_id, missed),
        )
    return len(members), [one.left.id for one in there]


def _home(left: CheckedOut) -> str:
    points = say("sent_home_points", points=left.points) if left.points else ""
    return say("sent_home", minutes=spoken_minutes(left.minutes), points=points)


def _times(turn: Turn, activity: ActivityHere) -> int:
    # It can be called off, restored and called off again, and everybody hears of each.
    return audit.times(
        turn.session, community_id=turn.community.id, action="cancel_activity", object_ref=str(activity.number)
    )
