"""What was uploaded to the platform, so that one picture for many people is uploaded once.

Source: developer.work.weixin.qq.com, pages 90253 and 101463: an upload lives three days.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from bot.channels import DeliveryError

UPLOAD_SECONDS = 4.0
"""An upload that takes longer is given up, so that its text still goes out in the time that a message has."""
KEPT_MOST = 32
KEPT_SECONDS = 2 * 86_400.0
"""Well within the three days: what is sent now is looked at later."""

Upload = Callable[[bytes], Awaitable[str]]
"""Uploads a picture; returns its media id."""


class Uploads:
    """The media ids of what was uploaded last. `now` gives seconds that never go back far."""

    def __init__(self, now: Callable[[], float], *, seconds: float = UPLOAD_SECONDS) -> None:
        self._now = now
        self._seconds = seconds
        self._kept: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._uploading = asyncio.Lock()

    async def id_of(self, picture: bytes, upload: Upload) -> str:
        """The media id of a picture, uploaded where it is not there. Raises what `upload` raises, and TimeoutError."""
        name = hashlib.sha256(picture).hexdigest()
        async with asyncio.timeout(self._seconds), self._uploading:
            media_id, until = self._kept.get(name, ("", 0.0))
            if until <= self._now():
                media_id = await upload(picture)
                self._kept[name] = media_id, self._now() + KEPT_SECONDS
                self._kept.move_to_end(name)
                while len(self._kept) > KEPT_MOST:
                    self._kept.popitem(last=False)
            return media_id

    def forget(self) -> None:
        """The platform does not know some of them any more: everything is uploaded anew."""
        self._kept.clear()


FILE_SECONDS = 6.0
"""An upload that takes longer is given up well before a message is: nobody has seen anything of it."""


async def in_time(uploading: Awaitable[str], seconds: float = FILE_SECONDS) -> str:
    """The media id of a file that is uploaded in place of a text. Raises DeliveryError where it takes too long."""
    try:
        async with asyncio.timeout(seconds):
            return await uploading
    except TimeoutError:
        raise DeliveryError("the upload took too long", permanent=False, code="not_sent") from None
