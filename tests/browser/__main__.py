"""``python -m tests.browser``: have a Chromium, then click through the admin with it.

Debian's chromium is installed where it is missing and can be. Where it cannot, that is said, and every test is skipped by its name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.environment import ROOT

CHROMIUM = Path("/usr/bin/chromium")


def have_chromium() -> bool:
    """Return whether there is one, after an attempt to install it."""
    if CHROMIUM.exists():
        return True
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium"]):
        if subprocess.run(command, env=environment, check=False).returncode:
            return False
    return CHROMIUM.exists()


def main() -> int:
    """Run the tests of this folder and return pytest's exit code."""
    if not have_chromium():
        bar = "!" * 100
        print(f"{bar}\n!! There is no {CHROMIUM}, and it could not be installed: the browser tests below are SKIPPED.\n{bar}", flush=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        "tests/browser/pytest.ini",
        "--rootdir",
        ".",
        "--confcutdir",
        ".",
        "tests/browser",
        *sys.argv[1:],
    ]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE": "true"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
