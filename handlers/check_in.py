"""签到 and 签退: somebody came, somebody left.

11月21日 8:55
王秀英（3栋群）: 签到
小邻: 王秀英，「清洁家园」签到成功 8:55，积分+5（现有21分）。
      走的时候发一声 签退。
11月21日 10:50
王秀英（3栋群）: 签退
小邻: 王秀英，「清洁家园」签退成功，记服务时长 1小时50分，积分+1（现有22分），辛苦了！
"""

import re
from datetime import datetime, timedelta

from handlers.chat import PHOTO, PLACE, Answer, Ask, Button, Reply, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from handlers.shared.people import decides_otherwise, spoken_of
from models import check_in as books
from models import photos, proxies
from models.activities import ActivityHere, ActivityOver, NoSuchActivity, TooManyCompanions, find_activity, own_signup
from models.audit import Act
from models.check_in import (
    AlreadyCheckedIn,
    AlreadyCheckedOut,
    CheckInNotOpen,
    NoSuchCheckIn,
    NoSuchMakeUp,
    NotCheckedIn,
    NothingToStayFor,
    Shown,
    TooLateToMakeUp,
    TooManyCodes,
    Way,
)
from models.clock import clock_time, day_of, spoken_minutes, start_of
from models.duties import last_written
from models.members import Neighbour, Role, people_in_scope
from models.posts import post_by_id
from models.units import unit_by_id

say = Texts(
    "check_in",
    done="{name}{whom}，「{title}」签到成功 {time}{party}，积分+{points}（现有{balance}分）。\n走的时候发一声 签退。",
    done_without_points="{name}{whom}，「{title}」签到成功 {time}{party}。\n走的时候发一声 签退。",
    whom="（{proxy}替签）",
    party="（共{count}人）",
    for_you="{proxy} 替您在「{title}」签到了（{time}）。\n您没有去的话，请发 我没去 {number}。",
    for_you_out="{proxy} 替您在「{title}」签退了（{time}），记服务时长 {minutes}。",
    taken_back="{proxy} 撤销了替您在「{title}」的签到。",
    already_other="{name} 在「{title}」已经签过到了，不用再签。",
    one_at_a_time="请一次替一位签，例如 替 王秀英 签到 {number}。",
    nothing_open="现在没有可以签到的活动。看看有哪些活动，请发 活动。",
    photo_in="照片是来签到的吗？是就回复序号：\n{choices}",
    which_in="现在有好几个活动可以签到，是哪一个？请回复序号：\n{choices}",
    ask_code="「{title}」要现场的签到码。请看现场写着的四位数字，回复这四个数字。",
    ask_code_aloud="「{title}」要现场的签到码。请看现场写着的四位数字，发 签到 加数字，例如 签到 1234。",
    ask_photo="「{title}」签到要一张现场照片，请接着发一张{code}。",
    ask_place="「{title}」要到了现场才能签。请接着发您的位置（点加号，选 位置）{code}。",
    or_code="；看到签到码的，发 签到 加数字也行",
    wrong_code="签到码不对，请看清现场写的四位数字再发一次（还可以试{left}次）。",
    wrong_code_last="签到码不对，请一小时后再试，或者请现场的组织者给您补签。",
    too_far="您离「{title}」的地点还有约{far}，到了再发一次位置。\n人就在现场的话，请发 补签 {number} 加一句情况。",
    metres="{metres}米",
    kilometres="{kilometres}公里",
    photo_kept="照片收到，放进「{title}」的活动照片里了，谢谢！",
    photo_logged="照片收到，放进「{title}」的履职记录里了，谢谢！",
    photo_enough="「{title}」的照片您已经发了{most}张，够了，谢谢！",
    shown_for_nothing="收到了，可是现在没有要它的事。看看有什么活动，请发 活动。",
    out="{name}{whom}，「{title}」签退成功，记服务时长 {minutes}，辛苦了！",
    out_with_points="{name}{whom}，「{title}」签退成功，记服务时长 {minutes}，积分+{points}（现有{balance}分），"
    "辛苦了！",
    not_in="您现在没有签到中的活动，不用签退。",
    not_in_other="{name} 现在没有签到中的活动，不用签退。",
    which_out="您在好几个活动签到了，要签退哪一个？请回复序号：\n{choices}",
    choice="{index} {number}号 {title}",
    closed="「{title}」已经结束，您没有签退，我按{time}帮您签退了，记服务时长 {minutes}{points}。"
    "\n下次走的时候发一声 签退，时间就记得准。",
    closed_points="，积分+{points}",
    vouched="{minutes}（组织者证明）",
    out_at_once="签退按您发消息的时候记。走得早、忘了签退的，请组织者改时长。",
    which_make_up="补签哪个活动？请写上编号和一句情况，例如 补签 12 忘了签。",
    asked="已收到「{title}」的补签申请（{number}号），请组织者看一下。{then}",
    asked_already="「{title}」的补签申请（{number}号）已经在等组织者看了，不用再发。",
    will_tell="\n有结果我会告诉您。",
    look_again="\n有没有结果，请过几天发 积分明细 看。",
    make_up_notice="{name} 说在「{title}」没签上到：{reason}（{number}号）{came}。"
    "\n人来了请回复 通过 {number}，没来请回复 驳回 {number} 理由。",
    came="，{time}到的",
    no_reason="没有写情况",
    made_up="已给 {names} 补签「{title}」{minutes}。",
    made_up_minutes="，记服务时长 {minutes}（组织者证明）",
    made_up_minutes_each="，每人记服务时长 {minutes}（组织者证明）",
    made_up_your_minutes="，记服务时长 {minutes}（组织者证明）",
    made_up_already="\n{names} 本来就签过到，没有动。",
    made_up_nobody="{names} 都签过「{title}」的到了，不用补。",
    made_up_you="{giver} 给您补签了「{title}」{minutes}{points}。",
    made_up_undone_you="{giver} 撤回了刚才给您的「{title}」补签。",
    others_only="替别人补签要组织者来办，请本人发 补签 {number} 加一句情况。",
    too_many_names="一次最多给{most}位补签，请分几次发。",
    undone_asked="已撤回「{title}」的补签申请。",
    undone_made_up="已撤销「{title}」的补签。",
    undone_photo="已撤回刚才的照片。",
    proxy_not_yet="替别人签还不能在这里办，请本人发 {verb}。",
    correction_not_yet="补签还不能在这里办，请找组织者或社区。",
    undone_in="已撤销「{title}」的签到，积分一并退回。",
    undone_out="已撤销「{title}」的签退，您还在签到中。",
)

JUST_SAID = timedelta(minutes=10)
"""A photo that comes so soon after 履职 belongs to it: not every way of writing lets one send both together."""

router = Router(
    "check_in",
    {
        CheckInNotOpen: "「{title}」还没到签到时间，{opens_at} 开始签到。",
        AlreadyCheckedIn: "您在「{title}」已经签过到了（{at}），不用再签。",
        ActivityOver: "「{title}」已经结束了（{ends_at}）。您来过的话，请发 补签 {number} 加一句情况，组织者会看。",
        NotCheckedIn: "您还没有在「{title}」签到，先发 签到 {number}。",
        AlreadyCheckedOut: "您在「{title}」已经签退过了，记了{minutes}分钟。",
        NoSuchCheckIn: "这一条已经撤销过了。",
        NothingToStayFor: "「{title}」已经结束了（{ends_at}），签退就按记下的算，不能再撤销。",
        TooManyCodes: "签到码错了{most}次，请一小时后再试，或者请现场的组织者给您补签。",
        TooLateToMakeUp: "「{title}」结束超过{days}天，补不了了。有疑问请找社区当面说。",
        NoSuchMakeUp: "这个补签申请已经有结果了。",
    },
)


def _undo_in(turn: Turn, act: Act) -> str:
    title = books.undo_check_in(
        turn.session, community_id=turn.community.id, check_in_id=act.row, by=turn.who.id, now=turn.now
    )
    photos.drop(turn.session, community_id=turn.community.id, photo_ids=act.detail.get("photos", ()))
    if (member_id := act.detail.get("member")) is not None:
        notice = say("taken_back", proxy=turn.who.name, title=title)
        turn.tell(member_id, notice, key=f"proxy-taken-back:{act.row}", expires_hours=72)
    return say("undone_in", title=title)


def _undo_out(turn: Turn, act: Act) -> str:
    title = books.undo_check_out(
        turn.session, community_id=turn.community.id, check_out_id=act.row, by=turn.who.id, now=turn.now
    )
    return say("undone_out", title=title)


def _undo_photo(turn: Turn, act: Act) -> str:
    photos.drop(turn.session, community_id=turn.community.id, photo_ids=act.detail["photos"])
    return say("undone_photo")


def _undo_asked(turn: Turn, act: Act) -> str:
    title = books.withdraw_make_up(
        turn.session, community_id=turn.community.id, member_id=turn.who.id, number=act.row, now=turn.now
    )
    return say("undone_asked", title=title)


def _undo_made_up(turn: Turn, act: Act) -> str:
    title = books.undo_check_in(
        turn.session, community_id=turn.community.id, check_in_id=act.row, by=turn.who.id, now=turn.now
    )
    notice = say("made_up_undone_you", giver=turn.who.name, title=title)
    turn.tell(act.detail["member"], notice, key=f"made-up-undone:{act.row}", expires_hours=72)
    return say("undone_made_up", title=title)


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
    "岗位签到",
    "岗位打卡",
    slots=(
        Slot("code", Kind.DIGITS),
        Slot("activity", Kind.OBJECT, of="activity"),
        Slot("post", Kind.OBJECT, of="post"),
        Slot("count", Kind.COUNT),
        Slot("place", Kind.PLACE),
        Slot("on_behalf", Kind.PERSON),
        Slot("names", Kind.PEOPLE),
        Slot("time", Kind.WHEN, of="clock"),
        Slot("correction", Kind.FLAG, labels=("忘了签", "忘记签", "忘签了", "漏签了", "补一下", "补上", "更正")),
    ),
    implies={
        **{word: {"correction": True} for word in ("补签", "补签到", "补打卡")},
        **{word: {"_at_post": True} for word in ("岗位签到", "岗位打卡")},
    },
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
    chooses=True,
    shown=(PHOTO, PLACE),
    undo={
        "check_in": _undo_in,
        "add_photo": _undo_photo,
        "ask_make_up": _undo_asked,
        "make_up": _undo_made_up,
    },
    elsewhere={"post": "checkin_post", "_at_post": "checkin_post"},
)
def check_in(turn: Turn) -> Answer:
    if "correction" in turn.slots or "time" in turn.slots:
        return _make_up(turn)
    found = _which(turn)
    if not isinstance(found, Found):
        return found
    names = turn.slots.get("names", ())
    if len(names) > 1:
        return say("one_at_a_time", number=found.number)
    coming = _coming(turn, found.number)
    whom = _whom(turn, turn.slots.get("on_behalf") or (names[0] if names else ""))
    member_id = whom.id if whom else turn.who.id
    if coming.terms.ways != (Way.WORD,):
        # Nobody is asked for a photo who is there already, or much too early.
        books.refuse_at_this_hour(coming.activity, turn.now)
        books.refuse_twice(turn.session, activity=coming.activity, member_id=member_id)
    shown = Shown(found.code, bool(turn.incoming.photos), turn.incoming.location)
    proof = books.prove(coming.terms, shown)
    if proof.way is None:
        return _ask_for_proof(turn, coming, proof.metres)
    return _check_in(turn, coming, proof.way, whom)


class Found:
    """The activity that is meant, and whether its code of the day was typed."""

    def __init__(self, number: int, *, code: bool = False) -> None:
        self.number = number
        self.code = code


def _which(turn: Turn) -> Found | Answer:
    number = turn.slots.get("activity")
    typed = turn.slots.get("code") or _like_a_code(turn, number)
    if typed is not None:
        return _by_code(turn, int(typed), number)
    if number is not None:
        return Found(number)
    if not turn.incoming.text.strip():
        return _by_showing(turn)
    return _choose(turn, [number for number, _ in books.open_now(turn.session, **_here(turn), now=turn.now)])


def _here(turn: Turn) -> dict[str, int]:
    return {"community_id": turn.community.id}


def _like_a_code(turn: Turn, number: int | None) -> int | None:
    """What stands where an activity's number would, and is none of theirs."""
    if (
        number is None
        or not books.CODE_MIN <= number <= books.CODE_MAX
        or books.is_activity(turn.session, turn.community.id, number)
    ):
        return None
    return number


def _by_code(turn: Turn, code: int, number: int | None) -> Found | Answer:
    books.refuse_guessing(turn.session, **_here(turn), member_id=turn.who.id, now=turn.now)
    meant = books.activity_with_code(turn.session, **_here(turn), code=code, now=turn.now)
    if meant is not None:
        return Found(meant, code=True)
    if books.is_activity(turn.session, turn.community.id, code):
        return Found(code)
    left = books.wrong_code(turn.session, **_here(turn), member_id=turn.who.id, now=turn.now)
    return say("wrong_code", left=left) if left else say("wrong_code_last")


def _choose(turn: Turn, numbers: list[int]) -> Found | Answer:
    """The only one that is possible, else the only one that this person signed up for; otherwise they are asked."""
    if not numbers:
        return say("nothing_open")
    mine = [number for number in numbers if len(numbers) == 1 or _signed_up(turn, number)]
    if len(mine) == 1:
        return Found(mine[0])
    offered = (mine or numbers)[:3]
    return Ask(say("which_in", choices=_choices(turn, offered)), slot="activity", options=tuple(offered))


def _signed_up(turn: Turn, number: int) -> bool:
    activity = find_activity(turn.session, **_here(turn), number=number)
    return own_signup(turn.session, activity=activity, member_id=turn.who.id) is not None


def _by_showing(turn: Turn) -> Found | Answer:
    """What a photo or a place without words is for: a check-in that wants it, else what one did for a post and has just
    said, else the album of where one is.
    """
    here = books.where_checked_in(turn.session, **_here(turn), member_id=turn.who.id)
    wanted = {Way.PHOTO} if turn.incoming.photos else {Way.PLACE}
    taking = [
        (number, Way.WORD in terms.ways)
        for number, terms in books.open_now(turn.session, **_here(turn), now=turn.now)
        if wanted & set(terms.ways) and number not in here
    ]
    numbers = [number for number, _ in taking]
    expected = [number for number, word_is_enough in taking if not word_is_enough or _signed_up(turn, number)]
    if expected or (numbers and not turn.incoming.photos):
        return _choose(turn, expected or numbers)
    if not turn.incoming.photos:
        return say("shown_for_nothing")
    entry = last_written(turn.session, **_here(turn), member_id=turn.who.id, since=turn.now - JUST_SAID)
    if entry is not None:
        title = post_by_id(turn.session, **_here(turn), post_id=entry.post_id).title
        return _add_photos(turn, title, f"duty:{entry.id}", "photo_logged")
    if numbers:
        # Any picture may come to the bot: where a word is enough and nobody is expected, the word is waited for.
        offered = numbers[:3]
        return Ask(say("photo_in", choices=_choices(turn, offered)), slot="activity", options=tuple(offered))
    if not here:
        return say("shown_for_nothing")
    activity = _coming(turn, here[0]).activity
    return _add_photos(turn, activity.title, activity.ref, "photo_kept")


def _add_photos(turn: Turn, title: str, ref: str, thanks: str) -> str:
    most = turn.rules["check_in"].photos_max
    kept = photos.of(turn.session, **_here(turn), ref=ref)
    room = most - sum(one.member_id == turn.who.id for one in kept)
    if room <= 0:
        return say("photo_enough", title=title, most=most)
    turn.wrote("add_photo", ref, photos=_keep(turn, ref, room))
    return say(thanks, title=title)


def _keep(turn: Turn, ref: str, room: int) -> list[int]:
    return photos.keep(
        turn.session,
        **_here(turn),
        member_id=turn.who.id,
        photos=turn.incoming.photos[:room],
        ref=ref,
        now=turn.now,
    )


def _whom(turn: Turn, written: str) -> Neighbour | None:
    """Somebody else for whom the speaker speaks; None: for themselves."""
    if not written or written == turn.who.name:
        return None
    member = spoken_of(turn, written)
    return None if proxies.is_oneself(turn.session, proxy=turn.who, member=member) else member


def _act_for(turn: Turn, whom: Neighbour, act: str, activity: ActivityHere) -> None:
    proxies.act_for(
        turn.session,
        proxy=turn.who,
        member=whom,
        act=act,
        ref=activity.ref,
        now=turn.now,
        limits=turn.rules["proxies"],
    )


def _ask_for_proof(turn: Turn, coming: books.Coming, metres: int | None) -> Answer:
    activity, ways = coming.activity, coming.terms.ways
    if metres is not None:
        far = say("metres", metres=metres) if metres < 1000 else say("kilometres", kilometres=round(metres / 1000, 1))
        return say("too_far", title=activity.title, far=far, number=activity.number)
    code = say("or_code") if Way.CODE in ways else ""
    turn.slots["activity"] = activity.number
    for way, slot in ((Way.PHOTO, PHOTO), (Way.PLACE, PLACE)):
        if way in ways:
            return Ask(say(f"ask_{way}", title=activity.title, code=code), slot=slot, minutes=15)
    if turn.incoming.direct:
        return Ask(say("ask_code", title=activity.title), slot="code", minutes=15)
    return say("ask_code_aloud", title=activity.title)


def _check_in(turn: Turn, coming: books.Coming, way: Way, whom: Neighbour | None) -> Answer:
    activity, member_id = coming.activity, whom.id if whom else turn.who.id
    companions = _companions(turn, activity, member_id)
    if whom is not None:
        try:
            books.refuse_twice(turn.session, activity=activity, member_id=member_id)
        except AlreadyCheckedIn:
            return say("already_other", name=turn.named(whom), title=activity.title)
        _act_for(turn, whom, "check_in", activity)
    done = books.check_in(
        turn.session,
        coming=coming,
        member_id=member_id,
        made_by=turn.who.id,
        now=turn.now,
        way=way,
        companions=companions,
    )
    more: dict[str, object] = {}
    if turn.incoming.photos:
        more["photos"] = _keep(turn, activity.ref, len(turn.incoming.photos))
    if whom is not None:
        more["member"] = member_id
        notice = say(
            "for_you", proxy=turn.who.name, title=activity.title, time=clock_time(turn.now), number=activity.number
        )
        turn.tell(member_id, notice, key=f"checked-in-for:{done.id}", ref=activity.ref)
    turn.wrote("check_in", done.id, activity=activity.number, points=done.points, **more)
    text = say(
        "done" if done.points else "done_without_points",
        name=turn.named(whom) if whom else turn.shown,
        whom=say("whom", proxy=turn.shown) if whom else "",
        title=activity.title,
        time=clock_time(turn.now),
        party=say("party", count=1 + companions) if companions else "",
        points=done.points,
        balance=done.balance,
    )
    # Whoever spoke for somebody else would check out themselves with it.
    buttons = () if whom else (Button("签退", f"签退 {activity.number}"),)
    return Reply(text, activity.ref, buttons)


def _companions(turn: Turn, activity: ActivityHere, member_id: int) -> int:
    count = turn.slots.get("count")
    if count is None:
        return books.companions_expected(turn.session, activity=activity, member_id=member_id)
    most = turn.rules["activities"].companions_max
    if count - 1 > most:
        raise TooManyCompanions(most=most)
    return max(0, int(count) - 1)


# -- 补签 ----------------------------------------

NAMES_MOST = 20


def _make_up(turn: Turn) -> Answer:
    number = turn.slots.get("activity")
    if number is None:
        days = turn.rules["check_in"].make_up_days
        missed = books.missed_lately(turn.session, **_here(turn), member_id=turn.who.id, now=turn.now, days=days)
        if len(missed) != 1:
            return say("which_make_up")
        number = missed[0]
    activity = find_activity(turn.session, **_here(turn), number=number)
    names = [*turn.slots.get("names", ()), *([turn.slots["on_behalf"]] if "on_behalf" in turn.slots else [])]
    others = [one for one in dict.fromkeys(names) if one != turn.who.name]
    if not others:
        return _ask_make_up(turn, activity)
    unit = unit_by_id(turn.session, **_here(turn), unit_id=activity.unit_id)
    if not turn.who.may(Role.BUILDING_LEAD, unit.path):
        return say("others_only", number=number)
    if len(others) > NAMES_MOST:
        return say("too_many_names", most=NAMES_MOST)
    books.refuse_too_late(activity, turn.now, turn.rules["check_in"].make_up_days)
    return _make_up_for(turn, activity, [spoken_of(turn, name) for name in others])


def _ask_make_up(turn: Turn, activity: ActivityHere) -> Answer:
    came: datetime | None = turn.slots.get("time_at")
    reason = _reason(turn)
    asked = books.ask_make_up(
        turn.session,
        activity=activity,
        member_id=turn.who.id,
        reason=reason,
        came_at=_on_the_day(came, activity),
        now=turn.now,
        days=turn.rules["check_in"].make_up_days,
    )
    if asked.again:
        return say("asked_already", title=activity.title, number=asked.number)
    turn.wrote("ask_make_up", asked.number, activity=activity.number)
    notice = say(
        "make_up_notice",
        name=turn.who.name,
        title=activity.title,
        reason=reason or say("no_reason"),
        number=asked.number,
        came=say("came", time=clock_time(came)) if came else "",
    )
    for reviewer in _reviewers(turn, activity):
        turn.tell(
            reviewer, notice, key=f"make-up:{asked.number}:{reviewer}", ref=activity.ref, expires_hours=72,
            otherwise=decides_otherwise(turn, reviewer),
        )  # fmt: skip
    then = say("will_tell" if turn.reaches else "look_again")
    return Reply(say("asked", title=activity.title, number=asked.number, then=then), ref=activity.ref)


_SAID_FIRST = re.compile(r"^.*?(?:补签到?|补打卡)[ ,，。:：]*(?:[0-9]+号?)?[ ,，。:：]*")


def _reason(turn: Turn) -> str:
    """What was said beside the command, in the person's own words."""
    return _SAID_FIRST.sub("", turn.incoming.text.strip(), count=1)[:100]


def _on_the_day(came: datetime | None, activity: ActivityHere) -> datetime | None:
    """The clock time that was named, on the day of the activity: 8点50 said a day later is 8点50 of then."""
    if came is None:
        return None
    return came - (start_of(day_of(came)) - start_of(day_of(activity.starts_at)))


def _reviewers(turn: Turn, activity: ActivityHere) -> list[int]:
    """The organiser, or whoever is nearest in charge where that is the one who asks."""
    if activity.made_by is not None and activity.made_by != turn.who.id:
        return [activity.made_by]
    unit = unit_by_id(turn.session, **_here(turn), unit_id=activity.unit_id)
    near = people_in_scope(
        turn.session, **_here(turn), path=unit.path, role=Role.BUILDING_LEAD, now=turn.now, without=[turn.who.id]
    )
    return [one.id for one in near[:3]]


def _make_up_for(turn: Turn, activity: ActivityHere, members: list[Neighbour]) -> Answer:
    done, already, minutes = [], [], 0
    for member in sorted(dict.fromkeys(members), key=lambda one: one.id):
        try:
            stayed = books.make_up(
                turn.session,
                activity=activity,
                member_id=member.id,
                by=turn.who.id,
                now=turn.now,
                came=_on_the_day(turn.slots.get("time_at"), activity),
            )
        except AlreadyCheckedIn:
            already.append(turn.named(member))
            continue
        done.append(turn.named(member))
        minutes = stayed.minutes
        turn.wrote("make_up", stayed.check_in_id, activity=activity.number, member=member.id)
        notice = made_up_line(turn.who.name, activity, stayed)
        turn.tell(member.id, notice, key=f"made-up:{stayed.check_in_id}", ref=activity.ref, expires_hours=72)
    if not done:
        return say("made_up_nobody", names="、".join(already), title=activity.title)
    each = "made_up_minutes_each" if len(done) > 1 else "made_up_minutes"
    text = say(
        "made_up",
        names="、".join(done),
        title=activity.title,
        minutes=say(each, minutes=spoken_minutes(minutes)) if minutes else "",
    )
    return Reply(text + (say("made_up_already", names="、".join(already)) if already else ""), ref=activity.ref)


def made_up_line(giver: str, activity: ActivityHere, stayed: books.Stayed) -> str:
    """What somebody hears for whom it was made up."""
    return say(
        "made_up_you",
        giver=giver,
        title=activity.title,
        minutes=say("made_up_your_minutes", minutes=spoken_minutes(stayed.minutes)) if stayed.minutes else "",
        points=say("closed_points", points=stayed.points) if stayed.points else "",
    )


@router.command(
    "checkout",
    "签退",
    "下班打卡",
    "签个退",
    "退签",
    "收工",
    "签离",
    "岗位签退",
    slots=(
        Slot("activity", Kind.OBJECT, of="activity"),
        Slot("post", Kind.OBJECT, of="post"),
        Slot("on_behalf", Kind.PERSON),
        Slot("hours", Kind.HOURS),
        Slot("time", Kind.WHEN, of="clock"),
    ),
    implies={"岗位签退": {"_at_post": True}},
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
    elsewhere={"post": "checkout_post", "_at_post": "checkout_post"},
    chooses=True,
    undo={"check_out": _undo_out},
)
def check_out(turn: Turn) -> Answer:
    if "time" in turn.slots:
        return say("out_at_once")
    whom = _whom(turn, turn.slots.get("on_behalf", ""))
    number = turn.slots.get("activity")
    if number is None:
        member_id = whom.id if whom else turn.who.id
        here = books.where_checked_in(turn.session, **_here(turn), member_id=member_id)
        if not here:
            return say("not_in_other", name=turn.named(whom)) if whom else say("not_in")
        if len(here) > 1:
            return Ask(say("which_out", choices=_choices(turn, here[:3])), slot="activity", options=tuple(here[:3]))
        number = here[0]
    return _check_out(turn, _coming(turn, number), whom)


def _check_out(turn: Turn, coming: books.Coming, whom: Neighbour | None) -> Answer:
    activity, member_id = coming.activity, whom.id if whom else turn.who.id
    if whom is not None:
        if activity.number not in books.where_checked_in(turn.session, **_here(turn), member_id=member_id):
            return say("not_in_other", name=turn.named(whom))
        _act_for(turn, whom, "check_out", activity)
    done = books.check_out(turn.session, coming=coming, member_id=member_id, made_by=turn.who.id, now=turn.now)
    # What is vouched for has its points under a vouching, not under the check-out.
    recorded = {} if done.vouched else {"minutes": done.minutes, "points": done.points}
    turn.wrote("check_out", done.id, activity=activity.number, **recorded)
    minutes = spoken_served(done)
    if whom is not None:
        notice = say(
            "for_you_out", proxy=turn.who.name, title=activity.title, time=clock_time(turn.now), minutes=minutes
        )
        turn.tell(member_id, notice, key=f"checked-out-for:{done.id}", ref=activity.ref)
    text = say(
        "out_with_points" if done.points else "out",
        name=turn.named(whom) if whom else turn.shown,
        whom=say("whom", proxy=turn.shown) if whom else "",
        title=activity.title,
        minutes=minutes,
        points=done.points,
        balance=done.balance,
    )
    return Reply(text, ref=activity.ref)


def spoken_served(done: books.CheckedOut) -> str:
    """How long somebody served, and who says so where it was not the machine."""
    if done.vouched:
        return say("vouched", minutes=spoken_minutes(done.vouched))
    return spoken_minutes(done.minutes)


def _not_yet(turn: Turn) -> str:
    """What is understood and cannot be written down yet: it must not become a check-in of the speaker for now."""
    if "on_behalf" in turn.slots:
        return say("proxy_not_yet", verb=turn.command.verbs[0])
    if "correction" in turn.slots or "time" in turn.slots:
        return say("correction_not_yet")
    return ""


def _choices(turn: Turn, numbers: list[int]) -> str:
    return "\n".join(
        say("choice", index=index, number=number, title=find_activity(turn.session, **_here(turn), number=number).title)
        for index, number in enumerate(numbers, 1)
    )


def _coming(turn: Turn, number: int) -> books.Coming:
    found = books.find_coming(turn.session, **_here(turn), number=number, now=turn.now)
    if found is None:
        raise NoSuchActivity(number=number)
    return found


def closed_line(activity: ActivityHere, done: books.CheckedOut) -> str:
    """What somebody hears who forgot to check out."""
    return say(
        "closed",
        title=activity.title,
        time=clock_time(activity.ends_at),
        minutes=spoken_served(done),
        points=say("closed_points", points=done.points) if done.points else "",
    )
