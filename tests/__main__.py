"""``python -m tests``: every test, in three lanes side by side. Exit code 0 if all passed.

Each lane has a database of its own. Tests wait for databases, locks and processes half of the
time, so three lanes keep two cores busy. The lanes need about the same CPU time, 200 s each.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from tests.browser.__main__ import have_chromium
from tests.environment import ROOT
from tests.generators import have_generators

PYTEST = [sys.executable, "-m", "pytest"]
FAULTS = ("tests/faults", "tests/history", "tests/operations")
SERVICES = ("tests/unit", "tests/services")
FUZZ = "tests/fuzz"
EXAMPLES = ("tests/examples", "tests/generators")
"""The folders of the first two lanes. The third one has all others, new folders too."""

# As the database role that the service has in production.
# The other lanes break things, as the owner of the tables.
AS_SERVICE = ["env", "TEST_AS_SERVICE_ROLE=1"]

LANES: dict[str, list[list[str]]] = {
    "faults": [[*PYTEST, *FAULTS], [*AS_SERVICE, *PYTEST, *EXAMPLES]],
    "services": [
        [*PYTEST, "tests/unit", "--cov", "--cov-report=term-missing:skip-covered"],
        [*PYTEST, "tests/services"],
        [*AS_SERVICE, *PYTEST, FUZZ],
        [sys.executable, "-m", "tests.browser"],
    ],
    "api": [[*AS_SERVICE, *PYTEST, "--ignore=tests/browser", *[f"--ignore={folder}" for folder in (*FAULTS, *SERVICES, FUZZ, *EXAMPLES)]]],
}


@dataclass
class Lane:
    """Commands that run one after the other; the first that fails ends the lane."""

    name: str
    commands: list[list[str]]
    exit_code: int = -1
    seconds: float = 0

    def run(self) -> None:
        """Run them, passing on what they say line by line."""
        started = time.monotonic()
        environment = {**os.environ, "TEST_LANE": self.name, "PYTHONUNBUFFERED": "1"}
        for command in self.commands:
            with subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
            ) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    print(f"{self.name:>8} | {line}", end="", flush=True)
            self.exit_code = process.returncode
            if self.exit_code:
                break
        self.seconds = time.monotonic() - started


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
    return 0 if all(lane.exit_code == 0 for lane in lanes) else 1


if __name__ == "__main__":
    sys.exit(main())
