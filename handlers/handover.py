"""转岗: a holder hands their post over to somebody who says yes; until then it stays theirs.

何叔: 转岗 3 李建国
小邻: 已问 李建国，同意了我就告诉您。没答复前，3号「治安巡逻岗」还是您的。
小邻 → 李建国: 何叔 想把 3号「治安巡逻岗」交给您，11月20日 周五 19:30前答复都行。
      愿意请回复 接岗 3，不方便请回复 不接岗 3。
李建国: 接岗 3
小邻: 好的，3号「治安巡逻岗」现在是您的了，谢谢！
      做了事请发 履职 3 加做了什么。
小邻 → 何叔: 李建国 接了您的 3号「治安巡逻岗」，谢谢您这段时间的付出！
小邻 → 孙丽: 3号「治安巡逻岗」由 何叔 转给了 李建国。
"""

from handlers.chat import Answer, Button, Reply, Router, Texts, Turn, sentence
from handlers.language.persons import read_person
from handlers.language.slots import Kind, Slot
from handlers.shared.people import otherwise
from handlers.shared.posts import own_post, tell_offered, which_post
from models import handover as books
from models.audit import Act
from models.clock import spoken
from models.handover import HandsToOneself, NoOffer, Offered, OfferedAlready
from models.members import Neighbour, find_member, member_by_id
from models.members.merging import one_person
from models.posts import HoldsAlready, PostHere, who_decides
from models.reach import reach_in, reaches
from models.units import find_unit

say = Texts(
    "handover",
    which="是哪个岗位？请回复序号：\n{choices}",
    asked="已问 {name}，同意了我就告诉您。没答复前，{number}号「{title}」还是您的。",
    asked_aloud="请让 {name} 对我说 接岗 {number}，同意了才算。没答复前，{number}号「{title}」还是您的。",
    asked_otherwise="有人想把{number}号岗位交给{name}，我发不到{name}。请转告：愿意就私聊我发 接岗 {number}。",
    notice="{name} 想把 {number}号「{title}」交给您，{until}前答复都行。"
    "\n愿意请回复 接岗 {number}，不方便请回复 不接岗 {number}。",
    taken="好的，{number}号「{title}」现在是您的了，谢谢！\n做了事请发 履职 {number} 加做了什么。",
    taken_notice="{name} 接了您的 {number}号「{title}」，谢谢您这段时间的付出！",
    taken_leader="{number}号「{title}」由 {giver} 转给了 {taker}。",
    declined="好的，没有接 {number}号「{title}」，还是 {name} 的。",
    declined_notice="{name} 这次不方便接 {number}号「{title}」，岗位还是您的。\n想问别人请发 转岗 {number} 加姓名。",
    lapsed_notice="{name} 一直没有答复，{number}号「{title}」还是您的。\n想问别人请发 转岗 {number} 加姓名。",
    unheard_notice="{name} 那里我没有发到，{number}号「{title}」还是您的。"
    "\n见到了请让 TA 加我；想问别人请发 转岗 {number} 加姓名。",
    withdrawn="已撤回，{number}号「{title}」还是您的。",
    withdrawn_notice="{name} 不转 {number}号「{title}」了，不用答复。",
    nothing="现在没有人要把岗位转给您。看看有哪些岗位，请发 岗位。",
    undone_taken="已撤销接岗，{number}号「{title}」还是 {name} 的。",
    undone_notice="{name} 撤销了接岗，{number}号「{title}」又是您的了。",
    undone_leader="{number}号「{title}」没有转给 {taker}，还是 {giver} 的。",
    undone_declined="已撤回答复，{number}号「{title}」接不接还等您回复。",
)

router = Router(
    "handover",
    {
        HandsToOneself: "这个岗位已经是您的了，要转请写别人的姓名。",
        OfferedAlready: "已经问过 {name} 了，还在等答复。要改问别人，请先发 取消转岗 {number}。",
        HoldsAlready: "「{title}」已经有 {name} 在岗了，请换一位邻居。",
        NoOffer: "这件事已经过去了，没有等您答复的转岗。",
    },
)

POST = Slot("post", Kind.OBJECT, of="post", chosen=False)


def _which(choices: str) -> str:
    return say("which", choices=choices)


def _fields(offered: Offered) -> dict[str, object]:
    return {"number": offered.post.number, "title": offered.post.title}


def _undo_offer(turn: Turn, act: Act) -> str:
    offered = books.offer_by_id(turn.session, community_id=turn.community.id, offer_id=act.row)
    return _withdraw(turn, offered)


def _withdraw(turn: Turn, offered: Offered) -> str:
    books.withdraw_offer(turn.session, offered=offered, by=turn.who.id, now=turn.now)
    notice = say("withdrawn_notice", name=turn.who.name, **_fields(offered))
    turn.tell(offered.taker_id, notice, key=f"handover:{offered.id}:withdrawn")
    return say("withdrawn", **_fields(offered))


@router.command(
    "hand_over_post",
    "转岗",
    "转岗给",
    "岗位转给",
    "岗位交给",
    "交给",
    "转给",
    "让给",
    "移交岗位",
    "交接岗位",
    slots=(
        POST,
        Slot("person", Kind.PERSON, required=True, ask="转给谁？例如 转岗 3 李建国"),
    ),
    fillers=(
        *("岗位", "岗", "把", "这个", "我的", "我这个", "给", "想"),
        *("做", "干", "来做", "来干", "去做", "去干", "接着做", "接着干", "顶上"),
    ),
    gestures=("岗给", "岗位给", "岗让", "岗位让", "岗让给", "岗位让给", "活儿给", "活儿让"),
    writes=True,
    overheard=False,
    aloud=("转岗", "转岗给"),
    rare=True,
    usage="转岗 3 李建国",
    gist="把岗位交给一位邻居，对方同意才算",
    undo={"offer_post": _undo_offer},
)
def hand_over(turn: Turn) -> Answer:
    post = own_post(turn, _which)
    if not isinstance(post, PostHere):
        return post or sentence("duties.none")
    taker = _whom(turn)
    offered = books.offer_post(
        turn.session,
        post=post,
        giver_id=turn.who.id,
        taker=taker,
        now=turn.now,
        days=turn.rules["tenure"].handover_days,
    )
    turn.wrote("offer_post", offered.id, post=post.number, taker=taker.id)
    notice = say("notice", name=turn.who.name, until=spoken(offered.expires_at), **_fields(offered))
    hours = 24 * turn.rules["tenure"].handover_days
    buttons = (Button("接岗", f"接岗 {post.number}"), Button("不接", f"不接岗 {post.number}"))
    turn.tell(
        taker.id, notice, key=f"handover:{offered.id}", ref=post.ref, expires_hours=hours, buttons=buttons,
        otherwise=otherwise(turn, taker.id, lambda name: say("asked_otherwise", name=name, number=post.number)),
    )  # fmt: skip
    reached = reaches(turn.session, community_id=turn.community.id, member_id=taker.id, reach=reach_in(turn.rules))
    return Reply(say("asked" if reached else "asked_aloud", name=turn.named(taker), **_fields(offered)), ref=post.ref)


def _whom(turn: Turn) -> Neighbour:
    spoken_of = read_person(turn.slots["person"])
    named = spoken_of[0] if spoken_of else None
    within = ""
    if named is not None and named.unit:
        within = find_unit(turn.session, community_id=turn.community.id, name=named.unit).path
    name = named.name if named is not None and named.name else turn.slots["person"]
    return find_member(turn.session, community_id=turn.community.id, name=name, within=within)


@router.command(
    "withdraw_handover",
    "取消转岗",
    "不转岗了",
    slots=(POST,),
    fillers=("岗位", "岗"),
    writes=True,
    rare=True,
    usage="取消转岗 3",
    gist="问了别人还没答复，先不转了",
)
def withdraw(turn: Turn) -> Answer:
    post = own_post(turn, _which)
    if not isinstance(post, PostHere):
        return post or sentence("duties.none")
    offered = books.offer_of(turn.session, post=post, giver_id=turn.who.id)
    if offered is None:
        raise NoOffer
    turn.wrote("withdraw_offer", offered.id, post=post.number)
    return Reply(_withdraw(turn, offered), ref=post.ref)


def _offered(turn: Turn) -> Offered | Answer:
    """The offer that is meant: of the post that is named, else the only one."""
    me = one_person(turn.session, community_id=turn.community.id, member_id=turn.who.id)
    every = books.offers_to(turn.session, community_id=turn.community.id, taker_ids=me, now=turn.now)
    number = turn.slots.get("post")
    some = [one for one in every if number in (None, one.post.number)]
    if not some:
        return say("nothing")
    return some[0] if len({one.post.id for one in some}) == 1 else which_post([one.post for one in some], _which)


def _undo_taken(turn: Turn, act: Act) -> str:
    offered = books.undo_take_over(
        turn.session,
        community_id=turn.community.id,
        offer_id=act.row,
        by=turn.who.id,
        now=turn.now,
        offer_hours=turn.rules["posts"].offer_hours,
    )
    notice = say("undone_notice", name=turn.who.name, **_fields(offered))
    turn.tell(offered.giver_id, notice, key=f"handover:{offered.id}:undone:{act.id}")
    _tell_leader(turn, offered, "undone_leader", key=f"handover:{offered.id}:leader:{act.id}")
    return say("undone_taken", name=turn.named(_giver(turn, offered)), **_fields(offered))


def _giver(turn: Turn, offered: Offered) -> Neighbour:
    return member_by_id(turn.session, community_id=turn.community.id, member_id=offered.giver_id)


def _tell_leader(turn: Turn, offered: Offered, text: str, *, key: str) -> None:
    without = [offered.giver_id, offered.taker_id]
    leader = who_decides(turn.session, post=offered.post, now=turn.now, without=without)
    if leader is not None:
        notice = say(text, giver=offered.giver_name, taker=offered.taker_name, **_fields(offered))
        turn.tell(leader.id, notice, key=key)


@router.command(
    "take_over_post",
    "接岗",
    "我接岗",
    "愿意接岗",
    "接下岗位",
    slots=(POST,),
    fillers=("岗位", "岗", "愿意"),
    writes=True,
    rare=True,
    usage="接岗 3",
    gist="同意接下别人转来的岗位",
    undo={"take_over_post": _undo_taken},
)
def take_over(turn: Turn) -> Answer:
    offered = _offered(turn)
    if not isinstance(offered, Offered):
        return offered
    taken = books.take_over(
        turn.session,
        offered=offered,
        taker_id=turn.who.id,
        now=turn.now,
        offer_hours=turn.rules["posts"].offer_hours,
    )
    turn.wrote("take_over_post", offered.id, post=offered.post.number)
    once = f"handover:{offered.id}:{taken.claim.id}"
    turn.tell(offered.giver_id, say("taken_notice", name=turn.who.name, **_fields(offered)), key=f"{once}:giver")
    _tell_leader(turn, offered, "taken_leader", key=f"{once}:leader")
    tell_offered(turn, taken.offers)
    return Reply(say("taken", **_fields(offered)), ref=offered.post.ref)


def _undo_declined(turn: Turn, act: Act) -> str:
    offered = books.undo_decline(turn.session, community_id=turn.community.id, offer_id=act.row, now=turn.now)
    return say("undone_declined", **_fields(offered))


@router.command(
    "decline_handover",
    "不接岗",
    "不愿意接岗",
    "接不了岗",
    slots=(POST,),
    fillers=("岗位", "岗"),
    writes=True,
    rare=True,
    usage="不接岗 3",
    gist="不方便接别人转来的岗位",
    undo={"decline_handover": _undo_declined},
)
def decline(turn: Turn) -> Answer:
    offered = _offered(turn)
    if not isinstance(offered, Offered):
        return offered
    books.decline_offer(turn.session, offered=offered, now=turn.now)
    turn.wrote("decline_handover", offered.id, post=offered.post.number)
    notice = say("declined_notice", name=turn.who.name, **_fields(offered))
    turn.tell(offered.giver_id, notice, key=f"handover:{offered.id}:declined:{turn.incoming.message_id[-60:]}")
    return Reply(say("declined", name=turn.named(_giver(turn, offered)), **_fields(offered)), ref=offered.post.ref)


def lapsed_line(offered: Offered, *, heard: bool) -> str:
    """What a holder hears whose offer nobody has answered; whom it has not reached (`heard`) has not been silent."""
    return say("lapsed_notice" if heard else "unheard_notice", name=offered.taker_name, **_fields(offered))
