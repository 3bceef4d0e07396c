"""What is written down beside a command's own rows: its acts, what it tells and asks, and the answer."""

import dataclasses
from datetime import timedelta

from sqlalchemy.orm import Session

from bot.dispatch.running import Ran, combined, outcome_of
from bot.dispatch.scene import SILENCE, AnsweredMeanwhile, Heard, Scene, asked_under, echo, token_of
from handlers.chat import Incoming, Reply, Texts
from models import audit, inbox, outbox, pending
from models.directory import note_opened
from models.members import Person

say = Texts("dispatch", sent_privately="已私信您。")


def stored_answer(session: Session, incoming: Incoming) -> Heard | None:
    """What this very message was answered before, where it was."""
    stored = inbox.find_answer(session, channel=incoming.channel, message_id=incoming.message_id)
    return Heard(Reply(stored.reply, stored.ref, stored.buttons), "repeated") if stored else None


def finish(session: Session, scene: Scene, person: Person | None, answers: list[Ran], outcome: str = "") -> Heard:
    """Writes down what is asked, what goes out and what was answered, and only then gives the answer."""
    incoming, community = scene.incoming, scene.community
    assert community is not None
    outcome = outcome or outcome_of(answers)
    if not (scene.addressed or any(ran.reply.text or ran.wrote or ran.asked for ran in answers)):
        return SILENCE
    if any(ran.stranger for ran in answers) and outcome != "act":
        # Nothing was done and nothing is kept of somebody whom the community does not know.
        return Heard(echo(scene, combined(answers)), "refused")
    for ran in answers:
        if ran.asked is not None:
            _ask(session, scene, person, ran)
    aside = [ran for ran in answers if ran.aside]
    if aside and person is not None:
        send_privately(session, scene, person, echo(scene, combined(aside)))
        answers = [*(ran for ran in answers if not ran.aside), Ran(Reply(say("sent_privately")))]
    if scene.opens:
        note_opened(session, namespace=incoming.namespace, external_id=incoming.sender, now=scene.now)
    reply = echo(scene, combined(answers))
    if not inbox.record(
        session,
        channel=incoming.channel,
        message_id=incoming.message_id,
        community_id=community.id,
        member_id=person.id if person else None,
        outcome=outcome,
        reply=reply.text,
        ref=reply.ref,
        buttons=reply.buttons,
        at=scene.now,
    ):
        raise AnsweredMeanwhile
    return Heard(reply, outcome)


def record(session: Session, scene: Scene, person: Person | None, ran: Ran) -> None:
    """Writes down the acts of one command, and what it tells others."""
    incoming, community = scene.incoming, scene.community
    assert community is not None
    if ran.turn is None:
        return
    for mark in ran.turn.marks:
        act = audit.record(
            session,
            community_id=community.id,
            at=scene.now,
            member_id=person.id if person else None,
            action=mark.action,
            object_ref=mark.ref,
            group_id=scene.group.id if scene.group else None,
            channel=incoming.channel,
            message_id=incoming.message_id,
            detail=dict(mark.detail),
        )
        if mark.action == "undo":
            audit.mark_undone(session, community_id=community.id, act_id=int(mark.ref), by=act)
    for told in ran.turn.told:
        told.post(session, community_id=community.id, now=scene.now)


def _ask(session: Session, scene: Scene, person: Person | None, ran: Ran) -> None:
    ask = ran.asked
    assert ask is not None
    asker = ran.turn.command.intent if ran.turn else ran.part.intent if ran.part else ""
    slots = ran.turn.slots if ran.turn else ran.part.slots if ran.part else {}
    where = asked_under(scene, person)
    token = token_of(scene.incoming.channel, scene.incoming.message_id)
    ran.reply = dataclasses.replace(
        ran.reply, buttons=tuple(button._replace(question=token) for button in ran.reply.buttons)
    )
    if ran.aside:
        where["conversation"] = pending.conversation(None)
    pending.ask(
        session,
        **where,
        question=pending.Question(asker, slots, ask.slot, list(ask.options), token),
        expires_at=scene.now + timedelta(minutes=ask.minutes),
    )


def send_privately(session: Session, scene: Scene, person: Person, reply: Reply) -> None:
    """The answer to what was said in a group, to the speaker alone."""
    incoming = scene.incoming
    outbox.put(
        session,
        community_id=person.community.id,
        key=f"private:{incoming.channel}:{incoming.message_id}",
        message=reply.text,
        now=scene.now,
        expires_at=scene.now + timedelta(hours=1),
        member_id=person.id,
        ref=reply.ref,
        buttons=reply.buttons,
        # It is the answer to what was just said.
        urgent=True,
    )
