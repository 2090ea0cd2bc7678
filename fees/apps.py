"""The fees app: what a movement costs."""

from django.apps import AppConfig


class FeesConfig(AppConfig):
    """Fee schedules and their versions."""

    name = "fees"
