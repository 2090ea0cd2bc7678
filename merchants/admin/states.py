"""What pages of merchants and of accounts share: the colours of a status, and changes of it."""

from __future__ import annotations

from collections.abc import Collection

from ledger_project.kernel.errors import LedgerError
from merchants.domain import Status
from merchants.models import Account, Merchant

STATUS_COLOURS = {"active": "success", "frozen": "danger", "closed": "warning"}


class NothingToChange(LedgerError):
    """Somebody has done it meanwhile: with another reason, so this one would be kept for what it did not do."""

    code = "nothing_to_change"
    title = "Not possible"


def require_change(is_new: bool, obj: Merchant | Account) -> None:
    """Raise ``NothingToChange`` if a change found its object changed already."""
    if not is_new:
        raise NothingToChange(f"{obj} is so already; somebody has done it meanwhile.")


def possible_changes(status: str, others: Collection[str]) -> Collection[str]:
    """Return the actions that a status allows, ``others`` among them while it is not closed."""
    if status == Status.CLOSED:
        return ()
    return {"unfreeze" if status == Status.FROZEN else "freeze", *others}
