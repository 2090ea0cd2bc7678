"""What a command would do now, by the rules of a posting, and without posting anything.

The facts are read without locks, so they may be others a moment later: a forecast is for people who
decide whether to post. Synchronous.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import F

from fees.domain import Payer, Schedule
from fees.selectors import load_schedules
from ledger_project.database.clock import database_now
from ledger_project.database.fields import new_id
from merchants.domain import AccountKind, Status, effective_status
from merchants.models import Account, Merchant
from merchants.selectors import identify_now, is_active_now
from transfers.domain import commands as c
from transfers.domain.commands import AccountKey
from transfers.domain.facts import AccountState, Book, HoldState
from transfers.domain.hashing import GENESIS
from transfers.domain.outcome import Outcome
from transfers.domain.plan import Group, plan
from transfers.models import ExternalReference, Hold
from transfers.selectors.balances import last_balance, last_posted_at
from transfers.selectors.holds import hold_state
from transfers.selectors.reversals import earlier_reversals

Forecastable = c.TransferFunds | c.Deposit | c.Withdraw | c.RegisterMerchant | c.CaptureHold | c.ReverseTransfer
"""The commands that can be forecast: all that operators have posted."""


@dataclass(frozen=True, slots=True)
class BalanceForecast:
    """The balance of an account now and after the command, in minor units.

    ``overdraft_minor`` is how far below zero it may go.
    """

    key: AccountKey
    merchant_name: str
    now_minor: int
    after_minor: int
    overdraft_minor: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a posting would decide now, and the balances of the accounts that it would touch.

    After a refusal, all balances stay as they are.
    """

    outcome: Outcome
    balances: Sequence[BalanceForecast]


def forecast(command: Forecastable) -> Forecast:
    """Return what a command would do if it were posted now. Up to six round trips."""
    schedules = _schedules(command)
    accounts = _accounts(_keys(command, schedules))
    now_minor = {key: state.balance_minor for key, state in accounts.items()}
    book = Book(
        now=database_now(),
        entropy=0,
        accounts=accounts,
        schedules=schedules,
        references=_references(command, accounts),
        reversals={command.original.id: earlier_reversals(command.original.id)} if isinstance(command, c.ReverseTransfer) else {},
        holds=_holds(command),
        registered=_registered(command),
        inactive=_inactive(command),
    )
    ((outcome,),) = plan([Group([command])], book).outcomes
    balances = [
        BalanceForecast(key, state.merchant_name, now_minor[key], state.balance_minor, state.overdraft_minor)
        for key, state in accounts.items()
    ]
    assert outcome is not None, "only an atomic group leaves an outcome out"
    return Forecast(outcome, balances)


def _schedules(command: Forecastable) -> list[Schedule]:
    if not isinstance(command, c.TransferFunds):
        return []
    return load_schedules(merchant_ids=[command.source.id], currencies=[command.currency.code])


def _keys(command: Forecastable, schedules: Collection[Schedule]) -> set[AccountKey]:
    """Return every account that the command may touch, given who may have to pay fees."""
    receiver_may_pay = any(schedule.payer is Payer.RECEIVER for schedule in schedules)
    more = [command.receiver_fees()] if receiver_may_pay and isinstance(command, c.TransferFunds) else []
    return {*command.accounts(), *more}


def _accounts(keys: Collection[AccountKey]) -> dict[AccountKey, AccountState]:
    """Return the accounts: as they are, or as they would begin."""
    merchants, currencies = {key.merchant_id for key in keys}, {key.currency for key in keys}
    rows = Account.objects.filter(merchant_id__in=merchants, currency_id__in=currencies).select_related("merchant")
    states = {}
    for row in rows.annotate(balance_minor=last_balance(F("id")), posted_at=last_posted_at(F("id"))):
        key = AccountKey(row.merchant_id.int, row.currency_id, AccountKind(row.kind))
        if key in keys:
            status = effective_status(row.status, row.merchant.status)
            found = _Found(row.id, status, row.overdraft_limit_minor, row.balance_minor or 0, row.created_at, row.posted_at)
            states[key] = _state(key, row.merchant.name, found)
    missing = [key for key in keys if key not in states]
    owners = Merchant.objects.in_bulk({key.merchant_id for key in missing}) if missing else {}
    for key in missing:
        owner = owners.get(key.merchant_id)
        status = Status.ACTIVE if owner is None else Status(owner.status)
        states[key] = _state(key, "" if owner is None else owner.name, _Found(new_id(place=key.merchant_id), status))
    return states


class _Found(NamedTuple):
    """What is stored of an account; without ``created_at``, there is none yet."""

    id: UUID
    status: Status
    overdraft_minor: int = 0
    balance_minor: int = 0
    created_at: datetime | None = None
    posted_at: datetime | None = None


def _state(key: AccountKey, merchant_name: str, found: _Found) -> AccountState:
    return AccountState(
        id=found.id,
        key=key,
        merchant_name=merchant_name,
        status=found.status,
        overdraft_minor=found.overdraft_minor,
        created_at=found.created_at,
        sequence=0,  # it is not written, and neither is the hash
        balance_minor=found.balance_minor,
        last_hash=GENESIS,
        last_at=found.posted_at,
        exists=found.created_at is not None,
    )


def _references(command: Forecastable, accounts: Mapping[AccountKey, AccountState]) -> dict[tuple[UUID, str], UUID]:
    reference = command.details.external_reference
    if reference is None:
        return {}
    ids = [state.id for state in accounts.values() if state.exists]
    taken = ExternalReference.objects.filter(reference=reference, account_id__in=ids).values_list("account_id", "transfer_id")
    return {(account_id, reference): transfer_id for account_id, transfer_id in taken}


def _holds(command: Forecastable) -> dict[UUID, HoldState]:
    if not isinstance(command, c.CaptureHold):
        return {}
    held = Hold.objects.select_related("source_merchant", "target_merchant").filter(id=command.terms.id)
    return {hold.id: hold_state(hold) for hold in held}


def _registered(command: Forecastable) -> dict[UUID, datetime | None]:
    """Return when a new merchant would be registered: never, if its name is taken."""
    if not isinstance(command, c.RegisterMerchant) or identify_now(names=[command.merchant.name]).merchant(command.merchant.name):
        return {}
    is_active = command.currency is None or is_active_now(command.currency.code)
    return {command.merchant.id: database_now() if is_active else None}


def _inactive(command: Forecastable) -> frozenset[str]:
    if not isinstance(command, c.TransferFunds | c.Deposit) or is_active_now(command.currency.code):
        return frozenset()
    return frozenset({command.currency.code})
