"""One-time links: a file is given once, within the hour, to whoever holds the link, and leaves no trace on the way."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from bot.app import CHANNEL_SETTINGS, FEATURE_SETTINGS, House
from bot.books import Books
from bot.config import ConfigError, load
from bot.files import EXCEL, MAKERS, File, Files
from bot.records import COLUMNS, SECTIONS, in_chinese, page
from bot.script import Script
from bot.terminal.commands import app
from models.clock import MovedClock
from models.files import VALID, Download, Ordered, offer_file
from models.members import Member
from models.records import Records, records_of
from tests.dialogue import ON_SQLITE
from tests.fakes.street import Street
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING
TOKEN = "t" * 32
GONE = "这个链接用过了，或者过了一小时。"


@pytest.fixture
async def street(demo_url: str) -> AsyncIterator[Street]:
    """The demo in a house that the phones of its people can reach."""
    config = load(
        None,
        {"LINLI_HTTP__PUBLIC_URL": "https://bot.example.com/linli/"},
        channel_settings=CHANNEL_SETTINGS,
        feature_settings=FEATURE_SETTINGS,
    )
    script = Script()
    books = await Books.open(demo_url, threads=4)
    house = House(config, books, clock=MovedClock(NOW, frozen=True), beside=[script])
    await house.scheduler.run_until(NOW)
    opened = Street(house, script)
    yield opened
    wrong = await opened.violations()
    await house.close()
    assert wrong == []


async def ordered(street: Street, who: str = "王秀英") -> str:
    """The path of a fresh link, as the bot gives it."""
    answer = await street.say(who, "导出我的资料")
    found = re.fullmatch(
        r"这是您的全部资料：\nhttps://bot\.example\.com/linli(/files/[\w-]{32})\n"
        r"一小时内有效，只能取一次。里面有您的手机和房号，请不要转给别人。",
        answer,
    )
    assert found is not None, answer
    return found[1]


async def test_ones_own_records_are_fetched_once(street: Street) -> None:
    """王秀英 gets what is held about her, whole; nobody gets it a second time."""
    await street.say("王秀英", "报名 13 2人")
    await street.say("孙丽", "加分 王秀英 5 修<b>灯</b></script>")

    def name_her(session: Session) -> None:
        session.execute(update(Member).where(Member.name == "王秀英").values(phone="13812345678", employer="<i>厂</i>"))

    await street.house.books.write(name_her)
    path = await ordered(street)
    async with TestServer(street.house.application()) as server, ClientSession() as client:
        # A scanner that looks at every link uses nothing up.
        for method in ("GET", "HEAD", "GET"):
            async with client.request(method, server.make_url(path)) as looked:
                assert looked.status == 200
                assert looked.headers["Cache-Control"] == "no-store"
                assert "王秀英" not in await looked.text()
        async with client.post(server.make_url(path)) as given:
            text = await given.text()
            assert (given.status, given.content_type, given.charset) == (200, "text/html", "utf-8")
            assert given.headers["Cache-Control"] == "no-store"
            assert given.headers["Referrer-Policy"] == "no-referrer"
            assert "script-src" not in given.headers["Content-Security-Policy"]
            assert given.headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert given.headers["Content-Disposition"].startswith("inline; filename*=UTF-8''")
        for method in ("GET", "POST"):
            async with client.request(method, server.make_url(path)) as again:
                assert (again.status, GONE in await again.text()) == (404, True)
    held = json.loads(re.findall(r'<script type="application/json" id="资料">(.*?)</script>', text, re.DOTALL)[0])
    assert list(held) == list(SECTIONS.values())
    me = held["名册"][0]
    assert (me["姓名"], me["楼栋或组织"], me["房号"], me["手机"], me["单位"]) == (
        "王秀英",
        "3栋2单元",
        "501",
        "13812345678",
        "<i>厂</i>",
    )
    assert held["余额"][0]["积分"] == 21
    assert sum(row["增减"] for row in held["积分流水"] if row["种类"] == "积分") == 21
    assert [(row["活动"], row["同伴人数"], row["状态"]) for row in held["报名"]] == [("义诊", 1, "已报上")]
    assert held["加减分"][0]["原因"] == "修<b>灯</b></script>"
    assert [row["办了什么"] for row in held["我办过的事"]] == ["signup", "export_records"]
    # What people type is text on the page: nothing of it is markup.
    body = text.partition("<script")[0]
    assert "<b>" not in body
    assert "&lt;i&gt;厂&lt;/i&gt;" in body
    assert text.count("</script>") == 1


async def test_a_link_ends_after_an_hour_and_with_the_account(street: Street) -> None:
    lost, late = await ordered(street), await ordered(street, "李建国")
    await street.say("老赵", "解绑 王秀英")
    async with TestServer(street.house.application()) as server, ClientSession() as client:
        async with client.get(server.make_url(late)) as looked:
            assert looked.status == 200
        await street.until(NOW + VALID)
        for path in (lost, late, "/files/never", "/files/" + "x" * 3000):
            async with client.post(server.make_url(path)) as gone:
                assert (gone.status, GONE in await gone.text()) == (404, True)


async def test_only_a_hash_of_the_link_is_kept(street: Street) -> None:
    path = await ordered(street)
    hashes = await street.house.books.read(lambda s: s.scalars(select(Download.token_hash)).all())
    assert len(hashes) == 1
    assert path.rpartition("/")[2] not in hashes[0]


async def test_of_two_who_press_at_once_one_gets_the_file(street: Street) -> None:
    """And what cannot be made is not used up."""
    made = 0

    def maker(_session: Session, ordered: Ordered, _now: datetime) -> File:
        nonlocal made
        made += 1
        if made == 1:
            raise RuntimeError("the first one fails")
        return File("名单.xlsx", "application/octet-stream", json.dumps(ordered.detail).encode())

    def offer(session: Session) -> None:
        member_id = session.scalars(select(Member.id).where(Member.name == "张敏")).one()
        offer_file(session, community_id=1, member_id=member_id, kind="list", token=TOKEN, now=NOW, detail={"unit": 3})

    await street.house.books.write(offer)
    server_app = web.Application()
    server_app.add_routes(Files(street.house.books, street.house.clock, {"list": maker}).routes())
    async with TestServer(server_app) as server, ClientSession() as client:

        async def press() -> tuple[int, bytes, str]:
            async with client.post(server.make_url(f"/files/{TOKEN}")) as answer:
                return answer.status, await answer.read(), answer.headers.get("Content-Disposition", "")

        assert (await press())[0] == 500
        answers = await asyncio.gather(*(press() for _ in range(4)))
    assert sorted(status for status, _, _ in answers) == [200, 404, 404, 404]
    (given,) = [answer for answer in answers if answer[0] == 200]
    assert given[1:] == (b'{"unit": 3}', "attachment; filename*=UTF-8''%E5%90%8D%E5%8D%95.xlsx")


@ON_SQLITE
async def test_organiser_fetches_rolls_and_hours(street: Street) -> None:
    """The paper for the site, the roll and the hours as sheets, each by a link of its own and for those in charge."""
    async with TestServer(street.house.application()) as server, ClientSession() as client:
        for said, told, media_type, begins in (
            (
                "名单打印 12",
                "「清洁家园」的名单，打印出来带到现场：",
                ("application/pdf", "text/html"),
                (b"%PDF", b"<!do"),
            ),
            ("导出 12", "「清洁家园」名单的表格：", (EXCEL,), (b"PK",)),
            ("导出 时长 11月", "2026年11月服务时长的表格：", (EXCEL,), (b"PK",)),
            ("导出 时长 上月", "2026年10月服务时长的表格：", (EXCEL,), (b"PK",)),
            ("导出 时长 12月", "2025年12月服务时长的表格：", (EXCEL,), (b"PK",)),
            ("导出 今年时长", "2026年1月到2026年11月服务时长的表格：", (EXCEL,), (b"PK",)),
        ):
            answer = (await street.say("张敏", said)).splitlines()
            assert answer[0] == told
            path = answer[1].removeprefix("https://bot.example.com/linli")
            async with client.post(server.make_url(path)) as given:
                assert given.status == 200
                assert given.content_type in media_type
                assert (await given.read()).startswith(begins)
    assert await street.say("张敏", "@小邻 名单打印 12", where="3栋群") == (
        "这件事请私聊我说：打开和我的单聊，发 名单打印 12。"
    )
    assert await street.say("何叔", "导出 12") == "这件事要社区工作人员来办。您能办的事请发 帮助。"
    assert await street.say("老赵", "名单打印 12") == "这件事不在您负责的范围里。您能办的事请发 帮助。"


@pytest.mark.parametrize("url", ["bot.example.com", "ftp://bot.example.com", "https://a b", "https://a.com/?x=1"])
def test_an_address_that_no_phone_could_open_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        load(
            None,
            {"LINLI_HTTP__PUBLIC_URL": url},
            channel_settings=CHANNEL_SETTINGS,
            feature_settings=FEATURE_SETTINGS,
        )


def test_every_kind_of_file_is_made_by_somebody() -> None:
    house = Path(__file__).parent.parent
    source = "\n".join(
        path.read_text("utf-8") for room in ("handlers", "models") for path in (house / room).rglob("*.py")
    )
    assert all(kind in source for kind in MAKERS)


async def test_everything_in_the_records_has_a_name_in_chinese(street: Street) -> None:
    """A column that has none would fail here, and not when somebody asks for what is theirs."""
    await street.say("王秀英", "家人 李建国")
    await street.say("李建国", "同意")

    def look(session: Session) -> Records:
        member_id = session.scalars(select(Member.id).where(Member.name == "王秀英")).one()
        return records_of(session, community_id=1, member_id=member_id)

    records = await street.house.books.read(look)
    said: Any = in_chinese(records)
    assert all(key in {"编号", *COLUMNS.values()} for rows in said.values() for row in rows for key in row)
    assert said["家人"][0]["谁同意的"] == "本人同意"
    assert "2026-11-17 19:30:00+0800" in page(said, "我", "今天")


@ON_SQLITE
async def test_the_operator_hands_somebody_what_is_held(demo_url: str, street: Street, tmp_path: Path) -> None:
    """王秀英 came to the office. Who looked is written down, and she is told when she asks."""

    def records(*arguments: str) -> tuple[int, str]:
        ran = CliRunner().invoke(app, ["records", "--db", demo_url, "--out", str(tmp_path / "a.html"), *arguments])
        return ran.exit_code, ran.output

    assert await asyncio.to_thread(records, "查无人") == (1, "没有找到 查无人。\n")
    code, said = await asyncio.to_thread(records, "王秀英", "--unit", "3栋")
    assert (code, said) == (0, f"王秀英 的资料写在 {tmp_path / 'a.html'}，请只交给本人。\n")
    assert "3栋2单元" in (tmp_path / "a.html").read_text("utf-8")
    assert (tmp_path / "a.html").stat().st_mode & 0o077 == 0
    assert (await street.say("王秀英", "谁看过我")).endswith(" 管理员（在服务器上） 看过您的全部资料")
