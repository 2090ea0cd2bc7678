"""Shared by all views that post: keys, details, and answers made of outcomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from approvals.serializers import required_body
from approvals.services import requests as second_person
from ledger_project.http.fields import StrictUUID
from ledger_project.http.idempotency import fingerprint, read_key
from ledger_project.http.problems import problem
from ledger_project.http.requests import api_request
from ledger_project.http.responses import raw_response
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.amount_input import AmountInput
from ledger_project.kernel.errors import LedgerError, Unavailable
from ledger_project.kernel.exact_json import dumps
from transfers.domain.commands import Details
from transfers.domain.outcome import Outcome, Posted
from transfers.posting.jobs import Answer, Key, Render, Result, Submit
from transfers.services.transfers import TransferRequest


def actor_of(request: HttpRequest) -> Actor:
    """Return who calls."""
    actor: Actor = api_request(request).actor
    return actor


def request_key(request: HttpRequest, body: object, *, required: bool = True) -> Key | None:
    """Return the key of a request, with its fingerprint.

    Raises ``IdempotencyKeyMissing`` and ``IdempotencyKeyInvalid``.
    """
    text = read_key(request, required=required)
    if text is None:
        return None
    return Key(actor_of(request).owner, text, fingerprint(request.method or "", request.path, body))


def details_of(request: HttpRequest, body: Mapping[str, Any]) -> Details:
    """Return the caller's words beside the money, and who calls."""
    return Details(
        memo=body.get("memo"),
        metadata=body.get("metadata") or {},
        external_reference=body.get("external_reference"),
        principal=api_request(request).principal,
        request_id=api_request(request).request_id,
    )


def amount_of(body: Mapping[str, Any], *, optional: bool = False) -> AmountInput:
    """Return the amount as the caller spelt it.

    Raises ``ValidationFailed`` unless it is an amount in some currency.
    """
    return AmountInput(body.get("amount"), body.get("amount_minor")).checked(optional=optional)


def transfer_request(request: HttpRequest, body: Mapping[str, Any]) -> TransferRequest:
    """Return the request of a transfer. Raises ``ValidationFailed``."""
    return TransferRequest(
        amount=amount_of(body),
        details=details_of(request, body),
        from_merchant=body.get("from_merchant"),
        to_merchant=body.get("to_merchant"),
        currency=body.get("currency"),
        source_account_id=body.get("source_account_id"),
        dest_account_id=body.get("dest_account_id"),
    )


def renderer(request: HttpRequest, status: int, represent: Callable[[Posted], object]) -> Render:
    """Return the function that writes the answer to a request inside the posting transaction."""
    return answer_writer(api_request(request).request_id, status, represent)


def submitter(request: HttpRequest) -> Submit:
    """Return what posts the commands of a request, or asks a second person where a policy wants
    one.
    """
    return second_person.submitter(actor_of(request), request_id=api_request(request).request_id, show=required_body)


def answer_writer(request_id: str, status: int, represent: Callable[[Posted], object]) -> Render:
    """Return the function that writes an answer: a refusal's problem, or what was posted."""

    def render(outcome: Outcome) -> Answer:
        if outcome.refusal is not None:
            return Answer(*problem(outcome.refusal, request_id=request_id))
        return Answer(status, dumps(represent(outcome)))

    return render


def answer(request: HttpRequest, result: Result) -> HttpResponse:
    """Return the response for a result, and keep its facts for the log line of the request."""
    refusal = result.refusal
    note: dict[str, object] = {}
    if result.replayed:
        note["replayed"] = True
    if refusal is not None:
        note["code"] = refusal.code
    if result.transfer_id is not None:
        note["transfer_id"] = str(result.transfer_id)
    api_request(request).log = note
    headers = {"Idempotent-Replayed": "true"} if result.replayed else {}
    if isinstance(refusal, Unavailable):
        headers["Retry-After"] = str(refusal.retry_after_s)
    return raw_response(result.answer.status_code, result.answer.body, headers=headers)


def path_uuid(text: str, error: type[LedgerError]) -> UUID:
    """Return an id from the path.

    Raises ``error`` for a text that is no UUID: it is the id of nothing.
    """
    try:
        return StrictUUID().to_internal_value(text)
    except Exception:  # noqa: BLE001 - DRF's ValidationError becomes an error of the contract
        raise error(text) from None
