"""广播列表, 广播状态, 催办: what became of a notice, who has not answered, and how they are reminded."""

from collections.abc import Sequence

from handlers.broadcast.words import DOORS, NAMED, places, reminding, rooms, voice_of
from handlers.chat import Answer, Ask, Reply, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from models import broadcast as books
from models.broadcast import BroadcastState, CopyState, Household, Houses, NoSuchBroadcast, Notice, Tally
from models.clock import spoken
from models.members import Role
from models.privacy import Private, looked
from models.reach import everybody_reached, reach_in
from models.units import covers, find_unit

say = Texts(
    "broadcast",
    list_line="{number}号 {title}（{target}，{state}）",
    none="还没有广播过。要发请说 广播 3栋 明天停水 回执。",
    state_draft="等人点头",
    state_confirmed="等到点发",
    state_series="{said}，下次{when}",
    state_sending="正在发",
    state_sent="已发",
    state_partly_failed="有的没发到",
    state_unknown="有的不知道发到没有",
    state_cancelled="没有发",
    state_waiting="等人转发",
    status="{number}号「{title}」{state}。",
    status_places="{number}号「{title}」{state}：{places}。",
    status_receipts="回执{homes}/{all}户（{people}人）。",
    status_in_unit="{unit}回执{homes}/{all}户（{people}人）。",
    status_silent="还没回的{homes}户：{names}。",
    status_silent_more="还没回的{homes}户：{names}等，看一处的请发 广播状态 {number} 加楼栋单元。",
    status_private="谁还没回，请私聊我看。",
    status_alone="{number}号是私信发的，情况请私聊我看。",
    status_foot="催一催请发 催办 {number}。",
    status_which="是几号广播？请回复序号：\n{choices}",
    status_choice="{index} {number}号 {title}",
    status_nothing="您管的广播里没有在等回执的。",
    status_hand="转发好了请回复 已发 {number}。",
    reminded="第{time}次催办已发：{homes}户{people}人。",
    reminded_nobody="这{homes}户我都联系不上，要上门说：{names}。",
    reminded_knock="联系不上的{homes}户已告诉楼长上门。",
)

router = Router("broadcast")

LISTED = 3


@router.command(
    "list_broadcasts", "广播列表", "广播清单", "通知列表", "有哪些广播", "发过哪些广播",
    role=Role.BUILDING_LEAD, overheard=False, usage="广播列表", gist="近期发过和定好的广播",
)  # fmt: skip
def list_broadcasts(turn: Turn) -> Answer:
    series = books.series_of(turn.session, community_id=turn.community.id)
    last = books.last_broadcasts(turn.session, community_id=turn.community.id, limit=40)
    shown = [
        one
        for one in dict.fromkeys([*last, *series])
        # Whoever leads some of those whom it is for looks after their answers.
        if (books.in_charge(turn.who, one) or (one.sent_at is not None and _touched(turn, one)))
        and not (one.private and turn.group is not None)
    ]
    if not shown:
        return say("none")
    lines = [
        say("list_line", number=one.number, title=one.title, target=one.target, state=_state(one))
        for one in shown[:LISTED]
    ]
    more = "、".join(f"{one.number}号{one.title}" for one in shown[LISTED : LISTED + 6])
    return "\n".join(lines) + (f"\n{more}" if more else "")


def _state(notice: Notice) -> str:
    if notice.rule and notice.state is BroadcastState.CONFIRMED:
        return say("state_series", said=notice.said, when=spoken(notice.due_at))
    return say(f"state_{notice.state}")


REMINDING = ("催办", "催一下", "催一催", "催没回的", "再催一遍", "提醒没回的")


@router.command(
    "broadcast_status", "广播状态", "广播情况", "通知状态", "回执情况", "回执统计", "多少人收到了", "多少人收到",
    "几个人收到", "几个人收到了", "谁没收到", "谁还没收到", "谁没回", "谁没回复", "谁还没回", "哪些人没回",
    "还有谁没回", "有多少人回了", "收到情况", "多少人回复了", "多少人回了", "回执多少", "送达情况", "发出去没有",
    "发出去了吗", "发送情况", "发了没有", *REMINDING, "多少人看了", "还差谁没回", "没回的有谁", "收到率", "回执率",
    slots=(
        Slot("broadcast", Kind.OBJECT, of="broadcast", required=True, ask="是几号广播？看看有哪些请发 广播列表。"),
        Slot("unit", Kind.UNIT),
    ),
    chooses=True,
    implies={word: {"remind": True} for word in REMINDING},
    fillers=("通知", "广播", "的", "有", "那条", "没回的", "还没回的", "了", "人", "还", "那个", "没回复的", "回执",
        "多少", "的人"),
    aloud=("广播状态", "催办"), role=Role.PROPERTY, overheard=False, writes=True,
    usage="广播状态 7", gist="发到了没有，谁还没回；催一催发 催办 7",
)  # fmt: skip
def broadcast_status(turn: Turn) -> Answer:
    number = turn.slots.get("broadcast")
    if number is None:
        waiting = _waiting(turn)
        if len(waiting) != 1 or turn.slots.get("remind"):
            # Whoever is to be reminded is never guessed.
            return _which(waiting) if waiting else say("status_nothing")
        number = waiting[0].number
    notice = books.find_broadcast(turn.session, community_id=turn.community.id, number=number)
    paths = _scope(turn, notice)
    if turn.slots.get("remind"):
        return _remind(turn, notice, paths)
    if notice.private and turn.group is not None:
        return say("status_alone", number=notice.number)
    return Reply("\n".join(_status(turn, notice, paths)), ref=notice.ref)


def _waiting(turn: Turn) -> list[Notice]:
    """What waits for receipts that this person may ask about, the newest first; in a group what a group may know."""
    every = books.shown_broadcasts(turn.session, community_id=turn.community.id, now=turn.now)
    asked = [
        one
        for one in every
        if one.takes_receipts(turn.now)
        and (books.in_charge(turn.who, one) or one.made_by == turn.who.id or _touched(turn, one))
        and not (one.private and turn.group is not None)
    ]
    return sorted(asked, key=lambda one: one.number, reverse=True)


def _which(waiting: list[Notice]) -> Ask:
    lines = [
        say("status_choice", index=index, number=one.number, title=one.title)
        for index, one in enumerate(waiting[:LISTED], 1)
    ]
    options = tuple(one.number for one in waiting[:LISTED])
    return Ask(say("status_which", choices="\n".join(lines)), slot="broadcast", options=options)


def _scope(turn: Turn, notice: Notice) -> list[str]:
    """The unit paths of which this person may know who has not answered. Raises NoSuchBroadcast for nobody's."""
    touched = _touched(turn, notice)
    if not touched and not books.in_charge(turn.who, notice) and notice.made_by != turn.who.id:
        raise NoSuchBroadcast(number=notice.number)
    if "unit" in turn.slots:
        unit = find_unit(turn.session, community_id=turn.community.id, name=turn.slots["unit"])
        touched = [unit.path] if any(covers(path, unit.path) for path in touched) else []
    return touched


def _touched(turn: Turn, notice: Notice) -> list[str]:
    """The unit paths that this person leads and in which a notice may have somebody whom it is for."""
    return [
        path
        for path in books.led_by(turn.who, notice.least)
        if any(covers(path, part.unit.path) or covers(part.unit.path, path) for part in books.meant(notice.parts))
    ]


def _status(turn: Turn, notice: Notice, paths: list[str]) -> list[str]:
    copies = books.copies_of(turn.session, notice)
    fields = {"number": notice.number, "title": notice.title, "state": _state(notice)}
    lines = [say("status_places", places=places(copies), **fields) if copies else say("status", **fields)]
    if notice.wants_receipts and notice.sent_at is not None:
        counted = books.tally(turn.session, notice=notice, now=turn.now, paths=paths or [""])
        figures = {
            "homes": counted.answered_households,
            "all": counted.households,
            "people": counted.answered_people,
        }
        if "unit" in turn.slots and paths:
            lines.append(say("status_in_unit", unit=turn.slots["unit"], **figures))
        else:
            lines.append(say("status_receipts", **figures))
        if counted.silent and paths:
            lines.append(_silent(turn, notice, counted) if turn.group is None else say("status_private"))
            if notice.takes_receipts(turn.now):
                lines.append(say("status_foot", number=notice.number))
    if any(copy.state is CopyState.BY_HAND for copy in copies):
        lines = [*lines[:3], say("status_hand", number=notice.number)]
    return lines


def _silent(turn: Turn, notice: Notice, counted: Tally) -> str:
    """Who has not answered, by room: for those in charge alone, and written down as a look."""
    shown = counted.silent[:NAMED]
    looked(
        turn.session,
        community_id=turn.community.id,
        viewer_id=turn.who.id,
        what=[Private.ROOM],
        now=turn.now,
        members=[one.id for home in shown for one in home.people],
        channel=turn.incoming.channel,
        message_id=turn.incoming.message_id,
    )
    names = rooms(_houses(turn, shown))
    name = "status_silent_more" if len(counted.silent) > NAMED else "status_silent"
    return say(name, homes=len(counted.silent), names=names, number=notice.number)


def _houses(turn: Turn, homes: Sequence[Household]) -> Houses:
    return books.by_house(turn.session, community_id=turn.community.id, homes=homes)


def _remind(turn: Turn, notice: Notice, paths: list[str]) -> Answer:
    if not paths:
        raise NoSuchBroadcast(number=notice.number)
    reachable = everybody_reached(turn.session, community_id=turn.community.id, reach=reach_in(turn.rules))
    done = books.remind(
        turn.session,
        notice=notice,
        paths=paths,
        by=turn.who.id,
        reachable=reachable,
        now=turn.now,
        settings=turn.rules["broadcast"],
        quiet_until=reach_in(turn.rules).quiet_until(turn.now),
    )
    turn.wrote("remind", notice.number, households=done.households)
    books.post_reminder(
        turn.session,
        notice=notice,
        done=done,
        reminding=reminding(notice, voice_of(turn, notice)),
        now=turn.now,
        settings=turn.rules["broadcast"],
    )
    lines = []
    if done.people:
        homes = done.households - len(done.unreachable)
        lines.append(say("reminded", time=done.time, homes=homes, people=len(done.people)))
        if done.unreachable:
            lines.append(say("reminded_knock", homes=len(done.unreachable)))
    elif turn.group is None:
        names = rooms(_houses(turn, done.unreachable), most=DOORS)
        lines.append(say("reminded_nobody", homes=len(done.unreachable), names=names))
    else:
        lines.append(say("reminded_knock", homes=len(done.unreachable)))
    return Reply("\n".join(lines), ref=notice.ref)
