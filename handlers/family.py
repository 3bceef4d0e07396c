"""家人: who may speak for whom, with the say of whoever is spoken for.

李建国: 家人 王秀英
小邻: 已问 王秀英，同意了我就告诉您（1号）。
小邻 → 王秀英: 李建国 想做您的家人，以后可以替您报名、签到。
      愿意请回复 愿意 1，不愿意请回复 不愿意 1。
王秀英: 愿意 1
小邻: 好的，李建国 现在可以替您办事了。
      不想要了随时发 解除家人 李建国。
小邻 → 李建国: 王秀英 同意了，您现在可以替对方办事了。
"""

from handlers.chat import Answer, Button, Router, Texts, Turn
from handlers.language.persons import read_person
from handlers.language.slots import Kind, Slot
from models.audit import Act
from models.members import Role, find_member, member_by_id, people_in_scope
from models.members.family import (
    ForOneself,
    Ground,
    NoSuchTie,
    OwnTie,
    Tie,
    TiedAlready,
    TieState,
    TooManyTies,
    answer_tie,
    ask_tie,
    end_ties,
    family_of,
    resume_tie,
    withdraw_tie,
)
from models.members.merging import one_person
from models.proxies import NobodyToTell, TooManyProxies, WhoseRelative
from models.units import find_unit

say = Texts(
    "family",
    asked="已问 {name}，同意了我就告诉您（{number}号）。",
    asked_aloud="请让 {name} 私聊我发 愿意 {number}，同意了才能替对方办事。",
    asked_staff="{name} 没有账号，已请楼长或社区核实，有结果我会告诉您（{number}号）。",
    notice="{name} 想做您的家人，以后可以替您报名、签到。\n愿意请回复 愿意 {number}，不愿意请回复 不愿意 {number}。",
    vouch_notice="{name} 想做 {member} 的家人，替对方报名、签到；对方没有账号（{number}号）。\n"
    "属实请回复 通过 {number}，不是请回复 驳回 {number} 理由。",
    agreed="好的，{name} 现在可以替您办事了。\n不想要了随时发 解除家人 {name}。",
    agreed_notice="{name} 同意了，您现在可以替对方办事了。",
    declined="好的，没有同意 {name}。",
    declined_notice="{name} 没有同意做您的家人。",
    none="您还没有登记家人。要替家人办事，请发 家人 加姓名，例如 家人 王秀英。",
    mine="您可以替他们办事：{names}。",
    theirs="可以替您办事的：{names}。",
    waiting="等答复的：{names}。",
    vouched="{name}（社区核实）",
    foot="不想要了随时发 解除家人 加姓名。",
    ended="已解除您和 {name} 的家人关系，互相不能再代办。",
    ended_notice="{name} 解除了和您的家人关系，互相不能再代办。",
    undone_ask="已撤回对 {name} 的家人申请。",
    undone_answer="已撤回答复，{name} 的申请（{number}号）还等您回复。",
    undone_end="已恢复您和 {name} 的家人关系。",
)

router = Router(
    "family",
    {
        ForOneself: "自己的事直接说就行，不用登记家人。",
        TooManyTies: "{name} 已经有{most}位家人了，请先解除一位：发 解除家人 加姓名。",
        TiedAlready: "您和 {name} 已经登记过或正在等答复（{number}号），不用再发。看看有谁请发 家人。",
        NoSuchTie: "没有找到这位家人，或没有等您答复的事。看看有谁请发 家人。",
        OwnTie: "{number}号和您自己有关，要请别的同志来看。",
        TooManyProxies: "一天最多替{most}位邻居办事，今天已经满了。请本人来办，或找楼长。",
        NobodyToTell: "{name} 还没有账号，没法告诉本人。请楼长来办；是您的家人，请先私聊我发 家人 {name}。",
        WhoseRelative: "我不知道您说的是哪一位，请写上姓名，例如 替 王秀英 报名 12。",
    },
)


def _undo_ask(turn: Turn, act: Act) -> str:
    withdraw_tie(turn.session, community_id=turn.community.id, tie_id=act.row, by=turn.who.id, now=turn.now)
    return say("undone_ask", name=_other(turn, act.detail["member"]))


@router.command(
    "family",
    "家人",
    "我的家人",
    "登记家人",
    slots=(Slot("person", Kind.TEXT),),
    direct=True,
    writes=True,
    overheard=False,
    usage="家人 王秀英",
    gist="登记家人，对方同意后可以替他报名、签到",
    undo={"ask_family": _undo_ask},
)
def family(turn: Turn) -> Answer:
    spoken_of = read_person(turn.slots.get("person", ""))
    if spoken_of is None or not spoken_of[0].name:
        return _list(turn)
    named = spoken_of[0]
    within = find_unit(turn.session, community_id=turn.community.id, name=named.unit).path if named.unit else ""
    member = find_member(turn.session, community_id=turn.community.id, name=named.name, within=within)
    tie = ask_tie(turn.session, proxy=turn.who, member=member, now=turn.now, most=turn.rules["privacy"].family_max)
    turn.wrote("ask_family", tie.id, member=member.id)
    if tie.ground is Ground.OWN_SAY:
        notice = say("notice", name=turn.who.name, number=tie.number)
        turn.tell(
            member.id,
            notice,
            key=f"family:{tie.number}",
            expires_hours=24 * turn.rules["privacy"].family_days,
            buttons=(Button("愿意", f"愿意 {tie.number}"), Button("不愿意", f"不愿意 {tie.number}")),
        )
        return say("asked" if turn.reaches else "asked_aloud", name=member.name, number=tie.number)
    _ask_somebody_in_scope(turn, tie)
    return say("asked_staff", name=member.name, number=tie.number)


def _ask_somebody_in_scope(turn: Turn, tie: Tie) -> None:
    reviewers = people_in_scope(
        turn.session,
        community_id=turn.community.id,
        path=tie.member_path,
        role=Role.BUILDING_LEAD,
        now=turn.now,
        without=[tie.proxy_id, tie.member_id],
    )
    notice = say("vouch_notice", name=tie.proxy_name, member=tie.member_name, number=tie.number)
    for reviewer in reviewers[:3]:
        turn.tell(
            reviewer.id,
            notice,
            key=f"family:{tie.number}:{reviewer.id}",
            expires_hours=72,
            buttons=(Button("属实", f"通过 {tie.number}"),),
        )


def _list(turn: Turn) -> str:
    ties = family_of(turn.session, community_id=turn.community.id, member_id=turn.who.id)
    me = _me(turn)
    live = [tie for tie in ties if tie.state is TieState.LIVE]
    groups = {
        "mine": [_named(tie, tie.member_name) for tie in live if tie.proxy_id in me],
        "theirs": [_named(tie, tie.proxy_name) for tie in live if tie.proxy_id not in me],
        "waiting": [tie.other_than(me)[1] for tie in ties if tie.state is TieState.ASKED],
    }
    lines = [say(sentence, names="、".join(names)) for sentence, names in groups.items() if names]
    return "\n".join([*lines, say("foot")]) if lines else say("none")


def _me(turn: Turn) -> list[int]:
    return one_person(turn.session, community_id=turn.community.id, member_id=turn.who.id)


def _named(tie: Tie, name: str) -> str:
    return say("vouched", name=name) if tie.ground is Ground.VOUCHED else name


def _undo_answer(turn: Turn, act: Act) -> str:
    tie = resume_tie(turn.session, community_id=turn.community.id, tie_id=act.row, state=TieState.ASKED)
    return say("undone_answer", name=tie.proxy_name, number=tie.number)


@router.command(
    "agree_family",
    "愿意",
    slots=(Slot("number", Kind.NUMBER),),
    direct=True,
    writes=True,
    overheard=False,
    usage="愿意 8",
    gist="同意一位家人替我办事",
    undo={"answer_family": _undo_answer},
)
def agree(turn: Turn) -> Answer:
    return _answer(turn, agree=True)


@router.command(
    "decline_family",
    "不愿意",
    slots=(Slot("number", Kind.NUMBER),),
    direct=True,
    writes=True,
    overheard=False,
    usage="不愿意 8",
    gist="不同意别人替我办事",
)
def decline(turn: Turn) -> Answer:
    return _answer(turn, agree=False)


def _answer(turn: Turn, *, agree: bool) -> str:
    tie = answer_tie(turn.session, member=turn.who, number=turn.slots.get("number"), agree=agree, now=turn.now)
    turn.wrote("answer_family", tie.id, agree=agree)
    sentence = "agreed" if agree else "declined"
    notice = say(f"{sentence}_notice", name=turn.who.name)
    turn.tell(tie.proxy_id, notice, key=f"family-{sentence}:{tie.number}:{turn.now:%Y%m%d%H%M%S}", expires_hours=72)
    return say(sentence, name=tie.proxy_name)


def _undo_end(turn: Turn, act: Act) -> str:
    tie = resume_tie(turn.session, community_id=turn.community.id, tie_id=act.row, state=TieState(act.detail["state"]))
    return say("undone_end", name=tie.other_than(_me(turn))[1])


@router.command(
    "end_family",
    "解除家人",
    "取消家人",
    slots=(Slot("person", Kind.TEXT, required=True, ask="解除和谁的家人关系？例如 解除家人 王秀英"),),
    direct=True,
    writes=True,
    overheard=False,
    usage="解除家人 王秀英",
    gist="不再互相代办，两边都可以发",
    undo={"end_family": _undo_end},
)
def end_family(turn: Turn) -> Answer:
    spoken_of = read_person(turn.slots["person"])
    name = spoken_of[0].name if spoken_of else ""
    for tie in end_ties(turn.session, person=turn.who, name=name, now=turn.now):
        turn.wrote("end_family", tie.id, state=tie.state)
        other, _ = tie.other_than(_me(turn))
        if tie.state is TieState.LIVE:
            turn.tell(other, say("ended_notice", name=turn.who.name), key=f"family-end:{tie.id}:{turn.who.id}")
    return say("ended", name=name)


def _other(turn: Turn, member_id: int) -> str:
    return member_by_id(turn.session, community_id=turn.community.id, member_id=member_id).name
