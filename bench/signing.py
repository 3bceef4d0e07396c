"""A thousand people sign up for twenty places in one moment, and three hundred leave again.

`python -m bench.signing` runs it on a fresh SQLite file; `--url postgresql://...` on an empty database of a server,
with two pools of connections as two processes would have. Prints one line of JSON; `wrong` must be empty.
"""

import argparse
import asyncio
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from sqlalchemy import make_url

from models.database import postgresql_engine, sqlite_engine
from models.migrations import upgrade
from tests.crowd import sign_up_at_once


async def run(url: str, people: int, minutes: int, alone: bool) -> dict[str, object]:
    engine = postgresql_engine(url, 1) if url.startswith("postgresql") else sqlite_engine(make_url(url).database or "")
    upgrade(engine)
    engine.dispose()
    began = time.monotonic()
    found = await sign_up_at_once(url, people=people, minutes=minutes, alone=alone)
    return {"minutes": minutes, "seconds": round(time.monotonic() - began, 1), **asdict(found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--url", default="", help="an empty database on a PostgreSQL server")
    parser.add_argument("--minutes", type=int, default=120, help="how long a place is held; 0: nobody is asked")
    parser.add_argument("--parties", action="store_true", help="they come in parties of up to six")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = asked.url or f"sqlite:///{Path(folder) / 'crowd.sqlite3'}"
        print(json.dumps(asyncio.run(run(url, asked.people, asked.minutes, not asked.parties)), ensure_ascii=False))


if __name__ == "__main__":
    main()
