"""The organisation of a community on paper: pages of A4 with who leads what and how many belong to it.

One drawing serves all: an SVG for each page, in millimetres, with nothing outside of the file. A page of HTML holds
them for a browser's printer; typst turns them into a PDF with the fonts in it. The community stands on top, below it
each committee with its branches as cards, and each branch's groups and households as the lines of its card; beside them
the grids and buildings, the teams, the council, the property firm. What does not fit on a page goes on on the next one.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from pathlib import Path
from typing import NamedTuple

from handlers.organisation import counted
from models.clock import spoken_date
from models.organisation import Node
from models.units import LEADERS, PARTY, WORDS, UnitKind

WIDTH, HEIGHT = 210.0, 297.0
"""A4 upright, in millimetres, as everything here."""
MARGIN = 12.0
TOP = 26.0
"""Where what is drawn begins, beneath the heading."""
BOTTOM = HEIGHT - 16.0
COLUMNS = 3
GAP = 6.0
CARD = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS
GUTTER = MARGIN + CARD + GAP / 2
"""Where the line runs that joins one row of cards to the next: between the first two columns."""
ROOT_LINE = MARGIN - 5.0
"""Where the line runs from the community to each section: at the left edge."""
HEAD = 11.5
"""Height of a card's head: two lines."""
LINE = 4.4
PADDING = 1.6
TRUNK = 7.0
"""Between a box and the cards below it, where the lines run."""
TEXT = 2.75
"""Letters of a line: 7.8 points."""

INK, PALE, RED, TINT, BESIDE = "#1f2933", "#8a94a0", "#b3261e", "#fbe9e7", "#e8eef4"
FONTS = "'Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei','PingFang SC','WenQuanYi Micro Hei',sans-serif"
VACANT = "（暂缺）"


class NoPdf(Exception):
    """The library that makes PDFs, or a font with Chinese letters, is not installed. `remedy` says what helps."""

    def __init__(self, remedy: str) -> None:
        super().__init__(remedy)
        self.remedy = remedy


# -- what stands on the cards ----------------------------------------


class Row(NamedTuple):
    """One line of a card."""

    depth: int
    name: str
    leader: str
    note: str


@dataclass(frozen=True, slots=True)
class Card:
    """A box with a head of two lines, and lines below it."""

    name: str
    leader: str
    note: str
    party: bool
    rows: tuple[Row, ...] = ()
    goes_on: bool = False
    """The rest of one that is higher than a page."""

    @property
    def height(self) -> float:
        return HEAD + (PADDING * 2 + LINE * len(self.rows) if self.rows else 0.0)


@dataclass(frozen=True, slots=True)
class Section:
    """A box that goes across, and the cards that hang from it."""

    top: Card
    cards: tuple[Card, ...] = field(default=())


def sections(root: Node) -> list[Section]:
    """The drawing's content: each committee with its branches, then everything beside the party."""
    committees = [node for node in root.below if node.unit.kind is UnitKind.PARTY_COMMITTEE]
    found = [Section(_card(node, with_rows=False), tuple(map(_card, node.below))) for node in committees]
    beside = [node for node in root.below if node not in committees]
    party = [node for node in beside if node.unit.kind in PARTY]
    if party:
        found.append(Section(Card("党支部", "", f"{len(party)}个", party=True), tuple(map(_card, party))))
    others = [node for node in beside if node.unit.kind not in PARTY]
    if others:
        found.append(Section(Card("网格、楼栋和各类组织", "", "", party=False), tuple(_cards_beside(others))))
    return found


def _cards_beside(nodes: Sequence[Node]) -> Iterator[Card]:
    """A card for each grid with its buildings; all others are the lines of one card for each kind."""
    for node in nodes:
        if node.unit.kind is UnitKind.GRID:
            yield _card(node)
    for kind in UnitKind:
        alike = [node for node in nodes if node.unit.kind is kind]
        if alike and kind is not UnitKind.GRID:
            rows = tuple(row for node in alike for row in _rows(node, 0))
            yield Card(WORDS[kind][0], "", f"{len(alike)}个", party=False, rows=rows)


def _card(node: Node, *, with_rows: bool = True) -> Card:
    rows = tuple(row for below in node.below for row in _rows(below, 0)) if with_rows else ()
    leader = f"{LEADERS[node.unit.kind]} {_leader(node)}"
    return Card(node.unit.name, leader, f"{node.people}人", node.unit.kind in PARTY, rows)


def _rows(node: Node, depth: int) -> Iterator[Row]:
    # A door is worth a line where it has somebody of its own; a building's other doors are only counted.
    doors = [below for below in node.below if below.unit.kind is UnitKind.DOOR]
    household = node.unit.kind is UnitKind.HOST_HOUSEHOLD
    note = "" if household else f"{node.people}人"
    yield Row(depth, node.unit.name, _leader(node), f"{len(doors)}单元 {note}" if doors else note)
    for below in node.below:
        if below.unit.kind is not UnitKind.DOOR or below.leader is not None:
            yield from _rows(below, depth + 1)


def _leader(node: Node) -> str:
    # The sheet hangs on a wall: whoever hides their name hides it here too.
    leader = node.leader
    if leader is None:
        return "" if node.unit.kind is UnitKind.DOOR else VACANT
    return leader.shown


# -- drawing ----------------------------------------


def width_of(text: str, size: float) -> float:
    """How wide a text is about: a Chinese letter is as wide as it is high, others are a little more than half."""
    return sum(size if ord(letter) > 0x2E7F else size * 0.56 for letter in text)


def fitted(text: str, size: float, width: float) -> str:
    """The text, or as much of it as fits, with dots at its end."""
    if width_of(text, size) <= width:
        return text
    while text and width_of(text + "…", size) > width:
        text = text[:-1]
    return text + "…"


def text_at(
    x: float, y: float, text: str, size: float, *, fill: str = INK, anchor: str = "start", bold: str = ""
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.2f}" y="{y:.2f}" font-size="{size:.2f}" fill="{fill}" text-anchor="{anchor}"{weight}>'
        f"{escape(text)}</text>"
    )


def line_to(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1:.2f} {y1:.2f}L{x2:.2f} {y2:.2f}" stroke="{PALE}" stroke-width="0.35"/>'


def _box(card: Card, x: float, y: float, width: float) -> Iterator[str]:
    edge, fill = (RED, TINT) if card.party else (INK, BESIDE)
    yield (
        f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{card.height:.2f}" rx="1.2" fill="#fff"'
        f' stroke="{edge}" stroke-width="0.35"/>'
        f'<rect x="{x + 0.2:.2f}" y="{y + 0.2:.2f}" width="{width - 0.4:.2f}" height="{HEAD - 0.4:.2f}" rx="1"'
        f' fill="{fill}"/>'
    )
    inner, left, right = width - 5.0, x + 2.5, x + width - 2.5
    note = width_of(card.note, TEXT) + 2.0
    single = not card.leader
    yield text_at(left, y + (7.0 if single else 4.9), _title(card, inner - note), 3.4, bold="bold")
    yield text_at(right, y + (7.0 if single else 4.9), card.note, TEXT, anchor="end")
    if card.leader:
        fill = RED if VACANT in card.leader else INK
        yield text_at(left, y + 9.4, fitted(card.leader, TEXT, inner), TEXT, fill=fill)
    for number, row in enumerate(card.rows):
        yield from _row(row, left, right, y + HEAD + PADDING + LINE * number + 3.1)


def _title(card: Card, width: float) -> str:
    again = "（续）" if card.goes_on else ""
    return fitted(card.name, 3.4, width - width_of(again, 3.4)) + again


def _row(row: Row, left: float, right: float, y: float) -> Iterator[str]:
    indent = left + row.depth * 3.2
    if row.depth:
        yield line_to(indent - 2.2, y - 1.0, indent - 0.6, y - 1.0)
    note = width_of(row.note, TEXT)
    # The leader stands in the middle, or as far to the right as the name needs.
    room = right - note - 1.5 - indent
    leader = fitted(row.leader, TEXT, room * 0.45)
    name = fitted(row.name, TEXT, room - width_of(leader, TEXT) - 1.5)
    at = max(left + (right - left) * 0.44, indent + width_of(name, TEXT) + 1.5)
    at = min(at, right - note - 1.5 - width_of(leader, TEXT))
    yield text_at(indent, y, name, TEXT)
    yield text_at(at, y, leader, TEXT, fill=PALE if row.leader == VACANT else INK)
    yield text_at(right, y, row.note, TEXT, fill=PALE, anchor="end")


class Paper:
    """Pages as they fill, from the top down."""

    def __init__(self) -> None:
        self.pages: list[list[str]] = [[]]
        self.y = TOP

    @property
    def left(self) -> float:
        """What is free on this page."""
        return BOTTOM - self.y

    def turn(self) -> None:
        """A new page."""
        self.pages.append([])
        self.y = TOP

    def draw(self, *marks: str) -> None:
        self.pages[-1].extend(marks)


def pages(root: Node, now: datetime) -> list[str]:
    """The chart as one SVG for each page."""
    paper = Paper()
    wide, middle = CARD * 1.4, WIDTH / 2
    top = _card(root, with_rows=False)
    paper.draw(*_box(top, middle - wide / 2, paper.y, wide))
    start = paper.y + top.height / 2
    paper.draw(line_to(ROOT_LINE, start, middle - wide / 2, start))
    paper.y += top.height
    hangs = [_draw_section(paper, section, wide) for section in sections(root)]
    _draw_root_line(paper, start, hangs)
    party = counted(_counts(root), [kind for kind in UnitKind if kind in PARTY])
    title = f"{root.unit.name}组织架构"
    count = len(paper.pages)
    return [
        _page(marks, title, party, f"{spoken_date(now)}　第{number}页，共{count}页")
        for number, marks in enumerate(paper.pages, start=1)
    ]


def _draw_root_line(paper: Paper, start: float, hangs: Sequence[tuple[int, float]]) -> None:
    """The line at the left edge by which the sections hang from the community, from page to page."""
    last = max((page for page, _ in hangs), default=-1)
    for page in range(last + 1):
        end = BOTTOM if page < last else max(y for at, y in hangs if at == page)
        begin = start if page == 0 else TOP - 4.0
        paper.pages[page].append(line_to(ROOT_LINE, begin, ROOT_LINE, end))


def _counts(root: Node) -> dict[UnitKind, int]:
    return {kind: root.count(kind) for kind in UnitKind}


def _draw_section(paper: Paper, section: Section, wide: float) -> tuple[int, float]:
    """Draws a section where there is room for its head and first row; says on which page the head hangs, and where."""
    middle = WIDTH / 2
    ranks = list(_ranks(section.cards))
    first = TRUNK + max(card.height for card in ranks[0]) if ranks else 0.0
    if paper.left < TRUNK + section.top.height + first:
        paper.turn()
    else:
        paper.y += TRUNK
    hangs = paper.y + section.top.height / 2
    paper.draw(*_box(section.top, middle - wide / 2, paper.y, wide))
    paper.draw(line_to(ROOT_LINE, hangs, middle - wide / 2, hangs))
    paper.y += section.top.height
    bar = paper.y + TRUNK / 2
    paper.draw(line_to(middle, paper.y, middle, bar) if ranks else "")
    page = len(paper.pages)
    for number, rank in enumerate(ranks):
        height = max(card.height for card in rank)
        if paper.left < TRUNK + height:
            paper.draw(line_to(GUTTER, bar, GUTTER, BOTTOM))
            paper.turn()
            paper.draw(text_at(WIDTH / 2, paper.y - 2.0, f"{section.top.name}（续）", 3.0, fill=PALE, anchor="middle"))
            bar = paper.y - 2.0
        bar = _draw_rank(paper, rank, height, bar if number else None)
    return page - 1, hangs


def _draw_rank(paper: Paper, rank: Sequence[Card], height: float, above: float | None) -> float:
    """A row of cards beneath the bar from which they hang; returns its height on the page.

    The bar of a later row hangs from the one `above` it, by a line that runs between the columns.
    """
    bar, top = paper.y + TRUNK / 2, paper.y + TRUNK
    # Few cards stand in the middle of the sheet.
    shift = (COLUMNS - len(rank)) * (CARD + GAP) / 2
    places = [MARGIN + shift + place * (CARD + GAP) for place in range(len(rank))]
    centres = [place + CARD / 2 for place in places]
    if above is not None:
        paper.draw(line_to(GUTTER, above, GUTTER, bar))
    ends = [*centres, WIDTH / 2 if above is None else GUTTER]
    paper.draw(line_to(min(ends), bar, max(ends), bar))
    for place, centre, card in zip(places, centres, rank, strict=True):
        paper.draw(line_to(centre, bar, centre, top), *_box(card, place, top, CARD))
    paper.y = top + height
    return bar


ROWS_MAX = int((BOTTOM - TOP - TRUNK - 1.5 - HEAD - 2 * PADDING) / LINE)
"""Lines of a card that is as high as a page."""


def _ranks(cards: Iterable[Card]) -> Iterator[list[Card]]:
    """The cards in rows; one that is higher than a page goes on in the next."""
    whole = [part for card in cards for part in _parts(card)]
    for at in range(0, len(whole), COLUMNS):
        yield whole[at : at + COLUMNS]


def _parts(card: Card) -> Iterator[Card]:
    for at in range(0, max(1, len(card.rows)), ROWS_MAX):
        yield Card(card.name, card.leader, card.note, card.party, card.rows[at : at + ROWS_MAX], goes_on=at > 0)


def _page(marks: Iterable[str], title: str, counts: str, foot: str) -> str:
    heading = [
        text_at(MARGIN, 15.0, title, 5.4, bold="bold"),
        text_at(WIDTH - MARGIN, 15.0, counts, 3.2, fill=RED, anchor="end"),
        line_to(MARGIN, 18.5, WIDTH - MARGIN, 18.5),
        text_at(WIDTH / 2, HEIGHT - 8.0, foot, TEXT, fill=PALE, anchor="middle"),
    ]
    body = "\n".join([*heading, *marks])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:.0f}mm" height="{HEIGHT:.0f}mm"'
        f' viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" font-family="{FONTS}">\n'
        f'<rect width="{WIDTH:.0f}" height="{HEIGHT:.0f}" fill="#fff"/>\n{body}\n</svg>'
    )


# -- the files ----------------------------------------

STYLE = """
@page { size: A4 portrait; margin: 0 }
body { margin: 0; background: #e5e7eb }
svg { display: block; margin: 6mm auto; box-shadow: 0 1mm 4mm rgba(0, 0, 0, .25) }
@media print {
  body { background: none }
  svg { margin: 0; box-shadow: none; break-after: page }
  svg:last-child { break-after: auto }
}
"""


def as_html(drawn: Sequence[str], title: str) -> str:
    """All pages in one file, for a browser and its printer."""
    body = "\n".join(drawn)
    return (
        f'<!doctype html>\n<html lang="zh-CN">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def as_svg(drawn: Sequence[str]) -> str:
    """All pages in one drawing, one below the other."""
    height = HEIGHT * len(drawn)
    placed = "\n".join(
        page.replace("<svg ", f'<svg y="{HEIGHT * number:.0f}" ', 1).replace(
            f'width="{WIDTH:.0f}mm" height="{HEIGHT:.0f}mm"', f'width="{WIDTH:.0f}" height="{HEIGHT:.0f}"', 1
        )
        for number, page in enumerate(drawn)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:.0f}mm" height="{height:.0f}mm"'
        f' viewBox="0 0 {WIDTH:.0f} {height:.0f}">\n{placed}\n</svg>\n'
    )


def as_pdf(drawn: Sequence[str]) -> bytes:
    """All pages as a PDF with its fonts in it. Raises NoPdf."""
    try:
        import typst
    except ImportError:
        raise NoPdf("先装上：pip install typst") from None
    if not any(name in FONTS for name in typst.Fonts().families()):
        raise NoPdf("先装中文字体，例如 fonts-wqy-microhei")
    with tempfile.TemporaryDirectory(prefix="linli-chart-") as folder:
        source = [f"#set page(width: {WIDTH}mm, height: {HEIGHT}mm, margin: 0mm)"]
        for number, page in enumerate(drawn, start=1):
            Path(folder, f"{number}.svg").write_text(page, "utf-8")
            source.append(f'#image("{number}.svg", width: {WIDTH}mm)')
        main = Path(folder, "chart.typ")
        main.write_text("\n".join(source), "utf-8")
        made: bytes = typst.compile(str(main), root=folder, format="pdf")
        return made
