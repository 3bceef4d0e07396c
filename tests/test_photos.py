"""Photos: scaled down at the edge, fetched from the platform alone, kept with what they show, and let go of."""

import asyncio
import base64
import io
import json
import struct
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.books import Books
from bot.channels.envelope import file_cipher, open_file
from bot.channels.wecom_aibot import Settings as AibotSettings
from bot.channels.wecom_aibot import WecomAibot
from bot.channels.wecom_app import Settings as AppSettings
from bot.channels.wecom_app import WecomApp
from bot.dispatch import Dispatcher
from bot.files import HEADERS
from bot.photos import FETCH_BYTES_MAX, PHOTOS_MAX, SIDE_MAX, Album, Link, NoPhoto, scaled
from bot.records import records_file
from bot.script import kept_troubles
from bot.troubles import kept, revived
from handlers import FEATURES
from handlers.chat import PHOTO, PLACE, Answer, Ask, Incoming, Quote, Reply, Router, Turn
from models import photos
from models.forgetting import forget
from models.photos import KeptPhoto, Photo
from models.places import Location, is_on_earth, metres_between
from models.privacy import Settings, let_go
from models.verify import violations
from tests.dialogue import ON_SQLITE, direct, incoming
from tests.fakes.pictures import PHOTO as PICTURE
from tests.fakes.pictures import Shelf, drawn, sealed, shelf, size_of
from tests.fakes.street import Street
from tests.fakes.wecom_callbacks import AES_KEY, AGENT_ID, CORP_ID, TOKEN, Platform, serving
from tests.ground import lay
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING
UNIX = 1_767_225_600
KEY = base64.b64decode(AES_KEY + "=")


# -- scaled down ----------------------------------------


def _exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    found.get_ifd(0x8825)[1] = "N"  # where it was taken
    return found


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (drawn(40, 30), (40, 30)),
        (drawn(4000, 3000), (1280, 960)),
        (drawn(300, 5000), (77, 1280)),
        (drawn(40, 30, "PNG"), (40, 30)),
        (drawn(40, 30, "PNG", mode="P"), (40, 30)),
        (drawn(40, 30, "PNG", mode="L"), (40, 30)),
        (drawn(40, 30, "WEBP"), (40, 30)),
        (drawn(40, 30, "GIF", mode="P"), (40, 30)),
        (drawn(40, 30, "JPEG", mode="CMYK"), (40, 30)),
        (drawn(40, 30, exif=_exif(6)), (30, 40)),
    ],
)
def test_pictures_become_small_upright_jpegs(content: bytes, size: tuple[int, int]) -> None:
    photo = scaled(content)
    assert (photo.media_type, photo.content[:3], size_of(photo.content)) == ("image/jpeg", b"\xff\xd8\xff", size)
    assert max(size_of(photo.content)) <= SIDE_MAX


def test_what_a_phone_writes_into_a_picture_is_left_out() -> None:
    content = drawn(exif=_exif(1))
    assert b"Exif" in content
    assert b"Exif" not in scaled(content).content


def test_what_is_transparent_becomes_white() -> None:
    picture = Image.new("RGBA", (10, 10), (255, 0, 0, 0))
    out = io.BytesIO()
    picture.save(out, "PNG")
    shown = Image.open(io.BytesIO(scaled(out.getvalue()).content))
    assert shown.getpixel((5, 5)) == (255, 255, 255)


def _bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is enormous."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        drawn(40, 30, "BMP"),
        drawn(40, 30, "TIFF"),
        drawn(400, 300)[:900],
        drawn(40, 30, "PNG")[:60],
        _bomb(9000, 6000),
        _bomb(30_000, 30_000),
        _bomb(2_000_000, 2_000_000),
        b"\xff\xd8\xff" + bytes(50),
    ],
)
def test_what_is_no_picture_that_we_take_is_refused(content: bytes) -> None:
    with pytest.raises(NoPhoto):
        scaled(content)


# -- fetched ----------------------------------------


def message(**fields: Any) -> Incoming:
    return Incoming("aibot", "m1", "n", "lisi", "", unseen=1, **fields)


async def brought(kept_at: Shelf, *links: Link, **how: Any) -> Incoming:
    album = Album([kept_at.base], **how)
    try:
        return await album.bring(message(), links)
    finally:
        await album.close()


async def test_pictures_are_fetched_up_to_a_number() -> None:
    async with shelf() as kept_at:
        links = [Link(kept_at.put(drawn(40 + number, 30))) for number in range(5)]
        found = await brought(kept_at, *links)
        assert [size_of(photo.content) for photo in found.photos] == [(40, 30), (41, 30), (42, 30)]
        assert (found.unseen, len(kept_at.asked)) == (2, PHOTOS_MAX)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "no address",
        "ftp://127.0.0.1/a",
        "file:///etc/passwd",
        "{base}.example.org/a",
        "{scheme}://user@{place}/a",
        "{scheme}://127.0.0.1:1/a",
        "https://{place}/a",
        "http://[::1/a",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
async def test_no_other_place_is_asked(address: str) -> None:
    async with shelf() as kept_at:
        kept_at.put(drawn())
        place = kept_at.base.removeprefix("http://")
        found = await brought(kept_at, Link(address.format(base=kept_at.base, scheme="http", place=place)))
        assert (found.photos, found.unseen, kept_at.asked) == ((), 1, [])


async def test_a_redirect_is_not_followed() -> None:
    async with shelf() as kept_at:
        kept_at.put(drawn())
        found = await brought(kept_at, Link(f"{kept_at.base}/elsewhere"))
        assert (found.photos, found.unseen, kept_at.asked) == ((), 1, ["elsewhere"])


def _wrong(sealed_content: bytes) -> bytes:
    raise ValueError("padding")


async def test_what_cannot_be_had_is_missing_and_the_rest_is_there(capfd: pytest.CaptureFixture[str]) -> None:
    async with shelf() as kept_at:
        large = Link(kept_at.put(bytes(FETCH_BYTES_MAX + 1)))
        links = [Link(f"{kept_at.base}/gone?sign=SECRET"), large, Link(kept_at.put(drawn()))]
        found = await brought(kept_at, *links, seconds=20.0)
        assert (len(found.photos), found.unseen) == (1, 2)
        found = await brought(kept_at, Link(kept_at.put(drawn()), _wrong), Link(kept_at.put(b"text")))
        assert (len(found.photos), found.unseen) == (0, 2)
        kept_at.minutes = 5
        assert (await brought(kept_at, Link(kept_at.put(drawn())))).unseen == 1
    # Whoever reads the log cannot read the picture.
    assert "SECRET" not in "".join(capfd.readouterr())


async def test_a_place_that_does_not_answer_costs_its_time_and_no_more() -> None:
    silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    host, port = silent.sockets[0].getsockname()[:2]
    async with silent:
        album = Album([f"http://{host}:{port}"], seconds=0.1)
        began = asyncio.get_running_loop().time()
        found = await album.bring(message(), [Link(f"http://{host}:{port}/a")])
        assert (found.photos, found.unseen) == ((), 1)
        assert asyncio.get_running_loop().time() - began < 2
        await album.close()


# -- through the channels ----------------------------------------


class Ear:
    def __init__(self) -> None:
        self.heard: list[Incoming] = []

    async def __call__(self, heard: Incoming) -> Reply:
        self.heard.append(heard)
        return Reply(f"{len(heard.photos)}张")


def wall() -> datetime:
    return datetime.fromtimestamp(UNIX, UTC)


async def test_an_ai_bots_pictures_are_opened_with_its_own_key() -> None:
    async with shelf() as kept_at:
        settings = {"token": TOKEN, "aes_key": AES_KEY, "photo_bases": (kept_at.base,)}
        channel, ear = WecomAibot("aibot", AibotSettings(**settings), wall=wall), Ear()
        url = kept_at.put(sealed(drawn(), KEY))
        frame = {"msgid": "CAIQ1", "chattype": "single", "from": {"userid": "lisi"}, "msgtype": "image"}
        alone = json.dumps({**frame, "image": {"url": url}}).encode()
        item = {"msgtype": "image", "image": {"url": url}}
        words = {"msgtype": "text", "text": {"content": "@小邻 签到"}}
        mixed = {"chattype": "group", "chatid": "wr1", "msgtype": "mixed", "mixed": {"msg_item": [words, item]}}
        async with serving(channel.routes(ear)) as base:
            platform = Platform(f"{base}/callback/aibot", "json", now=lambda: UNIX)
            assert "1张" in (await platform.deliver(alone)).inner.decode()
            await platform.deliver(json.dumps({**frame, **mixed}).encode())
        await channel.close()
    assert [(heard.text, len(heard.photos), heard.unseen) for heard in ear.heard] == [
        ("", 1, 0),
        ("@小邻 签到", 1, 0),
    ]
    assert size_of(ear.heard[0].photos[0].content) == (40, 30)


async def test_an_apps_pictures_and_places_are_brought() -> None:
    async with shelf() as kept_at:
        settings = {"token": TOKEN, "aes_key": AES_KEY, "corp_id": CORP_ID, "agent_id": AGENT_ID}
        channel = WecomApp("app", AppSettings(**settings, photo_bases=(kept_at.base,)), wall=wall)
        ear = Ear()
        head = f"<xml><ToUserName>{CORP_ID}</ToUserName><FromUserName>lisi</FromUserName><MsgId>1</MsgId>"
        url = kept_at.put(drawn()).replace("&", "&amp;")
        picture = f"{head}<MsgType>image</MsgType><PicUrl>{url}</PicUrl><MediaId>M</MediaId></xml>"
        spots = ("<Location_X>31.2</Location_X>", "<Location_X>north</Location_X>", "<Location_X>1e999</Location_X>")
        async with serving(channel.routes(ear)) as base:
            platform = Platform(f"{base}/callback/app", "xml", now=lambda: UNIX, receive_id=CORP_ID)
            assert "1张" in (await platform.deliver(picture.encode())).inner.decode()
            for spot in spots:
                place = f"{head}<MsgType>location</MsgType>{spot}<Location_Y>121.5</Location_Y></xml>"
                await platform.deliver(place.encode())
        await channel.close()
    assert [len(heard.photos) for heard in ear.heard] == [1, 0, 0, 0]
    assert [heard.location for heard in ear.heard] == [None, Location(31.2, 121.5), None, None]


def test_a_file_with_a_key_of_its_own_is_opened_with_that() -> None:
    key = bytes(range(32))
    lying = sealed(b"a picture", key)
    assert open_file(lying, file_cipher(base64.b64encode(key).decode())) == b"a picture"
    for damaged in (lying[:-1], b"", sealed(b"a picture", bytes(32))):
        with pytest.raises(ValueError):
            open_file(damaged, file_cipher(base64.b64encode(key).decode()))
    with pytest.raises(ValueError):
        file_cipher("c2hvcnQ=")


# -- asked for and shown ----------------------------------------

wall_poster = Router("wall_poster")


@wall_poster.command("show_wall", "拍墙", writes=True)
def show_wall(turn: Turn) -> Answer:
    if not turn.incoming.photos:
        return Ask("请拍一张给我看看。", slot=PHOTO)
    keeps = photos.keep(
        turn.session, community_id=turn.community.id, member_id=turn.who.id, photos=turn.incoming.photos,
        ref="wall:1", now=turn.now,
    )  # fmt: skip
    turn.wrote("show_wall", keeps[0])
    return f"收到{len(keeps)}张。"


@wall_poster.command("find_me", "找我", writes=True, shown=(PLACE,))
def find_me(turn: Turn) -> Answer:
    if turn.incoming.location is None:
        return Ask("您在哪里？", slot=PLACE)
    turn.wrote("find_me", 1)
    return turn.incoming.location.label


def listening(street: Street) -> Dispatcher:
    house = street.house
    return Dispatcher(
        books=house.books,
        clock=house.clock,
        wall=house.wall,
        features=(*FEATURES, wall_poster),
        rules=house.rules,
    )


GARDEN = Location(31.2304, 121.4737, "中心花园")


async def test_a_question_for_a_photo_is_answered_by_one(street: Street) -> None:
    dispatcher = listening(street)

    async def say(text: str = "", where: str = direct, message_id: str = "", **shown: Any) -> str:
        said = incoming(street, "王秀英", text, where=where, message_id=message_id, **shown)
        first, second = await dispatcher.hear(said), await dispatcher.hear(said)
        assert first == second or "没有收到" in first.text
        return first.text

    assert await say("拍墙") == "请拍一张给我看看。"
    assert await say("好的") == "请发一张照片，不办了请回复 取消。"
    assert await say("3") == "请发一张照片，不办了请回复 取消。"
    assert await say(unseen=1) == "照片没有收到，请再发一次。"
    assert await say(location=GARDEN) == "中心花园"
    assert await say(photos=(PICTURE, PICTURE)) == "收到2张。"
    assert await say(photos=(PICTURE,)) == "收到了，可是现在没有要它的事。看看有什么活动，请发 活动。"
    # In a group nobody need mention the bot to answer its question, and nobody else's photo is meant.
    assert await say("@小邻 拍墙", "3栋群") == "请拍一张给我看看。"
    assert await say(photos=(PICTURE,), where="3栋群") == "收到1张。"
    assert await say(photos=(PICTURE,), where="3栋群") == ""
    assert await say(unseen=1, where="3栋群") == ""
    assert await say("拍墙") == "请拍一张给我看看。"
    assert await say("取消") == "好的，不办了。"
    # Said and shown in one message.
    assert await say("拍墙", photos=(PICTURE,)) == "收到1张。"

    def shown(session: Session) -> list[int]:
        return [one.size for one in photos.of(session, community_id=1, ref="wall:1")]

    assert await street.house.books.read(shown) == [len(PICTURE.content)] * 4


@ON_SQLITE
async def test_a_question_for_a_place_is_answered_by_one(street: Street) -> None:
    dispatcher = listening(street)
    heard = [
        (await dispatcher.hear(incoming(street, who, text, **shown))).text
        for who, text, shown in (
            ("王秀英", "找我", {}),
            ("王秀英", "嗯", {}),
            ("王秀英", "", {"photos": (PICTURE,)}),
            ("王秀英", "", {"location": GARDEN}),
            ("没来过的人", "", {"location": GARDEN}),
        )
    ]
    assert heard == [
        "您在哪里？",
        "请把位置发给我（点加号，选 位置），不办了请回复 取消。",
        "收到了，可是现在没有要它的事。看看有什么活动，请发 活动。",
        "中心花园",
        "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。",
    ]


@ON_SQLITE
async def test_a_message_with_a_photo_that_met_a_bug_is_kept_whole(street: Street) -> None:
    said = incoming(street, "王秀英", "", photos=(PICTURE,), location=GARDEN, quote=Quote("bot", "12号", "activity:12"))
    assert revived(json.loads(json.dumps(kept(said)))) == said
    # What an earlier release kept has no photos.
    before = {name: value for name, value in kept(said).items() if name not in ("photos", "location", "unseen")}
    assert revived(before).photos == ()
    assert await street.house.books.read(kept_troubles) == []


# -- kept and let go of ----------------------------------------


async def test_photos_are_kept_under_what_they_show(books: Books) -> None:
    def tried(session: Session) -> None:
        ground = lay(session)
        ours, theirs = ground.community.id, ground.elsewhere.id
        wang, zhao = ground.people["王秀英"], ground.people["老赵"]
        large = Photo(drawn(600, 400), "image/jpeg")

        def keep(community_id: int, member_id: int, *kept_photos: Photo, ref: str = "activity:1") -> list[int]:
            return photos.keep(
                session, community_id=community_id, member_id=member_id, photos=kept_photos, ref=ref, now=NOW
            )

        def shown(community_id: int, ref: str = "activity:1") -> list[int]:
            return [one.id for one in photos.of(session, community_id=community_id, ref=ref)]

        mine = keep(ours, wang, PICTURE, large)
        others = keep(ours, zhao, PICTURE) + keep(ours, zhao, PICTURE, ref="activity:2")
        # 王五 belongs to another community, whose activity 1 is none of ours.
        (foreign,) = keep(theirs, ground.people["王五"], PICTURE)
        assert (shown(ours), shown(ours, "activity:2"), shown(theirs)) == ([*mine, others[0]], [others[1]], [foreign])
        assert photos.picture(session, community_id=ours, photo_id=mine[1]) == large
        assert photos.picture(session, community_id=ours, photo_id=foreign) is None
        assert b"data:image/jpeg;base64," in records_file(session, community_id=ours, member_id=wang, now=NOW)
        photos.drop(session, community_id=ours, photo_ids=[mine[0], foreign])
        assert (shown(ours), shown(theirs)) == ([mine[1], others[0]], [foreign])
        forget(session, community_id=ours, member_id=wang, by=wang, now=NOW)
        assert shown(ours) == [others[0]]
        assert violations(session) == []

    await books.write(tried)


async def test_photos_go_when_their_time_is_over(books: Books) -> None:
    def tried(session: Session) -> list[int]:
        ground = lay(session)
        for age in (2, 4, 3):
            photos.keep(
                session, community_id=ground.community.id, member_id=ground.people["王秀英"], photos=[PICTURE],
                ref=f"age:{age}", now=NOW - timedelta(days=age, hours=1),
            )  # fmt: skip
        settings = Settings(photos_days=3)
        while let_go(session, community_id=ground.community.id, settings=settings, now=NOW, rows=1):
            pass
        return [int(ref.removeprefix("age:")) for ref in session.scalars(select(KeptPhoto.ref))]

    assert await books.write(tried) == [2]


def test_the_page_of_ones_records_may_show_its_pictures() -> None:
    assert "img-src data:" in HEADERS["Content-Security-Policy"]


# -- places ----------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        (GARDEN, GARDEN, 0),
        (GARDEN, Location(31.2313, 121.4737), 100),
        (GARDEN, Location(31.2304, 121.47475), 100),
        (Location(0, 179.999), Location(0, -179.999), 222),
        (Location(90, 0), Location(90, 120), 0),
        (Location(0, 0), Location(0, 180), 20_015_115),
    ],
)
def test_distances(one: Location, other: Location, metres: int) -> None:
    assert metres_between(one, other) == pytest.approx(metres, abs=1)
    assert metres_between(other, one) == pytest.approx(metres, abs=1)


@pytest.mark.parametrize(
    ("latitude", "longitude", "there"),
    [(31.2, 121.5, True), (-90, 180, True), (90.1, 0, False), (0, -180.1, False), (float("nan"), 0, False)],
)
def test_degrees(latitude: float, longitude: float, there: bool) -> None:
    assert is_on_earth(latitude, longitude) is there
