"""WeCom 群机器人 (消息推送): one-way push into one internal group. Page 91770.

The key of a group's robot is the endpoint's secret; the endpoint's address is a label made from it, so that one robot
is one address, and its limits are its own. Whoever has the key can post, so it appears in no log, no error and no
`repr`. The platform knows no idempotency key: a lost answer stays unknown.
"""

import hashlib
import json
import re
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

PASSING = frozenset({408, 425, 429})
"""HTTP refusals that may heal, besides 5xx: they come from what stands before the platform."""

ANSWER_BYTES = 65_536
"""Longer answers are not the platform's."""


class Settings(BaseModel):
    """[channels.<name>] 群机器人（只发不收）"""

    model_config = ConfigDict(extra="forbid")
    needs_secrets_key: ClassVar[bool] = True

    kind: Literal["wecom_group_webhook"]
    base_url: str = Field("https://qyapi.weixin.qq.com", pattern=r"^https?://", description="企业微信接口地址")
    timeout_seconds: float = Field(10.0, gt=0, le=60, description="等企业微信答复最多几秒")
    per_minute: int = Field(20, ge=1, le=1000, description="每个群机器人每分钟最多发几条")


_SHOWN = re.compile(
    r"[\"']?(?:https?://\S+[?&]key=)?(?P<key>[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})(?:&\S*)?[\"']?", re.IGNORECASE
)


def read_key(text: str) -> str:
    """The key in what the platform shows of a robot: the key itself, or the whole address with it (page 91770).

    Raises ValueError, which does not show the text.
    """
    shown = _SHOWN.fullmatch(text.strip())
    if shown is None:
        raise ValueError("not a key of a group's robot")
    return shown["key"]


def label(key: str) -> str:
    """The address of the robot with this key. It tells nobody the key, which is 122 random bits."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


class WecomGroupWebhook:
    """The channel. One instance serves all groups; each endpoint brings its own key."""

    namespace = ""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.adopt(settings)
        self._url = settings.base_url.rstrip("/") + "/cgi-bin/webhook/send"
        # Connecting ends well before the whole, so that what never left is told from what was not answered.
        self._timeout = aiohttp.ClientTimeout(
            total=settings.timeout_seconds, sock_connect=min(5.0, settings.timeout_seconds / 2)
        )
        self._session: aiohttp.ClientSession | None = None

    def adopt(self, settings: Settings) -> None:
        """Takes a changed limit; everything else needs a new start."""
        self.ability = Ability(
            pushes_to_groups=True,
            text_bytes=TEXT_BYTES,
            markdown_bytes=MARKDOWN_BYTES,
            limits=(Limit(settings.per_minute, timedelta(minutes=1)),),
        )

    def routes(self, hear: Hear) -> list[web.RouteDef]:
        return []

    def address_of(self, external_id: str) -> str:
        raise NotImplementedError("this channel reaches groups only")

    async def send(self, parcel: Parcel) -> None:
        """Posts one text. Raises DeliveryError and OutcomeUnknown."""
        if self._session is None:
            # A kept connection that the platform closes just when it is used again would lose the answer.
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, trust_env=False, connector=aiohttp.TCPConnector(force_close=True, limit=0)
            )
        trouble = await self._post(self._session, parcel)
        if trouble is not None:
            raise trouble

    async def _post(self, session: aiohttp.ClientSession, parcel: Parcel) -> DeliveryError | OutcomeUnknown | None:
        # The exceptions of the client name the address with its key. What is raised here is made afresh and raised
        # outside of their handlers, or they would travel on as its context.
        body = {"msgtype": "text", "text": {"content": parcel.text}}
        try:
            async with session.post(
                self._url, params={"key": parcel.secret}, json=body, allow_redirects=False
            ) as response:
                return _judged(response.status, response.headers.get("Retry-After"), await _read(response))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL):
            return DeliveryError("cannot connect", permanent=False, code="not_sent")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return OutcomeUnknown(type(error).__name__)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    raw = b""
    async for chunk in response.content.iter_chunked(ANSWER_BYTES):
        raw += chunk
        if len(raw) > ANSWER_BYTES:
            break
    return raw


def _judged(status: int, retry_after: str | None, raw: bytes) -> DeliveryError | OutcomeUnknown | None:
    """What the platform's answer means: success is `errcode` 0 under HTTP 200, nothing else is (page 91770)."""
    if status == 504:
        return OutcomeUnknown("HTTP 504")  # something in between gave up waiting for the platform
    if status >= 500 or status in PASSING or 300 <= status < 400:
        return DeliveryError(f"HTTP {status}", permanent=False, code=status, pause=_pause(retry_after))
    if status >= 400:
        return DeliveryError(f"HTTP {status}", permanent=True, code=status)
    try:
        answer: Any = json.loads(raw)
        code = answer["errcode"]
    except (ValueError, KeyError, TypeError, RecursionError):
        code = None
    if not isinstance(code, int) or isinstance(code, bool):
        return OutcomeUnknown("the answer is no answer of this platform")
    if code == 0:
        return None
    if code in PERMANENT:
        return DeliveryError(PERMANENT[code], permanent=True, code=code)
    # The vendor's own text may quote what was sent: the number says enough.
    return DeliveryError("the platform refused for now", permanent=False, code=code, pause=PAUSES.get(code))


def _pause(retry_after: str | None) -> timedelta | None:
    """The rest that HTTP asks for, an hour at the most; None where it gives no number of seconds."""
    if retry_after is None or not (retry_after.isascii() and retry_after.isdigit()):
        return None
    return timedelta(seconds=min(int(retry_after[:10]), 3600)) or None
