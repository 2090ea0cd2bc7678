"""Balances as of a moment: exact to the microsecond, by look-ups in the primary key, whatever the clocks of workers say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import httpx
import pytest
from django.db import connection, transaction

from ledger_project.database.readers import in_reader
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import AccountKind, MerchantIdentity
from merchants.models import Account
from merchants.selectors import identify
from tests.api.test_statements import busy, statement
from tests.support.factories import key, merchant, transfer, wallet
from tests.support.servers import Service
from transfers.domain.commands import AccountKey, Deposit, Details
from transfers.domain.facts import Book
from transfers.domain.plan import Group, plan
from transfers.models import LedgerEntry
from transfers.posting.idempotency import Claims
from transfers.posting.pipeline import Session
from transfers.posting.reads import read_book
from transfers.posting.synchronous import post_now
from transfers.posting.writes import write_plan
from transfers.selectors.balances import BALANCES, BALANCES_AT

MICROSECOND = timedelta(microseconds=1)


async def balance(api: httpx.AsyncClient, name: str, at: datetime | str | None = None, currency: str = "USD") -> dict[str, Any]:
    params = {"currency": currency} | ({} if at is None else {"at": at if isinstance(at, str) else at.isoformat()})
    response = await api.get(f"/merchants/{name}/balance", params=params)
    assert response.status_code == 200, response.text
    (row,) = response.json()["balances"]
    row["as_of"] = response.json()["as_of"]
    found: dict[str, Any] = row
    return found


def entries_of(name: str) -> list[tuple[str, datetime, int]]:
    """Return kind, time and balance after each entry of a merchant's wallet and held account, in order of time."""
    found = LedgerEntry.objects.filter(account__merchant__name=name, account__kind__in=["wallet", "held"])
    return list(found.order_by("created_at", "sequence").values_list("account__kind", "created_at", "balance_after_minor"))


async def test_a_balance_is_exact_just_before_at_and_just_after_any_entry(api: httpx.AsyncClient) -> None:
    name, _, _ = await busy(api)
    entries = await in_reader(entries_of, name)
    moments = sorted({moment + step for _, moment, _ in entries for step in (-MICROSECOND, timedelta(0), MICROSECOND)})
    for moment in moments:
        expected = {"wallet": 0, "held": 0}
        for kind, at, after in entries:
            if at <= moment:
                expected[kind] = int(after)
        row = await balance(api, name, moment)
        assert (row["available_minor"], row["held_minor"]) == (expected["wallet"], expected["held"]), moment
        assert row["balance_minor"] == expected["wallet"] + expected["held"]


async def test_before_the_first_entry_there_was_nothing_and_long_after_there_is_what_there_is(api: httpx.AsyncClient) -> None:
    name, account, _ = await busy(api)
    early, late = await balance(api, name, "1970-01-01T00:00:00Z"), await balance(api, name, "9999-12-31T23:59:59.999999Z")
    assert (early["balance"], early["account_id"]) == ("0.00", account)
    now = await balance(api, name)
    assert {n: late[n] for n in ("balance", "available", "held")} == {n: now[n] for n in ("balance", "available", "held")}
    assert late["as_of"] == "9999-12-31T23:59:59.999999Z"


async def test_the_answer_says_as_of_when_and_asking_for_that_again_gives_the_same(api: httpx.AsyncClient) -> None:
    name, _, other = await busy(api)
    for _ in range(5):
        now = await balance(api, name)
        await transfer(api, name, other, 1)
        assert await balance(api, name, now["as_of"]) == now


async def test_digits_beyond_microseconds_are_cut(api: httpx.AsyncClient) -> None:
    name, _, _ = await busy(api)
    (_, moment, _), *_ = await in_reader(entries_of, name)
    assert (await balance(api, name, moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "999Z"))["available_minor"] == 10_000
    just_before = moment - MICROSECOND
    assert (await balance(api, name, just_before.strftime("%Y-%m-%dT%H:%M:%S.%f") + "999Z"))["available_minor"] == 0


async def test_a_currency_that_was_never_held_is_one_row_of_zero(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "5")
    row = await balance(api, name, "2026-01-01T00:00:00Z", "EUR")
    assert (row["account_id"], row["currency"], row["balance_minor"], row["held"]) == (None, "EUR", 0, "0.00")


async def test_without_a_currency_there_is_one_row_for_each_account(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "5")
    opened = await api.post(f"/merchants/{name}/accounts", json={"currency": "EUR"})
    response = await api.get(f"/merchants/{name}/balance", params={"at": opened.json()["created_at"]})
    assert [(row["currency"], row["available"]) for row in response.json()["balances"]] == [("EUR", "0.00"), ("USD", "5.00")]


@pytest.mark.parametrize("at", ["2026-01-01", "", "now", "2026-01-01T00:00:00", "0", "2026-02-30T00:00:00Z"])
async def test_a_moment_is_a_time_with_an_offset(api: httpx.AsyncClient, at: str) -> None:
    response = await api.get(f"/merchants/{await merchant(api, '1')}/balance", params={"at": at})
    assert (response.status_code, response.json()["code"]) == (422, "validation_error")


async def test_all_entries_of_one_posting_have_one_time(api: httpx.AsyncClient) -> None:
    """So no moment shows half of a transfer: neither the amount without its fee, nor one side without the other."""
    name, other = await merchant(api, "100"), await merchant(api, "0")
    made = (await transfer(api, name, other, 1000)).json()
    shown = (await api.get(f"/transfers/{made['id']}")).json()
    assert {entry["created_at"] for entry in shown["entries"]} == {made["created_at"]}
    moment = datetime.fromisoformat(made["created_at"])
    before = [(await balance(api, who, moment - MICROSECOND))["available_minor"] for who in (name, other)]
    after = [(await balance(api, who, moment))["available_minor"] for who in (name, other)]
    assert (before, after) == ([10_000, 0], [8990, 1000])


# --- look-ups in the primary key --------------------------------------------------------------------------------------------


async def long_account(api: httpx.AsyncClient, lines: int) -> tuple[str, UUID]:
    name = await merchant(api, "0", "JPY")
    found = (await identify(names=[name])).merchant(name)
    assert found is not None
    for _ in range(lines // 1000):
        await in_reader(post_now, [Deposit(found, CurrencyUnit("JPY", 0), 1, Details())] * 1000)
    return name, found.id


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


def explain(merchant_id: UUID, at: datetime | None) -> list[dict[str, Any]]:
    """Return what reading a merchant's balances did to the journal, measured."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE transfers_ledgerentry")
        if at is None:
            asked, parameters = BALANCES.statement, BALANCES.bind([(merchant_id, "JPY")])
        else:
            asked, parameters = BALANCES_AT.statement, BALANCES_AT.bind([(merchant_id, "JPY", at)])
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {asked}", parameters)
        (found,) = cursor.fetchone()
    plan = found if isinstance(found, list) else json.loads(found)
    return [node for node in _nodes(plan[0]["Plan"]) if node.get("Relation Name") == "transfers_ledgerentry"]


@pytest.mark.parametrize("where", ["now", "middle", "before", "after"])
async def test_a_balance_is_read_from_one_entry_however_long_the_account(api: httpx.AsyncClient, where: str) -> None:
    name, merchant_id = await long_account(api, 5000)
    entries = await in_reader(entries_of, name)
    at = {"now": None, "middle": entries[2500][1], "before": entries[0][1] - MICROSECOND, "after": entries[-1][1] + MICROSECOND}[where]
    nodes = await in_reader(explain, merchant_id, at)
    assert nodes
    for node in nodes:
        assert (node["Node Type"], node["Index Name"]) == ("Index Scan", "transfers_ledgerentry_pkey")
        assert node["Actual Rows"] <= 1
        assert node.get("Rows Removed by Filter", 0) == 0
        assert "account_id" in node["Index Cond"]
        assert at is None or "sequence" in node["Index Cond"]


# --- time along an account --------------------------------------------------------------------------------------------------

SKEW = """
import datetime, os, time
_shift = float(os.environ["CLOCK_SKEW_S"])
_time, _real = time.time, datetime.datetime
time.time = lambda: _time() + _shift
time.time_ns = lambda: int((_time() + _shift) * 1e9)
class _Meta(type):
    def __instancecheck__(cls, other):
        return isinstance(other, _real)
    def __subclasscheck__(cls, other):
        return issubclass(other, _real)
class datetime_(_real, metaclass=_Meta):
    @classmethod
    def now(cls, tz=None):
        return _real.now(tz) + datetime.timedelta(seconds=_shift)
    @classmethod
    def utcnow(cls):
        return cls.now(datetime.timezone.utc).replace(tzinfo=None)
datetime.datetime = datetime_
"""


async def test_workers_with_skewed_clocks_agree_on_the_order_of_time(serve: Any, api: httpx.AsyncClient, tmp_path: Any) -> None:
    """One worker lives three seconds ago, the other in three seconds: entry times are the database's all the same."""
    (tmp_path / "sitecustomize.py").write_text(SKEW)
    name, other = await merchant(api, "1000"), await merchant(api, "1000")
    behind: Service = serve(env={"PYTHONPATH": str(tmp_path), "CLOCK_SKEW_S": "-3"})
    ahead: Service = serve(env={"PYTHONPATH": str(tmp_path), "CLOCK_SKEW_S": "3"})
    started = datetime.now(UTC)
    async with (
        httpx.AsyncClient(base_url=behind.base_url, timeout=30) as past,
        httpx.AsyncClient(base_url=ahead.base_url, timeout=30) as future,
    ):
        says = [parsedate_to_datetime((await client.get("/healthz")).headers["date"]) for client in (past, future)]
        assert says[1] - says[0] > timedelta(seconds=4), "the workers' clocks are skewed"
        for step in range(20):
            response = await transfer((past, future)[step % 2], *((name, other) if step % 3 else (other, name)), 100)
            assert response.status_code == 201
        for client in (past, future):
            as_of = datetime.fromisoformat((await balance(client, name))["as_of"])
            assert abs(as_of - datetime.now(UTC)) < timedelta(minutes=1)
            hold = {"from_merchant": name, "to_merchant": other, "currency": "USD", "amount": "1", "expires_in": 600}
            held = (await client.post("/holds", json=hold, headers=key())).json()
            expires = datetime.fromisoformat(held["expires_at"])
            assert timedelta(minutes=9) < expires - datetime.now(UTC) < timedelta(minutes=11)
            for reader in (past, future):
                assert (await reader.get(f"/holds/{held['id']}")).json()["status"] == "open"
            assert (await client.post(f"/holds/{held['id']}/capture", headers=key())).status_code == 201
    for who in (name, other):
        lines = (await statement(api, await wallet(api, who), limit=200))["items"][::-1]
        times = [datetime.fromisoformat(line["created_at"]) for line in lines]
        assert times == sorted(times)
        assert all(abs(moment - started) < timedelta(minutes=2) for moment in times)
        assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1))


async def test_a_worker_whose_clock_is_wrong_posts_nothing(serve: Any, api: httpx.AsyncClient, tmp_path: Any) -> None:
    """It cannot know whose clock is wrong, its own or the database's; it reads as ever."""
    (tmp_path / "sitecustomize.py").write_text(SKEW)
    name, other = await merchant(api, "1000"), await merchant(api, "1000")
    wrong: Service = serve(env={"PYTHONPATH": str(tmp_path), "CLOCK_SKEW_S": "3600"})
    async with httpx.AsyncClient(base_url=wrong.base_url, timeout=30) as client:
        response = await transfer(client, name, other, 100)
        assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
        assert (await balance(client, name))["available_minor"] == 100_000


async def test_a_clock_that_is_set_back_does_not_turn_an_account_around(api: httpx.AsyncClient) -> None:
    """The last entry is ahead (the database's clock was set back a little since): the next ones count on from there."""
    name, other = await merchant(api, "0"), await merchant(api, "100")
    account = await wallet(api, name)
    ahead = datetime.now(UTC) + timedelta(seconds=4)
    await in_reader(_deposit_at, account, name, ahead)
    for _ in range(3):
        assert (await transfer(api, other, name, 100)).status_code == 201
    lines = (await statement(api, account))["items"]
    times = [datetime.fromisoformat(line["created_at"]) for line in lines[::-1]]
    assert times[0] == ahead
    assert all(earlier < later for earlier, later in pairwise(times))
    assert [line["sequence"] for line in lines] == [4, 3, 2, 1]
    now = await balance(api, name)
    assert (now["available_minor"], datetime.fromisoformat(now["as_of"]) >= times[-1]) == (800, True)
    assert await balance(api, name, now["as_of"]) == now
    assert (await balance(api, name, ahead - MICROSECOND))["available_minor"] == 0


def _deposit_at(account_id: str, name: str, moment: datetime) -> None:
    """Post a deposit of 500 as it would be if the database's clock stood at that moment."""
    account = Account.objects.select_related("merchant").get(id=account_id)
    command = Deposit(MerchantIdentity(account.merchant_id, name), CurrencyUnit("USD", 2), 500, Details())
    with transaction.atomic():
        session = Session()
        book = read_book(session, [command], schedules=[], registered={}, claims=Claims(session))
        assert AccountKey(account.merchant_id.int, "USD", AccountKind.WALLET) in book.accounts
        planned = plan([Group([command])], Book(moment, book.entropy, book.accounts))
        with session.round_trip():
            write_plan(session, planned, now=moment, known_holds=())
