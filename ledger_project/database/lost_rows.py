"""Forgetting who is who, when the database may have lost it.

Identities never change, so each process remembers them (merchants by name, accounts, currencies, credentials). They can vanish, though:
a failover to a standby that was behind, or a restore to an earlier moment, takes the newest rows back. Then what is remembered has to be
forgotten: when a connection is lost, since the next one may be to another server, and when the database itself says that a row is not
there.
"""

from __future__ import annotations

from collections.abc import Callable

from ledger_project.kernel.errors import DatabaseUnavailable

_forgetters: list[Callable[[], None]] = []


class _Generation:
    """How often everything was forgotten."""

    number = 0


def on_forgetting(forget: Callable[[], None]) -> None:
    """Have a function called that empties a memory of identities. It must be quick, and safe to be called from any thread."""
    _forgetters.append(forget)


def forget_all() -> None:
    """Have everything forgotten that was remembered of rows which the database may have lost."""
    _Generation.number += 1
    for forget in _forgetters:
        forget()


def generation() -> int:
    """Return a number that is another one after something was forgotten: an answer that was begun before may rest on lost rows."""
    return _Generation.number


class IdentitiesLost(DatabaseUnavailable):
    """What was remembered is not in the database any more. Nothing happened; looked up anew, the request gets its right answer."""


def identities_lost() -> IdentitiesLost:
    """Forget everything, and return the error that tells so."""
    forget_all()
    return IdentitiesLost("The database has lost rows that this process had seen; repeat the request with the same Idempotency-Key.")
