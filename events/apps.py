"""The events app: what happened, told to others."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """The feed, and those who read it in the background."""

    name = "events"

    def ready(self) -> None:
        """Tie the sender of webhooks, and the figures, to the life of a serving process.

        Add the mailing of receipts to the periodic work.
        """
        from events.upkeep import measuring
        from events.upkeep.mail import mail_receipts
        from ledger_project.process.lifecycle import on_shutdown, on_startup
        from transfers.upkeep import periodic

        async def start() -> None:
            from events.sending import process

            await process.start()

        async def stop() -> None:
            from events.sending import process

            await process.stop()

        on_startup(start)
        on_startup(measuring.start)
        on_shutdown(measuring.stop)
        on_shutdown(stop)
        periodic.SERVING += (periodic.Work("receipts", 1.0, mail_receipts),)
