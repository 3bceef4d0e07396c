"""Pictures and files of a self-built app: what members send is asked for by its id, what they get is uploaded first."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from bot.channels import FILE_BYTES, DeliveryError, File, OutcomeUnknown, Parcel
from bot.channels.wecom_app import Settings, WecomApp
from bot.photos import FETCH_BYTES_MAX, FETCH_SECONDS
from handlers.chat import Incoming, Reply
from models.clock import MovedClock
from tests.fakes import wecom_corp
from tests.fakes.pictures import drawn, shelf, size_of
from tests.fakes.wecom_api import BAD_GATEWAY, HANGS, LOST, RESET, Fault, refuses
from tests.fakes.wecom_callbacks import AES_KEY, TOKEN, Platform, serving
from tests.fakes.wecom_corp import WecomCorp
from tests.moments import SATURDAY

BOARD = Parcel("wangxiuying", "【积分榜】\n1. 王秀英 30分", picture=drawn(90, 40, "PNG"))


@pytest.fixture
def wall() -> MovedClock:
    return MovedClock(SATURDAY, frozen=True)


@pytest.fixture
async def corp(wall: MovedClock) -> AsyncIterator[WecomCorp]:
    async with WecomCorp({"wangxiuying", "lijianguo"}, wall.now) as running:
        yield running


def channel(
    corp: WecomCorp,
    wall: MovedClock,
    base: str = "",
    *,
    secret: str | None = WecomCorp.secret,
    photo_seconds: float = FETCH_SECONDS,
) -> WecomApp:
    settings = Settings(
        token=SecretStr(TOKEN), aes_key=SecretStr(AES_KEY), corp_id=corp.corp_id, agent_id=corp.agent_id,
        base_url=corp.url, secret=None if secret is None else SecretStr(secret), photo_bases=(base,) if base else (),
    )  # fmt: skip
    return WecomApp("app", settings, wall=wall.now, photo_seconds=photo_seconds)


@pytest.fixture
async def app(corp: WecomCorp, wall: MovedClock) -> AsyncIterator[WecomApp]:
    made = channel(corp, wall)
    yield made
    await made.close()


# -- in ----------------------------------------


async def brought(app: WecomApp, corp: WecomCorp, wall: MovedClock, picture: bytes) -> Incoming:
    """What the house hears of a picture that somebody sends to the app."""
    heard: list[Incoming] = []

    async def hear(incoming: Incoming) -> Reply:
        heard.append(incoming)
        return Reply("收到")

    async with serving(app.routes(hear)) as base:
        now = lambda: wall.now().timestamp()  # noqa: E731
        platform = Platform(f"{base}/callback/app", "xml", now=now, token=TOKEN, receive_id=corp.corp_id)
        assert corp.answered((await platform.deliver(picture)).inner) == "收到"
    await app.close()
    return heard[0]


async def test_a_members_picture_is_asked_for_by_its_id(app: WecomApp, corp: WecomCorp, wall: MovedClock) -> None:
    picture = corp.sends("wangxiuying", drawn(60, 30), "1", url="http://169.254.169.254/latest/meta-data/")
    found = await brought(app, corp, wall, picture)

    assert ([size_of(photo.content) for photo in found.photos], found.unseen) == ([(60, 30)], 0)
    assert corp.asked_for_media == list(corp.media)


async def test_without_a_secret_the_address_is_followed(corp: WecomCorp, wall: MovedClock) -> None:
    async with shelf() as kept_at:
        app = channel(corp, wall, kept_at.base, secret=None)
        picture = corp.sends("wangxiuying", drawn(), "1", url=kept_at.put(drawn(50, 20)))
        found = await brought(app, corp, wall, picture)

    assert [size_of(photo.content) for photo in found.photos] == [(50, 20)]
    assert (corp.asked_for_media, corp.asked_for_tokens) == ([], 0)


DEAD_TOKEN = refuses(wecom_corp.OLD_TOKEN)


@pytest.mark.parametrize(
    ("faults", "asked"),
    [
        pytest.param([refuses(wecom_corp.BUSY)], 2, id="busy-once"),
        pytest.param([DEAD_TOKEN], 2, id="dead-token"),
        pytest.param([BAD_GATEWAY], 2, id="gateway-once"),
        pytest.param([RESET], 2, id="cut-off-once"),
    ],
)
async def test_a_picture_that_only_happened_to_fail_is_asked_for_once_more(
    app: WecomApp, corp: WecomCorp, wall: MovedClock, faults: list[Fault], asked: int
) -> None:
    corp.meets(*faults)
    found = await brought(app, corp, wall, corp.sends("wangxiuying", drawn(), "1"))

    assert (len(found.photos), found.unseen, len(corp.asked_for_media)) == (1, 0, asked)


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        pytest.param(drawn(), [refuses(wecom_corp.BAD_MEDIA)], id="expired"),
        pytest.param(drawn(), [refuses(wecom_corp.BUSY)] * 2, id="busy"),
        pytest.param(drawn(), [HANGS], id="hanging"),
        pytest.param(drawn(), [refuses(wecom_corp.BAD_ADDRESS)], id="not-trusted"),
        pytest.param(bytes(FETCH_BYTES_MAX + 1), [], id="too-large"),
        pytest.param(b"no picture at all", [], id="no-picture"),
    ],
)
async def test_a_picture_that_is_not_had_by_its_id_is_had_from_its_address_or_missing(
    corp: WecomCorp, wall: MovedClock, content: bytes, faults: list[Fault]
) -> None:
    async with shelf() as kept_at:
        for number, url in enumerate((kept_at.put(drawn(50, 20)), "")):
            corp.meets(*faults)
            app = channel(corp, wall, kept_at.base, photo_seconds=0.6)
            found = await brought(app, corp, wall, corp.sends("wangxiuying", content, str(number), url=url))
            assert (len(found.photos), found.unseen) == ((1, 0) if url else (0, 1))


async def test_a_picture_is_gone_after_three_days(app: WecomApp, corp: WecomCorp, wall: MovedClock) -> None:
    picture = corp.sends("wangxiuying", drawn(), "1")
    wall.move_to(wall.now() + timedelta(days=3))

    assert (await brought(app, corp, wall, picture)).unseen == 1


# -- out ----------------------------------------


async def test_a_board_is_a_picture_that_is_uploaded_once_for_all(app: WecomApp, corp: WecomCorp) -> None:
    people = ("wangxiuying", "lijianguo")
    await asyncio.gather(*(app.send(Parcel(one, BOARD.text, picture=BOARD.picture)) for one in people))

    assert [shown.body["msgtype"] for shown in corp.shown] == ["image", "image"]
    assert [corp.pictures(one) for one in people] == [[BOARD.picture]] * 2
    assert corp.uploaded == 1


async def test_a_wish_for_words_is_taken_while_it_serves(app: WecomApp, corp: WecomCorp) -> None:
    assert app.ability.pictures
    settings = {"token": TOKEN, "aes_key": AES_KEY, "corp_id": corp.corp_id, "agent_id": corp.agent_id}
    app.adopt(Settings.model_validate({**settings, "secret": corp.secret, "pictures": False}))
    assert (app.ability.pictures, app.ability.pushes_to_people) == (False, True)


async def test_an_upload_is_not_used_to_its_last_day(app: WecomApp, corp: WecomCorp, wall: MovedClock) -> None:
    for days, uploaded in ((0, 1), (1.9, 1), (0.2, 2)):
        wall.move_to(wall.now() + timedelta(days=days))
        await app.send(BOARD)
        assert corp.uploaded == uploaded

    corp.media.clear()
    await app.send(BOARD)
    assert (corp.uploaded, len(corp.shown)) == (3, 4)


@pytest.mark.parametrize("fault", [refuses(wecom_corp.BAD_FILE), refuses(wecom_corp.TOO_OFTEN), BAD_GATEWAY])
async def test_the_words_go_out_where_a_picture_is_not_taken(app: WecomApp, corp: WecomCorp, fault: Fault) -> None:
    corp.meets(fault)
    await app.send(BOARD)

    assert corp.texts("wangxiuying") == [BOARD.text]


@pytest.mark.parametrize(("fault", "kind"), [(LOST, OutcomeUnknown), (refuses(wecom_corp.TOO_OFTEN), DeliveryError)])
async def test_what_became_of_a_picture_is_told_as_of_a_text(
    app: WecomApp, corp: WecomCorp, fault: Fault, kind: type[Exception]
) -> None:
    await app.send(BOARD)
    corp.meets(fault)
    with pytest.raises(kind):
        await app.send(BOARD)

    assert (corp.texts("wangxiuying"), len(corp.pictures("wangxiuying"))) == ([], len(corp.shown))


# -- files ----------------------------------------

ROLL = File("清洁家园 签到表.pdf", b"%PDF-1.7 roll", "application/pdf")


async def test_a_member_gets_a_file_under_its_name(app: WecomApp, corp: WecomCorp) -> None:
    await app.send(Parcel("wangxiuying", "签到表", file=ROLL))
    assert corp.files("wangxiuying") == [(ROLL.name, ROLL.content)]
    assert corp.texts("wangxiuying") == []


@pytest.mark.parametrize(
    ("fault", "code", "permanent"),
    [(refuses(40006), 40006, True), (refuses(45009), 45009, False), (RESET, "", False), (BAD_GATEWAY, 502, False)],
)
async def test_a_file_that_was_not_taken_says_whether_it_heals(
    app: WecomApp, corp: WecomCorp, fault: Fault, code: int | str, permanent: bool
) -> None:
    await app.send(Parcel("wangxiuying", "您好"))
    corp.meets(fault)
    with pytest.raises(DeliveryError) as no:
        await app.send(Parcel("wangxiuying", "签到表", file=ROLL))
    assert (no.value.code, no.value.permanent, corp.files("wangxiuying")) == (code, permanent, [])


async def test_a_file_that_is_too_large_does_not_leave(app: WecomApp, corp: WecomCorp) -> None:
    large = File("名单.xlsx", bytes(FILE_BYTES + 1), "application/octet-stream")
    with pytest.raises(DeliveryError) as no:
        await app.send(Parcel("wangxiuying", "名单", file=large))
    assert (no.value.code, no.value.permanent, corp.uploaded) == ("file-size", True, 0)
