"""Connections with the session settings that the ledger relies on.

They are set by one statement for each connection: poolers refuse libpq's ``options``. Settings that
every posting needs are set in its transaction as well (``transfers/posting/sql.py``:
BEGIN_POSTING).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.backends.postgresql import base

KEEPALIVES_IDLE_S, KEEPALIVES_INTERVAL_S, KEEPALIVES_COUNT = 10, 5, 3
UNACKNOWLEDGED_MS = 20_000
"""Milliseconds. Both ends notice a dead peer within half a minute, not after two hours."""

SESSION: Mapping[str, str] = {
    # The schema of tables and functions. The guards are pinned to it too.
    "search_path": "public, pg_temp",
    # Rules of transactions.
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    # The form of values.
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "standard_conforming_strings": "on",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "array_nulls": "on",
    "transform_null_equals": "off",
    # A row policy must not hide rows of a ledger: the statement fails instead.
    "row_security": "off",
    # Time limits are ours alone. Serving processes set theirs (connections.py); commands take as
    # long as they take.
    "statement_timeout": "0",
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "idle_session_timeout": "0",
    # A host that froze or vanished holds locks. The server notices it on an idle connection too
    # (PostgreSQL 15 and 16 have no limit for a whole transaction).
    "tcp_keepalives_idle": str(KEEPALIVES_IDLE_S),
    "tcp_keepalives_interval": str(KEEPALIVES_INTERVAL_S),
    "tcp_keepalives_count": str(KEEPALIVES_COUNT),
    "tcp_user_timeout": str(UNACKNOWLEDGED_MS),
    "client_connection_check_interval": "5000",
}
"""Names and values. A setting that the server does not know (``transaction_timeout`` before
PostgreSQL 17) is left out."""

# A server on Windows refuses this setting: it cannot watch a client while it works.
_SET_SESSION = """
SELECT set_config(s.name, s.value, false)
FROM unnest(%s::text[], %s::text[]) AS s(name, value)
WHERE current_setting(s.name, true) IS NOT NULL
    AND NOT (s.name = 'client_connection_check_interval' AND version() ~* 'windows|mingw|msvc|visual c')
"""


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection with its session set up. ``OPTIONS["session"]`` overrides settings."""

    def get_connection_params(self) -> dict[str, Any]:
        """Return psycopg's parameters."""
        parameters: dict[str, Any] = super().get_connection_params()
        parameters.pop("session", None)
        return parameters

    def _configure_connection(self, connection: Any) -> bool:
        """Set the session up; return whether there is something to commit.

        Django and its pool call it for each new connection.
        """
        values = {**SESSION, "TimeZone": self.timezone_name, **self.settings_dict["OPTIONS"].get("session", {})}
        with connection.cursor() as cursor:
            cursor.execute(_SET_SESSION, [list(values), list(values.values())])
        super()._configure_connection(connection)  # type: ignore[misc]  # private, and not in the stubs
        return True
