"""取消报名: somebody leaves, says that they cannot come, or asks whoever has the list to take them off."""

from handlers.chat import Answer, Ask, Reply, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from handlers.shared.care import end_care
from handlers.shared.people import spoken_of
from handlers.shared.places import end_offer
from handlers.signing.entering import put_down, refuse_neighbours
from handlers.signing.telling import move_up, tell
from handlers.signing.wording import button, decides_about, name_of, organisers_of, party_of, speaker, where
from models import activities as books
from models.activities import ActivityHere, ListLocked, NotSignedUp, SignupState
from models.audit import Act
from models.clock import spoken
from models.members import Neighbour
from models.proxies import act_for, is_oneself

say = Texts(
    "signing",
    cancelled="已取消 {name} 的「{title}」报名。谢谢告诉大家！",
    cancelled_late="已取消 {name} 的「{title}」报名。\n"
    "已经过了退出的时间（{until}），这次会算没来；有特殊情况请和社区说。",
    late_notice="{name} 刚退出「{title}」（{when}），已经过了退出的时间。",
    leave_notice="{name} 说来不了「{title}」（{when}），名单已经锁定。\n同意请回复 替 {name} 取消报名 {number}。",
    declined="记下了，{name} 这次不来「{title}」，不再问您。想来了随时发 报名 {number}。",
    declined_already="已经记着了，{name} 这次不来「{title}」。想来了随时发 报名 {number}。",
    locked_out="「{title}」的名单已经定了，我转告组织的同志，请等回话。",
    locked_aloud="「{title}」的名单已经定了，来不了请直接告诉社区。",
    not_signed_up="您现在没有报名的活动，不用取消。",
    which_cancel="您报名了好几个，要取消哪一个？请回复序号：\n{choices}",
    choice="{index} {number}号 {title}",
    undone_cancel="已恢复「{title}」的报名{note}。",
    undone_decline="已撤销，「{title}」您来不来还没有定。",
    now_waiting="，现在排在候补第{place}位",
)

router = Router("signing")


def _undo_cancel(turn: Turn, act: Act) -> str:
    activity, member_id, companions = books.activity_by_signup(
        turn.session, community_id=turn.community.id, signup_id=act.row
    )
    again = put_down(turn, activity, member_id, companions, in_charge=True)
    note = say("now_waiting", place=again.place) if again.state is SignupState.WAITING else ""
    if member_id != turn.who.id:
        tell(
            turn, member_id, "told_signup", activity, key=f"undone:{act.id}", name=turn.who.name,
            party=party_of(companions),
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
    member = spoken_of(turn, turn.slots["on_behalf"]) if "on_behalf" in turn.slots else speaker(turn)
    if is_oneself(turn.session, proxy=turn.who, member=member):
        member = speaker(turn)
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
    in_charge = decides_about(turn, activity)
    before = books.own_signup(turn.session, activity=activity, member_id=member.id)
    if before is None:
        if not own:
            raise NotSignedUp(number=activity.number, title=activity.title)
        return _decline(turn, activity)
    if not own:
        if not in_charge:
            refuse_neighbours(turn, member, before)
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
    move_up(turn, activity, left.promoted)
    fields = {"name": name_of(turn, member), "title": activity.title}
    if not own:
        key = f"left:{left.id}"
        tell(turn, member.id, "told_cancelled", activity, key=key, name=turn.who.name)
    elif left.late and not in_charge:
        _tell_organisers(turn, activity, "late_notice", key=f"late:{left.id}", name=member.name)
        until = min(activity.leave_until or activity.starts_at, activity.starts_at)
        return Reply(say("cancelled_late", until=spoken(until), **fields), ref=activity.ref)
    return Reply(say("cancelled", **fields), activity.ref, button("报名", activity))


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
    for organiser in organisers_of(turn, activity):
        turn.tell(organiser, say(what, **where(activity) | {"name": name}), key=f"{key}:{organiser}", ref=activity.ref)
