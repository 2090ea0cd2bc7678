"""The checks of the proof: each is a query that returns the rows that are wrong, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings

from ledger_project.kernel.ids import first_uuid7_at
from transfers.reconciliation.accounts import LIMITS, ZERO_SUM
from transfers.reconciliation.entries import COUNT, ENTRIES, TOTALS
from transfers.reconciliation.fees import wrong_fees
from transfers.reconciliation.holds import HELD, HOLDS
from transfers.reconciliation.idempotency import KEYS
from transfers.reconciliation.transfers import REVERSALS, TRANSFERS

Raw = psycopg.Connection[Any]
Wrong = Iterator[tuple[str, str]]
"""The name of each wrong row, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ProofScope:
    """What a run proves: all, what was posted since a moment, or what touches one account."""

    since: datetime | None = None
    account_id: UUID | None = None

    def __str__(self) -> str:
        parts = [f"account {self.account_id}"] if self.account_id else []
        parts += [f"since {self.since.isoformat()}"] if self.since else []
        return ", ".join(parts) or "everything"

    def _condition(self, *, since: str, account: str) -> str:
        conditions = [since] if self.since else []
        conditions += [account] if self.account_id else []
        return " AND ".join(conditions) or "true"

    def bind(self, statement: str) -> str:
        """Return a statement with its places for the scope filled in."""
        of_account = "(SELECT s.transfer_id FROM transfers_ledgerentry s WHERE s.account_id = %(account)s)"
        merchant = "(SELECT merchant_id, currency_id FROM merchants_account WHERE id = %(account)s)"
        places = {
            "/*entries*/": self._condition(since="e.created_at >= %(since)s", account="e.account_id = %(account)s"),
            "/*lines*/": self._condition(since="e.transfer_id >= %(since_id)s", account=f"e.transfer_id IN {of_account}"),
            "/*transfers*/": self._condition(since="t.id >= %(since_id)s", account=f"t.id IN {of_account}"),
            "/*holds*/": self._condition(
                since="h.created_at >= %(since)s",
                account=f"(h.source_merchant_id, h.currency_id) IN {merchant}",
            ),
            "/*keys*/": self._condition(since="r.created_at >= %(since)s", account=f"r.transfer_id IN {of_account}"),
            "/*claims*/": self._condition(since="c.created_at >= %(since)s", account="false"),
            "/*accounts*/": self._condition(since="true", account="a.id = %(account)s"),
        }
        for place, condition in places.items():
            statement = statement.replace(place, condition)
        return statement

    def parameters(self, limit: int) -> dict[str, object]:
        """Return the values of those places."""
        since_id = None if self.since is None else first_uuid7_at(self.since)
        kept = {"retention_s": settings.LEDGER_IDEMPOTENCY_RETENTION}
        return {"since": self.since, "since_id": since_id, "account": self.account_id, "limit": limit, **kept}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a run proves.

    ``whole_only`` checks are about the ledger as a whole: a narrower scope leaves them out.
    """

    name: str
    title: str
    wrong: Callable[[Raw, ProofScope, int], Wrong]
    whole_only: bool = False


def _by(statement: str) -> Callable[[Raw, ProofScope, int], Wrong]:
    def wrong(raw: Raw, scope: ProofScope, limit: int) -> Wrong:
        cursor = psycopg.Cursor(raw)
        cursor.execute(scope.bind(statement), scope.parameters(limit))
        yield from cursor.fetchall()

    return wrong


def _wrong_fees(raw: Raw, scope: ProofScope, limit: int) -> Wrong:
    return wrong_fees(raw, scope.bind, scope.parameters(limit), limit)


CHECKS = (
    Check("entries", "sequence, running balance, hash chain and place of each entry", _by(ENTRIES)),
    Check("transfers", "debits equal credits, and the entries are those of the transfer", _by(TRANSFERS)),
    Check("totals", "debits equal credits in each currency", _by(TOTALS)),
    Check("balances", "the balances of each currency add up to zero", _by(ZERO_SUM), whole_only=True),
    Check("fees", "each fee is what the recorded version of its schedule says", _wrong_fees),
    Check("reversals", "reversals go back the way, up to the original's amount", _by(REVERSALS)),
    Check("holds", "each hold's movements are what was agreed", _by(HOLDS)),
    Check("held", "held accounts hold what open holds have reserved", _by(HELD)),
    Check("limits", "overdraft limits are numbers", _by(LIMITS)),
    Check("keys", "each used key has its answer, which points at an existing transfer", _by(KEYS)),
)
"""In running order: the check that is nearest to the cause of a damage comes first."""


def count_entries(raw: Raw, scope: ProofScope) -> int:
    """Return how many entries are in the scope."""
    cursor = psycopg.Cursor(raw)
    cursor.execute(scope.bind(COUNT), scope.parameters(0))
    row = cursor.fetchone()
    return int(row[0]) if row else 0
