"""The HTTP side of encrypted callbacks on a real server: sizes, slow and broken connections, refusals."""

import asyncio
import gzip
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from pydantic import ValidationError

from bot.channels import Unavailable
from bot.channels.callback import CallbackSettings, CallbackUrl
from bot.channels.envelope import MAX_BODY_BYTES, Keys, open_json, open_xml
from tests.fakes.wecom_callbacks import AES_KEY, CORP_ID, TOKEN, Answer, Platform, serving

NOW = 1_767_225_600
FLAVOURS = pytest.mark.parametrize("flavour", ["xml", "json"])


class Scene:
    """One callback URL on a running server, the platform that knows it, and what was heard and refused."""

    def __init__(self, flavour: str, read_seconds: float = 5.0) -> None:
        self.heard: list[bytes] = []
        self.refused: list[str] = []
        self.changed = asyncio.Event()
        receive_id = CORP_ID if flavour == "xml" else ""
        self.platform = Platform("", flavour, now=lambda: NOW, receive_id=receive_id)
        self.url = CallbackUrl(
            name="door",
            keys=Keys(TOKEN, AES_KEY, receive_id),
            window=300,
            open=open_xml if flavour == "xml" else open_json,
            content_type="text/plain",
            wall=lambda: datetime.fromtimestamp(NOW, UTC),
            refused=self.refuse,
            read_seconds=read_seconds,
        )

    def refuse(self, reason: str) -> None:
        self.refused.append(reason)
        self.changed.set()

    async def all_refused(self, count: int) -> None:
        """Waits until so many requests were refused."""
        while len(self.refused) < count:
            self.changed.clear()
            await self.changed.wait()

    async def answer(self, message: bytes, nonce: str, now: int, keys: Keys) -> bytes:
        self.heard.append(message)
        return b"heard at %d" % now

    def at(self, base: str) -> str:
        self.platform.url = f"{base}/callback/door"
        return self.platform.url

    def good(self, message: bytes = b"hello") -> tuple[dict[str, str], bytes]:
        return self.platform.request(self.platform.encrypt(message))

    async def still_answers(self) -> bool:
        return await self.platform.post(*self.good(b"still there?")) == Answer(200, b"heard at %d" % NOW)


async def raw(url: str, head: str, *parts: bytes, pause: float = 0.0) -> bytes:
    """Speaks HTTP by hand; gives all that came back until the server closed, nothing if it hung up on us."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    for part in parts:
        writer.write(part)
        await asyncio.sleep(pause)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def head(url: str, query: dict[str, str], *headers: str) -> str:
    where = urlsplit(url)
    lines = [f"POST {where.path}?{urlencode(query)} HTTP/1.1", f"Host: {where.netloc}", *headers]
    return "\n".join(lines)


@FLAVOURS
async def test_genuine_message_is_heard_and_answered(flavour: str) -> None:
    scene = Scene(flavour)
    async with serving(scene.url.routes(scene.answer)) as base:
        scene.at(base)
        assert await scene.platform.post(*scene.good()) == Answer(200, b"heard at 1767225600")
    assert (scene.heard, scene.refused) == ([b"hello"], [])


@FLAVOURS
@pytest.mark.parametrize("form_plus", [False, True])
async def test_url_verification_returns_the_word_and_nothing_else(flavour: str, form_plus: bool) -> None:
    scene = Scene(flavour)
    async with serving(scene.url.routes(scene.answer)) as base:
        scene.at(base)
        began = time.perf_counter()
        assert await scene.platform.verify(form_plus=form_plus) == Answer(200, b"1616140317555161061")
        # The platform waits one second (page 90238).
        assert time.perf_counter() - began < 1
    assert (scene.heard, scene.refused) == ([], [])


async def test_url_verification_with_a_wrong_signature_is_refused() -> None:
    scene = Scene("xml")
    async with serving(scene.url.routes(scene.answer)) as base:
        scene.at(base)
        query = {"msg_signature": "0" * 40, "timestamp": str(NOW), "nonce": "n", "echostr": "AAAA"}
        assert await scene.platform.get(urlencode(query)) == Answer(403)
        assert await scene.platform.get("") == Answer(400)
    assert scene.refused == ["signature", "query"]


# The requests that bench-like attackers send; each is made from a genuine query and body.
Attack = Callable[[Scene], tuple[dict[str, str] | str, bytes]]
BOMB = b'<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;">]><xml><Encrypt>&b;</Encrypt></xml>'
XXE = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><Encrypt>&e;</Encrypt></xml>'
ATTACKS: dict[str, tuple[Attack, int, str]] = {
    "no query": (lambda s: ("", s.good()[1]), 400, "query"),
    "wrong signature": (lambda s: (s.good()[0] | {"msg_signature": "0" * 40}, s.good()[1]), 403, "signature"),
    "non-ASCII signature": (
        lambda s: (s.good()[0] | {"msg_signature": "签" * 13}, s.good()[1]),
        403,
        "signature",
    ),
    "signature that is no UTF-8": (
        lambda s: (
            urlencode(s.good()[0] | {"msg_signature": ""}).replace("signature=", "signature=%FF%FE"),
            s.good()[1],
        ),
        403,
        "signature",
    ),
    "signature of another body": (lambda s: (s.good()[0], s.good()[1]), 403, "signature"),
    "timestamp of 2001": (
        lambda s: s.platform.request(s.platform.encrypt(b"hello"), timestamp="1000000000"),
        403,
        "timestamp",
    ),
    "timestamp a day ahead": (
        lambda s: s.platform.request(s.platform.encrypt(b"hello"), timestamp=str(NOW + 86_400)),
        403,
        "timestamp",
    ),
    "wrong receive id": (
        lambda s: s.platform.request(
            s.platform.encrypt_buffer(s.platform.plain_buffer(b"hello", receive_id="ww0other"))
        ),
        403,
        "receive id",
    ),
    "ciphertext not base64": (lambda s: s.platform.request("!!!!"), 400, "envelope"),
    "ciphertext of noise": (lambda s: s.platform.request("eHh4eHh4eHh4eHh4eHh4eA=="), 400, "padding"),
    "empty ciphertext": (lambda s: s.platform.request(""), 400, "envelope"),
    "empty body": (lambda s: (s.good()[0], b""), 400, "envelope"),
    "not text": (lambda s: (s.good()[0], b"\x00\xff\x00hello"), 400, "envelope"),
    "entity bomb": (lambda s: (s.good()[0], BOMB), 400, "envelope"),
    "external entity": (lambda s: (s.good()[0], XXE), 400, "envelope"),
    "deep XML": (lambda s: (s.good()[0], b"<a>" * 20_000), 400, "envelope"),
    "deep JSON": (lambda s: (s.good()[0], b"[" * 60_000), 400, "envelope"),
    "180 KB of nesting": (lambda s: (s.good()[0], b"<a>" * 60_000), 413, "body"),
    "16 MiB": (lambda s: (s.good()[0], b"A" * (16 << 20)), 413, "body"),
}


@FLAVOURS
@pytest.mark.parametrize("name", ATTACKS)
async def test_attack_is_refused_quickly_and_a_genuine_message_answered_after(
    flavour: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    attack, status, reason = ATTACKS[name]
    scene = Scene(flavour)
    async with serving(scene.url.routes(scene.answer)) as base:
        scene.at(base)
        query, body = attack(scene)
        began = time.perf_counter()
        assert await scene.platform.post(query, body) == Answer(status)
        assert time.perf_counter() - began < 1
        assert scene.refused == [reason]
        assert await scene.still_answers()
    assert scene.heard == [b"still there?"]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_query_of_12_mib_is_refused() -> None:
    scene = Scene("xml")
    async with serving(scene.url.routes(scene.answer)) as base:
        url = scene.at(base)
        answer = await raw(url, head(url, {"msg_signature": "a" * (12 << 20)}, "Content-Length: 0"))
        assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.0 400", b"")
        assert await scene.still_answers()


async def test_declared_size_is_refused_before_the_body_is_sent() -> None:
    scene = Scene("xml")
    async with serving(scene.url.routes(scene.answer)) as base:
        url = scene.at(base)
        answer = await raw(url, head(url, scene.good()[0], f"Content-Length: {MAX_BODY_BYTES + 1}"))
    assert answer.startswith(b"HTTP/1.1 413 ")
    # The unread rest of the body would be taken for the next request.
    assert b"\r\nConnection: close\r\n" in answer
    assert scene.refused == ["body"]


async def test_large_body_that_came_in_one_piece_is_refused() -> None:
    scene = Scene("xml")
    async with serving(scene.url.routes(scene.answer)) as base:
        url = scene.at(base)
        chunk = b"10001\r\n" + b"A" * 0x10001 + b"\r\n0\r\n\r\n"
        request = head(url, scene.good()[0], "Transfer-Encoding: chunked", "Connection: close")
        answer = await raw(url, request, chunk)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert scene.refused == ["body"]


async def test_chunked_body_is_read_no_further_than_the_limit() -> None:
    scene = Scene("xml")
    async with serving(scene.url.routes(scene.answer)) as base:
        url = scene.at(base)
        # Endless: the last chunk never comes, so only the limit can end it.
        chunk = b"4000\r\n" + b"A" * 0x4000 + b"\r\n"
        answer = await raw(url, head(url, scene.good()[0], "Transfer-Encoding: chunked"), *[chunk] * 5)
        assert await scene.still_answers()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert scene.refused == ["body"]


@pytest.mark.parametrize("together", [True, False])
async def test_chunk_of_no_size_is_refused(together: bool) -> None:
    # The server stops reading such a body; unless it came with the head, only the timer notices.
    scene = Scene("xml", read_seconds=0.2)
    async with serving(scene.url.routes(scene.answer)) as base:
        url = scene.at(base)
        chunks = [b"5\r\nhello\r\n", b"no size\r\n\r\n"]
        parts = [b"".join(chunks)] if together else chunks
        answer = await raw(url, head(url, scene.good()[0], "Transfer-Encoding: chunked"), *parts, pause=0.05)
        assert await scene.still_answers()
    assert answer[9:12] == (b"400" if together else b"408")
    assert b"Traceback" not in answer
    assert scene.heard == [b"still there?"]


async def test_body_in_many_pieces_is_heard() -> None:
    scene = Scene("xml")
    async with serving(scene.url.routes(scene.answer)) as base:
        url = scene.at(base)
        query, body = scene.good(b"x" * 2000)
        pieces = [body[at : at + 500] for at in range(0, len(body), 500)]
        headers = f"Content-Length: {len(body)}", "Connection: close"
        answer = await raw(url, head(url, query, *headers), *pieces, pause=0.01)
    assert answer.endswith(b"\r\n\r\nheard at 1767225600")
    assert scene.heard == [b"x" * 2000]


async def test_compressed_body_is_refused_unread() -> None:
    scene = Scene("xml")
    async with serving(scene.url.routes(scene.answer)) as base:
        url = scene.at(base)
        bomb = gzip.compress(b"A" * (32 << 20))
        assert len(bomb) < MAX_BODY_BYTES
        headers = f"Content-Length: {len(bomb)}", "Content-Encoding: gzip", "Connection: close"
        answer = await raw(url, head(url, scene.good()[0], *headers), bomb)
        assert await scene.still_answers()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert scene.refused == ["encoding"]


async def test_slow_body_is_cut_off() -> None:
    scene = Scene("xml", read_seconds=0.2)
    async with serving(scene.url.routes(scene.answer)) as base:
        url = scene.at(base)
        began = time.perf_counter()
        answer = await raw(url, head(url, scene.good()[0], "Content-Length: 1000"), b"<")
        assert 0.2 <= time.perf_counter() - began < 2
        assert await scene.still_answers()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert scene.refused == ["slow body"]


async def test_two_hundred_half_sent_requests_hold_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene("xml")
    async with serving(scene.url.routes(scene.answer)) as base:
        url = scene.at(base)
        where = urlsplit(url)
        start = (head(url, {}, "Content-Length: 1000").replace("\n", "\r\n") + "\r\n\r\n<").encode()
        held = []
        for _ in range(200):
            _, writer = await asyncio.open_connection(where.hostname, where.port)
            writer.write(start)
            held.append(writer)
        assert all([await scene.still_answers() for _ in range(20)])
        for writer in held:
            writer.close()
        await asyncio.wait_for(scene.all_refused(200), 10)
        assert await scene.still_answers()
    # Senders that went away are counted, and nobody is told with a traceback.
    assert scene.refused == ["interrupted"] * 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(("raised", "status"), [(Unavailable("the disk is full"), 503), (RuntimeError("a bug"), 500)])
async def test_fault_behind_the_door_is_a_status_without_words(raised: Exception, status: int) -> None:
    scene = Scene("json")

    async def failing(message: bytes, nonce: str, now: int, keys: Keys) -> bytes:
        raise raised

    async with serving(scene.url.routes(failing)) as base:
        scene.at(base)
        answer = await scene.platform.post(*scene.good())
    assert answer.status == status
    assert b"the disk is full" not in answer.body
    assert b"a bug" not in answer.body
    assert scene.refused == []


async def test_slow_message_does_not_hold_up_another() -> None:
    scene = Scene("json")
    release = asyncio.Event()

    async def answer(message: bytes, nonce: str, now: int, keys: Keys) -> bytes:
        if message == b"slow":
            await release.wait()
        return message

    async with serving(scene.url.routes(answer)) as base:
        scene.at(base)
        slow = asyncio.create_task(scene.platform.post(*scene.good(b"slow")))
        assert await scene.platform.post(*scene.good(b"quick")) == Answer(200, b"quick")
        assert not slow.done()
        release.set()
        assert await slow == Answer(200, b"slow")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "PATCH"])
async def test_other_methods_are_not_there(method: str) -> None:
    scene = Scene("json")
    async with serving(scene.url.routes(scene.answer)) as base:
        url = scene.at(base)
        request = head(url, scene.good()[0], "Content-Length: 0", "Connection: close").replace("POST", method)
        assert (await raw(url, request)).startswith(b"HTTP/1.1 405 ")


# Settings.

GOOD: dict[str, Any] = {"token": "abc123", "aes_key": AES_KEY}


def test_settings_show_no_secret() -> None:
    shown = repr(CallbackSettings(**GOOD)) + CallbackSettings(**GOOD).model_dump_json()
    assert "abc123" not in shown
    assert AES_KEY not in shown


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"token": ""}, "Token 应为 1 到 32 位英文字母或数字，请从企业微信后台原样复制"),
        ({"token": "a" * 33}, "Token 应为 1 到 32 位英文字母或数字，请从企业微信后台原样复制"),
        ({"token": "secret-token"}, "Token 应为 1 到 32 位英文字母或数字，请从企业微信后台原样复制"),
        ({"aes_key": AES_KEY[:-1]}, "EncodingAESKey 应为 43 位英文字母或数字，请从企业微信后台原样复制"),
        ({"aes_key": AES_KEY + "="}, "EncodingAESKey 应为 43 位英文字母或数字，请从企业微信后台原样复制"),
        (
            {"aes_key": AES_KEY[:-1] + "+"},
            "EncodingAESKey 应为 43 位英文字母或数字，请从企业微信后台原样复制",
        ),
        ({"timestamp_window_seconds": 0}, "时间戳允许的偏差应在 1 到 86400 秒之间"),
        ({"timestamp_window_seconds": 86_401}, "时间戳允许的偏差应在 1 到 86400 秒之间"),
    ],
)
def test_wrong_setting_is_explained_in_chinese_without_the_secret(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        CallbackSettings(**(GOOD | change))
    assert [error["msg"] for error in caught.value.errors()] == [f"Value error, {says}"]
    for name in ("token", "aes_key"):
        if change.get(name):
            assert change[name] not in str(caught.value)


def test_unknown_setting_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        CallbackSettings(**GOOD, tokn="x")


def test_json_round_trip_of_the_fake_is_what_the_page_shows() -> None:
    # A guard for the fake itself: the AI bot's envelope has exactly one lower-case member (page 101033).
    _, body = Scene("json").good()
    assert list(json.loads(body)) == ["encrypt"]
