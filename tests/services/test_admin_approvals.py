"""Approvals in the admin: what waits is said in words and numbers, and decided once, by another person."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from approvals.domain.operations import AppendVersion, CloseMerchant, ConfirmDeposit, Operation, SetOverdraft
from approvals.models import Approval
from approvals.selectors.approvals import waiting
from approvals.services.decisions import Decider, approve, reject
from approvals.services.requests import ask
from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import Actor, Scope
from ledger_project.kernel.amount_input import AmountInput
from merchants.domain import AccountKind, MerchantIdentity, Status
from merchants.models import Account, Merchant
from merchants.services import set_merchant_status, state_change
from people.credentials import create_key
from people.models import ApiKey, User
from tests.services.test_admin import USD, available, change_page, hidden, new_merchant, new_transfer, post
from tests.services.test_admin_forms import words
from tests.support.factories import unique
from transfers.domain.commands import CaptureHold, Deposit, Details, PlaceHold, RegisterMerchant, ReverseTransfer, TransferFunds, Withdraw
from transfers.models import Transfer
from transfers.selectors import find_hold_terms, find_original_now
from transfers.services.deposit_requests import NewDepositRequest, request_deposit

LIST = "admin:approvals_approval_changelist"


def person(*roles: str) -> tuple[Client, User]:
    client, user = Client(), User.objects.create_user(unique("person"), is_staff=True)
    user.groups.set(Group.objects.filter(name__in=roles))
    client.force_login(user)
    return client, user


@pytest.fixture
def asker() -> User:
    return person("operator")[1]


@pytest.fixture
def approver() -> Client:
    return person("operator", "approver")[0]


def new_key(name: str) -> ApiKey:
    return ApiKey.objects.get(id=create_key(name=name, merchant=None, scopes=[Scope.TRANSFERS_WRITE], expires_at=None).id)


def waits(operation: Operation, asker: User, principal: str = "") -> Approval:
    """Have an operation wait, as an operator's form or a call has it."""
    with state_change():
        return ask(operation, principal=principal or f"admin:{asker.pk}", request_id=unique("request"))


def deposit(amount: int = 5_000, **details: str) -> Deposit:
    return Deposit(new_merchant(), USD, amount, Details(memo="as agreed", **details))


def asked(client: Client, page: str, **values: str) -> dict[str, str]:
    """Return a form as it is sent after the page has shown what it would do."""
    form = {"token": unique("form"), "reason": "checked with the bank"} | values
    text = client.post(page, form | {"preview": ""}).content.decode()
    return form | {name: hidden(text, name) for name in ("seen", "seen_state")}


def approve_page(client: Client, approval: Approval, **values: str) -> HttpResponse:
    page = change_page(approval, "approve")
    return client.post(page, asked(client, page, **values))


def only_these_wait(*operations: tuple[Operation, User]) -> list[Approval]:
    """Have these wait, and nothing of other tests."""
    for approval in waiting():
        reject(approval.id, "of another test", Decider("key:tidy", "r"))
    return [waits(operation, asker) for operation, asker in operations]


def listed(client: Client, **query: str) -> str:
    return words(client.get(reverse(LIST), query))


# --- what it would do, and what it did --------------------------------------------------------------------------------------


def test_what_waits_says_in_words_and_numbers_what_it_would_do(approver: Client, asker: User) -> None:
    command = deposit()
    approval = waits(command, asker)
    page = words(approver.get(change_page(approval)))
    for said in (
        f"Deposit 50.00 USD for {command.merchant.name}",
        asker.username,
        "as agreed",
        "You can approve or reject it.",
        "It would be carried out.",
        "100.00 USD now, 150.00 after",
        "in 2 d",
        bytes(approval.fingerprint).hex(),
        "amount_minor 5000",
    ):
        assert said in page, said
    assert change_page(Merchant.objects.get(id=command.merchant.id)) in approver.get(change_page(approval)).content.decode()


def test_approving_carries_out_that_command_and_says_so_in_numbers(approver: Client, asker: User) -> None:
    command = deposit(external_reference=unique("bank"), principal=f"admin:{asker.pk}")
    approval = waits(command, asker)
    page = change_page(approval, "approve")
    form = asked(approver, page)
    assert form["seen"] == f"Deposit 50.00 USD for {command.merchant.name}. It would be carried out."
    assert form["seen_state"] == f"{command.merchant.name}: 100.00 USD now, 150.00 after."
    assert available(command.merchant) == 10_000
    answer = words(approver.post(page, form))
    approval.refresh_from_db()
    made = Transfer.objects.get(id=approval.transfer_id)
    assert (made.amount_minor, made.memo, made.principal) == (5_000, "as agreed", f"admin:{asker.pk}")
    assert (made.external_reference, approval.status) == (command.details.external_reference, "approved")
    assert f"Approved: Deposit 50.00 USD for {command.merchant.name}, by transfer" in answer
    assert f"{command.merchant.name}: 100.00 USD before, 150.00 after" in answer
    assert available(command.merchant) == 15_000
    logged = LogEntry.objects.get(object_id=str(approval.id))
    assert logged.get_change_message() == (
        f"Approved: Deposit 50.00 USD for {command.merchant.name}, by transfer {made.id}: checked with the bank"
    )
    shown = words(approver.get(change_page(approval)))
    assert f"{command.merchant.name}: 100.00 USD before, 150.00 after" in shown
    assert "What approving would do now" not in shown
    assert "What operators did" in shown


def test_the_page_of_the_transfer_says_by_which_approval_it_was_posted(approver: Client, asker: User) -> None:
    approval = waits(deposit(), asker)
    approve_page(approver, approval)
    approval.refresh_from_db()
    page = approver.get(change_page(Transfer.objects.get(id=approval.transfer_id)))
    assert "Approved by a second person" in words(page)
    assert change_page(approval) in page.content.decode()
    _, _, other = new_transfer()
    assert "Approved by a second person" not in words(approver.get(change_page(Transfer.objects.get(id=other))))


def test_what_the_ledger_would_refuse_is_said_before_and_after(approver: Client, asker: User) -> None:
    source, target = new_merchant(), new_merchant()
    approval = waits(TransferFunds(source, target, USD, 10_000, Details()), asker)
    page = words(approver.get(change_page(approval)))
    assert "The ledger would refuse it (insufficient_funds): " in page
    assert "Approved now, it would fail for good." in page
    answer = words(approve_page(approver, approval))
    assert "the ledger refused it (insufficient_funds)" in answer
    assert "failed for good, and nothing moved" in answer
    approval.refresh_from_db()
    assert (approval.status, available(source), available(target)) == ("failed", 10_000, 10_000)
    assert "insufficient_funds" in words(approver.get(change_page(approval)))
    assert LogEntry.objects.get(object_id=str(approval.id)).get_change_message().startswith("Approved, and the ledger refused it")


def test_rejecting_does_nothing_and_who_asked_reads_why(approver: Client) -> None:
    client, asker = person("operator")
    command = deposit()
    approval = waits(command, asker)
    answer = words(approver.post(change_page(approval, "reject"), {"token": unique("form"), "reason": "no such payment"}))
    assert f"Rejected: Deposit 50.00 USD for {command.merchant.name}" in answer
    assert available(command.merchant) == 10_000
    assert "no such payment" in words(client.get(change_page(approval)))
    assert LogEntry.objects.get(object_id=str(approval.id)).get_change_message().endswith(": no such payment")


def test_numbers_that_moved_are_shown_before_anything_is_done(approver: Client, asker: User) -> None:
    command = deposit()
    approval, other = waits(command, asker), Deposit(command.merchant, USD, 100, Details())
    page = change_page(approval, "approve")
    form = asked(approver, page)
    post(other)
    answer = words(approver.post(page, form))
    assert "Nothing was done yet" in answer
    assert "101.00 USD now, 151.00 after" in answer
    approval.refresh_from_db()
    assert approval.status == "pending"


# --- who decides ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["approve", "reject"])
@pytest.mark.parametrize("by", ["admin:", "jwt:user-", "session:user-", "key"])
def test_who_asked_does_not_decide_whatever_they_send(by: str, verb: str) -> None:
    client, user = person("operator", "approver")
    principal = f"{by}{user.pk}"
    if by == "key":
        key = new_key("own")
        LogEntry.objects.log_actions(user.pk, [key], 1, change_message="Made", single_object=True)
        principal = f"key:{key.id}"
    command = deposit()
    approval = waits(command, user, principal)
    page = client.get(change_page(approval))
    assert "another person decides" in words(page)
    assert change_page(approval, "approve") not in page.content.decode()
    for answer in (
        client.get(change_page(approval, verb)),
        client.post(change_page(approval, verb), {"token": unique("form"), "reason": "mine", "seen": "x", "seen_state": "x", "asked": "1"}),
    ):
        assert (answer.status_code, "another person decides. Nothing was done." in words(answer)) == (302, True)
    approval.refresh_from_db()
    assert (approval.status, available(command.merchant)) == ("pending", 10_000)
    assert not LogEntry.objects.filter(object_id=str(approval.id)).exists()


@pytest.mark.parametrize("verb", ["approve", "reject"])
@pytest.mark.parametrize("roles", [("viewer",), ("operator", "fee manager", "policy manager")])
def test_who_may_not_decide_sees_it_and_reads_which_role_may(roles: tuple[str, ...], verb: str, asker: User) -> None:
    client, _ = person(*roles)
    approval = waits(deposit(), asker)
    page = client.get(change_page(approval))
    assert "Whoever has the role approver, but not who asked." in words(page)
    assert change_page(approval, verb) not in page.content.decode()
    answer = client.post(change_page(approval, verb), {"token": unique("form"), "reason": "please"})
    assert (answer.status_code, "approver" in words(answer)) == (403, True)
    approval.refresh_from_db()
    assert approval.status == "pending"


def test_an_approver_alone_decides_and_gets_no_links_that_lead_nowhere(asker: User) -> None:
    client, _ = person("approver")
    command = deposit()
    (approval,) = only_these_wait((command, asker))
    page = client.get(change_page(approval)).content.decode()
    assert reverse("admin:people_user_change", args=[asker.pk]) not in page
    assert change_page(Merchant.objects.get(id=command.merchant.id)) not in page
    assert words(client.get(reverse("admin:index"))).count(f"Deposit 50.00 USD for {command.merchant.name}") == 1
    approve_page(client, approval)
    assert available(command.merchant) == 15_000
    approval.refresh_from_db()
    page = client.get(change_page(approval)).content.decode()
    assert str(approval.transfer_id) in page
    assert reverse("admin:transfers_transfer_change", args=[approval.transfer_id]) not in page


# --- once, and in time ------------------------------------------------------------------------------------------------------


def test_a_form_that_is_sent_twice_does_it_once_and_says_so(approver: Client, asker: User) -> None:
    command = deposit()
    approval = waits(command, asker)
    page = change_page(approval, "approve")
    form = asked(approver, page)
    first, *later = [words(approver.post(page, form)) for _ in range(3)]
    assert "Approved: Deposit" in first
    assert all("Nothing was done now: you approved it at" in text for text in later)
    assert available(command.merchant) == 15_000
    assert LogEntry.objects.filter(object_id=str(approval.id)).count() == 1


def test_two_people_who_approve_at_once_do_it_once(asker: User) -> None:
    command = deposit()
    approval = waits(command, asker)
    page = change_page(approval, "approve")
    clients = [person("approver")[0] for _ in range(4)]
    forms = [asked(client, page) for client in clients]

    def send(number: int) -> str:
        try:
            return words(clients[number].post(page, forms[number]))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(send, range(4)))
    assert sum("Approved: Deposit" in text for text in told) == 1
    # Who read the page before the deposit, and sent it after, is shown the new balance first.
    known = ("Approved: Deposit", "approval_decided", "approved it at", "did not show these numbers before")
    assert all(any(one in text for one in known) for text in told), told
    assert available(command.merchant) == 15_000
    assert LogEntry.objects.filter(object_id=str(approval.id)).count() == 1


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_what_another_decided_meanwhile_is_told_in_words(approver: Client, asker: User, verb: str) -> None:
    command, (_, other) = deposit(), person("approver")
    approval = waits(command, asker)
    page = change_page(approval, verb)
    form = {"token": unique("form"), "reason": "late"} if verb == "reject" else asked(approver, page)
    reject(approval.id, "not today", Decider(f"admin:{other.pk}", "r"))
    for answer in (approver.get(page), approver.post(page, form)):
        assert answer.status_code == 302
        assert f"Nothing was done now: {other.username} rejected it at" in words(answer)
    assert available(command.merchant) == 10_000
    assert not LogEntry.objects.filter(object_id=str(approval.id)).exists()


def test_what_expired_meanwhile_is_told_in_words(approver: Client, asker: User, settings: object) -> None:
    settings.LEDGER_APPROVAL_LIFETIME = 0
    command = deposit()
    approval = waits(command, asker)
    page = approver.get(change_page(approval))
    assert "expired" in words(page)
    assert change_page(approval, "approve") not in page.content.decode()
    answer = words(approver.post(change_page(approval, "approve"), {"token": unique("form"), "reason": "late"}))
    assert "Nothing was done now: it expired at" in answer
    assert available(command.merchant) == 10_000
    assert command.merchant.name not in listed(approver)


def test_a_decision_that_was_cut_off_before_its_log_is_logged_when_the_form_is_sent_again(asker: User) -> None:
    client, user = person("approver")
    approval = waits(deposit(), asker)
    approve(approval.id, Decider(f"admin:{user.pk}", "r"))  # and the process died
    for _ in range(2):
        client.post(change_page(approval, "approve"), {"token": unique("form"), "reason": "checked"})
    assert LogEntry.objects.get(object_id=str(approval.id)).get_change_message().startswith("Approved: Deposit 50.00 USD")
    # A decision of another person is not logged as this one's.
    other, _ = person("approver")
    other.post(change_page(approval, "approve"), {"token": unique("form"), "reason": "checked"})
    assert LogEntry.objects.filter(object_id=str(approval.id)).count() == 1


# --- each kind of command: the forecast is what happens ---------------------------------------------------------------------


def a_transfer() -> Operation:
    return TransferFunds(new_merchant(), new_merchant(), USD, 1_000, Details())


def a_withdrawal() -> Operation:
    return Withdraw(new_merchant(), USD, 2_500, Details())


def a_reversal() -> Operation:
    _, _, made = new_transfer()
    return ReverseTransfer(find_original_now(made), 400, True, None, Details())


def a_capture() -> Operation:
    source = new_merchant()
    hold = new_id(place=source.id)
    post(PlaceHold(hold, source, new_merchant(), USD, 1_000, 600, Details()))
    return CaptureHold(find_hold_terms(hold), 700, Details())


def a_registration() -> Operation:
    return RegisterMerchant(MerchantIdentity(new_id(), unique("adm")), {}, USD, 7_500, Details())


def a_confirmation() -> Operation:
    merchant = new_merchant()
    made = request_deposit(
        NewDepositRequest(merchant.name, "USD", AmountInput("12.00")), actor=Actor("user:someone", merchant.id), key=None
    )
    return ConfirmDeposit(made.id, unique("bank"), merchant, USD, 1_200)


def a_refused_withdrawal() -> Operation:
    return Withdraw(new_merchant(), USD, 10_001, Details())


def a_deposit_of_a_reference_that_is_taken() -> Operation:
    first = deposit(external_reference=unique("bank"))
    post(first)
    return first


def a_transfer_of_a_frozen_merchant() -> Operation:
    source = new_merchant()
    set_merchant_status(source.id, Status.FROZEN)
    return TransferFunds(source, new_merchant(), USD, 100, Details())


def a_registration_of_a_name_that_is_taken() -> Operation:
    return RegisterMerchant(MerchantIdentity(new_id(), new_merchant().name.upper()), {}, USD, 7_500, Details())


def a_capture_of_a_captured_hold() -> Operation:
    capture = a_capture()
    post(capture)
    return capture


MOVEMENTS = [
    a_transfer, a_withdrawal, a_reversal, a_capture, a_registration, a_confirmation, a_refused_withdrawal,
    a_deposit_of_a_reference_that_is_taken, a_transfer_of_a_frozen_merchant, a_registration_of_a_name_that_is_taken,
    a_capture_of_a_captured_hold,
]  # fmt: skip


@pytest.mark.parametrize("make", MOVEMENTS, ids=lambda make: make.__name__)
def test_what_is_foreseen_is_what_happens(approver: Client, asker: User, make: Callable[[], Operation]) -> None:
    approval = waits(make(), asker)
    form = asked(approver, change_page(approval, "approve"))
    answer = words(approver.post(change_page(approval, "approve"), form))
    approval.refresh_from_db()
    assert ("It would be carried out." in form["seen"]) == (approval.status == "approved"), (form, answer)
    if approval.status == "failed":
        assert f"({approval.failure_code})" in form["seen"]
        assert " after" not in form["seen_state"]
        return
    for name, rest in (one.split(": ", 1) for one in form["seen_state"].rstrip(".").split("; ") if " after" in one):
        foreseen = rest.split(" now, ")[1].split(" after")[0]
        assert f"{name}: {rest.split(' now')[0]} before, {foreseen} after" in answer
    if approval.currency and isinstance(make(), TransferFunds):
        assert "Fee: 0.10 USD" in form["seen_state"]


def test_the_limit_of_a_wallet_is_said_and_changed(approver: Client, asker: User) -> None:
    merchant = new_merchant()
    wallet = Account.objects.get(merchant_id=merchant.id, kind=AccountKind.WALLET)
    approval = waits(SetOverdraft(wallet.id, merchant, USD, 30_000, "credit line"), asker)
    assert "0.00 USD now, 300.00 USD after" in words(approver.get(change_page(approval)))
    answer = words(approve_page(approver, approval))
    assert f"Approved: Let the USD wallet of {merchant.name} go 300.00 USD below zero" in answer
    wallet.refresh_from_db()
    assert wallet.overdraft_limit_minor == 30_000


def test_a_closing_says_what_keeps_the_merchant_open(approver: Client, asker: User) -> None:
    full, empty = new_merchant(), new_merchant(0)
    first, second = waits(CloseMerchant(full, "gone"), asker), waits(CloseMerchant(empty, "gone"), asker)
    assert "(account_not_empty)" in words(approver.get(change_page(first)))
    assert "100.00 USD available" in words(approver.get(change_page(first)))
    assert "It would be carried out." in words(approver.get(change_page(second)))
    approve_page(approver, second)
    assert Merchant.objects.get(id=empty.id).status == "closed"


@pytest.mark.parametrize(("since", "said"), [(timedelta(days=1), "It would be carried out."), (timedelta(days=-1), "(validation_error)")])
def test_a_version_of_fees_says_its_terms_and_what_it_would_charge(approver: Client, asker: User, since: timedelta, said: str) -> None:
    merchant, at = new_merchant(), datetime.now(UTC) + since
    version = AppendVersion(new_id(), merchant, USD, None, "0.02", 30, None, None, None, [], "half_even", "sender", "new contract", at)
    approval = waits(version, asker)
    page = words(approver.get(change_page(approval)))
    assert said in page
    assert "2% + 0.30 USD" in page
    assert ("What it would charge" in page) == (since > timedelta(0))


# --- lists ------------------------------------------------------------------------------------------------------------------


def test_the_list_shows_what_waits_and_by_filters_the_rest(approver: Client, asker: User) -> None:
    first, second = deposit(1_100), TransferFunds(new_merchant(), new_merchant(), USD, 1_200, Details())
    rejected = waits(first, asker)
    waits(second, asker)
    reject(rejected.id, "no", Decider("key:other", "r"))
    done, open_ = first.merchant.name, second.source.name
    page = listed(approver)
    assert (done in page, open_ in page) == (False, True)
    for said in ("These wait for a second person", "12.00 USD", asker.username, "in 2 d", "waits"):
        assert said in page
    for query, expected in (
        ({"status": "any"}, (True, True)),
        ({"status": "rejected"}, (True, False)),
        ({"status": "any", "merchant": done}, (True, False)),
        ({"merchant": open_.upper()}, (False, True)),
        ({"action": "transfer"}, (False, True)),
        ({"action": "deposit"}, (False, False)),
        ({"currency": "usd", "status": "any"}, (True, True)),
        ({"currency": "EUR", "status": "any"}, (False, False)),
        ({"status": "any", "from": f"{datetime.now(UTC):%Y-%m-%d}"}, (True, True)),
        ({"status": "any", "to": "2020-01-31"}, (False, False)),
        ({"status": "any", "q": str(rejected.id)}, (True, False)),
        ({"q": open_}, (False, True)),
        ({"status": "lost"}, (False, False)),
        ({"merchant": "nobody-of-that-name"}, (False, False)),
    ):
        text = listed(approver, **query)
        found = (f"for {done}" in text, f"from {open_}" in text)
        assert found == expected, (query, found)


def test_who_asked_is_told_in_words_also_when_the_person_is_gone(approver: Client, asker: User) -> None:
    key = new_key("nightly job")
    commands = [deposit(), deposit(), deposit()]
    waits(commands[0], asker, f"key:{key.id}")
    waits(commands[1], asker, "admin:019e0000-0000-7000-8000-000000000000")
    waits(commands[2], asker, "jwt:billing")
    page = listed(approver)
    for said in ("API key nightly job", "person 019e0000-0000-7000-8000-000000000000, erased", "jwt:billing"):
        assert said in page


def test_the_list_is_taken_away_as_it_is_shown(approver: Client, asker: User) -> None:
    command = deposit(4_200)
    waits(command, asker)
    page = approver.get(reverse(LIST), {"merchant": command.merchant.name}).content.decode()
    address = f"{reverse('admin:approvals_approval_export_csv')}?merchant={command.merchant.name}"
    assert address in page
    assert approver.get(address).status_code == 200


# --- where else it is seen --------------------------------------------------------------------------------------------------


def test_the_front_page_shows_what_waits_and_who_decides() -> None:
    client, user = person("operator", "approver")
    _, other = person("operator")
    viewer, _ = person("viewer")
    only_these_wait()
    assert "Waits for a second person" not in words(client.get(reverse("admin:index")))
    mine, theirs = waits(deposit(1_300), user), waits(deposit(1_400), other)
    page = words(client.get(reverse("admin:index")))
    assert "Waits for a second person: 2" in page
    assert page.index(mine.summary) < page.index("Another person decides") < page.index(theirs.summary) < page.index("You can decide")
    assert words(viewer.get(reverse("admin:index"))).count("An approver decides") == 2
    nobody, _ = person()
    assert "Waits for a second person" not in words(nobody.get(reverse("admin:index")))


def test_an_approval_is_found_by_its_id_and_by_a_part_of_it(approver: Client, asker: User) -> None:
    approval = waits(deposit(), asker)
    for text in (str(approval.id), str(approval.id)[:20], approval.id.hex):
        answer = approver.get(reverse("admin:ledger_find"), {"q": text})
        assert answer.headers.get("Location") == change_page(approval), text
    assert approval.summary in words(approver.get(reverse("admin:ledger_palette"), {"q": str(approval.id)}))
    nobody, _ = person()
    assert str(approval.summary) not in words(nobody.get(reverse("admin:ledger_find"), {"q": str(approval.id)}))
