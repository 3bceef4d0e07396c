"""A day before an activity begins, everybody who comes is reminded, alone.

Due `day_before_hours` before the start; who signed up later than that knows it yet. It goes to the person, or to
whoever signed them up; where the bot can write to neither, the group's reminder is all there is.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from handlers.shared.care import care_line
from handlers.shared.places import voice_of
from handlers.signing import day_before
from jobs.tick import Job, Span, Tick
from models import outbox
from models.activities import expected_at, next_reminder
from models.clock import local
from models.directory import CommunityHere


def due(session: Session, community: CommunityHere, span: Span, rules: Mapping[str, Any]) -> datetime | None:
    if not (ahead := timedelta(hours=rules["activities"].day_before_hours)):
        return None
    return next_reminder(session, community_id=community.id, after=span.after, until=span.until, ahead=ahead)


def run(tick: Tick) -> bool:
    ahead = timedelta(hours=tick.rules["activities"].day_before_hours)
    # Everything that begins in the same minute, as for the groups.
    expected = expected_at(
        tick.session,
        community_id=tick.community.id,
        after=tick.at + ahead - timedelta(minutes=1),
        until=tick.at + ahead,
        ahead=ahead,
    )
    for one in expected:
        activity = one.activity
        whom, name = voice_of(tick.session, tick.rules, activity, one.signup_id)
        if whom is None:
            continue
        text, leave = day_before(activity, one.companions, name, tick.at, tick.rules)
        # Whoever comes every week, or was put on the list by somebody, has not been told yet.
        if not name and (line := care_line(tick.session, tick.rules, activity, one.member_id)):
            text = f"{text}\n{line}"
        outbox.put(
            tick.session,
            community_id=tick.community.id,
            key=f"day-before:{activity.id}:{one.member_id}:{local(activity.starts_at):%Y%m%d%H%M}",
            message=text,
            now=tick.at,
            expires_at=activity.starts_at,
            member_id=whom,
            ref=activity.ref,
            buttons=(leave,),
        )
    return False


REMIND = Job("signing.remind", run, due=due)
