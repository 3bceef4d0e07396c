"""What was asked: the open question of a person in a conversation, and what fits it as an answer."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from bot.dispatch.keeping import stored_answer
from bot.dispatch.scene import RUN, SHOWN, SILENCE, Heard, Scene, asked_under, echo, is_free, meant, says_plainly
from bot.dispatch.senders import Senders
from handlers.chat import PHOTO, Button, Command, Reply, Texts, shown_in
from handlers.language.match import Grammar
from models import outbox, pending

say = Texts(
    "dispatch",
    nothing_pending="现在没有等您回复的事。看看我会什么，请发 帮助。",
    yes_or_no="请回复 确认 或 取消。",
    number_out="请回复 1 到 {most} 里的一个数。",
    photo_wanted="请发一张照片，不办了请回复 取消。",
    place_wanted="请把位置发给我（点加号，选 位置），不办了请回复 取消。",
    pressed_late="这个按钮现在不管用了：那件事已经办过、已经过时，或者问的不是您。",
    value_wanted="请照刚才问的回复，不办了请回复 取消。",
)

NUMBERED_WITHIN = timedelta(minutes=30)
"""A bare number right after a message with buttons means one of them, unless this much time has passed."""

QUOTED_WITHIN = timedelta(days=7)
"""The same for a number beside a quotation of that message."""

YES_OR_NO = 2
"""A message to one person with so many buttons asks them something: the first says yes to it, the second no."""


class Questions:
    """Looks questions up, and holds answers against them; it touches nothing."""

    def __init__(self, grammar: Grammar, by_intent: Mapping[str, Command], senders: Senders) -> None:
        self._grammar = grammar
        self._by_intent = by_intent
        self._senders = senders

    def question(self, session: Session, scene: Scene) -> pending.Question | Heard | None:
        """The open question that this message may answer; or the answer that the message got before."""
        person = self._senders.person(session, scene)
        question = meant(scene, pending.open_question(session, **asked_under(scene, person), now=scene.now))
        # Looked up last: where another replica answered this very message, its answer was there when the question went.
        return stored_answer(session, scene.incoming) or question

    def lapsed(self, session: Session, scene: Scene) -> pending.Question | None:
        """The question that this message answers too late."""
        if not (scene.addressed or says_plainly(scene)):
            return None
        asked = asked_under(scene, self._senders.person(session, scene))
        return meant(scene, pending.lapsed_question(session, **asked, now=scene.now))

    def pressed(self, scene: Scene, session: Session) -> Button | None:
        """The button that is meant by a bare number, or by yes or no to a question that was put to one person alone.

        Said to the bot right after its message, or beside a quotation of it.
        """
        slots = scene.understanding.slots
        number, buttons = slots.get("number"), self.offered(scene, session)
        if (yes := slots.get("yes")) is not None and not scene.group and len(buttons) == YES_OR_NO:
            number = 1 if yes else 2
        button = buttons[number - 1] if number is not None and 1 <= number <= len(buttons) else None
        # What answers a question answers none but that one, which is not open any more.
        return button if button is not None and not button.question else None

    def offered(self, scene: Scene, session: Session) -> tuple[Button, ...]:
        """The buttons of the message that this one may answer."""
        quote, person = scene.incoming.quote, self._senders.person(session, scene)
        if not scene.addressed or scene.incoming.question or person is None:
            return ()
        return outbox.offered(
            session,
            community_id=person.community.id,
            group_id=scene.group.id if scene.group else None,
            member_id=person.id,
            quoted=quote.text if quote else "",
            since=scene.now - (QUOTED_WITHIN if quote else NUMBERED_WITHIN),
        )

    def filled(self, scene: Scene, question: pending.Question) -> dict[str, Any] | None:
        """The slots of a free question with what this text adds; None where it is no answer to it."""
        command = self._by_intent[question.intent]
        return self._grammar.fill(
            command, question.slots, scene.typed.text, wanted=question.slot, world=scene.world, now=scene.now
        )

    def misfit(self, scene: Scene, question: pending.Question | None) -> Heard | None:
        """What becomes of an answer that no open question asked for; None where it fits the one that is open.

        In overheard talk a doubtful answer was meant for a neighbour: silence.
        """
        yes, number = scene.understanding.slots.get("yes"), scene.understanding.slots.get("number")
        sentence, heard = say("pressed_late" if scene.incoming.question else "nothing_pending"), scene.addressed
        if question is not None:
            if yes is False or (is_free(question) and self.filled(scene, question) is not None):
                return None
            most = len(question.options)
            if question.slot in SHOWN:
                if question.slot in shown_in(scene.incoming):
                    return None
                sentence = say("photo_wanted" if question.slot == PHOTO else "place_wanted")
            elif is_free(question):
                sentence = say("value_wanted")
            elif question.slot in (None, RUN):
                if yes is True and (scene.addressed or says_plainly(scene) or _at_once(scene, question)):
                    return None
                sentence = say("yes_or_no")
            else:
                if 1 <= (number or (1 if yes and most == 1 else 0)) <= most:
                    return None
                sentence, heard = say("number_out", most=most), scene.addressed or number is not None
        return Heard(echo(scene, Reply(sentence)), "refused") if heard else SILENCE


def _at_once(scene: Scene, question: pending.Question) -> bool:
    """Whether 好的 was said to nobody else: it follows the very message that brought the question up."""
    return scene.incoming.quote is None and bool(question.token) and scene.follows == question.token
