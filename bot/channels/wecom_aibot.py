"""WeCom AI bot (智能机器人) over HTTP callbacks: it hears its mentions in groups, and direct messages.

Source: developer.work.weixin.qq.com, pages 100719 (messages), 101031 (replies), 101033 (encryption).
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar, Literal

from aiohttp import web
from pydantic import field_validator

from bot.channels import Ability, DeliveryError, Hear, Hears, Parcel, aibot_frames
from bot.channels.callback import READ_SECONDS, CallbackSettings, CallbackUrl
from bot.channels.envelope import Keys, Malformed, open_file, open_json, seal_json
from bot.photos import Album, Link
from handlers.chat import Incoming, Reply


class Settings(CallbackSettings):
    """One AI bot in callback mode."""

    kind: Literal["wecom_aibot"] = "wecom_aibot"
    receive_id: str = ""
    """Empty for a bot that the company itself owns (page 101033)."""
    namespace: str = ""
    """Whose user ids the bot sees. `wecom:<corp id>` makes a userid the same person here and in the corp's
    app; empty keeps the ids to this channel, which is right for bots that see encrypted ids."""

    photo_bases: tuple[str, ...] = ("https://ww-aibot-img-1258476243.cos.ap-guangzhou.myqcloud.com",)
    """Where the platform keeps the pictures of messages; an address that leads elsewhere is not followed."""

    @field_validator("receive_id", "namespace")
    @classmethod
    def _without_spaces(cls, value: str) -> str:
        if value != value.strip():
            raise ValueError("前后不要留空格")
        return value


class WecomAibot:
    """An AI bot's callback. Implements `Channel`."""

    ability: ClassVar[Ability] = Ability(hears=Hears.MENTIONS, text_bytes=aibot_frames.CONTENT_BYTES, buttons=True)

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        wall: Callable[[], datetime],
        refused: Callable[[str], None] | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self.name = name
        self.namespace = settings.namespace or f"wecom-aibot:{name}"
        self._shared_ids = bool(settings.namespace)
        self._album = Album(settings.photo_bases)
        self._url = CallbackUrl(
            name=name,
            keys=_keys(settings),
            window=settings.timestamp_window_seconds,
            open=open_json,
            content_type="application/json",
            wall=wall,
            refused=refused,
            read_seconds=read_seconds,
        )

    def parse(self, message: bytes) -> tuple[Incoming | None, tuple[aibot_frames.Picture, ...]]:
        """The message in an opened callback with its pictures; None for one that gets no answer. Raises `Malformed`."""
        try:
            frame = json.loads(message.decode())
        except (ValueError, RecursionError):
            raise Malformed("json") from None
        try:
            incoming = aibot_frames.read_frame(
                frame, channel=self.name, namespace=self.namespace, fold_sender=self._shared_ids
            )
        except aibot_frames.FrameError:
            raise Malformed("frame") from None
        return incoming, aibot_frames.pictures(frame)

    def render(self, message: bytes, incoming: Incoming, reply: Reply) -> aibot_frames.Body | None:
        """What answers a callback: a text or a card, the pressed card anew, a welcome; None for silence."""
        if not reply.text.strip():
            return None
        frame = json.loads(message.decode())
        sender = frame["from"]["userid"]
        if (press := aibot_frames.read_press(frame)) is not None:
            return aibot_frames.update(press, reply)
        if aibot_frames.event_kind(frame):
            return aibot_frames.welcome(reply, message_id=incoming.message_id, sender=sender)
        return aibot_frames.answer_at_once(reply, message_id=incoming.message_id, sender=sender)

    def routes(self, hear: Hear) -> list[web.RouteDef]:
        """GET and POST on `/callback/<name>`."""

        async def answer(message: bytes, nonce: str, now: int, keys: Keys) -> bytes:
            incoming, pictures = self.parse(message)
            if incoming is None:
                return b""
            if pictures:
                links = [Link(picture.url, lambda sealed: open_file(sealed, keys.cipher)) for picture in pictures]
                incoming = await self._album.bring(incoming, links)
            reply = await hear(incoming)
            body = self.render(message, incoming, reply)
            return (
                seal_json(json.dumps(body, ensure_ascii=False).encode(), keys, timestamp=now, nonce=nonce)
                if body
                else b""
            )

        return self._url.routes(answer)

    def adopt(self, settings: Settings) -> None:
        """Takes a changed Token, EncodingAESKey and time window; everything else needs a new start."""
        self._url.change(_keys(settings), settings.timestamp_window_seconds)

    def address_of(self, external_id: str) -> str:
        return external_id

    async def send(self, parcel: Parcel) -> None:
        """Always raises `DeliveryError`: a callback bot speaks only when it is spoken to (page 101031)."""
        raise DeliveryError("智能机器人的回调模式不能主动发消息", permanent=True, code="no-push")

    async def close(self) -> None:
        await self._album.close()


def _keys(settings: Settings) -> Keys:
    return Keys(settings.token.get_secret_value(), settings.aes_key.get_secret_value(), settings.receive_id)
