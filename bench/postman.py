"""The postman under faults: 300 groups and their robots, a platform on loopback that misbehaves, a bot that is killed.

    python -m bench.postman [refused] [limited] [killed] [--postgresql] [--seconds 10] [--minutes 3]

One line of JSON for each experiment, and exit code 1 where one is not `well`. Every message has words of its own, so
that what arrived, what is missing and what came twice is counted by the platform and not by the bot.
"""

import argparse
import asyncio
import contextlib
import json
import secrets
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.orm import Session

from bench.faults import Scene, database, free_port, under_load
from bot.books import Books
from bot.channels.wecom_group_webhook import label
from bot.config.sections import Secrets
from bot.secrets import Sealer
from models import outbox
from models.clock import WallClock
from models.directory import add_endpoint, add_group, communities
from models.outbox import Outbox, OutboxState
from models.units import root_of
from models.verify import violations
from tests.fakes import wecom_api
from tests.fakes.wecom_api import Fault, WecomApi
from tests.test_faults import open_the_doors

GROUPS = 300
LIMITED_GROUPS = 20
PASSPHRASE = "a passphrase for the bench alone"
OVER_SECONDS = 240.0
"""How long everything may take to end once the fault is over."""

MODES: dict[str, Fault] = {
    "slow": wecom_api.slow(6),
    "http500": wecom_api.BAD_GATEWAY,
    "http429": wecom_api.too_many("3"),
    "rate": wecom_api.refuses(45009),
    "busy": wecom_api.refuses(-1),
    "reset": wecom_api.RESET,
    "lost": wecom_api.LOST,
    "hang": wecom_api.HANGS,
    "garbage": wecom_api.GARBAGE,
    "badkey": wecom_api.refuses(93000),
}
NO_ANSWER = ("reset", "lost", "hang", "garbage")
"""Modes in which nobody can know whether a message arrived: it is not repeated, and marked."""


class Faulty(WecomApi):
    """The platform, with one fault for every request while it lasts."""

    mode: Fault | None = None
    answers_after: float = 0.0
    """Seconds between taking a message and answering: whoever dies meanwhile cannot know that it arrived."""

    def _fault_for(self, key: str) -> Fault | None:
        return self.mode

    async def _judged(self, request: web.Request, key: str, judge: Callable[[web.Request, str], Any]) -> dict[str, Any]:
        answer = await super()._judged(request, key, judge)
        await asyncio.sleep(self.answers_after)
        return answer


class Town:
    """The groups, their robots' keys, and what was put out to them."""

    def __init__(self, scene: Scene, api: Faulty, count: int) -> None:
        self.scene = scene
        self.api = api
        self.keys = [f"693a91f6-7ccc-4bc4-97a0-{number:012d}" for number in range(count)]
        self.groups: list[int] = []
        self.community = 0
        self.running = [scene]

    async def build(self, **delivery: float) -> None:
        """Groups with a chat and a robot each, and a configuration that knows the platform."""
        settings = {"retry_seconds_min": 1.0, "retry_seconds_max": 8.0, "group_posts_a_day_max": 0, **delivery}
        numbers = "".join(f"{key} = {value}\n" for key, value in settings.items())
        self.scene.more = (
            f'[secrets]\nkey = "{PASSPHRASE}"\n[delivery]\nquiet_from = "03:00"\nquiet_until = "03:00"\n{numbers}'
            f'[channels.hook]\nkind = "wecom_group_webhook"\nbase_url = "{self.api.url}"\ntimeout_seconds = 8\n'
        )
        sealer = Sealer(Secrets(key=PASSPHRASE).keys())
        now = WallClock().now()

        def unit(session: Session) -> None:
            self.community = communities(session)[0].id
            root = root_of(session, self.community)
            for number, key in enumerate(self.keys):
                group = add_group(session, community_id=self.community, unit=root, name=f"{number}群", now=now)
                of = {"community_id": self.community, "group_id": group, "now": now}
                add_endpoint(session, channel="chat", address=f"chat{number}", **of)
                address = label(key)
                add_endpoint(session, channel="hook", address=address, sealed_secret=sealer.seal(key, address), **of)
                self.groups.append(group)

        await self._write(unit)

    async def put(self, mark: str, each: int) -> None:
        """So many messages to every group, each due a minute after the one before, so that none are merged."""
        now = WallClock().now()

        def unit(session: Session) -> None:
            for number, group in enumerate(self.groups):
                for nth in range(each):
                    outbox.put(
                        session,
                        community_id=self.community,
                        key=f"{mark}:{number}:{nth}",
                        message=f"{mark} {number} {nth}",
                        now=now,
                        not_before=now - timedelta(minutes=each - nth),
                        expires_at=now + timedelta(hours=9),
                        group_id=group,
                    )

        await self._write(unit)

    async def states(self, mark: str) -> Counter[str]:
        books = await Books.open(self.scene.url, threads=1)
        try:
            return await books.read(
                lambda session: Counter(session.scalars(select(Outbox.state).where(Outbox.key.like(f"{mark}:%"))))
            )
        finally:
            await books.close()

    async def end(self, mark: str) -> tuple[Counter[str], float]:
        """Waits until nothing waits any more; the states, and how long that took."""
        began = time.perf_counter()
        while (states := await self.states(mark))[OutboxState.WAITING]:
            if time.perf_counter() - began > OVER_SECONDS:
                break
            await asyncio.sleep(0.5)
        return states, time.perf_counter() - began

    def arrived(self, mark: str) -> Counter[str]:
        return Counter(text for text in self.api.texts() if text.startswith(f"{mark} "))

    async def wrong(self) -> list[str]:
        books = await Books.open(self.scene.url, threads=1)
        try:
            return [one.name for one in await books.read(violations)]
        finally:
            await books.close()

    def bots(self) -> list[Scene]:
        """The bot, and on PostgreSQL a second one on the same books and for the same robots."""
        if self.scene.url.startswith("postgresql"):
            folder = self.scene.folder / "beside"
            folder.mkdir()
            self.running.append(Scene(self.scene.url, folder, free_port(), more=self.scene.more))
        return self.running

    async def _write(self, unit: Callable[[Session], None]) -> None:
        books = await Books.open(self.scene.url, threads=1)
        try:
            await books.write(unit)
        finally:
            await books.close()


async def refused(town: Town, given: argparse.Namespace) -> dict[str, object]:
    """R12: 300 groups × 3 messages in every fault mode, while people talk to the bot."""
    await town.build()
    await town.scene.start()
    told, well = {}, True
    for name, fault in MODES.items():
        town.scene.slowest = 0.0
        began = len(town.api.requests)
        town.api.mode = fault
        await town.put(name, 3)
        async with under_load(town.scene):
            await asyncio.sleep(given.seconds)
        town.api.mode = None
        states, seconds = await town.end(name)
        came = town.arrived(name)
        twice, total = sum(number - 1 for number in came.values()), len(town.groups) * 3
        missing = total - len(came) - states[OutboxState.UNKNOWN] - states[OutboxState.FAILED]
        if name in NO_ANSWER:
            right = states[OutboxState.FAILED] == 0
        else:
            right = states == Counter({OutboxState.SENT: total}) or (
                name == "badkey" and states[OutboxState.UNKNOWN] == 0
            )
        # What is said not to have gone out did not.
        right = right and missing <= 0 and twice == 0 and not states[OutboxState.WAITING]
        well = well and right
        told[name] = {
            "states": dict(states), "arrived": len(came), "twice": twice, "requests": len(town.api.requests) - began,
            "seconds_after": round(seconds, 1), "slowest_answer": round(town.scene.slowest, 2), "well": right,
        }  # fmt: skip
    most = max(town.api.most_in_a_minute(key) for key in town.keys)
    over = town.api.answers[wecom_api.TOO_OFTEN]
    await town.scene.stop()
    wrong = await town.wrong()
    well = well and most <= wecom_api.PER_MINUTE and not over and not wrong
    return {"modes": told, "most_in_a_minute": most, "refused_over_limit": over, "wrong": wrong, "well": well}


async def limited(town: Town, given: argparse.Namespace) -> dict[str, object]:
    """R13: messages for some minutes for each of 20 keys, across a restart, by two bots on PostgreSQL."""
    each = 20 * given.minutes
    await town.build()
    await town.put("limit", each)
    bots = town.bots()
    for bot in bots:
        await bot.start()
    # While everybody rests: what is measured is the limit, not how long a start takes.
    await asyncio.sleep(30)
    await town.scene.stop()
    await town.scene.start()
    states, _ = await town.end("limit")
    for bot in bots:
        await bot.stop()
    came = town.arrived("limit")
    rates = []
    for key in town.keys:
        times = sorted(message.at for message in town.api.messages if message.key == key)
        # How long after a message the twentieth after it arrives: a minute, where the limit is used to the full.
        later = [after - before for before, after in zip(times, times[20:], strict=False)]
        rates.append(20 / (sum(later, timedelta(0)) / len(later) / timedelta(minutes=1)))
    most = max(town.api.most_in_a_minute(key) for key in town.keys)
    over, wrong = town.api.answers[wecom_api.TOO_OFTEN], await town.wrong()
    whole = states == Counter({OutboxState.SENT: each * len(town.keys)}) and set(came.values()) == {1}
    return {
        "bots": len(bots), "states": dict(states), "arrived": len(came), "most_in_a_minute": most,
        "refused_over_limit": over, "slowest_key_a_minute": round(min(rates), 2), "wrong": wrong,
        "well": whole and most <= wecom_api.PER_MINUTE and not over and min(rates) >= 19 and not wrong,
    }  # fmt: skip


async def killed(town: Town, given: argparse.Namespace) -> dict[str, object]:
    """R14: kill -9 again and again while 300 groups × 3 messages go out, of two bots on PostgreSQL each in its turn."""
    await town.build(lease_seconds=8, send_seconds_max=5)
    chance, kills, bots = Random(given.seed), 0, town.bots()
    # Two are quicker, and each is away while it starts again.
    town.api.answers_after = 1.0 if len(bots) == 1 else 3.0
    await town.put("kill", 3)
    for bot in bots:
        await bot.start()
    while (await town.states("kill"))[OutboxState.WAITING] and kills < 8:
        dying = bots[kills % len(bots)]
        await asyncio.sleep(chance.uniform(1, 3))
        await dying.stop(signal.SIGKILL)
        kills += 1
        await dying.start()
    town.api.answers_after = 0.0
    states, seconds = await town.end("kill")
    for bot in bots:
        await bot.stop()
    came, wrong, total = town.arrived("kill"), await town.wrong(), len(town.groups) * 3
    twice = sum(number - 1 for number in came.values())
    missing = total - len(came) - states[OutboxState.UNKNOWN]
    # What is said to be out is there; what is not known is there or not.
    ended = states[OutboxState.SENT] + states[OutboxState.UNKNOWN] == total
    return {
        "bots": len(bots), "seed": given.seed, "kills": kills, "states": dict(states), "arrived": len(came),
        "missing": max(0, missing), "twice": twice, "seconds_after": round(seconds, 1), "wrong": wrong,
        "well": kills > 1 and ended and missing <= 0 and twice == 0 and not wrong,
    }  # fmt: skip


EXPERIMENTS: dict[str, tuple[int, Callable[[Town, argparse.Namespace], Awaitable[dict[str, object]]]]] = {
    "refused": (GROUPS, refused),
    "limited": (LIMITED_GROUPS, limited),
    "killed": (GROUPS, killed),
}


async def run(name: str, url: str, folder: Path, given: argparse.Namespace) -> dict[str, object]:
    books = await Books.open(url, threads=1)
    await books.write(open_the_doors)
    await books.close()
    count, experiment = EXPERIMENTS[name]
    scene = Scene(url, folder, free_port())
    async with Faulty(set(), WallClock().now) as api:
        town = Town(scene, api, min(count, given.groups))
        api.keys |= set(town.keys)
        try:
            return await experiment(town, given)
        finally:
            for bot in town.running:
                if bot.process is not None and bot.process.returncode is None:
                    bot.process.kill()
                    await bot.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("experiments", nargs="*", choices=[[], *EXPERIMENTS], help="all of them, unless some are named")
    parser.add_argument("--postgresql", action="store_true", help="on a PostgreSQL server of its own, not on SQLite")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each fault lasts (refused)")
    parser.add_argument("--minutes", type=int, default=3, help="how many minutes' worth of messages (limited)")
    parser.add_argument("--groups", type=int, default=GROUPS, help="at most so many groups")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="when it is killed (killed)")
    given = parser.parse_args()
    ill = 0
    for name in given.experiments or EXPERIMENTS:
        with (
            tempfile.TemporaryDirectory(prefix="linli-postman-") as folder,
            database(Path(folder), postgresql=given.postgresql) as url,
        ):
            found = asyncio.run(run(name, url, Path(folder), given))
        ill += not found["well"]
        print(json.dumps({"experiment": name, **found}, ensure_ascii=False), flush=True)
    raise SystemExit(bool(ill))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
