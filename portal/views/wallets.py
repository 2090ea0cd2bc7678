"""The wallets of a person's merchants: all of them, one, and a new one."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from ledger_project.kernel.actors import Scope
from ledger_project.kernel.errors import LedgerError
from ledger_project.kernel.refusals import AccountExists
from merchants.selectors import active_currencies_now
from portal.balances import Wallet, etag_of, wallet_of, wallets_of
from portal.currencies import currency_choices
from portal.members import Member, member_of, members_of
from portal.notices import failure
from transfers.services.form_movements import open_wallet

_CHOSEN = "portal_merchant"
"""The session's member for the merchant that was looked at last."""


def _chosen(request: HttpRequest, members: list[Member]) -> Member:
    """Return the merchant that the address names, else the last one, else the first.

    Raises ``Http404`` for a merchant of others.
    """
    if named := request.GET.get("merchant"):
        member = member_of(request, named)
        request.session[_CHOSEN] = member.merchant.name
        return member
    last = request.session.get(_CHOSEN)
    return next((member for member in members if member.merchant.name == last), members[0])


@require_safe
@login_required
def wallets(request: HttpRequest) -> HttpResponse:
    """Show the wallets of one of the person's merchants."""
    members = members_of(request)
    if not members:
        return render(request, "portal/no_wallets.html", {"section": "wallets"})
    member = _chosen(request, members)
    found = wallets_of(member.merchant)
    context = {"section": "wallets", "members": members, "member": member, "wallets": found, "etag": etag_of(found)}
    return render(request, "portal/wallets.html", context)


@require_safe
@login_required
def wallet(request: HttpRequest, merchant_name: str, currency: str) -> HttpResponse:
    """Show a wallet."""
    member = member_of(request, merchant_name)
    found = wallet_of(member.merchant, currency)
    return render(request, "portal/wallet.html", {"section": "wallets", "member": member, "wallet": found, "etag": etag_of([found])})


@require_safe
@login_required
def balances(request: HttpRequest) -> HttpResponse:
    """Show the wallets of the merchant that ``merchant`` names, as a part of a page."""
    member = member_of(request, request.GET.get("merchant", ""))
    return _part(request, "portal/_wallet_cards.html", wallets_of(member.merchant))


@require_safe
@login_required
def balance(request: HttpRequest, merchant_name: str, currency: str) -> HttpResponse:
    """Show the balance of a wallet, as a part of a page."""
    member = member_of(request, merchant_name)
    return _part(request, "portal/_balance.html", [wallet_of(member.merchant, currency)])


def _part(request: HttpRequest, template: str, found: list[Wallet]) -> HttpResponse:
    """Return a part of a page, or 304 to a page that shows the same already."""
    etag = etag_of(found)
    if request.headers.get("If-None-Match") == etag:
        return HttpResponseNotModified(headers={"ETag": etag})
    response = render(request, template, {"wallets": found, "wallet": found[0] if found else None})
    response["ETag"] = etag
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new_wallet(request: HttpRequest) -> HttpResponse:
    """Open a wallet in a currency that the merchant does not have yet."""
    member = member_of(request, request.GET.get("merchant", ""))
    member.require(Scope.MERCHANTS_WRITE)
    code = request.POST.get("currency", "")
    notices = []
    if request.method == "POST":
        unit = active_currencies_now().get(code)
        try:
            if unit is None:
                notices.append(failure("Choose a currency from the list.", code="unknown_currency"))
            else:
                open_wallet(member.merchant, unit, actor=member.actor)
                messages.success(request, f"The wallet in {code} is open.")
                return redirect("portal:wallet", member.merchant.name, code)
        except AccountExists:
            # Sent twice, or somebody else was faster: what was wanted is there.
            messages.success(request, f"The wallet in {code} is open already.")
            return redirect("portal:wallet", member.merchant.name, code)
        except LedgerError as error:
            notices.append(failure(str(error), error))
    held = {one.code for one in wallets_of(member.merchant)}
    context = {
        "section": "wallets",
        "member": member,
        "choices": currency_choices(without=held),
        "chosen": code,
        "notices": notices,
        "back": f"{reverse('portal:wallets')}?merchant={member.merchant.name}",
    }
    return render(request, "portal/new_wallet.html", context, status=422 if notices else 200)
