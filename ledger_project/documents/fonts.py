"""Text in every script, as runs of characters that have one font each.

The fonts lie beside this module, and a document embeds the glyphs that it uses: it looks the same
everywhere. A character that no font has, and one that cannot be seen (a control character, a change
of direction), is written as ``[U+202E]``: none vanishes silently.

Arabic and Hebrew are put into the order in which they are seen (the Unicode bidirectional
algorithm), Arabic letters get their joined forms, and Indic scripts are shaped by HarfBuzz.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from arabic_reshaper import reshape
from bidi import get_display
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import ShapedStr, TTFont, shapeStr

from ledger_project.documents.characters import JOINERS, is_seen, number_of

_FOLDER = Path(__file__).parent / "fonts"

REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
_REST = "DroidSansFallbackFull"
_UNSHAPED = frozenset({REGULAR, BOLD, _REST, "NanumSquareR"})
"""Fonts of scripts in which each character is a glyph."""

_BLOCKS = [
    (0x0900, 0x097F, "NotoSansDevanagari-Regular"),
    (0x0980, 0x09FF, "NotoSansBengali-Regular"),
    (0x0A00, 0x0A7F, "NotoSansGurmukhi-Regular"),
    (0x0A80, 0x0AFF, "NotoSansGujarati-Regular"),
    (0x0B00, 0x0B7F, "NotoSansOriya-Regular"),
    (0x0B80, 0x0BFF, "NotoSansTamil-Regular"),
    (0x0C00, 0x0C7F, "NotoSansTelugu-Regular"),
    (0x0C80, 0x0CFF, "NotoSansKannada-Regular"),
    (0x0D00, 0x0D7F, "NotoSansMalayalam-Regular"),
    (0x0D80, 0x0DFF, "NotoSansSinhala-Regular"),
    (0x0E00, 0x0E7F, "NotoSansThai-Regular"),
    (0x1000, 0x109F, "NotoSansMyanmar-Regular"),
    (0x1100, 0x11FF, "NanumSquareR"),
    (0x1200, 0x139F, "NotoSansEthiopic-Regular"),
    (0x1780, 0x17FF, "NotoSansKhmer-Regular"),
    (0x3130, 0x318F, "NanumSquareR"),
    (0xA8E0, 0xA8FF, "NotoSansDevanagari-Regular"),
    (0xAC00, 0xD7AF, "NanumSquareR"),
]
"""First and last character of the blocks that have a font of their own."""

_STARTS = [first for first, _, _ in _BLOCKS]
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})

_loading = Lock()


class Run(NamedTuple):
    """Characters of one font, in the order in which they are seen."""

    font: str
    text: str

    def shaped(self, size: float) -> tuple[str, float]:
        """Return the text as reportlab draws it, and its width in points at a size in points."""
        if self.font in _UNSHAPED:
            return self.text, float(pdfmetrics.stringWidth(self.text, self.font, size))
        text: str = shapeStr(self.text, self.font, size)
        if not isinstance(text, ShapedStr):
            return text, float(pdfmetrics.stringWidth(text, self.font, size))
        return text, float(sum(glyph.x_advance for glyph in text.__shapeData__)) * size / 1000


@cache
def _glyphs(font: str) -> frozenset[int]:
    """Load a font once a process, and return the characters that it has."""
    with _loading:
        loaded = TTFont(font, str(_FOLDER / f"{font}.ttf"))
        pdfmetrics.registerFont(loaded)
        return frozenset(loaded.face.charToGlyph)


@cache
def registered(font: str) -> str:
    """Return the name of a font after loading it."""
    _glyphs(font)
    return font


@lru_cache(maxsize=8192)
def _font_of(character: str, *, is_bold: bool) -> str | None:
    """Return the first font that has a character; None if none has."""
    point = ord(character)
    index = bisect_right(_STARTS, point) - 1
    own = [_BLOCKS[index][2]] if index >= 0 and point <= _BLOCKS[index][1] else []
    fonts = [*([BOLD] if is_bold else []), REGULAR, *own, _REST]
    return next((font for font in fonts if point in _glyphs(font)), None)


@lru_cache(maxsize=8192)
def _is_right_to_left(character: str) -> bool:
    return unicodedata.bidirectional(character) in _RIGHT_TO_LEFT


@lru_cache(maxsize=8192)
def _drawn(character: str, *, is_bold: bool) -> str:
    """Return a character, or its number if it cannot be drawn or seen."""
    is_drawn = character in JOINERS or (is_seen(character) and _font_of(character, is_bold=is_bold) is not None)
    return character if is_drawn else number_of(character)


def visible(text: str, *, is_bold: bool = False) -> str:
    """Return a text in which each character can be drawn; others are written as their numbers."""
    if text.isascii() and text.isprintable():
        return text
    return "".join([_drawn(character, is_bold=is_bold) for character in text])


def _as_seen(text: str) -> str:
    """Return a line in the order in which its characters are seen."""
    if any(map(_is_right_to_left, text)):
        return str(get_display(reshape(text)))
    return text


def runs_of(line: str, *, is_bold: bool = False) -> list[Run]:
    """Return the runs of a line, from left to right."""
    if line.isascii() and line.isprintable():  # most lines, in a tenth of the time
        return [Run(registered(BOLD if is_bold else REGULAR), line)] if line else []
    return list(_runs(_as_seen(visible(line, is_bold=is_bold)), is_bold=is_bold))


def _runs(line: str, *, is_bold: bool) -> Iterator[Run]:
    fonts: list[str] = []
    for character in line:
        before = fonts[-1] if fonts else None
        if before is not None and _clings(character) and ord(character) in _glyphs(before):
            fonts.append(before)  # a mark belongs to the letter before it
        else:
            fonts.append(_font_of(character, is_bold=is_bold) or before or REGULAR)
    for font, pairs in groupby(zip(fonts, line, strict=True), key=itemgetter(0)):
        yield Run(font, "".join([character for _, character in pairs]))


@lru_cache(maxsize=8192)
def _clings(character: str) -> bool:
    return character in JOINERS or unicodedata.category(character).startswith("M")


def width_of(line: str, size: float, *, is_bold: bool = False) -> float:
    """Return the width of a line in points."""
    return sum(run.shaped(size)[1] for run in runs_of(line, is_bold=is_bold))


def wrapped(text: str, size: float, room: float, *, is_bold: bool = False) -> list[str]:
    """Return a text as lines of at most ``room`` points.

    Lines break at the text's own line ends, then at blanks, then within a word that is too long.
    """
    return [line for part in text.splitlines() or [""] for line in _filled(visible(part, is_bold=is_bold), size, room, is_bold=is_bold)]


def _filled(text: str, size: float, room: float, *, is_bold: bool) -> Iterator[str]:
    line, used, blank = "", 0.0, width_of(" ", size, is_bold=is_bold)
    for word in text.split(" "):
        length = width_of(word, size, is_bold=is_bold)
        if line and used + blank + length <= room:
            line, used = f"{line} {word}", used + blank + length
            continue
        if line:
            yield line
        *whole, line = _broken(word, size, room, is_bold=is_bold) if length > room else [word]
        yield from whole
        used = width_of(line, size, is_bold=is_bold)
    yield line


@lru_cache(maxsize=8192)
def _letter_width(character: str, size: float, *, is_bold: bool) -> float:
    return width_of(character, size, is_bold=is_bold)


def _broken(word: str, size: float, room: float, *, is_bold: bool) -> list[str]:
    """Return a word in pieces of at most ``room`` points, each of a character at least."""
    pieces, used = [""], 0.0
    for character in word:
        length = _letter_width(character, size, is_bold=is_bold)
        if pieces[-1] and used + length > room:
            pieces.append("")
            used = 0.0
        pieces[-1] += character
        used += length
    return pieces
