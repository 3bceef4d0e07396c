"""The sealed envelope around WeCom callbacks: signature, AES, and the two wrappers XML and JSON. Pure.

The same scheme protects the callbacks of self-built apps (XML, receive id = corp id), of AI bots (JSON,
receive id mostly empty) and of official accounts in safe mode. Source: developer.work.weixin.qq.com, pages
90968 and 91144 (scheme), 90238 (URL verification, app envelope), 101033 (AI-bot envelope).

Nothing expensive happens before the signature is known to be right, and whatever is wrong ends in one family
of exceptions. The checks run in this order: size, the parts of the query, the timestamp window, the search
for the ciphertext (no parser: see `_ENCRYPT_XML`), the signature in constant time, and only then base64,
AES, padding, length and receive id.
"""

import binascii
import hashlib
import re
from collections.abc import Mapping
from hmac import compare_digest
from json import JSONEncoder
from os import urandom
from typing import ClassVar

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

MAX_BODY_BYTES = 64 * 1024
"""No callback comes near this: the longest text of a chat is a few kilobytes."""

_RANDOM_BYTES = 16
_HEAD_BYTES = _RANDOM_BYTES + 4
_PAD_BLOCK = 32
"""PKCS#7 over 32 bytes and not over AES's 16, so a pad of 17 to 32 is right as well (page 90968)."""
_PADS = tuple(bytes((count,)) * count for count in range(_PAD_BLOCK + 1))
_NONCE_CHARACTERS = 128

# The outer body is not parsed, only searched, because it is read before anybody has proved who they are. What
# a hostile body hides elsewhere does not matter: exactly the string found here must carry the signature, and
# only base64 can be found, so there is nothing to expand. Possessive repeats keep both searches linear.
_ENCRYPT_XML = re.compile(
    rb"<Encrypt>\s*+(?:<!\[CDATA\[\s*+([A-Za-z0-9+/=]++)\s*+\]\]>|([A-Za-z0-9+/=]++))\s*+</Encrypt>"
)
# JSON writers may escape the slash of base64; it is undone below.
_ENCRYPT_JSON = re.compile(rb'"encrypt"\s*+:\s*+"([A-Za-z0-9+/=\\]++)"')

# What neither XML nor every database can hold: controls (but not tab and line ends), lone surrogates,
# non-characters.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

_quote_json = JSONEncoder(ensure_ascii=False).encode


class EnvelopeError(Exception):
    """A callback that is refused. `reason` is a short word for counters, never a secret or a text."""

    status: ClassVar[int] = 400
    """The HTTP status that says so."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Forged(EnvelopeError):
    """The signature or the receive id is wrong: whoever wrote this does not hold our token and key."""

    status = 403


class Stale(EnvelopeError):
    """Rightly or wrongly signed, the timestamp lies outside the window: an old callback played back."""

    status = 403


class Malformed(EnvelopeError):
    """It is no callback at all: a part is missing, or does not decode."""

    status = 400


class TooLarge(EnvelopeError):
    """The body is longer than any callback."""

    status = 413


class Keys:
    """What one callback URL shares with the platform. Built once, because it sets up the cipher.

    `aes_key` is the console's EncodingAESKey of 43 characters. Raises ValueError if it gives no 32 bytes.
    """

    __slots__ = ("_key", "cipher", "receive_id", "token")

    def __init__(self, token: str, aes_key: str, receive_id: str) -> None:
        # Some real keys end in a character with stray low bits, which strict decoders refuse.
        try:
            key = binascii.a2b_base64(aes_key + "=")
        except ValueError as error:
            raise ValueError("the AES key is not base64") from error
        if len(aes_key) != 43 or len(key) != 32:
            raise ValueError("the AES key must have 43 characters that decode to 32 bytes")
        self._key = key
        self.token = token.encode()
        self.receive_id = receive_id.encode()
        self.cipher = Cipher(AES(key), CBC(key[:16]))

    def same_as(self, other: "Keys") -> bool:
        """Whether both open and seal alike."""
        return (self.token, self._key, self.receive_id) == (other.token, other._key, other.receive_id)

    def __repr__(self) -> str:
        return f"<Keys for {self.receive_id.decode()!r}>"


def open_xml(body: bytes, query: Mapping[str, str], keys: Keys, now: float, window: float) -> bytes:
    """Verifies and decrypts one POST of the XML flavour and returns the inner message, not yet parsed.

    `query` holds msg_signature, timestamp and nonce; `now` is Unix seconds, `window` seconds to either side.
    Raises an EnvelopeError. Source: pages 90238 and 90968.
    """
    return _open(_ENCRYPT_XML, body, query, keys, now, window)


def open_json(body: bytes, query: Mapping[str, str], keys: Keys, now: float, window: float) -> bytes:
    """Verifies and decrypts one POST of the JSON flavour; otherwise as `open_xml`. Source: page 101033."""
    return _open(_ENCRYPT_JSON, body, query, keys, now, window)


def open_echo(query: Mapping[str, str], keys: Keys, now: float, window: float) -> bytes:
    """Verifies and decrypts the `echostr` of the URL verification; the result is the whole answer.

    `now` and `window` in seconds. Raises an EnvelopeError. Source: page 90238.
    """
    signature, timestamp, nonce = _signed_parts(query, now, window)
    # A bare plus arrives as a space where the query was read as a form; base64 knows no spaces, so undo it.
    echo = query.get("echostr", "").replace(" ", "+")
    if not echo or not echo.isascii():
        raise Malformed("echostr")
    return _open_ciphertext(echo.encode(), signature, timestamp, nonce, keys)


def seal_xml(message: bytes, keys: Keys, *, timestamp: int, nonce: str) -> bytes:
    """Encrypts and signs one passive reply in XML. `timestamp` in Unix seconds. Source: page 90968."""
    encrypted, signature = _seal(message, keys, timestamp, nonce)
    return (
        f"<xml><Encrypt><![CDATA[{encrypted}]]></Encrypt><MsgSignature><![CDATA[{signature}]]></MsgSignature>"
        f"<TimeStamp>{timestamp}</TimeStamp><Nonce>{cdata(nonce)}</Nonce></xml>"
    ).encode()


def seal_json(message: bytes, keys: Keys, *, timestamp: int, nonce: str) -> bytes:
    """Encrypts and signs one passive reply in JSON.

    `timestamp` in Unix seconds; `nonce` must be the one of the callback's URL. Source: page 101033.
    """
    encrypted, signature = _seal(message, keys, timestamp, nonce)
    return (
        f'{{"encrypt":"{encrypted}","msgsignature":"{signature}","timestamp":{timestamp},"nonce":{_quote_json(nonce)}}}'
    ).encode()


def seal_echo(word: bytes, keys: Keys, *, timestamp: int, nonce: str) -> dict[str, str]:
    """The query with which the console verifies a URL: whoever has the keys answers the word. Source: page 90238."""
    encrypted, signature = _seal(word, keys, timestamp, nonce)
    return {"msg_signature": signature, "timestamp": str(timestamp), "nonce": nonce, "echostr": encrypted}


def file_cipher(aes_key: str) -> Cipher[CBC]:
    """The cipher of a file that brings its own key, as base64 of 32 bytes. Raises ValueError. Source: page 101463."""
    key = binascii.a2b_base64(aes_key + "=" * (-len(aes_key) % 4))
    if len(key) != 32:
        raise ValueError("the key of a file has 32 bytes")
    return Cipher(AES(key), CBC(key[:16]))


def open_file(sealed: bytes, cipher: Cipher[CBC]) -> bytes:
    """Decrypts a picture or file that a message of an AI bot links to.

    Without a key of its own it is sealed with the callback's (`Keys.cipher`). Raises ValueError. Source: page 100719.
    """
    if not sealed or len(sealed) % 16:
        raise ValueError("no whole blocks")
    decryptor = cipher.decryptor()
    plain = decryptor.update(sealed) + decryptor.finalize()
    pad = plain[-1]
    if not 1 <= pad <= _PAD_BLOCK or not plain.endswith(_PADS[pad]):
        raise ValueError("padding")
    return plain[:-pad]


def cdata(text: str) -> str:
    """Wraps a text for XML. A `]]>` inside is spread over two sections, so that it cannot end the first."""
    return f"<![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]>"


def writable(text: str) -> str:
    """The text without the characters that XML or a database cannot hold; line ends stay."""
    return _UNWRITABLE.sub("", text)


def clip(text: str, max_bytes: int) -> bytes:
    """The text in UTF-8, cut on a character border and ended with … where it is longer than `max_bytes`."""
    encoded = text.encode()
    if len(encoded) <= max_bytes:
        return encoded
    return encoded[: max_bytes - len("…".encode())].decode(errors="ignore").encode() + "…".encode()


def _open(
    pattern: re.Pattern[bytes], body: bytes, query: Mapping[str, str], keys: Keys, now: float, window: float
) -> bytes:
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge("body")
    signature, timestamp, nonce = _signed_parts(query, now, window)
    found = pattern.search(body)
    if found is None:
        raise Malformed("envelope")
    # No callback has a document type. Nothing here would expand it; refusing it shows probes in the counters.
    if body.find(b"<!DOCTYPE", 0, found.start()) >= 0:
        raise Malformed("doctype")
    encrypted = found[found.lastindex or 1]
    if b"\\" in encrypted:
        encrypted = encrypted.replace(b"\\/", b"/")
    return _open_ciphertext(encrypted, signature, timestamp, nonce, keys)


def _signed_parts(query: Mapping[str, str], now: float, window: float) -> tuple[str, bytes, bytes]:
    """Signature, timestamp and nonce of the query, the timestamp already found to be inside the window."""
    signature = query.get("msg_signature", "")
    timestamp = query.get("timestamp", "")
    nonce = query.get("nonce", "")
    if not (signature and timestamp and nonce):
        raise Malformed("query")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        raise Malformed("timestamp")
    # Printable excludes the controls and surrogates that could not be written into the reply.
    if len(nonce) > _NONCE_CHARACTERS or not nonce.isprintable():
        raise Malformed("nonce")
    if abs(now - int(timestamp)) > window:
        raise Stale("timestamp")
    return signature, timestamp.encode(), nonce.encode()


def _open_ciphertext(encrypted: bytes, signature: str, timestamp: bytes, nonce: bytes, keys: Keys) -> bytes:
    """The message inside the base64 ciphertext, once its signature is found right."""
    # compare_digest refuses to compare text beyond ASCII, and a signature is hexadecimal anyway.
    expected = _sign(keys.token, timestamp, nonce, encrypted)
    if not signature.isascii() or not compare_digest(expected, signature):
        raise Forged("signature")
    try:
        sealed = binascii.a2b_base64(encrypted, strict_mode=True)
    except ValueError:
        raise Malformed("base64") from None
    if not sealed or len(sealed) % 16:
        raise Malformed("ciphertext")
    decryptor = keys.cipher.decryptor()
    plain = decryptor.update(sealed) + decryptor.finalize()

    pad = plain[-1]
    # A pad of 0 would slice to nothing below, and pads above 32 are another scheme.
    if not 1 <= pad <= _PAD_BLOCK or not plain.endswith(_PADS[pad]):
        raise Malformed("padding")
    end = _HEAD_BYTES + int.from_bytes(plain[_RANDOM_BYTES:_HEAD_BYTES], "big")
    # This refuses buffers shorter than the head as well, since `end` is never less than the head.
    if end > len(plain) - pad:
        raise Malformed("length")
    if plain[end:-pad] != keys.receive_id:
        raise Forged("receive id")
    return plain[_HEAD_BYTES:end]


def _seal(message: bytes, keys: Keys, timestamp: int, nonce: str) -> tuple[str, str]:
    """Base64 ciphertext and signature of one message."""
    plain = b"".join((urandom(_RANDOM_BYTES), len(message).to_bytes(4, "big"), message, keys.receive_id))
    encryptor = keys.cipher.encryptor()
    sealed = encryptor.update(plain + _PADS[_PAD_BLOCK - len(plain) % _PAD_BLOCK]) + encryptor.finalize()
    encrypted = binascii.b2a_base64(sealed, newline=False)
    return encrypted.decode(), _sign(keys.token, b"%d" % timestamp, nonce.encode(), encrypted)


def _sign(token: bytes, timestamp: bytes, nonce: bytes, encrypted: bytes) -> str:
    """SHA-1 over the four values in byte order, in lower-case hexadecimal. Source: page 90968."""
    # SHA-1 is the platform's choice; the secret token inside makes it an authentication code.
    return hashlib.sha1(b"".join(sorted((token, timestamp, nonce, encrypted)))).hexdigest()  # noqa: S324
