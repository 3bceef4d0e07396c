"""The simulator's page in a real browser, on a desk and on a phone.

Without a browser these tests are skipped by name; where `CI` is `true` a missing browser is a failure.
"""

import os
import re
import shutil
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from aiohttp.test_utils import unused_port
from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect

from bot.channels import Parcel
from bot.channels.simulator import Someone
from handlers.chat import Button, Quote
from tests.fakes.pictures import drawn, size_of
from tests.fakes.stage import EVERYBODY, SmallHouse, simulated

pytestmark = pytest.mark.asyncio(loop_scope="module")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
SMALL_PHONE = {"width": 360, "height": 640}
EVIL = '<img src=x onerror="window.struck=1"><script>window.struck=1</script>'
CROWD = [Someone(f"p{number}", f"居民{number:03d}", "居民", f"{number % 9 + 1}栋") for number in range(300)]


class Chair:
    """Somebody in front of the page. `errors` is what the browser's console complained about."""

    def __init__(self, page: Page, house: SmallHouse) -> None:
        self.page = page
        self.house = house
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console",
            lambda said: self.errors.append(said.text) if said.type in ("error", "warning") else None,
        )

    @property
    def narrow(self) -> bool:
        assert self.page.viewport_size is not None
        return self.page.viewport_size["width"] < 820

    async def come_in(self, address: str) -> None:
        await self.page.goto(address)
        await expect(self.page.locator("#title")).to_have_text("3栋群")

    async def sit_as(self, name: str) -> None:
        await self.page.locator("#seat").click()
        await self.page.get_by_role("searchbox").fill(name)
        await self.page.locator(".person", has_text=name).first.click()
        await expect(self.page.locator("#seat .seat-name")).to_have_text(name)

    async def say(self, text: str) -> None:
        await self.page.get_by_label("消息", exact=True).fill(text)
        await self.page.get_by_label("消息", exact=True).press("Enter")

    async def open(self, conversation: str) -> None:
        if self.narrow:
            await self.page.locator("#nav-open").click()
        await self.page.locator(".conversation", has_text=conversation).first.click()

    async def show_clock(self) -> None:
        if self.narrow:
            await self.page.locator("#clock-open").click()

    async def open_mail(self) -> None:
        if self.narrow:
            await self.page.locator("#nav-open").click()
        await self.page.locator("#mail-open").click()

    def lines(self) -> Locator:
        return self.page.locator("#log .line")

    def texts(self) -> Locator:
        return self.page.locator("#log .line .text")


@pytest.fixture(scope="module")
def browser_path() -> str:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        reason = f"no browser found (looked for {', '.join(BROWSERS)})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(browser_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path, args=ARGUMENTS)
        yield browser
        await browser.close()


class Room(NamedTuple):
    """One browser window of a size, and the address of the simulator."""

    context: BrowserContext
    house: SmallHouse
    address: str


ON_A_PHONE = pytest.mark.parametrize("context", [PHONE], ids=["phone"], indirect=True)
"""For what is the same at every width: a phone is what most people have."""
AT_A_DESK = pytest.mark.parametrize("context", [DESK], ids=["desk"], indirect=True)
"""For what is done with keys."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[DESK, PHONE], ids=["desk", "phone"])
async def context(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[BrowserContext]:
    """Shared by the tests of one size: each has a tab and a port of its own, so nothing is left over."""
    context = await browser.new_context(viewport=request.param, locale="zh-CN", timezone_id="America/Lima")
    context.set_default_timeout(5000)
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def room(context: BrowserContext) -> AsyncIterator[Room]:
    house = SmallHouse()
    async with simulated(house) as server:
        yield Room(context, house, str(server.make_url("/simulator")))
        for page in context.pages:
            await page.close()


@pytest_asyncio.fixture(loop_scope="module")
async def chair(room: Room) -> AsyncIterator[Chair]:
    """张敏 in the group of building 3. Afterwards nothing may have complained or stick out at the side."""
    chair = Chair(await room.context.new_page(), room.house)
    await chair.come_in(room.address)
    yield chair
    assert chair.errors == []
    assert await chair.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# Talking.


async def test_say_shows_the_line_at_the_right_and_the_answer_at_the_left(chair: Chair) -> None:
    await chair.sit_as("王秀英")
    await chair.say("签到")
    await expect(chair.texts()).to_have_text(["签到", "签到成功，清洁家园 +5 积分，现在共 128 分。"])
    own, answer = await chair.lines().all()
    await expect(own).to_have_class("line own")
    await expect(answer).to_have_class("line bot")
    await expect(answer.locator(".who")).to_have_text("小邻机器人")
    frame, left, right = [
        await place.bounding_box()
        for place in (chair.page.locator("#log"), answer.locator(".bubble"), own.locator(".bubble"))
    ]
    assert left["x"] - frame["x"] < 100
    assert frame["x"] + frame["width"] - (right["x"] + right["width"]) < 100
    await expect(chair.page.get_by_label("消息", exact=True)).to_have_value("")
    await chair.sit_as("老赵")
    await expect(own).to_have_class("line")


@ON_A_PHONE
async def test_send_button_sends(chair: Chair) -> None:
    await chair.page.get_by_label("消息", exact=True).fill("大家好")
    await chair.page.get_by_role("button", name="发送").click()
    await expect(chair.texts()).to_have_text(["大家好"])


@ON_A_PHONE
async def test_lines_typed_and_pasted_stay_lines(chair: Chair) -> None:
    field = chair.page.get_by_label("消息", exact=True)
    await field.fill("照说 1. 王秀英")
    await field.press("Shift+Enter")
    # A paste arrives as one insertion, line breaks and all.
    await chair.page.keyboard.insert_text("2. 李建国\n3. 老赵")
    await field.press("Enter")
    text = "照说 1. 王秀英\n2. 李建国\n3. 老赵"
    await expect(chair.lines()).to_have_count(2)
    assert [incoming.text for incoming in chair.house.heard] == [text]
    assert await chair.texts().all_inner_texts() == [text, text.removeprefix("照说 ")]


@AT_A_DESK
async def test_enter_that_chooses_a_word_does_not_send(chair: Chair) -> None:
    field = chair.page.get_by_label("消息", exact=True)
    await field.fill("qiandao")
    await field.evaluate(
        "field => field.dispatchEvent(new KeyboardEvent('keydown',"
        " {key: 'Enter', isComposing: true, bubbles: true, cancelable: true}))"
    )
    await expect(field).to_have_value("qiandao")
    assert chair.house.heard == []
    await field.press("Enter")
    await expect(chair.texts()).to_have_text(["qiandao"])


@ON_A_PHONE
async def test_messages_typed_in_haste_wait_for_each_other(chair: Chair) -> None:
    chair.house.free.clear()
    for text in ("第一句", "第二句", "第三句"):
        await chair.say(text)
    await expect(chair.texts()).to_have_text(["第一句"])
    # Whatever the page asks after its messages comes after them, had it sent more than the first.
    await chair.page.evaluate("fetch('/simulator/state').then(() => fetch('/simulator/state')).then(() => 0)")
    assert [incoming.text for incoming in chair.house.heard] == ["第一句"]
    chair.house.free.set()
    await expect(chair.texts()).to_have_text(["第一句", "第二句", "第三句"])
    assert [incoming.text for incoming in chair.house.heard] == ["第一句", "第二句", "第三句"]


@ON_A_PHONE
async def test_blank_text_is_not_sent(chair: Chair) -> None:
    await chair.say("  \n ")
    await chair.say("有字")
    await expect(chair.texts()).to_have_text(["有字"])
    assert [incoming.text for incoming in chair.house.heard] == ["有字"]


@ON_A_PHONE
async def test_example_is_typed_and_not_sent(chair: Chair) -> None:
    await chair.sit_as("王秀英")
    await chair.page.get_by_role("button", name="报名 12 2人").click()
    await expect(chair.page.get_by_label("消息", exact=True)).to_have_value("报名 12 2人")
    await expect(chair.page.get_by_label("消息", exact=True)).to_be_focused()
    assert chair.house.heard == []


@ON_A_PHONE
async def test_quote_is_chosen_by_a_tap_and_names_its_object(chair: Chair) -> None:
    await chair.say("签到")
    await chair.lines().nth(1).locator(".bubble").click()
    await expect(chair.page.locator("#quoting")).to_have_text("引用 小邻：签到成功，清洁家园 +5 积分，现在共 128 分。")
    await chair.say("这个是什么")
    await expect(chair.texts().nth(3)).to_have_text("您引用的是 bot activity:12")
    await expect(chair.lines().nth(2).locator(".quoted")).to_have_text(
        "小邻：签到成功，清洁家园 +5 积分，现在共 128 分。"
    )
    await expect(chair.page.locator("#quoting")).to_be_hidden()
    assert chair.house.heard[1].quote == Quote("bot", "签到成功，清洁家园 +5 积分，现在共 128 分。", "activity:12")


@AT_A_DESK
async def test_quote_is_chosen_and_dropped_with_the_keyboard(chair: Chair) -> None:
    await chair.say("大家好")
    await expect(chair.lines()).to_have_count(1)
    await chair.lines().first.locator(".bubble").press("Enter")
    await expect(chair.page.locator("#quoting")).to_be_visible()
    await expect(chair.page.get_by_label("消息", exact=True)).to_be_focused()
    await chair.page.keyboard.press("Escape")
    await expect(chair.page.locator("#quoting")).to_be_hidden()
    await chair.say("再说一句")
    await expect(chair.lines()).to_have_count(2)
    assert [incoming.quote for incoming in chair.house.heard] == [None, None]


async def test_button_is_pressed_marked_and_answered(chair: Chair) -> None:
    assert chair.house.simulator is not None
    buttons = (Button("签到", "签到"), Button("积分", "照说 您有128分。"))
    await chair.house.simulator.send(Parcel("g3", "清洁家园开始了，到了请发 签到", buttons=buttons))
    await chair.sit_as("王秀英")
    button = chair.page.locator(".press", has_text="签到")
    box = await button.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    await button.click()
    await expect(chair.texts().last).to_have_text("签到成功，清洁家园 +5 积分，现在共 128 分。")
    await expect(chair.page.locator("#log .note").last).to_have_text("点了按钮「签到」")
    await expect(chair.page.locator(".press.done")).to_have_text("✓ 签到")
    # Whoever sits elsewhere sees that somebody pressed, and presses for themselves.
    await chair.sit_as("张敏")
    await expect(chair.page.locator(".press.done")).to_have_count(0)
    await expect(chair.page.locator(".pressed-by")).to_have_text("1人点过")


@ON_A_PHONE
async def test_board_is_a_picture_and_its_words_where_that_is_gone(chair: Chair) -> None:
    assert chair.house.simulator is not None
    words = "【积分榜】\n1. 王秀英 30分"
    await chair.house.simulator.send(Parcel("g3", words, picture=drawn(900, 500, "PNG")))
    board = chair.page.get_by_role("img", name="积分榜")
    await expect(board).to_have_js_property("naturalWidth", 900)
    box = await board.bounding_box()
    assert box is not None
    assert box["width"] * 5 == pytest.approx(box["height"] * 9, abs=9)
    await expect(chair.texts()).to_have_count(0)
    await chair.page.route("**/simulator/pictures/*", lambda route: route.fulfill(status=404))
    await chair.house.simulator.send(Parcel("g3", words, picture=drawn(900, 501, "PNG")))
    await expect(chair.texts()).to_have_text([words])
    await expect(board).to_have_count(1)
    (complaint,) = chair.errors
    assert "404" in complaint
    chair.errors.clear()


async def test_photo_goes_with_what_is_typed_or_alone(chair: Chair) -> None:
    photo = {"name": "到了.jpg", "mimeType": "image/jpeg", "buffer": drawn(2000, 1500)}
    await chair.page.get_by_label("消息", exact=True).fill("@小邻 签到")
    await chair.page.locator("#photo").set_input_files(photo)
    await expect(chair.page.locator(".line.own .photo")).to_have_count(1)
    await expect(chair.texts()).to_have_text(["@小邻 签到", "签到成功，清洁家园 +5 积分，现在共 128 分。"])
    await chair.page.locator("#photo").set_input_files(photo)
    await expect(chair.page.locator(".line.own .photo")).to_have_count(2)
    # The end stays in view though pictures take their place late, and no bubble is wider than its picture asks.
    await expect(chair.page.locator(".line.own .photo").last).to_have_js_property("complete", True)
    await expect(chair.page.locator(".line").last).to_be_in_viewport(ratio=1)
    await expect(chair.page.locator("#newer")).to_be_hidden()
    box = await chair.page.locator(".line.own .bubble").last.bounding_box()
    assert box is not None
    assert box["width"] < 280
    assert [(heard.text, len(heard.photos)) for heard in chair.house.heard] == [("@小邻 签到", 1), ("", 1)]
    assert [size_of(heard.photos[0].content) for heard in chair.house.heard] == [(1280, 960)] * 2


async def test_mention_goes_in_where_the_cursor_stands(chair: Chair) -> None:
    field = chair.page.get_by_label("消息", exact=True)
    await field.fill("签到")
    await field.press("Home")
    await chair.page.locator("#mention").click()
    await expect(field).to_have_value("@小邻 签到")
    await field.press("End")
    await chair.page.locator("#mention").click()
    await expect(field).to_have_value("@小邻 签到 @小邻 ")
    await field.press("Enter")
    await expect(chair.lines().first.locator(".at")).to_have_text(["@小邻", "@小邻"])
    assert [(i.text, i.addressed) for i in chair.house.heard] == [("@小邻 签到 @小邻", True)]


@ON_A_PHONE
async def test_bot_that_hears_mentions_only_misses_the_rest(chair: Chair) -> None:
    await chair.page.get_by_role("button", name="只听@").click()
    await expect(chair.page.get_by_role("button", name="只听@")).to_have_attribute("aria-pressed", "true")
    await expect(chair.page.get_by_role("button", name="全部听到")).to_have_attribute("aria-pressed", "false")
    await chair.say("签到")
    await expect(chair.lines().first.locator(".note")).to_have_text("没有@小邻，它听不到")
    await chair.say("@小邻 签到")
    await expect(chair.lines()).to_have_count(3)
    assert [incoming.text for incoming in chair.house.heard] == ["@小邻 签到"]
    await chair.page.get_by_role("button", name="全部听到").click()
    await chair.say("签到")
    await expect(chair.lines()).to_have_count(5)


# Who and where.


async def test_somebody_is_found_among_three_hundred(chair: Chair) -> None:
    chair.house.everybody = EVERYBODY + CROWD
    await chair.page.locator("#seat").click()
    await expect(chair.page.locator(".person")).to_have_count(306)
    await expect(chair.page.locator(".person-name").first).to_have_text("张敏")
    search = chair.page.get_by_role("searchbox")
    await search.fill("物业")
    await expect(chair.page.locator(".person-name")).to_have_text(["刘洋"])
    await search.fill("没有这个人")
    await expect(chair.page.locator(".person")).to_have_count(0)
    await expect(chair.page.locator("#nobody")).to_be_visible()
    await search.fill("居民299")
    await chair.page.locator(".person").click()
    await chair.say("大家好")
    await expect(chair.lines().locator(".who")).to_have_text(["居民299"])


@ON_A_PHONE
async def test_stranger_speaks_as_a_stranger(chair: Chair) -> None:
    await chair.sit_as("陌生人")
    await expect(chair.page.get_by_role("button", name="绑定 张三 3栋", exact=True)).to_be_visible()
    await chair.say("@小邻 签到")
    await expect(chair.lines()).to_have_count(2)
    assert [incoming.sender for incoming in chair.house.heard] == ["stranger"]


async def test_direct_conversation_belongs_to_the_person(chair: Chair) -> None:
    await chair.open("张敏（我）")
    await expect(chair.page.locator("#title")).to_have_text("张敏和小邻的私聊")
    await expect(chair.page.locator("#hears")).to_be_hidden()
    await expect(chair.page.locator("#mention")).to_be_hidden()
    await chair.say("积分")
    await expect(chair.texts()).to_have_text(["积分", "您现在有128积分。"])
    await chair.sit_as("王秀英")
    await expect(chair.page.locator("#title")).to_have_text("王秀英和小邻的私聊")
    await expect(chair.lines()).to_have_count(0)
    assert [(incoming.sender, incoming.address) for incoming in chair.house.heard] == [("zhangmin", "")]


async def test_private_word_leaves_a_line_in_the_group_and_a_dot_at_the_person(chair: Chair) -> None:
    await chair.sit_as("王秀英")
    await chair.say("报修 3栋路灯不亮")
    whisper = chair.page.locator(".whisper")
    await expect(whisper).to_have_text("小邻 私信 刘洋：3栋路灯不亮，请接单。")
    if chair.narrow:
        await expect(chair.page.locator("#unread-elsewhere")).to_be_visible()
        await chair.page.locator("#nav-open").click()
    person = chair.page.locator("#directs .conversation", has_text="刘洋")
    await expect(person.locator(".unread")).to_have_text("1")
    await expect(chair.page).to_have_title("(1) 锦绣社区 · 群聊模拟器")
    await person.click()
    await expect(chair.page.locator("#title")).to_have_text("刘洋和小邻的私聊")
    await expect(chair.page.locator("#seat .seat-name")).to_have_text("刘洋")
    await expect(chair.texts()).to_have_text(["3栋路灯不亮，请接单。"])
    await expect(chair.page.locator(".unread")).to_have_count(0)
    await expect(chair.page).to_have_title("锦绣社区 · 群聊模拟器")


async def test_private_words_to_many_are_folded(chair: Chair) -> None:
    chair.house.everybody = EVERYBODY + CROWD
    await chair.page.reload()
    await expect(chair.page.locator("#title")).to_have_text("3栋群")
    for number in range(8):
        await chair.house.simulator.send(Parcel(f"dm:p{number}", f"第{number}封信"))
    whispers = chair.page.locator(".whisper")
    await expect(whispers).to_have_count(4)
    await expect(whispers.nth(3)).to_have_text("还有 5 条私信，点开看")
    await whispers.nth(3).get_by_role("button").click()
    await expect(whispers).to_have_count(8)
    await expect(whispers.nth(7)).to_have_text("小邻 私信 居民007：第7封信")


async def test_other_group_counts_what_was_not_read(chair: Chair) -> None:
    for text in ("通知一", "通知二"):
        await chair.house.simulator.send(Parcel("gparty", text))
    if chair.narrow:
        await chair.page.locator("#nav-open").click()
    group = chair.page.locator(".conversation", has_text="党员群")
    await expect(group.locator(".unread")).to_have_text("2")
    await expect(group.locator(".preview")).to_have_text("小邻：通知二")
    await group.click()
    await expect(chair.texts()).to_have_text(["通知一", "通知二"])
    await expect(chair.page.locator(".unread")).to_have_count(0)


# The clock.


async def test_clock_goes_to_saturday_and_shows_every_push(chair: Chair) -> None:
    await chair.show_clock()
    await expect(chair.page.locator(".clock-face")).to_have_text("2026年11月17日 周二19:30")
    await chair.page.get_by_role("button", name="周六 8:55").click()
    await expect(chair.page.locator("#pushes-title")).to_have_text("走到了11月21日 周六 8:55，小邻一路上说了 9 次：")
    await expect(chair.page.locator(".clock-face")).to_have_text("2026年11月21日 周六8:55")
    await expect(chair.page.locator("#subtitle")).to_have_text("11月21日 周六 8:55")
    pushes = chair.page.locator(".push")
    await expect(pushes).to_have_count(9)
    assert await pushes.nth(6).inner_text() == (
        "3栋群\n11月21日 周六 7:00\n清洁家园两小时后开始：周六9:00，中心花园，已有14人报名。"
    )
    await pushes.nth(1).click()
    await expect(chair.page.locator("#title")).to_have_text("王秀英和小邻的私聊")
    await expect(chair.lines()).to_have_count(4)


@ON_A_PHONE
@pytest.mark.parametrize(
    ("moment", "said", "face"),
    [
        ("2026-11-18T08:30", "走到了11月18日 周三 8:30，小邻一路上说了 2 次：", "2026年11月18日 周三8:30"),
        ("2026-11-17T20:00", "走到了11月17日 周二 20:00，这段时间没有要说的。", "2026年11月17日 周二20:00"),
    ],
)
async def test_clock_goes_to_any_moment_ahead(chair: Chair, moment: str, said: str, face: str) -> None:
    await chair.show_clock()
    # The browser sits in Lima; what is typed is the community's time all the same.
    await chair.page.get_by_label("走到这一刻").fill(moment)
    await chair.page.get_by_role("button", name="走", exact=True).click()
    await expect(chair.page.locator("#pushes-title")).to_have_text(said)
    await expect(chair.page.locator(".clock-face")).to_have_text(face)


@ON_A_PHONE
async def test_clock_says_that_it_cannot_go_back(chair: Chair) -> None:
    await chair.show_clock()
    await chair.page.get_by_label("走到这一刻").fill("2026-11-16T08:00")
    await chair.page.get_by_role("button", name="走", exact=True).click()
    await expect(chair.page.locator("#clock-problem")).to_have_text("时间只能往前走，现在已经是11月17日 周二 19:30了。")
    await expect(chair.page.locator(".clock-face")).to_have_text("2026年11月17日 周二19:30")
    # The browser's own note of the refused request is no fault of the page.
    chair.errors[:] = [error for error in chair.errors if "400 (Bad Request)" not in error]


# What must not get lost, and what must not get in.


async def test_markup_is_shown_as_text_everywhere(chair: Chair) -> None:
    chair.house.everybody = [*EVERYBODY, Someone("evil", EVIL, EVIL, EVIL)]
    await chair.house.simulator.send(Parcel("dm:evil", EVIL))
    await chair.page.reload()
    await chair.page.locator("#seat").click()
    await chair.page.get_by_role("searchbox").fill("<img")
    await expect(chair.page.locator(".person-name")).to_have_text(EVIL)
    await chair.page.locator(".person").click()
    await chair.say(f"照说 {EVIL}")
    await expect(chair.texts()).to_have_text([f"照说 {EVIL}", EVIL])
    await chair.lines().last.locator(".bubble").click()
    await chair.say(EVIL)
    await expect(chair.page.locator(".quoted")).to_have_text(f"小邻：{EVIL}")
    await expect(chair.page.locator(".whisper")).to_have_text(f"小邻 私信 {EVIL}：{EVIL}")
    assert await chair.page.evaluate("window.struck") is None
    assert await chair.page.evaluate("[...document.images].map(image => image.getAttribute('src'))") == [
        "/simulator/icon.svg"
    ] * await chair.page.evaluate("document.images.length")


async def test_reload_keeps_the_talk_the_chair_and_the_place(chair: Chair) -> None:
    await chair.sit_as("老赵")
    await chair.open("党员群")
    await chair.say("签到")
    await expect(chair.lines()).to_have_count(2)
    await chair.page.reload()
    await expect(chair.page.locator("#title")).to_have_text("党员群")
    await expect(chair.page.locator("#seat .seat-name")).to_have_text("老赵")
    await expect(chair.texts()).to_have_text(["签到", "签到成功，清洁家园 +5 积分，现在共 128 分。"])
    await expect(chair.lines().first).to_have_class("line own")


@ON_A_PHONE
async def test_two_pages_see_each_other(chair: Chair, room: Room) -> None:
    other = Chair(await room.context.new_page(), room.house)
    await other.come_in(room.address)
    await other.sit_as("老赵")
    await other.say("我在另一个窗口")
    await expect(chair.texts()).to_have_text(["我在另一个窗口"])
    await expect(chair.lines().first).to_have_class("line")
    await other.page.get_by_role("button", name="只听@").click()
    await expect(chair.page.get_by_role("button", name="只听@")).to_have_attribute("aria-pressed", "true")
    assert other.errors == []


async def test_new_line_does_not_pull_away_whoever_reads_further_up(chair: Chair) -> None:
    for number in range(40):
        await chair.house.simulator.send(Parcel("g3", f"第{number}条"))
    await expect(chair.lines()).to_have_count(40)
    await expect(chair.texts().last).to_be_in_viewport()
    await chair.page.locator("#log").evaluate("log => { log.scrollTop = 0 }")
    await chair.house.simulator.send(Parcel("g3", "最新的"))
    await expect(chair.page.get_by_role("button", name="有新消息")).to_be_visible()
    assert await chair.page.locator("#log").evaluate("log => log.scrollTop") == 0
    await chair.page.get_by_role("button", name="有新消息").click()
    await expect(chair.texts().last).to_be_in_viewport()
    await expect(chair.page.get_by_role("button", name="有新消息")).to_be_hidden()


async def test_long_talk_begins_with_its_end(chair: Chair) -> None:
    for number in range(230):
        await chair.house.simulator.send(Parcel("g3", f"第{number}条"))
    await expect(chair.texts().last).to_have_text("第229条")
    await expect(chair.lines()).to_have_count(200)
    await chair.page.get_by_role("button", name="看更早的 30 条消息").click()
    await expect(chair.lines()).to_have_count(230)


@ON_A_PHONE
async def test_failed_message_is_sent_again_by_a_tap(chair: Chair) -> None:
    chair.house.busy = True
    await chair.say("签到")
    again = chair.page.get_by_role("button", name="没有送达，点这里重发")
    await expect(again).to_be_visible()
    await expect(chair.page.locator("#problem")).to_have_text("小邻这会儿忙不过来，请点一下消息重发。")
    chair.house.busy = False
    await again.click()
    await expect(chair.texts()).to_have_text(["签到", "签到成功，清洁家园 +5 积分，现在共 128 分。"])
    await expect(again).to_have_count(0)
    await expect(chair.page.locator("#problem")).to_be_hidden()
    first, second = chair.house.heard
    assert first == second
    chair.errors[:] = [error for error in chair.errors if "503 (Service Unavailable)" not in error]


@ON_A_PHONE
async def test_refused_message_stays_in_the_field(chair: Chair) -> None:
    field = chair.page.get_by_label("消息", exact=True)
    await field.evaluate("field => { field.removeAttribute('maxlength'); field.value = '字'.repeat(4001) }")
    await field.press("Enter")
    await expect(chair.page.locator("#problem")).to_have_text("一条消息写1到4000个字。")
    assert len(await field.input_value()) == 4001
    assert chair.house.heard == []
    chair.errors[:] = [error for error in chair.errors if "400 (Bad Request)" not in error]


async def test_page_comes_back_when_the_simulator_does(browser: Browser) -> None:
    port = unused_port()
    context = await browser.new_context(viewport=DESK)
    house = SmallHouse()
    async with simulated(house, port=port) as server:
        chair = Chair(await context.new_page(), house)
        await chair.come_in(str(server.make_url("/simulator")))
        await chair.say("签到")
        await expect(chair.lines()).to_have_count(2)
    await expect(chair.page.locator("#lost")).to_be_visible()
    async with simulated(SmallHouse(), port=port):
        await expect(chair.page.locator("#lost")).to_be_hidden(timeout=15_000)
        # It is another house with a transcript of its own.
        await expect(chair.lines()).to_have_count(0)
        await chair.say("活动")
        await expect(chair.lines()).to_have_count(2)
        await context.close()


# For everybody's eyes and fingers.

AUDIT = """() => {
  const seen = (element) => element.checkVisibility({checkVisibilityCSS: true, checkOpacity: true});
  const onScreen = (box) => box.width > 1 && box.height > 1 && box.right > 0 && box.left < innerWidth;
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const shine = (colour) => {
    const linear = (c) => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
    const [r, g, b] = colour.map((c) => linear(c / 255));
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const faults = [];
  for (const element of document.querySelectorAll('body *')) {
    if (!seen(element) || !onScreen(element.getBoundingClientRect())) continue;
    const style = getComputedStyle(element);
    const texts = [...element.childNodes].filter((node) => node.nodeType === 3);
    const words = texts.map((node) => node.data.trim()).filter(Boolean);
    const name = `${element.tagName} ${element.className || element.id}: ${words.join(' ').slice(0, 20)}`;
    if (words.length || element.matches('input, textarea')) {
      if (parseFloat(style.fontSize) < 16) faults.push(`small ${style.fontSize} ${name}`);
      const [light, dark] = [shine(rgb(style.color)), shine(ground(element))].sort((a, b) => b - a);
      const contrast = (light + .05) / (dark + .05);
      if (contrast < 4.5 && !element.closest(':disabled')) faults.push(`pale ${contrast.toFixed(2)} ${name}`);
    }
    if (element.matches('button, input, textarea, [role=button]')) {
      const box = element.getBoundingClientRect();
      if (box.width < 44 || box.height < 44) faults.push(`tiny ${box.width}x${box.height} ${name}`);
      const label = element.getAttribute('aria-label') || element.innerText || element.labels?.[0]?.innerText;
      if (!label?.trim()) faults.push(`nameless ${name}`);
    }
  }
  if (document.documentElement.scrollWidth > innerWidth) faults.push('sticks out at the side');
  return faults;
}"""


async def audit(page: Page) -> list[str]:
    await page.evaluate("Promise.all(document.getAnimations().map(animation => animation.finished))")
    faults: list[str] = await page.evaluate(AUDIT)
    return faults


@pytest.mark.parametrize("size", [DESK, PHONE, SMALL_PHONE, {"width": 900, "height": 700}])
async def test_page_is_easy_to_read_and_to_press(browser: Browser, size: Any) -> None:
    house = SmallHouse(people=[*EVERYBODY, Someone("long", "欧阳" * 12, "很长的身份" * 4, "某某路" * 9), *CROWD])
    async with simulated(house) as server:
        context = await browser.new_context(viewport=size)
        chair = Chair(await context.new_page(), house)
        await chair.come_in(str(server.make_url("/simulator")))
        assert await audit(chair.page) == []
        await chair.sit_as("欧阳" * 12)
        for text in ("报修 3栋路灯不亮", "@小邻 活动", "照说 " + "w" * 300, "积分"):
            await chair.say(text)
        await expect(chair.lines()).to_have_count(7)
        await chair.page.get_by_role("button", name="只听@").click()
        await chair.say("听不到")
        await chair.lines().nth(3).locator(".bubble").click()
        assert await audit(chair.page) == []
        if chair.narrow:
            await chair.page.locator("#nav-open").click()
            assert await audit(chair.page) == []
            await chair.page.keyboard.press("Escape")
        if await chair.page.locator("#clock-open").is_visible():
            await chair.page.locator("#clock-open").click()
        await chair.page.get_by_role("button", name="周六 8:55").click()
        await expect(chair.page.locator(".push")).to_have_count(9)
        assert await audit(chair.page) == []
        await chair.page.keyboard.press("Escape")
        await chair.page.locator("#seat").click()
        assert await audit(chair.page) == []
        await chair.page.keyboard.press("Escape")
        await chair.open_mail()
        await chair.page.get_by_role("button", name="结果不明").click()
        await chair.page.get_by_role("button", name="再发一次").click()
        assert await audit(chair.page) == []
        await context.close()
        assert chair.errors == []


FAULTS: dict[str, Callable[[str], bool]] = {
    "document.querySelector('#title').style.fontSize = '12px'": lambda fault: fault.startswith("small 12px H1"),
    "document.querySelector('#title').style.color = '#aaa'": lambda fault: fault.startswith("pale 2.3"),
    "document.querySelector('#send').style.cssText = 'min-width:0;width:30px;padding:0'": lambda fault: bool(
        re.match(r"tiny 30x\d+ BUTTON send", fault)
    ),
    "document.querySelector('#send').textContent = ''": lambda fault: fault.startswith("nameless BUTTON send"),
    "document.querySelector('#composer').style.width = '2000px'": lambda fault: "sticks out" in fault,
}


@pytest.mark.parametrize("damage", FAULTS)
async def test_audit_sees_a_fault(browser: Browser, damage: str) -> None:
    # Proof that the test above can fail: each fault is made once and must be found, and nothing else.
    house = SmallHouse()
    async with simulated(house) as server:
        context = await browser.new_context(viewport=DESK)
        chair = Chair(await context.new_page(), house)
        await chair.come_in(str(server.make_url("/simulator")))
        await chair.page.evaluate(f"document.querySelector('#app').style.overflow = 'visible'; {damage}")
        faults = await audit(chair.page)
        assert [FAULTS[damage](fault) for fault in faults] == [True]
        await context.close()


# The outbox.


async def test_outbox_shows_what_waits_and_gives_it_up(chair: Chair) -> None:
    await chair.open_mail()
    letter = chair.page.locator(".letter")
    await expect(letter).to_have_count(1)
    await expect(letter.locator(".letter-why")).to_have_text("等着发：免打扰的时候不发，等早上，11月18日 周三 7:30 发")
    await expect(chair.page.locator("#mail-broken")).to_contain_text("1条没有发成：连不上平台")
    await chair.page.get_by_role("button", name="不发了").click()
    await expect(chair.page.locator("#mail-said")).to_have_text("第1条不再发了。")
    await expect(chair.page.locator("#no-letters")).to_be_visible()
    await chair.page.get_by_role("button", name="没有发出 2").click()
    await expect(letter).to_have_count(2)
    await chair.page.keyboard.press("Escape")
    await expect(chair.page.locator("#mail")).to_be_hidden()


async def test_outbox_sends_again_what_may_have_arrived_only_when_that_is_confirmed(chair: Chair) -> None:
    await chair.open_mail()
    await chair.page.get_by_role("button", name="结果不明 1").click()
    await chair.page.get_by_role("button", name="再发一次").click()
    await expect(chair.page.locator(".letter-doubt")).to_have_text("再发一次，对方可能收到两遍。")
    assert chair.house.letters[4].state == "结果不明"
    await chair.page.get_by_role("button", name="算了").click()
    await expect(chair.page.locator(".letter-doubt")).to_have_count(0)
    await chair.page.get_by_role("button", name="再发一次").click()
    await chair.page.get_by_role("button", name="还是再发").click()
    await expect(chair.page.locator("#mail-said")).to_have_text("第4条会再发。")
    assert chair.house.letters[4].state == "等着发"


async def test_drawer_and_sheet_give_the_focus_back(chair: Chair) -> None:
    for panel in ("nav", "clock") if chair.narrow else ():
        await chair.page.locator(f"#{panel}-open").click()
        await expect(chair.page.locator(f"#{panel}-close")).to_be_focused()
        await expect(chair.page.locator(f"#{panel}-open")).to_have_attribute("aria-expanded", "true")
        await chair.page.keyboard.press("Escape")
        await expect(chair.page.locator(f"#{panel}-open")).to_be_focused()
        await expect(chair.page.locator(f"#{panel}")).to_be_hidden()
    if not chair.narrow:
        await expect(chair.page.locator("#nav")).to_be_visible()
        await expect(chair.page.locator("#clock")).to_be_visible()
