"""Pages of PDF: a title, pairs of a label and a text, paragraphs, and a table over many pages.

The same content gives the same bytes: no date and no random number is in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from ledger_project.documents.fonts import REGULAR, registered, runs_of, width_of, wrapped

_MARGIN = 48.0
_LEADING = 1.35
_WIDTH, _HEIGHT = float(A4[0]), float(A4[1])
_GREY, _BLACK = 0.42, 0.0
_LABELS = 120.0


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its title, its width in points, and whether it is flush right."""

    title: str
    width: float
    is_number: bool = False


class Pages:
    """A document under way, from the top of its first page. Lengths are in points (1/72 inch)."""

    def __init__(self, *, title: str, author: str, keywords: str = "") -> None:
        self._file = BytesIO()
        self._canvas = Canvas(self._file, pagesize=A4, pageCompression=1, invariant=1, lang="en", initialFontName=registered(REGULAR))
        self._canvas.setTitle(title)
        self._canvas.setAuthor(author)
        self._canvas.setKeywords(keywords)
        self._canvas.setCreator("ledger")
        self._page, self._footer = 1, title
        self._y = _HEIGHT - _MARGIN

    @property
    def room(self) -> float:
        """The width between the margins."""
        return _WIDTH - 2 * _MARGIN

    def title(self, text: str) -> None:
        """Write a heading."""
        self._lines(wrapped(text, 18, self.room, is_bold=True), 18, is_bold=True)
        self.skip(8)

    def paragraph(self, text: str, *, size: float = 9) -> None:
        """Write a text over the whole width."""
        self._lines(wrapped(text, size, self.room), size, shade=_GREY)

    def pair(self, label: str, text: str, *, is_bold: bool = False) -> None:
        """Write a label and a text beside it."""
        size = 10.0
        lines = wrapped(text, size, self.room - _LABELS, is_bold=is_bold)
        for index, line in enumerate(lines):
            self._need(size)
            if index == 0:
                self._draw(label, _MARGIN, size, shade=_GREY)
            self._draw(line, _MARGIN + _LABELS, size, is_bold=is_bold)
            self._y -= size * _LEADING
        self.skip(2)

    def skip(self, height: float) -> None:
        """Leave room."""
        self._y -= height

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        """Write a table, with its head on each of its pages. A text that is too wide is wrapped."""
        size = 8.0
        self._head(columns, size)
        for row in rows:
            cells = [wrapped(text, size, column.width - 4) for text, column in zip(row, columns, strict=True)]
            for index in range(max(map(len, cells))):
                if self._is_full(size):
                    self._next_page()
                    self._head(columns, size)
                self._cells([cell[index] if index < len(cell) else "" for cell in cells], columns, size)
            self.skip(2)

    def finished(self) -> bytes:
        """Return the document. Nothing can be added after that."""
        self._end_page()
        self._canvas.save()
        return self._file.getvalue()

    def _head(self, columns: Sequence[Column], size: float) -> None:
        self._need(3 * size)
        self._cells([column.title for column in columns], columns, size, is_bold=True)
        self._canvas.setLineWidth(0.5)
        self._canvas.line(_MARGIN, self._y, _WIDTH - _MARGIN, self._y)
        self.skip(3)

    def _cells(self, texts: Sequence[str], columns: Sequence[Column], size: float, *, is_bold: bool = False) -> None:
        x = _MARGIN
        for text, column in zip(texts, columns, strict=True):
            shift = column.width - 4 - width_of(text, size, is_bold=is_bold) if column.is_number else 0
            self._draw(text, x + shift, size, is_bold=is_bold)
            x += column.width
        self._y -= size * _LEADING

    def _lines(self, lines: Sequence[str], size: float, *, is_bold: bool = False, shade: float = _BLACK) -> None:
        for line in lines:
            self._need(size)
            self._draw(line, _MARGIN, size, is_bold=is_bold, shade=shade)
            self._y -= size * _LEADING

    def _draw(self, line: str, x: float, size: float, *, is_bold: bool = False, shade: float = _BLACK) -> None:
        self._canvas.setFillGray(shade)
        for run in runs_of(line, is_bold=is_bold):
            text, width = run.shaped(size)
            drawn = self._canvas.beginText(x, self._y - size)
            drawn.setFont(run.font, size)
            drawn.textOut(text)
            self._canvas.drawText(drawn)
            x += width

    def _is_full(self, size: float) -> bool:
        return self._y - size * _LEADING < 2 * _MARGIN

    def _need(self, size: float) -> None:
        if self._is_full(size):
            self._next_page()

    def _next_page(self) -> None:
        self._end_page()
        self._page += 1
        self._y = _HEIGHT - _MARGIN

    def _end_page(self) -> None:
        self._y = _MARGIN + 8
        self._draw(f"{self._footer} · {self._page}", _MARGIN, 7, shade=_GREY)
        self._canvas.showPage()
