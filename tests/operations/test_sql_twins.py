"""What reconciliation computes in SQL is what the domain computes in Python."""

from __future__ import annotations

import random
from decimal import Decimal

from fees.domain import Rounding, calculate_fee
from tests.operations.stories import raw_connection, tell
from tests.support.factories import schedule
from transfers.domain.hashing import GENESIS, entry_hash, posting_bytes
from transfers.reconciliation.entries import HASH
from transfers.reconciliation.fees import FEE


def test_the_fee_in_sql_is_the_domains_fee(ledger: None) -> None:
    del ledger
    dice = random.Random(7)
    cases = []
    for rounding in Rounding:
        for amount in [1, 50, 150, 250, 10**30, *(dice.randint(1, 10**9) for _ in range(60))]:
            rate = Decimal(dice.choice([0, 100_000_000, 50_000_000, 1, 123_456_789, 10**10])) / 10**10
            low, high = dice.choice([(None, None), (None, 40), (3, None), (3, 500)])
            cases.append(schedule(rate=rate, flat_minor=dice.choice([0, 25]), minimum_minor=low, maximum_minor=high, rounding=rounding))
            cases.append(amount)
    with raw_connection() as raw:
        for made, amount in zip(cases[::2], cases[1::2], strict=True):
            row = raw.execute(
                f"SELECT {FEE} FROM (SELECT %s::numeric + %s::numeric * %s::numeric AS exact, %s::text AS rounding, "
                "%s::numeric AS minimum_minor, %s::numeric AS maximum_minor) s",
                [made.flat_minor, made.rate, amount, made.rounding.value, made.minimum_minor, made.maximum_minor],
            ).fetchone()
            assert row is not None
            assert int(row[0]) == calculate_fee(made, amount), (made, amount)


def test_the_hash_in_sql_is_the_domains_hash(ledger: None) -> None:
    del ledger
    tell()
    with raw_connection() as raw:
        rows = raw.execute(
            f"SELECT e.account_id, e.sequence, e.transfer_id, e.created_at, e.direction, e.type, e.amount_minor, e.balance_after_minor, p.hash, {HASH} "
            "FROM transfers_ledgerentry e LEFT JOIN transfers_ledgerentry p ON p.account_id = e.account_id AND p.sequence = e.sequence - 1 "
            "ORDER BY e.account_id, e.sequence LIMIT 500"
        ).fetchall()
    assert rows
    for account, sequence, transfer, at, direction, kind, amount, balance, previous, digest in rows:
        movement = (direction, kind, int(amount), int(balance))
        expected = entry_hash(previous or GENESIS, account.bytes, sequence, posting_bytes(transfer, at), movement)
        assert digest == expected
