"""Refused postings have rows: who wanted what, and the words that the caller got."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.money import CurrencyUnit
from ledger_project.kernel.refusals import MerchantNotFound
from merchants.domain import MerchantIdentity, Status
from merchants.models import Merchant
from merchants.services import set_merchant_status
from people.models import User
from tests.support.factories import unique
from tests.support.service_role import owner_connection
from transfers.domain.commands import CaptureHold, Command, Deposit, Details, PlaceHold, Refuse, RegisterMerchant, TransferFunds, Withdraw
from transfers.domain.idempotency import record_id
from transfers.domain.outcome import Outcome
from transfers.domain.refusals import RefusedKind, Wanted
from transfers.models import Refusal
from transfers.posting.jobs import UNREAD, Answer, Envelope, Item, Job, Key
from transfers.posting.synchronous import post_now, post_or_forget, submit_now
from transfers.selectors import find_hold_terms
from transfers.selectors.refusals import find_refusals
from transfers.services.authorization import discreet
from transfers.upkeep.purging import purge_refusals

USD = CurrencyUnit("USD", 2)
LIST = "admin:transfers_refusal_changelist"


@pytest.fixture
def root() -> Iterator[Client]:
    client = Client()
    client.force_login(User.objects.create_superuser(unique("root")))
    return client


def new_merchant(opening: int = 1000) -> MerchantIdentity:
    merchant = MerchantIdentity(new_id(), unique("ref"))
    post_now([RegisterMerchant(merchant, {}, USD, opening, Details())])
    return merchant


def problem_of(outcome: Outcome, request_id: str) -> Answer:
    if outcome.refusal is None:
        return Answer(201, b"{}")
    return Answer(409, json.dumps({"detail": str(outcome.refusal), "request_id": request_id}).encode())


def refused(command: Command, *, key: str = "", request_id: str = "") -> Refusal:
    """Post a command that is refused, as the API does, and return its row."""
    request_id = request_id or unique("req")
    item = Item(command, lambda outcome: problem_of(outcome, request_id), Key("platform", key or unique("key"), b"x" * 32))
    submit_now(Job([item]))
    return Refusal.objects.get(request_id=request_id)


def test_a_refused_transfer_has_a_row_with_what_was_wanted_and_what_the_caller_got() -> None:
    poor, other, key = new_merchant(10), new_merchant(), unique("key")
    row = refused(TransferFunds(poor, other, USD, 500, Details(principal="key:abc")), key=key)
    assert (row.code, row.kind, row.source_id, row.target_id) == ("insufficient_funds", "transfer", poor.id, other.id)
    assert (row.currency, row.amount_minor, row.principal, row.owner, row.key) == ("USD", 500, "key:abc", "platform", key)
    assert row.words == f"{poor.name} holds 0.10 USD; 5.05 is needed (5.00 + fee 0.05)."
    assert datetime.now(UTC) - row.created_at < timedelta(minutes=1)


def test_a_replay_of_a_refusal_has_no_row_of_its_own() -> None:
    poor, other, key = new_merchant(10), new_merchant(), Key("platform", unique("key"), b"x" * 32)
    for _ in range(3):
        post_now([TransferFunds(poor, other, USD, 500, Details())], keys=[key])
    assert Refusal.objects.filter(key=key.key).count() == 1


def test_a_posting_that_succeeds_does_not_touch_the_table_of_refusals() -> None:
    """It posts while another session lets nobody near that table."""
    rich, other = new_merchant(), new_merchant()
    with owner_connection() as raw:
        raw.execute("LOCK TABLE transfers_refusal, transfers_refusaltally IN ACCESS EXCLUSIVE MODE")
        (result,) = post_now([TransferFunds(rich, other, USD, 5, Details())])
        raw.rollback()
    assert result.transfer_id is not None
    assert not Refusal.objects.filter(source_id=rich.id).exists()


def test_each_refused_item_of_a_batch_has_a_row_and_the_posted_ones_have_none() -> None:
    poor, rich = new_merchant(10), new_merchant()
    commands = [TransferFunds(poor, rich, USD, amount, Details()) for amount in (500, 5, 600)]
    submit_now(
        Job([Item(command, lambda o: problem_of(o, "batch"), None) for command in commands], Envelope(UNREAD.render, UNREAD.render_failure))
    )
    assert sorted(Refusal.objects.filter(source_id=poor.id).values_list("amount_minor", flat=True)) == [500, 600]


def test_a_batch_that_is_all_or_nothing_has_a_row_for_what_failed_under_the_key_of_the_batch() -> None:
    poor, rich, key = new_merchant(10), new_merchant(), unique("key")
    envelope = Envelope(UNREAD.render, UNREAD.render_failure, Key("platform", key, b"x" * 32), atomic=True)
    items = [
        Item(TransferFunds(rich, poor, USD, 5, Details()), lambda o: problem_of(o, ""), Key("platform", unique("item"), b"x" * 32)),
        Item(TransferFunds(poor, rich, USD, 500, Details()), lambda o: problem_of(o, ""), Key("platform", unique("item"), b"x" * 32)),
    ]
    submit_now(Job(items, envelope))
    assert [row.amount_minor for row in Refusal.objects.filter(key=key)] == [500]


def test_what_the_receiver_may_not_know_is_not_in_the_row() -> None:
    payer, receiver = new_merchant(), new_merchant()
    hold = PlaceHold(new_id(place=payer.id), payer, receiver, USD, 500, 60, Details())
    post_now([hold])
    terms = find_hold_terms(hold.hold_id)
    assert terms is not None
    post_now([CaptureHold(terms, None, Details())])
    row = refused(CaptureHold(terms, 200, Details()))
    assert (row.code, row.kind, row.amount_minor, row.source_id, row.target_id) == ("hold_not_open", "capture", 200, payer.id, receiver.id)
    told = discreet(lambda outcome: problem_of(outcome, request_id), Actor("key:x", receiver.id, frozenset()), payer)
    request_id = unique("req")
    submit_now(Job([Item(TransferFunds(payer, receiver, USD, 10**9, Details()), told, None)]))
    assert Refusal.objects.get(request_id=request_id).words == "The payer has too little money."


def test_a_refusal_known_beforehand_keeps_what_the_request_named() -> None:
    known = new_merchant()
    row = refused(Refuse(MerchantNotFound("zoe"), Wanted(RefusedKind.TRANSFER, known.id, None, "USD", 700, "jwt:1")))
    assert (row.code, row.source_id, row.target_id, row.amount_minor) == ("merchant_not_found", known.id, None, 700)
    assert "zoe" in row.words
    bare = refused(Refuse(MerchantNotFound("zoe\x00")))
    assert (bare.kind, bare.currency, bare.amount_minor) == ("", "", None)


def test_a_page_that_is_refused_has_a_row_too_though_its_key_is_free_again() -> None:
    poor = new_merchant(10)
    post_or_forget(Withdraw(poor, USD, 500, Details(request_id=unique("page"))), Key(f"merchant:{poor.id}", unique("form"), b"x" * 32))
    row = Refusal.objects.get(source_id=poor.id)
    assert (row.kind, row.code, row.target_id) == ("withdrawal", "insufficient_funds", None)
    assert row.words.startswith(f"{poor.name} holds 0.10 USD")
    assert row.request_id.startswith("page")


@pytest.mark.parametrize("by", ["request_id", "key", "id", "code"])
def test_a_refusal_is_found_by_what_the_caller_quotes(root: Client, by: str) -> None:
    row = refused(TransferFunds(new_merchant(10), new_merchant(), USD, 500, Details()))
    assert row in find_refusals(str(getattr(row, by)), Refusal.objects.all())
    page = root.get(reverse(LIST), {"q": str(getattr(row, by))}).content.decode()
    assert row.request_id in page
    assert row.words in page
    assert row not in find_refusals(unique("nothing"), Refusal.objects.all())


def test_the_list_is_narrowed_by_code_currency_merchant_and_days(root: Client) -> None:
    row = refused(TransferFunds(new_merchant(10), new_merchant(), USD, 500, Details()))
    day = row.created_at.replace(hour=0, minute=0, second=0, microsecond=0)
    period = {"created_at__gte": str(day), "created_at__lt": str(day + timedelta(days=1))}
    for side in (row.source_id, row.target_id):
        wanted = {"code": row.code, "currency": "USD,none", "merchant": side, **period}
        assert row.request_id in root.get(reverse(LIST), wanted).content.decode()
        for other in ({"code": "account_frozen"}, {"currency": "EUR"}, {"merchant": new_merchant().id}, {"created_at__lt": str(day)}):
            assert row.request_id not in root.get(reverse(LIST), {**wanted, **other}).content.decode()


def test_the_page_of_a_refusal_leads_to_both_merchants_and_to_the_kept_answer(root: Client) -> None:
    row = refused(TransferFunds(new_merchant(10), new_merchant(), USD, 500, Details()))
    page = root.get(reverse("admin:transfers_refusal_change", args=[row.id])).content.decode()
    for merchant_id in (row.source_id, row.target_id):
        assert reverse("admin:merchants_merchant_change", args=[merchant_id]) in page
    assert reverse("admin:transfers_idempotencyrecord_change", args=[UUID(record_id(row.owner, row.key))]) in page
    assert "5.00 USD" in page
    assert row.words in page


def test_a_merchant_shows_its_refusals_on_either_side(root: Client) -> None:
    row = refused(TransferFunds(new_merchant(10), new_merchant(), USD, 500, Details()))
    for side in (row.source_id, row.target_id):
        page = root.get(reverse("admin:merchants_merchant_change", args=[side])).content.decode()
        assert row.request_id in page
        assert f"{reverse(LIST)}?merchant={Merchant.objects.get(id=side).name}" in page


def test_the_bars_of_the_dashboard_open_the_rows_that_they_count(root: Client) -> None:
    row = refused(Deposit(frozen_merchant(), USD, 500, Details()))
    page = root.get(reverse("admin:index"), {"currency": "USD"}).content.decode().replace("&amp;", "&")
    start = page.index(f"{reverse(LIST)}?code={row.code}&currency=USD")
    opened = root.get(page[start : page.index('"', start)])
    assert opened.status_code == 200
    assert row.request_id in opened.content.decode()
    assert urlencode({"currency": "USD,none"}) in page


def frozen_merchant() -> MerchantIdentity:
    merchant = new_merchant()
    set_merchant_status(merchant.id, Status.FROZEN)
    return merchant


def test_refusals_go_with_their_keys_and_not_before() -> None:
    row = refused(TransferFunds(new_merchant(10), new_merchant(), USD, 500, Details()))
    old = [refused(TransferFunds(new_merchant(10), new_merchant(), USD, 500, Details())).id for _ in range(3)]
    Refusal.objects.filter(id__in=old).update(created_at=datetime.now(UTC) - timedelta(days=9))
    steps: list[int] = []
    assert purge_refusals(batch=2, progress=steps.append) >= 3
    assert len(steps) >= 2
    assert [found.id for found in Refusal.objects.filter(id__in=[row.id, *old])] == [row.id]


def test_who_may_not_see_refusals_sees_none_on_a_merchants_page() -> None:
    row = refused(TransferFunds(new_merchant(10), new_merchant(), USD, 500, Details()))
    user = User.objects.create_user(unique("staff"), is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_merchant"))
    client = Client()
    client.force_login(user)
    page = client.get(reverse("admin:merchants_merchant_change", args=[row.source_id])).content.decode()
    assert "Refused postings" not in page
    assert client.get(reverse(LIST)).status_code == 403
