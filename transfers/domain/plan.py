"""``plan``: from commands and facts to entries or refusals. Pure: no Django, no clock, no I/O.

If several things are wrong with a command, the first of this list is its refusal: existence, state
(closed, frozen), currency, terms (hold, reversal), fee, external reference, funds, balance limit.
A request that is wrong in itself never gets here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger_project.kernel.errors import AccountAheadOfClock, LedgerError
from ledger_project.kernel.refusals import Refusal
from transfers.domain import commands as c
from transfers.domain.cash import deposit, withdraw
from transfers.domain.events import PostedEvent
from transfers.domain.facts import AccountState, Book, HoldState
from transfers.domain.fee_settlement import settle_fees
from transfers.domain.holds import capture_hold, expire_hold, place_hold, void_hold
from transfers.domain.ledger import Ledger, PostedEntry, PostedTransfer
from transfers.domain.outcome import Outcome, Posted, Refused
from transfers.domain.registration import open_account, register_merchant
from transfers.domain.reversals import reverse_transfer
from transfers.domain.transfers import transfer_funds


@dataclass(frozen=True, slots=True)
class Group:
    """Commands that belong together. With ``atomic``, all of them post or none.

    ``moments`` are the times at which the commands happened, in their order. Without moments, they
    happen now.
    """

    commands: Sequence[c.Command]
    atomic: bool = False
    moments: Sequence[datetime] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The rows to write, and each group's outcomes in the order of its commands.

    The entries' hashes come from ``seal``. In an atomic group that failed, the outcome of the first
    refused command has the refusal, and all other outcomes are None.
    """

    outcomes: Sequence[Sequence[Outcome | None]]
    transfers: Sequence[PostedTransfer]
    entries: Sequence[PostedEntry]
    opened: Sequence[AccountState]
    holds: Sequence[HoldState]
    events: Sequence[PostedEvent]


def _refuse(command: c.Refuse, _ledger: Ledger) -> Posted:
    raise command.error


_HANDLERS: dict[type, Callable[..., Posted]] = {
    c.RegisterMerchant: register_merchant,
    c.OpenAccount: open_account,
    c.TransferFunds: transfer_funds,
    c.Deposit: deposit,
    c.Withdraw: withdraw,
    c.PlaceHold: place_hold,
    c.CaptureHold: capture_hold,
    c.VoidHold: void_hold,
    c.ExpireHold: expire_hold,
    c.ReverseTransfer: reverse_transfer,
    c.SettleFees: settle_fees,
    c.Refuse: _refuse,
}


def plan(groups: Sequence[Group], book: Book) -> Plan:
    """Decide every command in order. Each sees the effects of the earlier ones.

    A refused command changes nothing. In an atomic group, it takes all others down.
    """
    ledger = Ledger(book)
    outcomes = [_plan_group(group, ledger) for group in groups]
    return Plan(
        outcomes=outcomes,
        transfers=ledger.transfers,
        entries=ledger.entries,
        opened=ledger.opened,
        holds=[ledger.holds[hold_id] for hold_id in ledger.changed_holds],
        events=ledger.events,
    )


def _plan_group(group: Group, ledger: Ledger) -> list[Outcome | None]:
    if group.atomic:
        return _plan_atomic(group, ledger)
    if not group.moments:
        return [_decide(command, ledger) for command in group.commands]
    outcomes: list[Outcome | None] = []
    for command, moment in zip(group.commands, group.moments, strict=True):
        ledger.now = moment
        outcomes.append(_decide(command, ledger))
    ledger.now = ledger.book.now
    return outcomes


def _plan_atomic(group: Group, ledger: Ledger) -> list[Outcome | None]:
    mark = ledger.savepoint()
    outcomes: list[Outcome | None] = []
    for index, command in enumerate(group.commands):
        outcome = _decide(command, ledger)
        if outcome.refusal is not None:
            ledger.rollback(mark)
            outcomes = [None] * len(group.commands)
            outcomes[index] = outcome
            return outcomes
        outcomes.append(outcome)
    ledger.release()
    return outcomes


def _decide(command: c.Command, ledger: Ledger) -> Outcome:
    try:
        return _HANDLERS[type(command)](command, ledger)
    except LedgerError as error:
        if not isinstance(error, Refusal | AccountAheadOfClock) and not isinstance(command, c.Refuse):
            raise
        # Without its traceback: the frames would keep the whole batch alive, in a circle.
        return Refused(error.with_traceback(None))
