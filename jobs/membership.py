"""What was turned down is not kept for long.

At 3:50 requests to be recognised that were rejected too many days ago are dropped (`members.rejected_days`), and wrong
tries that count no more.
"""

from datetime import timedelta

from jobs.tick import Job, Tick
from models.members import forget_registrations


def run(tick: Tick) -> bool:
    forget_registrations(
        tick.session,
        community_id=tick.community.id,
        rejected_before=tick.at - timedelta(days=tick.rules["members"].rejected_days),
        now=tick.at,
    )
    return False


FORGET = Job("membership.forget", run, cron="50 3 * * *")
