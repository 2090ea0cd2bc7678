"""The database refuses what must never be: each guard is attacked with raw SQL on a connection of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connection

from tests.factories import unique

SCHEDULE_OF_ALL = "SELECT id FROM fees_feeschedule WHERE merchant_id IS NULL AND currency_id IS NULL LIMIT 1"


class Attacker:
    """A raw connection with accounts of its own: a wallet holding 1000, another one, their outside, and one in another currency."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw
        self.now = datetime.now(UTC)
        self.merchant = self._insert("merchants_merchant", id=uuid4(), name=unique("g"), status="active", metadata="{}")
        self.other = self._insert("merchants_merchant", id=uuid4(), name=unique("g"), status="active", metadata="{}")
        self.wallet = self.account(self.merchant, "USD", "wallet")
        self.external = self.account(self.merchant, "USD", "external")
        self.target = self.account(self.other, "USD", "wallet")
        self.euros = self.account(self.other, "EUR", "wallet")
        opening = self.transfer(self.external, self.wallet, 1000, kind="opening")
        self.entries(
            (self.external, 1, opening, "DEBIT", 1000, -1000),
            (self.wallet, 1, opening, "CREDIT", 1000, 1000),
        )

    def _insert(self, table: str, **values: object) -> UUID:
        columns, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        self.raw.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(values.values()))
        return values["id"]  # type: ignore[return-value]

    def account(self, merchant: UUID, currency: str, kind: str) -> UUID:
        return self._insert(
            "merchants_account",
            id=uuid4(), merchant_id=merchant, currency_id=currency, kind=kind, status="active", overdraft_limit_minor=0,
        )  # fmt: skip

    def transfer(self, source: UUID, target: UUID, amount: int, **changes: object) -> UUID:
        values: dict[str, object] = {
            "id": uuid4(), "kind": "transfer", "source_id": source, "target_id": target, "currency_id": "USD", "amount_minor": amount,
            "fee_minor": 0, "total_debit_minor": amount, "metadata": "{}", "principal": "raw", "request_id": "", "created_at": self.now,
        }  # fmt: skip
        return self._insert("transfers_transfer", **(values | changes))

    def entries(self, *rows: tuple[UUID, int, UUID, str, int, int], at: datetime | None = None) -> None:
        marks = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s, %s)"] * len(rows))
        values: list[object] = []
        for account, sequence, transfer, direction, amount, balance in rows:
            digest = hashlib.sha256(f"{account}{sequence}".encode()).digest()
            values += [account, sequence, transfer, direction, "transfer", amount, balance, at or self.now, digest]
        self.raw.execute(
            "INSERT INTO transfers_ledgerentry (account_id, sequence, transfer_id, direction, type, amount_minor, balance_after_minor, "
            f"created_at, hash) VALUES {marks}",
            values,
        )


@pytest.fixture
def attacker() -> Iterator[Attacker]:
    values = connection.settings_dict
    raw = psycopg.connect(
        host=values["HOST"],
        port=values["PORT"] or None,
        user=values["USER"],
        password=values.get("PASSWORD") or None,
        dbname=values["NAME"],
    )
    yield Attacker(raw)
    raw.rollback()
    raw.close()


def test_an_honest_posting_is_taken(attacker: Attacker) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    attacker.entries((attacker.wallet, 2, posted, "DEBIT", 400, 600), (attacker.target, 1, posted, "CREDIT", 400, 400))


def refused(attacker: Attacker, message: str, *rows: tuple[UUID, int, UUID, str, int, int], at: datetime | None = None) -> None:
    with pytest.raises(psycopg.IntegrityError, match=message):
        attacker.entries(*rows, at=at)


def test_debits_that_are_not_credits(attacker: Attacker) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    refused(
        attacker,
        "debits and credits differ by -1",
        (attacker.wallet, 2, posted, "DEBIT", 400, 600),
        (attacker.target, 1, posted, "CREDIT", 401, 401),
    )


def test_a_single_entry(attacker: Attacker) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    refused(attacker, "debits and credits differ", (attacker.target, 1, posted, "CREDIT", 400, 400))


def test_a_wrong_balance_after(attacker: Attacker) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    refused(
        attacker,
        "balance_after is not the previous balance",
        (attacker.wallet, 2, posted, "DEBIT", 400, 601),
        (attacker.target, 1, posted, "CREDIT", 400, 400),
    )


def test_a_wrong_balance_after_within_one_statement(attacker: Attacker) -> None:
    first, second = attacker.transfer(attacker.wallet, attacker.target, 1), attacker.transfer(attacker.wallet, attacker.target, 1)
    refused(
        attacker,
        "balance_after is not the previous balance",
        (attacker.wallet, 2, first, "DEBIT", 1, 999),
        (attacker.target, 1, first, "CREDIT", 1, 1),
        (attacker.wallet, 3, second, "DEBIT", 1, 998),
        (attacker.target, 2, second, "CREDIT", 1, 3),
    )


def test_a_gap_in_the_sequence(attacker: Attacker) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    refused(
        attacker,
        "gap in sequence",
        (attacker.wallet, 3, posted, "DEBIT", 400, 600),
        (attacker.target, 1, posted, "CREDIT", 400, 400),
    )


def test_a_first_entry_that_is_not_number_one(attacker: Attacker) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    refused(
        attacker,
        "gap in sequence",
        (attacker.wallet, 2, posted, "DEBIT", 400, 600),
        (attacker.target, 2, posted, "CREDIT", 400, 400),
    )


def test_a_number_twice(attacker: Attacker) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    refused(attacker, "duplicate key", (attacker.wallet, 1, posted, "DEBIT", 400, 600), (attacker.target, 1, posted, "CREDIT", 400, 400))


def test_a_balance_below_zero(attacker: Attacker) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 1001)
    refused(
        attacker,
        "balance below what the account may hold",
        (attacker.wallet, 2, posted, "DEBIT", 1001, -1),
        (attacker.target, 1, posted, "CREDIT", 1001, 1001),
    )


def test_a_balance_that_is_below_zero_only_on_the_way(attacker: Attacker) -> None:
    out, back = attacker.transfer(attacker.wallet, attacker.target, 1001), attacker.transfer(attacker.target, attacker.wallet, 1001)
    refused(
        attacker,
        "balance below what the account may hold",
        (attacker.wallet, 2, out, "DEBIT", 1001, -1),
        (attacker.target, 1, out, "CREDIT", 1001, 1001),
        (attacker.target, 2, back, "DEBIT", 1001, 0),
        (attacker.wallet, 3, back, "CREDIT", 1001, 1000),
    )


def test_entries_in_another_currency(attacker: Attacker) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    refused(
        attacker,
        "another currency",
        (attacker.wallet, 2, posted, "DEBIT", 400, 600),
        (attacker.euros, 1, posted, "CREDIT", 400, 400),
    )


def test_a_transfer_between_currencies(attacker: Attacker) -> None:
    with pytest.raises(psycopg.IntegrityError, match="accounts are of another currency"):
        attacker.transfer(attacker.wallet, attacker.euros, 400)


@pytest.mark.parametrize("amount", [0, -400])
def test_an_entry_of_nothing_or_less(attacker: Attacker, amount: int) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    refused(
        attacker,
        "entry_amount_positive",
        (attacker.wallet, 2, posted, "DEBIT", amount, 1000 - amount),
        (attacker.target, 1, posted, "CREDIT", amount, amount),
    )


@pytest.mark.parametrize("amount", [0, -1])
def test_a_transfer_of_nothing_or_less(attacker: Attacker, amount: int) -> None:
    with pytest.raises(psycopg.IntegrityError, match="transfer_amount_positive"):
        attacker.transfer(attacker.wallet, attacker.target, amount)


def test_entries_of_no_transfer(attacker: Attacker) -> None:
    nobody = uuid4()
    refused(
        attacker,
        "transfer does not exist",
        (attacker.wallet, 2, nobody, "DEBIT", 400, 600),
        (attacker.target, 1, nobody, "CREDIT", 400, 400),
    )


def test_entries_of_no_account(attacker: Attacker) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    refused(
        attacker,
        "account does not exist",
        (attacker.wallet, 2, posted, "DEBIT", 400, 600),
        (uuid4(), 1, posted, "CREDIT", 400, 400),
    )


def test_a_transfer_of_no_account(attacker: Attacker) -> None:
    with pytest.raises(psycopg.IntegrityError, match="target does not exist"):
        attacker.transfer(attacker.wallet, uuid4(), 400)


def test_a_transfer_by_no_schedule(attacker: Attacker) -> None:
    with pytest.raises(psycopg.IntegrityError, match="fee schedule does not exist"):
        attacker.transfer(attacker.wallet, attacker.target, 400, fee_minor=4, fee_schedule_id=uuid4())


def test_a_fee_without_a_schedule(attacker: Attacker) -> None:
    with pytest.raises(psycopg.IntegrityError, match="transfer_fee_has_schedule"):
        attacker.transfer(attacker.wallet, attacker.target, 400, fee_minor=4)


def test_entries_added_to_a_posted_transfer_even_if_they_balance(attacker: Attacker) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    attacker.entries((attacker.wallet, 2, posted, "DEBIT", 400, 600), (attacker.target, 1, posted, "CREDIT", 400, 400))
    refused(
        attacker,
        "was posted before",
        (attacker.wallet, 3, posted, "DEBIT", 100, 500),
        (attacker.target, 2, posted, "CREDIT", 100, 500),
    )


def test_an_entry_that_is_older_than_the_one_before(attacker: Attacker) -> None:
    early = datetime(2020, 1, 1, tzinfo=UTC)
    posted = attacker.transfer(attacker.wallet, attacker.target, 400, created_at=early)
    refused(
        attacker,
        "time runs backwards",
        (attacker.wallet, 2, posted, "DEBIT", 400, 600),
        (attacker.target, 1, posted, "CREDIT", 400, 400),
        at=early,
    )


def test_a_reversal_of_more_than_the_original(attacker: Attacker) -> None:
    original = attacker.transfer(attacker.wallet, attacker.target, 400)
    attacker.transfer(attacker.target, attacker.wallet, 300, kind="reversal", reverses_id=original)
    with pytest.raises(psycopg.IntegrityError, match="reversed by more than its amount"):
        attacker.transfer(attacker.target, attacker.wallet, 101, kind="reversal", reverses_id=original)


def test_a_reversal_of_what_cannot_be_reversed(attacker: Attacker) -> None:
    original = attacker.transfer(attacker.external, attacker.wallet, 400, kind="deposit")
    with pytest.raises(psycopg.IntegrityError, match="cannot be reversed"):
        attacker.transfer(attacker.wallet, attacker.external, 400, kind="reversal", reverses_id=original)


def test_an_external_reference_twice_on_one_account(attacker: Attacker) -> None:
    attacker.transfer(attacker.wallet, attacker.target, 1, external_reference="invoice 7")
    with pytest.raises(psycopg.IntegrityError, match="transfer_external_reference_unique"):
        attacker.transfer(attacker.wallet, attacker.target, 1, external_reference="invoice 7")


def test_a_deposit_and_a_payment_share_the_references_of_their_wallet(attacker: Attacker) -> None:
    attacker.transfer(attacker.external, attacker.wallet, 1, kind="deposit", external_reference="notice 7")
    with pytest.raises(psycopg.IntegrityError, match="transfer_external_reference_unique"):
        attacker.transfer(attacker.wallet, attacker.target, 1, external_reference="notice 7")


@pytest.mark.parametrize("table", ["transfers_ledgerentry", "transfers_transfer", "fees_feeschedule"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {} SET created_at = now()", "DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET created_at = now() WHERE false"],
)
def test_history_is_never_changed(attacker: Attacker, table: str, statement: str) -> None:
    with pytest.raises(psycopg.IntegrityError, match="ledger: .* is refused"):
        attacker.raw.execute(statement.format(table))


@pytest.mark.parametrize("table", ["merchants_account", "merchants_merchant", "transfers_hold"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_what_history_refers_to_is_never_deleted(attacker: Attacker, table: str, statement: str) -> None:
    attacker.raw.rollback()  # foreign keys of rows inserted here are still to be checked, which would forbid TRUNCATE by itself
    with pytest.raises(psycopg.IntegrityError, match="ledger: .* is refused"):
        attacker.raw.execute(statement.format(table))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE merchants_account SET currency_id = 'EUR' WHERE id = %(wallet)s",
        "UPDATE merchants_account SET kind = 'external' WHERE id = %(wallet)s",
        "UPDATE merchants_account SET merchant_id = %(other)s WHERE id = %(wallet)s",
        "UPDATE merchants_merchant SET name = 'somebody-else' WHERE id = %(merchant)s",
        "UPDATE merchants_currency SET exponent = 3 WHERE code = 'USD'",
    ],
)
def test_identities_never_change(attacker: Attacker, statement: str) -> None:
    with pytest.raises(psycopg.IntegrityError, match="ledger: update of .* is refused"):
        attacker.raw.execute(statement, {"wallet": attacker.wallet, "merchant": attacker.merchant, "other": attacker.other})


def test_a_name_twice_in_other_letters(attacker: Attacker) -> None:
    (name,) = attacker.raw.execute("SELECT name FROM merchants_merchant WHERE id = %s", [attacker.merchant]).fetchone() or ("",)
    with pytest.raises(psycopg.IntegrityError, match="merchant_name_unique"):
        attacker._insert("merchants_merchant", id=uuid4(), name=name.upper(), status="active", metadata="{}")


def test_a_key_twice_for_one_owner(attacker: Attacker) -> None:
    statement = "INSERT INTO transfers_idempotencyrecord (id, owner, key, fingerprint, created_at, expires_at) VALUES (%s, 'p', 'k', '\\x', now(), now())"
    attacker.raw.execute(statement, [uuid4()])
    with pytest.raises(psycopg.IntegrityError, match="idempotency_owner_key_unique"):
        attacker.raw.execute(statement, [uuid4()])


def hold(attacker: Attacker) -> UUID:
    (schedule_id,) = attacker.raw.execute(SCHEDULE_OF_ALL).fetchone() or (None,)
    return attacker._insert(
        "transfers_hold",
        id=uuid4(), source_id=attacker.wallet, source_merchant_id=attacker.merchant, target_merchant_id=attacker.other, currency_id="USD",
        amount_minor=100, reserved_minor=101, captured_minor=0, status="open", fee_schedule_id=schedule_id, metadata="{}",
        expires_at=attacker.now, created_at=attacker.now,
    )  # fmt: skip


@pytest.mark.parametrize("change", ["amount_minor = 90", "expires_at = now() + interval '1 year'", "reserved_minor = 200"])
def test_the_terms_of_a_hold_never_change(attacker: Attacker, change: str) -> None:
    with pytest.raises(psycopg.IntegrityError, match="its terms never change"):
        attacker.raw.execute(f"UPDATE transfers_hold SET {change} WHERE id = %s", [hold(attacker)])


def test_a_hold_ends_once(attacker: Attacker) -> None:
    held = hold(attacker)
    attacker.raw.execute("UPDATE transfers_hold SET status = 'voided' WHERE id = %s", [held])
    with pytest.raises(psycopg.IntegrityError, match="an open hold ends once"):
        attacker.raw.execute("UPDATE transfers_hold SET status = 'expired' WHERE id = %s", [held])


@pytest.mark.parametrize(
    ("changes", "guard"),
    [
        ({"rate": "1.5"}, "fee_schedule_rate_range"),
        ({"flat_minor": 5}, "fee_schedule_money_needs_currency"),
        ({"currency_id": "USD", "minimum_minor": 9, "maximum_minor": 8}, "fee_schedule_minimum_below_maximum"),
        ({"currency_id": "USD", "tier_mode": "volume"}, "fee_schedule_tiers_have_mode"),
        ({"version": 2}, "must follow the version before it"),
        ({"rate": "NaN"}, "fee_schedule_rate_range"),
        *(({"currency_id": "USD", name: "NaN"}, "fee_schedule_money_bounded") for name in ("flat_minor", "minimum_minor", "maximum_minor")),
        *(({"currency_id": "USD", name: 10**30 + 1}, "fee_schedule_money_bounded") for name in ("flat_minor", "minimum_minor", "maximum_minor")),
        *(({"currency_id": "USD", name: -1}, "fee_schedule_money_not_negative") for name in ("flat_minor", "minimum_minor", "maximum_minor")),
        ({"effective_from": "9999-12-31T23:59:59.999999-14:00"}, "fee_schedule_effective_from_range"),
        ({"effective_from": "infinity"}, "fee_schedule_effective_from_range"),
        ({"effective_from": "-infinity"}, "fee_schedule_effective_from_range"),
        ({"effective_from": "2900-01-01T00:00:00Z"}, "within ten years"),
        *(
            ({"currency_id": "USD", "tier_mode": "volume", "tiers": tiers}, "tiers that cannot be charged")
            for tiers in (
                '{"up_to_minor": null}', '"x"', "[1]", "[[]]", "[null]", '["up_to_minor"]', "[{}]", '[{"up_to_minor": 5}]',
                '[{"up_to_minor": null}, {"up_to_minor": null}]', '[{"up_to_minor": 5}, {"up_to_minor": 5}, {"up_to_minor": null}]',
                '[{"up_to_minor": 5.5}, {"up_to_minor": null}]', '[{"up_to_minor": "5"}, {"up_to_minor": null}]',
                '[{"up_to_minor": 0}, {"up_to_minor": null}]', '[{"up_to_minor": 1e400}, {"up_to_minor": null}]',
                '[{"up_to_minor": null, "flat_minor": -1}]', '[{"up_to_minor": null, "flat_minor": 1e31}]',
                '[{"up_to_minor": null, "flat_minor": "NaN"}]', '[{"up_to_minor": null, "flat_minor": null}]',
                '[{"up_to_minor": null, "flat_minor": 2000000000000000000000000000000}]', '[{"up_to_minor": null, "rate": "NaN"}]',
                '[{"up_to_minor": null, "rate": 0.5}]', '[{"up_to_minor": null, "rate": "1.5"}]', '[{"up_to_minor": null, "rate": "1e-3"}]',
                '[{"up_to_minor": null, "rate": "0.12345678901"}]', '[{"up_to_minor": null, "rate": "１"}]',
                '[{"up_to_minor": null, "more": 1}]', "[" + ",".join(f'{{"up_to_minor": {n + 1}}}' for n in range(50)) + ',{"up_to_minor": null}]',
            )
        ),
    ],
)  # fmt: skip
def test_fee_schedules_make_sense(attacker: Attacker, changes: dict[str, object], guard: str) -> None:
    values: dict[str, object] = {
        "id": uuid4(), "version": 1, "merchant_id": attacker.merchant, "rate": "0.01", "flat_minor": 0, "tiers": "[]",
        "rounding": "half_even", "payer": "sender", "effective_from": attacker.now, "note": "attack",
    }  # fmt: skip
    with pytest.raises(psycopg.IntegrityError, match=guard):
        attacker._insert("fees_feeschedule", **(values | changes))


def test_what_the_application_accepts_the_guard_of_fees_accepts(attacker: Attacker) -> None:
    tiers = (
        '[{"up_to_minor": 5, "rate": "1.000"}, {"up_to_minor": 1000000000000000000000000000000, "flat_minor": 3}, {"up_to_minor": null}]'
    )
    attacker._insert(
        "fees_feeschedule",
        id=uuid4(), version=1, merchant_id=attacker.merchant, currency_id="USD", rate="1", flat_minor=10**30, minimum_minor=10**30,
        maximum_minor=10**30, tier_mode="graduated", tiers=tiers, rounding="half_even", payer="sender", effective_from=attacker.now, note="large",
    )  # fmt: skip


def test_a_version_comes_into_force_after_the_one_before(attacker: Attacker) -> None:
    values: dict[str, object] = {
        "rate": "0.01", "flat_minor": 0, "tiers": "[]", "rounding": "half_even", "payer": "sender", "effective_from": attacker.now,
        "note": "attack", "merchant_id": attacker.merchant,
    }  # fmt: skip
    attacker._insert("fees_feeschedule", id=uuid4(), version=1, **values)
    with pytest.raises(psycopg.IntegrityError, match="must follow the version before it"):
        attacker._insert("fees_feeschedule", id=uuid4(), version=2, **values)
