"""签到 and 签退: somebody came, somebody left.

11月21日 8:55
王秀英（3栋群）: 签到
小邻: 王秀英，「清洁家园」签到成功 8:55，积分+5（现有21分）。
      走的时候发一声 签退。
11月21日 10:50
王秀英（3栋群）: 签退
小邻: 王秀英，「清洁家园」签退成功，记服务时长 1小时50分，积分+1（现有22分），辛苦了！
"""

from handlers.chat import Answer, Ask, Reply, Router, Texts, Turn
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
    slots=(Slot("activity", Kind.OBJECT, of="activity"),),
    writes=True,
    usage="签到 12",
    gist="到了现场记一笔",
    undo={"check_in": _undo_in},
)
def check_in(turn: Turn) -> Answer:
    number = turn.slots.get("activity")
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
    return Reply(text, ref=coming.activity.ref)


@router.command(
    "checkout",
    "签退",
    "下班打卡",
    slots=(Slot("activity", Kind.OBJECT, of="activity"),),
    writes=True,
    usage="签退",
    gist="走的时候记一笔，算服务时长",
    chooses=True,
    undo={"check_out": _undo_out},
)
def check_out(turn: Turn) -> Answer:
    number = turn.slots.get("activity")
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
