"""Operators' postings: through the engine like everybody's, under a key of their own, with who and why in the journal."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import PLATFORM_OWNER
from ledger_project.kernel.errors import IdempotencyKeyReused, LedgerError
from ledger_project.kernel.exact_json import dumps
from transfers.domain.commands import Command, Details
from transfers.models import IdempotencyRecord
from transfers.posting.jobs import Key
from transfers.posting.synchronous import post_or_forget


class FormCarriedOut(LedgerError):
    """The form was carried out before with another content; nothing happens now."""

    code = "form_carried_out"
    title = "Nothing was done"


def post_for(request: HttpRequest, command: Command, values: Mapping[str, Any]) -> tuple[UUID, bool]:
    """Post an operator's command, once for each form that was shown.

    The form's token is the idempotency key, all else that was filled in its fingerprint. So the same form with the same content (a
    double click) is posted once, and another content under a token that was used is refused. What the ledger refuses leaves the key
    free: nothing moved, so the form can be corrected and sent again.

    Returns the id of the transfer, and whether it was posted before. Raises ``FormCarriedOut``, and what the ledger refuses.
    """
    content = {name: value for name, value in values.items() if name != "token"}
    fingerprint = hashlib.sha256(dumps([request.user.pk, request.path, content])).digest()
    key = Key(PLATFORM_OWNER, f"admin-{values['token']}", fingerprint)
    result = post_or_forget(command, key)
    refusal = result.refusal
    if isinstance(refusal, IdempotencyKeyReused):
        raise _carried_out(key)
    if refusal is not None:
        raise refusal
    return UUID(result.answer.body.decode()), result.replayed


def _carried_out(key: Key) -> FormCarriedOut:
    record = IdempotencyRecord.objects.filter(owner=key.owner, key=key.key).first()
    before = "by another request" if record is None else f"with transfer {record.body}"
    return FormCarriedOut(f"This form was carried out before, {before}, and its content was another one. Go back and open it again.")


def details_for(request: HttpRequest, reason: str) -> Details:
    """Return what the journal keeps of an operator's posting: the reason, who, and the request."""
    return Details(memo=reason, principal=f"admin:{request.user.pk}", request_id=getattr(request, "id", "") or str(new_id()))
