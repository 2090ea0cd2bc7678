"""Merchants, their accounts and currencies in the admin."""

from merchants.admin import merchants

__all__ = ["merchants"]
