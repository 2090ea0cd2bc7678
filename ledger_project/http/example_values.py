"""The values of the examples in the OpenAPI document. They tell one story: ``mira_books`` pays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django.conf import settings
from msgspec import Struct

from ledger_project.http.example_approvals import APPROVAL, approval_answers, approval_bodies
from ledger_project.http.example_people import USER, people_answers, people_bodies
from ledger_project.http.example_webhooks import WEBHOOK, webhook_answers, webhook_bodies
from ledger_project.http.problems import STATUS
from ledger_project.kernel.errors import LedgerError

_TIME = "2026-01-31T12:00:00.000000Z"


class Things(Struct, frozen=True):
    """The merchants, currencies, ids and the key that the examples name.

    The defaults are the story's.
    """

    new_merchant: str = "mira_books"
    payer: str = "mira_books"
    payee: str = "treasury"
    idle: str = "old_shop"
    currency: str = "EUR"
    new_currency: str = "CHF"
    account: str = "0199c0de-0000-7000-8000-00000000a001"
    transfer: str = "0199c0de-0000-7000-8000-00000000b001"
    hold: str = "0199c0de-0000-7000-8000-00000000c001"
    webhook: str = WEBHOOK
    user: str = USER
    webhook_url: str = "https://hooks.mira.example/ledger"
    key: str = "example"


def _money(name: str, text: str) -> dict[str, object]:
    return {name: text, f"{name}_minor": int(text.replace(".", ""))}


def request_bodies(it: Things) -> dict[str, Mapping[str, object]]:
    """Return the example of each call's body, by its operation."""
    named = {"from_merchant": it.payer, "to_merchant": it.payee, "currency": it.currency, "amount": "1.00"}
    reason = {"reason": "Asked for by the owner, ticket 4711."}
    return {
        "register_merchant": {
            "merchant_name": it.new_merchant, "display_name": "Mira's Books", "currency": it.currency, "initial_balance": "100.00",
            "receipt_email": "receipts@mira.example", "metadata": {"plan": "gold"},
        },
        "change_merchant": {"display_name": "Mira & Daughters", "receipt_email": None},
        "open_account": {"currency": it.new_currency},
        "deposit": {"amount": "10.00", "memo": "Top-up"},
        "withdraw": {"amount": "1.00", "memo": "Payout"},
        "create_transfer": {**named, "memo": "Invoice 7", "metadata": {"invoice": 7}},
        "quote_transfer": named,
        "create_transfer_batch": {"transfers": [{**named, "idempotency_key": f"{it.key}-item-{number}"} for number in (1, 2)]},
        "reverse_transfer": {"amount": "0.50", "memo": "Goods came back"},
        "place_hold": {**named, "expires_in": 3600, "memo": "Room 7"},
        "capture_hold": {"amount": "0.50", "memo": "One night"},
        "void_hold": {"memo": "Never came"},
        **{f"{verb}_merchant": reason for verb in ("freeze", "unfreeze", "close")},
        **{f"{verb}_account": reason for verb in ("freeze", "unfreeze")},
        "set_overdraft_limit": {"overdraft_limit": "50.00", **reason},
        **webhook_bodies(it.transfer, it.webhook_url),
        **people_bodies(it.payer, it.key),
        **approval_bodies(),
    }  # fmt: skip


def parameters(it: Things, operation: str) -> dict[str, str]:
    """Return the examples of a call's parameters, those of its query where it needs one."""
    return {
        **({"?account_id": it.account} if operation == "get_receipt" else {}),
        "name": it.idle if operation == "close_merchant" else it.payer,
        "account_id": it.account,
        "transfer_id": it.transfer,
        "hold_id": it.hold,
        "event_id": it.transfer,
        "webhook_id": it.webhook,
        "user_id": it.user,
        "approval_id": APPROVAL,
        "merchant_name": it.payer,
        "Idempotency-Key": f"{it.key}-{operation}",
    }


def answers(it: Things) -> dict[str, object]:
    """Return the example of each answer, by its schema's name."""
    return {
        **_merchants_and_accounts(it),
        **_transfers(it),
        **_holds(it),
        "StatementJson": {
            "items": [_entry(it)],
            "next_cursor": None,
            **_money("opening_balance", "100.00"),
            **_money("closing_balance", "99.00"),
        },
        "SummaryJson": _summary(it),
        **_events(it),
        **webhook_answers(it.transfer, _TIME),
        **people_answers(it.payer, _TIME),
        **approval_answers(it.payer, _transfer(it), _TIME),
        "HealthJson": {"status": "ok"},
        **_receipts(it),
    }


_BALANCES = {**_money("balance", "100.00"), **_money("available", "90.00"), **_money("held", "10.00")}
_SCHEDULE = {"id": "0199c0de-0000-7000-8000-00000000e001", "version": 1}


def _account(it: Things) -> dict[str, object]:
    return {
        "id": it.account,
        "merchant_name": it.payer,
        "currency": it.currency,
        "status": "active",
        **_BALANCES,
        **_money("overdraft_limit", "0.00"),
        "created_at": _TIME,
    }


def _merchants_and_accounts(it: Things) -> dict[str, object]:
    balance = {"account_id": it.account, "currency": it.currency, **_BALANCES}
    merchant = {
        "id": "0199c0de-0000-7000-8000-00000000d001",
        "merchant_name": it.payer,
        "display_name": "Mira's Books",
        "receipt_email": "receipts@mira.example",
        "status": "active",
        "metadata": {"plan": "gold"},
        "created_at": _TIME,
        "balances": [balance],
    }
    return {
        "MerchantJson": merchant,
        "MerchantPageJson": {"items": [merchant], "next_cursor": None},
        "MerchantBalancesJson": {"merchant_name": it.payer, "as_of": _TIME, "balances": [balance]},
        "AccountJson": _account(it),
    }


def _transfer(it: Things) -> dict[str, object]:
    return {
        "id": it.transfer,
        "kind": "transfer",
        "status": "posted",
        "from_merchant": it.payer,
        "to_merchant": it.payee,
        "currency": it.currency,
        **_money("amount", "1.00"),
        **_money("fee", "0.01"),
        **_money("total_debit", "1.01"),
        "fee_schedule": _SCHEDULE,
        "reverses": None,
        "payment_id": None,
        "exchange_id": None,
        "external_reference": None,
        "memo": "Invoice 7",
        "metadata": {"invoice": 7},
        "created_at": _TIME,
    }


def _entry(it: Things) -> dict[str, object]:
    return {
        "id": "0199c0de-0000-7000-8000-00000000f001",
        "account_id": it.account,
        "transfer_id": it.transfer,
        "sequence": 2,
        "direction": "DEBIT",
        "type": "transfer",
        "currency": it.currency,
        **_money("amount", "1.00"),
        **_money("balance_after", "99.00"),
        "counterparty": it.payee,
        "external_reference": None,
        "memo": "Invoice 7",
        "created_at": _TIME,
    }


def _transfers(it: Things) -> dict[str, object]:
    transfer = _transfer(it)
    deposit = transfer | {
        "kind": "deposit",
        "from_merchant": None,
        "to_merchant": it.payer,
        **_money("fee", "0.00"),
        **_money("total_debit", "1.00"),
        "fee_schedule": None,
        "memo": "Top-up",
        "metadata": {},
    }
    return {
        "MovementJson": {"account": _account(it), "transfer": deposit},
        "TransferJson": transfer,
        "TransferDetailJson": {**transfer, "entries": [{**_entry(it), "account_kind": "wallet"}]},
        "TransferPageJson": {"items": [transfer], "next_cursor": None},
        "QuoteJson": {
            "currency": it.currency,
            **_money("amount", "1.00"),
            **_money("fee", "0.01"),
            **_money("total_debit", "1.01"),
            **_money("receiver_gets", "1.00"),
            "fee_schedule": _SCHEDULE,
        },
        "BatchJson": {"results": [{"status": 201, "transfer": transfer}, {"status": 404, "error": problem("merchant_not_found")}]},
    }


def _receipts(it: Things) -> dict[str, object]:
    key = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "use": "sig", "alg": "EdDSA"}
    receipt = {
        "number": f"{it.transfer}-1",
        "issued_at": _TIME,
        "transfer": _transfer(it),
        "party": {"merchant_name": it.payer, "account_id": it.account, "sequence": 3, "entry_hash": "5f" * 32},
        "signature": "eyJhbGciOiJFZERTQSIsImtpZCI6IuKApiJ9.e30.c2lnbmF0dXJl",
    }
    return {"ReceiptJson": receipt, "KeySetJson": {"keys": [{**key, "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"}]}}


def _holds(it: Things) -> dict[str, object]:
    hold = {
        "id": it.hold,
        "status": "open",
        "from_merchant": it.payer,
        "to_merchant": it.payee,
        "currency": it.currency,
        **_money("amount", "1.00"),
        **_money("reserved", "1.01"),
        **_money("captured", "0.00"),
        "expires_at": "2026-02-07T12:00:00.000000Z",
        "transfer_id": None,
        "memo": "Room 7",
        "metadata": {},
        "created_at": _TIME,
    }
    return {"HoldJson": hold, "HoldPageJson": {"items": [hold], "next_cursor": None}}


def _events(it: Things) -> dict[str, object]:
    transfer = {**_transfer(it), "entries": [{**_entry(it), "account_kind": "wallet"}]}
    event = {"id": it.transfer, "type": "transfer.posted", "created_at": _TIME, "data": {"transfer": transfer}}
    return {"EventJson": event, "FeedJson": {"items": [event], "next_after": it.transfer, "settled_until": _TIME}}


def _summary(it: Things) -> dict[str, object]:
    day = {"day": "2026-01-31", "count": 1, **_money("volume", "1.00"), **_money("fee_income", "0.01"), **_money("value", "100.00")}
    kind = {"kind": "transfer", "count": 1, **_money("volume", "1.00"), **_money("fees", "0.01"), **_money("fee_refunds", "0.00")}
    return {
        "currency": it.currency, "from": "2026-01-31", "to": "2026-01-31", "as_of": _TIME, **_money("value", "100.00"),
        **_money("available", "90.00"), **_money("held", "10.00"), **_money("treasury", "1.00"), **_money("fees_unswept", "0.01"),
        **_money("fee_income", "0.01"), "kinds": [kind], "days": [day],
        "refusals": [{"code": "insufficient_funds", "currency": it.currency, "count": 1}],
        "top_merchants": [{"merchant_name": it.payer, "movements": 1, **_money("sent", "1.00"), **_money("received", "0.00")}],
        "open_holds": {"count": 1, **_money("reserved", "10.00")},
        "reconciliation": {"verdict": "clean", "finished_at": _TIME, "entries_checked": 4, "findings": 0, "scope": "everything"},
    }  # fmt: skip


OTHER_FORMS = {
    "text/csv": "id,account_id,transfer_id,sequence,direction,type,amount\r\n"
    "0199c0de-0000-7000-8000-00000000f001,0199c0de-0000-7000-8000-00000000a001,0199c0de-0000-7000-8000-00000000b001,2,DEBIT,transfer,1.00\r\n",
    "application/xml": '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>…</BkToCstmrStmt></Document>',
    "application/pdf": "%PDF-1.7 …",
    "text/html": "<!doctype html><title>Receipt</title>",
}
"""Beginnings of answers in other forms than JSON."""


def _errors(kind: type[LedgerError] = LedgerError) -> Iterator[type[LedgerError]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _errors(inner)


def problem(code: str) -> dict[str, object]:
    """Return an example of a refusal.

    Its detail is the first paragraph of the error's docstring.
    """
    found = next(kind for kind in _errors() if kind.code == code)
    extra = {"errors": [{"field": "amount", "code": "required", "detail": "an amount is expected"}]} if code == "validation_error" else {}
    return {
        "type": settings.LEDGER_ERROR_BASE_URL + code,
        "title": found.title,
        "status": STATUS[code],
        "code": code,
        "detail": " ".join((found.__doc__ or found.title).partition("\n\n")[0].split()),
        "request_id": "0199c0de-0000-7000-8000-000000000001",
        **extra,
    }
