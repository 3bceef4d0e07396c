"""我的岗位: what somebody holds, waits for, is asked, and has to decide."""

from handlers.chat import Answer, Router, Texts, Turn
from handlers.posts.looking import LISTED
from handlers.posts.wording import asked_of, handed_to, shown_name, term
from models import posts as books
from models.clock import spoken
from models.posts import ClaimHere, ClaimState

say = Texts(
    "posts",
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
)

router = Router("posts")

WHO = ("我在", "我是", "我领了", "我认领了", "我认了", "我都认领了", "我都领了", "我干的是")
WHICH = ("哪个岗", "哪些岗", "什么岗", "啥岗", "几个岗")


@router.command(
    "my_posts",
    *(
        "我的岗位",
        "我的岗",
        "我认领的岗位",
        "我认领的",
        "我有哪些岗位",
        "我有什么岗位",
        "我认的岗",
        "我领的岗",
        "我做的岗",
    ),
    *(f"{who}{asked}" for who in WHO for asked in WHICH),
    overheard=False,
    usage="我的岗位",
    gist="我在岗的、候补的岗位",
)
def my_posts(turn: Turn) -> Answer:
    own = books.claims_of(turn.session, community_id=turn.community.id, member_ids=[turn.who.id])
    handed = handed_to(turn)
    lines = [say("mine_line", number=post.number, title=post.title, state=_state(turn, one)) for post, one in own] + [
        say(
            "mine_line",
            number=post.number,
            title=post.title,
            state=say("state_asked_you", partner=shown_name(turn, one.member_id)),
        )
        for post, one in asked_of(turn)
    ]
    lines += [
        say("mine_handed", giver=shown_name(turn, one.giver_id), number=one.post.number, title=one.post.title)
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
    first = next((post.number for post, _ in (*own, *asked_of(turn))), None)
    if first is None and handed:
        more = say("mine_look", number=handed[0].post.number)
    else:
        more = say("mine_decide") if first is None else say("mine_more", number=first)
    return "\n".join([*lines[:LISTED], others + more])


def _state(turn: Turn, claim: ClaimHere) -> str:
    match claim.state:
        case ClaimState.HELD:
            return say("state_held", term=term(claim))
        case ClaimState.OFFERED:
            assert claim.answer_by is not None
            return say("state_offered", until=spoken(claim.answer_by))
        case ClaimState.ASKED:
            assert claim.partner_id is not None
            return say("state_asked", partner=shown_name(turn, claim.partner_id))
        case _:
            return say(f"state_{claim.state}")
