"""The approvals app: a second person decides."""

from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    """Policies, and what waits for a second person."""

    name = "approvals"

    def ready(self) -> None:
        """Add the expiry of approvals to the periodic work."""
        from approvals.services.expiry import expire_due
        from transfers.upkeep import periodic

        periodic.SERVING += (periodic.Work("approvals", 5.0, expire_due),)
