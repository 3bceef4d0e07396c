"""How long the postman's claim takes over an outbox of 200,000 rows: waiting for later, finished, and held back.

    python -m bench.outbox [--postgresql]

On a new SQLite file, and with the option on a PostgreSQL server of its own as well. Prints the median and the worst of
200 rounds, each in a transaction of its own:

- `put, empty`: a message is put out, before there is any row;
- `put`: the same beside 200,000 rows;
- `idle`: nothing is due;
- `due`: 200 messages are due and are taken;
- `backlog`: 5,000 messages are due and all held back, because their group has to rest;
- `limits`: an address that sent 1,000 messages in this hour is asked how long it has to rest;
- `let go`: 500 rows that have had their time are deleted.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter

from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from bench.faults import database
from bot.books import Books
from models import outbox, privacy
from models.clock import WallClock
from models.directory import Group, add_community, add_group
from models.outbox import Attempt, AttemptOutcome, Outbox, OutboxState
from models.units import UnitKind, add_unit

ROWS = 200_000
GROUPS = 300
CLAIMS = 200
MOST = 200
BACKLOG = 5_000
GOAL_MS = 5.0


def seed(session: Session, community_id: int, groups: list[int], now: datetime) -> None:
    """The rows: half of them wait for the coming weeks, half are finished."""
    for start in range(0, ROWS, 5000):
        session.execute(insert(Outbox), list(rows(community_id, groups, now, start, start + 5000)))


def rows(community_id: int, groups: list[int], now: datetime, start: int, end: int) -> Iterator[dict[str, object]]:
    for number in range(start, end):
        later = number % 2 == 0
        due = now + timedelta(days=1, seconds=7 * number) if later else now - timedelta(minutes=number)
        yield {
            "community_id": community_id,
            "key": f"bench:{number}",
            "group_id": groups[number % len(groups)],
            "text": "明天上午九点在中心花园清洁家园，请大家带好工具。",
            "created_at": now,
            "not_before": due,
            "expires_at": due + timedelta(hours=2),
            "state": OutboxState.WAITING if later else OutboxState.SENT,
            "finished_at": None if later else due,
        }


def lay_due(session: Session, groups: list[int], count: int, now: datetime, mark: str) -> None:
    """Messages that are due now."""
    community_id = session.scalar(select(Group.community_id).where(Group.id == groups[0]))
    given = [
        {
            "community_id": community_id,
            "key": f"{mark}:{number}",
            "group_id": groups[number % len(groups)],
            "text": "今晚停水",
            "created_at": now,
            "not_before": now,
            "expires_at": now + timedelta(hours=9),
        }
        for number in range(count)
    ]
    session.execute(insert(Outbox), given)


def report(name: str, label: str, spent: list[float], goal: float = GOAL_MS) -> None:
    median = statistics.median(spent)
    verdict = "ok" if median < goal else f"over {goal} ms"
    print(f"{name} {label:10} median {median:6.2f} ms  worst {max(spent):7.2f} ms  {verdict}", flush=True)


async def timed(books: Books, unit: Callable[[Session, int], object], rounds: int = CLAIMS) -> list[float]:
    """Milliseconds of each round, without its commit."""

    def one(session: Session, number: int) -> float:
        began = perf_counter()
        unit(session, number)
        return (perf_counter() - began) * 1000

    return [await books.write(lambda session, number=number: one(session, number)) for number in range(rounds)]


def found(session: Session, now: datetime) -> tuple[int, list[int]]:
    """The community and its groups."""
    community = add_community(session, slug="bench", name="压测社区", bot_name="bot", now=now)
    root = add_unit(session, community_id=community.id, parent=None, kind=UnitKind.COMMUNITY, name="压测社区", now=now)
    return community.id, [
        add_group(session, community_id=community.id, unit=root, name=f"{number}群", now=now)
        for number in range(GROUPS)
    ]


def put_one(session: Session, community_id: int, group_id: int, now: datetime, mark: str) -> None:
    outbox.put(
        session,
        community_id=community_id,
        key=mark,
        message="明天上午九点在中心花园清洁家园，请大家带好工具。",
        now=now,
        expires_at=now + timedelta(days=40),
        not_before=now + timedelta(days=30),
        group_id=group_id,
    )


def lay_attempts(session: Session, community_id: int, now: datetime) -> None:
    """1,000 sends to one address within this hour."""
    given = [
        {
            "community_id": community_id,
            "channel": "aibot",
            "address": "chat",
            "began_at": now - timedelta(seconds=3.5 * number),
            "ended_at": now - timedelta(seconds=3.5 * number),
            "outcome": AttemptOutcome.SENT,
        }
        for number in range(1000)
    ]
    session.execute(insert(Attempt), given)


async def measure(books: Books, name: str, kind: str) -> None:
    now = WallClock().now()
    community_id, groups = await books.write(lambda session: found(session, now))

    async def puts(label: str) -> None:
        spent = await timed(
            books,
            lambda session, number: put_one(session, community_id, groups[number], now, f"{label}:{number}"),
        )
        report(name, label, spent)

    await puts("put, empty")
    await books.write(lambda session: seed(session, community_id, groups, now))
    if kind == "postgresql":
        await books.write(lambda session: session.execute(text("ANALYZE outbox")))
    await puts("put")
    mark = now.isoformat()

    def claim(session: Session, token: str) -> tuple[int, float]:
        began = perf_counter()
        claimed = outbox.claim(session, now=now, wall=now, until=now + timedelta(seconds=60), token=token, most=MOST)
        return len(claimed), perf_counter() - began

    async def claims(label: str, expected: int) -> None:
        spent = []
        for number in range(CLAIMS):
            token = f"{label}{number}"
            if expected:
                part = f"{mark}:{token}"
                await books.write(lambda session, part=part: lay_due(session, groups, expected, now, part))
            count, seconds = await books.write(lambda session, token=token: claim(session, token))
            assert count == expected, f"claimed {count}, not {expected}"
            spent.append(seconds * 1000)
            if expected:
                await books.write(
                    lambda session, token=token: session.execute(
                        update(Outbox)
                        .where(Outbox.state == OutboxState.WAITING, Outbox.lease == token)
                        .values(state=OutboxState.SENT, finished_at=now, lease="", leased_until=None)
                    )
                )
        report(name, label, spent)

    await claims("idle", 0)
    await claims("due", MOST)

    def rest(session: Session) -> None:
        lay_due(session, groups, BACKLOG, now, f"{mark}:backlog")
        first = select(Outbox.id).where(Outbox.key.like(f"{mark}:backlog:%")).order_by(Outbox.id).limit(GROUPS)
        later = now + timedelta(minutes=1)
        session.execute(update(Outbox).where(Outbox.id.in_(first)).values(retry_at=later))

    await books.write(rest)
    await claims("backlog", 0)
    await books.write(lambda session: lay_attempts(session, community_id, now))
    limits = [(30, timedelta(minutes=1)), (1000, timedelta(hours=1))]
    report(
        name,
        "limits",
        await timed(
            books,
            lambda session, _: outbox.waiting_time(session, channel="aibot", address="chat", limits=limits, wall=now),
        ),
    )
    settings, later = privacy.Settings(), now + timedelta(days=privacy.Settings().push_rows_days + 1)
    report(
        name,
        "let go",
        await timed(
            books,
            lambda session, _: privacy.let_go(
                session, community_id=community_id, settings=settings, now=later, rows=500
            ),
            rounds=50,
        ),
        # A unit of a job, not the postman's step.
        50.0,
    )


async def run(url: str, name: str, kind: str) -> None:
    books = await Books.open(url, threads=2)
    try:
        await measure(books, name, kind)
    finally:
        await books.close()


def main() -> None:
    """Measures SQLite, and PostgreSQL where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--postgresql", action="store_true", help="on a PostgreSQL server of its own as well")
    for postgresql in (False, True) if parser.parse_args().postgresql else (False,):
        with (
            tempfile.TemporaryDirectory(prefix="linli-bench-") as folder,
            database(Path(folder), postgresql=postgresql) as url,
        ):
            kind = "postgresql" if postgresql else "sqlite"
            asyncio.run(run(url, f"{kind:10}", kind))


if __name__ == "__main__":
    main()
