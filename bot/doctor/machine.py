"""The machine: disks, the copies on them, the time zone, fonts."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import make_url

from bot.backup import copies_in
from bot.config import Config
from bot.doctor.finding import Finding, broken, ok, warning
from bot.fonts import find_font
from models.clock import spoken

ROOM_BROKEN, ROOM_WARNING = 200_000_000, 2_000_000_000
"""Bytes on a disk below which it is broken, or worth a warning."""
COPY_AGE = timedelta(hours=26)
"""A night's copy, and the time that it may take."""


def disk(name: str, folder: Path) -> Iterator[Finding]:
    there = next((one for one in (folder, *folder.absolute().parents) if one.exists()), Path("/"))
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        yield broken(name, f"{there} 写不了（{error.strerror}）", "请检查这个目录的权限，和磁盘是不是只读")
        return
    free = shutil.disk_usage(there).free
    said = f"{there} 还有 {free / 1e9:.1f}GB"
    if free < ROOM_BROKEN:
        yield broken(name, said, "磁盘快满了，满了就记不了账：请腾出空间")
    elif free < ROOM_WARNING:
        yield warning(name, said, "请腾出一些空间")
    else:
        yield ok(name, said)


def copies(config: Config, now: datetime) -> Iterator[Finding]:
    """How old the newest copy of the books is, and where it lies."""
    settings = config.backup
    folder = Path(settings.folder)
    yield from disk("备份的磁盘", folder)
    newest = next(iter(copies_in(folder).values()), None)
    if newest is None:
        todo = "机器人运行着每晚会做；现在就做一份：linli backup" if settings.nightly else "linli backup"
        yield warning("备份", f"{folder} 里还没有备份", todo)
    elif now - newest > COPY_AGE:
        todo = "现在做一份：linli backup，再看日志里的 backup"
        yield warning("备份", f"最近一份是 {spoken(newest)} 的，超过一天了", todo)
    else:
        beside = ""
        if config.database.url.startswith("sqlite"):
            database = Path(make_url(config.database.url).database or "").parent
            with suppress(OSError):
                if os.stat(folder).st_dev == os.stat(database).st_dev:
                    beside = "；和账本在同一块盘上，请另存一份到别处"
        yield ok("备份", f"最近一份是 {spoken(newest)} 的{beside}")


def time_zone(now: datetime) -> Iterator[Finding]:
    """Whether the machine knows Shanghai's time."""
    try:
        offset = now.astimezone(ZoneInfo("Asia/Shanghai")).utcoffset()
    except ZoneInfoNotFoundError:
        offset = None
    if offset == timedelta(hours=8):
        yield ok("时区", "Asia/Shanghai 是 UTC+8")
    else:
        yield broken("时区", "找不到 Asia/Shanghai，或者它不对", "pip install tzdata，或装系统的 tzdata")


def chinese_fonts(folders: Sequence[str]) -> Iterator[Finding]:
    """Whether there is a font with Chinese, for what is drawn."""
    if (font := find_font(folders)) is not None:
        yield ok("字体", f"有中文字体 {font.name}")
        return
    todo = "装一个，例如 Debian 上 apt install fonts-wqy-microhei"
    yield warning("字体", "没有找到中文字体，画不了图，榜单只发文字", todo)
