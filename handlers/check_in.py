"""签到 and 签退: somebody came, somebody left.

11月21日 8:55
王秀英（3栋群）: 签到
小邻: 王秀英，「清洁家园」签到成功 8:55，积分+5（现有21分）。
      走的时候发一声 签退。
11月21日 10:50
王秀英（3栋群）: 签退
小邻: 王秀英，「清洁家园」签退成功，记服务时长 1小时50分，积分+1（现有22分），辛苦了！
"""

from handlers.chat import Answer, Ask, Button, Reply, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from models import check_in as books
from models.activities import ActivityHere, NoSuchActivity
from models.audit import Act
from models.check_in import (
    AlreadyCheckedIn,
    AlreadyCheckedOut,
    CheckInNotOpen,
    NoSuchCheckIn,
    NotCheckedIn,
    NothingToStayFor,
)
from models.clock import clock_time, spoken_minutes

say = Texts(
    "check_in",
    done="{name}，「{title}」签到成功 {time}，积分+{points}（现有{balance}分）。\n走的时候发一声 签退。",
    done_without_points="{name}，「{title}」签到成功 {time}。\n走的时候发一声 签退。",
    nothing_open="现在没有可以签到的活动。看看有哪些活动，请发 活动。",
    out="{name}，「{title}」签退成功，记服务时长 {minutes}，辛苦了！",
    out_with_points="{name}，「{title}」签退成功，记服务时长 {minutes}，积分+{points}（现有{balance}分），辛苦了！",
    not_in="您现在没有签到中的活动，不用签退。",
    which_out="您在好几个活动签到了，要签退哪一个？请回复序号：\n{choices}",
    choice="{index} {number}号 {title}",
    closed="「{title}」已经结束，您没有签退，我按{time}帮您签退了，记服务时长 {minutes}{points}。"
    "\n下次走的时候发一声 签退，时间就记得准。",
    closed_points="，积分+{points}",
    post_not_yet="岗位签到还不能在这里办，请先和楼长说一声。",
    proxy_not_yet="替别人签还不能在这里办，请本人发 {verb}。",
    correction_not_yet="补签还不能在这里办，请找组织者或社区。",
    undone_in="已撤销「{title}」的签到，积分一并退回。",
    undone_out="已撤销「{title}」的签退，您还在签到中。",
)

router = Router(
    "check_in",
    {
        CheckInNotOpen: "「{title}」还没到签到时间，{opens_at} 开始签到。",
        AlreadyCheckedIn: "您在「{title}」已经签过到了（{at}），不用再签。",
        NotCheckedIn: "您还没有在「{title}」签到，先发 签到 {number}。",
        AlreadyCheckedOut: "您在「{title}」已经签退过了，记了{minutes}分钟。",
        NoSuchCheckIn: "这一条已经撤销过了。",
        NothingToStayFor: "「{title}」已经结束了（{ends_at}），签退就按记下的算，不能再撤销。",
    },
)


def _undo_in(turn: Turn, act: Act) -> str:
    title = books.undo_check_in(
        turn.session, community_id=turn.community.id, check_in_id=act.row, by=turn.who.id, now=turn.now
    )
    return say("undone_in", title=title)


def _undo_out(turn: Turn, act: Act) -> str:
    title = books.undo_check_out(
        turn.session, community_id=turn.community.id, check_out_id=act.row, by=turn.who.id, now=turn.now
    )
    return say("undone_out", title=title)


@router.command(
    "checkin",
    "签到",
    "打卡",
    "签一下",
    "签个到",
    "报到",
    "补签",
    "补签到",
    "补打卡",
    slots=(
        Slot("activity", Kind.OBJECT, of="activity"),
        Slot("post", Kind.OBJECT, of="post"),
        Slot("place", Kind.PLACE),
        Slot("on_behalf", Kind.PERSON),
        Slot("time", Kind.WHEN, of="clock"),
        Slot("correction", Kind.FLAG, labels=("忘了签", "忘记签", "忘签了", "漏签了", "补一下", "补上", "更正")),
    ),
    implies={word: {"correction": True} for word in ("补签", "补签到", "补打卡")},
    gestures=("签", "签上"),
    fillers=(
        "忘记签到了",
        "忘了签到",
        "忘记签到",
        "忘签到了",
        "忘了签到了",
        "忘记打卡了",
        "忘打卡了",
        "忘了打卡",
        "活动",
        "到岗",
        "的",
        "就到了",
        "到的",
        "到了",
        "就到",
        "已经到了",
        "签到",
        "那个岗",
        "这个岗",
        "现场",
        "来了",
    ),
    writes=True,
    usage="签到 12",
    gist="到了现场记一笔",
    undo={"check_in": _undo_in},
)
def check_in(turn: Turn) -> Answer:
    number = turn.slots.get("activity")
    if refusal := _not_yet(turn):
        return refusal
    if number is None:
        return say("nothing_open")
    coming = _coming(turn, number)
    done = books.check_in(turn.session, coming=coming, member_id=turn.who.id, made_by=turn.who.id, now=turn.now)
    turn.wrote("check_in", done.id, activity=number, points=done.points)
    text = say(
        "done" if done.points else "done_without_points",
        name=turn.shown,
        title=coming.activity.title,
        time=clock_time(turn.now),
        points=done.points,
        balance=done.balance,
    )
    return Reply(text, coming.activity.ref, (Button("签退", f"签退 {number}"),))


@router.command(
    "checkout",
    "签退",
    "下班打卡",
    "签个退",
    "退签",
    "收工",
    "签离",
    slots=(
        Slot("activity", Kind.OBJECT, of="activity"),
        Slot("post", Kind.OBJECT, of="post"),
        Slot("on_behalf", Kind.PERSON),
        Slot("hours", Kind.HOURS),
        Slot("time", Kind.WHEN, of="clock"),
    ),
    fillers=(
        "活动",
        "撤了",
        "走了",
        "我撤了",
        "我走了",
        "先走了",
        "我先走了",
        "回家了",
        "完事了",
        "干完了",
        "搞完了",
        "结束了",
        "忙完了",
        "我回去了",
        "做完了",
        "完事",
        "收工了",
    ),
    writes=True,
    usage="签退",
    gist="走的时候记一笔，算服务时长",
    chooses=True,
    undo={"check_out": _undo_out},
)
def check_out(turn: Turn) -> Answer:
    number = turn.slots.get("activity")
    if refusal := _not_yet(turn):
        return refusal
    if number is None:
        here = books.where_checked_in(turn.session, community_id=turn.community.id, member_id=turn.who.id)
        if not here:
            return say("not_in")
        if len(here) > 1:
            return _which_out(turn, here[:3])
        number = here[0]
    coming = _coming(turn, number)
    done = books.check_out(turn.session, coming=coming, member_id=turn.who.id, made_by=turn.who.id, now=turn.now)
    turn.wrote("check_out", done.id, activity=number, minutes=done.minutes, points=done.points)
    text = say(
        "out_with_points" if done.points else "out",
        name=turn.shown,
        title=coming.activity.title,
        minutes=spoken_minutes(done.minutes),
        points=done.points,
        balance=done.balance,
    )
    return Reply(text, ref=coming.activity.ref)


def _not_yet(turn: Turn) -> str:
    """What is understood and cannot be written down yet: it must not become a check-in of the speaker for now."""
    if "post" in turn.slots:
        return say("post_not_yet")
    if "on_behalf" in turn.slots:
        return say("proxy_not_yet", verb=turn.command.verbs[0])
    if "correction" in turn.slots or "time" in turn.slots:
        return say("correction_not_yet")
    return ""


def _which_out(turn: Turn, here: list[int]) -> Ask:
    lines = [
        say("choice", index=index, number=number, title=_coming(turn, number).activity.title)
        for index, number in enumerate(here, 1)
    ]
    return Ask(say("which_out", choices="\n".join(lines)), slot="activity", options=tuple(here))


def _coming(turn: Turn, number: int) -> books.Coming:
    found = books.find_coming(turn.session, community_id=turn.community.id, number=number, now=turn.now)
    if found is None:
        raise NoSuchActivity(number=number)
    return found


def closed_line(activity: ActivityHere, done: books.CheckedOut) -> str:
    """What somebody hears who forgot to check out."""
    return say(
        "closed",
        title=activity.title,
        time=clock_time(activity.ends_at),
        minutes=spoken_minutes(done.minutes),
        points=say("closed_points", points=done.points) if done.points else "",
    )
