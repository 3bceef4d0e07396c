"""Pictures to send, and the place where the platform keeps those of messages."""

import io
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from PIL import Image

from bot.fonts import find_font
from models.photos import Photo
from tests.fakes.wecom_callbacks import serving

NEEDS_FONT = pytest.mark.skipif(find_font() is None, reason="no font with Chinese letters on this machine")


def drawn(width: int = 40, height: int = 30, kind: str = "JPEG", mode: str = "RGB", **how: object) -> bytes:
    """A picture whose left half is red and whose right half is blue."""
    picture = Image.new(mode, (width, height), "blue")
    picture.paste(Image.new(mode, (width // 2, height), "red"), (0, 0))
    out = io.BytesIO()
    picture.save(out, kind, **how)
    return out.getvalue()


def size_of(content: bytes) -> tuple[int, int]:
    """Width and height in pixels."""
    return Image.open(io.BytesIO(content)).size


PHOTO = Photo(drawn(), "image/jpeg")
"""As a channel brings it."""


def sealed(content: bytes, key: bytes) -> bytes:
    """As an AI bot's pictures lie there: AES in CBC by hand over bare blocks, padded to 32 bytes."""
    pad = 32 - len(content) % 32
    block = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    previous, out = key[:16], bytearray()
    buffer = content + bytes([pad]) * pad
    for start in range(0, len(buffer), 16):
        mixed = bytes(a ^ b for a, b in zip(buffer[start : start + 16], previous, strict=True))
        previous = block.update(mixed)
        out += previous
    return bytes(out)


@dataclass
class Shelf:
    """Serves pictures by name, each for five minutes, and notes what was asked for."""

    base: str = ""
    pictures: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    minutes: float = 0.0
    """How long ago everything was put there."""

    def put(self, content: bytes) -> str:
        """The address of a picture; whoever knows it can read it."""
        name = os.urandom(8).hex()
        self.pictures[name] = content
        return f"{self.base}/{name}?sign=SECRET"

    async def give(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.asked.append(name)
        if name == "elsewhere":
            raise web.HTTPFound(f"{self.base}/{next(iter(self.pictures))}")
        if name not in self.pictures or self.minutes >= 5:
            return web.Response(status=403)
        return web.Response(body=self.pictures[name])


@asynccontextmanager
async def shelf() -> AsyncIterator[Shelf]:
    """A real server on loopback."""
    kept = Shelf()
    async with serving([web.get("/{name}", kept.give)]) as base:
        kept.base = base
        yield kept
