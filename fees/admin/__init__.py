"""Fee schedules in the admin."""

from fees.admin import schedules

__all__ = ["schedules"]
