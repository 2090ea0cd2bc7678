"""The console: operators' pages that cross apps."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """Dashboard, search and navigation."""

    name = "console"
