"""Posts of people who turn out to be one, or to be two: claims go over with a merge and come back with its split.

Where both had a claim on one post the better one stays. Leading a post goes over too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models.base import Refusal
from models.directory import touch
from models.posts.claims import Claim, ClaimHere, ClaimState, Offer, Why, claim_by_id, find_claim, leave_post, set_claim
from models.posts.leaving import release, resume
from models.posts.post import OFFER_HOURS, Post, PostHere, post_by_id, relock
from models.posts.squads import join_squad

WORTH = (ClaimState.WAITING, ClaimState.ASKED, ClaimState.APPLIED, ClaimState.OFFERED, ClaimState.HELD)
"""Of two claims the one that stands later here stays."""


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What went over: ids by kind, for the way back; and who is offered a slot that became free."""

    moved: Mapping[str, list[int]]
    offers: tuple[Offer, ...]


def take_over(session: Session, *, community_id: int, giver: int, taker: int, by: int, now: datetime) -> TakenOver:
    """Lets everything that one member claimed, or was asked, or leads be another's."""
    over: list[int] = []
    ended: list[int] = []
    offers: list[Offer] = []
    for post in _posts_of(session, community_id, giver):
        theirs = find_claim(session, post=post, member_id=giver)
        own = find_claim(session, post=post, member_id=taker)
        weaker = _weaker(theirs, own, taker)
        if weaker is not None:
            gone = release(
                session, post=post, member_id=weaker.member_id, by=by, why=Why.MERGED, now=now, offer_hours=OFFER_HOURS
            )
            ended.append(weaker.id)
            offers += gone.offers
        if theirs is not None and weaker is not theirs:
            _hand(session, post, theirs.id, giver, taker, now)
            over.append(theirs.id)
        _ask_instead(session, post, giver, taker)
    leads = list(
        session.scalars(
            update(Post)
            .where(Post.community_id == community_id, Post.leader_id == giver)
            .values(leader_id=taker)
            .returning(Post.id)
        )
    )
    return TakenOver(
        {"claims": over, "claims_ended": ended, "posts": sorted(leads)},
        tuple(offer for offer in offers if offer.member_id not in (giver, taker)),
    )


def give_back(
    session: Session, *, community_id: int, moved: Mapping[str, Sequence[int]], keeper: int, other: int, now: datetime
) -> tuple[Offer, ...]:
    """Gives back what `take_over` moved, where it still stands as it was left; returns whom a slot is offered."""
    offers: tuple[Offer, ...] = ()
    for claim_id in moved.get("claims", ()):
        stands = claim_by_id(session, community_id=community_id, claim_id=claim_id)
        post = relock(session, post_by_id(session, community_id=community_id, post_id=stands.post_id))
        if stands.ended_at is None and find_claim(session, post=post, member_id=other) is None:
            _hand(session, post, claim_id, keeper, other, now)
    for claim_id in moved.get("claims_ended", ()):
        try:
            back = resume(
                session, community_id=community_id, claim_id=claim_id, now=now, offer_hours=OFFER_HOURS,
                partner_claim=None,
            )  # fmt: skip
        except Refusal:
            # The slot is somebody else's by now, or the post is gone: there is nothing to give back.
            continue
        offers += back.offers
    session.execute(
        update(Post)
        .where(Post.community_id == community_id, Post.id.in_(moved.get("posts", ())), Post.leader_id == keeper)
        .values(leader_id=other)
    )
    return offers


def leave_leading(session: Session, *, community_id: int, member_ids: Sequence[int]) -> None:
    """Nobody leads the posts of somebody who is gone: whoever is in charge of the unit does."""
    session.execute(
        update(Post).where(Post.community_id == community_id, Post.leader_id.in_(member_ids)).values(leader_id=None)
    )
    touch(session, community_id)


def _posts_of(session: Session, community_id: int, member_id: int) -> list[PostHere]:
    ids = session.scalars(
        select(Claim.post_id)
        .where(
            Claim.community_id == community_id,
            Claim.ended_at.is_(None),
            (Claim.member_id == member_id) | ((Claim.state == ClaimState.ASKED) & (Claim.partner_id == member_id)),
        )
        .distinct()
        .order_by(Claim.post_id)
    ).all()
    return [relock(session, post_by_id(session, community_id=community_id, post_id=post_id)) for post_id in ids]


def _weaker(theirs: ClaimHere | None, own: ClaimHere | None, taker: int) -> ClaimHere | None:
    """Which of the two claims ends; a question of one to the other is nobody's any more."""
    if theirs is not None and theirs.state is ClaimState.ASKED and theirs.partner_id == taker:
        return theirs
    if theirs is None or own is None:
        return None
    return min(theirs, own, key=lambda one: (WORTH.index(one.state), one.member_id == taker))


def _hand(session: Session, post: PostHere, claim_id: int, giver: int, taker: int, now: datetime) -> None:
    one = claim_by_id(session, community_id=post.community_id, claim_id=claim_id)
    set_claim(session, post, claim_id, member_id=taker)
    if one.partner_id is not None:
        session.execute(
            update(Claim)
            .where(
                Claim.community_id == post.community_id,
                Claim.post_id == post.id,
                Claim.member_id == one.partner_id,
                Claim.partner_id == giver,
                Claim.ended_at.is_(None),
            )
            .values(partner_id=taker)
        )
    if one.state is ClaimState.HELD:
        leave_post(session, post, one, now)
        set_claim(session, post, claim_id, unit_member_id=join_squad(session, post=post, member_id=taker, now=now))


def _ask_instead(session: Session, post: PostHere, giver: int, taker: int) -> None:
    """Whoever was to be asked is the other one now."""
    session.execute(
        update(Claim)
        .where(
            Claim.community_id == post.community_id,
            Claim.post_id == post.id,
            Claim.partner_id == giver,
            Claim.member_id != taker,
            Claim.state == ClaimState.ASKED,
            Claim.ended_at.is_(None),
        )
        .values(partner_id=taker)
    )
