"""The logs of all servers that a test run starts, looked through for secrets when it is over."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.environment import DATA_DIR

LOGS = DATA_DIR / "logs"

LOGGING = {"LEDGER_LOG_LEVEL": "INFO", "LEDGER_LOG_FORMAT": "json"}
"""How those servers log: as in production."""

PLANTED = "planted-"
"""How the secrets begin that tests send, the idempotency keys of ``factories.key`` among them."""

SECRETS = {
    "planted secret": re.compile(PLANTED.encode()),
    "API key": re.compile(rb"lk_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{43}"),
    "token": re.compile(rb"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}"),
    "private key": re.compile(rb"PRIVATE KEY-----"),
    "SECRET_KEY": re.compile(rb"a-key-for-tests-only"),
}


def forget_logs() -> None:
    """Remove the logs of the run before."""
    shutil.rmtree(LOGS, ignore_errors=True)


def check_logs(folder: Path = LOGS) -> None:
    """Assert that there are request lines in the logs, if there are logs, and no secrets."""
    logs = {path: path.read_bytes() for path in sorted(folder.glob("*.log"))}
    assert not logs or any(b'"ledger.request"' in text for text in logs.values()), "no server logged a request"
    found = [
        f"{name} in {path.name}: {text[max(0, match.start() - 200) : match.start() + 12]!r}"
        for path, text in logs.items()
        for name, pattern in SECRETS.items()
        if (match := pattern.search(text))
    ]
    assert not found, "\n".join(found)
