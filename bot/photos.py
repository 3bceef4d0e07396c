"""Photos at the edge: fetched where the platform keeps them, and scaled down before anything else sees them.

A message names its pictures by addresses, an app's by an id as well. They are fetched at once, for an AI bot's
addresses live five minutes only, and only where the channel's settings say that the platform keeps pictures: an address
that leads elsewhere is not followed, nor a redirect. What a phone wrote into the file (the place, the camera, the
moment) does not come in with it.
"""

import asyncio
import io
import warnings
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import urlsplit

import aiohttp
from PIL import Image, ImageOps

from bot import logs
from handlers.chat import Incoming
from models.photos import BYTES_MAX, Photo

log = logs.logger(__name__)

PHOTOS_MAX = 3
"""How many pictures of one message are looked at."""
FETCH_BYTES_MAX = 10 * 1024 * 1024
"""The largest picture that the platform itself lets anybody send (page 100719)."""
FETCH_SECONDS = 2.5
"""For all pictures of a message together: the platform waits 5 seconds for the answer."""
AGAIN_AFTER = 0.1
"""Seconds before a picture is asked for once more."""
SIDE_MAX = 1280
"""Pixels of the longer side of what is kept."""
PIXELS_MAX = 50_000_000
KINDS = ("JPEG", "PNG", "WEBP", "GIF")
QUALITIES = (80, 60, 40)

# Two at once: a large picture takes 150 MB while it is scaled down.
_scaling = ThreadPoolExecutor(2, thread_name_prefix="photos")


class NoPhoto(ValueError):
    """What came is no picture that we take: too large, of another kind, damaged, not there any more."""


class NotNow(NoPhoto):
    """The picture could not be had this time; another try may get it."""


Read = Callable[[], Awaitable[bytes]]
"""Gets what lies where a picture is kept. Raises NoPhoto."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where the platform keeps a picture of a message, and how what lies there is opened."""

    url: str = field(repr=False)
    """Whoever knows it can read the picture, so it is logged nowhere."""
    opened: Callable[[bytes], bytes] | None = None
    """Decrypts what was fetched; raises ValueError. None: it lies there as it is."""
    asked: Read | None = None
    """Asks the platform itself for the picture, which is tried before the address."""


def scaled(content: bytes, side: int = SIDE_MAX) -> Photo:
    """The picture as a small upright JPEG, `side` pixels long at most. Raises NoPhoto."""
    try:
        with warnings.catch_warnings():
            # A picture of a few bytes that unfolds to gigabytes is announced by a warning first.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=KINDS) as opened:
                if opened.width * opened.height > PIXELS_MAX:
                    raise NoPhoto("pixels")
                # A JPEG is decoded at the size that is wanted, at once.
                opened.draft("RGB", (side, side))
                picture = _on_white(ImageOps.exif_transpose(opened))
        picture.thumbnail((side, side))
        for quality in QUALITIES:
            out = io.BytesIO()
            picture.save(out, "JPEG", quality=quality, optimize=True)
            if out.tell() <= BYTES_MAX:
                return Photo(out.getvalue(), "image/jpeg")
    except NoPhoto:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise NoPhoto("not read") from None
    raise NoPhoto("size")


def _on_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    ground = Image.new("RGB", layer.size, "white")
    ground.paste(layer, mask=layer)
    return ground


async def scaled_aside(content: bytes, side: int = SIDE_MAX) -> Photo:
    """`scaled` in a thread: it takes a tenth of a second. Raises NoPhoto."""
    return await asyncio.get_running_loop().run_in_executor(_scaling, scaled, content, side)


class Album:
    """Fetches the pictures of one channel's messages."""

    def __init__(self, bases: Sequence[str], *, seconds: float = FETCH_SECONDS) -> None:
        """`bases` are where the platform keeps pictures: `https://host` or `http://host:port`."""
        self._places = frozenset(_place(base) for base in bases)
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def bring(self, incoming: Incoming, links: Sequence[Link]) -> Incoming:
        """The message with its pictures; how many of them are missing stands in `unseen`."""
        if not links:
            return incoming
        photos: list[Photo] = []
        try:
            async with asyncio.timeout(self._seconds):
                for link in links[:PHOTOS_MAX]:
                    if (photo := await self._fetch(link, incoming)) is not None:
                        photos.append(photo)
        except TimeoutError:
            log.warning("photos.slow", channel=incoming.channel, message_id=incoming.message_id)
        return replace(incoming, photos=tuple(photos), unseen=len(links) - len(photos))

    async def _fetch(self, link: Link, incoming: Incoming) -> Photo | None:
        why = ""
        for read in self._ways(link):
            try:
                content = await read()
                return await scaled_aside(link.opened(content) if link.opened else content)
            except (NoPhoto, ValueError, aiohttp.ClientError, OSError) as error:
                # The client's own words name the address, and with it the picture.
                why = str(error) if isinstance(error, NoPhoto) else type(error).__name__
        log.warning("photos.lost", channel=incoming.channel, message_id=incoming.message_id, why=why)
        return None

    def _ways(self, link: Link) -> Iterator[Read]:
        """How a picture is got, one after the other until it is there; the second has half of the time at least."""
        if link.asked is not None:
            yield partial(_patiently, link.asked, self._seconds / 2)
        if link.asked is None or link.url:
            yield partial(_patiently, partial(self._read, link.url), self._seconds)

    async def _read(self, url: str) -> bytes:
        if _place(url) not in self._places:
            raise NoPhoto(f"not kept at {urlsplit(url).hostname}")
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False, auto_decompress=False)
        async with self._session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                raise (NotNow if response.status >= 500 else NoPhoto)(f"HTTP {response.status}")
            content = bytearray()
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > FETCH_BYTES_MAX:
                    raise NoPhoto("size")
        return bytes(content)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _patiently(read: Read, seconds: float) -> bytes:
    """Reads, and once more where the first time only happened to go wrong. Raises what `read` does, and NotNow."""
    try:
        async with asyncio.timeout(seconds):
            try:
                return await read()
            except (NotNow, aiohttp.ClientError, ConnectionError):
                await asyncio.sleep(AGAIN_AFTER)
                return await read()
    except TimeoutError:
        raise NotNow("slow") from None


def _place(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of an address; None for one that names none."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            return None
        return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
