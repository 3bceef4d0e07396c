"""Which days are festivals, for points that count more on them.

The only module of `models/` that leans on a calendar library: lunar days cannot be looked up in a rule.
"""

from datetime import date
from functools import lru_cache

from lunar_python import Solar

FIXED = {(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)}
"""元旦, 劳动节, 国庆节: the statutory festivals with a date of their own."""

LUNAR = {(1, 1), (1, 2), (1, 3), (5, 5), (8, 15)}
"""春节, 端午节, 中秋节: as lunar month and day."""


@lru_cache(maxsize=512)
def is_festival(day: date) -> bool:
    """Whether this Shanghai day is a statutory festival itself (全国年节及纪念日放假办法 as revised for 2025)."""
    if (day.month, day.day) in FIXED:
        return True
    lunar = Solar.fromYmd(day.year, day.month, day.day).getLunar()
    if (lunar.getMonth(), lunar.getDay()) in LUNAR:
        return True
    return lunar.getJieQi() == "清明" or "除夕" in lunar.getFestivals()
