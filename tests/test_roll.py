"""The organiser's roll: what is typed back from paper, entered once and taken back; printed sheets and Excel files."""

import io
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from bot import exports, printing
from bot.books import Books
from bot.chart import NoPdf
from bot.files import MAKERS
from bot.script import Push
from bot.terminal.commands import app
from handlers.handouts import SHEET
from handlers.language.paper import read_paper
from models import accounts, activities, check_in, ledger, roll
from models.activities import find_activity
from models.check_in import CheckIn, find_coming
from models.files import Ordered
from models.handouts import HOURS, PRINTED
from models.ledger import Currency
from models.verify import violations
from tests import ground
from tests.dialogue import ON_SQLITE, direct, november, talk
from tests.fakes.street import Street
from tests.moments import SATURDAY, TUESDAY_EVENING

# -- what is typed ----------------------------------------


@pytest.mark.parametrize(
    ("typed", "came", "absent", "others"),
    [
        ("王秀英 李建国 陈阿姨2小时 3号7号没来", {"王秀英": None, "李建国": None, "陈阿姨": 120}, ["3号", "7号"], False),
        ("王秀英、李建国各2小时", {"王秀英": 120, "李建国": 120}, [], False),
        ("王秀英 2小时 李建国90分钟", {"王秀英": 120, "李建国": 90}, [], False),
        ("王秀英来了、李建国也来了", {"王秀英": None, "李建国": None}, [], False),
        ("1-3号 每人一个半小时", {"1号": 90, "2号": 90, "3号": 90}, [], False),
        ("1 2 5", {"1号": None, "2号": None, "5号": None}, [], False),
        ("3栋王秀英 何叔没来", {"3栋王秀英": None}, ["何叔"], False),
        ("三号 王三", {"3号": None, "王三": None}, [], False),
        ("没来 3号 何叔", {}, ["3号", "何叔"], True),
        ("3号 7号 没来", {}, ["3号", "7号"], True),
        ("3、7号都没来", {}, ["3号", "7号"], True),
        ("除了3号、7号其他人都来了", {}, ["3号", "7号"], True),
        ("赵强和小吴没来", {}, ["赵强", "小吴"], True),
        ("都来了", {}, [], True),
    ],
)  # fmt: skip
def test_paper_is_read_as_people_write_it(
    typed: str, came: dict[str, int | None], absent: list[str], others: bool
) -> None:
    paper = read_paper(typed)

    assert {line.written: line.minutes for line in paper.lines if not line.absent} == came
    assert [line.written for line in paper.lines if line.absent] == absent
    assert paper.others is others


def test_length_for_everybody_counts_for_those_who_are_not_named() -> None:
    paper = read_paper("除了3号都来了 每人2小时")

    assert (paper.others, paper.minutes) == (True, 120)


# -- typed back ----------------------------------------

THEN = "确认就记荣誉时和积分，请回复 确认，不记回复 取消。"
ENTERED = "张敏 按纸质名单给您补了「清洁家园」的签到：荣誉时 {}，积分+{}。不对请和社区说一声。"
WITHDRAWN = "「清洁家园」补录的签到撤回了，荣誉时和积分也一并退回。"


async def test_roll_is_typed_back_once_and_taken_back(street: Street) -> None:
    """On the list of 12 are 1 何叔, 2 小吴, 3 陈美玲, 4 赵强; 王秀英 has no phone and wrote her name on a blank line."""
    await talk(
        street,
        [
            ("张敏", direct, "补录 12 王秀英", "「清洁家园」11月21日 周六 11:00 才结束，结束以后再补录。"),
            november(21, 9),
            (
                "赵强",
                "3栋群",
                "签到 12",
                "赵强，「清洁家园」签到成功 9:00，积分+5（现有10分）。\n走的时候发一声 签退。",
            ),
            november(21, 11, 30),
        ],
    )
    first = (
        "补录 12号「清洁家园」：来了3位：王秀英（2小时）、陈美玲（1小时）、何叔（2小时）。\n"
        "没来：小吴。已经签过到，不重复记：赵强。写了两遍，只记一次：何叔。\n"
        "没找到：欧阳娜娜，请核对姓名再补。您自己的请别的同志来补录。\n" + THEN
    )
    typed = "补录 12 王秀英 3号1小时 何叔 1号 赵强 欧阳娜娜 张敏 2号没来"
    pushes = await talk(
        street,
        [
            ("张敏", direct, typed, first),
            ("张敏", direct, "确认", "已补录「清洁家园」3位。写错了请发 撤销。"),
            # The same paper once more: nobody gets anything twice.
            (
                "张敏",
                direct,
                "补录 12 王秀英 3号1小时 2号没来",
                "补录 12号「清洁家园」：没有要记的人。\n没来：小吴。已经签过到，不重复记：王秀英、陈美玲。\n请核对以后再发一次。",
            ),
            (
                "王秀英",
                direct,
                "积分",
                "王秀英，您现有23分，本月+7分，服务时长5小时9分，组织者证明的2小时0分。\n为什么有这些分，请发 积分明细。",
            ),
            ("张敏", direct, "撤销", "已撤销「清洁家园」补录的3位，荣誉时和积分一并退回。"),
            (
                "王秀英",
                direct,
                "积分",
                "王秀英，您现有16分，本月+0分，服务时长5小时9分。\n为什么有这些分，请发 积分明细。",
            ),
        ],
    )
    assert pushes == [
        Push("王秀英", ENTERED.format("2小时", 7)),
        Push("何叔", ENTERED.format("2小时", 7)),
        Push("陈美玲", ENTERED.format("1小时", 6)),
        *[Push(name, WITHDRAWN) for name in ("王秀英", "何叔", "陈美玲")],
    ]
    await talk(
        street,
        [
            (
                "张敏",
                direct,
                "补录 12 4号没来 王秀英 王秀英没来 李建国",
                "补录 12号「清洁家园」：来了1位：李建国（2小时）。\n写的没来，可是签过到，没有改：赵强。\n"
                "又写来又写没来，都没有记：王秀英。\n" + THEN,
            ),
            ("张敏", direct, "取消", "好的，不办了。"),
            (
                "张敏",
                direct,
                "补录 12 除了2号都来了",
                f"补录 12号「清洁家园」：来了2位：何叔（2小时）、陈美玲（2小时）。\n没来：小吴。\n{THEN}",
            ),
            ("老赵", direct, "补录 12 老魏", "这件事不在您负责的范围里。您能办的事请发 帮助。"),
            ("何叔", direct, "补录 12 老魏", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
        ],
    )


async def test_two_who_enter_the_same_paper_give_nothing_twice(books: Books) -> None:
    """Entered by two organisers one after the other, then by hand; vouched minutes stand apart from recorded ones."""

    def unit(session: Session) -> None:
        there = ground.lay(session)
        community_id = there.community.id
        activity = ground.publish(session, there)
        names = ("王秀英", "陈美玲", "何叔")
        for name in names:
            activities.sign_up(
                session, activity=activity, member_id=there.people[name], companions=0, made_by=there.people[name],
                now=TUESDAY_EVENING, companions_max=5,
            )  # fmt: skip
        # 何叔 withdrew before the sheet was printed: his number stays his.
        activities.cancel_signup(
            session, activity=activity, member_id=there.people["何叔"], by=there.people["何叔"], now=TUESDAY_EVENING
        )
        assert [(line.number, line.state) for line in roll.roll_of(session, activity=activity)] == [
            (1, "confirmed"),
            (2, "confirmed"),
            (3, None),
        ]
        over = activity.ends_at + timedelta(hours=1)
        by = ground.person(session, "张敏")
        written = [
            roll.Written("1号", 1, minutes=500),
            roll.Written("3号", 3, minutes=30),
            roll.Written("何叔", name="何叔"),
        ]
        entry = roll.read_entry(
            session, activity=activity, written=written, others=False, minutes=None, by=by, now=over, days_most=30
        )
        # More than the activity's length is its length.
        assert entry.came == {there.people["王秀英"]: 120, there.people["何叔"]: 30}
        assert entry.twice == [there.people["何叔"]]
        first = roll.enter(session, activity=activity, entry=entry, by=by.id)
        again = roll.enter(session, activity=activity, entry=entry, by=there.people["孙丽"])
        assert ([one.minutes for one in first], again) == ([120, 30], [])

        def minutes(name: str, currency: Currency) -> int:
            return ledger.balance_of(
                session, community_id=community_id, member_id=there.people[name], currency=currency
            )

        assert (minutes("王秀英", Currency.VOUCHED_MINUTES), minutes("王秀英", Currency.RECORDED_MINUTES)) == (120, 0)
        assert violations(session) == []
        check_ins = [one.check_in_id for one in first]
        assert roll.take_back(session, community_id=community_id, check_ins=check_ins, by=by.id, now=over) == 2
        assert roll.take_back(session, community_id=community_id, check_ins=check_ins, by=by.id, now=over) == 0
        assert minutes("王秀英", Currency.VOUCHED_MINUTES) == 0
        assert session.scalar(select(func.count()).select_from(CheckIn).where(CheckIn.undone_at.is_(None))) == 0
        assert violations(session) == []

    await books.write(unit)


# -- files ----------------------------------------


def made(session: Session, kind: str, detail: dict[str, Any]) -> bytes:
    return MAKERS[kind](session, Ordered(1, 1, kind, detail), november(22, 10)).content


def cells(content: bytes) -> list[tuple[Any, ...]]:
    return list(openpyxl.load_workbook(io.BytesIO(content)).active.iter_rows(values_only=True))


async def test_hours_are_those_of_the_books_and_merged_people_are_one(books: Books) -> None:
    def unit(session: Session) -> None:
        there = ground.lay(session)
        community_id = there.community.id
        activity = ground.publish(session, there)
        here = find_coming(session, community_id=community_id, number=activity.number, now=SATURDAY)
        assert here is not None
        for name, minutes in (("陈美玲", 47), ("何叔", 61)):
            member_id = there.people[name]
            check_in.check_in(session, coming=here, member_id=member_id, made_by=member_id, now=SATURDAY)
            check_in.check_out(
                session, coming=here, member_id=member_id, made_by=member_id, now=SATURDAY + timedelta(minutes=minutes)
            )
        # On paper stood 王秀英, who is 陈美玲: longer than she herself at the second one, shorter at the first.
        by = ground.person(session, "张敏")
        second = ground.publish(session, there, starts_at=SATURDAY + timedelta(days=1))
        for held, minutes in ((activity, 20), (second, 100)):
            entry = roll.Entry(came={there.people["王秀英"]: minutes})
            roll.enter(session, activity=held, entry=entry, by=by.id)
        keeper, other = (
            accounts.candidates(session, community_id=community_id, number=there.people[name])[0]
            for name in ("陈美玲", "王秀英")
        )
        accounts.merge(session, keeper=keeper, other=other, by=by, now=SATURDAY + timedelta(days=3))

        def hours(first: int, last: int, reach: tuple[str, ...] = ("",)) -> list[Any]:
            sheet = exports.hours_sheet(session, community_id=community_id, first=first, last=last, reach=reach)
            return list(sheet.rows)

        # Exact minutes, of both kinds, in the month of the activity; she is one person with both.
        both = [("何叔", "5栋1单元", 61, 0), ("陈美玲", "3栋2单元", 47, 100)]
        assert hours(202611, 202611) == both
        assert hours(202612, 202612) == []
        assert hours(202611, 202611, (there.units["3栋"].path,)) == both[1:]
        assert cells(made(session, HOURS, {"first": 202601, "last": 202612, "reach": [""]})) == [
            ("姓名", "住址", "信用时（分钟）", "荣誉时（分钟）"),
            *both,
        ]
        rolls = [cells(made(session, SHEET, {"activity": held.number}))[1:] for held in (activity, second)]
        assert [[(row[1], *row[7:]) for row in roll] for roll in rolls] == [
            [("陈美玲", 47, 0), ("何叔", 61, 0)],
            [("陈美玲", 0, 100)],
        ]
        assert violations(session) == []

    await books.write(unit)


@ON_SQLITE
async def test_printed_roll_has_everybody_blank_lines_and_its_code(street: Street) -> None:
    await street.say("王秀英", "报名 12 2人", where="3栋群")

    def draw(session: Session) -> tuple[list[str], bytes]:
        activity = find_activity(session, community_id=1, number=12)
        lines = printing.lines_of(session, activity=activity)
        try:
            content = made(session, PRINTED, {"activity": 12})
        except NoPdf:
            content = b""
        return printing.pages(activity, lines, november(20, 18)), content

    (page,), content = await street.house.books.read(draw)
    for text in (
        "12号 清洁家园　签到表",
        "时间：11月21日 周六 9:00-11:00",
        "地点：中心花园",
        ">何叔<",
        ">王秀英<",
        ">+1<",
    ):
        assert text in page
    assert page.count('width="4.0"') == printing._room(first=True)
    assert content.startswith(b"%PDF") or b"<svg" in content


def test_long_roll_goes_on_with_its_head_on_every_page() -> None:
    activity = activities.ActivityHere(
        id=1, community_id=1, number=12, unit_id=1, title="清洁家园<b>", place="", starts_at=november(21, 9),
        ends_at=november(21, 11), check_in_opens_at=november(21, 8), quota=None, points=None,
        state=activities.ActivityState.PUBLISHED, made_by=None, cancel_reason="",
    )  # fmt: skip
    lines = [printing.Line(str(number), f"邻居{number}") for number in range(1, 71)]

    pages = printing.pages(activity, lines, november(20, 18))

    assert [f"第{number}页，共{len(pages)}页" in page for number, page in enumerate(pages, 1)] == [True] * len(pages)
    assert all("清洁家园&lt;b&gt;" in page for page in pages)
    assert sum(page.count("邻居") for page in pages) == 70


def test_the_operator_prints_the_roll(tmp_path: Path, sqlite_demo: Path) -> None:
    shutil.copy(sqlite_demo, tmp_path / "demo.sqlite3")
    config = tmp_path / "config.toml"
    config.write_text(f'[database]\nurl = "sqlite:///{tmp_path}/demo.sqlite3"\n', "utf-8")
    typed = CliRunner()
    sheet = tmp_path / "roll.html"

    made = typed.invoke(app, ["roll", "12", "--out", str(sheet), "--config", str(config)])
    assert (made.exit_code, made.stdout) == (0, f"12号活动的签到表写好了：{sheet}\n")
    assert ">何叔<" in sheet.read_text("utf-8")
    sheet.unlink()
    given = ["roll", "12", "--out", str(sheet), "--db", f"sqlite:///{tmp_path}/demo.sqlite3"]
    assert typed.invoke(app, given).exit_code == 0
    assert ">何叔<" in sheet.read_text("utf-8")
    for arguments, code, sentence in (
        (["99", "--out", str(sheet)], 1, "没有 99号活动。"),
        (["12", "--out", str(tmp_path / "roll.doc")], 2, "文件名要以 .pdf 或 .html 结尾。"),
    ):
        refused = typed.invoke(app, ["roll", *arguments, "--config", str(config)])
        assert (refused.exit_code, refused.stderr) == (code, f"{sentence}\n")
