"""备注: whoever asked at a door says why nothing is heard of a household, so that it is not asked again.

老赵: 502家里没人
小邻: 记下了：502还没说收到（家里没人），7号不再催这户。
      问到了请发 收到 7 502。
"""

import re

from handlers.broadcast.writing import as_typed
from handlers.chat import Answer, Reply, Router, Texts, Turn
from handlers.language.roll_call import NOT_MET
from handlers.language.slots import Kind, Slot
from models import broadcast as books
from models.audit import Act
from models.broadcast import Listener, NoReceiptWanted, Notice, ReceiptsClosed, Way
from models.members import Role, require
from models.units import called, find_unit

say = Texts(
    "broadcast",
    noted="记下了：{home}还没说收到（{note}），{number}号不再催这户。\n问到了请发 收到 {number} {home}。",
    noted_aloud="记下了，{number}号不再催这户。",
    answered="{home}已经说过收到了，不用备注。",
    which_door="{room}有几户，请写上楼栋单元，例如 备注 {number} 3栋1单元{room} 家里没人。",
    which_notice="是几号通知？请写上编号，例如 备注 {number} {home} 家里没人。",
    nobody_at_home="{home}没有登记的人。请核对楼栋房号。",
    not_for_them="{number}号不是发给{home}的，不用备注。",
    note_nothing_open="现在没有等回执的通知，不用备注。",
    undone_note="已撤回{number}号的备注。",
)

router = Router("broadcast")


def _undo_note(turn: Turn, act: Act) -> str:
    number = books.undo_note(turn.session, community_id=turn.community.id, note_id=act.row, now=turn.now)
    return say("undone_note", number=number)


CUES = (
    *NOT_MET, "没有人应", "敲不开门", "电话打不通", "电话没人接", "老人住院", "住院了", "回执我代收", "我代收回执",
    "出差了", "出远门", "回老家", "去外地", "出国了", "空房", "没人住",
)  # fmt: skip
"""What is told of a household that does not answer."""

_BEFORE = re.compile("^(?:那[家户]|家(?!里)|的|说|[,，。 ])+")
"""How a note is tied to its household: 501家说 …"""


@router.command(
    "note_household", "备注", "备注住户", "回执备注", "住户备注",
    slots=(
        Slot("broadcast", Kind.OBJECT, of="broadcast", required=True, ask="是几号通知？例如 备注 7 3栋501 家里没人"),
        Slot("building", Kind.UNIT), Slot("door", Kind.DOOR),
        Slot("room", Kind.ROOM, required=True, ask="是哪一户？例如 备注 7 3栋501 家里没人"),
        Slot("note", Kind.TEXT, required=True, ask="怎么回事？例如 备注 7 3栋501 家里没人"),
    ),
    cues=CUES, fillers=("通知", "广播", "号"), role=Role.BUILDING_LEAD, overheard=False, writes=True, bare=False,
    chooses=True, confidential=True, rare=True,
    usage="备注 7 3栋501 家里没人", gist="上门问过、没说收到的一户，记下原因就不再催",
    undo={"household_note": _undo_note},
)  # fmt: skip
def note_household(turn: Turn) -> Answer:
    number = turn.slots.get("broadcast")
    note = _BEFORE.sub("", as_typed(turn.incoming.text, turn.slots["note"]))
    if number is not None:
        notice = books.find_broadcast(turn.session, community_id=turn.community.id, number=number)
        return note_home(turn, notice, note)
    home = _called(turn)
    waiting = [notice for notice in _open(turn) if _waits_for(turn, notice)]
    if not waiting:
        return say("note_nothing_open")
    if len(waiting) > 1:
        return say("which_notice", number=waiting[-1].number, home=home)
    return note_home(turn, waiting[0], note)


def _open(turn: Turn) -> list[Notice]:
    every = books.shown_broadcasts(turn.session, community_id=turn.community.id, now=turn.now)
    return [notice for notice in every if notice.takes_receipts(turn.now) and books.may_know(turn.who, notice)]


def _waits_for(turn: Turn, notice: Notice) -> bool:
    """Whether a notice is for the household that is meant."""
    ids = [one.id for one in _people(turn)]
    return books.listens_to(turn.session, notice=notice, member_ids=ids, now=turn.now)


def _called(turn: Turn) -> str:
    """The household as it was typed."""
    return "".join(turn.slots.get(part, "") for part in ("building", "door", "room"))


def _people(turn: Turn) -> list[Listener]:
    """Who lives in the room that is meant, in a house that the speaker leads."""
    slots, me = turn.slots, turn.who
    if "building" in slots:
        within = [find_unit(turn.session, community_id=turn.community.id, name=slots["building"]).path]
    else:
        # A room alone is one of the house in which the speaker lives, or which they lead.
        within = list(dict.fromkeys([books.house_of(me.unit_path), *books.led_by(me)]))
    door = slots.get("door", "")
    for path in within:
        found = books.people_of_room(turn.session, community_id=turn.community.id, within=path, room=slots["room"])
        if door:
            # 2单元502, said by who leads one house: the entrance is one of it.
            units = {
                one.unit_id: called(turn.session, community_id=turn.community.id, unit_id=one.unit_id) for one in found
            }
            found = [one for one in found if units[one.unit_id].endswith(f"栋{door}")]
        if found:
            return found
    return []


def note_home(turn: Turn, notice: Notice, note: str) -> Answer:
    """Keeps with a notice what is known of the household that the slots name. Raises BeyondReach."""
    home = _called(turn)
    people = _people(turn)
    if not people:
        return say("nobody_at_home", home=home)
    for one in people:
        require(turn.who, Role.BUILDING_LEAD, one.path)
    if len({one.unit_id for one in people}) > 1:
        return say("which_door", room=turn.slots["room"], number=notice.number)
    books.refuse_guess(turn.who, notice, Way.LIST)
    if not notice.wants_receipts:
        raise NoReceiptWanted(number=notice.number)
    if not notice.takes_receipts(turn.now):
        raise ReceiptsClosed(number=notice.number)
    if "door" in turn.slots:
        # As it can be said again in 收到, by anybody.
        home = f"{called(turn.session, community_id=turn.community.id, unit_id=people[0].unit_id)}{turn.slots['room']}"
    listening = [
        one for one in people if books.listens_to(turn.session, notice=notice, member_ids=[one.id], now=turn.now)
    ]
    if not listening:
        return say("not_for_them", number=notice.number, home=home)
    if books.has_received(turn.session, notice=notice, member_ids=[one.id for one in listening]):
        return Reply(say("answered", home=home), ref=notice.ref)
    note_id = books.note_household(
        turn.session, notice=notice, member_id=listening[0].id, note=note, made_by=turn.who.id, now=turn.now
    )
    if note_id is not None:
        turn.wrote("household_note", note_id, broadcast=notice.number)
    if turn.group is not None:
        # What is told of a household is nobody's business but the lead's.
        return Reply(say("noted_aloud", number=notice.number), ref=notice.ref)
    return Reply(say("noted", home=home, note=note, number=notice.number), ref=notice.ref)


def leads_home(turn: Turn) -> bool:
    """Whether the household that the slots name is in the speaker's charge."""
    people = _people(turn)
    return bool(people) and all(turn.who.may(Role.BUILDING_LEAD, one.path) for one in people)
