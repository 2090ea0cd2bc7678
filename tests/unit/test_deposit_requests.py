"""Requests to add money, in plain values: the key of an attempt, and texts that people type."""

from __future__ import annotations

from uuid import UUID

import pytest

from ledger_project.kernel.errors import ValidationFailed
from transfers.domain.deposit_requests import attempt_key, checked_text

REQUEST = UUID("01a216c7-6198-761b-a7f5-ceb5ba110734")


def test_each_attempt_has_a_key_of_its_own() -> None:
    assert attempt_key(REQUEST, 1) == f"{REQUEST}-1"
    assert len({attempt_key(REQUEST, attempt) for attempt in range(20)}) == 20


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
