"""``python -m tests``: every test, in three lanes side by side. Exit code 0 if all passed.

What failed is said once more after all lanes, and its names at the very end.

Each lane has a database of its own. Tests wait for databases, locks and processes half of the
time, so three lanes keep two cores busy. The lanes take about the same time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from tests.browser.__main__ import have_chromium
from tests.environment import ROOT
from tests.failure_reports import FILE, Failure, failures_in
from tests.generators import have_generators

PYTEST = [sys.executable, "-m", "pytest", "-p", "tests.failure_reports"]
FAULTS = ("tests/faults", "tests/history", "tests/operations")
SERVICES = ("tests/unit", "tests/services")
FUZZ = "tests/fuzz"
EXAMPLES = ("tests/examples", "tests/generators")
"""Folders that are named. The lane ``api`` has all others, new folders too."""

# As the database role that the service has in production.
# The other lanes break things, as the owner of the tables.
AS_SERVICE = ["env", "TEST_AS_SERVICE_ROLE=1"]

LANES: dict[str, list[list[str]]] = {
    "faults": [[*PYTEST, *FAULTS], [*AS_SERVICE, *PYTEST, *EXAMPLES, FUZZ]],
    "services": [
        [*PYTEST, "tests/services"],
        [sys.executable, "-m", "tests.browser", "-p", "tests.failure_reports"],
    ],
    "api": [
        [*AS_SERVICE, *PYTEST, "--ignore=tests/browser", *[f"--ignore={folder}" for folder in (*FAULTS, *SERVICES, FUZZ, *EXAMPLES)]],
        [*PYTEST, "tests/unit", "--cov", "--cov-report=term-missing:skip-covered"],
    ],
}


MOST_LINES = 150
"""So much of a failure is said again at the end."""

MOST_FAILURES = 10
"""So many failures of a lane are said again whole; of the others there is a line."""


@dataclass
class Lane:
    """Commands that run one after the other, also after one that failed: one run says all that is wrong."""

    name: str
    commands: list[list[str]]
    failures: list[Failure] = field(default_factory=list)
    exit_code: int = -1
    """The exit code of the first command that failed, 0 if none did, -1 as long as it runs."""
    seconds: float = 0

    def run(self) -> None:
        """Run them, passing on what they say line by line."""
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            codes = [self._run_one(command, Path(folder) / str(number)) for number, command in enumerate(self.commands)]
        self.exit_code = next((code for code in codes if code), 0)
        self.seconds = time.monotonic() - started

    def _run_one(self, command: list[str], failures_file: Path) -> int:
        said: deque[str] = deque(maxlen=MOST_LINES)
        environment = {**os.environ, "TEST_LANE": self.name, FILE: str(failures_file), "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(f"{self.name:>8} | {line}", end="", flush=True)
                said.append(line)
        failures = failures_in(failures_file)
        if process.returncode and not failures:  # coverage, or the process was killed
            failures = [Failure(test=" ".join(command), part="call", text="".join(said))]
        self.failures += failures
        return process.returncode


def _say_failures(lanes: list[Lane]) -> None:
    """Print what failed once more, and then a line for each failure, so that the end of a log tells it."""
    for lane in lanes:
        for failure in lane.failures[:MOST_FAILURES]:
            print(f"\n{'=' * 20} {lane.name}: {failure.name} {'=' * 20}")
            print("\n".join(failure.text.splitlines()[-MOST_LINES:]))
    print()
    for lane in lanes:
        for failure in lane.failures:
            print(f"{lane.name:>8}: FAILED {failure.name}: {failure.reason[:300]}")


def main() -> int:
    """Run all lanes and return an exit code."""
    have_generators()
    have_chromium()  # before the lanes: some tests of each would use it, and apt may run once at a time
    lanes = [Lane(name, commands) for name, commands in LANES.items()]
    threads = [threading.Thread(target=lane.run) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for lane in lanes:
        print(f"{lane.name:>8}: {'passed' if lane.exit_code == 0 else f'FAILED with exit code {lane.exit_code}'} in {lane.seconds:.0f} s")
    failed = [lane for lane in lanes if lane.exit_code]
    if failed:
        _say_failures(failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
