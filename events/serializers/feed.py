"""Events: the query of the feed, and its answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from rest_framework import serializers

from events.domain.types import UnknownType, parse_types
from events.selectors.feed import FeedItem, FeedPage
from ledger_project.http.fields import QueryNumber, StrictString, StrictUUID
from ledger_project.http.members import Json, Members, amount_members, answered_amount, stored_timestamp, timestamp
from ledger_project.kernel.exact_json import dumps_text, text_or_null
from ledger_project.kernel.happenings import EventType
from ledger_project.kernel.money import CurrencyUnit, format_minor_text
from merchants.serializers import BalanceJson
from transfers.domain.hold_outcomes import HoldStatus
from transfers.selectors.entries import counterparty, entry_id_text
from transfers.selectors.holds import HoldRow
from transfers.serializers.accounts import AccountJson
from transfers.serializers.holds import HoldJson, hold_text
from transfers.serializers.transfers import TransferDetailJson, transfer_text

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000
MAX_WAIT_S = 30


class TypesField(serializers.Field):  # type: ignore[type-arg]  # DRF's takes none at run time
    """Types of events: names, ``hold.*`` for all of a noun, ``*`` for all, comma separated."""

    default_error_messages = {"invalid": "types of events are expected, comma separated, as in transfer.posted,hold.*; {reason}"}

    def to_internal_value(self, data: object) -> frozenset[EventType]:
        """Read them."""
        try:
            return parse_types(str(data))
        except UnknownType as error:
            self.fail("invalid", reason=error)

    def to_representation(self, value: frozenset[EventType]) -> str:
        """As they are named."""
        return ",".join(sorted(value))


class FeedQuery(serializers.Serializer[Any]):
    """Which events, from where on, and how long to wait for one."""

    after = StrictString(required=False, allow_blank=True, help_text="An event's id or an earlier `next_after`; `latest`: from now on.")
    types = TypesField(required=False, help_text="Comma separated; `hold.*` for all of a noun.")
    merchant = StrictString(required=False, allow_blank=True, help_text="Events of this merchant's accounts.")
    account_id = StrictUUID(required=False, help_text="Events of this account.")
    limit = QueryNumber(1, MAX_LIMIT, required=False, default=DEFAULT_LIMIT, help_text="Events a page.")
    wait = QueryNumber(0, MAX_WAIT_S, required=False, default=0, help_text="Seconds to wait for an event, where there is none.")


class EventMerchantJson(serializers.Serializer[Any]):
    """A merchant as its event tells it: without its address."""

    id = serializers.UUIDField()
    merchant_name = serializers.CharField()
    display_name = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=["active", "frozen", "closed"])
    metadata = serializers.DictField()
    created_at = serializers.DateTimeField()
    balances = BalanceJson(many=True)


class FeeTierJson(Members):
    """A tier of a fee schedule; the last one has no bound."""

    up_to = serializers.CharField(allow_null=True)
    up_to_minor = serializers.IntegerField(allow_null=True)
    rate = serializers.CharField()
    flat = answered_amount()


class EventFeeScheduleJson(Members):
    """A version of a fee schedule as its event tells it."""

    id = serializers.UUIDField()
    version = serializers.IntegerField()
    merchant_name = serializers.CharField(allow_null=True)
    currency = serializers.CharField(allow_null=True)
    kind = serializers.CharField(allow_null=True)
    rate = serializers.CharField()
    flat = answered_amount()
    minimum = serializers.CharField(allow_null=True)
    minimum_minor = serializers.IntegerField(allow_null=True)
    maximum = serializers.CharField(allow_null=True)
    maximum_minor = serializers.IntegerField(allow_null=True)
    tier_mode = serializers.CharField(allow_null=True)
    tiers = FeeTierJson(many=True)
    rounding = serializers.CharField()
    payer = serializers.CharField()
    effective_from = serializers.DateTimeField()


class EventDataJson(serializers.Serializer[Any]):
    """The thing that the event is about, as it was at that moment."""

    transfer = TransferDetailJson(required=False)
    hold = HoldJson(required=False)
    merchant = EventMerchantJson(required=False)
    account = AccountJson(required=False)
    fee_schedule = EventFeeScheduleJson(required=False)
    receipt = serializers.DictField(required=False)
    webhook = serializers.DictField(required=False)
    approval = serializers.DictField(required=False)
    approval_policy = serializers.DictField(required=False)


class EventJson(serializers.Serializer[Any]):
    """Something that happened."""

    id = serializers.UUIDField()
    type = serializers.ChoiceField(choices=[type_.value for type_ in EventType])
    created_at = serializers.DateTimeField()
    data = EventDataJson()  # type: ignore[assignment]  # a member of the document


class FeedJson(serializers.Serializer[Any]):
    """Events, oldest first."""

    items = EventJson(many=True)
    next_after = serializers.UUIDField(help_text="Where to go on.")
    settled_until = serializers.DateTimeField(help_text="What has an earlier time is in the feed.")


def feed_body(page: FeedPage) -> bytes:
    """Return the body of a page of the feed."""
    # Each event by itself: one character beyond ASCII makes a text of all of them slow to write.
    items = b",".join([text.encode() for text in event_texts(page)])
    tail = f'],"next_after":"{page.next_after}","settled_until":"{timestamp(page.settled_until)}"}}'
    return b'{"items":[' + items + tail.encode()


def event_texts(page: FeedPage) -> list[str]:
    """Return the events of a page, each as JSON."""
    return [
        f'{{"id":"{item.id}","type":"{item.type}","created_at":"{stored_timestamp(item.created_at)}","data":{_data(item, page)}}}'
        for item in page.items
    ]


def _data(item: FeedItem, page: FeedPage) -> str:
    if item.transfer is None:
        return dumps_text(_facts(item, page))
    shown = transfer_text(item.transfer, page.parties, page.units)
    hold = "" if item.hold is None else f'"hold":{hold_text(_at_event(item.hold, item.type), page.parties, page.units)},'
    return f'{{{hold}"transfer":{shown[:-1]},"entries":[{_entries(item, page)}]}}}}'


def _at_event(hold: HoldRow, type_: str) -> HoldRow:
    """Return a hold as it was when this happened to it. It may have ended since."""
    if type_ != EventType.HOLD_PLACED:
        return hold
    id_, _, source, target, code, amount, reserved, _, expires_at, _, *rest = hold
    return (id_, HoldStatus.OPEN.value, source, target, code, amount, reserved, "0", expires_at, None, *rest)  # type: ignore[return-value]  # as it was


def _entries(item: FeedItem, page: FeedPage) -> str:
    """Return the entries of a transfer, as JSON with the members of ``entry_json``."""
    assert item.transfer is not None
    transfer_id, kind, source_id, target_id, code = item.transfer[:5]
    parties, exponent = page.parties, page.units[code].exponent
    source, target = parties[source_id], parties[target_id]
    hold_for = None if item.hold is None else parties[item.hold[3]].name
    reference, memo, _, at = item.transfer[-4:]
    tail = f'"memo":{text_or_null(memo)},"external_reference":{text_or_null(reference)},"created_at":"{stored_timestamp(at)}"}}'
    texts = []
    for account_id, sequence, direction, type_, amount, balance in item.entries:
        account = parties[account_id]
        name = counterparty(type_, kind, source, target, hold_for=hold_for, owner_id=account.merchant_id)
        # One text takes half the time of a dictionary that a JSON library writes.
        texts.append(
            f'{{"id":"{entry_id_text(account_id, int(sequence))}","account_id":"{account_id}","account_kind":"{account.account_kind}",'
            f'"transfer_id":"{transfer_id}","sequence":{sequence},"direction":"{direction}","type":"{type_}","currency":"{code}",'
            f'"amount":"{format_minor_text(amount, exponent)}","amount_minor":{amount},'
            f'"balance_after":"{format_minor_text(balance, exponent)}","balance_after_minor":{balance},'
            f'"counterparty":{text_or_null(name)},{tail}'
        )
    return ",".join(texts)


# --- facts of what is no transfer -----------------------------------------------------------------


def _facts(item: FeedItem, page: FeedPage) -> Json:
    return {name: _SHOWN[name](value, page, item) if name in _SHOWN else value for name, value in item.facts.items()}


def _moment(text: str) -> str:
    return timestamp(datetime.fromisoformat(text))


def _merchant(facts: Mapping[str, Any], page: FeedPage, _item: FeedItem) -> Json:
    balances = [_balance(balance, page.units[balance["currency"]]) for balance in facts["balances"]]
    return {**facts, "created_at": _moment(facts["created_at"]), "balances": balances}


def _balance(facts: Mapping[str, Any], currency: CurrencyUnit) -> Json:
    available_minor, held_minor = facts["available_minor"], facts["held_minor"]
    return {
        "account_id": facts["account_id"],
        "currency": currency.code,
        **amount_members("balance", available_minor + held_minor, currency),
        **amount_members("available", available_minor, currency),
        **amount_members("held", held_minor, currency),
    }


def _account(facts: Mapping[str, Any], page: FeedPage, _item: FeedItem) -> Json:
    currency = page.units[facts["currency"]]
    balance = _balance({"account_id": facts["id"], **facts}, currency)
    del balance["account_id"]
    return {
        "id": facts["id"],
        "merchant_name": facts["merchant_name"],
        "status": facts["status"],
        **balance,
        **amount_members("overdraft_limit", facts["overdraft_minor"], currency),
        "created_at": _moment(facts["created_at"]),
    }


def _schedule(facts: Mapping[str, Any], page: FeedPage, item: FeedItem) -> Json:
    currency = page.units[facts["currency"]] if facts["currency"] else CurrencyUnit("", 0)

    def money(name: str, amount_minor: int | None) -> Json:
        return {name: None, f"{name}_minor": None} if amount_minor is None else amount_members(name, amount_minor, currency)

    return {
        "id": facts["id"],
        "version": facts["version"],
        "merchant_name": None if item.merchant_id is None else page.parties[item.merchant_id].name,
        "currency": facts["currency"],
        "kind": facts["kind"],
        "rate": facts["rate"],
        **{name: value for part in ("flat", "minimum", "maximum") for name, value in money(part, facts[f"{part}_minor"]).items()},
        "tier_mode": facts["tier_mode"],
        "tiers": [
            {**money("up_to", tier["up_to_minor"]), "rate": tier.get("rate", "0"), **money("flat", tier.get("flat_minor", 0))}
            for tier in facts["tiers"]
        ],
        "rounding": facts["rounding"],
        "payer": facts["payer"],
        "effective_from": _moment(facts["effective_from"]),
    }


_SHOWN: Mapping[str, Callable[[Mapping[str, Any], FeedPage, FeedItem], Json]] = {
    "merchant": _merchant,
    "account": _account,
    "fee_schedule": _schedule,
}
