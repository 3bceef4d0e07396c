"""When an activity is over, those who forgot to check out are checked out at its planned end.

Due at `ends_at`, and booked for that moment whenever it runs. Each is told in a direct message.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from handlers.check_in import closed_line
from jobs.tick import ROWS, Job, Span, Tick
from models import check_in, outbox
from models.activities import next_end
from models.check_in import AlreadyCheckedOut, NotCheckedIn
from models.directory import CommunityHere

LATE = timedelta(hours=1)
"""How long after an activity's end it is looked whether anybody is left."""


def due(session: Session, community: CommunityHere, span: Span, _rules: Mapping[str, Any]) -> datetime | None:
    end = next_end(session, community_id=community.id, after=span.after, until=span.until)
    if end is None and span.after < span.until:
        # A check-out was taken back in the very moment in which the others were closed.
        late = check_in.left_open(session, community_id=community.id, after=span.after - LATE, until=span.after)
        return span.until if late else None
    return end


def run(tick: Tick) -> bool:
    forgotten = check_in.forgotten_check_outs(tick.session, community_id=tick.community.id, now=tick.at, limit=ROWS)
    for one in forgotten:
        coming = check_in.find_coming(
            tick.session, community_id=tick.community.id, number=one.activity_number, now=tick.at
        )
        assert coming is not None
        try:
            done = check_in.check_out(
                tick.session, coming=coming, member_id=one.member_id, made_by=None, now=coming.activity.ends_at
            )
        except (NotCheckedIn, AlreadyCheckedOut):
            continue  # they did something about it themselves, in this very moment
        outbox.put(
            tick.session,
            community_id=tick.community.id,
            key=f"closed:{done.id}",
            message=closed_line(coming.activity, done),
            now=tick.at,
            expires_at=tick.at + check_in.TELL_WITHIN,
            member_id=one.member_id,
            ref=coming.activity.ref,
        )
    return len(forgotten) == ROWS


CLOSE = Job("check_in.close", run, due=due)
