"""Where the database is: the server that ``DATABASE_URL`` names, or the embedded one."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import psycopg

from ledger_project.database.embedded import EmbeddedPostgres
from ledger_project.kernel.configuration import ConfigurationError


def connection_settings(database_url: str, *, data_dir: Path, pool_max_size: int) -> dict[str, Any]:
    """Return Django's settings of the connection. Raises ``ConfigurationError``."""
    pool = {"min_size": 0, "max_size": pool_max_size, "timeout": 4, "max_idle": 60}
    if not database_url:
        server = EmbeddedPostgres(data_dir)
        place: dict[str, Any] = {"NAME": server.DATABASE, "USER": "postgres", "HOST": str(server.socket_dir), "PORT": ""}
        options: dict[str, str] = {}
    else:
        place, options = _place_of(database_url)
    return {
        "ENGINE": "ledger_project.database.backend",
        # The pool keeps connections; Django must not keep them as well.
        "CONN_MAX_AGE": 0,
        # A dead connection in the pool is found before its use.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**_LIVENESS, "pool": pool, **options},
        "TEST": {"TEMPLATE": "template0"},
        **place,
    }


_LIVENESS = {
    "connect_timeout": 5,
    "application_name": "ledger",
    # A dead peer is noticed within half a minute, not after two hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def _place_of(database_url: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the server, database and user of a URL, and the options of its query.

    Raises ``ConfigurationError``.

    The options are libpq's and are passed on as they are: several hosts with
    ``target_session_attrs=read-write`` work.
    """
    parts = _split(database_url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    pairs = [host.rpartition(":") if ":" in host.rsplit("]")[-1] else (host, "", "") for host in hosts.split(",")]
    for port in [port for _, _, port in pairs if port]:
        if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
            raise ConfigurationError(f"DATABASE_URL has the port {port!r}; a number from 1 to 65535 is expected")
    user, _, password = credentials.partition(":")
    options = _options_of(parts.query)
    place = {
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(user) or options.get("user", ""),
        "PASSWORD": unquote(password) or options.get("password", ""),
        "HOST": ",".join(unquote(host.strip("[]")) for host, _, _ in pairs) or options.get("host", ""),
        "PORT": ",".join(port or "5432" for _, _, port in pairs) if hosts else options.get("port", ""),
    }
    return place, {name: value for name, value in options.items() if name not in {"host", "port", "user", "password"}}


def _split(database_url: str) -> SplitResult:
    """Return the parts of a PostgreSQL URL. Raises ``ConfigurationError``."""
    try:
        parts = urlsplit(database_url)
        if parts.scheme in {"postgres", "postgresql"} and parts.path.strip("/") and not parts.fragment:
            return parts
    except ValueError:
        pass  # brackets that do not match
    raise ConfigurationError(
        "DATABASE_URL is not a PostgreSQL URL; it looks like postgresql://user:password@host:5432/database, and a # or / in the "
        "password is written %23 or %2F"
    )


def _options_of(query: str) -> dict[str, str]:
    """Return the options of a URL's query.

    Raises ``ConfigurationError`` for an option that libpq does not know, or that comes twice.

    libpq refuses them too, but at each connection: here the message is one line at the start.
    Django would take its own options from the query, and would leave out an option without a value.
    """
    options: dict[str, str] = {}
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()} - {"dbname"}
    for part in query.split("&") if query else []:
        name, equals, value = (unquote(text) for text in part.partition("="))
        if name not in known:
            advice = "the database's name is the path" if name == "dbname" else "only options of libpq, such as sslmode, can stand there"
            raise ConfigurationError(f"DATABASE_URL has the option {name!r}, which PostgreSQL's client library does not take; {advice}")
        if not equals or not value or "\x00" in value:
            raise ConfigurationError(f"DATABASE_URL has the option {name!r} without a value")
        if name in options:
            raise ConfigurationError(f"DATABASE_URL has the option {name!r} twice")
        options[name] = value
    return options
