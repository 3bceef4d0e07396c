"""Those in charge decide who comes to hold a post that is claimed by approval."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from models.members.people import Member
from models.posts.claims import (
    COLUMNS,
    Claim,
    ClaimHere,
    ClaimState,
    NoRoomForTwo,
    NoSuchApplication,
    Offer,
    OwnApplication,
    PostFull,
    TakenMeanwhile,
    Why,
    claim_by_id,
    claim_here,
    end_claim,
    find_claim,
    free_slots,
    leave_post,
    offer_free,
    refuse_over,
    seat,
    set_claim,
)
from models.posts.post import PostHere, lock, post_by_id


@dataclass(frozen=True, slots=True)
class Application:
    """Somebody, or two together, whose claim waits for a word."""

    number: int
    post: PostHere
    claim: ClaimHere
    name: str
    partner_name: str
    note: str


_applicant, _partner = aliased(Member), aliased(Member)


def applications(session: Session, *, community_id: int, number: int | None = None) -> list[Application]:
    """What waits for those in charge of posts, oldest first; or the one of a number."""
    query = (
        select(
            *COLUMNS, _applicant.name.label("applicant"), func.coalesce(_partner.name, "").label("partner"), Claim.note
        )
        .join(_applicant, Claim.member_id == _applicant.id)
        .outerjoin(_partner, Claim.partner_id == _partner.id)
        .where(
            Claim.community_id == community_id,
            Claim.ended_at.is_(None),
            Claim.state == ClaimState.APPLIED,
            Claim.number.is_not(None),
        )
        .order_by(Claim.number)
    )
    if number is not None:
        query = query.where(Claim.number == number)
    found = []
    for row in session.execute(query).all():
        one = claim_here(row[: len(COLUMNS)])
        post = post_by_id(session, community_id=community_id, post_id=one.post_id)
        assert one.number is not None
        found.append(Application(one.number, post, one, row.applicant, row.partner, row.note))
    return found


def decide(
    session: Session, *, application: Application, by: int, agree: bool, reason: str, now: datetime
) -> list[ClaimHere]:
    """Says yes or no to whoever applied, alone or together; returns their claims.

    Raises NoSuchApplication where it is gone, OwnApplication, PostWithdrawn, PostFull, NoRoomForTwo.
    """
    post = lock(session, application.post)
    first = claim_by_id(session, community_id=post.community_id, claim_id=application.claim.id)
    if first.ended_at is not None or first.state is not ClaimState.APPLIED:
        raise NoSuchApplication(number=application.number)
    both = [first]
    if first.partner_id is not None and (other := find_claim(session, post=post, member_id=first.partner_id)):
        both.append(other)
    if by in [one.member_id for one in both]:
        raise OwnApplication(number=application.number)
    if not agree:
        for one in both:
            end_claim(session, post, one, by=by, why=Why.REJECTED, now=now, note=reason)
        return both
    left = free_slots(session, post)
    if left < len(both):
        full = left == 0 or len(both) == 1
        raise (PostFull if full else NoRoomForTwo)(number=post.number, title=post.title, left=left)
    refuse_over(post, now)
    for one in both:
        set_claim(session, post, one.id, decided_by=by)
    return [seat(session, post, one, now) for one in both]


def reopen_application(
    session: Session, *, community_id: int, claims: Sequence[int], now: datetime, offer_hours: int
) -> tuple[PostHere, list[ClaimHere], tuple[Offer, ...]]:
    """Lets what was decided about somebody, or two together, wait for a word again.

    Raises PostWithdrawn, and TakenMeanwhile where one of them has left or claimed again since.
    """
    first = claim_by_id(session, community_id=community_id, claim_id=claims[0])
    post = lock(session, post_by_id(session, community_id=community_id, post_id=first.post_id))
    back = [claim_by_id(session, community_id=community_id, claim_id=one) for one in claims]
    for one in back:
        now_live = find_claim(session, post=post, member_id=one.member_id)
        rejected = one.ended_at is not None and one.state is ClaimState.APPLIED
        if (now_live is not None) if rejected else (now_live is None or now_live.id != one.id):
            raise TakenMeanwhile(number=post.number, title=post.title)
    for one in back:
        if one.ended_at is None:
            leave_post(session, post, one, now)
        set_claim(
            session,
            post,
            one.id,
            state=ClaimState.APPLIED,
            since=None,
            term_ends_at=None,
            unit_member_id=None,
            decided_by=None,
            ended_at=None,
            ended_by=None,
            ended_why="",
            ended_note="",
        )
    return post, back, offer_free(session, post, now=now, offer_hours=offer_hours)
