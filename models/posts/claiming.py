"""认领 a post: alone, together with somebody, by taking what was offered; and who comes to hold it otherwise."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from models.counters import next_number
from models.posts.claims import (
    ClaimHere,
    ClaimState,
    HoldsAlready,
    NoRoomForTwo,
    Offer,
    PartnerBusy,
    PostFull,
    Why,
    WithOneself,
    claim_by_id,
    end_claim,
    find_claim,
    free_slots,
    insert_claim,
    refuse_over,
    seat,
    set_claim,
)
from models.posts.lists import asked_by, place_of
from models.posts.post import Claiming, PostHere, lock, relock


@dataclass(frozen=True, slots=True)
class Claimed:
    """How somebody stands with a post after claiming it.

    `place` is the place in the waiting list, from 1; `left` the free slots; `partner` the claim of the other one of
    two who hold or apply together.
    """

    claim: ClaimHere
    changed: bool
    """False where everything was so already."""
    left: int
    place: int = 0
    partner: ClaimHere | None = None


def claim(
    session: Session, *, post: PostHere, member_id: int, made_by: int | None, now: datetime, note: str = ""
) -> Claimed:
    """Claims a post for one person, accepts a slot that was offered, or says yes to whoever asked to do it together.

    Without a free slot they wait; where those in charge decide, they apply.
    Raises PostWithdrawn, PostOver, and for two NoRoomForTwo.
    """
    post = lock(session, post)
    refuse_over(post, now)
    live = find_claim(session, post=post, member_id=member_id)
    if live is not None and live.state is ClaimState.OFFERED:
        held = seat(session, post, live, now)
        return Claimed(held, True, free_slots(session, post))
    if live is not None and live.state is not ClaimState.WAITING:
        return _as_it_stands(session, post, live)
    asker = asked_by(session, post, member_id)
    if asker is not None:
        return _agree(session, post, asker, member_id, live, now)
    if live is not None:
        return _as_it_stands(session, post, live)
    left = free_slots(session, post)
    if post.claiming is Claiming.APPROVAL:
        number = next_number(session, community_id=post.community_id, kind="review")
        made = insert_claim(session, post, member_id, ClaimState.APPLIED, made_by, now, number=number, note=note)
        return Claimed(made, True, left)
    if left > 0:
        made = insert_claim(session, post, member_id, ClaimState.HELD, made_by, now, note=note)
        return Claimed(seat(session, post, made, now), True, left - 1)
    made = insert_claim(session, post, member_id, ClaimState.WAITING, made_by, now, note=note)
    return Claimed(made, True, 0, place=place_of(session, post, made.id))


def claim_together(
    session: Session,
    *,
    post: PostHere,
    member_id: int,
    partner_id: int,
    partner_name: str,
    agreed: bool,
    now: datetime,
    answer_hours: int,
    note: str = "",
) -> Claimed:
    """Asks somebody to hold a post together; where they have `agreed` already (by who may speak for them), both do.

    Raises PostWithdrawn, PostOver, WithOneself, HoldsAlready, PartnerBusy, NoRoomForTwo.
    """
    if member_id == partner_id:
        raise WithOneself
    post = lock(session, post)
    refuse_over(post, now)
    other = find_claim(session, post=post, member_id=partner_id)
    if other is not None and other.partner_id == member_id:
        # The other one asked first, or both are there already: this is the yes.
        return claim(session, post=post, member_id=member_id, made_by=member_id, now=now)
    own = find_claim(session, post=post, member_id=member_id)
    if own is not None and own.state is ClaimState.HELD:
        raise HoldsAlready(number=post.number, title=post.title, name="")
    if other is not None and other.state is not ClaimState.WAITING:
        raise PartnerBusy(number=post.number, title=post.title, name=partner_name)
    _refuse_too_few(session, post, own)
    if own is not None:
        end_claim(session, post, own, by=member_id, why=Why.RELEASED, now=now)
    asker = insert_claim(
        session,
        post,
        member_id,
        ClaimState.ASKED,
        member_id,
        now,
        partner_id=partner_id,
        answer_by=now + timedelta(hours=answer_hours),
        note=note,
    )
    if agreed:
        both = _agree(session, post, asker, partner_id, other, now)
        assert both.partner is not None
        return Claimed(both.partner, True, both.left, partner=both.claim)
    return Claimed(asker, True, free_slots(session, post))


def _refuse_too_few(session: Session, post: PostHere, own: ClaimHere | None = None) -> None:
    if post.claiming is Claiming.APPROVAL:
        return
    left = free_slots(session, post) + (own is not None and own.state is ClaimState.OFFERED)
    if left < 2:
        raise NoRoomForTwo(number=post.number, title=post.title, left=left)


def _agree(
    session: Session, post: PostHere, asker: ClaimHere, member_id: int, live: ClaimHere | None, now: datetime
) -> Claimed:
    """The partner says yes: both hold the post, or apply together."""
    _refuse_too_few(session, post)
    if live is not None:
        end_claim(session, post, live, by=member_id, why=Why.RELEASED, now=now)
    approval = post.claiming is Claiming.APPROVAL
    state = ClaimState.APPLIED if approval else ClaimState.HELD
    number = next_number(session, community_id=post.community_id, kind="review") if approval else None
    set_claim(session, post, asker.id, state=state, number=number, answer_by=None)
    made = insert_claim(session, post, member_id, state, member_id, now, partner_id=asker.member_id)
    first = claim_by_id(session, community_id=post.community_id, claim_id=asker.id)
    if not approval:
        first, made = seat(session, post, first, now), seat(session, post, made, now)
    return Claimed(made, True, free_slots(session, post), partner=first)


def give_slot(session: Session, *, offer: Offer, now: datetime) -> None:
    """Lets somebody hold the slot that is kept for them at once, whom nobody can ask."""
    post = relock(session, offer.post)
    live = claim_by_id(session, community_id=post.community_id, claim_id=offer.claim_id)
    if live.ended_at is None and live.state is ClaimState.OFFERED:
        seat(session, post, live, now)


def _as_it_stands(session: Session, post: PostHere, live: ClaimHere) -> Claimed:
    place = place_of(session, post, live.id) if live.state is ClaimState.WAITING else 0
    return Claimed(live, False, free_slots(session, post), place=place)


def hold(session: Session, *, post: PostHere, member_id: int, by: int | None, now: datetime) -> ClaimHere:
    """Lets somebody hold a post whose slot is free, whatever the way it is claimed: a hand-over, an appointment.

    What else they had asked for there ends. Whoever hands over ends their own claim first, with `keep=True`.
    Raises PostWithdrawn, HoldsAlready, PostFull.
    """
    post = lock(session, post)
    live = find_claim(session, post=post, member_id=member_id)
    if live is not None and live.state is ClaimState.HELD:
        raise HoldsAlready(number=post.number, title=post.title, name="")
    if free_slots(session, post) + (live is not None and live.state is ClaimState.OFFERED) < 1:
        raise PostFull(number=post.number, title=post.title)
    if live is not None:
        end_claim(session, post, live, by=by, why=Why.RELEASED, now=now)
    made = insert_claim(session, post, member_id, ClaimState.HELD, by, now)
    return seat(session, post, made, now)
