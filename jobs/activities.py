"""Two hours before an activity begins, its groups are reminded: one message per group, however many activities.

Which groups those are depends on whose activity it is (`models.directory.audience`): a community's clean-up is for the
buildings' groups and leaves the party's and the property firm's in peace.

Due at `starts_at` less the hours of the setting. An activity that was published later than that is not announced twice.
A reminder that could not leave before the activity began is not sent any more but reported.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from handlers.activities import reminder, reminder_buttons
from jobs.tick import Job, Span, Tick
from models import outbox
from models.activities import announced_between, how_full, next_reminder
from models.clock import local
from models.directory import CommunityHere, audience, groups_of, organisations


def due(session: Session, community: CommunityHere, span: Span, rules: Mapping[str, Any]) -> datetime | None:
    ahead = timedelta(hours=rules["activities"].reminder_hours)
    return next_reminder(session, community_id=community.id, after=span.after, until=span.until, ahead=ahead)


def run(tick: Tick) -> bool:
    ahead = timedelta(hours=tick.rules["activities"].reminder_hours)
    # Everything that begins in the same minute goes into the same message.
    coming = announced_between(
        tick.session,
        community_id=tick.community.id,
        after=tick.at + ahead - timedelta(minutes=1),
        until=tick.at + ahead,
        ahead=ahead,
    )
    if not coming:
        return False
    first = coming[0].activity
    groups = groups_of(tick.session, community_id=tick.community.id)
    joined = organisations(tick.session, community_id=tick.community.id)
    hear = {one.activity.id: audience(groups, one.unit_path, joined) for one in coming}
    for group in groups:
        theirs = [
            (one.activity, how_full(tick.session, one.activity)[0]) for one in coming if group in hear[one.activity.id]
        ]
        if theirs:
            outbox.put(
                tick.session,
                community_id=tick.community.id,
                key=f"activity-reminder:{group.id}:{local(first.starts_at):%Y%m%d%H%M}",
                message=reminder(theirs, tick.at),
                now=tick.at,
                expires_at=first.starts_at,
                group_id=group.id,
                ref=theirs[0][0].ref if len(theirs) == 1 else "",
                buttons=reminder_buttons(theirs[0][0]) if len(theirs) == 1 else (),
            )
    return False


REMIND = Job("activities.remind", run, due=due)
