"""The books as files: what stands in the cells, who may read them, who had them; and the commands that do it."""

import csv
import os
import stat
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from bot import exports
from bot.books import Books
from bot.exports import Order, Span, write_file
from bot.roster_file import COLUMNS
from bot.terminal import commands as cli
from models.audit import Audit
from models.clock import local
from models.directory import CommunityHere
from models.ledger import Transfer
from models.members import Member
from models.verify import violations
from tests.dialogue import ON_SQLITE
from tests.fakes.street import Street
from tests.moments import TUESDAY_EVENING

FORMULA = '=HYPERLINK("http://127.0.0.1/?"&A1,"点我")'


async def exported(books: Books, what: str, to: Path, span: Span = Span()) -> int:  # noqa: B008
    order = Order(what, CommunityHere(1, "锦绣社区", "小邻"), "simulator", span, None, "root", TUESDAY_EVENING)
    return await write_file(books, order, to)


def cells(path: Path, sheet: int = 0) -> list[tuple[Any, ...]]:
    return list(openpyxl.load_workbook(path).worksheets[sheet].iter_rows(values_only=True))


async def rename(books: Books, name: str, new: str) -> None:
    await books.write(
        lambda session: session.execute(
            Member.__table__.update().where(Member.community_id == 1, Member.name == name).values(name=new)  # type: ignore[attr-defined]
        )
    )


EVIL = (FORMULA, "+1", "-1", "@SUM(A1)", "\tx", "http://127.0.0.1", "007")


@ON_SQLITE
async def test_text_is_text_in_a_workbook_whatever_it_looks_like(street: Street, tmp_path: Path) -> None:
    for name, evil in zip(("王秀英", "李建国", "何叔", "何婶", "小吴", "陈美玲", "赵强"), EVIL, strict=True):
        await rename(street.house.books, name, evil)
    found = []
    for what in exports.KINDS:
        await exported(street.house.books, what, tmp_path / f"{what}.xlsx")
        for sheet in openpyxl.load_workbook(tmp_path / f"{what}.xlsx").worksheets:
            every = [cell for row in sheet.iter_rows() for cell in row]
            assert [cell.coordinate for cell in every if cell.data_type == "f" or cell.hyperlink] == []
            found += [cell.value for cell in every if sheet.title == "名册" and cell.value in EVIL]
    assert sorted(found) == sorted(EVIL)


@ON_SQLITE
async def test_a_text_file_is_guarded_and_opens_in_excel(street: Street, tmp_path: Path) -> None:
    await rename(street.house.books, "王秀英", FORMULA)
    count = await exported(street.house.books, "roster", tmp_path / "r.csv")
    raw = (tmp_path / "r.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(raw.decode("utf-8-sig").splitlines()))
    assert rows[0] == list(COLUMNS)
    assert len(rows) == count + 1 == 317
    assert ["'" + FORMULA, "3栋", "2单元", "501", "13900005849", "群众", "", "", "王秀英", "", "", ""] in rows
    assert [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))] == []


async def test_the_roster_is_in_the_order_of_the_houses_and_looks_like_a_list(street: Street, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "r.xlsx"
    assert await exported(street.house.books, "roster", path) == 316
    rows = cells(path)
    assert rows[0] == COLUMNS
    assert rows[1][:4] == ("张敏", "1栋", "1单元", "101")
    assert rows[1][5:9] == ("党员", "社区书记、支部书记", "社区、锦绣社区党总支", "张敏")
    assert [row[1] for row in rows[1:]] == sorted((row[1] for row in rows[1:]), key=lambda home: int(home[:-1]))
    sheet = openpyxl.load_workbook(path).worksheets[0]
    assert (sheet.title, sheet.freeze_panes) == ("名册", "A2")
    assert sheet.column_dimensions["E"].width > 11
    # For its owner alone.
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path / "out") == ["r.xlsx"]


async def test_the_ledger_has_every_transfer_with_numbers_days_and_names(street: Street, tmp_path: Path) -> None:
    await street.say("张敏", "加分 李建国 5 修灯")
    path = tmp_path / "l.xlsx"
    count = await exported(street.house.books, "ledger", path)
    rows = cells(path)
    stored = await street.house.books.read(
        lambda s: s.scalars(select(Transfer.id).where(Transfer.community_id == 1).order_by(Transfer.id)).all()
    )
    assert [row[0] for row in rows[1:]] == list(stored)
    assert len(rows) == count + 1
    assert rows[0][:8] == ("流水号", "时间", "计入月份", "单位", "从", "到", "数量", "事由")
    last = rows[-1]
    assert last[1] == datetime(2026, 11, 17, 19, 30)  # noqa: DTZ001
    assert last[2:8] == ("2026-11", "积分", "发放", "李建国", 5, "加分")
    assert last[9:11] == ("修灯", "张敏")


async def test_a_span_is_of_shanghai_days_both_included(street: Street, tmp_path: Path) -> None:
    path = tmp_path / "l.xlsx"
    first, last = date(2026, 10, 1), date(2026, 10, 31)
    count = await exported(street.house.books, "ledger", path, Span(first, last))

    def look(session: Session) -> list[Any]:
        moments = session.scalars(select(Transfer.at).where(Transfer.community_id == 1)).all()
        return [one for one in moments if first <= local(one).date() <= last]

    assert count == len(await street.house.books.read(look)) > 0
    assert {row[1].month for row in cells(path)[1:]} == {10}


async def test_activities_come_with_their_rolls(street: Street, tmp_path: Path) -> None:
    await street.say("王秀英", "报名 12 2人")
    path = tmp_path / "a.xlsx"
    span = Span(date(2026, 11, 16), None)
    assert await exported(street.house.books, "activities", path, span) == 3 + 5
    activities, roll = cells(path), cells(path, 1)
    assert activities[1][:8] == (
        12, "清洁家园", "中心花园", datetime(2026, 11, 21, 9), datetime(2026, 11, 21, 11), "社区", 20, 5,  # noqa: DTZ001
    )  # fmt: skip
    assert activities[1][8:] == ("已发布", None, 9, 0, 0, 0)
    assert [row[3:6] for row in roll[1:]] == [
        ("何叔", 1, "已报名"), ("小吴", 0, "已报名"), ("陈美玲", 2, "已报名"), ("赵强", 0, "已报名"), ("王秀英", 1, "已报名"),
    ]  # fmt: skip
    past = tmp_path / "past.xlsx"
    await exported(street.house.books, "activities", past, Span(None, date(2026, 11, 16)))
    came = [row for row in cells(past, 1)[1:] if row[7] is not None]
    assert sum(row[11] for row in cells(past)[1:]) == len(came) > 100
    assert all(row[9] == pytest.approx((row[8] - row[7]) / timedelta(minutes=1), abs=130) for row in came)


async def test_boards_rank_everybody_and_respect_who_hides(street: Street, tmp_path: Path) -> None:
    await street.say("张敏", "加分 李建国 50 修灯")
    await street.say("王秀英", "不上榜")
    path = tmp_path / "b.xlsx"
    await exported(street.house.books, "boards", path)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["本月积分榜", "上月积分榜", "本季积分榜", "今年积分榜", "全部积分榜"]
    month, everything = cells(path), cells(path, 4)
    assert month[0] == ("名次", "姓名", "住址", "积分")
    assert month[1][:3] == (1, "李建国", "3栋1单元")
    assert "王秀英" not in {row[1] for row in everything}
    assert [row[3] for row in everything[1:]] == sorted((row[3] for row in everything[1:]), reverse=True)


async def test_who_exported_is_in_the_audit_and_a_failure_leaves_nothing(street: Street, tmp_path: Path) -> None:
    await exported(street.house.books, "roster", tmp_path / "r.xlsx")
    with pytest.raises(OSError):
        await exported(street.house.books, "ledger", tmp_path / "nowhere" / "l.xlsx")

    def look(session: Session) -> list[Any]:
        rows = session.execute(select(Audit.action, Audit.detail).where(Audit.action.like("export%")))
        return [tuple(row) for row in rows]

    assert await street.house.books.read(look) == [
        ("export_roster", {"operator": "root", "rows": 316, "file": "r.xlsx"})
    ]
    assert [name for name in os.listdir(tmp_path) if name.endswith(".part")] == []
    assert await street.house.books.read(violations) == []


def test_sheets_that_are_full_go_on_in_another(tmp_path: Path) -> None:
    path = tmp_path / "many.xlsx"
    sheet = exports.Sheet("数", (("n", 5),), ((number,) for number in range(12)))
    assert exports._write_workbook(path, [sheet], 10) == 12
    assert openpyxl.load_workbook(path).sheetnames == ["数", "数 2"]
    assert cells(path, 1) == [("n",), (10,), (11,)]


# -- the commands ----------------------------------------


def linli(folder: Path, *arguments: str, typed: str = "") -> tuple[int, str, str]:
    """Runs a command on the demo's file in a folder; its exit code, what it said, and its errors."""
    config = folder / "config.toml"
    config.write_text(f'[database]\nurl = "sqlite:///{folder}/demo.sqlite3"\n[simulator]\nenabled = true\n', "utf-8")
    ran = CliRunner().invoke(cli.app, [*arguments, "--config", str(config)], input=typed)
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran.exit_code, ran.stdout, ran.stderr


@ON_SQLITE
def test_the_commands_show_ask_write_and_give_back(demo_url: str, tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    file.write_text(
        "锦绣社区名册\n姓名,住址,电话,备注\n王秀英,3#-2-501,１３８００００１２３４,\n李新,12栋1单元101,,\n坏人,3栋,12,\n",
        "gb18030",
    )
    shown = """名册共 3 行：新增 1，有变化 1，没变 0，不行 1。
没有用到的列：备注
会新建：12栋、12栋1单元
新增：1
  第4行 李新 12栋1单元101
有变化：1
  第3行 王秀英：手机 13900005849 → 13800001234
不行（不会写进去，别的行照写）：1
  第5行 坏人：手机“12”不是一个电话号码。
账上有、名册里没有（不会删，搬走的请在聊天里发 迁出）：315
"""
    code, said, errors = linli(tmp_path, "import", str(file), "--dry-run")
    assert (code, errors) == (0, "")
    assert said.startswith(shown)
    assert said.endswith("  ……还有 295 个，加 --all 全部列出\n这是预览，什么都没有写。\n")

    assert linli(tmp_path, "import", str(file), typed="n\n")[1].endswith("没有导入。\n")
    assert linli(tmp_path, "import", str(file))[1].endswith("没有导入。\n")
    code, said, errors = linli(tmp_path, "import", str(file), typed="y\n")
    assert said.endswith("导入好了：新增 1 人，改了 1 人，1 行没有进。\n")
    assert (code, errors) == (0, "已写 2/2 行\n")

    out = tmp_path / "out.xlsx"
    assert linli(tmp_path, "export", "roster", "--to", str(out), "--as", "张敏")[:2] == (0, f"已导出 317 行到 {out}\n")
    code, said, _ = linli(tmp_path, "import", str(out), "--yes")
    assert (code, said) == (0, "名册共 317 行：新增 0，有变化 0，没变 317，不行 0。\n没有要写的。\n")


@ON_SQLITE
def test_the_commands_refuse_with_a_sentence(demo_url: str, tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    file.write_text("姓名,楼栋,账号\n李新,3栋,lixin\n", "utf-8")
    for arguments, code, said in (
        (("import", "nothing.csv"), 2, "读不了 nothing.csv"),
        (("import", str(file), "--community", "滨河社区"), 1, "请用 --community 写明社区：锦绣社区"),
        (("import", str(file), "--as", "王秀英"), 2, "王秀英 不是书记，也不是社工。"),
        (("import", str(file), "--channel", "aibot"), 2, "没有 [channels.aibot]，有的是：simulator"),
        (("import", str(file), "--yes"), 2, "名册里有企业微信账号，请用 --channel 写明是哪个渠道的。"),
        (("export", "everything", "--to", f"{tmp_path}/x.xlsx"), 2, "不会导出「everything」"),
        (("export", "ledger", "--to", f"{tmp_path}/x.csv"), 2, "文件名要以 .xlsx 结尾"),
        (("export", "roster", "--to", str(file)), 2, f"{file} 已经有了，请换一个名字。"),
        (("export", "ledger", "--to", f"{tmp_path}/l.xlsx", "--from", "昨天"), 2, "日期「昨天」看不懂"),
    ):
        found, _, errors = linli(tmp_path, *arguments)
        assert (found, errors[: len(said)]) == (code, said)
