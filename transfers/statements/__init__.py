"""Statements as files: CSV, PDF and camt.053, one by one or several as a ZIP."""
