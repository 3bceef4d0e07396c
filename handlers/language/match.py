"""Which command a message means, and whether it means one at all.

A message is *addressed* (mention, direct message, quotation of the bot) or *overheard*. Addressed: the verb
may stand anywhere, and what is close is asked about. Overheard: only what reads from end to end as this
person's own command, about a thing that exists and is open now, is acted on; any doubt is silence.

The features' routers declare verbs and slots; nothing here knows a feature.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from handlers.chat import Command, Quote, Router
from handlers.language import dates, filling, phrasing, places, roll_call
from handlers.language.deciding import (
    NOTHING_OVERHEARD,
    Reading,
    Scene,
    Understanding,
    Verb,
    decide,
    nothing,
    said_again,
)
from handlers.language.filling import Filling, Plan
from handlers.language.normalise import Typed, normalise
from handlers.language.numerals import CHINESE, NUMERAL
from handlers.language.readers import READERS, before_category
from handlers.language.slots import Kind, Slot
from handlers.language.sounds import Sounds
from handlers.language.surroundings import WORK, OpenObject, Surroundings
from models.clock import local

if TYPE_CHECKING:
    from models.members import Role

__all__ = ["Grammar", "OpenObject", "Surroundings", "Understanding"]

OCCURRENCES = 5
"""Verbs of one message that are looked at."""
FEW = 2
"""Verbs that are looked at in a message too long to hold several commands."""
FILLED_IN = frozenset((Kind.SCORE, Kind.ANSWERS, Kind.BALLOT))
"""What is answered to a card without any verb."""
LISTENED = 60
"""Characters of a message to the bot in which a misheard verb is looked for."""
SLIPS = 3
"""Misheard verbs that are tried."""
SLIPPED = 24
"""Characters of overheard talk in which a misheard verb is looked for."""
LONGEST_SLIP = 6
"""Characters of a verb in which a slip is looked for."""
LEAD = 24
"""Characters that may stand before the verb of an overheard command (`14那个活动 我 报名`)."""
HOW_MORE = 12
"""Characters beside the verb in a question about how it is done."""
SEVERAL = 300
"""Characters of a message that may hold several commands."""
BESIDE = 40
"""Characters on each side of a gesture in which its thing is looked for."""
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
        plans = [Plan.of(command) for router in routers for command in router]
        for plan in plans:
            self._declare(plan)
        for verb in [*self._verbs.values()]:
            self._declare_split(verb)
        self._declare_gestures(plans)
        self._halves = self._find_halves()
        words = sorted(self._verbs, key=lambda word: (-len(word), word))
        self._search = re.compile(_trie([word for word in words if not self._is_half(word)])).finditer
        self._split = re.compile("|".join(filter(None, map(self._pattern, words))) or r"(?!)").finditer
        self._firsts = frozenset(word[0] for word in words)
        overheard = [word for word, verb in self._verbs.items() if any(verb.heard(plan) for plan in verb.plans)]
        self._overheard = re.compile(_trie([word for word in overheard if not self._is_half(word)])).search
        self._overheard_firsts = frozenset(word[0] for word in overheard)
        self._longest = re.compile(_trie([word for word in words if len(word) > 1])).match
        self._cues = {normalise(cue, ()).text: plan for plan in plans for cue in plan.command.cues}
        self._cue = self._find_cue(lambda command: command.writes and not command.asks)
        self._asking_cue = self._find_cue(lambda command: not (command.writes or command.asks))
        self._kind_cue = self._find_cue(lambda command: command.asks)
        self._near_verbs = self._find_slips()
        self._sounds = Sounds(word for word, verb in self._verbs.items() if not verb.gesture)
        # Asked twice for most messages: whether anything can be a command, and then what.
        self._occurrences = lru_cache(maxsize=16)(self._find_occurrences)

    def _declare(self, plan: Plan) -> None:
        command = plan.command
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
            plan.own.add(plain)
            takes_away = plain[0] in "扣减罚" and any(slot.kind is Kind.POINTS for slot in command.slots)
            self._verbs[plain] = Verb(plain, (plan,), sign=-1 if takes_away else 1)

    def _declare_split(self, verb: Verb) -> None:
        """加分 is also typed around its number: 加5分, 扣两分."""
        if (
            len(verb.word) == 2
            and verb.word[1] == "分"
            and any(slot.kind is Kind.POINTS for slot in verb.plans[0].bare)
        ):
            self._verbs.setdefault(verb.word[0], replace(verb, word=verb.word[0]))

    def _declare_gestures(self, plans: Sequence[Plan]) -> None:
        """Words that several commands may share: the thing beside them says which command is meant."""
        meanings: dict[str, list[Plan]] = {}
        for words, kinds in _GESTURES:
            for kind, intent in kinds.items():
                if (plan := self._plans.get(intent)) is not None and kind in plan.kinds:
                    for word in words:
                        meanings.setdefault(word, []).append(plan)
        for plan in plans:
            for word in plan.command.gestures:
                meant = meanings.setdefault(normalise(word, ()).text, [])
                if plan not in meant:
                    meant.append(plan)
        for word, meant in meanings.items():
            for plan in meant:
                plan.own.add(word)
            verb = self._verbs.get(word)
            # 同意 has a meaning of its own, and another under a poll.
            self._verbs[word] = replace(verb, shown=tuple(meant)) if verb else Verb(word, tuple(meant), gesture=True)

    def _is_half(self, word: str) -> bool:
        return len(word) == 1 and f"{word}分" in self._verbs

    def _pattern(self, word: str) -> str:
        """How a verb looks with something in its middle (报个名, 发布一个活动), or around its number (加5分)."""
        if self._is_half(word):
            return rf"{word}(?=了?{NUMERAL}个?积?分(?![钟之]))"
        if len(word) in (2, 4) and not self._verbs[word].gesture and not word.isascii():
            middle = len(word) // 2
            return rf"{re.escape(word[:middle])}(?:{_INSERTED}){re.escape(word[middle:])}"
        return ""

    def _verb(self, occurrence: re.Match[str]) -> Verb:
        """The verb that was typed, also with something in its middle: 报个名, 发布一个活动."""
        return self._verbs.get(occurrence[0]) or self._verbs[re.sub(_INSERTED, "", occurrence[0], count=1)]

    def _find_cue(self, of: "Callable[[Command], bool]") -> Callable[[str], re.Match[str] | None]:
        return re.compile(_trie([cue for cue, plan in self._cues.items() if of(plan.command)])).search

    def _find_slips(self) -> dict[str, set[Command]]:
        """The verbs by what a slip leaves of them."""
        found: dict[str, set[Command]] = {}
        for word, verb in self._verbs.items():
            if not verb.gesture and not phrasing.ASKS.search(word) and 2 <= len(word) <= LONGEST_SLIP:
                for slip in _slips(word, exactly=False):
                    found.setdefault(slip, set()).add(verb.plans[0].command)
        return found

    def _find_halves(self) -> re.Pattern[str]:
        """取消报名 is also typed around its object: 取消12的报名, 把12的报名取消."""
        pairs = {
            (head, word.removeprefix(head))
            for word in self._verbs
            for head in phrasing.UNDOING
            if word.startswith(head) and word.removeprefix(head) in self._verbs
        }
        heads = "|".join(sorted({re.escape(head) for head, _ in pairs})) or r"(?!)"
        tails = "|".join(sorted({re.escape(tail) for _, tail in pairs}, key=lambda tail: -len(tail))) or r"(?!)"
        return re.compile(
            rf"(?P<head>{heads})(?P<between>(?:(?!{tails})[^\n;]){{1,{BETWEEN}}}?)的?(?P<tail>{tails})"
            rf"|(?:把)?(?P<ahead>[^\n;,]{{0,{BETWEEN}}}?)的?(?P<noun>{tails})(?:给我|给)?(?P<act>{heads})(?!{tails})"
        )

    def _rejoined(self, text: str, world: Surroundings) -> str:
        """The text with a verb that was taken apart put together again."""
        if "不想在" in text:
            text = phrasing.NOT_AT.sub(r"\g<thing>我不\g<act>了", text)
        if "掉" in text and (match := phrasing.TAKEN_OFF.search(text)):
            whose = before_category(match["what"] or match["behind"], world)
            if whose is not None:
                return f"{text[: match.start()]}去掉 {' '.join(whose)}"
        if not any(head in text for head in phrasing.UNDOING) or (match := self._halves.search(text)) is None:
            return text
        verb = (match["head"] or match["act"]) + (match["tail"] or match["noun"])
        thing = match["between"] if match["head"] else match["ahead"]
        if verb not in self._verbs or not _is_a_thing(thing.strip(), world):
            return text
        return f"{text[: match.start()]}{verb} {thing.strip()} {text[match.end() :]}".strip()

    # Looking

    def could_be_command(self, text: str, *, addressed: bool = True) -> bool:
        """Whether anything in a normalised text can be a command or an answer. False is chatter."""
        if roll_call.looks_like_one(text):
            return True
        if not addressed:
            if not self._overheard_firsts.isdisjoint(text) and (
                self._overheard(text) is not None or (_INSERTS.search(text) and next(self._split(text), None))
            ):
                return True
            if len(text) <= SLIPPED and _NUMBER.search(text) and self._sounds.find(text) is not None:
                return True
        elif (
            self._occurrences(text)
            or self._cue(text)
            or self._asking_cue(text)
            or self._kind_cue(text)
            or phrasing.WHO_IS_IN.search(text)
            or _ANNOUNCES.match(text)
            or self._sounds.find(text)
        ):
            return True
        return len(text) <= phrasing.ANSWER_LENGTH and phrasing.answer(text) is not None

    def could_fill(self, text: str) -> bool:
        """Whether a normalised text may answer a question for a place, a room or a phone: worth a look at the books."""
        return len(text) <= VALUE and _VALUE.search(text) is not None

    def can_fill(self, command: Command, name: str | None) -> bool:
        """Whether a slot is of a kind that is unmistakable when it stands alone."""
        return any(slot.name == name and slot.kind in (Kind.UNIT, Kind.ROOM, Kind.DIGITS) for slot in command.slots)

    def fill(
        self,
        command: Command,
        slots: dict[str, Any],
        text: str,
        *,
        wanted: str | None,
        world: Surroundings,
        now: datetime,
    ) -> dict[str, Any] | None:
        """The slots of an open question with what a text adds; None where the text is no answer and nothing else.

        A bare number answers a question for a time (`wanted` is the slot) with its hour.
        A place that is named again, with or without its building, takes the place of the one before.
        """
        places = {slot.name for slot in command.slots if slot.kind is Kind.UNIT}
        building = next((str(slots[name]) for name in places if name in slots), "")
        if building and _DOOR.match(text):
            text = building.partition("栋")[0] + "栋" + text
        if _HOUR.fullmatch(text) and any(slot.name == wanted and slot.kind is Kind.WHEN for slot in command.slots):
            text = f"{text}点"
        filled = Filling(self._plans[command.intent], text, now, world)
        filled.slots |= {name: value for name, value in slots.items() if name not in places}
        before = dict(filled.slots)
        said = _SAID.match(text)
        filling.fill(filled, said.end() if said else 0, self._verb_at, self._tells_a_command)
        if filled.left or filled.asides or filled.choices or filled.slots == before:
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
        if not addressed and (
            # What begins with a neighbour's name is said to the neighbour.
            typed.text.startswith("@")
            or (quote is None and not typed.quoted and not self.could_be_command(typed.text, addressed=False))
        ):
            return NOTHING_OVERHEARD
        text = self._rejoined(typed.text, world)
        shown, kind, part = _shown(typed, quote, world)
        scene = Scene(world, now, addressed, shown, kind, role, part)
        if (chain := self._chain(text, scene)) is not None:
            return chain
        if (answered := self._answer(text, scene, quote)) is not None:
            return answered
        if addressed:
            text = phrasing.plainly(text)
            if (asked := self._how(text, scene)) is not None:
                return asked
        found = self._occurrences(text)
        if found and not addressed and scene.shown is None and not _could_name(text, world):
            found = tuple(one for one in found if not self._verb(one).gesture)
        if not found:
            return (
                self._filled_in(text, scene)
                or self._asked(text, scene)
                or self._cued(text, scene)
                or self._sounding(text, scene)
                or self._asked_of(text, scene)
                or self._announced(text, scene)
                or self._near(text, scene)
                or nothing(text, scene)
            )
        reading = self._best(text, found, scene)
        if len(found) > 1 and (several := self._several(text, reading, scene)):
            return several
        if reading is None or not reading.complete:
            other = (
                self._sounding(text, scene)
                or self._asked(text, scene)
                or (
                    (self._cued(text, scene) or self._asked_of(text, scene) or self._announced(text, scene))
                    if reading is None or reading.loose
                    else None
                )
            )
            if other is not None:
                return other
        if reading is None:
            return self._near(text, scene) or nothing(text, scene)
        return decide(reading, text, scene)

    def _chain(self, text: str, scene: Scene) -> Understanding | None:
        """A pasted 接龙, about what its heading names or the card under which it stands."""
        plan = self._plans.get("roll_call")
        if plan is None or not roll_call.looks_like_one(text) or (roll := roll_call.read_roll(text)) is None:
            return None
        if not roll.lines:
            return None
        thing = scene.shown if scene.shown is not None and scene.shown.kind in plan.kinds else None
        thing = thing or _named_in(roll.heading, plan, scene.world)
        if thing is None or not thing.open or roll.trades:
            if scene.addressed and roll.marked and not roll.trades:
                return Understanding(
                    "roll_call", {"text": text}, plan.command, why=("a pasted chain that names nothing open",)
                )
            return NOTHING_OVERHEARD if roll.marked and not scene.addressed else None
        slots = {plan.objects[thing.kind].name: thing.number, "text": text}
        return Understanding(
            "roll_call", slots, plan.command, why=(f"a pasted chain about {thing.kind} {thing.number}",)
        )

    def _answer(self, text: str, scene: Scene, quote: Quote | None) -> Understanding | None:
        """是, 不是 or a number: whether anything was asked, the caller knows."""
        answer = phrasing.answer(text)
        if answer is None:
            plan = self._plans.get(phrasing.JOINS.get(scene.shown_kind, ""))
            if plan is None or text.rstrip(" !~.") not in phrasing.JOIN_WORDS:
                return None
            return decide(self._read(Verb(text, (plan,), gesture=True), plan, text, "", len(text), scene), text, scene)
        if not scene.addressed and phrasing.is_run(text):
            # 是的是的 is said to neighbours.
            return None
        verb = self._verbs.get(text)
        command = verb.plans[0].command if verb and not verb.gesture else None
        if command is not None and command.intent != "confirm":
            return None
        if verb is not None and verb.gesture and any(scene.shown_kind in plan.kinds for plan in verb.plans):
            # 取消 under a card takes back what the card offers, 同意 under a poll votes.
            return None
        if answer is True and scene.shown_kind == "broadcast" and (plan := self._plans.get("ack")):
            return decide(self._read(Verb(text, (plan,), gesture=True), plan, text, "", len(text), scene), text, scene)
        slots: dict[str, Any] = {"yes": answer} if isinstance(answer, bool) else {"number": answer}
        if quote is not None and quote.ref.startswith("draft:"):
            slots["draft"] = quote.ref.removeprefix("draft:")
        return Understanding("confirm", slots, command, why=(f"“{text}” answers a question: {slots}",))

    def _how(self, text: str, scene: Scene) -> Understanding | None:
        """签到怎么弄: a question about a command is one for the help."""
        plan = self._plans.get("help")
        match = phrasing.HOW.search(text)
        if plan is None or match is None or plan.text is None:
            return None
        found = [self._verb(one) for one in self._occurrences(text)]
        if any(verb.plans[0] is plan for verb in found):
            return None
        topics = [verb for verb in found if not verb.gesture and verb.plans[0].command.intent != "help"]
        if not topics:
            return None
        if any(match[0] in verb.word for verb in found) or _begins_text(text, topics[0]):
            return None
        word = topics[0].word
        rest = text.replace(word, "", 1).replace(match[0], "", 1)
        if len(rest) > HOW_MORE or _NUMBER.search(rest):
            return None
        return Understanding(
            "help", {plan.text.name: word}, plan.command, why=(f"“{match[0]}” asks how “{word}” is done",)
        )

    def _find_occurrences(self, text: str) -> tuple[re.Match[str], ...]:
        """The verbs in the text from left to right, the longest at each place."""
        found: list[re.Match[str]] = []
        if self._firsts.isdisjoint(text):
            return ()
        at = 0
        split = [*self._split(text, 0, SEVERAL)] if _INSERTS.search(text, 0, SEVERAL) else []
        most = OCCURRENCES if len(text) <= SEVERAL else FEW
        while len(found) < most:
            match = next(self._search(text, at), None)
            while split and (split[0].start() < at):
                split.pop(0)
            if split and (
                match is None
                or split[0].start() < match.start()
                or (split[0].start() == match.start() and split[0].end() > match.end())
            ):
                match = split.pop(0)
            if match is None:
                break
            found.append(match)
            # A gesture may hide a command: 我报名 is no 我报.
            at = match.start() + 1 if self._verb(match).gesture else match.end()
        return tuple(found)

    def _verb_at(self, text: str, at: int) -> str:
        """The longest verb that begins at a place."""
        match = self._longest(text, at)
        return match[0] if match else ""

    # Reading

    def _best(self, text: str, found: Sequence[re.Match[str]], scene: Scene) -> Reading | None:
        """The reading that leaves least of the sentence unexplained; of equals, the earliest."""
        best: Reading | None = None
        gestures = any(self._verb(occurrence).gesture for occurrence in found)
        led: Reading | None = None
        for occurrence in found:
            before = text[: occurrence.start()]
            if not scene.addressed and len(before) > LEAD:
                break
            verb = self._verb(occurrence)
            if shown := self._shown_instead(verb, text[occurrence.end() :], scene):
                verb = replace(verb, plans=shown, gesture=True)
            for plan in self._meant(verb, before, text, occurrence.end(), scene):
                reading = self._read(verb, plan, text, before, occurrence.end(), scene)
                if not before and not verb.gesture and led is None:
                    led = reading
                if best is None or _rank(reading) < _rank(best):
                    best = reading
            if best and best.complete and not (best.filled.asides or best.missing or best.verb.gesture or gestures):
                break
        if scene.addressed and led and best and not led.complete and best.left and not best.plan.command.writes:
            # 加入 红马甲服务队 李建国 asks for more than 服务队, where there is no such squad.
            return led
        return best

    def _shown_instead(self, verb: Verb, behind: str, scene: Scene) -> tuple[Plan, ...]:
        """What a verb means as a gesture: under a card of such a thing, or with its number behind it (更正 7)."""
        if any(scene.shown_kind in plan.kinds for plan in verb.shown):
            return verb.shown
        number = _BEHIND.match(behind)
        if number is None:
            return ()
        own = (scene.world.thing(plan.kinds, int(number[1])) for plan in verb.plans)
        if not verb.gesture and any(thing is not None for thing in own):
            # 认领 4 和 李建国 一起: the post of that number, though there is a wish of that number too.
            return ()
        return tuple(plan for plan in verb.shown if scene.world.thing(plan.kinds, int(number[1])) is not None)

    def _meant(self, verb: Verb, before: str, text: str, at: int, scene: Scene) -> Iterator[Plan]:
        """A verb means its command; a gesture means the command of the thing that is shown or named."""
        plans = verb.plans if scene.addressed else tuple(plan for plan in verb.plans if verb.heard(plan))
        if not verb.gesture:
            yield from plans
            return
        fitting = [
            plan
            for plan in plans
            if scene.shown_kind in plan.kinds
            or (not scene.shown_kind and _names_a_thing(before, text[at:], plan, scene))
        ]
        # Said to the bot without naming anything, a gesture is worth the question which one.
        yield from fitting or (plans[:1] if scene.addressed and not scene.shown_kind and len(verb.word) > 1 else ())

    def _read(self, verb: Verb, plan: Plan, text: str, before: str, at: int, scene: Scene) -> Reading:
        """Fills the command's slots from both sides of the verb."""
        negated = None
        if opposite := self._opposite(plan):
            negated = _NEGATION.search(before)
            plan, before = (opposite, before[: negated.start()]) if negated else (plan, before)
        shown = scene.shown if scene.shown and scene.shown.kind in plan.kinds else None
        filled = Filling(plan, text, scene.now, scene.world, shown, verb.sign)
        if scene.shown_kind == "survey" and scene.part[:1] == "q" and scene.part[1:].isdigit():
            filled.asked = int(scene.part[1:])
        filled.slots.update(plan.command.implies.get(verb.word, {}))
        if before:
            for name in scene.world.names:
                before = before.removeprefix(name)
            filling.read_before(filled, before)
        while text.startswith(verb.word, at) and len(verb.word) > 1:
            # 打卡打卡
            at += len(verb.word)
        filling.fill(
            filled,
            len(text[:at]) - len(verb.word) if plan.ballot and verb.gesture else at,
            self._verb_at,
            self._tells_a_command,
        )
        if shown and not filled.choices and not any(slot.name in filled.slots for slot in plan.objects.values()):
            slot = plan.objects[shown.kind]
            filled.slots[slot.name] = f"{shown.number}-{scene.part}" if shown.kind == "remark" else shown.number
            filled.notes.append(f"{slot.name} = {filled.slots[slot.name]} (quoted)")
        _settle(filled, scene, [self._tells_a_command(aside) for aside in filled.asides])
        missing = filling.missing(filled)
        named = any(slot.name in filled.slots for slot in plan.objects.values())
        # 我报名了 and 认领了 tell what is done; 我来签到了 does it.
        said = text.startswith("了", at) and not before.endswith(("来", "到"))
        told = (said and not named) or (negated is not None and not filled.slots)
        return Reading(verb, plan, filled, missing, told)

    def _tells_a_command(self, aside: str) -> bool:
        start = phrasing.skip_courtesy(aside, 0)
        numbered = _DIGIT.search(aside) is not None
        return any(
            one.start() <= start and (numbered or not self._verb(one).gesture) for one in self._occurrences(aside)
        )

    def _opposite(self, plan: Plan) -> Plan | None:
        """不参加12了 is not joining, but stepping back."""
        for kind, intent in phrasing.JOINS.items():
            if plan.command.intent == intent:
                return self._plans.get(phrasing.LEAVES.get(kind, ""))
        return None

    # What is no verb, but near one

    def _filled_in(self, text: str, scene: Scene) -> Understanding | None:
        """An answer under a card that asks for one: 4分 under a repair, A under a question."""
        if scene.shown is None or len(text) > phrasing.ANSWER_LENGTH:
            return None
        for plan in self._plans.values():
            if scene.shown_kind in plan.kinds and any(slot.kind in FILLED_IN for slot, _ in plan.specific):
                reading = self._read_whole(plan, text, 0, scene)
                given = {slot.name for slot, _ in plan.specific if slot.kind in FILLED_IN}
                if reading is not None and not given.isdisjoint(reading.filled.slots):
                    return decide(reading, text, scene)
        return None

    def _cued(self, text: str, scene: Scene) -> Understanding | None:
        """Said to the bot, and a word in it that is told for one reason only: 厨房漏水了."""
        if not scene.addressed:
            return None
        if (cue := self._cue(text)) is None:
            return self._introduced(text, scene)
        if phrasing.QUESTION.search(text):
            return None
        reading = self._read_cue(cue[0], text, scene)
        plan, filled = reading.plan, reading.filled
        filled.glued_text = False
        if plan.object is not None and plan.object.name not in filled.slots:
            # 巡逻岗今晚巡完了: the text as a whole tells it, and says of which thing at its beginning.
            found, _ = scene.world.named(text, phrasing.skip_courtesy(text, 0), plan.kinds)
            if len(found) == 1:
                filled.put(plan.object, found[0].number, found[0].name)
        if reading.lacking and not plan.command.overheard:
            # An official command is not guessed from a word: 我出差了 is told of oneself.
            return None
        return decide(reading, text, scene)

    def _read_whole(self, plan: Plan, text: str, at: int, scene: Scene) -> Reading | None:
        """The text from a place on as a command whose verb nobody said; None where it is not that and nothing else."""
        reading = self._read(Verb("", (plan,)), plan, text, "", at, scene)
        return reading if reading.complete and not reading.filled.asides else None

    def _read_cue(self, cue: str, text: str, scene: Scene) -> Reading:
        plan = self._cues[cue]
        return self._read(Verb(cue, (plan,)), plan, text, "", phrasing.skip_courtesy(text, 0), scene)

    def _asked_of(self, text: str, scene: Scene) -> Understanding | None:
        """Said to the bot, and a word in it that only a question has: 巡逻还要人吗. It has to be about something."""
        if not scene.addressed or (cue := self._asking_cue(text)) is None:
            return None
        if any(verb.start() <= cue.start() < verb.end() for verb in self._occurrences(text)):
            # 岗 in 转岗 3 asks for nothing.
            return None
        reading = self._read_cue(cue[0], text, scene)
        given = {slot.kind for slot in reading.plan.command.slots if slot.name in reading.filled.slots}
        if not given or (given == {Kind.FLAG} and WORK.search(text) is None):
            # 站岗的保安真辛苦, 打牌还缺人
            return None
        return decide(reading, text, scene)

    def _asked(self, text: str, scene: Scene) -> Understanding | None:
        """流动党员有哪些, said to the bot: the whole message asks who is of a kind."""
        if not scene.addressed or len(text) > LISTENED:
            return None
        if (cue := self._kind_cue(text)) is None:
            return self._asked_of_own(text, scene)
        reading = self._read_whole(self._cues[cue[0]], text, phrasing.skip_courtesy(text, 0), scene)
        return decide(reading, text, scene) if reading is not None else None

    def _asked_of_own(self, text: str, scene: Scene) -> Understanding | None:
        """舞蹈队有谁: the same of what only this community has, a category of its own or a squad.

        Whoever may not know hears what a stranger word is answered with: that there is such a category is private too.
        """
        if (asked := phrasing.WHO_IS_IN.search(text)) is None:
            return None
        text = f"{text[: asked.start()]} {text[asked.end() :]}".replace("的", " ").strip()
        squads = tuple(name for name in scene.world.unit_names if name.endswith("队"))
        own = (("category_people", "category", scene.world.categories), ("squads", "squad", squads))
        for intent, slot, names in own:
            plan = self._plans.get(intent)
            if plan is None or not any(name in text for name in names):
                continue
            reading = self._read_whole(plan, text, phrasing.skip_courtesy(text, 0), scene)
            if reading is not None and slot in reading.filled.slots:
                return replace(decide(reading, text, scene), say=nothing(text, scene).say)
        return None

    def _announced(self, text: str, scene: Scene) -> Understanding | None:
        """每周六9点 清洁家园 中心花园 20人, said to the bot by whoever may publish it: a time of the day, a name, and
        for how many or at which of the known places. `say` is for those who may not."""
        plan = self._plans.get("create_activity")
        if plan is None or not scene.addressed or not _ANNOUNCES.match(text):
            return None
        if phrasing.QUESTION.search(text) or phrasing.ASKS.search(text):
            return None
        reading = self._read_whole(plan, text, phrasing.skip_courtesy(text, 0), scene)
        if reading is None:
            return None
        given = reading.filled.slots
        planned = given.get("place") in scene.world.places or not {"quota", "points"}.isdisjoint(given)
        if not planned or "when_grain" in given:
            return None
        if given["title"][0] in phrasing.USUAL and phrasing.is_person(given["title"]):
            # 明早9点 李建国 活动室 says where somebody is.
            return None
        understood = decide(reading, text, scene)
        if understood.outcome != "act":
            return None
        hint = nothing(text, scene).say
        return replace(understood, slots={**understood.slots, "_unasked": True}, say=hint)

    def _introduced(self, text: str, scene: Scene) -> Understanding | None:
        """我是3栋的王秀英, said to the bot: who says who they are wants to be known."""
        speaker = phrasing.speaker(text, phrasing.skip_courtesy(text, 0)) or phrasing.speaker(text, 0)
        plan = self._plans.get("register")
        if plan is None or speaker is None or not speaker["unit"]:
            return None
        reading = self._read_whole(plan, text, speaker.start(), scene)
        return decide(reading, text, scene) if reading is not None else None

    def _sounding(self, text: str, scene: Scene) -> Understanding | None:
        """A verb that was misheard or typed in pinyin (迁到, baoming), where the thing beside it fits."""
        if len(text) > (LISTENED if scene.addressed else SLIPPED):
            return None
        if not scene.addressed and not (_NUMBER.search(text) or scene.shown):
            return None
        for slip, word in islice(self._sounds.every(text), SLIPS):
            meant = f"{text[: slip[0]]}{word}{text[slip[1] :]}"
            found = [one for one in self._occurrences(meant) if one.start() <= slip[0] < one.end()]
            reading = self._best(meant, found, scene)
            if reading is None or not reading.complete or reading.filled.asides or reading.verb.gesture:
                continue
            command = reading.plan.command
            named = any(slot.name in reading.filled.slots for slot in reading.plan.objects.values())
            if not scene.addressed and not named:
                continue
            understood = decide(reading, meant, scene)
            if understood.outcome != "act" or not command.writes:
                return understood if understood.outcome != "ignore" else None
            say = f"是 {said_again(reading, scene)} 吗？回复 是。"
            why = (f"“{text[slip[0] : slip[1]]}” sounds like {word}", *understood.why)
            return replace(understood, outcome="ask", say=say, why=why)
        return None

    def _near(self, text: str, scene: Scene) -> Understanding | None:
        """Said to the bot, and a slip away from a verb: one character of many, or two that changed places."""
        if not scene.addressed:
            return None
        at = phrasing.skip_courtesy(text, 0)
        near = {
            command
            for length in range(2, LONGEST_SLIP + 1)
            if len(text) >= at + length
            for slip in _slips(text[at : at + length])
            for command in self._near_verbs.get(slip, ())
        }
        if len(near) != 1:
            return None
        command = near.pop()
        say = f"您是想 {command.verbs[0]} 吗？可以这样说：{command.usage or command.verbs[0]}"
        return Understanding(command.intent, outcome="ask", say=say, why=(f"close to {command.verbs[0]}",))

    # Several commands in one message

    def _several(self, text: str, whole: Reading | None, scene: Scene) -> Understanding | None:
        """Cuts at lines and semicolons, else at connectives and blanks, where every piece is a command."""
        if len(text) > SEVERAL or (whole is not None and whole.plan.command.form and whole.complete):
            return None
        pieces = self._pieces(text, _LINES, scene) or self._pieces(text, _THEN, scene)
        if pieces is None and not (whole and whole.complete and not whole.filled.asides):
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
                if (
                    reading
                    and reading.complete
                    and not reading.filled.asides
                    and (rest := from_piece(last + 1)) is not None
                ):
                    return ((reading, piece), *rest)
            return None

        found = from_piece(0)
        return list(found) if found else None

    def _command_follows(self, text: str, at: int) -> bool:
        """Whether a verb stands in the next few characters, before the next blank or mark."""
        match = next(self._search(text, phrasing.skip_courtesy(text, at)), None)
        return match is not None and match.start() - at <= LEAD


_HOUR = re.compile(r"[0-9]{1,2}")
_VALUE = re.compile(
    r"[0-9]{3}|[0-9零一二两三四五六七八九十]点|[0-9]:[0-9]"
    r"|[零〇一二三四五六七八九]{3}|[0-9零〇一二三四五六七八九十A-Za-z](?:栋|幢|座|号楼|单元|#)"
)
_DOOR = re.compile(rf"{NUMERAL}[ ]?(?:单元|门栋|门(?!牌))")
_SAID = re.compile(r"(?:我家?|俺家?)?(?:的(?=手机|电话))?(?:(?:住|是|在)+)?[ ]*(?:(?:房间?|门牌)号?(?:是|:)?[ ]*)?")
"""What people say before the value that they were asked for."""
_GESTURES = (
    (phrasing.JOINING, phrasing.JOINS),
    (phrasing.LEAVING, phrasing.LEAVES),
    (phrasing.ARRIVING, phrasing.ARRIVES),
)
_NEGATION = re.compile(r"不(?:想|要|能|再|打算|用)?(?:再|去)?\Z")
_INSERTED = "了?一?[个下]|一[场次]"
_INSERTS = re.compile(r"[个下]|一[场次]|[加扣减打记].*分")
_LINES = re.compile(r"\n|[;；]")
_THEN = re.compile(r"[ ,.;!。]*(?:然后|顺便|顺带|另外|还有|并且|同时|接着|随后|以及)(?:再|给我|帮我|也)?[ ,]*")
_CONNECTIVES = re.compile(
    r"[ ,.;!。]*(?:然后|顺便|顺带|另外|还有|并且|同时|接着|随后|以及|再(?!见|说|来))(?:再|给我|帮我|也)?[ ,]*"
    r"|[ ,.;!\n]+"
)
_ANNOUNCES = re.compile(r"[每周星礼明后今大下这本0-9一二三四五六七八九十][^\n]{0,20}?(?:[点时]|[0-9]:[0-9])[^\n]* ")
_BEHIND = re.compile(r"[ ]?([0-9]{1,9})(?:号|号广播|号通知)?(?=[ ,:])")
_DIGIT = re.compile("[0-9]")
_NUMBER = re.compile(f"[0-9{CHINESE}]")


def _trie(words: Sequence[str]) -> str:
    """A pattern that finds the longest of the words at a place, without trying them one by one."""
    if not words:
        return r"(?!)"
    root: dict[str, Any] = {}
    for word in words:
        node = root
        for character in word:
            node = node.setdefault(character, {})
        node[""] = True
    return _branch(root)


def _branch(node: dict[str, Any]) -> str:
    branches = [re.escape(first) + _branch(rest) for first, rest in node.items() if first]
    if not branches:
        return ""
    inner = branches[0] if len(branches) == 1 else "|".join(branches)
    return f"(?:{inner})?" if "" in node else f"(?:{inner})" if len(branches) > 1 else inner


def _slips(word: str, *, exactly: bool = True) -> Iterator[str]:
    """What a word and a slip of it have in common: all but one character of three or more, or the same characters with
    two neighbours in the other order (`exactly`: as typed, else as meant)."""
    if len(word) >= 3:
        for at in range(len(word)):
            yield f"{word[:at]}?{word[at + 1 :]}"
    if exactly:
        yield word
    else:
        for at in range(len(word) - 1):
            if word[at] != word[at + 1]:
                yield f"{word[:at]}{word[at + 1]}{word[at]}{word[at + 2 :]}"


def _place(command: Command) -> str:
    return getattr(command.handler, "__module__", "?")


def _rank(reading: Reading) -> tuple[bool, int, int, int]:
    filled = reading.filled
    return (
        not reading.complete,
        reading.left + sum(map(len, filled.asides)),
        len(reading.missing),
        -len(reading.verb.word),
    )


def _shown(typed: Typed, quote: Quote | None, world: Surroundings) -> tuple[OpenObject | None, str, str]:
    """The thing that a quoted message shows, its kind, and which part of it (`q1` of a survey): by its reference, else
    by the one name that stands in what the bot said."""
    if quote is not None and quote.ref:
        kind, _, rest = quote.ref.partition(":")
        if (match := _REF.fullmatch(rest)) is None:
            return None, kind, ""
        number, part = int(match[1]), match[2] or ""
        if kind == "remark":
            topic = world.by_number.get(("topic", number))
            return OpenObject(kind, number, open=topic is None or topic.open), kind, part
        return world.by_number.get((kind, number)) or OpenObject(kind, number, open=False), kind, part
    if quote is not None and quote.author == "human":
        # 我也来 under a neighbour's words is said to the neighbour.
        return None, "", ""
    text = typed.quoted or (quote.text if quote is not None else "")
    thing = world.shown_in(text) if text and (quote is not None or text.startswith(world.names)) else None
    return (thing, thing.kind, "") if thing else (None, "", "")


HEADING = 3
"""Characters of a heading that is a piece of a chain's name."""


def _names(heading: str, thing: OpenObject) -> bool:
    if len(thing.name) >= 2 and thing.name in heading:
        return True
    return thing.kind == "roll_call" and len(heading) >= HEADING and heading in thing.name


_KINDS_HEADED = {
    "activity": ("活动", "报名", "签到"),
    "broadcast": ("通知", "广播", "收到", "回执"),
    "roll_call": ("接龙",),
}
_KIND_HEADED = {word: kind for kind, words in _KINDS_HEADED.items() for word in words}
_HEADED = re.compile(rf"({'|'.join(_KIND_HEADED)})[ ]?([0-9]{{1,6}})|([0-9]{{1,6}})号({'|'.join(_KIND_HEADED)})")


def _named_in(heading: str, plan: Plan, world: Surroundings) -> OpenObject | None:
    """The one open thing that the heading of a chain names: by its kind and number, else by its name."""
    if match := _HEADED.search(heading):
        kind = _KIND_HEADED[match[1] or match[4]]
        return world.by_number.get((kind, int(match[2] or match[3])))
    named = {
        (thing.kind, thing.number): thing
        for thing in world.objects
        if thing.kind in plan.kinds and thing.open and _names(heading, thing)
    }
    return next(iter(named.values())) if len(named) == 1 else None


def _begins_text(text: str, verb: Verb) -> bool:
    """Whether the command that begins the message has a text of its own behind it: 微心愿 想找人教我用手机."""
    end = len(verb.word)
    return verb.plans[0].text is not None and text.startswith(verb.word) and text[end : end + 1] in (" ", ":", ",")


_THING = re.compile(rf"(?:[掉下我的那这个了给帮]|一下|活动)*(?:{NUMERAL}号?)?(?:[的那这个]|活动|岗位?)*")


def _is_a_thing(text: str, world: Surroundings) -> bool:
    """Whether nothing but a thing stands between the halves of a verb."""
    if _THING.fullmatch(text):
        return True
    start = _THING.match(text)
    found, end = world.named(text, start.end() if start else 0)
    return bool(found) and _THING.fullmatch(text, end) is not None


_REF = re.compile(r"([0-9]{1,9})(?:[-/]([a-z0-9]{1,9}))?")


_SHIFT = re.compile("班|值")
_DAY = re.compile(f"[0-9{CHINESE}周今明后]|星期|礼拜")


def _could_name(text: str, world: Surroundings) -> bool:
    """Whether a number, a day or a piece of some name stands in the text: without one no gesture means anything."""
    return _DAY.search(text) is not None or any(
        text[at : at + 2] in world.by_pair or text[at : at + 2] in world.by_head or text[at : at + 2] in world.by_work
        for at in range(min(len(text), SLIPPED * 2))
    )


def _names_a_thing(before: str, after: str, plan: Plan, scene: Scene) -> bool:
    """Whether a gesture has a thing of its own beside it: `14 我也来`, `清洁家园 算我一个`."""
    for side in (before[-BESIDE:], after[:BESIDE]):
        filled = Filling(plan, side, scene.now, scene.world)
        for clause in phrasing.CLAUSE.finditer(side):
            at = phrasing.skip_courtesy(side, clause.start())
            places_to_look = [at]
            if day := dates.read_at(side, at, scene.now):
                if "activity" in plan.kinds and any(
                    thing.starts_at is not None and local(thing.starts_at).date() == day[0].start.date()
                    for thing in scene.world.possible(("activity",), plan.command.intent)
                ):
                    return True
                places_to_look.append(phrasing.skip_courtesy(side, day[1]))
            if filler := plan.fillers.match(side, at):
                places_to_look.append(filler.end())
            places_to_look += [end for at in places_to_look if (end := filling.description(filled, at)) is not None]
            if (
                plan.partner is not None
                and _SHIFT.search(before + after)
                and any(
                    READERS[Kind.PERSON](filled, plan.partner, at, False) for at in range(clause.start(), clause.end())
                )
            ):
                return True
            if any(filling.names_thing(filled, at) for at in places_to_look):
                return True
    return False


def _name_ahead(filled: Filling, text: Slot) -> None:
    """何叔修长椅 加4分: where somebody must be named, the text may begin with the name."""
    slot = next((slot for slot in filling.missing(filled) if slot.kind is Kind.PERSON), None)
    told = filled.slots[text.name]
    shapes = [told[:length] for length in (3, 2, 4) if len(told) > length and phrasing.is_person(told[:length])]
    length = len(min(shapes, key=phrasing.is_untitled, default=""))
    if slot is not None and length:
        filled.put(slot, told[:length], told[:length])
        filled.put(text, told[length:].lstrip(" ,"), told)


_WHERE = re.compile(
    r"(?:小区|社区)?(?:[东南西北]门|大门口?|地下车库|车库|车棚|天台|花园|广场|健身区|凉亭|门卫室|活动室|电梯间|配电房|垃圾站)(?:门口|旁边)?"
)
_WHERE_TAIL = re.compile(
    r"的?(?:门口|楼下|楼道|楼顶|大厅|地下室|车棚|旁边|后面|前面|外面|单元门口?|[0-9]{1,2}楼|[一二三四五六七八九十]{1,2}楼)*"
)


def _settle(filled: Filling, scene: Scene, commands: Sequence[bool]) -> None:
    """What follows from the slots together: a text that stood before the verb, a place within the text.

    `commands` says of each aside whether it looks like a command of its own.
    """
    plan, slots = filled.plan, filled.slots
    text = plan.text
    if text is not None and text.name not in slots and text.required and (scene.addressed or filled.asides):
        told = [*filled.asides, *([filled.before] if filled.before else [])]
        if told and not filled.left:
            if plan.ahead is not None and plan.ahead.name in slots:
                # 明早8点 停水, 广播 3栋: it is the water that stops at eight.
                told.insert(0, slots[plan.ahead.name])
                for name in [name for name in slots if name.split("_")[0] == plan.ahead.name]:
                    del slots[name]
            filled.put(text, ",".join(told), "before the verb")
            filled.asides, filled.before = [], ""
            _name_ahead(filled, text)
    if plan.reason is not None and plan.reason.name not in slots and filled.asides:
        why = [
            aside
            for aside, command in zip(filled.asides, commands, strict=True)
            if not command and not phrasing.DOUBT_OF_ASIDE.search(aside)
        ]
        if len(why) == len(filled.asides):
            clause = phrasing.clause(",".join(why))
            if clause:
                filled.put(plan.reason, phrasing.without_because(clause), clause)
                filled.asides = []
    for slot in plan.command.slots:
        if slot.peeks and text is not None and text.name in slots:
            _peek(filled, slot, slots[text.name], scene)


def _peek(filled: Filling, slot: Slot, text: str, scene: Scene) -> None:
    """The place within a text. Where it stands apart at the head, the text goes on without it."""
    known = next((place for place in scene.world.places if text.startswith(place)), "")
    if known and text[len(known) : len(known) + 1] in (" ", ","):
        assert filled.plan.text is not None
        filled.put(slot, known, known)
        filled.slots[filled.plan.text.name] = text[len(known) :].lstrip(" ,")
        return
    for at in range(min(len(text), 40)):
        found = places.read_unit(text, at, scene.world.unit_names)
        if found is not None:
            tail = _WHERE_TAIL.match(text, found[1])
            end = tail.end() if tail else found[1]
            filled.put(slot, found[0] + text[found[1] : end].removeprefix("的"), text[at:end])
            if at == 0 and text[end : end + 1] in (" ", ","):
                assert filled.plan.text is not None
                filled.slots[filled.plan.text.name] = text[end:].lstrip(" ,")
            return
    if match := _WHERE.search(text, 0, 40):
        filled.put(slot, match[0], match[0])
