"""The group webhook against a platform on loopback: what each answer and each fault means, and that no key shows."""

import asyncio
import base64
import hashlib
import io
import logging
import socket
import traceback
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from bot import logs
from bot.channels import FILE_BYTES, DeliveryError, File, OutcomeUnknown, Parcel
from bot.channels.wecom_group_webhook import Settings, WecomGroupWebhook, label, read_key
from models.base import Card
from models.clock import MovedClock
from tests.fakes import wecom_api
from tests.fakes.wecom_api import Fault, Message, WecomApi
from tests.moments import SATURDAY

KEY, OTHER, WRONG = (f"693a91f6-7ccc-4bc4-97a0-{number:012d}" for number in (1, 2, 3))
TEXT = "3号楼今晚 22:00 停水，请提前储水"


@pytest.fixture
def wall() -> MovedClock:
    return MovedClock(SATURDAY, frozen=True)


@pytest.fixture
async def api(wall: MovedClock) -> AsyncIterator[WecomApi]:
    async with WecomApi({KEY, OTHER}, wall.now) as running:
        yield running


@pytest.fixture
async def webhook(api: WecomApi) -> AsyncIterator[WecomGroupWebhook]:
    made = channel(api.url)
    yield made
    await made.close()


@pytest.fixture
def heard() -> Iterator[io.StringIO]:
    """Everything that is logged, with people's words."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.configure("debug", "json", stream, message_text=True)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


@pytest.mark.parametrize(
    "shown",
    [
        KEY,
        f"  {KEY}\n",
        f'"{KEY}"',
        f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={KEY}",
        f"HTTPS://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={KEY}&debug=1 ",
    ],
)
def test_key_is_read_from_what_the_platform_shows(shown: str) -> None:
    assert read_key(shown) == KEY


PNG = b"\x89PNG\r\n\x1a\n and so on"


async def test_a_picture_stands_in_place_of_its_text(webhook: WecomGroupWebhook, api: WecomApi) -> None:
    assert webhook.ability.pictures
    await webhook.send(Parcel(label(KEY), TEXT, KEY, picture=PNG))

    (message,) = api.messages
    assert base64.b64decode(message.body["image"]["base64"]) == PNG
    assert not channel(api.url, pictures=False).ability.pictures


async def test_a_refused_picture_goes_out_as_its_text(webhook: WecomGroupWebhook, api: WecomApi) -> None:
    await webhook.send(Parcel(label(KEY), TEXT, KEY, picture=b"GIF89a is not taken"))
    assert api.texts() == [TEXT]
    # What was not taken because of the moment is tried again as it is.
    api.meets(wecom_api.refuses(wecom_api.TOO_OFTEN))
    with pytest.raises(DeliveryError):
        await webhook.send(Parcel(label(KEY), TEXT, KEY, picture=PNG))
    assert api.texts() == [TEXT]


URL = "https://bot.example.com/r/693a91f67ccc4bc497a0"
NOTICE = Card("锦绣社区通知 8", "明早8点到10点停水，请提前存水", "收到请私聊小邻发 收到 8。", URL)
LONG = NOTICE._replace(body="停水，请存水。" * 20)


ROLL = File('清洁家园 "签到表".pdf', b"%PDF-1.7 roll", "application/pdf")


async def test_a_file_comes_under_its_name_and_without_words(webhook: WecomGroupWebhook, api: WecomApi) -> None:
    await webhook.send(Parcel(label(KEY), "签到表", KEY, file=ROLL))
    api.meets(wecom_api.refuses(40058))
    await webhook.send(Parcel(label(KEY), "签到表", KEY, file=ROLL))
    assert api.files(KEY) == [(ROLL.name, ROLL.content), ("file.pdf", ROLL.content)]
    assert api.texts() == []


@pytest.mark.parametrize(
    ("faults", "means"),
    [
        ([wecom_api.refuses(40006)], DeliveryError("", permanent=True, code=40006)),
        ([wecom_api.refuses(40058)] * 2, DeliveryError("", permanent=True, code=40058)),
        ([wecom_api.refuses(wecom_api.TOO_OFTEN)], DeliveryError("", permanent=False, code=45009)),
        # Of an upload nobody has seen anything, whether its answer came or not.
        ([wecom_api.LOST], DeliveryError("", permanent=False, code="")),
        ([wecom_api.RESET], DeliveryError("", permanent=False, code="")),
        ([Fault(takes=True), wecom_api.LOST], OutcomeUnknown()),
    ],
    ids=["too-large", "bad", "too-often", "upload-lost", "upload-reset", "message-lost"],
)
async def test_what_became_of_a_file(
    webhook: WecomGroupWebhook, api: WecomApi, faults: list[Fault], means: DeliveryError | OutcomeUnknown
) -> None:
    api.meets(*faults)
    with pytest.raises(type(means)) as no:
        await webhook.send(Parcel(label(KEY), "签到表", KEY, file=ROLL))
    if isinstance(means, DeliveryError):
        assert isinstance(no.value, DeliveryError)
        assert (no.value.code, no.value.permanent, api.files(KEY)) == (means.code, means.permanent, [])
    assert api.texts() == [], "words never stand for a file"


async def test_a_file_that_is_too_large_does_not_leave(webhook: WecomGroupWebhook, api: WecomApi) -> None:
    large = File("名单.xlsx", bytes(FILE_BYTES + 1), "application/octet-stream")
    with pytest.raises(DeliveryError) as no:
        await webhook.send(Parcel(label(KEY), "名单", KEY, file=large))
    assert (no.value.code, no.value.permanent, api.requests) == ("file-size", True, [])


async def test_a_notice_with_a_page_is_a_card_that_opens_it(webhook: WecomGroupWebhook, api: WecomApi) -> None:
    await webhook.send(Parcel(label(KEY), TEXT, KEY, card=NOTICE))

    (message,) = api.messages
    assert message.body["template_card"] == {
        "card_type": "text_notice",
        "main_title": {"title": "锦绣社区通知 8", "desc": "收到请私聊小邻发 收到 8。"},
        "sub_title_text": "明早8点到10点停水，请提前存水",
        "jump_list": [{"type": 1, "url": URL, "title": "点这里说收到"}],
        "card_action": {"type": 1, "url": URL},
    }


MARKDOWN = [
    (LONG, f"**{LONG.heading}**\n{LONG.body}\n> {LONG.foot}\n[点这里说收到]({URL})"),
    (LONG._replace(url="", foot=""), f"**{LONG.heading}**\n{LONG.body}"),
    # What would be read as markup, a mention of everybody among it, is said in plain words.
    (LONG._replace(body=f"{LONG.body}\n# 标题"), None),
    (LONG._replace(body=f"{LONG.body}<@all>"), None),
    (LONG._replace(body="停水" * 700), None),
]


@pytest.mark.parametrize(("card", "content"), MARKDOWN)
async def test_a_long_notice_has_its_heading_apart(
    webhook: WecomGroupWebhook, api: WecomApi, card: Card, content: str | None
) -> None:
    await webhook.send(Parcel(label(KEY), TEXT, KEY, card=card))

    (message,) = api.messages
    assert (message.body["msgtype"], message.text) == (("markdown", content) if content else ("text", TEXT))


async def test_a_refused_card_goes_out_as_its_text(webhook: WecomGroupWebhook, api: WecomApi) -> None:
    api.meets(wecom_api.refuses(wecom_api.BAD_PARAMETER))
    await webhook.send(Parcel(label(KEY), TEXT, KEY, card=NOTICE))
    assert api.texts() == [TEXT]
    plain = channel(api.url, cards=False)
    await plain.send(Parcel(label(KEY), TEXT, KEY, card=NOTICE))
    await plain.close()
    assert api.texts() == [TEXT, TEXT]
    # Where the answer is lost nothing is sent a second time.
    api.meets(wecom_api.LOST)
    with pytest.raises(OutcomeUnknown):
        await webhook.send(Parcel(label(KEY), TEXT, KEY, card=NOTICE))
    assert [message.body["msgtype"] for message in api.messages] == ["text", "text", "template_card"]


@pytest.mark.parametrize(
    "typed",
    ["", "a-key", KEY[:-1], f"{KEY} {OTHER}", f"key={KEY}", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send", "三栋"],
)
def test_what_is_no_key_is_refused_and_not_shown(typed: str) -> None:
    with pytest.raises(ValueError, match=r"^not a key of a group's robot$"):
        read_key(typed)


def test_label_names_one_robot_and_hides_its_key() -> None:
    assert label(KEY) != label(OTHER)
    assert label(KEY) == label(KEY)
    assert not set(KEY.split("-")) & {label(KEY)}


def channel(url: str, seconds: float = 5, *, pictures: bool = True, cards: bool = True) -> WecomGroupWebhook:
    settings = Settings(
        kind="wecom_group_webhook", base_url=url, timeout_seconds=seconds, pictures=pictures, cards=cards
    )
    return WecomGroupWebhook("webhook", settings)


def parcel(text: str = TEXT, key: str = KEY) -> Parcel:
    return Parcel("3栋群", text, key)


async def meaning(webhook: WecomGroupWebhook, sent: Parcel) -> object:
    """What the channel says of one parcel, as one value."""
    try:
        await webhook.send(sent)
    except DeliveryError as error:
        return ("permanent" if error.permanent else "passing", error.code, error.pause)
    except OutcomeUnknown:
        return "unknown"
    return "sent"


async def test_text_arrives_as_the_platform_wants_it(
    api: WecomApi, webhook: WecomGroupWebhook, wall: MovedClock
) -> None:
    await webhook.send(parcel())

    assert api.messages == [Message(KEY, wall.now(), {"msgtype": "text", "text": {"content": TEXT}})]


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("停" * 682 + "ab", "sent"),
        ("停" * 682 + "abc", ("permanent", 45002, None)),
        ("", ("permanent", 44004, None)),
        ('\u0000"\\\n</xml>{{}} 🧹 @all', "sent"),
    ],
)
async def test_limits_are_of_bytes(api: WecomApi, webhook: WecomGroupWebhook, text: str, means: object) -> None:
    assert await meaning(webhook, parcel(text)) == means
    assert api.texts() == ([text] if means == "sent" else [])


async def test_key_that_the_platform_does_not_know_is_permanent(webhook: WecomGroupWebhook) -> None:
    assert await meaning(webhook, parcel(key=WRONG)) == ("permanent", 93000, None)


async def test_twenty_first_message_of_a_minute_is_refused_and_asks_for_rest(
    api: WecomApi, webhook: WecomGroupWebhook, wall: MovedClock
) -> None:
    said = [await meaning(webhook, parcel(str(number))) for number in range(21)]

    assert said == ["sent"] * 20 + [("passing", 45009, timedelta(seconds=60))]
    assert await meaning(webhook, parcel(key=OTHER)) == "sent"
    wall.move_to(SATURDAY + timedelta(seconds=59, milliseconds=999))
    assert await meaning(webhook, parcel()) == ("passing", 45009, timedelta(seconds=60))
    wall.move_to(SATURDAY + timedelta(seconds=60))
    assert await meaning(webhook, parcel()) == "sent"
    assert api.most_in_a_minute(KEY) == 20


def body(text: str, status: int = 200) -> Fault:
    return Fault(status=status, body=text.encode())


FAULTS: dict[str, tuple[Fault, object]] = {
    "-1": (wecom_api.refuses(-1), ("passing", -1, None)),
    "45009": (wecom_api.refuses(45009), ("passing", 45009, timedelta(seconds=60))),
    "45033": (wecom_api.refuses(45033), ("passing", 45033, timedelta(seconds=10))),
    "93000": (wecom_api.refuses(93000), ("permanent", 93000, None)),
    "93004": (wecom_api.refuses(93004), ("permanent", 93004, None)),
    "93008": (wecom_api.refuses(93008), ("permanent", 93008, None)),
    "40008": (wecom_api.refuses(40008), ("permanent", 40008, None)),
    "40058": (wecom_api.refuses(40058), ("permanent", 40058, None)),
    "44004": (wecom_api.refuses(44004), ("permanent", 44004, None)),
    "45002": (wecom_api.refuses(45002), ("permanent", 45002, None)),
    "nobody knows this one": (wecom_api.refuses(123456), ("passing", 123456, None)),
    "500": (body("", 500), ("passing", 500, None)),
    "502": (wecom_api.BAD_GATEWAY, ("passing", 502, None)),
    "502 that says ok": (body('{"errcode":0}', 502), ("passing", 502, None)),
    "503 with a rest": (
        Fault(status=503, body=b"", headers={"Retry-After": "7"}),
        ("passing", 503, timedelta(seconds=7)),
    ),
    "504": (body("", 504), "unknown"),
    "429": (wecom_api.too_many(), ("passing", 429, None)),
    "429 with a rest": (wecom_api.too_many("120"), ("passing", 429, timedelta(seconds=120))),
    "429 with a long rest": (wecom_api.too_many("9" * 30), ("passing", 429, timedelta(hours=1))),
    "429 with a date": (wecom_api.too_many("Wed, 21 Oct 2026 07:28:00 GMT"), ("passing", 429, None)),
    "429 with nonsense": (wecom_api.too_many("²"), ("passing", 429, None)),
    "429 with no rest": (wecom_api.too_many("0"), ("passing", 429, None)),
    "408": (body("", 408), ("passing", 408, None)),
    "404": (body("", 404), ("permanent", 404, None)),
    "redirect": (
        Fault(status=302, body=b"", headers={"Location": "/cgi-bin/webhook/send?key=" + KEY}),
        ("passing", 302, None),
    ),
    "204": (body("", 204), "unknown"),
    "garbage": (wecom_api.GARBAGE, "unknown"),
    "empty": (body(""), "unknown"),
    "list": (body("[]"), "unknown"),
    "null": (body("null"), "unknown"),
    "no errcode": (body('{"errmsg":"ok"}'), "unknown"),
    "errcode null": (body('{"errcode":null}'), "unknown"),
    "errcode false": (body('{"errcode":false}'), "unknown"),
    "errcode infinite": (body('{"errcode":1e999}'), "unknown"),
    "errcode half": (body('{"errcode":0.5}'), "unknown"),
    "errcode text": (body('{"errcode":"zero"}'), "unknown"),
    "not UTF-8": (Fault(body=b'{"errcode":\xff}'), "unknown"),
    "deep": (body("[" * 60_000), "unknown"),
    "endless": (Fault(body=b'{"errcode":0,"errmsg":"' + b"o" * 300_000 + b'"}'), "unknown"),
    "slow": (wecom_api.slow(0.05), "sent"),
    "too slow": (wecom_api.slow(2), "unknown"),
    "hangs": (wecom_api.HANGS, "unknown"),
    "hangs with it": (wecom_api.HANGS_WITH_IT, "unknown"),
    "reset": (wecom_api.RESET, "unknown"),
    "lost": (wecom_api.LOST, "unknown"),
}


ENDLESS = ("too slow", "hangs", "hangs with it")


@pytest.mark.parametrize("name", FAULTS)
async def test_every_answer_and_fault_has_its_meaning_and_shows_no_key(
    api: WecomApi, heard: io.StringIO, name: str
) -> None:
    fault, means = FAULTS[name]
    # Patient, but for those that are about patience.
    webhook = channel(api.url, 0.3 if name in ENDLESS else 5)
    api.meets(fault)

    said = await meaning(webhook, parcel())
    assert said == means
    assert api.requests == [KEY], "one try, and no redirect followed"
    api.meets(fault)
    shown = await everything_shown(webhook, heard)
    assert TEXT not in shown
    assert KEY not in shown
    # The next one is not touched by what went wrong before.
    await webhook.close()
    webhook = channel(api.url)
    assert await meaning(webhook, parcel("好了")) == "sent"
    await webhook.close()


async def everything_shown(webhook: WecomGroupWebhook, heard: io.StringIO) -> str:
    """All that a failed send leaves behind: logs, the exception, what it came from, and how things look."""
    shown = [repr(webhook), str(vars(webhook))]
    try:
        await webhook.send(parcel())
    except (DeliveryError, OutcomeUnknown) as error:
        logs.logger("test").exception("failed")
        link: BaseException | None = error
        while link is not None:
            shown += [repr(link), str(link), str(vars(link)), "".join(traceback.format_exception(link))]
            link = link.__context__ or link.__cause__
    return heard.getvalue() + "".join(shown)


async def test_refused_connection_was_not_sent_and_shows_no_key(heard: io.StringIO) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        webhook = channel(f"http://127.0.0.1:{taken.getsockname()[1]}")

        assert await meaning(webhook, parcel()) == ("passing", "not_sent", None)
        assert KEY not in await everything_shown(webhook, heard)
        await webhook.close()


@pytest.mark.parametrize("url", ["http://", "http://[", "https://127.0.0.1:1"])
async def test_address_that_leads_nowhere_was_not_sent(heard: io.StringIO, url: str) -> None:
    webhook = channel(url)

    assert await meaning(webhook, parcel()) == ("passing", "not_sent", None)
    assert KEY not in await everything_shown(webhook, heard)
    await webhook.close()


async def test_platform_that_speaks_no_tls_was_not_sent(api: WecomApi) -> None:
    webhook = channel(api.url.replace("http://", "https://"))

    assert await meaning(webhook, parcel()) == ("passing", "not_sent", None)
    assert api.requests == []
    await webhook.close()


async def test_server_that_never_lets_in_was_not_sent() -> None:
    # A full backlog: the kernel answers no further handshake.
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(0)
        address = door.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        webhook = channel(f"http://127.0.0.1:{address[1]}", 0.3)

        assert await meaning(webhook, parcel()) == ("passing", "not_sent", None)
        await webhook.close()
        for one in waiting:
            one.close()


async def test_every_message_has_a_connection_of_its_own(api: WecomApi, webhook: WecomGroupWebhook) -> None:
    await asyncio.gather(*(webhook.send(parcel(str(number))) for number in range(20)))
    assert sorted(api.texts(), key=int) == [str(number) for number in range(20)]

    # A server that closes idle connections just now would otherwise lose the answer.
    assert webhook._session is not None
    assert webhook._session.connector is not None
    assert webhook._session.connector._conns == {}


async def test_closing_twice_and_sending_after_it_works(api: WecomApi, webhook: WecomGroupWebhook) -> None:
    await webhook.close()
    await webhook.send(parcel())
    await webhook.close()
    await webhook.close()

    assert api.texts() == [TEXT]


# -- the platform on loopback keeps the platform's rules ----------------------------------------

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
CARD = {
    "card_type": "text_notice",
    "main_title": {"title": "停水"},
    "card_action": {"type": 1, "url": "https://example.org"},
}


def image(raw: bytes, digest: str | None = None) -> dict[str, Any]:
    return {"base64": base64.b64encode(raw).decode(), "md5": digest or hashlib.md5(raw).hexdigest()}


def article(**more: str) -> dict[str, str]:
    return {"title": "停水通知", "url": "https://example.org/n/17", **more}


@pytest.mark.parametrize(
    ("kind", "content", "code"),
    [
        ("text", {"content": TEXT, "mentioned_list": ["@all"]}, 0),
        ("text", {"content": TEXT, "mentioned_list": "@all"}, 40058),
        ("text", {"content": 3}, 40058),
        ("text", {}, 44004),
        ("text", TEXT, 40058),
        ("markdown", {"content": "停" * 1365}, 0),
        ("markdown", {"content": "停" * 1366}, 45002),
        ("markdown_v2", {"content": "# 停水"}, 0),
        ("image", image(PNG), 0),
        ("image", image(PNG, "0" * 32), 40058),
        ("image", {**image(PNG), "base64": "data:image/png;base64," + image(PNG)["base64"]}, 40058),
        ("image", {**image(PNG), "base64": base64.encodebytes(PNG).decode()}, 40058),
        ("image", image(b"GIF89a" + bytes(100)), 40009),
        ("image", image(PNG + bytes(2 * 1024 * 1024)), 40009),
        ("news", {"articles": [article()] * 8}, 0),
        ("news", {"articles": [article()] * 9}, 40058),
        ("news", {"articles": []}, 40058),
        ("file", {"media_id": "3a800099"}, 40007),
        ("template_card", CARD, 0),
        ("template_card", {**CARD, "card_type": "button_interaction"}, 40058),
        ("template_card", {"card_type": "news_notice"}, 40058),
        ("template_card", {**CARD, "horizontal_content_list": [{"type": 3}]}, 40058),
        ("template_card", {**CARD, "main_title": {}}, 40058),
        ("template_card", {**CARD, "jump_list": [{"type": 1, "title": "点这里"}]}, 40058),
        ("location", {}, 40008),
        (None, {}, 40008),
    ],
)
async def test_platform_judges_messages(api: WecomApi, kind: str | None, content: object, code: int) -> None:
    sent = {"msgtype": kind, str(kind): content}

    assert await post(api, json=sent) == code
    assert [message.body for message in api.messages] == ([sent] if code == 0 else [])


async def post(api: WecomApi, path: str = "send", key: str = KEY, **more: Any) -> object:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{api.url}/cgi-bin/webhook/{path}", params={"key": key}, **more) as response,
    ):
        answer = await response.json()
        return answer["media_id"] if "media_id" in answer else answer["errcode"]


async def test_platform_cuts_news_on_characters(api: WecomApi) -> None:
    long = article(title="停" * 50, description="水" * 200)
    assert await post(api, json={"msgtype": "news", "news": {"articles": [long]}}) == 0

    (kept,) = api.messages
    assert kept.body["news"]["articles"] == [article(title="停" * 42, description="水" * 170)]


def form(name: str = "media", raw: bytes = b"x" * 6, filename: str = "a.txt") -> aiohttp.FormData:
    data = aiohttp.FormData(quote_fields=False)
    data.add_field(name, raw, filename=filename)
    return data


async def test_platform_keeps_files_for_one_key_and_three_days(api: WecomApi, wall: MovedClock) -> None:
    media_id = await post(api, "upload_media?type=file", data=form())
    message = {"msgtype": "file", "file": {"media_id": media_id}}

    assert await post(api, json=message) == 0
    assert await post(api, json=message, key=OTHER) == 40007
    assert await post(api, json={"msgtype": "voice", "voice": {"media_id": media_id}}) == 40007
    wall.move_to(SATURDAY + timedelta(days=3))
    assert await post(api, json=message) == 40007


@pytest.mark.parametrize(
    ("data", "kind", "code"),
    [
        (form(name="file"), "file", 40058),
        (form(raw=b"x" * 5), "file", 40006),
        (form(raw=b"#!AMR\nxx"), "film", 40058),
        (form(raw=b"RIFF5678"), "voice", 40058),
    ],
)
async def test_platform_refuses_uploads(api: WecomApi, data: aiohttp.FormData, kind: str, code: int) -> None:
    assert await post(api, f"upload_media?type={kind}", data=data) == code
