"""Files into a group: names only where people work together, made when they leave, and what became of them is told."""

import io
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot import printing
from bot.app import CHANNEL_SETTINGS, FEATURE_SETTINGS, House
from bot.books import Books
from bot.channels.wecom_group_webhook import label
from bot.config import load
from bot.files import MAKERS
from bot.script import Push
from bot.secrets import Sealer
from handlers.handouts import filed, told_of
from models.activities import find_activity
from models.clock import MovedClock, WallClock
from models.directory import Group, add_endpoint, groups_of
from models.files import Download, Ordered
from models.handouts import HOURS, PRINTED, Names, hand_out
from models.members import Member
from models.outbox import Attempt, Outbox, OutboxState
from models.units import Unit
from tests.dialogue import ON_SQLITE, direct, november, talk
from tests.fakes.street import Street, without_files
from tests.fakes.wecom_api import Fault, WecomApi, refuses
from tests.moments import TUESDAY_EVENING

PARTY = (
    "把 12号「清洁家园」的签到表（A4，能打印）发到 党员群？\n在那里隐藏名字的人写成 王*英 这样。\n"
    "发请回复 确认，不发回复 取消。"
)
RESIDENTS = (
    "把 12号「清洁家园」的签到表（A4，能打印）发到 3栋群？\n那里不是工作群：人人都写成 王*英 这样，也不写谁来了。\n"
    "发请回复 确认，不发回复 取消。"
)
FILE = "11月21日清洁家园签到表"
BEYOND = "这件事不在您负责的范围里。您能办的事请发 帮助。"


def named(pushes: list[Push]) -> list[tuple[str, str]]:
    """To whom what went; a roll is a page where the machine makes no PDF."""
    return [(push.to, push.text.replace(".html", ".pdf")) for push in pushes]


@ON_SQLITE
async def test_a_roll_goes_into_the_group_that_is_named_once_confirmed(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("张敏", direct, "名单 12 发到党员群", PARTY),
            ("张敏", direct, "确认", "好的，马上发到 党员群。"),
            ("张敏", direct, "撤销", "已经发到 党员群 了，撤不回来。要收回请在群里把它撤回。"),
            # Without a group's name the only group of work in one's charge is meant; in a group, that one.
            ("张敏", direct, "把清洁家园的签到表发到群里", PARTY),
            ("张敏", direct, "取消", "好的，不办了。"),
            ("老赵", "3栋群", "@小邻 把12号的签到表发到群里", BEYOND),
            ("张敏", "3栋群", "@小邻 把12号的签到表发到群里", RESIDENTS),
            ("张敏", "3栋群", "@小邻 取消", "好的，不办了。"),
            ("老赵", direct, "发名单 12 到党员群", BEYOND),
            ("张敏", direct, "名单 12 发到77栋群", "没有 77栋群。有哪些群请发 群列表。"),
            ("张敏", direct, "名单发到3栋群", "哪一个活动的签到表？请回复编号，例如 12。"),
            ("张敏", direct, "12", RESIDENTS),
            ("张敏", direct, "确认", "好的，马上发到 3栋群。"),
            ("王秀英", direct, "名单 12 发到3栋群", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
            ("王秀英", "3栋群", "名单 12 发到群里", ""),
        ],
    )
    assert named(pushes) == [
        ("党员群", f"{FILE}.pdf"),
        ("张敏", f"{FILE}.pdf 发到 党员群 了。"),
        ("3栋群", f"{FILE}.pdf"),
        ("张敏", f"{FILE}.pdf 发到 3栋群 了。"),
    ]


@ON_SQLITE
async def test_hours_go_only_where_people_work_together(street: Street) -> None:
    await talk(
        street,
        [
            (
                "张敏", direct, "时长表发到社区大群",
                "有姓名的时长表只发到工作群（党支部、党小组、服务队的群），不发到 社区大群。\n自己要一份请发 导出 时长。",
            ),
            ("老赵", direct, "时长表发到3栋群", BEYOND),
            (
                "张敏", direct, "把11月的服务时长表发到党员群",
                "把 2026年11月服务时长的表格发到 党员群？\n在那里隐藏名字的人写成 王*英 这样。\n发请回复 确认，不发回复 取消。",
            ),
            ("张敏", direct, "确认", "好的，马上发到 党员群。"),
        ],
    )  # fmt: skip


@ON_SQLITE
async def test_what_waits_for_the_morning_can_be_taken_back(street: Street) -> None:
    await street.until(november(17, 22, 30))
    await talk(
        street,
        [
            ("张敏", direct, "名单 12 发到党员群", PARTY),
            (
                "张敏", direct, "确认",
                "好的，党员群 现在是安静时间，11月18日 周三 7:00发。\n不发了请回复 撤销。",
            ),
            ("张敏", direct, "撤销", "好的，不发到 党员群 了。"),
        ],
    )  # fmt: skip
    assert [push for push in await street.until(november(18, 7, 5)) if "签到表" in push.text] == []


@ON_SQLITE
async def test_where_no_channel_brings_files_nobody_is_promised_one(street: Street) -> None:
    here = without_files(street)
    pushes = await talk(
        here,
        [
            (
                "张敏", direct, "名单 12 发到党员群",
                "党员群 那边机器人发不了文件。请发 名单打印 12 取一份，自己转过去。",
            ),
            # What one gets for oneself has everybody's name: it is not to be passed on to there.
            ("张敏", direct, "名单 12 发到3栋群", "3栋群 那边机器人发不了文件。"),
            ("张敏", direct, "名单打印 12", "这里还没有设好网址，取不了文件。请让管理员在电脑上用 linli roll 12。"),
        ],
    )  # fmt: skip
    assert pushes == []


@ON_SQLITE
async def test_a_group_that_is_another_ones_by_then_gets_nothing(street: Street) -> None:
    await street.until(november(17, 22, 30))
    await street.say("张敏", "名单 12 发到党员群")
    await street.say("张敏", "确认")

    def bind_elsewhere(session: Session) -> None:
        home = select(Unit.id).where(Unit.community_id == 1, Unit.name == "3栋").scalar_subquery()
        session.execute(update(Group).where(Group.community_id == 1, Group.name == "党员群").values(unit_id=home))

    await street.house.books.write(bind_elsewhere)
    told = [push for push in await street.until(november(18, 7, 5)) if "签到表" in push.text]
    assert told == [Push("张敏", f"{FILE}.pdf 没有发进 党员群：那个群换了单位，不能看有姓名的表。")]


@ON_SQLITE
async def test_names_hide_as_the_group_asks(street: Street) -> None:
    for name in ("王秀英", "何婶"):
        await street.say(name, "报名 12 2人")

    def look(session: Session) -> dict[Names, list[str]]:
        session.execute(update(Member).where(Member.community_id == 1, Member.name == "何婶").values(hides_name=True))
        activity = find_activity(session, community_id=1, number=12)
        return {
            names: [line.name for line in printing.lines_of(session, activity=activity, names=names)][-2:]
            for names in Names
        }

    assert await street.house.books.write(look) == {
        Names.WHOLE: ["王秀英", "何婶"],
        Names.SPARED: ["王秀英", "何*"],
        Names.HIDDEN: ["王*英", "何*"],
    }

    def columns(session: Session, names: Names) -> list[object]:
        detail = {"first": 202601, "last": 202612, "reach": [""], "names": str(names)}
        made = MAKERS[HOURS](session, Ordered(1, 1, HOURS, detail), november(21, 12))
        sheet = openpyxl.load_workbook(io.BytesIO(made.content)).active
        return [cell.value for cell in next(iter(sheet.rows))]

    assert await street.house.books.read(lambda session: columns(session, Names.WHOLE)) == [
        "姓名", "住址", "信用时（分钟）", "荣誉时（分钟）",
    ]  # fmt: skip
    assert await street.house.books.read(lambda session: columns(session, Names.SPARED)) == [
        "姓名", "信用时（分钟）", "荣誉时（分钟）",
    ]  # fmt: skip


KEY = "693a91f6-7ccc-4bc4-97a0-000000000001"
URL = "https://linli.example.org"


def to_the_webhook(session: Session, sealer: Sealer) -> None:
    """党员群 has a webhook, and nothing else of this house writes to it."""
    (group,) = [one for one in groups_of(session, community_id=1) if one.name == "党员群"]
    add_endpoint(
        session, community_id=1, group_id=group.id, channel="hook", address=label(KEY),
        sealed_secret=sealer.seal(KEY, label(KEY)), now=TUESDAY_EVENING,
    )  # fmt: skip


def order(session: Session, now: datetime) -> None:
    (group,) = [one for one in groups_of(session, community_id=1) if one.name == "党员群"]
    by = session.execute(select(Member.id).where(Member.community_id == 1, Member.name == "张敏")).scalar_one()
    hand_out(
        session, community_id=1, key="handout:test", kind=PRINTED, detail={"activity": 12}, name=f"{FILE}.pdf",
        message=f"{FILE}.pdf", by=by, now=now, group_id=group.id,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("faults", "state"),
    [
        ((), OutboxState.SENT),
        # Between two starts of the postman: what waits is an order, and is made when it leaves.
        ((refuses(45009),), OutboxState.SENT),
        ((refuses(40006),), OutboxState.FAILED),
        ((Fault(takes=True), Fault(takes=True, resets=True)), OutboxState.UNKNOWN),
    ],
    ids=["sent", "later", "refused", "unknown"],
)
async def test_the_file_arrives_or_whoever_sent_it_gets_a_link(
    faults: tuple[Fault, ...], state: OutboxState, demo_url: str, tmp_path: Path
) -> None:
    async with WecomApi({KEY}, WallClock().now) as api:
        file = tmp_path / "config.toml"
        file.write_text(
            f'[database]\nurl = "{demo_url}"\n[secrets]\nkey = "sixteen letters or more"\n'
            f'[http]\npublic_url = "{URL}"\n[delivery]\nretry_seconds_min = 0.01\n'
            f'[channels.hook]\nkind = "wecom_group_webhook"\nbase_url = "{api.url}"\n',
            "utf-8",
        )
        config = load(file, {}, channel_settings=CHANNEL_SETTINGS, feature_settings=FEATURE_SETTINGS)
        clock = MovedClock(TUESDAY_EVENING, frozen=True)
        house = House(config, await Books.open(demo_url, threads=2), clock=clock)
        await house.books.write(lambda session: to_the_webhook(session, Sealer(config.secrets.keys())))
        await house.books.write(lambda session: order(session, TUESDAY_EVENING))
        api.meets(*faults)
        await house.postman.deliver_due()
        if faults == (refuses(45009),):
            assert api.files(KEY) == []

            def rested(session: Session) -> None:
                session.execute(update(Outbox).where(Outbox.key == "handout:test").values(retry_at=None))
                session.execute(update(Attempt).where(Attempt.channel == "hook").values(rest_until=None))

            await house.books.write(rested)
            await house.postman.deliver_due()
        rows = await house.books.read(
            lambda session: session.execute(
                select(Outbox.key, Outbox.state, Outbox.text)
                .where(Outbox.key.startswith("handout"))
                .order_by(Outbox.id)
            ).all()
        )
        links = await house.books.read(lambda session: list(session.scalars(select(Download.detail))))
        await house.close()
    assert rows[0].state == state
    (told,) = [row.text for row in rows[1:]]
    names = [name.rpartition(".")[0] for name, _ in api.files(KEY)]
    assert api.texts() == [], "words never stand for a file"
    if state is OutboxState.SENT:
        assert (names, told) == ([FILE], f"{FILE}.pdf 发到 党员群 了。")
        assert api.files(KEY)[0][1].startswith((b"%PDF", b"<!doctype html>"))
    elif state is OutboxState.FAILED:
        begin, url, end = told.split("\n")[0], told.split("\n")[2], told.split("\n")[3]
        assert (names, begin) == ([], f"{FILE}.pdf 没有发进 党员群：文件太大。")
        # People are called as in the group: it may be passed on to there.
        assert links == [{"activity": 12, "names": "spared"}]
        assert url.startswith(f"{URL}/files/")
        assert end == "一小时内可以取一次。"
    else:
        assert told == f"{FILE}.pdf 发到 党员群 了没有，平台没有回话。请看一眼群里，没有的话再发一次。"


def test_name_of_a_file_holds_nothing_that_a_name_cannot() -> None:
    assert filed('清洁/家园\r\n"X": ../a b') == "清洁家园Xab"
    assert len(filed("长" * 60)) == 20
    assert "太大" in told_of("名单.pdf", "3栋群", OutboxState.FAILED, "file-size the file has 1 bytes", "")
