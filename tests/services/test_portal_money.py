"""The portal's wallets and its money form, without a browser: what is asked, what is refused, and what moves, once."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.test import Client, override_settings

from ledger_project.database.fields import new_id
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import MerchantIdentity, Status
from merchants.services import set_merchant_status
from people.domain import Role
from people.models import Membership
from portal.form_keys import key_of_form
from tests.support.factories import unique
from tests.support.portal import USD, Filled, available, fee_of, new_member, new_merchant, session_of, words_of
from transfers.domain.commands import Details, PlaceHold
from transfers.models import DepositRequest, Transfer
from transfers.posting.synchronous import post_now

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture
def shop() -> MerchantIdentity:
    return new_merchant()


@pytest.fixture
def other() -> MerchantIdentity:
    return new_merchant()


@pytest.fixture
def owner(shop: MerchantIdentity) -> Client:
    return session_of(new_member(shop))


@pytest.fixture
def sandbox() -> Iterator[None]:
    with override_settings(LEDGER_SANDBOX=True):
        yield


@pytest.fixture
def no_sandbox() -> Iterator[None]:
    with override_settings(LEDGER_SANDBOX=False):
        yield


def transfers_of(merchant: MerchantIdentity) -> int:
    return Transfer.objects.filter(source__merchant_id=merchant.id, kind="transfer").count()


# --- who sees what


def test_wallets_show_what_is_available_and_what_is_reserved(shop: MerchantIdentity, other: MerchantIdentity, owner: Client) -> None:
    post_now([PlaceHold(new_id(place=shop.id), shop, other, USD, 1000, 7 * 24 * 3600, Details())])
    page = words_of(owner.get("/app/"))
    assert "89.90 USD available" in page
    assert re.search(r"10\.10 USD are reserved until \d+ [A-Z][a-z]{2}", page)
    page = words_of(owner.get(f"/app/{shop.name}/USD/"))
    assert "Balance 100.00 USD Held 10.10 USD" in page


def test_another_members_wallet_is_as_if_it_did_not_exist(other: MerchantIdentity, owner: Client) -> None:
    missing = owner.get("/app/no-such-merchant/USD/")
    for path in ("", "balance/", "send/", "add/", "withdraw/"):
        answer = owner.get(f"/app/{other.name}/USD/{path}")
        assert (answer.status_code, words_of(answer).split("request")[0]) == (404, words_of(missing).split("request")[0])
    assert owner.get(f"/app/?merchant={other.name}").status_code == 404
    assert owner.get(f"/app/balances/?merchant={other.name}").status_code == 404
    assert owner.get(f"/app/new/?merchant={other.name}").status_code == 404
    assert owner.post(f"/app/{other.name}/USD/send/?form=x", {"step": "confirm", "amount": "1"}).status_code == 404


def test_a_wallet_that_was_never_opened_is_not_found(shop: MerchantIdentity, owner: Client) -> None:
    assert owner.get(f"/app/{shop.name}/EUR/").status_code == 404


def test_a_viewer_sees_no_form_and_cannot_pay(shop: MerchantIdentity, other: MerchantIdentity, owner: Client) -> None:
    viewer = session_of(new_member(shop, Role.VIEWER))
    assert "Send" not in words_of(viewer.get(f"/app/{shop.name}/USD/"))
    assert viewer.get(f"/app/{shop.name}/USD/send/").status_code == 403
    address = Filled(owner, shop).address
    values = {"step": "confirm", "amount": "1.00", "recipient": other.name, "memo": "", "fee_minor": "1"}
    answer = viewer.post(address, values)
    assert (answer.status_code, available(shop)) == (403, 10_000)
    assert "Your role at" in words_of(answer)
    assert viewer.post(f"/app/new/?merchant={shop.name}", {"currency": "EUR"}).status_code == 403


def test_a_removed_or_suspended_member_loses_the_open_form(shop: MerchantIdentity, other: MerchantIdentity) -> None:
    user = new_member(shop)
    form = Filled(session_of(user), shop)
    Membership.objects.filter(user=user).delete()
    assert form.send("confirm", amount="1.00", recipient=other.name, fee_minor="1").status_code == 404
    again = new_member(shop)
    form = Filled(session_of(again), shop)
    again.is_active = False
    again.save()
    answer = form.send("confirm", amount="1.00", recipient=other.name, fee_minor="1")
    assert (answer.status_code, available(shop)) == (302, 10_000)


def test_of_several_merchants_one_is_chosen_and_remembered(shop: MerchantIdentity) -> None:
    user = new_member(shop)
    second = new_merchant()
    new_member(second, Role.VIEWER, user)
    client = session_of(user)
    assert f"Wallets {shop.name} owner" in words_of(client.get("/app/"))
    assert f"Wallets {second.name} viewer" in words_of(client.get(f"/app/?merchant={second.name.upper()}"))
    assert f"Wallets {second.name} viewer" in words_of(client.get("/app/"))


# --- a new wallet


def test_a_wallet_is_opened_once_though_the_form_is_sent_twice(shop: MerchantIdentity, owner: Client) -> None:
    address = f"/app/new/?merchant={shop.name}"
    page = words_of(owner.get(address))
    assert "EUR · Euro" in page
    assert "USD · US" not in page, "the merchant has that one"
    for _ in range(2):
        answer = owner.post(address, {"currency": "EUR"})
        assert (answer.status_code, answer["Location"]) == (302, f"/app/{shop.name}/EUR/")
    assert "0.00 EUR" in words_of(owner.get(f"/app/{shop.name}/EUR/"))


@pytest.mark.parametrize("code", ["", "XXXX", "usd", "US\x00D"])
def test_a_currency_outside_the_list_opens_nothing(shop: MerchantIdentity, owner: Client, code: str) -> None:
    answer = owner.post(f"/app/new/?merchant={shop.name}", {"currency": code})
    assert answer.status_code == 422
    assert "Choose a currency from the list." in words_of(answer)


# --- sending


def test_money_is_sent_after_a_review_that_repeats_what_was_understood(
    shop: MerchantIdentity, other: MerchantIdentity, owner: Client
) -> None:
    form = Filled(owner, shop)
    reviewed = form.send("review", amount="1,003.00", recipient=other.name.upper(), memo="March rent")
    page = words_of(reviewed)
    assert f"Send 1,003.00 USD to {other.name}?" in page
    assert f"{other.name} gets 1,003.00 USD Fee 10.03 USD You pay 1,013.03 USD Memo March rent" in page
    assert "more than the 100.00 USD" in page
    assert transfers_of(shop) == 0
    answer = form.confirm(amount="3.00", recipient=other.name, memo="March rent")
    assert (answer.status_code, answer["Location"]) == (302, f"/app/{shop.name}/USD/")
    assert f"3.00 USD was sent to {other.name}, with a fee of 0.03 USD." in words_of(owner.get(answer["Location"]))
    assert (available(shop), available(other)) == (10_000 - 303, 10_300)
    made = Transfer.objects.get(source__merchant_id=shop.id, kind="transfer")
    assert made.memo == "March rent"
    assert re.fullmatch(r"user:[0-9a-f-]{36}", made.principal)


def test_a_form_that_is_sent_twice_moves_once_and_says_so(shop: MerchantIdentity, other: MerchantIdentity, owner: Client) -> None:
    form = Filled(owner, shop)
    form.confirm(amount="3.00", recipient=other.name)
    again = form.send("confirm", amount="3.00", recipient=other.name, fee_minor="3")
    assert again.status_code == 302
    assert "This form did that before; nothing more happened now." in words_of(owner.get(again["Location"]))
    assert transfers_of(shop) == 1


def test_a_form_that_was_carried_out_shows_that_and_asks_before_it_makes_a_new_one(
    shop: MerchantIdentity, other: MerchantIdentity, owner: Client
) -> None:
    form = Filled(owner, shop)
    form.confirm(amount="3.00", recipient=other.name)
    back = words_of(owner.get(form.address))
    assert "This form was carried out" in back
    assert f"3.00 USD was sent to {other.name}" in back
    changed = form.send("confirm", amount="4.00", recipient=other.name, fee_minor="4")
    assert changed.status_code == 409
    assert "with other content. Nothing was done now." in words_of(changed)
    assert transfers_of(shop) == 1
    address = re.search(r'<form method="post" action="([^"]+form=[^"]+)"', changed.content.decode())
    assert address
    form.address = address[1]
    form.confirm(amount="4.00", recipient=other.name)
    assert transfers_of(shop) == 2


def test_a_form_sent_by_many_at_once_moves_once(shop: MerchantIdentity, other: MerchantIdentity) -> None:
    user = new_member(shop)
    form = Filled(session_of(user), shop)
    answers: list[int] = []
    clients = [session_of(user) for _ in range(5)]
    start = threading.Barrier(5, timeout=60)

    def send(client: Client) -> None:
        start.wait()
        values = {"step": "confirm", "amount": "3.00", "recipient": other.name, "memo": "", "fee_minor": "3"}
        answers.append(client.post(form.address, values).status_code)
        connections.close_all()

    threads = [threading.Thread(target=send, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [302] * 5
    assert transfers_of(shop) == 1


def test_a_refusal_leaves_the_key_free_so_the_corrected_form_is_carried_out(
    shop: MerchantIdentity, other: MerchantIdentity, owner: Client
) -> None:
    form = Filled(owner, shop)
    refused = form.confirm(amount="100.00", recipient=other.name)
    page = refused.content.decode()
    assert refused.status_code == 422
    assert 'data-code="insufficient_funds"' in page
    assert f"{shop.name} holds 100.00 USD; 101.00 is needed" in words_of(refused) or "101.00" in words_of(refused)
    assert form.confirm(amount="99.00", recipient=other.name).status_code == 302
    assert available(shop) == 10_000 - 9_999


def test_a_fee_that_changed_after_the_review_is_shown_before_it_is_paid(
    shop: MerchantIdentity, other: MerchantIdentity, owner: Client
) -> None:
    form = Filled(owner, shop)
    reviewed = form.send("review", amount="10.00", recipient=other.name)
    answer = form.send("confirm", amount="10.00", recipient=other.name, fee_minor=str(int(fee_of(reviewed)) + 1))
    assert answer.status_code == 422
    assert "The fee has changed since you looked at it." in words_of(answer)
    assert transfers_of(shop) == 0


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("", "Type an amount"),
        ("0", "An amount must be more than zero."),
        ("-1", "A plain decimal number is expected"),
        ("1e3", "A plain decimal number is expected"),
        ("10,50", "A comma groups thousands"),
        ("1.005", "USD has 2 decimals; 3 were given."),
        ("٣", "A plain decimal number is expected"),
    ],
)
def test_an_odd_amount_is_refused_beside_its_field(
    shop: MerchantIdentity, other: MerchantIdentity, owner: Client, amount: str, words: str
) -> None:
    answer = Filled(owner, shop).send("review", amount=amount, recipient=other.name)
    assert answer.status_code == 422
    error = re.search(r'id="amount-error">(.*?)</p>', answer.content.decode())
    assert error
    assert error[1].startswith(words)
    assert f'value="{amount}"' in answer.content.decode(), "what was typed is still there"


def test_odd_recipients_are_refused_beside_their_field(shop: MerchantIdentity, owner: Client) -> None:
    for name, words in (
        ("", "Type the name"),
        (shop.name.upper(), "Source and target are the same"),
        ("nobody-here", "There is no merchant"),
    ):
        answer = Filled(owner, shop).send("review", amount="1.00", recipient=name)
        error = re.search(r'id="recipient-error">(.*?)</p>', answer.content.decode())
        assert error
        assert error[1].startswith(words)


def test_what_people_type_is_never_html(shop: MerchantIdentity, other: MerchantIdentity, owner: Client) -> None:
    form = Filled(owner, shop)
    nasty = "<script>alert(1)</script>"
    for answer in (
        form.send("review", amount=nasty, recipient=nasty),
        form.send("review", amount="1.00", recipient=other.name, memo=nasty),
    ):
        assert nasty not in answer.content.decode()
        assert "&lt;script&gt;" in answer.content.decode()


def test_a_frozen_merchant_is_told_so_and_nothing_moves(shop: MerchantIdentity, other: MerchantIdentity, owner: Client) -> None:
    set_merchant_status(shop.id, Status.FROZEN)
    assert "This wallet is frozen: no money moves in or out." in words_of(owner.get(f"/app/{shop.name}/USD/"))
    answer = Filled(owner, shop).confirm(amount="1.00", recipient=other.name)
    assert 'data-code="account_frozen"' in answer.content.decode()
    assert available(shop) == 10_000


def test_recipients_are_completed_from_past_counterparties_only(shop: MerchantIdentity, other: MerchantIdentity, owner: Client) -> None:
    Filled(owner, shop).confirm(amount="1.00", recipient=other.name)
    stranger = new_merchant()
    page = owner.get(Filled(owner, shop).address).content.decode()
    assert re.findall(r'<option value="([^"]+)">', page) == [other.name]
    assert stranger.name not in page


def test_a_form_of_somebody_else_or_of_nobody_is_a_new_one(shop: MerchantIdentity, other: MerchantIdentity, owner: Client) -> None:
    theirs = Filled(session_of(new_member(shop)), shop)
    assert owner.get(theirs.address).status_code == 302
    for token in (theirs.address.split("form=")[1], "made-up", ""):
        answer = owner.post(
            f"/app/{shop.name}/USD/send/?form={token}",
            {"step": "confirm", "amount": "1.00", "recipient": other.name, "memo": "", "fee_minor": "1"},
        )
        assert answer.status_code == 422
        assert "This form was too old to be sent." in words_of(answer)
    assert transfers_of(shop) == 0


def test_a_form_is_too_old_before_its_key_is_forgotten(shop: MerchantIdentity, other: MerchantIdentity, owner: Client) -> None:
    form = Filled(owner, shop)
    request: Any = type("Request", (), {"user": type("User", (), {"pk": owner.session["_auth_user_id"]})})
    token = form.address.split("form=")[1].replace("%3A", ":")
    assert key_of_form(request, token)
    with override_settings(LEDGER_IDEMPOTENCY_RETENTION=600):
        assert key_of_form(request, token) is None


# --- the quote


def test_the_quote_says_what_it_costs_and_posts_nothing(shop: MerchantIdentity, owner: Client) -> None:
    address = f"/app/{shop.name}/USD/send/quote/"
    assert words_of(owner.post(address, {"amount": "3.00", "recipient": "dirk"})) == "Fee 0.03, you pay 3.03, dirk gets 3.00."
    assert words_of(owner.post(address, {"amount": "3.00"})) == "Fee 0.03, you pay 3.03, the recipient gets 3.00."
    assert words_of(owner.post(address, {"amount": "100"})).endswith("That is more than the 100.00 that are available.")
    assert words_of(owner.post(address, {"amount": "x"})).startswith("A plain decimal number is expected")
    assert words_of(owner.post(address, {"amount": ""})) == ""
    assert owner.get(address).status_code == 405
    assert transfers_of(shop) == 0


# --- adding and withdrawing


def test_in_a_sandbox_money_is_added_at_once(sandbox: None, shop: MerchantIdentity, owner: Client) -> None:
    assert Filled(owner, shop, "add").confirm(amount="20.00").status_code == 302
    assert available(shop) == 12_000


def test_elsewhere_adding_money_is_a_request_made_once(no_sandbox: None, shop: MerchantIdentity, owner: Client) -> None:
    form = Filled(owner, shop, "add")
    answer = form.confirm(amount="20.00", memo="from my bank")
    assert "You asked for 20.00 USD." in words_of(owner.get(answer["Location"]))
    again = form.send("confirm", amount="20.00", memo="from my bank", fee_minor="0")
    assert "nothing more happened now" in words_of(owner.get(again["Location"]))
    assert (available(shop), DepositRequest.objects.filter(merchant_id=shop.id).count()) == (10_000, 1)
    assert "You asked for 20.00 USD." in words_of(owner.get(form.address))
    assert "20.00 USD asked for" in words_of(owner.get(Filled(owner, shop, "add").address))


def test_money_is_withdrawn_without_a_fee(shop: MerchantIdentity, owner: Client) -> None:
    form = Filled(owner, shop, "withdraw")
    assert form.confirm(amount="40.00").status_code == 302
    assert available(shop) == 6_000
    refused = Filled(owner, shop, "withdraw").confirm(amount="60.01")
    assert 'data-code="insufficient_funds"' in refused.content.decode()


def test_a_form_of_one_wallet_counts_in_no_other(shop: MerchantIdentity, owner: Client) -> None:
    owner.post(f"/app/new/?merchant={shop.name}", {"currency": "EUR"})
    form = Filled(owner, shop, "withdraw")
    form.confirm(amount="1.00")
    form.address = form.address.replace("/USD/", "/EUR/")
    answer = form.send("confirm", amount="1.00", fee_minor="0")
    assert answer.status_code == 409


# --- balances that refresh themselves


def test_a_balance_is_sent_again_only_when_it_has_changed(shop: MerchantIdentity, owner: Client) -> None:
    address = f"/app/{shop.name}/USD/balance/"
    first = owner.get(address)
    assert first.status_code == 200
    assert first["ETag"] in owner.get(f"/app/{shop.name}/USD/").content.decode().replace("&quot;", '"')
    same = owner.get(address, headers={"If-None-Match": first["ETag"]})
    assert (same.status_code, same.content) == (304, b"")
    Filled(owner, shop, "withdraw").confirm(amount="1.00")
    changed = owner.get(address, headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert "99.00 USD" in words_of(changed)
    cards = owner.get(f"/app/balances/?merchant={shop.name}")
    assert owner.get(f"/app/balances/?merchant={shop.name}", headers={"If-None-Match": cards["ETag"]}).status_code == 304


def test_exact_amounts_of_many_decimals_are_shown_whole() -> None:
    ether = CurrencyUnit("ETH", 18)
    shop = new_merchant(1_000_000_000_000_000_001, ether, name=unique("ether"))
    assert "1.000000000000000001 ETH" in words_of(session_of(new_member(shop)).get(f"/app/{shop.name}/ETH/"))


# --- sessions


def test_a_script_whose_session_has_ended_leaves_the_page_for_the_sign_in(shop: MerchantIdentity) -> None:
    answer = Client().get(f"/app/{shop.name}/USD/balance/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert "login" in answer["HX-Redirect"]
