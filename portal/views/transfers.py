"""One transfer of a member's merchant, with its receipt."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.module_loading import import_string
from django.views.decorators.http import require_safe

from console.amounts import shown
from events.domain.receipts import Party, receipt_number
from events.receipts.html import CONTENT_SECURITY_POLICY, receipt_html
from events.receipts.lines import KIND_WORDS
from events.selectors.receipts import Receipts, visible_receipts_now
from events.serializers.receipts import receipt_json
from ledger_project.kernel.actors import Scope
from portal.members import Member, member_of
from transfers.domain.kinds import TransferKind
from transfers.selectors.transfers import StoredTransfer

_RESERVES = {TransferKind.HOLD.value: "Reserve", TransferKind.HOLD_RELEASE.value: "End of a reserve"}


def _found(request: HttpRequest, merchant_name: str, transfer_id: UUID) -> tuple[Member, Receipts]:
    """Return a transfer that the merchant sent or received, with the merchant's own receipt.

    Raises ``Http404``, and Django's ``PermissionDenied``.
    """
    member = member_of(request, merchant_name)
    member.require(Scope.TRANSFERS_READ)
    found = visible_receipts_now(transfer_id, actor=member.actor)
    if found is None:
        raise Http404
    return member, found


@require_safe
@login_required
def transfer(request: HttpRequest, merchant_name: str, transfer_id: UUID) -> HttpResponse:
    """Show a transfer."""
    member, found = _found(request, merchant_name, transfer_id)
    stored, party = found.transfer, found.parties[0] if found.parties else None
    context = {
        "section": "wallets",
        "member": member,
        "transfer": stored,
        "code": stored.currency.code,
        "kind": _RESERVES.get(stored.kind) or _kind_words(stored.kind),
        "amounts": _amounts(stored, member.merchant.name),
        "number": None if party is None else receipt_number(stored.id, party.side),
        "party": party,
        "hash": None if party is None else party.entry_hash.hex(),
    }
    return render(request, "portal/transfer.html", context)


def _kind_words(kind: str) -> str:
    known = {one.value: words for one, words in KIND_WORDS.items()}
    return known.get(kind) or kind.replace("_", " ").capitalize()


def _amounts(stored: StoredTransfer, name: str) -> list[tuple[str, str]]:
    """Return the amounts of a transfer, each with its words, as its party sees them; the last one
    is the sum.
    """
    amount = ("Amount", shown(stored.amount_minor, stored.currency))
    if not stored.fee_minor:
        return [amount]
    fee_text = shown(stored.fee_minor, stored.currency)
    is_payer_charged = stored.total_debit_minor > stored.amount_minor
    if stored.from_merchant == name:
        if not is_payer_charged:
            return [amount, ("Fee, paid by the receiver", fee_text)]
        return [amount, ("Fee", fee_text), ("Paid in all", shown(stored.total_debit_minor, stored.currency))]
    if is_payer_charged:
        return [amount, ("Fee, paid by the sender", fee_text)]
    return [amount, ("Fee", fee_text), ("Received in all", shown(stored.amount_minor - stored.fee_minor, stored.currency))]


def _receipt(request: HttpRequest, merchant_name: str, transfer_id: UUID) -> tuple[StoredTransfer, Party, str | None]:
    """Return a transfer, its party and the signature of the party's receipt. Raises ``Http404``."""
    _, found = _found(request, merchant_name, transfer_id)
    if not found.parties:
        raise Http404
    party = found.parties[0]
    return found.transfer, party, cast("str | None", receipt_json(found.transfer, party)["signature"])


@require_safe
@login_required
def receipt(request: HttpRequest, merchant_name: str, transfer_id: UUID) -> HttpResponse:
    """Show a receipt as a page that needs nothing else, to print or to keep."""
    stored, party, signature = _receipt(request, merchant_name, transfer_id)
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
    return HttpResponse(receipt_html(stored, party, signature), headers=headers)


@require_safe
@login_required
def receipt_pdf(request: HttpRequest, merchant_name: str, transfer_id: UUID) -> HttpResponse:
    """Return a receipt as PDF."""
    stored, party, signature = _receipt(request, merchant_name, transfer_id)
    # By its name: what writes PDF takes a third of a second to import.
    content = import_string("events.receipts.pdf.receipt_pdf")(stored, party, signature)
    name = f"receipt-{receipt_number(stored.id, party.side)}.pdf"
    return HttpResponse(content, content_type="application/pdf", headers={"Content-Disposition": f'attachment; filename="{name}"'})
