"""In which order messages came: of one sender, and in one group."""

import asyncio
from datetime import datetime, timedelta

from handlers.chat import Incoming


class Queues:
    """Messages of one sender take effect in the order of arrival."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], asyncio.Future[None]] = {}

    def join(self, sender: tuple[str, str]) -> "tuple[asyncio.Future[None], asyncio.Future[None] | None]":
        """A place behind the sender's last message: what to `leave` with, and what to wait for before one's turn."""
        before = self._last.get(sender)
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._last[sender] = mine
        return mine, before

    def leave(self, sender: tuple[str, str], mine: "asyncio.Future[None]") -> None:
        """Lets the next one in."""
        mine.set_result(None)
        if self._last.get(sender) is mine:
            del self._last[sender]


AT_ONCE = timedelta(minutes=1)
"""How soon something has to be said to follow what was said before."""


class Groups:
    """Which message was heard last in each group, by this process: what it does not know of follows nothing."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], tuple[str, str, datetime]] = {}

    def hear(self, incoming: Incoming, now: datetime) -> str:
        """The id of the message that this one follows at once in its group; nothing where there is none."""
        if incoming.direct:
            return ""
        group = (incoming.channel, incoming.address)
        last, before, at = self._last.get(group, ("", "", now))
        if last == incoming.message_id:
            # Delivered again, it follows what it has followed.
            return before
        follows = last if now - at <= AT_ONCE else ""
        self._last[group] = (incoming.message_id, follows, now)
        return follows
