"""What was said in every conversation of the simulator, and who is looking: lines, changes, listeners.

Every line and every change of a line gets the next number, so that a page that was away asks for what came
after the last number it saw. Nothing here knows HTTP beyond the text of a server-sent event.
"""

import asyncio
import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from handlers.chat import Button
from models.clock import SHANGHAI, spoken
from models.photos import Photo
from models.places import Location

UNSENT_MAX = 1_000


class Kind(StrEnum):
    """How a line came into the transcript."""

    SAID = "said"
    """A person typed it."""
    REPLY = "reply"
    """The bot's answer to it."""
    PUSH = "push"
    """The bot wrote unasked."""


class Quoted(NamedTuple):
    """A quoted line as it stands above the new one. `id` is None for a quote that was made elsewhere."""

    id: int | None
    name: str
    text: str


class Enclosed(NamedTuple):
    """Where the page finds a file, and what it is called."""

    url: str
    name: str


class Pictured(NamedTuple):
    """Where the page finds a picture, and its pixels, so that the place is there before the picture is."""

    url: str
    width: int
    height: int


@dataclass(slots=True)
class Entry:
    """One line of a conversation."""

    id: int
    conversation: str
    kind: Kind
    author: str
    """The sender id, empty for the bot."""
    name: str
    text: str
    at: datetime
    """Community time, aware."""
    quote: Quoted | None = None
    ref: str = ""
    """The object that a line of the bot is about."""
    message_id: str = ""
    beside: str = ""
    """For private lines of the bot: the conversation in which it is mentioned too, `*` for every group."""
    heard: bool = True
    failed: bool = False
    """The house could not take it; the same message may be sent again."""
    again: bool = False
    """The same message was delivered before."""
    photo: str = ""
    """A small picture of the photo that was sent, as a data address."""
    place: str = ""
    """What the map calls the place that was sent."""
    shown: tuple[tuple[Photo, ...], Location | None] = ((), None)
    """Photo and place as they were sent."""
    picture: Pictured | None = None
    """What the bot showed; its text says the same."""
    file: Enclosed | None = None
    """What the bot brought beside its text."""
    buttons: tuple[Button, ...] = ()
    """What can be pressed below it."""
    done: dict[str, str] = field(default_factory=dict)
    """Who has pressed one of them, and which, by sender id and label."""
    card: int = 0
    """For what was said by a press: the line whose button it was."""
    pressed: str = ""
    """And what stood on the button."""
    change: int = 0

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "conversation": self.conversation,
            "kind": self.kind.value,
            "author": self.author,
            "name": self.name,
            "text": self.text,
            "at": moment_json(self.at),
            "quote": self.quote._asdict() if self.quote else None,
            "ref": self.ref,
            "message_id": self.message_id,
            "beside": self.beside,
            "heard": self.heard,
            "failed": self.failed,
            "again": self.again,
            "photo": self.photo,
            "picture": self.picture._asdict() if self.picture else None,
            "file": self.file._asdict() if self.file else None,
            "place": self.place,
            "buttons": [button.label for button in self.buttons],
            "done": self.done,
            "card": self.card,
            "pressed": self.pressed,
        }


def moment_json(moment: datetime) -> dict[str, str]:
    """A moment for programs (Shanghai time with its offset) and for people."""
    return {"iso": moment.astimezone(SHANGHAI).isoformat(timespec="seconds"), "label": spoken(moment)}


def event(kind: str, content: object, change: int | None = None) -> bytes:
    """One server-sent event; with `change` a page that lost the stream comes back with that number."""
    number = "" if change is None else f"id: {change}\n"
    return f"{number}event: {kind}\ndata: {json.dumps(content, ensure_ascii=False)}\n\n".encode()


class Transcript:
    """The lines of all conversations, the last `entries_max` of each, and whoever listens for new ones."""

    def __init__(self, entries_max: int) -> None:
        self._entries_max = entries_max
        self._conversations: dict[str, deque[Entry]] = {}
        self._last_id = 0
        self.change = 0
        self.listeners: set[Listener] = set()

    def add(self, **fields: Any) -> Entry:
        """Appends a line and tells every listener."""
        self._last_id += 1
        entry = Entry(id=self._last_id, **fields)
        lines = self._conversations.setdefault(entry.conversation, deque(maxlen=self._entries_max))
        lines.append(entry)
        self.changed(entry)
        return entry

    def changed(self, entry: Entry) -> None:
        """Tells every listener that a line is new or looks different now."""
        self.change += 1
        entry.change = self.change
        self.tell("entry", entry.as_json(), change=self.change)

    def of(self, conversation: str) -> Iterable[Entry]:
        """The lines of one conversation, the oldest first."""
        return self._conversations.get(conversation, ())

    def line(self, number: int) -> Entry | None:
        """The line with this id, of whatever conversation."""
        return next((entry for lines in self._conversations.values() for entry in lines if entry.id == number), None)

    def since(self, change: int) -> list[Entry]:
        """The lines that are new or changed since then, the latest change last."""
        every = (entry for lines in self._conversations.values() for entry in lines if entry.change > change)
        return sorted(every, key=lambda entry: entry.change)

    def tell(self, kind: str, content: object, *, change: int | None = None) -> None:
        """Sends one event to every listener."""
        message = event(kind, content, change)
        for listener in self.listeners:
            listener.put(message)


class Listener:
    """One open page. One that does not read what it is sent is let go, and asks for it when it returns."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[bytes | None] = asyncio.Queue(UNSENT_MAX)

    def put(self, message: bytes) -> None:
        try:
            self._messages.put_nowait(message)
        except asyncio.QueueFull:
            self.end()

    def end(self) -> None:
        """Drops what is not sent yet: the page asks for it when it comes back."""
        while not self._messages.empty():
            self._messages.get_nowait()
        self._messages.put_nowait(None)

    async def next(self, wait_seconds: float) -> bytes | None:
        """The next message, or None at the end. Raises TimeoutError when nothing came."""
        return await asyncio.wait_for(self._messages.get(), wait_seconds)
