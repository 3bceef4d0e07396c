"""WeCom self-built app (自建应用): it hears members one to one over XML callbacks, and writes to them; never a group.

A passive reply knows no cards. So with the app's secret an answer with buttons goes out as a message of its own, and
the callback gets nothing more to say; whatever keeps that message from going, the passive text is still there.

Source: developer.work.weixin.qq.com, pages 90238 (callbacks), 90239 (messages), 90240 (events), 90241
(replies), 91039 (access token), 90236 (messages sent first), 90312 (limits).

The inner XML is read by expat through ElementTree and not by wechatpy's `parse_message`: 11 against 24 µs
a message, and wechatpy answers odd input with half a dozen kinds of exception, or with the repr of a dict as
the text. Its reply writer takes 11 µs against 2 and lets `]]>` end the text. The tests use both as oracles.
"""

import asyncio
import hashlib
import re
import xml.etree.ElementTree as ET
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import aiohttp
from aiohttp import web
from pydantic import Field, SecretStr, field_validator

from bot import logs
from bot.channels import Ability, DeliveryError, Hear, Hears, Limit, OutcomeUnknown, Parcel, cards
from bot.channels.budget import Budget
from bot.channels.callback import READ_SECONDS, CallbackSettings, CallbackUrl
from bot.channels.envelope import Keys, Malformed, cdata, clip, open_xml, seal_xml, writable
from bot.channels.wecom_calls import TOKEN_DEAD, Said, Tokens, Trouble, called, client, refused
from bot.photos import Album, Link
from handlers.chat import Button, Incoming, Reply
from models.places import Location, is_on_earth

log = logs.logger(__name__)

TEXT_BYTES = 2048
"""The longest text of a passive reply in bytes of UTF-8; the platform cuts what is longer (page 90241)."""
LIMITS = (Limit(30, timedelta(minutes=1)), Limit(1000, timedelta(hours=1)))
"""What one member is shown of one app. The platform drops the rest and says that it went well (page 90312)."""
UNREACHABLE = {
    81013: "the person is not in the app's visible range",
    60111: "there is no such member",
    60011: "the app may not see this member",
    40008: "unknown msgtype",
    40058: "bad parameter",
    44004: "empty content",
    45002: "content too long",
}
"""Answers to a message that never heal by trying again (pages 90236, 90313)."""
CARD_REFUSED = frozenset({40008, 40058, 44004, 45002})
"""Of these, what the platform says of a card that it does not like."""
ANSWER_SECONDS = 2.5
"""For an answer that is sent as a message: the passive one has to be back within five seconds, the work before it
included (page 90241).
"""
ANSWERED_MOST = 5_000
"""Messages of which is remembered that their answer went out by itself. More than are brought again at one time."""
PRESSED = "已点"
"""Before a button's label, on the card of whoever pressed it."""
_ID_CHARACTERS = 256
LABEL_CHARACTERS = 80
"""More of what the map calls a place is not kept."""

_CORP_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
# A document type can only stand before the root element, so what begins with the root declares no entities.
_PROLOGUE = re.compile(r"\ufeff?\s*+(?:<\?xml\s[^<>]*+>\s*+)?+<xml>")
# FromUserName + CreateTime, the official advice, is too coarse: two events of one second would collide.
_EVENT_KEY = ("FromUserName", "CreateTime", "Event", "EventKey", "TaskId", "ChangeType", "AgentID")
_PRESS_KEY = ("FromUserName", "Event", "EventKey", "TaskId")
"""One button of one card counts once for one person, however often it is pressed before the card has changed."""


class Settings(CallbackSettings):
    """One self-built app."""

    kind: Literal["wecom_app"] = "wecom_app"
    corp_id: str
    """CorpID of the company: the receive id of its callbacks, and the namespace of its members."""
    agent_id: int
    """AgentId of the app."""
    secret: SecretStr | None = None
    """Secret of the app. Without it the app answers, and cannot write to anybody first."""
    base_url: str = Field("https://qyapi.weixin.qq.com", pattern=r"^https?://")
    timeout_seconds: float = Field(10.0, gt=0, le=60)
    photo_bases: tuple[str, ...] = ("https://wework.qpic.cn", "http://wework.qpic.cn")
    """Where the platform keeps the pictures of messages; an address that leads elsewhere is not followed."""

    @field_validator("corp_id")
    @classmethod
    def _corp_id_as_in_the_console(cls, corp_id: str) -> str:
        if not _CORP_ID.fullmatch(corp_id):
            raise ValueError("企业 ID 应为 64 位以内的英文字母和数字（后台“我的企业”页最下方）")
        return corp_id

    @field_validator("agent_id")
    @classmethod
    def _agent_id_counts_from_one(cls, agent_id: int) -> int:
        if agent_id < 1:
            raise ValueError("AgentId 应为大于 0 的整数（后台应用详情页）")
        return agent_id


def read_fields(message: bytes) -> dict[str, str]:
    """The members of an inner message by name; of nested ones only the text before the nesting.

    Refuses a document type, repeated members and everything that is no XML in UTF-8. Raises `Malformed`.
    """
    try:
        text = message.decode()
    except UnicodeDecodeError:
        raise Malformed("encoding") from None
    if not _PROLOGUE.match(text):
        raise Malformed("xml")
    try:
        root = ET.fromstring(text)  # noqa: S314
    except ET.ParseError:
        # People paste control characters that XML cannot hold, and the platform passes them on.
        cleaned = writable(text)
        if cleaned == text:
            raise Malformed("xml") from None
        try:
            root = ET.fromstring(cleaned)  # noqa: S314
        except ET.ParseError:
            raise Malformed("xml") from None
    fields = {element.tag: element.text or "" for element in root}
    if len(fields) != len(root):
        raise Malformed("repeated")
    return fields


def parse(fields: Mapping[str, str], *, channel: str, namespace: str) -> Incoming | None:
    """The message that the fields describe; None for a kind that gets an empty answer. Raises `Malformed`.

    The sender is lower-cased: a userid means the same person in any case. A picture is `unseen` until it is fetched.
    """
    kind = fields.get("MsgType", "").lower()
    if not kind:
        raise Malformed("kind")
    read = _KINDS.get(kind)
    text = read(fields) if read else None
    if text is None:
        return None
    sender = fields.get("FromUserName", "")
    message_id = fields.get("MsgId") or (_event_id(fields) if kind == "event" else "")
    if not 0 < len(sender) <= _ID_CHARACTERS or not 0 < len(message_id) <= _ID_CHARACTERS:
        raise Malformed("ids")
    return Incoming(
        channel=channel,
        message_id=message_id,
        namespace=namespace,
        sender=sender.lower(),
        text=writable(text),
        location=_location(fields) if kind == "location" else None,
        unseen=1 if kind == "image" else 0,
        question=press.question if (press := read_press(fields)) else "",
    )


def read_press(fields: Mapping[str, str]) -> cards.Pressed | None:
    """The button of one of our cards that was pressed; None where the fields tell of anything else. Page 90240."""
    if fields.get("Event", "").lower() != "template_card_event" or fields.get("MsgType", "").lower() != "event":
        return None
    return cards.read_key(fields.get("EventKey", ""))


def render(fields: Mapping[str, str], text: str, now: int) -> bytes:
    """The passive text reply to these fields' message, at `now` in Unix seconds. Source: page 90241."""
    return _passive(fields, "text", f"<Content>{cdata(_content(text))}</Content>", now)


def render_pressed(fields: Mapping[str, str], press: cards.Pressed, now: int) -> bytes:
    """The passive reply that shows whoever pressed it that a button was pressed. Source: page 90241."""
    label = f"{PRESSED} {press.label}"[: cards.LABEL_CHARACTERS + len(PRESSED)]
    return _passive(
        fields, "update_button", f"<Button><ReplaceName>{cdata(writable(label))}</ReplaceName></Button>", now
    )


def _passive(fields: Mapping[str, str], kind: str, content: str, now: int) -> bytes:
    return (
        f"<xml><ToUserName>{cdata(fields['FromUserName'])}</ToUserName>"
        f"<FromUserName>{cdata(fields.get('ToUserName', ''))}</FromUserName>"
        f"<CreateTime>{now}</CreateTime><MsgType><![CDATA[{kind}]]></MsgType>{content}</xml>"
    ).encode()


def messages(text: str, buttons: tuple[Button, ...], *, task_id: str, asked: str = "") -> list[dict[str, Any]]:
    """What a text with its buttons is as messages: a card that says it all, else the text and a card beside it."""
    words = {"msgtype": "text", "text": {"content": _content(text)}}
    if not buttons:
        return [words]
    card = {"msgtype": "template_card", "template_card": cards.card(text, buttons, task_id=task_id, asked=asked)}
    return [card] if cards.fits(text) else [words, card]


def _content(text: str) -> str:
    return clip(writable(text), TEXT_BYTES).decode()


def _read_text(fields: Mapping[str, str]) -> str | None:
    return fields.get("Content", "")


def _read_voice(fields: Mapping[str, str]) -> str | None:
    # Only where speech recognition is switched on; without it there is nothing but a sound file.
    return fields.get("Recognition") or None


def _read_shown(fields: Mapping[str, str]) -> str | None:
    # A picture or a place says nothing in words.
    return ""


def _location(fields: Mapping[str, str]) -> Location | None:
    """The place of a location message; None where its numbers are none. `Location_X` is the latitude (page 90239)."""
    try:
        latitude, longitude = float(fields["Location_X"]), float(fields["Location_Y"])
    except (KeyError, ValueError):
        return None
    if not is_on_earth(latitude, longitude):
        return None
    return Location(latitude, longitude, writable(fields.get("Label", ""))[:LABEL_CHARACTERS])


def _read_event(fields: Mapping[str, str]) -> str | None:
    # Event names come in different letter cases (page 90240).
    read = _EVENTS.get(fields.get("Event", "").lower())
    return read(fields) if read else None


def _read_click(fields: Mapping[str, str]) -> str | None:
    # The key of a menu item is what its owner would otherwise type: 活动, 我的值班.
    return fields.get("EventKey") or None


def _read_pressing(fields: Mapping[str, str]) -> str | None:
    press = read_press(fields)
    return press.say if press else None


Reader = Callable[[Mapping[str, str]], str | None]
"""What a message of one kind says in words; None is nothing to answer."""

_KINDS: dict[str, Reader] = {
    "text": _read_text,
    "voice": _read_voice,
    "image": _read_shown,
    "location": _read_shown,
    "event": _read_event,
}
_EVENTS: dict[str, Reader] = {"click": _read_click, "template_card_event": _read_pressing}


def _event_id(fields: Mapping[str, str]) -> str:
    """A transport id for an event, which has no MsgId: the same each time that this event is delivered."""
    # A unit separator cannot stand inside XML, so no two lists of values make the same string.
    names = _EVENT_KEY if read_press(fields) is None else _PRESS_KEY
    parts = "\x1f".join(fields.get(name, "") for name in names)
    return "event-" + hashlib.sha256(parts.encode()).hexdigest()[:40]


class WecomApp:
    """A self-built app: its callback, and what it writes to members. Implements `Channel`."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        wall: Callable[[], datetime],
        refused: Callable[[str], None] | None = None,
        read_seconds: float = READ_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.name = name
        self.namespace = f"wecom:{settings.corp_id}"
        self._corp_id = settings.corp_id
        self._agent_id = settings.agent_id
        self._api = settings.base_url.rstrip("/") + "/cgi-bin"
        self._seconds = settings.timeout_seconds
        self._session: aiohttp.ClientSession | None = None
        self._wall = wall
        self._take_secret(settings.secret)
        self._answer_seconds = answer_seconds
        self._budget = Budget(LIMITS, lambda: wall().timestamp())
        self._answered: OrderedDict[str, None] = OrderedDict()
        """Messages whose answer went out by itself: brought again, they get no second one."""
        self._album = Album(settings.photo_bases)
        self._url = CallbackUrl(
            name=name,
            keys=_keys(settings),
            window=settings.timestamp_window_seconds,
            open=open_xml,
            content_type="application/xml",
            wall=wall,
            refused=refused,
            read_seconds=read_seconds,
        )

    def routes(self, hear: Hear) -> list[web.RouteDef]:
        """GET and POST on `/callback/<name>`."""

        async def answer(message: bytes, nonce: str, now: int, keys: Keys) -> bytes:
            fields = read_fields(message)
            incoming = parse(fields, channel=self.name, namespace=self.namespace)
            if incoming is None:
                return b""
            if incoming.unseen:
                incoming = await self._album.bring(incoming, [Link(fields.get("PicUrl", ""))])
            body = await self._answer(fields, incoming, await hear(incoming), now)
            return seal_xml(body, keys, timestamp=now, nonce=nonce) if body else b""

        return self._url.routes(answer)

    def adopt(self, settings: Settings) -> None:
        """Takes a changed secret, Token, EncodingAESKey and time window; everything else needs a new start."""
        self._url.change(_keys(settings), settings.timestamp_window_seconds)
        if settings.secret != self._secret:
            self._take_secret(settings.secret)

    def _take_secret(self, secret: SecretStr | None) -> None:
        """What it can do, and the token that comes from the secret."""
        self._secret = secret
        self.ability = Ability(
            hears=Hears.EVERYTHING,
            pushes_to_people=secret is not None,
            buttons=secret is not None,
            text_bytes=TEXT_BYTES,
            limits=LIMITS,
        )
        self._tokens: Tokens | None = None
        if secret is not None:
            self._tokens = Tokens(
                f"{self._api}/gettoken", corp_id=self._corp_id, secret=secret.get_secret_value(), wall=self._wall
            )

    def address_of(self, external_id: str) -> str:
        return external_id

    async def send(self, parcel: Parcel) -> None:
        """Writes to one member. Raises DeliveryError and OutcomeUnknown."""
        if self._tokens is None:
            raise DeliveryError("自建应用没有填 secret，只能回答，不能主动发消息", permanent=True, code="no-push")
        first, *rest = messages(parcel.text, parcel.buttons, task_id=cards.new_task_id())
        try:
            await self._write(self._tokens, parcel.address, first)
        except DeliveryError as no:
            if first["msgtype"] != "template_card" or no.code not in CARD_REFUSED:
                raise
            # The text says by itself what can be answered: better without buttons than not at all.
            log.error("wecom_app.card_refused", channel=self.name, code=no.code)
            (words,) = messages(parcel.text, (), task_id="")
            await self._write(self._tokens, parcel.address, words)
        for body in rest:
            try:
                await self._write(self._tokens, parcel.address, body)
            except (DeliveryError, OutcomeUnknown) as error:
                log.warning("wecom_app.buttons_lost", channel=self.name, error=str(error))

    async def _answer(self, fields: Mapping[str, str], incoming: Incoming, reply: Reply, now: int) -> bytes:
        """The passive reply to a message; nothing where there is nothing to say, or it was said by a message."""
        press = read_press(fields)
        silent = not reply.text.strip()
        if silent or ((press or reply.buttons) and await self._answered_apart(incoming, reply)):
            return render_pressed(fields, press, now) if press else b""
        return render(fields, reply.text, now)

    async def _answered_apart(self, incoming: Incoming, reply: Reply) -> bool:
        """Sends an answer as a message of its own; whether it is known to be there."""
        if self._tokens is None or incoming.message_id in self._answered:
            return incoming.message_id in self._answered
        name = hashlib.sha256(incoming.message_id.encode()).hexdigest()[:32]
        first, *rest = messages(reply.text, reply.buttons, task_id=f"answer-{name}", asked=incoming.sender)
        try:
            async with asyncio.timeout(self._answer_seconds):
                await self._write(self._tokens, incoming.sender, first)
                self._remember(incoming.message_id)
                for body in rest:
                    await self._write(self._tokens, incoming.sender, body)
        except (DeliveryError, OutcomeUnknown, TimeoutError) as error:
            # Said twice is better than not at all, and the text names the words of its buttons.
            log.warning("wecom_app.answer_apart_failed", channel=self.name, error=str(error) or "timeout")
        return incoming.message_id in self._answered

    def _remember(self, message_id: str) -> None:
        self._answered[message_id] = None
        while len(self._answered) > ANSWERED_MOST:
            self._answered.popitem(last=False)

    async def _write(self, tokens: Tokens, user: str, content: dict[str, Any]) -> None:
        """Sends one message to one member. Raises DeliveryError and OutcomeUnknown."""
        said = await self._call(tokens, user, {"touser": user, "agentid": self._agent_id, **content})
        trouble = _judged(said)
        if trouble is not None:
            raise trouble

    async def _call(self, tokens: Tokens, user: str, body: dict[str, Any]) -> Said | Trouble:
        """One call of the app's, and once more with a new token where the platform does not take the first any more."""
        if self._session is None:
            self._session = client(self._seconds)
        for again in (True, False):
            token = await tokens.token(self._session)
            wait = self._budget.wait(user)
            if wait > 0:
                # Beyond its limit the platform takes a message and shows it to nobody.
                return DeliveryError("too soon", permanent=False, code="not_sent", pause=timedelta(seconds=wait))
            self._budget.count(user)
            url, params = f"{self._api}/message/send", {"access_token": token}
            said = await called(self._session, "POST", url, params=params, body=body)
            if isinstance(said, Said) and said.code in TOKEN_DEAD:
                tokens.drop(token)
                self._budget.take_back(user)
                if again:
                    continue
            return said
        raise AssertionError("the second answer is returned")

    async def close(self) -> None:
        await self._album.close()
        if self._session is not None:
            await self._session.close()
            self._session = None


def _judged(said: Said | Trouble) -> Trouble | None:
    """What the platform's answer to a message for one person means (page 90236).

    `errcode` 0 beside the person's name in `invaliduser` or `unlicenseduser` is a message that nobody got.
    """
    if not isinstance(said, Said):
        return said
    if said.code in UNREACHABLE:
        return DeliveryError(UNREACHABLE[said.code], permanent=True, code=said.code)
    if said.code:
        return refused(said)
    if said.fields.get("invaliduser"):
        return DeliveryError(UNREACHABLE[81013], permanent=True, code="invaliduser")
    if said.fields.get("unlicenseduser"):
        return DeliveryError("the person has no licence for the app", permanent=True, code="unlicenseduser")
    return None


def _keys(settings: Settings) -> Keys:
    return Keys(settings.token.get_secret_value(), settings.aes_key.get_secret_value(), settings.corp_id)
