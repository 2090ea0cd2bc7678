"""Transfers, holds, refusals, requests to add money and idempotency records in the admin."""

from transfers.admin import deposit_requests, holds, idempotency, refusals, transfers

__all__ = ["deposit_requests", "holds", "idempotency", "refusals", "transfers"]
