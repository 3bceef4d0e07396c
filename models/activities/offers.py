"""A place that became free: for how long it is held for the first who waits.

Who moves up says yes within a time, or the next one is asked. The time is shorter where the activity is near, does not
run at night, and where there is none left to ask in, the place is theirs without a word.
"""

from datetime import datetime, time, timedelta

from models.clock import SHANGHAI, local

NIGHT_FROM, NIGHT_UNTIL = time(21, 30), time(7)
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
    at = _waking(start)
    while at < end:
        evening = _on_that_day(at, NIGHT_FROM)
        awake += min(evening, end) - at
        at = _waking(evening)
    return awake


def awake_after(start: datetime, span: timedelta) -> datetime:
    """The moment at which a span of time has passed, nights not counted."""
    at = _waking(start)
    while at + span > (evening := _on_that_day(at, NIGHT_FROM)):
        span -= evening - at
        at = _waking(evening)
    return at + span


def _waking(moment: datetime) -> datetime:
    """The moment itself by day, else the end of the night in which it lies."""
    clock = local(moment).time()
    if clock < NIGHT_UNTIL:
        return _on_that_day(moment, NIGHT_UNTIL)
    return _on_that_day(moment + timedelta(days=1), NIGHT_UNTIL) if clock >= NIGHT_FROM else moment


def _on_that_day(moment: datetime, clock: time) -> datetime:
    return datetime.combine(local(moment).date(), clock, SHANGHAI).astimezone(moment.tzinfo)
