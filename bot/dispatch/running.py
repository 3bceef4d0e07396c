"""One command of one person: whether they may, and what its handler answers."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bot.dispatch.scene import RUN, Scene
from handlers.chat import COMMON_REFUSALS, LINES, Answer, Ask, Button, Command, Reply, Router, Texts, Turn, in_few_lines
from handlers.language.match import Grammar, Understanding
from handlers.language.slots import Kind
from handlers.shared.people import ROLE_NAMES
from models.base import Refusal
from models.clock import spoken
from models.database import savepoint
from models.members import Person, RegistrationState, Role, last_word

say = Texts(
    "dispatch",
    stranger="我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。",
    stranger_rejected="您上次的绑定申请没有通过（{reason}）。\n请核对后再发 绑定 姓名 楼栋。",
    stranger_waiting="您的绑定申请（{number}号）正在核对，请稍等，有结果我会告诉您。",
    not_allowed="这件事要{role}来办。您能办的事请发 帮助。",
    beyond="这件事不在您负责的范围里。您能办的事请发 帮助。",
    ask_privately="这件事请私聊我说：打开和我的单聊，发 {usage}。",
)


@dataclass(slots=True)
class Ran:
    """What one command answered."""

    reply: Reply
    asked: Ask | None = None
    part: Understanding | None = None
    """What was understood, where the question is the language's and no handler has run."""
    turn: Turn | None = None
    done: bool = False
    stranger: bool = False
    aside: bool = False
    """Said in a group, but for the person alone."""

    @property
    def wrote(self) -> bool:
        return self.turn is not None and bool(self.turn.marks)


class Runner:
    """Knows every command, and the sentences for what they refuse."""

    def __init__(self, features: Sequence[Router], grammar: Grammar, rules: Mapping[str, Any]) -> None:
        self._grammar = grammar
        self._rules = rules
        self.commands = tuple(command for router in features for command in router)
        self.by_intent = {command.intent: command for command in self.commands}
        self._refusals: dict[type[Refusal], str] = dict(COMMON_REFUSALS)
        self._own_refusals: dict[str, Mapping[type[Refusal], str]] = {}
        for router in features:
            for kind, sentence in router.refusals.items():
                self._refusals.setdefault(kind, sentence)
            for command in router:
                self._own_refusals[command.intent] = router.refusals

    def run(
        self,
        session: Session,
        scene: Scene,
        person: Person | None,
        part: Understanding,
        *,
        confirmed: bool = False,
    ) -> Ran:
        """Runs one command; what is for the person alone is marked to be said aside."""
        command = part.command
        if command is None:
            return Ran(Reply(part.say))
        for slot, intent in command.elsewhere.items():
            if slot in part.slots:
                command = self.by_intent[intent]
                part = dataclasses.replace(part, intent=intent, command=command)
        if command.role is not None and person is None:
            official = command.role is not Role.RESIDENT and not scene.addressed
            return Ran(Reply("" if official else _to_stranger(session, scene)), stranger=True)
        if command.direct and scene.incoming.address and _may(session, person, command):
            return Ran(Reply(say("ask_privately", usage=_usage(part, command))))
        aside = command.private and bool(scene.incoming.address)
        if aside and not scene.reached:
            return Ran(Reply(say("ask_privately", usage=_usage(part, command))))
        ran = self._run_here(session, scene, person, part, command, confirmed=confirmed)
        ran.aside = aside
        return ran

    def _run_here(
        self,
        session: Session,
        scene: Scene,
        person: Person | None,
        part: Understanding,
        command: Command,
        *,
        confirmed: bool,
    ) -> Ran:
        assert scene.community is not None
        if command.role is not None and person is not None:
            # Overheard, words that only others may say to the bot were said to the neighbours.
            if not _may(session, person, command):
                denied = part.say if part.outcome == "act" else ""
                denied = denied or say("not_allowed", role=ROLE_NAMES[command.role])
                return Ran(Reply(denied if scene.addressed else ""))
            if command.for_group and scene.group and not person.may(command.role, scene.group.unit_path):
                return Ran(Reply(say("beyond") if scene.addressed else ""))
        if command.coming or (part.outcome == "ask" and command.chooses and self._names_nothing(scene, part)):
            pass  # the handler knows better which of them this person means, or that none of it can be done yet
        elif part.outcome == "ask" and (part.slot is None or part.options):
            slot = RUN if part.slot is None else part.slot
            ask = Ask(part.say, slot=slot, options=part.options, labels=part.labels)
            return Ran(Reply(part.say, buttons=ask.buttons), asked=ask, part=part)
        elif part.outcome == "ask":
            free = scene.incoming.direct and self._grammar.can_fill(command, part.slot)
            return Ran(Reply(part.say), asked=Ask(part.say, slot=part.slot) if free else None, part=part)
        turn = Turn(
            session=session,
            community=scene.community,
            person=person,
            group=scene.group,
            incoming=scene.incoming,
            now=scene.now,
            command=command,
            slots=part.slots,
            confirmed=confirmed,
            rules=self._rules,
            commands=self.commands,
            reaches=scene.reached,
        )
        try:
            if command.writes and not command.coming:
                with savepoint(session, "turn"):
                    answer = command.handler(turn)
            else:
                answer = command.handler(turn)
        except Refusal as refusal:
            return Ran(Reply(self._sentence(command, refusal)))
        return _ran(answer, turn)

    def _names_nothing(self, scene: Scene, part: Understanding) -> bool:
        """Whether the question offers everything that is possible, because nothing was named."""
        assert part.command is not None
        kinds = next((tuple(slot.of.split("|")) for slot in part.command.slots if slot.name == part.slot), ())
        every = [thing.number for thing in scene.world.possible(kinds, part.intent)]
        return bool(part.options) and list(part.options) == every[: len(part.options)]

    def _sentence(self, command: Command, refusal: Refusal) -> str:
        kind = type(refusal)
        sentence = self._own_refusals[command.intent].get(kind) or self._refusals[kind]
        fields = {k: spoken(v) if isinstance(v, datetime) else v for k, v in refusal.fields.items()}
        return sentence.format(**fields)


def _to_stranger(session: Session, scene: Scene) -> str:
    assert scene.community is not None
    incoming = scene.incoming
    last = last_word(
        session, community_id=scene.community.id, namespace=incoming.namespace, external_id=incoming.sender
    )
    if last is not None and last.state is RegistrationState.REJECTED:
        return say("stranger_rejected", reason=last.reason)
    if last is not None and last.state is RegistrationState.WAITING:
        return say("stranger_waiting", number=last.number)
    return say("stranger")


def _may(session: Session, person: Person | None, command: Command) -> bool:
    """Whether somebody may say it, wherever their role holds; what is open to strangers, anybody."""
    if command.role is None or person is None or person.may(command.role):
        return True
    return command.also is not None and command.also(session, person)


def _usage(part: Understanding, command: Command) -> str:
    """How a command is said, about the thing that was named: the number of an example is somebody else's."""
    numbers = [part.slots[slot.name] for slot in command.slots if slot.kind is Kind.OBJECT and slot.name in part.slots]
    return re.sub("[0-9]+", str(numbers[0]), command.usage, count=1) if numbers else command.usage


def _ran(answer: Answer, turn: Turn) -> Ran:
    if isinstance(answer, Ask):
        return Ran(Reply(answer.text, buttons=answer.buttons), asked=answer, turn=turn, done=True)
    reply = Reply(answer) if isinstance(answer, str) else answer
    return Ran(reply, turn=turn, done=True)


def combined(answers: list[Ran]) -> Reply:
    """The answers of one message as one; where they are too much, each says its first line only."""
    texts = [ran.reply.text for ran in answers if ran.reply.text]
    whole = "\n".join(texts)
    if len(texts) > 1 and whole.count("\n") >= LINES:
        whole = in_few_lines([text.split("\n", 1)[0] for text in texts])
    return Reply(whole, answers[0].reply.ref, _shown(answers))


def _shown(answers: list[Ran]) -> tuple[Button, ...]:
    """The last buttons, for the last question is the one that stands open; none where 取消报名 could mean either."""
    *before, last = [ran for ran in answers if ran.reply.buttons] or [answers[-1]]
    labels = {button.label for ran in before for button in ran.reply.buttons}
    doubtful = last.asked is None and not labels.isdisjoint(button.label for button in last.reply.buttons)
    return () if doubtful else last.reply.buttons


def outcome_of(answers: list[Ran]) -> str:
    """What became of a message that had these answers; see `Heard`."""
    if any(ran.wrote for ran in answers):
        return "act"
    if any(ran.asked for ran in answers):
        return "ask"
    return "read" if all(ran.done for ran in answers) else "refused"
