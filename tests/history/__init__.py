"""Recorded histories of concurrent callers, checked for linearizability."""
