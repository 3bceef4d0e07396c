"""报名: one's own, for others and with others; leaving, saying that one cannot come, taking a place that was held.

老赵（3栋群）: 替 陈阿姨 报名 13
小邻: 已给 陈阿姨 报名「义诊」，还剩29个名额。
      11月22日 周日 9:00，活动室。
小邻 → 陈阿姨: 老赵 替您报名了「义诊」，11月22日 周日 9:00，活动室。
      去不了请回复 取消报名 13。
李建国（3栋群）: 报名 12 我和王秀英
小邻: 已给 李建国、王秀英 报名「清洁家园」，还剩11个名额。
      11月21日 周六 9:00，中心花园。
小邻 → 王秀英: 李建国 替您报名了「清洁家园」，11月21日 周六 9:00，中心花园。
      去不了请回复 取消报名 12。
王秀英: 取消报名 12
小邻: 已取消 王秀英 的「清洁家园」报名。谢谢告诉大家！
孙姐: 清洁家园去不了
小邻: 记下了，孙姐 这次不来「清洁家园」，不再问您。想来了随时发 报名 12。
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from handlers.chat import Answer, Ask, Button, Reply, Router, Texts, Turn, sentence
from handlers.language.slots import Kind, Slot
from handlers.shared.care import care_buttons, cared_for, end_care, is_hot, tell_care
from handlers.shared.people import spoken_of
from handlers.shared.places import end_offer, tell_promoted
from models import activities as books
from models.absences import absences_of
from models.activities import (
    ActivityHere,
    ActivityStarted,
    Burden,
    ListLocked,
    NoCompanions,
    NoRoom,
    NoRoomForMore,
    NotSignedUp,
    SignedUp,
    SignupClosed,
    SignupNotOpen,
    SignupState,
    TooManyCompanions,
)
from models.audit import Act
from models.clock import clock_time, day_of, short_day, spoken, spoken_minutes
from models.members import Neighbour, NoSuchMember, Role, SeveralMembers, member_by_id, people_in_scope
from models.proxies import (
    NobodyToTell,
    NotForNeighbours,
    Right,
    WhoseRelative,
    act_for,
    has_account,
    is_oneself,
    right_over,
)
from models.units import unit_by_id

say = Texts(
    "signing",
    nothing_open="现在没有可以报名的活动。看看有哪些活动，请发 活动。",
    done="已给 {name} 报名「{title}」{party}{left}。\n{when}，{place}。",
    party="（共{count}人）",
    alone="（1人）",
    left="，还剩{left}个名额",
    left_none="，名额正好满了",
    waiting="「{title}」名额不够了，{name} 排在候补第{place}位{party}。\n{then}",
    will_tell="有空位我会告诉您。",
    look_again="有没有空位，请发 活动 {number} 看。",
    same="{name} 已经报过「{title}」了{party}，不用再报。",
    same_asked="{name} 报「{title}」在等组织的同志点头，有结果告诉您。不去了请发 取消报名 {number}。",
    changed="已改：{name} 报名「{title}」{party}{left}。",
    also_waiting="{name} 排在候补第{place}位。",
    unnamed="{names} 没有另外登记，算您的同伴。",
    nobody_known="没有找到 {names}，没有报上。同行的人可以写人数，例如 报名 {number} 2人。",
    burden_clash="提醒您：和{number}号「{title}」（{when}）时间撞上了。",
    burden_tight="提醒您：离{number}号「{title}」（{when}）只隔{minutes}分钟，来得及再去。",
    burden_long="提醒您：这一天报的活动一共{span}了，别累着。",
    told_signup="{name} 替您报名了「{title}」{party}，{when}，{place}。\n去不了请回复 取消报名 {number}。",
    told_waiting="{name} 替您报名了「{title}」{party}，名额满了，排在候补第{queue}位。\n"
    "不想去请回复 取消报名 {number}。",
    told_changed="{name} 把您「{title}」的报名改成了{count}人。\n去不了请回复 取消报名 {number}。",
    told_cancelled="{name} 替您取消了「{title}」的报名。\n还想去请回复 报名 {number}。",
    told_undone="{name} 刚才替您办的「{title}」报名撤回了，不算。",
    asked="{name} 报「{title}」要组织的同志先点个头：最近{count}次报了名没来（{which}）。\n{then}",
    asked_then="我已经转告了，有结果告诉您。当天其实到了的，请找楼长补签。",
    asked_aloud="请和社区说一声。当天其实到了的，请找楼长补签。",
    asked_aside="{name} 报「{title}」要组织的同志先点个头，我已经转告了。",
    ask_notice="{name} 想报名「{title}」{party}（{number}号），最近{count}次报了名没来（{which}）。\n"
    "同意请回复 通过 {number}，不同意请回复 驳回 {number} 理由。",
    cancelled="已取消 {name} 的「{title}」报名。谢谢告诉大家！",
    cancelled_late="已取消 {name} 的「{title}」报名。\n"
    "已经过了退出的时间（{until}），这次会算没来；有特殊情况请和社区说。",
    late_notice="{name} 刚退出「{title}」（{when}），已经过了退出的时间。",
    mine_none="您现在没有报名的活动。看看有哪些活动，请发 活动。",
    mine_line="{number}号 {title} {when}，{place}{party}{state}",
    mine_waiting="，候补第{place}位",
    mine_offered="，位置给您留到{until}，能来请发 能来 {number}",
    mine_asked="，等组织的同志点头",
    mine_more="{others}来不了请发 取消报名 加编号，例如 取消报名 {number}。",
    mine_others="还有{names}。",
    mine_other="{number}号「{title}」",
    declined="记下了，{name} 这次不来「{title}」，不再问您。想来了随时发 报名 {number}。",
    declined_already="已经记着了，{name} 这次不来「{title}」。想来了随时发 报名 {number}。",
    locked_out="「{title}」的名单已经定了，我转告组织的同志，请等回话。",
    locked_aloud="「{title}」的名单已经定了，来不了请直接告诉社区。",
    leave_notice="{name} 说来不了「{title}」（{when}），名单已经锁定。\n同意请回复 替 {name} 取消报名 {number}。",
    not_signed_up="您现在没有报名的活动，不用取消。",
    which_cancel="您报名了好几个，要取消哪一个？请回复序号：\n{choices}",
    choice="{index} {number}号 {title}",
    undone_signup="已撤销「{title}」的报名。",
    undone_signup_for="已撤销 {name} 的「{title}」报名。",
    undone_change="已改回：{name} 报名「{title}」{party}。",
    undone_cancel="已恢复「{title}」的报名{note}。",
    undone_decline="已撤销，「{title}」您来不来还没有定。",
    now_waiting="，现在排在候补第{place}位",
    heat="天热，带水、防晒。",
    day_before="提醒您：{when}「{title}」，{place}{party}。{heat}\n"
    "来不了请早点回复 取消报名 {number}，好让给候补的邻居。",
    day_before_for="提醒您：您替 {name} 报的「{title}」{when}，{place}。{heat}\n"
    "来不了请回复 替 {name} 取消报名 {number}。",
)

router = Router(
    "signing",
    {
        ActivityStarted: "「{title}」{starts_at} 已经开始，不能报名了。人到现场可以直接发 签到 {number}。",
        SignupNotOpen: "「{title}」{opens_at} 才开始报名，到时候请再发 报名 {number}。",
        SignupClosed: "「{title}」的报名 {closes_at} 已经截止了。看看别的活动，请发 活动。",
        ListLocked: "「{title}」的名单已经定了，要进要出请和社区说一声。",
        TooManyCompanions: "一个人最多带{most}位同伴，人多请分开报名。",
        NotSignedUp: "没有报名「{title}」，不用取消。",
        NoRoomForMore: "「{title}」只剩{left}个名额了，人数没有改。",
        NoRoom: "「{title}」没有多的名额了，人数没有改。",
        NoCompanions: "「{title}」不能带同伴，请同伴自己报名。",
        NotForNeighbours: "{name} 的报名，要本人、家人或楼长才能改。",
        NoSuchMember: "名册里没有找到 {name}。是同行的人，请写人数，例如 报名 12 2人。",
        SeveralMembers: "叫 {name} 的有{count}位。请本人报名，或私聊我写上房号，例如 替 501{name} 报名 12。",
    },
)

SELF = "self"
"""The speaker, among the names of those who come."""
TOLD_HOURS = 72
NAMED = 3
"""People whom one answer names one by one."""


def _party(companions: int) -> str:
    return say("party", count=1 + companions) if companions else ""


def _left(left: int | None) -> str:
    if left is None:
        return ""
    return say("left", left=left) if left else say("left_none")


def _where(activity: ActivityHere) -> dict[str, Any]:
    """What most sentences say of an activity."""
    return {
        "number": activity.number,
        "title": activity.title,
        "when": spoken(activity.starts_at),
        "place": activity.place or sentence("activities.no_place"),
    }


def _button(word: str, activity: ActivityHere) -> tuple[Button, ...]:
    """The word that a sentence offers, by one tap."""
    return (Button(word, f"{word} {activity.number}"),)


def _in_charge(turn: Turn, activity: ActivityHere) -> bool:
    """Whether the speaker decides about the list of an activity: who announced it, or staff for its people."""
    if activity.made_by == turn.who.id:
        return True
    unit = unit_by_id(turn.session, community_id=turn.community.id, unit_id=activity.unit_id)
    return turn.who.may(Role.STAFF, unit.path)


def _organisers(turn: Turn, activity: ActivityHere) -> list[int]:
    """Who hears of what somebody has to decide or know: who announced it, else whoever has the say there."""
    if activity.made_by is not None and activity.made_by != turn.who.id:
        return [activity.made_by]
    unit = unit_by_id(turn.session, community_id=turn.community.id, unit_id=activity.unit_id)
    staff = people_in_scope(
        turn.session, community_id=turn.community.id, path=unit.path, role=Role.STAFF, now=turn.now,
        without=[turn.who.id],
    )  # fmt: skip
    return [one.id for one in staff[:NAMED]]


def _oneself(turn: Turn) -> Neighbour:
    who = turn.who
    return Neighbour(who.id, who.name, who.unit_id, who.unit_path, who.hides_name)


def _name(turn: Turn, member: Neighbour) -> str:
    return turn.shown if member.id == turn.who.id else turn.named(member)


# -- signing up ----------------------------------------


def _undo_signup(turn: Turn, act: Act) -> str:
    activity, member_id, _ = books.activity_by_signup(turn.session, community_id=turn.community.id, signup_id=act.row)
    left = books.cancel_signup(turn.session, activity=activity, member_id=member_id, by=turn.who.id, now=turn.now)
    _move_up(turn, activity, left.promoted)
    if member_id == turn.who.id:
        return say("undone_signup", title=activity.title)
    _tell(turn, member_id, "told_undone", activity, key=f"undone:{act.id}", name=turn.who.name)
    member = member_by_id(turn.session, community_id=turn.community.id, member_id=member_id)
    return say("undone_signup_for", title=activity.title, name=turn.named(member))


def _undo_change(turn: Turn, act: Act) -> str:
    activity, member_id, _ = books.activity_by_signup(turn.session, community_id=turn.community.id, signup_id=act.row)
    again = _sign_up(turn, activity, member_id, act.detail["before"], in_charge=True)
    _move_up(turn, activity, again.promoted)
    party = _party(again.companions) or say("alone")
    member = member_by_id(turn.session, community_id=turn.community.id, member_id=member_id)
    return say("undone_change", name=_name(turn, member), title=activity.title, party=party)


@router.command(
    "signup",
    "报名",
    "参加",
    "报名参加",
    "我要报名",
    "报上名",
    "要报名",
    slots=(
        Slot("activity", Kind.OBJECT, of="activity"),
        Slot("count", Kind.COUNT),
        Slot("on_behalf", Kind.PERSON),
        Slot("names", Kind.PEOPLE),
    ),
    writes=True,
    fillers=(
        "活动",
        "的活动",
        "那个活动",
        "参加",
        "报名",
        "一家",
        "全家",
        "都去",
        "位置",
        "名额",
        "一道",
        "俩",
        "那场",
        "这场",
    ),
    usage="报名 12 2人",
    gist="参加活动，可以带同伴",
    undo={"signup": _undo_signup, "change_signup": _undo_change},
)
def sign_up(turn: Turn) -> Answer:
    number = turn.slots.get("activity")
    if number is None:
        return say("nothing_open")
    activity = books.find_activity(turn.session, community_id=turn.community.id, number=number)
    if "on_behalf" in turn.slots:
        member = spoken_of(turn, turn.slots["on_behalf"])
        if is_oneself(turn.session, proxy=turn.who, member=member):
            member = _oneself(turn)
        return _one(turn, activity, member, turn.slots.get("count"))
    if "names" in turn.slots:
        return _several(turn, activity, turn.slots["names"])
    return _one(turn, activity, _oneself(turn), turn.slots.get("count"))


def _one(turn: Turn, activity: ActivityHere, member: Neighbour, count: int | None) -> Answer:
    """Signs one person up, with their companions, and says everything that there is to say of it."""
    before = books.own_signup(turn.session, activity=activity, member_id=member.id)
    # Saying it again without a number leaves the companions as they were.
    companions = max(0, count - 1) if count is not None else before.companions if before else 0
    result = _enter(turn, activity, member, companions)
    fields = {"name": _name(turn, member), "title": activity.title, "party": _party(result.companions)}
    if not result.changed:
        same = "same_asked" if result.state is SignupState.ASKED else "same"
        return Reply(say(same, number=activity.number, **fields), ref=activity.ref)
    if result.state is SignupState.ASKED:
        return Reply(_asked(turn, activity, member, result), ref=activity.ref)
    if result.state is SignupState.WAITING:
        then = say("will_tell") if turn.reaches else say("look_again", number=activity.number)
        text = say("waiting", place=result.place, then=then, **fields)
        return _with_care(turn, activity, member, Reply(text, activity.ref, _button("取消报名", activity)))
    if not result.first_time and not result.accepted:
        fields["party"] = _party(result.companions) or say("alone")
        return Reply(say("changed", left=_left(result.left), **fields), ref=activity.ref)
    text = say("done", left=_left(result.left), **_where(activity) | fields)
    burden = _burden(turn, activity, member)
    reply = Reply(f"{text}\n{burden}" if burden else text, activity.ref, _button("取消报名", activity))
    return _with_care(turn, activity, member, reply)


def _with_care(turn: Turn, activity: ActivityHere, member: Neighbour, reply: Reply) -> Reply:
    """The answer, with a kind word where it may be hard on an elder: alone, and never where others read it."""
    if member.id != turn.who.id:
        return reply  # they hear it beside what they are told of their sign-up
    if turn.group is not None:
        tell_care(turn, activity, member.id)
    elif line := cared_for(turn, activity, member.id):
        return Reply(f"{reply.text}\n{line}", reply.ref, care_buttons(activity.number))
    return reply


@dataclass(slots=True)
class _Party:
    """Those who are signed up together: who has a place, who waits, and how many places are left after them."""

    placed: list[str] = field(default_factory=list)
    waiting: list[tuple[str, int]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """What is said of those about whom whoever organises it decides."""
    left: int | None = None

    @property
    def names(self) -> list[str]:
        return [*self.placed, *(name for name, _ in self.waiting)]

    def note(self, name: str, result: SignedUp, *, first: bool = False) -> None:
        if result.state is SignupState.WAITING:
            self.waiting.append((name, result.place))
        elif result.state is not SignupState.ASKED:
            self.placed.insert(0 if first else len(self.placed), name)
        self.left = result.left


def _several(turn: Turn, activity: ActivityHere, names: list[str]) -> Answer:
    """Signs several people up by their names, each with a row of their own; who cannot have one comes along."""
    known, unnamed = _told_apart(turn, names)
    oneself = SELF in names or (
        bool(unnamed) and books.own_signup(turn.session, activity=activity, member_id=turn.who.id) is not None
    )
    if not known and not oneself:
        return say("nobody_known", names="、".join(unnamed), number=activity.number)
    party = _Party()
    for member in known:
        try:
            result = _enter(turn, activity, member, _companions(turn, activity, member))
        except NobodyToTell:
            if not oneself:
                raise
            unnamed.append(member.name)
        else:
            party.note(_name(turn, member), result)
            if result.state is SignupState.ASKED:
                party.asked.append(_asked(turn, activity, member, result))
    if oneself:
        count = turn.slots.get("count", 0) - 1 - len(party.names)
        me = _oneself(turn)
        companions = max(_companions(turn, activity, me), len(unnamed), count)
        result = _enter(turn, activity, me, companions)
        party.note(turn.shown, result, first=True)
        tell_care(turn, activity, me.id)
        if result.state is SignupState.ASKED:
            party.asked.append(_asked(turn, activity, me, result))
    lines = []
    if party.placed:
        with_them = _party(len(party.placed) + len(unnamed) - 1) if unnamed and oneself else ""
        fields = {"name": "、".join(party.placed), "party": with_them, "left": _left(party.left)}
        lines.append(say("done", **_where(activity) | fields))
    lines += [say("also_waiting", name=name, place=place) for name, place in party.waiting[:1]]
    lines += party.asked[:1]
    if unnamed and len(lines) < NAMED:
        names_ = "、".join(unnamed[:NAMED])
        what = "unnamed" if oneself else "nobody_known"
        lines.append(say(what, names=names_, number=activity.number))
    return Reply("\n".join(lines), ref=activity.ref)


def _companions(turn: Turn, activity: ActivityHere, member: Neighbour) -> int:
    before = books.own_signup(turn.session, activity=activity, member_id=member.id)
    return before.companions if before else 0


def _told_apart(turn: Turn, names: list[str]) -> tuple[list[Neighbour], list[str]]:
    """Who of these is known and may be signed up by the speaker, and the names of the others."""
    known: list[Neighbour] = []
    unnamed: list[str] = []
    for name in names:
        if name == SELF:
            continue
        try:
            member = spoken_of(turn, name)
        except (NoSuchMember, WhoseRelative):
            unnamed.append(name)
            continue
        if not is_oneself(turn.session, proxy=turn.who, member=member):
            known.append(member)
    return known, unnamed


def _enter(turn: Turn, activity: ActivityHere, member: Neighbour, companions: int) -> SignedUp:
    """Signs somebody up, writes it down, and tells whoever has to hear of it."""
    own = member.id == turn.who.id
    in_charge = not own and _in_charge(turn, activity)
    before = books.own_signup(turn.session, activity=activity, member_id=member.id)
    right = None
    if not own:
        if before is not None and companions != before.companions and not in_charge:
            _refuse_neighbours(turn, member, before)
        limits = turn.rules["proxies"]
        right = act_for(
            turn.session, proxy=turn.who, member=member, act="signup", ref=activity.ref, now=turn.now, limits=limits
        ).right
    away = not in_charge and _too_often_away(turn, member.id)
    if before is not None and before.state is SignupState.ASKED and not away:
        # Nobody has to be asked any more: they did come the last time, as it has turned out, or it is long ago.
        books.cancel_signup(
            turn.session, activity=activity, member_id=member.id, by=turn.who.id, now=turn.now, in_charge=True
        )
        before = None
    result = _sign_up(turn, activity, member.id, companions, right=right, in_charge=in_charge, asks=away)
    _move_up(turn, activity, result.promoted)
    if not result.changed:
        return result
    if result.accepted:
        end_offer(turn, activity, member.id)
    detail: dict[str, Any] = {"activity": activity.number, "companions": companions, "state": result.state}
    if not own:
        detail["member"] = member.id
    if before is None:
        turn.wrote("signup", result.id, **detail)
    elif result.accepted and companions == before.companions:
        turn.wrote("take_place", result.id, **detail)
    else:
        turn.wrote("change_signup", result.id, before=before.companions, **detail)
    if not own:
        _tell_signed_up(turn, activity, member, result)
    return result


def _refuse_neighbours(turn: Turn, member: Neighbour, before: books.Own | None) -> None:
    """What stands for somebody is changed by nobody but themselves, family, those in charge, and who wrote it."""
    if before is None or before.made_by == turn.who.id:
        return
    if right_over(turn.session, proxy=turn.who, member=member, now=turn.now) is Right.NEIGHBOUR:
        raise NotForNeighbours(name=turn.named(member))


def _sign_up(turn: Turn, activity: ActivityHere, member_id: int, companions: int, **how: Any) -> SignedUp:
    return books.sign_up(
        turn.session,
        activity=activity,
        member_id=member_id,
        companions=companions,
        made_by=turn.who.id,
        now=turn.now,
        companions_max=turn.rules["activities"].companions_max,
        **how,
    )


def _tell(turn: Turn, member_id: int, what: str, activity: ActivityHere, *, key: str, **fields: object) -> None:
    """Tells somebody what happened to their sign-up, with a button for the word that the sentence offers."""
    if not has_account(turn.session, community_id=turn.community.id, member_id=member_id):
        return
    word = {"told_cancelled": "报名", "told_undone": ""}.get(what, "取消报名")
    turn.tell(
        member_id,
        say(what, **_where(activity) | fields),
        key=key,
        ref=activity.ref,
        expires_hours=TOLD_HOURS,
        buttons=_button(word, activity) if word else (),
    )


def _tell_signed_up(turn: Turn, activity: ActivityHere, member: Neighbour, result: SignedUp) -> None:
    if result.state is SignupState.ASKED:
        return  # they hear of it when it is decided
    what = "told_signup" if result.first_time or result.accepted else "told_changed"
    if result.state is SignupState.WAITING and result.first_time:
        what = "told_waiting"
    key = f"signed-up:{result.id}:{turn.incoming.message_id[-60:]}"
    fields = {"party": _party(result.companions), "count": 1 + result.companions, "queue": result.place}
    _tell(turn, member.id, what, activity, key=key, name=turn.who.name, **fields)
    tell_care(turn, activity, member.id)


def _burden(turn: Turn, activity: ActivityHere, member: Neighbour) -> str:
    """What else they are signed up for, where it may be too much; nothing is refused."""
    rules = turn.rules["activities"]
    others = books.others_near(turn.session, activity=activity, member_id=member.id)
    found = books.burden_of(activity, others, day_hours_max=rules.day_hours_max, gap_minutes_min=rules.gap_minutes_min)
    if found is None:
        return ""
    if found.burden is Burden.LONG:
        return say("burden_long", span=spoken_minutes(found.minutes))
    fields = {"number": found.other.number, "title": found.other.title, "when": spoken(found.other.starts_at)}
    if found.burden is Burden.CLASH:
        return say("burden_clash", **fields)
    return say("burden_tight", minutes=found.minutes, **fields)


# -- one's own ----------------------------------------


@router.command(
    "my_signups",
    *("我的报名", "我的活动", "我报了什么", "我报了啥", "我报了哪些", "我报了哪些活动", "我报了哪个", "我报名了吗"),
    *("我报了吗", "我报上了吗", "我报上名了吗", "我报过什么", "我参加了哪些活动"),
    overheard=False,
    rare=True,
    usage="我的报名",
    gist="我报了哪些活动，候补排到第几位",
)
def my_signups(turn: Turn) -> Answer:
    own = books.signed_up_for(turn.session, community_id=turn.community.id, member_id=turn.who.id, now=turn.now)
    if not own:
        return say("mine_none")
    later = "、".join(say("mine_other", number=one.number, title=one.title) for one in own[NAMED:])
    others = say("mine_others", names=later) if later else ""
    more = say("mine_more", others=others, number=own[0].number)
    return "\n".join([*(_own_line(turn, one) for one in own[:NAMED]), more])


def _own_line(turn: Turn, activity: ActivityHere) -> str:
    own = books.own_signup(turn.session, activity=activity, member_id=turn.who.id)
    assert own is not None
    until = spoken(own.until) if own.until else ""
    state = "" if own.state is SignupState.CONFIRMED else say(
        f"mine_{own.state}", number=activity.number, place=own.place, until=until
    )  # fmt: skip
    return say("mine_line", party=_party(own.companions), state=state, **_where(activity))


# -- who did not come lately ----------------------------------------


def _too_often_away(turn: Turn, member_id: int) -> bool:
    most = turn.rules["activities"].absences_max
    return bool(most) and len(_absences(turn, member_id)) >= most


def _absences(turn: Turn, member_id: int) -> list[str]:
    """The activities to which somebody did not come, as they are told: `10月3日 清洁家园`."""
    away = absences_of(
        turn.session,
        community_id=turn.community.id,
        member_id=member_id,
        now=turn.now,
        days=turn.rules["activities"].absences_days,
    )
    return [f"{short_day(one.starts_at)} {one.title}" for one in away]


def _asked(turn: Turn, activity: ActivityHere, member: Neighbour, result: SignedUp) -> str:
    """Asks whoever organises it; why, is said to the person alone and to nobody else."""
    away = _absences(turn, member.id)
    fields = {"title": activity.title, "count": len(away), "which": "、".join(away[-NAMED:])}
    notice = say("ask_notice", name=member.name, number=result.number, party=_party(result.companions), **fields)
    for organiser in _organisers(turn, activity):
        turn.tell(
            organiser,
            notice,
            key=f"asked:{result.id}:{organiser}",
            ref=activity.ref,
            expires_hours=TOLD_HOURS,
            buttons=(Button("通过", f"通过 {result.number}"),),
        )
    why = say("asked", name=member.name, then=say("asked_then" if turn.reaches else "asked_aloud"), **fields)
    if member.id == turn.who.id and turn.group is None:
        return why
    if has_account(turn.session, community_id=turn.community.id, member_id=member.id):
        turn.tell(member.id, why, key=f"asked:{result.id}:{member.id}", ref=activity.ref, expires_hours=TOLD_HOURS)
    return say("asked_aside", name=_name(turn, member), title=activity.title)


# -- leaving ----------------------------------------


def _undo_cancel(turn: Turn, act: Act) -> str:
    activity, member_id, companions = books.activity_by_signup(
        turn.session, community_id=turn.community.id, signup_id=act.row
    )
    again = _sign_up(turn, activity, member_id, companions, in_charge=True)
    note = say("now_waiting", place=again.place) if again.state is SignupState.WAITING else ""
    if member_id != turn.who.id:
        _tell(
            turn, member_id, "told_signup", activity, key=f"undone:{act.id}", name=turn.who.name,
            party=_party(companions),
        )  # fmt: skip
    return say("undone_cancel", title=activity.title, note=note)


def _undo_decline(turn: Turn, act: Act) -> str:
    activity, member_id = books.activity_by_decline(turn.session, community_id=turn.community.id, decline_id=act.row)
    books.withdraw_decline(turn.session, activity=activity, member_id=member_id, now=turn.now)
    return say("undone_decline", title=activity.title)


@router.command(
    "cancel_signup",
    "取消报名",
    "退出活动",
    "不参加了",
    "退出报名",
    "退报名",
    "撤销报名",
    "不报名了",
    "取消参加",
    "退活动",
    slots=(
        Slot("activity", Kind.OBJECT, of="activity"),
        Slot("on_behalf", Kind.PERSON),
        Slot("reason", Kind.REASON),
    ),
    writes=True,
    fillers=("活动", "的活动", "那个活动", "报名", "的报名", "那天", "那场", "这场", "可能", "怕是", "取消", "参加"),
    usage="取消报名 12",
    gist="来不了就说一声，把位置让出来",
    chooses=True,
    undo={"cancel_signup": _undo_cancel, "decline": _undo_decline},
)
def cancel_signup(turn: Turn) -> Answer:
    number = turn.slots.get("activity")
    member = spoken_of(turn, turn.slots["on_behalf"]) if "on_behalf" in turn.slots else _oneself(turn)
    if is_oneself(turn.session, proxy=turn.who, member=member):
        member = _oneself(turn)
    if number is None:
        own = books.signed_up_for(turn.session, community_id=turn.community.id, member_id=member.id, now=turn.now)
        if not own:
            return say("not_signed_up")
        if len(own) > 1:
            return _which_cancel(own[:3])
        number = own[0].number
    activity = books.find_activity(turn.session, community_id=turn.community.id, number=number)
    return _leave(turn, activity, member)


def _which_cancel(own: list[ActivityHere]) -> Ask:
    lines = [
        say("choice", index=index, number=activity.number, title=activity.title)
        for index, activity in enumerate(own, 1)
    ]
    options = tuple(activity.number for activity in own)
    return Ask(say("which_cancel", choices="\n".join(lines)), slot="activity", options=options)


def _leave(turn: Turn, activity: ActivityHere, member: Neighbour) -> Answer:
    own = member.id == turn.who.id
    in_charge = _in_charge(turn, activity)
    before = books.own_signup(turn.session, activity=activity, member_id=member.id)
    if before is None:
        if not own:
            raise NotSignedUp(number=activity.number, title=activity.title)
        return _decline(turn, activity)
    if not own:
        if not in_charge:
            _refuse_neighbours(turn, member, before)
        act_for(
            turn.session, proxy=turn.who, member=member, act="cancel_signup", ref=activity.ref, now=turn.now,
            limits=turn.rules["proxies"],
        )  # fmt: skip
    try:
        left = books.cancel_signup(
            turn.session, activity=activity, member_id=member.id, by=turn.who.id, now=turn.now, in_charge=in_charge,
            declines=True,
        )  # fmt: skip
    except ListLocked:
        return _ask_to_leave(turn, activity, member)
    end_offer(turn, activity, member.id)
    if own:
        end_care(turn, activity)
    detail = {} if own else {"member": member.id}
    turn.wrote("cancel_signup", left.id, activity=activity.number, **detail)
    _move_up(turn, activity, left.promoted)
    fields = {"name": _name(turn, member), "title": activity.title}
    if not own:
        key = f"left:{left.id}"
        _tell(turn, member.id, "told_cancelled", activity, key=key, name=turn.who.name)
    elif left.late and not in_charge:
        _tell_organisers(turn, activity, "late_notice", key=f"late:{left.id}", name=member.name)
        until = min(activity.leave_until or activity.starts_at, activity.starts_at)
        return Reply(say("cancelled_late", until=spoken(until), **fields), ref=activity.ref)
    return Reply(say("cancelled", **fields), activity.ref, _button("报名", activity))


def _decline(turn: Turn, activity: ActivityHere) -> Reply:
    said = books.decline(turn.session, activity=activity, member_id=turn.who.id, by=turn.who.id, now=turn.now)
    if said.changed:
        turn.wrote("decline", said.id, activity=activity.number)
    what = "declined" if said.changed else "declined_already"
    return Reply(say(what, name=turn.shown, title=activity.title, number=activity.number), ref=activity.ref)


def _ask_to_leave(turn: Turn, activity: ActivityHere, member: Neighbour) -> str:
    """The list is closed: whoever organises it takes them off, and nobody else."""
    key = f"leave:{activity.id}:{member.id}"
    _tell_organisers(turn, activity, "leave_notice", key=key, name=member.name)
    return say("locked_out" if turn.reaches else "locked_aloud", title=activity.title)


def _tell_organisers(turn: Turn, activity: ActivityHere, what: str, *, key: str, name: str) -> None:
    for organiser in _organisers(turn, activity):
        turn.tell(organiser, say(what, **_where(activity) | {"name": name}), key=f"{key}:{organiser}", ref=activity.ref)


def _move_up(turn: Turn, activity: ActivityHere, promoted: tuple[books.Promoted, ...]) -> None:
    for moved in promoted:
        tell_promoted(turn, activity, moved)


def day_before(
    activity: ActivityHere, companions: int, name: str, now: datetime, rules: Mapping[str, Any]
) -> tuple[str, Button]:
    """What is said a day ahead to somebody who comes, or to who signed them up: then `name` says whom."""
    leave = f"替 {name} 取消报名 {activity.number}" if name else f"取消报名 {activity.number}"
    fields = _where(activity) | {
        "when": _soon(activity.starts_at, now),
        "party": _party(companions),
        "name": name,
        "heat": say("heat") if is_hot(activity, rules) else "",
    }
    return say("day_before_for" if name else "day_before", **fields), Button("来不了", leave)


def _soon(moment: datetime, now: datetime) -> str:
    days = (day_of(moment) - day_of(now)).days
    word = {0: "activities.today", 1: "activities.tomorrow"}.get(days)
    return sentence(word, time=clock_time(moment)) if word else spoken(moment)
