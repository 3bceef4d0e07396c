"""What is done about a sentence once its best reading is known: act, ask, refuse the role, or keep silent.

Overheard talk has to convince; to somebody who addressed the bot it owes an answer. Nothing is written on a
guess.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from handlers.chat import Command
from handlers.language import dates, phrasing
from handlers.language.filling import Filling, Plan
from handlers.language.filling import missing as lacking
from handlers.language.slots import Kind, Slot
from handlers.language.surroundings import WORK, OpenObject, Surroundings
from models.clock import local

if TYPE_CHECKING:
    from models.members import Role

CLOSE = 12
"""Unexplained characters with which a command that only reads is still answered."""
OPTIONS = 9
"""Things that one question offers."""

HELP = "没太听懂。回复 帮助 看看我能做什么。"
GREET = "您好！要办什么事，直接告诉我；回复 帮助 看看我能做什么。"
WELCOME = "不客气！"
QUESTIONS = {
    Kind.OBJECT: "是哪一个？请回复编号。",
    Kind.NUMBER: "是哪一个编号？",
    Kind.COUNT: "一共几个人？",
    Kind.POINTS: "多少分？",
    Kind.PERSON: "请告诉我姓名。",
    Kind.PEOPLE: "请告诉我姓名。",
    Kind.UNIT: "在哪一栋？比如 3栋。",
    Kind.ROOM: "房号是多少？",
    Kind.DIGITS: "手机号后四位是多少？比如 1234。",
    Kind.WHEN: "什么时间？比如 周六9点。",
    Kind.PERIOD: "看哪段时间？比如 本月。",
    Kind.DURATION: "多长时间？比如 两小时。",
    Kind.CHOICE: "请选一个。",
    Kind.TITLE: "叫什么名字？",
    Kind.PLACE: "在什么地方？",
    Kind.TEXT: "请写上内容。",
}
"""What is asked for a missing slot that brings no question of its own."""


@dataclass(frozen=True, slots=True)
class Understanding:
    """What a message means and what is to be done about it.

    `outcome` is `act`, `ask`, `ignore` or `deny`. For `ask`, `say` is the question, and `slot` the slot
    that the answer fills; `options` are the numbers of the things that the answers 1.. mean. Where no
    command is given, `say` is a hint and nothing is pending. For `act`, `say` is what those hear who may not do it.
    """

    intent: str
    slots: dict[str, Any] = field(default_factory=dict)
    command: Command | None = None
    outcome: str = "act"
    say: str = ""
    options: tuple[int, ...] = ()
    slot: str | None = None
    also: tuple["Understanding", ...] = ()
    why: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    """What the options are called, one each."""


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb as it may be typed, and what it means."""

    word: str
    plans: tuple[Plan, ...] = ()
    """One command; for a gesture, the command that it means for each kind of object."""
    gesture: bool = False
    shown: tuple[Plan, ...] = ()
    """What a verb means instead, as a gesture under a card of such a thing."""
    sign: int = 1

    def heard(self, plan: Plan) -> bool:
        """Whether it counts in talk that was only overheard: a question is put to the neighbours."""
        command = plan.command
        return self.word in command.aloud or (command.overheard and not phrasing.ASKS.search(self.word))


@dataclass(slots=True)
class Reading:
    """One way to read a sentence as a command."""

    verb: Verb
    plan: Plan
    filled: Filling
    missing: tuple[Slot, ...]
    told: bool = False
    """`我报名了` or `不想报名` with nothing else: somebody tells what they have done or will not do."""

    @property
    def left(self) -> int:
        return sum(map(len, self.filled.left)) + len(self.filled.before)

    @property
    def lacking(self) -> bool:
        """Something that the command needs is missing, other than the object, which can be chosen."""
        return any(slot is not self.plan.object for slot in self.missing)

    @property
    def loose(self) -> bool:
        """Much of the sentence is not explained: another reading may do better."""
        return bool(self.left) or self.lacking

    @property
    def complete(self) -> bool:
        """Everything was understood, and everything but the choice of the object is there."""
        return not (self.filled.left or self.filled.before or self.lacking)


@dataclass(frozen=True, slots=True)
class Scene:
    """All that stands around a message."""

    world: Surroundings
    now: datetime
    addressed: bool
    shown: OpenObject | None
    shown_kind: str
    role: "Role | None"
    part: str = ""
    """Which part of the shown thing: `q1` of a survey, `2` of the remark 5-2."""


NOTHING_OVERHEARD = Understanding(
    "smalltalk", outcome="ignore", why=("overheard, and no verb of any command stands in it",)
)


def nothing(text: str, scene: Scene) -> Understanding:
    """No command: chatter, or somebody who needs help."""
    if not scene.addressed:
        return NOTHING_OVERHEARD
    if phrasing.GREETING.fullmatch(text):
        return Understanding("smalltalk", outcome="ask", say=GREET, why=("a greeting",))
    if phrasing.THANKS.fullmatch(text):
        return Understanding("smalltalk", outcome="ask", say=WELCOME, why=("thanks",))
    return Understanding(
        "smalltalk", outcome="ask", say=HELP, why=("addressed, and no verb of any command stands in it",)
    )


def decide(reading: Reading, text: str, scene: Scene) -> Understanding:
    """What to do with the best reading."""
    command, filled = reading.plan.command, reading.filled
    why = [f"“{reading.verb.word}” is {command.intent}", *filled.notes]
    if not scene.addressed and (doubt := _overheard_doubt(reading, text, scene)):
        return Understanding("smalltalk", outcome="ignore", why=(*why, f"overheard: {doubt}"))
    foreign = [aside for aside in filled.asides if not phrasing.is_own_aside(aside)]
    unexplained = " ".join(filter(None, (filled.before, *filled.left, *foreign)))
    if (ahead := reading.plan.ahead) is not None and _mistimed(reading, ahead, unexplained, scene):
        return Understanding(command.intent, filled.slots, None, "ask", say=ahead.ask, why=(*why, "when is not clear"))
    question = (phrasing.DOUBT.search(unexplained) or phrasing.ASKED.search(text)) if unexplained else None
    if question is not None and (hint := _close(reading, unexplained, question, why, scene)):
        return hint
    if _beyond(scene.role, command):
        why.append(f"needs the role {command.role}, this is {scene.role}")
        return Understanding(command.intent, filled.slots, command, "deny", why=tuple(why))
    if asked := _which(reading, scene, why):
        return asked
    if unexplained and question is None and (hint := _close(reading, unexplained, None, why, scene)):
        return hint
    if asked := _missing(reading, why):
        return asked
    again = tuple(
        Understanding(command.intent, {**filled.slots, slot.name: value}, command) for slot, value in filled.again
    )
    return Understanding(command.intent, filled.slots, command, "act", also=again, why=tuple(why))


def _mistimed(reading: Reading, ahead: Slot, unexplained: str, scene: Scene) -> bool:
    """Whether a time was said and is not sure: without it, or with another one, the command would not be this one."""
    filled = reading.filled
    beside = " ".join((filled.before, *filled.asides))
    return (bool(unexplained) and ahead.name in filled.slots) or dates.find(beside, scene.now) is not None


def _overheard_doubt(reading: Reading, text: str, scene: Scene) -> str:
    """Why an overheard sentence is not taken for a command; empty where it reads as one from end to end."""
    return _doubt_of_words(reading, text) or _doubt_of_things(reading, scene)


def _doubt_of_words(reading: Reading, text: str) -> str:
    command, filled, plan = reading.plan.command, reading.filled, reading.plan
    if not reading.verb.heard(plan):
        return "this command is only for messages to the bot"
    if not command.overheard and (reading.lacking or filled.asides):
        return "an official command has to be complete"
    if phrasing.QUOTING.match(text):
        return "it is quoted"
    if filled.before:
        return f"“{filled.before}” stands before the verb"
    if filled.left:
        return f"“{' '.join(filled.left)}” is no part of the command"
    when = filled.slots.get(plan.ahead.name) if plan.ahead is not None else None
    if when is not None and text.find(when) < text.find(reading.verb.word):
        # 每天早上广播 全体 都烦死了
        return "a day before the verb tells something"
    free = plan.text or plan.reason or plan.titled
    if not free and not phrasing.ASKS.search(reading.verb.word) and (question := phrasing.ASKS.search(text)):
        return f"“{question[0]}” makes it a question"
    if reading.told:
        return "it tells something and names nothing to be done"
    if filled.glued_text:
        return "the text follows the verb without a blank"
    if not filled.slots and not command.bare and not filled.choices:
        return "the verb alone means nothing"
    if reading.lacking:
        return "something that the command needs is missing"
    return ""


def _doubt_of_things(reading: Reading, scene: Scene) -> str:
    command, filled, plan = reading.plan.command, reading.filled, reading.plan
    named = False
    for slot in dict.fromkeys(plan.objects.values()):
        number = filled.slots.get(slot.name)
        named = named or number is not None
        if isinstance(number, int):
            thing = scene.world.thing(tuple(slot.of.split("|")), number)
            if thing is None or (command.writes and not thing.open):
                return f"there is no open {slot.of} {number}"
            if thing.kind == "post" and reading.verb.gesture and not scene.shown and not _speaks_of(thing, filled.text):
                # 3号我要了 is said to whoever sells cabbages.
                return "a bare number is no post"
    for slot, further in filled.again:
        if slot.kind is Kind.OBJECT:
            thing = scene.world.thing(tuple(slot.of.split("|")), further)
            if thing is None or not thing.open:
                return f"there is no open {slot.of} {further}"
    for aside in filled.asides:
        if not (named and phrasing.is_own_aside(aside)):
            return f"“{aside}” is no part of the command"
    if named or filled.choices or not _needs_object(plan):
        return ""
    possible = scene.world.possible(_own(plan), command.intent)
    if not possible:
        return f"no {'/'.join(plan.kinds)} is open for it now"
    if filled.day is not None and not any(_is_on(thing, filled.day) for thing in possible):
        return "nothing is on that day"
    explained = plan.reason is not None and plan.reason.name in filled.slots
    if len(possible) > 1 and (explained or not command.bare):
        return "which one is meant is not said"
    return ""


def _speaks_of(thing: OpenObject, text: str) -> bool:
    """Whether a text has a word for work in it, or two characters of the thing's name."""
    return WORK.search(text) is not None or any(thing.name[at : at + 2] in text for at in range(len(thing.name) - 1))


def _is_on(thing: OpenObject, day: date) -> bool:
    return thing.starts_at is not None and local(thing.starts_at).date() == day


def _own(plan: Plan) -> tuple[str, ...]:
    """The kinds from which a choice is offered: those of the first object."""
    return tuple(plan.object.of.split("|")) if plan.object is not None and plan.object.of else plan.kinds


def _beyond(role: "Role | None", command: Command) -> bool:
    """Whether the command needs a higher role than this one; where the role is not known, others check it."""
    return command.role is not None and role is not None and role.rank < command.role.rank


def _needs_object(plan: Plan) -> bool:
    target = plan.object
    return target is not None and bool(target.of) and target.chosen and (target.required or plan.command.writes)


def _which(reading: Reading, scene: Scene, why: list[str]) -> Understanding | None:
    """Fills the object where only one is possible; asks where there are several."""
    plan, filled, command = reading.plan, reading.filled, reading.plan.command
    if plan.object is None or any(slot.name in filled.slots for slot in plan.objects.values()):
        return None
    if not filled.choices and (not _needs_object(plan) or (not command.bare and not filled.slots)):
        return None
    possible = filled.choices or scene.world.possible(_own(plan), command.intent)
    if filled.day is not None:
        that_day = tuple(one for one in possible if one.starts_at is None or _is_on(one, filled.day))
        possible = that_day or possible
    if not possible:
        why.append(f"no {'/'.join(plan.kinds)} is open for it now")
        return None
    if len(possible) == 1:
        filled.slots[plan.objects.get(possible[0].kind, plan.object).name] = possible[0].number
        why.append(f"{plan.object.name} = {possible[0].number} (the only one that is open for it)")
        return None
    offered = possible[:OPTIONS]
    why.append(f"{len(possible)} are possible: {', '.join(str(thing.number) for thing in offered)}")
    return Understanding(
        command.intent,
        filled.slots,
        command,
        "ask",
        say=_offer(command, offered),
        options=tuple(thing.number for thing in offered),
        labels=tuple(thing.name or f"{thing.number}号" for thing in offered),
        slot=plan.object.name,
        why=tuple(why),
    )


def _offer(command: Command, offered: Sequence[OpenObject]) -> str:
    """The question with its numbered choices, on at most four lines."""
    lines = [f"{place} {thing.number}号 {thing.name}".rstrip() for place, thing in enumerate(offered, start=1)]
    wide = -(-len(lines) // 3)
    rows = ["  ".join(lines[at : at + wide]) for at in range(0, len(lines), wide)]
    return "\n".join([f"{command.verbs[0]} 哪一个？请回复数字：", *rows])


def _close(
    reading: Reading, unexplained: str, doubt: re.Match[str] | None, why: list[str], scene: Scene
) -> Understanding | None:
    """An addressed sentence with words that the command does not explain: is it meant all the same?

    Reading does no harm. Writing is done only where the rest stands apart and raises no doubt; else the
    answer shows how it would be said.
    """
    command, filled = reading.plan.command, reading.filled
    why.append(f"“{unexplained}” is not explained by it")
    if doubt is not None:
        why.append(f"“{doubt[0]}” makes it a question or a report")
    if not command.writes and len(unexplained) <= CLOSE:
        return None
    ready = bool(filled.slots) and not reading.lacking
    if ready and not doubt and not filled.before and not filled.left:
        return None
    if ready and command.writes and doubt is None and not command.confidential:
        say = f"您是想 {said_again(reading, scene)} 吗？是就回复 是。"
        return Understanding(command.intent, filled.slots, command, "ask", say=say, why=tuple(why))
    sample = said_again(reading) if ready and not command.confidential else command.usage or command.verbs[0]
    say = f"您是想 {command.verbs[0]} 吗？可以这样说：{sample}"
    # A hint runs nothing: its things are only shown, by their numbers as they are written.
    things = {slot.name for slot in command.slots if slot.kind is Kind.OBJECT}
    slots = {name: str(value) if name in things else value for name, value in filled.slots.items()}
    return Understanding(command.intent, slots, None, "ask", say=say, why=tuple(why))


def said_again(reading: Reading, scene: Scene | None = None) -> str:
    """The command in its plain form, as it was understood; things by number and name where the scene is known."""
    plan, slots = reading.plan, reading.filled.slots
    words = [plan.command.verbs[0]]
    for slot in plan.command.slots:
        value = slots.get(slot.name)
        if value is None or value is True:
            continue
        thing = scene.world.thing(tuple(slot.of.split("|")), value) if scene and slot.kind is Kind.OBJECT else None
        words.append(
            f"{value}号 {thing.name}" if thing else "、".join(value) if isinstance(value, list) else str(value)
        )
    # What was typed in many lines is known by its first.
    first, *more = " ".join(words).split("\n")
    return f"{first}……" if more else first


def _missing(reading: Reading, why: list[str]) -> Understanding | None:
    """Asks for the first slot that the command needs and does not have."""
    command, filled = reading.plan.command, reading.filled
    missing = next(iter(lacking(filled)), None)
    if missing is not None:
        why.append(f"{missing.name} is missing")
        say = missing.ask or QUESTIONS[missing.kind]
        if not filled.slots and command.usage:
            say = f"{say}\n比如：{command.usage}"
        return Understanding(command.intent, filled.slots, command, "ask", say=say, slot=missing.name, why=tuple(why))
    if not filled.slots and not command.bare:
        why.append("the verb alone means nothing")
        say = f"可以这样说：{command.usage or command.verbs[0]}"
        return Understanding(command.intent, filled.slots, None, "ask", say=say, why=tuple(why))
    return None
