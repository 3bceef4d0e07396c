"""`records`: what is held about a person, for somebody who comes to the office and asks for it."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from bot import founding
from bot.books import Books
from bot.records import records_file
from bot.terminal import ConfigFile, Db, address_of, configured, refused
from models.accounts import Candidate, candidates
from models.clock import WallClock
from models.members import NoSuchMember
from models.privacy import Private, looked
from models.units import NoSuchUnit, called, find_unit


def records(
    name: Annotated[str, typer.Argument(help="姓名")],
    out: Annotated[Path, typer.Option(help="写到哪个文件，例如 王秀英.html")],
    unit: Annotated[str, typer.Option(help="同名的人住在哪里，例如 3栋2单元")] = "",
    number: Annotated[int | None, typer.Option(help="同名的人的编号；不写时会列出来")] = None,
    community: Annotated[str, typer.Option(help="哪个社区；只有一个社区时不用写")] = "",
    config: ConfigFile = None,
    db: Db = "",
) -> None:
    """把登记的一个人的全部资料写成一个网页文件，当面交给本人；谁看过会记下来。"""
    url = db or address_of(configured(config))
    now = WallClock().now()

    def page(session: Session) -> tuple[list[str], bytes]:
        community_id = founding.community_named(session, community).id
        within = find_unit(session, community_id=community_id, name=unit).path if unit else ""
        found = candidates(session, community_id=community_id, name=name, number=number, within=within)
        if len(found) != 1:
            return [_line(session, community_id, one) for one in found], b""
        member_id = found[0].id
        looked(session, community_id=community_id, viewer_id=None, what=[Private.RECORDS], now=now, members=[member_id])
        return [], records_file(session, community_id=community_id, member_id=member_id, now=now)

    async def run() -> tuple[list[str], bytes]:
        books = await Books.open(url, threads=1)
        try:
            return await books.write(page)
        finally:
            await books.close()

    try:
        namesakes, content = asyncio.run(run())
    except NoSuchMember:
        raise refused(f"没有找到 {name}。", 1) from None
    except NoSuchUnit as error:
        raise refused(f"没有找到「{unit}」，有的是：{'、'.join(error.fields['known'])}", 1) from None
    except founding.NoSuchCommunity as error:
        raise refused(f"请用 --community 写明社区：{'、'.join(error.fields['known']) or '（还没有）'}", 1) from None
    if not content:
        raise refused(f"叫 {name} 的不止一位，请用 --number 写明：{'；'.join(namesakes)}", 1)
    out.write_bytes(content)
    # For the one who asked, and nobody else on this machine.
    out.chmod(0o600)
    typer.echo(f"{name} 的资料写在 {out}，请只交给本人。")


def _line(session: Session, community_id: int, one: Candidate) -> str:
    return f"{one.id} {called(session, community_id=community_id, unit_id=one.unit_id)}"
