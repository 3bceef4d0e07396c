"""Persons as staff write them in a direct message: `张三`, `3栋张三`, `张三 3栋`, `17号`.

Where several people bear a name, the number of the member tells them apart without naming anybody's room.
"""

import re
from dataclasses import dataclass, replace

from handlers.language import places

_NUMBER = re.compile(r"(?P<number>[0-9]{1,9})号?")
_BETWEEN = re.compile(r"[\s,，、;；/]+")


@dataclass(frozen=True, slots=True)
class Named:
    """One person as they were written: by name, perhaps with a place of the tree, or by number."""

    name: str = ""
    number: int | None = None
    unit: str = ""

    @property
    def written(self) -> str:
        return f"{self.unit}{self.name or self.number}"


def read_persons(text: str) -> list[Named]:
    """All persons of a text, in order. A place beside a name says where that person lives."""
    found: list[Named] = []
    unit = ""
    for word in filter(None, _BETWEEN.split(text.strip())):
        place = places.read_unit(word, 0)
        if place is not None and place[1] == len(word):
            if found and not found[-1].unit and found[-1].number is None:
                found[-1] = replace(found[-1], unit=place[0])
            else:
                unit = place[0]
            continue
        found.append(_person(word, unit))
        unit = ""
    return found


def read_person(text: str) -> tuple[Named, str] | None:
    """The person whom a text begins with, and what follows: `3栋 张三 搬走了`. None for a text without a name."""
    words = [word for word in _BETWEEN.split(text.strip()) if word]
    taken = 0
    while taken < len(words):
        taken += 1
        if found := read_persons(" ".join(words[:taken])):
            break
    else:
        return None
    # 张三 3栋: the place may stand behind the name.
    if taken < len(words) and len(both := read_persons(" ".join(words[: taken + 1]))) == 1:
        found, taken = both, taken + 1
    return found[0], " ".join(words[taken:])


def _person(word: str, unit: str) -> Named:
    if match := _NUMBER.fullmatch(word):
        return Named(number=int(match["number"]))
    place = places.read_unit(word, 0)
    if place is not None:
        unit, word = place[0], word[place[1] :]
    return Named(name=word.removeprefix("的"), unit=unit)
