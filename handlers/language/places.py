"""Buildings, entrances and rooms as people write them: `3栋2单元501`, `三号楼`, `3#`, `3-2-501`."""

import re
from collections.abc import Sequence

from handlers.language.numerals import NUMERAL, number

_UNIT = re.compile(
    rf"(?:第)?(?P<building>{NUMERAL}|[A-Za-z])[ ]?(?:号楼|栋(?:楼(?!长))?|幢|座(?![位谈])|#楼?|号院)"
    rf"(?:[ ]?(?P<door>{NUMERAL})[ ]?(?:单元|门栋|门(?![口卫外前牌铃锁])))?"
)
_DASHED = re.compile(r"(?<![0-9])(?P<building>[0-9]{1,2})#?[-–—](?:(?P<door>[0-9]{1,2})[-–—])?(?=[0-9]{3,4}(?![0-9-]))")
_ROOM = re.compile(
    r"(?P<room>[1-9][0-9]{2,3}|[一二三四五六七八九][零〇一二三四五六七八九]{2,3})(?:室|房|号房|户)?(?![0-9人分元栋号#楼个点月年:.的])"
)


def read_unit(text: str, at: int, names: Sequence[str] = ()) -> tuple[str, int] | None:
    """The place of the tree that begins here, in the spelling `3栋` or `3栋2单元`, and where it ends.

    `names` are the units that are called otherwise (`第一党支部`), the longest first.
    """
    for name in names:
        if text.startswith(name, at):
            return name, at + len(name)
    match = _DASHED.match(text, at) or _UNIT.match(text, at)
    if match is None:
        return None
    building = designation(match["building"])
    door = designation(match["door"]) if match["door"] else ""
    return f"{building}栋{door}单元" if door else f"{building}栋", match.end()


def designation(written: str) -> str:
    """A number in figures, a letter as a capital: how buildings and entrances are told apart."""
    value = number(written)
    return written.upper() if value is None else str(value)


def read_room(text: str, at: int) -> tuple[str, int] | None:
    """The room number (three or four digits, also spoken one by one) that begins here, and where it ends."""
    match = _ROOM.match(text, at)
    return (str(number(match["room"])), match.end()) if match else None


_HOME = re.compile(
    rf"(?:(?:{NUMERAL}|[A-Za-z])(?:号楼|栋|幢|座|#|[-–—](?=[0-9]+[-–—])))?"
    rf"(?:(?P<door>{NUMERAL})(?:单元|门栋|门|[-–—]))?(?P<room>[0-9]{{3,4}}|[一二三四五六七八九][零〇一二三四五六七八九]{{2,3}})"
    r"(?:室|号房|号|房|户)?"
)


def read_home(text: str) -> tuple[str, str]:
    """What is written where only a room is asked for: its entrance (`2单元`, or nothing) and the room.

    `501`, `501室`, `2单元501`, `2-501`, `3-2-501`; what is none of them is the room as it is.
    """
    match = _HOME.fullmatch(text)
    if match is None:
        return "", text
    door = f"{designation(match['door'])}单元" if match["door"] else ""
    return door, str(number(match["room"]))
