"""The numbers in the menu of the admin: what waits, for those who may see it."""

from __future__ import annotations

import re

from django.test import Client
from django.urls import reverse

from approvals.selectors.approvals import waiting
from approvals.services.requests import ask
from console import badges
from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.amount_input import AmountInput
from merchants.models import Currency
from merchants.services import state_change
from tests.services.test_admin import USD, new_merchant
from tests.services.test_admin_operations import user_with
from tests.support.factories import unique
from transfers.domain.commands import Deposit, Details
from transfers.selectors.deposit_requests import waiting_requests
from transfers.services.deposit_requests import NewDepositRequest, decline_deposit, request_deposit


def shown(client: Client, changelist: str) -> str:
    """Return the number beside a link of the menu; nothing if there is none."""
    page = client.get(reverse("admin:index")).content.decode()
    link = page[page.index(f'href="{reverse(f"admin:{changelist}")}"') :]
    found = re.search(r'class="ledger-badge[^>]*>([^<]*)<', link[: link.index("</a>")])
    return found[1] if found else ""


def test_what_waits_is_counted_beside_its_list() -> None:
    client, merchant = user_with("operator"), new_merchant()
    approvals, requests = "approvals_approval_changelist", "transfers_depositrequest_changelist"
    with state_change():
        ask(Deposit(merchant, USD, 500, Details(memo="in")), principal=f"key:{unique('asker')}", request_id=str(new_id()))
    wanted = NewDepositRequest(merchant.name, "USD", AmountInput("3.00"))
    made = request_deposit(wanted, actor=Actor("user:member", merchant.id), key=None)
    assert shown(client, approvals) == badges.number(waiting()) != ""
    assert shown(client, requests) == badges.number(waiting_requests()) != ""
    decline_deposit(made.id, "no such payment", principal="admin:1")
    assert shown(client, requests) == badges.number(waiting_requests())


def test_nothing_has_no_number_and_a_large_number_is_cut() -> None:
    assert badges.number(Currency.objects.none()) == ""
    assert badges.number(Currency.objects.filter(code__in=["EUR", "USD"])) == "2"
    assert badges.number(Currency.objects.all()) == "99+"


def test_who_may_not_see_what_waits_has_no_number() -> None:
    page = user_with("policy manager").get(reverse("admin:index")).content.decode()
    assert reverse("admin:transfers_depositrequest_changelist") not in page
    assert "ledger-badge" not in page or reverse("admin:approvals_approval_changelist") in page
