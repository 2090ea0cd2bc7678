"""Databases on the test server that are not made as ours: with another locale, with another encoding."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.support.factories import unique
from tests.support.service_role import owner_connection

_UTF8 = "TEMPLATE template0 ENCODING 'UTF8'"
TURKISH = (
    f"{_UTF8} LOCALE_PROVIDER icu ICU_LOCALE 'tr' LC_COLLATE 'C' LC_CTYPE 'C'",
    f"{_UTF8} LOCALE_PROVIDER libc LOCALE 'tr_TR.UTF-8'",
    f"{_UTF8} LOCALE_PROVIDER builtin LOCALE 'PG_UNICODE_FAST' LC_COLLATE 'C' LC_CTYPE 'C'",
)
"""``lower('I')`` is a dotless ı there. The embedded server has no ICU: it takes the system's locale, if one could be made, and at last
Unicode's own rules, by which ``lower`` of the Kelvin sign is k."""
LATIN = ("TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",)
BYTES = ("TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'",)


@contextmanager
def turkish_locale(folder: Path) -> Iterator[None]:
    """Have a server that is started in this block know the locale tr_TR, where the system can make it."""
    made = folder / "tr_TR.UTF-8"
    if not made.exists() and shutil.which("localedef"):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["localedef", "-i", "tr_TR", "-f", "UTF-8", str(made)], capture_output=True, check=False)
    if made.exists():
        os.environ["LOCPATH"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("LOCPATH", None)


@contextmanager
def foreign_database(options: tuple[str, ...]) -> Iterator[str]:
    """Have an empty database with the first of these options that the server knows, and return its URL."""
    name = unique("foreign").replace("-", "_")
    with owner_connection() as connection:
        connection.autocommit = True
        _create(connection, name, options)
        try:
            yield _url(connection, name)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _url(owner: psycopg.Connection[tuple[object, ...]], name: str) -> str:
    """Return the URL of a database as the owner of the test database, whatever role the tests have."""
    info = owner.info
    credentials = quote(info.user) + (f":{quote(info.password)}" if info.password else "")
    if info.host.startswith("/"):
        return f"postgresql://{credentials}@/{name}?host={quote(info.host, safe='')}"
    return f"postgresql://{credentials}@{info.host}:{info.port}/{name}"


def _create(connection: psycopg.Connection[tuple[object, ...]], name: str, options: tuple[str, ...]) -> None:
    *first, last = options
    for one in first:
        try:
            connection.execute(f'CREATE DATABASE "{name}" {one}')
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.WrongObjectType, psycopg.errors.InvalidParameterValue):
            continue
        return
    connection.execute(f'CREATE DATABASE "{name}" {last}')


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    """Return a connection for looking and for preparing things."""
    return psycopg.connect(url, autocommit=True)
