"""The way out for files: `/files/<token>`, once, within the hour.

`GET` shows a page with one button and uses nothing up: chats and mail scanners fetch every link that they see, and
would otherwise take the file before the person does. `POST` (the button) makes the file and gives it out. Every other
link, whether it is used, expired or made up, gets the same answer. Nothing of it may be cached or indexed, and the
address is told to nobody.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from html import escape
from urllib.parse import quote

from aiohttp import web
from sqlalchemy.orm import Session

from bot import exports, logs, printing
from bot.books import Books, BooksBusy, BooksClosed
from bot.chart import NoPdf
from bot.poster import poster_page
from bot.records import records_file
from handlers.handouts import SHEET
from handlers.privacy import RECORDS
from handlers.site import POSTER
from models.activities import find_activity
from models.clock import Clock
from models.files import Ordered, offered_file, take_file
from models.handouts import HOURS, PRINTED, Names

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class File:
    """A file that was made: `name` is what it is saved under."""

    name: str
    media_type: str
    content: bytes
    inline: bool = False
    """Shown by the browser instead of saved: what a phone's chat app can read at once."""


Maker = Callable[[Session, Ordered, datetime], File]
"""Makes a file on a read-only connection, for the community and the member that its link names."""


def _records(session: Session, ordered: Ordered, now: datetime) -> File:
    content = records_file(session, community_id=ordered.community_id, member_id=ordered.member_id, now=now)
    return File("我的资料.html", "text/html", content, inline=True)


def _poster(session: Session, ordered: Ordered, now: datetime) -> File:
    content = poster_page(
        session,
        community_id=ordered.community_id,
        number=ordered.detail["activity"],
        now=now,
        public_url=ordered.detail["public_url"],
    )
    return File("海报.html", "text/html", content, inline=True)


def _printed_roll(session: Session, ordered: Ordered, now: datetime) -> File:
    activity = find_activity(session, community_id=ordered.community_id, number=ordered.detail["activity"])
    names = _names(ordered)
    try:
        return File("签到表.pdf", "application/pdf", printing.as_file(session, activity=activity, now=now, names=names))
    except NoPdf:
        # A browser prints it as well.
        page = printing.as_file(session, activity=activity, now=now, html=True, names=names)
        return File("签到表.html", "text/html", page, inline=True)


NAMES = "names"


def _names(ordered: Ordered) -> Names:
    """How people are called in it: by their names, where the order says nothing else."""
    return Names(ordered.detail.get(NAMES, Names.WHOLE))


EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _roll_sheet(session: Session, ordered: Ordered, now: datetime) -> File:
    sheet = exports.roll_sheet(session, community_id=ordered.community_id, number=ordered.detail["activity"])
    return File("名单.xlsx", EXCEL, exports.as_workbook([sheet]))


def _hours_sheet(session: Session, ordered: Ordered, now: datetime) -> File:
    asked = {name: value for name, value in ordered.detail.items() if name != NAMES}
    sheet = exports.hours_sheet(session, community_id=ordered.community_id, names=_names(ordered), **asked)
    return File("服务时长.xlsx", EXCEL, exports.as_workbook([sheet]))


MAKERS: Mapping[str, Maker] = {
    RECORDS: _records,
    POSTER: _poster,
    PRINTED: _printed_roll,
    SHEET: _roll_sheet,
    HOURS: _hours_sheet,
}
"""Every kind of file that a link can be for."""

HEADERS = {
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Whatever people typed into their names: no script runs, nothing is fetched, nobody frames it.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'",
}

_PAGE = """<!doctype html><html lang="zh-CN"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style>body{{font:18px/1.6 system-ui,sans-serif;max-width:32em;margin:3em auto;padding:0 1em}}
button{{font:inherit;padding:.6em 1.5em}}</style>
<h1>{title}</h1><p>{text}</p>{rest}</html>"""


class Files:
    """Gives out each offered file once."""

    def __init__(self, books: Books, clock: Clock, makers: Mapping[str, Maker] = MAKERS) -> None:
        self._books = books
        self._clock = clock
        self._makers = makers

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/files/{token}", self.show), web.post("/files/{token}", self.give)]

    async def show(self, request: web.Request) -> web.Response:
        """The page before the file. Looking uses nothing up."""
        token = request.match_info["token"]
        now = self._clock.now()
        try:
            ordered = await self._books.read(lambda session: offered_file(session, token=token, now=now))
        except (BooksBusy, BooksClosed):
            return _busy()
        if ordered is None:
            return _gone()
        text = "只能取一次，里面有个人信息，请在自己的手机上打开。"
        return _page("您的文件", text, '<form method="post"><button>打开</button></form>')

    async def give(self, request: web.Request) -> web.Response:
        """Makes the file, uses the link up, and gives the file out, in that order.

        What could not be made can be fetched again; of two who press the button at once one gets it.
        """
        token = request.match_info["token"]
        now = self._clock.now()

        def made(session: Session) -> File | None:
            ordered = offered_file(session, token=token, now=now)
            return None if ordered is None else self._makers[ordered.kind](session, ordered, now)

        def taken(session: Session) -> bool:
            return take_file(session, token=token, now=now)

        try:
            # A large file is made beside the writer, not in its way.
            file = await self._books.read(made)
            if file is not None and not await self._books.write(taken):
                file = None
        except (BooksBusy, BooksClosed):
            return _busy()
        if file is None:
            return _gone()
        log.info("files.given", media_type=file.media_type, size=len(file.content))
        shown = "inline" if file.inline else "attachment"
        return web.Response(
            body=file.content,
            content_type=file.media_type,
            charset="utf-8" if file.media_type.startswith("text/") else None,
            headers={**HEADERS, "Content-Disposition": f"{shown}; filename*=UTF-8''{quote(file.name)}"},
        )


def _page(title: str, text: str, rest: str = "", status: int = 200) -> web.Response:
    return web.Response(
        text=_PAGE.format(title=escape(title), text=escape(text), rest=rest),
        content_type="text/html",
        status=status,
        headers=HEADERS,
    )


def _gone() -> web.Response:
    return _page("打不开了", "这个链接用过了，或者过了一小时。需要的话请再向机器人要一个。", status=404)


def _busy() -> web.Response:
    return _page("请稍等", "现在有点忙，请过一会儿再打开。", status=503)
