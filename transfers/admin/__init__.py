"""Transfers, holds, refusals, requests to add money, idempotency records and reconciliations in the
admin.
"""

from transfers.admin import deposit_requests, holds, idempotency, reconciliations, refusals, transfers

__all__ = ["deposit_requests", "holds", "idempotency", "reconciliations", "refusals", "transfers"]
