"""wrk as the generator of many cheap requests: it costs a few microseconds a request, where ``load`` costs forty.

wrk counts an answer that was slower than usual also for the requests that could have been sent meanwhile. So its tails are longer than
those of ``load``. Requests that are under way when the time is over are not counted, but they may have been carried out.
"""

from __future__ import annotations

import os
import re
import resource
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import load

_SCRIPT = Path(__file__).parent / "wrk.lua"
_TIMEOUT_S = 10


def have_wrk() -> bool:
    """Return whether there is one, after an attempt to install Debian's."""
    if shutil.which("wrk") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", "--no-install-recommends", "wrk"]):
            subprocess.run(command, env=environment, check=False, capture_output=True)
    return shutil.which("wrk") is not None


def run(port: int, requests: Sequence[bytes], *, connections: int, seconds: float) -> load.Result:
    """Send these requests in turn over so many connections, for whole seconds, and return what was measured.

    Answers are counted as 200, those from 400 on as 500, and connections that failed as 0.
    """
    with tempfile.NamedTemporaryFile(suffix=".requests") as file:
        for raw in requests:
            file.write(b"%d\n%s" % (len(raw), raw))
        file.flush()
        environment = os.environ | {"WRK_REQUESTS": file.name, "WRK_KEYS": f"{secrets.token_hex(6)}-"}
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", f"--timeout={_TIMEOUT_S}s", "-s", str(_SCRIPT)]
        output, cpu_s = _finish([*command, f"http://127.0.0.1:{port}/"], environment, seconds + 2 * _TIMEOUT_S)
    found = re.search(r"^measured (\d+) (\d+) (\d+) (\d+)$", output, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"wrk measured nothing: {output[-300:]}")
    duration_us, answers, refused, failed = map(int, found.groups())
    result = load.Result(duration_us / 1e6, generator_cpu_s=cpu_s)
    result.statuses.update({status: count for status, count in ((200, answers - refused), (500, refused), (0, failed)) if count})
    result.shares_s = {int(share) / 100: int(us) / 1e6 for share, us in re.findall(r"^latency (\d+) (\d+)$", output, re.MULTILINE)}
    return result


def _finish(command: list[str], environment: dict[str, str], timeout_s: float) -> tuple[str, float]:
    """Run a command to its end; return what it printed and the processor seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout + done.stderr, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
