"""When something comes again: the part of RFC 5545 that people say in chat (每周五, 隔周六, 每月最后一个周五)."""

from calendar import monthrange
from datetime import date, datetime, timedelta

from models.clock import at, day_of, local

CODES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_DAYS_AHEAD = 8 * 366
"""The 29th of February can take eight years."""


def next_time(rule: str, after: datetime) -> datetime | None:
    """The next moment of the rule behind `after`, which was one itself: at the same time of a Shanghai day.

    None for a rule that holds on no day.
    """
    terms = dict(term.split("=", 1) for term in rule.split(";") if "=" in term)
    there, day = local(after), day_of(after)
    for days in range(1, _DAYS_AHEAD):
        if _holds(terms, day + timedelta(days=days), day):
            return at(day + timedelta(days=days), there.hour, there.minute)
    return None


def _holds(terms: dict[str, str], day: date, before: date) -> bool:
    """Whether the rule holds on a day; every other week or day is counted from the time before."""
    frequency, interval = terms.get("FREQ"), int(terms.get("INTERVAL", "1"))
    if frequency == "DAILY":
        return (day - before).days % interval == 0
    if frequency == "WEEKLY":
        return CODES[day.weekday()] in terms.get("BYDAY", "").split(",") and _weeks(before, day) % interval == 0
    if frequency == "YEARLY" and str(day.month) != terms.get("BYMONTH"):
        return False
    if "BYMONTHDAY" in terms:
        last = monthrange(day.year, day.month)[1]
        return any(day.day == (number if number > 0 else last + 1 + number) for number in _numbers(terms["BYMONTHDAY"]))
    return _is_nth(terms.get("BYDAY", ""), day)


def _weeks(first: date, second: date) -> int:
    """How many Mondays lie between two days."""
    monday = timedelta(days=1)
    return ((second - second.weekday() * monday) - (first - first.weekday() * monday)).days // 7


def _numbers(written: str) -> list[int]:
    return [int(number) for number in written.split(",")]


def _is_nth(written: str, day: date) -> bool:
    """`-1FR`: the last Friday of its month; `2TU`: the second Tuesday."""
    which, code = written[:-2], written[-2:]
    if not which or CODES[day.weekday()] != code:
        return False
    if int(which) > 0:
        return (day.day - 1) // 7 + 1 == int(which)
    return (monthrange(day.year, day.month)[1] - day.day) // 7 + 1 == -int(which)
