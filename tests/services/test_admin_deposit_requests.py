"""Requests to add money in the admin: what operators see, and how they confirm and decline."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from merchants.domain import Status
from merchants.services import set_merchant_status
from tests.services.test_admin import USD, available, change_page, new_merchant, post
from tests.services.test_admin_operations import user_with
from tests.services.test_deposit_requests import again, ask, deposits_of
from tests.support.factories import unique
from transfers.domain.commands import Deposit, Details


@pytest.fixture
def operator() -> Client:
    return user_with("operator")


def send(client: Client, page: str, **values: str) -> str:
    return client.post(page, {"token": unique("form"), **values}, follow=True).content.decode()


def test_the_list_shows_amount_merchant_and_age(operator: Client) -> None:
    merchant = new_merchant()
    request = ask(merchant)
    page = operator.get(reverse("admin:transfers_depositrequest_changelist"), {"q": merchant.name, "status__exact": "pending"})
    text = page.content.decode()
    for part in (str(request.id), merchant.name, "12.50 USD", "0\xa0minutes", "user:7"):
        assert part in text


def test_the_form_says_in_numbers_what_will_be_posted(operator: Client) -> None:
    merchant = new_merchant()
    text = operator.get(change_page(ask(merchant), "confirm")).content.decode()
    assert f"a deposit of 12.50 USD from outside to the USD wallet of {merchant.name}, without a fee" in text
    assert f"{merchant.name}: 100.00 USD now, 112.50 after." in text


def test_an_operator_confirms_with_the_bank_s_reference(operator: Client) -> None:
    merchant, reference = new_merchant(), unique("bank")
    request = ask(merchant)
    text = send(operator, change_page(request, "confirm"), bank_reference=reference)
    (made,) = deposits_of(request)
    assert str(made.id) in text
    assert f"{merchant.name}: 100.00 USD before, 112.50 after." in text
    assert made.principal.startswith("admin:")
    assert available(merchant) == 11_250
    recorded = LogEntry.objects.get(object_id=str(request.id)).get_change_message()
    assert recorded == f"Confirmed with {reference}: 12.50 USD by {made.id}: no note"


def test_the_same_form_sent_twice_posts_and_records_once(operator: Client) -> None:
    request, reference = ask(new_merchant()), unique("bank")
    for _ in range(2):
        text = send(operator, change_page(request, "confirm"), bank_reference=reference)
    assert "this form was sent before" in text
    assert len(deposits_of(request)) == 1
    assert LogEntry.objects.filter(object_id=str(request.id)).count() == 1


def test_a_reference_that_was_used_is_refused_with_words(operator: Client) -> None:
    merchant, reference = new_merchant(), unique("bank")
    post(Deposit(merchant, USD, 100, Details(external_reference=reference)))
    request = ask(merchant)
    text = send(operator, change_page(request, "confirm"), bank_reference=reference)
    assert "was used on this account by transfer" in text
    assert again(request).status == "pending"


def test_a_frozen_wallet_is_refused_with_words(operator: Client) -> None:
    merchant = new_merchant()
    request = ask(merchant)
    set_merchant_status(merchant.id, Status.FROZEN)
    assert "is frozen" in send(operator, change_page(request, "confirm"), bank_reference=unique("bank"))
    assert not deposits_of(request)


def test_an_operator_declines_with_a_reason(operator: Client) -> None:
    request = ask(new_merchant())
    assert "Declined" in send(operator, change_page(request, "decline"), reason="no such payment")
    assert (again(request).status, again(request).reason) == ("declined", "no such payment")
    text = send(operator, change_page(request, "confirm"), bank_reference=unique("bank"))
    assert "declined: no such payment" in text


def test_a_preview_posts_nothing(operator: Client) -> None:
    request, reference = ask(new_merchant()), unique("bank")
    text = send(operator, change_page(request, "confirm"), bank_reference=reference, preview="")
    assert f"with the external reference {reference}" in text
    assert not deposits_of(request)


@pytest.mark.parametrize("role", ["viewer", "fee manager"])
def test_other_roles_see_requests_and_decide_nothing(role: str) -> None:
    client, request = user_with(role), ask(new_merchant())
    assert client.get(change_page(request)).status_code == 200
    for action in ("confirm", "decline"):
        assert client.post(change_page(request, action), {"token": "x", "reason": "x", "bank_reference": "x"}).status_code == 403
    assert again(request).status == "pending"
