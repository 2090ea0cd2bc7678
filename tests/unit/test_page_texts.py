"""The items of pages, written from text columns, are byte for byte what a JSON library writes of the values."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger_project.http.members import stored_timestamp, timestamp
from ledger_project.kernel.exact_json import dumps, dumps_text, rewritten, text_or_null
from ledger_project.kernel.money import CurrencyUnit, format_minor, format_minor_text
from merchants.domain import MerchantIdentity, WalletIdentity
from merchants.selectors import Party
from merchants.serializers import merchant_json, merchant_texts
from transfers.domain.commands import HoldTerms
from transfers.domain.facts import HoldState
from transfers.domain.hold_outcomes import HoldStatus
from transfers.selectors.balances import BalanceRow
from transfers.selectors.entries import StoredEntry
from transfers.selectors.holds import HoldPage
from transfers.selectors.merchant_lists import MerchantPage
from transfers.selectors.merchants import StoredMerchant
from transfers.selectors.statements import StatementPage
from transfers.selectors.transfer_lists import TransferPage
from transfers.selectors.transfers import StoredTransfer
from transfers.serializers.holds import hold_json, hold_texts
from transfers.serializers.statements import entry_json, line_texts
from transfers.serializers.transfers import transfer_json, transfer_texts

ODD = '"quoted" \\back\\ /slash/ \b\f\n\r\t\x01\x1f\x7f \u2028\u2029 \u00e9\u00df\u4e2d\U0001f600 </script> \ufeff\uffff'

# Text as PostgreSQL keeps it: no NUL, no surrogates.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40) | st.just(ODD)
perhaps = st.none() | texts
exponents = st.sampled_from([0, 2, 8, 18, 30])
amounts = st.integers(1, 10**38 - 1) | st.sampled_from([1, 9, 10, 99, 100, 2**53 + 1, 2**64, 10**30, 10**38 - 1])
balances = amounts | amounts.map(lambda value: -value) | st.just(0)
ids = st.uuids()
moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy adds the zone
numbers = st.integers(-(2**53), 2**53) | st.sampled_from([0.5, -1.25, 100.0])
objects = st.dictionaries(texts, numbers | texts | st.booleans() | st.none() | st.lists(texts, max_size=2), max_size=3)


def stored(moment: datetime) -> str:
    """Return a time as PostgreSQL writes it: without the zeros at its end."""
    whole, _, fraction = moment.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds").partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def jsonb(value: dict[str, Any]) -> str:
    """Return an object as PostgreSQL writes a ``jsonb``: with blanks."""
    return json.dumps(value, ensure_ascii=False) if value else "{}"


def parties(*names: str | None) -> dict[str, Party]:
    """Return parties by the number of their account; one without a name is the outside."""
    return {str(n): Party(f"merchant {n}", name or "", name is None) for n, name in enumerate(names)}


@given(perhaps)
@example(ODD)
def test_a_text_is_escaped_as_the_json_library_does(text: str | None) -> None:
    assert text_or_null(text).encode() == dumps(text)


@given(objects)
@example({ODD: ODD, "a": {"b": [1, 2**70, {}, []], "c": "1.5 , : "}})
def test_metadata_lose_the_blanks_of_the_database(metadata: dict[str, Any]) -> None:
    assert rewritten(jsonb(metadata)) == dumps_text(metadata)


@pytest.mark.parametrize(("stored", "written"), [('{"n": 1.50}', '{"n":1.5}'), ('{"n": 0.0000001}', '{"n":1e-7}')])
def test_a_fraction_is_written_as_python_reads_it(stored: str, written: str) -> None:
    assert rewritten(stored) == written


@given(balances, exponents)
def test_an_amount_is_written_from_its_text_as_from_its_number(minor: int, exponent: int) -> None:
    assert format_minor_text(str(minor), exponent) == format_minor(minor, exponent)


@pytest.mark.parametrize("exponent", [0, 2, 30])
def test_what_is_no_number_is_not_written_as_an_amount(exponent: int) -> None:
    with pytest.raises(ValueError, match="NaN"):
        format_minor_text("NaN", exponent)


@given(moments)
@example(datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC))
@example(datetime(2026, 1, 31, 23, 59, 59, 500_000, tzinfo=UTC))
def test_a_time_is_written_from_its_text_as_from_its_value(moment: datetime) -> None:
    assert stored_timestamp(stored(moment)) == timestamp(moment)


@given(
    amount=amounts, balance=balances, exponent=exponents, memo=perhaps, reference=perhaps, name=texts, at=moments, transfer=ids,
    direction=st.sampled_from(["CREDIT", "DEBIT"]),
)  # fmt: skip
@example(
    amount=10**38 - 1, balance=1 - 10**38, exponent=30, memo=ODD, reference=ODD, name="a", at=datetime(2026, 1, 1, tzinfo=UTC),
    transfer=UUID(int=7), direction="DEBIT",
)  # fmt: skip
def test_a_line_of_a_statement(
    *,
    amount: int,
    balance: int,
    exponent: int,
    memo: str | None,
    reference: str | None,
    name: str,
    at: datetime,
    transfer: UUID,
    direction: str,
) -> None:
    wallet = WalletIdentity(UUID(int=2**100 + 5), MerchantIdentity(UUID(int=3), "own"), CurrencyUnit("XYZ", exponent))
    row = (7, str(transfer), direction, "transfer", str(amount), str(balance), "transfer", "0", "1", None, memo, reference, stored(at))
    named = {"0": Party(str(UUID(int=3)), "own", False), "1": Party("other", name, False)}
    expected = StoredEntry(
        id=uuid5(NAMESPACE_OID, f"{wallet.id}:7"), account_id=wallet.id, account_kind="wallet", transfer_id=transfer, sequence=7, direction=direction,
        type="transfer", amount_minor=amount, balance_after_minor=balance, currency=wallet.currency, counterparty=name, memo=memo,
        external_reference=reference, created_at=at,
    )  # fmt: skip
    page = StatementPage(wallet, [row], named, until=7, ends_minor=None)
    assert line_texts(page) == [dumps_text(entry_json(expected))]


@pytest.mark.parametrize(
    ("entry_type", "kind", "source", "target", "receiver", "expected"),
    [
        ("transfer", "transfer", "own", "other", None, "other"),
        ("transfer", "transfer", "other", "own", None, "other"),
        ("fee", "transfer", "own", "other", None, None),
        ("fee_refund", "reversal", "other", "own", None, None),
        ("deposit", "deposit", "outside", "own", None, None),
        ("withdrawal", "withdrawal", "own", "outside", None, None),
        ("hold", "hold", "own", "own", "third", "third"),
        ("hold_release", "hold_release", "own", "own", "third", "third"),
        ("hold_release", "capture", "own", "other", "third", "other"),
        ("fee_settlement", "fee_settlement", "other", "own", None, "other"),
    ],
)
def test_the_counterparty_of_a_line(
    *, entry_type: str, kind: str, source: str, target: str, receiver: str | None, expected: str | None
) -> None:
    own = UUID(int=3)
    wallet = WalletIdentity(UUID(int=5), MerchantIdentity(own, "own"), CurrencyUnit("USD", 2))
    named = {
        "own": Party(str(own), "own", False), "other": Party("2", "other", False), "third": Party("3", "third", False),
        "outside": Party(str(own), "own", True),
    }  # fmt: skip
    row = (1, str(UUID(int=1)), "DEBIT", entry_type, "1", "1", kind, source, target, receiver, None, None, "2026-01-01 00:00:00")
    (text,) = line_texts(StatementPage(wallet, [row], named, until=1, ends_minor=None))
    assert json.loads(text)["counterparty"] == expected


@given(
    amount=amounts, fee=st.integers(0, 10**30), exponent=exponents, memo=perhaps, reference=perhaps, metadata=objects, at=moments,
    schedule=st.none() | ids, reverses=st.none() | ids, source=perhaps, target=perhaps,
)  # fmt: skip
def test_a_listed_transfer(
    *,
    amount: int, fee: int, exponent: int, memo: str | None, reference: str | None, metadata: dict[str, Any], at: datetime,
    schedule: UUID | None, reverses: UUID | None, source: str | None, target: str | None,
) -> None:  # fmt: skip
    version = None if schedule is None else 3
    row = (
        str(UUID(int=9)), "transfer", "0", "1", "XYZ", str(amount), str(fee), str(amount + fee), None if schedule is None else str(schedule),
        version, None if reverses is None else str(reverses), reference, memo, jsonb(metadata), stored(at),
    )  # fmt: skip
    unit = CurrencyUnit("XYZ", exponent)
    expected = StoredTransfer(
        id=UUID(int=9), kind="transfer", from_merchant=source, to_merchant=target, currency=unit, amount_minor=amount, fee_minor=fee,
        total_debit_minor=amount + fee, schedule_id=schedule, schedule_version=version, reverses=reverses, external_reference=reference,
        memo=memo, metadata=metadata, created_at=at,
    )  # fmt: skip
    page = TransferPage([row], parties(source, target), {"XYZ": unit})
    assert transfer_texts(page) == [dumps_text(transfer_json(expected))]


@given(
    amount=amounts, exponent=exponents, memo=perhaps, metadata=objects, expires=moments, at=moments, capture=st.none() | ids,
    status=st.sampled_from(HoldStatus),
)  # fmt: skip
def test_a_listed_hold(
    *,
    amount: int, exponent: int, memo: str | None, metadata: dict[str, Any], expires: datetime, at: datetime, capture: UUID | None,
    status: HoldStatus,
) -> None:  # fmt: skip
    unit = CurrencyUnit("XYZ", exponent)
    source, target = MerchantIdentity(UUID(int=1), "one"), MerchantIdentity(UUID(int=2), "two")
    row = (
        str(UUID(int=9)), status.value, "0", "1", "XYZ", str(amount), str(amount + 1), "0", stored(expires),
        None if capture is None else str(capture), memo, jsonb(metadata), stored(at),
    )  # fmt: skip
    terms = HoldTerms(
        id=UUID(int=9), source=source, target=target, currency=unit, amount_minor=amount, reserved_minor=amount + 1,
        schedule=None, expires_at=expires, memo=memo, metadata=metadata, created_at=at,
    )  # fmt: skip
    expected = HoldState(terms=terms, status=status, captured_minor=0, transfer_id=capture)
    assert hold_texts(HoldPage([row], parties("one", "two"), {"XYZ": unit})) == [dumps_text(hold_json(expected))]


@given(shown=perhaps, email=perhaps, metadata=objects, at=moments, balance=balances, held=st.none() | amounts, exponent=exponents)
def test_a_listed_merchant(
    *, shown: str | None, email: str | None, metadata: dict[str, Any], at: datetime, balance: int, held: int | None, exponent: int
) -> None:
    merchant, account, unit = UUID(int=1), UUID(int=2), CurrencyUnit("XYZ", exponent)
    head = (str(merchant), "name", shown, email, "active", jsonb(metadata), stored(at))
    rows = [(*head, str(account), "XYZ", "wallet", str(balance))]
    rows += [] if held is None else [(*head, str(UUID(int=3)), "XYZ", "held", str(held))]
    expected = StoredMerchant(
        id=merchant, name="name", display_name=shown, receipt_email=email, status="active", metadata=metadata, created_at=at,
        balances=[BalanceRow(account, unit, balance, held or 0)],
    )  # fmt: skip
    assert merchant_texts(MerchantPage([rows], {"XYZ": unit})) == [dumps_text(merchant_json(expected))]
    bare = MerchantPage([[(*head, None, None, None, "0")]], {})
    assert json.loads(merchant_texts(bare)[0])["balances"] == []
