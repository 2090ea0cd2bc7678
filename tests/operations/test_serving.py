"""``manage.py serve`` ends in order when it is told to, however it is told and with any number of workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.environment import ROOT
from tests.support.servers import Service, database_url


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
