"""Transfers, holds and idempotency records in the admin."""

from transfers.admin import holds, idempotency, transfers

__all__ = ["holds", "idempotency", "transfers"]
