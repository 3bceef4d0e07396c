import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession
from aiohttp.test_utils import TestServer
from yarl import URL

from bot.channels import FILE_BYTES, Ability, DeliveryError, File, Hears, Parcel
from bot.channels.simulator import PICTURES_MAX, PRESETS, Misuse, Simulator, Someone, address_of
from bot.channels.transcript import UNSENT_MAX, Kind, Listener, Transcript
from handlers.chat import Button, Incoming, Quote
from models.clock import SHANGHAI, local
from models.places import Location
from tests.fakes.pictures import drawn, size_of
from tests.fakes.stage import EVERYBODY, GROUPS, SmallHouse, simulated


def shanghai(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


class Page:
    """What a browser would do, without one."""

    def __init__(self, house: SmallHouse, server: TestServer, session: ClientSession) -> None:
        self.house = house
        self.server = server
        self.session = session

    async def get(self, path: str, **options: Any) -> ClientResponse:
        return await self.session.get(self.server.make_url(path), **options)

    async def post(self, path: str, body: object, **options: Any) -> tuple[int, dict[str, Any]]:
        response = await self.session.post(self.server.make_url(path), json=body, **options)
        return response.status, await response.json()

    async def say(self, sender: str, place: str, text: str, **more: object) -> dict[str, Any]:
        status, answer = await self.post("/simulator/say", {"as": sender, "in": place, "text": text, **more})
        assert status == 200, answer
        return answer

    async def state(self, since: int = 0) -> dict[str, Any]:
        response = await self.get(f"/simulator/state?since={since}")
        assert response.status == 200
        content: dict[str, Any] = await response.json()
        return content

    async def lines(self, conversation: str) -> list[tuple[str, str]]:
        """Who said what in one conversation, in order."""
        entries = sorted((await self.state())["entries"], key=lambda entry: entry["id"])
        return [(e["name"], e["text"]) for e in entries if e["conversation"] == conversation]


@asynccontextmanager
async def opened(house: SmallHouse | None = None, **options: Any) -> AsyncIterator[Page]:
    house = house or SmallHouse()
    async with simulated(house, **options) as server, ClientSession() as session:
        yield Page(house, server, session)


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with opened() as page:
        yield page


# The page and what it is told.


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/simulator", "text/html"),
        ("/simulator/", "text/html"),
        ("/simulator/style.css", "text/css"),
        ("/simulator/script.js", "text/javascript"),
        ("/simulator/icon.svg", "image/svg+xml"),
    ],
)
async def test_page_files_come_with_a_strict_policy(page: Page, path: str, kind: str) -> None:
    response = await page.get(path)
    policy = response.headers["Content-Security-Policy"].split("; ")
    assert (response.status, response.content_type, policy[0]) == (200, kind, "default-src 'self'")
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_page_has_nothing_inline_and_nothing_from_elsewhere(page: Page) -> None:
    html = await (await page.get("/simulator")).text()
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script[^>]*>[^<]", html) == []
    links = re.findall(r"(?:src|href)=\"([^\"]*)\"", html)
    assert links
    assert [link for link in links if not link.startswith("/simulator/")] == []
    for file in ("style.css", "script.js"):
        text = await (await page.get(f"/simulator/{file}")).text()
        # The one address that may stand there names the vocabulary of drawn icons; it is never fetched.
        assert set(re.findall(r"https?://[^\"')\s]+", text)) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("path", ["nothing.js", "%2e%2e%2fsimulator.py", "..%2F..%2Fchannels%2Fsimulator.py"])
async def test_page_gives_no_other_file(page: Page, path: str) -> None:
    address = URL(f"{page.server.make_url('/')}simulator/{path}", encoded=True)
    response = await page.session.get(address)
    assert response.status == 404
    assert "import" not in await response.text()


async def test_state_tells_who_where_and_when(page: Page) -> None:
    state = await page.state()
    assert re.fullmatch(r"[0-9a-f]{32}", state.pop("run"))
    assert state == {
        "bot": "小邻",
        "community": "锦绣社区",
        "now": {"iso": "2026-11-17T19:30:00+08:00", "label": "11月17日 周二 19:30"},
        "people": [{"id": p.sender, "name": p.name, "role": p.role, "home": p.home} for p in EVERYBODY],
        "groups": [{"address": g.address, "name": g.name, "hears": "everything"} for g in GROUPS],
        "presets": [
            {"preset": "next_morning", "label": "下一个早上"},
            {"preset": "next_evening", "label": "下一个傍晚"},
            {"preset": "next_saturday", "label": "周六 8:55"},
            {"preset": "plus_hour", "label": "+1小时"},
        ],
        "places": [
            {"latitude": 31.2304, "longitude": 121.4737, "label": "中心花园"},
            {"latitude": 31.2311, "longitude": 121.4746, "label": "3栋楼下"},
            {"latitude": 31.2576, "longitude": 121.4737, "label": "三公里外的菜场"},
        ],
        "text_characters_max": 4000,
        "entries": [],
        "cursor": 0,
    }


async def test_state_since_a_cursor_tells_only_what_is_new(page: Page) -> None:
    await page.say("wangxiuying", "g3", "签到")
    before = await page.state()
    assert [entry["text"] for entry in before["entries"]] == [
        "签到",
        "签到成功，清洁家园 +5 积分，现在共 128 分。",
    ]
    await page.say("laozhao", "g3", "大家早")
    after = await page.state(since=before["cursor"])
    assert [entry["text"] for entry in after["entries"]] == ["大家早"]
    assert (await page.state(since=after["cursor"]))["entries"] == []


# Saying something.


async def test_a_photo_and_a_place_are_shown_and_handed_on(page: Page) -> None:
    picture = base64.b64encode(drawn(800, 600)).decode()
    answer = await page.say("wangxiuying", "g3", "@小邻 签到", photo=picture, message_id="m-1")
    assert answer["entries"][0]["photo"].startswith("data:image/jpeg;base64,")
    (heard,) = page.house.heard
    assert [size_of(photo.content) for photo in heard.photos] == [(800, 600)]
    place = {"latitude": 31.2304, "longitude": 121.4737, "label": "中心花园"}
    status, answer = await page.post("/simulator/say", {"as": "wangxiuying", "place": place})
    assert (status, answer["entries"][0]["place"]) == (200, "中心花园")
    assert page.house.heard[1].location == Location(31.2304, 121.4737, "中心花园")
    assert (page.house.heard[1].text, page.house.heard[1].photos) == ("", ())


async def test_a_board_is_shown_as_its_picture_and_the_oldest_give_way(page: Page) -> None:
    simulator = page.house.simulator
    assert simulator is not None
    boards = [drawn(90 + number, 40, "PNG") for number in range(PICTURES_MAX + 1)]
    for group in (GROUPS[0].address, GROUPS[1].address):
        await simulator.send(Parcel(group, "【积分榜】\n1. 王秀英 30分", picture=boards[0]))
    first, other = (await page.state())["entries"]
    assert (first["picture"], first["text"]) == (other["picture"], "【积分榜】\n1. 王秀英 30分")
    assert (first["picture"]["width"], first["picture"]["height"]) == (90, 40)
    shown = await page.get(first["picture"]["url"])
    assert (shown.content_type, await shown.read()) == ("image/png", boards[0])
    assert shown.headers["Content-Security-Policy"].startswith("default-src 'self'")
    for board in boards[1:]:
        await simulator.send(Parcel("g3", "【积分榜】", picture=board))
    assert (await page.get(first["picture"]["url"])).status == 404


async def test_a_file_is_saved_under_its_name(page: Page) -> None:
    simulator = page.house.simulator
    assert simulator is not None
    roll = File("清洁家园签到表.html", b"<script>alert(1)</script>", "text/html")
    await simulator.send(Parcel("g3", "签到表", file=roll))
    (shown,) = (await page.state())["entries"]
    assert shown["file"]["name"] == roll.name
    given = await page.get(shown["file"]["url"])
    assert (given.content_type, await given.read()) == ("text/html", roll.content)
    assert given.headers["Content-Disposition"].startswith("attachment; ")
    assert given.headers["Content-Security-Policy"].startswith("default-src 'self'")


async def test_a_photo_that_did_not_arrive_goes_along_when_it_is_sent_again(page: Page) -> None:
    page.house.busy = True
    body = {"as": "wangxiuying", "message_id": "m-1", "photo": base64.b64encode(drawn(20, 10)).decode()}
    assert (await page.post("/simulator/say", body))[0] == 503
    page.house.busy = False
    assert (await page.post("/simulator/say", {"as": "wangxiuying", "message_id": "m-1", "text": " "}))[0] == 400
    await page.say("wangxiuying", "", "重发", message_id="m-1")
    assert [len(heard.photos) for heard in page.house.heard] == [1, 1]


@pytest.mark.parametrize(
    ("shown", "sentence"),
    [
        ({"photo": "no base64!"}, "这张照片打不开，请换一张。"),
        ({"photo": base64.b64encode(b"no picture").decode()}, "这张照片打不开，请换一张。"),
        ({"place": {"latitude": 91.0, "longitude": 0.0}}, "位置要有纬度和经度。"),
        ({"text": " "}, "一条消息写1到4000个字。"),
        ({}, "一条消息写1到4000个字。"),
    ],
)
async def test_what_shows_nothing_is_refused(page: Page, shown: dict[str, Any], sentence: str) -> None:
    assert await page.post("/simulator/say", {"as": "wangxiuying", **shown}) == (400, {"error": sentence})
    assert page.house.heard == []


def _heard(place: str, text: str, addressed: bool) -> Incoming:
    return Incoming("simulator", "m-1", "simulator", "wangxiuying", text, place, addressed)


@pytest.mark.parametrize(
    ("hears", "place", "text", "addressed"),
    [
        ("everything", "g3", "签到", False),
        ("everything", "g3", "@小邻 签到", True),
        ("everything", "g3", "签到 ＠小邻", True),
        ("everything", "g3", "@王秀英 你来吗", False),
        ("everything", "", "签到", True),
        ("mentions", "g3", "@小邻\u2005签到", True),
        ("mentions", "g3", "大家好\n@小邻 签到\n谢谢", True),
        ("mentions", "", "签到", True),
        ("mentions", "g3", "签到", None),
        ("mentions", "g3", "小邻 签到", None),
    ],
)
async def test_say_hands_on_what_the_bot_can_hear(
    page: Page, hears: str, place: str, text: str, addressed: bool | None
) -> None:
    assert await page.post("/simulator/hears", {"in": "g3", "hears": hears}) == (
        200,
        {"in": "g3", "hears": hears},
    )
    answer = await page.say("wangxiuying", place, text, message_id="m-1")
    heard = [] if addressed is None else [_heard(place, text, addressed)]
    assert page.house.heard == heard
    assert answer["heard"] is (addressed is not None)
    assert (await page.lines(place or "dm:wangxiuying"))[0] == ("王秀英", text)


async def test_say_shows_the_answer_where_the_question_was(page: Page) -> None:
    answer = await page.say("wangxiuying", "g3", "@小邻 签到")
    assert (answer["reply"], answer["ref"]) == (
        "签到成功，清洁家园 +5 积分，现在共 128 分。",
        "activity:12",
    )
    said, reply = answer["entries"]
    assert (said["id"], reply["id"]) == (answer["said"], answer["answer"])
    assert reply == {
        "id": answer["answer"],
        "conversation": "g3",
        "kind": "reply",
        "author": "",
        "name": "小邻",
        "text": "签到成功，清洁家园 +5 积分，现在共 128 分。",
        "at": {"iso": "2026-11-17T19:30:00+08:00", "label": "11月17日 周二 19:30"},
        "quote": None,
        "ref": "activity:12",
        "message_id": "",
        "beside": "",
        "heard": True,
        "failed": False,
        "again": False,
        "photo": "",
        "picture": None,
        "file": None,
        "place": "",
        "buttons": [],
        "done": {},
        "card": 0,
        "pressed": "",
    }


async def test_say_shows_nothing_for_silence(page: Page) -> None:
    answer = await page.say("wangxiuying", "g3", "今天天气真好")
    assert (answer["heard"], answer["reply"], answer["answer"]) == (True, "", None)
    assert await page.lines("g3") == [("王秀英", "今天天气真好")]


async def test_say_makes_a_message_id_of_its_own_each_time(page: Page) -> None:
    for _ in range(3):
        await page.say("wangxiuying", "g3", "签到")
    assert len({incoming.message_id for incoming in page.house.heard}) == 3


async def test_say_gives_the_text_as_typed(page: Page) -> None:
    text = '1. 王秀英\n2. <b>张敏</b> & "李"\n\n3.  ①②③ 😀'
    answer = await page.say("laozhao", "g3", text)
    assert page.house.heard[0].text == answer["entries"][0]["text"] == text


@pytest.mark.parametrize(
    ("quoted", "meant"),
    [
        ("answer", Quote("bot", "签到成功，清洁家园 +5 积分，现在共 128 分。", "activity:12")),
        ("said", Quote("human", "签到", "")),
    ],
)
async def test_quote_names_author_and_object(page: Page, quoted: str, meant: Quote) -> None:
    first = await page.say("wangxiuying", "g3", "签到")
    answer = await page.say("laozhao", "g3", "这个", quote=first[quoted])
    heard = page.house.heard[1]
    assert (heard.quote, heard.addressed) == (meant, meant.author == "bot")
    assert answer["entries"][0]["quote"] == {
        "id": first[quoted],
        "name": "小邻" if meant.author == "bot" else "王秀英",
        "text": meant.text,
    }


async def test_quote_of_a_push_names_its_object_and_reaches_a_bot_that_hears_mentions_only(
    page: Page,
) -> None:
    await page.post("/simulator/hears", {"in": "g3", "hears": "mentions"})
    await page.house.simulator.send(Parcel("g3", "明早停水", ref="broadcast:7"))
    pushed = (await page.state())["entries"][0]
    await page.say("wangxiuying", "g3", "收到", quote=pushed["id"])
    assert [incoming.quote for incoming in page.house.heard] == [Quote("bot", "明早停水", "broadcast:7")]


async def test_quote_from_another_conversation_is_refused(page: Page) -> None:
    elsewhere = await page.say("wangxiuying", "gparty", "签到")
    for quote in (elsewhere["said"], 999):
        body = {"as": "wangxiuying", "in": "g3", "text": "这个", "quote": quote}
        assert await page.post("/simulator/say", body) == (
            400,
            {"error": "引用的那条消息找不到了，请重新选一条。"},
        )
    assert len(page.house.heard) == 1


async def test_a_press_says_the_words_of_its_button_to_the_bot(page: Page) -> None:
    await page.post("/simulator/hears", {"in": "g3", "hears": "mentions"})
    buttons = (Button("我来", "签到"), Button("不来", "不来了", "q1"))
    await page.house.simulator.send(Parcel("g3", "清洁家园开始了，请发 签到", buttons=buttons))
    (card,) = (await page.state())["entries"]
    assert card["buttons"] == ["我来", "不来"]
    _, answer = await page.post("/simulator/press", {"as": "wangxiuying", "line": card["id"], "button": "我来"})
    said = answer["entries"][0]
    assert (said["text"], said["pressed"], said["card"], answer["reply"][:4]) == (
        "签到",
        "我来",
        card["id"],
        "签到成功",
    )
    await page.post("/simulator/press", {"as": "laozhao", "line": card["id"], "button": "不来"})
    assert [(one.sender, one.text, one.addressed, one.question) for one in page.house.heard] == [
        ("wangxiuying", "签到", True, ""),
        ("laozhao", "不来了", True, "q1"),
    ]
    (card,) = [entry for entry in (await page.state())["entries"] if entry["id"] == card["id"]]
    assert card["done"] == {"wangxiuying": "我来", "laozhao": "不来"}


async def test_a_press_of_what_is_not_there_or_not_ones_own_is_refused(page: Page) -> None:
    await page.house.simulator.send(Parcel("dm:liuyang", "请接单", buttons=(Button("接单", "接单 1024"),)))
    (card,) = (await page.state())["entries"]
    for who, line, button, sentence in (
        ("wangxiuying", card["id"], "接单", "这条消息的按钮找不到了。"),
        ("liuyang", 999, "接单", "这条消息的按钮找不到了。"),
        ("liuyang", card["id"], "退单", "没有这个按钮。"),
        ("nobody", card["id"], "接单", "这条消息的按钮找不到了。"),
    ):
        body = {"as": who, "line": line, "button": button}
        assert await page.post("/simulator/press", body) == (400, {"error": sentence})
    assert page.house.heard == []


async def test_a_second_delivery_is_handed_on_and_marked(page: Page) -> None:
    answers = [await page.say("wangxiuying", "g3", "签到", message_id="m-1") for _ in range(2)]
    assert [incoming.message_id for incoming in page.house.heard] == ["m-1", "m-1"]
    assert [answer["entries"][0]["again"] for answer in answers] == [False, True]


async def test_a_message_that_failed_can_be_sent_again_and_stays_one_line(page: Page) -> None:
    page.house.busy = True
    body = {"as": "wangxiuying", "in": "g3", "text": "签到"}
    assert await page.post("/simulator/say", body) == (
        503,
        {"error": "小邻这会儿忙不过来，请点一下消息重发。"},
    )
    failed = (await page.state())["entries"]
    assert [(entry["text"], entry["failed"]) for entry in failed] == [("签到", True)]
    page.house.busy = False
    answer = await page.say("wangxiuying", "g3", "签到", message_id=failed[0]["message_id"])
    assert (answer["said"], answer["entries"][0]["failed"], answer["entries"][0]["again"]) == (
        failed[0]["id"],
        False,
        False,
    )
    assert [name for name, _ in await page.lines("g3")] == ["王秀英", "小邻"]


async def test_somebody_who_came_later_is_found(page: Page) -> None:
    body = {"as": "newcomer", "in": "g3", "text": "大家好"}
    assert await page.post("/simulator/say", body) == (400, {"error": "没有这个人。"})
    page.house.everybody = [*EVERYBODY, Someone("newcomer", "孙姐", "居民", "5栋")]
    await page.say("newcomer", "g3", "大家好")
    assert await page.lines("g3") == [("孙姐", "大家好")]


SAY = {"as": "wangxiuying", "in": "g3", "text": "签到"}


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("say", {**SAY, "as": "nobody"}, "没有这个人。"),
        ("say", {**SAY, "as": ""}, "先选好你是谁，再说话。"),
        ("say", {"in": "g3", "text": "签到"}, "先选好你是谁，再说话。"),
        ("say", {**SAY, "in": "g9"}, "没有这个群。"),
        ("say", {**SAY, "in": None}, "没有这个群。"),
        ("say", {**SAY, "text": ""}, "一条消息写1到4000个字。"),
        ("say", {**SAY, "text": " \n\t"}, "一条消息写1到4000个字。"),
        ("say", {**SAY, "text": "字" * 4001}, "一条消息写1到4000个字。"),
        ("say", {**SAY, "text": 5}, "一条消息写1到4000个字。"),
        ("say", {**SAY, "quote": "5"}, "引用的那条消息找不到了，请重新选一条。"),
        ("say", {**SAY, "quote": True}, "引用的那条消息找不到了，请重新选一条。"),
        ("say", {**SAY, "message_id": ""}, "消息编号要是1到200个字符。"),
        ("say", {**SAY, "more": 1}, "这条请求看不懂。"),
        ("say", ["签到"], "这条请求看不懂。"),
        ("hears", {"in": "g9", "hears": "mentions"}, "没有这个群。"),
        ("hears", {"in": "g3", "hears": "nothing"}, "只能选“全部听到”或“只听@”。"),
        ("clock", {}, "选一个快捷时间，或者填一个时间。"),
        ("clock", {"to": "2026-11-18T08:00", "preset": "plus_hour"}, "选一个快捷时间，或者填一个时间。"),
        ("clock", {"to": "明天"}, "时间写成 2026-11-28T08:55 这样。"),
        ("clock", {"to": "0001-01-01T00:00:00+23:00"}, "时间写成 2026-11-28T08:55 这样。"),
        ("clock", {"preset": "yesterday"}, "没有这个快捷时间。"),
        ("outbox", {"number": 9, "wish": "again"}, "没有第9条。"),
        ("outbox", {"number": 0, "wish": "again"}, "没有这条消息。"),
        ("outbox", {"number": 3, "wish": "burn"}, "只能选“再发一次”或“不发了”。"),
    ],
)
async def test_a_bad_request_gets_one_sentence_and_changes_nothing(
    page: Page, path: str, body: object, sentence: str
) -> None:
    assert await page.post(f"/simulator/{path}", body) == (400, {"error": sentence})
    state = await page.state()
    assert (page.house.heard, state["entries"], state["now"]["label"]) == ([], [], "11月17日 周二 19:30")
    assert {group["hears"] for group in state["groups"]} == {"everything"}


async def test_the_longest_text_is_taken(page: Page) -> None:
    await page.say("wangxiuying", "g3", "字" * 4000)
    assert len(page.house.heard[0].text) == 4000


@pytest.mark.parametrize(
    ("body", "kind", "status", "sentence"),
    [
        (b"[" * 60_000, "application/json", 400, "这条请求看不懂。"),
        (b'{"as": "\xff"}', "application/json", 400, "这条请求看不懂。"),
        (b"", "application/json", 400, "这条请求看不懂。"),
        (
            b'{"as": "wangxiuying", "in": "g3", "text": "\\ud800"}',
            "application/json",
            400,
            "这条请求看不懂。",
        ),
        (b" " * 5_400_000, "application/json", 413, "内容太长了，请分几条发。"),
        (json.dumps(SAY).encode(), "text/plain", 415, "请用 JSON 发送。"),
        (b"as=wangxiuying", "application/x-www-form-urlencoded", 415, "请用 JSON 发送。"),
    ],
)
async def test_a_body_that_is_no_message_is_refused(
    page: Page, body: bytes, kind: str, status: int, sentence: str
) -> None:
    response = await page.session.post(
        page.server.make_url("/simulator/say"), data=body, headers={"Content-Type": kind}
    )
    assert (response.status, await response.json()) == (status, {"error": sentence})
    assert page.house.heard == []


# Who may ask.

ELSEWHERE = (403, {"error": "这个页面只能在本机打开。"})
FOREIGN = (403, {"error": "这个请求来自别的网页，没有照办。"})


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8080", True),
        ("127.8.9.1", True),
        ("localhost:8080", True),
        ("LOCALHOST", True),
        ("[::1]:8080", True),
        ("demo.lan:8080", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("192.168.1.5:8080", False),
        ("localhost.evil.example:80", False),
        ("[::1", False),
        ("", False),
    ],
)
async def test_host_that_is_not_this_machine_is_refused(host: str, allowed: bool) -> None:
    async with opened(host_names=("demo.lan",)) as page:
        said = await page.post("/simulator/say", SAY, headers={"Host": host})
        seen = [await page.get(f"/simulator{path}", headers={"Host": host}) for path in ("", "/state", "/script.js")]
        assert (said[0] == 200, said == ELSEWHERE) == (allowed, not allowed)
        assert [response.status for response in seen] == [200 if allowed else 403] * 3
        assert len(page.house.heard) == allowed


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://{host}", True),
        (None, True),
        ("http://evil.example", False),
        ("http://127.0.0.1", False),
        ("null", False),
        ("", False),
        ("file://{host}", False),
    ],
)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("say", SAY),
        ("hears", {"in": "g3", "hears": "mentions"}),
        ("clock", {"preset": "plus_hour"}),
        ("outbox", {"number": 3, "wish": "again"}),
    ],
)
async def test_a_change_asked_for_by_another_page_is_refused(
    page: Page, path: str, body: object, origin: str | None, allowed: bool
) -> None:
    host = f"127.0.0.1:{page.server.port}"
    headers = {} if origin is None else {"Origin": origin.format(host=host)}
    answer = await page.post(f"/simulator/{path}", body, headers=headers)
    assert (answer[0] == 200, answer == FOREIGN) == (allowed, not allowed)


# The outbox.


async def test_outbox_tells_one_kind_and_how_many_there_are_of_each(page: Page) -> None:
    shown = await (await page.get("/simulator/outbox?show=failed")).json()

    assert [(tab["label"], tab["count"]) for tab in shown["tabs"]] == [
        ("等着发", 1),
        ("已发出", 1),
        ("没有发出", 1),
        ("结果不明", 1),
    ]
    (letter,) = shown["letters"]
    assert (letter["number"], letter["to"], letter["again"], letter["give_up"]) == (3, "5栋群", True, False)
    assert await page.post("/simulator/outbox", {"number": 3, "wish": "again"}) == (200, {"said": "第3条会再发。"})
    assert (await page.get("/simulator/outbox?show=burnt")).status == 400


# What the bot hears.


async def test_hears_holds_for_one_group_only(page: Page) -> None:
    await page.post("/simulator/hears", {"in": "g3", "hears": "mentions"})
    assert {g["address"]: g["hears"] for g in (await page.state())["groups"]} == {
        "g3": "mentions",
        "gparty": "everything",
        "gall": "everything",
    }
    unheard = await page.say("wangxiuying", "g3", "签到")
    assert (unheard["heard"], unheard["entries"][0]["heard"]) == (False, False)
    assert (await page.say("wangxiuying", "gparty", "签到"))["heard"] is True


async def test_hears_can_begin_with_mentions() -> None:
    async with opened(hears=Hears.MENTIONS) as page:
        assert (await page.say("wangxiuying", "g3", "签到"))["heard"] is False
        await page.post("/simulator/hears", {"in": "g3", "hears": "everything"})
        assert (await page.say("wangxiuying", "g3", "签到"))["heard"] is True


def test_ability_says_what_the_page_can_show() -> None:
    assert Simulator(SmallHouse()).ability == Ability(
        hears=Hears.EVERYTHING,
        pushes_to_groups=True,
        pushes_to_people=True,
        text_bytes=20480,
        buttons=True,
        pictures=True,
        file_bytes=FILE_BYTES,
    )


# The clock.


@pytest.mark.parametrize(
    ("preset", "now", "moment"),
    [
        ("next_morning", "2026-11-17T19:30", "2026-11-18T08:00"),
        ("next_morning", "2026-11-18T07:59", "2026-11-18T08:00"),
        ("next_morning", "2026-11-18T08:00", "2026-11-19T08:00"),
        ("next_morning", "2026-12-31T23:59", "2027-01-01T08:00"),
        ("next_evening", "2026-11-17T19:30", "2026-11-18T19:00"),
        ("next_evening", "2026-11-17T08:00", "2026-11-17T19:00"),
        ("next_saturday", "2026-11-17T19:30", "2026-11-21T08:55"),
        ("next_saturday", "2026-11-21T08:54", "2026-11-21T08:55"),
        ("next_saturday", "2026-11-21T08:55", "2026-11-28T08:55"),
        ("plus_hour", "2026-11-17T23:30", "2026-11-18T00:30"),
    ],
)
def test_preset_means_a_moment_ahead(preset: str, now: str, moment: str) -> None:
    assert local(PRESETS[preset].moment(shanghai(now))) == shanghai(moment)


async def test_clock_runs_what_was_due_and_tells_every_push_in_order(page: Page) -> None:
    status, answer = await page.post("/simulator/clock", {"preset": "next_saturday"})
    assert status == 200
    assert answer["now"] == {"iso": "2026-11-21T08:55:00+08:00", "label": "11月21日 周六 8:55"}
    told = [(push["at"]["label"], push["to"], push["conversation"]) for push in answer["pushes"]]
    days = ("11月18日 周三", "11月19日 周四", "11月20日 周五", "11月21日 周六")
    mornings = [
        (f"{day} 8:00", name, f"dm:{sender}")
        for day in days
        for name, sender in (("李建国", "lijianguo"), ("王秀英", "wangxiuying"))
    ]
    assert told == [*mornings[:6], ("11月21日 周六 7:00", "3栋群", "g3"), *mornings[6:]]
    assert answer["pushes"][6]["text"] == "清洁家园两小时后开始：周六9:00，中心花园，已有14人报名。"
    assert await page.lines("g3") == [("小邻", "清洁家园两小时后开始：周六9:00，中心花园，已有14人报名。")]
    beside = {e["conversation"]: e["beside"] for e in (await page.state())["entries"]}
    assert beside == {"g3": "", "dm:lijianguo": "*", "dm:wangxiuying": "*"}


async def test_clock_tells_nothing_of_what_was_said_before_or_after(page: Page) -> None:
    await page.house.simulator.send(Parcel("g3", "先前的"))
    assert (await page.post("/simulator/clock", {"preset": "plus_hour"}))[1]["pushes"] == []
    await page.house.simulator.send(Parcel("g3", "后来的"))
    assert (await page.post("/simulator/clock", {"preset": "plus_hour"}))[1]["pushes"] == []
    await page.say("laozhao", "g3", "大家好")
    await page.house.simulator.send(Parcel("dm:liuyang", "最后的"))
    assert (await page.state())["entries"][-1]["beside"] == "g3"


@pytest.mark.parametrize(
    ("to", "label"),
    [
        ("2026-11-17T20:00", "11月17日 周二 20:00"),
        ("2026-11-17T20:00+08:00", "11月17日 周二 20:00"),
        ("2026-11-17T12:00:00Z", "11月17日 周二 20:00"),
    ],
)
async def test_clock_reads_a_moment_without_an_offset_as_shanghai_time(page: Page, to: str, label: str) -> None:
    status, answer = await page.post("/simulator/clock", {"to": to})
    assert (status, answer["now"]["label"]) == (200, label)


@pytest.mark.parametrize(
    ("to", "sentence"),
    [
        ("2026-11-17T19:30", "时间只能往前走，现在已经是11月17日 周二 19:30了。"),
        ("2026-11-17T08:00", "时间只能往前走，现在已经是11月17日 周二 19:30了。"),
        ("1970-01-01T00:00Z", "时间只能往前走，现在已经是11月17日 周二 19:30了。"),
        ("2027-11-20T08:00", "一次最多往前走一年。"),
        ("9999-12-31T23:59", "一次最多往前走一年。"),
    ],
)
async def test_clock_moves_forward_only_and_a_year_at_most(page: Page, to: str, sentence: str) -> None:
    assert await page.post("/simulator/clock", {"to": to}) == (400, {"error": sentence})
    assert (await page.state())["now"]["label"] == "11月17日 周二 19:30"


async def test_two_moves_at_once_happen_one_after_the_other(page: Page) -> None:
    both = await asyncio.gather(*(page.post("/simulator/clock", {"preset": "next_morning"}) for _ in range(2)))
    pushes = sorted(answer["pushes"][0]["at"]["label"] for _, answer in both)
    assert pushes == ["11月18日 周三 8:00", "11月19日 周四 8:00"]
    assert [len(answer["pushes"]) for _, answer in both] == [2, 2]


# Pushes.


@pytest.mark.parametrize("address", ["g9", "dm:nobody", "", "wangxiuying"])
async def test_push_to_nobody_fails_for_good(page: Page, address: str) -> None:
    with pytest.raises(DeliveryError) as failure:
        await page.house.simulator.send(Parcel(address, "你好"))
    assert (failure.value.permanent, failure.value.code) == (True, "unknown_address")
    assert (await page.state())["entries"] == []


async def test_push_over_the_limit_fails_for_good(page: Page) -> None:
    await page.house.simulator.send(Parcel("g3", "字" * 6826))
    with pytest.raises(DeliveryError) as failure:
        await page.house.simulator.send(Parcel("g3", "字" * 6827))
    assert (failure.value.permanent, failure.value.code) == (True, "too_long")


@pytest.mark.parametrize(
    ("spoken_by", "place", "beside"),
    [("wangxiuying", "gparty", "gparty"), ("wangxiuying", "", "dm:wangxiuying"), ("liuyang", "", "")],
)
async def test_private_push_is_mentioned_where_somebody_spoke_last(
    page: Page, spoken_by: str, place: str, beside: str
) -> None:
    await page.say(spoken_by, place, "报修 3栋路灯不亮")
    pushed = [entry for entry in (await page.state())["entries"] if entry["kind"] == "push"]
    assert [(e["conversation"], e["text"], e["beside"]) for e in pushed] == [
        (address_of("liuyang"), "3栋路灯不亮，请接单。", beside)
    ]


async def test_private_push_before_anybody_spoke_is_mentioned_in_every_group(page: Page) -> None:
    await page.house.simulator.send(Parcel("dm:liuyang", "早上好"))
    assert [entry["beside"] for entry in (await page.state())["entries"]] == ["*"]


async def test_transcript_keeps_the_last_lines_of_each_conversation() -> None:
    async with opened(entries_max=3) as page:
        for number in range(5):
            await page.say("laozhao", "g3", f"第{number}句")
        await page.say("laozhao", "gparty", "别处")
        assert await page.lines("g3") == [("老赵", f"第{number}句") for number in (2, 3, 4)]
        assert await page.lines("gparty") == [("老赵", "别处")]


# Live updates.


async def events(response: ClientResponse) -> AsyncIterator[tuple[str, dict[str, Any], int | None]]:
    """(kind, content, id) of each server-sent event."""
    kind, number = "", None
    async for line in response.content:
        word, _, rest = line.decode().rstrip("\n").partition(": ")
        if word == "event":
            kind = rest
        elif word == "id":
            number = int(rest)
        elif word == "data":
            yield kind, json.loads(rest), number
            kind, number = "", None


async def test_events_bring_what_happens_to_every_page(page: Page) -> None:
    streams = [events(await page.get("/simulator/events")) for _ in range(2)]
    state = await page.state()
    for stream in streams:
        assert await anext(stream) == ("hello", {"run": state["run"], "now": state["now"]}, None)
    answer = await page.say("wangxiuying", "g3", "签到")
    await page.post("/simulator/hears", {"in": "g3", "hears": "mentions"})
    await page.post("/simulator/clock", {"preset": "plus_hour"})
    for stream in streams:
        assert [await anext(stream) for _ in range(4)] == [
            ("entry", answer["entries"][0], 1),
            ("entry", answer["entries"][1], 2),
            ("hears", {"in": "g3", "hears": "mentions"}, None),
            ("clock", {"iso": "2026-11-17T20:30:00+08:00", "label": "11月17日 周二 20:30"}, None),
        ]


@pytest.mark.parametrize(
    ("query", "headers", "missed"),
    [
        ("", {}, ["第0句", "第1句", "第2句"]),
        ("?since=1", {}, ["第1句", "第2句"]),
        ("?since=1", {"Last-Event-ID": "2"}, ["第2句"]),
        ("?since=nonsense", {}, ["第0句", "第1句", "第2句"]),
    ],
)
async def test_events_begin_with_what_was_missed(
    page: Page, query: str, headers: dict[str, str], missed: list[str]
) -> None:
    for number in range(3):
        await page.say("laozhao", "g3", f"第{number}句")
    stream = events(await page.get(f"/simulator/events{query}", headers=headers))
    assert (await anext(stream))[0] == "hello"
    assert [(await anext(stream))[1]["text"] for _ in missed] == missed
    await page.say("laozhao", "g3", "新的")
    assert (await anext(stream))[1]["text"] == "新的"


async def test_events_show_that_a_failed_line_failed(page: Page) -> None:
    stream = events(await page.get("/simulator/events"))
    await anext(stream)
    page.house.busy = True
    await page.post("/simulator/say", SAY)
    changes = [await anext(stream) for _ in range(2)]
    assert [(content["text"], content["failed"], number) for _, content, number in changes] == [
        ("签到", False, 1),
        ("签到", True, 2),
    ]


async def test_events_keep_the_connection_alive_with_the_time() -> None:
    async with opened(beat_seconds=0.01) as page:
        stream = events(await page.get("/simulator/events"))
        await anext(stream)
        page.house.clock.move_to(page.house.now() + timedelta(minutes=1))
        kinds = {(await anext(stream))[0] for _ in range(2)}
        assert kinds == {"clock"}
        assert (await anext(stream))[1]["label"] == "11月17日 周二 19:31"


async def test_events_end_when_the_server_stops() -> None:
    async with opened() as page:
        stream = events(await page.get("/simulator/events"))
        await anext(stream)
        await page.house.simulator.close()
        assert [kind async for kind, _, _ in stream] == []
        refused = await page.get("/simulator/events")
        assert refused.status == 503


async def test_a_page_that_does_not_read_is_let_go_and_loses_nothing() -> None:
    transcript = Transcript(entries_max=2 * UNSENT_MAX)
    listener = Listener()
    transcript.listeners.add(listener)
    now = SmallHouse().now()
    for number in range(UNSENT_MAX + 1):
        transcript.add(conversation="g3", kind=Kind.SAID, author="laozhao", name="老赵", text=str(number), at=now)
    assert await listener.next(1) is None
    assert [entry.text for entry in transcript.since(0)] == [str(n) for n in range(UNSENT_MAX + 1)]


# Without a page, as the command line does it.


async def test_say_takes_a_quote_made_elsewhere() -> None:
    async with opened() as page:
        quote = Quote("bot", "明早停水", "broadcast:7")
        said = await page.house.simulator.say("wangxiuying", "g3", "收到", quote=quote)
        assert page.house.heard[0].quote == quote
        assert (said.reply.text, said.entry.quote.name) == ("您引用的是 bot broadcast:7", "小邻")


async def test_move_refuses_the_past_before_anything_runs() -> None:
    async with opened() as page:
        with pytest.raises(Misuse, match="只能往前走"):
            await page.house.simulator.move(lambda now: now - timedelta(seconds=1))
        assert (await page.state())["entries"] == []
