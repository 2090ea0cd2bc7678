"""Transfers, holds and idempotency records in the admin."""

from transfers.admin import transfers

__all__ = ["transfers"]
