"""Settings of the database that protect committed money, and settings that deserve a look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.db import connection

MINIMUM_VERSION = 150_000
"""PostgreSQL 15: the schema uses NULLS NOT DISTINCT."""


class Severity(StrEnum):
    """How bad a setting is."""

    DANGER = "danger"
    """A crash or a mistake can lose or change committed money."""
    ADVICE = "advice"
    """It works, and deserves a look."""
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One setting, its value and its meaning."""

    name: str
    value: str
    severity: Severity
    meaning: str


_NAMES = (
    "server_version_num", "fsync", "synchronous_commit", "full_page_writes", "data_checksums", "wal_level", "archive_mode",
    "transaction_isolation", "max_connections", "session_replication_role", "tcp_keepalives_idle",
)  # fmt: skip

_SERVERS_OWN = ("idle_in_transaction_session_timeout", "default_transaction_read_only")
"""For these the server's own value counts: our sessions set theirs."""

TRANSACTION_TIMEOUT_VERSION = 170_000
"""PostgreSQL 17 has a limit for a whole transaction. It ends a session that waits for its client
too."""

_OWNER = """
SELECT current_user, r.rolsuper, pg_has_role(c.relowner, 'MEMBER')
FROM pg_roles r, pg_class c WHERE r.rolname = current_user AND c.relname = 'transfers_ledgerentry' AND c.relkind = 'r'
"""

_DISABLED_TRIGGERS = """
SELECT c.relname || '.' || t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND t.tgenabled NOT IN ('O', 'A') AND c.relname ~ '^(merchants|fees|transfers)_' ORDER BY 1
"""

GUARDS = frozenset(
    {
        "entry_guard",
        "transfer_guard",
        "transfer_is_whole",
        "hold_is_placed",
        "hold_is_moved_on",
        "entry_append_only",
        "entry_not_truncated",
        "transfer_append_only",
        "transfer_not_truncated",
    }
)

_PRESENT_TRIGGERS = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"


_Values = Mapping[str, str]
_DANGER, _ADVICE = Severity.DANGER, Severity.ADVICE

_RULES: tuple[tuple[str, Callable[[_Values], bool], Severity, str], ...] = (
    ("server_version_num", lambda v: _version(v) >= MINIMUM_VERSION, _DANGER, "PostgreSQL 15 or newer is needed"),
    ("fsync", lambda v: v["fsync"] == "on", _DANGER, "off loses or tears committed money in a power cut; it must be on"),
    (
        "synchronous_commit",
        lambda v: v["synchronous_commit"] != "off",
        _DANGER,
        "off answers 'done' before the commit is on disk; on, local, remote_write or remote_apply is needed",
    ),
    ("full_page_writes", lambda v: v["full_page_writes"] == "on", _DANGER, "off leaves torn pages after a power cut; it must be on"),
    ("default_transaction_read_only", lambda v: v["default_transaction_read_only"] == "off", _DANGER, "nothing can be posted"),
    ("data_checksums", lambda v: v["data_checksums"] == "on", _ADVICE, "off leaves a disk's silent errors unseen; pg_checksums --enable"),
    ("wal_level", lambda v: v["wal_level"] != "minimal", _ADVICE, "minimal allows no base backup, replica or point-in-time restore"),
    ("archive_mode", lambda v: v["archive_mode"] != "off", _ADVICE, "off: nothing can be restored to a moment; see docs/operations.md"),
    (
        "transaction_isolation",
        lambda v: v["transaction_isolation"] != "read uncommitted",
        _ADVICE,
        "the ledger uses read committed and locks",
    ),
    (
        "idle_in_transaction_session_timeout",
        lambda v: v["idle_in_transaction_session_timeout"] != "0",
        _ADVICE,
        "0: a SQL prompt that is left open in a transaction keeps its locks for ever; postings have a limit of their own",
    ),
    (
        "transaction_timeout",
        lambda v: not MINIMUM_VERSION <= _version(v) < TRANSACTION_TIMEOUT_VERSION,
        _ADVICE,
        "from PostgreSQL 17 on a posting ends whose host froze inside a round trip; before, keepalives have to notice",
    ),
    (
        "tcp_keepalives_idle",
        lambda v: v["tcp_keepalives_idle"] != "0" or v["unix_socket"] == "on",
        _ADVICE,
        "0: the server does not notice that a host is gone without a word, and its locks stay",
    ),
    (
        "session_replication_role",
        lambda v: v["session_replication_role"] == "origin",
        _DANGER,
        "the ledger's guards are asleep; it must be origin",
    ),
    ("max_connections", lambda v: int(v["max_connections"]) >= 50, _ADVICE, "few: workers x (pool + 1) must fit"),
)
"""Each setting: its check, its severity, and its meaning if the check fails."""


def _version(values: _Values) -> int:
    return int(values["server_version_num"])


def judge_settings(values: _Values) -> list[Verdict]:
    """Return the meaning of settings for durability.

    ``values`` are as ``current_setting`` returns them.
    """
    return [
        Verdict(name, values.get(name, ""), Severity.GOOD, "as it should be")
        if is_good(values)
        else Verdict(name, values.get(name, ""), severity, meaning)
        for name, is_good, severity, meaning in _RULES
    ]


def examine_database() -> list[Verdict]:
    """Return the meaning of the database's settings and guards, and of our own role's rights."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, current_setting(name, true) FROM unnest(%s::text[]) AS name", [list(_NAMES)])
        values = {name: value or "" for name, value in cursor.fetchall()}
        cursor.execute("SELECT name, reset_val FROM pg_settings WHERE name = ANY(%s)", [list(_SERVERS_OWN)])
        values |= dict(cursor.fetchall())
        cursor.execute("SELECT inet_server_addr() IS NULL")
        values["unix_socket"] = "on" if cursor.fetchone() == (True,) else "off"
        verdicts = judge_settings(values)
        cursor.execute(_PRESENT_TRIGGERS)
        missing = sorted(GUARDS - {name for (name,) in cursor.fetchall()})
        cursor.execute(_DISABLED_TRIGGERS)
        disabled = [name for (name,) in cursor.fetchall()]
        cursor.execute(_OWNER)
        role = cursor.fetchone()
    asleep = [*(f"{name} (missing)" for name in missing), *disabled]
    verdicts.append(
        Verdict("guards", ", ".join(asleep), Severity.DANGER, "the database's own guards are not all awake")
        if asleep
        else Verdict("guards", "awake", Severity.GOOD, "as it should be")
    )
    if role is not None:
        name, superuser, owner = role
        alone = not superuser and not owner
        meaning = "as it should be" if alone else "the service's role could switch the guards off; run it as a role without ownership"
        verdicts.append(Verdict("role", name, Severity.GOOD if alone else Severity.ADVICE, meaning))
    return verdicts
