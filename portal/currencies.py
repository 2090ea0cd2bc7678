"""The currencies in which a wallet can be opened."""

from __future__ import annotations

from collections.abc import Collection

from merchants.models import Currency

_FIRST = ("USD", "EUR", "GBP", "JPY", "CHF", "BTC", "ETH", "USDC")
"""Most people look for one of these, so they stand at the top of the list."""


def currency_choices(*, without: Collection[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the active currencies in two groups, each with code and name, without those that a
    merchant has.
    """
    rows = Currency.objects.filter(is_active=True).exclude(code__in=without).order_by("code").values_list("code", "name")
    names = dict(rows)
    common = [(code, names[code]) for code in _FIRST if code in names]
    return [("Often chosen", common), ("All", [(code, name) for code, name in names.items() if code not in _FIRST])]
