"""广播 and 回执: what the community says to its people, who has had it, and whom somebody has to tell in person.

张敏: 广播 3栋 明早8点到10点停水，请提前存水 回执
小邻: 广播预览：明早8点到10点停水，请提前存水（要回执）
      给 3栋：29户35人。
      发到：3栋群。
      发送请回复 确认，不发回复 取消。
张敏: 确认
小邻: 8号已发：3栋群。
      看谁收到请发 广播状态 8。
小邻 → 3栋群: 【锦绣社区通知 8】明早8点到10点停水，请提前存水
      收到请回复 收到 8。
王秀英: 收到 8
小邻: 记下了，谢谢。
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from handlers.chat import Answer, Ask, Button, Reply, Router, Texts, Turn, spoken_of
from handlers.language import dates
from handlers.language.normalise import normalise
from handlers.language.roll_call import NOT_MET
from handlers.language.slots import Kind, Slot
from models import broadcast as books
from models.audit import Act
from models.broadcast import (
    AllAnswered,
    BroadcastState,
    CancelledAlready,
    Copy,
    CopyState,
    Draft,
    DueInThePast,
    Ears,
    Household,
    Houses,
    NobodyThere,
    NoReceiptWanted,
    NoSecondPerson,
    NoSuchBroadcast,
    NoSuchDraft,
    NotAddressed,
    NothingByHand,
    Notice,
    NotOutYet,
    OutAlready,
    OutOfReach,
    Part,
    Plan,
    QuietNow,
    ReceiptGone,
    ReceiptsClosed,
    RemindedEnough,
    RemindedRecently,
    Tally,
    TextTooLong,
    Way,
    Who,
    Wording,
    way_for,
)
from models.clock import clock_time, spoken
from models.members import Role, find_member
from models.members.merging import one_person
from models.privacy import Private, looked
from models.reach import everybody_reached, reach_in
from models.units import HOMES, NoSuchUnit, covers, find_unit

say = Texts(
    "broadcast",
    notice="【{unit}通知 {number}】{text}",
    notice_urgent="【紧急·{unit}通知 {number}】{text}",
    notice_correction="【更正·{unit}通知 {number}】{text}\n{corrects}号通知以这条为准{again}。",
    no_new_receipt="，回过收到的不用再回",
    receipt_all="收到请回复 收到 {number}。",
    receipt_mentions="收到请 @{bot} 回复 收到 {number}。",
    receipt_none="收到请私聊{bot}发 收到 {number}。",
    received="收到",
    preview="广播预览：{text}{marks}\n给 {target}：{count}。\n{where}。\n发送请回复 确认，不发回复 取消。",
    marks="（{marks}）",
    mark_urgent="紧急",
    mark_receipts="要回执",
    mark_reminds="没回的自动催",
    mark_second="要第二个人点头",
    mark_quiet="现在免打扰，{when}才发",
    mark_quiet_then="那时免打扰，{when}才发",
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
    sent_in_the_morning="{number}号已定：免打扰过后，{when} 发给 {target}。\n"
    "急的请用 紧急广播；不发了请发 取消广播 {number}。",
    planned_series="{number}号已定：{said} 发给 {target}，下一次{when}。\n"
    "归{unit}管，换了人也照发；不发了请发 取消广播 {number}。",
    drafted="{number}号写好了，等别的同志点头（{review}号），通过了就发。",
    second_notice="{name} 要广播给 {target}（{count}）：{text}{marks}\n"
    "同意请回复 通过 {review}，不同意请回复 驳回 {review} 理由。",
    second_otherwise="有一条广播等{name}点头，我发不到{name}。请转告：私聊我发 审核 就能看到。",
    handed_over_otherwise="{unit}的循环广播现在归{name}管，我发不到{name}。请转告：私聊我发 广播列表 就能看到。",
    hand="请把下一条消息复制到{group}，我发不进去。\n发好了请回复 已发 {number}。",
    copied="记下了，{names}已发。",
    copied_undone="好的，{number}号还等人转发。",
    no_target="没听懂要发给谁。可以是楼栋、支部、党员、楼长、志愿者、物业 或 全体，例如 广播 3栋 明天停水。",
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
    status_silent_more="还没回的{homes}户：{names}等，看一栋的请发 广播状态 {number} 加楼栋。",
    status_private="谁还没回，请私聊我看。",
    status_foot="催一催请发 催办 {number}。",
    status_hand="转发好了请回复 已发 {number}。",
    place_waiting="{name}正在发",
    place_sent="{name}已发",
    place_failed="{name}没发到（{why}）",
    place_unknown="{name}不知道发到没有",
    place_by_hand="{name}等人转发",
    alone_sent="私信{done}/{all}人",
    alone_failed="私信{done}/{all}人，没发到{failed}人（{why}）",
    why_route="我发不进去",
    why_late="过了时间",
    why_copied="没人转发",
    why_platform="平台没有收",
    report="{number}号「{title}」发完了：{places}。",
    report_receipts="收到的请发 广播状态 {number} 看。",
    silent_notice="{number}号「{title}」{unit}还有{homes}户没回：{names}。\n"
    "请帮忙问一声；替他们记下请发 收到 {number} 加楼栋房号。",
    home="{room}{name}",
    home_more="{names}等{homes}户",
    remind="提醒：{number}号「{title}」还等您回一声。\n收到请回复 收到 {number}。",
    reminded="第{time}次催办已发：{homes}户{people}人。",
    reminded_nobody="这{homes}户我都联系不上，要上门说：{names}。",
    reminded_knock="联系不上的{homes}户已告诉楼长上门。",
    knock="{number}号「{title}」有{homes}户我联系不上：{names}。\n"
    "麻烦上门说一声；说好了请发 收到 {number} 加楼栋房号。",
    thanks="记下了，谢谢。",
    thanks_for="记下了，{name}的也收到了，谢谢。",
    not_met="家里没人的不算收到，没有记。\n问到了请发 收到 {number}{home}。",
    again="已经记过了，不用再回。",
    again_for="{name}的已经记过了。",
    nothing_open="现在没有等回执的通知。",
    which_receipt="是哪一条？请回复序号：\n{choices}",
    choice="{index} {number}号 {title}",
    not_family="只能替自己和家人回。{name}要本人说，或请楼长代记；登记家人请私聊我发 家人 加姓名。",
    no_home="{unit}{room}没有登记的人。请核对楼栋房号。",
    undone_receipt="已撤回{number}号的回执。",
    cancelled="已取消{number}号「{title}」，没有发出去。",
    cancelled_series="已停发{number}号「{title}」（{said}）。",
    cancel_series_ask="{number}号是{said}循环发的「{title}」，要停发吗？\n停发请回复 确认。",
    handed_over="{unit}的循环广播现在归您：{number}号 {said}「{title}」。\n照发不用管；不发了请发 取消广播 {number}。",
    not_sent="{number}号「{title}」没有发：{why}。",
    why_nobody="{target}没有登记的人",
    why_reach="{target}的群和人我都发不到",
    lapsed="没有人点头，已作废。要发请重新说一遍",
)

router = Router(
    "broadcast",
    {
        NoSuchBroadcast: "没有{number}号广播，或不归您管。看看有哪些请发 广播列表。",
        NoSuchDraft: "没有等您看的{number}号。看看有哪些，请发 审核。",
        NoSecondPerson: "这样的广播要第二个人点头，可现在没有别人能点。请先任命一位社工。",
        TextTooLong: "写得太长了：{count}字，一条广播最多{most}字。请短一点。",
        DueInThePast: "{due_at} 已经过了。请换一个时间。",
        OutAlready: "{number}号已经发出去了，收不回来。要改请发 更正 {number} 加新的内容。",
        NotOutYet: "{number}号还没有发出去，不用更正：先发 取消广播 {number}，再重新写。",
        CancelledAlready: "{number}号已经取消了。",
        NobodyThere: "{target} 没有登记的人，没法发。",
        OutOfReach: "{target} 的群和人我都发不到。请先绑定群，或请大家加我。",
        NothingByHand: "{number}号没有等您转发的群。",
        NoReceiptWanted: "{number}号不用回执，看过就好。",
        ReceiptsClosed: "{number}号的回执已经收完了。",
        NotAddressed: "{number}号不是发给您那里的，不用回。",
        AllAnswered: "{number}号都回了，不用催。",
        RemindedEnough: "{number}号没回的都催过{most}次了，请上门问一声。",
        QuietNow: "现在免打扰，{again_at} 以后再催。",
        RemindedRecently: "刚催过，{again_at} 以后再催。",
        ReceiptGone: "{number}号的回执已经撤回过了。",
    },
)

WHO = {
    "党员": Who.PARTY,
    "楼长": Who.BUILDING_LEADS,
    "楼栋长": Who.BUILDING_LEADS,
    "各楼栋长": Who.BUILDING_LEADS,
    "支部书记": Who.BRANCH_SECRETARIES,
    "网格员": Who.STAFF,
    "志愿者": Who.VOLUNTEERS,
    "全体志愿者": Who.VOLUNTEERS,
}
"""What people say for certain people of a unit, wherever they live."""
_WHO = re.compile(f"(?P<unit>.*?)的?(?P<who>{'|'.join(sorted(WHO, key=len, reverse=True))})")
MORNING = timedelta(hours=8)
TITLE = 12
"""Characters by which people speak of a notice."""
_TITLE_ENDS = re.compile(r"[:：,，.。;；!！?？\n ]")
PREVIEW = 60
"""Characters of a notice that its preview shows."""
NAMED = 12
"""Households that an answer names."""
DOORS = 60
"""Households that a list for whoever has to knock at them names: all of a house."""
LISTED = 3

# -- what is typed ----------------------------------------


def _parts(turn: Turn, target: str) -> tuple[Part, ...] | None:
    """The audience of `3栋、5栋党员`; None for words that mean nobody here."""
    parts = [_part(turn, word) for word in target.split("、") if word]
    return tuple(dict.fromkeys(part for part in parts if part)) if parts and all(parts) else None


def _part(turn: Turn, word: str) -> Part | None:
    community_id = turn.community.id
    match = _WHO.fullmatch(word)
    try:
        if match is None:
            return Part(find_unit(turn.session, community_id=community_id, name=word))
        who, unit = WHO[match["who"]], match["unit"]
        if not unit and who is Who.PARTY:
            return Part(books.party_of(turn.session, community_id=community_id), who)
        return Part(find_unit(turn.session, community_id=community_id, name=unit or "全体"), who)
    except NoSuchUnit:
        return None


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
    return due + MORNING if due is not None and slots.get("when_grain") == "day" else due


# -- what is said ----------------------------------------


def wording(notice: Notice, *, unit: str, bot: str) -> Wording:
    """A notice in the words for each kind of group, and for a person alone."""

    def hand(group: str) -> str:
        return say("hand", group=group, number=notice.number)

    fields = {"unit": unit, "number": notice.number, "text": notice.body}
    if notice.corrects is not None:
        again = say("no_new_receipt") if notice.asked_before and not notice.wants_receipts else ""
        whole = say("notice_correction", corrects=notice.corrects, again=again, **fields)
    else:
        whole = say("notice_urgent" if notice.urgent else "notice", **fields)
    if not notice.wants_receipts:
        return Wording(dict.fromkeys(Ears, whole), whole, hand=hand)
    asks = {
        ears: say(f"receipt_{ears}", number=notice.number, bot=bot) for ears in (Ears.ALL, Ears.MENTIONS, Ears.NONE)
    }
    return Wording(
        {ears: f"{whole}\n{ask}" for ears, ask in asks.items()},
        f"{whole}\n{asks[Ears.ALL]}",
        received(notice),
        hand,
    )


def received(notice: Notice) -> tuple[Button, ...]:
    """One tap instead of typing."""
    return (Button(say("received"), f"收到 {notice.number}"),)


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
    everybody = all(part.who is Who.EVERYBODY and part.unit.kind in HOMES for part in draft.parts)
    name = "count_homes" if everybody else "count_people"
    return say(name, homes=books.households(plan.people), people=len(plan.people))


def _marks(draft: Draft, *, second: bool = False, quiet: datetime | None = None) -> str:
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
    if draft.due_at is not None:
        marks.insert(0, f"{draft.said}，{spoken(draft.due_at)}" if draft.rule else spoken(draft.due_at))
    return say("marks", marks="，".join(marks)) if marks else ""


def _short(body: str) -> str:
    flat = " ".join(body.split("\n"))
    return flat if len(flat) <= PREVIEW else f"{flat[:PREVIEW]}…"


# -- 广播 ----------------------------------------


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
        Slot("when", Kind.WHEN, labels=("定时",)),
        Slot("ack", Kind.FLAG, labels=ACK_WANTED),
        Slot("remind", Kind.FLAG, labels=REMINDERS_WANTED),
        Slot("urgent", Kind.FLAG, labels=("紧急", "加急")),
        Slot("content", Kind.TEXT, required=True, ask="请写上通知的内容，例如 广播 3栋 明天停水"),
    ),
    implies={"紧急广播": {"urgent": True}, "紧急通知": {"urgent": True}},
    fillers=("群", "给", "的", "居民", "邻居", "说", "内容是", "内容"),
    aloud=("广播", "定时广播", "发广播", "紧急广播"), role=Role.PROPERTY, overheard=False, writes=True, bare=False,
    usage="广播 3栋 明早8点停水 回执", gist="发通知，先预览再确认；定时说 定时广播 明早8点",
    undo={"broadcast": _undo_broadcast},
)  # fmt: skip
def broadcast(turn: Turn) -> Answer:
    parts = _parts(turn, turn.slots["target"])
    if parts is None:
        return say("no_target")
    return _compose(turn, _draft(turn, parts))


def _compose(turn: Turn, draft: Draft) -> Answer:
    """Shows a notice with everybody whom it reaches; once its writer has confirmed it, it is on its way."""
    session, settings = turn.session, turn.rules["broadcast"]
    books.refuse_odd(draft, now=turn.now, text_max=settings.text_max)
    plan = _plan(turn, draft)
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
    quiet = None if draft.urgent else reach_in(turn.rules).quiet_until(draft.due_at or turn.now)
    if not turn.confirmed:
        return Ask(
            say("preview", marks=_marks(draft, second=second, quiet=quiet), where=_where(plan), **fields), minutes=30
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
    if quiet is not None and all(group.pushes for group in plan.groups):
        reply = replace(
            reply, text=say("sent_in_the_morning", number=notice.number, when=spoken(quiet), target=notice.target)
        )
    return reply


def _second_otherwise(turn: Turn, member_id: int) -> str:
    """What the lead hears where whoever has to say yes cannot be written to; nothing of the notice itself."""
    one = books.listener(turn.session, community_id=turn.community.id, member_id=member_id)
    return say("second_otherwise", name=one.name) if one is not None else ""


def _plan(turn: Turn, draft: Draft | Notice) -> Plan:
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
        wording=wording(notice, unit=turn.called(notice.unit), bot=turn.community.bot_name),
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


@router.command(
    "cancel_broadcast", "取消广播", "撤回广播", "停止广播", "取消通知", "撤回通知", "停发广播", "不广播了",
    slots=(
        Slot("broadcast", Kind.OBJECT, of="broadcast", required=True, ask="取消几号广播？看看有哪些请发 广播列表。"),
        Slot("reason", Kind.TEXT),
    ),
    fillers=("广播", "通知", "号"), role=Role.PROPERTY, overheard=False, writes=True, bare=False,
    usage="取消广播 7", gist="没发出去的收回来，循环的停下来",
)  # fmt: skip
def cancel_broadcast(turn: Turn) -> Answer:
    notice = books.find_broadcast(turn.session, community_id=turn.community.id, number=turn.slots["broadcast"])
    books.require_charge(turn.who, notice)
    if notice.rule and notice.state is BroadcastState.CONFIRMED and not turn.confirmed:
        return Ask(say("cancel_series_ask", number=notice.number, said=notice.said, title=notice.title))
    text = _call_back(turn, notice, turn.slots.get("reason", ""))
    turn.wrote("cancel_broadcast", notice.number)
    return Reply(text, ref=notice.ref)


# -- what became of it ----------------------------------------


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
        if books.in_charge(turn.who, one) or (one.sent_at is not None and _touched(turn, one))
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


def why_not(reason: str) -> str:
    """Why a copy did not arrive, as a neighbour reads it; what the platform said word by word is the operator's."""
    if reason.startswith("no route"):
        return say("why_route")
    if "expired" in reason or "late" in reason:
        return say("why_late")
    return say("why_copied") if reason == books.NOT_COPIED else say("why_platform")


def places(copies: Sequence[Copy]) -> str:
    """What became of a notice group by group; of those who were written to alone, how many."""
    lines = []
    for copy in copies:
        if copy.group_id is not None:
            lines.append(say(f"place_{copy.state}", name=copy.name, why=why_not(copy.reason)))
    alone = [copy for copy in copies if copy.member_id is not None]
    if alone:
        done = sum(copy.state is CopyState.SENT for copy in alone)
        failed = [copy for copy in alone if copy.state is CopyState.FAILED]
        name = "alone_failed" if failed else "alone_sent"
        why = why_not(failed[0].reason) if failed else ""
        lines.append(say(name, done=done, all=len(alone), failed=len(failed), why=why))
    return "、".join(lines)


def report(notice: Notice, copies: Sequence[Copy]) -> str:
    """What whoever sent a notice hears when it is out everywhere, or nowhere else any more."""
    text = say("report", number=notice.number, title=notice.title, places=places(copies))
    return f"{text}\n{say('report_receipts', number=notice.number)}" if notice.wants_receipts else text


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
    implies={word: {"remind": True} for word in REMINDING},
    fillers=("通知", "广播", "的", "有", "那条", "没回的", "还没回的", "了", "人", "还", "那个", "没回复的", "回执",
        "多少", "的人"),
    aloud=("广播状态", "催办"), role=Role.PROPERTY, overheard=False, writes=True, bare=False,
    usage="广播状态 7", gist="发到了没有，谁还没回；催一催发 催办 7",
)  # fmt: skip
def broadcast_status(turn: Turn) -> Answer:
    notice = books.find_broadcast(turn.session, community_id=turn.community.id, number=turn.slots["broadcast"])
    paths = _scope(turn, notice)
    if turn.slots.get("remind"):
        return _remind(turn, notice, paths)
    return Reply("\n".join(_status(turn, notice, paths)), ref=notice.ref)


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
        for path in books.scopes(turn.who, notice)
        if any(covers(path, part.unit.path) or covers(part.unit.path, path) for part in notice.parts)
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


def rooms(houses: Houses, *, most: int = NAMED) -> str:
    """Households as those in charge read them: `3栋2单元 501王秀英 502陈阿姨，5栋1单元 201孙丽`; of many the first."""
    homes = sum(len(some) for _, some in houses)
    left, pieces = most, []
    for door, some in houses:
        named = " ".join(say("home", room=home.room, name=home.people[0].name) for home in some[: max(left, 0)])
        left -= len(some)
        if named:
            pieces.append(f"{door} {named}")
    names = "，".join(pieces)
    return say("home_more", names=names, homes=homes) if homes > most else names


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
    text, knock = reminding(notice)
    books.post_reminder(
        turn.session,
        notice=notice,
        done=done,
        text=text,
        buttons=received(notice),
        knock=knock,
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


def reminding(notice: Notice) -> tuple[str, Callable[[Houses], str]]:
    """What those who are reminded hear; and what a lead hears about households that nobody can write to."""

    def knock(houses: Houses) -> str:
        homes = sum(len(some) for _, some in houses)
        return say("knock", number=notice.number, title=notice.title, homes=homes, names=rooms(houses, most=DOORS))

    return say("remind", number=notice.number, title=notice.title), knock


# -- copied by hand ----------------------------------------


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
    words = wording(notice, unit=turn.called(notice.unit), bot=turn.community.bot_name)
    ears = next(group.ears for group in _plan(turn, notice).groups if group.id == copy.group_id)
    return Reply(words.groups[ears], ref=notice.ref)


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


# -- 收到 ----------------------------------------


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
            return _which(waiting) if waiting else say("nothing_open")
        number = waiting[0].number
        turn.slots["broadcast"] = number
    notice = books.find_broadcast(turn.session, community_id=turn.community.id, number=number)
    if turn.slots.get("not_met"):
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


def _which(waiting: list[Notice]) -> Ask:
    lines = [say("choice", index=index, number=one.number, title=one.title) for index, one in enumerate(waiting[:3], 1)]
    options = tuple(one.number for one in waiting[:3])
    return Ask(say("which_receipt", choices="\n".join(lines)), slot="broadcast", options=options)


def _acknowledge(turn: Turn, notice: Notice) -> Answer:
    """Writes down who has had the notice: the speaker, one of their family, or somebody in the speaker's charge."""
    whose = _whose(turn)
    if isinstance(whose, str):
        return whose
    member_id, name, way = whose
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


# -- what jobs say ----------------------------------------


def not_sent(notice: Notice, why: str) -> str:
    """A notice that was confirmed and cannot go out."""
    words = say(why, target=notice.target) if why in ("why_nobody", "why_reach") else say("lapsed")
    return say("not_sent", number=notice.number, title=notice.title, why=words)


def handed_over(notice: Notice, unit: str) -> str:
    """Whoever is newly in charge hears what comes again."""
    return say("handed_over", unit=unit, number=notice.number, said=notice.said, title=notice.title)


def handed_over_otherwise(name: str, unit: str) -> str:
    """The same for the lead, where whoever is newly in charge cannot be written to: to whom it is to be told on."""
    return say("handed_over_otherwise", unit=unit, name=name)


def silent_line(notice: Notice, unit: str, houses: Houses) -> str:
    """Who has not answered, for the one who leads the building."""
    homes = sum(len(some) for _, some in houses)
    return say(
        "silent_notice",
        number=notice.number,
        title=notice.title,
        unit=unit,
        homes=homes,
        names=rooms(houses, most=DOORS),
    )
