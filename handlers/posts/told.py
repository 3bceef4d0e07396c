"""What the clock says of posts: which are empty, and whose time to answer is over."""

from collections.abc import Sequence

from handlers.chat import Texts
from handlers.posts.looking import LISTED
from handlers.posts.wording import demand
from models.base import Placard
from models.posts import ClaimState, Ended, Listed

say = Texts(
    "posts",
    empty_head="这周还有岗位等人来做：",
    empty_line="{number}号 {title}（缺{left}人）{demand}",
    empty_foot="{more}想做请发 认领 加编号，例如 认领 {number}。",
    empty_more="还有{count}个请发 岗位。",
    lapsed_offer="{number}号「{title}」给您留的时间过了，已经问下一位。还想做请再发 认领 {number}。",
    lapsed_asked="{partner} 没有答复，「{title}」没有认领成。一个人做请发 认领 {number}。",
    lapsed_unheard="{partner} 那里我没有发到，「{title}」没有认领成。"
    "\n见到了请让 TA 加我；一个人做请发 认领 {number}。",
)

PLACARD_HEAD = ("编号", "岗位", "还缺", "")
PLACARD_ROWS = 12
"""A picture that is higher than a telephone is not read to its end."""


def empty_list(listed: Sequence[Listed]) -> str:
    """What a group hears on Monday of the posts that want people, the first of them in lines."""
    shown, more = listed[: LISTED - 1], len(listed) - (LISTED - 1)
    lines = [
        say(
            "empty_line",
            number=one.post.number,
            title=one.post.title,
            left=one.free,
            demand=demand(one.post),
        )
        for one in shown
    ]
    foot = say("empty_foot", more=say("empty_more", count=more) if more > 0 else "", number=listed[0].post.number)
    return "\n".join([say("empty_head"), *lines, foot])


def empty_placard(listed: Sequence[Listed]) -> Placard:
    """The same list to look at, with more of it."""
    rows = [(str(one.post.number), one.post.title, f"{one.free}人", demand(one.post)) for one in listed[:PLACARD_ROWS]]
    count = len(listed) - len(rows)
    foot = say("empty_foot", more=say("empty_more", count=count) if count > 0 else "", number=listed[0].post.number)
    return Placard(say("empty_head").rstrip("："), PLACARD_HEAD, rows, foot)


def lapsed_line(ended: Ended, partner: str, *, heard: bool) -> str:
    """What somebody hears whose offer or question nobody answered in time; `partner` is who was asked, if they `heard`
    of it.
    """
    name = "lapsed_asked" if heard else "lapsed_unheard"
    if ended.claim.state is ClaimState.OFFERED:
        name = "lapsed_offer"
    return say(name, number=ended.post.number, title=ended.post.title, partner=partner)
