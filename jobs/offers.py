"""A place to which nobody said yes in time goes to the next in line.

Each lapses at its own moment (`models/activities/offers.py`), which never lies in the night.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from handlers.offers import lapsed_line, news_of_place
from jobs.tick import ROWS, Job, Span, Tick
from models import outbox
from models.activities import lapse_offers, next_lapse
from models.directory import CommunityHere

TELL_WITHIN = timedelta(hours=24)
"""How long it helps somebody to hear that a place is gone."""


def due(session: Session, community: CommunityHere, span: Span, _rules: Mapping[str, Any]) -> datetime | None:
    return next_lapse(session, community_id=community.id, after=span.after, until=span.until)


def run(tick: Tick) -> bool:
    lapsed = lapse_offers(tick.session, community_id=tick.community.id, now=tick.at, limit=ROWS)
    for one in lapsed:
        text, again = lapsed_line(one)
        outbox.put(
            tick.session,
            community_id=tick.community.id,
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
                told.post(tick.session, community_id=tick.community.id, now=tick.at)
    return len(lapsed) == ROWS


LAPSE = Job("offers.lapse", run, due=due)
