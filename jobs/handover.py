"""An offer to hand a post over that nobody has answered ends at its time, and whoever made it hears that."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from handlers.handover import lapsed_line
from jobs.tick import Job, Span, Tick
from models import outbox
from models.directory import CommunityHere
from models.handover import lapse_offers, next_lapse

TELL_WITHIN = timedelta(days=1)


def due(session: Session, community: CommunityHere, span: Span, _rules: Mapping[str, Any]) -> datetime | None:
    return next_lapse(session, community_id=community.id, after=span.after, until=span.until)


def run(tick: Tick) -> bool:
    for offered in lapse_offers(tick.session, community_id=tick.community.id, now=tick.at):
        key = f"handover:{offered.id}"
        unheard = outbox.is_unheard(tick.session, community_id=tick.community.id, key=key)
        outbox.put(
            tick.session,
            community_id=tick.community.id,
            key=f"{key}:lapsed",
            message=lapsed_line(offered, heard=not unheard),
            now=tick.at,
            expires_at=tick.at + TELL_WITHIN,
            member_id=offered.giver_id,
            ref=offered.post.ref,
        )
    return False


LAPSE = Job("handover.lapse", run, due=due)
