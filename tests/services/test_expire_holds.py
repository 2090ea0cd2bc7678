"""``manage.py expire_holds``: all that is due, once, from any number of processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from uuid import UUID

from django.db import connection

from ledger_project.database.fields import new_id
from ledger_project.kernel.money import MAX_BALANCE_MINOR, CurrencyUnit
from merchants.domain import MerchantIdentity
from tests.environment import ROOT
from tests.support.factories import unique
from tests.support.invariants import check_invariants
from tests.support.own_servers import run_command
from tests.support.servers import database_url, free_port
from transfers.domain.commands import Command, Deposit, Details, PlaceHold, RegisterMerchant, TransferFunds, Withdraw
from transfers.models import Hold, Transfer
from transfers.posting.synchronous import post_now
from transfers.selectors import get_balances_now
from transfers.selectors.holds import due_holds
from transfers.services.hold_expiry import SWEEP_SIZE, sweep_due_holds

USD = CurrencyUnit("USD", 2)
FEE = 1


def merchant(opening_minor: int) -> MerchantIdentity:
    found = MerchantIdentity(new_id(), unique("h"))
    post_now([RegisterMerchant(found, {}, USD, opening_minor, Details())])
    return found


def lapsed_holds(payer: MerchantIdentity, payee: MerchantIdentity, count: int) -> list[UUID]:
    """Place holds whose time has run out already."""
    holds = [PlaceHold(new_id(place=payer.id), payer, payee, USD, 100, 60, Details()) for _ in range(count)]
    assert all(result.outcome and result.outcome.refusal is None for result in post_now(holds))
    ids = [hold.hold_id for hold in holds]
    with connection.cursor() as cursor:
        cursor.execute("BEGIN; ALTER TABLE transfers_hold DISABLE TRIGGER hold_terms")
        cursor.execute("UPDATE transfers_hold SET expires_at = clock_timestamp() - interval '1 minute' WHERE id = ANY(%s)", [ids])
        cursor.execute("ALTER TABLE transfers_hold ENABLE TRIGGER hold_terms; COMMIT")
    return ids


def available(of: MerchantIdentity) -> int:
    return get_balances_now(of.id, currency=USD, at=None)[1][0].available_minor


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "expire_holds", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def run(*arguments: str, url: str = "") -> tuple[int, str, str]:
    done = run_command(url or database_url(), "expire_holds", *arguments)
    return done.code, done.out, done.err


def test_two_at_once_release_each_hold_exactly_once() -> None:
    payer, payee = merchant(100_000), merchant(0)
    ids = lapsed_holds(payer, payee, 2 * SWEEP_SIZE + 50)
    assert available(payer) == 100_000 - len(ids) * (100 + FEE)
    answers = [finished(process) for process in [start("--json"), start("--json")]]
    totals = [json.loads(out) for _, out, _ in answers]
    assert sum(total["released"] for total in totals) >= len(ids)
    # On a busy machine one may hold the accounts for longer than the other waits. That one says so, and goes on.
    assert [status for status, _, _ in answers] == [1 if total["failed"] else 0 for total in totals], answers
    assert set(Hold.objects.filter(id__in=ids).values_list("status", flat=True)) == {"expired"}
    releases = Transfer.objects.filter(hold_id__in=ids, kind="hold_release").values_list("hold_id", flat=True)
    assert sorted(releases) == sorted(ids)
    assert (available(payer), due_holds(limit=1)) == (100_000, [])
    check_invariants()


def test_it_says_what_it_did_and_has_nothing_to_do_the_second_time() -> None:
    payer, payee = merchant(1000), merchant(0)
    lapsed_holds(payer, payee, 3)
    status, out, err = run()
    assert (status, out.startswith("Released "), err) == (0, True, "")
    assert int(out.split()[1]) >= 3
    assert available(payer) == 1000
    status, out, _ = run("--json")
    assert (status, json.loads(out)) == (0, {"due": 0, "released": 0, "failed": 0, "batches": 0})


def test_help_explains_itself() -> None:
    status, out, _ = run("--help")
    text = " ".join(out.split())
    assert status == 0
    for promise in ("expires_at", "exactly once", "Exit code", "--json"):
        assert promise in text


def test_without_a_database_it_fails_with_one_line() -> None:
    status, out, err = run(url=f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    assert (status, out) == (1, "")
    assert err.startswith("CommandError: The database does not answer")
    assert "Traceback" not in err


def test_holds_that_are_not_due_are_left() -> None:
    payer, payee = merchant(1000), merchant(0)
    post_now([PlaceHold(new_id(place=payer.id), payer, payee, USD, 100, 60, Details())])
    list(sweep_due_holds())
    assert available(payer) == 1000 - 101


def test_a_hold_that_cannot_be_released_does_not_hold_up_the_others() -> None:
    """The longest overdue one meets a wallet that is full; those behind it are released all the same, and it stays due."""
    full, payer, payee = merchant(500), merchant(1000), merchant(0)
    (stuck,) = lapsed_holds(full, payee, 1)
    all_there_can_be = MAX_BALANCE_MINOR - 500
    posted([Deposit(full, USD, all_there_can_be, Details()), TransferFunds(payer, full, USD, 60, Details())])
    ids = lapsed_holds(payer, payee, 3)
    assert sum(sweep.failed for sweep in sweep_due_holds()) == 1
    assert set(Hold.objects.filter(id__in=ids).values_list("status", flat=True)) == {"expired"}
    assert Hold.objects.get(id=stuck).status == "open"
    status, out, err = run("--json")
    assert (status, json.loads(out)["failed"]) == (1, 1)
    assert "1 holds could not be released" in err
    posted([Withdraw(full, USD, all_there_can_be, Details())])
    assert sum(sweep.released for sweep in sweep_due_holds()) == 1
    assert available(full) == 500 + 60


def posted(commands: Sequence[Command]) -> None:
    assert [result.outcome.refusal for result in post_now(commands) if result.outcome] == [None] * len(commands)
