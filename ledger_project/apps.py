"""What all apps share."""

from django.apps import AppConfig


class LedgerProjectConfig(AppConfig):
    """Commands and checks of the service as a whole."""

    name = "ledger_project"
    verbose_name = "Ledger"

    def ready(self) -> None:
        """Register the system checks."""
        from ledger_project import checks  # noqa: F401, PLC0415 - importing registers
