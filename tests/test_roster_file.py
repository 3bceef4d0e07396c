"""Lists as communities have them, made here as dirty as they come: what is read, and what is said of what cannot be."""

import csv
import io
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import sheets
from bot.roster_file import COLUMNS, BadRow, Listing, cells_of, read_listing
from bot.sheets import Unreadable, guarded, read_rows, unguarded
from models.members import Role, Standing
from models.roster import Entry, Holding, Line, Place, Tree, Wanted
from models.units import UnitHere, UnitKind

ROOT = UnitHere(1, UnitKind.COMMUNITY, "锦绣社区", "/1/")
TREE = Tree(
    [
        (ROOT, None),
        (UnitHere(2, UnitKind.BUILDING, "3栋", "/1/2/"), 1),
        (UnitHere(3, UnitKind.DOOR, "2单元", "/1/2/3/"), 2),
        (UnitHere(4, UnitKind.BUILDING, "翠园", "/1/4/"), 1),
        (UnitHere(5, UnitKind.DOOR, "东门", "/1/4/5/"), 4),
        (UnitHere(6, UnitKind.BUILDING_BRANCH, "第一党支部", "/1/6/"), 1),
        (UnitHere(7, UnitKind.PROPERTY_FIRM, "锦绣物业", "/1/7/"), 1),
    ]
)
PARTY, RESIDENT = Standing.PARTY_MEMBER, Standing.RESIDENT
SIX = ("姓名", "楼栋", "单元", "房号", "手机", "政治面貌")


def listing(path: Path) -> Listing:
    return read_listing(read_rows(path), tree=TREE, lower_accounts=True, year=2026)


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def rows_of(*cells: Sequence[str], header: Sequence[str] = COLUMNS) -> Listing:
    rows = [sheets.Row(number, tuple(row)) for number, row in enumerate([header, *cells], 1)]
    return read_listing(rows, tree=TREE, lower_accounts=True, year=2026)


def workbook(path: Path, *rows: Sequence[Any], merged: Sequence[str] = ()) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in rows:
        sheet.append(row)
    for cells in merged:
        sheet.merge_cells(cells)
    book.save(path)
    return path


# -- files ----------------------------------------

PLAIN = "姓名,楼栋,房号,手机\n王秀英,3栋,501,13800001234\n"
READ = [Entry(2, "王秀英", Place("3栋"), room="501", phone="13800001234")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_text_is_read_however_excel_wrote_it(tmp_path: Path, encoding: str, separator: str) -> None:
    path = written(tmp_path / "r.csv", PLAIN.replace(",", separator).replace("\n", "\r\n"), encoding)
    assert listing(path).entries == READ


def test_excels_hint_about_the_separator_is_followed(tmp_path: Path) -> None:
    assert listing(written(tmp_path / "r.csv", "sep=;\r\n姓名;楼栋,号\r\n张三;翠园\r\n")).entries == [
        Entry(3, "张三", plain=True)
    ]


def test_a_quoted_cell_may_go_over_lines_and_lines_are_counted_as_people_do(tmp_path: Path) -> None:
    path = written(tmp_path / "r.csv", '姓名,登记依据\n王秀英,"入户\n登记"\n\n李四,电话\n')
    assert [(one.line, one.name, one.basis) for one in listing(path).entries] == [
        (2, "王秀英", "入户 登记"),
        (5, "李四", "电话"),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "这个文件是空的。"),
        ("居民,楼\n王秀英,3栋\n".encode(), "没有找到表头。请让一行写着"),
        (b"\xff\xff\xfe\x01", "看不出这个文件用的是什么编码。"),
        (b"a\0b\0", "看不出这个文件用的是什么编码。"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "这是旧的 .xls，或者加了密码。"),
        (b"PK\x03\x04 and nothing more", "这个 .xlsx 打不开，可能没传完。"),
    ],
)
def test_what_is_no_list_is_refused_with_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match="^" + said):
        listing(path)


def test_a_folder_and_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.csv"):
        with pytest.raises(Unreadable):
            read_rows(path)


def test_absurd_sizes_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(100 * sheets.MEBIBYTE)
    with pytest.raises(Unreadable, match=r"^文件太大（100MB，最多 32MB）"):
        read_rows(huge)

    bomb = tmp_path / "bomb.xlsx"
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed,
        packed.open("xl/worksheets/sheet1.xml", "w") as part,
    ):
        for _ in range(301):
            part.write(bytes(sheets.MEBIBYTE))
    assert bomb.stat().st_size < sheets.MEBIBYTE
    with pytest.raises(Unreadable, match="解开后太大了"):
        read_rows(bomb)

    long = written(tmp_path / "long.csv", "姓名\n" + "张三\n" * (sheets.ROWS + 1))
    with pytest.raises(Unreadable, match="行数太多"):
        read_rows(long)


def repacked(path: Path, part: str, change: tuple[bytes, bytes]) -> Path:
    """The workbook with something changed in one of its parts."""
    parts = {}
    with zipfile.ZipFile(path) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    assert change[0] in parts[part]
    parts[part] = parts[part].replace(*change, 1)
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return path


SHEET = "xl/worksheets/sheet1.xml"


def test_entities_that_grow_are_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "r.xlsx", ("姓名",), ("张三",))
    lol = (
        b'<!DOCTYPE x [<!ENTITY a "lol">'
        + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
        + b"]><worksheet"
    )
    repacked(path, SHEET, (b"<worksheet", lol))
    assert openpyxl.DEFUSEDXML
    with pytest.raises(Unreadable, match="可能坏了"):
        read_rows(path)


def test_a_merged_range_and_a_row_at_the_ends_of_the_world_take_no_memory(tmp_path: Path) -> None:
    path = workbook(tmp_path / "r.xlsx", ("姓名", "楼栋"), ("张三", "3栋"), merged=("D1:E2",))
    repacked(path, SHEET, (b'ref="D1:E2"', b'ref="D1:XFD1048576"'))
    assert [one.name for one in listing(path).entries] == ["张三"]

    far = workbook(tmp_path / "far.xlsx", ("姓名",), ("张三",))
    repacked(far, SHEET, (b'<row r="2"', b'<row r="1048576"'))
    with pytest.raises(Unreadable, match="行以上"):
        read_rows(far)


def test_broken_workbooks_are_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "r.xlsx", ("姓名",), ("张三",))
    repacked(path, SHEET, (b"</row>", b"</wor>"))
    with pytest.raises(Unreadable, match="可能坏了"):
        read_rows(path)


def test_workbooks_with_all_that_excel_does_to_them(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "r.xlsx",
        ("锦绣社区2026年居民名册", None, None, None, None, None),
        (None,),
        SIX,
        ("王秀英", "3栋", "2单元", 501.0, 13800001234.0, "群众"),
        ("李四", None, None, 502, 13800001235, "党员"),
        (None, None, None, None, None, None),
        ("赵六", "翠园", "东门", "101室", "1.3800001236E+10", None),
        ("孙七", date(2026, 3, 2), None, None, None, None),
        ("=B4&C4", "3栋", None, None, None, None),
        ("周八", "3栋", None, None, "=1+1", None),
        ("吴九", "#N/A", None, None, None, None),
        SIX,
        ("合计", None, None, None, "9人", None),
        merged=("A1:F1", "B4:B5", "C4:C5"),
    )
    found = listing(path)
    assert found.entries == [
        Entry(4, "王秀英", Place("3栋", "2单元"), True, "501", "13800001234", RESIDENT),
        Entry(5, "李四", Place("3栋", "2单元"), True, "502", "13800001235", PARTY),
        Entry(7, "赵六", Place("翠园", "东门"), False, "101", "13800001236"),
    ]
    formula = "是公式，没有算出来的结果。请复制后“选择性粘贴”为数值"
    assert found.bad == [
        BadRow(8, "孙七", "楼栋被 Excel 变成了日期（2026-03-02），请把这一格改成文本再填"),
        BadRow(9, "", f"姓名{formula}"),
        BadRow(10, "周八", f"手机{formula}"),
        BadRow(11, "吴九", f"楼栋{formula}"),
    ]


def test_what_excel_last_saw_in_a_formulas_cell_is_read(tmp_path: Path) -> None:
    path = workbook(tmp_path / "r.xlsx", ("姓名", "手机"), ("张三", "=B9"))
    repacked(path, SHEET, (b"<f>B9</f><v />", b"<f>B9</f><v>13800001234</v>"))
    assert [(one.name, one.phone) for one in listing(path).entries] == [("张三", "13800001234")]


def test_the_first_sheet_that_holds_something_is_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.create_sheet("名册").append(["姓名"])
    book["名册"].append(["张三"])
    book.save(tmp_path / "r.xlsx")
    assert [one.name for one in listing(tmp_path / "r.xlsx").entries] == ["张三"]


# -- columns ----------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        ("姓名", "楼栋", "单元", "房号", "手机", "政治面貌"),
        ("名字", "楼号", "单元号", "门牌", "电话", "面貌"),
        ("*姓名（必填）", "幢号", "门栋", "房间号", "手机号码", "政治身份"),
        ("姓 名", "栋", "单 元", "室", "联系电话：", "政治面貌(选填)"),
        ("Name", "Building", "Unit", "Room", "Phone", "是否党员"),
    ],
)
def test_headings_are_known_by_their_other_names(header: tuple[str, ...]) -> None:
    found = rows_of(("王秀英", "3", "2", "501", "13800001234", "党员"), header=header)
    assert found.entries == [Entry(2, "王秀英", Place("3栋", "2单元"), True, "501", "13800001234", PARTY)]
    assert found.unused == []


def test_columns_that_mean_nothing_are_named_and_numbering_is_not() -> None:
    assert rows_of(("1", "张三", "胖", ""), header=("序号", "姓名", "备注", "")).unused == ["备注"]


@pytest.mark.parametrize(
    ("written", "place", "room"),
    [
        ("3#-2-501", Place("3栋", "2单元"), "501"), ("3栋2单元501", Place("3栋", "2单元"), "501"),
        ("三号楼", Place("3栋"), ""), ("３栋２单元５０１室", Place("3栋", "2单元"), "501"), ("3-501", Place("3栋"), "501"),
        ("锦绣小区12号楼1单元1203", Place("12栋", "1单元"), "1203"), ("A座六零二", Place("A栋"), "602"),
        ("第3栋 二单元 五〇一", Place("3栋", "2单元"), "501"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("column", ["住址", "楼栋"])
def test_a_whole_address_in_one_cell_is_read(written: str, place: Place, room: str, column: str) -> None:
    if column == "楼栋" and "小区" in written:
        column = "家庭住址"
    (one,) = rows_of(("张三", written), header=("姓名", column)).entries
    assert (one.place, one.room, one.plain) == (place, room, True)


@pytest.mark.parametrize(
    ("cells", "home"),
    [
        (("3", "2", "501"), (Place("3栋", "2单元"), True, "501")),
        (("三号楼", "二单元", "五零一"), (Place("3栋", "2单元"), True, "501")),
        (("３＃", "２", "５０１室"), (Place("3栋", "2单元"), True, "501")),
        (("", "", "3-2-501"), (Place("3栋", "2单元"), True, "501")),
        (("3栋", "", "2-501"), (Place("3栋"), True, "2-501")),
        (("翠园", "东门", "12A"), (Place("翠园", "东门"), False, "12A")),
        (("锦绣物业", "", ""), (Place("锦绣物业"), False, "")),
        (("梅园", "", "车库"), (Place("梅园"), False, "车库")),
    ],
)  # fmt: skip
def test_homes_in_columns_of_their_own(cells: tuple[str, str, str], home: tuple[Place, bool, str]) -> None:
    (one,) = rows_of(("张三", *cells), header=("姓名", "楼栋", "单元", "房号")).entries
    assert (one.place, one.plain, one.room) == home


@pytest.mark.parametrize(
    ("written", "phone"),
    [
        ("13800001234", "13800001234"), ("１３８００００１２３４", "13800001234"), ("138-0000-1234", "13800001234"),
        ("+86 138 0000 1234", "13800001234"), ("13800001234.0", "13800001234"), ("1.3800001234E+10", "13800001234"),
        ("0571-88881234", "057188881234"), ("(0571)88881234", "057188881234"), ("88881234", "88881234"), ("", ""),
    ],
)  # fmt: skip
def test_phones_become_digits(written: str, phone: str) -> None:
    (one,) = rows_of(("张三", written), header=("姓名", "手机")).entries
    assert one.phone == phone


@pytest.mark.parametrize(
    ("column", "cell", "born"),
    [
        ("出生年份", "1950", "1950"), ("出生年月", "1950年3月", "1950"), ("出生日期", "1950-03-12", "1950"), ("年龄", "72", "1953-1954"),
        ("年龄段", "70-79岁", "1946-1956"), ("年龄段", "65岁以上", "-1961"), ("生日", "", ""),
    ],
)  # fmt: skip
def test_births_are_kept_in_years(column: str, cell: str, born: str) -> None:
    (one,) = rows_of(("张三", cell), header=("姓名", column)).entries
    assert one.born == born


@pytest.mark.parametrize(
    ("column", "cell", "why"),
    [
        ("手机", "1.38E+10", "手机被 Excel 写成了 1.38E+10，后面几位丢了。请把那一列改成文本，重新填"),
        ("手机", "1380000123", "手机“1380000123”不是一个电话号码"),
        ("手机", "13800001234/13900001234", "手机“13800001234/13900001”不是一个电话号码"),
        ("政治面貌", "积极分子", "政治面貌“积极分子”不认识，请写 党员 或 群众"),
        ("党员", "可能", "党员一栏“可能”看不懂，请写 是 或 否"),
        ("住址", "翠园", "住址“翠园”看不懂，请写成 3栋2单元501"),
        ("房号", "501", "写了501，没写楼栋"),
        ("单元", "2", "写了2单元，没写楼栋"),
        ("角色", "国王", "角色“国王”不认识，可以写 居民、党员、物业、业委会、楼长、党小组长、支部书记、社工、社区书记、管理员"),
        ("角色", "楼长(至2027-13-01)", "任期“2027-13-01”不是一个日子"),
        ("类别", "楼张1号", "类别“楼张1号”不行，请写二到12个字，例如 流动党员"),
        ("类别", "固定党员、流动", "类别固定党员和流动党员只能有一个"),
        ("登记依据", "长" * 121, "登记依据太长（121个字，最多120个）"),
        ("出生年份", "老年", "出生年份“老年”看不懂，请写成 1950 或 70-79岁"),
    ],
)  # fmt: skip
def test_a_cell_that_cannot_be_taken_says_why(column: str, cell: str, why: str) -> None:
    found = rows_of(("张三", cell), header=("姓名", column))
    assert (found.entries, found.bad) == ([], [BadRow(2, "张三", why)])


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("张 三", "张三"), ("张　三", "张三"), (" 王秀英\n", "王秀英"), ("阿依古丽•买买提", "阿依古丽·买买提"),
        ("Ａｎｎａ Smith", "Anna Smith"), ("𠮷田", "𠮷田"),
    ],
)  # fmt: skip
def test_names_lose_what_lists_put_between_their_characters(written: str, name: str) -> None:
    assert [one.name for one in rows_of((written,), header=("姓名",)).entries] == [name]


@pytest.mark.parametrize(
    ("cell", "why"), [("", "没有姓名"), ("6人", "姓名“6人”不像姓名"), ("---", "姓名“---”不像姓名")]
)
def test_a_row_of_nobody_is_refused(cell: str, why: str) -> None:
    assert [bad.why for bad in rows_of((cell, "3栋"), header=("姓名", "楼栋")).bad] == [why]


@pytest.mark.parametrize(
    ("role", "unit", "standing", "wanted", "party"),
    [
        ("", "", "", (), None),
        ("居民", "", "", (), None),
        ("党员", "", "", (), PARTY),
        ("", "第一党支部", "党员", (Wanted(None, "第一党支部"),), PARTY),
        ("楼长", "", "", (Wanted(Role.BUILDING_LEAD),), None),
        ("楼栋长", "三号楼", "", (Wanted(Role.BUILDING_LEAD, "3栋"),), None),
        ("网格员、支部书记", "社区、第一党支部", "党员", (Wanted(Role.STAFF, "社区"), Wanted(Role.BRANCH_SECRETARY, "第一党支部")), PARTY),
        ("楼长/党员", "3栋，第一党支部", "", (Wanted(Role.BUILDING_LEAD, "3栋"), Wanted(Role.MEMBER, "第一党支部")), PARTY),
        ("楼长（至2027-12-31）", "3栋", "", (Wanted(Role.BUILDING_LEAD, "3栋", date(2027, 12, 31)),), None),
    ],
)  # fmt: skip
def test_roles_and_what_they_hold_for(
    role: str, unit: str, standing: str, wanted: tuple[Wanted, ...], party: Standing | None
) -> None:
    (one,) = rows_of(("张三", role, unit, standing), header=("姓名", "角色", "所属组织", "政治面貌")).entries
    assert (one.roles, one.standing) == (wanted, party)


@pytest.mark.parametrize(
    ("heading", "cell", "categories", "roles", "party"),
    [
        ("类别", "", (), (), None),
        ("类别", "独居", ("独居老人",), (), None),
        ("党员类别", "流动、双重管理", ("流动党员", "双重管理"), (), PARTY),
        ("特殊人群", "低保家庭/残疾", ("低保户", "残疾人"), (), None),
        ("类别", "舞蹈骨干", ("舞蹈骨干",), (), None),
        # Lists have roles in it, too.
        ("人员类别", "楼长、在职党员", ("在职党员",), (Wanted(Role.BUILDING_LEAD),), PARTY),
        ("类别", "党员", (), (), PARTY),
        ("类别", "居民", (), (), None),
    ],
)
def test_categories_and_the_roles_among_them(
    heading: str, cell: str, categories: tuple[str, ...], roles: tuple[Wanted, ...], party: Standing | None
) -> None:
    (one,) = rows_of(("张三", cell), header=("姓名", heading)).entries
    assert (one.categories, one.roles, one.standing) == (categories, roles, party)


def test_what_only_the_party_knows_is_no_residents_category() -> None:
    found = rows_of(("张三", "群众", "流动党员"), header=("姓名", "政治面貌", "类别"))
    assert [bad.why for bad in found.bad] == ["类别是流动党员，政治面貌却不是党员"]


def test_roles_and_units_of_different_numbers_are_refused() -> None:
    found = rows_of(("张三", "楼长、社工", "3栋、社区、第一党支部"), header=("姓名", "角色", "所属组织"))
    assert [bad.why for bad in found.bad] == ["角色有2个，所属组织有3个，对不上"]


def test_accounts_of_wecom_are_the_same_in_any_letter_case() -> None:
    assert rows_of(("张三", "ZhangSan、zhangsan, ZS2"), header=("姓名", "userid")).entries[0].accounts == (
        "zhangsan",
        "zs2",
    )


# -- out and in again ----------------------------------------

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\0"), max_size=30)


@given(TEXT | st.from_regex(r"\A'{0,3}[=+@\-＝].{0,5}\Z"))
def test_a_guarded_cell_comes_back_as_it_was_and_is_no_formula(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell
    assert guarded(cell)[:1] not in ("=", "+", "-", "@", "\t", "\r")


HOLDINGS = st.builds(
    Holding,
    st.sampled_from(list(Role)),
    st.sampled_from(list(TREE.title.values())),
    st.none() | st.just(datetime.fromisoformat("2028-01-01T00:00+08:00")),
)
LINES = st.builds(
    Line,
    name=st.sampled_from(["王秀英", "阿依古丽·买买提", "Anna Smith", '=HYPERLINK("http://x","y")', "+张三", "@李四", "'-王五"]),
    place=st.sampled_from([Place("3栋", "2单元"), Place("翠园", "东门"), Place("锦绣物业"), Place("12栋"), Place("A栋", "1单元")]),
    room=st.sampled_from(["", "501", "12A", "1-502", "车库", "3-2"]),
    phone=st.sampled_from(["", "13800001234", "057188881234"]),
    standing=st.sampled_from(list(Standing)),
    roles=st.lists(HOLDINGS, max_size=3, unique_by=lambda one: (one.role, one.unit)).map(tuple),
    accounts=st.sampled_from([(), ("wangxiuying",), ("a.b", "c-d@e")]),
    basis=st.sampled_from(["", "2026年入户登记（补）", "=1+1", "'=1", "换行；分号，逗号"]),
    born=st.sampled_from(["", "1950", "1946-1956", "-1961"]),
    categories=st.sampled_from([(), ("独居老人",), ("低保户", "舞蹈队")]),
)  # fmt: skip


@given(LINES)
def test_what_is_written_is_read_again_without_loss(line: Line) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([COLUMNS, [guarded(cell) for cell in cells_of(line)]])
    rows = sheets._text(file.getvalue().encode())
    found = read_listing(rows, tree=TREE, lower_accounts=True, year=2026)

    assert found.bad == []
    (one,) = found.entries
    assert (one.name, one.place, one.room, one.phone, one.standing, one.accounts, one.basis) == (
        line.name, line.place, line.room, line.phone, line.standing, line.accounts, line.basis,
    )  # fmt: skip
    assert (one.born, one.categories) == (line.born, line.categories)
    day = date(2027, 12, 31)
    assert one.roles == tuple(Wanted(held.role, held.unit, held.until and day) for held in line.roles)
