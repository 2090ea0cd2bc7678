"""Reads of the feed and of its readers."""
