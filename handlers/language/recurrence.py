"""What happens again and again: `每周一三五`, `每天早上`, `每月5号`, `每月最后一个周五`, `工作日`, `隔周六`.

A recurrence is an RRULE (RFC 5545) and a test for single days, from which the first occurrence follows.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from handlers.language import festivals
from handlers.language.days import ONE_DAY, WEEK, WEEKDAYS
from handlers.language.numerals import number

CODES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_NAME = "一二三四五六日天"
_LIST = rf"[{_NAME}1-7](?:[、,和及 /]*(?:{WEEK})?[{_NAME}1-7](?![0-9点:个]))*"

_WEEKLY = re.compile(
    rf"(?:(?P<other>隔|每两|每隔一?)个?{WEEK}(?:的)?(?:{WEEK})?|(?:每个?|逢|每逢){WEEK}|(?P<double>双)周(?:的)?(?:{WEEK})?)"
    rf"(?:(?P<from>[{_NAME}])(?:到|至|-|~){WEEK}?(?P<until>[{_NAME}])|(?P<end>末)|(?P<days>{_LIST}))(?![次回趟个])"
)
_DAILY = re.compile(r"(?:每[天日]|天天)(?![次回趟])|每个?(?=[早晚]|上午|中午|下午|傍晚|凌晨|晨)")
_EVERY_OTHER_DAY = re.compile(r"隔[天日]|每两天|每隔一天")
_WORKDAYS = re.compile(r"(?:每个?)?工作日")
_MONTHLY = re.compile(
    r"(?:每个?月|逢)的?(?:"
    rf"(?P<days>(?:3[01]|[12]?[0-9]|[一二三四五六七八九十]{{1,3}})[日号]?(?:[、,和及](?:3[01]|[12]?[0-9]|[一二三四五六七八九十]{{1,3}})[日号]?)*)(?<=[日号])"
    r"|(?P<last>底|末|最后一天|月底)"
    rf"|(?:第(?P<nth>[一二三四1-4])|(?P<last_weekday>最后一?))个?{WEEK}(?P<weekday>[{_NAME}1-6]))"
)
_YEARLY = re.compile(
    r"每年的?(?P<month>1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九])月"
    r"(?P<day>3[01]|[12][0-9]|0?[1-9]|[一二三四五六七八九十]{1,3})[日号]"
)
_FIRSTS = frozenset("每隔逢双天工")
"""What every recurrence begins with."""
_MORE_THAN_A_YEAR = 8 * 366
"""How many days ahead the first occurrence is looked for: the 29th of February can take eight years."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A rule and the days on which it holds."""

    rule: str
    holds: Callable[[date], bool]

    def first(self, since: date) -> date | None:
        """The first such day on or after `since`."""
        for days in range(_MORE_THAN_A_YEAR):
            day = since + days * ONE_DAY
            if self.holds(day):
                return day
        return None


def read_recurrence(text: str, at: int) -> tuple[Recurrence, int] | None:
    """The recurrence that begins at this place, and where it ends."""
    if text[at : at + 1] not in _FIRSTS:
        return None
    for pattern, make in READERS:
        if (match := pattern.match(text, at)) and (recurrence := make(match)):
            return recurrence, match.end()
    return None


def _weekly(match: re.Match[str]) -> Recurrence:
    if match["end"]:
        days = {5, 6}
    elif match["from"]:
        first, last = WEEKDAYS[match["from"]], WEEKDAYS[match["until"]]
        days = {day % 7 for day in range(first, last + 1 if last >= first else last + 8)}
    else:
        days = {WEEKDAYS[name] for name in match["days"] if name in WEEKDAYS}
    by_day = ",".join(CODES[day] for day in sorted(days))
    interval = "INTERVAL=2;" if match["other"] or match["double"] else ""
    return Recurrence(f"FREQ=WEEKLY;{interval}BYDAY={by_day}", lambda day: day.weekday() in days)


def _daily(match: re.Match[str]) -> Recurrence:
    return Recurrence("FREQ=DAILY", lambda day: True)


def _every_other_day(match: re.Match[str]) -> Recurrence:
    return Recurrence("FREQ=DAILY;INTERVAL=2", lambda day: True)


def _workdays(match: re.Match[str]) -> Recurrence:
    return Recurrence("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", lambda day: day.weekday() < 5)


def _monthly(match: re.Match[str]) -> Recurrence | None:
    if match["last"]:
        return Recurrence("FREQ=MONTHLY;BYMONTHDAY=-1", lambda day: (day + ONE_DAY).day == 1)
    if match["days"]:
        days = {number(written) or 0 for written in re.findall(r"[0-9]+|[一二三四五六七八九十]+", match["days"])}
        if not all(1 <= day <= 31 for day in days):
            return None
        listed = ",".join(str(day) for day in sorted(days))
        return Recurrence(f"FREQ=MONTHLY;BYMONTHDAY={listed}", lambda day: day.day in days)
    weekday = WEEKDAYS[match["weekday"]]
    which = -1 if match["last_weekday"] else number(match["nth"]) or 1
    return Recurrence(
        f"FREQ=MONTHLY;BYDAY={which}{CODES[weekday]}",
        lambda day: day == festivals.nth_weekday(day.year, day.month, which, weekday),
    )


def _yearly(match: re.Match[str]) -> Recurrence | None:
    month, day = number(match["month"].lstrip("0")) or 0, number(match["day"].lstrip("0")) or 0
    try:
        date(2024, month, day)
    except ValueError:
        return None
    rule = f"FREQ=YEARLY;BYMONTH={month};BYMONTHDAY={day}"
    return Recurrence(rule, lambda one: (one.month, one.day) == (month, day))


READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Recurrence | None]], ...] = (
    (_WEEKLY, _weekly),
    (_EVERY_OTHER_DAY, _every_other_day),
    (_DAILY, _daily),
    (_WORKDAYS, _workdays),
    (_MONTHLY, _monthly),
    (_YEARLY, _yearly),
)


def spoken_rule(rule: str) -> str:
    """What a rule is called: `每周六`, `隔周六`, `每月1号`, `每月最后一个周五`, `每个工作日`."""
    parts = dict(part.split("=") for part in rule.split(";"))
    other = parts.get("INTERVAL") == "2"
    match parts["FREQ"]:
        case "DAILY":
            return "隔天" if other else "每天"
        case "YEARLY":
            return f"每年{parts['BYMONTH']}月{parts['BYMONTHDAY']}日"
        case "WEEKLY":
            if parts["BYDAY"] == ",".join(CODES[:5]) and not other:
                return "每个工作日"
            days = "".join(_NAME[CODES.index(day)] for day in parts["BYDAY"].split(","))
            return f"{'隔' if other else '每'}周{days}"
    if "BYDAY" in parts:
        which, weekday = int(parts["BYDAY"][:-2]), _NAME[CODES.index(parts["BYDAY"][-2:])]
        return f"每月最后一个周{weekday}" if which < 0 else f"每月第{which}个周{weekday}"
    return "每月" + "、".join(f"{day}号" if day != "-1" else "最后一天" for day in parts["BYMONTHDAY"].split(","))
