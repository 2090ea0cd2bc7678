"""Deposits and withdrawals by operators: said in numbers before and after, done once, refused in words, and only by who may."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connections
from django.test import Client
from django.urls import reverse

from merchants.domain import AccountKind, MerchantIdentity, Status
from merchants.models import Account
from merchants.services import set_account_status, set_overdraft_limit
from tests.services.test_admin import USD, available, change_page, hidden, new_merchant, post
from tests.services.test_admin_forms import ODD_AMOUNTS, words
from tests.services.test_admin_operations import user_with
from tests.support.factories import unique
from transfers.domain.commands import Deposit, Details
from transfers.models import Refusal, Transfer


@pytest.fixture
def operator() -> Client:
    return user_with("operator")


def wallet_of(merchant: MerchantIdentity) -> Account:
    return Account.objects.get(merchant_id=merchant.id, kind=AccountKind.WALLET, currency="USD")


def page_of(merchant: MerchantIdentity, action: str = "deposit") -> str:
    return change_page(wallet_of(merchant), action)


def asked(client: Client, page: str, **values: str) -> dict[str, str]:
    """Return a form as it is sent after the page has shown what it would do."""
    form = {"token": unique("form"), "reason": "as agreed"} | values
    text = client.post(page, form | {"preview": ""}).content.decode()
    return form | {name: hidden(text, name) for name in ("seen", "seen_state")}


def made_for(merchant: MerchantIdentity, kind: str) -> list[Transfer]:
    accounts = Account.objects.filter(merchant_id=merchant.id)
    found = Transfer.objects.filter(kind=kind, **{"target__in" if kind == "deposit" else "source__in": accounts})
    return list(found.order_by("id"))


def test_a_deposit_says_in_numbers_what_it_will_do_and_what_it_did(operator: Client) -> None:
    merchant, reference = new_merchant(), unique("bank")
    page = page_of(merchant)
    assert f"No amount yet. {merchant.name}: 100.00 USD now." in words(operator.get(page))
    form = asked(operator, page, amount="1,050.5", external_reference=reference)
    before = f"1,050.50 USD comes from outside into the USD wallet of {merchant.name}, with the external reference {reference}."
    assert form["seen"] == before
    assert form["seen_state"] == f"{merchant.name}: 100.00 USD now, 1,150.50 after."
    answer = operator.post(page, form)
    (made,) = made_for(merchant, "deposit")
    numbers = f"{merchant.name}: 100.00 USD before, 1,150.50 after"
    assert f'Deposited 1,050.50 USD by <a href="{reverse("admin:ledger_find")}?q={made.id}">' in words(answer)
    assert numbers in words(answer)
    assert numbers in words(operator.get(change_page(made)))
    assert answer["Location"] == change_page(wallet_of(merchant))
    assert (made.external_reference, made.memo, made.principal[:6]) == (reference, "as agreed", "admin:")
    recorded = LogEntry.objects.get(object_id=str(wallet_of(merchant).id))
    assert recorded.get_change_message() == f"Deposited 1,050.50 USD by {made.id}: as agreed"


def test_a_withdrawal_says_in_numbers_what_it_will_do_and_what_it_did(operator: Client) -> None:
    merchant = new_merchant()
    page = page_of(merchant, "withdraw")
    form = asked(operator, page, amount="15")
    assert form["seen"] == f"15.00 USD goes from the USD wallet of {merchant.name} to the outside, without an external reference."
    assert form["seen_state"] == f"{merchant.name}: 100.00 USD now, 85.00 after."
    answer = words(operator.post(page, form))
    (made,) = made_for(merchant, "withdrawal")
    assert f"{merchant.name}: 100.00 USD before, 85.00 after." in answer
    assert available(merchant) == 8500
    assert LogEntry.objects.get(object_id=str(wallet_of(merchant).id)).get_change_message() == f"Withdrew 15.00 USD by {made.id}: as agreed"


def test_a_double_click_posts_and_records_once(operator: Client) -> None:
    merchant = new_merchant()
    form = asked(operator, page_of(merchant), amount="5")
    told = [words(operator.post(page_of(merchant), form)) for _ in range(3)]
    assert ["this form was sent before" in text for text in told] == [False, True, True]
    assert available(merchant) == 10_500
    assert LogEntry.objects.filter(object_id=str(wallet_of(merchant).id)).count() == 1


def test_the_same_form_by_many_connections_at_once_posts_once() -> None:
    merchant, client = new_merchant(), user_with("operator")
    page = page_of(merchant, "withdraw")
    form = asked(client, page, amount="5")

    def send(_: int) -> int:
        try:
            return client.post(page, form).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(send, range(4))) == {302}
    assert available(merchant) == 9_500
    assert len(made_for(merchant, "withdrawal")) == 1


def test_two_operators_who_enter_one_payment_at_once_enter_it_once() -> None:
    merchant, reference = new_merchant(), unique("bank")
    page = page_of(merchant)
    clients = [user_with("operator") for _ in range(2)]
    forms = [asked(client, page, amount="5", external_reference=reference) for client in clients]

    def send(number: int) -> str:
        try:
            return words(clients[number].post(page, forms[number]))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(send, range(2)))
    assert len(made_for(merchant, "deposit")) == 1
    assert sum("Deposited 5.00 USD by" in text and "before, 105.00 after" in text for text in told) == 1
    # The other is refused by the reference, or, if it came a moment later, reads first that it was done.
    assert sum("was used on this account by transfer" in text or "did this 0 minutes ago" in text for text in told) == 1


def test_a_form_that_is_sent_again_after_back_asks_before_it_posts_again(operator: Client) -> None:
    merchant = new_merchant()
    page = page_of(merchant)
    assert operator.post(page, asked(operator, page, amount="5")).status_code == 302
    (made,) = made_for(merchant, "deposit")
    again = asked(operator, page, amount="5.00")
    told = operator.post(page, again)
    assert f"You did this 0 minutes ago: Deposited 5.00 USD by {made.id}: as agreed. If it is to be done once more" in words(told)
    assert available(merchant) == 10_500
    other = user_with("operator")
    assert "did this 0 minutes ago" in words(other.post(page, asked(other, page, amount="5")))
    text = told.content.decode()
    assert operator.post(page, again | {name: hidden(text, name) for name in ("again", "asked")}).status_code == 302
    assert available(merchant) == 11_000
    assert operator.post(page, asked(operator, page, amount="6")).status_code == 302  # another amount is another deposit


def test_nothing_is_posted_before_its_numbers_were_shown(operator: Client) -> None:
    merchant = new_merchant()
    page = page_of(merchant)
    shown = operator.get(page).content.decode()
    form = {"token": unique("form"), "reason": "r", "amount": "5", "seen": hidden(shown, "seen"), "seen_state": hidden(shown, "seen_state")}
    answer = operator.post(page, form)
    assert "Nothing was done yet" in words(answer)
    assert f"{merchant.name}: 100.00 USD now, 105.00 after." in words(answer)
    assert available(merchant) == 10_000
    seen = {name: hidden(answer.content.decode(), name) for name in ("seen", "seen_state", "asked")}
    assert operator.post(page, form | seen).status_code == 302
    assert available(merchant) == 10_500


def test_a_balance_that_has_changed_is_shown_once_more_and_only_once(operator: Client) -> None:
    merchant = new_merchant()
    page = page_of(merchant, "withdraw")
    form = asked(operator, page, amount="5")
    post(Deposit(merchant, USD, 100, Details()))
    answer = operator.post(page, form)
    assert "Nothing was done yet" in words(answer)
    assert f"{merchant.name}: 101.00 USD now, 96.00 after." in words(answer)
    seen = {name: hidden(answer.content.decode(), name) for name in ("seen", "seen_state", "asked")}
    post(Deposit(merchant, USD, 100, Details()))  # a busy wallet never stands still
    assert f"{merchant.name}: 102.00 USD before, 97.00 after." in words(operator.post(page, form | seen))


def test_what_cannot_be_paid_is_said_before_and_refused(operator: Client) -> None:
    merchant = new_merchant()
    page = page_of(merchant, "withdraw")
    form = asked(operator, page, amount="100.01", external_reference="ref 7")
    assert form["seen_state"].startswith(f"This will be refused (insufficient_funds): {merchant.name} holds")
    answer = operator.post(page, form)
    assert answer.status_code == 200
    assert f"Insufficient funds (insufficient_funds): {merchant.name} holds" in words(answer)
    for kept in ('value="100.01"', 'value="ref 7"', 'value="as agreed"'):
        assert kept in answer.content.decode()
    assert available(merchant) == 10_000
    assert Refusal.objects.filter(source_id=merchant.id, code="insufficient_funds", kind="withdrawal").exists()
    set_overdraft_limit(wallet_of(merchant).id, 1)
    corrected = asked(operator, page, token=form["token"], amount="100.01", external_reference="ref 7")
    assert corrected["seen_state"] == f"{merchant.name}: 100.00 USD now, -0.01 after, may go 0.01 below zero."
    assert operator.post(page, corrected).status_code == 302
    assert available(merchant) == -1


def test_a_frozen_wallet_has_no_button_and_refuses(operator: Client) -> None:
    merchant = new_merchant()
    wallet = wallet_of(merchant)
    form = asked(operator, page_of(merchant), amount="5")
    assert page_of(merchant) in operator.get(change_page(wallet)).content.decode()
    set_account_status(wallet.id, Status.FROZEN)
    assert page_of(merchant) not in operator.get(change_page(wallet)).content.decode()
    assert "is frozen" in words(operator.post(page_of(merchant), form))
    assert available(merchant) == 10_000


def test_a_reference_is_used_once_for_a_wallet(operator: Client) -> None:
    merchant, reference = new_merchant(), unique("bank")
    post(Deposit(merchant, USD, 100, Details(external_reference=reference)))
    form = asked(operator, page_of(merchant), amount="5", external_reference=reference)
    assert form["seen_state"].startswith("This will be refused (duplicate_external_reference): ")
    answer = operator.post(page_of(merchant), form)
    assert "was used on this account by transfer" in words(answer)
    assert available(merchant) == 10_100


@pytest.mark.parametrize("amount", [*ODD_AMOUNTS, "", "0", "-1", "0.001"])
def test_an_amount_that_is_not_understood_moves_nothing(operator: Client, amount: str) -> None:
    merchant = new_merchant()
    page = page_of(merchant)
    answer = operator.post(page, {"token": "t", "reason": "r", "amount": amount, "asked": "1", "seen": "", "seen_state": ""})
    assert answer.status_code == 200
    assert "Not understood. Amount:" in words(answer)
    assert available(merchant) == 10_000


def test_only_a_wallet_takes_money_from_outside(operator: Client) -> None:
    merchant = new_merchant()
    outside = Account.objects.get(merchant_id=merchant.id, kind=AccountKind.EXTERNAL)
    assert operator.get(change_page(outside, "deposit")).status_code == 404
    assert change_page(outside, "deposit") not in operator.get(change_page(outside)).content.decode()


@pytest.mark.parametrize("role", ["viewer", "fee manager"])
def test_other_roles_move_nothing_and_see_no_buttons(role: str) -> None:
    merchant, client = new_merchant(), user_with(role)
    text = client.get(change_page(wallet_of(merchant))).content.decode()
    for action in ("deposit", "withdraw"):
        page = page_of(merchant, action)
        assert page not in text
        refused = client.post(page, {"token": "t", "reason": "r", "amount": "1"})
        assert refused.status_code == 403
        assert "This needs the role operator" in words(refused)
    assert available(merchant) == 10_000
    assert Client().post(page, {"amount": "1"}).status_code == 302
