"""Run the tests as the role that the service has in production: ``TEST_AS_SERVICE_ROLE=1``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import connections

ROLE = "ledger_service_test"

_owner: dict[str, str] = {}


def owner_connection() -> psycopg.Connection[Any]:
    """Return a connection as the owner of the tables, for what no role of the service may do."""
    settings = connections["default"].settings_dict | _owner
    port = {"port": settings["PORT"]} if settings["PORT"] else {}
    return psycopg.connect(host=settings["HOST"], dbname=settings["NAME"], user=settings["USER"], password=settings["PASSWORD"], **port)


@contextmanager
def confined() -> Iterator[None]:
    """Have every connection that is made in this block be the service role's, if the environment asks for it."""
    if os.environ.get("TEST_AS_SERVICE_ROLE") != "1":
        yield
        return
    call_command("create_roles", role=ROLE, stdout=StringIO())
    settings = connections["default"].settings_dict
    owner, password = settings["USER"], settings["PASSWORD"]
    _owner.update(USER=owner, PASSWORD=password)
    _become(ROLE, os.environ.get("LEDGER_SERVICE_PASSWORD", ""))
    try:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT current_user")
            assert cursor.fetchone() == (ROLE,), "the tests do not run as the service role"
        yield
    finally:
        _become(owner, password)


def _become(user: str, password: str) -> None:
    connections.close_all()
    connections["default"].close_pool()
    connections["default"].settings_dict |= {"USER": user, "PASSWORD": password}
