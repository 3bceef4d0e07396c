"""Placards as pictures: a table that a channel with pictures shows in large letters in place of its text.

Drawn with Pillow and a font with Chinese letters, the configured one or one that the machine has. Without a font there
is no picture, and the text, which says the same, goes out.
"""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from bot import logs
from bot.fonts import find_font
from models.base import Placard

log = logs.logger(__name__)

WIDTH = 900
"""In pixels, as everything here: a telephone shows it from edge to edge."""
EDGE = 36
GAP = 28
"""Between two columns."""
TITLE, HEAD, LINE, FOOT = 46, 28, 36, 28
"""Letters."""
BAND, HEAD_HEIGHT, ROW = 110, 62, 72
FOOT_LINE = 42
ROWS_MOST = 20
INK, PALE, WHITE, RED, TINT, EDGE_LINE = "#1f2933", "#6b7580", "#ffffff", "#b3261e", "#fdf3f2", "#e3e6e9"

Font = ImageFont.FreeTypeFont


class NoFont(Exception):
    """There is no font with Chinese letters."""


@dataclass(frozen=True, slots=True)
class Letters:
    """One font in its four sizes."""

    title: Font
    head: Font
    line: Font
    foot: Font

    @classmethod
    def of(cls, path: Path) -> "Letters":
        """Raises OSError for a file that is no font."""
        return cls(*(ImageFont.truetype(str(path), size) for size in (TITLE, HEAD, LINE, FOOT)))


class Pictures:
    """Draws placards with one font, beside everything else that goes on."""

    def __init__(self, font: str = "") -> None:
        """`font` is the path of a font's file; empty lets the machine's own be found when the first one is drawn."""
        self._path = Path(font).expanduser() if font else None
        self._letters: Letters | None = None
        self._drawing = asyncio.Lock()
        self._last: tuple[Placard, bytes] | None = None
        """One table goes to many groups at the same time."""
        self._given_up = False

    async def of(self, placard: Placard) -> bytes | None:
        """The placard as PNG; None where it cannot be drawn."""
        if self._given_up:
            return None
        try:
            async with self._drawing:
                if self._last is None or self._last[0] != placard:
                    self._last = placard, await asyncio.to_thread(self._drawn, placard)
                return self._last[1]
        except (OSError, NoFont) as error:
            # Said once: it is how the machine is.
            self._given_up = True
            log.warning("pictures.no_font", error=str(error))
            return None

    def _drawn(self, placard: Placard) -> bytes:
        if self._letters is None:
            path = self._path or find_font()
            if path is None:
                raise NoFont
            self._letters = Letters.of(path)
        return drawn(placard, self._letters)


def drawn(placard: Placard, letters: Letters) -> bytes:
    """A placard as PNG: its title on a band, its rows in columns, and what to do about it."""
    rows = placard.rows[:ROWS_MOST]
    foot = [line for text in placard.foot.splitlines() for line in wrapped(text, letters.foot, WIDTH - 2 * EDGE)]
    head = HEAD_HEIGHT if placard.head else 0
    height = BAND + head + ROW * len(rows) + (EDGE + FOOT_LINE * len(foot) if foot else 0) + EDGE // 2
    image = Image.new("RGB", (WIDTH, height), WHITE)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, WIDTH, BAND), fill=RED)
    title = clipped(placard.title, letters.title, WIDTH - 2 * EDGE)
    pen.text((EDGE, BAND / 2), title, fill=WHITE, font=letters.title, anchor="lm")
    widths = columns([placard.head, *rows], letters)
    top = BAND
    if placard.head:
        _row(pen, placard.head, widths, top, head, letters.head, PALE)
        top += head
    for number, row in enumerate(rows):
        if number % 2 == 0:
            pen.rectangle((0, top, WIDTH, top + ROW), fill=TINT)
        _row(pen, row, widths, top, ROW, letters.line, INK)
        top += ROW
    pen.line((0, top, WIDTH, top), fill=EDGE_LINE, width=2)
    for number, line in enumerate(foot):
        pen.text((EDGE, top + EDGE / 2 + FOOT_LINE * (number + 0.5)), line, fill=PALE, font=letters.foot, anchor="lm")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _row(
    pen: ImageDraw.ImageDraw, cells: Sequence[str], widths: Sequence[int], top: float, height: int, font: Font, ink: str
) -> None:
    left = EDGE
    for cell, width in zip(cells, widths, strict=False):
        pen.text((left, top + height / 2), clipped(cell, font, width), fill=ink, font=font, anchor="lm")
        left += width + GAP


def columns(rows: Sequence[Sequence[str]], letters: Letters) -> list[int]:
    """How wide each column is: as its widest cell asks and a share of what is left over; where they do not fit, the
    widest gives way.
    """
    count = max((len(row) for row in rows), default=0)
    asked = [
        max((int(letters.line.getlength(row[at])) + 1 for row in rows if at < len(row)), default=0)
        for at in range(count)
    ]
    room = WIDTH - 2 * EDGE - GAP * max(0, count - 1)
    while asked and (over := sum(asked) - room) > 0:
        widest = max(range(count), key=lambda at: asked[at])
        second = max((width for at, width in enumerate(asked) if at != widest), default=0)
        # Down to the next widest, then both give way.
        asked[widest] -= max(1, min(over, asked[widest] - second))
    spare = (room - sum(asked)) // count if count else 0
    return [width + spare for width in asked]


def clipped(text: str, font: Font, width: float) -> str:
    """As much of a text as is no wider, with … where some is missing."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def wrapped(text: str, font: Font, width: float) -> list[str]:
    """A text in lines that are no wider."""
    lines = [""]
    for letter in text:
        if lines[-1] and font.getlength(lines[-1] + letter) > width:
            lines.append("")
        lines[-1] += letter
    return lines
