"""履职: holders say what they did for their post; where the post asks for it, those in charge confirm it.

何叔（3栋群）: 履职 3 巡了两圈 一个半小时
小邻: 已记下 何叔 的履职：3号 治安巡逻岗，巡了两圈 一个半小时。
      记服务时长 1小时30分，积分+2（现有6分），辛苦了！
何叔（3栋群）: 履职 3 巡了两圈 一个半小时
小邻: 「治安巡逻岗」当天已经记过「巡了两圈 一个半小时」，不用再记。
何叔: 我的履职
小邻: 何叔，您本月履职1次，服务1小时30分；今年1次。
      11月17日 3号 治安巡逻岗 巡了两圈 一个半小时（1小时30分）
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from handlers.chat import PHOTO, Answer, Ask, Button, Reply, Router, Texts, Turn
from handlers.language import dates
from handlers.language.numerals import read_duration
from handlers.language.slots import Kind, Slot
from handlers.shared.people import decides_otherwise
from handlers.shared.posts import own_post
from models import duties as books
from models import photos
from models.audit import Act
from models.clock import (
    clock_time,
    day_of,
    short_day,
    spoken_minutes,
)
from models.duties import (
    DayAhead,
    DayLongPast,
    Entry,
    EntryState,
    Line,
    Logged,
    LoggedAlready,
    LoggedTooOften,
    NoSuchEntry,
    NoteTooLong,
    NotHolding,
    NotHoldingThen,
    NotThere,
    OwnEntry,
    Tally,
    ThereAlready,
    TooManyMinutes,
)
from models.members import masked
from models.members.merging import one_person
from models.points import months_of
from models.posts import PostHere, in_charge, open_posts, who_decides

say = Texts(
    "duties",
    none="您现在没有认领岗位。看看有哪些岗位，请发 岗位。",
    which="您有好几个岗位，是哪一个？请回复序号：\n{choices}",
    came_done="{name}，「{title}」签到成功 {time}{points}。{waits}\n走的时候发 签退 {number}，时间就记得准。",
    came_points="，积分+{points}（现有{balance}分）",
    left="{name}，「{title}」签退成功，记服务时长 {minutes}，辛苦了！",
    left_told="已记下 {name} 在「{title}」的服务时长 {minutes}，辛苦了！{waits}",
    say_it="岗位上的事要本人说，忘了签到的请发 履职 加做了什么，例如 履职 昨天巡了两圈 一小时。",
    what="请写上做了什么，例如 履职 {number} 巡了两圈；要不就接着发一张照片。",
    done="已记下 {name} {day}的履职：{number}号 {title}{note}{photos}。{earned}",
    added="已补上 {name} {day}的履职：{number}号 {title}{note}{photos}。{earned}",
    photos="，照片{count}张",
    note="，{note}",
    earned="\n{minutes}{points}辛苦了！",
    minutes="记服务时长 {minutes}，",
    points="积分+{points}（现有{balance}分），",
    waits="\n请{who}确认后算数（{number}号）{then}。",
    waits_told="，有结果我会告诉您",
    somebody="社区",
    which_post="看哪个岗位的？请写上编号，例如 履职记录 3。",
    confirm_notice="{name} 在 {number}号 {title} 记了履职：{day} {note}。"
    "\n属实请回复 通过 {review}，不属实请回复 驳回 {review} 理由。",
    unsaid="（发了照片）",
    came="到岗签到",
    undone="已撤销「{title}」{day}的履职{points}。",
    undone_points="，积分和时长一并退回",
    undone_words="已撤销补上的内容，「{title}」{day}的履职还在。",
    undone_left="已撤销「{title}」的签退，您还在签到中。",
    post_none="{number}号「{title}」还没有履职记录。",
    post_head="{number}号「{title}」本月履职{entries}次{served}，最近的：",
    served="，服务{minutes}",
    line="{day} {who} {note}{minutes}{state}",
    line_minutes="（{minutes}）",
    line_waiting="（待确认）",
    line_rejected="（没通过）",
    mine_none="您还没有履职记录。做了事请发 履职 加做了什么，例如 履职 巡了两圈。",
    mine="{name}，您本月履职{entries}次{served}；今年{year}次。",
    mine_post="{number}号 {title}",
    no_charge="您没有负责的岗位。看自己的请发 我的履职。",
    summary="{period}履职：{posts}个岗位共{entries}次{served}。",
    summary_post="{number}号 {title} {entries}次",
    summary_none="没有记录的：{posts}。",
    summary_number="{number}号 {title}",
    summary_more="等{count}个",
    no_week="履职按月算，可以看 本月、上月、本季、今年、全部。",
)

router = Router(
    "duties",
    {
        NotHolding: "{number}号「{title}」不是您的岗位，记不了。认领请发 认领 {number}。",
        DayAhead: "那一天还没到，做完了再记。",
        DayLongPast: "只能补记{days}天以内的履职，更早的请和楼长或社区说一声。",
        NotHoldingThen: "那一天「{title}」还不是您的岗位，您是{since}上岗的。",
        LoggedAlready: "「{title}」当天已经记过「{note}」，不用再记。",
        LoggedTooOften: "「{title}」这一天已经记了{most}次，一天最多{most}次。",
        NoteTooLong: "做了什么请用{most}个字以内，写短一点再发。",
        TooManyMinutes: "一次履职最多记{hours}小时，请核对一下时间再发。",
        ThereAlready: "您在「{title}」已经签过到了（{at}），走的时候发 签退 {number}。",
        NotThere: "您今天还没有在「{title}」签到。做了多久可以直接写，例如 签退 {number} 一小时。",
        NoSuchEntry: "没有等您看的{number}号履职，可能已经处理过了。",
        OwnEntry: "{number}号是您自己的履职，要请别的同志来确认。",
    },
)

POST = Slot("post", Kind.OBJECT, of="post", chosen=False)


def _which(choices: str) -> str:
    return say("which", choices=choices)


PHOTO_MINUTES = 10
SHOWN = 3
"""Entries in one answer, beneath their head."""
NAMED = 4
"""Posts that a summary names one by one."""


def _undo_log(turn: Turn, act: Act) -> str:
    post, entry = books.undo_log(
        turn.session, community_id=turn.community.id, log_id=act.row, by=turn.who.id, now=turn.now
    )
    photos.drop(turn.session, community_id=turn.community.id, photo_ids=act.detail.get("photos", []))
    back = say("undone_points") if entry.state is EntryState.COUNTED else ""
    return say("undone", title=post.title, day=short_day(entry.done_at), points=back)


def _undo_words(turn: Turn, act: Act) -> str:
    post, entry = books.undo_words(
        turn.session,
        community_id=turn.community.id,
        log_id=act.row,
        note=act.detail["note"],
        minutes=act.detail["minutes"],
        by=turn.who.id,
        now=turn.now,
    )
    photos.drop(turn.session, community_id=turn.community.id, photo_ids=act.detail.get("photos", []))
    return say("undone_words", title=post.title, day=short_day(entry.done_at))


def _undo_leave(turn: Turn, act: Act) -> str:
    post, _ = books.undo_leave(
        turn.session,
        community_id=turn.community.id,
        log_id=act.row,
        minutes=act.detail["minutes"],
        by=turn.who.id,
        now=turn.now,
    )
    return say("undone_left", title=post.title)


@router.command(
    "log_duty",
    "履职",
    "履职登记",
    "登记履职",
    "记履职",
    "履职打卡",
    "岗位日志",
    "补记履职",
    slots=(POST, Slot("day", Kind.WHEN), Slot("note", Kind.TEXT)),
    fillers=("岗位", "岗", "了", "一次", "今天的"),
    cues=("巡了", "巡完", "巡逻了", "巡逻完", "巡查了", "巡查完", "值守完", "护绿完"),
    writes=True,
    usage="履职 3 巡了两圈",
    gist="记一次岗位上做的事，可以写多久、昨天的也行",
    undo={"log_duty": _undo_log, "add_duty_words": _undo_words, "leave_duty": _undo_leave},
)
def log_duty(turn: Turn) -> Answer:
    post = own_post(turn, _which)
    if not isinstance(post, PostHere):
        return post or say("none")
    day, note = _when_and_what(turn)
    if not (note or turn.incoming.photos):
        turn.slots["post"] = post.number
        return Ask(say("what", number=post.number), slot=PHOTO, minutes=PHOTO_MINUTES)
    logged = books.log_duty(
        turn.session,
        post=post,
        member_id=turn.who.id,
        done=day,
        note=note,
        minutes=_minutes_said(turn, note),
        now=turn.now,
        settings=turn.rules["duties"],
    )
    return Reply(_logged(turn, post, logged), ref=post.ref)


def _logged(turn: Turn, post: PostHere, logged: Logged) -> str:
    entry, (note, minutes) = logged.entry, logged.before
    kept = photos.keep(
        turn.session,
        community_id=turn.community.id,
        member_id=turn.who.id,
        photos=turn.incoming.photos,
        ref=f"duty:{entry.id}",
        now=turn.now,
    )
    if logged.added:
        turn.wrote("add_duty_words", entry.id, note=note, minutes=minutes, photos=kept)
    else:
        turn.wrote("log_duty", entry.id, post=post.number, points=logged.points, photos=kept)
    return say(
        "added" if logged.added else "done",
        name=turn.shown,
        day="" if day_of(entry.done_at) == day_of(turn.now) else short_day(entry.done_at),
        number=post.number,
        title=post.title,
        note=say("note", note=entry.note) if entry.note else "",
        photos=say("photos", count=len(kept)) if kept else "",
        earned=_waits(turn, post, entry) if entry.state is EntryState.WAITING else _earned(logged),
    )


def _earned(logged: Logged) -> str:
    minutes = logged.entry.minutes if not logged.added or not logged.before[1] else 0
    return say(
        "earned",
        minutes=say("minutes", minutes=spoken_minutes(minutes)) if minutes else "",
        points=say("points", points=logged.points, balance=logged.balance) if logged.points else "",
    )


def _waits(turn: Turn, post: PostHere, entry: Entry) -> str:
    """Tells whoever decides that an entry waits, and says who that is."""
    decides = who_decides(turn.session, post=post, now=turn.now, without=[entry.member_id])
    if decides is not None:
        notice = say(
            "confirm_notice",
            name=turn.who.name,
            number=post.number,
            title=post.title,
            day=short_day(entry.done_at),
            note=_noted(entry),
            review=entry.number,
        )
        turn.tell(
            decides.id,
            notice,
            key=f"duty:{entry.id}:{turn.incoming.message_id[-60:]}",
            expires_hours=72,
            buttons=(Button("通过", f"通过 {entry.number}"),),
            otherwise=decides_otherwise(turn, decides.id),
        )
    return say(
        "waits",
        who=turn.named(decides) if decides else say("somebody"),
        number=entry.number,
        then=say("waits_told") if turn.reaches else "",
    )


def _noted(entry: Entry) -> str:
    return entry.note or say("came" if entry.came_at else "unsaid")


def _when_and_what(turn: Turn) -> tuple[date, str]:
    """The day that was said, today where none was, and the words; a day may begin them: 昨天巡了两圈."""
    note = turn.slots.get("note", "").strip()
    if "day" in turn.slots:
        return lately(turn.slots["day_at"], turn.slots["day"], turn.now), note
    found = dates.read_at(note, 0, turn.now)
    if found is None or found[0].recur is not None or found[0].grain not in ("day", "part"):
        return day_of(turn.now), note
    moment, end = found
    # 夜里 says of the work when it was; 昨天 only says the day.
    rest = note[end:].strip(" ，,：:") if moment.grain == "day" or note[0] in "今昨前" else note
    return lately(moment.start, note[:end], turn.now), rest


def _minutes_said(turn: Turn, note: str) -> int:
    """How long it took, in minutes, where the hours or the words say so; 0 where they do not."""
    if "day_until" in turn.slots and "day_grain" not in turn.slots:
        return int((turn.slots["day_until"] - turn.slots["day_at"]) / timedelta(minutes=1))
    found = (read_duration(note, at) for at in range(len(note)) if not at or not _goes_on(note, at))
    return next((minutes for minutes, _ in filter(None, found)), 0)


def _goes_on(note: str, at: int) -> bool:
    """Whether a number has begun before this place."""
    return bool(re.match(r"[0-9.一二两三四五六七八九十半]", note[at - 1]))


_AHEAD = re.compile(r"明|后天|下")
_WEEK = re.compile(r"周|星期|礼拜")


def lately(moment: datetime, said: str, now: datetime) -> date:
    """The day that is meant: of what could be several days the last one, for it lies behind."""
    day = day_of(moment)
    if day <= day_of(now) or _AHEAD.search(said):
        return day
    if _WEEK.search(said):
        return day - timedelta(days=7)
    if "月" in said:
        return day - timedelta(days=365)
    return day - timedelta(days=1)


# -- coming and leaving ----------------------------------------


def _is_talk(turn: Turn, post: PostHere) -> bool:
    """签到 3 among neighbours, by somebody who does not hold that post, was not said to the bot."""
    if turn.incoming.direct or turn.incoming.addressed or turn.community.bot_name in turn.incoming.text:
        return False
    try:
        books.held_by(turn.session, post, turn.who.id)
    except NotHolding:
        return True
    return False


@router.command(
    "checkin_post",
    "上岗签到",
    slots=(POST,),
    fillers=("岗位", "岗"),
    writes=True,
    usage="上岗签到 3",
    gist="到岗了记一笔，就是一次履职",
)
def come(turn: Turn) -> Answer:
    if "on_behalf" in turn.slots or "time" in turn.slots or "correction" in turn.slots:
        return say("say_it")
    post = own_post(turn, _which)
    if not isinstance(post, PostHere):
        return post or say("none")
    if _is_talk(turn, post):
        return ""
    logged = books.come(turn.session, post=post, member_id=turn.who.id, now=turn.now, settings=turn.rules["duties"])
    turn.wrote("log_duty", logged.entry.id, post=post.number, points=logged.points)
    text = say(
        "came_done",
        name=turn.shown,
        title=post.title,
        time=clock_time(turn.now),
        points=say("came_points", points=logged.points, balance=logged.balance) if logged.points else "",
        waits=_waits(turn, post, logged.entry) if logged.entry.state is EntryState.WAITING else "",
        number=post.number,
    )
    return Reply(text, ref=post.ref)


@router.command(
    "checkout_post",
    "离岗签退",
    slots=(POST, Slot("hours", Kind.HOURS)),
    fillers=("岗位", "岗"),
    writes=True,
    usage="离岗签退 3",
    gist="离岗记一笔，算服务时长",
)
def leave(turn: Turn) -> Answer:
    """The machine's minutes; where nobody said 签到, those that are told."""
    if "on_behalf" in turn.slots or "time" in turn.slots:
        return say("say_it")
    post = own_post(turn, _which)
    if not isinstance(post, PostHere):
        return post or say("none")
    if _is_talk(turn, post):
        return ""
    left = books.leave(
        turn.session,
        post=post,
        member_id=turn.who.id,
        minutes=round(turn.slots.get("hours", 0) * 60),
        now=turn.now,
        settings=turn.rules["duties"],
    )
    entry, (note, minutes) = left.entry, left.before
    if entry.measured:
        turn.wrote("leave_duty", entry.id, minutes=minutes)
    elif left.added:
        turn.wrote("add_duty_words", entry.id, note=note, minutes=minutes)
    else:
        turn.wrote("log_duty", entry.id, post=post.number, points=left.points)
    is_new = not entry.measured and not left.added
    text = say(
        "left" if entry.measured else "left_told",
        name=turn.shown,
        title=post.title,
        minutes=spoken_minutes(entry.minutes),
        waits=_waits(turn, post, entry) if is_new and entry.state is EntryState.WAITING else "",
    )
    return Reply(text, ref=post.ref)


# -- what was done ----------------------------------------


@router.command(
    "list_duties",
    "履职记录",
    "岗位记录",
    "履职情况",
    "看履职",
    "谁履职了",
    slots=(POST,),
    fillers=("岗位", "岗", "的", "情况"),
    usage="履职记录 3",
    gist="看一个岗位最近做了什么",
)
def list_duties(turn: Turn) -> Answer:
    post = own_post(turn, _which)
    if not isinstance(post, PostHere):
        return post or say("which_post")
    community_id = turn.community.id
    lines = books.lines_of(turn.session, community_id=community_id, post_id=post.id, limit=SHOWN, rejected=False)
    if not lines:
        return Reply(say("post_none", number=post.number, title=post.title), ref=post.ref)
    month = books.tally(turn.session, community_id=community_id, post_id=post.id, months=months_of("本月", turn.now))
    head = say("post_head", number=post.number, title=post.title, entries=month.entries, served=_served(month.minutes))
    return Reply("\n".join([head, *(_line(line, _shown(turn, line)) for line in lines)]), ref=post.ref)


def _shown(turn: Turn, line: Line) -> str:
    return masked(line.name) if line.hides_name and turn.group else line.name


def _served(minutes: int) -> str:
    return say("served", minutes=spoken_minutes(minutes)) if minutes else ""


def _line(line: Line, who: str) -> str:
    entry = line.entry
    state = {EntryState.COUNTED: "", EntryState.WAITING: say("line_waiting"), EntryState.REJECTED: say("line_rejected")}
    return say(
        "line",
        day=short_day(entry.done_at),
        who=who,
        note=_noted(entry),
        minutes=say("line_minutes", minutes=spoken_minutes(entry.minutes)) if entry.minutes else "",
        state=state[entry.state],
    )


@router.command(
    "my_duties",
    "我的履职",
    "我的履职记录",
    "我履职了几次",
    "我干了多少",
    private=True,
    usage="我的履职",
    gist="我做了哪些事，这个月多少",
)
def my_duties(turn: Turn) -> Answer:
    community_id = turn.community.id
    ids = one_person(turn.session, community_id=community_id, member_id=turn.who.id)
    lines = books.lines_of(turn.session, community_id=community_id, member_ids=ids, limit=SHOWN)
    if not lines:
        return say("mine_none")
    month = books.tally(turn.session, community_id=community_id, member_ids=ids, months=months_of("本月", turn.now))
    year = books.tally(turn.session, community_id=community_id, member_ids=ids, months=months_of("今年", turn.now))
    head = say("mine", name=turn.who.name, entries=month.entries, served=_served(month.minutes), year=year.entries)
    rows = [_line(line, say("mine_post", number=line.post_number, title=line.post_title)) for line in lines]
    return "\n".join([head, *rows])


@router.command(
    "sum_up_duties",
    "履职汇总",
    "履职统计",
    "岗位汇总",
    slots=(Slot("period", Kind.PERIOD),),
    private=True,
    usage="履职汇总 上月",
    gist="我负责的岗位这个月做了多少",
)
def sum_up(turn: Turn) -> Answer:
    posts = [
        post
        for post in open_posts(turn.session, community_id=turn.community.id)
        if in_charge(turn.session, post=post, person=turn.who, now=turn.now)
    ]
    if not posts:
        return say("no_charge")
    period = turn.slots.get("period", "本月")
    try:
        months = months_of(period, turn.now)
    except KeyError:
        return say("no_week")
    return summary(books.tallies(turn.session, posts=posts, months=months), period)


def summary(tallies: Mapping[PostHere, Tally], period: str) -> str:
    """What was done for some posts in a period (本月, 上月, ...), and for which of them nothing was."""
    posts = list(tallies)
    some = sorted((post for post in posts if tallies[post].entries), key=lambda post: -tallies[post].entries)
    none = [post for post in posts if not tallies[post].entries]
    lines = [
        say(
            "summary",
            period=period,
            posts=len(posts),
            entries=sum(one.entries for one in tallies.values()),
            served=_served(sum(one.minutes for one in tallies.values())),
        )
    ]
    if some:
        rows = [
            say("summary_post", number=post.number, title=post.title, entries=tallies[post].entries)
            for post in some[:NAMED]
        ]
        lines.append("；".join(rows) + _more(some))
    if none:
        numbers = [say("summary_number", number=post.number, title=post.title) for post in none[:NAMED]]
        lines.append(say("summary_none", posts="、".join(numbers) + _more(none)))
    return "\n".join(lines)


def _more(posts: Sequence[PostHere]) -> str:
    return say("summary_more", count=len(posts)) if len(posts) > NAMED else ""
