"""`migrate`, `verify`, `backup` and `restore`: the books themselves."""

import asyncio
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from bot import backup as copies
from bot.books import Books, FileInUse
from bot.config import Backup
from bot.config.sections import BACKUP_PASSPHRASE_CHARACTERS_MIN
from bot.terminal import (
    ConfigFile,
    Db,
    address_of,
    backed_up_and_migrated,
    books_at,
    configured,
    refused,
    require_books,
)
from models import migrations
from models.clock import WallClock
from models.migrations import SchemaTooNew
from models.verify import Violation, violations

PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", help="从这个文件读备份的口令；不写就用配置里的 backup.passphrase")
]


def migrate(config: ConfigFile = None, db: Db = "") -> None:
    """把数据库升级到这个版本。"""
    url, settings = _books(config, db)
    before, after = backed_up_and_migrated(url, settings)
    typer.echo(f"数据库版本 {after}" if before == after else f"数据库已从 {before or '空'} 升级到 {after}")


def verify(config: ConfigFile = None, db: Db = "") -> None:
    """核对账本：每一条不变的规则都查一遍，有错就列出来。"""
    url = books_at(db, config)
    found = require_books(url)
    if found != migrations.head():
        raise refused(f"这个账本是旧版本的（{found}）。请先备份，再用 linli migrate 升级。", 1)

    async def run() -> list[Any]:
        books = await Books.open(url, threads=1)
        try:
            return await books.read(violations)
        finally:
            await books.close()

    if not _sound(asyncio.run(run())):
        raise typer.Exit(1)


def backup(
    file: Annotated[Path | None, typer.Argument(help="备份到哪个文件；不写就放进配置里的 backup.folder")] = None,
    encrypt: Annotated[bool, typer.Option("--encrypt", help="用口令加密；口令没有配置好就会问")] = False,
    passphrase_file: PassphraseFile = None,
    rotate: Annotated[bool, typer.Option("--rotate", help="备份完，按配置删掉过了期的备份")] = False,
    config: ConfigFile = None,
    db: Db = "",
) -> None:
    """把整个账本备份成一个文件，机器人照常运行。"""
    url, settings = _books(config, db)
    passphrase = _given(passphrase_file, settings)
    if encrypt and not passphrase:
        passphrase = _asked_twice()
    now, began = WallClock().now(), perf_counter()
    if file is not None and file.exists():
        raise refused(f"{file} 已经有了，不会盖掉它，请换个名字。", 1)
    try:
        with _ending_softly():
            if file is None:
                file, manifest = copies.make_copy(url, settings, now=now, passphrase=passphrase)
            else:
                manifest = copies.take(url, file, passphrase=passphrase, now=now)
    except copies.NothingThere:
        raise refused("这里还没有账本，没有什么可以备份的。", 1) from None
    except OSError as error:
        raise refused(f"备份没有写成：{error.strerror or error}。", 1) from None
    except DBAPIError as error:
        raise refused(f"数据库用不了（{type(error.orig).__name__}），备份没有写成。", 1) from None
    size, seconds = file.stat().st_size / 1e6, perf_counter() - began
    sealed = "，已加密" if passphrase else ""
    typer.echo(f"已备份到 {file}（{manifest.rows}行，{size:.1f}MB，{seconds:.1f}秒{sealed}）")
    if rotate:
        for gone in copies.rotate(settings, now):
            typer.echo(f"过了期，已删掉 {gone}")


def restore(
    file: Annotated[Path, typer.Argument(help="要恢复的备份文件")],
    replace: Annotated[bool, typer.Option("--replace", help="那里已经有账本也要恢复：旧的会改名留在旁边")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="不再问一遍")] = False,
    passphrase_file: PassphraseFile = None,
    config: ConfigFile = None,
    db: Db = "",
) -> None:
    """从备份文件恢复账本，SQLite 和 PostgreSQL 都行，不管备份是从哪一种来的。"""
    url, settings = _books(config, db)
    try:
        passphrase = _given(passphrase_file, settings)
        if copies.is_sealed(file) and not passphrase:
            passphrase = typer.prompt("备份的口令", hide_input=True) if sys.stdin.isatty() else _line()
        if replace and not yes and (found := copies.communities_at(url)):
            typer.echo(f"{_shown(url)} 里现在是：{'、'.join(found)}。恢复以后，它会改名留在旁边。")
            if typer.prompt(f"确定的话，请打出 {found[0]}", default="", show_default=False) != found[0]:
                raise refused("没有恢复，什么都没动。", 1)
        done = copies.restore(file, url, passphrase=passphrase, replace=replace, now=WallClock().now())
    except copies.Occupied as occupied:
        raise refused(
            f"{_shown(url)} 里已经有账本（{'、'.join(occupied.communities)}），没有恢复。"
            "要用备份换掉它，请加 --replace，旧的会留在旁边。",
            1,
        ) from None
    except FileInUse:
        raise refused("机器人正在用这个数据库，没有恢复。请先停下它（linli run）再恢复。", 1) from None
    except copies.WrongPassphrase:
        raise refused("口令不对，打不开这个备份（也可能是文件开头坏了）。什么都没动。", 1) from None
    except copies.Damaged:
        raise refused("这个备份文件坏了：不完整，或者被改过。什么都没动，请换一份备份。", 1) from None
    except copies.NotACopy:
        raise refused("这不是 linli backup 做的备份。什么都没动。", 1) from None
    except SchemaTooNew as newer:
        raise refused(f"这份备份是更新的版本做的（{newer.found}），请先升级程序再恢复。什么都没动。", 1) from None
    except DBAPIError as error:
        raise refused(f"{_shown(url)} 用不了（{type(error.orig).__name__}）。什么都没动。", 1) from None
    except OSError as error:
        raise refused(f"读不了或写不了：{error.strerror or error}。什么都没动。", 1) from None
    typer.echo(f"已恢复到 {_shown(url)}（{done.rows}行，备份时的数据库版本 {done.schema}）。")
    if done.kept:
        typer.echo(f"原来的留在 {done.kept}")
    if not _sound(done.wrong):
        raise typer.Exit(1)


@contextmanager
def _ending_softly() -> Iterator[None]:
    """Lets a signal to end remove what is half written."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _sound(found: Iterable[Violation]) -> bool:
    """Says how the proof of the books went; whether all is well."""
    for one in found:
        typer.echo(f"{one.name}：{', '.join(map(str, one.culprits))}")
    if not found:
        typer.echo("账本核对无误。")
    return not found


def _books(config: Path | None, db: str) -> tuple[str, Backup]:
    """The database that is meant, and how its copies are kept: an address of its own needs no configuration."""
    if db and config is None:
        return books_at(db), Backup()
    settings = configured(config)
    return books_at(db) if db else address_of(settings), settings.backup


def _shown(url: str) -> str:
    address = make_url(url)
    return address.database or "" if address.get_backend_name() == "sqlite" else address.render_as_string()


def _given(file: Path | None, settings: Backup) -> str:
    """The passphrase of the file or of the configuration; empty where there is none."""
    if file is None:
        return settings.passphrase.get_secret_value() if settings.passphrase else ""
    try:
        return _long_enough(file.read_text("utf-8-sig").rstrip("\r\n"))
    except (OSError, ValueError):
        raise refused(f"口令文件 {file} 读不了。") from None


def _asked_twice() -> str:
    if not sys.stdin.isatty():
        return _long_enough(_line())
    return _long_enough(typer.prompt("备份的口令", hide_input=True, confirmation_prompt="再输一遍"))


def _line() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _long_enough(passphrase: str) -> str:
    if len(passphrase) < BACKUP_PASSPHRASE_CHARACTERS_MIN:
        raise refused(f"口令太短：至少 {BACKUP_PASSPHRASE_CHARACTERS_MIN} 个字。")
    return passphrase
