"""认领: somebody takes a post, alone or with a neighbour; those in charge hear of it, or are asked."""

from handlers.chat import Answer, Reply, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from handlers.posts.details import hand_details, send_details
from handlers.posts.leaving import WHY, release
from handlers.posts.wording import POST, duty_line, seats, shown_name, term
from handlers.shared.people import otherwise, spoken_of
from handlers.shared.posts import post_buttons, tell_offered
from models import posts as books
from models.audit import Act
from models.members import Neighbour, Role, member_by_id, roles_held
from models.members.detaching import accounts_of
from models.members.family import may_speak_for
from models.posts import Claimed, ClaimState, PostHere, Why
from models.proxies import WhoseRelative, only_relative
from models.reach import reach_in, reaches

say = Texts(
    "posts",
    with_whom="和谁一起？请写上名字，例如 认领 {number} 和 王秀英 一起。",
    taken="「{title}」已经有人做了，没有替您认领。想候补请发 认领 {number}。",
    which_none="现在没有可以认领的岗位。看看有哪些岗位，请发 岗位。",
    held="{number}号「{title}」归 {name} 了{term}，谢谢您！\n{duty}{details}",
    held_both="{number}号「{title}」归 {name} 和 {partner} 了{term}，谢谢两位！\n{duty}{details}",
    waiting="「{title}」满员了，{name} 排在候补第{place}位。\n{then}",
    will_ask="空出来我先问您。",
    look_again="有没有空出来，请发 岗位 {number} 看。",
    applied="{name} 想做「{title}」，已经报给负责人了（{case}号）。\n{then}",
    applied_both="{name} 和 {partner} 想做「{title}」，已经报给负责人了（{case}号）。\n{then}",
    will_tell="有结果我会告诉您。",
    asked="已去问 {partner}，答应了「{title}」就归你们俩。",
    asked_yourself="请 {partner} 也发 认领 {number}，答应了「{title}」就归你们俩。",
    same_held="{name} 已经在「{title}」了{term}，不用再认领。",
    same_waiting="{name} 已经在「{title}」候补第{place}位了。",
    same_applied="{name} 已经报过「{title}」了，在等负责人答复。",
    same_asked="正等 {partner} 答应「{title}」。想一个人认领，请先发 退岗 {number}。",
    partner_notice="{name} 想和您一起认领 {number}号「{title}」。\n愿意请发 认领 {number}，不愿意请发 退岗 {number}。",
    agreed_notice="{name} 答应了，{number}号「{title}」归你们俩了{term}。",
    agreed_applied_notice="{name} 答应了，「{title}」已经报给负责人（{case}号）。",
    no_account="{partner} 还没有绑定我，没法答应。请 TA 先绑定，或者先把 TA 登记成家人。",
    apply_notice="{name} 想做 {number}号「{title}」（{seats}）{note}。\n"
    "同意请回复 {yes} {case}，不同意请回复 {no} {case} 理由。",
    apply_otherwise="有人申请{number}号岗位，等{name}点头，我发不到{name}。请转告：同意就私聊我发 {yes} {case}。",
    approve="通过",
    reject="驳回",
    agree="同意认领",
    decline="不同意认领",
    apply_both="{name} 和 {partner}",
    apply_note="，说「{note}」",
    held_notice="{name} 认领了 {number}号「{title}」{note}，{left}。",
    left_count="现在缺{left}人",
    left_full="名额满了",
    undone_claim="已撤销「{title}」的认领。",
    undone_claim_notice="{name} 撤销了 {number}号「{title}」的认领。一个人做请发 认领 {number}。",
)

router = Router("posts")


def _undo_claim(turn: Turn, act: Act) -> str:
    mine = books.claim_by_id(turn.session, community_id=turn.community.id, claim_id=act.row)
    post = books.post_by_id(turn.session, community_id=turn.community.id, post_id=mine.post_id)
    ended = release(turn, post, mine.member_id, Why.UNDONE)
    both = [ended]
    if ended.stays is not None:
        # Both held it by one word; taken back, neither does.
        both.append(release(turn, post, ended.stays, Why.UNDONE))
    for other in (ended.stays, ended.partner.member_id if ended.partner else None):
        if other is not None:
            text = say("undone_claim_notice", name=turn.who.name, number=post.number, title=post.title)
            turn.tell(other, text, key=f"claim-undone:{act.id}:{other}", ref=post.ref)
    for one in both:
        tell_offered(turn, one.offers)
    return say("undone_claim", title=post.title)


TOGETHER = Slot(
    "together", Kind.FLAG, labels=(
        "我们两口子", "两口子", "我们老两口", "老两口", "小两口", "我们夫妻俩", "夫妻俩", "夫妻两个", "我们俩", "咱俩",
        "我俩", "两个人", "俩人",
    ),
)  # fmt: skip
IF_FREE = Slot(
    "if_free", Kind.FLAG, labels=(
        "有人没", "有人没有", "有没有人", "有人干没", "有人干吗", "有人吗", "要是没人", "如果没人", "没有的话",
        "没有人的话", "没人的话", "没人干的话", "没人做的话", "没人要的话", "没人干", "没人做", "没人接", "没人领",
        "没人", "没有",
    ),
)  # fmt: skip
"""Somebody takes it where nobody else does, and does not want to wait for it."""
WILLING = tuple(
    who + will + does + done
    for who in ("我", "俺", "咱", "")
    for will in ("来", "想", "愿意", "想来", "要", "能", "可以", "也能", "")
    for does in ("干", "做", "接", "顶", "揽", "包", "认", "领", "负责")
    for done in ("", "了", "下了", "下来")
    # 干 alone is said of everything, and 能干 asks what there is to do.
    if (who and (will or done)) or will in ("想", "愿意", "想来")
)
"""`我来干`, `俺能做`, `我接了`, `愿意干`."""


@router.command(
    "claim_post", "认领", "认领岗位", "认岗", "领岗", "申领岗位", "上岗",
    writes=True,
    slots=(
        POST, TOGETHER, IF_FREE, Slot("when", Kind.WHEN),
        Slot("with", Kind.PERSON, labels=("跟", "和", "与", "同", "找", "邀请", "约", "叫上")), WHY,
    ),
    gestures=(
        *WILLING,
        "我愿意", "我认", "我领", "交给我", "归我", "我负责", "我顶", "让我来", "我报", "报上", "我要了",
        *(f"{how}{does}" for how in ("一起", "一块", "一块儿", "搭伴", "搭伙", "合伙") for does in ("干", "做")),
        *(f"{work}{given}" for work in ("岗", "岗位", "活儿") for given in ("给我", "归我", "让我", "让我来")),
        *("能不能给我", "能给我", "可以给我"),
    ),
    fillers=(
        "岗位", "公益岗", "岗", "一起", "这个", "那个", "这个岗", "那个岗", "一块儿", "一块", "活儿", "能不能",
    ),
    cues=tuple(f"{who}一起" for who in ("两口子", "老两口", "小两口", "夫妻俩")),
    usage="认领 3 和 王秀英 一起",
    gist="认领一个岗位，可以约一位邻居一起",
    undo={"claim_post": _undo_claim},
)  # fmt: skip
def claim_post(turn: Turn) -> Answer:
    number = turn.slots.get("post")
    if number is None:
        return say("which_none")
    post = books.find_post(turn.session, community_id=turn.community.id, number=number)
    try:
        partner = _partner(turn)
    except WhoseRelative:
        return say("with_whom", number=number)
    if turn.slots.get(IF_FREE.name) and _is_full(turn, post):
        return Reply(say("taken", number=number, title=post.title), ref=post.ref)
    if partner is not None:
        claimed = _claim_together(turn, post, partner)
        if claimed is None:
            return say("no_account", partner=turn.named(partner))
    else:
        claimed = books.claim(
            turn.session, post=post, member_id=turn.who.id, made_by=turn.who.id, now=turn.now, note=_note(turn)
        )
    if not claimed.changed:
        return Reply(_same(turn, post, claimed), ref=post.ref)
    turn.wrote("claim_post", claimed.claim.id, post=number, state=claimed.claim.state)
    _tell_claimed(turn, post, claimed)
    return Reply(_claimed(turn, post, claimed), ref=post.ref)


def _is_full(turn: Turn, post: PostHere) -> bool:
    """Whether others have it all; one's own slot is no reason to send somebody away."""
    mine = books.find_claim(turn.session, post=post, member_id=turn.who.id)
    return mine is None and not post.is_over(turn.now) and not books.free_slots(turn.session, post)


def _note(turn: Turn) -> str:
    """What was said with it: when somebody has time, and why they can do it."""
    return "，".join(filter(None, (turn.slots.get("when"), turn.slots.get("reason"))))[:100]


def _partner(turn: Turn) -> Neighbour | None:
    """Who is to do it with them: by name, as 我老伴, or the only one of the family for 两口子. Raises WhoseRelative."""
    if name := turn.slots.get("with"):
        return spoken_of(turn, name)
    return only_relative(turn.session, proxy=turn.who) if turn.slots.get("together") else None


def _claim_together(turn: Turn, post: PostHere, partner: Neighbour) -> Claimed | None:
    """None where the other one can say neither yes nor no, and nobody may speak for them."""
    community_id = turn.community.id
    agreed = partner.id != turn.who.id and may_speak_for(
        turn.session, community_id=community_id, proxy_id=turn.who.id, member_id=partner.id, now=turn.now
    )
    if not agreed and not accounts_of(turn.session, community_id=community_id, member_ids=[partner.id]):
        return None
    return books.claim_together(
        turn.session,
        post=post,
        member_id=turn.who.id,
        partner_id=partner.id,
        partner_name=turn.named(partner),
        agreed=agreed,
        now=turn.now,
        answer_hours=turn.rules["posts"].partner_hours,
        note=_note(turn),
    )


def _claimed(turn: Turn, post: PostHere, claimed: Claimed) -> str:
    live = claimed.claim
    fields = {"number": post.number, "title": post.title, "name": turn.shown}
    partner_id = claimed.partner.member_id if claimed.partner else live.partner_id
    if partner_id is not None:
        fields["partner"] = shown_name(turn, partner_id)
    both = "_both" if claimed.partner else ""
    match live.state:
        case ClaimState.HELD:
            details = hand_details(turn, post, live.member_id)
            return say(f"held{both}", term=term(live), duty=duty_line(post), details=details, **fields)
        case ClaimState.APPLIED:
            then = say("will_tell") if turn.reaches else say("look_again", number=post.number)
            case = live.number or (claimed.partner.number if claimed.partner else None)
            return say(f"applied{both}", case=case, then=then, **fields)
        case ClaimState.ASKED:
            asked = live.partner_id is not None and reaches(
                turn.session, community_id=post.community_id, member_id=live.partner_id, reach=reach_in(turn.rules)
            )
            return say("asked" if asked else "asked_yourself", **fields)
        case _:
            then = say("will_ask") if turn.reaches else say("look_again", number=post.number)
            return say("waiting", place=claimed.place, then=then, **fields)


def _same(turn: Turn, post: PostHere, claimed: Claimed) -> str:
    live = claimed.claim
    fields = {"number": post.number, "title": post.title, "name": turn.shown}
    if live.state is ClaimState.ASKED:
        assert live.partner_id is not None
        return say("same_asked", partner=shown_name(turn, live.partner_id), **fields)
    return say(f"same_{live.state}", term=term(live), place=claimed.place, **fields)


def _tell_claimed(turn: Turn, post: PostHere, claimed: Claimed) -> None:
    """Tells the other one of two, and those in charge."""
    live, other = claimed.claim, claimed.partner
    fields = {"number": post.number, "title": post.title}
    key = f"claim:{live.id}"
    if live.state is ClaimState.ASKED:
        assert live.partner_id is not None
        text = say("partner_notice", name=turn.who.name, **fields)
        hours = turn.rules["posts"].partner_hours
        turn.tell(
            live.partner_id, text, key=f"{key}:asked", ref=post.ref, expires_hours=hours,
            buttons=post_buttons(post.number),
        )  # fmt: skip
        return
    if other is not None:
        if live.state is ClaimState.HELD:
            text = say("agreed_notice", name=turn.who.name, term=term(live), **fields)
            if details := books.details_of(turn.session, post):
                send_details(turn, post, other.member_id, details)
        else:
            case = live.number or other.number
            text = say("agreed_applied_notice", name=turn.who.name, title=post.title, case=case)
        turn.tell(other.member_id, text, key=f"{key}:agreed", ref=post.ref)
    if live.state is ClaimState.APPLIED:
        _tell_applied(turn, post, claimed)
    elif live.state is ClaimState.HELD and post.leader_id not in (None, turn.who.id, other and other.member_id):
        _tell_leader(turn, post, claimed)


def _both_names(turn: Turn, claimed: Claimed) -> str:
    if claimed.partner is None:
        return turn.who.name
    other = member_by_id(turn.session, community_id=turn.community.id, member_id=claimed.partner.member_id)
    return say("apply_both", name=turn.who.name, partner=other.name)


def _tell_applied(turn: Turn, post: PostHere, claimed: Claimed) -> None:
    live, other = claimed.claim, claimed.partner
    those = [one.member_id for one in (live, other) if one]
    decider = books.who_decides(turn.session, post=post, now=turn.now, without=those)
    if decider is None:
        return
    case = live.number or (other.number if other else None)
    note = say("apply_note", note=_note(turn)) if _note(turn) else ""
    yes, no = _words_of(turn, decider.id)
    text = say(
        "apply_notice",
        name=_both_names(turn, claimed),
        number=post.number,
        title=post.title,
        seats=seats(post, claimed.left, turn.now),
        note=note,
        case=case,
        yes=yes,
        no=no,
    )

    def missed(name: str) -> str:
        return say("apply_otherwise", name=name, number=post.number, yes=yes, case=case)

    turn.tell(
        decider.id, text, key=f"post-applied:{case}", ref=post.ref, expires_hours=72,
        otherwise=otherwise(turn, decider.id, missed),
    )  # fmt: skip


def _words_of(turn: Turn, decider_id: int) -> tuple[str, str]:
    """With which words somebody decides: who leads a post without a role has some of their own."""
    held = roles_held(turn.session, community_id=turn.community.id, now=turn.now, member_id=decider_id)
    if any(term.role.rank >= Role.BUILDING_LEAD.rank for term in held):
        return say("approve"), say("reject")
    return say("agree"), say("decline")


def _tell_leader(turn: Turn, post: PostHere, claimed: Claimed) -> None:
    assert post.leader_id is not None
    note = say("apply_note", note=_note(turn)) if _note(turn) else ""
    left = say("left_count", left=claimed.left) if claimed.left else say("left_full")
    text = say(
        "held_notice",
        name=_both_names(turn, claimed),
        number=post.number,
        title=post.title,
        note=note,
        left=left,
    )
    turn.tell(post.leader_id, text, key=f"claim:{claimed.claim.id}:held", ref=post.ref)
