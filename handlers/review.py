"""审核: what waits for a person: requests to be recognised, appeals about points, 补签, notices, in one row of numbers.

陌生人: 绑定 李四 3栋201 1234
小邻: 还没有对上。请核对后回复房号和手机号后四位，例如 501 1234；姓名或楼栋写错了，请重新发 绑定。
      名册没有写全的，社区核对好了我会告诉您。
陌生人: 201 1243
小邻: 还没有对上。请核对后回复房号和手机号后四位，例如 501 1234；姓名或楼栋写错了，请重新发 绑定。
      名册没有写全的，社区核对好了我会告诉您。
陌生人: 201 4321
小邻: 李四，已收到，请3栋的负责人核对后就可以用了（1号）。
小邻 → 老赵: 李四 申请绑定为3栋201居民（1号）。
      报的房号或手机尾号和名册对不上，请当面或打电话核实。
      是本人请回复 通过 1，不是请回复 驳回 1 理由。
老赵: 审核
小邻: 等您看的有1件：
      1号 绑定 李四 3栋201（没对上）
      同意请回复 通过 1，不同意请回复 驳回 1 理由。
老赵: 通过 1
小邻: 已通过 1号：李四 现在是3栋的居民了。
小邻 → 李四: 李四，核对好了，欢迎您！想看看我会什么，请发 帮助。
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from handlers.chat import Answer, Ask, Button, Reply, Router, Texts, Turn, sentence
from handlers.language.slots import Kind, Slot
from handlers.shared.posts import tell_offered, tell_post_left
from models import activities, broadcast, check_in, duties, members, points, posts
from models.activities import Asked, DecidedAsked, NoSuchAsked
from models.audit import Act
from models.broadcast import NoSuchDraft, Notice, OwnDraft
from models.check_in import AlreadyCheckedIn, DecidedMakeUp, NoSuchMakeUp
from models.clock import last_day, short_day, spoken, spoken_date, spoken_minutes
from models.duties import WaitingEntry
from models.ledger import AlreadyCorrected
from models.members import (
    AboveOneself,
    Decision,
    HasAccount,
    Joining,
    NoSuchRegistration,
    RegistrationState,
    Role,
    Waiting,
    Why,
    family,
)
from models.members.family import NoSuchTie, Tie
from models.points import AppealState, Decided, NoSuchAppeal, OwnDecision, PointsMissing
from models.posts import (
    Application,
    NoRoomForTwo,
    NoSuchApplication,
    OwnApplication,
    PostFull,
    in_charge,
    leads_posts,
)
from models.units import called

say = Texts(
    "review",
    none="现在没有等您看的事。",
    head="等您看的有{count}件：",
    registration="{number}号 绑定 {name} {unit}{room}（{note}）",
    why_unproved="没对上",
    why_sparse="名册没写全",
    why_office="有职务，没对上，谨防冒名",
    why_office_proved="有职务，对得上",
    why_second="第二个账号，没对上",
    why_second_proved="第二个账号，对得上",
    which_account="{name} 已经有一个账号。这个新的：\n1 换号，原来的不能再用\n2 并用，两个都是本人"
    "\n3 同名，是另一位邻居",
    appeal="{number}号 申诉 {name}：{day} {what} {change:+d}（记录{entry}），说「{reason}」",
    what_check_in="签到",
    what_hours="服务时长",
    what_award="加分（{note}）",
    what_deduct="扣分（{note}）",
    what_duty="履职",
    what_undo="撤销",
    what_appeal="申诉补分",
    what_other="积分",
    post="{number}号 岗位 {name} 想做 {post}号「{title}」{note}",
    post_both="{name} 和 {partner}",
    post_note="，说「{note}」",
    nothing_said="没有写情况",
    make_up="{number}号 补签 {name}「{title}」：{reason}",
    made_up="已通过 {number}号：给 {name} 补签了「{title}」{minutes}。",
    made_up_minutes="，记服务时长 {minutes}（组织者证明）",
    made_up_notice="您的补签（{number}号）通过了：「{title}」{minutes}{points}。",
    made_up_points="，积分+{points}",
    not_made_up="已驳回 {number}号：{name} 的「{title}」不补签（{reason}）。",
    not_made_up_notice="您在「{title}」的补签（{number}号）没有通过：{reason}。\n还有疑问请找社区当面说。",
    undone_make_up="已撤销 {number}号的决定：{name} 的「{title}」补签重新等人看。",
    undone_make_up_notice="您在「{title}」的补签（{number}号）要重新看，请稍等，有结果我会告诉您。",
    draft="{number}号 广播 {name} 给 {target}：{title}",
    tie="{number}号 家人 {name} 替 {member}（对方没有账号）",
    duty_wordless="到岗",
    duty="{number}号 履职 {name} {title}：{day} {note}",
    duty_confirmed="已确认 {number}号：{name} 的「{title}」履职。",
    duty_rejected="已驳回 {number}号：{name} 的「{title}」履职（{reason}）。",
    duties_confirmed="已确认{count}件：{numbers}号。",
    duties_left="{numbers}号没有确认，请单独看。",
    duty_confirmed_notice="您 {day} 在「{title}」的履职确认了{points}，辛苦了！",
    duty_confirmed_points="，积分+{points}（现有{balance}分）",
    duty_rejected_notice="您 {day} 在「{title}」的履职没有算上：{reason}。\n有出入请和负责人当面说。",
    undone_duty_notice="您 {day} 在「{title}」的履职要重新确认，有结果我会告诉您。",
    undone_duty="已撤销 {number}号的答复：{name} 的履职重新等您看。",
    signup="{number}号 报名 {name}{party}「{title}」（最近报了名没来）",
    signup_party="共{count}人",
    foot="同意请回复 通过 {number}，不同意请回复 驳回 {number} 理由。",
    basis="绑定审核",
    approved="已通过 {number}号：{name} 现在是{unit}的居民了。",
    approved_notice="{name}，核对好了，欢迎您！想看看我会什么，请发 帮助。",
    rejected="已驳回 {number}号：{name}（{reason}）。",
    rejected_notice="您的绑定申请（{number}号）没有通过：{reason}。\n请核对后再发 绑定 姓名 楼栋，或找社区当面说。",
    undone_approval="已撤销 {number}号的通过：{name} 的账号解除了绑定，重新等人核对。",
    undone_rejection="已撤销 {number}号的驳回：{name} 重新等人核对。",
    undone_notice="您的绑定申请（{number}号）要重新核对，请稍等，有结果我会告诉您。",
    replaced_notice="您的账号换了新号，这个账号不再是 {name}。不是您本人换的，请马上找社区。",
    tied="已通过 {number}号：{name} 可以替 {member} 办事了，记下了是您核实的。",
    untied="已驳回 {number}号：{name} 不能替 {member} 办事（{reason}）。",
    tied_notice="核实好了，您现在可以替 {member} 办事了。",
    untied_notice="替 {member} 办事的申请（{number}号）没有通过：{reason}。",
    post_given="已通过 {number}号：{name} 在岗了，{post}号「{title}」。",
    post_refused="已驳回 {number}号：{name} 不做 {post}号「{title}」了（{reason}）。",
    post_given_notice="{post}号「{title}」归您了{term}，谢谢您！\n要做什么请发 岗位 {post}{details}。",
    post_given_details="，内部说明请发 岗位细节 {post}",
    post_refused_notice="{post}号「{title}」这次没有定您：{reason}。\n看看别的岗位，请发 岗位。",
    undone_post="已撤销 {number}号的决定，{post}号「{title}」重新等人点头。",
    undone_post_notice="{post}号「{title}」的决定撤回了，要重新商量，有结果我会告诉您。",
    passed="已通过 {number}号：{broadcast}号广播{when}。",
    passed_now="马上发",
    passed_later="{when} 发",
    turned_down="已驳回 {number}号：{broadcast}号广播不发了（{reason}）。",
    passed_notice="{broadcast}号广播「{title}」有人点头了，{when}。",
    turned_down_notice="{broadcast}号广播「{title}」没有通过：{reason}。\n改好了请重新说一遍。",
    let_in="已通过 {number}号：{name} 报上了「{title}」{left}。",
    let_wait="已通过 {number}号：「{title}」名额满了，{name} 排在候补第{place}位。",
    kept_out="已驳回 {number}号：{name} 没有报上「{title}」（{reason}）。",
    let_in_notice="组织的同志同意了，您已报上「{title}」，{when}。\n这次来不了请早点回复 取消报名 {activity}。",
    let_wait_notice="组织的同志同意了；「{title}」名额满了，您排在候补第{place}位，有空位我会告诉您。",
    kept_out_notice="「{title}」这次没有报上：{reason}。\n有疑问请找社区当面说。",
    upheld="已通过 {number}号申诉：{name} {change:+d}分，现有{balance}分。",
    dismissed="已驳回 {number}号申诉：{name}（{reason}）。",
    upheld_notice="您的申诉（{number}号）通过了：{change:+d}分，现有{balance}分。",
    dismissed_notice="您的申诉（{number}号）没有通过：{reason}。\n还有疑问请找社区当面说。",
    no_reason_claim="请写上理由，例如 不同意认领 {number} 已经有人了。",
    no_reason="请写上理由，例如 驳回 {number} 楼栋写错了。",
)

router = Router(
    "review",
    {
        NoSuchRegistration: "没有等您看的{number}号。看看有哪些，请发 审核。",
        NoSuchApplication: "没有等您看的{number}号。看看有哪些，请发 审核。",
        OwnApplication: "{number}号和您自己有关，要请别的同志来看。",
        PostFull: "「{title}」满员了，要有人退岗才能通过。",
        NoRoomForTwo: "「{title}」现在只空{left}个名额，两个人要等有人退岗才能通过。",
        NoSuchAsked: "没有等您看的{number}号。看看有哪些，请发 审核。",
        NoSuchAppeal: "没有等您看的{number}号。看看有哪些，请发 审核。",
        OwnDraft: "{number}号是您自己写的，要请别的同志来看。",
        OwnDecision: "{number}号和您自己有关，要请别的同志来看。",
        AlreadyCorrected: "这笔分已经退回去了，不用再改。\n请回复 驳回 加编号和理由。",
        PointsMissing: "{number}号要补多少分？请回复 通过 {number} 3分。",
        AboveOneself: "这位邻居的职务要由更高一级的同志来核对；不是本人请回复 驳回 加编号和理由。",
        NoSuchMakeUp: "没有等您看的{number}号。看看有哪些，请发 审核。",
        AlreadyCheckedIn: "对方在「{title}」已经签过到了（{at}），不用补签，可以驳回。",
        HasAccount: "{name} 已经有账号。请回复 通过 {number} 换号、通过 {number} 并用 或 通过 {number} 同名。",
    },
)

SHOWN = 2
"""Waiting items in one answer: four lines in all."""


@router.command(
    "review",
    "审核",
    "待审核",
    role=Role.BUILDING_LEAD,
    also=leads_posts,
    private=True,
    usage="审核",
    gist="看看有什么等您点头",
)
def review(turn: Turn) -> Answer:
    registrations = members.waiting_registrations(turn.session, reviewer=turn.who, role=Role.BUILDING_LEAD)
    appeals = points.waiting_appeals(turn.session, reviewer=turn.who, role=Role.STAFF)
    lines = {
        one.number: say(
            "registration",
            number=one.number,
            name=one.name,
            unit=_called(turn, one.unit_id),
            room=one.room,
            note=_note(one),
        )
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
    unsaid = say("nothing_said")
    lines |= {
        one.number: say("make_up", number=one.number, name=one.name, title=one.title, reason=one.reason or unsaid)
        for one in check_in.waiting_make_ups(turn.session, reviewer=turn.who, role=Role.BUILDING_LEAD)
    }
    drafts = broadcast.waiting_drafts(turn.session, reviewer=turn.who)
    lines |= {one.review_number or 0: _draft(turn, one) for one in drafts}
    ties = family.waiting_ties(turn.session, reviewer=turn.who, role=Role.BUILDING_LEAD)
    lines |= {one.number: say("tie", number=one.number, name=one.proxy_name, member=one.member_name) for one in ties}
    lines |= {one.number: _application_line(turn, one) for one in _applications(turn)}
    lines |= {
        one.number: say(
            "duty",
            number=one.number,
            name=one.name,
            title=one.post.title,
            day=short_day(one.entry.done_at),
            note=one.entry.note or say("duty_wordless"),
        )
        for one in duties.waiting_entries(turn.session, community_id=turn.community.id)
        if one.entry.member_id != turn.who.id and _in_charge(turn, one)
    }
    signups = activities.waiting_asked(turn.session, reviewer=turn.who, now=turn.now)
    lines |= {one.number: _signup_line(one) for one in signups}
    if not lines:
        return say("none")
    first = sorted(lines)[:SHOWN]
    text = "\n".join(
        [say("head", count=len(lines)), *(lines[number] for number in first), say("foot", number=first[0])]
    )
    # A refusal needs its reason, which no button has.
    return Reply(text, buttons=tuple(Button(f"通过{number}", f"通过 {number}") for number in first))


def _applications(turn: Turn, number: int | None = None) -> list[Application]:
    """The claims on posts that wait for this person's word."""
    every = posts.applications(turn.session, community_id=turn.community.id, number=number)
    return [one for one in every if posts.in_charge(turn.session, post=one.post, person=turn.who, now=turn.now)]


def _application_line(turn: Turn, one: Application) -> str:
    return say(
        "post",
        number=one.number,
        name=_applicants(one),
        post=one.post.number,
        title=one.post.title,
        note=say("post_note", note=one.note) if one.note else "",
    )


def _applicants(one: Application) -> str:
    return say("post_both", name=one.name, partner=one.partner_name) if one.partner_name else one.name


def _draft(turn: Turn, one: Notice) -> str:
    name = members.member_by_id(turn.session, community_id=turn.community.id, member_id=one.made_by or 0).name
    return say("draft", number=one.review_number, name=name, target=one.target, title=one.title)


def _in_charge(turn: Turn, waiting: WaitingEntry) -> bool:
    return in_charge(turn.session, post=waiting.post, person=turn.who, now=turn.now)


def _signup_line(one: Asked) -> str:
    party = say("signup_party", count=1 + one.companions) if one.companions else ""
    return say("signup", number=one.number, name=one.name, party=party, title=one.activity.title)


def _note(one: Waiting) -> str:
    proved = one.proved and one.why in (Why.OFFICE, Why.SECOND)
    return say(f"why_{one.why}" + ("_proved" if proved else ""))


def _undo_decision(turn: Turn, act: Act) -> str:
    undone = members.reopen_registration(
        turn.session,
        reviewer=turn.who,
        number=act.row,
        made=act.detail["made"],
        replaced=[(external_id, ground) for external_id, ground in act.detail["replaced"]],
        now=turn.now,
    )
    if undone.heard:
        notice = say("undone_notice", number=undone.number)
        turn.tell_account(undone.namespace, undone.external_id, notice, key=f"reopened:{act.id}")
    approval = undone.state is RegistrationState.APPROVED
    if approval and act.detail["made"] and undone.member_id is not None:
        # Who was put on the roster by mistake holds no post.
        left = posts.end_all(
            turn.session,
            community_id=turn.community.id,
            member_ids=[undone.member_id],
            why=posts.Why.LEFT,
            now=turn.now,
            offer_hours=turn.rules["posts"].offer_hours,
        )
        tell_post_left(turn, left, undone.name)
    return say("undone_approval" if approval else "undone_rejection", number=undone.number, name=undone.name)


def _undo_application(turn: Turn, act: Act) -> str:
    post, claims, offers = posts.reopen_application(
        turn.session,
        community_id=turn.community.id,
        claims=act.detail["claims"],
        now=turn.now,
        offer_hours=turn.rules["posts"].offer_hours,
    )
    tell_offered(turn, offers)
    fields = {"number": act.row, "post": post.number, "title": post.title}
    for claim in claims:
        turn.tell(claim.member_id, say("undone_post_notice", **fields), key=f"post-reopened:{act.id}:{claim.id}")
    return say("undone_post", **fields)


def _undo_make_up(turn: Turn, act: Act) -> str:
    waiting = check_in.reopen_make_up(
        turn.session, community_id=turn.community.id, number=act.row, by=turn.who.id, now=turn.now
    )
    notice = say("undone_make_up_notice", number=waiting.number, title=waiting.title)
    turn.tell(waiting.member_id, notice, key=f"make-up-reopened:{act.id}", expires_hours=72)
    return say("undone_make_up", number=waiting.number, name=waiting.name, title=waiting.title)


def _undo_duty(turn: Turn, act: Act) -> str:
    decided = duties.undo_decision(
        turn.session, community_id=turn.community.id, log_id=act.row, by=turn.who.id, now=turn.now
    )
    (waiting,) = duties.waiting_entries(turn.session, community_id=turn.community.id, number=decided.entry.number)
    notice = say("undone_duty_notice", title=decided.post.title, day=short_day(decided.entry.done_at))
    turn.tell(decided.entry.member_id, notice, key=f"duty-again:{act.id}")
    return say("undone_duty", number=waiting.number, name=waiting.name)


JOININGS = {"换号": Joining.MOVE, "并用": Joining.JOIN, "同名": Joining.APART}
"""What a reviewer says in one word of somebody who has an account already."""


@router.command(
    "approve",
    "通过",
    slots=(
        Slot("number", Kind.NUMBER, required=True, ask="通过几号？看看有哪些，请发 审核。"),
        Slot("points", Kind.POINTS),
        Slot("joining", Kind.CHOICE, choices=tuple((word, ()) for word in JOININGS)),
        Slot("answer", Kind.TEXT),
    ),
    role=Role.BUILDING_LEAD,
    also=leads_posts,
    writes=True,
    overheard=False,
    private=True,
    usage="通过 8",
    gist="同意一件",
    undo={
        "decide_registration": _undo_decision,
        "decide_post": _undo_application,
        "decide_make_up": _undo_make_up,
        "decide_duty": _undo_duty,
    },
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
    also=leads_posts,
    writes=True,
    overheard=False,
    private=True,
    usage="驳回 8 楼栋写错了",
    gist="不同意一件，要写理由",
)
def reject(turn: Turn) -> Answer:
    if not turn.slots.get("answer"):
        return say("no_reason", number=turn.slots["number"])
    return _decide(turn, approve=False)


@router.command(
    "agree_claim",
    "同意认领",
    slots=(Slot("number", Kind.NUMBER, required=True, ask="同意几号？例如 同意认领 8"),),
    writes=True,
    overheard=False,
    private=True,
    rare=True,
    usage="同意认领 8",
    gist="您负责的岗位，同意一位邻居来做",
)
def agree_claim(turn: Turn) -> Answer:
    return _decide_claim(turn, approve=True)


@router.command(
    "decline_claim",
    "不同意认领",
    slots=(
        Slot("number", Kind.NUMBER, required=True, ask="不同意几号？例如 不同意认领 8 已经有人了"),
        Slot("answer", Kind.TEXT),
    ),
    writes=True,
    overheard=False,
    private=True,
    rare=True,
    usage="不同意认领 8 已经有人了",
    gist="您负责的岗位，不同意一位邻居来做，要写理由",
)
def decline_claim(turn: Turn) -> Answer:
    if not turn.slots.get("answer"):
        return say("no_reason_claim", number=turn.slots["number"])
    return _decide_claim(turn, approve=False)


def _decide_claim(turn: Turn, *, approve: bool) -> Answer:
    """For those who lead a post without a role: what waits for them is claims on posts, and nothing else."""
    number = turn.slots["number"]
    decided = _claim(turn, number, approve, turn.slots.get("answer", ""))
    if decided is None:
        raise NoSuchApplication(number=number)
    return decided


def _decide(turn: Turn, *, approve: bool) -> Answer:
    number, answer = turn.slots["number"], turn.slots.get("answer", "")
    for decide in KINDS:
        if (decided := decide(turn, number, approve, answer)) is not None:
            return decided
    return _decide_registration(turn, number, approve, answer)


def _duty(turn: Turn, number: int, approve: bool, answer: str) -> str | None:
    waiting = _entry(turn, number)
    if waiting is None:
        return None
    several = _more_numbers(turn) if approve else []
    if several:
        return _confirm_several(turn, [number, *several])
    return _decide_entry(turn, waiting, approve, answer)


def _appeal(turn: Turn, number: int, approve: bool, answer: str) -> str | None:
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
        return None
    turn.wrote("decide_appeal", number, state=decided.state)
    return _tell_appeal(turn, decided, answer)


def _claim(turn: Turn, number: int, approve: bool, answer: str) -> str | None:
    found = _applications(turn, number)
    return _decide_application(turn, found[0], approve, answer) if found else None


def _make_up(turn: Turn, number: int, approve: bool, answer: str) -> str | None:
    try:
        made_up = check_in.decide_make_up(
            turn.session,
            reviewer=turn.who,
            role=Role.BUILDING_LEAD,
            number=number,
            approve=approve,
            answer=answer,
            now=turn.now,
        )
    except NoSuchMakeUp:
        return None
    turn.wrote("decide_make_up", number, approve=approve)
    return _tell_make_up(turn, made_up, answer)


def _notice(turn: Turn, number: int, approve: bool, answer: str) -> str | None:
    try:
        notice = broadcast.decide_draft(
            turn.session, reviewer=turn.who, number=number, approve=approve, reason=answer, now=turn.now
        )
    except NoSuchDraft:
        return None
    turn.wrote("decide_broadcast", notice.number, agree=approve)
    return _tell_draft(turn, notice, number, approve, answer)


def _tie(turn: Turn, number: int, approve: bool, answer: str) -> str | None:
    try:
        tie = family.decide_tie(
            turn.session, reviewer=turn.who, role=Role.BUILDING_LEAD, number=number, agree=approve, now=turn.now
        )
    except NoSuchTie:
        return None
    turn.wrote("decide_family", tie.id, agree=approve)
    return _tell_tie(turn, tie, approve, answer)


def _signup(turn: Turn, number: int, approve: bool, answer: str) -> str | None:
    try:
        asked = activities.decide_asked(turn.session, reviewer=turn.who, number=number, agree=approve, now=turn.now)
    except NoSuchAsked:
        return None
    turn.wrote("decide_signup", asked.asked.signup_id, agree=approve)
    return _tell_asked(turn, asked, answer)


KINDS: tuple[Callable[[Turn, int, bool, str], str | None], ...] = (
    _duty,
    _appeal,
    _claim,
    _make_up,
    _notice,
    _tie,
    _signup,
)
"""Each decides what waits under a number, where that is of its kind. What is of none is a registration."""


def _tell_asked(turn: Turn, decided: DecidedAsked, answer: str) -> str:
    asked = decided.asked
    name = "kept_out" if decided.state is None else "let_wait" if decided.place else "let_in"
    left = "" if decided.left is None else sentence("signing.left", left=decided.left)
    fields = {
        "number": asked.number,
        "name": asked.name,
        "title": asked.activity.title,
        "activity": asked.activity.number,
        "when": spoken(asked.activity.starts_at),
        "place": decided.place,
        "left": left,
        "reason": answer,
    }
    notice = say(f"{name}_notice", **fields)
    turn.tell(asked.member_id, notice, key=f"asked-decided:{asked.number}", ref=asked.activity.ref, expires_hours=72)
    return say(name, **fields)


def _decide_application(turn: Turn, one: Application, approve: bool, answer: str) -> str:
    decided = posts.decide(turn.session, application=one, by=turn.who.id, agree=approve, reason=answer, now=turn.now)
    turn.wrote("decide_post", one.number, agree=approve, claims=[claim.id for claim in decided])
    fields = {"number": one.number, "post": one.post.number, "title": one.post.title, "reason": answer}
    has_details = bool(posts.details_of(turn.session, one.post))
    for claim in decided:
        notice = say(
            "post_given_notice" if approve else "post_refused_notice",
            term=sentence("posts.term", day=spoken_date(last_day(claim.term_ends_at))) if claim.term_ends_at else "",
            details=say("post_given_details", post=one.post.number) if has_details else "",
            **fields,
        )
        turn.tell(claim.member_id, notice, key=_once(f"post-decided:{claim.id}", turn, one.number), expires_hours=72)
    return say("post_given" if approve else "post_refused", name=_applicants(one), **fields)


def _tell_make_up(turn: Turn, decided: DecidedMakeUp, answer: str) -> str:
    stayed, title = decided.stayed, decided.activity.title
    fields = {"number": decided.number, "name": decided.name, "title": title, "reason": answer, "minutes": ""}
    name, points = "not_made_up", ""
    if stayed is not None:
        name = "made_up"
        points = say("made_up_points", points=stayed.points) if stayed.points else ""
        if stayed.minutes:
            fields["minutes"] = say("made_up_minutes", minutes=spoken_minutes(stayed.minutes))
    notice = say(f"{name}_notice", **fields, points=points)
    turn.tell(decided.member_id, notice, key=_once("make-up", turn, decided.number), expires_hours=72)
    return say(name, **fields)


def _tell_draft(turn: Turn, notice: Notice, number: int, approve: bool, answer: str) -> str:
    name = "passed" if approve else "turned_down"
    later = notice.due_at > turn.now
    fields = {
        "number": number,
        "broadcast": notice.number,
        "title": notice.title,
        "when": say("passed_later", when=spoken(notice.due_at)) if later else say("passed_now"),
        "reason": answer,
    }
    if notice.made_by is not None:
        turn.tell(notice.made_by, say(f"{name}_notice", **fields), key=f"broadcast-decided:{notice.id}")
    return say(name, **fields)


# -- what holders did for their posts ----------------------------------------


def _entry(turn: Turn, number: int) -> WaitingEntry | None:
    """The entry of this number, where it waits and is this reviewer's to decide."""
    found = duties.waiting_entries(turn.session, community_id=turn.community.id, number=number)
    return found[0] if found and _in_charge(turn, found[0]) else None


_NUMBERS = re.compile(r"[0-9、,，和号 ]+")


def _more_numbers(turn: Turn) -> list[int]:
    """Further numbers behind the first one: 通过 8 9 10."""
    # The second number is read as points, which only an appeal takes.
    points, rest = turn.slots.get("points"), turn.slots.get("answer", "")
    if not _NUMBERS.fullmatch(rest or " "):
        return []
    behind = [int(number) for number in re.findall(r"[0-9]+", rest)]
    return [*([points] if points is not None else []), *behind]


def _confirm_several(turn: Turn, numbers: Sequence[int]) -> str:
    done, left = [], []
    for number in dict.fromkeys(numbers):
        waiting = _entry(turn, number)
        if waiting is None or waiting.entry.member_id == turn.who.id:
            left.append(str(number))
            continue
        _decide_entry(turn, waiting, True, "")
        done.append(str(number))
    lines = [say("duties_confirmed", count=len(done), numbers="、".join(done))] if done else []
    return "\n".join([*lines, *([say("duties_left", numbers="、".join(left))] if left else [])])


def _decide_entry(turn: Turn, waiting: WaitingEntry, approve: bool, answer: str) -> str:
    decided = duties.decide_entry(
        turn.session, waiting=waiting, by=turn.who.id, agree=approve, reason=answer, now=turn.now
    )
    entry = decided.entry
    turn.wrote("decide_duty", entry.id, agree=approve)
    name = "duty_confirmed" if approve else "duty_rejected"
    points = say("duty_confirmed_points", points=decided.points, balance=decided.balance) if decided.points else ""
    fields = {"title": decided.post.title, "reason": answer, "points": points, "day": short_day(entry.done_at)}
    turn.tell(entry.member_id, say(f"{name}_notice", **fields), key=_once("duty", turn, entry.id), expires_hours=72)
    return say(name, number=waiting.number, name=waiting.name, **fields)


def _tell_tie(turn: Turn, tie: Tie, approve: bool, answer: str) -> str:
    name = "tied" if approve else "untied"
    fields = {"number": tie.number, "name": tie.proxy_name, "member": tie.member_name, "reason": answer}
    turn.tell(tie.proxy_id, say(f"{name}_notice", **fields), key=f"family-decided:{tie.number}", expires_hours=72)
    return say(name, **fields)


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


def _decide_registration(turn: Turn, number: int, approve: bool, answer: str) -> Answer:
    try:
        decided = members.decide_registration(
            turn.session,
            reviewer=turn.who,
            role=Role.BUILDING_LEAD,
            number=number,
            approve=approve,
            reason=answer,
            now=turn.now,
            basis=say("basis"),
            joining=JOININGS.get(turn.slots.get("joining", "")),
        )
    except HasAccount as refusal:
        return Ask(say("which_account", name=refusal.fields["name"]), slot="joining", options=tuple(JOININGS))
    turn.wrote("decide_registration", number, **_kept(decided))
    if decided.state is RegistrationState.REJECTED or decided.member_id is None:
        if decided.heard:
            notice = say("rejected_notice", number=number, reason=answer)
            turn.tell_account(decided.namespace, decided.external_id, notice, key=_once("rejected", turn, number))
        return say("rejected", number=number, name=decided.name, reason=answer)
    notice = say("approved_notice", name=decided.name)
    turn.tell(decided.member_id, notice, key=_once("registered", turn, number), expires_hours=72)
    for external_id, _ in decided.replaced:
        notice = say("replaced_notice", name=decided.name)
        turn.tell_account(decided.namespace, external_id, notice, key=_once("replaced", turn, number))
    return say("approved", number=number, name=decided.name, unit=_called(turn, decided.unit.id))


def _kept(decided: Decision) -> dict[str, Any]:
    """What the audit needs to take a decision back."""
    return {"state": decided.state, "made": decided.made, "replaced": [list(one) for one in decided.replaced]}


def _once(what: str, turn: Turn, number: int) -> str:
    # After an undoing a request may be decided again, and its people hear of that too.
    return f"{what}:{number}:{turn.incoming.message_id[-60:]}"


def _what(kind: str, note: str) -> str:
    name = f"what_{kind}"
    return say(name if name in say.sentences else "what_other", note=note)


def _called(turn: Turn, unit_id: int) -> str:
    return called(turn.session, community_id=turn.community.id, unit_id=unit_id)
