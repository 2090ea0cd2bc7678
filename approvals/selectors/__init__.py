"""Queries about approvals and their policies."""
