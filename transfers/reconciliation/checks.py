"""The checks of the proof: each is a query that returns the rows that are wrong, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from transfers.reconciliation.accounts import LIMITS, ZERO_SUM
from transfers.reconciliation.entries import COUNT, ENTRIES
from transfers.reconciliation.fees import wrong_fees
from transfers.reconciliation.holds import HELD, HOLDS
from transfers.reconciliation.idempotency import KEYS
from transfers.reconciliation.scopes import Scope
from transfers.reconciliation.transfers import REFERENCES, REVERSALS, TRANSFERS

Raw = psycopg.Connection[Any]
Wrong = Iterator[tuple[str, str]]
"""The name of each wrong row, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a run proves.

    ``whole_only`` checks are about the ledger as a whole: a narrower scope leaves them out.
    """

    name: str
    title: str
    wrong: Callable[[Raw, Scope, int], Wrong]
    whole_only: bool = False


def _by(statement: str) -> Callable[[Raw, Scope, int], Wrong]:
    def wrong(raw: Raw, scope: Scope, limit: int) -> Wrong:
        cursor = psycopg.Cursor(raw)
        cursor.execute(scope.bind(statement), scope.parameters(limit))
        yield from cursor.fetchall()

    return wrong


ENTRY_CHECK = Check("entries", "sequence, running balance, hash chain and place of each entry", _by(ENTRIES))
TRANSFER_CHECK = Check("transfers", "debits equal credits, and the entries are those of the transfer", _by(TRANSFERS))
BALANCE_CHECK = Check("balances", "the balances of each currency add up to zero", _by(ZERO_SUM), whole_only=True)
FEE_CHECK = Check("fees", "each fee is what the recorded version of its schedule says", wrong_fees)
REVERSAL_CHECK = Check("reversals", "reversals go back the way, up to the original's amount", _by(REVERSALS))
REFERENCE_CHECK = Check("references", "external references are kept beside their accounts", _by(REFERENCES))
HOLD_CHECK = Check("holds", "each hold's movements are what was agreed", _by(HOLDS))
HELD_CHECK = Check("held", "held accounts hold what open holds have reserved", _by(HELD))
LIMIT_CHECK = Check("limits", "overdraft limits are numbers", _by(LIMITS))
KEY_CHECK = Check("keys", "each used key has its answer, which points at an existing transfer", _by(KEYS))

CHECKS = (
    ENTRY_CHECK, TRANSFER_CHECK, BALANCE_CHECK, FEE_CHECK, REVERSAL_CHECK, REFERENCE_CHECK, HOLD_CHECK, HELD_CHECK, LIMIT_CHECK, KEY_CHECK
)  # fmt: skip
"""In the order of their findings: the check that is nearest to the cause of a damage comes first.

No check adds up all debits and all credits of a currency: they are equal if each transfer's are,
within one currency, and the balances are the sums of both if each chain's are.
"""


def count_entries(raw: Raw, scope: Scope) -> int:
    """Return how many entries are in the scope."""
    cursor = psycopg.Cursor(raw)
    cursor.execute(scope.bind(COUNT), scope.parameters(0))
    row = cursor.fetchone()
    return int(row[0]) if row else 0
