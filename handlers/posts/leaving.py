"""退岗: somebody gives a post up, or does not want what they were asked; and is back, if it was a slip."""

from collections.abc import Sequence

from handlers.chat import Answer, Ask, Reply, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from handlers.posts.looking import LISTED
from handlers.posts.wording import shown_name
from handlers.shared.posts import tell_post_left, tell_resumed
from models import posts as books
from models.audit import Act
from models.members import Neighbour, member_by_id
from models.posts import ClaimHere, ClaimState, Ended, PostHere, Why

say = Texts(
    "posts",
    declined_notice="{name} 这次不能和您一起做「{title}」。一个人做请发 认领 {number}。",
    released="{name} 已退出「{title}」，谢谢您这段时间的付出！",
    released_waiting="好的，不再给您留「{title}」了。",
    declined="好的，已经告诉 {partner}。",
    asked_off_notice="{name} 不等了，{number}号「{title}」不用再答复。一个人做请发 认领 {number}。",
    thinks_again_notice="{name} 再想想要不要和您一起做 {number}号「{title}」，刚才说的不算。",
    undone_question="已恢复：和 {partner} 一起认领「{title}」还等着答应。",
    declined_plain="好的，不一起认领「{title}」了。",
    not_holding="您现在没有认领岗位，不用退。",
    weary="{name}，要退出 {number}号「{title}」吗？退就回复 是，接着做回复 不是。",
    which_release="您有好几个岗位，要退哪一个？请回复序号：\n{choices}",
    choice="{index} {number}号 {title}",
    why="，原因：{reason}",
    undone_release="已恢复：{name} 还在「{title}」{state}。",
    undone_left_notice="{name} 还在 {number}号「{title}」，刚才说的退岗不算。",
    back_waiting="（候补）",
)

router = Router("posts")

WHY = Slot("reason", Kind.REASON)


def release(turn: Turn, post: PostHere, member_id: int, why: Why, note: str = "") -> Ended:
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
    return say("undone_question", partner=shown_name(turn, other), title=post.title, number=post.number)


TIRED = tuple(
    word + end
    for does in ("干", "做")
    for word in (
        f"不{does}",
        f"不想{does}",
        f"{does}不了",
        f"{does}不动",
        f"{does}不下去",
        f"不想再{does}",
        f"没法{does}",
    )
    for end in ("了", "")
    if end or word.endswith("不了")
)
"""`不想干了`, `做不动了`, `干不下去了`."""
WEARY = tuple(word for word in TIRED if not word.startswith(("不干", "不做")))
"""Which of them may be no more than a sigh: nobody gives up a post by one."""


@router.command(
    "release_post", "退岗", "退出岗位", "取消认领", "辞岗", "退掉岗位", "不认领了", "放弃岗位", "卸岗",
    writes=True,
    chooses=True,
    slots=(Slot("post", Kind.OBJECT, of="post"), WHY),
    gestures=(
        *TIRED,
        "退掉", "退了", "退出", "退回去", "顶不住了", "让给别人", "不认了", "我退", "取消", "放弃", "辞了", "想辞了",
        "想退了", "想退掉",
    ),
    fillers=(
        "岗位", "岗", "这个", "那个", "这个岗", "那个岗", "认的", "认领的", "领的", "真", "真的", "实在", "是真",
    ),
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
    if _overheard(turn) and any(word in turn.incoming.text for word in TIRED):
        if post.number not in _own_numbers(turn):
            # Said of some other work, by somebody who has none here.
            return ""
        if any(word in turn.incoming.text for word in WEARY):
            return Ask(say("weary", name=turn.shown, number=post.number, title=post.title))
    reason = turn.slots.get("reason", "")[:100]
    ended = release(turn, post, turn.who.id, Why.RELEASED, reason)
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


def _overheard(turn: Turn) -> bool:
    """Whether it was said among neighbours, and not in answer to the bot."""
    spoken_to = turn.group is None or turn.incoming.addressed or turn.community.bot_name in turn.incoming.text
    return not (turn.confirmed or spoken_to)


def _own_numbers(turn: Turn) -> list[int]:
    own = books.claims_of(turn.session, community_id=turn.community.id, member_ids=[turn.who.id])
    return [post.number for post, _ in own]


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
    return say("declined", partner=shown_name(turn, asker))
