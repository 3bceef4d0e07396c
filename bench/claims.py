"""How long it takes until everybody is answered who claims one post with two slots at the same moment.

Builds the demo community, adds a crowd, lets all of them say 认领 at once through the dispatcher, in one process on
SQLite or in two on a PostgreSQL server of its own, and checks that exactly two hold the post, that all others wait in
order without a gap, that everybody was answered in words, and that the books hold.
"""

import argparse
import asyncio
import json
import tempfile
from pathlib import Path

from bench.faults import database
from bot.books import Books
from bot.demo import build_demo
from tests.moments import TUESDAY_EVENING
from tests.test_posts_crowd import claim_at_once


async def run(url: str, people: int, processes: int) -> dict[str, object]:
    books = await Books.open(url, threads=1)
    await books.write(lambda session: build_demo(session, TUESDAY_EVENING))
    await books.close()
    took = await claim_at_once(url, people, processes)
    each = round(took / people * 1000, 1)
    return {"people": people, "processes": processes, "seconds": round(took, 1), "ms_each": each}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--postgresql", action="store_true", help="on a PostgreSQL server of its own, not on SQLite")
    parser.add_argument("--processes", type=int, default=0, help="two on PostgreSQL, unless it says otherwise")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="linli-bench-") as folder,
        database(Path(folder), postgresql=given.postgresql) as url,
    ):
        found = asyncio.run(run(url, given.people, given.processes or 1 + given.postgresql))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
