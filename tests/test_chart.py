"""The organisation on paper: everything is on it, nothing runs out of it, and it needs nothing else to be read."""

import random
import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer
from sqlalchemy import update
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from bot import chart
from bot.books import Books
from bot.terminal.commands import app
from bot.terminal.community import drawn_chart
from models.database import sqlite_engine
from models.members import LEADING, Member, Standing, add_member, give_role
from models.organisation import Node, tree_of
from models.units import UnitHere, UnitKind, add_unit, root_of
from tests.ground import FOUNDED, lay
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING
SVG = "{http://www.w3.org/2000/svg}"


def beihu(session: Session) -> Node:
    """6 committees, 21 branches, 87 groups, 227 households, grids, teams: the figures of a whole street."""
    ground = lay(session)
    community_id = ground.community.id
    root = root_of(session, community_id)
    chance = random.Random(1)
    count: dict[UnitKind, int] = {}

    def add(parent: UnitHere, kind: UnitKind, name: str) -> UnitHere:
        count[kind] = count.get(kind, 0) + 1
        unit = add_unit(session, community_id=community_id, parent=parent, kind=kind, name=name, now=FOUNDED)
        if chance.random() < 0.8:
            member = add_member(
                session, community_id=community_id, name=f"{chance.choice('王李张刘陈')}{chance.choice('秀建玉')}英",
                unit=ground.units["3栋1单元"], standing=Standing.PARTY_MEMBER, now=FOUNDED,
            )  # fmt: skip
            give_role(
                session,
                community_id=community_id,
                member_id=member,
                role=LEADING[kind],
                unit=unit,
                now=FOUNDED,
                by=None,
            )
        return unit

    for committee in range(6):
        above = add(root, UnitKind.PARTY_COMMITTEE, f"第{committee + 1}社区党总支")
        for _ in range(4 if committee < 3 else 3):
            branch = add(above, UnitKind.BUILDING_BRANCH, f"第{count.get(UnitKind.BUILDING_BRANCH, 0) + 1}党支部")
            for _ in range(5 if count[UnitKind.BUILDING_BRANCH] <= 3 else 4):
                group = add(branch, UnitKind.DOOR_GROUP, f"{count.get(UnitKind.DOOR_GROUP, 0) + 1}号门栋党小组")
                for _ in range(3 if count[UnitKind.DOOR_GROUP] <= 53 else 2):
                    add(group, UnitKind.HOST_HOUSEHOLD, f"{count.get(UnitKind.HOST_HOUSEHOLD, 0) + 1}号党员中心户")
    grid = add(root, UnitKind.GRID, "一个名字长得在格子里无论如何也放不下的网格")
    for number in range(100, 175):
        add(grid, UnitKind.BUILDING, f"{number}栋")
    for name in ("爱心妈妈辅导队", "编外110<&>服务队", "520服务队"):
        add(root, UnitKind.SERVICE_TEAM, name)
    return tree_of(session, community_id=community_id, now=NOW)


@pytest.fixture(scope="module")
def street_of_many(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Drawn by many tests and changed by none."""
    path = tmp_path_factory.mktemp("chart") / "linli.sqlite3"
    shutil.copy(sqlite_template, path)
    engine = sqlite_engine(str(path))
    with engine.connect() as connection:
        yield beihu(Session(connection))
    engine.dispose()


def texts(page: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(page).findall(f"{SVG}text")


def said(pages: list[str]) -> list[str]:
    return [text.text or "" for page in pages for text in texts(page)]


async def test_a_whole_street_stands_on_a_few_pages(street_of_many: Node) -> None:
    pages = chart.pages(street_of_many, NOW)
    words = said(pages)
    assert len(pages) < 10
    assert "6个总支，21个支部，87个小组，227户" in words
    assert words.count("锦绣社区组织架构") == len(pages)
    assert f"2026年11月17日　第{len(pages)}页，共{len(pages)}页" in words

    def walk(node: Node) -> list[Node]:
        return [node, *(one for below in node.below for one in walk(below))]

    # Nothing is left out: each unit but the doors, which are counted, is on the sheets by its name.
    shown = [node.unit.name for node in walk(street_of_many) if node.unit.kind is not UnitKind.DOOR]
    assert [name for name in shown if name not in words and not name.startswith("一个名字")] == []
    assert any(word.startswith("一个名字") and word.endswith("…") for word in words)
    assert any(word.startswith("一个名字") and word.endswith("…（续）") for word in words)


async def test_nothing_runs_out_of_its_box_or_over_another(street_of_many: Node) -> None:
    for page in chart.pages(street_of_many, NOW):
        boxes = [
            tuple(float(box.attrib[key]) for key in ("x", "y", "width", "height"))
            for box in ElementTree.fromstring(page).findall(f"{SVG}rect")
            if box.get("stroke")
        ]
        assert boxes
        for x, y, width, height in boxes:
            assert x >= chart.MARGIN - 0.01
            assert x + width <= chart.WIDTH - chart.MARGIN + 0.01
            assert y >= chart.TOP - 0.01
            assert y + height <= chart.BOTTOM + 0.01
        for one, (x, y, width, height) in enumerate(boxes):
            for x2, y2, width2, height2 in boxes[one + 1 :]:
                apart = x + width <= x2 or x2 + width2 <= x or y + height <= y2 or y2 + height2 <= y
                assert apart, (x, y, x2, y2)
        for text in texts(page):
            size, x = float(text.attrib["font-size"]), float(text.attrib["x"])
            wide = chart.width_of(text.text or "", size)
            left = {"start": x, "middle": x - wide / 2, "end": x - wide}[text.attrib["text-anchor"]]
            assert left >= chart.MARGIN - 0.01, text.text
            assert left + wide <= chart.WIDTH - chart.MARGIN + 0.01, text.text


async def test_columns_of_a_line_stay_apart(street_of_many: Node) -> None:
    """Name, leader and count of one line of a card never touch."""
    for page in chart.pages(street_of_many, NOW):
        lines: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for text in texts(page):
            x, wide = float(text.attrib["x"]), chart.width_of(text.text or "", float(text.attrib["font-size"]))
            start = x - wide if text.attrib["text-anchor"] == "end" else x
            column = int((start - chart.MARGIN) // (chart.CARD + chart.GAP))
            if text.attrib["text-anchor"] != "middle" and text.text:
                lines.setdefault((text.attrib["y"], column), []).append((start, start + wide))
        for spans in lines.values():
            ordered = sorted(spans)
            assert all(end <= begin + 0.01 for (_, end), (begin, _) in pairwise(ordered))


@pytest.mark.parametrize("width", [0.0, 3.0, 10.0, 40.0])
def test_a_text_is_cut_to_the_room_that_there_is(width: float) -> None:
    text = chart.fitted("编外110志愿服务队", 2.75, width)
    assert text == "编外110志愿服务队" or text.endswith("…")
    assert chart.width_of(text, 2.75) <= max(width, 2.75)


async def test_whoever_hides_their_name_hides_it_on_paper(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> Node:
        session.execute(update(Member).where(Member.name == "老赵").values(hides_name=True))
        return tree_of(session, community_id=ground.community.id, now=NOW)

    words = said(chart.pages(await books.write(unit), NOW))
    assert "老*" in words
    assert not any("老赵" in word for word in words)
    # The neighbours' community has buildings of the same names; only ours are drawn.
    assert words.count("3栋") == 1


async def test_the_files_need_nothing_else(street_of_many: Node) -> None:
    pages = chart.pages(street_of_many, NOW)
    html, svg = chart.as_html(pages, "锦绣<社区>"), chart.as_svg(pages)
    for text in (html, svg):
        assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}
        assert not re.search(r"<(script|link|img|image|iframe)|@import|url\(", text)
    assert "编外110&lt;&amp;&gt;服务队" in html
    assert "<title>锦绣&lt;社区&gt;</title>" in html
    assert html.count("<svg ") == len(pages)
    whole = ElementTree.fromstring(svg)
    assert whole.get("viewBox") == f"0 0 210 {297 * len(pages)}"
    assert [one.get("y") for one in whole.findall(f"{SVG}svg")] == [str(297 * number) for number in range(len(pages))]


async def test_the_pdf_has_a_page_for_each_and_its_font_in_it(street_of_many: Node) -> None:
    pytest.importorskip("typst")
    pages = chart.pages(street_of_many, NOW)
    try:
        made = chart.as_pdf(pages)
    except chart.NoPdf as missing:
        pytest.skip(f"no {missing} for PDFs here")
    assert made.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", made)) == len(pages)
    assert b"/FontFile" in made


def test_an_empty_community_is_a_sheet_with_one_box() -> None:
    root = Node(UnitHere(1, UnitKind.COMMUNITY, "新社区", "/1/"), None, 0, [])
    (page,) = chart.pages(root, datetime(2026, 11, 17, tzinfo=NOW.tzinfo))
    assert "社区书记 （暂缺）" in said([page])


def test_the_operator_prints_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text("", "utf-8")
    monkeypatch.chdir(tmp_path)
    typed = CliRunner()
    assert typed.invoke(app, ["found", "锦绣社区", "--buildings", "3"]).exit_code == 0

    assert typed.invoke(app, ["chart", "--to", "tree.html"]).stdout == "锦绣社区的组织架构图写好了：tree.html\n"
    assert "3栋" in (tmp_path / "tree.html").read_text("utf-8")
    missing = typed.invoke(app, ["chart", "--to", "tree.html", "--db", "sqlite:///other.sqlite3"])
    assert (missing.exit_code, missing.stderr) == (1, "没有 other.sqlite3 这个账本。请看看路径对不对。\n")
    nowhere = typed.invoke(app, ["chart", "--to", "no/tree.svg"])
    assert (nowhere.exit_code, nowhere.stderr) == (1, "写不了 no/tree.svg：No such file or directory。\n")


def test_other_kinds_of_files_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        drawn_chart(Node(UnitHere(1, UnitKind.COMMUNITY, "新社区", "/1/"), None, 0, []), ".doc", NOW)
    assert capsys.readouterr().err == "文件名要以 .html、.svg 或 .pdf 结尾。\n"
