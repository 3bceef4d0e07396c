"""岗位: which posts there are, which of them suit somebody, and what one of them is."""

import re
from datetime import datetime

from handlers.chat import Answer, Button, Reply, Router, Texts, Turn
from handlers.language.posts import CATEGORIES
from handlers.language.slots import Kind, Slot
from handlers.posts.wording import asked_of, demand, duty_line, handed_to, seats, shown_name, term
from handlers.shared.posts import post_buttons
from models import posts as books
from models.clock import last_day, spoken, spoken_date
from models.posts import Claiming, ClaimState, Demand, Listed, PostHere, PostState, PostWithdrawn

say = Texts(
    "posts",
    none="社区还没有公益岗位。有想做的事，请和社区说一声。",
    none_open="现在没有空着的岗位。想候补的话，请先发 岗位 看看都有什么。",
    none_at_home="没有写明在家就能做的岗位。不费力的请发 轻活岗位。",
    change_over="看好了先发 认领 {number}，接下来了再发 退岗 {mine}。",
    none_found="没有找到这样的岗位。全部的请发 岗位。",
    line="{number}号 {title}（{seats}）{demand}{mine}",
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
)

router = Router("posts")

LISTED = 3
"""Posts that a list shows."""
NAMED = 3
"""Posts that it names beyond those; it says how many there are."""
HOLDERS = 4
"""Holders that are named."""

OPEN_ONLY = Slot(
    "open_only", Kind.FLAG, labels=(
        "没人认领", "没人领", "没人认", "没有人认领", "没人干", "没人做", "空着", "空缺", "空位", "空岗", "位置",
        "没认领的", "可以认领", "能认领", "还空", "还有", "还剩", "还缺", "还差", "还要", "还招",
        "缺不缺人", "招不招人", "缺人", "差人", "要人", "招人",
        "有人没", "有人吗", "有人没有", "有没有人", "有人干", "有人做", "有人领", "有人认领",
    ),
)  # fmt: skip
WEAK, AT_HOME = "腿脚不好", "在家"
AUDIENCE = Slot(
    "audience", Kind.CHOICE,
    choices=(
        (AT_HOME, ("不出门", "不用出门", "不下楼", "不用下楼", "家里", "线上", "网上")),
        ("老人", (
            "老年人", "老人家", "老头老太", "退休", "退了休", "上了年纪", "上岁数", "老同志", "年纪大", "岁数大",
        )),
        (WEAK, (
            "腿脚不便", "腿脚不方便", "腿脚不灵便", "腿不好", "腿不行", "腰不好", "腰不行", "行动不便", "行动不方便",
            "走不动", "身体不好", "身体不行", "身子骨不好", "身子骨不行", "干不了重活", "干不动重活",
            "轻省", "轻松", "轻快", "轻巧", "不累", "不重", "坐着", "轻活",
        )),
        ("孩子", ("小孩子", "小孩", "小朋友", "儿童", "娃娃", "学生")),
        ("年轻人", ("青年", "上班族", "上班", "打工", "有工作")), ("党员", ()), ("亲子", ()),
    ),
)  # fmt: skip
OTHER_POST = Slot("switch", Kind.FLAG, labels=("换个", "换一个", "换到", "换成", "调个", "调到", "调成", "改做"))
"""Somebody holds a post and would like another one."""
SWITCHING = ("换岗", "调岗", "换岗位", "调换岗位")
LIGHTER = (Demand.LIGHT, Demand.NORMAL)
SUITS = {WEAK: (Demand.LIGHT,), "老人": LIGHTER, "孩子": LIGHTER, "亲子": LIGHTER}
"""What a post may ask of whom; everybody else may do all."""
DONE_AT_HOME = re.compile("线上|网上|打电话|(?:在家|家里|家中)里?(?:做|干|就|能|可)")

WANTED = (
    Slot("number", Kind.NUMBER),
    OPEN_ONLY,
    AUDIENCE,
    OTHER_POST,
    Slot("category", Kind.CHOICE, choices=CATEGORIES),
    Slot("named", Kind.NAMED, of="post"),
)
ABOUT = (
    "有没有", "没有", "有", "适合", "都", "干", "做", "认领", "的", "能", "可以", "目前", "类", "的人", "人", "活",
    "啥", "什么", "岗位", "岗", "活儿",
)  # fmt: skip


@router.command(
    "list_posts",
    *("岗位", "公益岗位", "公益岗", "岗位列表", "有什么岗位", "有哪些岗位", "有啥岗位", "什么岗位", "哪些岗位"),
    *("啥岗位", "什么岗", "哪些岗", "啥岗", "看看岗位", "招募岗位", "志愿岗位", "志愿岗", "岗位清单", "空岗", "哪个岗"),
    slots=WANTED,
    fillers=ABOUT,
    aloud=("有什么岗位", "有哪些岗位", "有啥岗位"),
    cues=(
        *("岗", "活儿", "有啥活", "啥活", "什么活", "的活"),
        *("缺人", "差人", "要人", "招人", "缺几个", "还差几个", "有空位", "有人干", "有人做"),
    ),
    usage="岗位 3",
    gist="有哪些公益岗位、缺不缺人；加编号看一个",
)
def list_posts(turn: Turn) -> Answer:
    if (number := turn.slots.get("number")) is not None:
        return _show(turn, books.find_post(turn.session, community_id=turn.community.id, number=number))
    listed = books.list_posts(turn.session, community_id=turn.community.id, now=turn.now, member_id=turn.who.id)
    if not listed:
        return say("none")
    found = [one for one in listed if _is_named(turn, one)]
    if len(found) == 1 and not {"named", "category"}.isdisjoint(turn.slots):
        return _show(turn, found[0].post)
    free_only = turn.slots.get(OPEN_ONLY.name) or turn.slots.get(OTHER_POST.name)
    if free_only and not any(one.free for one in listed):
        return say("none_open")
    found = [one for one in found if (one.free or not free_only) and _suits(turn.slots.get(AUDIENCE.name), one.post)]
    if turn.slots.get(OTHER_POST.name):
        return _others(found, mine=[one.post.number for one in listed if one.mine is ClaimState.HELD], now=turn.now)
    if not found and turn.slots.get(AUDIENCE.name) == AT_HOME:
        return say("none_at_home")
    if not found:
        # Overheard, a word that names no post was said to the neighbours.
        return say("none_found") if _spoken_to(turn) else ""
    return "\n".join([*(_line(one, turn.now) for one in found[:LISTED]), _more(found)])


router.command(
    "list_posts",
    *(f"能{does}{what}" for does in ("干", "做") for what in ("啥", "点啥", "什么", "点什么", "的")),
    *SWITCHING,
    slots=WANTED,
    fillers=ABOUT,
    overheard=False,
    bare=False,
    implies={verb: {OTHER_POST.name: True} for verb in SWITCHING},
    usage="能干啥 腿脚不好",
    gist="看看哪些岗位合适",
)(list_posts)


def _spoken_to(turn: Turn) -> bool:
    return turn.incoming.addressed or turn.community.bot_name in turn.incoming.text


def _is_named(turn: Turn, one: Listed) -> bool:
    post, slots = one.post, turn.slots
    named = slots.get("named", "")
    return slots.get("category", post.category) == post.category and (
        named in post.title or named.removesuffix("类") in post.category
    )


def _suits(whom: str | None, post: PostHere) -> bool:
    """Whether somebody can do what the post asks of them."""
    if whom == AT_HOME:
        # A place where it is done; in the duty 在家 may as well be said of the neighbour who is looked after.
        return DONE_AT_HOME.search(f"{post.place}做 {post.duty}") is not None
    return post.demand in SUITS.get(whom or "", tuple(Demand))


def _others(found: list[Listed], mine: list[int], now: datetime) -> str:
    """What is free beside one's own, and how to change over without being left with nothing."""
    others = [one for one in found if one.mine is None]
    if not others:
        return say("none_open")
    more = say("change_over", number=others[0].post.number, mine=mine[0]) if mine else _more(others)
    return "\n".join([*(_line(one, now) for one in others[:LISTED]), more])


def _line(one: Listed, now: datetime) -> str:
    post = one.post
    return say(
        "line",
        number=post.number,
        title=post.title,
        seats=seats(post, one.free, now),
        demand=demand(post),
        mine=say(f"mine_{one.mine}") if one.mine else "",
    )


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
    names = [shown_name(turn, one.member_id) for one in holders[:HOLDERS]]
    if len(holders) > HOLDERS:
        names.append(say("more_others", count=len(holders)))
    step, buttons = _next_step(turn, post, free)
    text = say(
        "one",
        number=post.number,
        title=post.title,
        category=post.category,
        seats=say("one_slots", count=post.slots, seats=seats(post, free, turn.now)),
        holders=say("one_holders", names="、".join(names)) if names else "",
        duty=duty_line(post),
        terms=_terms(turn, post),
        next=step,
    )
    return Reply(text, ref=post.ref, buttons=buttons)


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
        parts.append(demand(post))
    return "，".join(parts) or say("term_open")


def _next_step(turn: Turn, post: PostHere, free: int) -> tuple[str, tuple[Button, ...]]:
    """What this person can do with the post, in a sentence and as buttons."""
    number = post.number
    live = books.find_claim(turn.session, post=post, member_id=turn.who.id)
    take = (Button("认领", f"认领 {number}"),)
    if live is None:
        asked = [one for at, one in asked_of(turn) if at.id == post.id]
        if asked:
            partner = shown_name(turn, asked[0].member_id)
            return say("next_asked_you", partner=partner, number=number), post_buttons(number)
        handed = [one for one in handed_to(turn) if one.post.id == post.id]
        if handed:
            buttons = (Button("接岗", f"接岗 {number}"), Button("不接", f"不接岗 {number}"))
            return say("next_handed", giver=shown_name(turn, handed[0].giver_id), number=number), buttons
        if post.is_over(turn.now):
            return say("next_over"), ()
        approval = "_apply" if post.claiming is Claiming.APPROVAL else ""
        word = ("next_apply" if approval else "next_claim") if free else f"next_full{approval}"
        return say(word, number=number), take
    leave = (Button("退岗", f"退岗 {number}"),)
    match live.state:
        case ClaimState.HELD:
            return say("next_held", term=term(live), number=number), leave
        case ClaimState.WAITING:
            return say("next_waiting", place=books.place_of(turn.session, post, live.id), number=number), leave
        case ClaimState.OFFERED:
            assert live.answer_by is not None
            return say("next_offered", until=spoken(live.answer_by), number=number), post_buttons(number)
        case ClaimState.APPLIED:
            return say("next_applied", number=number), leave
        case ClaimState.ASKED:
            assert live.partner_id is not None
            return say("next_asked", partner=shown_name(turn, live.partner_id), number=number), leave
