"""A paper roll typed back in one line: `王秀英 李建国 陈阿姨2小时 3号7号没来`, `除了3号都来了`, `1-5号 每人2小时`.

People are written by name or by the number of their line on the roll; a length of time belongs to whom it follows, and
after 各 or 每人 to all of them.
"""

import re
from dataclasses import dataclass, replace

from handlers.language.numerals import NUMERAL, number, read_duration
from handlers.language.persons import Named, read_persons


@dataclass(frozen=True, slots=True)
class Line:
    """One person of the roll: by number or by name."""

    number: int | None = None
    named: Named | None = None
    minutes: int | None = None
    """None: nothing was written."""
    absent: bool = False

    @property
    def written(self) -> str:
        return self.named.written if self.named else f"{self.number}号"


@dataclass(frozen=True, slots=True)
class Paper:
    """What was typed. `others`: everybody on the roll who is not named came too; `minutes` is theirs."""

    lines: tuple[Line, ...]
    others: bool = False
    minutes: int | None = None


RANGE_MOST = 200
"""Lines that `1-40号` may stand for."""

_CLAUSES = re.compile(r"[\s,，;；。!！:：]+")
_LIST = re.compile(r"[、/]|[和及与跟](?=[0-9\u4e00-\u9fff]{2})")
_OTHERS = r"(?:其他人?|其它人?|其余的?人?|剩下的?人?|别的人?|大家|全体|所有人|人)?"
_CAME = r"(?:来|到)(?:了|齐了?|场了?)?"
_EXCEPT = re.compile(rf"除了?(?P<who>.+?)(?:以外|之外|外)?{_OTHERS}(?:全部?|都){_CAME}")
_ALL = re.compile(rf"{_OTHERS}(?:全部?|都){_CAME}")
_ABSENT = re.compile(
    r"(?P<who>.*?)(?:都|也|全)?(?:没有?来|没有?到|未到|未来|缺席|请假|没有?参加|没有?去|不在)(?:了|的)?"
)
_PRESENT = re.compile(r"(?<=.)(?:都|也)?(?:来了|到了|参加了?|在场|来的|来)\Z")
_EACH = re.compile(r"(?:每人|每位|各自?|都算?|一律|统一|均)(?:按|是|算|记)?")
_NUMBERS = re.compile(rf"(?:第?{NUMERAL}号?)+")
_RANGE = re.compile(rf"(?P<first>{NUMERAL})号?(?:-|到|至|~)(?P<last>{NUMERAL})号?")
_ONE = re.compile(rf"第?(?P<number>{NUMERAL})号?")


def read_paper(text: str) -> Paper:
    """Everything that a line says; a word that is nobody's number is somebody's name."""
    lines: list[Line] = []
    group: list[int] = []
    others, everybody, absent = False, None, False
    for clause in filter(None, _CLAUSES.split(text.strip())):
        if match := _EXCEPT.fullmatch(clause):
            lines += [replace(one, absent=True) for one in _people(match["who"])]
            others, group = True, []
        elif _ALL.fullmatch(clause):
            others, group = True, []
        elif (length := _each(clause)) is not None:
            everybody = length
        elif (length := _length(clause)) is not None:
            lines[-1:] = [replace(one, minutes=length) for one in lines[-1:]]
        elif match := _ABSENT.fullmatch(clause):
            if match["who"]:
                lines += [replace(one, absent=True) for one in _people(match["who"])]
            elif group:
                for place in group:
                    lines[place] = replace(lines[place], absent=True)
            else:
                absent = True
        else:
            found = [replace(one, absent=absent) for one in _people(clause)]
            group = _grown(group, lines, found)
            lines += found
    if everybody is not None:
        lines = [replace(one, minutes=everybody) if one.minutes is None else one for one in lines]
    # 3号7号没来 with nobody else named says of all others that they came.
    others = others or (bool(lines) and all(one.absent for one in lines))
    return Paper(tuple(lines), others, everybody)


def _grown(group: list[int], lines: list[Line], found: list[Line]) -> list[int]:
    """Whom a 没来 of its own would mean: the numbers that stand together before it, or the last name."""
    places = list(range(len(lines), len(lines) + len(found)))
    numbered = all(one.number is not None for one in found)
    return [*group, *places] if numbered and all(lines[at].number is not None for at in group) else places[-1:]


def _each(clause: str) -> int | None:
    match = _EACH.match(clause)
    return _length(clause[match.end() :]) if match else None


def _length(text: str) -> int | None:
    found = read_duration(text)
    return found[0] if found and found[1] == len(text) else None


def _people(text: str) -> list[Line]:
    """A list of people, each perhaps with a length of time of their own, or all with one: `甲、乙各2小时`."""
    text, minutes = _without_length(text)
    together = _EACH.search(text)
    if together and together.end() == len(text):
        text = text[: together.start()]
    found: list[Line] = []
    for item in filter(None, _LIST.split(text)):
        own, theirs = _without_length(item)
        found += [replace(one, minutes=theirs) for one in _numbered(own) or _named(_PRESENT.sub("", own))]
    if minutes is not None:
        for place in range(0 if together else len(found) - 1, len(found)):
            found[place] = replace(found[place], minutes=minutes)
    return found


def _without_length(text: str) -> tuple[str, int | None]:
    """The text before a length of time at its end: `陈阿姨2小时`."""
    for at in range(1, len(text)):
        if (minutes := _length(text[at:])) is not None:
            return text[:at], minutes
    return text, None


def _numbered(text: str) -> list[Line]:
    text = _PRESENT.sub("", text)
    if match := _RANGE.fullmatch(text):
        first, last = number(match["first"]) or 0, number(match["last"]) or 0
        return [Line(number=one) for one in range(first, min(last, first + RANGE_MOST) + 1)]
    # 三 alone may begin a name, 三号 does not.
    if _NUMBERS.fullmatch(text) and ("号" in text or text.isascii()):
        return [Line(number=number(one["number"])) for one in _ONE.finditer(text)]
    return []


def _named(text: str) -> list[Line]:
    return [Line(named=one) for one in read_persons(text)]
