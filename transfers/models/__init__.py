"""Tables of the transfers app."""

from transfers.models.deposit_requests import DepositRequest
from transfers.models.events import Event
from transfers.models.figures import DailyActivity, DailyMerchant, DailyRefusals, DailyValue, FiguresMark, RefusalTally
from transfers.models.holds import Hold
from transfers.models.idempotency import IdempotencyClaim, IdempotencyRecord
from transfers.models.journal import ExternalReference, LedgerEntry, Transfer
from transfers.models.mark import FeedMark
from transfers.models.reconciliation import ReconciliationHead, ReconciliationRun
from transfers.models.refusals import Refusal
from transfers.models.requested_reconciliations import RequestedReconciliation, WorkerSign

__all__ = [
    "DailyActivity",
    "DailyMerchant",
    "DailyRefusals",
    "DailyValue",
    "DepositRequest",
    "Event",
    "ExternalReference",
    "FeedMark",
    "FiguresMark",
    "Hold",
    "IdempotencyClaim",
    "IdempotencyRecord",
    "LedgerEntry",
    "ReconciliationHead",
    "ReconciliationRun",
    "Refusal",
    "RefusalTally",
    "RequestedReconciliation",
    "Transfer",
    "WorkerSign",
]
