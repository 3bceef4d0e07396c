"""Community time, and how moments are said: everything that people read is Shanghai time."""

from datetime import UTC, date, datetime, timedelta

import pytest

from models import clock
from models.clock import SHANGHAI, MovedClock, WallClock


def shanghai(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=SHANGHAI)  # type: ignore[misc, arg-type]


class Wall:
    """A wall clock that stands where it is put."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@pytest.mark.parametrize(
    ("moment", "day", "month"),
    [
        (shanghai(2026, 11, 21, 23, 59, 59, 999999), date(2026, 11, 21), 202611),
        (shanghai(2026, 11, 22), date(2026, 11, 22), 202611),
        (datetime(2026, 11, 21, 15, 59, 59, 999999, UTC), date(2026, 11, 21), 202611),
        (datetime(2026, 11, 21, 16, tzinfo=UTC), date(2026, 11, 22), 202611),
        (shanghai(2026, 11, 30, 23, 59, 59, 999999), date(2026, 11, 30), 202611),
        (datetime(2026, 11, 30, 16, tzinfo=UTC), date(2026, 12, 1), 202612),
        (shanghai(2026, 12, 31, 23, 59, 59, 999999), date(2026, 12, 31), 202612),
        (datetime(2026, 12, 31, 16, tzinfo=UTC), date(2027, 1, 1), 202701),
        (datetime(2028, 2, 28, 16, tzinfo=UTC), date(2028, 2, 29), 202802),
    ],
)
def test_days_and_months_are_those_of_shanghai(moment: datetime, day: date, month: int) -> None:
    assert (clock.day_of(moment), clock.month_of(moment)) == (day, month)


@pytest.mark.parametrize("day", [date(2026, 11, 21), date(2027, 1, 1), date(1988, 7, 1), date(1949, 5, 28)])
def test_a_day_starts_at_its_first_moment(day: date) -> None:
    # 1949 and 1988 had other offsets than today's: summer time.
    start = clock.start_of(day)
    assert start.tzinfo is UTC
    assert clock.local(start).date() == day
    assert clock.day_of(start - timedelta(microseconds=1)) == day - timedelta(days=1)


def test_at_gives_a_clock_time_of_shanghai_in_utc() -> None:
    assert clock.at(date(2026, 11, 21), 9, 5) == datetime(2026, 11, 21, 1, 5, tzinfo=UTC)
    assert clock.at(date(2026, 11, 21), 0) == clock.start_of(date(2026, 11, 21))
    assert clock.local(clock.at(date(2026, 11, 21), 7)).tzinfo is SHANGHAI


@pytest.mark.parametrize(
    ("month", "count", "before"),
    [
        (202611, 0, 202611),
        (202611, 10, 202601),
        (202611, 11, 202512),
        (202601, 1, 202512),
        (202601, 12, 202501),
        (202601, 25, 202312),
        (202612, 1, 202611),
        (202512, -1, 202601),
    ],
)
def test_months_back_crosses_years(month: int, count: int, before: int) -> None:
    assert clock.months_back(month, count) == before


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (shanghai(2026, 11, 28, 19, 30), "11月28日 周六 19:30"),
        (shanghai(2026, 11, 29), "11月29日 周日 0:00"),
        (datetime(2026, 11, 29, 16, 5, tzinfo=UTC), "11月30日 周一 0:05"),
        (shanghai(2027, 1, 1, 9), "1月1日 周五 9:00"),
    ],
)
def test_spoken_says_day_weekday_and_time(moment: datetime, said: str) -> None:
    assert clock.spoken(moment) == said
    assert f"{clock.spoken_day(moment)} {clock.clock_time(moment)}" == said


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (shanghai(2026, 11, 28, 9), shanghai(2026, 11, 28, 11), "11月28日 周六 9:00-11:00"),
        (shanghai(2026, 11, 28, 22), shanghai(2026, 11, 29, 1), "11月28日 周六 22:00 至 11月29日 周日 1:00"),
        (shanghai(2026, 11, 28, 22), shanghai(2026, 11, 29), "11月28日 周六 22:00 至 11月29日 周日 0:00"),
        # One day in UTC, two in Shanghai.
        (
            datetime(2026, 11, 28, 15, 30, tzinfo=UTC),
            datetime(2026, 11, 28, 16, 30, tzinfo=UTC),
            "11月28日 周六 23:30 至 11月29日 周日 0:30",
        ),
        # Two days in UTC, one in Shanghai.
        (
            datetime(2026, 11, 27, 23, tzinfo=UTC),
            datetime(2026, 11, 28, 1, tzinfo=UTC),
            "11月28日 周六 7:00-9:00",
        ),
    ],
)
def test_spoken_span_names_the_second_day_where_it_is_another(start: datetime, end: datetime, said: str) -> None:
    assert clock.spoken_span(start, end) == said


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (0, "0分钟"),
        (1, "1分钟"),
        (59, "59分钟"),
        (60, "1小时"),
        (90, "1小时30分"),
        (120, "2小时"),
        (1441, "24小时1分"),
    ],
)
def test_spoken_minutes(minutes: int, said: str) -> None:
    assert clock.spoken_minutes(minutes) == said


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(-600, 0), (-1, 0), (0, 0), (59.999999, 0), (60, 1), (119, 1), (7200, 120)]
)
def test_whole_minutes_are_full_and_never_negative(seconds: float, minutes: int) -> None:
    start = shanghai(2026, 11, 28, 9)
    assert clock.whole_minutes(start, start + timedelta(seconds=seconds)) == minutes


def test_a_frozen_clock_stands_still_between_moves() -> None:
    wall = Wall(shanghai(2020, 1, 1))
    moved = MovedClock(shanghai(2026, 11, 17, 19, 30), wall=wall, frozen=True)
    wall.at += timedelta(hours=5)
    assert moved.now() == shanghai(2026, 11, 17, 19, 30)
    moved.move_to(shanghai(2026, 11, 18))
    assert moved.now() == shanghai(2026, 11, 18)
    assert moved.now().tzinfo is UTC


def test_a_moved_clock_runs_with_the_wall_from_where_it_was_put() -> None:
    wall = Wall(shanghai(2020, 1, 1))
    moved = MovedClock(shanghai(2026, 11, 17, 19, 30), wall=wall)
    wall.at += timedelta(minutes=3)
    assert moved.now() == shanghai(2026, 11, 17, 19, 33)
    moved.move_to(shanghai(2026, 11, 18))
    wall.at += timedelta(seconds=1)
    assert moved.now() == shanghai(2026, 11, 18, 0, 0, 1)


def test_community_time_never_moves_back() -> None:
    moved = MovedClock(shanghai(2026, 11, 17, 19, 30), frozen=True)
    with pytest.raises(ValueError, match="forward only"):
        moved.move_to(shanghai(2026, 11, 17, 19, 29, 59))
    moved.move_to(shanghai(2026, 11, 17, 19, 30))
    assert moved.now() == shanghai(2026, 11, 17, 19, 30)


def test_the_wall_clock_tells_aware_utc_and_goes_on() -> None:
    first = WallClock().now()
    assert first.tzinfo is UTC
    assert WallClock().now() >= first
    assert abs(MovedClock().now() - first) < timedelta(seconds=5)
