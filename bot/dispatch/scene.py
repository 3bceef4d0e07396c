"""One message: what is known of it before anything is done, and what became of it."""

import dataclasses
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.worlds import Snapshot
from handlers.chat import PHOTO, PLACE, Incoming, Reply
from handlers.language.match import Surroundings, Understanding
from handlers.language.normalise import Typed
from models import pending
from models.directory import CommunityHere, GroupHere
from models.members import Person

RUN = ""
"""The slot of a question that only asks whether a command is meant: 是 runs it, without standing for its 确认."""

SHOWN = (PHOTO, PLACE)

PLAIN_YES = frozenset(("确认", "确定", "是", "是的"))
"""What 确认 may be in talk that was only overheard: 好的 and 行 are said to neighbours all day long, and mean the bot
only where nobody has said anything since it asked."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of a message: the reply, and the outcome for the books of the operator."""

    reply: Reply
    outcome: str
    """act, read, ask, refused, ignore, repeated, failed."""


SILENCE = Heard(Reply(), "ignore")


class AnsweredMeanwhile(Exception):
    """Another process answered the same message in this very moment; this unit must leave no trace."""


@dataclass(slots=True)
class Scene:
    """Everything about one message that does not change while it is worked on."""

    incoming: Incoming
    typed: Typed
    now: datetime
    snapshot: Snapshot
    community: CommunityHere | None
    group: GroupHere | None
    understanding: Understanding
    world: Surroundings
    addressed: bool
    reached: bool = False
    """The bot can write to the sender by itself."""
    opens: bool = False
    """By writing here alone, the sender lets the bot write to them by itself."""
    follows: str = ""
    """The token of the message that was heard right before it in this group, less than a minute ago."""


def asked_under(scene: Scene, person: Person | None) -> dict[str, Any]:
    """Under which name the questions to this sender in this conversation are kept."""
    assert scene.community is not None
    incoming = scene.incoming
    return {
        "community_id": scene.community.id,
        "member_id": person.id if person else None,
        "account": pending.account(incoming.namespace, incoming.sender),
        "conversation": pending.conversation(scene.group.id if scene.group else None),
    }


def echo(scene: Scene, reply: Reply) -> Reply:
    """The reply in the characters in which it was asked for: 繁體 is answered with 繁體."""
    text = scene.typed.echo(reply.text)
    return reply if text == reply.text else dataclasses.replace(reply, text=text)


def says_plainly(scene: Scene) -> bool:
    """Whether it can be a yes although the bot was not spoken to."""
    return scene.typed.text.strip(" ,.!~") in PLAIN_YES


def meant(scene: Scene, question: pending.Question | None) -> pending.Question | None:
    """The question, unless a button was pressed that belongs to another one."""
    pressed = scene.incoming.question
    return question if question is not None and pressed in ("", question.token) else None


def is_free(question: pending.Question) -> bool:
    """Whether the question wants a value that nobody listed: a place, a room, digits."""
    return question.slot not in (None, RUN, *SHOWN) and not question.options


def token_of(channel: str, message_id: str) -> str:
    """Names the question that a message is answered with, the same one whenever that message is delivered."""
    return hashlib.sha256(f"{channel}/{message_id}".encode()).hexdigest()[:12]
