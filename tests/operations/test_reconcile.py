"""Reconciliation finds and names what was done to the ledger behind the guards' back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.core.management import CommandError, call_command

from ledger_project.database.snapshots import Snapshot
from ledger_project.kernel.ids import beside
from tests.operations.stories import Story, raw_connection, tell
from transfers.domain.hashing import GENESIS, entry_hash, posting_bytes
from transfers.domain.idempotency import record_id
from transfers.management.commands import reconcile as command
from transfers.models import ReconciliationRun
from transfers.reconciliation.anchors import AnchorUnreadable, broken_anchors, read_anchor, write_anchor
from transfers.reconciliation.run import Proof, ReconciliationRequest, prove
from transfers.reconciliation.scopes import ProofScope


@pytest.fixture(scope="module")
def story(ledger: None) -> Story:
    del ledger
    return tell()


def proof_of(raw: psycopg.Connection[Any], **scope: Any) -> Proof:
    return prove(Snapshot([raw]), ReconciliationRequest(ProofScope(**scope)))


class Vandal:
    """Somebody with the database's keys: triggers and foreign keys are off, and nothing of it is committed."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw
        raw.execute("SET LOCAL session_replication_role = replica")

    def does(self, statement: str, *values: object) -> None:
        assert self.raw.execute(statement, values).rowcount > 0, "the damage must happen"

    def findings(self, **scope: Any) -> list[tuple[str, str, str]]:
        return [(f.check, f.subject, f.detail) for f in proof_of(self.raw, **scope).findings]

    def named(self, **scope: Any) -> set[str]:
        return {subject for _, subject, _ in self.findings(**scope)}

    def head(self, account: UUID) -> int:
        (sequence,) = self.raw.execute("SELECT max(sequence) FROM transfers_ledgerentry WHERE account_id = %s", [account]).fetchone() or (
            0,
        )
        return int(sequence)

    def rehash(self, account: UUID) -> None:
        """Make balances and hashes of a whole chain fit together again."""
        rows = self.raw.execute(
            "SELECT sequence, transfer_id, direction, type, amount_minor, created_at FROM transfers_ledgerentry WHERE account_id = %s ORDER BY sequence",
            [account],
        ).fetchall()
        previous, balance = GENESIS, 0
        for sequence, transfer, direction, kind, amount, at in rows:
            balance += int(amount) if direction == "CREDIT" else -int(amount)
            movement = (direction, kind, int(amount), balance)
            previous = entry_hash(previous, account.bytes, sequence, posting_bytes(transfer, at), movement)
            self.raw.execute(
                "UPDATE transfers_ledgerentry SET balance_after_minor = %s, hash = %s WHERE account_id = %s AND sequence = %s",
                [balance, previous, account, sequence],
            )


@pytest.fixture
def vandal(ledger: None) -> Iterator[Vandal]:
    del ledger
    raw = raw_connection()
    yield Vandal(raw)
    raw.rollback()
    raw.close()


def entry(account: UUID, sequence: int) -> str:
    return f"entry {account} #{sequence}"


def test_an_untouched_ledger_is_clean(vandal: Vandal, story: Story) -> None:
    del story
    assert vandal.findings() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("amount_minor = amount_minor + 1", "balance_after is"),
        ("amount_minor = amount_minor + 1, balance_after_minor = balance_after_minor - 1", "hash does not fit"),
        ("balance_after_minor = balance_after_minor + 1", "balance_after is"),
        ("hash = sha256('other')", "hash does not fit"),
        ("created_at = created_at + interval '1 microsecond'", "hash does not fit"),
        ("direction = 'CREDIT', balance_after_minor = balance_after_minor + 2 * amount_minor", "hash does not fit"),
        ("type = 'withdrawal'", "hash does not fit"),
        ("transfer_id = '00000000-0000-7000-8000-000000000000'", "does not exist"),
    ],
)
def test_a_changed_entry_is_named(vandal: Vandal, story: Story, change: str, reason: str) -> None:
    account = story.account(story.payer)
    vandal.does(f"UPDATE transfers_ledgerentry SET {change} WHERE account_id = %s AND sequence = 3", account)
    found = [detail for _, subject, detail in vandal.findings() if subject == entry(account, 3)]
    assert found, vandal.findings()
    assert reason in found[0]


def test_a_deleted_entry_leaves_a_gap_and_a_transfer_that_does_not_balance(vandal: Vandal, story: Story) -> None:
    account = story.account(story.payer)
    vandal.does(
        "DELETE FROM transfers_ledgerentry WHERE account_id = %s AND type = 'transfer' AND transfer_id = %s", account, story.transfer
    )
    named = vandal.named()
    assert f"transfer {story.transfer}" in named
    assert any(subject.startswith(f"entry {account}") for subject in named)


def test_a_deleted_last_entry_is_missed_by_its_transfer(vandal: Vandal, story: Story) -> None:
    account = story.account(story.payee)
    vandal.does("DELETE FROM transfers_ledgerentry WHERE account_id = %s AND sequence = %s", account, vandal.head(account))
    assert [check for check, _, detail in vandal.findings() if "differ" in detail or "add up" in detail] == ["transfers", "balances"]


def test_an_entry_that_was_added_is_named(vandal: Vandal, story: Story) -> None:
    account = story.account(story.payee)
    last = vandal.head(account)
    vandal.does(
        "INSERT INTO transfers_ledgerentry (account_id, sequence, transfer_id, direction, type, amount_minor, balance_after_minor, created_at, hash) SELECT account_id, sequence + 1, transfer_id, direction, type, amount_minor, "
        "balance_after_minor + amount_minor, created_at, hash FROM transfers_ledgerentry WHERE account_id = %s AND sequence = %s",
        account,
        last,
    )
    assert entry(account, last + 1) in vandal.named()


def test_an_entry_that_was_moved_to_another_account_is_named(vandal: Vandal, story: Story) -> None:
    account, other = story.account(story.payee), story.account(story.payer)
    last, free = vandal.head(account), vandal.head(other) + 1
    vandal.does(
        "UPDATE transfers_ledgerentry SET account_id = %s, sequence = %s WHERE account_id = %s AND sequence = %s",
        other,
        free,
        account,
        last,
    )
    assert entry(other, free) in vandal.named()


def test_two_entries_whose_places_were_exchanged(vandal: Vandal, story: Story) -> None:
    account = story.account(story.payer)
    for old, new in ((3, 9_003), (4, 3), (9_003, 4)):
        vandal.does("UPDATE transfers_ledgerentry SET sequence = %s WHERE account_id = %s AND sequence = %s", new, account, old)
    assert entry(account, 3) in vandal.named()


@pytest.mark.parametrize(
    "change",
    [
        "amount_minor = amount_minor + 1",
        "fee_minor = fee_minor + 1",
        "total_debit_minor = total_debit_minor + 1",
        "created_at = created_at + interval '1 microsecond'",
        "kind = 'withdrawal'",
        "target_id = (SELECT a.id FROM merchants_account a WHERE a.id NOT IN (source_id, target_id) LIMIT 1)",
        "currency_id = 'EUR'",
        "fee_schedule_id = NULL, fee_minor = 0",
        "fee_schedule_id = '00000000-0000-7000-8000-000000000000'",
        "hold_id = '00000000-0000-7000-8000-000000000000'",
    ],
)
def test_a_changed_transfer_is_named(vandal: Vandal, story: Story, change: str) -> None:
    vandal.does(f"UPDATE transfers_transfer SET {change} WHERE id = %s", story.transfer)
    findings = vandal.findings()
    assert any(str(story.transfer) in subject + detail for _, subject, detail in findings), findings


def test_a_deleted_transfer_is_named_by_its_entries_its_reversal_and_its_key(vandal: Vandal, story: Story) -> None:
    vandal.does("DELETE FROM transfers_transfer WHERE id = %s", story.transfer)
    checks = {check for check, _, detail in vandal.findings() if str(story.transfer) in detail}
    assert {"entries", "reversals", "keys"} <= checks


def test_a_transfer_without_entries_is_named(vandal: Vandal, story: Story) -> None:
    ghost = beside(uuid4(), story.transfer)
    vandal.does(
        "INSERT INTO transfers_transfer SELECT (jsonb_populate_record(t, jsonb_build_object('id', %s::text, 'external_reference', null))).* "
        "FROM transfers_transfer t WHERE id = %s",
        str(ghost),
        story.transfer,
    )
    assert f"transfer {ghost}" in vandal.named()


def test_a_reversal_that_was_raised_above_its_original(vandal: Vandal, story: Story) -> None:
    vandal.does("UPDATE transfers_transfer SET amount_minor = 10001 WHERE id = %s", story.reversal)
    assert ("reversals", f"transfer {story.reversal}") in {(check, subject) for check, subject, _ in vandal.findings()}


def test_a_reversal_of_something_else(vandal: Vandal, story: Story) -> None:
    vandal.does("UPDATE transfers_transfer SET reverses_id = %s WHERE id = %s", uuid4(), story.reversal)
    assert f"transfer {story.reversal}" in vandal.named()


def test_a_fee_schedule_that_was_edited_shows_in_what_it_charged(vandal: Vandal, story: Story) -> None:
    (schedule,) = vandal.raw.execute("SELECT fee_schedule_id FROM transfers_transfer WHERE id = %s", [story.transfer]).fetchone() or ("",)
    vandal.does("UPDATE fees_feeschedule SET rate = rate + 0.01 WHERE id = %s", schedule)
    fees = {subject: detail for check, subject, detail in vandal.findings(account_id=story.account(story.payer)) if check == "fees"}
    assert f"schedule {schedule} says 200" in fees[f"transfer {story.transfer}"]
    assert f"hold {story.open_hold}" in fees


def test_a_fee_schedule_that_was_made_later(vandal: Vandal, story: Story) -> None:
    (schedule,) = vandal.raw.execute("SELECT fee_schedule_id FROM transfers_transfer WHERE id = %s", [story.transfer]).fetchone() or ("",)
    vandal.does("UPDATE fees_feeschedule SET effective_from = now() + interval '1 day' WHERE id = %s", schedule)
    assert ("fees", f"transfer {story.transfer}") in {(c, s) for c, s, _ in vandal.findings(account_id=story.account(story.payer))}


@pytest.mark.parametrize(
    ("change", "which"),
    [
        ("amount_minor = amount_minor - 1", "open_hold"),
        ("reserved_minor = reserved_minor + 1", "open_hold"),
        ("status = 'voided'", "open_hold"),
        ("status = 'open', captured_minor = 0, capture_id = NULL", "captured_hold"),
        ("captured_minor = captured_minor - 1", "captured_hold"),
        ("capture_id = '00000000-0000-7000-8000-000000000000'", "captured_hold"),
        ("target_merchant_id = source_merchant_id", "captured_hold"),
        ("status = 'open'", "voided_hold"),
        ("created_at = created_at - interval '1 second'", "voided_hold"),
    ],
)
def test_a_changed_hold_is_named(vandal: Vandal, story: Story, change: str, which: str) -> None:
    hold = getattr(story, which)
    vandal.does(f"UPDATE transfers_hold SET {change} WHERE id = %s", hold)
    assert f"hold {hold}" in vandal.named()


@pytest.mark.parametrize(
    ("table", "change", "which"),
    [
        ("transfers_transfer", "amount_minor = 'NaN'", "transfer"),
        ("transfers_transfer", "fee_minor = 'NaN'", "transfer"),
        ("transfers_transfer", "total_debit_minor = 'NaN'", "transfer"),
        ("transfers_ledgerentry", "amount_minor = 'NaN'", "entry"),
        ("transfers_ledgerentry", "balance_after_minor = 'NaN'", "entry"),
        ("transfers_hold", "reserved_minor = 'NaN'", "hold"),
        ("transfers_hold", "captured_minor = 'NaN'", "hold"),
        ("merchants_account", "overdraft_limit_minor = 'NaN'", "account"),
        ("fees_feeschedule", "rate = 'NaN'", "schedule"),
    ],
)
def test_a_row_that_is_no_number_is_named_and_all_others_are_proved(
    vandal: Vandal, story: Story, table: str, change: str, which: str
) -> None:
    account = story.account(story.payer)
    names = vandal.raw.execute(
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass", [table]
    ).fetchall()  # fmt: skip
    for (name,) in names:
        vandal.raw.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    (schedule,) = vandal.raw.execute("SELECT fee_schedule_id FROM transfers_transfer WHERE id = %s", [story.transfer]).fetchone() or ("",)
    row: dict[str, tuple[str, object]] = {
        "transfer": ("id", story.transfer), "hold": ("id", story.open_hold), "account": ("id", account), "schedule": ("id", schedule),
        "entry": ("transfer_id", story.transfer),
    }  # fmt: skip
    column, value = row[which]
    vandal.does(f"UPDATE {table} SET {change} WHERE {column} = %s", value)
    # Something else is wrong, too, which is found all the same.
    vandal.does("UPDATE transfers_ledgerentry SET hash = sha256('x') WHERE account_id = %s AND sequence = 1", account)
    subjects = {"entry": f"entry {account}", "schedule": f"transfer {story.transfer}"}
    named = vandal.named(account_id=account)
    assert any(subject.startswith(subjects.get(which, f"{which} {value}")) for subject in named), named
    assert entry(account, 1) in named


def test_an_entry_of_the_future_is_named(vandal: Vandal, story: Story) -> None:
    account = story.account(story.payee)
    last = vandal.head(account)
    vandal.does(
        "UPDATE transfers_ledgerentry SET created_at = now() + interval '1 day' WHERE account_id = %s AND sequence = %s", account, last
    )
    assert any(subject == entry(account, last) and "is in the future" in detail for _, subject, detail in vandal.findings())


def test_a_deleted_hold_leaves_money_that_nobody_reserved(vandal: Vandal, story: Story) -> None:
    vandal.does("DELETE FROM transfers_hold WHERE id = %s", story.open_hold)
    assert ("held", f"account {story.account(story.payer, 'held')}") in {(check, subject) for check, subject, _ in vandal.findings()}


@pytest.mark.parametrize("change", ["kind = 'fees'", "currency_id = 'EUR'"])
def test_an_account_that_became_another_one(vandal: Vandal, story: Story, change: str) -> None:
    account = story.account(story.payee)
    vandal.does(f"UPDATE merchants_account SET {change} WHERE id = %s", account)
    assert entry(account, 1) in vandal.named()


def test_a_deleted_account(vandal: Vandal, story: Story) -> None:
    account = story.account(story.payee)
    vandal.does("DELETE FROM merchants_account WHERE id = %s", account)
    assert entry(account, 1) in vandal.named()


@pytest.mark.parametrize(
    "change",
    ["transfer_id = '00000000-0000-7000-8000-000000000000'", "body = '{}'", "status_code = 409"],
)
def test_a_changed_answer_is_named(vandal: Vandal, story: Story, change: str) -> None:
    record = UUID(record_id("stories", story.key))
    vandal.does(f"UPDATE transfers_idempotencyrecord SET {change} WHERE id = %s", record)
    assert f"idempotency record {record}" in vandal.named()


@pytest.mark.parametrize("table", ["transfers_idempotencyrecord", "transfers_idempotencyclaim"])
def test_a_key_without_its_answer_and_an_answer_without_its_key_are_named(vandal: Vandal, story: Story, table: str) -> None:
    record = UUID(record_id("stories", story.key))
    vandal.does(f"DELETE FROM {table} WHERE id = %s", record)
    assert f"idempotency record {record}" in vandal.named()


def test_a_day_that_is_half_purged_is_no_damage(vandal: Vandal, story: Story) -> None:
    """Its claims go first; and what is truncated during a proof is gone for its snapshot, too."""
    record = record_id("stories", story.key)
    vandal.does("UPDATE transfers_idempotencyrecord SET created_at = now() - interval '8 days' WHERE id = %s", record)
    vandal.does("DELETE FROM transfers_idempotencyclaim WHERE id = %s", record)
    assert proof_of(vandal.raw).clean
    vandal.does("INSERT INTO transfers_idempotencyclaim VALUES (%s, now() - interval '7 days')", record_id("stories", "half"))
    assert proof_of(vandal.raw).clean


def rewrite_history(vandal: Vandal, story: Story) -> UUID:
    """Take 1.00 off a transfer everywhere, so that everything fits together again."""
    vandal.does("UPDATE transfers_transfer SET amount_minor = 9900, total_debit_minor = 9999, fee_minor = 99 WHERE id = %s", story.transfer)
    vandal.does("UPDATE transfers_ledgerentry SET amount_minor = 9900 WHERE transfer_id = %s AND type = 'transfer'", story.transfer)
    vandal.does("UPDATE transfers_ledgerentry SET amount_minor = 99 WHERE transfer_id = %s AND type = 'fee'", story.transfer)
    for account in (story.account(story.payer), story.account(story.payee), story.account(story.payer, "fees")):
        vandal.rehash(account)
    return story.account(story.payee)


def test_a_history_that_was_rewritten_as_a_whole_is_found_by_an_anchor_only(vandal: Vandal, story: Story, tmp_path: Path) -> None:
    file = tmp_path / "anchor"
    write_anchor(vandal.raw, file, ReconciliationRun._meta.get_field("started_at").to_python("2026-01-01T00:00:00+00:00"))
    assert list(broken_anchors(vandal.raw, read_anchor(file))) == []
    account = rewrite_history(vandal, story)
    assert proof_of(vandal.raw).clean
    named = {finding.subject for finding in prove(Snapshot([vandal.raw]), ReconciliationRequest(), anchor=read_anchor(file)).findings}
    assert f"account {account}" in named


def test_an_anchor_misses_entries_that_were_cut_off(vandal: Vandal, story: Story, tmp_path: Path) -> None:
    file = tmp_path / "anchor"
    write_anchor(vandal.raw, file, ReconciliationRun._meta.get_field("started_at").to_python("2026-01-01T00:00:00+00:00"))
    account = story.account(story.payee)
    vandal.does("DELETE FROM transfers_ledgerentry WHERE account_id = %s AND sequence = %s", account, vandal.head(account))
    assert dict(broken_anchors(vandal.raw, read_anchor(file))).keys() == {f"account {account}"}


def test_half_an_anchor_is_not_taken_for_a_whole_one(vandal: Vandal, story: Story, tmp_path: Path) -> None:
    del story
    file = tmp_path / "anchor"
    write_anchor(vandal.raw, file, ReconciliationRun._meta.get_field("started_at").to_python("2026-01-01T00:00:00+00:00"))
    lines = file.read_bytes().splitlines(keepends=True)
    for damaged in (b"".join(lines[:-1]), b"".join(lines[:1] + lines[2:]), b"", b"not json", b"[]\n"):
        file.write_bytes(damaged)
        with pytest.raises(AnchorUnreadable):
            list(broken_anchors(vandal.raw, read_anchor(file)))


def test_a_narrow_scope_finds_what_is_in_it(vandal: Vandal, story: Story) -> None:
    account, other = story.account(story.payer), story.account(tell().payer)
    vandal.does("UPDATE transfers_ledgerentry SET hash = sha256('x') WHERE account_id = %s AND sequence = 3", account)
    assert entry(account, 3) in vandal.named(account_id=account)
    assert vandal.named(account_id=other) == set()
    (at,) = vandal.raw.execute(
        "SELECT created_at FROM transfers_ledgerentry WHERE account_id = %s AND sequence = 3", [account]
    ).fetchone() or ("",)
    assert entry(account, 3) in vandal.named(since=at)
    assert entry(account, 4) in vandal.named(since=at)


# --- the command ------------------------------------------------------------------------------------------------------------


def reconcile(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("reconcile", *arguments, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def test_the_command_stores_and_tells_a_clean_verdict(story: Story) -> None:
    del story
    code, text = reconcile("--json")
    document = json.loads(text)
    run = ReconciliationRun.objects.get(id=document["id"])
    assert (code, document["verdict"], document["findings"], run.verdict, run.scope) == (0, "clean", [], "clean", "everything")
    assert run.entries_checked == document["entries_checked"] > 0
    assert "Clean: everything" in reconcile()[1]


def test_the_command_writes_verifies_and_advances_an_anchor(story: Story, tmp_path: Path) -> None:
    file = tmp_path / "anchor"
    assert reconcile("--anchor", str(file))[0] == 0
    first = file.read_text()
    tell()
    assert reconcile("--anchor", str(file))[0] == 0
    assert file.read_text() == first
    assert reconcile("--anchor", str(file), "--advance")[0] == 0
    assert len(file.read_text()) > len(first)
    file.write_text(first.replace(str(story.account(story.payer)), str(uuid4())))
    with pytest.raises(CommandError, match="checksum") as refused:
        reconcile("--anchor", str(file))
    assert refused.value.returncode == 2


def test_damage_ends_with_one_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "figure_differences", lambda _raw: ["2026-01-01 USD: 5 is not 6"])
    code, text = reconcile("--json")
    assert code == 1
    assert json.loads(text)["findings"] == [{"check": "rollups", "subject": "rollups", "detail": "2026-01-01 USD: 5 is not 6"}]
    assert ReconciliationRun.objects.first().verdict == "damaged"
    code, text = reconcile()
    assert (code, "rollups: rollups: 2026-01-01 USD" in text, "DAMAGED: 1 findings" in text) == (1, True, True)


@pytest.mark.parametrize("arguments", [["--since", "yesterday"], ["--account", "alice"], ["--account", str(uuid4())], ["--advance"]])
def test_a_command_that_makes_no_sense_ends_with_two(arguments: list[str]) -> None:
    with pytest.raises(CommandError) as refused:
        reconcile(*arguments)
    assert refused.value.returncode == 2


def test_it_never_waits_for_a_posting_nor_a_posting_for_it(story: Story) -> None:
    with raw_connection() as raw:
        raw.execute("SELECT id FROM merchants_account WHERE id = %s FOR UPDATE", [story.account(story.payer)])
        assert reconcile("--account", str(story.account(story.payer)))[0] == 0
        raw.rollback()
        raw.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        assert proof_of(raw).clean
        modes = raw.execute("SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'").fetchall()
        assert {mode for (mode,) in modes} == {"AccessShareLock"}
        tell()
