"""``/events``: everything that happened, in order."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from msgspec.structs import replace
from rest_framework.exceptions import ValidationError

from events.domain.errors import EventNotFound
from events.selectors.feed import BEGINNING, FeedPage, FeedRequest, is_moment, read_events, read_feed
from events.serializers.feed import EventJson, FeedJson, FeedQuery, event_texts, feed_body
from ledger_project.http.fields import StrictUUID
from ledger_project.http.responses import raw_response
from ledger_project.http.schema import extend_schema, problem_responses
from ledger_project.http.views import ApiView
from ledger_project.kernel.actors import Actor, Scope
from ledger_project.kernel.errors import InvalidCursor
from ledger_project.kernel.ids import time_of
from ledger_project.process.wakeups import SETTLED, STOPPING
from merchants.selectors import identify
from transfers.views.posting_calls import actor_of, path_uuid

LATEST = "latest"

LOOK_S = 1.0
"""How often a caller that waits looks, whether it was woken or not."""


class EventsView(ApiView):
    """The feed."""

    scopes = {"GET": Scope.EVENTS_READ}
    queries = {"GET": FeedQuery}

    @extend_schema(
        operation_id="list_events",
        tags=["events"],
        responses={200: FeedJson, **problem_responses("invalid_cursor", "validation_error", "database_unavailable")},
    )
    async def get(self, request: HttpRequest) -> HttpResponse:
        """List what happened after an event, oldest first. Who reads on with `next_after` misses
        nothing, and never finds something put in behind it.
        """
        values, actor = self.query.values, actor_of(request)
        asked = await _request(values, actor)
        page, _ = await asyncio.gather(read_feed(asked), _check_cursor(asked))
        if asked.after is not None and is_moment(asked.after) and time_of(asked.after) > page.settled_until:
            raise InvalidCursor
        return raw_response(200, feed_body(await _waited(asked, page, values["wait"])))


class EventView(ApiView):
    """One event."""

    scopes = {"GET": Scope.EVENTS_READ}

    @extend_schema(
        operation_id="get_event",
        tags=["events"],
        responses={200: EventJson, **problem_responses("event_not_found", "database_unavailable")},
    )
    async def get(self, request: HttpRequest, event_id: str) -> HttpResponse:
        """Show an event."""
        wanted = path_uuid(event_id, EventNotFound)
        page = await read_events([wanted], viewer=actor_of(request))
        if not page.items:
            raise EventNotFound(wanted)
        return raw_response(200, event_texts(page)[0].encode())


async def _request(values: dict[str, Any], actor: Actor) -> FeedRequest:
    """Return the page that a query asks for.

    A merchant that does not exist is one without events. Raises ``InvalidCursor``.
    """
    merchant_id = None
    if values.get("merchant"):
        merchant = (await identify(names=[values["merchant"]])).merchant(values["merchant"])
        merchant_id = BEGINNING if merchant is None else merchant.id
    text = values.get("after")
    after: UUID | None = BEGINNING
    if text == LATEST:
        after = None
    elif text is not None:
        after = _cursor(text)
    return FeedRequest(actor, after, values["limit"], values.get("types"), merchant_id, values.get("account_id"))


def _cursor(text: str) -> UUID:
    """Return the id that a text is. Raises ``InvalidCursor`` unless it can be one of the feed's."""
    try:
        cursor = StrictUUID().to_internal_value(text)
        time_of(cursor)
    except (ValidationError, OverflowError):  # a time after the year 9999
        raise InvalidCursor from None
    return cursor


async def _check_cursor(asked: FeedRequest) -> None:
    """Raise ``InvalidCursor`` for a cursor that is no event's, or of an event that the caller may
    not see. So a consumer finds out that a restored database has lost what it has read.
    """
    if asked.after is None or asked.after == BEGINNING or is_moment(asked.after):
        return
    found = await read_events([asked.after], viewer=asked.viewer)
    if not found.items:
        raise InvalidCursor


async def _waited(asked: FeedRequest, page: FeedPage, wait_s: int) -> FeedPage:
    """Return the page, or the first later one that has an event, within so many seconds.

    The wait ends early if the service is stopping.
    """
    until = time.monotonic() + wait_s
    seen = SETTLED.count
    while not page.items and not STOPPING.count and (left_s := until - time.monotonic()) > 0:
        seen = await SETTLED.wait(seen, timeout_s=min(left_s, LOOK_S))
        page = await read_feed(replace(asked, after=page.next_after))
    return page
