"""What is set on the role or the database changes nothing: the session sets what it relies on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, connections, transaction

from ledger_project.database.connections import use_own_connection
from ledger_project.database.fields import new_id
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import MerchantIdentity
from merchants.models import Merchant
from tests.support.factories import unique
from tests.support.service_role import owner_connection
from transfers.domain.commands import Deposit, Details, RegisterMerchant, TransferFunds
from transfers.posting.pipeline import Session
from transfers.posting.synchronous import post_now
from transfers.selectors import get_balances_now

ROLE = "ledger_odd_settings"
USD = CurrencyUnit("USD", 2)

ODD = {
    "default_transaction_isolation": "repeatable read", "default_transaction_read_only": "on", "default_transaction_deferrable": "on",
    "DateStyle": "German, DMY", "IntervalStyle": "sql_standard", "TimeZone": "Asia/Kathmandu", "standard_conforming_strings": "off",
    "bytea_output": "escape", "extra_float_digits": "-15", "array_nulls": "off", "transform_null_equals": "on", "row_security": "on",
    "search_path": "pg_catalog", "client_encoding": "LATIN1", "statement_timeout": "900ms", "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "900ms", "transaction_timeout": "900ms", "idle_session_timeout": "900ms",
}  # fmt: skip


@pytest.fixture(scope="module", params=["role", "database"])
def odd(ledger: None, request: pytest.FixtureRequest) -> Iterator[str]:
    """Have the settings of a role, or of a role in the database, be odd."""
    del ledger
    with owner_connection() as owner:
        where = f"IN DATABASE {owner.info.dbname} " if request.param == "database" else ""
        owner.execute(f"CREATE ROLE {ROLE} SUPERUSER LOGIN")
        for name, value in ODD.items():
            literal = value if name == "search_path" else f"'{value}'"
            owner.execute(f"ALTER ROLE {ROLE} {where}SET {name} = {literal}")
    yield ROLE
    with owner_connection() as owner:
        owner.execute(f"DROP ROLE {ROLE}")


@pytest.fixture
def threads(odd: str) -> Iterator[ThreadPoolExecutor]:
    """Two threads whose connections are that role's."""

    def begin() -> None:
        use_own_connection()
        connections["default"].settings_dict["USER"] = odd

    with ThreadPoolExecutor(2, initializer=begin) as executor:
        yield executor
        for done in [executor.submit(connections.close_all) for _ in range(8)]:
            done.result()


def ask(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def test_nothing_changes(threads: ThreadPoolExecutor) -> None:
    merchant = MerchantIdentity(new_id(), unique())

    def tell() -> None:
        assert ask("SELECT current_user") == ROLE
        before = datetime.now(UTC)
        post_now([RegisterMerchant(merchant, {"o'clock": "\\"}, USD, 500, Details(memo="C:\\'"))])
        (result,) = post_now([Deposit(merchant, USD, 7, Details())])
        assert result.outcome is not None
        assert result.outcome.transfer is not None
        assert abs((result.outcome.transfer.created_at - before).total_seconds()) < 60
        row = Merchant.objects.get(id=merchant.id)
        assert row.metadata == {"o'clock": "\\"}
        assert abs((row.created_at - before).total_seconds()) < 60
        assert ask("SELECT 0.1::float8 + 0.2::float8") == 0.1 + 0.2
        limits = {ask(f"SHOW {name}") for name in ODD if name.endswith("_timeout") and not name.startswith("idle_in")}
        assert limits <= {"0", "30s", "5s"}, "a limit of the role counts"  # ours: of a command, or of a process that serves callers
        with transaction.atomic():
            session = Session()
            shown = session.send("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')").fetchone()
        assert shown == ("read committed", "off")
        _, rows = get_balances_now(merchant.id, currency=None, at=None)
        assert [balance.available_minor for balance in rows] == [507]

    threads.submit(tell).result()


def test_two_that_meet_do_not_fail(threads: ThreadPoolExecutor) -> None:
    """Under repeatable read, whoever waited for a lock fails."""
    payer, payee = MerchantIdentity(new_id(), unique()), MerchantIdentity(new_id(), unique())
    threads.submit(post_now, [RegisterMerchant(payer, {}, USD, 10_000, Details()), RegisterMerchant(payee, {}, USD, 0, Details())]).result()

    def pay() -> list[str]:
        outcomes = [post_now([TransferFunds(payer, payee, USD, 1, Details())])[0].outcome for _ in range(25)]
        return [str(outcome.refusal) for outcome in outcomes if outcome is not None and outcome.refusal is not None]

    assert [refused for done in [threads.submit(pay) for _ in range(2)] for refused in done.result()] == []
