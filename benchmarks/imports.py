"""``import_transfers`` beside the batch call of 1,000, in turn, on the same journal."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import load, names
from benchmarks.machines import ROOT, ledger
from benchmarks.measuring import Measure, Sample, Unexpected, over_http
from benchmarks.requests import batch, many, name
from benchmarks.run import Import, Run
from benchmarks.setup import register

LINES = 20_000
BATCH = 1_000
_TIMEOUT_S = 120


def import_part(run: Run) -> None:
    """Import a file, call the batch, and again. The service runs all the while and is idle while a file is imported."""
    url = run.database.create("import")
    with ledger(url, 2) as served:
        register(served, run.tally, "import")
        doing = over_http(run.database, served, batch(many, BATCH), connections=4, tally=run.tally, tallied_as="import", per_request=BATCH)
        measures = [Measure(names.IMPORT, lambda _seconds: _import(run, url)), Measure(names.BATCH_BESIDE_IMPORT, doing)]
        run.rounds(f"Import of {LINES:,} lines", measures, run.measures)
        run.check("import", url)


def _import(run: Run, url: str) -> Sample:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "transfers.csv"
        _write(path)
        command = [sys.executable, "manage.py", "import_transfers", str(path), "--json"]
        environment = os.environ | {"DATABASE_URL": url, "SECRET_KEY": "x", "LEDGER_AUTH": "open", "LEDGER_BIND": "127.0.0.1"}
        began = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        process_s = time.monotonic() - began
    if done.returncode:
        raise Unexpected(f"import_transfers ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    summary = json.loads(done.stdout.strip().splitlines()[-1])
    if summary["posted"] != LINES:
        raise Unexpected(f"import_transfers: {summary}")
    run.tally.acknowledged["import"] += LINES
    run.imports.append(Import(LINES, float(summary["seconds"]), process_s))
    return Sample(LINES, float(summary["seconds"]))


def _write(path: Path) -> None:
    dice = random.Random()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "from", "to", "currency", "amount"])
        for _ in range(LINES):
            source, target = many(dice)
            writer.writerow([load.new_key(), name(source), name(target), "USD", "1.00"])
