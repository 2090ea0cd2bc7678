"""Each number of the dashboard leads to exactly the rows that it counts, with its currency and its period."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from ledger_project.database.fields import new_id
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import TREASURY, MerchantIdentity
from merchants.selectors import identify_now
from people.models import User
from tests.services.test_admin import post
from tests.services.test_admin_lists import content_of
from tests.services.test_admin_refusals import refused
from tests.services.test_rollups import settle
from tests.support.factories import unique
from transfers.domain.commands import (
    CaptureHold,
    Deposit,
    Details,
    PlaceHold,
    RegisterMerchant,
    ReverseTransfer,
    TransferFunds,
    VoidHold,
    Withdraw,
)
from transfers.selectors import find_hold_terms, find_original_now

PHP = CurrencyUnit("PHP", 2)
INDEX = reverse("admin:index")


@pytest.fixture
def root() -> Iterator[Client]:
    client = Client()
    client.force_login(User.objects.create_superuser(unique("root")))
    return client


@pytest.fixture
def everything() -> tuple[MerchantIdentity, MerchantIdentity]:
    """Something of every kind happened in a currency, and something in another one."""
    source, target = (MerchantIdentity(new_id(), unique("dash")) for _ in range(2))
    for merchant in (source, target):
        post(RegisterMerchant(merchant, {}, PHP, 100_000, Details()))
    treasury = identify_now(names=[TREASURY]).merchant(TREASURY)
    assert treasury is not None
    post(Deposit(treasury, PHP, 3_333, Details()))
    post(Deposit(source, PHP, 777, Details()))
    post(Deposit(source, CurrencyUnit("SEK", 2), 555, Details()))
    post(Withdraw(target, PHP, 50, Details()))
    made = post(TransferFunds(source, target, PHP, 11_250, Details()))
    assert made is not None
    original = find_original_now(made)
    assert original is not None
    post(ReverseTransfer(original, 1_500, True, treasury, Details()))
    for ending in ("capture", "void", ""):
        hold = new_id(place=source.id)
        post(PlaceHold(hold, source, target, PHP, 2_000, 600, Details()))
        terms = find_hold_terms(hold)
        assert terms is not None
        if ending:
            post(CaptureHold(terms, 1_000, Details()) if ending == "capture" else VoidHold(terms, Details()))
    refused(TransferFunds(target, source, PHP, 10**9, Details()))
    settle()
    return source, target


def number(text: str) -> Decimal:
    """Return the first number of a text."""
    found = re.search(r"-?[0-9][0-9,]*(\.[0-9]+)?", text)
    assert found is not None, text
    return Decimal(found[0].replace(",", ""))


def rows_at(client: Client, address: str) -> list[dict[str, str]]:
    """Return the rows of the list that a link opens, as its file has them. The list opens, and nothing of it is wrong."""
    opened = client.get(address)
    assert opened.status_code == 200
    assert b"ledger-problem" not in opened.content
    page = urlsplit(address)
    name = "account_export" if "/change/" in page.path else None
    file = f"{page.path.removesuffix('change/')}export.csv?{page.query}"
    rows = list(csv.DictReader(StringIO(content_of(client.get(file)).decode())))
    return rows[1:-1] if name else rows  # a statement begins and ends with its balances


def total(rows: list[dict[str, str]], *columns: str) -> Decimal:
    return sum((Decimal(row[column]) for row in rows for column in columns), Decimal())


def shown_by(client: Client, **query: object) -> Any:
    answer = client.get(INDEX, {"currency": "PHP", **query})
    assert answer.status_code == 200
    return answer


PERIODS = ({}, {"from": "2001-01-01", "to": "2001-01-31"})


@pytest.mark.parametrize("period", PERIODS, ids=["until today", "long ago"])
def test_the_cards_lead_to_what_they_count(root: Client, everything: object, period: dict[str, str]) -> None:
    answer = shown_by(root, **period)
    cards = {card.title: card for card in answer.context["cards"]}
    page = answer.content.decode().replace("&amp;", "&")

    def follow(title: str, note: int | None = None) -> tuple[Decimal, list[dict[str, str]]]:
        card = cards[title]
        text, url = (card.exact or card.figure, card.url) if note is None else (card.note[note].text, card.note[note].url)
        assert f'href="{url}"' in page
        return number(text), rows_at(root, url)

    for note, kinds in ((None, {"wallet", "held"}), (0, {"wallet"}), (1, {"held"})):
        value, accounts = follow("Value held by merchants", note)
        assert value == total(accounts, "balance")
        assert {row["kind"] for row in accounts} == kinds
        assert {row["currency"] for row in accounts} == {"PHP"}
        assert TREASURY not in {row["merchant"] for row in accounts}
    income, both = follow("Fee income")
    assert income == total(both, "fee") - total(both, "fee_given_back")
    charged, charging = follow("Fee income", 0)
    assert charged == total(charging, "fee")
    refunded, refunding = follow("Fee income", 1)
    assert refunded == total(refunding, "fee_given_back")
    assert {row["id"] for row in both} == {row["id"] for row in [*charging, *refunding]}
    movements, moved = follow("Movements")
    assert movements == len(moved)
    volume, moved = follow("Movements", 0)
    assert volume == total(moved, "amount")
    refusals, refused_rows = follow("Refused postings")
    assert refusals == len(refused_rows)
    holds, opened = follow("Open holds")
    reserved, _ = follow("Open holds", 0)
    assert (holds, reserved) == (len(opened), total(opened, "reserved"))
    if not period:
        assert min(value, income, charged, refunded, movements, refusals, holds) > 0


def test_the_bars_lead_to_what_they_count(root: Client, everything: object) -> None:
    answer = shown_by(root)
    page = answer.content.decode().replace("&amp;", "&")
    assert len(answer.context["kind_bars"]) >= 7
    for bar in answer.context["kind_bars"]:
        rows = rows_at(root, bar.url)
        assert f'href="{bar.url}"' in page
        assert [number(figure) for figure in bar.figures] == [len(rows), total(rows, "amount")], bar.label
        assert {row["kind"].replace("_", " ") for row in rows} == {bar.label}
    assert answer.context["refusal_bars"]
    for bar in answer.context["refusal_bars"]:
        assert number(bar.figures[0]) == len(rows_at(root, bar.url)), bar.label


def test_the_charts_lead_to_what_they_count(root: Client, everything: object) -> None:
    today = datetime.now(UTC).date()
    answer = shown_by(root, **{"from": today - timedelta(days=2), "to": today})
    movements, volume, income, value = answer.context["sparklines"]
    counted = (
        (movements, lambda rows: Decimal(len(rows))),
        (volume, lambda rows: total(rows, "amount")),
        (income, lambda rows: total(rows, "fee") - total(rows, "fee_given_back")),
    )
    for chart, count in counted:
        text, url = chart.figures[0]
        assert number(text) == count(rows_at(root, url)), chart.title
        for column in chart.columns:
            assert number(column.title.split(": ")[1]) == count(rows_at(root, column.url)), column.title
    for text, url in value.figures:
        if url:
            assert number(text) == total(rows_at(root, url), "balance")
    card = answer.context["cards"][0]
    assert card.exact == value.figures[-1][0], "the chart and the card count the same: there was nothing before"


def test_the_top_merchants_lead_to_their_entries(root: Client, everything: object) -> None:
    (panel,) = shown_by(root).context["panels"]
    assert len(panel.rows) >= 2
    for name, entries, sent, received in panel.rows:
        if entries.url is None:
            continue
        rows = rows_at(root, entries.url)
        amounts = [Decimal(row["amount"]) for row in rows]
        assert number(entries.text) == len(rows), name.text
        assert number(sent.text) == -sum(amount for amount in amounts if amount < 0)
        assert number(received.text) == sum(amount for amount in amounts if amount > 0)


def test_a_link_keeps_what_was_counted_when_more_comes(root: Client, everything: tuple[MerchantIdentity, MerchantIdentity]) -> None:
    cards = {card.title: card for card in shown_by(root).context["cards"]}
    source, target = everything
    post(TransferFunds(source, target, PHP, 100, Details()))
    post(Deposit(source, PHP, 12_345, Details()))
    assert number(cards["Movements"].figure) == len(rows_at(root, cards["Movements"].url))
    value = cards["Value held by merchants"]
    assert number(value.exact) == total(rows_at(root, value.url), "balance")
    assert "Only what was posted before" in root.get(cards["Movements"].url).content.decode()


def test_who_may_not_open_a_list_has_no_link_to_it(everything: object) -> None:
    user, client = User.objects.create_user(unique("staff"), is_staff=True), Client()
    user.user_permissions.set(Permission.objects.filter(codename="view_transfer"))
    client.force_login(user)
    page = shown_by(client).content.decode()
    content = page[page.index('class="ledger-dashboard"') :]
    assert {found.split("/")[3] for found in re.findall(r'href="(/admin/[^"]+)"', content)} == {"transfer"}


def test_every_address_of_the_dashboard_opens(root: Client, everything: object) -> None:
    page = shown_by(root).content.decode()
    content = page[page.index('class="ledger-dashboard"') :]
    addresses = {found.replace("&amp;", "&") for found in re.findall(r'href="(/admin/[^"]+)"', content)}
    assert len(addresses) > 20
    for address in addresses:
        query = parse_qs(urlsplit(address).query)
        assert root.get(address).status_code == 200, (address, query)
