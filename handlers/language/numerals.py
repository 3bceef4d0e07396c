"""Numbers as neighbours type and say them: `12`, `十二`, `两`, `俩`, `一个半小时`, `三刻钟`.

Everything here takes text that `normalise` has been over (half-width digits, simplified script).
"""

import re
from functools import lru_cache

DIGITS = {
    "零": 0,
    "〇": 0,
    "一": 1,
    "二": 2,
    "两": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
}
TENS = {"廿": 20, "卅": 30}
PAIRS = {"俩": 2, "仨": 3}
"""Number and measure word in one character: `我们俩`."""

CHINESE = "零〇一二两三四五六七八九十百千万廿卅"
NUMERAL = rf"(?:[0-9]{{1,9}}|[{CHINESE}]{{1,9}})"
"""A whole number, for patterns of other modules; bounded, for nobody counts to a thousand digits."""

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


_PLACES = {"十": 10, "百": 100, "千": 1000}


def _long_number(text: str) -> int | None:
    """Hundreds and above, and digits read out one by one (`一零二四`)."""
    if all(character in DIGITS for character in text):
        return int("".join(str(DIGITS[character]) for character in text))
    ahead, wan, rest = text.rpartition("万")
    if wan:
        high, low = _below_wan(ahead), _below_wan(rest) if rest else 0
        if high is None or low is None:
            return None
        # 三万五 is 35,000.
        return high * 10000 + (low * 1000 if rest in DIGITS else low)
    return _below_wan(text)


def _below_wan(text: str) -> int | None:
    """`一千零五十`, `两百五` (250), `一百零五`."""
    total, digit, place = 0, None, 10000
    for character in text:
        if character in DIGITS:
            if digit:
                return None
            digit = DIGITS[character]
        elif character in _PLACES:
            if _PLACES[character] >= place or digit == 0:
                return None
            place = _PLACES[character]
            total += (1 if digit is None else digit) * place
            digit = None
        else:
            return None
    if digit is None:
        return total or None
    spoken_short = place >= 100 and place < 10000 and text[-2] in _PLACES
    return total + (digit * place // 10 if spoken_short else digit)


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
      | (?P<hours> {NUMERAL} | [俩仨] ) (?: (?P<and_half> 个半(?:小时|钟头) | {_HOURS}半 ) | {_HOURS} )
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
