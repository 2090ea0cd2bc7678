"""Webhooks are registered, changed and deleted; events are sent to them once more.

Synchronous, for reader threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from time import monotonic, sleep
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Coalesce, Least, Now
from msgspec import Struct

from events.domain.errors import EventNotFound, WebhookNotFound
from events.domain.subscriptions import chosen_types
from events.models import Delivery, Webhook
from events.models.webhooks import DeliveryStatus, WebhookStatus
from events.selectors.headers import count_headers, headers_by_id, last_settled_id
from events.selectors.webhooks import WebhookFacts, get_webhook, visible_webhook
from events.services.deliveries import insert_deliveries
from events.services.secrets import sealed
from ledger_project.database.clock import database_now
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.refusals import Refusal
from merchants.services import state_change
from transfers.domain.outcome import required
from transfers.posting.jobs import Answer, Key, Result
from transfers.posting.synchronous import answer_once
from transfers.services.mark import move_mark

BOTH_SIGN_FOR = timedelta(hours=24)
"""How long the secret before a rotation signs, too."""

_SETTLING_S, _SETTLE_AGAIN_S = 1.0, 0.02
"""How long a registration waits until all that happened before it is behind the mark of the feed,
and how often it tries."""


Refuse = Callable[[Refusal], Answer]
"""Writes the answer of a refusal."""


class NewWebhook(Struct, frozen=True):
    """A webhook that is to be registered.

    ``id`` and ``secret`` are made by the caller: a second run after a lost connection finds the
    first one's row.
    """

    id: UUID
    url: str
    types: Sequence[str]
    ordered: bool
    description: str | None
    secret: str


def register_webhook(new: NewWebhook, *, actor: Actor, key: Key | None, render: Callable[[WebhookFacts], bytes]) -> Result:
    """Register a webhook for the caller. It begins with what comes from now on.

    Raises what ``answer_once`` does.
    """
    cursor = _present()

    def insert() -> Answer:
        Webhook.objects.get_or_create(
            id=new.id,
            defaults={
                "merchant_id": actor.merchant_id,
                "url": new.url,
                "types": list(new.types),
                "ordered": new.ordered,
                "description": new.description,
                "secret": sealed(new.secret),
                "cursor": cursor,
            },
        )
        return Answer(201, render(required(get_webhook(new.id, actor))))

    with state_change():
        return answer_once(key, insert)


def _present() -> UUID:
    """Return an id below all that comes from now on, and above all that came before.

    Where a long transaction holds the mark back, it is below some of what came before, too.
    """
    now, until = database_now(), monotonic() + _SETTLING_S
    while move_mark().settled_until < now and monotonic() < until:
        sleep(_SETTLE_AGAIN_S)
    return last_settled_id()


def change_webhook(webhook_id: UUID, values: Mapping[str, object], *, actor: Actor) -> WebhookFacts:
    """Change the members that are given, and return the webhook as it is now.

    What was disabled or paused and is enabled goes on from where it stood: deliveries that wait,
    and those that have failed, are sent at once, and tried for three days again.

    Raises ``WebhookNotFound``.
    """
    with state_change():
        webhook = _locked(webhook_id, actor)
        is_back = values.get("status") == WebhookStatus.ENABLED and webhook.status != WebhookStatus.ENABLED
        for name, value in values.items():
            setattr(webhook, name, value)
        if is_back:
            webhook.disabled_because = None
            Delivery.objects.filter(webhook_id=webhook_id).exclude(status=DeliveryStatus.DELIVERED.value).update(
                status=DeliveryStatus.PENDING.value, next_attempt_at=Now(), tried_since=None, failures=0
            )
        webhook.save(update_fields=["disabled_because", *values])
        return required(get_webhook(webhook_id, actor))


def delete_webhook(webhook_id: UUID, *, actor: Actor) -> None:
    """Delete a webhook: nothing more is sent, its secrets are gone, and its deliveries follow.

    Raises ``WebhookNotFound``.
    """
    with state_change():
        _locked(webhook_id, actor)
        Webhook.objects.filter(id=webhook_id).update(
            status=WebhookStatus.DELETED.value, secret="", previous_secret=None, leased_by=None, leased_until=None
        )


def rotate_secret(
    webhook_id: UUID, secret: str, *, actor: Actor, key: Key | None, render: Callable[[Webhook], bytes], refuse: Refuse
) -> Result:
    """Give a webhook another secret. The one before signs, too, for 24 hours.

    The key keeps the refusal ``WebhookNotFound``. Raises what ``answer_once`` does.
    """
    new = sealed(secret)

    def rotate() -> Answer:
        webhook = _locked(webhook_id, actor)
        Webhook.objects.filter(id=webhook_id).update(previous_secret=F("secret"), previous_expires_at=Now() + BOTH_SIGN_FOR, secret=new)
        webhook.refresh_from_db()
        return Answer(200, render(webhook))

    with state_change():
        return answer_once(key, lambda: _decided(rotate, refuse))


class Again(Struct, frozen=True):
    """Events that are to be sent once more: all that a webhook wants from one on, or certain ones
    whatever their type.
    """

    from_event: UUID | None = None
    event_ids: Sequence[UUID] = ()


def replay_events(
    webhook_id: UUID, again: Again, *, actor: Actor, key: Key | None, render: Callable[[int], bytes], refuse: Refuse
) -> Result:
    """Have events sent to a webhook once more.

    The key keeps a refusal: ``WebhookNotFound``, and ``EventNotFound`` for an event that the
    webhook's owner does not see. Raises what ``answer_once`` does.
    """

    def replay() -> Answer:
        webhook = _locked(webhook_id, actor)
        wanted = list(dict.fromkeys(again.event_ids)) if again.from_event is None else [again.from_event]
        found = headers_by_id(wanted, merchant_id=webhook.merchant_id)
        missing = set(wanted) - {header.id for header in found}
        if missing:
            raise EventNotFound(min(missing))
        if again.from_event is None:
            return Answer(202, render(insert_deliveries((webhook_id, header) for header in found)))
        after = UUID(int=again.from_event.int - 1)
        Webhook.objects.filter(id=webhook_id).update(cursor=Least(Coalesce(F("cursor"), after), after))
        count = count_headers(after, merchant_id=webhook.merchant_id, types=chosen_types(webhook.types))
        return Answer(202, render(count))

    with state_change():
        return answer_once(key, lambda: _decided(replay, refuse))


def _decided(change: Callable[[], Answer], refuse: Refuse) -> Answer:
    """Return the answer of a change, or its refusal. Every refusal comes before a write."""
    try:
        return change()
    except Refusal as refusal:
        return refuse(refusal)


def send_again(delivery_id: UUID) -> bool:
    """Have a delivery that waits or has failed sent at once, and tried for three days again; return
    whether there was one.
    """
    rows = Delivery.objects.filter(id=delivery_id).exclude(status=DeliveryStatus.DELIVERED.value)
    return bool(rows.update(status=DeliveryStatus.PENDING.value, next_attempt_at=Now(), tried_since=None, failures=0))


def _locked(webhook_id: UUID, actor: Actor) -> Webhook:
    """Lock a webhook that the caller sees. Raises ``WebhookNotFound``."""
    Webhook.objects.select_for_update(no_key=True).filter(id=webhook_id).values_list("id", flat=True).first()
    webhook = visible_webhook(webhook_id, actor)
    if webhook is None:
        raise WebhookNotFound(webhook_id)
    return webhook
