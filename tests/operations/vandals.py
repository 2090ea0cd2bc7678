"""Damages that somebody with the database's keys can do, behind the back of the guards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg

from tests.operations.stories import Story, raw_connection

NOBODY = "00000000-0000-7000-8000-000000000000"

_TABLES = (
    "transfers_ledgerentry", "transfers_transfer", "transfers_hold", "transfers_externalreference", "merchants_account", "fees_feeschedule",
    "transfers_reconciliationhead", "transfers_reconciliationrun",
)  # fmt: skip

Damage = Callable[[Story], tuple[str, list[object]]]


def _entry(change: str, sequence: int = 3) -> Damage:
    return lambda story: (
        f"UPDATE transfers_ledgerentry SET {change} WHERE account_id = %s AND sequence = %s",
        [story.account(story.payer), sequence],
    )


def _transfer(change: str) -> Damage:
    return lambda story: (f"UPDATE transfers_transfer SET {change} WHERE id = %s", [story.transfer])


def _hold(change: str, which: str) -> Damage:
    return lambda story: (f"UPDATE transfers_hold SET {change} WHERE id = %s", [getattr(story, which)])


DAMAGES: dict[str, Damage] = {
    "an entry's amount": _entry("amount_minor = amount_minor + 1"),
    "an entry's balance": _entry("balance_after_minor = balance_after_minor + 1"),
    "an entry's amount and balance": _entry("amount_minor = amount_minor + 1, balance_after_minor = balance_after_minor - 1"),
    "an entry's hash": _entry("hash = sha256('other')"),
    "an entry's time": _entry("created_at = created_at + interval '1 microsecond'"),
    "an entry's direction": _entry("direction = 'CREDIT', balance_after_minor = balance_after_minor + 2 * amount_minor"),
    "an entry's type": _entry("type = 'withdrawal'"),
    "an entry's transfer": _entry(f"transfer_id = '{NOBODY}'"),
    "an entry's place": _entry("sequence = 9003"),
    "an entry is gone": lambda story: (
        "DELETE FROM transfers_ledgerentry WHERE account_id = %s AND sequence = 3",
        [story.account(story.payer)],
    ),
    "the last entry is gone": lambda story: (
        "DELETE FROM transfers_ledgerentry e WHERE account_id = %s "
        "AND sequence = (SELECT max(sequence) FROM transfers_ledgerentry WHERE account_id = e.account_id)",
        [story.account(story.payee)],
    ),
    "all entries of a transfer are gone": lambda story: ("DELETE FROM transfers_ledgerentry WHERE transfer_id = %s", [story.transfer]),
    "a transfer's amount": _transfer("amount_minor = amount_minor + 1"),
    "a transfer's fee": _transfer("fee_minor = fee_minor + 1"),
    "a transfer's total": _transfer("total_debit_minor = total_debit_minor + 1"),
    "a transfer's time": _transfer("created_at = created_at + interval '1 microsecond'"),
    "a transfer's kind": _transfer("kind = 'withdrawal'"),
    "a transfer's currency": _transfer("currency_id = 'EUR'"),
    "a transfer's schedule": _transfer(f"fee_schedule_id = '{NOBODY}'"),
    "a transfer's hold": _transfer(f"hold_id = '{NOBODY}'"),
    "a transfer's reference": _transfer("external_reference = 'never kept'"),
    "a transfer is gone": lambda story: ("DELETE FROM transfers_transfer WHERE id = %s", [story.transfer]),
    "a reversal's amount": lambda story: ("UPDATE transfers_transfer SET amount_minor = 10001 WHERE id = %s", [story.reversal]),
    "a reversal's original": lambda story: (f"UPDATE transfers_transfer SET reverses_id = '{NOBODY}' WHERE id = %s", [story.reversal]),
    "a hold's amount": _hold("amount_minor = amount_minor - 1", "open_hold"),
    "a hold's reserve": _hold("reserved_minor = reserved_minor + 1", "open_hold"),
    "a hold that was not voided": _hold("status = 'voided'", "open_hold"),
    "a capture's amount": _hold("captured_minor = captured_minor - 1", "captured_hold"),
    "a hold's target": _hold("target_merchant_id = source_merchant_id", "captured_hold"),
    "an account's kind": lambda story: ("UPDATE merchants_account SET kind = 'fees' WHERE id = %s", [story.account(story.payee)]),
    "an account is gone": lambda story: ("DELETE FROM merchants_account WHERE id = %s", [story.account(story.payee)]),
}
"""By name: the statement and its parameters, for a story. Each changes at least one row."""


class Vandal:
    """Somebody with the database's keys: triggers and foreign keys are off."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw
        raw.execute("SET session_replication_role = replica")

    def does(self, statement: str, *values: object) -> None:
        """Do a damage. It must happen."""
        assert self.raw.execute(statement, values).rowcount > 0, "the damage must happen"

    def damages(self, damage: Damage, story: Story) -> None:
        """Do one of ``DAMAGES``."""
        statement, values = damage(story)
        self.does(statement, *values)

    def head(self, account: UUID) -> int:
        """Return the sequence of an account's newest entry."""
        (sequence,) = self.raw.execute("SELECT max(sequence) FROM transfers_ledgerentry WHERE account_id = %s", [account]).fetchone() or (
            0,
        )
        return int(sequence)


@contextmanager
def uncommitted_vandal() -> Iterator[Vandal]:
    """Yield a vandal whose damages nobody else sees."""
    raw = raw_connection()
    try:
        yield Vandal(raw)
    finally:
        raw.rollback()
        raw.close()


@contextmanager
def committing_vandal() -> Iterator[Vandal]:
    """Yield a vandal who commits; at the end the rows are put back as they were.

    Meanwhile no process adds to the daily figures: a service of other tests would sum up damages.
    """
    raw, holding = raw_connection(), raw_connection()
    holding.execute("SELECT FROM transfers_rollupmark WHERE id = 1 FOR UPDATE")  # a refresh leaves a locked mark alone
    vandal = Vandal(raw)
    for table in _TABLES:
        raw.execute(f"CREATE TEMPORARY TABLE saved_{table} AS TABLE {table}")
    raw.commit()
    try:
        yield vandal
    finally:
        raw.rollback()
        for table in _TABLES:
            raw.execute(f"DELETE FROM public.{table}")
            raw.execute(f"INSERT INTO public.{table} TABLE saved_{table}")
        raw.commit()
        raw.close()
        holding.close()
