"""WeCom AI bot: frames, replies, and whole conversations with the fake platform."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels import DeliveryError, Hears, Parcel, Unavailable
from bot.channels.aibot_frames import FrameError, answers, finished_stream, read_frame, stream_id
from bot.channels.wecom_aibot import Settings, WecomAibot
from handlers.chat import Button, Incoming, Quote, Reply
from tests.fakes.wecom_callbacks import AES_KEY, TOKEN, Answer, Platform, aibot_text, serving

NOW = 1_767_225_600
# Lone surrogates, which a text of Python can hold and UTF-8 cannot, and controls among the characters.
ANY_TEXT = st.lists(st.characters() | st.sampled_from("\ud800\udfff\x00\x1f\x7f\ufffe]>")).map("".join)
SAMPLES = Path(__file__).parent.parent / "samples" / "wecom_aibot"
SETTINGS: dict[str, Any] = {"token": TOKEN, "aes_key": AES_KEY}
GROUP = "wrEXAMPLEAbC01"


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


def aibot(**settings: Any) -> WecomAibot:
    wall = datetime.fromtimestamp(NOW, UTC)
    return WecomAibot("aibot", Settings(**(SETTINGS | settings)), wall=lambda: wall)


def platform(base: str, **changes: Any) -> Platform:
    return Platform(f"{base}/callback/aibot", "json", now=lambda: NOW, **changes)


def heard(
    text: str,
    message_id: str,
    *,
    chat: str = GROUP,
    sender: str = "LiSi",
    quote: Quote | None = None,
    unseen: int = 0,
) -> Incoming:
    return Incoming(
        channel="aibot",
        message_id=message_id,
        namespace="wecom-aibot:aibot",
        sender=sender,
        text=text,
        address=chat,
        quote=quote,
        unseen=unseen,
    )


# Every sample and what becomes of it; None is an empty 200.
EXPECTED: dict[str, Incoming | None] = {
    "text_group.json": heard("@小区助手 签到 3", "CAIQ-text_group"),
    "text_single.json": heard("我的积分", "CAIQ-text_single", chat=""),
    "text_quote.json": heard(
        "@小区助手 这个通知说的是哪栋楼", "CAIQ-text_quote", quote=Quote(text="明天 9:00-15:00 停水")
    ),
    "text_quote_mixed.json": heard(
        "@小区助手 报名", "CAIQ-text_quote_mixed", quote=Quote(text="周六清洁家园\n中心花园集合")
    ),
    "text_quote_image.json": heard("@小区助手 报修 这里", "CAIQ-text_quote_image", quote=Quote()),
    "voice.json": heard("三号楼电梯坏了", "CAIQ-voice", chat=""),
    "mixed.json": heard("@小区助手 报修 看这里\n路灯不亮", "CAIQ-mixed", unseen=1),
    "mixed_pictures.json": heard("", "CAIQ-mixed_pictures", chat="", unseen=1),
    "image.json": heard("", "CAIQ-image", chat="", unseen=1),
    "file.json": None,
    "video.json": None,
    "stream_refresh.json": None,
    "enter_chat.json": heard("帮助", "CAIQ-enter_chat", chat=""),
    "template_card_event.json": None,
    "feedback_event.json": None,
    "unknown_event.json": None,
    "unknown_kind.json": None,
}


def test_every_sample_is_expected() -> None:
    assert sorted(EXPECTED) == sorted(path.name for path in SAMPLES.glob("*.json"))


@pytest.mark.parametrize("name", EXPECTED)
def test_sample_becomes_the_expected_message(name: str) -> None:
    incoming, pictures = aibot().parse((SAMPLES / name).read_bytes())
    assert incoming == EXPECTED[name]
    assert len(pictures) == (incoming.unseen if incoming else 0)


def test_shared_namespace_makes_one_person_of_app_and_bot() -> None:
    incoming, _ = aibot(namespace="wecom:wwLINLITEST").parse((SAMPLES / "text_group.json").read_bytes())
    assert incoming is not None
    # The corp's userid means the same in any letter case, the chat id does not.
    assert (incoming.namespace, incoming.sender, incoming.address) == ("wecom:wwLINLITEST", "lisi", GROUP)


TEXT = json.loads((SAMPLES / "text_quote.json").read_bytes())


@pytest.mark.parametrize(
    "change",
    [
        {"msgtype": None},
        {"msgtype": 7},
        {"msgid": ""},
        {"msgid": 7},
        {"msgid": "a\x00"},
        {"msgid": "\ud800"},
        {"msgid": "m" * 257},
        {"from": None},
        {"from": "lisi"},
        {"from": {}},
        {"from": {"userid": ""}},
        {"chatid": ""},
        {"chatid": None},
        {"text": None},
        {"text": "签到"},
        {"text": {"content": 7}},
        {"msgtype": "mixed", "mixed": {}},
        {"msgtype": "mixed", "mixed": {"msg_item": [{"msgtype": "text"}]}},
        {"msgtype": "voice"},
        {"msgtype": "event"},
        {"msgtype": "event", "event": {}},
    ],
)
def test_frame_without_what_its_kind_needs_is_refused(change: dict[str, Any]) -> None:
    assert read_frame(TEXT, channel="aibot", namespace="n") is not None
    with pytest.raises(FrameError):
        read_frame(TEXT | change, channel="aibot", namespace="n")


@pytest.mark.parametrize("frame", [None, 7, "text", [], [TEXT]])
def test_frame_that_is_no_object_is_refused(frame: object) -> None:
    with pytest.raises(FrameError):
        read_frame(frame, channel="aibot", namespace="n")


@pytest.mark.parametrize("quote", ["a", [], {}, {"msgtype": "hologram"}, {"msgtype": "text"}, {"msgtype": ["text"]}])
def test_quotation_that_cannot_be_read_does_not_cost_the_message(quote: object) -> None:
    incoming = read_frame(TEXT | {"quote": quote}, channel="aibot", namespace="n")
    assert incoming is not None
    assert (incoming.text, incoming.quote) == ("@小区助手 这个通知说的是哪栋楼", Quote())


@pytest.mark.parametrize(
    ("chat", "address"),
    [
        ({"chattype": "group", "chatid": "wrA"}, "wrA"),
        ({"chattype": "single"}, ""),
        ({"chattype": "single", "chatid": "wrA"}, ""),
        ({"chatid": "wrA"}, "wrA"),
        ({}, ""),
    ],
)
def test_address_is_the_group_and_empty_in_a_direct_conversation(chat: dict[str, str], address: str) -> None:
    frame = {name: value for name, value in TEXT.items() if name not in ("chattype", "chatid")} | chat
    incoming = read_frame(frame, channel="aibot", namespace="n")
    assert incoming is not None
    assert (incoming.address, incoming.addressed) == (address, True)


def test_characters_that_no_database_holds_are_left_out_of_texts() -> None:
    frame = TEXT | {
        "text": {"content": "签\x00到\ud800 3\n"},
        "quote": {"msgtype": "text", "text": {"content": "\x00停水"}},
    }
    incoming = read_frame(frame, channel="aibot", namespace="n")
    assert incoming is not None
    assert (incoming.text, incoming.quote) == ("签到 3\n", Quote(text="停水"))


NAMES = [*sorted(TEXT), "mixed", "voice", "event", "content", "msg_item", "userid", "eventtype"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(NAMES), json_values, max_size=5))
def test_arbitrary_frame_is_read_or_refused_with_the_declared_error(changes: dict[str, Any]) -> None:
    try:
        incoming = read_frame(TEXT | changes, channel="aibot", namespace="n")
    except FrameError:
        return
    if incoming is not None:
        for text in (incoming.text, incoming.sender, incoming.address, incoming.message_id):
            assert "\x00" not in text.encode().decode()


# Replies.


def test_reply_is_one_finished_stream() -> None:
    assert finished_stream('签到成功 "3"\n]]>', stream_id="abc") == {
        "msgtype": "stream",
        "stream": {"id": "abc", "finish": True, "content": '签到成功 "3"\n]]>'},
    }


@pytest.mark.parametrize("text", ["签" * 7000, "😀" * 5200, "a" * 20_481])
def test_long_reply_is_cut_to_the_platform_limit(text: str) -> None:
    shown = finished_stream(text, stream_id="abc")["stream"]["content"]
    assert 20_480 - 4 < len(shown.encode()) <= 20_480
    assert shown.endswith("…")
    assert text.startswith(shown[:-1])


def test_reply_cannot_be_folded_away_as_thoughts() -> None:
    shown = finished_stream("<think>签到</think> 成功", stream_id="abc")["stream"]["content"]
    assert shown == "＜think>签到</think> 成功"


@given(ANY_TEXT)
def test_any_reply_is_json_in_utf_8(text: str) -> None:
    for reply in (Reply(text), Reply(text, buttons=(Button(text[:9] or "-", text), Button("报名", "报名 12", "q1")))):
        for body in answers(reply, message_id="CAIQ1", sender="lisi"):
            assert json.loads(json.dumps(body, ensure_ascii=False).encode()) == body


# Whole conversations.


async def test_group_is_heard_and_answered() -> None:
    ear = Ear()
    async with serving(aibot().routes(ear)) as base:
        answer = await platform(base).deliver(aibot_text("@小区助手 签到 3", chat="wrGroupA"))
    assert ear.heard == [heard("@小区助手 签到 3", "CAIQtest01", chat="wrGroupA", sender="lisi")]
    assert json.loads(answer.inner) == {
        "msgtype": "stream",
        "stream": {"id": stream_id("CAIQtest01"), "finish": True, "content": "听到了：@小区助手 签到 3"},
    }


async def test_url_verification_of_this_channel() -> None:
    async with serving(aibot().routes(Ear())) as base:
        assert await platform(base).verify() == Answer(200, b"1616140317555161061")


async def test_third_party_bot_has_its_own_receive_id() -> None:
    async with serving(aibot(receive_id="suite01").routes(Ear())) as base:
        theirs = platform(base, receive_id="suite01")
        assert (await theirs.deliver(aibot_text("帮助"))).status == 200
        theirs.receive_id = ""
        assert await theirs.post(*theirs.request(theirs.encrypt(aibot_text("帮助")))) == Answer(403)


async def test_message_sent_again_gets_the_same_stream() -> None:
    ear = Ear(Reply("签到成功"), Reply("签到成功"), Reply("签到成功"))
    async with serving(aibot().routes(ear)) as base:
        theirs = platform(base)
        first, second, other = [
            json.loads((await theirs.deliver(aibot_text("签到 3", message_id=message_id))).inner)
            for message_id in ("CAIQ1", "CAIQ1", "CAIQ2")
        ]
    assert first == second
    assert first["stream"]["id"] != other["stream"]["id"]
    assert [incoming.message_id for incoming in ear.heard] == ["CAIQ1", "CAIQ1", "CAIQ2"]


@pytest.mark.parametrize("name", [name for name, expected in EXPECTED.items() if expected is None])
async def test_kind_that_says_nothing_gets_an_empty_200(name: str) -> None:
    ear = Ear()
    async with serving(aibot().routes(ear)) as base:
        assert await platform(base).deliver((SAMPLES / name).read_bytes()) == Answer(200)
    assert ear.heard == []


@pytest.mark.parametrize("silence", [Reply(), Reply(" \n")])
async def test_silence_is_an_empty_200(silence: Reply) -> None:
    async with serving(aibot().routes(Ear(silence))) as base:
        assert await platform(base).deliver(aibot_text("@小区助手 哈哈", chat="wrGroupA")) == Answer(200)


async def test_passing_fault_is_retried_by_the_platform_with_the_same_message() -> None:
    ear = Ear(Unavailable(), Reply("签到成功"))
    async with serving(aibot().routes(ear)) as base:
        theirs = platform(base)
        answer = await theirs.deliver(aibot_text("签到 3"))
    assert [(answer.status, answer.body) for answer in theirs.answers[:-1]] == [(503, b"")]
    assert json.loads(answer.inner)["stream"]["content"] == "签到成功"
    assert ear.heard == [heard("签到 3", "CAIQtest01", chat="", sender="lisi")] * 2


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
        '"\\',
    ],
)
async def test_odd_text_is_heard_and_answered_as_typed(text: str) -> None:
    ear = Ear()
    async with serving(aibot().routes(ear)) as base:
        answer = await platform(base).deliver(aibot_text(text, user="u<&", chat="chat0"))
    assert [(incoming.text, incoming.sender) for incoming in ear.heard] == [(text, "u<&")]
    assert json.loads(answer.inner)["stream"]["content"] == f"听到了：{text}"


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        (b"\xff\xfe garbage", "json"),
        (b"", "json"),
        (b"[" * 40_000, "json"),
        (b'{"a":' * 9_000, "json"),
        (b"9" * 5_000, "json"),
        ("{}".encode("utf-16"), "json"),
        (b"null", "frame"),
        (b"{}", "frame"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><xml></xml>', "json"),
    ],
)
async def test_hostile_inner_message_is_refused_though_rightly_encrypted(inner: bytes, reason: str) -> None:
    ear, refused = Ear(), list[str]()
    wall = datetime.fromtimestamp(NOW, UTC)
    channel = WecomAibot("aibot", Settings(**SETTINGS), wall=lambda: wall, refused=refused.append)
    async with serving(channel.routes(ear)) as base:
        theirs = platform(base)
        assert await theirs.post(*theirs.request(theirs.encrypt(inner))) == Answer(400)
        assert (await theirs.deliver(aibot_text("签到 3"))).status == 200
    assert refused == [reason]
    assert len(ear.heard) == 1


async def test_pushing_is_refused_for_good() -> None:
    assert aibot().ability.hears is Hears.MENTIONS
    assert not aibot().ability.pushes_to_groups
    with pytest.raises(DeliveryError) as caught:
        await aibot().send(Parcel("wrGroupA", "你好"))
    assert caught.value.permanent


@pytest.mark.parametrize("name", ["receive_id", "namespace"])
def test_setting_with_a_stray_space_is_explained_in_chinese(name: str) -> None:
    with pytest.raises(ValueError, match="前后不要留空格"):
        Settings(**(SETTINGS | {name: "wecom:ww1 "}))
