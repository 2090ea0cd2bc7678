"""Receipts for people, as pages of HTML and as PDF. Both show the same lines."""
