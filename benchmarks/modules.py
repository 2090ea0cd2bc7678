"""Measures that are modules of their own, each run by a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from benchmarks.machines import ROOT
from benchmarks.run import GROWTH, Proof, Run

_TIMEOUT_S = 900


def statement_part(run: Run) -> None:
    """Pages of a statement wherever they are in a long account."""
    run.statements = _printed(run, "benchmarks.statement_pages")


def reconcile_part(run: Run) -> None:
    """The proof of the whole ledger, and of what is new, beside the plain sum of the amounts."""
    printed = _printed(run, "benchmarks.reconcile_speed", str(min(GROWTH, 1_000_000)))
    run.proof = Proof(printed, *(_number(printed, pattern) for pattern in (r"\bratio ([\d.]+)", r"\bincremental / full ([\d.]+)")))


def _printed(run: Run, module: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        run.problems.append(f"{module} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


def _number(printed: str, pattern: str) -> float:
    found = re.search(pattern, printed)
    return float(found[1]) if found else float("nan")
