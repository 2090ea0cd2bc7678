"""Incremental reconciliation finds what is wrong with what is new, and says what it does not see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from ledger_project.database.fields import new_id
from ledger_project.database.snapshots import Snapshot
from ledger_project.kernel.ids import beside
from tests.operations.stories import Story, raw_connection, tell
from tests.operations.vandals import DAMAGES, Vandal, uncommitted_vandal
from transfers.models import ReconciliationHead, ReconciliationRun
from transfers.reconciliation.anchors import read_anchor, write_anchor
from transfers.reconciliation.increments import UNSEEN
from transfers.reconciliation.run import Proof, ReconciliationRequest, prove


def command(*arguments: str) -> tuple[int, dict[str, object]]:
    out = StringIO()
    try:
        call_command("reconcile", "--json", *arguments, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


@pytest.fixture(scope="module")
def old(ledger: None) -> Story:
    """A story that a clean verdict has proved."""
    del ledger
    told = tell()
    assert command("--renew-heads")[0] == 0
    return told


@pytest.fixture(scope="module")
def new(old: Story) -> Story:
    """One that came after it."""
    del old
    return tell()


@pytest.fixture
def vandal(ledger: None) -> Iterator[Vandal]:
    del ledger
    with uncommitted_vandal() as made:
        yield made


def increment(vandal: Vandal) -> Proof:
    return prove(Snapshot([vandal.raw]), ReconciliationRequest(incremental=True))


def test_what_is_right_is_clean(vandal: Vandal, new: Story) -> None:
    del new
    proof = increment(vandal)
    assert proof.clean
    assert proof.kind == "incremental"
    kept = vandal.raw.execute("SELECT coalesce(sum(sequence), 0) FROM transfers_reconciliationhead").fetchone()
    assert vandal.raw.execute("SELECT count(*) - %s FROM transfers_ledgerentry", kept).fetchone() == (proof.entries_checked,)


@pytest.mark.parametrize("name", [name for name in DAMAGES if name != "all entries of a transfer are gone"])
def test_a_damage_of_what_is_new_is_found(vandal: Vandal, new: Story, name: str) -> None:
    vandal.damages(DAMAGES[name], new)
    assert increment(vandal).findings


SEEN_WHEREVER = ("an account is gone", "a hold's reserve", "a hold that was not voided", "the last entry is gone", "an entry's place")
"""Damages that change a sum over all accounts, or where a chain ends."""


@pytest.mark.parametrize("name", [name for name in DAMAGES if name not in SEEN_WHEREVER])
def test_a_damage_below_the_heads_is_not_seen_and_that_is_said(vandal: Vandal, old: Story, new: Story, name: str) -> None:
    del new
    vandal.damages(DAMAGES[name], old)
    assert increment(vandal).clean
    assert prove(Snapshot([vandal.raw]), ReconciliationRequest()).findings, "the proof of all finds it"
    assert "rows that were proved before" in UNSEEN


@pytest.mark.parametrize("name", SEEN_WHEREVER)
def test_a_damage_of_sums_or_heads_is_found_whenever_it_was(vandal: Vandal, old: Story, new: Story, name: str) -> None:
    del new
    vandal.damages(DAMAGES[name], old)
    assert increment(vandal).findings


def test_a_new_transfer_without_entries_is_found(vandal: Vandal, new: Story) -> None:
    ghost = beside(new_id(), new.transfer)
    vandal.does(
        "INSERT INTO transfers_transfer SELECT (jsonb_populate_record(t, jsonb_build_object('id', %s::text, 'external_reference', null))).* "
        "FROM transfers_transfer t WHERE id = %s",
        str(ghost),
        new.transfer,
    )
    assert f"transfer {ghost}" in {finding.subject for finding in increment(vandal).findings}


def test_an_entry_that_commits_late_is_as_new_as_the_rest(vandal: Vandal, new: Story) -> None:
    """Its time is far behind the verdict: only its sequence says that it is new."""
    account = new.account(new.payee)
    vandal.does("UPDATE transfers_ledgerentry SET created_at = '2001-01-01T00:00:00Z' WHERE account_id = %s", account)
    assert any(str(account) in finding.subject for finding in increment(vandal).findings)


@pytest.mark.parametrize("change", ["hash = sha256('x')", "balance_minor = balance_minor + 1", "sequence = sequence - 1"])
def test_a_kept_head_that_was_changed_is_found(vandal: Vandal, old: Story, change: str) -> None:
    account = old.account(old.payer)
    vandal.does(f"UPDATE transfers_reconciliationhead SET {change} WHERE account_id = %s", account)
    for request in (ReconciliationRequest(incremental=True), ReconciliationRequest()):
        found = prove(Snapshot([vandal.raw]), request).findings
        assert ("heads", "kept heads") in {(finding.check, finding.subject) for finding in found}
    assert prove(Snapshot([vandal.raw]), ReconciliationRequest(renew_heads=True)).clean


def test_a_kept_head_that_was_removed_or_added_is_found(vandal: Vandal, old: Story) -> None:
    vandal.does("DELETE FROM transfers_reconciliationhead WHERE account_id = %s", old.account(old.payer))
    assert [finding.subject for finding in increment(vandal).findings] == ["kept heads"]
    vandal.raw.rollback()
    vandal = Vandal(vandal.raw)
    vandal.does("INSERT INTO transfers_reconciliationhead VALUES (%s, 1, sha256('x'), 1)", uuid4())
    assert "kept heads" in {finding.subject for finding in increment(vandal).findings}


def test_a_history_that_was_rewritten_with_its_hashes_shows_at_its_head(vandal: Vandal, old: Story, new: Story) -> None:
    del new
    account = old.account(old.payee)
    last = vandal.head(account)
    vandal.does("UPDATE transfers_ledgerentry SET hash = sha256('rewritten') WHERE account_id = %s AND sequence = %s", account, last)
    assert ("heads", f"account {account}") in {(finding.check, finding.subject) for finding in increment(vandal).findings}


def test_it_goes_on_from_an_anchor(vandal: Vandal, old: Story, tmp_path: Path) -> None:
    del old
    file = tmp_path / "anchor"
    write_anchor(vandal.raw, file, ReconciliationRun.objects.latest("finished_at").started_at)
    later = tell()
    request = ReconciliationRequest(incremental=True, anchor=file)
    with raw_connection() as raw:
        proof = prove(Snapshot([raw]), request, anchor=read_anchor(file))
    assert proof.clean
    assert proof.scope.startswith("new since the anchor of")
    vandal.raw.rollback()
    vandal = Vandal(vandal.raw)
    assert 0 < proof.entries_checked < vandal.raw.execute("SELECT count(*) FROM transfers_ledgerentry").fetchone()[0]
    vandal.damages(DAMAGES["an entry's hash"], later)
    assert prove(Snapshot([vandal.raw]), request, anchor=read_anchor(file)).findings


def test_the_command_stores_and_tells_both_kinds(old: Story) -> None:
    del old
    _, whole = command("--jobs", "2")
    assert (whole["kind"], whole["unseen"], whole["base"]) == ("whole", "", None)
    tell()
    code, document = command("--incremental", "--jobs", "2")
    assert (code, document["kind"], document["unseen"], document["base"]) == (0, "incremental", UNSEEN, whole["id"])
    run = ReconciliationRun.objects.get(id=document["id"])
    assert (run.unseen, str(run.base_id)) == (UNSEEN, whole["id"])
    assert run.heads_sha256 is not None
    assert 0 < run.entries_checked == document["entries_checked"]
    assert command("--incremental")[1]["entries_checked"] == 0
    out = StringIO()
    call_command("reconcile", "--incremental", stdout=out)
    assert f"Not seen by this run: {UNSEEN}." in out.getvalue()


def test_a_verdict_of_damage_keeps_the_heads_of_the_last_clean_one(old: Story) -> None:
    del old
    command()
    before = set(ReconciliationHead.objects.values_list("account_id", "sequence"))
    told = tell()
    with raw_connection() as raw:
        raw.execute("SET session_replication_role = replica")
        raw.execute("UPDATE transfers_hold SET reserved_minor = reserved_minor + 1 WHERE id = %s", [told.open_hold])
        raw.commit()
        code, document = command("--incremental")
        raw.execute("UPDATE transfers_hold SET reserved_minor = reserved_minor - 1 WHERE id = %s", [told.open_hold])
    assert (code, document["verdict"], document["heads_sha256"]) == (1, "damaged", None)
    assert set(ReconciliationHead.objects.values_list("account_id", "sequence")) == before
    assert command("--incremental")[0] == 0


def test_without_kept_heads_all_is_proved(vandal: Vandal) -> None:
    vandal.raw.execute("DELETE FROM transfers_reconciliationrun")
    proof = increment(vandal)
    assert (proof.kind, proof.scope) == ("whole", "everything")


@pytest.mark.parametrize("arguments", [["--since", "2026-01-01T00:00:00Z"], ["--account", str(uuid4())], ["--renew-heads"]])
def test_it_goes_with_no_other_scope(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="--incremental goes with none of") as refused:
        call_command("reconcile", "--incremental", *arguments)
    assert refused.value.returncode == 2


@pytest.mark.parametrize("jobs", ["0", "-1", "65"])
def test_a_number_of_jobs_that_makes_no_sense(jobs: str) -> None:
    with pytest.raises(CommandError, match="--jobs is a number") as refused:
        call_command("reconcile", "--jobs", jobs)
    assert refused.value.returncode == 2
