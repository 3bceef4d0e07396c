"""广播原文, 已发: a person copies a notice into a group that the bot cannot write to."""

from handlers.broadcast.words import voice_of, wording
from handlers.broadcast.writing import plan_for
from handlers.chat import Answer, Reply, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from models import broadcast as books
from models.audit import Act
from models.broadcast import Copy, CopyState, NothingByHand, Notice
from models.members import Role

say = Texts(
    "broadcast",
    copied="记下了，{names}已发。",
    copied_undone="好的，{number}号还等人转发。",
)

router = Router("broadcast")


def _own_copies(turn: Turn, notice: Notice) -> list[Copy]:
    """The groups that wait for this person to copy a notice into them. Raises NothingByHand."""
    found = [
        copy
        for copy in books.copies_of(turn.session, notice)
        if copy.state is CopyState.BY_HAND
        and (turn.who.may(Role.BUILDING_LEAD, copy.unit_path) or notice.made_by == turn.who.id)
    ]
    if not found:
        raise NothingByHand(number=notice.number)
    here = [copy for copy in found if turn.group is not None and copy.group_id == turn.group.id]
    return here or found


@router.command(
    "broadcast_text", "广播原文", "通知原文",
    slots=(Slot("broadcast", Kind.OBJECT, of="broadcast", required=True, ask="要几号广播的原文？"),),
    role=Role.PROPERTY, overheard=False, bare=False, direct=True,
    usage="广播原文 7", gist="拿到原文，好复制到我发不进的群",
)  # fmt: skip
def broadcast_text(turn: Turn) -> Answer:
    notice = books.find_broadcast(turn.session, community_id=turn.community.id, number=turn.slots["broadcast"])
    (copy, *_) = _own_copies(turn, notice)
    words = wording(notice, voice_of(turn, notice))
    group = next(group for group in plan_for(turn, notice).groups if group.id == copy.group_id)
    return Reply(words.group(group), ref=notice.ref)


def _undo_copied(turn: Turn, act: Act) -> str:
    notice = books.find_broadcast(turn.session, community_id=turn.community.id, number=act.row)
    books.take_back_copied(turn.session, notice=notice, copy_ids=act.detail["copies"], now=turn.now)
    return say("copied_undone", number=notice.number)


@router.command(
    "broadcast_copied", "已发", "已转发", "转发好了", "已经发了", "发好了",
    slots=(Slot("broadcast", Kind.OBJECT, of="broadcast", required=True, ask="是几号广播？"),),
    role=Role.PROPERTY, overheard=False, writes=True, bare=False,
    usage="已发 7", gist="我发不进的群，您转发好了说一声",
    undo={"broadcast_copied": _undo_copied},
)  # fmt: skip
def broadcast_copied(turn: Turn) -> Answer:
    notice = books.find_broadcast(turn.session, community_id=turn.community.id, number=turn.slots["broadcast"])
    copies = _own_copies(turn, notice)
    books.copied_by_hand(
        turn.session, notice=notice, copies=copies, by=turn.who.id, now=turn.now, settings=turn.rules["broadcast"]
    )
    turn.wrote("broadcast_copied", notice.number, copies=[copy.id for copy in copies])
    return Reply(say("copied", names="、".join(copy.name for copy in copies)), ref=notice.ref)
