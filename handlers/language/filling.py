"""What the rest of a sentence puts into a command's typed slots.

A sentence is its verb, what stands before it and what stands behind it. Both sides are read from left to right: at
each place the kinds that the command declares are tried in the order of how specific they are; courtesy and words
that say nothing new beside the verb are passed over; what remains is a word, and words go to names, titles, places
and free text. A clause of its own may be the reason, or an aside (`我眼睛不好使`). What nothing takes is `left`,
and says how far the sentence is from being this command.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from handlers.chat import Command
from handlers.language import dates, phrasing
from handlers.language.numerals import NUMERAL, number
from handlers.language.readers import READERS, STARTS, Reader, read_object, takes_number
from handlers.language.slots import Kind, Slot
from handlers.language.surroundings import OpenObject, Surroundings

SENTENCE = 120
"""Characters after the verb that are read for slots; only a text of its own may go on beyond."""
FOREIGN = 8
"""Words that no slot takes; a sentence of so many is not read further."""
WORD = 60
"""Characters of one word."""

SPECIFIC = (
    Kind.REMARK, Kind.ANSWERS, Kind.UNIT, Kind.DOOR, Kind.TARGET, Kind.CATEGORY, Kind.ROOM,
    Kind.DIGITS, Kind.WHEN, Kind.DURATION, Kind.HOURS,
    Kind.COUNT, Kind.QUANTITY, Kind.POINTS, Kind.SCORE, Kind.OBJECT, Kind.NUMBER, Kind.PERIOD, Kind.FLAG, Kind.CHOICE,
    Kind.BALLOT, Kind.STAR, Kind.LABELLED, Kind.NAMED, Kind.PEOPLE, Kind.PERSON, Kind.PLACE, Kind.TITLE,
)  # fmt: skip
"""The order in which kinds are tried where more than one could begin."""
BARE = (Kind.OBJECT, Kind.NUMBER, Kind.POINTS, Kind.SCORE, Kind.COUNT, Kind.ROOM)
"""Who takes a number without any mark, in this order."""
WORDS = (Kind.PERSON, Kind.PEOPLE, Kind.TITLE, Kind.PLACE, Kind.NAMED)
"""Kinds that may be one plain word."""
FIGURES = (
    Kind.WHEN,
    Kind.NUMBER,
    Kind.POINTS,
    Kind.SCORE,
    Kind.ROOM,
    Kind.DIGITS,
    Kind.QUANTITY,
    Kind.TEXT,
    Kind.HOURS,
)
"""Kinds that may be meant by a number behind the number of a thing."""
LEADING = frozenset((
    Kind.OBJECT, Kind.NUMBER, Kind.UNIT, Kind.PERIOD, Kind.WHEN, Kind.COUNT, Kind.FLAG, Kind.CHOICE, Kind.REMARK,
    Kind.NAMED, Kind.PLACE, Kind.ROOM, Kind.DOOR, Kind.PERSON, Kind.PEOPLE, Kind.TARGET, Kind.QUANTITY, Kind.STAR,
    Kind.HOURS, Kind.DURATION, Kind.CATEGORY,
))  # fmt: skip
"""Kinds that may also stand before the verb: 14 报名, 本月排行榜, 周六的活动, 我们三个报名."""
MARKS = (Kind.FLAG, Kind.CHOICE)
"""Kinds that may stand as a word of their own in the middle of a free text and end it: 明天停水 回执."""


ENDINGS = {"venue": "室厅场园房站院吧堂", "post": "岗类"}
"""With which characters a word ends that names a thing of a kind although it is not on the list."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A command's slots, sorted for reading. Made once."""

    command: Command
    specific: tuple[tuple[Slot, Reader], ...]
    leading: tuple[tuple[Slot, Reader], ...]
    bare: tuple[Slot, ...]
    text: Slot | None
    reason: Slot | None
    words: tuple[Slot, ...]
    """Names, titles and places, in the declared order: they take words."""
    object: Slot | None
    objects: dict[str, Slot]
    """Which slot takes the things of a kind."""
    kinds: tuple[str, ...]
    """The kinds of object that the command is about."""
    starts: frozenset[str]
    """Characters with which a typed slot may begin in the middle of a word."""
    fillers: re.Pattern[str]
    own: set[str]
    """Everything that means this command."""
    ahead: Slot | None
    """When it is to be done, said before the verb."""
    partner: Slot | None
    """The person beside the speaker."""
    required: tuple[Slot, ...]
    ballot: bool
    periods: bool
    gives: bool
    """Somebody gets points."""
    titled: bool
    takes_time: bool
    """Some slot takes a day or a time."""
    takes_figures: bool
    """Some slot other than the things and how many come takes a number, or all that is left."""

    @classmethod
    def of(cls, command: Command) -> "Plan":
        slots = command.slots
        objects = {kind: slot for slot in slots if not slot.labels for kind in _kinds(slot)}
        target = next((slot for slot in slots if slot.kind is Kind.OBJECT and not slot.labels), None)
        starts = set("0123456789")
        for slot in slots:
            starts.update(STARTS.get(slot.kind, ""))
            for word in (*(word for pair in slot.choices for word in (pair[0], *pair[1])), *slot.labels):
                starts.update(word[:1])
        specific = tuple((slot, READERS[kind]) for kind in SPECIFIC for slot in slots if slot.kind is kind)
        return cls(
            command=command,
            specific=specific,
            leading=tuple((slot, read) for slot, read in specific if slot.kind in LEADING),
            bare=tuple(slot for kind in BARE for slot in slots if slot.kind is kind),
            text=next((slot for slot in slots if slot.kind is Kind.TEXT), None),
            reason=next((slot for slot in slots if slot.kind is Kind.REASON), None),
            words=tuple(slot for slot in slots if slot.kind in WORDS and (not slot.labels or "" in slot.labels)),
            object=target or objects.get("remark"),
            objects=objects,
            kinds=tuple(objects),
            starts=frozenset(starts),
            fillers=_fillers(command.fillers),
            own=set(),
            ahead=next((slot for slot in slots if slot.ahead), None),
            partner=next((slot for slot in slots if slot.kind is Kind.PERSON and "跟" in slot.labels), None),
            required=tuple(slot for slot in slots if slot.required),
            gives=any(slot.kind is Kind.POINTS and slot.required for slot in slots),
            titled=any(slot.kind is Kind.TITLE for slot in slots),
            periods=any(slot.kind is Kind.PERIOD for slot in slots),
            takes_time=any(slot.kind is Kind.WHEN and slot.of != "clock" for slot in slots),
            takes_figures=any(slot.kind in FIGURES for slot in slots),
            ballot=any(slot.kind is Kind.BALLOT for slot in slots),
        )


def _kinds(slot: Slot) -> tuple[str, ...]:
    if slot.kind is Kind.REMARK:
        return ("remark",)
    return tuple(slot.of.split("|")) if slot.kind is Kind.OBJECT and slot.of else ()


def _fillers(words: tuple[str, ...]) -> re.Pattern[str]:
    every = sorted({*words, *phrasing.FILLERS}, key=len, reverse=True)
    return re.compile("(?:" + "|".join(map(re.escape, every)) + ")+")


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
    day: date | None = None
    """The day that was said of a thing (`周六那个`)."""
    asked: int = 0
    """The question of a survey that a quoted message shows."""
    slots: dict[str, Any] = field(default_factory=dict)
    ahead: bool = False
    """What stands before the verb is being read."""
    before: str = ""
    """What stands in the verb's own clause before it and is neither courtesy nor a slot."""
    left: list[str] = field(default_factory=list)
    left_apart: bool = True
    """Everything that is left stands apart from the command, behind a blank or a comma."""
    asides: list[str] = field(default_factory=list)
    """Clauses of their own that the command does not explain."""
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
    r"(?:时间|日期|主题|活动名称?|名称|标题|内容|积分|分值|姓名|名字|楼栋|楼号|房号|地点(?=[:是为])|理由|原因|事由|事项|来访人|访客)"
    r"(?:[:是为叫]|(?<=[姓楼]名)|(?<=楼栋))[ ]*|我?(?:名字)?叫(?!我|上|号|车|外)|我?姓名"
)
"""What people write before a value, as on a form; the value alone says what it is."""


def fill(filling: Filling, at: int, verb_at: Callable[[str, int], str], tells: Callable[[str], bool]) -> None:
    """Reads the text from `at` to its end.

    `verb_at` says which verb of any command begins at a place; `tells` whether a clause is a command of its own.
    """
    text, plan = filling.text, filling.plan
    end = min(len(text), at + SENTENCE)
    free: list[str] = []
    apart, began = False, at
    while at < end and len(filling.left) + len(filling.asides) < FOREIGN:
        if text[at] in phrasing.BLANKS and text[at] not in plan.starts:
            at, apart = at + 1, True
            continue
        if (label := _LABEL.match(text, at)) and not _choice_begins(filling, at):
            at = label.end()
            continue
        if apart and not _people_wanted(filling) and (speaker := phrasing.speaker(text, at)):
            _take_speaker(filling, speaker)
            at, apart = speaker.end(), False
            continue
        if apart and text[at - 1] in ",;.!~" and (after := _own_clause(filling, at, tells)) is not None:
            at = after
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
        if (after := _filler(filling, at) or description(filling, at)) is not None:
            at = after
            continue
        if (word := verb_at(text, at)) in plan.own and plan.text is None and _ends_word(text, at + len(word)):
            # 旧书那个我有, 我认领: the same said twice.
            at += len(word)
            continue
        if (after := _reason(filling, at, apart, tells)) is not None:
            at = after
            continue
        if (after := _day_of_thing(filling, at)) is not None:
            at, apart = after, False
            continue
        if plan.text is not None and plan.text.name not in filling.slots and _text_begins(filling, at):
            filling.glued_text = at == began
            at = _take_text(filling, at)
            apart = True
            continue
        after = _word_end(filling, at)
        _word(filling, text[at:after], free, apart, verb=bool(word))
        at, apart = after, False
    if rest := text[at:].strip(phrasing.BLANKS):
        filling.left.append(rest)
    _place_words(filling, free)


def _people_wanted(filling: Filling) -> bool:
    """Whether somebody who is named now is what the command is about, and not who speaks: 加入 3栋 王秀英."""
    plan, slots = filling.plan, filling.slots
    return (plan.text is not None and plan.text.name not in slots) or any(
        slot.kind is Kind.PEOPLE and slot.required and slot.name not in slots for slot in plan.words
    )


def _choice_begins(filling: Filling, at: int) -> bool:
    return any(
        slot.kind is Kind.CHOICE and slot.name not in filling.slots and read(filling, slot, at, False) is not None
        for slot, read in filling.plan.specific
    )


def _ends_word(text: str, at: int) -> bool:
    return at >= len(text) or text[at] in phrasing.BLANKS or phrasing.COURTESY_BEHIND.match(text, at) is not None


def _typed(filling: Filling, at: int, *, inside: bool) -> int | None:
    """Fills the most specific slot that begins here, and says where it ends."""
    for slot, read in filling.plan.specific:
        if slot.peeks or (slot.name in filling.slots and slot.kind is not Kind.FLAG):
            continue
        found = read(filling, slot, at, inside)
        if found is not None and slot.name in filling.slots:
            return found[1]
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
    filler = plan.fillers.match(text, end)
    if filler and (filler.end() >= len(text) or text[filler.end()] in phrasing.BLANKS):
        return False
    if slot.kind in MARKS or slot.kind is Kind.REMARK:
        return slot.kind is Kind.FLAG and phrasing.COURTESY_BEHIND.match(text, end) is None
    return all(one.name in filling.slots for one in plan.required if one is not plan.text)


def _filler(filling: Filling, at: int) -> int | None:
    """Passes words that say nothing new, where they end a word or lead to something that is understood."""
    match = filling.plan.fillers.match(filling.text, at)
    if match is None:
        return None
    text = filling.text
    for end in _ends(match):
        if end >= len(text) or text[end] in phrasing.BLANKS or phrasing.COURTESY_BEHIND.match(text, end):
            return end
        known = text[end : end + 2] in filling.world.by_head or text[end : end + 2] in filling.world.by_work
        if (text[end] in filling.plan.starts or known) and _begins(filling, end):
            return end
        if description(filling, end) is not None:
            return end
    return None


_DESCRIBING = re.compile(r"[\u4e00-\u9fff]{2,6}?的")


def description(filling: Filling, at: int) -> int | None:
    """Passes what describes a thing that is named right behind it: `量血压的义诊`."""
    match = _DESCRIBING.match(filling.text, at)
    if match is None or phrasing.AGAINST.search(match[0]):
        return None
    return match.end() if filling.world.named(filling.text, match.end(), filling.plan.kinds)[0] else None


def _ends(match: re.Match[str]) -> tuple[int, ...]:
    """Where a run of fillers may be taken to end: `给我3号` must not lose its number, nor `这个人` its 人."""
    return tuple(range(match.end(), match.start(), -1))[:3]


def _begins(filling: Filling, at: int) -> bool:
    return any(
        (slot.name not in filling.slots or slot.kind is Kind.FLAG)
        and not slot.peeks
        and read(filling, slot, at, True) is not None
        for slot, read in filling.plan.specific
    ) or (filling.text[at] in "0123456789" and bool(_BARE_NUMBER.match(filling.text, at)))


_BECAUSE = re.compile(r"(?:因为|因|由于|主要是|原因是|原因:?|理由是|理由:?|是因为)[ ]*")
_CLAUSES_END = re.compile(r"[;\n]")


def _day_of_thing(filling: Filling, at: int) -> int | None:
    """`周六清洁家园`: the day of something that is numbered tells which one is meant, or says it once more."""
    plan = filling.plan
    if "activity" not in plan.kinds or plan.takes_time or filling.day is not None:
        return None
    if plan.text is not None and plan.object is not None and plan.object.name in filling.slots:
        # 补录 12 4号没来: which one is meant has been said, and a day is part of the text.
        return None
    found = dates.read_at(filling.text, at, filling.now)
    if (
        found is None
        or found[0].recur
        or found[0].grain not in ("day", "part", "minute")
        or found[0].start.date() < filling.now.date()
    ):
        return None
    filling.day = found[0].start.date()
    filling.notes.append(f"the day is {filling.day}")
    return found[1]


def _reason(filling: Filling, at: int, apart: bool, tells: Callable[[str], bool]) -> int | None:
    """A clause of its own, or one that begins with 因为, is why."""
    slot = filling.plan.reason
    if slot is None or slot.name in filling.slots:
        return None
    text = filling.text
    because = _BECAUSE.match(text, at)
    if because is None and (not apart or _expects_word(filling, text, at)):
        return None
    start = because.end() if because else at
    end = ends.start() if (ends := _CLAUSES_END.search(text, start)) else len(text)
    if end - start > SENTENCE:
        return None
    clause = phrasing.clause(text[start:end])
    if (
        len(clause) < 2
        or tells(clause)
        or (because is None and (phrasing.DOUBT_OF_ASIDE.search(clause) or phrasing.is_person(clause)))
    ):
        return None
    filling.put(slot, clause, clause)
    return end


_CLAUSE_ENDS = re.compile(r"[,;.!~\n]|\Z")
_COMPANY = re.compile("[和跟与同]")


def _own_clause(filling: Filling, at: int, tells: Callable[[str], bool]) -> int | None:
    """A clause that tells of the speaker is the reason as a whole, whatever it is made of: `我每天都遛弯`."""
    slot, text = filling.plan.reason, filling.text
    if slot is None or slot.name in filling.slots:
        return None
    ends = _CLAUSE_ENDS.search(text, at)
    clause = text[at : ends.start()] if ends else text[at:]
    if not phrasing.is_own_aside(clause) or _COMPANY.search(clause) or _typed_whole(filling, at, len(clause)):
        return None
    return _reason(filling, at, True, tells)


def _typed_whole(filling: Filling, at: int, length: int) -> bool:
    """Whether one slot takes the clause to its end."""
    at = phrasing.skip_courtesy(filling.text, at)
    for slot, read in filling.plan.specific:
        if slot.name not in filling.slots and (found := read(filling, slot, at, True)) is not None:
            rest = filling.text[found[1] : at + length]
            match = filling.plan.fillers.match(rest)
            if not rest.strip(phrasing.BLANKS) or (match and match.end() == len(rest)):
                return True
    return False


def _expects_word(filling: Filling, text: str, at: int) -> bool:
    """Whether something is still missing that this word may be."""
    plan = filling.plan
    if any(slot.name not in filling.slots and slot is not plan.object for slot in plan.required):
        return True
    word = _WORD.match(text, at)
    return bool(
        word
        and phrasing.is_person(word[0])
        and any(slot.kind in (Kind.PERSON, Kind.PEOPLE) and slot.name not in filling.slots for slot in plan.words)
    )


_WORD = re.compile(r"[^ ,;.!~\n0-9]+")


def _take_speaker(filling: Filling, speaker: re.Match[str]) -> None:
    """`5栋小孙`: who speaks; most commands know that anyway, a receipt writes it down."""
    if speaker["unit"]:
        for slot, read in filling.plan.specific:
            found = read(filling, slot, speaker.start("unit"), False) if slot.kind is Kind.UNIT else None
            if found and slot.name not in filling.slots:
                filling.put(slot, found[0], speaker["unit"])
    for slot in filling.plan.words:
        if slot.kind is Kind.PERSON and slot.name not in filling.slots and (slot.required or slot.labels):
            filling.put(slot, speaker["name"], speaker["name"])
            break
    if speaker["room"]:
        for slot in filling.plan.bare:
            if slot.kind is Kind.ROOM and slot.name not in filling.slots:
                filling.put(slot, re.sub("[^0-9]", "", speaker["room"]), speaker["room"])


_BRINGS = re.compile(r"(?<![^ ,])((?:我们?)?(?:跟|和|与|同|找|邀请|约|叫上)) +(?=[^ ,])")


def read_before(filling: Filling, before: str) -> None:
    """Reads what stands before the verb, clause by clause: slots, courtesy, who speaks; the rest is left or aside."""
    if len(before) > SENTENCE:
        filling.before = before.strip()
        return
    if filling.plan.partner is not None:
        # 和 王秀英 一起认领: the blank parts no word from whom it brings.
        before = _BRINGS.sub(r"\1", before)
    whole, filling.text, filling.ahead = filling.text, before, True
    try:
        if (at := _oneself(filling, before)) is not None or (at := _whom(filling, before)) is not None:
            before = filling.text = before[:at]
        spans = [match.span() for match in phrasing.CLAUSE.finditer(before)]
        stopped = 0
        for start, end in spans:
            if stopped >= end:
                # 清洁家园 义诊我都去: the things were read in one go.
                continue
            start = max(start, stopped)
            last = (start, end) == spans[-1]
            kept = dict(filling.slots), len(filling.notes), filling.choices
            stopped = _read_clause(filling, start, end, last)
            if stopped >= end:
                continue
            rest = before[stopped:end].strip(phrasing.BLANKS)
            if last and before[end - 1] not in phrasing.BLANKS:
                filling.before = rest
            elif len(rest) > 1 and _names_new(filling, kept[0]):
                # 巡逻这活儿太熬人, 不干了: what is told of a thing says which one is meant.
                filling.asides.append(rest)
            else:
                filling.slots, filling.choices = kept[0], kept[2]
                del filling.notes[kept[1] :]
                filling.asides.append(before[start:end].strip(phrasing.BLANKS))
    finally:
        filling.text, filling.ahead = whole, False


def _names_new(filling: Filling, before: dict[str, Any]) -> bool:
    """Whether a clause has named the one thing that the command is about."""
    return any(slot.name in filling.slots and slot.name not in before for slot in filling.plan.objects.values())


def _whom(filling: Filling, before: str) -> int | None:
    """Where the person begins for whom the whole command is, also across blanks: `替 王秀英 签到`."""
    match = _FOR.search(before)
    needed = any(slot.required and slot.kind is Kind.PERSON for slot in filling.plan.words)
    return _person_before(filling, before, 0) if match and (match["for"] or needed) else None


_ONESELF = re.compile(r"(?:给|帮|替|为)?(?:我自己|俺自己|本人|自己|我|俺)(?:也|再)*[ ]*\Z")


def _oneself(filling: Filling, before: str) -> int | None:
    """`给我加分` names the speaker where somebody must be named."""
    slot = next((slot for slot in filling.plan.words if slot.required and slot.kind is Kind.PERSON), None)
    match = _ONESELF.search(before) if slot is not None and filling.plan.gives else None
    if slot is None or match is None:
        return None
    filling.put(slot, "self", match[0])
    return match.start()


def _read_clause(filling: Filling, at: int, end: int, last: bool) -> int:
    """How far a clause before the verb is understood."""
    before = filling.text
    if speaker := phrasing.speaker(before, at, end):
        _take_speaker(filling, speaker)
        at = speaker.end()
    if (after := _leading_flag(filling, at)) is not None and after <= end:
        at = after
    while at < end:
        if (told := phrasing.INTRODUCED.match(before, at, end)) and _introduce(filling, told["name"]):
            at = told.end()
            continue
        if (courtesy := phrasing.skip_courtesy(before, at, end)) > at:
            at = courtesy
            continue
        if last and (start := _person_before(filling, before, at)) is not None:
            # The person is read from the end; what stands between is read on.
            inner = _read_clause(filling, at, start, False)
            return end if inner == start else inner
        named, timed = len(filling.again), _is_timed(filling)
        if (after := _leading(filling, at)) is not None and (
            after <= end or len(filling.again) > named or _is_timed(filling) > timed
        ):
            at = after
            continue
        filler = filling.plan.fillers.match(before, at, end)
        if filler is None:
            if (after := description(filling, at)) is None:
                return at
            at = after
            continue
        at = _filler_end(filling, filler, end)
        if at == filler.start():
            return at
    return at


def _is_timed(filling: Filling) -> bool:
    """Whether it is known when it is to be done: `每周五 下午三点` is one time, though a blank stands in it."""
    return filling.plan.ahead is not None and filling.plan.ahead.name in filling.slots


def _introduce(filling: Filling, name: str) -> bool:
    """Fills the name of somebody who says it: `我叫王小红`."""
    slot = next((slot for slot in filling.plan.words if slot.required and slot.kind is Kind.PERSON), None)
    if slot is None or slot.name in filling.slots or not phrasing.is_person(name):
        return False
    filling.put(slot, name, name)
    return True


def _leading_flag(filling: Filling, at: int) -> int | None:
    """A flag that begins with what would be courtesy elsewhere: `我那个报修`."""
    for slot, read in filling.plan.leading:
        if slot.kind is Kind.FLAG and slot.name not in filling.slots and (found := read(filling, slot, at, False)):
            filling.put(slot, found[0], filling.text[at : found[1]])
            return found[1]
    return None


def _filler_end(filling: Filling, filler: re.Match[str], end: int) -> int:
    for at in _ends(filler):
        if at == end or phrasing.skip_courtesy(filling.text, at, end) > at or _leads(filling, at):
            return at
        if description(filling, at) is not None:
            return at
    return filler.start()


def _leads(filling: Filling, at: int) -> bool:
    return any(
        slot.name not in filling.slots and read(filling, slot, at, False) is not None
        for slot, read in filling.plan.leading
    )


def _leading(filling: Filling, at: int) -> int | None:
    """Fills a slot from what stands before the verb, and says where it ends there."""
    before = filling.text
    for slot, read in filling.plan.leading:
        if slot.peeks or (slot.name in filling.slots and slot.kind is not Kind.FLAG):
            continue
        if (found := read(filling, slot, at, False)) is not None:
            value, end = found
            if value is not None and slot.name not in filling.slots:
                filling.put(slot, value, before[at:end])
            return end + (before[end : end + 1] == "的")
    past = _day_of_thing(filling, at)
    return None if past is None else past + (before[past : past + 1] == "的")


_FOR = re.compile(
    r"(?:(?P<for>替|帮|代|给|为|让)[ ]?|(?P<me>(?:我|俺)[和跟与、][ ]?)|(?<![\u4e00-\u9fff]))@?"
    r"(?P<home>(?:[0-9]{1,2}栋)?[0-9]{0,4}室?的?)?"
    r"(?P<names>[\u4e00-\u9fff·]{2,6}?(?:(?:[、,和跟与及]|[ ]+)[\u4e00-\u9fff·]{2,6}?)*|[A-Za-z]{2,20})"
    r"[ ]*(?:各|每人|每位|都|也|他|她|们?俩)*[ ]*\Z"
)


def _person_before(filled: Filling, before: str, at: int) -> int | None:
    """Fills the person for whom something is done (`替王秀英`, `给李建国和孙丽各`); where that begins."""
    slot = next((slot for slot in filled.plan.words if slot.kind in (Kind.PERSON, Kind.PEOPLE)), None)
    match = _FOR.search(before, at) if slot is not None and slot.name not in filled.slots else None
    if slot is None or match is None or not (match["for"] or match["me"] or slot.required):
        return None
    names = re.split("[、,和跟与及 ]+", match["names"])
    if match["me"] and (slot.required or any(map(phrasing.is_kin, names))):
        return None  # 我和老伴 is a number of people
    # Only 替 and 代 are said of nobody but people.
    shape = phrasing.is_name if match["for"] in ("替", "代") or (match["for"] and slot.required) else phrasing.is_person
    if not all(map(shape, names)) or filled.world.named(names[0], 0, filled.plan.kinds)[0]:
        return None
    names[0] = _home(match["home"]) + names[0]
    if match["me"]:
        names.insert(0, "self")
    put_people(filled, slot, names, match[0])
    return match.start()


def _home(home: str | None) -> str:
    """`502的陈阿姨` is told from the others by her room; `3栋的` says less than the name."""
    return home if home and re.match(r"[0-9]{3,4}", home) else ""


def put_people(filled: Filling, slot: Slot, names: list[str], written: str) -> None:
    """One name for a slot of one person; several go to the slot of several, or repeat the command."""
    if slot.kind is Kind.PEOPLE:
        filled.put(slot, names, written)
        return
    several = next((one for one in filled.plan.command.slots if one.kind is Kind.PEOPLE), None)
    if len(names) > 1 and several is not None:
        filled.put(several, names, written)
        return
    filled.put(slot, names[0], written)
    filled.again.extend((slot, name) for name in names[1:])


def missing(filling: Filling) -> tuple[Slot, ...]:
    """What the command needs and does not have; several people stand for the one."""
    several = any(slot.kind is Kind.PEOPLE and slot.name in filling.slots for slot in filling.plan.words)
    return tuple(
        slot
        for slot in filling.plan.required
        if slot.name not in filling.slots
        and not (several and slot.kind is Kind.PERSON)
        and not (slot.unless and slot.unless in filling.slots)
    )


def names_thing(filling: Filling, at: int) -> bool:
    """Whether a thing that exists, or several that bear the name, are named at this place."""
    if at >= len(filling.text):
        return False
    if any(
        slot.kind is Kind.NAMED and filling.world.named(filling.text, at, (slot.of,))[0] for slot in filling.plan.words
    ):
        return True
    for kind, slot in filling.plan.objects.items():
        if slot.kind is Kind.REMARK:
            if READERS[Kind.REMARK](filling, slot, at, False) is not None:
                return True
            continue
        found = read_object(filling, slot, at, False)
        if found is not None and (found[0] is None or filling.world.thing((kind,), found[0]) is not None):
            return True
    return False


PARTY = 9
"""People who come together at the most: a larger number beside the numbers of things is the number of a thing."""
_BARE_NUMBER = re.compile(rf"(?P<sign>[+-])?(?P<number>{NUMERAL})(?=[ ,;.!~、:。谢吧了哈啊]|\Z)")


def _bare_number(filling: Filling, at: int) -> int | None:
    """A number with nothing to tell what it counts goes to the first slot that takes numbers."""
    plan = filling.plan
    if not plan.bare or not (match := _BARE_NUMBER.match(filling.text, at)):
        return None
    value = number(match["number"])
    if value is None:
        return None
    several = next((slot for slot, _ in filling.again if slot.kind is Kind.OBJECT), None)
    if several is not None and value > PARTY:
        # 报名 12 13 99: one more of them, whether there is such a thing or not.
        filling.again.append((several, value))
        return match.end()
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
        if slot.required and not any(one.kind is Kind.PEOPLE and one.name in filling.slots for one in plan.words):
            return False
    return True


def _take_text(filling: Filling, at: int) -> int:
    """The text up to a mark of its own (`回执`) or to the end; what is still missing may stand at its very end."""
    assert filling.plan.text is not None
    if filling.glued_text and (filling.text[at] in "的了过着" or phrasing.QUESTION.search(filling.text, at)):
        # 报修的那个 is no report.
        filling.left.append(filling.text[at:].strip())
        return len(filling.text)
    end = _mark_in(filling, at)
    text = filling.text[at:end].strip(" \n,;:")
    head, blank, last = text.rpartition(" ")
    if blank and end == len(filling.text) and _lacks_number(filling):
        start = at + filling.text[at:].rindex(last)
        if _typed(filling, start, inside=False) == len(filling.text.rstrip()):
            text = head.rstrip(" ,;:")
    text = text.rstrip(" \n")
    if text:
        filling.put(filling.plan.text, text, text)
    return end


def _lacks_number(filling: Filling) -> bool:
    return any(slot.required and slot.name not in filling.slots for slot in filling.plan.bare)


def _mark_in(filling: Filling, at: int) -> int:
    """Where in the text a word of its own begins that is a flag or a choice."""
    marks = [
        (slot, read) for slot, read in filling.plan.specific if slot.kind in MARKS and slot.name not in filling.slots
    ]
    text = filling.text
    if marks:
        for blank in re.finditer(r"[ ,;.!\n]+", text[at : at + SENTENCE]):
            start = at + blank.end()
            for slot, read in marks:
                found = read(filling, slot, start, False) if start < len(text) else None
                if found and (found[1] == len(text) or text[found[1]] in phrasing.BLANKS):
                    return start
    return len(text)


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
        if slot.name not in filling.slots and not slot.peeks and read(filling, slot, at, True) is not None:
            return True
    if text[at] in "0123456789" and (match := _BARE_NUMBER.match(text, at)):
        return match.end() >= len(text.rstrip()) or text[match.end()] in phrasing.BLANKS
    return False


def _word(filling: Filling, word: str, free: list[str], apart: bool, *, verb: bool) -> None:
    """A word is the next name, or waits for a title or a place; where nothing needs words it is left over."""
    if not verb:
        for slot in filling.plan.words:
            if slot.name in filling.slots:
                if slot.kind is Kind.PEOPLE and apart and phrasing.is_person(word):
                    filling.slots[slot.name].append(word)
                    return
                continue
            if (apart or slot.required) and _takes_word(filling, slot, word):
                return
    if not verb and any(slot.kind is Kind.TITLE for slot in filling.plan.words):
        free.append(word)
        return
    if apart:
        filling.asides.append(word)
    else:
        filling.left.append(word)
    filling.left_apart = filling.left_apart and apart


def _takes_word(filling: Filling, slot: Slot, word: str) -> bool:
    """Whether a word fills this slot. A word alone names somebody where somebody must be named, or where it has the
    shape of a name: 打卡上班 is no check-in for 上班."""
    if slot.kind is Kind.NAMED:
        ends = ENDINGS.get(slot.of)
        if taken := ends is None or word[-1] in ends:
            filling.put(slot, word, word)
        return taken
    if slot.kind not in (Kind.PERSON, Kind.PEOPLE):
        return False
    if slot.required:
        # Where somebody must be named any short word may be it.
        if any(one.kind is Kind.PEOPLE and one.name in filling.slots for one in filling.plan.words):
            return False
        name = _person(word)
    else:
        # Elsewhere it must look like a name, and the slot must take names without a mark.
        name = word if phrasing.is_person(word) and (slot.labels or slot.kind is Kind.PEOPLE) else None
    if name is None:
        return False
    filling.put(slot, name if slot.kind is Kind.PERSON else [name], word)
    return True


def _person(word: str) -> str | None:
    if word in phrasing.SELF:
        return "self"
    # 去掉李建国的流动: nobody's name ends so.
    word = word.removesuffix("的")
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
