"""What a self-built app writes to members, against a platform on loopback: its token, its limits, its half-truths."""

import asyncio
import io
import logging
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from bot import logs
from bot.channels import DeliveryError, OutcomeUnknown, Parcel, cards
from bot.channels.wecom_app import Settings, WecomApp
from handlers.chat import Button, Incoming, Reply
from models.clock import MovedClock
from tests.fakes import wecom_corp
from tests.fakes.wecom_api import BAD_GATEWAY, GARBAGE, HANGS_WITH_IT, LOST, RESET, Fault, refuses
from tests.fakes.wecom_callbacks import Platform, app_text, serving
from tests.fakes.wecom_corp import WecomCorp
from tests.moments import SATURDAY

TEXT = "王秀英，您排到「清洁家园」了。\n11月21日 周六 9:00，中心花园。"
PARCEL = Parcel("wangxiuying", TEXT)


@pytest.fixture
def wall() -> MovedClock:
    return MovedClock(SATURDAY, frozen=True)


@pytest.fixture
async def corp(wall: MovedClock) -> AsyncIterator[WecomCorp]:
    async with WecomCorp({"wangxiuying", "lijianguo"}, wall.now) as running:
        yield running


@pytest.fixture
async def app(corp: WecomCorp, wall: MovedClock) -> AsyncIterator[WecomApp]:
    made = channel(corp, wall)
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


def settings_of(corp: WecomCorp, *, secret: str | None = WecomCorp.secret, **more: Any) -> Settings:
    given = {"corp_id": corp.corp_id, "agent_id": corp.agent_id, "base_url": corp.url, "timeout_seconds": 5.0, **more}
    hidden = None if secret is None else SecretStr(secret)
    return Settings(token=SecretStr("Token123"), aes_key=SecretStr("a" * 43), secret=hidden, **given)


def channel(corp: WecomCorp, wall: MovedClock, *, answer_seconds: float = 2.5, **more: Any) -> WecomApp:
    return WecomApp("app", settings_of(corp, **more), wall=wall.now, answer_seconds=answer_seconds)


async def test_member_gets_the_words_as_they_are(app: WecomApp, corp: WecomCorp) -> None:
    await app.send(PARCEL)

    assert corp.texts("wangxiuying") == [TEXT]
    assert corp.shown[0].body == {
        "touser": "wangxiuying",
        "agentid": corp.agent_id,
        "msgtype": "text",
        "text": {"content": TEXT},
    }
    assert app.ability.pushes_to_people


async def test_without_a_secret_it_only_answers(corp: WecomCorp, wall: MovedClock) -> None:
    mute = channel(corp, wall, secret=None)

    assert not mute.ability.pushes_to_people
    with pytest.raises(DeliveryError) as refusal:
        await mute.send(PARCEL)
    assert refusal.value.permanent
    assert corp.asked_for_tokens == 0


async def test_one_of_many_at_once_asks_for_the_token(app: WecomApp, corp: WecomCorp) -> None:
    corp.token_seconds = 0.05
    await asyncio.gather(*(app.send(Parcel("lijianguo", f"第{number}条")) for number in range(20)))

    assert (corp.asked_for_tokens, len(corp.texts("lijianguo"))) == (1, 20)


async def test_token_is_renewed_before_its_end(app: WecomApp, corp: WecomCorp, wall: MovedClock) -> None:
    await app.send(PARCEL)
    for minutes, asked in ((114, 1), (2, 2), (60, 2)):
        wall.move_to(wall.now() + timedelta(minutes=minutes))
        await app.send(PARCEL)
        # The platform gives the same one until it ends; what matters is that no dead one is used.
        assert corp.asked_for_tokens >= asked
    assert set(corp.answers) == {wecom_corp.OK}


async def test_token_that_died_early_is_renewed_once_for_all(app: WecomApp, corp: WecomCorp) -> None:
    await app.send(PARCEL)
    corp.kills_tokens()
    corp.token_seconds = 0.05
    await asyncio.gather(*(app.send(Parcel("lijianguo", f"第{number}条")) for number in range(20)))

    assert len(corp.texts("lijianguo")) == 20
    assert (corp.asked_for_tokens, corp.most_tokens_at_once) == (2, 1)


async def test_token_that_is_refused_again_and_again_ends_in_a_temporary_no(app: WecomApp, corp: WecomCorp) -> None:
    corp.meets(refuses(wecom_corp.OLD_TOKEN), times=2)
    with pytest.raises(DeliveryError) as refusal:
        await app.send(PARCEL)

    assert not refusal.value.permanent
    assert corp.shown == []
    await app.send(PARCEL)
    assert corp.texts("wangxiuying") == [TEXT]


@pytest.mark.parametrize(
    ("wrong", "code", "words"),
    [
        ({"secret": "another-secret"}, wecom_corp.BAD_SECRET, "the app's secret is wrong"),
        ({"corp_id": "wwsomebodyelse"}, wecom_corp.BAD_CORP, "the corp id is wrong"),
        ({"agent_id": 9}, wecom_corp.OTHER_AGENT, "the secret is another app's"),
    ],
)
async def test_wrong_configuration_is_named_and_rests(
    corp: WecomCorp, wall: MovedClock, wrong: dict[str, Any], code: int, words: str
) -> None:
    app = channel(corp, wall, **wrong)
    for _ in range(5):
        with pytest.raises(DeliveryError) as refusal:
            await app.send(PARCEL)
        assert (refusal.value.code, refusal.value.detail, refusal.value.permanent) == (code, words, False)
        assert refusal.value.pause == timedelta(minutes=5)
    await app.close()

    assert corp.asked_for_tokens == 1
    assert corp.shown == []


async def test_corrected_secret_is_taken_while_it_serves(corp: WecomCorp, wall: MovedClock) -> None:
    app = channel(corp, wall, secret="mistyped")
    with pytest.raises(DeliveryError):
        await app.send(PARCEL)
    app.adopt(settings_of(corp, secret=corp.secret))
    # The rest after a refusal was the old one's.
    await app.send(PARCEL)
    await app.close()

    assert corp.texts("wangxiuying") == [TEXT]


async def test_address_that_is_not_trusted_is_told_to_the_operator(
    app: WecomApp, corp: WecomCorp, wall: MovedClock, heard: io.StringIO
) -> None:
    corp.trusted = False
    with pytest.raises(DeliveryError, match=r"not among the app's trusted ones \(203\.0\.113\.9\)"):
        await app.send(PARCEL)
    assert "203.0.113.9" in heard.getvalue()
    # Entered in the console: what waits goes out after the rest.
    corp.trusted = True
    wall.move_to(wall.now() + timedelta(minutes=6))
    await app.send(PARCEL)
    assert corp.texts("wangxiuying") == [TEXT]


@pytest.mark.parametrize(("address", "code"), [("nobody", wecom_corp.NOBODY), ("lijianguo", "unlicenseduser")])
async def test_success_that_nobody_sees_is_a_failure(
    app: WecomApp, corp: WecomCorp, address: str, code: int | str
) -> None:
    corp.unlicensed = {"lijianguo"}
    with pytest.raises(DeliveryError) as refusal:
        await app.send(Parcel(address, TEXT))

    assert (refusal.value.code, refusal.value.permanent) == (code, True)
    assert corp.shown == []


async def test_partial_failure_is_read_from_the_names(app: WecomApp, corp: WecomCorp) -> None:
    # Two names in one message never leave here; the platform's answer is read as if it could name ours.
    with pytest.raises(DeliveryError) as refusal:
        await app.send(Parcel("WangXiuYing|Nobody", TEXT))

    assert (refusal.value.code, refusal.value.permanent) == ("invaliduser", True)


@pytest.mark.parametrize(
    ("fault", "code", "pause"),
    [
        (refuses(wecom_corp.BUSY), wecom_corp.BUSY, None),
        (refuses(wecom_corp.TOO_OFTEN), wecom_corp.TOO_OFTEN, timedelta(minutes=1)),
        (BAD_GATEWAY, 502, None),
    ],
)
async def test_passing_fault_is_tried_again(
    app: WecomApp, corp: WecomCorp, fault: Fault, code: int, pause: timedelta | None
) -> None:
    corp.meets(fault)
    with pytest.raises(DeliveryError) as refusal:
        await app.send(PARCEL)

    assert (refusal.value.code, refusal.value.permanent, refusal.value.pause) == (code, False, pause)
    await app.send(PARCEL)
    assert corp.texts("wangxiuying") == [TEXT]


@pytest.mark.parametrize(("fault", "arrives"), [(LOST, True), (GARBAGE, True), (RESET, False), (HANGS_WITH_IT, True)])
async def test_lost_answer_is_unknown(corp: WecomCorp, wall: MovedClock, fault: Fault, arrives: bool) -> None:
    app = channel(corp, wall, timeout_seconds=0.3)
    corp.meets(fault)
    with pytest.raises(OutcomeUnknown):
        await app.send(PARCEL)
    await app.close()

    assert bool(corp.texts("wangxiuying")) is arrives


async def test_platform_that_does_not_listen_took_nothing(corp: WecomCorp, wall: MovedClock) -> None:
    app = channel(corp, wall, base_url="http://127.0.0.1:9")
    with pytest.raises(DeliveryError) as refusal:
        await app.send(PARCEL)
    await app.close()

    assert (refusal.value.code, refusal.value.permanent) == ("not_sent", False)


async def test_neither_secret_nor_token_shows(corp: WecomCorp, wall: MovedClock, heard: io.StringIO) -> None:
    said = ""
    for fault, more in ((LOST, {}), (refuses(wecom_corp.BUSY), {}), (None, {"base_url": "http://127.0.0.1:9"})):
        app = channel(corp, wall, **more)
        if fault is not None:
            corp.meets(fault)
        try:
            await app.send(PARCEL)
        except (DeliveryError, OutcomeUnknown) as error:
            said += "".join(traceback.format_exception(error)) + repr(app.__dict__)
        await app.close()

    for hidden in (corp.secret, "token-001"):
        assert hidden not in said
        assert hidden not in heard.getvalue()


# -- cards and presses

QUESTION = "报名哪一个？\n1. 清洁家园\n2. 义诊\n回复数字就行。"
CHOICES = (Button("清洁家园", "1", "q7"), Button("义诊", "2", "q7"))


class Ear:
    """A `hear` that notes every message and gives one answer after the other, the last again and again."""

    def __init__(self, *answers: Reply) -> None:
        self.heard: list[Incoming] = []
        self.answers = list(answers)

    async def __call__(self, incoming: Incoming) -> Reply:
        self.heard.append(incoming)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@asynccontextmanager
async def before(app: WecomApp, corp: WecomCorp, ear: Ear) -> AsyncIterator[Platform]:
    """The platform before an app's callback."""
    async with serving(app.routes(ear)) as base:
        yield Platform(
            f"{base}/callback/app",
            "xml",
            now=lambda: corp.now().timestamp(),
            token="Token123",
            aes_key="a" * 43,
            receive_id=corp.corp_id,
        )


async def test_push_with_buttons_is_one_card(app: WecomApp, corp: WecomCorp) -> None:
    parcel = Parcel("wangxiuying", "明早停水，请提前存水。\n收到请回复 收到 7。", buttons=(Button("收到", "收到 7"),))
    await app.send(parcel)
    await app.send(parcel)

    assert app.ability.buttons
    assert corp.texts("wangxiuying") == [parcel.text] * 2
    assert [button["text"] for button in corp.card("wangxiuying")["button_list"]] == ["收到"]
    assert corp.card("wangxiuying", 0)["task_id"] != corp.card("wangxiuying", 1)["task_id"]


async def test_text_that_no_card_holds_goes_before_its_buttons(app: WecomApp, corp: WecomCorp) -> None:
    long = "停水通知，" * 40
    await app.send(Parcel("wangxiuying", long, buttons=(Button("收到", "收到 7"),)))

    assert corp.texts("wangxiuying") == [long, cards.BESIDE]


async def test_refused_card_goes_out_as_its_text(app: WecomApp, corp: WecomCorp) -> None:
    corp.meets(refuses(wecom_corp.BAD_PARAMETER))
    await app.send(Parcel("wangxiuying", TEXT, buttons=(Button("收到", "收到 7"),)))

    assert corp.texts("wangxiuying") == [TEXT]
    assert corp.shown[0].body["msgtype"] == "text"


async def test_answer_with_buttons_is_a_card_and_no_text(app: WecomApp, corp: WecomCorp) -> None:
    ear = Ear(Reply(QUESTION, buttons=CHOICES), Reply("已给 王秀英 报名「义诊」。"))
    async with before(app, corp, ear) as platform:
        # Brought twice, as after a lost answer, it is one card.
        for _ in range(2):
            answer = await platform.deliver(app_text("报名", user="WangXiuYing", corp=corp.corp_id))
            assert (answer.status, answer.inner) == (200, b"")
            ear.answers.insert(0, Reply(QUESTION, buttons=CHOICES))
        assert corp.texts("wangxiuying") == [QUESTION]
        ear.answers = [Reply("已给 王秀英 报名「义诊」。")]
        card = corp.card("wangxiuying")
        pressed = await platform.deliver(corp.press("WangXiuYing", "义诊"))
        assert corp.answered(pressed.inner, task=card["task_id"]) == "已点 义诊"
        # Pressed again, or brought again later: the same message, and nothing more to read.
        again = await platform.deliver(corp.press("WangXiuYing", "义诊", card=card, at=1767225661))
        assert corp.answered(again.inner, task=card["task_id"]) == "已点 义诊"

    assert corp.texts("wangxiuying") == [QUESTION, "已给 王秀英 报名「义诊」。"]
    one, other = ear.heard[-2:]
    assert one == other
    assert (one.sender, one.text, one.question, one.direct) == ("wangxiuying", "2", "q7", True)
    assert one.message_id.startswith("event-")


@pytest.mark.parametrize(
    "fault", [refuses(wecom_corp.BUSY), refuses(wecom_corp.BAD_PARAMETER), BAD_GATEWAY, RESET, GARBAGE]
)
async def test_answer_that_cannot_be_sent_is_the_passive_text(app: WecomApp, corp: WecomCorp, fault: Fault) -> None:
    ear = Ear(Reply(QUESTION, buttons=CHOICES))
    async with before(app, corp, ear) as platform:
        corp.meets(fault)
        answer = await platform.deliver(app_text("报名", user="wangxiuying", corp=corp.corp_id))
        assert corp.answered(answer.inner) == QUESTION
        # A press whose answer cannot be sent says it in place of the card's change.
        await app.send(Parcel("wangxiuying", QUESTION, buttons=CHOICES))
        card = corp.card("wangxiuying")
        ear.answers = [Reply("已给 王秀英 报名「义诊」。")]
        corp.meets(fault)
        pressed = await platform.deliver(corp.press("wangxiuying", "义诊"))
        assert corp.answered(pressed.inner, task=card["task_id"]) == "已给 王秀英 报名「义诊」。"

    assert corp.replaced == {}


async def test_answer_that_hangs_is_the_passive_text_in_time(corp: WecomCorp, wall: MovedClock) -> None:
    app = channel(corp, wall, answer_seconds=0.2)
    async with before(app, corp, Ear(Reply(QUESTION, buttons=CHOICES))) as platform:
        corp.meets(HANGS_WITH_IT)
        answer = await platform.deliver(app_text("报名", user="wangxiuying", corp=corp.corp_id))

    await app.close()

    assert corp.answered(answer.inner) == QUESTION


async def test_nothing_is_sent_where_it_would_be_dropped(app: WecomApp, corp: WecomCorp, wall: MovedClock) -> None:
    for number in range(wecom_corp.PER_MINUTE):
        await app.send(Parcel("wangxiuying", f"第{number}条"))
    with pytest.raises(DeliveryError) as refusal:
        await app.send(PARCEL)
    assert refusal.value.pause is not None
    async with before(app, corp, Ear(Reply(QUESTION, buttons=CHOICES))) as platform:
        answer = await platform.deliver(app_text("报名", user="wangxiuying", corp=corp.corp_id))
        assert corp.answered(answer.inner) == QUESTION
    wall.move_to(wall.now() + refusal.value.pause)
    await app.send(PARCEL)

    assert corp.dropped == []
    assert corp.texts("wangxiuying")[-1] == TEXT


async def test_without_a_secret_answers_stay_texts(corp: WecomCorp, wall: MovedClock) -> None:
    mute = channel(corp, wall, secret=None)
    async with before(mute, corp, Ear(Reply(QUESTION, buttons=CHOICES))) as platform:
        answer = await platform.deliver(app_text("报名", user="wangxiuying", corp=corp.corp_id))

    assert corp.answered(answer.inner) == QUESTION
    assert not mute.ability.buttons
