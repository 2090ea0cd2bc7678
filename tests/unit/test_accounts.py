"""Which state counts for an account."""

from __future__ import annotations

import pytest

from merchants.domain import Status, effective_status

ACTIVE, FROZEN, CLOSED = Status


@pytest.mark.parametrize(
    ("account", "merchant", "expected"),
    [
        (ACTIVE, ACTIVE, ACTIVE),
        (ACTIVE, FROZEN, FROZEN),
        (ACTIVE, CLOSED, CLOSED),
        (FROZEN, ACTIVE, FROZEN),
        (FROZEN, FROZEN, FROZEN),
        (FROZEN, CLOSED, CLOSED),
        (CLOSED, ACTIVE, CLOSED),
        (CLOSED, FROZEN, CLOSED),
        (CLOSED, CLOSED, CLOSED),
    ],
)
def test_an_account_is_at_most_as_open_as_its_merchant(account: Status, merchant: Status, expected: Status) -> None:
    assert effective_status(account, merchant) is expected
    assert effective_status(account.value, merchant.value) is expected
