"""The page of a notice: who says 收到 there, who does not, and what a stranger learns from it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.app import CHANNEL_SETTINGS, FEATURE_SETTINGS, House
from bot.books import Books
from bot.channels import Ability, Hears
from bot.channels.wecom_group_webhook import CARD_BODY, CARD_FOOT, CARD_HEADING
from bot.config import load
from bot.receipts import HEADERS, STYLE
from bot.script import Script
from models.audit import Audit
from models.broadcast import Receipt
from models.clock import MovedClock
from models.members import Member
from models.outbox import Outbox
from tests.dialogue import ON_SQLITE, count_rows, direct, november, talk
from tests.fakes.street import Street
from tests.moments import TUESDAY_EVENING

HOME = "https://bot.example.com"
WANG = {"name": "王秀英", "building": "3栋", "room": "501"}


class Mentions(Script):
    """A channel that hears mentions, writes, and has no buttons."""

    ability = Ability(hears=Hears.MENTIONS, pushes_to_groups=True, pushes_to_people=True, text_bytes=2_048, cards=True)


@pytest.fixture
async def street(demo_url: str) -> AsyncIterator[Street]:
    """The demo in a house that phones can reach, on a channel without buttons."""
    config = load(
        None,
        {"LINLI_HTTP__PUBLIC_URL": HOME},
        channel_settings=CHANNEL_SETTINGS,
        feature_settings=FEATURE_SETTINGS,
    )
    script = Mentions()
    books = await Books.open(demo_url, threads=4)
    house = House(config, books, clock=MovedClock(TUESDAY_EVENING, frozen=True), beside=[script])
    await house.scheduler.run_until(TUESDAY_EVENING)
    opened = Street(house, script)
    yield opened
    wrong = await opened.violations()
    await house.close()
    assert wrong == []


class Visitor:
    """Somebody's browser."""

    def __init__(self, server: TestServer, client: ClientSession) -> None:
        self._server, self._client = server, client

    async def get(self, url: str, method: str = "GET") -> tuple[int, str]:
        async with self._client.request(method, self._server.make_url(url.removeprefix(HOME))) as answer:
            assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
            return answer.status, await answer.text()

    async def send(self, url: str, headers: dict[str, str] | None = None, **fields: str) -> tuple[int, str]:
        """Opens the page and sends its form."""
        _, page = await self.get(url)
        proof = re.search(r'name="form" value="([0-9a-f]+)"', page)
        fields = {"form": proof[1] if proof else "", **fields}
        at = self._server.make_url(url.removeprefix(HOME))
        async with self._client.post(at, data=fields, headers=headers or {"Origin": HOME}) as answer:
            return answer.status, await answer.text()


@asynccontextmanager
async def visiting(street: Street) -> AsyncIterator[Visitor]:
    async with TestServer(street.house.application()) as server, ClientSession() as client:
        yield Visitor(server, client)


async def announced(street: Street, text: str = "广播 3栋 明早停水 <b>请存水</b> 回执") -> str:
    """Sends a notice to 3栋; returns the address of its page, as the group reads it."""
    await street.say("张敏", text)
    await street.say("张敏", "确认")
    await street.until(november(17, 19, 40))
    (said,) = [text for to, text in street.script.sent if to == "3栋群" and "收到 8" in text]
    found = re.fullmatch(
        r"【锦绣社区通知 8】明早停水 <b>请存水</b>\n收到请 @小邻 回复 收到 8，或点 (https://\S+/r/[0-9a-f]{20})", said
    )
    assert found is not None, said
    return found[1]


def receipts(session: Session) -> list[tuple[str, str, bool]]:
    """Who has given a receipt on a page: name, way, whether it stands."""
    rows = session.execute(
        select(Member.name, Receipt.way, Receipt.undone_at)
        .join(Member, Receipt.member_id == Member.id)
        .where(Receipt.way == "link")
        .order_by(Receipt.id)
    )
    return [(row.name, row.way, row.undone_at is None) for row in rows]


def give_phones(session: Session) -> None:
    session.execute(update(Member).where(Member.name == "陈阿姨").values(phone="13800001234"))


async def test_whoever_opens_the_link_of_a_group_says_who_they_are(street: Street) -> None:
    url = await announced(street)
    await street.house.books.write(give_phones)
    async with visiting(street) as visitor:
        before = await count_rows(street.house)
        for method in ("GET", "HEAD", "GET"):
            status, page = await visitor.get(url, method)
            assert status == 200
        # A preview answers for nobody, and a stranger learns of nobody.
        assert await count_rows(street.house) == before
        assert "&lt;b&gt;请存水&lt;/b&gt;" in page
        assert "王" not in page
        assert re.findall(r"<option[^>]*>([^<]*)</option>", page) == ["3栋"]

        status, page = await visitor.send(url, **WANG)
        assert (status, "记下了，谢谢！" in page, "王*英家的回执有了。" in page) == (200, True, True)
        status, page = await visitor.send(url, **WANG)
        assert (status, "已经记过了，不用再点。" in page) == (200, True)
        assert "记下了" in (await visitor.send(url, name=" 陈阿姨 ", building="3栋", digits="1234"))[1]
        assert await street.house.books.read(receipts) == [("王秀英", "link", True), ("陈阿姨", "link", True)]

        # The household of 501 is answered, and what was said by mistake is taken back in the chat.
        assert "回执2/29户" in await street.say("张敏", "广播状态 8")
        assert await street.say("王秀英", "撤销") == "已撤回8号的回执。"
        assert "记下了" in (await visitor.send(url, **WANG))[1]
        acts = await street.house.books.read(
            lambda session: session.scalars(select(Audit.action).where(Audit.channel == "page")).all()
        )
        assert acts == ["receipt"] * 3

        await street.until(november(25, 20))
        assert (await visitor.get(url))[0] == 410
        assert "已经收完了" in (await visitor.send(url, **WANG))[1]


@ON_SQLITE
async def test_a_stranger_learns_nothing_and_the_lead_hears_of_them(street: Street) -> None:
    url = await announced(street)
    async with visiting(street) as visitor:
        wrong = "没有对上。请核对姓名、楼栋，房号或手机写一样就行；名册没有写全的，楼长会替您记。"
        answers = [
            # Somebody who lives elsewhere in the house, somebody who is nobody, and what is no room and no name.
            await visitor.send(url, name="王秀英", building="3栋", room="999"),
            await visitor.send(url, name="孙悟空", building="3栋", room="501"),
            await visitor.send(url, name="孙悟空", building="3栋", room="加群 https://example.org"),
            await visitor.send(url, name="https://example.org/x", building="3栋", room="501"),
            await visitor.send(url, name="何叔", building="火星", room="501"),
        ]
        assert [(status, wrong in page) for status, page in answers] == [(422, True)] * 5
        _, page = await visitor.send(url, name="孙丽", building="5栋", room="201")
        assert "这条通知不是发给您那里的" in page or wrong in page
        assert await street.house.books.read(receipts) == []
        told = {text for to, text in await pushed(street) if to == "老赵"}
        assert told == {
            f"8号「停水」的网页上有人写自己是3栋{room} {name}，名册里没有对上。\n"
            "认识的话请核对名册；替 TA 记下请发 收到 8 加楼栋房号。"
            for name, room in (("王秀英", "999"), ("孙悟空", "501"), ("孙悟空", ""))
        }
        # Who writes nothing by which they could be known is asked for it, and that is no try.
        for _ in range(4):
            status, page = await visitor.send(url, name="王秀英", building="3栋")
            assert (status, "还差一样：请写上房号，或手机后四位。" in page) == (422, True)
        # The third wrong answer about one name within a day was the last one that was looked at.
        for room in ("998", "1单元501"):
            await visitor.send(url, name="王秀英", building="3栋", room=room)
        status, page = await visitor.send(url, **WANG)
        assert (status, "还是没有对上" in page) == (422, True)
        await street.until(november(18, 19, 45))
        for room in ("２－５０１", "2单元501", "3栋2单元501室"):
            _, page = await visitor.send(url, name="王秀英", building="3栋", room=room)
            assert "王*英家的回执有了。" in page


async def pushed(street: Street) -> list[tuple[str, str]]:
    """What waits for people in the outbox or has gone to them, by name."""
    return await street.house.books.read(
        lambda session: [
            (row.name, row.text)
            for row in session.execute(
                select(Member.name, Outbox.text).join(Member, Outbox.member_id == Member.id).order_by(Outbox.id)
            )
        ]
    )


@ON_SQLITE
async def test_a_personal_link_is_one_tap_and_one_persons(street: Street) -> None:
    await street.say("张敏", "广播 3栋楼长 明早停电 回执")
    await street.say("张敏", "确认")
    await street.until(november(17, 19, 40))
    ((to, said),) = [(to, text) for to, text in street.script.sent if "通知 8】" in text]
    url = said.rsplit(" ", 1)[1]
    assert (to, said) == ("老赵", f"【锦绣社区通知 8】明早停电\n收到请回复 收到 8，或点 {url}")
    async with visiting(street) as visitor:
        status, page = await visitor.get(url)
        assert (status, "老*，看到了请点一下。" in page, "老赵" in page) == (200, True, False)
        group, tail = url.rsplit("/", 1)
        number, proof = tail.split("-")
        for forged in (f"{int(number) - 1}-{proof}", f"{number}-{'0' * len(proof)}", f"{number}-0"):
            assert (await visitor.get(f"{group}/{forged}"))[0] == 404
        # Neither another site's form nor one that the page did not make.
        assert (await visitor.send(url, {"Origin": "https://evil.example"}))[0] == 403
        assert (await visitor.send(url, {"Sec-Fetch-Site": "cross-site"}))[0] == 403
        assert (await visitor.send(url, form="0" * 20))[0] == 403
        assert await street.house.books.read(receipts) == []
        assert "记下了，谢谢！" in (await visitor.send(url))[1]
        assert "已经记过了" in (await visitor.send(url))[1]
        assert await street.house.books.read(receipts) == [("老赵", "link", True)]


@ON_SQLITE
async def test_a_notice_for_few_has_no_page_where_one_says_who_one_is(street: Street) -> None:
    await street.say("张敏", "广播 独居老人 明早上门看望 回执")
    await street.say("张敏", "确认")
    await street.until(november(17, 19, 40))
    sent = [text for _, text in street.script.sent if "通知 8】" in text]
    async with visiting(street) as visitor:
        for said in sent:
            url = said.rsplit(" ", 1)[1]
            assert (await visitor.get(url))[0] == 200
            assert (await visitor.get(url.rsplit("/", 1)[0]))[0] == 404
    assert sent


@ON_SQLITE
async def test_whoever_is_reminded_gets_the_link_again(street: Street) -> None:
    await street.say("张敏", "广播 3栋楼长 明早停气 回执")
    await street.say("张敏", "确认")
    await street.until(november(18, 9, 0))
    await talk(street, [("张敏", direct, "催办 8", "第1次催办已发：1户1人。")])
    notice, reminder = [text for to, text in street.script.sent if to == "老赵"]
    assert reminder == "提醒：8号「停气」还等您回一声。\n" + notice.split("\n")[1]


@ON_SQLITE
async def test_a_notice_in_parts_goes_with_the_words(street: Street) -> None:
    """What the group webhook makes a card of."""
    url = await announced(street)

    def cards(session: Session) -> list[Any]:
        return list(session.scalars(select(Outbox.card).where(Outbox.ref == "broadcast:8", Outbox.card.is_not(None))))

    (card,) = await street.house.books.read(cards)
    assert card == ["锦绣社区通知 8", "明早停水 <b>请存水</b>", "收到请 @小邻 回复 收到 8。", url]
    assert [len(part) <= most for part, most in zip(card, (CARD_HEADING, CARD_BODY, CARD_FOOT), strict=False)] == [
        True, True, True,
    ]  # fmt: skip


def test_the_page_needs_nothing_from_elsewhere() -> None:
    assert re.findall(r"url\(|@import|https?:", STYLE) == []
    assert "script-src" not in HEADERS["Content-Security-Policy"]
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
