"""The kernel: amounts as callers write them, JSON that is exact, and errors that say what would be right."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_project.kernel import errors, refusals
from ledger_project.kernel.amount_input import AmountInput
from ledger_project.kernel.exact_json import dumps, dumps_text
from ledger_project.kernel.money import MAX_AMOUNT_MINOR, CurrencyUnit, Money

USD = CurrencyUnit("USD", 2)
SOME_ID = UUID("01a1fc35-d5a5-775d-b78f-46dff00cbdd2")


def test_an_amount_is_read_in_either_spelling() -> None:
    assert AmountInput(major="1.50").resolve(USD) == 150
    assert AmountInput(minor=150).resolve(USD) == 150
    assert AmountInput(minor=150).resolve_optional(USD) == 150
    assert AmountInput().resolve_optional(USD) is None


@pytest.mark.parametrize(
    ("amount", "field", "code"),
    [
        (AmountInput(), "amount", "required"),
        (AmountInput("1", 100), "amount", "conflict"),
        (AmountInput("0"), "amount", "min_value"),
        (AmountInput("1.000"), "amount", "max_decimal_places"),
        (AmountInput(str(MAX_AMOUNT_MINOR)), "amount", "max_value"),
        (AmountInput(minor=0), "amount_minor", "min_value"),
        (AmountInput(minor=-1), "amount_minor", "min_value"),
        (AmountInput(minor=MAX_AMOUNT_MINOR + 1), "amount_minor", "max_value"),
    ],
)
def test_an_amount_that_cannot_be_moved_names_its_field(amount: AmountInput, field: str, code: str) -> None:
    with pytest.raises(errors.ValidationFailed) as caught:
        amount.resolve(USD)
    assert [(e.field, e.code) for e in caught.value.errors] == [(field, code)]


def test_what_is_no_amount_in_any_currency_is_told_before_the_currency_is_known() -> None:
    absent, decimals = AmountInput(), AmountInput(major="1." + "1" * 30)
    assert absent.checked(optional=True) is absent
    assert decimals.checked() is decimals
    assert AmountInput(minor=1).checked(optional=True).minor == 1
    for amount in (absent, AmountInput("1", 1), AmountInput("0.00"), AmountInput("x"), AmountInput(minor=0)):
        with pytest.raises(errors.ValidationFailed):
            amount.checked()


@pytest.mark.parametrize(
    ("spelt", "expected"),
    [
        ({"major": "0"}, 0), ({"major": "0.00"}, 0), ({"minor": 0}, 0), ({"major": "1.5"}, 150), ({"minor": 7}, 7),
        ({}, ("limit", "required")), ({"major": "1", "minor": 1}, ("limit", "conflict")), ({"major": "-1"}, ("limit", "invalid")),
        ({"minor": -1}, ("limit_minor", "min_value")), ({"minor": MAX_AMOUNT_MINOR + 1}, ("limit_minor", "max_value")),
    ],
)  # fmt: skip
def test_an_amount_that_may_be_zero_is_told_by_its_own_name(spelt: dict[str, Any], expected: object) -> None:
    limit = AmountInput(**spelt, name="limit", may_be_zero=True)
    for read in (lambda: limit.checked().resolve(USD), lambda: limit.resolve(USD)):
        if isinstance(expected, int):
            assert read() == expected
            continue
        with pytest.raises(errors.ValidationFailed) as refused:
            read()
        (error,) = refused.value.errors
        assert (error.field, error.code) == expected


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_json_is_exact_and_compact(value: object) -> None:
    import json

    assert json.loads(dumps(value)) == value
    assert dumps_text(value).encode() == dumps(value)


MONEY = Money(100, USD)
ERRORS: dict[str, tuple[errors.LedgerError, dict[str, object]]] = {
    "malformed_json": (errors.MalformedJson("x"), {}),
    "invalid_cursor": (errors.InvalidCursor(), {}),
    "same_account": (errors.SameAccount(), {}),
    "unknown_currency": (errors.UnknownCurrency("usd"), {}),
    "idempotency_key_missing": (errors.IdempotencyKeyMissing(), {}),
    "idempotency_key_invalid": (errors.IdempotencyKeyInvalid(), {}),
    "idempotency_key_reused": (errors.IdempotencyKeyReused(), {}),
    "idempotency_in_progress": (errors.IdempotencyInProgress(), {}),
    "database_unavailable": (errors.DatabaseUnavailable("x"), {}),
    "payload_too_large": (errors.PayloadTooLarge(7), {}),
    "unsupported_media_type": (errors.UnsupportedMediaType("x"), {}),
    "method_not_allowed": (errors.MethodNotAllowed("PUT"), {}),
    "not_found": (errors.RouteNotFound("/x"), {}),
    "merchant_not_found": (refusals.MerchantNotFound("x"), {"merchant_name": "x"}),
    "account_not_found": (refusals.AccountNotFound(SOME_ID), {"account_id": str(SOME_ID)}),
    "transfer_not_found": (refusals.TransferNotFound(SOME_ID), {"transfer_id": str(SOME_ID)}),
    "hold_not_found": (refusals.HoldNotFound(SOME_ID), {"hold_id": str(SOME_ID)}),
    "merchant_exists": (refusals.MerchantExists("x"), {}),
    "account_exists": (refusals.AccountExists("x", "USD", SOME_ID), {"account_id": str(SOME_ID)}),
    "account_frozen": (refusals.AccountFrozen("x", "USD"), {"merchant_name": "x", "currency": "USD"}),
    "account_closed": (refusals.AccountClosed("x", "USD"), {"merchant_name": "x", "currency": "USD"}),
    "currency_inactive": (refusals.CurrencyInactive("EUR"), {"currency": "EUR"}),
    "currency_mismatch": (refusals.CurrencyMismatch("USD", "EUR"), {}),
    "fee_not_configured": (refusals.FeeNotConfigured("x", "USD"), {}),
    "fee_exceeds_amount": (refusals.FeeExceedsAmount(MONEY, MONEY), {"currency": "USD", "amount": MONEY, "fee": MONEY}),
    "duplicate_external_reference": (
        refusals.DuplicateExternalReference("r", SOME_ID),
        {"external_reference": "r", "transfer_id": str(SOME_ID)},
    ),
    "balance_limit_exceeded": (refusals.BalanceLimitExceeded("x", "USD"), {}),
    "already_reversed": (refusals.AlreadyReversed(SOME_ID), {}),
    "not_reversible": (refusals.NotReversible("deposit"), {}),
    "reversal_exceeds_original": (
        refusals.ReversalExceedsOriginal(remaining=MONEY, requested=MONEY),
        {"currency": "USD", "remaining": MONEY, "requested": MONEY},
    ),
    "hold_not_open": (refusals.HoldNotOpen(SOME_ID, "voided"), {"hold_status": "voided"}),
    "hold_expired": (refusals.HoldExpired(SOME_ID, "2026"), {}),
    "capture_exceeds_hold": (
        refusals.CaptureExceedsHold(held=MONEY, requested=MONEY),
        {"currency": "USD", "held": MONEY, "requested": MONEY},
    ),
    "validation_error": (
        errors.ValidationFailed.of("a", "b", "c"),
        {"errors": [{"field": "a", "code": "b", "detail": "c"}]},
    ),
}


@pytest.mark.parametrize("code", ERRORS)
def test_an_error_has_its_code_a_title_a_sentence_and_its_facts(code: str) -> None:
    error, extra = ERRORS[code]
    assert error.code == code
    assert error.title
    assert str(error)
    facts: dict[str, Any] = dict(error.extra())
    assert {name: facts.get(name) for name in extra} == extra


def test_money_is_written_with_its_currency() -> None:
    assert (str(MONEY), MONEY.major, str(Money(-5, CurrencyUnit("JPY", 0)))) == ("1.00 USD", "1.00", "-5 JPY")


def test_an_encoding_that_is_not_read_is_named() -> None:
    assert "'gzip'" in str(errors.UnsupportedMediaType("application/json", encoding="gzip"))
    assert "'text/plain'" in str(errors.UnsupportedMediaType("text/plain"))


@pytest.mark.parametrize(
    ("currencies", "open_holds", "words"),
    [(["EUR", "USD"], 0, "money in EUR, USD;"), ([], 1, "1 open hold;"), (["EUR"], 2, "money in EUR and 2 open holds;")],
)
def test_what_keeps_a_merchant_from_being_closed_is_named(currencies: list[str], open_holds: int, words: str) -> None:
    refusal = refusals.AccountNotEmpty("alice", currencies=currencies, open_holds=open_holds)
    assert words in str(refusal)
    assert refusal.extra() == {"merchant_name": "alice", "currencies": currencies, "open_holds": open_holds}


def test_clocks_that_differ_say_by_how_much_and_when_to_come_back() -> None:
    error = errors.ClocksDiffer(7.25)
    assert (error.difference_s, error.retry_after_s, error.code) == (7.25, 10, "database_unavailable")
    assert "7.2 s" in str(error)


def test_a_busy_account_may_be_asked_for_again() -> None:
    assert (errors.AccountBusy().code, errors.AccountBusy().retry_after_s) == ("account_busy", 1)
