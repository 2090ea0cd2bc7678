"""``python -m benchmarks.beside PORT RATE SECONDS``: transfers at a rate, by a process of their own, beside what is measured.

Prints a line when it begins, and a line of JSON with the answers by status when it is over.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable

from benchmarks import load
from benchmarks.requests import many, single

CONNECTIONS = 64
_LONGER_S = 0.5
_TIMEOUT_S = 60


def beside_postings(
    doing: Callable[[float], load.Result], port: int, rate: Callable[[], float], count: Callable[[int], None]
) -> Callable[[float], load.Result]:
    """Return what runs a round while so many transfers a second are posted, and counts these; ``RuntimeError`` if one of them fails."""

    def run(seconds: float) -> load.Result:
        if math.isnan(rate()):
            raise RuntimeError("the rate of postings was not measured")
        command = [sys.executable, "-m", "benchmarks.beside", str(port), str(rate()), str(seconds + _LONGER_S)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                process.stdout.readline()
                result = doing(seconds)
                answers, _ = process.communicate(timeout=seconds + _TIMEOUT_S)
            finally:
                process.kill()
        statuses = json.loads(answers)
        if set(statuses) != {"201"}:
            raise RuntimeError(f"the postings beside were answered {statuses}")
        count(statuses["201"])
        return result

    return run


def main() -> None:
    """Post."""
    port, rate, seconds = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    print("begun", flush=True)
    result = load.run(port, single(many), connections=CONNECTIONS, seconds=seconds, rate=rate)
    print(json.dumps(result.statuses))


if __name__ == "__main__":
    main()
