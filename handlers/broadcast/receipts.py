"""收到: somebody has had a notice, by their own word, by their family's, or by that of whoever asked at the door."""

from handlers.broadcast.notes import leads_home, note_home
from handlers.chat import Answer, Ask, Reply, Router, Texts, Turn
from handlers.language.roll_call import NOT_MET
from handlers.language.slots import Kind, Slot
from handlers.shared.people import spoken_of
from models import broadcast as books
from models.audit import Act
from models.broadcast import Notice, Way, way_for
from models.members import Role, find_member
from models.members.merging import one_person
from models.units import find_unit

say = Texts(
    "broadcast",
    thanks="记下了，谢谢。",
    thanks_for="记下了，{name}的也收到了，谢谢。",
    nobody_met="家里没人",
    not_met="家里没人的不算收到，没有记。\n问到了请发 收到 {number}{home}。",
    again="已经记过了，不用再回。",
    again_for="{name}的已经记过了。",
    nothing_open="现在没有等回执的通知。",
    which_receipt="是哪一条？请回复序号：\n{choices}",
    choice="{index} {number}号 {title}",
    untitled="私信您的那条",
    not_family="只能替自己和家人回。{name}要本人说，或请楼长代记；登记家人请私聊我发 家人 加姓名。",
    no_home="{unit}{room}没有登记的人。请核对楼栋房号。",
    undone_receipt="已撤回{number}号的回执。",
)

router = Router("broadcast")


def _undo_receipt(turn: Turn, act: Act) -> str:
    number = books.undo_receipt(turn.session, community_id=turn.community.id, receipt_id=act.row, now=turn.now)
    return say("undone_receipt", number=number)


MOTHER = "我妈"
"""Any word for a relative: who it is, the family says."""
KIN = tuple(
    f"{verb}{whom}"
    for verb in ("替", "帮", "代", "给")
    for whom in (
        "我妈妈", "我妈", "我爸爸", "我爸妈", "我爸", "我婆婆", "我公公", "我奶奶", "我爷爷", "我外婆", "我外公",
        "我姥姥", "我姥爷", "我老伴", "我爱人", "我老公", "我老婆", "我家老人", "家里老人", "家里人", "家人", "爸妈",
    )
)  # fmt: skip
"""What people say for one of their family without a name."""


@router.command(
    "ack", "收到通知", "确认收到", "回执收到", "我收到了通知", "已收到通知",
    slots=(
        Slot("broadcast", Kind.OBJECT, of="broadcast", required=True, ask="是几号通知？"),
        Slot("family", Kind.FLAG, labels=KIN),
        Slot("not_met", Kind.FLAG, labels=NOT_MET),
        Slot("building", Kind.UNIT), Slot("room", Kind.ROOM), Slot("count", Kind.COUNT),
        Slot("name", Kind.PERSON, labels=("",)),
    ),
    gestures=(
        "收到", "已收到", "收到了", "我收到了", "收到收到", "知道了", "已知悉", "知悉", "晓得了", "看到了", "已阅",
        "明白", "明白了", "了解", "已读", "晓得咯",
        "看见了", "已悉", "好的收到", "收悉", "get", "知道啦", "了解了", "家里都知道了", "我知道了", "我晓得了",
        "我看到了",
    ),
    fillers=("通知", "好的", "我是", "家", "的", "号通知", "好", "嗯", "回执", "停水", "已", "都", "家人", "全家",
        "业主", "住户", "那个"),
    writes=True, chooses=True,
    rare=True,
    usage="收到通知 7", gist="通知看到了说一声；回 收到 7 也行",
    undo={"receipt": _undo_receipt},
)  # fmt: skip
def ack(turn: Turn) -> Answer:
    number = turn.slots.get("broadcast")
    if number is None:
        waiting = _waiting_for(turn)
        if len(waiting) != 1:
            return _which(turn, waiting) if waiting else say("nothing_open")
        number = waiting[0].number
        turn.slots["broadcast"] = number
    notice = books.find_broadcast(turn.session, community_id=turn.community.id, number=number)
    if turn.slots.get("not_met"):
        if "room" in turn.slots and leads_home(turn):
            return note_home(turn, notice, say("nobody_met"))
        home = f"{turn.slots.get('building', '')}{turn.slots.get('room', '')}"
        return Reply(say("not_met", number=notice.number, home=f" {home}" if home else ""), ref=notice.ref)
    if turn.slots.get("family") and "name" not in turn.slots:
        turn.slots["name"] = MOTHER
    return _acknowledge(turn, notice)


def _waiting_for(turn: Turn) -> list[Notice]:
    """What still waits for this person's own word; where they have said it to all, what they may say it to again."""
    ids = one_person(turn.session, community_id=turn.community.id, member_id=turn.who.id)
    theirs = [
        one
        for one in books.shown_broadcasts(turn.session, community_id=turn.community.id, now=turn.now)
        if one.takes_receipts(turn.now) and books.listens_to(turn.session, notice=one, member_ids=ids, now=turn.now)
    ]
    return [one for one in theirs if not books.has_received(turn.session, notice=one, member_ids=ids)] or theirs


def _which(turn: Turn, waiting: list[Notice]) -> Ask:
    lines = [
        # What went to few alone is not named among their neighbours.
        say(
            "choice", index=index, number=one.number, title=say("untitled") if one.private and turn.group else one.title
        )
        for index, one in enumerate(waiting[:3], 1)
    ]
    options = tuple(one.number for one in waiting[:3])
    return Ask(say("which_receipt", choices="\n".join(lines)), slot="broadcast", options=options)


def _acknowledge(turn: Turn, notice: Notice) -> Answer:
    """Writes down who has had the notice: the speaker, one of their family, or somebody in the speaker's charge."""
    whose = _whose(turn)
    if isinstance(whose, str):
        return whose
    member_id, name, way = whose
    books.refuse_guess(turn.who, notice, way)
    count = turn.slots.get("count")
    received = books.acknowledge(
        turn.session,
        notice=notice,
        member_id=member_id,
        way=way,
        made_by=turn.who.id,
        now=turn.now,
        note=f"{count}人" if count else "",
    )
    if received.first_time:
        turn.wrote("receipt", received.id, broadcast=notice.number)
    if turn.group is not None and not _addressed(turn):
        # Eighty neighbours say it: a group that is answered eighty times mutes the bot.
        return Reply(ref=notice.ref)
    if way is Way.OWN:
        return Reply(say("thanks" if received.first_time else "again"), ref=notice.ref)
    return Reply(say("thanks_for" if received.first_time else "again_for", name=name), ref=notice.ref)


def _addressed(turn: Turn) -> bool:
    return turn.incoming.addressed or f"@{turn.community.bot_name}" in turn.incoming.text


def _whose(turn: Turn) -> tuple[int, str, Way] | str:
    """Whose receipt is meant; a sentence where it is nobody's that the speaker may give."""
    slots, me = turn.slots, turn.who
    name, room = slots.get("name", ""), slots.get("room", "")
    if not name and not room:
        return me.id, me.name, Way.OWN
    within = ""
    if "building" in slots:
        within = find_unit(turn.session, community_id=turn.community.id, name=slots["building"]).path
    if not name:
        return _of_room(turn, within, room)
    if name in (me.name, "self"):
        return me.id, me.name, Way.OWN
    if within:
        member = find_member(turn.session, community_id=turn.community.id, name=name, within=within)
    else:
        member = spoken_of(turn, name)
    return _for(turn, member.id, member.name, member.unit_path)


def _of_room(turn: Turn, within: str, room: str) -> tuple[int, str, Way] | str:
    """`3栋501收到`: one's own home, or one in one's charge."""
    me = turn.who
    home = books.people_of_room(
        turn.session, community_id=turn.community.id, within=within or books.house_of(me.unit_path), room=room
    )
    if any(one.id == me.id for one in home):
        return me.id, me.name, Way.OWN
    place = turn.slots.get("building", "")
    if not home:
        return say("no_home", unit=place, room=room) if me.may(Role.BUILDING_LEAD) else say("not_family", name=room)
    allowed = [one for one in home if not isinstance(_for(turn, one.id, one.name, one.path), str)]
    first = (allowed or home)[0]
    found = _for(turn, first.id, first.name, first.path)
    return found if isinstance(found, str) else (found[0], f"{place}{room}", found[2])


def _for(turn: Turn, member_id: int, name: str, path: str) -> tuple[int, str, Way] | str:
    if member_id == turn.who.id:
        return member_id, name, Way.OWN
    if (way := way_for(turn.session, turn.who, member_id=member_id, path=path, now=turn.now)) is not None:
        return member_id, name, way
    return say("not_family", name=turn.slots.get("name") or turn.slots.get("room", ""))
