"""The transfers app: how money moves."""

from django.apps import AppConfig


class TransfersConfig(AppConfig):
    """Transfers, ledger entries, holds and idempotency records."""

    name = "transfers"

    def ready(self) -> None:
        """Tie the engine and the periodic work to the life of a serving process."""
        from ledger_project.process.lifecycle import on_shutdown, on_startup  # noqa: PLC0415 - models are loaded now, not before
        from transfers.figures.refresh import rollup_differences  # noqa: PLC0415
        from transfers.posting import engine  # noqa: PLC0415
        from transfers.reconciliation.run import EXTRA_CHECKS  # noqa: PLC0415
        from transfers.upkeep import periodic  # noqa: PLC0415

        EXTRA_CHECKS.append(("rollups", rollup_differences))
        on_startup(periodic.start)
        on_shutdown(engine.drain_engine)
        on_shutdown(periodic.stop)
