"""The posting thread's prepared statements: they are prepared once, and one that went stale costs its caller nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from ledger_project.database.fields import new_id
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import MerchantIdentity
from tests.support.factories import unique
from transfers.domain.commands import Deposit, Details, RegisterMerchant
from transfers.posting.synchronous import post_now

USD = CurrencyUnit("USD", 2)


def ask(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def deposits(merchant: MerchantIdentity, count: int) -> None:
    for _ in range(count):
        (result,) = post_now([Deposit(merchant, USD, 100, Details())])
        assert result.transfer_id is not None


def test_statements_are_prepared_once(posting_thread: ThreadPoolExecutor) -> None:
    merchant = MerchantIdentity(new_id(), unique())
    posting_thread.submit(post_now, [RegisterMerchant(merchant, {}, USD, 100, Details())]).result()
    posting_thread.submit(deposits, merchant, 2).result()
    query = (
        "SELECT count(*), sum(generic_plans + custom_plans) FROM pg_prepared_statements WHERE statement ~ 'transfers_ledgerentry|account'"
    )
    ((before, planned),) = posting_thread.submit(ask, query).result()
    assert before >= 3
    posting_thread.submit(deposits, merchant, 5).result()
    ((after, used),) = posting_thread.submit(ask, query).result()
    assert after == before, "a statement was prepared again"
    assert used > planned, "the prepared statements are not used"
    custom = posting_thread.submit(ask, "SELECT sum(custom_plans) FROM pg_prepared_statements WHERE statement !~ 'set_config'").result()
    assert custom == [(0,)], "a statement was planned for its parameters"


@pytest.mark.parametrize("cause", ["the pooler lost it", "a migration changed a column"])
def test_a_stale_statement_costs_nobody_anything(posting_thread: ThreadPoolExecutor, cause: str) -> None:
    merchant = MerchantIdentity(new_id(), unique())
    posting_thread.submit(post_now, [RegisterMerchant(merchant, {}, USD, 100, Details())]).result()
    posting_thread.submit(deposits, merchant, 2).result()
    if cause == "the pooler lost it":
        for (name,) in posting_thread.submit(ask, "SELECT name FROM pg_prepared_statements").result():
            posting_thread.submit(ask, f'DEALLOCATE "{name}"').result()
        posting_thread.submit(deposits, merchant, 1).result()
        return
    ask("ALTER TABLE merchants_account ALTER COLUMN overdraft_limit_minor TYPE numeric(39, 0)")
    try:
        posting_thread.submit(deposits, merchant, 1).result()
    finally:
        ask("ALTER TABLE merchants_account ALTER COLUMN overdraft_limit_minor TYPE numeric(38, 0)")
    posting_thread.submit(deposits, merchant, 1).result()
