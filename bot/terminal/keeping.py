"""`migrate` and `verify`: the books themselves."""

import asyncio
from typing import Any

import typer

from bot.books import Books
from bot.terminal import ConfigFile, Db, address_of, backed_up_and_migrated, configured
from models.verify import violations


def migrate(config: ConfigFile = None, db: Db = "") -> None:
    """把数据库升级到这个版本。"""
    url = db or address_of(configured(config))
    before, after = backed_up_and_migrated(url)
    typer.echo(f"数据库版本 {after}" if before == after else f"数据库已从 {before or '空'} 升级到 {after}")


def verify(config: ConfigFile = None, db: Db = "") -> None:
    """核对账本：每一条不变的规则都查一遍，有错就列出来。"""
    url = db or address_of(configured(config))

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
