"""``/webhooks``: register, list, show, change, delete, rotate, test, deliveries, replay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from events.domain.errors import WebhookNotFound
from events.models import Webhook
from events.selectors.webhooks import WebhookFacts, get_webhook, list_deliveries, list_webhooks, stored_secrets
from events.sending.trials import check_url, send_now
from events.serializers.webhooks import (
    DeliveryPageJson,
    DeliveryQuery,
    NewWebhookJson,
    NoBody,
    ReplayBody,
    ReplayJson,
    SecretJson,
    TrialJson,
    WebhookBody,
    WebhookChangeBody,
    WebhookJson,
    WebhookPageJson,
    delivery_text,
    new_webhook_json,
    secret_json,
    trial_event_text,
)
from events.services.secrets import new_secret
from events.services.webhooks import (
    Again,
    NewWebhook,
    change_webhook,
    delete_webhook,
    register_webhook,
    replay_events,
    rotate_secret,
)
from ledger_project.database.fields import new_id
from ledger_project.database.readers import in_reader
from ledger_project.http.cursors import PageQuery, page_body, page_request
from ledger_project.http.problems import problem
from ledger_project.http.requests import api_request
from ledger_project.http.responses import json_response, raw_response
from ledger_project.http.schema import ALWAYS, REPLAYED, extend_schema, idempotency_key, problem_responses
from ledger_project.http.validation import validate
from ledger_project.http.views import ApiView, read_body
from ledger_project.kernel.actors import Actor, Scope
from ledger_project.kernel.exact_json import dumps, dumps_text
from ledger_project.kernel.refusals import Refusal
from transfers.posting.jobs import Answer, Key, Result
from transfers.posting.synchronous import answer_once
from transfers.views.posting_calls import actor_of, answer, path_uuid, request_key
from transfers.views.refusal_codes import OPTIONAL_KEY_CODES

SCOPES = {"GET": Scope.WEBHOOKS_READ, "POST": Scope.WEBHOOKS_WRITE, "PATCH": Scope.WEBHOOKS_WRITE, "DELETE": Scope.WEBHOOKS_WRITE}
_FOUND = ("webhook_not_found", "database_unavailable")


def _keyed(operation_id: str, body: type, status: int, found: type, *codes: str) -> Callable[..., Any]:
    """Return the description of a POST, which may have a key."""
    return extend_schema(
        operation_id=operation_id,
        tags=["webhooks"],
        request=body,
        parameters=[idempotency_key(required=False), REPLAYED],
        responses={status: found, **problem_responses(*ALWAYS, *OPTIONAL_KEY_CODES, *codes)},
    )


async def _found(webhook_id: str, actor: Actor) -> WebhookFacts:
    """Return the webhook of a path. Raises ``WebhookNotFound``."""
    wanted = path_uuid(webhook_id, WebhookNotFound)
    webhook = await in_reader(get_webhook, wanted, actor)
    if webhook is None:
        raise WebhookNotFound(wanted)
    return webhook


class WebhooksView(ApiView):
    """The collection of webhooks."""

    scopes = SCOPES
    queries = {"GET": PageQuery}

    @_keyed("create_webhook", WebhookBody, 201, NewWebhookJson, "url_not_allowed")
    async def post(self, request: HttpRequest) -> HttpResponse:
        """Register a webhook. It begins with what happens from now on."""
        body = read_body(request)
        values = validate(WebhookBody, body)
        key = request_key(request, body, required=False)
        actor = actor_of(request)
        new = NewWebhook(new_id(), values["url"], values["types"], values["ordered"], values["description"], new_secret())
        replayed = await _answered(key)
        if replayed is not None:
            return answer(request, replayed)
        await check_url(new.url)
        shown: list[WebhookFacts] = []

        def render(webhook: WebhookFacts) -> bytes:
            shown[:] = [webhook]
            return dumps(new_webhook_json(webhook, None))

        result = await in_reader(register_webhook, new, actor=actor, key=key, render=render)
        if shown and not result.replayed:
            result = Result(Answer(201, dumps(new_webhook_json(shown[0], new.secret))))
        return answer(request, result)

    @extend_schema(
        operation_id="list_webhooks",
        tags=["webhooks"],
        responses={200: WebhookPageJson, **problem_responses("invalid_cursor", "validation_error", "database_unavailable")},
    )
    async def get(self, request: HttpRequest) -> HttpResponse:
        """List webhooks, newest first. The platform sees all."""
        page = page_request(self.query, "webhooks")
        before = None if page.position is None else UUID(page.position)
        found = await in_reader(list_webhooks, actor_of(request), before=before, limit=page.limit + 1)
        return raw_response(200, page_body([dumps_text(one.as_json()) for one in found], page, lambda index: str(found[index].id)))


class WebhookView(ApiView):
    """One webhook."""

    scopes = SCOPES

    @extend_schema(operation_id="get_webhook", tags=["webhooks"], responses={200: WebhookJson, **problem_responses(*_FOUND)})
    async def get(self, request: HttpRequest, webhook_id: str) -> HttpResponse:
        """Show a webhook."""
        return json_response((await _found(webhook_id, actor_of(request))).as_json())

    @extend_schema(
        operation_id="change_webhook",
        tags=["webhooks"],
        request=WebhookChangeBody,
        responses={200: WebhookJson, **problem_responses(*ALWAYS, "webhook_not_found", "url_not_allowed")},
    )
    async def patch(self, request: HttpRequest, webhook_id: str) -> HttpResponse:
        """Change, pause or enable a webhook. What is enabled again goes on from where it stood."""
        values = validate(WebhookChangeBody, read_body(request))
        webhook = await _found(webhook_id, actor_of(request))
        if "url" in values:
            await check_url(values["url"])
        changed = await in_reader(change_webhook, webhook.id, values, actor=actor_of(request))
        return json_response(changed.as_json())

    @extend_schema(
        operation_id="delete_webhook", tags=["webhooks"], responses={204: None, **problem_responses(*ALWAYS, "webhook_not_found")}
    )
    async def delete(self, request: HttpRequest, webhook_id: str) -> HttpResponse:
        """Delete a webhook with its deliveries. A body is not needed, and has no members."""
        if request.body:
            validate(NoBody, read_body(request))
        await in_reader(delete_webhook, path_uuid(webhook_id, WebhookNotFound), actor=actor_of(request))
        return HttpResponse(status=204)


class RotateSecretView(ApiView):
    """The rotation of a webhook's secret."""

    scopes = SCOPES

    @_keyed("rotate_webhook_secret", NoBody, 200, SecretJson, "webhook_not_found")
    async def post(self, request: HttpRequest, webhook_id: str) -> HttpResponse:
        """Make another secret. The one before signs, too, for 24 hours."""
        body = read_body(request)
        validate(NoBody, body)
        key, secret = request_key(request, body, required=False), new_secret()
        shown: list[Webhook] = []

        def render(webhook: Webhook) -> bytes:
            shown[:] = [webhook]
            return dumps(secret_json(None, webhook.previous_expires_at))

        wanted = path_uuid(webhook_id, WebhookNotFound)
        result = await in_reader(rotate_secret, wanted, secret, actor=actor_of(request), key=key, render=render, refuse=_refuser(request))
        if shown and not result.replayed:
            result = Result(Answer(200, dumps(secret_json(secret, shown[0].previous_expires_at))))
        return answer(request, result)


class TrialView(ApiView):
    """A test of a webhook."""

    scopes = SCOPES

    @_keyed("test_webhook", NoBody, 200, TrialJson, "webhook_not_found")
    async def post(self, request: HttpRequest, webhook_id: str) -> HttpResponse:
        """Send one `webhook.test` event now, and say what became of it."""
        body = read_body(request)
        validate(NoBody, body)
        key = request_key(request, body, required=False)
        webhook = await _found(webhook_id, actor_of(request))
        replayed = await _answered(key)
        if replayed is not None:
            return answer(request, replayed)
        message_id, now = new_id(), datetime.now(UTC)
        text = trial_event_text(message_id, now, webhook)
        attempt = await send_now(webhook.url, message_id, text, stored_secrets=await in_reader(stored_secrets, webhook.id), now=now)
        shown = {"status_code": attempt.status_code, "duration_ms": attempt.duration_ms, "error": attempt.error}
        return answer(request, await in_reader(_keep, key, Answer(200, dumps(shown))))


class DeliveriesView(ApiView):
    """The deliveries of a webhook."""

    scopes = SCOPES
    queries = {"GET": DeliveryQuery}

    @extend_schema(
        operation_id="list_webhook_deliveries",
        tags=["webhooks"],
        responses={200: DeliveryPageJson, **problem_responses(*_FOUND, "invalid_cursor", "validation_error")},
    )
    async def get(self, request: HttpRequest, webhook_id: str) -> HttpResponse:
        """List deliveries, newest first."""
        webhook = await _found(webhook_id, actor_of(request))
        page = page_request(self.query, f"deliveries.{webhook.id}")
        before = None if page.position is None else UUID(page.position)
        found = await in_reader(list_deliveries, webhook.id, status=page.values.get("status"), before=before, limit=page.limit + 1)
        return raw_response(200, page_body([delivery_text(one) for one in found], page, lambda index: str(found[index].id)))


class ReplayView(ApiView):
    """Events that are sent once more."""

    scopes = SCOPES

    @_keyed("replay_events", ReplayBody, 202, ReplayJson, "webhook_not_found", "event_not_found")
    async def post(self, request: HttpRequest, webhook_id: str) -> HttpResponse:
        """Send events once more: all from one on that the webhook wants, or certain ones."""
        body = read_body(request)
        values = validate(ReplayBody, body)
        key = request_key(request, body, required=False)
        again = Again(values.get("from_event"), values.get("event_ids", ()))
        wanted = path_uuid(webhook_id, WebhookNotFound)
        result = await in_reader(replay_events, wanted, again, actor=actor_of(request), key=key, render=_count, refuse=_refuser(request))
        return answer(request, result)


def _refuser(request: HttpRequest) -> Callable[[Refusal], Answer]:
    request_id: str = api_request(request).request_id
    return lambda refusal: Answer(*problem(refusal, request_id=request_id))


def _count(deliveries: int) -> bytes:
    return msgspec.json.encode({"deliveries": deliveries})


class _Unanswered(Exception):
    """Nothing is stored under the key; and nothing is to be stored now."""


def _look(key: Key) -> Result | None:
    def refuse() -> Answer:
        raise _Unanswered

    try:
        with transaction.atomic():
            return answer_once(key, refuse)
    except _Unanswered:
        return None


async def _answered(key: Key | None) -> Result | None:
    """Return the answer that was stored under a key; None if the key is free.

    Raises ``IdempotencyKeyReused`` and ``IdempotencyInProgress``.
    """
    return None if key is None else await in_reader(_look, key)


def _keep(key: Key | None, written: Answer) -> Result:
    """Store an answer, unless another one was stored meanwhile, and return the one that counts."""
    with transaction.atomic():
        return answer_once(key, lambda: written)
