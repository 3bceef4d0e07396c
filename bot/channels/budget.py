"""How many messages one address may still get from this process, by the platform's limits. Pure.

The postman counts the attempts of every process in the books. What is counted here is what leaves without an attempt
of its own as well: an answer that is no passive reply, a card beside its text.
"""

from collections import deque
from collections.abc import Callable, Sequence

from bot.channels import Limit

MARGIN_SECONDS = 0.5
"""The platform counts when a message arrives, some time after we sent it."""


class Budget:
    """What was sent to each address, within the longest limit."""

    def __init__(self, limits: Sequence[Limit], now: Callable[[], float]) -> None:
        """`limits` with the longest last; `now` gives seconds that never go back far."""
        self._limits = limits
        self._now = now
        self._sent: dict[str, deque[float]] = {}

    def count(self, address: str) -> None:
        """One message leaves now."""
        self._sent.setdefault(address, deque()).append(self._now())

    def take_back(self, address: str) -> None:
        """The last one did not count: it was refused before it came to anybody's limit."""
        if self._sent.get(address):
            self._sent[address].pop()

    def wait(self, address: str, messages: int = 1) -> float:
        """Seconds until so many more messages to this address keep every limit; 0 for now."""
        sent, now = self._sent.get(address), self._now()
        if sent is None:
            return 0.0
        while sent and sent[0] <= now - self._limits[-1].per.total_seconds() - MARGIN_SECONDS:
            sent.popleft()
        if not sent:
            del self._sent[address]
            return 0.0
        over = [(limit, len(sent) + messages - limit.count) for limit in self._limits]
        full = [sent[more - 1] + limit.per.total_seconds() for limit, more in over if 0 < more <= len(sent)]
        return max(0.0, max(full, default=0.0) + MARGIN_SECONDS - now) if full else 0.0
