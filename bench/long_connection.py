"""The long connection under trouble: a gateway on loopback that is restarted again and again while people check in.

`python -m bench.long_connection` runs the bot as `linli run` does and restarts the gateway every minute for ten minutes
under 20 messages a second; `--minutes`, `--every` and `--rate` make it shorter. Every resident checks in once, so that
the books show what was done twice or not at all. With `--url` (PostgreSQL) two processes share the work, and with
`--kill` one of them is killed every so often instead of a restart; how long it takes until somebody is connected again
is printed. One line of JSON comes out, and the exit code is 1 unless every message was answered once and every push was
sent or reported.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

os.environ.setdefault("BENCH_RESIDENTS", "15000")

from bench.serve import ACTIVITY, NAMESPACE, is_seeded, seed
from bot.books import Books
from models import outbox
from models.check_in import CheckIn
from models.clock import WallClock
from models.directory import Endpoint, Group
from models.outbox import Outbox
from tests.fakes.aibot_gateway import AibotGateway, Callback

GROUPS = 30
SETTLE_SECONDS = 60.0


@dataclass
class Run:
    """What happened."""

    asked: list[tuple[float, Callback]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    """Seconds from a kill until somebody was connected again."""
    troubles: int = 0
    pushes: int = 0


def chats(session: Session) -> list[tuple[int, int, str]]:
    """Some groups get a chat at the gateway: community, group, chat."""
    made = []
    for row in session.execute(select(Group.id, Group.community_id).order_by(Group.id).limit(GROUPS)).all():
        address = f"wrBENCH{row.id:04d}"
        known = session.scalar(select(Endpoint.id).where(Endpoint.channel == "bot", Endpoint.address == address))
        if known is None:
            values = {"community_id": row.community_id, "group_id": row.id, "since": WallClock().now()}
            session.execute(insert(Endpoint), {"channel": "bot", "address": address, **values})
        made.append((row.community_id, row.id, address))
    return made


def check_ins(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(CheckIn).where(CheckIn.undone_at.is_(None))) or 0


def pushed(session: Session) -> Counter[str]:
    found = select(Outbox.state, func.count()).where(Outbox.key.like("bench:%")).group_by(Outbox.state)
    return Counter({row[0]: row[1] for row in session.execute(found)})


async def start(config: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "run", "--config", str(config), stdout=asyncio.subprocess.DEVNULL
    )


async def speak(run: Run, gateway: AibotGateway, *, count: int, rate: float, first: int) -> None:
    began = monotonic()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / rate - monotonic()))
        callback = await gateway.says(f"签到 {ACTIVITY}", user=f"u{first + number:06d}")
        run.asked.append((monotonic(), callback))


async def push(run: Run, books: Books, groups: list[tuple[int, int, str]], tag: str) -> None:
    while True:
        community_id, group_id, _ = groups[run.pushes % len(groups)]
        now = WallClock().now()

        def put(session: Session, values: dict[str, Any]) -> bool:
            return outbox.put(session, urgent=True, **values)

        given = {
            "community_id": community_id,
            "group_id": group_id,
            "key": f"bench:{tag}:{run.pushes}",
            "message": f"通知第{run.pushes}条（{tag}）",
            "now": now,
            "expires_at": now + timedelta(hours=1),
        }
        await books.write(lambda session, given=given: put(session, given))  # type: ignore[misc]
        run.pushes += 1
        await asyncio.sleep(0.5)


async def restart(run: Run, gateway: AibotGateway, every: float, down: float) -> None:
    """Orderly and not, in turns."""
    while True:
        await asyncio.sleep(every)
        run.troubles += 1
        if run.troubles % 2:
            gateway.abort_all()
        await gateway.stop()
        await asyncio.sleep(down)
        await gateway.start()


async def kill(
    run: Run, gateway: AibotGateway, every: float, bots: list[asyncio.subprocess.Process], config: Path
) -> None:
    while True:
        await asyncio.sleep(every)
        line, bot = gateway.line, bots.pop(0)
        bot.send_signal(signal.SIGKILL)
        began = monotonic()
        await bot.wait()
        run.troubles += 1
        await gateway.until(lambda line=line: line is not gateway.line and gateway.line, 60)  # type: ignore[misc]
        run.waits.append(monotonic() - began)
        bots.append(await start(config))


def quantile(values: list[float], share: float) -> float:
    return round(sorted(values)[min(len(values) - 1, int(share * len(values)))], 3) if values else 0.0


async def measure(given: argparse.Namespace, folder: Path) -> bool:
    url = given.url or f"sqlite:///{folder}/bench.sqlite3"
    if not await asyncio.to_thread(is_seeded, url):
        opened = await Books.open(url)
        await opened.write(seed)
        await opened.close()
    books = await Books.open(url, threads=2)
    groups = await books.write(chats)
    before = await books.read(check_ins)
    run, count = Run(), int(given.minutes * 60 * given.rate)
    async with AibotGateway({"aibBENCH": "s3cret"}) as gateway:
        gateway.chats |= {address for _, _, address in groups}
        config = folder / "config.toml"
        config.write_text(
            f'[database]\nurl = "{url}"\n[http]\nport = 0\n[log]\nlevel = "error"\n[backup]\nnightly = false\n'
            '[channels.bot]\nkind = "wecom_aibot_socket"\nbot_id = "aibBENCH"\nsecret = "s3cret"\n'
            f'namespace = "{NAMESPACE}"\nurl = "{gateway.url}"\n',
            "utf-8",
        )
        bots = [await start(config)]
        await gateway.online(60)
        if given.url:
            bots.append(await start(config))
            await asyncio.sleep(5)
        tag = f"{WallClock().now():%H%M%S}"
        trouble = kill(run, gateway, given.every, bots, config) if given.kill else restart(
            run, gateway, given.every, given.down
        )  # fmt: skip
        beside = [asyncio.create_task(trouble), asyncio.create_task(push(run, books, groups, tag))]
        await speak(run, gateway, count=count, rate=given.rate, first=before)
        for task in beside:
            task.cancel()
        await asyncio.wait(beside)
        if gateway.url and gateway._runner is None:
            await gateway.start()
        waited = monotonic()
        states: Counter[str] = Counter()
        while monotonic() - waited < SETTLE_SECONDS:
            states = await books.read(pushed)
            if not states["waiting"] and all(callback.shown for _, callback in run.asked):
                break
            await asyncio.sleep(0.5)
        for bot in bots:
            bot.terminate()
        await asyncio.gather(*(bot.wait() for bot in bots))
        done = await books.read(check_ins) - before
    await books.close()
    took = [callback.shown[0].at - asked for asked, callback in run.asked if callback.shown]
    # What is due in one minute leaves as one message.
    seen = Counter(word for one in gateway.shown if one.pushed for word in one.text.split() if f"（{tag}）" in word)
    verdict = {
        "messages": count,
        "answered_once": sum(len(callback.shown) == 1 for _, callback in run.asked),
        "answered_twice": sum(len(callback.shown) > 1 for _, callback in run.asked),
        "done": done,
        "answer_ms_p50": round(quantile(took, 0.5) * 1000),
        "answer_ms_p99": round(quantile(took, 0.99) * 1000),
        "answer_s_max": quantile(took, 1.0),
        "troubles": run.troubles,
        "connections": len(gateway.subscribed),
        "kicked": gateway.kicked,
        "takeover_s": [round(wait, 1) for wait in run.waits],
        "pushes": run.pushes,
        "states": dict(states),
        "pushes_seen": len(seen),
        "pushes_seen_twice": sum(count > 1 for count in seen.values()),
        "refused_over_limit": gateway.answers[45009],
    }
    print(json.dumps(verdict))
    right = verdict["answered_once"] == count == done and not states["waiting"] and not verdict["pushes_seen_twice"]
    return bool(right and states["sent"] <= len(seen))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two restarts, or kills")
    parser.add_argument("--down", type=float, default=2.0, help="seconds that the gateway stays away")
    parser.add_argument("--rate", type=float, default=20.0, help="messages a second")
    parser.add_argument("--url", default="", help="a PostgreSQL URL, for two processes")
    parser.add_argument("--kill", action="store_true", help="kill a process every time, instead of a restart")
    given = parser.parse_args()
    if given.kill and not given.url:
        parser.error("--kill needs two processes: give --url")
    with tempfile.TemporaryDirectory(prefix="linli-bench-") as folder:
        sys.exit(0 if asyncio.run(measure(given, Path(folder))) else 1)


if __name__ == "__main__":
    main()
