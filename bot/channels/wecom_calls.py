"""Calls to WeCom's API: what an answer means, and the access token that an app's calls need.

Every API answers HTTP 200 with an `errcode`; success is 0 and nothing else (page 90313). The client's own exceptions
name the address, which carries a key or a token: what comes out of here is made afresh and carries neither.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from bot import logs
from bot.channels import DeliveryError, File, OutcomeUnknown

log = logs.logger(__name__)

PAUSES = {45009: timedelta(seconds=60), 45033: timedelta(seconds=10)}
"""Answers that ask for rest: too frequent, too many at once (pages 91770, 90313)."""

PASSING = frozenset({408, 425, 429})
"""HTTP refusals that may heal, besides 5xx: they come from what stands before the platform."""

ANSWER_BYTES = 65_536
"""Longer answers are not the platform's."""
ANSWERS = ("application/json", "text/")
"""What kind of content an answer is, where a file was asked for."""

TOKEN_DEAD = frozenset({40014, 41001, 42001})
"""The token is invalid, missing or over: a new one helps, once (page 90313)."""
RENEWED_BEFORE = timedelta(minutes=5)
"""A token is not used in its last minutes (page 91039)."""
MISCONFIGURED = {
    40001: "the app's secret is wrong",
    40013: "the corp id is wrong",
    48002: "the app may not use this API",
    301002: "the secret is another app's",
    60020: "this machine's address is not among the app's trusted ones",
}
"""Answers that heal when somebody corrects the console or the configuration (page 90313)."""
CORRECTED_WITHIN = timedelta(minutes=5)
"""How long nothing is tried while the console or the configuration is wrong."""

_ADDRESS = re.compile(r"from ip: ([0-9a-fA-F.:]{3,45})")

Trouble = DeliveryError | OutcomeUnknown


@dataclass(frozen=True, slots=True)
class Said:
    """What the platform answered."""

    code: int
    fields: Mapping[str, Any]


async def called(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    params: Mapping[str, str],
    body: Any = None,
    file: File | None = None,
) -> Said | Trouble:
    """One call and its answer. What went wrong is returned, so that it is raised outside of the client's handlers."""
    form = None
    if file is not None:
        # The name as it is: the platform does not read what the client would make of Chinese letters (`filename*=`).
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("media", file.content, filename=file.name, content_type=file.media_type)
    try:
        async with session.request(method, url, params=params, json=body, data=form, allow_redirects=False) as response:
            return _read(response.status, response.headers.get("Retry-After"), await _body(response, ANSWER_BYTES))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return _broken(error)


async def fetched(
    session: aiohttp.ClientSession, url: str, *, params: Mapping[str, str], most: int
) -> bytes | Said | Trouble:
    """A file of the platform's of at most so many bytes, or what it answers in its place (page 90254)."""
    try:
        async with session.get(url, params=params, allow_redirects=False) as response:
            if response.status == 200 and not response.content_type.startswith(ANSWERS):
                content = await _body(response, most)
                return content if len(content) <= most else DeliveryError("too large", permanent=True, code="too-large")
            return _read(response.status, response.headers.get("Retry-After"), await _body(response, ANSWER_BYTES))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return _broken(error)


def _broken(error: Exception) -> Trouble:
    """What a call was that came to no answer: never begun, or nobody knows."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL):
        return DeliveryError("cannot connect", permanent=False, code="not_sent")
    return OutcomeUnknown(type(error).__name__)


def client(timeout_seconds: float) -> aiohttp.ClientSession:
    """A client for the platform. Connecting ends well before the whole: what never left is told from what was lost."""
    timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=min(5.0, timeout_seconds / 2))
    # A kept connection that the platform closes just when it is used again would lose the answer.
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    return aiohttp.ClientSession(timeout=timeout, trust_env=False, connector=connector)


async def _body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """What came, up to a little more than `most` bytes."""
    raw = bytearray()
    async for chunk in response.content.iter_chunked(ANSWER_BYTES):
        raw += chunk
        if len(raw) > most:
            break
    return bytes(raw)


def _read(status: int, retry_after: str | None, raw: bytes) -> Said | Trouble:
    if status == 504:
        return OutcomeUnknown("HTTP 504")  # something in between gave up waiting for the platform
    if status >= 500 or status in PASSING or 300 <= status < 400:
        return DeliveryError(f"HTTP {status}", permanent=False, code=status, pause=_pause(retry_after))
    if status >= 400:
        return DeliveryError(f"HTTP {status}", permanent=True, code=status)
    try:
        fields: Any = json.loads(raw)
        code = fields["errcode"]
    except (ValueError, KeyError, TypeError, RecursionError):
        code = None
    if not isinstance(code, int) or isinstance(code, bool):
        return OutcomeUnknown("the answer is no answer of this platform")
    return Said(code, fields)


def _pause(retry_after: str | None) -> timedelta | None:
    """The rest that HTTP asks for, an hour at the most; None where it gives no number of seconds."""
    if retry_after is None or not (retry_after.isascii() and retry_after.isdigit()):
        return None
    return timedelta(seconds=min(int(retry_after[:10]), 3600)) or None


class Tokens:
    """The access token of one app (page 91039): asked for by one at a time, kept until shortly before its end."""

    def __init__(self, url: str, *, corp_id: str, secret: str, wall: Callable[[], datetime]) -> None:
        self._url = url
        self._corp_id = corp_id
        self._secret = secret
        self._wall = wall
        self._token = ""
        self._ends: datetime | None = None
        self._asking = asyncio.Lock()
        self._refused: DeliveryError | None = None
        self._refused_until: datetime | None = None

    async def token(self, session: aiohttp.ClientSession) -> str:
        """A token that is good now. Raises DeliveryError: nothing was sent."""
        async with self._asking:
            now = self._wall()
            if self._token and self._ends is not None and now < self._ends:
                return self._token
            if self._refused is not None and self._refused_until is not None and now < self._refused_until:
                # Everybody who waits would ask the same and be refused the same.
                raise DeliveryError(
                    self._refused.detail, permanent=False, code=self._refused.code, pause=self._refused_until - now
                )
            said = await called(session, "GET", self._url, params={"corpid": self._corp_id, "corpsecret": self._secret})
            if isinstance(said, Said) and said.code == 0:
                return self._keep(said, now)
            self._refused = _no_token(said)
            self._refused_until = now + (self._refused.pause or timedelta(seconds=5))
            raise self._refused

    def _keep(self, said: Said, now: datetime) -> str:
        token, seconds = said.fields.get("access_token"), said.fields.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(seconds, int):
            raise DeliveryError("no token in the platform's answer", permanent=False, code="no-token")
        lives = timedelta(seconds=seconds)
        # One of a few minutes is used for half of them.
        self._token, self._ends = token, now + max(lives - RENEWED_BEFORE, lives / 2)
        self._refused = self._refused_until = None
        return token

    def drop(self, token: str) -> None:
        """Forgets a token that the platform does not take any more; a newer one stays."""
        if self._token == token:
            self._token = ""


def _no_token(said: Said | Trouble) -> DeliveryError:
    if not isinstance(said, Said):
        # Whether a question for a token was answered makes no difference: no message left.
        pause = said.pause if isinstance(said, DeliveryError) else None
        return DeliveryError(
            "no access token: the platform did not answer", permanent=False, code="not_sent", pause=pause
        )
    return refused(said)


def refused_address(errmsg: str) -> str:
    """The address of ours that the platform does not trust, where its words name it (page 90313)."""
    found = _ADDRESS.search(errmsg)
    return found[1] if found else ""


def refused(said: Said) -> DeliveryError:
    """The platform's no, in words of our own: its text may quote what was sent."""
    if said.code in MISCONFIGURED:
        words = MISCONFIGURED[said.code]
        address = refused_address(str(said.fields.get("errmsg", "")))
        if address:
            words += f" ({address})"
        log.error("wecom.misconfigured", code=said.code, why=words)
        return DeliveryError(words, permanent=False, code=said.code, pause=CORRECTED_WITHIN)
    pause = PAUSES.get(said.code)
    return DeliveryError("the platform refused for now", permanent=False, code=said.code, pause=pause)
