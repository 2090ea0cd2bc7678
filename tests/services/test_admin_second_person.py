"""What an operator does in the admin waits for a second person where a policy covers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from approvals.domain.policies import WITHOUT_AMOUNT, Action
from approvals.models import Approval, ApprovalPolicy
from approvals.selectors.policies import forget_policies
from approvals.services.decisions import Decider, approve, reject
from fees.models import FeeSchedule
from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import PermissionDenied
from merchants.domain import AccountKind, MerchantIdentity
from merchants.models import Account, Merchant
from tests.services.test_admin import as_shown, available, change_page, draft, new_merchant, new_transfer, post
from tests.services.test_admin_cash import asked
from tests.services.test_admin_operations import user_with
from tests.services.test_deposit_requests import ask as ask_for_money
from tests.services.test_deposit_requests import deposits_of
from tests.support.factories import USD, unique
from transfers.domain.commands import Details, PlaceHold, Withdraw
from transfers.models import Hold, Transfer
from transfers.services.deposit_requests import decline_deposit

OTHER = Decider("admin:01900000-0000-7000-8000-000000000001", "r")


@pytest.fixture
def policies() -> Iterator[Callable[..., None]]:
    def set_policies(*actions: Action, from_minor: int = 1000) -> None:
        for action in actions:
            with_amount = {} if action in WITHOUT_AMOUNT else {"currency_id": "USD", "from_minor": from_minor}
            ApprovalPolicy.objects.create(action=action.value, **with_amount)
        forget_policies()

    yield set_policies
    ApprovalPolicy.objects.all().delete()
    forget_policies()


@pytest.fixture
def operator() -> Client:
    return user_with("operator")


def told(client: Client, page: str, **values: str) -> str:
    return client.post(page, {"token": unique("form"), "reason": "ticket 7", **values}, follow=True).content.decode()


def waits(words: str) -> Approval:
    """Return what waits, which the page has told."""
    assert "Nothing was done yet. It waits until another person approves it" in words
    (approval,) = [found for found in Approval.objects.filter(status="pending") if str(found.id) in words]
    return approval


def test_a_reversal_waits_and_is_posted_for_who_asked(operator: Client, policies: Callable[..., None]) -> None:
    source, target, moved = new_transfer(1000)
    policies(Action.REVERSAL)
    page = change_page(Transfer.objects.get(id=moved), "reverse")
    values = as_shown(operator, page, token=unique("form"), reason="wrong payee", refund_fee="on")
    words = operator.post(page, values, follow=True).content.decode()
    approval = waits(words)
    assert (approval.reason, approval.requested_by.partition(":")[0], approval.amount_minor) == ("wrong payee", "admin", 1000)
    again = operator.post(page, values, follow=True).content.decode()  # a double click
    assert (str(approval.id) in again, "this form was sent before" in again) == (True, True)
    assert LogEntry.objects.filter(object_id=str(moved)).count() == 1
    before = available(source), available(target)
    assert approve(approval.id, OTHER).status == "approved"
    assert (available(source) - before[0], available(target) - before[1]) == (1010, -1000)
    posted = Transfer.objects.get(id=Approval.objects.get(id=approval.id).transfer_id)
    assert (posted.principal, posted.reverses_id) == (approval.requested_by, moved)


def test_less_than_the_amount_of_the_policy_is_posted_at_once(operator: Client, policies: Callable[..., None]) -> None:
    source, _, moved = new_transfer(1000)
    policies(Action.REVERSAL)
    page = change_page(Transfer.objects.get(id=moved), "reverse")
    before = available(source)
    operator.post(page, as_shown(operator, page, token=unique("form"), reason="part", amount="9.99"), follow=True)
    assert available(source) == before + 999


def test_money_of_a_member_is_confirmed_by_two_and_once(operator: Client, policies: Callable[..., None]) -> None:
    merchant, reference = new_merchant(), unique("bank")
    request = ask_for_money(merchant)
    policies(Action.DEPOSIT)
    approval = waits(told(operator, change_page(request, "confirm"), bank_reference=reference))
    assert available(merchant) == 10_000
    assert approve(approval.id, OTHER).status == "approved"
    (made,) = deposits_of(request)
    assert Approval.objects.get(id=approval.id).transfer_id == made.id
    assert available(merchant) == 11_250
    assert approve(approval.id, OTHER).transfer_id == made.id
    assert available(merchant) == 11_250


def test_a_request_that_was_declined_meanwhile_is_not_confirmed(operator: Client, policies: Callable[..., None]) -> None:
    merchant = new_merchant()
    request = ask_for_money(merchant)
    policies(Action.DEPOSIT)
    approval = waits(told(operator, change_page(request, "confirm"), bank_reference=unique("bank")))
    decline_deposit(request.id, "no such payment", principal="admin:7")
    decided = approve(approval.id, OTHER)
    assert (decided.status, decided.failure_code) == ("failed", "deposit_request_refused")
    assert available(merchant) == 10_000


def test_an_overdraft_and_a_closing_wait(operator: Client, policies: Callable[..., None]) -> None:
    merchant = new_merchant()
    wallet = Account.objects.get(merchant_id=merchant.id, kind=AccountKind.WALLET.value)
    policies(Action.OVERDRAFT, Action.CLOSE)
    lent = waits(told(operator, change_page(wallet, "overdraft"), limit="10.00"))
    assert Account.objects.get(id=wallet.id).overdraft_limit_minor == 0
    assert approve(lent.id, OTHER).status == "approved"
    assert Account.objects.get(id=wallet.id).overdraft_limit_minor == 1000
    assert LogEntry.objects.filter(object_id=str(wallet.id), change_message="Overdraft limit 10.00 USD: ticket 7").exists()
    page = change_page(Merchant.objects.get(id=merchant.id), "close")
    assert "A policy covers this" in operator.get(page).content.decode()
    first = waits(told(operator, page))
    assert approve(first.id, OTHER).failure_code == "account_not_empty"
    post(Withdraw(merchant, USD, 10_000, Details()))
    second = waits(told(operator, page))
    assert reject(second.id, "not yet", OTHER).status == "rejected"
    third = waits(told(operator, page))
    assert approve(third.id, OTHER).status == "approved"
    assert Merchant.objects.get(id=merchant.id).status == "closed"


def test_fees_are_waived_by_two(policies: Callable[..., None]) -> None:
    manager, merchant = user_with("fee manager"), new_merchant()
    page = change_page(Merchant.objects.get(id=merchant.id), "waive")
    assert "A policy covers this" not in manager.get(page).content.decode()
    policies(Action.FEE_VERSION)
    assert "A policy covers this: nothing is done before another person approves it." in manager.get(page).content.decode()
    approval = waits(told(manager, page))
    assert not FeeSchedule.objects.filter(merchant_id=merchant.id).exists()
    assert approve(approval.id, OTHER).status == "approved"
    version = FeeSchedule.objects.get(merchant_id=merchant.id)
    assert (version.rate, version.note, str(version.created_by_id)) == (0, "ticket 7", approval.requested_by.partition(":")[2])
    assert manager.get(page).status_code == 200  # there is nothing to waive any more, which is told when it is sent


def test_a_new_fee_version_waits_and_is_appended_as_it_was_typed(policies: Callable[..., None]) -> None:
    manager, merchant = user_with("fee manager"), new_merchant()
    policies(Action.FEE_VERSION)
    form = draft(merchant, percent="1.25", token=str(new_id())) | {"save": ""}
    page = reverse("admin:fee_append")
    approval = waits(manager.post(page, form, follow=True).content.decode())
    assert str(approval.id) in manager.post(page, form, follow=True).content.decode()  # a double click
    assert Approval.objects.filter(merchant_id=merchant.id).count() == 1
    assert "its content was another one" in manager.post(page, form | {"percent": "1.5"}, follow=True).content.decode()
    assert approve(approval.id, OTHER).status == "approved"
    version = FeeSchedule.objects.get(merchant_id=merchant.id)
    assert (str(version.id), version.rate, version.note) == (form["token"], Decimal("0.0125"), form["note"])
    assert version.effective_from >= approval.created_at


def test_who_asked_in_the_admin_is_who_asked_by_the_api_too(operator: Client, policies: Callable[..., None]) -> None:
    policies(Action.OVERDRAFT)
    wallet = Account.objects.get(merchant_id=new_merchant().id, kind=AccountKind.WALLET.value)
    approval = waits(told(operator, change_page(wallet, "overdraft"), limit="10.00"))
    person = UUID(approval.requested_by.partition(":")[2])
    for principal in (f"admin:{person}", f"user:{person}", f"session:user-{person}"):
        with pytest.raises(PermissionDenied):
            approve(approval.id, Decider(principal, "r"))


def test_an_opening_balance_waits_and_registers_the_merchant_when_it_is_approved(operator: Client, policies: Callable[..., None]) -> None:
    policies(Action.DEPOSIT)
    page, name = reverse("admin:merchants_merchant_register_action"), unique("shop")
    values = asked(operator, page, name=name, currency="USD", opening="10.00")
    approval = waits(operator.post(page, values, follow=True).content.decode())
    again = operator.post(page, values, follow=True).content.decode()
    assert (str(approval.id) in again, "this form was sent before" in again) == (True, True)
    assert not Merchant.objects.filter(name=name).exists()
    assert LogEntry.objects.filter(object_id=str(approval.id)).count() == 1
    assert approve(approval.id, OTHER).status == "approved"
    registered = Merchant.objects.get(name=name)
    assert available(MerchantIdentity(registered.id, registered.name)) == 1000


@pytest.mark.parametrize(("action", "kind"), [("deposit", Action.DEPOSIT), ("withdraw", Action.WITHDRAWAL)])
def test_cash_waits(operator: Client, policies: Callable[..., None], action: str, kind: Action) -> None:
    merchant = new_merchant()
    wallet = Account.objects.get(merchant_id=merchant.id, kind=AccountKind.WALLET)
    policies(kind)
    page = change_page(wallet, action)
    approval = waits(operator.post(page, asked(operator, page, amount="10.00"), follow=True).content.decode())
    assert available(merchant) == 10_000
    assert approve(approval.id, OTHER).status == "approved"
    assert available(merchant) == (11_000 if action == "deposit" else 9_000)


def test_a_transfer_and_a_capture_wait(operator: Client, policies: Callable[..., None]) -> None:
    source, target = new_merchant(), new_merchant(0)
    hold = new_id(place=source.id)
    post(PlaceHold(hold, source, target, USD, 1000, 86_400, Details()))
    policies(Action.TRANSFER)
    make = reverse("admin:transfers_transfer_make_action")
    values = asked(operator, make, source=source.name, target=target.name, currency="USD", amount="10.00")
    moved = waits(operator.post(make, values, follow=True).content.decode())
    page = change_page(Hold.objects.get(id=hold), "capture")
    captured = waits(operator.post(page, asked(operator, page), follow=True).content.decode())
    assert available(target) == 0
    for approval in (moved, captured):
        assert approve(approval.id, OTHER).status == "approved"
    assert (available(target), Hold.objects.get(id=hold).status) == (2000, "captured")


def test_a_form_says_that_it_would_wait_also_if_the_policy_came_after_it_was_shown(operator: Client, policies: Callable[..., None]) -> None:
    merchant = new_merchant()
    page = change_page(Account.objects.get(merchant_id=merchant.id, kind=AccountKind.WALLET), "deposit")
    values = asked(operator, page, amount="10.00")
    assert "A policy covers this" not in values["seen"]
    policies(Action.DEPOSIT)
    told_again = operator.post(page, values).content.decode()
    assert "Nothing was done yet: this page did not show these numbers before." in told_again
    assert "A policy covers this: nothing is done before another person approves it." in told_again
    assert not Approval.objects.filter(merchant_id=merchant.id).exists()
    waits(operator.post(page, asked(operator, page, amount="10.00"), follow=True).content.decode())
    assert "A policy covers this" not in asked(operator, page, amount="9.99")["seen"]
