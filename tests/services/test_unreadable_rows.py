"""A row that is no number does not keep the others from being listed, swept and summed up."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from django.db import connection, transaction

from tests.operations.stories import Story, tell
from transfers.figures.differences import figure_differences
from transfers.figures.refresh import rebuild_figures
from transfers.selectors import TransferFilters, holds, transfer_lists
from transfers.selectors.holds import due_holds, unreadable_due_holds


class RolledBack(Exception):
    """Ends the transaction of a test."""


@pytest.fixture(scope="module")
def story(ledger: None) -> Story:
    del ledger
    return tell()


@pytest.fixture
def damaged(story: Story) -> Iterator[tuple[UUID, UUID]]:
    """Have a transfer and an open hold of NaN, by the hand of the tables' owner, until the test ends."""
    with pytest.raises(RolledBack), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for table in ("transfers_transfer", "transfers_hold"):
                cursor.execute("SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass", [table])
                for (name,) in cursor.fetchall():
                    cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
            cursor.execute(
                "UPDATE transfers_transfer SET amount_minor = 'NaN', total_debit_minor = 'NaN' WHERE id = %s RETURNING id", [story.transfer]
            )
            transfer_id = cursor.fetchone()[0]
            cursor.execute(
                "UPDATE transfers_hold SET reserved_minor = 'NaN', expires_at = now() WHERE id = %s RETURNING id", [story.open_hold]
            )
            hold_id = cursor.fetchone()[0]
        yield transfer_id, hold_id
        raise RolledBack


def listed(statement: tuple[str, list[object]]) -> set[str]:
    """Return the ids on a page, as this transaction sees it."""
    with connection.cursor() as cursor:
        cursor.execute(*statement)
        return {row[0] for row in cursor.fetchall()}


def test_lists_go_on_without_it(story: Story, damaged: tuple[UUID, UUID]) -> None:
    transfer_id, hold_id = damaged
    transfers = listed(transfer_lists.page_statement(TransferFilters(parties=(story.payer.id,)), before=None, limit=50))
    assert transfers
    assert str(transfer_id) not in transfers
    held = listed(holds.page_statement(merchant_id=story.payer.id, status=None, before=None, limit=50))
    assert held
    assert str(hold_id) not in held


def test_the_sweep_names_it(damaged: tuple[UUID, UUID]) -> None:
    _, hold_id = damaged
    assert hold_id not in {terms.id for terms in due_holds(limit=1000)}
    assert hold_id in unreadable_due_holds(limit=1000)


def test_the_days_are_summed_up_without_it(damaged: tuple[UUID, UUID]) -> None:
    del damaged
    rebuild_figures()
    assert figure_differences() == []
