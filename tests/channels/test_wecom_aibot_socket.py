"""WeCom AI bot, long connection: how it stays connected, answers once, pushes, and stops, against the gateway."""

import asyncio
import base64
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from pydantic import ValidationError

from bot.channels import Connected, DeliveryError, File, Hears, OutcomeUnknown, Parcel, Unavailable, cards
from bot.channels.aibot_line import Pace
from bot.channels.wecom_aibot_socket import BUSY, Settings, Waits, WecomAibotSocket
from handlers.chat import Button, Incoming, Reply
from tests.fakes.aibot_gateway import (
    ABORTS,
    DOUBLED,
    LOST,
    VANISHES,
    AibotGateway,
    Fault,
    labels_of,
    words_of,
)
from tests.fakes.pictures import drawn, sealed, shelf, size_of

BOTS = {"aibTEST": "s3cret"}
GROUP = "wrEXAMPLEAbC01"
PACE = Pace(connect=2, subscribe=0.5, ping=0.2, acknowledge=0.15, close=0.1)
WAITS = Waits(
    again_min=0.02,
    again_max=0.1,
    steady=5.0,
    alarmed_min=0.4,
    alarmed_max=0.8,
    lead=0.02,
    window=0.5,
    answer=5.0,
    stop=2.0,
    busy=(0.01, 0.01),
    away=0.05,
    trouble=0.05,
)


class Ear:
    """A `hear` that answers what it is told to, and notes every message."""

    def __init__(self) -> None:
        self.heard: list[Incoming] = []
        self.answers: list[Reply | Exception] = []
        self.seconds = 0.0

    async def __call__(self, incoming: Incoming) -> Reply:
        self.heard.append(incoming)
        answer = self.answers.pop(0) if self.answers else Reply(f"听到了：{incoming.text}")
        await asyncio.sleep(self.seconds)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Led:
    """Who leads, as a test says."""

    def __init__(self, *, leads: bool = True) -> None:
        self.leads = leads
        self.released = 0

    async def held(self) -> bool:
        return self.leads

    def release(self) -> None:
        self.released += 1


def channel(gateway: AibotGateway, **more: Any) -> WecomAibotSocket:
    settings = Settings(bot_id="aibTEST", secret=more.pop("secret", "s3cret"), url=gateway.url)
    given = {"pace": PACE, "waits": WAITS, "chance": random.Random(7), **more}
    return WecomAibotSocket("aibot", settings, **given)


@asynccontextmanager
async def running(bot: WecomAibotSocket, hear: Ear) -> AsyncIterator[WecomAibotSocket]:
    task = asyncio.create_task(bot.run(hear))
    try:
        yield bot
    finally:
        bot.stop()
        await asyncio.wait_for(task, 5)


@pytest.fixture
async def gateway() -> AsyncIterator[AibotGateway]:
    async with AibotGateway(BOTS, window_seconds=0.5) as opened:
        yield opened


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
async def bot(gateway: AibotGateway, ear: Ear) -> AsyncIterator[WecomAibotSocket]:
    """The channel, connected."""
    async with running(channel(gateway), ear) as opened:
        await gateway.online()
        yield opened


# -- settings ----------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [{"bot_id": ""}, {"bot_id": "a b"}, {"secret": " s"}, {"secret": ""}, {"namespace": "x "}, {"url": "ws://far.example"}],
)  # fmt: skip
def test_settings_that_cannot_be_right_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as error:
        Settings(**{"bot_id": "aibTEST", "secret": "s3cret", **wrong})  # type: ignore[arg-type]
    assert "s3cret" not in str(error.value)


def test_it_is_a_connected_channel_that_hears_mentions_and_pushes() -> None:
    bot = WecomAibotSocket("aibot", Settings(bot_id="aibTEST", secret="s3cret"))  # type: ignore[arg-type]
    assert isinstance(bot, Connected)
    ability = bot.ability
    assert (ability.hears, ability.pushes_to_groups, ability.pushes_to_people, ability.buttons) == (
        Hears.MENTIONS, True, True, True,
    )  # fmt: skip
    assert [(limit.count, limit.per) for limit in ability.limits] == [
        (30, timedelta(minutes=1)),
        (1000, timedelta(hours=1)),
    ]
    assert bot.routes(Ear()) == []
    # Nothing runs it here: a message waits, and is no attempt.
    assert bot.away(GROUP) == timedelta(seconds=2)


# -- hearing and answering ----------------------------------------


async def test_a_mention_and_a_direct_message_are_answered_as_streams(
    gateway: AibotGateway, bot: WecomAibotSocket, ear: Ear
) -> None:
    ear.answers = [Reply("好的，报上了。"), Reply("您有21分。")]
    mention = await gateway.says("@小邻 报名 12\x0b", user="LiSi", chat=GROUP)
    assert await gateway.answer(mention) == ["好的，报上了。"]
    assert await gateway.answer(await gateway.says("积分", user="LiSi")) == ["您有21分。"]
    first, second = ear.heard
    assert (first.channel, first.address, first.sender, first.text) == ("aibot", GROUP, "LiSi", "@小邻 报名 12")
    assert (second.address, second.namespace, second.message_id[:4]) == ("", "wecom-aibot:aibot", "CAIQ")
    assert mention.shown[0].content["finish"] is True


async def test_two_messages_at_once_do_not_wait_for_each_other(
    gateway: AibotGateway, bot: WecomAibotSocket, ear: Ear
) -> None:
    ear.seconds = 0.1
    began = monotonic()
    callbacks = [await gateway.says(f"第{number}句", user=f"u{number}") for number in range(10)]
    for callback in callbacks:
        await gateway.answer(callback)
    assert monotonic() - began < 0.6
    assert gateway.most_in_flight == 1


async def test_silence_and_what_cannot_be_read_are_not_answered(
    gateway: AibotGateway, bot: WecomAibotSocket, ear: Ear
) -> None:
    ear.answers = [Reply()]
    quiet = await gateway.says("今天天气真好", chat=GROUP)
    await gateway.says("", chat=GROUP, msgtype="hologram")
    await gateway.says("", chat=GROUP, text="no object")
    assert await gateway.answer(await gateway.says("在吗")) == ["听到了：在吗"]
    assert (quiet.shown, len(ear.heard)) == ([], 2)


async def test_the_same_message_brought_again_is_answered_once(
    gateway: AibotGateway, bot: WecomAibotSocket, ear: Ear
) -> None:
    ear.seconds = 0.05
    callback = await gateway.says("签到", chat=GROUP)
    await gateway.again(callback)
    await gateway.answer(callback)
    await gateway.again(callback)
    await gateway.answer(await gateway.says("在吗"))
    assert [incoming.text for incoming in ear.heard] == ["签到", "在吗"]
    assert callback.texts == ["听到了：签到"]


async def test_busy_books_are_tried_again_and_then_said(gateway: AibotGateway, bot: WecomAibotSocket, ear: Ear) -> None:
    ear.answers = [Unavailable(), Reply("好的。")]
    assert await gateway.answer(await gateway.says("签到")) == ["好的。"]
    ear.answers = [Unavailable(), Unavailable(), Unavailable()]
    assert await gateway.answer(await gateway.says("签到")) == [BUSY]


async def test_a_picture_is_opened_with_the_key_that_it_brings(gateway: AibotGateway, ear: Ear) -> None:
    async with shelf() as kept_at:
        settings = Settings(bot_id="aibTEST", secret="s3cret", url=gateway.url, photo_bases=(kept_at.base,))  # type: ignore[arg-type]
        bot, key = WecomAibotSocket("aibot", settings, pace=PACE, waits=WAITS), bytes(range(32))
        image = {"url": kept_at.put(sealed(drawn(), key)), "aeskey": base64.b64encode(key).decode()}
        async with running(bot, ear):
            await gateway.online()
            await gateway.answer(await gateway.says("", msgtype="image", image=image))
            await gateway.answer(await gateway.says("", msgtype="image", image={**image, "aeskey": "no key"}))
        await bot.close()
    assert [(len(heard.photos), heard.unseen) for heard in ear.heard] == [(1, 0), (0, 1)]
    assert size_of(ear.heard[0].photos[0].content) == (40, 30)


# -- acknowledgements ----------------------------------------


@pytest.mark.parametrize(
    "fault",
    [LOST, VANISHES, DOUBLED, ABORTS, Fault(closes=1001), Fault(closes=1000), Fault(seconds=0.1), Fault(forges=True),
     Fault(seconds=0.3, acks=2), Fault(code=6000), Fault(code=45009), Fault(code=846609)],
    ids=["lost", "vanished", "doubled", "aborted", "closed-1001", "closed-1000", "slow", "forged", "late-twice",
         "conflict", "too-often", "unsubscribed"],
)  # fmt: skip
async def test_an_answer_is_seen_once_whatever_becomes_of_its_acknowledgement(
    gateway: AibotGateway, bot: WecomAibotSocket, ear: Ear, fault: Fault
) -> None:
    gateway.meets(fault)
    callback = await gateway.says("签到", chat=GROUP)
    await gateway.answer(callback)
    # What comes next is answered too, and nothing more follows.
    await gateway.answer(await gateway.says("在吗", chat=GROUP))
    await gateway.until(lambda: not bot._answering)
    assert gateway.texts(GROUP) == ["听到了：签到", "听到了：在吗"]


async def test_an_answer_goes_out_by_a_push_where_the_gateway_has_forgotten_its_message(ear: Ear) -> None:
    async with AibotGateway(BOTS, remembers=False, repeats=False) as gateway, running(channel(gateway), ear):
        await gateway.online()
        ear.seconds = 0.1
        callback = await gateway.says("签到", chat=GROUP)
        gateway.abort_all()
        await gateway.until(lambda: gateway.texts(GROUP))
        assert [(one.text, one.pushed) for one in gateway.shown] == [("听到了：签到", True)]
        assert callback.shown == []


# -- staying connected ----------------------------------------


def close(code: int) -> Callable[[AibotGateway], Any]:
    return lambda gateway: gateway.close_all(code)


async def abort(gateway: AibotGateway) -> None:
    gateway.abort_all()


async def fall_silent(gateway: AibotGateway) -> None:
    gateway.silent = True
    line = gateway.line
    await gateway.until(lambda: gateway.line is not line)
    gateway.silent = False


async def go_deaf(gateway: AibotGateway) -> None:
    gateway.deaf_to_pings = True
    line = gateway.line
    await gateway.until(lambda: gateway.line is not line)
    gateway.deaf_to_pings = False


async def restart(gateway: AibotGateway) -> None:
    await gateway.stop()
    await asyncio.sleep(0.2)
    await gateway.start()


@pytest.mark.parametrize(
    "end",
    [close(1000), close(1001), close(1011), abort, fall_silent, go_deaf, restart],
    ids=["1000", "1001", "1011", "abort", "silent", "no-pong", "restart"],
)
async def test_whatever_ends_the_connection_it_comes_back(
    gateway: AibotGateway, bot: WecomAibotSocket, ear: Ear, end: Callable[[AibotGateway], Any]
) -> None:
    for _ in range(2):
        before = len(gateway.subscribed)
        await end(gateway)
        await gateway.until(lambda before=before: len(gateway.subscribed) > before and gateway.line)  # type: ignore[misc]
        assert await gateway.answer(await gateway.says("在吗")) == ["听到了：在吗"]
    assert bot.trouble() == ""


async def test_what_came_in_before_the_end_is_answered_after_it(
    gateway: AibotGateway, bot: WecomAibotSocket, ear: Ear
) -> None:
    ear.seconds = 0.1
    callbacks = [await gateway.says(f"签到 {number}", user=f"u{number}", chat=GROUP) for number in range(5)]
    await restart(gateway)
    for callback in callbacks:
        await gateway.answer(callback)
    assert sorted(gateway.texts(GROUP)) == [f"听到了：签到 {number}" for number in range(5)]


async def test_it_pings_and_is_kept(ear: Ear) -> None:
    async with AibotGateway(BOTS, quiet_seconds=0.5) as gateway, running(channel(gateway), ear):
        line = await gateway.online()
        await gateway.until(lambda: sum(frame["cmd"] == "ping" for frame in gateway.frames) >= 4)
        assert gateway.line is line


async def test_it_goes_on_trying_while_nobody_is_there(gateway: AibotGateway, ear: Ear) -> None:
    lead = Led()
    async with running(channel(gateway, lead=lead), ear) as bot:
        await gateway.online()
        await gateway.stop()
        await gateway.until(lambda: bot.trouble() and lead.released > 3)
        assert bot.trouble().startswith("长连接断了")
        assert bot.away(GROUP) == timedelta(seconds=0.05)


def test_the_next_try_is_soon_for_some_seconds_and_then_later_and_later() -> None:
    waits = [Waits().again(tries, random.Random(tries)) for tries in range(1, 15)]
    most = [*[1] * 6, 2, 4, 8, 16, *[30] * 4]
    assert all(0.5 * whole <= wait <= whole for wait, whole in zip(waits, most, strict=True))


async def test_kicked_by_another_program_it_alarms_and_does_not_fight(
    gateway: AibotGateway, ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(channel(gateway), ear) as ours:
        await gateway.online()
        async with running(channel(gateway), Ear()) as other:
            await gateway.until(lambda: ours.trouble())
            assert ours.trouble().startswith("另一个程序用同一个机器人连上了")
            await asyncio.sleep(0.15)
            # Ours waits; the other one is left alone.
            assert (gateway.kicked, other.trouble()) == (1, "")
            assert "aibot_socket.kicked" in caplog.text
        # Once the other one is gone, ours comes back by itself.
        await gateway.until(lambda: not ours.trouble())


async def test_refused_it_alarms_and_a_changed_secret_is_tried_at_once(
    gateway: AibotGateway, ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    slow = Waits(alarmed_min=60, alarmed_max=60, lead=0.02)
    async with running(channel(gateway, secret="wrong", waits=slow), ear) as bot:
        await gateway.until(lambda: bot.trouble())
        assert bot.trouble() == "企业微信不认这个 BotID 或 Secret（853000），请在后台核对"
        assert gateway.tried == 1
        assert "wrong" not in caplog.text
        bot.adopt(Settings(bot_id="aibTEST", secret="s3cret", url=gateway.url))  # type: ignore[arg-type]
        await gateway.online()
        await gateway.until(lambda: not bot.trouble())


# -- pushes ----------------------------------------


async def test_a_push_goes_to_a_group_and_to_a_person(gateway: AibotGateway, bot: WecomAibotSocket) -> None:
    await gateway.answer(await gateway.says("你好", user="lisi", chat=GROUP))
    await gateway.answer(await gateway.says("你好", user="lisi"))
    assert bot.away(GROUP) is None
    await bot.send(Parcel(GROUP, "今晚停水"))
    await bot.send(Parcel(bot.address_of("lisi"), "有位子了"))
    assert [(one.chat, one.kind, one.text) for one in gateway.shown if one.pushed] == [
        (GROUP, "markdown", "今晚停水"),
        ("lisi", "markdown", "有位子了"),
    ]


@pytest.mark.parametrize(
    ("fault", "permanent", "pause"),
    [
        (Fault(code=93006), True, None),
        (Fault(code=40058), True, None),
        (Fault(code=45009), False, timedelta(minutes=1)),
        (Fault(code=-1), False, None),
    ],
)
async def test_a_push_that_is_refused_says_whether_it_heals(
    gateway: AibotGateway, bot: WecomAibotSocket, fault: Fault, permanent: bool, pause: timedelta | None
) -> None:
    gateway.chats.add(GROUP)
    gateway.meets(fault)
    with pytest.raises(DeliveryError) as refused:
        await bot.send(Parcel(GROUP, "停水"))
    assert (refused.value.code, refused.value.permanent, refused.value.pause) == (fault.code, permanent, pause)
    assert gateway.shown == []


async def test_a_chat_that_never_wrote_cannot_be_written_to(gateway: AibotGateway, bot: WecomAibotSocket) -> None:
    with pytest.raises(DeliveryError, match="nobody there has written") as refused:
        await bot.send(Parcel("wrNEVER", "停水"))
    assert refused.value.permanent


@pytest.mark.parametrize("fault", [LOST, VANISHES, ABORTS, Fault(closes=1001), Fault(seconds=0.3)])
async def test_a_push_without_acknowledgement_is_unknown_and_not_sent_again(
    gateway: AibotGateway, bot: WecomAibotSocket, fault: Fault
) -> None:
    gateway.chats.add(GROUP)
    gateway.meets(fault)
    with pytest.raises(OutcomeUnknown):
        await bot.send(Parcel(GROUP, "停水"))
    await gateway.answer(await gateway.says("在吗"))
    assert sum(frame["cmd"] == "aibot_send_msg" for frame in gateway.frames) == 1


async def test_a_push_without_a_connection_has_not_left(gateway: AibotGateway, ear: Ear) -> None:
    bot = channel(gateway)
    with pytest.raises(DeliveryError) as refused:
        await bot.send(Parcel(GROUP, "停水"))
    assert (refused.value.code, refused.value.permanent) == ("not_sent", False)
    assert gateway.frames == []


async def test_answers_and_pushes_share_the_limit_of_a_chat(gateway: AibotGateway, bot: WecomAibotSocket) -> None:
    for number in range(10):
        await gateway.answer(await gateway.says(f"{number}", user=f"u{number}", chat=GROUP))
    for number in range(20):
        assert bot.away(GROUP) is None
        await bot.send(Parcel(GROUP, f"通知{number}"))
    away = bot.away(GROUP)
    assert away is not None
    assert timedelta(seconds=50) < away <= timedelta(seconds=60.5)
    with pytest.raises(DeliveryError) as refused:
        await bot.send(Parcel(GROUP, "再来"))
    assert (refused.value.code, refused.value.permanent) == ("not_sent", False)
    # Others are not held up, and the gateway refused nothing.
    assert await gateway.answer(await gateway.says("在吗")) == ["听到了：在吗"]
    assert gateway.answers[45009] == 0


# -- pictures ----------------------------------------

BOARD = "【积分榜】\n1. 王秀英 30分"


@pytest.mark.parametrize(
    "picture", [drawn(90, 40, "PNG"), bytes(range(256)) * 6_000], ids=["one-piece", "three-pieces"]
)
async def test_a_board_is_a_picture_that_is_uploaded_once_for_all(
    gateway: AibotGateway, bot: WecomAibotSocket, picture: bytes
) -> None:
    gateway.chats |= {GROUP, "wangxiuying"}
    for chat in (GROUP, "wangxiuying"):
        await bot.send(Parcel(chat, BOARD, picture=picture))
    assert [(one.chat, one.kind) for one in gateway.shown] == [(GROUP, "image"), ("wangxiuying", "image")]
    assert [gateway.files[one.content["media_id"]] for one in gateway.shown] == [picture] * 2
    assert len(gateway.files) == 1


@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        ([LOST], "image"),
        ([Fault(), LOST], "image"),
        ([LOST, LOST], "markdown"),
        ([Fault(code=40058)], "markdown"),
        ([Fault(), Fault(code=45009)], "markdown"),
        # The upload was taken, and the picture is not: it is expired, or of a kind that the chat does not show.
        ([Fault(), Fault(), Fault(), Fault(code=40007)], "markdown"),
    ],
    ids=["lost-once", "piece-lost-once", "lost-twice", "refused", "too-often", "not-shown"],
)
async def test_the_words_go_out_where_a_picture_cannot(
    gateway: AibotGateway, bot: WecomAibotSocket, faults: list[Fault], kind: str
) -> None:
    gateway.chats.add(GROUP)
    gateway.meets(*faults)
    await bot.send(Parcel(GROUP, BOARD, picture=drawn(90, 40, "PNG")))
    assert [one.kind for one in gateway.shown] == [kind]


async def test_what_became_of_a_picture_is_told_as_of_a_text(gateway: AibotGateway, bot: WecomAibotSocket) -> None:
    gateway.chats.add(GROUP)
    board = Parcel(GROUP, BOARD, picture=drawn(90, 40, "PNG"))
    await bot.send(board)
    gateway.meets(LOST)
    with pytest.raises(OutcomeUnknown):
        await bot.send(board)
    await gateway.stop()
    with pytest.raises(DeliveryError) as refused:
        await bot.send(board)
    assert (refused.value.code, refused.value.permanent) == ("not_sent", False)
    assert [one.kind for one in gateway.shown] == ["image", "image"]


# -- files ----------------------------------------

ROLL = File("清洁家园 签到表.pdf", b"%PDF-1.7 " + bytes(700_000), "application/pdf")


async def test_a_file_is_uploaded_in_pieces_and_pushed(gateway: AibotGateway, bot: WecomAibotSocket) -> None:
    gateway.chats.add(GROUP)
    await bot.send(Parcel(GROUP, "签到表", file=ROLL))
    (shown,) = gateway.shown
    media_id = shown.content["media_id"]
    assert (shown.kind, gateway.media[media_id], gateway.names[media_id]) == ("file", "file", ROLL.name)
    assert gateway.files[media_id] == ROLL.content


@pytest.mark.parametrize(
    ("faults", "code", "permanent"),
    [([LOST, LOST], "not_sent", False), ([Fault(code=40058)], 40058, True), ([Fault(code=45009)], 45009, False)],
    ids=["lost-twice", "refused", "too-often"],
)
async def test_a_file_that_was_not_uploaded_is_not_there_and_no_words_stand_for_it(
    gateway: AibotGateway, bot: WecomAibotSocket, faults: list[Fault], code: int | str, permanent: bool
) -> None:
    gateway.chats.add(GROUP)
    gateway.meets(*faults)
    with pytest.raises(DeliveryError) as no:
        await bot.send(Parcel(GROUP, "签到表", file=ROLL))
    assert (no.value.code, no.value.permanent, gateway.shown) == (code, permanent, [])


# -- buttons ----------------------------------------

SIGN_UP = (Button("报名", "报名 12"), Button("不来了", "取消报名 12"))


async def test_a_short_text_is_a_card_with_its_buttons(gateway: AibotGateway, bot: WecomAibotSocket, ear: Ear) -> None:
    ear.answers = [Reply("清洁家园（12号）\n11月21日 周六 9:00，中心花园。", buttons=SIGN_UP)]
    callback = await gateway.says("活动 12", chat=GROUP)
    await gateway.answer(callback)
    (card,) = callback.shown
    assert card.kind == "template_card"
    assert (card.text, labels_of(card.content)) == (
        "清洁家园（12号）\n11月21日 周六 9:00，中心花园。",
        ["报名", "不来了"],
    )


async def test_a_long_text_comes_whole_and_its_buttons_below(gateway: AibotGateway, bot: WecomAibotSocket) -> None:
    gateway.chats.add(GROUP)
    notice = "明天 9:00 到 15:00 停水，请提前储水。" * 10
    await bot.send(Parcel(GROUP, notice, buttons=(Button("收到", "收到 7"),)))
    assert [(one.kind, one.text) for one in gateway.shown] == [
        ("markdown", notice),
        ("template_card", cards.BESIDE),
    ]
    assert labels_of(gateway.shown[1].content) == ["收到"]


async def test_a_press_says_the_words_of_its_button_and_only_who_pressed_sees_what_was_done(
    gateway: AibotGateway, bot: WecomAibotSocket, ear: Ear
) -> None:
    gateway.chats.add(GROUP)
    await bot.send(Parcel(GROUP, "清洁家园，周六 9:00，中心花园。报名请发 报名 12", buttons=SIGN_UP))
    (card,) = gateway.shown
    ear.answers = [Reply("陈美玲，报上了。", buttons=(Button("取消报名", "取消报名 12"),))]
    await gateway.answer(await gateway.presses(card, "报名", user="ChenMeiling"))
    (heard,) = ear.heard
    assert (heard.text, heard.sender, heard.address, heard.addressed, heard.question) == (
        "报名 12", "ChenMeiling", GROUP, True, "",
    )  # fmt: skip
    seen = card.as_seen_by("ChenMeiling")
    assert (words_of(seen), labels_of(seen)) == ("陈美玲，报上了。", ["取消报名"])
    assert seen["quote_area"]["quote_text"] == "清洁家园，周六 9:00，中心花园。报名请发 报名 12"
    assert labels_of(card.as_seen_by("lisi")) == ["报名", "不来了"]
    # A second press, on the card as it is now; without further buttons the pressed one stays, marked.
    ear.answers = [Reply("取消了。")]
    await gateway.answer(await gateway.presses(card, "取消报名", user="ChenMeiling"))
    seen = card.as_seen_by("ChenMeiling")
    assert (words_of(seen), labels_of(seen)) == ("取消了。", ["✓ 取消报名"])
    # Nothing more was said in the group.
    assert len(gateway.shown) == 1


async def test_a_question_is_answered_for_all_to_see_by_whom_it_was_put_to_alone(
    gateway: AibotGateway, bot: WecomAibotSocket, ear: Ear
) -> None:
    buttons = (Button("确认", "确认", "q1"), Button("取消", "取消", "q1"))
    ear.answers = [Reply("发布活动「清洁家园」？", buttons=buttons), Reply("问的不是您。"), Reply("已发布。")]
    callback = await gateway.says("发布活动 周六9点 清洁家园", user="zhangmin", chat=GROUP)
    await gateway.answer(callback)
    (card,) = callback.shown
    await gateway.answer(await gateway.presses(card, "确认", user="lisi"))
    assert words_of(card.as_seen_by("lisi")) == "问的不是您。"
    assert words_of(card.as_seen_by("zhangmin")) == "发布活动「清洁家园」？"
    await gateway.answer(await gateway.presses(card, "确认", user="zhangmin"))
    assert words_of(card.as_seen_by("wangxiuying")) == "已发布。"
    assert [incoming.question for incoming in ear.heard] == ["", "q1", "q1"]


async def test_a_press_that_is_answered_too_late_is_answered_in_words(
    gateway: AibotGateway, bot: WecomAibotSocket, ear: Ear
) -> None:
    gateway.chats.add("lisi")
    await bot.send(Parcel("lisi", "来吗？", buttons=SIGN_UP))
    ear.seconds = 0.6
    await gateway.presses(gateway.shown[0], "报名", user="lisi")
    await gateway.until(lambda: len(gateway.shown) > 1)
    assert gateway.texts("lisi") == ["来吗？", "听到了：报名 12"]


async def test_a_refused_card_goes_out_as_words(gateway: AibotGateway, bot: WecomAibotSocket, ear: Ear) -> None:
    gateway.meets(Fault(code=40058))
    ear.answers = [Reply("来吗？请发 报名 12", buttons=SIGN_UP)]
    callback = await gateway.says("活动 12", chat=GROUP)
    assert await gateway.answer(callback) == ["来吗？请发 报名 12"]
    gateway.meets(Fault(code=40058))
    await bot.send(Parcel(GROUP, "来吗？", buttons=SIGN_UP))
    assert gateway.shown[-1].kind == "markdown"


async def test_a_card_that_is_not_ours_is_passed_by(gateway: AibotGateway, bot: WecomAibotSocket, ear: Ear) -> None:
    for key in ("k1", "[1,2]", '["a","b"]', "[" * 2000):
        pressed = {"card_type": "button_interaction", "event_key": key, "task_id": "t"}
        await gateway.brings(gateway._event("template_card_event", pressed, "lisi", GROUP))
    assert await gateway.answer(await gateway.says("在吗")) == ["听到了：在吗"]
    assert len(ear.heard) == 1


async def test_who_opens_the_conversation_is_welcomed(gateway: AibotGateway, bot: WecomAibotSocket, ear: Ear) -> None:
    ear.answers = [Reply("您好，我是小邻。"), Reply("您好。", buttons=SIGN_UP)]
    assert await gateway.answer(await gateway.enters("lisi")) == ["您好，我是小邻。"]
    assert ear.heard[0].text == "帮助"
    welcomed = await gateway.enters("chenmeiling")
    await gateway.answer(welcomed)
    assert (welcomed.shown[0].kind, welcomed.shown[0].text) == ("template_card", "您好。")
    ear.seconds = 0.6
    late = await gateway.enters("lisi")
    await gateway.until(lambda: len(ear.heard) == 3 and not bot._answering)
    assert late.shown == []


# -- stopping, and several processes ----------------------------------------


async def test_told_to_stop_it_answers_what_began_and_leaves(gateway: AibotGateway, ear: Ear) -> None:
    lead = Led()
    async with running(channel(gateway, lead=lead), ear):
        await gateway.online()
        ear.seconds = 0.2
        callback = await gateway.says("签到")
        await gateway.until(lambda: ear.heard)
    assert callback.texts == ["听到了：签到"]
    assert gateway.line is None
    assert lead.released == 1


async def test_only_who_leads_holds_the_connection(gateway: AibotGateway) -> None:
    here, there, first, second = Ear(), Ear(), Led(), Led(leads=False)
    async with running(channel(gateway, lead=first), here), running(channel(gateway, lead=second), there) as other:
        await gateway.online()
        await gateway.answer(await gateway.says("一"))
        assert (other.away(GROUP), other.trouble()) == (timedelta(0), "")
        first.leads = False
        await gateway.until(lambda: gateway.line is None)
        waiting = await gateway.says("二")
        second.leads = True
        await gateway.answer(waiting)
    assert ([one.text for one in here.heard], [one.text for one in there.heard]) == (["一"], ["二"])
    assert (gateway.kicked, gateway.texts()) == (0, ["听到了：一", "听到了：二"])
