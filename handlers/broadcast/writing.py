"""广播, 更正广播, 取消广播: a notice is written, shown with everybody whom it reaches, and put on its way."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from handlers.broadcast.audience import names_in, parts_called
from handlers.broadcast.words import voice_of, wording
from handlers.chat import Answer, Ask, Button, Reply, Router, Texts, Turn
from handlers.language import dates
from handlers.language.normalise import normalise
from handlers.language.slots import Kind, Slot
from models import broadcast as books
from models.audit import Act
from models.broadcast import BroadcastState, CancelledAlready, Draft, Notice, NotOutYet, Part, Plan, Who
from models.clock import clock_time, spoken
from models.members import Role
from models.reach import reach_in
from models.units import HOMES

say = Texts(
    "broadcast",
    preview="广播预览：{text}{marks}\n给 {target}：{count}。\n{where}。\n发送请回复 确认，不发回复 取消。",
    marks="（{marks}）",
    mark_urgent="紧急",
    mark_receipts="要回执",
    mark_reminds="没回的自动催",
    mark_second="要第二个人点头",
    mark_quiet="现在免打扰，{when}才发",
    mark_quiet_then="那时免打扰，{when}才发",
    mark_quiet_some="{names}安静时间，{when}才发",
    count_homes="{homes}户{people}人",
    count_people="{people}人",
    where_groups="发到：{names}",
    where_alone="私信{people}人",
    where_by_hand="{names}要人转发",
    where_missed="另有{homes}户我联系不上，要上门说",
    sent="{number}号已发：{where}。\n看谁收到请发 广播状态 {number}。",
    sent_plain="{number}号已发：{where}。\n看发到没有请发 广播状态 {number}。",
    copy_it="{names}我发不进去：请发 广播原文 {number}，复制到群里，再回复 已发 {number}。",
    planned="{number}号已定：{when} 发给 {target}。\n不发了请发 取消广播 {number}。",
    sent_later="{names}现在是安静时间，{when} 才发。",
    sent_in_the_morning="{number}号已定：免打扰过后，{when} 发给 {target}。\n"
    "急的请用 紧急广播；不发了请发 取消广播 {number}。",
    planned_series="{number}号已定：{said} 发给 {target}，下一次{when}。\n"
    "归{unit}管，换了人也照发；不发了请发 取消广播 {number}。",
    drafted="{number}号写好了，等别的同志点头（{review}号），通过了就发。",
    second_notice="{name} 要广播给 {target}（{count}）：{text}{marks}\n"
    "同意请回复 通过 {review}，不同意请回复 驳回 {review} 理由。",
    second_otherwise="有一条广播等{name}点头，我发不到{name}。请转告：私聊我发 审核 就能看到。",
    no_target="没听懂要发给谁。可以是楼栋、支部、党员、楼长、志愿者、物业、类别 或 全体，例如 广播 3栋 明天停水。",
    private="发给这些人的通知，请私聊我写。",
    private_staff="发给这些人的通知要社区工作人员来写，请和社区说一声。",
    private_named="内容里写着「{word}」，收到的人会被看出来。请换个说法再发。",
    cancelled="已取消{number}号「{title}」，没有发出去。",
    cancelled_series="已停发{number}号「{title}」（{said}）。",
    resumed="{number}号「{title}」不取消了，{when} 照发。",
    resumed_now="{number}号「{title}」不取消了，马上发。",
    resumed_series="{number}号「{title}」不停了，{said}照发。",
    resumed_draft="{number}号「{title}」不取消了，还等别的同志点头（{review}号）。",
    cancel_series_ask="{number}号是{said}循环发的「{title}」，要停发吗？\n停发请回复 确认。",
)

router = Router("broadcast")

MORNING = timedelta(hours=8)
"""When what names a day without an hour goes out."""
TITLE = 12
"""Characters by which people speak of a notice."""
_TITLE_ENDS = re.compile(r"[:：,，.。;；!！?？\n ]")
PREVIEW = 60
"""Characters of a notice that its preview shows."""


def title_of(body: str, now: datetime) -> str:
    """What people call a notice: its heading, or how it begins without its day and time."""
    heading = re.match(r"[【《\[](.{2,12}?)[】》\]]", body)
    if heading:
        return heading[1]
    text = body.strip()
    while (found := dates.read_at(text, 0, now)) is not None and len(rest := text[found[1] :].strip()) > 1:
        text = rest
    return _TITLE_ENDS.split(text, maxsplit=1)[0][:TITLE] or text[:TITLE]


def as_typed(raw: str, text: str) -> str:
    """A text as it was typed, with its own marks and its own script, where it stands so in the message."""
    for at in range(len(raw)):
        piece = raw[at : at + len(text)]
        if len(piece) == len(text) and normalise(piece, ()).text == text:
            return piece
    return text


def _draft(turn: Turn, parts: tuple[Part, ...], **more: Any) -> Draft:
    slots = turn.slots
    if not turn.confirmed:
        slots["content"] = as_typed(turn.incoming.text, slots["content"])
    return Draft(
        parts=parts,
        target=slots.get("target", ""),
        title=title_of(slots["content"], turn.now),
        body=slots["content"],
        wants_receipts="ack" in slots or "remind" in slots,
        urgent="urgent" in slots,
        reminds="remind" in slots,
        due_at=_due(slots),
        rule=slots.get("when_recur", ""),
        said=slots.get("when", "") if "when_recur" in slots else "",
        **more,
    )


def _due(slots: Mapping[str, Any]) -> datetime | None:
    """When it goes out; of a day that is named without an hour, in the morning."""
    due: datetime | None = slots.get("when_at")
    return due + MORNING if due is not None and slots.get("when_grain") in ("day", "week", "month") else due


def _where(plan: Plan) -> str:
    told = [group.name for group in plan.groups if group.pushes]
    by_hand = [group.name for group in plan.groups if not group.pushes]
    pieces = [say("where_groups", names="、".join(told))] if told else []
    pieces += [say("where_alone", people=len(plan.alone))] if plan.alone else []
    pieces += [say("where_by_hand", names="、".join(by_hand))] if by_hand else []
    if plan.missed:
        pieces.append(say("where_missed", homes=books.households(plan.missed)))
    return "，".join(pieces)


def _count(draft: Draft | Notice, plan: Plan) -> str:
    everybody = all(part.who is Who.EVERYBODY and part.unit.kind in HOMES for part in books.meant(draft.parts))
    name = "count_homes" if everybody else "count_people"
    return say(name, homes=books.households(plan.people), people=len(plan.people))


def _marks(
    draft: Draft, *, second: bool = False, quiet: datetime | None = None, some: Mapping[str, datetime] | None = None
) -> str:
    """What is to be known of a notice. `quiet` is when all of it leaves that cannot leave at its moment, `some` when it
    gets to those groups that are quiet longer than others.
    """
    marks = [
        say(name)
        for name, holds in (
            ("mark_urgent", draft.urgent),
            ("mark_receipts", draft.wants_receipts),
            ("mark_reminds", draft.reminds),
            ("mark_second", second),
        )
        if holds
    ]
    if quiet is not None:
        marks.append(say("mark_quiet" if draft.due_at is None else "mark_quiet_then", when=clock_time(quiet)))
    if some and (names := "、".join(filter(None, some))):
        marks.append(say("mark_quiet_some", names=names, when=clock_time(max(some.values()))))
    if draft.due_at is not None:
        marks.insert(0, f"{draft.said}，{spoken(draft.due_at)}" if draft.rule else spoken(draft.due_at))
    return say("marks", marks="，".join(marks)) if marks else ""


def _short(body: str) -> str:
    flat = " ".join(body.split("\n"))
    return flat if len(flat) <= PREVIEW else f"{flat[:PREVIEW]}…"


def _undo_broadcast(turn: Turn, act: Act) -> str:
    return _call_back(turn, books.find_broadcast(turn.session, community_id=turn.community.id, number=act.row), "")


ACK_WANTED = (
    "回执", "要回执", "需回执", "请回执", "带回执", "需要回执", "收到请回复", "请回复收到", "看到请回复",
    "都要回收到", "要回复", "收到回复", "要收到", "看到回复收到", "让大家回复收到", "回复收到", "请大家回复",
    "要大家回执",
)  # fmt: skip
REMINDERS_WANTED = (
    "没回的提醒", "提醒没回的", "没收到的再提醒", "自动催办", "没回复的再催", "没回的再催", "没回的自动催",
)  # fmt: skip


@router.command(
    "broadcast", "广播", "发广播", "发个广播", "发通知", "发个通知", "发布通知", "群发", "群发通知", "定时广播",
    "定时通知", "定时发", "下通知", "下个通知", "通知", "通知一下", "通知全体", "播报", "推送", "推送通知", "喊一下",
    "转告", "告诉", "提醒", "紧急广播", "紧急通知",
    slots=(
        Slot("target", Kind.TARGET, required=True, ask="发给谁？例如 广播 3栋 明天停水"),
        Slot("when", Kind.WHEN, labels=("定时",), ahead=True, ask="什么时候发？请这样说：定时广播 明早8点 3栋 停水"),
        Slot("ack", Kind.FLAG, labels=ACK_WANTED),
        Slot("remind", Kind.FLAG, labels=REMINDERS_WANTED),
        Slot("urgent", Kind.FLAG, labels=("紧急", "加急")),
        Slot("content", Kind.TEXT, required=True, ask="请写上通知的内容，例如 广播 3栋 明天停水"),
    ),
    implies={"紧急广播": {"urgent": True}, "紧急通知": {"urgent": True}},
    fillers=("群", "给", "的", "居民", "邻居", "说", "内容是", "内容", "在"),
    aloud=("广播", "定时广播", "发广播", "紧急广播"), role=Role.PROPERTY, overheard=False, writes=True, bare=False,
    usage="广播 3栋 明早8点停水 回执", gist="发通知，先预览再确认；定时说 定时广播 明早8点",
    undo={"broadcast": _undo_broadcast},
)  # fmt: skip
def broadcast(turn: Turn) -> Answer:
    parts = parts_called(turn, turn.slots["target"])
    if parts is None:
        return say("no_target")
    return _compose(turn, _draft(turn, parts))


def _compose(turn: Turn, draft: Draft) -> Answer:
    """Shows a notice with everybody whom it reaches; once its writer has confirmed it, it is on its way."""
    session, settings = turn.session, turn.rules["broadcast"]
    if any(part.private for part in draft.parts) and (refusal := _refuse_private(turn, draft)):
        return refusal
    books.refuse_odd(draft, now=turn.now, text_max=settings.text_max)
    plan = plan_for(turn, draft)
    second = books.needs_second(
        session, person=turn.who, parts=draft.parts, urgent=draft.urgent, rule=settings.second_person
    )
    unit = books.owner_of(session, person=turn.who, parts=draft.parts)
    others: list[int] = []
    if second:
        others = books.second_people(
            session, community_id=turn.community.id, unit=unit, without=turn.who.id, now=turn.now
        )
    fields = {"text": _short(draft.body), "target": draft.target, "count": _count(draft, plan)}
    due = draft.due_at or turn.now
    leaves = {} if draft.urgent else plan.leaves(session, reach_in(turn.rules), due)
    waits = {name: when for name, when in leaves.items() if when > due}
    quiet = max(leaves.values()) if waits and len(waits) == len(leaves) else None
    if not turn.confirmed:
        return Ask(
            say(
                "preview",
                marks=_marks(draft, second=second, quiet=quiet, some=None if quiet else waits),
                where=_where(plan),
                **fields,
            ),
            minutes=30,
        )
    notice = books.write_broadcast(
        session,
        community_id=turn.community.id,
        draft=draft,
        unit=unit,
        made_by=turn.who.id,
        now=turn.now,
        settings=settings,
        second=second,
        kept_by=turn.who.id if draft.rule else None,
    )
    turn.wrote("broadcast", notice.number, title=notice.title, target=notice.target)
    if second:
        for member_id in others:
            text = say("second_notice", name=turn.who.name, marks=_marks(draft), review=notice.review_number, **fields)
            turn.tell(
                member_id, text, key=f"broadcast-second:{notice.id}:{member_id}", expires_hours=settings.draft_hours,
                buttons=(Button("通过", f"通过 {notice.review_number}"),), urgent=draft.urgent,
                otherwise=_second_otherwise(turn, member_id),
            )  # fmt: skip
        return Reply(say("drafted", number=notice.number, review=notice.review_number), ref=notice.ref)
    if draft.due_at is not None:
        return Reply(_planned(turn, notice, quiet or notice.due_at), ref=notice.ref)
    reply = _sent(turn, notice, plan)
    if quiet is None and (names := "、".join(filter(None, waits))):
        first, *rest = reply.text.split("\n")
        later = say("sent_later", names=names, when=spoken(max(waits.values())))
        reply = replace(reply, text="\n".join([first, later, *rest]))
    if quiet is not None and all(group.pushes for group in plan.groups):
        reply = replace(
            reply, text=say("sent_in_the_morning", number=notice.number, when=spoken(quiet), target=notice.target)
        )
    return reply


def _refuse_private(turn: Turn, draft: Draft) -> str:
    """Why a notice for people of a private category is not even shown; nothing where it is."""
    if turn.group is not None:
        return say("private")
    if not books.may_send(turn.who, draft.parts):
        return say("private_staff")
    word = names_in(draft.body, draft.parts)
    return say("private_named", word=word) if word else ""


def _second_otherwise(turn: Turn, member_id: int) -> str:
    """What the lead hears where whoever has to say yes cannot be written to; nothing of the notice itself."""
    one = books.listener(turn.session, community_id=turn.community.id, member_id=member_id)
    return say("second_otherwise", name=one.name) if one is not None else ""


def plan_for(turn: Turn, draft: Draft | Notice) -> Plan:
    return books.plan(
        turn.session,
        community_id=turn.community.id,
        parts=draft.parts,
        target=draft.target,
        reach=reach_in(turn.rules),
        now=turn.now,
    )


def _sent(turn: Turn, notice: Notice, plan: Plan) -> Reply:
    notice = books.send(
        turn.session,
        notice=notice,
        plan=plan,
        wording=wording(notice, voice_of(turn, notice)),
        reach=reach_in(turn.rules),
        now=turn.now,
        settings=turn.rules["broadcast"],
    )
    told = replace(plan, groups=[group for group in plan.groups if group.pushes], missed=[])
    by_hand = [group.name for group in plan.groups if not group.pushes]
    lines = []
    if told.groups or told.alone:
        name = "sent" if notice.wants_receipts else "sent_plain"
        lines.append(say(name, number=notice.number, where=_where(told).removeprefix(say("where_groups", names=""))))
    if by_hand:
        lines.append(say("copy_it", names="、".join(by_hand), number=notice.number))
    return Reply("\n".join(lines), ref=notice.ref)


def _planned(turn: Turn, notice: Notice, when: datetime) -> str:
    """`when` is when it really leaves: what is planned for the night leaves in the morning."""
    if notice.rule:
        return say(
            "planned_series", number=notice.number, said=notice.said, target=notice.target,
            when=spoken(when), unit=turn.called(notice.unit),
        )  # fmt: skip
    return say("planned", number=notice.number, when=spoken(when), target=notice.target)


@router.command(
    "correct_broadcast", "更正广播", "更正通知", "补发更正",
    slots=(
        Slot("broadcast", Kind.OBJECT, of="broadcast", required=True, ask="更正几号广播？例如 更正 7 改到周六停水"),
        Slot("ack", Kind.FLAG, labels=ACK_WANTED),
        Slot("urgent", Kind.FLAG, labels=("紧急", "加急")),
        Slot("content", Kind.TEXT, required=True, ask="改成什么？例如 更正 7 改到周六停水"),
    ),
    gestures=("更正",), fillers=("广播", "通知", "号"), role=Role.PROPERTY, overheard=False, writes=True, bare=False,
    usage="更正广播 7 改到周六停水", gist="发错了补一条更正；要大家重新回执就加 回执",
)  # fmt: skip
def correct_broadcast(turn: Turn) -> Answer:
    first = books.find_broadcast(turn.session, community_id=turn.community.id, number=turn.slots["broadcast"])
    books.require_charge(turn.who, first)
    if first.state is BroadcastState.CANCELLED:
        raise CancelledAlready(number=first.number)
    if first.sent_at is None:
        raise NotOutYet(number=first.number)
    turn.slots["target"] = first.target
    draft = _draft(turn, first.parts, corrects=first.id)
    return _compose(turn, replace(draft, urgent=draft.urgent or first.urgent))


def _call_back(turn: Turn, notice: Notice, reason: str) -> str:
    if notice.state is BroadcastState.CANCELLED:
        raise CancelledAlready(number=notice.number)
    books.call_back(turn.session, notice=notice, by=turn.who.id, reason=reason, now=turn.now)
    name = "cancelled_series" if notice.rule else "cancelled"
    return say(name, number=notice.number, title=notice.title, said=notice.said)


def _undo_cancel(turn: Turn, act: Act) -> str:
    notice = books.find_broadcast(turn.session, community_id=turn.community.id, number=act.row)
    books.require_charge(turn.who, notice)
    notice = books.resume(
        turn.session,
        notice=notice,
        was=BroadcastState(act.detail["was"]),
        reach=reach_in(turn.rules),
        now=turn.now,
        settings=turn.rules["broadcast"],
    )
    fields = {"number": notice.number, "title": notice.title, "said": notice.said, "review": notice.review_number}
    if notice.state is BroadcastState.DRAFT:
        return say("resumed_draft", **fields)
    if notice.rule:
        return say("resumed_series", **fields)
    quiet = None if notice.urgent else reach_in(turn.rules).quiet_until(max(notice.due_at, turn.now))
    if quiet is None and notice.due_at <= turn.now:
        return say("resumed_now", **fields)
    return say("resumed", when=spoken(quiet or notice.due_at), **fields)


@router.command(
    "cancel_broadcast", "取消广播", "撤回广播", "停止广播", "取消通知", "撤回通知", "停发广播", "不广播了",
    slots=(
        Slot("broadcast", Kind.OBJECT, of="broadcast", required=True, ask="取消几号广播？看看有哪些请发 广播列表。"),
        Slot("reason", Kind.TEXT),
    ),
    fillers=("广播", "通知", "号"), role=Role.PROPERTY, overheard=False, writes=True, bare=False,
    usage="取消广播 7", gist="没发出去的收回来，循环的停下来",
    undo={"cancel_broadcast": _undo_cancel},
)  # fmt: skip
def cancel_broadcast(turn: Turn) -> Answer:
    notice = books.find_broadcast(turn.session, community_id=turn.community.id, number=turn.slots["broadcast"])
    books.require_charge(turn.who, notice)
    if notice.rule and notice.state is BroadcastState.CONFIRMED and not turn.confirmed:
        return Ask(say("cancel_series_ask", number=notice.number, said=notice.said, title=notice.title))
    text = _call_back(turn, notice, turn.slots.get("reason", ""))
    turn.wrote("cancel_broadcast", notice.number, was=notice.state)
    return Reply(text, ref=notice.ref)
