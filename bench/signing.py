"""A thousand people sign up for twenty places in one moment, and three hundred leave again.

`python -m bench.signing` runs it on a fresh SQLite file, and with `--postgresql` on a PostgreSQL server of its own over
two processes. Prints one line of JSON; `wrong` must be empty.
"""

import argparse
import asyncio
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from bench.faults import database
from tests.crowd import sign_up_at_once


async def run(url: str, given: argparse.Namespace) -> dict[str, object]:
    began = time.monotonic()
    found = await sign_up_at_once(
        url, people=given.people, minutes=given.minutes, alone=not given.parties, processes=given.processes
    )
    seconds = round(time.monotonic() - began, 1)
    return {"minutes": given.minutes, "processes": given.processes, "seconds": seconds, **asdict(found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--postgresql", action="store_true", help="on a PostgreSQL server of its own, not on SQLite")
    parser.add_argument("--processes", type=int, default=0, help="two on PostgreSQL, unless it says otherwise")
    parser.add_argument("--minutes", type=int, default=120, help="how long a place is held; 0: nobody is asked")
    parser.add_argument("--parties", action="store_true", help="they come in parties of up to six")
    given = parser.parse_args()
    given.processes = given.processes or 1 + given.postgresql
    with (
        tempfile.TemporaryDirectory(prefix="linli-bench-") as folder,
        database(Path(folder), postgresql=given.postgresql) as url,
    ):
        found = asyncio.run(run(url, given))
    print(json.dumps(found, ensure_ascii=False))
    raise SystemExit(bool(found["wrong"]))


if __name__ == "__main__":
    main()
