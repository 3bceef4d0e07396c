"""One connection to WeCom's gateway for AI bots: subscribed, kept alive, commands and their acknowledgements.

- A command ends in one of four ways: taken, `Refused` by its number, `NotSent` (nothing of it left), or `NoAnswer` (it
  left, and whether it arrived nobody knows). A connection that ends lets every command that waits end so.
- What nobody asked for is passed by: acknowledgements that come twice or too late, commands that are new.
- It ends by itself when two pings stay unanswered, and says why it ended.

Source: developer.work.weixin.qq.com, page 101463 (2026-03-13, revised 2026-04-01).
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, ClientWSTimeout, WSMsgType

from bot.channels import aibot_frames

FRAME_BYTES = 4 * 1024 * 1024
"""No frame of the gateway is longer: files come as addresses."""

Frame = dict[str, Any]
Brought = Callable[[Frame], None]
"""Takes a callback that the gateway brings; must return at once."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things may take, in seconds."""

    connect: float = 10.0
    subscribe: float = 10.0
    """The page names no limit; other programs wait as long."""
    ping: float = 30.0
    pings_unanswered: int = 2
    acknowledge: float = 5.0
    close: float = 2.0


class Why(StrEnum):
    """Why a connection ended, or never began."""

    UNREACHABLE = "unreachable"
    """There was no connection to be had."""
    REFUSED = "refused"
    """The gateway does not take this bot id and secret."""
    CLOSED = "closed"
    """The gateway closed it: it is restarted, or has had enough."""
    SILENT = "silent"
    """Pings stayed unanswered."""
    KICKED = "kicked"
    """Another connection of the same bot took its place."""
    LEFT = "left"
    """We closed it."""


class CommandError(Exception):
    """A command was not taken."""


class NotSent(CommandError):
    """There is no connection: nothing of the command left."""


class NoAnswer(CommandError):
    """The command left, and its acknowledgement did not come: it may have arrived."""


class Refused(CommandError):
    """The gateway said no. `code` is its number, which alone means anything (page 90313)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"errcode {code}")
        self.code = code


class Unsubscribed(Exception):
    """The gateway refused the subscription. `code` is its number, 0 where it said nothing in time."""

    def __init__(self, code: int) -> None:
        super().__init__(f"errcode {code}")
        self.code = code


class Line:
    """A subscribed connection."""

    def __init__(self, socket: ClientWebSocketResponse, pace: Pace) -> None:
        self._socket = socket
        self._pace = pace
        self._acks: dict[str, asyncio.Future[Frame]] = {}
        self._why: Why | None = None

    @property
    def live(self) -> bool:
        """Whether a command would leave."""
        return self._why is None and not self._socket.closed

    async def command(self, cmd: str, body: Frame | None, *, req_id: str = "") -> Frame:
        """Sends a command and waits until it is taken; returns what was said of it. Raises a `CommandError`."""
        req_id = req_id or f"{cmd}_{secrets.token_hex(8)}"
        if not self.live or req_id in self._acks:
            # Two commands of one req_id under way at once are refused by the gateway (errcode 6000).
            raise NotSent(cmd)
        acknowledged: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._acks[req_id] = acknowledged
        frame: Frame = {"cmd": cmd, "headers": {"req_id": req_id}}
        if body is not None:
            frame["body"] = body
        try:
            async with asyncio.timeout(self._pace.acknowledge):
                await self._socket.send_str(json.dumps(frame, ensure_ascii=False))
                said = await acknowledged
        except (TimeoutError, ClientError, ConnectionError):
            raise NoAnswer(cmd) from None
        finally:
            self._acks.pop(req_id, None)
        code = said.get("errcode")
        if code != 0:
            raise Refused(code if isinstance(code, int) else -1)
        body = said.get("body")
        return body if isinstance(body, dict) else {}

    async def listen(self, brought: Brought) -> Why:
        """Hands on what the gateway brings until the connection ends; says why it did."""
        pinging = asyncio.create_task(self._ping())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    self._heard(message.data, brought)
        finally:
            pinging.cancel()
            await asyncio.wait([pinging])
            self._end(Why.CLOSED)
        assert self._why is not None
        return self._why

    async def leave(self, why: Why = Why.LEFT) -> None:
        """Closes it. What waits for an acknowledgement ends as `NoAnswer`."""
        self._end(why)
        await self._socket.close()

    def _end(self, why: Why) -> None:
        self._why = self._why or why
        for acknowledged in self._acks.values():
            if not acknowledged.done():
                acknowledged.set_exception(ConnectionResetError())

    def _heard(self, text: str, brought: Brought) -> None:
        try:
            frame = json.loads(text)
            req_id = frame["headers"]["req_id"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        if not isinstance(req_id, str):
            return
        if frame.get("cmd"):
            event = frame["body"].get("event") if isinstance(frame.get("body"), dict) else None
            if isinstance(event, dict) and event.get("eventtype") == "disconnected_event":
                self._end(Why.KICKED)
                return
            brought(frame)
            return
        acknowledged = self._acks.get(req_id)
        if acknowledged is not None and not acknowledged.done():
            acknowledged.set_result(frame)

    async def _ping(self) -> None:
        missed = 0
        while missed < self._pace.pings_unanswered:
            await asyncio.sleep(self._pace.ping)
            try:
                await self.command("ping", None)
                missed = 0
            except CommandError:
                missed += 1
        await self.leave(Why.SILENT)


@asynccontextmanager
async def subscribed(url: str, bot_id: str, secret: str, pace: Pace) -> AsyncIterator[Line]:
    """A connection that the gateway has taken. Raises Unsubscribed, or OSError, ClientError and TimeoutError."""
    timeout = ClientWSTimeout(ws_close=pace.close)
    async with ClientSession() as session:
        async with asyncio.timeout(pace.connect):
            socket = await session.ws_connect(url, timeout=timeout, max_msg_size=FRAME_BYTES)
        try:
            yield await _subscribe(socket, bot_id, secret, pace)
        finally:
            await socket.close()


async def uploaded(
    tell: Callable[[str, Frame], Awaitable[Frame]], content: bytes, name: str, kind: str = "image"
) -> str:
    """Uploads a picture, or a `file`, in pieces; returns its media id. Each step is told by `tell`.

    Raises a `CommandError`. Once more where an acknowledgement was lost: the platform passes over what it has already.
    """

    async def told(cmd: str, body: Frame) -> Frame:
        try:
            return await tell(cmd, body)
        except NoAnswer:
            return await tell(cmd, body)

    begun = await told("aibot_upload_media_init", aibot_frames.upload_of(content, name, kind))
    upload_id = begun.get("upload_id")
    for piece in aibot_frames.pieces_of(content, str(upload_id)):
        await told("aibot_upload_media_chunk", piece)
    ended = await told("aibot_upload_media_finish", {"upload_id": upload_id})
    media_id = ended.get("media_id")
    if not isinstance(media_id, str) or not media_id:
        raise NoAnswer("aibot_upload_media_finish")
    return media_id


async def _subscribe(socket: ClientWebSocketResponse, bot_id: str, secret: str, pace: Pace) -> Line:
    req_id = f"aibot_subscribe_{secrets.token_hex(8)}"
    body = {"bot_id": bot_id, "secret": secret}
    await socket.send_str(json.dumps({"cmd": "aibot_subscribe", "headers": {"req_id": req_id}, "body": body}))
    code = await _acknowledgement(lambda: socket.receive(), req_id, pace.subscribe)
    if code:
        raise Unsubscribed(code)
    return Line(socket, pace)


async def _acknowledgement(receive: Callable[[], Awaitable[Any]], req_id: str, seconds: float) -> int:
    """The errcode of the subscription; what else comes before it is not ours yet. Raises ConnectionResetError."""
    async with asyncio.timeout(seconds):
        while True:
            message = await receive()
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                raise ConnectionResetError("closed before it was subscribed")
            if message.type is not WSMsgType.TEXT:
                continue
            try:
                frame = json.loads(message.data)
                if frame["headers"]["req_id"] == req_id and not frame.get("cmd"):
                    return int(frame["errcode"])
            except (ValueError, KeyError, TypeError):
                continue
