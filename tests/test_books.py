"""The door to the database: what is promised about units, on both databases."""

import asyncio

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from bot.books import Books, BooksBusy, FileInUse
from models.counters import Counter, next_number
from models.database import savepoint
from models.directory import add_community, touch
from tests.moments import SATURDAY


def community(session: Session) -> int:
    return add_community(session, slug="a", name="锦绣社区", bot_name="小邻", now=SATURDAY).id


async def test_write_returns_after_the_commit(books: Books) -> None:
    made = await books.write(community)
    assert await books.read(lambda session: session.scalar(text("SELECT count(*) FROM communities"))) == 1
    assert made > 0


async def test_a_failing_unit_rolls_back_alone(books: Books) -> None:
    made = await books.write(community)

    def count(session: Session) -> int:
        return next_number(session, community_id=made, kind="x")

    def fail(session: Session) -> int:
        count(session)
        raise ValueError("no")

    results = await asyncio.gather(
        *(books.write(fail if i % 3 == 0 else count) for i in range(30)), return_exceptions=True
    )
    assert sorted(r for r in results if isinstance(r, int)) == list(range(1, 21))
    assert sum(isinstance(r, ValueError) for r in results) == 10
    assert await books.read(lambda s: s.scalar(select(Counter.last))) == 20


async def test_a_savepoint_rolls_back_what_is_inside_it(books: Books) -> None:
    made = await books.write(community)

    def unit(session: Session) -> int:
        next_number(session, community_id=made, kind="x")
        with pytest.raises(KeyError), savepoint(session, "part"):
            next_number(session, community_id=made, kind="x")
            raise KeyError
        return next_number(session, community_id=made, kind="x")

    assert await books.write(unit) == 2


async def test_a_statement_that_fails_spoils_only_its_unit(books: Books) -> None:
    made = await books.write(community)

    def clash(session: Session) -> None:
        session.execute(insert(Counter), {"community_id": made, "kind": "x", "last": 1})
        session.execute(insert(Counter), {"community_id": made, "kind": "x", "last": 1})

    results = await asyncio.gather(
        books.write(lambda s: next_number(s, community_id=made, kind="y")),
        books.write(clash),
        books.write(lambda s: next_number(s, community_id=made, kind="y")),
        return_exceptions=True,
    )
    assert [results[0], results[2]] in ([1, 2], [2, 1])
    assert isinstance(results[1], Exception)
    assert await books.read(lambda s: s.scalars(select(Counter.kind)).all()) == ["y"]


async def test_moved_tells_of_what_was_touched_and_only_that(books: Books) -> None:
    made = await books.write(community)
    await asyncio.sleep(0.2)  # PostgreSQL's listener hears of it by itself
    await books.moved()
    assert not await books.moved()
    await books.write(lambda s: next_number(s, community_id=made, kind="x"))
    assert not await books.moved()
    heard: list[set[int]] = []
    books.on_touched.append(heard.append)
    await books.write(lambda s: touch(s, made))
    assert heard == [{made}]
    for _ in range(50):
        if await books.moved():
            return
        await asyncio.sleep(0.05)
    pytest.fail("nobody was told")


async def test_reading_cannot_write(books: Books) -> None:
    with pytest.raises(Exception, match=r"(?i)read-?only"):
        await books.read(community)


async def test_a_second_serving_process_is_refused(sqlite_url: str) -> None:
    first = await Books.open(sqlite_url, serving=True)
    with pytest.raises(FileInUse):
        await Books.open(sqlite_url, serving=True)
    tool = await Books.open(sqlite_url)  # the command-line tools may write beside it
    await tool.write(community)
    await tool.close()
    await first.close()


async def test_a_locked_database_answers_busy_and_recovers(sqlite_url: str) -> None:
    books = await Books.open(sqlite_url)
    other = await Books.open(sqlite_url)
    connection = other.engine.connect()  # type: ignore[attr-defined]
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    books._connection.exec_driver_sql("PRAGMA busy_timeout=50")  # type: ignore[attr-defined]
    books.engine.dispose()  # type: ignore[attr-defined]
    waiting = asyncio.ensure_future(books.write(community))
    try:
        await asyncio.wait_for(asyncio.shield(waiting), 20)
    except BooksBusy:
        pass
    else:
        pytest.fail("a locked file was written to")
    connection.exec_driver_sql("ROLLBACK")
    connection.close()
    assert await books.write(community) > 0
    await books.close()
    await other.close()
