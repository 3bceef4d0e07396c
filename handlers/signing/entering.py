"""报名: one's own, for others and with others."""

from dataclasses import dataclass, field, replace
from typing import Any

from handlers.chat import Answer, Reply, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from handlers.shared.burdens import burden_line
from handlers.shared.care import care_buttons, cared_for, tell_care
from handlers.shared.people import spoken_of
from handlers.shared.places import end_offer
from handlers.signing.absent import asked, too_often_away
from handlers.signing.telling import move_up, tell
from handlers.signing.wording import NAMED, button, decides_about, left_of, name_of, party_of, speaker, where
from models import activities as books
from models.activities import ActivityHere, SignedUp, SignupState
from models.audit import Act
from models.members import Neighbour, NoSuchMember, member_by_id
from models.proxies import NobodyToTell, NotForNeighbours, Right, WhoseRelative, act_for, is_oneself, right_over

say = Texts(
    "signing",
    nothing_open="现在没有可以报名的活动。看看有哪些活动，请发 活动。",
    done="已给 {name} 报名「{title}」{party}{left}。\n{when}，{place}。",
    alone="（1人）",
    waiting="「{title}」名额不够了，{name} 排在候补第{place}位{party}。\n{then}",
    will_tell="有空位我会告诉您。",
    look_again="有没有空位，请发 活动 {number} 看。",
    same="{name} 已经报过「{title}」了{party}，不用再报。",
    same_asked="{name} 报「{title}」在等组织的同志点头，有结果告诉您。不去了请发 取消报名 {number}。",
    changed="已改：{name} 报名「{title}」{party}{left}。",
    also_waiting="{name} 排在候补第{place}位。",
    unnamed="{names} 没有另外登记，算您的同伴。",
    nobody_known="没有找到 {names}，没有报上。同行的人可以写人数，例如 报名 {number} 2人。",
    undone_signup="已撤销「{title}」的报名。",
    undone_signup_for="已撤销 {name} 的「{title}」报名。",
    undone_change="已改回：{name} 报名「{title}」{party}。",
)

router = Router("signing")

SELF = "self"
"""The speaker, among the names of those who come."""


def _undo_signup(turn: Turn, act: Act) -> str:
    activity, member_id, _ = books.activity_by_signup(turn.session, community_id=turn.community.id, signup_id=act.row)
    left = books.cancel_signup(turn.session, activity=activity, member_id=member_id, by=turn.who.id, now=turn.now)
    move_up(turn, activity, left.promoted)
    if member_id == turn.who.id:
        return say("undone_signup", title=activity.title)
    tell(turn, member_id, "told_undone", activity, key=f"undone:{act.id}", name=turn.who.name)
    member = member_by_id(turn.session, community_id=turn.community.id, member_id=member_id)
    return say("undone_signup_for", title=activity.title, name=turn.named(member))


def _undo_change(turn: Turn, act: Act) -> str:
    activity, member_id, _ = books.activity_by_signup(turn.session, community_id=turn.community.id, signup_id=act.row)
    again = put_down(turn, activity, member_id, act.detail["before"], in_charge=True)
    move_up(turn, activity, again.promoted)
    party = party_of(again.companions) or say("alone")
    member = member_by_id(turn.session, community_id=turn.community.id, member_id=member_id)
    return say("undone_change", name=name_of(turn, member), title=activity.title, party=party)


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
            member = speaker(turn)
        return _one(turn, activity, member, turn.slots.get("count"))
    if "names" in turn.slots:
        return _several(turn, activity, turn.slots["names"])
    return _one(turn, activity, speaker(turn), turn.slots.get("count"))


def _one(turn: Turn, activity: ActivityHere, member: Neighbour, count: int | None) -> Answer:
    """Signs one person up, with their companions, and says everything that there is to say of it."""
    before = books.own_signup(turn.session, activity=activity, member_id=member.id)
    # Saying it again without a number leaves the companions as they were.
    companions = max(0, count - 1) if count is not None else before.companions if before else 0
    result = _enter(turn, activity, member, companions)
    fields = {"name": name_of(turn, member), "title": activity.title, "party": party_of(result.companions)}
    if not result.changed:
        same = "same_asked" if result.state is SignupState.ASKED else "same"
        return Reply(say(same, number=activity.number, **fields), ref=activity.ref)
    if result.state is SignupState.ASKED:
        return Reply(asked(turn, activity, member, result), ref=activity.ref)
    if result.state is SignupState.WAITING:
        then = say("will_tell") if turn.reaches else say("look_again", number=activity.number)
        text = say("waiting", place=result.place, then=then, **fields)
        return _with_care(turn, activity, member, Reply(text, activity.ref, button("取消报名", activity)))
    if not result.first_time and not result.accepted:
        fields["party"] = party_of(result.companions) or say("alone")
        return Reply(say("changed", left=left_of(result.left), **fields), ref=activity.ref)
    text = say("done", left=left_of(result.left), **where(activity) | fields)
    return _with_care(turn, activity, member, Reply(text, activity.ref, button("取消报名", activity)), burdens=True)


def _with_care(turn: Turn, activity: ActivityHere, member: Neighbour, reply: Reply, *, burdens: bool = False) -> Reply:
    """The answer, with a kind word where it may be hard on an elder: alone, and never where others read it.

    With `burdens` it says as well where it may be too much beside what else somebody is signed up for.
    """
    own, aloud = member.id == turn.who.id, turn.group is not None
    line, told = "", False
    if own and aloud:
        told = tell_care(turn, activity, member.id)
    elif own:
        # Whoever is signed up by somebody else hears it beside what they are told of that.
        line = cared_for(turn, activity, member.id)
    burden = ""
    if burdens:
        burden = burden_line(turn.session, turn.rules, activity, member.id, cared_for=told or bool(line))
    text = "\n".join(filter(None, (reply.text, burden, line)))
    return replace(reply, text=text, buttons=care_buttons(activity.number) if line else reply.buttons)


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
            party.note(name_of(turn, member), result)
            if result.state is SignupState.ASKED:
                party.asked.append(asked(turn, activity, member, result))
    if oneself:
        count = turn.slots.get("count", 0) - 1 - len(party.names)
        me = speaker(turn)
        companions = max(_companions(turn, activity, me), len(unnamed), count)
        result = _enter(turn, activity, me, companions)
        party.note(turn.shown, result, first=True)
        tell_care(turn, activity, me.id)
        if result.state is SignupState.ASKED:
            party.asked.append(asked(turn, activity, me, result))
    lines = []
    if party.placed:
        with_them = party_of(len(party.placed) + len(unnamed) - 1) if unnamed and oneself else ""
        fields = {"name": "、".join(party.placed), "party": with_them, "left": left_of(party.left)}
        lines.append(say("done", **where(activity) | fields))
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
    in_charge = not own and decides_about(turn, activity)
    before = books.own_signup(turn.session, activity=activity, member_id=member.id)
    right = None
    if not own:
        if before is not None and companions != before.companions and not in_charge:
            refuse_neighbours(turn, member, before)
        limits = turn.rules["proxies"]
        right = act_for(
            turn.session, proxy=turn.who, member=member, act="signup", ref=activity.ref, now=turn.now, limits=limits
        ).right
    away = not in_charge and too_often_away(turn, member.id)
    if before is not None and before.state is SignupState.ASKED and not away:
        # Nobody has to be asked any more: they did come the last time, as it has turned out, or it is long ago.
        books.cancel_signup(
            turn.session, activity=activity, member_id=member.id, by=turn.who.id, now=turn.now, in_charge=True
        )
        before = None
    result = put_down(turn, activity, member.id, companions, right=right, in_charge=in_charge, asks=away)
    move_up(turn, activity, result.promoted)
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


def refuse_neighbours(turn: Turn, member: Neighbour, before: books.Own | None) -> None:
    """What stands for somebody is changed by nobody but themselves, family, those in charge, and who wrote it."""
    if before is None or before.made_by == turn.who.id:
        return
    if right_over(turn.session, proxy=turn.who, member=member, now=turn.now) is Right.NEIGHBOUR:
        raise NotForNeighbours(name=turn.named(member))


def put_down(turn: Turn, activity: ActivityHere, member_id: int, companions: int, **how: Any) -> SignedUp:
    """Puts somebody on the list, or changes what stands there, as the speaker."""
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


def _tell_signed_up(turn: Turn, activity: ActivityHere, member: Neighbour, result: SignedUp) -> None:
    if result.state is SignupState.ASKED:
        return  # they hear of it when it is decided
    what = "told_signup" if result.first_time or result.accepted else "told_changed"
    if result.state is SignupState.WAITING and result.first_time:
        what = "told_waiting"
    key = f"signed-up:{result.id}:{turn.incoming.message_id[-60:]}"
    fields = {"party": party_of(result.companions), "count": 1 + result.companions, "queue": result.place}
    tell(turn, member.id, what, activity, key=key, name=turn.who.name, **fields)
    tell_care(turn, activity, member.id)
