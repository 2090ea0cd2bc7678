"""What must hold over the whole ledger at any time, asked of the database in plain SQL."""

from __future__ import annotations

from typing import Any

from django.db import connection

INVARIANTS = {
    "debits equal credits in each transfer": """
        SELECT transfer_id FROM transfers_ledgerentry GROUP BY transfer_id
        HAVING sum(CASE direction WHEN 'DEBIT' THEN amount_minor ELSE -amount_minor END) <> 0
    """,
    "each transfer has entries": """
        SELECT t.id FROM transfers_transfer t WHERE NOT EXISTS (SELECT 1 FROM transfers_ledgerentry e WHERE e.transfer_id = t.id)
    """,
    "each entry has a transfer of its account's currency": """
        SELECT e.transfer_id FROM transfers_ledgerentry e
        LEFT JOIN transfers_transfer t ON t.id = e.transfer_id LEFT JOIN merchants_account a ON a.id = e.account_id
        WHERE t.id IS NULL OR a.id IS NULL OR t.currency_id <> a.currency_id
    """,
    "sequences have no gaps": """
        SELECT account_id FROM transfers_ledgerentry GROUP BY account_id HAVING count(*) <> max(sequence) OR min(sequence) <> 1
    """,
    "balances run": """
        SELECT account_id, sequence FROM (
            SELECT account_id, sequence, balance_after_minor, sum(CASE direction WHEN 'CREDIT' THEN amount_minor ELSE -amount_minor END)
                OVER (PARTITION BY account_id ORDER BY sequence) AS running FROM transfers_ledgerentry
        ) s WHERE running <> balance_after_minor
    """,
    "no balance is below its floor": """
        SELECT e.account_id FROM transfers_ledgerentry e JOIN merchants_account a ON a.id = e.account_id
        WHERE a.kind <> 'external' AND e.direction = 'DEBIT' AND e.balance_after_minor < -a.overdraft_limit_minor
            -- An operator may have cut the overdraft after it was spent.
            AND NOT EXISTS (SELECT 1 FROM django_admin_log l WHERE l.object_id = a.id::text AND l.change_message LIKE 'Overdraft%')
    """,
    "time does not run backwards": """
        SELECT account_id FROM (
            SELECT account_id, created_at, lag(created_at) OVER (PARTITION BY account_id ORDER BY sequence) AS before
            FROM transfers_ledgerentry
        ) s WHERE created_at < before
    """,
    "open holds are what held accounts hold": """
        SELECT coalesce(h.merchant_id, b.merchant_id) FROM
        (SELECT source_merchant_id AS merchant_id, currency_id, sum(reserved_minor) AS held FROM transfers_hold WHERE status = 'open' GROUP BY 1, 2) h
        FULL JOIN (
            SELECT a.merchant_id, a.currency_id, e.balance_after_minor AS held FROM merchants_account a
            JOIN LATERAL (SELECT balance_after_minor FROM transfers_ledgerentry WHERE account_id = a.id ORDER BY sequence DESC LIMIT 1) e ON true
            WHERE a.kind = 'held' AND e.balance_after_minor <> 0
        ) b USING (merchant_id, currency_id) WHERE h.held IS DISTINCT FROM b.held
    """,
    "no key is without its answer, and no answer without its key": """
        SELECT coalesce(c.id, r.id) FROM transfers_idempotencyclaim c
        FULL JOIN transfers_idempotencyrecord r ON r.id = c.id AND r.created_at = c.created_at WHERE c.id IS NULL OR r.id IS NULL
    """,
    "no key has two answers": "SELECT id FROM transfers_idempotencyrecord GROUP BY id HAVING count(*) > 1",
}


def check_invariants(cursor: Any = None) -> None:
    """Assert that everything holds, on the test database or through a cursor; says which does not, and for which rows."""
    if cursor is None:
        with connection.cursor() as own:
            return check_invariants(own)
    for name, statement in INVARIANTS.items():
        cursor.execute(statement + " LIMIT 5")
        rows = cursor.fetchall()
        assert not rows, f"violated: {name}: {rows}"
    return None
