"""``/merchants``: register, look up, change, balances, accounts."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from approvals.serializers import ApprovalRequiredJson
from ledger_project.database.readers import in_reader
from ledger_project.http.cursors import page_body, page_request
from ledger_project.http.members import timestamp
from ledger_project.http.responses import json_response, raw_response
from ledger_project.http.schema import ALWAYS, REPLAYED, extend_schema, idempotency_key, problem_responses
from ledger_project.http.validation import validate
from ledger_project.http.views import ApiView, read_body
from ledger_project.kernel.actors import Actor, Scope
from ledger_project.kernel.refusals import MerchantNotFound
from merchants.domain import MerchantIdentity, own
from merchants.selectors import find_currency, identify, required_currency
from merchants.serializers import (
    AccountBody,
    BalanceQuery,
    MerchantBalancesJson,
    MerchantChangeBody,
    MerchantJson,
    MerchantPageJson,
    MerchantQuery,
    RegistrationBody,
    balance_json,
    merchant_json,
    merchant_texts,
    registered_json,
)
from merchants.services import change_merchant
from transfers import selectors
from transfers.domain.outcome import Posted, required
from transfers.serializers.accounts import AccountJson, account_json
from transfers.services import registration
from transfers.services.registration import RegistrationRequest
from transfers.views.posting_calls import actor_of, answer, details_of, path_uuid, renderer, request_key, submitter
from transfers.views.refusal_codes import OPTIONAL_KEY_CODES


async def find_merchant(name: str, *, actor: Actor) -> MerchantIdentity:
    """Return the merchant of that name.

    Raises ``MerchantNotFound``, also for a merchant that the caller may not see.
    """
    merchant = own(actor, (await identify(names=[name])).merchant(name))
    if merchant is None:
        raise MerchantNotFound(name)
    return merchant


def _registered(posted: Posted) -> object:
    return registered_json(required(posted.merchant), posted.account)


def _opened(posted: Posted) -> object:
    return account_json(required(posted.account))


class MerchantsView(ApiView):
    """The collection of merchants."""

    scopes = {"GET": Scope.MERCHANTS_READ, "POST": Scope.MERCHANTS_WRITE}
    queries = {"GET": MerchantQuery}

    @extend_schema(
        operation_id="register_merchant",
        tags=["merchants"],
        request=RegistrationBody,
        parameters=[idempotency_key(required=False), REPLAYED],
        responses={
            201: MerchantJson,
            202: ApprovalRequiredJson,
            **problem_responses(*ALWAYS, *OPTIONAL_KEY_CODES, "merchant_exists", "unknown_currency", "currency_inactive"),
        },
    )
    async def post(self, request: HttpRequest) -> HttpResponse:
        """Register a merchant, with an opening balance if one is given."""
        body = read_body(request)
        values = validate(RegistrationBody, body)
        key = request_key(request, body, required=False)
        wanted = RegistrationRequest(
            values["merchant_name"],
            values["currency"],
            values["initial_balance"],
            values["metadata"],
            details_of(request, {}),
            display_name=values["display_name"],
            receipt_email=values["receipt_email"],
        )
        result = await registration.register_merchant(
            wanted, actor=actor_of(request), key=key, render=renderer(request, 201, _registered), submit=submitter(request)
        )
        return answer(request, result)

    @extend_schema(
        operation_id="list_merchants",
        tags=["merchants"],
        responses={200: MerchantPageJson, **problem_responses("invalid_cursor", "validation_error", "database_unavailable")},
    )
    async def get(self, request: HttpRequest) -> HttpResponse:
        """List merchants, newest first."""
        page = page_request(self.query, "merchants")
        found = await selectors.visible_merchants(
            search=page.values.get("search"),
            status=page.values.get("status"),
            before=None if page.position is None else path_uuid(page.position, MerchantNotFound),
            limit=page.limit + 1,
            actor=actor_of(request),
        )
        return raw_response(200, page_body(merchant_texts(found), page, lambda index: found.merchants[index][0][0]))


class MerchantView(ApiView):
    """One merchant."""

    scopes = {"GET": Scope.MERCHANTS_READ, "PATCH": Scope.MERCHANTS_WRITE}

    @extend_schema(
        operation_id="get_merchant",
        tags=["merchants"],
        responses={200: MerchantJson, **problem_responses("merchant_not_found", "database_unavailable")},
    )
    async def get(self, request: HttpRequest, name: str) -> HttpResponse:
        """Show a merchant with its balances."""
        merchant = await find_merchant(name, actor=actor_of(request))
        return json_response(merchant_json(await selectors.get_merchant(merchant.id)))

    @extend_schema(
        operation_id="change_merchant",
        tags=["merchants"],
        request=MerchantChangeBody,
        responses={200: MerchantJson, **problem_responses(*ALWAYS, "merchant_not_found")},
    )
    async def patch(self, request: HttpRequest, name: str) -> HttpResponse:
        """Change what is known of a merchant beside its name: members that are left out stay, null
        takes away.
        """
        values = validate(MerchantChangeBody, read_body(request))
        actor_of(request).require_platform("Changing a merchant")
        merchant = await find_merchant(name, actor=actor_of(request))
        await in_reader(change_merchant, merchant.id, values)
        return json_response(merchant_json(await selectors.get_merchant(merchant.id)))


class BalanceView(ApiView):
    """A merchant's balances."""

    scopes = {"GET": Scope.MERCHANTS_READ}
    queries = {"GET": BalanceQuery}

    @extend_schema(
        operation_id="get_balance",
        tags=["merchants"],
        responses={
            200: MerchantBalancesJson,
            **problem_responses("merchant_not_found", "validation_error", "unknown_currency", "database_unavailable"),
        },
    )
    async def get(self, request: HttpRequest, name: str) -> HttpResponse:
        """Show balances, now or as of a moment; with `currency` exactly one row."""
        values = self.query.values
        code = values.get("currency")
        currency = None if code is None else required_currency(code, await find_currency(code))
        merchant = await find_merchant(name, actor=actor_of(request))
        as_of, rows = await selectors.get_balances(merchant.id, currency=currency, at=values.get("at"))
        balances = [balance_json(row) for row in rows]
        return json_response({"merchant_name": merchant.name, "as_of": timestamp(as_of), "balances": balances})


class MerchantAccountsView(ApiView):
    """A merchant's accounts."""

    scopes = {"POST": Scope.MERCHANTS_WRITE}

    @extend_schema(
        operation_id="open_account",
        tags=["merchants"],
        request=AccountBody,
        parameters=[idempotency_key(required=False), REPLAYED],
        responses={
            201: AccountJson,
            **problem_responses(
                *ALWAYS,
                *OPTIONAL_KEY_CODES,
                "merchant_not_found",
                "account_exists",
                "account_frozen",
                "account_closed",
                "currency_inactive",
                "unknown_currency",
            ),
        },
    )
    async def post(self, request: HttpRequest, name: str) -> HttpResponse:
        """Open an account in a currency; the first credit would do it too."""
        body = read_body(request)
        values = validate(AccountBody, body)
        key = request_key(request, body, required=False)
        result = await registration.open_account(
            name, values["currency"], actor=actor_of(request), key=key, render=renderer(request, 201, _opened)
        )
        return answer(request, result)
