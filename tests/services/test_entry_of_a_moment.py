"""The newest entry of a moment, found by halving: the same as by its definition, and by few look-ups however long the account is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from transfers.sql.entries import newest_entry

START = datetime(2026, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
PLAIN = """
SELECT sequence FROM transfers_ledgerentry WHERE account_id = %s AND created_at {operator} %s ORDER BY created_at DESC, sequence DESC LIMIT 1
"""
# The guards are off: these entries have no transfer.
ENTRIES = """
INSERT INTO transfers_ledgerentry (account_id, sequence, transfer_id, direction, type, amount_minor, balance_after_minor, created_at, hash)
SELECT %s, n, gen_random_uuid(), 'CREDIT', 'deposit', 1, n, at, decode(repeat('00', 32), 'hex')
FROM unnest(%s::timestamptz[]) WITH ORDINALITY AS e(at, n)
"""


class RolledBack(Exception):
    """Ends the transaction of a test."""


@contextmanager
def accounts(*times: Sequence[datetime]) -> Iterator[list[UUID]]:
    """Have an account for each row of times, with an entry at each; then forget them."""
    ids = [UUID(int=number) for number in range(1, len(times) + 1)]
    with pytest.raises(RolledBack), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for account, moments in zip(ids, times, strict=True):
                cursor.execute(ENTRIES, [account, list(moments)])
            cursor.execute("SET LOCAL session_replication_role = origin")
        yield ids
        raise RolledBack


def one(statement: str, *parameters: object) -> Any:
    """Return the only value that a statement gives, or None."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row = cursor.fetchone()
    return None if row is None else row[0]


def at(operator: str, account: UUID, moment: datetime) -> int | None:
    """Return the sequence of the entry that halving finds."""
    found: int | None = one(newest_entry("sequence", account="%s", until=f"{operator} %s"), account, account, moment)
    return found


# Entries of one posting share its time: steps of nothing.
chains = st.lists(st.integers(0, 3), max_size=40).map(
    lambda steps: [START + MICROSECOND * sum(steps[: place + 1]) for place in range(len(steps))]
)


@given(chain=chains, operator=st.sampled_from(["<", "<="]), offset=st.integers(-2, 130))
def test_halving_finds_the_entry_that_the_definition_names(ledger: None, chain: list[datetime], operator: str, offset: int) -> None:
    moment = START + MICROSECOND * offset
    with accounts(chain) as (account,):
        assert at(operator, account, moment) == one(PLAIN.format(operator=operator), account, moment)


@given(chains=st.lists(chains, min_size=1, max_size=4), offset=st.integers(-2, 130))
def test_many_accounts_are_looked_at_by_one_statement(ledger: None, chains: list[list[datetime]], offset: int) -> None:
    moment = START + MICROSECOND * offset
    newest = newest_entry("sequence", account="a.id", until="<= %s")
    found = f"SELECT a.id, e.sequence FROM unnest(%s::uuid[]) a(id) LEFT JOIN LATERAL ({newest}) e ON true"
    with accounts(*chains) as ids:
        with connection.cursor() as cursor:
            cursor.execute(found, [ids, moment])
            rows = dict(cursor.fetchall())
        assert rows == {account: one(PLAIN.format(operator="<="), account, moment) for account in ids}


def test_a_look_into_100_000_entries_reads_few_pages(ledger: None) -> None:
    times = [START + timedelta(seconds=n // 2) for n in range(100_000)]
    statement = newest_entry("sequence", account="%s", until="<= %s")
    with accounts(times) as (account,):
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE transfers_ledgerentry")
        at("<=", account, START)  # the session plans its look-ups once
        for moment in [START - MICROSECOND, START, times[50_000] - MICROSECOND, times[50_000], times[-1] - MICROSECOND, times[-1]]:
            explained = one(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", account, account, moment)
            plan = (json.loads(explained) if isinstance(explained, str) else explained)[0]["Plan"]
            assert plan["Index Name"] == "transfers_ledgerentry_pkey"
            # 17 halves and the ends, each down a tree of three levels and to its row.
            assert 0 < plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= 20 * 5, moment
