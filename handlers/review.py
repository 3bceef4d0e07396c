"""审核: what waits for a person: requests to be recognised, and appeals about points. They share one row of numbers.

陌生人: 绑定 李四 3栋
小邻: 李四，已收到，请3栋的负责人核对后就可以用了（1号）。
小邻 → 老赵: 李四 申请绑定为3栋居民（1号）。
      是本人请回复 通过 1，不是请回复 驳回 1 理由。
老赵: 审核
小邻: 等您看的有1件：
      1号 绑定 李四 3栋
      同意请回复 通过 1，不同意请回复 驳回 1 理由。
老赵: 通过 1
小邻: 已通过 1号：李四 现在是3栋的居民了。
小邻 → 李四: 李四，核对好了，欢迎您！想看看我会什么，请发 帮助。
"""

from handlers.chat import Answer, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from models import members, points
from models.clock import short_day
from models.ledger import AlreadyCorrected
from models.members import AboveOneself, NoSuchRegistration, RegistrationState, Role
from models.points import AppealState, Decided, NoSuchAppeal, OwnDecision, PointsMissing
from models.units import called

say = Texts(
    "review",
    none="现在没有等您看的事。",
    head="等您看的有{count}件：",
    registration="{number}号 绑定 {name} {unit}",
    appeal="{number}号 申诉 {name}：{day} {what} {change:+d}（记录{entry}），说「{reason}」",
    what_check_in="签到",
    what_hours="服务时长",
    what_award="加分（{note}）",
    what_deduct="扣分（{note}）",
    what_undo="撤销",
    what_appeal="申诉补分",
    what_other="积分",
    foot="同意请回复 通过 {number}，不同意请回复 驳回 {number} 理由。",
    basis="绑定审核",
    approved="已通过 {number}号：{name} 现在是{unit}的居民了。",
    approved_notice="{name}，核对好了，欢迎您！想看看我会什么，请发 帮助。",
    rejected="已驳回 {number}号：{name}（{reason}）。",
    upheld="已通过 {number}号申诉：{name} {change:+d}分，现有{balance}分。",
    dismissed="已驳回 {number}号申诉：{name}（{reason}）。",
    upheld_notice="您的申诉（{number}号）通过了：{change:+d}分，现有{balance}分。",
    dismissed_notice="您的申诉（{number}号）没有通过：{reason}。\n还有疑问请找社区当面说。",
    no_reason="请写上理由，例如 驳回 {number} 楼栋写错了。",
)

router = Router(
    "review",
    {
        NoSuchRegistration: "没有等您看的{number}号。看看有哪些，请发 审核。",
        NoSuchAppeal: "没有等您看的{number}号。看看有哪些，请发 审核。",
        OwnDecision: "{number}号和您自己有关，要请别的同志来看。",
        AlreadyCorrected: "这笔分已经退回去了，不用再改。\n请回复 驳回 加编号和理由。",
        PointsMissing: "{number}号要补多少分？请回复 通过 {number} 3分。",
        AboveOneself: "这位邻居的职务需要社区书记来核对。",
    },
)

SHOWN = 2
"""Waiting items in one answer: four lines in all."""


@router.command(
    "review", "审核", "待审核", role=Role.BUILDING_LEAD, private=True, usage="审核", gist="看看有什么等您点头"
)
def review(turn: Turn) -> Answer:
    registrations = members.waiting_registrations(turn.session, reviewer=turn.who, role=Role.BUILDING_LEAD)
    appeals = points.waiting_appeals(turn.session, reviewer=turn.who, role=Role.STAFF)
    lines = {
        one.number: say("registration", number=one.number, name=one.name, unit=_called(turn, one.unit_id))
        for one in registrations
    }
    lines |= {
        one.number: say(
            "appeal",
            number=one.number,
            name=one.name,
            day=short_day(one.booked_at),
            what=_what(one.kind, one.note),
            change=one.change,
            entry=one.transfer_id,
            reason=one.reason,
        )
        for one in appeals
    }
    if not lines:
        return say("none")
    first = sorted(lines)[:SHOWN]
    return "\n".join(
        [say("head", count=len(lines)), *(lines[number] for number in first), say("foot", number=first[0])]
    )


@router.command(
    "approve",
    "通过",
    slots=(
        Slot("number", Kind.NUMBER, required=True, ask="通过几号？看看有哪些，请发 审核。"),
        Slot("points", Kind.POINTS),
        Slot("answer", Kind.TEXT),
    ),
    role=Role.BUILDING_LEAD,
    writes=True,
    overheard=False,
    usage="通过 8",
    gist="同意一件",
)
def approve(turn: Turn) -> Answer:
    return _decide(turn, approve=True)


@router.command(
    "reject",
    "驳回",
    slots=(
        Slot("number", Kind.NUMBER, required=True, ask="驳回几号？看看有哪些，请发 审核。"),
        Slot("answer", Kind.TEXT),
    ),
    role=Role.BUILDING_LEAD,
    writes=True,
    overheard=False,
    usage="驳回 8 楼栋写错了",
    gist="不同意一件，要写理由",
)
def reject(turn: Turn) -> Answer:
    if not turn.slots.get("answer"):
        return say("no_reason", number=turn.slots["number"])
    return _decide(turn, approve=False)


def _decide(turn: Turn, *, approve: bool) -> Answer:
    number, answer = turn.slots["number"], turn.slots.get("answer", "")
    try:
        decided = points.decide_appeal(
            turn.session,
            reviewer=turn.who,
            role=Role.STAFF,
            number=number,
            uphold=approve,
            points=turn.slots.get("points"),
            answer=answer,
            now=turn.now,
        )
    except NoSuchAppeal:
        return _decide_registration(turn, number, approve, answer)
    turn.wrote("decide_appeal", number, state=decided.state)
    return _tell_appeal(turn, decided, answer)


def _tell_appeal(turn: Turn, decided: Decided, answer: str) -> str:
    name = "upheld" if decided.state is AppealState.UPHELD else "dismissed"
    fields = {
        "number": decided.number,
        "name": decided.name,
        "change": decided.change,
        "balance": decided.balance,
        "reason": answer,
    }
    notice = say(f"{name}_notice", **fields)
    turn.tell(decided.member_id, notice, key=f"appeal-decided:{decided.number}", expires_hours=72)
    return say(name, **fields)


def _decide_registration(turn: Turn, number: int, approve: bool, answer: str) -> str:
    claim = members.decide_registration(
        turn.session,
        reviewer=turn.who,
        role=Role.BUILDING_LEAD,
        number=number,
        approve=approve,
        reason=answer,
        now=turn.now,
        basis=say("basis"),
    )
    turn.wrote("decide_registration", number, state=claim.state)
    if claim.state is RegistrationState.REJECTED or claim.member_id is None:
        return say("rejected", number=number, name=claim.name, reason=answer)
    turn.tell(claim.member_id, say("approved_notice", name=claim.name), key=f"registered:{number}", expires_hours=72)
    return say("approved", number=number, name=claim.name, unit=_called(turn, claim.unit.id))


def _what(kind: str, note: str) -> str:
    name = f"what_{kind}"
    return say(name if name in say.sentences else "what_other", note=note)


def _called(turn: Turn, unit_id: int) -> str:
    return called(turn.session, community_id=turn.community.id, unit_id=unit_id)
