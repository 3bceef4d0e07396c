"""WeCom self-built app (自建应用): it hears members one to one over XML callbacks, and writes to them; never a group.

A passive reply knows no cards. So with the app's secret an answer with buttons goes out as a message of its own, and
the callback gets nothing more to say; whatever keeps that message from going, the passive text is still there.

Pictures of members are asked for by their media id, and where that is not to be had, or without a secret, fetched from
the address beside it. What is shown as a picture is uploaded, once for all who get it.

Source: developer.work.weixin.qq.com, pages 90238 (callbacks), 91039 (access token), 90236 (messages sent first), 90312
(limits), 90253 and 90254 (media).
"""

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, TypeVar

import aiohttp
from aiohttp import web
from pydantic import Field, SecretStr, field_validator

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
    cards,
    refuse_size,
)
from bot.channels.app_messages import TEXT_BYTES, messages, parse, read_fields, read_press, render, render_pressed
from bot.channels.budget import Budget
from bot.channels.callback import READ_SECONDS, CallbackSettings, CallbackUrl
from bot.channels.envelope import Keys, open_xml, seal_xml
from bot.channels.uploads import Uploads, in_time
from bot.channels.wecom_calls import TOKEN_DEAD, Said, Tokens, Trouble, called, client, fetched, refused
from bot.photos import FETCH_BYTES_MAX, FETCH_SECONDS, Album, Link, NoPhoto, NotNow
from handlers.chat import Incoming, Reply

log = logs.logger(__name__)

T = TypeVar("T")

LIMITS = (Limit(30, timedelta(minutes=1)), Limit(1000, timedelta(hours=1)))
"""What one member is shown of one app. The platform drops the rest and says that it went well (page 90312)."""
UNREACHABLE = {
    81013: "the person is not in the app's visible range",
    60111: "there is no such member",
    60011: "the app may not see this member",
    40008: "unknown msgtype",
    40058: "bad parameter",
    44004: "empty content",
    45002: "content too long",
}
"""Answers to a message that never heal by trying again (pages 90236, 90313)."""
CARD_REFUSED = frozenset({40008, 40058, 44004, 45002})
"""Of these, what the platform says of a card that it does not like."""
NO_MEDIA = 40007
"""The media id is unknown, or its three days are over."""
PICTURE_REFUSED = frozenset({NO_MEDIA, 40004, 40006, 40008, 40009, 40058})
"""What the platform says of a picture that it does not like (pages 90253, 90313)."""
BUSY = -1
PICTURE = "placard.png"
ANSWER_SECONDS = 2.5
"""For an answer that is sent as a message: the passive one has to be back within five seconds, the work before it
included (page 90241).
"""
ANSWERED_MOST = 5_000
"""Messages of which is remembered that their answer went out by itself. More than are brought again at one time."""

_CORP_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Settings(CallbackSettings):
    """One self-built app."""

    kind: Literal["wecom_app"] = "wecom_app"
    corp_id: str
    """CorpID of the company: the receive id of its callbacks, and the namespace of its members."""
    agent_id: int
    """AgentId of the app."""
    secret: SecretStr | None = None
    """Secret of the app. Without it the app answers, and cannot write to anybody first."""
    base_url: str = Field("https://qyapi.weixin.qq.com", pattern=r"^https?://")
    timeout_seconds: float = Field(10.0, gt=0, le=60)
    photo_bases: tuple[str, ...] = ("https://wework.qpic.cn", "http://wework.qpic.cn")
    """Where the platform keeps the pictures of messages; an address that leads elsewhere is not followed."""
    pictures: bool = True
    """Whether boards are shown as pictures."""

    @field_validator("corp_id")
    @classmethod
    def _corp_id_as_in_the_console(cls, corp_id: str) -> str:
        if not _CORP_ID.fullmatch(corp_id):
            raise ValueError("企业 ID 应为 64 位以内的英文字母和数字（后台“我的企业”页最下方）")
        return corp_id

    @field_validator("agent_id")
    @classmethod
    def _agent_id_counts_from_one(cls, agent_id: int) -> int:
        if agent_id < 1:
            raise ValueError("AgentId 应为大于 0 的整数（后台应用详情页）")
        return agent_id


class WecomApp:
    """A self-built app: its callback, and what it writes to members. Implements `Channel`."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        wall: Callable[[], datetime],
        refused: Callable[[str], None] | None = None,
        read_seconds: float = READ_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        photo_seconds: float = FETCH_SECONDS,
    ) -> None:
        self.name = name
        self.namespace = f"wecom:{settings.corp_id}"
        self._corp_id = settings.corp_id
        self._agent_id = settings.agent_id
        self._api = settings.base_url.rstrip("/") + "/cgi-bin"
        self._seconds = settings.timeout_seconds
        self._session: aiohttp.ClientSession | None = None
        self._wall = wall
        self._secret: SecretStr | None = None
        self._tokens: Tokens | None = None
        self._take(settings)
        self._answer_seconds = answer_seconds
        self._budget = Budget(LIMITS, lambda: wall().timestamp())
        self._answered: OrderedDict[str, None] = OrderedDict()
        """Messages whose answer went out by itself: brought again, they get no second one."""
        self._album = Album(settings.photo_bases, seconds=photo_seconds)
        self._uploads = Uploads(lambda: wall().timestamp())
        self._url = CallbackUrl(
            name=name,
            keys=_keys(settings),
            window=settings.timestamp_window_seconds,
            open=open_xml,
            content_type="application/xml",
            wall=wall,
            refused=refused,
            read_seconds=read_seconds,
        )

    def routes(self, hear: Hear) -> list[web.RouteDef]:
        """GET and POST on `/callback/<name>`."""

        async def answer(message: bytes, nonce: str, now: int, keys: Keys) -> bytes:
            fields = read_fields(message)
            incoming = parse(fields, channel=self.name, namespace=self.namespace)
            if incoming is None:
                return b""
            if incoming.unseen:
                incoming = await self._bring(fields, incoming)
            body = await self._answer(fields, incoming, await hear(incoming), now)
            return seal_xml(body, keys, timestamp=now, nonce=nonce) if body else b""

        return self._url.routes(answer)

    def adopt(self, settings: Settings) -> None:
        """Takes a changed secret, Token, EncodingAESKey and time window, and whether to show pictures; everything else
        needs a new start.
        """
        self._url.change(_keys(settings), settings.timestamp_window_seconds)
        self._take(settings)

    def _take(self, settings: Settings) -> None:
        """What it can do, and the token that comes from the secret."""
        secret = settings.secret
        self.ability = Ability(
            hears=Hears.EVERYTHING,
            pushes_to_people=secret is not None,
            buttons=secret is not None,
            pictures=secret is not None and settings.pictures,
            file_bytes=FILE_BYTES if secret is not None else 0,
            text_bytes=TEXT_BYTES,
            limits=LIMITS,
        )
        if secret == self._secret:
            return
        self._secret, self._tokens = secret, None
        if secret is not None:
            self._tokens = Tokens(
                f"{self._api}/gettoken", corp_id=self._corp_id, secret=secret.get_secret_value(), wall=self._wall
            )

    def address_of(self, external_id: str) -> str:
        return external_id

    async def send(self, parcel: Parcel) -> None:
        """Writes to one member. Raises DeliveryError and OutcomeUnknown."""
        if self._tokens is None:
            raise DeliveryError("自建应用没有填 secret，只能回答，不能主动发消息", permanent=True, code="no-push")
        if parcel.file is not None:
            return await self._bring_file(self._tokens, parcel.address, parcel.file)
        if parcel.picture and await self._showed(self._tokens, parcel.address, parcel.picture):
            return
        first, *rest = messages(parcel.text, parcel.buttons, task_id=cards.new_task_id())
        try:
            await self._write(self._tokens, parcel.address, first)
        except DeliveryError as no:
            if first["msgtype"] != "template_card" or no.code not in CARD_REFUSED:
                raise
            # The text says by itself what can be answered: better without buttons than not at all.
            log.error("wecom_app.card_refused", channel=self.name, code=no.code)
            (words,) = messages(parcel.text, (), task_id="")
            await self._write(self._tokens, parcel.address, words)
        for body in rest:
            try:
                await self._write(self._tokens, parcel.address, body)
            except (DeliveryError, OutcomeUnknown) as error:
                log.warning("wecom_app.buttons_lost", channel=self.name, error=str(error))

    async def _showed(self, tokens: Tokens, user: str, picture: bytes) -> bool:
        """Sends a picture in place of its text; whether it was taken. Raises DeliveryError and OutcomeUnknown."""
        for again in (True, False):
            try:
                media_id = await self._uploads.id_of(picture, partial(self._upload_picture, tokens))
            except (DeliveryError, OutcomeUnknown, TimeoutError) as error:
                # Nobody has seen anything of it, and the text says the same.
                log.warning("wecom_app.picture_lost", channel=self.name, error=str(error) or "timeout")
                return False
            try:
                await self._write(tokens, user, {"msgtype": "image", "image": {"media_id": media_id}})
                return True
            except DeliveryError as no:
                if no.code not in PICTURE_REFUSED:
                    raise
                log.error("wecom_app.picture_refused", channel=self.name, code=no.code)
                self._uploads.forget()
                if no.code != NO_MEDIA or not again:
                    return False
        raise AssertionError("the second answer is returned")

    async def _bring_file(self, tokens: Tokens, user: str, file: File) -> None:
        """Sends a file to one member. Raises DeliveryError and OutcomeUnknown."""
        refuse_size(file, self.ability.file_bytes)
        try:
            media_id = await in_time(self._upload(tokens, "file", file))
        except OutcomeUnknown as error:
            # Nobody has seen anything of it.
            raise DeliveryError(f"the upload was not answered: {error}", permanent=False) from None
        except DeliveryError as no:
            if no.code not in PICTURE_REFUSED - {NO_MEDIA}:
                raise
            raise DeliveryError("the platform does not take the file", permanent=True, code=no.code) from None
        await self._write(tokens, user, {"msgtype": "file", "file": {"media_id": media_id}})

    async def _upload_picture(self, tokens: Tokens, picture: bytes) -> str:
        return await self._upload(tokens, "image", File(PICTURE, picture, "image/png"))

    async def _upload(self, tokens: Tokens, kind: str, file: File) -> str:
        """The media id of what is uploaded. Raises DeliveryError and OutcomeUnknown. Source: page 90253."""
        url = f"{self._api}/media/upload"

        async def ask(session: aiohttp.ClientSession, token: Mapping[str, str]) -> Said | Trouble:
            return await called(session, "POST", url, params={**token, "type": kind}, file=file)

        said = await self._with_token(tokens, ask)
        if not isinstance(said, Said):
            raise said
        media_id = said.fields.get("media_id")
        if said.code or not isinstance(media_id, str) or not media_id:
            raise refused(said)
        return media_id

    async def _bring(self, fields: Mapping[str, str], incoming: Incoming) -> Incoming:
        """A message with the picture that it names."""
        media_id, asked = fields.get("MediaId", ""), None
        if self._tokens is not None and media_id:
            asked = partial(self._download, self._tokens, media_id)
        return await self._album.bring(incoming, [Link(fields.get("PicUrl", ""), asked=asked)])

    async def _download(self, tokens: Tokens, media_id: str) -> bytes:
        """A picture that a member sent. Raises NoPhoto. Source: page 90254."""

        async def ask(session: aiohttp.ClientSession, token: Mapping[str, str]) -> bytes | Said | Trouble:
            params = {**token, "media_id": media_id}
            return await fetched(session, f"{self._api}/media/get", params=params, most=FETCH_BYTES_MAX)

        try:
            found = await self._with_token(tokens, ask)
        except DeliveryError as no:
            raise NoPhoto(f"{no.code} {no.detail}") from None
        if isinstance(found, bytes):
            return found
        if isinstance(found, Said):
            raise (NotNow if found.code == BUSY else NoPhoto)(f"{found.code} {refused(found)}")
        raise (NoPhoto if isinstance(found, DeliveryError) and found.permanent else NotNow)(str(found))

    async def _answer(self, fields: Mapping[str, str], incoming: Incoming, reply: Reply, now: int) -> bytes:
        """The passive reply to a message; nothing where there is nothing to say, or it was said by a message."""
        press = read_press(fields)
        silent = not reply.text.strip()
        if silent or ((press or reply.buttons) and await self._answered_apart(incoming, reply)):
            return render_pressed(fields, press, now) if press else b""
        return render(fields, reply.text, now)

    async def _answered_apart(self, incoming: Incoming, reply: Reply) -> bool:
        """Sends an answer as a message of its own; whether it is known to be there."""
        if self._tokens is None or incoming.message_id in self._answered:
            return incoming.message_id in self._answered
        name = hashlib.sha256(incoming.message_id.encode()).hexdigest()[:32]
        first, *rest = messages(reply.text, reply.buttons, task_id=f"answer-{name}", asked=incoming.sender)
        try:
            async with asyncio.timeout(self._answer_seconds):
                await self._write(self._tokens, incoming.sender, first)
                self._remember(incoming.message_id)
                for body in rest:
                    await self._write(self._tokens, incoming.sender, body)
        except (DeliveryError, OutcomeUnknown, TimeoutError) as error:
            # Said twice is better than not at all, and the text names the words of its buttons.
            log.warning("wecom_app.answer_apart_failed", channel=self.name, error=str(error) or "timeout")
        return incoming.message_id in self._answered

    def _remember(self, message_id: str) -> None:
        self._answered[message_id] = None
        while len(self._answered) > ANSWERED_MOST:
            self._answered.popitem(last=False)

    async def _write(self, tokens: Tokens, user: str, content: dict[str, Any]) -> None:
        """Sends one message to one member. Raises DeliveryError and OutcomeUnknown."""
        body = {"touser": user, "agentid": self._agent_id, **content}

        async def ask(session: aiohttp.ClientSession, token: Mapping[str, str]) -> Said | Trouble:
            wait = self._budget.wait(user)
            if wait > 0:
                # Beyond its limit the platform takes a message and shows it to nobody.
                return DeliveryError("too soon", permanent=False, code="not_sent", pause=timedelta(seconds=wait))
            self._budget.count(user)
            said = await called(session, "POST", f"{self._api}/message/send", params=token, body=body)
            if isinstance(said, Said) and said.code in TOKEN_DEAD:
                self._budget.take_back(user)
            return said

        trouble = _judged(await self._with_token(tokens, ask))
        if trouble is not None:
            raise trouble

    async def _with_token(
        self, tokens: Tokens, ask: Callable[[aiohttp.ClientSession, Mapping[str, str]], Awaitable[T]]
    ) -> T:
        """One call of the app's, and once more with a new token where the platform does not take the first any more.

        `ask` gets the token as the parameter that the call has. Raises DeliveryError where there is no token.
        """
        if self._session is None:
            self._session = client(self._seconds)
        for again in (True, False):
            token = await tokens.token(self._session)
            said = await ask(self._session, {"access_token": token})
            if isinstance(said, Said) and said.code in TOKEN_DEAD:
                tokens.drop(token)
                if again:
                    continue
            return said
        raise AssertionError("the second answer is returned")

    async def close(self) -> None:
        await self._album.close()
        if self._session is not None:
            await self._session.close()
            self._session = None


def _judged(said: Said | Trouble) -> Trouble | None:
    """What the platform's answer to a message for one person means (page 90236).

    `errcode` 0 beside the person's name in `invaliduser` or `unlicenseduser` is a message that nobody got.
    """
    if not isinstance(said, Said):
        return said
    if said.code in UNREACHABLE:
        return DeliveryError(UNREACHABLE[said.code], permanent=True, code=said.code)
    if said.code:
        return refused(said)
    if said.fields.get("invaliduser"):
        return DeliveryError(UNREACHABLE[81013], permanent=True, code="invaliduser")
    if said.fields.get("unlicenseduser"):
        return DeliveryError("the person has no licence for the app", permanent=True, code="unlicenseduser")
    return None


def _keys(settings: Settings) -> Keys:
    return Keys(settings.token.get_secret_value(), settings.aes_key.get_secret_value(), settings.corp_id)
