"""The log of operators: it says amounts and parties, is searched by any word, filtered, and exported as it is shown."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from ledger_project.database.fields import new_id
from merchants.models import Merchant
from people.models import User
from people.operator_log import keep_change
from tests.services.test_admin import USD, change_page, new_merchant, new_transfer, post
from tests.services.test_admin_lists import rows_of
from tests.services.test_admin_operations import user_with
from tests.support.factories import unique
from transfers.domain.commands import Details, PlaceHold
from transfers.models import Hold, Transfer

LOG = reverse("admin:admin_logentry_changelist")


@pytest.fixture
def root() -> Client:
    return user_with(None)


@pytest.fixture
def author() -> User:
    return User.objects.create_user(unique("ada"), is_staff=True, name=unique("Ada Lovelace"))


def shown(client: Client, **query: object) -> str:
    answer = client.get(LOG, query)
    assert answer.status_code == 200
    return answer.content.decode()


def exported(client: Client, **query: object) -> list[dict[str, str]]:
    return rows_of(client, "admin_logentry", **query)


def test_an_entry_says_amount_and_parties_and_leads_to_all_it_names(root: Client, author: User) -> None:
    source, target, made = new_transfer(1234)
    other, reason = new_transfer()[2], unique("sent twice")
    keep_change(Transfer.objects.get(id=made), f"Reversed 12.34 USD by {other}", reason, user_id=author.pk)
    page = shown(root, q=reason)
    for words in (author.username, "12.34 USD", f"{source.name} → {target.name}", reason, change_page(Transfer.objects.get(id=made))):
        assert words in page, words
    assert f"{reverse('admin:ledger_find')}?q={other}" in page


def test_a_void_says_the_amount_of_its_hold(root: Client, author: User) -> None:
    source, reason = new_merchant(), unique("no show")
    hold = new_id(place=source.id)
    post(PlaceHold(hold, source, new_merchant(), USD, 777, 600, Details()))
    keep_change(Hold.objects.get(id=hold), "Voided", reason, user_id=author.pk)
    (row,) = exported(root, q=reason)
    assert "7.77 USD" in row["facts"]
    assert source.name in row["facts"]
    entry = LogEntry.objects.get(object_id=str(hold))
    assert "7.77 USD" in root.get(change_page(entry)).content.decode()


def test_any_words_find_an_entry_and_all_must_be_there(root: Client, author: User) -> None:
    merchant, reason = Merchant.objects.get(id=new_merchant().id), unique("court order")
    keep_change(merchant, "Frozen with 100.00 USD available", reason, user_id=author.pk)
    for words in (
        reason.upper(),
        author.username,
        author.name,
        merchant.name,
        str(merchant.pk),
        f"100.00 {reason}",
        f"{author.username} frozen",
    ):
        assert reason in [row["done_and_why"].split(": ")[-1] for row in exported(root, q=words)], words
    assert exported(root, q=f"{reason} unicorn") == []
    assert exported(root, q=f"{reason} 2001-02-03") == []


def test_filters_narrow_the_list_and_the_export_alike(root: Client, author: User) -> None:
    merchant, reason = Merchant.objects.get(id=new_merchant().id), unique("filtered")
    keep_change(merchant, "Frozen", reason, user_id=author.pk)
    keep_change(Transfer.objects.get(id=new_transfer()[2]), "Reversed", reason, user_id=author.pk)
    assert len(exported(root, q=reason)) == 2
    assert [row["id"] for row in exported(root, q=reason, about="merchants.merchant")] == [str(merchant.pk)]
    assert len(exported(root, who=author.username)) == 2
    today = timezone.now().date()
    assert len(exported(root, q=reason, **{"from": today, "to": today})) == 2
    assert exported(root, q=reason, to=today - timedelta(days=1)) == []
    page = shown(root, q=reason, about="merchants.merchant")
    assert page.count(f": {reason}") == 1
    assert "export.csv?" in page
    assert "about=merchants.merchant" in page.split("export.csv?")[1].split('"')[0]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"who": "nobody at all"}, "“nobody at all” did nothing that is in the log."),
        ({"about": "shop.item"}, "Nothing in the log is about “shop.item”."),
        ({"from": "yesterday"}, "“yesterday” is no day."),
    ],
)
def test_a_wrong_filter_says_so_and_shows_nothing(root: Client, author: User, query: dict[str, str], words: str) -> None:
    keep_change(Merchant.objects.get(id=new_merchant().id), "Frozen", unique("shown"), user_id=author.pk)
    page = shown(root, **query)
    assert words in page
    assert "field-message" not in page


def test_the_export_has_no_formulas_and_whole_links(root: Client, author: User) -> None:
    merchant, reason = Merchant.objects.get(id=new_merchant().id), unique("x")
    LogEntry.objects.log_actions(author.pk, [merchant], 2, change_message=f"=HYPERLINK(1) {reason}", single_object=True)
    (row,) = exported(root, q=reason)
    assert row["done_and_why"].startswith("'=")
    assert row["link"] == f"http://testserver{change_page(merchant)}"
    assert datetime.fromisoformat(row["when_utc"])


def test_who_may_not_see_a_transfer_reads_the_entry_without_its_facts_and_link(author: User) -> None:
    reader = User.objects.create_user(unique("auditor"), is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename="view_logentry"))
    client, reason = Client(), unique("private")
    client.force_login(reader)
    source, _, made = new_transfer(1234)
    keep_change(Transfer.objects.get(id=made), "Reversed", reason, user_id=author.pk)
    page = shown(client, q=reason)
    assert reason in page
    assert source.name not in page
    assert change_page(Transfer.objects.get(id=made)) not in page
    nobody = Client()
    nobody.force_login(User.objects.create_user(unique("nobody"), is_staff=True))
    assert nobody.get(reverse("admin:admin_logentry_export_csv")).status_code == 403


def test_the_objects_of_a_page_cost_one_query_for_each_kind(root: Client, author: User) -> None:
    reason = unique("many")
    for _ in range(3):
        keep_change(Transfer.objects.get(id=new_transfer()[2]), "Reversed", reason, user_id=author.pk)
    shown(root, q=reason)
    with CaptureQueriesContext(connection) as asked:
        shown(root, q=reason)
    assert sum('FROM "transfers_transfer"' in query["sql"] for query in asked) == 1


def test_an_entry_about_something_that_is_gone_or_of_a_strange_id_is_still_shown(root: Client, author: User) -> None:
    reason = unique("gone")
    kind = ContentType.objects.get_for_model(Merchant)
    for object_id in (str(new_id()), "not an id"):
        LogEntry.objects.create(
            user=author, content_type=kind, object_id=object_id, object_repr="gone", action_flag=2, change_message=reason
        )
    LogEntry.objects.create(user=author, content_type=None, object_id=None, object_repr="nothing", action_flag=2, change_message=reason)
    assert len(exported(root, q=reason)) == 3
    assert shown(root, q=reason).count(reason) >= 3


def test_the_list_is_called_the_log(root: Client) -> None:
    page = shown(root)
    assert re.search(r">\s*Log\s*</(span|a)>", page.split("<main")[0] if "<main" in page else page)
    assert "Log entries" not in page
