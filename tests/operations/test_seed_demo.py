"""The demo's history, in databases of its own: spread over months, the same for the same seed, and right by every rule of the ledger."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ledger_project.database.clock import database_now
from tests.environment import ROOT
from tests.operations.stories import USD, post, register
from tests.support.invariants import INVARIANTS
from tests.support.migrated import migrated_database
from tests.support.own_servers import ask, manage
from transfers.demo.days import busy_moments
from transfers.demo.people import CAST, USD_PER_UNIT
from transfers.domain.commands import Deposit, Details, RegisterMerchant, TransferFunds, Withdraw
from transfers.models import FiguresMark, LedgerEntry, Transfer
from transfers.posting import sql
from transfers.posting.pipeline import Session
from transfers.posting.synchronous import NotAfterHistory, end_of_history, post_then

DAY = timedelta(days=1)


class Ledgers:
    """New ledgers, each in a database of its own."""

    def __init__(self) -> None:
        self._made = ExitStack()

    def create(self) -> str:
        """Make an empty ledger and return its URL."""
        return self._made.enter_context(migrated_database())

    def remove(self) -> None:
        """Delete all of them."""
        self._made.close()

    def manage(self, ledger: str, *arguments: str) -> str:
        return manage(ledger, *arguments)

    def seed(self, ledger: str, *arguments: str) -> dict[str, object]:
        told: dict[str, object] = json.loads(self.manage(ledger, "seed_demo", "--json", *arguments))
        return told

    def ask(self, ledger: str, statement: str) -> list[tuple[object, ...]]:
        return ask(ledger, statement)


@pytest.fixture(scope="module")
def ledgers(ledger: None) -> Iterator[Ledgers]:
    del ledger
    made = Ledgers()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def told(ledgers: Ledgers) -> str:
    """A ledger with the demo of seed 7."""
    ledger = ledgers.create()
    ledgers.seed(ledger, "--transfers", "900", "--seed", "7")
    return ledger


def test_movements_are_spread_over_six_months_in_every_currency(ledgers: Ledgers, told: str) -> None:
    ((days, span),) = ledgers.ask(
        told, "SELECT count(DISTINCT created_at::date), max(created_at) - min(created_at) FROM transfers_transfer"
    )
    assert isinstance(days, int)
    assert isinstance(span, timedelta)
    assert days > 150
    assert span > 170 * DAY
    assert {row[0] for row in ledgers.ask(told, "SELECT DISTINCT currency_id FROM transfers_transfer")} == set(USD_PER_UNIT)


def test_everything_that_an_operator_looks_at_is_there(ledgers: Ledgers, told: str) -> None:
    kinds = {row[0] for row in ledgers.ask(told, "SELECT DISTINCT kind FROM transfers_transfer")}
    assert kinds == {
        "opening", "deposit", "withdrawal", "transfer", "hold", "hold_release", "capture", "reversal", "fee_settlement"
    }  # fmt: skip
    states = {row[0] for row in ledgers.ask(told, "SELECT DISTINCT status FROM transfers_hold")}
    assert states == {"open", "captured", "voided", "expired"}
    refused = dict(ledgers.ask(told, "SELECT code, min(created_at) FROM transfers_refusaltally GROUP BY 1"))
    assert {"insufficient_funds", "account_frozen"} <= set(refused)
    assert refused["insufficient_funds"] < datetime.now(UTC) - DAY


def test_a_told_history_keeps_every_rule(ledgers: Ledgers, told: str) -> None:
    for name, statement in INVARIANTS.items():
        assert ledgers.ask(told, statement) == [], name
    assert json.loads(ledgers.manage(told, "reconcile", "--json"))["verdict"] == "clean"
    assert (
        ledgers.ask(
            told, "SELECT 1 FROM (SELECT created_at, lag(created_at) OVER (ORDER BY id) b FROM transfers_transfer) s WHERE b > created_at"
        )
        == []
    )
    late = "SELECT 1 FROM transfers_transfer t JOIN merchants_account a ON a.id = t.source_id WHERE a.created_at > t.created_at"
    assert ledgers.ask(told, late) == []


STORY = """
SELECT t.kind, t.currency_id, t.amount_minor, t.fee_minor, t.memo, s.name, g.name, t.request_id FROM transfers_transfer t
JOIN merchants_account a ON a.id = t.source_id JOIN merchants_merchant s ON s.id = a.merchant_id
JOIN merchants_account b ON b.id = t.target_id JOIN merchants_merchant g ON g.id = b.merchant_id
WHERE t.kind IN ('deposit', 'withdrawal', 'transfer', 'hold') ORDER BY t.request_id, t.kind, t.amount_minor
"""


def test_the_same_seed_tells_the_same_story_and_another_one_another(ledgers: Ledgers) -> None:
    first, same, other = (ledgers.create() for _ in range(3))
    for name, seed in ((first, "3"), (same, "3"), (other, "4")):
        ledgers.seed(name, "--transfers", "250", "--seed", seed)
    assert len(ledgers.ask(first, STORY)) > 200
    assert ledgers.ask(first, STORY) == ledgers.ask(same, STORY)
    assert ledgers.ask(first, STORY) != ledgers.ask(other, STORY)


def test_a_second_run_goes_on_where_the_first_one_ended(ledgers: Ledgers) -> None:
    ledger = ledgers.create()
    ledgers.seed(ledger, "--transfers", "120", "--seed", "1")
    before = ledgers.ask(ledger, "SELECT id FROM transfers_transfer ORDER BY id")
    second = ledgers.seed(ledger, "--transfers", "120", "--seed", "1", "--merchants", str(len(CAST) + 3))
    after = ledgers.ask(ledger, "SELECT id FROM transfers_transfer ORDER BY id")
    assert after[: len(before)] == before
    assert len(after) - len(before) == second["posted"]
    assert int(str(second["posted"])) > 100
    assert json.loads(ledgers.manage(ledger, "reconcile", "--json"))["verdict"] == "clean"


def test_daily_figures_that_were_summed_up_meanwhile_are_right(ledgers: Ledgers) -> None:
    """As when the service runs while the demo is told: the mark is past the story's time, again and again."""
    ledger = ledgers.create()
    refresh = "from transfers.figures.refresh import refresh_figures; refresh_figures()"
    ledgers.manage(ledger, "shell", "-c", refresh)
    ledgers.seed(ledger, "--transfers", "150", "--months", "2")
    ledgers.manage(ledger, "shell", "-c", refresh)
    days = {row[0] for row in ledgers.ask(ledger, "SELECT DISTINCT day FROM transfers_dailyactivity")}
    assert min(days) < date.today() - 50 * DAY  # noqa: DTZ011 - far from midnight
    assert json.loads(ledgers.manage(ledger, "reconcile", "--json"))["verdict"] == "clean"


# --- what is refused, in the ledger that all tests share -------------------------------------------------------------------------


def test_a_movement_cannot_be_put_before_its_accounts_last_entry(ledger: None) -> None:
    del ledger
    merchant = register(100_00)
    count = Transfer.objects.count()
    with pytest.raises(NotAfterHistory):
        post_then([(Deposit(merchant, USD, 5_00, Details()), database_now() - DAY)])
    assert Transfer.objects.count() == count


def test_nor_before_anybodys_last_entry(ledger: None) -> None:
    """Or it would appear in the middle of lists that others are reading, and days that were summed up would be wrong."""
    del ledger
    end = end_of_history()
    assert end is not None
    newcomer = register()
    with pytest.raises(NotAfterHistory):
        post_then([(Deposit(newcomer, USD, 5_00, Details()), end)])


def test_nor_in_the_future_nor_out_of_order(ledger: None) -> None:
    del ledger
    payer = register(100_00)
    deposit = Deposit(payer, USD, 5_00, Details())
    with pytest.raises(NotAfterHistory):
        post_then([(deposit, database_now() + DAY)])
    now = database_now()
    with pytest.raises(NotAfterHistory):
        post_then([(deposit, now), (deposit, now - timedelta(microseconds=1))])


def test_what_comes_after_everything_gets_the_moments_it_is_given(ledger: None) -> None:
    del ledger
    payer, payee = register(100_00), register()
    moments = [database_now() + timedelta(microseconds=n) for n in range(3)]
    commands = [
        TransferFunds(payer, payee, USD, 10_00, Details()), Withdraw(payer, USD, 10**9, Details()), Deposit(payer, USD, 1, Details())
    ]  # fmt: skip
    results = post_then(list(zip(commands, moments, strict=True)))
    assert [r.outcome.refusal is None for r in results if r.outcome is not None] == [True, False, True]
    for result, moment in ((results[0], moments[0]), (results[2], moments[2])):
        assert {entry.created_at for entry in LedgerEntry.objects.filter(transfer_id=result.transfer_id)} == {moment}
    assert FiguresMark.objects.get().rolled_until <= moments[0]
    later = post(Deposit(payer, USD, 1, Details())).transfer_id
    assert Transfer.objects.get(id=later).created_at > moments[2]


def test_only_the_demo_can_say_when_something_happened() -> None:
    """No view, import, admin or other command names the function that allows it."""
    users = {
        path.relative_to(ROOT).as_posix()
        for app in ("ledger_project", "merchants", "people", "fees", "transfers", "events", "console")
        for path in (ROOT / app).rglob("*.py")
        if re.search(r"import .*backdating|post_then|\bJob\([^=]*\bmoments=", path.read_text())
    }
    assert {user for user in users if "/domain/" not in user} == {
        "transfers/posting/synchronous.py",
        "transfers/demo/run.py",
    }
    assert post_then.__module__ == "transfers.posting.synchronous"


def test_business_breathes_with_the_week_and_grows() -> None:
    import random

    start = datetime(2026, 1, 5, tzinfo=UTC)
    moments = busy_moments(start, start + 168 * DAY, 20_000, random.Random(5))
    assert moments == sorted(moments)
    assert start <= moments[0]
    assert moments[-1] <= start + 168 * DAY
    fridays, sundays = (sum(1 for m in moments if m.weekday() == day) for day in (4, 6))
    assert fridays > 2 * sundays
    assert sum(1 for m in moments if m > start + 84 * DAY) > 1.3 * sum(1 for m in moments if m <= start + 84 * DAY)
    assert all(6 <= m.hour < 23 for m in moments)


def test_a_refusal_of_then_is_answered_like_any(ledger: None) -> None:
    del ledger
    stranger = RegisterMerchant(register(), {}, USD, 0, Details())
    (result,) = post_then([(stranger, database_now())])
    assert result.outcome is not None
    assert result.outcome.refusal is not None
    assert result.outcome.refusal.code == "merchant_exists"


def test_a_movement_that_happens_now_asks_nothing_about_history(ledger: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What every request does stays as it is: no statement more, and no lock on the marks of the figures and of the feed."""
    del ledger
    payer, payee = register(100_00), register()
    sent: list[str] = []
    send = Session.send

    def noting(self: Session, statement: str, *arguments: Any, **options: Any) -> Any:
        sent.append(statement)
        return send(self, statement, *arguments, **options)

    monkeypatch.setattr(Session, "send", noting)
    post(TransferFunds(payer, payee, USD, 1_00, Details()))
    assert sent[-2:] == [sql.INSERT_TRANSFERS, sql.INSERT_ENTRIES]
    about_history = [sql.LOCK_FIGURES_MARK, sql.TAKE_FEED_MARK_BACK, sql.END_OF_HISTORY, sql.TAKE_FIGURES_MARK_BACK]
    assert not set(about_history) & set(sent)
    sent.clear()
    post_then([(TransferFunds(payer, payee, USD, 1_00, Details()), database_now())])
    assert [s for s in sent if s in about_history] == about_history
