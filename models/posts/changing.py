"""What a post is changes while people hold it, and what becomes of them when it is withdrawn."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.counters import next_number
from models.members.people import Member
from models.posts.claims import (
    Claim,
    ClaimHere,
    ClaimState,
    Offer,
    Why,
    claim_by_id,
    end_claim,
    free_slots,
    offer_free,
    set_claim,
)
from models.posts.leaving import reopen
from models.posts.lists import live_claims
from models.posts.post import (
    Claiming,
    NotWithdrawn,
    Plan,
    PostHere,
    PostState,
    SlotsHeld,
    lock,
    post_by_id,
    refuse_odd_plan,
    relock,
    set_plan,
    set_state,
)
from models.posts.squads import join_squad, leave_squad


def change_post(
    session: Session,
    *,
    post: PostHere,
    plan: Plan,
    now: datetime,
    offer_hours: int,
    slots_max: int = 50,
    points_max: int = 20,
) -> tuple[PostHere, tuple[Offer, ...]]:
    """Lets a post be something else from now on; slots that become free are offered to those who wait.

    Terms that run stay as they were agreed. Raises PostWithdrawn, SlotsHeld, and what `refuse_odd_plan` raises.
    """
    before = lock(session, post)
    refuse_odd_plan(plan, now=now, slots_max=slots_max, points_max=points_max)
    held = before.slots - free_slots(session, before)
    if plan.slots < held:
        raise SlotsHeld(number=post.number, title=post.title, held=held)
    changed = set_plan(session, before, plan)
    if changed.squad_id != before.squad_id:
        _change_squad(session, changed, now)
    if changed.claiming is Claiming.APPROVAL:
        # Where those in charge decide there is no list to wait on: who waits asks them.
        for one in live_claims(session, changed):
            if one.state is ClaimState.WAITING:
                number = next_number(session, community_id=post.community_id, kind="review")
                set_claim(session, changed, one.id, state=ClaimState.APPLIED, number=number)
    return changed, offer_free(session, changed, now=now, offer_hours=offer_hours)


def _change_squad(session: Session, post: PostHere, now: datetime) -> None:
    for one in live_claims(session, post):
        if one.state is ClaimState.HELD:
            leave_squad(session, community_id=post.community_id, unit_member_id=one.unit_member_id, now=now)
            joined = join_squad(session, post=post, member_id=one.member_id, now=now)
            set_claim(session, post, one.id, unit_member_id=joined)


def withdraw_post(session: Session, *, post: PostHere, reason: str, by: int | None, now: datetime) -> list[ClaimHere]:
    """Takes a post off the list and ends every claim on it; returns those that ended. Raises PostWithdrawn."""
    post = lock(session, post)
    live = live_claims(session, post)
    for one in live:
        end_claim(session, post, one, by=by, why=Why.WITHDRAWN, now=now, note=reason)
    set_state(session, post, reason=reason, now=now, state=PostState.WITHDRAWN)
    return live


def restore_post(
    session: Session, *, post: PostHere, claims: Sequence[int], now: datetime
) -> tuple[PostHere, list[ClaimHere]]:
    """Puts a post back on the list with the claims that its withdrawal ended, of those who are still here.

    Raises NotWithdrawn.
    """
    post = relock(session, post)
    if post.state is not PostState.WITHDRAWN:
        raise NotWithdrawn(number=post.number, title=post.title)
    set_state(session, post, reason="", now=now, state=PostState.OPEN)
    here = set(
        session.scalars(
            select(Claim.id)
            .join(Member, Claim.member_id == Member.id)
            .where(
                Claim.community_id == post.community_id,
                Claim.id.in_(claims),
                Claim.ended_why == Why.WITHDRAWN,
                Member.moved_out_at.is_(None),
                Member.forgotten_at.is_(None),
                Member.merged_into.is_(None),
            )
        )
    )
    back = [claim_by_id(session, community_id=post.community_id, claim_id=one) for one in claims if one in here]
    people = {one.member_id for one in back}
    for one in back:
        reopen(session, post, one, now, together=one.state is ClaimState.ASKED or one.partner_id in people)
    return post_by_id(session, community_id=post.community_id, post_id=post.id), back
