"""What the rest of a sentence puts into a command's typed slots.

The text is read from left to right. At each place the kinds that a command declares are tried in the order
of how specific they are; what none of them takes is a word, and words go to names, titles, places and free
text. A word ends where a typed slot begins, so that `李建国5分` needs no blank. What nothing takes is
`left`, and says how far the sentence is from being this command.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from handlers.chat import Command
from handlers.language import phrasing
from handlers.language.numerals import NUMERAL, number
from handlers.language.readers import READERS, STARTS, Reader, read_object, takes_number
from handlers.language.slots import Kind, Slot
from handlers.language.surroundings import OpenObject, Surroundings

SENTENCE = 120
"""Characters after the verb that are read for slots; only a text of its own may go on beyond."""
WORD = 60
"""Characters of one word."""

SPECIFIC = (
    Kind.UNIT, Kind.ROOM, Kind.DIGITS, Kind.WHEN, Kind.DURATION, Kind.COUNT, Kind.POINTS, Kind.OBJECT, Kind.NUMBER,
    Kind.PERIOD, Kind.CHOICE, Kind.PEOPLE, Kind.PERSON, Kind.PLACE, Kind.TITLE,
)  # fmt: skip
"""The order in which kinds are tried where more than one could begin."""
BARE = (Kind.OBJECT, Kind.NUMBER, Kind.POINTS, Kind.COUNT, Kind.ROOM)
"""Who takes a number without any mark, in this order."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A command's slots, sorted for reading. Made once."""

    command: Command
    specific: tuple[tuple[Slot, Reader], ...]
    bare: tuple[Slot, ...]
    text: Slot | None
    words: tuple[Slot, ...]
    """Names, titles and places, in the declared order: they take words."""
    object: Slot | None
    kinds: tuple[str, ...]
    """The kinds of object that the object slot takes."""
    starts: frozenset[str]
    """Characters with which a typed slot may begin in the middle of a word."""

    @classmethod
    def of(cls, command: Command) -> "Plan":
        slots = command.slots
        target = next((slot for slot in slots if slot.kind is Kind.OBJECT), None)
        starts = set("0123456789")
        for slot in slots:
            starts.update(STARTS.get(slot.kind, ""))
            for word, synonyms in slot.choices:
                starts.update(synonym[0] for synonym in (word, *synonyms) if synonym)
        return cls(
            command=command,
            specific=tuple((slot, READERS[kind]) for kind in SPECIFIC for slot in slots if slot.kind is kind),
            bare=tuple(slot for kind in BARE for slot in slots if slot.kind is kind),
            text=next((slot for slot in slots if slot.kind is Kind.TEXT), None),
            words=tuple(slot for slot in slots if slot.kind in (Kind.PERSON, Kind.PEOPLE, Kind.TITLE, Kind.PLACE)),
            object=target,
            kinds=tuple(target.of.split("|")) if target and target.of else (),
            starts=frozenset(starts),
        )


@dataclass(slots=True)
class Filling:
    """The slots so far, and what is left."""

    plan: Plan
    text: str
    now: datetime
    world: Surroundings
    shown: OpenObject | None = None
    """The object that a quoted message shows."""
    sign: int = 1
    """-1 where the verb takes points away."""
    slots: dict[str, Any] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    left_apart: bool = True
    """Everything that is left stands apart from the command, behind a blank or a comma."""
    choices: tuple[OpenObject, ...] = ()
    """Several things bear the name that was typed."""
    again: list[tuple[Slot, Any]] = field(default_factory=list)
    """Further values for a slot that takes one (`报名 13、14`): the same command once more for each."""
    glued_text: bool = False
    """The free text follows the verb without a blank: it may be one long word."""
    notes: list[str] = field(default_factory=list)

    def put(self, slot: Slot, value: Any, written: str) -> None:
        self.slots[slot.name] = value
        self.notes.append(f"{slot.name} = {value} ({written.strip()})")


_LABEL = re.compile(
    r"(?:时间|日期|主题|活动名称?|名称|标题|内容|积分|分值|姓名|名字|楼栋|房号|理由|原因|事由)"
    r"(?:[:是为]|(?<=姓名))[ ]*"
)
"""What people write before a value, as on a form; the value alone says what it is."""


def fill(filling: Filling, at: int, verbs: Callable[[str, int], bool]) -> None:
    """Reads the text from `at` to its end. `verbs` tells whether a verb of any command begins at a place."""
    text, plan = filling.text, filling.plan
    end = min(len(text), at + SENTENCE)
    free: list[str] = []
    apart = False
    while at < end:
        if text[at] in phrasing.BLANKS and text[at] not in plan.starts:
            at, apart = at + 1, True
            continue
        if label := _LABEL.match(text, at):
            at = label.end()
            continue
        if (after := _typed(filling, at, inside=False)) is not None:
            at, apart = after, False
            continue
        if courtesy := phrasing.COURTESY_BEHIND.match(text, at):
            at = courtesy.end()
            continue
        if text[at] in phrasing.BLANKS:
            at += 1
            continue
        if plan.text is not None and _text_begins(filling, at):
            filling.glued_text = not apart and not filling.slots
            _take_text(filling, at)
            at = len(text)
            break
        after = _word_end(filling, at)
        _word(filling, text[at:after], free, apart, verb=verbs(text, at))
        at, apart = after, False
    if rest := text[at:].strip(phrasing.BLANKS):
        filling.left.append(rest)
    _place_words(filling, free)


def _typed(filling: Filling, at: int, *, inside: bool) -> int | None:
    """Fills the most specific slot that begins here, and says where it ends."""
    for slot, read in filling.plan.specific:
        if slot.name in filling.slots:
            continue
        found = read(filling, slot, at, inside)
        if found is not None and not _belongs_to_text(filling, slot, found[1]):
            value, end = found
            if value is not None:
                filling.put(slot, value, filling.text[at:end])
            elif filling.choices:
                filling.notes.append(f"{slot.name} could be {len(filling.choices)} things ({filling.text[at:end]})")
            return end
    return _bare_number(filling, at)


def _belongs_to_text(filling: Filling, slot: Slot, end: int) -> bool:
    """Once a command has all it needs, a thing that goes on is part of its text: `5 3栋路灯修好了`."""
    plan, text = filling.plan, filling.text
    if plan.text is None or slot.required or end >= len(text) or text[end] in phrasing.BLANKS:
        return False
    return all(one.name in filling.slots for one in plan.command.slots if one.required and one is not plan.text)


LEADING = frozenset((Kind.OBJECT, Kind.UNIT, Kind.PERIOD, Kind.WHEN, Kind.COUNT))
"""Kinds that may also stand before the verb: 14 报名, 本月排行榜, 周六的活动, 我们三个报名."""


def read_leading(filling: Filling, before: str, at: int) -> int | None:
    """Fills a slot from what stands before the verb, and says where it ends there."""
    whole, filling.text = filling.text, before
    try:
        for slot, read in filling.plan.specific:
            if slot.kind not in LEADING or slot.name in filling.slots:
                continue
            if (found := read(filling, slot, at, False)) is not None:
                value, end = found
                if value is not None:
                    filling.put(slot, value, before[at:end])
                return end + (before[end : end + 1] == "的")
        return None
    finally:
        filling.text = whole


def names_thing(filling: Filling, at: int) -> bool:
    """Whether a thing that exists, or several that bear the name, are named at this place."""
    slot = filling.plan.object
    found = read_object(filling, slot, at, False) if slot is not None and at < len(filling.text) else None
    return found is not None and (found[0] is None or filling.world.thing(filling.plan.kinds, found[0]) is not None)


_BARE_NUMBER = re.compile(rf"(?P<sign>[+-])?(?P<number>{NUMERAL})(?=[ ,;.!~、:。谢吧了哈啊]|\Z)")


def _bare_number(filling: Filling, at: int) -> int | None:
    """A number with nothing to tell what it counts goes to the first slot that takes numbers."""
    plan = filling.plan
    if not plan.bare or not (match := _BARE_NUMBER.match(filling.text, at)):
        return None
    value = number(match["number"])
    if value is None:
        return None
    for slot in plan.bare:
        if slot.name in filling.slots or not takes_number(filling, slot, value, match["number"]):
            continue
        if slot.kind is Kind.POINTS:
            filling.put(slot, filling.sign * (-value if match["sign"] == "-" else value), match[0])
        elif slot.kind is Kind.ROOM:
            filling.put(slot, match["number"], match[0])
        else:
            filling.put(slot, value, match[0])
        return match.end()
    return None


def _text_begins(filling: Filling, at: int) -> bool:
    """Free text begins when no word that is still missing can be this one: `加分 李建国 5 修灯`."""
    plan = filling.plan
    for slot in plan.words:
        if slot.name in filling.slots or slot.kind is Kind.PLACE:
            continue
        if slot.kind is Kind.TITLE:
            return False
        if slot.required:
            return False
    return True


def _take_text(filling: Filling, at: int) -> None:
    """The rest is the text; what is still missing may stand at its very end: `加分 李建国 修灯 5`."""
    assert filling.plan.text is not None
    text = filling.text[at:].strip(" \n,;:")
    head, blank, last = text.rpartition(" ")
    if blank and any(slot.required and slot.name not in filling.slots for slot in filling.plan.bare):
        start = at + filling.text[at:].rindex(last)
        if _typed(filling, start, inside=False) == len(filling.text.rstrip()):
            text = head.rstrip(" ,;:")
    text = text.rstrip(" \n")
    if text:
        filling.put(filling.plan.text, text, text)


def _word_end(filling: Filling, at: int) -> int:
    """Where the word that begins here ends: at a blank, or where a typed slot begins."""
    text, starts, end = filling.text, filling.plan.starts, min(len(filling.text), at + WORD)
    place = at + 1
    while place < end:
        character = text[place]
        if character in phrasing.BLANKS and character not in '“”"':
            break
        if character in starts and _would_begin(filling, place):
            break
        place += 1
    return place


def _would_begin(filling: Filling, at: int) -> bool:
    """Whether a typed slot begins within a word. A bare Chinese numeral is no sign: 王三, 三元里."""
    text = filling.text
    if text[at].isdigit() and text[at - 1].isdigit():
        return False
    for slot, read in filling.plan.specific:
        if slot.name not in filling.slots and read(filling, slot, at, True) is not None:
            return True
    if text[at] in "0123456789" and (match := _BARE_NUMBER.match(text, at)):
        return match.end() >= len(text.rstrip()) or text[match.end()] in phrasing.BLANKS
    return False


def _word(filling: Filling, word: str, free: list[str], apart: bool, *, verb: bool) -> None:
    """A word is the next name, or waits for a title or a place; where nothing needs words it is left over."""
    if not verb:
        for slot in filling.plan.words:
            if slot.name in filling.slots:
                continue
            # A word alone names somebody only where somebody must be named: 打卡上班 is no check-in for 上班.
            if slot.required and slot.kind in (Kind.PERSON, Kind.PEOPLE) and (name := _person(word)):
                filling.put(slot, name if slot.kind is Kind.PERSON else [name], word)
                return
    if not verb and any(slot.kind is Kind.TITLE for slot in filling.plan.words):
        free.append(word)
        return
    filling.left.append(word)
    filling.left_apart = filling.left_apart and apart


def _person(word: str) -> str | None:
    if word in phrasing.SELF:
        return "self"
    match = phrasing.PERSON.fullmatch(word)
    return word.removeprefix("@") if match and phrasing.is_name(match["name"]) else None


def _place_words(filling: Filling, free: list[str]) -> None:
    """The words of `周六9点 清洁家园 中心花园`: the last is the place, what stands before it the title."""
    if not free:
        return
    title = next(slot for slot in filling.plan.words if slot.kind is Kind.TITLE)
    place = next((slot for slot in filling.plan.words if slot.kind is Kind.PLACE), None)
    # A name that stood in brackets has been read already.
    named = title.name in filling.slots
    if place is not None and place.name not in filling.slots and len(free) > (not named):
        filling.put(place, free[-1], free[-1])
        free = free[:-1]
    if named:
        filling.left.extend(free)
    else:
        whole = " ".join(free)
        filling.put(title, whole, whole)
