"""Remembered identities are dropped when the database may have lost them.

Identities never change, so each process remembers them: merchants by name, accounts, currencies,
credentials. They can vanish, though. A failover to a standby that was behind, or a restore to an
earlier moment, removes the newest rows. So everything is forgotten when a connection is lost,
because the next one may be to another server, and when the database reports a missing row.
"""

from __future__ import annotations

from collections.abc import Callable

from ledger_project.kernel.errors import DatabaseUnavailable

_forgetters: list[Callable[[], None]] = []


class _Generation:
    """The number of times that everything was forgotten."""

    number = 0


def on_forgetting(forget: Callable[[], None]) -> None:
    """Register a function that empties a memory of identities. It must be quick and thread-safe."""
    _forgetters.append(forget)


def forget_all() -> None:
    """Forget all identities that this process remembers."""
    _Generation.number += 1
    for forget in _forgetters:
        forget()


def generation() -> int:
    """Return a number that changes when identities are forgotten.

    An answer begun before the change may rest on lost rows.
    """
    return _Generation.number


class IdentitiesLost(DatabaseUnavailable):
    """A remembered identity is not in the database any more.

    Nothing happened; a second look-up gets the right answer.
    """


def identities_lost() -> IdentitiesLost:
    """Forget all identities, and return the error for the caller."""
    forget_all()
    return IdentitiesLost("The database has lost rows that this process had seen; repeat the request with the same Idempotency-Key.")
