"""`say`, `replay`, `understand` and `when`: trying sentences, on a demo community of one's own or on a database."""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from bot import logs, script
from bot.app import House
from bot.books import Books
from bot.demo import PROMISED, build_demo
from bot.script import BadLine, Line, Played, Script, play, read_line
from bot.terminal import At, Db, books_at, configured, migrated, moment, refused, require_books
from bot.terminal.serving import DEMO_FILE, empty_file
from handlers.chat import Incoming, Quote
from handlers.language import dates
from handlers.language.normalise import normalise
from handlers.language.surroundings import OpenObject
from models import inbox
from models.clock import Clock, MovedClock, WallClock
from models.members import Role
from models.schedule import done_until


def say(
    text: Annotated[str, typer.Argument(help="要说的话")],
    who: Annotated[str, typer.Option("--as", help="谁说的，例如 王秀英")],
    where: Annotated[str, typer.Option("--in", help="在哪个群说，例如 3栋群；不写就是和机器人私聊")] = "",
    at: At = "",
    db: Db = "",
) -> None:
    """替某人在某个群里说一句，看机器人怎么回。写了 --at 就在临时造的演示社区里说，没写就在正在用的演示数据库里说。"""
    # At a moment of its own the answer is the same whatever the demo's clock and people have been through.
    if not db and not at and DEMO_FILE.exists():
        db = f"sqlite:///{DEMO_FILE}"
    start = moment(at)

    async def run() -> None:
        async with _scripted(db, start, fresh=not db) as house:
            try:
                await house.books.read(lambda session: script.require_place(session, where))
            except BadLine as error:
                raise refused(str(error)) from None
            done = await play(house, Line(sender=who, place=where, text=text), moves=False, delivers=not db)
            typer.echo(done.reply or "（不作声）")
            for push in done.pushes:
                typer.echo(f"→ {push.to}：{push.text}")

    asyncio.run(run())


def replay(
    file: Annotated[Path, typer.Argument(help="每行一条 JSON；- 为标准输入")] = Path("-"),
    at: At = "",
    db: Db = "",
    kept: Annotated[bool, typer.Option("--kept", help="重放 --db 里没处理好、留下来的消息")] = False,
) -> None:
    """按顺序重放一段对话：每行 {"as","in","text","at"?,"message_id"?,"quote"?} 或 {"clock": 时间}。"""
    start = moment(at)
    if kept:
        if not db:
            raise refused("请用 --db 写明数据库，例如 --db sqlite:///var/linli.sqlite3")
        asyncio.run(_replay_kept(db, start))
        return
    try:
        lines = (sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")).splitlines()
    except OSError as error:
        raise refused(f"读不了 {file}：{error.strerror}") from None
    except UnicodeDecodeError:
        raise refused(f"读不了 {file}：不是 UTF-8 的文字") from None

    async def run() -> None:
        async with _scripted(db, start, fresh=not db) as house:
            # A chat that was unbound on the way can still be spoken in.
            spoken_in = {""}
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    read = read_line(line)
                    if read.place not in spoken_in:
                        await house.books.read(partial(script.require_place, place=read.place))
                        spoken_in.add(read.place)
                    done = await play(house, read, moves=not db, delivers=not db)
                except BadLine as error:
                    raise refused(f"第{number}行：{error}") from None
                typer.echo(done.as_json())

    asyncio.run(run())


async def _replay_kept(db: str, start: datetime | None) -> None:
    async with _scripted(db, start, fresh=False) as house:
        for trouble_id, incoming in await house.books.read(script.kept_troubles):
            heard = await house.dispatcher.answer(incoming)
            if heard.outcome != "failed":
                await house.books.write(partial(inbox.drop_trouble, trouble_id=trouble_id))
            typer.echo(Played(heard.reply.text, heard.outcome).as_json())


def understand(
    at: At = "",
    db: Db = "",
    explain: Annotated[bool, typer.Option("--explain", help="说明为什么这样理解")] = False,
) -> None:
    """读标准输入的 JSON 行，说出会怎样理解，什么都不写。"""
    first = sys.stdin.readline()
    # A demo community stands where the first line is said.
    start = moment(at) or (_said_at(first) if not db else None)

    async def run() -> None:
        async with _scripted(db, start, fresh=not db, promised=() if db else PROMISED) as house:
            for number, line in enumerate(chain((first,), sys.stdin), 1):
                if not line.strip():
                    continue
                try:
                    typer.echo(await _understood(house, line, explain=explain))
                except BadLine as error:
                    raise refused(f"第{number}行：{error}") from None

    asyncio.run(run())


def _said_at(line: str) -> datetime | None:
    """The moment of a line, where it names one and is a line at all."""
    try:
        return script.moment(json.loads(line)["at"])
    except (ValueError, KeyError, TypeError, BadLine):
        return None


def when(
    phrase: Annotated[str, typer.Argument(help="时间的说法，例如 下周六晚上七点半；不写就读标准输入的 JSON 行")] = "",
    at: At = "",
) -> None:
    """说出一句时间指的是什么时候。标准输入每行 {"text", "at"?}。"""
    now = moment(at) or WallClock().now()
    if phrase:
        typer.echo(_when(phrase, now))
        return
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
            text = str(given["text"])
            then = script.moment(given["at"]) if given.get("at") else now
        except (ValueError, KeyError, TypeError):
            raise refused(f'第{number}行：要写成 {{"text": "周六9点"}}') from None
        except BadLine as error:
            raise refused(f"第{number}行：{error}") from None
        typer.echo(_when(text, then))


def _when(phrase: str, now: datetime) -> str:
    """A phrase as JSON: ISO 8601 in Shanghai time, `start` null where it is no time at all."""
    meant = dates.read(normalise(phrase, ()).text, now)
    if meant is None:
        return json.dumps({"start": None})
    told: dict[str, object] = {"start": meant.start.isoformat()}
    if meant.end is not None:
        told["end"] = meant.end.isoformat()
    if meant.recur is not None:
        told["recur"] = meant.recur
    if meant.ambiguous:
        told["ambiguous"] = True
    return json.dumps(told | {"grain": meant.grain})


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


@asynccontextmanager
async def _scripted(
    db: str, start: datetime | None, *, fresh: bool, promised: tuple[OpenObject, ...] = ()
) -> AsyncIterator[House]:
    """A house without sockets: a fresh demo community in a temporary file, or the database at a URL."""
    logs.configure("error", "console")
    with tempfile.TemporaryDirectory(prefix="linli-") as folder:
        now = start or WallClock().now()
        url = empty_file(Path(folder) / "demo.sqlite3") if fresh else books_at(db)
        if not fresh:
            require_books(url)
            migrated(url)
        books = await Books.open(url, threads=2)
        if fresh:
            await books.write(lambda session: build_demo(session, now))
        if not fresh and start is None and db == f"sqlite:///{DEMO_FILE}":
            # The demo's time is where its clock control has moved it.
            start = await books.read(done_until)
        clock: Clock = MovedClock(start or now, frozen=True) if fresh or start else WallClock()
        house = House(
            configured(None, LINLI_SIMULATOR__ENABLED="false"),
            books,
            clock=clock,
            beside=[Script()],
            promised=promised,
        )
        if fresh:
            await house.scheduler.run_until(now)
        try:
            yield house
        finally:
            await house.close()
