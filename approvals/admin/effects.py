"""What a command that waits would do now, in words and numbers, for the person who decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch

from django.urls import reverse

from approvals.domain.operations import AppendVersion, CloseMerchant, ConfirmDeposit, Movement, Operation, SetOverdraft
from approvals.services.changes import draft_of
from console.amounts import shown, shown_number
from console.balances import account_words, balance_words
from console.panels import Cell, Panel
from fees.admin.panels import preview_panel
from fees.admin.words import scope_words, terms
from fees.models import FeeSchedule
from fees.selectors import drafted_schedule
from fees.services import check_draft
from ledger_project.database.clock import database_now
from ledger_project.kernel.errors import LedgerError, ValidationFailed
from ledger_project.kernel.refusals import AccountClosed
from merchants.domain import AccountKind, Status, effective_status
from merchants.models import Account
from transfers.domain.commands import CaptureHold, Deposit, Details, ReverseTransfer, TransferFunds
from transfers.domain.deposit_requests import DepositRequestStatus
from transfers.models import DepositRequest
from transfers.selectors.balances import get_balances_now
from transfers.selectors.forecasts import forecast
from transfers.services.merchant_closure import keeps_open


@dataclass(frozen=True, slots=True)
class Effect:
    """What a command would do now.

    - ``verdict`` says whether it would be carried out, or why not.
    - ``balances`` says how things are now and would be afterwards.
    - ``facts`` are names with their words, for the page.
    - ``more`` are panels of their own.
    """

    verdict: str
    is_refused: bool
    balances: str = ""
    facts: Sequence[tuple[str, Cell]] = ()
    more: Sequence[Panel] = ()


def effect_panels(effect: Effect) -> list[Panel]:
    """Return the panels that say what it would do now."""
    rows = [[Cell(name), cell] for name, cell in effect.facts]
    first = [] if effect.is_refused else [[Cell("Verdict"), Cell(effect.verdict)]]
    warning = effect.verdict if effect.is_refused else ""
    return [Panel("What approving would do now", ("", "In words"), [*first, *rows], empty="Nothing.", warning=warning), *effect.more]


def _verdict(refusal: LedgerError | None) -> str:
    if refusal is None:
        return "It would be carried out."
    return f"The ledger would refuse it ({refusal.code}): {refusal} Approved now, it would fail for good."


@singledispatch
def effect_of(operation: Operation) -> Effect:
    """Return what an operation would do now. Up to ten round trips; nothing is locked."""
    raise TypeError(f"{type(operation).__name__} waits for nobody")


@effect_of.register(Movement)
def _(operation: Movement) -> Effect:
    made = forecast(operation)
    refusal, transfer = made.outcome.refusal, made.outcome.transfer
    moved = [one for one in made.balances if one.key.kind in {AccountKind.WALLET, AccountKind.HELD}]
    moved.sort(key=lambda one: (one.merchant_name, one.key.kind != AccountKind.WALLET))
    shown_balances = [one for one in moved if one.key.kind is AccountKind.WALLET or one.now_minor != one.after_minor]
    facts = [(account_words(one), Cell(balance_words(one))) for one in shown_balances]
    if transfer is not None and transfer.fee_minor:
        fee = f"{shown(transfer.fee_minor, transfer.currency)} by version {transfer.schedule_version} of the fees in force"
        facts.insert(0, ("Fee", Cell(fee)))
    words = "; ".join(f"{name}: {cell.text}" for name, cell in facts)
    return Effect(_verdict(refusal), refusal is not None, f"{words}." if words else "", [*facts, *_about(operation)])


def _about(operation: Movement) -> list[tuple[str, Cell]]:
    """Return links to what a movement is about."""
    match operation:
        case TransferFunds(source=source, target=target):
            return [_merchant("From", source.id, source.name), _merchant("To", target.id, target.name)]
        case CaptureHold(terms=terms):
            return [("Hold", Cell(str(terms.id), reverse("admin:transfers_hold_change", args=[terms.id])))]
        case ReverseTransfer(original=original):
            whole = f"{original.kind} of {shown(original.amount_minor, original.currency)}"
            return [("Reverses", Cell(whole, reverse("admin:transfers_transfer_change", args=[original.id])))]
        case _:  # the page has a link to the merchant
            return []


def _merchant(label: str, merchant_id: object, name: str) -> tuple[str, Cell]:
    return label, Cell(name, reverse("admin:merchants_merchant_change", args=[merchant_id]))


@effect_of.register
def _(operation: ConfirmDeposit) -> Effect:
    details = Details(external_reference=operation.bank_reference)
    effect = effect_of(Deposit(operation.merchant, operation.currency, operation.amount_minor, details))
    request = DepositRequest.objects.get(id=operation.deposit_request_id)
    page = reverse("admin:transfers_depositrequest_change", args=[request.id])
    about = ("Request to add money", Cell(f"{request.status}, of {request.created_at:%Y-%m-%d}", page))
    verdict, is_refused = effect.verdict, effect.is_refused
    if request.status != DepositRequestStatus.PENDING:
        verdict, is_refused = f"The request to add money is {request.status} already: nothing more is posted.", True
    return Effect(verdict, is_refused, effect.balances, [*effect.facts, about])


@effect_of.register
def _(operation: SetOverdraft) -> Effect:
    account = Account.objects.select_related("merchant").get(id=operation.account_id)
    unit = operation.currency
    is_closed = effective_status(account.status, account.merchant.status) is Status.CLOSED
    refusal = AccountClosed(account.merchant.name, unit.code) if is_closed else None
    _, (row,) = get_balances_now(account.merchant_id, currency=unit, at=None)
    now, after = shown(account.overdraft_limit_minor, unit), shown(operation.limit_minor, unit)
    wallet = f"{unit.code} wallet of {account.merchant.name}"
    facts = [
        ("Overdraft limit", Cell(f"{now} now, {after} after")),
        ("Balance", Cell(shown(row.available_minor, unit))),
        ("Wallet", Cell(wallet, reverse("admin:merchants_account_change", args=[account.id]))),
    ]
    return Effect(_verdict(refusal), is_closed, f"Overdraft limit of the {wallet}: {now} now, {after} after.", facts)


@effect_of.register
def _(operation: CloseMerchant) -> Effect:
    refusal = keeps_open(operation.merchant)
    _, rows = get_balances_now(operation.merchant.id, currency=None, at=None)
    left = [row for row in rows if row.available_minor or row.held_minor]
    facts = [
        (
            row.currency.code,
            Cell(f"{shown(row.available_minor, row.currency)} available, {shown_number(row.held_minor, row.currency)} held"),
        )
        for row in left
    ]
    words = "; ".join(cell.text for _, cell in facts) or "All its accounts are empty"
    return Effect(_verdict(refusal), refusal is not None, f"{words}.", facts)


@effect_of.register
def _(operation: AppendVersion) -> Effect:
    draft = draft_of(operation)
    name = None if operation.merchant is None else operation.merchant.name
    scope = scope_words(name, None if operation.currency is None else operation.currency.code, operation.kind)
    since = "when it is approved" if operation.effective_from is None else f"{operation.effective_from:%Y-%m-%d %H:%M:%S} UTC"
    facts = [
        ("For", Cell(scope)),
        ("Terms", Cell(terms(drafted_schedule(draft), operation.currency))),
        ("Payer", Cell(operation.payer)),
        ("In force from", Cell(since)),
    ]
    refusal = _draft_refusal(draft)
    more = [] if refusal else [preview_panel(draft, "", "What it would charge")]
    return Effect(_verdict(refusal), refusal is not None, facts=facts, more=more)


def _draft_refusal(draft: FeeSchedule) -> LedgerError | None:
    """Return what is wrong with a version now: its time may be past."""
    try:
        check_draft(draft, database_now())
    except ValidationFailed as refusal:
        return refusal
    return None
