"""Posting: the only way to the journal's rows."""
