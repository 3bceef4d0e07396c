"""Conversations without a page: messages of the simulator's people, said from a command line, a file or a test.

`say` and `replay` speak through the simulator's channel: the same people, the same groups, the same postman.
"""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.app import House
from bot.channels import FILE_BYTES, Ability, Hear, Hears, Parcel
from bot.demo import CHANNEL, NAMESPACE, NEW_CHAT
from bot.troubles import revived
from handlers.chat import Button, Incoming, Quote, Reply
from models import inbox
from models.base import buttons_of
from models.clock import SHANGHAI
from models.directory import Endpoint, Group
from models.members import Member
from models.outbox import Outbox
from models.photos import Photo
from models.places import Location


class BadLine(ValueError):
    """A line of a script that cannot be played. Its text says what to write instead."""


class Script:
    """The simulator's channel without its page. What goes out is kept, in order, as address and text."""

    name = CHANNEL
    namespace = NAMESPACE
    ability = Ability(
        hears=Hears.EVERYTHING,
        pushes_to_groups=True,
        pushes_to_people=True,
        text_bytes=20_480,
        buttons=True,
        file_bytes=FILE_BYTES,
    )

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def routes(self, hear: Hear) -> list[web.RouteDef]:
        return []

    def adopt(self, settings: Any) -> None:
        """Has no settings."""

    def address_of(self, external_id: str) -> str:
        return external_id

    async def send(self, parcel: Parcel) -> None:
        # A file is seen by its name.
        self.sent.append((parcel.address, parcel.file.name if parcel.file else parcel.text))

    async def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a script: somebody says something, or time moves to `clock`."""

    sender: str = ""
    place: str = ""
    """The group's address; empty for a direct conversation."""
    text: str = ""
    at: datetime | None = None
    message_id: str = ""
    quote: Quote | None = None
    clock: datetime | None = None
    photos: tuple[Photo, ...] = ()
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Push:
    """One message beside the answer: to whom (a group's or a person's name, or an account), and what."""

    to: str
    text: str
    buttons: tuple[Button, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Played:
    """What one line brought about."""

    reply: str
    outcome: str
    ref: str = ""
    pushes: list[Push] = field(default_factory=list)
    buttons: tuple[Button, ...] = ()

    def as_json(self) -> str:
        pushes = [{"to": push.to, "text": push.text} for push in self.pushes]
        return json.dumps({"reply": self.reply, "pushes": pushes, "outcome": self.outcome}, ensure_ascii=False)


def read_line(text: str) -> Line:
    """One JSON line of a script. Raises BadLine."""
    try:
        given = json.loads(text)
    except ValueError as error:
        raise BadLine(f"这一行不是 JSON：{error}") from None
    if not isinstance(given, dict):
        raise BadLine('每一行要写成 {"as": "王秀英", "in": "3栋群", "text": "签到"}')
    if "clock" in given:
        return Line(clock=moment(given["clock"]))
    missing = [key for key in ("as", "text") if not isinstance(given.get(key), str)]
    if missing:
        raise BadLine(f'缺少 {"、".join(missing)}，要写成 {{"as": "王秀英", "in": "3栋群", "text": "签到"}}')
    quoted = given.get("quote")
    quote = None
    if isinstance(quoted, str):
        quote = Quote("bot", ref=quoted)
    elif isinstance(quoted, dict):
        quote = Quote(str(quoted.get("from", "")), str(quoted.get("text", "")), str(quoted.get("ref", "")))
    return Line(
        sender=given["as"],
        place=str(given.get("in", "")),
        text=given["text"],
        at=moment(given["at"]) if given.get("at") else None,
        message_id=str(given.get("message_id", "")),
        quote=quote,
    )


def moment(text: object) -> datetime:
    """An ISO moment; without an offset it is Shanghai's. Raises BadLine."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        raise BadLine(f"时间「{text}」看不懂，要写成 2026-11-21T08:55+08:00") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=SHANGHAI)


async def play(house: House, line: Line, *, moves: bool, delivers: bool) -> Played:
    """Plays one line. `moves` lets time go on to the line's moment; `delivers` lets the postman go.

    Raises BadLine for a moment in the past.
    """
    last = await house.books.read(lambda session: session.scalar(select(func.max(Outbox.id))) or 0)
    when = line.clock or line.at
    if moves and when is not None:
        try:
            await house.advance(when)
        except ValueError:
            raise BadLine(f"时间只能往前走，{when.isoformat()} 已经过去了") from None
    reply, outcome = Reply(), "clock"
    if line.clock is None:
        heard = await house.dispatcher.answer(incoming_of(line, house))
        reply, outcome = heard.reply, heard.outcome
        if delivers:
            await house.postman.deliver_due()
    pushes = await house.books.read(lambda session: list(pushes_after(session, last)))
    return Played(reply.text, outcome, reply.ref, pushes, reply.buttons)


def require_place(session: Session, place: str) -> None:
    """Raises BadLine unless somebody can speak there: in a chat of the simulator, or to the bot alone."""
    known = session.scalars(select(Endpoint.address).where(Endpoint.channel == CHANNEL).order_by(Endpoint.id)).all()
    if place and place not in (*known, NEW_CHAT):
        raise BadLine(f"没有「{place}」这个群，有的是：{'、'.join((*known, NEW_CHAT))}")


def incoming_of(line: Line, house: House) -> Incoming:
    """The message of a line, as the simulator's channel would bring it."""
    return Incoming(
        channel=CHANNEL,
        message_id=line.message_id or uuid.uuid4().hex,
        namespace=NAMESPACE,
        sender=line.sender,
        text=line.text,
        address=line.place,
        # A mention is found by the dispatcher, which knows the bot's name.
        addressed=not line.place or (line.quote is not None and line.quote.author == "bot"),
        quote=line.quote,
        at=house.wall.now(),
        photos=line.photos,
        location=line.location,
    )


def pushes_after(session: Session, last: int) -> Iterator[Push]:
    """What was put into the outbox after the row `last`."""
    rows: Any = session.execute(
        select(
            Outbox.text,
            Outbox.buttons,
            Outbox.external_id,
            Group.name.label("group_name"),
            Member.name.label("member_name"),
        )
        .outerjoin(Group, Outbox.group_id == Group.id)
        .outerjoin(Member, Outbox.member_id == Member.id)
        .where(Outbox.id > last)
        .order_by(Outbox.id)
    )
    for row in rows:
        yield Push(row.group_name or row.member_name or row.external_id, row.text, buttons_of(row.buttons))


def kept_troubles(session: Session) -> list[tuple[int, Incoming]]:
    """The messages that met a bug, as they came in."""
    return [(trouble_id, revived(kept)) for trouble_id, kept in inbox.troubles(session)]
