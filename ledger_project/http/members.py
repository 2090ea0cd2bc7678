"""Members that look the same in every answer: amounts and moments."""

from __future__ import annotations

from datetime import UTC, datetime

from ledger_project.kernel.money import Currency, format_minor

Json = dict[str, object]


def timestamp(moment: datetime) -> str:
    """Return RFC 3339 in UTC with microseconds, always of the same length."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def money(name: str, amount_minor: int, currency: Currency) -> Json:
    """Return an amount's twin members: the major string and the minor integer."""
    return {name: format_minor(amount_minor, currency.exponent), f"{name}_minor": amount_minor}
