"""A post is left, or kept for whoever waited: whom that concerns is told. And which of their posts somebody means."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from handlers.chat import LINES, Ask, Button, Texts, Told, Turn, in_few_lines, sentence
from models.clock import spoken
from models.members import member_by_id
from models.posts import (
    ClaimState,
    Ended,
    Offer,
    PostHere,
    Resumed,
    claims_of,
    find_post,
    free_slots,
    give_slot,
    who_decides,
)
from models.reach import reach_in, reaches

say = Texts(
    "posts",
    left_offered="已经去问候补的邻居",
    offered="好消息：{number}号「{title}」空出来了，先问您。\n"
    "愿意请在{until}前发 认领 {number}，不愿意请发 退岗 {number}。",
    given_notice="{number}号「{title}」空出来了，候补的 {name} 我联系不上，先归 TA 了，请转告一声。\n"
    "TA 不做了请发 请退 {number} {name}。",
    revoked_notice="{number}号「{title}」又不空了，您还排在候补里。给您添麻烦了。",
    left_notice="{name} 退出了 {number}号「{title}」{why}，{left}。",
    stays_notice="{name} 退出了 {number}号「{title}」，您还在岗。不能一个人做请发 退岗 {number}。",
    fell_notice="{name} 不做 {number}号「{title}」了，两个人的申请一起作废。一个人做请发 认领 {number}。",
    somebody="一位邻居",
)
"""What is said of posts wherever their holders leave: who moves away or is forgotten leaves them too."""


def tell_offered(turn: Turn, offers: Sequence[Offer]) -> None:
    """Tells whoever waited for a post that a slot is kept for them."""
    for offer in offers:
        turn.told += news_of_slot(turn.session, turn.rules, offer, turn.now, key=turn.incoming.message_id[-60:])


def news_of_slot(session: Session, rules: Mapping[str, Any], offer: Offer, now: datetime, *, key: str) -> list[Told]:
    """What is said when a slot of a post is kept for somebody who waited; `key` tells this time from others.

    Whom the bot cannot write to is not asked and does not lose it by silence: the post is theirs at once, and whoever
    is in charge of it is asked to tell them.
    """
    post = offer.post
    fields = {"number": post.number, "title": post.title}
    if reaches(session, community_id=post.community_id, member_id=offer.member_id, reach=reach_in(rules)):
        text = say("offered", until=spoken(offer.answer_by), **fields)
        return [
            Told(
                f"post-offered:{offer.claim_id}:{key}",
                text,
                post.ref,
                hours_until(offer.answer_by, now),
                member_id=offer.member_id,
                buttons=post_buttons(post.number),
            )
        ]
    return unheard_slot(session, offer, now, key=key)


def unheard_slot(session: Session, offer: Offer, now: datetime, *, key: str) -> list[Told]:
    """The offer of a slot has reached nobody: it is theirs, and whoever is in charge of it is asked to tell them."""
    post = offer.post
    give_slot(session, offer=offer, now=now)
    decider = who_decides(session, post=post, now=now, without=[offer.member_id])
    if decider is None:
        return []
    member = member_by_id(session, community_id=post.community_id, member_id=offer.member_id)
    text = say("given_notice", name=member.name, number=post.number, title=post.title)
    return [Told(f"post-given:{offer.claim_id}:{key}", text, post.ref, 72, member_id=decider.id)]


def tell_resumed(turn: Turn, back: Resumed, key: str) -> None:
    """Tells whoever has lost the offer of a slot because its holder is back, and who is offered another one."""
    if back.revoked is not None:
        text = say("revoked_notice", number=back.post.number, title=back.post.title)
        turn.tell(back.revoked, text, key=f"post-revoked:{key}", ref=back.post.ref)
    tell_offered(turn, back.offers)


def post_buttons(number: int) -> tuple[Button, ...]:
    """Taking a post, or leaving it to others."""
    return (Button("认领", f"认领 {number}"), Button("让给别人", f"退岗 {number}"))


def hours_until(moment: datetime, now: datetime) -> int:
    """Whole hours from now on, at least one."""
    return max(1, int((moment - now).total_seconds() // 3600))


def tell_post_left(turn: Turn, ended: Sequence[Ended], name: str = "", why: str = "") -> None:
    """Tells everybody whom it concerns that somebody gave their posts up; no name is told of who is forgotten."""
    name = name or say("somebody")
    gone = {one.claim.member_id for one in ended}
    for one in ended:
        post = one.post
        fields = {"number": post.number, "title": post.title, "name": name, "why": why}
        key = f"post-left:{one.claim.id}:{turn.incoming.message_id[-60:]}"
        tell_offered(turn, one.offers)
        if one.claim.state is ClaimState.HELD:
            decider = who_decides(turn.session, post=post, now=turn.now, without=gone)
            if decider is not None and decider.id != turn.who.id:
                free = free_slots(turn.session, post)
                left = sentence("posts.left_count", left=free) if free else say("left_offered")
                turn.tell(decider.id, say("left_notice", left=left, **fields), key=key, ref=post.ref)
        for other in (one.stays, one.partner.member_id if one.partner else None):
            if other is not None and other not in gone:
                text = say("stays_notice" if other == one.stays else "fell_notice", **fields)
                turn.tell(other, text, key=f"{key}:{other}", ref=post.ref)


def own_post(turn: Turn, question: Callable[[str], str]) -> PostHere | Ask | None:
    """The post that somebody who holds some means: the one that is named, else their only one.

    Of several, `question` with the choices is asked. None: they hold none. Raises NoSuchPost.
    """
    number = turn.slots.get("post")
    if number is not None:
        return find_post(turn.session, community_id=turn.community.id, number=number)
    own = [
        post
        for post, claim in claims_of(turn.session, community_id=turn.community.id, member_ids=[turn.who.id])
        if claim.state is ClaimState.HELD
    ]
    return which_post(own, question) if len(own) > 1 else own[0] if own else None


def which_post(posts: Sequence[PostHere], question: Callable[[str], str]) -> Ask:
    """Asks which of several posts is meant, by their numbers in a list."""
    lines = [
        sentence("posts.choice", index=index, number=post.number, title=post.title)
        for index, post in enumerate(posts, 1)
    ]
    text = question(in_few_lines(lines, LINES - 1))
    return Ask(text, slot="post", options=tuple(post.number for post in posts))
