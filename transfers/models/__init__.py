"""Tables of the transfers app."""

from transfers.models.holds import Hold
from transfers.models.idempotency import IdempotencyRecord
from transfers.models.journal import LedgerEntry, Transfer
from transfers.models.reconciliation import ReconciliationRun

__all__ = ["Hold", "IdempotencyRecord", "LedgerEntry", "ReconciliationRun", "Transfer"]
