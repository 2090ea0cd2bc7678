"""The front page of the admin: figures of one currency over some days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from console.amounts import shown, shown_short
from console.approvals import waiting_panels
from console.charts import Bar, Sparkline, column_chart, line_chart, percent_of
from console.panels import Cell, Panel
from ledger_project.kernel.days import day_of
from ledger_project.kernel.errors import LedgerError
from people.access.operators import OPERATOR_PERMISSION
from transfers.figures.summary import INTERNAL_KINDS, Summary, currencies_in_use, read_summary
from transfers.reconciliation.run import LastReconciliation
from transfers.selectors.mark import FeedState, get_feed_state_now

PERIODS = (7, 30, 90, 365)
FEED_LATE_S = 10.0
"""Seconds behind the clock at which the feed is shown as late."""


@dataclass(frozen=True, slots=True)
class Card:
    """One headline: a title, its figure, and a note below.

    The pointer shows the ``exact`` figure; ``tone`` is good, bad or empty.
    """

    title: str
    figure: str
    note: str = ""
    exact: str = ""
    tone: str = ""
    url: str = ""


def _ago(moment: datetime) -> str:
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def _reconciliation_card(title: str, run: LastReconciliation | None, entries: str, never: str) -> Card:
    if run is None:
        return Card(title, "never", never, tone="bad")
    clean = run.verdict == "clean"
    note = f"{run.finished_at:%Y-%m-%d %H:%M} UTC, {run.entries_checked:,} {entries}" + ("" if clean else f", {run.findings} findings")
    unseen = f"; not seen: {run.unseen}" if run.unseen else ""
    return Card(title, run.verdict, note + unseen, _ago(run.finished_at), "good" if clean else "bad")


def _reconciliation_cards(summary: Summary) -> list[Card]:
    """Return the verdicts on all and on what is new, each with its time and what it saw."""
    whole, new = summary.whole_reconciliation, summary.incremental_reconciliation
    return [
        _reconciliation_card("Last reconciliation of all", whole, "entries", "run manage.py reconcile"),
        _reconciliation_card("Last reconciliation of what is new", new, "new entries", "run manage.py reconcile --incremental"),
    ]


def _feed_card(state: FeedState) -> Card:
    note = f"settled until {state.settled_until:%Y-%m-%d %H:%M:%S} UTC"
    if state.lag_s > FEED_LATE_S:
        return Card("Feed of events", f"{_ago(state.settled_until)}: late", note, "a transaction that writes has run so long", "bad")
    return Card("Feed of events", f"{max(0.0, state.lag_s):.1f} s behind", note, tone="good")


def _cards(summary: Summary) -> list[Card]:
    unit = summary.currency
    income = summary.fees_minor - summary.fee_refunds_minor
    moved = [kind for kind in summary.kinds if kind.kind not in INTERNAL_KINDS]
    refused = sum(row.refusals for row in summary.refusals)
    posted = sum(kind.transfers for kind in summary.kinds)
    share = f"{refused / (refused + posted):.1%} of all" if refused + posted else "nothing was asked for"
    return [
        Card(
            "Value held by merchants",
            f"{shown_short(summary.value_minor, unit)} {unit.code}",
            f"{shown_short(summary.available_minor, unit)} available, {shown_short(summary.held_minor, unit)} held",
            shown(summary.value_minor, unit),
            url=reverse("admin:merchants_merchant_changelist"),
        ),
        Card(
            "Fee income",
            f"{shown_short(income, unit)} {unit.code}",
            f"{shown_short(summary.fees_minor, unit)} charged, {shown_short(summary.fee_refunds_minor, unit)} given back",
            shown(income, unit),
        ),
        Card(
            "Movements",
            f"{sum(kind.transfers for kind in moved):,}",
            f"volume {shown_short(sum(kind.volume_minor for kind in moved), unit)} {unit.code}",
            url=reverse("admin:transfers_transfer_changelist"),
        ),
        Card("Refused postings", f"{refused:,}", share, url=_refusals_url(summary, currency=f"{unit.code},none")),
        Card(
            "Open holds",
            f"{summary.open_holds:,}",
            f"{shown_short(summary.open_holds_minor, unit)} {unit.code} reserved",
            url=reverse("admin:transfers_hold_changelist") + "?status__exact=open",
        ),
        *_reconciliation_cards(summary),
        _feed_card(get_feed_state_now()),
    ]


def _kind_bars(summary: Summary) -> list[Bar]:
    top = max((kind.volume_minor for kind in summary.kinds), default=0)
    changelist = reverse("admin:transfers_transfer_changelist")
    return [
        Bar(
            kind.kind.replace("_", " "),
            (f"{kind.transfers:,}", shown_short(kind.volume_minor, summary.currency)),
            percent_of(kind.volume_minor, top),
            f"{changelist}?kind__exact={kind.kind}",
        )
        for kind in summary.kinds
    ]


def _refusals_url(summary: Summary, **filters: str) -> str:
    """Return the address of the list of refusals with the period of the figures."""
    end = datetime.combine(summary.last + timedelta(days=1), time(), UTC)
    period = {"created_at__gte": f"{datetime.combine(summary.first, time(), UTC)}", "created_at__lt": f"{end}"}
    return f"{reverse('admin:transfers_refusal_changelist')}?{urlencode({**filters, **period})}"


def _refusal_bars(summary: Summary) -> list[Bar]:
    top = max((row.refusals for row in summary.refusals), default=0)
    return [
        Bar(
            row.code + ("" if row.currency else " (no currency)"),
            (f"{row.refusals:,}",),
            percent_of(row.refusals, top),
            _refusals_url(summary, code=row.code, currency=row.currency or "none"),
        )
        for row in summary.refusals
    ]


def _sparklines(summary: Summary) -> list[Sparkline]:
    unit, days = summary.currency, summary.days
    first, last = f"{summary.first:%d %b}", f"{summary.last:%d %b}"
    charts = []
    for title, figures in (
        ("Movements by day", [(day.transfers, f"{day.transfers:,}") for day in days]),
        ("Volume by day", [(day.volume_minor, shown(day.volume_minor, unit)) for day in days]),
        ("Fee income by day", [(day.fee_income_minor, shown(day.fee_income_minor, unit)) for day in days]),
    ):
        titles = [f"{day.day:%a %d %b %Y}: {words}" for day, (_, words) in zip(days, figures, strict=True)]
        charts.append(
            Sparkline(title, figures[-1][1] + " on the last day", column_chart([v for v, _ in figures], titles), first=first, last=last)
        )
    values = [day.value_minor for day in days]
    between = f"between {shown(min(values), unit)} and {shown(max(values), unit)}"
    line, area = line_chart(values)
    charts.append(Sparkline("Value at the end of each day", between, (), line, area, first, last))
    return charts


def _top_panel(summary: Summary) -> Panel:
    unit = summary.currency
    rows = [
        [
            Cell(row.name, reverse("admin:merchants_merchant_change", args=[row.id])),
            Cell(f"{row.entries:,}", is_number=True),
            Cell(shown(row.sent_minor, unit), is_number=True),
            Cell(shown(row.received_minor, unit), is_number=True),
        ]
        for row in summary.top_merchants
    ]
    return Panel("Top merchants", ("Merchant", "Movements", "Sent", "Received"), rows, empty="Nobody moved anything in this period.")


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
    return context | {
        "summary": summary,
        "problem": problem,
        "currencies": sorted({*in_use, summary.currency.code}),
        "cards": _cards(summary),
        "kind_bars": _kind_bars(summary),
        "refusal_bars": _refusal_bars(summary),
        "sparklines": _sparklines(summary),
        "panels": [_top_panel(summary)],
        "periods": _periods(summary),
        "fresh_ago": _ago(summary.as_of),
    }
