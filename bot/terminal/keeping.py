"""`migrate` and `verify`: the books themselves."""

import asyncio
from typing import Any

import typer

from bot.books import Books
from bot.terminal import ConfigFile, Db, backed_up_and_migrated, books_at, refused, require_books
from models import migrations
from models.verify import violations


def migrate(config: ConfigFile = None, db: Db = "") -> None:
    """把数据库升级到这个版本。"""
    url = books_at(db, config)
    before, after = backed_up_and_migrated(url)
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

    wrong = asyncio.run(run())
    for one in wrong:
        typer.echo(f"{one.name}：{', '.join(map(str, one.culprits))}")
    if wrong:
        raise typer.Exit(1)
    typer.echo("账本核对无误。")
