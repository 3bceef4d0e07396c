"""WeCom self-built app: inner messages, replies, and whole conversations with the fake platform."""

import time
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.channels import DeliveryError, Hears, Parcel, Unavailable
from bot.channels.app_messages import parse, read_fields, render
from bot.channels.envelope import Malformed
from bot.channels.wecom_app import Settings, WecomApp
from handlers.chat import Incoming, Reply
from models.places import Location
from tests.fakes.wecom_callbacks import AES_KEY, AGENT_ID, CORP_ID, TOKEN, Answer, Platform, app_text, serving

try:
    from wechatpy.work import parse_message
    from wechatpy.work.crypto import WeChatCrypto
    from wechatpy.work.replies import TextReply
except ImportError:  # The stable release calls its WeCom part "enterprise".
    from wechatpy.enterprise import parse_message
    from wechatpy.enterprise.crypto import WeChatCrypto
    from wechatpy.enterprise.replies import TextReply

NOW = 1_767_225_600
# Lone surrogates, which a text of Python can hold and UTF-8 cannot, and controls among the characters.
ANY_TEXT = st.lists(st.characters() | st.sampled_from("\ud800\udfff\x00\x1f\x7f\ufffe]>")).map("".join)
SAMPLES = Path(__file__).parent.parent / "samples" / "wecom_app"
SETTINGS: dict[str, Any] = {"token": TOKEN, "aes_key": AES_KEY, "corp_id": CORP_ID, "agent_id": AGENT_ID}


class Ear:
    """A `hear` that notes every message and answers what it was told to answer."""

    def __init__(self, *answers: Reply | Exception) -> None:
        self.heard: list[Incoming] = []
        self.answers = list(answers)

    async def __call__(self, incoming: Incoming) -> Reply:
        self.heard.append(incoming)
        answer = self.answers.pop(0) if self.answers else Reply(f"听到了：{incoming.text}")
        if isinstance(answer, Exception):
            raise answer
        return answer


def app() -> WecomApp:
    return WecomApp("app", Settings(**SETTINGS), wall=lambda: datetime.fromtimestamp(NOW, UTC))


def platform(base: str) -> Platform:
    return Platform(f"{base}/callback/app", "xml", now=lambda: NOW, receive_id=CORP_ID)


def heard(text: str, message_id: str, sender: str = "lisi", **shown: Any) -> Incoming:
    return Incoming("app", message_id, f"wecom:{CORP_ID}", sender, text, **shown)


def content(inner: bytes) -> str:
    return ET.fromstring(inner).findtext("Content") or ""


# Every sample and what becomes of it; None is an empty 200.
EXPECTED: dict[str, Incoming | None] = {
    "text.xml": heard("电梯坏了", "7300000000000000001"),
    "text_lines.xml": heard("#接龙\n周六清洁家园\n1. 王秀英 2人\n2. 李建国", "7300000000000000002"),
    "text_markup.xml": heard('<!DOCTYPE x [<!ENTITY a "b">]> <b>&a;</b> ]]> 签到 3', "7300000000000000003"),
    "text_entities.xml": heard("3栋 <1单元> & 2单元\n停水了", "7300000000000000004"),
    "voice_recognised.xml": heard("我要签到三号活动", "7300000000000000007"),
    "click.xml": heard("我的值班", "event-76efbe5134731d326c5c072241c5c76eb7504705"),
    "image.xml": heard("", "7300000000000000005", unseen=1),
    "voice.xml": None,
    "video.xml": None,
    "location.xml": heard("", "7300000000000000009", location=Location(31.2304, 121.4737, "中心花园")),
    "link.xml": None,
    "subscribe.xml": None,
    "enter_agent.xml": None,
    "location_event.xml": None,
    "view.xml": None,
    "template_card_event.xml": None,
    "change_contact.xml": None,
    "scancode_waitmsg.xml": None,
    "unknown_event.xml": None,
    "unknown_kind.xml": None,
}


def test_every_sample_is_expected() -> None:
    assert sorted(EXPECTED) == sorted(path.name for path in SAMPLES.glob("*.xml"))


@pytest.mark.parametrize("name", EXPECTED)
def test_sample_becomes_the_expected_message(name: str) -> None:
    fields = read_fields((SAMPLES / name).read_bytes())
    assert parse(fields, channel="app", namespace=f"wecom:{CORP_ID}") == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_sample_reads_as_wechatpy_reads_it(name: str) -> None:
    raw = (SAMPLES / name).read_bytes()
    ours, theirs = read_fields(raw), parse_message(raw)
    assert ours["FromUserName"] == theirs.source
    assert ours["ToUserName"] == theirs.target
    # Of nested members we keep no more than the name, and it adds defaults for what an event lacks.
    assert set(ours) <= set(theirs._data)
    flat = {name: theirs._data[name] or "" for name in ours if not isinstance(theirs._data[name], dict)}
    assert {name: ours[name].strip() for name in flat} == flat


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"hello",
        b"\xff\xfe garbage",
        b"<html></html>",
        b"<xml>",
        b"<xml><a></xml>",
        b"<xml></xml><xml></xml>",
        b'<xml version="1"></xml>',
        b"<xml>&unknown;</xml>",
        app_text("a").replace(b"</xml>", b"<Content>b</Content></xml>"),
        b"<xml><MsgType>text</MsgType></xml>",
        b"<xml><FromUserName>lisi</FromUserName><MsgId>1</MsgId></xml>",
        b"<xml><MsgType>text</MsgType><FromUserName>lisi</FromUserName><Content>a</Content></xml>",
        b"<xml><MsgType>text</MsgType><MsgId>1</MsgId><Content>a</Content></xml>",
        b"<xml><MsgType>text</MsgType><MsgId>1</MsgId><FromUserName>" + b"u" * 257 + b"</FromUserName></xml>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><xml><MsgType>text</MsgType><Content>&a;</Content></xml>',
        b'<?xml version="1.0"?><!DOCTYPE x SYSTEM "http://192.0.2.1/x"><xml><MsgType>text</MsgType></xml>',
        b"<!-- --><!DOCTYPE x []><xml><MsgType>text</MsgType></xml>",
        b"<xml><!DOCTYPE x []><MsgType>text</MsgType></xml>",
        "<xml><MsgType>text</MsgType></xml>".encode("utf-16"),
        b'<?xml version="1.0" encoding="utf-7"?><xml>+ADw-</xml>',
    ],
)
def test_message_that_is_none_is_refused(message: bytes) -> None:
    with pytest.raises(Malformed):
        parse(read_fields(message), channel="app", namespace="n")


def test_deep_nesting_is_read_at_once() -> None:
    # As deep as fits into a body after encryption and base64.
    deep = b"<a>" * 6_500 + b"</a>" * 6_500
    message = app_text("签到 3").replace(b"</xml>", deep + b"</xml>")
    assert len(message) < 48_000
    began = time.perf_counter()
    assert parse(read_fields(message), channel="app", namespace=f"wecom:{CORP_ID}") == heard(
        "签到 3", "7300000000000000001"
    )
    with pytest.raises(Malformed):
        read_fields(b"<xml>" + b"<a>" * 15_000)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("control", ["\x00", "\x0b", "\x1f", "\x7f", "\x1b\x7f"])
def test_control_characters_that_people_paste_are_left_out(control: str) -> None:
    message = app_text(f"签{control}到 3\tA\n")
    incoming = parse(read_fields(message), channel="app", namespace=f"wecom:{CORP_ID}")
    assert incoming == heard("签到 3\tA\n", "7300000000000000001")


@pytest.mark.parametrize("name", ["FromUserName", "CreateTime", "Event", "EventKey", "TaskId", "ChangeType", "AgentID"])
def test_events_that_differ_in_one_member_have_different_ids(name: str) -> None:
    fields = read_fields((SAMPLES / "click.xml").read_bytes()) | {"TaskId": "", "ChangeType": ""}
    changed = fields | {name: "CLICK" if name == "Event" else fields[name] + "1"}
    if name == "Event":
        fields = fields | {"Event": "click"}
    first = parse(fields, channel="app", namespace="n")
    again = parse(dict(fields), channel="app", namespace="n")
    second = parse(changed, channel="app", namespace="n")
    assert first is not None
    assert second is not None
    assert first == again
    assert first.message_id != second.message_id


# Replies.


def test_reply_swaps_the_sides_and_reads_as_the_page_shows() -> None:
    fields = read_fields(app_text("x", user="LiSi"))
    assert render(fields, "签到成功 ]]> <b>&", NOW).decode() == (
        f"<xml><ToUserName><![CDATA[LiSi]]></ToUserName><FromUserName><![CDATA[{CORP_ID}]]></FromUserName>"
        "<CreateTime>1767225600</CreateTime><MsgType><![CDATA[text]]></MsgType>"
        "<Content><![CDATA[签到成功 ]]]]><![CDATA[> <b>&]]></Content></xml>"
    )


def test_reply_says_what_wechatpy_would_say() -> None:
    raw = app_text("x")
    theirs = ET.fromstring(TextReply(message=parse_message(raw), content="签到成功", time=NOW).render())
    ours = ET.fromstring(render(read_fields(raw), "签到成功", NOW))
    said = {element.tag: (element.text or "").strip() for element in theirs}
    # It adds the AgentID, which the page does not list for replies.
    assert {element.tag: element.text for element in ours} | {"AgentID": str(AGENT_ID)} == said


@pytest.mark.parametrize("text", ["签" * 3000, "😀" * 600, "a" * 2049, "]]>" * 1000])
def test_long_reply_is_cut_to_the_platform_limit(text: str) -> None:
    shown = content(render(read_fields(app_text("x")), text, NOW))
    assert 2048 - 4 < len(shown.encode()) <= 2048
    assert shown.endswith("…")
    assert text.startswith(shown[:-1])


@given(ANY_TEXT)
def test_any_reply_is_well_formed(text: str) -> None:
    content(render(read_fields(app_text("x")), text, NOW))


# Whole conversations.


async def test_member_is_heard_and_answered() -> None:
    ear = Ear()
    async with serving(app().routes(ear)) as base:
        theirs = platform(base)
        answer = await theirs.deliver(app_text("签到 3", user="LiSi"))
    assert ear.heard == [heard("签到 3", "7300000000000000001")]
    reply = {element.tag: element.text for element in ET.fromstring(answer.inner)}
    assert reply == {
        "ToUserName": "LiSi",
        "FromUserName": CORP_ID,
        "CreateTime": str(NOW),
        "MsgType": "text",
        "Content": "听到了：签到 3",
    }


async def test_reply_opens_with_wechatpy() -> None:
    async with serving(app().routes(Ear(Reply("签到成功")))) as base:
        theirs = platform(base)
        query, body = theirs.request(theirs.encrypt(app_text("签到 3")), nonce="n0nce")
        answer = await theirs.post(query, body)
    signature = ET.fromstring(answer.body).findtext("MsgSignature")
    opened = WeChatCrypto(TOKEN, AES_KEY, CORP_ID).decrypt_message(answer.body, signature, str(NOW), "n0nce")
    assert content(opened.encode()) == "签到成功"


async def test_url_verification_of_this_channel() -> None:
    async with serving(app().routes(Ear())) as base:
        assert await platform(base).verify() == Answer(200, b"1616140317555161061")


@pytest.mark.parametrize("name", [name for name, expected in EXPECTED.items() if expected is None])
async def test_kind_that_says_nothing_gets_an_empty_200(name: str) -> None:
    ear = Ear()
    async with serving(app().routes(ear)) as base:
        assert await platform(base).deliver((SAMPLES / name).read_bytes()) == Answer(200)
    assert ear.heard == []


@pytest.mark.parametrize("silence", [Reply(), Reply(" \n")])
async def test_silence_is_an_empty_200(silence: Reply) -> None:
    async with serving(app().routes(Ear(silence))) as base:
        assert await platform(base).deliver(app_text("哈哈")) == Answer(200)


async def test_passing_fault_is_retried_by_the_platform_with_the_same_message() -> None:
    ear = Ear(Unavailable(), Unavailable(), Reply("签到成功"))
    async with serving(app().routes(ear)) as base:
        theirs = platform(base)
        answer = await theirs.deliver(app_text("签到 3"))
    assert [answer.status for answer in theirs.answers] == [503, 503, 200]
    assert [answer.body for answer in theirs.answers[:2]] == [b"", b""]
    assert content(answer.inner) == "签到成功"
    assert ear.heard == [heard("签到 3", "7300000000000000001")] * 3


@pytest.mark.parametrize(
    "text",
    [
        "签到 3]]><x>",
        "签到 3 <b>&amp;",
        "签到 3 \u202e",
        "签到 " + "9" * 5000,
        "签到 -3",
        "签到 3" + "😀" * 500,
        "",
        " ",
    ],
)
async def test_odd_text_is_heard_as_typed_and_answered_readably(text: str) -> None:
    ear = Ear()
    async with serving(app().routes(ear)) as base:
        answer = await platform(base).deliver(app_text(text))
    assert [incoming.text for incoming in ear.heard] == [text]
    said = f"听到了：{text}"
    assert content(answer.inner) == said or content(answer.inner)[:-1] == said[: len(content(answer.inner)) - 1]


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        (b"\xff\xfe garbage", "encoding"),
        (b"<xml/>", "xml"),
        (b"<xml></xml>", "kind"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><xml><MsgType>text</MsgType><Content>&a;</Content></xml>', "xml"),
        (b"<xml>" + b"<a>" * 15_000, "xml"),
    ],
)
async def test_hostile_inner_message_is_refused_though_rightly_encrypted(inner: bytes, reason: str) -> None:
    ear, refused = Ear(), list[str]()
    channel = WecomApp(
        "app", Settings(**SETTINGS), wall=lambda: datetime.fromtimestamp(NOW, UTC), refused=refused.append
    )
    async with serving(channel.routes(ear)) as base:
        theirs = platform(base)
        assert await theirs.post(*theirs.request(theirs.encrypt(inner))) == Answer(400)
        assert (await theirs.deliver(app_text("签到 3"))).status == 200
    assert refused == [reason]
    assert ear.heard == [heard("签到 3", "7300000000000000001")]


async def test_two_apps_of_one_corp_are_heard_apart() -> None:
    ear = Ear()
    second = Settings(**(SETTINGS | {"token": "otherToken", "agent_id": 1000008}))
    other = WecomApp("office", second, wall=lambda: datetime.fromtimestamp(NOW, UTC))
    async with serving([*app().routes(ear), *other.routes(ear)]) as base:
        theirs = platform(base)
        assert (await theirs.deliver(app_text("帮助"))).status == 200
        # The first app's token opens no door of the second.
        theirs.url = f"{base}/callback/office"
        assert await theirs.post(*theirs.request(theirs.encrypt(app_text("帮助")))) == Answer(403)
        theirs.token = "otherToken"
        assert (await theirs.deliver(app_text("帮助"))).status == 200
    assert [(incoming.channel, incoming.namespace) for incoming in ear.heard] == [
        ("app", f"wecom:{CORP_ID}"),
        ("office", f"wecom:{CORP_ID}"),
    ]


async def test_pushing_is_refused_for_good() -> None:
    assert app().ability.hears is Hears.EVERYTHING
    assert not app().ability.pushes_to_people
    with pytest.raises(DeliveryError) as caught:
        await app().send(Parcel("lisi", "你好"))
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"corp_id": ""}, "企业 ID 应为 64 位以内的英文字母和数字（后台“我的企业”页最下方）"),
        ({"corp_id": "ww 1"}, "企业 ID 应为 64 位以内的英文字母和数字（后台“我的企业”页最下方）"),
        ({"agent_id": 0}, "AgentId 应为大于 0 的整数（后台应用详情页）"),
    ],
)
def test_wrong_setting_is_explained_in_chinese(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(**(SETTINGS | change))
    assert [error["msg"] for error in caught.value.errors()] == [f"Value error, {says}"]
