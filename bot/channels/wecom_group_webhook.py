"""WeCom 群机器人 (消息推送): one-way push into one internal group: texts, pictures, cards, files. Page 91770.

The key of a group's robot is the endpoint's secret; the endpoint's address is a label made from it, so that one robot
is one address, and its limits are its own. Whoever has the key can post, so it appears in no log, no error and no
`repr`. The platform knows no idempotency key: a lost answer stays unknown.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Literal

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from bot import logs
from bot.channels import FILE_BYTES, Ability, DeliveryError, File, Hear, Limit, OutcomeUnknown, Parcel, refuse_size
from bot.channels.uploads import in_time
from bot.channels.wecom_calls import Said, Trouble, called, client, refused
from models.base import Card

log = logs.logger(__name__)

TEXT_BYTES = 2048
MARKDOWN_BYTES = 4096
LINK_LABEL = "点这里说收到"
"""What stands on the link of a card."""

PERMANENT = {
    93000: "webhook key wrong, or the robot was removed",
    93004: "robot disabled",
    93008: "robot not in the group",
    40008: "unknown msgtype",
    40058: "bad parameter",
    44004: "empty content",
    45002: "content too long",
    40009: "picture too large",
}
"""Answers that never heal by trying again (pages 91770, 90313)."""
FILE_REFUSED = {
    40004: "the file is of a kind that the platform does not take",
    40006: "the file is too large, or empty",
}
"""Answers to a file that never heal by trying again (page 90313)."""
BAD_PARAMETER = 40058
KIND_REFUSED = frozenset({40008, 40009, 40058, 45002})
"""Of these, what the platform says of a picture or a card that it does not like."""

CARD_HEADING, CARD_BODY, CARD_FOOT = 26, 112, 30
"""Characters that a notice card shows of each part; of what is longer the end is not seen."""
_NONE: Mapping[str, str] = {}
_MARKUP = re.compile(r"[<*`\[\]\\]|^[ ]*[#>]", re.MULTILINE)
"""What would change its looks as markdown; there is no way to write it as it is."""


class Settings(BaseModel):
    """[channels.<name>] 群机器人（只发不收）"""

    model_config = ConfigDict(extra="forbid")
    needs_secrets_key: ClassVar[bool] = True

    kind: Literal["wecom_group_webhook"]
    base_url: str = Field("https://qyapi.weixin.qq.com", pattern=r"^https?://", description="企业微信接口地址")
    timeout_seconds: float = Field(10.0, gt=0, le=60, description="等企业微信答复最多几秒")
    per_minute: int = Field(20, ge=1, le=1000, description="每个群机器人每分钟最多发几条")
    pictures: bool = Field(True, description="榜单发成图片；false 就发文字")
    cards: bool = Field(True, description="长通知排版发、带链接的通知发成卡片；false 就发文字")


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
        self._url = settings.base_url.rstrip("/") + "/cgi-bin/webhook"
        self._seconds = settings.timeout_seconds
        self._session: aiohttp.ClientSession | None = None

    def adopt(self, settings: Settings) -> None:
        """Takes a changed limit, and whether to send pictures and cards; everything else needs a new start."""
        self.ability = Ability(
            pushes_to_groups=True,
            text_bytes=TEXT_BYTES,
            markdown_bytes=MARKDOWN_BYTES,
            pictures=settings.pictures,
            cards=settings.cards,
            file_bytes=FILE_BYTES,
            limits=(Limit(settings.per_minute, timedelta(minutes=1)),),
        )

    def routes(self, hear: Hear) -> list[web.RouteDef]:
        return []

    def address_of(self, external_id: str) -> str:
        raise NotImplementedError("this channel reaches groups only")

    async def send(self, parcel: Parcel) -> None:
        """Posts one text, picture, card or file. Raises DeliveryError and OutcomeUnknown."""
        if parcel.file is not None:
            media_id = await in_time(self._upload(parcel.secret, parcel.file))
            return await self._post(parcel.secret, {"msgtype": "file", "file": {"media_id": media_id}})
        shown = self._shown(parcel)
        if shown is not None:
            try:
                return await self._post(parcel.secret, shown)
            except DeliveryError as no:
                if no.code not in KIND_REFUSED:
                    raise
                # The text says the same.
                log.error("wecom_group_webhook.kind_refused", channel=self.name, kind=shown["msgtype"], code=no.code)
        await self._post(parcel.secret, {"msgtype": "text", "text": {"content": parcel.text}})

    def _shown(self, parcel: Parcel) -> dict[str, Any] | None:
        """What says more than the bare text, where there is something."""
        if parcel.picture:
            return _image(parcel.picture)
        if parcel.card is None or not self.ability.cards:
            return None
        return notice_card(parcel.card) or _markdown(parcel.card)

    async def _upload(self, key: str, file: File) -> str:
        """The media id of a file, good for this robot alone. Raises DeliveryError: nobody has seen anything of it."""
        refuse_size(file, self.ability.file_bytes)
        said = await self._called(key, "upload_media", file=file, params={"type": "file"})
        if isinstance(said, Said) and said.code == BAD_PARAMETER and not file.name.isascii():
            # Perhaps of its name, of which the page says nothing: better a plain one than no file.
            plain = replace(file, name=f"file.{file.name.rpartition('.')[2]}")
            said = await self._called(key, "upload_media", file=plain, params={"type": "file"})
        if isinstance(said, OutcomeUnknown):
            raise DeliveryError(f"the upload was not answered: {said}", permanent=False)
        if isinstance(said, DeliveryError):
            raise said
        if said.code in FILE_REFUSED:
            raise DeliveryError(FILE_REFUSED[said.code], permanent=True, code=said.code)
        if (trouble := _judged(said)) is not None:
            raise trouble
        media_id = said.fields.get("media_id")
        if not isinstance(media_id, str) or not media_id:
            raise DeliveryError("no media id in the platform's answer", permanent=False)
        return media_id

    async def _post(self, key: str, body: dict[str, Any]) -> None:
        said = await self._called(key, "send", body=body)
        trouble = _judged(said) if isinstance(said, Said) else said
        if trouble is not None:
            raise trouble

    async def _called(
        self,
        key: str,
        what: str,
        *,
        body: dict[str, Any] | None = None,
        file: File | None = None,
        params: Mapping[str, str] = _NONE,
    ) -> Said | Trouble:
        if self._session is None:
            self._session = client(self._seconds)
        named = {"key": key, **params}
        return await called(self._session, "POST", f"{self._url}/{what}", params=named, body=body, file=file)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _image(picture: bytes) -> dict[str, Any]:
    """The digest is over the bytes themselves (page 91770)."""
    digest = hashlib.md5(picture, usedforsecurity=False).hexdigest()
    return {"msgtype": "image", "image": {"base64": base64.b64encode(picture).decode(), "md5": digest}}


def notice_card(card: Card) -> dict[str, Any] | None:
    """A card that opens its page at a tap; None where there is no page, or where a card has no room for it."""
    heading, body, foot, url = card
    if not url or len(heading) > CARD_HEADING or len(body) > CARD_BODY or len(foot) > CARD_FOOT:
        return None
    return {
        "msgtype": "template_card",
        "template_card": {
            "card_type": "text_notice",
            "main_title": {"title": heading, "desc": foot},
            "sub_title_text": body,
            "jump_list": [{"type": 1, "url": url, "title": LINK_LABEL}],
            "card_action": {"type": 1, "url": url},
        },
    }


def _markdown(card: Card) -> dict[str, Any] | None:
    """The parts with a bold heading; None where the words themselves would be read as markup, or are too many."""
    heading, body, foot, url = card
    if any(_MARKUP.search(part) for part in (heading, body, foot)):
        return None
    pieces = [f"**{heading}**", body, f"> {foot}" if foot else "", f"[{LINK_LABEL}]({url})" if url else ""]
    content = "\n".join(piece for piece in pieces if piece)
    if len(content.encode()) > MARKDOWN_BYTES:
        return None
    return {"msgtype": "markdown", "markdown": {"content": content}}


def _judged(said: Said) -> DeliveryError | None:
    """What the platform's answer means (page 91770)."""
    if said.code == 0:
        return None
    if said.code in PERMANENT:
        return DeliveryError(PERMANENT[said.code], permanent=True, code=said.code)
    return refused(said)
