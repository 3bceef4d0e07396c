"""The nightly proof of the ledger, and the dropping of what is over.

At 3:20 every invariant of every table is checked; a violation fails the job, loudly: it is an error in the log and a
failed slot in the metrics. At 3:40 expired questions are dropped, and what could not be reached days ago.
"""

from jobs.tick import Job, Tick
from models import outages, pending
from models.verify import violations


class BooksWrong(Exception):
    """An invariant is violated: the books must not be trusted until somebody has looked."""


def prove(tick: Tick) -> bool:
    found = violations(tick.session)
    if found:
        raise BooksWrong("; ".join(f"{one.name}: {one.culprits}" for one in found))
    return False


def forget(tick: Tick) -> bool:
    pending.forget_expired(tick.session, community_id=tick.community.id, now=tick.at)
    outages.lapse(tick.session, community_id=tick.community.id, now=tick.at)
    return False


PROVE = Job("housekeeping.prove", prove, cron="20 3 * * *", once=True, reads=True)
FORGET = Job("housekeeping.forget", forget, cron="40 3 * * *")
