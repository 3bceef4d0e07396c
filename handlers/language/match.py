"""Which command a message means, and whether it means one at all.

A message is *addressed* (mention, direct message, quotation of the bot) or *overheard*. Addressed: the verb
may stand anywhere, and what is close is asked about. Overheard: only what reads from end to end as this
person's own command, about a thing that exists and is open now, is acted on; any doubt is silence.

The features' routers declare verbs and slots; nothing here knows a feature.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from handlers.chat import Command, Quote, Router
from handlers.language import filling, phrasing
from handlers.language.deciding import Reading, Scene, Understanding, Verb, decide, nothing
from handlers.language.filling import Filling, Plan
from handlers.language.normalise import Typed, normalise
from handlers.language.numerals import NUMERAL
from handlers.language.slots import Kind
from handlers.language.surroundings import OpenObject, Surroundings

if TYPE_CHECKING:
    from models.members import Role

__all__ = ["Grammar", "OpenObject", "Surroundings", "Understanding"]

OCCURRENCES = 5
"""Verbs of one message that are looked at."""
LEAD = 24
"""Characters that may stand before the verb of an overheard command (`14那个活动 我 报名`)."""
SEVERAL = 300
"""Characters of a message that may hold several commands."""
BETWEEN = 10
"""Characters between the halves of a verb that was taken apart."""
VALUE = 40
"""Characters of an answer to an open question."""
CUTS = 5
"""Places at which such a message is cut; one of more is a tale."""


class Grammar:
    """The commands of all features, indexed by their verbs. Built once."""

    def __init__(self, routers: Sequence[Router]) -> None:
        """Raises ValueError where two commands claim the same verb; the error names both."""
        self._verbs: dict[str, Verb] = {}
        self._plans: dict[str, Plan] = {}
        for router in routers:
            for command in router:
                self._declare(command)
        for verb in [*self._verbs.values()]:
            self._declare_split(verb)
        self._declare_gestures(phrasing.JOINING, phrasing.JOINS)
        self._declare_gestures(phrasing.LEAVING, phrasing.LEAVES)
        self._halves = self._find_halves()
        words = sorted(self._verbs, key=lambda word: (-len(word), word))
        self._search = re.compile("|".join(map(self._pattern, words)) or r"(?!)").finditer
        self._firsts = frozenset(word[0] for word in words)
        self._by_first: dict[str, tuple[str, ...]] = {
            first: tuple(word for word in words if word[0] == first) for first in self._firsts
        }

    def _declare(self, command: Command) -> None:
        plan = Plan.of(command)
        self._plans.setdefault(command.intent, plan)
        for word in command.verbs:
            plain = normalise(word, ()).text
            if not plain:
                raise ValueError(f"the command {command.intent} declares an empty verb")
            claimed = self._verbs.get(plain)
            if claimed is not None and claimed.plans[0].command is not command:
                other = claimed.plans[0].command
                raise ValueError(
                    f"两个命令都用了“{plain}”: {other.intent} ({_place(other)}) 和 {command.intent} ({_place(command)})"
                )
            takes_away = plain[0] in "扣减" and any(slot.kind is Kind.POINTS for slot in command.slots)
            self._verbs[plain] = Verb(plain, (plan,), sign=-1 if takes_away else 1)

    def _declare_split(self, verb: Verb) -> None:
        """加分 is also typed around its number: 加5分, 扣两分."""
        if (
            len(verb.word) == 2
            and verb.word[1] == "分"
            and any(slot.kind is Kind.POINTS for slot in verb.plans[0].bare)
        ):
            self._verbs.setdefault(verb.word[0], replace(verb, word=verb.word[0]))

    def _declare_gestures(self, words: Sequence[str], meanings: dict[str, str]) -> None:
        plans = tuple(
            plan
            for kind, intent in meanings.items()
            if (plan := self._plans.get(intent)) is not None and kind in plan.kinds
        )
        if plans:
            for word in words:
                self._verbs.setdefault(word, Verb(word, plans, gesture=True))

    def _pattern(self, word: str) -> str:
        if len(word) == 1 and f"{word}分" in self._verbs:
            return rf"{word}(?=了?{NUMERAL}个?积?分(?![钟之]))"
        if len(word) in (2, 4) and not self._verbs[word].gesture:
            middle = len(word) // 2
            return rf"{re.escape(word[:middle])}(?:{_INSERTED})?{re.escape(word[middle:])}"
        return re.escape(word)

    def _verb(self, occurrence: re.Match[str]) -> Verb:
        """The verb that was typed, also with something in its middle: 报个名, 发布一个活动."""
        return self._verbs.get(occurrence[0]) or self._verbs[re.sub(_INSERTED, "", occurrence[0], count=1)]

    def _find_halves(self) -> re.Pattern[str]:
        """取消报名 is also typed around its object: 取消12的报名, 把12的报名取消."""
        pairs = {
            (head, word.removeprefix(head))
            for word in self._verbs
            for head in phrasing.UNDOING
            if word.startswith(head) and word.removeprefix(head) in self._verbs
        }
        heads = "|".join(sorted({re.escape(head) for head, _ in pairs})) or r"(?!)"
        tails = "|".join(sorted({re.escape(tail) for _, tail in pairs})) or r"(?!)"
        return re.compile(
            rf"(?P<head>{heads})(?P<between>(?:(?!{tails})[^\n;]){{1,{BETWEEN}}}?)的?(?P<tail>{tails})"
            rf"|(?:把)?(?P<ahead>[^\n;,]{{0,{BETWEEN}}}?)的?(?P<noun>{tails})(?:给我)?(?P<act>{heads})(?!{tails})"
        )

    def _rejoined(self, text: str) -> str:
        """The text with a verb that was taken apart put together again."""
        if not any(head in text for head in phrasing.UNDOING) or (match := self._halves.search(text)) is None:
            return text
        verb = (match["head"] or match["act"]) + (match["tail"] or match["noun"])
        thing = match["between"] if match["head"] else match["ahead"]
        if verb not in self._verbs:
            return text
        return f"{text[: match.start()]}{verb} {thing.strip()} {text[match.end() :]}".strip()

    # Looking

    def could_be_command(self, text: str) -> bool:
        """Whether anything in a normalised text can be a command or an answer. False is chatter."""
        if not self._firsts.isdisjoint(text) and next(self._search(text), None) is not None:
            return True
        return len(text) <= phrasing.ANSWER_LENGTH and phrasing.answer(text) is not None

    def could_fill(self, text: str) -> bool:
        """Whether a normalised text may answer a question for a place, a room or a phone: worth a look at the books."""
        return len(text) <= VALUE and _VALUE.search(text) is not None

    def can_fill(self, command: Command, name: str | None) -> bool:
        """Whether a slot is of a kind that is unmistakable when it stands alone."""
        return any(slot.name == name and slot.kind in (Kind.UNIT, Kind.ROOM, Kind.DIGITS) for slot in command.slots)

    def fill(
        self, command: Command, slots: dict[str, Any], text: str, *, world: Surroundings, now: datetime
    ) -> dict[str, Any] | None:
        """The slots of an open question with what a text adds; None where the text is no answer and nothing else.

        A place that is named again, with or without its building, takes the place of the one before.
        """
        places = {slot.name for slot in command.slots if slot.kind is Kind.UNIT}
        building = next((str(slots[name]) for name in places if name in slots), "")
        if building and _DOOR.match(text):
            text = building.partition("栋")[0] + "栋" + text
        filled = Filling(self._plans[command.intent], text, now, world)
        filled.slots |= {name: value for name, value in slots.items() if name not in places}
        before = dict(filled.slots)
        filling.fill(filled, _SAID.match(text).end(), self._verb_begins)  # type: ignore[union-attr]
        if filled.left or filled.choices or filled.slots == before:
            return None
        return slots | filled.slots

    def understand(
        self,
        typed: Typed,
        *,
        addressed: bool,
        world: Surroundings,
        now: datetime,
        quote: Quote | None = None,
        role: "Role | None" = None,
    ) -> Understanding:
        """What the message means. Never raises."""
        text = self._rejoined(typed.text)
        shown, kind = _shown(typed, quote, world)
        scene = Scene(world, now, addressed, shown, kind, role)
        if (answered := self._answer(text, scene, quote)) is not None:
            return answered
        found = self._occurrences(text)
        if not found:
            return self._near(text, scene) or nothing(text, scene)
        reading = self._best(text, found, scene)
        if len(found) > 1 and (several := self._several(text, reading, scene)):
            return several
        if reading is None:
            return nothing(text, scene)
        return decide(reading, text, scene)

    def _answer(self, text: str, scene: Scene, quote: Quote | None) -> Understanding | None:
        """是, 不是 or a number: whether anything was asked, the caller knows."""
        answer = phrasing.answer(text)
        if answer is None:
            return None
        verb = self._verbs.get(text)
        command = verb.plans[0].command if verb and not verb.gesture else None
        if command is not None and command.intent != "confirm":
            return None
        if answer is False and text == "取消" and scene.shown and (plan := self._plan_for(phrasing.LEAVES, scene)):
            # 取消 under a card takes back what the card offers.
            return decide(self._read(Verb(text, (plan,), gesture=True), plan, text, "", 2, scene), text, scene)
        slots: dict[str, Any] = {"yes": answer} if isinstance(answer, bool) else {"number": answer}
        if quote is not None and quote.ref.startswith("draft:"):
            slots["draft"] = quote.ref.removeprefix("draft:")
        return Understanding("confirm", slots, command, why=(f"“{text}” answers a question: {slots}",))

    def _plan_for(self, meanings: dict[str, str], scene: Scene) -> Plan | None:
        intent = meanings.get(scene.shown_kind)
        return self._plans.get(intent) if intent else None

    def _occurrences(self, text: str) -> list[re.Match[str]]:
        """The verbs in the text from left to right, the longest at each place."""
        found: list[re.Match[str]] = []
        if self._firsts.isdisjoint(text):
            return found
        at = 0
        while len(found) < OCCURRENCES and (match := next(self._search(text, at), None)):
            found.append(match)
            # A gesture may hide a command: 我报名 is no 我报.
            at = match.start() + 1 if self._verb(match).gesture else match.end()
        return found

    def _verb_begins(self, text: str, at: int) -> bool:
        return any(text.startswith(word, at) for word in self._by_first.get(text[at], ()))

    # Reading

    def _best(self, text: str, found: list[re.Match[str]], scene: Scene) -> Reading | None:
        """The reading that leaves least of the sentence unexplained; of equals, the earliest."""
        best: Reading | None = None
        for occurrence in found:
            before = text[: occurrence.start()]
            if not scene.addressed and len(before) > LEAD:
                break
            verb = self._verb(occurrence)
            for plan in self._meant(verb, before, text, occurrence.end(), scene):
                reading = self._read(verb, plan, text, before, occurrence.end(), scene)
                if best is None or _rank(reading) < _rank(best):
                    best = reading
            if best is not None and best.complete and best.left == 0:
                break
        return best

    def _meant(self, verb: Verb, before: str, text: str, at: int, scene: Scene) -> Iterator[Plan]:
        """A verb means its command; a gesture means the command of the thing that is shown or named."""
        if not verb.gesture:
            yield from verb.plans
            return
        fitting = [
            plan
            for plan in verb.plans
            if scene.shown_kind in plan.kinds
            or (not scene.shown_kind and _names_a_thing(before, text[at:], plan, scene))
        ]
        # Said to the bot without naming anything, a gesture is worth the question which one.
        yield from fitting or (verb.plans[:1] if scene.addressed and not scene.shown_kind else ())

    def _read(self, verb: Verb, plan: Plan, text: str, before: str, at: int, scene: Scene) -> Reading:
        """Fills the command's slots from both sides of the verb."""
        negated = None
        if opposite := self._opposite(plan):
            negated = _NEGATION.search(before)
            plan, before = (opposite, before[: negated.start()]) if negated else (plan, before)
        shown = scene.shown if scene.shown and scene.shown.kind in plan.kinds else None
        filled = Filling(plan, text, scene.now, scene.world, shown, verb.sign)
        rest = _before_verb(filled, before)
        filling.fill(filled, at, self._verb_begins)
        if plan.object is not None and plan.object.name not in filled.slots and shown and not filled.choices:
            filled.slots[plan.object.name] = shown.number
            filled.notes.append(f"{plan.object.name} = {shown.number} (quoted)")
        missing = tuple(slot for slot in plan.command.slots if slot.required and slot.name not in filled.slots)
        told = not filled.slots and (negated is not None or (before[:1] in ("我", "俺") and text.startswith("了", at)))
        return Reading(verb, plan, filled, missing, rest, told)

    def _opposite(self, plan: Plan) -> Plan | None:
        """不参加12了 is not joining, but stepping back."""
        for kind, intent in phrasing.JOINS.items():
            if plan.command.intent == intent:
                return self._plans.get(phrasing.LEAVES.get(kind, ""))
        return None

    def _near(self, text: str, scene: Scene) -> Understanding | None:
        """Said to the bot, and a slip away from a verb: one character of many, or two that changed places."""
        if not scene.addressed:
            return None
        at = _skip_courtesy(text, 0)
        # A slip leaves some character of the verb, which spares nearly all verbs the closer look: here ends all talk
        # that was said to the bot and means nothing.
        typed = set(text[at:])
        near = {
            verb.plans[0].command
            for word, verb in self._verbs.items()
            if not verb.gesture and not typed.isdisjoint(word) and _is_slip(text[at : at + len(word)], word)
        }
        if len(near) != 1:
            return None
        command = near.pop()
        say = f"您是想 {command.verbs[0]} 吗？可以这样说：{command.usage or command.verbs[0]}"
        return Understanding(command.intent, outcome="ask", say=say, why=(f"close to {command.verbs[0]}",))

    # Several commands in one message

    def _several(self, text: str, whole: Reading | None, scene: Scene) -> Understanding | None:
        """Cuts at lines and semicolons, else at connectives and blanks, where every piece is a command."""
        if len(text) > SEVERAL:
            return None
        pieces = self._pieces(text, _LINES, scene)
        if pieces is None and not (whole and whole.complete):
            pieces = self._pieces(text, _CONNECTIVES, scene)
        if pieces is None:
            return None
        decided = [decide(reading, piece, scene) for reading, piece in pieces]
        decided = [one for several in decided for one in (replace(several, also=()), *several.also)]
        if not scene.addressed and any(one.outcome == "ignore" for one in decided):
            return None
        first, *rest = decided
        return replace(first, also=tuple(rest))

    def _pieces(self, text: str, separators: re.Pattern[str], scene: Scene) -> list[tuple[Reading, str]] | None:
        """The text as two or more whole commands, each as long as it can be; None: it is no such thing."""
        cuts = [cut.span() for cut in separators.finditer(text) if self._command_follows(text, cut.end())]
        if not cuts or len(cuts) > CUTS:
            return None
        starts = (0, *(end for _, end in cuts))
        ends = (*(start for start, _ in cuts), len(text))

        @cache
        def from_piece(first: int) -> tuple[tuple[Reading, str], ...] | None:
            if first == len(starts):
                return ()
            for last in reversed(range(first, len(ends))):
                if (first, last) == (0, len(ends) - 1):
                    continue
                piece = text[starts[first] : ends[last]].strip(phrasing.BLANKS)
                reading = self._best(piece, self._occurrences(piece), scene)
                if reading and reading.complete and (rest := from_piece(last + 1)) is not None:
                    return ((reading, piece), *rest)
            return None

        found = from_piece(0)
        return list(found) if found else None

    def _command_follows(self, text: str, at: int) -> bool:
        """Whether a verb stands in the next few characters, before the next blank or mark."""
        match = next(self._search(text, _skip_courtesy(text, at)), None)
        return match is not None and match.start() - at <= LEAD


_VALUE = re.compile(r"[0-9]{3}|[零〇一二三四五六七八九]{3}|[0-9零〇一二三四五六七八九十A-Za-z](?:栋|幢|座|号楼|单元|#)")
_DOOR = re.compile(rf"{NUMERAL}[ ]?(?:单元|门栋|门(?!牌))")
_SAID = re.compile(r"(?:我家?|俺家?)?(?:的(?=手机|电话))?(?:(?:住|是|在)+)?[ ]*(?:(?:房间?|门牌)号?(?:是|:)?[ ]*)?")
"""What people say before the value that they were asked for."""
_NEGATION = re.compile(r"不(?:想|要|能|再|打算|用)?(?:再|去)?\Z")
_INSERTED = "了?一?[个下]|一[场次]"
_LINES = re.compile(r"\n|[;；]")
_CONNECTIVES = re.compile(
    r"[ ,.;!。]*(?:然后|顺便|另外|还有|并且|同时|接着|随后|以及|再(?!见|说|来))(?:再|给我|帮我)?[ ,]*"
    r"|[ ,.;!\n]+"
)


def _is_slip(typed: str, verb: str) -> bool:
    if len(typed) != len(verb) or len(verb) < 2:
        return False
    wrong = [at for at in range(len(verb)) if typed[at] != verb[at]]
    if len(verb) >= 3 and len(wrong) == 1:
        return True
    return len(wrong) == 2 and typed[wrong[0]] == verb[wrong[1]] and typed[wrong[1]] == verb[wrong[0]]


def _place(command: Command) -> str:
    return getattr(command.handler, "__module__", "?")


def _rank(reading: Reading) -> tuple[bool, int, int]:
    return (not reading.complete, reading.left, len(reading.missing))


def _shown(typed: Typed, quote: Quote | None, world: Surroundings) -> tuple[OpenObject | None, str]:
    """The thing that a quoted message shows: by its reference, else by the one name that stands in it."""
    if quote is not None and quote.ref:
        kind, _, number = quote.ref.partition(":")
        if number.isascii() and number.isdecimal() and len(number) <= 9:
            return world.by_number.get((kind, int(number))) or OpenObject(kind, int(number), open=False), kind
        return None, kind
    text = typed.quoted or (quote.text if quote is not None else "")
    thing = world.shown_in(text) if text else None
    return (thing, thing.kind) if thing else (None, "")


def _names_a_thing(before: str, after: str, plan: Plan, scene: Scene) -> bool:
    """Whether a gesture has a thing of its own beside it: `14 我也来`, `清洁家园 算我一个`."""
    return any(
        filling.names_thing(Filling(plan, side, scene.now, scene.world), _skip_courtesy(side, 0))
        for side in (before, after)
    )


def _skip_courtesy(text: str, at: int) -> int:
    match = phrasing.COURTESY_AHEAD.match(text, at)
    return match.end() if match else at


_FOR = re.compile(
    r"(?:(?P<for>替|帮|代|给|把|为)[ ]?|(?<![\u4e00-\u9fff]))@?(?P<home>[0-9]{3,4}室?的)?"
    r"(?P<names>[\u4e00-\u9fff·]{2,6}?(?:[、,和跟与及 ]+[\u4e00-\u9fff·]{2,6}?)*|[A-Za-z]{2,20})"
    r"[ ]*(?:各|每人|都)?[ ]*\Z"
)


def _person_before(filled: Filling, before: str, at: int) -> int | None:
    """Fills the person for whom something is done (`替王秀英`, `给李建国和孙丽各`); where that begins."""
    slot = next((slot for slot in filled.plan.words if slot.kind in (Kind.PERSON, Kind.PEOPLE)), None)
    match = _FOR.search(before, at) if slot is not None else None
    if slot is None or match is None or not (match["for"] or slot.required):
        return None
    names = re.split("[、,和跟与及 ]+", match["names"])
    if not all(map(phrasing.is_name, names)):
        return None
    names[0] = (match["home"] or "") + names[0]
    if slot.kind is Kind.PEOPLE:
        filled.put(slot, names, match[0])
    else:
        filled.put(slot, names[0], match[0])
        filled.again.extend((slot, name) for name in names[1:])
    return match.start()


def _before_verb(filled: Filling, before: str) -> str:
    """Reads what stands before the verb (`请`, `14 报名`, `替王秀英 签到`) and returns what it cannot."""
    if not before:
        return ""
    for name in filled.world.names:
        before = before.removeprefix(name)
    if (at := _skip_courtesy(before, 0)) == len(before):
        return ""
    if (start := _person_before(filled, before, at)) is not None:
        before = before[:start]
        at = _skip_courtesy(before, 0)
    while at < len(before) and (end := filling.read_leading(filled, before, at)) is not None:
        at = _skip_courtesy(before, end)
    return before[at:].strip(phrasing.BLANKS)
