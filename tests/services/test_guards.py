"""The database refuses what must never be: each guard is attacked with raw SQL on a connection of its own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from django.db import connection

from ledger_project.kernel.ids import beside, uuid7_at
from tests.support.factories import merchant, transfer, unique
from tests.support.keys import claim_of
from transfers.domain.hashing import entry_hash, posting_bytes

Row = tuple[Any, ...]
SCHEDULE_OF_ALL = "SELECT id FROM fees_feeschedule WHERE merchant_id IS NULL AND currency_id IS NULL LIMIT 1"


class Attacker:
    """A raw connection with accounts of its own: a wallet holding 1000, another one, their outside, and one in another currency."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw
        raw.execute("SELECT pg_current_xact_id()")  # as a posting does before it reads its time
        self.now = datetime.now(UTC)
        self.posted: dict[UUID, tuple[str, datetime]] = {}
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
        self.commits()

    def _insert(self, table: str, **values: object) -> UUID:
        columns, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        self.raw.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(values.values()))
        return values["id"]

    def account(self, merchant: UUID, currency: str, kind: str) -> UUID:
        return self._insert(
            "merchants_account",
            id=beside(uuid4(), merchant), merchant_id=merchant, currency_id=currency, kind=kind, status="active", overdraft_limit_minor=0,
        )  # fmt: skip

    def transfer(self, source: UUID, target: UUID, amount: int, **changes: object) -> UUID:
        self.now += timedelta(microseconds=1)
        values: dict[str, object] = {
            "id": beside(uuid4(), source), "kind": "transfer", "source_id": source, "target_id": target, "currency_id": "USD", "amount_minor": amount,
            "fee_minor": 0, "total_debit_minor": amount, "metadata": "{}", "principal": "raw", "request_id": "", "created_at": self.now,
        }  # fmt: skip
        values |= changes
        if values.get("external_reference") is not None:
            self.reference(target if values["kind"] == "deposit" else source, values["id"], values["external_reference"])
        posted = self._insert("transfers_transfer", **values)
        self.posted[posted] = str(values["kind"]), values["created_at"]
        return posted

    def reference(self, account: UUID, transfer_id: object, reference: object) -> None:
        """Keep an external reference for a transfer."""
        statement = "INSERT INTO transfers_externalreference (reference, account_id, transfer_id) VALUES (%s, %s, %s)"
        self.raw.execute(statement, [reference, account, transfer_id])

    def entries(self, *rows: Row, at: datetime | None = None) -> None:
        """Insert entries: account, sequence, transfer, direction, amount, balance after it, and the type where it is not the kind."""
        marks = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s, %s)"] * len(rows))
        values: list[object] = []
        for account, sequence, posted, direction, amount, balance, *kinds in rows:
            digest = hashlib.sha256(f"{account}{sequence}".encode()).digest()
            kind, moment = self.posted.get(posted, ("transfer", self.now))
            values += [account, sequence, posted, direction, kinds[0] if kinds else kind, amount, balance, at or moment, digest]
        self.raw.execute(
            "INSERT INTO transfers_ledgerentry (account_id, sequence, transfer_id, direction, type, amount_minor, balance_after_minor, "
            f"created_at, hash) VALUES {marks}",
            values,
        )

    def commits(self) -> None:
        """Have everything checked that is checked at the commit. Nothing of an attack is ever committed, should it be taken."""
        self.raw.execute("SET CONSTRAINTS ALL IMMEDIATE")
        self.raw.execute("SET CONSTRAINTS ALL DEFERRED")


def raw_connection() -> psycopg.Connection[Any]:
    values = connection.settings_dict
    return psycopg.connect(
        host=values["HOST"],
        port=values["PORT"] or None,
        user=values["USER"],
        password=values.get("PASSWORD") or None,
        dbname=values["NAME"],
    )


@pytest.fixture
def attacker() -> Iterator[Attacker]:
    raw = raw_connection()
    try:
        yield Attacker(raw)
    finally:
        raw.rollback()
        raw.close()


def test_an_honest_posting_is_taken(attacker: Attacker) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    attacker.entries((attacker.wallet, 2, posted, "DEBIT", 400, 600), (attacker.target, 1, posted, "CREDIT", 400, 400))
    attacker.commits()


def refused(attacker: Attacker, message: str, *rows: Row, at: datetime | None = None) -> None:
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
        attacker.transfer(attacker.wallet, attacker.target, 400, fee_minor=4, total_debit_minor=404, fee_schedule_id=uuid4())


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
    early = min(at for _, at in attacker.posted.values()) - timedelta(microseconds=1)
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


@pytest.mark.parametrize("kept", ["nothing", "for another transfer", "on another account", "another reference"])
def test_a_transfer_whose_external_reference_is_not_kept_for_it(attacker: Attacker, kept: str) -> None:
    posted = beside(uuid4(), attacker.wallet)
    account = attacker.target if kept == "on another account" else attacker.wallet
    if kept != "nothing":
        attacker.reference(
            account, uuid4() if kept == "for another transfer" else posted, "no 8" if kept == "another reference" else "no 7"
        )
    with pytest.raises(psycopg.IntegrityError, match="its external reference is not kept for it and its account"):
        attacker._insert(
            "transfers_transfer",
            id=posted, kind="transfer", source_id=attacker.wallet, target_id=attacker.target, currency_id="USD", amount_minor=1, fee_minor=0,
            total_debit_minor=1, metadata="{}", principal="raw", request_id="", created_at=attacker.now, external_reference="no 7",
        )  # fmt: skip


@pytest.mark.parametrize("stray", ["another reference", "on another account", "without a transfer"])
def test_a_reference_that_is_kept_for_no_transfer(attacker: Attacker, stray: str) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 400, external_reference="no 7")
    attacker.entries((attacker.wallet, 2, posted, "DEBIT", 400, 600), (attacker.target, 1, posted, "CREDIT", 400, 400))
    attacker.commits()
    attacker.reference(
        attacker.target if stray == "on another account" else attacker.wallet,
        uuid4() if stray == "without a transfer" else posted,
        "no 7" if stray == "on another account" else "no 8",
    )
    at_commit(attacker, "does not have it")


@pytest.mark.parametrize("statement", ["UPDATE {} SET reference = 'mine'", "DELETE FROM {}", "TRUNCATE {}"])
def test_a_reference_is_kept_for_good(attacker: Attacker, statement: str) -> None:
    with pytest.raises(psycopg.IntegrityError, match="ledger: .* is refused"):
        attacker.raw.execute(statement.format("transfers_externalreference"))


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
    attacker.raw.execute(claim_of("k", "p"))
    with pytest.raises(psycopg.IntegrityError, match="transfers_idempotencyclaim_pkey"):
        attacker.raw.execute(claim_of("k", "p"))


def schedule_id(attacker: Attacker) -> UUID:
    (found,) = attacker.raw.execute(SCHEDULE_OF_ALL).fetchone() or (None,)
    assert isinstance(found, UUID)
    return found


def hold(attacker: Attacker, **changes: object) -> UUID:
    """Insert a hold of 100 that reserves 101; its movement is another matter."""
    attacker.now += timedelta(microseconds=1)
    values: dict[str, object] = {
        "id": beside(uuid4(), attacker.wallet), "source_id": attacker.wallet, "source_merchant_id": attacker.merchant, "target_merchant_id": attacker.other,
        "currency_id": "USD", "amount_minor": 100, "reserved_minor": 101, "captured_minor": 0, "status": "open",
        "fee_schedule_id": schedule_id(attacker), "metadata": "{}", "expires_at": attacker.now, "created_at": attacker.now,
    }  # fmt: skip
    return attacker._insert("transfers_hold", **(values | changes))


def placed_hold(attacker: Attacker) -> tuple[UUID, UUID]:
    """Insert a hold as the service does, with the movement that reserves its money; return its id and the held account's."""
    held = attacker.account(attacker.merchant, "USD", "held")
    hold_id = hold(attacker)
    movement = attacker.transfer(attacker.wallet, held, 101, kind="hold", hold_id=hold_id, created_at=attacker.now)
    attacker.posted[movement] = "hold", attacker.now - timedelta(microseconds=1)
    attacker.entries((attacker.wallet, 2, movement, "DEBIT", 101, 899), (held, 1, movement, "CREDIT", 101, 101))
    attacker.commits()
    return hold_id, held


def test_an_honest_hold_is_taken_and_ends(attacker: Attacker) -> None:
    hold_id, held = placed_hold(attacker)
    release = attacker.transfer(held, attacker.wallet, 101, kind="hold_release", hold_id=hold_id)
    attacker.entries((held, 2, release, "DEBIT", 101, 0), (attacker.wallet, 3, release, "CREDIT", 101, 1000))
    attacker.raw.execute("UPDATE transfers_hold SET status = 'voided' WHERE id = %s", [hold_id])
    attacker.commits()


@pytest.mark.parametrize("change", ["amount_minor = 90", "expires_at = now() + interval '1 year'", "reserved_minor = 200"])
def test_the_terms_of_a_hold_never_change(attacker: Attacker, change: str) -> None:
    with pytest.raises(psycopg.IntegrityError, match="its terms never change"):
        attacker.raw.execute(f"UPDATE transfers_hold SET {change} WHERE id = %s", [hold(attacker)])


def test_a_hold_ends_once(attacker: Attacker) -> None:
    held = hold(attacker)
    attacker.raw.execute("UPDATE transfers_hold SET status = 'voided' WHERE id = %s", [held])
    with pytest.raises(psycopg.IntegrityError, match="an open hold ends once"):
        attacker.raw.execute("UPDATE transfers_hold SET status = 'expired' WHERE id = %s", [held])


def at_commit(attacker: Attacker, message: str) -> None:
    with pytest.raises(psycopg.IntegrityError, match=message):
        attacker.commits()


def test_a_hold_without_its_movement(attacker: Attacker) -> None:
    hold(attacker)
    at_commit(attacker, "was not placed by a movement")


@pytest.mark.parametrize("changes", [{"reserved_minor": 100}, {"reserved_minor": 102}, {"target_merchant_id": None}])
def test_a_hold_that_reserves_other_money_than_its_movement(attacker: Attacker, changes: dict[str, object]) -> None:
    held = attacker.account(attacker.merchant, "USD", "held")
    if "target_merchant_id" in changes:  # the merchant whose money it is, is another
        changes = {"source_merchant_id": attacker.other, "target_merchant_id": attacker.merchant}
    hold_id = hold(attacker, **changes)
    movement = attacker.transfer(attacker.wallet, held, 101, kind="hold", hold_id=hold_id, created_at=attacker.now)
    attacker.posted[movement] = "hold", attacker.now - timedelta(microseconds=1)
    attacker.entries((attacker.wallet, 2, movement, "DEBIT", 101, 899), (held, 1, movement, "CREDIT", 101, 101))
    at_commit(attacker, "hold")


@pytest.mark.parametrize("change", ["status = 'voided'", "status = 'expired'"])
def test_a_hold_that_ends_without_its_movement(attacker: Attacker, change: str) -> None:
    hold_id, _ = placed_hold(attacker)
    attacker.raw.execute(f"UPDATE transfers_hold SET {change} WHERE id = %s", [hold_id])
    at_commit(attacker, "its money was not moved on")


def test_a_movement_out_of_a_hold_that_stays_open(attacker: Attacker) -> None:
    hold_id, held = placed_hold(attacker)
    release = attacker.transfer(held, attacker.wallet, 101, kind="hold_release", hold_id=hold_id)
    attacker.entries((held, 2, release, "DEBIT", 101, 0), (attacker.wallet, 3, release, "CREDIT", 101, 1000))
    at_commit(attacker, "does not end its hold")


def test_a_release_of_less_than_is_reserved(attacker: Attacker) -> None:
    hold_id, held = placed_hold(attacker)
    release = attacker.transfer(held, attacker.wallet, 100, kind="hold_release", hold_id=hold_id)
    attacker.entries((held, 2, release, "DEBIT", 100, 1), (attacker.wallet, 3, release, "CREDIT", 100, 999))
    attacker.raw.execute("UPDATE transfers_hold SET status = 'voided' WHERE id = %s", [hold_id])
    at_commit(attacker, "does not end its hold|not what was done with its money")


def test_a_hold_that_is_released_twice(attacker: Attacker) -> None:
    hold_id, held = placed_hold(attacker)
    attacker.transfer(held, attacker.wallet, 101, kind="hold_release", hold_id=hold_id)
    with pytest.raises(psycopg.IntegrityError, match="transfer_hold_begun_and_ended_once"):
        attacker.transfer(held, attacker.wallet, 101, kind="hold_release", hold_id=hold_id)


def captured(attacker: Attacker, amount: int, rest: int, *, said: int | None = None, **changes: object) -> UUID:
    """Capture a placed hold, with the entries that follow, and end it; no fee is taken."""
    hold_id, held = placed_hold(attacker)
    values: dict[str, object] = {"kind": "capture", "hold_id": hold_id, "fee_schedule_id": schedule_id(attacker)}
    capture = attacker.transfer(attacker.wallet, attacker.target, amount, **(values | changes))
    rows: list[Row] = [(held, 2, capture, "DEBIT", amount, 101 - amount), (attacker.target, 1, capture, "CREDIT", amount, amount)]
    if rest:
        rows.append((held, 3, capture, "DEBIT", rest, 101 - amount - rest, "hold_release"))
        rows.append((attacker.wallet, 3, capture, "CREDIT", rest, 899 + rest, "hold_release"))
    attacker.entries(*rows)
    attacker.raw.execute(
        "UPDATE transfers_hold SET status = 'captured', captured_minor = %s, capture_id = %s WHERE id = %s",
        [said or amount, capture, hold_id],
    )
    attacker.commits()
    return capture


def test_an_honest_capture_is_taken(attacker: Attacker) -> None:
    captured(attacker, 60, 41)


def test_a_capture_of_more_than_the_hold(attacker: Attacker) -> None:
    with pytest.raises(psycopg.IntegrityError, match="hold_captured_within_amount"):
        captured(attacker, 101, 0)


def test_a_hold_that_says_another_amount_than_its_capture(attacker: Attacker) -> None:
    with pytest.raises(psycopg.IntegrityError, match="does not end its hold|not what was done with its money"):
        captured(attacker, 60, 41, said=100)


@pytest.mark.parametrize("rest", [40, 0])
def test_a_capture_that_leaves_money_behind(attacker: Attacker, rest: int) -> None:
    with pytest.raises(psycopg.IntegrityError, match="its hold reserves 101"):
        captured(attacker, 60, rest)


def test_a_capture_whose_rest_goes_to_somebody_else(attacker: Attacker) -> None:
    hold_id, held = placed_hold(attacker)
    capture = attacker.transfer(
        attacker.wallet, attacker.target, 60, kind="capture", hold_id=hold_id, fee_schedule_id=schedule_id(attacker)
    )
    refused(
        attacker,
        "entries that a capture between these accounts does not have",
        (held, 2, capture, "DEBIT", 60, 41),
        (attacker.target, 1, capture, "CREDIT", 60, 60),
        (held, 3, capture, "DEBIT", 41, 0, "hold_release"),
        (attacker.target, 2, capture, "CREDIT", 41, 101, "hold_release"),
    )


# --- a transfer and its entries -------------------------------------------------------------------------------------------------


def test_ids_that_do_not_lie_beside_their_merchant(attacker: Attacker) -> None:
    elsewhere = UUID(int=attacker.merchant.int ^ 512)
    with pytest.raises(psycopg.IntegrityError, match="account_bucket"), attacker.raw.transaction():
        attacker._insert(
            "merchants_account",
            id=beside(uuid4(), elsewhere), merchant_id=attacker.merchant, currency_id="JPY", kind="wallet", status="active",
            overdraft_limit_minor=0,
        )  # fmt: skip
    with pytest.raises(psycopg.IntegrityError, match="its id is not in the bucket of its source"), attacker.raw.transaction():
        attacker.transfer(attacker.wallet, attacker.target, 1, id=beside(uuid4(), elsewhere))
    with pytest.raises(psycopg.IntegrityError, match="hold_bucket"):
        hold(attacker, id=beside(uuid4(), elsewhere))


def test_a_transfer_without_entries(attacker: Attacker) -> None:
    attacker.transfer(attacker.wallet, attacker.target, 400)
    at_commit(attacker, "it has no entries")


def test_a_batch_of_which_one_has_no_entries(attacker: Attacker) -> None:
    first, second = sorted((beside(uuid4(), attacker.wallet), beside(uuid4(), attacker.wallet)))
    values = "'transfer', %(s)s, %(t)s, 'USD', 1, 0, 1, '{}', 'raw', ''"
    attacker.raw.execute(
        "INSERT INTO transfers_transfer (id, kind, source_id, target_id, currency_id, amount_minor, fee_minor, total_debit_minor, metadata, "
        f"principal, request_id, created_at, batch_place) VALUES (%(a)s, {values}, %(m)s, 1), (%(b)s, {values}, %(n)s, 2)",
        {
            "a": first, "b": second, "s": attacker.wallet, "t": attacker.target,
            "m": attacker.now + timedelta(microseconds=1), "n": attacker.now + timedelta(microseconds=2),
        },
    )  # fmt: skip
    attacker.posted[first] = "transfer", attacker.now + timedelta(microseconds=1)
    attacker.entries((attacker.wallet, 2, first, "DEBIT", 1, 999), (attacker.target, 1, first, "CREDIT", 1, 1))
    at_commit(attacker, f"{second}: it has no entries")


def test_a_batch_without_a_first(attacker: Attacker) -> None:
    with pytest.raises(psycopg.IntegrityError, match="the first of its batch is not there"):
        attacker.transfer(attacker.wallet, attacker.target, 400, batch_place=2)


def test_a_transfer_without_entries_behind_a_savepoint(attacker: Attacker) -> None:
    with attacker.raw.transaction():
        attacker.transfer(attacker.wallet, attacker.target, 400)
    at_commit(attacker, "it has no entries")


def test_entries_of_another_amount(attacker: Attacker) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    refused(
        attacker,
        "do not move its amount",
        (attacker.wallet, 2, posted, "DEBIT", 500, 500),
        (attacker.target, 1, posted, "CREDIT", 500, 500),
    )


def test_entries_the_other_way_round(attacker: Attacker) -> None:
    paid = attacker.transfer(attacker.wallet, attacker.target, 500)
    attacker.entries((attacker.wallet, 2, paid, "DEBIT", 500, 500), (attacker.target, 1, paid, "CREDIT", 500, 500))
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    refused(
        attacker,
        "do not move its amount",
        (attacker.wallet, 3, posted, "CREDIT", 400, 900),
        (attacker.target, 2, posted, "DEBIT", 400, 100),
    )


def test_entries_of_other_accounts(attacker: Attacker) -> None:
    third = attacker.account(attacker._insert("merchants_merchant", id=uuid4(), name=unique("g"), status="active", metadata="{}"), "USD", "wallet")  # fmt: skip
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    refused(attacker, "do not move its amount", (attacker.wallet, 2, posted, "DEBIT", 400, 600), (third, 1, posted, "CREDIT", 400, 400))


def test_entries_of_another_type(attacker: Attacker) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    refused(
        attacker,
        "do not move its amount",
        (attacker.wallet, 2, posted, "DEBIT", 400, 600, "deposit"),
        (attacker.target, 1, posted, "CREDIT", 400, 400, "deposit"),
    )


@pytest.mark.parametrize("kind", ["transfer", "fee", "fee_refund", "hold_release", "capture"])
def test_more_entries_than_a_transfer_has(attacker: Attacker, kind: str) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    refused(
        attacker,
        "ledger: (transfer|entry)",
        (attacker.wallet, 2, posted, "DEBIT", 400, 600),
        (attacker.target, 1, posted, "CREDIT", 400, 400),
        (attacker.wallet, 3, posted, "DEBIT", 100, 500, kind),
        (attacker.target, 2, posted, "CREDIT", 100, 500, kind),
    )


def charged(attacker: Attacker, fees: UUID, fee: int, *, total: int = 404) -> None:
    posted = attacker.transfer(
        attacker.wallet, attacker.target, 400, fee_minor=4, total_debit_minor=total, fee_schedule_id=schedule_id(attacker)
    )
    attacker.entries(
        (attacker.wallet, 2, posted, "DEBIT", 400, 600),
        (attacker.target, 1, posted, "CREDIT", 400, 400),
        (attacker.wallet, 3, posted, "DEBIT", fee, 600 - fee, "fee"),
        (fees, 1, posted, "CREDIT", fee, fee, "fee"),
    )
    attacker.commits()


def test_an_honest_fee_is_taken(attacker: Attacker) -> None:
    charged(attacker, attacker.account(attacker.merchant, "USD", "fees"), 4)


def test_a_fee_of_another_amount(attacker: Attacker) -> None:
    with pytest.raises(psycopg.IntegrityError, match="its fee is 4, its entries say 5"):
        charged(attacker, attacker.account(attacker.merchant, "USD", "fees"), 5)


def test_a_fee_to_somebody_else(attacker: Attacker) -> None:
    with pytest.raises(psycopg.IntegrityError, match="entries that a transfer between these accounts does not have"):
        charged(attacker, attacker.account(attacker.other, "USD", "fees"), 4)


def test_a_fee_to_a_wallet(attacker: Attacker) -> None:
    with pytest.raises(psycopg.IntegrityError, match="a fee on an account of kind wallet"):
        charged(attacker, attacker.account(attacker._insert("merchants_merchant", id=uuid4(), name=unique("g"), status="active", metadata="{}"), "USD", "wallet"), 4)  # fmt: skip


def test_a_fee_that_the_other_side_pays(attacker: Attacker) -> None:
    with pytest.raises(psycopg.IntegrityError, match="entries that a transfer between these accounts does not have"):
        charged(attacker, attacker.account(attacker.merchant, "USD", "fees"), 4, total=400)


@pytest.mark.parametrize("total", [399, 403, 408])
def test_a_total_that_is_not_amount_and_fee(attacker: Attacker, total: int) -> None:
    with pytest.raises(psycopg.IntegrityError, match="its total debit is neither"):
        charged(attacker, attacker.account(attacker.merchant, "USD", "fees"), 4, total=total)


def test_a_fee_of_what_costs_nothing(attacker: Attacker) -> None:
    with pytest.raises(psycopg.IntegrityError, match="a deposit has no fee"):
        attacker.transfer(
            attacker.external,
            attacker.wallet,
            400,
            kind="deposit",
            fee_minor=4,
            total_debit_minor=404,
            fee_schedule_id=schedule_id(attacker),
        )


@pytest.mark.parametrize("kind", ["deposit", "opening", "withdrawal", "fee_settlement"])
def test_a_movement_between_accounts_of_other_kinds(attacker: Attacker, kind: str) -> None:
    with pytest.raises(psycopg.IntegrityError, match=f"a {kind} does not go from an account of kind wallet to one of kind wallet"):
        attacker.transfer(attacker.wallet, attacker.target, 400, kind=kind)


def test_a_payment_from_outside(attacker: Attacker) -> None:
    with pytest.raises(psycopg.IntegrityError, match="does not go from an account of kind external"):
        attacker.transfer(attacker.external, attacker.target, 400)


def test_a_deposit_from_somebody_elses_outside(attacker: Attacker) -> None:
    with pytest.raises(psycopg.IntegrityError, match="of somebody else"):
        attacker.transfer(attacker.external, attacker.target, 400, kind="deposit")


@pytest.mark.parametrize("kind", ["hold", "hold_release", "capture"])
def test_a_movement_of_no_hold(attacker: Attacker, kind: str) -> None:
    with pytest.raises(psycopg.IntegrityError, match=f"a {kind} is of a hold"):
        attacker.transfer(attacker.wallet, attacker.target, 400, kind=kind)


# --- reversals ------------------------------------------------------------------------------------------------------------------


def paid(attacker: Attacker) -> UUID:
    original = attacker.transfer(attacker.wallet, attacker.target, 400)
    attacker.entries((attacker.wallet, 2, original, "DEBIT", 400, 600), (attacker.target, 1, original, "CREDIT", 400, 400))
    return original


def test_an_honest_reversal_is_taken(attacker: Attacker) -> None:
    original = paid(attacker)
    back = attacker.transfer(attacker.target, attacker.wallet, 400, kind="reversal", reverses_id=original)
    attacker.entries((attacker.target, 2, back, "DEBIT", 400, 0), (attacker.wallet, 3, back, "CREDIT", 400, 1000))
    attacker.commits()


def test_a_reversal_another_way_than_the_original(attacker: Attacker) -> None:
    with pytest.raises(psycopg.IntegrityError, match="went another way"):
        attacker.transfer(attacker.wallet, attacker.target, 400, kind="reversal", reverses_id=paid(attacker))


def test_a_reversal_that_refunds_a_fee_that_nobody_paid(attacker: Attacker) -> None:
    back = attacker.transfer(attacker.target, attacker.wallet, 100, kind="reversal", reverses_id=paid(attacker))
    refused(
        attacker,
        "refunds more of the fee than its share|does not go back to who paid it|does not have",
        (attacker.target, 2, back, "DEBIT", 100, 300),
        (attacker.wallet, 3, back, "CREDIT", 100, 700),
        (attacker.target, 3, back, "DEBIT", 50, 250, "fee_refund"),
        (attacker.wallet, 4, back, "CREDIT", 50, 750, "fee_refund"),
    )


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
async def test_two_sessions_cannot_reverse_one_original_twice(api: httpx.AsyncClient, isolation: str) -> None:
    """Both write their reversal before either sees the other's: the second in the account's chain is refused, at the commit at the latest."""
    payer, payee = await merchant(api, "10.00"), await merchant(api, "10.00")
    answer = await transfer(api, payer, payee, 400)
    original = UUID(answer.json()["id"])
    sessions = [raw_connection(), raw_connection()]
    committed, refusals = 0, []
    with sessions[0], sessions[1]:
        for number, raw in enumerate(sessions):
            raw.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
            write_reversal(raw, original, UUID(int=uuid4().int), number)
        for raw in sessions:
            try:
                write_entries_of_reversal(raw, original)
                raw.commit()
                committed += 1
            except (psycopg.IntegrityError, psycopg.OperationalError) as error:
                refusals.append(str(error))
                raw.rollback()
    assert committed == 1, refusals
    with raw_connection() as raw:
        found = raw.execute("SELECT sum(amount_minor) FROM transfers_transfer WHERE reverses_id = %s", [original]).fetchone()
        assert found == (400,)


def write_reversal(raw: psycopg.Connection[Any], original: UUID, reversal: UUID, number: int) -> None:
    place = raw.execute("SELECT target_id FROM transfers_transfer WHERE id = %s", [original]).fetchone()
    assert place is not None
    raw.execute(
        "INSERT INTO transfers_transfer (id, kind, source_id, target_id, currency_id, amount_minor, fee_minor, total_debit_minor, metadata, "
        "principal, request_id, created_at, reverses_id) SELECT %s, 'reversal', target_id, source_id, currency_id, amount_minor, 0, "
        "amount_minor, '{}', 'raw', '', clock_timestamp() + %s * interval '1 second', id FROM transfers_transfer WHERE id = %s",
        [uuid7_at(datetime.now(UTC), position=number, entropy=reversal.int, place=place[0]), number, original],
    )


def write_entries_of_reversal(raw: psycopg.Connection[Any], original: UUID) -> None:
    """Write a session's own reversal's entries, chained to what it sees, with hashes that fit."""
    rows = raw.execute(
        "SELECT t.id, t.amount_minor, t.created_at, l.account_id, l.direction, h.sequence, h.balance_after_minor, h.hash "
        "FROM transfers_transfer t "
        "CROSS JOIN LATERAL (VALUES (t.source_id, 'DEBIT'), (t.target_id, 'CREDIT')) l(account_id, direction) "
        "CROSS JOIN LATERAL (SELECT * FROM transfers_ledgerentry e WHERE e.account_id = l.account_id ORDER BY sequence DESC LIMIT 1) h "
        "WHERE t.reverses_id = %s AND t.xmin = pg_current_xact_id()::xid",
        [original],
    ).fetchall()
    values: list[object] = []
    for reversal, amount, at, account, direction, sequence, balance, previous in rows:
        after = int(balance) + (int(amount) if direction == "CREDIT" else -int(amount))
        movement = (direction, "reversal", int(amount), after)
        digest = entry_hash(bytes(previous), account.bytes, sequence + 1, posting_bytes(reversal, at), movement)
        values += [account, sequence + 1, reversal, direction, "reversal", amount, after, at, digest]
    raw.execute(
        "INSERT INTO transfers_ledgerentry (account_id, sequence, transfer_id, direction, type, amount_minor, balance_after_minor, "
        "created_at, hash) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s), (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        values,
    )


# --- times ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [timedelta(seconds=12), timedelta(hours=1), timedelta(days=1), timedelta(days=36_500)])
def test_a_time_in_the_future(attacker: Attacker, ahead: timedelta) -> None:
    with pytest.raises(psycopg.IntegrityError, match="its time is in the future"):
        attacker.transfer(attacker.wallet, attacker.target, 400, created_at=datetime.now(UTC) + ahead)


def test_a_time_behind_the_mark_of_the_feed(attacker: Attacker) -> None:
    with pytest.raises(psycopg.IntegrityError, match="behind the mark of the feed"):
        attacker.transfer(attacker.wallet, attacker.target, 400, created_at=datetime(1999, 12, 31, tzinfo=UTC))


def test_a_time_without_end(attacker: Attacker) -> None:
    with pytest.raises(psycopg.IntegrityError, match="its time is in the future"):
        attacker.transfer(attacker.wallet, attacker.target, 400, created_at="infinity")


def test_two_postings_of_one_time(attacker: Attacker) -> None:
    first = paid(attacker)
    second = attacker.transfer(attacker.wallet, attacker.target, 100, created_at=attacker.posted[first][1])
    refused(
        attacker,
        "each is a microsecond later",
        (attacker.wallet, 3, second, "DEBIT", 100, 500),
        (attacker.target, 2, second, "CREDIT", 100, 500),
    )


def test_two_postings_of_one_time_in_one_statement(attacker: Attacker) -> None:
    first = attacker.transfer(attacker.wallet, attacker.target, 100)
    second = attacker.transfer(attacker.wallet, attacker.target, 100, created_at=attacker.posted[first][1])
    refused(
        attacker,
        "each is a microsecond later",
        (attacker.wallet, 2, first, "DEBIT", 100, 900),
        (attacker.target, 1, first, "CREDIT", 100, 100),
        (attacker.wallet, 3, second, "DEBIT", 100, 800),
        (attacker.target, 2, second, "CREDIT", 100, 200),
    )


# --- what is no number ----------------------------------------------------------------------------------------------------------


def numeric_columns() -> list[tuple[str, str]]:
    """Every column of an amount that the ledger has, whatever table a later release adds (fees are looked at in test_fees)."""
    with raw_connection() as raw:
        return [
            (str(table), str(column))
            for table, column in raw.execute(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema() "
                "AND data_type = 'numeric' AND (table_name LIKE 'merchants%' OR table_name LIKE 'transfers%') ORDER BY 1, 2"
            ).fetchall()
        ]


def test_no_amount_may_be_something_that_is_no_number(attacker: Attacker) -> None:
    """For each column there is a rule that NaN breaks: asked of the rules themselves, so that no new column is forgotten."""
    columns = numeric_columns()
    assert ("merchants_account", "overdraft_limit_minor") in columns
    assert len(columns) >= 12
    for table, column in columns:
        rules = attacker.raw.execute(
            "SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass "
            "AND convalidated AND pg_get_expr(conbin, conrelid) LIKE %s",
            [table, f"%{column}%"],
        ).fetchall()
        others = sorted({other for name, other in columns if name == table})
        row = ", ".join(f"{'numeric ' + repr('NaN') if other == column else '1'} AS {other}" for other in others)
        texts = ", ".join(
            f"{value!r} AS {name}" for name, value in {"status": "captured", "kind": "transfer", "capture_id": "x", "hold_id": "x"}.items()
        )
        refusing = [
            rule for (rule,) in rules
            if only_of(rule, others) and attacker.raw.execute(f"SELECT NOT ({rule}) FROM (SELECT {row}, {texts}) r").fetchone() == (True,)
        ]  # fmt: skip
        assert refusing, f"{table}.{column} takes NaN; its rules are {rules}"


def only_of(rule: str, columns: list[str]) -> bool:
    """Whether a rule speaks of these columns alone."""
    words = set(re.findall(r"\b[a-z_]*[a-z]_[a-z_]+\b", rule))
    return words <= set(columns)


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "1e38"])
def test_transfers_and_entries_of_no_number(attacker: Attacker, amount: str) -> None:
    posted = attacker.transfer(attacker.wallet, attacker.target, 400)
    for rows in (
        [(attacker.wallet, 2, posted, "DEBIT", amount, 600), (attacker.target, 1, posted, "CREDIT", amount, 400)],
        [(attacker.wallet, 2, posted, "DEBIT", 400, amount), (attacker.target, 1, posted, "CREDIT", 400, amount)],
    ):
        with pytest.raises(psycopg.Error, match="entry_amount|overflow|infinite|balance_after"), attacker.raw.transaction():
            attacker.entries(*rows)
    for changes in ({"amount_minor": amount}, {"fee_minor": amount}, {"total_debit_minor": amount}):
        with pytest.raises(psycopg.Error, match="transfer_|overflow|infinite"), attacker.raw.transaction():
            attacker.transfer(attacker.wallet, attacker.target, 400, **changes)


@pytest.mark.parametrize("amount", ["NaN", "Infinity"])
def test_holds_and_overdrafts_of_no_number(attacker: Attacker, amount: str) -> None:
    for column in ("amount_minor", "reserved_minor", "captured_minor"):
        with pytest.raises(psycopg.Error, match="hold_|overflow|infinite"), attacker.raw.transaction():
            hold(attacker, **{column: amount})
    with pytest.raises(psycopg.Error, match="account_overdraft_bounded|overflow|infinite"):
        attacker.raw.execute("UPDATE merchants_account SET overdraft_limit_minor = %s WHERE id = %s", [amount, attacker.wallet])


# --- fees -----------------------------------------------------------------------------------------------------------------------


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
