"""The console: operators' pages that cross apps."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """Dashboard, search, navigation, and the second factor of the admin."""

    name = "console"
