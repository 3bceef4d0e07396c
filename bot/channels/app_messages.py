"""The messages of a self-built app of WeCom (自建应用) as plain values: what comes in, what goes out. Pure, no I/O.

Source: developer.work.weixin.qq.com, pages 90239 (messages), 90240 (events), 90241 (passive replies), 90236 (messages
sent first).

The inner XML is read by expat through ElementTree and not by wechatpy's `parse_message`: 11 against 24 µs
a message, and wechatpy answers odd input with half a dozen kinds of exception, or with the repr of a dict as
the text. Its reply writer takes 11 µs against 2 and lets `]]>` end the text. The tests use both as oracles.
"""

import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from typing import Any

from bot.channels import cards
from bot.channels.envelope import Malformed, cdata, clip, writable
from handlers.chat import Button, Incoming
from models.places import Location, is_on_earth

TEXT_BYTES = 2048
"""The longest text of a passive reply in bytes of UTF-8; the platform cuts what is longer (page 90241)."""
PRESSED = "已点"
"""Before a button's label, on the card of whoever pressed it."""
LABEL_CHARACTERS = 80
"""More of what the map calls a place is not kept."""
_ID_CHARACTERS = 256

# A document type can only stand before the root element, so what begins with the root declares no entities.
_PROLOGUE = re.compile(r"\ufeff?\s*+(?:<\?xml\s[^<>]*+>\s*+)?+<xml>")
# FromUserName + CreateTime, the official advice, is too coarse: two events of one second would collide.
_EVENT_KEY = ("FromUserName", "CreateTime", "Event", "EventKey", "TaskId", "ChangeType", "AgentID")
_PRESS_KEY = ("FromUserName", "Event", "EventKey", "TaskId")
"""One button of one card counts once for one person, however often it is pressed before the card has changed."""


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
