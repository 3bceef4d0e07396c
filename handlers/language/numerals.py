"""Numbers as neighbours type and say them: `12`, `十二`, `两`, `俩`, `一个半小时`, `三刻钟`.

Everything here takes text that `normalise` has been over (half-width digits, simplified script).
"""

import re
from functools import lru_cache

DIGITS = {"零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
TENS = {"廿": 20, "卅": 30}
PAIRS = {"俩": 2, "仨": 3}
"""Number and measure word in one character: `我们俩`."""

CHINESE = "零〇一二两三四五六七八九十百千万廿卅"
NUMERAL = rf"(?:[0-9]{{1,9}}|[{CHINESE}]{{1,9}})"
"""A whole number, for patterns of other modules. Bounded, so that nobody makes us read ten thousand digits."""

_NUMERAL = re.compile(NUMERAL)
_BELOW_HUNDRED = re.compile(r"([一二两三四五六七八九])?十([一二三四五六七八九])?")


@lru_cache(maxsize=4096)
def number(text: str) -> int | None:
    """The whole text as one number, or None where it is not one."""
    if text.isascii():
        return int(text) if text.isdecimal() and len(text) <= 9 else None
    if len(text) == 1:
        return DIGITS.get(text, 10 if text == "十" else PAIRS.get(text, TENS.get(text)))
    if match := _BELOW_HUNDRED.fullmatch(text):
        return DIGITS.get(match[1], 1) * 10 + DIGITS.get(match[2], 0)
    if text[0] in TENS and len(text) == 2 and text[1] in DIGITS:
        return TENS[text[0]] + DIGITS[text[1]]
    if len(text) > 9 or not _NUMERAL.fullmatch(text):
        return None
    return _long_number(text)


def _long_number(text: str) -> int | None:
    """Hundreds and above, and digits read out one by one (`一零二四`)."""
    if all(character in DIGITS for character in text):
        return int("".join(str(DIGITS[character]) for character in text))
    # Imported late: it costs a tenth of a second at the start, and most people never say a number above 99.
    import cn2an

    try:
        value = cn2an.cn2an(text, "smart")
    except ValueError:
        return None
    return int(value) if value == int(value) else None


def read(text: str, at: int = 0) -> tuple[int, int] | None:
    """The number that begins at this place and where it ends. None: there is none."""
    match = _NUMERAL.match(text, at)
    if match is None:
        return None
    value = number(match[0])
    return None if value is None else (value, match.end())


_HOURS = r"个?(?:小时|钟头|h(?:ours?)?(?![a-z]))"
_MINUTES = r"(?:分钟|分(?![数之])|min(?:utes?)?(?![a-z]))"
_LENGTH = re.compile(
    rf"""
    (?: (?P<half_hour> 半{_HOURS} )
      | (?P<decimal> [0-9]{{1,3}}\.[0-9]{{1,2}} ) {_HOURS}
      | (?P<hours> {NUMERAL} ) (?: (?P<and_half> 个半(?:小时|钟头) | {_HOURS}半 ) | {_HOURS} )
        (?: [零又加]? (?P<more> {NUMERAL} ) {_MINUTES} | 零?(?P<more_quarters> [一二两三] )刻(?:钟)? )?
      | (?P<quarters> [一二两三123] ) 刻钟
      | (?P<minutes> {NUMERAL} ) (?: 分钟 | min(?:utes?)?(?![a-z]) )
      | (?P<days> {NUMERAL} ) 天 (?! [以之]?后 | [以之]?内 )
    )
    """,
    re.VERBOSE,
)


def read_duration(text: str, at: int = 0, *, days: bool = False) -> tuple[int, int] | None:
    """The length of time that begins at this place, in minutes, and where it ends.

    Whole days count only where `days` is asked for: `三天` is a length for a leave, not for an activity.
    """
    match = _LENGTH.match(text, at)
    if match is None:
        return None
    minutes = _minutes(match, days)
    return None if minutes is None else (minutes, match.end())


def _minutes(match: re.Match[str], days: bool) -> int | None:
    if match["half_hour"]:
        return 30
    if match["decimal"]:
        return round(float(match["decimal"]) * 60)
    if match["quarters"]:
        return 15 * (number(match["quarters"]) or 0)
    if match["minutes"]:
        return number(match["minutes"])
    if match["days"]:
        whole = number(match["days"])
        return whole * 24 * 60 if days and whole is not None else None
    hours = number(match["hours"])
    if hours is None:
        return None
    more = (number(match["more"]) or 0) if match["more"] else 0
    more += 15 * (number(match["more_quarters"]) or 0) if match["more_quarters"] else 0
    return hours * 60 + (30 if match["and_half"] else 0) + more


def duration(text: str) -> int | None:
    """The whole text as a length of time in minutes: `一个钟头零十分` is 70."""
    found = read_duration(text, 0, days=True)
    return found[0] if found and found[1] == len(text) else None
