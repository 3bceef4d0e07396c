"""A small house behind the simulator, with a few answers and two jobs: the channel can be tried alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.channels import Hears, Parcel, Unavailable
from bot.channels.simulator import MAIL, Letter, Mail, Misuse, Place, Simulator, Someone, address_of
from handlers.chat import Incoming, Reply
from models.clock import SHANGHAI, MovedClock, at, day_of, spoken

TUESDAY_EVENING = datetime(2026, 11, 17, 19, 30, tzinfo=SHANGHAI)
EVERYBODY = [
    Someone("zhangmin", "张敏", "书记", "1栋"),
    Someone("lijianguo", "李建国", "党员", "3栋"),
    Someone("wangxiuying", "王秀英", "居民", "3栋"),
    Someone("laozhao", "老赵", "楼长", "3栋"),
    Someone("liuyang", "刘洋", "物业", ""),
    Someone("stranger", "陌生人", "陌生人", ""),
]
GROUPS = [Place("g3", "3栋群"), Place("gparty", "党员群"), Place("gall", "锦绣社区大群")]
WHEN = "11月17日 周二 19:00"
LETTERS = {
    1: Letter(
        1, "3栋群", "明天9:00清洁家园", "等着发", "免打扰的时候不发，等早上，11月18日 周三 7:30 发", WHEN, give_up=True
    ),
    2: Letter(2, "3栋群", "今晚停水", "已发出", "", WHEN),
    3: Letter(
        3, "5栋群", "今晚停水", "没有发出", "群机器人的 key 不对，或者机器人被移出了群（93000）", WHEN, again=True
    ),
    4: Letter(
        4, "党员群", "周五学习", "结果不明", "平台没有答复", WHEN, again=True, doubt="再发一次，对方可能收到两遍。"
    ),
}
ANSWERS = {
    "活动": Reply("近期有3场活动：\n12 清洁家园 周六9:00 中心花园\n13 义诊 周日9:00 活动室\n回“报名 12”就能报名。"),
    "报名 12 2人": Reply(
        "好的，王秀英，清洁家园给您留了2个位子。\n11月21日 周六 9:00，中心花园见。", ref="activity:12"
    ),
    "签到": Reply("签到成功，清洁家园 +5 积分，现在共 128 分。", ref="activity:12"),
    "积分": Reply("您现在有128积分。"),
}


class SmallHouse:
    """Answers what is in `ANSWERS` and keeps what it heard.

    On Saturdays at 7:00 it reminds a group, every day at 8:00 the second and third person.
    """

    bot_name = "小邻"
    community_name = "锦绣社区"

    def __init__(self, *, people: list[Someone] | None = None) -> None:
        self.clock = MovedClock(TUESDAY_EVENING, frozen=True)
        self.everybody = EVERYBODY if people is None else people
        self.simulator: Simulator | None = None
        self.heard: list[Incoming] = []
        self.busy = False
        self.free = asyncio.Event()
        self.free.set()
        self.letters = dict(LETTERS)

    def now(self) -> datetime:
        return self.clock.now()

    async def people(self) -> list[Someone]:
        return self.everybody

    async def groups(self) -> list[Place]:
        return GROUPS

    async def hear(self, incoming: Incoming) -> Reply:
        self.heard.append(incoming)
        assert self.simulator is not None
        await self.free.wait()
        if self.busy:
            raise Unavailable
        text = incoming.text.replace("@小邻", "").strip()
        if text == "报修 3栋路灯不亮":
            await self.simulator.send(Parcel(address_of("liuyang"), "3栋路灯不亮，请接单。", ref="issue:1024"))
            return Reply("记下了，1024号，已经转给物业刘洋。", ref="issue:1024")
        if incoming.quote:
            return Reply(f"您引用的是 {incoming.quote.author} {incoming.quote.ref}".strip())
        if text == "积分" and not incoming.direct:
            await self.simulator.send(Parcel(address_of(incoming.sender), ANSWERS[text].text))
            return Reply()
        if text in ANSWERS:
            return ANSWERS[text]
        if text.startswith("照说 "):
            return Reply(text.removeprefix("照说 "))
        return Reply("没听懂，说“帮助”看看。") if incoming.addressed and not incoming.direct else Reply()

    async def advance(self, to: datetime) -> None:
        assert self.simulator is not None
        day, end = day_of(self.now()), day_of(to)
        while day <= end:
            for moment, saturday in ((at(day, 7), True), (at(day, 8), False)):
                if not self.now() < moment <= to or (saturday and day.weekday() != 5):
                    continue
                self.clock.move_to(moment)
                await asyncio.sleep(0)  # A real house lets others run here, so this one must too.
                if saturday:
                    text = "清洁家园两小时后开始：周六9:00，中心花园，已有14人报名。"
                    await self.simulator.send(Parcel("g3", text, ref="activity:12"))
                else:
                    for person in self.everybody[1:3]:
                        text = f"{person.name}早上好，今天是{spoken(moment)}，轮到您值班。"
                        await self.simulator.send(Parcel(address_of(person.sender), text))
            day += timedelta(days=1)
        self.clock.move_to(to)

    async def mail(self, show: str) -> Mail:
        shown = [letter for letter in self.letters.values() if letter.state == MAIL[show]]
        figures = {key: sum(letter.state == label for letter in self.letters.values()) for key, label in MAIL.items()}
        return Mail(shown, figures, ["问题1　11月17日 周二 19:00 起　3栋群，1条没有发成：连不上平台"])

    async def wish(self, number: int, wish: str) -> str:
        if number not in self.letters:
            raise Misuse(f"没有第{number}条。")
        if wish == "again":
            waits = {"state": "等着发", "why": "轮到就发", "again": False, "give_up": True, "doubt": ""}
            self.letters[number] = self.letters[number]._replace(**waits)
            return f"第{number}条会再发。"
        failed = {"state": "没有发出", "why": "管机器人的人说不发了", "again": True, "give_up": False}
        self.letters[number] = self.letters[number]._replace(**failed)
        return f"第{number}条不再发了。"


@asynccontextmanager
async def simulated(
    house: SmallHouse,
    *,
    hears: Hears = Hears.EVERYTHING,
    host_names: tuple[str, ...] = (),
    entries_max: int = 2_000,
    beat_seconds: float = 15.0,
    port: int | None = None,
) -> AsyncIterator[TestServer]:
    """Serves the house's simulator on a loopback port."""
    house.simulator = Simulator(
        house, hears=hears, host_names=host_names, entries_max=entries_max, beat_seconds=beat_seconds
    )
    app = web.Application()
    app.add_routes(house.simulator.routes(house.hear))

    async def end_streams(app: web.Application) -> None:
        assert house.simulator is not None
        await house.simulator.close()

    app.on_shutdown.append(end_streams)
    async with TestServer(app, port=port) as server:
        yield server
