"""What somebody said before they had agreed to the privacy statement, kept until they do.

It lies in the open question itself: which commands, with which slots, said where. So it is gone with the question, and
nothing of it is done before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

from handlers.chat import Command, Incoming
from handlers.language.match import Understanding
from models.members import Person
from models.pending import Question

AGREE, DECLINE = "agree", "decline"
STANDS = timedelta(minutes=30)
"""How long what was said first waits for the answer: the statement wants to be read, and a command goes stale."""
KEPT = ("intent", "slots", "outcome", "say", "options", "slot")


def awaits(person: Person | None, parts: Sequence[Understanding]) -> bool:
    """Whether something is asked for that is done only for members who agreed, and this one did not."""
    return (
        person is not None
        and not person.agreed
        and any(
            part.command is not None and part.command.role is not None and part.command.needs_consent for part in parts
        )
    )


def question(incoming: Incoming, parts: Sequence[Understanding], slot: str) -> Question:
    """The question for agreement, with what was said. `slot` says that 是 answers it."""
    plain = (asdict(replace(part, command=None, also=())) for part in parts)
    first = [{name: one[name] for name in KEPT} for one in plain]
    return Question(AGREE, {"first": first, "channel": incoming.channel, "address": incoming.address}, slot, [])


def said(kept: Mapping[str, Any], commands: Mapping[str, Command]) -> list[Understanding]:
    """What was said first, as it was understood then; nothing where there is none."""
    return [
        Understanding(command=commands[part["intent"]], **{**part, "options": tuple(part["options"])})
        for part in kept.get("first", ())
        if part["intent"] in commands
    ]
