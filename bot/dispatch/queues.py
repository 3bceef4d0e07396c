"""Messages of one sender take effect in the order of arrival."""

import asyncio


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
