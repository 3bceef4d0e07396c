"""The organiser's roll on paper: A4 with the activity, a QR code, a line for each person, and blank lines.

Whoever has no phone writes a name on a blank line; the organiser types the sheet back in one go (补录), by the numbers
of its lines. Drawn as the organisation's chart is: one SVG in millimetres for each page, for a browser's printer as
well as for a PDF.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import segno
from sqlalchemy.orm import Session

from bot.chart import FONTS, HEIGHT, INK, MARGIN, PALE, WIDTH, as_html, as_pdf, fitted, line_to, text_at
from models.activities import PLACED, ActivityHere, SignupState
from models.clock import clock_time, spoken_date, spoken_span
from models.handouts import Names
from models.members import masked
from models.roll import RollLine, roll_of

ROW = 9.0
"""Height of a line: enough to write in by hand."""
TOP_FIRST, TOP = 58.0, 32.0
"""Where the table begins on the first page, and on the others."""
BOTTOM = HEIGHT - 16.0
BLANK_LEAST = 8
"""Lines for people without phones, at the least; the last page is filled up with them."""
CODE = 30.0
"""Width of the QR code."""

COLUMNS = (
    ("号", 10.0), ("姓名", 40.0), ("同伴", 14.0), ("到", 12.0), ("来时", 28.0), ("走时", 28.0),
    ("备注（空行写楼栋）", 54.0),
)  # fmt: skip
"""Headings with their widths; together the width between the margins."""
LETTERS = 3.6
BOX = 4.0


@dataclass(frozen=True, slots=True)
class Line:
    """One row as it is printed: empty texts are filled in by hand."""

    number: str = ""
    name: str = ""
    companions: str = ""
    came: str = ""
    left: str = ""
    note: str = ""


def code_text(activity: ActivityHere) -> str:
    """What the QR code says: what somebody who scans it can send to the bot."""
    return f"签到 {activity.number}"


def lines_of(session: Session, *, activity: ActivityHere, names: Names = Names.WHOLE) -> list[Line]:
    """Everybody who is signed up, then those who wait; who has left the list keeps their number to themselves."""
    roll = [line for line in roll_of(session, activity=activity) if line.state is not None or line.stay is not None]
    if names is Names.HIDDEN:
        # Who is expected, and no word of who came or has to wait.
        expected = [line for line in roll if line.state in PLACED]
        return [Line(str(line.number or ""), masked(line.person.name), _companions(line)) for line in expected]
    return [_line(line, names) for line in sorted(roll, key=lambda line: line.state is SignupState.WAITING)]


def _companions(line: RollLine) -> str:
    return f"+{line.companions}" if line.companions else ""


def _line(line: RollLine, names: Names) -> Line:
    stay, person = line.stay, line.person
    return Line(
        str(line.number or ""),
        masked(person.name) if names is Names.SPARED and person.hides_name else person.name,
        _companions(line),
        clock_time(stay.came_at) if stay else "",
        clock_time(stay.left_at) if stay and stay.left_at else "",
        "候补" if line.state is SignupState.WAITING else "",
    )


# -- drawing ----------------------------------------


def pages(activity: ActivityHere, lines: Sequence[Line], now: datetime) -> list[str]:
    """The sheet as one SVG for each page."""
    rows = [*lines, *[Line()] * BLANK_LEAST]
    sheets = list(_sheets(rows))
    spare = _room(len(sheets) == 1) - len(sheets[-1])
    sheets[-1] += [Line()] * spare
    count = len(sheets)
    return [
        _page(activity, sheet, first=number == 1, foot=f"{spoken_date(now)} 打印　第{number}页，共{count}页")
        for number, sheet in enumerate(sheets, start=1)
    ]


def _sheets(rows: Sequence[Line]) -> Iterator[list[Line]]:
    at, first = 0, True
    while at < len(rows):
        yield list(rows[at : at + _room(first)])
        at, first = at + _room(first), False


def _room(first: bool) -> int:
    return int((BOTTOM - (TOP_FIRST if first else TOP)) / ROW) - 1


def _page(activity: ActivityHere, rows: Sequence[Line], *, first: bool, foot: str) -> str:
    title = f"{activity.number}号 {activity.title}"
    when = spoken_span(activity.starts_at, activity.ends_at)
    marks = [*(_heading(activity, title, when) if first else _running_head(title, when))]
    top = TOP_FIRST if first else TOP
    marks += _table(rows, top)
    marks.append(text_at(WIDTH / 2, HEIGHT - 7.0, foot, 2.75, fill=PALE, anchor="middle"))
    body = "\n".join(marks)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:.0f}mm" height="{HEIGHT:.0f}mm"'
        f' viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" font-family="{FONTS}">\n'
        f'<rect width="{WIDTH:.0f}" height="{HEIGHT:.0f}" fill="#fff"/>\n{body}\n</svg>'
    )


def _heading(activity: ActivityHere, title: str, when: str) -> Iterator[str]:
    width = WIDTH - 2 * MARGIN - CODE - 6.0
    yield text_at(MARGIN, 22.0, fitted(f"{title}　签到表", 6.4, width), 6.4, bold="bold")
    yield text_at(MARGIN, 32.0, f"时间：{when}", 4.0)
    yield text_at(MARGIN, 39.5, fitted(f"地点：{activity.place or '待定'}", 4.0, width), 4.0)
    hint = "有手机的：扫码得到要发的话，发给机器人。没有手机的：请写在空行里。"
    yield text_at(MARGIN, 47.0, hint, 3.2, fill=PALE)
    back = f"活动后请组织者发：补录 {activity.number} 加姓名或左边的号，例如 补录 {activity.number} 王秀英2小时 3号没来"
    yield text_at(MARGIN, 52.5, back, 3.2, fill=PALE)
    yield from _code(code_text(activity), WIDTH - MARGIN - CODE, 12.0)


def _running_head(title: str, when: str) -> Iterator[str]:
    yield text_at(MARGIN, 22.0, f"{title}　签到表（续）", 4.6, bold="bold")
    yield text_at(WIDTH - MARGIN, 22.0, when, 3.4, anchor="end")


def _code(said: str, x: float, y: float) -> Iterator[str]:
    """A QR code as one path: a square for each dark module."""
    matrix = segno.make(said, error="m", micro=False).matrix
    module = CODE / len(matrix)
    squares = "".join(
        f"M{x + column * module:.3f} {y + row * module:.3f}h{module:.3f}v{module:.3f}h-{module:.3f}z"
        for row, cells in enumerate(matrix)
        for column, dark in enumerate(cells)
        if dark
    )
    yield f'<path d="{squares}" fill="#000"/>'
    yield text_at(x + CODE / 2, y + CODE + 4.5, said, 3.4, anchor="middle")


def _table(rows: Sequence[Line], top: float) -> Iterator[str]:
    edges = [MARGIN]
    for _, width in COLUMNS:
        edges.append(edges[-1] + width)
    bottom = top + ROW * (len(rows) + 1)
    for number in range(len(rows) + 2):
        yield line_to(MARGIN, top + ROW * number, edges[-1], top + ROW * number)
    for edge in edges:
        yield line_to(edge, top, edge, bottom)
    for (heading, width), left in zip(COLUMNS, edges, strict=False):
        yield text_at(left + width / 2, top + ROW * 0.64, heading, LETTERS, anchor="middle", bold="bold")
    for number, row in enumerate(rows, start=1):
        yield from _row(row, edges, top + ROW * number)


def _row(row: Line, edges: Sequence[float], y: float) -> Iterator[str]:
    base = y + ROW * 0.64
    cells = (row.number, row.name, row.companions, "", row.came, row.left, row.note)
    for text, left, (_, width) in zip(cells, edges, COLUMNS, strict=False):
        if text:
            yield text_at(left + 2.0, base, fitted(text, LETTERS, width - 3.0), LETTERS)
    x = edges[3] + (COLUMNS[3][1] - BOX) / 2
    yield (
        f'<rect x="{x:.2f}" y="{y + (ROW - BOX) / 2:.2f}" width="{BOX}" height="{BOX}" fill="none"'
        f' stroke="{INK}" stroke-width="0.3"/>'
    )
    if row.came:
        tick = f"M{x + 0.7:.2f} {y + ROW / 2:.2f}l1.1 1.2l1.7 -2.6"
        yield f'<path d="{tick}" fill="none" stroke="{INK}" stroke-width="0.5"/>'


# -- the files ----------------------------------------


def as_file(
    session: Session, *, activity: ActivityHere, now: datetime, html: bool = False, names: Names = Names.WHOLE
) -> bytes:
    """The sheet as a PDF, or as a page for a browser's printer. Raises NoPdf."""
    drawn = pages(activity, lines_of(session, activity=activity, names=names), now)
    return as_html(drawn, f"{activity.title} 签到表").encode() if html else as_pdf(drawn)
