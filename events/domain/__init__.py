"""The rules of events: pure."""
