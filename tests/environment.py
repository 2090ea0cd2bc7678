"""The environment of a test run, set before Django's settings are read: loaded with ``-p`` from pyproject.toml.

The database is TEST_DATABASE_URL's server, or an embedded one in a folder of its own. ``TEST_LANE`` names one of several runs that go on
side by side (``python -m tests``): each has a server, or a database, of its own.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LANE = os.environ.get("TEST_LANE", "")
IS_LONG = os.environ.get("TEST_LENGTH") == "long"
"""Whether tests that have a short form and a long one take the long one (tests/support/lengths.py)."""
DATA_DIR = ROOT / (f".data-test-{LANE}" if LANE else ".data-test")

os.environ["LEDGER_DATA_DIR"] = str(DATA_DIR)
os.environ["SECRET_KEY"] = "a-key-for-tests-only"
os.environ["LEDGER_LOG_LEVEL"] = os.environ.get("TEST_LOG_LEVEL", "CRITICAL")
os.environ["LEDGER_AUTH"] = "open"  # the tests of authentication set it to required
os.environ["LEDGER_BIND"] = "127.0.0.1"  # where tests/support/servers.py binds
os.environ.pop("DATABASE_URL", None)
if os.environ.get("TEST_DATABASE_URL"):
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]

# A shell without job control has what it starts in the background ignore SIGINT, and so do all processes that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# --- what costs much time of the processor and proves nothing -------------------------------------

# A run starts 150 processes, and each of them would compile every module of the ledger.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# httpx reads the certificates of all authorities for each client, which takes 30 ms.
# No test speaks TLS, so a folder without any is enough.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = str(DATA_DIR / "no-certificates")

# httpcore imports sniffio four times a request.
# Where sniffio is not installed, all of sys.path is searched for it each time.
if "sniffio" not in sys.modules and find_spec("sniffio") is None:
    sys.modules["sniffio"] = None
