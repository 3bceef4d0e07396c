"""The sample dialogues in the docstrings of the handlers, run on the demo: what they promise is what is heard.

A line is `who: said` (to the bot alone), `who（group）: said`, `小邻: answer`, `小邻 → who: message beside the answer`,
or a moment to which time moves. Deeper lines continue the one above.
"""

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

import handlers
from bot.script import Push
from models.clock import SHANGHAI
from tests.dialogue import ON_SQLITE
from tests.fakes.street import Street
from tests.moments import TUESDAY_EVENING

HANDLERS = Path(handlers.__file__).parent
FILES = sorted([*HANDLERS.glob("*.py"), *HANDLERS.glob("*/__init__.py")])
_MOMENT = re.compile(r"(\d+)月(\d+)日 (\d+):(\d+)")
_SAID = re.compile(r"(?P<who>[^\s（）:→]+)(?:（(?P<where>[^）]+)）)?: (?P<text>.+)", re.DOTALL)
_PUSHED = re.compile(r"小邻 → (?P<to>[^\s:]+): (?P<text>.+)", re.DOTALL)


@dataclass
class Exchange:
    """What somebody says, or a moment that comes; and all that the bot says to it."""

    who: str = ""
    where: str = ""
    said: str = ""
    moment: datetime | None = None
    heard: str = ""
    pushes: list[Push] = field(default_factory=list)


def tour(docstring: str) -> list[Exchange]:
    """The dialogue below the first line of a docstring. Raises ValueError for a line that is none."""
    _, _, below = inspect.cleandoc(docstring).partition("\n")
    lines: list[str] = []
    for line in textwrap.dedent(below).strip("\n").splitlines():
        if line.startswith(" "):
            lines[-1] += f"\n{line.strip()}"
        else:
            lines.append(line)
    found: list[Exchange] = []
    for line in lines:
        if moment := _MOMENT.fullmatch(line):
            month, day, hour, minute = map(int, moment.groups())
            at = datetime(TUESDAY_EVENING.year, month, day, hour, minute, tzinfo=SHANGHAI)
            found.append(Exchange(moment=at))
        elif pushed := _PUSHED.fullmatch(line):
            if not found:
                raise ValueError(f"nothing comes before {line!r}: say at which moment it is sent")
            found[-1].pushes.append(Push(pushed["to"], pushed["text"]))
        elif said := _SAID.fullmatch(line):
            if said["who"] == "小邻":
                found[-1].heard = said["text"]
            else:
                found.append(Exchange(said["who"], said["where"] or "", said["text"]))
        else:
            raise ValueError(f"no line of a dialogue: {line!r}")
    return found


def docstring_of(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text("utf-8")), clean=True) or ""


def feature_of(path: Path) -> str:
    """A feature is a file or, where it has several, their folder."""
    return path.parent.name if path.stem == "__init__" else path.stem


TOURS = {feature_of(path): tour(docstring_of(path)) for path in FILES if "小邻" in docstring_of(path)}


def test_every_feature_has_a_tour() -> None:
    assert sorted(TOURS) == sorted(router.feature for router in handlers.UNDERSTOOD)


def test_a_tour_is_read_with_its_moments_places_and_pushes() -> None:
    docstring = """What it is for.

    11月21日 8:55
    王秀英（3栋群）: 签到
    小邻: 一
          二
    小邻 → 老赵: 三
    老赵: 好
"""
    assert tour(docstring) == [
        Exchange(moment=datetime(2026, 11, 21, 8, 55, tzinfo=SHANGHAI)),
        Exchange("王秀英", "3栋群", "签到", heard="一\n二", pushes=[Push("老赵", "三")]),
        Exchange("老赵", said="好"),
    ]
    with pytest.raises(ValueError, match="no line of a dialogue"):
        tour("What it is for.\n\n    王秀英 说 签到")
    with pytest.raises(ValueError, match="at which moment"):
        tour("What it is for.\n\n    小邻 → 老赵: 三")


@ON_SQLITE
@pytest.mark.parametrize("feature", TOURS)
async def test_the_tour_of_a_feature_is_true(street: Street, feature: str) -> None:
    for exchange in TOURS[feature]:
        before = len(street.pushes)
        if exchange.moment is not None:
            await street.until(exchange.moment)
            # What the moment brings to others besides is not this feature's.
            assert [push for push in exchange.pushes if push not in street.pushes[before:]] == []
            continue
        assert await street.say(exchange.who, exchange.said, where=exchange.where) == exchange.heard
        assert street.pushes[before:] == exchange.pushes
