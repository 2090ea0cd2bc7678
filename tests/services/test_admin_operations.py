"""What operators may do by their role, what is kept of it, and what nobody can do by any page, action or crafted request."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from console.dashboard import _feed_card, _reconciliation_cards
from fees.models import FeeSchedule
from ledger_project.database.fields import new_id
from merchants.models import Account, Currency, Merchant
from people.models import User
from tests.services.test_admin import USD, as_shown, available, change_page, hidden, new_merchant, new_transfer, post
from tests.services.test_rollups import settle
from tests.support.factories import unique
from transfers import models
from transfers.domain.commands import Deposit, Details, PlaceHold, TransferFunds
from transfers.figures.summary import read_summary
from transfers.models import Hold, IdempotencyRecord, LedgerEntry, Transfer
from transfers.posting.jobs import Key
from transfers.posting.synchronous import post_now
from transfers.reconciliation.run import LastReconciliation
from transfers.selectors.mark import get_feed_state_now

LEDGER = [Transfer, Hold, IdempotencyRecord, Account, Merchant, FeeSchedule, LogEntry]


def user_with(role: str | None) -> Client:
    client = Client()
    if role is None:
        client.force_login(User.objects.create_superuser(unique("root")))
        return client
    user = User.objects.create_user(unique(role.replace(" ", "-")), is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client.force_login(user)
    return client


@pytest.fixture
def root() -> Client:
    return user_with(None)


# --- roles ------------------------------------------------------------------------------------------------------------------

ACTIONS = {
    "freeze": "operator",
    "overdraft": "operator",
    "reverse": "operator",
    "void": "operator",
    "waive": "fee manager",
    "append": "fee manager",
}


def pages() -> dict[str, str]:
    source, target, made = new_transfer()
    hold = new_id(place=source.id)
    post(PlaceHold(hold, source, target, USD, 100, 600, Details()))
    merchant = Merchant.objects.get(id=source.id)
    return {
        "freeze": change_page(merchant, "freeze"),
        "overdraft": change_page(Account.objects.get(merchant=merchant, kind="wallet", currency="USD"), "overdraft"),
        "reverse": change_page(Transfer.objects.get(id=made), "reverse"),
        "void": change_page(Hold.objects.get(id=hold), "void"),
        "waive": change_page(merchant, "waive"),
        "append": reverse("admin:fee_append"),
    }


@pytest.mark.parametrize("role", ["viewer", "operator", "fee manager"])
def test_each_role_is_there_from_the_start_and_may_do_just_its_own(role: str) -> None:
    client = user_with(role)
    for action, page in pages().items():
        assert client.get(page).status_code == (200 if ACTIONS[action] == role else 403), action
    for name in ("merchants_merchant", "transfers_transfer", "transfers_hold", "fees_feeschedule", "admin_logentry"):
        assert client.get(reverse(f"admin:{name}_changelist")).status_code == 200
    assert client.get(reverse("admin:people_user_changelist")).status_code == 403
    assert "Value held by merchants" in client.get(reverse("admin:index")).content.decode()


def test_staff_without_a_role_sees_no_figures() -> None:
    client = Client()
    client.force_login(User.objects.create_user(unique("nobody"), is_staff=True))
    page = client.get(reverse("admin:index"))
    assert page.status_code == 200
    assert "Value held" not in page.content.decode()
    assert client.get(reverse("admin:transfers_transfer_changelist")).status_code == 403


# --- what nobody can do -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", LEDGER)
@pytest.mark.parametrize("role", [None, "operator"])
def test_no_crafted_request_adds_changes_or_deletes(role: str | None, model: type[Transfer]) -> None:
    page = pages()
    client = user_with(role)
    user_with(None).post(page["freeze"], {"token": "x", "reason": "for a row in the log"})
    post_now([TransferFunds(new_merchant(), new_merchant(), USD, 1, Details())], keys=[Key("crafted", unique("key"), b"k" * 32)])
    obj = model.objects.first()
    assert obj is not None
    before, count = model.objects.filter(pk=obj.pk).values().get(), model.objects.count()
    label = f"{model._meta.app_label}_{model._meta.model_name}"
    everything = {f.name: "1" for f in model._meta.fields} | {"status": "frozen", "_save": "Save", "post": "yes"}
    for url in (f"{label}_add", f"{label}_changelist"):
        client.post(reverse(f"admin:{url}"), everything | {"action": "delete_selected", "_selected_action": [str(obj.pk)]})
    for url in (f"{label}_change", f"{label}_delete"):
        assert client.post(reverse(f"admin:{url}", args=[obj.pk]), everything).status_code == 403
    editable = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": str(obj.pk), "form-0-status": "closed", "_save": "Save"}
    client.post(reverse(f"admin:{label}_changelist"), editable)
    assert model.objects.filter(pk=obj.pk).values().get() == before
    assert model.objects.count() == count


def test_entries_figures_and_marks_are_not_in_the_admin_at_all() -> None:
    registered = {model for model in admin.site._registry if model._meta.app_label == "transfers"}
    assert registered <= {
        Transfer,
        Hold,
        IdempotencyRecord,
        models.DepositRequest,
        models.Refusal,
        models.ReconciliationRun,
        models.RequestedReconciliation,
    }
    assert LedgerEntry not in registered


@pytest.mark.parametrize("model", [Transfer, Hold, Account, Merchant, FeeSchedule])
@pytest.mark.parametrize("wrong", ["00000000-0000-7000-8000-000000000000", "no-id"])
def test_an_action_on_what_is_not_there_is_not_found(root: Client, model: type[Transfer], wrong: str) -> None:
    action = {Transfer: "reverse", Hold: "void", Account: "freeze", Merchant: "freeze"}.get(model, "change")
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") + f"{wrong}/{action}/"
    assert root.get(page).status_code in {302, 404}


# --- money moves once; what was refused moved nothing and can be sent again ---------------------------------------------------


def test_a_double_click_on_a_part_sends_it_back_once_and_is_recorded_once(root: Client) -> None:
    source, target, made = new_transfer()
    page = change_page(Transfer.objects.get(id=made), "reverse")
    form = as_shown(root, page, token="twice", reason="half was broken", amount="4.00")
    for _ in range(3):
        assert root.post(page, form).status_code == 302
    assert (available(source), available(target)) == (10_000 - 1010 + 400, 10_000 + 1000 - 400)
    assert LogEntry.objects.filter(object_id=str(made)).count() == 1
    reversal = Transfer.objects.get(reverses_id=made)
    assert reversal.memo == "half was broken"
    assert reversal.principal.startswith("admin:")
    assert reversal.request_id


def test_a_refused_form_is_tried_again_whenever_it_is_sent(root: Client) -> None:
    source, target, made = new_transfer(9000)
    post(TransferFunds(target, source, USD, 15_000, Details()))  # the receiver has spent it
    page = change_page(Transfer.objects.get(id=made), "reverse")
    form = as_shown(root, page, token="refused", reason="wrong order")
    assert "Insufficient funds" in root.post(page, form).content.decode()
    again = root.post(page, form)
    assert again.status_code == 200
    assert "insufficient_funds" in again.content.decode()
    assert not LogEntry.objects.filter(object_id=str(made)).exists()
    assert not Transfer.objects.filter(reverses_id=made).exists()
    post(Deposit(target, USD, 10_000, Details()))
    answer = root.post(page, form)
    assert "did not show these numbers before" in answer.content.decode()  # it said that it would be refused
    assert root.post(page, form | {"asked": hidden(answer.content.decode(), "asked")}).status_code == 302
    assert Transfer.objects.filter(reverses_id=made).count() == 1


def test_a_token_of_one_form_does_nothing_for_another_object(root: Client) -> None:
    _, _, first = new_transfer()
    _, _, second = new_transfer()
    pages = [change_page(Transfer.objects.get(id=made), "reverse") for made in (first, second)]
    assert root.post(pages[0], as_shown(root, pages[0], token="stolen", reason="a")).status_code == 302
    page = root.post(pages[1], as_shown(root, pages[1], token="stolen", reason="b"))
    assert page.status_code == 200
    assert not Transfer.objects.filter(reverses_id=second).exists()


@pytest.mark.parametrize("amount", ["0", "-1", "1.001", "abc"])
def test_an_amount_that_is_none_is_told_so(root: Client, amount: str) -> None:
    _, _, made = new_transfer()
    page = root.post(change_page(Transfer.objects.get(id=made), "reverse"), {"token": "t", "reason": "r", "amount": amount})
    assert page.status_code == 200
    assert not Transfer.objects.filter(reverses_id=made).exists()


def test_fees_are_waived_once_by_a_double_click(root: Client) -> None:
    merchant = new_merchant()
    page = change_page(Merchant.objects.get(id=merchant.id), "waive")
    assert root.post(page, {"token": "t", "reason": "first month"}).status_code == 302
    assert "waived already" in root.post(page, {"token": "t", "reason": "first month"}).content.decode()
    assert FeeSchedule.objects.filter(merchant_id=merchant.id).count() == 1


# --- what is kept and shown -------------------------------------------------------------------------------------------------


def test_every_change_says_who_when_what_and_why(root: Client) -> None:
    merchant = Merchant.objects.get(id=new_merchant().id)
    root.post(change_page(merchant, "freeze"), {"token": "t", "reason": "court order 7"})
    entry = LogEntry.objects.get(object_id=str(merchant.id))
    assert (entry.get_change_message(), entry.user.username.startswith("root")) == ("Frozen with 100.00 USD available: court order 7", True)
    assert (datetime.now(UTC) - entry.action_time).total_seconds() < 60
    assert "Frozen with 100.00 USD available: court order 7" in root.get(reverse("admin:admin_logentry_changelist")).content.decode()
    assert "Frozen with 100.00 USD available: court order 7" in root.get(change_page(merchant)).content.decode()


def test_an_overdraft_is_set_by_a_form_that_reads_the_limit_as_it_is(root: Client) -> None:
    account = Account.objects.get(merchant_id=new_merchant().id, kind="wallet")
    page = change_page(account, "overdraft")
    for wrong in ("", "-1", "1,50", " 1", "1.001", "1e3", "1_0"):
        assert root.post(page, {"token": "t", "reason": "agreed", "limit": wrong}).status_code == 200
    assert root.post(page, {"token": "t", "limit": "5"}).status_code == 200  # no reason
    assert Account.objects.get(id=account.id).overdraft_limit_minor == 0
    assert root.post(page, {"token": "t", "reason": "agreed", "limit": "1050.00"}).status_code == 302
    assert Account.objects.get(id=account.id).overdraft_limit_minor == 105_000
    assert "so already" in root.post(page, {"token": "t", "reason": "agreed", "limit": "1050.00"}).content.decode()
    (entry,) = LogEntry.objects.filter(object_id=str(account.id))
    assert entry.get_change_message() == "Overdraft limit 1,050.00 USD: agreed"
    external = Account.objects.filter(merchant_id=account.merchant_id, kind="external").get()
    assert root.get(change_page(external, "overdraft")).status_code == 404


def test_a_currency_is_added_and_switched_off_with_a_reason(root: Client) -> None:
    code = "T" + unique()[-6:].upper().replace("-", "Z")
    values = {"code": code, "exponent": "4", "name": "Token", "is_active": "on"}
    assert root.post(reverse("admin:merchants_currency_add"), values).status_code == 200  # no reason
    assert not Currency.objects.filter(code=code).exists()
    assert root.post(reverse("admin:merchants_currency_add"), values | {"reason": "launch"}).status_code == 302
    page = reverse("admin:merchants_currency_change", args=[code])
    assert root.post(page, {"name": "Token", "exponent": "9", "reason": "retired"}).status_code == 302
    currency = Currency.objects.get(code=code)
    assert (currency.is_active, currency.exponent) == (False, 4)
    messages = [entry.get_change_message() for entry in LogEntry.objects.filter(object_id=code).order_by("id")]
    assert messages == ["Added: launch", "Changed is_active: retired"]


def test_only_what_the_state_allows_is_offered(root: Client) -> None:
    merchant = Merchant.objects.get(id=new_merchant().id)
    assert "/freeze/" in root.get(change_page(merchant)).content.decode()
    root.post(change_page(merchant, "freeze"), {"token": "t", "reason": "r"})
    page = root.get(change_page(merchant)).content.decode()
    assert "/unfreeze/" in page
    assert f"{merchant.id}/freeze/" not in page


# --- finding ----------------------------------------------------------------------------------------------------------------


def test_one_box_finds_whatever_has_an_id_or_a_name(root: Client) -> None:
    source, target, made = new_transfer()
    hold, key = new_id(place=source.id), unique("Key")
    post(PlaceHold(hold, source, target, USD, 100, 600, Details()))
    reference = unique("INV")
    post_now([TransferFunds(source, target, USD, 1, Details(external_reference=reference))], keys=[Key("found", key, b"f" * 32)])
    account = Account.objects.get(merchant_id=source.id, kind="wallet")
    wanted = {
        str(made): Transfer.objects.get(id=made),
        str(hold): Hold.objects.get(id=hold),
        str(account.id): account,
        str(source.id): Merchant.objects.get(id=source.id),
        source.name.upper(): Merchant.objects.get(id=source.id),
        reference: Transfer.objects.get(external_reference=reference),
        key: IdempotencyRecord.objects.get(key=key),
    }
    for text, obj in wanted.items():
        found = root.get(reverse("admin:ledger_find"), {"q": f" {text} "})
        assert (found.status_code, found.headers.get("Location")) == (302, change_page(obj)), text
    assert "Nothing has this" in root.get(reverse("admin:ledger_find"), {"q": "no such thing"}).content.decode()
    palette = root.get(reverse("admin:ledger_palette"), {"q": reference}).content.decode()
    assert change_page(Transfer.objects.get(external_reference=reference)) in palette


def test_the_box_shows_nothing_that_the_user_may_not_see() -> None:
    _, _, made = new_transfer()
    client = Client()
    client.force_login(User.objects.create_user(unique("nobody"), is_staff=True))
    assert client.get(reverse("admin:ledger_find"), {"q": str(made)}).status_code == 200


# --- the dashboard and the statement ----------------------------------------------------------------------------------------


def test_the_dashboard_shows_one_currency_and_says_how_fresh_it_is(root: Client) -> None:
    new_transfer()
    settle()
    page = root.get(reverse("admin:index"), {"currency": "USD"}).content.decode()
    for words in (
        "Value held by merchants",
        "Fee income",
        "Open holds",
        "Last reconciliation of all",
        "Last reconciliation of what is new",
        "Top merchants",
        "They contain everything until",
        "Feed of events",
    ):
        assert words in page
    assert "unknown" in root.get(reverse("admin:index"), {"currency": "NOPE"}).content.decode().lower()
    assert root.get(reverse("admin:index"), {"from": "2026-02-30", "to": "x"}).status_code == 200


def test_the_dashboard_shows_the_verdict_on_all_and_the_one_on_what_is_new() -> None:
    now = timezone.now()
    whole = LastReconciliation("clean", now, 12_345, 0, "everything", "")
    new = LastReconciliation("damaged", now, 12_345, 1, "everything", "what is old")
    summary = read_summary(None, None, None)
    never, both = (
        _reconciliation_cards(replace(summary, whole_reconciliation=one, incremental_reconciliation=other))
        for one, other in ((None, None), (whole, new))
    )
    assert [(card.figure, card.tone) for card in never] == [("never", "bad")] * 2
    assert [card.url.split("?")[1] for card in both] == ["kind__exact=whole", "kind__exact=incremental"]
    assert [(card.figure, card.tone) for card in both] == [("clean", "good"), ("damaged", "bad")]
    assert both[0].note[0].text.endswith("12,345 entries")
    assert both[1].note[0].text.endswith("12,345 new entries, 1 findings; not seen: what is old")


def test_the_dashboard_says_how_far_the_feed_is_settled_and_when_it_is_late() -> None:
    state = get_feed_state_now()
    early = state._replace(settled_until=state.now - timedelta(seconds=0.3))
    late = state._replace(settled_until=state.now - timedelta(minutes=5))
    assert (_feed_card(early).figure, _feed_card(early).tone) == ("0.3 s behind", "good")
    assert (_feed_card(late).figure, _feed_card(late).tone) == ("5 min ago: late", "bad")
    assert f"settled until {late.settled_until:%Y-%m-%d %H:%M:%S} UTC" in _feed_card(late).note[0].text


def test_a_statement_is_narrowed_by_days_and_type_and_so_is_its_export(root: Client) -> None:
    source, _, _ = new_transfer()
    account = Account.objects.get(merchant_id=source.id, kind="wallet")
    today = datetime.now(UTC).date().isoformat()
    page = root.get(change_page(account), {"type": "fee", "from": today, "to": today}).content.decode()
    assert "-0.10 USD" in page
    assert "-10.00 USD" not in page
    assert "opening 0.00 USD, closing 89.90 USD" in page
    assert "Nothing in this period" in root.get(change_page(account), {"to": "2001-01-01"}).content.decode()
    export = root.get(reverse("admin:account_csv", args=[account.id]), {"type": "fee"})
    assert "attachment" in export["Content-Disposition"]


@pytest.mark.parametrize("kind", ["wallet", "external", "held", "fees"])
def test_an_account_of_any_kind_is_frozen_and_unfrozen(root: Client, kind: str) -> None:
    source, _, _ = new_transfer()
    post(PlaceHold(new_id(place=source.id), source, new_merchant(), USD, 100, 600, Details()))
    account = Account.objects.get(merchant_id=source.id, kind=kind, currency="USD")
    for action, status in (("freeze", "frozen"), ("unfreeze", "active")):
        assert root.post(change_page(account, action), {"token": unique("form"), "reason": "a look"}).status_code == 302
        assert Account.objects.get(id=account.id).status == status
