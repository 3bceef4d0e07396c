"""How long it takes until everybody is answered who claims one post with two slots at the same moment.

Builds the demo community in an empty database, adds a crowd, lets all of them say 认领 at once through the dispatcher,
in one process or in several on PostgreSQL, and checks that exactly two hold the post, that all others wait in order
without a gap, that everybody was answered in words, and that the books hold.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from bot.books import Books
from bot.demo import build_demo
from bot.terminal import migrated
from tests.moments import TUESDAY_EVENING
from tests.test_posts_crowd import claim_at_once


async def build(url: str) -> None:
    migrated(url)
    books = await Books.open(url, threads=1)
    await books.write(lambda session: build_demo(session, TUESDAY_EVENING))
    await books.close()


async def run(url: str, people: int, processes: int) -> None:
    await build(url)
    took = await claim_at_once(url, people, processes)
    print(f"{people} people answered in {took:.1f} s by {processes} process(es): {took / people * 1000:.1f} ms each")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--database", default="", help="an empty PostgreSQL database; a SQLite file of its own without")
    parser.add_argument("--processes", type=int, default=1, help="several are for PostgreSQL")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.database or f"sqlite:///{Path(folder) / 'claims.sqlite3'}"
        asyncio.run(run(url, given.people, given.processes))


if __name__ == "__main__":
    main()
