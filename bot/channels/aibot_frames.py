"""The messages of WeCom AI bots (智能机器人) as plain values: what comes in, what goes out. Pure, no I/O.

The HTTP callback and the long connection carry the same bodies, so both channels read and write them here.
Source: developer.work.weixin.qq.com, pages 100719 (messages), 101027 (events), 101031 (passive replies).
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from json import JSONEncoder
from typing import Any

from bot.channels.envelope import clip, writable
from handlers.chat import Incoming, Quote

CONTENT_BYTES = 20_480
"""The longest `stream.content` in bytes of UTF-8 (page 101031)."""
_ID_CHARACTERS = 256

_quote_json = JSONEncoder(ensure_ascii=False).encode


class FrameError(ValueError):
    """A frame without the members that its kind must have."""


def read_frame(frame: object, *, channel: str, namespace: str, fold_sender: bool = False) -> Incoming | None:
    """The message in a decoded frame, or None for a kind that we do not answer.

    `fold_sender` lower-cases the user id, which is right where it is the corp's userid. The encrypted ids
    that some bots see are opaque and stay as they are, and so does the case-sensitive chat id. Pictures are `unseen`
    until the channel has fetched what `pictures` names. Raises FrameError. Source: pages 100719 and 101027.
    """
    if not isinstance(frame, dict):
        raise FrameError("the frame is no object")
    read = _KINDS.get(_string(frame, "msgtype"))
    text = read(frame) if read else None
    if text is None:
        return None
    sender = _id(_member(frame, "from"), "userid")
    chat_type = frame.get("chattype")
    in_group = chat_type == "group" or (chat_type is None and "chatid" in frame)
    quote = frame.get("quote")
    return Incoming(
        channel=channel,
        message_id=_id(frame, "msgid"),
        namespace=namespace,
        sender=sender.lower() if fold_sender else sender,
        text=writable(text),
        address=_id(frame, "chatid") if in_group else "",
        quote=None if quote is None else _read_quote(quote),
        unseen=len(pictures(frame)),
    )


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a message: its address, which is good for five minutes, and on the long connection its key."""

    url: str = field(repr=False)
    aes_key: str = field(default="", repr=False)
    """32 bytes in base64; empty where the bot's own key opens it (page 100719)."""


def pictures(frame: object) -> tuple[Picture, ...]:
    """The pictures of a frame that `read_frame` has read, not those that it quotes. Source: pages 100719, 101463."""
    if not isinstance(frame, dict):
        return ()
    mixed = frame.get("mixed") if frame.get("msgtype") == "mixed" else None
    items = mixed.get("msg_item") if isinstance(mixed, dict) else [frame]
    found = []
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and item.get("msgtype") == "image":
            image = item.get("image")
            url, key = (image.get("url"), image.get("aeskey", "")) if isinstance(image, dict) else (None, "")
            found.append(Picture(url if isinstance(url, str) else "", key if isinstance(key, str) else ""))
    return tuple(found)


def stream_id(message_id: str) -> str:
    """The id of the stream that answers a message. The same for each delivery of it (page 100719)."""
    return hashlib.sha256(message_id.encode()).hexdigest()[:32]


def finished_stream(text: str, *, stream_id: str) -> bytes:
    """The reply body that says everything at once, as JSON in UTF-8.

    Longer texts than 20480 bytes are cut. Source: page 101031.
    """
    if "<think" in text:
        # The client folds <think>…</think> away as the bot's thoughts; what a neighbour typed must be seen.
        text = text.replace("<think", "＜think")
    content = clip(writable(text), CONTENT_BYTES).decode()
    return (
        f'{{"msgtype":"stream","stream":{{"id":{_quote_json(stream_id)},"finish":true,'
        f'"content":{_quote_json(content)}}}}}'
    ).encode()


def _read_text(frame: Mapping[str, Any]) -> str:
    # In groups the text still begins with "@BotName "; the language takes it off (page 100719).
    return _string(_member(frame, "text"), "content")


def _read_voice(frame: Mapping[str, Any]) -> str:
    # The platform sends the transcription and no sound (page 100719).
    return _string(_member(frame, "voice"), "content")


def _read_mixed(frame: Mapping[str, Any]) -> str | None:
    items = _member(frame, "mixed").get("msg_item")
    if not isinstance(items, list):
        raise FrameError("a mixed message without its list")
    texts = [_read_text(item) for item in items if isinstance(item, dict) and item.get("msgtype") == "text"]
    return "\n".join(texts)


def _read_image(frame: Mapping[str, Any]) -> str:
    # It says nothing in words; what it shows is fetched by the channel.
    return ""


def _read_event(frame: Mapping[str, Any]) -> str | None:
    read = _EVENTS.get(_string(_member(frame, "event"), "eventtype"))
    return read(frame) if read else None


Reader = Callable[[Mapping[str, Any]], str | None]
"""What a frame of one kind says in words; None is nothing to answer."""

# Kinds that are not listed are not answered: files and videos say nothing that we could act on, and a `stream`
# frame asks how a stream goes on, but each of ours was finished in its first frame.
_KINDS: dict[str, Reader] = {
    "text": _read_text,
    "mixed": _read_mixed,
    "image": _read_image,
    "voice": _read_voice,
    "event": _read_event,
}
# The same for events by `eventtype` (enter_chat, template_card_event, feedback_event): none is answered yet.
_EVENTS: dict[str, Reader] = {}


def _read_quote(quote: object) -> Quote:
    """What was quoted. The platform says neither who wrote it nor what it was about (page 100719)."""
    # A quotation that we cannot read must not cost the message that carries it.
    if not isinstance(quote, dict):
        return Quote()
    read = _KINDS.get(str(quote.get("msgtype")))
    try:
        return Quote(text=writable((read(quote) if read else None) or ""))
    except FrameError:
        return Quote()


def _member(mapping: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = mapping.get(name)
    if not isinstance(value, dict):
        raise FrameError(f"no object {name}")
    return value


def _string(mapping: Mapping[str, Any], name: str) -> str:
    value = mapping.get(name)
    if not isinstance(value, str):
        raise FrameError(f"no text {name}")
    return value


def _id(mapping: Mapping[str, Any], name: str) -> str:
    """An id of the platform. It becomes part of a key, so nothing may be cleaned out of it silently."""
    value = _string(mapping, name)
    if not 0 < len(value) <= _ID_CHARACTERS or writable(value) != value:
        raise FrameError(f"no proper {name}")
    return value
