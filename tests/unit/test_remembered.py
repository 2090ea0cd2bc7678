"""What is remembered, and what is forgotten."""

from __future__ import annotations

from uuid import UUID

from ledger_project.kernel.bounded_cache import Remembered
from merchants.domain import AccountKind
from transfers.domain.commands import AccountKey


def test_all_is_kept_until_it_would_be_too_much_then_all_is_forgotten() -> None:
    names: Remembered[int, str] = Remembered(3)
    names.remember({1: "a", 2: "b"})
    names.remember({3: "c"})
    assert names == {1: "a", 2: "b", 3: "c"}
    names.remember({4: "d"})
    assert names == {4: "d"}


def test_an_accounts_key_knows_its_merchant() -> None:
    merchant = UUID("0199c0de-0000-7000-8000-00000000abcd")
    assert AccountKey(merchant.int, "USD", AccountKind.WALLET).merchant_id == merchant
