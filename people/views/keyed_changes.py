"""Changes that move no money, under a key that a caller may send."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction
from django.http import HttpRequest

from ledger_project.http.problems import problem
from ledger_project.http.requests import api_request
from ledger_project.kernel.refusals import Refusal
from merchants.services import state_change
from transfers.posting.jobs import Answer, Key, Result
from transfers.posting.synchronous import answer_once


def change_once(request: HttpRequest, key: Key | None, change: Callable[[], Answer]) -> Result:
    """Make a change in one transaction, under a key at most once. Synchronous.

    The key keeps a refusal, and nothing of what the change wrote before it.

    Raises ``IdempotencyKeyReused``, ``IdempotencyInProgress`` and ``AccountBusy``.
    """
    request_id = api_request(request).request_id

    def decide() -> Answer:
        try:
            with transaction.atomic():
                return change()
        except Refusal as refusal:
            return refused(refusal, request_id)

    with state_change():
        return answer_once(key, decide)


def refused(refusal: Refusal, request_id: str) -> Answer:
    """Return the answer of a refusal."""
    return Answer(*problem(refusal, request_id=request_id))
