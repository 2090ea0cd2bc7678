"""What is a name, and when two are the same."""

from __future__ import annotations

from merchants.domain import fold, is_name, search_grams

KELVIN, DOTLESS, DOTTED, LONG_S = "\u212a", "\u0131", "\u0130", "\u017f"


def lookalikes(name: str) -> list[str]:
    """Return what some rule takes for a name that begins with k and ends in i, and ours does not."""
    return [
        KELVIN + name[1:], name[:-1] + DOTLESS, name[:-1] + DOTTED, "".join(chr(ord(c) + 0xFEE0) for c in name), name + " ", " " + name,
        name + "\n", name + "\t", name + "\u00a0", name + "\u200b", name + "\u0301", name + "\x00", "\x00" + name, name + "\ufeff", "",
        name[:1] + "\u00ad" + name[1:], name + "/", "x" * 65,
    ]  # fmt: skip


def test_only_ascii_letters_are_folded() -> None:
    for number in (*range(0x250), 0x212A, 0x2126, 0xFF21, 0x1E9E, 0x10400):
        character = chr(number)
        assert fold(character) == (character.lower() if character.isascii() else character)
        assert fold("K" + character + "\u00c4") == "k" + fold(character) + "\u00c4"


def test_what_cannot_be_a_name_is_none() -> None:
    assert is_name("kari")
    assert is_name("A")
    assert not any(is_name(text) for text in lookalikes("kari"))
    assert search_grams("K" + KELVIN) == ["k" + KELVIN]
