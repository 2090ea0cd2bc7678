"""States of merchants and accounts on their pages: colours, and the changes that a state allows."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Model

from console.amounts import shown
from ledger_project.kernel.errors import LedgerError
from merchants.domain import Status
from merchants.models import Merchant
from transfers.selectors import get_balances_now

STATUS_COLOURS = {"active": "success", "frozen": "danger", "closed": "warning"}

NAMED_CURRENCIES = 5
"""The most currencies whose money is named where a merchant's money is said in one sentence."""


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


def money_of(merchant: Merchant) -> str:
    """Return in words the money of a merchant, as in "89.90 USD available and 10.10 USD held"."""
    _, balances = get_balances_now(merchant.id, currency=None, at=None)
    found = [balance for balance in balances if balance.available_minor or balance.held_minor]
    words = []
    for balance in found[:NAMED_CURRENCIES]:
        held = f" and {shown(balance.held_minor, balance.currency)} held" if balance.held_minor else ""
        words.append(f"{shown(balance.available_minor, balance.currency)} available{held}")
    more = len(found) - NAMED_CURRENCIES
    return ", ".join(words) + (f", and money in {more} more currencies" if more > 0 else "") if words else "no money"
