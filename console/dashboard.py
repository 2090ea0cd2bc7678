"""The front page of the admin: figures of one currency over some days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from console.amounts import shown, shown_short
from console.approvals import waiting_panels
from console.charts import Bar, Sparkline, column_chart, line_chart, percent_of
from console.dashboard_links import Links
from console.panels import Cell, Panel, usable_panel
from ledger_project.kernel.days import day_of
from ledger_project.kernel.errors import LedgerError
from merchants.domain import AccountKind
from people.access.operators import OPERATOR_PERMISSION
from transfers.admin.list_bars import MOVEMENTS
from transfers.figures.summary import INTERNAL_KINDS, Summary, currencies_in_use, read_summary, treasury_by_day
from transfers.reconciliation.run import LastReconciliation
from transfers.selectors.list_rows import FeeSide
from transfers.selectors.mark import FeedState, get_feed_state_now
from transfers.selectors.refusals import first_day_of_rows

PERIODS = (7, 30, 90, 365)
FEED_LATE_S = 10.0
"""Seconds behind the clock at which the feed is shown as late."""


@dataclass(frozen=True, slots=True)
class Card:
    """One headline: a title, its figure, and pieces of a note below.

    The pointer shows the ``exact`` figure; ``tone`` is good, bad or empty.
    """

    title: str
    figure: str
    note: Sequence[Cell] = ()
    exact: str = ""
    tone: str = ""
    url: str = ""


def _ago(moment: datetime) -> str:
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def _reconciliation_card(title: str, run: LastReconciliation | None, entries: str, kind: str, never: str) -> Card:
    url = f"{reverse('admin:transfers_reconciliationrun_changelist')}?kind__exact={kind}"
    if run is None:
        return Card(title, "never", [Cell(never)], tone="bad", url=url)
    clean = run.verdict == "clean"
    note = f"{run.finished_at:%Y-%m-%d %H:%M} UTC, {run.entries_checked:,} {entries}" + ("" if clean else f", {run.findings} findings")
    unseen = f"; not seen: {run.unseen}" if run.unseen else ""
    return Card(title, run.verdict, [Cell(note + unseen)], _ago(run.finished_at), "good" if clean else "bad", url)


def _reconciliation_cards(summary: Summary) -> list[Card]:
    """Return the verdicts on all and on what is new, each with its time and what it saw."""
    whole, new = summary.whole_reconciliation, summary.incremental_reconciliation
    return [
        _reconciliation_card("Last reconciliation of all", whole, "entries", "whole", "run manage.py reconcile"),
        _reconciliation_card(
            "Last reconciliation of what is new", new, "new entries", "incremental", "run manage.py reconcile --incremental"
        ),
    ]


def _feed_card(state: FeedState) -> Card:
    note = f"settled until {state.settled_until:%Y-%m-%d %H:%M:%S} UTC"
    if state.lag_s > FEED_LATE_S:
        why = "a transaction that writes has run so long"
        return Card("Feed of events", f"{_ago(state.settled_until)}: late", [Cell(note)], why, "bad")
    return Card("Feed of events", f"{max(0.0, state.lag_s):.1f} s behind", [Cell(note)], tone="good")


def _cards(summary: Summary, links: Links) -> list[Card]:
    unit = summary.currency
    moved = [kind for kind in summary.kinds if kind.kind not in INTERNAL_KINDS]
    movements = links.transfers(kind=MOVEMENTS)
    sees_runs = links.user.has_perm("transfers.view_reconciliationrun")
    return [
        Card(
            "Value held by merchants",
            f"{shown_short(summary.value_minor, unit)} {unit.code}",
            [
                Cell(f"{shown_short(summary.available_minor, unit)} available", links.value(AccountKind.WALLET)),
                Cell(f"{shown_short(summary.held_minor, unit)} held", links.value(AccountKind.HELD)),
            ],
            shown(summary.value_minor, unit),
            url=links.value("value"),
        ),
        _fee_card(summary, links),
        Card(
            "Movements",
            f"{sum(kind.transfers for kind in moved):,}",
            [Cell(f"volume {shown_short(sum(kind.volume_minor for kind in moved), unit)} {unit.code}", movements)],
            url=movements,
        ),
        _refusals_card(summary, links),
        Card(
            "Open holds",
            f"{summary.open_holds:,}",
            [Cell(f"{shown_short(summary.open_holds_minor, unit)} {unit.code} reserved", links.open_holds())],
            url=links.open_holds(),
        ),
        *(card if sees_runs else replace(card, url="") for card in _reconciliation_cards(summary)),
        _feed_card(get_feed_state_now()),
    ]


def _fee_card(summary: Summary, links: Links) -> Card:
    unit, income = summary.currency, summary.fees_minor - summary.fee_refunds_minor
    return Card(
        "Fee income",
        f"{shown_short(income, unit)} {unit.code}",
        [
            Cell(f"{shown_short(summary.fees_minor, unit)} charged", links.transfers(fees=FeeSide.CHARGED)),
            Cell(f"{shown_short(summary.fee_refunds_minor, unit)} given back", links.transfers(fees=FeeSide.REFUNDED)),
        ],
        shown(income, unit),
        url=links.transfers(fees=FeeSide.EITHER),
    )


def _refusals_card(summary: Summary, links: Links) -> Card:
    """Return the refusals in the currency, and of those that named none.

    Holds and releases are postings too, so they count among all that was asked for.
    """
    refused = sum(row.refusals for row in summary.refusals)
    nameless = sum(row.refusals for row in summary.refusals if not row.currency)
    posted = sum(kind.transfers for kind in summary.kinds)
    share = f"{refused / (refused + posted):.1%} of all postings, those of holds too" if refused + posted else "nothing was asked for"
    note = [Cell(share)]
    if nameless:
        note.append(Cell(f"{nameless:,} named no currency", links.refusals(currency="none")))
    kept_from = first_day_of_rows()
    if refused and summary.first < kept_from:
        note.append(Cell(f"as rows only since {kept_from}"))
    return Card("Refused postings", f"{refused:,}", note, url=links.refusals(currency=f"{summary.currency.code},none"))


def _kind_bars(summary: Summary, links: Links) -> list[Bar]:
    top = max((kind.volume_minor for kind in summary.kinds), default=0)
    return [
        Bar(
            kind.kind.replace("_", " "),
            (f"{kind.transfers:,}", shown_short(kind.volume_minor, summary.currency)),
            percent_of(kind.volume_minor, top),
            links.transfers(kind=kind.kind),
        )
        for kind in summary.kinds
    ]


def _refusal_bars(summary: Summary, links: Links) -> list[Bar]:
    top = max((row.refusals for row in summary.refusals), default=0)
    return [
        Bar(
            row.code + ("" if row.currency else " (no currency)"),
            (f"{row.refusals:,}",),
            percent_of(row.refusals, top),
            links.refusals(code=row.code, currency=row.currency or "none"),
        )
        for row in summary.refusals
    ]


def _sparklines(summary: Summary, links: Links) -> list[Sparkline]:
    unit, days = summary.currency, summary.days
    first, last = f"{summary.first:%d %b}", f"{summary.last:%d %b}"
    charts = []
    for title, filters, figures in (
        ("Movements by day", {"kind": MOVEMENTS}, [(day.transfers, f"{day.transfers:,}") for day in days]),
        ("Volume by day", {"kind": MOVEMENTS}, [(day.volume_minor, shown(day.volume_minor, unit)) for day in days]),
        ("Fee income by day", {"fees": FeeSide.EITHER.value}, [(day.fee_income_minor, shown(day.fee_income_minor, unit)) for day in days]),
    ):
        titles = [f"{day.day:%a %d %b %Y}: {words}" for day, (_, words) in zip(days, figures, strict=True)]
        urls = [links.transfers(day.day, day.day, **filters) for day in days]
        columns = column_chart([value for value, _ in figures], titles, urls)
        words = [(figures[-1][1], urls[-1]), ("on the last day", "")]
        charts.append(Sparkline(title, "", columns, first=first, last=last, figures=words))
    return [*charts, _value_chart(summary, links, first, last)]


def _value_chart(summary: Summary, links: Links, first: str, last: str) -> Sparkline:
    """Return what merchants had at the end of each day, without the treasury, as the card says."""
    unit = summary.currency
    values = [day.value_minor - own_minor for day, own_minor in zip(summary.days, treasury_by_day(summary), strict=True)]
    ends = {value: day.day for day, value in zip(summary.days, values, strict=True)}
    low, high = min(values), max(values)
    between = [
        ("between", ""),
        (shown(low, unit), links.value("value", ends[low])),
        ("and", ""),
        (shown(high, unit), links.value("value", ends[high])),
    ]
    line, area = line_chart(values)
    return Sparkline("Value at the end of each day", "", (), line, area, first, last, between)


def _top_panel(summary: Summary, links: Links) -> Panel:
    unit = summary.currency
    statements = links.statements([row.id for row in summary.top_merchants])
    rows = [
        [
            Cell(row.name, reverse("admin:merchants_merchant_change", args=[row.id])),
            Cell(f"{row.entries:,}", statements.get(row.id), is_number=True),
            Cell(shown(row.sent_minor, unit), statements.get(row.id), is_number=True),
            Cell(shown(row.received_minor, unit), statements.get(row.id), is_number=True),
        ]
        for row in summary.top_merchants
    ]
    return Panel("Top merchants", ("Merchant", "Entries", "Sent", "Received"), rows, empty="Nobody moved anything in this period.")


def _periods(summary: Summary) -> list[Cell]:
    today = datetime.now(UTC).date()
    code = summary.currency.code
    return [
        Cell(f"{days} days", "?" + urlencode({"currency": code, "from": today - timedelta(days=days - 1), "to": today})) for days in PERIODS
    ]


def dashboard_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the dashboard to the context of the index page, for users who may see figures."""
    context |= {"title": "Dashboard", "waiting": waiting_panels(request)}
    if not request.user.has_perm(OPERATOR_PERMISSION):
        return context
    days = {name: day_of(request.GET.get(name)) for name in ("from", "to")}
    wrong = [f"{name} is no day: {request.GET[name][:40]!r}" for name, day in days.items() if day is None and request.GET.get(name)]
    problem = f"{'; '.join(wrong)}. A day as in 2026-01-31 is expected; without it these are the usual days." if wrong else ""
    wanted = (request.GET.get("currency") or None, days["from"], days["to"])
    try:
        summary = read_summary(*wanted)
    except LedgerError as error:
        problem = f"{error.title}: {error}"
        summary = read_summary(None, None, None)
    in_use = currencies_in_use(date(2000, 1, 1))
    links = Links(summary, request.user)
    return context | {
        "summary": summary,
        "problem": problem,
        "currencies": sorted({*in_use, summary.currency.code}),
        "cards": _cards(summary, links),
        "kind_bars": _kind_bars(summary, links),
        "refusal_bars": _refusal_bars(summary, links),
        "sparklines": _sparklines(summary, links),
        "panels": [usable_panel(_top_panel(summary, links), request.user)],
        "periods": _periods(summary),
        "fresh_ago": _ago(summary.as_of),
    }
