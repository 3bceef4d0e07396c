"""The messages of WeCom AI bots (智能机器人) as plain values: what comes in, what goes out. Pure, no I/O.

The HTTP callback and the long connection carry the same bodies, so both channels read and write them here.
Source: developer.work.weixin.qq.com, pages 100719 (messages), 101027 (events), 101031 (passive replies), 101463
(files).
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.channels import cards
from bot.channels.cards import Pressed
from bot.channels.envelope import clip, writable
from handlers.chat import Button, Incoming, Quote, Reply

CONTENT_BYTES = 20_480
"""The longest `stream.content` in bytes of UTF-8 (page 101031)."""
PIECE_BYTES = 512 * 1024
"""The most of a file that one frame carries, before base64 (page 101463)."""
_ID_CHARACTERS = 256

WELCOME = "帮助"
"""What somebody who opens the conversation for the first time that day is taken to say: its answer is the welcome."""

Body = dict[str, Any]
"""What is sent, as the platform's JSON."""


class FrameError(ValueError):
    """A frame without the members that its kind must have."""


@dataclass(frozen=True, slots=True)
class Press:
    """Which button of which card was pressed, and by whom."""

    pressed: Pressed
    task_id: str
    sender: str
    """As the platform writes it."""


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
    press = read_press(frame)
    return Incoming(
        channel=channel,
        message_id=_id(frame, "msgid"),
        namespace=namespace,
        sender=sender.lower() if fold_sender else sender,
        text=writable(text),
        address=_id(frame, "chatid") if in_group else "",
        quote=None if quote is None else _read_quote(quote),
        unseen=len(pictures(frame)),
        question=press.pressed.question if press else "",
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


def event_kind(frame: Mapping[str, Any]) -> str:
    """The `eventtype` of an event, nothing for a message. Raises FrameError."""
    return _string(_member(frame, "event"), "eventtype") if frame.get("msgtype") == "event" else ""


def read_press(frame: Mapping[str, Any]) -> Press | None:
    """The button that was pressed, where the frame tells of one of ours. Raises FrameError. Source: page 101027."""
    if event_kind(frame) != "template_card_event":
        return None
    event = _member(_member(frame, "event"), "template_card_event")
    pressed = cards.read_key(_string(event, "event_key"))
    if pressed is None:
        return None
    return Press(pressed, _id(event, "task_id"), _id(_member(frame, "from"), "userid"))


def stream_id(message_id: str) -> str:
    """The id of the stream that answers a message. The same for each delivery of it (page 100719)."""
    return hashlib.sha256(message_id.encode()).hexdigest()[:32]


def answers(reply: Reply, *, message_id: str, sender: str) -> list[Body]:
    """What answers a message: its text, its card, or one after the other where a card cannot show all of the text.

    Sent again, it is the same: the ids of stream and card come from the message. Source: pages 101031 and 101032.
    """
    name = stream_id(message_id)
    if not reply.buttons:
        return [finished_stream(reply.text, stream_id=name)]
    card = cards.card(reply.text, reply.buttons, task_id=f"answer-{name}", asked=sender)
    body = {"msgtype": "template_card", "template_card": card}
    return [body] if cards.fits(reply.text) else [finished_stream(reply.text, stream_id=name), body]


def answer_at_once(reply: Reply, *, message_id: str, sender: str) -> Body:
    """The same as one body, for a callback that has one answer. Source: page 101031."""
    bodies = answers(reply, message_id=message_id, sender=sender)
    if len(bodies) == 1:
        return bodies[0]
    stream, card = bodies
    return {"msgtype": "stream_with_template_card", "stream": stream["stream"], "template_card": card["template_card"]}


def welcome(reply: Reply, *, message_id: str, sender: str) -> Body:
    """What greets somebody who opened the conversation. Source: page 101031."""
    if reply.buttons and cards.fits(reply.text):
        return answers(reply, message_id=message_id, sender=sender)[0]
    return {"msgtype": "text", "text": {"content": _content(reply.text)}}


def update(press: Press, reply: Reply) -> Body:
    """The card after a press: for everybody where its question was answered by whom it was put to, else for the one
    who pressed. Source: page 101031.
    """
    asked = press.pressed.asked
    card = cards.pressed_card(press.pressed, reply, task_id=press.task_id, asked=asked or press.sender)
    body: Body = {"response_type": "update_template_card", "template_card": card}
    return body if asked == press.sender else {**body, "userids": [press.sender]}


def pushes(text: str, buttons: tuple[Button, ...]) -> list[Body]:
    """What goes out unasked. Source: pages 101463 and 101032."""
    if not buttons:
        return [markdown(text)]
    card = cards.card(text, buttons, task_id=cards.new_task_id())
    body = {"msgtype": "template_card", "template_card": card}
    return [body] if cards.fits(text) else [markdown(text), body]


def markdown(text: str) -> Body:
    """A text, for whatever is no answer in a stream."""
    return {"msgtype": "markdown", "markdown": {"content": _content(text)}}


def image(media_id: str) -> Body:
    """A picture that was uploaded. Source: page 101463."""
    return {"msgtype": "image", "image": {"media_id": media_id}}


def file(media_id: str) -> Body:
    """A file that was uploaded. Source: page 101463."""
    return {"msgtype": "file", "file": {"media_id": media_id}}


def upload_of(content: bytes, name: str, kind: str = "image") -> Body:
    """What announces the upload of a picture, or of a `file`. Source: page 101463."""
    return {
        "type": kind,
        "filename": name,
        "total_size": len(content),
        "total_chunks": -(-len(content) // PIECE_BYTES),
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
    }


def pieces_of(content: bytes, upload_id: str) -> list[Body]:
    """The pieces of what is uploaded. They are counted from 0, as by the platform's own client."""
    return [
        {
            "upload_id": upload_id,
            "chunk_index": index,
            "base64_data": base64.b64encode(content[at : at + PIECE_BYTES]).decode(),
        }
        for index, at in enumerate(range(0, len(content), PIECE_BYTES))
    ]


def finished_stream(text: str, *, stream_id: str) -> Body:
    """The reply body that says everything at once. Longer texts than 20480 bytes are cut. Source: page 101031."""
    return {"msgtype": "stream", "stream": {"id": stream_id, "finish": True, "content": _content(text)}}


def _content(text: str) -> str:
    # The client folds <think>…</think> away as the bot's thoughts; what a neighbour typed must be seen.
    return clip(writable(text.replace("<think", "＜think")), CONTENT_BYTES).decode()


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


def _read_entering(frame: Mapping[str, Any]) -> str:
    return WELCOME


def _read_pressing(frame: Mapping[str, Any]) -> str | None:
    press = read_press(frame)
    return press.pressed.say if press else None


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
# The same for events by `eventtype`; a feedback_event and those to come are not answered.
_EVENTS: dict[str, Reader] = {"enter_chat": _read_entering, "template_card_event": _read_pressing}


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
