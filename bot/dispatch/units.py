"""What is true: one unit of work for each message. Runs in a database thread, touches nothing but the session."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from bot import first_contact
from bot.dispatch.keeping import finish, record, send_privately, stored_answer
from bot.dispatch.questions import Questions
from bot.dispatch.running import Ran, Runner, combined, outcome_of
from bot.dispatch.scene import RUN, SHOWN, SILENCE, Heard, Scene, asked_under, echo, is_free
from bot.dispatch.senders import Senders
from handlers import consent
from handlers.chat import LINES, Reply, Texts
from handlers.language.match import Understanding
from models import pending
from models.members import Person, agreed_before, masked

say = Texts(
    "dispatch",
    too_late="等得太久了，刚才那件没有办。还要办的话，请重新发一次。",
    dropped="好的，不办了。",
)


class Units:
    """What is done in the one transaction of a message."""

    def __init__(self, runner: Runner, questions: Questions, senders: Senders) -> None:
        self._runner = runner
        self._questions = questions
        self._senders = senders

    def read(self, session: Session, scene: Scene, parts: list[Understanding]) -> Heard | None:
        """Answers what only reads; None where the person has to agree first, which is written down."""
        stored = stored_answer(session, scene.incoming)
        if stored is not None:
            return stored
        person = self._senders.person(session, scene)
        if first_contact.awaits(person, parts):
            return None
        answers = [self._runner.run(session, scene, person, part) for part in parts]
        return Heard(echo(scene, combined(answers)), outcome_of(answers))

    def act(self, session: Session, scene: Scene, parts: list[Understanding]) -> Heard:
        """Does what was said, in the order in which it was said."""
        stored = stored_answer(session, scene.incoming)
        if stored is not None:
            return stored
        person = self._senders.person(session, scene)
        if person is not None and first_contact.awaits(person, parts):
            return self._ask_consent(session, scene, person, parts)
        if person is not None and parts[0].intent in (first_contact.AGREE, first_contact.DECLINE):
            kept = self._take_first(session, scene, person)
            return self._answer_statement(session, scene, person, dataclasses.replace(parts[0], slots=kept))
        answers: list[Ran] = []
        stranger, rest = person is None, parts
        while rest and not (answers and first_contact.awaits(person, rest)):
            part, *rest = rest
            ran = self._runner.run(session, scene, person, part)
            # At once, so that what follows in the same message finds it: 报名 12 撤销.
            record(session, scene, person, ran)
            if person is None and ran.wrote:
                person = self._senders.person(session, scene)
            answers.append(ran)
        if stranger and person is not None:
            answers = self._welcomed(session, scene, person, answers, rest)
        return finish(session, scene, person, answers)

    def answer(self, session: Session, scene: Scene) -> Heard:
        """Takes the message as the answer to the open question, and does what was asked about."""
        question = self._questions.question(session, scene)
        if isinstance(question, Heard):
            return question
        person = self._senders.person(session, scene)
        lapsed = question is None and self._questions.lapsed(session, scene) is not None
        misfit = self._questions.misfit(scene, question)
        if misfit is not None and not lapsed:
            return misfit
        if not pending.close_question(session, **asked_under(scene, person)):
            # Another answer took the question in this very moment, perhaps this message on another replica.
            return stored_answer(session, scene.incoming) or self._questions.misfit(scene, None) or SILENCE
        if question is None:
            # Said once, and then the question is forgotten.
            return finish(session, scene, person, [Ran(Reply(say("too_late")))])
        command, slots = self._runner.by_intent[question.intent], dict(question.slots)
        part = dataclasses.replace(
            scene.understanding, intent=command.intent, command=command, outcome="act", slots=slots
        )
        given = scene.understanding.slots if scene.understanding.intent == "confirm" else {}
        if is_free(question) and (filled := self._questions.filled(scene, question)) is not None:
            part = dataclasses.replace(part, slots=filled)
        elif given.get("yes") is False:
            return finish(session, scene, person, [Ran(Reply(say("dropped")))])
        elif question.slot not in (None, RUN, *SHOWN):
            slots[question.slot] = question.options[given.get("number", 1) - 1]
        if person is not None and question.intent in (first_contact.AGREE, first_contact.DECLINE):
            return self._answer_statement(session, scene, person, part, confirmed=question.slot is None)
        ran = self._runner.run(session, scene, person, part, confirmed=question.slot is None)
        record(session, scene, person, ran)
        answers = [ran]
        if person is None and ran.wrote and (person := self._senders.person(session, scene)) is not None:
            answers = self._welcomed(session, scene, person, answers, [])
        return finish(session, scene, person, answers)

    # -- the first contact: nothing is done for members before they have agreed ------------------------------------

    def _ask_consent(self, session: Session, scene: Scene, person: Person, parts: list[Understanding]) -> Heard:
        """The privacy statement and its question, to the person alone where that is possible."""
        incoming = scene.incoming
        if person.agreed is False:
            told = Reply(consent.declined_already(), buttons=consent.BUTTONS[:1])
            declined = Heard(echo(scene, told), "refused")
            return declined if incoming.direct else SILENCE
        privately = bool(incoming.address) and scene.reached
        again = agreed_before(session, community_id=person.community.id, member_id=person.id)
        asked = asked_under(scene, person)
        if privately:
            asked["conversation"] = pending.conversation(None)
        already = pending.open_question(session, **asked, now=scene.now)
        question = first_contact.question(incoming, parts, RUN)
        pending.ask(session, **asked, question=question, expires_at=scene.now + first_contact.STANDS)
        if not privately:
            shown = person.name if incoming.direct else _shown_name(person)
            statement = Ran(Reply(consent.statement(shown, again=again), buttons=consent.BUTTONS))
            return finish(session, scene, person, [statement], outcome="ask")
        if already is None or already.intent != first_contact.AGREE:
            statement = Ran(Reply(consent.statement(person.name, again=again), buttons=consent.BUTTONS))
            send_privately(session, scene, person, echo(scene, statement.reply))
        aloud = Ran(Reply(consent.first_in_group(_shown_name(person), again=again)))
        return finish(session, scene, person, [aloud], outcome="ask")

    def _take_first(self, session: Session, scene: Scene, person: Person) -> dict[str, Any]:
        """What this person said before they were asked to agree: here, else elsewhere. All of it is taken away."""
        asked = asked_under(scene, person)
        kept: dict[str, Any] = {}
        here = asked["conversation"]
        open_in = pending.conversations(
            session, community_id=person.community.id, member_id=person.id, intent=first_contact.AGREE, now=scene.now
        )
        for conversation in sorted(open_in, key=lambda one: one != here):
            asked["conversation"] = conversation
            question = pending.open_question(session, **asked, now=scene.now)
            if question is not None and pending.close_question(session, **asked) and not kept.get("first"):
                kept = question.slots
        return kept

    def _answer_statement(
        self, session: Session, scene: Scene, person: Person, part: Understanding, *, confirmed: bool = False
    ) -> Heard:
        """Records the answer; whoever agrees gets done at once what they had asked for."""
        answers = [self._runner.run(session, scene, person, part, confirmed=confirmed)]
        record(session, scene, person, answers[0])
        if part.intent == first_contact.AGREE and answers[0].wrote:
            there = _where_said(scene, part.slots)
            agreed = dataclasses.replace(person, agreed=True)
            for first in first_contact.said(part.slots, self._runner.by_intent):
                ran = self._runner.run(session, there, agreed, first)
                ran.aside = ran.aside and not scene.incoming.direct
                record(session, scene, person, ran)
                answers.append(ran)
            if sum(ran.reply.text.count("\n") + 1 for ran in answers) > LINES:
                # What was done says that the answer was heard.
                answers = answers[1:]
        return finish(session, scene, person, answers)

    def _welcomed(
        self, session: Session, scene: Scene, person: Person, answers: list[Ran], rest: list[Understanding]
    ) -> list[Ran]:
        """Whoever has just become somebody hears the privacy statement at once; `rest` waits for their answer."""
        if person.agreed is not None:
            return [*answers, Ran(Reply(consent.declined_already()))] if rest else answers
        question = first_contact.question(scene.incoming, rest, RUN)
        asked = asked_under(scene, person)
        pending.ask(session, **asked, question=question, expires_at=scene.now + first_contact.STANDS)
        statement = Ran(Reply(consent.statement(), buttons=consent.BUTTONS))
        if sum(ran.reply.text.count("\n") + 1 for ran in (*answers, statement)) > LINES:
            # The statement is never cut short: before it stands the line that says who they are now.
            last = answers[-1].reply.text.split("\n", 1)[0]
            for ran in answers:
                ran.reply = Reply(last if ran is answers[-1] else "")
        return [*answers, statement]


def _where_said(scene: Scene, kept: Mapping[str, Any]) -> Scene:
    """The scene as it was when something was said in a group that is done now."""
    if not kept.get("address"):
        return scene
    incoming = dataclasses.replace(scene.incoming, channel=kept["channel"], address=kept["address"])
    place = scene.snapshot.chats.get((incoming.channel, incoming.address))
    return dataclasses.replace(scene, incoming=incoming, group=place.group if place else None)


def _shown_name(person: Person) -> str:
    return masked(person.name) if person.hides_name else person.name
