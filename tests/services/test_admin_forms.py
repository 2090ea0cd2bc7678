"""The admin's forms: an amount is understood or refused, shown before and after; a form does what it says, once, or says that it did not."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from fees.admin.drafts import DraftForm
from fees.models import FeeSchedule
from ledger_project.database.fields import new_id
from merchants.domain import Status
from merchants.models import Account, Currency, Merchant
from merchants.services import set_merchant_status
from people.models import ApiKey, User
from tests.services.test_admin import USD, as_shown, available, change_page, draft, hidden, new_merchant, post
from tests.support.factories import unique
from transfers.admin.reversals import ReversalForm
from transfers.domain.commands import Details, PlaceHold, TransferFunds
from transfers.domain.outcome import required
from transfers.models import Hold, Transfer
from transfers.selectors import find_original_now
from transfers.services.reversals import operator_reversal


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser(unique("root")))
    return client


def words(response: HttpResponse) -> str:
    """What the operator reads: the page's text, or the messages of a page that leads on."""
    told = " ".join(str(message) for message in get_messages(response.wsgi_request))
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())) + " " + told


def reversal(amount: int = 1_050_000) -> tuple[str, Transfer]:
    source, target = new_merchant(2 * amount), new_merchant(0)
    made = post(TransferFunds(source, target, USD, amount, Details()))
    transfer = Transfer.objects.get(id=made)
    return change_page(transfer, "reverse"), transfer


def sent_back(transfer: Transfer) -> list[int]:
    return [int(minor) for minor in transfer.reversals.order_by("id").values_list("amount_minor", flat=True)]


# --- amounts ----------------------------------------------------------------------------------------------------------------


ODD_AMOUNTS = (
    "10,50", "1,5", ",5", "1,234,5", "1.000,00", "1_000", "1'000", "1 000", "1\u00a0000", "１０", "١", " 10.50", "10.50\u00a0", " ", "1e3", "\x005"
)  # fmt: skip


def test_an_amount_that_is_not_understood_sends_nothing_back(root: Client) -> None:
    for amount in ODD_AMOUNTS:
        form = ReversalForm({"token": "t", "reason": "r", "amount": amount}, unit=USD)
        assert "amount" in form.errors, amount
    page, transfer = reversal()
    answer = root.post(page, {"token": "t", "reason": "r", "amount": "10,50"})
    assert answer.status_code == 200
    assert "Not understood. Amount: a comma groups thousands" in words(answer)
    assert sent_back(transfer) == []


def test_the_amount_is_shown_as_it_was_understood_before_and_after(root: Client) -> None:
    page, transfer = reversal()
    assert "10,500.00 USD goes back" in words(root.get(page))
    form = {"token": uuid4().hex, "reason": "", "amount": "1,050", "refund_fee": "on"}
    before = words(root.post(page, form | {"preview": ""}))
    source, target = transfer.source.merchant.name, transfer.target.merchant.name
    assert f"1,050.00 USD goes back from {target} to {source}, and 10.50 USD of the fee to {source}. Then 9,450.00 USD is left." in before
    assert sent_back(transfer) == []
    after = root.post(page, as_shown(root, page, **form | {"reason": "agreed"}))
    made = transfer.reversals.get().id
    assert f'by <a href="{reverse("admin:ledger_find")}?q={made}">{made}</a>' in words(after)
    assert "Reversed 1,050.00 USD by" in words(after)
    assert "Now: 1,050.00 of 10,500.00 USD reversed, 9,450.00 USD left." in words(after)
    assert "1,050.00 of 10,500.00 USD reversed, 9,450.00 USD left" in words(root.get(change_page(transfer)))
    assert sent_back(transfer) == [105_000]
    assert "Reversed 1,050.00 USD by" in LogEntry.objects.get(object_id=str(transfer.id)).change_message
    assert "9,450.00 USD goes back" in words(root.get(page))


def test_a_preview_tells_what_is_more_than_can_go_back_and_posts_nothing(root: Client) -> None:
    page, transfer = reversal(1000)
    told = words(root.post(page, {"token": "t", "reason": "r", "amount": "11", "preview": ""}))
    assert "11.00 USD is more than can go back: 10.00 USD." in told
    assert sent_back(transfer) == []


# --- the same form again ----------------------------------------------------------------------------------------------------


def test_the_same_form_again_is_told_as_such_and_does_nothing(root: Client) -> None:
    page, transfer = reversal(1000)
    form = as_shown(root, page, token=uuid4().hex, reason="r", amount="4.00")
    assert "sent before" not in words(root.post(page, form))
    assert "Reversed 4.00 USD by" in words(again := root.post(page, form | {"amount": "4"}))
    assert "this form was sent before" in words(again)
    assert sent_back(transfer) == [400]


def test_a_form_that_was_carried_out_is_refused_with_another_content(root: Client) -> None:
    page, transfer = reversal(1000)
    form = as_shown(root, page, token=uuid4().hex, reason="r", amount="4.00")
    root.post(page, form)
    for changed in ({"amount": "5.00"}, {"amount": "5.00"}, {"amount": ""}, {"refund_fee": "on"}, {"reason": "another"}):
        answer = root.post(page, form | changed)
        assert answer.status_code == 200
        assert "Nothing was done" in words(answer)
        assert str(transfer.reversals.get().id) in words(answer)
    assert sent_back(transfer) == [400]
    assert LogEntry.objects.filter(object_id=str(transfer.id)).count() == 1


def test_nothing_is_posted_before_its_numbers_were_shown(root: Client) -> None:
    page, transfer = reversal(1000)
    form = {"token": uuid4().hex, "reason": "r", "amount": "4.00"}
    stale = form | {"seen": hidden(root.get(page).content.decode(), "seen")}
    for sent in (form, stale):
        answer = root.post(page, sent)
        assert answer.status_code == 200
        assert "Nothing was done yet" in words(answer)
        assert "4.00 USD goes back" in words(answer)
    assert sent_back(transfer) == []
    shown = {name: hidden(answer.content.decode(), name) for name in ("seen", "seen_state")}
    target, source = transfer.target.merchant.name, transfer.source.merchant.name
    assert shown["seen_state"] == f"{target}: 10.00 USD now, 6.00 after. {source}: 9.90 USD now, 13.90 after."
    assert root.post(page, form | shown).status_code == 302
    assert sent_back(transfer) == [400]


def test_numbers_that_another_reversal_has_changed_are_shown_again(root: Client) -> None:
    page, transfer = reversal(1000)
    shown = as_shown(root, page, token=uuid4().hex, reason="all of it")
    post(operator_reversal(required(find_original_now(transfer.id)), 300, Details(), refund_fee=False))
    answer = root.post(page, shown)
    assert "Nothing was done yet" in words(answer)
    assert "7.00 USD goes back" in words(answer)
    assert sent_back(transfer) == [300]


def test_a_form_that_is_sent_again_after_back_asks_before_it_posts_again(root: Client) -> None:
    page, transfer = reversal(1000)
    form = as_shown(root, page, token=uuid4().hex, reason="damaged", amount="4.00")
    assert root.post(page, form).status_code == 302
    made = transfer.reversals.get().id
    fresh = as_shown(root, page, token=uuid4().hex, reason="damaged", amount="4.00")  # Back has loaded the page anew
    asked = root.post(page, fresh)
    assert f"You did this 0 minutes ago: Reversed 4.00 USD by {made}: damaged. If it is to be done once more" in words(asked)
    kept = root.post(page, form | {"amount": "5.00"})  # Back has shown the page that was sent
    assert "Nothing was done" in words(kept)
    assert hidden(kept.content.decode(), "token") != form["token"]
    assert sent_back(transfer) == [400]
    again = {name: hidden(asked.content.decode(), name) for name in ("seen", "again", "token")}
    for _ in range(2):
        assert root.post(page, fresh | again).status_code == 302
    assert sent_back(transfer) == [400, 400]


def test_a_colleague_is_told_who_did_it_just_now(root: Client) -> None:
    page, transfer = reversal(1000)
    assert root.post(page, as_shown(root, page, token=uuid4().hex, reason="call 1", amount="1")).status_code == 302
    colleague = Client()
    colleague.force_login(User.objects.create_superuser(unique("colleague")))
    asked = words(colleague.post(page, as_shown(colleague, page, token=uuid4().hex, reason="call 2", amount="1")))
    assert re.search(r"root\S* did this .* ago: Reversed 1.00 USD", asked)
    assert sent_back(transfer) == [100]


def test_a_refused_form_works_when_it_was_corrected(root: Client) -> None:
    page, transfer = reversal(1000)
    form = {"token": uuid4().hex, "reason": "r"}
    assert "reversal_exceeds_original" in words(root.post(page, as_shown(root, page, **form, amount="40")))
    assert "Reversed 4.00 USD by" in words(root.post(page, as_shown(root, page, **form, amount="4")))
    assert sent_back(transfer) == [400]


def test_a_refused_form_works_when_its_cause_is_gone(root: Client) -> None:
    page, transfer = reversal(1000)
    form = as_shown(root, page, token=uuid4().hex, reason="r")
    set_merchant_status(transfer.target.merchant_id, Status.FROZEN)
    assert "account_frozen" in words(root.post(page, form))
    set_merchant_status(transfer.target.merchant_id, Status.ACTIVE)
    assert root.post(page, form).status_code == 302
    assert sent_back(transfer) == [1000]


def test_forms_of_one_token_at_once_do_one_thing(root: Client) -> None:
    page, transfer = reversal(1000)
    token = uuid4().hex
    forms = {amount: as_shown(root, page, token=token, reason="r", amount=amount) for amount in ("1", "2")}

    def send(amount: str) -> tuple[int, str]:
        try:
            answer = root.post(page, forms[amount])
            return answer.status_code, "" if answer.status_code == 302 else f"{amount}: {words(answer)[-1000:]}"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, ["1", "2", "1", "2"]))
    assert sorted(status for status, _ in answers) == [200, 200, 302, 302], answers
    assert sent_back(transfer) in ([100], [200])


def test_a_hold_that_was_voided_is_not_voided_for_another_reason(root: Client) -> None:
    source, target = new_merchant(), new_merchant()
    hold = new_id(place=source.id)
    post(PlaceHold(hold, source, target, USD, 1000, 600, Details()))
    page, form = change_page(Hold.objects.get(id=hold), "void"), {"token": uuid4().hex, "reason": "no show"}
    told = words(root.get(page))
    assert (
        f"This form says: 10.10 USD goes back to {source.name}: 10.00 USD that {target.name} does not get, and 0.10 USD for the fee."
        in told
    )
    assert f"Voided 10.10 USD. Now: {source.name} can spend 10.10 USD again." in words(root.post(page, form))
    assert LogEntry.objects.get(object_id=str(hold)).change_message == "Voided 10.10 USD: no show"
    assert f"10.10 USD went back to {source.name}" in words(root.get(change_page(Hold.objects.get(id=hold))))
    assert "this form was sent before" in words(root.post(page, form))
    assert "Nothing was done" in words(root.post(page, form | {"reason": "another"}))
    assert available(source) == 10_000


@pytest.mark.parametrize("action", ["freeze", "close", "waive"])
def test_a_state_that_is_as_it_was_asked_to_be_tells_whether_this_form_did_it(root: Client, action: str) -> None:
    merchant = Merchant.objects.get(id=new_merchant(0).id)
    page, form = change_page(merchant, action), {"token": uuid4().hex, "reason": "as agreed"}
    assert root.post(page, form).status_code == 302
    assert "This form was sent before and did it" in words(root.post(page, form))
    other = words(root.post(page, form | {"reason": "another"}))
    assert "sent before" not in other
    assert "Not possible" in other or "already" in other


def test_a_refusal_for_another_cause_is_never_called_done(root: Client) -> None:
    merchant = Merchant.objects.get(id=new_merchant().id)
    form = {"token": uuid4().hex, "reason": "left"}
    assert root.post(change_page(merchant, "freeze"), form).status_code == 302
    told = words(root.post(change_page(merchant, "close"), form))
    assert "has money in USD" in told
    assert "did it" not in told


# --- fee versions and keys --------------------------------------------------------------------------------------------------


def test_a_fee_form_that_is_sent_twice_appends_once(root: Client) -> None:
    merchant = new_merchant()
    page = reverse("admin:fee_append")
    token = re.search(r'name="token" value="([^"]+)"', root.get(page).content.decode())
    assert token is not None
    form = draft(merchant) | {"save": "", "token": token[1]}
    assert "Version 1" in words(root.post(page, form))
    again = root.post(page, form)
    assert "this form was sent before" in words(again)
    assert again.status_code == 302
    other = root.post(page, form | {"percent": "50"})
    assert other.status_code == 200
    assert "with other terms" in words(other)
    assert [float(v.rate) for v in FeeSchedule.objects.filter(merchant_id=merchant.id)] == [0.02]


def test_a_fee_form_that_was_refused_and_corrected_works(root: Client) -> None:
    merchant = new_merchant()
    form = draft(merchant) | {"save": "", "token": str(uuid4())}
    assert root.post(reverse("admin:fee_append"), form | {"percent": "200"}).status_code == 200
    assert root.post(reverse("admin:fee_append"), form).status_code == 302


def test_a_key_form_that_is_sent_twice_makes_one_key(root: Client) -> None:
    page, name = reverse("admin:people_apikey_add"), unique("shop")
    token = re.search(r'name="token" value="([^"]+)"', root.get(page).content.decode())
    assert token is not None
    form = {"token": token[1], "name": name, "merchant": "", "scopes": ["transfers:read"]}
    assert "not kept" in words(root.post(page, form))
    assert "This form was sent before" in words(root.post(page, form))
    assert ApiKey.objects.filter(name=name).count() == 1


TIERS = {"tier_mode": "volume", "percent": ""}


ODD_DRAFTS: list[tuple[dict[str, str], str]] = [
    *(({"flat": text}, "decimal number is expected") for text in ("1_000", "1e3", " 5", "５", "NaN", "-5", "+5", "1\u00a0000", ".5", "05")),
    *(({"minimum": text}, "groups thousands") for text in ("1,5", "10,50", "1,0000")),
    ({"flat": "0.001"}, "2 decimals"),
    ({"maximum": " "}, "decimal number is expected"),
    ({"flat": "9" * 38}, "10^30"),
    ({"minimum": str(10**28 + 1)}, "10^30"),
    ({"maximum": "1" * 65}, "at most 64 characters"),
    *(
        ({"percent": text}, "A rate in per cent is expected")
        for text in ("0,01", "1e-2", "NaN", "-0.1", "０.1", " 0.1", "0_1", ".1", "Infinity", "1.123456789", "1 000", "%")
    ),
    ({"percent": "100.00000001"}, "100 per cent at most"),
    ({"percent": ""}, "A rate is expected"),
    (TIERS | {"percent": "1", "tier_percent": "1"}, "a rate of its own"),
    (TIERS | {"tier_percent": "NaN"}, "Not all rows"),
    (TIERS | {"tier_percent": "1", "tier_flat": "1e3"}, "Not all rows"),
    (TIERS | {"tier_percent": "1", "tier_flat": str(10**30)}, "Not all rows"),
    (TIERS | {"tier_up_to": "0", "tier_percent": "1"}, "Not all rows"),
    (TIERS, "At least one tier"),
    (TIERS | {"currency": "", "flat": "", "tier_percent": "1"}, "Tiers are money"),
    ({"tier_percent": "1"}, "These rows are not used"),
    ({"currency": "XXY"}, "valid choice"),
    *(
        ({"effective_from": text}, "A day and a time")
        for text in ("2026-02-30T00:00", "9999-12-31T23:59:59.999999-14:00", "0001-01-01T00:00", "NaN", "2999-13-01T00:00", "2027-01-01")
    ),
    ({"effective_from": "2926-01-01T00:00"}, "within ten years"),
    ({"note": "\x00"}, "Null characters"),
    ({"token": "x"}, "Enter a valid UUID"),
]


def test_a_draft_that_the_database_would_refuse_is_told_in_words(root: Client) -> None:
    merchant = new_merchant()
    for changes, said in ODD_DRAFTS:
        form = DraftForm(draft(merchant, **changes))
        assert said in " ".join(error for errors in form.errors.values() for error in errors), (changes, form.errors)
    for action in ("preview", "save"):
        answer = root.post(reverse("admin:fee_append"), draft(merchant, flat="-5") | {action: ""})
        assert answer.status_code == 200
        assert "a plain decimal number is expected" in words(answer)
        assert "What it would charge" not in words(answer)
    assert not FeeSchedule.objects.filter(merchant_id=merchant.id).exists()


def test_a_currency_gets_the_decimals_that_were_typed(root: Client) -> None:
    code = "T" + unique()[-6:].upper().replace("-", "Z")
    values = {"code": code, "name": "Token", "is_active": "on", "reason": "launch"}
    for exponent in ("1_0", "１", "2.0", " 2", "1e1", "-1", "31", "9" * 30):
        assert root.post(reverse("admin:merchants_currency_add"), values | {"exponent": exponent}).status_code == 200, exponent
    assert not Currency.objects.filter(code=code).exists()
    assert root.post(reverse("admin:merchants_currency_add"), values | {"exponent": "10"}).status_code == 302
    assert Currency.objects.get(code=code).exponent == 10


def test_the_export_that_people_open_has_no_formulas(root: Client) -> None:
    source, target = new_merchant(), new_merchant()
    post(TransferFunds(source, target, USD, 100, Details(memo='=HYPERLINK("http://x","y")', external_reference="@SUM(1)")))
    account = Account.objects.get(merchant_id=source.id, kind="wallet")
    answer = root.get(reverse("admin:account_csv", args=[account.id]))

    async def whole() -> str:
        return b"".join([part async for part in answer.streaming_content]).decode()

    text = asyncio.run(whole())
    rows = list(csv.DictReader(io.StringIO(text)))
    paid = next(row for row in rows if row["what"] == "transfer")
    assert paid["memo"] == '\'=HYPERLINK("http://x","y")'
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "@", "+"))]
