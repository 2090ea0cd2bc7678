"""States of merchants and accounts on their pages: colours, and the changes that a state allows."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Model

from ledger_project.kernel.errors import LedgerError
from merchants.domain import Status

STATUS_COLOURS = {"active": "success", "frozen": "danger", "closed": "warning"}


class NothingToChange(LedgerError):
    """Somebody else has made this change meanwhile.

    It is refused: otherwise the record would give this reason to a change that another reason made.
    """

    code = "nothing_to_change"
    title = "Not possible"


def require_change(is_new: bool, obj: Model) -> None:
    """Raise ``NothingToChange`` unless a change is new."""
    if not is_new:
        raise NothingToChange(f"{obj} is so already; somebody has done it meanwhile.")


def possible_changes(status: str, others: Collection[str]) -> Collection[str]:
    """Return the actions that a status allows; ``others`` are possible unless it is closed."""
    if status == Status.CLOSED:
        return ()
    return {"unfreeze" if status == Status.FROZEN else "freeze", *others}
