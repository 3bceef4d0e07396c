"""接龙 as it is pasted: WeCom's own form, and the many ways in which people number a list by hand.

`#接龙` with a heading and `1. 周敏`, `2、何叔（测血压）`, `③ 502 两人`, all on one line or each on its own. What stands
before the first number is the heading; a line that shows how to write (例, 格式) counts for nobody.
"""

import re
from dataclasses import dataclass

from handlers.language.numerals import NUMERAL, number

MARK = re.compile(r"^#?(?:群)?接龙|[#【\[]接龙|接龙[:：#】\]]|^#?group note", re.IGNORECASE)
"""What says in so many words that a chain follows."""
_ITEM = re.compile(
    r"(?:(?<=\n)|(?<=\A)|(?<=[ ,;。!】\]:)]))\(?(?P<number>[0-9]{1,3}|[一二三四五六七八九十]{1,3}(?=[、.]))"
    r"(?:[.、,:)]|[ ](?=[\u4e00-\u9fff0-9A-Za-z])|(?=[\u4e00-\u9fff])(?![人位个口点栋号单月日楼分元斤箱筐袋份年时]))"
    r"(?![0-9]{1,2}(?:点|分|元|:))[ ]*"
)
"""A number that begins a line. Circled numbers are plain ones by now."""
_SAMPLE = re.compile(r"^(?:例|例如|示例|格式|样例|模板|eg)[:： ]?|(?:姓名|房号|楼栋)[+＋]")
_SAMPLE_AHEAD = re.compile(r"(?:例|例如|示例|格式|样例|模板)[:： ]*\Z")
_PLACEHOLDERS = frozenset(("姓名", "名字", "您的名字", "房号", "楼栋", "人数"))
_COUNT = re.compile(rf"[ ,;]*[x×*+]?[ ]?(?P<count>{NUMERAL})[ ]?(?:个?人|位|口人?)(?:参加|报名)?")
_NOTE = re.compile(r"[(（【\[](?P<note>[^)）】\]]*)[)）】\]]")
_SAID = re.compile(r"(?:已?收到(?:了)?|已阅|知道了|报名|参加|\+1|签到|1人)+$")
_HEAD = re.compile(r"^(?:#?(?:群)?接龙|#?group note|[#【\[\]】:： ])+", re.IGNORECASE)
_TRADE = re.compile(
    r"团购|拼团|下单|自提|代购|[¥￥$]|价格|包邮|到货"
    r"|[0-9一二两三四五六七八九十半][ ]?(?:元|块钱?|斤|公斤|箱|筐|袋|瓶|盒|提|打(?!卡)|包(?!子|括))"
)
_CLOSING = re.compile(r"[#【】\[\]:： \n]+")
_ROOM = re.compile(
    r"(?:(?P<building>[0-9]{1,2})(?:栋|#|号楼|-))?(?:(?P<door>[0-9])(?:单元|-))?(?P<room>[1-9][0-9]{2,3})(?:室)?"
)
NAME = 12
ITEMS = 200
COUNT = 50


@dataclass(frozen=True, slots=True)
class Pasted:
    """One line: a name, a room, or both; how many people; what is written beside it."""

    name: str
    unit: str = ""
    """`3栋` or `3栋2单元`, where it is written."""
    room: str = ""
    count: int = 1
    note: str = ""

    @property
    def label(self) -> str:
        """By what the line is told from the others."""
        return self.name or f"{self.unit}{self.room}"


@dataclass(frozen=True, slots=True)
class Roll:
    """A pasted chain: its heading, and its lines in order."""

    heading: str
    lines: tuple[Pasted, ...]
    marked: bool
    """It says that it is a chain."""
    trades: bool = False
    """Somebody sells something: strawberries are none of our business."""


def looks_like_one(text: str) -> bool:
    """Whether a normalised text may be a pasted chain: cheap, and never wrong in saying no."""
    return MARK.search(text) is not None or ("\n" in text and len(_ITEM.findall(text)) > 1)


NOT_MET = ("家里没人", "说家里没人", "没人在家", "家里没有人", "不在家", "敲门没人", "没人应", "联系不上")
"""What somebody writes beside a household at whose door nobody was met: the opposite of an answer."""


def is_not_met(note: str) -> bool:
    """Whether a line's note says that nobody was met."""
    return any(words in note for words in NOT_MET)


def read_roll(text: str) -> Roll | None:
    """The chain of a normalised text; None where it is none. One that is not marked has its numbers on lines."""
    marked = MARK.search(text) is not None
    found = list(_ITEM.finditer(text))
    if not marked and ("\n" not in text or len(found) < 2):
        return None
    found = _counting([match for match in found if not _SAMPLE_AHEAD.search(text, 0, match.start())])
    if not found or (not marked and len(found) < 2):
        return None
    heading = _heading(text[: found[0].start()])
    ends = [match.start() for match in found[1:]] + [len(text)]
    pieces = [text[match.end() : end].strip(" \n,;。") for match, end in zip(found, ends, strict=True)]
    if not marked and any("\n" in piece for piece in pieces[:-1]):
        # Paragraphs that are numbered are an announcement.
        return None
    lines = [_line(piece.split("\n", 1)[0]) for piece in pieces[:ITEMS]]
    return Roll(heading, tuple(line for line in lines if line is not None), marked, _TRADE.search(text) is not None)


def _counting(found: list[re.Match[str]]) -> list[re.Match[str]]:
    """The numbers that count lines: from 1 on, upwards; a number may come twice, for copies cross each other."""
    kept: list[re.Match[str]] = []
    last = 0
    for match in found:
        value = number(match["number"]) or 0
        if (not kept and value == 1) or (kept and last <= value <= last + 3):
            kept.append(match)
            last = value
    return kept


def _heading(text: str) -> str:
    lines = [line for line in text.split("\n") if line.strip() and not _SAMPLE.search(line.strip())]
    return _HEAD.sub("", _CLOSING.sub(" ", " ".join(lines)).strip()).strip()


def _line(text: str) -> Pasted | None:
    """One line without its number; None for a line that shows how to write, or says nothing."""
    if not text or _SAMPLE.search(text):
        return None
    note = " ".join(match["note"].strip() for match in _NOTE.finditer(text))
    text = _NOTE.sub(" ", text).strip()
    count = 1
    if counted := _COUNT.search(text):
        count = min(number(counted["count"]) or 1, COUNT)
        text = f"{text[: counted.start()]} {text[counted.end() :]}".strip()
    unit = room = ""
    if (place := _ROOM.search(text)) is not None:
        room = place["room"]
        unit = f"{place['building']}栋" if place["building"] else ""
        unit += f"{place['door']}单元" if unit and place["door"] else ""
        text = f"{text[: place.start()]} {text[place.end() :]}".strip()
    words = [word for word in re.split(r"[ ,;/:、]+", text) if word]
    if words and room and is_not_met(words[0]):
        words.insert(0, "")
    name = _SAID.sub("", words[0]) if words else ""
    more = [word for word in words[1:] if _SAID.sub("", word)]
    if name in _PLACEHOLDERS or (not name and not room):
        return None
    return Pasted(name[:NAME], unit, room, count, " ".join(filter(None, (note, *more)))[:80])
