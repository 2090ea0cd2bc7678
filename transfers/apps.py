"""The transfers app: how money moves."""

from django.apps import AppConfig


class TransfersConfig(AppConfig):
    """Transfers, ledger entries, holds and idempotency records."""

    name = "transfers"
