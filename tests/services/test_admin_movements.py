"""Transfers, captures and registrations by operators: said in numbers before and after, done once, and only by who may."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connections
from django.test import Client
from django.urls import reverse

from fees.models import FeeSchedule
from fees.services import append_schedule, waive
from ledger_project.database.clock import database_now
from ledger_project.database.fields import new_id
from merchants.domain import MerchantIdentity, Status
from merchants.models import Currency, Merchant
from merchants.services import set_merchant_status
from people.models import User
from tests.services.test_admin import USD, available, change_page, hidden, new_merchant, post
from tests.services.test_admin_cash import asked, wallet_of
from tests.services.test_admin_forms import words
from tests.services.test_admin_operations import user_with
from tests.support.factories import unique
from transfers.domain.commands import Details, PlaceHold, VoidHold
from transfers.domain.outcome import required
from transfers.models import Hold, Transfer
from transfers.selectors import find_hold_terms

MAKE, REGISTER = "admin:transfers_transfer_make_action", "admin:merchants_merchant_register_action"


@pytest.fixture
def operator() -> Client:
    return user_with("operator")


def between(source: MerchantIdentity, target: MerchantIdentity, amount: str = "15") -> dict[str, str]:
    return {"source": source.name, "target": target.name, "currency": "USD", "amount": amount}


def made_by(source: MerchantIdentity) -> list[Transfer]:
    return list(Transfer.objects.filter(source__merchant_id=source.id, kind="transfer").order_by("id"))


# --- transfers ----------------------------------------------------------------------------------------------------------------


def test_a_transfer_says_in_numbers_what_it_will_do_and_what_it_did(operator: Client) -> None:
    source, target = new_merchant(), new_merchant()
    page = reverse(MAKE)
    assert "Say who pays whom, and how much." in words(operator.get(page))
    form = asked(operator, page, **between(source, target) | {"source": source.name.upper()})
    assert form["seen"].startswith(f"15.00 USD goes from {source.name} to {target.name}. The fee is 0.15 USD by version ")
    assert f"{source.name} pays it. {source.name} pays 15.15 USD in all, {target.name} gets 15.00 USD." in form["seen"]
    assert form["seen_state"] == f"{source.name}: 100.00 USD now, 84.85 after. {target.name}: 100.00 USD now, 115.00 after."
    answer = operator.post(page, form)
    (made,) = made_by(source)
    numbers = f"{source.name}: 100.00 USD before, 84.85 after; {target.name}: 100.00 USD before, 115.00 after"
    assert f"Transferred 15.00 USD to {target.name} by" in words(answer)
    assert numbers in words(answer)
    assert answer["Location"] == change_page(made)
    assert numbers in words(operator.get(change_page(made)))
    assert (made.amount_minor, made.fee_minor, made.memo, made.principal[:6]) == (1500, 15, "as agreed", "admin:")
    recorded = LogEntry.objects.get(object_id=str(source.id)).get_change_message()
    assert recorded == f"Transferred 15.00 USD to {target.name} by {made.id}: as agreed"


def test_the_page_begins_with_what_its_address_names(operator: Client) -> None:
    source = new_merchant()
    text = operator.get(reverse(MAKE), {"from": source.name, "currency": "USD", "to": '"><script>alert(1)</script>'}).content.decode()
    assert f'value="{source.name}"' in text
    assert '<option value="USD" selected>' in text
    assert "<script>alert" not in text


def test_the_receiver_may_be_who_pays_the_fee(operator: Client) -> None:
    source, target = new_merchant(), new_merchant()
    draft = FeeSchedule(merchant_id=source.id, rate=Decimal("0.1"), payer="receiver", effective_from=database_now(), note="agreed")
    append_schedule(draft, by=None)
    seen = asked(operator, reverse(MAKE), **between(source, target))["seen"]
    assert f"{target.name} pays it. {source.name} pays 15.00 USD in all, {target.name} gets 13.50 USD." in seen


def test_a_fee_that_has_changed_is_shown_before_it_is_charged(operator: Client) -> None:
    source, target = new_merchant(), new_merchant()
    form = asked(operator, reverse(MAKE), **between(source, target))
    waive(merchant_id=source.id, currency=None, by=None, note="first month")
    answer = operator.post(reverse(MAKE), form)
    assert "Nothing was done yet" in words(answer)
    assert "No fee is charged." in words(answer)
    assert made_by(source) == []
    seen = {name: hidden(answer.content.decode(), name) for name in ("seen", "seen_state", "asked")}
    assert operator.post(reverse(MAKE), form | seen).status_code == 302
    assert available(source) == 8500


def test_a_transfer_sent_by_many_connections_at_once_is_made_once() -> None:
    source, target, client = new_merchant(), new_merchant(), user_with("operator")
    form = asked(client, reverse(MAKE), **between(source, target))

    def send(_: int) -> int:
        try:
            return client.post(reverse(MAKE), form).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(send, range(4))) == {302}
    assert len(made_by(source)) == 1
    assert LogEntry.objects.filter(object_id=str(source.id)).count() == 1


def test_two_operators_spend_what_is_there_once() -> None:
    source, target = new_merchant(), new_merchant()
    clients = [user_with("operator") for _ in range(2)]
    forms = [asked(clients[0], reverse(MAKE), **between(source, target, amount)) for amount in ("60", "61")]

    def send(number: int) -> str:
        try:
            return words(clients[number].post(reverse(MAKE), forms[number] | {"asked": "1"}))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(send, range(2)))
    assert sum("Transferred" in text for text in told) == 1
    assert sum("Insufficient funds (insufficient_funds)" in text for text in told) == 1
    assert len(made_by(source)) == 1


def test_a_transfer_that_is_sent_again_after_back_asks_first(operator: Client) -> None:
    source, target = new_merchant(), new_merchant()
    assert operator.post(reverse(MAKE), asked(operator, reverse(MAKE), **between(source, target))).status_code == 302
    again = operator.post(reverse(MAKE), asked(operator, reverse(MAKE), **between(source, target)))
    assert f"You did this 0 minutes ago: Transferred 15.00 USD to {target.name} by {made_by(source)[0].id}: as agreed." in words(again)
    assert len(made_by(source)) == 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"source": "nobody-of-this-name"}, "No merchant has the name nobody-of-this-name."),
        ({"source": "<b>"}, "No merchant has the name <b>."),
        ({"currency": "XXX"}, "Select a valid choice"),
        ({"currency": ""}, "This field is required"),
        ({"amount": "1.001"}, "USD has 2 decimals; 3 were given"),
        ({"amount": "1,5"}, "a comma groups thousands"),
        ({"amount": "1.5", "currency": "JPY"}, "JPY has 0 decimals; 1 were given"),
    ],
)
def test_what_is_wrong_with_a_transfer_is_said_and_nothing_moves(operator: Client, wrong: dict[str, str], told: str) -> None:
    source, target = new_merchant(), new_merchant()
    answer = operator.post(reverse(MAKE), between(source, target) | {"token": unique("t"), "reason": "r"} | wrong)
    assert answer.status_code == 200
    assert told in words(answer)
    assert "<b>." not in answer.content.decode()
    assert made_by(source) == []


def test_a_transfer_to_the_payer_itself_is_told_as_such(operator: Client) -> None:
    source = new_merchant()
    answer = operator.post(reverse(MAKE), between(source, source) | {"token": "t", "reason": "r"})
    assert "This is the payer; another merchant is expected." in words(answer)


def test_a_fee_above_the_amount_is_called_refused_before_the_form_is_sent(operator: Client) -> None:
    source, target = new_merchant(), new_merchant()
    draft = FeeSchedule(
        merchant_id=source.id, flat_minor=2000, currency_id="USD", payer="receiver", effective_from=database_now(), note="n"
    )
    append_schedule(draft, by=None)
    form = asked(operator, reverse(MAKE), **between(source, target))
    assert form["seen"].startswith("This will be refused. ")
    assert "(fee_exceeds_amount)" in words(operator.post(reverse(MAKE), form))
    assert made_by(source) == []


def test_names_that_are_near_are_suggested(operator: Client) -> None:
    merchant = new_merchant()
    answer = operator.post(reverse(MAKE), between(merchant, merchant) | {"source": merchant.name[2:], "token": "t", "reason": "r"})
    assert f"Perhaps it is {merchant.name}." in words(answer)


def test_a_frozen_merchant_is_refused_in_words_and_the_form_is_kept(operator: Client) -> None:
    source, target = new_merchant(), new_merchant()
    form = asked(operator, reverse(MAKE), **between(source, target))
    set_merchant_status(source.id, Status.FROZEN)
    answer = operator.post(reverse(MAKE), form)
    assert "is frozen" in words(answer)
    assert 'value="15"' in answer.content.decode()
    assert '<option value="USD" selected>' in answer.content.decode()
    assert made_by(source) == []


# --- captures -----------------------------------------------------------------------------------------------------------------


def place(amount: int = 1000, opening: int = 10_000) -> tuple[MerchantIdentity, MerchantIdentity, Hold]:
    source, target = new_merchant(opening), new_merchant(0)
    hold = new_id(place=source.id)
    post(PlaceHold(hold, source, target, USD, amount, 86_400, Details()))
    return source, target, Hold.objects.get(id=hold)


def test_a_part_of_a_hold_is_captured_and_the_rest_goes_back(operator: Client) -> None:
    source, target, hold = place()
    page = change_page(hold, "capture")
    told = f"{target.name} gets 10.00 USD of 10.00 USD. The fee is 0.10 USD; {source.name} pays it. Nothing goes back."
    assert told in words(operator.get(page))
    form = asked(operator, page, amount="8")
    assert (
        form["seen"]
        == f"{target.name} gets 8.00 USD of 10.00 USD. The fee is 0.08 USD; {source.name} pays it. 2.02 USD goes back to {source.name}."
    )
    for part in (
        f"{source.name} (held): 10.10 USD now, 0.00 after.",
        f"{target.name}: 0.00 USD now, 8.00 after.",
        f"{source.name}: 89.90 USD now, 91.92 after.",
    ):
        assert part in form["seen_state"]
    answer = words(operator.post(page, form))
    made = Hold.objects.get(id=hold.id).capture_id
    for part in (
        "Captured 8.00 USD by",
        f"{source.name} (held): 10.10 USD before, 0.00 after",
        f"{target.name}: 0.00 USD before, 8.00 after",
        f"{source.name}: 89.90 USD before, 91.92 after",
    ):
        assert part in answer
    assert (available(source), available(target)) == (9192, 800)
    assert LogEntry.objects.get(object_id=str(hold.id)).get_change_message() == f"Captured 8.00 USD by {made}: as agreed"
    text = operator.get(change_page(hold)).content.decode()
    assert f"8.00 USD of 10.00 USD captured by {target.name}, 2.00 USD released to {source.name}" in text
    assert page not in text
    assert "this form was sent before" in words(operator.post(page, form))


def test_a_capture_of_more_than_the_hold_is_said_and_refused(operator: Client) -> None:
    source, target, hold = place()
    form = asked(operator, change_page(hold, "capture"), amount="10.01")
    assert form["seen"] == f"10.01 USD is more than was put aside for {target.name}: 10.00 USD."
    assert "(capture_exceeds_hold)" in words(operator.post(change_page(hold, "capture"), form))
    assert available(source) == 8990


def test_a_hold_that_somebody_else_has_ended_is_refused_in_words(operator: Client) -> None:
    source, target, hold = place()
    form = asked(operator, change_page(hold, "capture"))
    post(VoidHold(required(find_hold_terms(hold.id)), Details()))
    answer = words(operator.post(change_page(hold, "capture"), form | {"asked": "1"}))
    assert "(hold_not_open)" in answer
    assert (available(source), available(target)) == (10_000, 0)


def test_a_capture_and_a_void_at_once_end_a_hold_once() -> None:
    source, target, hold = place()
    clients = [user_with("operator") for _ in range(2)]
    capture = asked(clients[0], change_page(hold, "capture")) | {"asked": "1"}
    sent = [(change_page(hold, "capture"), capture), (change_page(hold, "void"), {"token": unique("v"), "reason": "no show"})]

    def send(number: int) -> int:
        try:
            return clients[number].post(*sent[number]).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(send, range(2))) == [200, 302]
    assert (available(source), available(target)) in {(10_000, 0), (8990, 1000)}


# --- registrations ------------------------------------------------------------------------------------------------------------


def test_a_merchant_is_registered_with_an_opening_balance(operator: Client) -> None:
    name, page = unique("shop"), reverse(REGISTER)
    form = asked(
        operator, page, name=name, display_name="Mira & <Daughters>", receipt_email="mira@shop.example", currency="USD", opening="1,050"
    )
    assert form["seen"] == (
        f"{name} (Mira & <Daughters>) is registered with a USD wallet, and 1,050.00 USD comes from outside into it."
        " Receipts go to mira@shop.example."
    )
    assert form["seen_state"] == f"{name}: 0.00 USD now, 1,050.00 after."
    answer = operator.post(page, form)
    merchant = Merchant.objects.get(name=name)
    opening = Transfer.objects.get(target__merchant=merchant)
    assert answer["Location"] == change_page(merchant)
    assert f"Registered {name} with 1,050.00 USD by" in words(answer)
    assert f"{name}: 0.00 USD before, 1,050.00 after." in words(answer)
    assert (opening.kind, opening.memo, opening.principal[:6]) == ("opening", "as agreed", "admin:")
    assert (merchant.display_name, merchant.receipt_email) == ("Mira & <Daughters>", "mira@shop.example")
    assert "<Daughters>" not in operator.get(change_page(merchant)).content.decode()
    assert (
        LogEntry.objects.get(object_id=str(merchant.pk)).get_change_message()
        == f"Registered {name} with 1,050.00 USD by {opening.id}: as agreed"
    )
    again = operator.post(page, form)
    assert "this form was sent before" in words(again)
    assert again["Location"] == change_page(merchant)
    assert LogEntry.objects.filter(object_id=str(merchant.pk)).count() == 1


def test_a_merchant_is_registered_without_money(operator: Client) -> None:
    name = unique("shop")
    form = asked(operator, reverse(REGISTER), name=name, currency="JPY")
    assert f"Registered {name} with an empty JPY wallet." in words(operator.post(reverse(REGISTER), form))
    assert "this form was sent before" in words(operator.post(reverse(REGISTER), form))
    merchant = Merchant.objects.get(name=name)
    assert (merchant.display_name, merchant.receipt_email) == (None, None)
    other = operator.post(reverse(REGISTER), form | {"name": unique("other"), "seen": "", "asked": ""})
    assert "Nothing was done (form_carried_out)" in words(other)
    assert merchant.accounts.filter(kind="wallet", currency="JPY").exists()


def test_a_name_that_is_taken_is_told_before_and_refused(operator: Client) -> None:
    taken = new_merchant()
    form = asked(operator, reverse(REGISTER), name=taken.name.upper(), currency="USD", opening="1")
    assert form["seen_state"].startswith("This will be refused (merchant_exists): ")
    answer = operator.post(reverse(REGISTER), form)
    assert "Merchant exists (merchant_exists)" in words(answer)
    assert available(taken) == 10_000


@pytest.mark.parametrize(
    "wrong",
    [{"name": "no blanks"}, {"name": "<b>"}, {"name": ""}, {"receipt_email": "no address"}, {"display_name": "two\u2028lines"},
     {"currency": "XXX"}, {"opening": "-1"}, {"opening": "0.001"}, {"opening": "0"}],
)  # fmt: skip
def test_a_merchant_that_cannot_be_is_not_registered(operator: Client, wrong: dict[str, str]) -> None:
    name = unique("shop")
    form = {"name": name, "currency": "USD", "opening": "1", "token": unique("t"), "reason": "r"} | wrong
    answer = operator.post(reverse(REGISTER), form)
    assert answer.status_code == 200
    assert "Not understood." in words(answer)
    assert not Merchant.objects.filter(name__in=[name, wrong.get("name", name)]).exists()


def test_an_opening_balance_needs_the_permission_of_a_deposit() -> None:
    user, client = User.objects.create_user(unique("registrar"), is_staff=True), Client()
    user.user_permissions.set(Permission.objects.filter(codename__in=["add_merchant", "view_merchant"]))
    client.force_login(user)
    name = unique("shop")
    assert 'name="opening"' not in client.get(reverse(REGISTER)).content.decode()
    assert client.post(reverse(REGISTER), asked(client, reverse(REGISTER), name=name, currency="USD", opening="5")).status_code == 302
    assert not Transfer.objects.filter(target__merchant__name=name).exists()


def test_a_currency_that_is_switched_off_is_not_offered(operator: Client) -> None:
    code = "T" + unique()[-6:].upper().replace("-", "Z")
    Currency.objects.create(code=code, name="Token", exponent=2, is_active=False)
    for page in (reverse(MAKE), reverse(REGISTER)):
        assert f'value="{code}"' not in operator.get(page).content.decode()


# --- who may ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "fee manager", "operator"])
def test_the_buttons_are_there_for_who_may(role: str) -> None:
    client, (_, _, hold) = user_with(role), place()
    may = role == "operator"
    places = {
        reverse(MAKE): reverse("admin:transfers_transfer_changelist"),
        reverse(REGISTER): reverse("admin:merchants_merchant_changelist"),
        change_page(hold, "capture"): change_page(hold),
    }
    for page, shown_on in places.items():
        assert (f'href="{page}"' in client.get(shown_on).content.decode()) is may, page
        assert client.get(page).status_code == (200 if may else 403), page
        if not may:
            refused = client.post(page, {"token": "t", "reason": "r"})
            assert refused.status_code == 403
            assert "This needs the role operator" in words(refused)


def test_the_page_of_a_merchant_leads_to_what_may_be_done_with_its_money() -> None:
    merchant = Merchant.objects.get(id=new_merchant().id)
    wallet = wallet_of(MerchantIdentity(merchant.id, merchant.name))
    links = [change_page(wallet, "deposit"), change_page(wallet, "withdraw"), f"{reverse(MAKE)}?from={merchant.name}"]
    for role, may in (("operator", True), ("viewer", False)):
        text = user_with(role).get(change_page(merchant)).content.decode()
        assert [link in text for link in links] == [may] * 3
    set_merchant_status(merchant.id, Status.FROZEN)
    text = user_with("operator").get(change_page(merchant)).content.decode()
    assert [link in text for link in links] == [False] * 3
