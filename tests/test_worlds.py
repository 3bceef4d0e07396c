"""What is open is read once for however many messages wait for it, and never older than what they must meet."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.books import Books, BooksBusy, Unit
from bot.worlds import Worlds
from models.activities import ActivityHere
from tests.ground import Ground, lay, publish
from tests.moments import TUESDAY_EVENING as NOW

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Reader:
    """Books that count how often they are read, can be held up, and can fail."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self.on_touched: list[Callable[[set[int]], None]] = books.on_touched
        self.reads = 0
        self.failing = False
        self.found = asyncio.Event()
        """Something was read, which may not have been handed over yet."""
        self.free = asyncio.Event()
        self.free.set()

    async def read(self, unit: Unit[Any]) -> Any:
        self.reads += 1
        found = await self._books.read(unit)
        self.found.set()
        await self.free.wait()
        if self.failing:
            raise BooksBusy("as the test wants it")
        return found

    async def moved(self) -> bool:
        return False


@pytest.fixture
async def ground(books: Books) -> Ground:
    return await books.write(lay)


@pytest.fixture
def reader(books: Books) -> Reader:
    return Reader(books)


@pytest.fixture
def worlds(reader: Reader) -> Worlds:
    return Worlds(reader)  # type: ignore[arg-type]


async def numbers(worlds: Worlds, now: datetime = NOW) -> list[int]:
    """The activities that are spoken of."""
    snapshot = await worlds.at(now)
    return [thing.number for world in snapshot.worlds.values() for thing in world.surroundings.objects]


async def published(books: Books, ground: Ground) -> ActivityHere:
    return await books.write(lambda session: publish(session, ground))


async def test_however_many_ask_it_is_read_once(books: Books, ground: Ground, reader: Reader, worlds: Worlds) -> None:
    await asyncio.gather(*(numbers(worlds) for _ in range(50)))
    assert reader.reads == 1
    activity = await published(books, ground)
    assert await asyncio.gather(*(numbers(worlds) for _ in range(50))) == [[activity.number]] * 50
    assert reader.reads == 2
    # The next edge is passed: every one of them finds that what is open may be something else.
    await asyncio.gather(*(numbers(worlds, activity.ends_at + timedelta(days=1)) for _ in range(50)))
    assert reader.reads == 3


async def test_who_asks_after_a_change_never_gets_what_was_read_before_it(
    books: Books, ground: Ground, reader: Reader, worlds: Worlds
) -> None:
    reader.free.clear()
    early = asyncio.create_task(numbers(worlds))
    await reader.found.wait()
    activity = await published(books, ground)
    late = asyncio.create_task(numbers(worlds))
    reader.free.set()
    assert await late == [activity.number]
    await early


async def test_a_reading_that_failed_is_not_the_last(
    books: Books, ground: Ground, reader: Reader, worlds: Worlds
) -> None:
    await numbers(worlds)
    activity = await published(books, ground)
    reader.failing = True
    failed = await asyncio.gather(*(numbers(worlds) for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in failed] == [BooksBusy] * 5
    reader.failing = False
    assert await numbers(worlds) == [activity.number]
