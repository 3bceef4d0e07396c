"""`demo` and `run`: the bot at work, until it is told to stop."""

import asyncio
import gc
import os
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from aiohttp import web
from aiohttp.log import server_logger

from bot import logs, reloading
from bot.app import House
from bot.backup import Nightly, copy_in_a_process
from bot.backup.rotation import JOB as BACKUP_JOB
from bot.books import Books, FileInUse, take_lock
from bot.config import Config, ConfigError
from bot.demo import DEMO_SLUG, build_demo
from bot.metrics import JobOutcome
from bot.secrets import Sealer
from bot.terminal import (
    At,
    ConfigFile,
    address_of,
    backed_up_and_migrated,
    configured,
    migrated,
    moment,
    read_configuration,
    refused,
)
from bot.terminal.fake_wecom import CHANNELS, HOW, FakeWecom, fake_wecom, move_in, typed_lines
from models.clock import MovedClock, WallClock

DEMO_FILE = Path("var/demo.sqlite3")
DEMO_PORT = 8088


def demo(
    at: At = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="模拟器的端口；0 由系统挑一个")] = DEMO_PORT,
    db: Annotated[Path, typer.Option("--file", help="演示数据库文件；每次都重新建")] = DEMO_FILE,
    with_wecom: Annotated[
        bool, typer.Option("--fake-wecom", help="再开一个假的企业微信，把来往的每一帧印出来；要在源代码目录里")
    ] = False,
) -> None:
    """造一个演示社区，打开模拟器：不用账号，不用密钥，不用联网。"""
    logs.configure("warning", "console")
    start = moment(at) or WallClock().now()

    if not _may_go(db):
        raise refused(f"{db} 不是演示社区的数据库，不会盖掉它。请用 --file 另选一个文件。", 1)

    port = port or a_free_port()

    async def run() -> None:
        db.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Before the file is made anew: it may be what a running demo stands on.
            lock = take_lock(str(db))
        except FileInUse:
            raise refused("演示已经在运行了。请先关掉它，或用 --file 另选一个文件。", 1) from None
        async with AsyncExitStack() as stack:
            stack.callback(os.close, lock)
            wecom = await stack.enter_async_context(fake_wecom(port)) if with_wecom else None
            config = _of_a_demo(db, wecom)
            books = await Books.open(empty_file(db))
            community = await books.write(lambda session: build_demo(session, start))
            ready = f"模拟器：http://127.0.0.1:{port}/simulator （按 Ctrl+C 结束）"
            if wecom is not None:
                sealer, namespace = Sealer(config.secrets.keys()), wecom.namespace_of_the_app
                await books.write(lambda session: move_in(session, community, sealer, namespace))
                ready += f"\n{HOW}"
            house = House(config, books, clock=MovedClock(start))
            stack.push_async_callback(house.close)
            async with _beside(wecom.listen(typed_lines()) if wecom is not None else None):
                await _serve(house, "127.0.0.1", port, ready)

    asyncio.run(run())


def a_free_port() -> int:
    """A port of this machine at which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _of_a_demo(db: Path, wecom: FakeWecom | None) -> Config:
    """The configuration of a demo. It speaks to no channel of the file that happens to lie here."""
    fakes = wecom.settings if wecom is not None else {}
    config = configured(None, LINLI_SIMULATOR__ENABLED="true", LINLI_DATABASE__URL=f"sqlite:///{db}", **fakes)
    channels = {name: config.channels[name] for name in CHANNELS} if wecom is not None else {}
    return replace(config, channels=channels)


def run(config: ConfigFile = None) -> None:
    """按配置文件运行机器人。"""
    settings = configured(config)
    logs.configure(settings.log.level, settings.log.format, message_text=settings.log.message_text)
    for secret in settings.secret_values():
        logs.register_secret(secret)
    logs.catch_uncaught()
    url = address_of(settings)
    before, after = backed_up_and_migrated(url, settings.backup)

    async def serve() -> None:
        try:
            books = await Books.open(url, threads=settings.database.threads, serving=True)
        except FileInUse:
            raise refused("这个数据库已经有一个程序在用了，不能同时运行两个。", 1) from None
        house = House(settings, books)
        nightly = Nightly(
            books,
            settings.backup,
            wall=house.wall,
            leads=house.leadership.held,
            copy=lambda: copy_in_a_process(("--config", str(config)) if config else ()),
            ran=lambda outcome: house.metrics.job(BACKUP_JOB, JobOutcome(outcome)),
        )
        changed = "" if before == after else f"，数据库已升级到 {after}"
        host, port = settings.http.host, settings.http.port
        try:
            async with _beside(nightly.run() if settings.backup.nightly else None):
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, partial(reload, house, nightly, config))
                await _serve(house, host, port, f"邻里已在 {host}:{port} 运行{changed}")
        finally:
            await house.close()

    asyncio.run(serve())


def reload(house: House, nightly: Nightly, path: Path | None) -> None:
    """Reads the configuration anew, and takes of it what can be taken while the house serves."""
    try:
        after = read_configuration(path)
    except ConfigError as error:
        reloading.refused(error)
        return
    reloading.told(*reloading.adopt(house, house.config, after))
    nightly.adopt(after.backup)
    house.config = after


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None] | None) -> AsyncIterator[None]:
    """Lets something go on beside, which is ended with what it is beside of."""
    task = asyncio.create_task(work) if work is not None else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.wait([task])


async def _serve(house: House, host: str, port: int, ready: str) -> None:
    server_logger.addFilter(logs.MalformedRequests(house.metrics.malformed))
    runner = web.AppRunner(
        house.application(),
        access_log=None,
        handle_signals=False,
        shutdown_timeout=house.config.http.stop_seconds,
        keepalive_timeout=house.config.http.keepalive_seconds,
        # A refused upload is not read to its end for long.
        lingering_time=1,
    )
    await runner.setup()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
    except OSError as error:
        await runner.cleanup()
        raise refused(
            f"打不开 {host}:{port}（{os.strerror(error.errno or 0)}）。端口可能被占用，请换一个。", 1
        ) from None
    # What was built by now lives as long as the server: the collector need not look through it again and again, which
    # takes a tenth of a second each time.
    gc.collect()
    gc.freeze()
    typer.echo(ready)
    await stop.wait()
    # Stops listening, answers every request already read, then ends the jobs and the postman.
    await runner.cleanup()


def _may_go(path: Path) -> bool:
    """Whether nothing is lost when a demo is made in the place of this file: it is a demo itself, or empty."""
    if not path.exists():
        return True
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            slugs = connection.execute("SELECT slug FROM communities").fetchall() if tables else []
    except sqlite3.Error:
        return False
    return all(slug == DEMO_SLUG for (slug,) in slugs)


def empty_file(path: Path) -> str:
    """Makes an empty, migrated SQLite file in the place of an old one; returns its URL."""
    for leftover in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + leftover).unlink(missing_ok=True)
    url = f"sqlite:///{path}"
    migrated(url)
    return url
