"""Policies of approvals in the admin: typed in major units, wrong ones refused in words, and gone by everywhere when the page answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from approvals.models import ApprovalPolicy
from approvals.selectors.policies import forget_policies
from ledger_project.database.fields import new_id
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import AccountKind, MerchantIdentity
from merchants.models import Account
from tests.services.test_admin import change_page, post
from tests.services.test_admin_approvals import person
from tests.services.test_admin_forms import words
from tests.support.factories import key, unique
from tests.support.servers import Service
from transfers.domain.commands import Details, RegisterMerchant
from transfers.models import Event

CURRENCY = "NOK"
"""No other test has policies or movements in it."""

ADD = "admin:approvals_approvalpolicy_add"


@pytest.fixture
def manager() -> Iterator[Client]:
    """A policy manager; the policies are gone afterwards."""
    yield person("operator", "policy manager")[0]
    ApprovalPolicy.objects.all().delete()
    forget_policies()


def typed(**values: str) -> dict[str, str]:
    return {"action": "deposit", "currency": CURRENCY, "from_amount": "1,000.50", "reason": "two people"} | values


def test_a_policy_is_added_changed_and_ended_and_each_is_logged_with_its_reason(manager: Client) -> None:
    assert manager.post(reverse(ADD), typed()).status_code == 302
    policy = ApprovalPolicy.objects.get()
    assert (policy.action, policy.currency_id, policy.from_minor) == ("deposit", CURRENCY, 100_050)
    assert f"1,000.50 {CURRENCY}" in words(manager.get(reverse("admin:approvals_approvalpolicy_changelist")))
    assert 'value="1000.50"' in manager.get(change_page(policy)).content.decode()
    # What makes it that policy is not changed, whatever is sent.
    assert (
        manager.post(change_page(policy), typed(action="close", currency="USD", from_amount="2000", reason="more trust")).status_code == 302
    )
    policy.refresh_from_db()
    assert (policy.action, policy.currency_id, policy.from_minor) == ("deposit", CURRENCY, 200_000)
    assert manager.post(change_page(policy, "delete"), {"post": "yes"}).status_code == 302
    assert not ApprovalPolicy.objects.exists()
    logged = [entry.get_change_message() for entry in LogEntry.objects.filter(object_id=str(policy.id)).order_by("id")]
    assert [text.rpartition(": ")[2] for text in logged[:2]] == ["two people", "more trust"]
    assert f"1,000.50 {CURRENCY}" in logged[0]
    told = Event.objects.filter(type="approval_policy.changed", data__approval_policy__currency=CURRENCY).order_by("-id")[:3]
    assert [event.data["approval_policy"]["in_force"] for event in told] == [False, True, True]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"from_amount": "1.234"}, "decimal"),
        ({"from_amount": "-5"}, ""),
        ({"from_amount": "1,00.00"}, ""),
        ({"from_amount": "1e3"}, ""),
        ({"from_amount": " 10"}, ""),
        ({"currency": ""}, "An amount needs a currency."),
        ({"action": "close"}, "This action has no amount: leave it empty."),
        ({"action": "fee_version"}, "This action has no amount: leave it empty."),
        ({"action": "everything"}, "not one of the available choices"),
        ({"currency": "ZZZ"}, "not one of the available choices"),
        ({"reason": ""}, "This field is required."),
    ],
)
def test_a_wrong_policy_is_refused_in_words_and_nothing_is_stored(manager: Client, values: dict[str, str], said: str) -> None:
    answer = manager.post(reverse(ADD), typed(**values))
    assert answer.status_code == 200
    assert said in words(answer)
    assert answer.context["adminform"].form.errors
    assert not ApprovalPolicy.objects.exists()


@pytest.mark.parametrize("currency", [CURRENCY, ""])
def test_of_one_action_and_currency_there_is_one_policy(manager: Client, currency: str) -> None:
    values = typed(currency=currency, from_amount="5" if currency else "")
    assert manager.post(reverse(ADD), values).status_code == 302
    again = manager.post(reverse(ADD), values)
    assert (again.status_code, ApprovalPolicy.objects.count()) == (200, 1), words(again)


@pytest.mark.parametrize("action", ["close", "fee_version"])
def test_an_action_without_an_amount_has_no_field_for_one(manager: Client, action: str) -> None:
    assert manager.post(reverse(ADD), typed(action=action, currency="", from_amount="")).status_code == 302
    policy = ApprovalPolicy.objects.get()
    assert "From this amount on" not in words(manager.get(change_page(policy)))
    assert manager.post(change_page(policy), {"reason": "still", "from_amount": "5"}).status_code == 200
    assert manager.post(change_page(policy), {"reason": "still"}).status_code == 302


@pytest.mark.parametrize("roles", [("viewer",), ("operator", "approver", "fee manager")])
def test_who_may_not_set_policies_sees_them_only(manager: Client, roles: tuple[str, ...]) -> None:
    manager.post(reverse(ADD), typed())
    policy, (client, _) = ApprovalPolicy.objects.get(), person(*roles)
    assert CURRENCY in words(client.get(reverse("admin:approvals_approvalpolicy_changelist")))
    for answer in (
        client.post(reverse(ADD), typed(action="transfer")),
        client.post(change_page(policy), typed(from_amount="9")),
        client.post(change_page(policy, "delete"), {"post": "yes"}),
    ):
        assert answer.status_code == 403
    assert list(ApprovalPolicy.objects.values_list("from_minor", flat=True)) == [100_050]


@contextmanager
def deposits(service: Service, wallet: object) -> Iterator[list[tuple[float, int]]]:
    """Deposit without a pause; each has when it began and its status."""
    done: list[tuple[float, int]] = []
    is_over = threading.Event()

    def send() -> None:
        with httpx.Client(base_url=service.base_url) as client:
            while not is_over.is_set():
                began = time.monotonic()
                body = {"amount": "1000.50", "memo": unique("deposit")}
                done.append((began, client.post(f"/accounts/{wallet}/deposit", json=body, headers=key(), timeout=60).status_code))

    thread = threading.Thread(target=send)
    thread.start()
    yield done
    is_over.set()
    thread.join()


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_when_the_page_answers_every_process_goes_by_it(manager: Client, serve: Callable[..., Service]) -> None:
    services = [serve(), serve()]
    merchant = MerchantIdentity(new_id(), unique("policies"))
    post(RegisterMerchant(merchant, {}, CurrencyUnit(CURRENCY, 2), 0, Details()))
    wallet = Account.objects.get(merchant_id=merchant.id, kind=AccountKind.WALLET).id
    with deposits(services[0], wallet) as first, deposits(services[1], wallet) as second:
        until(lambda: len(first) > 3 and len(second) > 3)
        manager.post(reverse(ADD), typed())
        set_at = time.monotonic()
        counts = len(first), len(second)
        until(lambda: len(first) > counts[0] + 5 and len(second) > counts[1] + 5)
        in_force = [status for done in (first, second) for began, status in list(done) if began > set_at]
        manager.post(change_page(ApprovalPolicy.objects.get(), "delete"), {"post": "yes"})
        ended_at = time.monotonic()
        counts = len(first), len(second)
        until(lambda: len(first) > counts[0] + 5 and len(second) > counts[1] + 5)
    assert len(in_force) >= 10
    assert set(in_force) == {202}
    for done in (first, second):
        assert done[0][1] == 200
        assert {status for began, status in done if began > ended_at} == {200}
