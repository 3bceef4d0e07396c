"""What an operator types at the machine: the `linli` command, one module for each group of its commands.

Here stands what they share: the options, how a bad one is answered, and the way to the configured books.
"""

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from sqlalchemy import URL, Engine, inspect, make_url
from sqlalchemy.exc import DBAPIError

from bot import script
from bot.app import CHANNEL_SETTINGS, FEATURE_SETTINGS
from bot.backup import make_copy
from bot.books import Books
from bot.config import Backup, Config, ConfigError, Database, load
from bot.script import BadLine
from models import migrations
from models.clock import WallClock
from models.database import postgresql_engine, sqlite_engine

At = Annotated[str, typer.Option("--at", help="社区时间，例如 2026-11-17T19:30+08:00；不写就是现在")]
Db = Annotated[str, typer.Option("--db", help="数据库地址，例如 sqlite:///var/linli.sqlite3")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="配置文件；不写就用 config.toml")]


def refused(sentence: str, code: int = 2) -> typer.Exit:
    """Says the sentence where errors are read, and is the exit to raise; 2 is for words that were off."""
    typer.echo(sentence, err=True)
    return typer.Exit(code)


def moment(text: str) -> datetime | None:
    """The moment of an `--at`, None where it was not given. Raises typer.Exit."""
    try:
        return script.moment(text) if text else None
    except BadLine as error:
        raise refused(str(error)) from None


def read_configuration(path: Path | None, **overrides: str) -> Config:
    """The configuration, with `overrides` as if they stood in the environment. Raises ConfigError."""
    return load(path, {**os.environ, **overrides}, channel_settings=CHANNEL_SETTINGS, feature_settings=FEATURE_SETTINGS)


def configured(path: Path | None, **overrides: str) -> Config:
    """Like `read_configuration`, and says what is wrong. Raises typer.Exit."""
    try:
        return read_configuration(path, **overrides)
    except ConfigError as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(2) from None


def address_of(config: Config) -> str:
    """The URL of the configured database, with its password."""
    return config.database.address().render_as_string(hide_password=False)


def books_at(db: str, config: Path | None = None) -> str:
    """The URL of the books that are meant: the ones given by `--db`, else the configured. Raises typer.Exit."""
    if not db:
        return address_of(configured(config))
    try:
        return Database(url=db).address().render_as_string(hide_password=False)
    except ValidationError as error:
        why = error.errors()[0].get("ctx", {}).get("error", "")
        raise refused(f"--db {_without_password(db)}：{why or '地址看不懂'}") from None


def open_engine(url: str) -> Engine:
    """An engine of our own making for the database at a URL, which answers. Raises typer.Exit."""
    address = make_url(url)
    try:
        if address.get_backend_name() == "sqlite":
            Path(address.database or "").parent.mkdir(parents=True, exist_ok=True)
            opened = sqlite_engine(address.database or "")
        else:
            opened = postgresql_engine(url, 1)
        opened.connect().close()
    except (DBAPIError, OSError) as error:
        raise refused(_no_books(address, error), 1) from None
    return opened


def _no_books(address: URL, error: Exception) -> str:
    """Why a database cannot be opened, and what to look at."""
    if address.get_backend_name() != "sqlite":
        where = f"{address.host or '本机'}:{address.port or 5432}/{address.database}"
        return f"连不上数据库 {where}。请看看它开着没有，地址、用户名和密码对不对。"
    if isinstance(error, DBAPIError) and "not a database" in str(error.orig):
        return f"{address.database} 不是邻里的账本（不是 SQLite 文件）。"
    return f"打不开 {address.database}。请看看路径和权限对不对。"


def _without_password(url: str) -> str:
    return re.sub(r"(?<=:)[^:/@]*(?=@)", "***", url)


def require_books(url: str) -> str | None:
    """Nothing is made here that was not there: the schema's version of these books. Raises typer.Exit for none."""
    address = make_url(url)
    where = address.database or ""
    if address.get_backend_name() == "sqlite" and not Path(where).is_file():
        raise refused(f"没有 {where} 这个账本。请看看路径对不对。", 1)
    opened = open_engine(url)
    try:
        found = migrations.current(opened)
    except migrations.SchemaTooNew as newer:
        raise refused(_too_new(newer)) from None
    finally:
        opened.dispose()
    if found is None:
        raise refused(f"{where} 里还没有账本。", 1)
    return found


def _too_new(newer: migrations.SchemaTooNew) -> str:
    return f"这个数据库是更新的版本写的（{newer.found}），请先升级程序，不要用旧程序打开。"


def migrated(url: str) -> tuple[str | None, str]:
    """Brings a database up to date; the version before (None: empty) and after. Raises typer.Exit for a newer one."""
    opened = open_engine(url)
    try:
        if opened.dialect.name == "sqlite" and migrations.current(opened) is None and inspect(opened).get_table_names():
            raise refused(f"{make_url(url).database} 是别的程序的数据库，不会动它。请另选一个文件。", 1)
        return migrations.upgrade(opened)
    except migrations.SchemaTooNew as newer:
        raise refused(_too_new(newer)) from None
    finally:
        opened.dispose()


def backed_up_and_migrated(url: str, settings: Backup) -> tuple[str | None, str]:
    """Like `migrated`, and makes a copy of the books before they are changed. Raises typer.Exit."""
    opened = open_engine(url)
    try:
        found = migrations.current(opened)
    except migrations.SchemaTooNew:
        return migrated(url)  # says why not
    finally:
        opened.dispose()
    if found is not None and found != migrations.head():
        try:
            path, _ = make_copy(url, settings, now=WallClock().now(), before=migrations.head())
        except OSError as error:
            raise refused(
                f"升级前备份不了（{error.strerror}），没有升级。请检查 backup.folder 的权限和空间。", 1
            ) from None
        typer.echo(f"升级前已备份到 {path}")
    return migrated(url)


async def migrated_books(config: Config) -> Books:
    """The configured books, up to date."""
    return await books_brought_up(address_of(config))


async def books_brought_up(url: str) -> Books:
    """The books at a URL, up to date. Raises typer.Exit."""
    migrated(url)
    return await Books.open(url, threads=1)
