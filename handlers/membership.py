"""绑定: who somebody is.

陌生人（3栋群）: 绑定 张三 3栋
小邻: 已私信您，请到和我的单聊里接着说。房号和手机号请不要发在群里。
小邻 → 陌生人: 张三，您住3栋几单元几号？请回复房号，例如 2单元501。
陌生人: 201
小邻: 请回复您在社区登记的手机号后四位，例如 1234。
陌生人: 尾号1234
小邻: 张三，绑定好了，您是3栋的居民。
      我会保存您的姓名、住址、手机、照片，和活动、岗位、积分的记录，只办社区的事，不给别人；位置只核对不留。
      保存了什么请发 我的资料，不想留了请发 注销。
      同意请回复 同意，不同意请回复 不同意。
"""

from datetime import timedelta

from handlers.chat import Answer, Ask, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from handlers.shared.people import decides_otherwise
from models import directory, members, pending
from models.members import (
    AlreadyRegistered,
    Claim,
    RegistrationState,
    RegistrationWaiting,
    Why,
    reviewers_of,
)
from models.members.proof import DIGITS
from models.units import find_unit

say = Texts(
    "membership",
    wish_private="已私信您，请到和我的单聊里接着说。房号和手机号请不要发在群里。",
    wish_open="请打开和我的单聊，把刚才这句话发给我。房号和手机号请不要发在群里。",
    ask_room="{name}，您住{unit}几单元几号？请回复房号，例如 2单元501。",
    ask_room_at_door="{name}，您住{unit}几号？请回复房号，例如 501。",
    ask_digits="请回复您在社区登记的手机号后四位，例如 1234。",
    ask_both="请把房号和手机号后四位写在一起回复，例如 501 1234。",
    bound="{name}，绑定好了，您是{unit}的居民。",
    wrong="还没有对上。请核对后回复房号和手机号后四位，例如 501 1234；姓名或楼栋写错了，请重新发 绑定。"
    "\n名册没有写全的，社区核对好了我会告诉您。",
    waiting="{name}，已收到，请{unit}的负责人核对后就可以用了（{number}号）。",
    review_notice="{name} 申请绑定为{unit}{room}居民（{number}号）。\n{note}"
    "\n是本人请回复 通过 {number}，不是请回复 驳回 {number} 理由。",
    why_unproved="报的房号或手机尾号和名册对不上，请当面或打电话核实。",
    why_sparse="名册上没有写全房号和手机，请当面或打电话核实。",
    why_office="注意：名册上这位有职务，房号或手机尾号却没有对上，谨防冒名，请务必当面核实。",
    why_office_proved="注意：名册上这位有职务，房号和手机尾号对得上，仍请当面核实。",
    why_second="这位已经有一个账号，房号或手机尾号却没有对上，请当面核实。",
    why_second_proved="这位已经有一个账号，房号和手机尾号对得上，请问清楚是不是换了新号。",
    chosen="好的，私聊里说的都算 {name} 的事。",
    choose_unknown="您登记过的社区有：{names}。请发 切换社区 加名字。",
    update="改登记的信息，请找楼长或社区，核对后他们来改。",
)

router = Router(
    "membership",
    {
        AlreadyRegistered: "您已经绑定过了，是 {name}。要改信息请找楼长或社区。",
        RegistrationWaiting: "您的绑定申请（{number}号）正在核对，请稍等，有结果我会告诉您。",
    },
)

WISH_MINUTES = 30
"""How long the bot remembers in a direct conversation what somebody said in a group: they have to find it first."""


REGISTRATION = (
    Slot("name", Kind.PERSON, required=True, unless="update", ask="请写姓名和楼栋，例如 绑定 张三 3栋"),
    Slot("building", Kind.UNIT, required=True, ask="请写上楼栋，例如 绑定 张三 3栋"),
    Slot("unit", Kind.DOOR),
    Slot("room", Kind.ROOM),
    Slot("digits", Kind.DIGITS),
    Slot(
        "role", Kind.CHOICE, choices=tuple((word, ()) for word in ("党员", "楼长", "网格员", "社工", "志愿者", "物业"))
    ),
    Slot("employer", Kind.LABELLED, labels=("单位是", "单位", "工作单位是", "工作单位")),
    Slot(
        "update",
        Kind.FLAG,
        labels=(
            "改一下",
            "更新",
            "修改",
            "变更",
            "换到",
            "搬到",
            "搬家了",
            "换房了",
            "换房",
            "改登记",
            "改",
            "更正",
            "改成",
            "改为",
        ),
    ),
)


@router.command(
    "register",
    "绑定",
    "登记",
    "注册",
    "认证",
    "登记一下",
    "实名",
    slots=REGISTRATION,
    cues=("我叫", "我的名字", "新搬来", "刚搬来", "新来的"),
    fillers=(
        "新住户",
        "是刚搬来的",
        "刚搬来的",
        "新搬来的",
        "新业主",
        "住",
        "住在",
        "新搬来的",
        "是新搬来的",
        "刚搬来",
        "住户",
        "业主",
        "居民",
        "租户",
        "的",
        "这里",
        "我是",
        "我叫",
        "身份",
        "信息",
        "资料",
    ),
    role=None,
    writes=True,
    usage="绑定 张三 3栋",
    gist="让我认识您",
)
def register(turn: Turn) -> Answer:
    if "update" in turn.slots:
        return say("update")
    home = turn.slots["building"] + turn.slots.get("unit", "")
    turn.slots = {name: value for name, value in turn.slots.items() if name != "unit"} | {"building": home}
    if not turn.incoming.direct:
        return _wish(turn)
    if turn.person is not None:
        raise AlreadyRegistered(name=turn.person.name)
    unit = find_unit(turn.session, community_id=turn.community.id, name=turn.slots["building"])
    if "room" not in turn.slots:
        return Ask(_ask_room(turn), slot="room")
    if "digits" not in turn.slots:
        if "again" in turn.slots and len(turn.slots["room"]) == DIGITS and turn.slots["room"].isdecimal():
            # They may mean the digits alone, and would lose a try for a room that they never named.
            del turn.slots["room"]
            return Ask(say("ask_both"), slot="room")
        return Ask(say("ask_digits"), slot="digits")
    claim = members.claim_identity(
        turn.session,
        community_id=turn.community.id,
        namespace=turn.incoming.namespace,
        external_id=turn.incoming.sender,
        name=turn.slots["name"],
        unit=unit,
        room=turn.slots["room"],
        digits=turn.slots["digits"],
        now=turn.now,
    )
    if claim.tried:
        turn.wrote("wrong_try", claim.tried, number=claim.number)
    elif claim.filed or claim.state is RegistrationState.APPROVED:
        turn.wrote("register", claim.number, state=claim.state)
    if claim.filed:
        _tell_reviewers(turn, claim)
    fields = {"name": claim.name, "unit": turn.slots["building"], "number": claim.number}
    if claim.state is None:
        # Asked for both again: which of them was wrong is nobody's business.
        turn.slots = {name: turn.slots[name] for name in ("name", "building")} | {"again": True}
        return Ask(say("wrong"), slot="room")
    return say("bound" if claim.state is RegistrationState.APPROVED else "waiting", **fields)


def _wish(turn: Turn) -> Answer:
    """In a group somebody only says that they would like to. Nothing is looked up, so that nothing can be guessed."""
    turn.slots = {name: turn.slots[name] for name in ("name", "building")}
    if turn.person is None:
        pending.ask(
            turn.session,
            community_id=turn.community.id,
            member_id=None,
            account=pending.account(turn.incoming.namespace, turn.incoming.sender),
            conversation=pending.conversation(None),
            question=pending.Question("register", turn.slots, "room", []),
            expires_at=turn.now + timedelta(minutes=WISH_MINUTES),
        )
    if not turn.reaches:
        return say("wish_open")
    known = turn.person is not None
    text = router.refusals[AlreadyRegistered].format(name=turn.who.name) if known else _ask_room(turn)
    turn.tell_sender(text, key=f"wish:{turn.incoming.channel}:{turn.incoming.message_id}")
    return say("wish_private")


def _ask_room(turn: Turn) -> str:
    at_door = turn.slots["building"].endswith("单元")
    return say("ask_room_at_door" if at_door else "ask_room", name=turn.slots["name"], unit=turn.slots["building"])


def _tell_reviewers(turn: Turn, claim: Claim) -> None:
    assert claim.why is not None
    proved = claim.proved and claim.why in (Why.OFFICE, Why.SECOND)
    notice = say(
        "review_notice",
        name=claim.name,
        unit=turn.slots["building"],
        room=turn.slots["room"],
        number=claim.number,
        note=say(f"why_{claim.why}" + ("_proved" if proved else "")),
    )
    reviewers = reviewers_of(
        turn.session,
        community_id=turn.community.id,
        unit=claim.unit,
        member_id=claim.member_id,
        why=claim.why,
        now=turn.now,
    )
    for reviewer in reviewers[:3]:
        turn.tell(
            reviewer.id,
            notice,
            key=f"review:{claim.number}:{claim.unit.id}:{claim.why}:{reviewer.id}",
            expires_hours=72,
            otherwise=decides_otherwise(turn, reviewer.id),
        )


@router.command(
    "choose_community",
    "切换社区",
    slots=(Slot("name", Kind.TEXT, required=True, ask="切换到哪个社区？例如 切换社区 锦绣社区"),),
    writes=True,
    overheard=False,
    needs_consent=False,
    rare=True,
    usage="切换社区 锦绣社区",
    gist="在两个社区都登记过时，选私聊算哪个",
)
def choose_community(turn: Turn) -> Answer:
    known = members.find_people(
        turn.session,
        namespace=turn.incoming.namespace,
        external_id=turn.incoming.sender,
        now=turn.now,
    )
    wanted = turn.slots["name"]
    chosen = [person.community for person in known if wanted in person.community.name]
    if len(chosen) != 1:
        return say("choose_unknown", names="、".join(person.community.name for person in known))
    directory.choose_community(
        turn.session,
        namespace=turn.incoming.namespace,
        external_id=turn.incoming.sender,
        community_id=chosen[0].id,
        now=turn.now,
    )
    turn.wrote("choose_community", chosen[0].id)
    return say("chosen", name=chosen[0].name)
