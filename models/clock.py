"""The two clocks, and the only place that knows what "today" and "this evening" mean.

Community time decides what is due, open or late: the wall clock in production, moved forward at will in the demo, in
tests and in replays. Wall time serves signatures, tokens, limits and leases. Everything that people read is
Shanghai time; everything that is stored is UTC.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
WEEKDAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")


class Clock(Protocol):
    """Tells the moment, aware UTC."""

    def now(self) -> datetime: ...


class WallClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class MovedClock:
    """Community time that runs with the wall and can be moved, forward only.

    `frozen` stands still between moves, for tests and replays.
    """

    def __init__(self, start: datetime | None = None, *, wall: Clock | None = None, frozen: bool = False) -> None:
        self._wall = wall or WallClock()
        self._frozen = frozen
        self._at = start.astimezone(UTC) if start else self._wall.now()
        self._since = self._wall.now()

    def now(self) -> datetime:
        return self._at if self._frozen else self._at + (self._wall.now() - self._since)

    def move_to(self, moment: datetime) -> None:
        """Raises ValueError for a moment in the past: what was due has happened."""
        if moment < self.now():
            raise ValueError("community time moves forward only")
        self._at = moment.astimezone(UTC)
        self._since = self._wall.now()


def local(moment: datetime) -> datetime:
    """The same moment in Shanghai."""
    return moment.astimezone(SHANGHAI)


def day_of(moment: datetime) -> date:
    """The Shanghai day in which a moment lies."""
    return local(moment).date()


def month_of(moment: datetime) -> int:
    """The Shanghai month as a number, 202611 for November 2026."""
    day = day_of(moment)
    return day.year * 100 + day.month


def start_of(day: date) -> datetime:
    """The first moment of a Shanghai day, in UTC. Computed in Shanghai and moved back at once, whatever the offset."""
    return datetime.combine(day, time(), SHANGHAI).astimezone(UTC)


def start_of_month(month: int) -> datetime:
    """The first moment of a Shanghai month (202611), in UTC."""
    return start_of(date(month // 100, month % 100, 1))


def at(day: date, hour: int, minute: int = 0) -> datetime:
    """A clock time of a Shanghai day, in UTC."""
    return datetime.combine(day, time(hour, minute), SHANGHAI).astimezone(UTC)


def months_back(month: int, count: int) -> int:
    """The month `count` months before `month` (202601, 1 -> 202512)."""
    index = month // 100 * 12 + month % 100 - 1 - count
    return index // 12 * 100 + index % 12 + 1


def spoken_day(moment: datetime) -> str:
    """`11月28日 周六`."""
    there = local(moment)
    return f"{there.month}月{there.day}日 {WEEKDAYS[there.weekday()]}"


def short_day(moment: datetime) -> str:
    """`11月28日`."""
    there = local(moment)
    return f"{there.month}月{there.day}日"


def spoken_date(moment: datetime) -> str:
    """`2027年12月31日`, where the year matters."""
    there = local(moment)
    return f"{there.year}年{there.month}月{there.day}日"


def last_day(until: datetime) -> datetime:
    """The last moment of a term: `until` is the first one after it."""
    return until - timedelta(microseconds=1)


def spoken(moment: datetime) -> str:
    """`11月28日 周六 19:30`."""
    return f"{spoken_day(moment)} {clock_time(moment)}"


def clock_time(moment: datetime) -> str:
    """`19:30`."""
    there = local(moment)
    return f"{there.hour}:{there.minute:02d}"


def spoken_span(start: datetime, end: datetime) -> str:
    """`11月28日 周六 9:00-11:00`, or both days where it ends on another one."""
    if day_of(start) == day_of(end):
        return f"{spoken(start)}-{clock_time(end)}"
    return f"{spoken(start)} 至 {spoken(end)}"


def spoken_minutes(minutes: int) -> str:
    """`2小时`, `1小时30分`, `45分钟`."""
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{rest}分钟"
    return f"{hours}小时{rest}分" if rest else f"{hours}小时"


def whole_minutes(start: datetime, end: datetime) -> int:
    """Full minutes between two moments, never negative."""
    return max(0, (end - start) // timedelta(minutes=1))
