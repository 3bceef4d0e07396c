"""Channels: one file for each way in which messages reach the bot or leave it.

A channel declares what it can do (`Ability`); features ask the ability and never the channel's name. A channel that
hears mounts its own routes and hands every message to `hear`; a channel that speaks implements `send`, which the
postman (`bot/delivery.py`) calls outside of any transaction.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from aiohttp import web

from handlers.chat import Button, Incoming, Reply
from models.base import Card

Hear = Callable[[Incoming], Awaitable[Reply]]
"""What a channel calls with each message. Returns after the durable commit; raises Unavailable for a passing fault."""


class Unavailable(Exception):
    """Nothing was written, and the same message may be delivered again: answer 503, so that the platform retries."""


class Hears(StrEnum):
    """What of a group's talk reaches the bot on this channel."""

    EVERYTHING = "everything"
    MENTIONS = "mentions"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` sends per address within any span of `per`. A rule of the platform, as data."""

    count: int
    per: timedelta


@dataclass(frozen=True, slots=True)
class Ability:
    """What a channel can do. Byte limits are of UTF-8; `text_bytes` 0 means that it cannot send text at all."""

    hears: Hears = Hears.NOTHING
    pushes_to_groups: bool = False
    pushes_to_people: bool = False
    writes_first: bool = True
    """It can write to somebody who has never written to the bot alone."""
    text_bytes: int = 0
    markdown_bytes: int = 0
    buttons: bool = False
    """It shows `Parcel.buttons` and `Reply.buttons`, and brings a press as the words of the button."""
    pictures: bool = False
    """It shows `Parcel.picture`."""
    cards: bool = False
    """It shows `Parcel.card`."""
    file_bytes: int = 0
    """The largest `Parcel.file` that it brings; 0 means that it brings none."""
    limits: tuple[Limit, ...] = ()


FILE_BYTES = 20 * 1024 * 1024
"""What WeCom takes on each of its ways (pages 91770, 90253, 101463)."""
FILE_BYTES_LEAST = 6


@dataclass(frozen=True, slots=True)
class File:
    """A file on its way to somebody. `name` is what they see of it before they open it."""

    name: str
    content: bytes = field(repr=False)
    media_type: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """One text to one address, ready to leave. `secret` is the endpoint's own (a webhook key), never logged."""

    address: str
    text: str
    secret: str = field(default="", repr=False)
    ref: str = ""
    """The object it shows (`activity:12`), for channels whose messages can be quoted."""
    buttons: tuple[Button, ...] = ()
    """What can be pressed beside it, for channels with that ability. The text says the same without them."""
    picture: bytes = field(default=b"", repr=False)
    """A PNG to show in place of the text, for channels with that ability. The text says the same."""
    card: Card | None = None
    """The text in parts, for channels with that ability."""
    file: File | None = None
    """What is brought in place of the text, by channels with that ability alone."""


class DeliveryError(Exception):
    """The platform said no. `permanent` errors never heal by trying again; `code` is the platform's number.

    `pause` asks that nothing more goes to this address for so long (a rate limit was hit).
    """

    def __init__(self, detail: str, *, permanent: bool, code: int | str = "", pause: timedelta | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.permanent = permanent
        self.code = code
        self.pause = pause


def refuse_size(file: File, most: int) -> None:
    """Raises DeliveryError for a file that the platform would not take, which no other try changes."""
    if not FILE_BYTES_LEAST <= len(file.content) <= most:
        raise DeliveryError(f"the file has {len(file.content)} bytes", permanent=True, code="file-size")


class OutcomeUnknown(Exception):
    """The request was sent and no answer came: the message may have arrived or not. `detail` holds no secret."""


@runtime_checkable
class Connected(Protocol):
    """A channel that lives on one connection, beside what every `Channel` is.

    The house runs it while it serves; the postman asks it before each message whether it is there.
    """

    async def run(self, hear: Hear) -> None:
        """Holds the connection, whatever ends it, until `stop`, and then until what began is answered."""
        ...

    def stop(self) -> None:
        """Lets `run` end."""
        ...

    def away(self, address: str) -> timedelta | None:
        """How long a message to this address has to wait before this process can send it; None where it can now.

        Nothing at all (`timedelta(0)`) leaves it to the process that has the connection.
        """
        ...

    def trouble(self) -> str:
        """Why nothing is heard, in Chinese, for health; nothing while all is well."""
        ...


class Channel(Protocol):
    """One configured channel. `name` is its key in the configuration and in `Endpoint.channel`."""

    name: str
    namespace: str
    ability: Ability

    def routes(self, hear: Hear) -> list[web.RouteDef]:
        """The HTTP routes that this channel needs; empty for one that only pushes."""
        ...

    def adopt(self, settings: Any) -> None:
        """Takes changed settings of its own kind, as far as that is safe while it serves."""
        ...

    def address_of(self, external_id: str) -> str:
        """The address under which a person of this namespace is written to."""
        ...

    async def send(self, parcel: Parcel) -> None:
        """Sends one message. Raises `DeliveryError` or `OutcomeUnknown`; returning means that the platform took it."""
        ...

    async def close(self) -> None:
        """Releases connections."""
        ...
