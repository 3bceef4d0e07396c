"""One message as it comes in, and what the bot says in answer: words, a question back, buttons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.base import Button
from models.photos import Photo
from models.places import Location

LINES = 4
"""A neighbour reads no more lines than these in one message."""

BUTTONS = 6
"""No platform shows more of them beside one message: where there are more, none is shown."""


def in_few_lines(lines: Sequence[str], most: int = LINES) -> str:
    """The lines, several of them side by side where there are too many."""
    wide = -(-len(lines) // most)
    return "\n".join("  ".join(lines[at : at + wide]) for at in range(0, len(lines), wide or 1))


@dataclass(frozen=True, slots=True)
class Quote:
    """A message that the sender quoted. `ref` names the object it shows (`activity:12`) where that is known."""

    author: str = ""
    """`bot`, `human`, or nothing where the platform does not say."""
    text: str = ""
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message as every channel delivers it, whatever its wire format was."""

    channel: str
    """The configured channel's name: with `message_id` the transport key."""
    message_id: str
    namespace: str
    """Whose user ids these are (the WeCom corp, an official account): one person on all channels of one namespace."""
    sender: str
    """The outside user id, opaque."""
    text: str
    address: str = ""
    """The outside id of the group chat; empty in a direct conversation."""
    addressed: bool = True
    """Mentioned, quoted or written to directly; False for talk that was only overheard."""
    quote: Quote | None = None
    at: datetime | None = None
    """Wall time of arrival, aware. None: now."""
    photos: tuple[Photo, ...] = ()
    """The pictures that came with it, fetched and scaled down by the channel."""
    unseen: int = 0
    """How many more pictures came with it that could not be fetched."""
    location: Location | None = None
    """The place that the sender's phone sent."""
    question: str = ""
    """Which question a pressed button answers; see `Button`."""

    @property
    def direct(self) -> bool:
        return not self.address


@dataclass(frozen=True, slots=True)
class Reply:
    """What the bot says in answer, in the same conversation. Empty text is silence."""

    text: str = ""
    ref: str = ""
    """The object that this answer is about, so that quoting the answer means the object."""
    buttons: tuple[Button, ...] = ()
    """What can be pressed beside it. The text names the words to type as well, for those who see no buttons."""


PHOTO, PLACE = "@photo", "@place"
"""Slots of a question that no word fills: what answers it is a picture, or a place that the phone sends."""


def shown_in(incoming: Incoming) -> tuple[str, ...]:
    """What a message shows instead of saying it: PHOTO, PLACE."""
    return (PHOTO,) * bool(incoming.photos) + (PLACE,) * (incoming.location is not None)


@dataclass(frozen=True, slots=True)
class Ask:
    """One question back. The answer (是, 不是, a number, a word) runs the same command again with the slot filled.

    `slot` None asks for 确认 or 取消: the handler then finds `turn.confirmed`. `slot` PHOTO or PLACE asks for a picture
    or a place: the same command runs again with the slots as they were, and finds them in `turn.incoming`.
    `options` are what numbers 1.. mean, as values of the slot. Without them the answer is free: in a direct
    conversation whatever the slot's kind can read (a place, a room, digits), and it may fill other slots as well.
    """

    text: str
    slot: str | None = None
    options: tuple[Any, ...] = ()
    minutes: int = 5
    """How long the question stands, in minutes of community time."""
    labels: tuple[str, ...] = ()
    """What stands on the buttons of its options, where that is more than their numbers."""

    @property
    def buttons(self) -> tuple[Button, ...]:
        """One for each answer, where the answers are known."""
        if self.options:
            labels = self.labels or [str(number) for number, _ in enumerate(self.options, 1)]
            every = tuple(Button(label, str(number)) for number, label in enumerate(labels, 1))
            return every if len(every) <= BUTTONS else ()
        return (Button("确认", "确认"), Button("取消", "取消")) if not self.slot else ()


Answer = Reply | Ask | str
