"""Operators' pages that cross apps: dashboard, search, navigation."""
