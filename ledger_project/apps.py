"""What all apps share."""

from django.apps import AppConfig


class LedgerProjectConfig(AppConfig):
    """Commands and checks of the service as a whole."""

    name = "ledger_project"
    verbose_name = "Ledger"

    def ready(self) -> None:
        """Register the system checks, and the start-up of a serving process."""
        from django.db.backends.signals import connection_created

        from ledger_project import checks  # noqa: F401 - importing registers
        from ledger_project.database.connections import refuse_other_encodings, serve_with_limits
        from ledger_project.database.reading_lane import close_lane
        from ledger_project.database.reading_pages import close_pages
        from ledger_project.http.health import refuse_what_cannot_work
        from ledger_project.process.lifecycle import on_shutdown, on_startup
        from ledger_project.process.supervisor import watch_supervisor

        connection_created.connect(refuse_other_encodings)
        on_startup(serve_with_limits)
        on_shutdown(close_lane)
        on_shutdown(close_pages)
        on_startup(refuse_what_cannot_work)
        on_startup(watch_supervisor)
