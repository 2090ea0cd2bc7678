"""The admin: operators see, freeze, reverse and append; nobody edits history."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from fees.models import FeeSchedule
from ledger_project.database.fields import new_id
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import MerchantIdentity
from merchants.models import Account, Merchant
from people.models import User
from tests.support.factories import unique
from transfers.domain.commands import Command, Deposit, Details, PlaceHold, RegisterMerchant, TransferFunds
from transfers.models import Hold, IdempotencyRecord, LedgerEntry, Transfer
from transfers.posting.jobs import Key
from transfers.posting.synchronous import post_now
from transfers.selectors import get_balances_now

USD = CurrencyUnit("USD", 2)


@pytest.fixture
def root() -> Iterator[Client]:
    client = Client()
    client.force_login(User.objects.create_superuser(unique("root")))
    return client


@pytest.fixture
def viewer() -> Iterator[Client]:
    client = Client()
    user = User.objects.create_user(unique("viewer"), is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


def new_merchant(opening: int = 10_000) -> MerchantIdentity:
    merchant = MerchantIdentity(new_id(), unique("adm"))
    post(RegisterMerchant(merchant, {}, USD, opening, Details()))
    return merchant


def post(command: Command) -> UUID | None:
    (result,) = post_now([command])
    assert result.outcome is not None
    assert result.outcome.refusal is None
    return result.transfer_id


def new_transfer(amount: int = 1000) -> tuple[MerchantIdentity, MerchantIdentity, UUID]:
    source, target = new_merchant(), new_merchant()
    made = post(TransferFunds(source, target, USD, amount, Details(memo="hello")))
    assert made is not None
    return source, target, made


def available(merchant: MerchantIdentity) -> int:
    return get_balances_now(merchant.id, currency=USD, at=None)[1][0].available_minor


def change_page(obj: object, *action: str) -> str:
    meta = obj._meta
    return (
        "/".join(
            [reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[obj.pk]).removesuffix("/change/"), *(action or ("change",))]
        )
        + "/"
    )


def hidden(page: str, name: str) -> str:
    """Return the value of a hidden field of a page."""
    found = re.search(rf'<input type="hidden" name="{name}"[^>]* value="([^"]*)"', page)
    assert found is not None, f"the page has no {name}"
    return unescape(found[1])


def as_shown(client: Client, page: str, **values: str) -> dict[str, str]:
    """Return a form as it is sent after the page has shown what it would do."""
    html = client.post(page, values | {"preview": ""}).content.decode()
    return values | {name: hidden(html, name) for name in ("seen", "seen_state")}


LISTS = [
    "merchants_merchant",
    "merchants_account",
    "merchants_currency",
    "fees_feeschedule",
    "transfers_transfer",
    "transfers_hold",
    "transfers_idempotencyrecord",
    "transfers_refusal",
]


@pytest.mark.parametrize("name", LISTS)
def test_every_list_opens(root: Client, viewer: Client, name: str) -> None:
    new_transfer()
    for client in (root, viewer):
        assert client.get(reverse(f"admin:{name}_changelist")).status_code == 200


def test_a_transfer_shows_its_entries_and_parties(root: Client) -> None:
    source, target, made = new_transfer()
    page = root.get(change_page(Transfer.objects.get(id=made))).content.decode()
    assert source.name in page
    assert target.name in page
    assert "DEBIT" in page
    assert "10.00 USD" in page
    assert 'name="_save"' not in page


def test_a_transfer_shows_its_key_and_the_key_its_transfer(root: Client) -> None:
    key, owner = unique("key"), "admin-test"
    command = TransferFunds(new_merchant(), new_merchant(), USD, 10, Details())
    (posted,) = post_now([command], keys=[Key(owner, key, b"k" * 32)])
    made = Transfer.objects.get(id=posted.transfer_id)
    record = IdempotencyRecord.objects.get(transfer_id=made.id)
    page = root.get(change_page(made)).content.decode()
    assert key in page
    assert change_page(record) in page
    assert change_page(made) in root.get(change_page(record)).content.decode()
    assert record.key in root.get(reverse("admin:transfers_idempotencyrecord_changelist"), {"q": key}).content.decode()
    assert root.get(reverse("admin:transfers_idempotencyrecord_change", args=["no-id"])).status_code == 302


def test_a_transfer_shows_the_receipt_of_each_party_as_pdf(root: Client) -> None:
    source, target, made = new_transfer()
    wallets = Account.objects.filter(merchant_id__in=[source.id, target.id], kind="wallet").values_list("id", flat=True)
    page = root.get(change_page(Transfer.objects.get(id=made))).content.decode()
    assert "Receipts" in page
    for wallet in wallets:
        url = reverse("admin:transfer_receipt", args=[made, wallet])
        assert url in page
        response = root.get(url)
        assert (response.status_code, response["Content-Type"], response.content[:5]) == (200, "application/pdf", b"%PDF-")
        assert response["Content-Disposition"].startswith(f'attachment; filename="receipt-{made}-')
    assert root.get(reverse("admin:transfer_receipt", args=[made, new_id()])).status_code == 404
    stranger = Client()
    stranger.force_login(User.objects.create_user(unique("nobody"), is_staff=True))
    assert stranger.get(reverse("admin:transfer_receipt", args=[made, wallets[0]])).status_code == 403


def test_a_merchant_shows_balances_and_movements(root: Client) -> None:
    source, target, _ = new_transfer()
    page = root.get(change_page(Merchant.objects.get(id=source.id))).content.decode()
    assert "89.90 USD" in page
    assert target.name in page


def test_an_account_shows_and_exports_its_statement(root: Client) -> None:
    source, _, _ = new_transfer()
    account = Account.objects.get(merchant_id=source.id, kind="wallet")
    assert "Export as CSV" in root.get(change_page(account)).content.decode()
    export = root.get(reverse("admin:account_csv", args=[account.id]))
    assert export["Content-Type"].startswith("text/csv")


@pytest.mark.parametrize("model", [Transfer, Hold, Account, Merchant, FeeSchedule])
def test_nobody_adds_changes_or_deletes_history(root: Client, model: type[Transfer]) -> None:
    source, target, _ = new_transfer()
    hold = new_id(place=source.id)
    post(PlaceHold(hold, source, target, USD, 100, 3600, Details()))
    obj = model.objects.first()
    assert obj is not None
    before = model.objects.filter(pk=obj.pk).values().get()
    label = f"{model._meta.app_label}_{model._meta.model_name}"
    assert root.get(reverse(f"admin:{label}_add")).status_code == 403
    assert root.post(reverse(f"admin:{label}_add"), {"amount_minor": 1, "name": "x"}).status_code == 403
    assert root.post(change_page(obj), {"amount_minor": 1, "name": "x", "status": "frozen"}).status_code == 403
    assert root.get(reverse(f"admin:{label}_delete", args=[obj.pk])).status_code == 403
    assert root.post(reverse(f"admin:{label}_delete", args=[obj.pk]), {"post": "yes"}).status_code == 403
    crafted = {"action": "delete_selected", "_selected_action": [str(obj.pk)], "post": "yes"}
    root.post(reverse(f"admin:{label}_changelist"), crafted)
    assert model.objects.filter(pk=obj.pk).values().get() == before


def test_entries_have_no_page_of_their_own_to_write_to(root: Client) -> None:
    assert LedgerEntry not in {model for model, _ in __import__("django.contrib.admin", fromlist=["site"]).site._registry.items()}
    assert root.get("/admin/transfers/ledgerentry/").status_code == 404


def test_freezing_needs_a_reason_is_recorded_and_stops_money(root: Client) -> None:
    source, target, _ = new_transfer()
    merchant = Merchant.objects.get(id=source.id)
    page = change_page(merchant, "freeze")
    assert root.get(page).status_code == 200
    assert root.post(page, {"token": "t", "reason": ""}).status_code == 200
    assert Merchant.objects.get(id=source.id).status == "active"
    assert root.post(page, {"token": "t", "reason": "chargeback 17"}).status_code == 302
    assert Merchant.objects.get(id=source.id).status == "frozen"
    assert LogEntry.objects.filter(object_id=str(source.id), change_message__contains="chargeback 17").exists()
    assert "chargeback 17" in root.get(change_page(merchant)).content.decode()
    (result,) = post_now([TransferFunds(source, target, USD, 1, Details())])
    assert result.outcome is not None
    assert result.outcome.refusal is not None
    assert result.outcome.refusal.code == "account_frozen"
    assert root.post(change_page(merchant, "unfreeze"), {"token": "t", "reason": "settled"}).status_code == 302
    post(TransferFunds(source, target, USD, 100, Details()))


def test_a_merchant_with_money_is_not_closed(root: Client) -> None:
    merchant = new_merchant()
    page = root.post(change_page(Merchant.objects.get(id=merchant.id), "close"), {"token": "t", "reason": "left"})
    assert "has money in USD" in page.content.decode()
    empty = new_merchant(0)
    assert root.post(change_page(Merchant.objects.get(id=empty.id), "close"), {"token": "t", "reason": "left"}).status_code == 302
    (result,) = post_now([Deposit(empty, USD, 1, Details())])
    assert result.outcome is not None
    assert result.outcome.refusal is not None
    assert result.outcome.refusal.code == "account_closed"


def test_a_double_click_reverses_once(root: Client) -> None:
    source, target, made = new_transfer()
    page = change_page(Transfer.objects.get(id=made), "reverse-action")
    page = page.replace("reverse-action", "reverse")
    form = as_shown(root, page, token="same-token", reason="wrong order", refund_fee="on")
    for _ in range(2):
        assert root.post(page, form).status_code == 302
    assert (available(source), available(target)) == (10_000, 10_000)
    assert Transfer.objects.filter(reverses_id=made).count() == 1


def test_a_hold_is_voided_with_a_reason(root: Client) -> None:
    source, target = new_merchant(), new_merchant()
    hold = new_id(place=source.id)
    post(PlaceHold(hold, source, target, USD, 1000, 600, Details()))
    assert available(source) == 10_000 - 1010
    assert root.post(change_page(Hold.objects.get(id=hold), "void"), {"token": "v", "reason": "no show"}).status_code == 302
    assert (available(source), Hold.objects.get(id=hold).status) == (10_000, "voided")


def test_a_viewer_sees_and_changes_nothing(viewer: Client) -> None:
    source, _, made = new_transfer()
    merchant, transfer = Merchant.objects.get(id=source.id), Transfer.objects.get(id=made)
    assert viewer.get(change_page(merchant)).status_code == 200
    for page in (change_page(merchant, "freeze"), change_page(merchant, "waive"), change_page(transfer, "reverse")):
        assert viewer.post(page, {"token": "t", "reason": "r"}).status_code == 403
    assert viewer.get(reverse("admin:fee_append")).status_code == 403


def draft(merchant: MerchantIdentity, **changes: str) -> dict[str, str]:
    values = {
        "merchant_name": merchant.name, "currency": "USD", "kind": "", "percent": "2", "flat": "0.30", "minimum": "",
        "maximum": "", "tier_mode": "", "rounding": "half_even", "payer": "sender", "effective_from": "", "note": "spring",
    }  # fmt: skip
    return values | changes


def test_a_draft_is_previewed_without_being_saved(root: Client) -> None:
    merchant = new_merchant()
    page = root.post(reverse("admin:fee_append"), draft(merchant) | {"preview": ""}).content.decode()
    assert "20.30 USD" in page  # 2% of 1000 and 30 cents
    assert not FeeSchedule.objects.filter(merchant_id=merchant.id).exists()


def test_versions_are_appended_and_charge(root: Client) -> None:
    merchant, other = new_merchant(), new_merchant()
    assert root.post(reverse("admin:fee_append"), draft(merchant) | {"save": ""}).status_code == 302
    post(TransferFunds(merchant, other, USD, 1000, Details()))
    assert available(merchant) == 10_000 - 1000 - 50
    assert root.post(reverse("admin:fee_append"), draft(merchant, percent="0", flat="0.01") | {"save": ""}).status_code == 302
    post(TransferFunds(merchant, other, USD, 1000, Details()))
    assert available(merchant) == 10_000 - 2000 - 51
    second = FeeSchedule.objects.get(merchant_id=merchant.id, version=2)
    page = root.get(change_page(second)).content.decode()
    assert "Compare with the version before" in page
    assert "superseded" in page
    assert root.get(reverse("admin:fee_append") + f"?like={second.id}").status_code == 200


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"percent": "100.1"}, "100 per cent at most"),
        ({"currency": "", "flat": "5"}, "choose a currency"),
        ({"minimum": "9", "maximum": "8"}, "minimum is above the maximum"),
        ({"effective_from": "2020-01-01T00:00:00"}, "history would be rewritten"),
        ({"merchant_name": "nobody-here"}, "no merchant named"),
        ({"tier_mode": "volume", "percent": "", "tier_up_to": "5", "tier_percent": "1"}, "last tier has no bound"),
        ({"note": " "}, "required"),
    ],
)
def test_a_wrong_draft_is_told_what_is_wrong(root: Client, changes: dict[str, str], words: str) -> None:
    merchant = new_merchant()
    page = root.post(reverse("admin:fee_append"), draft(merchant, **changes) | {"save": ""})
    assert page.status_code == 200
    assert words in page.content.decode()
    assert not FeeSchedule.objects.filter(merchant_id=merchant.id).exists()


def test_fees_are_waived_in_two_clicks(root: Client) -> None:
    merchant, other = new_merchant(), new_merchant()
    page = change_page(Merchant.objects.get(id=merchant.id), "waive")
    assert root.get(page).status_code == 200
    assert root.post(page, {"token": "t", "reason": "first month"}).status_code == 302
    post(TransferFunds(merchant, other, USD, 1000, Details()))
    assert available(merchant) == 9000
