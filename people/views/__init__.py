"""Calls about people: tokens, users, memberships."""
