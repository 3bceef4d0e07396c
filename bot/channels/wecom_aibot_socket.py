"""WeCom AI bot (智能机器人) over its long connection: no public address, it hears its mentions, answers, and pushes.

One process at a time holds the connection, for the gateway keeps one per bot: of several on one database whoever leads.
The channel is `Connected`: the house runs it beside its server, and the postman asks it whether it is there.

- What began is answered: a message that came in is answered on the next connection where its own has ended, and before
  the process stops. The same message brought twice gets one answer; its stream and card have ids made from it, so that
  the gateway knows the second of two.
- After a connection has ended, whatever the reason, the next one is tried, with a growing wait and jitter. Who was
  kicked by another program, or refused, raises an alarm and tries again slowly: two that kick each other help nobody.
- A push that was sent and not acknowledged is unknown, and is not sent again here.
- A picture is uploaded in pieces before it is pushed, once for all chats; where that fails, its text goes out. A file
  is uploaded likewise; where that fails, nothing goes out.

Source: developer.work.weixin.qq.com, pages 101463 (2026-03-13, revised 2026-04-01), 101027, 101031, 101032.
"""

import asyncio
import random
import re
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from time import monotonic
from typing import Literal, Protocol

from aiohttp import ClientError, web
from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

from bot import logs
from bot.channels import (
    FILE_BYTES,
    Ability,
    DeliveryError,
    File,
    Hear,
    Hears,
    Limit,
    OutcomeUnknown,
    Parcel,
    Unavailable,
    aibot_frames,
    refuse_size,
)
from bot.channels.aibot_frames import Body, FrameError, Press
from bot.channels.aibot_line import (
    CommandError,
    Frame,
    Line,
    NoAnswer,
    NotSent,
    Pace,
    Refused,
    Unsubscribed,
    Why,
    subscribed,
    uploaded,
)
from bot.channels.budget import Budget
from bot.channels.envelope import file_cipher, open_file
from bot.channels.uploads import Uploads, in_time
from bot.photos import Album, Link
from handlers.chat import Incoming, Reply

log = logs.logger(__name__)

GATEWAY = "wss://openws.work.weixin.qq.com"
PHOTO_BASES = ("https://ww-aibot-img-1258476243.cos.ap-guangzhou.myqcloud.com",)
LIMITS = (Limit(30, timedelta(minutes=1)), Limit(1000, timedelta(hours=1)))
"""Answers and pushes of one chat together (page 101463)."""

CONFLICT = 6000
STREAM_OVER, BAD_REQ_ID, NOT_SUBSCRIBED = 846608, 846605, 846609
BAD_CHAT, BAD_PARAMETER, TOO_LONG, TOO_OFTEN = 93006, 40058, 45002, 45009
NO_MEDIA = 40007
PERMANENT = frozenset({BAD_CHAT, BAD_PARAMETER, TOO_LONG})
"""What trying again does not heal. Codes beyond these may be passing."""
PICTURE_REFUSED = frozenset({BAD_PARAMETER, TOO_LONG, NO_MEDIA})
UPLOAD_LIMITS = (Limit(30, timedelta(minutes=1)), Limit(1000, timedelta(hours=1)))
"""Uploads of one bot (page 101463)."""
PICTURE = "placard.png"

RESPOND, WELCOME, UPDATE, PUSH = (
    "aibot_respond_msg",
    "aibot_respond_welcome_msg",
    "aibot_respond_update_msg",
    "aibot_send_msg",
)
TAKEN_MOST = 5_000
"""Messages that are remembered, so that a second copy is known. More than arrive while a gateway restarts."""
BUSY = "这会儿忙不过来，刚才那句没有办。请过一会儿再发一次。"
_BOT_ID = re.compile(r"[\x21-\x7e]{1,128}")


class Settings(BaseModel):
    """One AI bot in long-connection mode."""

    # Without hide_input a mistyped secret would stand in the error that reports it.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: Literal["wecom_aibot_socket"] = "wecom_aibot_socket"
    bot_id: str
    """BotID of the console."""
    secret: SecretStr
    """Secret of the console."""
    namespace: str = ""
    """As with the callback: `wecom:<corp id>` makes a userid the same person here and in the corp's app."""
    photo_bases: tuple[str, ...] = PHOTO_BASES
    """Where the platform keeps the pictures of messages; an address that leads elsewhere is not followed."""
    pictures: bool = True
    """Whether boards are shown as pictures."""
    url: str = GATEWAY

    @field_validator("bot_id")
    @classmethod
    def _bot_id_as_in_the_console(cls, bot_id: str) -> str:
        if not _BOT_ID.fullmatch(bot_id):
            raise ValueError("BotID 请从企业微信后台原样复制，前后不要留空格")
        return bot_id

    @field_validator("secret")
    @classmethod
    def _secret_as_in_the_console(cls, secret: SecretStr) -> SecretStr:
        if not _BOT_ID.fullmatch(secret.get_secret_value()):
            raise ValueError("Secret 请从企业微信后台原样复制，前后不要留空格")
        return secret

    @field_validator("namespace")
    @classmethod
    def _without_spaces(cls, value: str) -> str:
        if value != value.strip():
            raise ValueError("前后不要留空格")
        return value

    @field_validator("url")
    @classmethod
    def _nobody_listens_in(cls, url: str) -> str:
        if not url.startswith(("wss://", "ws://127.0.0.1", "ws://localhost")):
            raise ValueError("地址要以 wss:// 开头")
        return url


class Lead(Protocol):
    """Which of several processes holds the connection."""

    async def held(self) -> bool: ...

    def release(self) -> None: ...


class Alone:
    """The only process."""

    async def held(self) -> bool:
        return True

    def release(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Waits:
    """How long to wait, in seconds."""

    again_min: float = 1.0
    again_max: float = 30.0
    soon: int = 6
    """Tries at the shortest wait, before it grows: a gateway that is restarted is back within seconds."""
    steady: float = 3.0
    """A connection that held for so long was a good one: the next wait is the shortest."""
    alarmed_min: float = 300.0
    """After we were kicked or refused."""
    alarmed_max: float = 1_800.0
    lead: float = 2.0
    """Between two looks at who leads: another process takes over within a few of them."""
    window: float = 5.0
    """For a welcome and for a pressed card (page 101463)."""
    photo: float = 10.0
    """For the pictures of a message: nobody waits at the other end of a request, as with a callback."""
    answer: float = 3_600.0
    """An answer that could not go out for so long comes too late."""
    stop: float = 8.0
    """For what began to be answered when the process is told to stop."""
    busy: tuple[float, ...] = (0.2, 1.0, 3.0)
    """Between tries while the books are busy."""
    away: float = 2.0
    """For pushes while there is no connection."""
    trouble: float = 60.0
    """Without a connection for so long is trouble, which health reports."""

    def again(self, tries: int, chance: random.Random) -> float:
        """Before the next connection, after so many that did not hold."""
        return _growing(self.again_min, self.again_max, max(0, tries - self.soon), chance)

    def alarmed(self, alarms: int, chance: random.Random) -> float:
        """Before the next connection, after we were kicked or refused so many times."""
        return _growing(self.alarmed_min, self.alarmed_max, alarms - 1, chance)


def _growing(least: float, most: float, doubled: int, chance: random.Random) -> float:
    """With jitter: between half and all of least · 2^doubled, never above the most."""
    whole = min(most, least * 2 ** min(doubled, 20))
    return chance.uniform(whole / 2, whole)


@dataclass(slots=True)
class Taken:
    """One message or event that came in."""

    req_id: str
    body: Frame
    arrived: float
    answering: bool = True
    answered: bool = False


@dataclass(slots=True)
class Standing:
    """How the connection is, for health."""

    leads: bool = False
    since: float = field(default_factory=monotonic)
    """When there was last a change between having a connection and having none."""
    why: Why | None = None
    code: int = 0


class WecomAibotSocket:
    """An AI bot's long connection. Implements `Channel` and `Connected`."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        lead: Lead | None = None,
        refused: Callable[[str], None] | None = None,
        connected: Callable[[bool], None] | None = None,
        pace: Pace | None = None,
        waits: Waits | None = None,
        chance: random.Random | None = None,
    ) -> None:
        """`refused` is told why a callback could not be read, or why a connection ended; `connected`, whether there is
        one.
        """
        self.name = name
        self.namespace = settings.namespace or f"wecom-aibot:{name}"
        self._shared_ids = bool(settings.namespace)
        self._settings = settings
        self.ability = _ability(settings)
        self._album = Album(settings.photo_bases, seconds=(waits or Waits()).photo)
        self._lead = lead or Alone()
        self._refused = refused or (lambda reason: None)
        self._connected = connected or (lambda up: None)
        self._pace = pace or Pace()
        self._waits = waits or Waits()
        self._chance = chance or random.Random()
        self._line: Line | None = None
        self._online = asyncio.Event()
        self._running = False
        self._changed = asyncio.Event()
        """Told to stop, or given other settings: no wait goes on."""
        self._stopping = False
        self._standing = Standing()
        self._taken: OrderedDict[str, Taken] = OrderedDict()
        self._answering: set[asyncio.Task[None]] = set()
        self._budget = Budget(LIMITS, monotonic)
        self._uploads = Uploads(monotonic)
        self._upload_budget = Budget(UPLOAD_LIMITS, monotonic)
        self._hear: Hear | None = None

    # -- the Channel protocol ----------------------------------------

    def routes(self, hear: Hear) -> list[web.RouteDef]:
        """None: it calls, and is not called."""
        return []

    def adopt(self, settings: Settings) -> None:
        """Takes a changed secret, for the next connection, and tries that at once where there is none; takes whether to
        show pictures.
        """
        changed = settings.secret != self._settings.secret
        self.ability = _ability(settings)
        self._settings = self._settings.model_copy(update={"secret": settings.secret})
        if changed:
            self._changed.set()

    def address_of(self, external_id: str) -> str:
        """A person's own conversation has the person's id (page 101463)."""
        return external_id

    async def send(self, parcel: Parcel) -> None:
        """Pushes one message; see `Channel`."""
        if parcel.file is not None:
            return await self._push_file(parcel.address, parcel.file)
        if parcel.picture and await self._showed(parcel.address, parcel.picture):
            return
        first, *rest = aibot_frames.pushes(parcel.text, parcel.buttons)
        try:
            await self._push_once(parcel.address, first)
        except DeliveryError as no:
            if first["msgtype"] != "template_card" or no.code not in (BAD_PARAMETER, TOO_LONG):
                raise
            # The text says by itself what can be answered: better without buttons than not at all.
            log.error("aibot_socket.card_refused", channel=self.name, code=no.code)
            await self._push_once(parcel.address, aibot_frames.markdown(parcel.text))
        for body in rest:
            try:
                await self._push_once(parcel.address, body)
            except (DeliveryError, OutcomeUnknown) as error:
                log.warning("aibot_socket.buttons_lost", channel=self.name, error=str(error))

    async def _showed(self, chat: str, picture: bytes) -> bool:
        """Pushes a picture in place of its text; whether it was taken. Raises DeliveryError and OutcomeUnknown."""
        try:
            media_id = await self._uploads.id_of(picture, self._upload)
        except (CommandError, TimeoutError) as error:
            # Nobody has seen anything of it, and the text says the same.
            log.warning("aibot_socket.picture_lost", channel=self.name, error=type(error).__name__)
            return False
        try:
            await self._push_once(chat, aibot_frames.image(media_id))
            return True
        except DeliveryError as no:
            if no.code not in PICTURE_REFUSED:
                raise
            log.error("aibot_socket.picture_refused", channel=self.name, code=no.code)
            self._uploads.forget()
            return False

    async def _push_file(self, chat: str, file: File) -> None:
        """Pushes a file. Raises DeliveryError and OutcomeUnknown."""
        refuse_size(file, self.ability.file_bytes)
        try:
            media_id = await in_time(self._upload(file.content, file.name, "file"))
        except Refused as no:
            raise self._no(no) from None
        except CommandError:
            # Nobody has seen anything of it.
            raise DeliveryError("the file was not uploaded", permanent=False, code="not_sent") from None
        await self._push_once(chat, aibot_frames.file(media_id))

    async def _upload(self, content: bytes, name: str = PICTURE, kind: str = "image") -> str:
        """The media id of what is uploaded. Raises a `CommandError`. Source: page 101463."""
        if self._upload_budget.wait("") > 0:
            raise NotSent("upload")
        self._upload_budget.count("")
        return await uploaded(lambda cmd, body: self._command("", cmd, body, ""), content, name, kind)

    async def _push_once(self, chat: str, body: Body) -> None:
        wait = self._budget.wait(chat)
        if wait > 0:
            raise DeliveryError("too soon", permanent=False, code="not_sent", pause=timedelta(seconds=wait))
        try:
            await self._push(chat, body)
        except Refused as no:
            raise self._no(no) from None
        except NotSent:
            raise DeliveryError("the long connection is down", permanent=False, code="not_sent") from None
        except NoAnswer:
            raise OutcomeUnknown("no acknowledgement on the long connection") from None

    def _no(self, no: Refused) -> DeliveryError:
        pause = timedelta(minutes=1) if no.code == TOO_OFTEN else None
        return DeliveryError(_MEANT.get(no.code, "refused"), permanent=no.code in PERMANENT, code=no.code, pause=pause)

    async def close(self) -> None:
        """Releases what pictures were fetched with; the connection ended with `run`."""
        await self._album.close()

    # -- what the house and the postman ask of a channel that is connected ----------------------------------------

    async def run(self, hear: Hear) -> None:
        """Holds the connection until it is stopped, and then until what began is answered."""
        self._hear, self._running = hear, True
        tries = alarms = 0
        try:
            while not self._stopping:
                self._changed.clear()
                leads = await self._lead.held()
                self._stand(leads=leads)
                if not leads:
                    await self._rest(self._waits.lead)
                    continue
                began = monotonic()
                why = await self._hold()
                if self._stopping or why is Why.LEFT:
                    continue
                self._refused(why)
                good = monotonic() - began >= self._waits.steady
                if why in (Why.KICKED, Why.REFUSED) and await self._lead.held():
                    alarms, tries = 1 if good else alarms + 1, 0
                    self._alarm(why)
                    await self._rest(self._waits.alarmed(alarms, self._chance))
                else:
                    tries, alarms = 1 if good else tries + 1, 0 if good else alarms
                    log.warning("aibot_socket.ended", channel=self.name, why=why.value)
                    if tries > 1:
                        # Perhaps another process reaches what we do not.
                        await asyncio.to_thread(self._lead.release)
                    await self._rest(self._waits.again(tries, self._chance))
        finally:
            if self._answering:
                log.error("aibot_socket.unanswered", channel=self.name, count=len(self._answering))
            for task in self._answering:
                task.cancel()
            await asyncio.to_thread(self._lead.release)

    def stop(self) -> None:
        """Ends `run`, when what began is answered."""
        self._stopping = True
        self._changed.set()

    def away(self, address: str) -> timedelta | None:
        """How long a push to this address has to wait before this process can send it; None where it can now."""
        if self._line is None or not self._line.live:
            # Where another process has the connection, what we hold is left to it at once.
            elsewhere = self._running and not self._standing.leads
            return timedelta(0) if elsewhere else timedelta(seconds=self._waits.away)
        wait = self._budget.wait(address)
        return timedelta(seconds=wait) if wait > 0 else None

    def trouble(self) -> str:
        """Why nothing is heard, in Chinese; nothing while all is well, or while another process leads."""
        standing = self._standing
        if not standing.leads or self._online.is_set():
            return ""
        if standing.why is Why.KICKED:
            return "另一个程序用同一个机器人连上了，这边被断开；请停掉那一个，几分钟内会自己再连"
        if standing.why is Why.REFUSED:
            return f"企业微信不认这个 BotID 或 Secret（{standing.code}），请在后台核对"
        lasted = monotonic() - standing.since
        return "" if lasted < self._waits.trouble else f"长连接断了{lasted:.0f}秒，正在重连；请检查这台机器能不能上网"

    # -- the connection ----------------------------------------

    async def _hold(self) -> Why:
        """One connection from its beginning to its end."""
        settings = self._settings
        try:
            async with subscribed(
                settings.url, settings.bot_id, settings.secret.get_secret_value(), self._pace
            ) as line:
                return await self._live(line)
        except Unsubscribed as no:
            self._standing.why, self._standing.code = Why.REFUSED, no.code
            return Why.REFUSED
        except (OSError, ClientError, TimeoutError) as error:
            log.warning("aibot_socket.unreachable", channel=self.name, error=type(error).__name__)
            return Why.UNREACHABLE
        finally:
            if self._line is not None:
                self._line = None
                self._online.clear()
                self._standing.since = monotonic()
                self._connected(False)

    async def _live(self, line: Line) -> Why:
        self._line = line
        self._standing.since, self._standing.why = monotonic(), None
        self._online.set()
        self._connected(True)
        log.info("aibot_socket.online", channel=self.name)
        watch = asyncio.create_task(self._watch(line))
        try:
            why = await line.listen(self._brought)
        finally:
            watch.cancel()
            await asyncio.wait([watch])
        self._standing.why = why
        return why

    async def _watch(self, line: Line) -> None:
        """Leaves the connection when we are told to stop, when another process leads, or when the secret is another."""
        while True:
            await self._rest(self._waits.lead)
            if self._stopping:
                break
            if self._changed.is_set() or not await self._lead.held():
                await line.leave()
                return
        # What comes in meanwhile is heard as well: nobody else would answer it.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._waits.stop):
                while self._answering:
                    await asyncio.wait(self._answering)
        await line.leave()

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _stand(self, *, leads: bool) -> None:
        if leads != self._standing.leads:
            self._standing.leads, self._standing.since = leads, monotonic()
            log.info("aibot_socket.leads" if leads else "aibot_socket.stands_by", channel=self.name)

    def _alarm(self, why: Why) -> None:
        event = "aibot_socket.kicked" if why is Why.KICKED else "aibot_socket.refused"
        log.error(event, channel=self.name, code=self._standing.code)

    # -- what comes in ----------------------------------------

    def _brought(self, frame: Frame) -> None:
        """Takes a callback, and answers it in a task of its own."""
        body, req_id = frame.get("body"), frame["headers"]["req_id"]
        if not isinstance(body, dict):
            return
        key = body.get("msgid")
        before = self._taken.get(key) if isinstance(key, str) else None
        if before is not None:
            # The newest req_id is the one that the gateway surely knows.
            before.req_id = req_id
            if before.answering or before.answered:
                return
        taken = before or Taken(req_id, body, monotonic())
        taken.answering = True
        if isinstance(key, str):
            self._taken[key] = taken
            while len(self._taken) > TAKEN_MOST:
                self._taken.popitem(last=False)
        task = asyncio.create_task(self._answer(taken))
        self._answering.add(task)
        task.add_done_callback(self._answered)

    def _answered(self, task: "asyncio.Task[None]") -> None:
        self._answering.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("aibot_socket.failed", channel=self.name, exc_info=error)

    async def _answer(self, taken: Taken) -> None:
        try:
            incoming = aibot_frames.read_frame(
                taken.body, channel=self.name, namespace=self.namespace, fold_sender=self._shared_ids
            )
            if incoming is None:
                return
            press, event = aibot_frames.read_press(taken.body), aibot_frames.event_kind(taken.body)
        except FrameError:
            self._refused("frame")
            return
        try:
            if pictures := aibot_frames.pictures(taken.body):
                incoming = await self._album.bring(incoming, [_link(picture) for picture in pictures])
            reply = await self._heard(incoming)
            if not reply.text.strip():
                taken.answered = True
            elif press is not None:
                taken.answered = await self._update(taken, incoming, press, reply)
            elif event:
                taken.answered = await self._welcome(taken, incoming, reply)
            else:
                taken.answered = await self._respond(taken, incoming, reply)
        finally:
            taken.answering = False

    async def _heard(self, incoming: Incoming) -> Reply:
        assert self._hear is not None
        for wait in self._waits.busy:
            try:
                return await self._hear(incoming)
            except Unavailable:
                # Nothing was written, and the gateway does not bring it again by itself.
                await asyncio.sleep(wait)
        try:
            return await self._hear(incoming)
        except Unavailable:
            return Reply(BUSY)

    # -- what goes out in answer ----------------------------------------

    async def _respond(self, taken: Taken, incoming: Incoming, reply: Reply) -> bool:
        """Answers a message, on this connection or a later one; whether it was taken."""
        sender = taken.body["from"]["userid"]
        bodies = aibot_frames.answers(reply, message_id=incoming.message_id, sender=sender)
        text, chat = reply.text, _chat(taken)
        for body in bodies:
            kept = await self._keep_trying(chat, taken, body)
            if kept is _Kept.REFUSED and body["msgtype"] == "template_card" and len(bodies) == 1:
                # The text says by itself what can be answered: better without buttons than not at all.
                name = aibot_frames.stream_id(incoming.message_id)
                kept = await self._keep_trying(chat, taken, aibot_frames.finished_stream(text, stream_id=name))
            if kept is not _Kept.TAKEN:
                return False
        return True

    async def _keep_trying(self, chat: str, taken: Taken, body: Body, *, by_push: bool = False) -> "_Kept":
        """Sends one body of an answer until it is taken, refused for good, or too late."""
        until, lost = taken.arrived + self._waits.answer, 0
        while monotonic() < until:
            try:
                await self._until_allowed(chat)
                if by_push:
                    await self._push(chat, _as_push(body))
                else:
                    await self._command(chat, RESPOND, body, taken.req_id)
                return _Kept.TAKEN
            except NotSent:
                if not await self._back(until):
                    break
            except NoAnswer:
                lost += 1
                if lost > 1 or by_push:
                    # Its ids make a second copy harmless, a third would not be wiser.
                    log.error("aibot_socket.answer_unknown", channel=self.name, cmd=RESPOND)
                    return _Kept.UNKNOWN
            except Refused as no:
                if no.code in (BAD_REQ_ID, STREAM_OVER, BAD_PARAMETER) and lost:
                    return _Kept.TAKEN  # the first copy had arrived
                if no.code == BAD_REQ_ID and not by_push:
                    by_push = True  # the gateway has forgotten the message, and not the chat
                elif no.code == STREAM_OVER:
                    return _Kept.TAKEN
                elif no.code in (CONFLICT, TOO_OFTEN, NOT_SUBSCRIBED):
                    await asyncio.sleep(self._waits.away if no.code != CONFLICT else self._waits.away / 10)
                else:
                    log.error("aibot_socket.answer_refused", channel=self.name, code=no.code)
                    return _Kept.REFUSED
        log.error("aibot_socket.answer_late", channel=self.name)
        return _Kept.LATE

    async def _welcome(self, taken: Taken, incoming: Incoming, reply: Reply) -> bool:
        """Greets within the window; afterwards nobody waits for it."""
        body = aibot_frames.welcome(reply, message_id=incoming.message_id, sender=taken.body["from"]["userid"])
        return await self._in_window(taken, WELCOME, body)

    async def _update(self, taken: Taken, incoming: Incoming, press: Press, reply: Reply) -> bool:
        """Shows on the card what was done; where that comes too late, says it."""
        if await self._in_window(taken, UPDATE, aibot_frames.update(press, reply)):
            return True
        kept = await self._keep_trying(_chat(taken), taken, aibot_frames.markdown(reply.text), by_push=True)
        return kept is _Kept.TAKEN

    async def _in_window(self, taken: Taken, cmd: str, body: Body) -> bool:
        while monotonic() < taken.arrived + self._waits.window:
            try:
                await self._command("", cmd, body, taken.req_id)
                return True
            except NoAnswer:
                # What people see of it twice is the same.
                return True
            except NotSent:
                if not await self._back(taken.arrived + self._waits.window):
                    return False
            except Refused as no:
                if no.code != CONFLICT:
                    log.warning("aibot_socket.window_missed", channel=self.name, cmd=cmd, code=no.code)
                    return False
                await asyncio.sleep(self._waits.away / 10)
        return False

    async def _back(self, until: float) -> bool:
        """Waits for a connection; whether there is one in time, and nobody has told us to stop meanwhile."""
        if self._line is not None and not self._line.live:
            self._online.clear()
        while not self._online.is_set() and not self._stopping and monotonic() < until:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(1.0, max(0.0, until - monotonic()))):
                    await self._online.wait()
        return self._online.is_set()

    # -- commands and their limits ----------------------------------------

    async def _push(self, chat: str, body: Body) -> None:
        await self._command(chat, PUSH, {"chatid": chat, **body}, "")

    async def _command(self, chat: str, cmd: str, body: Body, req_id: str) -> Frame:
        """Sends a command, which counts for its chat where it has one; returns what was said of it.

        Raises a `CommandError`.
        """
        line = self._line
        if line is None or not line.live:
            raise NotSent(cmd)
        if chat:
            self._budget.count(chat)
        return await line.command(cmd, body, req_id=req_id)

    async def _until_allowed(self, chat: str) -> None:
        wait = self._budget.wait(chat)
        while wait > 0:
            await asyncio.sleep(wait)
            wait = self._budget.wait(chat)


class _Kept(StrEnum):
    """What became of one body of an answer."""

    TAKEN = "taken"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    LATE = "late"


_MEANT = {
    BAD_CHAT: "no such chat, or nobody there has written to the bot yet",
    TOO_OFTEN: "too many messages to this chat",
}


def _ability(settings: Settings) -> Ability:
    return Ability(
        hears=Hears.MENTIONS,
        pushes_to_groups=True,
        pushes_to_people=True,
        writes_first=False,
        text_bytes=aibot_frames.CONTENT_BYTES,
        markdown_bytes=aibot_frames.CONTENT_BYTES,
        buttons=True,
        pictures=settings.pictures,
        file_bytes=FILE_BYTES,
        limits=LIMITS,
    )


def _chat(taken: Taken) -> str:
    """Where an answer goes by a push: the group, else the person."""
    return str(taken.body.get("chatid") or taken.body["from"]["userid"])


def _link(picture: aibot_frames.Picture) -> Link:
    """Each picture brings its own key (page 101463)."""
    return Link(picture.url, lambda sealed: open_file(sealed, file_cipher(picture.aes_key)))


def _as_push(body: Body) -> Body:
    """The same as something that is no answer: a push knows no streams."""
    return aibot_frames.markdown(body["stream"]["content"]) if body["msgtype"] == "stream" else body
