"""``manage.py events_tail``: the feed of events on a terminal, or as lines of JSON."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from events.domain.types import UnknownType, parse_types
from events.selectors.feed import BEGINNING, FeedPage, FeedRequest, read_feed_now
from events.serializers.feed import event_texts
from ledger_project.command_line.arguments import identifier
from ledger_project.command_line.runner import IMPOSSIBLE
from ledger_project.kernel.actors import Actor
from merchants.selectors import identify_now
from transfers.selectors.mark import get_feed_state_now
from transfers.services.mark import move_mark

_LATEST, _FIRST = "latest", "first"
_PAGE = 1_000
_POLL_S = 0.25
_IDLE_S = 1.0
"""How far the mark may be behind the clock before this command moves it, as a service would."""


class Command(BaseCommand):
    """Show the feed."""

    help = (
        "Show what happens, in the order of the feed, and go on until Ctrl-C. It begins with what comes from now on, after an event "
        "(--after ID), or with the first event there is (--after first). --once ends where the feed is settled instead of waiting. --json "
        "writes each event as GET /events/{id} shows it to the platform, one a line; the id of the last line is where to go on. Exit code "
        "0: all is shown; 2: the options make no sense; 130: Ctrl-C; 141: nobody reads the output."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--after", default=_LATEST, metavar="CURSOR", help="id of an event, first or latest (default %(default)s)")
        parser.add_argument("--types", metavar="TYPES", help="comma separated: transfer.posted,hold.*")
        parser.add_argument("--merchant", metavar="NAME", help="events of this merchant's accounts")
        parser.add_argument("--account", metavar="ID", help="events of this account")
        parser.add_argument("--once", action="store_true", help="end where the feed is settled now")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one event a line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show pages until there is nothing more to wait for."""
        del args
        for page in _pages(_request(options), once=options["once"]):
            for text in event_texts(page):
                self.stdout.write(text if options["as_json"] else _line(json.loads(text)))
            self.stdout.flush()


def _request(options: Mapping[str, Any]) -> FeedRequest:
    text = options["after"]
    after: UUID | None = {_LATEST: None, _FIRST: BEGINNING}.get(text, BEGINNING)
    if text not in {_LATEST, _FIRST}:
        after = identifier("--after", text, of="an event, first or latest")
    try:
        types = None if options["types"] is None else parse_types(options["types"])
    except UnknownType as error:
        raise CommandError(f"--types: {error}.", returncode=IMPOSSIBLE) from None
    merchant_id = None
    if options["merchant"] is not None:
        merchant = identify_now(names=[options["merchant"]]).merchant(options["merchant"])
        if merchant is None:
            raise CommandError(f"There is no merchant named {options['merchant']!r}.", returncode=IMPOSSIBLE)
        merchant_id = merchant.id
    return FeedRequest(Actor("events_tail"), after, _PAGE, types, merchant_id, identifier("--account", options["account"]))


def _pages(asked: FeedRequest, *, once: bool) -> Iterator[FeedPage]:
    """Yield pages that have events. A page that is not full is the last one for now."""
    while True:
        if get_feed_state_now().lag_s > _IDLE_S:
            move_mark()
        with transaction.atomic():
            page = read_feed_now(asked)
        is_full = len(page.items) == asked.limit
        if page.items:
            yield page
        if once and not is_full:
            return
        asked = FeedRequest(asked.viewer, page.next_after, asked.limit, asked.types, asked.merchant_id, asked.account_id)
        if not is_full:
            time.sleep(_POLL_S)


def _line(event: Mapping[str, Any]) -> str:
    """Return an event for people: when, what, who, how much, and its id."""
    data = event["data"]
    words = [event["created_at"].replace("T", " ").removesuffix("Z"), f"{event['type']:<26}"]
    transfer = data.get("transfer")
    if transfer is not None:
        sides = [transfer["from_merchant"], transfer["to_merchant"]]
        words.append(" → ".join(side or "outside" for side in sides))
        fee = f" + {transfer['fee']} fee" if transfer["fee_minor"] else ""
        words.append(f"{transfer['amount']}{fee} {transfer['currency']}")
    else:
        told: Mapping[str, Any] = next(iter(data.values()), {})
        words += [str(told[name]) for name in ("merchant_name", "url", "number", "currency", "status") if told.get(name) is not None]
    return "  ".join([*words, event["id"]])
