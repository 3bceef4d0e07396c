"""WeCom's side of a self-built app, for tests and fault runs: tokens and messages, a real HTTP server on loopback.

Written from the published descriptions (pages 91039, 90236, 90240, 90241, 90253, 90254, 90312, 90313, 94888) and apart
from the channel. Time is a clock that the test moves. It keeps every message that a person got, in order, as the JSON
that came, and does not tell what the platform does not tell: above 30 a minute to one person it takes a message and
shows it to nobody.
"""

import asyncio
import itertools
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from aiohttp import web

from tests.fakes.wecom_api import Fault

TOKEN_LIVES = timedelta(seconds=7200)
CODE_LIVES = timedelta(hours=72)
A_MINUTE, AN_HOUR = timedelta(minutes=1), timedelta(hours=1)
PER_MINUTE, PER_HOUR = 30, 1000
"""What one person is shown of one app; the rest is dropped without a word (page 90312)."""
TEXT_BYTES = 2048
IMAGE_BYTES = 10 * 1024 * 1024
FILE_BYTES = 20 * 1024 * 1024
MEDIA_LIVES = timedelta(days=3)
PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
TASK_ID = re.compile(r"[0-9a-zA-Z_\-@]{1,128}")

OK, BUSY, BAD_SECRET, BAD_CORP = 0, -1, 40001, 40013
BAD_MEDIA, BAD_FILE = 40007, 40009
BAD_TOKEN, NO_TOKEN, OLD_TOKEN, OTHER_AGENT, BAD_ADDRESS = 40014, 41001, 42001, 301002, 60020
NOBODY, BAD_PARAMETER, BAD_KIND, TOO_LONG, TOO_OFTEN = 81013, 40058, 40008, 45002, 45009
USED_CODE = 40058

BUTTON_MOST = 6


@dataclass(frozen=True)
class Shown:
    """One message that one person sees."""

    user: str
    at: datetime
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """Its words, of whatever kind with words it is."""
        if self.body["msgtype"] == "template_card":
            card = self.body["template_card"]
            return "\n".join(filter(None, (card["main_title"].get("title"), card.get("sub_title_text"))))
        return str(self.body[self.body["msgtype"]]["content"])


@dataclass(frozen=True)
class Media:
    """A file that lies with the platform for three days."""

    content: bytes
    at: datetime
    kind: str = "image"
    name: str = ""


@dataclass(frozen=True)
class Code:
    """The right to change one card once, within three days."""

    user: str
    at: datetime


class Refused(Exception):
    """The platform's no, by its number."""

    def __init__(self, code: int, words: str = "refused") -> None:
        super().__init__(code)
        self.code, self.words = code, words


class WecomCorp:
    """One company with one app. `async with WecomCorp(users, now) as corp:` listens at `corp.url`."""

    corp_id, secret, agent_id = "wwfake0123456789", "an-app-secret", 1000007

    def __init__(
        self,
        users: set[str],
        now: Callable[[], datetime],
        *,
        port: int = 0,
        watch: Callable[[bool, Any], None] | None = None,
    ) -> None:
        """`watch` is told of each call whether the bot made it, and what it is; then of the answer to it."""
        self.watch = watch
        self.users = users
        """Who is in the app's visible range, in lower case."""
        self.unlicensed: set[str] = set()
        self.now = now
        self.trusted = True
        """Whether the caller's address stands in the list of trusted ones."""
        self.shown: list[Shown] = []
        """What people see, in order."""
        self.dropped: list[Shown] = []
        """What was taken and is seen by nobody."""
        self.updates: list[dict[str, Any]] = []
        self.replaced: dict[tuple[str, str], str] = {}
        """What stands on the buttons of a card, by its task and whoever pressed it: only they see it so."""
        self.answers: Counter[int] = Counter()
        self.media: dict[str, Media] = {}
        self.uploaded = 0
        self.asked_for_media: list[str] = []
        self.asked_for_tokens = 0
        self.tokens_at_once = self.most_tokens_at_once = 0
        self.token_seconds = 0.0
        """How long it takes to answer a question for a token."""
        self.url = ""
        self._tokens: dict[str, datetime] = {}
        self._codes: dict[str, Code] = {}
        self._tasks: set[str] = set()
        self._faults: deque[Fault] = deque()
        self._numbers = itertools.count(1)
        self._port = port
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2 * FILE_BYTES, middlewares=[self._watched])
        app.router.add_get("/cgi-bin/gettoken", self._gettoken)
        app.router.add_get("/cgi-bin/media/get", self._give_media)
        app.router.add_post("/cgi-bin/media/upload", self._take_media)
        app.router.add_post("/cgi-bin/message/send", self._message)
        app.router.add_post("/cgi-bin/message/update_template_card", self._update)
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

    def meets(self, *faults: Fault, times: int = 1) -> None:
        """The next messages meet these faults, one each."""
        self._faults.extend(faults * times)

    def kills_tokens(self) -> None:
        """Every token dies before its time, as the platform allows itself."""
        self._tokens.clear()

    def sends(self, user: str, content: bytes, message_id: str, *, url: str = "") -> bytes:
        """The callback of a picture that a person sends to the app, as page 90239 shapes it."""
        return (
            f"<xml><ToUserName><![CDATA[{self.corp_id}]]></ToUserName><FromUserName><![CDATA[{user}]]></FromUserName>"
            f"<CreateTime>1767225600</CreateTime><MsgType><![CDATA[image]]></MsgType><PicUrl><![CDATA[{url}]]></PicUrl>"
            f"<MediaId><![CDATA[{self.keeps(content)}]]></MediaId><MsgId>{message_id}</MsgId>"
            f"<AgentID>{self.agent_id}</AgentID></xml>"
        ).encode()

    def keeps(self, content: bytes, kind: str = "image", name: str = "") -> str:
        """The id of a file that lies with the platform from now on."""
        media_id = f"1G6nrLmr5EC3MMb_-zK{next(self._numbers):05d}"
        self.media[media_id] = Media(content, self.now(), kind, name)
        return media_id

    def files(self, user: str) -> list[tuple[str, bytes]]:
        """The files that one person was sent: their names and what is in them."""
        sent = [one.body["file"]["media_id"] for one in self.shown if one.user == user and "file" in one.body]
        return [(self.media[media_id].name, self.media[media_id].content) for media_id in sent]

    def pictures(self, user: str) -> list[bytes]:
        """The pictures that one person sees, in order."""
        images = [one.body["image"] for one in self.shown if one.user == user and one.body["msgtype"] == "image"]
        return [self.media[image["media_id"]].content for image in images]

    def texts(self, user: str) -> list[str]:
        """What one person reads, in order."""
        return [
            shown.text for shown in self.shown if shown.user == user and shown.body["msgtype"] not in ("image", "file")
        ]

    def card(self, user: str, at: int = -1) -> dict[str, Any]:
        """The card that is the last message of a person, or an earlier one."""
        message = [shown for shown in self.shown if shown.user == user][at]
        assert message.body["msgtype"] == "template_card", message.text
        found: dict[str, Any] = message.body["template_card"]
        return found

    def press(self, user: str, label: str, *, card: dict[str, Any] | None = None, at: int = 1767225600) -> bytes:
        """The callback of a press on a person's last card, or on the one given, as page 90240 shapes it."""
        card = card or self.card(user.lower())
        key = next(button["key"] for button in card["button_list"] if button["text"] == label)
        return (
            f"<xml><ToUserName><![CDATA[{self.corp_id}]]></ToUserName><FromUserName><![CDATA[{user}]]></FromUserName>"
            f"<CreateTime>{at}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
            "<Event><![CDATA[template_card_event]]></Event>"
            f"<EventKey><![CDATA[{key}]]></EventKey><TaskId><![CDATA[{card['task_id']}]]></TaskId>"
            f"<CardType><![CDATA[button_interaction]]></CardType>"
            f"<ResponseCode><![CDATA[{self.gives_code(user)}]]></ResponseCode><AgentID>{self.agent_id}</AgentID></xml>"
        ).encode()

    def answered(self, inner: bytes, *, task: str = "") -> str:
        """Takes a passive reply, which is text or changes the pressed card of this task; returns its words."""
        if not inner:
            return ""
        reply = ET.fromstring(inner)
        user, kind = reply.findtext("ToUserName", "").lower(), reply.findtext("MsgType")
        if kind == "update_button":
            assert task, "only a press changes a card"
            self.replaced[task, user] = reply.findtext("Button/ReplaceName", "")
            return self.replaced[task, user]
        assert kind == "text"
        words = reply.findtext("Content", "")
        assert 0 < len(words.encode()) <= TEXT_BYTES
        self.shown.append(Shown(user, self.now(), {"msgtype": "text", "text": {"content": words}}))
        return words

    # -- the wire

    async def _gettoken(self, request: web.Request) -> web.Response:
        self.asked_for_tokens += 1
        self.tokens_at_once += 1
        self.most_tokens_at_once = max(self.most_tokens_at_once, self.tokens_at_once)
        try:
            await asyncio.sleep(self.token_seconds)
            self._refuse_address()
            if request.query.get("corpid") != self.corp_id:
                raise Refused(BAD_CORP, "invalid corpid")
            if request.query.get("corpsecret") != self.secret:
                raise Refused(BAD_SECRET, "invalid credential")
        except Refused as refused:
            return self._no(refused)
        finally:
            self.tokens_at_once -= 1
        now = self.now()
        token, ends = next(((token, ends) for token, ends in self._tokens.items() if ends > now), ("", now))
        if not token:
            token, ends = f"token-{next(self._numbers):03d}", now + TOKEN_LIVES
            self._tokens[token] = ends
        seconds = int((ends - now).total_seconds())
        return self._yes({"access_token": token, "expires_in": seconds})

    async def _message(self, request: web.Request) -> web.StreamResponse:
        fault = self._faults.popleft() if self._faults else None
        if fault is None:
            return await self._judged(request, self._take)
        if fault.seconds:
            await asyncio.sleep(fault.seconds)
        answer: web.StreamResponse = web.Response()
        if fault.takes:
            answer = await self._judged(request, self._take)
        if fault.hangs:
            await self._over.wait()
        if fault.resets or fault.hangs:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if fault.body is not None:
            return web.Response(status=fault.status, body=fault.body)
        if fault.code is not None:
            return self._no(Refused(fault.code))
        return answer

    async def _update(self, request: web.Request) -> web.StreamResponse:
        return await self._judged(request, self._change)

    @web.middleware
    async def _watched(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.watch is not None:
            kind = request.content_type
            said = await request.json() if kind == "application/json" else {**_without_secrets(request.query)}
            self.watch(True, {request.path.removeprefix("/cgi-bin/"): said})
        answer: web.StreamResponse = await handler(request)
        if self.watch is not None and isinstance(answer, web.Response):
            said = json.loads(answer.text or "{}") if answer.content_type == "application/json" else answer.content_type
            self.watch(False, _without_secrets(said) if isinstance(said, dict) else said)
        return answer

    async def _give_media(self, request: web.Request) -> web.StreamResponse:
        self.asked_for_media.append(request.query.get("media_id", ""))
        if self._faults:
            return await self._wrong(request, self._faults.popleft())
        try:
            self._refuse_address()
            self._refuse_token(request.query.get("access_token", ""))
            found = self._living(request.query.get("media_id", ""))
        except Refused as refused:
            return self._no(refused)
        self.answers[OK] += 1
        return web.Response(body=found.content, content_type="image/jpeg")

    async def _take_media(self, request: web.Request) -> web.StreamResponse:
        if self._faults:
            return await self._wrong(request, self._faults.popleft())
        try:
            self._refuse_address()
            self._refuse_token(request.query.get("access_token", ""))
            kind = request.query.get("type", "")
            if kind not in ("image", "file") or request.content_type != "multipart/form-data":
                raise Refused(BAD_PARAMETER)
            part = await (await request.multipart()).next()
            # `filename*=` alone is not understood.
            plain = "filename=" in getattr(part, "headers", {}).get("Content-Disposition", "")
            if getattr(part, "name", None) != "media" or not plain:
                raise Refused(BAD_PARAMETER)
            content = bytes(await part.read())  # type: ignore[union-attr]
            if not 5 < len(content) <= (IMAGE_BYTES if kind == "image" else FILE_BYTES):
                raise Refused(BAD_FILE)
            if kind == "image" and not content.startswith(PICTURES):
                raise Refused(BAD_FILE)
        except Refused as refused:
            return self._no(refused)
        self.uploaded += 1
        media_id = self.keeps(content, kind, getattr(part, "filename", None) or "")
        return self._yes({"type": kind, "media_id": media_id, "created_at": str(int(self.now().timestamp()))})

    def _living(self, media_id: str) -> Media:
        found = self.media.get(media_id)
        if found is None or found.at + MEDIA_LIVES <= self.now():
            raise Refused(BAD_MEDIA, "invalid media_id")
        return found

    async def _wrong(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        """What a fault makes of a call about a file, of which nothing is kept."""
        if fault.hangs:
            await self._over.wait()
        if fault.resets and request.transport is not None:
            request.transport.abort()
        if fault.code is not None:
            return self._no(Refused(fault.code))
        return web.Response(status=fault.status, body=fault.body or b"")

    async def _judged(self, request: web.Request, judge: Callable[[dict[str, Any]], dict[str, Any]]) -> web.Response:
        try:
            self._refuse_address()
            self._refuse_token(request.query.get("access_token", ""))
            try:
                body = json.loads((await request.read()).decode())
            except ValueError:
                raise Refused(BAD_PARAMETER) from None
            if not isinstance(body, dict):
                raise Refused(BAD_PARAMETER)
            if body.get("agentid") != self.agent_id:
                raise Refused(OTHER_AGENT)
            return self._yes(judge(body))
        except Refused as refused:
            return self._no(refused)

    def _yes(self, more: dict[str, Any]) -> web.Response:
        self.answers[OK] += 1
        return web.json_response({"errcode": OK, "errmsg": "ok", **more})

    def _no(self, refused: Refused) -> web.Response:
        self.answers[refused.code] += 1
        return web.json_response({"errcode": refused.code, "errmsg": refused.words})

    def _refuse_address(self) -> None:
        if not self.trusted:
            raise Refused(BAD_ADDRESS, "not allow to access from your ip, hint: [1], from ip: 203.0.113.9, more info")

    def _refuse_token(self, token: str) -> None:
        if not token:
            raise Refused(NO_TOKEN)
        ends = self._tokens.get(token)
        if ends is None:
            raise Refused(BAD_TOKEN)
        if ends <= self.now():
            raise Refused(OLD_TOKEN)

    # -- the platform's rules

    def _take(self, body: dict[str, Any]) -> dict[str, Any]:
        named = [one for one in str(body.get("touser", "")).split("|") if one]
        kind = body.get("msgtype")
        content = body.get(kind) if isinstance(kind, str) else None
        rule = RULES.get(kind) if isinstance(kind, str) else None
        if rule is None:
            raise Refused(BAD_KIND)
        if not isinstance(content, dict) or not named or len(named) > 1000:
            raise Refused(BAD_PARAMETER)
        rule(self, content)
        known = [one for one in named if one.lower() in self.users]
        invalid = [one.lower() for one in named if one.lower() not in self.users]
        unlicensed = [one.lower() for one in known if one.lower() in self.unlicensed]
        if not known:
            raise Refused(NOBODY, "user & party & tag all invalid")
        for one in known:
            if one.lower() not in self.unlicensed:
                self._show(one.lower(), body)
        answer: dict[str, Any] = {"msgid": f"msg-{next(self._numbers)}"}
        if kind == "template_card":
            answer["response_code"] = self.gives_code(known[0].lower())
        if invalid:
            answer["invaliduser"] = "|".join(invalid)
        if unlicensed:
            answer["unlicenseduser"] = "|".join(unlicensed)
        return answer

    def gives_code(self, user: str) -> str:
        """A new right to change one person's card: with a sent card, and with each press."""
        code = f"code-{next(self._numbers):03d}"
        self._codes[code] = Code(user, self.now())
        return code

    def _show(self, user: str, body: dict[str, Any]) -> None:
        now = self.now()
        mine = [one.at for one in self.shown if one.user == user]
        full = any(
            sum(now - span < at <= now for at in mine) >= most
            for span, most in ((A_MINUTE, PER_MINUTE), (AN_HOUR, PER_HOUR))
        )
        (self.dropped if full else self.shown).append(Shown(user, now, body))

    def _text(self, content: dict[str, Any]) -> None:
        words = content.get("content")
        if not isinstance(words, str) or not words:
            raise Refused(BAD_PARAMETER)
        if len(words.encode()) > TEXT_BYTES:
            raise Refused(TOO_LONG)

    def _image(self, content: dict[str, Any]) -> None:
        self._attached(content, "image")

    def _file(self, content: dict[str, Any]) -> None:
        self._attached(content, "file")

    def _attached(self, content: dict[str, Any], kind: str) -> None:
        if self._living(str(content.get("media_id"))).kind != kind:
            raise Refused(BAD_MEDIA, "invalid media type")

    def _card(self, content: dict[str, Any]) -> None:
        task = content.get("task_id")
        if content.get("card_type") != "button_interaction":
            raise Refused(BAD_PARAMETER)
        if not isinstance(task, str) or not TASK_ID.fullmatch(task) or task in self._tasks:
            raise Refused(BAD_PARAMETER, "task_id")
        buttons = content.get("button_list")
        if not isinstance(buttons, list) or not 1 <= len(buttons) <= BUTTON_MOST:
            raise Refused(BAD_PARAMETER, "button_list")
        for button in buttons:
            if not button.get("text") or not 0 < len(str(button.get("key", "")).encode()) <= 1024:
                raise Refused(BAD_PARAMETER, "button")
        if not content.get("main_title", {}).get("title"):
            raise Refused(BAD_PARAMETER, "main_title")
        self._tasks.add(task)

    def _change(self, body: dict[str, Any]) -> dict[str, Any]:
        code = self._codes.pop(str(body.get("response_code")), None)
        if code is None or code.at + CODE_LIVES <= self.now():
            raise Refused(USED_CODE, "response_code")
        if not body.get("userids"):
            raise Refused(BAD_PARAMETER, "userids")
        self.updates.append(body)
        return {}


def _without_secrets(fields: Any) -> dict[str, Any]:
    return {name: "…" if name in ("access_token", "corpsecret") else value for name, value in fields.items()}


RULES: dict[str, Callable[[WecomCorp, dict[str, Any]], None]] = {
    "text": WecomCorp._text,
    "image": WecomCorp._image,
    "file": WecomCorp._file,
    "template_card": WecomCorp._card,
}
