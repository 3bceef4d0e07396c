"""WeCom 群机器人 (消息推送): one-way push into one internal group. Page 91770.

The key of a group's robot is the endpoint's secret; the endpoint's address is a label. Whoever has the key can post, so
it appears in no log, no error and no `repr`. The platform knows no idempotency key: a lost answer stays unknown.
"""

import json
from datetime import timedelta
from typing import Any, ClassVar, Literal

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from bot.channels import Ability, DeliveryError, Hear, Limit, OutcomeUnknown, Parcel

TEXT_BYTES = 2048
MARKDOWN_BYTES = 4096

PERMANENT = {
    93000: "webhook key wrong, or the robot was removed",
    93004: "robot disabled",
    93008: "robot not in the group",
    40008: "unknown msgtype",
    40058: "bad parameter",
    44004: "empty content",
    45002: "content too long",
}
"""Answers that never heal by trying again (pages 91770, 90313)."""

PAUSES = {45009: timedelta(seconds=60), 45033: timedelta(seconds=10)}
"""Answers that ask for rest: too frequent, too many at once (pages 91770, 90313)."""


class Settings(BaseModel):
    """[channels.<name>] 群机器人（只发不收）"""

    model_config = ConfigDict(extra="forbid")
    needs_secrets_key: ClassVar[bool] = True

    kind: Literal["wecom_group_webhook"]
    base_url: str = Field("https://qyapi.weixin.qq.com", pattern=r"^https?://", description="企业微信接口地址")
    timeout_seconds: float = Field(10.0, gt=0, le=60, description="等企业微信答复最多几秒")
    per_minute: int = Field(20, ge=1, le=1000, description="每个群机器人每分钟最多发几条")


class WecomGroupWebhook:
    """The channel. One instance serves all groups; each endpoint brings its own key."""

    namespace = ""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.ability = Ability(
            pushes_to_groups=True,
            text_bytes=TEXT_BYTES,
            markdown_bytes=MARKDOWN_BYTES,
            limits=(Limit(settings.per_minute, timedelta(minutes=1)),),
        )
        self._url = settings.base_url.rstrip("/") + "/cgi-bin/webhook/send"
        self._timeout = aiohttp.ClientTimeout(
            total=settings.timeout_seconds, sock_connect=min(5.0, settings.timeout_seconds)
        )
        self._session: aiohttp.ClientSession | None = None

    def routes(self, hear: Hear) -> list[web.RouteDef]:
        return []

    def address_of(self, external_id: str) -> str:
        raise NotImplementedError("this channel reaches groups only")

    async def send(self, parcel: Parcel) -> None:
        """Posts one text. Raises DeliveryError and OutcomeUnknown."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, trust_env=False)
        body = {"msgtype": "text", "text": {"content": parcel.text}}
        # The exceptions of the client name the address with its key: none of them may travel on.
        try:
            async with self._session.post(self._url, params={"key": parcel.secret}, json=body) as response:
                status, retry_after, raw = response.status, response.headers.get("Retry-After"), await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise DeliveryError("cannot connect", permanent=False, code="not_sent") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OutcomeUnknown(type(error).__name__) from None
        _judge(status, retry_after, raw)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _judge(status: int, retry_after: str | None, raw: bytes) -> None:
    """Reads the platform's answer: success is `errcode` 0, whatever the HTTP status says besides (page 91770)."""
    if status == 429 or status >= 500:
        seconds = float(retry_after) if retry_after and retry_after.isdigit() else 0.0
        pause = timedelta(seconds=min(seconds, 3600.0)) if seconds else None
        raise DeliveryError(f"HTTP {status}", permanent=False, code=status, pause=pause)
    if status != 200:
        raise DeliveryError(f"HTTP {status}", permanent=True, code=status)
    try:
        answer: Any = json.loads(raw)
        code = int(answer["errcode"])
    except (ValueError, KeyError, TypeError):
        raise OutcomeUnknown("the answer is no answer of this platform") from None
    if code == 0:
        return
    if code in PERMANENT:
        raise DeliveryError(PERMANENT[code], permanent=True, code=code)
    # The vendor's own text may quote what was sent: the number says enough.
    raise DeliveryError("the platform refused for now", permanent=False, code=code, pause=PAUSES.get(code))
