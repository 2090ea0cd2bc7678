"""*Find*: whatever a caller can quote leads to its page, and the search says where it looked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from ledger_project.database.fields import new_id
from ledger_project.kernel.ids import first_uuid7_at
from merchants.models import Merchant
from people.models import User
from tests.services.test_admin import USD, change_page, new_merchant, new_transfer, post
from tests.support.factories import unique
from transfers.domain.commands import Details, PlaceHold, TransferFunds
from transfers.models import Hold, IdempotencyRecord, Refusal, Transfer
from transfers.posting.jobs import Item, Job, Key
from transfers.posting.synchronous import submit_now
from transfers.selectors import searches
from transfers.views.posting_calls import answer_writer


@pytest.fixture
def root() -> Iterator[Client]:
    client = Client()
    client.force_login(User.objects.create_superuser(unique("root")))
    return client


def find(client: Client, text: str, **more: str) -> tuple[str, str]:
    """Return where the search leads, or "", and what its page says."""
    answer = client.get(reverse("admin:ledger_find"), {"q": text, **more})
    return answer.headers.get("Location", ""), answer.content.decode()


def pay(details: Details, amount: int = 1000) -> Transfer:
    made = post(TransferFunds(new_merchant(), new_merchant(), USD, amount, details))
    return Transfer.objects.get(id=made)


def test_the_request_that_a_caller_quotes_leads_to_what_it_posted(root: Client) -> None:
    own, of_caller = str(new_id()), unique("req-caller")
    first, second = pay(Details(request_id=own)), pay(Details(request_id=of_caller))
    assert find(root, own)[0] == change_page(first)
    assert find(root, of_caller)[0] == change_page(second)


@pytest.mark.parametrize("made_by", ["the service", "the caller"])
def test_the_request_that_was_refused_leads_to_the_answer_that_the_caller_got(root: Client, made_by: str) -> None:
    request_id, key = str(new_id()) if made_by == "the service" else unique("req-refused"), unique("refused")
    write = answer_writer(request_id, 201, lambda _: {})
    result = submit_now(
        Job([Item(TransferFunds(new_merchant(), new_merchant(), USD, 90_000, Details()), write, Key("found", key, b"f" * 32))])
    )
    assert result.answer.status_code == 409
    assert find(root, request_id)[0] == change_page(Refusal.objects.get(key=key))
    assert find(root, key)[0] == change_page(IdempotencyRecord.objects.get(key=key))
    assert "insufficient_funds" in root.get(reverse("admin:ledger_palette"), {"q": request_id}).content.decode()


def test_the_beginning_of_an_id_is_enough_and_so_is_the_number_of_a_receipt(root: Client) -> None:
    _, _, made = new_transfer()
    page = change_page(Transfer.objects.get(id=made))
    assert find(root, str(made)[:23])[0] == page
    assert find(root, str(made).replace("-", "")[:24])[0] == page
    assert find(root, f"{made}-1")[0] == page
    assert find(root, str(made)[-12:])[0] == page  # and its end, of a recent one


def test_people_and_merchants_are_found_by_what_they_are_called(root: Client) -> None:
    merchant = Merchant.objects.get(id=new_merchant().id)
    display, address = unique("Köfte & Söhne"), f"{unique('till')}@example.com"
    Merchant.objects.filter(pk=merchant.pk).update(display_name=display, receipt_email=address)
    assert find(root, display[2:])[0] == change_page(merchant)
    assert find(root, address.upper())[0] == change_page(merchant)
    user = User.objects.create_user(unique("mia") + "@example.com", email=unique("mia") + "@example.com", name=unique("Mia Ödegård"))
    for text in (user.email.upper(), user.email[:-4], user.name, str(user.pk)):
        assert find(root, text)[0] == change_page(user), text


@pytest.mark.parametrize("text", ["7,412.53", "7412.53", "7412.53 USD", "usd 7412.53"])
def test_an_amount_lists_who_moved_it(root: Client, text: str) -> None:
    source = new_merchant(10_000_000)
    made = post(TransferFunds(source, new_merchant(), USD, 741_253, Details()))
    _, page = find(root, text, recent="1")
    assert str(made) in page
    assert source.name in page
    assert str(made) not in find(root, "7412.53 EUR", recent="1")[1]
    assert str(made) not in find(root, "7412.54", recent="1")[1]


def test_what_the_sender_paid_with_the_fee_finds_the_transfer(root: Client) -> None:
    source = new_merchant(10_000_000)
    made = post(TransferFunds(source, new_merchant(), USD, 333_300, Details()))
    assert Transfer.objects.get(id=made).total_debit_minor == 336_633
    assert str(made) in find(root, "3366.33", recent="1")[1]


def test_a_memo_is_found_by_a_part_of_it_and_a_hold_by_its_amount(root: Client) -> None:
    word = unique("Zwiebel")
    made = pay(Details(memo=f"two {word} rings, 100% fresh"))
    assert find(root, f"{word.upper()} ring")[0] == change_page(made)
    source = new_merchant()
    hold = new_id(place=source.id)
    memo = unique("deposit of a bicycle")
    post(PlaceHold(hold, source, new_merchant(), USD, 4321, 600, Details(memo=memo)))
    assert find(root, memo)[0] == change_page(Hold.objects.get(id=hold))
    assert str(hold) in find(root, "43.21", recent="1")[1]


@pytest.mark.parametrize("text", ["%", "_", "100%' OR 1=1", "\\", "\ud800", "a" * 5000, "…", "9" * 300, "0", "1,2,3"])
def test_no_text_breaks_the_search(root: Client, text: str) -> None:
    answer = root.get(reverse("admin:ledger_find"), {"q": text.encode("utf-8", "surrogatepass")})
    assert answer.status_code in {200, 302}
    assert root.get(reverse("admin:ledger_palette"), {"q": text.encode("utf-8", "surrogatepass")}).status_code == 200
    assert root.get(reverse("admin:ledger_find"), {"q": "a", "before": "x"}).status_code in {200, 302}


def test_a_search_says_how_far_it_looked_back_and_can_go_on(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    word = unique("needle")
    made = pay(Details(memo=word))
    for _ in range(2):
        new_transfer()  # each makes two openings besides
    monkeypatch.setattr(searches, "LOOKED_AT", 3)
    location, page = find(root, word)
    assert location == ""
    assert "Nothing has this" in page
    assert "since" in page
    before = page.split("before=")[1].split('"')[0]
    answers = 0
    while str(made.id) not in (page := find(root, word, before=before)[1]):
        before = page.split("before=")[1].split('"')[0]
        answers += 1
        assert answers < 10
    assert change_page(made) in page


def test_a_search_reads_the_newest_rows_only_and_the_ids_around_a_request(root: Client) -> None:
    with CaptureQueriesContext(connection) as asked:
        find(root, str(first_uuid7_at(timezone.now())))
    journal = [q["sql"] for q in asked if "FROM transfers_transfer" in q["sql"] or 'FROM "transfers_transfer"' in q["sql"]]
    assert journal
    for sql in journal:
        assert "LIMIT" in sql, sql


def test_who_may_not_see_a_thing_does_not_find_it() -> None:
    client, memo = Client(), unique("secret memo")
    user = User.objects.create_user(unique("clerk"), is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_merchant"))
    client.force_login(user)
    made = pay(Details(memo=memo, request_id=str(new_id())))
    person = User.objects.create_user(unique("hidden"), email=unique("hidden") + "@example.com")
    for text in (memo, str(made.id), str(made.id)[:20], made.request_id, person.email):
        location, page = find(client, text)
        assert (location, str(made.id) in page.replace(text, "")) == ("", False), text
        assert "Look in amounts" not in page


def test_the_box_of_every_page_tells_letters_of_references_apart_and_sees_what_is_new(root: Client) -> None:
    palette, reference = reverse("admin:ledger_palette"), unique("INV-a")
    assert "Nothing found" in root.get(palette, {"q": reference}).content.decode()
    made = pay(Details(external_reference=reference))
    assert change_page(made) in root.get(palette, {"q": reference}).content.decode()
    assert reverse("admin:transfers_hold_changelist") in root.get(palette, {"q": "hold"}).content.decode()
