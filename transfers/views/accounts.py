"""``/accounts/{id}``: one wallet."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from ledger_project.http.responses import json_response
from ledger_project.http.schema import extend_schema, problem_responses
from ledger_project.http.views import ApiView
from ledger_project.kernel.actors import Scope
from ledger_project.kernel.refusals import AccountNotFound
from transfers import selectors
from transfers.serializers.accounts import AccountJson, account_json
from transfers.views.posting_calls import actor_of, path_uuid


class AccountView(ApiView):
    """One wallet."""

    scopes = {"GET": Scope.MERCHANTS_READ}

    @extend_schema(
        operation_id="get_account",
        tags=["accounts"],
        responses={200: AccountJson, **problem_responses("account_not_found", "database_unavailable")},
    )
    async def get(self, request: HttpRequest, account_id: str) -> HttpResponse:
        """Show a wallet with its balances."""
        wanted = path_uuid(account_id, AccountNotFound)
        account = await selectors.visible_account(wanted, actor=actor_of(request))
        if account is None:
            raise AccountNotFound(wanted)
        return json_response(account_json(account))
