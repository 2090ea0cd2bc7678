"""Approvals and their policies in the admin."""

from approvals.admin import approvals, policies

__all__ = ["approvals", "policies"]
