"""WeCom's side of the AI bot's long connection, for tests and fault runs: a real WebSocket server on loopback.

Written from the published description (pages 101463, 101027, 101032) and apart from the channel. Before it judged our
client it was held against programs that we did not write: the published clients `wecom-aibot-python-sdk` 1.0.2 and
`wecom-aibot-sdk` 1.0.8 (Python) and `@wecom/aibot-node-sdk` 1.0.7 (Node), which subscribed, pinged, answered with
streams, cards and welcomes, updated cards, pushed, uploaded a file, were refused with a wrong secret and kicked by a
second connection, each with what they themselves call success and failure. (The first of them insists on TLS, which was
taken out of it for that.)

It keeps what people see: a stream is one message however often its frames come, a card is what it was last updated to.
Faults are put in line: each command takes the next one. Where the description is silent the stricter guess is taken.
"""

import asyncio
import base64
import hashlib
import itertools
import json
import re
import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Self

from aiohttp import WSCloseCode, WSMsgType, web

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
LIMITS = ((30, MINUTE), (1_000, HOUR))
"""Replies and pushes of one chat together."""
CONTENT_BYTES, KEY_BYTES, BUTTONS = 20_480, 1_024, 6
CHUNK_BYTES, CHUNKS = 512 * 1024, 100
TASK_ID = re.compile(r"[0-9A-Za-z_\-@]{1,128}")

OK, CONFLICT, BAD_PARAMETER, TOO_LONG, TOO_OFTEN = 0, 6000, 40058, 45002, 45009
BAD_REQ_ID, STREAM_OVER, NOT_SUBSCRIBED = 846605, 846608, 846609
BAD_CHAT, BAD_BOT, BAD_SECRET = 93006, 93019, 853000


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one command."""

    code: int | None = None
    """An errcode to answer, whatever was sent; nothing of it is kept."""
    loses: bool = False
    """It is judged and kept, and its acknowledgement never comes."""
    vanishes: bool = False
    """It never arrives."""
    acks: int = 1
    """How often it is acknowledged."""
    seconds: float = 0.0
    """How long the acknowledgement takes."""
    closes: int | None = None
    """The connection is closed with this code, after the command was kept, without its acknowledgement."""
    aborts: bool = False
    """The connection is cut, after the command was kept, without its acknowledgement."""
    forges: bool = False
    """Before it is acknowledged, acknowledgements and commands come that nobody can know."""


LOST = Fault(loses=True)
DOUBLED = Fault(acks=2)
ABORTS = Fault(aborts=True)
VANISHES = Fault(vanishes=True)


@dataclass
class Callback:
    """One message or event that the platform brings to the bot."""

    body: dict[str, Any]
    event: str = ""
    brought: list[tuple[str, float]] = field(default_factory=list)
    """The req_id and the moment of each time that it was brought."""
    shown: "list[Shown]" = field(default_factory=list)
    """What people saw in answer."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def chat(self) -> str:
        return str(self.body.get("chatid") or self.body["from"]["userid"])

    @property
    def texts(self) -> list[str]:
        return [one.text for one in self.shown]


@dataclass
class Shown:
    """One message as people see it in a chat."""

    chat: str
    cmd: str
    kind: str
    at: float
    content: dict[str, Any]
    pushed: bool
    updates: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What a card was updated to, by person; under an empty name for everybody."""

    @property
    def text(self) -> str:
        """The words, also those of a card."""
        return words_of(self.content) if self.kind == "template_card" else str(self.content.get("content", ""))

    def as_seen_by(self, user: str) -> dict[str, Any]:
        """The card as this person has it before them."""
        return self.updates.get(user) or self.updates.get("") or self.content


def words_of(card: dict[str, Any]) -> str:
    """What a card says, line by line."""
    title = card.get("main_title", {})
    lines = (title.get("title"), title.get("desc"), card.get("sub_title_text"))
    return "\n".join(line for line in lines if line)


def labels_of(card: dict[str, Any]) -> list[str]:
    """What stands on the buttons of a card."""
    return [button["text"] for button in card.get("button_list", [])]


class Refused(Exception):
    """The platform's no, by its number."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(eq=False)
class Line:
    """One connection."""

    socket: web.WebSocketResponse
    request: web.Request
    bot: str = ""
    """Empty before it has subscribed."""
    heard_at: float = 0.0
    """When its last ping came."""
    open_acks: set[str] = field(default_factory=set)
    """The req_ids whose acknowledgement is on its way."""
    watch: Callable[[bool, Any], None] | None = None

    async def tell(self, frame: dict[str, Any]) -> None:
        if self.watch is not None:
            self.watch(False, frame)
        # As the platform does: any spacing, and the letters as they are.
        with suppress(ConnectionError, RuntimeError):
            await self.socket.send_str(json.dumps(frame, ensure_ascii=False))

    def abort(self) -> None:
        if self.request.transport is not None:
            self.request.transport.abort()


@dataclass
class Upload:
    """A file that comes in pieces."""

    asked: dict[str, Any]
    chunks: dict[int, bytes] = field(default_factory=dict)


class AibotGateway:
    """The platform. `async with AibotGateway({"bot": "secret"}) as gateway:` listens at `gateway.url`.

    `now` counts limits and the hours of a req_id; `window_seconds`, `stream_seconds` and `quiet_seconds` are those of
    the description unless a test has less time. `remembers` says whether a req_id outlives the connection that brought
    it, about which the description is silent; `repeats` whether what was brought and not answered is brought again to
    the next connection.
    """

    def __init__(
        self,
        bots: dict[str, str],
        *,
        now: Callable[[], float] = monotonic,
        port: int = 0,
        window_seconds: float = 5.0,
        stream_seconds: float = 360.0,
        quiet_seconds: float = 100.0,
        limits: Iterable[tuple[int, float]] = LIMITS,
        remembers: bool = True,
        repeats: bool = True,
        watch: Callable[[bool, Any], None] | None = None,
    ) -> None:
        """`watch` is told of each frame whether the bot sent it, and the frame."""
        self.bots = bots
        self.watch = watch
        self.now = now
        self.window_seconds = window_seconds
        self.stream_seconds = stream_seconds
        self.quiet_seconds = quiet_seconds
        self.limits = tuple(limits)
        self.remembers = remembers
        self.repeats = repeats
        self.url = ""
        self.shown: list[Shown] = []
        """Everything that people see, in order."""
        self.frames: list[dict[str, Any]] = []
        """Every frame that came, in order, whatever became of it."""
        self.answers: Counter[int] = Counter()
        """How often each errcode was given."""
        self.subscribed: list[float] = []
        """The moment of each subscription that was accepted."""
        self.tried = 0
        """How many connections were opened."""
        self.kicked = 0
        self.silent = False
        """Nothing is answered any more, and nothing said."""
        self.deaf_to_pings = False
        self.chats: set[str] = set()
        """Where somebody has written to the bot."""
        self.media: dict[str, str] = {}
        """The kind of each file that was uploaded."""
        self.files: dict[str, bytes] = {}
        self.names: dict[str, str] = {}
        self.most_in_flight = 0
        """The most commands of one req_id that were under way at once."""
        self._times: dict[str, list[float]] = {}
        """When each chat got something, in order."""
        self._callbacks: list[Callback] = []
        self._by_req_id: dict[str, Callback] = {}
        self._streams: dict[str, tuple[float, Shown | None, bool]] = {}
        self._tasks_taken: dict[str, Shown] = {}
        self._uploads: dict[str, Upload] = {}
        self._faults: deque[Fault] = deque()
        self._lines: list[Line] = []
        self._numbers = itertools.count(1)
        self._port = port
        self._working: set[asyncio.Task[None]] = set()
        self._came = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens, after a `stop` on the same port."""
        app = web.Application()
        app.router.add_get("/", self._connected)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"ws://127.0.0.1:{self._port}"

    async def stop(self, code: int = WSCloseCode.GOING_AWAY) -> None:
        """Goes away as a restarted gateway does; what it knows of chats and messages stays."""
        await self.close_all(code)
        for task in self._working:
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # -- what a test says and asks

    async def says(self, text: str, /, *, user: str = "wangxiuying", chat: str = "", **more: Any) -> Callback:
        """Somebody writes to the bot, in the group `chat` or to it alone. `more` overrules parts of the body."""
        body = {"msgtype": "text", "text": {"content": text}, **self._place(user, chat), **more}
        return await self.brings(Callback(body))

    async def enters(self, user: str = "wangxiuying") -> Callback:
        """Somebody opens the conversation with the bot, for the first time today."""
        return await self.brings(self._event("enter_chat", {}, user, ""))

    async def presses(self, card: Shown, button: str, *, user: str = "wangxiuying") -> Callback:
        """Somebody presses a button of a card, as they have it before them."""
        seen = card.as_seen_by(user)
        key = next(one["key"] for one in seen["button_list"] if one["text"] == button)
        # Ids of groups begin with `wr`; a card in a direct conversation stands in its own.
        chat = card.chat if card.chat.startswith("wr") else ""
        pressed = {"card_type": seen["card_type"], "event_key": key, "task_id": card.content["task_id"]}
        return await self.brings(self._event("template_card_event", pressed, user, chat))

    async def brings(self, callback: Callback) -> Callback:
        """Brings a callback to the bot's connection; where there is none, to the next one."""
        self._callbacks.append(callback)
        self.chats.add(callback.chat)
        if self.line is not None:
            await self._bring(self.line, callback)
        return callback

    async def again(self, callback: Callback) -> None:
        """Brings the same callback once more."""
        assert self.line is not None
        await self._bring(self.line, callback)

    def meets(self, *faults: Fault, times: int = 1) -> None:
        """The next commands meet these faults, one each. Subscriptions and pings are no commands."""
        self._faults.extend(faults * times)

    def heals(self) -> None:
        """Takes back all faults that nobody met yet."""
        self._faults.clear()

    async def close_all(self, code: int = WSCloseCode.OK) -> None:
        """Closes every connection in an orderly way."""
        for line in list(self._lines):
            with suppress(ConnectionError, RuntimeError, TimeoutError):
                async with asyncio.timeout(1):
                    await line.socket.close(code=code)

    def abort_all(self) -> None:
        """Cuts every connection."""
        for line in list(self._lines):
            line.abort()

    @property
    def line(self) -> Line | None:
        """The connection that has subscribed."""
        return next((line for line in reversed(self._lines) if line.bot and not line.socket.closed), None)

    async def until(self, condition: Callable[[], Any], seconds: float = 10.0) -> None:
        """Waits until something is the case. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._came.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._came.wait(), 0.02)

    async def online(self, seconds: float = 10.0) -> Line:
        """Waits until a connection has subscribed, and returns it."""
        await self.until(lambda: self.line is not None, seconds)
        assert self.line is not None
        return self.line

    async def answer(self, callback: Callback, seconds: float = 10.0) -> list[str]:
        """Waits until a callback has its answer; returns what people saw."""
        async with asyncio.timeout(seconds):
            await callback.answered.wait()
        return callback.texts

    def texts(self, chat: str | None = None) -> list[str]:
        """What people see in a chat, or everywhere, in order."""
        return [one.text for one in self.shown if chat in (None, one.chat)]

    def most_in(self, chat: str, seconds: float) -> int:
        """The most messages of a chat that any sliding span holds."""
        times = [one.at for one in self.shown if one.chat == chat]
        return max((sum(start <= at < start + seconds for at in times) for start in times), default=0)

    # -- the wire

    def _place(self, user: str, chat: str) -> dict[str, Any]:
        place: dict[str, Any] = {
            "msgid": f"CAIQ{secrets.token_hex(12)}",
            "aibotid": next(iter(self.bots)),
            "chattype": "group" if chat else "single",
            "from": {"userid": user},
        }
        return {**place, "chatid": chat} if chat else place

    def _event(self, kind: str, more: dict[str, Any], user: str, chat: str) -> Callback:
        event = {"eventtype": kind, **({kind: more} if more else {})}
        body = {"msgtype": "event", "create_time": 1_767_225_600, "event": event, **self._place(user, chat)}
        return Callback(body, kind)

    async def _bring(self, line: Line, callback: Callback) -> None:
        req_id = f"req-{next(self._numbers)}-{secrets.token_hex(4)}"
        callback.brought.append((req_id, self.now()))
        self._by_req_id[req_id] = callback
        cmd = "aibot_event_callback" if callback.event else "aibot_msg_callback"
        await line.tell({"cmd": cmd, "headers": {"req_id": req_id}, "body": callback.body})

    async def _connected(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(timeout=0.2)
        await socket.prepare(request)
        line = Line(socket, request, heard_at=monotonic(), watch=self.watch)
        self._lines.append(line)
        self.tried += 1
        watch = asyncio.create_task(self._watch(line))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT and not self.silent:
                    await self._heard(line, message.data)
        finally:
            watch.cancel()
            self._lines.remove(line)
            if not self.remembers:
                self._by_req_id.clear()
            self._came.set()
        return socket

    async def _watch(self, line: Line) -> None:
        """Closes a connection that no longer pings."""
        left = self.quiet_seconds
        while left > 0:
            await asyncio.sleep(left)
            left = line.heard_at + self.quiet_seconds - monotonic()
        await line.socket.close(code=WSCloseCode.POLICY_VIOLATION)

    async def _heard(self, line: Line, text: str) -> None:
        frame = json.loads(text)
        self.frames.append(frame)
        if self.watch is not None:
            self.watch(True, frame)
        cmd, req_id = frame["cmd"], frame["headers"]["req_id"]
        try:
            if cmd == "aibot_subscribe":
                await self._subscribe(line, req_id, frame["body"])
            elif cmd == "ping":
                line.heard_at = monotonic()
                if not self.deaf_to_pings:
                    await self._ack(line, req_id, OK)
            else:
                await self._command(line, cmd, req_id, frame.get("body") or {})
        finally:
            self._came.set()

    async def _ack(self, line: Line, req_id: str, code: int, body: dict[str, Any] | None = None) -> None:
        self.answers[code] += 1
        hint = "ok" if code == OK else f"refused, hint: [{secrets.token_hex(4)}], from ip: 127.0.0.1"
        frame = {"headers": {"req_id": req_id}, "errcode": code, "errmsg": hint}
        await line.tell(frame if body is None else {**frame, "body": body})

    async def _subscribe(self, line: Line, req_id: str, body: dict[str, Any]) -> None:
        bot = body.get("bot_id", "")
        code = BAD_BOT if bot not in self.bots else BAD_SECRET if self.bots[bot] != body.get("secret") else OK
        await self._ack(line, req_id, code)
        if code != OK:
            await line.socket.close(code=WSCloseCode.POLICY_VIOLATION)
            return
        older = [other for other in self._lines if other.bot == bot and other is not line]
        line.bot = bot
        self.subscribed.append(self.now())
        for other in older:
            other.bot = ""
            self.kicked += 1
            event = self._event("disconnected_event", {}, "", "")
            headers = {"req_id": f"req-{next(self._numbers)}"}
            await other.tell({"cmd": "aibot_event_callback", "headers": headers, "body": event.body})
            self._later(other.socket.close())
        for callback in self._callbacks:
            # A window of five seconds is over by then.
            if not callback.event and not callback.shown and (self.repeats or not callback.brought):
                await self._bring(line, callback)

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _command(self, line: Line, cmd: str, req_id: str, body: dict[str, Any]) -> None:
        fault = self._faults.popleft() if self._faults else Fault()
        if fault.vanishes:
            return
        under_way = req_id in line.open_acks
        self.most_in_flight = max(self.most_in_flight, 1 + under_way)
        code, more = OK, None
        try:
            if not line.bot:
                raise Refused(NOT_SUBSCRIBED)
            if under_way:
                raise Refused(CONFLICT)
            if fault.code is not None:
                raise Refused(fault.code)
            more = RULES[cmd](self, line, req_id, body) if cmd in RULES else self._no_such_command()
        except Refused as refused:
            code = refused.code
        if fault.aborts:
            line.abort()
        elif fault.closes is not None:
            await line.socket.close(code=fault.closes)
        elif not fault.loses:
            line.open_acks.add(req_id)
            self._later(self._acknowledge(line, req_id, code, more, fault))

    def _no_such_command(self) -> None:
        raise Refused(BAD_PARAMETER)

    async def _acknowledge(self, line: Line, req_id: str, code: int, more: dict[str, Any] | None, fault: Fault) -> None:
        if fault.forges:
            await line.tell({"headers": {"req_id": "nobody-asked"}, "errcode": 40058, "errmsg": "?"})
            await line.tell({"headers": {}, "errcode": 0})
            await line.tell({"cmd": "aibot_new_thing", "headers": {"req_id": "new"}, "body": {}})
        if fault.seconds:
            await asyncio.sleep(fault.seconds)
        line.open_acks.discard(req_id)
        for _ in range(fault.acks):
            await self._ack(line, req_id, code, more)

    # -- the platform's rules

    def _count(self, chat: str) -> None:
        now, times = self.now(), self._times.setdefault(chat, [])
        if any(len(times) >= most and times[-most] > now - span for most, span in self.limits):
            raise Refused(TOO_OFTEN)

    def _show(
        self, chat: str, cmd: str, kind: str, content: dict[str, Any], *, callback: Callback | None = None
    ) -> Shown:
        shown = Shown(chat, cmd, kind, self.now(), content, pushed=callback is None)
        self.shown.append(shown)
        self._times.setdefault(chat, []).append(shown.at)
        if callback is not None:
            callback.shown.append(shown)
            callback.answered.set()
        return shown

    def _reply(self, line: Line, req_id: str, body: dict[str, Any]) -> None:
        callback = self._by_req_id.get(req_id)
        if callback is None or callback.event or self.now() - dict(callback.brought)[req_id] > DAY:
            raise Refused(BAD_REQ_ID)
        kind = body.get("msgtype", "")
        content = _object(body, kind)
        if kind == "stream":
            self._stream(callback, content)
            return
        if kind not in ("markdown", "template_card", *MEDIA):
            raise Refused(BAD_PARAMETER)
        task = self._checked(kind, content)
        self._count(callback.chat)
        shown = self._show(callback.chat, "aibot_respond_msg", kind, content, callback=callback)
        if task:
            self._tasks_taken[task] = shown

    def _stream(self, callback: Callback, content: dict[str, Any]) -> None:
        name = content.get("id")
        if not isinstance(name, str) or not name:
            raise Refused(BAD_PARAMETER)
        _words(content)
        began, shown, over = self._streams.get(name, (self.now(), None, False))
        if over or self.now() - began > self.stream_seconds:
            raise Refused(STREAM_OVER)
        if shown is None:
            self._count(callback.chat)
            shown = self._show(callback.chat, "aibot_respond_msg", "stream", content, callback=callback)
        shown.content = content
        self._streams[name] = (began, shown, content.get("finish") is True)

    def _checked(self, kind: str, content: dict[str, Any]) -> str:
        """Judges a body; returns the task id of a card."""
        if kind == "markdown":
            _words(content)
        elif kind in MEDIA:
            if self.media.get(str(content.get("media_id"))) != kind:
                raise Refused(BAD_PARAMETER)
        else:
            _card(content)
            task = str(content.get("task_id", ""))
            if task in self._tasks_taken:
                raise Refused(BAD_PARAMETER)
            return task
        return ""

    def _in_window(self, req_id: str, event: str) -> Callback:
        callback = self._by_req_id.get(req_id)
        if callback is None or callback.event != event:
            raise Refused(BAD_REQ_ID)
        if self.now() - dict(callback.brought)[req_id] > self.window_seconds:
            raise Refused(BAD_REQ_ID)
        return callback

    def _welcome(self, line: Line, req_id: str, body: dict[str, Any]) -> None:
        callback = self._in_window(req_id, "enter_chat")
        kind = body.get("msgtype", "")
        content = _object(body, kind)
        if callback.shown or kind not in ("text", "template_card"):
            raise Refused(BAD_PARAMETER)
        if kind == "text":
            _words(content)
        else:
            task = self._checked(kind, content)
        shown = self._show(callback.chat, "aibot_respond_welcome_msg", kind, content, callback=callback)
        if kind == "template_card" and task:
            self._tasks_taken[task] = shown

    def _update(self, line: Line, req_id: str, body: dict[str, Any]) -> None:
        callback = self._in_window(req_id, "template_card_event")
        card = _object(body, "template_card")
        if body.get("response_type") != "update_template_card":
            raise Refused(BAD_PARAMETER)
        _card(card)
        task = callback.body["event"]["template_card_event"]["task_id"]
        if card.get("task_id") != task or task not in self._tasks_taken:
            raise Refused(BAD_PARAMETER)
        users = body.get("userids", [""])
        if not isinstance(users, list) or not all(isinstance(user, str) for user in users):
            raise Refused(BAD_PARAMETER)
        shown = self._tasks_taken[task]
        for user in users:
            shown.updates[user] = card
        callback.shown.append(shown)
        callback.answered.set()

    def _push(self, line: Line, req_id: str, body: dict[str, Any]) -> None:
        chat, kind = body.get("chatid"), body.get("msgtype", "")
        if chat not in self.chats:
            raise Refused(BAD_CHAT)
        group = str(chat).startswith("wr")
        if body.get("chat_type", 0) not in (0, 2 if group else 1):
            raise Refused(BAD_CHAT)
        content = _object(body, kind)
        if kind not in ("markdown", "template_card", *MEDIA):
            raise Refused(BAD_PARAMETER)
        task = self._checked(kind, content)
        self._count(str(chat))
        shown = self._show(str(chat), "aibot_send_msg", kind, content)
        if task:
            self._tasks_taken[task] = shown

    # -- files

    def _upload_init(self, line: Line, req_id: str, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("type") not in MEDIA or not body.get("filename") or not 1 <= body.get("total_chunks", 0) <= CHUNKS:
            raise Refused(BAD_PARAMETER)
        upload_id = f"upload{next(self._numbers)}"
        self._uploads[upload_id] = Upload(body)
        return {"upload_id": upload_id}

    def _upload_chunk(self, line: Line, req_id: str, body: dict[str, Any]) -> dict[str, Any]:
        upload = self._uploads.get(str(body.get("upload_id")))
        index, raw = body.get("chunk_index"), base64.b64decode(str(body.get("base64_data", "")), validate=True)
        if upload is None or not isinstance(index, int) or not 0 < len(raw) <= CHUNK_BYTES:
            raise Refused(BAD_PARAMETER)
        upload.chunks.setdefault(index, raw)
        return {}

    def _upload_finish(self, line: Line, req_id: str, body: dict[str, Any]) -> dict[str, Any]:
        upload = self._uploads.pop(str(body.get("upload_id")), None)
        if upload is None:
            raise Refused(BAD_PARAMETER)
        count = upload.asked["total_chunks"]
        # The page counts from one, its client from zero.
        if sorted(upload.chunks) not in ([*range(count)], [*range(1, count + 1)]):
            raise Refused(BAD_PARAMETER)
        raw = b"".join(upload.chunks[index] for index in sorted(upload.chunks))
        digest = upload.asked.get("md5")
        if len(raw) != upload.asked.get("total_size") or digest not in (None, hashlib.md5(raw).hexdigest()):
            raise Refused(BAD_PARAMETER)
        media_id = f"3a8{next(self._numbers):05d}"
        self.media[media_id], self.files[media_id] = upload.asked["type"], raw
        self.names[media_id] = upload.asked["filename"]
        return {"type": upload.asked["type"], "media_id": media_id, "created_at": "1767225600"}


MEDIA = ("image", "file", "voice", "video")


def _object(body: dict[str, Any], name: str) -> dict[str, Any]:
    content = body.get(name)
    if not isinstance(content, dict):
        raise Refused(BAD_PARAMETER)
    return content


def _words(content: dict[str, Any]) -> None:
    words = content.get("content")
    if not isinstance(words, str) or not words.strip():
        raise Refused(BAD_PARAMETER)
    if len(words.encode(errors="surrogatepass")) > CONTENT_BYTES:
        raise Refused(TOO_LONG)


def _card(card: dict[str, Any]) -> None:
    """What the description asks of a card of each kind (page 101032)."""
    needs = CARDS.get(card.get("card_type", ""))
    if needs is None or any(not card.get(name) for name in needs):
        raise Refused(BAD_PARAMETER)
    if "task_id" in card and not TASK_ID.fullmatch(str(card["task_id"])):
        raise Refused(BAD_PARAMETER)
    if "main_title" in card and not words_of(card):
        raise Refused(BAD_PARAMETER)
    buttons = card.get("button_list", [])
    keys = [button.get("key") for button in buttons]
    if len(buttons) > BUTTONS or len(set(keys)) < len(keys):
        raise Refused(BAD_PARAMETER)
    for button in buttons:
        key, text = button.get("key"), button.get("text")
        if not isinstance(key, str) or not 0 < len(key.encode()) <= KEY_BYTES or not text:
            raise Refused(BAD_PARAMETER)
        if button.get("style", 1) not in (1, 2, 3, 4):
            raise Refused(BAD_PARAMETER)


CARDS = {
    "text_notice": ("card_action",),
    "news_notice": ("main_title", "card_action"),
    "button_interaction": ("main_title", "button_list", "task_id"),
    "vote_interaction": ("main_title", "checkbox", "submit_button", "task_id"),
    "multiple_interaction": ("main_title", "select_list", "submit_button"),
}

Rule = Callable[[AibotGateway, Line, str, dict[str, Any]], dict[str, Any] | None]
RULES: dict[str, Rule] = {
    "aibot_respond_msg": AibotGateway._reply,
    "aibot_respond_welcome_msg": AibotGateway._welcome,
    "aibot_respond_update_msg": AibotGateway._update,
    "aibot_send_msg": AibotGateway._push,
    "aibot_upload_media_init": AibotGateway._upload_init,
    "aibot_upload_media_chunk": AibotGateway._upload_chunk,
    "aibot_upload_media_finish": AibotGateway._upload_finish,
}
