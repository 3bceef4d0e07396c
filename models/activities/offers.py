"""A place that became free: for how long it is held for the first who waits.

Who moves up says yes within a time, or the next one is asked. The time is shorter where the activity is near, does not
run at night, and where there is none left to ask in, the place is theirs without a word.
"""

from datetime import datetime, time, timedelta

from models.clock import at, day_of
from models.quiet import Quiet

NIGHT = Quiet(time(21, 30), time(7))
"""In Shanghai, as the quiet hours are unless a setting says otherwise: nobody loses a place for being asleep."""
SHORTEST = timedelta(minutes=10)
"""Less is no time to ask somebody in."""
SHARE = 4
"""A question takes at the most this part of the time that is left: so that more than one can still be asked."""


def offered_until(*, now: datetime, starts_at: datetime, minutes: int) -> datetime | None:
    """Until when a place is held for whoever moves up now; None where it is theirs without being asked."""
    lasts = min(timedelta(minutes=minutes), awake_between(now, starts_at) // SHARE)
    return awake_after(now, lasts) if lasts >= SHORTEST else None


def awake_between(start: datetime, end: datetime) -> timedelta:
    """The time between two moments without the nights."""
    awake = timedelta(0)
    moment = _waking(start)
    while moment < end:
        evening = _evening_of(moment)
        awake += min(evening, end) - moment
        moment = _waking(evening)
    return awake


def awake_after(start: datetime, span: timedelta) -> datetime:
    """The moment at which a span of time has passed, nights not counted."""
    moment = _waking(start)
    while moment + span > (evening := _evening_of(moment)):
        span -= evening - moment
        moment = _waking(evening)
    return moment + span


def _waking(moment: datetime) -> datetime:
    """The moment itself by day, else the end of the night in which it lies."""
    return NIGHT.end(moment) or moment


def _evening_of(moment: datetime) -> datetime:
    return at(day_of(moment), NIGHT.begins.hour, NIGHT.begins.minute)
