"""Starts the bot for load and fault runs, by the same code path as `linli run`.

Reads BENCH_PORT, BENCH_DB (a SQLite file, or a PostgreSQL URL in BENCH_URL), BENCH_FLAVOUR, BENCH_TOKEN, BENCH_AES_KEY
and BENCH_RECEIVE_ID. Callbacks are at /callback/app (XML) and /callback/aibot (JSON). A fresh database gets 90,000
residents whose WeCom accounts are u000000 to u089999, the groups chat0000 to chat0299, and activity 3, open and
without a quota; a database that has them is used as it is. They are written by a process of their own, so that the
memory of the server is that of a server.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import typer
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from bot.books import Books
from bot.terminal import open_engine
from bot.terminal.serving import run
from models import activities, counters, points
from models.clock import WallClock
from models.directory import Endpoint, Group, Identity, add_community
from models.members import Consent, Member, Settings, Standing
from models.migrations import upgrade
from models.units import UnitKind, add_unit

RESIDENTS = int(os.environ.get("BENCH_RESIDENTS", "90000"))
CHATS = 300
NAMESPACE = "wecom:ww0bench"
ACTIVITY = 3


def seed(session: Session) -> None:
    """The community that the load generator speaks for."""
    now = WallClock().now()
    founded = now - timedelta(days=400)
    community = add_community(session, slug="bench", name="压测社区", bot_name="bot", now=founded)
    root = add_unit(
        session, community_id=community.id, parent=None, kind=UnitKind.COMMUNITY, name="压测社区", now=founded
    )
    buildings = [
        add_unit(
            session,
            community_id=community.id,
            parent=root,
            kind=UnitKind.BUILDING,
            name=f"{number}栋",
            now=founded,
        )
        for number in range(1, CHATS + 1)
    ]
    for start in range(0, RESIDENTS, 5000):
        chunk = range(start, min(start + 5000, RESIDENTS))
        session.execute(
            insert(Member),
            [
                {
                    "id": i + 1,
                    "community_id": community.id,
                    "unit_id": buildings[i % CHATS].id,
                    "name": f"居民{i:06d}",
                    "standing": Standing.RESIDENT,
                    "since": founded,
                }
                for i in chunk
            ],
        )
        session.execute(
            insert(Identity),
            [
                {
                    "namespace": NAMESPACE,
                    "external_id": f"u{i:06d}",
                    "community_id": community.id,
                    "member_id": i + 1,
                    "since": founded,
                }
                for i in chunk
            ],
        )
        session.execute(
            insert(Consent),
            [
                {
                    "community_id": community.id,
                    "member_id": i + 1,
                    "version": Settings().consent_version,
                    "at": founded,
                }
                for i in chunk
            ],
        )
    for number in range(CHATS):
        group_id = session.execute(
            insert(Group).returning(Group.id),
            {
                "community_id": community.id,
                "unit_id": buildings[number].id,
                "name": f"{number + 1}栋群",
                "since": founded,
            },
        ).scalar_one()
        session.execute(
            insert(Endpoint),
            {
                "channel": "aibot",
                "address": f"chat{number:04d}",
                "community_id": community.id,
                "group_id": group_id,
                "since": founded,
            },
        )
    points.set_rule(
        session,
        community_id=community.id,
        kind="activity",
        rule=points.Rule(2, 0, 0, 0, 100, 20, 6, 100),
        since=founded,
    )
    counters.start_after(session, community_id=community.id, kind="activity", last=ACTIVITY - 1)
    activities.publish_activity(
        session,
        community_id=community.id,
        unit=root,
        title="清洁家园",
        place="中心花园",
        starts_at=now - timedelta(hours=1),
        ends_at=now + timedelta(days=30),
        quota=None,
        points=None,
        made_by=None,
        now=now - timedelta(days=1),
        check_in_opens_minutes=30,
    )


def is_seeded(url: str) -> bool:
    """Whether the community is there, in a database of the current schema."""
    engine = open_engine(url)
    try:
        upgrade(engine)
        with Session(engine) as session:
            return session.scalar(select(Member.id).limit(1)) is not None
    finally:
        engine.dispose()


async def prepare(url: str) -> None:
    books = await Books.open(url)
    await books.write(seed)
    await books.close()


def main() -> None:
    database = os.environ.get("BENCH_URL") or f"sqlite:///{os.environ.get('BENCH_DB', 'var/bench.sqlite3')}"
    if sys.argv[1:] == ["seed"]:
        asyncio.run(prepare(database))
        return
    if not is_seeded(database):
        subprocess.run([sys.executable, __file__, "seed"], check=True)
    token = os.environ.get("BENCH_TOKEN", "benchtoken")
    aes_key = os.environ.get("BENCH_AES_KEY", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG")
    flavour = os.environ.get("BENCH_FLAVOUR", "xml")
    given = os.environ.get("BENCH_RECEIVE_ID")
    corp_id = given if given and flavour == "xml" else "ww0bench"
    receive_id = given if given and flavour == "json" else ""
    with tempfile.TemporaryDirectory(prefix="linli-bench-") as folder:
        config = Path(folder) / "config.toml"
        config.write_text(
            f"""
[database]
url = "{database}"
[http]
port = {os.environ.get("BENCH_PORT", "8099")}
[log]
level = "warning"
[channels.app]
kind = "wecom_app"
token = "{token}"
aes_key = "{aes_key}"
corp_id = "{corp_id}"
agent_id = 1000002
[channels.aibot]
kind = "wecom_aibot"
token = "{token}"
aes_key = "{aes_key}"
receive_id = "{receive_id}"
namespace = "{NAMESPACE}"
""",
            "utf-8",
        )
        run(config)


if __name__ == "__main__":
    try:
        main()
    except typer.Exit as ended:
        # Said already, in a sentence: `linli` ends so too.
        sys.exit(ended.exit_code)
