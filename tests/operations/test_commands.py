"""Commands of the operators: they can be repeated, say what they did, and end with a code that scripts can trust."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from ledger_project.database.durability import Severity, examine_database, judge_settings
from ledger_project.database.fields import new_id
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import TREASURY, MerchantIdentity
from merchants.selectors import identify_now
from tests.operations.stories import post, register, tell
from tests.support.factories import unique
from tests.support.keys import make_keys
from tests.support.own_servers import run_command
from tests.support.servers import database_url
from transfers.domain.commands import Deposit, Details, RegisterMerchant, TransferFunds
from transfers.models import IdempotencyRecord
from transfers.selectors import get_balances_now
from transfers.statements.spreadsheets import neutralised

OMR = CurrencyUnit("OMR", 3)


def run(name: str, *arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command(name, *arguments, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


# --- settle_fees ------------------------------------------------------------------------------------------------------------


def treasury() -> MerchantIdentity:
    known = identify_now(names=[TREASURY]).merchant(TREASURY)
    if known is None:
        known = MerchantIdentity(new_id(), TREASURY)
        post(RegisterMerchant(known, {}, None, 0, Details()))
    return known


def balance(merchant: MerchantIdentity, currency: str) -> int:
    _, rows = get_balances_now(merchant.id, currency=None, at=None)
    return sum(row.available_minor for row in rows if row.currency.code == currency)


def test_fees_are_swept_once_however_often_it_is_asked(ledger: None) -> None:
    del ledger
    platform = treasury()
    payer, payee = register(1_000_000, OMR), register(0, OMR)
    post(TransferFunds(payer, payee, OMR, 100_000, Details()))
    run("settle_fees", "--currency", "OMR")
    before = balance(platform, "OMR")
    post(TransferFunds(payer, payee, OMR, 50_000, Details()))
    code, text = run("settle_fees", "--currency", "OMR", "--json")
    assert (code, json.loads(text)) == (0, {"settled": 1, "swept": {"OMR": {"amount": "0.500", "amount_minor": 500}}, "refused": []})
    assert balance(platform, "OMR") == before + 500
    assert "0 accounts settled, 0 refused." in run("settle_fees", "--currency", "OMR")[1]
    assert balance(platform, "OMR") == before + 500


def test_a_currency_that_does_not_exist_ends_with_two() -> None:
    with pytest.raises(CommandError) as refused:
        run("settle_fees", "--currency", "XYZ")
    assert refused.value.returncode == 2


# --- purge_idempotency_records ----------------------------------------------------------------------------------------------


def test_only_expired_keys_are_forgotten_in_small_batches(ledger: None) -> None:
    del ledger
    old, fresh = [unique("key") for _ in range(7)], [unique("key") for _ in range(3)]
    make_keys(old, at=timezone.now() - timedelta(days=8), owner="purge")
    make_keys(fresh, at=timezone.now() - timedelta(days=7), owner="purge")
    assert json.loads(run("purge_idempotency_records", "--dry-run", "--json")[1]) == {"expired": 7, "purged": 0}
    assert json.loads(run("purge_idempotency_records", "--batch", "3", "--json")[1]) == {"expired": 7, "purged": 7}
    assert set(IdempotencyRecord.objects.filter(key__in=old + fresh).values_list("key", flat=True)) == set(fresh)
    assert "0 records were expired, 0 purged." in run("purge_idempotency_records")[1]


# --- export_statement -------------------------------------------------------------------------------------------------------


def test_a_statement_goes_into_a_file_as_csv_and_xml(ledger: None, tmp_path: Path) -> None:
    del ledger
    story = tell()
    account = story.account(story.payer)
    file = tmp_path / "statement.csv"
    told = json.loads(run("export_statement", str(account), "--output", str(file), "--json")[1])
    lines = list(csv.DictReader(StringIO(file.read_text())))
    assert len(lines) == told["lines"] > 5
    signed = sum(int(line["amount_minor"]) * (1 if line["direction"] == "CREDIT" else -1) for line in lines)
    assert told["opening_balance_minor"] + signed == told["closing_balance_minor"] == balance(story.payer, "USD")
    by_name = tmp_path / "statement.xml"
    run("export_statement", story.payer.name.upper(), "--currency", "USD", "--format", "xml", "--output", str(by_name))
    assert by_name.read_text().count("<Ntry>") == len(lines)


def test_a_statement_for_people_holds_no_formulas_and_one_for_programs_what_was_written(ledger: None, tmp_path: Path) -> None:
    del ledger
    payee = register(0, OMR)
    memos = ["=1+1", "-5.00", "\t@x", "plain"]
    for memo in memos:
        post(Deposit(payee, OMR, 1, Details(memo=memo)))
    shown = {}
    for option in ("--format=csv", "--raw"):
        file = tmp_path / f"statement{option}.csv"
        run("export_statement", payee.name, "--currency", "OMR", option, "--output", str(file))
        with file.open(newline="") as text:
            shown[option] = [line["memo"] for line in csv.DictReader(text)]
    assert shown == {"--format=csv": [neutralised(memo) for memo in reversed(memos)], "--raw": memos[::-1]}


BACKWARDS = ["--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"]
BEYOND = ["--to", "9999-12-31T23:59:59.999999-14:00", "--format", "xml"]


@pytest.mark.parametrize("arguments", [BACKWARDS, BEYOND, ["--from", "2026-02-30T00:00:00Z"], ["--to", "0001-01-01T00:00:00+14:00"]])
def test_a_period_that_is_none_ends_with_two(ledger: None, arguments: list[str]) -> None:
    del ledger
    with pytest.raises(CommandError) as refused:
        run("export_statement", register(1, OMR).name, "--currency", "OMR", *arguments)
    assert (refused.value.returncode, "--" in str(refused.value)) == (2, True)


@pytest.mark.parametrize("arguments", [[str(uuid4())], ["nobody", "--currency", "USD"], ["nobody", "--json"], ["x", "--from", "monday"]])
def test_a_statement_of_nothing_ends_with_two(arguments: list[str]) -> None:
    with pytest.raises(CommandError) as refused:
        run("export_statement", *arguments)
    assert refused.value.returncode == 2


# --- check_database ---------------------------------------------------------------------------------------------------------

SAFE = {
    "server_version_num": "180000", "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on",
    "wal_level": "replica", "archive_mode": "on", "transaction_isolation": "read committed", "max_connections": "100",
    "default_transaction_read_only": "off", "idle_in_transaction_session_timeout": "60000", "tcp_keepalives_idle": "10",
    "unix_socket": "off", "session_replication_role": "origin",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "severity"),
    [
        ("fsync", "off", Severity.DANGER),
        ("synchronous_commit", "off", Severity.DANGER),
        ("full_page_writes", "off", Severity.DANGER),
        ("server_version_num", "140010", Severity.DANGER),
        ("default_transaction_read_only", "on", Severity.DANGER),
        ("data_checksums", "off", Severity.ADVICE),
        ("wal_level", "minimal", Severity.ADVICE),
        ("archive_mode", "off", Severity.ADVICE),
        ("max_connections", "20", Severity.ADVICE),
        ("session_replication_role", "replica", Severity.DANGER),
        ("idle_in_transaction_session_timeout", "0", Severity.ADVICE),
        ("tcp_keepalives_idle", "0", Severity.ADVICE),
    ],
)
def test_each_setting_that_endangers_money_is_told(name: str, value: str, severity: Severity) -> None:
    assert {verdict.severity for verdict in judge_settings(SAFE)} == {Severity.GOOD}
    bad = [verdict for verdict in judge_settings(SAFE | {name: value}) if verdict.severity is not Severity.GOOD]
    assert [(verdict.name, verdict.severity) for verdict in bad] == [(name, severity)]


def test_the_test_database_is_safe_and_says_so(ledger: None) -> None:
    del ledger
    code, text = run("check_database", "--json")
    assert (code, json.loads(text)["ok"]) == (0, True)
    assert "good    fsync = on" in run("check_database")[1]


def test_a_guard_that_sleeps_and_a_careless_session_are_found(ledger: None) -> None:
    del ledger
    from django.db import connection

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        cursor.execute("ALTER TABLE transfers_ledgerentry DISABLE TRIGGER entry_guard")
        found = {verdict.name: verdict.severity for verdict in examine_database()}
        code, _ = run("check_database")
        transaction.set_rollback(True)
    assert (found["synchronous_commit"], found["guards"], code) == (Severity.DANGER, Severity.DANGER, 1)


# --- all of them ------------------------------------------------------------------------------------------------------------

COMMANDS = ["reconcile", "settle_fees", "purge_idempotency_records", "export_statement", "export_journal", "check_database", "seed_demo"]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_explains(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command(name, "--help")
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert "--json" in shown
    assert len(shown) > 400


def test_a_shell_sees_the_exit_codes(ledger: None) -> None:
    del ledger
    codes = [
        run_command(database_url(), *arguments).code
        for arguments in (["check_database", "--json"], ["reconcile", "--since", "yesterday"], ["reconcile", "--what"])
    ]
    assert codes == [0, 2, 2]
