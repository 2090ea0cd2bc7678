"""Postings of operators: once for each form, with the operator and the reason in the journal."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from approvals.domain.operations import Operation
from approvals.selectors.policies import needs_second_person_now
from approvals.services.requests import WAITING, ask, ask_once
from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import PLATFORM_OWNER
from ledger_project.kernel.errors import IdempotencyKeyReused, LedgerError
from ledger_project.kernel.exact_json import dumps
from transfers.domain.commands import Command, Details
from transfers.domain.idempotency import record_id
from transfers.posting.jobs import Key, Result
from transfers.posting.synchronous import post_or_forget
from transfers.selectors.idempotency import get_record


class FormCarriedOut(LedgerError):
    """The form was carried out before with other content; nothing happens now."""

    code = "form_carried_out"
    title = "Nothing was done"


@dataclass(frozen=True, slots=True)
class PostedForm:
    """A form whose command is posted, or waits for a second person.

    - ``transfer_id`` is None for a command that moves no money, or waits.
    - ``is_repeat`` says that an earlier sending of the form did it, and that nothing happened now.
    - ``approval_id`` is what waits.
    """

    transfer_id: UUID | None
    is_repeat: bool
    approval_id: UUID | None = None


def form_key(request: HttpRequest, values: Mapping[str, Any]) -> Key:
    """Return the key of a form that was shown: its token; the other values are the fingerprint."""
    content = {name: str(value) for name, value in values.items() if name != "token"}
    fingerprint = hashlib.sha256(dumps([str(request.user.pk), request.path, content])).digest()
    return Key(PLATFORM_OWNER, f"admin-{values['token']}", fingerprint)


def was_carried_out(token: str) -> bool:
    """Whether the form of this token has posted."""
    return get_record(UUID(record_id(PLATFORM_OWNER, f"admin-{token}"))) is not None


def post_for(request: HttpRequest, command: Command, values: Mapping[str, Any]) -> PostedForm:
    """Post an operator's command, once for each form that was shown; or have it wait for a second
    person, if a policy covers it.

    The token of the form is the idempotency key; the other values make its fingerprint. So a double
    click posts once, and other content under a used token is refused. A refusal of the ledger
    leaves the key free: the operator can correct the form and send it again.

    Callers go through ``outcomes.posting``, which says to the operator what came of it. Raises
    ``FormCarriedOut``, and the refusals of the ledger.
    """
    waits = wait_for(request, command, values)  # type: ignore[arg-type]  # what is covered is an Operation
    if waits is not None:
        return waits
    key = form_key(request, values)
    result = post_or_forget(command, key)
    refusal = result.refusal
    if isinstance(refusal, IdempotencyKeyReused):
        raise _carried_out(key)
    if refusal is not None:
        raise refusal
    return _done(result)


def wait_for(request: HttpRequest, operation: Operation, values: Mapping[str, Any]) -> PostedForm | None:
    """Have what an operator wants wait for a second person, once for each form that was shown; None
    where no policy covers it. If the form was carried out before, that is returned.

    Raises ``FormCarriedOut``.
    """
    if not needs_second_person_now(operation):
        return None
    key, asks = form_key(request, values), details_for(request, values["reason"])
    asked = partial(ask, operation, principal=asks.principal, request_id=asks.request_id, reason=values["reason"])
    try:
        return _done(ask_once(asked, key, lambda approval: str(approval.id).encode()))
    except IdempotencyKeyReused:
        raise _carried_out(key) from None


def _done(result: Result) -> PostedForm:
    made = result.answer.body.decode()
    if result.answer.status_code == WAITING:
        return PostedForm(None, result.replayed, approval_id=UUID(made))
    return PostedForm(UUID(made) if made else None, result.replayed)


def _carried_out(key: Key) -> FormCarriedOut:
    record = get_record(UUID(record_id(key.owner, key.key)))
    what = "as approval" if record is not None and record.status_code == WAITING else "with transfer"
    before = f"{what} {record.body}" if record is not None and record.body else "by another request"
    return FormCarriedOut(f"This form was carried out before, {before}, and its content was another one.")


def details_for(request: HttpRequest, reason: str, *, external_reference: str | None = None) -> Details:
    """Return what the journal keeps of an operator's posting: reason, operator and request."""
    return Details(
        memo=reason,
        external_reference=external_reference,
        principal=f"admin:{request.user.pk}",
        request_id=getattr(request, "id", "") or str(new_id()),
    )
