"""The sheet that hangs at the site, and the page that its QR code opens.

Scanning cannot check anybody in: a chat app opens an address, or shows a text, and knows nothing of who holds it. So
the code carries the words to send, no more. Where this house has an address of its own, the code is a link to a page
that shows the words in large type; elsewhere the code is the words themselves, which every phone shows and copies.
"""

import base64
import io
import re
from datetime import datetime
from html import escape

import segno
from aiohttp import web
from sqlalchemy.orm import Session

from models.activities import find_activity
from models.check_in import Way, terms_of, todays_code
from models.clock import spoken_span
from models.directory import communities

HEADERS = {
    # The page says what stands in its own address: whoever has been there once needs no network to read it again.
    "Cache-Control": "public, max-age=86400",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
}

_WORDS = re.compile(r"(?P<number>[0-9]{1,6})(?:-(?P<code>[0-9]{4}))?")

_PAGE = """<!doctype html><html lang="zh-CN"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>签到</title>
<style>body{{font:20px/1.7 system-ui,sans-serif;max-width:22em;margin:2em auto;padding:0 1em;color:#1d2420}}
h1{{font-size:1.5em;margin:0}}ol{{padding-left:1.4em}}
b{{display:block;margin:.4em 0;padding:.5em;border:2px solid #16695a;border-radius:.5em;text-align:center;
font-size:1.6em;user-select:all;-webkit-user-select:all}}small{{color:#5a625e}}</style>
<h1>到了？签个到</h1><ol><li>长按下面这句话，复制：<b>{words}</b></li>
<li>回到微信或企业微信，发到您那栋楼的群里（先@社区机器人），或者发给和它的单聊。</li></ol>
<p><small>{note}</small></p></html>
"""

_PAPER = """<!doctype html><html lang="zh-CN"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style>@page{{size:A4;margin:15mm}}
body{{font:20px/1.6 system-ui,"WenQuanYi Micro Hei",sans-serif;text-align:center;max-width:18cm;margin:1em auto;
padding:0 .5em;color:#111}}
h1{{font-size:2.6em;line-height:1.25;margin:.2em 0;overflow-wrap:anywhere}}p{{margin:.3em 0;font-size:1.2em}}
img{{width:min(80vw,9cm);height:auto;image-rendering:pixelated}}
.words{{font-size:2em;font-weight:700}}
.code{{display:inline-block;min-width:5em;padding:.1em .5em;border:3px solid #111;border-radius:.3em;font-size:2em;
letter-spacing:.25em}}
small{{display:block;margin-top:.8em;font-size:.75em;color:#444}}</style>
<p>{community}</p><h1>{title}</h1><p>{when}</p><p>{place}</p>
<p><img src="data:image/png;base64,{qr}" alt="{words}"></p>
<p>到了请发一句</p><p class="words">{words}</p>{code}
<small>{scan}发到楼栋群里（先@{bot}），或者发给和{bot}的单聊。走的时候发一声 签退。<br>
没有手机的，请找组织者记名字。</small></html>
"""


def words_of(number: int, code: int | None) -> str:
    """What whoever came has to send."""
    return f"签到 {number}" if code is None else f"签到 {code}"


def qr_png(content: str) -> bytes:
    """A QR code as a PNG, large enough to be printed a hand wide."""
    out = io.BytesIO()
    segno.make(content, error="m", micro=False).save(out, kind="png", scale=12, border=4)
    return out.getvalue()


def content_of(number: int, code: int | None, public_url: str) -> str:
    """What the QR code holds: the address of the page with the words, or the words."""
    if not public_url:
        return words_of(number, code)
    return f"{public_url}/here/{number}" + ("" if code is None else f"-{code}")


def poster_page(session: Session, *, community_id: int, number: int, now: datetime, public_url: str) -> bytes:
    """The sheet as one page that a phone shows and a browser prints on A4, in UTF-8. Raises NoSuchActivity."""
    activity = find_activity(session, community_id=community_id, number=number)
    community = next(one for one in communities(session) if one.id == community_id)
    asks = Way.CODE in terms_of(session, activity=activity).ways
    code = todays_code(session, activity=activity, now=now) if asks else None
    scan = "扫一扫就能看到要发的这句话。" if public_url else "扫一扫，把这句话复制下来。"
    return _PAPER.format(
        community=escape(community.name),
        title=escape(activity.title),
        when=escape(spoken_span(activity.starts_at, activity.ends_at)),
        place=escape(activity.place),
        qr=base64.b64encode(qr_png(content_of(number, code, public_url))).decode(),
        words=escape("签到 加签到码" if asks and code is None else words_of(number, code)),
        code=_code(asks, code),
        scan=scan,
        bot=escape(community.bot_name),
    ).encode()


def _code(asks: bool, code: int | None) -> str:
    if not asks:
        return ""
    # On another day there is room to write the code of the day on.
    shown = "&emsp;&emsp;&emsp;&emsp;" if code is None else str(code)
    return f'<p>今天的签到码</p><p class="code">{shown}</p>'


def routes() -> list[web.RouteDef]:
    """The page with the words. It is the same for everybody, and nothing of the books stands in it."""

    async def show(request: web.Request) -> web.Response:
        match = _WORDS.fullmatch(request.match_info["words"])
        if match is None:
            raise web.HTTPNotFound
        code = match["code"]
        note = "" if code else "现场写着四位签到码的，请发 签到 加那四位数字。"
        page = _PAGE.format(words=words_of(int(match["number"]), int(code) if code else None), note=note)
        return web.Response(text=page, content_type="text/html", headers=HEADERS)

    return [web.get("/here/{words}", show)]
