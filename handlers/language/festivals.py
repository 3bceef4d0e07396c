"""The days that have names: fixed ones, lunar ones, solar terms, and the lunar calendar itself.

Lunar dates and solar terms come from lunar-python, one table a year, computed when first asked for.
"""

import re
from collections.abc import Callable
from datetime import date, timedelta
from functools import lru_cache

from lunar_python import LunarYear, Solar

FIXED = {
    "元旦": (1, 1), "情人节": (2, 14), "学雷锋日": (3, 5), "雷锋日": (3, 5), "妇女节": (3, 8),
    "三八节": (3, 8), "三八": (3, 8), "植树节": (3, 12), "劳动节": (5, 1), "五一": (5, 1),
    "青年节": (5, 4), "五四": (5, 4), "护士节": (5, 12), "儿童节": (6, 1), "六一": (6, 1),
    "建党节": (7, 1), "七一": (7, 1),
    "建军节": (8, 1), "八一": (8, 1), "教师节": (9, 10), "国庆": (10, 1), "十一国庆": (10, 1),
    "消防日": (11, 9), "消防宣传日": (11, 9), "宪法日": (12, 4), "国家宪法日": (12, 4), "志愿者日": (12, 5),
    "国家公祭日": (12, 13), "平安夜": (12, 24), "圣诞": (12, 25), "跨年": (12, 31), "跨年夜": (12, 31),
}  # fmt: skip
LUNAR = {
    "春节": (1, 1), "大年初一": (1, 1), "元宵": (1, 15), "正月十五": (1, 15), "龙抬头": (2, 2),
    "端午": (5, 5), "五月初五": (5, 5), "七夕": (7, 7), "中元": (7, 15), "中秋": (8, 15), "八月十五": (8, 15),
    "重阳": (9, 9), "九月初九": (9, 9), "腊八": (12, 8), "小年": (12, 23),
}  # fmt: skip
EVES = ("除夕", "大年三十", "年三十", "大年夜", "年三十晚上")
"""The last day of the lunar year, which has 29 or 30 days in its last month."""
NTH_WEEKDAY = {"母亲节": (5, 2, 6), "父亲节": (6, 3, 6)}
"""Month, which one, weekday (Monday is 0)."""
TERMS = (
    "冬至", "小寒", "大寒", "立春", "雨水", "惊蛰", "春分", "清明", "谷雨", "立夏", "小满", "芒种",
    "夏至", "小暑", "大暑", "立秋", "处暑", "白露", "秋分", "寒露", "霜降", "立冬", "小雪", "大雪",
)  # fmt: skip
"""The solar terms as lunar-python lists them, from the winter solstice of the year before."""

NAMES = sorted({*FIXED, *LUNAR, *EVES, *NTH_WEEKDAY, *TERMS}, key=len, reverse=True)


NAMED = re.compile("(?:" + "|".join(NAMES) + ")节?")
"""A day by its name and nothing else."""


@lru_cache(maxsize=64)
def _lunar_months(year: int) -> dict[int, tuple[date, int]]:
    """The first day and the length of each month of a lunar year. Leap months are nobody's festival."""
    months: dict[int, tuple[date, int]] = {}
    for month in LunarYear.fromYear(year).getMonths():
        if month.getYear() == year and month.getMonth() > 0:
            solar = Solar.fromJulianDay(month.getFirstJulianDay())
            months[month.getMonth()] = (_as_date(solar), month.getDayCount())
    return months


@lru_cache(maxsize=64)
def _terms(year: int) -> dict[str, date]:
    """The solar terms that lie in a year of the common calendar."""
    # The list begins with 大雪 of the year before; 冬至 of this year stands one round later.
    days = [_as_date(Solar.fromJulianDay(moment)) for moment in LunarYear.fromYear(year).getJieQiJulianDays()]
    return {name: day for name, day in zip((*TERMS, "冬至"), days[1:], strict=False) if day.year == year}


def _as_date(solar: object) -> date:
    return date.fromisoformat(solar.toYmd())  # type: ignore[attr-defined]


def lunar_day(year: int, month: int, day: int) -> date | None:
    """The day of the common calendar for a lunar date, or None where that month has no such day."""
    first, length = _lunar_months(year)[month]
    return first + timedelta(days=day - 1) if 1 <= day <= length else None


def next_day(of_year: Callable[[int], date | None], since: date) -> date | None:
    """The first day on or after `since` among those that a rule gives for each year."""
    for year in range(since.year - 1, since.year + 9):
        day = of_year(year)
        if day is not None and day >= since:
            return day
    return None


def festival(name: str, since: date) -> date | None:
    """The next day with this name, on or after `since`. None: no such festival."""
    return next_day(lambda year: in_year(name, year), since)


def in_year(name: str, year: int) -> date | None:
    """The day of that name in a year; for lunar festivals, in the lunar year of that number."""
    if name in FIXED:
        return date(year, *FIXED[name])
    if name in LUNAR:
        return lunar_day(year, *LUNAR[name])
    if name in EVES:
        first = lunar_day(year, 1, 1)
        return first - timedelta(days=1) if first else None
    if name in NTH_WEEKDAY:
        return nth_weekday(year, *NTH_WEEKDAY[name])
    return _terms(year).get(name)


def nth_weekday(year: int, month: int, which: int, weekday: int) -> date | None:
    """The `which`-th Monday (0) to Sunday (6) of a month, from the end where `which` is -1."""
    if which < 0:
        last = month_after(year, month) - timedelta(days=1)
        return last - timedelta(days=(last.weekday() - weekday) % 7)
    first = date(year, month, 1)
    day = first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (which - 1))
    return day if day.month == month else None


def month_after(year: int, month: int) -> date:
    """The first day of the following month."""
    return date(year + month // 12, month % 12 + 1, 1)
