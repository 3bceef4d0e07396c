"""One message → one transaction → one reply.

The language decides what is meant, against a snapshot; the unit of work decides what is true. Chatter costs nothing and
writes nothing. A command that only reads runs on a read-only connection; anything that writes is one unit of work, in
which a message delivered again finds its stored answer and does nothing else.
"""

from bot.dispatch.dispatcher import Dispatcher, say, shown_slots
from bot.dispatch.scene import Heard

__all__ = ["Dispatcher", "Heard", "say", "shown_slots"]
