"""The history of a wallet, its files, and the chart of its balance."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from console.amounts import shown_number
from ledger_project.database.clock import database_now
from ledger_project.kernel.actors import Scope
from ledger_project.kernel.days import day_of
from ledger_project.kernel.money import CurrencyUnit
from merchants.models import Account
from portal.balances import Wallet, day, wallet_of
from portal.charts import RANGES, Chart, chart_of, moments_until
from portal.history import KINDS, PAGE, SEARCHED, Found, HistoryFilters, days_of, find_movements
from portal.members import Member, member_of
from portal.middleware import is_by_script
from transfers.selectors import visible_wallet
from transfers.selectors.balances import get_balances_over_time_now
from transfers.selectors.deposit_requests import list_shown_requests
from transfers.selectors.holds import list_open_holds_now
from transfers.selectors.statements import Period, get_period
from transfers.statements.camt053 import NotRepresentable
from transfers.statements.days import StatementDays
from transfers.statements.formats import StatementFormat, statement_file

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
    found = Found([], None, is_cut=False) if filters.is_wrong else find_movements(period, filters, before=before)
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
def history_file(request: HttpRequest, merchant_name: str, currency: str, form: StatementFormat) -> HttpResponseBase:
    """Return the days of the address as a file; the history, which says what is wrong with them;
    or a page that says what the format cannot hold.
    """
    place = _place(request, merchant_name, currency)
    days = StatementDays.of(request.GET)
    if days.problem:
        page = reverse("portal:history", args=[place.wallet.merchant.name, place.wallet.code])
        return HttpResponseRedirect(f"{page}?{request.GET.urlencode()}")
    try:
        return statement_file(form, get_period(place.account, start=days.start, end=days.end), start=days.start, end=days.end)
    except NotRepresentable as error:
        words = f"{error}. {_INSTEAD[form]}"
        context = {"heading": f"This cannot be shown as {form.words}", "words": words, "code": "not_representable"}
        return render(request, "portal/problem.html", context, status=422)


_INSTEAD = {
    StatementFormat.CSV: "",
    StatementFormat.PDF: "Choose fewer days, or take the CSV.",
    StatementFormat.CAMT053: "Take the CSV or the PDF.",
}
"""What a person can do where a format cannot hold a statement; CSV holds all of them."""


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
