"""When somebody was born, as people and lists say it: `1950年3月`, `50后`, `72岁`, `七十多岁`, `60-69岁`, `65岁以上`.

What is kept is no more than what was said, in years: `1950`, `1950-1959`, `-1961` (then or before).
"""

import re

from handlers.language.numerals import NUMERAL, number

NOTHING = frozenset(("无", "没有", "不填", "删掉", "删除", "去掉", "清空", "不留", "不留了", "不想留", "不说"))
"""What takes back what was said before."""
OLDEST = 120
"""Years of age beyond which it is a slip of the hand."""

_YEAR = r"(?P<year>(?:19|20)[0-9]{2})(?:年?(?:[-./年]?[0-9]{1,2}(?:[-./月][0-9]{0,2}[日号]?)?)?)(?:出生|生人|生的?)?"
_SHORT = r"(?P<short>[2-9][0-9])年(?:出生|生人|生的?|的)"
_DECADE = rf"(?P<decade>[2-9]0|{NUMERAL})(?:后|年代(?:出生|生人|生的?|的)?|几年(?:出生|生人|生的?|的))"
_BAND = rf"(?P<least>[0-9]{{1,3}}|{NUMERAL})(?:周?岁)?(?:-|~|到|至)(?P<most>[0-9]{{1,3}}|{NUMERAL})(?:周?岁)?"
_OPEN = rf"(?P<over>[0-9]{{1,3}}|{NUMERAL})周?岁?(?:及?以上|往上)"
_ABOUT = rf"(?P<about>[0-9]0|{NUMERAL})(?:多|几|来)岁"
_AGE = rf"(?P<age>[0-9]{{1,3}}|{NUMERAL})周?岁"
BIRTH = re.compile("|".join((_BAND, _OPEN, _ABOUT, _AGE, _DECADE, _SHORT, _YEAR)))
_KEPT = re.compile(
    r"(?P<first>(?:19|20)[0-9]{2})?-(?P<last>(?:19|20)[0-9]{2})|(?P<before>(?:19|20)[0-9]{2})年?(?:或更早|以前)"
)
_NUMBER = re.compile(r"[0-9]{1,3}")


def read_birth(text: str, year: int) -> str | None:
    """The years in which somebody may have been born, told in `year`; None for what says nothing of it.

    A bare number in a column of its own is an age. Empty: what was said before is taken back.
    """
    text = re.sub(r"[\s,]+", "", text)
    if text in NOTHING:
        return ""
    if _NUMBER.fullmatch(text):
        text += "岁"
    if match := _KEPT.fullmatch(text):
        return f"{match['first'] or ''}-{match['last'] or match['before']}"
    match = BIRTH.fullmatch(text)
    return _told(match, year) if match else None


def spoken_birth(born: str) -> str:
    """`1950`, `1950-1959`, `1961或更早`: what is kept, as people read it and `read_birth` understands it."""
    first, dash, last = born.partition("-")
    return f"{last}或更早" if dash and not first else born


def _told(match: re.Match[str], year: int) -> str | None:
    first, last = _span(match, year)
    if last is None or not year - OLDEST <= last <= year or (first is not None and first > last):
        return None
    if first is None:
        return f"-{last}"
    return str(last) if first == last else f"{first}-{last}"


def _span(match: re.Match[str], year: int) -> tuple[int | None, int | None]:
    """The first and the last year that are meant."""
    said = {name: number(value) for name, value in match.groupdict().items() if value}
    if any(value is None for value in said.values()):
        return None, None
    match said:
        case {"year": int(born)}:
            return born, born
        case {"short": int(born)}:
            return 1900 + born, 1900 + born
        case {"decade": int(born)}:
            born *= 1 if born >= 10 else 10
            return (1900 + born, 1909 + born) if born % 10 == 0 else (None, None)
        case {"least": int(least), "most": int(most)}:
            return year - most - 1, year - least
        case {"over": int(age)}:
            return None, year - age
        case {"about": int(age)}:
            return (year - age - 10, year - age) if age % 10 == 0 else (None, None)
        case {"age": int(age)}:
            return year - age - 1, year - age
    return None, None
