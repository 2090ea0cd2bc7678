"""``manage.py import_transfers``: a file of transfers, posted once however often it is imported."""

from __future__ import annotations

import asyncio
import csv
import fcntl
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
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from ledger_project.database.readers import in_reader
from tests.environment import ROOT
from tests.support.factories import balance_minor, key, merchant, transfer
from tests.support.own_servers import run_command
from tests.support.servers import database_url

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
        f"{fresh()},{source},{target},USD,1.00,{'m' * 200_000},",
        f'{fresh()},{source},{target},USD,"1,00",,',
    )

    summary, rows, complaint = await in_reader(run, path, multiline=True)

    assert [row["status"] if row["status"] != "failed" else row["code"] for row in rows] == [
        "posted",
        "merchant_not_found",
        "validation_error",
        "validation_error",
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
        "validation_error",
    ]
    assert [row["line"] for row in rows[:3]] == ["2", "4", "5"], "lines are counted as an editor does"
    assert [row["line"] for row in rows[-3:]] == ["16", "18", "19"], "a record is on the line on which it begins"
    assert {row["detail"] for row in rows[2:4]} == {"key: line 2 has this key already; in one file a key stands for one transfer"}
    assert all(row["detail"] for row in rows if row["status"] == "failed")
    assert (summary["posted"], summary["failed"]) == (2, 14)
    assert "14 of 16 lines failed" in complaint
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
        ("\u212aey,from,to,currency,amount", "columns missing: key"),
        ('key,from,to,currency,"amount', "line 1: the quote that opens cell 5 is not closed"),
    ],
)
def test_a_wrong_header_is_refused_before_anything_is_posted(tmp_path: Path, header: str, complaint: str) -> None:
    assert complaint in run(write(tmp_path, "a,b,c,d,e", header=header))[2]


def test_a_file_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    assert "No such file" in run(tmp_path / "nothing.csv")[2]


def damaged(first: str, second: str) -> list[tuple[bytes, str]]:
    """Files whose first payment is whole: none of them may post it, nor one that stands in a memo."""
    head = HEADER.encode() + b"\n"
    good, other = f"{first},one,".encode() + b"\n", f"{second},two,".encode() + b"\n"
    swapped = good.replace(b",USD,", b";USD;")
    return [
        (head + good + second.encode() + b',"memo,\n' + other, "line 3: "),
        (head + good + b'"' + second.encode() + b",memo,\n", "line 3: the quote that opens cell 1 is not closed"),
        (head + good + second.encode() + b',"memo" and more,\n', "line 3: cell 6 goes on after its closing quote"),
        (head + good + second.encode() + b',5" memo,\n', "line 3: cell 6 has a quote"),
        (
            head + good + second.encode() + b',"' + b"x" * 200_000 + b"\n" + other + b'",\n',
            "line 3: the quote that opens cell 6 is not closed; line breaks inside cells need --multiline",
        ),
        (head + good + second.encode() + b',"two\nlines",\n', "need --multiline"),
        (head + good + other.replace(b"two", b"tw\x00o"), "line 3: a NUL character"),
        (head + good + other.replace(b"two", "zwölf".encode("cp1252")), "line 3: byte 0xF6 at"),
        (head + good + b"\xef\xbb\xbf" + other, "line 3: a byte order mark"),
        ((head + good).replace(b"\n", b"\r"), "line 1: a carriage return"),
        ((head + good).replace(b",", b";"), "separated by semicolons"),
        ((head + good).replace(b",", b"\t"), "separated by tabs"),
        (b"sep=,\n" + head + good, "for a spreadsheet only"),
        (b"sep=;\n" + head + swapped, "for a spreadsheet only"),
        ((head + good).decode().encode("utf-16"), "UTF-16"),
        ((head + good).decode().encode("utf-16-be"), "UTF-16"),
        (b"PK\x03\x04" + head + good, "a workbook"),
        (b"", "the file is empty"),
    ]


async def test_of_a_file_that_can_be_read_in_two_ways_nothing_is_posted(api: httpx.AsyncClient, tmp_path: Path) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    line = f"{{}},{source},{target},USD,1.00"
    path = tmp_path / "damaged.csv"

    def refuse_all() -> None:
        for multiline in (False, True):
            for content, complaint in damaged(line.format(fresh()), line.format(fresh())):
                if multiline and "--multiline" in complaint:
                    continue
                path.write_bytes(content)
                summary, rows, said = run(path, multiline=multiline)
                assert (summary, rows) == ({}, []), content
                assert complaint in said or multiline, said
                assert "nothing of it was posted" in said
                assert "\n" not in said

    await in_reader(refuse_all)
    assert await balance_minor(api, target) == 0


async def test_what_a_file_asks_for_is_shown_before_anything_is_posted(api: httpx.AsyncClient, tmp_path: Path) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    same = fresh()
    ready = [f"{same},{source},{target},USD,1.50,,", f"{fresh()},{source},{target},USD,2.50,,", f"{fresh()},{source},{target},JPY,7,,"]
    wrong = [f"{same},{source},{target},USD,5.00,,", f"{fresh()},{source},{target},XXY,5.00,,", f"{fresh()},{source},{target},JPY,7.5,,"]
    path = write(tmp_path, *ready, "", *wrong)
    out = io.StringIO()

    asked, rows, complaint = await in_reader(run, path, dry_run=True)
    assert asked == {
        "lines": 8,
        "records": 6,
        "sums": [
            {"currency": "JPY", "records": 1, "amount": "7", "amount_minor": 7},
            {"currency": "USD", "records": 2, "amount": "4.00", "amount_minor": 400},
        ],
        "unreadable": 3,
    }
    assert (rows, complaint) == ([], "3 of 6 lines would fail by themselves.")
    assert await balance_minor(api, target) == 0

    path.write_text("\n".join([HEADER, *ready]))
    await in_reader(partial(call_command, "import_transfers", str(path), dry_run=True, stdout=out))
    assert out.getvalue().splitlines() == [
        "lines: 4, records: 3", "JPY 7 in 1 records", "USD 4.00 in 2 records", "The last line has no line end: is the file whole?",
    ]  # fmt: skip
    assert not path.with_name(path.name + ".result.csv").exists()


async def test_a_pipe_is_read_to_its_end_before_anything_is_posted(api: httpx.AsyncClient, tmp_path: Path) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    async def send(*lines: str) -> tuple[dict[str, Any], list[dict[str, str]], str]:
        content = "\n".join([HEADER, *lines, ""])
        (done, _) = await asyncio.gather(in_reader(run, pipe, batch_size=2), asyncio.to_thread(pipe.write_text, content))
        return done

    lines = [f"{fresh()},{source},{target},USD,1.00,," for _ in range(5)]
    _, rows, complaint = await send(*lines, f'{fresh()},{source},{target},USD,1.00,"open,')
    assert (rows, "line 7: the quote" in complaint, await balance_minor(api, target)) == ([], True, 0)
    summary, rows, _ = await send(*lines)
    assert (summary["posted"], len(rows), await balance_minor(api, target)) == (5, 5, 500)


def test_a_file_that_changes_after_it_was_checked_stops_the_import(tmp_path: Path) -> None:
    path = write(tmp_path, *[f"{fresh()},nobody,no-one,USD,1.00,," for _ in range(4)])

    class Changing(io.StringIO):
        def write(self, text: str) -> int:
            with path.open("a") as file:
                file.write(f"{fresh()},nobody,no-one,USD,1000.00,,\n")
            return super().write(text)

    with pytest.raises(CommandError, match="stopped before line 2: somebody changed the file") as stopped:
        call_command("import_transfers", str(path), stdout=Changing())
    assert stopped.value.returncode == 2


async def test_a_file_that_changes_while_it_is_posted_stops_the_import(api: httpx.AsyncClient, tmp_path: Path) -> None:
    """The next batch is read ahead. What was read before the change was checked: it is posted; nothing that was read after it is."""
    source, target = await merchant(api, "100"), await merchant(api)
    path = write(tmp_path, *[f"{fresh()}{'k' * 200},{source},{target},USD,1.00,," for _ in range(40)])
    result = path.with_name("changed.csv")
    os.mkfifo(result)

    def change_once_something_was_posted() -> None:
        rows = os.open(result, os.O_RDONLY)
        fcntl.fcntl(rows, fcntl.F_SETPIPE_SZ, 4096)  # too small for all rows: the import cannot end before the change
        seen = b""
        while seen.count(b"\n") < 2:
            seen += os.read(rows, 100)
        with path.open("a") as file:
            file.write(f"{fresh()},{source},{target},USD,50.00,,\n")
        while os.read(rows, 4096):
            pass
        os.close(rows)

    changing = asyncio.ensure_future(asyncio.to_thread(change_once_something_was_posted))
    with pytest.raises(CommandError, match=r"stopped before line \d+: somebody changed the file") as stopped:
        await in_reader(call_command, "import_transfers", str(path), result=result, batch_size=1, stdout=io.StringIO())
    await changing
    assert stopped.value.returncode == 2
    assert await balance_minor(api, target) in range(100, 4000)


async def test_a_key_is_known_again_in_a_later_batch_and_in_a_later_part_of_the_check(api: httpx.AsyncClient, tmp_path: Path) -> None:
    source, target, same = await merchant(api, "100"), await merchant(api), fresh()
    others = [f"{fresh()},{source},nobody,USD,1.00,," for _ in range(1200)]
    path = write(tmp_path, f"{same},{source},{target},USD,1.00,,", *others, f"{same},{source},{target},USD,5.00,,", others[-1])

    _, rows, _ = await in_reader(run, path)

    assert [(row["line"], row["code"], row["detail"]) for row in rows[-2:]] == [
        ("1203", "validation_error", "key: line 2 has this key already; in one file a key stands for one transfer"),
        ("1204", "validation_error", "key: line 1202 has this key already; in one file a key stands for one transfer"),
    ]
    assert (len(rows), await balance_minor(api, target)) == (1203, 100)


def test_the_result_is_never_written_over_the_file_or_among_devices(tmp_path: Path) -> None:
    path = write(tmp_path)
    again = tmp_path / "again.csv"
    again.hardlink_to(path)
    with pytest.raises(CommandError, match="must not be the file itself"):
        call_command("import_transfers", str(path), result=again)
    with pytest.raises(CommandError, match="--result"):
        call_command("import_transfers", "/dev/null")
    with pytest.raises(CommandError, match="missing/x.csv: No such file"):
        call_command("import_transfers", str(path), result=tmp_path / "missing" / "x.csv", stdout=io.StringIO())
    with pytest.raises(CommandError, match="/dev/full: No space left on device"):
        call_command("import_transfers", str(path), result=Path("/dev/full"), stdout=io.StringIO())


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
        process = subprocess.Popen(command(path, "--batch-size", "5"), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        while count_from(source) < 100:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = count_from(source)
        again = run_command(database_url(), "import_transfers", str(path), "--json")
        return done, again.code, json.loads(again.out)

    done, code, summary = await in_reader(kill_and_repeat)

    assert 100 <= done < 1500
    assert summary["replayed"] - done in {0, 5}, "a commit that was sent before the kill may have ended after the count"
    assert (code, summary["replayed"] + summary["posted"], summary["failed"]) == (0, 1500, 0)
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
