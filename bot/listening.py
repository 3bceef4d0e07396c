"""Notes once a minute which channels were heard, and which callbacks were refused: `linli check` reads it."""

import asyncio
import contextlib
from collections.abc import Iterable

from sqlalchemy.orm import Session

from bot.books import Books, BooksBusy, BooksClosed
from bot.metrics import Metrics
from models import hearing
from models.clock import Clock

EVERY_SECONDS = 60.0


class Listening:
    """Watches the numbers of the channels; what was said is no part of them."""

    def __init__(self, books: Books, metrics: Metrics, *, names: Iterable[str], wall: Clock) -> None:
        self._books = books
        self._metrics = metrics
        self._names = tuple(names)
        self._wall = wall
        self._noted = dict.fromkeys(self._names, (0, 0))

    async def run(self) -> None:
        """Until it is cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(EVERY_SECONDS)
                await self.note()
        finally:
            await self.note()

    async def note(self) -> None:
        """Writes down what has changed; nothing where nothing came."""
        now, wall = {name: self._counts(name) for name in self._names}, self._wall.now()
        changed = {name: counts for name, counts in now.items() if counts != self._noted[name]}
        if not changed:
            return

        def unit(session: Session) -> None:
            for name, (heard, refused) in changed.items():
                if heard != self._noted[name][0]:
                    hearing.note_heard(session, channel=name, wall=wall)
                if refused != self._noted[name][1]:
                    why = self._metrics.channel(name).refusals[1]
                    hearing.note_refused(session, channel=name, why=why[:40], wall=wall)

        # A minute later there is another chance.
        with contextlib.suppress(BooksBusy, BooksClosed):
            await self._books.write(unit)
            self._noted = now

    def _counts(self, name: str) -> tuple[int, int]:
        channel = self._metrics.channel(name)
        return sum(channel.messages.values()), channel.refusals[0]
