"""Placards: a table is drawn where there is a font, and a group on a channel with pictures sees it in place of a text."""

import base64
import io
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import pictures
from bot.app import CHANNEL_SETTINGS, FEATURE_SETTINGS, House
from bot.books import Books
from bot.channels.wecom_group_webhook import label
from bot.config import load
from bot.fonts import find_font
from bot.pictures import EDGE, GAP, WIDTH, Letters, Pictures, clipped, columns, drawn, wrapped
from bot.secrets import Sealer
from models.base import Placard
from models.clock import MovedClock, WallClock
from models.directory import add_endpoint, groups_of
from models.outbox import Outbox, OutboxState
from tests.dialogue import ON_SQLITE, november
from tests.fakes.pictures import NEEDS_FONT
from tests.fakes.wecom_api import WecomApi
from tests.moments import TUESDAY_EVENING

FONT = find_font()
LONG = "周末垃圾分类值守，早上七点半到九点半在东门口，下雨也来"
PLACARD = Placard(
    "这周还有岗位等人来做", ("编号", "岗位", ""), [("3", "楼道清扫", "轻活"), ("12", LONG, "")], "想做请发 认领 3。"
)
KEY = "693a91f6-7ccc-4bc4-97a0-000000000001"


@pytest.fixture
def letters() -> Letters:
    assert FONT is not None
    return Letters.of(FONT)


@NEEDS_FONT
def test_a_placard_is_as_high_as_it_has_rows(letters: Letters) -> None:
    one, other = (
        Image.open(io.BytesIO(drawn(PLACARD._replace(rows=rows), letters))) for rows in (PLACARD.rows[:1], PLACARD.rows)
    )
    assert (one.format, one.width, other.width) == ("PNG", WIDTH, WIDTH)
    assert other.height - one.height == pictures.ROW
    # Nothing but what is drawn makes the difference: the second row is not blank.
    assert len(drawn(PLACARD, letters)) > len(drawn(PLACARD._replace(rows=[*PLACARD.rows[:1], ("", "", "")]), letters))


@NEEDS_FONT
def test_columns_fit_and_the_widest_gives_way(letters: Letters) -> None:
    room = WIDTH - 2 * EDGE
    for rows in ([("3", "楼道清扫", "轻活")], [("3", LONG, "轻活")], [(LONG, LONG, "轻活")]):
        widths = columns(rows, letters)
        assert room - 3 <= sum(widths) + GAP * 2 <= room
        assert widths[2] >= letters.line.getlength("轻活")
    shown = clipped(LONG, letters.line, 200)
    assert shown.endswith("…")
    assert letters.line.getlength(shown) <= 200
    assert "".join(wrapped(LONG, letters.foot, 200)) == LONG
    assert columns([()], letters) == []


async def test_without_a_font_there_is_no_picture(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_text("no font")
    assert await Pictures(str(broken)).of(PLACARD) is None
    assert await Pictures(str(tmp_path / "none.ttf")).of(PLACARD) is None
    assert find_font([str(tmp_path)]) is None
    (tmp_path / "WQY-microhei.ttc").touch()
    assert find_font([str(tmp_path)]) == tmp_path / "WQY-microhei.ttc"


def to_the_webhook(session: Session, sealer: Sealer) -> None:
    """3栋群 has a webhook, and nothing else of this house writes to it."""
    (group,) = [one for one in groups_of(session, community_id=1) if one.name == "3栋群"]
    add_endpoint(
        session, community_id=1, group_id=group.id, channel="hook", address=label(KEY),
        sealed_secret=sealer.seal(KEY, label(KEY)), now=TUESDAY_EVENING,
    )  # fmt: skip


@ON_SQLITE
@NEEDS_FONT
@pytest.mark.parametrize("font", ["", "/nowhere/font.ttf"])
async def test_mondays_list_is_a_picture_where_the_channel_shows_it(font: str, demo_url: str, tmp_path: Path) -> None:
    async with WecomApi({KEY}, WallClock().now) as api:
        file = tmp_path / "config.toml"
        file.write_text(
            f'[database]\nurl = "{demo_url}"\n[delivery]\nfont = "{font}"\n[secrets]\nkey = "sixteen letters or more"\n'
            f'[channels.hook]\nkind = "wecom_group_webhook"\nbase_url = "{api.url}"\n',
            "utf-8",
        )
        config = load(file, {}, channel_settings=CHANNEL_SETTINGS, feature_settings=FEATURE_SETTINGS)
        house = House(config, await Books.open(demo_url, threads=2), clock=MovedClock(TUESDAY_EVENING, frozen=True))
        await house.books.write(lambda session: to_the_webhook(session, Sealer(config.secrets.keys())))
        await house.scheduler.run_until(TUESDAY_EVENING)
        await house.advance(november(23, 9) + timedelta(minutes=1))
        row = await house.books.read(
            lambda session: session.execute(
                select(Outbox.text, Outbox.placard, Outbox.state).where(
                    Outbox.community_id == 1, Outbox.key.like("posts-empty:%"), Outbox.state == OutboxState.SENT
                )
            ).one()
        )
        await house.close()
    kinds = [message.body["msgtype"] for message in api.messages if message.body["msgtype"] == "image"]
    assert row.text.startswith("这周还有岗位等人来做：")
    assert row.placard[0] == "这周还有岗位等人来做"
    if font:
        assert kinds == []
        assert row.text in api.texts()
    else:
        assert kinds == ["image"]
        (image,) = [message.body["image"] for message in api.messages if message.body["msgtype"] == "image"]
        assert Image.open(io.BytesIO(base64.b64decode(image["base64"]))).width == WIDTH
