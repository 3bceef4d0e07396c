"""The words that handlers speak: what comes in, what goes out, and how a feature declares its commands.

A feature's `router` lists its commands: verbs as people type them, typed slots, the least role, whether the
command writes. The dispatcher (`bot/dispatch`) understands the text, finds the person, checks role and scope in
one place, opens the unit of work and calls the handler with a `Turn`. A handler loads through a door, calls one
action of `models/`, and chooses a sentence.
"""

from handlers.chat.commands import COMMON_REFUSALS, Command, Handler, Mark, Router, Told, Turn, Undo
from handlers.chat.messages import (
    BUTTONS,
    LINES,
    PHOTO,
    PLACE,
    Answer,
    Ask,
    Incoming,
    Quote,
    Reply,
    in_few_lines,
    shown_in,
)
from handlers.chat.texts import Texts, sentence
from models.base import Button

__all__ = [
    "BUTTONS",
    "COMMON_REFUSALS",
    "LINES",
    "PHOTO",
    "PLACE",
    "Answer",
    "Ask",
    "Button",
    "Command",
    "Handler",
    "Incoming",
    "Mark",
    "Quote",
    "Reply",
    "Router",
    "Texts",
    "Told",
    "Turn",
    "Undo",
    "in_few_lines",
    "sentence",
    "shown_in",
]
