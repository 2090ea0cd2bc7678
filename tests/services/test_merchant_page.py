"""The page of a merchant: its status with reason, by whom and since when; its sections; and actions that do not look alike."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from events.models import Webhook
from fees.models import FeeSchedule
from fees.services import waive
from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import Actor, Scope
from merchants.domain import MerchantIdentity, Status
from merchants.models import Merchant
from merchants.services import set_merchant_status
from people.credentials import create_key
from people.models import ApiKey, Membership, User
from people.operator_log import keep_api_change
from people.services.users import erase_user
from tests.services.test_admin import USD, change_page, new_merchant, new_transfer, post, root, viewer
from tests.support.factories import unique
from transfers.domain.commands import Details, OpenAccount, PlaceHold, TransferFunds

__all__ = ["root", "viewer"]


def page_of(client: Client, merchant: MerchantIdentity, **query: str) -> str:
    response = client.get(change_page(Merchant.objects.get(id=merchant.id)), query)
    assert response.status_code == 200
    return unescape(response.content.decode())


def section(page: str, anchor: str) -> str:
    found = re.search(rf'<section id="{anchor}".*?</section>', page, re.DOTALL)
    assert found, f"no section {anchor}"
    return found[0]


def links(part: str) -> list[str]:
    return re.findall(r'href="([^"]+)"', part)


def operator() -> tuple[Client, User]:
    user = User.objects.create_user(unique("op"), is_staff=True)
    user.groups.add(Group.objects.get(name="operator"))
    client = Client()
    client.force_login(user, backend="people.access.backends.PeopleBackend")
    return client, user


# --- the status -----------------------------------------------------------------------------------------------------------------


def test_a_merchant_that_was_never_frozen_is_active_since_it_was_registered(root: Client) -> None:
    merchant = new_merchant()
    created = Merchant.objects.get(id=merchant.id).created_at
    assert f"since it was registered, {created:%Y-%m-%d %H:%M:%S} UTC" in page_of(root, merchant)


def test_the_status_says_since_when_by_whom_and_why() -> None:
    merchant, (client, user) = new_merchant(), operator()
    client.post(change_page(Merchant.objects.get(id=merchant.id), "freeze"), {"token": "t", "reason": "court order: 7"})
    entry = LogEntry.objects.get(object_id=str(merchant.id))
    assert f"since {entry.action_time:%Y-%m-%d %H:%M:%S} UTC, by {user.username}: court order: 7" in page_of(client, merchant)
    client.post(change_page(Merchant.objects.get(id=merchant.id), "unfreeze"), {"token": "u", "reason": "lifted"})
    assert f"by {user.username}: lifted" in page_of(client, merchant)


def test_the_name_of_a_person_who_was_erased_is_not_shown(root: Client) -> None:
    merchant, (client, user) = new_merchant(), operator()
    client.post(change_page(Merchant.objects.get(id=merchant.id), "freeze"), {"token": "t", "reason": "gone"})
    User.objects.filter(pk=user.pk).update(is_staff=False)
    erase_user(user.pk, actor=Actor("admin:test"))
    page = page_of(root, merchant)
    assert "by a person who was erased: gone" in page
    assert user.username not in page


def test_a_freeze_by_the_api_names_the_credential(root: Client) -> None:
    merchant = new_merchant()
    set_merchant_status(merchant.id, Status.FROZEN)
    keep_api_change(Merchant.objects.get(id=merchant.id), "Frozen", "alarm", actor=Actor("key:night-watch"))
    assert re.search(r"since [0-9: -]+ UTC, by API, key:night-watch: alarm", page_of(root, merchant))


def test_a_status_without_a_record_says_so(root: Client) -> None:
    merchant = new_merchant()
    set_merchant_status(merchant.id, Status.FROZEN)
    assert "no record: not by an operator's action" in page_of(root, merchant)


# --- the sections ---------------------------------------------------------------------------------------------------------------


def test_every_section_has_the_newest_rows_and_a_link_to_exactly_these(root: Client) -> None:
    source, target, made = new_transfer()
    hold = new_id(place=source.id)
    post(PlaceHold(hold, source, target, USD, 100, 600, Details()))
    key = create_key(name="till", merchant=source, scopes=[Scope.TRANSFERS_READ])
    other_key = create_key(name="other", merchant=target, scopes=[Scope.TRANSFERS_READ])
    member = User.objects.create_user(unique("member"), name="Mia Member")
    Membership.objects.create(user=member, merchant_id=source.id)
    webhook = Webhook.objects.create(merchant_id=source.id, url=f"https://{unique('hook')}.example/", types=["hold.*"], secret="s")
    page = page_of(root, source)
    for anchor, row, wanted in (
        ("transfers", str(made), "Transfers: 3"),
        ("holds", str(hold), "Holds: 1"),
        ("people", "Mia Member", "People: 1"),
        ("api-keys", str(key.id), "API keys: 1"),
        ("webhooks", webhook.url, "Webhooks: 1"),
    ):
        part = section(page, anchor)
        assert row in part, anchor
        assert wanted in part
        address = next((link for link in links(part) if f"={source.name}" in link), None)
        if address is None:
            assert anchor == "transfers"
            continue
        answer = root.get(address)
        assert answer.status_code == 200, address
        shown = unescape(answer.content.decode())
        assert row.removeprefix("Mia ") in shown or row in shown, address
    keys = root.get(reverse("admin:people_apikey_changelist"), {"merchant": source.name}).content.decode()
    assert str(key.id) in keys
    assert str(other_key.id) not in keys
    assert str(key.id) not in root.get(reverse("admin:people_apikey_changelist"), {"merchant": "nobody-of-this-name"}).content.decode()


def test_a_section_says_that_there_are_more(root: Client) -> None:
    source, target = new_merchant(), new_merchant()
    for _ in range(11):
        post(TransferFunds(source, target, USD, 1, Details()))
        create_key(name="many", merchant=source, scopes=[Scope.TRANSFERS_READ])
    page = page_of(root, source)
    assert "Transfers: the newest 10" in page
    assert "API keys: the newest 10" in page
    assert section(page, "api-keys").count("<tr") == 11
    assert ApiKey.objects.filter(merchant_id=source.id).count() == 11


def test_sections_of_what_a_role_may_not_see_are_left_out(viewer: Client) -> None:
    merchant = new_merchant()
    client = Client()
    user = User.objects.create_user(unique("seer"), is_staff=True)
    user.groups.add(Group.objects.get(name="viewer"))
    client.force_login(user, backend="people.access.backends.PeopleBackend")
    page = page_of(client, merchant)
    assert 'id="transfers"' in page
    for anchor in ("people", "api-keys"):
        assert f'id="{anchor}"' not in page


def test_the_page_reads_the_same_number_of_times_for_many_currencies_and_for_few(root: Client) -> None:
    few, many = new_merchant(), new_merchant()
    for code in ("EUR", "CHF", "GBP", "JPY", "SEK", "NOK"):
        post(OpenAccount(many, type(USD)(code, 2)))
    counted = []
    for merchant in (few, many):
        page_of(root, merchant)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page_of(root, merchant)
        counted.append(len(queries))
    assert counted[1] <= counted[0] + 1, counted


# --- fees and the chart ---------------------------------------------------------------------------------------------------------


def test_the_fee_in_force_stands_in_words_with_its_version(root: Client) -> None:
    merchant = new_merchant()
    part = section(page_of(root, merchant), "fees-in-force")
    general = FeeSchedule.objects.filter(merchant=None, currency=None).order_by("-version").first()
    assert general is not None
    assert "1%, half-even, paid by the sender" in part
    assert "transfers and captures" in part
    assert f"everybody's, version {general.version}" in part
    assert reverse("admin:fees_feeschedule_change", args=[general.id]) in part
    waived = waive(merchant_id=merchant.id, currency=None, by=User.objects.create_user(unique("fees")), note="promised")
    part = section(page_of(root, merchant), "fees-in-force")
    assert "nothing: fees are waived" in part
    assert f"its own, version {waived.version}" in part


def test_the_chart_ends_at_the_balance_of_now_with_what_is_held(root: Client) -> None:
    source, target, _ = new_transfer()
    post(PlaceHold(new_id(place=source.id), source, target, USD, 100, 600, Details()))
    part = section(page_of(root, source, currency="USD", days="7"), "balance-over-time")
    assert "89.90 USD now; lowest 0.00 USD, highest 89.90 USD" in part
    assert "<polyline" in part
    assert '<option value="7" selected>' in part


@pytest.mark.parametrize("query", [{"currency": "XXX", "days": "0"}, {"currency": "", "days": "9999999"}])
def test_a_chart_of_what_is_not_there_is_the_usual_one(root: Client, query: dict[str, str]) -> None:
    part = section(page_of(root, new_merchant(), **query), "balance-over-time")
    assert "100.00 USD now" in part
    assert '<option value="30" selected>' in part


# --- the actions ----------------------------------------------------------------------------------------------------------------


def test_what_is_for_good_stands_apart_and_says_what_it_does(root: Client) -> None:
    merchant = Merchant.objects.get(id=new_merchant(opening=0).id)
    page = page_of(root, MerchantIdentity(merchant.id, merchant.name))
    part = section(page, "for-good")
    assert "nobody can open it again" in part
    assert links(part) == [change_page(merchant, "close")]
    assert page.count(change_page(merchant, "close")) == 1
    question = root.get(change_page(merchant, "close")).content.decode()
    assert "nobody can open it again" in question
    assert "bg-red-700" in question
    assert "bg-red-700" not in root.get(change_page(merchant, "freeze")).content.decode()
    root.post(change_page(merchant, "close"), {"token": "t", "reason": "over"})
    page = page_of(root, MerchantIdentity(merchant.id, merchant.name))
    assert 'id="for-good"' not in page
    assert "by root" in page
    for name in ("freeze", "unfreeze", "waive", "close"):
        assert f"{merchant.id}/{name}/" not in page


def test_what_a_role_may_not_do_is_not_offered(viewer: Client) -> None:
    merchant = new_merchant()
    page = page_of(viewer, merchant)
    for name in ("freeze", "unfreeze", "waive", "close"):
        assert f"{merchant.id}/{name}/" not in page
    assert 'id="for-good"' not in page
