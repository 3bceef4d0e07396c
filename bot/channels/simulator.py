"""A group chat on one web page: whoever tries the bot out sits in every chair and moves the clock.

The channel keeps the transcript of every conversation, hands what is said to the house as a platform would,
and shows what comes back: answers where the question was asked, pushes where they were sent. A person is
reached at `dm:<sender>`, a group at its own address.

What must hold:
- a message that the bot could not hear (its group hears mentions only) is shown and never handed on;
- community time moves forward only, and one move ends before the next begins;
- whatever was typed is data: the page shows it as text, and the transcript is bounded.
"""

import asyncio
import base64
import functools
import hashlib
import ipaddress
import json
import struct
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Protocol, TypeVar
from urllib.parse import quote as encoded
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from bot import photos
from bot.channels import FILE_BYTES, Ability, DeliveryError, File, Hear, Hears, Parcel, Unavailable
from bot.channels.transcript import Enclosed, Entry, Kind, Listener, Pictured, Quoted, Transcript, event, moment_json
from handlers.chat import Button, Incoming, Quote, Reply
from models.clock import SHANGHAI, at, day_of, spoken
from models.photos import Photo, data_url
from models.places import Location

PERSON = "dm:"
EVERY_GROUP = "*"
TEXT_BYTES = 20_480
TEXT_CHARACTERS_MAX = 4_000
ENTRIES_MAX = 2_000
BODY_BYTES_MAX = 65_536
PHOTO_BYTES_MAX = 4_000_000
"""Of a photo as the page sends it; the page scales it down itself."""
PICTURES_MAX = 50
"""How many pictures that the bot showed are kept; in place of an older one its text is read."""
FILES_MAX = 20
"""How many files that the bot brought are kept."""
THUMBNAIL = 320
"""Pixels of the longer side of what the transcript keeps of a photo."""
AHEAD_MAX = timedelta(days=366)
LISTENERS_MAX = 64
BEAT_SECONDS = 15.0
PAGE = Path(__file__).parent / "simulator_page"
FILES = {
    "index.html": "text/html",
    "style.css": "text/css",
    "script.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
PROTECTION = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; "
        "img-src 'self' data:"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


# What the channel asks of the house.


class Someone(NamedTuple):
    """One person whose chair can be taken. `role` is the label beside the name: 书记, 居民, 陌生人."""

    sender: str
    name: str
    role: str
    home: str = ""


class Place(NamedTuple):
    """One group chat."""

    address: str
    name: str


PLACES = (
    Location(31.230400, 121.473700, "中心花园"),
    Location(31.231100, 121.474600, "3栋楼下"),
    Location(31.257600, 121.473700, "三公里外的菜场"),
)
"""Places that one can send without leaving one's chair. The demo's activity is at the first."""


class Letter(NamedTuple):
    """One message of the outbox: what it is, how it stands, and what may be wished for it."""

    number: int
    to: str
    text: str
    state: str
    """A label: 等着发."""
    why: str
    when: str
    again: bool = False
    give_up: bool = False
    doubt: str = ""
    """What whoever sends it again should know first: it may have arrived."""


class Mail(NamedTuple):
    """The outbox as the panel shows it: the letters in one state, how many there are in each, and what is broken."""

    letters: list[Letter]
    figures: dict[str, int]
    troubles: list[str]
    rules: Sequence[str] = ()
    """What groups have of their own: when they are quiet, how many posts a day they are to have."""


MAIL = {"waiting": "等着发", "sent": "已发出", "failed": "没有发出", "unknown": "结果不明"}
"""What the panel can show, by its name."""


class Stage(Protocol):
    """The house as the simulator sees it; `bot/app.py` implements it."""

    @property
    def bot_name(self) -> str: ...

    @property
    def community_name(self) -> str: ...

    async def people(self) -> list[Someone]:
        """Everybody whose chair can be taken, the main cast first, and at least one stranger."""
        ...

    async def groups(self) -> list[Place]:
        """The group chats, in the order in which they are listed."""
        ...

    def now(self) -> datetime:
        """Community time, aware."""
        ...

    async def advance(self, to: datetime) -> None:
        """Moves community time forward and runs the jobs due in between in order.

        Returns when everything that fell due has gone out through `Simulator.send`. While that happens,
        `now()` tells the moment of the job, so that each push carries the time at which it would have come.
        """
        ...

    async def mail(self, show: str) -> Mail:
        """What is to go out, or did: `show` is a key of `MAIL`."""
        ...

    async def wish(self, number: int, wish: str) -> str:
        """`again` or `give_up` for one message; what was done in one sentence. Raises Misuse where it is not done."""
        ...


def address_of(sender: str) -> str:
    """The address under which a person is written to privately."""
    return PERSON + sender


# Moments that one often wants to be at.


def _next(now: datetime, hour: int, minute: int, weekday: int | None = None) -> datetime:
    """The first such Shanghai clock time later than now, on that weekday (Monday is 0) or on any."""
    day = day_of(now)
    while at(day, hour, minute) <= now or weekday not in (None, day.weekday()):
        day += timedelta(days=1)
    return at(day, hour, minute)


class Preset(NamedTuple):
    """One button of the clock: its label and the moment that it means."""

    label: str
    moment: Callable[[datetime], datetime]


PRESETS: dict[str, Preset] = {
    "next_morning": Preset("下一个早上", lambda now: _next(now, 8, 0)),
    "next_evening": Preset("下一个傍晚", lambda now: _next(now, 19, 0)),
    "next_saturday": Preset("周六 8:55", lambda now: _next(now, 8, 55, weekday=5)),
    "plus_hour": Preset("+1小时", lambda now: now + timedelta(hours=1)),
}


class Push(NamedTuple):
    """One thing that the bot wrote by itself while time moved."""

    at: datetime
    conversation: str
    to: str
    """The name of the group or person."""
    text: str


class Said(NamedTuple):
    """What became of one message. `reply` is None where the bot could not hear it."""

    entry: Entry
    reply: Reply | None
    answer: Entry | None


class Misuse(Exception):
    """The request makes no sense; the message is one Chinese sentence for whoever made it."""

    status = 400


class Foreign(Misuse):
    """The request came from a page or a name that is not ours."""

    status = 403


class TooLarge(Misuse):
    """The body is longer than any message can be."""

    status = 413


class NotJson(Misuse):
    """The body is declared as something else."""

    status = 415


def _push_json(push: Push) -> dict[str, object]:
    return {
        "at": moment_json(push.at),
        "conversation": push.conversation,
        "to": push.to,
        "text": push.text,
    }


# What the page sends.


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Place(_Form):
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    label: str = Field(default="", max_length=80)


class _Say(_Form):
    sender: str = Field(alias="as", min_length=1, max_length=200)
    address: str = Field(alias="in", default="", max_length=200)
    text: str = Field(default="", max_length=TEXT_CHARACTERS_MAX)
    photo: str = Field(default="", max_length=PHOTO_BYTES_MAX * 4 // 3)
    """In base64."""
    place: _Place | None = None
    quote: int | None = None
    message_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None

    @model_validator(mode="after")
    def _says_or_shows_something(self) -> "_Say":
        if not (self.text.strip() or self.photo or self.place):
            raise PydanticCustomError("text", "nothing")
        return self


class _Press(_Form):
    sender: str = Field(alias="as", min_length=1, max_length=200)
    line: int
    button: str = Field(min_length=1, max_length=200)
    message_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None


class _Hears(_Form):
    address: str = Field(alias="in", min_length=1, max_length=200)
    hears: Literal["everything", "mentions"]


class _Wish(_Form):
    number: int = Field(ge=1)
    wish: Literal["again", "give_up"]


class _Move(_Form):
    to: str | None = Field(default=None, max_length=40)
    preset: str | None = Field(default=None, max_length=40)


WRONG = {
    "as": "先选好你是谁，再说话。",
    "in": "没有这个群。",
    "text": f"一条消息写1到{TEXT_CHARACTERS_MAX}个字。",
    "photo": "这张照片打不开，请换一张。",
    "place": "位置要有纬度和经度。",
    "quote": "引用的那条消息找不到了，请重新选一条。",
    "line": "这条消息的按钮找不到了。",
    "button": "没有这个按钮。",
    "message_id": "消息编号要是1到200个字符。",
    "hears": "只能选“全部听到”或“只听@”。",
    "to": "时间写成 2026-11-28T08:55 这样。",
    "preset": "没有这个快捷时间。",
    "number": "没有这条消息。",
    "wish": "只能选“再发一次”或“不发了”。",
}
"""One sentence for each field that can be wrong."""

FormT = TypeVar("FormT", bound=_Form)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _moment(text: str) -> datetime:
    """Reads ISO 8601; without an offset it is Shanghai time, as the page's own field gives it."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment.replace(tzinfo=SHANGHAI) if moment.tzinfo is None else moment).astimezone(SHANGHAI)
    except (ValueError, OverflowError):
        raise Misuse(WRONG["to"]) from None


async def _form(request: web.Request, kind: type[FormT], most: int = BODY_BYTES_MAX) -> FormT:
    """Raises Misuse with one Chinese sentence."""
    if request.content_type != "application/json":
        raise NotJson("请用 JSON 发送。")
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > most:
            raise TooLarge("内容太长了，请分几条发。")
    try:
        return kind.model_validate_json(bytes(body))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = first["loc"] or (first["type"],)
        raise Misuse(WRONG.get(str(place[0]), "这条请求看不懂。")) from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _json(content: object, status: int = 200) -> web.Response:
    return web.json_response(
        content,
        status=status,
        headers={**PROTECTION, "Cache-Control": "no-store"},
        dumps=functools.partial(json.dumps, ensure_ascii=False),
    )


# The channel.


class Simulator:
    """The channel and its page. `host_names` are names beside loopback under which the page may be opened.

    `close` ends the pages' event streams: call it when the server begins to stop (`on_shutdown`), or stopping
    waits for them.
    """

    ability = Ability(
        hears=Hears.EVERYTHING,
        pushes_to_groups=True,
        pushes_to_people=True,
        text_bytes=TEXT_BYTES,
        buttons=True,
        pictures=True,
        file_bytes=FILE_BYTES,
    )

    def __init__(
        self,
        stage: Stage,
        *,
        name: str = "simulator",
        namespace: str = "simulator",
        hears: Hears = Hears.EVERYTHING,
        entries_max: int = ENTRIES_MAX,
        host_names: Iterable[str] = (),
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        self.name = name
        self.namespace = namespace
        self.transcript = Transcript(entries_max)
        self._stage = stage
        self._hear: Hear | None = None
        self._hears_first = hears
        self._hears: dict[str, Hears] = {}
        self._host_names = frozenset(host_names)
        self._beat_seconds = beat_seconds
        self._run = uuid.uuid4().hex
        self._people: dict[str, Someone] = {}
        self._groups: dict[str, Place] = {}
        self._spoken_last = EVERY_GROUP
        self._shown: OrderedDict[str, bytes] = OrderedDict()
        """The pictures that the bot showed last, by name."""
        self._brought: OrderedDict[str, File] = OrderedDict()
        """The files that the bot brought last, by name."""
        self._moving = asyncio.Lock()
        self._moved: list[Push] | None = None
        self._closed = False

    # The Channel protocol.

    def routes(self, hear: Hear) -> list[web.RouteDef]:
        """The page, its files and its calls, all under `/simulator`."""
        self.listen(hear)
        return [
            web.get("/simulator", self._guarded(self._show_page)),
            web.get("/simulator/", self._guarded(self._show_page)),
            web.get("/simulator/state", self._guarded(self._show_state)),
            web.get("/simulator/outbox", self._guarded(self._show_mail)),
            web.post("/simulator/outbox", self._guarded(self._take_wish)),
            web.get("/simulator/events", self._guarded(self._show_events)),
            web.post("/simulator/say", self._guarded(self._take_say)),
            web.post("/simulator/press", self._guarded(self._take_press)),
            web.post("/simulator/hears", self._guarded(self._take_hears)),
            web.post("/simulator/clock", self._guarded(self._take_clock)),
            web.get("/simulator/pictures/{name}.png", self._guarded(self._show_picture)),
            web.get("/simulator/files/{name}", self._guarded(self._give_file)),
            web.get("/simulator/{file}", self._guarded(self._show_file)),
        ]

    def adopt(self, settings: Any) -> None:
        """Has no settings."""

    def address_of(self, external_id: str) -> str:
        return address_of(external_id)

    async def send(self, parcel: Parcel) -> None:
        """Shows one push. Raises a permanent DeliveryError for an unknown address or too long a text."""
        if len(parcel.text.encode()) > TEXT_BYTES:
            raise DeliveryError("the text is too long", permanent=True, code="too_long")
        to = await self._name_of(parcel.address)
        if to is None:
            raise DeliveryError("nobody is at this address", permanent=True, code="unknown_address")
        now = self._stage.now()
        beside = ""
        if parcel.address.startswith(PERSON):
            beside = self._spoken_last if self._moved is None else EVERY_GROUP
        picture = self._keep_picture(parcel.picture) if parcel.picture else None
        self._bot_says(
            Kind.PUSH,
            parcel.address,
            parcel.text,
            ref=parcel.ref,
            buttons=parcel.buttons,
            beside=beside,
            picture=picture,
            file=self._keep_file(parcel.file) if parcel.file else None,
        )
        if self._moved is not None:
            self._moved.append(Push(now, parcel.address, to, parcel.text))

    def _keep_picture(self, picture: bytes) -> Pictured:
        """Where the page finds a PNG; the same one shown in many groups is kept once."""
        name = hashlib.sha256(picture).hexdigest()[:32]
        self._shown[name] = picture
        self._shown.move_to_end(name)
        while len(self._shown) > PICTURES_MAX:
            self._shown.popitem(last=False)
        return Pictured(f"/simulator/pictures/{name}.png", *struct.unpack(">II", picture[16:24]))

    def _keep_file(self, file: File) -> Enclosed:
        """Where the page finds a file that the bot brought."""
        name = hashlib.sha256(file.content).hexdigest()[:32]
        self._brought[name] = file
        self._brought.move_to_end(name)
        while len(self._brought) > FILES_MAX:
            self._brought.popitem(last=False)
        return Enclosed(f"/simulator/files/{name}", file.name)

    async def close(self) -> None:
        self._closed = True
        for listener in self.transcript.listeners:
            listener.end()

    # What the command line does too.

    def listen(self, hear: Hear) -> None:
        """Wires the house to the channel where no routes are needed."""
        self._hear = hear

    async def say(
        self,
        sender: str,
        address: str,
        text: str,
        *,
        quote: int | Quote | None = None,
        message_id: str | None = None,
        photo: bytes = b"",
        place: Location | None = None,
        pressed: tuple[Entry, Button] | None = None,
    ) -> Said:
        """Says something in a group, or to the bot alone where `address` is empty; a `photo` or `place` may go with it.

        `quote` is the id of a line of the same conversation, or a quote made elsewhere; a `message_id` given
        again is a second delivery of the same message. `pressed` is the line and the button by which it is said.
        Raises Misuse, and Unavailable when the house cannot write now: then the line stays, marked as failed, and
        saying it again with its message id is safe.
        """
        assert self._hear is not None, "routes() or listen() wires the house first"
        speaker = await self._person(sender)
        if speaker is None:
            raise Misuse("没有这个人。")
        if address and await self._group(address) is None:
            raise Misuse(WRONG["in"])
        conversation = address or address_of(sender)
        shown, meant = self._quoted(conversation, quote)
        addressed = not address or pressed is not None or self._mentions_bot(text)
        addressed = addressed or (meant is not None and meant.author == "bot")
        heard = addressed or self.hears(address) is Hears.EVERYTHING
        pictures, small = await self._pictures(photo)
        entry = self._line_for(
            conversation, speaker, text, shown, message_id or uuid.uuid4().hex, heard=heard, pressed=pressed
        )
        if pictures or place:
            entry.photo, entry.place = small, (place.label or "位置") if place else ""
            entry.shown = (pictures, place)
            self.transcript.changed(entry)
        self._spoken_last = conversation
        if not heard:
            return Said(entry, None, None)
        pictures, place = entry.shown
        incoming = Incoming(
            self.name,
            entry.message_id,
            self.namespace,
            sender,
            text,
            address,
            addressed,
            meant,
            photos=pictures,
            location=place,
            question=pressed[1].question if pressed else "",
        )
        answered = False
        try:
            reply = await self._hear(incoming)
            answered = True
        finally:
            if not answered:
                entry.failed = True
                self.transcript.changed(entry)
        # What was heard is the house's; a line that failed keeps what is sent again.
        entry.shown = ((), None)
        if pressed is not None:
            card, button = pressed
            card.done[sender] = button.label
            self.transcript.changed(card)
        return Said(entry, reply, self._answer(conversation, reply))

    async def press(self, sender: str, line: int, label: str, *, message_id: str | None = None) -> Said:
        """Presses a button below a line of the bot: its words are said there. Raises like `say`."""
        card = self.transcript.line(line)
        if card is None or (card.conversation.startswith(PERSON) and card.conversation != address_of(sender)):
            raise Misuse(WRONG["line"])
        button = next((one for one in card.buttons if one.label == label), None)
        if button is None:
            raise Misuse(WRONG["button"])
        address = "" if card.conversation.startswith(PERSON) else card.conversation
        return await self.say(sender, address, button.say, message_id=message_id, pressed=(card, button))

    async def _pictures(self, photo: bytes) -> tuple[tuple[Photo, ...], str]:
        """The photo as the house gets it, and a small one for the transcript. Raises Misuse."""
        if not photo:
            return (), ""
        try:
            picture = await photos.scaled_aside(photo)
            small = await photos.scaled_aside(photo, THUMBNAIL)
        except photos.NoPhoto:
            raise Misuse(WRONG["photo"]) from None
        return (picture,), data_url(small.content, small.media_type)

    def hears(self, address: str) -> Hears:
        """What the bot hears of this group now."""
        return self._hears.get(address, self._hears_first)

    async def set_hears(self, address: str, hears: Hears) -> None:
        """Raises Misuse for a group that is not there."""
        if await self._group(address) is None:
            raise Misuse(WRONG["in"])
        self._hears[address] = hears
        self.transcript.tell("hears", {"in": address, "hears": hears.value})

    async def move(self, to: Callable[[datetime], datetime]) -> list[Push]:
        """Moves community time to what `to` makes of now; returns the pushes that this caused, in order.

        Raises Misuse for a moment that is not ahead, or more than a year ahead.
        """
        async with self._moving:
            now = self._stage.now()
            moment = to(now)
            if moment <= now:
                raise Misuse(f"时间只能往前走，现在已经是{spoken(now)}了。")
            if moment - now > AHEAD_MAX:
                raise Misuse("一次最多往前走一年。")
            pushes: list[Push] = []
            self._moved = pushes
            try:
                await self._stage.advance(moment)
            finally:
                self._moved = None
                self.transcript.tell("clock", moment_json(self._stage.now()))
            return pushes

    # What happens in the transcript.

    def _bot_says(
        self,
        kind: Kind,
        conversation: str,
        text: str,
        *,
        ref: str,
        buttons: tuple[Button, ...] = (),
        beside: str = "",
        picture: Pictured | None = None,
        file: Enclosed | None = None,
    ) -> Entry:
        return self.transcript.add(
            conversation=conversation,
            kind=kind,
            author="",
            name=self._stage.bot_name,
            text=text,
            at=self._stage.now(),
            ref=ref,
            buttons=buttons,
            picture=picture,
            file=file,
            beside="" if beside == conversation else beside,
        )

    def _answer(self, conversation: str, reply: Reply) -> Entry | None:
        if not reply.text:
            return None
        return self._bot_says(Kind.REPLY, conversation, reply.text, ref=reply.ref, buttons=reply.buttons)

    def _line_for(
        self,
        conversation: str,
        speaker: Someone,
        text: str,
        quote: Quoted | None,
        message_id: str,
        *,
        heard: bool,
        pressed: tuple[Entry, Button] | None = None,
    ) -> Entry:
        earlier = next((e for e in self.transcript.of(conversation) if e.message_id == message_id), None)
        if earlier is not None and earlier.failed:
            # It never arrived: sending it again is the same line, not a second one.
            earlier.failed = False
            earlier.heard = heard
            self.transcript.changed(earlier)
            return earlier
        return self.transcript.add(
            conversation=conversation,
            kind=Kind.SAID,
            author=speaker.sender,
            name=speaker.name,
            text=text,
            at=self._stage.now(),
            quote=quote,
            message_id=message_id,
            heard=heard,
            again=earlier is not None,
            card=pressed[0].id if pressed else 0,
            pressed=pressed[1].label if pressed else "",
        )

    def _quoted(self, conversation: str, quote: int | Quote | None) -> tuple[Quoted | None, Quote | None]:
        if quote is None:
            return None, None
        if isinstance(quote, Quote):
            return Quoted(None, self._stage.bot_name if quote.author == "bot" else "", quote.text), quote
        entry = next((e for e in self.transcript.of(conversation) if e.id == quote), None)
        if entry is None:
            raise Misuse(WRONG["quote"])
        author = "human" if entry.author else "bot"
        return Quoted(entry.id, entry.name, entry.text), Quote(author, entry.text, entry.ref)

    def _mentions_bot(self, text: str) -> bool:
        return any(f"{sign}{self._stage.bot_name}" in text for sign in "@＠")

    # Who and where. People and groups come and go, so what is not known is asked for once more.

    async def _person(self, sender: str) -> Someone | None:
        if sender not in self._people:
            await self._look_again()
        return self._people.get(sender)

    async def _group(self, address: str) -> Place | None:
        if address not in self._groups:
            await self._look_again()
        return self._groups.get(address)

    async def _name_of(self, address: str) -> str | None:
        found: Someone | Place | None
        if address.startswith(PERSON):
            found = await self._person(address.removeprefix(PERSON))
        else:
            found = await self._group(address)
        return found.name if found else None

    async def _look_again(self) -> None:
        people, groups = await self._stage.people(), await self._stage.groups()
        self._people = {person.sender: person for person in people}
        self._groups = {group.address: group for group in groups}

    # HTTP.

    def _guarded(self, handler: Handler) -> Handler:
        """Refuses foreign hosts and origins before anything is read, and turns Misuse into its sentence."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                self._check_origin(request)
                return await handler(request)
            except Misuse as misuse:
                return _json({"error": str(misuse)}, misuse.status)

        return guarded

    def _check_origin(self, request: web.Request) -> None:
        # A page elsewhere can let its own name resolve to 127.0.0.1, but the browser then sends that name.
        try:
            host = urlsplit(f"//{request.host}").hostname or ""
        except ValueError:
            host = ""
        if not _is_loopback(host) and host not in self._host_names:
            raise Foreign("这个页面只能在本机打开。")
        origin = request.headers.get(hdrs.ORIGIN)
        if request.method != hdrs.METH_GET and origin is not None:
            sent_by = urlsplit(origin)
            if sent_by.scheme not in ("http", "https") or sent_by.netloc != request.host:
                raise Foreign("这个请求来自别的网页，没有照办。")

    async def _show_page(self, request: web.Request) -> web.StreamResponse:
        return self._file("index.html")

    async def _show_file(self, request: web.Request) -> web.StreamResponse:
        file = request.match_info["file"]
        if file not in FILES:
            return _json({"error": "没有这个页面。"}, 404)
        return self._file(file)

    def _file(self, file: str) -> web.FileResponse:
        kind = f"{FILES[file]}; charset=utf-8"
        return web.FileResponse(PAGE / file, headers={**PROTECTION, "Cache-Control": "no-cache", "Content-Type": kind})

    async def _show_picture(self, request: web.Request) -> web.StreamResponse:
        picture = self._shown.get(request.match_info["name"])
        if picture is None:
            return _json({"error": "这张图不在了，请看文字。"}, 404)
        headers = {**PROTECTION, "Cache-Control": "private, max-age=86400, immutable", "Content-Type": "image/png"}
        return web.Response(body=picture, headers=headers)

    async def _give_file(self, request: web.Request) -> web.StreamResponse:
        file = self._brought.get(request.match_info["name"])
        if file is None:
            return _json({"error": "这个文件不在了，请再要一次。"}, 404)
        headers = {**PROTECTION, "Cache-Control": "no-store", "Content-Type": file.media_type}
        # Saved and never shown: what stands in it is no page of this place.
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{encoded(file.name)}"
        return web.Response(body=file.content, headers=headers)

    async def _show_state(self, request: web.Request) -> web.StreamResponse:
        await self._look_again()
        now = self._stage.now()
        return _json(
            {
                "run": self._run,
                "bot": self._stage.bot_name,
                "community": self._stage.community_name,
                "now": moment_json(now),
                "people": [
                    {"id": person.sender, "name": person.name, "role": person.role, "home": person.home}
                    for person in self._people.values()
                ],
                "groups": [
                    {
                        "address": group.address,
                        "name": group.name,
                        "hears": self.hears(group.address).value,
                    }
                    for group in self._groups.values()
                ],
                "presets": [{"preset": key, "label": preset.label} for key, preset in PRESETS.items()],
                "places": [asdict(place) for place in PLACES],
                "text_characters_max": TEXT_CHARACTERS_MAX,
                "entries": [entry.as_json() for entry in self.transcript.since(_cursor(request.query.get("since")))],
                "cursor": self.transcript.change,
            }
        )

    async def _take_say(self, request: web.Request) -> web.StreamResponse:
        form = await _form(request, _Say, PHOTO_BYTES_MAX * 4 // 3 + BODY_BYTES_MAX)
        try:
            photo = base64.b64decode(form.photo, validate=True)
        except ValueError:
            raise Misuse(WRONG["photo"]) from None
        place = form.place
        saying = self.say(
            form.sender,
            form.address,
            form.text,
            quote=form.quote,
            message_id=form.message_id,
            photo=photo,
            place=Location(place.latitude, place.longitude, place.label) if place else None,
        )
        return await self._show_said(saying)

    async def _take_press(self, request: web.Request) -> web.StreamResponse:
        form = await _form(request, _Press)
        return await self._show_said(self.press(form.sender, form.line, form.button, message_id=form.message_id))

    async def _show_said(self, saying: Coroutine[Any, Any, Said]) -> web.StreamResponse:
        try:
            said = await saying
        except Unavailable:
            return _json({"error": f"{self._stage.bot_name}这会儿忙不过来，请点一下消息重发。"}, 503)
        reply = said.reply or Reply()
        entries = [said.entry] + ([said.answer] if said.answer else [])
        return _json(
            {
                "heard": said.reply is not None,
                "reply": reply.text,
                "ref": reply.ref,
                "message_id": said.entry.message_id,
                "said": said.entry.id,
                "answer": said.answer.id if said.answer else None,
                "entries": [entry.as_json() for entry in entries],
            }
        )

    async def _take_hears(self, request: web.Request) -> web.StreamResponse:
        form = await _form(request, _Hears)
        await self.set_hears(form.address, Hears(form.hears))
        return _json({"in": form.address, "hears": form.hears})

    async def _take_clock(self, request: web.Request) -> web.StreamResponse:
        form = await _form(request, _Move)
        if (form.to is None) == (form.preset is None):
            raise Misuse("选一个快捷时间，或者填一个时间。")
        if form.preset is not None:
            if form.preset not in PRESETS:
                raise Misuse(WRONG["preset"])
            pushes = await self.move(PRESETS[form.preset].moment)
        else:
            moment = _moment(form.to or "")
            pushes = await self.move(lambda now: moment)
        return _json({"now": moment_json(self._stage.now()), "pushes": [_push_json(push) for push in pushes]})

    async def _show_mail(self, request: web.Request) -> web.StreamResponse:
        show = request.query.get("show", "waiting")
        if show not in MAIL:
            raise Misuse("没有这一栏。")
        mail = await self._stage.mail(show)
        return _json(
            {
                "show": show,
                "tabs": [{"show": key, "label": label, "count": mail.figures.get(key)} for key, label in MAIL.items()],
                "letters": [letter._asdict() for letter in mail.letters],
                "troubles": mail.troubles,
                "rules": list(mail.rules),
            }
        )

    async def _take_wish(self, request: web.Request) -> web.StreamResponse:
        form = await _form(request, _Wish)
        return _json({"said": await self._stage.wish(form.number, form.wish)})

    async def _show_events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: `hello`, then `entry`, `hears`, `clock`; `clock` is the heartbeat too."""
        if self._closed or len(self.transcript.listeners) >= LISTENERS_MAX:
            return _json({"error": "打开的页面太多了，请关掉几个。"}, 503)
        since = _cursor(request.headers.get("Last-Event-ID") or request.query.get("since"))
        stream = web.StreamResponse(
            headers={**PROTECTION, "Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await stream.prepare(request)
        listener = Listener()
        self.transcript.listeners.add(listener)
        if self._closed:
            listener.end()
        try:
            await stream.write(b"".join(self._missed(since)))
            while (message := await self._next_for(listener)) is not None:
                await stream.write(message)
        except ConnectionResetError:
            pass  # The page was closed.
        finally:
            self.transcript.listeners.discard(listener)
        return stream

    def _missed(self, since: int) -> Iterator[bytes]:
        yield b"retry: 1000\n\n"
        yield event("hello", {"run": self._run, "now": moment_json(self._stage.now())})
        if since <= self.transcript.change:
            for entry in self.transcript.since(since):
                yield event("entry", entry.as_json(), entry.change)

    async def _next_for(self, listener: Listener) -> bytes | None:
        with suppress(TimeoutError):
            return await listener.next(self._beat_seconds)
        return event("clock", moment_json(self._stage.now()))


def _cursor(text: str | None) -> int:
    """Whatever is no number asks for everything."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 15 else 0
