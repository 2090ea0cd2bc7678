"""CSV is read in one way or not at all."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_project.kernel.csv_records import MAX_RECORD_BYTES, Extent, FileUnreadable, check_separators, read_records


def cells(content: bytes, *, multiline: bool = False) -> list[list[str]]:
    return [record.cells for record in read_records(io.BytesIO(content), multiline=multiline)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a,b\n1,2\n", [["a", "b"], ["1", "2"]]),
        (b"a,b\r\n1,2", [["a", "b"], ["1", "2"]]),
        (b"\xef\xbb\xbfa\n", [["a"]]),
        (b'"a","b,c","d""e",""\n', [["a", "b,c", 'd"e', ""]]),
        (b",\n\n", [["", ""], [""]]),
        ("ü, x \n".encode(), [["ü", " x "]]),
        ("a\x0bb\u2028c\x85d\n".encode(), [["a\x0bb\u2028c\x85d"]]),
    ],
)
def test_what_rfc_4180_writes_is_read(content: bytes, expected: list[list[str]]) -> None:
    assert cells(content) == expected


UNREADABLE = [
    (b'h\na,"b\nc\n', 2, "not closed; line breaks inside cells need --multiline"),
    (b'h\na,"b""\n', 2, "not closed"),
    (b'h\n"a"b\n', 2, "goes on after its closing quote, with 'b'"),
    (b'h\n"a" ,b\n', 2, "goes on after its closing quote"),
    (b'h\nx,5" pipe\n', 2, "has a quote and does not begin with one"),
    (b'h\nx, "a"\n', 2, "has a quote and does not begin with one"),
    (b"h\na\x00b\n", 2, "NUL"),
    (b"h\n\xff\n", 2, "byte 0xFF at 1 is not UTF-8"),
    ("h\nn\u00e4\n".encode("cp1252"), 2, "not UTF-8"),
    (b"h\n\xed\xa0\x80\n", 2, "not UTF-8"),
    (b"h\na\rb\n", 2, "carriage return"),
    (b"h\ra,b\r", 1, "carriage return"),
    (b"h\n\xef\xbb\xbfa\n", 2, "byte order mark"),
    (b"\xef\xbb\xbf\xef\xbb\xbfh\n", 1, "byte order mark"),
    ("h,i\n".encode("utf-16"), 1, "UTF-16"),
    ("h,i\n".encode("utf-16-le"), 1, "UTF-16"),
    ("h,i\n".encode("utf-32"), 1, "UTF-32"),
    (b"PK\x03\x04rest", 1, "workbook"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 1, "workbook"),
    (b"\x1f\x8b\x08", 1, "compressed"),
    (b"<html><table>", 1, "HTML or XML"),
    (b'{"key": "a"}\n', 1, "JSON"),
    (b"h\n" + b"x" * (MAX_RECORD_BYTES + 1) + b"\nb\n", 2, "over 1,048,576 bytes"),
]


@pytest.mark.parametrize(("content", "line", "cause"), UNREADABLE, ids=[case[2][:30] + str(i) for i, case in enumerate(UNREADABLE)])
def test_what_can_be_read_in_two_ways_is_refused_with_line_and_cause(content: bytes, line: int, cause: str) -> None:
    with pytest.raises(FileUnreadable, match=cause.replace("(", r"\(")) as refused:
        cells(content)
    assert refused.value.line == line


@pytest.mark.parametrize(
    ("content", "cause"),
    [(b"a;b\n", "semicolons"), (b"a\tb\n", "tabs"), (b"a|b\n", "bars"), (b"sep=;\n", "spreadsheet"), (b"SEP=,\na,b\n", "spreadsheet")],
)
def test_other_separators_are_named(content: bytes, cause: str) -> None:
    with pytest.raises(FileUnreadable, match=cause):
        check_separators(next(read_records(io.BytesIO(content))))


def test_line_breaks_in_cells_are_read_where_they_are_allowed_and_lines_counted_as_an_editor_does() -> None:
    extent = Extent()
    found = list(read_records(io.BytesIO(b'a\n"b\r\n""c\n",d\n\ne'), multiline=True, extent=extent))
    assert [(record.line, record.lines, record.cells) for record in found] == [
        (1, 1, ["a"]),
        (2, 3, ['b\r\n"c\n', "d"]),
        (5, 1, [""]),
        (6, 1, ["e"]),
    ]
    assert (extent.lines, extent.is_ended) == (6, False)


def test_a_missing_quote_takes_bounded_memory_with_line_breaks_allowed() -> None:
    class Endless(io.RawIOBase):
        read_bytes = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            line = b"x" * 99 + b"\n" if self.read_bytes else b'"\n'
            self.read_bytes += len(line)
            return line

    endless = Endless()
    with pytest.raises(FileUnreadable, match="is a quote missing"):
        list(read_records(endless, multiline=True))
    assert endless.read_bytes < 2 * MAX_RECORD_BYTES


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\ufeff"), max_size=12)


@given(st.lists(st.lists(TEXT, min_size=1, max_size=4), min_size=1, max_size=5))
def test_what_a_csv_writer_wrote_is_read_as_it_was(rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(rows)
    assert cells(out.getvalue().encode(), multiline=True) == rows


@given(st.lists(st.sampled_from(['"', ",", "\n", "a", '""', "\r\n", "é"]), max_size=20).map("".join))
def test_whatever_is_read_is_what_a_strict_reader_reads(content: str) -> None:
    for multiline in (False, True):
        try:
            found = cells(content.encode(), multiline=multiline)
        except FileUnreadable:
            continue
        assert found == [row or [""] for row in csv.reader(io.StringIO(content, newline=""), strict=True)]


def test_a_header_with_commas_is_one_that_can_be_read() -> None:
    (header,) = read_records(io.BytesIO(b"key,from,to,currency,amount\n"))
    check_separators(header)
