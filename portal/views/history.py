"""The history of a wallet, its files, and the chart of its balance."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.module_loading import import_string
from django.views.decorators.http import require_safe

from console.amounts import shown_number
from ledger_project.database.clock import database_now
from ledger_project.kernel.actors import Scope
from ledger_project.kernel.days import day_of
from ledger_project.kernel.money import CurrencyUnit
from merchants.models import Account
from portal.balances import Wallet, day, wallet_of
from portal.charts import RANGES, Chart, chart_of, moments_until
from portal.history import KINDS, PAGE, SEARCHED, HistoryFilters, days_of, find_movements
from portal.members import Member, member_of
from portal.middleware import is_by_script
from transfers.selectors import visible_wallet
from transfers.selectors.balances import get_balances_over_time_now
from transfers.selectors.deposit_requests import list_shown_requests
from transfers.selectors.holds import list_open_holds_now
from transfers.selectors.statements import Period
from transfers.statements.camt053 import NotRepresentable
from transfers.statements.csv import csv_response

_MOST_BESIDE = 20
"""Holds and requests that stand above a history."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A wallet of the person who is signed in."""

    member: Member
    wallet: Wallet
    account: Account


def _place(request: HttpRequest, merchant_name: str, currency: str) -> _Place:
    """Return the wallet of an address. Raises ``Http404``, and Django's ``PermissionDenied``."""
    member = member_of(request, merchant_name)
    member.require(Scope.MERCHANTS_READ)
    wallet = wallet_of(member.merchant, currency)
    account = visible_wallet(wallet.identity.id, actor=member.actor)
    if account is None:
        raise Http404
    return _Place(member, wallet, account)


@require_safe
@login_required
def history(request: HttpRequest, merchant_name: str, currency: str) -> HttpResponse:
    """Show the movements of a wallet, newest first; for htmx, the next page of them alone."""
    place = _place(request, merchant_name, currency)
    filters = HistoryFilters.of(request.GET)
    before = _whole(request.GET.get("before", ""))
    period = filters.period(place.account)
    found = find_movements(period, filters, before=before)
    days = days_of(found.movements, place.wallet.currency, continued=day_of(request.GET.get("day")))
    last_day = days[-1].day if days else request.GET.get("day", "")
    context = {
        "section": "wallets",
        "member": place.member,
        "wallet": place.wallet,
        "filters": filters,
        "kinds": [(name, words) for name, (words, _) in KINDS.items()],
        "days": days,
        "is_cut": found.is_cut,
        "searched": SEARCHED,
        "page_size": PAGE,
        "is_later": before is not None,
        "next_query": filters.query(before=found.before, day=last_day) if found.before is not None else "",
        "files_query": filters.query(),
    }
    if is_by_script(request) and before is not None:
        return render(request, "portal/_movements.html", context)
    return render(request, "portal/history.html", {**context, **_beside(place, request), **_ends(period, place.wallet.currency)})


def _beside(place: _Place, request: HttpRequest) -> dict[str, object]:
    """Return what stands above the movements: the chart, holds, and requests to add money."""
    unit, merchant = place.wallet.currency, place.wallet.merchant
    length = _length(request)
    chart = _chart(place, length)
    holds = [
        {
            "is_mine": hold.payer == merchant.name,
            "other": hold.receiver if hold.payer == merchant.name else hold.payer,
            "amount": shown_number(hold.reserved_minor if hold.payer == merchant.name else hold.amount_minor, unit),
            "until": day(hold.expires_at),
            "memo": hold.memo,
        }
        for hold in list_open_holds_now(merchant.id, currency=unit.code, limit=_MOST_BESIDE)
    ]
    asked = [
        {
            "status": one.status,
            "amount": shown_number(one.amount_minor, unit),
            "memo": one.memo,
            "reason": one.reason,
            "when": day(one.created_at),
        }
        for one in list_shown_requests(merchant.id, currency=unit.code, limit=_MOST_BESIDE)
    ]
    return {"chart": chart, "ranges": RANGES.items(), "length": length, "holds": holds, "requests": asked}


def _ends(period: Period, unit: CurrencyUnit) -> dict[str, str]:
    return {"opening": shown_number(period.opening_minor, unit), "closing": shown_number(period.closing_minor, unit)}


@require_safe
@login_required
def history_csv(request: HttpRequest, merchant_name: str, currency: str) -> HttpResponseBase:
    """Return the days of the address as CSV for a spreadsheet, streamed."""
    place = _place(request, merchant_name, currency)
    response = csv_response(HistoryFilters.of(request.GET).period(place.account), spreadsheet=True)
    response["Content-Disposition"] = f'attachment; filename="{_file_name(place)}.csv"'
    return response


@require_safe
@login_required
def history_pdf(request: HttpRequest, merchant_name: str, currency: str) -> HttpResponse:
    """Return the days of the address as PDF; a page that says so where they are too many."""
    place = _place(request, merchant_name, currency)
    filters = HistoryFilters.of(request.GET)
    try:
        # By its name: what writes PDF takes a third of a second to import.
        write = import_string("transfers.statements.pdf.statement_pdf")
        content = write(filters.period(place.account), start=filters.start, end=filters.end)
    except NotRepresentable as error:
        context = {"heading": "This is too long for a PDF", "words": f"A PDF has {error}. Choose fewer days, or take the CSV."}
        return render(request, "portal/problem.html", {**context, "code": "not_representable"}, status=422)
    return HttpResponse(
        content, content_type="application/pdf", headers={"Content-Disposition": f'attachment; filename="{_file_name(place)}.pdf"'}
    )


@require_safe
@login_required
def balance_chart(request: HttpRequest, merchant_name: str, currency: str) -> HttpResponse:
    """Return the chart of a wallet's balance for the page's script."""
    return JsonResponse(_chart(_place(request, merchant_name, currency), _length(request)).as_json())


def _chart(place: _Place, length: int) -> Chart:
    unit = place.wallet.currency
    moments = moments_until(database_now(), days=length)
    return chart_of(get_balances_over_time_now(place.wallet.merchant.id, currency=unit, moments=moments), unit)


def _length(request: HttpRequest) -> int:
    length = _whole(request.GET.get("days", "")) or 30
    return length if length in RANGES else 30


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _file_name(place: _Place) -> str:
    return f"statement-{place.wallet.merchant.name}-{place.wallet.code}"
