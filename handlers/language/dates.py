"""Dates and times as neighbours type them, read against a clock: `下周六晚上7点半`, `11.28 9:00-11:00`,
`每周一三五`.

A phrase is a day, a time of the day, or both, perhaps a range, a deadline (`周五前`) or a recurrence. What
could be several moments is the next to come; where a person should better be asked, the moment says so
(`ambiguous`). Weeks begin on Monday. All days are Shanghai days.
"""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from handlers.language.days import ONE_DAY, Days, read_days
from handlers.language.hours import WINDOWS, Hour, TimeOfDay, read_time, until
from handlers.language.numerals import NUMERAL, number
from handlers.language.recurrence import Recurrence, read_recurrence
from models.clock import SHANGHAI

SEARCHED = 300
"""Characters of a text in which `find` looks for a date."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a phrase means.

    `start` is aware, in Asia/Shanghai; for a recurrence it is the first occurrence. `end` is exclusive and
    stands for ranges, parts of the day, weeks and months. For a deadline `start` is the named moment and,
    where a whole day is named, `end` the end of that day. `grain` is minute, day, part, week, month, deadline
    or now.
    """

    start: datetime
    end: datetime | None = None
    recur: str | None = None
    ambiguous: bool = False
    grain: str = "minute"


def read(text: str, now: datetime) -> Moment | None:
    """The whole text as one phrase, or None where it is not one."""
    phrase = text.strip(_EDGES)
    found = _phrase(phrase, 0, now.astimezone(SHANGHAI).replace(tzinfo=None))
    if found is None or found[1] != len(phrase):
        return None
    return found[0]


def read_at(text: str, at: int, now: datetime) -> tuple[Moment, int] | None:
    """The phrase that begins exactly at this place, and where it ends."""
    if not _could_begin(text, at):
        return None
    return _phrase(text, at, now.astimezone(SHANGHAI).replace(tzinfo=None))


def find(text: str, now: datetime) -> tuple[Moment, int, int] | None:
    """The first phrase in a text with the places where it begins and ends."""
    local = now.astimezone(SHANGHAI).replace(tzinfo=None)
    for candidate in _BEGINNING.finditer(text, 0, SEARCHED):
        at = candidate.start()
        if _could_begin(text, at) and (found := _phrase(text, at, local)):
            return found[0], at, found[1]
    return None


_EDGES = " \t\n,,。.!!~;;"
_BEGINNING = re.compile(
    r"[0-9零一二两三四五六七八九十廿半今明后大昨前这本当下上周星礼每逢隔双天工月年正腊冬农阴旧夏凌拂清早晨午中晌傍黄晚夜深差现马立过再"
    r"元情学雷妇植愚劳青护儿建教国万消宪志平圣跨春端重除惊谷小芒秋寒霜父母龙的]"
)


_LAST_NUMBER = re.compile(r"[0-9]+\Z")


def _could_begin(text: str, at: int) -> bool:
    """A phrase does not begin within a number or a price, and 3-5 is a remark or an address.

    Nor with the number that ends a text, as in most of what is said: 签到 3.
    """
    if not _BEGINNING.match(text, at) or _LAST_NUMBER.match(text, at):
        return False
    before = text[at - 1 : at]
    return not (before and text[at].isascii() and (before.isascii() and before not in " ,;:()@\n"))


def _phrase(text: str, at: int, now: datetime) -> tuple[Moment, int] | None:
    """The phrase from this place on. Times are reckoned without a zone: Shanghai has kept one since 1991."""
    for reader in (_now, _soon, _recurring, _once):
        if found := reader(text, at, now):
            moment, end = found
            return _aware(moment), end
    return None


def _aware(moment: Moment) -> Moment:
    end = moment.end.replace(tzinfo=SHANGHAI) if moment.end else None
    return replace(moment, start=moment.start.replace(tzinfo=SHANGHAI), end=end)


# Now, and some minutes or hours from now


_NOW = re.compile(r"现在|马上|立刻|立即|即刻|此刻")
_SOON = re.compile(
    rf"(?:再?过(?=[0-9一二两三四五六七八九十半几]))?(?P<count>{NUMERAL}|半|一个半|{NUMERAL}个半)个?(?P<unit>小时|钟头|分钟|刻钟)"
    r"(?P<after>[以之过]?后|[以之]?内)?"
)


def _now(text: str, at: int, now: datetime) -> tuple[Moment, int] | None:
    match = _NOW.match(text, at)
    return (Moment(now.replace(second=0, microsecond=0), grain="now"), match.end()) if match else None


def _soon(text: str, at: int, now: datetime) -> tuple[Moment, int] | None:
    """`半小时后`, `过20分钟`, `两小时内`; a bare `两小时` is a length, not a moment."""
    match = _SOON.match(text, at)
    if match is None or not (match["after"] or text.startswith(("过", "再过"), at)):
        return None
    unit = {"小时": 60, "钟头": 60, "分钟": 1, "刻钟": 15}[match["unit"]]
    written = match["count"]
    if written == "半":
        minutes = unit // 2
    elif written.endswith("个半"):
        minutes = (number(written[:-2]) or 0) * unit + unit // 2
    else:
        minutes = (number(written) or 0) * unit
    if not 0 < minutes <= 60 * 24 * 366:
        return None
    start = now.replace(second=0, microsecond=0) + timedelta(minutes=minutes)
    grain = "deadline" if (match["after"] or "").endswith("内") else "minute"
    return Moment(start, grain=grain), match.end()


# Again and again


def _recurring(text: str, at: int, now: datetime) -> tuple[Moment, int] | None:
    found = read_recurrence(text, at)
    if found is None:
        return None
    recurrence, end = found
    timed = _time_span(text, _past_blank(text, end), after_day=True)
    if timed is None:
        day = recurrence.first(now.date())
        return (Moment(_midnight(day), recur=recurrence.rule, grain="day"), end) if day else None
    span, end = timed
    first = _first_occurrence(recurrence, span, now)
    return (replace(first, recur=recurrence.rule), end) if first else None


def _first_occurrence(recurrence: Recurrence, span: "TimeSpan", now: datetime) -> Moment | None:
    day = recurrence.first(now.date())
    if day is None:
        return None
    moment = span.on(day)
    if moment.start < now and (moment.end is None or moment.grain != "part" or moment.end <= now):
        day = recurrence.first(day + ONE_DAY)
        return span.on(day) if day else None
    return moment


# A day, a time, or both


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A time of the day, perhaps until another one."""

    time: TimeOfDay
    end: Hour | None = None

    def on(self, day: date) -> Moment:
        """This time on a day."""
        midnight = _midnight(day)
        hour, part = self.time.hour, self.time.part
        if hour is None:
            assert part is not None
            opens, closes = WINDOWS[part]
            return Moment(midnight + timedelta(hours=opens), midnight + timedelta(hours=closes), grain="part")
        end = midnight + timedelta(minutes=self.end.minutes) if self.end else None
        ambiguous = hour.ambiguous or bool(self.end and self.end.ambiguous)
        return Moment(midnight + timedelta(minutes=hour.minutes), end, ambiguous=ambiguous)


_TO = re.compile(r" ?(?:到|至|-+|~+|—+|–|―|直到) ?")
_BEFORE = re.compile(r"(?:[之以]前|前(?![天日面台后往去来门街年半任者夕夜头]))")
_BLANKS = " ,的、("


def _once(text: str, at: int, now: datetime) -> tuple[Moment, int] | None:
    """A single day or span, with or without a time; the end of a range; a deadline."""
    days, timed, end = _day_and_time(text, at, now.date())
    if days is None and timed is None:
        return None
    moment = _placed(days, timed, now)
    if timed is None or timed.end is None:
        moment, end = _with_range_end(text, end, moment, timed, now)
    if match := _BEFORE.match(text, end):
        if moment.grain in ("day", "week", "month") and moment.end is None:
            moment = replace(moment, end=moment.start + ONE_DAY)
        moment, end = replace(moment, grain="deadline"), match.end()
    return moment, end


def _day_and_time(text: str, at: int, today: date) -> tuple[Days | None, TimeSpan | None, int]:
    """`周六9点`, `9点 周六`, `周六`, `9点`: the parts and where they end."""
    days, end = _several_days(text, at, today)
    if days is not None:
        timed = _time_span(text, _past_blank(text, end), after_day=True) if days.grain == "day" else None
        return (days, timed[0], timed[1]) if timed else (days, None, end)
    timed = _time_span(text, at, after_day=False)
    if timed is None:
        return None, None, at
    days, day_end = _several_days(text, _past_blank(text, timed[1]), today)
    if days is not None and days.grain == "day":
        return days, timed[0], day_end
    return None, timed[0], timed[1]


def _several_days(text: str, at: int, today: date) -> tuple[Days | None, int]:
    """One day, perhaps named twice: `周六(21号)`, `11月21日周六`, `明天周三`."""
    found = read_days(text, at, today)
    if found is None:
        return None, at
    days, end = found
    again = read_days(text, _past_blank(text, end), today) if days.grain == "day" else None
    if again is None:
        return days, end
    other, other_end = again
    if text[other_end : other_end + 1] == ")":
        other_end += 1
    if days.weekday and not other.weekday and other.grain == "day":
        return replace(other, ambiguous=other.ambiguous or other.first.weekday() != days.first.weekday()), other_end
    if other.weekday and not days.weekday:
        same = other.first.weekday() == days.first.weekday()
        return replace(days, ambiguous=days.ambiguous or not same), other_end
    if days.weekday and other.weekday and other.first == days.first + ONE_DAY:
        return replace(days, after=other.first + ONE_DAY), other_end
    return days, end


def _time_span(text: str, at: int, *, after_day: bool) -> tuple[TimeSpan, int] | None:
    """A time of the day, and its end where a range of hours follows."""
    found = read_time(text, at, after_day=after_day)
    if found is None:
        return None
    begins, end = found
    if begins.hour is None or not (to := _TO.match(text, end)):
        return TimeSpan(begins), end
    closing = read_time(text, to.end(), after_day=True)
    if closing is None or closing[0].hour is None:
        return TimeSpan(begins), end
    closes = until(begins.hour, closing[0].hour, said=closing[0].part is not None)
    return TimeSpan(begins, closes), closing[1]


def _placed(days: Days | None, timed: TimeSpan | None, now: datetime) -> Moment:
    """The moment that is meant, rolled forward where what was said has passed."""
    if timed is None:
        assert days is not None
        end = _midnight(days.after) if days.after else None
        return Moment(_midnight(days.first), end, ambiguous=days.ambiguous, grain=days.grain)
    day = days.first if days else now.date()
    moment = timed.on(day)
    if days and days.after:
        # 周六到周日9点 would mean both days: the first one is where it begins.
        moment = replace(moment, ambiguous=True)
    if days and days.ambiguous:
        moment = replace(moment, ambiguous=True)
    passed = (moment.end if moment.grain == "part" and moment.end else moment.start) <= now
    if not passed:
        return moment
    hour = timed.time.hour
    evening = moment.start + timedelta(hours=12)
    # A bare 8点 said at noon: the morning has passed, and this evening is possible.
    unsure = bool(hour and hour.bare and hour.written >= 420 and evening > now)
    if days and days.later:
        return replace(timed.on(days.later), ambiguous=moment.ambiguous or unsure or not days.weekday)
    if days and unsure and day == now.date():
        end = moment.end + timedelta(hours=12) if moment.end else None
        return replace(moment, start=evening, end=end, ambiguous=True)
    if days:
        return moment
    tomorrow = timed.on(day + ONE_DAY)
    return replace(tomorrow, ambiguous=tomorrow.ambiguous or unsure)


def _with_range_end(text: str, at: int, moment: Moment, timed: TimeSpan | None, now: datetime) -> tuple[Moment, int]:
    """`周六到周日`, `11月28日-12月3日`, `周六上午9点到周日下午5点`: the end is counted from the start."""
    to = _TO.match(text, at)
    if to is None or moment.grain in ("now", "part"):
        return moment, at
    # 明天到后天 counts both from today; 周一到周五, said on a Tuesday, needs the Friday after that Monday.
    for today in (now.date(), moment.start.date()):
        days, closing, end = _day_and_time(text, to.end(), today)
        if days is None and not (closing and closing.time.hour and timed):
            return moment, at
        last = days.first if days else moment.start.date()
        if closing and closing.time.hour:
            stop = closing.on(last).start
        elif days:
            stop = _midnight(days.after or last + ONE_DAY)
        else:
            return moment, at
        if stop > moment.start:
            return replace(moment, end=stop), end
    return moment, at


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())


def _past_blank(text: str, at: int) -> int:
    """Between a day and its time people write a blank, a comma, 的 or nothing."""
    return at + 1 if text[at : at + 1] and text[at] in _BLANKS else at
