"""How long the postman's claim takes over an outbox of 200,000 rows: waiting for later, finished, and held back.

    python -m bench.outbox [postgresql://…]

Without a URL on a new SQLite file alone; a URL names an empty, migrated database or one of an earlier run. Prints the
median and the worst of 200 claims, each in a transaction of its own:

- `idle`: nothing is due;
- `due`: 200 messages are due and are taken;
- `backlog`: 5,000 messages are due and all held back, because their group has to rest.
"""

import asyncio
import statistics
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter

from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from bot.books import Books
from models import outbox
from models.clock import WallClock
from models.database import postgresql_engine, sqlite_engine
from models.directory import Group, add_community, add_group
from models.migrations import upgrade
from models.outbox import Outbox, OutboxState
from models.units import UnitKind, add_unit

ROWS = 200_000
GROUPS = 300
CLAIMS = 200
MOST = 200
BACKLOG = 5_000
GOAL_MS = 5.0


def seed(session: Session, now: datetime) -> list[int]:
    """The groups, and the rows: half of them wait for the coming weeks, half are finished."""
    groups = list(session.scalars(select(Group.id).order_by(Group.id)))
    if groups:
        return groups
    community = add_community(session, slug="bench", name="压测社区", bot_name="bot", now=now)
    root = add_unit(session, community_id=community.id, parent=None, kind=UnitKind.COMMUNITY, name="压测社区", now=now)
    groups = [
        add_group(session, community_id=community.id, unit=root, name=f"{number}群", now=now)
        for number in range(GROUPS)
    ]
    for start in range(0, ROWS, 5000):
        session.execute(insert(Outbox), list(rows(community.id, groups, now, start, start + 5000)))
    return groups


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


async def measure(books: Books, name: str, kind: str) -> None:
    now = WallClock().now()
    groups = await books.write(lambda session: seed(session, now))
    if kind == "postgresql":
        await books.write(lambda session: session.execute(text("ANALYZE outbox")))
    # What an earlier run left due.
    await books.write(
        lambda session: session.execute(
            update(Outbox)
            .where(Outbox.state == OutboxState.WAITING, Outbox.not_before <= now)
            .values(state=OutboxState.SENT, finished_at=now)
        )
    )
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
        median = statistics.median(spent)
        verdict = "ok" if median < GOAL_MS else f"over {GOAL_MS} ms"
        print(f"{name} {label:8} median {median:6.2f} ms  worst {max(spent):7.2f} ms  {verdict}", flush=True)

    await claims("idle", 0)
    await claims("due", MOST)

    def rest(session: Session) -> None:
        lay_due(session, groups, BACKLOG, now, f"{mark}:backlog")
        first = select(Outbox.id).where(Outbox.key.like(f"{mark}:backlog:%")).order_by(Outbox.id).limit(GROUPS)
        later = now + timedelta(minutes=1)
        session.execute(update(Outbox).where(Outbox.id.in_(first)).values(retry_at=later))

    await books.write(rest)
    await claims("backlog", 0)


async def run(url: str, name: str, kind: str) -> None:
    books = await Books.open(url, threads=2)
    try:
        await measure(books, name, kind)
    finally:
        await books.close()


def main(arguments: list[str]) -> None:
    """Measures SQLite, and PostgreSQL where a URL is given."""
    with tempfile.TemporaryDirectory(prefix="linli-bench-") as folder:
        path = Path(folder) / "outbox.sqlite3"
        engine = sqlite_engine(str(path))
        upgrade(engine)
        engine.dispose()
        asyncio.run(run(f"sqlite:///{path}", "sqlite    ", "sqlite"))
    for url in arguments:
        engine = postgresql_engine(url, 1)
        upgrade(engine)
        engine.dispose()
        asyncio.run(run(url, "postgresql", "postgresql"))


if __name__ == "__main__":
    main(sys.argv[1:])
