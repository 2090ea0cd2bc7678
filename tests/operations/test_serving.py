"""``manage.py serve``: what its first run makes, and that it ends in order when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.environment import ROOT
from tests.support.servers import Service, database_url, wait_until_ready


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
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
        out, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert "Traceback" not in errors
    assert out.endswith("Stopped.\n")  # said after the embedded database was stopped, where there is one
    assert process.returncode == 0


def test_the_first_run_has_the_demo_that_its_examples_speak_of_and_a_second_run_keeps_it(tmp_path: Path) -> None:
    found = [_what_a_run_has(tmp_path) for _ in range(2)]
    assert found[0] == found[1]
    balances, transfers = found[0]
    assert {row["currency"] for row in balances} >= {"USD", "EUR"}
    assert len(transfers) == 50


def _what_a_run_has(folder: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Run ``manage.py serve`` with an embedded database in a folder; return a demo merchant's balances and the newest transfers."""
    service = Service(url="postgresql://none/none")  # for its port and its wait
    env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    env |= {"LEDGER_DATA_DIR": str(folder), "PORT": str(service.port), "WORKERS": "1", "LEDGER_LOG_LEVEL": "CRITICAL"}
    process = subprocess.Popen([sys.executable, "manage.py", "serve"], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    try:
        wait_until_ready(service.base_url, timeout_s=120)
        with httpx.Client(base_url=service.base_url) as client:
            balances = client.get("/merchants/alice_store/balance").json()["balances"]
            transfers = [row["id"] for row in client.get("/transfers").json()["items"]]
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "demo login: admin / admin" in said
    return balances, transfers
