"""``/transfers/{id}/receipt``, and ``/.well-known/jwks.json``: the keys that verify receipts."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

from events.domain.receipts import Party
from events.receipts.html import CONTENT_SECURITY_POLICY, receipt_html
from events.selectors.receipts import Receipts, visible_receipts
from events.serializers.receipts import KeySetJson, ReceiptJson, ReceiptQuery, receipt_json
from events.services.signing import signers
from ledger_project.database.readers import in_reader
from ledger_project.http.responses import JSON, json_response, raw_response
from ledger_project.http.schema import extend_schema, problem_responses
from ledger_project.http.views import ApiView
from ledger_project.kernel.actors import Scope
from ledger_project.kernel.errors import RouteNotFound, ValidationFailed
from ledger_project.kernel.refusals import AccountNotFound, TransferNotFound
from transfers.selectors.transfers import StoredTransfer
from transfers.views.posting_calls import actor_of, path_uuid

PDF, HTML = "application/pdf", "text/html"


class ReceiptView(ApiView):
    """The receipt of one party of a transfer."""

    scopes = {"GET": Scope.TRANSFERS_READ}
    queries = {"GET": ReceiptQuery}
    offers = {"GET": (JSON, PDF, HTML)}

    @extend_schema(
        operation_id="get_receipt",
        tags=["transfers"],
        responses={
            (200, "application/json"): ReceiptJson,
            (200, "application/pdf"): bytes,
            (200, "text/html"): str,
            **problem_responses(
                "transfer_not_found", "account_not_found", "not_found", "not_acceptable", "validation_error", "database_unavailable"
            ),
        },
    )
    async def get(self, request: HttpRequest, transfer_id: str) -> HttpResponse:
        """Show the receipt of a party: the transfer, the party's place in the journal, and a
        signature over both. `application/pdf` and `text/html` are for people.
        """
        wanted = path_uuid(transfer_id, TransferNotFound)
        actor, account_id = actor_of(request), self.query.values.get("account_id")
        if actor.merchant_id is None and account_id is None:
            raise ValidationFailed.of("account_id", "required", "the platform names the wallet of the party whose receipt it wants")
        found = await visible_receipts(wanted, actor=actor)
        if found is None:
            raise TransferNotFound(wanted)
        party = _party(found, account_id, request.path)
        return await self._shown(found.transfer, party)

    async def _shown(self, transfer: StoredTransfer, party: Party) -> HttpResponse:
        document = receipt_json(transfer, party)
        if self.accepted[0] == JSON:
            return json_response(document)
        signature = cast("str | None", document["signature"])
        if self.accepted[0] == HTML:
            headers = {"content-security-policy": CONTENT_SECURITY_POLICY}
            return raw_response(200, receipt_html(transfer, party, signature), kind=f"{HTML}; charset=utf-8", headers=headers)
        # By its name: what writes PDF takes a third of a second to import.
        content = await in_reader(import_string("events.receipts.pdf.receipt_pdf"), transfer, party, signature)
        return raw_response(200, content, kind=PDF, headers={"content-disposition": f'inline; filename="receipt-{document["number"]}.pdf"'})


def _party(found: Receipts, account_id: UUID | None, path: str) -> Party:
    """Return the wanted party. Raises ``RouteNotFound`` and ``AccountNotFound``."""
    if not found.parties:
        nothing = RouteNotFound(path)
        nothing.args = ("This transfer has no receipt for you: a hold and its end have none, nor has what moves outside of your wallets.",)
        raise nothing
    for party in found.parties:
        if account_id in {None, party.account_id}:
            return party
    stranger = AccountNotFound(str(account_id))
    stranger.args = (f"Account {account_id} is no party of transfer {found.transfer.id} whose receipt you may see.",)
    raise stranger


class KeySetView(ApiView):
    """The public keys that verify receipts."""

    is_public = True

    @extend_schema(operation_id="get_receipt_keys", tags=["transfers"], responses={200: KeySetJson})
    async def get(self, request: HttpRequest) -> HttpResponse:
        """Show the keys of now and of before: a receipt says by `kid` which one signed it."""
        del request
        return json_response(signers().jwks())
