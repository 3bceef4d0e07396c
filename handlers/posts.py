"""岗位, 认领 and 退岗: standing volunteer work, who does it, who would like to.

王秀英（3栋群）: @小邻 腿脚不好的能干啥
小邻: 4号 环保护绿岗（缺2人）轻活
      6号 邻里纠纷调解岗（缺1人，要审批）轻活
      5号 门栋关照岗（已满）轻活
      看看做什么请发 岗位 4，认领请发 认领 4。
何叔（3栋群）: 認領7 吧
小邻: 7號「下水道維修崗」歸 何叔 了，任期到2026年12月31日，謝謝您！
      要做的：疏通樓道下水，冬天看防凍；有事隨叫；各單元。
      內部說明已私信您。
小邻 → 何叔: 7号「下水道维修岗」内部说明（只给在岗的人看）：
      工具柜在1栋门厅，密码 2580
王秀英（3栋群）: 认领 4 和 李建国 一起
小邻: 已去问 李建国，答应了「环保护绿岗」就归你们俩。
小邻 → 李建国: 王秀英 想和您一起认领 4号「环保护绿岗」。
      愿意请发 认领 4，不愿意请发 退岗 4。
"""

from collections.abc import Sequence
from datetime import datetime

from handlers.chat import (
    Answer,
    Ask,
    Button,
    Reply,
    Router,
    Texts,
    Turn,
    post_buttons,
    spoken_of,
    tell_offered,
    tell_post_left,
    tell_resumed,
)
from handlers.chat import news_of_slot as news_of_slot
from handlers.chat import unheard_slot as unheard_slot
from handlers.language.posts import CATEGORIES
from handlers.language.slots import Kind, Slot
from models import posts as books
from models.audit import Act
from models.base import Placard
from models.clock import last_day, spoken, spoken_date
from models.handover import Offered, offers_to
from models.members import Neighbour, NoSuchMember, Role, member_by_id, roles_held
from models.members.detaching import accounts_of
from models.members.family import may_speak_for
from models.members.merging import one_person
from models.posts import (
    Claimed,
    ClaimHere,
    Claiming,
    ClaimState,
    Demand,
    Ended,
    HoldsAlready,
    Listed,
    NoRoomForTwo,
    NoSuchPost,
    NotClaimed,
    PartnerBusy,
    PostFull,
    PostHere,
    PostOver,
    PostState,
    PostWithdrawn,
    TakenMeanwhile,
    Why,
    WithOneself,
)
from models.privacy import Private, looked
from models.proxies import WhoseRelative, only_relative
from models.reach import reach_in, reaches

say = Texts(
    "posts",
    none="社区还没有公益岗位。有想做的事，请和社区说一声。",
    none_open="现在没有空着的岗位。想候补的话，请先发 岗位 看看都有什么。",
    none_found="没有找到这样的岗位。全部的请发 岗位。",
    line="{number}号 {title}（{seats}）{demand}{mine}",
    seats_free="缺{left}人",
    seats_full="已满",
    seats_over="任期已到",
    seats_approval="缺{left}人，要审批",
    demand_light="轻活",
    demand_normal="",
    demand_heavy="体力活",
    mine_held=" ✓在岗",
    mine_waiting=" 候补中",
    mine_offered=" 等您答复",
    mine_applied=" 等审批",
    mine_asked=" 等对方答应",
    more="看看做什么请发 岗位 {number}，认领请发 认领 {number}。",
    more_later="还有{named}{others}，看哪个请发 岗位 加编号，例如 岗位 {number}。",
    more_named="{number}号 {title}",
    more_others="等{count}个",
    one="{number}号「{title}」{category}类，{seats}{holders}\n{duty}\n{terms}\n{next}",
    one_holders="；在岗：{names}",
    one_slots="{count}个名额，{seats}",
    duty="要做的：{what}。",
    duty_none="要做什么由负责人安排",
    leader="负责人：{name}",
    term_months="任期{count}个月",
    term_until="任期到{day}",
    term_open="不限任期",
    points="履职一次{points}分",
    next_claim="认领请发 认领 {number}；两个人一起请发 认领 {number} 和 姓名 一起。",
    next_apply="想认领请发 认领 {number}，由负责人点头。",
    next_full="现在满员。想候补请发 认领 {number}，空出来先问您。",
    next_full_apply="现在满员。想做请发 认领 {number}，空出来由负责人定。",
    next_held="您在岗{term}。不能做了请发 退岗 {number}。",
    next_waiting="您在候补第{place}位。不等了请发 退岗 {number}。",
    next_offered="给您留着空位到{until}。愿意请发 认领 {number}，不愿意请发 退岗 {number}。",
    next_applied="您的申请在等负责人答复。不想做了请发 退岗 {number}。",
    next_asked="正等 {partner} 答应。不等了请发 退岗 {number}。",
    next_asked_you="{partner} 想和您一起认领。愿意请发 认领 {number}，不愿意请发 退岗 {number}。",
    next_handed="{giver} 想把这个岗位交给您。愿意请发 接岗 {number}，不方便请发 不接岗 {number}。",
    next_over="这个岗位的任期已经到了，不再认领。",
    with_whom="和谁一起？请写上名字，例如 认领 {number} 和 王秀英 一起。",
    which_none="现在没有可以认领的岗位。看看有哪些岗位，请发 岗位。",
    term="，任期到{day}",
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
    declined_notice="{name} 这次不能和您一起做「{title}」。一个人做请发 认领 {number}。",
    no_account="{partner} 还没有绑定我，没法答应。请 TA 先绑定，或者先把 TA 登记成家人。",
    apply_notice="{name} 想做 {number}号「{title}」（{seats}）{note}。\n"
    "同意请回复 {yes} {case}，不同意请回复 {no} {case} 理由。",
    approve="通过",
    reject="驳回",
    agree="同意认领",
    decline="不同意认领",
    apply_both="{name} 和 {partner}",
    apply_note="，说「{note}」",
    held_notice="{name} 认领了 {number}号「{title}」{note}，{left}。",
    left_count="现在缺{left}人",
    left_full="名额满了",
    details="{number}号「{title}」内部说明（只给在岗的人看）：\n{text}",
    details_sent="内部说明已私信您。",
    details_ask="内部说明请私聊我发 岗位细节 {number}。",
    details_here="\n内部说明：{text}",
    details_none="「{title}」没有内部说明。",
    details_kept="「{title}」的内部说明只给在岗的人和负责人看。",
    released="{name} 已退出「{title}」，谢谢您这段时间的付出！",
    released_waiting="好的，不再给您留「{title}」了。",
    declined="好的，已经告诉 {partner}。",
    asked_off_notice="{name} 不等了，{number}号「{title}」不用再答复。一个人做请发 认领 {number}。",
    thinks_again_notice="{name} 再想想要不要和您一起做 {number}号「{title}」，刚才说的不算。",
    undone_question="已恢复：和 {partner} 一起认领「{title}」还等着答应。",
    declined_plain="好的，不一起认领「{title}」了。",
    not_holding="您现在没有认领岗位，不用退。",
    which_release="您有好几个岗位，要退哪一个？请回复序号：\n{choices}",
    choice="{index} {number}号 {title}",
    why="，原因：{reason}",
    mine_none="您现在没有岗位。看看有哪些，请发 岗位。",
    mine_line="{number}号 {title} {state}",
    state_held="在岗{term}",
    state_waiting="候补中",
    state_offered="空位留到{until}，等您答复",
    state_applied="等负责人答复",
    state_asked="等 {partner} 答应",
    state_asked_you="{partner} 请您一起",
    mine_handed="{giver} 想把 {number}号 {title} 交给您：愿意请发 接岗 {number}",
    mine_waits="等您点头：{case}号 {name} 想做 {number}号「{title}」",
    mine_more="看要做什么请发 岗位 {number}，不能做了请发 退岗 {number}。",
    mine_look="看要做什么请发 岗位 {number}，不方便请发 不接岗 {number}。",
    mine_decide="同意请发 同意认领 加编号，不同意请发 不同意认领 加编号和理由。",
    mine_others="还有{count}个，",
    undone_claim="已撤销「{title}」的认领。",
    undone_claim_notice="{name} 撤销了 {number}号「{title}」的认领。一个人做请发 认领 {number}。",
    undone_release="已恢复：{name} 还在「{title}」{state}。",
    undone_left_notice="{name} 还在 {number}号「{title}」，刚才说的退岗不算。",
    back_waiting="（候补）",
    empty_head="这周还有岗位等人来做：",
    empty_line="{number}号 {title}（缺{left}人）{demand}",
    empty_foot="{more}想做请发 认领 加编号，例如 认领 {number}。",
    empty_more="还有{count}个请发 岗位。",
    lapsed_offer="{number}号「{title}」给您留的时间过了，已经问下一位。还想做请再发 认领 {number}。",
    lapsed_asked="{partner} 没有答复，「{title}」没有认领成。一个人做请发 认领 {number}。",
)

router = Router(
    "posts",
    {
        NoSuchPost: "没有找到 {number}号岗位。看看有哪些岗位，请发 岗位。",
        PostWithdrawn: "「{title}」这个岗位已经撤了。看看别的岗位，请发 岗位。",
        PostOver: "「{title}」的任期已经到了，不再认领。看看别的岗位，请发 岗位。",
        PostFull: "「{title}」满员了。等有人退岗再来。",
        NoRoomForTwo: "「{title}」两个人一起要2个名额，现在空{left}个，没有认领。一个人做请发 认领 {number}。",
        WithOneself: "一起认领要写另一位邻居的名字，例如 认领 3 和 王秀英 一起。",
        HoldsAlready: "「{title}」已经是您的岗位了。请另一位邻居自己发 认领 {number}。",
        PartnerBusy: "{name} 已经报过「{title}」了，您一个人做请发 认领 {number}。",
        NotClaimed: "您没有认领「{title}」，不用退。",
        TakenMeanwhile: "「{title}」已经有别人接上了，改不回去。想做请再发 认领 {number}。",
        NoSuchMember: "没有找到 {name}，请核对姓名。",
    },
)

LISTED = 3
"""Posts that a list shows."""
PLACARD_HEAD = ("编号", "岗位", "还缺", "")
PLACARD_ROWS = 12
"""A picture that is higher than a telephone is not read to its end."""
NAMED = 3
"""Posts that it names beyond those; it says how many there are."""
HOLDERS = 4
"""Holders that are named."""

OPEN_ONLY = Slot(
    "open_only", Kind.FLAG, labels=(
        "没人认领", "没人领", "没人认", "空着", "空缺", "缺人", "还缺", "还空", "还有", "还剩", "没认领的", "空岗",
        "可以认领", "能认领", "没有人认领", "没人干", "招人",
    ),
)  # fmt: skip
WEAK = "腿脚不好"
AUDIENCE = Slot(
    "audience", Kind.CHOICE,
    choices=(
        ("老人", ("老年人", "老人家", "老头老太", "退休的", "上了年纪的", "老同志", "年纪大的")),
        (WEAK, ("腿脚不便", "腿脚不方便", "腿脚不灵便", "腿不好", "腿不行", "行动不便", "行动不方便",
            "走不动", "身体不好", "轻省", "轻松点", "轻松", "不累", "坐着干的", "轻活")),
        ("孩子", ("小孩子", "小孩", "小朋友", "儿童", "娃娃", "学生")),
        ("年轻人", ("青年", "上班族", "上班的")), ("党员", ()), ("亲子", ()),
    ),
)  # fmt: skip
LIGHTER = (Demand.LIGHT, Demand.NORMAL)
SUITS = {WEAK: (Demand.LIGHT,), "老人": LIGHTER, "孩子": LIGHTER, "亲子": LIGHTER}
"""What a post may ask of whom; everybody else may do all."""

WANTED = (
    Slot("number", Kind.NUMBER),
    OPEN_ONLY,
    AUDIENCE,
    Slot("category", Kind.CHOICE, choices=CATEGORIES),
    Slot("named", Kind.NAMED, of="post"),
)
ABOUT = (
    "有没有", "没有", "有", "适合", "都", "干", "做", "认领", "的", "能", "可以", "目前", "类", "的人", "人", "活",
    "啥", "什么", "岗位", "岗",
)  # fmt: skip


# -- looking ----------------------------------------


@router.command(
    "list_posts",
    *("岗位", "公益岗位", "公益岗", "岗位列表", "有什么岗位", "有哪些岗位", "有啥岗位", "什么岗位", "哪些岗位"),
    *("啥岗位", "什么岗", "哪些岗", "啥岗", "看看岗位", "招募岗位", "志愿岗位", "志愿岗", "岗位清单", "空岗", "哪个岗"),
    slots=WANTED,
    fillers=ABOUT,
    aloud=("有什么岗位", "有哪些岗位", "有啥岗位"),
    usage="岗位 3",
    gist="有哪些公益岗位、缺不缺人；加编号看一个",
)
def list_posts(turn: Turn) -> Answer:
    if (number := turn.slots.get("number")) is not None:
        return _show(turn, books.find_post(turn.session, community_id=turn.community.id, number=number))
    listed = books.list_posts(turn.session, community_id=turn.community.id, now=turn.now, member_id=turn.who.id)
    if not listed:
        return say("none")
    if turn.slots.get("open_only") and not any(one.free for one in listed):
        return say("none_open")
    found = [one for one in listed if _is_asked_for(turn, one)]
    if len(found) == 1 and "named" in turn.slots:
        return _show(turn, found[0].post)
    if not found:
        # Overheard, a word that names no post was said to the neighbours.
        return say("none_found") if _spoken_to(turn) else ""
    return "\n".join([*(_line(one, turn.now) for one in found[:LISTED]), _more(found)])


router.command(
    "list_posts",
    *(
        "能干啥",
        "能干点啥",
        "能做啥",
        "能做点啥",
        "能干什么",
        "能干点什么",
        "能做什么",
        "能做点什么",
        "能干的",
        "能做的",
    ),
    slots=WANTED,
    fillers=ABOUT,
    overheard=False,
    bare=False,
    usage="能干啥 腿脚不好",
    gist="看看哪些岗位合适",
)(list_posts)


def _spoken_to(turn: Turn) -> bool:
    return turn.incoming.addressed or turn.community.bot_name in turn.incoming.text


def _is_asked_for(turn: Turn, one: Listed) -> bool:
    post, slots = one.post, turn.slots
    demands = SUITS.get(slots.get("audience", ""))
    named = slots.get("named", "")
    return (
        (one.free > 0 or not slots.get("open_only"))
        and (demands is None or post.demand in demands)
        and slots.get("category", post.category) == post.category
        and (named in post.title or named.removesuffix("类") in post.category)
    )


def _line(one: Listed, now: datetime) -> str:
    post = one.post
    return say(
        "line",
        number=post.number,
        title=post.title,
        seats=_seats(post, one.free, now),
        demand=say(f"demand_{post.demand}"),
        mine=say(f"mine_{one.mine}") if one.mine else "",
    )


def _seats(post: PostHere, free: int, now: datetime) -> str:
    if post.is_over(now):
        return say("seats_over")
    if not free:
        return say("seats_full")
    return say("seats_approval" if post.claiming is Claiming.APPROVAL else "seats_free", left=free)


def _more(listed: list[Listed]) -> str:
    later = [one.post for one in listed[LISTED:]]
    if not later:
        return say("more", number=listed[0].post.number)
    named = "、".join(say("more_named", number=post.number, title=post.title) for post in later[:NAMED])
    others = say("more_others", count=len(later)) if len(later) > NAMED else ""
    return say("more_later", named=named, others=others, number=later[0].number)


def _show(turn: Turn, post: PostHere) -> Reply:
    if post.state is PostState.WITHDRAWN:
        raise PostWithdrawn(number=post.number, title=post.title)
    free = books.free_slots(turn.session, post)
    holders = books.holders_of(turn.session, post)
    names = [_shown_name(turn, one.member_id) for one in holders[:HOLDERS]]
    if len(holders) > HOLDERS:
        names.append(say("more_others", count=len(holders)))
    step, buttons = _next_step(turn, post, free)
    text = say(
        "one",
        number=post.number,
        title=post.title,
        category=post.category,
        seats=say("one_slots", count=post.slots, seats=_seats(post, free, turn.now)),
        holders=say("one_holders", names="、".join(names)) if names else "",
        duty=duty_line(post),
        terms=_terms(turn, post),
        next=step,
    )
    return Reply(text, ref=post.ref, buttons=buttons)


def _shown_name(turn: Turn, member_id: int) -> str:
    return turn.named(member_by_id(turn.session, community_id=turn.community.id, member_id=member_id))


def duty_line(post: PostHere) -> str:
    """What there is to do, how often and where."""
    parts = [post.duty or say("duty_none"), post.frequency, post.place]
    return say("duty", what="；".join(filter(None, parts)))


def _terms(turn: Turn, post: PostHere) -> str:
    leader = books.who_decides(turn.session, post=post, now=turn.now)
    parts = [say("leader", name=turn.named(leader))] if leader else []
    if post.term_ends_at is not None:
        parts.append(say("term_until", day=spoken_date(last_day(post.term_ends_at))))
    elif post.term_months:
        parts.append(say("term_months", count=post.term_months))
    if post.points is not None:
        parts.append(say("points", points=post.points))
    if post.demand is not Demand.NORMAL:
        parts.append(say(f"demand_{post.demand}"))
    return "，".join(parts) or say("term_open")


def _next_step(turn: Turn, post: PostHere, free: int) -> tuple[str, tuple[Button, ...]]:
    """What this person can do with the post, in a sentence and as buttons."""
    number = post.number
    live = books.find_claim(turn.session, post=post, member_id=turn.who.id)
    take = (Button("认领", f"认领 {number}"),)
    if live is None:
        asked = [one for at, one in _asked_of(turn) if at.id == post.id]
        if asked:
            partner = _shown_name(turn, asked[0].member_id)
            return say("next_asked_you", partner=partner, number=number), post_buttons(number)
        handed = [one for one in _handed_to(turn) if one.post.id == post.id]
        if handed:
            buttons = (Button("接岗", f"接岗 {number}"), Button("不接", f"不接岗 {number}"))
            return say("next_handed", giver=_shown_name(turn, handed[0].giver_id), number=number), buttons
        if post.is_over(turn.now):
            return say("next_over"), ()
        approval = "_apply" if post.claiming is Claiming.APPROVAL else ""
        word = ("next_apply" if approval else "next_claim") if free else f"next_full{approval}"
        return say(word, number=number), take
    leave = (Button("退岗", f"退岗 {number}"),)
    match live.state:
        case ClaimState.HELD:
            return say("next_held", term=_term(live), number=number), leave
        case ClaimState.WAITING:
            return say("next_waiting", place=books.place_of(turn.session, post, live.id), number=number), leave
        case ClaimState.OFFERED:
            assert live.answer_by is not None
            return say("next_offered", until=spoken(live.answer_by), number=number), post_buttons(number)
        case ClaimState.APPLIED:
            return say("next_applied", number=number), leave
        case ClaimState.ASKED:
            assert live.partner_id is not None
            return say("next_asked", partner=_shown_name(turn, live.partner_id), number=number), leave


def _asked_of(turn: Turn) -> list[tuple[PostHere, ClaimHere]]:
    return books.asked_of(turn.session, community_id=turn.community.id, member_id=turn.who.id)


def _handed_to(turn: Turn) -> list[Offered]:
    """What others would like to hand over to this person: where the bot writes to nobody first, they read it here."""
    me = one_person(turn.session, community_id=turn.community.id, member_id=turn.who.id)
    return offers_to(turn.session, community_id=turn.community.id, taker_ids=me, now=turn.now)


def _term(claim: ClaimHere) -> str:
    """`，任期到2026年12月31日`; nothing where no end is planned."""
    return say("term", day=spoken_date(last_day(claim.term_ends_at))) if claim.term_ends_at else ""


# -- claiming ----------------------------------------


def _undo_claim(turn: Turn, act: Act) -> str:
    mine = books.claim_by_id(turn.session, community_id=turn.community.id, claim_id=act.row)
    post = books.post_by_id(turn.session, community_id=turn.community.id, post_id=mine.post_id)
    ended = _release(turn, post, mine.member_id, Why.UNDONE)
    both = [ended]
    if ended.stays is not None:
        # Both held it by one word; taken back, neither does.
        both.append(_release(turn, post, ended.stays, Why.UNDONE))
    for other in (ended.stays, ended.partner.member_id if ended.partner else None):
        if other is not None:
            text = say("undone_claim_notice", name=turn.who.name, number=post.number, title=post.title)
            turn.tell(other, text, key=f"claim-undone:{act.id}:{other}", ref=post.ref)
    for one in both:
        tell_offered(turn, one.offers)
    return say("undone_claim", title=post.title)


POST = Slot("post", Kind.OBJECT, of="post", required=True, ask="是几号岗位？")
WHY = Slot("reason", Kind.REASON)
TOGETHER = Slot(
    "together", Kind.FLAG, labels=("两口子", "老两口", "小两口", "夫妻俩", "我们俩", "咱俩", "我俩", "两个人", "俩人")
)


@router.command(
    "claim_post", "认领", "认领岗位", "认岗", "领岗", "申领岗位", "上岗",
    writes=True,
    slots=(
        POST, TOGETHER, Slot("when", Kind.WHEN), Slot("with", Kind.PERSON, labels=("跟", "和", "与", "同", "找")), WHY,
    ),
    gestures=(
        "我来干", "我来做", "我想干", "我想做", "我愿意干", "我愿意做", "我愿意", "我认了", "我认", "我领了",
        "我领", "我包了", "交给我",
        "归我", "我来负责", "我负责", "我顶", "让我来", "我揽了", "我报", "报上", "想干", "愿意干",
    ),
    fillers=("岗位", "公益岗", "岗", "一起", "这个", "那个", "这个岗", "那个岗", "一块儿", "一块"),
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
        fields["partner"] = _shown_name(turn, partner_id)
    both = "_both" if claimed.partner else ""
    match live.state:
        case ClaimState.HELD:
            details = _hand_details(turn, post, live.member_id)
            return say(f"held{both}", term=_term(live), duty=duty_line(post), details=details, **fields)
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
        return say("same_asked", partner=_shown_name(turn, live.partner_id), **fields)
    return say(f"same_{live.state}", term=_term(live), place=claimed.place, **fields)


def _hand_details(turn: Turn, post: PostHere, member_id: int) -> str:
    """The private details to a new holder: here where nobody else reads, else in a message of their own."""
    text = books.details_of(turn.session, post)
    if not text:
        return ""
    if turn.group is not None and not turn.reaches:
        return "\n" + say("details_ask", number=post.number)
    _write_down(turn, post)
    if turn.group is None:
        return say("details_here", text=text)
    _send_details(turn, post, member_id, text)
    return "\n" + say("details_sent")


def _send_details(turn: Turn, post: PostHere, member_id: int, text: str) -> None:
    turn.tell(
        member_id,
        say("details", number=post.number, title=post.title, text=text),
        key=f"post-details:{post.id}:{member_id}:{turn.incoming.message_id[-60:]}",
        ref=post.ref,
    )


def _write_down(turn: Turn, post: PostHere) -> None:
    looked(
        turn.session,
        community_id=turn.community.id,
        viewer_id=turn.who.id,
        what=[Private.DETAILS],
        now=turn.now,
        posts=[post.number],
        group_id=turn.group.id if turn.group else None,
        channel=turn.incoming.channel,
        message_id=turn.incoming.message_id,
    )


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
            text = say("agreed_notice", name=turn.who.name, term=_term(live), **fields)
            if details := books.details_of(turn.session, post):
                _send_details(turn, post, other.member_id, details)
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
        seats=_seats(post, claimed.left, turn.now),
        note=note,
        case=case,
        yes=yes,
        no=no,
    )
    turn.tell(decider.id, text, key=f"post-applied:{case}", ref=post.ref, expires_hours=72)


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


# -- leaving ----------------------------------------


def _release(turn: Turn, post: PostHere, member_id: int, why: Why, note: str = "") -> Ended:
    return books.release(
        turn.session,
        post=post,
        member_id=member_id,
        by=turn.who.id,
        why=why,
        now=turn.now,
        offer_hours=turn.rules["posts"].offer_hours,
        note=note,
    )


def _undo_release(turn: Turn, act: Act) -> str:
    back = books.resume(
        turn.session,
        community_id=turn.community.id,
        claim_id=act.row,
        now=turn.now,
        offer_hours=turn.rules["posts"].offer_hours,
        partner_claim=act.detail.get("partner_claim"),
    )
    post, whose = back.post, member_by_id(turn.session, community_id=turn.community.id, member_id=back.claim.member_id)
    tell_resumed(turn, back, str(act.id))
    if back.claim.state is ClaimState.HELD:
        decider = books.who_decides(turn.session, post=post, now=turn.now, without=[back.claim.member_id])
        if decider is not None and decider.id != turn.who.id:
            text = say("undone_left_notice", name=whose.name, number=post.number, title=post.title)
            turn.tell(decider.id, text, key=f"post-back:{act.id}", ref=post.ref)
    if back.claim.state is ClaimState.ASKED:
        return _ask_again(turn, act, post, back.claim, whose)
    state = "" if back.claim.state is ClaimState.HELD else say("back_waiting")
    return say("undone_release", name=turn.named(whose), title=post.title, state=state)


def _ask_again(turn: Turn, act: Act, post: PostHere, claim: ClaimHere, asker: Neighbour) -> str:
    """A question to claim together stands again, whoever of the two had ended it."""
    assert claim.partner_id is not None
    other = claim.partner_id if asker.id == turn.who.id else asker.id
    word = "partner_notice" if other == claim.partner_id else "thinks_again_notice"
    text = say(word, name=turn.who.name, number=post.number, title=post.title)
    turn.tell(other, text, key=f"post-asked-again:{act.id}", ref=post.ref)
    return say("undone_question", partner=_shown_name(turn, other), title=post.title, number=post.number)


@router.command(
    "release_post", "退岗", "退出岗位", "取消认领", "辞岗", "退掉岗位", "不认领了", "放弃岗位", "卸岗",
    writes=True,
    chooses=True,
    slots=(Slot("post", Kind.OBJECT, of="post"), WHY),
    gestures=(
        "退掉", "退了", "退出", "不干了", "干不了了", "干不了", "干不动了", "做不了了", "不做了", "顶不住了",
        "让给别人", "不认了", "退回去",
        "我退", "取消", "放弃",
    ),
    fillers=("岗位", "岗", "这个", "那个", "这个岗", "那个岗"),
    usage="退岗 3",
    gist="不能做了就说一声，好让别人接上",
    undo={"release_post": _undo_release},
)  # fmt: skip
def release_post(turn: Turn) -> Answer:
    number = turn.slots.get("post")
    if number is None:
        own = books.claims_of(turn.session, community_id=turn.community.id, member_ids=[turn.who.id])
        if not own:
            return say("not_holding")
        if len(own) > 1:
            return _which_release([post for post, _ in own[:LISTED]])
        number = own[0][0].number
    post = books.find_post(turn.session, community_id=turn.community.id, number=number)
    reason = turn.slots.get("reason", "")[:100]
    ended = _release(turn, post, turn.who.id, Why.RELEASED, reason)
    if ended.claim.member_id != turn.who.id:
        return _declined(turn, ended)
    partner = {"partner_claim": ended.partner.id} if ended.partner else {}
    turn.wrote("release_post", ended.claim.id, post=number, reason=reason, **partner)
    tell_post_left(turn, [ended], turn.who.name, say("why", reason=reason) if reason else "")
    if ended.claim.state is ClaimState.ASKED:
        assert ended.claim.partner_id is not None
        text = say("asked_off_notice", name=turn.who.name, number=post.number, title=post.title)
        turn.tell(ended.claim.partner_id, text, key=f"claim:{ended.claim.id}:off", ref=post.ref)
    held = ended.claim.state is ClaimState.HELD
    return Reply(say("released" if held else "released_waiting", name=turn.shown, title=post.title), ref=post.ref)


def _which_release(own: Sequence[PostHere]) -> Ask:
    lines = [say("choice", index=index, number=post.number, title=post.title) for index, post in enumerate(own, 1)]
    options = tuple(post.number for post in own)
    return Ask(say("which_release", choices="\n".join(lines)), slot="post", options=options)


def _declined(turn: Turn, ended: Ended) -> str:
    """No to whoever asked to claim together."""
    post, asker = ended.post, ended.claim.member_id
    turn.wrote("release_post", ended.claim.id, post=post.number)
    text = say("declined_notice", name=turn.who.name, number=post.number, title=post.title)
    turn.tell(asker, text, key=f"claim:{ended.claim.id}:declined", ref=post.ref)
    if not turn.reaches:
        return say("declined_plain", title=post.title)
    return say("declined", partner=_shown_name(turn, asker))


# -- one's own ----------------------------------------


@router.command(
    "my_posts",
    *("我的岗位", "我的岗", "我认领的岗位", "我认领的", "我有哪些岗位", "我有什么岗位"),
    overheard=False,
    usage="我的岗位",
    gist="我在岗的、候补的岗位",
)
def my_posts(turn: Turn) -> Answer:
    own = books.claims_of(turn.session, community_id=turn.community.id, member_ids=[turn.who.id])
    handed = _handed_to(turn)
    lines = [say("mine_line", number=post.number, title=post.title, state=_state(turn, one)) for post, one in own] + [
        say(
            "mine_line",
            number=post.number,
            title=post.title,
            state=say("state_asked_you", partner=_shown_name(turn, one.member_id)),
        )
        for post, one in _asked_of(turn)
    ]
    lines += [
        say("mine_handed", giver=_shown_name(turn, one.giver_id), number=one.post.number, title=one.post.title)
        for one in handed
    ]
    lines += [
        say("mine_waits", case=one.number, name=one.name, number=one.post.number, title=one.post.title)
        for one in books.applications(turn.session, community_id=turn.community.id)
        if one.post.leader_id == turn.who.id
    ]
    if not lines:
        return say("mine_none")
    others = say("mine_others", count=len(lines) - LISTED) if len(lines) > LISTED else ""
    first = next((post.number for post, _ in (*own, *_asked_of(turn))), None)
    if first is None and handed:
        more = say("mine_look", number=handed[0].post.number)
    else:
        more = say("mine_decide") if first is None else say("mine_more", number=first)
    return "\n".join([*lines[:LISTED], others + more])


def _state(turn: Turn, claim: ClaimHere) -> str:
    match claim.state:
        case ClaimState.HELD:
            return say("state_held", term=_term(claim))
        case ClaimState.OFFERED:
            assert claim.answer_by is not None
            return say("state_offered", until=spoken(claim.answer_by))
        case ClaimState.ASKED:
            assert claim.partner_id is not None
            return say("state_asked", partner=_shown_name(turn, claim.partner_id))
        case _:
            return say(f"state_{claim.state}")


@router.command(
    "post_details",
    *("岗位细节", "内部说明", "岗位说明", "门禁码", "门禁密码"),
    slots=(POST,),
    direct=True,
    writes=True,
    overheard=False,
    usage="岗位细节 3",
    gist="在岗的人才能看的：门禁码、钥匙在哪",
)
def post_details(turn: Turn) -> Answer:
    post = books.find_post(turn.session, community_id=turn.community.id, number=turn.slots["post"])
    live = books.find_claim(turn.session, post=post, member_id=turn.who.id)
    held = live is not None and live.state is ClaimState.HELD
    if not held and not books.in_charge(turn.session, post=post, person=turn.who, now=turn.now):
        return say("details_kept", title=post.title)
    text = books.details_of(turn.session, post)
    if not text:
        return say("details_none", title=post.title)
    _write_down(turn, post)
    return say("details", number=post.number, title=post.title, text=text)


# -- what jobs say ----------------------------------------


def empty_list(listed: Sequence[Listed]) -> str:
    """What a group hears on Monday of the posts that want people, the first of them in lines."""
    shown, more = listed[: LISTED - 1], len(listed) - (LISTED - 1)
    lines = [
        say(
            "empty_line",
            number=one.post.number,
            title=one.post.title,
            left=one.free,
            demand=say(f"demand_{one.post.demand}"),
        )
        for one in shown
    ]
    foot = say("empty_foot", more=say("empty_more", count=more) if more > 0 else "", number=listed[0].post.number)
    return "\n".join([say("empty_head"), *lines, foot])


def empty_placard(listed: Sequence[Listed]) -> Placard:
    """The same list to look at, with more of it."""
    rows = [
        (str(one.post.number), one.post.title, f"{one.free}人", say(f"demand_{one.post.demand}"))
        for one in listed[:PLACARD_ROWS]
    ]
    count = len(listed) - len(rows)
    foot = say("empty_foot", more=say("empty_more", count=count) if count > 0 else "", number=listed[0].post.number)
    return Placard(say("empty_head").rstrip("："), PLACARD_HEAD, rows, foot)


def lapsed_line(ended: Ended, partner: str) -> str:
    """What somebody hears whose offer or question nobody answered in time; `partner` is who was asked."""
    name = "lapsed_offer" if ended.claim.state is ClaimState.OFFERED else "lapsed_asked"
    return say(name, number=ended.post.number, title=ended.post.title, partner=partner)
