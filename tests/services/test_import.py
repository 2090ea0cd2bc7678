"""``manage.py import_transfers``: a file of transfers, posted once however often it is imported."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import secrets
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from ledger_project.readers import in_reader
from tests.environment import ROOT
from tests.factories import balance_minor, key, merchant, transfer
from tests.servers import database_url

HEADER = "key,from,to,currency,amount,memo,external_reference"


def run(path: Path, **options: Any) -> tuple[dict[str, Any], list[dict[str, str]], str]:
    """Import a file; return the summary, the rows of the result file and the complaint, if there was one."""
    out, complaint = io.StringIO(), ""
    try:
        call_command("import_transfers", str(path), "--json", stdout=out, **options)
    except CommandError as error:
        complaint = str(error)
    result = path.with_name(path.name + ".result.csv")
    rows = list(csv.DictReader(result.read_text(encoding="utf-8").splitlines())) if result.exists() else []
    return json.loads(out.getvalue() or "{}"), rows, complaint


def write(tmp_path: Path, *lines: str, header: str = HEADER, start: bytes = b"") -> Path:
    path = tmp_path / "transfers.csv"
    path.write_bytes(start + "\n".join([header, *lines, ""]).encode())
    return path


def fresh() -> str:
    return secrets.token_hex(8)


async def test_each_line_is_posted_once_however_often_the_file_is_imported(api: httpx.AsyncClient, tmp_path: Path) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    path = write(tmp_path, *[f"{fresh()},{source},{target},USD,1.00,memo {i}," for i in range(5)])

    first, posted, complaint = await in_reader(run, path, batch_size=2)
    second, replayed, _ = await in_reader(run, path)

    assert ({**first, "seconds": 0, "result": ""}, complaint) == (
        {"lines": 5, "posted": 5, "replayed": 0, "failed": 0, "seconds": 0, "result": ""},
        "",
    )
    assert (second["posted"], second["replayed"]) == (0, 5)
    assert [row["transfer_id"] for row in posted] == [row["transfer_id"] for row in replayed]
    assert await balance_minor(api, target) == 500


async def test_a_line_and_a_request_with_the_same_key_replay_each_other(api: httpx.AsyncClient, tmp_path: Path) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    first, second = fresh(), fresh()
    body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "1.50", "memo": "both"}
    sent = await api.post("/transfers", json={**body, "external_reference": first}, headers={"Idempotency-Key": first})
    path = write(tmp_path, *[f"{k},{source},{target},USD,1.50,both,{k}" for k in (first, second)])

    _, rows, _ = await in_reader(run, path)
    again = await api.post("/transfers", json={**body, "external_reference": second}, headers={"Idempotency-Key": second})

    assert [row["status"] for row in rows] == ["replayed", "posted"]
    assert rows[0]["transfer_id"] == sent.json()["id"]
    assert (again.status_code, again.headers["Idempotent-Replayed"], again.json()["id"]) == (201, "true", rows[1]["transfer_id"])
    assert list(again.json()) == list(sent.json())
    assert await balance_minor(api, target) == 300


async def test_an_import_in_another_name_replays_what_the_platform_posted(api: httpx.AsyncClient, tmp_path: Path) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    path = write(tmp_path, f"{fresh()},{source},{target},USD,1.00,,")
    await in_reader(run, path)

    summary, _, _ = await in_reader(run, path, principal="somebody-else")

    assert (summary["posted"], summary["replayed"]) == (0, 1)


async def test_bad_lines_fail_alone_and_say_why(api: httpx.AsyncClient, tmp_path: Path) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    same = fresh()
    path = write(
        tmp_path,
        f"{same},{source},{target},USD,1.00,,",
        "",
        f"{fresh()},nobody-{same},{target},USD,1.00,,",
        f"{same},{source},{target},USD,1.00,,",
        f"{same},{source},{target},USD,2.00,,",
        f"{fresh()},{source},{source},USD,1.00,,",
        f"{fresh()},{source},{target},USD,1.001,,",
        f"{fresh()},{source},{target},usd,1.00,,",
        f"{fresh()},{source},{target},USD,1000.00,,",
        f",{source},{target},USD,1.00,,",
        f"kéy,{source},{target},USD,1.00,,",
        f"{fresh()},{source},{target},USD",
        f"{fresh()},{source},{target},USD,1.00,,,more",
        f"{fresh()},{source},,USD,1.00,,",
        f'{fresh()},{source},{target},USD,1.00,"two\nlines",',
    )
    path.write_bytes(path.read_bytes() + f"{fresh()},{source},{target},USD,1.00,\xff,\n".encode("latin-1"))

    summary, rows, complaint = await in_reader(run, path)

    assert [row["status"] if row["status"] != "failed" else row["code"] for row in rows] == [
        "posted",
        "merchant_not_found",
        "replayed",
        "idempotency_key_reused",
        "same_account",
        "validation_error",
        "unknown_currency",
        "insufficient_funds",
        "idempotency_key_missing",
        "idempotency_key_invalid",
        "validation_error",
        "validation_error",
        "validation_error",
        "posted",
        "validation_error",
    ]
    assert [row["line"] for row in rows[:3]] == ["2", "4", "5"], "lines are counted as an editor does"
    assert all(row["detail"] for row in rows if row["status"] == "failed")
    assert (summary["posted"], summary["failed"]) == (2, 12)
    assert "12 of 15 lines failed" in complaint
    assert await balance_minor(api, target) == 200


async def test_a_byte_order_mark_other_line_ends_and_another_order_of_columns_are_read(api: httpx.AsyncClient, tmp_path: Path) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    path = tmp_path / "excel.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"Amount,Currency,To,From,Key\r\n1.00,USD,{target},{source},{fresh()}\r\n".encode())

    summary, _, _ = await in_reader(run, path)

    assert summary["posted"] == 1


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ("key,from,to,currency", "columns missing: amount"),
        ("key,from,to,currency,amount,external_referense", "columns unknown: external_referense"),
        ("key,from,to,currency,amount,amount", "columns repeated: amount"),
        ("", "columns missing: key, from, to, currency, amount"),
    ],
)
def test_a_wrong_header_is_refused_before_anything_is_posted(tmp_path: Path, header: str, complaint: str) -> None:
    assert complaint in run(write(tmp_path, "a,b,c,d,e", header=header))[2]


def test_a_file_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    assert "No such file" in run(tmp_path / "nothing.csv")[2]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = write(tmp_path, *[f"k{i},nobody,nobody,USD,1.00,{'m' * 480}," for i in range(count)])
        out = io.StringIO()
        tracemalloc.start()
        with pytest.raises(CommandError, match=f"{count} of {count} lines failed"):
            call_command("import_transfers", str(path), "--json", stdout=out, batch_size=50)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert json.loads(out.getvalue())["failed"] == count
        return found

    peak(100)
    assert peak(2400) < peak(400) * 1.5


def command(path: Path, *options: str) -> list[str]:
    return [sys.executable, "manage.py", "import_transfers", str(path), *options]


def count_from(name: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM transfers_transfer t JOIN merchants_account a ON a.id = t.source_id "
            "JOIN merchants_merchant m ON m.id = a.merchant_id WHERE m.name = %s AND t.kind = 'transfer'",
            [name],
        )
        return int(cursor.fetchone()[0])


async def test_killed_in_the_middle_and_run_again_nothing_is_doubled_or_lost(api: httpx.AsyncClient, tmp_path: Path) -> None:
    source, target = await merchant(api, "10000"), await merchant(api)
    path = write(tmp_path, *[f"{fresh()},{source},{target},USD,1.00,," for _ in range(1500)])
    environment = {**os.environ, "DATABASE_URL": database_url()}

    def kill_and_repeat() -> tuple[int, int, dict[str, Any]]:
        process = subprocess.Popen(command(path, "--batch-size", "10"), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        while count_from(source) < 100:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = count_from(source)
        again = subprocess.run(command(path, "--json"), cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        return done, again.returncode, json.loads(again.stdout)

    done, code, summary = await in_reader(kill_and_repeat)

    assert 100 <= done < 1500
    assert (code, summary["replayed"], summary["posted"], summary["failed"]) == (0, done, 1500 - done, 0)
    assert await in_reader(count_from, source) == 1500
    assert await balance_minor(api, target) == 150_000


async def test_a_terminal_sees_a_progress_bar_and_a_failed_line_the_exit_status(api: httpx.AsyncClient, tmp_path: Path) -> None:
    target = await merchant(api)
    path = write(tmp_path, f"{fresh()},nobody-at-all,{target},USD,1.00,,")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "DATABASE_URL": database_url(), "TERM": "xterm"}
    done = await in_reader(
        subprocess.run, command(path), cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=theirs, text=True, check=False
    )
    seen = os.read(ours, 100_000).decode()
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 1
    assert "importing" in seen
    assert "1 of 1 lines failed" in seen
    assert "failed: 1" in done.stdout


async def test_a_transfer_of_the_api_and_of_a_file_are_stored_alike(api: httpx.AsyncClient, tmp_path: Path) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    sent = (await transfer(api, source, target, 100, memo="x", headers=key())).json()
    _, (row,), _ = await in_reader(run, write(tmp_path, f"{fresh()},{source},{target},USD,1.00,x,"))
    imported = (await api.get(f"/transfers/{row['transfer_id']}")).json()
    assert {**imported, "id": 0, "created_at": 0, "entries": 0} == {**sent, "id": 0, "created_at": 0, "entries": 0}
