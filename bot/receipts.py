"""The page of a notice, `/r/<link>`: where whoever cannot say 收到 to the bot says it with a tap.

`GET` shows the notice and a form, and answers for nobody: chats look at every link that is sent. `POST` gives the
receipt. In a group the link is everybody's, so the page asks who it is; in a conversation alone it is one person's, and
a tap is enough. Nobody is named to whom it has not been shown that they are known. There are no scripts and no cookies:
a form carries a proof that the page made it, and one that another page sends is refused.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from html import escape
from urllib.parse import urlsplit

from aiohttp import web
from sqlalchemy.orm import Session

from bot import files, logs
from bot.books import Books, BooksBusy, BooksClosed
from handlers.broadcast import in_parts, unknown_on_page
from handlers.language.places import read_home
from models import audit, broadcast, outbox
from models.base import Refusal
from models.broadcast import Identified, Listener, Notice, Way
from models.clock import Clock
from models.directory import communities
from models.members import masked
from models.units import called

log = logs.logger(__name__)

CHANNEL = "page"
"""Under which the audit knows what was said here."""
FIELD_MOST = 40
"""Characters that are read of each field."""
BODY_MOST = 4096
"""Bytes of a form."""
TELL_WITHIN = timedelta(hours=24)
"""How long a building's lead may still hear that somebody could not be found."""

_NAME = re.compile(r"[^\W\d_]{2,20}(?:·[^\W\d_]{1,20})?")
"""What may be a name; nothing else that a stranger types is told to anybody, but a room."""
_ROOM = re.compile(r"[0-9A-Za-z]{1,6}")

HEADERS = {
    **files.HEADERS,
    # Whatever was typed into a notice: no script runs, nothing is fetched but the style, nobody frames it.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none';"
    " base-uri 'none'",
}

STYLE = """
*{box-sizing:border-box}
body{font:18px/1.6 system-ui,"PingFang SC","Microsoft YaHei","WenQuanYi Micro Hei",sans-serif;margin:0;
background:#f3f5f4;color:#1d2420}
main{max-width:30em;margin:0 auto;padding:1.2em 1em 3em}
h1{font-size:1.2em;margin:0 0 .6em}
article{background:#fff;border-left:4px solid #16695a;border-radius:.4em;padding:.8em 1em;margin-bottom:1.2em;
white-space:pre-wrap;overflow-wrap:anywhere}
article b{display:block;margin-bottom:.3em;color:#16695a}
label{display:block;margin:.8em 0 .2em}
label small{color:#5a625e}
input,select{font:inherit;width:100%;padding:.55em .7em;border:1px solid #98a39e;border-radius:.4em;background:#fff;
color:inherit}
button{font:inherit;font-weight:700;width:100%;margin-top:1.2em;padding:.75em;border:0;border-radius:.5em;
background:#16695a;color:#fff}
:focus-visible{outline:3px solid #e0a100;outline-offset:2px}
p{margin:.6em 0}
.note{color:#5a625e;font-size:.85em}
.said{font-size:1.15em;font-weight:700}
@media (prefers-color-scheme:dark){body{background:#141816;color:#e7ecea}article,input,select{background:#1f2623}
article b{color:#7fd0bd}.note,label small{color:#a5b0ab}button{background:#2a8b78}}
"""

_PAGE = """<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<link rel="stylesheet" href="{style}"></head>
<body><main><h1>{title}</h1>{rest}</main></body></html>"""

_NOTICE = "<article><b>{heading}</b>{body}</article>"

_TAP = """<p>{name}，看到了请点一下。</p>
<form method="post"><input type="hidden" name="form" value="{proof}"><button>收到</button></form>
<p class="note">不是您？请不要点，关掉这个页面就好。</p>"""

_WHO = """{trouble}<form method="post" autocomplete="off"><input type="hidden" name="form" value="{proof}">
<label for="name">姓名</label><input id="name" name="name" value="{name}" maxlength="20" required>
<label for="building">楼栋</label><select id="building" name="building" required>{buildings}</select>
<label for="room">房号 <small>如 501，或 2单元501</small></label>
<input id="room" name="room" value="{room}" maxlength="12">
<label for="digits">手机后四位 <small>写了房号可以不写</small></label>
<input id="digits" name="digits" inputmode="numeric" maxlength="4">
<button>收到</button></form>
<p class="note">只用来核对您是哪一户，一户有一个人说收到就行。</p>"""


class End(StrEnum):
    """Why a page takes no receipt."""

    GONE = "gone"
    CLOSED = "closed"
    NOT_ADDRESSED = "not_addressed"
    FOREIGN = "foreign"
    OLD = "old"
    BUSY = "busy"


NOT_YOURS = "这条通知不是发给您那里的，不用回。"
ENDS = {
    End.GONE: ("打不开了", "没有这个页面。请从通知里的链接再点一次。", 404),
    End.CLOSED: ("收完了", "这条通知的回执已经收完了，不用再回。", 410),
    End.NOT_ADDRESSED: ("不用回", NOT_YOURS, 410),
    End.FOREIGN: ("没有收到", "请从通知里的链接打开，再点一次。", 403),
    End.OLD: ("请再点一次", "页面开得太久了。请从通知里的链接再打开一次。", 403),
    End.BUSY: ("请稍等", "现在有点忙，请过一会儿再点。", 503),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A page as it stands: the notice, and whose page it is."""

    notice: Notice
    heading: str
    body: str
    bot: str
    buildings: list[str]
    person: Listener | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a form."""

    shown: Shown
    who: Identified
    person: Listener | None = None
    first_time: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """What somebody says of themselves, and the proof that the page asked."""

    proof: str
    name: str = ""
    building: str = ""
    door: str = ""
    """The entrance, where it was written before the room: 2单元501, 2-501."""
    room: str = ""
    digits: str = ""
    written: str = ""
    """The room as it was typed, to be shown again."""

    @property
    def place(self) -> str:
        """Where they say that they live, as far as it may be one; the building is one that there is."""
        return f"{self.building}{self.door}{self.room}" if _ROOM.fullmatch(self.room) else self.building


class Receipts:
    """Serves the pages of notices."""

    def __init__(self, books: Books, clock: Clock, public_url: str) -> None:
        self._books = books
        self._clock = clock
        self._base = urlsplit(public_url)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/r/style.css", self._style),
            web.get("/r/{link:[0-9a-f]{20}}", self.show),
            web.post("/r/{link:[0-9a-f]{20}}", self.take),
            web.get("/r/{link:[0-9a-f]{20}}/{tail:[0-9]+-[0-9a-f]+}", self.show),
            web.post("/r/{link:[0-9a-f]{20}}/{tail:[0-9]+-[0-9a-f]+}", self.take),
        ]

    async def _style(self, _request: web.Request) -> web.Response:
        # A day: phones need not fetch it with every notice.
        return web.Response(
            text=STYLE,
            content_type="text/css",
            headers={"Cache-Control": "public, max-age=86400", "X-Content-Type-Options": "nosniff"},
        )

    async def show(self, request: web.Request) -> web.Response:
        """The notice, and how to say that one has had it. Looking answers for nobody."""
        link, tail, now = request.match_info["link"], request.match_info.get("tail", ""), self._clock.now()
        try:
            found = await self._books.read(lambda session: _shown(session, link, tail, now))
        except (BooksBusy, BooksClosed):
            return self._ended(End.BUSY)
        if isinstance(found, End):
            return self._ended(found)
        return self._asked(found, broadcast.form_proof(found.notice, tail, now))

    async def take(self, request: web.Request) -> web.Response:
        """Gives the receipt of whoever sends the form."""
        if not self._is_ours(request):
            return self._ended(End.FOREIGN)
        form = await _form(request)
        link, tail, now = request.match_info["link"], request.match_info.get("tail", ""), self._clock.now()
        try:
            done = await self._books.write(lambda session: _take(session, link, tail, form, now))
        except (BooksBusy, BooksClosed):
            return self._ended(End.BUSY)
        if isinstance(done, End):
            return self._ended(done)
        log.info("receipts.page", broadcast=done.shown.notice.number, outcome=done.who)
        if done.who is Identified.RIGHT:
            return self._thanks(done)
        return self._asked(done.shown, broadcast.form_proof(done.shown.notice, tail, now), form, done.who)

    def _is_ours(self, request: web.Request) -> bool:
        """Whether the browser does not say that another site sends the form."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return False
        origin = request.headers.get("Origin", "null")
        # A page without a referrer says null of itself.
        return origin == "null" or origin == f"{self._base.scheme}://{self._base.netloc}"

    # -- what is shown

    def _page(self, title: str, rest: str, status: int = 200) -> web.Response:
        style = f"{self._base.path}/r/style.css"
        return web.Response(
            text=_PAGE.format(title=escape(title), rest=rest, style=escape(style)),
            content_type="text/html",
            status=status,
            headers=HEADERS,
        )

    def _ended(self, end: End) -> web.Response:
        title, text, status = ENDS[end]
        return self._page(title, f"<p>{escape(text)}</p>", status)

    def _asked(self, shown: Shown, proof: str, form: Form | None = None, who: Identified | None = None) -> web.Response:
        article = _NOTICE.format(heading=escape(shown.heading), body=escape(shown.body))
        if shown.person is not None:
            return self._page("看到了吗？", article + _TAP.format(name=escape(masked(shown.person.name)), proof=proof))
        chosen = form.building if form else ""
        # Of several the first would be sent by whoever overlooks the question.
        choices = shown.buildings if len(shown.buildings) == 1 else ["", *shown.buildings]
        buildings = "".join(f"<option{' selected' if one == chosen else ''}>{escape(one)}</option>" for one in choices)
        trouble = f'<p class="said" role="alert">{escape(_trouble(who, shown))}</p>' if who is not None else ""
        asked = _WHO.format(
            trouble=trouble,
            proof=proof,
            name=escape(form.name if form else ""),
            room=escape(form.written if form else ""),
            buildings=buildings,
        )
        return self._page("看到了吗？", article + asked, 200 if who is None else 422)

    def _thanks(self, done: Answered) -> web.Response:
        assert done.person is not None
        said = "记下了，谢谢！" if done.first_time else "已经记过了，不用再点。"
        undo = f"点错了？十分钟内私聊{done.shown.bot}发 撤销。"
        rest = (
            f'<p class="said">{escape(said)}</p><p>{escape(masked(done.person.name))}家的回执有了。</p>'
            f'<p class="note">{escape(undo)}</p>'
        )
        return self._page(done.shown.heading, rest)


def _trouble(who: Identified, shown: Shown) -> str:
    if who is Identified.NOT_ADDRESSED:
        return NOT_YOURS
    if who is Identified.BARE:
        return "还差一样：请写上房号，或手机后四位。"
    if who is Identified.TOO_OFTEN:
        return f"还是没有对上。请在群里说一声，或私聊{shown.bot}发 收到 {shown.notice.number}，楼长也可以替您记。"
    return "没有对上。请核对姓名、楼栋，房号或手机写一样就行；名册没有写全的，楼长会替您记。"


async def _form(request: web.Request) -> Form:
    """What was sent, as far as it is a form of this page."""
    if request.content_type != "application/x-www-form-urlencoded" or (request.content_length or 0) > BODY_MOST:
        return Form("")
    sent = await request.post()

    def field(name: str) -> str:
        value = sent.get(name, "")
        return "".join(unicodedata.normalize("NFKC", value).split())[:FIELD_MOST] if isinstance(value, str) else ""

    written = field("room")
    door, room = read_home(written)
    return Form(field("form"), field("name"), field("building"), door, room, field("digits"), written)


# -- units of work ----------------------------------------


def _shown(session: Session, link: str, tail: str, now: datetime) -> Shown | End:
    notice = broadcast.notice_of_page(session, link=link)
    if notice is None:
        return End.GONE
    if not notice.takes_receipts(now):
        return End.CLOSED
    bot = next(one.bot_name for one in communities(session) if one.id == notice.community_id)
    unit = called(session, community_id=notice.community_id, unit_id=notice.unit.id)
    heading, body = in_parts(notice, unit)
    if not tail:
        if notice.private:
            # It goes to each alone; a form for all would tell whoever asks for a neighbour that it is for them.
            return End.GONE
        return Shown(notice, heading, body, bot, broadcast.buildings_of(session, notice))
    member_id = broadcast.member_of_page(notice, tail)
    person = member_id and broadcast.listener(session, community_id=notice.community_id, member_id=member_id)
    if not person:
        # Made up, or of somebody who has moved away: whoever holds it says who they are.
        return End.GONE
    return Shown(notice, heading, body, bot, [], person)


def _take(session: Session, link: str, tail: str, form: Form, now: datetime) -> Answered | End:
    shown = _shown(session, link, tail, now)
    if isinstance(shown, End):
        return shown
    notice = shown.notice
    if not broadcast.is_form(notice, tail, form.proof, now):
        return End.OLD
    person = shown.person
    if person is None:
        who, person, path = broadcast.identify(
            session,
            notice=notice,
            name=form.name,
            building=f"{form.building}{form.door}",
            room=form.room,
            digits=form.digits,
            now=now,
        )
        if person is None:
            if path and _NAME.fullmatch(form.name):
                _tell_leads(session, notice, form, path, now)
            return Answered(shown, who)
    try:
        received = broadcast.acknowledge(
            session, notice=notice, member_id=person.id, way=Way.LINK, made_by=person.id, now=now
        )
    except broadcast.NotAddressed:
        return End.NOT_ADDRESSED
    except Refusal:
        return End.CLOSED
    if received.first_time:
        audit.record(
            session,
            community_id=notice.community_id,
            at=now,
            member_id=person.id,
            action="receipt",
            object_ref=str(received.id),
            group_id=None,
            channel=CHANNEL,
            message_id="",
            detail={"broadcast": notice.number},
        )
    return Answered(shown, Identified.RIGHT, person, received.first_time)


def _tell_leads(session: Session, notice: Notice, form: Form, path: str, now: datetime) -> None:
    """Whoever leads the building hears that somebody wants to answer whom the roster does not know, once a name."""
    for lead, _ in broadcast.leads_of(session, community_id=notice.community_id, path=path, now=now):
        outbox.put(
            session,
            community_id=notice.community_id,
            key=f"receipt-unknown:{notice.id}:{lead}:{form.name[:20]}:{form.room[:8]}"[:120],
            message=unknown_on_page(notice, form.name, form.place),
            now=now,
            expires_at=now + TELL_WITHIN,
            member_id=lead,
            ref=notice.ref,
        )
