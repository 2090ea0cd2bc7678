"""Approvals and their policies in the admin."""

from approvals.admin import policies

__all__ = ["policies"]
