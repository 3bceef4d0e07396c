"""`poster`: the sheet for the site of an activity, where the bot has no address over which it could be fetched."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from bot import founding
from bot.books import Books
from bot.poster import poster_page
from bot.terminal import ConfigFile, Db, address_of, configured, refused
from models.activities import NoSuchActivity
from models.clock import WallClock


def poster(
    number: Annotated[int, typer.Argument(help="活动编号")],
    out: Annotated[Path, typer.Option(help="写到哪个文件，例如 海报.html")],
    community: Annotated[str, typer.Option(help="哪个社区；只有一个社区时不用写")] = "",
    config: ConfigFile = None,
    db: Db = "",
) -> None:
    """把一次活动的海报写成一个网页文件，用浏览器打开就能打印；上面的二维码扫出来是到场要发的那句话。"""
    settings = configured(config)
    url = db or address_of(settings)
    now = WallClock().now()

    def page(session: Session) -> bytes:
        community_id = founding.community_named(session, community).id
        public_url = settings.http.public_url
        return poster_page(session, community_id=community_id, number=number, now=now, public_url=public_url)

    async def run() -> bytes:
        books = await Books.open(url, threads=1)
        try:
            return await books.read(page)
        finally:
            await books.close()

    try:
        content = asyncio.run(run())
    except NoSuchActivity:
        raise refused(f"没有 {number}号活动。", 1) from None
    except founding.NoSuchCommunity as error:
        raise refused(f"请用 --community 写明社区：{'、'.join(error.fields['known']) or '（还没有）'}", 1) from None
    out.write_bytes(content)
    typer.echo(f"{number}号活动的海报写在 {out}，用浏览器打开打印。")
