"""What ``manage.py serve`` says when it is ready: where everything is, and calls that work as they
are.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model

from ledger_project.database.embedded import EmbeddedPostgres
from merchants.domain import Status
from merchants.models import Merchant
from merchants.selectors import identify_now

_PAYERS = ("carol", "dave", "erin", "frank", "grace")
_PAYEE = "alice_store"
"""A merchant of the demo."""

_CALLERS = {
    "open": "need no credential (LEDGER_AUTH=open: anybody on this machine can move money; nobody else can reach it)",
    "required": "need a credential (LEDGER_AUTH=required)",
}


def banner(port: int) -> str:
    """Return the lines. It reads the database: they name merchants and users that exist."""
    base = f"http://127.0.0.1:{port}"
    places = {
        "Ledger is at": base,
        "Your wallets": f"{base}/app/",
        "API docs": f"{base}/docs",
        "Admin": _admin(base),
        "Callers": _CALLERS[settings.LEDGER_AUTH],
    }
    if settings.LEDGER_EMBEDDED:
        places["Data"] = _data()
    lines = [f"  {name:14} {what}" for name, what in places.items()]
    return "\n".join(["", *lines, "", *(f"  {line}" for line in _calls(base)), "", "  Ctrl-C stops it.", ""])


def _manage() -> str:
    """Return how this checkout's ``manage.py`` is called, from the folder of this process."""
    interpreter = Path(sys.executable)
    shown = interpreter.relative_to(Path.cwd()) if interpreter.is_relative_to(Path.cwd()) else interpreter
    return f"{shlex.quote(str(shown))} manage.py"


def _with_environment(command: str) -> str:
    """Return a command that finds the same embedded database in another shell."""
    folder = os.environ.get("LEDGER_DATA_DIR") if settings.LEDGER_EMBEDDED else None
    return f"LEDGER_DATA_DIR={shlex.quote(folder)} {command}" if folder else command


def _admin(base: str) -> str:
    if settings.LEDGER_HTTPS:
        return "/admin/ behind your proxy, by https only (LEDGER_HTTPS)"
    superusers = get_user_model().objects.filter(is_superuser=True, is_active=True)
    demo = superusers.filter(username="admin").first()
    if demo is not None and demo.check_password("admin"):
        return f"{base}/admin/   (demo login: admin / admin)"
    setup = _with_environment(f"{_manage()} setup")
    return f"{base}/admin/   ({setup} {'shows' if superusers.exists() else 'makes'} the first operator)"


def _data() -> str:
    home = EmbeddedPostgres(settings.LEDGER_DATA_DIR).home
    if home.is_relative_to(settings.LEDGER_DATA_DIR):
        return str(settings.LEDGER_DATA_DIR)
    return f"{home}   (the database's user cannot reach {settings.LEDGER_DATA_DIR}; make clean removes both)"


def _calls(base: str) -> Iterator[str]:
    """Yield commands to copy: a new merchant with money pays one that exists."""
    needs_key = settings.LEDGER_AUTH == "required"
    yield "Try:" if settings.LEDGER_EMBEDDED or not needs_key else "Try, in a shell with the same DATABASE_URL and SECRET_KEY:"
    if needs_key:
        yield f"KEY=$({_with_environment(f'{_manage()} api_key create trying-out --platform')})"
    credential = ' -H "Authorization: Bearer $KEY"' if needs_key else ""
    payer, payee = _free_names()
    is_there = Merchant.objects.filter(name=_PAYEE, status=Status.ACTIVE).exists()
    payee = _PAYEE if is_there else payee
    yield _post(base, "/merchants", credential, {"merchant_name": payer, "currency": "USD", "initial_balance": "100.00"})
    if not is_there:
        yield _post(base, "/merchants", credential, {"merchant_name": payee})
    transfer = {"from_merchant": payer, "to_merchant": payee, "currency": "USD", "amount": "20.00"}
    yield _post(base, "/transfers", f"{credential} -H 'Idempotency-Key: first-of-{payer}'", transfer)
    yield f"curl -s {base}/merchants/{payer}/balance{credential}"


def _post(base: str, path: str, headers: str, body: dict[str, str]) -> str:
    return f"curl -s {base}{path}{headers} -H 'Content-Type: application/json' -d {shlex.quote(json.dumps(body))}"


def _free_names() -> tuple[str, str]:
    """Return two names that no merchant has."""
    known, number = identify_now(names=_PAYERS), secrets.token_hex(3)
    free = [name for name in _PAYERS if known.merchant(name) is None]
    payer, payee, *_ = [*free, f"carol-{number}", f"dave-{number}"]
    return payer, payee
