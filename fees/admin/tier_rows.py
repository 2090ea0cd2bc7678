"""The tiers of a draft as rows of a form: a bound and a flat part in major units, a rate in per
cent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, zip_longest
from typing import Any

from fees.admin.typed import NoRate, money_of, money_text, percent_text, rate_of, rate_text
from fees.domain import MAX_TIERS, Tier
from ledger_project.kernel.money import CurrencyUnit, InvalidAmount, parse_typed_major

UP_TO, PERCENT, FLAT = "tier_up_to", "tier_percent", "tier_flat"
"""The names of the inputs of a row. Each row has all three, so the first of each name are the first
row, and so on.
"""

MOST_ROWS = 2 * MAX_TIERS
"""The most rows that are read: more than the service takes, so that it says so."""

LEAST_ROWS = 2
"""The fewest rows that the form shows. Empty ones are no tiers."""


@dataclass(frozen=True, slots=True)
class TierRow:
    """A row as it was typed, with what is wrong with it, by input."""

    up_to: str = ""
    percent: str = ""
    flat: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was typed."""
        return not (self.up_to or self.percent or self.flat)


def rows_of(data: Mapping[str, Any]) -> list[TierRow]:
    """Return the rows that were sent, empty ones too; what is missing of a row is empty."""
    bounds, percents, flats = (_all_of(data, name) for name in (UP_TO, PERCENT, FLAT))
    rows = zip_longest(bounds, percents, flats, fillvalue="")
    return [TierRow(up_to, percent, flat) for up_to, percent, flat in islice(rows, MOST_ROWS)]


def _all_of(data: Mapping[str, Any], name: str) -> Sequence[str]:
    getlist = getattr(data, "getlist", None)
    if getlist is not None:
        return list(getlist(name))
    found = data.get(name, [])
    return [found] if isinstance(found, str) else list(found)


def rows_from(tiers: Sequence[Tier], unit: CurrencyUnit) -> list[TierRow]:
    """Return the rows that say what stored tiers say."""
    return [
        TierRow(
            "" if tier.up_to_minor is None else money_text(tier.up_to_minor, unit),
            percent_text(tier.rate),
            money_text(tier.flat_minor, unit) if tier.flat_minor else "",
        )
        for tier in tiers
    ]


def shown_rows(rows: Sequence[TierRow], more: int = 0) -> list[TierRow]:
    """Return the rows that the form shows: with empty ones up to ``LEAST_ROWS``, and ``more``."""
    return [*rows, *[TierRow()] * (max(LEAST_ROWS - len(rows), 0) + more)]


def sorted_rows(rows: Sequence[TierRow], unit: CurrencyUnit | None) -> list[TierRow]:
    """Return the rows by their bounds, then those without a bound, without empty ones; in the order
    that they have if a bound cannot be read.
    """
    rows = [row for row in rows if not row.is_empty]
    try:
        bounds = [None if not row.up_to or unit is None else parse_typed_major(row.up_to, unit) for row in rows]
    except InvalidAmount:
        return rows
    if unit is None:
        return rows
    order = sorted(range(len(rows)), key=lambda place: (bounds[place] is None, bounds[place] or 0))
    return [rows[place] for place in order]


def read_rows(rows: Sequence[TierRow], unit: CurrencyUnit) -> tuple[list[dict[str, object]], list[TierRow]]:
    """Return the tiers of rows as a version stores them, and the rows in the order of their bounds,
    with what is wrong with each. If anything is wrong, the tiers are of no use.
    """
    ordered = sorted_rows(rows, unit)
    read = [_read_row(row, unit) for row in ordered]
    errors: list[dict[str, str]] = [dict(found) for _, found in read]
    previous = 0
    for place, (tier, _) in enumerate(read):
        bound, is_last = tier["up_to_minor"], place == len(read) - 1
        if UP_TO in errors[place]:
            continue
        if bound is None and not is_last:
            errors[place][UP_TO] = "Only one tier has no bound: the last one. Type one here."
        elif bound is not None and is_last:
            errors[place][UP_TO] = "The last tier has no bound: leave this empty, or add a tier for all that is more."
        elif bound is not None and bound == previous:
            errors[place][UP_TO] = "Another tier has this bound."
        previous = bound or previous
    return [dict(tier) for tier, _ in read], [replace(row, errors=found) for row, found in zip(ordered, errors, strict=True)]


def _read_row(row: TierRow, unit: CurrencyUnit) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a row as a tier, and what is wrong with it."""
    tier: dict[str, Any] = {"up_to_minor": None, "rate": "0", "flat_minor": 0}
    errors: dict[str, str] = {}
    try:
        tier["up_to_minor"] = parse_typed_major(row.up_to, unit) if row.up_to else None
    except InvalidAmount as error:
        errors[UP_TO] = str(error)
    try:
        tier["rate"] = rate_text(rate_of(row.percent)) if row.percent else "0"
    except NoRate as error:
        errors[PERCENT] = str(error)
    try:
        tier["flat_minor"] = money_of(row.flat, unit) if row.flat else 0
    except InvalidAmount as error:
        errors[FLAT] = str(error)
    if not row.percent and not row.flat:
        errors[PERCENT] = "A rate or a flat part is expected; a rate of 0 costs nothing."
    return tier, errors
