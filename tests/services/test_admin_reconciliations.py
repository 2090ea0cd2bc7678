"""Reconciliations in the admin: their verdicts, and how one is started, watched and cancelled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ledger_project.database.fields import new_id
from merchants.models import Account
from people.models import User
from tests.services.test_admin import change_page, hidden, new_merchant
from tests.support.factories import unique
from transfers.models import ReconciliationRun, RequestedReconciliation, WorkerSign
from transfers.services.requested_reconciliations import Kind, Reached, ToProve, fail, finish, give_sign, keep, request_reconciliation, take

LIST = "admin:transfers_reconciliationrun_changelist"


def signed_in(role: str) -> tuple[Client, User]:
    user = User.objects.create_user(unique(role.replace(" ", "-")), is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user, backend="people.access.backends.PeopleBackend")
    return client, user


@pytest.fixture(autouse=True)
def none_open(ledger: None) -> Iterator[None]:
    del ledger
    yield
    RequestedReconciliation.objects.filter(status__in=("waiting", "running")).update(status="cancelled")


@pytest.fixture
def operator() -> Client:
    return signed_in("operator")[0]


def start_page() -> str:
    return reverse("admin:transfers_reconciliationrun_start")


def start(client: Client, **values: str) -> tuple[int, str]:
    """Send the form as it is shown; return the status and where it leads."""
    token = hidden(client.get(start_page()).content.decode(), "token")
    answer = client.post(start_page(), {"token": token, "what": "whole", "since": "", "account": "", "reason": "a look"} | values)
    return answer.status_code, answer.get("Location", answer.content.decode())


def verdict(**values: object) -> ReconciliationRun:
    now = timezone.now()
    usual = {
        "started_at": now - timedelta(seconds=3), "finished_at": now, "verdict": "clean", "findings": [], "entries_checked": 7,
        "kind": "whole", "scope": "everything",
    }  # fmt: skip
    return ReconciliationRun.objects.create(**(usual | values))


def text(client: Client, page: str) -> str:
    response = client.get(page)
    assert response.status_code == 200, page
    return unescape(re.sub(r"\s+", " ", response.content.decode()))


def asked() -> RequestedReconciliation:
    identifier = new_id()
    assert request_reconciliation(identifier, ToProve(Kind.WHOLE), by=User.objects.create_user(unique("asker")))
    return RequestedReconciliation.objects.get(id=identifier)


# --- verdicts -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "operator", "fee manager"])
def test_each_role_finds_the_verdicts_in_the_menu(role: str) -> None:
    client, _ = signed_in(role)
    verdict()
    assert reverse(LIST) in text(client, reverse("admin:index"))
    shown = text(client, reverse(LIST))
    assert "clean" in shown
    assert "3.0 s" in shown
    assert ("Start a reconciliation" in shown) == (role == "operator")


def test_a_verdict_names_what_does_not_hold(operator: Client) -> None:
    findings = [{"check": "entries", "subject": f"entry {n}", "detail": "its hash is wrong"} for n in range(501)]
    run = verdict(verdict="damaged", findings=findings)
    shown = text(operator, change_page(run))
    assert "Findings: the first 500 of 501" in shown
    assert "entry 499" in shown
    assert "entry 500" not in shown
    assert ">501<" in text(operator, reverse(LIST))


# --- started --------------------------------------------------------------------------------------------------------------------


def test_one_is_started_for_a_reason_and_logged() -> None:
    client, user = signed_in("operator")
    status, address = start(client, reason="after the outage")
    assert status == 302
    requested = RequestedReconciliation.objects.get(requested_by=user)
    assert address == change_page(requested)
    assert (requested.kind, requested.status) == ("whole", "waiting")
    entry = LogEntry.objects.get(object_id=str(requested.id))
    assert entry.get_change_message() == "Asked for a reconciliation of everything: after the outage"
    assert entry.user == user
    shown = text(client, address)
    assert "It waits for a worker." in shown
    assert user.username in shown
    assert "after the outage" in shown
    assert change_page(requested) in text(client, reverse(LIST)), "the list says that one is under way"


def test_a_form_that_is_sent_twice_asks_once_and_a_second_one_is_refused() -> None:
    client, user = signed_in("operator")
    token = hidden(client.get(start_page()).content.decode(), "token")
    values = {"token": token, "what": "whole", "since": "", "account": "", "reason": "twice"}
    first, second = client.post(start_page(), values), client.post(start_page(), values)
    assert first["Location"] == second["Location"]
    assert RequestedReconciliation.objects.filter(requested_by=user).count() == 1
    assert LogEntry.objects.filter(user=user).count() == 1
    status, page = start(client)
    assert status == 200
    assert "Another reconciliation waits or runs" in page
    assert RequestedReconciliation.objects.filter(requested_by=user).count() == 1


def test_the_scope_is_that_of_the_form(operator: Client) -> None:
    account = Account.objects.get(merchant_id=new_merchant().id, kind="wallet")
    for values, kind, words in (
        ({"what": "incremental"}, "incremental", "what is new since the last clean verdict"),
        ({"what": "since", "since": "2026-01-31"}, "narrow", "what was posted since 2026-01-31 00:00:00 UTC"),
        ({"what": "since", "since": "2026-01-31T12:00:00+01:00"}, "narrow", "since 2026-01-31 11:00:00 UTC"),
        ({"what": "account", "account": str(account.id)}, "narrow", f"what touches account {account.id}"),
    ):
        status, address = start(operator, **values)
        assert status == 302
        requested = RequestedReconciliation.objects.get(status="waiting")
        assert requested.kind == kind
        assert words in text(operator, address)
        RequestedReconciliation.objects.filter(id=requested.id).update(status="cancelled")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"what": "since"}, "This is needed"),
        ({"what": "account"}, "This is needed"),
        ({"what": "since", "since": "yesterday"}, "no day and no moment"),
        ({"what": "account", "account": "5"}, "no account of this id"),
        ({"what": "account", "account": str(UUID(int=9))}, "no account of this id"),
        ({"what": "whole", "since": "2026-01-31"}, "has no use for this"),
        ({"what": "all"}, "Select a valid choice"),
        ({"reason": ""}, "This field is required"),
    ],
)
def test_a_form_that_says_something_else_starts_nothing(operator: Client, values: dict[str, str], words: str) -> None:
    before = RequestedReconciliation.objects.count()
    status, page = start(operator, **values)
    assert status == 200
    assert words in page
    assert RequestedReconciliation.objects.count() == before


def test_the_form_says_what_it_will_do_and_that_no_worker_is_there(operator: Client) -> None:
    verdict()
    WorkerSign.objects.all().delete()
    shown = text(operator, start_page())
    assert "It proves everything." in shown
    assert "entries." in shown
    assert "No worker was ever seen." in shown
    give_sign()
    assert "No worker" not in text(operator, start_page())


@pytest.mark.parametrize("role", ["viewer", "fee manager"])
def test_others_start_and_cancel_nothing(role: str) -> None:
    client, _ = signed_in(role)
    requested = asked()
    assert client.get(start_page()).status_code == 403
    assert client.post(start_page(), {"token": "t", "what": "whole", "reason": "r"}).status_code == 403
    assert client.post(change_page(requested, "cancel"), {"token": "t", "reason": "r"}).status_code == 403
    shown = text(client, change_page(requested))
    assert "/cancel/" not in shown
    assert RequestedReconciliation.objects.get(id=requested.id).status == "waiting"


# --- watched --------------------------------------------------------------------------------------------------------------------


def progress(client: Client, requested: RequestedReconciliation) -> str:
    return text(client, reverse("admin:reconciliation_progress", args=[requested.id]))


def test_its_page_says_how_far_it_is(operator: Client) -> None:
    requested = asked()
    assert 'data-open="1"' in progress(operator, requested)
    holder = take(new_id())
    assert holder is not None
    assert keep(holder, Reached("sequences have no gaps", 5, 20, 250))
    RequestedReconciliation.objects.filter(id=requested.id).update(entries=1000, started_at=timezone.now() - timedelta(seconds=60))
    for shown in (progress(operator, requested), text(operator, change_page(requested))):
        assert "It runs: sequences have no gaps." in shown
        assert '<progress max="100" value="25"' in shown
        assert "5 of 20" in shown
        assert "about 250 of 1,000" in shown
        assert re.search(r"about \d\d:\d\d:\d\d, in 3 min \d+ s", shown)
    finish(holder, verdict(entries_checked=1001))
    shown = progress(operator, requested)
    assert 'data-open="0"' in shown
    assert "It is done: clean." in shown
    assert "1,001" in shown
    run = RequestedReconciliation.objects.get(id=requested.id).run
    assert run is not None
    assert change_page(run) in shown
    assert change_page(requested) in text(operator, change_page(run))


def test_its_page_says_when_no_worker_is_there_only_while_it_waits(operator: Client) -> None:
    requested = asked()
    WorkerSign.objects.all().delete()
    assert "manage.py reconcile --requested does it now" in progress(operator, requested)
    take(new_id())
    assert "No worker" not in progress(operator, requested)


def test_its_page_says_why_it_has_failed_and_that_it_is_tried_again(operator: Client) -> None:
    requested = asked()
    take(new_id())
    RequestedReconciliation.objects.filter(id=requested.id).update(leased_until=timezone.now() - timedelta(seconds=1))
    holder = take(new_id())
    assert holder is not None
    assert "2: the process before ended without a verdict" in progress(operator, requested)
    fail(holder, "ValueError: odd")
    shown = progress(operator, requested)
    assert "It has failed: ValueError: odd" in shown
    assert 'data-open="0"' in shown


def test_the_progress_is_for_those_who_may_see_it() -> None:
    requested = asked()
    client = Client()
    client.force_login(User.objects.create_user(unique("nobody"), is_staff=True), backend="people.access.backends.PeopleBackend")
    page = reverse("admin:reconciliation_progress", args=[requested.id])
    assert client.get(page).status_code == 403
    assert Client().get(page).status_code == 302
    assert signed_in("viewer")[0].get(reverse("admin:reconciliation_progress", args=[UUID(int=5)])).status_code == 404


# --- cancelled ------------------------------------------------------------------------------------------------------------------


def test_one_is_cancelled_for_a_reason_and_only_once(operator: Client) -> None:
    requested = asked()
    assert "/cancel/" in text(operator, change_page(requested))
    assert operator.post(change_page(requested, "cancel"), {"token": "t", "reason": "too busy"}).status_code == 302
    assert RequestedReconciliation.objects.get(id=requested.id).status == "cancelled"
    assert LogEntry.objects.get(object_id=str(requested.id)).get_change_message() == "Cancelled: too busy"
    shown = text(operator, change_page(requested))
    assert "It was cancelled." in shown
    assert "/cancel/" not in shown
    again = operator.post(change_page(requested, "cancel"), {"token": "u", "reason": "once more"})
    assert again.status_code == 200
    assert "It has ended already." in again.content.decode()
