"""How fast the boards and balances of a very large community answer, and whether they say what the ledger says.

Builds 90,000 residents and two million transfers over two years in a SQLite file, asks the questions that 排行榜 and
积分 ask, through the same functions and the same kind of connection, and prints the median and the 95th percentile.
Ends with 1 where a limit is missed or a board is wrong. A file given by `--db` is kept, and used as it is where it
exists.
"""

import argparse
import random
import sqlite3
import sys
import tempfile
from bisect import bisect
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from time import perf_counter
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateIndex, DropIndex

from models import ledger, migrations, points, verify
from models.clock import SHANGHAI, month_of
from models.database import sqlite_engine
from models.directory import CommunityHere, add_community
from models.ledger import Currency, Transfer
from models.members import Member, Person, Standing
from models.units import Unit, UnitKind, add_unit

NOW = datetime(2026, 11, 28, 20, 0, tzinfo=SHANGHAI)
"""Late in the last of 24 months, so that its board is as long as boards become."""
MONTHS = 24
BUILDINGS = 300
TIED = points.Months(202612, 202612)
"""The month after: its first action has just given everybody the same, the worst that a board can meet."""
BATCH = 50_000


def build(path: str, residents: int, transfers: int) -> None:
    """Fills a new file. The derived tables are computed by SQL from the transfers, as a restore would."""
    engine = sqlite_engine(path)
    migrations.upgrade(engine)
    indexes = list(Transfer.__table__.indexes)  # type: ignore[attr-defined]
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA synchronous=OFF")
        connection.exec_driver_sql("PRAGMA cache_size=-400000")
        connection.exec_driver_sql("BEGIN")
        session = Session(connection)
        community = add_community(session, slug="large", name="锦绣社区", bot_name="小邻", now=NOW)
        root = add_unit(
            session, community_id=community.id, parent=None, kind=UnitKind.COMMUNITY, name="锦绣社区", now=NOW
        )
        homes = [
            add_unit(
                session,
                community_id=community.id,
                parent=root,
                kind=UnitKind.BUILDING,
                name=f"{number}栋",
                now=NOW,
            ).id
            for number in range(1, BUILDINGS + 1)
        ]
        for index in indexes:
            connection.execute(DropIndex(index))
        raw: Any = connection.connection.driver_connection
        raw.executemany(
            "INSERT INTO members (id, community_id, unit_id, name, standing, on_boards, since)"
            " VALUES (?, ?, ?, ?, 'resident', ?, '2024-01-01T00:00:00.000000Z')",
            ((n + 1, community.id, homes[n % BUILDINGS], f"居民{n:06d}", n % 50 != 7) for n in range(residents)),
        )
        made = _transfers(community.id, residents, transfers - residents)
        while rows := [row for row, _ in zip(made, range(BATCH), strict=False)]:
            raw.executemany(_INSERT, rows)
        raw.executemany(_INSERT, _everybody_once(community.id, residents))
        for index in sorted(indexes, key=lambda index: str(index.name)):
            connection.execute(CreateIndex(index))
        for keys, table in (("", "balances"), (", month", "monthly_totals")):
            raw.execute(
                f"INSERT INTO {table} (community_id, member_id, currency{keys}, amount)"
                f" SELECT community_id, member_id, currency{keys}, sum(change) FROM ("
                f"  SELECT community_id, credit AS member_id, currency{keys}, amount AS change FROM transfers"
                "   WHERE credit > 0 UNION ALL"
                f"  SELECT community_id, debit, currency{keys}, -amount FROM transfers WHERE debit > 0"
                f" ) GROUP BY community_id, member_id, currency{keys}"
            )
        connection.exec_driver_sql("COMMIT")
    engine.dispose()


_INSERT = (
    "INSERT INTO transfers"
    " (community_id, key, currency, debit, credit, amount, reason, ref, note, month, made_by, corrects, at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, 'activity:1', '', ?, NULL, NULL, ?)"
)


def _transfers(community_id: int, residents: int, count: int) -> Iterator[tuple[Any, ...]]:
    # Some come often and most seldom: the n-th resident as often as 1 / (n + 500).
    chance = random.Random(20261128)
    weights = list(accumulate(1 / (n + 500) for n in range(residents)))
    whose = list(range(1, residents + 1))
    chance.shuffle(whose)
    start = NOW - timedelta(days=730)
    had = [0] * (residents + 1)
    for number in range(count):
        at = start + timedelta(days=730) * (number / count)
        member_id = whose[bisect(weights, chance.random() * weights[-1])]
        moment = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        currency, reason, debit, credit, amount = "points", "award", -1, member_id, 1 + int(chance.random() * 5)
        kind = chance.random()
        if kind < 0.2:
            currency, amount = "recorded_minutes", amount * 30
        elif kind < 0.22 and had[member_id] >= amount:
            reason, debit, credit = "deduct", member_id, -3
            had[member_id] -= amount
        else:
            had[member_id] += amount
        yield (community_id, f"t:{number:09d}", currency, debit, credit, amount, reason, month_of(at), moment)


def _everybody_once(community_id: int, residents: int) -> Iterator[tuple[Any, ...]]:
    for member_id in range(1, residents + 1):
        key = f"u:{member_id:09d}"
        yield (community_id, key, "points", -1, member_id, 2, "award", TIED.first, "2026-12-01T00:00:00.000000Z")


@dataclass(frozen=True, slots=True)
class Question:
    """Something that people ask, and how long the answer may take (milliseconds; None: only told)."""

    name: str
    ask: Callable[[Session, Person], object]
    limit: float | None


def questions(community_id: int) -> Iterator[Question]:
    """Boards by period and scope, and what one has."""

    def board(months: points.Months | None, scoped: bool) -> Callable[[Session, Person], object]:
        return lambda session, asker: points.board(
            session,
            community_id=community_id,
            months=months,
            path=asker.unit_path if scoped else None,
            asker=asker,
        )

    periods: tuple[tuple[str, points.Months | None, float | None], ...] = (
        ("本月", points.months_of("本月", NOW), 20),
        ("上月", points.months_of("上月", NOW), 20),
        ("a month with all tied", TIED, 20),
        ("本季", points.months_of("本季", NOW), None),
        ("今年", points.months_of("今年", NOW), None),
        ("全部", None, 50),
    )
    for name, months, limit in periods:
        yield Question(f"board {name}", board(months, scoped=False), limit)
        yield Question(f"board {name}, one building", board(months, scoped=True), limit)
    yield Question(
        "balance",
        lambda session, asker: ledger.balance_of(
            session, community_id=community_id, member_id=asker.id, currency=Currency.POINTS
        ),
        5,
    )
    yield Question(
        "earned this month",
        lambda session, asker: points.earned_this_month(
            session, community_id=community_id, member_id=asker.id, now=NOW
        ),
        5,
    )
    yield Question(
        "statement",
        lambda session, asker: ledger.statement(
            session, community_id=community_id, member_id=asker.id, currency=Currency.POINTS, limit=10
        ),
        None,
    )


def askers(session: Session, count: int) -> list[Person]:
    """People of every kind of place: some of the first, some of the last, and any."""
    community = session.execute(text("SELECT id, name, bot_name FROM communities")).one()
    by_points = session.scalars(
        select(ledger.Balance.member_id)
        .where(ledger.Balance.currency == Currency.POINTS)
        .order_by(ledger.Balance.amount.desc())
    ).all()
    chance = random.Random(1)
    chosen = [*by_points[:5], *by_points[-5:], *chance.sample(list(by_points), count - 10)]
    found = []
    for member_id in chosen:
        row = session.execute(
            select(Member.id, Member.name, Member.unit_id, Unit.path)
            .join(Unit, Member.unit_id == Unit.id)
            .where(Member.id == member_id)
        ).one()
        here = CommunityHere(community.id, community.name, community.bot_name)
        found.append(Person(row.id, here, row.name, Standing.RESIDENT, row.unit_id, row.path, False, None, ()))
    return found


def measured(session: Session, question: Question, people: list[Person]) -> tuple[float, float]:
    """Median and 95th percentile in milliseconds."""
    for person in people[:5]:
        question.ask(session, person)
    times = []
    for person in people:
        began = perf_counter()
        question.ask(session, person)
        times.append((perf_counter() - began) * 1000)
    times.sort()
    return times[len(times) // 2], times[int(len(times) * 0.95)]


def wrong(path: str, session: Session, people: list[Person]) -> list[str]:
    """Boards that differ from what one counts from the transfers alone."""
    with closing(sqlite3.connect(path)) as connection:
        on_boards = dict(connection.execute("SELECT id, on_boards FROM members").fetchall())
        told = []
        for period in ("本月", "本季", "今年", "全部"):
            months = points.months_of(period, NOW)
            within = f"AND month BETWEEN {months.first} AND {months.last}" if months else ""
            rows = connection.execute(
                "SELECT who, sum(change) FROM ("
                " SELECT credit AS who, currency, month, amount AS change FROM transfers UNION ALL"
                " SELECT debit, currency, month, -amount FROM transfers)"
                f" WHERE who > 0 AND currency = 'points' {within} GROUP BY who"
            ).fetchall()
            amounts = dict(rows)
            shown = sorted((-amount, who) for who, amount in rows if amount > 0 and on_boards[who])
            for person in people[:20]:
                board = points.board(session, community_id=person.community.id, months=months, path=None, asker=person)
                mine = amounts.get(person.id, 0)
                own = (1 + bisect(shown, (-mine - 1, 1 << 62)), mine) if mine > 0 else None
                first = [(-amount, who) for amount, who in shown[:10]]
                found = [(one.amount, one.member_id) for one in board.first]
                if found != first or (board.own and (board.own.place, board.own.amount)) != own:
                    told.append(f"{period}, asked by {person.name}: {board.own}, not {own}")
    return told


def main() -> int:
    """Builds, measures, tells; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", type=Path, help="the file; kept, and used as it is where it exists")
    parser.add_argument("--residents", type=int, default=90_000)
    parser.add_argument("--transfers", type=int, default=2_000_000)
    parser.add_argument("--askers", type=int, default=200, help="how many people ask each question")
    parser.add_argument("--verify", action="store_true", help="prove the whole books as well, which takes a while")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        path = str(given.db or Path(room) / "boards.sqlite3")
        if not Path(path).exists():
            began = perf_counter()
            build(path, given.residents, given.transfers)
            print(f"built in {perf_counter() - began:.0f} s: {Path(path).stat().st_size / 2**20:.0f} MiB")
        engine = sqlite_engine(path, read_only=True)
        with engine.connect() as connection:
            session = Session(connection, autoflush=False)
            people = askers(session, given.askers)
            missed = _told(session, list(questions(people[0].community.id)), people)
            errors = wrong(path, session, people)
            if given.verify:
                began = perf_counter()
                errors += [violation.name for violation in verify.violations(session)]
                print(f"proved in {perf_counter() - began:.0f} s")
        engine.dispose()
    for line in [*missed, *errors]:
        print(line, file=sys.stderr)
    return 1 if missed or errors else 0


def _told(session: Session, asked: list[Question], people: list[Person]) -> list[str]:
    missed = []
    print(f"{'':34}{'median':>10}{'p95':>10}{'limit':>10}   (ms)")
    for question in asked:
        median, high = measured(session, question, people)
        limit = "" if question.limit is None else f"{question.limit:.0f}"
        print(f"{question.name:34}{median:10.2f}{high:10.2f}{limit:>10}")
        if question.limit is not None and high > question.limit:
            missed.append(f"too slow: {question.name} takes {high:.1f} ms, limit {limit} ms")
    return missed


if __name__ == "__main__":
    sys.exit(main())
