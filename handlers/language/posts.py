"""What is written of a volunteer post, in one line or as a form: `图书管理岗 活动室 2人 每周两次 轻活 任期一年 3分`.

Words of their own are known by their shape; a label before a word says what it is (`地点:活动室`, `负责人王秀英`,
`职责 整理图书,登记借还`). What is no form of anything is the title, then the place, then `rest`.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from handlers.language import dates
from handlers.language.numerals import NUMERAL, number
from models.clock import day_of, start_of

CATEGORIES = (
    ("巡逻", ("治安", "巡查", "看护", "值守", "巡街", "看门", "看大门")),
    ("环保", ("护绿", "绿化", "保洁", "垃圾", "打扫", "卫生", "浇花", "种花", "扫地")),
    ("关照", ("陪伴", "照看", "敬老", "照看老人", "照顾老人", "陪老人", "看望老人")),
    ("调解", ("纠纷", "劝架", "评理", "说和", "劝和")),
    ("维修", ("修理", "下水道", "修下水道", "通下水道", "水电", "修水管", "修灯")),
)
"""The usual categories, each with other words for it; a community may write others."""
OTHER = "其他"

LIGHT, NORMAL, HEAVY = "light", "normal", "heavy"
DEMANDS = {
    LIGHT: ("轻", "轻活", "轻松", "轻便", "轻省", "坐着就行", "不费力"),
    NORMAL: ("普通", "一般", "中等", "适中"),
    HEAVY: ("重", "重活", "体力活", "力气活", "费力"),
}
_DEMAND_OF = {word: demand for demand, words in DEMANDS.items() for word in words}


@dataclass(frozen=True, slots=True)
class Written:
    """What a line says of a post. None: nothing was said about it."""

    title: str | None = None
    category: str | None = None
    place: str | None = None
    duty: str | None = None
    frequency: str | None = None
    demand: str | None = None
    slots: int | None = None
    points: int | None = None
    by_rule: bool | None = None
    """Points by the community's rule."""
    term_months: int | None = None
    """0 for a term without an end."""
    term_ends_at: datetime | None = None
    """The first moment after the last day."""
    leader: str | None = None
    details: str | None = None
    approval: bool | None = None
    confirms: bool | None = None
    squad: str | None = None
    unit: str | None = None
    rest: str = ""
    """What was not understood."""


_LABELS = {
    "title": "岗位名称|岗位名|名称|改名",
    "category": "类别|分类|类型",
    "place": "地点|位置|地方",
    "duty": "工作内容|职责|内容|任务|要做的事",
    "frequency": "频次|频率|时间",
    "demand": "劳动强度|强度",
    "slots": "名额|人数",
    "points": "分值|积分|每次",
    "term": "任期|期限",
    "leader": "负责人|牵头人|带头人|组长",
    "details": "内部说明|内部|保密|门禁密码|门禁码|门禁|钥匙",
    "squad": "服务队|队伍",
    "unit": "范围|属于",
}
_GLUED = frozenset(("duty", "term", "leader", "slots", "place", "demand", "frequency"))
"""Labels after which the value may follow without a mark: 负责人王秀英, 任期一年."""
_LONG = frozenset(("duty", "details"))
"""Texts of several words, up to the next label or the end of the line."""
_LABEL = re.compile(
    r"(?:(?<=[ ,;.\n])|\A)(?:"
    + "|".join(f"(?P<{name}>{words})" for name, words in _LABELS.items())
    + r")(?P<mark>[ ]?(?:[:]|改?[为是成到](?![期]))[ ]*|[ ]+)?"
)
_ENDS_WORD = re.compile(r"[ ,;.\n]")
_KEPT = re.compile("门禁|钥匙")
"""Labels that say what the text is about, and stay with it."""


def read_post(text: str, now: datetime) -> Written:
    """What the line says, in any order; unlabelled words are the title, then the place."""
    said = Written()
    plain: list[str] = []
    at = 0
    while at < len(text):
        if _ENDS_WORD.match(text, at):
            at += 1
            continue
        label = _LABEL.match(text, at)
        name = _named(label) if label else None
        kept = bool(label and name and _KEPT.match(label[name]))
        if label and name and (label["mark"] or ((kept or name in _GLUED) and not _is_word(label, text, at))):
            start = label.start(name) if kept else label.end()
            end = _long_end(text, label.end(), name) if name in _LONG else _word_end(text, label.end())
            value = text[start:end].strip(" ,;:\n")
            taken = _labelled(said, name, value, now) if value else None
            if taken is None:
                plain.append(text[at:end])
            else:
                said = taken
            at = end
            continue
        end = _word_end(text, at)
        taken = _shaped(said, text[at:end], now)
        if taken is None:
            plain.append(text[at:end])
        else:
            said = taken
        at = end
    return _placed(said, plain)


def _named(label: re.Match[str]) -> str | None:
    return next((name for name in _LABELS if label[name]), None)


def _is_word(label: re.Match[str], text: str, at: int) -> bool:
    """`时间银行岗` is a name and no time: a glued label stands before something that reads as its value."""
    word = text[at : _word_end(text, at)]
    return word.endswith(("岗", "队")) and word != label[0]


def _word_end(text: str, at: int) -> int:
    end = _ENDS_WORD.search(text, at)
    return end.start() if end else len(text)


def _long_end(text: str, at: int, name: str) -> int:
    """Where a text of several words ends: at the next label or word of a known shape, or with the line."""
    line = text.find("\n", at)
    line = len(text) if line < 0 else line
    for blank in re.finditer(r"[ ,;.]+", text[at:line]):
        start = at + blank.end()
        label = _LABEL.match(text, start, line)
        other = _named(label) if label else None
        if label and other and other != name and (label["mark"] or other in _GLUED):
            return start
        word = text[start : min(_word_end(text, start), line)]
        if word in _WORDS or any(shape.fullmatch(word) for shape in (_SLOTS, _POINTS, _FREQUENCY, _TERM)):
            return start
    return line


def _placed(said: Written, plain: list[str]) -> Written:
    if plain and said.title is None:
        said = replace(said, title=plain.pop(0))
    if plain and said.place is None:
        said = replace(said, place=plain.pop(0))
    return replace(said, rest=" ".join(plain))


def read_changes(text: str, now: datetime) -> Written:
    """Like `read_post`, for what is to be different: a word without a label or a shape is `rest`, never the title."""
    said = read_post(f"名称:- 地点:- {text}", now)
    return replace(
        said, title=None if said.title == "-" else said.title, place=None if said.place == "-" else said.place
    )


def _labelled(said: Written, name: str, value: str, now: datetime) -> Written | None:
    match name:
        case "slots" | "points":
            digits = re.fullmatch(rf"({NUMERAL})(?:个?[人名位分]|个?名额|积分)?", value)
            counted = number(digits[1]) if digits else None
            if name == "points" and value in ("按规则", "规则"):
                return replace(said, by_rule=True)
            return None if counted is None else _put(said, name, counted)
        case "term":
            return _term(said, value, now)
        case "demand":
            demand = _DEMAND_OF.get(value)
            return replace(said, demand=demand) if demand else None
        case "duty":
            # Half-width marks are the normaliser's; people read the text again.
            return _put(said, name, value.replace(",", "，").replace(";", "；"))
        case _:
            return _put(said, name, value)


_SLOTS = re.compile(rf"(?:限|招|要|需要?)?({NUMERAL})个?(?:人|名额|名|位)")
_POINTS = re.compile(rf"(?:每次|一次|履职)?(?:[给加得])?({NUMERAL})个?积?分(?:一次)?")
_FREQUENCY = re.compile(r"(?:每|隔|天天|平时|周末|早晚|一[周月天]|随叫|有事).{0,18}")
_SAID: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    ("approval", True, ("要审批", "需审批", "需要审批", "审批", "审批认领", "要同意")),
    ("approval", False, ("先到先得", "直接认领", "不用审批", "不审批", "自由认领")),
    ("confirms", True, ("履职要确认", "要确认", "需确认", "需要确认", "记录要确认")),
    ("confirms", False, ("不用确认", "履职不用确认", "不确认")),
    ("by_rule", True, ("按规则", "积分按规则")),
    ("points", 0, ("不给分", "没有分", "不记分")),
)
_WORDS = {word: (name, value) for name, value, words in _SAID for word in words}


def _put(said: Written, name: str, value: Any) -> Written:
    return replace(said, **{name: value})


def _shaped(said: Written, word: str, now: datetime) -> Written | None:
    """A word that says by itself what it is."""
    if word in _WORDS:
        return _put(said, *_WORDS[word])
    if word in _DEMAND_OF:
        return replace(said, demand=_DEMAND_OF[word])
    for name, shape in (("slots", _SLOTS), ("points", _POINTS)):
        if (match := shape.fullmatch(word)) and (counted := number(match[1])) is not None:
            return _put(said, name, counted)
    if said.frequency is None and _FREQUENCY.fullmatch(word):
        return replace(said, frequency=word)
    return _term(said, word, now) if _TERM.fullmatch(word) or _UNTIL.match(word) else None


_TERM = re.compile(
    rf"(?:任期)?(?:(?P<half>半年)|(?P<years>{NUMERAL})年(?P<and>半)?|(?P<months>{NUMERAL})个?月|长期|不定期)"
)
_UNTIL = re.compile(r"[到至]|截[至止]到?")


def _term(said: Written, value: str, now: datetime) -> Written | None:
    if match := _TERM.fullmatch(value):
        months = 0
        if match["half"]:
            months = 6
        elif match["years"]:
            months = (number(match["years"]) or 0) * 12 + (6 if match["and"] else 0)
        elif match["months"]:
            months = number(match["months"]) or 0
        return replace(said, term_months=months)
    until = _UNTIL.match(value)
    found = dates.read(value[until.end() :] if until else value, now)
    if found is None or found.grain not in ("day", "month"):
        return None
    return replace(said, term_ends_at=start_of(day_of(found.end or found.start) + timedelta(days=1)))


def category_of(title: str) -> str:
    """The category that a title speaks of; 其他 for none of the usual ones."""
    for category, words in CATEGORIES:
        if any(word in title for word in (category, *words)):
            return category
    return OTHER


def words_for(title: str, category: str = "") -> tuple[str, ...]:
    """What neighbours call such work, beside its own title: 绿化 for 环保护绿岗."""
    meant = category or category_of(title)
    words = next(((name, *others) for name, others in CATEGORIES if name == meant), ())
    return tuple(word for word in words if word not in title)
