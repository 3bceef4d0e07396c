"""A place to which nobody said yes in time goes to the next in line; whom the offer never reached keeps it.

Each lapses at its own moment (`models/activities/offers.py`), which never lies in the night.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from handlers.offers import lapsed_line
from handlers.shared.places import news_of_place, unheard_place
from jobs.tick import ROWS, Job, Span, Tick
from models import outbox
from models.activities import lapse_offers, next_lapse, offers_over
from models.directory import CommunityHere

TELL_WITHIN = timedelta(hours=24)
"""How long it helps somebody to hear that a place is gone."""


def due(session: Session, community: CommunityHere, span: Span, _rules: Mapping[str, Any]) -> datetime | None:
    return next_lapse(session, community_id=community.id, after=span.after, until=span.until)


def run(tick: Tick) -> bool:
    here = tick.community.id
    for over in offers_over(tick.session, community_id=here, now=tick.at, limit=ROWS):
        # Who never heard of it has not been silent: the place is theirs.
        if outbox.is_unheard(tick.session, community_id=here, key=f"offered:{over.moved.signup_id}"):
            for told in unheard_place(tick.session, over.activity, over.moved):
                told.post(tick.session, community_id=here, now=tick.at)
    lapsed = lapse_offers(tick.session, community_id=here, now=tick.at, limit=ROWS)
    for one in lapsed:
        text, again = lapsed_line(one)
        outbox.put(
            tick.session,
            community_id=here,
            key=f"lapsed:{one.signup_id}",
            message=text,
            now=tick.at,
            expires_at=min(tick.at + TELL_WITHIN, one.activity.ends_at),
            member_id=one.member_id,
            ref=one.activity.ref,
            buttons=(again,),
        )
        for moved in one.promoted:
            for told in news_of_place(tick.session, tick.rules, one.activity, moved, tick.at):
                told.post(tick.session, community_id=here, now=tick.at)
    return len(lapsed) == ROWS


LAPSE = Job("offers.lapse", run, due=due)
