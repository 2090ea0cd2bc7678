"""Keeps what failed in a file, for ``python -m tests``: loaded with ``-p`` by its lanes.

Each failure is written when it happens: a run that is ended in the middle has said what failed until then.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

FILE = "TEST_FAILURES"
"""The environment variable that names the file."""

MOST_CAPTURED = 3000
"""So many characters are kept of what a test wrote."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure: which test, in which part of it, and what pytest says of it."""

    test: str
    part: str
    text: str

    @property
    def name(self) -> str:
        """Return what to call it: the test, and the part where it is not the test itself."""
        return self.test if self.part == "call" else f"{self.test} ({self.part})"

    @property
    def reason(self) -> str:
        """Return the first line of the error that ended it."""
        errors = [line.removeprefix("E ").strip() for line in self.text.splitlines() if line.startswith(("E ", "FAIL ", "ERROR: "))]
        return errors[0] if errors else self.text.strip().rpartition("\n")[2]


def failures_in(file: Path) -> list[Failure]:
    """Return the failures in a file, in the order in which they happened."""
    if not file.exists():
        return []
    return [Failure(**json.loads(line)) for line in file.read_text().splitlines()]


def _keep(report: pytest.TestReport | pytest.CollectReport, part: str) -> None:
    file = os.environ.get(FILE)
    if not file or not report.failed:
        return
    captured = "".join(f"\n--- {title}, its end ---\n{text[-MOST_CAPTURED:]}" for title, text in report.sections)
    with Path(file).open("a") as lines:
        lines.write(json.dumps({"test": report.nodeid, "part": part, "text": report.longreprtext + captured}) + "\n")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the failure of a test, or of what is set up for it or taken down after it."""
    _keep(report, report.when or "call")


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Keep the failure of a file that could not be read."""
    _keep(report, "reading it")
