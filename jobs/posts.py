"""Posts and time: answers that nobody gave in time, and on Monday the posts that want people.

A slot that was offered to somebody who waited, and a question to claim together, lapse at their moment: the slot goes
to the next who waits, and everybody concerned is told. Whom the offer never reached has not been silent: the slot is
theirs. On Monday at 9:00 each group whose people a post is for gets one list of the posts with a free slot, if there is
one; the party's and the property firm's groups are left in peace, as with activities.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from handlers.posts import empty_list, empty_placard, lapsed_line
from handlers.shared.posts import news_of_slot, unheard_slot
from jobs.tick import Job, Span, Tick
from models import outbox
from models.clock import day_of
from models.directory import CommunityHere, audience, groups_of, organisations
from models.members import member_by_id
from models.posts import Ended, lapse, list_posts, next_answer, offers_over
from models.units import unit_by_id

LIST_FRESH = timedelta(hours=12)
"""A list of Monday that could not leave all day is of no use on Tuesday."""
NEWS_FRESH = timedelta(hours=24)


def due(session: Session, community: CommunityHere, span: Span, _rules: Mapping[str, Any]) -> datetime | None:
    return next_answer(session, community_id=community.id, after=span.after, until=span.until)


def let_lapse(tick: Tick) -> bool:
    _give_unheard(tick)
    ended = lapse(
        tick.session,
        community_id=tick.community.id,
        until=tick.at,
        now=tick.at,
        offer_hours=tick.rules["posts"].offer_hours,
    )
    for one in ended:
        _tell_lapsed(tick, one)
    return False


def _give_unheard(tick: Tick) -> None:
    """Who was offered a slot and never heard of it does not lose it by silence."""
    here = tick.community.id
    for offer in offers_over(tick.session, community_id=here, until=tick.at):
        if outbox.is_unheard(tick.session, community_id=here, key=f"post-offered:{offer.claim_id}"):
            for told in unheard_slot(tick.session, offer, tick.at, key=f"{tick.at:%Y%m%d%H%M}"):
                told.post(tick.session, community_id=here, now=tick.at)


def _tell_lapsed(tick: Tick, one: Ended) -> None:
    here, partner = tick.community.id, ""
    unheard = outbox.is_unheard(tick.session, community_id=here, key=f"claim:{one.claim.id}:asked")
    if one.claim.partner_id is not None:
        partner = member_by_id(tick.session, community_id=here, member_id=one.claim.partner_id).shown
    outbox.put(
        tick.session,
        community_id=here,
        key=f"post-lapsed:{one.claim.id}:{tick.at:%Y%m%d%H%M}",
        message=lapsed_line(one, partner, heard=not unheard),
        now=tick.at,
        expires_at=tick.at + NEWS_FRESH,
        member_id=one.claim.member_id,
        ref=one.post.ref,
    )
    for offer in one.offers:
        for told in news_of_slot(tick.session, tick.rules, offer, tick.at, key=f"{tick.at:%Y%m%d%H%M}"):
            told.post(tick.session, community_id=tick.community.id, now=tick.at)


def list_empty(tick: Tick) -> bool:
    community_id = tick.community.id
    empty = [one for one in list_posts(tick.session, community_id=community_id, now=tick.at) if one.free]
    if not empty:
        return False
    groups = groups_of(tick.session, community_id=community_id)
    joined = organisations(tick.session, community_id=community_id)
    paths = {
        unit_id: unit_by_id(tick.session, community_id=community_id, unit_id=unit_id).path
        for unit_id in {one.post.unit_id for one in empty}
    }
    hear = {unit_id: audience(groups, path, joined) for unit_id, path in paths.items()}
    for group in groups:
        theirs = [one for one in empty if group in hear[one.post.unit_id]]
        if theirs:
            outbox.put(
                tick.session,
                community_id=community_id,
                key=f"posts-empty:{group.id}:{day_of(tick.at):%Y%m%d}",
                message=empty_list(theirs),
                placard=empty_placard(theirs),
                now=tick.at,
                expires_at=tick.at + LIST_FRESH,
                group_id=group.id,
                ref=theirs[0].post.ref if len(theirs) == 1 else "",
            )
    return False


LAPSE = Job("posts.lapse", let_lapse, due=due)
EMPTY = Job("posts.empty", list_empty, cron="0 9 * * mon")
