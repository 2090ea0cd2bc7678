"""The portal: the pages of those who own wallets, under ``/app/``."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """Wallets, the money form, and what belongs to them."""

    name = "portal"
