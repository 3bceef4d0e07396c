"""When something comes again: the part of RFC 5545 that people say in chat (每周五, 隔周六, 每月最后一个周五)."""

import calendar
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta

from models.clock import at, day_of, local

CODES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_ONE_DAY = timedelta(days=1)


def days_on(rule: str, first: date, after: date, until: date) -> Iterator[date]:
    """The days of a rule in `(after, until]`, none before `first`, from which every second week or day is counted."""
    parts = dict(part.split("=") for part in rule.split(";"))
    holds = _HOLDS[parts["FREQ"]]
    day = max(first, after + _ONE_DAY)
    while day <= until:
        if holds(day, first, parts):
            yield day
        day += _ONE_DAY


_DAYS_AHEAD = 8 * 366
"""The 29th of February can take eight years."""


def next_time(rule: str, after: datetime) -> datetime | None:
    """The next moment of the rule behind `after`, which was one itself: at the same time of a Shanghai day.

    None for a rule that holds on no day.
    """
    there, day = local(after), day_of(after)
    coming = next(days_on(rule, day, day, day + _DAYS_AHEAD * _ONE_DAY), None)
    return None if coming is None else at(coming, there.hour, there.minute)


def _interval(parts: dict[str, str]) -> int:
    return int(parts.get("INTERVAL", "1"))


def _daily(day: date, first: date, parts: dict[str, str]) -> bool:
    return (day - first).days % _interval(parts) == 0


def _weekly(day: date, first: date, parts: dict[str, str]) -> bool:
    # Weeks begin on Monday.
    weeks = (day - timedelta(day.weekday()) - first + timedelta(first.weekday())).days // 7
    return CODES[day.weekday()] in parts["BYDAY"].split(",") and weeks % _interval(parts) == 0


def _monthly(day: date, first: date, parts: dict[str, str]) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    if "BYDAY" in parts:
        which, weekday = int(parts["BYDAY"][:-2]), parts["BYDAY"][-2:]
        place = (day.day - 1) // 7 + 1 if which > 0 else -((last - day.day) // 7 + 1)
        return CODES[day.weekday()] == weekday and place == which
    days = [int(one) for one in parts["BYMONTHDAY"].split(",")]
    return day.day in days or day.day - last - 1 in days


def _yearly(day: date, first: date, parts: dict[str, str]) -> bool:
    return (day.month, day.day) == (int(parts["BYMONTH"]), int(parts["BYMONTHDAY"]))


_HOLDS: dict[str, Callable[[date, date, dict[str, str]], bool]] = {
    "DAILY": _daily,
    "WEEKLY": _weekly,
    "MONTHLY": _monthly,
    "YEARLY": _yearly,
}
