"""The people app: who may act for whom."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """API keys."""

    name = "people"
