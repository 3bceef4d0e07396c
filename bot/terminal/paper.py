"""`roll`: an activity's roll on paper, where no link can be fetched."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from bot import founding, printing
from bot.chart import NoPdf
from bot.terminal import ConfigFile, Db, books_at, books_brought_up, refused, require_books
from bot.terminal.community import Community, no_such_community
from models.activities import NoSuchActivity, find_activity
from models.clock import WallClock


def roll(
    activity: Annotated[int, typer.Argument(help="几号活动")],
    to: Annotated[Path, typer.Option("--out", "--to", help="写到哪个文件：.pdf 或 .html")],
    community: Community = "",
    config: ConfigFile = None,
    db: Db = "",
) -> None:
    """印一份活动的签到表（A4）：报名的人、二维码，还有给没有手机的邻居的空行。"""
    if to.suffix.lower() not in (".pdf", ".html"):
        raise refused("文件名要以 .pdf 或 .html 结尾。")
    url = books_at(db, config)
    require_books(url)

    def draw(session: Session) -> bytes:
        here = founding.community_named(session, community)
        found = find_activity(session, community_id=here.id, number=activity)
        html = to.suffix.lower() == ".html"
        return printing.as_file(session, activity=found, now=WallClock().now(), html=html)

    async def run() -> bytes:
        books = await books_brought_up(url)
        try:
            return await books.read(draw)
        except founding.NoSuchCommunity as error:
            raise no_such_community(error) from None
        except NoSuchActivity:
            raise refused(f"没有 {activity}号活动。", 1) from None
        except NoPdf as missing:
            raise refused(f"还不能做 PDF，{missing.remedy}。也可以用 .html，在浏览器里打印。", 1) from None
        finally:
            await books.close()

    made = asyncio.run(run())
    try:
        to.write_bytes(made)
    except OSError as error:
        raise refused(f"写不了 {to}：{error.strerror}。", 1) from None
    typer.echo(f"{activity}号活动的签到表写好了：{to}")
