"""Template cards of WeCom with buttons, as plain values: a text and its buttons, the press, the card after it. Pure.

A button's key carries all that its press needs: what to say, which question it answers, whom the question was put to,
and the words above it. So whichever process hears of the press can answer it and show the card anew, and nothing has to
be kept for that.

Source: developer.work.weixin.qq.com, page 101032 (2026-02-06): at most six buttons, keys of at most 1024 bytes, titles
of some 26 characters and texts of some 112, beyond which a client may cut them off.
"""

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.channels.envelope import writable
from handlers.chat import BUTTONS, Button, Reply

TITLE_CHARACTERS = 26
TEXT_CHARACTERS = 112
LABEL_CHARACTERS = 10
KEY_BYTES = 1024
HEADING = "请您看一下"
"""Above words that begin with nothing short enough for a title."""
BESIDE = "请点这里"
"""Above the buttons of a text that stands before the card, where it names nothing."""
DONE = "✓ "
_FIRST_STYLE, _OTHER_STYLE = 1, 2
_NAMED = re.compile(rf"【.{{2,{TITLE_CHARACTERS - 2}}}?】")
"""What a notice calls itself. It keeps its brackets: by them a quotation of the card is known."""
_THING = re.compile(rf"[^\n]*?「(.{{2,{TITLE_CHARACTERS}}}?)」")
"""The first thing that a first line names."""
_FIRST = re.compile(rf".{{1,{TITLE_CHARACTERS}}}(?=\n|$)|.{{1,{TITLE_CHARACTERS - 1}}}?[。！？]")
"""A first line, else a first sentence, that is short enough for a title."""
_KIND = re.compile(rf".{{4,{TITLE_CHARACTERS}}}?(?=：)")
"""What stands before a colon: 广播预览, but not 提醒 alone."""
_CLAUSES = re.compile(rf".{{4,{TITLE_CHARACTERS}}}(?=[，；])")
"""As many clauses as a title holds, and not somebody's name alone."""
_NAMING = re.compile(rf"[^\n]{{0,{TITLE_CHARACTERS // 2}}}?「[^\n]{{2,{TITLE_CHARACTERS // 2 - 2}}}?」")
"""As far as the name of the thing with which a line begins: 12号「清洁家园」."""
_PAIRS = ("「」", "（）", "《》", "“”")


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a button's key says."""

    say: str
    label: str
    words: str = ""
    """What stood above the buttons, where the card said all there was to say."""
    question: str = ""
    asked: str = ""
    """Whom a question was put to, by their outside id; empty for buttons that are for everybody."""


def fits(text: str) -> bool:
    """Whether a card shows all of a text."""
    return len(text) <= TEXT_CHARACTERS


def card(text: str, buttons: Sequence[Button], *, task_id: str, asked: str = "") -> dict[str, Any]:
    """A card with these buttons, and the text as far as it shows it.

    A text that does not fit goes out before the card, which then only says what it belongs to. `asked` is whom the
    buttons' question was put to.
    """
    words = writable(text).strip()
    said = _said(words)
    if not fits(words):
        words, said = "", {"main_title": {"title": named(words)}}
    return {
        "card_type": "button_interaction",
        **said,
        "button_list": [
            _button(Pressed(one.say, one.label, words, one.question, asked if one.question else ""), first=not at)
            for at, one in enumerate(buttons[:BUTTONS])
        ],
        "task_id": task_id,
    }


def pressed_card(pressed: Pressed, reply: Reply, *, task_id: str, asked: str) -> dict[str, Any]:
    """The card after a press: what was done, the words that it had, and the next buttons or the pressed one."""
    if reply.buttons:
        after = card(reply.text, reply.buttons, task_id=task_id, asked=asked)
    else:
        after = {
            "card_type": "button_interaction",
            "button_list": [_button(pressed, first=False, done=True)],
            "task_id": task_id,
        }
    after |= _said(writable(reply.text).strip() or pressed.label)
    if pressed.words:
        after["quote_area"] = {"quote_text": pressed.words}
    return after


def read_key(key: str) -> Pressed | None:
    """What a button says, by its key; None for one that is not ours."""
    try:
        parts = json.loads(key)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parts, list) or len(parts) != 5 or not all(isinstance(part, str) for part in parts):
        return None
    return Pressed(*parts)


def new_task_id() -> str:
    """An id for a card that goes out unasked. The platform refuses one that it has seen."""
    return f"push-{secrets.token_hex(16)}"


def named(words: str) -> str:
    """What a text is about, in a word that does not repeat it."""
    if name := _NAMED.match(words):
        return name[0]
    thing = _THING.match(words)
    return thing[1] if thing else BESIDE


def headed(words: str) -> tuple[str, str]:
    """The title that words begin with, and what is left of them: nothing is said twice.

    It is what a notice calls itself, else the first line or sentence, else what stands before its colon, else as many
    of its clauses as are short enough, else the thing with which it begins.
    """
    if name := _NAMED.match(words):
        return name[0], words[name.end() :].strip()
    if first := _FIRST.match(words):
        return first[0], words[first.end() :].strip()
    for begins in (_KIND.match(words), _CLAUSES.match(words), _NAMING.match(words)):
        # No name and no bracket is cut in two.
        if begins is not None and all(begins[0].count(pair[0]) == begins[0].count(pair[1]) for pair in _PAIRS):
            return begins[0], words[begins.end() :].lstrip("，：；").strip()
    return HEADING, words


def _said(words: str) -> dict[str, Any]:
    title, rest = headed(words)
    return {"main_title": {"title": title}, **({"sub_title_text": rest} if rest else {})}


def _button(pressed: Pressed, *, first: bool, done: bool = False) -> dict[str, Any]:
    label = pressed.label.removeprefix(DONE)
    text = (DONE + label if done else label)[:LABEL_CHARACTERS]
    return {"text": writable(text), "style": _FIRST_STYLE if first else _OTHER_STYLE, "key": _key(pressed)}


def _key(pressed: Pressed) -> str:
    for words in (pressed.words, ""):
        parts = [pressed.say, pressed.label.removeprefix(DONE), words, pressed.question, pressed.asked]
        key = writable(json.dumps(parts, ensure_ascii=False, separators=(",", ":")))
        if len(key.encode()) <= KEY_BYTES:
            break
    return key
