"""Statements as files: CSV and camt.053."""
