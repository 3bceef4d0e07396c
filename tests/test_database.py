"""Statements prepared once: they say the same as the session would, on both databases."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import bindparam, func, literal, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from bot.books import Books
from models.audit import Audit
from models.clock import SHANGHAI
from models.counters import Counter
from models.database import Among, Prepared, driver, is_transient, savepoint, sqlite_engine
from models.directory import Community, add_community
from models.pending import Pending
from models.schedule import Tick
from tests.ground import lay

MOMENT = datetime(2026, 11, 21, 9, 0, 0, 1, SHANGHAI)

INSERT_AUDIT = Prepared(
    lambda insert: insert(Audit).returning(Audit.id, Audit.at, Audit.detail, Audit.member_id),
    columns=(
        "community_id", "at", "member_id", "action", "object_ref", "group_id", "channel", "message_id", "detail"
    ),
)  # fmt: skip
FIND_AUDIT = Prepared(select(Audit.id, Audit.at, Audit.detail, Audit.member_id).where(Audit.at == bindparam("moment")))
SET_LAST = Prepared(
    lambda insert: (
        (statement := insert(Counter))
        .on_conflict_do_update(
            index_elements=["community_id", "kind"], set_={"last": Counter.last + statement.excluded.last}
        )
        .returning(Counter.last)
    ),
    columns=("community_id", "kind", "last"),
)
ADD_ONCE = Prepared(
    lambda insert: insert(Counter).on_conflict_do_nothing().returning(Counter.last),
    columns=("community_id", "kind", "last"),
)


def community(session: Session) -> int:
    return add_community(session, slug="a", name="锦绣社区", bot_name="小邻", now=MOMENT).id


def act(community_id: int, **changed: Any) -> dict[str, Any]:
    return {
        "community_id": community_id,
        "at": MOMENT,
        "member_id": None,
        "action": "checkin",
        "object_ref": "12",
        "group_id": None,
        "channel": "simulator",
        "message_id": "m1",
        "detail": {"活动": 12, "names": ["王秀英", None], "half": 0.5, "yes": True},
        **changed,
    }


async def test_moments_and_json_come_back_as_they_went_in(books: Books) -> None:
    def unit(session: Session) -> tuple[Any, ...] | None:
        return INSERT_AUDIT.first(session, **act(community(session)))

    row = await books.write(unit)
    assert row is not None
    assert row[1:] == (MOMENT, act(0)["detail"], None)
    assert row[1].tzinfo is UTC
    found = await books.read(lambda s: FIND_AUDIT.all(s, moment=MOMENT))
    assert found == [row]


async def test_a_prepared_statement_reads_what_the_session_reads(books: Books) -> None:
    def unit(session: Session) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        made = community(session)
        for number in range(3):
            INSERT_AUDIT.run(session, **act(made, message_id=f"m{number}", detail={"n": number}))
        assert isinstance(FIND_AUDIT.statement, type(select(Audit.id)))
        slow = session.execute(FIND_AUDIT.statement, {"moment": MOMENT}).all()
        return FIND_AUDIT.all(session, moment=MOMENT), [tuple(row) for row in slow]

    fast, slow = await books.write(unit)
    assert fast == slow
    assert [row[2] for row in fast] == [{"n": 0}, {"n": 1}, {"n": 2}]


async def test_moments_are_compared_as_moments_whatever_their_offset(books: Books) -> None:
    query = Prepared(select(Tick.id).where(Tick.done_until <= bindparam("until")).order_by(Tick.id))
    moments = [
        datetime(2026, 12, 31, 23, 59, 59, 999999, SHANGHAI),
        datetime(2026, 12, 31, 16, 0, tzinfo=UTC),
        datetime(2027, 1, 1, 0, 0, 0, 1, SHANGHAI),
    ]
    put = Prepared(lambda insert: insert(Tick), columns=("id", "done_until"))

    def unit(session: Session) -> list[list[int]]:
        for number, moment in enumerate(moments, 1):
            put.run(session, id=number, done_until=moment)
        return [[row[0] for row in query.all(session, until=moment)] for moment in moments]

    assert await books.write(unit) == [[1], [1, 2], [1, 2, 3]]


async def test_a_naive_moment_has_no_place_in_the_books(books: Books) -> None:
    naive = MOMENT.replace(tzinfo=None)

    def prepared(session: Session) -> None:
        INSERT_AUDIT.run(session, **act(community(session), at=naive))

    def plain(session: Session) -> None:
        add_community(session, slug="b", name="b", bot_name="b", now=naive)

    with pytest.raises(ValueError, match="naive"):
        await books.write(prepared)
    with pytest.raises(Exception, match="naive"):
        await books.write(plain)


async def test_none_goes_in_and_comes_out_as_null(books: Books) -> None:
    query = Prepared(
        select(Pending.slot, Pending.expires_at, literal(None)).where(
            Pending.slot.is_(None), Pending.member_id == bindparam("member")
        )
    )
    nothing = Prepared(select(func.max(Pending.expires_at)))

    def unit(session: Session) -> tuple[Any, Any]:
        ground = lay(session)
        member = ground.people["王秀英"]
        empty = nothing.first(session)
        session.execute(
            Pending.__table__.insert(),  # type: ignore[attr-defined]
            {
                "community_id": ground.community.id,
                "member_id": member,
                "conversation": "direct",
                "intent": "signup",
                "slots": {},
                "slot": None,
                "options": [],
                "expires_at": MOMENT,
            },
        )
        return empty, query.first(session, member=member)

    assert await books.write(unit) == ((None,), (None, MOMENT, None))


async def test_a_list_of_ids_is_one_parameter_however_long_it_is(books: Books) -> None:
    query = Prepared(select(Tick.id).where(Among(Tick.id, "ids")).order_by(Tick.id))
    put = Prepared(lambda insert: insert(Tick), columns=("id", "done_until"))

    def unit(session: Session) -> list[list[int]]:
        for number in range(1, 6):
            put.run(session, id=number, done_until=MOMENT)
        return [[row[0] for row in query.all(session, ids=ids)] for ids in ([], [4, 2], [2**40, *range(900), 5])]

    assert await books.write(unit) == [[], [2, 4], [1, 2, 3, 4, 5]]


async def test_fixed_parameters_are_part_of_the_statement(books: Books) -> None:
    query = Prepared(
        select(Community.name, literal("固定"), literal(7) + bindparam("more", type_=Community.id.type)).where(
            Community.slug == "a", Community.since == MOMENT, Community.name == bindparam("name_")
        )
    )
    raise_to = Prepared(update(Community).where(Community.slug == "a").values(bot_name="大邻", name=bindparam("new")))

    def unit(session: Session) -> tuple[Any, ...]:
        community(session)
        before = query.all(session, name_="锦绣社区", more=1)
        again = query.all(session, name_="锦绣社区", more=2)
        raise_to.run(session, new="百花社区")
        return before, again, query.all(session, name_="锦绣社区", more=1), session.scalar(select(Community.bot_name))

    assert await books.write(unit) == ([("锦绣社区", "固定", 8)], [("锦绣社区", "固定", 9)], [], "大邻")


async def test_on_conflict_updates_or_does_nothing(books: Books) -> None:
    def unit(session: Session) -> list[Any]:
        made = community(session)
        return [
            SET_LAST.first(session, community_id=made, kind="x", last=5),
            SET_LAST.first(session, community_id=made, kind="x", last=2),
            ADD_ONCE.first(session, community_id=made, kind="x", last=100),
            ADD_ONCE.first(session, community_id=made, kind="y", last=100),
            session.scalars(select(Counter.last).order_by(Counter.kind)).all(),
        ]

    assert await books.write(unit) == [(5,), (7,), None, (100,), [7, 100]]


async def test_an_insert_tells_the_id_that_it_makes_where_it_makes_one(books: Books) -> None:
    once = Prepared(
        lambda insert: insert(Community).on_conflict_do_nothing(),
        columns=("slug", "name", "bot_name", "since"),
        makes=Community.id,
    )

    def unit(session: Session) -> tuple[list[Any], list[int]]:
        values = {"name": "锦绣社区", "bot_name": "小邻", "since": MOMENT}
        made = [once.first(session, slug=slug, **values) for slug in ("a", "a", "b", "a")]
        return made, list(session.scalars(select(Community.id).order_by(Community.id)))

    made, ids = await books.write(unit)
    assert made == [(ids[0],), None, (ids[1],), None]


async def test_nothing_found_is_none_or_an_empty_list(books: Books) -> None:
    def unit(session: Session) -> tuple[Any, Any]:
        return FIND_AUDIT.first(session, moment=MOMENT), FIND_AUDIT.all(session, moment=MOMENT)

    assert await books.read(unit) == (None, [])


async def test_a_missing_parameter_is_an_error_and_not_null(books: Books) -> None:
    with pytest.raises((KeyError, psycopg.ProgrammingError, sqlite3.ProgrammingError)):
        await books.read(lambda s: FIND_AUDIT.all(s))


async def test_a_prepared_statement_is_part_of_the_units_transaction(books: Books) -> None:
    made = await books.write(community)

    def unit(session: Session) -> Any:
        SET_LAST.run(session, community_id=made, kind="x", last=1)
        with pytest.raises(KeyError), savepoint(session, "part"):
            SET_LAST.run(session, community_id=made, kind="x", last=10)
            assert session.scalar(select(Counter.last)) == 11
            raise KeyError
        return SET_LAST.first(session, community_id=made, kind="x", last=1)

    def fail(session: Session) -> None:
        SET_LAST.run(session, community_id=made, kind="x", last=10)
        raise ValueError

    assert await books.write(unit) == (2,)
    with pytest.raises(ValueError):
        await books.write(fail)
    assert await books.read(lambda s: s.scalar(select(Counter.last))) == 2


async def test_the_first_row_leaves_the_statement_done(books: Books) -> None:
    """SQLite carries an INSERT .. RETURNING out only as far as it is stepped."""
    query = Prepared(select(Audit.id).order_by(Audit.id))
    take = Prepared(update(Audit).values(object_ref="x").returning(Audit.id))

    def unit(session: Session) -> tuple[Any, int | None]:
        made = community(session)
        for number in range(3):
            INSERT_AUDIT.run(session, **act(made, message_id=str(number)))
        first = query.first(session)
        assert first == query.all(session)[0]
        assert take.first(session) is not None
        return first, session.scalar(select(func.count()).select_from(Audit).where(Audit.object_ref == "x"))

    first, changed = await books.write(unit)
    assert (len(first), changed) == (1, 3)


async def test_one_cursor_serves_a_session(books: Books) -> None:
    assert await books.read(lambda s: driver(s)[0] is driver(s)[0])


def test_sqlite_keeps_what_a_points_book_needs(tmp_path: Path) -> None:
    engine = sqlite_engine(str(tmp_path / "a b?c#.sqlite3"))
    with engine.connect() as connection:
        read = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("foreign_keys", "synchronous", "journal_mode", "busy_timeout")
        }
    engine.dispose()
    assert read == {"foreign_keys": 1, "synchronous": 2, "journal_mode": "wal", "busy_timeout": 2000}
    assert (tmp_path / "a b?c#.sqlite3").exists()


def test_a_read_only_engine_writes_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "linli.sqlite3")
    with sqlite_engine(path).connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
    with sqlite_engine(path, read_only=True).connect() as connection, pytest.raises(DBAPIError, match="readonly"):
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")


def wrapped(error: Exception, *, lost: bool = False) -> DBAPIError:
    return DBAPIError("SELECT 1", {}, error, connection_invalidated=lost)


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (sqlite3.OperationalError("database is locked"), True),
        (sqlite3.OperationalError("database table is locked: units"), True),
        (sqlite3.OperationalError("disk I/O error"), True),
        (sqlite3.OperationalError("database or disk is full"), True),
        (sqlite3.OperationalError("unable to open database file"), True),
        (sqlite3.OperationalError("no such table: units"), False),
        (sqlite3.IntegrityError("transfers are append-only"), False),
        (psycopg.errors.SerializationFailure(), True),
        (psycopg.errors.DeadlockDetected(), True),
        (psycopg.errors.LockNotAvailable(), True),
        (psycopg.errors.AdminShutdown(), True),
        (psycopg.errors.ConnectionFailure(), True),
        (psycopg.errors.TooManyConnections(), True),
        (psycopg.errors.UniqueViolation(), False),
        (psycopg.errors.RaiseException("transfers are append-only"), False),
        (psycopg.errors.ReadOnlySqlTransaction(), False),
        (psycopg.OperationalError("the connection is lost"), True),
        (ValueError("locked"), False),
        (KeyError("busy"), False),
    ],
    ids=lambda value: f"{type(value).__name__}-{value}" if isinstance(value, Exception) else str(value),
)
def test_what_may_succeed_when_it_is_run_again(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient
    assert is_transient(wrapped(error)) is transient
    assert is_transient(wrapped(error, lost=True)) is True


async def test_a_broken_rule_of_a_table_is_not_transient(books: Books) -> None:
    await books.write(community)
    with pytest.raises(IntegrityError) as caught:
        await books.write(community)
    assert not is_transient(caught.value)
    assert await books.read(lambda s: s.scalar(text("SELECT count(*) FROM communities"))) == 1
