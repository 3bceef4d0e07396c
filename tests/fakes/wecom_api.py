"""WeCom's side of the group webhook, for tests and fault runs: a real HTTP server on loopback.

Written from the published description (page 91770) and apart from the channel. It checks keys against a table, counts
bytes and not characters, counts messages a minute on a clock that the test moves, and keeps every message that it took,
in order, as the JSON that came. Faults are put in line: each request takes the next one that is meant for its key.
"""

import asyncio
import base64
import binascii
import hashlib
import itertools
import json
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from aiohttp import web

PER_MINUTE = 20
MINUTE = timedelta(minutes=1)
TEXT_BYTES, MARKDOWN_BYTES = 2048, 4096
TITLE_BYTES, DESCRIPTION_BYTES = 128, 512
IMAGE_BYTES, FILE_BYTES = 2 * 1024 * 1024, 20 * 1024 * 1024
JUMPS = 3
MEDIA_LIVES = timedelta(days=3)
PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")

OK, BAD_PARAMETER, UNKNOWN_TYPE, EMPTY, TOO_LONG = 0, 40058, 40008, 44004, 45002
BAD_IMAGE, BAD_FILE, BAD_MEDIA, BAD_KEY, TOO_OFTEN = 40009, 40006, 40007, 93000, 45009
SAID = {
    OK: "ok",
    TOO_OFTEN: "api freq out of limit",
    BAD_KEY: "invalid webhook url",
    UNKNOWN_TYPE: "invalid message type",
}


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request. Without `takes` nothing of it is kept."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    code: int | None = None
    """An errcode to answer, whatever was sent."""
    body: bytes | None = None
    """An answer that is no answer."""
    seconds: float = 0.0
    """How long it takes before anything else happens."""
    hangs: bool = False
    """No answer ever."""
    resets: bool = False
    """The connection is cut instead of an answer."""
    takes: bool = False
    """The message is judged and kept first, as if nothing were wrong."""


BAD_GATEWAY = Fault(status=502, body=b"<html>502 Bad Gateway</html>")
HANGS = Fault(hangs=True)
HANGS_WITH_IT = Fault(hangs=True, takes=True)
RESET = Fault(resets=True)
LOST = Fault(resets=True, takes=True)
GARBAGE = Fault(body=b"<html>hello</html>", takes=True)


def too_many(retry_after: str | None = None) -> Fault:
    """HTTP 429, with the rest that it asks for."""
    return Fault(status=429, body=b"", headers={} if retry_after is None else {"Retry-After": retry_after})


def slow(seconds: float) -> Fault:
    """A right answer that takes its time."""
    return Fault(seconds=seconds, takes=True)


def refuses(code: int) -> Fault:
    """An errcode under HTTP 200."""
    return Fault(code=code)


@dataclass(frozen=True)
class Message:
    """One message that the platform took."""

    key: str
    at: datetime
    body: dict[str, Any]

    @property
    def text(self) -> str:
        return str(self.body[self.body["msgtype"]]["content"])


@dataclass(frozen=True)
class Media:
    """One uploaded file, good for one key and three days."""

    key: str
    kind: str
    at: datetime
    content: bytes = b""
    name: str = ""


class Refused(Exception):
    """The platform's no, by its number."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class WecomApi:
    """The platform. `async with WecomApi(keys, now) as api:` listens at `api.url`."""

    def __init__(
        self,
        keys: set[str],
        now: Callable[[], datetime],
        *,
        port: int = 0,
        watch: Callable[[bool, Any], None] | None = None,
    ) -> None:
        """`watch` is told of each message whether the bot sent it, and what it is; then of the answer to it."""
        self.keys = keys
        self.watch = watch
        self.now = now
        self.messages: list[Message] = []
        """What was taken, in order."""
        self.answers: Counter[int] = Counter()
        """How often each errcode was given by the platform's own judgement."""
        self.requests: list[str] = []
        """The key of every request, also of those that met a fault."""
        self.media: dict[str, Media] = {}
        self.at_once = self.most_at_once = 0
        self.url = ""
        self._faults: list[tuple[str | None, deque[Fault]]] = []
        self._numbers = itertools.count(1)
        self._port = port
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2 * FILE_BYTES)
        app.router.add_post("/cgi-bin/webhook/send", self._send)
        app.router.add_post("/cgi-bin/webhook/upload_media", self._upload)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await self._runner.cleanup()

    # -- what a test says and asks

    def meets(self, *faults: Fault, key: str | None = None, times: int = 1) -> None:
        """The next requests (of this key) meet these faults, one each."""
        self._faults.append((key, deque(faults * times)))

    def heals(self) -> None:
        """Takes back all faults that nobody met yet."""
        self._faults.clear()

    def texts(self, key: str | None = None) -> list[str]:
        """What was taken, for one key or all."""
        return [one.text for one in self.messages if key in (None, one.key) and "file" not in one.body]

    def files(self, key: str) -> list[tuple[str, bytes]]:
        """The files that a group was shown: their names and what is in them."""
        shown = [one.body["file"]["media_id"] for one in self.messages if one.key == key and "file" in one.body]
        return [(self.media[media_id].name, self.media[media_id].content) for media_id in shown]

    def most_in_a_minute(self, key: str) -> int:
        """The most messages of a key that any sliding minute holds."""
        times = sorted(message.at for message in self.messages if message.key == key)
        return max((sum(start <= at < start + MINUTE for at in times) for start in times), default=0)

    # -- the wire

    async def _send(self, request: web.Request) -> web.StreamResponse:
        return await self._served(request, self._take)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        return await self._served(request, self._keep_media)

    async def _served(self, request: web.Request, judge: Callable[[web.Request, str], Any]) -> web.StreamResponse:
        key = request.query.get("key", "")
        self.requests.append(key)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            fault = self._fault_for(key)
            if fault is None:
                answer = await self._judged(request, key, judge)
                if self.watch is not None:
                    self.watch(False, answer)
                return web.json_response(answer)
            return await self._wrong(request, key, judge, fault)
        finally:
            self.at_once -= 1

    async def _wrong(
        self, request: web.Request, key: str, judge: Callable[[web.Request, str], Any], fault: Fault
    ) -> web.StreamResponse:
        if fault.seconds:
            await asyncio.sleep(fault.seconds)
        answer = await self._judged(request, key, judge) if fault.takes else {}
        if fault.hangs:
            await self._over.wait()
        if fault.resets or fault.hangs:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if fault.code is not None:
            answer = {"errcode": fault.code, "errmsg": f"refused, hint: [{key}], from ip: 127.0.0.1"}
        if fault.body is not None:
            return web.Response(status=fault.status, headers=fault.headers, body=fault.body)
        return web.json_response(answer, status=fault.status, headers=fault.headers)

    def _fault_for(self, key: str) -> Fault | None:
        for meant, faults in self._faults:
            if meant in (None, key) and faults:
                return faults.popleft()
        return None

    async def _judged(self, request: web.Request, key: str, judge: Callable[[web.Request, str], Any]) -> dict[str, Any]:
        try:
            if key not in self.keys:
                raise Refused(BAD_KEY)
            more = await judge(request, key)
        except Refused as refused:
            self.answers[refused.code] += 1
            return {"errcode": refused.code, "errmsg": SAID.get(refused.code, "invalid parameter")}
        self.answers[OK] += 1
        return {"errcode": OK, "errmsg": SAID[OK], **more}

    # -- the platform's rules

    async def _take(self, request: web.Request, key: str) -> dict[str, Any]:
        if request.content_type != "application/json":
            raise Refused(BAD_PARAMETER)
        try:
            body = json.loads((await request.read()).decode())
        except ValueError:
            raise Refused(BAD_PARAMETER) from None
        if self.watch is not None:
            self.watch(True, body)
        kind = body.get("msgtype") if isinstance(body, dict) else None
        rule = RULES.get(kind) if isinstance(kind, str) else None
        if rule is None:
            raise Refused(UNKNOWN_TYPE)
        content = body.get(kind)
        if not isinstance(content, dict):
            raise Refused(BAD_PARAMETER)
        rule(self, key, content)
        now = self.now()
        recent = sum(one.key == key and now - MINUTE < one.at <= now for one in self.messages)
        if recent >= PER_MINUTE:
            raise Refused(TOO_OFTEN)
        self.messages.append(Message(key, now, body))
        return {}

    def _text(self, _key: str, content: dict[str, Any]) -> None:
        _words(content, TEXT_BYTES)
        for name in ("mentioned_list", "mentioned_mobile_list"):
            listed = content.get(name, [])
            if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
                raise Refused(BAD_PARAMETER)

    def _markdown(self, _key: str, content: dict[str, Any]) -> None:
        _words(content, MARKDOWN_BYTES)

    def _image(self, _key: str, content: dict[str, Any]) -> None:
        try:
            # Neither a data URI nor line breaks.
            raw = base64.b64decode(content["base64"].encode(), validate=True)
            digest = content["md5"].lower()
        except (KeyError, AttributeError, binascii.Error, UnicodeEncodeError):
            raise Refused(BAD_PARAMETER) from None
        if len(raw) > IMAGE_BYTES or not raw.startswith(PICTURES):
            raise Refused(BAD_IMAGE)
        if hashlib.md5(raw).hexdigest() != digest:
            raise Refused(BAD_PARAMETER)

    def _news(self, _key: str, content: dict[str, Any]) -> None:
        articles = content.get("articles")
        if not isinstance(articles, list) or not 1 <= len(articles) <= 8:
            raise Refused(BAD_PARAMETER)
        for article in articles:
            if not isinstance(article, dict) or not article.get("title") or not article.get("url"):
                raise Refused(BAD_PARAMETER)
            # Cut, not refused; what is kept is what the group sees.
            for name, most in (("title", TITLE_BYTES), ("description", DESCRIPTION_BYTES)):
                if name in article:
                    article[name] = str(article[name]).encode()[:most].decode(errors="ignore")

    def _attached(self, key: str, content: dict[str, Any], kind: str) -> None:
        media = self.media.get(str(content.get("media_id")))
        if media is None or (media.key, media.kind) != (key, kind) or self.now() >= media.at + MEDIA_LIVES:
            raise Refused(BAD_MEDIA)

    def _file(self, key: str, content: dict[str, Any]) -> None:
        self._attached(key, content, "file")

    def _voice(self, key: str, content: dict[str, Any]) -> None:
        self._attached(key, content, "voice")

    def _card(self, key: str, content: dict[str, Any]) -> None:
        # Display only: a card that could call back is refused here.
        if content.get("card_type") not in ("text_notice", "news_notice"):
            raise Refused(BAD_PARAMETER)
        title = content.get("main_title", {})
        if not (title.get("title") or content.get("sub_title_text")):
            raise Refused(BAD_PARAMETER)
        for jump in content.get("jump_list", []):
            if jump.get("type") == 1 and not (jump.get("url") and jump.get("title")):
                raise Refused(BAD_PARAMETER)
        if len(content.get("jump_list", [])) > JUMPS:
            raise Refused(BAD_PARAMETER)
        action = content.get("card_action")
        if not isinstance(action, dict) or action.get("type") not in (1, 2):
            raise Refused(BAD_PARAMETER)
        if action["type"] == 1 and not action.get("url"):
            raise Refused(BAD_PARAMETER)
        for row in content.get("horizontal_content_list", []):
            needs = {1: "url", 2: "media_id", 3: "userid"}.get(row.get("type"))
            if needs is not None and not row.get(needs):
                raise Refused(BAD_PARAMETER)
            if needs == "media_id":
                self._attached(key, row, "file")

    async def _keep_media(self, request: web.Request, key: str) -> dict[str, Any]:
        kind = request.query.get("type", "")
        if kind not in ("file", "voice") or not request.content_type.startswith("multipart/"):
            raise Refused(BAD_PARAMETER)
        reader = await request.multipart()
        raw: bytes | None = None
        parts, name = 0, ""
        while (part := await reader.next()) is not None:
            parts += 1
            # `filename*=` alone is not understood.
            plain = "filename=" in getattr(part, "headers", {}).get("Content-Disposition", "")
            if getattr(part, "name", None) != "media" or not plain:
                raise Refused(BAD_PARAMETER)
            raw = await part.read()  # type: ignore[union-attr]
            name = getattr(part, "filename", None) or ""
        if parts != 1 or raw is None:
            raise Refused(BAD_PARAMETER)
        if not 5 < len(raw) <= (FILE_BYTES if kind == "file" else IMAGE_BYTES):
            raise Refused(BAD_FILE)
        if kind == "voice" and not raw.startswith(b"#!AMR"):
            raise Refused(BAD_PARAMETER)
        media_id = f"3a8{next(self._numbers):05d}"
        self.media[media_id] = Media(key, kind, self.now(), raw, name)
        return {"type": kind, "media_id": media_id, "created_at": str(int(self.now().timestamp()))}


def _words(content: dict[str, Any], most: int) -> None:
    words = content.get("content")
    if words is None or words == "":
        raise Refused(EMPTY)
    if not isinstance(words, str):
        raise Refused(BAD_PARAMETER)
    if len(words.encode(errors="surrogatepass")) > most:
        raise Refused(TOO_LONG)


RULES: dict[str, Callable[[WecomApi, str, dict[str, Any]], None]] = {
    "text": WecomApi._text,
    "markdown": WecomApi._markdown,
    "markdown_v2": WecomApi._markdown,
    "image": WecomApi._image,
    "news": WecomApi._news,
    "file": WecomApi._file,
    "voice": WecomApi._voice,
    "template_card": WecomApi._card,
}


def keys() -> Iterator[str]:
    """Webhook keys as the platform makes them."""
    for number in itertools.count(1):
        yield f"693a91f6-7ccc-4bc4-97a0-{number:012d}"
