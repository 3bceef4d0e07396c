"""小结: after an activity the groups hear how many came, for how long, and whom to thank.

11月21日 9:00
李建国（3栋群）: 签到
小邻: 李建国，「清洁家园」签到成功 9:00，积分+5（现有9分）。
      走的时候发一声 签退。
11月21日 11:05
张敏: 改小结 12 一共捡了八袋垃圾，辛苦了！
小邻: 改好了，小结会是这样：
      【小结】「清洁家园」11月21日 办好了，来了1位邻居，服务 2小时。
      一共捡了八袋垃圾，辛苦了！
      下回一起来，看看近期活动请发 活动。
张敏: 发小结 12
小邻: 已把「清洁家园」的小结发到3个群。
小邻 → 3栋群: 【小结】「清洁家园」11月21日 办好了，来了1位邻居，服务 2小时。
      一共捡了八袋垃圾，辛苦了！
      下回一起来，看看近期活动请发 活动。
小邻 → 5栋群: 【小结】「清洁家园」11月21日 办好了，来了1位邻居，服务 2小时。
      一共捡了八袋垃圾，辛苦了！
      下回一起来，看看近期活动请发 活动。
小邻 → 社区大群: 【小结】「清洁家园」11月21日 办好了，来了1位邻居，服务 2小时。
      一共捡了八袋垃圾，辛苦了！
      下回一起来，看看近期活动请发 活动。
"""

from collections.abc import Sequence
from dataclasses import replace

from handlers.chat import Answer, Button, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from models import reports as books
from models.activities import ActivityHere, find_activity
from models.audit import Act
from models.broadcast.audience import Spoken
from models.clock import short_day, spoken, spoken_minutes
from models.members import Role, require
from models.points import refuse_long
from models.reach import reach_in
from models.reports import NoReport, ReportEnded, ReportHere, ReportState, Tally
from models.series import next_of
from models.units import unit_by_id

say = Texts(
    "reports",
    report="【小结】{head}\n{thanks}\n{then}",
    report_head="「{title}」{day} 办好了，来了{count}位邻居{served}。",
    photos="，留下{count}张照片",
    served="，服务 {minutes}",
    served_vouched="，记荣誉时 {minutes}",
    served_both="，服务 {recorded}，另记荣誉时 {vouched}",
    thanks="谢谢 {names}！",
    thanks_all="谢谢每一位出力的邻居！",
    thanks_others="{names}和各位邻居",
    report_next="下一次 {when}，想来请发 报名 {number}。",
    report_no_next="下回一起来，看看近期活动请发 活动。",
    draft="小结草稿：{head}\n{goes}\n马上发请回复 发小结 {number}，不发请回复 不发小结 {number}，"
    "换个说法请发 改小结 {number} 加您的话。\n纸上签到的请先 补录 {number}。",
    send="发小结",
    drop="不发小结",
    draft_goes="您不答复的话，{when} 我自己发到群里。",
    draft_waits="等您说了我再发到群里。",
    draft_goes_by_hand="群里我发不进去，{when} 我把全文给您，请您复制过去。",
    draft_waits_by_hand="群里我发不进去，您说了我把全文给您，请您复制过去。",
    report_sent="已把「{title}」的小结发到{count}个群。",
    report_sent_by_hand="小结发到{count}个群了；{names}我发不进去，请把下面几行复制过去：\n{text}",
    report_by_hand="{names}我发不进去，请把小结复制到群里：\n{text}",
    no_group="这里的群",
    report_changed="改好了，小结会是这样：\n{text}",
    report_dropped="好的，「{title}」的小结不发了。",
    undone_words="已改回「{title}」小结原来的话。",
    undone_drop="「{title}」的小结还留着，发请说 发小结 {number}。",
)

router = Router(
    "reports",
    {
        NoReport: "「{title}」还没有结束，或没有人签到，没有小结可发。",
        ReportEnded: "「{title}」的小结已经发过，或说过不发了。",
    },
)

THANKED = 10
"""Names that a report thanks."""

ACTIVITY = Slot(
    "activity", Kind.OBJECT, of="activity", required=True, ask="哪一个活动？请写编号，例如 发小结 12", chosen=False
)


def _activity(turn: Turn) -> ActivityHere:
    """The activity that is meant, where the speaker holds a role over it."""
    activity = find_activity(turn.session, community_id=turn.community.id, number=turn.slots["activity"])
    unit = unit_by_id(turn.session, community_id=turn.community.id, unit_id=activity.unit_id)
    require(turn.who, Role.STAFF, unit.path)
    return activity


def report_text(tally: Tally, report: ReportHere, following: ActivityHere | None) -> str:
    """What the groups read: how many came, for how long, thanks, and what is next."""
    thanks = report.words or (say("thanks", names=_thanked(tally)) if tally.names else say("thanks_all"))
    then = (
        say("report_next", when=spoken(following.starts_at), number=following.number)
        if following
        else say("report_no_next")
    )
    return say("report", head=_head(tally, report.activity), thanks=thanks, then=then)


def _head(tally: Tally, activity: ActivityHere) -> str:
    served = ""
    if tally.recorded and tally.vouched:
        minutes = {"recorded": spoken_minutes(tally.recorded), "vouched": spoken_minutes(tally.vouched)}
        served = say("served_both", **minutes)
    elif tally.recorded:
        served = say("served", minutes=spoken_minutes(tally.recorded))
    elif tally.vouched:
        served = say("served_vouched", minutes=spoken_minutes(tally.vouched))
    if tally.photos:
        served += say("photos", count=tally.photos)
    day = short_day(activity.starts_at)
    return say("report_head", title=activity.title, day=day, count=tally.came, served=served)


def _thanked(tally: Tally) -> str:
    names = "、".join(tally.names[:THANKED])
    return names if len(tally.names[:THANKED]) == tally.came else say("thanks_others", names=names)


def draft_buttons(report: ReportHere) -> tuple[Button, ...]:
    """What can be pressed beneath a draft: the words that it names."""
    number = report.activity.number
    return tuple(Button(say(name), f"{say(name)} {number}") for name in ("send", "drop"))


def draft_text(tally: Tally, report: ReportHere, *, by_hand: bool) -> str:
    """What the organiser reads before the groups do; `by_hand` where they are to copy it into every group."""
    name = ("draft_goes" if report.goes_at else "draft_waits") + ("_by_hand" if by_hand else "")
    goes = say(name, when=report.goes_at and spoken(report.goes_at))
    return say(
        "draft",
        number=report.activity.number,
        head=_head(tally, report.activity),
        goes=goes,
    )


def _report(turn: Turn) -> ReportHere:
    """The report of the activity that is meant, drafted now where that has not been done. Raises NoReport."""
    activity = _activity(turn)
    found = books.find_report(turn.session, activity=activity)
    if found is None:
        found = books.draft_report(turn.session, activity=activity, goes_at=None, now=turn.now)
    assert found is not None
    return found


def _text(turn: Turn, report: ReportHere) -> str:
    tally = books.tally_of(turn.session, activity=report.activity)
    return report_text(tally, report, next_of(turn.session, activity=report.activity, now=turn.now))


@router.command(
    "send_report",
    "发小结",
    "发活动小结",
    "发送小结",
    slots=(ACTIVITY,),
    fillers=("活动", "的", "吧", "马上"),
    role=Role.STAFF,
    writes=True,
    overheard=False,
    rare=True,
    usage="发小结 12",
    gist="把活动小结发到群里：来了多少人、服务多久、谢谢大家",
)
def send_report(turn: Turn) -> Answer:
    report = _report(turn)
    text = _text(turn, report)
    groups = books.heard_by(turn.session, activity=report.activity, reach=reach_in(turn.rules))
    reached = [group for group in groups if group.pushes]
    if reached:
        books.end_report(turn.session, report=report, state=ReportState.SENT, by=turn.who.id, now=turn.now)
    else:
        books.hold_report(turn.session, report=report)
    turn.wrote("send_report", report.activity.number, groups=len(reached))
    for group in reached:
        turn.tell_group(group.id, text, key=f"report:{report.id}:{group.id}", ref=report.activity.ref)
    return copy_text(groups, text) or say("report_sent", title=report.activity.title, count=len(reached))


def copy_text(groups: Sequence[Spoken], text: str) -> str:
    """Asks for a report to be copied into the groups that the bot cannot write to; empty where it can to each."""
    by_hand = [group.name for group in groups if not group.pushes]
    if groups and not by_hand:
        return ""
    name = "report_sent_by_hand" if len(by_hand) < len(groups) else "report_by_hand"
    names = "、".join(by_hand) or say("no_group")
    return say(name, names=names, count=len(groups) - len(by_hand), text=text)


def _undo_words(turn: Turn, act: Act) -> str:
    activity = find_activity(turn.session, community_id=turn.community.id, number=act.row)
    report = books.find_report(turn.session, activity=activity)
    assert report is not None
    books.word_report(turn.session, report=report, words=act.detail["before"])
    return say("undone_words", title=activity.title)


@router.command(
    "word_report",
    "改小结",
    "修改小结",
    slots=(
        ACTIVITY,
        Slot("text", Kind.TEXT, required=True, ask="小结里想说什么？例如 改小结 12 一共捡了八袋垃圾，辛苦了！"),
    ),
    role=Role.STAFF,
    writes=True,
    overheard=False,
    rare=True,
    usage="改小结 12 一共捡了八袋垃圾，辛苦了！",
    gist="用您的话换掉小结里的谢谢",
    undo={"word_report": _undo_words},
)
def word_report(turn: Turn) -> Answer:
    words = _as_written(turn.slots["text"])
    refuse_long(words)
    report = _report(turn)
    books.word_report(turn.session, report=report, words=words)
    turn.wrote("word_report", report.activity.number, before=report.words)
    return say("report_changed", text=_text(turn, replace(report, words=words)))


def _as_written(text: str) -> str:
    """The marks of Chinese, which a command does without, as they belong into a text that others read."""
    return text.translate(_MARKS)


_MARKS = str.maketrans(",!?;:\n", "，！？；：，")


def _undo_drop(turn: Turn, act: Act) -> str:
    activity = find_activity(turn.session, community_id=turn.community.id, number=act.row)
    report = books.find_report(turn.session, activity=activity)
    assert report is not None
    books.keep_report(turn.session, report=report)
    return say("undone_drop", title=activity.title, number=activity.number)


@router.command(
    "drop_report",
    "不发小结",
    "小结不发了",
    slots=(ACTIVITY,),
    fillers=("活动", "的", "了"),
    role=Role.STAFF,
    writes=True,
    overheard=False,
    rare=True,
    usage="不发小结 12",
    gist="这次活动的小结不发了",
    undo={"drop_report": _undo_drop},
)
def drop_report(turn: Turn) -> Answer:
    report = _report(turn)
    books.end_report(turn.session, report=report, state=ReportState.DROPPED, by=turn.who.id, now=turn.now)
    turn.wrote("drop_report", report.activity.number)
    return say("report_dropped", title=report.activity.title)
