"""Merchants, their accounts and currencies in the admin."""

from merchants.admin import accounts, currencies, merchants

__all__ = ["accounts", "currencies", "merchants"]
