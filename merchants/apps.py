"""The merchants app: who holds money."""

from django.apps import AppConfig


class MerchantsConfig(AppConfig):
    """Currencies, merchants and accounts."""

    name = "merchants"
