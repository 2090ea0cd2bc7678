"""Lines of the journal as rows of admin panels."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse

from ledger_project.admin_base import Cell, Panel
from ledger_project.kernel.money import Money
from merchants.models import Account
from transfers.representations import EntryView
from transfers.selectors.statements import get_period, period_lines

PAGE = 50


def entry_row(line: EntryView) -> list[Cell]:
    """Return a line: when, what (linked to its transfer), with whom, how much, and what there was after it."""
    sign = "" if line.direction == "CREDIT" else "-"
    return [
        Cell(f"{line.created_at:%Y-%m-%d %H:%M:%S}"),
        Cell(line.type, reverse("admin:transfers_transfer_change", args=[line.transfer_id])),
        Cell(line.counterparty or "—"),
        Cell(f"{sign}{Money(line.amount_minor, line.currency)}", is_number=True),
        Cell(str(Money(line.balance_after_minor, line.currency)), is_number=True),
        Cell(line.memo or ""),
    ]


def statement_panel(request: HttpRequest, account: Account) -> Panel:
    """Return one page of an account's statement, newest first, with links to the older one and to the export."""
    text = request.GET.get("before", "")
    before = int(text) if text.isdecimal() and len(text) < 19 else None
    lines = period_lines(get_period(account, start=None, end=None), before=before, limit=PAGE)
    links = [Cell("Export as CSV", reverse("admin:account_export", args=[account.id]))]
    if before is not None:
        links.append(Cell("Newest", "?"))
    if len(lines) == PAGE:
        links.append(Cell("Older", f"?before={lines[-1].sequence}"))
    headers = ("When (UTC)", "What", "Counterparty", "Amount", "Balance after", "Memo")
    return Panel("Statement", headers, [entry_row(line) for line in lines], links=links)
