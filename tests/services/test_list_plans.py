"""Every list reads from an index, and about as many rows as it shows, at 100,000 rows.

The rows live in a transaction that is rolled back, so the ledger of the other tests stays small.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection, transaction
from django.db.models import F
from django.test import RequestFactory

from console.merchant_panels import balances_panel, movements_panel
from console.pages import history_panel
from events.domain.types import parse_types
from events.models import Webhook
from events.selectors.feed import FeedRequest
from fees.admin.in_force import fees_panel
from fees.models import FeeSchedule
from ledger_project.database.prepared import numbered
from ledger_project.database.reading_pages import PAGES
from ledger_project.kernel.actors import ANONYMOUS, Actor
from ledger_project.kernel.money import CurrencyUnit
from merchants.admin.balance_chart import chart_panel
from merchants.admin.sections import sections
from merchants.admin.status_record import status_since
from merchants.domain import MerchantIdentity, WalletIdentity
from merchants.models import Account, Merchant
from people.models import ApiKey, Membership, User
from transfers.domain.reversals import OriginalPhase
from transfers.models import Hold, Transfer
from transfers.selectors import TransferFilters, get_account_now, get_balances_now, get_transfer_now, holds, merchant_lists, transfer_lists
from transfers.selectors.balances import balance_at, last_balance
from transfers.selectors.holds import due_holds
from transfers.selectors.list_rows import (
    FeeSide,
    Period,
    RowFilters,
    TransferRowFilters,
    holds_of_list,
    refunded_fee,
    reversed_amount,
    transfers_of_list,
)
from transfers.selectors.merchant_money import money_of_merchants, with_money
from transfers.selectors.searches import LOOKED_AT, Wanted, refusals_of_request, search_recent, transfers_of_request
from transfers.selectors.statements import StatementRequest, get_period, has_long_amounts, page_statement, period_lines

BIG = {
    "transfers_transfer",
    "transfers_externalreference",
    "transfers_ledgerentry",
    "transfers_hold",
    "merchants_merchant",
    "merchants_account",
}
LIMIT = 51
START = datetime(2032, 1, 1, tzinfo=UTC)


class RolledBack(Exception):
    """Ends the transaction of the module."""


def v7(kind: int, n: int) -> UUID:
    """The ids of many_rows.sql."""
    return UUID(f"{1956528000000 + n:012x}7000800{kind}{n:012x}")


def v7_of_busy(kind: int, n: int) -> UUID:
    """The ids of the even transfers and holds of many_rows.sql, which BUSY pays."""
    return UUID(f"{1956528000000 + n:012x}7000800{kind}{n << 10 | 1:012x}")


BUSY, QUIET, MIDDLE = v7(1, 1), v7(1, 500), v7_of_busy(4, 50_000)


@pytest.fixture(scope="module", autouse=True)
def many_rows(ledger: None) -> Iterator[None]:
    """100,000 of everything, for this module only."""
    with pytest.raises(RolledBack), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute((Path(__file__).parent.parent / "support" / "many_rows.sql").read_text())
        yield
        raise RolledBack


def explained(read: Callable[[], object]) -> list[dict[str, Any]]:
    """Run a selector and return the executed plan of each of its queries."""
    plans: list[dict[str, Any]] = []

    def explain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql, params, many, context)
        raw = context["cursor"].fetchone()[0]
        plans.append((json.loads(raw) if isinstance(raw, str) else raw)[0]["Plan"])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        read()
    assert plans
    return plans


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def rows_read(node: dict[str, Any]) -> float:
    """Rows that a scan has touched, shown or not."""
    if "Relation Name" not in node and "Index Name" not in node:
        return 0
    dropped = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float((node["Actual Rows"] + dropped) * node["Actual Loops"])


def explained_page(statement: tuple[str, list[object]]) -> dict[str, Any]:
    """Return the executed plan of a page as the service reads it: prepared, planned for all values, with the settings of its session."""
    text, parameters = statement
    values = ", ".join("NULL" if value is None else "'" + str(value).replace("'", "''") + "'" for value in parameters)
    with connection.cursor() as cursor:
        for name, value in PAGES.items():
            cursor.execute(f"SET {name} = {value}")
        cursor.execute(f"PREPARE page AS {numbered(text).decode()}")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE page {f'({values})' if values else ''}")
        raw = cursor.fetchone()[0]
        cursor.execute("DEALLOCATE page")
        for name in PAGES:
            cursor.execute(f"RESET {name}")
    plan: dict[str, Any] = (json.loads(raw) if isinstance(raw, str) else raw)[0]["Plan"]
    return plan


def assert_page_from_index(statement: tuple[str, list[object]], *, at_most: int) -> None:
    assert_plans_from_index([explained_page(statement)], at_most=at_most)


def assert_from_index(read: Callable[[], object], *, at_most: int) -> None:
    assert_plans_from_index(explained(read), at_most=at_most)


def assert_plans_from_index(plans: list[dict[str, Any]], *, at_most: int) -> None:
    for plan in plans:
        found = list(nodes(plan))
        scans = [node for node in found if node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG]
        assert not scans, json.dumps(plan, indent=1)
        touched = sum(map(rows_read, found))
        assert touched <= at_most, f"{touched} rows read\n{json.dumps(plan, indent=1)}"


FILTERS = {
    "nothing": TransferFilters(),
    "from": TransferFilters(from_merchant=BUSY),
    "from, quiet": TransferFilters(from_merchant=QUIET),
    "to": TransferFilters(to_merchant=QUIET),
    "to, busy": TransferFilters(to_merchant=BUSY),
    "currency": TransferFilters(currency="EUR"),
    "currency without transfers": TransferFilters(currency="FJD"),
    "kind": TransferFilters(kind="withdrawal"),
    "kind, usual": TransferFilters(kind="transfer"),
    "external reference": TransferFilters(external_reference="plan-ref-70"),
    "external reference and from": TransferFilters(external_reference="plan-ref-70", from_merchant=BUSY),
    "from and currency": TransferFilters(from_merchant=BUSY, currency="EUR"),
    "from and currency without transfers": TransferFilters(from_merchant=BUSY, currency="FJD"),
    "from and time": TransferFilters(from_merchant=BUSY, created_from=START, created_to=START + timedelta(seconds=1)),
    "time": TransferFilters(created_from=START + timedelta(seconds=50), created_to=START + timedelta(seconds=60)),
    "time and currency": TransferFilters(created_to=START + timedelta(seconds=60), currency="EUR"),
    "merchant": TransferFilters(parties=(BUSY,)),
    "merchant, quiet": TransferFilters(parties=(QUIET,)),
    "merchant and currency": TransferFilters(parties=(BUSY,), currency="EUR"),
    "merchant and currency without transfers": TransferFilters(parties=(BUSY,), currency="FJD"),
    "merchant and time": TransferFilters(parties=(BUSY,), created_from=START, created_to=START + timedelta(seconds=1)),
    "merchant and reference": TransferFilters(parties=(BUSY,), external_reference="plan-ref-70"),
    "account": TransferFilters(account=v7(2, 1)),
    "account, of nobody": TransferFilters(account=v7(9, 1)),
    "account and currency": TransferFilters(account=v7(2, 1), currency="EUR"),
    "account and another currency": TransferFilters(account=v7(2, 1), currency="FJD"),
    "account and time": TransferFilters(account=v7(2, 1), created_from=START, created_to=START + timedelta(seconds=1)),
    "account and its merchant": TransferFilters(account=v7(2, 1), parties=(BUSY,)),
    "account and from": TransferFilters(account=v7(2, 1), from_merchant=BUSY),
    "time and kind": TransferFilters(created_to=START + timedelta(seconds=60), kind="withdrawal"),
}


@pytest.mark.parametrize("before", [None, MIDDLE], ids=["first page", "middle page"])
@pytest.mark.parametrize("name", FILTERS)
def test_transfers_are_listed_from_an_index(name: str, before: UUID | None) -> None:
    # A page, each of its accounts and merchants, and as much again where two accounts of a merchant are merged.
    assert_page_from_index(transfer_lists.page_statement(FILTERS[name], before=before, limit=LIMIT), at_most=12 * LIMIT)


@pytest.mark.parametrize(
    "filters",
    [
        TransferFilters(from_merchant=BUSY, to_merchant=QUIET),
        TransferFilters(from_merchant=QUIET, to_merchant=BUSY),
        TransferFilters(parties=(QUIET, BUSY)),
        TransferFilters(account=v7(2, 1), parties=(QUIET,)),
    ],
    ids=["busy to quiet", "quiet to busy", "quiet and busy", "an account of busy and quiet"],
)
def test_transfers_between_two_are_listed_from_an_index_of_one_of_them(filters: TransferFilters) -> None:
    assert_page_from_index(transfer_lists.page_statement(filters, before=None, limit=LIMIT), at_most=60_000)


@pytest.mark.parametrize("before", [None, v7_of_busy(5, 50_000)], ids=["first page", "middle page"])
@pytest.mark.parametrize("status", [None, "open", "captured", "voided", "expired"])
@pytest.mark.parametrize("merchant_id", [None, BUSY, QUIET], ids=["everybody", "busy", "quiet"])
def test_holds_are_listed_from_an_index(merchant_id: UUID | None, status: str | None, before: UUID | None) -> None:
    # Open holds are few among all that ever were, so reading every one of them is right too: 200 here, and what other tests left.
    open_holds = Hold.objects.filter(status="open").count()
    at_most = 12 * LIMIT + (2 * open_holds if status in {"open", "expired"} else 0)
    assert_page_from_index(holds.page_statement(merchant_id=merchant_id, status=status, before=before, limit=LIMIT), at_most=at_most)


def test_holds_that_are_due_are_found_by_their_time() -> None:
    # A bitmap counts a row twice.
    assert_from_index(lambda: due_holds(limit=20), at_most=2 * Hold.objects.filter(status="open").count())


@pytest.mark.parametrize("before", [None, v7(1, 50_000)], ids=["first page", "middle page"])
@pytest.mark.parametrize("status", [None, "active", "frozen", "closed"])
def test_merchants_are_listed_from_an_index(status: str | None, before: UUID | None) -> None:
    assert_page_from_index(merchant_lists.page_statement(search=None, status=status, before=before, limit=LIMIT), at_most=10 * LIMIT)


def found_merchants(search: str, status: str | None = None, before: UUID | None = None) -> set[str]:
    """Return the names on a page of a search, which is planned for its text."""
    with connection.cursor() as cursor:
        cursor.execute(*merchant_lists.page_statement(search=search, status=status, before=before, limit=LIMIT))
        return {row[1] for row in cursor.fetchall()}


@pytest.mark.parametrize("before", [None, v7(1, 50_000)], ids=["first page", "middle page"])
@pytest.mark.parametrize("status", [None, "active", "frozen", "closed"])
@pytest.mark.parametrize("search", ["plan", "md5-of-nothing", "c4ca4238", "q", "zz"])
def test_merchants_are_searched_by_an_index(search: str, status: str | None, before: UUID | None) -> None:
    # 100,000 names with "plan": among the 20 frozen ones that is all of these; a piece that is rare is found by the index of pieces.
    assert_from_index(lambda: found_merchants(search, status, before), at_most=10 * LIMIT)


def test_a_part_of_a_name_finds_exactly_those_that_have_it() -> None:
    wanted = {m.name for m in Merchant.objects.filter(name__icontains="C4CA4238")}
    assert found_merchants("C4CA4238") == wanted != set()
    assert found_merchants("100%") == set()


@pytest.mark.parametrize("at", [None, START + timedelta(seconds=40)], ids=["now", "as of"])
def test_a_balance_is_one_look_up_an_account_however_long_it_is(at: datetime | None) -> None:
    assert_from_index(lambda: get_balances_now(BUSY, currency=None, at=at), at_most=10)


def test_one_account_and_one_transfer_are_look_ups() -> None:
    assert_from_index(lambda: get_account_now(v7(2, 1)), at_most=10)
    get_transfer_now(MIDDLE)  # its currency is read once and remembered
    assert_from_index(lambda: get_transfer_now(MIDDLE), at_most=12)


@pytest.mark.parametrize("merchant_id", [BUSY, QUIET], ids=["busy", "quiet"])
def test_the_page_of_a_merchant_is_look_ups(merchant_id: UUID) -> None:
    merchant = Merchant.objects.get(id=merchant_id)
    request = RequestFactory().get("/", {"days": "365"})
    request.user = User(is_superuser=True, is_active=True)
    currencies = ["EUR", "USD"]

    def read() -> None:
        assert len(sections(request, merchant)[0].rows) == 10
        assert movements_panel(merchant).rows
        assert chart_panel(request, merchant, currencies)
        assert fees_panel(merchant, currencies).rows
        status_since(merchant)
        history_panel(merchant)
        balances_panel(merchant)

    # The chart reads its 61 balances; each section as many rows as it shows, of each account and side.
    # The tables of keys, people, webhooks, fees and the log are small here, and read as a whole: what other tests left.
    left = sum(model.objects.count() for model in (LogEntry, ApiKey, Membership, Webhook, FeeSchedule))
    assert_from_index(read, at_most=2_000 + 3 * left)


@pytest.mark.parametrize("before", [None, 24_000, 52], ids=["first page", "middle page", "last page"])
@pytest.mark.parametrize("start", [None, START + timedelta(seconds=1)], ids=["whole", "period"])
def test_a_page_of_a_statement_costs_the_same_wherever_it_is(start: datetime | None, before: int | None) -> None:
    account = Account.objects.select_related("merchant").get(id=v7(2, 1))
    assert account.merchant.id == BUSY
    end = None if start is None else START + timedelta(seconds=99)

    def read() -> None:
        period = get_period(account, start=start, end=end)
        assert period.until > 47_000
        period_lines(period, before=before, limit=LIMIT)

    assert_from_index(read, at_most=8 * LIMIT)


@pytest.mark.parametrize("before", [None, 24_000, 52], ids=["first page", "middle page", "last page"])
@pytest.mark.parametrize("until", [None, 47_000], ids=["from now", "from a cursor"])
@pytest.mark.parametrize("end", [None, START + timedelta(seconds=99)], ids=["until now", "until a moment"])
@pytest.mark.parametrize("start", [None, START + timedelta(seconds=1)], ids=["from the first", "from a moment"])
def test_a_statement_of_the_api_is_one_walk(start: datetime | None, end: datetime | None, until: int | None, before: int | None) -> None:
    wallet = WalletIdentity(v7(2, 1), MerchantIdentity(BUSY, "busy"), CurrencyUnit("USD", 2))
    wanted = StatementRequest(wallet, start, end, before, until, LIMIT)
    # A line and its transfer, and the entries at the ends of the period.
    assert_page_from_index(page_statement(wanted), at_most=4 * LIMIT)


def test_whether_a_statement_fits_the_formats_of_banks_is_known_without_reading_the_account() -> None:
    account = Account.objects.select_related("merchant").get(id=v7(2, 1))

    def read() -> None:
        period = get_period(account, start=None, end=None)
        assert period.until > 47_000
        assert not has_long_amounts(period)

    assert_from_index(read, at_most=2)


# --- lists of operators ---------------------------------------------------------------------------------------------------------

REACHED = 10_000
SECOND = Period(START, START + timedelta(seconds=1))
OPERATORS_FILTERS = {
    "nothing": TransferRowFilters(),
    "currency": TransferRowFilters(currency="EUR"),
    "kind": TransferRowFilters(kinds=["withdrawal"]),
    "several kinds": TransferRowFilters(kinds=["withdrawal", "transfer", "deposit"]),
    "time": TransferRowFilters(period=SECOND),
    "merchant": TransferRowFilters(merchant_id=BUSY),
    "merchant, quiet": TransferRowFilters(merchant_id=QUIET),
    "merchant and kind": TransferRowFilters(merchant_id=BUSY, kinds=["withdrawal"]),
    "merchant, currency, time": TransferRowFilters(merchant_id=BUSY, currency="EUR", period=SECOND),
    "amount": TransferRowFilters(currency="USD", low_minor=10**9),
    "amount and kind": TransferRowFilters(currency="USD", low_minor=10**9, kinds=["withdrawal"]),
    "amount and merchant": TransferRowFilters(merchant_id=BUSY, currency="USD", low_minor=10**9),
    "reversed": TransferRowFilters(phase=OriginalPhase.FULLY_REVERSED),
    "not reversed": TransferRowFilters(phase=OriginalPhase.UNREVERSED),
    "fees": TransferRowFilters(currency="USD", fees=FeeSide.EITHER, period=SECOND),
}


@pytest.mark.parametrize("name", OPERATORS_FILTERS)
def test_an_operators_list_of_transfers_is_read_from_an_index(name: str) -> None:
    def read() -> None:
        found, _ = transfers_of_list(Transfer.objects.order_by("-id"), OPERATORS_FILTERS[name], depth=REACHED)
        list(
            found.annotate(reversed_minor=reversed_amount(), refunded_minor=refunded_fee()).select_related(
                "source__merchant", "target__merchant", "currency"
            )[:50]
        )
        found[:REACHED].count()

    # What no index has is compared in the newest 50,000 rows, twice: for the page, and for the number of rows.
    assert_from_index(read, at_most=4 * LOOKED_AT + 12 * LIMIT)


@pytest.mark.parametrize("status", [None, "open", "captured"])
@pytest.mark.parametrize("merchant_id", [None, BUSY, QUIET], ids=["everybody", "busy", "quiet"])
@pytest.mark.parametrize("low_minor", [None, 10**9], ids=["any amount", "amount"])
def test_an_operators_list_of_holds_is_read_from_an_index(merchant_id: UUID | None, status: str | None, low_minor: int | None) -> None:
    def read() -> None:
        wanted = RowFilters(merchant_id=merchant_id, currency="USD", low_minor=low_minor)
        found, _ = holds_of_list(Hold.objects.order_by("-id"), wanted, status, depth=REACHED)
        list(found.select_related("source_merchant", "target_merchant", "currency")[:50])
        found[:REACHED].count()

    assert_from_index(read, at_most=4 * LOOKED_AT + 12 * LIMIT)


def test_lists_of_accounts_and_merchants_look_balances_up() -> None:
    wallets = Account.objects.filter(kind="wallet").order_by("-id")
    moment = START + timedelta(seconds=40)

    def read() -> None:
        list(wallets.annotate(balance_minor=last_balance(F("pk")))[:50])
        list(wallets.annotate(balance_minor=balance_at(F("pk"), moment))[:50])
        wallets[:REACHED].count()
        merchants, is_cut = with_money(Merchant.objects.order_by("-id"), "USD")
        assert is_cut
        money_of_merchants([BUSY, QUIET, *(merchant.pk for merchant in merchants[:50])], currency=None)

    # Two look-ups for each merchant that is looked at, and each counts for its index and its row.
    assert_from_index(read, at_most=4 * 20_000 + REACHED)


# --- the feed -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def settled() -> Iterator[None]:
    """The rows of this module are of 2032: the mark goes beyond them for a test."""
    with pytest.raises(RolledBack), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("UPDATE transfers_feedmark SET id = id + 1, settled_until = '2033-01-01', candidate_until = '2033-01-01'")
        yield
        raise RolledBack


FEEDS: dict[str, dict[str, Any]] = {
    "everything": {},
    "usual types": {"types": parse_types("transfer.posted,merchant.*")},
    "rare types": {"types": parse_types("withdrawal.posted,deposit.posted")},
    "types of rows": {"types": parse_types("merchant.*,account.*")},
    "busy": {"merchant_id": BUSY},
    "quiet": {"merchant_id": QUIET},
    "busy, usual types": {"merchant_id": BUSY, "types": parse_types("transfer.posted")},
    "account": {"account_id": v7(2, 1)},
    "account and merchant": {"account_id": v7(2, 1), "merchant_id": BUSY},
    "account of somebody else": {"account_id": v7(2, 1), "merchant_id": QUIET},
}


@pytest.mark.parametrize("after", [v7(4, 0), MIDDLE], ids=["from the first", "from the middle"])
@pytest.mark.parametrize("of_merchant", [False, True], ids=["platform", "merchant"])
@pytest.mark.parametrize("name", FEEDS)
def test_a_page_of_the_feed_is_a_walk_and_look_ups(name: str, of_merchant: bool, after: UUID, settled: None) -> None:
    filters = FEEDS[name]
    viewer = Actor("key:x", filters["merchant_id"]) if of_merchant and "merchant_id" in filters else ANONYMOUS
    plan = explained_page(FeedRequest(viewer, after, LIMIT, **filters).statement())
    # Each event with its entries, and their predecessors; the end of each account's search by time.
    assert_plans_from_index([plan], at_most=16 * LIMIT)
    assert plan["Actual Rows"] in ({1} if name in {"types of rows", "account of somebody else"} else {LIMIT, LIMIT - 1})


@pytest.mark.parametrize("before", [None, MIDDLE], ids=["newest", "from the middle"])
def test_a_search_without_an_index_reads_a_bounded_part_of_the_journal(before: UUID | None) -> None:
    wanted = Wanted("no such memo", {"USD": 987_654, "EUR": 987_654}, "abcdefab")
    # The rows that are searched, and the place of the last one; each found one with its parties.
    assert_from_index(lambda: search_recent(wanted, before=before, limit=10), at_most=2 * LOOKED_AT + 100)


def test_a_request_is_looked_for_around_its_time() -> None:
    request_id = str(v7(6, 50_000))
    assert_from_index(lambda: transfers_of_request(request_id, limit=10), at_most=LOOKED_AT)
    assert_from_index(lambda: refusals_of_request(request_id, limit=10), at_most=LOOKED_AT)
