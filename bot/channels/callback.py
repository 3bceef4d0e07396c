"""The HTTP side that all encrypted callback channels share: one URL, verified by GET, heard by POST.

What must be refused is refused before work is done and with few words: a status, a counter, no body. An
accepted message is answered in the same request, or with an empty 200, which stops the platform's retries.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

from bot.channels import Unavailable, envelope
from bot.channels.envelope import EnvelopeError, Forged, Keys, Malformed, TooLarge

READ_SECONDS = 10.0
"""How long a body may dribble in. The platform itself gives up after 5 seconds (page 90238)."""

Open = Callable[[bytes, Mapping[str, str], Keys, float, float], bytes]
Answer = Callable[[bytes, str, int, Keys], Awaitable[bytes]]
"""Makes the sealed reply, or nothing, of an opened message, the callback's nonce, the Unix time and the keys."""

OVERLAP_SECONDS = 3600.0
"""How long the keys before a change are accepted beside the new ones: time to save the new ones in the console."""

_TOKEN = re.compile(r"[A-Za-z0-9]{1,32}")
_AES_KEY = re.compile(r"[A-Za-z0-9]{43}")


class CallbackSettings(BaseModel):
    """The settings of every encrypted callback, as the platform's console shows them."""

    # Without hide_input a mistyped secret would stand in the error that reports it.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    token: SecretStr
    """Token of the console: 1 to 32 letters and digits."""
    aes_key: SecretStr
    """EncodingAESKey of the console: 43 letters and digits."""
    timestamp_window_seconds: int = 300
    """How far a callback's timestamp may lie from our clock, to either side."""

    @field_validator("token")
    @classmethod
    def _token_as_in_the_console(cls, token: SecretStr) -> SecretStr:
        if not _TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError("Token 应为 1 到 32 位英文字母或数字，请从企业微信后台原样复制")
        return token

    @field_validator("aes_key")
    @classmethod
    def _aes_key_as_in_the_console(cls, aes_key: SecretStr) -> SecretStr:
        if not _AES_KEY.fullmatch(aes_key.get_secret_value()):
            raise ValueError("EncodingAESKey 应为 43 位英文字母或数字，请从企业微信后台原样复制")
        return aes_key

    @field_validator("timestamp_window_seconds")
    @classmethod
    def _window_of_some_length(cls, seconds: int) -> int:
        if not 1 <= seconds <= 86_400:
            raise ValueError("时间戳允许的偏差应在 1 到 86400 秒之间")
        return seconds


class TooSlow(EnvelopeError):
    """The body did not arrive in time."""

    status: ClassVar[int] = 408


class Interrupted(EnvelopeError):
    """The connection ended in the middle of the body; nobody is there to read the status."""

    status: ClassVar[int] = 400


@dataclass(slots=True)
class CallbackUrl:
    """One callback URL: opens what arrives there and hands the message on.

    `wall` gives wall time; `refused` is told the reason of each refusal, for a counter. An answer is sealed with the
    keys that opened the question.
    """

    name: str
    keys: Keys
    window: float
    """Seconds."""
    open: Open
    content_type: str
    """Of the sealed reply."""
    wall: Callable[[], datetime]
    refused: Callable[[str], None] | None = None
    read_seconds: float = READ_SECONDS
    keys_before: Keys | None = None
    """The keys before the last change, as long as they are accepted."""
    before_until: float = 0.0
    """Unix time."""

    def change(self, keys: Keys, window: float) -> None:
        """Takes new keys; those of now are accepted for a while yet, unless nothing has changed about them."""
        self.window = window
        if not self.keys.same_as(keys):
            self.keys_before, self.before_until = self.keys, self.wall().timestamp() + OVERLAP_SECONDS
            self.keys = keys

    def _either(self, open_with: Callable[[Keys], bytes], now: float) -> tuple[bytes, Keys]:
        """What the keys open, or those before them; and which did. Raises an EnvelopeError."""
        try:
            return open_with(self.keys), self.keys
        except Forged:
            if self.keys_before is None or now > self.before_until:
                raise
            return open_with(self.keys_before), self.keys_before

    def routes(self, answer: Answer) -> list[web.RouteDef]:
        """The two routes of this URL; `answer` gets each opened message."""
        headers = {hdrs.CONTENT_TYPE: self.content_type}

        async def verify(request: web.Request) -> web.Response:
            try:
                now = self.wall().timestamp()
                query = request.query
                echo, _ = self._either(lambda keys: envelope.open_echo(query, keys, now, self.window), now)
            except EnvelopeError as error:
                return self._refuse(error)
            return web.Response(body=echo, content_type="text/plain")

        async def hear(request: web.Request) -> web.Response:
            try:
                body = await read_body(request, self.read_seconds)
                query = request.query
                now = self.wall().timestamp()
                message, keys = self._either(lambda keys: self.open(body, query, keys, now, self.window), now)
                sealed = await answer(message, query["nonce"], int(now), keys)
            except EnvelopeError as error:
                return self._refuse(error)
            except Unavailable:
                return web.Response(status=503)
            return web.Response(body=sealed, headers=headers) if sealed else web.Response()

        path = f"/callback/{self.name}"
        return [web.get(path, verify, allow_head=False), web.post(path, hear)]

    def _refuse(self, error: EnvelopeError) -> web.Response:
        if self.refused is not None:
            self.refused(error.reason)
        response = web.Response(status=error.status)
        if isinstance(error, TooLarge | TooSlow | Interrupted):
            # The rest of the body is unread, so the connection cannot carry another request.
            response.force_close()
        return response


async def read_body(request: web.Request, seconds: float) -> bytes:
    """The whole body, which has `seconds` to arrive. Raises an EnvelopeError.

    It reads no further than `envelope.MAX_BODY_BYTES`; whatever is larger and already here, opening refuses.
    """
    declared = request.content_length
    if declared is not None and declared > envelope.MAX_BODY_BYTES:
        raise TooLarge("body")
    if hdrs.CONTENT_ENCODING in request.headers:
        # The platform does not compress, and what inflates to gigabytes would pass the check above.
        raise Malformed("encoding")
    content = request.content
    try:
        # Nearly always the body came in the same packet as the head: no waiting, no timer.
        if content.is_eof():
            return content.read_nowait()
        received = bytearray()
        async with asyncio.timeout(seconds):
            while chunk := await content.readany():
                received += chunk
                if len(received) > envelope.MAX_BODY_BYTES:
                    raise TooLarge("body")
        return bytes(received)
    except TimeoutError:
        raise TooSlow("slow body") from None
    except (ConnectionError, web.RequestPayloadError):
        raise Interrupted("interrupted") from None
