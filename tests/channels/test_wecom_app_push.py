"""What a self-built app writes to members, against a platform on loopback: its token, its limits, its half-truths."""

import asyncio
import io
import logging
import traceback
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from bot import logs
from bot.channels import DeliveryError, OutcomeUnknown, Parcel
from bot.channels.wecom_app import Settings, WecomApp
from models.clock import MovedClock
from tests.fakes import wecom_corp
from tests.fakes.wecom_api import BAD_GATEWAY, GARBAGE, HANGS_WITH_IT, LOST, RESET, Fault, refuses
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


def channel(corp: WecomCorp, wall: MovedClock, *, secret: str | None = WecomCorp.secret, **more: Any) -> WecomApp:
    settings = Settings(
        token=SecretStr("Token123"),
        aes_key=SecretStr("a" * 43),
        corp_id=more.pop("corp_id", corp.corp_id),
        agent_id=more.pop("agent_id", corp.agent_id),
        secret=None if secret is None else SecretStr(secret),
        base_url=more.pop("base_url", corp.url),
        timeout_seconds=more.pop("timeout_seconds", 5.0),
    )
    return WecomApp("app", settings, wall=wall.now)


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
