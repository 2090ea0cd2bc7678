"""Documents for people: every script is drawn, and a character that cannot be drawn shows as its number."""

from __future__ import annotations

import io

import pytest
from pypdf import PdfReader

from ledger_project.documents.fonts import runs_of, visible, width_of, wrapped
from ledger_project.documents.pdf import Column, Pages

SCRIPTS = {
    "Latin": "naïve Łódź İstanbul Ðường",
    "Greek": "Καλημέρα",
    "Cyrillic": "Щёлково Київ",
    "Armenian": "Հայերեն",
    "Georgian": "ქართული",
    "Hebrew": "שלום עולם",
    "Arabic": "مرحبا بالعالم",
    "Devanagari": "नमस्ते किताब",
    "Bengali": "বাংলা",
    "Gurmukhi": "ਪੰਜਾਬੀ",
    "Gujarati": "ગુજરાતી",
    "Oriya": "ଓଡ଼ିଆ",
    "Tamil": "தமிழ் மொழி",
    "Telugu": "తెలుగు",
    "Kannada": "ಕನ್ನಡ",
    "Malayalam": "മലയാളം",
    "Sinhala": "සිංහල",
    "Thai": "สวัสดี",
    "Lao": "ລາວ",
    "Khmer": "ខ្មែរ",
    "Burmese": "မြန်မာ",
    "Ethiopic": "አማርኛ",
    "Chinese": "中文 漢字",
    "Japanese": "日本語テキスト",
    "Korean": "한국어",
}


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("is_bold", [False, True])
def test_every_letter_of_a_script_has_a_font(script: str, is_bold: bool) -> None:
    text = SCRIPTS[script]
    assert visible(text, is_bold=is_bold) == text
    assert all(run.text for run in runs_of(text, is_bold=is_bold))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a[U+202E]b"),
        ("\x07", "[U+0007]"),
        ("\U000e0041", "[U+E0041]"),
        ("\u200b", "[U+200B]"),
        ("\U00013000", "[U+13000]"),
        ("a\tb", "a[U+0009]b"),
        ("\ue000", "[U+E000]"),
    ],
)
def test_a_character_that_cannot_be_seen_is_written_as_its_number(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_arabic_and_hebrew_are_in_the_order_in_which_they_are_seen() -> None:
    assert "".join(run.text for run in runs_of("אבג")) == "גבא"
    (joined,) = runs_of("مم")
    assert joined.text != "مم"  # its letters have their joined forms


def test_indic_letters_are_shaped() -> None:
    (run,) = runs_of("कि")
    assert run.shaped(10)[0] != run.text  # the vowel stands before its consonant


def test_lines_break_at_blanks_and_within_long_words_and_lose_nothing() -> None:
    for text in ("one two three " * 20, "x" * 300, "a\nb", "", "क" * 100, "word " + "y" * 200 + " word"):
        lines = wrapped(text, 10, 100)
        assert all(width_of(line, 10) <= 100 for line in lines), text
        assert "".join(lines).replace(" ", "") == text.replace(" ", "").replace("\n", "")


def _document(rows: int) -> bytes:
    pages = Pages(title="A title", author="Somebody", keywords="key.word")
    pages.title("A heading")
    pages.pair("Label", "Καλημέρα 中文")
    pages.paragraph("Some words.")
    pages.table(
        [Column("Number", 60, is_number=True), Column("Text", 100)], [(str(number), f"row {number} " + "w" * 60) for number in range(rows)]
    )
    return pages.finished()


def test_a_table_goes_on_over_pages_with_its_head_on_each() -> None:
    reader = PdfReader(io.BytesIO(_document(100)))
    texts = [page.extract_text() for page in reader.pages]
    assert len(texts) > 3
    assert all("Number" in text for text in texts)
    assert all(f"row {number} " in " ".join(texts).replace("\n", " ") for number in range(100))
    assert "Καλημέρα" in texts[0]
    assert "中文" in texts[0]
    assert reader.metadata is not None
    assert (reader.metadata.title, reader.metadata.author) == ("A title", "Somebody")


def test_the_same_content_is_the_same_bytes() -> None:
    assert _document(3) == _document(3)
