"""Operators' actions on merchants and wallets: freeze, unfreeze, close, set overdraft limits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from approvals.domain.operations import CloseMerchant, Operation
from approvals.serializers import ApprovalRequiredJson, required_body
from approvals.services.operations import overdraft_of
from approvals.services.requests import ask_where_needed
from ledger_project.database.readers import in_reader
from ledger_project.http.problems import problem
from ledger_project.http.requests import api_request
from ledger_project.http.schema import ALWAYS, REPLAYED, extend_schema, idempotency_key, problem_responses
from ledger_project.http.validation import validate
from ledger_project.http.views import ApiView, read_body
from ledger_project.kernel.actors import Scope
from ledger_project.kernel.amount_input import AmountInput
from ledger_project.kernel.exact_json import dumps
from ledger_project.kernel.refusals import AccountNotFound, Refusal
from merchants.domain import MerchantIdentity, Status
from merchants.selectors import identify
from merchants.serializers import MerchantJson, merchant_json
from transfers import selectors
from transfers.domain.outcome import required
from transfers.posting.jobs import Answer
from transfers.serializers.accounts import AccountJson, account_json
from transfers.serializers.operator_actions import OverdraftBody, ReasonBody
from transfers.services import operator_actions
from transfers.services.operator_actions import Change
from transfers.views.posting_calls import actor_of, answer, path_uuid, request_key
from transfers.views.refusal_codes import OPTIONAL_KEY_CODES

SCOPES = {"POST": Scope.OPERATIONS_WRITE}


def _described(
    operation_id: str, description: str, found: type, codes: tuple[str, ...], body: type = ReasonBody, *, may_wait: bool = False
) -> Callable[..., Any]:
    """Return the description of an action; every action has a reason and an optional key. One that
    may need a second person ``may_wait``.
    """
    noun = "merchant" if found is MerchantJson else "account"
    waiting = {202: ApprovalRequiredJson} if may_wait else {}
    return extend_schema(
        operation_id=operation_id,
        tags=["operations"],
        description=f"{description}\n\nThe reason is kept. Doing it twice is doing it once.",
        request=body,
        parameters=[idempotency_key(required=False), REPLAYED],
        responses={200: found, **waiting, **problem_responses(*ALWAYS, *OPTIONAL_KEY_CODES, f"{noun}_not_found", "account_closed", *codes)},
    )


async def _perform(
    request: HttpRequest,
    change: Change,
    show: Callable[[], object],
    *,
    reason: str,
    body: object,
    barrier: UUID | None = None,
    operation: Callable[[], Operation | None] = lambda: None,
) -> HttpResponse:
    request_id: str = api_request(request).request_id
    key, actor = request_key(request, body, required=False), actor_of(request)
    waits = await in_reader(ask_where_needed, operation, actor=actor, key=key, request_id=request_id, show=required_body)
    if waits is not None:
        return answer(request, waits)

    def render(refusal: Refusal | None) -> Answer:
        return Answer(200, dumps(show())) if refusal is None else Answer(*problem(refusal, request_id=request_id))

    asked = operator_actions.Request(actor, reason, key, render, barrier)
    return answer(request, await in_reader(operator_actions.perform, change, asked))


async def _change_merchant(request: HttpRequest, name: str, status: Status, what: str) -> HttpResponse:
    body = read_body(request)
    values = validate(ReasonBody, body)
    merchant: MerchantIdentity | None = (await identify(names=[name])).merchant(name)

    def show() -> object:
        return merchant_json(selectors.get_merchant_now(required(merchant).id))

    change = operator_actions.merchant_change(name, merchant, status, what)
    barrier = None if merchant is None or status is Status.ACTIVE else merchant.id
    closing = CloseMerchant(merchant, values["reason"]) if merchant is not None and status is Status.CLOSED else None
    return await _perform(request, change, show, reason=values["reason"], body=body, barrier=barrier, operation=lambda: closing)


def _show_account(account_id: UUID) -> object:
    return account_json(required(selectors.get_account_now(account_id)))


async def _change_account(request: HttpRequest, account_id: str, status: Status, what: str) -> HttpResponse:
    body = read_body(request)
    values = validate(ReasonBody, body)
    wanted = path_uuid(account_id, AccountNotFound)

    change = operator_actions.account_change(wanted, status, what)
    return await _perform(request, change, partial(_show_account, wanted), reason=values["reason"], body=body)


class FreezeMerchantView(ApiView):
    """The freeze of a merchant."""

    scopes = SCOPES

    @_described("freeze_merchant", "Freeze a merchant: no money moves in or out of any of its accounts.", MerchantJson, ())
    async def post(self, request: HttpRequest, name: str) -> HttpResponse:
        """Freeze it."""
        return await _change_merchant(request, name, Status.FROZEN, "Frozen")


class UnfreezeMerchantView(ApiView):
    """The end of a merchant's freeze."""

    scopes = SCOPES

    @_described("unfreeze_merchant", "Unfreeze a merchant: money moves in and out of its accounts again.", MerchantJson, ())
    async def post(self, request: HttpRequest, name: str) -> HttpResponse:
        """Unfreeze it."""
        return await _change_merchant(request, name, Status.ACTIVE, "Unfrozen")


class CloseMerchantView(ApiView):
    """The closure of a merchant."""

    scopes = SCOPES

    @_described(
        "close_merchant",
        "Close a merchant for good: it has no money and is a party of no open hold.",
        MerchantJson,
        ("account_not_empty",),
        may_wait=True,
    )
    async def post(self, request: HttpRequest, name: str) -> HttpResponse:
        """Close it."""
        return await _change_merchant(request, name, Status.CLOSED, "Closed")


class FreezeAccountView(ApiView):
    """The freeze of a wallet."""

    scopes = SCOPES

    @_described("freeze_account", "Freeze a wallet: no money moves in or out.", AccountJson, ())
    async def post(self, request: HttpRequest, account_id: str) -> HttpResponse:
        """Freeze it."""
        return await _change_account(request, account_id, Status.FROZEN, "Frozen")


class UnfreezeAccountView(ApiView):
    """The end of a wallet's freeze."""

    scopes = SCOPES

    @_described("unfreeze_account", "Unfreeze a wallet: money moves again, unless its merchant is frozen.", AccountJson, ())
    async def post(self, request: HttpRequest, account_id: str) -> HttpResponse:
        """Unfreeze it."""
        return await _change_account(request, account_id, Status.ACTIVE, "Unfrozen")


class OverdraftView(ApiView):
    """The overdraft limit of a wallet."""

    scopes = SCOPES

    @_described(
        "set_overdraft_limit",
        "Set how far below zero a wallet may go. A limit below what is spent of it already is accepted: nothing more is spent.",
        AccountJson,
        (),
        OverdraftBody,
        may_wait=True,
    )
    async def post(self, request: HttpRequest, account_id: str) -> HttpResponse:
        """Set the limit."""
        body = read_body(request)
        values = validate(OverdraftBody, body)
        limit = AmountInput(values.get("overdraft_limit"), values.get("overdraft_limit_minor"), "overdraft_limit", may_be_zero=True)
        wanted = path_uuid(account_id, AccountNotFound)

        change = operator_actions.overdraft_change(wanted, limit.checked())
        operation = partial(overdraft_of, wanted, limit, values["reason"])
        return await _perform(request, change, partial(_show_account, wanted), reason=values["reason"], body=body, operation=operation)
