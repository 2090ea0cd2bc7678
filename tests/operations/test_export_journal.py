"""``export_journal``: parts of the journal in a folder, only added to, whatever ends a run."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError
from pyarrow import parquet

from ledger_project.database.clock import database_now
from ledger_project.kernel.ids import first_uuid7_at
from tests.environment import ROOT
from tests.operations.stories import USD, post, register, tell
from tests.operations.test_commands import run
from tests.support.servers import database_url
from tests.support.service_role import owner_connection
from transfers.domain.commands import Details, TransferFunds
from transfers.models import LedgerEntry, Transfer


def begin() -> str:
    """Return the cursor of now: what other tests have made is before it."""
    return str(first_uuid7_at(database_now()))


def export(folder: Path, *arguments: str) -> dict[str, Any]:
    code, text = run("export_journal", "--to", str(folder), "--json", *arguments)
    assert code == 0
    told: dict[str, Any] = json.loads(text)
    return told


def manifests(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("manifest-*.json"))]


def rows(folder: Path, kind: str) -> list[dict[str, str]]:
    """Return the rows of all parts."""
    found = []
    for manifest in manifests(folder):
        with (folder / manifest["files"][kind]["name"]).open(newline="") as file:
            found += list(csv.DictReader(file))
    return found


def transfers_after(cursor: str, last: str) -> list[str]:
    ids = Transfer.objects.filter(id__gt=cursor, id__lte=last).order_by("id").values_list("id", flat=True)
    return [str(one) for one in ids]


def assert_is_the_journal(folder: Path, cursor: str) -> None:
    """See that the parts are the journal after a cursor, once, in order, without gaps."""
    all_parts = manifests(folder)
    assert [m["after"] for m in all_parts] == [cursor, *(m["last"] for m in all_parts[:-1])]
    ids = [row["id"] for row in rows(folder, "transfers")]
    assert ids == transfers_after(cursor, all_parts[-1]["last"])
    entries = rows(folder, "entries")
    stored = LedgerEntry.objects.filter(transfer_id__in=ids)
    assert len(entries) == stored.count()
    assert {(e["account_id"], int(e["sequence"]), e["hash"]) for e in entries} == {
        (str(e.account_id), e.sequence, bytes(e.hash).hex()) for e in stored
    }
    chains = defaultdict(list)
    for entry in entries:
        chains[entry["account_id"]].append(int(entry["sequence"]))
    assert all(numbers == list(range(numbers[0], numbers[0] + len(numbers))) for numbers in chains.values())
    for manifest in all_parts:
        for file in manifest["files"].values():
            content = (folder / file["name"]).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
    assert sorted(path.name for path in folder.glob("*.part")) == []


def test_one_of_everything_is_exported_with_its_sums_and_newest_hashes(ledger: None, tmp_path: Path) -> None:
    del ledger
    cursor = begin()
    story = tell()
    told = export(tmp_path, "--after", cursor)
    assert_is_the_journal(tmp_path, cursor)
    (manifest,) = manifests(tmp_path)
    assert told["parts"] == 1
    assert told["rows"]["transfers"] == len(rows(tmp_path, "transfers")) > 8
    usd = manifest["currencies"]["USD"]
    assert (usd["exponent"], usd["transfers"]) == (2, told["rows"]["transfers"])
    assert usd["debit_minor"] == usd["credit_minor"] > 1_000_00
    assert manifest["so_far"] == {
        "rows": told["rows"],
        "currencies": {"USD": {name: value for name, value in usd.items() if name != "exponent"}},
    }
    newest = LedgerEntry.objects.filter(account_id=story.account(story.payer)).order_by("-sequence")[0]
    assert manifest["heads"][str(newest.account_id)] == {
        "sequence": newest.sequence,
        "hash": bytes(newest.hash).hex(),
        "balance_after_minor": int(newest.balance_after_minor),
    }
    shown = {row["id"]: row for row in rows(tmp_path, "transfers")}[str(story.transfer)]
    assert (shown["kind"], shown["amount_minor"], shown["fee_minor"], shown["memo"], shown["reverses"]) == (
        "transfer", "10000", "100", "story", "",
    )  # fmt: skip
    assert {row["merchant_name"] for row in rows(tmp_path, "entries")} == {story.payer.name, story.payee.name}


def test_a_second_run_adds_only_what_is_new_and_changes_no_file(ledger: None, tmp_path: Path) -> None:
    del ledger
    cursor = begin()
    payer, payee = register(100_00), register()
    export(tmp_path, "--after", cursor)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert export(tmp_path, "--after", cursor)["parts"] == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    for _ in range(3):
        post(TransferFunds(payer, payee, USD, 1_00, Details()))
    told = export(tmp_path, "--part-size", "2")
    assert (told["parts"], told["rows"]["transfers"]) == (2, 3)
    assert before.items() <= {path.name: path.read_bytes() for path in tmp_path.iterdir()}.items()
    assert_is_the_journal(tmp_path, cursor)
    assert manifests(tmp_path)[-1]["so_far"]["rows"]["transfers"] == len(rows(tmp_path, "transfers"))


def test_the_same_piece_exported_twice_is_the_same_bytes(ledger: None, tmp_path: Path) -> None:
    del ledger
    cursor = begin()
    tell()
    for folder in ("one", "two"):
        export(tmp_path / folder, "--after", cursor, "--part-size", "4")
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).glob("*.csv")} for name in ("one", "two"))
    assert len(one) >= 9
    assert one == two


def test_an_export_that_is_killed_goes_on_after_its_last_whole_part(ledger: None, tmp_path: Path) -> None:
    del ledger
    cursor = begin()
    payer, payee = register(100_00), register()
    for _ in range(40):
        post(TransferFunds(payer, payee, USD, 1, Details()))
    command = [sys.executable, "manage.py", "export_journal", "--to", str(tmp_path), "--after", cursor, "--part-size", "1"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "DATABASE_URL": database_url()}, stdout=subprocess.DEVNULL)
    patience_ends = time.monotonic() + 60
    while len(list(tmp_path.glob("manifest-*.json"))) < 3:
        assert process.poll() is None
        assert time.monotonic() < patience_ends
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    written = len(manifests(tmp_path))
    assert written < 41
    (tmp_path / f"transfers-{written + 1:06}.csv").write_text("what a killed run left")
    (tmp_path / f"entries-{written + 1:06}.csv.part").write_text("half")
    export(tmp_path)
    assert_is_the_journal(tmp_path, cursor)


def test_what_is_under_way_is_left_for_the_next_run(ledger: None, tmp_path: Path) -> None:
    del ledger
    cursor = begin()
    with owner_connection() as raw:
        raw.execute("SELECT pg_current_xact_id()")  # as a posting begins
        row = raw.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        told = export(tmp_path, "--after", cursor, "--wait", "0")
        assert told["settled_until"] < f"{row[0]:%Y-%m-%dT%H:%M:%S.%f}Z"
        raw.rollback()
    assert export(tmp_path, "--after", cursor)["settled_until"] > f"{row[0]:%Y-%m-%dT%H:%M:%S.%f}Z"


def test_a_folder_takes_no_gap_no_second_writer_and_nothing_strange(ledger: None, tmp_path: Path) -> None:
    del ledger
    cursor = begin()
    register(100_00)
    export(tmp_path, "--after", cursor)
    early = str(UUID(int=UUID(cursor).int - 1))
    for asked, complaint in ((early, "begins after"), (str(UUID(int=2**128 - 1)), "would leave a gap"), ("latest", "--after is 'latest'")):
        with pytest.raises(CommandError, match=complaint) as refused:
            run("export_journal", "--to", str(tmp_path), "--after", asked)
        assert refused.value.returncode == 2
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CommandError, match="Another export"):
            run("export_journal", "--to", str(tmp_path))
    (manifest,) = manifests(tmp_path)
    with (tmp_path / manifest["files"]["entries"]["name"]).open("a") as file:
        file.write("x")
    with pytest.raises(CommandError, match="is not what its manifest says"):
        run("export_journal", "--to", str(tmp_path))
    (tmp_path / "manifest-000001.json").write_text("{}")
    with pytest.raises(CommandError, match="is not the manifest"):
        run("export_journal", "--to", str(tmp_path))
    (tmp_path / "manifest-000001.json").rename(tmp_path / "manifest-000002.json")
    with pytest.raises(CommandError, match="lacks parts"):
        run("export_journal", "--to", str(tmp_path))


def test_history_that_is_not_what_was_exported_is_told_before_anything_is_added(ledger: None, tmp_path: Path) -> None:
    del ledger
    cursor = begin()
    register(100_00)
    export(tmp_path, "--after", cursor)
    (manifest,) = manifests(tmp_path)
    account = next(one for one, head in manifest["heads"].items() if head["balance_after_minor"] == 100_00)
    manifest["heads"][account]["hash"] = "00" * 32
    (tmp_path / "manifest-000001.json").write_text(json.dumps(manifest))
    register(1_00)
    with pytest.raises(CommandError, match=account) as found:
        run("export_journal", "--to", str(tmp_path))
    assert found.value.returncode == 1
    assert len(manifests(tmp_path)) == 1


def test_parquet_has_the_same_rows_with_their_types(ledger: None, tmp_path: Path) -> None:
    del ledger
    cursor = begin()
    tell()
    export(tmp_path / "csv", "--after", cursor)
    export(tmp_path / "parquet", "--after", cursor, "--format", "parquet")
    for kind in ("transfers", "entries", "events"):
        (manifest,) = manifests(tmp_path / "parquet")
        table = parquet.read_table(tmp_path / "parquet" / manifest["files"][kind]["name"])
        assert table.num_rows == manifest["files"][kind]["rows"]
        shown = [
            {name: "" if value is None else str(value) for name, value in row.items()} for row in table.drop(["created_at"]).to_pylist()
        ]
        expected = rows(tmp_path / "csv", kind)
        assert shown == [{name: text for name, text in row.items() if name != "created_at"} for row in expected]
        moments = [f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z" for moment in table["created_at"].to_pylist()]
        assert moments == [row["created_at"] for row in expected]
