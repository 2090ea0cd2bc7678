"""The daily figures: always what the entries say, each transfer once, none missed, whatever runs or dies at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection, connections, transaction
from django.db.utils import Error as DatabaseFailure

from ledger_project.database.fields import new_id
from ledger_project.kernel.ids import first_uuid7_at
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import TREASURY, MerchantIdentity
from merchants.selectors import identify_now
from tests.support.factories import unique
from tests.support.waiting import until
from transfers.domain.commands import (
    CaptureHold,
    Command,
    Deposit,
    Details,
    PlaceHold,
    RegisterMerchant,
    ReverseTransfer,
    TransferFunds,
    VoidHold,
    Withdraw,
)
from transfers.figures import sql
from transfers.figures.differences import figure_differences
from transfers.figures.refresh import rebuild_figures, refresh_figures
from transfers.models import DailyActivity, DailyMerchant, DailyRefusals, DailyValue, FiguresMark
from transfers.posting import transaction as posting
from transfers.posting.jobs import Item, Job, Key
from transfers.posting.synchronous import bare, post_now
from transfers.selectors import find_hold_terms, find_original_now

CHF = CurrencyUnit("CHF", 2)
SEK = CurrencyUnit("SEK", 2)


def post(command: Command) -> UUID | None:
    (result,) = post_now([command])
    assert result.outcome is not None
    assert result.outcome.refusal is None, result.outcome.refusal
    return result.transfer_id


def new_merchant(currency: CurrencyUnit = CHF, opening: int = 100_000) -> MerchantIdentity:
    merchant = MerchantIdentity(new_id(), unique("roll"))
    post(RegisterMerchant(merchant, {}, currency, opening, Details()))
    return merchant


def settle() -> None:
    """Refresh until everything that is committed now is in the figures: background work of others may be under way."""
    wanted = datetime.now(UTC)
    until(lambda: _refreshed_until() > wanted, "the mark does not move")


def _refreshed_until() -> datetime:
    """Refresh, and return the moment up to which all is in the figures."""
    refresh_figures()
    return FiguresMark.objects.get().rolled_until


def activity(currency: CurrencyUnit, kind: str) -> tuple[int, int, int, int]:
    row = DailyActivity.objects.filter(currency=currency.code, kind=kind, day=datetime.now(UTC).date()).first()
    return (0, 0, 0, 0) if row is None else (row.transfers, int(row.volume_minor), int(row.fees_minor), int(row.fee_refunds_minor))


def gained(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(b - a for a, b in zip(before, after, strict=True))


def test_the_figures_are_what_the_entries_say() -> None:
    source, target = new_merchant(), new_merchant()
    settle()
    kinds = ("transfer", "deposit", "withdrawal", "hold", "hold_release", "capture", "reversal")
    before = {kind: activity(CHF, kind) for kind in kinds}
    made = post(TransferFunds(source, target, CHF, 1000, Details()))
    post(Deposit(source, CHF, 700, Details()))
    post(Withdraw(source, CHF, 300, Details()))
    captured, voided = new_id(place=source.id), new_id(place=source.id)
    for hold in (captured, voided):
        post(PlaceHold(hold, source, target, CHF, 2000, 600, Details()))
    terms = find_hold_terms(captured), find_hold_terms(voided)
    assert terms[0] is not None
    assert terms[1] is not None
    post(CaptureHold(terms[0], 1500, Details()))
    post(VoidHold(terms[1], Details()))
    original = find_original_now(made) if made else None
    assert original is not None
    post(ReverseTransfer(original, None, True, identify_now(names=[TREASURY]).merchant(TREASURY), Details()))
    settle()
    changes = {kind: gained(before[kind], activity(CHF, kind)) for kind in kinds}
    assert changes["transfer"] == (1, 1000, 10, 0)
    assert changes["deposit"] == (1, 700, 0, 0)
    assert changes["withdrawal"] == (1, 300, 0, 0)
    assert changes["capture"] == (1, 1500, 15, 0)
    assert changes["reversal"] == (1, 1000, 0, 10)
    assert changes["hold"][0] == 2
    mine = DailyMerchant.objects.get(currency="CHF", merchant_id=target.id, day=datetime.now(UTC).date())
    assert (int(mine.sent_minor), int(mine.received_minor)) == (1000, 100_000 + 1000 + 1500)
    assert figure_differences() == []


def test_the_value_of_all_accounts_of_a_currency_is_zero_in_sum_because_every_transfer_balances() -> None:
    source, target = new_merchant(SEK), new_merchant(SEK)
    post(TransferFunds(source, target, SEK, 1000, Details()))
    settle()
    values = DailyValue.objects.filter(currency="SEK").values_list("account_kind", "change_minor")
    assert sum(int(change) for _, change in values) == 0
    assert sum(int(change) for kind, change in values if kind == "wallet") > 0


def test_refreshing_again_changes_nothing() -> None:
    new_merchant()
    settle()
    before = activity(CHF, "opening")
    for _ in range(3):
        refresh_figures()
    assert activity(CHF, "opening") == before
    assert figure_differences() == []


def in_thread(function: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            function()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_transfer_that_is_decided_early_and_committed_late_is_not_missed() -> None:
    slow, other, quick = new_merchant(), new_merchant(), new_merchant()
    settle()
    before = activity(CHF, "transfer")
    posted, commit = threading.Event(), threading.Event()

    def post_and_dawdle() -> None:
        with transaction.atomic():
            posting.post([Job([Item(TransferFunds(slow, other, CHF, 111, Details()), bare)])], lock_wait_s=1)
            posted.set()
            assert commit.wait(60)

    thread = in_thread(post_and_dawdle)
    assert posted.wait(60)
    post(TransferFunds(quick, new_merchant(), CHF, 222, Details()))
    moment = datetime.now(UTC)
    for _ in range(3):
        refresh_figures()
    assert FiguresMark.objects.get().rolled_until < moment  # it waits for the slow one
    commit.set()
    thread.join()
    settle()
    assert gained(before, activity(CHF, "transfer"))[:2] == (2, 333)
    assert figure_differences() == []


def test_figures_go_on_under_transactions_that_always_overlap() -> None:
    """There is never a moment at which nothing runs: the kept candidate lets the mark move all the same."""
    settle()
    started = datetime.now(UTC)
    stop = threading.Event()

    def overlap(offset: float) -> Callable[[], None]:
        def run() -> None:
            stop.wait(offset)
            while not stop.is_set():
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute("SELECT pg_current_xact_id()")
                    stop.wait(0.1)

        return run

    threads = [in_thread(overlap(offset)) for offset in (0, 0.03, 0.06)]
    try:
        until(lambda: _refreshed_until() > started, "the mark does not move")
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_several_that_refresh_at_once_count_each_transfer_once() -> None:
    source, target = new_merchant(), new_merchant()
    settle()
    before = activity(CHF, "transfer")

    def refresh_often() -> None:
        for _ in range(10):
            refresh_figures()

    threads = [in_thread(refresh_often) for _ in range(4)]
    for _ in range(20):
        post(TransferFunds(source, target, CHF, 10, Details()))
    for thread in threads:
        thread.join()
    settle()
    assert gained(before, activity(CHF, "transfer"))[:2] == (20, 200)
    assert figure_differences() == []


def test_a_refresh_that_is_killed_half_way_is_done_by_the_next_one() -> None:
    source, target = new_merchant(), new_merchant()
    settle()
    before = activity(CHF, "transfer")
    post(TransferFunds(source, target, CHF, 10, Details()))
    pids: list[int] = []
    ready = threading.Event()

    def refresh() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            pids.append(cursor.fetchone()[0])
        ready.set()
        with pytest.raises(DatabaseFailure):
            refresh_figures()

    with transaction.atomic(), connection.cursor() as cursor:
        # The last table: it stops after the others. (A share lock takes no transaction number, which would hold the mark back.)
        cursor.execute("LOCK TABLE transfers_dailymerchant IN SHARE MODE")
        thread = in_thread(refresh)
        assert ready.wait(60)

        def is_waiting() -> bool:
            cursor.execute("SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted", pids)
            return cursor.fetchone() is not None

        until(is_waiting, "it does not wait for the lock")
        cursor.execute("SELECT pg_terminate_backend(%s)", pids)
        thread.join()
    settle()
    assert gained(before, activity(CHF, "transfer"))[:2] == (1, 10)
    assert figure_differences() == []


def test_a_figure_that_was_tampered_with_is_named_and_mended_from_the_journal() -> None:
    new_merchant()
    settle()
    DailyActivity.objects.filter(currency="CHF", kind="opening").update(volume_minor=1)
    found = [d for d in figure_differences() if d.table == "transfers_dailyactivity"]
    assert found
    assert found[0].key["currency"] == "CHF"
    assert found[0].stored["volume_minor"] == 1
    assert found[0].recomputed["volume_minor"] > 1
    rebuild_figures()
    settle()
    assert figure_differences() == []


def refusals(code: str, currency: str) -> int:
    row = DailyRefusals.objects.filter(code=code, currency=currency, day=datetime.now(UTC).date()).first()
    return 0 if row is None else row.refusals


def test_refusals_are_counted_by_code_once_and_their_replays_not_at_all() -> None:
    poor, other = new_merchant(opening=10), new_merchant()
    settle()
    before = refusals("insufficient_funds", "CHF")
    keys = [Key("roll", unique("key"), b"x" * 32)]
    for _ in range(3):
        (result,) = post_now([TransferFunds(poor, other, CHF, 500, Details())], keys=keys)
        assert result.answer.status_code == 409
    post_now([TransferFunds(poor, other, CHF, 500, Details()), TransferFunds(other, poor, CHF, 5, Details())])
    settle()
    assert refusals("insufficient_funds", "CHF") - before == 2


def test_a_step_goes_from_its_transfers_to_their_entries_whatever_the_planner_believes(ledger: None) -> None:
    """Where a table was not analyzed lately, the planner began at the accounts and walked all that they ever did."""
    del ledger
    moment = datetime.now(UTC)
    bounds = {"low": first_uuid7_at(moment - timedelta(seconds=2)), "high": first_uuid7_at(moment)}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.IN_ORDER)
        for table in sql.SUMS:
            cursor.execute("EXPLAIN (COSTS OFF) " + sql.add_statement(table), bounds)
            plan = [line for (line,) in cursor.fetchall()]
            scans = [line.split(" on ")[1].split()[0] for line in plan if " Scan" in line and " on transfers_" in line]
            assert scans[0] == "transfers_transfer", plan
            assert not [line for line in plan if "Seq Scan on transfers_" in line or "ledgerentry_pkey" in line], plan
