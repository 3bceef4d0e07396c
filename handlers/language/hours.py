"""Times of the day as people say them: parts (`上午`) and clocks (`9点半`, `晚上7点一刻`, `19:30`,
`差五分八点`).

Bare hours 7 to 11 are the morning, 12 is noon, 1 to 6 the afternoon; a clock written with a leading zero is
meant as it stands.
"""

import re
from dataclasses import dataclass, replace

from handlers.language.numerals import number

DAWN, EARLY, MORNING, NOON, AFTERNOON, DUSK, EVENING = range(7)
WINDOWS = ((0, 6), (6, 10), (6, 12), (11, 14), (12, 18), (17, 20), (18, 24))
"""From and until which hour each part of the day lasts, in the order of the constants above."""
PARTS = {
    "凌晨": DAWN, "拂晓": DAWN,
    "清晨": EARLY, "大清早": EARLY, "一大早": EARLY, "清早": EARLY, "一早": EARLY, "早晨": EARLY,
    "早上": EARLY, "早间": EARLY, "早起": EARLY, "早": EARLY, "晨": EARLY,
    "上午": MORNING, "午前": MORNING,
    "中午": NOON, "正午": NOON, "午间": NOON, "晌午": NOON,
    "下午": AFTERNOON, "午后": AFTERNOON,
    "傍晚": DUSK, "黄昏": DUSK,
    "晚上": EVENING, "晚间": EVENING, "夜晚": EVENING, "夜间": EVENING, "夜里": EVENING, "半夜": EVENING,
    "深夜": EVENING, "大晚上": EVENING, "晚": EVENING, "夜": EVENING,
}  # fmt: skip
SHORT_PARTS = frozenset("早晨晚夜")
"""These are parts of the day only beside a day or an hour: 早 alone is a greeting, 晚 alone is being late."""

_PART = re.compile("|".join(sorted(PARTS, key=len, reverse=True)))
_HOUR = r"2[0-4]|1[0-9]|0?[0-9]|二十[一二三四]?|十[一二三四五六七八九]?|[零一二两三四五六七八九]"
_MINUTE = r"[0-5]?[0-9]|[零〇]?[一二三四五六七八九]|[二三四五]?十[一二三四五六七八九]?"
_NO_MINUTES = r"(?![0-9十点.人位名个栋号楼户])"
"""`9点20人` is nine o'clock and twenty people."""
_NO_HOUR = "[子名评赞击单餐滴心头菜]|意见|建议|要求|困难|问题|事"
"""`3点意见` are three of them."""
_CLOCK = re.compile(
    rf"""
    (?: 差 (?P<to> 一刻 | {_MINUTE} ) 分? (?P<to_hour> {_HOUR} ) 点 钟?
      | (?P<hour> {_HOUR} )
        (?: [ ]? 点 (?! {_NO_HOUR} )
            (?: 钟 | 整 | (?P<half>半)钟? | (?P<quarter>[一三1])刻钟?
              | 过?(?P<minute> {_MINUTE} ) (?: 分钟? | {_NO_MINUTES} )
            )?
          | 时 (?! [间候光期段常刻而装] ) (?: 整 | (?P<half_>半) | (?P<minute_> {_MINUTE} ) 分? )?
          | [:.] (?P<colon> [0-5][0-9] ) (?: :[0-5][0-9] )? (?! [0-9] )
          | (?= [ ]? [ap]m (?![a-z]) )
        )
        (?: [ ]?(?P<noon_side> [ap]m ) (?![a-z]) )?
        (?: 左右 | 前后 | 多 | 许 )?
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_BARE_HOUR = re.compile(rf"(?:{_HOUR})(?![0-9点时:.个人分月日号天年周元块岁栋楼])")


@dataclass(frozen=True, slots=True)
class Hour:
    """A clock time in minutes after midnight of its day (1440 and more lie on the next day)."""

    minutes: int
    ambiguous: bool = False
    bare: bool = False
    """No part of the day was said, and the other half of the day is possible."""
    written: int = 0
    """The same as it was written, before the half of the day was decided."""


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """A part of the day, a clock time, or both (then `hour` has been read in the light of `part`)."""

    part: int | None
    hour: Hour | None


def read_time(text: str, at: int, *, after_day: bool) -> tuple[TimeOfDay, int] | None:
    """The time of day that begins at this place and where it ends.

    `after_day`: a day has just been named, so that 早 and 晚 alone count.
    """
    part, end = None, at
    if match := _PART.match(text, at):
        part, end = PARTS[match[0]], match.end()
    clock_at = end + (text[end : end + 1] in (" ", "的") and end > at)
    if clock := _CLOCK.match(text, clock_at):
        if _only_a_bit(text, clock, part):
            return None
        hour = _hour(clock, part)
        return (TimeOfDay(part, hour), clock.end()) if hour else None
    if part is None:
        return None
    if text[at:end] in SHORT_PARTS:
        # 早八 and 晚7: an hour right after the part needs no 点.
        if (bare := _BARE_HOUR.match(text, end)) and (value := number(bare[0])) is not None and 1 <= value <= 12:
            return TimeOfDay(part, _in_part(value * 60, part)), bare.end()
        if not after_day:
            return None
    return TimeOfDay(part, None), end


def _only_a_bit(text: str, clock: re.Match[str], part: int | None) -> bool:
    """`早一点`, `快一点`, `一点也不`: a bit, not one o'clock."""
    if clock["hour"] != "一" or clock.end() - clock.start() > 2:
        return False
    before, after = text[clock.start() - 1 : clock.start()], text[clock.end() : clock.end() + 1]
    return before in tuple("快慢早晚大小多少有好差高低轻重") or after in tuple("都也不儿没别")


def _hour(clock: re.Match[str], part: int | None) -> Hour | None:
    if clock["to"]:
        hour, minute = number(clock["to_hour"]), 0
        before = 15 if clock["to"] == "一刻" else number(clock["to"].lstrip("零〇") or "零")
        if hour is None or before is None or hour == 0:
            return None
        minutes = hour * 60 - before
    else:
        hour = number(clock["hour"])
        minute = _minute(clock)
        if hour is None:
            return None
        minutes = hour * 60 + minute
    if minutes > 24 * 60:
        return None
    if side := clock["noon_side"]:
        minutes = minutes % 720 + (720 if side[0] in "pP" else 0)
        return Hour(minutes, written=minutes)
    if clock["colon"] and clock["hour"].startswith("0"):
        return Hour(minutes, written=minutes)
    if part is not None:
        return _in_part(minutes, part)
    bare = _bare(minutes)
    # 9:30 is written by people who would write 21:30.
    return replace(bare, bare=False) if clock["colon"] and minutes == bare.minutes else bare


def _minute(clock: re.Match[str]) -> int:
    if clock["half"] or clock["half_"]:
        return 30
    if clock["quarter"]:
        return 45 if clock["quarter"] == "三" else 15
    written = clock["minute"] or clock["minute_"] or clock["colon"]
    if not written:
        return 0
    return number(written.lstrip("零〇") or "零") or 0


def _in_part(minutes: int, part: int) -> Hour:
    """A clock time within the part of the day that was said with it."""
    hour, moved, ambiguous = minutes // 60, minutes, False
    if hour >= 13:
        opens, closes = WINDOWS[part]
        ambiguous = not opens <= hour <= closes
    elif part == DAWN:
        moved = minutes % 720
    elif part in (EARLY, MORNING):
        ambiguous = hour < 4
    elif part == EVENING and (hour < 4 or hour == 12):
        # 晚上12点 is the end of that day; 夜里2点 lies in the small hours of the next, and people differ
        # about it.
        moved = minutes + (1440 if hour < 4 else 720)
        ambiguous = hour < 4
    elif hour < (10 if part == NOON else 12):
        moved = minutes + 720
    return Hour(moved, ambiguous, written=minutes)


def _bare(minutes: int) -> Hour:
    hour = minutes // 60
    if 1 <= hour <= 6:
        return Hour(minutes + 720, ambiguous=hour >= 5, bare=True, written=minutes)
    return Hour(minutes, bare=7 <= hour <= 11, written=minutes)


def until(start: Hour, end: Hour, *, said: bool) -> Hour:
    """The end of a range that began at `start`. `said`: the end named its own part of the day.

    Otherwise `7点半到9点` ends at the first nine o'clock after the start; 13 to 24 stand as written.
    """
    if said or end.written >= 780 or end.written < 60:
        minutes = end.minutes if said else end.written
        return Hour(minutes if minutes > start.minutes else minutes + 1440, ambiguous=end.ambiguous and said)
    minutes = end.written % 720
    while minutes <= start.minutes:
        minutes += 720
    return Hour(minutes)
