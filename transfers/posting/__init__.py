"""Posting: the only door to the journal's rows."""
