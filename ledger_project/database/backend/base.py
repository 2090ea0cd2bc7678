"""Connections whose session sets what the ledger relies on, whatever the server, the database or the role says.

Once per connection and in one round trip, by statement rather than by libpq's ``options``: poolers refuse those. What every posting
must have is set in its transaction as well (``transfers/posting/sql.py``: BEGIN_POSTING).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.backends.postgresql import base

KEEPALIVES_IDLE_S, KEEPALIVES_INTERVAL_S, KEEPALIVES_COUNT = 10, 5, 3
UNACKNOWLEDGED_MS = 20_000
"""A peer that is gone without a word is noticed within half a minute, not after the system's two hours. Both ends are told."""

SESSION: Mapping[str, str] = {
    # Where tables and functions are found: the guards are pinned to this schema too.
    "search_path": "public, pg_temp",
    # Rules of transactions.
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    # How values are written and read.
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "standard_conforming_strings": "on",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "array_nulls": "on",
    "transform_null_equals": "off",
    # A policy that would hide rows of a ledger fails the statement instead.
    "row_security": "off",
    # Time limits: ours only. What serves callers sets a limit of its own (connections.py), a posting sets its own.
    "statement_timeout": "0",
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "idle_session_timeout": "0",
    # A host that froze or vanished holds locks. The server notices on the connection, also where nothing is sent (PostgreSQL 15 and
    # 16 have no limit for a whole transaction).
    "tcp_keepalives_idle": str(KEEPALIVES_IDLE_S),
    "tcp_keepalives_interval": str(KEEPALIVES_INTERVAL_S),
    "tcp_keepalives_count": str(KEEPALIVES_COUNT),
    "tcp_user_timeout": str(UNACKNOWLEDGED_MS),
    "client_connection_check_interval": "5000",
}
"""Names and values; what a server does not know (``transaction_timeout`` before PostgreSQL 17) is passed over."""

# A server on Windows cannot watch a client while it works, and refuses to be told to.
_SET_SESSION = """
SELECT set_config(s.name, s.value, false)
FROM unnest(%s::text[], %s::text[]) AS s(name, value)
WHERE current_setting(s.name, true) IS NOT NULL
    AND NOT (s.name = 'client_connection_check_interval' AND version() ~* 'windows|mingw|msvc|visual c')
"""


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, with its sessions set up. ``OPTIONS["session"]`` holds further settings, or other values."""

    def get_connection_params(self) -> dict[str, Any]:
        """Return what psycopg is to connect with."""
        parameters: dict[str, Any] = super().get_connection_params()
        parameters.pop("session", None)
        return parameters

    def _configure_connection(self, connection: Any) -> bool:
        """Set the session up; return whether there is something to commit. Django calls it for each new connection, its pool too."""
        values = {**SESSION, "TimeZone": self.timezone_name, **self.settings_dict["OPTIONS"].get("session", {})}
        with connection.cursor() as cursor:
            cursor.execute(_SET_SESSION, [list(values), list(values.values())])
        super()._configure_connection(connection)  # type: ignore[misc]  # private, and not in the stubs
        return True
