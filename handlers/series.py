"""系列, 跳过, 停办, 每次都来: what is held every week or month.

张敏: 发布活动 每周三19点 读书会 活动室 4分
小邻: 【读书会】11月18日 周三 19:00-21:00，以后每周三都办
      地点：活动室；名额：不限；积分：4分
      发布请回复 确认，不发回复 取消。
张敏: 确认
小邻: 已发布 15号活动「读书会」11月18日 周三 19:00-21:00，活动室。
      想参加的邻居请发 报名 15。
      以后每周三都办（2号系列），每一次我提前发布。不办了请发 停办 2。
王秀英（3栋群）: 每次都来 15
小邻: 好的，以后每周三「读书会」都给 王秀英 报上名，已报 15号、16号。
      哪次来不了就发 取消报名，不想每次都来了请发 不用每次都来 15。
张敏: 跳过 2 11月25日 场地检修
小邻: 「读书会」11月25日 周三 这次不办，正在通知1位邻居。
      其他日子照常。
小邻 → 王秀英: 通知：「读书会」（11月25日 周三 19:00-21:00）取消了，原因：场地检修。给您添麻烦了，下次再约。
"""

from collections.abc import Sequence
from datetime import date

from handlers.chat import Answer, Ask, Router, Texts, Turn, sentence
from handlers.language.recurrence import spoken_rule
from handlers.language.slots import Kind, Slot
from models import audit
from models import series as books
from models.activities import ActivityHere, CheckInBegun, find_activity
from models.audit import Act
from models.clock import day_of, short_day, spoken, spoken_day, spoken_span
from models.members import Role, require
from models.members.merging import one_person
from models.points import refuse_long
from models.series import (
    AlreadySkipped,
    CalledOff,
    ComesAlready,
    ComesNot,
    NoSeriesOfIt,
    NoSuchSeries,
    NotADay,
    SeriesHere,
)
from models.units import unit_by_id

say = Texts(
    "series",
    nothing="现在没有定期办的活动。要办请发 发布活动 每周六9点 清洁家园 中心花园。",
    line="{number}号系列 {title} {rule}{next}",
    next="，下次{when}",
    more="还有{count}个系列。",
    skipped="「{title}」{day} 这次不办{told}。\n其他日子照常。",
    told="，正在通知{count}位邻居",
    tell_them="，请在群里告诉{count}位邻居",
    festivals="「{title}」以后遇到法定节日就不办，已经发布的照常。",
    festivals_held="「{title}」以后遇到法定节日也照常办。",
    undone_skip="已恢复「{title}」{day} 这一次。",
    undone_festivals="已改回「{title}」节日的安排。",
    stop_preview="要停办 {number}号系列「{title}」（{rule}）吗？以后不再发布{coming}。\n"
    "确定请回复 确认，不停回复 取消。",
    coming="，已发布的{count}次也取消，报名的{people}位我会逐个通知",
    coming_alone="，已发布的{count}次也取消",
    stopped="已停办 {number}号系列「{title}」{told}。\n再办请发 发布活动，或 再办一次 加编号。",
    stopped_notice="通知：「{title}」以后不办了，您报名的{days}也取消。给您添麻烦了，谢谢您一直来！",
    undone_stop="已恢复 {number}号系列「{title}」，照常办。",
    resumed_notice="通知：「{title}」还接着办，您报名的{days}照常，刚才说的取消不算。",
    always="好的，以后{rule}「{title}」都给 {name} 报上名{signed}。\n"
    "哪次来不了就发 取消报名，不想每次都来了请发 不用每次都来 {number}。",
    always_signed="，已报 {numbers}",
    numbered="{number}号",
    not_always="好的，以后「{title}」不再自动给 {name} 报名。\n已经报上的还算数，来不了请发 取消报名。",
    undone_always="已撤销：以后不再自动报「{title}」，已经报上的还算数。",
    undone_not_always="已撤销：以后还是每次都给您报「{title}」。",
)

router = Router(
    "series",
    {
        NoSuchSeries: "没有找到 {number}号系列，可能已经停办。看看有哪些，请发 系列。",
        NoSeriesOfIt: "{number}号「{title}」只办一次，不是每次都有的。参加请发 报名 {number}。",
        NotADay: "「{title}」{day} 没有安排，不用跳过。看看有哪些，请发 系列。",
        AlreadySkipped: "「{title}」{day} 已经说过不办了。",
        CheckInBegun: "「{title}」已经开始签到了，这次不办请发 取消活动 {number}。",
        ComesAlready: "您已经是「{title}」每次都来的了，不用再说。",
        ComesNot: "您没有说过「{title}」每次都来，不用取消。",
    },
)

SHOWN = 3
"""Series in one answer; a fourth line says how many more there are."""


# -- what there is ----------------------------------------


@router.command(
    "list_series",
    "系列",
    "系列活动",
    "定期活动",
    "有哪些系列",
    overheard=False,
    rare=True,
    usage="系列",
    gist="每周、每月定期办的活动",
)
def list_series(turn: Turn) -> Answer:
    running = books.running_series(turn.session, community_id=turn.community.id)
    if not running:
        return say("nothing")
    lines = [_line(turn, series) for series in running[:SHOWN]]
    if len(running) > SHOWN:
        lines.append(say("more", count=len(running) - SHOWN))
    return "\n".join(lines)


def _line(turn: Turn, series: SeriesHere) -> str:
    day = books.next_day(turn.session, series=series, now=turn.now)
    following = say("next", when=spoken(series.start(day))) if day else ""
    return say("line", number=series.number, title=series.title, rule=spoken_rule(series.rule), next=following)


def _series(turn: Turn, number: int) -> SeriesHere:
    """The series of this number, where the speaker may change it."""
    series = books.find_series(turn.session, community_id=turn.community.id, number=number)
    unit = unit_by_id(turn.session, community_id=turn.community.id, unit_id=series.unit_id)
    require(turn.who, Role.STAFF, unit.path)
    return series


# -- one day left out ----------------------------------------


def _undo_skip(turn: Turn, act: Act) -> str:
    back = books.take_back_skip(turn.session, community_id=turn.community.id, occurrence_id=act.row, now=turn.now)
    for member_id in back.members:
        assert back.activity is not None
        text = sentence("activities.back_on_notice", title=back.activity.title, when=_when(back.activity), here="")
        key = f"held-after-all:{act.id}:{member_id}"
        turn.tell(member_id, text, key=key, ref=back.activity.ref)
    return say("undone_skip", title=act.detail["title"], day=act.detail["day"])


def _undo_festivals(turn: Turn, act: Act) -> str:
    series = _series(turn, act.row)
    books.skip_festivals(turn.session, series=series, skips=act.detail["before"])
    return say("undone_festivals", title=series.title)


@router.command(
    "skip_day",
    "跳过",
    "跳过一次",
    "停一次",
    "停办一次",
    slots=(
        Slot("series", Kind.OBJECT, of="series", required=True, ask="跳过几号系列？例如 跳过 1 12月26日"),
        Slot("when", Kind.WHEN),
        Slot("festivals", Kind.CHOICE, choices=(("节日不办", ("节假日", "法定节日", "节日", "放假", "过节")),
                                                ("节日照常", ("节假日照常", "节日也办")))),
        Slot("reason", Kind.TEXT),
    ),
    fillers=("系列", "活动", "那次", "那天", "这次", "这一次", "不办", "因为"),
    role=Role.STAFF,
    writes=True,
    overheard=False,
    rare=True,
    usage="跳过 1 12月26日 放假",
    gist="定期活动有一次不办，不写日子就是下一次；写 节假日 就遇节日不办",
    undo={"skip_day": _undo_skip, "skip_festivals": _undo_festivals},
)  # fmt: skip
def skip_day(turn: Turn) -> Answer:
    series = _series(turn, turn.slots["series"])
    if "festivals" in turn.slots and "when" not in turn.slots:
        skips = turn.slots["festivals"] == "节日不办"
        books.skip_festivals(turn.session, series=series, skips=skips)
        turn.wrote("skip_festivals", series.number, before=series.skips_festivals)
        return say("festivals" if skips else "festivals_held", title=series.title)
    reason = turn.slots.get("reason", "")
    refuse_long(reason)
    day = _day(turn, series)
    skipped = books.skip_day(turn.session, series=series, day=day, reason=reason, by=turn.who.id, now=turn.now)
    spoken_there = spoken_day(series.start(day))
    turn.wrote("skip_day", skipped.occurrence_id, title=series.title, day=spoken_there, reason=reason)
    for member_id in skipped.members:
        assert skipped.activity is not None
        text = sentence(
            "activities.called_off_notice",
            title=series.title,
            when=_when(skipped.activity),
            why=sentence("activities.why", reason=reason) if reason else "",
            home="",
        )
        key = f"skipped:{skipped.occurrence_id}:{_times(turn, 'skip_day', skipped.occurrence_id)}:{member_id}"
        turn.tell(member_id, text, key=key, ref=skipped.activity.ref)
    return say("skipped", title=series.title, day=spoken_there, told=_told(turn, len(skipped.members)))


def _day(turn: Turn, series: SeriesHere) -> date:
    if "when_at" in turn.slots:
        return day_of(turn.slots["when_at"])
    day = books.next_day(turn.session, series=series, now=turn.now)
    if day is None:
        raise NotADay(title=series.title, day=turn.now)
    return day


def _when(activity: ActivityHere) -> str:
    return spoken_span(activity.starts_at, activity.ends_at)


def _told(turn: Turn, count: int) -> str:
    return say("told" if turn.reaches else "tell_them", count=count) if count else ""


def _times(turn: Turn, action: str, ref: int) -> int:
    # It can be taken back and done again, and everybody hears of each.
    return audit.times(turn.session, community_id=turn.community.id, action=action, object_ref=str(ref))


# -- the end of it ----------------------------------------


def _undo_stop(turn: Turn, act: Act) -> str:
    back = books.resume_series(
        turn.session,
        community_id=turn.community.id,
        number=act.row,
        called_off=act.detail["called_off"],
        now=turn.now,
    )
    _tell_each(turn, back, "resumed_notice", act.detail["title"], f"resumed:{act.id}")
    return say("undone_stop", number=act.row, title=act.detail["title"])


@router.command(
    "stop_series",
    "停办",
    "停办系列",
    "系列停办",
    slots=(Slot("series", Kind.OBJECT, of="series", required=True, ask="停办几号系列？看看有哪些，请发 系列。"),),
    fillers=("系列", "活动", "以后", "不办了", "了"),
    role=Role.STAFF,
    writes=True,
    overheard=False,
    rare=True,
    usage="停办 1",
    gist="定期活动以后不办了，先预览再确认",
    undo={"stop_series": _undo_stop},
)
def stop_series(turn: Turn) -> Answer:
    series = _series(turn, turn.slots["series"])
    fields = {"number": series.number, "title": series.title}
    if not turn.confirmed:
        coming = books.coming_of(turn.session, series=series, now=turn.now)
        people = books.how_many_signed_up(turn.session, activities=coming)
        note = say("coming" if people else "coming_alone", count=len(coming), people=people) if coming else ""
        return Ask(say("stop_preview", rule=spoken_rule(series.rule), coming=note, **fields))
    called_off = books.stop_series(turn.session, series=series, by=turn.who.id, now=turn.now)
    numbers = [one.activity.number for one in called_off]
    told = _tell_each(
        turn,
        called_off,
        "stopped_notice",
        series.title,
        f"stopped:{series.id}:{_times(turn, 'stop_series', series.number)}",
    )
    turn.wrote("stop_series", series.number, title=series.title, called_off=numbers)
    return say("stopped", told=_told(turn, told), **fields)


def _tell_each(turn: Turn, changed: Sequence[CalledOff], text: str, title: str, key: str) -> int:
    """Tells everybody who is signed up in one message, for however many days; returns how many are told."""
    days: dict[int, list[str]] = {}
    for one in changed:
        for member_id in one.members:
            days.setdefault(member_id, []).append(short_day(one.activity.starts_at))
    for member_id, theirs in days.items():
        turn.tell(member_id, say(text, title=title, days="、".join(theirs)), key=f"{key}:{member_id}")
    return len(days)


# -- who always comes ----------------------------------------

ACTIVITY = Slot("activity", Kind.OBJECT, of="activity", required=True, ask="哪一个活动？请写编号，例如 每次都来 12")


def _undo_always(turn: Turn, act: Act) -> str:
    series = books.find_series(turn.session, community_id=turn.community.id, number=act.detail["series"])
    _stop_coming(turn, series)
    return say("undone_always", title=series.title)


@router.command(
    "come_always",
    "每次都来",
    "每次都参加",
    "每次都报名",
    "以后每次都来",
    slots=(ACTIVITY,),
    fillers=("活动", "我", "都", "给我", "报上"),
    writes=True,
    bare=False,
    rare=True,
    usage="每次都来 12",
    gist="定期活动每一次都给您报上名",
    undo={"come_always": _undo_always},
)
def come_always(turn: Turn) -> Answer:
    number = turn.slots["activity"]
    series = _of(turn, number)
    row, signed = books.come_always(
        turn.session,
        series=series,
        member_id=turn.who.id,
        now=turn.now,
        companions_max=turn.rules["activities"].companions_max,
    )
    turn.wrote("come_always", row, series=series.number, activities=[one.number for one in signed])
    numbers = "、".join(say("numbered", number=one.number) for one in signed)
    return say(
        "always",
        rule=spoken_rule(series.rule),
        title=series.title,
        name=turn.shown,
        signed=say("always_signed", numbers=numbers) if signed else "",
        number=number,
    )


def _undo_not_always(turn: Turn, act: Act) -> str:
    series = books.find_series(turn.session, community_id=turn.community.id, number=act.detail["series"])
    books.come_always(
        turn.session,
        series=series,
        member_id=turn.who.id,
        now=turn.now,
        companions_max=turn.rules["activities"].companions_max,
    )
    return say("undone_not_always", title=series.title)


@router.command(
    "stop_coming",
    "不用每次都来",
    "不每次都来",
    "不用每次都报名",
    "不再每次都来",
    slots=(ACTIVITY,),
    fillers=("活动", "我", "了"),
    writes=True,
    bare=False,
    rare=True,
    usage="不用每次都来 12",
    gist="以后不再自动给您报名",
    undo={"stop_coming": _undo_not_always},
)
def stop_coming(turn: Turn) -> Answer:
    series = _of(turn, turn.slots["activity"])
    row = _stop_coming(turn, series)
    turn.wrote("stop_coming", row, series=series.number)
    return say("not_always", title=series.title, name=turn.shown)


def _of(turn: Turn, number: int) -> SeriesHere:
    activity = find_activity(turn.session, community_id=turn.community.id, number=number)
    return books.series_of(turn.session, activity=activity)


def _stop_coming(turn: Turn, series: SeriesHere) -> int:
    ids = one_person(turn.session, community_id=turn.community.id, member_id=turn.who.id)
    return books.stop_coming(turn.session, series=series, member_ids=ids, now=turn.now)
