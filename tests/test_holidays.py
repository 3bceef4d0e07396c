"""Festivals themselves (not the days off around them), by the State Council's list as revised for 2025."""

from datetime import date, timedelta

import pytest

from models.holidays import is_festival

MOVING = {
    # Year: 除夕, 清明, 端午, 中秋, from the calendars that the State Council announces.
    2024: (date(2024, 2, 9), date(2024, 4, 4), date(2024, 6, 10), date(2024, 9, 17)),
    2025: (date(2025, 1, 28), date(2025, 4, 4), date(2025, 5, 31), date(2025, 10, 6)),
    2026: (date(2026, 2, 16), date(2026, 4, 5), date(2026, 6, 19), date(2026, 9, 25)),
    2027: (date(2027, 2, 5), date(2027, 4, 5), date(2027, 6, 9), date(2027, 9, 15)),
}


@pytest.mark.parametrize("year", MOVING)
def test_a_year_has_exactly_its_festivals(year: int) -> None:
    eve, qingming, dragon_boat, moon = MOVING[year]
    spring = [eve + timedelta(days=offset) for offset in range(4)]
    fixed = [date(year, *day) for day in ((1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3))]
    days = (date(year, 1, 1) + timedelta(days=offset) for offset in range(366))
    found = [day for day in days if day.year == year and is_festival(day)]
    assert found == sorted([*spring, *fixed, qingming, dragon_boat, moon])


@pytest.mark.parametrize(
    ("day", "festival"),
    [
        (date(2028, 5, 28), True),  # 五月初五
        (date(2028, 6, 27), False),  # 闰五月初五: a leap month's day is no festival
        (date(2020, 10, 1), True),  # 中秋 and 国庆 on one day
        (date(2026, 2, 20), False),  # 初四 is a day off, not a festival itself
        (date(2026, 11, 21), False),
        (date(2025, 1, 28), True),  # 除夕 of a twelfth month with 29 days
        (date(2024, 2, 9), True),  # 除夕 of a twelfth month with 30 days
        (date(2024, 2, 8), False),
    ],
)
def test_single_days(day: date, festival: bool) -> None:
    assert is_festival(day) is festival
