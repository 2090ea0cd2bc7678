"""The fees of a merchant that are in force, in words."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.urls import reverse

from console.panels import Cell, Panel
from fees.admin.words import terms
from fees.domain import Schedule, choose_schedule
from fees.selectors import load_schedules
from ledger_project.database.clock import database_now
from merchants.models import Merchant
from merchants.selectors import known_currency

_KINDS = {"transfer": "transfers", "capture": "captures"}
"""What is charged, by the kind of a schedule."""


def fees_panel(merchant: Merchant, currencies: list[str]) -> Panel:
    """Return which fee is in force now, for each of some currencies, with a link to its version."""
    now = database_now()
    schedules = load_schedules(merchant_ids=[merchant.id], currencies=currencies)
    rows = []
    for code in currencies:
        chosen = {kind: choose_schedule(schedules, merchant_id=merchant.id, currency=code, kind=kind, at=now) for kind in _KINDS}
        rows += [_row(code, schedule, words) for schedule, words in _grouped(chosen).items()]
    links = [
        Cell("All versions", f"{reverse('admin:fees_feeschedule_changelist')}?q={merchant.name}"),
        Cell("A new fee version", f"{reverse('admin:fee_append')}?merchant={merchant.name}"),
    ]
    headers = ("Currency", "For", "Fee", "Schedule", "In force since (UTC)")
    return Panel("Fees in force", headers, rows, "It has no wallet yet.", links)


def _grouped(chosen: Mapping[str, Schedule | None]) -> dict[Schedule | None, str]:
    """Return each schedule with what it charges, in words."""
    found: dict[UUID | None, tuple[Schedule | None, list[str]]] = {}
    for kind, schedule in chosen.items():
        found.setdefault(None if schedule is None else schedule.id, (schedule, []))[1].append(_KINDS[kind])
    return {schedule: " and ".join(words) for schedule, words in found.values()}


def _row(code: str, schedule: Schedule | None, what: str) -> list[Cell]:
    if schedule is None:
        return [Cell(code), Cell(what), Cell("none applies: such a movement is refused"), Cell("—"), Cell("—")]
    whose = "its own" if schedule.merchant_id else "everybody's"
    currency = f" for {schedule.currency}" if schedule.currency else ""
    return [
        Cell(code),
        Cell(what),
        Cell(f"{terms(schedule, known_currency(code) if schedule.currency else None)}, paid by the {schedule.payer}"),
        Cell(f"{whose}{currency}, version {schedule.version}", reverse("admin:fees_feeschedule_change", args=[schedule.id])),
        Cell(f"{schedule.effective_from:%Y-%m-%d %H:%M:%S}"),
    ]
