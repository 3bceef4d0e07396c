"""The `linli` command."""

import asyncio
import gc
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from aiohttp import web
from aiohttp.log import server_logger
from sqlalchemy import Engine, make_url
from sqlalchemy.exc import IntegrityError

from bot import founding, logs, script
from bot.app import CHANNEL_SETTINGS, FEATURE_SETTINGS, House
from bot.books import Books, FileInUse, take_lock
from bot.config import Config, ConfigError, load
from bot.demo import build_demo
from bot.script import BadLine, Line, Played, Script, play, read_line
from bot.secrets import Sealer, SecretsLocked
from handlers.chat import Incoming, Quote
from models import inbox, migrations, points
from models.clock import Clock, MovedClock, WallClock
from models.database import postgresql_engine, sqlite_engine
from models.members import Role
from models.schedule import done_until
from models.verify import violations

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="邻里：社区群聊机器人。",
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
)

DEMO_FILE = Path("var/demo.sqlite3")
DEMO_PORT = 8088

At = Annotated[str, typer.Option("--at", help="社区时间，例如 2026-11-17T19:30+08:00；不写就是现在")]
Db = Annotated[str, typer.Option("--db", help="数据库地址，例如 sqlite:///var/linli.sqlite3")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="配置文件；不写就用 config.toml")]


def main() -> None:
    """The entry of the installed command."""
    app()


def _say_and_exit(sentence: str, code: int = 2) -> typer.Exit:
    typer.echo(sentence, err=True)
    return typer.Exit(code)


def _moment(text: str) -> datetime | None:
    try:
        return script.moment(text) if text else None
    except BadLine as error:
        raise _say_and_exit(str(error)) from None


def _config(path: Path | None, **overrides: str) -> Config:
    try:
        return load(
            path,
            {**os.environ, **overrides},
            channel_settings=CHANNEL_SETTINGS,
            feature_settings=FEATURE_SETTINGS,
        )
    except ConfigError as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(2) from None


def _engine(url: str) -> Engine:
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        Path(address.database or "").parent.mkdir(parents=True, exist_ok=True)
        return sqlite_engine(address.database or "")
    return postgresql_engine(url, 1)


def _migrate(url: str) -> tuple[str | None, str]:
    engine = _engine(url)
    try:
        return migrations.upgrade(engine)
    except migrations.SchemaTooNew as newer:
        raise _say_and_exit(f"这个数据库是更新的版本写的（{newer.found}），请先升级程序，不要用旧程序打开。") from None
    finally:
        engine.dispose()


def _fresh(path: Path) -> str:
    for leftover in path.parent.glob(f"{path.name}*"):
        if not leftover.name.endswith(".lock"):
            leftover.unlink()
    url = f"sqlite:///{path}"
    _migrate(url)
    return url


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
        raise _say_and_exit(
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


@app.command()
def demo(
    at: At = "",
    port: Annotated[int, typer.Option(help="模拟器的端口")] = DEMO_PORT,
    db: Annotated[Path, typer.Option("--file", help="演示数据库文件；每次都重新建")] = DEMO_FILE,
) -> None:
    """造一个演示社区，打开模拟器：不用账号，不用密钥，不用联网。"""
    logs.configure("warning", "console")
    start = _moment(at) or WallClock().now()
    config = _config(None, LINLI_SIMULATOR__ENABLED="true", LINLI_DATABASE__URL=f"sqlite:///{db}")

    async def run() -> None:
        db.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Before the file is made anew: it may be what a running demo stands on.
            lock = take_lock(str(db))
        except FileInUse:
            raise _say_and_exit("演示已经在运行了。请先关掉它，或用 --file 另选一个文件。", 1) from None
        books = await Books.open(_fresh(db))
        await books.write(lambda session: build_demo(session, start))
        house = House(config, books, clock=MovedClock(start))
        try:
            await _serve(house, "127.0.0.1", port, f"模拟器：http://127.0.0.1:{port}/simulator （按 Ctrl+C 结束）")
        finally:
            await house.close()
            os.close(lock)

    asyncio.run(run())


@app.command()
def run(config: ConfigFile = None) -> None:
    """按配置文件运行机器人。"""
    settings = _config(config)
    logs.configure(settings.log.level, settings.log.format, message_text=settings.log.message_text)
    for secret in settings.secret_values():
        logs.register_secret(secret)
    logs.catch_uncaught()
    url = settings.database.address().render_as_string(hide_password=False)
    before, after = _backed_up_and_migrated(url)

    async def serve() -> None:
        try:
            books = await Books.open(url, threads=settings.database.threads, serving=True)
        except FileInUse:
            raise _say_and_exit("这个数据库已经有一个程序在用了，不能同时运行两个。", 1) from None
        house = House(settings, books)
        changed = "" if before == after else f"，数据库已升级到 {after}"
        host, port = settings.http.host, settings.http.port
        try:
            await _serve(house, host, port, f"邻里已在 {host}:{port} 运行{changed}")
        finally:
            await house.close()

    asyncio.run(serve())


def _backed_up_and_migrated(url: str) -> tuple[str | None, str]:
    address = make_url(url)
    if address.get_backend_name() == "sqlite" and Path(address.database or "").exists():
        engine = _engine(url)
        try:
            found = migrations.current(engine)
            if found is not None and found != migrations.head():
                target = f"{address.database}.before-{migrations.head()}"
                with engine.connect() as connection:
                    connection.exec_driver_sql("VACUUM INTO ?", (target,))
                typer.echo(f"升级前已备份到 {target}")
        except migrations.SchemaTooNew:
            pass  # refused by the migration itself, with a sentence
        finally:
            engine.dispose()
    return _migrate(url)


@app.command()
def migrate(config: ConfigFile = None, db: Db = "") -> None:
    """把数据库升级到这个版本。"""
    url = db or _config(config).database.address().render_as_string(hide_password=False)
    before, after = _backed_up_and_migrated(url)
    typer.echo(f"数据库版本 {after}" if before == after else f"数据库已从 {before or '空'} 升级到 {after}")


@asynccontextmanager
async def _scripted(db: str, start: datetime | None, *, fresh: bool) -> AsyncIterator[House]:
    """A house without sockets: a fresh demo community in a temporary file, or the database at a URL."""
    logs.configure("error", "console")
    with tempfile.TemporaryDirectory(prefix="linli-") as folder:
        now = start or WallClock().now()
        url = _fresh(Path(folder) / "demo.sqlite3") if fresh else db
        if not fresh:
            _migrate(url)
        books = await Books.open(url, threads=2)
        if fresh:
            await books.write(lambda session: build_demo(session, now))
        if not fresh and start is None and db == f"sqlite:///{DEMO_FILE}":
            # The demo's time is where its clock control has moved it.
            start = await books.read(done_until)
        clock: Clock = MovedClock(start or now, frozen=True) if fresh or start else WallClock()
        house = House(_config(None, LINLI_SIMULATOR__ENABLED="false"), books, clock=clock, beside=[Script()])
        if fresh:
            await house.scheduler.run_until(now)
        try:
            yield house
        finally:
            await house.close()


@app.command()
def say(
    text: Annotated[str, typer.Argument(help="要说的话")],
    who: Annotated[str, typer.Option("--as", help="谁说的，例如 王秀英")],
    where: Annotated[str, typer.Option("--in", help="在哪个群说，例如 3栋群；不写就是和机器人私聊")] = "",
    at: At = "",
    db: Db = "",
) -> None:
    """替某人在某个群里说一句，看机器人怎么回。不写 --db 就用正在用的演示数据库，没有就临时造一个。"""
    if not db and DEMO_FILE.exists():
        db = f"sqlite:///{DEMO_FILE}"
    start = _moment(at)

    async def run() -> None:
        async with _scripted(db, start, fresh=not db) as house:
            done = await play(house, Line(sender=who, place=where, text=text), moves=False, delivers=not db)
            typer.echo(done.reply or "（不作声）")
            for push in done.pushes:
                typer.echo(f"→ {push.to}：{push.text}")

    asyncio.run(run())


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="每行一条 JSON；- 为标准输入")] = Path("-"),
    at: At = "",
    db: Db = "",
    kept: Annotated[bool, typer.Option("--kept", help="重放 --db 里没处理好、留下来的消息")] = False,
) -> None:
    """按顺序重放一段对话：每行 {"as","in","text","at"?,"message_id"?,"quote"?} 或 {"clock": 时间}。"""
    start = _moment(at)
    if kept:
        if not db:
            raise _say_and_exit("请用 --db 写明数据库，例如 --db sqlite:///var/linli.sqlite3")
        asyncio.run(_replay_kept(db, start))
        return
    try:
        lines = (sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")).splitlines()
    except OSError as error:
        raise _say_and_exit(f"读不了 {file}：{error.strerror}") from None

    async def run() -> None:
        async with _scripted(db, start, fresh=not db) as house:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    done = await play(house, read_line(line), moves=not db, delivers=not db)
                except BadLine as error:
                    raise _say_and_exit(f"第{number}行：{error}") from None
                typer.echo(done.as_json())

    asyncio.run(run())


async def _replay_kept(db: str, start: datetime | None) -> None:
    async with _scripted(db, start, fresh=False) as house:
        for trouble_id, incoming in await house.books.read(script.kept_troubles):
            heard = await house.dispatcher.answer(incoming)
            if heard.outcome != "failed":
                await house.books.write(partial(inbox.drop_trouble, trouble_id=trouble_id))
            typer.echo(Played(heard.reply.text, heard.outcome).as_json())


@app.command()
def understand(
    at: At = "",
    db: Db = "",
    explain: Annotated[bool, typer.Option("--explain", help="说明为什么这样理解")] = False,
) -> None:
    """读标准输入的 JSON 行，说出会怎样理解，什么都不写。"""
    start = _moment(at)

    async def run() -> None:
        async with _scripted(db, start, fresh=not db) as house:
            for number, line in enumerate(sys.stdin, 1):
                if not line.strip():
                    continue
                try:
                    typer.echo(await _understood(house, line, explain=explain))
                except BadLine as error:
                    raise _say_and_exit(f"第{number}行：{error}") from None

    asyncio.run(run())


async def _understood(house: House, line: str, *, explain: bool) -> str:
    try:
        given = json.loads(line)
        text = given["text"]
    except (ValueError, KeyError, TypeError):
        raise BadLine('要写成 {"text": "报名 12"}') from None
    quoted = (given.get("context") or {}).get("quote") or {}
    quote = (
        Quote(str(quoted.get("from", "")), str(quoted.get("text", "")), str(quoted.get("ref", ""))) if quoted else None
    )
    try:
        role = Role(given.get("role", Role.RESIDENT))
    except ValueError:
        raise BadLine(f"没有「{given['role']}」这个角色，可以写 {'、'.join(Role)}") from None
    direct = given.get("channel", "group") == "dm"
    meant = await house.dispatcher.understand(
        Incoming(
            channel="simulator",
            message_id="understand",
            namespace="simulator",
            sender="",
            text=str(text),
            address="" if direct else "3栋群",
            addressed=direct or (quote is not None and quote.author == "bot"),
            quote=quote,
        ),
        role=role,
        at=script.moment(given["at"]) if given.get("at") else None,
    )
    return json.dumps(meant if explain else {k: v for k, v in meant.items() if k != "why"}, ensure_ascii=False)


@app.command()
def found(
    name: Annotated[str, typer.Argument(help="社区的名字，例如 锦绣社区")],
    secretary: Annotated[str, typer.Option(help="书记的姓名")],
    account: Annotated[str, typer.Option(help="书记的企业微信账号（userid）")],
    channel: Annotated[str, typer.Option(help="书记在哪个渠道上：配置里 [channels.名字] 的名字")],
    buildings: Annotated[int, typer.Option(min=1, max=founding.BUILDINGS_MAX, help="有几栋楼")] = 9,
    doors: Annotated[int, typer.Option(min=0, max=founding.DOORS_MAX, help="每栋几个单元")] = 2,
    bot_name: Annotated[str, typer.Option(help="机器人叫什么")] = "小邻",
    config: ConfigFile = None,
) -> None:
    """建一个社区：楼栋、单元、积分规则和第一位书记。之后的事都在聊天里说。"""
    settings = _config(config)
    if channel not in settings.channels:
        raise _say_and_exit(f"配置里没有 [channels.{channel}]，有的是：{'、'.join(settings.channels) or '（还没有）'}")

    async def run() -> None:
        books = await _migrated_books(settings)
        house = House(settings, books)
        namespace = house.channels[channel].namespace
        try:
            await books.write(
                lambda session: founding.found_community(
                    session,
                    name=name,
                    bot_name=bot_name,
                    buildings=buildings,
                    doors=doors,
                    secretary=secretary,
                    namespace=namespace,
                    # WeCom's userids are the same in any letter case; other ids are opaque.
                    account=account.lower() if namespace.startswith("wecom:") else account,
                    rules=settings.feature(points.Settings),
                    now=house.clock.now(),
                )
            )
        except founding.CommunityExists:
            raise _say_and_exit(f"{name} 已经有了，不用再建。", 1) from None
        finally:
            await house.close()
        typer.echo(f"{name} 建好了。请 {secretary} 在群里 @{bot_name} 发 绑定群 1栋")

    asyncio.run(run())


@app.command()
def webhook(
    group: Annotated[str, typer.Argument(help="群的名字，例如 3栋群")],
    channel: Annotated[str, typer.Option(help="配置里 kind 为 wecom_group_webhook 的渠道名字")],
    community: Annotated[str, typer.Option(help="哪个社区；只有一个社区时不用写")] = "",
    config: ConfigFile = None,
) -> None:
    """给一个群登记群机器人的 key（从标准输入读，不会显示），以后提醒就发到那里。"""
    settings = _config(config)
    kind = getattr(settings.channels.get(channel), "kind", None)
    if kind != "wecom_group_webhook":
        raise _say_and_exit(f'[channels.{channel}] 不是群机器人渠道，要 kind = "wecom_group_webhook"。')
    # A pipe has nothing to hide.
    key = (typer.prompt("群机器人的 key", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()).strip()

    async def run() -> None:
        books = await _migrated_books(settings)
        try:
            address = f"{community or ''}{group}"
            sealed = Sealer(settings.secrets.keys()).seal(key, address)
            await books.write(
                lambda session: founding.add_webhook(
                    session,
                    community_name=community,
                    group_name=group,
                    channel=channel,
                    address=address,
                    sealed_key=sealed,
                    now=WallClock().now(),
                )
            )
        except SecretsLocked:
            raise _say_and_exit("先在配置里设 [secrets] key，群机器人的 key 要加密保存。") from None
        except founding.NoSuchGroup as error:
            raise _say_and_exit(
                f"没有 {group}，有的是：{'、'.join(error.fields['known']) or '（还没有绑定过群）'}", 1
            ) from None
        except founding.NoSuchCommunity as error:
            raise _say_and_exit(
                f"请用 --community 写明社区：{'、'.join(error.fields['known']) or '（还没有）'}", 1
            ) from None
        except IntegrityError:
            raise _say_and_exit(f"{group} 在 {channel} 上已经登记过了。", 1) from None
        finally:
            await books.close()
        typer.echo(f"{group} 登记好了，以后的提醒会发到那里。")

    asyncio.run(run())


async def _migrated_books(settings: Config) -> Books:
    url = settings.database.address().render_as_string(hide_password=False)
    _migrate(url)
    return await Books.open(url, threads=1)


@app.command()
def verify(config: ConfigFile = None, db: Db = "") -> None:
    """核对账本：每一条不变的规则都查一遍，有错就列出来。"""
    url = db or _config(config).database.address().render_as_string(hide_password=False)

    async def run() -> list[Any]:
        books = await Books.open(url, threads=1)
        try:
            return await books.read(violations)
        finally:
            await books.close()

    found = asyncio.run(run())
    for one in found:
        typer.echo(f"{one.name}：{', '.join(map(str, one.culprits))}")
    if found:
        raise typer.Exit(1)
    typer.echo("账本核对无误。")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
