"""WeCom's side of an encrypted callback, for tests: verifies a URL, posts messages, retries, reads replies.

Written from the published description of the scheme and apart from `bot/channels/envelope.py`, so that both
cannot share an error: the block chaining is done by hand over bare AES blocks, the envelopes are built and
read by general XML and JSON libraries. The deviations that tests need are parameters of `plain_buffer`.
"""

import base64
import contextlib
import hashlib
import json
import os
import struct
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from yarl import URL

TOKEN = "neighbourToken1"
AES_KEY = "ZyXwVuTsRqPoNmLkJiHgFeDcBa9876543210aBcDeFg"
CORP_ID = "wwLINLITEST"
AGENT_ID = 1000007


@dataclass(frozen=True)
class Answer:
    """What came back for one request: status, raw body, and of an encrypted reply the inner message."""

    status: int
    body: bytes = b""
    inner: bytes = b""


@dataclass
class Platform:
    """One app (`xml`) or AI bot (`json`) as WeCom sees it, pointed at one callback URL.

    `now` gives Unix seconds; `deadline` is how long an answer may take, `tries` how often a message is sent.
    """

    url: str
    flavour: str
    now: Callable[[], float]
    token: str = TOKEN
    aes_key: str = AES_KEY
    receive_id: str = ""
    deadline: float = 5.0
    tries: int = 3
    answers: list[Answer] = field(default_factory=list)
    """Every answer to every delivery, in order."""

    # -- the scheme

    def sign(self, timestamp: str, nonce: str, encrypted: str) -> str:
        parts = [part.encode() for part in (self.token, timestamp, nonce, encrypted)]
        parts.sort()
        digest = hashlib.sha1()
        for part in parts:
            digest.update(part)
        return digest.hexdigest()

    def plain_buffer(
        self,
        message: bytes,
        *,
        receive_id: str | None = None,
        length: int | None = None,
        random: bytes = b"",
        pad: int | None = None,
        pad_byte: int | None = None,
    ) -> bytes:
        """The padded buffer; `length`, `pad` and `pad_byte` overrule what would be right."""
        owner = self.receive_id if receive_id is None else receive_id
        buffer = (random or os.urandom(16)) + struct.pack("!L", len(message) if length is None else length)
        buffer += message + owner.encode()
        missing = 32 - len(buffer) % 32 if pad is None else pad
        return buffer + bytes([missing if pad_byte is None else pad_byte]) * missing

    def encrypt_buffer(self, buffer: bytes) -> str:
        """CBC by hand: each block is mixed with the one sealed before it, the first with the key's head."""
        block = Cipher(algorithms.AES(self._key()), modes.ECB()).encryptor()
        previous, sealed = self._key()[:16], bytearray()
        for start in range(0, len(buffer), 16):
            mixed = bytes(a ^ b for a, b in zip(buffer[start : start + 16], previous, strict=True))
            previous = block.update(mixed)
            sealed += previous
        return base64.b64encode(sealed).decode()

    def encrypt(self, message: bytes) -> str:
        return self.encrypt_buffer(self.plain_buffer(message))

    def decrypt(self, encrypted: str) -> bytes:
        sealed = base64.b64decode(encrypted, validate=True)
        assert len(sealed) % 32 == 0, "the platform pads to 32 bytes"
        block = Cipher(algorithms.AES(self._key()), modes.ECB()).decryptor()
        previous, buffer = self._key()[:16], bytearray()
        for start in range(0, len(sealed), 16):
            chunk = sealed[start : start + 16]
            buffer += bytes(a ^ b for a, b in zip(block.update(chunk), previous, strict=True))
            previous = chunk
        pad = buffer.pop()
        assert 1 <= pad <= 32
        for _ in range(pad - 1):
            assert buffer.pop() == pad
        (length,) = struct.unpack("!L", buffer[16:20])
        assert 20 + length <= len(buffer), "a message may not reach into the pad"
        assert bytes(buffer[20 + length :]) == self.receive_id.encode()
        return bytes(buffer[20 : 20 + length])

    def _key(self) -> bytes:
        return base64.b64decode(self.aes_key + "=")

    # -- requests

    def request(
        self, encrypted: str, *, timestamp: str | None = None, nonce: str | None = None
    ) -> tuple[dict[str, str], bytes]:
        """Query and body of a rightly signed POST around any ciphertext."""
        timestamp = str(int(self.now())) if timestamp is None else timestamp
        nonce = os.urandom(5).hex() if nonce is None else nonce
        query = {
            "msg_signature": self.sign(timestamp, nonce, encrypted),
            "timestamp": timestamp,
            "nonce": nonce,
        }
        if self.flavour == "json":
            return query, json.dumps({"encrypt": encrypted}).encode()
        envelope = f"<ToUserName><![CDATA[{self.receive_id}]]></ToUserName><AgentID>{AGENT_ID}</AgentID>"
        return query, f"<xml>{envelope}<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>".encode()

    async def verify(self, word: str = "1616140317555161061", *, form_plus: bool = False) -> Answer:
        """The URL check of the console. `form_plus` sends `+` bare, as a careless proxy would."""
        # The random block is drawn until both characters occur that URLs and form decoding damage.
        encrypted = ""
        while "+" not in encrypted or "/" not in encrypted:
            encrypted = self.encrypt(word.encode())
        query, _ = self.request(encrypted)
        query["echostr"] = encrypted
        text = urlencode(query)
        assert "%2B" in text
        return await self.get(text.replace("%2B", "+") if form_plus else text)

    async def get(self, query: str) -> Answer:
        async with aiohttp.ClientSession() as session, session.get(self._url(query)) as response:
            return Answer(response.status, await response.read())

    async def post(self, query: dict[str, str] | str, body: Any, **more: Any) -> Answer:
        """One POST as it is; an encrypted reply is not read."""
        text = query if isinstance(query, str) else urlencode(query)
        timeout = aiohttp.ClientTimeout(total=self.deadline)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(self._url(text), data=body, **more) as response,
        ):
            return Answer(response.status, await response.read())

    async def deliver(self, message: bytes) -> Answer:
        """Sends a message as WeCom does, with a new nonce each time, until it is taken or given up."""
        answer = Answer(0)
        for _ in range(self.tries):
            query, body = self.request(self.encrypt(message))
            try:
                answer = await self.post(query, body)
            except (TimeoutError, aiohttp.ClientError):
                answer = Answer(0)
            if answer.body and answer.status == 200:
                answer = Answer(200, answer.body, self.read(answer.body, nonce=query["nonce"]))
            self.answers.append(answer)
            if answer.status == 200:
                break
        return answer

    def read(self, body: bytes, *, nonce: str) -> bytes:
        """Verifies and decrypts a reply, as strictly as the pages describe it."""
        if self.flavour == "json":
            outer = json.loads(body)
            assert set(outer) == {"encrypt", "msgsignature", "timestamp", "nonce"}
            assert isinstance(outer["timestamp"], int)
            encrypted, signature = outer["encrypt"], outer["msgsignature"]
            timestamp, returned = str(outer["timestamp"]), outer["nonce"]
        else:
            root = ET.fromstring(body)
            assert {child.tag for child in root} == {"Encrypt", "MsgSignature", "TimeStamp", "Nonce"}
            values = {child.tag: child.text or "" for child in root}
            encrypted, signature = values["Encrypt"], values["MsgSignature"]
            timestamp, returned = values["TimeStamp"], values["Nonce"]
        assert returned == nonce
        assert signature == self.sign(timestamp, returned, encrypted)
        return self.decrypt(encrypted)

    def _url(self, query: str) -> URL:
        return URL(f"{self.url}?{query}" if query else self.url, encoded=True)


def app_text(text: str, *, user: str = "lisi", message_id: str = "7300000000000000001", corp: str = CORP_ID) -> bytes:
    """A member's text to the app, as page 90239 shapes it."""
    safe = text.replace("]]>", "]]]]><![CDATA[>")
    return (
        f"<xml><ToUserName><![CDATA[{corp}]]></ToUserName><FromUserName><![CDATA[{user}]]></FromUserName>"
        f"<CreateTime>1767225600</CreateTime><MsgType><![CDATA[text]]></MsgType>"
        f"<Content><![CDATA[{safe}]]></Content><MsgId>{message_id}</MsgId><AgentID>{AGENT_ID}</AgentID></xml>"
    ).encode()


def aibot_text(text: str, *, user: str = "lisi", message_id: str = "CAIQtest01", chat: str = "") -> bytes:
    """A text to the AI bot, in a group where `chat` is given, as page 100719 shapes it."""
    frame = {
        "msgid": message_id,
        "aibotid": "aibTEST",
        "chattype": "group" if chat else "single",
        "from": {"userid": user},
        "msgtype": "text",
        "text": {"content": text},
    }
    if chat:
        frame["chatid"] = chat
    return json.dumps(frame).encode()


@contextlib.asynccontextmanager
async def serving(routes: Iterable[web.RouteDef]) -> AsyncIterator[str]:
    """A real server with these routes on a free loopback port; gives its address, without a last slash."""
    app = web.Application()
    app.add_routes(list(routes))
    # A refused upload is read on for a moment, so that the sender sees the status; tests wait less for it.
    runner = web.AppRunner(app, access_log=None, lingering_time=0.2, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
