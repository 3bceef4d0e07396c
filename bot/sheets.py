"""Rows of cells out of a file, whoever wrote it: Excel's workbooks, and text with separators in China's encodings.

Nothing in a file is trusted: its size, its numbers of rows and columns, what it unpacks to. Formulas are never worked
out; what Excel last saw in their cells is read. Errors are sentences for whoever holds the file.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils import range_boundaries

MEBIBYTE = 1024 * 1024
FILE_BYTES = 32 * MEBIBYTE
"""A list of 90,000 people takes six to nine."""
UNPACKED_BYTES = 300 * MEBIBYTE
PARTS = 2000
"""Files inside of a workbook."""
ROWS = 200_000
COLUMNS = 60
CELL = 500
"""Characters of one cell that are read."""
MERGES = 400_000
"""Cells that merged ranges may cover."""


class Unreadable(Exception):
    """The file is no list that can be read. Its text says why, and what to do."""


class Formula(str):
    """What stands in a cell whose formula nobody has worked out, or came to an error: `=A2&B2`, `#N/A`."""


class Day(str):
    """A cell that Excel took for a day; `3-2` becomes one."""


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a row as text, and its number as people count it."""

    number: int
    cells: tuple[str, ...]


def read_rows(path: Path) -> list[Row]:
    """All rows of the first sheet that holds something. Raises Unreadable."""
    try:
        size = path.stat().st_size
        head = path.open("rb").read(8) if path.is_file() else b""
    except OSError as error:
        raise Unreadable(f"读不了 {path}：{error.strerror}") from None
    if not path.is_file():
        raise Unreadable(f"{path} 不是文件。")
    if size > FILE_BYTES:
        raise Unreadable(
            f"文件太大（{size // MEBIBYTE}MB，最多 {FILE_BYTES // MEBIBYTE}MB）。请只留名册那一张表再导入。"
        )
    if head.startswith(b"PK\x03\x04"):
        return _workbook(path)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise Unreadable("这是旧的 .xls，或者加了密码。请在 Excel 里另存为 .xlsx（不设密码）再导入。")
    return _text(path.read_bytes())


# -- text ----------------------------------------


def _text(written: bytes) -> list[Row]:
    # Lines end as files' lines end; other breaks may stand inside of a cell.
    lines = list(io.StringIO(_decoded(written), newline=""))
    # Excel's own hint about the separator is no row.
    hint = re.fullmatch(r"sep=(.)\s*", lines[0], re.IGNORECASE) if lines else None
    if hint:
        lines[0] = "\n"
    delimiter = hint[1] if hint else _delimiter(lines[:20])
    rows: list[Row] = []
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        before = 0
        for cells in reader:
            rows.append(Row(before + 1, tuple(unguarded(cell[:CELL]) for cell in cells[:COLUMNS])))
            before = reader.line_num
            if len(rows) > ROWS:
                raise Unreadable(f"行数太多，最多 {ROWS} 行。请分成几份导入。")
    except csv.Error as error:
        raise Unreadable(f"第{reader.line_num}行读不下去（{error}）。请用 Excel 打开，另存为 .xlsx 再导入。") from None
    return rows


def _decoded(written: bytes) -> str:
    if written.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            text = written.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise Unreadable("看不出这个文件用的是什么编码。请用 Excel 打开，另存为 .xlsx 再导入。")


def _delimiter(lines: list[str]) -> str:
    """The separator that the first lines hold most of."""
    return max(",;\t", key=lambda one: max((line.count(one) for line in lines), default=0))


_GUARDED = re.compile("'*[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]")
"""Cells that a spreadsheet would take for a formula, and those that look like guarded ones."""


def guarded(cell: str) -> str:
    """A cell of a text file that no spreadsheet works out. Reading gives the cell back."""
    return f"'{cell}" if _GUARDED.match(cell) else cell


def unguarded(cell: str) -> str:
    """What `guarded` was given, and any other cell as it is."""
    return cell[1:] if cell.startswith("'") and _GUARDED.match(cell[1:]) else cell


# -- workbooks ----------------------------------------


def _workbook(path: Path) -> list[Row]:
    _check_parts(path)
    try:
        rows, formulas = _sheet(path, worked_out=False)
        if formulas:
            # A second look, at what Excel last saw in those cells.
            seen, _ = _sheet(path, worked_out=True)
            rows = [_worked_out(row, result) for row, result in zip(rows, seen, strict=True)]
        return rows
    except Unreadable:
        raise
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError, SyntaxError, AttributeError, EOFError):
        # Whatever a broken workbook makes its reader stumble over, entities that defusedxml forbids among it.
        raise Unreadable("这个 .xlsx 打不开，可能坏了。请在 Excel 里另存一份再导入。") from None


def _worked_out(row: Row, seen: Row) -> Row:
    cells = tuple(
        (result or cell) if isinstance(cell, Formula) else cell
        for cell, result in zip(row.cells, (*seen.cells, *[""] * len(row.cells)), strict=False)
    )
    return Row(row.number, cells)


def _check_parts(path: Path) -> None:
    """Refuses a bomb before anything of it is unpacked."""
    try:
        with zipfile.ZipFile(path) as packed:
            parts = packed.infolist()
    except (zipfile.BadZipFile, OSError, ValueError):
        raise Unreadable("这个 .xlsx 打不开，可能没传完。请重新拿一份再导入。") from None
    if len(parts) > PARTS or sum(part.file_size for part in parts) > UNPACKED_BYTES:
        raise Unreadable("这个 .xlsx 解开后太大了，不像名册。请把名册复制到新建的表里再导入。")
    if any(part.flag_bits & 1 for part in parts):
        raise Unreadable("这个文件加了密码，请去掉密码再导入。")


def _sheet(path: Path, *, worked_out: bool) -> tuple[list[Row], bool]:
    """The rows of the first sheet that holds something, and whether there are formulas in them."""
    book = openpyxl.load_workbook(path, read_only=True, data_only=worked_out)
    try:
        for sheet in book.worksheets:
            # What a file says of its own size may be anything.
            sheet.reset_dimensions()
            rows = _values(sheet)
            if not any(any(row.cells) for row in rows):
                continue
            doubtful = not worked_out and any(cell.startswith("=") for row in rows for cell in row.cells)
            if doubtful:
                # A formula, or a text that looks like one: only the cells themselves tell.
                rows = _cells(sheet)
            # The name of its part in the package, which nothing public tells: openpyxl reads no merged cells when it
            # reads row by row, and reading a sheet at once would let a merged range of millions fill the memory.
            _fill_merged(rows, list(_merged(path, sheet._worksheet_path)))
            return rows, any(type(cell) is Formula for row in rows for cell in row.cells)
        return [], False
    finally:
        book.close()


def _values(sheet: Any) -> list[Row]:
    rows: list[Row] = []
    for number, values in enumerate(sheet.iter_rows(max_col=COLUMNS, values_only=True), start=1):
        if number > ROWS:
            raise Unreadable(f"这张表有 {ROWS} 行以上。请把名册复制到新建的表里再导入，太多就分成几份。")
        rows.append(Row(number, tuple(map(_as_text, _without_tail(values)))))
    return rows


def _without_tail(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values up to the last that is one: rows are as long as the widest may be."""
    length = len(values)
    while length and values[length - 1] is None:
        length -= 1
    return values[:length]


def _cells(sheet: Any) -> list[Row]:
    return [
        Row(
            number,
            tuple(Formula(_as_text(cell.value)) if cell.data_type == "f" else _as_text(cell.value) for cell in cells),
        )
        for number, cells in enumerate(sheet.iter_rows(max_col=COLUMNS), start=1)
    ]


ERRORS = frozenset(("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!"))
"""What Excel writes where a formula came to nothing."""


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is str:
        return Formula(value) if value in ERRORS else value[:CELL]
    if value is True or value is False:
        return "是" if value else "否"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        # 13800001234.0 is a phone and 501.0 a room.
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return Day(value.date().isoformat())
    if isinstance(value, date | time):
        return Day(value.isoformat())
    # An array's formula.
    return Formula(str(getattr(value, "text", value))[:CELL])


_MERGE = re.compile(rb'<(?:\w+:)?mergeCell\b[^>]*\bref="([A-Z]{1,3}[0-9]{1,7}:[A-Z]{1,3}[0-9]{1,7})"')


def _merged(path: Path, part: str) -> Iterator[tuple[int, int, int, int]]:
    """The merged ranges of a sheet: first column, first row, last column, last row."""
    with zipfile.ZipFile(path) as packed:
        xml = packed.read(part.lstrip("/"))
    for match in _MERGE.finditer(xml, xml.rfind(b"sheetData")):
        left, top, right, bottom = range_boundaries(match[1].decode())
        yield int(left), int(top), int(right), int(bottom)


def _fill_merged(rows: list[Row], ranges: list[tuple[int, int, int, int]]) -> None:
    """What is written in a merged cell holds for every row that it covers, in its first column."""
    covered = 0
    for left, top, _right, bottom in ranges:
        bottom = min(bottom, len(rows))
        covered += max(0, bottom - top)
        if covered > MERGES:
            raise Unreadable("这张表合并的单元格太多。请取消合并，或复制到新建的表里再导入。")
        if bottom <= top or left > COLUMNS or left > len(rows[top - 1].cells):
            continue
        text = rows[top - 1].cells[left - 1]
        for at in range(top, bottom):
            cells = list(rows[at].cells) + [""] * (left - len(rows[at].cells))
            cells[left - 1] = cells[left - 1] or text
            rows[at] = Row(rows[at].number, tuple(cells))
