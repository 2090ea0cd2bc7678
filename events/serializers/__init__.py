"""Queries and answers of the calls about events."""
