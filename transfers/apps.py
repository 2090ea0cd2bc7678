"""The transfers app: how money moves."""

from django.apps import AppConfig


class TransfersConfig(AppConfig):
    """Transfers, ledger entries, holds and idempotency records."""

    name = "transfers"

    def ready(self) -> None:
        """Register the writer of events; tie the engine and the periodic work to the life of a
        serving process.
        """
        from ledger_project.kernel.happenings import record_with
        from ledger_project.process.lifecycle import on_shutdown, on_startup
        from transfers.posting import engine
        from transfers.services.events import record_event
        from transfers.upkeep import periodic

        record_with(record_event)
        on_startup(periodic.start)
        on_shutdown(engine.drain_engine)
        on_shutdown(periodic.stop)
