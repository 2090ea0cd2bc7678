"""What a command came to: posted or refused, with the same members."""

from __future__ import annotations

import pytest

from ledger_project.kernel.errors import SameAccount
from transfers.domain.outcome import Posted, Refused, required


def test_a_refusal_has_made_nothing_and_what_was_posted_has_no_refusal() -> None:
    refused = Refused(SameAccount())
    assert (refused.transfer, refused.account, refused.hold, refused.merchant) == (None, None, None, None)
    assert Posted().refusal is None


def test_a_member_that_must_be_there_is_never_answered_as_nothing() -> None:
    assert required("hold") == "hold"
    with pytest.raises(LookupError):
        required(None)
