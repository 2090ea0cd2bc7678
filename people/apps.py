"""The people app: who may act for whom."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """API keys."""

    name = "people"

    def ready(self) -> None:
        """Have callers authenticated by the API keys that are kept here."""
        from people.access.authentication import use_key_lookup  # noqa: PLC0415 - models are loaded now, not before
        from people.credentials import find_key  # noqa: PLC0415

        use_key_lookup(find_key)
