"""What is kept no longer: traces of those who were forgotten within minutes, and every night what has had its time.

A minute after a 注销 its traces in free words are swept, in units of at most 500 rows. At 4:10 each community lets go
of what is older than its settings say; at 4:40 the deployment lets go of messages that met a bug and of the runs of
jobs; at 4:50 whatever an interrupted sweep left over is swept.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from jobs.tick import ROWS, Job, Span, Tick
from models import forgetting, privacy
from models.directory import CommunityHere

AFTER = timedelta(minutes=1)
"""Long enough that a message which was under way while somebody left is written down, and swept as well."""


def due(session: Session, community: CommunityHere, span: Span, _rules: Mapping[str, Any]) -> datetime | None:
    asked = forgetting.next_erasure(
        session, community_id=community.id, after=span.after - AFTER, until=span.until - AFTER
    )
    return None if asked is None else asked + AFTER


def sweep(tick: Tick) -> bool:
    return forgetting.sweep(tick.session, community_id=tick.community.id, now=tick.at, rows=ROWS)


def let_go(tick: Tick) -> bool:
    return privacy.let_go(
        tick.session, community_id=tick.community.id, settings=tick.rules["privacy"], now=tick.at, rows=ROWS
    )


def let_go_of_traces(tick: Tick) -> bool:
    return privacy.let_go_of_traces(tick.session, settings=tick.rules["privacy"], now=tick.at, rows=ROWS)


SWEEP = Job("privacy.sweep", sweep, due=due)
LET_GO = Job("privacy.let_go", let_go, cron="10 4 * * *")
TRACES = Job("privacy.traces", let_go_of_traces, cron="40 4 * * *", once=True)
LEFT_OVER = Job("privacy.left_over", sweep, cron="50 4 * * *")
"""Finds nothing to do, but where the sweep's own slot failed."""
