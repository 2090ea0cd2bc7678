"""``manage.py serve``: what its first run makes, and that it ends in order when it is told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.environment import ROOT
from tests.operations.test_embedded_places import removed
from tests.support.servers import Service, database_url, free_port, wait_until_ready


@pytest.mark.parametrize(("workers", "sent"), [(1, signal.SIGTERM), (2, signal.SIGINT)])
def test_it_stops_without_a_traceback(ledger: None, workers: int, sent: signal.Signals) -> None:
    del ledger
    service = Service(workers=workers)
    env = {**os.environ, "DATABASE_URL": database_url(), "PORT": str(service.port), "WORKERS": str(workers), "LEDGER_LOG_LEVEL": "CRITICAL"}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve"], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        service.wait_ready()
        process.send_signal(sent)
        out, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "Traceback" not in errors
    assert out.endswith("Stopped.\n")  # said after the embedded database was stopped, where there is one
    assert process.returncode == 0


@contextmanager
def running(**environment: str) -> Iterator[tuple[str, list[str]]]:
    """Have ``manage.py serve`` run with these settings: its address, and the lines that it says at the start."""
    port = free_port()
    env = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "LEDGER_AUTH", "LEDGER_HTTPS"}}
    env |= {"PORT": str(port), "WORKERS": "1", "LEDGER_LOG_LEVEL": "CRITICAL"} | environment
    process = subprocess.Popen([sys.executable, "manage.py", "serve"], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = list(iter(process.stdout.readline, "  Ctrl-C stops it.\n"))
        wait_until_ready(f"http://127.0.0.1:{port}", timeout_s=120)
        yield f"http://127.0.0.1:{port}", said
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        process.kill()


def told(said: list[str], name: str) -> str:
    """Return what the start says of something."""
    return next(line.split(name, 1)[1].strip() for line in said if line.strip().startswith(name))


def tried(said: list[str], **environment: str) -> list[dict[str, Any]]:
    """Do what the start says to try, as a person would in another shell; return the answers."""
    first = next(number for number, line in enumerate(said) if line.strip().startswith("Try"))
    commands = [line.strip() for line in said[first + 1 :] if line.strip()]
    env = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "LEDGER_DATA_DIR"}} | environment
    script = "".join(f"{command}; echo\n" for command in commands)
    done = subprocess.run(["sh", "-ec", script], cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=120)
    return [json.loads(line) for line in done.stdout.splitlines() if line]


def assert_worked(answers: list[dict[str, Any]]) -> None:
    *merchants, transfer, balance = answers
    assert [merchant["status"] for merchant in merchants] == ["active"] * len(merchants), answers
    assert (transfer["status"], transfer["amount"], transfer["from_merchant"]) == ("posted", "20.00", merchants[0]["merchant_name"])
    assert balance["balances"][0]["balance"] == "79.80"


def test_the_first_run_has_the_demo_and_each_run_says_what_is_true(tmp_path: Path) -> None:
    """What it says to try works as it is, in each mode; the second run keeps what the first one made."""
    folder = str(tmp_path / "it's data")
    with running(LEDGER_DATA_DIR=folder) as (base, said), httpx.Client(base_url=base, timeout=30) as client:
        assert told(said, "Admin") == f"{base}/admin/   (demo login: admin / admin)"
        assert told(said, "Callers").startswith("need no credential")
        assert told(said, "Data").startswith(folder if Path(folder, "server").exists() or os.geteuid() else "/var/lib/")
        balances = client.get("/merchants/alice_store/balance").json()["balances"]
        assert {row["currency"] for row in balances} >= {"USD", "EUR"}
        assert len(client.get("/transfers").json()["items"]) == 50
        assert_worked(tried(said))
        transfers = [row["id"] for row in client.get("/transfers").json()["items"]]
        assert client.get("/admin/").headers["location"] == "/admin/login/?next=/admin/"
    with running(LEDGER_DATA_DIR=folder, LEDGER_AUTH="required") as (base, said), httpx.Client(base_url=base, timeout=30) as client:
        assert told(said, "Callers").startswith("need a credential")
        assert client.get("/transfers").status_code == 401
        answers = tried(said)
        assert_worked(answers)
        assert answers[0]["merchant_name"] == "dave", "the first run has made carol"
        assert client.get("/admin/").headers["location"] == "/admin/login/?next=/admin/"
        key = {"Authorization": f"Bearer {api_key(folder)}"}
        assert set(transfers) & {row["id"] for row in client.get("/transfers", headers=key).json()["items"]}
    assert removed(tmp_path / "it's data") in ([], [f"removed {told(said, 'Data').partition(' ')[0]}"])


def api_key(folder: str) -> str:
    """Make a key in an embedded database."""
    env = {**os.environ, "LEDGER_DATA_DIR": folder}
    command = [sys.executable, "manage.py", "api_key", "create", "test", "--platform"]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout.strip()


def test_with_a_database_of_ones_own_it_says_what_is_true_as_well(ledger: None) -> None:
    """Nobody has loaded a demo there: the calls make both merchants, and the admin's link leads to a page without TLS."""
    del ledger
    database = {"DATABASE_URL": database_url(), "SECRET_KEY": os.environ["SECRET_KEY"]}
    with running(LEDGER_AUTH="required", **database) as (base, said):
        answers = tried(said, **database)
        assert_worked(answers)
        assert httpx.get(f"{base}/admin/", timeout=30).headers["location"] == "/admin/login/?next=/admin/"
        assert "manage.py setup" in told(said, "Admin")
    with running(LEDGER_AUTH="required", LEDGER_HTTPS="true", **database) as (base, said):
        assert told(said, "Admin").startswith("/admin/ behind your proxy, by https only")
        assert httpx.get(f"{base}/admin/", timeout=30).headers["location"] == f"{base.replace('http:', 'https:')}/admin/"
