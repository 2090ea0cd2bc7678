"""Requests to add money, in plain values: texts that people type."""

from __future__ import annotations

import pytest

from ledger_project.kernel.errors import ValidationFailed
from transfers.domain.deposit_requests import checked_text


def test_blanks_around_a_text_do_not_count() -> None:
    assert checked_text("reference", "  BANK 17\n", 7) == "BANK 17"


@pytest.mark.parametrize(
    ("text", "code"), [("", "required"), (" \t", "required"), ("12345678", "max_length"), ("a\x00b", "null_characters_not_allowed")]
)
def test_a_text_that_cannot_be_kept_is_refused_by_name(text: str, code: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        checked_text("reference", text, 7)
    ((error),) = refused.value.errors
    assert (error.field, error.code) == ("reference", code)
